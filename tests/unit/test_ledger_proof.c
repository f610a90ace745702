/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs as text: written, read, verified; and 10,000 that were changed somehow. */
#include "ledger.h"
#include "mutate.h"

#define MUTATIONS 10000U
#define SIZE 300U
#define INDEX 77U

/* A proof that leaf index is in the tree of size leaves. */
static void make_proof(uint64_t index, uint64_t size, const char *extra, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_proof proof = {.index = index};

    checkpoint_make(size, &note);
    checkpoint_cosign(&note, 2, "w2", 1000);
    proof.checkpoint = sherd_buf_span(&note);
    assert_ok(sherd_inclusion_prove(&tree_reader, index, size, &proof.path));
    assert_ok(sherd_proof_encode(&proof, sherd_span_str(extra), out_text));
}

static enum sherd_err verify_text(struct sherd_span text, uint64_t index, const struct sherd_policy *policy)
{
    struct sherd_proof proof;
    char leaf[32];

    SHERD_TRY(sherd_proof_decode(text, &proof));
    return sherd_proof_verify(&proof, tree_leaf(index, leaf), policy, NULL, NULL);
}

static void test_ledger_proof__there_and_back(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 7, 8, 300};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(sizes); i++)
        for (uint64_t index = 0; index < sizes[i]; index += sizes[i] < 10 ? 1 : 37) {
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf extra = {0};
            const char *given = index % 2 == 0 ? "" : "something beside";
            struct sherd_checkpoint checkpoint;
            struct sherd_vouched vouched;
            struct sherd_proof proof;
            char leaf[32];

            make_proof(index, sizes[i], given, &text);
            assert_ok(sherd_proof_decode(sherd_buf_span(&text), &proof));
            assert_int_equal(proof.index, index);
            assert_ok(sherd_proof_extra(&proof, &extra));
            assert_true(sherd_span_equal(sherd_buf_span(&extra), sherd_span_str(given)));
            assert_ok(sherd_proof_encode(&proof, sherd_buf_span(&extra), &again));
            assert_true(sherd_span_equal(sherd_buf_span(&text), sherd_buf_span(&again)));
            assert_ok(sherd_proof_verify(&proof, tree_leaf(index, leaf), policy, &checkpoint, &vouched));
            assert_int_equal(checkpoint.head.size, sizes[i]);
            assert_int_equal(vouched.logs, 1);
            assert_ok(sherd_proof_verify_in(&proof, tree_leaf(index, leaf), &checkpoint.head));
            assert_ok(sherd_proof_verify(&proof, tree_leaf(index, leaf), policy, NULL, NULL));
            assert_err(SHERD_ERR_TAMPERED,
                       sherd_proof_verify(&proof, tree_leaf(index + 1, leaf), policy, &checkpoint, NULL));
        }
}

/* The text of the specification, by hand. */
static void test_ledger_proof__the_form(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf expected = {0};

    (void)state;
    make_proof(1, 2, "hi", &text);
    checkpoint_make(2, &note);
    checkpoint_cosign(&note, 2, "w2", 1000);
    assert_ok(sherd_text_append(&expected, "c2sp.org/tlog-proof@v1\nextra aGk=\nindex 1\n"));
    assert_ok(sherd_digest_append(&expected, &tree_leaves[0]));
    assert_ok(sherd_text_append(&expected, "\n\n"));
    assert_ok(sherd_buf_append(&expected, sherd_buf_span(&note)));
    assert_true(sherd_span_equal(sherd_buf_span(&text), sherd_buf_span(&expected)));
}

#define PROOF_HEAD "c2sp.org/tlog-proof@v1\n"
#define HASH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static void test_ledger_proof__another_form_is_refused(void **state)
{
    static const char *const beginnings[] = {
        "",
        "c2sp.org/tlog-proof@v2\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1 \nindex 0\n\n",
        PROOF_HEAD "\n",
        PROOF_HEAD "index 0\n",                     /* no empty line */
        PROOF_HEAD "index\n\n",                     /* no index */
        PROOF_HEAD "index 00\n\n",                  /* another text for 0 */
        PROOF_HEAD "index 9223372036854775808\n\n", /* no tree has that */
        PROOF_HEAD "Index 0\n\n",
        PROOF_HEAD "index 0\nextra aGk=\n\n",     /* in another order */
        PROOF_HEAD "extra \nindex 0\n\n",         /* extra data that is none */
        PROOF_HEAD "extra aGk\nindex 0\n\n",      /* without padding */
        PROOF_HEAD "extra aGl=\nindex 0\n\n",     /* with bits left over */
        PROOF_HEAD "extra aGk=aGk=\nindex 0\n\n", /* more than one */
        PROOF_HEAD "extra aGk=\nextra aGk=\nindex 0\n\n",
        PROOF_HEAD "index 0\n" HASH "\n\n", /* two empty lines */
        PROOF_HEAD "index 0\nAAAA\n\n",     /* no hash */
        PROOF_HEAD "index 0\n " HASH "\n",
    };
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_proof proof;

    (void)state;
    checkpoint_make(1, &note);
    for (size_t i = 0; i < SHERD_COUNT_OF(beginnings); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

        assert_ok(sherd_text_append(&text, beginnings[i]));
        assert_ok(sherd_buf_append(&text, sherd_buf_span(&note)));
        if (sherd_proof_decode(sherd_buf_span(&text), &proof) != SHERD_ERR_TAMPERED)
            fail_msg("%s is read", beginnings[i]);
    }
    static const char *const wholes[] = {
        PROOF_HEAD "extra aGk=",    /* cut */
        PROOF_HEAD "index 0",       /* cut */
        PROOF_HEAD "index 0\nAAAA", /* cut */
        PROOF_HEAD "index 0\n",     /* no checkpoint */
        PROOF_HEAD "index 0\n\n",   /* an empty one */
        PROOF_HEAD "index 0\n\nno note\n",
        PROOF_HEAD "index 0\n\nno checkpoint\n\n\xe2\x80\x94 a AAAAAAE=\n",
    };
    for (size_t i = 0; i < SHERD_COUNT_OF(wholes); i++)
        assert_err(SHERD_ERR_TAMPERED, sherd_proof_decode(sherd_span_str(wholes[i]), &proof));
}

static void test_ledger_proof__as_many_hashes_as_there_may_be(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_proof proof = {.path.count = SHERD_PATH_HASHES_MAX};

    (void)state;
    checkpoint_make(1, &note);
    proof.checkpoint = sherd_buf_span(&note);
    assert_ok(sherd_proof_encode(&proof, sherd_span_of(NULL, 0), &text));
    assert_ok(sherd_proof_decode(sherd_buf_span(&text), &proof));
    proof.path.count++;
    assert_err(SHERD_ERR_INVALID, sherd_proof_encode(&proof, sherd_span_of(NULL, 0), &text));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf longer = {0};
    assert_ok(sherd_text_append(&longer, PROOF_HEAD "index 0\n" HASH));
    assert_ok(sherd_buf_append(&longer, sherd_span_of(text.data + strlen(PROOF_HEAD "index 0\n"),
                                                      text.len - strlen(PROOF_HEAD "index 0\n"))));
    assert_err(SHERD_ERR_TAMPERED, sherd_proof_decode(sherd_buf_span(&longer), &proof));
}

static void test_ledger_proof__long_extra_data(void **state)
{
    static uint8_t bytes[SHERD_PROOF_EXTRA_BYTES_MAX + 1];
    static const size_t lengths[] = {1, 2, 3, 767, 768, 769, 1536, 1537, SHERD_PROOF_EXTRA_BYTES_MAX};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_proof proof = {.index = 0};

    (void)state;
    checkpoint_make(1, &note);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf extra = {0};

        proof.checkpoint = sherd_buf_span(&note);
        assert_ok(sherd_proof_encode(&proof, sherd_span_of(bytes, lengths[i]), &text));
        assert_ok(sherd_proof_decode(sherd_buf_span(&text), &proof));
        assert_ok(sherd_proof_extra(&proof, &extra));
        assert_true(sherd_span_equal(sherd_buf_span(&extra), sherd_span_of(bytes, lengths[i])));
        if (lengths[i] > 1536) { /* padding within, which a decoder of pieces might overlook */
            memcpy(text.data + strlen(PROOF_HEAD "extra ") + 1021, "A==", 3);
            assert_err(SHERD_ERR_TAMPERED, sherd_proof_decode(sherd_buf_span(&text), &proof));
        }
    }
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    proof.checkpoint = sherd_buf_span(&note);
    assert_err(SHERD_ERR_LIMIT, sherd_proof_encode(&proof, sherd_span_of(bytes, sizeof(bytes)), &text));
    assert_ok(sherd_text_append(&text, PROOF_HEAD "extra "));
    assert_ok(sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(bytes, sizeof(bytes)), &text));
    assert_ok(sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(bytes, sizeof(bytes)), &text));
    assert_ok(sherd_text_append(&text, "\nindex 0\n\n"));
    assert_ok(sherd_buf_append(&text, sherd_buf_span(&note)));
    assert_err(SHERD_ERR_TAMPERED, sherd_proof_decode(sherd_buf_span(&text), &proof));
}

static void test_ledger_proof__nothing_is_written_without_a_checkpoint(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_proof proof = {.checkpoint = sherd_span_str("no note")};
    struct sherd_growth growth = {.checkpoint = sherd_span_str("no note")};

    (void)state;
    assert_err(SHERD_ERR_INVALID, sherd_proof_encode(&proof, sherd_span_of(NULL, 0), &text));
    assert_err(SHERD_ERR_INVALID, sherd_growth_encode(&growth, &text));
    checkpoint_make(1, &note);
    proof.checkpoint = sherd_buf_span(&note);
    growth.checkpoint = sherd_buf_span(&note);
    proof.index = SHERD_TREE_LEAVES_MAX + 1;
    growth.old_size = SHERD_TREE_LEAVES_MAX + 1;
    assert_err(SHERD_ERR_INVALID, sherd_proof_encode(&proof, sherd_span_of(NULL, 0), &text));
    assert_err(SHERD_ERR_INVALID, sherd_growth_encode(&growth, &text));
    assert_int_equal(text.len, 0);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf long_note = {0};
    while (long_note.len <= SHERD_CHECKPOINT_BYTES_MAX)
        assert_ok(sherd_text_append(&long_note, "0123456789abcdef0123456789abcdef"));
    growth = (struct sherd_growth){.checkpoint = sherd_buf_span(&long_note)};
    assert_err(SHERD_ERR_INVALID, sherd_growth_encode(&growth, &text));
}

static void test_ledger_proof__the_policy_decides(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *nobody = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    (void)state;
    make_proof(INDEX, SIZE, "", &text);
    assert_ok(sherd_policy_parse(sherd_span_str("quorum none\n"), &nobody));
    assert_err(SHERD_ERR_TAMPERED, verify_text(sherd_buf_span(&text), INDEX, nobody));
}

/* --- changed ------------------------------------------------------------------------------------------------------ */

/*
 * What verifies in spite of a change says the same: the signature that the policy asks for, over the same text, the
 * same leaf at the same index. Only what nobody vouches for may differ: signatures of others.
 */
static void assert_harmless(struct sherd_span text, struct sherd_span original)
{
    struct sherd_proof changed;
    struct sherd_proof proof;
    struct sherd_signed changed_parts;
    struct sherd_signed parts;

    assert_ok(sherd_proof_decode(text, &changed));
    assert_ok(sherd_proof_decode(original, &proof));
    assert_int_equal(changed.index, proof.index);
    assert_int_equal(changed.path.count, proof.path.count);
    assert_memory_equal(changed.path.hashes, proof.path.hashes, proof.path.count * sizeof(proof.path.hashes[0]));
    assert_true(sherd_span_equal(changed.extra_text, proof.extra_text));
    assert_ok(sherd_signed_parse(changed.checkpoint, &changed_parts));
    assert_ok(sherd_signed_parse(proof.checkpoint, &parts));
    assert_true(sherd_span_equal(changed_parts.text, parts.text));
}

static void test_ledger_proof__ten_thousand_changes_are_refused(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf original = {0};
    uint64_t seed = 20260101;
    unsigned refused = 0;
    unsigned harmless = 0;

    (void)state;
    make_proof(INDEX, SIZE, "", &original);
    assert_ok(verify_text(sherd_buf_span(&original), INDEX, policy));
    while (refused < MUTATIONS) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

        assert_ok(sherd_buf_append(&text, sherd_buf_span(&original)));
        mutate(&text, &seed);
        if (sherd_span_equal(sherd_buf_span(&text), sherd_buf_span(&original)))
            continue;
        const enum sherd_err err = verify_text(sherd_buf_span(&text), INDEX, policy);
        if (err == SHERD_OK) {
            assert_harmless(sherd_buf_span(&text), sherd_buf_span(&original));
            harmless++;
            continue;
        }
        assert_int_equal(err, SHERD_ERR_TAMPERED);
        refused++;
    }
    assert_true(harmless < MUTATIONS / 3);
}

/* Every single bit, where the policy knows all who signed: nothing at all may change. */
static void test_ledger_proof__every_bit_counts(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf words = {0};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    (void)state;
    assert_ok(sherd_text_append(&words, "log "));
    key_append(&words, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    assert_ok(sherd_text_append(&words, "\nwitness w "));
    key_append(&words, 2, SHERD_VKEY_COSIGNED, "w2");
    assert_ok(sherd_text_append(&words, "\nquorum w\n"));
    assert_ok(sherd_policy_parse(sherd_buf_span(&words), &policy));
    make_proof(1, 5, "", &text);
    assert_ok(verify_text(sherd_buf_span(&text), 1, policy));
    for (size_t at = 0; at < text.len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            text.data[at] ^= (uint8_t)(1U << bit);
            assert_err(SHERD_ERR_TAMPERED, verify_text(sherd_buf_span(&text), 1, policy));
            text.data[at] ^= (uint8_t)(1U << bit);
        }
}

/* --- growth ------------------------------------------------------------------------------------------------------- */

static void test_ledger_proof__growth_there_and_back(void **state)
{
    (void)state;
    for (uint64_t old_size = 0; old_size <= 20; old_size++)
        for (unsigned with = 0; with < 2; with++) {
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
            const struct sherd_checkpoint old = {.origin = sherd_span_str("o"), .head = tree_head(old_size)};
            const struct sherd_checkpoint new = {.origin = sherd_span_str("o"), .head = tree_head(20)};
            const struct sherd_checkpoint strange = {.origin = sherd_span_str("p"), .head = tree_head(20)};
            const struct sherd_checkpoint other = {.origin = sherd_span_str("o"), .head = tree_head(old_size + 1)};
            struct sherd_growth growth = {.old_size = old_size};
            struct sherd_growth read;

            checkpoint_make(20, &note);
            if (with == 1)
                growth.checkpoint = sherd_buf_span(&note);
            assert_ok(sherd_consistency_prove(&tree_reader, old_size, 20, &growth.path));
            assert_ok(sherd_growth_encode(&growth, &text));
            assert_ok(sherd_growth_decode(sherd_buf_span(&text), &read));
            assert_true(sherd_span_equal(read.checkpoint, growth.checkpoint));
            assert_ok(sherd_growth_encode(&read, &again));
            assert_true(sherd_span_equal(sherd_buf_span(&text), sherd_buf_span(&again)));
            assert_ok(sherd_growth_verify(&read, &old, &new));
            assert_err(SHERD_ERR_TAMPERED, sherd_growth_verify(&read, &old, &strange));
            assert_err(SHERD_ERR_TAMPERED, sherd_growth_verify(&read, &other, &new));
        }
}

static void test_ledger_proof__growth_of_another_form_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "old\n",
        "old 1",
        "old 01\n",
        "old 9223372036854775808\n",
        "new 1\n",
        "old 1\nAAAA\n",
        "old 1\n" HASH "\n", /* an empty line, and nothing behind it */
        "old 1\n\n",
        "old 1\n" HASH "\nno checkpoint\n",
        "old 1\nAAAA",
    };
    struct sherd_growth growth;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++)
        assert_err(SHERD_ERR_TAMPERED, sherd_growth_decode(sherd_span_str(texts[i]), &growth));
    assert_ok(sherd_growth_decode(sherd_span_str("old 1\n" HASH), &growth));
    assert_int_equal(growth.path.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_proof__there_and_back),
        cmocka_unit_test(test_ledger_proof__the_form),
        cmocka_unit_test(test_ledger_proof__another_form_is_refused),
        cmocka_unit_test(test_ledger_proof__as_many_hashes_as_there_may_be),
        cmocka_unit_test(test_ledger_proof__long_extra_data),
        cmocka_unit_test(test_ledger_proof__nothing_is_written_without_a_checkpoint),
        cmocka_unit_test(test_ledger_proof__the_policy_decides),
        cmocka_unit_test(test_ledger_proof__ten_thousand_changes_are_refused),
        cmocka_unit_test(test_ledger_proof__every_bit_counts),
        cmocka_unit_test(test_ledger_proof__growth_there_and_back),
        cmocka_unit_test(test_ledger_proof__growth_of_another_form_is_refused),
    };

    return cmocka_run_group_tests(tests, tree_setup, NULL);
}
