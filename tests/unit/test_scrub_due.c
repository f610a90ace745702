/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of rotation by policy, on a whole vault: what is due is done once, whoever asks and however often; killed at
 * any step the next call ends it; every record stays readable meanwhile.
 */
#include "base/bytes.h"
#include "base/failpoint.h"
#include "clock.h"
#include "cryptor/vault.h"
#include "vault.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define HOUR_S 3600

static const struct sherd_key_policy hourly = {.age_s_max = HOUR_S};
static const struct sherd_key_policy hourly_and_destroy = {.age_s_max = HOUR_S, .destroy = true};

static int setup(void **state)
{
    clock_use();
    return vault_setup(state);
}

static int teardown(void **state)
{
    const int failed = vault_teardown(state);

    sherd_clock_set(NULL);
    return failed;
}

static void rule(struct sherd_vault *vault, const char *name, const struct sherd_key_policy *policy)
{
    assert_ok(sherd_key_policy_set(vault, name, policy, false));
}

static void activate(struct sherd_vault *vault, const char *name)
{
    const struct sherd_master_options options = {.name = name};

    assert_ok(sherd_master_activate(vault, &options, NULL));
}

/* --- what there is, and what is done ------------------------------------------------------------------------------ */

struct listed {
    const char *name;
    unsigned count;
    unsigned active;
    struct sherd_master_info newest;
};

static enum sherd_err note(void *arg, const struct sherd_master_info *info)
{
    struct listed *listed = arg;

    if (strcmp(info->name, listed->name) != 0)
        return SHERD_OK;
    listed->count++;
    listed->active += info->state == SHERD_MASTER_ACTIVE ? 1 : 0;
    listed->newest = *info;
    return SHERD_OK;
}

static struct listed list(struct sherd_vault *vault, const char *name)
{
    struct listed listed = {.name = name};

    assert_ok(sherd_master_each(vault, note, &listed));
    return listed;
}

/* The steps as text: "activate default 2 age; rekey; ..." */
struct told {
    char text[1024];
    const char *end_at; /* the step, without its name, at which the listener ends it; NULL for none */
};

static enum sherd_err tell(void *arg, const struct sherd_due_step *step)
{
    static const char *const words[] = {"", "activate", "rekey", "retire", "state", "destroy"};
    static const char *const whys[] = {"", " age", " wraps", " entities", " schedule"};
    struct told *told = arg;
    const size_t len = strlen(told->text);

    assert_true((step->statement.len > 0) == (step->action == SHERD_DUE_STATE));
    if (step->name != NULL)
        (void)snprintf(told->text + len, sizeof(told->text) - len, "%s %s %u%s; ", words[step->action], step->name,
                       (unsigned)step->version, whys[step->why]);
    else
        (void)snprintf(told->text + len, sizeof(told->text) - len, "%s; ", words[step->action]);
    return told->end_at != NULL && strcmp(told->end_at, words[step->action]) == 0
               ? sherd_fail(SHERD_ERR_IO, "the listener has had enough")
               : SHERD_OK;
}

static struct told told_by(struct sherd_vault *vault, bool dry_run)
{
    struct told told = {.text = ""};
    const struct sherd_due_options options = {.dry_run = dry_run, .tell = tell, .tell_arg = &told};
    struct sherd_rekey_stat stat;

    assert_ok(sherd_rekey_due(vault, &options, NULL, NULL, &stat));
    if (told.text[0] == 0 || dry_run)
        assert_int_equal(stat.seen, 0); /* nothing was walked over */
    return told;
}

static void assert_due(struct sherd_vault *vault, const char *expected)
{
    const struct told told = told_by(vault, false);

    assert_string_equal(told.text, expected);
}

/* --- one process -------------------------------------------------------------------------------------------------- */

static void test_scrub_due__does_nothing_where_nothing_is_due(void **state)
{
    struct vault_test *test = *state;

    vault_put(test, NULL, "something");
    assert_due(test->vault, "");
    clock_move(10 * HOUR_S);
    assert_due(test->vault, "");
    clock_move(-10 * HOUR_S);
    rule(test->vault, "default", &hourly);
    activate(test->vault, "other"); /* of which nothing is ruled */
    activate(test->vault, "other");
    assert_due(test->vault, "");
    assert_int_equal(list(test->vault, "other").active, 2);
}

static void test_scrub_due__makes_the_next_version_as_the_last(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_master_options stripe = {
        .name = "default", .store = "stripe", .args = "places=identity,assets,secrets,keys"};
    struct sherd_uuid ids[8];

    assert_ok(sherd_master_activate(test->vault, &stripe, NULL));
    for (size_t i = 0; i < SHERD_COUNT_OF(ids); i++)
        ids[i] = vault_put(test, NULL, "something");
    rule(test->vault, "default", &hourly);
    /* 1 is active and older: somebody activated 2 by hand, and did not rekey */
    assert_due(test->vault, "rekey; retire default 1; ");
    clock_move(HOUR_S);
    assert_string_equal(told_by(test->vault, true).text, "activate default 3 age; rekey; retire default 2; ");
    assert_int_equal(list(test->vault, "default").count, 2);
    assert_due(test->vault, "activate default 3 age; rekey; retire default 2; ");
    const struct listed listed = list(test->vault, "default");
    assert_int_equal(listed.count, 3);
    assert_int_equal(listed.active, 1);
    assert_string_equal(listed.newest.store, "stripe");
    assert_string_equal(listed.newest.args, "places=identity,assets,secrets,keys");
    assert_string_equal(told_by(test->vault, true).text, "");
    assert_due(test->vault, "");
    clock_move(-HOUR_S); /* back before it was made, and by there again */
    assert_due(test->vault, "");
    clock_move(HOUR_S);
    assert_due(test->vault, "");
    for (size_t i = 0; i < SHERD_COUNT_OF(ids); i++)
        vault_assert_text(test, ids[i], 0, "something");
    vault_assert_clean(test, 0);
}

static void test_scrub_due__destroys_where_the_policy_says_so(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_receipt_request gone = {
        .kind = SHERD_RECEIPT_DESTROYED, .master_key = "default", .master_version = 2};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    const struct sherd_uuid id = vault_put(test, NULL, "something");
    rule(test->vault, "default", &hourly);
    clock_move(HOUR_S);
    assert_due(test->vault, "activate default 2 age; rekey; retire default 1; ");
    rule(test->vault, "default", &hourly_and_destroy); /* from now on, and of what there is */
    assert_string_equal(told_by(test->vault, true).text, "rekey; destroy default 1; ");
    assert_due(test->vault, "rekey; state; destroy default 1; ");
    for (unsigned version = 3; version < 6; version++) {
        char expected[160];

        clock_move(HOUR_S);
        (void)snprintf(expected, sizeof(expected),
                       "activate default %u age; rekey; retire default %u; state; destroy default %u; ", version,
                       version - 1, version - 1);
        assert_due(test->vault, expected);
        assert_int_equal(list(test->vault, "default").count, 1);
    }
    assert_ok(sherd_receipt_make(test->vault, &gone, &text));
    vault_assert_text(test, id, 0, "something");
    vault_assert_clean(test, 0);
}

/* Rekeying everything ends older versions of these by itself. */
static void test_scrub_due__rotates_hash_and_store_keys(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "pat"};
    const struct sherd_key_policy daily = {.schedule = SHERD_SCHEDULE_DAILY, .minute = 60};

    const struct sherd_uuid id = vault_put(test, &meta, "something");
    rule(test->vault, "hash", &daily);
    rule(test->vault, "store:secrets", &hourly);
    clock_move(24 * HOUR_S);
    assert_string_equal(told_by(test->vault, true).text,
                        "activate hash 2 schedule; activate store:secrets 2 age; rekey; destroy hash 1; "
                        "destroy store:secrets 1; ");
    assert_due(test->vault, "activate hash 2 schedule; activate store:secrets 2 age; rekey; ");
    assert_int_equal(list(test->vault, "hash").count, 1);
    assert_int_equal(list(test->vault, "store:secrets").count, 1);
    assert_int_equal(list(test->vault, "store:assets").newest.version, 1);
    assert_due(test->vault, "");
    activate(test->vault, "store:secrets"); /* by hand, and not rekeyed */
    assert_due(test->vault, "rekey; ");
    vault_assert_text(test, id, 0, "something");
    vault_assert_clean(test, 0);
}

/* Each epoch ends the one before; one that was begun and did not come to its end is finished first. */
static void test_scrub_due__rolls_the_erase_epoch(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_key_policy limited = {.limit = 10};
    const struct sherd_key_policy with_floor = {.age_s_max = HOUR_S, .floor = 1};
    const struct sherd_master_options next = {.name = SHERD_ERASE_EPOCH};
    const struct sherd_master_options spread = {.name = SHERD_ERASE_EPOCH, .store = "stripe"};

    const struct sherd_uuid id = vault_put(test, NULL, "something");
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, SHERD_ERASE_EPOCH, &limited, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, SHERD_ERASE_EPOCH, &with_floor, false));
    assert_err(SHERD_ERR_INVALID, sherd_master_activate(test->vault, &spread, NULL));
    rule(test->vault, SHERD_ERASE_EPOCH, &hourly);
    assert_due(test->vault, "");
    clock_move(HOUR_S);
    assert_string_equal(told_by(test->vault, true).text, "activate epoch:erase 2 age; rekey; destroy epoch:erase 1; ");
    assert_due(test->vault, "activate epoch:erase 2 age; rekey; destroy epoch:erase 1; ");
    assert_int_equal(list(test->vault, SHERD_ERASE_EPOCH).count, 1);
    assert_int_equal(list(test->vault, SHERD_ERASE_EPOCH).newest.version, 2);
    assert_due(test->vault, "");

    assert_err(SHERD_ERR_CONFLICT, sherd_master_retire(test->vault, SHERD_ERASE_EPOCH, 2));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_master_retire(test->vault, SHERD_ERASE_EPOCH, 1));
    assert_err(SHERD_ERR_CONFLICT, sherd_master_destroy(test->vault, SHERD_ERASE_EPOCH, 2));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_master_destroy(test->vault, SHERD_ERASE_EPOCH, 1));
    const uint64_t began_s = list(test->vault, SHERD_ERASE_EPOCH).newest.created_s;
    activate(test->vault, SHERD_ERASE_EPOCH);                          /* by hand, and not ended */
    assert_ok(sherd_master_retire(test->vault, SHERD_ERASE_EPOCH, 2)); /* which it is */
    assert_err(SHERD_ERR_CONFLICT, sherd_master_activate(test->vault, &next, NULL));
    assert_err(SHERD_ERR_CONFLICT, sherd_master_destroy(test->vault, SHERD_ERASE_EPOCH, 2));
    assert_due(test->vault, "rekey; destroy epoch:erase 2; ");
    activate(test->vault, SHERD_ERASE_EPOCH);
    clock_move(HOUR_S);
    assert_due(test->vault, "rekey; destroy epoch:erase 3; activate epoch:erase 5 age; rekey; destroy epoch:erase 4; ");
    assert_due(test->vault, "");
    const uint64_t last_s = list(test->vault, SHERD_ERASE_EPOCH).newest.created_s;
    vault_reopen(test);
    assert_int_equal(list(test->vault, SHERD_ERASE_EPOCH).newest.version, 5);
    assert_int_equal(list(test->vault, SHERD_ERASE_EPOCH).newest.created_s, last_s);
    assert_true(last_s >= began_s + HOUR_S);
    vault_assert_text(test, id, 0, "something");
    vault_assert_clean(test, 0);
}

static void test_scrub_due__counts_what_is_done_with_a_key(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_key_policy entities = {.entities_max = 6};
    const struct sherd_key_policy wraps = {.wraps_max = 20};
    char entity[16];
    const struct sherd_record_meta meta = {.entity = entity};
    unsigned count = 0;

    rule(test->vault, "default", &entities);
    for (; told_by(test->vault, true).text[0] == 0; count++) {
        assert_true(count < 6);
        (void)snprintf(entity, sizeof(entity), "entity %u", count);
        vault_put(test, &meta, "something");
    }
    assert_true(count >= 3); /* what is set aside counts */
    assert_due(test->vault, "activate default 2 entities; rekey; retire default 1; ");
    assert_due(test->vault, ""); /* those are wrapped under version 2, and were not made under it */
    rule(test->vault, "default", &wraps);
    for (; told_by(test->vault, true).text[0] == 0; count++) {
        assert_true(count < 20);
        (void)snprintf(entity, sizeof(entity), "entity %u", count);
        vault_put(test, &meta, "something");
    }
    assert_due(test->vault, "activate default 3 wraps; rekey; retire default 2; ");
    vault_assert_clean(test, 0);
}

/* Nothing is destroyed before the statement is where it is wanted. */
static void test_scrub_due__destroys_nothing_without_the_statement(void **state)
{
    struct vault_test *test = *state;
    struct told told = {.text = "", .end_at = "state"};
    const struct sherd_due_options options = {.tell = tell, .tell_arg = &told};
    struct sherd_rekey_stat stat;

    vault_put(test, NULL, "something");
    rule(test->vault, "default", &hourly_and_destroy);
    clock_move(HOUR_S);
    assert_err(SHERD_ERR_IO, sherd_rekey_due(test->vault, &options, NULL, NULL, &stat));
    assert_string_equal(told.text, "activate default 2 age; rekey; retire default 1; state; ");
    assert_int_equal(list(test->vault, "default").count, 2);
    assert_due(test->vault, "rekey; state; destroy default 1; ");
}

/* --- others ------------------------------------------------------------------------------------------------------- */

struct meddler {
    struct sherd_vault *vault;
    unsigned calls;
    enum sherd_err err;
    bool activates;
};

static bool meddle(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    struct meddler *meddler = arg;
    struct sherd_rekey_stat other;

    (void)stat;
    (void)total;
    if (meddler->calls++ == 0) {
        if (meddler->activates)
            activate(meddler->vault, "default");
        else
            meddler->err = sherd_rekey_due(meddler->vault, NULL, NULL, NULL, &other);
    }
    return true;
}

static void test_scrub_due__gives_way_to_who_rekeys(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_rekey_options all = {.rate = 0};
    struct meddler meddler = {.vault = test->vault};
    struct sherd_rekey_stat stat;

    vault_put(test, NULL, "something");
    rule(test->vault, "default", &hourly);
    clock_move(HOUR_S);
    assert_ok(sherd_rekey(test->vault, &all, meddle, &meddler, &stat));
    assert_int_equal(meddler.err, SHERD_ERR_BUSY);
    assert_int_equal(list(test->vault, "default").count, 1); /* it made nothing either */
    assert_due(test->vault, "activate default 2 age; rekey; retire default 1; ");
}

/* A version that was followed by another only while everything was rekeyed is not ended by that. */
static void test_scrub_due__ends_nothing_that_came_to_be_older_meanwhile(void **state)
{
    struct vault_test *test = *state;
    struct told told = {.text = ""};
    const struct sherd_due_options options = {.tell = tell, .tell_arg = &told};
    struct meddler meddler = {.vault = test->vault};
    struct sherd_rekey_stat stat;

    const struct sherd_uuid id = vault_put(test, NULL, "something");
    rule(test->vault, "default", &hourly);
    clock_move(HOUR_S);
    meddler.activates = true;
    meddler.calls = UINT32_MAX; /* not at the activation: at the first look within the rekeying */
    assert_ok(sherd_rekey_due(test->vault, &options, meddle, &meddler, &stat));
    assert_string_equal(told.text, "activate default 2 age; rekey; retire default 1; ");
    assert_int_equal(list(test->vault, "default").count, 3);
    assert_int_equal(list(test->vault, "default").active, 2);
    assert_due(test->vault, "rekey; retire default 2; ");
    vault_assert_text(test, id, 0, "something");
}

static bool stop_at_once(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    (void)stat;
    (void)total;
    return ++*(unsigned *)arg != 2;
}

static void test_scrub_due__goes_on_after_it_was_stopped(void **state)
{
    struct vault_test *test = *state;
    struct sherd_rekey_stat stat;
    unsigned calls = 0;

    vault_put(test, NULL, "something");
    rule(test->vault, "default", &hourly);
    clock_move(HOUR_S);
    assert_err(SHERD_ERR_BUSY, sherd_rekey_due(test->vault, NULL, stop_at_once, &calls, &stat));
    assert_int_equal(list(test->vault, "default").active, 2);
    assert_due(test->vault, "rekey; retire default 1; ");
}

struct racer {
    struct sherd_vault *vault;
    enum sherd_err err;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct sherd_rekey_stat stat;

    racer->err = sherd_rekey_due(racer->vault, NULL, NULL, NULL, &stat);
    return NULL;
}

static void test_scrub_due__makes_one_version_whoever_else_asks(void **state)
{
    struct vault_test *test = *state;
    struct racer racers[4];
    pthread_t threads[4];

    vault_put(test, NULL, "something");
    rule(test->vault, "default", &hourly);
    for (size_t i = 0; i < 4; i++)
        racers[i].vault = test->vault;
    for (unsigned round = 0; round < 5; round++) {
        clock_move(HOUR_S);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_true(racers[i].err == SHERD_OK || racers[i].err == SHERD_ERR_BUSY);
        }
        (void)told_by(test->vault, false); /* where all of them gave way to one another */
        assert_int_equal(list(test->vault, "default").newest.version, round + 2);
        assert_int_equal(list(test->vault, "default").active, 1);
    }
}

/* --- processes, and kills ----------------------------------------------------------------------------------------- */

struct strike {
    const char *name;
    unsigned at;
    unsigned hits;
};

static enum sherd_err die_at(void *arg, const char *name)
{
    struct strike *strike = arg;

    if (strcmp(strike->name, name) == 0 && ++strike->hits == strike->at)
        (void)raise(SIGKILL);
    return SHERD_OK;
}

/* A process that does what is due, and dies on the way. */
static void rotate_until(const struct vault_test *test, struct strike strike)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct sherd_vault *vault = vault_open_as(test, false, 1);
        struct sherd_rekey_stat stat;

        sherd_failpoint_set(die_at, &strike);
        (void)!sherd_rekey_due(vault, NULL, NULL, NULL, &stat);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s was not hit %u times: %d", strike.name, strike.at, status);
}

static const struct strike strikes[] = {
    {"due.before_activate", 1, 0}, {"due.before_activate", 2, 0},  {"ring.written", 1, 0},
    {"ring.pinned", 1, 0},         {"due.activated", 1, 0},        {"due.activated", 2, 0},
    {"rekey.before_tell", 1, 0},   {"due.rekeyed", 1, 0},          {"due.before_retire", 1, 0},
    {"due.before_destroy", 1, 0},  {"masters.doomed", 1, 0},       {"masters.parts_gone", 1, 0},
    {"due.destroyed", 1, 0},       {"due.before_epoch_end", 1, 0},
};

/* Each kill at a time of its own: in the end every key has one version more, and one alone. */
static void test_scrub_due__ends_what_was_killed_anywhere(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "pat"};
    const struct sherd_uuid ids[] = {vault_put(test, NULL, "something"), vault_put(test, &meta, "something")};

    rule(test->vault, "default", &hourly_and_destroy);
    rule(test->vault, "store:assets", &hourly);
    rule(test->vault, SHERD_ERASE_EPOCH, &hourly);
    for (unsigned i = 0; i < SHERD_COUNT_OF(strikes); i++) {
        clock_move(HOUR_S);
        sherd_vault_close(test->vault);
        test->vault = NULL;
        rotate_until(test, strikes[i]);
        test->vault = vault_open_as(test, false, 2);
        for (size_t id = 0; id < SHERD_COUNT_OF(ids); id++)
            vault_assert_text(test, ids[id], 0, "something");
        (void)told_by(test->vault, false);
        assert_int_equal(list(test->vault, "default").count, 1);
        assert_int_equal(list(test->vault, "default").newest.version, i + 2);
        assert_int_equal(list(test->vault, "store:assets").count, 1);
        assert_int_equal(list(test->vault, "store:assets").newest.version, i + 2);
        assert_int_equal(list(test->vault, SHERD_ERASE_EPOCH).count, 1);
        assert_int_equal(list(test->vault, SHERD_ERASE_EPOCH).newest.version, i + 2);
        assert_due(test->vault, "");
    }
    vault_assert_clean(test, 0);
}

#define RECORDS 100U

struct shared {
    atomic_bool stop;
    atomic_uint failed;
    atomic_ulong rounds;
    struct sherd_uuid ids[RECORDS];
    char why[256];
};

static enum sherd_err one_round(struct sherd_vault *vault, struct sherd_uuid id, unsigned i)
{
    struct sherd_buf found = {0};
    char text[32];

    (void)snprintf(text, sizeof(text), "record %u", i);
    enum sherd_err err = sherd_record_get(vault, id, 0, &found);
    if (err == SHERD_OK && !sherd_span_equal(sherd_buf_span(&found), sherd_span_str(text)))
        err = SHERD_ERR_TAMPERED;
    sherd_buf_done(&found);
    if (err == SHERD_OK && i % 3 == 0)
        err = sherd_record_update(vault, id, 0, NULL, sherd_span_str(text), NULL);
    return err;
}

/* A process that reads and updates until it is told to stop. */
static pid_t load_begin(const struct vault_test *test, struct shared *shared)
{
    const pid_t child = fork();
    enum sherd_err err = SHERD_OK;

    assert_true(child >= 0);
    if (child != 0)
        return child;
    struct sherd_vault *vault = vault_open_as(test, false, 1);
    for (unsigned i = 0; err == SHERD_OK && !atomic_load(&shared->stop); i = (i + 1) % RECORDS) {
        err = one_round(vault, shared->ids[i], i);
        atomic_fetch_add(&shared->rounds, 1);
    }
    if (err != SHERD_OK) {
        (void)snprintf(shared->why, sizeof(shared->why), "%s: %s", sherd_err_name(err), sherd_err_detail());
        atomic_store(&shared->failed, 1);
    }
    sherd_vault_close(vault);
    _exit(0);
}

static void test_scrub_due__leaves_every_record_readable_under_load_and_kills(void **state)
{
    struct vault_test *test = *state;
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *const names[] = {"default",       "hash",       "store:identity", "store:assets",
                                 "store:secrets", "store:keys", SHERD_ERASE_EPOCH};
    char text[32];
    int status;

    assert_ptr_not_equal(shared, MAP_FAILED);
    for (unsigned i = 0; i < RECORDS; i++) {
        char entity[16];
        const struct sherd_record_meta meta = {.entity = entity};

        (void)snprintf(entity, sizeof(entity), "entity-%u", i % 7);
        (void)snprintf(text, sizeof(text), "record %u", i);
        shared->ids[i] = vault_put(test, &meta, text);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++)
        rule(test->vault, names[i], i == 0 ? &hourly_and_destroy : &hourly);
    sherd_vault_close(test->vault);
    test->vault = NULL;
    const pid_t load = load_begin(test, shared);
    for (size_t i = 0; i < SHERD_COUNT_OF(strikes); i += 2) {
        clock_move(HOUR_S);
        rotate_until(test, strikes[i]);
        test->vault = vault_open_as(test, false, 1);
        (void)told_by(test->vault, false);
        sherd_vault_close(test->vault);
        test->vault = NULL;
    }
    atomic_store(&shared->stop, true);
    assert_int_equal(waitpid(load, &status, 0), load);
    if (atomic_load(&shared->failed) != 0)
        fail_msg("after %lu rounds: %s", atomic_load(&shared->rounds), shared->why);
    assert_int_equal(status, 0);
    assert_true(atomic_load(&shared->rounds) > RECORDS);
    test->vault = vault_open_as(test, false, 2);
    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++) {
        assert_int_equal(list(test->vault, names[i]).count, 1);
        assert_int_equal(list(test->vault, names[i]).newest.version, 1 + (SHERD_COUNT_OF(strikes) + 1) / 2);
    }
    for (unsigned i = 0; i < RECORDS; i++)
        assert_ok(one_round(test->vault, shared->ids[i], i));
    vault_assert_clean(test, 0);
    (void)munmap(shared, sizeof(*shared));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_scrub_due__does_nothing_where_nothing_is_due),
        TEST(test_scrub_due__makes_the_next_version_as_the_last),
        TEST(test_scrub_due__destroys_where_the_policy_says_so),
        TEST(test_scrub_due__rotates_hash_and_store_keys),
        TEST(test_scrub_due__rolls_the_erase_epoch),
        TEST(test_scrub_due__counts_what_is_done_with_a_key),
        TEST(test_scrub_due__destroys_nothing_without_the_statement),
        TEST(test_scrub_due__gives_way_to_who_rekeys),
        TEST(test_scrub_due__ends_nothing_that_came_to_be_older_meanwhile),
        TEST(test_scrub_due__goes_on_after_it_was_stopped),
        TEST(test_scrub_due__makes_one_version_whoever_else_asks),
        TEST(test_scrub_due__ends_what_was_killed_anywhere),
        TEST(test_scrub_due__leaves_every_record_readable_under_load_and_kills),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
