/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: see credential.h. */
#include "identity/credential.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include <sherd/rights.h>
#include <string.h>

#define LABEL "sherd login 1"
#define PRIVATE_PREFIX "sherd-user-key-1:"
#define PUBLIC_PREFIX "sherd-user-1:"
#define DIGITS ((size_t)64)

_Static_assert(sizeof(PRIVATE_PREFIX) + DIGITS == SHERD_USER_KEY_TEXT_BYTES, "prefix, digits, newline");
_Static_assert(sizeof(PUBLIC_PREFIX) + DIGITS == SHERD_USER_PUBLIC_TEXT_BYTES, "prefix, digits, newline");

enum sherd_err sherd_credential_denied(void)
{
    return sherd_fail(SHERD_ERR_DENIED, "there is no such user, or this is not its passphrase or key");
}

/* --- texts: no branch and no table depends on a digit, which may be of a private key ------------------------------ */

static uint8_t digit_of(unsigned nibble)
{
    const unsigned letter = (9U - nibble) >> 8 & 1U; /* 1 for 10..15 */

    return (uint8_t)(nibble + '0' + letter * ('a' - '0' - 10U));
}

/* @param[in,out] wrong  set to non-zero by what is no digit */
static unsigned nibble_of(uint8_t digit, unsigned *wrong)
{
    const unsigned number = (unsigned)digit - '0';
    const unsigned letter = (unsigned)digit - 'a';
    const unsigned is_number = (number - 10U) >> 31 & ~(number >> 31) & 1U;
    const unsigned is_letter = (letter - 6U) >> 31 & ~(letter >> 31) & 1U;

    *wrong |= (is_number | is_letter) ^ 1U;
    return (number & (0U - is_number)) | ((letter + 10U) & (0U - is_letter));
}

static enum sherd_err append_text(const char *prefix, const uint8_t bytes[static 32], struct sherd_buf *out_text)
{
    const size_t prefix_bytes = strlen(prefix);
    const size_t text_bytes = prefix_bytes + DIGITS + 1;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *text = sherd_secret_alloc(text_bytes);

    if (text == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(text, prefix, prefix_bytes);
    for (size_t i = 0; i < DIGITS / 2; i++) {
        text[prefix_bytes + 2 * i] = digit_of(bytes[i] >> 4);
        text[prefix_bytes + 2 * i + 1] = digit_of(bytes[i] & 15U);
    }
    text[text_bytes - 1] = '\n';
    return sherd_buf_append(out_text, sherd_span_of(text, text_bytes));
}

static enum sherd_err parse_text(const char *prefix, struct sherd_span text, const char *refusal,
                                 uint8_t out[static 32])
{
    const size_t prefix_bytes = strlen(prefix);
    unsigned wrong = 0;

    if (text.len == prefix_bytes + DIGITS + 1 && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len != prefix_bytes + DIGITS || !sherd_same(text.data, prefix, prefix_bytes))
        return sherd_fail(SHERD_ERR_INVALID, "%s", refusal);
    for (size_t i = 0; i < DIGITS / 2; i++)
        out[i] = (uint8_t)(nibble_of(text.data[prefix_bytes + 2 * i], &wrong) << 4 |
                           nibble_of(text.data[prefix_bytes + 2 * i + 1], &wrong));
    return wrong == 0 ? SHERD_OK : sherd_fail(SHERD_ERR_INVALID, "%s", refusal);
}

enum sherd_err sherd_credential_parse_private(struct sherd_span text, struct sherd_credential_seed *out_seed)
{
    return parse_text(PRIVATE_PREFIX, text, "the user's key is not one that `sherd keygen --pair` made",
                      out_seed->bytes);
}

enum sherd_err sherd_credential_parse_public(struct sherd_span text, uint8_t out_public[SHERD_SIGN_PUBLIC_SIZE])
{
    return parse_text(PUBLIC_PREFIX, text, "the public key is not one that `sherd keygen --pair` made", out_public);
}

enum sherd_err sherd_user_key_new(struct sherd_buf *out_private, struct sherd_buf *out_public)
{
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];

    SHERD_ENSURE(out_private != NULL && out_public != NULL, SHERD_ERR_INVALID, "places for both texts are needed");
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_credential_seed *seed = sherd_secret_alloc(sizeof(*seed));
    if (seed == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_random(seed->bytes, sizeof(seed->bytes)));
    SHERD_TRY(sherd_sign_public(seed->bytes, public_key));
    SHERD_TRY(append_text(PUBLIC_PREFIX, public_key, out_public));
    return append_text(PRIVATE_PREFIX, seed->bytes, out_private);
}

/* --- challenges --------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_credential_derive(struct sherd_span passphrase, const struct sherd_pwhash_params *hash,
                                       const uint8_t salt[static SHERD_PRINCIPAL_SALT_SIZE],
                                       struct sherd_credential_seed *out_seed)
{
    SHERD_ENSURE(passphrase.len > 0 && passphrase.len <= SHERD_PASSPHRASE_BYTES_MAX, SHERD_ERR_INVALID,
                 "a user's passphrase has 1 to 1024 bytes");
    SHERD_ENSURE(sherd_pwhash_supported(hash), SHERD_ERR_UNSUPPORTED,
                 "the user's passphrase hash is not one that this sherd can compute");
    return sherd_pwhash(hash, passphrase, sherd_span_of(salt, SHERD_PRINCIPAL_SALT_SIZE), out_seed->bytes,
                        sizeof(out_seed->bytes));
}

/* What is signed: it means nothing in another deployment, for another principal or for anything but a login. */
static enum sherd_err message_of(const struct sherd_challenge *challenge, const char *user, uint8_t block[static 256],
                                 struct sherd_span *out_message)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, 256);

    sherd_tlv_put(&writer, 1, sherd_span_str(LABEL));
    sherd_tlv_put(&writer, 2, sherd_span_of(challenge->deployment.bytes, sizeof(challenge->deployment.bytes)));
    sherd_tlv_put(&writer, 3, sherd_span_of(challenge->nonce, sizeof(challenge->nonce)));
    sherd_tlv_put(&writer, 4, sherd_span_str(user));
    out_message->data = block;
    return sherd_tlv_end(&writer, &out_message->len);
}

static enum sherd_err seed_of(const struct sherd_challenge *challenge, const struct sherd_credentials *credentials,
                              struct sherd_credential_seed *out_seed)
{
    SHERD_ENSURE((credentials->passphrase.len > 0) != (credentials->key.len > 0), SHERD_ERR_INVALID,
                 "a user needs exactly one of a passphrase and a key");
    if (credentials->key.len > 0)
        return sherd_credential_parse_private(credentials->key, out_seed);
    if (challenge->credential != SHERD_CREDENTIAL_PASSPHRASE)
        return sherd_credential_denied();
    return sherd_credential_derive(credentials->passphrase, &challenge->hash, challenge->salt, out_seed);
}

enum sherd_err sherd_credential_sign(const struct sherd_challenge *challenge, const char *user,
                                     const struct sherd_credentials *credentials,
                                     uint8_t out_signature[SHERD_SIGNATURE_SIZE])
{
    uint8_t block[256];
    struct sherd_span message;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_credential_seed *seed = sherd_secret_alloc(sizeof(*seed));

    if (seed == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(seed_of(challenge, credentials, seed));
    SHERD_TRY(message_of(challenge, user, block, &message));
    return sherd_sign(seed->bytes, message, out_signature);
}

enum sherd_err sherd_credential_verify(const struct sherd_challenge *challenge, const char *user,
                                       const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE],
                                       const uint8_t signature[static SHERD_SIGNATURE_SIZE])
{
    uint8_t block[256];
    struct sherd_span message;

    SHERD_TRY(message_of(challenge, user, block, &message));
    return sherd_sign_verify(public_key, message, signature);
}
