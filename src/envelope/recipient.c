/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of HPKE as text: Bech32, with a prefix for each KEM and each half of a pair. */
#include "envelope/recipient.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "envelope/bech32.h"
#include <string.h>

static const struct kind {
    enum sherd_kem kem;
    const char *public_prefix;
    const char *private_prefix;
} kinds[] = {
    {SHERD_KEM_P256, "sherdp", "SHERDP-SECRET-KEY-"},
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
                      "not a public key: it begins with age1, age1pq1 or sherdp1, and every character counts");
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
    return sherd_fail(
        SHERD_ERR_INVALID,
        "not a private key: it begins with AGE-SECRET-KEY-1, AGE-SECRET-KEY-PQ-1 or SHERDP-SECRET-KEY-1, and "
        "every character counts");
}

enum sherd_err sherd_recipient_own_text(const struct sherd_kem_private *own, struct sherd_buf *out_text)
{
    const struct kind *kind = kind_of(own->kem);

    SHERD_ENSURE(kind != NULL, SHERD_ERR_UNSUPPORTED, "this kind of private key is not known");
    return sherd_bech32_encode(SHERD_BECH32, kind->private_prefix, sherd_span_of(own->bytes, SHERD_KEM_PRIVATE_SIZE),
                               SHERD_IDENTITY_CHARS_MAX, out_text);
}

/* --- files of private keys ---------------------------------------------------------------------------------------- */

static enum sherd_err own_file_read(struct sherd_span text, size_t count_max, struct sherd_kem_private *out_own,
                                    size_t *out_count)
{
    size_t count = 0;

    for (unsigned number = 1; text.len > 0; number++) {
        const struct sherd_span line = sherd_span_line(&text);

        if (line.len == 0 || line.data[0] == '#')
            continue;
        SHERD_ENSURE(count < count_max, SHERD_ERR_LIMIT, "a file with too many private keys");
        const enum sherd_err err = sherd_recipient_own_parse(line, &out_own[count]);

        if (err == SHERD_ERR_INVALID)
            return sherd_fail(err, "line %u is no private key", number);
        SHERD_TRY(err);
        count++;
    }
    SHERD_ENSURE(count > 0, SHERD_ERR_INVALID, "a file of private keys without any");
    *out_count = count;
    return SHERD_OK;
}

enum sherd_err sherd_recipient_own_file_parse(struct sherd_span text, size_t count_max,
                                              struct sherd_kem_private *out_own, size_t *out_count)
{
    const enum sherd_err err = own_file_read(text, count_max, out_own, out_count);

    if (err != SHERD_OK && count_max > 0)
        sherd_wipe(out_own, count_max * sizeof(*out_own));
    return err;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

size_t sherd_recipient_encode(const struct sherd_kem_public *recipient, uint8_t out[SHERD_RECIPIENT_BYTES_MAX])
{
    const size_t bytes = sherd_kem_public_bytes(recipient->kem);

    sherd_put_u16(out, (uint16_t)recipient->kem);
    memcpy(out + 2, recipient->bytes, bytes);
    return 2 + bytes;
}

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "what is sealed to a recipient does not verify");
}

enum sherd_err sherd_recipient_decode(struct sherd_span bytes, struct sherd_kem_public *out_recipient)
{
    if (bytes.len < 2)
        return malformed();
    const struct kind *kind = kind_of((enum sherd_kem)sherd_get_u16(bytes.data));

    if (kind == NULL || bytes.len - 2 != sherd_kem_public_bytes(kind->kem))
        return malformed();
    *out_recipient = (struct sherd_kem_public){.kem = kind->kem};
    memcpy(out_recipient->bytes, bytes.data + 2, bytes.len - 2);
    return SHERD_OK;
}

enum sherd_err sherd_recipient_plain_bytes(enum sherd_kem kem, uint64_t sealed_bytes, uint64_t *out_plain_bytes)
{
    const size_t enc_bytes = sherd_kem_enc_bytes(kem);

    if (enc_bytes == 0 || sealed_bytes < enc_bytes)
        return malformed();
    return sherd_aead_plain_bytes(sealed_bytes - enc_bytes, out_plain_bytes);
}
