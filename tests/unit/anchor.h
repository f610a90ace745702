/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/anchor.h
 * An anchor over compartments in memory, with a home of its own in a directory that goes with it, sealed by a key file:
 * for the tests of what needs no more than that.
 */
#ifndef SHERD_TESTS_UNIT_ANCHOR_H
#define SHERD_TESTS_UNIT_ANCHOR_H

#include "anchor/embedded/embedded.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "store/memory/memory.h"
#include "vault.h"

struct anchor_test {
    char dir[40];
    struct sherd_buf key_text;
    struct sherd_unseal unseal;
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    struct sherd_anchor *anchor;
    struct sherd_compartment *keys; /* the anchor's */
    struct sherd_compartment *assets;
    struct sherd_collection_entry collection;
};

__attribute__((unused)) static struct sherd_compartment *anchor_compartment(enum sherd_role role, bool create)
{
    const struct sherd_store_config config = {.path = sherd_role_name(role), .create = create};
    struct sherd_compartment *compartment = NULL;

    assert_ok(sherd_compartment_open(role, &sherd_store_memory, &config, &compartment));
    return compartment;
}

/**
 * `keys` in memory, which several anchors have open at once, as several processes would: each its own compartment over
 * one store, which the last to close it ends. It holds no blobs.
 */
static struct {
    struct sherd_store shared; /* what compartments have: it passes on to the store in memory */
    struct sherd_store *store;
    unsigned users;
} anchor_keys;

__attribute__((unused)) static void anchor_keys_close(struct sherd_store *shared)
{
    (void)shared;
    if (--anchor_keys.users == 0)
        sherd_store_memory.close(anchor_keys.store);
}

__attribute__((unused)) static enum sherd_err anchor_keys_snapshot(struct sherd_store *shared,
                                                                   struct sherd_snapshot **out_snapshot)
{
    (void)shared;
    return sherd_store_memory.snapshot_begin(anchor_keys.store, out_snapshot);
}

__attribute__((unused)) static enum sherd_err anchor_keys_write(struct sherd_store *shared,
                                                                struct sherd_store_set *const *sets, size_t set_count)
{
    (void)shared;
    return sherd_store_memory.write(anchor_keys.store, sets, set_count);
}

__attribute__((unused)) static enum sherd_err anchor_keys_stat(struct sherd_store *shared,
                                                               struct sherd_store_stat *out_stat)
{
    (void)shared;
    return sherd_store_memory.stat(anchor_keys.store, out_stat);
}

__attribute__((unused)) static struct sherd_compartment *anchor_keys_open(bool create)
{
    static struct sherd_store_ops ops;
    const struct sherd_store_config config = {.path = "keys", .create = create};
    struct sherd_compartment *compartment = NULL;

    ops = sherd_store_memory;
    ops.close = anchor_keys_close;
    ops.snapshot_begin = anchor_keys_snapshot;
    ops.write = anchor_keys_write;
    ops.stat = anchor_keys_stat;
    anchor_keys.shared.ops = &ops;
    if (anchor_keys.users++ == 0)
        assert_ok(sherd_store_memory.open(&config, &anchor_keys.store));
    assert_ok(sherd_compartment_over(SHERD_KEYS, &anchor_keys.shared, &compartment));
    return compartment;
}

/** A fresh home. */
__attribute__((unused)) static struct sherd_home *anchor_home_make(struct anchor_test *test)
{
    struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));
    struct sherd_home *home = NULL;

    assert_non_null(ring);
    assert_ok(sherd_keyring_generate(ring));
    test->deployment = ring->deployment;
    test->tenant = ring->tenant;
    assert_ok(sherd_home_make(test->dir, ring, &test->unseal, &home));
    sherd_secret_free(ring);
    return home;
}

__attribute__((unused)) static struct sherd_home *anchor_home_open(const struct anchor_test *test)
{
    struct sherd_home *home = NULL;

    assert_ok(sherd_home_open(test->dir, false, &test->unseal, &home));
    return home;
}

/** One more anchor over the same home and the same `keys`, as another process would have it. The caller frees it. */
__attribute__((unused)) static enum sherd_err anchor_open(const struct anchor_test *test,
                                                          struct sherd_anchor **out_anchor)
{
    const struct sherd_anchor_parts parts = {.home = anchor_home_open(test), .keys = anchor_keys_open(false)};

    return sherd_anchor_embedded(&parts, out_anchor);
}

/** End the anchor and begin another one over what it stored. */
__attribute__((unused)) static void anchor_again(struct anchor_test *test)
{
    test->anchor->ops->free(test->anchor);
    const struct sherd_anchor_parts parts = {.home = anchor_home_open(test), .keys = anchor_keys_open(false)};
    test->keys = parts.keys;
    assert_ok(sherd_anchor_embedded(&parts, &test->anchor));
}

/** A directory and a key file, and no anchor yet. */
__attribute__((unused)) static int anchor_setup_nothing(void **state)
{
    struct anchor_test *test = test_calloc(1, sizeof(*test));

    (void)snprintf(test->dir, sizeof(test->dir), "/tmp/sherd-test-anchor-XXXXXX");
    if (sherd_crypto_init() != SHERD_OK || mkdtemp(test->dir) == NULL ||
        sherd_key_file_new(&test->key_text) != SHERD_OK || sherd_uuid_new(&test->collection.id) != SHERD_OK)
        return -1;
    test->unseal.key_file = sherd_buf_span(&test->key_text);
    *state = test;
    return 0;
}

__attribute__((unused)) static int anchor_setup(void **state)
{
    if (anchor_setup_nothing(state) != 0)
        return -1;
    struct anchor_test *test = *state;
    const struct sherd_anchor_parts parts = {
        .home = anchor_home_make(test), .keys = anchor_keys_open(true), .fresh = true};
    test->keys = parts.keys;
    assert_ok(sherd_anchor_embedded(&parts, &test->anchor));
    test->assets = anchor_compartment(SHERD_ASSETS, true);
    return 0;
}

__attribute__((unused)) static int anchor_teardown_nothing(void **state)
{
    struct anchor_test *test = *state;

    vault_remove(test->dir);
    sherd_buf_done(&test->key_text);
    test_free(test);
    return 0;
}

__attribute__((unused)) static int anchor_teardown(void **state)
{
    struct anchor_test *test = *state;

    test->anchor->ops->free(test->anchor);
    sherd_compartment_close(test->assets);
    if (sherd_store_memory_forget("keys") != SHERD_OK || sherd_store_memory_forget("assets") != SHERD_OK)
        return -1;
    return anchor_teardown_nothing(state);
}

#define anchor_test_of(name) cmocka_unit_test_setup_teardown(name, anchor_setup, anchor_teardown)
#define anchor_test_without(name) cmocka_unit_test_setup_teardown(name, anchor_setup_nothing, anchor_teardown_nothing)

#endif
