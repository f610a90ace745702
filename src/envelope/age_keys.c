/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of age as text: Bech32 of 32 bytes, "age1..." in lower case and "AGE-SECRET-KEY-1..." in upper case. */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "envelope/age.h"
#include "envelope/bech32.h"

static const char recipient_prefix[] = "age";
static const char identity_prefix[] = "AGE-SECRET-KEY-";

enum sherd_err sherd_age_keygen(struct sherd_age_identity *out_identity, struct sherd_age_recipient *out_recipient)
{
    return sherd_x25519_keygen(&out_identity->key, &out_recipient->key);
}

enum sherd_err sherd_age_recipient_of(const struct sherd_age_identity *identity,
                                      struct sherd_age_recipient *out_recipient)
{
    return sherd_x25519_public(&identity->key, &out_recipient->key);
}

static enum sherd_err text_of(const char *prefix, const uint8_t *key, char *out_text, size_t chars)
{
    SHERD_CLEANUP(sherd_secret_freep) char *block = sherd_secret_alloc(SHERD_BECH32_TEXT_MAX);
    struct sherd_buf text = sherd_buf_borrow(block, SHERD_BECH32_TEXT_MAX);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_bech32_encode(SHERD_BECH32, prefix, sherd_span_of(key, SHERD_X25519_SIZE), SHERD_BECH32_TEXT_MAX,
                                  &text));
    if (text.len != chars)
        sherd_bug("age: a key of %zu characters", text.len);
    memcpy(out_text, block, chars);
    out_text[chars] = '\0';
    return SHERD_OK;
}

enum sherd_err sherd_age_recipient_text(const struct sherd_age_recipient *recipient,
                                        char out_text[SHERD_AGE_RECIPIENT_CHARS + 1])
{
    return text_of(recipient_prefix, recipient->key.bytes, out_text, SHERD_AGE_RECIPIENT_CHARS);
}

enum sherd_err sherd_age_identity_text(const struct sherd_age_identity *identity,
                                       char out_text[SHERD_AGE_IDENTITY_CHARS + 1])
{
    return text_of(identity_prefix, identity->key.bytes, out_text, SHERD_AGE_IDENTITY_CHARS);
}

/* Case is part of the prefix; Bech32 sees to it that the rest has the same. */
static bool parse(const char *prefix, struct sherd_span text, uint8_t *block, uint8_t *out_key)
{
    struct sherd_buf bytes = sherd_buf_borrow(block, SHERD_BECH32_TEXT_MAX);

    if (text.len > SHERD_BECH32_TEXT_MAX || text.len < 1 || text.data[0] != (uint8_t)prefix[0] ||
        sherd_bech32_decode(SHERD_BECH32, prefix, text, SHERD_BECH32_TEXT_MAX, &bytes) != SHERD_OK ||
        bytes.len != SHERD_X25519_SIZE)
        return false;
    memcpy(out_key, block, SHERD_X25519_SIZE);
    return true;
}

enum sherd_err sherd_age_recipient_parse(struct sherd_span text, struct sherd_age_recipient *out_recipient)
{
    uint8_t block[SHERD_BECH32_TEXT_MAX];

    if (!parse(recipient_prefix, text, block, out_recipient->key.bytes))
        return sherd_fail(SHERD_ERR_INVALID, "not a public key of age: it begins with age1 and has 62 characters");
    return SHERD_OK;
}

enum sherd_err sherd_age_identity_parse(struct sherd_span text, struct sherd_age_identity *out_identity)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_BECH32_TEXT_MAX);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (!parse(identity_prefix, text, block, out_identity->key.bytes))
        return sherd_fail(SHERD_ERR_INVALID,
                          "not a private key of age: it begins with AGE-SECRET-KEY-1 and has 74 characters");
    return SHERD_OK;
}

/* --- files of identities ------------------------------------------------------------------------------------------ */

static enum sherd_err identities_read(struct sherd_span text, size_t count_max,
                                      struct sherd_age_identity *out_identities, size_t *out_count)
{
    size_t count = 0;

    for (unsigned number = 1; text.len > 0; number++) {
        const struct sherd_span line = sherd_span_line(&text);

        if (line.len == 0 || line.data[0] == '#')
            continue;
        SHERD_ENSURE(count < count_max, SHERD_ERR_LIMIT, "a file with too many identities");
        const enum sherd_err err = sherd_age_identity_parse(line, &out_identities[count]);

        if (err == SHERD_ERR_INVALID)
            return sherd_fail(err, "line %u is no private key of age", number);
        SHERD_TRY(err);
        count++;
    }
    SHERD_ENSURE(count > 0, SHERD_ERR_INVALID, "a file of identities without any");
    *out_count = count;
    return SHERD_OK;
}

enum sherd_err sherd_age_identities_parse(struct sherd_span text, size_t count_max,
                                          struct sherd_age_identity *out_identities, size_t *out_count)
{
    const enum sherd_err err = identities_read(text, count_max, out_identities, out_count);

    if (err != SHERD_OK && count_max > 0)
        sherd_wipe(out_identities, count_max * sizeof(*out_identities));
    return err;
}
