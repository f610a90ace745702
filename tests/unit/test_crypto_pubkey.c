/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys of others: read from files and numbers, their fingerprints as `openssl pkey -pubin -outform der` gives
 * them, and RSA-OAEP against OpenSSL's own decryption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/init.h"
#include "crypto/pubkey.h"
#include "hex.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

static const char ec_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                             "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENRIUFoSbQ/dfqGQr4c6Ym1nzdYVT\n"
                             "KlxXQsSrogcWwePGg3xXuDoO1inJ9YiJwW2h4Jp1bh/sY5TDSWnSTmGYSg==\n"
                             "-----END PUBLIC KEY-----\n";
static const char ec_certificate[] = "subject=CN = anna\n"
                                     "-----BEGIN CERTIFICATE-----\n"
                                     "MIIBczCCARmgAwIBAgIUD11zqMggPFoaHvUtCpvviQDUPyMwCgYIKoZIzj0EAwIw\n"
                                     "DzENMAsGA1UEAwwEYW5uYTAeFw0yNjExMjIwNjA3NTFaFw0zNjExMTkwNjA3NTFa\n"
                                     "MA8xDTALBgNVBAMMBGFubmEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ1EhQW\n"
                                     "hJtD91+oZCvhzpibWfN1hVMqXFdCxKuiBxbB48aDfFe4Og7WKcn1iInBbaHgmnVu\n"
                                     "H+xjlMNJadJOYZhKo1MwUTAdBgNVHQ4EFgQUzUsHwI9Erhz2/C5SkKEwIs1vpecw\n"
                                     "HwYDVR0jBBgwFoAUzUsHwI9Erhz2/C5SkKEwIs1vpecwDwYDVR0TAQH/BAUwAwEB\n"
                                     "/zAKBggqhkjOPQQDAgNIADBFAiEAlWWuxRU3LO8SEElCrDxzYxeH4HL7RQbacJoV\n"
                                     "vu0c3gwCIFa2Xf5EwohnJmbrqSfj5eArxCEKJeqL1ia6YEfjLUAl\n"
                                     "-----END CERTIFICATE-----\n";
static const char ec_fingerprint[] = "f89b6c902b32e01abe511636639c85b010bf74245c9efcf4dea86bf71ededdcc";
static const char rsa_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnEEIz+UVV1GlpNJxYYjh\n"
                              "G9hi5n0MaJEAJBEINL7oh6Dos4cZPo53I2ko7iauDeHqAgm8tyFfPt7FDsTv9lnT\n"
                              "trIbM3DfyTNjJeQAPEf5vf3n1+Pzzj+bMUZHnuvPp+gvkLoVMd06BJjOGSaRzJ0K\n"
                              "uYRA1eqNwTatiayy2y4qP4sz3EP81tTNGFyAkYSPpDxSQZBJfMQwpViIsII1ibQv\n"
                              "Pe1anpTWyWhfU6hAh5sYML+MAbqx1pmmvQiA6q3H//T+uIifQ+eT6ijWgn391OH2\n"
                              "BBZqfKKWTqTgV+sMsS9Kdm/gTSbX5tfnjGiVcsHKMVVQ2fuAbFDGPt2Ppebbq9UY\n"
                              "swIDAQAB\n"
                              "-----END PUBLIC KEY-----\n";
static const char rsa_fingerprint[] = "3d53d29f5e6fe7cece11d9c047bf7e3558f50a1180ddfb4e8216fa3633181f10";

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static void assert_fingerprint(const struct sherd_pubkey *key, const char *text)
{
    uint8_t expected[32];

    (void)hex_read(text, expected, sizeof(expected));
    assert_memory_equal(key->fingerprint.bytes, expected, 32);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void test_crypto_pubkey__files_of_keys_and_certificates(void **state)
{
    struct sherd_pubkey key;
    struct sherd_pubkey again;

    (void)state;
    assert_int_equal(sherd_pubkey_of_pem(sherd_span_str(ec_pem), &key), SHERD_OK);
    assert_int_equal(key.kind, SHERD_PUBKEY_P256);
    assert_int_equal(key.info_bytes, 91);
    assert_fingerprint(&key, ec_fingerprint);
    assert_int_equal(sherd_pubkey_of_point(key.point, &again), SHERD_OK);
    assert_fingerprint(&again, ec_fingerprint);
    assert_int_equal(sherd_pubkey_of_pem(sherd_span_str(ec_certificate), &key), SHERD_OK);
    assert_fingerprint(&key, ec_fingerprint);
    assert_int_equal(sherd_pubkey_of_pem(sherd_span_str(rsa_pem), &key), SHERD_OK);
    assert_int_equal(key.kind, SHERD_PUBKEY_RSA);
    assert_int_equal(key.modulus_bytes, 256);
    assert_fingerprint(&key, rsa_fingerprint);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_crypto_pubkey__certificates_in_der(void **state)
{
    BIO *bio = BIO_new_mem_buf(ec_certificate, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    struct sherd_pubkey key;
    uint8_t *der = NULL;
    const int bytes = i2d_X509(certificate, &der);

    (void)state;
    assert_true(bytes > 0);
    assert_int_equal(sherd_pubkey_of_certificate(sherd_span_of(der, (size_t)bytes), &key), SHERD_OK);
    assert_fingerprint(&key, ec_fingerprint);
    assert_int_equal(sherd_pubkey_of_certificate(sherd_span_of(der, (size_t)bytes - 1), &key), SHERD_ERR_INVALID);
    assert_int_equal(sherd_pubkey_of_certificate(sherd_span_of(der, 0), &key), SHERD_ERR_INVALID);
    assert_int_equal(ERR_peek_error(), 0);
    OPENSSL_free(der);
    X509_free(certificate);
    BIO_free(bio);
}

/* A public key of the kind that the algorithm and its size say, in PEM. */
static void refused_kind(EVP_PKEY *pkey)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct sherd_pubkey key;
    char *text = NULL;

    assert_non_null(pkey);
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    const long bytes = BIO_get_mem_data(bio, &text);
    assert_int_equal(sherd_pubkey_of_pem(sherd_span_of(text, (size_t)bytes), &key), SHERD_ERR_UNSUPPORTED);
    assert_int_equal(ERR_peek_error(), 0);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

static void test_crypto_pubkey__other_kinds_and_sizes_are_refused(void **state)
{
    (void)state;
    refused_kind(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"));
    refused_kind(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1"));
    refused_kind(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024));
    refused_kind(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
}

static void test_crypto_pubkey__what_is_no_key_is_refused(void **state)
{
    static char long_file[SHERD_PUBKEY_FILE_BYTES_MAX + 1];
    const char *const texts[] = {
        "",
        "pkcs11:token=anna",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENRIUFoSbQ/dfqGQr4c6Ym1nzdYVT\n"
        "KlxXQsSrogcWwePGg3xXuDoO1inJ9YiJwW2h4Jp1bh/sY5TDSWnSTmGYSw==\n-----END PUBLIC KEY-----\n", /* off the curve */
        "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENRIUFoSbQ/dfqGQr4c6Ym1nzdYVT\n-----END PUBLIC KEY-----\n",
    };
    struct sherd_pubkey key = {.info_bytes = 7};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++)
        assert_int_equal(sherd_pubkey_of_pem(sherd_span_str(texts[i]), &key), SHERD_ERR_INVALID);
    assert_int_equal(sherd_pubkey_of_pem(sherd_span_of(long_file, sizeof(long_file)), &key), SHERD_ERR_INVALID);
    assert_int_equal(key.info_bytes, 7);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_crypto_pubkey__numbers_of_rsa(void **state)
{
    static uint8_t modulus[514];
    uint8_t exponent[] = {0, 1, 0, 1};
    uint8_t none[1] = {0};
    struct sherd_pubkey key;

    (void)state;
    memset(modulus, 0xa5, sizeof(modulus));
    modulus[0] = 0;
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 257), sherd_span_of(exponent, 4), &key), SHERD_OK);
    assert_int_equal(key.modulus_bytes, 256);
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 513), sherd_span_of(exponent, 4), &key), SHERD_OK);
    assert_int_equal(key.modulus_bytes, 512);
    const struct sherd_digest before = key.fingerprint;
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 256), sherd_span_of(exponent, 4), &key),
                     SHERD_ERR_UNSUPPORTED);
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 514), sherd_span_of(exponent, 4), &key),
                     SHERD_ERR_UNSUPPORTED);
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 257), sherd_span_of(modulus + 1, 9), &key),
                     SHERD_ERR_UNSUPPORTED);
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 257), sherd_span_of(none, 1), &key),
                     SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 257), sherd_span_of(exponent, 2), &key),
                     SHERD_ERR_TAMPERED); /* 1 */
    modulus[1] = 0x25;                    /* 2046 bits */
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 257), sherd_span_of(exponent, 4), &key),
                     SHERD_ERR_UNSUPPORTED);
    modulus[1] = 0xa5;
    modulus[256] = 0xa4;
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 257), sherd_span_of(exponent, 4), &key),
                     SHERD_ERR_TAMPERED);
    assert_memory_equal(key.fingerprint.bytes, before.bytes, 32); /* outputs change on success alone */
    assert_int_equal(ERR_peek_error(), 0);
}

/* --- RSA ---------------------------------------------------------------------------------------------------------- */

static size_t decrypt(EVP_PKEY *pkey, bool oaep, const uint8_t *sealed, uint8_t out[static 256])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    size_t bytes = 256;

    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, oaep ? RSA_PKCS1_OAEP_PADDING : RSA_NO_PADDING) > 0);
    if (oaep) {
        assert_true(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) > 0);
        assert_true(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0);
    }
    assert_int_equal(EVP_PKEY_decrypt(ctx, out, &bytes, sealed, 256), 1);
    EVP_PKEY_CTX_free(ctx);
    return bytes;
}

static void key_of(EVP_PKEY *pkey, struct sherd_pubkey *out_key)
{
    BIGNUM *n = NULL;
    BIGNUM *e = NULL;
    uint8_t modulus[256];
    uint8_t exponent[8];

    assert_int_equal(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    assert_int_equal(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e), 1);
    assert_int_equal(BN_bn2binpad(n, modulus, 256), 256);
    assert_int_equal(BN_bn2binpad(e, exponent, 8), 8);
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 256), sherd_span_of(exponent, 8), out_key), SHERD_OK);
    BN_free(n);
    BN_free(e);
}

/* What we seal OpenSSL opens, padding and all; and its raw RSA with our padding taken away is what a token gives. */
static void test_crypto_pubkey__rsa_oaep_against_openssl(void **state)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    struct sherd_pubkey key;
    uint8_t secret[32];
    uint8_t sealed[256];
    uint8_t plain[256];
    uint8_t opened[32];

    (void)state;
    assert_non_null(pkey);
    key_of(pkey, &key);
    memset(secret, 0x5a, sizeof(secret));
    assert_int_equal(sherd_pubkey_rsa_seal(&key, secret, sealed), SHERD_OK);
    assert_int_equal(decrypt(pkey, true, sealed, plain), 32);
    assert_memory_equal(plain, secret, 32);
    assert_int_equal(decrypt(pkey, false, sealed, plain), 256);
    assert_int_equal(sherd_pubkey_oaep_open(sherd_span_of(plain, 256), opened), SHERD_OK);
    assert_memory_equal(opened, secret, 32);
    for (size_t i = 0; i < 256; i += 5) {
        plain[i] ^= 0x10;
        memset(opened, 0xee, sizeof(opened));
        assert_int_equal(sherd_pubkey_oaep_open(sherd_span_of(plain, 256), opened), SHERD_ERR_TAMPERED);
        for (size_t j = 0; j < sizeof(opened); j++)
            assert_int_equal(opened[j], 0);
        plain[i] ^= 0x10;
    }
    assert_int_equal(sherd_pubkey_oaep_open(sherd_span_of(plain, 255), opened), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_pubkey_oaep_open(sherd_span_of(plain, 0), opened), SHERD_ERR_TAMPERED);
    assert_int_equal(ERR_peek_error(), 0);
    EVP_PKEY_free(pkey);
}

static void test_crypto_pubkey__rsa_seals_to_rsa_alone(void **state)
{
    struct sherd_pubkey key;
    uint8_t secret[32] = {0};
    uint8_t sealed[256];

    (void)state;
    assert_int_equal(sherd_pubkey_of_pem(sherd_span_str(ec_pem), &key), SHERD_OK);
    assert_int_equal(sherd_pubkey_rsa_seal(&key, secret, sealed), SHERD_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_pubkey__files_of_keys_and_certificates),
        cmocka_unit_test(test_crypto_pubkey__certificates_in_der),
        cmocka_unit_test(test_crypto_pubkey__other_kinds_and_sizes_are_refused),
        cmocka_unit_test(test_crypto_pubkey__what_is_no_key_is_refused),
        cmocka_unit_test(test_crypto_pubkey__numbers_of_rsa),
        cmocka_unit_test(test_crypto_pubkey__rsa_oaep_against_openssl),
        cmocka_unit_test(test_crypto_pubkey__rsa_seals_to_rsa_alone),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
