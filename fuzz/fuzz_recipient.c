/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of recipients. The first byte of an input says what the rest is:
 *
 *     0  a file of private keys; the public interface must say the same of it
 *     1  a public key as text: what parses is written again as it was, and there and back as bytes
 *     2  a public key as bytes, as a map entry keeps it
 *     3  8 bytes: the length of a stream, for both KEMs
 */
#include "base/bytes.h"
#include "envelope/recipient.h"
#include <sherd/identity.h>
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_file(struct sherd_span text)
{
    struct sherd_kem_private own[SHERD_IDENTITY_KEYS_MAX];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    struct sherd_identity *identity = NULL;
    size_t count = 0;
    const enum sherd_err err = sherd_recipient_own_file_parse(text, SHERD_IDENTITY_KEYS_MAX, own, &count);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID || err == SHERD_ERR_LIMIT);
    must((err == SHERD_OK) == (count > 0) && count <= SHERD_IDENTITY_KEYS_MAX);
    must(sherd_identity_parse(text, &identity) == err && (identity != NULL) == (err == SHERD_OK));
    sherd_identity_free(identity);
    for (size_t i = 0; i < count; i++) { /* each key is a line of the text */
        sherd_buf_clear(&again);
        must(sherd_recipient_own_text(&own[i], &again) == SHERD_OK);
        must(memmem(text.data, text.len, again.data, again.len) != NULL);
    }
}

static void there_and_back(const struct sherd_kem_public *recipient)
{
    uint8_t bytes[SHERD_RECIPIENT_BYTES_MAX];
    struct sherd_kem_public decoded;
    const size_t len = sherd_recipient_encode(recipient, bytes);

    must(sherd_recipient_decode(sherd_span_of(bytes, len), &decoded) == SHERD_OK);
    must(decoded.kem == recipient->kem && sherd_same(decoded.bytes, recipient->bytes, sizeof(decoded.bytes)));
}

static void fuzz_text(struct sherd_span text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    struct sherd_kem_public recipient;
    const enum sherd_err err = sherd_recipient_parse(text, &recipient);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID);
    if (err != SHERD_OK)
        return;
    must(sherd_recipient_text(&recipient, &again) == SHERD_OK && sherd_span_equal(sherd_buf_span(&again), text));
    there_and_back(&recipient);
}

static void fuzz_bytes(struct sherd_span bytes)
{
    uint8_t again[SHERD_RECIPIENT_BYTES_MAX];
    struct sherd_kem_public recipient;
    const enum sherd_err err = sherd_recipient_decode(bytes, &recipient);

    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err == SHERD_OK)
        must(sherd_span_equal(sherd_span_of(again, sherd_recipient_encode(&recipient, again)), bytes));
}

static void fuzz_length(struct sherd_span bytes)
{
    static const enum sherd_kem kems[] = {SHERD_KEM_P256, SHERD_KEM_X25519, SHERD_KEM_XWING, SHERD_KEM_NONE};
    struct sherd_span number;

    if (!sherd_span_take(&bytes, 8, &number))
        return;
    for (size_t i = 0; i < SHERD_COUNT_OF(kems); i++) {
        const uint64_t sealed_bytes = sherd_get_u64(number.data);
        uint64_t plain_bytes = 0;
        const enum sherd_err err = sherd_recipient_plain_bytes(kems[i], sealed_bytes, &plain_bytes);

        must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
        must(err != SHERD_OK || sherd_recipient_sealed_bytes(kems[i], plain_bytes) == sealed_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span kind;

    if (!sherd_span_take(&input, 1, &kind))
        return 0;
    switch (kind.data[0] % 4) {
    case 0: fuzz_file(input); break;
    case 1: fuzz_text(input); break;
    case 2: fuzz_bytes(input); break;
    default: fuzz_length(input); break;
    }
    return 0;
}
