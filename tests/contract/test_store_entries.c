/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of stores: opening, entries, write sets, scans, snapshots. */
#include "subject.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- opening ----------------------------------------------------------------------------------------------------- */

static void test_store_open__creates_only_what_is_missing(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_config config = {.path = fixture->path, .create = true};
    struct sherd_store *store = NULL;
    char missing[300];

    fixture_close(fixture);
    assert_int_equal(fixture_open_as(fixture, &config, &store), SHERD_ERR_CONFLICT);
    (void)snprintf(missing, sizeof(missing), "%s-missing", fixture->path);
    config = (struct sherd_store_config){.path = missing};
    assert_int_equal(fixture_open_as(fixture, &config, &store), SHERD_ERR_NOT_FOUND);
    config.read_only = true;
    assert_int_equal(fixture_open_as(fixture, &config, &store), SHERD_ERR_NOT_FOUND);
    assert_null(store);
    fixture_reopen(fixture, false);
    assert_absent(fixture->store, 1);
}

static void test_store_open__finds_what_was_written(void **state)
{
    struct fixture *fixture = *state;
    char value[32];

    for (uint64_t n = 0; n < 50; n++) {
        (void)snprintf(value, sizeof(value), "value %u", (unsigned)n);
        put(fixture->store, n * 7 % 50, value);
    }
    for (int i = 0; i < 3; i++) {
        fixture_close(fixture);
        fixture_reopen(fixture, i == 1);
        for (uint64_t n = 0; n < 50; n++) {
            (void)snprintf(value, sizeof(value), "value %u", (unsigned)n);
            assert_value(fixture->store, n * 7 % 50, value);
        }
        assert_absent(fixture->store, 50);
    }
}

static void test_store_open__refuses_to_open_twice(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_config config = {.path = fixture->path};
    const struct sherd_store_config reading = {.path = fixture->path, .read_only = true};
    struct sherd_store *second = NULL;

    assert_int_equal(fixture_open_as(fixture, &config, &second), SHERD_ERR_BUSY);
    assert_int_equal(fixture_open_as(fixture, &reading, &second), SHERD_ERR_BUSY);
    assert_null(second);
    put(fixture->store, 1, "still writable");
    fixture_close(fixture);
    fixture_reopen(fixture, false);
    assert_value(fixture->store, 1, "still writable");
}

static void test_store_open__read_only_refuses_every_change(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op changes[] = {op_put(1, "changed"), op_delete(1), op_put_if_absent(2, "new")};
    struct sherd_blob_writer *writer = NULL;

    put(fixture->store, 1, "first");
    fixture_close(fixture);
    fixture_reopen(fixture, true);
    for (size_t i = 0; i < SHERD_COUNT_OF(changes); i++)
        assert_int_equal(write_ops(fixture->store, &changes[i], 1), SHERD_ERR_INVALID);
    assert_int_equal(fixture->store->ops->blob_create(fixture->store, &writer), SHERD_ERR_INVALID);
    assert_int_equal(fixture->store->ops->blob_delete(fixture->store, name_of(1)), SHERD_ERR_INVALID);
    assert_null(writer);
    assert_value(fixture->store, 1, "first");
    assert_absent(fixture->store, 2);
}

/* --- get, put, delete -------------------------------------------------------------------------------------------- */

static void test_store_get__says_what_is_missing(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op gone = op_delete(2);

    assert_absent(fixture->store, 1);
    put(fixture->store, 2, "two");
    assert_absent(fixture->store, 1);
    assert_value(fixture->store, 2, "two");
    assert_int_equal(write_ops(fixture->store, &gone, 1), SHERD_OK);
    assert_absent(fixture->store, 2);
    assert_int_equal(write_ops(fixture->store, &gone, 1), SHERD_OK);
    put(fixture->store, 2, "two again");
    assert_value(fixture->store, 2, "two again");
}

static void test_store_get__appends_and_respects_the_ceiling(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_buf value = {.max = 12};

    put(fixture->store, 1, "12345");
    assert_int_equal(get_now(fixture->store, 1, &value), SHERD_OK);
    assert_int_equal(get_now(fixture->store, 1, &value), SHERD_OK);
    assert_int_equal(value.len, 10);
    assert_memory_equal(value.data, "1234512345", 10);
    assert_int_equal(get_now(fixture->store, 1, &value), SHERD_ERR_LIMIT);
    assert_int_equal(value.len, 10);
    assert_memory_equal(value.data, "1234512345", 10);
    sherd_buf_done(&value);
}

static void test_store_put__keeps_values_of_every_length(void **state)
{
    static const size_t lengths[] = {1,     2,     15,     16,        17,     255,    256,   1000, 1024,
                                     2000,  2040,  4000,   4080,      4096,   4097,   8191,  8192, 65535,
                                     65536, 65537, 100000, (1 << 17), 200000, 262143, 262144};
    struct fixture *fixture = *state;
    uint8_t *block = malloc(SHERD_STORE_VALUE_BYTES_MAX);

    assert_non_null(block);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
            /* in the second round each name gets another length than before */
            struct sherd_store_op op = {.name = name_of((uint64_t)(round == 0 ? i : SHERD_COUNT_OF(lengths) - 1 - i))};

            fill(block, lengths[i], i);
            op.value = sherd_span_of(block, lengths[i]);
            assert_int_equal(write_ops(fixture->store, &op, 1), SHERD_OK);
        }
        fixture_close(fixture);
        fixture_reopen(fixture, false);
        for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
            struct sherd_buf found = {.max = SHERD_STORE_VALUE_BYTES_MAX};
            const uint64_t n = (uint64_t)(round == 0 ? i : SHERD_COUNT_OF(lengths) - 1 - i);

            fill(block, lengths[i], i);
            assert_int_equal(get_now(fixture->store, n, &found), SHERD_OK);
            assert_int_equal(found.len, lengths[i]);
            assert_memory_equal(found.data, block, lengths[i]);
            sherd_buf_done(&found);
        }
    }
    free(block);
}

static void test_store_put__grows_without_being_told(void **state)
{
    enum { SETS = 24, OPS = 8 };
    struct fixture *fixture = *state;
    uint8_t *block = malloc(SHERD_STORE_VALUE_BYTES_MAX);

    assert_non_null(block);
    fill(block, SHERD_STORE_VALUE_BYTES_MAX, 99);
    for (uint64_t set = 0; set < SETS; set++) {
        struct sherd_store_op ops[OPS];

        for (uint64_t i = 0; i < OPS; i++)
            ops[i] = (struct sherd_store_op){.name = name_of(set * OPS + i),
                                             .expect = SHERD_EXPECT_ABSENT,
                                             .value = sherd_span_of(block, SHERD_STORE_VALUE_BYTES_MAX - set)};
        assert_int_equal(write_ops(fixture->store, ops, OPS), SHERD_OK);
    }
    for (uint64_t n = 0; n < SETS * OPS; n++) {
        struct sherd_buf found = {0};

        assert_int_equal(get_now(fixture->store, n, &found), SHERD_OK);
        assert_int_equal(found.len, SHERD_STORE_VALUE_BYTES_MAX - n / OPS);
        assert_memory_equal(found.data, block, found.len);
        sherd_buf_done(&found);
    }
    free(block);
}

/* A reader that stays may keep a store from growing, but not for longer than it stays. */
static void test_store_put__grows_once_readers_are_gone(void **state)
{
    enum { OPS = 16, SETS = 16 };
    struct fixture *fixture = *state;
    uint8_t *block = malloc(SHERD_STORE_VALUE_BYTES_MAX);
    struct sherd_store_op ops[OPS];
    struct sherd_snapshot *snapshot;
    enum sherd_err err = SHERD_OK;
    uint64_t written = 0;

    assert_non_null(block);
    fill(block, SHERD_STORE_VALUE_BYTES_MAX, 98);
    for (size_t i = 0; i < OPS; i++)
        ops[i].value = sherd_span_of(block, SHERD_STORE_VALUE_BYTES_MAX);
    put(fixture->store, UINT64_MAX, "before");
    assert_int_equal(fixture->store->ops->snapshot_begin(fixture->store, &snapshot), SHERD_OK);
    while (written < SETS) {
        for (size_t i = 0; i < OPS; i++)
            ops[i] = (struct sherd_store_op){.name = name_of(written * OPS + i), .value = ops[i].value};
        err = write_ops(fixture->store, ops, OPS);
        if (err == SHERD_ERR_BUSY && snapshot != NULL) {
            assert_absent(fixture->store, written * OPS); /* busy: nothing was changed */
            snapshot->ops->snapshot_end(snapshot);
            snapshot = NULL;
            continue;
        }
        assert_int_equal(err, SHERD_OK);
        written++;
    }
    if (snapshot != NULL)
        snapshot->ops->snapshot_end(snapshot);
    for (uint64_t n = 0; n < SETS * OPS; n++) {
        struct sherd_buf found = {0};

        assert_int_equal(get_now(fixture->store, n, &found), SHERD_OK);
        assert_int_equal(found.len, SHERD_STORE_VALUE_BYTES_MAX);
        sherd_buf_done(&found);
    }
    assert_value(fixture->store, UINT64_MAX, "before");
    free(block);
}

/* --- write sets -------------------------------------------------------------------------------------------------- */

static void test_store_write__expects_absence(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op first = op_put_if_absent(1, "first");
    const struct sherd_store_op second = op_put_if_absent(1, "second");
    struct sherd_store_op gone = op_delete(1);

    assert_int_equal(write_ops(fixture->store, &first, 1), SHERD_OK);
    assert_int_equal(write_ops(fixture->store, &second, 1), SHERD_ERR_CONFLICT);
    assert_value(fixture->store, 1, "first");
    gone.expect = SHERD_EXPECT_ABSENT;
    assert_int_equal(write_ops(fixture->store, &gone, 1), SHERD_ERR_CONFLICT);
    assert_value(fixture->store, 1, "first");
    gone.name = name_of(2);
    assert_int_equal(write_ops(fixture->store, &gone, 1), SHERD_OK);
}

static void test_store_write__expects_equal_bytes(void **state)
{
    static const char *const others[] = {"valuf", "Value", "valu", "value ", "v", "valuevalue"};
    struct fixture *fixture = *state;
    struct sherd_store_op op;

    op = op_put_if_equals(1, "value", "never");
    assert_int_equal(write_ops(fixture->store, &op, 1), SHERD_ERR_CONFLICT);
    assert_absent(fixture->store, 1);
    put(fixture->store, 1, "value");
    for (size_t i = 0; i < SHERD_COUNT_OF(others); i++) {
        op = op_put_if_equals(1, others[i], "never");
        assert_int_equal(write_ops(fixture->store, &op, 1), SHERD_ERR_CONFLICT);
    }
    assert_value(fixture->store, 1, "value");
    op = op_put_if_equals(1, "value", "next");
    assert_int_equal(write_ops(fixture->store, &op, 1), SHERD_OK);
    assert_value(fixture->store, 1, "next");
    op = op_delete(1);
    op.expect = SHERD_EXPECT_EQUALS;
    op.expected = sherd_span_str("value");
    assert_int_equal(write_ops(fixture->store, &op, 1), SHERD_ERR_CONFLICT);
    op.expected = sherd_span_str("next");
    assert_int_equal(write_ops(fixture->store, &op, 1), SHERD_OK);
    assert_absent(fixture->store, 1);
}

/* A check changes nothing; where it does not hold, neither does the rest of its set. */
static void test_store_write__checks_without_changing(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_op check = op_put_if_equals(1, "guard", "");

    check.kind = SHERD_STORE_CHECK;
    check.value = sherd_span_of(NULL, 0);
    put(fixture->store, 1, "guard");
    struct sherd_store_op set[] = {op_put(2, "x"), check, op_put(3, "y")};
    assert_int_equal(write_ops(fixture->store, set, 3), SHERD_OK);
    assert_value(fixture->store, 1, "guard");
    assert_value(fixture->store, 2, "x");
    assert_value(fixture->store, 3, "y");
    put(fixture->store, 1, "other");
    set[0] = op_put(2, "never");
    assert_int_equal(write_ops(fixture->store, set, 3), SHERD_ERR_CONFLICT);
    assert_value(fixture->store, 1, "other");
    assert_value(fixture->store, 2, "x");
    assert_int_equal(write_ops(fixture->store, &check, 1), SHERD_ERR_CONFLICT);
    check.expected = sherd_span_str("other");
    assert_int_equal(write_ops(fixture->store, &check, 1), SHERD_OK);
    check.expect = SHERD_EXPECT_ABSENT;
    assert_int_equal(write_ops(fixture->store, &check, 1), SHERD_ERR_CONFLICT);
    check.name = op_put(9, "z").name;
    assert_int_equal(write_ops(fixture->store, &check, 1), SHERD_OK);
    assert_absent(fixture->store, 9);
}

static void test_store_write__sees_earlier_operations_of_its_set(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_op removal = op_delete(1);
    removal.expect = SHERD_EXPECT_EQUALS;
    removal.expected = sherd_span_str("b");
    const struct sherd_store_op ops[] = {op_put_if_absent(1, "a"),
                                         op_put_if_equals(1, "a", "b"),
                                         removal,
                                         op_put_if_absent(1, "c"),
                                         op_put(2, "x"),
                                         op_delete(2),
                                         op_put_if_absent(2, "y")};
    const struct sherd_store_op twice[] = {op_put_if_absent(3, "a"), op_put_if_absent(3, "b")};
    const struct sherd_store_op stale[] = {op_put(2, "z"), op_put_if_equals(2, "y", "never")};

    assert_int_equal(write_ops(fixture->store, ops, SHERD_COUNT_OF(ops)), SHERD_OK);
    assert_value(fixture->store, 1, "c");
    assert_value(fixture->store, 2, "y");
    assert_int_equal(write_ops(fixture->store, twice, 2), SHERD_ERR_CONFLICT);
    assert_absent(fixture->store, 3);
    assert_int_equal(write_ops(fixture->store, stale, 2), SHERD_ERR_CONFLICT);
    assert_value(fixture->store, 2, "y");
}

static void test_store_write__sees_earlier_sets_of_its_call(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op ops[] = {op_put_if_absent(1, "a"), op_put_if_absent(1, "never"),
                                         op_put_if_equals(1, "a", "b"), op_put_if_equals(1, "a", "never"),
                                         op_put_if_equals(1, "b", "c")};
    static const enum sherd_err wanted[] = {SHERD_OK, SHERD_ERR_CONFLICT, SHERD_OK, SHERD_ERR_CONFLICT, SHERD_OK};
    struct sherd_store_set sets[SHERD_COUNT_OF(ops)];
    struct sherd_store_set *pointers[SHERD_COUNT_OF(ops)];

    for (size_t i = 0; i < SHERD_COUNT_OF(ops); i++) {
        sets[i] = (struct sherd_store_set){&ops[i], 1, SHERD_ERR_UNSUPPORTED};
        pointers[i] = &sets[i];
    }
    assert_int_equal(fixture->store->ops->write(fixture->store, pointers, SHERD_COUNT_OF(ops)), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(ops); i++)
        assert_int_equal(sets[i].result, wanted[i]);
    assert_value(fixture->store, 1, "c");
}

static void test_store_write__conflict_leaves_nothing_of_its_set(void **state)
{
    enum { COUNT = 40 };
    struct fixture *fixture = *state;
    struct sherd_store_op ops[COUNT];

    for (uint64_t n = 0; n < COUNT; n += 2)
        put(fixture->store, n, "old");
    for (size_t bad = 0; bad < COUNT; bad += 13) { /* the conflict comes first, in between, last */
        for (size_t i = 0; i < COUNT; i++) {
            const uint64_t n = i;

            ops[i] = i % 3 == 0 ? op_delete(n) : op_put(n, "new");
            if (i == bad) {
                ops[i].expect = SHERD_EXPECT_EQUALS;
                ops[i].expected = sherd_span_str("wrong");
            }
        }
        assert_int_equal(write_ops(fixture->store, ops, COUNT), SHERD_ERR_CONFLICT);
        for (uint64_t n = 0; n < COUNT; n++) {
            if (n % 2 == 0)
                assert_value(fixture->store, n, "old");
            else
                assert_absent(fixture->store, n);
        }
    }
}

static void test_store_write__conflict_leaves_other_sets_alone(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op before[] = {op_put(1, "one"), op_put(2, "two")};
    const struct sherd_store_op refused[] = {op_put(1, "never"), op_put(3, "never"), op_delete(2),
                                             op_put_if_absent(1, "never")};
    const struct sherd_store_op after[] = {op_put_if_absent(3, "three"), op_put_if_equals(1, "one", "one b")};
    struct sherd_store_set sets[] = {
        {before, 2, SHERD_ERR_UNSUPPORTED}, {refused, 4, SHERD_ERR_UNSUPPORTED}, {after, 2, SHERD_ERR_UNSUPPORTED}};
    struct sherd_store_set *pointers[] = {&sets[0], &sets[1], &sets[2]};

    assert_int_equal(fixture->store->ops->write(fixture->store, pointers, 3), SHERD_OK);
    assert_int_equal(sets[0].result, SHERD_OK);
    assert_int_equal(sets[1].result, SHERD_ERR_CONFLICT);
    assert_int_equal(sets[2].result, SHERD_OK);
    fixture_close(fixture);
    fixture_reopen(fixture, false);
    assert_value(fixture->store, 1, "one b");
    assert_value(fixture->store, 2, "two");
    assert_value(fixture->store, 3, "three");
}

static void test_store_write__carries_out_the_largest_set(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_op *ops = calloc(SHERD_STORE_OPS_MAX, sizeof(*ops));
    struct sherd_store_stat stat;

    assert_non_null(ops);
    for (uint64_t i = 0; i < SHERD_STORE_OPS_MAX; i++)
        ops[i] = op_put_if_absent(i * 2654435761U % SHERD_STORE_OPS_MAX, "largest"); /* an odd factor: each name once */
    assert_int_equal(write_ops(fixture->store, ops, SHERD_STORE_OPS_MAX), SHERD_OK);
    assert_int_equal(write_ops(fixture->store, ops + 1, 1), SHERD_ERR_CONFLICT);
    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.entry_count, SHERD_STORE_OPS_MAX);
    for (uint64_t n = 0; n < SHERD_STORE_OPS_MAX; n += 97)
        assert_value(fixture->store, n, "largest");
    for (uint64_t i = 0; i < SHERD_STORE_OPS_MAX; i++)
        ops[i] = op_delete(i);
    assert_int_equal(write_ops(fixture->store, ops, SHERD_STORE_OPS_MAX), SHERD_OK);
    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.entry_count, 0);
    free(ops);
}

/* A model beside the store, over a few names so that every case comes often. */
static void test_store_write__agrees_with_a_model(void **state)
{
    enum { NAMES = 6, STEPS = 400, OPS_MAX = 5 };
    static const char *const values[] = {"", "red", "green", "blue"}; /* 0: absent */
    struct fixture *fixture = *state;
    unsigned model[NAMES] = {0};
    unsigned ok_count = 0;
    uint64_t random = 2024;

    for (int step = 0; step < STEPS; step++) {
        struct sherd_store_op ops[OPS_MAX];
        unsigned next[NAMES];
        const size_t count = 1 + (size_t)(draw(&random) >> 32) % OPS_MAX;
        bool holds = true;

        memcpy(next, model, sizeof(next));
        for (size_t i = 0; i < count; i++) {
            const unsigned n = (unsigned)(draw(&random) >> 32) % NAMES;
            const unsigned to = (unsigned)(draw(&random) >> 32) % SHERD_COUNT_OF(values);
            const unsigned from = (unsigned)(draw(&random) >> 32) % SHERD_COUNT_OF(values);

            ops[i] = to == 0 ? op_delete(n) : op_put(n, values[to]);
            if (draw(&random) >> 63 != 0) {
                ops[i].expect = from == 0 ? SHERD_EXPECT_ABSENT : SHERD_EXPECT_EQUALS;
                ops[i].expected = sherd_span_str(values[from]);
                holds = holds && next[n] == from;
            }
            next[n] = to;
        }
        assert_int_equal(write_ops(fixture->store, ops, count), holds ? SHERD_OK : SHERD_ERR_CONFLICT);
        if (holds)
            memcpy(model, next, sizeof(model));
        ok_count += holds;
        for (unsigned n = 0; n < NAMES; n++) {
            if (model[n] == 0)
                assert_absent(fixture->store, n);
            else
                assert_value(fixture->store, n, values[model[n]]);
        }
    }
    assert_in_range(ok_count, STEPS / 10, STEPS * 9 / 10); /* both answers came often */
}

/* --- scans ------------------------------------------------------------------------------------------------------- */

static struct visits scan_after(struct sherd_store *store, const struct sherd_ref *after, size_t stop_after,
                                enum sherd_err wanted)
{
    struct visits visits = {.stop_after = stop_after};
    struct sherd_snapshot *snapshot;

    assert_int_equal(store->ops->snapshot_begin(store, &snapshot), SHERD_OK);
    assert_int_equal(snapshot->ops->scan(snapshot, after, note_visit, &visits), wanted);
    snapshot->ops->snapshot_end(snapshot);
    return visits;
}

static void test_store_scan__visits_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct visits visits;
    char value[40];

    visits = scan_after(fixture->store, NULL, 0, SHERD_OK);
    assert_int_equal(visits.count, 0);
    for (uint64_t i = 0; i < 30; i++) {
        memset(value, 'v', sizeof(value));
        value[i * 11 % 30 + 1] = '\0';
        put(fixture->store, i * 11 % 30, value);
    }
    visits = scan_after(fixture->store, NULL, 0, SHERD_OK);
    assert_int_equal(visits.count, 30);
    for (uint64_t n = 0; n < 30; n++) {
        assert_int_equal(visits.numbers[n], n);
        assert_int_equal(visits.lengths[n], n + 1);
    }
}

static void test_store_scan__starts_after_a_name(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_ref after;
    struct visits visits;

    for (uint64_t n = 10; n < 30; n += 2)
        put(fixture->store, n, "even");
    for (uint64_t n = 0; n < 32; n++) { /* names that are there and names that are not */
        const uint64_t first = n < 10 ? 10 : n - n % 2 + 2;

        after = name_of(n);
        visits = scan_after(fixture->store, &after, 0, SHERD_OK);
        assert_int_equal(visits.count, first < 30 ? (30 - first) / 2 : 0);
        for (size_t i = 0; i < visits.count; i++)
            assert_int_equal(visits.numbers[i], first + 2 * i);
    }
    memset(after.bytes, 0, sizeof(after.bytes));
    assert_int_equal(scan_after(fixture->store, &after, 0, SHERD_OK).count, 10);
    memset(after.bytes, 0xff, sizeof(after.bytes));
    assert_int_equal(scan_after(fixture->store, &after, 0, SHERD_OK).count, 0);
}

static void test_store_scan__ends_with_the_code_of_its_visitor(void **state)
{
    struct fixture *fixture = *state;

    for (uint64_t n = 0; n < 9; n++)
        put(fixture->store, n, "nine");
    for (size_t stop = 1; stop <= 9; stop++)
        assert_int_equal(scan_after(fixture->store, NULL, stop, SHERD_ERR_DENIED).count, stop);
    assert_int_equal(scan_after(fixture->store, NULL, 10, SHERD_OK).count, 9);
}

/* --- snapshots --------------------------------------------------------------------------------------------------- */

static void assert_seen(struct sherd_snapshot *snapshot, uint64_t n, const char *value)
{
    struct sherd_buf found = {0};

    if (value == NULL) {
        assert_int_equal(snapshot->ops->get(snapshot, name_of(n), &found), SHERD_ERR_NOT_FOUND);
    } else {
        assert_int_equal(snapshot->ops->get(snapshot, name_of(n), &found), SHERD_OK);
        assert_int_equal(found.len, strlen(value));
        assert_memory_equal(found.data, value, found.len);
    }
    sherd_buf_done(&found);
}

static void test_store_snapshot__does_not_move(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op gone = op_delete(2);
    struct sherd_snapshot *snapshot;
    struct visits visits = {.count = 0};

    put(fixture->store, 1, "one");
    put(fixture->store, 2, "two");
    assert_int_equal(fixture->store->ops->snapshot_begin(fixture->store, &snapshot), SHERD_OK);
    put(fixture->store, 1, "one, changed");
    put(fixture->store, 3, "three");
    assert_int_equal(write_ops(fixture->store, &gone, 1), SHERD_OK);
    for (uint64_t n = 10; n < 200; n++) /* enough that freed space is used again, were it freed */
        put(fixture->store, n % 20 + 10, "more");

    assert_seen(snapshot, 1, "one");
    assert_seen(snapshot, 2, "two");
    assert_seen(snapshot, 3, NULL);
    assert_seen(snapshot, 10, NULL);
    assert_int_equal(snapshot->ops->scan(snapshot, NULL, note_visit, &visits), SHERD_OK);
    assert_int_equal(visits.count, 2);
    snapshot->ops->snapshot_end(snapshot);

    assert_value(fixture->store, 1, "one, changed");
    assert_absent(fixture->store, 2);
    assert_value(fixture->store, 3, "three");
}

static void test_store_snapshot__each_sees_its_own_moment(void **state)
{
    enum { MOMENTS = 12 };
    struct fixture *fixture = *state;
    struct sherd_snapshot *snapshots[MOMENTS];
    char value[MOMENTS][16];

    for (size_t i = 0; i < MOMENTS; i++) {
        (void)snprintf(value[i], sizeof(value[i]), "moment %u", (unsigned)i);
        put(fixture->store, 1, value[i]);
        put(fixture->store, 100 + i, "mark");
        assert_int_equal(fixture->store->ops->snapshot_begin(fixture->store, &snapshots[i]), SHERD_OK);
    }
    for (size_t j = 0; j < MOMENTS; j++) {
        const size_t i = j * 5 % MOMENTS; /* not in the order in which they began */
        struct visits visits = {.count = 0};

        assert_seen(snapshots[i], 1, value[i]);
        assert_seen(snapshots[i], 101 + i, NULL);
        assert_int_equal(snapshots[i]->ops->scan(snapshots[i], NULL, note_visit, &visits), SHERD_OK);
        assert_int_equal(visits.count, i + 2);
        snapshots[i]->ops->snapshot_end(snapshots[i]);
    }
    fixture->store->ops->snapshot_end(NULL);
}

/* --- upkeep ------------------------------------------------------------------------------------------------------ */

static void test_store_stat__counts(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op gone = op_delete(3);
    struct sherd_store_stat stat;

    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.entry_count, 0);
    assert_int_equal(stat.blob_count, 0);
    for (uint64_t n = 0; n < 20; n++)
        put(fixture->store, n % 10, "0123456789");
    assert_int_equal(write_ops(fixture->store, &gone, 1), SHERD_OK);
    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.entry_count, 9);
    assert_true(stat.entry_bytes >= 90);
}

static void test_store_close__accepts_null(void **state)
{
    struct fixture *fixture = *state;

    fixture->store->ops->close(NULL);
    fixture->store->ops->blob_abort(NULL);
    fixture->store->ops->blob_close(NULL);
    put(fixture->store, 1, "unharmed");
    assert_value(fixture->store, 1, "unharmed");
}

const struct CMUnitTest entry_tests[] = {
    STORE_TEST(test_store_open__creates_only_what_is_missing),
    STORE_TEST(test_store_open__finds_what_was_written),
    STORE_TEST(test_store_open__refuses_to_open_twice),
    STORE_TEST(test_store_open__read_only_refuses_every_change),
    STORE_TEST(test_store_get__says_what_is_missing),
    STORE_TEST(test_store_get__appends_and_respects_the_ceiling),
    STORE_TEST(test_store_put__keeps_values_of_every_length),
    STORE_TEST(test_store_put__grows_without_being_told),
    STORE_TEST(test_store_put__grows_once_readers_are_gone),
    STORE_TEST(test_store_write__expects_absence),
    STORE_TEST(test_store_write__expects_equal_bytes),
    STORE_TEST(test_store_write__checks_without_changing),
    STORE_TEST(test_store_write__sees_earlier_operations_of_its_set),
    STORE_TEST(test_store_write__sees_earlier_sets_of_its_call),
    STORE_TEST(test_store_write__conflict_leaves_nothing_of_its_set),
    STORE_TEST(test_store_write__conflict_leaves_other_sets_alone),
    STORE_TEST(test_store_write__carries_out_the_largest_set),
    STORE_TEST(test_store_write__agrees_with_a_model),
    STORE_TEST(test_store_scan__visits_in_order),
    STORE_TEST(test_store_scan__starts_after_a_name),
    STORE_TEST(test_store_scan__ends_with_the_code_of_its_visitor),
    STORE_TEST(test_store_snapshot__does_not_move),
    STORE_TEST(test_store_snapshot__each_sees_its_own_moment),
    STORE_TEST(test_store_stat__counts),
    STORE_TEST(test_store_close__accepts_null),
};
const size_t entry_test_count = SHERD_COUNT_OF(entry_tests);
