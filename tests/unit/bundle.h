/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/bundle.h
 * Backups in memory.
 */
#ifndef SHERD_TESTS_UNIT_BUNDLE_H
#define SHERD_TESTS_UNIT_BUNDLE_H

#include "base/bytes.h"
#include "vault.h"

/** Where a backup is read from: .arg of struct sherd_backup_in, for read_source(). */
struct source {
    struct sherd_span rest;
};

__attribute__((unused)) static enum sherd_err read_source(void *arg, uint8_t *block, size_t size, size_t *out_bytes)
{
    struct source *source = arg;
    const size_t take = size < source->rest.len ? size : source->rest.len;
    struct sherd_span bytes;

    assert_true(sherd_span_take(&source->rest, take, &bytes));
    memcpy(block, bytes.data, take);
    *out_bytes = take;
    return SHERD_OK;
}

__attribute__((unused)) static enum sherd_err write_to_buf(void *arg, struct sherd_span bytes)
{
    return sherd_buf_append(arg, bytes);
}

__attribute__((unused)) static struct sherd_buf backup_of(struct sherd_vault *vault)
{
    struct sherd_buf bundle = {0};
    const struct sherd_backup_out out = {.write = write_to_buf, .arg = &bundle};
    struct sherd_backup_info info;

    assert_ok(sherd_backup_write(vault, &out, NULL, &info));
    assert_int_equal(info.bytes, bundle.len);
    return bundle;
}

#endif
