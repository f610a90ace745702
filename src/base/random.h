/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/random.h
 * Randomness through a table, so that a test can fail or fix it.
 */
#ifndef SHERD_BASE_RANDOM_H
#define SHERD_BASE_RANDOM_H

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

struct sherd_random_source {
    /** Fill size bytes or fail whole. */
    enum sherd_err (*fill)(uint8_t *block, size_t size);
};

/**
 * Fill a block with unpredictable bytes from the source in use: getrandom() at first, the DRBG of OpenSSL (which
 * reseeds itself, also after a fork) once src/crypto is initialised.
 * Builds with failpoints ask "random" first.
 * @return SHERD_OK; SHERD_ERR_IO: the block is wiped
 */
SHERD_MUST_USE enum sherd_err sherd_random(void *block, size_t size);

/** Set the source of the process; NULL for getrandom(). The source must outlive its use: at start, or in tests. */
void sherd_random_set(const struct sherd_random_source *source);

#endif
