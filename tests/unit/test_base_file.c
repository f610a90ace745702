/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of small files: who may read them, what each call does where it cannot, locks and the notice. */
#include "base/file.h"
#include "base/mem.h"
#include "vault.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct folder {
    char path[40];
};

static int setup(void **state)
{
    struct folder *folder = test_calloc(1, sizeof(*folder));

    (void)snprintf(folder->path, sizeof(folder->path), "/tmp/sherd-test-file-XXXXXX");
    *state = folder;
    return mkdtemp(folder->path) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct folder *folder = *state;

    vault_remove(folder->path);
    test_free(folder);
    return 0;
}

static void assert_file(const char *dir, const char *name, const char *expected)
{
    struct sherd_buf bytes = {.max = 1000};

    assert_ok(sherd_file_read(dir, name, &bytes));
    assert_int_equal(bytes.len, strlen(expected));
    if (bytes.len > 0)
        assert_memory_equal(bytes.data, expected, bytes.len);
    sherd_buf_done(&bytes);
}

static mode_t mode_of(const char *dir, const char *name)
{
    char *path = sherd_path_join(dir, name);
    struct stat info;

    assert_non_null(path);
    assert_int_equal(stat(path, &info), 0);
    sherd_free(path);
    return info.st_mode & 07777;
}

static bool is_there(const char *dir, const char *name)
{
    char *path = sherd_path_join(dir, name);

    assert_non_null(path);
    const bool there = access(path, F_OK) == 0;
    sherd_free(path);
    return there;
}

static void test_base_file_write__is_for_its_owner_alone(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;
    const mode_t before = umask(0);

    assert_ok(sherd_file_write_new(dir, "new", sherd_span_str("one")));
    assert_ok(sherd_file_write(dir, "other", sherd_span_str("two")));
    assert_ok(sherd_dir_make(dir, "folder"));
    assert_ok(sherd_file_write_new(dir, "folder/in", sherd_span_of(NULL, 0)));
    (void)umask(before);
    assert_int_equal(mode_of(dir, "new"), 0600);
    assert_int_equal(mode_of(dir, "other"), 0600);
    assert_int_equal(mode_of(dir, "folder"), 0700);
    assert_file(dir, "new", "one");
    assert_file(dir, "folder/in", "");
    assert_ok(sherd_dir_sync(dir, ""));
    assert_ok(sherd_dir_sync(dir, "folder"));
}

static void test_base_file_write_new__takes_no_other_files_place(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;

    assert_ok(sherd_file_write_new(dir, "a", sherd_span_str("first")));
    assert_err(SHERD_ERR_CONFLICT, sherd_file_write_new(dir, "a", sherd_span_str("second")));
    assert_file(dir, "a", "first");
    assert_ok(sherd_file_write(dir, "a", sherd_span_str("2nd"))); /* which is what this one is for */
    assert_file(dir, "a", "2nd");
    assert_err(SHERD_ERR_CONFLICT, sherd_dir_make(dir, "a"));
    assert_err(SHERD_ERR_IO, sherd_file_write_new(dir, "none/a", sherd_span_str("x")));
    assert_err(SHERD_ERR_IO, sherd_dir_make(dir, "none/folder"));
    assert_err(SHERD_ERR_IO, sherd_dir_sync(dir, "none"));
    assert_err(SHERD_ERR_IO, sherd_dir_sync(dir, "a"));
}

static void test_base_file_read__knows_its_limit(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;
    static uint8_t block[20000];
    struct sherd_buf bytes = {.max = sizeof(block)};

    memset(block, 7, sizeof(block));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_file_read(dir, "a", &bytes));
    assert_ok(sherd_file_write_new(dir, "a", sherd_span_of(block, sizeof(block))));
    assert_ok(sherd_file_read(dir, "a", &bytes));
    assert_int_equal(bytes.len, sizeof(block));
    assert_memory_equal(bytes.data, block, sizeof(block));
    sherd_buf_done(&bytes);
    bytes = (struct sherd_buf){.max = sizeof(block) - 1};
    assert_int_equal(sherd_file_read(dir, "a", &bytes), SHERD_ERR_LIMIT);
    sherd_buf_done(&bytes);
    bytes = (struct sherd_buf){.max = 100};
    assert_ok(sherd_dir_make(dir, "folder"));
    assert_err(SHERD_ERR_IO, sherd_file_read(dir, "folder", &bytes));
    sherd_buf_done(&bytes);
}

static void test_base_file_overwrite__leaves_the_rest(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;

    assert_err(SHERD_ERR_IO, sherd_file_overwrite(dir, "a", 0, sherd_span_str("x")));
    assert_false(is_there(dir, "a"));
    assert_ok(sherd_file_write_new(dir, "a", sherd_span_str("0123456789")));
    assert_ok(sherd_file_overwrite(dir, "a", 3, sherd_span_str("abc")));
    assert_file(dir, "a", "012abc6789");
    assert_ok(sherd_file_overwrite(dir, "a", 0, sherd_span_of(NULL, 0)));
    assert_file(dir, "a", "012abc6789");
}

static void test_base_file_rename__replaces_and_remove_is_done_once(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;

    assert_ok(sherd_file_write_new(dir, "old", sherd_span_str("old")));
    assert_ok(sherd_file_write_new(dir, "new", sherd_span_str("new")));
    assert_ok(sherd_file_rename(dir, "new", "old"));
    assert_file(dir, "old", "new");
    assert_false(is_there(dir, "new"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_file_rename(dir, "new", "old"));
    assert_file(dir, "old", "new");
    assert_ok(sherd_file_remove(dir, "old"));
    assert_false(is_there(dir, "old"));
    assert_ok(sherd_file_remove(dir, "old"));
    assert_ok(sherd_dir_make(dir, "folder"));
    assert_err(SHERD_ERR_IO, sherd_file_remove(dir, "folder"));
    assert_true(is_there(dir, "folder"));
}

/* --- locks -------------------------------------------------------------------------------------------------------- */

static void test_base_file_lock__has_one_holder(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;
    struct sherd_file_lock lock;
    struct sherd_file_lock other = {.fd = -7};

    assert_ok(sherd_file_lock_take(dir, "lock", &lock));
    assert_int_equal(mode_of(dir, "lock"), 0600);
    assert_err(SHERD_ERR_BUSY, sherd_file_lock_try(dir, "lock", &other));
    assert_int_equal(other.fd, -7);
    sherd_file_lock_leave(&lock);
    assert_int_equal(lock.fd, -1);
    assert_ok(sherd_file_lock_try(dir, "lock", &other));
    sherd_file_lock_leave(&other);
    assert_err(SHERD_ERR_IO, sherd_file_lock_take(dir, "none/lock", &lock));
    assert_err(SHERD_ERR_IO, sherd_file_lock_try(dir, "none/lock", &lock));
}

/* A process that ends leaves its lock, and whoever waits has it then. */
static void test_base_file_lock__ends_with_its_process(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;
    struct sherd_file_lock lock;
    int ready[2];
    int status;
    char byte;

    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const bool taken = sherd_file_lock_take(dir, "lock", &lock) == SHERD_OK && write(ready[1], "x", 1) == 1;

        (void)usleep(50000);
        _exit(taken ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_err(SHERD_ERR_BUSY, sherd_file_lock_try(dir, "lock", &lock));
    assert_ok(sherd_file_lock_take(dir, "lock", &lock)); /* waits */
    sherd_file_lock_leave(&lock);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

/* --- the notice --------------------------------------------------------------------------------------------------- */

static void test_base_file_notice__is_seen_by_all_who_have_it_open(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;
    struct sherd_notice ours;
    struct sherd_notice theirs;
    struct sherd_notice reader;

    assert_ok(sherd_notice_open(dir, "notice", false, &ours));
    assert_ok(sherd_notice_open(dir, "notice", false, &theirs));
    assert_ok(sherd_notice_open(dir, "notice", true, &reader));
    assert_int_equal(sherd_notice_number(&reader), 0);
    for (uint64_t number = 1; number <= 300; number++) {
        assert_ok(sherd_notice_raise(number % 2 == 0 ? &ours : &theirs));
        assert_true(sherd_notice_number(&ours) == number && sherd_notice_number(&theirs) == number &&
                    sherd_notice_number(&reader) == number);
    }
    assert_err(SHERD_ERR_DENIED, sherd_notice_raise(&reader));
    assert_int_equal(sherd_notice_number(&ours), 300);
    sherd_notice_close(&ours);
    sherd_notice_close(&theirs);
    sherd_notice_close(&reader);
    assert_int_equal(reader.fd, -1);
    assert_int_equal(sherd_notice_number(&reader), 0);
}

static void test_base_file_notice__may_be_missing_where_nothing_is_written(void **state)
{
    const char *dir = ((const struct folder *)*state)->path;
    struct sherd_notice notice;

    assert_ok(sherd_notice_open(dir, "notice", true, &notice));
    assert_int_equal(notice.fd, -1);
    assert_int_equal(sherd_notice_number(&notice), 0);
    assert_err(SHERD_ERR_DENIED, sherd_notice_raise(&notice));
    sherd_notice_close(&notice);
    assert_false(is_there(dir, "notice"));
    assert_err(SHERD_ERR_IO, sherd_notice_open(dir, "none/notice", false, &notice));
    assert_ok(sherd_file_write_new(dir, "notice", sherd_span_of("\x01\x02", 2))); /* cut: the rest counts as zeros */
    assert_ok(sherd_notice_open(dir, "notice", true, &notice));
    assert_true(sherd_notice_number(&notice) == (uint64_t)0x0102 << 48);
    sherd_notice_close(&notice);
}

#define file_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_test(test_base_file_write__is_for_its_owner_alone),
        file_test(test_base_file_write_new__takes_no_other_files_place),
        file_test(test_base_file_read__knows_its_limit),
        file_test(test_base_file_overwrite__leaves_the_rest),
        file_test(test_base_file_rename__replaces_and_remove_is_done_once),
        file_test(test_base_file_lock__has_one_holder),
        file_test(test_base_file_lock__ends_with_its_process),
        file_test(test_base_file_notice__is_seen_by_all_who_have_it_open),
        file_test(test_base_file_notice__may_be_missing_where_nothing_is_written),
    };

    return cmocka_run_group_tests_name("base_file", tests, NULL, NULL);
}
