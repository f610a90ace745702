/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the canonical TLV: one encoding of each thing, and every other is refused. */
#include "base/bytes.h"
#include "envelope/tlv.h"
#include "hex.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIT(tag) SHERD_TLV_BIT(tag)

static enum sherd_err parse(const char *text, uint64_t required, uint64_t optional, struct sherd_tlv *out_tlv)
{
    static uint8_t block[512];

    return sherd_tlv_parse(hex_read(text, block, sizeof(block)), required, optional, out_tlv);
}

static void test_envelope_tlv_put__writes_tag_length_value(void **state)
{
    uint8_t block[64];
    uint8_t golden_block[64];
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, sizeof(block));
    const struct sherd_span golden = hex_read("01 0003 616263  02 0008 0000000000000000  3f 0008 0123456789abcdef",
                                              golden_block, sizeof(golden_block));
    size_t bytes = 0;

    (void)state;
    sherd_tlv_put(&writer, 1, sherd_span_str("abc"));
    sherd_tlv_put_u64(&writer, 2, 0);
    sherd_tlv_put(&writer, 3, sherd_span_of(NULL, 0)); /* left out */
    sherd_tlv_put_u64(&writer, 63, UINT64_C(0x0123456789abcdef));
    assert_int_equal(sherd_tlv_end(&writer, &bytes), SHERD_OK);
    assert_int_equal(bytes, golden.len);
    assert_memory_equal(block, golden.data, golden.len);
}

static void test_envelope_tlv_put__fills_a_block_to_its_last_byte(void **state)
{
    uint8_t block[8];
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, 8);
    size_t bytes = 77;

    (void)state;
    sherd_tlv_put(&writer, 1, sherd_span_str("12345"));
    assert_int_equal(sherd_tlv_end(&writer, &bytes), SHERD_OK);
    assert_int_equal(bytes, 8);

    writer = sherd_tlv_writer(block, 7);
    bytes = 77;
    sherd_tlv_put(&writer, 1, sherd_span_str("12345"));
    sherd_tlv_put(&writer, 2, sherd_span_str("1")); /* would fit: but what is missing makes the whole a failure */
    assert_int_equal(sherd_tlv_end(&writer, &bytes), SHERD_ERR_LIMIT);
    assert_int_equal(bytes, 77);
}

static void test_envelope_tlv_put__refuses_a_value_that_no_length_can_say(void **state)
{
    uint8_t *value = test_calloc(1, 65536);
    uint8_t *block = test_malloc(65536 + 3);
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, 65536 + 3);
    size_t bytes = 0;

    (void)state;
    sherd_tlv_put(&writer, 1, sherd_span_of(value, 65535));
    assert_int_equal(sherd_tlv_end(&writer, &bytes), SHERD_OK);
    assert_int_equal(bytes, 65535 + 3);
    writer = sherd_tlv_writer(block, 65536 + 3);
    sherd_tlv_put(&writer, 1, sherd_span_of(value, 65536));
    assert_int_equal(sherd_tlv_end(&writer, &bytes), SHERD_ERR_LIMIT);
    test_free(value);
    test_free(block);
}

/* Put two tags in a child, which a bug must stop. @return how it ended */
static int put_in_child(unsigned first, unsigned second)
{
    int status = 0;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        uint8_t block[64];
        struct sherd_tlv_writer writer = sherd_tlv_writer(block, sizeof(block));

        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        (void)signal(SIGABRT, SIG_DFL);
        sherd_tlv_put(&writer, first, sherd_span_str("a"));
        sherd_tlv_put(&writer, second, sherd_span_str("b"));
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_envelope_tlv_put__stops_at_tags_that_do_not_ascend(void **state)
{
    (void)state;
    assert_int_equal(put_in_child(1, 2), 0);
    assert_int_not_equal(put_in_child(2, 2), 0);
    assert_int_not_equal(put_in_child(2, 1), 0);
    assert_int_not_equal(put_in_child(0, 1), 0);
    assert_int_equal(put_in_child(62, 63), 0);
    assert_int_not_equal(put_in_child(63, 64), 0);
}

static void test_envelope_tlv_parse__finds_each_value(void **state)
{
    struct sherd_tlv tlv;

    (void)state;
    assert_int_equal(parse("01 0003 616263 3f 0001 7a", BIT(1) | BIT(63), BIT(2), &tlv), SHERD_OK);
    assert_int_equal(tlv.value[1].len, 3);
    assert_memory_equal(tlv.value[1].data, "abc", 3);
    assert_null(tlv.value[2].data);
    assert_int_equal(tlv.value[2].len, 0);
    assert_memory_equal(tlv.value[63].data, "z", 1);
    assert_int_equal(parse("", 0, BIT(1), &tlv), SHERD_OK);
    assert_null(tlv.value[1].data);
}

static void test_envelope_tlv_parse__refuses_what_is_not_canonical(void **state)
{
    static const struct {
        const char *defect;
        const char *text;
    } cases[] = {
        {"nothing where something must be", ""},
        {"required tag missing", "02 0001 61"},
        {"unknown tag", "01 0001 61 04 0001 61"},
        {"tag 0", "00 0001 61 01 0001 61"},
        {"tag past the highest", "01 0001 61 40 0001 61"},
        {"highest byte as a tag", "01 0001 61 ff 0001 61"},
        {"tags descend", "02 0001 61 01 0001 61"},
        {"tag twice", "01 0001 61 01 0001 61"},
        {"empty value", "01 0001 61 02 0000"},
        {"empty value of the required tag", "01 0000"},
        {"cut in the tag's head", "01 0001 61 02"},
        {"cut in the length", "01 0001 61 02 00"},
        {"cut before the value", "01 0001 61 02 0001"},
        {"cut in the value", "01 0001 61 02 0002 61"},
        {"length far past the end", "01 ffff 61"},
        {"a byte behind the last item", "01 0001 61 00"},
    };
    struct sherd_tlv tlv;

    (void)state;
    memset(&tlv, 0x5a, sizeof(tlv));
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++)
        if (parse(cases[i].text, BIT(1), BIT(2) | BIT(3), &tlv) != SHERD_ERR_TAMPERED)
            fail_msg("accepted: %s", cases[i].defect);
    assert_int_equal(((uint8_t *)&tlv)[0], 0x5a); /* outputs change only on success */
    assert_int_equal(parse("01 0001 61 02 0001 62 03 0001 63", BIT(1), BIT(2) | BIT(3), &tlv), SHERD_OK);
}

static void test_envelope_tlv_get__takes_only_the_exact_size(void **state)
{
    struct sherd_tlv tlv;
    uint8_t out[4] = "....";

    (void)state;
    assert_int_equal(parse("01 0003 616263", BIT(1), BIT(2), &tlv), SHERD_OK);
    assert_int_equal(sherd_tlv_get(&tlv, 1, out, 2), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_tlv_get(&tlv, 1, out, 4), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_tlv_get(&tlv, 2, out, 1), SHERD_ERR_TAMPERED); /* absent */
    assert_memory_equal(out, "....", 4);
    assert_int_equal(sherd_tlv_get(&tlv, 1, out, 3), SHERD_OK);
    assert_memory_equal(out, "abc.", 4);
}

static void test_envelope_tlv_get_u64__holds_width_and_maximum(void **state)
{
    struct sherd_tlv tlv;
    uint64_t value = 5;

    (void)state;
    assert_int_equal(parse("01 0008 0000000000000100 02 0007 00000000000001 03 0009 000000000000000001",
                           BIT(1) | BIT(2) | BIT(3), 0, &tlv),
                     SHERD_OK);
    assert_int_equal(sherd_tlv_get_u64(&tlv, 1, 255, &value), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_tlv_get_u64(&tlv, 2, UINT64_MAX, &value), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_tlv_get_u64(&tlv, 3, UINT64_MAX, &value), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_tlv_get_u64(&tlv, 4, UINT64_MAX, &value), SHERD_ERR_TAMPERED);
    assert_int_equal(value, 5);
    assert_int_equal(sherd_tlv_get_u64(&tlv, 1, 256, &value), SHERD_OK);
    assert_int_equal(value, 256);
}

static void test_envelope_tlv_get_text__needs_room_and_no_zero_byte(void **state)
{
    struct sherd_tlv tlv;
    char text[5] = "....";

    (void)state;
    assert_int_equal(parse("01 0004 61626364 02 0003 610062 03 0001 00", BIT(1) | BIT(2) | BIT(3), BIT(4), &tlv),
                     SHERD_OK);
    assert_int_equal(sherd_tlv_get_text(&tlv, 1, text, 4), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_tlv_get_text(&tlv, 2, text, 5), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_tlv_get_text(&tlv, 3, text, 5), SHERD_ERR_TAMPERED);
    assert_string_equal(text, "....");
    assert_int_equal(sherd_tlv_get_text(&tlv, 1, text, 5), SHERD_OK);
    assert_string_equal(text, "abcd");
    assert_int_equal(sherd_tlv_get_text(&tlv, 4, text, 5), SHERD_OK);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_tlv_put__writes_tag_length_value),
        cmocka_unit_test(test_envelope_tlv_put__fills_a_block_to_its_last_byte),
        cmocka_unit_test(test_envelope_tlv_put__refuses_a_value_that_no_length_can_say),
        cmocka_unit_test(test_envelope_tlv_put__stops_at_tags_that_do_not_ascend),
        cmocka_unit_test(test_envelope_tlv_parse__finds_each_value),
        cmocka_unit_test(test_envelope_tlv_parse__refuses_what_is_not_canonical),
        cmocka_unit_test(test_envelope_tlv_get__takes_only_the_exact_size),
        cmocka_unit_test(test_envelope_tlv_get_u64__holds_width_and_maximum),
        cmocka_unit_test(test_envelope_tlv_get_text__needs_room_and_no_zero_byte),
    };

    return cmocka_run_group_tests_name("envelope_tlv", tests, NULL, NULL);
}
