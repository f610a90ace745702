/* SPDX-License-Identifier: Apache-2.0 */
/* Shielding: see shield.h. */
#include "crypto/shield.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

struct sherd_shield {
    uint8_t *block; /* secret memory: SHERD_SHIELD_BLOCK_SIZE random bytes */
    struct sherd_buf sealed;
};

static const struct sherd_span purpose = {(const uint8_t *)"sherd shield 1", 14};

/* The key that the block hashes to: 32 of 64 bytes, in secret memory of the caller's. */
static enum sherd_err key_of(const struct sherd_shield *shield, uint8_t out[static SHERD_SHA512_SIZE])
{
    const struct sherd_span block = {shield->block, SHERD_SHIELD_BLOCK_SIZE};

    return sherd_hash(SHERD_SHA512, &block, 1, out);
}

static enum sherd_err fill(struct sherd_shield *shield, struct sherd_span secret)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_SHA512_SIZE);

    shield->block = sherd_secret_alloc(SHERD_SHIELD_BLOCK_SIZE);
    if (key == NULL || shield->block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_random(shield->block, SHERD_SHIELD_BLOCK_SIZE));
    SHERD_TRY(key_of(shield, key));
    return sherd_aead_seal(key, purpose, secret, &shield->sealed);
}

enum sherd_err sherd_shield_new(struct sherd_span secret, struct sherd_shield **out_shield)
{
    SHERD_ENSURE(secret.len >= 1 && secret.len <= SHERD_SHIELD_SECRET_BYTES_MAX, SHERD_ERR_INVALID,
                 "a secret of 1 to 64 bytes is shielded");
    struct sherd_shield *shield = sherd_alloc(sizeof(*shield));
    if (shield == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = fill(shield, secret);
    if (err != SHERD_OK) {
        sherd_shield_free(shield);
        return err;
    }
    *out_shield = shield;
    return SHERD_OK;
}

enum sherd_err sherd_shield_open(const struct sherd_shield *shield, uint8_t *out_secret, size_t secret_bytes)
{
    struct sherd_buf secret = sherd_buf_borrow(out_secret, secret_bytes);
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_SHA512_SIZE);

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(shield->sealed.len == sherd_aead_sealed_bytes(secret_bytes), SHERD_ERR_INVALID,
                 "the shielded secret has another length");
    SHERD_TRY(key_of(shield, key));
    return sherd_aead_open(key, purpose, sherd_buf_span(&shield->sealed), &secret);
}

void sherd_shield_free(struct sherd_shield *shield)
{
    if (shield == NULL)
        return;
    sherd_secret_free(shield->block);
    sherd_buf_done(&shield->sealed);
    sherd_free(shield);
}
