/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of links as bytes. */
#include "base/bytes.h"
#include "envelope/links.h"
#include "hex.h"
#include <stdio.h>
#include <string.h>

#define GOLDEN "01 06 706172656e74" HEX_X16("4d") "0000000000000002" HEX_X32("d1") "02 00" HEX_X16("c0") HEX_X16("e0")

static struct sherd_span golden(uint8_t *block, size_t size)
{
    return hex_read(GOLDEN, block, size);
}

static void test_envelope_links_append__writes_the_format(void **state)
{
    struct sherd_link_entry record = {.kind = SHERD_LINK_RECORD, .role = "parent", .version = 2};
    struct sherd_link_entry entity = {.kind = SHERD_LINK_ENTITY};
    struct sherd_buf bytes = {0};
    uint8_t block[128];

    (void)state;
    memset(record.record.bytes, 0x4d, 16);
    memset(record.first.bytes, 0xd1, 32);
    memset(entity.collection.bytes, 0xc0, 16);
    memset(entity.entity.bytes, 0xe0, 16);
    assert_int_equal(sherd_links_append(&record, &bytes), SHERD_OK);
    assert_int_equal(sherd_links_append(&entity, &bytes), SHERD_OK);
    assert_true(sherd_span_equal(sherd_buf_span(&bytes), golden(block, sizeof(block))));
    sherd_buf_done(&bytes);
}

static void test_envelope_links_next__reads_the_format(void **state)
{
    uint8_t block[128];
    struct sherd_span rest = golden(block, sizeof(block));
    struct sherd_link_entry link;
    size_t count = 0;

    (void)state;
    assert_int_equal(sherd_links_check(rest, &count), SHERD_OK);
    assert_int_equal(count, 2);
    assert_int_equal(sherd_links_next(&rest, &link), SHERD_OK);
    assert_int_equal(link.kind, SHERD_LINK_RECORD);
    assert_string_equal(link.role, "parent");
    assert_int_equal(link.version, 2);
    assert_int_equal(link.record.bytes[15], 0x4d);
    assert_int_equal(link.first.bytes[31], 0xd1);
    assert_int_equal(sherd_links_next(&rest, &link), SHERD_OK);
    assert_int_equal(link.kind, SHERD_LINK_ENTITY);
    assert_string_equal(link.role, "");
    assert_int_equal(link.collection.bytes[0], 0xc0);
    assert_int_equal(link.entity.bytes[15], 0xe0);
    assert_int_equal(rest.len, 0);
}

static void test_envelope_links_check__refuses_what_is_cut_or_of_no_kind(void **state)
{
    uint8_t block[128];
    const struct sherd_span whole = golden(block, sizeof(block));
    size_t count = 0;

    (void)state;
    for (size_t len = 1; len < whole.len; len++)
        assert_int_equal(sherd_links_check(sherd_span_of(block, len), &count),
                         len == 64 ? SHERD_OK : SHERD_ERR_TAMPERED); /* the first alone has 64 */
    block[0] = 3;
    assert_int_equal(sherd_links_check(whole, &count), SHERD_ERR_TAMPERED);
    block[0] = 1;
    block[1] = SHERD_LINK_ROLE_BYTES_MAX + 1;
    assert_int_equal(sherd_links_check(whole, &count), SHERD_ERR_TAMPERED);
    block[1] = 6;
    block[3] = 0;
    assert_int_equal(sherd_links_check(whole, &count), SHERD_ERR_TAMPERED);
}

static void test_envelope_links_check__takes_so_many_and_no_more(void **state)
{
    const struct sherd_link_entry link = {.kind = SHERD_LINK_ENTITY};
    struct sherd_buf bytes = {0};
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < SHERD_LINKS_MAX; i++)
        assert_int_equal(sherd_links_append(&link, &bytes), SHERD_OK);
    assert_int_equal(sherd_links_check(sherd_buf_span(&bytes), &count), SHERD_OK);
    assert_int_equal(count, SHERD_LINKS_MAX);
    assert_int_equal(sherd_links_append(&link, &bytes), SHERD_OK);
    assert_int_equal(sherd_links_check(sherd_buf_span(&bytes), &count), SHERD_ERR_TAMPERED);
    sherd_buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_links_append__writes_the_format),
        cmocka_unit_test(test_envelope_links_next__reads_the_format),
        cmocka_unit_test(test_envelope_links_check__refuses_what_is_cut_or_of_no_kind),
        cmocka_unit_test(test_envelope_links_check__takes_so_many_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
