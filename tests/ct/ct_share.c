/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs src/anchor/seal/share.c on a secret, values and MACs that valgrind takes for undefined: see ct_equal.c. What
 * dealing, checking, combining and finding who is to blame do may depend on whether a share is right, and on nothing
 * else of it.
 *
 * Hashes are stand-ins here: OpenSSL's are not what is looked at. What sherd_hash() gives is public, commitments, and
 * what the others give is secret. Answers of sherd_ct_equal() are public once they are given; the linker puts
 * __wrap_sherd_ct_equal() in its place (run.sh).
 *
 * Usage: ct_share           must pass
 *        ct_share --leaky   compares MACs with a loop that leaves early: must be caught, else the check is worth
 *        nothing
 */
#include "anchor/seal/share.h"
#include "base/random.h"
#include "crypto/ct.h"

#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define COUNT 5
#define THRESHOLD 3

static bool leaky;

bool __real_sherd_ct_equal(const void *a, const void *b, size_t size);
bool __wrap_sherd_ct_equal(const void *a, const void *b, size_t size);

__attribute__((noinline)) static bool leaky_equal(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;

    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i])
            return false;
    }
    return true;
}

bool __wrap_sherd_ct_equal(const void *a, const void *b, size_t size)
{
    bool answer = leaky ? leaky_equal(a, b, size) : __real_sherd_ct_equal(a, b, size);

    VALGRIND_MAKE_MEM_DEFINED(&answer, sizeof(answer));
    return answer;
}

/* --- stand-ins for crypto/hash.h ---------------------------------------------------------------------------------- */

/* Mixes without a branch or an address that depends on a byte. No hash, but other bytes give another result. */
static void mix(uint64_t state[4], struct sherd_span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        state[i % 4] = (state[i % 4] ^ bytes.data[i]) * 0x100000001b3U;
        state[(i + 1) % 4] += state[i % 4] >> 29;
    }
}

static void finish(const uint64_t state[4], uint8_t *out)
{
    for (size_t i = 0; i < 32; i++)
        out[i] = (uint8_t)(state[i / 8] >> 8 * (i % 8));
}

enum sherd_err sherd_hash(enum sherd_hash_alg alg, const struct sherd_span *parts, size_t count, uint8_t *out)
{
    uint64_t state[4] = {1, 2, 3, (uint64_t)alg};

    for (size_t i = 0; i < count; i++)
        mix(state, parts[i]);
    finish(state, out);
    VALGRIND_MAKE_MEM_DEFINED(out, 32);
    return SHERD_OK;
}

enum sherd_err sherd_hmac(enum sherd_hash_alg alg, struct sherd_span key, const struct sherd_span *parts, size_t count,
                          uint8_t *out)
{
    uint64_t state[4] = {5, 6, 7, (uint64_t)alg};

    mix(state, key);
    for (size_t i = 0; i < count; i++)
        mix(state, parts[i]);
    finish(state, out);
    return SHERD_OK;
}

enum sherd_err sherd_hkdf(enum sherd_hash_alg alg, struct sherd_span ikm, struct sherd_span salt,
                          struct sherd_span info, uint8_t *out, size_t out_bytes)
{
    const struct sherd_span parts[] = {salt, info};

    return out_bytes == 32 ? sherd_hmac(alg, ikm, parts, 2, out) : SHERD_ERR_INVALID;
}

/* --- what is run -------------------------------------------------------------------------------------------------- */

/* Any bytes at all, but nobody may act on them. */
static enum sherd_err poisoned_fill(uint8_t *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (uint8_t)(i * 151 + 7);
    VALGRIND_MAKE_MEM_UNDEFINED(block, size);
    return SHERD_OK;
}

static const struct sherd_random_source poisoned = {.fill = poisoned_fill};

static unsigned give_back(const struct sherd_share *shares, size_t count, const struct sherd_share_set *set,
                          size_t expected_bad)
{
    uint8_t again[SHERD_SHARE_SECRET_SIZE] = {0};
    size_t bad = 7;
    const enum sherd_err err = sherd_share_combine(shares, count, set, again, &bad);
    unsigned wrong = 0;

    if (expected_bad != SHERD_SHARE_NONE)
        return err == SHERD_ERR_TAMPERED && bad == expected_bad ? 0 : 1;
    VALGRIND_MAKE_MEM_DEFINED(again, sizeof(again));
    for (size_t i = 0; i < sizeof(again); i++)
        wrong |= again[i] != 0xa5;
    return err == SHERD_OK ? wrong : 1;
}

static unsigned run(enum sherd_share_kind kind)
{
    static const uint8_t set_id[SHERD_SHARE_SET_ID_SIZE] = {1, 2, 3};
    const unsigned threshold = kind == SHERD_SHARE_XOR ? COUNT : THRESHOLD;
    const struct sherd_share_deal deal = {
        .kind = kind, .threshold = threshold, .count = COUNT, .generation = 1, .set_id = set_id};
    struct sherd_share shares[COUNT];
    struct sherd_share_set set;
    uint8_t secret[SHERD_SHARE_SECRET_SIZE];
    unsigned wrong = 0;

    memset(secret, 0xa5, sizeof(secret));
    VALGRIND_MAKE_MEM_UNDEFINED(secret, sizeof(secret));
    if (sherd_share_split(secret, &deal, shares, &set) != SHERD_OK)
        return 1;
    for (size_t i = 0; i < COUNT; i++)
        wrong += sherd_share_check(&shares[i], &set) != SHERD_OK;
    wrong += give_back(shares, COUNT, &set, SHERD_SHARE_NONE);
    wrong += give_back(shares, COUNT, NULL, SHERD_SHARE_NONE);
    shares[1].value[3] ^= 1; /* a forged one: its commitment shows it, or where there is no set its MAC */
    wrong += give_back(shares, COUNT, &set, 1);
    if (kind == SHERD_SHARE_SHAMIR)
        wrong += give_back(shares, COUNT, NULL, 1);
    return wrong;
}

int main(int argc, char **argv)
{
    leaky = argc > 1 && strcmp(argv[1], "--leaky") == 0;
    if (!RUNNING_ON_VALGRIND) {
        fprintf(stderr, "ct_share: only tells something under valgrind\n");
        return 2;
    }
    sherd_random_set(&poisoned);
    return run(SHERD_SHARE_SHAMIR) + run(SHERD_SHARE_XOR) == 0 ? 0 : 1;
}
