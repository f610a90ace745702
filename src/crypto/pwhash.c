/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys from passphrases. OpenSSL clears and frees what it works in; a vault does this once per opening, so nothing is
 * kept between calls.
 */
#include "crypto/pwhash.h"

#include "base/mem.h"
#include "crypto/evp.h"
#include "crypto/known.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

/* Not in OpenSSL 3.0's <openssl/core_names.h>, which knows no Argon2. */
#define PARAM_LANES "lanes"
#define PARAM_MEMORY_KIB "memcost"

#define SALT_SIZE_MIN 16
#define OUT_SIZE_MIN 16
#define OUT_SIZE_MAX 64

struct sherd_pwhash_params sherd_pwhash_default(void)
{
    const struct sherd_pwhash_params argon2id = {SHERD_PWHASH_ARGON2ID, 256 * 1024, 3, 4};
    const struct sherd_pwhash_params scrypt = {SHERD_PWHASH_SCRYPT, 17, 8, 1};

    return sherd_pwhash_supported(&argon2id) ? argon2id : scrypt;
}

struct sherd_pwhash_params sherd_pwhash_approved(void)
{
    const struct sherd_pwhash_params pbkdf2 = {SHERD_PWHASH_PBKDF2, SHERD_PWHASH_APPROVED_COST_MIN, 1, 1};

    return pbkdf2;
}

static bool within(uint32_t value, uint32_t least, uint32_t most)
{
    return least <= value && value <= most;
}

static bool bounds_hold(const struct sherd_pwhash_params *params)
{
    if (!within(params->parallel, 1, 16))
        return false;
    if (params->alg == SHERD_PWHASH_PBKDF2)
        return within(params->cost, 100000, 10000000) && params->block == 1 && params->parallel == 1;
    if (params->alg == SHERD_PWHASH_SCRYPT)
        return within(params->cost, 14, 20) && within(params->block, 8, 32) &&
               ((uint64_t)128 * params->block << params->cost) <= SHERD_PWHASH_BYTES_MAX;
    return params->alg == SHERD_PWHASH_ARGON2ID && within(params->cost, 64 * 1024, SHERD_PWHASH_BYTES_MAX / 1024) &&
           within(params->block, 1, 64);
}

bool sherd_pwhash_supported(const struct sherd_pwhash_params *params)
{
    if (!bounds_hold(params) || sherd_crypto_gate() != SHERD_OK)
        return false;
    return params->alg != SHERD_PWHASH_ARGON2ID || sherd_evp()->argon2id != NULL;
}

/* OSSL_PARAM has no const, though octet strings that go in are only read. */
static OSSL_PARAM octets(const char *name, struct sherd_span bytes)
{
    static uint8_t none;

    return OSSL_PARAM_construct_octet_string(name, bytes.len > 0 ? (void *)(uintptr_t)bytes.data : &none, bytes.len);
}

static enum sherd_err kdf_run(EVP_KDF *kdf, const OSSL_PARAM *params, uint8_t *out, size_t out_bytes)
{
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    const bool done = ctx != NULL && EVP_KDF_derive(ctx, out, out_bytes, params) == 1;

    EVP_KDF_CTX_free(ctx);
    if (!done) {
        sherd_wipe(out, out_bytes);
        return sherd_evp_fail("the passphrase hash");
    }
    return SHERD_OK;
}

enum sherd_err sherd_scrypt(const struct sherd_pwhash_params *params, struct sherd_span passphrase,
                            struct sherd_span salt, uint8_t *out, size_t out_bytes)
{
    uint64_t n = (uint64_t)1 << params->cost;
    uint32_t r = params->block;
    uint32_t p = params->parallel;
    /* B, V and T of RFC 7914: 128 r (p + N + 2) bytes. OpenSSL's own ceiling is 32 MiB. */
    uint64_t max_bytes = 128 * (uint64_t)r * (p + n + 2) + 4096;
    const OSSL_PARAM kdf_params[] = {
        octets(OSSL_KDF_PARAM_PASSWORD, passphrase),
        octets(OSSL_KDF_PARAM_SALT, salt),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &max_bytes),
        OSSL_PARAM_construct_end(),
    };

    SHERD_TRY(sherd_crypto_gate());
    return kdf_run(sherd_evp()->scrypt, kdf_params, out, out_bytes);
}

enum sherd_err sherd_argon2id(const struct sherd_pwhash_params *params, struct sherd_span passphrase,
                              struct sherd_span salt, struct sherd_span secret, struct sherd_span data, uint8_t *out,
                              size_t out_bytes)
{
    uint32_t memory_kib = params->cost;
    uint32_t passes = params->block;
    uint32_t lanes = params->parallel;
    const OSSL_PARAM kdf_params[] = {
        octets(OSSL_KDF_PARAM_PASSWORD, passphrase),
        octets(OSSL_KDF_PARAM_SALT, salt),
        OSSL_PARAM_construct_uint32(PARAM_MEMORY_KIB, &memory_kib),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &passes),
        OSSL_PARAM_construct_uint32(PARAM_LANES, &lanes),
        octets(OSSL_KDF_PARAM_SECRET, secret),
        octets("ad", data),
        OSSL_PARAM_construct_end(),
    };

    SHERD_TRY(sherd_crypto_gate());
    SHERD_ENSURE(sherd_evp()->argon2id != NULL, SHERD_ERR_UNSUPPORTED, "Argon2id needs OpenSSL 3.2 or later");
    return kdf_run(sherd_evp()->argon2id, kdf_params, out, out_bytes);
}

enum sherd_err sherd_pbkdf2(const struct sherd_pwhash_params *params, struct sherd_span passphrase,
                            struct sherd_span salt, uint8_t *out, size_t out_bytes)
{
    uint64_t iterations = params->cost;
    int unchecked = 1; /* SP 800-132's least lengths are our bounds; published vectors are shorter */
    char digest[] = "SHA2-256";
    const OSSL_PARAM kdf_params[] = {
        octets(OSSL_KDF_PARAM_PASSWORD, passphrase),
        octets(OSSL_KDF_PARAM_SALT, salt),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &iterations),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &unchecked),
        OSSL_PARAM_construct_end(),
    };

    SHERD_TRY(sherd_crypto_gate());
    return kdf_run(sherd_evp()->pbkdf2, kdf_params, out, out_bytes);
}

enum sherd_err sherd_pwhash(const struct sherd_pwhash_params *params, struct sherd_span passphrase,
                            struct sherd_span salt, uint8_t *out, size_t out_bytes)
{
    const struct sherd_span none = {NULL, 0};

    SHERD_ENSURE(bounds_hold(params), SHERD_ERR_INVALID, "passphrase hash: parameters out of bounds");
    SHERD_ENSURE(salt.len >= SALT_SIZE_MIN, SHERD_ERR_INVALID, "passphrase hash: the salt is too short");
    SHERD_ENSURE(out_bytes >= OUT_SIZE_MIN && out_bytes <= OUT_SIZE_MAX, SHERD_ERR_INVALID,
                 "passphrase hash: a key has 16 to 64 bytes");
    if (params->alg == SHERD_PWHASH_SCRYPT)
        return sherd_scrypt(params, passphrase, salt, out, out_bytes);
    if (params->alg == SHERD_PWHASH_PBKDF2)
        return sherd_pbkdf2(params, passphrase, salt, out, out_bytes);
    return sherd_argon2id(params, passphrase, salt, none, none, out, out_bytes);
}
