/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/store_lmdb.h
 * What the tests of the embedded engine share: a scratch directory each, entries by number, checks of values.
 */
#ifndef SHERD_TESTS_UNIT_STORE_LMDB_H
#define SHERD_TESTS_UNIT_STORE_LMDB_H

#include "base/bytes.h"
#include "base/macros.h"
#include "store/lmdb/lmdb.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
    char root[64];
    char store[96];
};

__attribute__((unused)) static const char *scratch_path(void *state)
{
    return ((struct scratch *)state)->store;
}

__attribute__((unused)) static int scratch_setup(void **state)
{
    struct scratch *scratch = test_calloc(1, sizeof *scratch);

    (void)snprintf(scratch->root, sizeof scratch->root, "/tmp/sherd-test-lmdb-XXXXXX");
    if (mkdtemp(scratch->root) == NULL)
        return -1;
    (void)snprintf(scratch->store, sizeof scratch->store, "%s/store", scratch->root);
    *state = scratch;
    return 0;
}

__attribute__((unused)) static int scratch_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

__attribute__((unused)) static int scratch_done(void **state)
{
    struct scratch *scratch = *state;
    const int rc = nftw(scratch->root, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);

    test_free(scratch);
    return rc;
}

__attribute__((unused)) static struct sherd_store *scratch_open_as(void *state, bool create)
{
    const struct sherd_store_config config = {.path = scratch_path(state), .create = create};
    struct sherd_store *store = NULL;
    const enum sherd_err err = sherd_store_lmdb.open(&config, &store);

    if (err != SHERD_OK)
        fail_msg("open: %s", sherd_err_detail());
    return store;
}

__attribute__((unused)) static struct sherd_store *scratch_create(void *state)
{
    return scratch_open_as(state, true);
}

__attribute__((unused)) static struct sherd_store *scratch_open(void *state)
{
    return scratch_open_as(state, false);
}

/* Replace the contents of a file of the store. */
__attribute__((unused)) static void scratch_replace(void *state, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", scratch_path(state), name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* A name that depends on the number in all of its bytes, so that names are in no order of numbers. */
__attribute__((unused)) static struct sherd_ref name_of(uint64_t number)
{
    struct sherd_ref name;
    uint64_t z = number + UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    sherd_put_u64(name.bytes, z ^ (z >> 31));
    sherd_put_u64(name.bytes + 8, number);
    return name;
}

__attribute__((unused)) static enum sherd_err write_op(struct sherd_store *store, struct sherd_store_op op)
{
    struct sherd_store_set set = {.ops = &op, .count = 1};
    struct sherd_store_set *const sets[] = {&set};
    const enum sherd_err err = sherd_store_lmdb.write(store, sets, 1);

    return err != SHERD_OK ? err : set.result;
}

__attribute__((unused)) static enum sherd_err try_put(struct sherd_store *store, uint64_t number, const char *text)
{
    return write_op(store, (struct sherd_store_op){.kind = SHERD_STORE_PUT,
                                                   .name = name_of(number),
                                                   .value = sherd_span_of(text, strlen(text))});
}

__attribute__((unused)) static void put_number(struct sherd_store *store, uint64_t number, const char *text)
{
    if (try_put(store, number, text) != SHERD_OK)
        fail_msg("put: %s", sherd_err_detail());
}

__attribute__((unused)) static void delete_number(struct sherd_store *store, uint64_t number)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .name = name_of(number)};

    assert_int_equal(write_op(store, op), SHERD_OK);
}

__attribute__((unused)) static enum sherd_err try_get(struct sherd_store *store, uint64_t number,
                                                      struct sherd_buf *value)
{
    struct sherd_snapshot *snapshot = NULL;
    enum sherd_err err;

    assert_int_equal(sherd_store_lmdb.snapshot_begin(store, &snapshot), SHERD_OK);
    err = sherd_store_lmdb.get(snapshot, name_of(number), value);
    sherd_store_lmdb.snapshot_end(snapshot);
    return err;
}

__attribute__((unused)) static void assert_snapshot_value(struct sherd_snapshot *snapshot, uint64_t number,
                                                          const char *text)
{
    struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};

    assert_int_equal(sherd_store_lmdb.get(snapshot, name_of(number), &value), SHERD_OK);
    assert_int_equal(value.len, strlen(text));
    assert_memory_equal(value.data, text, value.len);
    sherd_buf_done(&value);
}

__attribute__((unused)) static void assert_value(struct sherd_store *store, uint64_t number, const char *text)
{
    struct sherd_snapshot *snapshot = NULL;

    assert_int_equal(sherd_store_lmdb.snapshot_begin(store, &snapshot), SHERD_OK);
    assert_snapshot_value(snapshot, number, text);
    sherd_store_lmdb.snapshot_end(snapshot);
}

__attribute__((unused)) static void assert_absent(struct sherd_store *store, uint64_t number)
{
    struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};

    assert_int_equal(try_get(store, number, &value), SHERD_ERR_NOT_FOUND);
    assert_int_equal(value.len, 0);
    sherd_buf_done(&value);
}

__attribute__((unused)) static void assert_blob(struct sherd_store *store, uint64_t number, const char *text)
{
    struct sherd_blob_reader *reader = NULL;
    uint64_t bytes = 0;
    char block[256];

    assert_int_equal(sherd_store_lmdb.blob_open(store, name_of(number), &reader, &bytes), SHERD_OK);
    assert_int_equal(bytes, strlen(text));
    assert_true(bytes <= sizeof block);
    assert_int_equal(sherd_store_lmdb.blob_read(reader, 0, (uint8_t *)block, bytes), SHERD_OK);
    assert_memory_equal(block, text, bytes);
    sherd_store_lmdb.blob_close(reader);
}

#endif
