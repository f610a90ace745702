/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an HPKE sender and recipient agree on a secret: DHKEM(X25519, HKDF-SHA256) and DHKEM(P-256, HKDF-SHA256), RFC
 * 9180 section 4.1, here; X-Wing, whose shared secret is used as it is, in xwing.c.
 */
#include "crypto/kem.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/p256.h"
#include "crypto/x25519.h"
#include "crypto/xwing.h"
#include <string.h>

struct shape {
    size_t public_bytes;
    size_t enc_bytes;
    size_t coins_bytes;
};

static struct shape shape_of(enum sherd_kem kem)
{
    static const struct shape x25519 = {SHERD_X25519_SIZE, SHERD_X25519_SIZE, SHERD_X25519_SIZE};
    static const struct shape p256 = {SHERD_P256_PUBLIC_SIZE, SHERD_P256_PUBLIC_SIZE, SHERD_P256_PRIVATE_SIZE};
    static const struct shape xwing = {SHERD_XWING_PUBLIC_SIZE, SHERD_XWING_ENC_SIZE, SHERD_XWING_COINS_SIZE};
    static const struct shape none = {0, 0, 0};

    switch (kem) {
    case SHERD_KEM_P256: return p256;
    case SHERD_KEM_X25519: return x25519;
    case SHERD_KEM_XWING: return xwing;
    case SHERD_KEM_NONE: break;
    }
    return none;
}

size_t sherd_kem_public_bytes(enum sherd_kem kem)
{
    return shape_of(kem).public_bytes;
}

size_t sherd_kem_enc_bytes(enum sherd_kem kem)
{
    return shape_of(kem).enc_bytes;
}

size_t sherd_kem_coins_bytes(enum sherd_kem kem)
{
    return shape_of(kem).coins_bytes;
}

static enum sherd_err gate(enum sherd_kem kem)
{
    switch (kem) {
    case SHERD_KEM_P256: return sherd_p256_gate();
    case SHERD_KEM_X25519: return sherd_x25519_gate();
    case SHERD_KEM_XWING: return sherd_xwing_gate();
    case SHERD_KEM_NONE: break;
    }
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "this kind of public key is not known");
}

bool sherd_kem_supported(enum sherd_kem kem)
{
    return gate(kem) == SHERD_OK;
}

/* The public key of a private one, on a curve, after the gate. */
static enum sherd_err public_of(enum sherd_kem kem, const uint8_t *own, uint8_t *out_public)
{
    if (kem == SHERD_KEM_P256)
        return sherd_p256_public(own, out_public);
    return sherd_x25519_public((const struct sherd_x25519_private *)own, (struct sherd_x25519_public *)out_public);
}

enum sherd_err sherd_kem_public(const struct sherd_kem_private *own, struct sherd_kem_public *out_public)
{
    struct sherd_kem_public made = {.kem = own->kem};

    SHERD_TRY(gate(own->kem));
    if (own->kem == SHERD_KEM_XWING)
        SHERD_TRY(sherd_xwing_public(own->bytes, made.bytes));
    else
        SHERD_TRY(public_of(own->kem, own->bytes, made.bytes));
    *out_public = made;
    return SHERD_OK;
}

enum sherd_err sherd_kem_coins(enum sherd_kem kem, uint8_t *out_coins)
{
    if (kem == SHERD_KEM_P256)
        return sherd_p256_draw(out_coins);
    return sherd_random(out_coins, sherd_kem_coins_bytes(kem));
}

enum sherd_err sherd_kem_keygen(enum sherd_kem kem, struct sherd_kem_private *out_private,
                                struct sherd_kem_public *out_public)
{
    SHERD_TRY(gate(kem));
    out_private->kem = kem;
    if (kem == SHERD_KEM_P256)
        SHERD_TRY(sherd_p256_draw(out_private->bytes));
    else
        SHERD_TRY(sherd_random(out_private->bytes, sizeof(out_private->bytes)));
    return sherd_kem_public(out_private, out_public);
}

/* --- DHKEM -------------------------------------------------------------------------------------------------------- */

/* Longest key of either curve, and longest secret. */
#define KEY_BYTES_MAX SHERD_P256_PUBLIC_SIZE
#define RAW_SIZE 32
_Static_assert(SHERD_X25519_SIZE == RAW_SIZE && SHERD_P256_SHARED_SIZE == RAW_SIZE, "both curves share as much");
_Static_assert(SHERD_KEM_SHARED_SIZE == RAW_SIZE, "and what a token gives has as much");

/* Secrets of one agreement. */
struct agreement {
    uint8_t raw[RAW_SIZE];
    uint8_t prk[32];
};

/* What two key pairs share, raw. */
static enum sherd_err share(enum sherd_kem kem, const uint8_t *own, const uint8_t *other, uint8_t *out_raw)
{
    if (kem == SHERD_KEM_P256)
        return sherd_p256(own, other, out_raw);
    return sherd_x25519((const struct sherd_x25519_private *)own, (const struct sherd_x25519_public *)other, out_raw);
}

/* ExtractAndExpand(dh, enc || public key of the recipient) */
static enum sherd_err extract_and_expand(enum sherd_kem kem, struct agreement *secret, const uint8_t *enc,
                                         const uint8_t *to, uint8_t *out_shared)
{
    const uint8_t suite_bytes[] = {'K', 'E', 'M', (uint8_t)((unsigned)kem >> 8), (uint8_t)((unsigned)kem & 0xffU)};
    const struct sherd_span suite = sherd_span_of(suite_bytes, sizeof(suite_bytes));
    const size_t bytes = sherd_kem_public_bytes(kem);
    const struct sherd_span context[] = {sherd_span_of(enc, bytes), sherd_span_of(to, bytes)};
    const struct sherd_span none = {NULL, 0};

    SHERD_TRY(sherd_hpke_extract(suite, none, "eae_prk", sherd_span_of(secret->raw, sizeof(secret->raw)), secret->prk));
    return sherd_hpke_expand(suite, secret->prk, "shared_secret", context, out_shared, SHERD_KEM_SHARED_SIZE);
}

/* coins: the ephemeral private key */
static enum sherd_err dhkem_encap(enum sherd_kem kem, const uint8_t *to, const uint8_t *coins, uint8_t *out_enc,
                                  uint8_t *out_shared)
{
    SHERD_CLEANUP(sherd_secret_freep) struct agreement *secret = sherd_secret_alloc(sizeof(*secret));
    uint8_t ours[KEY_BYTES_MAX];

    if (secret == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(public_of(kem, coins, ours));
    SHERD_TRY(share(kem, coins, to, secret->raw));
    SHERD_TRY(extract_and_expand(kem, secret, ours, to, out_shared));
    memcpy(out_enc, ours, sherd_kem_enc_bytes(kem));
    return SHERD_OK;
}

static enum sherd_err dhkem_decap(enum sherd_kem kem, const uint8_t *own, const uint8_t *enc, uint8_t *out_shared)
{
    SHERD_CLEANUP(sherd_secret_freep) struct agreement *secret = sherd_secret_alloc(sizeof(*secret));
    uint8_t ours[KEY_BYTES_MAX];

    if (secret == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(public_of(kem, own, ours));
    SHERD_TRY(share(kem, own, enc, secret->raw));
    return extract_and_expand(kem, secret, enc, ours, out_shared);
}

enum sherd_err sherd_kem_p256_finish(const struct sherd_kem_public *own, const uint8_t *enc,
                                     const uint8_t raw[SHERD_KEM_SHARED_SIZE],
                                     uint8_t out_shared[SHERD_KEM_SHARED_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep) struct agreement *secret = sherd_secret_alloc(sizeof(*secret));

    if (secret == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(secret->raw, raw, sizeof(secret->raw));
    return extract_and_expand(SHERD_KEM_P256, secret, enc, own->bytes, out_shared);
}

/* --- any ---------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_kem_encap(const struct sherd_kem_public *to, const uint8_t *coins, uint8_t *out_enc,
                               uint8_t out_shared[SHERD_KEM_SHARED_SIZE])
{
    SHERD_TRY(gate(to->kem));
    if (to->kem == SHERD_KEM_XWING)
        return sherd_xwing_encap(to->bytes, coins, out_enc, out_shared);
    return dhkem_encap(to->kem, to->bytes, coins, out_enc, out_shared);
}

enum sherd_err sherd_kem_decap(const struct sherd_kem_private *own, const uint8_t *enc,
                               uint8_t out_shared[SHERD_KEM_SHARED_SIZE])
{
    SHERD_TRY(gate(own->kem));
    if (own->kem == SHERD_KEM_XWING)
        return sherd_xwing_decap(own->bytes, enc, out_shared);
    return dhkem_decap(own->kem, own->bytes, enc, out_shared);
}
