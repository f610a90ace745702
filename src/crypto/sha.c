/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-2 by OpenSSL, with the state in memory of ours. Like pubkey.c it uses functions which OpenSSL 3.0 deprecates.
 *
 * EVP keeps states in OpenSSL's heap, which may be swapped and dumped, and allocates one at each copy. A short message
 * of ours takes seven copies and nine blocks of SHA-512: with the state here that takes two thirds of the time. It is
 * the same code of OpenSSL's below, and OpenSSL 3.5 has it still. What needs a provider of its own (FIPS 140) has its
 * seam here.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha.h"

/* FIPS 180-4, section 5.3.6.2. OpenSSL has no call that starts SHA-512/256 in a state of the caller's. */
static const SHA_LONG64 sha512_256_initial[8] = {0x22312194fc2bf72cU, 0x9f555fa3c84c64c2U, 0x2393b86b6f53b151U,
                                                 0x963877195940eabdU, 0x96283ee2a88effe3U, 0xbe5e1e2553863992U,
                                                 0x2b0199fc2c85b8aaU, 0x0eb72ddc81c52ca2U};

static bool sha512_256_begin(SHA512_CTX *state)
{
    if (SHA512_Init(state) != 1)
        return false;
    for (size_t i = 0; i < 8; i++)
        state->h[i] = sha512_256_initial[i];
    state->md_len = SHERD_SHA256_SIZE;
    return true;
}

bool sherd_sha_begin(struct sherd_sha *sha, enum sherd_hash_alg alg)
{
    sha->alg = alg;
    if (alg == SHERD_SHA512_256)
        return sha512_256_begin(&sha->state.sha512);
    return (alg == SHERD_SHA256 ? SHA256_Init(&sha->state.sha256) : SHA512_Init(&sha->state.sha512)) == 1;
}

static bool update(struct sherd_sha *sha, struct sherd_span bytes)
{
    if (bytes.len == 0)
        return true;
    return (sha->alg == SHERD_SHA256 ? SHA256_Update(&sha->state.sha256, bytes.data, bytes.len)
                                     : SHA512_Update(&sha->state.sha512, bytes.data, bytes.len)) == 1;
}

bool sherd_sha_update(struct sherd_sha *sha, const struct sherd_span *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!update(sha, parts[i]))
            return false;
    return true;
}

bool sherd_sha_final(struct sherd_sha *sha, uint8_t *out)
{
    return (sha->alg == SHERD_SHA256 ? SHA256_Final(out, &sha->state.sha256) : SHA512_Final(out, &sha->state.sha512)) ==
           1;
}
