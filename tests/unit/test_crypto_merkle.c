/* SPDX-License-Identifier: Apache-2.0 */
/* The Merkle tree hash against its definition in RFC 6962, taken literally. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/init.h"
#include "crypto/merkle.h"
#include <string.h>

#define LEAVES 70

static uint8_t bytes[LEAVES][LEAVES];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEAVES; i++)
        memset(bytes[i], (int)i + 1, sizeof(bytes[i]));
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

/* Leaf i of the tests: i bytes of the value i + 1. */
static struct sherd_span leaf(size_t i)
{
    return sherd_span_of(bytes[i], i);
}

/* MTH(D[first:first + count]) of RFC 6962 section 2.1. */
static struct sherd_digest mth(size_t first, size_t count)
{
    struct sherd_digest out;
    size_t split = 1;

    if (count == 0) {
        assert_int_equal(sherd_hash(SHERD_SHA256, NULL, 0, out.bytes), SHERD_OK);
        return out;
    }
    if (count == 1) {
        const struct sherd_span parts[] = {{(const uint8_t *)"\x00", 1}, leaf(first)};

        assert_int_equal(sherd_hash(SHERD_SHA256, parts, 2, out.bytes), SHERD_OK);
        return out;
    }
    while (split * 2 < count)
        split *= 2;
    const struct sherd_digest left = mth(first, split);
    const struct sherd_digest right = mth(first + split, count - split);
    const struct sherd_span parts[] = {{(const uint8_t *)"\x01", 1}, {left.bytes, 32}, {right.bytes, 32}};

    assert_int_equal(sherd_hash(SHERD_SHA256, parts, 3, out.bytes), SHERD_OK);
    return out;
}

static void test_crypto_merkle__agrees_with_the_definition(void **state)
{
    struct sherd_merkle tree = {0};

    (void)state;
    for (size_t count = 0; count <= LEAVES; count++) {
        const struct sherd_digest expected = mth(0, count);
        struct sherd_digest root;
        struct sherd_digest hash;

        assert_int_equal(tree.leaf_count, count);
        assert_int_equal(sherd_merkle_root(&tree, &root), SHERD_OK);
        assert_memory_equal(root.bytes, expected.bytes, sizeof(root.bytes));
        if (count < LEAVES) {
            assert_int_equal(sherd_merkle_leaf(leaf(count), &hash), SHERD_OK);
            assert_int_equal(sherd_merkle_add(&tree, &hash), SHERD_OK);
        }
    }
}

static void test_crypto_merkle__asking_for_the_root_changes_nothing(void **state)
{
    struct sherd_merkle tree = {0};
    struct sherd_merkle before;
    struct sherd_digest root;
    const struct sherd_digest hash = {{1, 2, 3}};

    (void)state;
    for (int i = 0; i < 13; i++)
        assert_int_equal(sherd_merkle_add(&tree, &hash), SHERD_OK);
    before = tree;
    assert_int_equal(sherd_merkle_root(&tree, &root), SHERD_OK);
    assert_memory_equal(&tree, &before, sizeof(tree));
}

/* A leaf whose bytes are those of an inner node must not hash as one. */
static void test_crypto_merkle__a_leaf_is_no_node(void **state)
{
    struct sherd_merkle tree = {0};
    struct sherd_digest leaves[2];
    struct sherd_digest root;
    struct sherd_digest forged;
    uint8_t node[64];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sherd_merkle_leaf(leaf(i), &leaves[i]), SHERD_OK);
        assert_int_equal(sherd_merkle_add(&tree, &leaves[i]), SHERD_OK);
        memcpy(node + 32 * i, leaves[i].bytes, 32);
    }
    assert_int_equal(sherd_merkle_root(&tree, &root), SHERD_OK);
    assert_int_equal(sherd_merkle_leaf(sherd_span_of(node, sizeof(node)), &forged), SHERD_OK);
    assert_memory_not_equal(root.bytes, forged.bytes, sizeof(root.bytes));
}

static void test_crypto_merkle__order_and_number_of_leaves_count(void **state)
{
    struct sherd_merkle one = {0};
    struct sherd_merkle other = {0};
    struct sherd_digest roots[2];
    const struct sherd_digest a = {{1}};
    const struct sherd_digest b = {{2}};

    (void)state;
    assert_int_equal(sherd_merkle_add(&one, &a), SHERD_OK);
    assert_int_equal(sherd_merkle_add(&one, &b), SHERD_OK);
    assert_int_equal(sherd_merkle_add(&other, &b), SHERD_OK);
    assert_int_equal(sherd_merkle_add(&other, &a), SHERD_OK);
    assert_int_equal(sherd_merkle_root(&one, &roots[0]), SHERD_OK);
    assert_int_equal(sherd_merkle_root(&other, &roots[1]), SHERD_OK);
    assert_memory_not_equal(roots[0].bytes, roots[1].bytes, 32);
    assert_int_equal(sherd_merkle_add(&one, &b), SHERD_OK); /* the last leaf twice: not the root of four */
    assert_int_equal(sherd_merkle_root(&one, &roots[0]), SHERD_OK);
    assert_int_equal(sherd_merkle_add(&one, &b), SHERD_OK);
    assert_int_equal(sherd_merkle_root(&one, &roots[1]), SHERD_OK);
    assert_memory_not_equal(roots[0].bytes, roots[1].bytes, 32);
}

static void test_crypto_merkle__a_full_tree_takes_no_more(void **state)
{
    struct sherd_merkle tree = {.leaf_count = UINT64_MAX};
    const struct sherd_digest hash = {{1}};

    (void)state;
    assert_int_equal(sherd_merkle_add(&tree, &hash), SHERD_ERR_LIMIT);
    assert_int_equal(tree.leaf_count, UINT64_MAX);
    tree.leaf_count--; /* 63 peaks: the last leaf that fits */
    assert_int_equal(sherd_merkle_add(&tree, &hash), SHERD_OK);
    assert_int_equal(tree.leaf_count, UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_merkle__agrees_with_the_definition),
        cmocka_unit_test(test_crypto_merkle__asking_for_the_root_changes_nothing),
        cmocka_unit_test(test_crypto_merkle__a_leaf_is_no_node),
        cmocka_unit_test(test_crypto_merkle__order_and_number_of_leaves_count),
        cmocka_unit_test(test_crypto_merkle__a_full_tree_takes_no_more),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
