/* SPDX-License-Identifier: Apache-2.0 */
/* P-256, alone and in HPKE: published answers, a private key that lies elsewhere, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/init.h"
#include "crypto/kem.h"
#include "crypto/p256.h"
#include "hpke_keys.h"
#include <openssl/err.h>
#include <string.h>

static const struct sherd_span none = {NULL, 0};

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static void read_hex(const char *text, uint8_t *out, size_t size)
{
    assert_int_equal(hex_read(text, out, size).len, size);
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *text)
{
    uint8_t expected[80];

    read_hex(text, expected, size);
    assert_memory_equal(bytes, expected, size);
}

/* --- P-256 -------------------------------------------------------------------------------------------------------- */

/* RFC 5903, section 8.1, from the initiator's side; the self-test looks from the other. */
static void test_crypto_p256__rfc_5903(void **state)
{
    uint8_t i[32];
    uint8_t r[32];
    uint8_t points[2][65];
    uint8_t shared[32];

    (void)state;
    read_hex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433", i, 32);
    read_hex("c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53", r, 32);
    assert_int_equal(sherd_p256_public(i, points[0]), SHERD_OK);
    assert_hex(points[0], 65,
               "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
               "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3");
    assert_int_equal(sherd_p256_public(r, points[1]), SHERD_OK);
    assert_int_equal(sherd_p256(i, points[1], shared), SHERD_OK);
    assert_hex(shared, 32, "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
    assert_int_equal(sherd_p256(r, points[0], shared), SHERD_OK);
    assert_hex(shared, 32, "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
}

/* 0, the order and what is above are no private keys; 1 and the order less 1 are. */
static void test_crypto_p256__private_keys_are_below_the_order(void **state)
{
    static const struct {
        const char *own;
        enum sherd_err err;
    } cases[] = {
        {"0000000000000000000000000000000000000000000000000000000000000000", SHERD_ERR_INVALID},
        {"0000000000000000000000000000000000000000000000000000000000000001", SHERD_OK},
        {"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", SHERD_OK},
        {"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", SHERD_ERR_INVALID},
        {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", SHERD_ERR_INVALID},
    };
    uint8_t generator[65];

    (void)state;
    read_hex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
             "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
             generator, 65);
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        uint8_t own[32];
        uint8_t point[65];
        uint8_t shared[32];

        read_hex(cases[i].own, own, 32);
        assert_int_equal(sherd_p256_public(own, point), cases[i].err);
        assert_int_equal(sherd_p256(own, generator, shared), cases[i].err);
        if (cases[i].err == SHERD_OK)
            assert_memory_equal(point + 1, generator + 1, 32); /* G, or its inverse */
    }
}

static void test_crypto_p256__points_off_the_curve_are_refused(void **state)
{
    const uint8_t own[32] = {[31] = 5};
    uint8_t point[65];
    uint8_t shared[32];

    (void)state;
    assert_int_equal(sherd_p256_public(own, point), SHERD_OK);
    assert_int_equal(sherd_p256_check(point), SHERD_OK);
    for (size_t bit = 0; bit < 8 * sizeof(point); bit++) {
        point[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(sherd_p256_check(point), SHERD_ERR_TAMPERED);
        memset(shared, 0xee, sizeof(shared));
        assert_int_equal(sherd_p256(own, point, shared), SHERD_ERR_TAMPERED);
        assert_int_equal(ERR_peek_error(), 0);
        point[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    memset(point + 1, 0, 64); /* and the one of all zeros */
    assert_int_equal(sherd_p256_check(point), SHERD_ERR_TAMPERED);
    memset(point + 1, 0xff, 64);
    assert_int_equal(sherd_p256_check(point), SHERD_ERR_TAMPERED);
}

/* --- HPKE: RFC 9180, appendix A.3.1 ------------------------------------------------------------------------------- */

struct vector {
    struct sherd_kem_private own;
    struct sherd_kem_public to;
    uint8_t coins[32];
};

static void vector_read(struct vector *out)
{
    *out = (struct vector){.own = {.kem = SHERD_KEM_P256}};
    hpke_derive_key(SHERD_KEM_P256, "668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550", out->own.bytes);
    assert_hex(out->own.bytes, 32, "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2");
    hpke_derive_key(SHERD_KEM_P256, "4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e", out->coins);
    assert_hex(out->coins, 32, "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb");
    assert_int_equal(sherd_kem_public(&out->own, &out->to), SHERD_OK);
}

static void test_crypto_p256__encapsulation_of_rfc_9180(void **state)
{
    struct vector vector;
    uint8_t enc[65];
    uint8_t shared[32];

    (void)state;
    vector_read(&vector);
    assert_int_equal(vector.to.kem, SHERD_KEM_P256);
    assert_hex(vector.to.bytes, 65,
               "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a82"
               "6a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0");
    assert_int_equal(sherd_kem_encap(&vector.to, vector.coins, enc, shared), SHERD_OK);
    assert_hex(enc, 65,
               "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
               "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4");
    assert_hex(shared, 32, "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8");
    memset(shared, 0, sizeof(shared));
    assert_int_equal(sherd_kem_decap(&vector.own, enc, shared), SHERD_OK);
    assert_hex(shared, 32, "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8");
}

/* The private key of a recipient, as a token has it. */
static enum sherd_err by_token(void *arg, struct sherd_span enc, uint8_t *out_shared)
{
    assert_int_equal(enc.len, 65);
    return sherd_p256(arg, enc.data, out_shared);
}

static enum sherd_err by_none(void *arg, struct sherd_span enc, uint8_t *out_shared)
{
    (void)enc;
    (void)out_shared;
    *(unsigned *)arg += 1;
    return sherd_fail(SHERD_ERR_DENIED, "no token");
}

/* RFC 9180 has no vector for P-256 with AES-256-GCM: the value is of another implementation, by the vector's keys. */
static void test_crypto_p256__hpke_with_a_private_key_elsewhere(void **state)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    const struct sherd_span ode = sherd_span_str("Ode on a Grecian Urn");
    const struct sherd_span data = sherd_span_str("TestContext");
    struct vector vector;
    uint8_t enc[65];
    uint8_t keys[2][32];
    uint8_t sealed[3 + 16];
    uint8_t opened[3];

    (void)state;
    vector_read(&vector);
    assert_int_equal(sherd_hpke_send_known(&vector.to, ode, vector.coins, enc, &sender), SHERD_OK);
    assert_int_equal(sherd_hpke_receive_by(&vector.to, by_token, vector.own.bytes, sherd_span_of(enc, 65), ode,
                                           &recipient),
                     SHERD_OK);
    assert_int_equal(sherd_hpke_export(sender, data, keys[0], 32), SHERD_OK);
    assert_int_equal(sherd_hpke_export(recipient, data, keys[1], 32), SHERD_OK);
    assert_memory_equal(keys[0], keys[1], 32);
    assert_hex(keys[0], 32, "47d00c7e0fc8876e88795bc49217ae852c642b6d53773e695e4ca50003e242e0");
    assert_int_equal(sherd_hpke_seal(sender, data, sherd_span_str("urn"), sealed), SHERD_OK);
    assert_int_equal(sherd_hpke_open(recipient, data, sherd_span_of(sealed, 19), opened), SHERD_OK);
    assert_memory_equal(opened, "urn", 3);
}

/* The token is asked once for what is well formed, and never for what is not. */
static void test_crypto_p256__a_token_meets_points_of_the_curve_only(void **state)
{
    struct sherd_hpke *recipient = NULL;
    struct vector vector;
    unsigned asked = 0;
    uint8_t enc[65];
    uint8_t shared[32];

    (void)state;
    vector_read(&vector);
    assert_int_equal(sherd_kem_encap(&vector.to, vector.coins, enc, shared), SHERD_OK);
    assert_int_equal(sherd_hpke_receive_by(&vector.to, by_none, &asked, sherd_span_of(enc, 65), none, &recipient),
                     SHERD_ERR_DENIED);
    assert_int_equal(asked, 1);
    assert_int_equal(sherd_hpke_receive_by(&vector.to, by_none, &asked, sherd_span_of(enc, 64), none, &recipient),
                     SHERD_ERR_TAMPERED);
    enc[64] ^= 1;
    assert_int_equal(sherd_hpke_receive_by(&vector.to, by_none, &asked, sherd_span_of(enc, 65), none, &recipient),
                     SHERD_ERR_TAMPERED);
    vector.to.kem = SHERD_KEM_X25519;
    assert_int_equal(sherd_hpke_receive_by(&vector.to, by_none, &asked, sherd_span_of(enc, 65), none, &recipient),
                     SHERD_ERR_UNSUPPORTED);
    assert_int_equal(asked, 1);
    assert_null(recipient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_p256__rfc_5903),
        cmocka_unit_test(test_crypto_p256__private_keys_are_below_the_order),
        cmocka_unit_test(test_crypto_p256__points_off_the_curve_are_refused),
        cmocka_unit_test(test_crypto_p256__encapsulation_of_rfc_9180),
        cmocka_unit_test(test_crypto_p256__hpke_with_a_private_key_elsewhere),
        cmocka_unit_test(test_crypto_p256__a_token_meets_points_of_the_curve_only),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
