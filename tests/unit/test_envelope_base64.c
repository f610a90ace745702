/* SPDX-License-Identifier: Apache-2.0 */
/* Base 64: the examples of RFC 4648, every length there and back, and every text that no encoder writes refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "envelope/base64.h"
#include <stdio.h>
#include <string.h>

static enum sherd_err decode(enum sherd_base64 kind, const char *text, struct sherd_buf *out)
{
    sherd_buf_clear(out);
    return sherd_base64_decode(kind, sherd_span_str(text), out);
}

static void test_envelope_base64__rfc_4648_section_10(void **state)
{
    static const struct {
        const char *bytes;
        const char *padded;
        const char *bare;
    } examples[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(examples); i++) {
        for (int kind = SHERD_BASE64_BARE; kind <= SHERD_BASE64_PADDED; kind++) {
            const char *text = kind == SHERD_BASE64_BARE ? examples[i].bare : examples[i].padded;
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf encoded = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf decoded = {0};

            assert_int_equal(sherd_base64_encode((enum sherd_base64)kind, sherd_span_str(examples[i].bytes), &encoded),
                             SHERD_OK);
            assert_int_equal(encoded.len, strlen(text));
            if (encoded.len > 0)
                assert_memory_equal(encoded.data, text, encoded.len);
            assert_int_equal(decode((enum sherd_base64)kind, text, &decoded), SHERD_OK);
            assert_int_equal(decoded.len, strlen(examples[i].bytes));
            if (decoded.len > 0)
                assert_memory_equal(decoded.data, examples[i].bytes, decoded.len);
        }
    }
}

static void test_envelope_base64__every_length_there_and_back(void **state)
{
    uint8_t bytes[100];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 167 + 29);
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        for (int kind = SHERD_BASE64_BARE; kind <= SHERD_BASE64_PADDED; kind++) {
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf back = {0};

            assert_int_equal(sherd_base64_encode((enum sherd_base64)kind, sherd_span_of(bytes, length), &text),
                             SHERD_OK);
            assert_int_equal(sherd_base64_decode((enum sherd_base64)kind, sherd_buf_span(&text), &back), SHERD_OK);
            assert_int_equal(back.len, length);
            if (length > 0)
                assert_memory_equal(back.data, bytes, length);
        }
    }
}

/* Whatever decodes encodes to itself again: tried on all texts of four characters of a chosen few. */
static void test_envelope_base64__one_text_for_the_same_bytes(void **state)
{
    static const char few[] = "AQgwZz05+/=-_ \n";
    unsigned good[2] = {0, 0};
    char text[5] = {0};

    (void)state;
    for (unsigned n = 0; n < 15 * 15 * 15 * 15; n++) {
        text[0] = few[n % 15];
        text[1] = few[n / 15 % 15];
        text[2] = few[n / 225 % 15];
        text[3] = few[n / 3375];
        for (int kind = SHERD_BASE64_BARE; kind <= SHERD_BASE64_PADDED; kind++) {
            uint8_t block[8];
            uint8_t again[8];
            struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));
            struct sherd_buf encoded = sherd_buf_borrow(again, sizeof(again));

            if (decode((enum sherd_base64)kind, text, &bytes) != SHERD_OK) {
                assert_int_equal(bytes.len, 0);
                continue;
            }
            good[kind]++;
            assert_int_equal(sherd_base64_encode((enum sherd_base64)kind, sherd_buf_span(&bytes), &encoded), SHERD_OK);
            assert_int_equal(encoded.len, 4);
            assert_memory_equal(again, text, 4);
        }
    }
    /* Ten of the few are of the alphabet; of them 5 end in two zero bits, and 4 in four. */
    assert_int_equal(good[SHERD_BASE64_BARE], 10 * 10 * 10 * 10);
    assert_int_equal(good[SHERD_BASE64_PADDED], 10 * 10 * 10 * 10 + 10 * 10 * 5 + 10 * 4);
}

static void test_envelope_base64__what_no_encoder_writes_is_refused(void **state)
{
    static const char *const bare[] = {"Z",    "Zm9vY", "Zg==", "Zh",   "Zm9",
                                       "Zm 8", "Zm8\n", "Zm-_", "====", "\xc3\xa4Zg"};
    static const char *const padded[] = {"Zg",   "Zg=",  "Zm8",      "Zh==", "Zm9=", "=",
                                         "====", "Z===", "Zg==Zg==", "Zm=8", "Z=g="};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bare); i++)
        assert_int_equal(decode(SHERD_BASE64_BARE, bare[i], &out), SHERD_ERR_INVALID);
    for (size_t i = 0; i < SHERD_COUNT_OF(padded); i++)
        assert_int_equal(decode(SHERD_BASE64_PADDED, padded[i], &out), SHERD_ERR_INVALID);
    assert_int_equal(out.len, 0);
}

static void test_envelope_base64__a_full_buffer_is_a_limit(void **state)
{
    uint8_t block[3];
    struct sherd_buf out = sherd_buf_borrow(block, sizeof(block));

    (void)state;
    assert_int_equal(decode(SHERD_BASE64_BARE, "Zm9vYg", &out), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_str("f"), &out), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_base64_encode(SHERD_BASE64_BARE, sherd_span_str("f"), &out), SHERD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_base64__rfc_4648_section_10),
        cmocka_unit_test(test_envelope_base64__every_length_there_and_back),
        cmocka_unit_test(test_envelope_base64__one_text_for_the_same_bytes),
        cmocka_unit_test(test_envelope_base64__what_no_encoder_writes_is_refused),
        cmocka_unit_test(test_envelope_base64__a_full_buffer_is_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
