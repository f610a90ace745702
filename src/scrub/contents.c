/* SPDX-License-Identifier: Apache-2.0 */
/* Checking contents: see contents.h. */
#include "scrub/contents.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/merkle.h"

/*
 * Chunks of a blob that are read at a time, few enough to stay in a core's own cache until they are hashed and opened;
 * that one thread checks at a time; and that all threads together do in one round.
 */
#define READ_CHUNKS ((size_t)2)
#define STRIPE_CHUNKS ((size_t)16)
#define ROUND_STRIPES ((size_t)64)

/* Whom to tell. */
struct listener {
    sherd_contents_progress_fn *progress;
    void *arg;
};

static enum sherd_err not_pinned(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the fragment is not the one that was pinned");
}

enum sherd_err sherd_contents_check_inline(const struct sherd_loaded *loaded, struct sherd_buf *plain)
{
    struct sherd_digest digest;

    SHERD_TRY(sherd_fragment_digest(sherd_buf_span(&loaded->fragment), &digest));
    if (!sherd_same(&digest, &loaded->view.pin.digest, sizeof(digest)))
        return not_pinned();
    return sherd_loaded_open_inline(loaded, plain);
}

static enum sherd_err check_inline(const struct sherd_loaded *loaded, const struct listener *listener)
{
    const size_t room = loaded->fragment.len;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(room);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf plain = sherd_buf_borrow(block, room);
    SHERD_TRY(sherd_contents_check_inline(loaded, &plain));
    return listener->progress(listener->arg, loaded->map.content_bytes);
}

/* One round over the chunks of a blob: stripes are checked by all threads, their leaves then added in order. */
struct round {
    struct sherd_pool *pool;
    const struct listener *listener;
    const struct sherd_loaded *loaded;
    const struct sherd_aead_message *message;
    bool every_chunk; /* is opened; otherwise the first of each stripe */
    uint64_t plain_bytes;
    uint64_t chunk_count;
    uint64_t first_chunk;
    struct sherd_digest *leaves; /* ROUND_STRIPES * STRIPE_CHUNKS */
};

static size_t chunk_plain_bytes(const struct round *round, uint64_t index)
{
    const uint64_t left = round->plain_bytes - index * SHERD_AEAD_CHUNK_SIZE;

    return left < SHERD_AEAD_CHUNK_SIZE ? (size_t)left : SHERD_AEAD_CHUNK_SIZE;
}

/* @param[in] sealed, plain  blocks for READ_CHUNKS sealed chunks, and for an open one */
static enum sherd_err check_chunks(struct round *round, struct sherd_aead_message *message, uint64_t first,
                                   size_t count, uint8_t *sealed, uint8_t *plain)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += chunk_plain_bytes(round, first + i) + SHERD_AEAD_TAG_SIZE;
    const enum sherd_err err = sherd_blob_read(round->loaded->blob, sherd_fragment_chunk_offset(first), sealed, bytes);
    if (err == SHERD_ERR_LIMIT)
        return sherd_fail(SHERD_ERR_TAMPERED, "the fragment was cut");
    SHERD_TRY(err);
    for (size_t i = 0; i < count; i++) {
        const size_t plain_bytes = chunk_plain_bytes(round, first + i);
        const struct sherd_span chunk = {sealed + i * SHERD_AEAD_SEALED_CHUNK_SIZE, plain_bytes + SHERD_AEAD_TAG_SIZE};

        SHERD_TRY(sherd_merkle_leaf(chunk, &round->leaves[first + i - round->first_chunk]));
        if (round->every_chunk || (first + i) % STRIPE_CHUNKS == 0)
            SHERD_TRY(sherd_aead_chunk_open(message, first + i, chunk, plain));
    }
    return SHERD_OK;
}

/* Bytes of contents, padding left out, in count chunks from first on. */
static uint64_t content_in(const struct round *round, uint64_t first, size_t count)
{
    const uint64_t content_bytes = round->loaded->map.content_bytes;
    const uint64_t begin = first * SHERD_AEAD_CHUNK_SIZE;
    const uint64_t bytes = count * SHERD_AEAD_CHUNK_SIZE;

    if (begin >= content_bytes)
        return 0;
    return content_bytes - begin < bytes ? content_bytes - begin : bytes;
}

static enum sherd_err check_stripe(void *arg, size_t index)
{
    struct round *round = arg;
    const uint64_t first = round->first_chunk + index * STRIPE_CHUNKS;
    const uint64_t left = round->chunk_count - first;
    const size_t count = left < STRIPE_CHUNKS ? (size_t)left : STRIPE_CHUNKS;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *plain = sherd_secret_alloc(SHERD_AEAD_CHUNK_SIZE);
    uint8_t *sealed = sherd_alloc(READ_CHUNKS * SHERD_AEAD_SEALED_CHUNK_SIZE);
    enum sherd_err err = plain != NULL && sealed != NULL ? sherd_aead_message_clone(round->message, &message)
                                                         : SHERD_ERR_NO_MEMORY;

    for (size_t i = 0; i < count && err == SHERD_OK; i += READ_CHUNKS)
        err = check_chunks(round, message, first + i, count - i < READ_CHUNKS ? count - i : READ_CHUNKS, sealed, plain);
    sherd_free(sealed);
    SHERD_TRY(err);
    return round->listener->progress(round->listener->arg, content_in(round, first, count));
}

static enum sherd_err check_rounds(struct round *round, struct sherd_merkle *tree)
{
    while (round->first_chunk < round->chunk_count) {
        const uint64_t left = round->chunk_count - round->first_chunk;
        const uint64_t count = left < ROUND_STRIPES * STRIPE_CHUNKS ? left : ROUND_STRIPES * STRIPE_CHUNKS;

        SHERD_TRY(sherd_pool_each(round->pool, (size_t)((count + STRIPE_CHUNKS - 1) / STRIPE_CHUNKS), check_stripe,
                                  round));
        for (size_t i = 0; i < count; i++)
            SHERD_TRY(sherd_merkle_add(tree, &round->leaves[i]));
        round->first_chunk += count;
    }
    return SHERD_OK;
}

static enum sherd_err check_blob(struct sherd_pool *pool, const struct sherd_loaded *loaded, bool every_chunk,
                                 const struct listener *listener)
{
    struct round round = {.pool = pool, .listener = listener, .loaded = loaded, .every_chunk = every_chunk};
    struct sherd_merkle tree = {0};
    struct sherd_digest digest;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;

    SHERD_TRY(sherd_aead_plain_bytes(loaded->map.fragment_bytes - SHERD_FRAGMENT_PREFIX_SIZE, &round.plain_bytes));
    round.chunk_count = round.plain_bytes / SHERD_AEAD_CHUNK_SIZE + 1;
    SHERD_TRY(sherd_aead_message_open_begin(loaded->keys->content.bytes, sherd_context_span(&loaded->context),
                                            sherd_span_of(loaded->head + SHERD_FRAGMENT_PREFIX_SIZE,
                                                          SHERD_AEAD_HEADER_SIZE),
                                            &message));
    round.message = message;
    SHERD_TRY(sherd_merkle_leaf(sherd_span_of(loaded->head, sizeof(loaded->head)), &digest));
    SHERD_TRY(sherd_merkle_add(&tree, &digest));
    round.leaves = sherd_alloc_array(ROUND_STRIPES * STRIPE_CHUNKS, sizeof(*round.leaves));
    if (round.leaves == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = check_rounds(&round, &tree);
    sherd_free(round.leaves);
    SHERD_TRY(err);
    SHERD_TRY(sherd_merkle_root(&tree, &digest));
    if (round.plain_bytes < loaded->map.content_bytes || !sherd_same(&digest, &loaded->view.pin.digest, sizeof(digest)))
        return not_pinned();
    return SHERD_OK;
}

enum sherd_err sherd_contents_check(struct sherd_pool *pool, const struct sherd_loaded *loaded, bool every_chunk,
                                    sherd_contents_progress_fn *progress, void *arg)
{
    const struct listener listener = {.progress = progress, .arg = arg};

    return loaded->map.blob ? check_blob(pool, loaded, every_chunk, &listener) : check_inline(loaded, &listener);
}
