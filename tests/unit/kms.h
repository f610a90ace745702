/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/kms.h
 * What the tests of master keys share: a host with two versions of the protection key, over four compartments in memory
 * and a directory for stores of their own.
 */
#ifndef SHERD_TESTS_UNIT_KMS_H
#define SHERD_TESTS_UNIT_KMS_H

#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "kms/key.h"
#include "store/lmdb/lmdb.h"
#include "store/memory/memory.h"
#include "vault.h"

struct kms_test {
    char root[40];
    struct sherd_kms kms;
    struct sherd_protections *protections;
    struct sherd_compartment *compartments[4];
    struct sherd_hmac_key *names[4];
    struct sherd_hmac_key *seals[4];
    struct sherd_key_id id;
    struct sherd_key_arg_list args;
};

__attribute__((unused)) static void kms_role(struct kms_test *test, enum sherd_role role, struct sherd_places *places)
{
    const struct sherd_store_config config = {.path = sherd_role_name(role), .create = true};
    uint8_t bytes[32];
    const size_t i = (size_t)role - 1;

    assert_ok(sherd_compartment_open(role, &sherd_store_memory, &config, &test->compartments[i]));
    memset(bytes, 0x10 + (int)role, sizeof(bytes));
    assert_ok(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(bytes, 32), &test->names[i]));
    bytes[0] ^= 0x80;
    assert_ok(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(bytes, 32), &test->seals[i]));
    places->roles[i].compartment = test->compartments[i];
    places->roles[i].keys = (struct sherd_entry_keys){.deployment = test->id.deployment,
                                                      .compartment = (enum sherd_purpose)role,
                                                      .version = 1,
                                                      .name = test->names[i],
                                                      .seal = test->seals[i]};
}

__attribute__((unused)) static void kms_new_id(const struct kms_test *test, const char *name, uint64_t version,
                                               struct sherd_key_id *out_id)
{
    memset(out_id, 0, sizeof(*out_id));
    out_id->deployment = test->id.deployment;
    assert_ok(sherd_random(out_id->kid.bytes, sizeof(out_id->kid.bytes)));
    (void)snprintf(out_id->name, sizeof(out_id->name), "%s", name);
    out_id->version = version;
}

__attribute__((unused)) static int kms_setup(void **state)
{
    struct kms_test *test = test_calloc(1, sizeof(*test));
    struct sherd_places places = {.read_only = false};

    (void)snprintf(test->root, sizeof(test->root), "/tmp/sherd-test-kms-XXXXXX");
    if (mkdtemp(test->root) == NULL || sherd_crypto_init() != SHERD_OK)
        return -1;
    test->protections = sherd_secret_alloc(sizeof(*test->protections));
    assert_non_null(test->protections);
    assert_ok(sherd_protections_rotate(test->protections, NULL, 1700000000));
    assert_ok(sherd_uuid_new(&test->id.deployment));
    for (int role = SHERD_IDENTITY; role <= SHERD_KEYS; role++)
        kms_role(test, (enum sherd_role)role, &places);
    sherd_kms_init(test->protections, &places, &test->kms);
    kms_new_id(test, "default", 1, &test->id);
    *state = test;
    return 0;
}

__attribute__((unused)) static int kms_teardown(void **state)
{
    struct kms_test *test = *state;

    for (size_t i = 0; i < 4; i++) {
        sherd_compartment_close(test->compartments[i]);
        sherd_hmac_key_free(test->names[i]);
        sherd_hmac_key_free(test->seals[i]);
        assert_ok(sherd_store_memory_forget(sherd_role_name((enum sherd_role)(i + 1))));
    }
    sherd_secret_free(test->protections);
    vault_remove(test->root);
    test_free(test);
    return 0;
}

/** A call for the test's own version, under the current protection key. */
__attribute__((unused)) static struct sherd_key_call kms_call(const struct kms_test *test)
{
    const struct sherd_key_call call = {.host = &test->kms.host,
                                        .id = &test->id,
                                        .args = sherd_key_args_of(&test->args),
                                        .protection = sherd_protections_current(test->protections),
                                        .outside_id = ""};

    return call;
}

#define kms_test_of(name) cmocka_unit_test_setup_teardown(name, kms_setup, kms_teardown)

#endif
