/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P-256. OpenSSL multiplies by a private key in constant time; its numbers lie in its own heap and are cleared with it.
 * A key agreement takes 100 us, so what it needs is made for each call, but for the curve. The private key may also lie
 * in a token, which computes the agreement: then only the points are looked at here.
 */
#include "crypto/p256.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "crypto/evp.h"
#include "crypto/once.h"
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

/* One draw in four thousand million is out of the range: so many of them, and what draws is broken. */
#define DRAWS_MAX 8U

static EC_GROUP *curve; /* kept for the life of the process, and never changed */

static void bn_freep(BIGNUM **bn)
{
    BN_clear_free(*bn);
}

static void bn_ctx_freep(BN_CTX **ctx)
{
    BN_CTX_free(*ctx);
}

static void point_freep(EC_POINT **point)
{
    EC_POINT_clear_free(*point);
}

static enum sherd_err no_private_key(void)
{
    return sherd_fail(SHERD_ERR_INVALID, "a private key of P-256 is out of its range");
}

static enum sherd_err nobodys(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a public key is none that a secret can be shared with");
}

/* The number that a private key is, to be multiplied by in constant time. */
static enum sherd_err scalar_of(const uint8_t *own, BIGNUM **out_scalar)
{
    SHERD_CLEANUP(bn_freep) BIGNUM *scalar = BN_secure_new();

    if (scalar == NULL || BN_bin2bn(own, SHERD_P256_PRIVATE_SIZE, scalar) == NULL)
        return sherd_evp_fail("P-256");
    if (BN_is_zero(scalar) || BN_cmp(scalar, EC_GROUP_get0_order(curve)) >= 0)
        return no_private_key();
    BN_set_flags(scalar, BN_FLG_CONSTTIME);
    *out_scalar = scalar;
    scalar = NULL;
    return SHERD_OK;
}

static enum sherd_err public_of(const uint8_t *own, uint8_t *out_public)
{
    SHERD_CLEANUP(bn_freep) BIGNUM *scalar = NULL;
    SHERD_CLEANUP(bn_ctx_freep) BN_CTX *ctx = BN_CTX_secure_new();
    SHERD_CLEANUP(point_freep) EC_POINT *point = EC_POINT_new(curve);

    SHERD_TRY(scalar_of(own, &scalar));
    if (ctx == NULL || point == NULL || EC_POINT_mul(curve, point, scalar, NULL, NULL, ctx) != 1 ||
        EC_POINT_point2oct(curve, point, POINT_CONVERSION_UNCOMPRESSED, out_public, SHERD_P256_PUBLIC_SIZE, ctx) !=
            SHERD_P256_PUBLIC_SIZE)
        return sherd_evp_fail("P-256");
    return SHERD_OK;
}

/* The numbers of a point, and of what it must satisfy; of the context, which clears them. */
struct coordinates {
    BIGNUM *x;
    BIGNUM *y;
    BIGNUM *prime;
    BIGNUM *a;
    BIGNUM *b;
    BIGNUM *left;
    BIGNUM *right;
};

static bool coordinates_get(const uint8_t *other, BN_CTX *ctx, struct coordinates *out)
{
    *out = (struct coordinates){.x = BN_CTX_get(ctx),
                                .y = BN_CTX_get(ctx),
                                .prime = BN_CTX_get(ctx),
                                .a = BN_CTX_get(ctx),
                                .b = BN_CTX_get(ctx),
                                .left = BN_CTX_get(ctx),
                                .right = BN_CTX_get(ctx)};
    return out->right != NULL && EC_GROUP_get_curve(curve, out->prime, out->a, out->b, ctx) == 1 &&
           BN_bin2bn(other + 1, SHERD_P256_SHARED_SIZE, out->x) != NULL &&
           BN_bin2bn(other + 1 + SHERD_P256_SHARED_SIZE, SHERD_P256_SHARED_SIZE, out->y) != NULL;
}

/* y^2 and (x^2 + a) x + b. */
static bool sides_get(const struct coordinates *in, BN_CTX *ctx)
{
    return BN_mod_sqr(in->left, in->y, in->prime, ctx) == 1 && BN_mod_sqr(in->right, in->x, in->prime, ctx) == 1 &&
           BN_mod_add(in->right, in->right, in->a, in->prime, ctx) == 1 &&
           BN_mod_mul(in->right, in->right, in->x, in->prime, ctx) == 1 &&
           BN_mod_add(in->right, in->right, in->b, in->prime, ctx) == 1;
}

/*
 * A point of the curve, not at infinity: the curve's cofactor is 1, so this is all there is to check. OpenSSL makes the
 * same check, but its failure cannot be told from a want of memory.
 */
static enum sherd_err point_in(const uint8_t *other, BN_CTX *ctx, EC_POINT *point)
{
    struct coordinates its;

    if (other[0] != POINT_CONVERSION_UNCOMPRESSED)
        return nobodys();
    if (!coordinates_get(other, ctx, &its) || !sides_get(&its, ctx))
        return sherd_evp_fail("P-256");
    if (BN_cmp(its.x, its.prime) >= 0 || BN_cmp(its.y, its.prime) >= 0 || BN_cmp(its.left, its.right) != 0)
        return nobodys();
    if (EC_POINT_set_affine_coordinates(curve, point, its.x, its.y, ctx) != 1)
        return sherd_evp_fail("P-256");
    return SHERD_OK;
}

static enum sherd_err point_of(const uint8_t *other, BN_CTX *ctx, EC_POINT *point)
{
    BN_CTX_start(ctx);
    const enum sherd_err err = point_in(other, ctx, point);
    BN_CTX_end(ctx);
    return err;
}

/* The first coordinate of the product. With a point and a scalar as checked it is never at infinity. */
static enum sherd_err agree(const uint8_t *own, const uint8_t *other, uint8_t *out_shared)
{
    SHERD_CLEANUP(bn_freep) BIGNUM *scalar = NULL;
    SHERD_CLEANUP(bn_freep) BIGNUM *x = BN_secure_new();
    SHERD_CLEANUP(bn_ctx_freep) BN_CTX *ctx = BN_CTX_secure_new();
    SHERD_CLEANUP(point_freep) EC_POINT *point = EC_POINT_new(curve);

    if (x == NULL || ctx == NULL || point == NULL)
        return sherd_evp_fail("P-256");
    SHERD_TRY(scalar_of(own, &scalar));
    SHERD_TRY(point_of(other, ctx, point));
    if (EC_POINT_mul(curve, point, NULL, point, scalar, ctx) != 1 ||
        EC_POINT_get_affine_coordinates(curve, point, x, NULL, ctx) != 1 ||
        BN_bn2binpad(x, out_shared, SHERD_P256_SHARED_SIZE) != SHERD_P256_SHARED_SIZE) {
        sherd_wipe(out_shared, SHERD_P256_SHARED_SIZE);
        return sherd_evp_fail("P-256");
    }
    return SHERD_OK;
}

/* RFC 5903, section 8.1: one side's private key, the other side's public key, and what they share. */
static const uint8_t known_own[] = {0xc8, 0x8f, 0x01, 0xf5, 0x10, 0xd9, 0xac, 0x3f, 0x70, 0xa2, 0x92,
                                    0xda, 0xa2, 0x31, 0x6d, 0xe5, 0x44, 0xe9, 0xaa, 0xb8, 0xaf, 0xe8,
                                    0x40, 0x49, 0xc6, 0x2a, 0x9c, 0x57, 0x86, 0x2d, 0x14, 0x33};
static const uint8_t known_public[] = {0x04, 0xda, 0xd0, 0xb6, 0x53, 0x94, 0x22, 0x1c, 0xf9, 0xb0, 0x51, 0xe1, 0xfe,
                                       0xca, 0x57, 0x87, 0xd0, 0x98, 0xdf, 0xe6, 0x37, 0xfc, 0x90, 0xb9, 0xef, 0x94,
                                       0x5d, 0x0c, 0x37, 0x72, 0x58, 0x11, 0x80, 0x52, 0x71, 0xa0, 0x46, 0x1c, 0xdb,
                                       0x82, 0x52, 0xd6, 0x1f, 0x1c, 0x45, 0x6f, 0xa3, 0xe5, 0x9a, 0xb1, 0xf4, 0x5b,
                                       0x33, 0xac, 0xcf, 0x5f, 0x58, 0x38, 0x9e, 0x05, 0x77, 0xb8, 0x99, 0x0b, 0xb3};
static const uint8_t known_other[] = {0x04, 0xd1, 0x2d, 0xfb, 0x52, 0x89, 0xc8, 0xd4, 0xf8, 0x12, 0x08, 0xb7, 0x02,
                                      0x70, 0x39, 0x8c, 0x34, 0x22, 0x96, 0x97, 0x0a, 0x0b, 0xcc, 0xb7, 0x4c, 0x73,
                                      0x6f, 0xc7, 0x55, 0x44, 0x94, 0xbf, 0x63, 0x56, 0xfb, 0xf3, 0xca, 0x36, 0x6c,
                                      0xc2, 0x3e, 0x81, 0x57, 0x85, 0x4c, 0x13, 0xc5, 0x8d, 0x6a, 0xac, 0x23, 0xf0,
                                      0x46, 0xad, 0xa3, 0x0f, 0x83, 0x53, 0xe7, 0x4f, 0x33, 0x03, 0x98, 0x72, 0xab};
static const uint8_t known_shared[] = {0xd6, 0x84, 0x0f, 0x6b, 0x42, 0xf6, 0xed, 0xaf, 0xd1, 0x31, 0x16,
                                       0xe0, 0xe1, 0x25, 0x65, 0x20, 0x2f, 0xef, 0x8e, 0x9e, 0xce, 0x7d,
                                       0xce, 0x03, 0x81, 0x24, 0x64, 0xd0, 0x4b, 0x94, 0x42, 0xde};

/* Both known answers, and a public key that lies beside the curve, which must be refused. */
static enum sherd_err check_known(void)
{
    uint8_t public_key[SHERD_P256_PUBLIC_SIZE] = {0};
    uint8_t shared[SHERD_P256_SHARED_SIZE] = {0};

    SHERD_TRY(public_of(known_own, public_key));
    SHERD_TRY(agree(known_own, known_other, shared));
    if (!sherd_same(public_key, known_public, sizeof(public_key)) || !sherd_same(shared, known_shared, sizeof(shared)))
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: P-256 fails its known-answer test");
    public_key[SHERD_P256_PUBLIC_SIZE - 1] ^= 1;
    const enum sherd_err err = agree(known_own, public_key, shared);
    if (err == SHERD_OK)
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: P-256 takes a point that is not on the curve");
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static enum sherd_err prepare(void)
{
    if (curve == NULL)
        curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    if (curve == NULL) {
        ERR_clear_error();
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "cryptography: OpenSSL has no P-256");
    }
    const enum sherd_err err = check_known();
    if (err != SHERD_OK) {
        EC_GROUP_free(curve);
        curve = NULL;
    }
    return err;
}

static struct sherd_once once = SHERD_ONCE(prepare);

enum sherd_err sherd_p256_gate(void)
{
    return sherd_once_pass(&once);
}

enum sherd_err sherd_p256_draw(uint8_t out_private[static SHERD_P256_PRIVATE_SIZE])
{
    enum sherd_err err = SHERD_ERR_INVALID;

    SHERD_TRY(sherd_once_pass(&once));
    for (unsigned tries = 0; tries < DRAWS_MAX && err == SHERD_ERR_INVALID; tries++) {
        SHERD_CLEANUP(bn_freep) BIGNUM *scalar = NULL;

        SHERD_TRY(sherd_random(out_private, SHERD_P256_PRIVATE_SIZE));
        err = scalar_of(out_private, &scalar);
    }
    return err == SHERD_ERR_INVALID ? sherd_fail(SHERD_ERR_IO, "there is no randomness") : err;
}

enum sherd_err sherd_p256_check(const uint8_t other[static SHERD_P256_PUBLIC_SIZE])
{
    SHERD_TRY(sherd_once_pass(&once));
    SHERD_CLEANUP(bn_ctx_freep) BN_CTX *ctx = BN_CTX_new();
    SHERD_CLEANUP(point_freep) EC_POINT *point = EC_POINT_new(curve);

    return ctx != NULL && point != NULL ? point_of(other, ctx, point) : sherd_evp_fail("P-256");
}

enum sherd_err sherd_p256_public(const uint8_t own[static SHERD_P256_PRIVATE_SIZE],
                                 uint8_t out_public[static SHERD_P256_PUBLIC_SIZE])
{
    SHERD_TRY(sherd_once_pass(&once));
    return public_of(own, out_public);
}

enum sherd_err sherd_p256(const uint8_t own[static SHERD_P256_PRIVATE_SIZE],
                          const uint8_t other[static SHERD_P256_PUBLIC_SIZE],
                          uint8_t out_shared[static SHERD_P256_SHARED_SIZE])
{
    SHERD_TRY(sherd_once_pass(&once));
    return agree(own, other, out_shared);
}
