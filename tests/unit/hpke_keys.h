/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/hpke_keys.h
 * Private keys of published vectors of HPKE, from what they are derived of. Sherd itself draws its keys.
 */
#ifndef SHERD_TESTS_UNIT_HPKE_KEYS_H
#define SHERD_TESTS_UNIT_HPKE_KEYS_H

#include "crypto/kem.h"
#include "hex.h"

/** DeriveKeyPair of RFC 9180, section 7.1.3; for P-256 the first candidate, which is in its range. */
static inline void hpke_derive_key(enum sherd_kem kem, const char *ikm_text, uint8_t out_key[static 32])
{
    static const uint8_t counter[] = {0};
    const uint8_t suite_bytes[] = {'K', 'E', 'M', 0, (uint8_t)kem};
    const struct sherd_span suite = {suite_bytes, sizeof(suite_bytes)};
    const struct sherd_span parts[2] = {{counter, kem == SHERD_KEM_P256 ? 1 : 0}, {NULL, 0}};
    uint8_t ikm[32];
    uint8_t prk[32];

    assert_int_equal(sherd_hpke_extract(suite, (struct sherd_span){NULL, 0}, "dkp_prk",
                                        hex_read(ikm_text, ikm, sizeof(ikm)), prk),
                     SHERD_OK);
    assert_int_equal(sherd_hpke_expand(suite, prk, kem == SHERD_KEM_P256 ? "candidate" : "sk", parts, out_key, 32),
                     SHERD_OK);
}

#endif
