/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the compartments' copies of the ledger: they are made and grow when a handle ends, they are logs that anyone
 * verifies, and they convict an anchor that was rolled back, or whose ledger was written anew.
 */
#include "base/file.h"
#include "cryptor/copies.h"
#include "ledger/log.h"
#include "vault.h"
#include <sherd/ledger.h>
#include <spawn.h>
#include <sys/wait.h>

static const char *const roles[] = {"identity", "assets", "secrets"};

/* What was told of the three copies. */
struct told {
    unsigned fine;
    unsigned conflicts;
    unsigned damaged;
    char text[SHERD_FAIL_TEXT_SIZE];
};

static void note(void *arg, enum sherd_role role, enum sherd_err err, const char *text)
{
    struct told *told = arg;

    (void)role;
    told->fine += err == SHERD_OK ? 1 : 0;
    told->conflicts += err == SHERD_ERR_CONFLICT ? 1 : 0;
    told->damaged += err == SHERD_ERR_TAMPERED ? 1 : 0;
    if (err != SHERD_OK)
        (void)snprintf(told->text, sizeof(told->text), "%s", text);
}

static struct told update(struct vault_test *test)
{
    struct told told = {0};

    assert_ok(sherd_copies_update(test->vault, note, &told));
    return told;
}

static struct told check(struct vault_test *test)
{
    struct told told = {0};

    assert_ok(sherd_copies_check(test->vault, note, &told));
    return told;
}

static void folder_of(struct vault_test *test, const char *role, char out_path[static 200])
{
    struct sherd_ledger_head head;

    assert_ok(sherd_ledger_checkpoint(test->vault, NULL, NULL, &head));
    (void)snprintf(out_path, 200, "%s/%s/ledger-%s", test->path, role, head.origin + strlen(head.origin) - 8);
}

/* Leaves of a copy, all verified; 0 if there is none. */
static uint64_t size_of(struct vault_test *test, const char *role)
{
    struct sherd_buf key = {0};
    struct sherd_policy *policy = NULL;
    struct sherd_log *log = NULL;
    uint64_t size = 0;
    char path[200];

    folder_of(test, role, path);
    assert_ok(sherd_ledger_checkpoint(test->vault, NULL, &key, NULL));
    assert_ok(sherd_policy_of_log(sherd_buf_span(&key), &policy));
    const enum sherd_err err = sherd_log_open(path, policy, NULL, &log);
    if (err == SHERD_OK) {
        assert_ok(sherd_log_verify(log, NULL, NULL));
        size = sherd_log_checkpoint(log)->head.size;
    } else {
        assert_int_equal(err, SHERD_ERR_NOT_FOUND);
    }
    sherd_log_close(log);
    sherd_policy_free(policy);
    sherd_buf_done(&key);
    return size;
}

static uint64_t ledger_size(struct vault_test *test)
{
    struct sherd_ledger_head head;

    assert_ok(sherd_ledger_checkpoint(test->vault, NULL, NULL, &head));
    return head.size;
}

static void put_many(struct vault_test *test, size_t count)
{
    struct sherd_batch_item *items = test_calloc(count, sizeof(*items));

    for (size_t i = 0; i < count; i++)
        items[i].content = sherd_span_str("x");
    assert_ok(sherd_record_put_batch(test->vault, items, count));
    test_free(items);
}

static void test_cryptor_copies__grow_with_the_ledger(void **state)
{
    static const size_t counts[] = {1, 300, 2, 1000, 1};
    struct vault_test *test = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(counts); i++) {
        put_many(test, counts[i]);
        assert_int_equal(update(test).fine, 3);
        assert_int_equal(update(test).fine, 3); /* nothing is left to do */
        for (size_t r = 0; r < SHERD_COUNT_OF(roles); r++)
            assert_int_equal(size_of(test, roles[r]), ledger_size(test));
        assert_int_equal(check(test).fine, 3);
    }
}

static void test_cryptor_copies__are_made_when_a_handle_ends_that_wrote(void **state)
{
    struct vault_test *test = *state;

    vault_reopen(test);
    assert_int_equal(size_of(test, "assets"), 0);
    put_many(test, 5);
    vault_reopen(test);
    const uint64_t size = ledger_size(test);
    for (size_t r = 0; r < SHERD_COUNT_OF(roles); r++)
        assert_int_equal(size_of(test, roles[r]), size);
    put_many(test, 5); /* and not at once again */
    vault_reopen(test);
    assert_int_equal(size_of(test, "secrets"), size);
}

static void copy_tree(const char *from, const char *to)
{
    char program[] = "cp";
    char as_it_is[] = "-a";
    char *const argv[] = {program, as_it_is, (char *)(uintptr_t)from, (char *)(uintptr_t)to, NULL};
    int status = -1;
    pid_t child;

    vault_remove(to);
    assert_int_equal(posix_spawnp(&child, program, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The anchor and its compartment as they were: what they say of one another agrees. */
static void test_cryptor_copies__convict_an_anchor_that_was_rolled_back(void **state)
{
    struct vault_test *test = *state;
    struct sherd_verify_stat stat;
    char anchor[100];
    char keys[100];
    char old_anchor[100];
    char old_keys[100];

    (void)snprintf(anchor, sizeof(anchor), "%s/anchor", test->path);
    (void)snprintf(keys, sizeof(keys), "%s/keys", test->path);
    (void)snprintf(old_anchor, sizeof(old_anchor), "%s/old-anchor", test->root);
    (void)snprintf(old_keys, sizeof(old_keys), "%s/old-keys", test->root);
    put_many(test, 3);
    (void)update(test);
    sherd_vault_close(test->vault);
    copy_tree(anchor, old_anchor);
    copy_tree(keys, old_keys);
    test->vault = vault_open_as(test, false, 2);
    put_many(test, 4);
    (void)update(test);
    assert_int_equal(check(test).fine, 3);
    sherd_vault_close(test->vault);
    copy_tree(old_anchor, anchor);
    copy_tree(old_keys, keys);
    test->vault = vault_open_as(test, false, 2);
    const struct told seen = check(test);
    assert_int_equal(seen.conflicts, 3);
    assert_non_null(strstr(seen.text, "4 leaves behind its copy"));
    assert_err(SHERD_ERR_TAMPERED, sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_true(stat.finding_count >= 3);
    /* it goes on, and is longer than the copies then: another history */
    put_many(test, 9);
    assert_int_equal(check(test).conflicts, 3);
    const struct told kept = update(test);
    assert_int_equal(kept.conflicts, 3);
    assert_non_null(strstr(kept.text, "does not continue its copy"));
}

static void test_cryptor_copies__are_told_of_when_they_are_damaged(void **state)
{
    struct vault_test *test = *state;
    struct sherd_verify_stat stat;
    char folder[200];
    char path[240];

    put_many(test, 700);
    (void)update(test);
    folder_of(test, "assets", folder);
    static const char *const files[] = {"tile/0/000", "tile/entries/001", "checkpoint"};
    for (size_t i = 0; i < SHERD_COUNT_OF(files); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        FILE *file = fopen(path, "r+");
        assert_non_null(file);
        assert_int_equal(fseek(file, 100, SEEK_SET), 0);
        const int byte = fgetc(file);
        assert_true(fseek(file, 100, SEEK_SET) == 0 && fputc(byte ^ 1, file) != EOF && fclose(file) == 0);
        const struct told seen = check(test);
        assert_int_equal(seen.fine, 2);
        assert_int_equal(seen.damaged, 1);
        assert_err(SHERD_ERR_TAMPERED, sherd_vault_verify(test->vault, NULL, NULL, &stat));
        assert_int_equal(stat.finding_count, 1);
        file = fopen(path, "r+");
        assert_true(fseek(file, 100, SEEK_SET) == 0 && fputc(byte, file) != EOF && fclose(file) == 0);
    }
    /* one that is gone is made anew */
    vault_remove(folder);
    assert_int_equal(check(test).fine, 3);
    assert_int_equal(update(test).fine, 3);
    assert_int_equal(size_of(test, "assets"), ledger_size(test));
    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
}

static void test_cryptor_copies__need_a_vault_that_may_be_written(void **state)
{
    struct vault_test *test = *state;

    put_many(test, 1);
    vault_reopen(test);
    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, true, 2);
    assert_err(SHERD_ERR_DENIED, sherd_copies_update(test->vault, NULL, NULL));
    assert_int_equal(check(test).fine, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cryptor_copies__grow_with_the_ledger, vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_copies__are_made_when_a_handle_ends_that_wrote, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_copies__convict_an_anchor_that_was_rolled_back, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_copies__are_told_of_when_they_are_damaged, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_copies__need_a_vault_that_may_be_written, vault_setup,
                                        vault_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
