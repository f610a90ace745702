/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents on their way out, in ranges.
 *
 * Contents that lie in an entry are opened once and kept. Of a blob, the chunks that a range covers whole are opened
 * straight into the caller's block, in stripes, on all threads of the pool; the chunks at its edges go through a chunk
 * of our own, which is kept, so that reading on in small steps opens no chunk twice.
 *
 * What is sealed to a recipient is such contents, and lies behind one more door: an opener, which reads them as above.
 */
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/load.h"
#include "cryptor/sealed.h"
#include <string.h>

#define STRIPE_CHUNKS ((size_t)16)
#define STRIPE_SEALED_BYTES (STRIPE_CHUNKS * SHERD_AEAD_SEALED_CHUNK_SIZE)

/* What one thread needs to open a stripe. */
struct lane {
    bool taken;
    struct sherd_aead_message *message;
    uint8_t *sealed; /* STRIPE_SEALED_BYTES */
};

struct sherd_reader {
    struct sherd_vault *vault;
    struct sherd_loaded loaded;
    struct sherd_buf inline_plain;      /* over secret memory */
    struct sherd_aead_message *message; /* of a blob */
    uint64_t plain_bytes;               /* of a blob, padding included */
    struct sherd_opener *opener;        /* of what is sealed to a recipient; NULL for none */
    uint64_t content_bytes;             /* of what the caller reads */
    uint8_t *edge;                      /* one opened chunk, in secret memory */
    uint64_t edge_index;
    bool edge_valid;
    pthread_mutex_t lock; /* guards lanes[].taken */
    struct lane lanes[SHERD_POOL_THREADS_MAX + 1];
};

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the record does not verify: its contents in secrets were changed");
}

static enum sherd_err read_sealed(struct sherd_reader *reader, uint64_t offset, uint8_t *block, size_t bytes)
{
    const enum sherd_err err = sherd_blob_read(reader->loaded.blob, offset, block, bytes);

    return err == SHERD_ERR_LIMIT ? tampered() : err; /* it was cut after it was opened */
}

static struct lane *take_lane(struct sherd_reader *reader)
{
    struct lane *lane = NULL;

    (void)pthread_mutex_lock(&reader->lock);
    for (size_t i = 0; i < SHERD_COUNT_OF(reader->lanes) && lane == NULL; i++)
        if (!reader->lanes[i].taken)
            lane = &reader->lanes[i];
    if (lane == NULL)
        sherd_bug("more threads read than the pool has");
    lane->taken = true;
    (void)pthread_mutex_unlock(&reader->lock);
    return lane;
}

static void give_lane(struct sherd_reader *reader, struct lane *lane)
{
    (void)pthread_mutex_lock(&reader->lock);
    lane->taken = false;
    (void)pthread_mutex_unlock(&reader->lock);
}

static enum sherd_err ready_lane(struct sherd_reader *reader, struct lane *lane)
{
    if (lane->message == NULL)
        SHERD_TRY(sherd_aead_message_clone(reader->message, &lane->message));
    if (lane->sealed == NULL)
        lane->sealed = sherd_alloc(STRIPE_SEALED_BYTES);
    return lane->sealed == NULL ? SHERD_ERR_NO_MEMORY : SHERD_OK;
}

/* A range of whole, full chunks that goes straight into the caller's block. */
struct body {
    struct sherd_reader *reader;
    uint64_t first_chunk;
    uint64_t chunk_count;
    uint8_t *block;
};

static enum sherd_err open_chunks(struct lane *lane, struct sherd_reader *reader, uint64_t first, size_t count,
                                  uint8_t *out)
{
    SHERD_TRY(ready_lane(reader, lane));
    SHERD_TRY(read_sealed(reader, sherd_fragment_chunk_offset(first), lane->sealed,
                          count * SHERD_AEAD_SEALED_CHUNK_SIZE));
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(sherd_aead_chunk_open(lane->message, first + i,
                                        sherd_span_of(lane->sealed + i * SHERD_AEAD_SEALED_CHUNK_SIZE,
                                                      SHERD_AEAD_SEALED_CHUNK_SIZE),
                                        out + i * SHERD_AEAD_CHUNK_SIZE));
    return SHERD_OK;
}

static enum sherd_err open_stripe(void *arg, size_t index)
{
    const struct body *body = arg;
    const uint64_t first = index * STRIPE_CHUNKS;
    const uint64_t left = body->chunk_count - first;
    const size_t count = left < STRIPE_CHUNKS ? (size_t)left : STRIPE_CHUNKS;
    struct lane *lane = take_lane(body->reader);

    const enum sherd_err err = open_chunks(lane, body->reader, body->first_chunk + first, count,
                                           body->block + first * SHERD_AEAD_CHUNK_SIZE);
    give_lane(body->reader, lane);
    return err;
}

/* Open one chunk into reader->edge, unless it is there. @param[out] out_bytes  its plaintext bytes */
static enum sherd_err open_edge(struct sherd_reader *reader, uint64_t index, size_t *out_bytes)
{
    const uint64_t left = reader->plain_bytes - index * SHERD_AEAD_CHUNK_SIZE;
    const size_t bytes = left < SHERD_AEAD_CHUNK_SIZE ? (size_t)left : SHERD_AEAD_CHUNK_SIZE;
    struct lane *lane = &reader->lanes[0]; /* nobody else reads now */

    *out_bytes = bytes;
    if (reader->edge_valid && reader->edge_index == index)
        return SHERD_OK;
    if (reader->edge == NULL)
        reader->edge = sherd_secret_alloc(SHERD_AEAD_CHUNK_SIZE);
    if (reader->edge == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(ready_lane(reader, lane));
    reader->edge_valid = false;
    SHERD_TRY(read_sealed(reader, sherd_fragment_chunk_offset(index), lane->sealed, bytes + SHERD_AEAD_TAG_SIZE));
    SHERD_TRY(sherd_aead_chunk_open(lane->message, index, sherd_span_of(lane->sealed, bytes + SHERD_AEAD_TAG_SIZE),
                                    reader->edge));
    reader->edge_index = index;
    reader->edge_valid = true;
    return SHERD_OK;
}

/* Copy what a range has of the chunk that it begins in. */
static enum sherd_err read_edge(struct sherd_reader *reader, uint64_t offset, uint8_t *block, size_t bytes,
                                size_t *out_bytes)
{
    const uint64_t index = offset / SHERD_AEAD_CHUNK_SIZE;
    const size_t skip = (size_t)(offset % SHERD_AEAD_CHUNK_SIZE);
    size_t chunk_bytes;

    SHERD_TRY(open_edge(reader, index, &chunk_bytes));
    const size_t there = chunk_bytes - skip;
    *out_bytes = bytes < there ? bytes : there;
    memcpy(block, reader->edge + skip, *out_bytes);
    return SHERD_OK;
}

/* Whole chunks at the front of a range; none unless it begins at a chunk. */
static enum sherd_err read_body(struct sherd_reader *reader, uint64_t offset, uint8_t *block, size_t bytes,
                                size_t *out_bytes)
{
    struct body body = {.reader = reader, .first_chunk = offset / SHERD_AEAD_CHUNK_SIZE, .block = block};

    *out_bytes = 0;
    if (offset % SHERD_AEAD_CHUNK_SIZE != 0 || bytes < SHERD_AEAD_CHUNK_SIZE)
        return SHERD_OK;
    body.chunk_count = bytes / SHERD_AEAD_CHUNK_SIZE;
    *out_bytes = (size_t)body.chunk_count * SHERD_AEAD_CHUNK_SIZE;
    const uint64_t stripes = (body.chunk_count + STRIPE_CHUNKS - 1) / STRIPE_CHUNKS;
    return sherd_pool_each(reader->vault->pool, (size_t)stripes, open_stripe, &body);
}

static enum sherd_err read_blob(struct sherd_reader *reader, uint64_t offset, uint8_t *block, size_t bytes)
{
    while (bytes > 0) {
        size_t done;

        SHERD_TRY(read_body(reader, offset, block, bytes, &done));
        if (done == 0)
            SHERD_TRY(read_edge(reader, offset, block, bytes, &done));
        offset += done;
        block += done;
        bytes -= done;
    }
    return SHERD_OK;
}

/* Contents as the vault keeps them; the range lies within. Also the source of sherd_opener_begin(). */
static enum sherd_err read_kept(void *arg, uint64_t offset, uint8_t *block, size_t bytes)
{
    struct sherd_reader *reader = arg;

    if (reader->loaded.map.blob)
        return read_blob(reader, offset, block, bytes);
    memcpy(block, reader->inline_plain.data + offset, bytes);
    return SHERD_OK;
}

enum sherd_err sherd_reader_read(struct sherd_reader *reader, uint64_t offset, void *block, size_t bytes_max,
                                 size_t *out_bytes)
{
    SHERD_ENSURE(reader != NULL && (block != NULL || bytes_max == 0) && out_bytes != NULL, SHERD_ERR_INVALID,
                 "a reader and a block are needed");
    SHERD_TRY(sherd_vault_check(reader->vault));
    const uint64_t left = offset < reader->content_bytes ? reader->content_bytes - offset : 0;
    const size_t bytes = left < bytes_max ? (size_t)left : bytes_max;

    if (bytes > 0) {
        const enum sherd_err err = reader->opener != NULL ? sherd_opener_read(reader->opener, offset, block, bytes)
                                                          : read_kept(reader, offset, block, bytes);

        if (err != SHERD_OK) {
            sherd_wipe(block, bytes);
            return err;
        }
    }
    *out_bytes = bytes;
    return SHERD_OK;
}

static enum sherd_err open_blob(struct sherd_reader *reader)
{
    const struct sherd_loaded *loaded = &reader->loaded;

    SHERD_TRY(sherd_aead_plain_bytes(loaded->map.fragment_bytes - SHERD_FRAGMENT_PREFIX_SIZE, &reader->plain_bytes));
    if (reader->plain_bytes < loaded->map.content_bytes)
        return tampered();
    return sherd_aead_message_open_begin(loaded->keys->content.bytes, sherd_context_span(&loaded->context),
                                         sherd_span_of(loaded->head + SHERD_FRAGMENT_PREFIX_SIZE,
                                                       SHERD_AEAD_HEADER_SIZE),
                                         &reader->message);
}

static enum sherd_err open_inline(struct sherd_reader *reader)
{
    const size_t room = reader->loaded.fragment.len;
    uint8_t *block = sherd_secret_alloc(room);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    reader->inline_plain = sherd_buf_borrow(block, room);
    return sherd_loaded_open_inline(&reader->loaded, &reader->inline_plain);
}

/* Find how long contents are that the caller reads, and open the door behind which they lie, if there is one. */
static enum sherd_err open_sealed(struct sherd_reader *reader, const struct sherd_read_options *options)
{
    const struct sherd_loaded *loaded = &reader->loaded;
    struct sherd_kem_public recipient;
    struct sherd_context context;
    const struct sherd_sealed_stream stream = {&recipient, &context, loaded->map.content_bytes, read_kept, reader};

    reader->content_bytes = loaded->map.content_bytes;
    if (loaded->map.recipient.len == 0 || options->raw)
        return SHERD_OK;
    SHERD_TRY(sherd_recipient_decode(loaded->map.recipient, &recipient));
    if (options->identity != NULL)
        SHERD_TRY(sherd_sealed_check_kem(reader->vault, recipient.kem));
    sherd_sealed_context(reader->vault, &loaded->view.pin, &context);
    return sherd_opener_begin(options->identity, &stream, &reader->opener, &reader->content_bytes);
}

enum sherd_err sherd_reader_open_with(struct sherd_vault *vault, struct sherd_uuid id,
                                      const struct sherd_read_options *options, struct sherd_reader **out_reader,
                                      uint64_t *out_content_bytes)
{
    static const struct sherd_read_options defaults = {0};

    if (options == NULL)
        options = &defaults;
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_reader != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    struct sherd_reader *reader = sherd_alloc(sizeof(*reader));
    if (reader == NULL)
        return SHERD_ERR_NO_MEMORY;
    reader->vault = vault;
    if (pthread_mutex_init(&reader->lock, NULL) != 0) {
        sherd_free(reader);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    enum sherd_err err = sherd_load(vault, id, options->version, &reader->loaded);
    if (err == SHERD_OK)
        err = reader->loaded.map.blob ? open_blob(reader) : open_inline(reader);
    if (err == SHERD_OK)
        err = open_sealed(reader, options);
    if (err == SHERD_OK && options->notice != NULL)
        err = sherd_read_notice(vault, &reader->loaded.view, options->notice);
    if (err != SHERD_OK) {
        sherd_reader_close(reader);
        return err;
    }
    if (out_content_bytes != NULL)
        *out_content_bytes = reader->content_bytes;
    *out_reader = reader;
    return SHERD_OK;
}

enum sherd_err sherd_reader_open(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                                 struct sherd_reader **out_reader, uint64_t *out_content_bytes)
{
    const struct sherd_read_options options = {.version = version};

    return sherd_reader_open_with(vault, id, &options, out_reader, out_content_bytes);
}

enum sherd_err sherd_reader_notice(struct sherd_reader *reader, struct sherd_read_notice *out_notice)
{
    SHERD_ENSURE(reader != NULL && out_notice != NULL, SHERD_ERR_INVALID, "a reader and a place are needed");
    SHERD_TRY(sherd_vault_check(reader->vault));
    return sherd_read_notice(reader->vault, &reader->loaded.view, out_notice);
}

const struct sherd_loaded *sherd_reader_loaded(const struct sherd_reader *reader)
{
    return &reader->loaded;
}

void sherd_reader_close(struct sherd_reader *reader)
{
    if (reader == NULL || sherd_fork_passed(reader->vault->fork_count))
        return;
    for (size_t i = 0; i < SHERD_COUNT_OF(reader->lanes); i++) {
        sherd_aead_message_free(reader->lanes[i].message);
        sherd_free(reader->lanes[i].sealed);
    }
    sherd_aead_message_free(reader->message);
    sherd_opener_free(reader->opener);
    sherd_secret_free(reader->edge);
    sherd_secret_free(reader->inline_plain.data);
    sherd_loaded_done(&reader->loaded);
    (void)pthread_mutex_destroy(&reader->lock);
    sherd_free(reader);
}
