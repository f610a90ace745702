/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What proofs are made and checked with fails, once at each call: the failure comes back as it is, nothing is given
 * out, and nothing leaks. The calls below stand before those of the library by the linker's --wrap.
 */
#include "ledger.h"
#include "ledger/evidence.h"

static int calls_left = -1; /* -1: none fails */

static bool fails(void)
{
    return calls_left >= 0 && calls_left-- == 0;
}

static enum sherd_err no_memory(void)
{
    return sherd_fail(SHERD_ERR_NO_MEMORY, "as told");
}

#define REAL(name) __real_sherd_##name
#define WRAP(name) __wrap_sherd_##name

enum sherd_err REAL(merkle_node)(const struct sherd_digest *left, const struct sherd_digest *right,
                                 struct sherd_digest *out);
enum sherd_err WRAP(merkle_node)(const struct sherd_digest *left, const struct sherd_digest *right,
                                 struct sherd_digest *out);
enum sherd_err WRAP(merkle_node)(const struct sherd_digest *left, const struct sherd_digest *right,
                                 struct sherd_digest *out)
{
    return fails() ? no_memory() : REAL(merkle_node)(left, right, out);
}

enum sherd_err REAL(merkle_leaf)(struct sherd_span bytes, struct sherd_digest *out);
enum sherd_err WRAP(merkle_leaf)(struct sherd_span bytes, struct sherd_digest *out);
enum sherd_err WRAP(merkle_leaf)(struct sherd_span bytes, struct sherd_digest *out)
{
    return fails() ? no_memory() : REAL(merkle_leaf)(bytes, out);
}

enum sherd_err REAL(merkle_add)(struct sherd_merkle *tree, const struct sherd_digest *leaf_hash);
enum sherd_err WRAP(merkle_add)(struct sherd_merkle *tree, const struct sherd_digest *leaf_hash);
enum sherd_err WRAP(merkle_add)(struct sherd_merkle *tree, const struct sherd_digest *leaf_hash)
{
    return fails() ? no_memory() : REAL(merkle_add)(tree, leaf_hash);
}

enum sherd_err REAL(hash)(enum sherd_hash_alg alg, const struct sherd_span *parts, size_t count, uint8_t *out);
enum sherd_err WRAP(hash)(enum sherd_hash_alg alg, const struct sherd_span *parts, size_t count, uint8_t *out);
enum sherd_err WRAP(hash)(enum sherd_hash_alg alg, const struct sherd_span *parts, size_t count, uint8_t *out)
{
    return fails() ? no_memory() : REAL(hash)(alg, parts, count, out);
}

enum sherd_err REAL(buf_append)(struct sherd_buf *buf, struct sherd_span bytes);
enum sherd_err WRAP(buf_append)(struct sherd_buf *buf, struct sherd_span bytes);
enum sherd_err WRAP(buf_append)(struct sherd_buf *buf, struct sherd_span bytes)
{
    return fails() ? no_memory() : REAL(buf_append)(buf, bytes);
}

enum sherd_err REAL(base64_encode)(enum sherd_base64 kind, struct sherd_span bytes, struct sherd_buf *out);
enum sherd_err WRAP(base64_encode)(enum sherd_base64 kind, struct sherd_span bytes, struct sherd_buf *out);
enum sherd_err WRAP(base64_encode)(enum sherd_base64 kind, struct sherd_span bytes, struct sherd_buf *out)
{
    return fails() ? no_memory() : REAL(base64_encode)(kind, bytes, out);
}

void *REAL(alloc)(size_t size);
void *WRAP(alloc)(size_t size);
void *WRAP(alloc)(size_t size)
{
    if (!fails())
        return REAL(alloc)(size);
    (void)no_memory();
    return NULL;
}

/* Runs a call again and again, with its first, second, ... inner call failing, until none of them fails. */
#define EACH_FAILURE(call, untouched)                               \
    do {                                                            \
        enum sherd_err each_err_ = SHERD_ERR_NO_MEMORY;             \
        int each_ = 0;                                              \
        for (; each_err_ != SHERD_OK; each_++) {                    \
            calls_left = each_;                                     \
            each_err_ = (call);                                     \
            calls_left = -1;                                        \
            if (each_err_ == SHERD_OK)                              \
                break;                                              \
            assert_int_equal(each_err_, SHERD_ERR_NO_MEMORY);       \
            assert_true(untouched);                                 \
            assert_true(each_ < 1000);                              \
        }                                                           \
        assert_true(each_ > 0); /* there is something that fails */ \
    } while (0)

/* Nodes of the known tree, without a call that could fail. */
static struct sherd_digest known[9][TREE_MAX];

static enum sherd_err read_known(void *arg, unsigned level, uint64_t index, struct sherd_digest *out_hash)
{
    (void)arg;
    *out_hash = known[level][index];
    return SHERD_OK;
}

static int setup(void **state)
{
    if (tree_setup(state) != 0)
        return -1;
    for (unsigned level = 0; level < SHERD_COUNT_OF(known); level++)
        for (uint64_t index = 0; index < TREE_MAX >> level; index++)
            known[level][index] = tree_mth(index << level, UINT64_C(1) << level);
    return 0;
}

static void test_ledger_failures__of_trees(void **state)
{
    const struct sherd_node_reader reader = {.read = read_known};
    const struct sherd_tree_head head = tree_head(300);
    const struct sherd_tree_head old = tree_head(200);
    const struct sherd_tree_head empty = tree_head(0);
    struct sherd_merkle tree = {0};
    struct sherd_digest root = {{0}};
    struct sherd_path path = {0};

    (void)state;
    EACH_FAILURE(sherd_tree_root(&reader, 300, &root), root.bytes[0] == 0);
    EACH_FAILURE(sherd_tree_add(&tree, tree_leaves, 9), tree.leaf_count == 0);
    EACH_FAILURE(sherd_inclusion_prove(&reader, 3, 300, &path), path.count == 0);
    EACH_FAILURE(sherd_inclusion_verify(&path, 3, &tree_leaves[3], &head), true);
    assert_ok(sherd_inclusion_prove(&reader, 299, 300, &path));
    EACH_FAILURE(sherd_inclusion_verify(&path, 299, &tree_leaves[299], &head), true);
    path.count = 0;
    EACH_FAILURE(sherd_consistency_prove(&reader, 200, 300, &path), path.count == 0);
    EACH_FAILURE(sherd_consistency_verify(&path, &old, &head), true);
    path.count = 0;
    EACH_FAILURE(sherd_consistency_verify(&path, &empty, &head), true);
}

static void test_ledger_failures__of_texts(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    const struct sherd_checkpoint checkpoint = {
        .origin = sherd_span_str("o"), .head = tree_head(3), .extension = sherd_span_str("more\n")};
    struct sherd_checkpoint read = {0};
    struct sherd_vouched vouched = {0};
    struct sherd_proof proof = {.index = 1};
    struct sherd_growth growth = {.old_size = 2};
    char leaf[32];

    (void)state;
    checkpoint_make(5, &note);
    checkpoint_cosign(&note, 2, "w2", 1);
    EACH_FAILURE(sherd_checkpoint_encode(&checkpoint, &text), text.len == 0);
    sherd_buf_clear(&text);
    proof.checkpoint = sherd_buf_span(&note);
    assert_ok(sherd_inclusion_prove(&tree_reader, 1, 5, &proof.path));
    EACH_FAILURE(sherd_proof_encode(&proof, sherd_span_str("extra"), &text), text.len == 0);
    EACH_FAILURE(sherd_proof_verify(&proof, tree_leaf(1, leaf), policy, &read, &vouched),
                 read.head.size == 0 && vouched.logs == 0);
    sherd_buf_clear(&text);
    growth.checkpoint = sherd_buf_span(&note);
    assert_ok(sherd_consistency_prove(&tree_reader, 2, 5, &growth.path));
    EACH_FAILURE(sherd_growth_encode(&growth, &text), text.len == 0);
}

/* Evidence as its three functions write it, all or nothing. */
static enum sherd_err write_evidence(const struct sherd_opening *opening, const struct sherd_path *path,
                                     struct sherd_span note, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    SHERD_TRY(sherd_evidence_begin(&text, &opening->subject));
    SHERD_TRY(sherd_evidence_add(&text, 3, path, opening));
    SHERD_TRY(sherd_evidence_end(&text, note));
    return sherd_buf_append(out_text, sherd_buf_span(&text));
}

static void test_ledger_failures__of_what_is_shown(void **state)
{
    static const uint8_t seed[32] = {1};
    static const uint8_t deployment[16] = {2};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_leaf_keys_freep) struct sherd_leaf_keys *keys = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    const struct sherd_event event = {.kind = SHERD_EVENT_PUT, .subject = {{1}}, .actor = {{2}}};
    struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS];
    struct sherd_checkpoint read = {0};
    struct sherd_evidence evidence;
    struct sherd_vouched vouched;
    struct sherd_leaf leaf = {.time_s = 7};
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_path path;
    size_t len;

    (void)state;
    assert_ok(sherd_leaf_keys_new(sherd_span_of(seed, sizeof(seed)), deployment, &keys));
    assert_ok(sherd_leaf_encode(keys, &event, bytes, &len));
    assert_ok(sherd_leaf_blinds(keys, event.id, blinds));
    const struct sherd_opening opening = {.leaf = sherd_span_of(bytes, len),
                                          .subject_shown = true,
                                          .subject = event.subject,
                                          .subject_blind = blinds[SHERD_LEAF_SUBJECT],
                                          .actor_shown = true,
                                          .actor = event.actor,
                                          .actor_blind = blinds[SHERD_LEAF_ACTOR]};
    EACH_FAILURE(sherd_opening_verify(&opening, &leaf), leaf.time_s == 7);
    assert_ok(sherd_merkle_leaf(opening.leaf, &tree_leaves[3]));
    checkpoint_make(5, &note);
    assert_ok(sherd_inclusion_prove(&tree_reader, 3, 5, &path));
    EACH_FAILURE(write_evidence(&opening, &path, sherd_buf_span(&note), &text), text.len == 0);
    assert_ok(sherd_evidence_decode(sherd_buf_span(&text), &evidence));
    /* what fails while a text is read looks like another text */
    enum sherd_err err = SHERD_ERR_NO_MEMORY;
    for (int each = 0; err != SHERD_OK; each++) {
        calls_left = each;
        err = sherd_evidence_verify(&evidence, policy, NULL, NULL, &read, &vouched);
        calls_left = -1;
        assert_true(err == SHERD_OK || err == SHERD_ERR_NO_MEMORY || err == SHERD_ERR_TAMPERED);
        assert_int_equal(read.head.size, err == SHERD_OK ? 5 : 0);
        assert_true(each < 1000);
    }
}

static void test_ledger_failures__of_policies(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf words = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    struct sherd_policy *policy = NULL;
    struct sherd_checkpoint read = {0};

    (void)state;
    assert_ok(sherd_text_append(&words, "log "));
    key_append(&words, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    assert_ok(sherd_text_append(&words, "\nwitness w "));
    key_append(&words, 2, SHERD_VKEY_COSIGNED, "w2");
    assert_ok(sherd_text_append(&words, "\nquorum w\n"));
    EACH_FAILURE(sherd_policy_parse(sherd_buf_span(&words), &policy), policy == NULL);
    checkpoint_make(5, &note);
    checkpoint_cosign(&note, 2, "w2", 1);
    EACH_FAILURE(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &read, NULL), read.head.size == 0);
    sherd_policy_free(policy);
    policy = NULL;
    key_append(&key, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    EACH_FAILURE(sherd_policy_of_log(sherd_buf_span(&key), &policy), policy == NULL);
    sherd_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_failures__of_trees),
        cmocka_unit_test(test_ledger_failures__of_texts),
        cmocka_unit_test(test_ledger_failures__of_what_is_shown),
        cmocka_unit_test(test_ledger_failures__of_policies),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
