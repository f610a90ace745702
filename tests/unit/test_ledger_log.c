/* SPDX-License-Identifier: Apache-2.0 */
/* Logs in a directory: what is appended is there, proved and verified; what is changed in the files is seen. */
#include "base/file.h"
#include "base/mem.h"
#include "ledger.h"
#include "ledger/tile.h"

struct log_test {
    char root[40];
    char dir[48];
    struct sherd_policy *policy;
    struct sherd_log *log;
};

static int log_setup(void **state)
{
    struct log_test *test = test_calloc(1, sizeof(*test));

    if (!folder_make(test->root, sizeof(test->root)))
        return -1;
    (void)snprintf(test->dir, sizeof(test->dir), "%s/log", test->root);
    test->policy = log_policy();
    if (sherd_log_make(test->dir, sherd_span_str(LOG_ORIGIN), &log_signer) != SHERD_OK ||
        sherd_log_open(test->dir, test->policy, &log_signer, &test->log) != SHERD_OK)
        return -1;
    *state = test;
    return 0;
}

static int log_teardown(void **state)
{
    struct log_test *test = *state;

    sherd_log_close(test->log);
    sherd_policy_free(test->policy);
    folder_remove(test->root);
    test_free(test);
    return 0;
}

static uint64_t size_of(const struct log_test *test)
{
    return sherd_log_checkpoint(test->log)->head.size;
}

/* Append the next known leaves. */
static enum sherd_err append(struct log_test *test, size_t count)
{
    char(*texts)[32] = test_calloc(count, sizeof(*texts));
    struct sherd_span *entries = test_calloc(count, sizeof(*entries));
    const uint64_t size = size_of(test);
    uint64_t first = 0;

    for (size_t i = 0; i < count; i++)
        entries[i] = tree_leaf(size + i, texts[i]);
    const enum sherd_err err = sherd_log_append(test->log, entries, count, &first);
    if (err == SHERD_OK)
        assert_int_equal(first, size);
    test_free(entries);
    test_free(texts);
    return err;
}

static void reopen(struct log_test *test)
{
    sherd_log_close(test->log);
    test->log = NULL;
    assert_ok(sherd_log_open(test->dir, test->policy, &log_signer, &test->log));
}

static void assert_head(const struct log_test *test, uint64_t size)
{
    const struct sherd_tree_head expected = tree_head(size);

    assert_int_equal(size_of(test), size);
    assert_memory_equal(&sherd_log_checkpoint(test->log)->head.root, &expected.root, sizeof(expected.root));
}

static bool exists(const struct log_test *test, const char *name)
{
    char *path = sherd_path_join(test->dir, name);
    const bool there = access(path, F_OK) == 0;

    sherd_free(path);
    return there;
}

static void test_ledger_log__grows(void **state)
{
    static const size_t steps[] = {1, 1, 3, 250, 1, 1, 255, 256, 1, 300, 131};
    struct log_test *test = *state;
    uint64_t size = 0;

    assert_head(test, 0);
    assert_ok(sherd_log_verify(test->log, NULL, NULL));
    for (size_t i = 0; i < SHERD_COUNT_OF(steps); i++) {
        assert_ok(append(test, steps[i]));
        size += steps[i];
        assert_head(test, size);
        if (i % 3 == 0)
            reopen(test);
        assert_ok(sherd_log_verify(test->log, NULL, NULL));
    }
    assert_int_equal(size, TREE_MAX);
    reopen(test);
    assert_head(test, TREE_MAX);
}

static void test_ledger_log__files_are_named_as_tiles(void **state)
{
    struct log_test *test = *state;

    assert_ok(append(test, 200));
    assert_true(exists(test, "tile/0/000.p/200"));
    assert_true(exists(test, "tile/entries/000.p/200"));
    assert_ok(append(test, 55));
    assert_true(exists(test, "tile/0/000.p/200")); /* an older checkpoint needs it */
    assert_true(exists(test, "tile/0/000.p/255"));
    assert_ok(append(test, 2));
    assert_true(exists(test, "tile/0/000"));
    assert_true(exists(test, "tile/entries/000"));
    assert_true(exists(test, "tile/0/001.p/1"));
    assert_true(exists(test, "tile/entries/001.p/1"));
    assert_true(exists(test, "tile/1/000.p/1"));
    assert_false(exists(test, "tile/0/000.p")); /* the full one stands for them */
    assert_false(exists(test, "tile/entries/000.p"));
    assert_true(exists(test, "checkpoint"));
    assert_false(exists(test, "new"));
}

static void test_ledger_log__leaves_are_read(void **state)
{
    struct log_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf entry = {0};
    char text[32];

    assert_ok(append(test, 700));
    for (uint64_t i = 0; i < 700; i += 13) {
        sherd_buf_clear(&entry);
        assert_ok(sherd_log_read(test->log, i, &entry));
        assert_true(sherd_span_equal(sherd_buf_span(&entry), tree_leaf(i, text)));
    }
    sherd_buf_clear(&entry);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_log_read(test->log, 700, &entry));
    assert_int_equal(entry.len, 0);
}

static enum sherd_err count_leaves(void *arg, uint64_t index, struct sherd_span entry)
{
    char text[32];

    if (index != *(uint64_t *)arg || !sherd_span_equal(entry, tree_leaf(index, text)))
        return sherd_fail(SHERD_ERR_INVALID, "leaf %llu is wrong", (unsigned long long)index);
    ++*(uint64_t *)arg;
    return index == 650 ? sherd_fail(SHERD_ERR_BUSY, "enough") : SHERD_OK;
}

static void test_ledger_log__verifying_hands_out_the_leaves(void **state)
{
    struct log_test *test = *state;
    uint64_t count = 0;

    assert_ok(append(test, 600));
    assert_ok(sherd_log_verify(test->log, count_leaves, &count));
    assert_int_equal(count, 600);
    assert_ok(append(test, 100));
    count = 0;
    assert_err(SHERD_ERR_BUSY, sherd_log_verify(test->log, count_leaves, &count)); /* whoever says so ends it */
    assert_int_equal(count, 651);
}

static void test_ledger_log__any_range_is_read(void **state)
{
    static const uint64_t ends[] = {0, 1, 255, 256, 257, 511, 512, 600};
    struct log_test *test = *state;
    uint64_t next = 0;

    assert_ok(append(test, 600));
    for (size_t from = 0; from < SHERD_COUNT_OF(ends); from++)
        for (size_t to = 0; to < SHERD_COUNT_OF(ends); to++) {
            next = ends[from];
            assert_ok(sherd_log_each(test->log, ends[from], ends[to], count_leaves, &next));
            assert_int_equal(next, ends[to] > ends[from] ? ends[to] : ends[from]);
        }
    assert_err(SHERD_ERR_NOT_FOUND, sherd_log_each(test->log, 0, 601, count_leaves, &next));
    assert_ok(append(test, 100));
    next = 640;
    assert_err(SHERD_ERR_BUSY, sherd_log_each(test->log, 640, 700, count_leaves, &next)); /* whoever says so ends it */
    assert_int_equal(next, 651);
}

static void test_ledger_log__any_proof_of_any_size(void **state)
{
    static const uint64_t sizes[] = {0, 1, 2, 200, 255, 256, 257, 300, 511, 512, 513, 1000, 1024, 1025, 1200};
    struct log_test *test = *state;

    assert_ok(append(test, 500));
    assert_ok(append(test, TREE_MAX - 500));
    for (size_t i = 0; i < SHERD_COUNT_OF(sizes); i++) {
        const struct sherd_tree_head head = tree_head(sizes[i]);
        struct sherd_digest root;
        struct sherd_path path;

        assert_ok(sherd_log_root(test->log, sizes[i], &root));
        assert_memory_equal(&root, &head.root, sizeof(root));
        for (uint64_t index = 0; index < sizes[i]; index += 41) {
            assert_ok(sherd_log_prove_inclusion(test->log, index, sizes[i], &path));
            assert_ok(sherd_inclusion_verify(&path, index, &tree_leaves[index], &head));
        }
        for (size_t k = 0; k <= i; k++) {
            const struct sherd_tree_head old = tree_head(sizes[k]);

            assert_ok(sherd_log_prove_consistency(test->log, sizes[k], sizes[i], &path));
            assert_ok(sherd_consistency_verify(&path, &old, &head));
        }
    }
    struct sherd_digest root;
    struct sherd_path path;
    assert_err(SHERD_ERR_INVALID, sherd_log_root(test->log, TREE_MAX + 1, &root));
    assert_err(SHERD_ERR_INVALID, sherd_log_prove_inclusion(test->log, 5, 5, &path));
    assert_err(SHERD_ERR_INVALID, sherd_log_prove_inclusion(test->log, 5, TREE_MAX + 1, &path));
    assert_err(SHERD_ERR_INVALID, sherd_log_prove_consistency(test->log, 6, 5, &path));
}

static void test_ledger_log__entries_of_any_length(void **state)
{
    struct log_test *test = *state;
    static uint8_t bytes[SHERD_TILE_ENTRY_BYTES_MAX + 1];
    struct sherd_span entries[3] = {
        {bytes, 0}, {bytes, SHERD_TILE_ENTRY_BYTES_MAX}, {bytes, SHERD_TILE_ENTRY_BYTES_MAX + 1}};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf entry = {0};

    assert_err(SHERD_ERR_LIMIT, sherd_log_append(test->log, entries, 3, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_log_append(test->log, entries, 0, NULL));
    assert_int_equal(size_of(test), 0);
    assert_ok(sherd_log_append(test->log, entries, 2, NULL));
    assert_ok(sherd_log_read(test->log, 0, &entry));
    assert_int_equal(entry.len, 0);
    assert_ok(sherd_log_read(test->log, 1, &entry));
    assert_int_equal(entry.len, SHERD_TILE_ENTRY_BYTES_MAX);
    assert_ok(sherd_log_verify(test->log, NULL, NULL));
}

/* --- who may ------------------------------------------------------------------------------------------------------ */

static void test_ledger_log__one_writes_and_others_read(void **state)
{
    struct log_test *test = *state;
    struct sherd_log *other = NULL;
    const struct sherd_span entry = sherd_span_str("x");

    assert_ok(append(test, 5));
    assert_err(SHERD_ERR_BUSY, sherd_log_open(test->dir, test->policy, &log_signer, &other));
    assert_ok(sherd_log_open(test->dir, test->policy, NULL, &other));
    assert_err(SHERD_ERR_DENIED, sherd_log_append(other, &entry, 1, NULL));
    assert_err(SHERD_ERR_DENIED, sherd_log_cosigned(other, sherd_log_note(other)));
    assert_ok(append(test, 500)); /* what others see stays as it was */
    assert_int_equal(sherd_log_checkpoint(other)->head.size, 5);
    sherd_log_close(other);
    assert_err(SHERD_ERR_BUSY, sherd_log_make(test->dir, sherd_span_str(LOG_ORIGIN), &log_signer));
    sherd_log_close(test->log);
    test->log = NULL;
    assert_err(SHERD_ERR_CONFLICT, sherd_log_make(test->dir, sherd_span_str(LOG_ORIGIN), &log_signer));
    assert_ok(sherd_log_open(test->dir, test->policy, NULL, &test->log));
    assert_head(test, 505);
}

static void test_ledger_log__a_reader_makes_nothing(void **state)
{
    struct log_test *test = *state;
    struct sherd_log *other = NULL;
    char empty[64];

    (void)snprintf(empty, sizeof(empty), "%s/empty", test->root);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_log_open(empty, test->policy, NULL, &other));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_log_open(empty, test->policy, &log_signer, &other));
    assert_int_equal(access(empty, F_OK), -1);
}

static void test_ledger_log__a_checkpoint_of_others_is_refused(void **state)
{
    struct log_test *test = *state;
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *other_policy = NULL;
    struct sherd_log *other = NULL;

    assert_ok(sherd_policy_parse(sherd_span_str("quorum none\n"), &other_policy));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_open(test->dir, other_policy, NULL, &other));
}

static enum sherd_err sign_something_else(void *arg, struct sherd_span text, struct sherd_buf *out_note)
{
    (void)text;
    return log_sign(arg, sherd_span_str("something else\n"), out_note);
}

static enum sherd_err sign_nothing(void *arg, struct sherd_span text, struct sherd_buf *out_note)
{
    (void)arg;
    (void)text;
    (void)out_note;
    return sherd_fail(SHERD_ERR_SEALED, "no key");
}

/* Nothing is lost by a signer who does not sign; nothing is published that the policy would refuse. */
static void test_ledger_log__a_signer_that_fails(void **state)
{
    static uint8_t strange = 7;
    static const struct {
        struct sherd_log_signer signer;
        enum sherd_err expected;
    } cases[] = {
        {{sign_nothing, NULL, NULL}, SHERD_ERR_SEALED},
        {{sign_something_else, NULL, NULL}, SHERD_ERR_INVALID},
        {{log_sign, NULL, &strange}, SHERD_ERR_TAMPERED},
    };
    struct log_test *test = *state;

    assert_ok(append(test, 100));
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        sherd_log_close(test->log);
        test->log = NULL;
        assert_ok(sherd_log_open(test->dir, test->policy, &cases[i].signer, &test->log));
        assert_err(cases[i].expected, append(test, 200));
        assert_head(test, 100);
        assert_err(cases[i].expected, append(test, 3)); /* it can be tried again */
        assert_ok(sherd_log_verify(test->log, NULL, NULL));
    }
    reopen(test);
    assert_ok(append(test, 500)); /* over what the others left */
    assert_head(test, 600);
    assert_ok(sherd_log_verify(test->log, NULL, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_log_make(test->root, sherd_span_str("a\nb"), &log_signer));
    assert_err(SHERD_ERR_SEALED, sherd_log_make(test->root, sherd_span_str("a"), &cases[0].signer));
}

static void test_ledger_log__cosignatures_join_the_checkpoint(void **state)
{
    struct log_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf words = {0};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    struct sherd_log *other = NULL;

    assert_ok(sherd_text_append(&words, "log "));
    key_append(&words, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    assert_ok(sherd_text_append(&words, "\nwitness w "));
    key_append(&words, 2, SHERD_VKEY_COSIGNED, "w2");
    assert_ok(sherd_text_append(&words, "\nquorum w\n"));
    assert_ok(sherd_policy_parse(sherd_buf_span(&words), &policy));

    assert_ok(append(test, 5));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_open(test->dir, policy, NULL, &other));
    assert_ok(sherd_buf_append(&note, sherd_log_note(test->log)));
    checkpoint_cosign(&note, 2, "w2", 1000);
    assert_ok(sherd_log_cosigned(test->log, sherd_buf_span(&note)));
    assert_true(sherd_span_equal(sherd_log_note(test->log), sherd_buf_span(&note)));
    assert_head(test, 5);
    assert_ok(sherd_log_open(test->dir, policy, NULL, &other));
    sherd_log_close(other);
    assert_ok(append(test, 1));
    assert_err(SHERD_ERR_CONFLICT, sherd_log_cosigned(test->log, sherd_buf_span(&note))); /* too late */
    note.data[0] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, sherd_log_cosigned(test->log, sherd_buf_span(&note)));
    assert_head(test, 6);
    assert_ok(append(test, 1));
}

/* A policy that believes another log as well, and a checkpoint of that one. */
static struct sherd_policy *policy_of_two_logs(struct sherd_buf *out_note)
{
    static const char origin[] = "other.example/log";
    const struct sherd_checkpoint checkpoint = {.origin = sherd_span_str(origin), .head = tree_head(400)};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf words = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_policy *policy = NULL;
    uint8_t seed[SHERD_SIGN_SEED_SIZE];

    assert_ok(sherd_text_append(&words, "log "));
    key_append(&words, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    assert_ok(sherd_text_append(&words, "\nlog "));
    key_append(&words, 8, SHERD_VKEY_ED25519, origin);
    assert_ok(sherd_text_append(&words, "\nquorum none\n"));
    assert_ok(sherd_policy_parse(sherd_buf_span(&words), &policy));
    key_seed(8, seed);
    assert_ok(sherd_checkpoint_encode(&checkpoint, &text));
    assert_ok(sherd_note_sign(origin, seed, sherd_buf_span(&text), out_note));
    return policy;
}

static void test_ledger_log__as_a_checkpoint_that_is_known_says(void **state)
{
    struct log_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf five = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf ten = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf cosigned = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf fork = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf strange = {0};
    struct sherd_log *log = NULL;

    assert_ok(append(test, 5));
    assert_ok(sherd_buf_append(&five, sherd_log_note(test->log)));
    assert_ok(append(test, 300));
    assert_ok(sherd_buf_append(&ten, sherd_log_note(test->log)));
    sherd_log_close(test->log);
    test->log = NULL;

    /* The same. What the log has in addition stays. */
    assert_ok(sherd_buf_append(&cosigned, sherd_buf_span(&ten)));
    checkpoint_cosign(&cosigned, 2, "w2", 1000);
    assert_ok(sherd_file_write(test->dir, "checkpoint", sherd_buf_span(&cosigned)));
    assert_ok(sherd_log_open_known(test->dir, test->policy, &log_signer, sherd_buf_span(&ten), &test->log));
    assert_true(sherd_span_equal(sherd_log_note(test->log), sherd_buf_span(&cosigned)));
    sherd_log_close(test->log);
    test->log = NULL;

    /* Older: what is known was rolled back. */
    assert_err(SHERD_ERR_CONFLICT,
               sherd_log_open_known(test->dir, test->policy, &log_signer, sherd_buf_span(&five), &log));
    assert_non_null(strstr(sherd_err_detail(), "300 leaves behind"));

    /* Newer: the log catches up, for a reader without a change of the file. */
    assert_ok(sherd_file_write(test->dir, "checkpoint", sherd_buf_span(&five)));
    assert_ok(sherd_log_open_known(test->dir, test->policy, NULL, sherd_buf_span(&ten), &log));
    assert_int_equal(sherd_log_checkpoint(log)->head.size, 305);
    sherd_log_close(log);
    assert_ok(sherd_log_open(test->dir, test->policy, NULL, &log));
    assert_int_equal(sherd_log_checkpoint(log)->head.size, 5);
    sherd_log_close(log);
    assert_ok(sherd_log_open_known(test->dir, test->policy, &log_signer, sherd_buf_span(&ten), &test->log));
    assert_head(test, 305);
    assert_ok(append(test, 1));
    reopen(test);
    assert_head(test, 306);
    sherd_log_close(test->log);
    test->log = NULL;

    /* No checkpoint of this log, or of no log at all. */
    const struct sherd_checkpoint other = {.origin = sherd_span_str(LOG_ORIGIN), .head = {.size = 306}};
    const struct sherd_checkpoint more = {.origin = sherd_span_str(LOG_ORIGIN), .head = {.size = 307}};
    assert_ok(sherd_checkpoint_encode(&other, &text));
    assert_ok(log_sign(NULL, sherd_buf_span(&text), &fork));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_open_known(test->dir, test->policy, NULL, sherd_buf_span(&fork), &log));
    sherd_buf_clear(&text);
    sherd_buf_clear(&fork);
    assert_ok(sherd_checkpoint_encode(&more, &text));
    assert_ok(log_sign(NULL, sherd_buf_span(&text), &fork));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_open_known(test->dir, test->policy, NULL, sherd_buf_span(&fork), &log));
    fork.data[fork.len - 10] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, sherd_log_open_known(test->dir, test->policy, NULL, sherd_buf_span(&fork), &log));
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = policy_of_two_logs(&strange);
    assert_err(SHERD_ERR_TAMPERED, sherd_log_open_known(test->dir, policy, NULL, sherd_buf_span(&strange), &log));
    assert_ok(sherd_log_open(test->dir, test->policy, &log_signer, &test->log));
    assert_head(test, 306);
}

/* --- what was changed --------------------------------------------------------------------------------------------- */

struct change {
    const char *file;
    long offset; /* of the bit that changes; -1: the file goes; -2: it is cut; -3: it is longer */
};

static void do_change(const struct log_test *test, const struct change *change)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};

    if (change->offset == -1) {
        assert_ok(sherd_file_remove(test->dir, change->file));
        return;
    }
    assert_ok(sherd_file_read(test->dir, change->file, &bytes));
    if (change->offset == -2)
        bytes.len--;
    else if (change->offset == -3)
        assert_ok(sherd_buf_append(&bytes, sherd_span_str("x")));
    else
        bytes.data[change->offset] ^= 0x10;
    assert_ok(sherd_file_write(test->dir, change->file, sherd_buf_span(&bytes)));
}

/* Whatever is changed is found by who verifies all, and by who opens or proves what it touches. */
static void test_ledger_log__every_file_counts(void **state)
{
    static const struct change changes[] = {
        {"tile/0/000", 0},
        {"tile/0/000", 8191},
        {"tile/0/001", 300},
        {"tile/0/000", -1},
        {"tile/0/000", -2},
        {"tile/0/000", -3},
        {"tile/0/002.p/88", 0},
        {"tile/0/002.p/88", -1},
        {"tile/0/002.p/88", -2},
        {"tile/0/002.p/88", -3},
        {"tile/1/000.p/2", 63},
        {"tile/1/000.p/2", -1},
        {"tile/entries/000", 2},
        {"tile/entries/000", 1},
        {"tile/entries/000", -1},
        {"tile/entries/000", -2},
        {"tile/entries/000", -3},
        {"tile/entries/001", 700},
        {"tile/entries/002.p/88", 5},
        {"tile/entries/002.p/88", -1},
        {"tile/entries/002.p/88", -2},
        {"tile/entries/002.p/88", -3},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(changes); i++) {
        void *fresh = NULL;
        struct sherd_log *log = NULL;

        assert_int_equal(log_setup(&fresh), 0);
        struct log_test *test = fresh;
        assert_ok(append(test, 600));
        do_change(test, &changes[i]);
        enum sherd_err err = sherd_log_open(test->dir, test->policy, NULL, &log);
        if (err == SHERD_OK)
            err = sherd_log_verify(log, NULL, NULL);
        if (err != SHERD_ERR_TAMPERED)
            fail_msg("%s at %ld: %s", changes[i].file, changes[i].offset, sherd_err_name(err));
        sherd_log_close(log);
        (void)log_teardown(&fresh);
    }
}

static enum sherd_err no_leaf(void *arg, uint64_t index, struct sherd_span entry)
{
    (void)arg;
    (void)entry;
    fail_msg("leaf %llu is handed out", (unsigned long long)index);
    return SHERD_OK;
}

static void test_ledger_log__what_is_changed_proves_nothing(void **state)
{
    static const struct change tile = {"tile/0/001", 32};
    static const struct change bundle = {"tile/entries/000", 7};
    static const struct change last = {"tile/entries/002.p/88", 9};
    struct log_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf entry = {0};
    struct sherd_path path;

    assert_ok(append(test, 600));
    do_change(test, &tile);
    do_change(test, &bundle);
    do_change(test, &last);
    reopen(test);
    assert_err(SHERD_ERR_TAMPERED, sherd_log_prove_inclusion(test->log, 257, 600, &path));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_prove_inclusion(test->log, 300, 600, &path));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_prove_consistency(test->log, 300, 600, &path));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_read(test->log, 257, &entry));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_read(test->log, 0, &entry)); /* the tile is right, the bundle is not */
    assert_int_equal(entry.len, 0);
    for (uint64_t i = 0; i < 600; i += 256) { /* nothing of what lies beside it is handed out, either */
        assert_err(SHERD_ERR_TAMPERED, sherd_log_each(test->log, i, i + 1, no_leaf, NULL));
        assert_err(SHERD_ERR_TAMPERED, sherd_log_each(test->log, i + 80, i + 81, no_leaf, NULL));
    }
    assert_ok(sherd_log_read(test->log, 20, &entry));
    assert_ok(sherd_log_prove_inclusion(test->log, 5, 600, &path));
    assert_err(SHERD_ERR_TAMPERED, append(test, 1)); /* it would write the last bundle again */
    do_change(test, &tile);                          /* back again */
    do_change(test, &last);
    assert_ok(sherd_log_prove_inclusion(test->log, 257, 600, &path));
    assert_ok(append(test, 1));
    assert_head(test, 601);
}

/* Two leaves that change places, in bundle and tile alike: the root tells. */
static void test_ledger_log__leaves_that_change_places(void **state)
{
    struct log_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf tile = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = {0};
    struct sherd_log *log = NULL;
    uint8_t block[32];

    assert_ok(append(test, 256));
    assert_ok(sherd_file_read(test->dir, "tile/0/000", &tile));
    assert_ok(sherd_file_read(test->dir, "tile/entries/000", &bundle));
    memcpy(block, tile.data, 32);
    memcpy(tile.data, tile.data + 32, 32);
    memcpy(tile.data + 32, block, 32);
    memcpy(block, bundle.data, 8); /* "leaf 0" and its length */
    memcpy(bundle.data, bundle.data + 8, 8);
    memcpy(bundle.data + 8, block, 8);
    assert_ok(sherd_file_write(test->dir, "tile/0/000", sherd_buf_span(&tile)));
    assert_ok(sherd_file_write(test->dir, "tile/entries/000", sherd_buf_span(&bundle)));
    assert_ok(sherd_log_open(test->dir, test->policy, NULL, &log)); /* the tile above was not changed */
    assert_err(SHERD_ERR_TAMPERED, sherd_log_verify(log, NULL, NULL));
    assert_err(SHERD_ERR_TAMPERED, sherd_log_each(log, 100, 101, no_leaf, NULL));
    sherd_log_close(log);
}

/* A copy that has a full tile where the checkpoint names a partial one, as of one who copied while the log grew. */
static void test_ledger_log__a_full_tile_stands_for_its_beginning(void **state)
{
    struct log_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf old = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf entry = {0};
    struct sherd_log *log = NULL;

    assert_ok(append(test, 100));
    assert_ok(sherd_buf_append(&old, sherd_log_note(test->log)));
    assert_ok(append(test, 400));
    assert_false(exists(test, "tile/0/000.p"));
    assert_ok(sherd_file_write(test->dir, "checkpoint", sherd_buf_span(&old)));
    assert_ok(sherd_log_open(test->dir, test->policy, NULL, &log));
    assert_int_equal(sherd_log_checkpoint(log)->head.size, 100);
    assert_ok(sherd_log_verify(log, NULL, NULL));
    assert_ok(sherd_log_read(log, 99, &entry));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_log_read(log, 100, &entry));
    sherd_log_close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ledger_log__grows, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__files_are_named_as_tiles, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__leaves_are_read, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__verifying_hands_out_the_leaves, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__any_range_is_read, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__any_proof_of_any_size, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__entries_of_any_length, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__one_writes_and_others_read, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__a_reader_makes_nothing, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__a_checkpoint_of_others_is_refused, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__a_signer_that_fails, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__cosignatures_join_the_checkpoint, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__as_a_checkpoint_that_is_known_says, log_setup, log_teardown),
        cmocka_unit_test(test_ledger_log__every_file_counts),
        cmocka_unit_test_setup_teardown(test_ledger_log__what_is_changed_proves_nothing, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__leaves_that_change_places, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_log__a_full_tile_stands_for_its_beginning, log_setup, log_teardown),
    };

    return cmocka_run_group_tests(tests, tree_setup, NULL);
}
