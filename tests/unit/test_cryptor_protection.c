/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the protection key on a whole vault: rotated, moved into a key store, and what is said where that is wrong.
 */
#include "base/failpoint.h"
#include "base/file.h"
#include "protection.h"
#include <sys/stat.h>

static void test_cryptor_protection_rotate__keeps_all_anew(void **state)
{
    struct protection_test *test = *state;
    uint64_t version = 0;

    protection_make(test, false);
    assert_settled(test, 1, false);
    const uint64_t before = protection_entries(test);
    for (uint64_t i = 2; i < 5; i++) {
        assert_ok(sherd_protection_rotate(test->vault.vault, &version));
        assert_int_equal(version, i);
        assert_settled(test, i, false);
        assert_int_equal(protection_entries(test), before);
        assert_readable(test);
    }
    assert_ok(sherd_protection_use_keyring(test->vault.vault)); /* there it lies */
    protection_reopen(test);
    assert_settled(test, 4, false);
    assert_readable(test);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
}

static void test_cryptor_protection_use_key_store__is_for_good(void **state)
{
    struct protection_test *test = *state;
    struct stat st;
    uint64_t version = 0;

    protection_make(test, false);
    const uint64_t before = protection_entries(test);
    assert_ok(sherd_protection_use_key_store(test->vault.vault, &test->key_store, &version));
    assert_int_equal(version, 2);
    assert_settled(test, 2, true);
    assert_int_equal(protection_entries(test), before);
    assert_readable(test);
    assert_int_equal(stat(test->p12, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    assert_err(SHERD_ERR_CONFLICT, sherd_protection_use_key_store(test->vault.vault, &test->key_store, NULL));
    assert_err(SHERD_ERR_DENIED, sherd_protection_use_keyring(test->vault.vault));
    assert_non_null(strstr(sherd_err_detail(), "never turned off"));
    assert_ok(sherd_protection_rotate(test->vault.vault, &version));
    assert_int_equal(version, 3);
    assert_settled(test, 3, true);
    protection_reopen(test);
    assert_readable(test);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
    assert_settled(test, 4, true);

    sherd_vault_close(test->vault.vault);
    test->vault.vault = NULL;
    const struct sherd_key_store_file remembered = {NULL, test->key_store.password};
    assert_ok(protection_open(test, &remembered)); /* the vault knows where it is */
    assert_readable(test);
}

static void test_cryptor_protection__is_in_a_key_store_from_the_first(void **state)
{
    struct protection_test *test = *state;

    protection_make(test, true);
    assert_settled(test, 1, true);
    protection_reopen(test);
    assert_readable(test);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
    assert_settled(test, 2, true);
    protection_reopen(test);
    assert_readable(test);
}

/* A file that is there stays what it is: one more key is added, and nobody's is replaced. */
static void test_cryptor_protection__adds_to_a_key_store(void **state)
{
    struct protection_test *test = *state;
    const struct sherd_vault_init_options init = {.key_store = &test->key_store};
    const struct sherd_key_store_file wrong = {test->p12, sherd_span_str("another word")};
    const struct sherd_vault_init_options wrong_init = {.key_store = &wrong};
    char other[80];

    protection_make(test, true);
    (void)snprintf(other, sizeof(other), "%s/other", test->vault.root);
    assert_err(SHERD_ERR_DENIED, sherd_vault_init(other, &test->vault.unseal, &wrong_init));
    assert_int_equal(access(other, F_OK), -1);
    assert_ok(sherd_vault_init(other, &test->vault.unseal, &init));
    protection_reopen(test);
    assert_readable(test);
}

/* --- a key store that is wrong ------------------------------------------------------------------------------------ */

static void test_cryptor_protection_open__says_what_is_wrong_with_the_key_store(void **state)
{
    struct protection_test *test = *state;
    struct sherd_key_store_file given = test->key_store;
    struct sherd_buf file = {.max = 100000};
    char other[80];
    char vault[80];

    protection_make(test, true);
    sherd_vault_close(test->vault.vault);
    test->vault.vault = NULL;
    protection_expect(test, SHERD_ERR_SEALED, NULL, "--key-store-password-file");
    given.password = sherd_span_str("open barley");
    protection_expect(test, SHERD_ERR_DENIED, &given, "the password does not open the key store");
    given.password = sherd_span_of(NULL, 0);
    protection_expect(test, SHERD_ERR_INVALID, &given, "password");

    given = test->key_store;
    (void)snprintf(other, sizeof(other), "%s/other.p12", test->vault.root);
    (void)snprintf(vault, sizeof(vault), "%s/other", test->vault.root);
    given.path = other;
    protection_expect(test, SHERD_ERR_IO, &given, "other.p12 is missing");
    const struct sherd_vault_init_options others = {.key_store = &given};
    assert_ok(sherd_vault_init(vault, &test->vault.unseal, &others));
    protection_expect(test, SHERD_ERR_DENIED, &given, "another vault's");

    assert_ok(sherd_file_read(test->vault.root, "keys.p12", &file));
    for (size_t len = 0; len < file.len; len += file.len / 7) {
        assert_ok(sherd_file_write(test->vault.root, "keys.p12", sherd_span_of(file.data, len)));
        protection_expect(test, SHERD_ERR_TAMPERED, &test->key_store, "keys.p12 is damaged");
    }
    assert_int_equal(unlink(test->p12), 0);
    protection_expect(test, SHERD_ERR_IO, &test->key_store, "keys.p12 is missing");
    assert_ok(sherd_file_write(test->vault.root, "keys.p12", sherd_buf_span(&file)));
    assert_ok(protection_open(test, &test->key_store));
    assert_readable(test);
    assert_settled(test, 1, true);
    sherd_buf_done(&file);
}

/* While the vault is open the file may go: the keys are there, but no new version without it. */
static void test_cryptor_protection_rotate__makes_no_second_key_store(void **state)
{
    struct protection_test *test = *state;
    char away[90];

    protection_make(test, true);
    (void)snprintf(away, sizeof(away), "%s.away", test->p12);
    assert_int_equal(rename(test->p12, away), 0);
    assert_readable(test);
    assert_err(SHERD_ERR_IO, sherd_protection_rotate(test->vault.vault, NULL));
    assert_int_equal(access(test->p12, F_OK), -1);
    assert_settled(test, 1, true);
    assert_int_equal(rename(away, test->p12), 0);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
    assert_settled(test, 2, true);
    assert_readable(test);
}

static void test_cryptor_protection__is_only_read_where_the_vault_is(void **state)
{
    struct protection_test *test = *state;
    const struct sherd_vault_open_options options = {.read_only = true, .key_store = &test->key_store};

    protection_make(test, true);
    sherd_vault_close(test->vault.vault);
    test->vault.vault = NULL;
    assert_ok(sherd_vault_open(test->vault.path, &test->vault.unseal, &options, &test->vault.vault));
    assert_readable(test);
    assert_err(SHERD_ERR_DENIED, sherd_protection_rotate(test->vault.vault, NULL));
    assert_err(SHERD_ERR_DENIED, sherd_protection_use_key_store(test->vault.vault, &test->key_store, NULL));
    assert_settled(test, 1, true);
}

static void test_cryptor_protection__refuses_what_makes_no_sense(void **state)
{
    struct protection_test *test = *state;
    const struct sherd_key_store_file nowhere = {NULL, test->key_store.password};
    const struct sherd_key_store_file no_folder = {"/nonexistent/keys.p12", test->key_store.password};
    const struct sherd_key_store_file open_to_all = {test->p12, {0}};
    const struct sherd_vault_init_options init = {.key_store = &nowhere};

    assert_err(SHERD_ERR_INVALID, sherd_vault_init(test->vault.path, &test->vault.unseal, &init));
    protection_make(test, false);
    assert_err(SHERD_ERR_INVALID, sherd_protection_use_key_store(test->vault.vault, NULL, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_protection_use_key_store(test->vault.vault, &nowhere, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_protection_use_key_store(test->vault.vault, &open_to_all, NULL));
    assert_err(SHERD_ERR_IO, sherd_protection_use_key_store(test->vault.vault, &no_folder, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_protection_each(test->vault.vault, NULL, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_protection_rotate(NULL, NULL));
    assert_settled(test, 1, false);
    assert_int_equal(access(test->p12, F_OK), -1);
}

/* Refused before anything is written: no file is left that would hold a key of nobody's. */
static void test_cryptor_protection_use_key_store__leaves_no_file_in_fips_mode(void **state)
{
    struct protection_test *test = *state;
    const struct sherd_vault_init_options init = {.fips = true};
    const struct sherd_master_options striped = {.name = "striped", .store = "stripe"};

    assert_ok(sherd_vault_init(test->vault.path, &test->vault.unseal, &init));
    assert_ok(protection_open(test, NULL));
    assert_ok(sherd_master_activate(test->vault.vault, &striped, NULL));
    const uint64_t before = protection_entries(test);
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_protection_use_key_store(test->vault.vault, &test->key_store, NULL));
    assert_non_null(strstr(sherd_err_detail(), "FIPS"));
    assert_int_equal(access(test->p12, F_OK), -1);
    assert_int_equal(protection_entries(test), before);
    assert_int_equal(protection_versions(test).count, 1);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL)); /* where it lies it may rotate */
}

/* --- a place that does not answer --------------------------------------------------------------------------------- */

static enum sherd_err fail_at(void *arg, const char *name)
{
    return strcmp(arg, name) == 0 ? sherd_fail(SHERD_ERR_IO, "as it was asked to") : SHERD_OK;
}

static void test_cryptor_protection_rotate__takes_back_what_it_could_not_keep(void **state)
{
    static char kept_anew[] = "protection.kept_anew";
    struct protection_test *test = *state;
    char away[90];

    protection_make(test, false);
    const uint64_t before = protection_entries(test);
    sherd_failpoint_set(fail_at, kept_anew);
    assert_err(SHERD_ERR_IO, sherd_protection_rotate(test->vault.vault, NULL));
    sherd_failpoint_set(NULL, NULL);
    assert_settled(test, 1, false);
    assert_int_equal(protection_entries(test), before);

    protection_reopen(test); /* so that no master key is held */
    (void)snprintf(away, sizeof(away), "%s.away", test->place);
    assert_int_equal(rename(test->place, away), 0);
    assert_int_equal(symlink("/dev/null/nothing", test->place), 0);
    assert_err(SHERD_ERR_IO, sherd_protection_rotate(test->vault.vault, NULL));
    assert_settled(test, 1, false);
    assert_int_equal(protection_entries(test), before);
    assert_int_equal(unlink(test->place), 0);
    assert_int_equal(rename(away, test->place), 0);
    assert_readable(test);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
    assert_settled(test, 2, false);
}

/* What is left to destroy keeps its protection key in history until it is gone. */
static void test_cryptor_protection_rotate__keeps_history_until_nothing_refers_to_it(void **state)
{
    static char committed[] = "protection.committed";
    struct protection_test *test = *state;
    char away[90];

    protection_make(test, false);
    const uint64_t before = protection_entries(test);
    sherd_failpoint_set(fail_at, committed);
    assert_err(SHERD_ERR_IO, sherd_protection_rotate(test->vault.vault, NULL));
    sherd_failpoint_set(NULL, NULL);
    struct protection_versions versions = protection_versions(test);
    assert_int_equal(versions.count, 2);
    assert_int_equal(versions.infos[0].old_count, 6);
    assert_int_equal(versions.infos[0].master_count, 0);
    assert_int_equal(versions.infos[1].master_count, 6);
    assert_true(protection_entries(test) > before);
    assert_readable(test);

    (void)snprintf(away, sizeof(away), "%s.away", test->place);
    assert_int_equal(rename(test->place, away), 0);
    assert_err(SHERD_ERR_IO, sherd_protection_rotate(test->vault.vault, NULL));
    versions = protection_versions(test);
    assert_int_equal(versions.count, 2);
    assert_int_equal(versions.infos[0].old_count, 6);
    assert_int_equal(rename(away, test->place), 0);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
    assert_settled(test, 3, false);
    assert_int_equal(protection_entries(test), before);
    assert_readable(test);
}

/* A master key that goes takes both of its keepings with it. */
static void test_cryptor_protection__goes_with_the_last_that_needs_it(void **state)
{
    static char committed[] = "protection.committed";
    struct protection_test *test = *state;
    const struct sherd_master_options once = {.name = "once", .store = "stripe"};

    protection_make(test, false);
    const uint64_t before = protection_entries(test);
    assert_ok(sherd_master_activate(test->vault.vault, &once, NULL));
    assert_ok(sherd_master_activate(test->vault.vault, &once, NULL));
    sherd_failpoint_set(fail_at, committed);
    assert_err(SHERD_ERR_IO, sherd_protection_rotate(test->vault.vault, NULL));
    sherd_failpoint_set(NULL, NULL);
    assert_ok(sherd_master_retire(test->vault.vault, "once", 1));
    assert_ok(sherd_master_destroy(test->vault.vault, "once", 1));
    assert_int_equal(protection_versions(test).infos[0].old_count, 7);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
    assert_int_equal(protection_versions(test).count, 1);
    assert_int_equal(protection_entries(test), before + 105); /* the parts of version 2, and its uses */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        protection_test_of(test_cryptor_protection_rotate__keeps_all_anew),
        protection_test_of(test_cryptor_protection_use_key_store__is_for_good),
        protection_test_of(test_cryptor_protection__is_in_a_key_store_from_the_first),
        protection_test_of(test_cryptor_protection__adds_to_a_key_store),
        protection_test_of(test_cryptor_protection_open__says_what_is_wrong_with_the_key_store),
        protection_test_of(test_cryptor_protection_rotate__makes_no_second_key_store),
        protection_test_of(test_cryptor_protection__is_only_read_where_the_vault_is),
        protection_test_of(test_cryptor_protection__refuses_what_makes_no_sense),
        protection_test_of(test_cryptor_protection_use_key_store__leaves_no_file_in_fips_mode),
        protection_test_of(test_cryptor_protection_rotate__takes_back_what_it_could_not_keep),
        protection_test_of(test_cryptor_protection_rotate__keeps_history_until_nothing_refers_to_it),
        protection_test_of(test_cryptor_protection__goes_with_the_last_that_needs_it),
    };

    return cmocka_run_group_tests_name("cryptor_protection", tests, NULL, NULL);
}
