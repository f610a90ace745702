/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rows: their bytes, what is signed of them, and that no other bytes are accepted for them. */
#include "base/bytes.h"
#include "envelope/row.h"
#include "hex.h"
#include <stdio.h>
#include <string.h>

/* Of docs/format/row.md: deployment d0.., collection c0.., record 4d.., version 2, "abc". */
#define GOLDEN_BODY                                                                                        \
    "01 81 0002 0096 0000"                                                                                 \
    "01 0010" HEX_X16("d0") "03 0010" HEX_X16("c0") "05 0010" HEX_X16("4d") "06 0008 0000000000000002"     \
                                                                            "0a 0008 0000000000000003"     \
                                                                            "0c 0008 000000006553f0ec"     \
                                                                            "12 0001 74"                   \
                                                                            "16 000a 746578742f706c61696e" \
                                                                            "17 0005 01 61 0001 78"        \
                                                                            "31 0020" HEX_X32("d1") "616263"
#define GOLDEN_CLAIM_HEAD                                                                              \
    "01 000b 736865726420726f772031"                                                                   \
    "02 0010" HEX_X16("d0") "03 0010" HEX_X16("c0") "04 0010" HEX_X16("4d") "05 0008 0000000000000002" \
                                                                            "06 0008 000000006553f0ec" \
                                                                            "07 0020"

static const uint8_t seed[SHERD_SIGN_SEED_SIZE] = {7};

static struct sherd_row a_row(void)
{
    static const uint8_t attributes[] = {1, 'a', 0, 1, 'x'};
    struct sherd_row row = {.version = 2,
                            .created_s = UINT64_C(0x6553f0ec),
                            .collection_name = "t",
                            .content_type = "text/plain",
                            .attributes = {attributes, sizeof(attributes)},
                            .has_first = true,
                            .content = {(const uint8_t *)"abc", 3}};

    memset(row.deployment.bytes, 0xd0, 16);
    memset(row.collection.bytes, 0xc0, 16);
    memset(row.record.bytes, 0x4d, 16);
    memset(row.first.bytes, 0xd1, 32);
    return row;
}

static void sign(struct sherd_buf *bytes)
{
    static const uint8_t none[SHERD_SIGNATURE_SIZE];
    uint8_t claim_block[SHERD_ROW_CLAIM_BYTES_MAX];
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    struct sherd_row_claim claim;
    struct sherd_row row;

    assert_int_equal(sherd_buf_append(bytes, sherd_span_of(none, sizeof(none))), SHERD_OK);
    assert_int_equal(sherd_row_decode(sherd_buf_span(bytes), &row), SHERD_OK);
    assert_int_equal(sherd_row_claim_of(&row, &claim), SHERD_OK);
    const size_t len = sherd_row_claim_encode(&claim, claim_block);
    assert_int_equal(sherd_sign(seed, sherd_span_of(claim_block, len), signature), SHERD_OK);
    memcpy(bytes->data + bytes->len - sizeof(signature), signature, sizeof(signature));
}

static void test_envelope_row_encode__writes_the_format(void **state)
{
    const struct sherd_row row = a_row();
    struct sherd_buf body = {0};
    uint8_t block[256];

    (void)state;
    assert_int_equal(sherd_row_encode(&row, &body), SHERD_OK);
    assert_true(sherd_span_equal(sherd_buf_span(&body), hex_read(GOLDEN_BODY, block, sizeof(block))));
    sherd_buf_done(&body);
}

static void test_envelope_row_claim__writes_the_format(void **state)
{
    uint8_t block[SHERD_ROW_CLAIM_BYTES_MAX];
    uint8_t head_block[SHERD_ROW_CLAIM_BYTES_MAX];
    const struct sherd_span head = hex_read(GOLDEN_CLAIM_HEAD, head_block, sizeof(head_block));
    struct sherd_buf bytes = {0};
    struct sherd_row row = a_row();
    struct sherd_row_claim claim;
    struct sherd_digest digest;

    (void)state;
    assert_int_equal(sherd_row_encode(&row, &bytes), SHERD_OK);
    assert_int_equal(sherd_row_digest(sherd_buf_span(&bytes), &digest), SHERD_OK);
    sign(&bytes);
    assert_int_equal(sherd_row_decode(sherd_buf_span(&bytes), &row), SHERD_OK);
    assert_int_equal(sherd_row_claim_of(&row, &claim), SHERD_OK);
    assert_int_equal(sherd_row_claim_encode(&claim, block), head.len + 32);
    assert_memory_equal(block, head.data, head.len);
    assert_memory_equal(block + head.len, digest.bytes, 32);
    sherd_buf_done(&bytes);
}

static void test_envelope_row_decode__reads_what_was_written(void **state)
{
    const struct sherd_row row = a_row();
    struct sherd_buf bytes = {0};
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_row read;

    (void)state;
    assert_int_equal(sherd_row_encode(&row, &bytes), SHERD_OK);
    sign(&bytes);
    assert_true(sherd_row_is(sherd_buf_span(&bytes)));
    assert_int_equal(sherd_row_decode(sherd_buf_span(&bytes), &read), SHERD_OK);
    assert_memory_equal(read.record.bytes, row.record.bytes, 16);
    assert_int_equal(read.version, 2);
    assert_string_equal(read.collection_name, "t");
    assert_string_equal(read.content_type, "text/plain");
    assert_true(sherd_span_equal(read.attributes, row.attributes));
    assert_true(sherd_span_equal(read.content, row.content));
    assert_true(read.has_first);
    assert_int_equal(sherd_sign_public(seed, public_key), SHERD_OK);
    assert_int_equal(sherd_row_verify(&read, public_key), SHERD_OK);
    sherd_buf_done(&bytes);
}

/* Whatever byte is changed, cut or added: either it is no row, or its signature is none. */
static void test_envelope_row__no_other_bytes_are_accepted(void **state)
{
    const struct sherd_row row = a_row();
    struct sherd_buf bytes = {0};
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_row read;

    (void)state;
    assert_int_equal(sherd_row_encode(&row, &bytes), SHERD_OK);
    sign(&bytes);
    assert_int_equal(sherd_sign_public(seed, public_key), SHERD_OK);
    for (size_t i = 0; i < bytes.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (uint8_t)(1U << bit);
            if (sherd_row_decode(sherd_buf_span(&bytes), &read) == SHERD_OK)
                assert_int_equal(sherd_row_verify(&read, public_key), SHERD_ERR_TAMPERED);
            bytes.data[i] ^= (uint8_t)(1U << bit);
        }
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(sherd_row_decode(sherd_span_of(bytes.data, len), &read), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_buf_append(&bytes, sherd_span_of(seed, 1)), SHERD_OK);
    assert_int_equal(sherd_row_decode(sherd_buf_span(&bytes), &read), SHERD_ERR_TAMPERED);
    sherd_buf_done(&bytes);
}

static void test_envelope_row_verify__another_key_did_not_sign_it(void **state)
{
    static const uint8_t other[SHERD_SIGN_SEED_SIZE] = {8};
    const struct sherd_row row = a_row();
    struct sherd_buf bytes = {0};
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_row read;

    (void)state;
    assert_int_equal(sherd_row_encode(&row, &bytes), SHERD_OK);
    sign(&bytes);
    assert_int_equal(sherd_sign_public(other, public_key), SHERD_OK);
    assert_int_equal(sherd_row_decode(sherd_buf_span(&bytes), &read), SHERD_OK);
    assert_int_equal(sherd_row_verify(&read, public_key), SHERD_ERR_TAMPERED);
    sherd_buf_done(&bytes);
}

static void test_envelope_row_encode__holds_the_bound_of_contents(void **state)
{
    struct sherd_row row = a_row();
    uint8_t *block = test_calloc(1, SHERD_ROW_CONTENT_BYTES_MAX + 1);
    struct sherd_buf bytes = {0};

    (void)state;
    row.content = sherd_span_of(block, SHERD_ROW_CONTENT_BYTES_MAX + 1);
    assert_int_equal(sherd_row_encode(&row, &bytes), SHERD_ERR_LIMIT);
    row.content.len--;
    assert_int_equal(sherd_row_encode(&row, &bytes), SHERD_OK);
    sherd_buf_done(&bytes);
    test_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_row_encode__writes_the_format),
        cmocka_unit_test(test_envelope_row_claim__writes_the_format),
        cmocka_unit_test(test_envelope_row_decode__reads_what_was_written),
        cmocka_unit_test(test_envelope_row__no_other_bytes_are_accepted),
        cmocka_unit_test(test_envelope_row_verify__another_key_did_not_sign_it),
        cmocka_unit_test(test_envelope_row_encode__holds_the_bound_of_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
