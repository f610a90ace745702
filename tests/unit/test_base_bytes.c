/* SPDX-License-Identifier: Apache-2.0 */
/* Big-endian integers and the reading cursor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

static void test_base_bytes__writes_big_endian(void **state)
{
    static const uint8_t want[14] = {0x12, 0x34, 0x12, 0x34, 0x56, 0x78, 0xfe,
                                     0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    uint8_t bytes[14];

    (void)state;
    sherd_put_u16(bytes, 0x1234);
    sherd_put_u32(bytes + 2, 0x12345678);
    sherd_put_u64(bytes + 6, UINT64_C(0xfedcba9876543210));
    assert_memory_equal(bytes, want, sizeof(want));
}

static void test_base_bytes__reads_what_it_wrote(void **state)
{
    static const uint64_t values[] = {
        0, 1, 0x7f, 0x80, 0xff, 0x8000, 0xffff, 0x80000000, 0xffffffff, UINT64_C(0x8000000000000000), UINT64_MAX};
    uint8_t bytes[8];

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        sherd_put_u16(bytes, (uint16_t)values[i]);
        assert_int_equal(sherd_get_u16(bytes), (uint16_t)values[i]);
        sherd_put_u32(bytes, (uint32_t)values[i]);
        assert_true(sherd_get_u32(bytes) == (uint32_t)values[i]);
        sherd_put_u64(bytes, values[i]);
        assert_true(sherd_get_u64(bytes) == values[i]);
    }
}

static void test_base_bytes__takes_from_the_front(void **state)
{
    struct sherd_span rest = sherd_span_str("abcdef");
    struct sherd_span part = {NULL, 0};

    (void)state;
    assert_true(sherd_span_take(&rest, 2, &part));
    assert_true(sherd_span_equal(part, sherd_span_str("ab")));
    assert_true(sherd_span_take(&rest, 4, &part));
    assert_true(sherd_span_equal(part, sherd_span_str("cdef")));
    assert_int_equal(rest.len, 0);
}

static void test_base_bytes__takes_nothing_past_the_end(void **state)
{
    struct sherd_span rest = sherd_span_str("abc");
    const struct sherd_span before = rest;
    struct sherd_span part = {NULL, 77};

    (void)state;
    assert_false(sherd_span_take(&rest, 4, &part));
    assert_false(sherd_span_take(&rest, SIZE_MAX, &part));
    assert_true(rest.data == before.data && rest.len == before.len);
    assert_int_equal(part.len, 77);
}

/* A null pointer may not be moved, not even by 0. */
static void test_base_bytes__takes_nothing_from_nothing(void **state)
{
    struct sherd_span rest = {NULL, 0};
    struct sherd_span part = {NULL, 77};

    (void)state;
    assert_true(sherd_span_take(&rest, 0, &part));
    assert_int_equal(part.len, 0);
    assert_false(sherd_span_take(&rest, 1, &part));
}

static void test_base_bytes__compares_spans(void **state)
{
    (void)state;
    assert_true(sherd_span_equal(sherd_span_str("ab"), sherd_span_str("ab")));
    assert_false(sherd_span_equal(sherd_span_str("ab"), sherd_span_str("ac")));
    assert_false(sherd_span_equal(sherd_span_str("ab"), sherd_span_str("abc")));
    assert_true(sherd_span_equal(sherd_span_of(NULL, 0), sherd_span_str("")));
}

static void test_base_bytes__compares_blocks(void **state)
{
    (void)state;
    assert_true(sherd_same("abc", "abd", 2));
    assert_false(sherd_same("abc", "abd", 3));
    assert_true(sherd_same("a\0b", "a\0b", 3)); /* no strings: a zero byte ends nothing */
    assert_false(sherd_same("a\0b", "a\0c", 3));
}

static void test_base_bytes__takes_lines(void **state)
{
    static const char *const lines[] = {"a", "", "b c", "d", "e\r"};
    struct sherd_span rest = sherd_span_str("a\n\nb c\r\nd\ne\r\r");
    struct sherd_span nothing = sherd_span_of(NULL, 0);

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_true(sherd_span_equal(sherd_span_line(&rest), sherd_span_str(lines[i])));
    assert_int_equal(rest.len, 0);
    assert_int_equal(sherd_span_line(&nothing).len, 0);
    assert_int_equal(nothing.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_bytes__writes_big_endian),
        cmocka_unit_test(test_base_bytes__reads_what_it_wrote),
        cmocka_unit_test(test_base_bytes__takes_from_the_front),
        cmocka_unit_test(test_base_bytes__takes_nothing_past_the_end),
        cmocka_unit_test(test_base_bytes__takes_nothing_from_nothing),
        cmocka_unit_test(test_base_bytes__takes_lines),
        cmocka_unit_test(test_base_bytes__compares_spans),
        cmocka_unit_test(test_base_bytes__compares_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
