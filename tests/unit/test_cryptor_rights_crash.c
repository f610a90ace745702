/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of users, named keys and grants that are killed half-way: what was is, or what was to be; never a third. */
#include "base/failpoint.h"
#include "cryptor/vault.h"
#include "vault.h"
#include <signal.h>
#include <sys/wait.h>

static enum sherd_err die(void *arg, const char *name)
{
    if (strcmp(name, arg) == 0)
        (void)kill(getpid(), SIGKILL);
    return SHERD_OK;
}

typedef enum sherd_err work_fn(struct sherd_vault *vault);

/* Do something in a child, which is killed at a place; the vault is open again after it. */
static void kill_at(struct vault_test *test, const char *place, work_fn *work)
{
    const struct sherd_vault_open_options options = {.threads = 1};
    struct sherd_vault *vault = NULL;
    int status = 0;

    sherd_vault_close(test->vault);
    test->vault = NULL;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sherd_failpoint_set(die, (void *)place); /* which only reads it */
        if (sherd_vault_open(test->path, &test->unseal, &options, &vault) != SHERD_OK || work(vault) != SHERD_OK)
            (void)fprintf(stderr, "in a child: %s\n", sherd_err_detail());
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    test->vault = vault_open_as(test, false, 2);
}

/* Whether a user is let in, with the passphrase that all users of these tests have. */
static enum sherd_err let_in(const struct vault_test *test, const char *user)
{
    struct sherd_anchor *anchor = test->vault->anchor;
    const struct sherd_credentials credentials = {.passphrase = sherd_span_str("of a user")};
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    struct sherd_challenge challenge;
    struct sherd_anchor *session = NULL;

    SHERD_TRY(anchor->ops->challenge(anchor, user, &challenge));
    SHERD_TRY(sherd_credential_sign(&challenge, user, &credentials, signature));
    SHERD_TRY(anchor->ops->login(anchor, user, challenge.nonce, signature, &session));
    session->ops->free(session);
    return SHERD_OK;
}

static void expect_clean(struct vault_test *test)
{
    struct sherd_verify_stat stat;

    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.finding_count, 0);
}

static enum sherd_err create_user(struct sherd_vault *vault, const char *name)
{
    const struct sherd_user_new wish = {.name = name, .passphrase = sherd_span_str("of a user")};

    return sherd_user_create(vault, &wish);
}

static enum sherd_err find_user(void *arg, const struct sherd_user_info *info)
{
    struct sherd_user_info *found = arg;

    if (strcmp(info->name, found->name) == 0)
        *found = *info;
    return SHERD_OK;
}

static enum sherd_err create_bob(struct sherd_vault *vault)
{
    return create_user(vault, "bob");
}

static enum sherd_err disable_bob(struct sherd_vault *vault)
{
    return sherd_user_disable(vault, "bob");
}

static void test_cryptor_rights_crash_user__is_not_there_before_its_pin(void **state)
{
    struct vault_test *test = *state;
    struct sherd_user_info info = {.name = "bob", .created_s = 0};

    kill_at(test, "user.after_identity", create_bob);
    assert_err(SHERD_ERR_DENIED, let_in(test, "bob"));
    assert_ok(sherd_user_each(test->vault, find_user, &info));
    assert_int_equal(info.created_s, 0); /* not told of */
    expect_clean(test);
    assert_ok(create_bob(test->vault));
    assert_ok(let_in(test, "bob"));
    expect_clean(test);
}

static void test_cryptor_rights_crash_user__is_disabled_with_its_pin(void **state)
{
    struct vault_test *test = *state;
    struct sherd_user_info info = {.name = "bob"};

    assert_ok(create_bob(test->vault));
    assert_ok(let_in(test, "bob"));
    kill_at(test, "user.after_pin", disable_bob);
    assert_err(SHERD_ERR_DENIED, let_in(test, "bob"));
    assert_ok(sherd_user_each(test->vault, find_user, &info));
    assert_true(info.disabled);
    assert_err(SHERD_ERR_CONFLICT, create_bob(test->vault)); /* its name stays taken */
    expect_clean(test);
    assert_ok(disable_bob(test->vault)); /* ends what was begun */
    assert_err(SHERD_ERR_DENIED, let_in(test, "bob"));
    expect_clean(test);
}

static enum sherd_err create_pay(struct sherd_vault *vault)
{
    return sherd_key_create(vault, "pay", NULL);
}

static enum sherd_err count_keys(void *arg, const struct sherd_key_info *info)
{
    assert_string_equal(info->name, "pay");
    ++*(unsigned *)arg;
    return SHERD_OK;
}

static void test_cryptor_rights_crash_key__is_taken_up_by_the_next_of_its_name(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.key = "pay"};
    struct sherd_uuid id;
    unsigned count = 0;

    kill_at(test, "key.after_entity", create_pay);
    assert_ok(sherd_key_each(test->vault, count_keys, &count));
    assert_int_equal(count, 0);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    expect_clean(test);
    assert_ok(create_pay(test->vault));
    id = vault_put(test, &meta, "under it");
    vault_reopen(test);
    vault_assert_bytes(test, id, 0, sherd_span_str("under it"));
    assert_ok(sherd_key_each(test->vault, count_keys, &count));
    assert_int_equal(count, 1);
    expect_clean(test);
}

static enum sherd_err revoke_bob(struct sherd_vault *vault)
{
    return sherd_key_grant(vault, "pay", "bob", 0);
}

static enum sherd_err grant_eve(struct sherd_vault *vault)
{
    return sherd_key_grant(vault, "pay", "eve", SHERD_RIGHT_READ);
}

static enum sherd_err add_grant(void *arg, const char *user, unsigned rights)
{
    char *all = arg;
    const size_t len = strlen(all);

    (void)snprintf(all + len, 64 - len, "%s:%u ", user, rights);
    return SHERD_OK;
}

static void expect_grants(struct vault_test *test, const char *one_order, const char *other_order)
{
    char all[64] = "";

    assert_ok(sherd_grant_each(test->vault, "pay", add_grant, all));
    if (strcmp(all, one_order) != 0)
        assert_string_equal(all, other_order);
}

static void test_cryptor_rights_crash_grant__changes_all_or_nothing(void **state)
{
    struct vault_test *test = *state;

    assert_ok(create_bob(test->vault));
    assert_ok(create_user(test->vault, "eve"));
    assert_ok(create_pay(test->vault));
    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_READ | SHERD_RIGHT_WRITE));
    kill_at(test, "grant.before_write", grant_eve);
    expect_grants(test, "bob:3 ", "bob:3 ");
    kill_at(test, "grant.before_write", revoke_bob);
    expect_grants(test, "bob:3 ", "bob:3 ");
    expect_clean(test);
    assert_ok(grant_eve(test->vault));
    expect_grants(test, "bob:3 eve:1 ", "eve:1 bob:3 ");
    assert_ok(revoke_bob(test->vault));
    expect_grants(test, "eve:1 ", "eve:1 ");
    expect_clean(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_rights_crash_user__is_not_there_before_its_pin),
        vault_test_of(test_cryptor_rights_crash_user__is_disabled_with_its_pin),
        vault_test_of(test_cryptor_rights_crash_key__is_taken_up_by_the_next_of_its_name),
        vault_test_of(test_cryptor_rights_crash_grant__changes_all_or_nothing),
    };

    return cmocka_run_group_tests_name("cryptor_rights_crash", tests, NULL, NULL);
}
