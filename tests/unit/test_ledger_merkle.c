/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs in Merkle trees: against the definitions of RFC 6962 section 2.1, taken literally, for every tree up to 130
 * leaves; and against the tree of eight leaves that implementations of Certificate Transparency test with.
 */
#include "ledger.h"

#define SIZE_MAX_TRIED 130U

/* PATH(m, D[first:first + count]) of RFC 6962 section 2.1.1. */
static void literal_path(uint64_t m, uint64_t first, uint64_t count, struct sherd_path *path)
{
    uint64_t k = 1;

    if (count == 1)
        return;
    while (k * 2 < count)
        k *= 2;
    literal_path(m < k ? m : m - k, m < k ? first : first + k, m < k ? k : count - k, path);
    path->hashes[path->count++] = m < k ? tree_mth(first + k, count - k) : tree_mth(first, k);
}

/* SUBPROOF(m, D[first:first + count], whole) of RFC 6962 section 2.1.2. */
static void literal_subproof(uint64_t m, uint64_t first, uint64_t count, bool whole, struct sherd_path *path)
{
    uint64_t k = 1;

    if (m == count) {
        if (!whole)
            path->hashes[path->count++] = tree_mth(first, count);
        return;
    }
    while (k * 2 < count)
        k *= 2;
    if (m <= k)
        literal_subproof(m, first, k, whole, path);
    else
        literal_subproof(m - k, first + k, count - k, false, path);
    path->hashes[path->count++] = m <= k ? tree_mth(first + k, count - k) : tree_mth(first, k);
}

static void assert_same_path(const struct sherd_path *path, const struct sherd_path *expected)
{
    assert_int_equal(path->count, expected->count);
    if (path->count > 0)
        assert_memory_equal(path->hashes, expected->hashes, path->count * sizeof(path->hashes[0]));
}

static void test_ledger_merkle__roots_agree_with_the_definition(void **state)
{
    struct sherd_merkle grown = {0};

    (void)state;
    for (uint64_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        const struct sherd_digest expected = tree_mth(0, size);
        struct sherd_merkle tree;
        struct sherd_digest root;

        assert_ok(sherd_tree_root(&tree_reader, size, &root));
        assert_memory_equal(&root, &expected, sizeof(root));
        assert_ok(sherd_tree_load(&tree_reader, size, &tree));
        assert_int_equal(tree.leaf_count, size);
        assert_ok(sherd_tree_add(&tree, tree_leaves + size, 7));
        const struct sherd_digest seven_more = tree_mth(0, size + 7);
        assert_ok(sherd_merkle_root(&tree, &root));
        assert_memory_equal(&root, &seven_more, sizeof(root));
        assert_ok(sherd_tree_add(&grown, tree_leaves + size, 1));
        assert_ok(sherd_merkle_root(&grown, &root));
        const struct sherd_digest one_more = tree_mth(0, size + 1);
        assert_memory_equal(&root, &one_more, sizeof(root));
    }
    assert_ok(sherd_tree_add(&grown, NULL, 0));
    assert_int_equal(grown.leaf_count, SIZE_MAX_TRIED + 1);
}

/* A proof that is wrong in any one respect is refused. */
static void refuse_inclusions(const struct sherd_path *path, uint64_t index, const struct sherd_tree_head *head)
{
    const struct sherd_digest *leaf = &tree_leaves[index];
    struct sherd_path wrong = *path;
    struct sherd_tree_head other = *head;

    for (size_t i = 0; i < path->count; i++) {
        wrong.hashes[i].bytes[i % 32] ^= (uint8_t)(1U << i % 8);
        assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(&wrong, index, leaf, head));
        wrong = *path;
    }
    if (path->count > 0) {
        wrong.count--;
        assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(&wrong, index, leaf, head));
        memmove(wrong.hashes, path->hashes + 1, wrong.count * sizeof(wrong.hashes[0]));
        assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(&wrong, index, leaf, head));
    }
    wrong = *path;
    wrong.hashes[wrong.count++] = head->root;
    assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(&wrong, index, leaf, head));
    assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(path, index, &tree_leaves[index + 1], head));
    for (uint64_t i = 0; i < 2 * head->size + 2; i++)
        if (i != index)
            assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(path, i, leaf, head));
    other.root.bytes[31] ^= 0x80;
    assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(path, index, leaf, &other));
    other = *head;
    other.size = 2 * head->size + 1; /* a level more */
    assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(path, index, leaf, &other));
}

static void test_ledger_merkle__inclusion_of_every_leaf_of_every_tree(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= SIZE_MAX_TRIED; size++) {
        const struct sherd_tree_head head = tree_head(size);

        for (uint64_t index = 0; index < size; index++) {
            struct sherd_path expected = {0};
            struct sherd_path path;

            literal_path(index, 0, size, &expected);
            assert_ok(sherd_inclusion_prove(&tree_reader, index, size, &path));
            assert_same_path(&path, &expected);
            assert_ok(sherd_inclusion_verify(&path, index, &tree_leaves[index], &head));
            if (size <= 34 || index + 2 >= size)
                refuse_inclusions(&path, index, &head);
        }
    }
}

static void refuse_growths(const struct sherd_path *path, const struct sherd_tree_head *old,
                           const struct sherd_tree_head *head)
{
    struct sherd_path wrong = *path;
    struct sherd_tree_head other;

    for (size_t i = 0; i < path->count; i++) {
        wrong.hashes[i].bytes[i % 32] ^= (uint8_t)(1U << i % 8);
        assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&wrong, old, head));
        wrong = *path;
    }
    if (path->count > 0) {
        wrong.count--;
        assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&wrong, old, head));
        memmove(wrong.hashes, path->hashes + 1, wrong.count * sizeof(wrong.hashes[0]));
        assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&wrong, old, head));
    }
    wrong = *path;
    wrong.hashes[wrong.count++] = head->root;
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&wrong, old, head));
    for (int which = 0; which < 2; which++) {
        other = which == 0 ? *old : *head;
        other.root.bytes[7] ^= 1;
        assert_err(SHERD_ERR_TAMPERED,
                   sherd_consistency_verify(path, which == 0 ? &other : old, which == 0 ? head : &other));
    }
    for (uint64_t size = 0; size <= head->size + 1; size++) {
        other = *old;
        other.size = size;
        if (size != old->size)
            assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(path, &other, head));
    }
}

static void test_ledger_merkle__consistency_of_every_pair_of_trees(void **state)
{
    (void)state;
    for (uint64_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        const struct sherd_tree_head head = tree_head(size);

        for (uint64_t old_size = 0; old_size <= size; old_size++) {
            const struct sherd_tree_head old = tree_head(old_size);
            struct sherd_path expected = {0};
            struct sherd_path path;

            if (old_size > 0)
                literal_subproof(old_size, 0, size, true, &expected);
            assert_ok(sherd_consistency_prove(&tree_reader, old_size, size, &path));
            assert_same_path(&path, &expected);
            assert_ok(sherd_consistency_verify(&path, &old, &head));
            if (old_size > 0 && old_size < size && (size <= 20 || old_size + 2 >= size || old_size % 32 == 0))
                refuse_growths(&path, &old, &head);
        }
    }
}

static void test_ledger_merkle__trivial_consistency_needs_the_same_roots(void **state)
{
    const struct sherd_tree_head empty = tree_head(0);
    const struct sherd_tree_head five = tree_head(5);
    const struct sherd_tree_head six = tree_head(6);
    struct sherd_tree_head wrong = {.size = 0, .root = five.root};
    struct sherd_path path = {0};

    (void)state;
    assert_ok(sherd_consistency_verify(&path, &empty, &empty));
    assert_ok(sherd_consistency_verify(&path, &empty, &five));
    assert_ok(sherd_consistency_verify(&path, &five, &five));
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &wrong, &five));  /* no empty tree has that root */
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &empty, &wrong)); /* nor has it on the other side */
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &wrong, &wrong));
    wrong = (struct sherd_tree_head){.size = 5, .root = six.root};
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &wrong, &five));
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &six, &five));
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &five, &six)); /* a proof is needed */
    path.count = 1;
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &five, &five));
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &empty, &five));
    path.count = SHERD_PATH_HASHES_MAX + 1;
    assert_err(SHERD_ERR_TAMPERED, sherd_consistency_verify(&path, &five, &six));
    assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(&path, 0, &tree_leaves[0], &five));
    path.count = 0;
    assert_err(SHERD_ERR_TAMPERED, sherd_inclusion_verify(&path, 0, &tree_leaves[0], &empty));
}

static void test_ledger_merkle__what_no_tree_has_is_refused(void **state)
{
    struct sherd_merkle tree = {.leaf_count = SHERD_TREE_LEAVES_MAX - 1};
    const uint64_t above = SHERD_TREE_LEAVES_MAX + 1;
    struct sherd_digest root;
    struct sherd_path path;

    (void)state;
    assert_err(SHERD_ERR_LIMIT, sherd_tree_root(&tree_reader, above, &root));
    assert_err(SHERD_ERR_LIMIT, sherd_inclusion_prove(&tree_reader, 0, above, &path));
    assert_err(SHERD_ERR_LIMIT, sherd_consistency_prove(&tree_reader, 0, above, &path));
    assert_err(SHERD_ERR_INVALID, sherd_inclusion_prove(&tree_reader, 5, 5, &path));
    assert_err(SHERD_ERR_INVALID, sherd_consistency_prove(&tree_reader, 6, 5, &path));
    assert_err(SHERD_ERR_LIMIT, sherd_tree_add(&tree, tree_leaves, 2));
    assert_err(SHERD_ERR_LIMIT, sherd_tree_add(&tree, tree_leaves, SIZE_MAX));
    assert_int_equal(tree.leaf_count, SHERD_TREE_LEAVES_MAX - 1);
    assert_ok(sherd_tree_add(&tree, tree_leaves, 1));
    assert_int_equal(tree.leaf_count, SHERD_TREE_LEAVES_MAX);
}

/* The longest proofs that there are: a reader that knows each node by its number. */
static enum sherd_err numbered(void *arg, unsigned level, uint64_t index, struct sherd_digest *out_hash)
{
    (void)arg;
    *out_hash = (struct sherd_digest){{(uint8_t)level}};
    sherd_put_u64(out_hash->bytes + 8, index);
    return SHERD_OK;
}

static void test_ledger_merkle__proofs_of_the_largest_tree_fit(void **state)
{
    const struct sherd_node_reader reader = {.read = numbered};
    struct sherd_path path;

    (void)state;
    assert_ok(sherd_inclusion_prove(&reader, 5, SHERD_TREE_LEAVES_MAX, &path));
    assert_int_equal(path.count, 63);
    assert_ok(sherd_consistency_prove(&reader, 3, SHERD_TREE_LEAVES_MAX, &path));
    assert_int_equal(path.count, 64);
    assert_int_equal(path.hashes[0].bytes[15], 2); /* leaf 2, which is the old tree's last */
    assert_ok(sherd_consistency_prove(&reader, SHERD_TREE_LEAVES_MAX - 1, SHERD_TREE_LEAVES_MAX, &path));
    assert_true(path.count <= SHERD_PATH_HASHES_MAX);
}

/* Each read that fails ends the work, and nothing is given out. */
static void test_ledger_merkle__a_reader_that_fails_is_heard(void **state)
{
    int left = 0;
    const struct sherd_node_reader reader = {.read = tree_read, .arg = &left};
    struct sherd_path path = {.count = 99};
    struct sherd_digest root = {{0x77}};

    (void)state;
    for (int calls = 0; calls < 3; calls++) { /* a tree of 7 has three peaks */
        left = calls;
        assert_err(SHERD_ERR_IO, sherd_tree_root(&reader, 7, &root));
        left = calls;
        assert_err(SHERD_ERR_IO, sherd_inclusion_prove(&reader, 2, 7, &path));
        left = calls;
        assert_err(SHERD_ERR_IO, sherd_consistency_prove(&reader, 2, 7, &path));
    }
    assert_int_equal(path.count, 99);
    assert_int_equal(root.bytes[0], 0x77);
}

static void test_ledger_merkle__any_other_leaves_have_another_root(void **state)
{
    enum { leaves = 40 };
    const struct sherd_digest root = tree_mth(0, leaves);
    struct sherd_digest hashes[leaves + 1];
    struct sherd_digest other;

    (void)state;
    for (size_t at = 0; at + 1 < leaves; at++) {
        for (int change = 0; change < 4; change++) {
            struct sherd_merkle tree = {0};
            size_t count = leaves;

            memcpy(hashes, tree_leaves, sizeof(hashes[0]) * leaves);
            if (change == 0) { /* two change places */
                hashes[at] = tree_leaves[at + 1];
                hashes[at + 1] = tree_leaves[at];
            } else if (change == 1) { /* one is dropped */
                memmove(hashes + at, tree_leaves + at + 1, sizeof(hashes[0]) * (leaves - at - 1));
                count--;
            } else if (change == 2) { /* one is inserted */
                memmove(hashes + at + 1, tree_leaves + at, sizeof(hashes[0]) * (leaves - at));
                hashes[at] = tree_leaves[leaves];
                count++;
            } else { /* one is there twice */
                memmove(hashes + at + 1, tree_leaves + at, sizeof(hashes[0]) * (leaves - at));
                count++;
            }
            assert_ok(sherd_tree_add(&tree, hashes, count));
            assert_ok(sherd_merkle_root(&tree, &other));
            assert_memory_not_equal(&other, &root, sizeof(root));
        }
    }
}

/* --- the published tree ------------------------------------------------------------------------------------------- */

static const char *const published_leaves[] = {
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
};

struct published {
    uint64_t first; /* index, or the old size */
    uint64_t size;
    size_t count;
    const char *hashes[4];
};

/* As the tests of Certificate Transparency's implementations have them. */
static const struct published published_inclusions[] = {
    {0, 1, 0, {NULL}},
    {0,
     8,
     3,
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {5,
     8,
     3,
     {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {2, 3, 1, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
    {1,
     5,
     3,
     {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
};

static const struct published published_consistencies[] = {
    {1, 1, 0, {NULL}},
    {1,
     8,
     3,
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {6,
     8,
     3,
     {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {2,
     5,
     2,
     {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
    {6,
     7,
     3,
     {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
};

static const char *const published_roots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static size_t unhex(const char *text, uint8_t *out)
{
    size_t len = 0;

    for (; text[2 * len] != 0; len++)
        out[len] = (uint8_t)strtoul((char[]){text[2 * len], text[2 * len + 1], 0}, NULL, 16);
    return len;
}

static struct sherd_tree_head published_head(uint64_t size)
{
    struct sherd_tree_head head = {.size = size};

    unhex(published_roots[size], head.root.bytes);
    return head;
}

static void published_path(const struct published *from, struct sherd_path *out)
{
    out->count = from->count;
    for (size_t i = 0; i < from->count; i++)
        unhex(from->hashes[i], out->hashes[i].bytes);
}

static void test_ledger_merkle__the_published_tree(void **state)
{
    struct sherd_digest leaves[8];
    struct sherd_digest saved[8];
    struct sherd_path path;
    uint8_t bytes[32];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        assert_ok(sherd_merkle_leaf(sherd_span_of(bytes, unhex(published_leaves[i], bytes)), &leaves[i]));
    memcpy(saved, tree_leaves, sizeof(saved));
    memcpy(tree_leaves, leaves, sizeof(leaves));
    for (uint64_t size = 0; size <= 8; size++) {
        const struct sherd_tree_head head = published_head(size);
        struct sherd_digest root;

        assert_ok(sherd_tree_root(&tree_reader, size, &root));
        assert_memory_equal(&root, &head.root, sizeof(root));
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(published_inclusions); i++) {
        const struct published *proof = &published_inclusions[i];
        const struct sherd_tree_head head = published_head(proof->size);
        struct sherd_path ours;

        published_path(proof, &path);
        assert_ok(sherd_inclusion_verify(&path, proof->first, &leaves[proof->first], &head));
        assert_ok(sherd_inclusion_prove(&tree_reader, proof->first, proof->size, &ours));
        assert_same_path(&ours, &path);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(published_consistencies); i++) {
        const struct published *proof = &published_consistencies[i];
        const struct sherd_tree_head old = published_head(proof->first);
        const struct sherd_tree_head head = published_head(proof->size);
        struct sherd_path ours;

        published_path(proof, &path);
        assert_ok(sherd_consistency_verify(&path, &old, &head));
        assert_ok(sherd_consistency_prove(&tree_reader, proof->first, proof->size, &ours));
        assert_same_path(&ours, &path);
    }
    memcpy(tree_leaves, saved, sizeof(saved));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_merkle__roots_agree_with_the_definition),
        cmocka_unit_test(test_ledger_merkle__inclusion_of_every_leaf_of_every_tree),
        cmocka_unit_test(test_ledger_merkle__consistency_of_every_pair_of_trees),
        cmocka_unit_test(test_ledger_merkle__trivial_consistency_needs_the_same_roots),
        cmocka_unit_test(test_ledger_merkle__what_no_tree_has_is_refused),
        cmocka_unit_test(test_ledger_merkle__proofs_of_the_largest_tree_fit),
        cmocka_unit_test(test_ledger_merkle__a_reader_that_fails_is_heard),
        cmocka_unit_test(test_ledger_merkle__any_other_leaves_have_another_root),
        cmocka_unit_test(test_ledger_merkle__the_published_tree),
    };

    return cmocka_run_group_tests(tests, tree_setup, NULL);
}
