/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs: version 4 and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "base/random.h"
#include <ctype.h>
#include <sherd/uuid.h>
#include <string.h>

static const char good_text[] = "919108f7-52d1-4320-9bac-f847db4148a8"; /* RFC 9562 appendix A.3 */
static const uint8_t good_bytes[16] = {0x91, 0x91, 0x08, 0xf7, 0x52, 0xd1, 0x43, 0x20,
                                       0x9b, 0xac, 0xf8, 0x47, 0xdb, 0x41, 0x48, 0xa8};

static void assert_refused(const char *text)
{
    struct sherd_uuid uuid = {{0xaa}};
    const struct sherd_uuid before = uuid;

    assert_int_equal(sherd_uuid_parse(text, &uuid), SHERD_ERR_INVALID);
    assert_memory_equal(&uuid, &before, sizeof(uuid));
}

static void test_base_uuid__parses_the_example_of_the_rfc(void **state)
{
    struct sherd_uuid uuid;

    (void)state;
    assert_int_equal(sherd_uuid_parse(good_text, &uuid), SHERD_OK);
    assert_memory_equal(uuid.bytes, good_bytes, 16);
}

static void test_base_uuid__parses_upper_case_and_formats_lower(void **state)
{
    char text[sizeof(good_text)];
    struct sherd_uuid uuid;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)toupper((unsigned char)good_text[i]);
    assert_int_equal(sherd_uuid_parse(text, &uuid), SHERD_OK);
    sherd_uuid_format(uuid, text);
    assert_string_equal(text, good_text);
}

static void test_base_uuid__refuses_other_versions(void **state)
{
    char text[sizeof(good_text)];

    (void)state;
    memcpy(text, good_text, sizeof(text));
    for (const char *digit = "012356789abcdefABCDEF"; *digit != '\0'; digit++) {
        text[14] = *digit;
        assert_refused(text);
    }
    assert_refused("c232ab00-9414-11ec-b3c8-9f6bdeced846"); /* version 1, appendix A.1 */
    assert_refused("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"); /* version 7, appendix A.6 */
    assert_refused("00000000-0000-0000-0000-000000000000");
    assert_refused("ffffffff-ffff-ffff-ffff-ffffffffffff");
}

static void test_base_uuid__refuses_other_variants(void **state)
{
    struct sherd_uuid uuid;
    char text[sizeof(good_text)];

    (void)state;
    memcpy(text, good_text, sizeof(text));
    for (const char *digit = "01234567cdefCDEF"; *digit != '\0'; digit++) {
        text[19] = *digit;
        assert_refused(text);
    }
    for (const char *digit = "89abAB"; *digit != '\0'; digit++) {
        text[19] = *digit;
        assert_int_equal(sherd_uuid_parse(text, &uuid), SHERD_OK);
    }
}

static void test_base_uuid__refuses_every_other_length(void **state)
{
    char text[64];

    (void)state;
    for (size_t len = 0; len < sizeof(good_text) - 1; len++) {
        memcpy(text, good_text, len);
        text[len] = '\0'; /* what follows would make it whole: an embedded zero byte ends it */
        memcpy(text + len + 1, good_text + len, sizeof(good_text) - len);
        assert_refused(text);
    }
    memcpy(text, good_text, sizeof(good_text));
    memcpy(text + 36, "0", 2);
    assert_refused(text);
    memcpy(text + 36, "-", 2);
    assert_refused(text);
    memcpy(text + 36, "\n", 2);
    assert_refused(text);
}

static void test_base_uuid__refuses_other_spellings(void **state)
{
    (void)state;
    assert_refused(NULL);
    assert_refused("{919108f7-52d1-4320-9bac-f847db4148a8}");
    assert_refused("urn:uuid:919108f7-52d1-4320-9bac-f847db4148a8");
    assert_refused(" 919108f7-52d1-4320-9bac-f847db4148a8");
    assert_refused("919108f7-52d1-4320-9bac-f847db4148a8 ");
    assert_refused("919108f752d143209bacf847db4148a8");
    assert_refused("919108f7-52d14-320-9bac-f847db4148a8");
    assert_refused("919108f7+52d1-4320-9bac-f847db4148a8");
    assert_refused("0x9108f7-52d1-4320-9bac-f847db4148a8");
}

/* Every character but a digit or a hyphen where it belongs, at every place. */
static void test_base_uuid__refuses_any_other_character(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof(good_text) - 1; at++) {
        for (int c = 1; c < 256; c++) {
            char text[sizeof(good_text)];

            if (good_text[at] == '-' ? c == '-' : isxdigit(c) != 0)
                continue;
            memcpy(text, good_text, sizeof(text));
            text[at] = (char)c;
            assert_refused(text);
        }
    }
}

static void test_base_uuid__goes_round(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct sherd_uuid uuid;
        struct sherd_uuid again;
        char text[SHERD_UUID_TEXT_SIZE];

        assert_int_equal(sherd_uuid_new(&uuid), SHERD_OK);
        assert_int_equal(uuid.bytes[6] >> 4, 4);
        assert_int_equal(uuid.bytes[8] >> 6, 2);
        sherd_uuid_format(uuid, text);
        assert_int_equal(strlen(text), 36);
        assert_int_equal(sherd_uuid_parse(text, &again), SHERD_OK);
        assert_memory_equal(&uuid, &again, sizeof(uuid));
    }
}

static enum sherd_err fill_ones(uint8_t *block, size_t size)
{
    memset(block, 0xff, size);
    return SHERD_OK;
}

static enum sherd_err fill_zeros(uint8_t *block, size_t size)
{
    memset(block, 0, size);
    return SHERD_OK;
}

static enum sherd_err fill_fails(uint8_t *block, size_t size)
{
    memset(block, 0xff, size / 2);
    return sherd_fail(SHERD_ERR_IO, "no randomness today");
}

/* 122 bits are the source's, 6 are fixed. */
static void test_base_uuid__takes_all_but_six_bits_from_the_source(void **state)
{
    static const struct sherd_random_source ones = {.fill = fill_ones};
    static const struct sherd_random_source zeros = {.fill = fill_zeros};
    struct sherd_uuid uuid;
    char text[SHERD_UUID_TEXT_SIZE];

    (void)state;
    sherd_random_set(&ones);
    assert_int_equal(sherd_uuid_new(&uuid), SHERD_OK);
    sherd_uuid_format(uuid, text);
    assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    sherd_random_set(&zeros);
    assert_int_equal(sherd_uuid_new(&uuid), SHERD_OK);
    sherd_uuid_format(uuid, text);
    assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
    sherd_random_set(NULL);
}

static void test_base_uuid__is_unchanged_without_randomness(void **state)
{
    static const struct sherd_random_source fails = {.fill = fill_fails};
    struct sherd_uuid uuid = {{1, 2, 3}};
    const struct sherd_uuid before = uuid;

    (void)state;
    sherd_random_set(&fails);
    assert_int_equal(sherd_uuid_new(&uuid), SHERD_ERR_IO);
    sherd_random_set(NULL);
    assert_memory_equal(&uuid, &before, sizeof(uuid));
    assert_string_equal(sherd_err_detail(), "no randomness today");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_uuid__parses_the_example_of_the_rfc),
        cmocka_unit_test(test_base_uuid__parses_upper_case_and_formats_lower),
        cmocka_unit_test(test_base_uuid__refuses_other_versions),
        cmocka_unit_test(test_base_uuid__refuses_other_variants),
        cmocka_unit_test(test_base_uuid__refuses_every_other_length),
        cmocka_unit_test(test_base_uuid__refuses_other_spellings),
        cmocka_unit_test(test_base_uuid__refuses_any_other_character),
        cmocka_unit_test(test_base_uuid__goes_round),
        cmocka_unit_test(test_base_uuid__takes_all_but_six_bits_from_the_source),
        cmocka_unit_test(test_base_uuid__is_unchanged_without_randomness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
