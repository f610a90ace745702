/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of fragments: golden bytes of the head, sizes, and the digest against a tree built by hand. */
#include "crypto/init.h"
#include "crypto/merkle.h"
#include "envelope/fragment.h"
#include "envelope/padme.h"
#include "hex.h"
#include <stdlib.h>
#include <string.h>

static void test_envelope_fragment_prefix__is_the_documented_one(void **state)
{
    struct sherd_content_share share;
    struct sherd_content_share again;
    uint8_t prefix[SHERD_FRAGMENT_PREFIX_SIZE];
    uint8_t block[64];
    const struct sherd_span golden = hex_read("01 80 0001 00000000" HEX_X32(" 5e"), block, sizeof(block));

    (void)state;
    memset(share.bytes, 0x5e, sizeof(share.bytes));
    sherd_fragment_prefix_encode(&share, prefix);
    assert_int_equal(golden.len, sizeof(prefix));
    assert_memory_equal(prefix, golden.data, golden.len);
    assert_int_equal(sherd_fragment_prefix_decode(sherd_span_of(prefix, sizeof(prefix)), &again), SHERD_OK);
    assert_memory_equal(again.bytes, share.bytes, sizeof(share.bytes));
}

static void test_envelope_fragment_prefix__refuses_every_other_header(void **state)
{
    struct sherd_content_share share;
    uint8_t *prefix = test_malloc(SHERD_FRAGMENT_PREFIX_SIZE);

    (void)state;
    memset(share.bytes, 0x5e, sizeof(share.bytes));
    sherd_fragment_prefix_encode(&share, prefix);
    for (size_t len = 0; len < SHERD_FRAGMENT_PREFIX_SIZE; len++)
        assert_int_equal(sherd_fragment_prefix_decode(sherd_span_of(prefix, len), &share), SHERD_ERR_TAMPERED);
    for (size_t i = 0; i < SHERD_FRAGMENT_HEADER_SIZE; i++) {
        for (unsigned change = 1; change < 256; change++) {
            prefix[i] = (uint8_t)(prefix[i] ^ change);
            assert_int_equal(sherd_fragment_prefix_decode(sherd_span_of(prefix, SHERD_FRAGMENT_PREFIX_SIZE), &share),
                             SHERD_ERR_TAMPERED);
            prefix[i] = (uint8_t)(prefix[i] ^ change);
        }
    }
    test_free(prefix);
}

static void test_envelope_fragment_bytes__counts_every_byte(void **state)
{
    (void)state;
    assert_int_equal(SHERD_FRAGMENT_HEAD_SIZE, 96);
    assert_int_equal(sherd_fragment_bytes(0), 96 + 16);
    assert_int_equal(sherd_fragment_bytes(16383), 96 + 16383 + 16);
    assert_int_equal(sherd_fragment_bytes(16384), 96 + 16384 + 2 * 16);
    assert_int_equal(sherd_fragment_bytes(65536), 96 + 65536 + 5 * 16);
    assert_int_equal(sherd_fragment_chunk_offset(0), 96);
    assert_int_equal(sherd_fragment_chunk_offset(3), 96 + 3 * 16400);
    assert_int_equal(sherd_fragment_padded_bytes(1000, true), 1000);
    assert_int_equal(sherd_fragment_padded_bytes(1000, false), 1024);
}

/* RFC 6962 section 2.1, by its own words: split at the largest power of two below the count. */
static struct sherd_digest root_of(const struct sherd_digest *leaves, size_t count)
{
    static const uint8_t node = 1;
    struct sherd_digest root = leaves[0];
    size_t split = 1;

    if (count == 1)
        return root;
    while (2 * split < count)
        split *= 2;
    const struct sherd_digest left = root_of(leaves, split);
    const struct sherd_digest right = root_of(leaves + split, count - split);
    const struct sherd_span parts[] = {{&node, 1}, {left.bytes, 32}, {right.bytes, 32}};
    assert_int_equal(sherd_hash(SHERD_SHA256, parts, 3, root.bytes), SHERD_OK);
    return root;
}

static struct sherd_digest leaf_of(const uint8_t *bytes, size_t len)
{
    static const uint8_t zero = 0;
    const struct sherd_span parts[] = {{&zero, 1}, {bytes, len}};
    struct sherd_digest leaf;

    assert_int_equal(sherd_hash(SHERD_SHA256, parts, 2, leaf.bytes), SHERD_OK);
    return leaf;
}

static void test_envelope_fragment_digest__is_the_tree_over_head_and_chunks(void **state)
{
    static const size_t lengths[] = {96, 97, 112, 96 + 16399, 96 + 16400, 96 + 16401, 96 + 32800, 96 + 5 * 16400 + 7};
    struct sherd_digest leaves[8];

    (void)state;
    assert_int_equal(sherd_crypto_init(), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        uint8_t *bytes = test_malloc(lengths[i]);
        struct sherd_digest digest;
        size_t count = 0;

        for (size_t k = 0; k < lengths[i]; k++)
            bytes[k] = (uint8_t)(k * 31 + k / 256);
        leaves[count++] = leaf_of(bytes, 96);
        for (size_t at = 96; at < lengths[i]; at += 16400)
            leaves[count++] = leaf_of(bytes + at, lengths[i] - at < 16400 ? lengths[i] - at : 16400);
        const struct sherd_digest expected = root_of(leaves, count);
        assert_int_equal(sherd_fragment_digest(sherd_span_of(bytes, lengths[i]), &digest), SHERD_OK);
        assert_memory_equal(digest.bytes, expected.bytes, 32);
        test_free(bytes);
    }
}

static void test_envelope_fragment_digest__refuses_less_than_a_head(void **state)
{
    uint8_t *bytes = test_calloc(1, 95);
    struct sherd_digest digest;

    (void)state;
    assert_int_equal(sherd_fragment_digest(sherd_span_of(NULL, 0), &digest), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_fragment_digest(sherd_span_of(bytes, 95), &digest), SHERD_ERR_TAMPERED);
    test_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_fragment_prefix__is_the_documented_one),
        cmocka_unit_test(test_envelope_fragment_prefix__refuses_every_other_header),
        cmocka_unit_test(test_envelope_fragment_bytes__counts_every_byte),
        cmocka_unit_test(test_envelope_fragment_digest__is_the_tree_over_head_and_chunks),
        cmocka_unit_test(test_envelope_fragment_digest__refuses_less_than_a_head),
    };

    return cmocka_run_group_tests_name("envelope_fragment", tests, NULL, NULL);
}
