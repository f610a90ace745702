/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded engine in several processes and threads at once, while its journals go round. */
#include "store/lmdb/failure.h"
#include "store/lmdb/lmdb.h"
#include "store/lmdb/snapshot.h"
#include "store/lmdb/write.h"
#include "store_lmdb.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const struct sherd_store_ops *const ops = &sherd_store_lmdb;

static void assert_child_ok(pid_t child)
{
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Values so large that a few dozen fill a journal. */
static enum sherd_err try_put_large(struct sherd_store *store, uint64_t number, uint8_t fill)
{
    static uint8_t block[SHERD_STORE_VALUE_BYTES_MAX];
    const struct sherd_store_op op = {
        .kind = SHERD_STORE_PUT, .name = name_of(number), .value = sherd_span_of(block, sizeof block)};

    memset(block, fill, sizeof block);
    return write_op(store, op);
}

static uint8_t fill_of(struct sherd_snapshot *snapshot, uint64_t number)
{
    struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};
    uint8_t fill;

    assert_int_equal(ops->get(snapshot, name_of(number), &value), SHERD_OK);
    assert_int_equal(value.len, SHERD_STORE_VALUE_BYTES_MAX);
    fill = value.data[0];
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] != fill)
            fail_msg("byte %zu of entry %llu is of another write", i, (unsigned long long)number);
    sherd_buf_done(&value);
    return fill;
}

/* --- processes that count together --------------------------------------------------------------------------- */

#define COUNTER 500U
#define STEPS 400U

/* Add one to the counter, expecting it to be what was read; a large value now and then turns the journals over. */
static enum sherd_err count_once(struct sherd_store *store, unsigned step)
{
    uint8_t before[8];
    uint8_t after[8];
    struct sherd_buf value = sherd_buf_borrow(before, sizeof before);
    const enum sherd_err err = try_get(store, COUNTER, &value);
    struct sherd_store_op op = {
        .kind = SHERD_STORE_PUT, .name = name_of(COUNTER), .value = sherd_span_of(after, sizeof after)};

    op.expect = err == SHERD_OK ? SHERD_EXPECT_EQUALS : SHERD_EXPECT_ABSENT;
    op.expected = sherd_span_of(before, value.len);
    sherd_put_u64(after, (err == SHERD_OK ? sherd_get_u64(before) : 0) + 1);
    if (step % 4 == 0 && try_put_large(store, step % 20, (uint8_t)step) != SHERD_OK)
        return SHERD_ERR_IO;
    return write_op(store, op);
}

static int count_in_child(void *state)
{
    struct sherd_store *store = scratch_open(state);
    unsigned done = 0;

    while (done < STEPS) {
        const enum sherd_err err = count_once(store, done);

        if (err != SHERD_OK && err != SHERD_ERR_CONFLICT) {
            print_error("count: %s: %s\n", sherd_err_name(err), sherd_err_detail());
            return 2;
        }
        done += err == SHERD_OK;
    }
    ops->close(store);
    return 0;
}

static void test_store_lmdb_processes__count_together(void **state)
{
    pid_t children[3];
    struct sherd_store *store;
    struct sherd_buf value = {.max = 8};

    ops->close(scratch_create(*state));
    for (int i = 0; i < 3; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(count_in_child(*state));
    }
    for (int i = 0; i < 3; i++)
        assert_child_ok(children[i]);
    store = scratch_open(*state);
    assert_int_equal(try_get(store, COUNTER, &value), SHERD_OK);
    assert_int_equal(sherd_get_u64(value.data), 3 * STEPS);
    sherd_buf_done(&value);
    ops->close(store);
}

/* --- snapshots while journals go round ----------------------------------------------------------------------- */

#define PAIR_A 700U
#define PAIR_B 701U
#define ROUNDS 300U

/* Both entries of the pair in one set, always equal. */
static enum sherd_err put_pair(struct sherd_store *store, uint64_t n)
{
    static uint8_t block[100000];
    struct sherd_store_op list[2];
    struct sherd_store_set set = {.ops = list, .count = 2};
    struct sherd_store_set *const sets[] = {&set};

    memset(block, 0, sizeof block);
    sherd_put_u64(block, n);
    list[0] = (struct sherd_store_op){
        .kind = SHERD_STORE_PUT, .name = name_of(PAIR_A), .value = sherd_span_of(block, sizeof block)};
    list[1] = (struct sherd_store_op){
        .kind = SHERD_STORE_PUT, .name = name_of(PAIR_B), .value = sherd_span_of(block, 8)};
    return ops->write(store, sets, 1);
}

static uint64_t number_in(struct sherd_snapshot *snapshot, uint64_t name)
{
    struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};
    uint64_t number = 0;

    if (ops->get(snapshot, name_of(name), &value) == SHERD_OK)
        number = sherd_get_u64(value.data);
    sherd_buf_done(&value);
    return number;
}

struct scanned {
    unsigned count;
    uint64_t a;
    uint64_t b;
};

static enum sherd_err see_entry(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct scanned *scanned = arg;
    const struct sherd_ref a = name_of(PAIR_A);
    const struct sherd_ref b = name_of(PAIR_B);

    scanned->count++;
    if (memcmp(&name, &a, sizeof name) == 0)
        scanned->a = sherd_get_u64(value.data);
    if (memcmp(&name, &b, sizeof name) == 0)
        scanned->b = sherd_get_u64(value.data);
    return SHERD_OK;
}

/* Look at the pair over and over, by gets and by a scan, until it reaches the end. @return 0 if it never differed */
static int watch_pair(struct sherd_store *store)
{
    uint64_t seen = 0;

    while (seen < ROUNDS) {
        struct sherd_snapshot *snapshot = NULL;
        struct scanned scanned = {0};
        uint64_t first;

        if (ops->snapshot_begin(store, &snapshot) != SHERD_OK)
            return 3;
        first = number_in(snapshot, PAIR_A);
        if (ops->scan(snapshot, NULL, see_entry, &scanned) != SHERD_OK)
            return 4;
        if (scanned.a != first || scanned.b != first || number_in(snapshot, PAIR_B) != first || first < seen)
            return 5;
        seen = first;
        ops->snapshot_end(snapshot);
        (void)sched_yield();
    }
    return 0;
}

static void *watch_in_thread(void *arg)
{
    static int results[8];
    static atomic_int used;
    int *result = &results[atomic_fetch_add(&used, 1) % 8];

    *result = watch_pair(arg);
    return result;
}

static void test_store_lmdb_processes__see_whole_sets_in_order(void **state)
{
    struct sherd_store *store = scratch_create(*state);
    pthread_t threads[2];
    pid_t child;

    ops->close(store);
    child = fork();
    if (child == 0) {
        store = scratch_open(*state);
        _exit(watch_pair(store));
    }
    store = scratch_open(*state);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, watch_in_thread, store), 0);
    for (uint64_t n = 1; n <= ROUNDS; n++)
        assert_int_equal(put_pair(store, n), SHERD_OK);
    for (int i = 0; i < 2; i++) {
        void *result = NULL;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_int_equal(*(int *)result, 0);
    }
    assert_child_ok(child);
    ops->close(store);
}

/* Hold a snapshot over several generations: it never changes. writer and reader may be one store. */
static void hold_over_generations(struct sherd_store *writer, struct sherd_store *reader)
{
    struct sherd_snapshot *held[4] = {NULL};

    for (uint8_t round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < 10; i++)
            assert_int_equal(try_put_large(writer, i, (uint8_t)(round * 40 + 1)), SHERD_OK);
        assert_int_equal(ops->snapshot_begin(reader, &held[round]), SHERD_OK);
        for (uint8_t turn = 1; turn < 20; turn++)
            for (uint64_t i = 0; i < 10; i++)
                assert_int_equal(try_put_large(writer, i, (uint8_t)(round * 40 + 1 + turn)), SHERD_OK);
        for (uint8_t r = 0; r <= round; r++) {
            struct scanned scanned = {0};

            for (uint64_t i = 0; i < 10; i++)
                assert_int_equal(fill_of(held[r], i), r * 40 + 1);
            assert_int_equal(ops->scan(held[r], NULL, see_entry, &scanned), SHERD_OK);
            assert_int_equal(scanned.count, 10);
        }
    }
    for (int r = 0; r < 4; r++)
        ops->snapshot_end(held[r]);
}

static void test_store_lmdb_processes__hold_snapshots_while_journals_go_round(void **state)
{
    struct sherd_store *store = scratch_create(*state);

    hold_over_generations(store, store);
    ops->close(store);
    store = scratch_open(*state);
    for (uint64_t i = 0; i < 10; i++) {
        struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};

        assert_int_equal(try_get(store, i, &value), SHERD_OK);
        assert_int_equal(value.data[0], 3 * 40 + 20);
        sherd_buf_done(&value);
    }
    ops->close(store);
}

/* The parent holds a snapshot while another process turns the journals over. */
static void test_store_lmdb_processes__hold_a_snapshot_against_another_process(void **state)
{
    struct sherd_store *store = scratch_create(*state);
    struct sherd_snapshot *snapshot = NULL;
    int go[2];
    char byte = 0;
    pid_t child;

    ops->close(store);
    assert_int_equal(pipe(go), 0);
    child = fork();
    if (child == 0) {
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        store = scratch_open(*state);
        for (uint64_t i = 0; i < 400; i++)
            if (try_put_large(store, i % 10, (uint8_t)(100 + i / 10)) != SHERD_OK)
                _exit(2);
        ops->close(store);
        _exit(0);
    }
    store = scratch_open(*state);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(try_put_large(store, i, 7), SHERD_OK);
    assert_int_equal(ops->snapshot_begin(store, &snapshot), SHERD_OK);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_child_ok(child);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(fill_of(snapshot, i), 7);
    ops->snapshot_end(snapshot);
    assert_int_equal(ops->snapshot_begin(store, &snapshot), SHERD_OK);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(fill_of(snapshot, i), 139);
    ops->snapshot_end(snapshot);
    assert_int_equal(close(go[0]) | close(go[1]), 0);
    ops->close(store);
}

/* --- a writer that dies while others go on ------------------------------------------------------------------- */

static void test_store_lmdb_processes__go_on_after_one_was_killed(void **state)
{
    const struct sherd_store_config config = {.path = scratch_path(*state)};
    struct sherd_store *store = scratch_create(*state);

    for (unsigned round = 0; round < 40; round++) {
        const pid_t child = fork();

        if (child == 0) {
            struct sherd_store *own = NULL;

            ops->close(store); /* the parent's: nothing happens */
            if (ops->open(&config, &own) != SHERD_OK)
                _exit(2);
            for (unsigned i = 0;; i++)
                if (try_put_large(own, 20 + i % 10, (uint8_t)i) != SHERD_OK)
                    _exit(1);
        }
        for (unsigned i = 0; i < 10; i++) {
            char text[32];

            (void)snprintf(text, sizeof text, "%u of %u", i, round);
            put_number(store, i, text);
            assert_value(store, i, text);
        }
        (void)usleep(1000 + round * 300);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    ops->close(store);
    store = scratch_open(*state);
    assert_value(store, 9, "9 of 39");
    ops->close(store);
}

/* --- sets of any size ---------------------------------------------------------------------------------------- */

static void test_store_lmdb_processes__take_sets_larger_than_a_journal(void **state)
{
    static uint8_t block[SHERD_STORE_VALUE_BYTES_MAX];
    static struct sherd_store_op list[100];
    struct sherd_store_set set = {.ops = list, .count = 100};
    struct sherd_store_set *const sets[] = {&set};
    struct sherd_store *store = scratch_create(*state);

    put_number(store, 0, "before");
    for (unsigned i = 0; i < 100; i++)
        list[i] = (struct sherd_store_op){
            .kind = SHERD_STORE_PUT, .name = name_of(i), .value = sherd_span_of(block, sizeof block)};
    list[99].expect = SHERD_EXPECT_ABSENT;
    list[99].name = name_of(98); /* put by the operation before */
    assert_int_equal(ops->write(store, sets, 1), SHERD_OK);
    assert_int_equal(set.result, SHERD_ERR_CONFLICT);
    assert_value(store, 0, "before");
    assert_absent(store, 1);
    list[99].name = name_of(99);
    assert_int_equal(ops->write(store, sets, 1), SHERD_OK);
    assert_int_equal(set.result, SHERD_OK);
    put_number(store, 50, "after");
    ops->close(store);
    store = scratch_open(*state);
    assert_value(store, 50, "after");
    for (unsigned i = 0; i < 100; i++) {
        struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};

        assert_int_equal(try_get(store, i, &value), SHERD_OK);
        sherd_buf_done(&value);
    }
    ops->close(store);
}

/* --- a map that is too small --------------------------------------------------------------------------------- */

#define MAP_BYTES ((size_t)1 << 20)
#define MAP_ENTRIES 160U /* of 256 KiB: two journals and a half */

/* The parts of a store, put together as store.c does, so that a test can get at the map. */
struct parts {
    struct sherd_lmdb_failure failure;
    struct sherd_lmdb_dir dir;
    struct sherd_lmdb_env env;
    struct sherd_lmdb_log log;
    struct sherd_lmdb_applier applier;
    struct sherd_lmdb_writer writer;
};

static size_t map_bytes(const struct parts *parts)
{
    MDB_envinfo info;

    assert_int_equal(mdb_env_info(parts->env.mdb, &info), MDB_SUCCESS);
    return info.me_mapsize;
}

/* LMDB makes it as large as the file is at least. */
static void shrink_map(struct parts *parts)
{
    assert_int_equal(mdb_env_set_mapsize(parts->env.mdb, MAP_BYTES), MDB_SUCCESS);
}

static void parts_open(struct parts *parts, void *state)
{
    const struct sherd_store_config config = {.path = scratch_path(state)};

    *parts = (struct parts){.dir = SHERD_LMDB_DIR_NONE};
    assert_int_equal(sherd_lmdb_dir_open(&config, &parts->dir), SHERD_OK);
    assert_int_equal(sherd_lmdb_env_open(&parts->dir, &parts->env), SHERD_OK);
    shrink_map(parts);
    assert_int_equal(sherd_lmdb_log_open(&parts->dir, &parts->env, false, &parts->log), SHERD_OK);
    assert_int_equal(sherd_lmdb_applier_init(&parts->env, &parts->log, &parts->failure, &parts->applier), SHERD_OK);
    assert_int_equal(sherd_lmdb_writer_init(&parts->env, &parts->log, &parts->applier, &parts->failure, &parts->writer),
                     SHERD_OK);
}

static void parts_close(struct parts *parts)
{
    sherd_lmdb_writer_settle(&parts->writer);
    sherd_lmdb_applier_done(&parts->applier);
    sherd_lmdb_writer_done(&parts->writer);
    sherd_lmdb_log_close(&parts->log);
    sherd_lmdb_env_close(&parts->env);
    sherd_lmdb_dir_close(&parts->dir);
}

/* One set: count entries of the largest size, all of one byte. */
static enum sherd_err parts_put(struct parts *parts, uint64_t first, unsigned count, uint8_t fill)
{
    static uint8_t block[SHERD_STORE_VALUE_BYTES_MAX];
    struct sherd_store_op list[20];
    struct sherd_store_set set = {.ops = list, .count = count};
    struct sherd_store_set *const sets[] = {&set};
    enum sherd_err err;

    assert_true(count <= SHERD_COUNT_OF(list));
    memset(block, fill, sizeof block);
    for (unsigned i = 0; i < count; i++)
        list[i] = (struct sherd_store_op){
            .kind = SHERD_STORE_PUT, .name = name_of(first + i), .value = sherd_span_of(block, sizeof block)};
    err = sherd_lmdb_write(&parts->writer, sets, 1);
    return err != SHERD_OK ? err : set.result;
}

static void assert_parts_hold(struct parts *parts, uint64_t first, unsigned count, uint8_t fill)
{
    struct sherd_lmdb_snapshot *snapshot = NULL;

    if (sherd_lmdb_snapshot_begin(&parts->env, &parts->log, &snapshot) != SHERD_OK)
        fail_msg("snapshot: %s", sherd_err_detail());
    for (unsigned i = 0; i < count; i++) {
        struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};

        assert_int_equal(sherd_lmdb_snapshot_get(snapshot, name_of(first + i), &value), SHERD_OK);
        assert_int_equal(value.len, SHERD_STORE_VALUE_BYTES_MAX);
        assert_int_equal(value.data[0], fill);
        assert_int_equal(value.data[value.len - 1], fill);
        sherd_buf_done(&value);
    }
    sherd_lmdb_snapshot_end(snapshot);
}

static void test_store_lmdb_processes__grow_a_full_map_while_applying(void **state)
{
    static struct parts parts; /* its thread may outlive a test that fails */

    ops->close(scratch_create(*state));
    parts_open(&parts, *state);
    assert_int_equal(map_bytes(&parts), MAP_BYTES);
    for (uint64_t i = 0; i < MAP_ENTRIES; i++)
        if (parts_put(&parts, i, 1, (uint8_t)(i % 7)) != SHERD_OK)
            fail_msg("put %u: %s", (unsigned)i, sherd_err_detail());
    assert_true(map_bytes(&parts) > SHERD_LMDB_JOURNAL_BYTES_GROWN); /* one journal is in, at least */
    for (uint64_t i = 0; i < MAP_ENTRIES; i++)
        assert_parts_hold(&parts, i, 1, (uint8_t)(i % 7));
    parts_close(&parts);
    parts_open(&parts, *state);
    for (uint64_t i = 0; i < MAP_ENTRIES; i++)
        assert_parts_hold(&parts, i, 1, (uint8_t)(i % 7));
    parts_close(&parts);
}

static void test_store_lmdb_processes__grow_a_full_map_for_a_large_set(void **state)
{
    static struct parts parts; /* its thread may outlive a test that fails */

    ops->close(scratch_create(*state));
    parts_open(&parts, *state);
    for (uint8_t i = 0; i < 4; i++) { /* 5 MiB each: none fits into a frame, nor the first into the map */
        const size_t before = map_bytes(&parts);

        assert_int_equal(parts_put(&parts, i * 20, 20, i), SHERD_OK);
        assert_true(i > 0 || map_bytes(&parts) > before);
    }
    for (uint8_t i = 0; i < 4; i++)
        assert_parts_hold(&parts, i * 20, 20, i);
    assert_int_equal(parts_put(&parts, 500, 1, 9), SHERD_OK); /* nothing counts as failed */
    parts_close(&parts);
}

/* A process of its own that puts entries, some by the journals and some past them. */
static void put_in_child(void *state, uint8_t fill)
{
    const pid_t child = fork();

    if (child == 0) {
        struct parts parts;

        parts_open(&parts, state);
        for (uint64_t i = 0; i < MAP_ENTRIES; i++)
            if (parts_put(&parts, i, 1, fill) != SHERD_OK)
                _exit(1);
        if (parts_put(&parts, 1000 * (uint64_t)fill, 20, fill) != SHERD_OK)
            _exit(2);
        parts_close(&parts);
        _exit(0);
    }
    assert_child_ok(child);
}

static void test_store_lmdb_processes__follow_a_map_that_another_made_larger(void **state)
{
    static struct parts parts; /* its thread may outlive a test that fails */
    size_t before;

    ops->close(scratch_create(*state));
    parts_open(&parts, *state);
    before = map_bytes(&parts);
    put_in_child(*state, 1);
    assert_parts_hold(&parts, 0, MAP_ENTRIES, 1); /* a reader comes first */
    assert_true(map_bytes(&parts) > before);

    shrink_map(&parts);
    before = map_bytes(&parts);
    put_in_child(*state, 2);
    assert_int_equal(parts_put(&parts, 3000, 20, 3), SHERD_OK); /* a writer comes first */
    assert_true(map_bytes(&parts) > before);
    assert_parts_hold(&parts, 0, MAP_ENTRIES, 2);
    assert_parts_hold(&parts, 1000, 20, 1);
    assert_parts_hold(&parts, 2000, 20, 2);
    assert_parts_hold(&parts, 3000, 20, 3);
    parts_close(&parts);
}

/* --- what failed in the background --------------------------------------------------------------------------- */

/* What takes LMDB's place takes everything, and can be neither flushed nor mapped. */
static void take_file_away(struct parts *parts)
{
    const int other = open("/dev/null", O_RDWR | O_CLOEXEC);
    mdb_filehandle_t fd;

    assert_int_equal(mdb_env_get_fd(parts->env.mdb, &fd), MDB_SUCCESS);
    assert_true(other >= 0 && dup3(other, fd, O_CLOEXEC) == fd);
    assert_int_equal(close(other), 0);
}

static void test_store_lmdb_processes__end_in_order_when_a_map_is_lost(void **state)
{
    static struct parts parts; /* its thread may outlive a test that fails */
    struct sherd_lmdb_snapshot *snapshot = NULL;
    enum sherd_err err = SHERD_OK;
    unsigned put = 0;

    ops->close(scratch_create(*state));
    parts_open(&parts, *state);
    assert_int_equal(pthread_mutex_lock(&parts.applier.busy), 0); /* nothing is applied yet */
    while (atomic_load(&parts.log.shared->published) >> 32 == 1)  /* until the first journal is frozen */
        assert_int_equal(parts_put(&parts, put++, 1, 1), SHERD_OK);
    take_file_away(&parts); /* and the map is too small for what is in the journal */
    assert_int_equal(pthread_mutex_unlock(&parts.applier.busy), 0);
    while (err == SHERD_OK && put < 1000)
        err = parts_put(&parts, put++, 1, 1);
    assert_int_equal(err, SHERD_ERR_IO);
    assert_int_equal(sherd_lmdb_snapshot_begin(&parts.env, &parts.log, &snapshot), SHERD_ERR_IO);
    assert_null(snapshot);
    assert_non_null(strstr(sherd_err_detail(), "could not be mapped"));
    parts_close(&parts);
    parts_open(&parts, *state); /* nothing of it is lost */
    assert_parts_hold(&parts, 0, put - 1, 1);
    parts_close(&parts);
}

/* LMDB's file is taken away under the applier: what it was told comes out where somebody writes. */
static void test_store_lmdb_processes__say_what_failed_in_the_background(void **state)
{
    static struct parts parts; /* its thread may outlive a test that fails */
    enum sherd_err err = SHERD_OK;
    unsigned put = 0;

    ops->close(scratch_create(*state));
    parts_open(&parts, *state);
    assert_int_equal(mdb_env_set_mapsize(parts.env.mdb, (size_t)1 << 30), MDB_SUCCESS); /* room enough */
    while (atomic_load(&parts.log.shared->published) >> 32 == 1) /* until the first journal is frozen */
        assert_int_equal(parts_put(&parts, put++, 1, 1), SHERD_OK);
    take_file_away(&parts);
    while (err == SHERD_OK && put < 1000)
        err = parts_put(&parts, put++, 1, 1);
    assert_int_equal(err, SHERD_ERR_IO);
    assert_true(sherd_lmdb_failure_is_kept(&parts.failure));
    assert_int_equal(sherd_lmdb_failure_check(&parts.failure), SHERD_ERR_IO);
    if (strstr(sherd_err_detail(), ": lmdb: ") == NULL || strstr(sherd_err_detail(), strerror(EINVAL)) == NULL)
        fail_msg("%s", sherd_err_detail());
    parts_close(&parts);
}

static void test_store_lmdb_processes__keep_the_first_failure(void **state)
{
    struct sherd_lmdb_failure failure = {0};

    (void)state;
    assert_false(sherd_lmdb_failure_is_kept(&failure));
    assert_int_equal(sherd_lmdb_failure_check(&failure), SHERD_OK);
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "first: disk"), SHERD_ERR_IO);
    sherd_lmdb_failure_keep(&failure);
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "second: disk"), SHERD_ERR_IO);
    sherd_lmdb_failure_keep(&failure);
    assert_int_equal(sherd_lmdb_failure_check(&failure), SHERD_ERR_IO);
    assert_non_null(strstr(sherd_err_detail(), ": first: disk"));
    assert_null(strstr(sherd_err_detail(), "second"));
}

/* --- a full disk --------------------------------------------------------------------------------------------- */

static bool file_write(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    return fd >= 0 && close(fd) == 0 && written;
}

/* Mounts of the process's own. Who is not root has them in a user namespace, as the user that it is. */
static bool unshare_mounts(void)
{
    char users[64];
    char groups[64];

    (void)snprintf(users, sizeof users, "%u %u 1", geteuid(), geteuid());
    (void)snprintf(groups, sizeof groups, "%u %u 1", getegid(), getegid());
    if (unshare(CLONE_NEWNS) == 0)
        return true;
    return unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0 && file_write("/proc/self/uid_map", users) &&
           file_write("/proc/self/setgroups", "deny") && file_write("/proc/self/gid_map", groups);
}

/* A small file system of its own. */
static bool mount_disk(void *state)
{
    return unshare_mounts() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("sherd-test", scratch_path(state), "tmpfs", 0, "size=24m,mode=0700") == 0;
}

/* Where none may be mounted, the limit on the size of a file stands in for it. */
static bool limit_files(rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

    return signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

/* What takes room at first, and leaves it later. */
static bool disk_narrow(bool mounted, const char *filler)
{
    static uint8_t block[1 << 20];
    int fd;

    if (!mounted)
        return limit_files(20U << 20);
    fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && write(fd, block, sizeof block) == (ssize_t)sizeof block && close(fd) == 0;
}

static bool disk_widen(bool mounted, const char *filler)
{
    return mounted ? unlink(filler) == 0 : limit_files(RLIM_INFINITY);
}

/* In a child. @return what it ends with: 0, or which step was not as it should be */
static int fill_disk(void *state)
{
    struct scratch *scratch = state;
    const bool mounted = mount_disk(state);
    char filler[128];
    struct sherd_store *store;
    enum sherd_err err = SHERD_OK;
    unsigned acked = 0;

    (void)snprintf(scratch->store, sizeof scratch->store, "%s/store/inner", scratch->root);
    (void)snprintf(filler, sizeof filler, "%s-filler", scratch_path(state));
    if (!disk_narrow(mounted, filler))
        return 1;
    store = scratch_create(state);
    while (err == SHERD_OK && acked < 1000) {
        err = try_put_large(store, acked, (uint8_t)acked);
        acked += err == SHERD_OK;
    }
    if (err != SHERD_ERR_IO || (mounted && strstr(sherd_err_detail(), "free space") == NULL)) {
        print_error("full disk: %s: %s\n", sherd_err_name(err), sherd_err_detail());
        return 2;
    }
    ops->close(store);
    if (!disk_widen(mounted, filler)) /* then all goes on */
        return 6;
    store = scratch_open(state);
    for (unsigned i = 0; i < acked; i++) {
        struct sherd_snapshot *snapshot = NULL;

        if (ops->snapshot_begin(store, &snapshot) != SHERD_OK || fill_of(snapshot, i) != (uint8_t)i)
            return 3;
        ops->snapshot_end(snapshot);
    }
    if (try_put(store, 5000, "there is room again") != SHERD_OK)
        return 4;
    ops->close(store);
    return acked > 20 ? 0 : 5;
}

static void test_store_lmdb_processes__lose_nothing_on_a_full_disk(void **state)
{
    int status = 0;
    pid_t child;

    assert_int_equal(mkdir(scratch_path(*state), 0700), 0);
    child = fork();
    if (child == 0)
        _exit(fill_disk(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__count_together, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__see_whole_sets_in_order, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__hold_snapshots_while_journals_go_round,
                                        scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__hold_a_snapshot_against_another_process,
                                        scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__go_on_after_one_was_killed, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__take_sets_larger_than_a_journal, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__grow_a_full_map_while_applying, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__grow_a_full_map_for_a_large_set, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__follow_a_map_that_another_made_larger, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__end_in_order_when_a_map_is_lost, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__say_what_failed_in_the_background, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__keep_the_first_failure, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_processes__lose_nothing_on_a_full_disk, scratch_setup,
                                        scratch_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
