/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed messages. The first byte of an input says what the rest is:
 *
 *     0  a sealed message as a store might give it: opened whole and by chunks, which must agree
 *     1  damage (position u32, xor u8) and a plaintext: sealed, opened, damaged, refused
 *     2  lengths (u64 each): which of them a message can have
 */
#include "base/bytes.h"
#include "base/macros.h"
#include "crypto/aead.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include <stdlib.h>
#include <string.h>

static const uint8_t key[SHERD_AEAD_KEY_SIZE] = "YELLOW SUBMARINE YELLOW SUBMARI";
static const struct sherd_span context = {(const uint8_t *)"fuzz", 4};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Opens by chunks as a reader of a stream does. Returns whether all of it verified. */
static bool stream_opens(struct sherd_span sealed, struct sherd_buf *out)
{
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;
    struct sherd_span header;
    struct sherd_span chunk;

    if (!sherd_span_take(&sealed, SHERD_AEAD_HEADER_SIZE, &header) ||
        sherd_aead_message_open_begin(key, context, header, &message) != SHERD_OK)
        return false;
    for (uint64_t index = 0; sherd_span_take(&sealed, SHERD_AEAD_SEALED_CHUNK_SIZE, &chunk); index++) {
        must(sherd_buf_reserve(out, chunk.len) == SHERD_OK);
        if (sherd_aead_chunk_open(message, index, chunk, out->data + out->len) != SHERD_OK)
            return false;
        out->len += SHERD_AEAD_CHUNK_SIZE;
    }
    must(sherd_buf_reserve(out, sealed.len + 1) == SHERD_OK);
    if (sherd_aead_chunk_open(message, out->len / SHERD_AEAD_CHUNK_SIZE, sealed, out->data + out->len) != SHERD_OK)
        return false;
    out->len += sealed.len - SHERD_AEAD_TAG_SIZE;
    return true;
}

static void fuzz_sealed(struct sherd_span sealed)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf whole = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf streamed = {0};
    const enum sherd_err err = sherd_aead_open(key, context, sealed, &whole);

    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    must(stream_opens(sealed, &streamed) == (err == SHERD_OK));
    if (err == SHERD_OK)
        must(sherd_span_equal(sherd_buf_span(&whole), sherd_buf_span(&streamed)));
    else
        must(whole.len == 0);
}

static void fuzz_damage(struct sherd_span input)
{
    static const uint8_t salt[SHERD_AEAD_SALT_SIZE] = {1};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    struct sherd_span damage;

    if (!sherd_span_take(&input, 5, &damage))
        return;
    must(sherd_aead_seal_salted(key, context, salt, input, &sealed) == SHERD_OK);
    must(sherd_aead_open(key, context, sherd_buf_span(&sealed), &out) == SHERD_OK);
    must(sherd_span_equal(sherd_buf_span(&out), input));
    sherd_buf_clear(&out);

    sealed.data[sherd_get_u32(damage.data) % sealed.len] ^= damage.data[4];
    must((sherd_aead_open(key, context, sherd_buf_span(&sealed), &out) == SHERD_OK) == (damage.data[4] == 0));
    fuzz_sealed(sherd_buf_span(&sealed));
    fuzz_sealed(sherd_span_of(sealed.data, sherd_get_u32(damage.data) % sealed.len));
}

static void fuzz_lengths(struct sherd_span input)
{
    struct sherd_span number;
    uint64_t plain_bytes = 0;

    while (sherd_span_take(&input, 8, &number)) {
        const uint64_t sealed_bytes = sherd_get_u64(number.data);

        if (sherd_aead_plain_bytes(sealed_bytes, &plain_bytes) == SHERD_OK)
            must(sherd_aead_sealed_bytes(plain_bytes) == sealed_bytes &&
                 plain_bytes / SHERD_AEAD_CHUNK_SIZE < SHERD_AEAD_CHUNKS_MAX);
        if (sealed_bytes / SHERD_AEAD_CHUNK_SIZE < SHERD_AEAD_CHUNKS_MAX)
            must(sherd_aead_plain_bytes(sherd_aead_sealed_bytes(sealed_bytes), &plain_bytes) == SHERD_OK &&
                 plain_bytes == sealed_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span kind;

    must(sherd_crypto_init() == SHERD_OK);
    if (!sherd_span_take(&input, 1, &kind))
        return 0;
    switch (kind.data[0] % 3) {
    case 0: fuzz_sealed(input); break;
    case 1: fuzz_damage(input); break;
    default: fuzz_lengths(input); break;
    }
    return 0;
}
