/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/init.h
 * Start of the cryptography: fetch each algorithm once, run the known-answer tests, take over randomness.
 */
#ifndef SHERD_CRYPTO_INIT_H
#define SHERD_CRYPTO_INIT_H

#include "base/macros.h"

/**
 * Make the cryptography ready. Every opener of a vault calls it first; it does its work once per process, and remembers
 * a failure for good: a process whose self-test failed never serves.
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED: an algorithm is missing or a known-answer test failed
 *
 * @par Threads  Any; the others wait for the first.
 */
SHERD_MUST_USE enum sherd_err sherd_crypto_init(void);

/** The names of the known-answer tests, in order, ending with NULL; for tests that break them one by one. */
const char *const *sherd_crypto_selftest_names(void);

/**
 * Run all known-answer tests.
 * @param[in] broken  name of a test whose computed answer is spoiled first, to see that it is caught; NULL for none
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED, the detail names the test
 */
SHERD_MUST_USE enum sherd_err sherd_crypto_selftest(const char *broken);

#endif
