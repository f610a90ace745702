/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the bytes of joins: slots, files, what is kept, and the root that a leaf has. */
#include "base/bytes.h"
#include "crypto/init.h"
#include "crypto/merkle.h"
#include "hex.h"
#include "ledger/join.h"
#include "vault.h"

static const uint8_t deployment[16] = {0xd1};
static const uint8_t seed[32] = {0x5e, 0xed};
static const struct sherd_ref file = {{0xf1, 0x1e}};

static struct sherd_leaf_keys *keys;

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK &&
                   sherd_leaf_keys_new(sherd_span_of(seed, sizeof(seed)), deployment, &keys) == SHERD_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    sherd_leaf_keys_free(keys);
    return 0;
}

static struct sherd_aead_message *series(const struct sherd_ref *id, bool sealing)
{
    struct sherd_aead_message *made = NULL;

    assert_ok(sherd_join_series(keys, id, sealing, &made));
    return made;
}

static struct sherd_join example(uint64_t n)
{
    const struct sherd_join join = {.record = {{0x22, (uint8_t)n}},
                                    .version = n,
                                    .time_ns = 1700000000000000000U + n,
                                    .actor = {{0x55, (uint8_t)n}}};

    return join;
}

static void test_ledger_join__slots_come_back(void **state)
{
    struct sherd_aead_message *sealing = series(&file, true);
    struct sherd_aead_message *opening = series(&file, false);
    uint8_t slot[SHERD_JOIN_SLOT_SIZE];

    (void)state;
    for (uint64_t n = 1; n <= 100; n++) {
        const struct sherd_join join = example(n);
        struct sherd_join found;

        assert_ok(sherd_join_seal(sealing, n, &join, slot));
        assert_ok(sherd_join_open(opening, n, slot, &found));
        assert_memory_equal(&found, &join, sizeof(join));
        assert_int_equal(sherd_join_open(opening, n + 1, slot, &found), SHERD_ERR_TAMPERED); /* another's place */
    }
    sherd_aead_message_free(sealing);
    sherd_aead_message_free(opening);
}

/* Under one number there is one slot, for ever: two would break the encryption. */
static void test_ledger_join__numbers_rise(void **state)
{
    struct sherd_aead_message *sealing = series(&file, true);
    struct sherd_aead_message *opening = series(&file, false);
    const struct sherd_join_birth birth = {.round = 3};
    struct sherd_join join = example(1);
    uint8_t slot[SHERD_JOIN_SLOT_SIZE];

    (void)state;
    assert_err(SHERD_ERR_INVALID, sherd_join_seal(sealing, 0, &join, slot));
    assert_ok(sherd_join_birth_seal(sealing, &birth, slot));
    assert_ok(sherd_join_seal(sealing, 1, &join, slot));
    assert_err(SHERD_ERR_INVALID, sherd_join_seal(sealing, 1, &join, slot));
    assert_err(SHERD_ERR_INVALID, sherd_join_birth_seal(sealing, &birth, slot));
    assert_ok(sherd_join_seal(sealing, 5, &join, slot));
    assert_err(SHERD_ERR_INVALID, sherd_join_seal(sealing, 4, &join, slot));
    assert_err(SHERD_ERR_INVALID, sherd_join_seal(opening, 6, &join, slot));
    join.version = 0;
    assert_err(SHERD_ERR_INVALID, sherd_join_seal(sealing, 6, &join, slot));
    sherd_aead_message_free(sealing);
    sherd_aead_message_free(opening);
}

/* No bit of a slot, of its number, its file or its deployment is another one. */
static void test_ledger_join__slots_are_bound(void **state)
{
    static const struct sherd_ref other = {{0xf2}};
    struct sherd_aead_message *sealing = series(&file, true);
    struct sherd_aead_message *opening = series(&file, false);
    struct sherd_aead_message *elsewhere = series(&other, false);
    const struct sherd_join join = example(1);
    const struct sherd_join_birth birth = {.round = 7, .time_ns = 8};
    uint8_t slot[SHERD_JOIN_SLOT_SIZE];
    struct sherd_join_birth born;
    struct sherd_join found;

    (void)state;
    assert_ok(sherd_join_birth_seal(sealing, &birth, slot));
    assert_ok(sherd_join_birth_open(opening, slot, &born));
    assert_int_equal(born.round, 7);
    assert_int_equal(born.time_ns, 8);
    assert_int_equal(sherd_join_birth_open(elsewhere, slot, &born), SHERD_ERR_TAMPERED);
    assert_ok(sherd_join_seal(sealing, 1, &join, slot));
    assert_int_equal(sherd_join_open(elsewhere, 1, slot, &found), SHERD_ERR_TAMPERED);
    for (size_t i = 0; i < 8 * sizeof(slot); i++) {
        slot[i / 8] ^= (uint8_t)(1U << i % 8);
        assert_int_equal(sherd_join_open(opening, 1, slot, &found), SHERD_ERR_TAMPERED);
        slot[i / 8] ^= (uint8_t)(1U << i % 8);
    }
    assert_ok(sherd_join_open(opening, 1, slot, &found));
    sherd_aead_message_free(sealing);
    sherd_aead_message_free(opening);
    sherd_aead_message_free(elsewhere);
}

/* --- golden bytes: docs/format/ledger.md, section 12 -------------------------------------------------------------- */

static void fill_file(uint8_t bytes[static 4 * SHERD_JOIN_SLOT_SIZE])
{
    const struct sherd_join_birth birth = {.round = 3, .time_ns = 1700000000000000000U};
    struct sherd_aead_message *sealing = series(&file, true);

    sherd_join_head(&file, bytes);
    assert_ok(sherd_join_birth_seal(sealing, &birth, bytes + sherd_join_offset(0)));
    for (uint64_t n = 1; n <= 2; n++) {
        const struct sherd_join join = example(n);

        assert_ok(sherd_join_seal(sealing, n, &join, bytes + sherd_join_offset(n)));
    }
    sherd_aead_message_free(sealing);
}

static void test_ledger_join__has_its_bytes(void **state)
{
    static const char *const golden = "534852444a4f494e0000000100000000f11e0000000000000000000000000000"
                                      "0000000000000000000000000000000000000000000000000000000000000000"
                                      "fd27e40a0876c070f991e19d55178c37c5e863569a1711bd738b13eb63ddd69e"
                                      "59c5caea1a2282e1bf6abaf30152cabbb71630a047419b366420520d9bc30ccb"
                                      "523bf06069c66734efb0cb2b57c792c06f013b9c428bb79367f27dbf1c215393"
                                      "e5a8ec626bda51bb1eef6eba4721e74f58266f17e463bff1ac24e8b768ca4f68"
                                      "faf6d6f58959d816feb2a9e2c029a20a70c9ca50ec7684e23984a03bc61d17e5"
                                      "cf6f8743d93858d72ce375bd03282532658b1951c4bc890f09a317383ea663fd";
    uint8_t bytes[4 * SHERD_JOIN_SLOT_SIZE];
    uint8_t expected[sizeof(bytes)];

    (void)state;
    fill_file(bytes);
    assert_int_equal(hex_read(golden, expected, sizeof(expected)).len, sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(bytes));
    assert_true(sherd_join_head_is(&file, sherd_span_of(bytes, sizeof(bytes))));
    assert_false(sherd_join_head_is(&file, sherd_span_of(bytes, SHERD_JOIN_HEAD_SIZE - 1)));
    for (size_t i = 0; i < SHERD_JOIN_HEAD_SIZE; i++) {
        bytes[i] ^= 1;
        assert_false(sherd_join_head_is(&file, sherd_span_of(bytes, sizeof(bytes))));
        bytes[i] ^= 1;
    }
}

static void test_ledger_join__batches_have_one_encoding(void **state)
{
    static struct sherd_join_slot slots[SHERD_JOIN_BATCH_MAX + 1];
    static struct sherd_join_slot room[SHERD_JOIN_BATCH_MAX];
    struct sherd_join_batch batch = {.leaf = 0x0102030405060708, .slots = slots};
    struct sherd_buf bytes = {0};
    struct sherd_buf again = {0};
    struct sherd_join_batch found;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(slots); i++) {
        slots[i] = (struct sherd_join_slot){.file = file, .number = i + 1};
        memset(slots[i].bytes, (int)i, sizeof(slots[i].bytes));
    }
    assert_err(SHERD_ERR_INVALID, sherd_join_batch_encode(&batch, &bytes));
    batch.count = SHERD_JOIN_BATCH_MAX + 1;
    assert_err(SHERD_ERR_INVALID, sherd_join_batch_encode(&batch, &bytes));
    for (batch.count = 1; batch.count <= SHERD_JOIN_BATCH_MAX; batch.count += 51) {
        sherd_buf_clear(&bytes);
        assert_ok(sherd_join_batch_encode(&batch, &bytes));
        assert_int_equal(bytes.len, SHERD_JOIN_BATCH_HEAD_SIZE + batch.count * SHERD_JOIN_KEPT_SIZE);
        struct sherd_span rest = sherd_buf_span(&bytes);
        assert_ok(sherd_join_batch_next(&rest, room, &found));
        assert_int_equal(rest.len, 0);
        assert_int_equal(found.leaf, batch.leaf);
        assert_int_equal(found.count, batch.count);
        sherd_buf_clear(&again);
        assert_ok(sherd_join_batch_encode(&found, &again));
        assert_true(sherd_span_equal(sherd_buf_span(&bytes), sherd_buf_span(&again)));
        for (size_t cut = 0; cut < bytes.len; cut += 37) {
            rest = sherd_span_of(bytes.data, cut);
            assert_err(SHERD_ERR_TAMPERED, sherd_join_batch_next(&rest, room, &found));
        }
    }
    assert_memory_equal(bytes.data, "SHJB\0\0\1\0\1\2\3\4\5\6\7\10", 16);
    bytes.data[0] ^= 1;
    struct sherd_span rest = sherd_buf_span(&bytes);
    assert_err(SHERD_ERR_TAMPERED, sherd_join_batch_next(&rest, room, &found));
    sherd_buf_done(&bytes);
    sherd_buf_done(&again);
}

/* The root is that of RFC 6962 over what is kept: anyone can compute it. */
static void test_ledger_join__root_is_of_what_is_kept(void **state)
{
    struct sherd_join_slot slots[3];
    struct sherd_join_batch batch = {.count = 3, .slots = slots};
    struct sherd_buf bytes = {0};
    struct sherd_digest leaves[3];
    struct sherd_digest expected;
    struct sherd_digest root;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        slots[i] = (struct sherd_join_slot){.file = file, .number = i + 1};
        memset(slots[i].bytes, (int)i, sizeof(slots[i].bytes));
    }
    assert_ok(sherd_join_batch_encode(&batch, &bytes));
    for (size_t i = 0; i < 3; i++)
        assert_ok(sherd_merkle_leaf(sherd_span_of(bytes.data + 16 + i * 120, 120), &leaves[i]));
    assert_ok(sherd_merkle_node(&leaves[0], &leaves[1], &expected));
    assert_ok(sherd_merkle_node(&expected, &leaves[2], &expected));
    assert_ok(sherd_join_root(slots, 3, &root));
    assert_memory_equal(root.bytes, expected.bytes, sizeof(root.bytes));
    sherd_buf_done(&bytes);
}

/* docs/format/ledger.md, section 15: computed from nothing but that. */
static void test_ledger_join__commitment_is_as_the_format_says(void **state)
{
    const struct sherd_join join = {.record = {{1}}, .version = 2, .time_ns = 3, .actor = {{4}}};
    uint8_t bytes[1 + 32 + SHERD_JOIN_PLAIN_SIZE] = {0x04};
    const struct sherd_span first = sherd_span_of(bytes, 1 + 32 + 8);
    const struct sherd_span second = sherd_span_of(bytes, sizeof(bytes));
    struct sherd_digest expected;
    struct sherd_digest commitment;
    struct sherd_digest base;
    struct sherd_digest other;
    struct sherd_digest blind;

    (void)state;
    assert_ok(sherd_join_file_blind(keys, &file, &base));
    memcpy(bytes + 1, base.bytes, 32);
    bytes[1 + 32 + 7] = 9;
    assert_ok(sherd_hash(SHERD_SHA256, &first, 1, expected.bytes));
    assert_ok(sherd_join_blind(&base, 9, &blind));
    assert_memory_equal(blind.bytes, expected.bytes, 32);
    memset(bytes, 0, sizeof(bytes));
    bytes[0] = 0x03;
    memcpy(bytes + 1, blind.bytes, 32);
    bytes[33] = 1;
    bytes[33 + 23] = 2;
    bytes[33 + 31] = 3;
    bytes[33 + 32] = 4;
    assert_ok(sherd_hash(SHERD_SHA256, &second, 1, expected.bytes));
    assert_ok(sherd_join_commitment(&blind, &join, &commitment));
    assert_memory_equal(commitment.bytes, expected.bytes, 32);
    assert_ok(sherd_join_blind(&base, 10, &other));
    assert_memory_not_equal(other.bytes, blind.bytes, 32);
    assert_ok(sherd_join_file_blind(keys, &(struct sherd_ref){{0xff}}, &other));
    assert_memory_not_equal(other.bytes, base.bytes, 32);
}

/* Each slot of leaves of any size leads to the root, and from no other place. */
static void test_ledger_join__each_slot_is_proved(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 100, 255, SHERD_JOIN_BATCH_MAX};
    static struct sherd_join_slot slots[SHERD_JOIN_BATCH_MAX];
    static struct sherd_join_tree tree;
    struct sherd_digest base;

    (void)state;
    assert_ok(sherd_join_file_blind(keys, &file, &base));
    assert_err(SHERD_ERR_INVALID, sherd_join_tree_build(slots, 0, &tree));
    assert_err(SHERD_ERR_INVALID, sherd_join_tree_build(slots, SHERD_JOIN_BATCH_MAX + 1, &tree));
    for (size_t n = 0; n < SHERD_COUNT_OF(sizes); n++) {
        struct sherd_leaf leaf = {.kind = SHERD_EVENT_JOIN, .count = sizes[n], .has_root = true};
        struct sherd_join_shown shown = {.join = {.version = 7}};

        for (size_t i = 0; i < sizes[n]; i++) {
            slots[i] = (struct sherd_join_slot){.file = file, .number = i + 1, .bytes = {(uint8_t)i}};
            assert_ok(sherd_join_blind(&base, i + 1, &shown.blind));
            assert_ok(sherd_join_commitment(&shown.blind, &shown.join, &slots[i].commitment));
        }
        assert_ok(sherd_join_root(slots, sizes[n], &leaf.root));
        assert_ok(sherd_join_tree_build(slots, sizes[n], &tree));
        for (size_t i = 0; i < sizes[n]; i++) {
            shown.position = i;
            shown.slot = slots[i];
            assert_ok(sherd_join_blind(&base, i + 1, &shown.blind));
            assert_ok(sherd_join_tree_prove(&tree, i, &shown.path));
            assert_true(shown.path.count <= SHERD_JOIN_PATH_HASHES_MAX);
            assert_ok(sherd_join_shown_verify(&shown, &leaf));
            shown.position = i ^ 1;
            assert_int_equal(sherd_join_shown_verify(&shown, &leaf), SHERD_ERR_TAMPERED);
        }
    }
}

/* An event of joins comes back through its leaf, with a root that anyone reads, and one without it is another one. */
static void test_ledger_join__root_is_in_the_leaf(void **state)
{
    struct sherd_event event = {
        .kind = SHERD_EVENT_JOIN, .time_ns = 1700000000000000000U, .count = 9, .has_root = true, .root = {{0xab}}};
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_event found;
    struct sherd_leaf leaf;
    size_t len;

    (void)state;
    for (int with = 1; with >= 0; with--) {
        event.has_root = with == 1;
        assert_ok(sherd_leaf_encode(keys, &event, bytes, &len));
        assert_ok(sherd_leaf_decode(sherd_span_of(bytes, len), &leaf));
        assert_ok(sherd_leaf_open(keys, sherd_span_of(bytes, len), &found));
        assert_int_equal(leaf.has_root, with);
        assert_int_equal(found.has_root, with);
        assert_int_equal(leaf.count, 9);
        if (with == 1) {
            assert_memory_equal(leaf.root.bytes, event.root.bytes, sizeof(leaf.root.bytes));
            assert_memory_equal(found.root.bytes, event.root.bytes, sizeof(found.root.bytes));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_join__slots_come_back),
        cmocka_unit_test(test_ledger_join__numbers_rise),
        cmocka_unit_test(test_ledger_join__slots_are_bound),
        cmocka_unit_test(test_ledger_join__commitment_is_as_the_format_says),
        cmocka_unit_test(test_ledger_join__each_slot_is_proved),
        cmocka_unit_test(test_ledger_join__has_its_bytes),
        cmocka_unit_test(test_ledger_join__batches_have_one_encoding),
        cmocka_unit_test(test_ledger_join__root_is_of_what_is_kept),
        cmocka_unit_test(test_ledger_join__root_is_in_the_leaf),
    };

    return cmocka_run_group_tests_name("ledger_join", tests, setup, teardown);
}
