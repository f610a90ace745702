/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the embedded engine that need no disk: checksums, frames, the index. */
#include "store/lmdb/crc32c.h"
#include "store/lmdb/frame.h"
#include "store/lmdb/index.h"
#include "store_lmdb.h"

/* --- crc32c ------------------------------------------------------------------------------------------------------ */

static void test_store_lmdb_parts__crc_is_that_of_rfc_3720(void **state)
{
    uint8_t block[48] = {0};
    uint8_t ones[32];

    (void)state;
    memset(ones, 0xff, sizeof ones);
    assert_int_equal(sherd_crc32c(0, sherd_span_of("123456789", 9)), UINT32_C(0xe3069283));
    assert_int_equal(sherd_crc32c(0, sherd_span_of(block, 32)), UINT32_C(0x8a9136aa)); /* RFC 3720 B.4 */
    assert_int_equal(sherd_crc32c(0, sherd_span_of(ones, 32)), UINT32_C(0x62a8ab43));
    for (uint8_t i = 0; i < 32; i++)
        block[i] = i;
    assert_int_equal(sherd_crc32c(0, sherd_span_of(block, 32)), UINT32_C(0x46dd794e));
}

static void test_store_lmdb_parts__crc_is_one_in_parts_and_by_any_way(void **state)
{
    uint8_t block[200];

    (void)state;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = name_of(i).bytes[3];
    for (size_t len = 0; len <= sizeof block; len++) {
        const uint32_t whole = sherd_crc32c(0, sherd_span_of(block, len));
        const uint32_t head = sherd_crc32c(0, sherd_span_of(block, len / 3));

        assert_int_equal(sherd_crc32c_portable(0, sherd_span_of(block, len)), whole);
        assert_int_equal(sherd_crc32c(head, sherd_span_of(block + len / 3, len - len / 3)), whole);
    }
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static const struct sherd_lmdb_header header = {.generation = 7, .first_sequence = 100, .salt = "fifteen letters"};

static struct sherd_buf make_frame(const struct sherd_store_op *list, uint32_t count)
{
    static const uint8_t room[SHERD_LMDB_FRAME_HEADER_BYTES];
    struct sherd_buf frame = {.max = 1 << 16};

    assert_int_equal(sherd_buf_append(&frame, sherd_span_of(room, sizeof room)), SHERD_OK);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(sherd_lmdb_op_encode(&frame, &list[i]), SHERD_OK);
    assert_int_equal(sherd_lmdb_frame_seal(&frame, &header, 123, count), SHERD_OK);
    assert_int_equal(frame.len % 8, 0);
    return frame;
}

static const struct sherd_store_op two_ops[] = {
    {.kind = SHERD_STORE_PUT, .name = {{1}}, .value = {(const uint8_t *)"value", 5}},
    {.kind = SHERD_STORE_DELETE, .name = {{2}}},
};

static void test_store_lmdb_parts__frames_come_back(void **state)
{
    struct sherd_buf frame = make_frame(two_ops, 2);
    struct sherd_lmdb_frame head = {0};
    struct sherd_span body = sherd_span_of(frame.data + SHERD_LMDB_FRAME_HEADER_BYTES,
                                           frame.len - SHERD_LMDB_FRAME_HEADER_BYTES);
    enum sherd_store_op_kind kind;
    struct sherd_span value;
    struct sherd_ref name;

    (void)state;
    assert_true(sherd_lmdb_frame_parse(frame.data, &header, &head));
    assert_int_equal(head.generation, 7);
    assert_int_equal(head.sequence, 123);
    assert_int_equal(head.op_count, 2);
    assert_int_equal(head.body_bytes, body.len);
    assert_true(sherd_lmdb_frame_check(&head, &header, body));
    assert_true(sherd_lmdb_op_parse(&body, &kind, &name, &value));
    assert_int_equal(kind, SHERD_STORE_PUT);
    assert_int_equal(name.bytes[0], 1);
    assert_true(sherd_span_equal(value, sherd_span_str("value")));
    assert_true(sherd_lmdb_op_parse(&body, &kind, &name, &value));
    assert_int_equal(kind, SHERD_STORE_DELETE);
    assert_int_equal(name.bytes[0], 2);
    assert_true(body.len < 8);
    assert_false(sherd_lmdb_op_parse(&body, &kind, &name, &value));
    sherd_buf_done(&frame);
}

static bool is_whole(const struct sherd_buf *frame, const struct sherd_lmdb_header *of)
{
    struct sherd_lmdb_frame head = {0};

    return sherd_lmdb_frame_parse(frame->data, of, &head) &&
           sherd_lmdb_frame_check(&head, of,
                                  sherd_span_of(frame->data + SHERD_LMDB_FRAME_HEADER_BYTES,
                                                frame->len - SHERD_LMDB_FRAME_HEADER_BYTES));
}

static void test_store_lmdb_parts__frames_show_every_flip(void **state)
{
    struct sherd_buf frame = make_frame(two_ops, 2);

    (void)state;
    assert_true(is_whole(&frame, &header));
    for (size_t at = 0; at < frame.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            frame.data[at] ^= (uint8_t)(1U << bit);
            assert_false(is_whole(&frame, &header));
            frame.data[at] ^= (uint8_t)(1U << bit);
        }
    }
    assert_true(is_whole(&frame, &header));
    sherd_buf_done(&frame);
}

static void test_store_lmdb_parts__frames_belong_to_one_journal(void **state)
{
    struct sherd_buf frame = make_frame(two_ops, 1);
    struct sherd_lmdb_header other = header;

    (void)state;
    other.salt[3] ^= 1;
    assert_false(is_whole(&frame, &other));
    other = header;
    other.generation++;
    assert_false(is_whole(&frame, &other));
    sherd_buf_done(&frame);
}

static void test_store_lmdb_parts__operations_have_bounds(void **state)
{
    static const uint32_t words[] = {0, 0x01000000, 0x01040001, 0x01000010, 0x02000001, 0x03000001, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(words); i++) {
        uint8_t bytes[SHERD_LMDB_OP_HEADER_BYTES + 8] = {0};
        struct sherd_span body = sherd_span_of(bytes, sizeof bytes);
        enum sherd_store_op_kind kind;
        struct sherd_span value;
        struct sherd_ref name;

        sherd_put_u32(bytes, words[i]);
        assert_false(sherd_lmdb_op_parse(&body, &kind, &name, &value));
    }
}

static void test_store_lmdb_parts__headers_show_every_flip(void **state)
{
    uint8_t page[SHERD_LMDB_HEADER_BYTES];
    struct sherd_lmdb_header back = {0};

    (void)state;
    sherd_lmdb_header_encode(&header, page);
    assert_int_equal(sherd_lmdb_header_parse(page, &back), SHERD_OK);
    assert_memory_equal(&back, &header, sizeof back);
    for (size_t at = 0; at < 52; at++) {
        page[at] ^= 0x10;
        assert_int_not_equal(sherd_lmdb_header_parse(page, &back), SHERD_OK);
        page[at] ^= 0x10;
    }
}

static void test_store_lmdb_parts__marks_belong_to_one_journal(void **state)
{
    uint8_t page[SHERD_LMDB_HEADER_BYTES];
    struct sherd_lmdb_header other = header;
    uint64_t sequence = 0;

    (void)state;
    sherd_lmdb_header_encode(&header, page);
    assert_false(sherd_lmdb_mark_parse(page, &header, &sequence));
    sherd_lmdb_mark_encode(&header, 321, page + SHERD_LMDB_MARK_OFFSET);
    assert_true(sherd_lmdb_mark_parse(page, &header, &sequence));
    assert_int_equal(sequence, 321);
    other.salt[0] ^= 1;
    assert_false(sherd_lmdb_mark_parse(page, &other, &sequence));
    for (size_t at = 0; at < SHERD_LMDB_MARK_BYTES; at++) {
        page[SHERD_LMDB_MARK_OFFSET + at] ^= 0x04;
        assert_false(sherd_lmdb_mark_parse(page, &header, &sequence));
        page[SHERD_LMDB_MARK_OFFSET + at] ^= 0x04;
    }
}

/* --- index ------------------------------------------------------------------------------------------------------- */

static void test_store_lmdb_parts__index_finds_the_newest_below_a_limit(void **state)
{
    struct sherd_lmdb_index index = {0};

    (void)state;
    assert_int_equal(sherd_lmdb_index_init(&index, 4), SHERD_OK); /* few chains, so that they are long */
    for (uint32_t n = 0; n < 10000; n++) {
        assert_int_equal(sherd_lmdb_index_reserve(&index, 1), SHERD_OK);
        sherd_lmdb_index_add(&index, name_of(n % 100), n, n % 3 == 0 ? SHERD_LMDB_ITEM_DELETED : n);
    }
    for (uint32_t limit = 0; limit <= 10000; limit += 333) {
        for (uint32_t key = 0; key < 101; key++) {
            const struct sherd_ref name = name_of(key);
            const struct sherd_lmdb_item *item = sherd_lmdb_index_find(&index, &name, limit);

            if (key == 100 || limit <= key) {
                assert_null(item);
                continue;
            }
            assert_non_null(item);
            assert_int_equal(item->offset, (limit - 1 - key) / 100 * 100 + key);
        }
    }
    sherd_lmdb_index_done(&index);
}

static void test_store_lmdb_parts__index_takes_back(void **state)
{
    struct sherd_lmdb_index index = {0};
    const struct sherd_ref name = name_of(1);

    (void)state;
    assert_int_equal(sherd_lmdb_index_init(&index, 4), SHERD_OK);
    assert_int_equal(sherd_lmdb_index_reserve(&index, 200), SHERD_OK);
    for (uint32_t n = 0; n < 200; n++)
        sherd_lmdb_index_add(&index, name_of(n % 2), n, 1);
    sherd_lmdb_index_truncate(&index, 102);
    assert_int_equal(sherd_lmdb_index_find(&index, &name, UINT32_MAX)->offset, 101);
    sherd_lmdb_index_truncate(&index, 1);
    assert_null(sherd_lmdb_index_find(&index, &name, UINT32_MAX));
    sherd_lmdb_index_truncate(&index, 0);
    assert_int_equal(index.count, 0);
    sherd_lmdb_index_done(&index);
}

static void test_store_lmdb_parts__index_has_an_end(void **state)
{
    struct sherd_lmdb_index index = {0};

    (void)state;
    assert_int_equal(sherd_lmdb_index_init(&index, 4), SHERD_OK);
    assert_int_equal(sherd_lmdb_index_reserve(&index, SHERD_LMDB_INDEX_CHUNKS * SHERD_LMDB_INDEX_CHUNK_ITEMS + 1),
                     SHERD_ERR_LIMIT);
    sherd_lmdb_index_done(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_lmdb_parts__crc_is_that_of_rfc_3720),
        cmocka_unit_test(test_store_lmdb_parts__crc_is_one_in_parts_and_by_any_way),
        cmocka_unit_test(test_store_lmdb_parts__frames_come_back),
        cmocka_unit_test(test_store_lmdb_parts__frames_show_every_flip),
        cmocka_unit_test(test_store_lmdb_parts__frames_belong_to_one_journal),
        cmocka_unit_test(test_store_lmdb_parts__operations_have_bounds),
        cmocka_unit_test(test_store_lmdb_parts__headers_show_every_flip),
        cmocka_unit_test(test_store_lmdb_parts__marks_belong_to_one_journal),
        cmocka_unit_test(test_store_lmdb_parts__index_finds_the_newest_below_a_limit),
        cmocka_unit_test(test_store_lmdb_parts__index_takes_back),
        cmocka_unit_test(test_store_lmdb_parts__index_has_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
