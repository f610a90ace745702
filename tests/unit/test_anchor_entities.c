/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of entities: each id has one ref, found under any hash key and nowhere in clear; erased they are gone for every
 * handle; and a wrapped key opens in its own place alone.
 */
#include "anchor.h"
#include "anchor/keys/entity_key.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/random.h"
#include <pthread.h>

static struct sherd_ref find(struct sherd_anchor *anchor, const struct anchor_test *test, const char *id)
{
    struct sherd_ref entity;

    assert_ok(anchor->ops->entity_find(anchor, &test->collection.id, id, &entity));
    return entity;
}

/* Pin the first version of a new record. */
static struct sherd_pin_change put(struct anchor_test *test, struct sherd_anchor *anchor, const char *id,
                                   struct sherd_record_key *out_key)
{
    struct sherd_pin_change change = {.versions_kept = 1};
    struct sherd_refs dropped = {0};
    struct sherd_uuid record;

    assert_ok(sherd_uuid_new(&record));
    assert_ok(anchor->ops->key_new(anchor, &test->collection, id, record, 1, &change.pin, out_key));
    assert_ok(anchor->ops->pin_commit(anchor, &change, 1, &dropped));
    sherd_refs_done(&dropped);
    return change;
}

static enum sherd_err get(struct sherd_anchor *anchor, struct sherd_uuid record, struct sherd_record_key *out_key)
{
    struct sherd_pin_view view;

    return anchor->ops->pin_get(anchor, record, 0, &view, out_key);
}

static void activate(struct sherd_anchor *anchor, const char *name)
{
    const struct sherd_master_options options = {.name = name};

    assert_ok(anchor->ops->master_activate(anchor, &options, NULL));
}

static void rekey(struct sherd_anchor *anchor, bool fresh_keys)
{
    const struct sherd_rekey_scope all = {.fresh_keys = fresh_keys};
    struct sherd_rekey_progress progress = {.done = false};
    struct sherd_rekey *rekey;

    assert_ok(anchor->ops->rekey_begin(anchor, &all, &rekey));
    while (!progress.done)
        assert_ok(anchor->ops->rekey_step(anchor, rekey, 5, &progress));
    anchor->ops->rekey_end(anchor, rekey);
}

/* --- ids ---------------------------------------------------------------------------------------------------------- */

static void test_anchor_entities__have_one_ref_for_each_id(void **state)
{
    enum { COUNT = 60 };
    struct anchor_test *test = *state;
    struct sherd_ref refs[COUNT];
    struct sherd_record_key key;
    struct sherd_anchor *other;
    char id[16];

    assert_ok(anchor_open(test, &other));
    for (unsigned i = 0; i < COUNT; i++) {
        test->collection.rules.derived_entity_keys = i % 2 == 1;
        (void)snprintf(id, sizeof(id), "person-%u", i);
        refs[i] = put(test, i % 3 == 0 ? other : test->anchor, id, &key).pin.entity;
        for (unsigned k = 0; k < i; k++)
            assert_memory_not_equal(&refs[i], &refs[k], sizeof(refs[i]));
    }
    anchor_again(test);
    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(id, sizeof(id), "person-%u", i);
        assert_memory_equal(&refs[i], find(test->anchor, test, id).bytes, sizeof(refs[i]));
        assert_memory_equal(&refs[i], find(other, test, id).bytes, sizeof(refs[i]));
    }
    assert_err(SHERD_ERR_NOT_FOUND, other->ops->entity_find(other, &test->collection.id, "person-60", &refs[0]));
    other->ops->free(other);
}

struct all {
    struct sherd_buf bytes;
    size_t kinds[16];
    struct sherd_anchor *anchor;
};

static enum sherd_err take_all(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct all *all = arg;

    SHERD_TRY(sherd_buf_append(&all->bytes, sherd_span_of(name.bytes, sizeof(name.bytes))));
    return sherd_buf_append(&all->bytes, value);
}

static void test_anchor_entities__have_no_id_in_clear(void **state)
{
    struct anchor_test *test = *state;
    struct all all = {.bytes = {.max = 1 << 24}};
    struct sherd_snapshot *snapshot;
    struct sherd_record_key key;

    (void)put(test, test->anchor, "patricia.example", &key);
    test->collection.rules.derived_entity_keys = true;
    (void)put(test, test->anchor, "kimberly.example", &key);
    assert_ok(sherd_compartment_snapshot_begin(test->keys, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, take_all, &all));
    sherd_snapshot_end(snapshot);
    assert_true(all.bytes.len > 1000);
    for (size_t i = 0; i + 6 <= 16; i++) {
        assert_null(memmem(all.bytes.data, all.bytes.len, &"patricia.example"[i], 6));
        assert_null(memmem(all.bytes.data, all.bytes.len, &"kimberly.example"[i], 6));
    }
    sherd_buf_done(&all.bytes);
}

static void test_anchor_entities_find__looks_under_older_hash_keys(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_record_key key;
    struct sherd_anchor *other;

    assert_ok(anchor_open(test, &other));
    const struct sherd_ref first = put(test, test->anchor, "pat", &key).pin.entity;
    for (unsigned i = 0; i < 3; i++) {
        activate(test->anchor, "hash");
        assert_memory_equal(&first, find(other, test, "pat").bytes, sizeof(first));
        assert_memory_equal(&first, put(test, other, "pat", &key).pin.entity.bytes, sizeof(first));
        if (i == 1)
            rekey(test->anchor, false);
    }
    anchor_again(test);
    assert_memory_equal(&first, find(test->anchor, test, "pat").bytes, sizeof(first));
    other->ops->free(other);
}

struct maker {
    struct anchor_test *test;
    struct sherd_anchor *anchor;
    struct sherd_ref refs[40];
};

static void *make_many(void *arg)
{
    struct maker *maker = arg;

    for (unsigned i = 0; i < 40; i++) {
        struct sherd_pin pin;
        struct sherd_record_key key;
        struct sherd_uuid record;
        char id[16];

        (void)snprintf(id, sizeof(id), "new-%u", i);
        if (sherd_uuid_new(&record) != SHERD_OK ||
            maker->anchor->ops->key_new(maker->anchor, &maker->test->collection, id, record, 1, &pin, &key) != SHERD_OK)
            return maker;
        maker->refs[i] = pin.entity;
    }
    return NULL;
}

/* Two handles, two threads each, all the same new ids, while the hash key is changed: one entity for each id. */
static void test_anchor_entities__are_made_once(void **state)
{
    struct anchor_test *test = *state;
    struct maker makers[4];
    pthread_t threads[4];
    struct sherd_anchor *other;

    assert_ok(anchor_open(test, &other));
    for (size_t i = 0; i < 4; i++) {
        makers[i] = (struct maker){.test = test, .anchor = i % 2 == 0 ? test->anchor : other};
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, &makers[i]), 0);
    }
    for (unsigned i = 0; i < 5; i++)
        activate(i % 2 == 0 ? test->anchor : other, "hash");
    for (size_t i = 0; i < 4; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    for (size_t i = 1; i < 4; i++)
        assert_memory_equal(makers[0].refs, makers[i].refs, sizeof(makers[0].refs));
    other->ops->free(other);
}

/* --- erasing ------------------------------------------------------------------------------------------------------ */

static void erase_one(struct anchor_test *test, bool derived)
{
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_anchor *other;
    struct sherd_record_key keys[2];
    struct sherd_record_key key;
    struct sherd_ref entity;

    test->collection.rules.derived_entity_keys = derived;
    assert_ok(anchor_open(test, &other));
    const struct sherd_pin_change gone = put(test, test->anchor, "pat", &keys[0]);
    const struct sherd_pin_change stays = put(test, test->anchor, "kim", &keys[1]);
    rekey(test->anchor, true);                    /* with older versions of its key behind it */
    assert_ok(get(other, gone.pin.record, &key)); /* it holds the keys now */
    assert_ok(ops->entity_erase(test->anchor, &test->collection.id, "pat"));
    for (unsigned i = 0; i < 2; i++) {
        struct sherd_anchor *anchor = i == 0 ? other : test->anchor;
        struct sherd_pin_view view;

        assert_err(SHERD_ERR_NOT_FOUND, get(anchor, gone.pin.record, &key));
        assert_err(SHERD_ERR_NOT_FOUND, ops->pin_get(anchor, gone.pin.record, 0, &view, NULL));
        assert_err(SHERD_ERR_NOT_FOUND, ops->entity_find(anchor, &test->collection.id, "pat", &entity));
        assert_ok(get(anchor, stays.pin.record, &key));
        assert_memory_equal(&key, &keys[1], sizeof(key));
    }
    assert_err(SHERD_ERR_NOT_FOUND, ops->entity_erase(other, &test->collection.id, "pat"));
    rekey(other, true);
    const struct sherd_pin_change again = put(test, other, "pat", &key);
    assert_memory_not_equal(&again.pin.entity, &gone.pin.entity, sizeof(again.pin.entity));
    assert_ok(get(test->anchor, again.pin.record, &key));
    assert_err(SHERD_ERR_NOT_FOUND, get(test->anchor, gone.pin.record, &key));
    other->ops->free(other);
}

static void test_anchor_entities_erase__is_seen_by_every_handle_at_once(void **state)
{
    erase_one(*state, false);
}

static void test_anchor_entities_erase__erases_derived_keys_too(void **state)
{
    erase_one(*state, true);
}

/* Whose key was given before and who commits after it: the record is not made. */
static void test_anchor_entities_erase__leaves_no_way_to_commit(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_pin_change change = {.versions_kept = 1};
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_anchor *other;
    struct sherd_uuid record;

    assert_ok(anchor_open(test, &other));
    assert_ok(sherd_uuid_new(&record));
    assert_ok(other->ops->key_new(other, &test->collection, "pat", record, 1, &change.pin, &key));
    assert_ok(test->anchor->ops->entity_erase(test->anchor, &test->collection.id, "pat"));
    assert_err(SHERD_ERR_CONFLICT, other->ops->pin_commit(other, &change, 1, &dropped));
    change.key = &key;
    assert_err(SHERD_ERR_CONFLICT, other->ops->pin_commit(other, &change, 1, &dropped));
    assert_err(SHERD_ERR_NOT_FOUND, get(other, record, &key));
    sherd_refs_done(&dropped);
    other->ops->free(other);
}

/* Renewing an id's entry while the entity is erased must not leave an entry that leads to nobody. */
struct striker {
    struct anchor_test *test;
    struct sherd_anchor *other;
    bool struck;
};

static enum sherd_err erase_at(void *arg, const char *name)
{
    struct striker *striker = arg;

    if (striker->struck || strcmp(name, "renew.before_write") != 0)
        return SHERD_OK;
    striker->struck = true;
    return striker->other->ops->entity_erase(striker->other, &striker->test->collection.id, "pat");
}

static void test_anchor_entities_renew__gives_way_to_an_erasure(void **state)
{
    struct anchor_test *test = *state;
    struct striker striker = {.test = test};
    struct sherd_record_key key;
    struct sherd_ref entity;

    assert_ok(anchor_open(test, &striker.other));
    const struct sherd_pin_change gone = put(test, test->anchor, "pat", &key);
    activate(test->anchor, "hash"); /* so that there is nothing to renew but the entry of the id */
    sherd_failpoint_set(erase_at, &striker);
    rekey(test->anchor, false);
    sherd_failpoint_set(NULL, NULL);
    assert_true(striker.struck);
    assert_err(SHERD_ERR_NOT_FOUND, test->anchor->ops->entity_find(test->anchor, &test->collection.id, "pat", &entity));
    assert_err(SHERD_ERR_NOT_FOUND, get(test->anchor, gone.pin.record, &key));
    const struct sherd_pin_change again = put(test, test->anchor, "pat", &key); /* the id is free */
    assert_ok(get(striker.other, again.pin.record, &key));
    striker.other->ops->free(striker.other);
}

/* --- wrapped keys in the place of others -------------------------------------------------------------------------- */

/* A pin whose wrapped key is another pin's, put back by one who has the store keys. */
static void test_anchor_entities_unwrap__refuses_every_other_pins_key(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_pin_change changes[5];
    struct sherd_record_key key;

    changes[0] = put(test, test->anchor, "pat", &key);
    changes[1] = put(test, test->anchor, "pat", &key);
    changes[2] = put(test, test->anchor, "kim", &key);
    rekey(test->anchor, true);
    changes[3] = put(test, test->anchor, "pat", &key); /* of the same entity's next version */
    assert_ok(sherd_uuid_new(&test->collection.id));
    changes[4] = put(test, test->anchor, "pat", &key); /* of another collection's entity */
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 5; k++) {
            struct sherd_pin_change mixed = changes[i];
            struct sherd_refs dropped = {0};

            if (i == k)
                continue;
            /* the wrapped key alone, and with it all that says how it is wrapped, but for whose it is */
            for (unsigned all = 0; all < 2; all++) {
                assert_ok(sherd_uuid_new(&mixed.pin.record));
                mixed.pin.key = changes[k].pin.key;
                if (all == 1) {
                    mixed.pin.entity = changes[k].pin.entity;
                    mixed.pin.collection = changes[k].pin.collection;
                    mixed.pin.entity_key_version = changes[k].pin.entity_key_version;
                    mixed.pin.epoch = changes[k].pin.epoch;
                }
                const enum sherd_err err = test->anchor->ops->pin_commit(test->anchor, &mixed, 1, &dropped);
                if (err == SHERD_OK)
                    assert_err(SHERD_ERR_TAMPERED, get(test->anchor, mixed.pin.record, &key));
                else
                    assert_int_equal(err, SHERD_ERR_TAMPERED);
                sherd_refs_done(&dropped);
            }
        }
}

/* One entity's key as it may be wrapped: everything that it is bound to can be changed on its own. */
struct bound {
    struct sherd_entity_keys at;
    struct sherd_master_key *master;
    struct sherd_epoch_key *epoch;
    struct sherd_entity_key_entry entry;
};

static enum sherd_err unwrap(const struct bound *bound)
{
    struct sherd_entity_key *key = sherd_secret_alloc(sizeof(*key));

    assert_non_null(key);
    const enum sherd_err err = sherd_entity_key_unwrap(&bound->at, bound->master, bound->epoch, &bound->entry, key);
    sherd_secret_free(key);
    return err;
}

#define assert_bound(change)                               \
    do {                                                   \
        struct bound changed_ = bound;                     \
        change;                                            \
        assert_err(SHERD_ERR_TAMPERED, unwrap(&changed_)); \
    } while (0)

static void test_anchor_entities_entity_key__is_bound_to_all_around_it(void **state)
{
    struct sherd_entity_key *key = sherd_secret_alloc(sizeof(*key));
    struct sherd_master_key other_master = {{1}};
    struct sherd_epoch_key other_epoch = {{1}};
    struct sherd_master_key master = {{2}};
    struct sherd_epoch_key epoch = {{2}};
    struct bound bound = {.master = &master, .epoch = &epoch, .entry = {.version = 3, .version_oldest = 2, .epoch = 4}};

    (void)state;
    assert_ok(sherd_crypto_init());
    assert_ok(sherd_random(&bound.at.deployment, 16));
    assert_ok(sherd_random(&bound.at.tenant, 16));
    assert_ok(sherd_random(&bound.entry.collection, 16));
    assert_ok(sherd_random(&bound.entry.entity, 16));
    assert_ok(sherd_random(&bound.entry.master, 16));
    assert_ok(sherd_random(key->bytes, sizeof(key->bytes)));
    assert_ok(sherd_entity_key_wrap(&bound.at, &master, &epoch, key, &bound.entry));
    assert_ok(unwrap(&bound));
    assert_bound(changed_.at.deployment.bytes[0] ^= 1);
    assert_bound(changed_.at.tenant.bytes[15] ^= 1);
    assert_bound(changed_.entry.collection.bytes[7] ^= 1);
    assert_bound(changed_.entry.entity.bytes[7] ^= 1);
    assert_bound(changed_.entry.master.bytes[7] ^= 1);
    assert_bound(changed_.entry.version++);
    assert_bound(changed_.entry.version--);
    assert_bound(changed_.entry.epoch++);
    assert_bound(changed_.master = &other_master);
    assert_bound(changed_.epoch = &other_epoch);
    for (size_t i = 0; i < sizeof(bound.entry.key.bytes); i += 5)
        assert_bound(changed_.entry.key.bytes[i] ^= 1);
    sherd_secret_free(key);
}

/* A derived key is another one for everything that goes into it; the epoch is not among that. */
static void test_anchor_entities_entity_key__is_derived_from_all_that_names_it(void **state)
{
    struct sherd_entity_key *keys = sherd_secret_alloc(8 * sizeof(*keys));
    struct sherd_master_key masters[2] = {{{1}}, {{2}}};
    struct sherd_epoch_key epoch = {{9}};
    struct bound bounds[8];

    (void)state;
    assert_ok(sherd_crypto_init());
    for (size_t i = 0; i < 8; i++)
        bounds[i] = (struct bound){.master = &masters[0], .epoch = &epoch, .entry = {.version = 1, .derived = true}};
    bounds[1].master = &masters[1];
    bounds[2].entry.version = 2;
    bounds[3].entry.collection.bytes[0] = 1;
    bounds[4].entry.entity.bytes[0] = 1;
    bounds[5].at.deployment.bytes[0] = 1;
    bounds[6].at.tenant.bytes[0] = 1;
    bounds[7].entry.master.bytes[0] = 1;
    for (size_t i = 0; i < 8; i++) {
        assert_ok(sherd_entity_key_unwrap(&bounds[i].at, bounds[i].master, NULL, &bounds[i].entry, &keys[i]));
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(&keys[i], &keys[k], sizeof(keys[i]));
    }
    bounds[0].entry.epoch = 77;
    assert_ok(sherd_entity_key_unwrap(&bounds[0].at, bounds[0].master, &epoch, &bounds[0].entry, &keys[1]));
    assert_memory_equal(&keys[0], &keys[1], sizeof(keys[0]));
    sherd_secret_free(keys);
}

/* Entries of entities, put back or taken away: each is refused, or leads to what it led to before. */
static void test_anchor_entities__notice_entries_that_were_taken_away(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_record_key key;
    const struct sherd_pin_change made = put(test, test->anchor, "pat", &key);
    struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .name = made.pin.entity};

    assert_ok(sherd_compartment_write(test->keys, &op, 1));
    anchor_again(test);
    assert_err(SHERD_ERR_TAMPERED, get(test->anchor, made.pin.record, &key));
}

/* --- keys that are changed in between ----------------------------------------------------------------------------- */

/* What another process does at the n-th time that memory or randomness is wanted. */
struct between {
    struct anchor_test *test;
    struct sherd_anchor *other;
    const char *point;
    unsigned left;
    void (*act)(struct between *between);
    struct sherd_ref entity;
};

static enum sherd_err strike(void *arg, const char *name)
{
    struct between *between = arg;

    if (strcmp(name, between->point) == 0 && between->left > 0 && --between->left == 0)
        between->act(between);
    return SHERD_OK;
}

static void rotate_all(struct between *between)
{
    activate(between->other, "default");
    activate(between->other, "hash");
    rekey(between->other, true);
}

/* Wherever in a get or a look-up everything is rekeyed, and the old keys destroyed: it succeeds. */
static void test_anchor_entities__are_found_and_read_while_all_is_rekeyed(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_record_key first;
    const struct sherd_pin_change made = put(test, test->anchor, "pat", &first);
    bool struck[2] = {true, true};

    for (unsigned n = 1; struck[0] || struck[1]; n++) {
        for (size_t what = 0; what < 2; what++) {
            struct between between = {
                .test = test, .other = test->anchor, .point = "alloc", .left = n, .act = rotate_all};
            struct sherd_record_key key;
            struct sherd_anchor *fresh;
            struct sherd_ref entity;

            if (!struck[what])
                continue;
            assert_ok(anchor_open(test, &fresh)); /* which holds nothing yet */
            sherd_failpoint_set(strike, &between);
            const enum sherd_err err = what == 0 ? get(fresh, made.pin.record, &key)
                                                 : fresh->ops->entity_find(fresh, &test->collection.id, "pat", &entity);
            sherd_failpoint_set(NULL, NULL);
            assert_ok(err);
            if (what == 0)
                assert_memory_equal(&key, &first, sizeof(key));
            else
                assert_memory_equal(&entity, &made.pin.entity, sizeof(entity));
            struck[what] = between.left == 0;
            fresh->ops->free(fresh);
        }
        for (uint64_t version = 1; version < 3 * (uint64_t)n; version++) /* so that there is room for more */
            for (size_t i = 0; i < 2; i++) {
                const char *name = i == 0 ? "default" : "hash";

                if (test->anchor->ops->master_retire(test->anchor, name, version) == SHERD_OK)
                    assert_ok(test->anchor->ops->master_destroy(test->anchor, name, version));
            }
    }
}

static void make_first(struct between *between)
{
    struct sherd_record_key key;

    activate(between->other, "hash");
    between->entity = put(between->test, between->other, "pat", &key).pin.entity;
}

/* Two make the same entity, one of them by a hash key that is no more when it writes: there is one entity. */
static void test_anchor_entities__are_made_once_whatever_the_hash_key(void **state)
{
    struct anchor_test *test = *state;
    struct between between = {.test = test, .point = "random", .left = 2, .act = make_first};
    struct sherd_record_key key;

    assert_ok(anchor_open(test, &between.other));
    (void)put(test, test->anchor, "kim", &key); /* so that it holds the keys */
    /*
     * the first randomness is the record's id, drawn by put(); the second is wanted when it is known that there is none
     */
    sherd_failpoint_set(strike, &between);
    const struct sherd_pin_change made = put(test, test->anchor, "pat", &key);
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(between.left, 0);
    assert_memory_equal(&made.pin.entity, &between.entity, sizeof(between.entity));
    between.other->ops->free(between.other);
}

#define WALKED 40

static enum sherd_err note_head(void *arg, const struct sherd_anchor_entry *entry)
{
    struct sherd_uuid **next = arg;

    if (entry->kind == SHERD_KIND_PIN)
        *(*next)++ = entry->pin->record;
    return SHERD_OK;
}

struct updater {
    struct anchor_test *test;
    unsigned left;
    struct sherd_uuid ids[WALKED]; /* in the order of their pins */
};

static void update(struct anchor_test *test, struct sherd_anchor *anchor, struct sherd_uuid record)
{
    struct sherd_pin_change change = {.version_expected = 1};
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;

    assert_ok(anchor->ops->key_new(anchor, &test->collection, "pat", record, 2, &change.pin, &key));
    assert_ok(anchor->ops->pin_commit(anchor, &change, 1, &dropped));
    sherd_refs_done(&dropped);
}

/* In the middle of the walk over pins, those at its end are updated: their older versions go to names anywhere. */
static enum sherd_err update_the_last(void *arg, const char *name)
{
    struct updater *updater = arg;

    if (strcmp(name, "rekey.before_write") == 0 && updater->left > 0 && --updater->left == 0)
        for (size_t i = WALKED - 12; i < WALKED; i++)
            update(updater->test, updater->test->anchor, updater->ids[i]);
    return SHERD_OK;
}

static void test_anchor_entities_rekey__misses_no_version_that_is_moved_meanwhile(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_rekey_scope fresh = {.fresh_keys = true};
    struct sherd_rekey_progress progress = {.done = false};
    struct updater updater = {.test = test, .left = WALKED / 2};
    struct sherd_uuid *next = updater.ids;
    struct sherd_record_key key;
    struct sherd_rekey *rekey;
    struct sherd_ref last;
    size_t count;

    for (unsigned i = 0; i < WALKED; i++)
        (void)put(test, test->anchor, "pat", &key);
    assert_ok(test->anchor->ops->scan(test->anchor, NULL, 1000, note_head, &next, &last, &count));
    assert_ok(test->anchor->ops->rekey_begin(test->anchor, &fresh, &rekey));
    sherd_failpoint_set(update_the_last, &updater);
    while (!progress.done)
        assert_ok(test->anchor->ops->rekey_step(test->anchor, rekey, 1, &progress));
    sherd_failpoint_set(NULL, NULL);
    test->anchor->ops->rekey_end(test->anchor, rekey);
    assert_int_equal(updater.left, 0);
    anchor_again(test);
    for (size_t i = 0; i < WALKED; i++) {
        struct sherd_pin_view view;

        assert_ok(test->anchor->ops->pin_get(test->anchor, updater.ids[i], 1, &view, &key));
        assert_ok(test->anchor->ops->pin_get(test->anchor, updater.ids[i], 0, &view, &key));
    }
}

/* At the end of the first pass over pins, another process begins an epoch. */
static enum sherd_err begin_epoch(void *arg, const char *name)
{
    struct between *between = arg;
    uint64_t epoch;

    if (strcmp(name, "rekey.before_write") == 0 && between->left > 0 && --between->left == 0)
        assert_ok(between->other->ops->epoch_begin(between->other, &epoch));
    return SHERD_OK;
}

/* The last pass opens no pin again that the walk itself has written; but when keys were changed since, it does. */
static void test_anchor_entities_rekey__looks_again_at_what_it_knows_when_keys_change(void **state)
{
    struct anchor_test *test = *state;
    struct between between = {.test = test, .left = WALKED};
    const struct sherd_rekey_scope fresh = {.fresh_keys = true};
    struct sherd_rekey_progress progress = {.done = false};
    struct sherd_record_key key;
    struct sherd_rekey *walk;
    uint64_t epoch;

    for (unsigned i = 0; i < WALKED; i++)
        (void)put(test, test->anchor, "pat", &key);
    assert_ok(anchor_open(test, &between.other));
    assert_ok(test->anchor->ops->rekey_begin(test->anchor, &fresh, &walk));
    sherd_failpoint_set(begin_epoch, &between);
    while (!progress.done)
        assert_ok(test->anchor->ops->rekey_step(test->anchor, walk, 1, &progress));
    sherd_failpoint_set(NULL, NULL);
    test->anchor->ops->rekey_end(test->anchor, walk);
    assert_int_equal(between.left, 0);
    assert_int_equal(progress.record_count, 2 * WALKED);
    between.other->ops->free(between.other);
    rekey(test->anchor, false); /* the entity was renewed before */
    assert_ok(test->anchor->ops->epoch_end(test->anchor, &epoch));
    assert_int_equal(epoch, 2);
}

/* Another process ends the epoch that is being ended, and begins one more; unless it would have to wait. */
static void end_and_begin(struct between *between)
{
    struct sherd_file_lock lock;
    uint64_t epoch;

    if (sherd_file_lock_try(between->test->dir, "anchor/lock", &lock) != SHERD_OK)
        return;
    sherd_file_lock_leave(&lock);
    if (between->other->ops->epoch_end(between->other, &epoch) == SHERD_OK)
        assert_ok(between->other->ops->epoch_begin(between->other, &epoch));
}

/* Whoever ends an epoch destroys no key but that of the epoch for which it has counted. */
static void test_anchor_entities_epoch__that_is_ended_twice_takes_no_other_with_it(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_record_key key;
    const struct sherd_pin_change made = put(test, test->anchor, "pat", &key);
    bool struck = true;

    for (unsigned n = 1; struck; n++) {
        struct between between = {.test = test, .point = "alloc", .left = n, .act = end_and_begin};
        uint64_t epoch;

        assert_ok(anchor_open(test, &between.other));
        assert_ok(test->anchor->ops->epoch_begin(test->anchor, &epoch));
        rekey(test->anchor, false);
        sherd_failpoint_set(strike, &between);
        const enum sherd_err err = test->anchor->ops->epoch_end(test->anchor, &epoch);
        sherd_failpoint_set(NULL, NULL);
        assert_true(err == SHERD_OK || err == SHERD_ERR_CONFLICT);
        struck = between.left == 0;
        anchor_again(test);
        assert_ok(get(test->anchor, made.pin.record, &key));
        (void)put(test, between.other, "kim", &key);
        rekey(between.other, false);
        assert_ok(between.other->ops->epoch_end(between.other, &epoch));
        assert_ok(get(test->anchor, made.pin.record, &key));
        between.other->ops->free(between.other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_of(test_anchor_entities__have_one_ref_for_each_id),
        anchor_test_of(test_anchor_entities__have_no_id_in_clear),
        anchor_test_of(test_anchor_entities_find__looks_under_older_hash_keys),
        anchor_test_of(test_anchor_entities__are_made_once),
        anchor_test_of(test_anchor_entities_erase__is_seen_by_every_handle_at_once),
        anchor_test_of(test_anchor_entities_erase__erases_derived_keys_too),
        anchor_test_of(test_anchor_entities_erase__leaves_no_way_to_commit),
        anchor_test_of(test_anchor_entities_renew__gives_way_to_an_erasure),
        anchor_test_of(test_anchor_entities_unwrap__refuses_every_other_pins_key),
        cmocka_unit_test(test_anchor_entities_entity_key__is_bound_to_all_around_it),
        cmocka_unit_test(test_anchor_entities_entity_key__is_derived_from_all_that_names_it),
        anchor_test_of(test_anchor_entities__are_found_and_read_while_all_is_rekeyed),
        anchor_test_of(test_anchor_entities__are_made_once_whatever_the_hash_key),
        anchor_test_of(test_anchor_entities_rekey__misses_no_version_that_is_moved_meanwhile),
        anchor_test_of(test_anchor_entities_rekey__looks_again_at_what_it_knows_when_keys_change),
        anchor_test_of(test_anchor_entities_epoch__that_is_ended_twice_takes_no_other_with_it),
        anchor_test_of(test_anchor_entities__notice_entries_that_were_taken_away),
    };

    return cmocka_run_group_tests_name("anchor_entities", tests, NULL, NULL);
}
