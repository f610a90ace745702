/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/vault.h
 * What the tests of vaults share: a vault of their own each, sealed by a key file, in a directory that goes with it.
 */
#ifndef SHERD_TESTS_UNIT_VAULT_H
#define SHERD_TESTS_UNIT_VAULT_H

#include "base/macros.h"
#include <sherd/sherd.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/** Fails the test, with what the library has to say, unless the call succeeds. */
#define assert_ok(call)                                                                        \
    do {                                                                                       \
        const enum sherd_err assert_ok_err_ = (call);                                          \
        if (assert_ok_err_ != SHERD_OK)                                                        \
            fail_msg("%s: %s: %s", #call, sherd_err_name(assert_ok_err_), sherd_err_detail()); \
    } while (0)

/** Fails the test unless the call fails with that code, and says something about it. */
#define assert_err(expected, call)                                                                           \
    do {                                                                                                     \
        const enum sherd_err assert_err_err_ = (call);                                                       \
        if (assert_err_err_ != (expected))                                                                   \
            fail_msg("%s: %s, not %s: %s", #call, sherd_err_name(assert_err_err_), sherd_err_name(expected), \
                     sherd_err_detail());                                                                    \
        if (sherd_err_detail()[0] == '\0')                                                                   \
            fail_msg("%s: %s without a word", #call, sherd_err_name(expected));                              \
    } while (0)

struct vault_test {
    char root[40];
    char path[64];
    struct sherd_buf key_text;
    struct sherd_unseal unseal;
    struct sherd_vault *vault;
};

__attribute__((unused)) static int vault_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/** Remove a directory with all that is in it. */
__attribute__((unused)) static void vault_remove(const char *path)
{
    (void)nftw(path, vault_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

__attribute__((unused)) static struct sherd_vault *vault_open_as(const struct vault_test *test, bool read_only,
                                                                 unsigned threads)
{
    const struct sherd_vault_open_options options = {.read_only = read_only, .threads = threads};
    struct sherd_vault *vault = NULL;

    assert_ok(sherd_vault_open(test->path, &test->unseal, &options, &vault));
    return vault;
}

__attribute__((unused)) static void vault_reopen(struct vault_test *test)
{
    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, false, 2);
}

/** An empty directory and a key, no vault. */
__attribute__((unused)) static int vault_setup_nothing(void **state)
{
    struct vault_test *test = test_calloc(1, sizeof(*test));

    (void)snprintf(test->root, sizeof(test->root), "/tmp/sherd-test-vault-XXXXXX");
    if (mkdtemp(test->root) == NULL)
        return -1;
    (void)snprintf(test->path, sizeof(test->path), "%s/vault", test->root);
    if (sherd_key_file_new(&test->key_text) != SHERD_OK)
        return -1;
    test->unseal.key_file = sherd_buf_span(&test->key_text);
    *state = test;
    return 0;
}

/** A fresh vault, open. */
__attribute__((unused)) static int vault_setup(void **state)
{
    if (vault_setup_nothing(state) != 0)
        return -1;
    struct vault_test *test = *state;
    if (sherd_vault_init(test->path, &test->unseal, NULL) != SHERD_OK) {
        print_error("init: %s\n", sherd_err_detail());
        return -1;
    }
    test->vault = vault_open_as(test, false, 2);
    return 0;
}

__attribute__((unused)) static int vault_teardown(void **state)
{
    struct vault_test *test = *state;

    sherd_vault_close(test->vault);
    vault_remove(test->root);
    sherd_buf_done(&test->key_text);
    test_free(test);
    return 0;
}

/** Bytes that depend on their place and on a number, so that nothing can stand in another's place unseen. */
__attribute__((unused)) static void vault_fill(uint8_t *block, size_t len, uint64_t seed)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        block[i] = (uint8_t)(x >> 24);
    }
}

__attribute__((unused)) static struct sherd_uuid vault_put(struct vault_test *test,
                                                           const struct sherd_record_meta *meta, const char *text)
{
    struct sherd_uuid id;

    assert_ok(sherd_record_put(test->vault, meta, sherd_span_str(text), &id));
    return id;
}

/** Fails the test unless a version holds exactly these bytes. */
__attribute__((unused)) static void vault_assert_bytes(struct vault_test *test, struct sherd_uuid id, uint64_t version,
                                                       struct sherd_span expected)
{
    struct sherd_buf found = {0};

    assert_ok(sherd_record_get(test->vault, id, version, &found));
    assert_int_equal(found.len, expected.len);
    if (expected.len > 0 && memcmp(found.data, expected.data, expected.len) != 0)
        fail_msg("other contents of %zu bytes", expected.len);
    sherd_buf_done(&found);
}

__attribute__((unused)) static void vault_assert_text(struct vault_test *test, struct sherd_uuid id, uint64_t version,
                                                      const char *text)
{
    vault_assert_bytes(test, id, version, sherd_span_str(text));
}

/** The code of a get of which nothing is expected but that. */
__attribute__((unused)) static enum sherd_err vault_get(struct vault_test *test, struct sherd_uuid id, uint64_t version)
{
    struct sherd_buf found = {0};
    const enum sherd_err err = sherd_record_get(test->vault, id, version, &found);

    sherd_buf_done(&found);
    return err;
}

__attribute__((unused)) static void vault_collection(struct vault_test *test, const char *name, uint32_t versions_kept,
                                                     bool exact_sizes)
{
    struct sherd_collection rules = {.versions_kept = versions_kept, .exact_sizes = exact_sizes};

    (void)snprintf(rules.name, sizeof(rules.name), "%s", name);
    assert_ok(sherd_collection_create(test->vault, &rules));
}

__attribute__((unused)) static bool vault_same_id(struct sherd_uuid a, struct sherd_uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

/** The vault verifies as a whole, and holds so many orphans. */
__attribute__((unused)) static void vault_assert_clean(struct vault_test *test, uint64_t orphans)
{
    struct sherd_verify_stat stat = {0};

    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.finding_count, 0);
    assert_int_equal(stat.orphan_count, orphans);
}

#define vault_test_of(name) cmocka_unit_test_setup_teardown(name, vault_setup, vault_teardown)
#define vault_test_without(name) cmocka_unit_test_setup_teardown(name, vault_setup_nothing, vault_teardown)

#endif
