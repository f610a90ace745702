/* SPDX-License-Identifier: Apache-2.0 */
/* Contents sealed to a recipient: see sealed.h. */
#include "cryptor/sealed.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/approved.h"
#include "cryptor/identity.h"
#include <string.h>

/* Chunks that are read from the fragment at once: enough that it is opened on several threads. */
#define READ_CHUNKS ((size_t)64)

enum sherd_err sherd_sealed_check_kem(const struct sherd_vault *vault, enum sherd_kem kem)
{
    SHERD_TRY(sherd_approved_check(vault->fips, sherd_algorithm_of_kem(kem)));
    SHERD_ENSURE(sherd_kem_supported(kem), SHERD_ERR_UNSUPPORTED,
                 "this recipient's kind of key needs OpenSSL 3.5 or later");
    return SHERD_OK;
}

void sherd_sealed_context(const struct sherd_vault *vault, const struct sherd_pin *pin,
                          struct sherd_context *out_context)
{
    const struct sherd_scope scope = {.deployment = vault->deployment,
                                      .tenant = vault->tenant,
                                      .collection = pin->collection,
                                      .entity = pin->entity,
                                      .record = pin->record,
                                      .version = pin->version};

    sherd_context_of_scope(&scope, SHERD_FOR_RECIPIENT, 0, 0, out_context);
}

/* --- sealing ------------------------------------------------------------------------------------------------------ */

/* Lies in secret memory as a whole. */
struct sherd_sealer {
    sherd_sealed_sink_fn *sink;
    void *arg;
    struct sherd_aead_message *message;
    uint64_t next_chunk;
    size_t fill;
    uint8_t key[SHERD_AEAD_KEY_SIZE];
    uint8_t head[SHERD_KEM_ENC_BYTES_MAX + SHERD_AEAD_HEADER_SIZE];
    uint8_t plain[SHERD_AEAD_CHUNK_SIZE];
    uint8_t sealed[SHERD_AEAD_SEALED_CHUNK_SIZE];
};

void sherd_sealer_free(struct sherd_sealer *sealer)
{
    if (sealer == NULL)
        return;
    sherd_aead_message_free(sealer->message);
    sherd_secret_free(sealer);
}

/* The content key that the recipient alone can find again, and enc, by which it does. */
static enum sherd_err agree(struct sherd_sealer *sealer, const struct sherd_kem_public *to, struct sherd_span info)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;
    const enum sherd_err err = sherd_hpke_send(to, info, sealer->head, &hpke);

    if (err == SHERD_ERR_TAMPERED)
        return sherd_fail(SHERD_ERR_INVALID, "the recipient's public key is nobody's");
    SHERD_TRY(err);
    return sherd_hpke_content_key(hpke, sealer->key);
}

static enum sherd_err begin(struct sherd_sealer *sealer, const struct sherd_kem_public *to, struct sherd_span context)
{
    const size_t enc_bytes = sherd_kem_enc_bytes(to->kem);

    SHERD_TRY(agree(sealer, to, context));
    SHERD_TRY(sherd_aead_message_seal_begin(sealer->key, context, sealer->head + enc_bytes, &sealer->message));
    sherd_wipe(sealer->key, sizeof(sealer->key));
    return sealer->sink(sealer->arg, sherd_span_of(sealer->head, enc_bytes + SHERD_AEAD_HEADER_SIZE));
}

enum sherd_err sherd_sealer_begin(const struct sherd_kem_public *to, const struct sherd_context *context,
                                  sherd_sealed_sink_fn *sink, void *arg, struct sherd_sealer **out_sealer)
{
    SHERD_CLEANUP(sherd_sealer_freep) struct sherd_sealer *sealer = sherd_secret_alloc(sizeof(*sealer));

    if (sealer == NULL)
        return SHERD_ERR_NO_MEMORY;
    sealer->sink = sink;
    sealer->arg = arg;
    SHERD_TRY(begin(sealer, to, sherd_context_span(context)));
    *out_sealer = sherd_sealer_take(&sealer);
    return SHERD_OK;
}

static enum sherd_err seal_chunk(struct sherd_sealer *sealer, struct sherd_span plain)
{
    SHERD_TRY(sherd_aead_chunk_seal(sealer->message, sealer->next_chunk, plain, sealer->sealed));
    sealer->next_chunk++;
    return sealer->sink(sealer->arg, sherd_span_of(sealer->sealed, plain.len + SHERD_AEAD_TAG_SIZE));
}

/* A chunk is sealed as soon as it is full: the one that ends the message is never full. */
enum sherd_err sherd_sealer_append(struct sherd_sealer *sealer, struct sherd_span plain)
{
    while (plain.len > 0) {
        const size_t room = SHERD_AEAD_CHUNK_SIZE - sealer->fill;
        struct sherd_span part;

        if (!sherd_span_take(&plain, plain.len < room ? plain.len : room, &part))
            break;
        if (part.len == SHERD_AEAD_CHUNK_SIZE) {
            SHERD_TRY(seal_chunk(sealer, part));
            continue;
        }
        memcpy(sealer->plain + sealer->fill, part.data, part.len);
        sealer->fill += part.len;
        if (sealer->fill == SHERD_AEAD_CHUNK_SIZE) {
            sealer->fill = 0;
            SHERD_TRY(seal_chunk(sealer, sherd_span_of(sealer->plain, SHERD_AEAD_CHUNK_SIZE)));
        }
    }
    return SHERD_OK;
}

enum sherd_err sherd_sealer_finish(struct sherd_sealer *sealer)
{
    return seal_chunk(sealer, sherd_span_of(sealer->plain, sealer->fill));
}

static enum sherd_err append_to(void *arg, struct sherd_span bytes)
{
    return sherd_buf_append(arg, bytes);
}

static enum sherd_err seal_into(const struct sherd_kem_public *to, const struct sherd_context *context,
                                struct sherd_span plain, struct sherd_buf *stream)
{
    SHERD_CLEANUP(sherd_sealer_freep) struct sherd_sealer *sealer = NULL;

    SHERD_TRY(sherd_buf_reserve(stream, (size_t)sherd_recipient_sealed_bytes(to->kem, plain.len)));
    SHERD_TRY(sherd_sealer_begin(to, context, append_to, stream, &sealer));
    SHERD_TRY(sherd_sealer_append(sealer, plain));
    return sherd_sealer_finish(sealer);
}

enum sherd_err sherd_seal_whole(const struct sherd_kem_public *to, const struct sherd_context *context,
                                struct sherd_span plain, struct sherd_buf *out_stream)
{
    const size_t before = out_stream->len;
    const enum sherd_err err = seal_into(to, context, plain, out_stream);

    if (err != SHERD_OK)
        out_stream->len = before; /* what lies behind is sealed, or nothing */
    return err;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

struct sherd_opener {
    sherd_sealed_source_fn *source;
    void *arg;
    struct sherd_aead_message *message;
    uint64_t first_chunk; /* where chunk 0 begins in the stream */
    uint64_t plain_bytes;
    uint8_t *sealed; /* READ_CHUNKS of them */
    uint8_t *edge;   /* one opened chunk, in secret memory */
    uint64_t edge_index;
    bool edge_valid;
};

void sherd_opener_free(struct sherd_opener *opener)
{
    if (opener == NULL)
        return;
    sherd_aead_message_free(opener->message);
    sherd_secret_free(opener->edge);
    sherd_free(opener->sealed);
    sherd_free(opener);
}

static enum sherd_err not_verified(enum sherd_err err)
{
    return err != SHERD_ERR_TAMPERED
               ? err
               : sherd_fail(err, "what is sealed to the recipient does not verify: it was changed by someone with the "
                                 "keys of the vault, or sealed wrongly");
}

/* The content key, from enc and the private key. */
static enum sherd_err find_key(const struct sherd_kem_private *own, struct sherd_span enc, struct sherd_span info,
                               uint8_t out_key[SHERD_AEAD_KEY_SIZE])
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;

    SHERD_TRY(sherd_hpke_receive(own, enc, info, &hpke));
    return sherd_hpke_content_key(hpke, out_key);
}

static enum sherd_err open_head(struct sherd_opener *opener, const struct sherd_kem_private *own,
                                struct sherd_span context)
{
    uint8_t head[SHERD_KEM_ENC_BYTES_MAX + SHERD_AEAD_HEADER_SIZE];
    const size_t enc_bytes = sherd_kem_enc_bytes(own->kem);
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_AEAD_KEY_SIZE);

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(opener->source(opener->arg, 0, head, enc_bytes + SHERD_AEAD_HEADER_SIZE));
    SHERD_TRY(not_verified(find_key(own, sherd_span_of(head, enc_bytes), context, key)));
    return not_verified(sherd_aead_message_open_begin(key, context,
                                                      sherd_span_of(head + enc_bytes, SHERD_AEAD_HEADER_SIZE),
                                                      &opener->message));
}

static enum sherd_err opener_new(const struct sherd_sealed_stream *stream, struct sherd_opener **out_opener)
{
    SHERD_CLEANUP(sherd_opener_freep) struct sherd_opener *opener = sherd_alloc(sizeof(*opener));

    if (opener == NULL)
        return SHERD_ERR_NO_MEMORY;
    opener->source = stream->source;
    opener->arg = stream->arg;
    opener->first_chunk = sherd_recipient_head_bytes(stream->recipient->kem);
    SHERD_TRY(sherd_recipient_plain_bytes(stream->recipient->kem, stream->bytes, &opener->plain_bytes));
    opener->sealed = sherd_alloc(READ_CHUNKS * SHERD_AEAD_SEALED_CHUNK_SIZE);
    opener->edge = sherd_secret_alloc(SHERD_AEAD_CHUNK_SIZE);
    if (opener->sealed == NULL || opener->edge == NULL)
        return SHERD_ERR_NO_MEMORY;
    *out_opener = sherd_opener_take(&opener);
    return SHERD_OK;
}

enum sherd_err sherd_opener_begin(const struct sherd_identity *identity, const struct sherd_sealed_stream *stream,
                                  struct sherd_opener **out_opener, uint64_t *out_plain_bytes)
{
    SHERD_CLEANUP(sherd_opener_freep) struct sherd_opener *opener = NULL;
    const struct sherd_kem_private *own;

    SHERD_ENSURE(identity != NULL, SHERD_ERR_DENIED, "sealed to a recipient: give --identity");
    SHERD_TRY(sherd_identity_find(identity, stream->recipient, &own));
    SHERD_TRY(opener_new(stream, &opener));
    SHERD_TRY(open_head(opener, own, sherd_context_span(stream->context)));
    *out_plain_bytes = opener->plain_bytes;
    *out_opener = sherd_opener_take(&opener);
    return SHERD_OK;
}

static enum sherd_err read_chunks(struct sherd_opener *opener, uint64_t index, size_t bytes)
{
    return opener->source(opener->arg, opener->first_chunk + index * SHERD_AEAD_SEALED_CHUNK_SIZE, opener->sealed,
                          bytes);
}

/* Open one chunk into opener->edge, unless it is there. @param[out] out_bytes  its plaintext bytes */
static enum sherd_err open_edge(struct sherd_opener *opener, uint64_t index, size_t *out_bytes)
{
    const uint64_t left = opener->plain_bytes - index * SHERD_AEAD_CHUNK_SIZE;
    const size_t bytes = left < SHERD_AEAD_CHUNK_SIZE ? (size_t)left : SHERD_AEAD_CHUNK_SIZE;

    *out_bytes = bytes;
    if (opener->edge_valid && opener->edge_index == index)
        return SHERD_OK;
    opener->edge_valid = false;
    SHERD_TRY(read_chunks(opener, index, bytes + SHERD_AEAD_TAG_SIZE));
    SHERD_TRY(not_verified(sherd_aead_chunk_open(opener->message, index,
                                                 sherd_span_of(opener->sealed, bytes + SHERD_AEAD_TAG_SIZE),
                                                 opener->edge)));
    opener->edge_index = index;
    opener->edge_valid = true;
    return SHERD_OK;
}

static enum sherd_err read_edge(struct sherd_opener *opener, uint64_t offset, uint8_t *block, size_t bytes,
                                size_t *out_bytes)
{
    const size_t skip = (size_t)(offset % SHERD_AEAD_CHUNK_SIZE);
    size_t chunk_bytes;

    SHERD_TRY(open_edge(opener, offset / SHERD_AEAD_CHUNK_SIZE, &chunk_bytes));
    *out_bytes = bytes < chunk_bytes - skip ? bytes : chunk_bytes - skip;
    memcpy(block, opener->edge + skip, *out_bytes);
    return SHERD_OK;
}

/* Whole chunks at the front of a range, straight into the caller's block; none unless it begins at a chunk. */
static enum sherd_err read_body(struct sherd_opener *opener, uint64_t offset, uint8_t *block, size_t bytes,
                                size_t *out_bytes)
{
    const uint64_t first = offset / SHERD_AEAD_CHUNK_SIZE;
    size_t count = bytes / SHERD_AEAD_CHUNK_SIZE;

    *out_bytes = 0;
    if (offset % SHERD_AEAD_CHUNK_SIZE != 0 || count == 0)
        return SHERD_OK;
    if (count > READ_CHUNKS)
        count = READ_CHUNKS;
    SHERD_TRY(read_chunks(opener, first, count * SHERD_AEAD_SEALED_CHUNK_SIZE));
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(not_verified(sherd_aead_chunk_open(opener->message, first + i,
                                                     sherd_span_of(opener->sealed + i * SHERD_AEAD_SEALED_CHUNK_SIZE,
                                                                   SHERD_AEAD_SEALED_CHUNK_SIZE),
                                                     block + i * SHERD_AEAD_CHUNK_SIZE)));
    *out_bytes = count * SHERD_AEAD_CHUNK_SIZE;
    return SHERD_OK;
}

enum sherd_err sherd_opener_read(struct sherd_opener *opener, uint64_t offset, uint8_t *block, size_t bytes)
{
    while (bytes > 0) {
        size_t done;

        SHERD_TRY(read_body(opener, offset, block, bytes, &done));
        if (done == 0)
            SHERD_TRY(read_edge(opener, offset, block, bytes, &done));
        offset += done;
        block += done;
        bytes -= done;
    }
    return SHERD_OK;
}
