/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of HPKE as text: Bech32, with a prefix for each KEM and each half of a pair. */
#include "envelope/recipient.h"

#include "base/mem.h"
#include "base/secret.h"
#include "envelope/bech32.h"
#include <string.h>

static const struct kind {
    enum sherd_kem kem;
    const char *public_prefix;
    const char *private_prefix;
} kinds[] = {
    {SHERD_KEM_X25519, "age", "AGE-SECRET-KEY-"},
    {SHERD_KEM_XWING, "age1pq", "AGE-SECRET-KEY-PQ-"},
};

static const struct kind *kind_of(enum sherd_kem kem)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(kinds); i++) {
        if (kinds[i].kem == kem)
            return &kinds[i];
    }
    return NULL;
}

/* Whether a text is of a prefix, in that case, before the 1 that ends it. */
static bool has_prefix(struct sherd_span text, const char *prefix)
{
    const size_t chars = strlen(prefix);

    return sherd_bech32_prefix_chars(text) == chars && strncmp((const char *)text.data, prefix, chars) == 0;
}

enum sherd_err sherd_recipient_parse(struct sherd_span text, struct sherd_kem_public *out_recipient)
{
    uint8_t block[SHERD_RECIPIENT_CHARS_MAX];
    struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));

    for (size_t i = 0; i < SHERD_COUNT_OF(kinds) && text.len <= SHERD_RECIPIENT_CHARS_MAX; i++) {
        if (!has_prefix(text, kinds[i].public_prefix))
            continue;
        if (sherd_bech32_decode(SHERD_BECH32, kinds[i].public_prefix, text, SHERD_RECIPIENT_CHARS_MAX, &bytes) !=
                SHERD_OK ||
            bytes.len != sherd_kem_public_bytes(kinds[i].kem))
            break;
        *out_recipient = (struct sherd_kem_public){.kem = kinds[i].kem};
        memcpy(out_recipient->bytes, block, bytes.len);
        return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_INVALID,
                      "not a public key: it begins with age1 or age1pq1, and every character counts");
}

enum sherd_err sherd_recipient_text(const struct sherd_kem_public *recipient, struct sherd_buf *out_text)
{
    const struct kind *kind = kind_of(recipient->kem);

    SHERD_ENSURE(kind != NULL, SHERD_ERR_UNSUPPORTED, "this kind of public key is not known");
    return sherd_bech32_encode(SHERD_BECH32, kind->public_prefix,
                               sherd_span_of(recipient->bytes, sherd_kem_public_bytes(recipient->kem)),
                               SHERD_RECIPIENT_CHARS_MAX, out_text);
}

enum sherd_err sherd_recipient_own_parse(struct sherd_span text, struct sherd_kem_private *out_own)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_IDENTITY_CHARS_MAX);
    struct sherd_buf bytes = sherd_buf_borrow(block, SHERD_IDENTITY_CHARS_MAX);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < SHERD_COUNT_OF(kinds) && text.len <= SHERD_IDENTITY_CHARS_MAX; i++) {
        if (!has_prefix(text, kinds[i].private_prefix))
            continue;
        if (sherd_bech32_decode(SHERD_BECH32, kinds[i].private_prefix, text, SHERD_IDENTITY_CHARS_MAX, &bytes) !=
                SHERD_OK ||
            bytes.len != SHERD_KEM_PRIVATE_SIZE)
            break;
        out_own->kem = kinds[i].kem;
        memcpy(out_own->bytes, block, SHERD_KEM_PRIVATE_SIZE);
        return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_INVALID,
                      "not a private key: it begins with AGE-SECRET-KEY-1 or AGE-SECRET-KEY-PQ-1, and every character "
                      "counts");
}

enum sherd_err sherd_recipient_own_text(const struct sherd_kem_private *own, struct sherd_buf *out_text)
{
    const struct kind *kind = kind_of(own->kem);

    SHERD_ENSURE(kind != NULL, SHERD_ERR_UNSUPPORTED, "this kind of private key is not known");
    return sherd_bech32_encode(SHERD_BECH32, kind->private_prefix, sherd_span_of(own->bytes, SHERD_KEM_PRIVATE_SIZE),
                               SHERD_IDENTITY_CHARS_MAX, out_text);
}
