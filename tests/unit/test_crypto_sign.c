/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519: round trips and refusals; published vectors are in tests/vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/init.h"
#include "crypto/sign.h"
#include <string.h>

static const uint8_t seed[SHERD_SIGN_SEED_SIZE] = {1, 2, 3};
static uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK && sherd_sign_public(seed, public_key) == SHERD_OK ? 0 : -1;
}

static void test_crypto_sign__verifies_what_it_signed(void **state)
{
    static const uint8_t message[4096] = {9};
    uint8_t signature[SHERD_SIGNATURE_SIZE];

    (void)state;
    for (size_t len = 0; len <= sizeof(message); len = len * 2 + 1) {
        const struct sherd_span span = sherd_span_of(len > 0 ? message : NULL, len);

        assert_int_equal(sherd_sign(seed, span, signature), SHERD_OK);
        assert_int_equal(sherd_sign_verify(public_key, span, signature), SHERD_OK);
    }
}

static void test_crypto_sign__refuses_every_flip(void **state)
{
    uint8_t message[20] = {5};
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    uint8_t other_key[SHERD_SIGN_PUBLIC_SIZE];
    const struct sherd_span span = sherd_span_of(message, sizeof(message));

    (void)state;
    memcpy(other_key, public_key, sizeof(other_key));
    assert_int_equal(sherd_sign(seed, span, signature), SHERD_OK);
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] ^= 0x80;
        assert_int_equal(sherd_sign_verify(public_key, span, signature), SHERD_ERR_TAMPERED);
        message[i] ^= 0x80;
    }
    for (size_t i = 0; i < sizeof(signature); i++) {
        signature[i] ^= 1;
        assert_int_equal(sherd_sign_verify(public_key, span, signature), SHERD_ERR_TAMPERED);
        signature[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof(other_key); i++) {
        other_key[i] ^= 1;
        assert_int_equal(sherd_sign_verify(other_key, span, signature), SHERD_ERR_TAMPERED);
        other_key[i] ^= 1;
    }
    assert_int_equal(sherd_sign_verify(public_key, sherd_span_of(message, 19), signature), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_sign_verify(public_key, span, signature), SHERD_OK);
}

static void test_crypto_sign__two_seeds_make_two_keys(void **state)
{
    const uint8_t other_seed[SHERD_SIGN_SEED_SIZE] = {1, 2, 4};
    const struct sherd_span message = sherd_span_str("root 1");
    uint8_t other_key[SHERD_SIGN_PUBLIC_SIZE];
    uint8_t signature[SHERD_SIGNATURE_SIZE];

    (void)state;
    assert_int_equal(sherd_sign_public(other_seed, other_key), SHERD_OK);
    assert_memory_not_equal(public_key, other_key, sizeof(other_key));
    assert_int_equal(sherd_sign(other_seed, message, signature), SHERD_OK);
    assert_int_equal(sherd_sign_verify(public_key, message, signature), SHERD_ERR_TAMPERED);
}

/* Deterministic, so that one message has one signature, whatever the randomness of the machine is worth. */
static void test_crypto_sign__signs_the_same_twice(void **state)
{
    const struct sherd_span message = sherd_span_str("root 1");
    uint8_t one[SHERD_SIGNATURE_SIZE];
    uint8_t two[SHERD_SIGNATURE_SIZE];

    (void)state;
    assert_int_equal(sherd_sign(seed, message, one), SHERD_OK);
    assert_int_equal(sherd_sign(seed, message, two), SHERD_OK);
    assert_memory_equal(one, two, sizeof(one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_sign__verifies_what_it_signed),
        cmocka_unit_test(test_crypto_sign__refuses_every_flip),
        cmocka_unit_test(test_crypto_sign__two_seeds_make_two_keys),
        cmocka_unit_test(test_crypto_sign__signs_the_same_twice),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
