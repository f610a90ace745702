/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of store keys at the anchor: handles stand for processes. A new version serves at once in all of them, also
 * where nobody could tell; what one is killed at leaves every entry open; what is destroyed stays so.
 */
#include "anchor.h"
#include "anchor/keys/store_keys.h"
#include "anchor/rekey/rekey_stores.h"
#include "base/failpoint.h"

static uint64_t activate(struct sherd_anchor *anchor, const char *name)
{
    const struct sherd_master_options options = {.name = name};
    uint64_t version = 0;

    assert_ok(anchor->ops->master_activate(anchor, &options, &version));
    return version;
}

static struct sherd_uuid put(const struct anchor_test *test, struct sherd_anchor *anchor)
{
    struct sherd_pin_change change = {.versions_kept = 1};
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_uuid record;

    assert_ok(sherd_uuid_new(&record));
    assert_ok(anchor->ops->key_new(anchor, &test->collection, "pat", record, 1, &change.pin, &key));
    assert_ok(anchor->ops->pin_commit(anchor, &change, 1, &dropped));
    sherd_refs_done(&dropped);
    return record;
}

static enum sherd_err get(struct sherd_anchor *anchor, struct sherd_uuid record)
{
    struct sherd_pin_view view;
    struct sherd_record_key key;

    return anchor->ops->pin_get(anchor, record, 0, &view, &key);
}

static enum sherd_err rekey_until(struct sherd_anchor *anchor)
{
    const struct sherd_rekey_scope all = {.one_entity = false};
    struct sherd_rekey_progress progress = {.done = false};
    struct sherd_rekey *rekey;
    enum sherd_err err = anchor->ops->rekey_begin(anchor, &all, &rekey);

    if (err != SHERD_OK)
        return err;
    while (err == SHERD_OK && !progress.done)
        err = anchor->ops->rekey_step(anchor, rekey, 7, &progress);
    anchor->ops->rekey_end(anchor, rekey);
    return err;
}

/* How many entries of `keys`, but for what waits for the ledger, lie under each version. */
struct versions {
    unsigned of[8];
};

static enum sherd_err count_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct versions *versions = arg;

    if (!sherd_pending_named(&name))
        versions->of[sherd_entry_version(stored) % 8]++;
    return SHERD_OK;
}

static struct versions versions_in(struct sherd_compartment *keys)
{
    struct versions versions = {.of = {0}};
    struct sherd_snapshot *snapshot;

    assert_ok(sherd_compartment_snapshot_begin(keys, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, count_one, &versions));
    sherd_snapshot_end(snapshot);
    return versions;
}

struct listed {
    unsigned count;
    struct sherd_master_info infos[80];
};

static enum sherd_err note(void *arg, const struct sherd_master_info *info)
{
    struct listed *listed = arg;

    if (strcmp(info->name, "store:keys") == 0)
        listed->infos[listed->count++] = *info;
    return SHERD_OK;
}

static unsigned versions_listed(struct sherd_anchor *anchor)
{
    struct listed listed = {.count = 0};

    assert_ok(anchor->ops->master_each(anchor, note, &listed));
    for (unsigned i = 0; i < listed.count; i++) {
        assert_int_equal(listed.infos[i].wraps, i + 1 == listed.count);
        assert_int_equal(listed.infos[i].state, i + 1 == listed.count ? SHERD_MASTER_ACTIVE : SHERD_MASTER_RETIRED);
        assert_true(listed.infos[i].created_s > 1700000000);
    }
    return listed.count;
}

static void test_anchor_store_keys_activate__serves_at_once_in_every_handle(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_anchor *other;
    struct sherd_entry_keys leased;
    uint32_t version;

    assert_ok(anchor_open(test, &other));
    const struct sherd_uuid before = put(test, other);
    assert_ok(other->ops->lease(other, SHERD_ASSETS, &leased));
    assert_int_equal(activate(test->anchor, "store:keys"), 2);
    assert_int_equal(activate(test->anchor, "store:assets"), 2);
    assert_int_equal(activate(other, "store:secrets"), 2);
    assert_int_equal(versions_listed(other), 2);
    assert_int_equal(versions_in(test->keys).of[2], 1); /* the keyring's pin, of the second change on */
    const struct sherd_uuid after = put(test, other);
    assert_int_equal(versions_in(test->keys).of[2], 2); /* and its pin */
    assert_ok(sherd_entry_newest(&leased, &version));
    assert_int_equal(version, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(get(i == 0 ? test->anchor : other, before));
        assert_ok(get(i == 0 ? test->anchor : other, after));
    }
    other->ops->free(other);
    anchor_again(test);
    assert_ok(get(test->anchor, before));
    assert_ok(get(test->anchor, after));
}

static void test_anchor_store_keys_rekey__seals_anew_and_ends_the_old(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_anchor *other;
    struct sherd_uuid records[30];
    struct sherd_uuid collection = {{4}};
    const struct sherd_digest digest = {{5}};

    assert_ok(anchor_open(test, &other));
    assert_ok(other->ops->collection_pin(other, &collection, &digest));
    for (size_t i = 0; i < SHERD_COUNT_OF(records); i++)
        records[i] = put(test, other);
    const unsigned entries = versions_in(test->keys).of[1];
    for (uint64_t round = 2; round < 5; round++) {
        assert_int_equal(activate(test->anchor, "store:keys"), round);
        assert_ok(rekey_until(other));
        assert_int_equal(versions_in(test->keys).of[round], entries);
        assert_int_equal(versions_listed(test->anchor), 1);
        for (size_t i = 0; i < SHERD_COUNT_OF(records); i++)
            assert_ok(get(i % 2 == 0 ? test->anchor : other, records[i]));
        assert_ok(test->anchor->ops->collection_check(test->anchor, &collection, &digest));
    }
    other->ops->free(other);
    anchor_again(test);
    for (size_t i = 0; i < SHERD_COUNT_OF(records); i++)
        assert_ok(get(test->anchor, records[i]));
}

/* What lay under a version that was destroyed, kept by a thief and put back. */
struct thief {
    struct sherd_store_op ops[64];
    uint8_t blocks[64][512];
    size_t count;
};

static enum sherd_err steal_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct thief *thief = arg;

    if (stored.data[1] != SHERD_KIND_PIN)
        return SHERD_OK;
    memcpy(thief->blocks[thief->count], stored.data, stored.len);
    thief->ops[thief->count] = (struct sherd_store_op){
        .kind = SHERD_STORE_PUT, .name = name, .value = sherd_span_of(thief->blocks[thief->count], stored.len)};
    thief->count++;
    return SHERD_OK;
}

/* Refused as policy, and not as damage. */
static void test_anchor_store_keys_rekey__refuses_what_is_put_back(void **state)
{
    struct anchor_test *test = *state;
    struct thief *thief = test_calloc(1, sizeof(*thief));
    struct sherd_snapshot *snapshot;

    const struct sherd_uuid record = put(test, test->anchor);
    assert_ok(sherd_compartment_snapshot_begin(test->keys, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, steal_one, thief));
    sherd_snapshot_end(snapshot);
    assert_int_equal(thief->count, 1);
    activate(test->anchor, "store:keys");
    assert_ok(sherd_compartment_write(test->keys, thief->ops, 1));
    assert_ok(get(test->anchor, record)); /* it is still accepted */
    assert_ok(rekey_until(test->anchor));
    assert_ok(get(test->anchor, record));
    assert_ok(sherd_compartment_write(test->keys, thief->ops, 1));
    assert_err(SHERD_ERR_DENIED, get(test->anchor, record));
    thief->blocks[0][7] = 7; /* a version that there never was */
    assert_ok(sherd_compartment_write(test->keys, thief->ops, 1));
    assert_err(SHERD_ERR_TAMPERED, get(test->anchor, record));
    test_free(thief);
}

/* --- ends in the middle ------------------------------------------------------------------------------------------- */

static enum sherd_err fail_at(void *arg, const char *name)
{
    return strcmp(arg, name) == 0 ? sherd_fail(SHERD_ERR_IO, "as it was asked to") : SHERD_OK;
}

/* Nobody could tell that there is a new version: who does not know it is refused by the guard, and finds out. */
static void test_anchor_store_keys_activate__that_could_not_tell_is_found_out(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_master_options options = {.name = "store:keys"};
    char place[] = "ring.pinned";
    struct sherd_anchor *other;

    assert_ok(anchor_open(test, &other));
    const struct sherd_uuid before = put(test, other);
    const unsigned entries = versions_in(test->keys).of[1];
    sherd_failpoint_set(fail_at, place);
    assert_err(SHERD_ERR_IO, test->anchor->ops->master_activate(test->anchor, &options, NULL));
    sherd_failpoint_set(NULL, NULL);
    const struct sherd_uuid after = put(test, other);
    assert_int_equal(versions_in(test->keys).of[1], entries);
    assert_int_equal(versions_in(test->keys).of[2], 1);
    assert_ok(rekey_until(other));
    assert_int_equal(versions_in(test->keys).of[1], 0);
    assert_ok(get(other, before));
    assert_ok(get(test->anchor, after));
    other->ops->free(other);
}

static void test_anchor_store_keys_rekey__goes_on_wherever_it_ended(void **state)
{
    static const char *const places[] = {"ring.written",      "ring.pinned",        "renew.before_write",
                                         "rekey.before_tell", "rekey.before_write", "reseal.before_write",
                                         "stores.before_end", "ring.written",       "ring.pinned"};
    struct anchor_test *test = *state;
    struct sherd_uuid records[SHERD_COUNT_OF(places)];

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        char place[32];

        (void)snprintf(place, sizeof(place), "%s", places[i]);
        records[i] = put(test, test->anchor);
        activate(test->anchor, i % 2 == 0 ? "store:keys" : "store:secrets");
        activate(test->anchor, "default");
        activate(test->anchor, "store:keys");
        sherd_failpoint_set(fail_at, place);
        assert_err(SHERD_ERR_IO, rekey_until(test->anchor));
        sherd_failpoint_set(NULL, NULL);
        for (size_t k = 0; k <= i; k++)
            assert_ok(get(test->anchor, records[k]));
        anchor_again(test);
        for (size_t k = 0; k <= i; k++)
            assert_ok(get(test->anchor, records[k]));
        if (strcmp(place, "ring.written") != 0 && strcmp(place, "ring.pinned") != 0)
            continue;
        assert_ok(rekey_until(test->anchor));
        assert_int_equal(versions_listed(test->anchor), 1);
    }
}

/* --- by hand ------------------------------------------------------------------------------------------------------ */

static void test_anchor_store_keys_destroy__is_refused_while_anything_refers_to_it(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;

    (void)put(test, test->anchor);
    activate(test->anchor, "store:keys");
    activate(test->anchor, "store:keys");
    assert_err(SHERD_ERR_CONFLICT, ops->master_retire(test->anchor, "store:keys", 3));
    assert_ok(ops->master_retire(test->anchor, "store:keys", 1));
    assert_err(SHERD_ERR_NOT_FOUND, ops->master_retire(test->anchor, "store:keys", 4));
    assert_err(SHERD_ERR_NOT_FOUND, ops->master_retire(test->anchor, "store:nowhere", 1));
    assert_err(SHERD_ERR_CONFLICT, ops->master_destroy(test->anchor, "store:keys", 1));
    assert_err(SHERD_ERR_CONFLICT, ops->master_destroy(test->anchor, "store:keys", 2)); /* not the oldest */
    assert_err(SHERD_ERR_CONFLICT, ops->master_destroy(test->anchor, "store:keys", 3)); /* it seals */
    assert_ok(rekey_until(test->anchor));
    assert_int_equal(versions_listed(test->anchor), 1);
    assert_err(SHERD_ERR_NOT_FOUND, ops->master_destroy(test->anchor, "store:keys", 1));
    activate(test->anchor, "store:assets"); /* a compartment that this anchor has not at hand */
    assert_err(SHERD_ERR_UNSUPPORTED, ops->master_destroy(test->anchor, "store:assets", 1));
}

static void test_anchor_store_keys_activate__refuses_what_it_does_not_know(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_master_options wrong[] = {
        {.name = "store:keys", .generator = "dice"},
        {.name = "store:keys", .store = "stripe"},
        {.name = "store:keys", .args = "a=b"},
    };
    const struct sherd_master_options nowhere = {.name = "store:nowhere"};
    const struct sherd_master_options options = {.name = "store:identity"};

    for (size_t i = 0; i < SHERD_COUNT_OF(wrong); i++)
        assert_err(SHERD_ERR_INVALID, test->anchor->ops->master_activate(test->anchor, &wrong[i], NULL));
    assert_err(SHERD_ERR_NOT_FOUND, test->anchor->ops->master_activate(test->anchor, &nowhere, NULL));
    for (unsigned i = 1; i < SHERD_STORE_VERSIONS_MAX; i++)
        activate(test->anchor, "store:identity");
    assert_err(SHERD_ERR_LIMIT, test->anchor->ops->master_activate(test->anchor, &options, NULL));
    anchor_again(test);
}

static void test_anchor_store_keys_reseal__is_for_secrets_own_entries(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    uint8_t blocks[2][SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(blocks[0], sizeof(blocks[0]));
    struct sherd_buf fresh = sherd_buf_borrow(blocks[1], sizeof(blocks[1]));
    struct sherd_ref name;

    assert_ok(ops->compartment_entry(test->anchor, SHERD_SECRETS, &name, &stored));
    assert_err(SHERD_ERR_DENIED, ops->entry_reseal(test->anchor, SHERD_ASSETS, &name, sherd_buf_span(&stored), &fresh));
    assert_err(SHERD_ERR_DENIED, ops->entry_reseal(test->anchor, SHERD_KEYS, &name, sherd_buf_span(&stored), &fresh));
    assert_ok(ops->entry_reseal(test->anchor, SHERD_SECRETS, &name, sherd_buf_span(&stored), &fresh));
    assert_int_equal(fresh.len, 0);
    activate(test->anchor, "store:secrets");
    assert_ok(ops->entry_reseal(test->anchor, SHERD_SECRETS, &name, sherd_buf_span(&stored), &fresh));
    assert_int_equal(sherd_entry_version(sherd_buf_span(&fresh)), 2);
    assert_ok(ops->compartment_check(test->anchor, SHERD_SECRETS, sherd_buf_span(&fresh)));
    stored.data[1] = 128; /* a fragment */
    assert_err(SHERD_ERR_TAMPERED,
               ops->entry_reseal(test->anchor, SHERD_SECRETS, &name, sherd_buf_span(&stored), &fresh));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_of(test_anchor_store_keys_activate__serves_at_once_in_every_handle),
        anchor_test_of(test_anchor_store_keys_rekey__seals_anew_and_ends_the_old),
        anchor_test_of(test_anchor_store_keys_rekey__refuses_what_is_put_back),
        anchor_test_of(test_anchor_store_keys_activate__that_could_not_tell_is_found_out),
        anchor_test_of(test_anchor_store_keys_rekey__goes_on_wherever_it_ended),
        anchor_test_of(test_anchor_store_keys_destroy__is_refused_while_anything_refers_to_it),
        anchor_test_of(test_anchor_store_keys_activate__refuses_what_it_does_not_know),
        anchor_test_of(test_anchor_store_keys_reseal__is_for_secrets_own_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
