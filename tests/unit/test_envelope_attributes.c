/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of attributes: their order, their bounds, and that there is one encoding of each set. */
#include "base/bytes.h"
#include "envelope/attributes.h"
#include "hex.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sherd_attribute attribute(const char *name, const char *value)
{
    return (struct sherd_attribute){.name = name, .value = sherd_span_str(value)};
}

static void test_envelope_attributes_encode__orders_by_name(void **state)
{
    const struct sherd_attribute given[] = {attribute("b", "2"), attribute("ab", ""), attribute("a", "1"),
                                            attribute("\xc3\xa9", "e")};
    struct sherd_buf bytes = {0};
    uint8_t block[64];
    const struct sherd_span golden = hex_read("01 61 0001 31  02 6162 0000  01 62 0001 32  02 c3a9 0001 65", block,
                                              sizeof(block));
    size_t count = 0;

    (void)state;
    assert_int_equal(sherd_attributes_encode(given, 4, &bytes), SHERD_OK);
    assert_true(sherd_span_equal(sherd_buf_span(&bytes), golden));
    assert_int_equal(sherd_attributes_check(sherd_buf_span(&bytes), &count), SHERD_OK);
    assert_int_equal(count, 4);
    sherd_buf_done(&bytes);
}

static void test_envelope_attributes_encode__takes_none(void **state)
{
    struct sherd_buf bytes = {0};
    size_t count = 7;

    (void)state;
    assert_int_equal(sherd_attributes_encode(NULL, 0, &bytes), SHERD_OK);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(sherd_attributes_check(sherd_buf_span(&bytes), &count), SHERD_OK);
    assert_int_equal(count, 0);
    sherd_buf_done(&bytes);
}

static enum sherd_err encode_one(const char *name, size_t value_bytes)
{
    uint8_t *value = test_calloc(1, value_bytes + 1);
    const struct sherd_attribute one = {.name = name, .value = sherd_span_of(value, value_bytes)};
    struct sherd_buf bytes = {.max = SHERD_ATTRIBUTES_ENCODED_MAX};
    const enum sherd_err err = sherd_attributes_encode(&one, 1, &bytes);

    if (err != SHERD_OK)
        assert_int_equal(bytes.len, 0);
    sherd_buf_done(&bytes);
    test_free(value);
    return err;
}

static void test_envelope_attributes_encode__holds_the_bounds_of_names(void **state)
{
    const struct sherd_attribute twice[] = {attribute("a", "1"), attribute("b", ""), attribute("a", "2")};
    struct sherd_buf bytes = {0};
    char name[65];

    (void)state;
    memset(name, 'n', sizeof(name));
    name[63] = 0;
    assert_int_equal(encode_one(name, 0), SHERD_OK);
    name[63] = 'n';
    name[64] = 0;
    assert_int_equal(encode_one(name, 0), SHERD_ERR_INVALID);
    assert_int_equal(encode_one("", 0), SHERD_ERR_INVALID);
    assert_int_equal(encode_one(NULL, 0), SHERD_ERR_INVALID);
    assert_int_equal(sherd_attributes_encode(twice, 3, &bytes), SHERD_ERR_INVALID);
    assert_int_equal(bytes.len, 0);
    sherd_buf_done(&bytes);
}

static void test_envelope_attributes_encode__holds_the_bounds_of_all_together(void **state)
{
    static char names[65][8];
    static uint8_t value[SHERD_ATTRIBUTES_BYTES_MAX];
    struct sherd_attribute many[65];
    struct sherd_buf bytes = {.max = SHERD_ATTRIBUTES_ENCODED_MAX};
    size_t count = 0;

    (void)state;
    assert_int_equal(encode_one("n", 4095), SHERD_OK);
    assert_int_equal(encode_one("n", 4096), SHERD_ERR_INVALID);
    assert_int_equal(encode_one("n", 70000), SHERD_ERR_INVALID);
    for (size_t i = 0; i < 65; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%02zu", i);
        many[i] = (struct sherd_attribute){.name = names[i], .value = sherd_span_of(value, 62)};
    }
    assert_int_equal(sherd_attributes_encode(many, 65, &bytes), SHERD_ERR_INVALID);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(sherd_attributes_encode(many, 64, &bytes), SHERD_OK); /* 64 * (2 + 62) = 4096 */
    assert_int_equal(bytes.len, SHERD_ATTRIBUTES_ENCODED_MAX);
    assert_int_equal(sherd_attributes_check(sherd_buf_span(&bytes), &count), SHERD_OK);
    assert_int_equal(count, 64);
    sherd_buf_clear(&bytes);
    many[63].value.len = 63;
    assert_int_equal(sherd_attributes_encode(many, 64, &bytes), SHERD_ERR_INVALID);
    sherd_buf_done(&bytes);
}

static void test_envelope_attributes_next__gives_one_after_the_other(void **state)
{
    uint8_t block[64];
    struct sherd_span rest = hex_read("01 61 0001 31  02 6162 0000", block, sizeof(block));
    struct sherd_span previous = {0};
    struct sherd_span name;
    struct sherd_span value;

    (void)state;
    assert_int_equal(sherd_attributes_next(&rest, &previous, &name, &value), SHERD_OK);
    assert_true(sherd_span_equal(name, sherd_span_str("a")));
    assert_true(sherd_span_equal(value, sherd_span_str("1")));
    assert_int_equal(sherd_attributes_next(&rest, &previous, &name, &value), SHERD_OK);
    assert_true(sherd_span_equal(name, sherd_span_str("ab")));
    assert_int_equal(value.len, 0);
    assert_int_equal(rest.len, 0);
    assert_int_equal(sherd_attributes_next(&rest, &previous, &name, &value), SHERD_ERR_TAMPERED);
}

static void test_envelope_attributes_check__refuses_what_is_not_canonical(void **state)
{
    static const char *const cases[] = {
        "00 0000",                                  /* empty name */
        "01 00 0000",                               /* zero byte in a name */
        "02 6100 0000",                             /* the same, at its end */
        "01",                                       /* cut in the name */
        "01 61",                                    /* cut before the length */
        "01 61 00",                                 /* cut in the length */
        "01 61 0001",                               /* cut before the value */
        "01 61 0002 31",                            /* cut in the value */
        "01 61 0000 00",                            /* a byte more */
        "01 62 0000 01 61 0000",                    /* not in order */
        "02 6162 0000 01 61 0000",                  /* a prefix after what it begins */
        "01 61 0000 01 61 0000",                    /* twice */
        "40" HEX_X32(" 61") HEX_X32(" 61") " 0000", /* a name of 64 bytes */
    };
    uint8_t block[128];
    size_t count = 7;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++)
        if (sherd_attributes_check(hex_read(cases[i], block, sizeof(block)), &count) != SHERD_ERR_TAMPERED)
            fail_msg("accepted: %s", cases[i]);
    assert_int_equal(count, 7);
    assert_int_equal(sherd_attributes_check(hex_read("01 61 0000 01 62 0000", block, sizeof(block)), &count), SHERD_OK);
    assert_int_equal(count, 2);
}

static void test_envelope_attributes_check__refuses_more_than_the_bounds(void **state)
{
    uint8_t bytes[66 * 5];
    uint8_t *large = test_calloc(1, 4096 + 4);
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 66; i++) {
        const uint8_t item[5] = {2, (uint8_t)('A' + i / 10), (uint8_t)('0' + i % 10), 0, 0};
        memcpy(bytes + 5 * i, item, 5);
    }
    assert_int_equal(sherd_attributes_check(sherd_span_of(bytes, 5 * 64), &count), SHERD_OK);
    assert_int_equal(sherd_attributes_check(sherd_span_of(bytes, 5 * 65), &count), SHERD_ERR_TAMPERED);

    large[0] = 1;
    large[1] = 'a';
    sherd_put_u16(large + 2, 4095);
    assert_int_equal(sherd_attributes_check(sherd_span_of(large, 4 + 4095), &count), SHERD_OK);
    sherd_put_u16(large + 2, 4096);
    assert_int_equal(sherd_attributes_check(sherd_span_of(large, 4 + 4096), &count), SHERD_ERR_TAMPERED);
    test_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_attributes_encode__orders_by_name),
        cmocka_unit_test(test_envelope_attributes_encode__takes_none),
        cmocka_unit_test(test_envelope_attributes_encode__holds_the_bounds_of_names),
        cmocka_unit_test(test_envelope_attributes_encode__holds_the_bounds_of_all_together),
        cmocka_unit_test(test_envelope_attributes_next__gives_one_after_the_other),
        cmocka_unit_test(test_envelope_attributes_check__refuses_what_is_not_canonical),
        cmocka_unit_test(test_envelope_attributes_check__refuses_more_than_the_bounds),
    };

    return cmocka_run_group_tests_name("envelope_attributes", tests, NULL, NULL);
}
