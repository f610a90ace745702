/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of write sets with their events: whatever is written, by however many threads, the digest that the sets add up
 * to is the digest of what is there; what is changed behind their back is seen in it; and no event is lost or doubled.
 */
#include "anchor.h"
#include "anchor/ring/changes.h"
#include <pthread.h>

#define THREADS 4U
#define ROUNDS 150U

struct fixture {
    struct sherd_compartment *keys;
    struct sherd_hmac_key *name;
    struct sherd_hmac_key *seal;
    struct sherd_entry_keys entry_keys;
    struct sherd_leaf_keys *leaves;
    struct sherd_changes *changes;
};

static int setup(void **state)
{
    static struct fixture fixture;
    static const uint8_t key[32] = {3};
    static const uint8_t deployment[16] = {4};

    if (sherd_crypto_init() != SHERD_OK)
        return -1;
    fixture = (struct fixture){.keys = anchor_compartment(SHERD_KEYS, true)};
    assert_ok(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(key, 32), &fixture.name));
    assert_ok(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key, 32), &fixture.seal));
    fixture.entry_keys = (struct sherd_entry_keys){
        .compartment = SHERD_FOR_KEYS, .version = 1, .name = fixture.name, .seal = fixture.seal};
    assert_ok(sherd_leaf_keys_new(sherd_span_of(key, 32), deployment, &fixture.leaves));
    assert_ok(sherd_changes_new(fixture.keys, &fixture.entry_keys, fixture.leaves, &fixture.changes));
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    sherd_changes_free(fixture->changes);
    sherd_leaf_keys_free(fixture->leaves);
    sherd_hmac_key_free(fixture->name);
    sherd_hmac_key_free(fixture->seal);
    sherd_compartment_close(fixture->keys);
    return sherd_store_memory_forget("keys") == SHERD_OK ? 0 : -1;
}

/* All pending blocks: what their deltas add up to, and how many events of each kind they hold. */
struct sum {
    const struct fixture *fixture;
    struct sherd_digest delta;
    size_t events[SHERD_EVENT_KINDS];
    size_t blocks;
};

static enum sherd_err sum_block(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct sum *sum = arg;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf payload = {0};
    struct sherd_pending pending;
    struct sherd_event event;

    if (!sherd_pending_named(&name))
        return SHERD_OK;
    SHERD_TRY(sherd_pending_open(&sum->fixture->entry_keys, &name, value, &payload, &pending));
    for (size_t i = 0; i < sizeof(sum->delta.bytes); i++)
        sum->delta.bytes[i] ^= pending.delta.bytes[i];
    for (struct sherd_span rest = pending.events; rest.len != 0;) {
        SHERD_TRY(sherd_pending_next(&rest, &event));
        sum->events[event.kind]++;
    }
    sum->blocks++;
    return SHERD_OK;
}

static void sum_of(const struct fixture *fixture, struct sum *out_sum, struct sherd_keys_digest *out_digest)
{
    struct sherd_snapshot *snapshot;

    *out_sum = (struct sum){.fixture = fixture};
    assert_ok(sherd_compartment_snapshot_begin(fixture->keys, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, sum_block, out_sum));
    assert_ok(sherd_keys_digest(snapshot, fixture->leaves, out_digest));
    sherd_snapshot_end(snapshot);
}

static bool agrees(const struct fixture *fixture)
{
    struct sherd_keys_digest digest;
    struct sum sum;

    sum_of(fixture, &sum, &digest);
    return memcmp(sum.delta.bytes, digest.entries.bytes, 32) == 0;
}

static struct sherd_store_op op_of(enum sherd_store_op_kind kind, enum sherd_store_expect expect, uint8_t name,
                                   const char *value, const char *expected)
{
    struct sherd_store_op op = {.kind = kind, .expect = expect, .name = {{0xff, name}}};

    if (value != NULL)
        op.value = sherd_span_str(value);
    if (expected != NULL)
        op.expected = sherd_span_str(expected);
    return op;
}

static enum sherd_err write_one(const struct fixture *fixture, struct sherd_store_op op, enum sherd_event_kind kind)
{
    struct sherd_event event = {.kind = kind};

    return sherd_changes_write(fixture->changes, &op, 1, &event, 1);
}

static void count_written(void *arg)
{
    ++*(size_t *)arg;
}

static void test_anchor_changes__digest_follows_every_kind_of_operation(void **state)
{
    const struct fixture *fixture = *state;
    const struct sherd_store_op list[] = {
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_ABSENT, 1, "one", NULL),
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_EQUALS, 1, "two", "one"),
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_EQUALS, 1, "two", "two"), /* over itself */
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_ANY, 1, "three", NULL),
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_ANY, 2, "new", NULL),
        op_of(SHERD_STORE_CHECK, SHERD_EXPECT_EQUALS, 2, NULL, "new"),
        op_of(SHERD_STORE_DELETE, SHERD_EXPECT_ANY, 3, NULL, NULL), /* there is none */
        op_of(SHERD_STORE_DELETE, SHERD_EXPECT_ANY, 2, NULL, NULL),
        op_of(SHERD_STORE_DELETE, SHERD_EXPECT_EQUALS, 1, NULL, "three"),
    };
    struct sherd_keys_digest digest;
    struct sum sum;
    size_t written = 0;

    sherd_changes_tell(fixture->changes, count_written, &written);
    for (size_t i = 0; i < SHERD_COUNT_OF(list); i++) {
        assert_ok(write_one(fixture, list[i], SHERD_EVENT_PUT));
        assert_true(agrees(fixture));
    }
    sum_of(fixture, &sum, &digest);
    assert_int_equal(digest.entry_count, 0);
    assert_int_equal(sum.events[SHERD_EVENT_PUT], SHERD_COUNT_OF(list));
    assert_int_equal(written, SHERD_COUNT_OF(list));
}

/* A set that is refused leaves no event. */
static void test_anchor_changes__refused_set_leaves_nothing(void **state)
{
    const struct fixture *fixture = *state;
    struct sherd_keys_digest digest;
    struct sum sum;

    assert_int_equal(write_one(fixture, op_of(SHERD_STORE_PUT, SHERD_EXPECT_EQUALS, 9, "b", "a"), SHERD_EVENT_UPDATE),
                     SHERD_ERR_CONFLICT);
    assert_int_equal(write_one(fixture, op_of(SHERD_STORE_CHECK, SHERD_EXPECT_EQUALS, 9, NULL, "a"),
                               SHERD_EVENT_UPDATE),
                     SHERD_ERR_CONFLICT);
    sum_of(fixture, &sum, &digest);
    assert_int_equal(sum.blocks, 0);
    assert_int_equal(digest.entry_count, 0);
}

/* More events than one block holds, in one set. */
static void test_anchor_changes__many_events_in_one_set(void **state)
{
    const struct fixture *fixture = *state;
    const struct sherd_store_op op = op_of(SHERD_STORE_PUT, SHERD_EXPECT_ABSENT, 1, "one", NULL);
    static struct sherd_event events[500];
    struct sherd_keys_digest digest;
    struct sum sum;

    for (size_t i = 0; i < SHERD_COUNT_OF(events); i++) {
        events[i] = (struct sherd_event){.kind = SHERD_EVENT_RESEAL, .version = i + 1};
        events[i].map.there = events[i].fragment.there = true;
    }
    assert_ok(sherd_changes_write(fixture->changes, &op, 1, events, SHERD_COUNT_OF(events)));
    sum_of(fixture, &sum, &digest);
    assert_int_equal(sum.events[SHERD_EVENT_RESEAL], SHERD_COUNT_OF(events));
    assert_true(sum.blocks > 1 && agrees(fixture));
}

/* What does not come this way is seen: an entry changed, removed, put back, or added. */
static void test_anchor_changes__others_are_seen(void **state)
{
    const struct fixture *fixture = *state;
    const struct sherd_store_op attacks[] = {
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_ANY, 1, "changed", NULL),
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_ANY, 1, "old", NULL), /* rolled back */
        op_of(SHERD_STORE_DELETE, SHERD_EXPECT_ANY, 1, NULL, NULL),
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_ANY, 2, "added", NULL),
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_ANY, 2, "new", NULL), /* moved: the value of another */
    };
    const struct sherd_store_op repair[] = {
        op_of(SHERD_STORE_PUT, SHERD_EXPECT_ANY, 1, "new", NULL),
        op_of(SHERD_STORE_DELETE, SHERD_EXPECT_ANY, 2, NULL, NULL),
    };

    assert_ok(write_one(fixture, op_of(SHERD_STORE_PUT, SHERD_EXPECT_ABSENT, 1, "old", NULL), SHERD_EVENT_PUT));
    assert_ok(write_one(fixture, op_of(SHERD_STORE_PUT, SHERD_EXPECT_EQUALS, 1, "new", "old"), SHERD_EVENT_UPDATE));
    for (size_t i = 0; i < SHERD_COUNT_OF(attacks); i++) {
        assert_true(agrees(fixture));
        assert_ok(sherd_compartment_write(fixture->keys, &attacks[i], 1));
        assert_false(agrees(fixture));
        assert_ok(sherd_compartment_write(fixture->keys, repair, SHERD_COUNT_OF(repair)));
    }
    assert_true(agrees(fixture));
}

struct worker {
    const struct fixture *fixture;
    pthread_t thread;
    unsigned seed;
    size_t done;
    enum sherd_err err;
};

/* Puts and deletes of few names, with and without expectations: most of them race. */
static void *work(void *arg)
{
    struct worker *worker = arg;

    for (unsigned i = 0; i < ROUNDS && worker->err == SHERD_OK; i++) {
        char value[32];
        const uint8_t name = (uint8_t)((worker->seed + i * 7) % 5);

        (void)snprintf(value, sizeof(value), "%u of %u", i, worker->seed);
        const struct sherd_store_op op =
            i % 3 == 0 ? op_of(SHERD_STORE_DELETE, SHERD_EXPECT_ANY, name, NULL, NULL)
                       : op_of(SHERD_STORE_PUT, i % 3 == 1 ? SHERD_EXPECT_ANY : SHERD_EXPECT_ABSENT, name, value, NULL);
        const enum sherd_err err = write_one(worker->fixture, op, SHERD_EVENT_PUT);

        worker->done += err == SHERD_OK;
        worker->err = err == SHERD_ERR_CONFLICT ? SHERD_OK : err;
    }
    return NULL;
}

static void test_anchor_changes__threads_add_up(void **state)
{
    const struct fixture *fixture = *state;
    struct worker workers[THREADS];
    struct sherd_keys_digest digest;
    struct sum sum;
    size_t done = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = fixture, .seed = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_ok(workers[i].err);
        done += workers[i].done;
    }
    sum_of(fixture, &sum, &digest);
    assert_int_equal(sum.events[SHERD_EVENT_PUT], done);
    assert_true(done > ROUNDS && agrees(fixture));
}

/* An entry of another kind under the name of a pending block is none. */
static void test_anchor_changes__planted_block_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    const struct sherd_ref name = {{0, 0, 0, 0, 0, 0, 0, 0, 1}};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf payload = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf stored = {0};
    struct sherd_pending pending;

    assert_true(sherd_pending_named(&name));
    assert_ok(sherd_entry_seal(&fixture->entry_keys, SHERD_KIND_IDEMPOTENCY, &name, sherd_span_str("x"), &stored));
    assert_int_equal(sherd_pending_open(&fixture->entry_keys, &name, sherd_buf_span(&stored), &payload, &pending),
                     SHERD_ERR_TAMPERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_anchor_changes__digest_follows_every_kind_of_operation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_changes__refused_set_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_changes__many_events_in_one_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_changes__others_are_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_changes__threads_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_changes__planted_block_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
