/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded engine after kills, torn writes and damage: what was acknowledged is there, or opening says what is
 * wrong.
 */
#include "store/lmdb/frame.h"
#include "store/lmdb/guard.h"
#include "store/lmdb/lmdb.h"
#include "store_lmdb.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static const struct sherd_store_ops *const ops = &sherd_store_lmdb;

/* --- kill -9 ----------------------------------------------------------------------------------------------------- */

#define KEYS 97U
#define LAST_KEY 1000U
#define KILLS 300

/* The n-th write of the test puts one key, deletes another now and then, and says that it was the n-th. */
static uint64_t key_put(uint64_t n)
{
    return n % KEYS;
}

static bool deletes(uint64_t n)
{
    return n % 5 == 0;
}

static uint64_t key_deleted(uint64_t n)
{
    return (n * 7 + 3) % KEYS;
}

static size_t value_bytes(uint64_t n)
{
    const uint8_t spread = name_of(n).bytes[0];

    return n % 8 == 0 ? 100000 + (size_t)spread * 500 : 16 + (size_t)spread * 6;
}

static void fill_value(uint64_t n, uint8_t *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        block[i] = (uint8_t)(n * 31 + i * 7 + (i >> 8));
}

static enum sherd_err write_nth(struct sherd_store *store, uint64_t n)
{
    static uint8_t block[SHERD_STORE_VALUE_BYTES_MAX];
    uint8_t last[8];
    struct sherd_store_op list[3] = {
        {.kind = SHERD_STORE_PUT, .name = name_of(LAST_KEY), .value = sherd_span_of(last, 8)},
        {.kind = SHERD_STORE_PUT, .name = name_of(key_put(n)), .value = sherd_span_of(block, value_bytes(n))},
        {.kind = SHERD_STORE_DELETE, .name = name_of(key_deleted(n))},
    };
    struct sherd_store_set set = {.ops = list, .count = deletes(n) ? 3 : 2};
    struct sherd_store_set *const sets[] = {&set};

    fill_value(n, block, value_bytes(n));
    sherd_put_u64(last, n);
    return ops->write(store, sets, 1);
}

/* The write that a key has its value from after n writes; 0 if it has none. */
static uint64_t origin(uint64_t key, uint64_t n)
{
    for (uint64_t i = n; i > 0 && i + 5 * KEYS * 2 > n; i--) {
        if (deletes(i) && key_deleted(i) == key)
            return 0;
        if (key_put(i) == key)
            return i;
    }
    return 0;
}

static uint64_t read_last(struct sherd_store *store)
{
    struct sherd_buf value = {.max = 8};
    uint64_t last = 0;

    if (try_get(store, LAST_KEY, &value) == SHERD_OK) {
        assert_int_equal(value.len, 8);
        last = sherd_get_u64(value.data);
    }
    sherd_buf_done(&value);
    return last;
}

static void verify_all(struct sherd_store *store, uint64_t last)
{
    static uint8_t wanted[SHERD_STORE_VALUE_BYTES_MAX];

    for (uint64_t key = 0; key < KEYS; key++) {
        struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};
        const uint64_t from = origin(key, last);

        if (from == 0) {
            assert_int_equal(try_get(store, key, &value), SHERD_ERR_NOT_FOUND);
        } else {
            assert_int_equal(try_get(store, key, &value), SHERD_OK);
            fill_value(from, wanted, value_bytes(from));
            assert_int_equal(value.len, value_bytes(from));
            assert_memory_equal(value.data, wanted, value.len);
        }
        sherd_buf_done(&value);
    }
}

/* Write until killed; now and then close and open. */
__attribute__((noreturn)) static void write_for_ever(const char *path, _Atomic(uint64_t) *acked)
{
    const struct sherd_store_config config = {.path = path};
    struct sherd_store *store = NULL;

    for (;;) {
        if (store == NULL && ops->open(&config, &store) != SHERD_OK)
            _exit(1);
        for (int i = 0; i < 150; i++) {
            const uint64_t n = atomic_load(acked) + 1;

            if (write_nth(store, n) != SHERD_OK)
                _exit(2);
            atomic_store(acked, n);
        }
        ops->close(store);
        store = NULL;
    }
}

static void kill_after(pid_t child, long us)
{
    const struct timespec t = {.tv_nsec = us * 1000};
    int status = 0;

    (void)nanosleep(&t, NULL);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void test_store_lmdb_crash__loses_nothing_when_killed(void **state)
{
    _Atomic(uint64_t) *acked = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(acked != MAP_FAILED);
    ops->close(scratch_create(*state));
    for (int i = 0; i < KILLS; i++) {
        struct sherd_store *store;
        uint64_t last;
        const pid_t child = fork();

        if (child == 0)
            write_for_ever(scratch_path(*state), acked);
        kill_after(child, 500 + name_of((uint64_t)i).bytes[1] * 60);
        store = scratch_open(*state);
        last = read_last(store);
        assert_in_range(last, atomic_load(acked), atomic_load(acked) + 1);
        verify_all(store, last);
        atomic_store(acked, last);
        ops->close(store);
    }
    assert_true(atomic_load(acked) > KILLS);
    (void)munmap(acked, 4096);
}

/* --- files of a small store -------------------------------------------------------------------------------------- */

#define FILE_MAX ((size_t)256 << 10)

struct image {
    uint8_t bytes[FILE_MAX];
    size_t len;
};

static void journal_path(void *state, char out_path[static 128])
{
    (void)snprintf(out_path, 128, "%s/journal-1", scratch_path(state));
}

static void load_journal(void *state, struct image *image)
{
    char path[128];
    FILE *file;

    journal_path(state, path);
    file = fopen(path, "r");
    assert_non_null(file);
    image->len = fread(image->bytes, 1, sizeof image->bytes, file);
    assert_true(image->len > 0 && image->len < sizeof image->bytes);
    assert_int_equal(fclose(file), 0);
}

static void save_journal(void *state, const struct image *image, size_t len)
{
    char path[128];
    int fd;

    journal_path(state, path);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->bytes, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

/* Three frames in journal 1; by a process that then closes the store, or dies. */
static void make_three(void *state, bool closes)
{
    int status = 0;
    pid_t child;

    ops->close(scratch_create(state));
    child = fork();
    if (child == 0) {
        struct sherd_store *store = scratch_open(state);

        if (try_put(store, 1, "first") != SHERD_OK || try_put(store, 2, "second") != SHERD_OK ||
            try_put(store, 3, "third and last") != SHERD_OK)
            _exit(1);
        if (closes)
            ops->close(store);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static size_t frame_bytes(const char *text)
{
    const size_t body = SHERD_LMDB_OP_HEADER_BYTES + strlen(text);

    return SHERD_LMDB_FRAME_HEADER_BYTES + (body + 7) / 8 * 8;
}

static enum sherd_err open_err(void *state)
{
    const struct sherd_store_config config = {.path = scratch_path(state)};
    struct sherd_store *store = NULL;
    const enum sherd_err err = ops->open(&config, &store);

    if (err == SHERD_OK)
        ops->close(store);
    return err;
}

static void test_store_lmdb_crash__opens_over_a_torn_tail(void **state)
{
    const size_t start = SHERD_LMDB_HEADER_BYTES + frame_bytes("first") + frame_bytes("second");
    const size_t last = frame_bytes("third and last");
    struct image *whole = test_malloc(sizeof *whole);
    struct image *torn = test_malloc(sizeof *torn);

    make_three(*state, false);
    load_journal(*state, whole);
    for (size_t cut = 0; cut < 2 * last; cut++) {
        const bool missing = cut < last; /* the head was written, or else the tail */
        const size_t from = missing ? start + cut : start;
        const size_t to = missing ? start + last : start + cut - last + 1;
        struct sherd_store *store;

        memcpy(torn, whole, sizeof *torn);
        memset(torn->bytes + from, 0, to - from);
        save_journal(*state, torn, torn->len);
        store = scratch_open(*state);
        assert_value(store, 1, "first");
        assert_value(store, 2, "second");
        if (memcmp(torn, whole, sizeof *torn) == 0)
            assert_value(store, 3, "third and last"); /* what is missing was zero anyway */
        else
            assert_absent(store, 3);
        put_number(store, 4, "after it");
        ops->close(store);
        store = scratch_open(*state);
        assert_value(store, 4, "after it");
        ops->close(store);
    }
    test_free(whole);
    test_free(torn);
}

static void test_store_lmdb_crash__finds_a_torn_tail_of_any_length(void **state)
{
    const size_t start = SHERD_LMDB_HEADER_BYTES + frame_bytes("first") + frame_bytes("second");
    struct image *whole = test_malloc(sizeof *whole);

    make_three(*state, false);
    load_journal(*state, whole);
    for (size_t len = start; len < start + frame_bytes("third and last"); len++) {
        struct sherd_store *store;

        save_journal(*state, whole,
                     len); /* a file that ends where it should not, as a lost write of its size leaves it */
        store = scratch_open(*state);
        assert_value(store, 2, "second");
        assert_absent(store, 3);
        put_number(store, 3, "once more");
        assert_value(store, 3, "once more");
        ops->close(store);
    }
    test_free(whole);
}

/* Flip every byte of a range, and count how often opening refuses. */
static size_t count_refused(void *state, const struct image *whole, size_t from, size_t to)
{
    struct image *flipped = test_malloc(sizeof *flipped);
    size_t refused = 0;

    for (size_t at = from; at < to; at++) {
        enum sherd_err err;

        memcpy(flipped, whole, sizeof *flipped);
        flipped->bytes[at] ^= (uint8_t)(at % 3 == 0 ? 0x01 : at % 3 == 1 ? 0x80 : 0xff);
        save_journal(state, flipped, flipped->len);
        err = open_err(state);
        assert_true(err == SHERD_OK || err == SHERD_ERR_IO);
        refused += err == SHERD_ERR_IO;
    }
    save_journal(state, whole, whole->len);
    test_free(flipped);
    return refused;
}

static void test_store_lmdb_crash__refuses_a_damaged_middle(void **state)
{
    const size_t start = SHERD_LMDB_HEADER_BYTES;
    const size_t two = frame_bytes("first") + frame_bytes("second");
    struct image *whole = test_malloc(sizeof *whole);

    make_three(*state, false);
    load_journal(*state, whole);
    assert_int_equal(count_refused(*state, whole, start, start + two), two);
    assert_int_equal(open_err(*state), SHERD_OK);
    test_free(whole);
}

static void test_store_lmdb_crash__refuses_any_damage_after_a_close(void **state)
{
    const size_t start = SHERD_LMDB_HEADER_BYTES;
    const size_t three = frame_bytes("first") + frame_bytes("second") + frame_bytes("third and last");
    struct image *whole = test_malloc(sizeof *whole);

    make_three(*state, true);
    load_journal(*state, whole);
    assert_int_equal(count_refused(*state, whole, start, start + three), three);
    assert_int_equal(count_refused(*state, whole, 0, 52), 52);
    assert_int_equal(open_err(*state), SHERD_OK);
    for (size_t len = 0; len < start + three; len += len < start ? 512 : 1) {
        save_journal(*state, whole, len);
        assert_int_equal(open_err(*state), SHERD_ERR_IO);
    }
    test_free(whole);
}

static void test_store_lmdb_crash__needs_no_mark(void **state)
{
    struct image *whole = test_malloc(sizeof *whole);
    struct sherd_store *store;

    make_three(*state, true);
    load_journal(*state, whole);
    assert_int_equal(count_refused(*state, whole, SHERD_LMDB_MARK_OFFSET,
                                   SHERD_LMDB_MARK_OFFSET + SHERD_LMDB_MARK_BYTES),
                     0);
    store = scratch_open(*state);
    assert_value(store, 3, "third and last");
    ops->close(store);
    test_free(whole);
}

/* --- damaged pages ----------------------------------------------------------------------------------------------- */

#define ENTRIES 2500U
#define FLIPS 300U

static enum sherd_err count_entry(void *arg, struct sherd_ref name, struct sherd_span value)
{
    (void)name;
    *(uint64_t *)arg += value.len;
    return SHERD_OK;
}

/*
 * Read all that can be read of a damaged store, and write to it. Any answer is one, but the process must not be killed.
 */
/* A fault that is not in reading may end the process, with the code that the engine's own end has. */
static void on_fault(int number)
{
    (void)number;
    sherd_lmdb_guard_fault();
    _exit(3);
}

__attribute__((noreturn)) static void use_damaged(const char *path)
{
    const struct sigaction handle = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    const struct sherd_store_config config = {.path = path};
    struct sherd_store *store = NULL;
    struct sherd_snapshot *snapshot = NULL;
    uint64_t bytes = 0;

    (void)alarm(50);
    if (sigaction(SIGSEGV, &handle, NULL) != 0 || sigaction(SIGBUS, &handle, NULL) != 0)
        _exit(1);
    if (ops->open(&config, &store) != SHERD_OK || ops->snapshot_begin(store, &snapshot) != SHERD_OK)
        _exit(0);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};
        const enum sherd_err err = ops->get(snapshot, name_of(i), &value);

        sherd_buf_done(&value);
        if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_IO)
            _exit(2);
    }
    if (ops->scan(snapshot, NULL, count_entry, &bytes) == SHERD_OK && bytes > (uint64_t)1 << 40)
        _exit(5);
    ops->snapshot_end(snapshot);
    if (try_put(store, 1, "anew") != SHERD_OK)
        _exit(4); /* the journal is not damaged */
    _exit(0);
}

static void flip_in_file(const char *path, uint64_t random)
{
    const int fd = open(path, O_RDWR);
    struct stat st;
    uint8_t byte = 0;
    off_t at;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    at = (off_t)(random % (uint64_t)st.st_size);
    if (random & 1) /* page headers and their tables of offsets tell most */
        at = at / 4096 * 4096 + (off_t)(random / 7919 % 32);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (uint8_t)(1U << (random / 104729 % 8));
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

static void copy_file(const char *from, const char *to)
{
    uint8_t block[1 << 16];
    FILE *in = fopen(from, "r");
    FILE *out = fopen(to, "w");
    size_t got;

    assert_true(in != NULL && out != NULL);
    while ((got = fread(block, 1, sizeof block, in)) > 0)
        assert_int_equal(fwrite(block, 1, got, out), got);
    assert_int_equal(fclose(in) | fclose(out), 0);
}

static void make_applied(void *state)
{
    struct sherd_store *store = scratch_create(state);
    char text[700];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (uint64_t i = 0; i < ENTRIES; i++)
        put_number(store, i, text + i % 600);
    ops->close(store); /* more than a mebibyte waits: it is applied */
}

static void test_store_lmdb_crash__survives_damaged_pages(void **state)
{
    char data[128];
    char copy[128];

    make_applied(*state);
    (void)snprintf(data, sizeof data, "%s/data.mdb", scratch_path(*state));
    (void)snprintf(copy, sizeof copy, "%s-copy", scratch_path(*state));
    copy_file(data, copy);
    for (uint64_t i = 0; i < FLIPS; i++) {
        int status = 0;
        pid_t child;

        copy_file(copy, data);
        for (uint64_t k = 0; k < 1 + i % 20; k++)
            flip_in_file(data, sherd_get_u64(name_of(i * 100 + k).bytes));
        child = fork();
        if (child == 0)
            use_damaged(scratch_path(*state));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_lmdb_crash__loses_nothing_when_killed, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_crash__opens_over_a_torn_tail, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_crash__finds_a_torn_tail_of_any_length, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_crash__refuses_a_damaged_middle, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_crash__refuses_any_damage_after_a_close, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_crash__needs_no_mark, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb_crash__survives_damaged_pages, scratch_setup, scratch_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
