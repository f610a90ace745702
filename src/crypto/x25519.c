/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X25519. A key agreement takes 50 us, so its contexts are made for each call, as those of Ed25519 are; OpenSSL clears
 * and frees the private key with them.
 */
#include "crypto/x25519.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "crypto/ct.h"
#include "crypto/evp.h"
#include "crypto/once.h"
#include <openssl/err.h>

static void pkey_freep(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
}

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static enum sherd_err public_of(const uint8_t *own, uint8_t *out_public)
{
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    size_t size = SHERD_X25519_SIZE;

    pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, own, SHERD_X25519_SIZE);
    if (pkey == NULL || EVP_PKEY_get_raw_public_key(pkey, out_public, &size) != 1)
        return sherd_evp_fail("X25519");
    return SHERD_OK;
}

/* OpenSSL refuses a result of all zeros itself; that it does is not left to it alone. */
static enum sherd_err agree(const uint8_t *own, const uint8_t *other, uint8_t *out_shared)
{
    static const uint8_t zero[SHERD_X25519_SIZE];
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *peer = NULL;
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
    size_t size = SHERD_X25519_SIZE;

    pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, own, SHERD_X25519_SIZE);
    peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, other, SHERD_X25519_SIZE);
    ctx = pkey != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    if (peer == NULL || ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1)
        return sherd_evp_fail("X25519");
    ERR_clear_error();
    if (EVP_PKEY_derive(ctx, out_shared, &size) != 1 || sherd_ct_equal(out_shared, zero, sizeof(zero))) {
        sherd_wipe(out_shared, SHERD_X25519_SIZE);
        if (sherd_openssl_wants_memory())
            return sherd_evp_fail("X25519");
        return sherd_fail(SHERD_ERR_TAMPERED, "a public key is none that a secret can be shared with");
    }
    return SHERD_OK;
}

/* The known answer of RFC 7748, section 6.1, and a public key of order 1, which must be refused. */
static enum sherd_err prepare(void)
{
    static const uint8_t alice[] = {0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1,
                                    0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0,
                                    0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
    static const uint8_t bob[] = {0x5d, 0xab, 0x08, 0x7e, 0x62, 0x4a, 0x8a, 0x4b, 0x79, 0xe1, 0x7f,
                                  0x8b, 0x83, 0x80, 0x0e, 0xe6, 0x6f, 0x3b, 0xb1, 0x29, 0x26, 0x18,
                                  0xb6, 0xfd, 0x1c, 0x2f, 0x8b, 0x27, 0xff, 0x88, 0xe0, 0xeb};
    static const uint8_t answer[] = {0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b,
                                     0xf4, 0x80, 0x35, 0x0f, 0x25, 0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1,
                                     0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42};
    static const uint8_t zero[SHERD_X25519_SIZE];
    uint8_t public_key[SHERD_X25519_SIZE] = {0};
    uint8_t shared[SHERD_X25519_SIZE] = {0};
    EVP_KEYEXCH *algorithm = EVP_KEYEXCH_fetch(NULL, "X25519", NULL);
    enum sherd_err err;

    EVP_KEYEXCH_free(algorithm);
    ERR_clear_error();
    SHERD_ENSURE(algorithm != NULL, SHERD_ERR_UNSUPPORTED, "cryptography: OpenSSL has no X25519");
    SHERD_TRY(public_of(bob, public_key));
    SHERD_TRY(agree(alice, public_key, shared));
    if (!sherd_same(shared, answer, sizeof(answer)))
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: X25519 fails its known-answer test");
    err = agree(alice, zero, shared);
    if (err == SHERD_OK)
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: X25519 shares a secret of zeros");
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static struct sherd_once once = SHERD_ONCE(prepare);

enum sherd_err sherd_x25519_gate(void)
{
    return sherd_once_pass(&once);
}

enum sherd_err sherd_x25519_public(const struct sherd_x25519_private *own, struct sherd_x25519_public *out_public)
{
    SHERD_TRY(sherd_once_pass(&once));
    return public_of(own->bytes, out_public->bytes);
}

enum sherd_err sherd_x25519_keygen(struct sherd_x25519_private *out_private, struct sherd_x25519_public *out_public)
{
    SHERD_TRY(sherd_once_pass(&once));
    SHERD_TRY(sherd_random(out_private->bytes, SHERD_X25519_SIZE));
    return public_of(out_private->bytes, out_public->bytes);
}

enum sherd_err sherd_x25519(const struct sherd_x25519_private *own, const struct sherd_x25519_public *other,
                            uint8_t out_shared[SHERD_X25519_SIZE])
{
    SHERD_TRY(sherd_once_pass(&once));
    return agree(own->bytes, other->bytes, out_shared);
}
