/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/shamir.h
 * A secret in parts. Shamir's sharing: any k of n parts give the secret, k-1 say nothing at all about it. And n-of-n
 * parts by XOR.
 *
 * Each byte of the secret is shared for itself, over GF(256) with the polynomial x^8 + x^4 + x^3 + x + 1 (0x11b, that
 * of AES): f(x) = secret + a1 x + ... + a(k-1) x^(k-1), the coefficients uniform and independent, zero among them. (To
 * leave zero out of the last one would tell whoever holds k-1 parts one value that the byte has not.) Part i, for i = 1
 * to n, is f(i).
 *
 * Nothing here says whether a part is right: a wrong one gives a wrong secret. anchor/seal/share.h adds what does.
 *
 * No table, no branch and no address depends on a byte of a secret, a coefficient or a part; products and inverses are
 * made of shifts and masks. Lengths, counts and the numbers of parts (x) are no secrets. All arguments that hold
 * secrets are the caller's, who keeps them in secret memory. Any thread may call.
 *
 * Other programs: `gfsplit` of libgfshare has the same shares over another polynomial (0x11d), so that neither reads
 * the other's; the fields are isomorphic, and the tests carry its shares over. `ssss` shares one number of 8 to 1024
 * bits, not bytes, and adds x^k; with 8 bits its field is this one, and the tests take that term off.
 *
 * @par Source  A. Shamir, How to share a secret, CACM 22 (1979); FIPS 197 section 4 (the field)
 */
#ifndef SHERD_CRYPTO_SHAMIR_H
#define SHERD_CRYPTO_SHAMIR_H

#include "base/macros.h"
#include <sherd/span.h>

/** Longest secret, in bytes. */
#define SHERD_SHAMIR_SECRET_MAX 64U
/** Most parts: x is 1 to 255. */
#define SHERD_SHAMIR_PARTS_MAX 255U
/**
 * As threshold: each part *is* the secret. For those who want a set of one, or copies, and say so: a threshold of 1 is
 * refused.
 */
#define SHERD_SHAMIR_COPIES 256U

/** Product in the field. */
uint8_t sherd_gf256_mul(uint8_t a, uint8_t b);

/** Inverse in the field; 0 for 0. */
uint8_t sherd_gf256_inverse(uint8_t a);

/**
 * Evaluate polynomials, one a byte, at one point.
 * @param[in]  coefficients  threshold rows of len bytes: row 0 the secret, row i the coefficients of x^i
 * @param[in]  threshold     rows, 1 or more
 * @param[in]  len           bytes in a row, any number
 * @param[in]  x             the point; 0 gives the secret
 * @param[out] out           len bytes; not within coefficients
 *
 * For sherd_shamir_split() and for tests, which count with it over all coefficients.
 */
void sherd_shamir_eval(const uint8_t *coefficients, size_t threshold, size_t len, uint8_t x, uint8_t *out);

/**
 * Split a secret.
 * @param[in]  secret     1 to SHERD_SHAMIR_SECRET_MAX bytes
 * @param[in]  threshold  parts that give it back: 2 to count, or SHERD_SHAMIR_COPIES
 * @param[in]  count      parts to make: 1 to SHERD_SHAMIR_PARTS_MAX
 * @param[out] out_parts  count rows of secret.len bytes: row i is the part with x = i + 1. Wiped on failure.
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_shamir_split(struct sherd_span secret, size_t threshold, size_t count,
                                                 uint8_t *out_parts);

/**
 * Combine parts to a secret, from the first threshold of them.
 * @param[in]  threshold   as it was split with: 2 to 255, or SHERD_SHAMIR_COPIES
 * @param[in]  x           count numbers of parts, none 0, none twice
 * @param[in]  parts       count rows of len bytes, in the order of x
 * @param[in]  count       threshold or more (1 or more for SHERD_SHAMIR_COPIES); those beyond are only checked for
 *                         their numbers
 * @param[in]  len         1 to SHERD_SHAMIR_SECRET_MAX
 * @param[out] out_secret  len bytes; not within parts; written only on SHERD_OK
 * @return SHERD_OK; SHERD_ERR_INVALID (a number 0 or twice, too few, lengths)
 */
SHERD_MUST_USE enum sherd_err sherd_shamir_combine(size_t threshold, const uint8_t *x, const uint8_t *parts,
                                                   size_t count, size_t len, uint8_t *out_secret);

/**
 * Split a secret into parts all of which are needed: random ones, and the last one their sum with the secret.
 * @param[in]  secret     1 to SHERD_SHAMIR_SECRET_MAX bytes
 * @param[in]  count      2 to SHERD_SHAMIR_PARTS_MAX
 * @param[out] out_parts  count rows of secret.len bytes. Wiped on failure.
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_xor_split(struct sherd_span secret, size_t count, uint8_t *out_parts);

/**
 * Combine all parts of sherd_xor_split(), in any order.
 * @param[in]  parts       count rows of len bytes
 * @param[in]  count       2 to SHERD_SHAMIR_PARTS_MAX
 * @param[in]  len         1 to SHERD_SHAMIR_SECRET_MAX
 * @param[out] out_secret  len bytes; not within parts; written only on SHERD_OK
 * @return SHERD_OK; SHERD_ERR_INVALID
 */
SHERD_MUST_USE enum sherd_err sherd_xor_combine(const uint8_t *parts, size_t count, size_t len, uint8_t *out_secret);

/**
 * A known answer of split's polynomial and of combine, for the self-test: "Sherd" with given coefficients, 3 of 5.
 * @param[out] out  the parts with x = 1 and 255, then the secret that those with x = 1, 128 and 255 give back
 */
#define SHERD_SHAMIR_KNOWN_BYTES 15
SHERD_MUST_USE enum sherd_err sherd_shamir_known(uint8_t out[static SHERD_SHAMIR_KNOWN_BYTES]);

#endif
