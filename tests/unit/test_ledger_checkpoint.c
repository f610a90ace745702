/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: their text, who signed them, who cosigned them. */
#include "ledger.h"
#include "mutate.h"

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
/* The example of C2SP tlog-checkpoint. */
#define EXAMPLE "example.com/behind-the-sofa\n20852163\n" ROOT "\n"

static void test_ledger_checkpoint__the_published_example(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_checkpoint checkpoint;

    (void)state;
    assert_ok(sherd_checkpoint_decode(sherd_span_str(EXAMPLE), &checkpoint));
    assert_true(sherd_span_equal(checkpoint.origin, sherd_span_str("example.com/behind-the-sofa")));
    assert_int_equal(checkpoint.head.size, 20852163);
    assert_int_equal(checkpoint.head.root.bytes[0], 0x0a);
    assert_int_equal(checkpoint.extension.len, 0);
    assert_ok(sherd_checkpoint_encode(&checkpoint, &text));
    assert_true(sherd_span_equal(sherd_buf_span(&text), sherd_span_str(EXAMPLE)));
}

static void test_ledger_checkpoint__one_text_for_one_meaning(void **state)
{
    static const char *const good[] = {
        EXAMPLE,
        "o\n0\n" ROOT "\n",
        "go.sum database tree\n9223372036854775807\n" ROOT "\n",
        "o\n1\n" ROOT "\nextension 1\nand 2\n",
        "\xc3\xa9\n1\n" ROOT "\n",
    };
    static const char *const bad[] = {
        "",
        "o\n",
        "o\n1\n",
        "o\n1\n" ROOT,                         /* the line does not end */
        "\n1\n" ROOT "\n",                     /* no origin */
        "o\n\n" ROOT "\n",                     /* no size */
        "o\n01\n" ROOT "\n",                   /* another text for 1 */
        "o\n-1\n" ROOT "\n",                   /* no size */
        "o\n1 \n" ROOT "\n",                   /* a blank */
        "o\n9223372036854775808\n" ROOT "\n",  /* no tree is so large */
        "o\n18446744073709551616\n" ROOT "\n", /* no number */
        "o\n1\n" ROOT "=\n",                   /* no digest */
        "o\n1\nAAAA\n",                        /* a short one */
        "o\n1\n" ROOT "\n\n",                  /* an extension that is empty */
        "o\n1\n" ROOT "\nextension",           /* one that does not end */
        "o\n1\n" ROOT "\nextension\n\nmore\n", /* one with an empty line */
        "o\n1\n" ROOT "\r\n",                  /* another line end */
        "o\to\n1\n" ROOT "\n",                 /* a control character */
        "o\n1\n" ROOT "\nexten\x01sion\n",
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(good); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
        struct sherd_checkpoint checkpoint;

        assert_ok(sherd_checkpoint_decode(sherd_span_str(good[i]), &checkpoint));
        assert_ok(sherd_checkpoint_encode(&checkpoint, &text));
        assert_true(sherd_span_equal(sherd_buf_span(&text), sherd_span_str(good[i])));
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++) {
        struct sherd_checkpoint checkpoint = {.head.size = 99};

        assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_decode(sherd_span_str(bad[i]), &checkpoint));
        assert_int_equal(checkpoint.head.size, 99);
    }
}

static void test_ledger_checkpoint__what_cannot_be_read_again_is_not_written(void **state)
{
    static const struct {
        const char *origin;
        uint64_t size;
        const char *extension;
    } bad[] = {
        {"", 1, ""},           {"a\nb", 1, ""},    {"a\n5\n" ROOT, 1, ""},   {"a\tb", 1, ""},
        {"a", 1, "\n"},        {"a", 1, "no end"}, {"a", 1, "one\n\ntwo\n"}, {"a", SHERD_TREE_LEAVES_MAX + 1, ""},
        {"a", UINT64_MAX, ""},
    };
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++) {
        const struct sherd_checkpoint checkpoint = {.origin = sherd_span_str(bad[i].origin),
                                                    .head.size = bad[i].size,
                                                    .extension = sherd_span_str(bad[i].extension)};

        assert_err(SHERD_ERR_INVALID, sherd_checkpoint_encode(&checkpoint, &text));
        assert_int_equal(text.len, 0);
    }
}

/* --- who vouches -------------------------------------------------------------------------------------------------- */

/* A policy of the log, and witnesses w2, w3, w4 (keys 2, 3, 4), of which two are needed. */
static struct sherd_policy *policy_of_three(void)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_policy *policy = NULL;

    assert_ok(sherd_text_append(&text, "log "));
    key_append(&text, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    for (uint8_t i = 2; i <= 4; i++) {
        const char name[] = {'w', (char)('0' + i), 0};

        assert_ok(sherd_text_append(&text, "\nwitness "));
        assert_ok(sherd_text_append(&text, name));
        assert_ok(sherd_text_append(&text, " "));
        key_append(&text, i, SHERD_VKEY_COSIGNED, name);
    }
    assert_ok(sherd_text_append(&text, "\ngroup g 2 w2 w3 w4\nquorum g\n"));
    assert_ok(sherd_policy_parse(sherd_buf_span(&text), &policy));
    return policy;
}

static void test_ledger_checkpoint__a_log_that_is_trusted_must_have_signed(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;
    uint8_t other = 9;

    (void)state;
    checkpoint_make(17, &note);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, &vouched));
    assert_int_equal(checkpoint.head.size, 17);
    assert_int_equal(vouched.logs, 1);
    assert_int_equal(vouched.witnesses, 0);
    assert_int_equal(vouched.time_newest_s, 0);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, NULL));

    struct sherd_signed parts;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf forged = {0};
    assert_ok(sherd_signed_parse(sherd_buf_span(&note), &parts));
    assert_ok(log_sign(&other, parts.text, &forged)); /* the same name, another key */
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&forged), policy, &checkpoint, NULL));
    assert_ok(sherd_buf_append(&forged, parts.lines)); /* beside the right one it does not matter */
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&forged), policy, &checkpoint, &vouched));
    assert_ok(sherd_buf_append(&forged, parts.lines)); /* and twice is once */
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&forged), policy, &checkpoint, &vouched));
    assert_int_equal(vouched.logs, 1);
}

/* A signature with the name and id of a key that is known, and which is not by it, spoils all. */
static void test_ledger_checkpoint__one_false_signature_spoils_it(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = policy_of_three();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_signed parts;

    (void)state;
    checkpoint_make(17, &note);
    for (uint8_t i = 2; i <= 4; i++)
        checkpoint_cosign(&note, i, (char[]){'w', (char)('0' + i), 0}, 1000);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, NULL));
    assert_ok(sherd_signed_parse(sherd_buf_span(&note), &parts));
    for (size_t line = 0; line < 4; line++) {
        struct sherd_span rest = parts.lines;
        struct sherd_span text;

        for (size_t i = 0; i <= line; i++)
            assert_true(sherd_line_take(&rest, &text));
        uint8_t *letter = (uint8_t *)(uintptr_t)(text.data + text.len - 8);
        const uint8_t old = *letter;
        *letter = old == 'A' ? 'B' : 'A';
        assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, NULL));
        *letter = old;
    }
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, NULL));
}

static void test_ledger_checkpoint__a_quorum_must_have_cosigned(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = policy_of_three();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    (void)state;
    checkpoint_make(17, &note);
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, NULL));
    checkpoint_cosign(&note, 3, "w3", 2000);
    checkpoint_cosign(&note, 3, "w3", 1000); /* again: still one witness */
    checkpoint_cosign(&note, 5, "w2", 1000); /* the name of a witness, but not its key */
    checkpoint_cosign(&note, 9, "w9", 1000); /* nobody knows that one */
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, NULL));
    checkpoint_cosign(&note, 4, "w4", 3000);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, &vouched));
    assert_int_equal(vouched.witnesses, 2);
    assert_int_equal(vouched.time_oldest_s, 1000);
    assert_int_equal(vouched.time_newest_s, 3000);
}

static void test_ledger_checkpoint__witnesses_alone_do_not_do(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = policy_of_three();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bare = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_signed parts;

    (void)state;
    checkpoint_make(17, &note);
    assert_ok(sherd_signed_parse(sherd_buf_span(&note), &parts));
    assert_ok(sherd_buf_append(&bare, parts.text));
    assert_ok(sherd_text_append(&bare, "\n\xe2\x80\x94 x AAAAAAE=\n"));
    checkpoint_cosign(&bare, 2, "w2", 1);
    checkpoint_cosign(&bare, 3, "w3", 1);
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&bare), policy, &checkpoint, NULL));
}

/* The key of a log vouches for that log alone, whatever it signs. */
static void test_ledger_checkpoint__a_log_signs_for_itself_alone(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    const struct sherd_checkpoint other = {.origin = sherd_span_str("other.example/log"), .head = tree_head(3)};
    struct sherd_checkpoint checkpoint;

    (void)state;
    assert_ok(sherd_checkpoint_encode(&other, &text));
    assert_ok(log_sign(NULL, sherd_buf_span(&text), &note));
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, NULL));
}

static void test_ledger_checkpoint__what_is_none_is_refused(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf letter = {0};
    struct sherd_checkpoint checkpoint;

    (void)state;
    checkpoint_make(17, &note);
    assert_err(SHERD_ERR_TAMPERED,
               sherd_checkpoint_verify(sherd_span_of(note.data, note.len - 1), policy, &checkpoint, NULL));
    assert_ok(log_sign(NULL, sherd_span_str("a letter\n"), &letter)); /* well signed, but no checkpoint */
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&letter), policy, &checkpoint, NULL));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf long_note = {0};
    assert_ok(sherd_buf_reserve(&long_note, SHERD_CHECKPOINT_BYTES_MAX + 1));
    while (long_note.len <= SHERD_CHECKPOINT_BYTES_MAX)
        assert_ok(sherd_text_append(&long_note, "0123456789abcdef"));
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&long_note), policy, &checkpoint, NULL));
}

/* --- by two keys -------------------------------------------------------------------------------------------------- */

/* The keys of the log of key 1; kinds: which. */
static struct sherd_policy *policy_of_keys(bool ed25519, bool mldsa, bool own)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_policy *policy = NULL;

    if (ed25519)
        key_append(&text, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    if (ed25519 && mldsa)
        assert_ok(sherd_text_append(&text, "\n"));
    if (mldsa)
        key_append(&text, 1, SHERD_VKEY_MLDSA, LOG_ORIGIN);
    assert_ok(own ? sherd_policy_of_own_log(sherd_buf_span(&text), &policy)
                  : sherd_policy_of_log(sherd_buf_span(&text), &policy));
    return policy;
}

/*
 * Without ML-DSA-44 a checkpoint that has both signatures verifies by the one that can be verified, if that is asked.
 */
static void assert_second_line_is_ignored(void)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    uint8_t blob[4 + SHERD_MLDSA_COSIGNATURE_SIZE] = {1, 2, 3, 4};
    struct sherd_policy *both = NULL;
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    checkpoint_make(17, &note);
    assert_ok(sherd_text_append(&note, "\xe2\x80\x94 " LOG_ORIGIN " "));
    assert_ok(sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(blob, sizeof(blob)), &note));
    assert_ok(sherd_text_append(&note, "\n"));
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, &vouched));
    assert_int_equal(vouched.logs, 1);
    assert_false(vouched.by_mldsa);
    key_append(&text, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    assert_ok(sherd_text_append(&text, "\n"));
    key_of_elsewhere(&text, LOG_ORIGIN);
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_policy_of_log(sherd_buf_span(&text), &both));
    assert_null(both);
}

/* Who knows both keys asks for both signatures; who knows one is not disturbed by the other. */
static void test_ledger_checkpoint__of_two_keys_both_must_have_signed(void **state)
{
    (void)state;
    if (!has_mldsa()) {
        assert_second_line_is_ignored();
        return;
    }
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *both = policy_of_keys(true, true, false);
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *first = policy_of_keys(true, false, false);
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *second = policy_of_keys(false, true, false);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf other = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf alone = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;
    struct sherd_signed parts;
    struct sherd_span line;

    checkpoint_make(17, &note);
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&note), both, &checkpoint, NULL));
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&note), second, &checkpoint, NULL));
    checkpoint_cosign_mldsa(&note, 1, LOG_ORIGIN, 1000);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), both, &checkpoint, &vouched));
    assert_int_equal(vouched.logs, 2);
    assert_true(vouched.by_mldsa);
    assert_int_equal(vouched.witnesses, 0);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), first, &checkpoint, &vouched));
    assert_false(vouched.by_mldsa);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), second, &checkpoint, NULL));

    assert_ok(sherd_signed_parse(sherd_buf_span(&note), &parts)); /* that of ML-DSA-44 alone */
    assert_true(sherd_line_take(&parts.lines, &line));
    assert_ok(sherd_buf_append(&alone, parts.text));
    assert_ok(sherd_text_append(&alone, "\n"));
    assert_ok(sherd_buf_append(&alone, parts.lines));
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&alone), both, &checkpoint, NULL));
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&alone), first, &checkpoint, NULL));
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&alone), second, &checkpoint, NULL));

    checkpoint_make(17, &other); /* by another key of that name */
    checkpoint_cosign_mldsa(&other, 2, LOG_ORIGIN, 1000);
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&other), both, &checkpoint, NULL));
}

/* The log's own view: checkpoints from before there was a second key hold; one that says it is by it must be by it. */
static void test_ledger_checkpoint__the_log_itself_remembers_other_days(void **state)
{
    (void)state;
    if (!has_mldsa()) {
        assert_second_line_is_ignored();
        return;
    }
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *own = policy_of_keys(true, true, true);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf alone = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_signed parts;
    struct sherd_span line;

    checkpoint_make(17, &note);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), own, &checkpoint, NULL));
    checkpoint_cosign_mldsa(&note, 1, LOG_ORIGIN, 1000);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&note), own, &checkpoint, NULL));
    assert_ok(sherd_signed_parse(sherd_buf_span(&note), &parts));
    assert_true(sherd_line_take(&parts.lines, &line));
    assert_ok(sherd_buf_append(&alone, parts.text));
    assert_ok(sherd_text_append(&alone, "\n"));
    assert_ok(sherd_buf_append(&alone, parts.lines));
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&alone), own, &checkpoint, NULL));
    note.data[note.len - 100] = note.data[note.len - 100] == 'A' ? 'B' : 'A';
    assert_err(SHERD_ERR_TAMPERED, sherd_checkpoint_verify(sherd_buf_span(&note), own, &checkpoint, NULL));
}

/* Whether each line of one note's signatures stands in the other, below the same text. */
static bool says_the_same(const struct sherd_buf *note, const struct sherd_buf *mutated)
{
    struct sherd_signed parts;
    struct sherd_signed others;
    struct sherd_span line;

    assert_ok(sherd_signed_parse(sherd_buf_span(note), &parts));
    assert_ok(sherd_signed_parse(sherd_buf_span(mutated), &others));
    while (sherd_line_take(&parts.lines, &line))
        if (memmem(others.lines.data, others.lines.len, line.data, line.len) == NULL)
            return false;
    return sherd_span_equal(parts.text, others.text);
}

/* 1,000 changes of a note that both keys signed; what is accepted only has a line twice, or in another place. */
static void test_ledger_checkpoint__each_change_of_a_double_note_is_refused(void **state)
{
    uint64_t dice_state = 44;
    unsigned refused = 0;

    (void)state;
    if (!has_mldsa()) {
        assert_second_line_is_ignored();
        return;
    }
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *both = policy_of_keys(true, true, false);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    checkpoint_make(17, &note);
    checkpoint_cosign_mldsa(&note, 1, LOG_ORIGIN, 1000);
    while (refused < 1000) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf mutated = {0};
        struct sherd_checkpoint checkpoint = {.head.size = 99};

        assert_ok(sherd_buf_append(&mutated, sherd_buf_span(&note)));
        mutate(&mutated, &dice_state);
        const enum sherd_err err = sherd_checkpoint_verify(sherd_buf_span(&mutated), both, &checkpoint, NULL);
        if (err == SHERD_OK) {
            assert_true(says_the_same(&note, &mutated));
            continue;
        }
        assert_int_equal(err, SHERD_ERR_TAMPERED);
        assert_int_equal(checkpoint.head.size, 99);
        refused++;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_checkpoint__the_published_example),
        cmocka_unit_test(test_ledger_checkpoint__one_text_for_one_meaning),
        cmocka_unit_test(test_ledger_checkpoint__what_cannot_be_read_again_is_not_written),
        cmocka_unit_test(test_ledger_checkpoint__a_log_that_is_trusted_must_have_signed),
        cmocka_unit_test(test_ledger_checkpoint__one_false_signature_spoils_it),
        cmocka_unit_test(test_ledger_checkpoint__a_quorum_must_have_cosigned),
        cmocka_unit_test(test_ledger_checkpoint__witnesses_alone_do_not_do),
        cmocka_unit_test(test_ledger_checkpoint__a_log_signs_for_itself_alone),
        cmocka_unit_test(test_ledger_checkpoint__what_is_none_is_refused),
        cmocka_unit_test(test_ledger_checkpoint__of_two_keys_both_must_have_signed),
        cmocka_unit_test(test_ledger_checkpoint__the_log_itself_remembers_other_days),
        cmocka_unit_test(test_ledger_checkpoint__each_change_of_a_double_note_is_refused),
    };

    return cmocka_run_group_tests(tests, tree_setup, NULL);
}
