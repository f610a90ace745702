/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of backups by the keys that a vault has: with the protection key in a key store, which is in no backup, and
 * with entries under several versions of the store keys.
 */
#include "bundle.h"
#include "cryptor/vault.h"
#include "protection.h"

static void close_vault(struct vault_test *test)
{
    sherd_vault_close(test->vault);
    test->vault = NULL;
}

/* --- a key store -------------------------------------------------------------------------------------------------- */

struct lost {
    struct sherd_buf bundle;
    struct sherd_buf epoch_key;
};

static enum sherd_err recover(const struct protection_test *test, const struct lost *lost,
                              const struct sherd_key_store_file *key_store, struct sherd_recovery *out_told)
{
    struct source source = {sherd_buf_span(&lost->bundle)};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    const struct sherd_backup_keys keys = {.unseal = &test->vault.unseal,
                                           .epoch_key = sherd_buf_span(&lost->epoch_key),
                                           .vault = test->vault.path,
                                           .key_store = key_store};

    return sherd_anchor_recover(test->vault.path, &in, &keys, out_told);
}

static void path_of(const struct protection_test *test, const char *name, char out_path[96])
{
    (void)snprintf(out_path, 96, "%s/%s", test->vault.root, name);
}

/* All of anchor/, moved away. */
static void lose_anchor(const struct protection_test *test)
{
    char path[96];
    char away[96];

    path_of(test, "vault/anchor", path);
    path_of(test, "lost", away);
    assert_int_equal(rename(path, away), 0);
}

static void lost_begin(struct protection_test *test, struct lost *lost)
{
    uint64_t epoch;

    lost->bundle = backup_of(test->vault.vault);
    lost->epoch_key = (struct sherd_buf){0};
    assert_ok(sherd_epoch_export(test->vault.vault, &lost->epoch_key, &epoch));
    close_vault(&test->vault);
    lose_anchor(test);
}

static void lost_end(struct lost *lost)
{
    sherd_buf_done(&lost->bundle);
    sherd_buf_done(&lost->epoch_key);
}

static void assert_recovered(struct protection_test *test, const struct lost *lost, uint64_t version)
{
    struct sherd_recovery told = {0};

    assert_ok(recover(test, lost, &test->key_store, &told));
    assert_true(told.seals && told.keyring && told.epochs);
    assert_int_equal(told.record_count, SHERD_COUNT_OF(test->records));
    protection_expect(test, SHERD_ERR_SEALED, NULL, "--key-store-password-file"); /* as it was before */
    assert_ok(protection_open(test, &test->key_store));
    assert_settled(test, version, true);
    assert_readable(test);
}

static void test_backup_keys_recover__needs_the_key_store(void **state)
{
    struct protection_test *test = *state;
    const struct sherd_key_store_file wrong = {test->p12, sherd_span_str("open barley")};
    struct sherd_recovery told;
    struct lost lost;
    char anchor[96];
    char away[96];

    protection_make(test, true);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
    lost_begin(test, &lost);
    path_of(test, "vault/anchor", anchor);
    path_of(test, "keys.p12.away", away);
    assert_err(SHERD_ERR_SEALED, recover(test, &lost, NULL, &told));
    assert_non_null(strstr(sherd_err_detail(), "--key-store-password-file"));
    assert_err(SHERD_ERR_DENIED, recover(test, &lost, &wrong, &told));
    assert_null(strstr(sherd_err_detail(), "barley"));
    assert_int_equal(rename(test->p12, away), 0);
    assert_err(SHERD_ERR_IO, recover(test, &lost, &test->key_store, &told));
    assert_non_null(strstr(sherd_err_detail(), "is missing"));
    assert_int_equal(access(anchor, F_OK), -1); /* nothing was touched */
    assert_int_equal(rename(away, test->p12), 0);
    assert_recovered(test, &lost, 2);
    assert_ok(sherd_protection_rotate(test->vault.vault, NULL));
    assert_settled(test, 3, true);
    assert_readable(test);
    lost_end(&lost);
}

/* The file may lie elsewhere by now: who recovers names it, and so does who opens the vault after. */
static void test_backup_keys_recover__finds_a_key_store_that_was_moved(void **state)
{
    struct protection_test *test = *state;
    struct sherd_recovery told;
    struct lost lost;
    char moved[96];

    protection_make(test, true);
    lost_begin(test, &lost);
    path_of(test, "moved.p12", moved);
    assert_int_equal(rename(test->p12, moved), 0);
    const struct sherd_key_store_file key_store = {moved, test->key_store.password};
    assert_ok(recover(test, &lost, &key_store, &told));
    assert_int_equal(told.record_count, SHERD_COUNT_OF(test->records));
    protection_expect(test, SHERD_ERR_IO, &test->key_store, "is missing");
    assert_ok(protection_open(test, &key_store));
    assert_readable(test);
    lost_end(&lost);
}

/* The keyring of the backup says that the key lies in it; the one that `keys` pins says it lies in a key store. */
static void test_backup_keys_recover__takes_no_keyring_from_before_the_key_store(void **state)
{
    struct protection_test *test = *state;
    struct sherd_recovery told;
    struct lost lost;
    char anchor[96];

    protection_make(test, false);
    struct sherd_buf before = backup_of(test->vault.vault);
    assert_ok(sherd_protection_use_key_store(test->vault.vault, &test->key_store, NULL));
    lost_begin(test, &lost);
    path_of(test, "vault/anchor", anchor);
    const struct lost older = {before, lost.epoch_key};
    assert_err(SHERD_ERR_TAMPERED, recover(test, &older, &test->key_store, &told));
    assert_err(SHERD_ERR_TAMPERED, recover(test, &older, NULL, &told));
    assert_int_equal(access(anchor, F_OK), -1);
    assert_recovered(test, &lost, 2);
    sherd_buf_done(&before);
    lost_end(&lost);
}

/* --- store keys --------------------------------------------------------------------------------------------------- */

static const char *const stores[] = {"store:identity", "store:assets", "store:secrets", "store:keys"};

#define VERSIONS 3U

struct listed {
    unsigned count;
    uint64_t newest;
};

static enum sherd_err note(void *arg, const struct sherd_master_info *info)
{
    struct listed *listed = arg;

    for (size_t i = 0; i < SHERD_COUNT_OF(stores); i++) {
        if (strcmp(info->name, stores[i]) != 0)
            continue;
        listed[i].count++;
        listed[i].newest = info->version;
    }
    return SHERD_OK;
}

static void assert_versions(struct sherd_vault *vault, unsigned count)
{
    struct listed listed[SHERD_COUNT_OF(stores)] = {{0}};

    assert_ok(sherd_master_each(vault, note, listed));
    for (size_t i = 0; i < SHERD_COUNT_OF(stores); i++) {
        assert_int_equal(listed[i].count, count);
        assert_int_equal(listed[i].newest, VERSIONS);
    }
}

/* Which versions of its store key the entries of a compartment lie under, bit by version. */
static enum sherd_err note_version(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    (void)name;
    *(unsigned *)arg |= 1U << sherd_entry_version(stored);
    return SHERD_OK;
}

static unsigned versions_in(struct sherd_compartment *compartment)
{
    struct sherd_snapshot *snapshot;
    unsigned versions = 0;

    assert_ok(sherd_compartment_snapshot_begin(compartment, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, note_version, &versions));
    sherd_snapshot_end(snapshot);
    return versions;
}

static void put_under_each_version(struct vault_test *test, struct sherd_uuid ids[VERSIONS])
{
    static const char *const texts[VERSIONS] = {"under 1", "under 2", "under 3"};

    for (size_t i = 0; i < VERSIONS; i++) {
        const struct sherd_record_meta meta = {.entity = texts[i]};

        for (size_t k = 0; i > 0 && k < SHERD_COUNT_OF(stores); k++) {
            const struct sherd_master_options options = {.name = stores[k]};

            assert_ok(sherd_master_activate(test->vault, &options, NULL));
        }
        ids[i] = vault_put(test, &meta, texts[i]);
    }
}

static void assert_texts(struct vault_test *test, const struct sherd_uuid ids[VERSIONS])
{
    vault_assert_text(test, ids[0], 0, "under 1");
    vault_assert_text(test, ids[1], 0, "under 2");
    vault_assert_text(test, ids[2], 0, "under 3");
}

static void test_backup_keys_restore__brings_back_what_lies_under_older_store_keys(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_backup_keys keys = {.unseal = &test->unseal, .vault = test->path};
    const struct sherd_rekey_options all = {.rate = 0};
    struct sherd_backup_info info;
    struct sherd_verify_stat verified;
    struct sherd_rekey_stat rekeyed;
    struct sherd_uuid ids[VERSIONS];
    char path[64];

    put_under_each_version(test, ids);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &rekeyed)); /* the vault goes on, and destroys them */
    assert_versions(test->vault, 1);

    struct source source = {sherd_buf_span(&bundle)};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    assert_ok(sherd_backup_verify(&in, &keys, NULL, &info));
    source.rest = sherd_buf_span(&bundle);
    (void)snprintf(path, sizeof(path), "%s/again", test->root);
    assert_ok(sherd_backup_restore(&in, &keys, path, NULL, NULL, &info, &verified));
    assert_int_equal(verified.finding_count, 0);
    close_vault(test);
    (void)snprintf(test->path, sizeof(test->path), "%s", path);
    test->vault = vault_open_as(test, false, 2);
    assert_versions(test->vault, VERSIONS); /* as it was at that instant */
    assert_int_equal(versions_in(test->vault->assets.compartment), 1U << 1 | 1U << 2 | 1U << 3);
    assert_int_equal(versions_in(test->vault->keys), 1U << 1 | 1U << 2 | 1U << 3);
    assert_texts(test, ids);
    vault_assert_clean(test, 0);

    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &rekeyed));
    assert_true(rekeyed.resealed_count > 0);
    assert_versions(test->vault, 1);
    assert_int_equal(versions_in(test->vault->assets.compartment), 1U << 3);
    assert_int_equal(versions_in(test->vault->keys), 1U << 3);
    vault_reopen(test);
    assert_texts(test, ids);
    vault_assert_clean(test, 0);
}

/* Its keyring has keys that the vault's own has no more: it is no way around their end. */
static void test_backup_keys_recover__takes_no_keyring_with_destroyed_store_keys(void **state)
{
    struct protection_test wrapped = {.vault = *(struct vault_test *)*state};
    struct vault_test *test = *state;
    const struct sherd_rekey_options all = {.rate = 0};
    struct sherd_rekey_stat rekeyed;
    struct sherd_recovery told;
    struct sherd_uuid ids[VERSIONS];
    struct lost lost;

    put_under_each_version(test, ids);
    struct sherd_buf before = backup_of(test->vault);
    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &rekeyed));
    wrapped.vault.vault = test->vault;
    lost_begin(&wrapped, &lost);
    test->vault = NULL;
    const struct lost older = {before, lost.epoch_key};
    assert_err(SHERD_ERR_TAMPERED, recover(&wrapped, &older, NULL, &told));
    assert_ok(recover(&wrapped, &lost, NULL, &told));
    test->vault = vault_open_as(test, false, 2);
    assert_versions(test->vault, 1);
    assert_texts(test, ids);
    vault_assert_clean(test, 0);
    sherd_buf_done(&before);
    lost_end(&lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        protection_test_of(test_backup_keys_recover__needs_the_key_store),
        protection_test_of(test_backup_keys_recover__finds_a_key_store_that_was_moved),
        protection_test_of(test_backup_keys_recover__takes_no_keyring_from_before_the_key_store),
        vault_test_of(test_backup_keys_restore__brings_back_what_lies_under_older_store_keys),
        vault_test_of(test_backup_keys_recover__takes_no_keyring_with_destroyed_store_keys),
    };

    return cmocka_run_group_tests_name("backup_keys", tests, NULL, NULL);
}
