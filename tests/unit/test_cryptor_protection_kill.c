/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that rotates the protection key, or moves it into a key store, is killed at every step: all that it
 * protects stays readable, and the same again ends the work.
 */
#include "base/failpoint.h"
#include "protection.h"
#include <signal.h>
#include <sys/wait.h>

/* Which hit of which place kills. */
static struct {
    const char *name;
    unsigned hit;
} death;

static enum sherd_err die_at(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(death.name, name) == 0 && --death.hit == 0)
        (void)raise(SIGKILL);
    return SHERD_OK;
}

/* A process that rotates, or turns the key store on, and dies at a place. */
static void change_and_die(struct protection_test *test, const char *place, unsigned hit, bool turn_on)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (protection_open(test, &test->key_store) != SHERD_OK)
            _exit(7);
        death.name = place;
        death.hit = hit;
        sherd_failpoint_set(die_at, NULL);
        if ((turn_on ? sherd_protection_use_key_store(test->vault.vault, &test->key_store, NULL)
                     : sherd_protection_rotate(test->vault.vault, NULL)) == SHERD_OK)
            _exit(9);
        _exit(8);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        fail_msg("%s: it ended with %d", place, WEXITSTATUS(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* A key store costs time: what does not depend on it is not struck with it once more. */
enum where { ANYWHERE, ALSO_IN_KEY_STORE, IN_KEY_STORE };

static const struct {
    const char *name;
    unsigned hit;
    enum where where;
    bool committed;
} deaths[] = {
    {"keystore.written", 1, IN_KEY_STORE, false},
    {"keystore.named", 1, IN_KEY_STORE, false},
    {"lmdb.publish", 3, ANYWHERE, false}, /* in the midst of keeping anew */
    {"protection.kept_anew", 1, ALSO_IN_KEY_STORE, false},
    {"ring.written", 1, ANYWHERE, false},
    {"ring.pinned", 1, ALSO_IN_KEY_STORE, true},
    {"protection.committed", 1, ANYWHERE, true},
    {"protection.destroyed", 1, ALSO_IN_KEY_STORE, true},
    {"ring.written", 2, ANYWHERE, true},
    {"ring.pinned", 2, ALSO_IN_KEY_STORE, true},
};

/* Whatever the place: all is readable with what was there before, and the same again ends the work. */
static void die_everywhere(struct protection_test *test, bool on)
{
    protection_make(test, on);
    for (size_t i = 0; i < SHERD_COUNT_OF(deaths); i++) {
        if (deaths[i].where == (on ? ANYWHERE : IN_KEY_STORE))
            continue;
        const struct protection_versions before = protection_versions(test);
        const uint64_t version = before.infos[before.count - 1].version;

        sherd_vault_close(test->vault.vault);
        test->vault.vault = NULL;
        change_and_die(test, deaths[i].name, deaths[i].hit, false);
        assert_ok(protection_open(test, &test->key_store));
        const struct protection_versions after = protection_versions(test);
        assert_int_equal(after.infos[after.count - 1].version, version + deaths[i].committed);
        assert_readable(test);
        assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
        assert_settled(test, version + deaths[i].committed + 1, on);
        assert_readable(test);
    }
}

static void test_cryptor_protection_kill__rotating_leaves_old_or_new(void **state)
{
    die_everywhere(*state, false);
}

static void test_cryptor_protection_kill__rotating_in_a_key_store_too(void **state)
{
    die_everywhere(*state, true);
}

static void test_cryptor_protection_kill__turning_on_leaves_it_on_or_off(void **state)
{
    struct protection_test *test = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(deaths); i++) {
        if (deaths[i].where == ANYWHERE)
            continue;
        protection_make(test, false);
        sherd_vault_close(test->vault.vault);
        test->vault.vault = NULL;
        change_and_die(test, deaths[i].name, deaths[i].hit, true);
        if (deaths[i].committed) {
            protection_expect(test, SHERD_ERR_SEALED, NULL, "--key-store-password-file");
            assert_ok(protection_open(test, &test->key_store));
        } else {
            assert_ok(protection_open(test, NULL)); /* as if nothing had happened */
        }
        const struct protection_versions after = protection_versions(test);
        assert_int_equal(after.infos[after.count - 1].outside, deaths[i].committed);
        assert_readable(test);
        const enum sherd_err err = sherd_protection_use_key_store(test->vault.vault, &test->key_store, NULL);
        const bool was_over = deaths[i].committed && deaths[i].hit == 2 && strcmp(deaths[i].name, "ring.pinned") == 0;
        assert_int_equal(err, was_over ? SHERD_ERR_CONFLICT : SHERD_OK);
        assert_settled(test, 2, true);
        assert_readable(test);
        sherd_vault_close(test->vault.vault);
        test->vault.vault = NULL;
        vault_remove(test->vault.path);
        vault_remove(test->place);
        assert_int_equal(unlink(test->p12), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        protection_test_of(test_cryptor_protection_kill__rotating_leaves_old_or_new),
        protection_test_of(test_cryptor_protection_kill__rotating_in_a_key_store_too),
        protection_test_of(test_cryptor_protection_kill__turning_on_leaves_it_on_or_off),
    };

    return cmocka_run_group_tests_name("cryptor_protection_kill", tests, NULL, NULL);
}
