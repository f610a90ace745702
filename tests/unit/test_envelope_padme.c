/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the size classes against the formula of the paper (PURBs, PETS 2019, section 4). */
#include "envelope/padme.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* floor(log2(v)) by counting, not by the instruction that the code under test uses. */
static unsigned log2_by_counting(uint64_t v)
{
    unsigned result = 0;

    while (v > 1) {
        v /= 2;
        result++;
    }
    return result;
}

/* E = floor(log2 L), S = floor(log2 E) + 1, the last E - S bits of L are rounded up. */
static uint64_t padme_of_the_paper(uint64_t length)
{
    const unsigned e = log2_by_counting(length);
    const unsigned s = log2_by_counting(e) + 1;
    uint64_t step = 1;

    for (unsigned i = s; i < e; i++)
        step *= 2;
    return (length + step - 1) / step * step;
}

static void test_envelope_padme__knows_the_table(void **state)
{
    /* worked out by hand from the formula */
    static const struct {
        uint64_t length;
        uint64_t padded;
    } table[] = {
        {0, 0},           {1, 1},           {2, 2},
        {3, 3},           {7, 7},           {8, 8},
        {9, 10},          {10, 10},         {11, 12},
        {15, 16},         {16, 16},         {17, 18},
        {31, 32},         {33, 36},         {63, 64},
        {65, 72},         {100, 104},       {128, 128},
        {129, 144},       {255, 256},       {256, 256},
        {257, 272},       {1000, 1024},     {1024, 1024},
        {1025, 1088},     {16384, 16384},   {16385, 17408},
        {65535, 65536},   {65536, 65536},   {65537, 67584},
        {262143, 262144}, {262145, 270336}, {1000000, 1015808},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(sherd_padme(table[i].length), table[i].padded);
}

static void check_length(uint64_t length)
{
    const uint64_t padded = sherd_padme(length);

    if (padded != padme_of_the_paper(length))
        fail_msg("%llu is padded to %llu", (unsigned long long)length, (unsigned long long)padded);
    if (padded < length || (padded - length) > length / 100 * 12 + length % 100 * 12 / 100)
        fail_msg("%llu is padded to %llu: more than 12 %%", (unsigned long long)length, (unsigned long long)padded);
    if (sherd_padme(padded) != padded)
        fail_msg("%llu is no class of its own", (unsigned long long)padded);
}

static void test_envelope_padme__is_the_paper_s_up_to_a_million(void **state)
{
    uint64_t before = 0;

    (void)state;
    for (uint64_t length = 1; length <= 1000000; length++) {
        check_length(length);
        assert_true(sherd_padme(length) >= before); /* classes do not cross */
        before = sherd_padme(length);
    }
}

static void test_envelope_padme__is_the_paper_s_at_random_up_to_a_pebibyte(void **state)
{
    uint64_t x = UINT64_C(88172645463325252); /* xorshift64 (Marsaglia, 2003) */

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        check_length(1 + (x & ((UINT64_C(1) << 50) - 1)) % (UINT64_C(1) << (1 + i % 50)));
    }
    for (unsigned bit = 1; bit <= 50; bit++) {
        check_length((UINT64_C(1) << bit) - 1);
        check_length(UINT64_C(1) << bit);
        if (bit < 50)
            check_length((UINT64_C(1) << bit) + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_padme__knows_the_table),
        cmocka_unit_test(test_envelope_padme__is_the_paper_s_up_to_a_million),
        cmocka_unit_test(test_envelope_padme__is_the_paper_s_at_random_up_to_a_pebibyte),
    };

    return cmocka_run_group_tests_name("envelope_padme", tests, NULL, NULL);
}
