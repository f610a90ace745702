/* SPDX-License-Identifier: Apache-2.0 */
/* Records whose contents come whole through memory: put, get, update, delete. */
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/load.h"
#include "cryptor/version.h"
#include "cryptor/writer.h"
#include <stdio.h>

#define UPDATE_ATTEMPTS_MAX 32U

/* Long contents, or such with an idempotency key, go the way of a stream, without a copy of the bulk. */
static enum sherd_err write_through(struct sherd_writer *writer, struct sherd_span content, struct sherd_uuid *out_id,
                                    uint64_t *out_version)
{
    const enum sherd_err err = sherd_writer_append_lent(writer, content);

    if (err != SHERD_OK) {
        sherd_writer_abort(writer);
        return err;
    }
    return sherd_writer_commit(writer, out_id, out_version);
}

/* What becomes an entry also if it is sealed to a recipient, as it may be on an update that does not say so. */
static bool is_small(const struct sherd_record_meta *meta, struct sherd_span content, bool may_inherit)
{
    const bool may_seal = may_inherit || (meta != NULL && meta->recipient != NULL);

    return content.len <= (may_seal ? SHERD_BATCH_SEALED_BYTES_MAX : SHERD_INLINE_BYTES_MAX) &&
           (meta == NULL || meta->idempotency_key.len == 0);
}

static enum sherd_err check_given(const struct sherd_vault *vault, struct sherd_span content)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(content.data != NULL || content.len == 0, SHERD_ERR_INVALID, "contents are needed");
    return SHERD_OK;
}

static enum sherd_err put_small(struct sherd_vault *vault, const struct sherd_record_meta *meta,
                                struct sherd_span content, struct sherd_uuid *out_id)
{
    SHERD_CLEANUP(sherd_version_done) struct sherd_version version = {0};

    SHERD_TRY(sherd_version_begin(vault, meta, &version));
    SHERD_TRY(sherd_version_seal_small(vault, &version, content));
    SHERD_TRY(sherd_version_commit(vault, &version, 1));
    *out_id = version.map.record;
    return SHERD_OK;
}

enum sherd_err sherd_record_put(struct sherd_vault *vault, const struct sherd_record_meta *meta,
                                struct sherd_span content, struct sherd_uuid *out_id)
{
    struct sherd_writer *writer;

    SHERD_TRY(check_given(vault, content));
    SHERD_ENSURE(out_id != NULL, SHERD_ERR_INVALID, "a place for the record's id is needed");
    if (is_small(meta, content, false))
        return put_small(vault, meta, content, out_id);
    SHERD_TRY(sherd_writer_begin(vault, meta, &writer));
    return write_through(writer, content, out_id, NULL);
}

static enum sherd_err update_once(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version_expected,
                                  const struct sherd_record_meta *meta, struct sherd_span content,
                                  uint64_t *out_version)
{
    SHERD_CLEANUP(sherd_version_done) struct sherd_version version = {0};

    SHERD_TRY(sherd_version_begin_update(vault, id, version_expected, meta, &version));
    SHERD_TRY(sherd_version_seal_small(vault, &version, content));
    SHERD_TRY(sherd_version_commit(vault, &version, 1));
    if (out_version != NULL)
        *out_version = version.map.version;
    return SHERD_OK;
}

/* Who does not mind which version is current tries again when another update was first. */
static enum sherd_err update_small(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version_expected,
                                   const struct sherd_record_meta *meta, struct sherd_span content,
                                   uint64_t *out_version)
{
    enum sherd_err err = update_once(vault, id, version_expected, meta, content, out_version);

    for (unsigned i = 1; i < UPDATE_ATTEMPTS_MAX && err == SHERD_ERR_CONFLICT && version_expected == 0; i++)
        err = update_once(vault, id, version_expected, meta, content, out_version);
    return err;
}

enum sherd_err sherd_record_update(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version_expected,
                                   const struct sherd_record_meta *meta, struct sherd_span content,
                                   uint64_t *out_version)
{
    struct sherd_writer *writer;

    SHERD_TRY(check_given(vault, content));
    if (is_small(meta, content, true))
        return update_small(vault, id, version_expected, meta, content, out_version);
    SHERD_TRY(sherd_writer_begin_update(vault, id, version_expected, meta, &writer));
    return write_through(writer, content, NULL, out_version);
}

static void versions_done(struct sherd_version *versions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sherd_version_done(&versions[i]);
    sherd_free(versions);
}

/* A batch whose records are being sealed, by all threads. */
struct batch {
    struct sherd_vault *vault;
    const struct sherd_batch_item *items;
    struct sherd_version *versions;
};

static enum sherd_err seal_item(void *arg, size_t index)
{
    const struct batch *batch = arg;
    const struct sherd_batch_item *item = &batch->items[index];
    struct sherd_version *version = &batch->versions[index];

    SHERD_ENSURE(item->content.len <= SHERD_BATCH_CONTENT_BYTES_MAX, SHERD_ERR_LIMIT,
                 "contents in a batch have at most 64 KiB: put longer ones by themselves");
    SHERD_ENSURE(
        item->meta == NULL || item->meta->recipient == NULL || item->content.len <= SHERD_BATCH_SEALED_BYTES_MAX,
        SHERD_ERR_LIMIT,
        "contents in a batch that are sealed to a recipient have at most 62 KiB: put longer ones by themselves");
    SHERD_ENSURE(item->meta == NULL || item->meta->idempotency_key.len == 0, SHERD_ERR_INVALID,
                 "idempotency keys are not for batches");
    SHERD_TRY(check_given(batch->vault, item->content));
    SHERD_TRY(sherd_version_begin(batch->vault, item->meta, version));
    return sherd_version_seal_small(batch->vault, version, item->content);
}

static enum sherd_err put_batch(struct sherd_vault *vault, struct sherd_batch_item *items, size_t count,
                                struct sherd_version *versions)
{
    struct batch batch = {vault, items, versions};

    SHERD_TRY(sherd_pool_each(vault->pool, count, seal_item, &batch));
    SHERD_TRY(sherd_version_commit(vault, versions, count));
    for (size_t i = 0; i < count; i++)
        items[i].id = versions[i].map.record;
    return SHERD_OK;
}

enum sherd_err sherd_record_put_batch(struct sherd_vault *vault, struct sherd_batch_item *items, size_t count)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(items != NULL && count >= 1 && count <= SHERD_BATCH_ITEMS_MAX, SHERD_ERR_INVALID,
                 "a batch has 1 to 1024 records");
    struct sherd_version *versions = sherd_alloc_array(count, sizeof(*versions));
    if (versions == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = put_batch(vault, items, count, versions);
    versions_done(versions, count);
    return err;
}

/* Contents of a blob, or sealed, read through a reader into the room that the buffer has made for them. */
static enum sherd_err get_long(struct sherd_vault *vault, struct sherd_uuid id,
                               const struct sherd_read_options *options, struct sherd_buf *out_content)
{
    struct sherd_reader *reader;
    uint64_t content_bytes;
    size_t got = 0;

    SHERD_TRY(sherd_reader_open_with(vault, id, options, &reader, &content_bytes));
    enum sherd_err err = content_bytes <= SIZE_MAX ? sherd_buf_reserve(out_content, (size_t)content_bytes)
                                                   : sherd_fail(SHERD_ERR_LIMIT, "the contents do not fit memory");
    if (err == SHERD_OK)
        err = sherd_reader_read(reader, 0, out_content->data + out_content->len, (size_t)content_bytes, &got);
    if (err == SHERD_OK)
        out_content->len += got;
    sherd_reader_close(reader);
    return err;
}

static enum sherd_err get_small(const struct sherd_loaded *loaded, struct sherd_buf *out_content)
{
    const size_t room = loaded->fragment.len;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(room);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf padded = sherd_buf_borrow(block, room);
    SHERD_TRY(sherd_loaded_open_inline(loaded, &padded));
    return sherd_buf_append(out_content, sherd_span_of(padded.data, (size_t)loaded->map.content_bytes));
}

enum sherd_err sherd_record_get_with(struct sherd_vault *vault, struct sherd_uuid id,
                                     const struct sherd_read_options *options, struct sherd_buf *out_content)
{
    static const struct sherd_read_options defaults = {0};
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_content != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    if (options == NULL)
        options = &defaults;
    SHERD_TRY(sherd_load(vault, id, options->version, &loaded));
    if (loaded.map.blob || loaded.map.recipient.len > 0)
        return get_long(vault, id, options, out_content);
    SHERD_TRY(get_small(&loaded, out_content));
    return options->notice != NULL ? sherd_read_notice(vault, &loaded.view, options->notice) : SHERD_OK;
}

enum sherd_err sherd_record_get(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                                struct sherd_buf *out_content)
{
    const struct sherd_read_options options = {.version = version};

    return sherd_record_get_with(vault, id, &options, out_content);
}

enum sherd_err sherd_record_delete(struct sherd_vault *vault, struct sherd_uuid id)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs dropped = {0};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_FAILPOINT("delete.before_pin");
    SHERD_TRY(vault->anchor->ops->pin_delete(vault->anchor, id, &dropped));
    atomic_store_explicit(&vault->wrote, true, memory_order_relaxed);
    SHERD_FAILPOINT("delete.after_pin");
    const enum sherd_err err = sherd_version_drop(vault, &dropped);
    if (err == SHERD_ERR_IO) {
        char cause[SHERD_FAIL_TEXT_SIZE];

        (void)snprintf(cause, sizeof(cause), "%s", sherd_err_detail());
        return sherd_fail(err, "the record is deleted, but not all that it left: run `sherd sweep`; %s", cause);
    }
    SHERD_TRY(err);
    SHERD_FAILPOINT("delete.after_assets");
    return SHERD_OK;
}
