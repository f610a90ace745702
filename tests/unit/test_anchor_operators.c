/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of who unseals: shares that come one by one, failures that are counted for each user alone. */
#include "anchor/agent/operators.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "vault.h"

static uint64_t now_ns;

static uint64_t test_ns(void)
{
    return now_ns;
}

static int64_t test_s(void)
{
    return 0;
}

static const struct sherd_clock test_clock = {.wall_s = test_s, .monotonic_ns = test_ns};

static void pass(unsigned seconds)
{
    now_ns += (uint64_t)seconds * 1000000000U;
}

/* Shares are lines such as "1a": a seal, and a letter; three open. An "x" is forged. */
static enum sherd_err check(void *arg, struct sherd_span shares, struct sherd_wire_unsealed *out)
{
    bool seen[256] = {false};
    unsigned seal = 0;
    unsigned given = 0;

    (void)arg;
    for (size_t i = 0; i < shares.len; i++) {
        if (shares.data[i] == '\n')
            continue;
        if (i + 1 == shares.len || shares.data[i + 1] == 'x')
            return sherd_fail(SHERD_ERR_DENIED, "forged");
        seal = (unsigned)(shares.data[i] - '0');
        const uint8_t letter = shares.data[++i];
        if (seen[letter])
            return sherd_fail(SHERD_ERR_INVALID, "%c is given twice", letter);
        seen[letter] = true;
        given++;
    }
    out->progress = (struct sherd_wire_progress){(uint8_t)seal, (uint8_t)given, 3, 5};
    return SHERD_OK;
}

static enum sherd_err give(struct sherd_operators *operators, const char *text, unsigned *out_given, bool *out_enough)
{
    struct sherd_wire_unsealed out = {0};
    struct sherd_span all;

    SHERD_TRY(sherd_operators_give(operators, sherd_span_str(text), check, NULL, &out, &all));
    *out_given = out.progress.given;
    *out_enough = all.len > 0;
    return SHERD_OK;
}

static int setup(void **state)
{
    struct sherd_operators *operators = NULL;

    now_ns = 1000000000;
    sherd_clock_set(&test_clock);
    assert_ok(sherd_operators_new(1000, &operators));
    *state = operators;
    return 0;
}

static int teardown(void **state)
{
    sherd_operators_free(*state);
    sherd_clock_set(NULL);
    return 0;
}

static void test_anchor_operators_give__counts_what_is_good(void **state)
{
    struct sherd_wire_progress progress[4];
    unsigned given = 0;
    bool enough = true;

    assert_ok(give(*state, "1a", &given, &enough));
    assert_int_equal(given, 1);
    assert_false(enough);
    assert_err(SHERD_ERR_INVALID, give(*state, "1a", &given, &enough));
    assert_err(SHERD_ERR_DENIED, give(*state, "1x", &given, &enough));
    assert_ok(give(*state, "2a", &given, &enough)); /* of another seal */
    assert_int_equal(given, 1);
    assert_ok(give(*state, "1b", &given, &enough));
    assert_int_equal(given, 2);
    assert_int_equal(sherd_operators_progress(*state, progress, 4), 2);
    assert_ok(give(*state, "1c", &given, &enough));
    assert_int_equal(given, 3);
    assert_true(enough);
    sherd_operators_forget(*state, 1);
    assert_int_equal(sherd_operators_progress(*state, progress, 4), 1);
    assert_ok(give(*state, "1d\n1e\n1f", &given, &enough)); /* all at once */
    assert_true(enough);
    sherd_operators_forget(*state, 0);
    assert_int_equal(sherd_operators_progress(*state, progress, 4), 0);
}

static void test_anchor_operators_shares__are_forgotten_after_a_while(void **state)
{
    struct sherd_wire_progress progress[4];
    unsigned given = 0;
    bool enough = true;

    assert_ok(give(*state, "1a\n1b", &given, &enough));
    pass(SHERD_OPERATORS_LIFETIME_S - 1);
    assert_err(SHERD_ERR_DENIED, give(*state, "1x", &given, &enough)); /* keeps nothing alive */
    assert_ok(give(*state, "1c", &given, &enough));
    assert_true(enough);
    pass(1);
    assert_int_equal(sherd_operators_progress(*state, progress, 4), 1);
    assert_int_equal(progress[0].given, 1);
    assert_ok(give(*state, "1a", &given, &enough));
    assert_int_equal(given, 2);
    assert_false(enough);
    pass(SHERD_OPERATORS_LIFETIME_S);
    assert_int_equal(sherd_operators_progress(*state, progress, 4), 0);
}

/* Shares that are enough may wait for what else is needed, until they are forgotten. */
static void test_anchor_operators_ready__gives_shares_that_are_enough(void **state)
{
    unsigned given = 0;
    unsigned seal = 0;
    bool enough = false;

    assert_int_equal(sherd_operators_ready(*state, &seal).len, 0);
    assert_ok(give(*state, "1a\n1b", &given, &enough));
    assert_ok(give(*state, "2a", &given, &enough));
    assert_int_equal(sherd_operators_ready(*state, &seal).len, 0);
    assert_ok(give(*state, "2b\n2c", &given, &enough));
    assert_true(enough);
    assert_true(sherd_span_equal(sherd_operators_ready(*state, &seal), sherd_span_str("2a\n2b\n2c\n")));
    assert_int_equal(seal, 2);
    pass(SHERD_OPERATORS_LIFETIME_S + 1);
    assert_int_equal(sherd_operators_ready(*state, &seal).len, 0);
}

static void test_anchor_operators_failures__slow_only_who_fails(void **state)
{
    struct sherd_operators *operators = *state;
    unsigned pauses = 0;

    for (unsigned i = 0; i < 1000; i++) {
        const enum sherd_err err = sherd_operators_admit(operators, 5);

        pauses += err == SHERD_ERR_BUSY;
        if (err == SHERD_OK)
            sherd_operators_tried(operators, 5, SHERD_ERR_DENIED);
        assert_ok(sherd_operators_admit(operators, 6));
        assert_ok(sherd_operators_admit(operators, 1000));
    }
    assert_int_equal(pauses, 1000 - SHERD_OPERATORS_FREE_FAILURES - 1);
    pass(1);
    assert_ok(sherd_operators_admit(operators, 5));
    sherd_operators_tried(operators, 5, SHERD_ERR_DENIED);
    pass(1);
    assert_err(SHERD_ERR_BUSY, sherd_operators_admit(operators, 5)); /* two seconds now */
    pass(1);
    assert_ok(sherd_operators_admit(operators, 5));
    sherd_operators_tried(operators, 5, SHERD_OK);
    sherd_operators_tried(operators, 5, SHERD_ERR_DENIED); /* as the first time */
    assert_ok(sherd_operators_admit(operators, 5));
    for (unsigned i = 0; i < 100; i++) {
        pass(SHERD_OPERATORS_PAUSE_S_MAX);
        assert_ok(sherd_operators_admit(operators, 5)); /* never longer than that */
        sherd_operators_tried(operators, 5, SHERD_ERR_DENIED);
    }
    sherd_operators_tried(operators, 6, SHERD_ERR_IO); /* not the operator's fault */
    assert_ok(sherd_operators_admit(operators, 6));
}

/* Strangers of more names than are remembered, who fail as often as they may: room for an operator is left always. */
static void test_anchor_operators_room__is_left_for_everybody(void **state)
{
    for (unsigned i = 0; i <= SHERD_OPERATORS_FREE_FAILURES; i++)
        sherd_operators_tried(*state, 1000, SHERD_ERR_DENIED);
    for (unsigned round = 0; round < 3; round++) {
        for (uid_t uid = 1; uid < 500; uid++)
            for (unsigned i = 0; i <= SHERD_OPERATORS_FREE_FAILURES + uid % 2; i++)
                if (sherd_operators_admit(*state, uid) == SHERD_OK)
                    sherd_operators_tried(*state, uid, SHERD_ERR_DENIED);
        assert_ok(sherd_operators_admit(*state, 900 + round));
    }
    assert_err(SHERD_ERR_BUSY, sherd_operators_admit(*state, 1000)); /* the owner is remembered, with what it did */
    pass(1);
    assert_ok(sherd_operators_admit(*state, 1000));
}

/* Who fails most is forgotten last. */
static void test_anchor_operators_room__is_that_of_who_failed_least(void **state)
{
    for (unsigned i = 0; i < 20; i++) {
        pass(SHERD_OPERATORS_PAUSE_S_MAX);
        assert_ok(sherd_operators_admit(*state, 7));
        sherd_operators_tried(*state, 7, SHERD_ERR_DENIED);
    }
    for (uid_t uid = 10000; uid < 20000; uid++)
        for (unsigned i = 0; i < 10; i++)
            if (sherd_operators_admit(*state, uid) == SHERD_OK)
                sherd_operators_tried(*state, uid, SHERD_ERR_TAMPERED);
    assert_err(SHERD_ERR_BUSY, sherd_operators_admit(*state, 7));
}

/*
 * 10,000 bad shares while operators give theirs, and no time passes: each good one is looked at at once, since no pause
 * of others is anybody's, and counts, since nothing of others takes its place.
 */
static void test_anchor_operators_attack__delays_no_operator(void **state)
{
    static const char *const bad[] = {"1x", "1a", "2x", "9x"}; /* forged, or given before */
    static const char *const good[] = {"1a", "1b", "1c"};
    unsigned looked_at = 0;
    unsigned given = 0;
    bool enough = false;

    for (unsigned i = 1; i <= 10001; i++) {
        const uid_t stranger = 2000 + i % 5;

        if (i % 5000 == 1) {
            const uid_t who = i / 5000 == 0 ? 1000 : 3000 + i / 5000;

            assert_ok(sherd_operators_admit(*state, who));
            assert_ok(give(*state, good[i / 5000], &given, &enough));
            sherd_operators_tried(*state, who, SHERD_OK);
            assert_int_equal(given, i / 5000 + 1);
            continue;
        }
        if (sherd_operators_admit(*state, stranger) != SHERD_OK)
            continue;
        unsigned unused;
        const enum sherd_err err = give(*state, bad[i % 4], &unused, &enough);
        assert_int_not_equal(err, SHERD_OK);
        sherd_operators_tried(*state, stranger, err);
        looked_at++;
    }
    assert_true(enough);
    assert_int_equal(looked_at, 5 * (SHERD_OPERATORS_FREE_FAILURES + 1));
}

/* Whatever is wrong with what is given counts; what is not the operator's doing does not. */
static void test_anchor_operators_failures__are_all_that_the_operator_does(void **state)
{
    static const enum sherd_err theirs[] = {SHERD_ERR_INVALID,    SHERD_ERR_NOT_FOUND, SHERD_ERR_CONFLICT,
                                            SHERD_ERR_DENIED,     SHERD_ERR_TAMPERED,  SHERD_ERR_LIMIT,
                                            SHERD_ERR_UNSUPPORTED};
    static const enum sherd_err not_theirs[] = {SHERD_ERR_IO, SHERD_ERR_NO_MEMORY, SHERD_ERR_BUSY, SHERD_ERR_SEALED};

    for (uid_t i = 0; i < SHERD_COUNT_OF(theirs); i++) {
        for (unsigned n = 0; n <= SHERD_OPERATORS_FREE_FAILURES; n++) {
            assert_ok(sherd_operators_admit(*state, 10 + i));
            sherd_operators_tried(*state, 10 + i, theirs[i]);
        }
        assert_err(SHERD_ERR_BUSY, sherd_operators_admit(*state, 10 + i));
    }
    for (uid_t i = 0; i < SHERD_COUNT_OF(not_theirs); i++)
        for (unsigned n = 0; n < 100; n++) {
            assert_ok(sherd_operators_admit(*state, 30 + i));
            sherd_operators_tried(*state, 30 + i, not_theirs[i]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_anchor_operators_give__counts_what_is_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_operators_shares__are_forgotten_after_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_operators_ready__gives_shares_that_are_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_operators_failures__slow_only_who_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_operators_failures__are_all_that_the_operator_does, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_anchor_operators_room__is_left_for_everybody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_operators_room__is_that_of_who_failed_least, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_operators_attack__delays_no_operator, setup, teardown),
    };

    return cmocka_run_group_tests_name("anchor_operators", tests, NULL, NULL);
}
