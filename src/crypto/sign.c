/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519. Signing is rare (checkpoints, approvals), so its contexts are made for each call; OpenSSL clears and frees
 * the private key with them.
 */
#include "crypto/sign.h"

#include "crypto/evp.h"
#include "crypto/evp_sign.h"
#include <openssl/err.h>

#define ED25519 "ED25519"
#define NAME "Ed25519"

/* --- of whatever kind --------------------------------------------------------------------------------------------- */

/* OpenSSL takes no NULL for a message of no bytes everywhere. */
static const uint8_t *bytes_of(struct sherd_span message)
{
    static const uint8_t none;

    return message.len > 0 ? message.data : &none;
}

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

enum sherd_err sherd_evp_sign(EVP_PKEY *pkey, const OSSL_PARAM *params, const char *name, struct sherd_span message,
                              uint8_t *out_signature, size_t size)
{
    SHERD_CLEANUP(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t written = size;

    if (ctx == NULL || EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, params) != 1 ||
        EVP_DigestSign(ctx, out_signature, &written, bytes_of(message), message.len) != 1 || written != size)
        return sherd_evp_fail(name);
    return SHERD_OK;
}

static enum sherd_err verify_once(EVP_PKEY *pkey, const char *name, struct sherd_span message, const uint8_t *signature,
                                  size_t size, bool *out_valid)
{
    SHERD_CLEANUP(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) != 1)
        return sherd_evp_fail(name);
    *out_valid = EVP_DigestVerify(ctx, signature, size, bytes_of(message), message.len) == 1;
    ERR_clear_error();
    return SHERD_OK;
}

/* OpenSSL says of a want of memory in the midst of it what it says of a wrong signature: one that is wrong stays so. */
enum sherd_err sherd_evp_verify(EVP_PKEY *pkey, const char *name, struct sherd_span message, const uint8_t *signature,
                                size_t size)
{
    bool valid = false;

    SHERD_TRY(verify_once(pkey, name, message, signature, size, &valid));
    if (valid)
        return SHERD_OK;
    SHERD_TRY(verify_once(pkey, name, message, signature, size, &valid));
    return valid ? sherd_fail(SHERD_ERR_NO_MEMORY, "no memory to verify a signature")
                 : sherd_fail(SHERD_ERR_TAMPERED, "a signature does not verify");
}

/* --- Ed25519 ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_sign_public(const uint8_t seed[static SHERD_SIGN_SEED_SIZE],
                                 uint8_t out_public[SHERD_SIGN_PUBLIC_SIZE])
{
    SHERD_CLEANUP(sherd_evp_pkey_freep) EVP_PKEY *pkey = NULL;
    size_t size = SHERD_SIGN_PUBLIC_SIZE;

    SHERD_TRY(sherd_crypto_gate());
    pkey = EVP_PKEY_new_raw_private_key_ex(NULL, ED25519, NULL, seed, SHERD_SIGN_SEED_SIZE);
    if (pkey == NULL || EVP_PKEY_get_raw_public_key(pkey, out_public, &size) != 1)
        return sherd_evp_fail(NAME);
    return SHERD_OK;
}

enum sherd_err sherd_sign(const uint8_t seed[static SHERD_SIGN_SEED_SIZE], struct sherd_span message,
                          uint8_t out_signature[SHERD_SIGNATURE_SIZE])
{
    SHERD_CLEANUP(sherd_evp_pkey_freep) EVP_PKEY *pkey = NULL;

    SHERD_TRY(sherd_crypto_gate());
    pkey = EVP_PKEY_new_raw_private_key_ex(NULL, ED25519, NULL, seed, SHERD_SIGN_SEED_SIZE);
    if (pkey == NULL)
        return sherd_evp_fail(NAME);
    return sherd_evp_sign(pkey, NULL, NAME, message, out_signature, SHERD_SIGNATURE_SIZE);
}

enum sherd_err sherd_sign_verify(const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE], struct sherd_span message,
                                 const uint8_t signature[static SHERD_SIGNATURE_SIZE])
{
    SHERD_CLEANUP(sherd_evp_pkey_freep) EVP_PKEY *pkey = NULL;

    SHERD_TRY(sherd_crypto_gate());
    pkey = EVP_PKEY_new_raw_public_key_ex(NULL, ED25519, NULL, public_key, SHERD_SIGN_PUBLIC_SIZE);
    if (pkey == NULL)
        return sherd_evp_fail(NAME);
    return sherd_evp_verify(pkey, NAME, message, signature, SHERD_SIGNATURE_SIZE);
}
