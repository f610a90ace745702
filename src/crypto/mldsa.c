/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ML-DSA-44. As with ML-KEM in xwing.c, nothing of OpenSSL 3.5 is named but in strings, so that a build for an older
 * one uses it where it runs on a newer. OpenSSL clears and frees the private key at the end of each call.
 */
#include "crypto/mldsa.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/evp.h"
#include "crypto/evp_sign.h"
#include "crypto/hash.h"
#include "crypto/once.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#define MLDSA "ML-DSA-44"
/* Not in OpenSSL 3.0's <openssl/core_names.h>, which knows no ML-DSA. */
#define PARAM_SEED "seed"
#define PARAM_DETERMINISTIC "deterministic"

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

/* --- once there is ML-DSA ----------------------------------------------------------------------------------------- */

static enum sherd_err key_of(const uint8_t *seed, EVP_PKEY **out_pkey)
{
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, MLDSA, NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(PARAM_SEED, (void *)(uintptr_t)seed, SHERD_MLDSA_SEED_SIZE),
        OSSL_PARAM_construct_end(),
    };

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, out_pkey, EVP_PKEY_KEYPAIR, params) != 1)
        return sherd_evp_fail(MLDSA);
    return SHERD_OK;
}

static enum sherd_err public_of(const uint8_t *seed, uint8_t *out_public)
{
    SHERD_CLEANUP(sherd_evp_pkey_freep) EVP_PKEY *pkey = NULL;
    size_t size = SHERD_MLDSA_PUBLIC_SIZE;

    SHERD_TRY(key_of(seed, &pkey));
    if (EVP_PKEY_get_raw_public_key(pkey, out_public, &size) != 1 || size != SHERD_MLDSA_PUBLIC_SIZE)
        return sherd_evp_fail(MLDSA);
    return SHERD_OK;
}

static enum sherd_err sign(const uint8_t *seed, struct sherd_span message, bool hedged, uint8_t *out_signature)
{
    SHERD_CLEANUP(sherd_evp_pkey_freep) EVP_PKEY *pkey = NULL;
    int deterministic = hedged ? 0 : 1;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(PARAM_DETERMINISTIC, &deterministic),
        OSSL_PARAM_construct_end(),
    };

    SHERD_TRY(key_of(seed, &pkey));
    return sherd_evp_sign(pkey, params, MLDSA, message, out_signature, SHERD_MLDSA_SIGNATURE_SIZE);
}

static enum sherd_err verify(const uint8_t *public_key, struct sherd_span message, const uint8_t *signature)
{
    SHERD_CLEANUP(sherd_evp_pkey_freep) EVP_PKEY *pkey = NULL;

    pkey = EVP_PKEY_new_raw_public_key_ex(NULL, MLDSA, NULL, public_key, SHERD_MLDSA_PUBLIC_SIZE);
    if (pkey == NULL) /* all bytes are a key: FIPS 204, algorithm 23 */
        return sherd_evp_fail(MLDSA);
    return sherd_evp_verify(pkey, MLDSA, message, signature, SHERD_MLDSA_SIGNATURE_SIZE);
}

/* --- the gate ----------------------------------------------------------------------------------------------------- */

/* What comes of signing the first vector of Wycheproof's mldsa_44_sign_seed_test.json; of the long values, SHA-256. */
struct answer {
    uint8_t public_key[SHERD_MLDSA_PUBLIC_SIZE];
    uint8_t signature[SHERD_MLDSA_SIGNATURE_SIZE];
};

static bool is_digest(const uint8_t *bytes, size_t size, const uint8_t *expected)
{
    const struct sherd_span span = sherd_span_of(bytes, size);
    uint8_t digest[SHERD_SHA256_SIZE];

    return sherd_hash(SHERD_SHA256, &span, 1, digest) == SHERD_OK && sherd_same(digest, expected, sizeof(digest));
}

static enum sherd_err answer_into(struct answer *answer)
{
    static const uint8_t seed[SHERD_MLDSA_SEED_SIZE] = {42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42,
                                                        42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42};
    static const uint8_t public_digest[] = {0xd8, 0x7f, 0x8c, 0xa1, 0x36, 0xac, 0x1a, 0xa5, 0x5e, 0x2d, 0x6c,
                                            0x45, 0x21, 0x68, 0x0e, 0xfb, 0x3a, 0x37, 0x8c, 0xbb, 0x9b, 0xc0,
                                            0xbf, 0xb4, 0x46, 0xe9, 0xc6, 0x08, 0x93, 0x93, 0x1e, 0xa3};
    static const uint8_t signature_digest[] = {0x8c, 0xd6, 0xfc, 0x03, 0xda, 0xa7, 0x2e, 0x87, 0x21, 0x0a, 0x4e,
                                               0x72, 0x15, 0x23, 0xe8, 0x4c, 0x14, 0xf2, 0x77, 0x33, 0x78, 0x90,
                                               0x75, 0xe6, 0x57, 0x36, 0x74, 0x4d, 0x47, 0x87, 0xfd, 0xd5};
    const struct sherd_span message = sherd_span_str("Hello world");

    SHERD_TRY(public_of(seed, answer->public_key));
    SHERD_TRY(sign(seed, message, false, answer->signature));
    SHERD_TRY(verify(answer->public_key, message, answer->signature));
    if (!is_digest(answer->public_key, sizeof(answer->public_key), public_digest) ||
        !is_digest(answer->signature, sizeof(answer->signature), signature_digest) ||
        verify(answer->public_key, sherd_span_str("Hello World"), answer->signature) == SHERD_OK)
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: " MLDSA " fails its known-answer test");
    return SHERD_OK;
}

static enum sherd_err prepare(void)
{
    EVP_SIGNATURE *mldsa = EVP_SIGNATURE_fetch(NULL, MLDSA, NULL);
    SHERD_CLEANUP(sherd_freep) struct answer *answer = NULL;

    EVP_SIGNATURE_free(mldsa);
    if (mldsa == NULL && sherd_openssl_wants_memory()) /* who signs would else leave it out */
        return sherd_evp_fail(MLDSA);
    ERR_clear_error();
    if (mldsa == NULL)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "signatures of " MLDSA " need OpenSSL 3.5 or later");
    answer = sherd_alloc(sizeof(*answer));
    return answer != NULL ? answer_into(answer) : SHERD_ERR_NO_MEMORY;
}

static struct sherd_once once = SHERD_ONCE(prepare);

enum sherd_err sherd_mldsa_gate(void)
{
    return sherd_once_pass(&once);
}

/* --- for others --------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_mldsa_public(const uint8_t seed[static SHERD_MLDSA_SEED_SIZE],
                                  uint8_t out_public[SHERD_MLDSA_PUBLIC_SIZE])
{
    SHERD_TRY(sherd_mldsa_gate());
    return public_of(seed, out_public);
}

enum sherd_err sherd_mldsa_sign(const uint8_t seed[static SHERD_MLDSA_SEED_SIZE], struct sherd_span message,
                                bool hedged, uint8_t out_signature[SHERD_MLDSA_SIGNATURE_SIZE])
{
    SHERD_TRY(sherd_mldsa_gate());
    return sign(seed, message, hedged, out_signature);
}

enum sherd_err sherd_mldsa_verify(const uint8_t public_key[static SHERD_MLDSA_PUBLIC_SIZE], struct sherd_span message,
                                  const uint8_t signature[static SHERD_MLDSA_SIGNATURE_SIZE])
{
    SHERD_TRY(sherd_mldsa_gate());
    return verify(public_key, message, signature);
}
