/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs src/crypto/shamir.c and the encoder of src/envelope/bech32.c on secrets, coefficients and parts that valgrind
 * takes for undefined: see ct_equal.c.
 *
 * Usage: ct_shamir           must pass
 *        ct_shamir --leaky   multiplies by tables of logarithms: must be caught, else the check is worth nothing
 */
#include "base/random.h"
#include "crypto/shamir.h"
#include "envelope/bech32.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define LEN 32
#define COUNT 7
#define THRESHOLD 4

/* Any bytes at all, but nobody may act on them. */
static enum sherd_err poisoned_fill(uint8_t *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (uint8_t)(i * 151 + 7);
    VALGRIND_MAKE_MEM_UNDEFINED(block, size);
    return SHERD_OK;
}

static const struct sherd_random_source poisoned = {.fill = poisoned_fill};

/* What shamir.c must not be: quick, by tables. */
static uint8_t leaky_mul(uint8_t a, uint8_t b)
{
    static uint8_t power[510];
    static uint8_t exponent[256];
    uint8_t value = 1;

    for (unsigned i = 0; i < 255; i++) {
        power[i] = power[i + 255] = value;
        exponent[value] = (uint8_t)i;
        value = sherd_gf256_mul(value, 3);
    }
    return a == 0 || b == 0 ? 0 : power[exponent[a] + exponent[b]];
}

static unsigned check_mul(uint8_t (*mul)(uint8_t, uint8_t))
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < 64; i++) {
        uint8_t a = (uint8_t)(i * 37);
        uint8_t b = (uint8_t)(i * 91 + 5);
        const uint8_t expected = sherd_gf256_mul(a, b);

        VALGRIND_MAKE_MEM_UNDEFINED(&a, 1);
        VALGRIND_MAKE_MEM_UNDEFINED(&b, 1);
        uint8_t product = mul(a, b);
        VALGRIND_MAKE_MEM_DEFINED(&product, 1);
        wrong += product != expected;
        uint8_t inverse = sherd_gf256_inverse(a);
        VALGRIND_MAKE_MEM_DEFINED(&inverse, 1);
        wrong += sherd_gf256_mul(inverse, (uint8_t)(i * 37)) != (i * 37 % 256 != 0);
    }
    return wrong;
}

static unsigned check_split(size_t threshold, size_t count)
{
    static const uint8_t x[COUNT] = {1, 2, 3, 4, 5, 6, 7};
    uint8_t secret[LEN];
    uint8_t parts[COUNT * LEN];
    uint8_t again[LEN];
    bool done;

    memset(secret, 0xa5, LEN);
    VALGRIND_MAKE_MEM_UNDEFINED(secret, LEN);
    if (threshold == 0)
        done = sherd_xor_split(sherd_span_of(secret, LEN), count, parts) == SHERD_OK &&
               sherd_xor_combine(parts, count, LEN, again) == SHERD_OK;
    else
        done = sherd_shamir_split(sherd_span_of(secret, LEN), threshold, count, parts) == SHERD_OK &&
               sherd_shamir_combine(threshold, x, parts, count, LEN, again) == SHERD_OK;
    VALGRIND_MAKE_MEM_DEFINED(again, LEN);
    for (size_t i = 0; i < LEN; i++)
        done = done && again[i] == 0xa5;
    return done ? 0 : 1;
}

static unsigned check_encode(const char *prefix)
{
    uint8_t secret[LEN];
    uint8_t block[SHERD_BECH32_TEXT_MAX];
    struct sherd_buf text = sherd_buf_borrow(block, sizeof(block));

    memset(secret, 0xa5, LEN);
    VALGRIND_MAKE_MEM_UNDEFINED(secret, LEN);
    return sherd_bech32_encode(SHERD_BECH32M, prefix, sherd_span_of(secret, LEN), sizeof(block), &text) == SHERD_OK ? 0
                                                                                                                    : 1;
}

int main(int argc, char **argv)
{
    const bool leaky = argc > 1 && strcmp(argv[1], "--leaky") == 0;
    unsigned wrong = 0;

    if (!RUNNING_ON_VALGRIND) {
        fprintf(stderr, "ct_shamir: only tells something under valgrind\n");
        return 2;
    }
    sherd_random_set(&poisoned);
    wrong += check_mul(leaky ? leaky_mul : sherd_gf256_mul);
    wrong += check_split(THRESHOLD, COUNT);
    wrong += check_split(COUNT, COUNT);
    wrong += check_split(SHERD_SHAMIR_COPIES, COUNT);
    wrong += check_split(0, COUNT);
    wrong += check_encode("sherd") + check_encode("SHERD");
    return wrong == 0 ? 0 : 1;
}
