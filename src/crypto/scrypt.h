/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/scrypt.h
 * scrypt as age uses it: r = 8, p = 1, and a cost that a file states. Keys of our own come from crypto/pwhash.h.
 *
 * @par Source  RFC 7914
 */
#ifndef SHERD_CRYPTO_SCRYPT_H
#define SHERD_CRYPTO_SCRYPT_H

#include "base/macros.h"
#include <sherd/span.h>

/** Highest cost, as a power of two: 4 GiB of memory. */
#define SHERD_SCRYPT_LOG_MAX 22

/**
 * Derive 32 bytes.
 * @param[in]  log      log2 of N, 1..SHERD_SCRYPT_LOG_MAX; it takes 2^log KiB of memory
 * @param[out] out_key  in secret memory; wiped on failure
 * @return SHERD_OK; SHERD_ERR_LIMIT (log); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_scrypt_key(unsigned log, struct sherd_span passphrase, struct sherd_span salt,
                                               uint8_t out_key[32]);

#endif
