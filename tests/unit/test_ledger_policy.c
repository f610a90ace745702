/* SPDX-License-Identifier: Apache-2.0 */
/* Policies in the form of C2SP tlog-policy: what is read, what is refused, which witnesses are a quorum. */
#include "ledger.h"

/*
 * Read a text in which @1 is the key of log 1 and $2 that of witness 2, each named by its number.
 */
static enum sherd_err parse(const char *form, struct sherd_policy **out_policy)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    for (; *form != 0; form++) {
        if (*form != '@' && *form != '$') {
            assert_ok(sherd_buf_append(&text, sherd_span_of(form, 1)));
            continue;
        }
        const char name[] = {form[1], 0};
        key_append(&text, (uint8_t)(form[1] - '0'), *form == '@' ? SHERD_VKEY_ED25519 : SHERD_VKEY_COSIGNED, name);
        form++;
    }
    return sherd_policy_parse(sherd_buf_span(&text), out_policy);
}

static void test_ledger_policy__what_is_read(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;

    (void)state;
    assert_ok(parse("# two logs\n"
                    "\n"
                    " \t \n"
                    "log @1\n"
                    "\tlog\t$2   https://log.example/  \n"
                    "  # witnesses\n"
                    "witness \xc3\xa9 $3 https://w.example/\n"
                    "witness b $4\n"
                    "group g all b \xc3\xa9\n"
                    "quorum g\n",
                    &policy));
    assert_int_equal(policy->log_count, 2);
    assert_int_equal(policy->witness_count, 2);
    assert_int_equal(policy->group_count, 1);
    assert_int_equal(policy->logs[0].url.len, 0);
    assert_true(sherd_span_equal(policy->logs[1].url, sherd_span_str("https://log.example/")));
    assert_true(sherd_span_equal(policy->logs[1].key.name, sherd_span_str("2")));
    assert_true(sherd_span_equal(policy->witnesses[0].name, sherd_span_str("\xc3\xa9")));
    assert_true(sherd_span_equal(policy->witnesses[0].url, sherd_span_str("https://w.example/")));
    assert_int_equal(policy->groups[0].threshold, 2);
    assert_int_equal(policy->quorum, SHERD_QUORUM_GROUP);
}

static void test_ledger_policy__what_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "log @1\n",                                   /* no quorum */
        "quorum none",                                /* a line that does not end */
        "quorum none\nquorum none\n",                 /* two */
        "quorum\n",                                   /* of nothing */
        "quorum none none\n",                         /* of two */
        "quorum a\n",                                 /* of what is not there */
        "quorum a\nwitness a $1\n",                   /* of what is not there yet */
        "log\nquorum none\n",                         /* no key */
        "log @1 url more\nquorum none\n",             /* too much */
        "log x+y+z\nquorum none\n",                   /* no key */
        "log @1\nlog @1\nquorum none\n",              /* twice the same */
        "log @1\nlog $1\nquorum none\n",              /* the same key for another purpose */
        "witness\nquorum none\n",                     /* no name */
        "witness a\nquorum none\n",                   /* no key */
        "witness a $1 url more\nquorum none\n",       /* too much */
        "witness a @1\nquorum none\n",                /* the key of a log */
        "witness none $1\nquorum none\n",             /* a name that is taken */
        "witness a $1\nwitness a $2\nquorum none\n",  /* likewise */
        "witness a $1\nwitness b $1\nquorum none\n",  /* twice the same */
        "witness a $1\ngroup a all a\nquorum none\n", /* a name that is taken */
        "witness a $1\ngroup g any a\ngroup g any a\nquorum none\n",
        "witness a $1\ngroup g any a\nwitness g $2\nquorum none\n",
        "group\nquorum none\n",       /* no name */
        "group g\nquorum none\n",     /* no threshold */
        "group g all\nquorum none\n", /* no member */
        "group g any\nquorum none\n",
        "group g 0\nquorum none\n",
        "witness a $1\ngroup g 0 a\nquorum none\n",  /* a threshold that is none */
        "witness a $1\ngroup g 2 a\nquorum none\n",  /* too high */
        "witness a $1\ngroup g 01 a\nquorum none\n", /* not as numbers are written */
        "witness a $1\ngroup g one a\nquorum none\n",
        "witness a $1\ngroup g all a a\nquorum none\n",           /* a member twice */
        "witness a $1\ngroup g all a\ngroup h all a\nquorum h\n", /* a member of two groups */
        "witness a $1\ngroup g all a\ngroup h all g\ngroup i all g\nquorum h\n",
        "group g all g\nquorum g\n", /* of itself */
        "group g all none\nquorum g\n",
        "sign @1\nquorum none\n", /* no such line */
        "Log @1\nquorum none\n",
        "log @1\r\nquorum none\n", /* control characters */
        "# \x7f\nquorum none\n",
        "\vquorum none\n",
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++) {
        struct sherd_policy *policy = NULL;

        if (parse(texts[i], &policy) != SHERD_ERR_INVALID)
            fail_msg("%s: %s", texts[i], sherd_err_detail());
        assert_null(policy);
    }
    struct sherd_policy *policy = NULL;
    assert_err(SHERD_ERR_UNSUPPORTED, parse("log a+00000000+CQAA\nquorum none\n", &policy));
    assert_err(SHERD_ERR_INVALID, sherd_policy_parse(sherd_span_of("quorum none\n\0", 13), &policy));
}

static void test_ledger_policy__as_much_as_there_may_be(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_POLICY_BYTES_MAX + 100};
    struct sherd_policy *policy = NULL;
    char name[32];

    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        static const unsigned limits[] = {SHERD_POLICY_LOGS_MAX, SHERD_POLICY_WITNESSES_MAX, SHERD_POLICY_GROUPS_MAX};

        for (unsigned more = 0; more < 2; more++) {
            sherd_buf_clear(&text);
            for (unsigned i = 0; i < limits[kind] + more; i++) {
                (void)snprintf(name, sizeof(name), "n%u", i);
                assert_ok(sherd_text_append(&text, kind == 0 ? "log " : kind == 1 ? "witness " : "group "));
                if (kind > 0)
                    assert_ok(sherd_text_append(&text, name));
                if (kind == 1)
                    assert_ok(sherd_text_append(&text, " "));
                if (kind < 2)
                    key_append(&text, (uint8_t)(i + 1), kind == 0 ? SHERD_VKEY_ED25519 : SHERD_VKEY_COSIGNED, name);
                if (kind == 2) {
                    assert_ok(sherd_text_append(&text, " any "));
                    (void)snprintf(name, sizeof(name), i == 0 ? "w" : "n%u", i - 1);
                    assert_ok(sherd_text_append(&text, name));
                }
                assert_ok(sherd_text_append(&text, "\n"));
                if (kind == 2 && i == 0) { /* a chain of groups, whose first has the only witness */
                    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf first = sherd_buf_take(&text);
                    text.max = SHERD_POLICY_BYTES_MAX;
                    assert_ok(sherd_text_append(&text, "witness w "));
                    key_append(&text, 1, SHERD_VKEY_COSIGNED, "w");
                    assert_ok(sherd_text_append(&text, "\n"));
                    assert_ok(sherd_buf_append(&text, sherd_buf_span(&first)));
                }
            }
            assert_ok(sherd_text_append(&text, "quorum none\n"));
            if (more == 0) {
                assert_ok(sherd_policy_parse(sherd_buf_span(&text), &policy));
                sherd_policy_free(policy);
                policy = NULL;
            } else {
                assert_err(SHERD_ERR_LIMIT, sherd_policy_parse(sherd_buf_span(&text), &policy));
            }
        }
    }
    sherd_buf_done(&text);
    text.max = SHERD_POLICY_BYTES_MAX + 100;
    while (text.len <= SHERD_POLICY_BYTES_MAX)
        assert_ok(sherd_text_append(&text, "################################################\n"));
    assert_err(SHERD_ERR_LIMIT, sherd_policy_parse(sherd_buf_span(&text), &policy));
    sherd_policy_free(NULL);
}

/* The example of the specification: two of three X, and any Y. */
static void test_ledger_policy__which_witnesses_are_a_quorum(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;

    (void)state;
    assert_ok(parse("log @1\n"
                    "witness X1 $2\nwitness X2 $3\nwitness X3 $4\n"
                    "group X-witnesses 2 X1 X2 X3\n"
                    "witness Y1 $5\nwitness Y2 $6\nwitness Y3 $7\n"
                    "group Y-witnesses any Y1 Y2 Y3\n"
                    "group X-and-Y all X-witnesses Y-witnesses\n"
                    "quorum X-and-Y\n",
                    &policy));
    for (unsigned set = 0; set < 64; set++) {
        bool witnesses[SHERD_POLICY_WITNESSES_MAX] = {false};
        unsigned x = 0;
        unsigned y = 0;

        for (unsigned i = 0; i < 6; i++) {
            witnesses[i] = (set >> i & 1) != 0;
            x += i < 3 && witnesses[i];
            y += i >= 3 && witnesses[i];
        }
        assert_int_equal(sherd_policy_met(policy, witnesses), x >= 2 && y >= 1);
    }
}

static void test_ledger_policy__none_and_one(void **state)
{
    static const bool nobody[SHERD_POLICY_WITNESSES_MAX];
    bool second[SHERD_POLICY_WITNESSES_MAX] = {false, true};
    struct sherd_policy *policy = NULL;

    (void)state;
    assert_ok(parse("quorum none\n", &policy));
    assert_true(sherd_policy_met(policy, nobody));
    sherd_policy_free(policy);
    assert_ok(parse("witness a $1\nwitness b $2\nquorum b\n", &policy));
    assert_false(sherd_policy_met(policy, nobody));
    assert_true(sherd_policy_met(policy, second));
    sherd_policy_free(policy);
    assert_ok(parse("witness a $1\nwitness b $2\nquorum a\n", &policy));
    assert_false(sherd_policy_met(policy, second));
    sherd_policy_free(policy);
}

static void test_ledger_policy__of_one_log(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    struct sherd_policy *none = NULL;

    (void)state;
    assert_int_equal(policy->log_count, 1);
    assert_int_equal(policy->quorum, SHERD_QUORUM_NONE);
    assert_err(SHERD_ERR_INVALID, sherd_policy_of_log(sherd_span_str("a+b+c\nlog x"), &none));
    assert_err(SHERD_ERR_INVALID, sherd_policy_of_log(sherd_span_str(""), &none));
    assert_null(none);
}

/* The keys of one log in lines: of one name, and of two kinds. */
static enum sherd_err of_keys(const struct sherd_buf *first, const struct sherd_buf *second, const char *end,
                              struct sherd_policy **out_policy)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    assert_ok(sherd_buf_append(&text, sherd_buf_span(first)));
    assert_ok(sherd_text_append(&text, "\n"));
    assert_ok(sherd_buf_append(&text, sherd_buf_span(second)));
    assert_ok(sherd_text_append(&text, end));
    return sherd_policy_of_log(sherd_buf_span(&text), out_policy);
}

static void test_ledger_policy__of_one_log_with_two_keys(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf first = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf second = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf other = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf rotated = {0};
    struct sherd_policy *policy = NULL;

    (void)state;
    key_append(&first, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    key_append(&rotated, 2, SHERD_VKEY_ED25519, LOG_ORIGIN);
    assert_err(SHERD_ERR_INVALID, of_keys(&first, &rotated, "", &policy)); /* one of them would do: so it is no pair */
    if (!has_mldsa()) {
        key_of_elsewhere(&second, LOG_ORIGIN);
        assert_err(SHERD_ERR_UNSUPPORTED, of_keys(&first, &second, "", &policy));
        assert_non_null(strstr(sherd_err_detail(), "OpenSSL 3.5"));
        assert_err(SHERD_ERR_UNSUPPORTED, sherd_policy_of_log(sherd_buf_span(&second), &policy));
        assert_null(policy);
        return;
    }
    key_append(&second, 1, SHERD_VKEY_MLDSA, LOG_ORIGIN);
    key_append(&other, 1, SHERD_VKEY_MLDSA, "other.example/log");
    assert_err(SHERD_ERR_INVALID, of_keys(&first, &other, "", &policy));
    assert_err(SHERD_ERR_INVALID, of_keys(&second, &second, "", &policy));
    assert_err(SHERD_ERR_INVALID, of_keys(&first, &second, "\n", &policy));
    assert_null(policy);
    assert_ok(of_keys(&first, &second, "", &policy));
    assert_int_equal(policy->log_count, 2);
    assert_int_equal(policy->logs[1].key.type, SHERD_VKEY_MLDSA);
    sherd_policy_free(policy);
    assert_ok(of_keys(&second, &first, "", &policy));
    sherd_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_policy__what_is_read),
        cmocka_unit_test(test_ledger_policy__what_is_refused),
        cmocka_unit_test(test_ledger_policy__as_much_as_there_may_be),
        cmocka_unit_test(test_ledger_policy__which_witnesses_are_a_quorum),
        cmocka_unit_test(test_ledger_policy__none_and_one),
        cmocka_unit_test(test_ledger_policy__of_one_log),
        cmocka_unit_test(test_ledger_policy__of_one_log_with_two_keys),
    };

    return cmocka_run_group_tests(tests, tree_setup, NULL);
}
