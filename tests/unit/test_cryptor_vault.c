/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of vaults as a whole: making, opening, what unseals, what is refused, reading only, and their figures. */
#include "base/bytes.h"
#include "vault.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void path_of(const struct vault_test *test, const char *name, char out[128])
{
    (void)snprintf(out, 128, "%s/%s", test->path, name);
}

static enum sherd_err init(const struct vault_test *test)
{
    return sherd_vault_init(test->path, &test->unseal, NULL);
}

static enum sherd_err open_with(const struct vault_test *test, const struct sherd_unseal *unseal)
{
    struct sherd_vault *vault = NULL;
    const enum sherd_err err = sherd_vault_open(test->path, unseal, NULL, &vault);

    if (err != SHERD_OK)
        assert_null(vault);
    sherd_vault_close(vault);
    return err;
}

/* Names in the directory that the vault lies in. */
static unsigned names_in_root(const struct vault_test *test)
{
    DIR *dir = opendir(test->root);
    unsigned count = 0;

    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.' ? 1 : 0;
    assert_int_equal(closedir(dir), 0);
    return count;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static void test_cryptor_vault_init__makes_what_opens(void **state)
{
    struct vault_test *test = *state;
    struct stat st;

    assert_ok(init(test));
    assert_int_equal(names_in_root(test), 1);
    assert_int_equal(stat(test->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    test->vault = vault_open_as(test, false, 0);
    vault_assert_text(test, vault_put(test, NULL, "x"), 0, "x");
    vault_assert_clean(test, 0);
}

static void test_cryptor_vault_init__takes_an_empty_directory_and_a_slash(void **state)
{
    struct vault_test *test = *state;
    char path[70];

    assert_int_equal(mkdir(test->path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s///", test->path);
    assert_ok(sherd_vault_init(path, &test->unseal, NULL));
    assert_int_equal(names_in_root(test), 1);
    assert_ok(open_with(test, &test->unseal));
}

static void test_cryptor_vault_init__takes_a_relative_path(void **state)
{
    struct vault_test *test = *state;
    char before[256];

    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(test->root), 0);
    const enum sherd_err err = sherd_vault_init("vault", &test->unseal, NULL);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(err, SHERD_OK);
    assert_ok(open_with(test, &test->unseal));
}

static void test_cryptor_vault_init__replaces_nothing(void **state)
{
    struct vault_test *test = *state;
    char path[128];

    assert_int_equal(mkdir(test->path, 0700), 0);
    path_of(test, "something", path);
    const int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_err(SHERD_ERR_CONFLICT, init(test));
    assert_int_equal(names_in_root(test), 1); /* nor does anything stay beside it */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(test->path), 0);

    const int file = open(test->path, O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    assert_err(SHERD_ERR_CONFLICT, init(test));
    assert_int_equal(unlink(test->path), 0);

    assert_ok(init(test));
    test->vault = vault_open_as(test, false, 0);
    const struct sherd_uuid id = vault_put(test, NULL, "stays");
    assert_err(SHERD_ERR_CONFLICT, init(test));
    vault_reopen(test);
    vault_assert_text(test, id, 0, "stays");
    assert_int_equal(names_in_root(test), 1);
}

static void test_cryptor_vault_init__refuses_calls_that_make_no_sense(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_vault_init_options unknown = {.engine = "nosuchengine"};
    const struct sherd_unseal nothing = {.key_file = sherd_span_of(NULL, 0)};

    assert_err(SHERD_ERR_INVALID, sherd_vault_init(NULL, &test->unseal, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_vault_init("", &test->unseal, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_vault_init(test->path, NULL, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_vault_init(test->path, &nothing, NULL));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_vault_init(test->path, &test->unseal, &unknown));
    assert_err(SHERD_ERR_IO, sherd_vault_init("/proc/no/such/place", &test->unseal, NULL));
    assert_int_equal(names_in_root(test), 0);
}

static void test_cryptor_vault_init__makes_no_vault_that_cannot_be_opened(void **state)
{
    static const char *const engines[] = {"lmdb", "memory", "fault"};
    struct vault_test *test = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(engines); i++) {
        const struct sherd_vault_init_options options = {.engine = engines[i]};

        if (sherd_vault_init(test->path, &test->unseal, &options) == SHERD_OK) {
            assert_ok(open_with(test, &test->unseal));
            vault_remove(test->path);
        }
        assert_int_equal(names_in_root(test), 0);
    }
}

/* --- what unseals ------------------------------------------------------------------------------------------------- */

static void test_cryptor_vault_open__needs_the_key_file_that_sealed_it(void **state)
{
    struct vault_test *test = *state;
    struct sherd_buf other = {0};
    char text[SHERD_KEY_FILE_TEXT_BYTES];

    assert_ok(init(test));
    assert_ok(open_with(test, &test->unseal));
    assert_ok(sherd_key_file_new(&other));
    assert_err(SHERD_ERR_DENIED, open_with(test, &(struct sherd_unseal){.key_file = sherd_buf_span(&other)}));
    sherd_buf_done(&other);
    for (size_t i = 12; i < sizeof(text) - 1; i++) { /* another digit in each place */
        memcpy(text, test->key_text.data, sizeof(text));
        text[i] = text[i] == '0' ? '1' : '0';
        assert_err(SHERD_ERR_DENIED,
                   open_with(test, &(struct sherd_unseal){.key_file = sherd_span_of(text, sizeof(text))}));
    }
    assert_err(SHERD_ERR_DENIED,
               open_with(test, &(struct sherd_unseal){.passphrase = sherd_buf_span(&test->key_text)}));
    assert_ok(open_with(test, &test->unseal));
}

static void test_cryptor_vault_open__needs_the_passphrase_that_sealed_it(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_unseal right = {.passphrase = sherd_span_str("correct horse")};
    const struct sherd_unseal wrong = {.passphrase = sherd_span_str("correct horsf")};
    struct sherd_vault_info info;

    assert_ok(sherd_vault_init(test->path, &right, NULL));
    assert_err(SHERD_ERR_DENIED, open_with(test, &wrong));
    assert_err(SHERD_ERR_DENIED, open_with(test, &test->unseal));
    assert_ok(sherd_vault_open(test->path, &right, NULL, &test->vault));
    assert_ok(sherd_vault_info(test->vault, &info));
    assert_memory_equal(info.seal, "passphrase (", 12);
    vault_assert_text(test, vault_put(test, NULL, "x"), 0, "x");
}

static void test_cryptor_vault_open__needs_exactly_one_way_to_unseal(void **state)
{
    struct vault_test *test = *state;
    struct sherd_unseal both = test->unseal;
    const struct sherd_unseal none = {.passphrase = sherd_span_of("", 0)};
    char *large = test_calloc(1, SHERD_PASSPHRASE_BYTES_MAX + 1);
    const struct sherd_unseal longer = {.passphrase = sherd_span_of(large, SHERD_PASSPHRASE_BYTES_MAX + 1)};

    assert_ok(init(test));
    both.passphrase = sherd_span_str("correct horse");
    assert_err(SHERD_ERR_INVALID, open_with(test, &both));
    assert_err(SHERD_ERR_INVALID, open_with(test, &none));
    assert_err(SHERD_ERR_INVALID, open_with(test, &longer));
    assert_err(SHERD_ERR_INVALID, open_with(test, &(struct sherd_unseal){.key_file = sherd_span_str("no key file")}));
    assert_err(SHERD_ERR_INVALID, open_with(test, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_vault_open(NULL, &test->unseal, NULL, &test->vault));
    assert_err(SHERD_ERR_INVALID, sherd_vault_open(test->path, &test->unseal, NULL, NULL));
    test_free(large);
}

/* --- what is not a vault, or not all of one ----------------------------------------------------------------------- */

static void test_cryptor_vault_open__finds_no_vault(void **state)
{
    struct vault_test *test = *state;

    assert_err(SHERD_ERR_NOT_FOUND, open_with(test, &test->unseal));
    assert_non_null(strstr(sherd_err_detail(), test->path));
    assert_int_equal(mkdir(test->path, 0700), 0);
    assert_err(SHERD_ERR_NOT_FOUND, open_with(test, &test->unseal));
}

static void test_cryptor_vault_open__says_what_is_missing(void **state)
{
    static const char *const parts[] = {"anchor/seals/1", "anchor/keyring", "identity", "assets", "secrets", "keys"};
    struct vault_test *test = *state;
    char path[128];
    char aside[128];

    assert_ok(init(test));
    path_of(test, "aside", aside);
    for (size_t i = 0; i < SHERD_COUNT_OF(parts); i++) {
        path_of(test, parts[i], path);
        assert_int_equal(rename(path, aside), 0);
        assert_err(SHERD_ERR_IO, open_with(test, &test->unseal));
        assert_non_null(strstr(sherd_err_detail(), parts[i]));
        assert_int_equal(rename(aside, path), 0);
        assert_ok(open_with(test, &test->unseal));
    }
    path_of(test, "sherd.vault", path);
    assert_int_equal(rename(path, aside), 0);
    assert_err(SHERD_ERR_NOT_FOUND, open_with(test, &test->unseal));
}

static void test_cryptor_vault_open__refuses_parts_of_another_vault(void **state)
{
    static const struct {
        const char *part;
        enum sherd_err err;
    } parts[] = {{"anchor/seals/1", SHERD_ERR_TAMPERED}, {"anchor/keyring", SHERD_ERR_TAMPERED},
                 {"identity", SHERD_ERR_TAMPERED},       {"assets", SHERD_ERR_TAMPERED},
                 {"secrets", SHERD_ERR_TAMPERED},        {"keys", SHERD_ERR_TAMPERED}};
    struct vault_test *test = *state;
    char other[64];
    char theirs[128];
    char ours[128];
    char aside[128];

    assert_ok(init(test));
    (void)snprintf(other, sizeof(other), "%s/other", test->root);
    assert_ok(sherd_vault_init(other, &test->unseal, NULL)); /* by the same key file */
    path_of(test, "aside", aside);
    for (size_t i = 0; i < SHERD_COUNT_OF(parts); i++) {
        path_of(test, parts[i].part, ours);
        (void)snprintf(theirs, sizeof(theirs), "%s/%s", other, parts[i].part);
        assert_int_equal(rename(ours, aside), 0);
        assert_int_equal(rename(theirs, ours), 0);
        assert_err(parts[i].err, open_with(test, &test->unseal));
        assert_int_equal(rename(ours, theirs), 0);
        assert_int_equal(rename(aside, ours), 0);
    }
    /* nor may one compartment stand for another */
    char assets[128];
    char secrets[128];
    path_of(test, "assets", assets);
    path_of(test, "secrets", secrets);
    assert_int_equal(rename(assets, aside), 0);
    assert_int_equal(rename(secrets, assets), 0);
    assert_int_equal(rename(aside, secrets), 0);
    assert_err(SHERD_ERR_TAMPERED, open_with(test, &test->unseal));
}

static void test_cryptor_vault_open__opens_a_vault_that_was_moved(void **state)
{
    struct vault_test *test = *state;
    char elsewhere[64];

    assert_ok(init(test));
    test->vault = vault_open_as(test, false, 0);
    const struct sherd_uuid id = vault_put(test, NULL, "x");
    sherd_vault_close(test->vault);
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/moved", test->root);
    assert_int_equal(rename(test->path, elsewhere), 0);
    memcpy(test->path, elsewhere, sizeof(elsewhere));
    test->vault = vault_open_as(test, false, 0);
    vault_assert_text(test, id, 0, "x");
}

/* Overwrite a few bytes of a file. */
static void patch(const char *path, off_t at, const char *bytes, size_t len)
{
    const int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

static void test_cryptor_vault_open__knows_no_format_of_the_future(void **state)
{
    struct vault_test *test = *state;
    char path[128];

    assert_ok(init(test));
    path_of(test, "sherd.vault", path);
    patch(path, 19, "2", 1);
    assert_err(SHERD_ERR_UNSUPPORTED, open_with(test, &test->unseal));
    patch(path, 19, "1", 1);
    path_of(test, "anchor/seals/1", path);
    patch(path, 9, "\x02", 1); /* format */
    assert_err(SHERD_ERR_UNSUPPORTED, open_with(test, &test->unseal));
    patch(path, 9, "\x01\x00\x02", 3); /* suite */
    assert_err(SHERD_ERR_UNSUPPORTED, open_with(test, &test->unseal));
    patch(path, 9, "\x01\x00\x01", 3);
    path_of(test, "anchor/keyring", path);
    patch(path, 9, "\x02", 1);
    assert_err(SHERD_ERR_UNSUPPORTED, open_with(test, &test->unseal));
    patch(path, 9, "\x01", 1);
    path_of(test, "sherd.vault", path);
    patch(path, 28, "nosu", 4); /* an engine that this build does not have */
    assert_err(SHERD_ERR_UNSUPPORTED, open_with(test, &test->unseal));
    patch(path, 28, "lmdb", 4);
    assert_ok(open_with(test, &test->unseal));
}

static void test_cryptor_vault_open__opens_once_a_process(void **state)
{
    struct vault_test *test = *state;
    struct sherd_vault *again = NULL;

    assert_ok(init(test));
    test->vault = vault_open_as(test, false, 0);
    assert_err(SHERD_ERR_BUSY, sherd_vault_open(test->path, &test->unseal, NULL, &again));
    assert_null(again);
    vault_assert_text(test, vault_put(test, NULL, "x"), 0, "x"); /* the first is none the worse */
    vault_reopen(test);
    sherd_vault_close(NULL);
}

/* --- reading only ------------------------------------------------------------------------------------------------- */

static void test_cryptor_vault_open__read_only_refuses_changes(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_collection rules = {.name = "new"};
    struct sherd_batch_item item = {.content = sherd_span_str("x")};
    struct sherd_writer *writer = NULL;
    struct sherd_cursor cursor = {.started = false};
    struct sherd_verify_stat verified = {0};
    struct sherd_sweep_stat swept;
    struct sherd_vault_info info;
    struct sherd_uuid id = {{7}};

    assert_ok(init(test));
    test->vault = vault_open_as(test, false, 2);
    const struct sherd_uuid there = vault_put(test, NULL, "there");
    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, true, 2);

    assert_err(SHERD_ERR_DENIED, sherd_record_put(test->vault, NULL, sherd_span_str("x"), &id));
    assert_err(SHERD_ERR_DENIED, sherd_record_put_batch(test->vault, &item, 1));
    assert_err(SHERD_ERR_DENIED, sherd_record_update(test->vault, there, 0, NULL, sherd_span_str("x"), NULL));
    assert_err(SHERD_ERR_DENIED, sherd_record_delete(test->vault, there));
    assert_err(SHERD_ERR_DENIED, sherd_writer_begin(test->vault, NULL, &writer));
    assert_err(SHERD_ERR_DENIED, sherd_writer_begin_update(test->vault, there, 0, NULL, &writer));
    assert_err(SHERD_ERR_DENIED, sherd_collection_create(test->vault, &rules));
    assert_err(SHERD_ERR_DENIED, sherd_vault_sweep(test->vault, false, &swept));
    assert_null(writer);
    assert_int_equal(id.bytes[0], 7);

    vault_assert_text(test, there, 0, "there");
    assert_ok(sherd_vault_sweep(test->vault, true, &swept));
    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &verified));
    assert_int_equal(verified.record_count, 1);
    assert_ok(sherd_vault_info(test->vault, &info));
    assert_true(info.read_only);
    (void)cursor;
}

#define NOBODY 65534

static int give_to_nobody(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return lchown(path, NOBODY, NOBODY);
}

/* In a child, which may change its user. @return 0, or which step was not as it should be */
static int finds_it_read_only(const struct vault_test *test)
{
    const struct sherd_vault_open_options options = {.threads = 2};
    struct sherd_vault_info info;
    struct sherd_vault *vault = NULL;

    if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) /* root may write whatever the mode says */
        return 1;
    if (access(test->path, W_OK) == 0)
        return 2;
    if (sherd_vault_open(test->path, &test->unseal, &options, &vault) != SHERD_OK)
        return 3;
    if (sherd_vault_info(vault, &info) != SHERD_OK || !info.read_only)
        return 4;
    sherd_vault_close(vault);
    return 0;
}

static void test_cryptor_vault_open__finds_out_that_it_can_only_read(void **state)
{
    const struct vault_test *test = *state;
    int status = 0;
    pid_t child;

    assert_ok(init(test));
    if (geteuid() == 0)
        assert_int_equal(nftw(test->root, give_to_nobody, 16, FTW_PHYS), 0);
    assert_int_equal(chmod(test->path, 0500), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(finds_it_read_only(test));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(test->path, 0700), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

static void test_cryptor_vault_info__counts(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_calloc(1, 100000);
    struct sherd_vault_info fresh;
    struct sherd_vault_info info;
    struct sherd_uuid id;

    assert_ok(init(test));
    test->vault = vault_open_as(test, false, 0);
    assert_ok(sherd_vault_info(test->vault, &fresh));
    assert_int_equal(fresh.format, 1);
    assert_string_equal(fresh.engine, "lmdb");
    assert_string_equal(fresh.seal, "key file");
    assert_false(fresh.read_only);
    assert_int_equal(fresh.entry_count[0], 2); /* its own, and the owner */
    assert_int_equal(fresh.entry_count[1], 3); /* its own, and the default collection by name and by id */
    assert_int_equal(fresh.entry_count[2], 1);
    assert_int_equal(fresh.entry_count[3], 5); /* its own; pins of keyring, owner, default collection; uses of a key */
    assert_int_equal(fresh.deployment.bytes[6] >> 4, 4);

    (void)vault_put(test, NULL, "x");
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, 100000), &id));
    assert_ok(sherd_vault_info(test->vault, &info));
    assert_true(vault_same_id(info.deployment, fresh.deployment));
    assert_int_equal(info.entry_count[1], 5);
    assert_int_equal(info.entry_count[2], 2);
    assert_int_equal(info.blob_count[2], 1);
    assert_true(info.blob_bytes[2] >= 100000);
    assert_int_equal(info.entry_count[3], 9); /* two pins, the default entity and the entry of its id */
    assert_err(SHERD_ERR_INVALID, sherd_vault_info(NULL, &info));
    assert_err(SHERD_ERR_INVALID, sherd_vault_info(test->vault, NULL));
    test_free(block);
}

static void test_cryptor_vault_version__is_three_numbers(void **state)
{
    unsigned major;
    unsigned minor;
    unsigned patch_number;
    char rest;

    (void)state;
    assert_int_equal(sscanf(sherd_version(), "%u.%u.%u%c", &major, &minor, &patch_number, &rest), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_without(test_cryptor_vault_init__makes_what_opens),
        vault_test_without(test_cryptor_vault_init__takes_an_empty_directory_and_a_slash),
        vault_test_without(test_cryptor_vault_init__takes_a_relative_path),
        vault_test_without(test_cryptor_vault_init__replaces_nothing),
        vault_test_without(test_cryptor_vault_init__refuses_calls_that_make_no_sense),
        vault_test_without(test_cryptor_vault_init__makes_no_vault_that_cannot_be_opened),
        vault_test_without(test_cryptor_vault_open__needs_the_key_file_that_sealed_it),
        vault_test_without(test_cryptor_vault_open__needs_the_passphrase_that_sealed_it),
        vault_test_without(test_cryptor_vault_open__needs_exactly_one_way_to_unseal),
        vault_test_without(test_cryptor_vault_open__finds_no_vault),
        vault_test_without(test_cryptor_vault_open__says_what_is_missing),
        vault_test_without(test_cryptor_vault_open__refuses_parts_of_another_vault),
        vault_test_without(test_cryptor_vault_open__opens_a_vault_that_was_moved),
        vault_test_without(test_cryptor_vault_open__knows_no_format_of_the_future),
        vault_test_without(test_cryptor_vault_open__opens_once_a_process),
        vault_test_without(test_cryptor_vault_open__read_only_refuses_changes),
        vault_test_without(test_cryptor_vault_open__finds_out_that_it_can_only_read),
        vault_test_without(test_cryptor_vault_info__counts),
        vault_test_without(test_cryptor_vault_version__is_three_numbers),
    };

    return cmocka_run_group_tests_name("cryptor_vault", tests, NULL, NULL);
}
