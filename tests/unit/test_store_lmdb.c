/* SPDX-License-Identifier: Apache-2.0 */
/* What is the embedded engine's own, beside what tests/contract asks of every engine: its directory and its files. */
#include "store/lmdb/lmdb.h"
#include "store_lmdb.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sherd_store_ops *const ops = &sherd_store_lmdb;

static void test_store_lmdb__keeps_entries_over_reopening(void **state)
{
    struct sherd_store *store = scratch_create(*state);

    put_number(store, 1, "one");
    put_number(store, 2, "two");
    ops->close(store);
    store = scratch_open(*state);
    assert_value(store, 1, "one");
    assert_value(store, 2, "two");
    assert_absent(store, 3);
    ops->close(store);
}

static void test_store_lmdb__is_opened_once_a_process(void **state)
{
    const struct sherd_store_config config = {.path = scratch_path(*state)};
    struct sherd_store *store = scratch_create(*state);
    struct sherd_store *second = NULL;

    assert_int_equal(ops->open(&config, &second), SHERD_ERR_BUSY);
    assert_null(second);
    ops->close(store);
    assert_int_equal(ops->open(&config, &second), SHERD_OK);
    ops->close(second);
}

static void test_store_lmdb__refuses_a_child_of_a_fork(void **state)
{
    struct sherd_store *store = scratch_create(*state);
    struct sherd_snapshot *snapshot = NULL;
    int status = 0;
    pid_t child;

    assert_int_equal(ops->snapshot_begin(store, &snapshot), SHERD_OK);
    child = fork();
    if (child == 0) {
        struct sherd_snapshot *other = NULL;
        struct sherd_buf value = {.max = 64};
        const bool refused = ops->snapshot_begin(store, &other) == SHERD_ERR_INVALID &&
                             ops->get(snapshot, name_of(1), &value) == SHERD_ERR_INVALID &&
                             try_put(store, 1, "child") == SHERD_ERR_INVALID;

        ops->snapshot_end(snapshot);
        ops->close(store);
        _exit(refused ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    ops->snapshot_end(snapshot);
    put_number(store, 1, "parent");
    assert_value(store, 1, "parent");
    ops->close(store);
}

static void test_store_lmdb__refuses_what_is_there_and_what_is_not(void **state)
{
    const struct sherd_store_config create = {.path = scratch_path(*state), .create = true};
    const struct sherd_store_config open = {.path = scratch_path(*state)};
    struct sherd_store *store = NULL;

    assert_int_equal(ops->open(&open, &store), SHERD_ERR_NOT_FOUND);
    assert_int_equal(mkdir(scratch_path(*state), 0700), 0);
    assert_int_equal(ops->open(&create, &store), SHERD_ERR_CONFLICT);
    assert_int_equal(ops->open(&open, &store), SHERD_ERR_NOT_FOUND);
    assert_int_equal(rmdir(scratch_path(*state)), 0);
    assert_int_equal(ops->open(&create, &store), SHERD_OK);
    ops->close(store);
    assert_int_equal(ops->open(&create, &store), SHERD_ERR_CONFLICT);
}

static void test_store_lmdb__refuses_a_format_of_the_future(void **state)
{
    const struct sherd_store_config config = {.path = scratch_path(*state)};
    struct sherd_store *store = scratch_create(*state);

    ops->close(store);
    store = NULL;
    scratch_replace(*state, "format", "sherd lmdb 2\n");
    assert_int_equal(ops->open(&config, &store), SHERD_ERR_UNSUPPORTED);
    scratch_replace(*state, "format", "sherd lmdb 1");
    assert_int_equal(ops->open(&config, &store), SHERD_ERR_IO);
    scratch_replace(*state, "format", "sherd lmdb 1\n");
    assert_int_equal(ops->open(&config, &store), SHERD_OK);
    ops->close(store);
}

static void test_store_lmdb__lets_nobody_else_read_its_files(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "format", "blobs", "tmp"};
    struct sherd_store *store = scratch_create(*state);

    for (size_t i = 0; i < SHERD_COUNT_OF(files); i++) {
        char path[512];
        struct stat st;

        (void)snprintf(path, sizeof path, "%s/%s", scratch_path(*state), files[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
    ops->close(store);
}

static void test_store_lmdb__tidy_spares_living_writers(void **state)
{
    struct sherd_store *store = scratch_create(*state);
    struct sherd_blob_writer *writer = NULL;
    uint64_t removed = 99;
    int status = 0;
    pid_t child;

    ops->close(store);
    child = fork();
    if (child == 0) {
        struct sherd_blob_writer *lost = NULL;

        store = scratch_open(*state);
        if (ops->blob_create(store, &lost) != SHERD_OK || ops->blob_append(lost, sherd_span_of("dead", 4)) != SHERD_OK)
            _exit(1);
        _exit(0); /* as if killed: neither committed nor aborted */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store = scratch_open(*state);
    assert_int_equal(ops->blob_create(store, &writer), SHERD_OK);
    assert_int_equal(ops->blob_append(writer, sherd_span_of("alive", 5)), SHERD_OK);
    assert_int_equal(ops->tidy(store, &removed), SHERD_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(ops->blob_commit(writer, name_of(7)), SHERD_OK);
    assert_blob(store, 7, "alive");
    ops->close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_lmdb__keeps_entries_over_reopening, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb__is_opened_once_a_process, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb__refuses_a_child_of_a_fork, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb__refuses_what_is_there_and_what_is_not, scratch_setup,
                                        scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb__refuses_a_format_of_the_future, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb__lets_nobody_else_read_its_files, scratch_setup, scratch_done),
        cmocka_unit_test_setup_teardown(test_store_lmdb__tidy_spares_living_writers, scratch_setup, scratch_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
