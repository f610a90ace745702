/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/shield.h
 * A secret that is held for long and used seldom lies encrypted while it is idle, under a key hashed from a large
 * random block. Whoever reads memory with errors, or only some of it (a side channel, a cold module), must get the
 * whole block without one wrong bit before he has anything.
 *
 * @par Source  the idea is OpenSSH's shielding of private keys (sshkey.c, 2019)
 */
#ifndef SHERD_CRYPTO_SHIELD_H
#define SHERD_CRYPTO_SHIELD_H

#include "base/macros.h"
#include <sherd/span.h>

/** Bytes of the random block. */
#define SHERD_SHIELD_BLOCK_SIZE ((size_t)16384)
/** Longest secret. */
#define SHERD_SHIELD_SECRET_BYTES_MAX ((size_t)64)

struct sherd_shield;

/**
 * Shield a copy of a secret.
 * @param[in] secret  1..SHERD_SHIELD_SECRET_BYTES_MAX bytes; the caller wipes its own
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_shield_new(struct sherd_span secret, struct sherd_shield **out_shield);

/**
 * Bring the secret back, for as long as it is used. Any thread; about 20 us.
 * @param[out] out_secret  in secret memory, as many bytes as the secret has
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the memory was changed; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_shield_open(const struct sherd_shield *shield, uint8_t *out_secret,
                                                size_t secret_bytes);

/** Wipe and free. NULL is accepted. */
void sherd_shield_free(struct sherd_shield *shield);
SHERD_DEFINE_OWNED(sherd_shield);

#endif
