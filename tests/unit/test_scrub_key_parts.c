/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of master keys that a process left which was killed while it made a master key, kept all of them anew, or
 * destroyed one: no damage, and removed by the sweeper; but never those of a process that goes on.
 */
#include "base/failpoint.h"
#include "protection.h"
#include <signal.h>
#include <sys/wait.h>

/* What a child does at a place: it is killed, or says that it is there and goes on after a while. */
static struct {
    const char *place;
    unsigned hit;
    int tell; /* -1: it is killed */
} act;

static enum sherd_err act_at(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(act.place, name) != 0 || --act.hit != 0)
        return SHERD_OK;
    if (act.tell < 0)
        (void)raise(SIGKILL);
    if (write(act.tell, "!", 1) != 1)
        _exit(6);
    (void)usleep(300000); /* time enough for one who would not wait */
    return SHERD_OK;
}

enum work { ACTIVATE, ROTATE, DESTROY };

static enum sherd_err do_work(struct protection_test *test, enum work work)
{
    const struct sherd_master_options striped = {
        .name = "striped", .store = "stripe", .args = "places=identity,assets,secrets,keys\n"};

    switch (work) {
    case ACTIVATE: return sherd_master_activate(test->vault.vault, &striped, NULL);
    case ROTATE: return sherd_protection_rotate(test->vault.vault, NULL);
    default: return sherd_master_destroy(test->vault.vault, "once", 1);
    }
}

static pid_t begin(struct protection_test *test, enum work work, const char *place, unsigned hit, int tell)
{
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (protection_open(test, NULL) != SHERD_OK)
        _exit(7);
    act.place = place;
    act.hit = hit;
    act.tell = tell;
    sherd_failpoint_set(act_at, NULL);
    const enum sherd_err err = do_work(test, work);
    if (err != SHERD_OK)
        print_error("%s\n", sherd_err_detail());
    _exit(err == SHERD_OK ? 0 : 8);
}

static void close_vault(struct protection_test *test)
{
    sherd_vault_close(test->vault.vault);
    test->vault.vault = NULL;
}

static void die(struct protection_test *test, enum work work, const char *place, unsigned hit)
{
    int status;

    close_vault(test);
    const pid_t child = begin(test, work, place, hit, -1);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        fail_msg("%s: it ended with %d", place, WEXITSTATUS(status));
    assert_ok(protection_open(test, NULL));
}

static uint64_t swept(struct protection_test *test, bool dry_run)
{
    struct sherd_sweep_stat stat = {0};

    assert_ok(sherd_vault_sweep(test->vault.vault, dry_run, &stat));
    assert_int_equal(stat.map_count, 0);
    assert_int_equal(stat.fragment_count, 0);
    return stat.key_part_count;
}

/* What was left is no damage, is counted, goes once, and nothing else goes with it. */
static void assert_swept(struct protection_test *test, uint64_t before)
{
    const uint64_t left = protection_entries(test) - before;

    assert_true(left > 0);
    assert_readable(test);
    assert_int_equal(swept(test, true), left);
    assert_int_equal(protection_entries(test), before + left);
    assert_int_equal(swept(test, false), left);
    assert_int_equal(protection_entries(test), before);
    assert_int_equal(swept(test, false), 0);
    protection_reopen(test); /* so that no master key is held */
    assert_readable(test);
}

static void test_scrub_key_parts__of_a_killed_activation_are_swept(void **state)
{
    static const struct {
        const char *place;
        unsigned hit;
    } deaths[] = {
        {"ring.written", 1}, /* all parts are there */
        {"lmdb.publish", 3}, /* those of the first compartments */
    };
    struct protection_test *test = *state;

    protection_make(test, false);
    const uint64_t before = protection_entries(test);
    for (size_t i = 0; i < SHERD_COUNT_OF(deaths); i++) {
        die(test, ACTIVATE, deaths[i].place, deaths[i].hit);
        assert_swept(test, before);
    }
    assert_ok(do_work(test, ACTIVATE));
    assert_int_equal(swept(test, false), 0);
    assert_readable(test);
}

static void test_scrub_key_parts__of_a_killed_rotation_are_swept(void **state)
{
    struct protection_test *test = *state;

    protection_make(test, false);
    const uint64_t before = protection_entries(test);
    die(test, ROTATE, "protection.kept_anew", 1);
    assert_swept(test, before);
    die(test, ROTATE, "ring.written", 1);
    assert_swept(test, before);
    assert_ok(do_work(test, ROTATE));
    assert_settled(test, 2, false);
    assert_int_equal(protection_entries(test), before);
}

/* Behind the commit the keyring names old keepings and those of keys that end: they are for who ends the work. */
static void test_scrub_key_parts__that_the_keyring_names_stay(void **state)
{
    struct protection_test *test = *state;

    protection_make(test, false);
    const uint64_t before = protection_entries(test);
    die(test, ROTATE, "protection.committed", 1);
    assert_true(protection_entries(test) > before);
    assert_int_equal(swept(test, false), 0);
    assert_int_equal(protection_versions(test).infos[0].old_count, 2 + SHERD_COUNT_OF(protection_stores));
    assert_ok(do_work(test, ROTATE));
    assert_int_equal(protection_entries(test), before);
    assert_readable(test);

    const struct sherd_master_options once = {.name = "once", .store = "stripe"};
    assert_ok(sherd_master_activate(test->vault.vault, &once, NULL));
    assert_ok(sherd_master_activate(test->vault.vault, &once, NULL));
    assert_ok(sherd_master_retire(test->vault.vault, "once", 1));
    const uint64_t both = protection_entries(test);
    die(test, DESTROY, "masters.doomed", 1);
    assert_int_equal(swept(test, false), 0);
    assert_int_equal(protection_entries(test), both);
    assert_ok(do_work(test, DESTROY));
    assert_true(protection_entries(test) < both);
    assert_int_equal(swept(test, false), 0);
}

static void sweep_meanwhile(struct protection_test *test, enum work work, const char *place)
{
    int fds[2];
    int status;
    char there;

    close_vault(test);
    assert_int_equal(pipe(fds), 0);
    const pid_t child = begin(test, work, place, 1, fds[1]);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(read(fds[0], &there, 1), 1);
    assert_ok(protection_open(test, NULL));
    assert_int_equal(swept(test, false), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(swept(test, false), 0);
    protection_reopen(test);
    assert_readable(test);
}

static void test_scrub_key_parts__in_flight_are_never_touched(void **state)
{
    struct protection_test *test = *state;
    struct sherd_verify_stat stat;

    protection_make(test, false);
    sweep_meanwhile(test, ACTIVATE, "ring.written");
    sweep_meanwhile(test, ROTATE, "protection.kept_anew");
    assert_ok(sherd_vault_verify(test->vault.vault, NULL, NULL, &stat));
    assert_int_equal(stat.finding_count, 0);
    const struct protection_versions versions = protection_versions(test);
    assert_int_equal(versions.infos[0].master_count, 3 + SHERD_COUNT_OF(protection_stores));
}

/* One who may only read counts by what the keyring says, and waits for nobody. */
static void test_scrub_key_parts__are_counted_where_the_vault_is_read(void **state)
{
    struct protection_test *test = *state;
    const struct sherd_vault_open_options options = {.read_only = true};

    protection_make(test, false);
    const uint64_t before = protection_entries(test);
    die(test, ACTIVATE, "ring.written", 1);
    close_vault(test);
    assert_ok(sherd_vault_open(test->vault.path, &test->vault.unseal, &options, &test->vault.vault));
    assert_int_equal(swept(test, true), protection_entries(test) - before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        protection_test_of(test_scrub_key_parts__of_a_killed_activation_are_swept),
        protection_test_of(test_scrub_key_parts__of_a_killed_rotation_are_swept),
        protection_test_of(test_scrub_key_parts__that_the_keyring_names_stay),
        protection_test_of(test_scrub_key_parts__in_flight_are_never_touched),
        protection_test_of(test_scrub_key_parts__are_counted_where_the_vault_is_read),
    };

    return cmocka_run_group_tests_name("scrub_key_parts", tests, NULL, NULL);
}
