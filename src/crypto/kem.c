/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an HPKE sender and recipient agree on a secret: DHKEM(X25519, HKDF-SHA256), RFC 9180 section 4.1, here; X-Wing,
 * whose shared secret is used as it is, in xwing.c.
 */
#include "crypto/kem.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/x25519.h"
#include "crypto/xwing.h"
#include <string.h>

static const uint8_t dhkem_suite[] = {'K', 'E', 'M', 0x00, 0x20};

struct shape {
    size_t public_bytes;
    size_t enc_bytes;
    size_t coins_bytes;
};

static struct shape shape_of(enum sherd_kem kem)
{
    static const struct shape x25519 = {SHERD_X25519_SIZE, SHERD_X25519_SIZE, SHERD_X25519_SIZE};
    static const struct shape xwing = {SHERD_XWING_PUBLIC_SIZE, SHERD_XWING_ENC_SIZE, SHERD_XWING_COINS_SIZE};
    static const struct shape none = {0, 0, 0};

    switch (kem) {
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

enum sherd_err sherd_kem_public(const struct sherd_kem_private *own, struct sherd_kem_public *out_public)
{
    struct sherd_kem_public made = {.kem = own->kem};

    SHERD_TRY(gate(own->kem));
    if (own->kem == SHERD_KEM_XWING)
        SHERD_TRY(sherd_xwing_public(own->bytes, made.bytes));
    else
        SHERD_TRY(sherd_x25519_public((const struct sherd_x25519_private *)own->bytes,
                                      (struct sherd_x25519_public *)made.bytes));
    *out_public = made;
    return SHERD_OK;
}

enum sherd_err sherd_kem_keygen(enum sherd_kem kem, struct sherd_kem_private *out_private,
                                struct sherd_kem_public *out_public)
{
    SHERD_TRY(gate(kem));
    out_private->kem = kem;
    SHERD_TRY(sherd_random(out_private->bytes, sizeof(out_private->bytes)));
    return sherd_kem_public(out_private, out_public);
}

/* --- DHKEM -------------------------------------------------------------------------------------------------------- */

/* Secrets of one agreement. */
struct agreement {
    struct sherd_x25519_private ephemeral;
    uint8_t raw[SHERD_X25519_SIZE];
    uint8_t prk[32];
};

/* ExtractAndExpand(dh, enc || public key of the recipient) */
static enum sherd_err extract_and_expand(struct agreement *secret, const uint8_t *enc, const uint8_t *to,
                                         uint8_t *out_shared)
{
    const struct sherd_span suite = sherd_span_of(dhkem_suite, sizeof(dhkem_suite));
    const struct sherd_span context[] = {sherd_span_of(enc, SHERD_X25519_SIZE), sherd_span_of(to, SHERD_X25519_SIZE)};
    const struct sherd_span none = {NULL, 0};

    SHERD_TRY(sherd_hpke_extract(suite, none, "eae_prk", sherd_span_of(secret->raw, sizeof(secret->raw)), secret->prk));
    return sherd_hpke_expand(suite, secret->prk, "shared_secret", context, out_shared, SHERD_KEM_SHARED_SIZE);
}

static enum sherd_err dhkem_encap(const uint8_t *to, const uint8_t *coins, uint8_t *out_enc, uint8_t *out_shared)
{
    SHERD_CLEANUP(sherd_secret_freep) struct agreement *secret = sherd_secret_alloc(sizeof(*secret));
    struct sherd_x25519_public ours;
    struct sherd_x25519_public theirs;

    if (secret == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(secret->ephemeral.bytes, coins, SHERD_X25519_SIZE);
    memcpy(theirs.bytes, to, SHERD_X25519_SIZE);
    SHERD_TRY(sherd_x25519_public(&secret->ephemeral, &ours));
    SHERD_TRY(sherd_x25519(&secret->ephemeral, &theirs, secret->raw));
    SHERD_TRY(extract_and_expand(secret, ours.bytes, theirs.bytes, out_shared));
    memcpy(out_enc, ours.bytes, SHERD_X25519_SIZE);
    return SHERD_OK;
}

static enum sherd_err dhkem_decap(const uint8_t *own, const uint8_t *enc, uint8_t *out_shared)
{
    SHERD_CLEANUP(sherd_secret_freep) struct agreement *secret = sherd_secret_alloc(sizeof(*secret));
    struct sherd_x25519_public ours;
    struct sherd_x25519_public theirs;

    if (secret == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(secret->ephemeral.bytes, own, SHERD_X25519_SIZE);
    memcpy(theirs.bytes, enc, SHERD_X25519_SIZE);
    SHERD_TRY(sherd_x25519_public(&secret->ephemeral, &ours));
    SHERD_TRY(sherd_x25519(&secret->ephemeral, &theirs, secret->raw));
    return extract_and_expand(secret, theirs.bytes, ours.bytes, out_shared);
}

/* --- either ------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_kem_encap(const struct sherd_kem_public *to, const uint8_t *coins, uint8_t *out_enc,
                               uint8_t out_shared[SHERD_KEM_SHARED_SIZE])
{
    SHERD_TRY(gate(to->kem));
    if (to->kem == SHERD_KEM_XWING)
        return sherd_xwing_encap(to->bytes, coins, out_enc, out_shared);
    return dhkem_encap(to->bytes, coins, out_enc, out_shared);
}

enum sherd_err sherd_kem_decap(const struct sherd_kem_private *own, const uint8_t *enc,
                               uint8_t out_shared[SHERD_KEM_SHARED_SIZE])
{
    SHERD_TRY(gate(own->kem));
    if (own->kem == SHERD_KEM_XWING)
        return sherd_xwing_decap(own->bytes, enc, out_shared);
    return dhkem_decap(own->bytes, enc, out_shared);
}
