/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, HMAC and HKDF: against OpenSSL's own HMAC and HKDF over many lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>

#define LENGTH_MAX 300

static const struct {
    enum sherd_hash_alg alg;
    const char *name;
    size_t size;
} algs[] = {
    {SHERD_SHA256, "SHA256", SHERD_SHA256_SIZE},
    {SHERD_SHA512, "SHA512", SHERD_SHA512_SIZE},
    {SHERD_SHA512_256, "SHA512-256", SHERD_SHA256_SIZE},
};

static uint8_t bytes[2 * LENGTH_MAX];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 13 + 5);
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

/* --- hash ------------------------------------------------------------------------------------------------------ */

static void test_crypto_hash__parts_hash_as_their_concatenation(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(algs); i++) {
        uint8_t whole[SHERD_SHA512_SIZE];
        uint8_t split[SHERD_SHA512_SIZE];

        for (size_t len = 0; len < LENGTH_MAX; len++) {
            const struct sherd_span one = sherd_span_of(bytes, len);
            const struct sherd_span parts[] = {
                {bytes, len / 3}, {NULL, 0}, {bytes + len / 3, len - len / 3}, {bytes, 0}};

            assert_int_equal(sherd_hash(algs[i].alg, &one, 1, whole), SHERD_OK);
            assert_int_equal(sherd_hash(algs[i].alg, parts, SHERD_COUNT_OF(parts), split), SHERD_OK);
            assert_memory_equal(whole, split, algs[i].size);
        }
    }
}

static void test_crypto_hash__agrees_with_openssl_at_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(algs); i++) {
        for (size_t len = 0; len < LENGTH_MAX; len++) {
            const struct sherd_span one = sherd_span_of(bytes, len);
            uint8_t ours[SHERD_SHA512_SIZE];
            uint8_t theirs[SHERD_SHA512_SIZE];

            assert_int_equal(sherd_hash(algs[i].alg, &one, 1, ours), SHERD_OK);
            assert_int_equal(EVP_Q_digest(NULL, algs[i].name, NULL, bytes, len, theirs, NULL), 1);
            assert_memory_equal(ours, theirs, algs[i].size);
        }
    }
}

static void test_crypto_hash__a_running_hash_starts_anew_after_its_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(algs); i++) {
        SHERD_CLEANUP(sherd_hasher_freep) struct sherd_hasher *hasher = NULL;
        uint8_t whole[SHERD_SHA512_SIZE];
        uint8_t running[SHERD_SHA512_SIZE];

        assert_int_equal(sherd_hasher_new(algs[i].alg, &hasher), SHERD_OK);
        for (size_t len = 0; len < LENGTH_MAX; len += 7) {
            const struct sherd_span one = sherd_span_of(bytes, len);

            for (size_t at = 0; at < len; at += 7)
                assert_int_equal(sherd_hasher_update(hasher, sherd_span_of(bytes + at, 7)), SHERD_OK);
            assert_int_equal(sherd_hasher_final(hasher, running), SHERD_OK);
            assert_int_equal(sherd_hash(algs[i].alg, &one, 1, whole), SHERD_OK);
            assert_memory_equal(running, whole, algs[i].size);
        }
    }
    sherd_hasher_free(NULL);
}

/* --- HMAC ------------------------------------------------------------------------------------------------------ */

static void openssl_hmac(const char *name, struct sherd_span key, struct sherd_span message, uint8_t *out)
{
    size_t size = 0;

    assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, name, NULL, key.data, key.len, message.data, message.len, out,
                              SHERD_SHA512_SIZE, &size));
}

static void assert_hmac(size_t i, size_t key_bytes, size_t message_bytes)
{
    const struct sherd_span key = sherd_span_of(bytes, key_bytes);
    const struct sherd_span message = sherd_span_of(bytes + 3, message_bytes);
    const struct sherd_span parts[] = {{message.data, message.len / 2},
                                       {message.data + message.len / 2, message.len - message.len / 2}};
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *ready = NULL;
    uint8_t expected[SHERD_SHA512_SIZE];
    uint8_t out[SHERD_SHA512_SIZE];

    openssl_hmac(algs[i].name, key, message, expected);
    assert_int_equal(sherd_hmac(algs[i].alg, key, &message, 1, out), SHERD_OK);
    assert_memory_equal(out, expected, algs[i].size);
    assert_int_equal(sherd_hmac_key_new(algs[i].alg, key, &ready), SHERD_OK);
    for (int again = 0; again < 2; again++) {
        memset(out, 0, sizeof(out));
        assert_int_equal(sherd_hmac_with(ready, parts, SHERD_COUNT_OF(parts), out), SHERD_OK);
        assert_memory_equal(out, expected, algs[i].size);
    }
}

static void test_crypto_hash__hmac_agrees_with_openssl(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(algs); i++) {
        for (size_t length = 0; length < LENGTH_MAX; length++) {
            assert_hmac(i, length, 50);
            assert_hmac(i, 32, length);
        }
        assert_hmac(i, 64, 0);
        assert_hmac(i, 128, 128);
        assert_hmac(i, 129, 256);
    }
}

static void *hmac_often(void *arg)
{
    const struct sherd_hmac_key *ready = arg;
    const struct sherd_span message = sherd_span_of(bytes, 100);
    uint8_t expected[SHERD_SHA512_SIZE];
    uint8_t out[SHERD_SHA512_SIZE];

    openssl_hmac("SHA512", sherd_span_of(bytes, 32), message, expected);
    for (int i = 0; i < 500; i++) {
        if (sherd_hmac_with(ready, &message, 1, out) != SHERD_OK || memcmp(out, expected, sizeof(out)) != 0)
            return arg;
    }
    return NULL;
}

static void test_crypto_hash__threads_share_a_ready_key(void **state)
{
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *ready = NULL;
    pthread_t threads[4];

    (void)state;
    assert_int_equal(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(bytes, 32), &ready), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hmac_often, ready), 0);
    for (size_t i = 0; i < SHERD_COUNT_OF(threads); i++) {
        void *failed = ready;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    sherd_hmac_key_free(NULL);
}

/* --- HKDF ------------------------------------------------------------------------------------------------------ */

static void openssl_hkdf(const char *name, int mode, struct sherd_span key, struct sherd_span salt,
                         struct sherd_span info, uint8_t *out, size_t out_bytes)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)name, 0),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key.data, key.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.data, salt.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.data, info.len),
        OSSL_PARAM_construct_end(),
    };

    assert_int_equal(EVP_KDF_derive(ctx, out, out_bytes, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static void assert_hkdf(size_t i, size_t info_bytes, size_t out_bytes)
{
    const struct sherd_span key = sherd_span_of(bytes, algs[i].size);
    const struct sherd_span salt = sherd_span_of(bytes + 70, 20);
    const struct sherd_span info = sherd_span_of(bytes + 7, info_bytes);
    const struct sherd_span parts[] = {
        {info.data, info.len / 4}, {NULL, 0}, {info.data + info.len / 4, info.len - info.len / 4}};
    uint8_t expected[500];
    uint8_t out[500];

    openssl_hkdf(algs[i].name, EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, key, salt, info, expected, out_bytes);
    assert_int_equal(sherd_hkdf(algs[i].alg, key, salt, info, out, out_bytes), SHERD_OK);
    assert_memory_equal(out, expected, out_bytes);

    openssl_hkdf(algs[i].name, EVP_KDF_HKDF_MODE_EXPAND_ONLY, key, salt, info, expected, out_bytes);
    assert_int_equal(sherd_hkdf_expand(algs[i].alg, key, parts, SHERD_COUNT_OF(parts), out, out_bytes), SHERD_OK);
    assert_memory_equal(out, expected, out_bytes);
}

static void test_crypto_hash__hkdf_agrees_with_openssl(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(algs); i++) {
        for (size_t out_bytes = 1; out_bytes < 200; out_bytes++)
            assert_hkdf(i, 40, out_bytes);
        for (size_t info_bytes = 1; info_bytes < 500; info_bytes += 3) /* past where info is joined */
            assert_hkdf(i, info_bytes, 76);
    }
}

static void test_crypto_hash__hkdf_ends_at_255_blocks(void **state)
{
    static uint8_t out[255 * SHERD_SHA512_SIZE + 1];
    const struct sherd_span info[9] = {{bytes, 1}};
    const struct sherd_span key = sherd_span_of(bytes, 64);

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(algs); i++) {
        const size_t most = 255 * algs[i].size;

        assert_int_equal(sherd_hkdf(algs[i].alg, key, info[1], info[0], out, most), SHERD_OK);
        assert_int_equal(sherd_hkdf(algs[i].alg, key, info[1], info[0], out, most + 1), SHERD_ERR_INVALID);
        assert_int_equal(sherd_hkdf_expand(algs[i].alg, key, info, 1, out, most + 1), SHERD_ERR_INVALID);
        assert_int_equal(sherd_hkdf_expand(algs[i].alg, key, info, 8, out, 10), SHERD_OK);
        assert_int_equal(sherd_hkdf_expand(algs[i].alg, key, info, 9, out, 10), SHERD_ERR_INVALID);
        assert_int_equal(sherd_hkdf_expand(algs[i].alg, key, NULL, 0, out, 0), SHERD_OK);
    }
}

/* --- held keys -------------------------------------------------------------------------------------------------- */

static void test_crypto_hash__a_held_key_expands_as_the_key_itself(void **state)
{
    static const size_t key_bytes[] = {0, 32, 64, 128, 129};
    const struct sherd_span info[] = {{bytes, 40}, {bytes + 40, 60}};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(algs); i++) {
        for (size_t k = 0; k < SHERD_COUNT_OF(key_bytes); k++) {
            SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *held = NULL;
            const struct sherd_span key = sherd_span_of(bytes + 7, key_bytes[k]);
            uint8_t expected[100];
            uint8_t out[100];

            assert_int_equal(sherd_hmac_key_new(algs[i].alg, key, &held), SHERD_OK);
            assert_int_equal(sherd_hkdf_expand(algs[i].alg, key, info, 2, expected, sizeof(expected)), SHERD_OK);
            assert_int_equal(sherd_hkdf_expand_with(held, info, 2, out, sizeof(out)), SHERD_OK);
            assert_memory_equal(out, expected, sizeof(out));
            assert_int_equal(sherd_hkdf_expand_with(held, info, 9, out, sizeof(out)), SHERD_ERR_INVALID);
            assert_int_equal(sherd_hkdf_expand_with(held, info, 2, out, 255 * algs[i].size + 1), SHERD_ERR_INVALID);
        }
    }
}

static void test_crypto_hash__the_key_of_no_salt_stays_what_it_is(void **state)
{
    const struct sherd_span none = {NULL, 0};
    const struct sherd_span zeros = {(const uint8_t[SHERD_SHA512_SIZE]){0}, SHERD_SHA512_SIZE};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(algs); i++) {
        for (int round = 0; round < 3; round++) {
            uint8_t expected[32];
            uint8_t out[32];

            /* RFC 5869 section 2.2: no salt is a salt of zeros. */
            assert_int_equal(sherd_hkdf(algs[i].alg, sherd_span_of(bytes, 96), sherd_span_of(zeros.data, algs[i].size),
                                        none, expected, sizeof(expected)),
                             SHERD_OK);
            assert_int_equal(sherd_hkdf(algs[i].alg, sherd_span_of(bytes, 96), none, none, out, sizeof(out)), SHERD_OK);
            assert_memory_equal(out, expected, sizeof(out));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_hash__parts_hash_as_their_concatenation),
        cmocka_unit_test(test_crypto_hash__agrees_with_openssl_at_every_length),
        cmocka_unit_test(test_crypto_hash__a_running_hash_starts_anew_after_its_value),
        cmocka_unit_test(test_crypto_hash__hmac_agrees_with_openssl),
        cmocka_unit_test(test_crypto_hash__threads_share_a_ready_key),
        cmocka_unit_test(test_crypto_hash__hkdf_agrees_with_openssl),
        cmocka_unit_test(test_crypto_hash__hkdf_ends_at_255_blocks),
        cmocka_unit_test(test_crypto_hash__a_held_key_expands_as_the_key_itself),
        cmocka_unit_test(test_crypto_hash__the_key_of_no_salt_stays_what_it_is),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
