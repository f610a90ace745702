/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in parts: the field, what k-1 parts say (nothing), the coefficients, refusals, the shares of other programs.
 */
#include "base/random.h"
#include "base/secret.h"
#include "crypto/shamir.h"
#include "hex.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the field ---------------------------------------------------------------------------------------------------- */

/* School multiplication of polynomials over GF(2), then the remainder: shares no step with the code under test. */
static unsigned slow_mul(unsigned a, unsigned b, unsigned polynomial)
{
    unsigned product = 0;

    for (unsigned i = 0; i < 8; i++)
        for (unsigned j = 0; j < 8; j++)
            product ^= ((a >> i & 1) & (b >> j & 1)) << (i + j);
    for (unsigned degree = 15; degree >= 8; degree--)
        if ((product >> degree & 1) != 0)
            product ^= polynomial << (degree - 8);
    return product;
}

static void test_crypto_shamir_mul__is_the_product_modulo_0x11b(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            assert_int_equal(sherd_gf256_mul((uint8_t)a, (uint8_t)b), slow_mul(a, b, 0x11b));
    assert_int_equal(sherd_gf256_mul(0x57, 0x83), 0xc1); /* FIPS 197, section 4.2 */
    assert_int_equal(sherd_gf256_mul(0x57, 0x13), 0xfe);
}

static void test_crypto_shamir_inverse__is_one_for_all_but_zero(void **state)
{
    (void)state;
    assert_int_equal(sherd_gf256_inverse(0), 0);
    for (unsigned a = 1; a < 256; a++)
        assert_int_equal(slow_mul(a, sherd_gf256_inverse((uint8_t)a), 0x11b), 1);
}

/* --- what parts say ----------------------------------------------------------------------------------------------- */

/*
 * k = 2: whatever part is held (any x, any value), each secret byte belongs to exactly one coefficient, so that with
 * uniform coefficients all 256 are equally likely.
 */
static void test_crypto_shamir__one_part_of_two_says_nothing(void **state)
{
    uint8_t rows[2 * 256];
    uint8_t values[256];

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        rows[256 + i] = (uint8_t)i;
    for (unsigned x = 1; x < 256; x++) {
        for (unsigned secret = 0; secret < 256; secret++) {
            unsigned coefficients_of[256] = {0};

            memset(rows, (int)secret, 256);
            sherd_shamir_eval(rows, 2, 256, (uint8_t)x, values);
            for (unsigned i = 0; i < 256; i++)
                coefficients_of[values[i]]++;
            for (unsigned value = 0; value < 256; value++)
                assert_int_equal(coefficients_of[value], 1);
        }
    }
}

/* k = 3: the same of each two values at two points, over all 2^16 coefficients for every step-th of the 2^8 secrets. */
static void count_pairs(uint8_t first, uint8_t second, unsigned step)
{
    enum { PAIRS = 65536 };
    uint8_t *rows = test_malloc(3 * PAIRS);
    uint8_t *at_first = test_malloc(PAIRS);
    uint8_t *at_second = test_malloc(PAIRS);
    uint8_t *seen = test_malloc(PAIRS);

    for (unsigned i = 0; i < PAIRS; i++) {
        rows[PAIRS + i] = (uint8_t)i;
        rows[2 * PAIRS + i] = (uint8_t)(i >> 8);
    }
    for (unsigned secret = 0; secret < 256; secret += step) {
        unsigned different = 0;

        memset(rows, (int)secret, PAIRS);
        memset(seen, 0, PAIRS);
        sherd_shamir_eval(rows, 3, PAIRS, first, at_first);
        sherd_shamir_eval(rows, 3, PAIRS, second, at_second);
        for (unsigned i = 0; i < PAIRS; i++) {
            uint8_t *pair = &seen[(unsigned)at_first[i] << 8 | at_second[i]];

            different += *pair == 0;
            *pair = 1;
        }
        assert_int_equal(different, PAIRS); /* so each pair came of exactly one choice of coefficients */
    }
    test_free(rows);
    test_free(at_first);
    test_free(at_second);
    test_free(seen);
}

static void test_crypto_shamir__two_parts_of_three_say_nothing(void **state)
{
    (void)state;
    count_pairs(1, 2, 1);
    count_pairs(254, 255, 17);
    count_pairs(1, 255, 51);
}

/* --- the coefficients --------------------------------------------------------------------------------------------- */

static uint64_t splitmix_state;

/* SplitMix64 from a fixed start, so that the test gives the same answer each time. */
static enum sherd_err splitmix_fill(uint8_t *block, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t z = splitmix_state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        block[i] = (uint8_t)(z ^ (z >> 31));
    }
    return SHERD_OK;
}

static enum sherd_err no_fill(uint8_t *block, size_t size)
{
    memset(block, 0x77, size);
    return SHERD_ERR_IO;
}

/* What the test says. */
static uint8_t next_byte;

static enum sherd_err next_fill(uint8_t *block, size_t size)
{
    memset(block, next_byte, size);
    return SHERD_OK;
}

static const struct sherd_random_source one_byte = {.fill = next_fill};
static const struct sherd_random_source splitmix = {.fill = splitmix_fill};
static const struct sherd_random_source no_source = {.fill = no_fill};

static int restore_source(void **state)
{
    (void)state;
    sherd_random_set(NULL);
    return 0;
}

#define SPLITS 1000000U
/* Of chi-square with 255 degrees of freedom, 1 in 10,000 is above this. */
#define CHI_SQUARE_MAX 347.65

static double chi_square(const unsigned counts[static 256])
{
    const double expected = SPLITS / 256.0;
    double sum = 0;

    for (unsigned i = 0; i < 256; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

/* A million splits, 3 of 3, of all secrets in turn; the coefficients are worked out from secret and parts. */
static void test_crypto_shamir_split__coefficients_are_uniform(void **state)
{
    static unsigned counts[2][256];
    const uint8_t sixth = sherd_gf256_inverse(6);

    (void)state;
    splitmix_state = 33;
    sherd_random_set(&splitmix);
    for (unsigned run = 0; run < SPLITS; run++) {
        const uint8_t secret = (uint8_t)run;
        uint8_t parts[3];

        assert_int_equal(sherd_shamir_split(sherd_span_of(&secret, 1), 3, 3, parts), SHERD_OK);
        const uint8_t one = parts[0] ^ secret;                                    /* a1 + a2 */
        const uint8_t two = parts[1] ^ secret;                                    /* 2 a1 + 4 a2 */
        const uint8_t a2 = sherd_gf256_mul(two ^ sherd_gf256_mul(one, 2), sixth); /* 4 + 2 is 6 */
        counts[0][one ^ a2]++;
        counts[1][a2]++;
    }
    for (unsigned i = 0; i < 2; i++) {
        print_message("coefficient %u: chi-square %.1f, zero %u times\n", i + 1, chi_square(counts[i]), counts[i][0]);
        assert_true(chi_square(counts[i]) < CHI_SQUARE_MAX);
    }
}

/* The bytes of one split have coefficients of their own: no byte of the randomness is used twice or left out. */
static void test_crypto_shamir_split__every_byte_has_its_own_coefficients(void **state)
{
    uint8_t secret[32] = {0};
    uint8_t drawn[2 * 32];
    uint8_t rows[3 * 32] = {0};
    uint8_t parts[3 * 32];
    uint8_t expected[32];

    (void)state;
    splitmix_state = 5;
    assert_int_equal(splitmix_fill(drawn, sizeof(drawn)), SHERD_OK);
    memcpy(rows + 32, drawn, sizeof(drawn));
    splitmix_state = 5;
    sherd_random_set(&splitmix);
    assert_int_equal(sherd_shamir_split(sherd_span_of(secret, 32), 3, 3, parts), SHERD_OK);
    for (unsigned i = 0; i < 3; i++) {
        sherd_shamir_eval(rows, 3, 32, (uint8_t)(i + 1), expected);
        assert_memory_equal(parts + 32 * (size_t)i, expected, 32);
    }
}

/* --- split and combine -------------------------------------------------------------------------------------------- */

static const uint8_t secret_bytes[SHERD_SHAMIR_SECRET_MAX] =
    "what is shared here has sixty-four bytes, no more and no less...";

/* Combine the threshold parts from `first` on, around the end, and compare. */
static void check_combine(const uint8_t *parts, size_t threshold, size_t count, size_t first, size_t len)
{
    uint8_t x[255];
    uint8_t *chosen = test_malloc(255 * len);
    uint8_t out[SHERD_SHAMIR_SECRET_MAX];

    for (size_t i = 0; i < threshold; i++) {
        const size_t at = (first + i) % count;

        x[i] = (uint8_t)(at + 1);
        memcpy(chosen + i * len, parts + at * len, len);
    }
    assert_int_equal(sherd_shamir_combine(threshold, x, chosen, threshold, len, out), SHERD_OK);
    assert_memory_equal(out, secret_bytes, len);
    test_free(chosen);
}

static void test_crypto_shamir__any_k_parts_give_the_secret(void **state)
{
    static const struct {
        size_t threshold, count, len;
    } cases[] = {{2, 2, 1},   {2, 3, 32},   {3, 5, 32},    {5, 5, 64},
                 {7, 20, 33}, {2, 255, 32}, {128, 255, 8}, {255, 255, 3}};
    uint8_t *parts = test_malloc(255 * SHERD_SHAMIR_SECRET_MAX);

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        const size_t steps = cases[i].count > 20 ? 85 : 1;

        assert_int_equal(sherd_shamir_split(sherd_span_of(secret_bytes, cases[i].len), cases[i].threshold,
                                            cases[i].count, parts),
                         SHERD_OK);
        for (size_t first = 0; first < cases[i].count; first += steps)
            check_combine(parts, cases[i].threshold, cases[i].count, first, cases[i].len);
    }
    test_free(parts);
}

/* All subsets of 3 of 6, in all orders. */
static void test_crypto_shamir__order_does_not_matter(void **state)
{
    uint8_t parts[6 * 16];
    uint8_t chosen[3 * 16];
    uint8_t out[16];

    (void)state;
    assert_int_equal(sherd_shamir_split(sherd_span_of(secret_bytes, 16), 3, 6, parts), SHERD_OK);
    for (unsigned i = 0; i < 216; i++) {
        const uint8_t x[3] = {(uint8_t)(i % 6 + 1), (uint8_t)(i / 6 % 6 + 1), (uint8_t)(i / 36 + 1)};
        const bool different = x[0] != x[1] && x[1] != x[2] && x[0] != x[2];

        for (size_t j = 0; j < 3; j++)
            memcpy(chosen + 16 * j, parts + 16 * (size_t)(x[j] - 1), 16);
        assert_int_equal(sherd_shamir_combine(3, x, chosen, 3, 16, out), different ? SHERD_OK : SHERD_ERR_INVALID);
        if (different)
            assert_memory_equal(out, secret_bytes, 16);
    }
}

static void test_crypto_shamir__copies_only_by_their_name(void **state)
{
    const uint8_t x[] = {9};
    uint8_t parts[3 * 8];
    uint8_t out[8];

    (void)state;
    assert_int_equal(sherd_shamir_split(sherd_span_of(secret_bytes, 8), 1, 3, parts), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shamir_combine(1, x, secret_bytes, 1, 8, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shamir_split(sherd_span_of(secret_bytes, 8), SHERD_SHAMIR_COPIES, 3, parts), SHERD_OK);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(parts + 8 * i, secret_bytes, 8);
    assert_int_equal(sherd_shamir_combine(SHERD_SHAMIR_COPIES, x, parts, 1, 8, out), SHERD_OK);
    assert_memory_equal(out, secret_bytes, 8);
}

static void test_crypto_shamir_split__refuses_what_makes_no_sense(void **state)
{
    static const struct {
        size_t threshold, count, len;
    } cases[] = {{0, 3, 8},    {1, 1, 8},   {4, 3, 8}, {2, 0, 8},
                 {2, 1, 8},    {2, 256, 8}, {2, 3, 0}, {2, 3, SHERD_SHAMIR_SECRET_MAX + 1},
                 {257, 255, 8}};
    uint8_t *parts = test_calloc(256, SHERD_SHAMIR_SECRET_MAX + 1);
    const uint8_t longer[SHERD_SHAMIR_SECRET_MAX + 1] = {0};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++)
        assert_int_equal(sherd_shamir_split(sherd_span_of(longer, cases[i].len), cases[i].threshold, cases[i].count,
                                            parts),
                         SHERD_ERR_INVALID);
    test_free(parts);
}

static void test_crypto_shamir_combine__refuses_zero_twice_and_too_few(void **state)
{
    uint8_t parts[4 * 8];
    uint8_t out[8] = "before..";

    (void)state;
    assert_int_equal(sherd_shamir_split(sherd_span_of(secret_bytes, 8), 3, 4, parts), SHERD_OK);
    assert_int_equal(sherd_shamir_combine(3, (const uint8_t[]){1, 0, 3}, parts, 3, 8, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shamir_combine(3, (const uint8_t[]){1, 2, 1}, parts, 3, 8, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shamir_combine(3, (const uint8_t[]){1, 2, 3, 3}, parts, 4, 8, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shamir_combine(3, (const uint8_t[]){1, 2, 3, 0}, parts, 4, 8, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shamir_combine(3, (const uint8_t[]){1, 2}, parts, 2, 8, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shamir_combine(3, (const uint8_t[]){1, 2, 3}, parts, 3, 0, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shamir_combine(3, (const uint8_t[]){1, 2, 3}, parts, 3, 65, out), SHERD_ERR_INVALID);
    assert_memory_equal(out, "before..", 8);
    assert_int_equal(sherd_shamir_combine(3, (const uint8_t[]){1, 2, 3, 4}, parts, 4, 8, out), SHERD_OK);
    assert_memory_equal(out, secret_bytes, 8);
}

/* --- XOR ---------------------------------------------------------------------------------------------------------- */

static void test_crypto_shamir_xor__all_parts_give_the_secret(void **state)
{
    static const size_t counts[] = {2, 3, 17, 255};
    uint8_t parts[255 * 32];
    uint8_t out[32];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(counts); i++) {
        assert_int_equal(sherd_xor_split(sherd_span_of(secret_bytes, 32), counts[i], parts), SHERD_OK);
        assert_int_equal(sherd_xor_combine(parts, counts[i], 32, out), SHERD_OK);
        assert_memory_equal(out, secret_bytes, 32);
        if (counts[i] > 2) {
            assert_int_equal(sherd_xor_combine(parts, counts[i] - 1, 32, out), SHERD_OK);
            assert_memory_not_equal(out, secret_bytes, 32);
        }
    }
}

/* Two parts: for each part held, of whichever number, each secret belongs to exactly one draw. */
static void test_crypto_shamir_xor__one_part_says_nothing(void **state)
{
    static unsigned seen[2][256][256];

    (void)state;
    sherd_random_set(&one_byte);
    for (unsigned secret = 0; secret < 256; secret++) {
        for (unsigned draw = 0; draw < 256; draw++) {
            const uint8_t byte = (uint8_t)secret;
            uint8_t parts[2];

            next_byte = (uint8_t)draw;
            assert_int_equal(sherd_xor_split(sherd_span_of(&byte, 1), 2, parts), SHERD_OK);
            seen[0][secret][parts[0]]++;
            seen[1][secret][parts[1]]++;
        }
    }
    for (unsigned secret = 0; secret < 256; secret++)
        for (unsigned value = 0; value < 256; value++)
            assert_true(seen[0][secret][value] == 1 && seen[1][secret][value] == 1);
}

static void test_crypto_shamir_xor__refuses_what_makes_no_sense(void **state)
{
    uint8_t parts[4 * 8] = {0};
    uint8_t out[8] = "before..";

    (void)state;
    assert_int_equal(sherd_xor_split(sherd_span_of(secret_bytes, 8), 1, parts), SHERD_ERR_INVALID);
    assert_int_equal(sherd_xor_split(sherd_span_of(secret_bytes, 8), 256, parts), SHERD_ERR_INVALID);
    assert_int_equal(sherd_xor_split(sherd_span_of(secret_bytes, 0), 2, parts), SHERD_ERR_INVALID);
    assert_int_equal(sherd_xor_combine(parts, 1, 8, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_xor_combine(parts, 256, 8, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_xor_combine(parts, 2, 65, out), SHERD_ERR_INVALID);
    assert_memory_equal(out, "before..", 8);
}

static void test_crypto_shamir__no_randomness_leaves_nothing(void **state)
{
    static const uint8_t zeros[3 * 8];
    uint8_t parts[3 * 8];

    (void)state;
    sherd_random_set(&no_source);
    memset(parts, 1, sizeof(parts));
    assert_int_equal(sherd_shamir_split(sherd_span_of(secret_bytes, 8), 2, 3, parts), SHERD_ERR_IO);
    assert_memory_equal(parts, zeros, sizeof(parts));
    memset(parts, 1, sizeof(parts));
    assert_int_equal(sherd_xor_split(sherd_span_of(secret_bytes, 8), 3, parts), SHERD_ERR_IO);
    assert_memory_equal(parts, zeros, sizeof(parts));
}

static void test_crypto_shamir__gives_the_secret_memory_back(void **state)
{
    struct sherd_secret_stat before;
    struct sherd_secret_stat after;
    uint8_t parts[3 * 8];

    (void)state;
    sherd_secret_stat(&before);
    assert_int_equal(sherd_shamir_split(sherd_span_of(secret_bytes, 8), 2, 3, parts), SHERD_OK);
    sherd_secret_stat(&after);
    assert_int_equal(before.used_bytes, after.used_bytes);
}

/* --- known answers, and other programs ---------------------------------------------------------------------------- */

static void test_crypto_shamir_known__is_what_it_is(void **state)
{
    uint8_t expected[SHERD_SHAMIR_KNOWN_BYTES];
    uint8_t out[SHERD_SHAMIR_KNOWN_BYTES];

    (void)state;
    (void)hex_read("9969e78ec9 02972654c8 5368657264", expected, sizeof(expected));
    assert_int_equal(sherd_shamir_known(out), SHERD_OK);
    assert_memory_equal(out, expected, sizeof(out));
}

/*
 * `echo SECRET | ssss-split -x -s 8 -t T -n N -q` of Debian's ssss 0.5: one byte, the same field, no diffusion below 64
 * bits, and x^t added to the polynomial.
 */
static void test_crypto_shamir__reads_the_shares_of_ssss(void **state)
{
    static const struct {
        uint8_t secret, threshold, count, parts[5];
    } cases[] = {{0x00, 3, 5, {0xf2, 0x9f, 0x6b, 0xc6, 0x20}},
                 {0x53, 3, 5, {0x1c, 0xb6, 0xff, 0x0d, 0x56}},
                 {0xff, 3, 5, {0x77, 0xeb, 0x65, 0xd3, 0x4f}},
                 {0xa7, 2, 3, {0x25, 0xbe, 0x3c}}};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        for (unsigned first = 0; first + cases[i].threshold <= cases[i].count; first++) {
            uint8_t x[5];
            uint8_t parts[5];
            uint8_t secret = 0;

            for (unsigned j = 0; j < cases[i].threshold; j++) {
                unsigned power = 1;

                x[j] = (uint8_t)(first + j + 1);
                for (unsigned k = 0; k < cases[i].threshold; k++)
                    power = slow_mul(power, x[j], 0x11b);
                parts[j] = (uint8_t)(cases[i].parts[first + j] ^ power);
            }
            assert_int_equal(sherd_shamir_combine(cases[i].threshold, x, parts, cases[i].threshold, 1, &secret),
                             SHERD_OK);
            assert_int_equal(secret, cases[i].secret);
        }
    }
}

/* The isomorphism from the field of 0x11d to ours: a root of that polynomial here takes the place of x there. */
static uint8_t isomorphic(uint8_t value)
{
    uint8_t root = 0;
    uint8_t power = 1;
    uint8_t image = 0;

    for (unsigned candidate = 2; root == 0; candidate++) {
        unsigned powers[9] = {1};

        for (unsigned i = 1; i < 9; i++)
            powers[i] = slow_mul(powers[i - 1], candidate, 0x11b);
        if ((powers[8] ^ powers[4] ^ powers[3] ^ powers[2] ^ 1) == 0)
            root = (uint8_t)candidate;
    }
    for (unsigned bit = 0; bit < 8; bit++) {
        image ^= (value >> bit & 1) != 0 ? power : 0;
        power = (uint8_t)slow_mul(power, root, 0x11b);
    }
    return image;
}

/* `gfsplit -n 3 -m 5` of Debian's libgfshare-bin 2.0.0, of the text below. */
static void test_crypto_shamir__reads_the_shares_of_gfsplit_carried_over(void **state)
{
    static const char text[] = "Sherd in five bytes";
    static const struct {
        uint8_t x;
        const char *hex;
    } shares[] = {{78, "5e9fd9102480fbf0094482021fe3ae49911892"},
                  {93, "394308baf97e20ee77a7ad9732e1e13f5349a6"},
                  {95, "ffe40be0cb837175fee32ebeb2917bccd6b59f"},
                  {174, "91071c6b13fee865e93ca08d10d85825189df5"},
                  {254, "79b13423b0418c24db9402124d7ec7b7211f60"}};
    enum { LEN = sizeof(text) - 1 };

    (void)state;
    for (size_t first = 0; first + 3 <= SHERD_COUNT_OF(shares); first++) {
        uint8_t x[3];
        uint8_t parts[3 * LEN];
        uint8_t out[LEN];

        for (size_t i = 0; i < 3; i++) {
            x[i] = isomorphic(shares[first + i].x);
            (void)hex_read(shares[first + i].hex, parts + LEN * i, LEN);
        }
        for (size_t i = 0; i < sizeof(parts); i++)
            parts[i] = isomorphic(parts[i]);
        assert_int_equal(sherd_shamir_combine(3, x, parts, 3, LEN, out), SHERD_OK);
        for (size_t i = 0; i < LEN; i++)
            assert_int_equal(out[i], isomorphic((uint8_t)text[i]));
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, restore_source)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_crypto_shamir_mul__is_the_product_modulo_0x11b),
        TEST(test_crypto_shamir_inverse__is_one_for_all_but_zero),
        TEST(test_crypto_shamir__one_part_of_two_says_nothing),
        TEST(test_crypto_shamir__two_parts_of_three_say_nothing),
        TEST(test_crypto_shamir_split__coefficients_are_uniform),
        TEST(test_crypto_shamir_split__every_byte_has_its_own_coefficients),
        TEST(test_crypto_shamir__any_k_parts_give_the_secret),
        TEST(test_crypto_shamir__order_does_not_matter),
        TEST(test_crypto_shamir__copies_only_by_their_name),
        TEST(test_crypto_shamir_split__refuses_what_makes_no_sense),
        TEST(test_crypto_shamir_combine__refuses_zero_twice_and_too_few),
        TEST(test_crypto_shamir_xor__all_parts_give_the_secret),
        TEST(test_crypto_shamir_xor__one_part_says_nothing),
        TEST(test_crypto_shamir_xor__refuses_what_makes_no_sense),
        TEST(test_crypto_shamir__no_randomness_leaves_nothing),
        TEST(test_crypto_shamir__gives_the_secret_memory_back),
        TEST(test_crypto_shamir_known__is_what_it_is),
        TEST(test_crypto_shamir__reads_the_shares_of_ssss),
        TEST(test_crypto_shamir__reads_the_shares_of_gfsplit_carried_over),
    };

    return cmocka_run_group_tests_name("crypto_shamir", tests, NULL, NULL);
}
