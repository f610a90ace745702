/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sherd-verify says of an operator who cuts the newest k leaves of his log, for each k of 1 to 1,000, and of one
 * who forks it after n leaves, for each n of 1 to 1,000. He has the log's key, so all that he shows is signed.
 */
#include "base/file.h"
#include "ledger.h"
#include "ledger/opening.h"
#include "verify/verify.h"

#define SIZE 1100U
#define LARGER 1150U /* what a fork has grown to when it is shown */
#define CASES 1000U
#define LEVELS 11U

static const uint8_t deployment[16] = {0xd1};
static const uint8_t seed[32] = {0x5e, 0xed};

/* All complete nodes over LARGER leaves. */
struct tree {
    struct sherd_digest nodes[LEVELS][LARGER];
};

static char folder[48];
static char log_key[256];
static char kept_path[80];    /* the checkpoint of all leaves, as somebody outside holds it */
static char receipt_path[80]; /* of the newest leaf */
static char shown_path[80];   /* what the operator shows now */
static char growth_path[80];
static struct sherd_buf newest; /* the leaf */
static struct tree honest;
static struct tree forked;

/* --- what is signed ----------------------------------------------------------------------------------------------- */

/* A leaf, and the nodes above it that are complete. */
static void set_leaf(struct tree *tree, uint64_t index, const struct sherd_digest *hash, uint64_t size)
{
    tree->nodes[0][index] = *hash;
    for (unsigned level = 1; level < LEVELS; level++) {
        index /= 2;
        if (((index + 1) << level) > size)
            return;
        assert_ok(sherd_merkle_node(&tree->nodes[level - 1][2 * index], &tree->nodes[level - 1][2 * index + 1],
                                    &tree->nodes[level][index]));
    }
}

static enum sherd_err read_node(void *arg, unsigned level, uint64_t index, struct sherd_digest *out_hash)
{
    const struct tree *tree = arg;

    assert_true(level < LEVELS && ((index + 1) << level) <= LARGER);
    *out_hash = tree->nodes[level][index];
    return SHERD_OK;
}

static struct sherd_node_reader reader_of(struct tree *tree)
{
    return (struct sherd_node_reader){.read = read_node, .arg = tree};
}

static void write_file(const char *path, const struct sherd_buf *bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, file), bytes->len);
    assert_int_equal(fclose(file), 0);
}

static void sign_head(struct tree *tree, uint64_t size, struct sherd_buf *out_note)
{
    const struct sherd_node_reader reader = reader_of(tree);
    struct sherd_checkpoint checkpoint = {.origin = sherd_span_str(LOG_ORIGIN), .head = {.size = size}};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    assert_ok(sherd_tree_root(&reader, size, &checkpoint.head.root));
    assert_ok(sherd_checkpoint_encode(&checkpoint, &text));
    assert_ok(log_sign(NULL, sherd_buf_span(&text), out_note));
}

static void show_head(struct tree *tree, uint64_t size, const char *path)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};

    sign_head(tree, size, &note);
    write_file(path, &note);
}

static void show_growth(struct tree *tree, uint64_t old_size, uint64_t size)
{
    const struct sherd_node_reader reader = reader_of(tree);
    struct sherd_growth growth = {.old_size = old_size};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    assert_ok(sherd_consistency_prove(&reader, old_size, size, &growth.path));
    assert_ok(sherd_growth_encode(&growth, &text));
    write_file(growth_path, &text);
}

/* The newest leaf is of a real event; the others are bytes like any. */
static void make_newest(struct sherd_opening *out_opening)
{
    struct sherd_event event = {.kind = SHERD_EVENT_PUT, .time_ns = 1700000000123456789U, .version = 1};
    SHERD_CLEANUP(sherd_leaf_keys_freep) struct sherd_leaf_keys *keys = NULL;
    struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS];
    uint8_t block[SHERD_LEAF_BYTES_MAX];
    size_t len;

    memset(event.id, 7, sizeof(event.id));
    memset(event.subject.bytes, 0x22, 16);
    event.fragment.there = true;
    memset(event.fragment.digest.bytes, 0x99, 32);
    assert_ok(sherd_leaf_keys_new(sherd_span_of(seed, sizeof(seed)), deployment, &keys));
    assert_ok(sherd_leaf_encode(keys, &event, block, &len));
    assert_ok(sherd_leaf_blinds(keys, event.id, blinds));
    assert_ok(sherd_buf_append(&newest, sherd_span_of(block, len)));
    *out_opening = (struct sherd_opening){.leaf = sherd_buf_span(&newest),
                                          .subject_shown = true,
                                          .subject = event.subject,
                                          .digest = event.fragment.digest,
                                          .subject_blind = blinds[SHERD_LEAF_SUBJECT]};
}

static void make_receipt(const struct sherd_opening *opening)
{
    const struct sherd_node_reader reader = reader_of(&honest);
    struct sherd_proof proof = {.index = SIZE - 1};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    uint8_t block[SHERD_OPENING_BYTES_MAX];
    size_t len;

    sign_head(&honest, SIZE, &note);
    proof.checkpoint = sherd_buf_span(&note);
    assert_ok(sherd_inclusion_prove(&reader, SIZE - 1, SIZE, &proof.path));
    assert_ok(sherd_opening_encode(opening, block, &len));
    assert_ok(sherd_proof_encode(&proof, sherd_span_of(block, len), &text));
    write_file(receipt_path, &text);
}

static int setup(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    struct sherd_opening opening;
    struct sherd_digest hash;

    if (tree_setup(state) != 0 || !folder_make(folder, sizeof(folder)))
        return -1;
    (void)snprintf(kept_path, sizeof(kept_path), "%s/kept", folder);
    (void)snprintf(receipt_path, sizeof(receipt_path), "%s/receipt", folder);
    (void)snprintf(shown_path, sizeof(shown_path), "%s/shown", folder);
    (void)snprintf(growth_path, sizeof(growth_path), "%s/growth", folder);
    key_append(&key, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    (void)snprintf(log_key, sizeof(log_key), "%.*s", (int)key.len, (const char *)key.data);
    make_newest(&opening);
    for (uint64_t i = 0; i < LARGER; i++) {
        hash = tree_leaves[i];
        if (i == SIZE - 1)
            assert_ok(sherd_merkle_leaf(sherd_buf_span(&newest), &hash));
        set_leaf(&honest, i, &hash, LARGER);
    }
    forked = honest;
    make_receipt(&opening);
    show_head(&honest, SIZE, kept_path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sherd_buf_done(&newest);
    folder_remove(folder);
    return 0;
}

/* --- what is said of it ------------------------------------------------------------------------------------------- */

/* A receipt against what is shown, a checkpoint or a log. */
static enum sherd_err check_receipt(const char *against, const char *growth)
{
    char *operands[] = {receipt_path};
    const struct verify_args args = {
        .log_key = log_key, .against = against, .growth = growth, .operands = operands, .operand_count = 1};

    return verify_receipt(&args);
}

/* That what is shown continues the checkpoint that is kept. */
static enum sherd_err check_growth(void)
{
    char *operands[] = {kept_path, shown_path, growth_path};
    const struct verify_args args = {.log_key = log_key, .operands = operands, .operand_count = 3};

    return verify_consistency(&args);
}

static void assert_says(const char *text)
{
    if (strstr(sherd_err_detail(), text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", sherd_err_detail(), text);
}

static void assert_cut(enum sherd_err err, unsigned k)
{
    char text[64];

    assert_int_equal(err, SHERD_ERR_CONFLICT);
    assert_says("cut: the log signed that it has 1100 leaves");
    (void)snprintf(text, sizeof(text), ": %u of them are missing", k);
    assert_says(text);
}

static void assert_forked(enum sherd_err err)
{
    assert_int_equal(err, SHERD_ERR_CONFLICT);
    assert_says("forked: the log signed two different trees of 1100 leaves");
}

/* The operator who is honest is not convicted: of the size that was kept, and when it has grown. */
static void test_verify_cut__an_honest_log_passes(void **state)
{
    (void)state;
    show_head(&honest, SIZE, shown_path);
    show_growth(&honest, SIZE, SIZE);
    assert_ok(check_receipt(shown_path, NULL));
    assert_ok(check_growth());
    show_head(&honest, LARGER, shown_path);
    show_growth(&honest, SIZE, LARGER);
    assert_ok(check_receipt(shown_path, growth_path));
    assert_ok(check_growth());
    const struct sherd_tree_head literal = tree_head(SIZE - 1);
    struct sherd_digest root;
    const struct sherd_node_reader reader = reader_of(&honest);
    assert_ok(sherd_tree_root(&reader, SIZE - 1, &root));
    assert_memory_equal(root.bytes, literal.root.bytes, sizeof(root.bytes));
}

/* Checkpoints of the log without its newest k leaves, each signed, and whatever goes with it as a proof. */
static void test_verify_cut__each_k_is_convicted_by_its_checkpoint(void **state)
{
    (void)state;
    for (unsigned k = 1; k <= CASES; k++) {
        show_head(&honest, SIZE - k, shown_path);
        show_growth(&honest, SIZE - k, SIZE); /* which is a proof of the contrary */
        assert_cut(check_receipt(shown_path, NULL), k);
        assert_cut(check_receipt(shown_path, growth_path), k);
        assert_cut(check_growth(), k);
    }
}

/* The log itself: it is grown a leaf at a time, and so is at each moment one from which all that follow were cut. */
static void test_verify_cut__each_k_is_convicted_by_its_log(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    static char texts[SIZE][32];
    static struct sherd_span entries[SIZE];
    char dir[80];

    (void)state;
    (void)snprintf(dir, sizeof(dir), "%s/log", folder);
    for (unsigned i = 0; i < SIZE; i++)
        entries[i] = i + 1 < SIZE ? tree_leaf(i, texts[i]) : sherd_buf_span(&newest);
    assert_ok(sherd_log_make(dir, sherd_span_str(LOG_ORIGIN), &log_signer));
    assert_ok(sherd_log_open(dir, policy, &log_signer, &log));
    assert_ok(sherd_log_append(log, entries, SIZE - CASES, NULL));
    for (unsigned k = CASES; k >= 1; k--) {
        assert_cut(check_receipt(dir, NULL), k);
        assert_ok(sherd_log_append(log, &entries[SIZE - k], 1, NULL));
    }
    assert_ok(check_receipt(dir, NULL));
}

/* From the last n on towards the first: leaf n is another one, and so are all that follow it. */
static void test_verify_cut__each_fork_is_convicted(void **state)
{
    (void)state;
    for (uint64_t n = LARGER; n-- > 0;) {
        const struct sherd_digest other = tree_leaves[(n + 1) % LARGER];

        set_leaf(&forked, n, &other, LARGER);
        if (n == 0 || n > CASES)
            continue;
        show_head(&forked, SIZE, shown_path);
        assert_forked(check_receipt(shown_path, NULL));
        show_growth(&forked, SIZE, SIZE);
        assert_forked(check_growth());
        /* Grown beyond what was kept, it cannot be proved to continue that. */
        show_head(&forked, LARGER, shown_path);
        show_growth(&forked, SIZE, LARGER);
        assert_int_equal(check_receipt(shown_path, growth_path), SHERD_ERR_TAMPERED);
        assert_int_equal(check_growth(), SHERD_ERR_TAMPERED);
        show_growth(&honest, SIZE, LARGER);
        assert_int_equal(check_growth(), SHERD_ERR_TAMPERED);
    }
}

/* The whole log of a fork, once grown beyond what was kept: it shows the tree of that size itself. */
static void test_verify_cut__the_log_of_a_fork_convicts_itself(void **state)
{
    static const unsigned forks[] = {1, 255, 256, 257, 999, 1000};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    static char texts[LARGER][32];
    static struct sherd_span entries[LARGER];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(forks); i++) {
        SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
        char dir[80];

        (void)snprintf(dir, sizeof(dir), "%s/fork-%u", folder, forks[i]);
        for (unsigned leaf = 0; leaf < LARGER; leaf++)
            entries[leaf] = tree_leaf(leaf < forks[i] ? leaf : leaf + 1, texts[leaf]);
        assert_ok(sherd_log_make(dir, sherd_span_str(LOG_ORIGIN), &log_signer));
        assert_ok(sherd_log_open(dir, policy, &log_signer, &log));
        assert_ok(sherd_log_append(log, entries, LARGER, NULL));
        assert_forked(check_receipt(dir, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_cut__an_honest_log_passes),
        cmocka_unit_test(test_verify_cut__each_k_is_convicted_by_its_checkpoint),
        cmocka_unit_test(test_verify_cut__each_k_is_convicted_by_its_log),
        cmocka_unit_test(test_verify_cut__each_fork_is_convicted),
        cmocka_unit_test(test_verify_cut__the_log_of_a_fork_convicts_itself),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
