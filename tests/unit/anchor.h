/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/anchor.h
 * An anchor over a `keys` compartment in memory, for the tests of what needs no more than that.
 */
#ifndef SHERD_TESTS_UNIT_ANCHOR_H
#define SHERD_TESTS_UNIT_ANCHOR_H

#include "anchor/embedded.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "store/memory/memory.h"
#include "vault.h"

struct anchor_test {
    struct sherd_keyring copy; /* of the keyring, to begin anew with */
    struct sherd_anchor *anchor;
    struct sherd_compartment *keys; /* the anchor's */
    struct sherd_compartment *assets;
    struct sherd_uuid collection;
};

__attribute__((unused)) static struct sherd_compartment *anchor_compartment(enum sherd_role role, bool create)
{
    const struct sherd_store_config config = {.path = sherd_role_name(role), .create = create};
    struct sherd_compartment *compartment = NULL;

    assert_ok(sherd_compartment_open(role, &sherd_store_memory, &config, &compartment));
    return compartment;
}

__attribute__((unused)) static void anchor_begin(struct anchor_test *test, bool create)
{
    struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));

    assert_non_null(ring);
    *ring = test->copy;
    test->keys = anchor_compartment(SHERD_KEYS, create);
    assert_ok(sherd_anchor_embedded(ring, test->keys, &test->anchor));
}

/** End the anchor and begin another one over what it stored. */
__attribute__((unused)) static void anchor_again(struct anchor_test *test)
{
    test->anchor->ops->free(test->anchor);
    anchor_begin(test, false);
}

__attribute__((unused)) static int anchor_setup(void **state)
{
    struct anchor_test *test = test_calloc(1, sizeof(*test));

    if (sherd_crypto_init() != SHERD_OK || sherd_keyring_generate(&test->copy) != SHERD_OK ||
        sherd_uuid_new(&test->collection) != SHERD_OK)
        return -1;
    anchor_begin(test, true);
    test->assets = anchor_compartment(SHERD_ASSETS, true);
    *state = test;
    return 0;
}

__attribute__((unused)) static int anchor_teardown(void **state)
{
    struct anchor_test *test = *state;

    test->anchor->ops->free(test->anchor);
    sherd_compartment_close(test->assets);
    test_free(test);
    return sherd_store_memory_forget("keys") == SHERD_OK && sherd_store_memory_forget("assets") == SHERD_OK ? 0 : -1;
}

#define anchor_test_of(name) cmocka_unit_test_setup_teardown(name, anchor_setup, anchor_teardown)

#endif
