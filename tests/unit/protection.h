/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/protection.h
 * A vault with a master key in each key store, for the tests of the key that protects them.
 */
#ifndef SHERD_TESTS_UNIT_PROTECTION_H
#define SHERD_TESTS_UNIT_PROTECTION_H

#include "kms/protection.h"
#include "vault.h"

struct protection_test {
    struct vault_test vault; /* first: what its helpers take */
    char p12[80];
    char place[80]; /* of parts of a master key */
    struct sherd_key_store_file key_store;
    struct sherd_uuid records[4]; /* each under a master key of its own */
};

static const char *const protection_stores[] = {"anchor", "stripe", "shares", "stripe"};

__attribute__((unused)) static int protection_setup(void **state)
{
    void *plain = NULL;

    if (vault_setup_nothing(&plain) != 0)
        return -1;
    struct protection_test *test = test_calloc(1, sizeof(*test));
    test->vault = *(struct vault_test *)plain;
    test_free(plain);
    (void)snprintf(test->p12, sizeof(test->p12), "%s/keys.p12", test->vault.root);
    (void)snprintf(test->place, sizeof(test->place), "%s/place", test->vault.root);
    test->key_store = (struct sherd_key_store_file){test->p12, sherd_span_str("open sesame")};
    *state = test;
    return 0;
}

__attribute__((unused)) static int protection_teardown(void **state)
{
    return vault_teardown(state);
}

__attribute__((unused)) static enum sherd_err protection_open(struct protection_test *test,
                                                              const struct sherd_key_store_file *key_store)
{
    const struct sherd_vault_open_options options = {.threads = 2, .key_store = key_store};

    return sherd_vault_open(test->vault.path, &test->vault.unseal, &options, &test->vault.vault);
}

__attribute__((unused)) static void protection_reopen(struct protection_test *test)
{
    sherd_vault_close(test->vault.vault);
    test->vault.vault = NULL;
    assert_ok(protection_open(test, &test->key_store));
}

/* A vault with a master key in each store, and a record under each. */
__attribute__((unused)) static void protection_make(struct protection_test *test, bool in_key_store)
{
    const struct sherd_vault_init_options init = {.key_store = in_key_store ? &test->key_store : NULL};

    assert_ok(sherd_vault_init(test->vault.path, &test->vault.unseal, &init));
    assert_ok(protection_open(test, &test->key_store));
    for (size_t i = 0; i < SHERD_COUNT_OF(protection_stores); i++) {
        char name[16];
        char args[160] = "";
        struct sherd_collection collection = {.versions_kept = 1};
        const struct sherd_record_meta meta = {.collection = name};

        (void)snprintf(name, sizeof(name), "key-%zu", i);
        (void)snprintf(collection.name, sizeof(collection.name), "%s", name);
        (void)snprintf(collection.master_key, sizeof(collection.master_key), "%s", name);
        if (i == 2)
            (void)snprintf(args, sizeof(args), "places=identity,secrets,lmdb:%s\nshares=6\n", test->place);
        const struct sherd_master_options options = {.name = name, .store = protection_stores[i], .args = args};
        assert_ok(sherd_master_activate(test->vault.vault, &options, NULL));
        assert_ok(sherd_collection_create(test->vault.vault, &collection));
        test->records[i] = vault_put(&test->vault, &meta, name);
    }
}

struct protection_versions {
    size_t count;
    struct sherd_protection_info infos[SHERD_PROTECTION_VERSIONS_MAX];
};

__attribute__((unused)) static enum sherd_err protection_note(void *arg, const struct sherd_protection_info *info)
{
    struct protection_versions *versions = arg;

    versions->infos[versions->count++] = *info;
    return SHERD_OK;
}

__attribute__((unused)) static struct protection_versions protection_versions(struct protection_test *test)
{
    struct protection_versions versions = {.count = 0};

    assert_ok(sherd_protection_each(test->vault.vault, protection_note, &versions));
    assert_true(versions.count > 0);
    return versions;
}

/* Everything is there, under one version of the protection key, and nothing of an older one. */
__attribute__((unused)) static void assert_settled(struct protection_test *test, uint64_t version, bool outside)
{
    const struct protection_versions versions = protection_versions(test);

    assert_int_equal(versions.count, 1);
    assert_int_equal(versions.infos[0].version, version);
    assert_true(versions.infos[0].serves);
    assert_int_equal(versions.infos[0].outside, outside);
    assert_int_equal(versions.infos[0].master_count, 2 + SHERD_COUNT_OF(protection_stores));
    assert_int_equal(versions.infos[0].old_count, 0);
    assert_string_equal(versions.infos[0].key_store, outside ? test->p12 : "");
}

__attribute__((unused)) static void assert_readable(struct protection_test *test)
{
    struct sherd_verify_stat stat;

    for (size_t i = 0; i < SHERD_COUNT_OF(test->records); i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "key-%zu", i);
        vault_assert_text(&test->vault, test->records[i], 0, name);
    }
    assert_ok(sherd_vault_verify(test->vault.vault, NULL, NULL, &stat));
    assert_int_equal(stat.finding_count, 0);
}

/* Entries of all compartments: parts of old keepings would be more of them. */
__attribute__((unused)) static uint64_t protection_entries(struct protection_test *test)
{
    struct sherd_vault_info info;

    assert_ok(sherd_vault_info(test->vault.vault, &info));
    return info.entry_count[0] + info.entry_count[1] + info.entry_count[2] + info.entry_count[3];
}

/** Opening must fail, and say so. */
__attribute__((unused)) static void protection_expect(struct protection_test *test, enum sherd_err err,
                                                      const struct sherd_key_store_file *given, const char *says)
{
    assert_err(err, protection_open(test, given));
    if (strstr(sherd_err_detail(), says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", sherd_err_detail(), says);
    assert_null(strstr(sherd_err_detail(), "sesame"));
    assert_null(test->vault.vault);
}

#define protection_test_of(name) cmocka_unit_test_setup_teardown(name, protection_setup, protection_teardown)

#endif
