/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the reader of backups: the input as a whole backup, whose head is read; and as the list of items of one,
 * sealed as it should be.
 */
#include "backup/bundle.h"
#include "base/bytes.h"
#include <stdlib.h>

static enum sherd_err read_input(void *arg, uint8_t *block, size_t size, size_t *out_bytes)
{
    struct sherd_span *rest = arg;
    struct sherd_span bytes;

    if (!sherd_span_take(rest, size < rest->len ? size : rest->len, &bytes))
        abort();
    if (bytes.len > 0)
        memcpy(block, bytes.data, bytes.len);
    *out_bytes = bytes.len;
    return SHERD_OK;
}

static enum sherd_err on_keyring(void *arg, struct sherd_span file)
{
    (void)arg;
    return file.len <= SHERD_KEYRING_BYTES_MAX ? SHERD_OK : (abort(), SHERD_OK);
}

static enum sherd_err on_compartment(void *arg, enum sherd_role role)
{
    (void)arg;
    return role >= SHERD_IDENTITY && role <= SHERD_KEYS ? SHERD_OK : (abort(), SHERD_OK);
}

static enum sherd_err on_entry(void *arg, const struct sherd_ref *name, struct sherd_span value)
{
    (void)arg;
    (void)name;
    return value.len >= 1 && value.len <= SHERD_STORE_VALUE_BYTES_MAX ? SHERD_OK : (abort(), SHERD_OK);
}

static enum sherd_err on_blob(void *arg, const struct sherd_ref *name, uint64_t bytes)
{
    (void)name;
    *(uint64_t *)arg = bytes;
    return SHERD_OK;
}

static enum sherd_err on_blob_bytes(void *arg, struct sherd_span bytes)
{
    uint64_t *left = arg;

    if (bytes.len > *left)
        abort();
    *left -= bytes.len;
    return SHERD_OK;
}

static void read_items(struct sherd_span bundle, const struct sherd_backup_key *key)
{
    uint64_t left = 0;
    const struct sherd_backup_in in = {.read = read_input, .arg = &bundle};
    const struct sherd_bundle_sink sink = {.keyring = on_keyring,
                                           .compartment = on_compartment,
                                           .entry = on_entry,
                                           .blob = on_blob,
                                           .blob_bytes = on_blob_bytes,
                                           .arg = &left};
    struct sherd_bundle_reader *reader = NULL;
    struct sherd_backup_info info;

    if (sherd_bundle_reader_new(&in, &reader) != SHERD_OK || sherd_bundle_unlock(reader, key) != SHERD_OK)
        abort();
    if (sherd_bundle_read(reader, &sink, NULL, &info) == SHERD_OK && bundle.len > 0)
        abort(); /* all of it was read */
    sherd_bundle_reader_free(reader);
}

/* What it says does not matter, only that it comes back. */
static void ignore(enum sherd_err err)
{
    (void)err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sherd_backup_key key = {{1}};
    struct sherd_span input = {data, size};
    const struct sherd_backup_in in = {.read = read_input, .arg = &input};
    struct sherd_bundle_head head = {.epoch = 1, .engine = "lmdb"};
    struct sherd_buf bundle = {0};
    struct sherd_backup_info info;

    ignore(sherd_backup_look(&in, &info));
    if (sherd_bundle_head_encode(&head) == SHERD_OK &&
        sherd_buf_append(&bundle, sherd_buf_span(&head.bytes)) == SHERD_OK &&
        sherd_aead_seal(key.bytes, sherd_span_of(head.digest.bytes, sizeof(head.digest.bytes)),
                        sherd_span_of(data, size), &bundle) == SHERD_OK)
        read_items(sherd_buf_span(&bundle), &key);
    sherd_buf_done(&bundle);
    sherd_bundle_head_done(&head);
    return 0;
}
