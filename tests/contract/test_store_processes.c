/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of stores: what forks, deaths and other processes do to a store. */
#include "subject.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Children end with _exit() and a number that says where they failed; they assert nothing, since that would jump. */
#define CHILD_ENSURE(cond)             \
    do {                               \
        if (!(cond))                   \
            _exit(__LINE__ % 200 + 1); \
    } while (0)

static struct sherd_store *child_open(struct fixture *fixture)
{
    const struct sherd_store_config config = {.path = fixture->path};
    struct sherd_store *store = NULL;

    CHILD_ENSURE(fixture_open_as(fixture, &config, &store) == SHERD_OK);
    return store;
}

static void tell(int fd)
{
    CHILD_ENSURE(write(fd, "x", 1) == 1);
}

static void await(int fd)
{
    char byte;

    CHILD_ENSURE(read(fd, &byte, 1) == 1);
}

/* --- handles after a fork ---------------------------------------------------------------------------------------- */

struct inherited {
    struct fixture *fixture;
    struct sherd_snapshot *snapshot;
    struct sherd_blob_writer *writer;
    struct sherd_blob_reader *reader;
};

static enum sherd_err visit_nothing(void *arg, struct sherd_ref name, struct sherd_span value)
{
    (void)arg;
    (void)name;
    (void)value;
    return SHERD_OK;
}

static void use_inherited(const struct inherited *inherited)
{
    struct sherd_store *store = inherited->fixture->store;
    const struct sherd_store_ops *ops = store->ops;
    const struct sherd_store_op op = op_put(1, "from the child");
    struct sherd_buf value = {0};
    struct sherd_snapshot *snapshot;
    struct sherd_blob_writer *writer;
    struct sherd_blob_reader *reader;
    struct sherd_store_stat stat;
    uint64_t number;

    CHILD_ENSURE(ops->snapshot_begin(store, &snapshot) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->get(inherited->snapshot, name_of(1), &value) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->scan(inherited->snapshot, NULL, visit_nothing, NULL) == SHERD_ERR_INVALID);
    CHILD_ENSURE(write_ops_quietly(store, &op, 1) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->blob_create(store, &writer) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->blob_append(inherited->writer, sherd_span_str("child")) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->blob_patch(inherited->writer, 0, sherd_span_str("child")) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->blob_open(store, name_of(1), &reader, &number) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->blob_delete(store, name_of(1)) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->blob_scan(store, NULL, visit_nothing, NULL) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->tidy(store, &number) == SHERD_ERR_INVALID);
    CHILD_ENSURE(ops->stat(store, &stat) == SHERD_ERR_INVALID);
}

/* Begin what a fork may not take along, and one blob and one entry to lose. */
static struct inherited begin_all(struct fixture *fixture)
{
    const struct sherd_store_ops *ops = fixture->store->ops;
    struct inherited inherited = {.fixture = fixture};
    uint64_t bytes;

    put(fixture->store, 1, "from the parent");
    assert_int_equal(ops->blob_create(fixture->store, &inherited.writer), SHERD_OK);
    assert_int_equal(ops->blob_append(inherited.writer, sherd_span_str("whole")), SHERD_OK);
    assert_int_equal(ops->blob_commit(inherited.writer, name_of(1)), SHERD_OK);
    assert_int_equal(ops->blob_open(fixture->store, name_of(1), &inherited.reader, &bytes), SHERD_OK);
    assert_int_equal(ops->blob_create(fixture->store, &inherited.writer), SHERD_OK);
    assert_int_equal(ops->blob_append(inherited.writer, sherd_span_str("begun, ")), SHERD_OK);
    assert_int_equal(ops->snapshot_begin(fixture->store, &inherited.snapshot), SHERD_OK);
    return inherited;
}

/* The parent's handles work on, all of them, and what the child did left no trace. */
static void end_all(struct inherited *inherited)
{
    struct fixture *fixture = inherited->fixture;
    const struct sherd_store_ops *ops = fixture->store->ops;
    struct sherd_buf value = {0};
    struct sherd_blob_reader *reader;
    uint8_t block[16];
    uint64_t bytes;

    assert_int_equal(ops->get(inherited->snapshot, name_of(1), &value), SHERD_OK);
    assert_int_equal(value.len, strlen("from the parent"));
    sherd_buf_done(&value);
    ops->snapshot_end(inherited->snapshot);
    assert_int_equal(ops->blob_append(inherited->writer, sherd_span_str("done")), SHERD_OK);
    assert_int_equal(ops->blob_commit(inherited->writer, name_of(2)), SHERD_OK);
    assert_int_equal(ops->blob_read(inherited->reader, 0, block, 5), SHERD_OK);
    assert_memory_equal(block, "whole", 5);
    ops->blob_close(inherited->reader);
    assert_int_equal(ops->blob_open(fixture->store, name_of(2), &reader, &bytes), SHERD_OK);
    assert_int_equal(bytes, 11);
    assert_int_equal(ops->blob_read(reader, 0, block, 11), SHERD_OK);
    assert_memory_equal(block, "begun, done", 11);
    ops->blob_close(reader);
    put(fixture->store, 2, "afterwards");
    fixture_close(fixture);
    fixture_reopen(fixture, false);
    assert_value(fixture->store, 1, "from the parent");
    assert_value(fixture->store, 2, "afterwards");
}

static void test_store_fork__makes_handles_useless_in_the_child(void **state)
{
    struct inherited inherited = begin_all(*state);
    const pid_t child = fork();

    assert_int_not_equal(child, -1);
    if (child == 0) {
        use_inherited(&inherited);
        _exit(0);
    }
    assert_child(child);
    end_all(&inherited);
}

static void test_store_fork__ending_handles_in_the_child_harms_nothing(void **state)
{
    struct inherited inherited = begin_all(*state);
    const struct sherd_store_ops *ops = inherited.fixture->store->ops;
    struct sherd_blob_writer *other;
    uint64_t removed = 77;

    assert_int_equal(ops->blob_create(inherited.fixture->store, &other), SHERD_OK);
    const pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        ops->snapshot_end(inherited.snapshot);
        ops->blob_close(inherited.reader);
        ops->blob_abort(inherited.writer);
        CHILD_ENSURE(ops->blob_commit(other, name_of(9)) == SHERD_ERR_INVALID);
        ops->close(inherited.fixture->store);
        _exit(0);
    }
    assert_child(child);
    assert_int_equal(ops->tidy(inherited.fixture->store, &removed), SHERD_OK);
    assert_int_equal(removed, 0);
    assert_int_equal(ops->blob_append(other, sherd_span_str("other")), SHERD_OK);
    assert_int_equal(ops->blob_commit(other, name_of(9)), SHERD_OK);
    end_all(&inherited);
}

/* --- unfinished blobs -------------------------------------------------------------------------------------------- */

static void leave_unfinished(struct sherd_store *store, size_t bytes, struct sherd_blob_writer **out_writer)
{
    uint8_t block[1000];

    fill(block, sizeof(block), 1);
    CHILD_ENSURE(store->ops->blob_create(store, out_writer) == SHERD_OK);
    for (size_t at = 0; at < bytes; at += sizeof(block))
        CHILD_ENSURE((*out_writer)->ops->blob_append(*out_writer, sherd_span_of(block, sizeof(block))) == SHERD_OK);
}

static void test_store_tidy__removes_what_the_dead_left(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_stat stat;
    uint64_t removed = 77;

    put(fixture->store, 1, "stays");
    fixture_close(fixture);
    const pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        struct sherd_store *store = child_open(fixture);
        struct sherd_blob_writer *writer;

        leave_unfinished(store, 0, &writer);
        leave_unfinished(store, 10000, &writer);
        CHILD_ENSURE(writer->ops->blob_commit(writer, name_of(1)) == SHERD_OK);
        leave_unfinished(store, 300000, &writer);
        (void)raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    fixture_reopen(fixture, false);
    assert_int_equal(fixture->store->ops->tidy(fixture->store, &removed), SHERD_OK);
    assert_int_equal(removed, 2);
    assert_int_equal(fixture->store->ops->tidy(fixture->store, &removed), SHERD_OK);
    assert_int_equal(removed, 0);
    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.blob_count, 1);
    assert_value(fixture->store, 1, "stays");
}

static void test_store_tidy__spares_living_processes(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_reader *reader = NULL;
    uint64_t bytes = 0;
    uint64_t removed = 77;
    int to_parent[2];
    int to_child[2];

    fixture_close(fixture);
    assert_int_equal(pipe(to_parent), 0);
    assert_int_equal(pipe(to_child), 0);
    const pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        struct sherd_store *store = child_open(fixture);
        struct sherd_blob_writer *writer;

        leave_unfinished(store, 5000, &writer);
        tell(to_parent[1]);
        await(to_child[0]);
        CHILD_ENSURE(writer->ops->blob_commit(writer, name_of(1)) == SHERD_OK);
        store->ops->close(store);
        _exit(0);
    }
    fixture_reopen(fixture, false);
    await(to_parent[0]);
    assert_int_equal(fixture->store->ops->tidy(fixture->store, &removed), SHERD_OK);
    assert_int_equal(removed, 0);
    tell(to_child[1]);
    assert_child(child);
    for (int i = 0; i < 2; i++) {
        (void)close(to_parent[i]);
        (void)close(to_child[i]);
    }
    assert_int_equal(fixture->store->ops->blob_open(fixture->store, name_of(1), &reader, &bytes), SHERD_OK);
    assert_int_equal(bytes, 5000);
    reader->ops->blob_close(reader);
}

/* --- several processes ------------------------------------------------------------------------------------------- */

enum { PROCESSES = 3, STEPS = 120, COUNTER = 1, OWN = 1000 };

/* Add 1 to the shared counter by compare-and-swap. @return whether nothing but conflicts came in between */
static bool count_up(struct sherd_store *store, uint64_t own)
{
    for (int attempt = 0; attempt < 1000; attempt++) {
        struct sherd_buf found = {0};
        uint8_t next[8];
        enum sherd_err err = get_now(store, COUNTER, &found);

        if (err != SHERD_OK || found.len != 8)
            return false;
        sherd_put_u64(next, sherd_get_u64(found.data) + 1);
        const struct sherd_store_op ops[] = {
            {.name = name_of(COUNTER),
             .expect = SHERD_EXPECT_EQUALS,
             .value = sherd_span_of(next, 8),
             .expected = sherd_buf_span(&found)},
            {.name = name_of(own), .expect = SHERD_EXPECT_ABSENT, .value = sherd_span_of(next, 8)},
        };
        err = write_ops_quietly(store, ops, 2);
        sherd_buf_done(&found);
        if (err != SHERD_ERR_CONFLICT)
            return err == SHERD_OK;
    }
    return false;
}

static void test_store_processes__write_one_store_at_once(void **state)
{
    static const uint8_t zero[8];
    const struct sherd_store_op start = {.name = name_of(COUNTER), .value = {zero, sizeof(zero)}};
    struct fixture *fixture = *state;
    struct sherd_buf found = {0};
    bool seen[PROCESSES * STEPS + 1] = {false};
    pid_t children[PROCESSES];

    assert_int_equal(write_ops(fixture->store, &start, 1), SHERD_OK);
    fixture_close(fixture);
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_int_not_equal(children[i], -1);
        if (children[i] != 0)
            continue;
        struct sherd_store *store = child_open(fixture);
        for (unsigned step = 0; step < STEPS; step++)
            CHILD_ENSURE(count_up(store, OWN * (i + 1) + step));
        if (i % 2 == 0) /* the others end without closing */
            store->ops->close(store);
        _exit(0);
    }
    for (size_t i = 0; i < PROCESSES; i++)
        assert_child(children[i]);
    fixture_reopen(fixture, false);
    assert_int_equal(get_now(fixture->store, COUNTER, &found), SHERD_OK);
    assert_int_equal(sherd_get_u64(found.data), PROCESSES * STEPS);
    for (unsigned i = 0; i < PROCESSES * STEPS; i++) { /* every count was reached by exactly one set */
        found.len = 0;
        assert_int_equal(get_now(fixture->store, OWN * (i / STEPS + 1) + i % STEPS, &found), SHERD_OK);
        const uint64_t count = sherd_get_u64(found.data);
        assert_in_range(count, 1, PROCESSES * STEPS);
        assert_false(seen[count]);
        seen[count] = true;
    }
    sherd_buf_done(&found);
}

/* What a killed process was told to be durable is there, and of each set all or nothing. */
static void test_store_processes__lose_nothing_when_killed(void **state)
{
    enum { ROUNDS = 6, PER_ROUND = 100000 };
    struct fixture *fixture = *state;
    uint64_t random = 5;

    fixture_close(fixture);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        const unsigned told_max = 1 + (unsigned)(draw(&random) >> 32) % 60;
        uint64_t told = 0;
        int pipes[2];
        char byte;

        assert_int_equal(pipe(pipes), 0);
        const pid_t child = fork();
        assert_int_not_equal(child, -1);
        if (child == 0) {
            struct sherd_store *store = child_open(fixture);

            for (uint64_t n = round * PER_ROUND;; n++) {
                const struct sherd_store_op ops[] = {op_put_if_absent(2 * n, "left"),
                                                     op_put_if_absent(2 * n + 1, "right")};

                CHILD_ENSURE(write_ops_quietly(store, ops, 2) == SHERD_OK);
                tell(pipes[1]);
            }
        }
        (void)close(pipes[1]);
        while (told < told_max && read(pipes[0], &byte, 1) == 1)
            told++;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(pipes[0], &byte, 1) == 1)
            told++;
        (void)close(pipes[0]);
        assert_true(told >= told_max);

        fixture_reopen(fixture, false);
        for (uint64_t n = round * PER_ROUND; n < round * PER_ROUND + told; n++) {
            assert_value(fixture->store, 2 * n, "left");
            assert_value(fixture->store, 2 * n + 1, "right");
        }
        const uint64_t next = round * PER_ROUND + told; /* may have happened, untold */
        struct sherd_buf left = {0};
        struct sherd_buf right = {0};
        assert_int_equal(get_now(fixture->store, 2 * next, &left), get_now(fixture->store, 2 * next + 1, &right));
        sherd_buf_done(&left);
        sherd_buf_done(&right);
        assert_absent(fixture->store, 2 * (next + 1));
        put(fixture->store, UINT64_MAX - round, "writable");
        fixture_close(fixture);
    }
}

const struct CMUnitTest fork_tests[] = {
    STORE_TEST(test_store_fork__makes_handles_useless_in_the_child),
    STORE_TEST(test_store_fork__ending_handles_in_the_child_harms_nothing),
};
const size_t fork_test_count = SHERD_COUNT_OF(fork_tests);

const struct CMUnitTest process_tests[] = {
    STORE_TEST(test_store_tidy__removes_what_the_dead_left),
    STORE_TEST(test_store_tidy__spares_living_processes),
    STORE_TEST(test_store_processes__write_one_store_at_once),
    STORE_TEST(test_store_processes__lose_nothing_when_killed),
};
const size_t process_test_count = SHERD_COUNT_OF(process_tests);
