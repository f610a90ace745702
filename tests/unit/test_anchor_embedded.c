/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the anchor behind its table: keys, pins, versions, idempotency, collections, leases and scans. */
#include "anchor.h"
#include "base/bytes.h"

static struct sherd_uuid record_new(void)
{
    struct sherd_uuid id;

    assert_ok(sherd_uuid_new(&id));
    return id;
}

/* A change for one version, with a key of its own, and a map name that says which version it is. */
static struct sherd_pin_change change_of(struct anchor_test *test, struct sherd_uuid record, uint64_t version,
                                         uint32_t kept, struct sherd_record_key *out_key)
{
    struct sherd_pin_change change = {.version_expected = version - 1, .versions_kept = kept};

    assert_ok(test->anchor->ops->key_new(test->anchor, &test->collection, "", record, version, &change.pin, out_key));
    sherd_put_u64(change.pin.map.bytes, version);
    memcpy(change.pin.map.bytes + 8, record.bytes, 8);
    change.pin.fragment_bytes = 1000 + version;
    memset(change.pin.digest.bytes, (int)version, sizeof(change.pin.digest.bytes));
    return change;
}

static enum sherd_err commit_one(struct anchor_test *test, const struct sherd_pin_change *change,
                                 struct sherd_refs *dropped)
{
    return test->anchor->ops->pin_commit(test->anchor, change, 1, dropped);
}

static void pin_version(struct anchor_test *test, struct sherd_uuid record, uint64_t version, uint32_t kept)
{
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    const struct sherd_pin_change change = change_of(test, record, version, kept, &key);

    assert_ok(commit_one(test, &change, &dropped));
    sherd_refs_done(&dropped);
}

static enum sherd_err get(struct anchor_test *test, struct sherd_uuid record, uint64_t version,
                          struct sherd_pin_view *out_view)
{
    struct sherd_record_key key;

    return test->anchor->ops->pin_get(test->anchor, record, version, out_view, &key);
}

/* --- pins --------------------------------------------------------------------------------------------------------- */

/* What is pending goes from `keys`. */
static void settle(struct anchor_test *test)
{
    assert_ok(test->anchor->ops->ledger_run(test->anchor, NULL));
}

static void test_anchor_embedded_pin__comes_back_with_its_key(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = record_new();
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_record_key again;
    struct sherd_pin_view view;
    const struct sherd_pin_change change = change_of(test, record, 1, 1, &key);

    assert_err(SHERD_ERR_NOT_FOUND, get(test, record, 0, &view)); /* a key alone makes no record */
    assert_ok(commit_one(test, &change, &dropped));
    assert_int_equal(dropped.count, 0);
    for (unsigned i = 0; i < 2; i++) {
        memset(&again, 0, sizeof(again));
        assert_ok(test->anchor->ops->pin_get(test->anchor, record, 0, &view, &again));
        assert_memory_equal(again.bytes, key.bytes, sizeof(key.bytes));
        assert_int_equal(view.version_current, 1);
        assert_int_equal(view.version_oldest, 1);
        assert_memory_equal(&view.pin.map, &change.pin.map, sizeof(view.pin.map));
        assert_memory_equal(&view.pin.digest, &change.pin.digest, sizeof(view.pin.digest));
        assert_int_equal(view.pin.fragment_bytes, 1001);
        anchor_again(test);
    }
    assert_err(SHERD_ERR_NOT_FOUND, get(test, record_new(), 0, &view));
}

static void test_anchor_embedded_key_new__gives_another_key_each_time(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = record_new();
    struct sherd_record_key keys[4];

    for (size_t i = 0; i < 4; i++) {
        const struct sherd_pin_change change = change_of(test, record, 1 + i / 2, 1, &keys[i]);

        assert_int_equal(change.pin.version, 1 + i / 2);
        assert_memory_equal(&change.pin.record, &record, sizeof(record));
        assert_memory_equal(&change.pin.collection, &test->collection.id, sizeof(record));
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(keys[i].bytes, keys[k].bytes, 32);
    }
}

static void test_anchor_embedded_key_new__knows_entities_by_collection_and_id(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_collection_entry elsewhere = {.id = record_new()};
    const struct sherd_uuid other = elsewhere.id;
    const struct {
        const struct sherd_collection_entry *collection;
        const char *id;
    } entities[] = {{&test->collection, ""}, {&test->collection, "pat"}, {&elsewhere, ""}, {&elsewhere, "pat"}};
    struct sherd_pin pins[SHERD_COUNT_OF(entities)];
    struct sherd_record_key key;
    char longer[SHERD_ENTITY_BYTES_MAX + 2];

    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < SHERD_COUNT_OF(entities); i++) {
            struct sherd_pin pin;

            assert_ok(test->anchor->ops->key_new(test->anchor, entities[i].collection, entities[i].id, other, 1, &pin,
                                                 &key));
            if (round == 1)
                assert_memory_equal(&pin.entity, &pins[i].entity, sizeof(pin.entity));
            pins[i] = pin;
            for (size_t k = 0; k < i; k++)
                assert_memory_not_equal(&pins[i].entity, &pins[k].entity, sizeof(pin.entity));
        }
    memset(longer, 'e', sizeof(longer));
    longer[SHERD_ENTITY_BYTES_MAX + 1] = '\0';
    assert_int_not_equal(test->anchor->ops->key_new(test->anchor, &elsewhere, longer, other, 1, &pins[0], &key),
                         SHERD_OK);
}

static void test_anchor_embedded_pin_commit__drops_what_is_no_longer_kept(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = record_new();
    struct sherd_pin_view view;

    for (uint64_t version = 1; version <= 8; version++) {
        struct sherd_refs dropped = {0};
        struct sherd_record_key key;
        const struct sherd_pin_change change = change_of(test, record, version, 3, &key);

        assert_ok(commit_one(test, &change, &dropped));
        assert_int_equal(dropped.count, version > 3 ? 1 : 0);
        if (version > 3)
            assert_int_equal(sherd_get_u64(dropped.refs[0].bytes), version - 3);
        sherd_refs_done(&dropped);
        assert_ok(get(test, record, 0, &view));
        assert_int_equal(view.version_current, version);
        assert_int_equal(view.version_oldest, version > 3 ? version - 2 : 1);
        for (uint64_t v = 1; v <= version; v++) {
            const enum sherd_err err = get(test, record, v, &view);

            assert_int_equal(err, v + 3 > version ? SHERD_OK : SHERD_ERR_NOT_FOUND);
            if (err == SHERD_OK)
                assert_int_equal(view.pin.version, v);
        }
    }
}

static void test_anchor_embedded_pin_commit__obeys_rules_that_keep_less_than_there_is(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = record_new();
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_pin_view view;

    for (uint64_t version = 1; version <= 20; version++)
        pin_version(test, record, version, 0);
    const struct sherd_pin_change change = change_of(test, record, 21, 2, &key);
    assert_ok(commit_one(test, &change, &dropped));
    assert_int_equal(dropped.count, 19);
    sherd_refs_done(&dropped);
    assert_ok(get(test, record, 20, &view));
    assert_err(SHERD_ERR_NOT_FOUND, get(test, record, 19, &view));
}

static void test_anchor_embedded_pin_commit__conflicts_with_another_version(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = record_new();
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_pin_view view;
    struct sherd_pin_change change = change_of(test, record, 1, 1, &key);

    assert_ok(commit_one(test, &change, &dropped));
    assert_err(SHERD_ERR_CONFLICT, commit_one(test, &change, &dropped)); /* the record is there already */
    change = change_of(test, record, 3, 1, &key);
    assert_err(SHERD_ERR_CONFLICT, commit_one(test, &change, &dropped)); /* version 2 is not current */
    change = change_of(test, record, 2, 1, &key);
    assert_ok(commit_one(test, &change, &dropped));
    assert_err(SHERD_ERR_CONFLICT, commit_one(test, &change, &dropped)); /* nor is version 1 any more */
    change = change_of(test, record_new(), 2, 1, &key);
    assert_err(SHERD_ERR_NOT_FOUND, commit_one(test, &change, &dropped));
    change = change_of(test, record_new(), 2, 1, &key);
    change.version_expected = 0;
    assert_err(SHERD_ERR_INVALID, commit_one(test, &change, &dropped)); /* a new record begins with version 1 */
    assert_ok(get(test, record, 0, &view));
    assert_int_equal(view.version_current, 2);
    sherd_refs_done(&dropped);
}

static void test_anchor_embedded_pin_commit__is_all_or_none(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_pin_change *changes = test_calloc(1024, sizeof(*changes));
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_pin_view view;

    for (size_t i = 0; i < 1024; i++)
        changes[i] = change_of(test, record_new(), 1, 1, &key);
    pin_version(test, changes[700].pin.record, 1, 1); /* somebody else was first */
    assert_err(SHERD_ERR_CONFLICT, test->anchor->ops->pin_commit(test->anchor, changes, 1024, &dropped));
    for (size_t i = 0; i < 1024; i += 50)
        assert_int_equal(get(test, changes[i].pin.record, 0, &view), i == 700 ? SHERD_OK : SHERD_ERR_NOT_FOUND);
    changes[700] = change_of(test, record_new(), 1, 1, &key);
    assert_ok(test->anchor->ops->pin_commit(test->anchor, changes, 1024, &dropped));
    for (size_t i = 0; i < 1024; i++)
        assert_ok(get(test, changes[i].pin.record, 1, &view));
    sherd_refs_done(&dropped);
    test_free(changes);
}

static struct sherd_pin_change renewed(struct anchor_test *test, const struct sherd_pin *before,
                                       struct sherd_record_key *out_key)
{
    struct sherd_pin_change change = {
        .version_expected = before->version, .reseals = true, .map_expected = before->map};

    assert_ok(test->anchor->ops->key_renew(test->anchor, before, &change.pin, out_key));
    change.pin.map.bytes[15] ^= 1;
    memset(change.pin.digest.bytes, 0x77, sizeof(change.pin.digest.bytes));
    return change;
}

static void test_anchor_embedded_pin_replace__puts_another_key_into_the_same_version(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    const struct sherd_uuid record = record_new();
    struct sherd_pin_view before;
    struct sherd_pin_view after;
    struct sherd_record_key keys[2];
    struct sherd_refs dropped = {0};

    pin_version(test, record, 1, 0);
    pin_version(test, record, 2, 0);
    for (uint64_t version = 1; version <= 2; version++) {
        assert_ok(get(test, record, version, &before));
        struct sherd_pin_change change = renewed(test, &before.pin, &keys[0]);
        assert_ok(ops->pin_replace(test->anchor, &change, 1, &dropped));
        assert_int_equal(dropped.count, version);
        assert_memory_equal(&dropped.refs[version - 1], &before.pin.map, sizeof(before.pin.map));
        assert_ok(ops->pin_get(test->anchor, record, version, &after, &keys[1]));
        assert_memory_equal(&keys[1], &keys[0], sizeof(keys[0]));
        assert_memory_equal(&after.pin.map, &change.pin.map, sizeof(after.pin.map));
        assert_memory_equal(&after.pin.digest, &change.pin.digest, sizeof(after.pin.digest));
        assert_memory_equal(&after.pin.entity, &before.pin.entity, sizeof(after.pin.entity));
        assert_int_equal(after.pin.version, version);
        assert_int_equal(after.version_current, 2);
        assert_int_equal(after.version_oldest, 1);
        assert_err(SHERD_ERR_CONFLICT, ops->pin_replace(test->anchor, &change, 1, &dropped)); /* it was replaced */
        assert_int_equal(dropped.count, version);
    }
    const struct sherd_pin_change late = renewed(test, &after.pin, &keys[0]);
    assert_ok(ops->pin_delete(test->anchor, record, &dropped));
    assert_err(SHERD_ERR_NOT_FOUND, ops->pin_replace(test->anchor, &late, 1, &dropped));
    sherd_refs_done(&dropped);
}

static void test_anchor_embedded_round__goes_on_until_it_is_ended(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = record_new();
    struct sherd_record_key key;
    struct sherd_pin_view view;
    uint16_t round = 0;

    pin_version(test, record, 1, 1);
    for (uint16_t i = 1; i <= 2; i++) {
        for (unsigned again = 0; again < 2; again++) {
            assert_ok(test->anchor->ops->round_begin(test->anchor, &round));
            assert_int_equal(round, i);
            anchor_again(test);
        }
        assert_ok(get(test, record, 0, &view));
        assert_int_equal(view.pin.round, 0); /* not renewed yet */
        assert_int_equal(renewed(test, &view.pin, &key).pin.round, i);
        assert_err(SHERD_ERR_CONFLICT, test->anchor->ops->round_end(test->anchor, i - 1));
        assert_ok(test->anchor->ops->round_end(test->anchor, i));
    }
}

static void test_anchor_embedded_pin_delete__gives_all_that_the_record_had(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = record_new();
    const struct sherd_uuid other = record_new();
    struct sherd_refs dropped = {0};
    struct sherd_pin_view view;

    pin_version(test, other, 1, 0);
    for (uint64_t version = 1; version <= 5; version++)
        pin_version(test, record, version, 0);
    assert_ok(test->anchor->ops->pin_delete(test->anchor, record, &dropped));
    assert_int_equal(dropped.count, 5);
    sherd_refs_done(&dropped);
    for (uint64_t version = 0; version <= 5; version++)
        assert_err(SHERD_ERR_NOT_FOUND, get(test, record, version, &view));
    assert_err(SHERD_ERR_NOT_FOUND, test->anchor->ops->pin_delete(test->anchor, record, &dropped));
    assert_ok(get(test, other, 0, &view));
    pin_version(test, record, 1, 0); /* nothing stands in the way of a new beginning */
}

static void test_anchor_embedded_pin_delete__takes_more_versions_than_one_write_set_holds(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = record_new();
    struct sherd_refs dropped = {0};
    struct sherd_store_stat before;
    struct sherd_store_stat after;
    struct sherd_pin_view view;

    pin_version(test, record_new(), 1, 1);
    settle(test);
    assert_ok(sherd_compartment_stat(test->keys, &before));
    for (uint64_t version = 1; version <= 4200; version++)
        pin_version(test, record, version, 0);
    assert_ok(get(test, record, 1, &view));
    assert_ok(test->anchor->ops->pin_delete(test->anchor, record, &dropped));
    assert_int_equal(dropped.count, 4200);
    sherd_refs_order(&dropped);
    for (size_t i = 1; i < dropped.count; i++)
        assert_memory_not_equal(&dropped.refs[i], &dropped.refs[i - 1], sizeof(struct sherd_ref));
    sherd_refs_done(&dropped);
    assert_err(SHERD_ERR_NOT_FOUND, get(test, record, 0, &view));
    settle(test);
    assert_ok(sherd_compartment_stat(test->keys, &after));
    assert_int_equal(after.entry_count, before.entry_count);
}

/* --- idempotency -------------------------------------------------------------------------------------------------- */

static enum sherd_err keyed(struct anchor_test *test, const char *key, uint8_t hash, struct sherd_uuid *out_record)
{
    struct sherd_digest content_hash;

    memset(content_hash.bytes, hash, sizeof(content_hash.bytes));
    return test->anchor->ops->idempotency_get(test->anchor, &test->collection.id, sherd_span_str(key), &content_hash,
                                              out_record);
}

static void test_anchor_embedded_idempotency__knows_key_contents_and_record(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_uuid found = {{0}};
    const struct sherd_uuid record = record_new();
    struct sherd_pin_change change = change_of(test, record, 1, 1, &key);

    assert_int_equal(keyed(test, "k", 7, &found), SHERD_ERR_NOT_FOUND);
    change.idempotency_key = sherd_span_str("k");
    memset(change.content_hash.bytes, 7, sizeof(change.content_hash.bytes));
    assert_ok(commit_one(test, &change, &dropped));
    assert_ok(keyed(test, "k", 7, &found));
    assert_true(vault_same_id(found, record));
    assert_err(SHERD_ERR_CONFLICT, keyed(test, "k", 8, &found));
    assert_int_equal(keyed(test, "K", 7, &found), SHERD_ERR_NOT_FOUND);
    change.pin.record = record_new();
    assert_err(SHERD_ERR_CONFLICT, commit_one(test, &change, &dropped)); /* the key is taken */
    pin_version(test, record, 2, 1);
    anchor_again(test);
    assert_ok(keyed(test, "k", 7, &found)); /* and is the record's through its updates */
    assert_ok(test->anchor->ops->pin_delete(test->anchor, record, &dropped));
    assert_int_equal(keyed(test, "k", 7, &found), SHERD_ERR_NOT_FOUND);
    sherd_refs_done(&dropped);
}

/* --- collections -------------------------------------------------------------------------------------------------- */

static void test_anchor_embedded_collection__is_pinned_once(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_digest digest = {{1}};
    const struct sherd_digest other = {{2}};

    assert_int_equal(test->anchor->ops->collection_check(test->anchor, &test->collection.id, &digest),
                     SHERD_ERR_NOT_FOUND);
    assert_ok(test->anchor->ops->collection_pin(test->anchor, &test->collection.id, &digest));
    assert_ok(test->anchor->ops->collection_check(test->anchor, &test->collection.id, &digest));
    assert_err(SHERD_ERR_TAMPERED, test->anchor->ops->collection_check(test->anchor, &test->collection.id, &other));
    assert_int_equal(test->anchor->ops->collection_pin(test->anchor, &test->collection.id, &other), SHERD_ERR_CONFLICT);
}

/* --- leases, compartments ----------------------------------------------------------------------------------------- */

static void test_anchor_embedded_lease__lets_two_compartments_keys_out(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_entry_keys keys;
    uint32_t version;

    assert_ok(test->anchor->ops->lease(test->anchor, SHERD_IDENTITY, &keys));
    assert_int_equal(keys.compartment, SHERD_FOR_IDENTITY);
    assert_ok(test->anchor->ops->lease(test->anchor, SHERD_ASSETS, &keys));
    assert_int_equal(keys.compartment, SHERD_FOR_ASSETS);
    assert_ok(sherd_entry_newest(&keys, &version));
    assert_int_equal(version, 1);
    assert_err(SHERD_ERR_DENIED, test->anchor->ops->lease(test->anchor, SHERD_SECRETS, &keys));
    assert_err(SHERD_ERR_DENIED, test->anchor->ops->lease(test->anchor, SHERD_KEYS, &keys));
}

static void test_anchor_embedded_ids__are_those_of_the_keyring(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;

    test->anchor->ops->ids(test->anchor, &deployment, &tenant);
    assert_true(vault_same_id(deployment, test->deployment));
    assert_true(vault_same_id(tenant, test->tenant));
}

static void test_anchor_embedded_compartment__knows_its_own_entries_alone(void **state)
{
    static const enum sherd_role roles[] = {SHERD_IDENTITY, SHERD_ASSETS, SHERD_SECRETS, SHERD_KEYS};
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_buf entries[4] = {{0}};
    struct sherd_ref names[4];

    for (size_t i = 0; i < 4; i++)
        assert_ok(ops->compartment_entry(test->anchor, roles[i], &names[i], &entries[i]));
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++) {
            const enum sherd_err err = ops->compartment_check(test->anchor, roles[i], sherd_buf_span(&entries[k]));

            assert_int_equal(err, i == k ? SHERD_OK : SHERD_ERR_TAMPERED);
            assert_true(i == k || memcmp(&names[i], &names[k], sizeof(names[i])) != 0);
        }
    assert_err(SHERD_ERR_TAMPERED, ops->compartment_check(test->anchor, SHERD_ASSETS, sherd_span_of(NULL, 0)));
    for (size_t i = 0; i < 4; i++)
        sherd_buf_done(&entries[i]);
}

/* --- scans -------------------------------------------------------------------------------------------------------- */

struct scanned {
    size_t count;
    size_t heads;
    struct sherd_ref last;
    size_t stop_at;
};

static enum sherd_err note(void *arg, const struct sherd_anchor_entry *entry)
{
    struct scanned *scanned = arg;

    assert_int_equal(entry->status, SHERD_OK);
    assert_true(scanned->count == 0 || memcmp(&entry->name, &scanned->last, sizeof(entry->name)) > 0);
    assert_int_equal(entry->pin != NULL, entry->kind == SHERD_KIND_PIN || entry->kind == SHERD_KIND_OLD_PIN);
    scanned->last = entry->name;
    scanned->heads += entry->kind == SHERD_KIND_PIN ? 1 : 0;
    scanned->count++;
    return scanned->count == scanned->stop_at ? SHERD_ERR_LIMIT : SHERD_OK;
}

static void test_anchor_embedded_scan__goes_through_in_pages(void **state)
{
    static const size_t pages[] = {1, 2, 7, 33, 34, 1000};
    struct anchor_test *test = *state;
    struct sherd_store_stat stat;

    for (unsigned i = 0; i < 10; i++) {
        const struct sherd_uuid record = record_new();

        for (uint64_t version = 1; version <= 3; version++)
            pin_version(test, record, version, 0);
    }
    settle(test);
    assert_ok(sherd_compartment_stat(test->keys, &stat));
    assert_int_equal(stat.entry_count, 34); /* with the entity, the entry of its id, the keyring's pin, and uses */
    for (size_t p = 0; p < SHERD_COUNT_OF(pages); p++) {
        struct scanned scanned = {.count = 0};
        struct sherd_ref after = {{0}};
        size_t count = pages[p];

        for (bool started = false; count == pages[p]; started = true)
            assert_ok(test->anchor->ops->scan(test->anchor, started ? &after : NULL, pages[p], note, &scanned, &after,
                                              &count));
        assert_int_equal(scanned.count, 34);
        assert_int_equal(scanned.heads, 10);
    }
}

static void test_anchor_embedded_scan__ends_with_the_visitor_s_code_wherever_it_comes(void **state)
{
    struct anchor_test *test = *state;

    for (unsigned i = 0; i < 4; i++)
        pin_version(test, record_new(), 1, 0); /* eight entries, with those of the entity and the keyring */
    settle(test);
    for (size_t page = 1; page <= 9; page++)
        for (size_t stop = 1; stop <= 9; stop++) {
            struct scanned scanned = {.stop_at = stop};
            struct sherd_ref last;
            size_t count = 77;
            const enum sherd_err err = test->anchor->ops->scan(test->anchor, NULL, page, note, &scanned, &last, &count);

            /* the code that also ends a page: which of the two it was must not be mistaken */
            assert_int_equal(err, stop <= page && stop <= 8 ? SHERD_ERR_LIMIT : SHERD_OK);
            assert_int_equal(count, err != SHERD_OK ? 77 : page < 8 ? page : 8);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_of(test_anchor_embedded_pin__comes_back_with_its_key),
        anchor_test_of(test_anchor_embedded_key_new__gives_another_key_each_time),
        anchor_test_of(test_anchor_embedded_key_new__knows_entities_by_collection_and_id),
        anchor_test_of(test_anchor_embedded_pin_commit__drops_what_is_no_longer_kept),
        anchor_test_of(test_anchor_embedded_pin_commit__obeys_rules_that_keep_less_than_there_is),
        anchor_test_of(test_anchor_embedded_pin_commit__conflicts_with_another_version),
        anchor_test_of(test_anchor_embedded_pin_commit__is_all_or_none),
        anchor_test_of(test_anchor_embedded_pin_replace__puts_another_key_into_the_same_version),
        anchor_test_of(test_anchor_embedded_round__goes_on_until_it_is_ended),
        anchor_test_of(test_anchor_embedded_pin_delete__gives_all_that_the_record_had),
        anchor_test_of(test_anchor_embedded_pin_delete__takes_more_versions_than_one_write_set_holds),
        anchor_test_of(test_anchor_embedded_idempotency__knows_key_contents_and_record),
        anchor_test_of(test_anchor_embedded_collection__is_pinned_once),
        anchor_test_of(test_anchor_embedded_lease__lets_two_compartments_keys_out),
        anchor_test_of(test_anchor_embedded_ids__are_those_of_the_keyring),
        anchor_test_of(test_anchor_embedded_compartment__knows_its_own_entries_alone),
        anchor_test_of(test_anchor_embedded_scan__goes_through_in_pages),
        anchor_test_of(test_anchor_embedded_scan__ends_with_the_visitor_s_code_wherever_it_comes),
    };

    return cmocka_run_group_tests_name("anchor_embedded", tests, NULL, NULL);
}
