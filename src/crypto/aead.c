/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cobblestone-256: C2SP chunked-encryption with SHA-512 and AES-256-GCM.
 *
 *     key (32) || base nonce (12) || commitment (32) =
 *         HKDF-Expand(input key, "c2sp.org/chunked-encryption@v1+" "AEAD_AES_256_GCM" 0x00 salt context)
 *
 * Chunk i goes under the nonce  base nonce xor i  (big-endian, right-aligned), with no additional data. That key opens
 * one message, and the salt makes it unique, so a nonce never meets a key twice.
 */
#include "crypto/aead.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/ct.h"
#include "crypto/evp.h"
#include "crypto/known.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

/* The array is not sized for the final zero byte of the literal by chance: that byte ends the AEAD's name. */
static const uint8_t label[] = "c2sp.org/chunked-encryption@v1+"
                               "AEAD_AES_256_GCM";

/* What HKDF gives for one message. */
struct derived {
    uint8_t key[SHERD_AEAD_KEY_SIZE];
    uint8_t nonce[SHERD_AEAD_NONCE_SIZE];
    uint8_t commitment[SHERD_AEAD_COMMITMENT_SIZE];
};
_Static_assert(sizeof(struct derived) == 76, "HKDF writes the three fields in one run");

static void derived_wipe(struct derived *derived)
{
    sherd_wipe(derived, sizeof(*derived));
}

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a sealed message does not verify");
}

static enum sherd_err derive(const struct sherd_hmac_key *key, struct sherd_span context,
                             const uint8_t salt[static SHERD_AEAD_SALT_SIZE], struct derived *out_derived)
{
    const struct sherd_span info[] = {{label, sizeof(label)}, {salt, SHERD_AEAD_SALT_SIZE}, context};

    return sherd_hkdf_expand_with(key, info, SHERD_COUNT_OF(info), (uint8_t *)out_derived, sizeof(*out_derived));
}

/* The commitment is checked before the key is used for anything else. */
static enum sherd_err derive_checked(const struct sherd_hmac_key *key, struct sherd_span context,
                                     const uint8_t header[static SHERD_AEAD_HEADER_SIZE], struct derived *out_derived)
{
    SHERD_TRY(derive(key, context, header, out_derived));
    if (!sherd_ct_equal(out_derived->commitment, header + SHERD_AEAD_SALT_SIZE, SHERD_AEAD_COMMITMENT_SIZE))
        return tampered();
    return SHERD_OK;
}

/* Make a key ready on the stack of the caller, who ends it with sherd_hmac_key_wipe(). */
static enum sherd_err ready(const uint8_t key[static SHERD_AEAD_KEY_SIZE], struct sherd_hmac_key *out_key)
{
    SHERD_TRY(sherd_crypto_gate());
    return sherd_hmac_key_load(SHERD_SHA512, sherd_span_of(key, SHERD_AEAD_KEY_SIZE), out_key);
}

static enum sherd_err check_held(const struct sherd_hmac_key *key)
{
    SHERD_ENSURE(key->inner.alg == SHERD_SHA512 && key->key_bytes == SHERD_AEAD_KEY_SIZE, SHERD_ERR_INVALID,
                 "a sealing key must be one of SHA-512, of 32 bytes");
    return SHERD_OK;
}

enum sherd_err sherd_aead_plain_bytes(uint64_t sealed_bytes, uint64_t *out_plain_bytes)
{
    uint64_t full;
    uint64_t last;

    if (sealed_bytes < SHERD_AEAD_HEADER_SIZE)
        return tampered();
    full = (sealed_bytes - SHERD_AEAD_HEADER_SIZE) / SHERD_AEAD_SEALED_CHUNK_SIZE;
    last = (sealed_bytes - SHERD_AEAD_HEADER_SIZE) % SHERD_AEAD_SEALED_CHUNK_SIZE;
    if (last < SHERD_AEAD_TAG_SIZE || full >= SHERD_AEAD_CHUNKS_MAX)
        return tampered();
    *out_plain_bytes = full * SHERD_AEAD_CHUNK_SIZE + last - SHERD_AEAD_TAG_SIZE;
    return SHERD_OK;
}

/* --- one chunk -------------------------------------------------------------------------------------------------- */

static void nonce_of(const uint8_t base[static SHERD_AEAD_NONCE_SIZE], uint64_t index,
                     uint8_t out_nonce[static SHERD_AEAD_NONCE_SIZE])
{
    uint8_t counter[8];

    sherd_put_u64(counter, index);
    memcpy(out_nonce, base, SHERD_AEAD_NONCE_SIZE);
    for (size_t i = 0; i < sizeof(counter); i++)
        out_nonce[SHERD_AEAD_NONCE_SIZE - sizeof(counter) + i] ^= counter[i];
}

/* Key, nonce and tag in one call, since each one asks the cipher for its shape again. key: NULL if it has one. */
static bool chunk_begin(EVP_CIPHER_CTX *cipher, const uint8_t *key, const uint8_t *nonce, uint64_t index, bool sealing,
                        const OSSL_PARAM *params)
{
    uint8_t iv[SHERD_AEAD_NONCE_SIZE];

    nonce_of(nonce, index, iv);
    return EVP_CipherInit_ex2(cipher, key != NULL ? sherd_evp()->gcm : NULL, key, iv, sealing, params) == 1;
}

static bool chunk_seal(EVP_CIPHER_CTX *cipher, const uint8_t *key, const uint8_t *nonce, uint64_t index,
                       struct sherd_span plain, uint8_t *out)
{
    uint8_t *tag = out + plain.len;
    int done = 0;

    return chunk_begin(cipher, key, nonce, index, true, NULL) &&
           (plain.len == 0 || EVP_EncryptUpdate(cipher, out, &done, plain.data, (int)plain.len) == 1) &&
           EVP_EncryptFinal_ex(cipher, tag, &done) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, SHERD_AEAD_TAG_SIZE, tag) == 1;
}

/* Decrypts and checks. What fails before the check fails for want of memory: nobody has tampered. */
static enum sherd_err chunk_decrypt(EVP_CIPHER_CTX *cipher, const uint8_t *key, const uint8_t *nonce, uint64_t index,
                                    struct sherd_span sealed, uint8_t *out)
{
    const size_t plain_bytes = sealed.len - SHERD_AEAD_TAG_SIZE;
    uint8_t tag[SHERD_AEAD_TAG_SIZE];
    uint8_t none[SHERD_AEAD_TAG_SIZE];
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, sizeof(tag)),
                                 OSSL_PARAM_construct_end()};
    int done = 0;

    memcpy(tag, sealed.data + plain_bytes, sizeof(tag));
    if (!chunk_begin(cipher, key, nonce, index, false, params) ||
        (plain_bytes > 0 && EVP_DecryptUpdate(cipher, out, &done, sealed.data, (int)plain_bytes) != 1))
        return sherd_evp_fail("AES-256-GCM");
    return EVP_DecryptFinal_ex(cipher, none, &done) == 1 ? SHERD_OK : tampered();
}

/* OpenSSL writes the plaintext before it has checked the tag, so the output is wiped where the check fails. */
static enum sherd_err chunk_open(EVP_CIPHER_CTX *cipher, const uint8_t *key, const uint8_t *nonce, uint64_t index,
                                 struct sherd_span sealed, uint8_t *out)
{
    const enum sherd_err err = chunk_decrypt(cipher, key, nonce, index, sealed, out);

    if (err != SHERD_OK) {
        sherd_wipe(out, sealed.len - SHERD_AEAD_TAG_SIZE);
        ERR_clear_error();
    }
    return err;
}

/* --- whole messages --------------------------------------------------------------------------------------------- */

static bool chunks_seal(EVP_CIPHER_CTX *cipher, const struct derived *derived, struct sherd_span plain, uint8_t *out)
{
    bool done = true;

    for (uint64_t index = 0; done; index++) {
        const size_t take = plain.len < SHERD_AEAD_CHUNK_SIZE ? plain.len : SHERD_AEAD_CHUNK_SIZE;

        done = chunk_seal(cipher, index == 0 ? derived->key : NULL, derived->nonce, index,
                          sherd_span_of(plain.data, take), out);
        if (take < SHERD_AEAD_CHUNK_SIZE)
            break;
        plain = sherd_span_of(plain.data + take, plain.len - take);
        out += SHERD_AEAD_SEALED_CHUNK_SIZE;
    }
    EVP_CIPHER_CTX_reset(cipher);
    return done;
}

static enum sherd_err chunks_open(EVP_CIPHER_CTX *cipher, const struct derived *derived, struct sherd_span chunks,
                                  uint8_t *out)
{
    enum sherd_err err = SHERD_OK;

    for (uint64_t index = 0; err == SHERD_OK; index++) {
        const size_t take = chunks.len < SHERD_AEAD_SEALED_CHUNK_SIZE ? chunks.len : SHERD_AEAD_SEALED_CHUNK_SIZE;

        err = chunk_open(cipher, index == 0 ? derived->key : NULL, derived->nonce, index,
                         sherd_span_of(chunks.data, take), out);
        if (take < SHERD_AEAD_SEALED_CHUNK_SIZE)
            break;
        chunks = sherd_span_of(chunks.data + take, chunks.len - take);
        out += SHERD_AEAD_CHUNK_SIZE;
    }
    EVP_CIPHER_CTX_reset(cipher);
    return err;
}

static enum sherd_err message_seal(const struct sherd_hmac_key *key, struct sherd_span context,
                                   const uint8_t salt[static SHERD_AEAD_SALT_SIZE], struct sherd_span plain,
                                   struct sherd_buf *out_sealed)
{
    SHERD_CLEANUP(derived_wipe) struct derived derived;
    struct sherd_evp_lane *lane;
    size_t sealed_bytes;
    uint8_t *out;

    SHERD_ENSURE(plain.len / SHERD_AEAD_CHUNK_SIZE < SHERD_AEAD_CHUNKS_MAX, SHERD_ERR_LIMIT,
                 "a message of 4 PiB or more cannot be sealed");
    sealed_bytes = (size_t)sherd_aead_sealed_bytes(plain.len);
    SHERD_TRY(sherd_evp_lane(&lane));
    SHERD_TRY(derive(key, context, salt, &derived));
    SHERD_TRY(sherd_buf_reserve(out_sealed, sealed_bytes));

    out = out_sealed->data + out_sealed->len;
    memcpy(out, salt, SHERD_AEAD_SALT_SIZE);
    memcpy(out + SHERD_AEAD_SALT_SIZE, derived.commitment, SHERD_AEAD_COMMITMENT_SIZE);
    if (!chunks_seal(lane->cipher, &derived, plain, out + SHERD_AEAD_HEADER_SIZE))
        return sherd_evp_fail("AES-256-GCM");
    out_sealed->len += sealed_bytes;
    return SHERD_OK;
}

static enum sherd_err message_open(const struct sherd_hmac_key *key, struct sherd_span context,
                                   struct sherd_span sealed, struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(derived_wipe) struct derived derived;
    struct sherd_evp_lane *lane;
    struct sherd_span chunks;
    uint64_t plain_bytes = 0;
    uint8_t *out;

    SHERD_TRY(sherd_aead_plain_bytes(sealed.len, &plain_bytes));
    SHERD_TRY(sherd_evp_lane(&lane));
    SHERD_TRY(derive_checked(key, context, sealed.data, &derived));
    SHERD_TRY(sherd_buf_reserve(out_plain, (size_t)plain_bytes));

    chunks = sherd_span_of(sealed.data + SHERD_AEAD_HEADER_SIZE, sealed.len - SHERD_AEAD_HEADER_SIZE);
    out = out_plain->data + out_plain->len;
    const enum sherd_err err = chunks_open(lane->cipher, &derived, chunks, out);
    if (err != SHERD_OK) {
        sherd_wipe(out, (size_t)plain_bytes); /* the chunks before the bad one */
        return err;
    }
    out_plain->len += (size_t)plain_bytes;
    return SHERD_OK;
}

static enum sherd_err message_seal_fresh(const struct sherd_hmac_key *key, struct sherd_span context,
                                         struct sherd_span plain, struct sherd_buf *out_sealed)
{
    uint8_t salt[SHERD_AEAD_SALT_SIZE];

    SHERD_TRY(sherd_random(salt, sizeof(salt)));
    return message_seal(key, context, salt, plain, out_sealed);
}

enum sherd_err sherd_aead_seal_salted(const uint8_t key[static SHERD_AEAD_KEY_SIZE], struct sherd_span context,
                                      const uint8_t salt[static SHERD_AEAD_SALT_SIZE], struct sherd_span plain,
                                      struct sherd_buf *out_sealed)
{
    SHERD_CLEANUP(sherd_hmac_key_wipe) struct sherd_hmac_key hmac_key;

    SHERD_TRY(ready(key, &hmac_key));
    return message_seal(&hmac_key, context, salt, plain, out_sealed);
}

enum sherd_err sherd_aead_seal(const uint8_t key[static SHERD_AEAD_KEY_SIZE], struct sherd_span context,
                               struct sherd_span plain, struct sherd_buf *out_sealed)
{
    SHERD_CLEANUP(sherd_hmac_key_wipe) struct sherd_hmac_key hmac_key;

    SHERD_TRY(ready(key, &hmac_key));
    return message_seal_fresh(&hmac_key, context, plain, out_sealed);
}

enum sherd_err sherd_aead_seal_with(const struct sherd_hmac_key *key, struct sherd_span context,
                                    struct sherd_span plain, struct sherd_buf *out_sealed)
{
    SHERD_TRY(check_held(key));
    return message_seal_fresh(key, context, plain, out_sealed);
}

enum sherd_err sherd_aead_open(const uint8_t key[static SHERD_AEAD_KEY_SIZE], struct sherd_span context,
                               struct sherd_span sealed, struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_hmac_key_wipe) struct sherd_hmac_key hmac_key;

    SHERD_TRY(ready(key, &hmac_key));
    return message_open(&hmac_key, context, sealed, out_plain);
}

enum sherd_err sherd_aead_open_with(const struct sherd_hmac_key *key, struct sherd_span context,
                                    struct sherd_span sealed, struct sherd_buf *out_plain)
{
    SHERD_TRY(check_held(key));
    return message_open(key, context, sealed, out_plain);
}

/* --- chunk by chunk --------------------------------------------------------------------------------------------- */

/* Lies in secret memory. The key is kept for clones: AES-GCM contexts of OpenSSL before 3.2 cannot be copied. */
struct sherd_aead_message {
    uint8_t key[SHERD_AEAD_KEY_SIZE];
    uint8_t nonce[SHERD_AEAD_NONCE_SIZE];
    bool sealing;
    uint64_t next; /* sealing: the least index that may come next */
    EVP_CIPHER_CTX *cipher;
};

void sherd_aead_message_free(struct sherd_aead_message *message)
{
    if (message == NULL)
        return;
    EVP_CIPHER_CTX_free(message->cipher);
    sherd_secret_free(message);
}

enum sherd_err sherd_aead_message_raw(const uint8_t key[static SHERD_AEAD_KEY_SIZE],
                                      const uint8_t nonce[static SHERD_AEAD_NONCE_SIZE], bool sealing,
                                      struct sherd_aead_message **out_message)
{
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;

    SHERD_TRY(sherd_crypto_gate());
    message = sherd_secret_alloc(sizeof(*message));
    if (message == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(message->key, key, sizeof(message->key));
    memcpy(message->nonce, nonce, sizeof(message->nonce));
    message->sealing = sealing;
    message->cipher = EVP_CIPHER_CTX_new();
    if (message->cipher == NULL || EVP_CipherInit_ex2(message->cipher, sherd_evp()->gcm, key, NULL, sealing, NULL) != 1)
        return sherd_evp_fail("AES-256-GCM");
    *out_message = sherd_aead_message_take(&message);
    return SHERD_OK;
}

enum sherd_err sherd_aead_message_seal_begin(const uint8_t key[static SHERD_AEAD_KEY_SIZE], struct sherd_span context,
                                             uint8_t *out_header, struct sherd_aead_message **out_message)
{
    SHERD_CLEANUP(derived_wipe) struct derived derived;
    SHERD_CLEANUP(sherd_hmac_key_wipe) struct sherd_hmac_key hmac_key;
    uint8_t salt[SHERD_AEAD_SALT_SIZE];

    SHERD_TRY(ready(key, &hmac_key));
    SHERD_TRY(sherd_random(salt, sizeof(salt)));
    SHERD_TRY(derive(&hmac_key, context, salt, &derived));
    SHERD_TRY(sherd_aead_message_raw(derived.key, derived.nonce, true, out_message));
    memcpy(out_header, salt, sizeof(salt));
    memcpy(out_header + sizeof(salt), derived.commitment, sizeof(derived.commitment));
    return SHERD_OK;
}

enum sherd_err sherd_aead_message_open_begin(const uint8_t key[static SHERD_AEAD_KEY_SIZE], struct sherd_span context,
                                             struct sherd_span header, struct sherd_aead_message **out_message)
{
    SHERD_CLEANUP(derived_wipe) struct derived derived;
    SHERD_CLEANUP(sherd_hmac_key_wipe) struct sherd_hmac_key hmac_key;

    if (header.len != SHERD_AEAD_HEADER_SIZE)
        return tampered();
    SHERD_TRY(ready(key, &hmac_key));
    SHERD_TRY(derive_checked(&hmac_key, context, header.data, &derived));
    return sherd_aead_message_raw(derived.key, derived.nonce, false, out_message);
}

enum sherd_err sherd_aead_message_clone(const struct sherd_aead_message *message,
                                        struct sherd_aead_message **out_message)
{
    return sherd_aead_message_raw(message->key, message->nonce, message->sealing, out_message);
}

enum sherd_err sherd_aead_chunk_seal(struct sherd_aead_message *message, uint64_t index, struct sherd_span plain,
                                     uint8_t *out)
{
    SHERD_ENSURE(message->sealing, SHERD_ERR_INVALID, "a message that is being opened cannot be sealed");
    SHERD_ENSURE(plain.len <= SHERD_AEAD_CHUNK_SIZE, SHERD_ERR_INVALID, "a chunk holds at most 16 KiB");
    SHERD_ENSURE(index < SHERD_AEAD_CHUNKS_MAX, SHERD_ERR_LIMIT, "a message of 4 PiB or more cannot be sealed");
    SHERD_ENSURE(index >= message->next, SHERD_ERR_INVALID, "chunks must be sealed in rising order, each once");

    /* Also after a failure: a nonce that may have met one plaintext must not meet another. */
    message->next = plain.len < SHERD_AEAD_CHUNK_SIZE ? SHERD_AEAD_CHUNKS_MAX : index + 1;
    if (!chunk_seal(message->cipher, NULL, message->nonce, index, plain, out))
        return sherd_evp_fail("AES-256-GCM");
    return SHERD_OK;
}

enum sherd_err sherd_aead_chunk_open(struct sherd_aead_message *message, uint64_t index, struct sherd_span sealed,
                                     uint8_t *out)
{
    SHERD_ENSURE(!message->sealing, SHERD_ERR_INVALID, "a message that is being sealed cannot be opened");
    if (sealed.len < SHERD_AEAD_TAG_SIZE || sealed.len > SHERD_AEAD_SEALED_CHUNK_SIZE || index >= SHERD_AEAD_CHUNKS_MAX)
        return tampered();
    return chunk_open(message->cipher, NULL, message->nonce, index, sealed, out);
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_aead_series_begin(const struct sherd_hmac_key *key, struct sherd_span context,
                                       const uint8_t salt[static SHERD_AEAD_SALT_SIZE], bool sealing,
                                       struct sherd_aead_message **out_series)
{
    SHERD_CLEANUP(derived_wipe) struct derived derived;

    SHERD_TRY(check_held(key));
    SHERD_TRY(sherd_crypto_gate());
    SHERD_TRY(derive(key, context, salt, &derived));
    return sherd_aead_message_raw(derived.key, derived.nonce, sealing, out_series);
}

enum sherd_err sherd_aead_slot_seal(struct sherd_aead_message *series, uint64_t number, struct sherd_span plain,
                                    uint8_t *out)
{
    SHERD_ENSURE(series->sealing && plain.len <= SHERD_AEAD_CHUNK_SIZE && number < SHERD_AEAD_CHUNKS_MAX &&
                     number >= series->next,
                 SHERD_ERR_INVALID, "slots are sealed in rising order, each once");
    series->next = number + 1; /* also after a failure, as with chunks */
    if (!chunk_seal(series->cipher, NULL, series->nonce, number, plain, out))
        return sherd_evp_fail("AES-256-GCM");
    return SHERD_OK;
}
