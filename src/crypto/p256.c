/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDH on P-256. Contexts are made for each call, as those of X25519 are; OpenSSL clears and frees the private key with
 * them.
 */
#include "crypto/p256.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/evp.h"
#include "crypto/once.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

static void pkey_freep(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
}

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static void group_freep(EC_GROUP **group)
{
    EC_GROUP_free(*group);
}

static void point_freep(EC_POINT **point)
{
    EC_POINT_free(*point);
}

static void number_freep(BIGNUM **number)
{
    BN_clear_free(*number);
}

/* OpenSSL said no: for want of memory, or because of what it was given. */
static enum sherd_err refused(void)
{
    if (sherd_openssl_wants_memory())
        return sherd_evp_fail("P-256");
    return sherd_fail(SHERD_ERR_TAMPERED, "a key is none of P-256");
}

/* A key for EVP: of a private one public and private half, else the public half alone. */
static enum sherd_err key_make(const uint8_t *own, uint8_t *point, EVP_PKEY **out_key)
{
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    SHERD_CLEANUP(number_freep) BIGNUM *number = own != NULL ? BN_secure_new() : NULL;
    char group[] = "prime256v1";
    uint8_t native[SHERD_P256_PRIVATE_SIZE];
    OSSL_PARAM params[4] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, SHERD_P256_PUBLIC_SIZE),
        OSSL_PARAM_construct_end(),
        OSSL_PARAM_construct_end(),
    };
    bool made;

    if (ctx == NULL || (own != NULL && (number == NULL || BN_bin2bn(own, SHERD_P256_PRIVATE_SIZE, number) == NULL ||
                                        BN_bn2nativepad(number, native, sizeof(native)) < 0)))
        return sherd_evp_fail("P-256");
    if (own != NULL)
        params[2] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof(native));
    made = EVP_PKEY_fromdata_init(ctx) == 1 &&
           EVP_PKEY_fromdata(ctx, out_key, own != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) == 1;
    sherd_wipe(native, sizeof(native));
    return made ? SHERD_OK : refused();
}

/* 1 to the order less 1. */
static enum sherd_err check_number(const EC_GROUP *group, const BIGNUM *number)
{
    SHERD_ENSURE(!BN_is_zero(number) && BN_cmp(number, EC_GROUP_get0_order(group)) < 0, SHERD_ERR_TAMPERED,
                 "a number is no private key of P-256");
    return SHERD_OK;
}

static enum sherd_err public_of(const uint8_t *own, uint8_t *out_point)
{
    SHERD_CLEANUP(group_freep)
    EC_GROUP *group = EC_GROUP_new_by_curve_name_ex(NULL, NULL, NID_X9_62_prime256v1);
    SHERD_CLEANUP(number_freep) BIGNUM *number = BN_secure_new();
    SHERD_CLEANUP(point_freep) EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;

    if (number == NULL || point == NULL || BN_bin2bn(own, SHERD_P256_PRIVATE_SIZE, number) == NULL)
        return sherd_evp_fail("P-256");
    SHERD_TRY(check_number(group, number));
    BN_set_flags(number, BN_FLG_CONSTTIME);
    if (EC_POINT_mul(group, point, number, NULL, NULL, NULL) != 1 ||
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out_point, SHERD_P256_PUBLIC_SIZE, NULL) !=
            SHERD_P256_PUBLIC_SIZE)
        return sherd_evp_fail("P-256");
    return SHERD_OK;
}

/* The public half of another; OpenSSL refuses a point that does not lie on the curve. */
static enum sherd_err peer_make(const uint8_t *other, EVP_PKEY **out_key)
{
    uint8_t point[SHERD_P256_PUBLIC_SIZE];

    memcpy(point, other, sizeof(point));
    SHERD_ENSURE(point[0] == POINT_CONVERSION_UNCOMPRESSED, SHERD_ERR_TAMPERED, "a key is none of P-256");
    ERR_clear_error();
    return key_make(NULL, point, out_key);
}

static enum sherd_err agree(const uint8_t *own, const uint8_t *other, uint8_t *out_shared)
{
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *peer = NULL;
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
    uint8_t point[SHERD_P256_PUBLIC_SIZE];
    size_t size = SHERD_P256_SHARED_SIZE;

    SHERD_TRY(peer_make(other, &peer));
    SHERD_TRY(public_of(own, point));
    SHERD_TRY(key_make(own, point, &pkey));
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1)
        return sherd_evp_fail("P-256");
    ERR_clear_error();
    if (EVP_PKEY_derive_set_peer(ctx, peer) == 1 && EVP_PKEY_derive(ctx, out_shared, &size) == 1 &&
        size == SHERD_P256_SHARED_SIZE)
        return SHERD_OK;
    sherd_wipe(out_shared, SHERD_P256_SHARED_SIZE);
    return refused();
}

/* RFC 5903, section 8.1: the responder's public key from its private one, then the secret of both. */
static const uint8_t known_i[] = {0xc8, 0x8f, 0x01, 0xf5, 0x10, 0xd9, 0xac, 0x3f, 0x70, 0xa2, 0x92,
                                  0xda, 0xa2, 0x31, 0x6d, 0xe5, 0x44, 0xe9, 0xaa, 0xb8, 0xaf, 0xe8,
                                  0x40, 0x49, 0xc6, 0x2a, 0x9c, 0x57, 0x86, 0x2d, 0x14, 0x33};
static const uint8_t known_r[] = {0xc6, 0xef, 0x9c, 0x5d, 0x78, 0xae, 0x01, 0x2a, 0x01, 0x11, 0x64,
                                  0xac, 0xb3, 0x97, 0xce, 0x20, 0x88, 0x68, 0x5d, 0x8f, 0x06, 0xbf,
                                  0x9b, 0xe0, 0xb2, 0x83, 0xab, 0x46, 0x47, 0x6b, 0xee, 0x53};
static const uint8_t known_gr[] = {0x04, 0xd1, 0x2d, 0xfb, 0x52, 0x89, 0xc8, 0xd4, 0xf8, 0x12, 0x08, 0xb7, 0x02,
                                   0x70, 0x39, 0x8c, 0x34, 0x22, 0x96, 0x97, 0x0a, 0x0b, 0xcc, 0xb7, 0x4c, 0x73,
                                   0x6f, 0xc7, 0x55, 0x44, 0x94, 0xbf, 0x63, 0x56, 0xfb, 0xf3, 0xca, 0x36, 0x6c,
                                   0xc2, 0x3e, 0x81, 0x57, 0x85, 0x4c, 0x13, 0xc5, 0x8d, 0x6a, 0xac, 0x23, 0xf0,
                                   0x46, 0xad, 0xa3, 0x0f, 0x83, 0x53, 0xe7, 0x4f, 0x33, 0x03, 0x98, 0x72, 0xab};
static const uint8_t known_shared[] = {0xd6, 0x84, 0x0f, 0x6b, 0x42, 0xf6, 0xed, 0xaf, 0xd1, 0x31, 0x16,
                                       0xe0, 0xe1, 0x25, 0x65, 0x20, 0x2f, 0xef, 0x8e, 0x9e, 0xce, 0x7d,
                                       0xce, 0x03, 0x81, 0x24, 0x64, 0xd0, 0x4b, 0x94, 0x42, 0xde};

static enum sherd_err prepare(void)
{
    uint8_t point[SHERD_P256_PUBLIC_SIZE] = {0};
    uint8_t shared[SHERD_P256_SHARED_SIZE] = {0};
    enum sherd_err err;

    SHERD_TRY(public_of(known_r, point));
    if (!sherd_same(point, known_gr, sizeof(point)))
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: P-256 fails its known-answer test");
    err = agree(known_i, point, shared);
    if (err == SHERD_ERR_TAMPERED) /* a want of memory can look like it: that is not remembered */
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "cryptography: OpenSSL does not compute P-256");
    SHERD_TRY(err);
    if (!sherd_same(shared, known_shared, sizeof(shared)))
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: P-256 fails its known-answer test");
    point[64] ^= 1;
    err = agree(known_i, point, shared);
    if (err == SHERD_OK)
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: P-256 takes a point that is not on the curve");
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static struct sherd_once once = SHERD_ONCE(prepare);

enum sherd_err sherd_p256_gate(void)
{
    return sherd_once_pass(&once);
}

enum sherd_err sherd_p256_check(const uint8_t point[static SHERD_P256_PUBLIC_SIZE])
{
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;

    SHERD_TRY(sherd_once_pass(&once));
    return peer_make(point, &pkey);
}

enum sherd_err sherd_p256_public(const uint8_t own[static SHERD_P256_PRIVATE_SIZE],
                                 uint8_t out_point[SHERD_P256_PUBLIC_SIZE])
{
    SHERD_TRY(sherd_once_pass(&once));
    return public_of(own, out_point);
}

enum sherd_err sherd_p256(const uint8_t own[static SHERD_P256_PRIVATE_SIZE],
                          const uint8_t other[static SHERD_P256_PUBLIC_SIZE],
                          uint8_t out_shared[SHERD_P256_SHARED_SIZE])
{
    SHERD_TRY(sherd_once_pass(&once));
    return agree(own, other, out_shared);
}
