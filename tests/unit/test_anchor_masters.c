/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of master keys behind the anchor's table: versions, what serves, retiring, destroying, and two handles. */
#include "anchor.h"
#include "base/failpoint.h"

struct list {
    size_t count;
    struct sherd_master_info infos[60];
};

static enum sherd_err note(void *arg, const struct sherd_master_info *info)
{
    struct list *list = arg;

    if (strchr(info->name, ':') == NULL)
        list->infos[list->count++] = *info;
    return SHERD_OK;
}

static struct list list_of(struct sherd_anchor *anchor)
{
    struct list list = {.count = 0};

    assert_ok(anchor->ops->master_each(anchor, note, &list));
    return list;
}

static uint64_t activate(struct sherd_anchor *anchor, const char *name)
{
    const struct sherd_master_options options = {.name = name};
    uint64_t version = 0;

    assert_ok(anchor->ops->master_activate(anchor, &options, &version));
    return version;
}

static enum sherd_err put_one(struct anchor_test *test, struct sherd_anchor *anchor, const char *entity,
                              struct sherd_uuid *out_record)
{
    struct sherd_pin_change change = {.version_expected = 0, .versions_kept = 1};
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;

    SHERD_TRY(sherd_uuid_new(out_record));
    SHERD_TRY(anchor->ops->key_new(anchor, &test->collection, entity, *out_record, 1, &change.pin, &key));
    const enum sherd_err err = anchor->ops->pin_commit(anchor, &change, 1, &dropped);
    sherd_refs_done(&dropped);
    return err;
}

static enum sherd_err get_one(struct sherd_anchor *anchor, struct sherd_uuid record)
{
    struct sherd_pin_view view;
    struct sherd_record_key key;

    return anchor->ops->pin_get(anchor, record, 0, &view, &key);
}

static void rekey_all(struct sherd_anchor *anchor)
{
    const struct sherd_rekey_scope all = {.one_entity = false};
    struct sherd_rekey_progress progress = {.done = false};
    struct sherd_rekey *rekey;

    assert_ok(anchor->ops->rekey_begin(anchor, &all, &rekey));
    while (!progress.done)
        assert_ok(anchor->ops->rekey_step(anchor, rekey, 7, &progress));
    anchor->ops->rekey_end(anchor, rekey);
}

static void test_anchor_masters__begin_with_two(void **state)
{
    struct anchor_test *test = *state;
    const struct list list = list_of(test->anchor);

    assert_int_equal(list.count, 2);
    assert_string_equal(list.infos[0].name, "default");
    assert_string_equal(list.infos[1].name, "hash");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(list.infos[i].version, 1);
        assert_int_equal(list.infos[i].state, SHERD_MASTER_ACTIVE);
        assert_true(list.infos[i].wraps);
        assert_string_equal(list.infos[i].generator, "openssl");
        assert_string_equal(list.infos[i].store, "anchor");
        assert_int_equal(list.infos[i].protection, 1);
        assert_true(list.infos[i].created_s > 1700000000);
    }
    assert_memory_not_equal(list.infos[0].kid, list.infos[1].kid, 16);
}

static void test_anchor_masters_activate__serves_at_once_in_every_handle(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_anchor *other;
    struct sherd_uuid before;
    struct sherd_uuid after;

    assert_ok(anchor_open(test, &other));
    assert_ok(put_one(test, other, "pat", &before));
    assert_int_equal(activate(test->anchor, "default"), 2);
    assert_int_equal(activate(other, "default"), 3);
    assert_int_equal(activate(test->anchor, "a.new_one-2"), 1);
    const struct list list = list_of(other);
    assert_int_equal(list.count, 5);
    assert_string_equal(list.infos[0].name, "a.new_one-2");
    for (size_t i = 1; i <= 3; i++) {
        assert_string_equal(list.infos[i].name, "default");
        assert_int_equal(list.infos[i].version, i);
        assert_int_equal(list.infos[i].wraps, i == 3);
    }
    assert_ok(put_one(test, other, "kim", &after));
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(get_one(test->anchor, before));
        assert_ok(get_one(test->anchor, after));
        anchor_again(test);
    }
    other->ops->free(other);
}

static void test_anchor_masters_activate__refuses_what_it_does_not_know(void **state)
{
    static const char *const names[] = {"", "A", "a b", "a/b",
                                        "0123456789012345678901234567890123456789012345678901234567890123"};
    struct anchor_test *test = *state;
    char args[600];

    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++) {
        const struct sherd_master_options options = {.name = names[i]};

        assert_err(SHERD_ERR_INVALID, test->anchor->ops->master_activate(test->anchor, &options, NULL));
    }
    const struct sherd_master_options no_store = {.name = "x", .store = "cellar"};
    assert_err(SHERD_ERR_UNSUPPORTED, test->anchor->ops->master_activate(test->anchor, &no_store, NULL));
    const struct sherd_master_options no_generator = {.name = "x", .generator = "dice"};
    assert_err(SHERD_ERR_UNSUPPORTED, test->anchor->ops->master_activate(test->anchor, &no_generator, NULL));
    memset(args, 'a', sizeof(args) - 1);
    args[sizeof(args) - 1] = 0;
    const struct sherd_master_options long_args = {.name = "x", .args = args};
    assert_err(SHERD_ERR_LIMIT, test->anchor->ops->master_activate(test->anchor, &long_args, NULL));
    assert_int_equal(list_of(test->anchor).count, 2);
}

static void test_anchor_masters_activate__says_when_there_are_too_many(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_master_options one_more = {.name = "default"};
    struct sherd_uuid record;

    for (unsigned i = 2; i < SHERD_MASTERS_MAX; i++)
        (void)activate(test->anchor, "default");
    assert_err(SHERD_ERR_LIMIT, test->anchor->ops->master_activate(test->anchor, &one_more, NULL));
    assert_ok(put_one(test, test->anchor, "", &record));
    assert_ok(test->anchor->ops->master_retire(test->anchor, "default", 1));
    assert_ok(test->anchor->ops->master_destroy(test->anchor, "default", 1));
    assert_ok(test->anchor->ops->master_activate(test->anchor, &one_more, NULL));
}

static void test_anchor_masters_retire__leaves_one_that_serves(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_uuid record;

    assert_err(SHERD_ERR_CONFLICT, ops->master_retire(test->anchor, "default", 1));
    assert_err(SHERD_ERR_CONFLICT, ops->master_retire(test->anchor, "hash", 1));
    assert_err(SHERD_ERR_NOT_FOUND, ops->master_retire(test->anchor, "default", 2));
    assert_err(SHERD_ERR_NOT_FOUND, ops->master_retire(test->anchor, "defaul", 1));
    (void)activate(test->anchor, "default");
    assert_ok(ops->master_retire(test->anchor, "default", 2)); /* the newer one: the older serves again */
    assert_true(list_of(test->anchor).infos[0].wraps);
    assert_err(SHERD_ERR_CONFLICT, ops->master_retire(test->anchor, "default", 1));
    assert_ok(ops->master_retire(test->anchor, "default", 2));
    assert_ok(put_one(test, test->anchor, "", &record));
    assert_int_equal(list_of(test->anchor).infos[1].state, SHERD_MASTER_RETIRED);
}

static void test_anchor_masters_destroy__is_refused_while_anything_refers_to_it(void **state)
{
    static const char *const names[] = {"default", "hash"};
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_anchor *other;
    struct sherd_uuid record;
    struct sherd_ref entity;

    assert_ok(anchor_open(test, &other));
    assert_ok(put_one(test, test->anchor, "pat", &record));
    assert_ok(get_one(other, record));
    for (size_t i = 0; i < 2; i++) {
        assert_err(SHERD_ERR_CONFLICT, ops->master_destroy(test->anchor, names[i], 1)); /* active */
        (void)activate(test->anchor, names[i]);
        assert_ok(ops->master_retire(test->anchor, names[i], 1));
        assert_err(SHERD_ERR_CONFLICT, ops->master_destroy(test->anchor, names[i], 1));
        assert_ok(ops->entity_find(other, &test->collection.id, "pat", &entity));
        rekey_all(test->anchor); /* which ends older versions of the hash key itself */
        assert_int_equal(ops->master_destroy(test->anchor, names[i], 1), i == 0 ? SHERD_OK : SHERD_ERR_NOT_FOUND);
        assert_err(SHERD_ERR_NOT_FOUND, ops->master_destroy(test->anchor, names[i], 1));
        assert_ok(get_one(other, record));
        assert_ok(ops->entity_find(other, &test->collection.id, "pat", &entity));
    }
    assert_int_equal(list_of(other).count, 2);
    anchor_again(test);
    assert_ok(get_one(test->anchor, record));
    assert_err(SHERD_ERR_NOT_FOUND, ops->master_destroy(test->anchor, "default", 9));
    other->ops->free(other);
}

static enum sherd_err fail_at(void *arg, const char *name)
{
    return strcmp(arg, name) == 0 ? sherd_fail(SHERD_ERR_IO, "as it was asked to") : SHERD_OK;
}

/* Wherever destroying ends, it may be called again, and what it was asked for is gone in the end. */
static void test_anchor_masters_destroy__is_taken_up_again(void **state)
{
    static char places[][24] = {"masters.doomed", "masters.parts_gone"};
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        const uint64_t version = activate(test->anchor, "default");

        assert_ok(ops->master_retire(test->anchor, "default", version));
        sherd_failpoint_set(fail_at, places[i]);
        assert_err(SHERD_ERR_IO, ops->master_destroy(test->anchor, "default", version));
        sherd_failpoint_set(NULL, NULL);
        assert_int_equal(list_of(test->anchor).infos[1].state, SHERD_MASTER_ENDING);
        anchor_again(test);
        assert_ok(ops->master_destroy(test->anchor, "default", version));
        assert_int_equal(list_of(test->anchor).count, 2);
    }
}

/* A key that was made, and of which it is not known whether the keyring has it, is not taken back. */
static void test_anchor_masters_activate__destroys_nothing_that_may_be_named(void **state)
{
    static char places[][16] = {"ring.written", "ring.pinned"};
    struct anchor_test *test = *state;
    const struct sherd_master_options options = {.name = "default"};

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        struct sherd_uuid record;

        sherd_failpoint_set(fail_at, places[i]);
        assert_err(SHERD_ERR_IO, test->anchor->ops->master_activate(test->anchor, &options, NULL));
        sherd_failpoint_set(NULL, NULL);
        assert_int_equal(list_of(test->anchor).count, 2 + i);
        assert_ok(put_one(test, test->anchor, places[i], &record));
        anchor_again(test);
        assert_int_equal(list_of(test->anchor).count, 2 + i);
        assert_ok(get_one(test->anchor, record));
    }
}

/* A collection may name a key of its own; it is not made by naming it. */
static void test_anchor_masters__serve_the_collections_that_name_them(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_uuid record;

    (void)snprintf(test->collection.rules.master_key, sizeof(test->collection.rules.master_key), "mine");
    assert_err(SHERD_ERR_NOT_FOUND, put_one(test, test->anchor, "pat", &record));
    (void)activate(test->anchor, "mine");
    assert_ok(put_one(test, test->anchor, "pat", &record));
    (void)activate(test->anchor, "mine");
    assert_ok(test->anchor->ops->master_retire(test->anchor, "mine", 1));
    assert_err(SHERD_ERR_CONFLICT, test->anchor->ops->master_destroy(test->anchor, "mine", 1));
    rekey_all(test->anchor);
    assert_ok(test->anchor->ops->master_destroy(test->anchor, "mine", 1));
    assert_ok(get_one(test->anchor, record));
}

/* --- the protection key, with several handles --------------------------------------------------------------------- */

static enum sherd_err count_versions(void *arg, const struct sherd_protection_info *info)
{
    unsigned *count = arg;

    *count += info->serves ? 1 : 100;
    return SHERD_OK;
}

static unsigned protections_of(struct sherd_anchor *anchor)
{
    unsigned count = 0;

    assert_ok(anchor->ops->protection_each(anchor, count_versions, &count));
    return count;
}

static uint64_t activate_stripe(struct anchor_test *test, struct sherd_anchor *anchor)
{
    char args[80];
    const struct sherd_master_options options = {.name = "default", .store = "stripe", .args = args};
    uint64_t version = 0;

    (void)snprintf(args, sizeof(args), "places=keys,lmdb:%s/place\n", test->dir);
    assert_ok(anchor->ops->master_activate(anchor, &options, &version));
    return version;
}

/* A handle that holds no master key, in the midst of fetching one, while another handle keeps it anew. */
static enum sherd_err rotate_meanwhile(void *arg, const char *name)
{
    struct sherd_anchor **other = arg;
    struct sherd_anchor *anchor = *other;

    if (anchor == NULL || strcmp(name, "masters.before_fetch") != 0)
        return SHERD_OK;
    *other = NULL; /* once */
    return anchor->ops->protection_rotate(anchor, NULL, NULL);
}

static void test_anchor_masters_key__is_found_where_it_is_kept_anew(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_anchor *other;
    struct sherd_anchor *once;
    struct sherd_uuid record;

    (void)activate_stripe(test, test->anchor);
    assert_ok(put_one(test, test->anchor, "pat", &record));
    assert_ok(anchor_open(test, &other));
    once = test->anchor;
    sherd_failpoint_set(rotate_meanwhile, &once);
    assert_ok(get_one(other, record));
    sherd_failpoint_set(NULL, NULL);
    assert_null(once);
    assert_int_equal(list_of(other).infos[1].protection, 2);
    assert_int_equal(protections_of(other), 1);
    other->ops->free(other);
}

static void test_anchor_masters_protection_rotate__serves_in_every_handle(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_anchor *other;
    struct sherd_uuid record;
    uint64_t version = 0;

    assert_ok(anchor_open(test, &other));
    (void)activate_stripe(test, test->anchor);
    assert_ok(put_one(test, other, "pat", &record));
    assert_ok(test->anchor->ops->protection_rotate(test->anchor, NULL, &version));
    assert_int_equal(version, 2);
    assert_ok(other->ops->protection_rotate(other, NULL, &version));
    assert_int_equal(version, 3);
    (void)activate_stripe(test, test->anchor);
    assert_int_equal(list_of(other).infos[2].protection, 3);
    anchor_again(test);
    assert_ok(get_one(test->anchor, record));
    other->ops->free(other);
}

/* Where the key store is turned on, others go on with what they hold, and say what they need for more. */
static void test_anchor_masters_protection_rotate__is_told_where_it_needs_the_key_store(void **state)
{
    struct anchor_test *test = *state;
    char path[80];
    const struct sherd_key_store_file key_store = {path, sherd_span_str("open sesame")};
    const struct sherd_key_store_file remembered = {NULL, sherd_span_str("open sesame")};
    const struct sherd_master_options options = {.name = "default"};
    struct sherd_anchor *without;
    struct sherd_anchor *with;
    struct sherd_uuid record;

    (void)snprintf(path, sizeof(path), "%s/keys.p12", test->dir);
    assert_ok(anchor_open(test, &without));
    assert_ok(put_one(test, without, "pat", &record));
    assert_ok(test->anchor->ops->protection_rotate(test->anchor, &key_store, NULL));
    assert_ok(get_one(without, record));
    assert_err(SHERD_ERR_SEALED, without->ops->master_activate(without, &options, NULL));
    assert_non_null(strstr(sherd_err_detail(), "keys.p12"));
    assert_err(SHERD_ERR_SEALED, without->ops->protection_rotate(without, NULL, NULL));
    assert_int_equal(protections_of(without), 1);
    without->ops->free(without);

    struct sherd_anchor_parts parts = {.home = anchor_home_open(test), .keys = anchor_keys_open(false)};
    assert_err(SHERD_ERR_SEALED, sherd_anchor_embedded(&parts, &with));
    parts = (struct sherd_anchor_parts){
        .home = anchor_home_open(test), .keys = anchor_keys_open(false), .key_store = &remembered};
    assert_ok(sherd_anchor_embedded(&parts, &with));
    assert_ok(get_one(with, record));
    assert_ok(test->anchor->ops->protection_rotate(test->anchor, NULL, NULL));
    assert_ok(with->ops->master_activate(with, &options, NULL)); /* it reads the new version itself */
    assert_int_equal(list_of(with).infos[1].protection, 3);
    with->ops->free(with);
}

static void test_anchor_masters_protection_rotate__says_when_the_keyring_is_full(void **state)
{
    struct anchor_test *test = *state;
    char args[400];
    const struct sherd_master_options options = {.name = "default", .store = "shares", .args = args};

    /* kept with 32 shares a key is long, and long arguments let the keyring be full with its old keeping only */
    const int len = snprintf(args, sizeof(args), "places=keys,lmdb:%s/", test->dir);
    memset(args + len, 'p', 200);
    (void)snprintf(args + len + 200, sizeof(args) - (size_t)len - 200, "\nshares=32\n");
    while (list_of(test->anchor).count < SHERD_MASTERS_MAX)
        assert_ok(test->anchor->ops->master_activate(test->anchor, &options, NULL));
    const struct list before = list_of(test->anchor);
    assert_err(SHERD_ERR_LIMIT, test->anchor->ops->protection_rotate(test->anchor, NULL, NULL));
    const struct list after = list_of(test->anchor);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(protections_of(test->anchor), 1);
    for (uint64_t version = 1; version < SHERD_MASTERS_MAX / 2; version++) {
        assert_ok(test->anchor->ops->master_retire(test->anchor, "default", version));
        assert_ok(test->anchor->ops->master_destroy(test->anchor, "default", version));
    }
    assert_ok(test->anchor->ops->protection_rotate(test->anchor, NULL, NULL));
    assert_int_equal(protections_of(test->anchor), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_of(test_anchor_masters__begin_with_two),
        anchor_test_of(test_anchor_masters_activate__serves_at_once_in_every_handle),
        anchor_test_of(test_anchor_masters_activate__refuses_what_it_does_not_know),
        anchor_test_of(test_anchor_masters_activate__says_when_there_are_too_many),
        anchor_test_of(test_anchor_masters_retire__leaves_one_that_serves),
        anchor_test_of(test_anchor_masters_destroy__is_refused_while_anything_refers_to_it),
        anchor_test_of(test_anchor_masters_destroy__is_taken_up_again),
        anchor_test_of(test_anchor_masters_activate__destroys_nothing_that_may_be_named),
        anchor_test_of(test_anchor_masters__serve_the_collections_that_name_them),
        anchor_test_of(test_anchor_masters_key__is_found_where_it_is_kept_anew),
        anchor_test_of(test_anchor_masters_protection_rotate__serves_in_every_handle),
        anchor_test_of(test_anchor_masters_protection_rotate__is_told_where_it_needs_the_key_store),
        anchor_test_of(test_anchor_masters_protection_rotate__says_when_the_keyring_is_full),
    };

    return cmocka_run_group_tests_name("anchor_masters", tests, NULL, NULL);
}
