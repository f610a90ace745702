/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in parts: see shamir.h. tests/ct runs this file under valgrind with secrets and coefficients marked
 * undefined, as both compilers build it at each level of optimisation.
 */
#include "crypto/shamir.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/mask.h"
#include <stdbool.h>
#include <string.h>

#define FIELD_POLYNOMIAL 0x11bU

/* --- the field ---------------------------------------------------------------------------------------------------- */

/* a times x. */
static uint32_t times_x(uint32_t a)
{
    return (a << 1) ^ (sherd_mask_bit(a >> 7) & FIELD_POLYNOMIAL);
}

uint8_t sherd_gf256_mul(uint8_t a, uint8_t b)
{
    uint32_t power = a;
    uint32_t product = 0;

    for (unsigned bit = 0; bit < 8; bit++) {
        product ^= sherd_mask_bit((uint32_t)b >> bit) & power;
        power = times_x(power);
    }
    return (uint8_t)product;
}

/* a^254: the powers 2, 4 ... 128, multiplied. */
uint8_t sherd_gf256_inverse(uint8_t a)
{
    uint8_t square = a;
    uint8_t inverse = 1;

    for (unsigned i = 0; i < 7; i++) {
        square = sherd_gf256_mul(square, square);
        inverse = sherd_gf256_mul(inverse, square);
    }
    return inverse;
}

/* --- Shamir ------------------------------------------------------------------------------------------------------- */

void sherd_shamir_eval(const uint8_t *coefficients, size_t threshold, size_t len, uint8_t x, uint8_t *out)
{
    memcpy(out, coefficients + (threshold - 1) * len, len);
    for (size_t row = threshold - 1; row-- > 0;) {
        for (size_t i = 0; i < len; i++)
            out[i] = sherd_gf256_mul(out[i], x) ^ coefficients[row * len + i];
    }
}

static bool len_fits(size_t len)
{
    return len >= 1 && len <= SHERD_SHAMIR_SECRET_MAX;
}

enum sherd_err sherd_shamir_split(struct sherd_span secret, size_t threshold, size_t count, uint8_t *out_parts)
{
    const size_t rows = threshold == SHERD_SHAMIR_COPIES ? 1 : threshold;

    SHERD_ENSURE(len_fits(secret.len), SHERD_ERR_INVALID, "shares: a secret has 1 to 64 bytes");
    SHERD_ENSURE(count >= 1 && count <= SHERD_SHAMIR_PARTS_MAX, SHERD_ERR_INVALID, "shares: there are 1 to 255");
    SHERD_ENSURE(threshold != 1, SHERD_ERR_INVALID,
                 "shares: a threshold of 1 makes each share the whole secret, and has to be asked for as such");
    SHERD_ENSURE(rows >= 1 && rows <= count, SHERD_ERR_INVALID,
                 "shares: the threshold is at least 2, and not more than there are shares");

    SHERD_CLEANUP(sherd_secret_freep) uint8_t *coefficients = sherd_secret_alloc(rows * secret.len);
    if (coefficients == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(coefficients, secret.data, secret.len);
    const enum sherd_err err = sherd_random(coefficients + secret.len, (rows - 1) * secret.len);
    if (err != SHERD_OK) {
        sherd_wipe(out_parts, count * secret.len);
        return err;
    }
    for (size_t i = 0; i < count; i++)
        sherd_shamir_eval(coefficients, rows, secret.len, (uint8_t)(i + 1), out_parts + i * secret.len);
    return SHERD_OK;
}

static enum sherd_err check_numbers(const uint8_t *x, size_t count)
{
    bool seen[SHERD_SHAMIR_PARTS_MAX + 1] = {true}; /* 0 would be the secret itself */

    for (size_t i = 0; i < count; i++) {
        SHERD_ENSURE(x[i] != 0, SHERD_ERR_INVALID, "shares: there is none with the number 0");
        SHERD_ENSURE(!seen[x[i]], SHERD_ERR_INVALID, "shares: one is given twice");
        seen[x[i]] = true;
    }
    return SHERD_OK;
}

/* What the value at x[at] counts for in the value at 0: the product of x[i] / (x[i] - x[at]) over all others. */
static uint8_t weight(const uint8_t *x, size_t rows, size_t at)
{
    uint8_t above = 1;
    uint8_t below = 1;

    for (size_t i = 0; i < rows; i++) {
        if (i == at)
            continue;
        above = sherd_gf256_mul(above, x[i]);
        below = sherd_gf256_mul(below, x[i] ^ x[at]);
    }
    return sherd_gf256_mul(above, sherd_gf256_inverse(below));
}

enum sherd_err sherd_shamir_combine(size_t threshold, const uint8_t *x, const uint8_t *parts, size_t count, size_t len,
                                    uint8_t *out_secret)
{
    const size_t rows = threshold == SHERD_SHAMIR_COPIES ? 1 : threshold;

    SHERD_ENSURE(len_fits(len), SHERD_ERR_INVALID, "shares: a secret has 1 to 64 bytes");
    SHERD_ENSURE(threshold >= 2 && rows <= SHERD_SHAMIR_PARTS_MAX, SHERD_ERR_INVALID,
                 "shares: the threshold is 2 to 255");
    SHERD_ENSURE(count >= rows, SHERD_ERR_INVALID, "shares: too few");
    SHERD_ENSURE(count <= SHERD_SHAMIR_PARTS_MAX, SHERD_ERR_INVALID, "shares: more than there can be");
    SHERD_TRY(check_numbers(x, count));

    memset(out_secret, 0, len);
    for (size_t row = 0; row < rows; row++) {
        const uint8_t times = weight(x, rows, row);

        for (size_t i = 0; i < len; i++)
            out_secret[i] ^= sherd_gf256_mul(parts[row * len + i], times);
    }
    return SHERD_OK;
}

/* --- XOR ---------------------------------------------------------------------------------------------------------- */

static void add(uint8_t *sum, const uint8_t *part, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum[i] ^= part[i];
}

enum sherd_err sherd_xor_split(struct sherd_span secret, size_t count, uint8_t *out_parts)
{
    SHERD_ENSURE(len_fits(secret.len), SHERD_ERR_INVALID, "shares: a secret has 1 to 64 bytes");
    SHERD_ENSURE(count >= 2 && count <= SHERD_SHAMIR_PARTS_MAX, SHERD_ERR_INVALID,
                 "shares: 2 to 255 can add up to a secret");
    uint8_t *last = out_parts + (count - 1) * secret.len;

    const enum sherd_err err = sherd_random(out_parts, (count - 1) * secret.len);
    if (err != SHERD_OK) {
        sherd_wipe(out_parts, count * secret.len);
        return err;
    }
    memcpy(last, secret.data, secret.len);
    for (size_t i = 0; i + 1 < count; i++)
        add(last, out_parts + i * secret.len, secret.len);
    return SHERD_OK;
}

enum sherd_err sherd_xor_combine(const uint8_t *parts, size_t count, size_t len, uint8_t *out_secret)
{
    SHERD_ENSURE(len_fits(len), SHERD_ERR_INVALID, "shares: a secret has 1 to 64 bytes");
    SHERD_ENSURE(count >= 2 && count <= SHERD_SHAMIR_PARTS_MAX, SHERD_ERR_INVALID,
                 "shares: 2 to 255 can add up to a secret");
    memset(out_secret, 0, len);
    for (size_t i = 0; i < count; i++)
        add(out_secret, parts + i * len, len);
    return SHERD_OK;
}

/* --- the known answer --------------------------------------------------------------------------------------------- */

enum sherd_err sherd_shamir_known(uint8_t out[static SHERD_SHAMIR_KNOWN_BYTES])
{
    static const uint8_t coefficients[] = "Sherd\x00\x01\x80\xff\x53\xca\x00\x02\x03\xfe";
    static const uint8_t x[] = {1, 128, 255};
    uint8_t parts[3 * 5];

    for (size_t i = 0; i < 3; i++)
        sherd_shamir_eval(coefficients, 3, 5, x[i], parts + i * 5);
    memcpy(out, parts, 5);
    memcpy(out + 5, parts + 10, 5);
    return sherd_shamir_combine(3, x, parts, 3, 5, out + 10);
}
