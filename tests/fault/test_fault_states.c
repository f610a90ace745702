/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vaults in states that an owner brings about: read-only folders and mounts, a wrong passphrase, a format of the
 * future, a vault that was moved, or copied in part; and two processes that work on one. Each gives what is there, or
 * an error that says what is wrong, and loses nothing.
 */
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NOBODY 65534U
#define LONG_BYTES 150000U
#define COUNTERS 3U
#define COUNTS_EACH 120U

static struct place place;
static struct sherd_uuid small_id;
static struct sherd_uuid long_id;

static void make(void **state)
{
    static uint8_t block[LONG_BYTES];

    (void)state;
    struct sherd_vault *vault = place_open(&place);
    content_fill(1, block, 500);
    REQUIRE_OK(sherd_record_put(vault, NULL, sherd_span_of(block, 500), &small_id));
    content_fill(2, block, sizeof(block));
    REQUIRE_OK(sherd_record_put(vault, NULL, sherd_span_of(block, sizeof(block)), &long_id));
    sherd_vault_close(vault);
}

static int setup(void **state)
{
    place_make_vault(&place);
    make(state);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    place_remove(&place);
    return 0;
}

static void path_in_vault(const char *name, char out[static 256])
{
    (void)snprintf(out, 256, "%s/%s", place.vault, name);
}

/* Opening fails with a code, and with words that a person needs. */
static void require_refused(const struct sherd_unseal *unseal, enum sherd_err code, const char *words)
{
    struct sherd_vault *vault = NULL;

    REQUIRE_ERR(sherd_vault_open(place.vault, unseal, NULL, &vault), code);
    REQUIRE(strstr(sherd_err_detail(), words) != NULL, "\"%s\" does not say \"%s\"", sherd_err_detail(), words);
    REQUIRE(vault == NULL, "an output was written on failure");
}

static void require_works(const char *path)
{
    const struct sherd_unseal unseal = place_unseal(&place);
    struct sherd_vault *vault = NULL;
    struct sherd_uuid id;

    REQUIRE_OK(sherd_vault_open(path, &unseal, NULL, &vault));
    require_content(vault, small_id, 0, 1, 500);
    require_content(vault, long_id, 0, 2, LONG_BYTES);
    REQUIRE_OK(sherd_record_put(vault, NULL, sherd_span_str("it writes"), &id));
    REQUIRE_OK(sherd_record_delete(vault, id));
    (void)require_swept(vault);
    sherd_vault_close(vault);
}

/* --- what cannot be written -------------------------------------------------------------------------------------- */

static enum sherd_err count_record(void *arg, const struct sherd_record_info *info)
{
    (void)info;
    ++*(size_t *)arg;
    return SHERD_OK;
}

static enum sherd_err count_entry(void *arg, const struct sherd_inspect_entry *entry)
{
    (void)entry;
    ++*(size_t *)arg;
    return SHERD_OK;
}

static void require_reads(struct sherd_vault *vault)
{
    struct sherd_record_info *info = NULL;
    struct sherd_cursor cursor = {0};
    struct sherd_vault_info vault_info;
    struct sherd_sweep_stat swept;
    size_t count = 0;

    require_content(vault, small_id, 0, 1, 500);
    require_content(vault, long_id, 0, 2, LONG_BYTES);
    REQUIRE_OK(sherd_record_stat(vault, long_id, 0, &info));
    REQUIRE(info->content_bytes == LONG_BYTES, "another length");
    sherd_record_info_free(info);
    REQUIRE_OK(sherd_record_list(vault, NULL, &cursor, 0, count_record, &count));
    REQUIRE(count == 2, "%zu records", count);
    (void)require_clean(vault);
    REQUIRE_OK(sherd_vault_info(vault, &vault_info));
    REQUIRE(vault_info.read_only, "it does not say that it is read-only");
    REQUIRE_OK(sherd_vault_sweep(vault, true, &swept));
}

static void require_refuses_writes(struct sherd_vault *vault)
{
    static const uint8_t block[LONG_BYTES];
    const struct sherd_collection collection = {.name = "new", .versions_kept = 1};
    struct sherd_batch_item item = {.content = sherd_span_str("x")};
    struct sherd_sweep_stat swept;
    struct sherd_writer *writer = NULL;
    struct sherd_uuid id;

    REQUIRE_ERR(sherd_record_put(vault, NULL, sherd_span_str("x"), &id), SHERD_ERR_DENIED);
    REQUIRE(strstr(sherd_err_detail(), "reading only") != NULL, "\"%s\" does not say why", sherd_err_detail());
    REQUIRE_ERR(sherd_record_put(vault, NULL, sherd_span_of(block, sizeof(block)), &id), SHERD_ERR_DENIED);
    REQUIRE_ERR(sherd_record_put_batch(vault, &item, 1), SHERD_ERR_DENIED);
    REQUIRE_ERR(sherd_record_update(vault, small_id, 0, NULL, sherd_span_str("x"), NULL), SHERD_ERR_DENIED);
    REQUIRE_ERR(sherd_record_delete(vault, small_id), SHERD_ERR_DENIED);
    REQUIRE_ERR(sherd_writer_begin(vault, NULL, &writer), SHERD_ERR_DENIED);
    REQUIRE_ERR(sherd_vault_sweep(vault, false, &swept), SHERD_ERR_DENIED);
    REQUIRE_ERR(sherd_collection_create(vault, &collection), SHERD_ERR_DENIED);
}

static void require_read_only(const struct sherd_vault_open_options *options)
{
    const struct sherd_unseal unseal = place_unseal(&place);
    struct sherd_vault *vault = NULL;
    size_t count = 0;

    REQUIRE_OK(sherd_vault_open(place.vault, &unseal, options, &vault));
    require_reads(vault);
    require_refuses_writes(vault);
    require_reads(vault);
    sherd_vault_close(vault);
    REQUIRE_OK(sherd_compartment_inspect(place.vault, "secrets", count_entry, &count));
    REQUIRE(count >= 2, "%zu entries", count);
}

static int take_write_away(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)ftw;
    if (geteuid() == 0 && lchown(path, NOBODY, NOBODY) != 0)
        return -1;
    return chmod(path, st->st_mode & (kind == FTW_DP || kind == FTW_D ? 0555 : 0444));
}

static int give_write_back(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)kind;
    (void)ftw;
    return chmod(path, st->st_mode | 0200);
}

/* Root may write everywhere, so it becomes nobody first. */
static void use_as_owner_without_write(void *arg)
{
    (void)arg;
    if (geteuid() == 0)
        REQUIRE(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "setuid: %s", strerror(errno));
    REQUIRE(access(place.vault, W_OK) != 0, "the folder can be written");
    require_read_only(NULL);
}

static void test_fault_states__read_only_folder_reads(void **state)
{
    (void)state;
    assert_int_equal(chmod(place.root, 0755), 0);
    assert_int_equal(nftw(place.vault, take_write_away, 16, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(in_child(use_as_owner_without_write, NULL), 0);
    assert_int_equal(nftw(place.vault, give_write_back, 16, FTW_PHYS), 0);
}

static void use_read_only_mount(void *arg)
{
    bool *mounted = arg;

    if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(place.vault, place.vault, NULL, MS_BIND, NULL) != 0 ||
        mount("none", place.vault, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0) {
        printf("# no read-only mount can be had here (%s): the test of a read-only folder stands in for it\n",
               strerror(errno));
        return;
    }
    *mounted = true;
    require_read_only(NULL);
}

static void test_fault_states__read_only_mount_reads(void **state)
{
    bool mounted = false;

    (void)state;
    assert_int_equal(in_child(use_read_only_mount, &mounted), 0);
    require_works(place.vault);
}

static void test_fault_states__read_only_option_refuses_writes(void **state)
{
    const struct sherd_vault_open_options read_only = {.read_only = true};

    (void)state;
    require_read_only(&read_only);
    require_works(place.vault);
}

/* --- keys and formats -------------------------------------------------------------------------------------------- */

static void test_fault_states__wrong_keys_are_denied(void **state)
{
    const struct sherd_unseal wrong = {.passphrase = sherd_span_str("wrong horse battery staple")};
    const struct sherd_unseal right = {.passphrase = sherd_span_str("correct horse battery staple")};
    struct sherd_buf other_key = {0};
    struct sherd_vault *vault = NULL;
    struct place other = place;

    (void)state;
    REQUIRE_OK(sherd_key_file_new(&other_key));
    const struct sherd_unseal other_unseal = {.key_file = sherd_buf_span(&other_key)};
    require_refused(&other_unseal, SHERD_ERR_DENIED, "key");
    REQUIRE_ERR(sherd_vault_open(place.vault, &right, NULL, &vault), SHERD_ERR_DENIED);
    (void)snprintf(other.vault, sizeof(other.vault), "%s/with-passphrase", other.root);
    REQUIRE_OK(sherd_vault_init(other.vault, &right, NULL));
    REQUIRE_ERR(sherd_vault_open(other.vault, &wrong, NULL, &vault), SHERD_ERR_DENIED);
    REQUIRE(strstr(sherd_err_detail(), "passphrase") != NULL, "%s", sherd_err_detail());
    REQUIRE_ERR(sherd_vault_open(other.vault, &other_unseal, NULL, &vault), SHERD_ERR_DENIED);
    REQUIRE_OK(sherd_vault_open(other.vault, &right, NULL, &vault));
    sherd_vault_close(vault);
    sherd_buf_done(&other_key);
    require_works(place.vault);
}

static void file_replace(const char *name, const char *text)
{
    char path[256];

    path_in_vault(name, path);
    FILE *file = fopen(path, "we");
    REQUIRE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, "%s: %s", path, strerror(errno));
}

static void test_fault_states__formats_of_the_future_are_refused(void **state)
{
    static const char *const compartments[] = {"identity", "assets", "secrets", "keys"};
    const struct sherd_unseal unseal = place_unseal(&place);

    (void)state;
    file_replace("sherd.vault", "sherd vault\nformat 2\nengine lmdb\n");
    require_refused(&unseal, SHERD_ERR_UNSUPPORTED, "newer");
    file_replace("sherd.vault", "sherd vault\nformat 1\nengine strange\n");
    require_refused(&unseal, SHERD_ERR_UNSUPPORTED, "strange");
    file_replace("sherd.vault", "sherd vault\nformat 1\nengine lmdb\n");
    for (size_t i = 0; i < 4; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "%s/format", compartments[i]);
        file_replace(name, "sherd lmdb 2\n");
        require_refused(&unseal, SHERD_ERR_UNSUPPORTED, "newer");
        REQUIRE(strstr(sherd_err_detail(), compartments[i]) != NULL, "\"%s\" does not say which", sherd_err_detail());
        file_replace(name, "sherd lmdb 1\n");
    }
    require_works(place.vault);
}

/* --- moved, and copied in part ----------------------------------------------------------------------------------- */

static void test_fault_states__moved_and_copied_vaults_work(void **state)
{
    char moved[128];
    char copied[128];

    (void)state;
    (void)snprintf(moved, sizeof(moved), "%s/moved", place.root);
    (void)snprintf(copied, sizeof(copied), "%s/copied", place.root);
    REQUIRE(rename(place.vault, moved) == 0, "rename: %s", strerror(errno));
    require_works(moved);
    tree_copy(moved, copied);
    require_works(copied);
    require_works(moved);
}

static void test_fault_states__missing_parts_are_named(void **state)
{
    static const struct {
        const char *part;
        const char *words;
    } parts[] = {
        {"identity", "identity"},
        {"assets", "assets"},
        {"secrets", "secrets"},
        {"keys", "keys"},
        {"anchor", "anchor"},
        {"anchor/seals", "anchor/seals"},
        {"anchor/keyring", "anchor/keyring"},
        {"window.lock", "window.lock"},
        {"identity/format", "identity"},
        {"assets/format", "assets"},
        {"secrets/format", "secrets"},
        {"keys/format", "keys"},
        {"secrets/blobs", "secrets"},
        {"identity/data.mdb", "identity"},
        {"assets/data.mdb", "assets"},
        {"secrets/data.mdb", "secrets"},
        {"keys/data.mdb", "keys"},
    };
    const struct sherd_unseal unseal = place_unseal(&place);
    char away[128];

    (void)state;
    (void)snprintf(away, sizeof(away), "%s/away", place.root);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char path[256];

        path_in_vault(parts[i].part, path);
        REQUIRE(rename(path, away) == 0, "%s: %s", path, strerror(errno));
        require_refused(&unseal, SHERD_ERR_IO, parts[i].words);
        REQUIRE(rename(away, path) == 0, "%s: %s", path, strerror(errno));
        require_works(place.vault);
    }
}

static void test_fault_states__no_vault_is_not_found(void **state)
{
    const struct sherd_unseal unseal = place_unseal(&place);
    char path[256];

    (void)state;
    path_in_vault("sherd.vault", path);
    REQUIRE(unlink(path) == 0, "%s: %s", path, strerror(errno));
    require_refused(&unseal, SHERD_ERR_NOT_FOUND, "sherd init");
    tree_remove(place.vault);
    require_refused(&unseal, SHERD_ERR_NOT_FOUND, "sherd init");
}

/* A compartment of another vault in the place of one's own. */
static void test_fault_states__foreign_compartments_are_refused(void **state)
{
    static const char *const compartments[] = {"identity", "assets", "secrets", "keys"};
    const struct sherd_unseal unseal = place_unseal(&place);
    struct place other;

    (void)state;
    place_make_vault(&other);
    for (size_t i = 0; i < 4; i++) {
        char ours[256];
        char theirs[256];
        char away[128];

        path_in_vault(compartments[i], ours);
        (void)snprintf(theirs, sizeof(theirs), "%s/%s", other.vault, compartments[i]);
        (void)snprintf(away, sizeof(away), "%s/away", place.root);
        REQUIRE(rename(ours, away) == 0 && rename(theirs, ours) == 0, "rename: %s", strerror(errno));
        require_refused(&unseal, SHERD_ERR_TAMPERED, compartments[i]);
        REQUIRE(rename(ours, theirs) == 0 && rename(away, ours) == 0, "rename: %s", strerror(errno));
        require_works(place.vault);
    }
    place_remove(&other);
}

/* --- two processes ----------------------------------------------------------------------------------------------- */

static struct sherd_uuid counters[COUNTERS];

static uint64_t counter_read(struct sherd_vault *vault, struct sherd_uuid id, uint64_t *out_version)
{
    for (;;) {
        struct sherd_record_info *info = NULL;
        struct sherd_buf content = {0};
        uint64_t value = 0;

        REQUIRE_OK(sherd_record_stat(vault, id, 0, &info));
        *out_version = info->version;
        sherd_record_info_free(info);
        const enum sherd_err err = sherd_record_get(vault, id, *out_version, &content);
        REQUIRE(err == SHERD_OK || err == SHERD_ERR_NOT_FOUND, "%s (%s)", sherd_err_name(err), sherd_err_detail());
        if (err == SHERD_OK) {
            REQUIRE(content.len >= sizeof(value), "a counter of %zu bytes", content.len);
            memcpy(&value, content.data, sizeof(value));
        }
        sherd_buf_done(&content);
        if (err == SHERD_OK)
            return value;
    }
}

/* Read, add one, write if nobody else did: now and then as a blob. */
static void count_up(struct sherd_vault *vault, struct sherd_uuid id, bool is_long)
{
    static uint8_t block[70000];
    enum sherd_err err = SHERD_ERR_CONFLICT;

    while (err == SHERD_ERR_CONFLICT) {
        uint64_t version = 0;
        uint64_t version_new = 0;
        const uint64_t value = counter_read(vault, id, &version) + 1;

        memcpy(block, &value, sizeof(value));
        err = sherd_record_update(vault, id, version, NULL, sherd_span_of(block, is_long ? sizeof(block) : 64),
                                  &version_new);
        REQUIRE(err == SHERD_OK || err == SHERD_ERR_CONFLICT, "%s (%s)", sherd_err_name(err), sherd_err_detail());
        REQUIRE(err != SHERD_OK || version_new == version + 1, "an update of another version");
    }
}

static void run_process(void *arg)
{
    struct sherd_vault *vault = place_open(&place);

    (void)arg;
    for (unsigned i = 0; i < COUNTS_EACH; i++) {
        struct sherd_uuid id;
        struct sherd_sweep_stat swept;

        count_up(vault, counters[i % COUNTERS], i % 10 == 9);
        REQUIRE_OK(sherd_record_put(vault, NULL, sherd_span_str("beside"), &id));
        if (i % 3 == 0)
            REQUIRE_OK(sherd_record_delete(vault, id));
        if (i % 40 == 39)
            REQUIRE_OK(sherd_vault_sweep(vault, false, &swept));
    }
    sherd_vault_close(vault);
}

static void require_counters(void)
{
    struct sherd_vault *vault = place_open(&place);
    uint64_t version = 0;

    for (unsigned i = 0; i < COUNTERS; i++) {
        const uint64_t value = counter_read(vault, counters[i], &version);

        assert_int_equal(value, 2 * (COUNTS_EACH / COUNTERS));
        assert_int_equal(version, value + 1);
    }
    const struct sherd_verify_stat stat = require_clean(vault);
    assert_int_equal(stat.record_count, 2 + COUNTERS + 2 * (COUNTS_EACH - COUNTS_EACH / 3));
    (void)require_swept(vault);
    sherd_vault_close(vault);
}

static void test_fault_states__two_processes_lose_no_update(void **state)
{
    const uint64_t zero[8] = {0};
    pid_t children[2];

    (void)state;
    struct sherd_vault *vault = place_open(&place);
    for (unsigned i = 0; i < COUNTERS; i++)
        REQUIRE_OK(sherd_record_put(vault, NULL, sherd_span_of(zero, sizeof(zero)), &counters[i]));
    sherd_vault_close(vault);
    for (size_t i = 0; i < 2; i++) {
        children[i] = fork_child();
        if (children[i] == 0) {
            run_process(NULL);
            _exit(0);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        int status = 0;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    require_counters();
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_fault_states__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(read_only_folder_reads),
        TEST(read_only_mount_reads),
        TEST(read_only_option_refuses_writes),
        TEST(wrong_keys_are_denied),
        TEST(formats_of_the_future_are_refused),
        TEST(moved_and_copied_vaults_work),
        TEST(missing_parts_are_named),
        TEST(no_vault_is_not_found),
        TEST(foreign_compartments_are_refused),
        TEST(two_processes_lose_no_update),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
