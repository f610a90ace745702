/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of counted uses: a version of a master key is never used more often than its limit says, whoever uses it, and
 * gives way to the next one; what lies below its floor, or under one that was destroyed, is refused and not damaged.
 */
#include "anchor.h"
#include "anchor/embedded/embedded_inside.h"
#include "anchor/keys/masters_inside.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include <pthread.h>
#include <stdatomic.h>

struct rule {
    const char *name;
    struct sherd_key_policy policy;
};

static enum sherd_err rule_in(void *arg, struct sherd_keyring *keyring)
{
    const struct rule *rule = arg;

    return sherd_keyring_rule(keyring, rule->name, &rule->policy);
}

static void rule(struct sherd_anchor *anchor, const char *name, struct sherd_key_policy policy)
{
    struct rule rule = {.name = name, .policy = policy};

    assert_ok(sherd_ring_change(sherd_embedded_of(anchor)->ring, rule_in, &rule));
}

static void limit(struct sherd_anchor *anchor, uint64_t count)
{
    rule(anchor, "default", (struct sherd_key_policy){.limit = count});
}

static void set_floor(struct sherd_anchor *anchor, const char *name, uint64_t version)
{
    rule(anchor, name, (struct sherd_key_policy){.floor = version});
}

struct list {
    size_t count;
    struct sherd_master_info infos[SHERD_MASTERS_MAX];
    uint64_t entities[SHERD_MASTERS_MAX]; /* that hang on each */
};

/* The versions of "default". */
static enum sherd_err note(void *arg, const struct sherd_master_info *info)
{
    struct list *list = arg;

    if (strcmp(info->name, "default") == 0)
        list->infos[list->count++] = *info;
    return SHERD_OK;
}

static enum sherd_err count_entity(void *arg, const struct sherd_anchor_entry *entry)
{
    struct list *list = arg;

    assert_int_equal(entry->status, SHERD_OK);
    for (size_t i = 0; i < list->count && entry->entity != NULL; i++)
        list->entities[i] += sherd_same(entry->entity->master.bytes, list->infos[i].kid, 16) ? 1 : 0;
    return SHERD_OK;
}

static struct list list_of(struct sherd_anchor *anchor)
{
    struct list list = {.count = 0};
    struct sherd_ref last;
    size_t count;

    assert_ok(anchor->ops->master_each(anchor, note, &list));
    assert_ok(anchor->ops->scan(anchor, NULL, 100000, count_entity, &list, &last, &count));
    return list;
}

static struct sherd_uses *uses_of(struct sherd_anchor *anchor)
{
    return sherd_embedded_of(anchor)->masters->uses;
}

static struct sherd_ref kid_of(struct sherd_anchor *anchor, size_t version)
{
    const struct list list = list_of(anchor);
    struct sherd_ref kid;

    assert_true(version >= 1 && version <= list.count);
    memcpy(kid.bytes, list.infos[version - 1].kid, sizeof(kid.bytes));
    return kid;
}

static enum sherd_err make_entity(struct anchor_test *test, struct sherd_anchor *anchor, const char *id)
{
    struct sherd_record_key key;
    struct sherd_uuid record;
    struct sherd_pin pin;

    assert_ok(sherd_uuid_new(&record));
    return anchor->ops->key_new(anchor, &test->collection, id, record, 1, &pin, &key);
}

static void make_entities(struct anchor_test *test, struct sherd_anchor *anchor, const char *prefix, unsigned count)
{
    char id[40];

    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(id, sizeof(id), "%s-%u", prefix, i);
        assert_ok(make_entity(test, anchor, id));
    }
}

/* A record about an entity, pinned. */
static struct sherd_uuid put(struct anchor_test *test, const char *id)
{
    struct sherd_anchor *anchor = test->anchor;
    struct sherd_pin_change change = {.versions_kept = 1};
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_uuid record;

    assert_ok(sherd_uuid_new(&record));
    assert_ok(anchor->ops->key_new(anchor, &test->collection, id, record, 1, &change.pin, &key));
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

static void activate(struct sherd_anchor *anchor, const char *name)
{
    const struct sherd_master_options options = {.name = name};

    assert_ok(anchor->ops->master_activate(anchor, &options, NULL));
}

static enum sherd_err rekey(struct sherd_anchor *anchor, bool fresh_keys)
{
    const struct sherd_rekey_scope all = {.fresh_keys = fresh_keys};
    struct sherd_rekey_progress progress = {.done = false};
    struct sherd_rekey *rekey;
    enum sherd_err err = SHERD_OK;

    SHERD_TRY(anchor->ops->rekey_begin(anchor, &all, &rekey));
    while (!progress.done && err == SHERD_OK)
        err = anchor->ops->rekey_step(anchor, rekey, 7, &progress);
    anchor->ops->rekey_end(anchor, rekey);
    return err;
}

static const struct sherd_uses_want one = {.wraps = 1, .entities = 1};

static uint64_t counted(struct sherd_anchor *anchor, const struct sherd_ref *kid)
{
    struct sherd_key_uses uses;

    assert_ok(sherd_uses_read(uses_of(anchor), kid, &uses));
    assert_true(uses.entities <= uses.wraps);
    return uses.wraps;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

static void test_anchor_uses__are_counted_for_what_is_wrapped(void **state)
{
    struct anchor_test *test = *state;
    struct list list = list_of(test->anchor);

    assert_int_equal(list.count, 1);
    assert_int_equal(list.infos[0].wraps_counted, 0);
    assert_true(list.infos[0].limit == SHERD_KEY_LIMIT);
    for (unsigned i = 0; i < 3; i++) { /* handles that make one entity each reserve no more than that */
        char id[8];

        (void)snprintf(id, sizeof(id), "e%u", i);
        test->collection.rules.derived_entity_keys = i == 1;
        assert_ok(make_entity(test, test->anchor, id));
        assert_ok(make_entity(test, test->anchor, id)); /* it is there */
        anchor_again(test);
        list = list_of(test->anchor);
        assert_int_equal(list.infos[0].wraps_counted, i + 1);
        assert_int_equal(list.infos[0].entities_counted, i + 1);
    }
    activate(test->anchor, "default");
    assert_ok(rekey(test->anchor, false));
    list = list_of(test->anchor);
    assert_int_equal(list.infos[0].wraps_counted, 3);
    assert_int_equal(list.infos[1].wraps_counted, 3); /* two wrapped anew, one derived anew: 1 and 2 reserved */
    assert_int_equal(list.infos[1].entities_counted, 0);
    assert_ok(rekey(test->anchor, false)); /* nothing is left to do */
    assert_int_equal(list_of(test->anchor).infos[1].wraps_counted, 3);
}

static void test_anchor_uses_take__reserves_twice_as_many_each_time(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_ref kid = kid_of(test->anchor, 1);
    uint64_t expected = 0;
    uint64_t next = 1;
    uint64_t before = 0;

    for (uint64_t taken = 1; taken <= 8000; taken++) {
        bool full = true;

        assert_ok(sherd_uses_take(uses_of(test->anchor), &kid, &one, &full));
        assert_false(full);
        const uint64_t now = taken % 64 < 2 || taken > expected ? counted(test->anchor, &kid) : before;
        if (taken > expected) {
            expected += next;
            next = next < SHERD_USES_RESERVED_MAX ? 2 * next : next;
        }
        if (now != expected)
            fail_msg("%llu were taken, %llu are counted, not %llu", (unsigned long long)taken, (unsigned long long)now,
                     (unsigned long long)expected);
        before = now;
    }
    assert_int_equal(next, 1024);
}

/* Counts writes of reserved uses. */
static enum sherd_err count_writes(void *arg, const char *name)
{
    unsigned *writes = arg;

    *writes += strcmp(name, "uses.before_write") == 0 ? 1 : 0;
    return SHERD_OK;
}

static void test_anchor_uses__are_reserved_at_once_for_a_rekeying(void **state)
{
    const struct sherd_rekey_scope all = {.fresh_keys = false};
    struct sherd_rekey_progress progress = {.done = false};
    struct anchor_test *test = *state;
    struct sherd_rekey *rekeying;
    unsigned writes = 0;

    make_entities(test, test->anchor, "e", 300);
    test->collection.rules.derived_entity_keys = true;
    make_entities(test, test->anchor, "d", 33);
    activate(test->anchor, "default");
    sherd_failpoint_set(count_writes, &writes);
    for (unsigned i = 0; i < 2; i++) { /* the second has nothing to do */
        assert_ok(test->anchor->ops->rekey_begin(test->anchor, &all, &rekeying));
        for (progress.done = false; !progress.done;)
            assert_ok(test->anchor->ops->rekey_step(test->anchor, rekeying, 5000, &progress));
        test->anchor->ops->rekey_end(test->anchor, rekeying);
        assert_int_equal(writes, 1);
        assert_int_equal(list_of(test->anchor).infos[1].wraps_counted, 333);
    }
    sherd_failpoint_set(NULL, NULL);
}

static void test_anchor_uses_take__wastes_little_of_a_small_limit(void **state)
{
    static const struct {
        uint64_t limit;
        uint64_t at_once; /* a 64th of it, rounded up */
    } cases[] = {{1, 1}, {2, 1}, {64, 1}, {65, 2}, {1000, 16}, {6400, 100}};
    struct anchor_test *test = *state;
    const struct sherd_ref kid = kid_of(test->anchor, 1);
    uint64_t taken = 0;

    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        bool full = false;
        uint64_t before = counted(test->anchor, &kid);

        limit(test->anchor, cases[i].limit);
        while (!full) {
            assert_ok(sherd_uses_take(uses_of(test->anchor), &kid, &one, &full));
            const uint64_t now = counted(test->anchor, &kid);
            assert_true(now <= cases[i].limit && now - before <= cases[i].at_once);
            before = now;
            taken += full ? 0 : 1;
            assert_true(taken <= now);
        }
        assert_int_equal(taken, cases[i].limit); /* one handle loses nothing */
    }
    limit(test->anchor, 7); /* lowered: what it was is too much already */
    bool full = false;
    assert_ok(sherd_uses_take(uses_of(test->anchor), &kid, &one, &full));
    assert_true(full);
}

static void test_anchor_uses_take__gives_up_what_was_reserved_under_another_limit(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_ref kid = kid_of(test->anchor, 1);
    const struct sherd_uses_want many = {.wraps = 100, .entities = 1};
    bool full = true;

    for (unsigned i = 0; i < 4; i++) /* 1, 2, 4 */
        assert_ok(sherd_uses_take(uses_of(test->anchor), &kid, &one, &full));
    assert_int_equal(counted(test->anchor, &kid), 7);
    limit(test->anchor, 5);
    assert_ok(sherd_uses_take(uses_of(test->anchor), &kid, &one, &full)); /* though three are left of the 7 */
    assert_true(full);
    limit(test->anchor, 106);
    assert_ok(sherd_uses_take(uses_of(test->anchor), &kid, &many, &full));
    assert_true(full);
    assert_int_equal(counted(test->anchor, &kid), 7); /* all or nothing */
    limit(test->anchor, 107);
    assert_ok(sherd_uses_take(uses_of(test->anchor), &kid, &many, &full));
    assert_false(full);
    assert_int_equal(counted(test->anchor, &kid), 107);
}

#define TAKERS 8U
#define TAKERS_LIMIT 3000U

struct taker {
    struct sherd_uses *uses;
    struct sherd_ref kid;
    uint64_t taken;
};

static void *take_all(void *arg)
{
    struct taker *taker = arg;

    for (bool full = false; !full; taker->taken += full ? 0 : 1)
        if (sherd_uses_take(taker->uses, &taker->kid, &one, &full) != SHERD_OK)
            return taker;
    return NULL;
}

static void test_anchor_uses_take__is_exact_among_threads_and_handles(void **state)
{
    struct anchor_test *test = *state;
    struct taker takers[TAKERS];
    pthread_t threads[TAKERS];
    struct sherd_anchor *other;
    uint64_t sum = 0;

    assert_ok(anchor_open(test, &other));
    limit(test->anchor, TAKERS_LIMIT);
    const struct sherd_ref kid = kid_of(test->anchor, 1);
    for (unsigned i = 0; i < TAKERS; i++) {
        takers[i] = (struct taker){.uses = uses_of(i % 2 == 0 ? test->anchor : other), .kid = kid};
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, &takers[i]), 0);
    }
    for (unsigned i = 0; i < TAKERS; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
        sum += takers[i].taken;
    }
    assert_int_equal(sum, TAKERS_LIMIT);
    assert_int_equal(counted(other, &kid), TAKERS_LIMIT);
    other->ops->free(other);
}

/* While one handle is about to write, another one takes some. */
struct meddler {
    struct sherd_anchor *other;
    struct sherd_ref kid;
    unsigned times;
    bool rotates; /* the store key instead */
};

static enum sherd_err meddle(void *arg, const char *name)
{
    struct meddler *meddler = arg;
    bool full;

    if (strcmp(name, "uses.before_write") != 0 || meddler->times == 0)
        return SHERD_OK;
    meddler->times--;
    sherd_failpoint_set(NULL, NULL);
    if (meddler->rotates)
        activate(meddler->other, "store:keys");
    else
        assert_ok(sherd_uses_take(uses_of(meddler->other), &meddler->kid, &one, &full));
    sherd_failpoint_set(meddle, meddler);
    return SHERD_OK;
}

static void test_anchor_uses_take__begins_anew_when_another_was_faster(void **state)
{
    struct anchor_test *test = *state;
    struct meddler meddler = {.kid = kid_of(test->anchor, 1), .times = 5};
    bool full = true;

    assert_ok(anchor_open(test, &meddler.other));
    sherd_failpoint_set(meddle, &meddler);
    assert_ok(sherd_uses_take(uses_of(test->anchor), &meddler.kid, &one, &full));
    assert_false(full);
    assert_int_equal(meddler.times, 2); /* the other wrote twice, 1 and 2, and then took what it had */
    assert_int_equal(counted(test->anchor, &meddler.kid), 3 + 1);
    meddler.rotates = true;
    assert_ok(sherd_uses_take(uses_of(test->anchor), &meddler.kid, &one, &full)); /* under the new store key, then */
    sherd_failpoint_set(NULL, NULL);
    assert_false(full);
    assert_int_equal(meddler.times, 0);
    assert_int_equal(counted(test->anchor, &meddler.kid), 3 + 1 + 2);
    assert_ok(rekey(test->anchor, false)); /* which seals the entry anew, and ends the older versions */
    assert_int_equal(counted(meddler.other, &meddler.kid), 3 + 1 + 2);
    assert_ok(make_entity(test, meddler.other, "pat"));
    (void)list_of(test->anchor);
    meddler.other->ops->free(meddler.other);
}

static enum sherd_err fail_after(void *arg, const char *name)
{
    return strcmp(name, arg) == 0 ? SHERD_ERR_IO : SHERD_OK;
}

/* What is lost on its way to its user was counted: never too little. */
static void test_anchor_uses_take__counts_what_is_lost(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_ref kid = kid_of(test->anchor, 1);

    sherd_failpoint_set(fail_after, (void *)"uses.reserved");
    assert_int_equal(make_entity(test, test->anchor, "pat"), SHERD_ERR_IO);
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(counted(test->anchor, &kid), 1);
    assert_ok(make_entity(test, test->anchor, "pat"));
    assert_int_equal(counted(test->anchor, &kid), 2);
    assert_int_equal(list_of(test->anchor).entities[0], 1);
}

/* --- the limit ---------------------------------------------------------------------------------------------------- */

static void test_anchor_uses__give_way_to_the_next_version(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_uuid records[25];
    struct sherd_anchor *other;
    char id[16];

    limit(test->anchor, 10);
    for (unsigned i = 0; i < 25; i++) {
        (void)snprintf(id, sizeof(id), "person-%u", i);
        test->collection.rules.derived_entity_keys = i % 3 == 0;
        records[i] = put(test, id);
    }
    const struct list list = list_of(test->anchor);
    assert_int_equal(list.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(list.infos[i].wraps, i == 2);
        assert_int_equal(list.infos[i].limit, 10);
        assert_int_equal(list.entities[i], i == 2 ? 5 : 10);
        assert_int_equal(list.infos[i].wraps_counted, i == 2 ? 5 : 10);
        assert_string_equal(list.infos[i].generator, list.infos[0].generator);
        assert_string_equal(list.infos[i].store, list.infos[0].store);
    }
    assert_ok(anchor_open(test, &other));
    for (unsigned i = 0; i < 25; i++) {
        assert_ok(get(other, records[i]));
        assert_ok(get(test->anchor, records[i]));
    }
    other->ops->free(other);
}

/* As many versions as are needed for all entities under the newest ones; the bulk of them is rekeyed beyond a limit. */
static void test_anchor_uses__give_way_in_a_rekeying_too(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_uuid records[30];
    char id[16];

    for (unsigned i = 0; i < 30; i++) {
        (void)snprintf(id, sizeof(id), "person-%u", i);
        records[i] = put(test, id);
    }
    limit(test->anchor, 40);
    activate(test->anchor, "default");
    for (unsigned round = 0; round < 3; round++)
        assert_ok(rekey(test->anchor, round != 1)); /* fresh keys: two wraps each */
    const struct list list = list_of(test->anchor);
    assert_true(list.count >= 4);
    for (size_t i = 1; i < list.count; i++)
        assert_true(list.infos[i].wraps_counted <= 40 && list.entities[i] <= list.infos[i].wraps_counted);
    for (unsigned i = 0; i < 30; i++)
        assert_ok(get(test->anchor, records[i]));
}

static void test_anchor_uses__take_the_store_and_arguments_of_the_last(void **state)
{
    struct anchor_test *test = *state;
    char args[128];
    const struct sherd_master_options options = {.name = "default", .store = "shares", .args = args};

    (void)snprintf(args, sizeof(args), "places=keys,lmdb:%s/place\nshares=3\nthreshold=2\n", test->dir);
    assert_ok(test->anchor->ops->master_activate(test->anchor, &options, NULL));
    limit(test->anchor, 2);
    make_entities(test, test->anchor, "e", 3);
    const struct list list = list_of(test->anchor);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.infos[2].store, "shares");
    assert_string_equal(list.infos[2].args, options.args);
    assert_int_equal(list.entities[1], 2);
    assert_int_equal(list.entities[2], 1);
}

struct maker {
    struct anchor_test *test;
    struct sherd_anchor *anchor;
    unsigned number;
};

static void *make_some(void *arg)
{
    struct maker *maker = arg;
    char id[40];

    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(id, sizeof(id), "%u-%u", maker->number, i);
        if (make_entity(maker->test, maker->anchor, id) != SHERD_OK) {
            print_error("%s\n", sherd_err_detail());
            return maker;
        }
    }
    return NULL;
}

/* A version is made when the one before has no use left, and only then, however many find it so. */
static void test_anchor_uses__activate_once_among_all(void **state)
{
    struct anchor_test *test = *state;
    struct maker makers[4];
    pthread_t threads[4];
    struct sherd_anchor *other;
    uint64_t entities = 0;

    assert_ok(anchor_open(test, &other));
    limit(test->anchor, 25);
    for (unsigned i = 0; i < 4; i++) {
        makers[i] = (struct maker){.test = test, .anchor = i % 2 == 0 ? test->anchor : other, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, make_some, &makers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    const struct list list = list_of(other);
    assert_true(list.count >= 160 / 25 + 1);
    for (size_t i = 0; i < list.count; i++) {
        assert_true(list.entities[i] <= list.infos[i].wraps_counted);
        assert_true(i + 1 < list.count ? list.infos[i].wraps_counted == 25 : list.infos[i].wraps_counted <= 25);
        assert_true(list.entities[i] > 0);
        entities += list.entities[i];
    }
    assert_int_equal(entities, 160);
    other->ops->free(other);
}

static void test_anchor_uses__end_with_a_word_where_no_version_can_follow(void **state)
{
    struct anchor_test *test = *state;

    limit(test->anchor, 1);
    make_entities(test, test->anchor, "e", SHERD_MASTERS_MAX - 1); /* and "hash" */
    assert_err(SHERD_ERR_LIMIT, make_entity(test, test->anchor, "one more"));
    assert_non_null(strstr(sherd_err_detail(), "the master key default has wrapped as many keys as it may, 1,"));
    assert_non_null(strstr(sherd_err_detail(), "destroy some"));
    limit(test->anchor, 2);
    assert_ok(make_entity(test, test->anchor, "one more"));
    assert_int_equal(list_of(test->anchor).count, SHERD_MASTERS_MAX - 1);
}

static void test_anchor_uses__must_suffice_for_one_entity(void **state)
{
    struct anchor_test *test = *state;

    assert_ok(make_entity(test, test->anchor, "pat"));
    limit(test->anchor, 1);
    activate(test->anchor, "default");
    assert_err(SHERD_ERR_LIMIT, rekey(test->anchor, true)); /* the old version and the fresh one */
    assert_true(list_of(test->anchor).count <= 3);
    limit(test->anchor, 2);
    assert_ok(rekey(test->anchor, true));
}

/* --- tampering ---------------------------------------------------------------------------------------------------- */

struct found {
    uint8_t number; /* kind, as it is stored */
    size_t count;
    struct sherd_ref names[8];
    uint8_t bytes[8][512];
    size_t lens[8];
};

static enum sherd_err find_kind(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct found *found = arg;

    if (stored.data[1] != found->number || found->count == SHERD_COUNT_OF(found->names))
        return SHERD_OK;
    assert_true(stored.len <= sizeof(found->bytes[0]));
    found->names[found->count] = name;
    found->lens[found->count] = stored.len;
    memcpy(found->bytes[found->count++], stored.data, stored.len);
    return SHERD_OK;
}

static struct found stored_of(const struct anchor_test *test, enum sherd_kind kind)
{
    struct found found = {.number = (uint8_t)kind};
    struct sherd_snapshot *snapshot;

    assert_ok(sherd_compartment_snapshot_begin(test->keys, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, find_kind, &found));
    sherd_snapshot_end(snapshot);
    return found;
}

static void put_raw(const struct anchor_test *test, const struct sherd_ref *name, const uint8_t *bytes, size_t len)
{
    const struct sherd_store_op op = {
        .kind = bytes != NULL ? SHERD_STORE_PUT : SHERD_STORE_DELETE, .name = *name, .value = {bytes, len}};

    assert_ok(sherd_compartment_write(test->keys, &op, 1));
}

struct walked {
    unsigned tampered;
    unsigned refused;
    unsigned refused_pins;
    unsigned refused_entities;
};

static enum sherd_err walk_one(void *arg, const struct sherd_anchor_entry *entry)
{
    struct walked *walked = arg;

    walked->tampered += entry->status == SHERD_ERR_TAMPERED ? 1 : 0;
    if (entry->status != SHERD_ERR_DENIED)
        return SHERD_OK;
    walked->refused++;
    walked->refused_pins += entry->pin != NULL ? 1 : 0;
    walked->refused_entities += entry->entity != NULL ? 1 : 0;
    return SHERD_OK;
}

static struct walked walk(struct sherd_anchor *anchor)
{
    struct walked walked = {0};
    struct sherd_ref last;
    size_t count;

    assert_ok(anchor->ops->scan(anchor, NULL, 100000, walk_one, &walked, &last, &count));
    return walked;
}

static enum sherd_err ignore(void *arg, const struct sherd_master_info *info)
{
    (void)arg;
    (void)info;
    return SHERD_OK;
}

static void test_anchor_uses__are_not_forgotten_with_their_entry(void **state)
{
    struct anchor_test *test = *state;

    limit(test->anchor, 3);
    make_entities(test, test->anchor, "e", 4); /* two versions */
    const struct found found = stored_of(test, SHERD_KIND_KEY_USES);
    assert_int_equal(found.count, 2);
    for (size_t i = 0; i < 2; i++) {
        uint8_t flipped[512];

        memcpy(flipped, found.bytes[i], found.lens[i]);
        flipped[found.lens[i] - 1] ^= 1;
        for (unsigned way = 0; way < 3; way++) { /* removed, changed, another version's */
            anchor_again(test);
            put_raw(test, &found.names[i], way == 0 ? NULL : way == 1 ? flipped : found.bytes[1 - i], found.lens[i]);
            assert_err(SHERD_ERR_TAMPERED, test->anchor->ops->master_each(test->anchor, ignore, NULL));
            assert_int_equal(walk(test->anchor).tampered, way == 0 ? 1 : 2); /* also where the keyring's pin is */
            put_raw(test, &found.names[i], found.bytes[i], found.lens[i]);
            assert_int_equal(walk(test->anchor).tampered, 0);
        }
    }
    anchor_again(test);
    for (size_t i = 0; i < 2; i++)
        put_raw(test, &found.names[i], NULL, 0);
    assert_err(SHERD_ERR_TAMPERED, make_entity(test, test->anchor, "one more"));
    assert_err(SHERD_ERR_TAMPERED, rekey(test->anchor, true));
}

static void test_anchor_uses__end_with_their_version(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_anchor *other;

    assert_ok(anchor_open(test, &other));
    assert_ok(make_entity(test, test->anchor, "pat"));
    const struct found before = stored_of(test, SHERD_KIND_KEY_USES);
    assert_int_equal(before.count, 1);
    activate(test->anchor, "default");
    activate(test->anchor, "hash"); /* is not counted */
    assert_int_equal(stored_of(test, SHERD_KIND_KEY_USES).count, 2);
    assert_ok(rekey(test->anchor, false));
    assert_ok(test->anchor->ops->master_retire(test->anchor, "default", 1));
    assert_ok(test->anchor->ops->master_destroy(test->anchor, "default", 1));
    assert_int_equal(stored_of(test, SHERD_KIND_KEY_USES).count, 1);
    assert_int_equal(walk(other).tampered, 0);
    put_raw(test, &before.names[0], before.bytes[0], before.lens[0]); /* brought back */
    assert_int_equal(walk(test->anchor).tampered, 1);
    assert_int_equal(walk(other).tampered, 1);
    put_raw(test, &before.names[0], NULL, 0);
    other->ops->free(other);
}

/* --- the floor, and what was destroyed ---------------------------------------------------------------------------- */

static void test_anchor_uses_floor__refuses_older_versions(void **state)
{
    struct anchor_test *test = *state;
    unsigned older = 0; /* entities, with a record each, that were there before */

    for (unsigned derived = 0; derived < 2; derived++) {
        test->collection.rules.derived_entity_keys = derived == 1;
        const uint64_t version = list_of(test->anchor).count;
        const struct sherd_uuid old = put(test, derived ? "kim" : "pat");
        activate(test->anchor, "default");
        const struct sherd_uuid young = put(test, derived ? "lou" : "max");

        assert_ok(get(test->anchor, old));
        set_floor(test->anchor, "default", version + 1);
        for (unsigned i = 0; i < 2; i++) {
            char text[128];

            (void)snprintf(text, sizeof(text), "version %u of the master key default is below its floor %u: `sherd key",
                           (unsigned)version, (unsigned)version + 1);
            assert_err(SHERD_ERR_DENIED, get(test->anchor, old));
            assert_non_null(strstr(sherd_err_detail(), text));
            assert_ok(get(test->anchor, young));
            const struct walked walked = walk(test->anchor);
            assert_int_equal(walked.tampered, 0);
            assert_int_equal(walked.refused_pins, older + 1);
            assert_int_equal(walked.refused_entities, older + 1);
            assert_int_equal(walked.refused, 2 * (older + 1));
            assert_err(SHERD_ERR_DENIED, rekey(test->anchor, false));
            assert_non_null(strstr(sherd_err_detail(), "is below its floor"));
            anchor_again(test);
        }
        (void)put(test, derived ? "ann" : "sam");
        older = 3;
        set_floor(test->anchor, "default", version);
        assert_ok(get(test->anchor, old));
        set_floor(test->anchor, "default", 0);
        assert_ok(rekey(test->anchor, false));
        assert_int_equal(walk(test->anchor).refused, 0);
    }
}

static void test_anchor_uses_floor__may_be_ruled_where_nothing_lies_below(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(sherd_embedded_of(test->anchor));

    (void)put(test, "pat");
    assert_ok(sherd_rekey_floor_check(&parts, "default", 1));
    assert_err(SHERD_ERR_INVALID, sherd_rekey_floor_check(&parts, "default", 2));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_rekey_floor_check(&parts, "nobody", 1));
    activate(test->anchor, "default");
    activate(test->anchor, "hash");
    assert_err(SHERD_ERR_CONFLICT, sherd_rekey_floor_check(&parts, "default", 2));
    assert_err(SHERD_ERR_CONFLICT, sherd_rekey_floor_check(&parts, "hash", 2));
    assert_ok(rekey(test->anchor, false));
    assert_ok(sherd_rekey_floor_check(&parts, "default", 2));
    assert_ok(sherd_rekey_floor_check(&parts, "hash", 2));
    assert_err(SHERD_ERR_INVALID, sherd_rekey_floor_check(&parts, "default", 3));
}

static void test_anchor_uses_floor__holds_for_the_hash_key(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_ref entity;
    struct sherd_ref again;

    const struct sherd_uuid record = put(test, "pat");
    assert_ok(test->anchor->ops->entity_find(test->anchor, &test->collection.id, "pat", &entity));
    const struct found lookup = stored_of(test, SHERD_KIND_ENTITY_LOOKUP);
    activate(test->anchor, "hash");
    set_floor(test->anchor, "hash", 2); /* before ids were hashed anew: what is found under version 1 is refused */
    anchor_again(test);
    assert_err(SHERD_ERR_NOT_FOUND, test->anchor->ops->entity_find(test->anchor, &test->collection.id, "pat", &again));
    assert_int_equal(walk(test->anchor).tampered + walk(test->anchor).refused > 0, true);
    set_floor(test->anchor, "hash", 0);
    assert_ok(rekey(test->anchor, false));
    activate(test->anchor, "hash");
    assert_ok(rekey(test->anchor, false)); /* destroys version 2 at its end */
    set_floor(test->anchor, "hash", 3);
    assert_ok(test->anchor->ops->entity_find(test->anchor, &test->collection.id, "pat", &again));
    assert_memory_equal(&entity, &again, sizeof(entity));
    assert_ok(make_entity(test, test->anchor, "kim"));
    assert_ok(get(test->anchor, record));
    assert_int_equal(walk(test->anchor).refused, 0);
    put_raw(test, &lookup.names[0], lookup.bytes[0], lookup.lens[0]); /* under a hash key that was destroyed */
    const struct walked walked = walk(test->anchor);
    assert_int_equal(walked.refused, 1);
    assert_int_equal(walked.tampered, 0);
}

static void test_anchor_uses__of_a_destroyed_version_are_refused_by_name(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_uuid record = put(test, "pat");
    const struct found old = stored_of(test, SHERD_KIND_ENTITY_KEY);

    assert_int_equal(old.count, 1);
    activate(test->anchor, "default");
    assert_ok(rekey(test->anchor, false));
    assert_ok(test->anchor->ops->master_retire(test->anchor, "default", 1));
    assert_ok(test->anchor->ops->master_destroy(test->anchor, "default", 1));
    assert_ok(get(test->anchor, record));
    const struct found fresh = stored_of(test, SHERD_KIND_ENTITY_KEY);
    put_raw(test, &old.names[0], old.bytes[0], old.lens[0]);
    for (unsigned i = 0; i < 2; i++) {
        anchor_again(test);
        assert_err(SHERD_ERR_DENIED, get(test->anchor, record));
        assert_non_null(strstr(sherd_err_detail(), "version 1 of the master key default was destroyed on 2"));
        assert_non_null(strstr(sherd_err_detail(), ", and is refused"));
        assert_int_equal(walk(test->anchor).tampered, 0);
        assert_int_equal(walk(test->anchor).refused_entities, 1);
        assert_int_equal(walk(test->anchor).refused_pins, 1);
    }
    assert_err(SHERD_ERR_DENIED, rekey(test->anchor, false));
    put_raw(test, &old.names[0], fresh.bytes[0], fresh.lens[0]);
    anchor_again(test);
    assert_ok(get(test->anchor, record));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_of(test_anchor_uses__are_counted_for_what_is_wrapped),
        anchor_test_of(test_anchor_uses_take__reserves_twice_as_many_each_time),
        anchor_test_of(test_anchor_uses__are_reserved_at_once_for_a_rekeying),
        anchor_test_of(test_anchor_uses_take__wastes_little_of_a_small_limit),
        anchor_test_of(test_anchor_uses_take__gives_up_what_was_reserved_under_another_limit),
        anchor_test_of(test_anchor_uses_take__is_exact_among_threads_and_handles),
        anchor_test_of(test_anchor_uses_take__begins_anew_when_another_was_faster),
        anchor_test_of(test_anchor_uses_take__counts_what_is_lost),
        anchor_test_of(test_anchor_uses__give_way_to_the_next_version),
        anchor_test_of(test_anchor_uses__give_way_in_a_rekeying_too),
        anchor_test_of(test_anchor_uses__take_the_store_and_arguments_of_the_last),
        anchor_test_of(test_anchor_uses__activate_once_among_all),
        anchor_test_of(test_anchor_uses__end_with_a_word_where_no_version_can_follow),
        anchor_test_of(test_anchor_uses__must_suffice_for_one_entity),
        anchor_test_of(test_anchor_uses__are_not_forgotten_with_their_entry),
        anchor_test_of(test_anchor_uses__end_with_their_version),
        anchor_test_of(test_anchor_uses_floor__refuses_older_versions),
        anchor_test_of(test_anchor_uses_floor__may_be_ruled_where_nothing_lies_below),
        anchor_test_of(test_anchor_uses_floor__holds_for_the_hash_key),
        anchor_test_of(test_anchor_uses__of_a_destroyed_version_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
