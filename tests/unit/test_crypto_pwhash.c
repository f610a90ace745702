/* SPDX-License-Identifier: Apache-2.0 */
/* Passphrase hashes: bounds, and that every input counts; published vectors are in tests/vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/evp.h"
#include "crypto/init.h"
#include "crypto/pwhash.h"
#include <string.h>

#define SALT "0123456789abcdef"

static const struct sherd_pwhash_params least = {SHERD_PWHASH_SCRYPT, 14, 8, 1};
static const struct sherd_pwhash_params least_argon2id = {SHERD_PWHASH_ARGON2ID, 65536, 1, 1};

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static bool has_argon2id(void)
{
    return sherd_evp()->argon2id != NULL;
}

static enum sherd_err run(const struct sherd_pwhash_params *params, const char *passphrase, const char *salt,
                          uint8_t *out, size_t out_bytes)
{
    return sherd_pwhash(params, sherd_span_str(passphrase), sherd_span_str(salt), out, out_bytes);
}

static void assert_every_input_counts(const struct sherd_pwhash_params *params)
{
    struct sherd_pwhash_params costlier = *params;
    uint8_t out[4][32];

    assert_int_equal(run(params, "passphrase", SALT, out[0], 32), SHERD_OK);
    assert_int_equal(run(params, "passphrase", SALT, out[1], 32), SHERD_OK);
    assert_memory_equal(out[0], out[1], 32);
    assert_int_equal(run(params, "passphrasf", SALT, out[1], 32), SHERD_OK);
    assert_int_equal(run(params, "passphrase", SALT "g", out[2], 32), SHERD_OK);
    costlier.block++;
    assert_int_equal(run(&costlier, "passphrase", SALT, out[3], 32), SHERD_OK);
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(out[i], out[j], 32);
    }
    assert_int_equal(run(params, "", SALT, out[1], 32), SHERD_OK);
    assert_memory_not_equal(out[0], out[1], 32);
}

static void test_crypto_pwhash__every_input_of_scrypt_counts(void **state)
{
    (void)state;
    assert_every_input_counts(&least);
}

static void test_crypto_pwhash__every_input_of_pbkdf2_counts(void **state)
{
    const struct sherd_pwhash_params params = {SHERD_PWHASH_PBKDF2, 100000, 1, 1};
    const struct sherd_pwhash_params costlier = {SHERD_PWHASH_PBKDF2, 100001, 1, 1};
    const struct sherd_pwhash_params bad[] = {
        {SHERD_PWHASH_PBKDF2, 99999, 1, 1},  {SHERD_PWHASH_PBKDF2, 10000001, 1, 1},
        {SHERD_PWHASH_PBKDF2, 100000, 2, 1}, {SHERD_PWHASH_PBKDF2, 100000, 1, 2},
        {SHERD_PWHASH_PBKDF2, 100000, 0, 1}, {SHERD_PWHASH_PBKDF2, 100000, 1, 0}};
    const struct sherd_pwhash_params approved = sherd_pwhash_approved();
    uint8_t out[4][32];

    (void)state;
    assert_true(approved.alg == SHERD_PWHASH_PBKDF2 && sherd_pwhash_supported(&approved));
    assert_int_equal(run(&params, "passphrase", SALT, out[0], 32), SHERD_OK);
    assert_int_equal(run(&params, "passphrasf", SALT, out[1], 32), SHERD_OK);
    assert_int_equal(run(&params, "passphrase", SALT "g", out[2], 32), SHERD_OK);
    assert_int_equal(run(&costlier, "passphrase", SALT, out[3], 32), SHERD_OK);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(out[i], out[j], 32);
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_int_equal(run(&bad[i], "passphrase", SALT, out[0], 32), SHERD_ERR_INVALID);
}

static void test_crypto_pwhash__every_input_of_argon2id_counts(void **state)
{
    uint8_t out[32];

    (void)state;
    if (has_argon2id()) {
        assert_every_input_counts(&least_argon2id);
    } else {
        assert_false(sherd_pwhash_supported(&least_argon2id));
        assert_int_equal(run(&least_argon2id, "passphrase", SALT, out, sizeof(out)), SHERD_ERR_UNSUPPORTED);
    }
}

static void test_crypto_pwhash__the_default_can_be_computed(void **state)
{
    const struct sherd_pwhash_params params = sherd_pwhash_default();
    uint8_t out[32] = {0};
    const uint8_t zero[32] = {0};

    (void)state;
    assert_true(sherd_pwhash_supported(&params));
    assert_int_equal(params.alg, has_argon2id() ? SHERD_PWHASH_ARGON2ID : SHERD_PWHASH_SCRYPT);
    assert_int_equal(run(&params, "passphrase", SALT, out, sizeof(out)), SHERD_OK);
    assert_memory_not_equal(out, zero, sizeof(out));
}

/* Parameters come from storage: what is out of bounds must neither weaken a vault nor stop a process. */
static void test_crypto_pwhash__refuses_parameters_out_of_bounds(void **state)
{
    static const struct sherd_pwhash_params bad[] = {
        {SHERD_PWHASH_SCRYPT, 13, 8, 1},      {SHERD_PWHASH_SCRYPT, 25, 8, 1},
        {SHERD_PWHASH_SCRYPT, 64, 8, 1},      {SHERD_PWHASH_SCRYPT, UINT32_MAX, 8, 1},
        {SHERD_PWHASH_SCRYPT, 20, 9, 1},      {SHERD_PWHASH_ARGON2ID, 1048577, 3, 4},
        {SHERD_PWHASH_SCRYPT, 14, 7, 1},      {SHERD_PWHASH_SCRYPT, 14, 33, 1},
        {SHERD_PWHASH_SCRYPT, 14, 8, 0},      {SHERD_PWHASH_SCRYPT, 14, 8, 17},
        {SHERD_PWHASH_ARGON2ID, 65535, 3, 4}, {SHERD_PWHASH_ARGON2ID, 4194305, 3, 4},
        {SHERD_PWHASH_ARGON2ID, 65536, 0, 4}, {SHERD_PWHASH_ARGON2ID, 65536, 65, 4},
        {SHERD_PWHASH_ARGON2ID, 65536, 3, 0}, {SHERD_PWHASH_ARGON2ID, 65536, 3, 17},
        {(enum sherd_pwhash_alg)0, 14, 8, 1}, {(enum sherd_pwhash_alg)3, 65536, 3, 4},
    };
    uint8_t out[32] = {7};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++) {
        assert_false(sherd_pwhash_supported(&bad[i]));
        assert_int_equal(run(&bad[i], "passphrase", SALT, out, sizeof(out)), SHERD_ERR_INVALID);
    }
    assert_int_equal(out[0], 7);
}

static void test_crypto_pwhash__refuses_short_salts_and_odd_sizes(void **state)
{
    uint8_t out[65] = {7};

    (void)state;
    assert_int_equal(run(&least, "passphrase", "0123456789abcde", out, 32), SHERD_ERR_INVALID);
    assert_int_equal(run(&least, "passphrase", SALT, out, 15), SHERD_ERR_INVALID);
    assert_int_equal(run(&least, "passphrase", SALT, out, 65), SHERD_ERR_INVALID);
    assert_int_equal(out[0], 7);
    assert_int_equal(run(&least, "passphrase", SALT, out, 16), SHERD_OK);
    assert_int_equal(run(&least, "passphrase", SALT, out, 64), SHERD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_pwhash__every_input_of_scrypt_counts),
        cmocka_unit_test(test_crypto_pwhash__every_input_of_argon2id_counts),
        cmocka_unit_test(test_crypto_pwhash__every_input_of_pbkdf2_counts),
        cmocka_unit_test(test_crypto_pwhash__the_default_can_be_computed),
        cmocka_unit_test(test_crypto_pwhash__refuses_parameters_out_of_bounds),
        cmocka_unit_test(test_crypto_pwhash__refuses_short_salts_and_odd_sizes),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
