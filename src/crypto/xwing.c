/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X-Wing:
 *
 *     seed (64) of ML-KEM-768 || private key (32) of X25519 = SHAKE256(private key, 96)
 *     public key = that of ML-KEM-768 (1184) || that of X25519 (32)
 *     enc        = ciphertext of ML-KEM-768 (1088) || ephemeral public key of X25519 (32)
 *     secret     = SHA3-256(secret of ML-KEM || secret of X25519 || ephemeral || public key of X25519 || \.//^\)
 *
 * One thing is stricter than the draft: an X25519 secret of all zeros is refused, which only a sender or a recipient
 * who means harm to himself can cause.
 *
 * Nothing of OpenSSL 3.5 is named but in strings, so that a build for an older one uses ML-KEM where it runs on a
 * newer.
 */
#include "crypto/xwing.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/evp.h"
#include "crypto/once.h"
#include "crypto/x25519.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

#define MLKEM "ML-KEM-768"
/* Not in OpenSSL 3.0's <openssl/core_names.h>, which knows no ML-KEM. */
#define PARAM_SEED "seed"
#define PARAM_COINS "ikme"

#define MLKEM_SEED_SIZE 64
#define MLKEM_COINS_SIZE 32
#define MLKEM_PUBLIC_SIZE 1184
#define MLKEM_CIPHERTEXT_SIZE 1088
#define MLKEM_SHARED_SIZE 32
_Static_assert(MLKEM_PUBLIC_SIZE + SHERD_X25519_SIZE == SHERD_XWING_PUBLIC_SIZE, "draft, section 5");
_Static_assert(MLKEM_CIPHERTEXT_SIZE + SHERD_X25519_SIZE == SHERD_XWING_ENC_SIZE, "draft, section 5");

static EVP_MD *shake256; /* kept for the life of the process */
static EVP_MD *sha3;

/* A private key, as it is used. In secret memory. */
struct expanded {
    uint8_t seed[MLKEM_SEED_SIZE];
    struct sherd_x25519_private own;
};
_Static_assert(sizeof(struct expanded) == 96, "SHAKE256 writes both in one run");

/* What goes into the last hash. In secret memory. */
struct joined {
    uint8_t mlkem[MLKEM_SHARED_SIZE];
    uint8_t x25519[SHERD_X25519_SIZE];
    struct sherd_x25519_public ephemeral;
    struct sherd_x25519_public to;
};
_Static_assert(sizeof(struct joined) == 128, "hashed in one run");

static void pkey_freep(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
}

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

static enum sherd_err expand(const uint8_t *own, struct expanded *out_expanded)
{
    SHERD_CLEANUP(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_DigestInit_ex2(ctx, shake256, NULL) != 1 ||
        EVP_DigestUpdate(ctx, own, SHERD_XWING_PRIVATE_SIZE) != 1 ||
        EVP_DigestFinalXOF(ctx, (uint8_t *)out_expanded, sizeof(*out_expanded)) != 1)
        return sherd_evp_fail("SHAKE256");
    return SHERD_OK;
}

static enum sherd_err combine(const struct joined *joined, uint8_t *out_shared)
{
    static const uint8_t label[] = {'\\', '.', '/', '/', '^', '\\'};
    SHERD_CLEANUP(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_DigestInit_ex2(ctx, sha3, NULL) != 1 ||
        EVP_DigestUpdate(ctx, joined, sizeof(*joined)) != 1 || EVP_DigestUpdate(ctx, label, sizeof(label)) != 1 ||
        EVP_DigestFinal_ex(ctx, out_shared, NULL) != 1)
        return sherd_evp_fail("SHA3-256");
    return SHERD_OK;
}

/* --- ML-KEM-768 --------------------------------------------------------------------------------------------------- */

static enum sherd_err mlkem_key(uint8_t seed[static MLKEM_SEED_SIZE], EVP_PKEY **out_pkey)
{
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, MLKEM, NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(PARAM_SEED, seed, MLKEM_SEED_SIZE),
        OSSL_PARAM_construct_end(),
    };

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, out_pkey, EVP_PKEY_KEYPAIR, params) != 1)
        return sherd_evp_fail(MLKEM);
    return SHERD_OK;
}

/*
 * The modulus check of FIPS 203, section 7.2: each 12 bits but the last 32 bytes are below 3329. OpenSSL makes it too,
 * but its failure cannot be told from a want of memory.
 */
static bool modulus_holds(const uint8_t *to)
{
    for (size_t at = 0; at < MLKEM_PUBLIC_SIZE - 32; at += 3) {
        const unsigned first = to[at] | (to[at + 1] & 0x0fU) << 8;
        const unsigned second = to[at + 1] >> 4 | (unsigned)to[at + 2] << 4;

        if (first >= 3329 || second >= 3329)
            return false;
    }
    return true;
}

static enum sherd_err mlkem_encap(const uint8_t *to, const uint8_t *coins, uint8_t *out_ciphertext, uint8_t *out_shared)
{
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
    size_t ciphertext_bytes = MLKEM_CIPHERTEXT_SIZE;
    size_t shared_bytes = MLKEM_SHARED_SIZE;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(PARAM_COINS, (void *)(uintptr_t)coins, MLKEM_COINS_SIZE),
        OSSL_PARAM_construct_end(),
    };

    if (!modulus_holds(to))
        return sherd_fail(SHERD_ERR_TAMPERED, "a public key is none that a secret can be shared with");
    pkey = EVP_PKEY_new_raw_public_key_ex(NULL, MLKEM, NULL, to, MLKEM_PUBLIC_SIZE);
    ctx = pkey != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    if (ctx == NULL || EVP_PKEY_encapsulate_init(ctx, params) != 1 ||
        EVP_PKEY_encapsulate(ctx, out_ciphertext, &ciphertext_bytes, out_shared, &shared_bytes) != 1)
        return sherd_evp_fail(MLKEM);
    return SHERD_OK;
}

/*
 * A ciphertext that was not made for the key gives a secret that nobody knows: FIPS 203, section 6.3. So does OpenSSL's
 * want of memory halfway: what is opened with it then looks tampered with.
 */
static enum sherd_err mlkem_decap(struct expanded *own, const uint8_t *ciphertext, uint8_t *out_shared)
{
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
    size_t shared_bytes = MLKEM_SHARED_SIZE;

    SHERD_TRY(mlkem_key(own->seed, &pkey));
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (ctx == NULL || EVP_PKEY_decapsulate_init(ctx, NULL) != 1 ||
        EVP_PKEY_decapsulate(ctx, out_shared, &shared_bytes, ciphertext, MLKEM_CIPHERTEXT_SIZE) != 1)
        return sherd_evp_fail(MLKEM);
    return SHERD_OK;
}

/* --- X-Wing ------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_xwing_public(const uint8_t own[static SHERD_XWING_PRIVATE_SIZE],
                                  uint8_t out_public[static SHERD_XWING_PUBLIC_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep) struct expanded *expanded = sherd_secret_alloc(sizeof(*expanded));
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    struct sherd_x25519_public x25519;
    size_t size = MLKEM_PUBLIC_SIZE;

    if (expanded == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(expand(own, expanded));
    SHERD_TRY(mlkem_key(expanded->seed, &pkey));
    if (EVP_PKEY_get_raw_public_key(pkey, out_public, &size) != 1)
        return sherd_evp_fail(MLKEM);
    SHERD_TRY(sherd_x25519_public(&expanded->own, &x25519));
    memcpy(out_public + MLKEM_PUBLIC_SIZE, x25519.bytes, sizeof(x25519.bytes));
    return SHERD_OK;
}

enum sherd_err sherd_xwing_encap(const uint8_t to[static SHERD_XWING_PUBLIC_SIZE],
                                 const uint8_t coins[static SHERD_XWING_COINS_SIZE],
                                 uint8_t out_enc[static SHERD_XWING_ENC_SIZE],
                                 uint8_t out_shared[static SHERD_XWING_SHARED_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_x25519_private *ephemeral =
        sherd_secret_alloc(sizeof(*ephemeral));
    SHERD_CLEANUP(sherd_secret_freep) struct joined *joined = sherd_secret_alloc(sizeof(*joined));

    if (ephemeral == NULL || joined == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(ephemeral->bytes, coins + MLKEM_COINS_SIZE, sizeof(ephemeral->bytes));
    memcpy(joined->to.bytes, to + MLKEM_PUBLIC_SIZE, sizeof(joined->to.bytes));
    SHERD_TRY(mlkem_encap(to, coins, out_enc, joined->mlkem));
    SHERD_TRY(sherd_x25519_public(ephemeral, &joined->ephemeral));
    SHERD_TRY(sherd_x25519(ephemeral, &joined->to, joined->x25519));
    memcpy(out_enc + MLKEM_CIPHERTEXT_SIZE, joined->ephemeral.bytes, sizeof(joined->ephemeral.bytes));
    return combine(joined, out_shared);
}

enum sherd_err sherd_xwing_decap(const uint8_t own[static SHERD_XWING_PRIVATE_SIZE],
                                 const uint8_t enc[static SHERD_XWING_ENC_SIZE],
                                 uint8_t out_shared[static SHERD_XWING_SHARED_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep) struct expanded *expanded = sherd_secret_alloc(sizeof(*expanded));
    SHERD_CLEANUP(sherd_secret_freep) struct joined *joined = sherd_secret_alloc(sizeof(*joined));

    if (expanded == NULL || joined == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(expand(own, expanded));
    memcpy(joined->ephemeral.bytes, enc + MLKEM_CIPHERTEXT_SIZE, sizeof(joined->ephemeral.bytes));
    SHERD_TRY(mlkem_decap(expanded, enc, joined->mlkem));
    SHERD_TRY(sherd_x25519_public(&expanded->own, &joined->to));
    SHERD_TRY(sherd_x25519(&expanded->own, &joined->ephemeral, joined->x25519));
    return combine(joined, out_shared);
}

/* --- the gate ----------------------------------------------------------------------------------------------------- */

/* The first vector of the draft: its secret, found by both sides. */
static enum sherd_err answers(void)
{
    static const uint8_t own[] = {0x7f, 0x9c, 0x2b, 0xa4, 0xe8, 0x8f, 0x82, 0x7d, 0x61, 0x60, 0x45,
                                  0x50, 0x76, 0x05, 0x85, 0x3e, 0xd7, 0x3b, 0x80, 0x93, 0xf6, 0xef,
                                  0xbc, 0x88, 0xeb, 0x1a, 0x6e, 0xac, 0xfa, 0x66, 0xef, 0x26};
    static const uint8_t coins[] = {0x3c, 0xb1, 0xee, 0xa9, 0x88, 0x00, 0x4b, 0x93, 0x10, 0x3c, 0xfb, 0x0a, 0xee,
                                    0xfd, 0x2a, 0x68, 0x6e, 0x01, 0xfa, 0x4a, 0x58, 0xe8, 0xa3, 0x63, 0x9c, 0xa8,
                                    0xa1, 0xe3, 0xf9, 0xae, 0x57, 0xe2, 0x35, 0xb8, 0xcc, 0x87, 0x3c, 0x23, 0xdc,
                                    0x62, 0xb8, 0xd2, 0x60, 0x16, 0x9a, 0xfa, 0x2f, 0x75, 0xab, 0x91, 0x6a, 0x58,
                                    0xd9, 0x74, 0x91, 0x88, 0x35, 0xd2, 0x5e, 0x6a, 0x43, 0x50, 0x85, 0xb2};
    static const uint8_t answer[] = {0xd2, 0xdf, 0x05, 0x22, 0x12, 0x8f, 0x09, 0xdd, 0x8e, 0x2c, 0x92,
                                     0xb1, 0xe9, 0x05, 0xc7, 0x93, 0xd8, 0xf5, 0x7a, 0x54, 0xc3, 0xda,
                                     0x25, 0x86, 0x1f, 0x10, 0xbf, 0x4c, 0xa6, 0x13, 0xe3, 0x84};
    uint8_t public_key[SHERD_XWING_PUBLIC_SIZE] = {0};
    uint8_t enc[SHERD_XWING_ENC_SIZE] = {0};
    uint8_t sent[SHERD_XWING_SHARED_SIZE] = {0};
    uint8_t received[SHERD_XWING_SHARED_SIZE] = {0};

    SHERD_TRY(sherd_xwing_public(own, public_key));
    SHERD_TRY(sherd_xwing_encap(public_key, coins, enc, sent));
    SHERD_TRY(sherd_xwing_decap(own, enc, received));
    if (!sherd_same(sent, answer, sizeof(answer)) || !sherd_same(received, answer, sizeof(answer)))
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: X-Wing fails its known-answer test");
    return SHERD_OK;
}

static void algorithms_free(void)
{
    EVP_MD_free(shake256);
    EVP_MD_free(sha3);
    shake256 = NULL;
    sha3 = NULL;
}

static enum sherd_err prepare(void)
{
    EVP_KEM *mlkem = EVP_KEM_fetch(NULL, MLKEM, NULL);
    enum sherd_err err;

    EVP_KEM_free(mlkem);
    shake256 = EVP_MD_fetch(NULL, "SHAKE256", NULL);
    sha3 = EVP_MD_fetch(NULL, "SHA3-256", NULL);
    ERR_clear_error();
    if (mlkem == NULL || shake256 == NULL || sha3 == NULL) {
        algorithms_free();
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "keys of ML-KEM-768 and X25519 need OpenSSL 3.5 or later");
    }
    err = answers();
    if (err != SHERD_OK)
        algorithms_free();
    return err;
}

static struct sherd_once once = SHERD_ONCE(prepare);

enum sherd_err sherd_xwing_gate(void)
{
    return sherd_once_pass(&once);
}
