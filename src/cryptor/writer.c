/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents as a stream, on their way in.
 *
 * Plaintext is gathered in slots of SLOT_CHUNKS chunks. A full slot is sealed and hashed by a thread of the pool while
 * the caller fills the next; sealed slots are appended to the blob in their order, by whichever thread finished the one
 * whose turn it is. What never fills a slot, and fits, is stored as an entry and costs no thread.
 */
#include "cryptor/writer.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/merkle.h"
#include "cryptor/rows.h"
#include "cryptor/sealed.h"
#include <stdio.h>
#include <string.h>

#define SLOT_CHUNKS ((size_t)16)
#define SLOT_BYTES (SLOT_CHUNKS * SHERD_AEAD_CHUNK_SIZE)
/* One more chunk than a slot is full of: the short one that ends a message. */
#define SLOT_SEALED_BYTES ((SLOT_CHUNKS + 1) * SHERD_AEAD_SEALED_CHUNK_SIZE)
#define SLOTS_MAX (2U * SHERD_POOL_THREADS_MAX + 2U)

enum slot_state {
    SLOT_FREE, /* or being filled by the caller */
    SLOT_QUEUED,
    SLOT_SEALED,
};

struct slot {
    struct sherd_job job; /* first */
    struct sherd_writer *writer;
    enum slot_state state;
    struct sherd_aead_message *message;
    uint8_t *plain; /* secret memory */
    uint8_t *sealed;
    struct sherd_span source; /* what is to be sealed: plain, or the caller's bytes */
    bool last;                /* ends with the short chunk */
    uint64_t first_chunk;
    size_t sealed_bytes;
    size_t leaf_count;
    struct sherd_digest leaves[SLOT_CHUNKS + 1];
};

struct sherd_writer {
    struct sherd_vault *vault;
    struct sherd_version version;
    struct sherd_hasher *hasher; /* of the contents; only with an idempotency key */
    struct sherd_sealer *sealer; /* to the recipient; NULL for none */
    uint64_t content_bytes;      /* of what a recipient's contents are sealed in, where there is one */
    bool streaming;              /* the blob was begun */
    struct sherd_merkle tree;
    struct sherd_aead_message *message;
    uint64_t next_chunk;
    size_t fill; /* bytes in the slot that is being filled */
    unsigned slot_count;
    uint64_t next_fill;   /* number of the slot that is being filled; its place is that modulo slot_count */
    uint64_t next_append; /* number of the slot whose turn it is to be appended */
    bool appending;
    pthread_mutex_t lock; /* guards states, next_append, appending, err */
    pthread_cond_t changed;
    enum sherd_err err;
    char detail[SHERD_FAIL_TEXT_SIZE];
    struct slot slots[SLOTS_MAX];
};

static struct slot *slot_at(struct sherd_writer *writer, uint64_t number)
{
    return &writer->slots[number % writer->slot_count];
}

/* Keep the first failure. Called under the lock. */
static void note_failure(struct sherd_writer *writer, enum sherd_err err)
{
    if (err == SHERD_OK || writer->err != SHERD_OK)
        return;
    writer->err = err;
    (void)snprintf(writer->detail, sizeof(writer->detail), "%s", sherd_err_detail());
}

static enum sherd_err failure_of(struct sherd_writer *writer)
{
    (void)pthread_mutex_lock(&writer->lock);
    const enum sherd_err err = writer->err;
    if (err != SHERD_OK)
        sherd_fail_restore(writer->detail);
    (void)pthread_mutex_unlock(&writer->lock);
    return err;
}

/* Seal one chunk behind those before it, and hash it. */
static enum sherd_err seal_chunk(struct slot *slot, struct sherd_span plain)
{
    uint8_t *out = slot->sealed + slot->sealed_bytes;
    const size_t bytes = plain.len + SHERD_AEAD_TAG_SIZE;

    SHERD_TRY(sherd_aead_chunk_seal(slot->message, slot->first_chunk + slot->leaf_count, plain, out));
    SHERD_TRY(sherd_merkle_leaf(sherd_span_of(out, bytes), &slot->leaves[slot->leaf_count]));
    slot->leaf_count++;
    slot->sealed_bytes += bytes;
    return SHERD_OK;
}

/* Seal the chunks of a slot: full ones, and in the last slot the short one that ends the message. */
static enum sherd_err seal_slot(struct slot *slot)
{
    const size_t full_chunks = slot->source.len / SHERD_AEAD_CHUNK_SIZE;
    const size_t full_bytes = full_chunks * SHERD_AEAD_CHUNK_SIZE;

    slot->leaf_count = 0;
    slot->sealed_bytes = 0;
    for (size_t i = 0; i < full_chunks; i++)
        SHERD_TRY(seal_chunk(slot,
                             sherd_span_of(slot->source.data + i * SHERD_AEAD_CHUNK_SIZE, SHERD_AEAD_CHUNK_SIZE)));
    if (!slot->last)
        return SHERD_OK;
    return seal_chunk(slot, sherd_span_of(slot->source.data + full_bytes, slot->source.len - full_bytes));
}

static enum sherd_err append_slot(struct sherd_writer *writer, const struct slot *slot)
{
    SHERD_TRY(sherd_blob_append(writer->version.blob, sherd_span_of(slot->sealed, slot->sealed_bytes)));
    for (size_t i = 0; i < slot->leaf_count; i++)
        SHERD_TRY(sherd_merkle_add(&writer->tree, &slot->leaves[i]));
    return SHERD_OK;
}

/* Append all sealed slots whose turn it is, unless another thread is at it. Called under the lock. */
static void append_in_order(struct sherd_writer *writer)
{
    while (!writer->appending && slot_at(writer, writer->next_append)->state == SLOT_SEALED) {
        struct slot *slot = slot_at(writer, writer->next_append);
        enum sherd_err err = writer->err;

        writer->appending = true;
        (void)pthread_mutex_unlock(&writer->lock);
        if (err == SHERD_OK)
            err = append_slot(writer, slot);
        (void)pthread_mutex_lock(&writer->lock);
        note_failure(writer, err);
        slot->state = SLOT_FREE;
        writer->next_append++;
        writer->appending = false;
        (void)pthread_cond_broadcast(&writer->changed);
    }
}

static void run_slot(struct sherd_job *job)
{
    struct slot *slot = (struct slot *)job;
    struct sherd_writer *writer = slot->writer;
    const enum sherd_err err = seal_slot(slot);

    (void)pthread_mutex_lock(&writer->lock);
    note_failure(writer, err);
    slot->state = SLOT_SEALED;
    append_in_order(writer);
    (void)pthread_cond_broadcast(&writer->changed);
    (void)pthread_mutex_unlock(&writer->lock);
}

/* Wait until the slot that comes next is free, and see that it has its memory. */
static enum sherd_err ready_slot(struct sherd_writer *writer)
{
    struct slot *slot = slot_at(writer, writer->next_fill);

    (void)pthread_mutex_lock(&writer->lock);
    while (slot->state != SLOT_FREE)
        (void)pthread_cond_wait(&writer->changed, &writer->lock);
    (void)pthread_mutex_unlock(&writer->lock);
    slot->writer = writer;
    slot->job.run = run_slot;
    if (slot->plain == NULL)
        slot->plain = sherd_secret_alloc(SLOT_BYTES);
    return slot->plain == NULL ? SHERD_ERR_NO_MEMORY : failure_of(writer);
}

/* Begin the blob: its head, which is leaf 0, and the message that seals its chunks. */
static enum sherd_err begin_blob(struct sherd_writer *writer)
{
    struct sherd_version *version = &writer->version;
    uint8_t head[SHERD_FRAGMENT_HEAD_SIZE];
    struct sherd_context context;
    struct sherd_digest leaf;

    SHERD_ENSURE(!version->collection.rules.readable, SHERD_ERR_LIMIT, SHERD_ROW_TOO_LONG);
    sherd_content_context(writer->vault, &version->change.pin, &context);
    sherd_fragment_prefix_encode(&version->keys->in_secrets, head);
    SHERD_TRY(sherd_aead_message_seal_begin(version->keys->content.bytes, sherd_context_span(&context),
                                            head + SHERD_FRAGMENT_PREFIX_SIZE, &writer->message));
    SHERD_TRY(sherd_compartment_blob_create(writer->vault->secrets, &version->blob));
    SHERD_TRY(sherd_blob_append(version->blob, sherd_span_of(head, sizeof(head))));
    SHERD_TRY(sherd_merkle_leaf(sherd_span_of(head, sizeof(head)), &leaf));
    SHERD_TRY(sherd_merkle_add(&writer->tree, &leaf));
    writer->streaming = true;
    return SHERD_OK;
}

/* Hand the slot that is being filled to the pool. */
static enum sherd_err submit_slot(struct sherd_writer *writer, struct sherd_span source, bool last)
{
    struct slot *slot = slot_at(writer, writer->next_fill);

    if (!writer->streaming)
        SHERD_TRY(begin_blob(writer));
    if (slot->sealed == NULL)
        slot->sealed = sherd_alloc(SLOT_SEALED_BYTES);
    if (slot->sealed == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (slot->message == NULL)
        SHERD_TRY(sherd_aead_message_clone(writer->message, &slot->message));
    slot->source = source;
    slot->last = last;
    slot->first_chunk = writer->next_chunk;
    writer->next_chunk += source.len / SHERD_AEAD_CHUNK_SIZE;
    writer->next_fill++;
    writer->fill = 0;
    (void)pthread_mutex_lock(&writer->lock); /* a thread that appends may be looking at this slot's state */
    slot->state = SLOT_QUEUED;
    (void)pthread_mutex_unlock(&writer->lock);
    sherd_pool_submit(writer->vault->pool, &slot->job);
    return SHERD_OK;
}

static enum sherd_err submit_filled(struct sherd_writer *writer, bool last)
{
    return submit_slot(writer, sherd_span_of(slot_at(writer, writer->next_fill)->plain, writer->fill), last);
}

/* Copy bytes (zeros if bytes.data is NULL) into slots; a slot is handed over once it is full and more comes. */
static enum sherd_err append_copied(struct sherd_writer *writer, struct sherd_span bytes)
{
    while (bytes.len > 0) {
        if (writer->fill == SLOT_BYTES)
            SHERD_TRY(submit_filled(writer, false));
        if (writer->fill == 0)
            SHERD_TRY(ready_slot(writer));
        const size_t room = SLOT_BYTES - writer->fill;
        const size_t len = bytes.len < room ? bytes.len : room;
        uint8_t *place = slot_at(writer, writer->next_fill)->plain + writer->fill;

        if (bytes.data != NULL) {
            memcpy(place, bytes.data, len);
            bytes.data += len;
        } else {
            memset(place, 0, len);
        }
        bytes.len -= len;
        writer->fill += len;
    }
    return SHERD_OK;
}

static enum sherd_err count_content(struct sherd_writer *writer, struct sherd_span bytes)
{
    SHERD_ENSURE(bytes.len <= SHERD_CONTENT_BYTES_MAX - writer->content_bytes, SHERD_ERR_LIMIT,
                 "contents have at most 1 PiB");
    writer->content_bytes += bytes.len;
    return writer->hasher != NULL ? sherd_hasher_update(writer->hasher, bytes) : SHERD_OK;
}

/* After a failure nothing is appended any more. */
static enum sherd_err keep_failure(struct sherd_writer *writer, enum sherd_err err)
{
    (void)pthread_mutex_lock(&writer->lock);
    note_failure(writer, err);
    (void)pthread_mutex_unlock(&writer->lock);
    return err;
}

/* What goes into the fragment: contents, or what they are sealed in. Also a sink of sherd_sealer_begin(). */
static enum sherd_err append_counted(void *arg, struct sherd_span bytes)
{
    struct sherd_writer *writer = arg;

    SHERD_TRY(count_content(writer, bytes));
    return bytes.len > 0 ? append_copied(writer, bytes) : SHERD_OK;
}

static enum sherd_err begin_sealer(struct sherd_writer *writer)
{
    const struct sherd_version *version = &writer->version;
    struct sherd_kem_public recipient;
    struct sherd_context context;

    if (version->map.recipient.len == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_recipient_decode(version->map.recipient, &recipient));
    SHERD_TRY(sherd_sealed_check_kem(writer->vault, recipient.kem));
    sherd_sealed_context(writer->vault, &version->change.pin, &context);
    return sherd_sealer_begin(&recipient, &context, append_counted, writer, &writer->sealer);
}

enum sherd_err sherd_writer_append(struct sherd_writer *writer, struct sherd_span bytes)
{
    SHERD_ENSURE(writer != NULL && (bytes.data != NULL || bytes.len == 0), SHERD_ERR_INVALID, "bytes are needed");
    SHERD_TRY(sherd_vault_check(writer->vault));
    SHERD_TRY(failure_of(writer));
    return keep_failure(writer, writer->sealer != NULL ? sherd_sealer_append(writer->sealer, bytes)
                                                       : append_counted(writer, bytes));
}

enum sherd_err sherd_writer_append_lent(struct sherd_writer *writer, struct sherd_span bytes)
{
    if (writer->sealer != NULL)
        return sherd_writer_append(writer, bytes);
    enum sherd_err err = count_content(writer, bytes);

    while (err == SHERD_OK && writer->fill == 0 && bytes.len >= SLOT_BYTES) {
        err = ready_slot(writer);
        if (err == SHERD_OK)
            err = submit_slot(writer, sherd_span_of(bytes.data, SLOT_BYTES), false);
        bytes.data += SLOT_BYTES;
        bytes.len -= SLOT_BYTES;
    }
    if (err == SHERD_OK && bytes.len > 0)
        err = append_copied(writer, bytes);
    return keep_failure(writer, err);
}

/* Wait until nothing of this writer is queued or running. */
static enum sherd_err wait_for_slots(struct sherd_writer *writer)
{
    (void)pthread_mutex_lock(&writer->lock);
    while (writer->next_append < writer->next_fill)
        (void)pthread_cond_wait(&writer->changed, &writer->lock);
    (void)pthread_mutex_unlock(&writer->lock);
    return failure_of(writer);
}

/* Padding, the short chunk that ends the message, and the digest. */
static enum sherd_err finish_blob(struct sherd_writer *writer)
{
    struct sherd_version *version = &writer->version;
    struct sherd_digest digest;
    const uint64_t padded_bytes = sherd_fragment_padded_bytes(writer->content_bytes,
                                                              version->collection.rules.exact_sizes);

    for (uint64_t left = padded_bytes - writer->content_bytes; left > 0;) {
        const size_t len = left < SLOT_BYTES ? (size_t)left : SLOT_BYTES;

        SHERD_TRY(append_copied(writer, sherd_span_of(NULL, len)));
        left -= len;
    }
    if (writer->fill == 0)
        SHERD_TRY(ready_slot(writer));
    SHERD_TRY(submit_filled(writer, true));
    SHERD_TRY(wait_for_slots(writer));
    SHERD_TRY(sherd_merkle_root(&writer->tree, &digest));
    return sherd_version_sealed(writer->vault, version, writer->content_bytes, sherd_fragment_bytes(padded_bytes),
                                &digest);
}

static enum sherd_err finish(struct sherd_writer *writer)
{
    SHERD_TRY(failure_of(writer));
    if (writer->sealer != NULL)
        SHERD_TRY(keep_failure(writer, sherd_sealer_finish(writer->sealer)));
    if (writer->hasher != NULL)
        SHERD_TRY(sherd_hasher_final(writer->hasher, writer->version.change.content_hash.bytes));
    if (writer->streaming || writer->content_bytes > SHERD_INLINE_BYTES_MAX)
        return finish_blob(writer);
    return sherd_version_seal_inline(writer->vault, &writer->version,
                                     sherd_span_of(writer->slots[0].plain, (size_t)writer->content_bytes));
}

/* The record that the idempotency key has made already. @return SHERD_ERR_NOT_FOUND: it has made none */
static enum sherd_err made_before(struct sherd_writer *writer, struct sherd_uuid *out_id)
{
    const struct sherd_pin_change *change = &writer->version.change;
    struct sherd_anchor *anchor = writer->vault->anchor;

    if (change->idempotency_key.len == 0)
        return SHERD_ERR_NOT_FOUND;
    return anchor->ops->idempotency_get(anchor, &writer->version.collection.id, change->idempotency_key,
                                        &change->content_hash, out_id);
}

static enum sherd_err commit(struct sherd_writer *writer, struct sherd_uuid *out_id)
{
    SHERD_TRY(finish(writer));
    enum sherd_err err = made_before(writer, out_id);
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    err = sherd_version_commit(writer->vault, &writer->version, 1);
    if (err == SHERD_ERR_CONFLICT && writer->version.change.idempotency_key.len > 0) {
        err = made_before(writer, out_id); /* another put with the same key was faster */
        if (err == SHERD_ERR_NOT_FOUND)
            err = sherd_fail(SHERD_ERR_CONFLICT, "a record with that idempotency key came and went meanwhile: retry");
        return err;
    }
    SHERD_TRY(err);
    *out_id = writer->version.map.record;
    return SHERD_OK;
}

static void writer_free(struct sherd_writer *writer)
{
    (void)wait_for_slots(writer);
    for (unsigned i = 0; i < writer->slot_count; i++) {
        sherd_aead_message_free(writer->slots[i].message);
        sherd_secret_free(writer->slots[i].plain);
        sherd_free(writer->slots[i].sealed);
    }
    sherd_aead_message_free(writer->message);
    sherd_hasher_free(writer->hasher);
    sherd_sealer_free(writer->sealer);
    sherd_version_done(&writer->version);
    (void)pthread_cond_destroy(&writer->changed);
    (void)pthread_mutex_destroy(&writer->lock);
    sherd_free(writer);
}

enum sherd_err sherd_writer_commit(struct sherd_writer *writer, struct sherd_uuid *out_id, uint64_t *out_version)
{
    struct sherd_uuid id;

    SHERD_ENSURE(writer != NULL, SHERD_ERR_INVALID, "a writer is needed");
    SHERD_TRY(sherd_vault_check(writer->vault));
    const enum sherd_err err = commit(writer, &id);
    if (err == SHERD_OK && out_id != NULL)
        *out_id = id;
    if (err == SHERD_OK && out_version != NULL)
        *out_version = writer->version.map.version;
    char detail[SHERD_FAIL_TEXT_SIZE];
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    writer_free(writer);
    if (err != SHERD_OK)
        sherd_fail_restore(detail);
    return err;
}

void sherd_writer_abort(struct sherd_writer *writer)
{
    if (writer != NULL && !sherd_fork_passed(writer->vault->fork_count))
        writer_free(writer);
}

static enum sherd_err writer_new(struct sherd_vault *vault, struct sherd_writer **out_writer)
{
    struct sherd_writer *writer = sherd_alloc(sizeof(*writer));

    if (writer == NULL)
        return SHERD_ERR_NO_MEMORY;
    writer->vault = vault;
    writer->slot_count = 2 * sherd_pool_threads(vault->pool) + 2;
    if (pthread_mutex_init(&writer->lock, NULL) != 0 || pthread_cond_init(&writer->changed, NULL) != 0) {
        sherd_free(writer);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_writer = writer;
    return SHERD_OK;
}

enum sherd_err sherd_writer_begin(struct sherd_vault *vault, const struct sherd_record_meta *meta,
                                  struct sherd_writer **out_writer)
{
    struct sherd_writer *writer;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_writer != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(writer_new(vault, &writer));
    enum sherd_err err = sherd_version_begin(vault, meta, &writer->version);
    if (err == SHERD_OK && writer->version.change.idempotency_key.len > 0)
        err = sherd_hasher_new(SHERD_SHA256, &writer->hasher);
    if (err == SHERD_OK)
        err = begin_sealer(writer);
    if (err != SHERD_OK) {
        writer_free(writer);
        return err;
    }
    *out_writer = writer;
    return SHERD_OK;
}

enum sherd_err sherd_writer_begin_update(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version_expected,
                                         const struct sherd_record_meta *meta, struct sherd_writer **out_writer)
{
    struct sherd_writer *writer;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_writer != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(writer_new(vault, &writer));
    enum sherd_err err = sherd_version_begin_update(vault, id, version_expected, meta, &writer->version);
    if (err == SHERD_OK)
        err = begin_sealer(writer);
    if (err != SHERD_OK) {
        writer_free(writer);
        return err;
    }
    *out_writer = writer;
    return SHERD_OK;
}

enum sherd_err sherd_writer_begin_anew(struct sherd_vault *vault, const struct sherd_loaded *loaded,
                                       struct sherd_writer **out_writer)
{
    struct sherd_writer *writer;

    SHERD_TRY(writer_new(vault, &writer));
    const enum sherd_err err = sherd_version_begin_anew(vault, loaded, &writer->version);
    if (err != SHERD_OK) {
        writer_free(writer);
        return err;
    }
    *out_writer = writer;
    return SHERD_OK;
}
