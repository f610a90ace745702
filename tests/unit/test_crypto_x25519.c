/* SPDX-License-Identifier: Apache-2.0 */
/* X25519 and ChaCha20-Poly1305: the vectors of their RFCs, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/chacha.h"
#include "crypto/init.h"
#include "crypto/x25519.h"
#include "hex.h"
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static void read_key(const char *text, uint8_t key[static 32])
{
    assert_int_equal(hex_read(text, key, 32).len, 32);
}

static void assert_shared(const char *own_text, const char *other_text, const char *shared_text)
{
    struct sherd_x25519_private own;
    struct sherd_x25519_public other;
    uint8_t expected[32];
    uint8_t shared[32];

    read_key(own_text, own.bytes);
    read_key(other_text, other.bytes);
    read_key(shared_text, expected);
    assert_int_equal(sherd_x25519(&own, &other, shared), SHERD_OK);
    assert_memory_equal(shared, expected, sizeof(shared));
}

/* --- X25519 ----------------------------------------------------------------------------------------------------- */

static void test_crypto_x25519__rfc_7748_section_5_2(void **state)
{
    (void)state;
    assert_shared("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                  "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
                  "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    assert_shared("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                  "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
                  "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

static void test_crypto_x25519__rfc_7748_iterated(void **state)
{
    struct sherd_x25519_private own = {{9}};
    struct sherd_x25519_public other = {{9}};
    uint8_t expected[32];

    (void)state;
    for (int round = 1; round <= 1000; round++) {
        uint8_t shared[32];

        assert_int_equal(sherd_x25519(&own, &other, shared), SHERD_OK);
        memcpy(other.bytes, own.bytes, sizeof(other.bytes));
        memcpy(own.bytes, shared, sizeof(shared));
        if (round == 1) {
            read_key("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079", expected);
            assert_memory_equal(own.bytes, expected, sizeof(expected));
        }
    }
    read_key("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", expected);
    assert_memory_equal(own.bytes, expected, sizeof(expected));
}

static void test_crypto_x25519__rfc_7748_section_6_1(void **state)
{
    static const char *const privates[] = {"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
                                           "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"};
    static const char *const publics[] = {"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
                                          "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sherd_x25519_private own;
        struct sherd_x25519_public made;
        uint8_t expected[32];

        read_key(privates[i], own.bytes);
        read_key(publics[i], expected);
        assert_int_equal(sherd_x25519_public(&own, &made), SHERD_OK);
        assert_memory_equal(made.bytes, expected, sizeof(expected));
        assert_shared(privates[i], publics[1 - i], "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    }
}

/* The points of small order of the curve and its twist, canonical and not. */
static void test_crypto_x25519__public_keys_of_low_order_are_refused(void **state)
{
    static const char *const low[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
    };
    static const uint8_t zero[32];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(low); i++) {
        struct sherd_x25519_private own;
        struct sherd_x25519_public made;
        struct sherd_x25519_public other;
        uint8_t shared[32];

        memset(shared, 0xaa, sizeof(shared));
        read_key(low[i], other.bytes);
        assert_int_equal(sherd_x25519_keygen(&own, &made), SHERD_OK);
        assert_int_equal(sherd_x25519(&own, &other, shared), SHERD_ERR_TAMPERED);
        assert_memory_equal(shared, zero, sizeof(zero));
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void test_crypto_x25519__drawn_pairs_agree_and_differ(void **state)
{
    struct sherd_x25519_private own[2];
    struct sherd_x25519_public made[2];
    uint8_t shared[2][32];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(sherd_x25519_keygen(&own[i], &made[i]), SHERD_OK);
    assert_memory_not_equal(own[0].bytes, own[1].bytes, 32);
    assert_int_equal(sherd_x25519(&own[0], &made[1], shared[0]), SHERD_OK);
    assert_int_equal(sherd_x25519(&own[1], &made[0], shared[1]), SHERD_OK);
    assert_memory_equal(shared[0], shared[1], 32);
}

/* --- ChaCha20-Poly1305 ------------------------------------------------------------------------------------------ */

static const char sunscreen[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
                                "future, sunscreen would be it.";
static const char sunscreen_sealed[] =
    "d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6 3dbea45e8ca9671282fafb69da92728b"
    "1a71de0a9e060b2905d6a5b67ecd3b36 92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc"
    "3ff4def08e4b7a9de576d26586cec64b 6116 1ae10b594f09e26a7e902ecbd0600691";

struct example {
    uint8_t key[32];
    uint8_t nonce[12];
    uint8_t data[12];
    uint8_t sealed[sizeof(sunscreen) - 1 + 16];
};

static void example_read(struct example *out)
{
    hex_read("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", out->key, sizeof(out->key));
    hex_read("070000004041424344454647", out->nonce, sizeof(out->nonce));
    hex_read("50515253c0c1c2c3c4c5c6c7", out->data, sizeof(out->data));
    assert_int_equal(hex_read(sunscreen_sealed, out->sealed, sizeof(out->sealed)).len, sizeof(out->sealed));
}

static void test_crypto_chacha__rfc_8439_section_2_8_2(void **state)
{
    struct example example;
    uint8_t sealed[sizeof(example.sealed)];
    uint8_t opened[sizeof(sunscreen) - 1];

    (void)state;
    example_read(&example);
    assert_int_equal(sherd_chacha_seal(example.key, example.nonce, sherd_span_of(example.data, 12),
                                       sherd_span_str(sunscreen), sealed),
                     SHERD_OK);
    assert_memory_equal(sealed, example.sealed, sizeof(sealed));
    assert_int_equal(sherd_chacha_open(example.key, example.nonce, sherd_span_of(example.data, 12),
                                       sherd_span_of(sealed, sizeof(sealed)), opened),
                     SHERD_OK);
    assert_memory_equal(opened, sunscreen, sizeof(opened));
}

/* Every bit of key, nonce, data and message. */
static void test_crypto_chacha__any_changed_bit_is_refused(void **state)
{
    static const uint8_t zero[sizeof(sunscreen) - 1];
    struct example example;
    uint8_t opened[sizeof(sunscreen) - 1];

    (void)state;
    example_read(&example);
    for (size_t bit = 0; bit < 8 * sizeof(example); bit++) {
        memset(opened, 0xaa, sizeof(opened));
        ((uint8_t *)&example)[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(sherd_chacha_open(example.key, example.nonce, sherd_span_of(example.data, 12),
                                           sherd_span_of(example.sealed, sizeof(example.sealed)), opened),
                         SHERD_ERR_TAMPERED);
        ((uint8_t *)&example)[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_memory_equal(opened, zero, sizeof(zero));
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void test_crypto_chacha__messages_of_no_bytes(void **state)
{
    const struct sherd_span none = {NULL, 0};
    struct example example;
    uint8_t tag[16];

    (void)state;
    example_read(&example);
    assert_int_equal(sherd_chacha_seal(example.key, example.nonce, none, none, tag), SHERD_OK);
    assert_int_equal(sherd_chacha_open(example.key, example.nonce, none, sherd_span_of(tag, 16), tag), SHERD_OK);
    assert_int_equal(sherd_chacha_open(example.key, example.nonce, none, sherd_span_of(tag, 15), tag),
                     SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_chacha_open(example.key, example.nonce, none, none, tag), SHERD_ERR_TAMPERED);
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

static void *use_both(void *arg)
{
    struct sherd_x25519_private own = {{3}};
    struct sherd_x25519_public made;
    struct example example;
    uint8_t opened[sizeof(sunscreen) - 1];

    example_read(&example);
    for (int i = 0; i < 20; i++) {
        if (sherd_x25519_public(&own, &made) != SHERD_OK ||
            sherd_chacha_open(example.key, example.nonce, sherd_span_of(example.data, 12),
                              sherd_span_of(example.sealed, sizeof(example.sealed)), opened) != SHERD_OK)
            return arg;
    }
    return NULL;
}

static void test_crypto_x25519__threads_may_begin_at_once(void **state)
{
    pthread_t threads[4];

    for (size_t i = 0; i < SHERD_COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_both, (void *)&state), 0);
    for (size_t i = 0; i < SHERD_COUNT_OF(threads); i++) {
        void *failed = &threads;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_x25519__threads_may_begin_at_once),
        cmocka_unit_test(test_crypto_x25519__rfc_7748_section_5_2),
        cmocka_unit_test(test_crypto_x25519__rfc_7748_iterated),
        cmocka_unit_test(test_crypto_x25519__rfc_7748_section_6_1),
        cmocka_unit_test(test_crypto_x25519__public_keys_of_low_order_are_refused),
        cmocka_unit_test(test_crypto_x25519__drawn_pairs_agree_and_differ),
        cmocka_unit_test(test_crypto_chacha__rfc_8439_section_2_8_2),
        cmocka_unit_test(test_crypto_chacha__any_changed_bit_is_refused),
        cmocka_unit_test(test_crypto_chacha__messages_of_no_bytes),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
