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

/* Attempts of DeriveKeyPair; each but the last fails once in 2^32. */
#define P256_CANDIDATES 256U

static const uint8_t x25519_suite[] = {'K', 'E', 'M', 0x00, 0x20};
static const uint8_t p256_suite[] = {'K', 'E', 'M', 0x00, 0x10};

struct shape {
    size_t public_bytes;
    size_t enc_bytes;
    size_t coins_bytes;
};

static struct shape shape_of(enum sherd_kem kem)
{
    static const struct shape p256 = {SHERD_P256_PUBLIC_SIZE, SHERD_P256_PUBLIC_SIZE, SHERD_P256_PRIVATE_SIZE};
    static const struct shape x25519 = {SHERD_X25519_SIZE, SHERD_X25519_SIZE, SHERD_X25519_SIZE};
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

/* --- DHKEM -------------------------------------------------------------------------------------------------------- */

/* Secrets of one agreement. */
struct agreement {
    uint8_t own[SHERD_KEM_PRIVATE_SIZE];
    uint8_t raw[SHERD_KEM_SHARED_SIZE];
    uint8_t prk[32];
};

/* One of the two groups: what DHKEM takes of it. */
struct group {
    struct sherd_span suite;
    size_t public_bytes;
    enum sherd_err (*derive)(struct agreement *secret, const uint8_t *coins); /* the ephemeral private key */
    enum sherd_err (*public_of)(const uint8_t *own, uint8_t *out_public);
    enum sherd_err (*agree)(const uint8_t *own, const uint8_t *other, uint8_t *out_raw);
};

static enum sherd_err x25519_derive(struct agreement *secret, const uint8_t *coins)
{
    memcpy(secret->own, coins, SHERD_X25519_SIZE);
    return SHERD_OK;
}

static enum sherd_err x25519_public(const uint8_t *own, uint8_t *out_public)
{
    return sherd_x25519_public((const struct sherd_x25519_private *)own, (struct sherd_x25519_public *)out_public);
}

static enum sherd_err x25519_agree(const uint8_t *own, const uint8_t *other, uint8_t *out_raw)
{
    return sherd_x25519((const struct sherd_x25519_private *)own, (const struct sherd_x25519_public *)other, out_raw);
}

/* DeriveKeyPair of RFC 9180, section 7.1.3: the first candidate that is a private key. */
static enum sherd_err p256_derive(struct agreement *secret, const uint8_t *coins)
{
    const struct sherd_span suite = sherd_span_of(p256_suite, sizeof(p256_suite));
    const struct sherd_span none = {NULL, 0};
    uint8_t point[SHERD_P256_PUBLIC_SIZE];
    enum sherd_err err = SHERD_ERR_TAMPERED;

    SHERD_TRY(sherd_hpke_extract(suite, none, "dkp_prk", sherd_span_of(coins, SHERD_P256_PRIVATE_SIZE), secret->prk));
    for (unsigned i = 0; i < P256_CANDIDATES && err == SHERD_ERR_TAMPERED; i++) {
        const uint8_t counter = (uint8_t)i;
        const struct sherd_span info[2] = {{&counter, 1}, none};

        SHERD_TRY(sherd_hpke_expand(suite, secret->prk, "candidate", info, secret->own, sizeof(secret->own)));
        err = sherd_p256_public(secret->own, point);
    }
    return err;
}

static enum sherd_err p256_public(const uint8_t *own, uint8_t *out_public)
{
    return sherd_p256_public(own, out_public);
}

static enum sherd_err p256_agree(const uint8_t *own, const uint8_t *other, uint8_t *out_raw)
{
    return sherd_p256(own, other, out_raw);
}

static const struct group x25519_group = {
    {x25519_suite, sizeof(x25519_suite)}, SHERD_X25519_SIZE, x25519_derive, x25519_public, x25519_agree};
static const struct group p256_group = {
    {p256_suite, sizeof(p256_suite)}, SHERD_P256_PUBLIC_SIZE, p256_derive, p256_public, p256_agree};

static const struct group *group_of(enum sherd_kem kem)
{
    return kem == SHERD_KEM_P256 ? &p256_group : &x25519_group;
}

/* ExtractAndExpand(dh, enc || public key of the recipient) */
static enum sherd_err extract_and_expand(const struct group *group, struct agreement *secret, const uint8_t *enc,
                                         const uint8_t *to, uint8_t *out_shared)
{
    const struct sherd_span context[] = {sherd_span_of(enc, group->public_bytes),
                                         sherd_span_of(to, group->public_bytes)};
    const struct sherd_span none = {NULL, 0};

    SHERD_TRY(sherd_hpke_extract(group->suite, none, "eae_prk", sherd_span_of(secret->raw, sizeof(secret->raw)),
                                 secret->prk));
    return sherd_hpke_expand(group->suite, secret->prk, "shared_secret", context, out_shared, SHERD_KEM_SHARED_SIZE);
}

static enum sherd_err dhkem_encap(const struct group *group, const uint8_t *to, const uint8_t *coins, uint8_t *out_enc,
                                  uint8_t *out_shared)
{
    SHERD_CLEANUP(sherd_secret_freep) struct agreement *secret = sherd_secret_alloc(sizeof(*secret));
    uint8_t ours[SHERD_P256_PUBLIC_SIZE];

    if (secret == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(group->derive(secret, coins));
    SHERD_TRY(group->public_of(secret->own, ours));
    SHERD_TRY(group->agree(secret->own, to, secret->raw));
    SHERD_TRY(extract_and_expand(group, secret, ours, to, out_shared));
    memcpy(out_enc, ours, group->public_bytes);
    return SHERD_OK;
}

static enum sherd_err dhkem_decap(const struct group *group, const uint8_t *own, const uint8_t *enc,
                                  uint8_t *out_shared)
{
    SHERD_CLEANUP(sherd_secret_freep) struct agreement *secret = sherd_secret_alloc(sizeof(*secret));
    uint8_t ours[SHERD_P256_PUBLIC_SIZE];

    if (secret == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(group->public_of(own, ours));
    SHERD_TRY(group->agree(own, enc, secret->raw));
    return extract_and_expand(group, secret, enc, ours, out_shared);
}

enum sherd_err sherd_kem_p256_finish(const struct sherd_kem_public *own, const uint8_t *enc,
                                     const uint8_t raw[SHERD_KEM_SHARED_SIZE],
                                     uint8_t out_shared[SHERD_KEM_SHARED_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep) struct agreement *secret = sherd_secret_alloc(sizeof(*secret));

    if (secret == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(secret->raw, raw, sizeof(secret->raw));
    return extract_and_expand(&p256_group, secret, enc, own->bytes, out_shared);
}

/* --- key pairs ---------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_kem_public(const struct sherd_kem_private *own, struct sherd_kem_public *out_public)
{
    struct sherd_kem_public made = {.kem = own->kem};

    SHERD_TRY(gate(own->kem));
    if (own->kem == SHERD_KEM_XWING)
        SHERD_TRY(sherd_xwing_public(own->bytes, made.bytes));
    else
        SHERD_TRY(group_of(own->kem)->public_of(own->bytes, made.bytes));
    *out_public = made;
    return SHERD_OK;
}

enum sherd_err sherd_kem_keygen(enum sherd_kem kem, struct sherd_kem_private *out_private,
                                struct sherd_kem_public *out_public)
{
    enum sherd_err err;

    SHERD_TRY(gate(kem));
    out_private->kem = kem;
    do { /* one number in 2^32 is no private key of P-256 */
        SHERD_TRY(sherd_random(out_private->bytes, sizeof(out_private->bytes)));
        err = sherd_kem_public(out_private, out_public);
    } while (err == SHERD_ERR_TAMPERED && kem == SHERD_KEM_P256);
    return err;
}

/* --- any of them -------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_kem_encap(const struct sherd_kem_public *to, const uint8_t *coins, uint8_t *out_enc,
                               uint8_t out_shared[SHERD_KEM_SHARED_SIZE])
{
    SHERD_TRY(gate(to->kem));
    if (to->kem == SHERD_KEM_XWING)
        return sherd_xwing_encap(to->bytes, coins, out_enc, out_shared);
    return dhkem_encap(group_of(to->kem), to->bytes, coins, out_enc, out_shared);
}

enum sherd_err sherd_kem_decap(const struct sherd_kem_private *own, const uint8_t *enc,
                               uint8_t out_shared[SHERD_KEM_SHARED_SIZE])
{
    SHERD_TRY(gate(own->kem));
    if (own->kem == SHERD_KEM_XWING)
        return sherd_xwing_decap(own->bytes, enc, out_shared);
    return dhkem_decap(group_of(own->kem), own->bytes, enc, out_shared);
}
