/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Want of memory inside OpenSSL: its first, second, n-th allocation fails in each call of ours, until the call passes.
 * The call must say so, release nothing, leak nothing (LeakSanitizer looks), and do its work when it is called again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/aead.h"
#include "crypto/evp.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include "crypto/sign.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define ALLOCATIONS_MAX 500

static _Thread_local unsigned until_failure; /* 0: none fails; 1: the next one does */

static bool fails_now(void)
{
    return until_failure > 0 && --until_failure == 0;
}

static void *failing_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails_now() ? NULL : malloc(size);
}

static void *failing_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails_now() ? NULL : realloc(block, size);
}

static void counted_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

static const uint8_t key[32] = {1, 2, 3};
static const struct sherd_span part = {key, sizeof(key)};
static struct sherd_buf sealed;
static uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
static uint8_t signature[SHERD_SIGNATURE_SIZE];

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK && sherd_aead_seal(key, part, part, &sealed) == SHERD_OK &&
                   sherd_sign_public(key, public_key) == SHERD_OK && sherd_sign(key, part, signature) == SHERD_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    sherd_buf_done(&sealed);
    return 0;
}

/* --- the calls, each with a check of its answer ------------------------------------------------------------------- */

static enum sherd_err call_hash(void)
{
    uint8_t out[64];

    return sherd_hash(SHERD_SHA512, &part, 1, out);
}

static enum sherd_err call_hasher(void)
{
    SHERD_CLEANUP(sherd_hasher_freep) struct sherd_hasher *hasher = NULL;
    uint8_t out[64];

    SHERD_TRY(sherd_hasher_new(SHERD_SHA512, &hasher));
    SHERD_TRY(sherd_hasher_update(hasher, part));
    return sherd_hasher_final(hasher, out);
}

static enum sherd_err call_hmac(void)
{
    uint8_t out[64];

    return sherd_hmac(SHERD_SHA512, part, &part, 1, out);
}

static enum sherd_err call_hmac_ready(void)
{
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *ready = NULL;
    uint8_t out[64];

    SHERD_TRY(sherd_hmac_key_new(SHERD_SHA512, part, &ready));
    return sherd_hmac_with(ready, &part, 1, out);
}

static enum sherd_err call_seal(void)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    const enum sherd_err err = sherd_aead_seal(key, part, part, &out);

    assert_int_equal(out.len, err == SHERD_OK ? sealed.len : 0);
    return err;
}

static enum sherd_err call_open(void)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    const enum sherd_err err = sherd_aead_open(key, part, sherd_buf_span(&sealed), &out);

    assert_int_equal(out.len, err == SHERD_OK ? part.len : 0);
    if (err == SHERD_OK)
        assert_memory_equal(out.data, key, part.len);
    return err;
}

static enum sherd_err call_message(void)
{
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *clone = NULL;
    uint8_t header[SHERD_AEAD_HEADER_SIZE];
    uint8_t out[sizeof(key) + SHERD_AEAD_TAG_SIZE];

    SHERD_TRY(sherd_aead_message_seal_begin(key, part, header, &message));
    SHERD_TRY(sherd_aead_message_clone(message, &clone));
    return sherd_aead_chunk_seal(clone, 0, part, out);
}

static enum sherd_err call_sign(void)
{
    uint8_t out[SHERD_SIGNATURE_SIZE];

    return sherd_sign(key, part, out);
}

static enum sherd_err call_verify(void)
{
    return sherd_sign_verify(public_key, part, signature);
}

static enum sherd_err call_scrypt(void)
{
    const struct sherd_pwhash_params params = {SHERD_PWHASH_SCRYPT, 4, 1, 1}; /* below our bounds, for speed */
    uint8_t out[32];

    return sherd_scrypt(&params, part, part, out, sizeof(out));
}

/* Fails the n-th allocation for growing n, with the thread's contexts there and without. */
static void fail_each(enum sherd_err (*call)(void), bool without_lane, bool verifies)
{
    unsigned n = 0;
    bool passed = false;

    while (!passed) {
        enum sherd_err err;

        if (without_lane)
            sherd_evp_lane_drop();
        until_failure = ++n;
        err = call();
        passed = until_failure > 0; /* nothing failed: the call has no n-th allocation */
        until_failure = 0;
        if (passed)
            assert_int_equal(err, SHERD_OK);
        else
            /* OpenSSL may do without what it did not get; a verifier cannot always tell why it got no answer. */
            assert_true(err == SHERD_OK || err == SHERD_ERR_NO_MEMORY || err == SHERD_ERR_IO ||
                        (verifies && err == SHERD_ERR_TAMPERED));
        assert_int_equal(call(), SHERD_OK);
        assert_true(n < ALLOCATIONS_MAX);
    }
}

#define TEST_CALL(name, verifies)                        \
    static void test_crypto_memory__##name(void **state) \
    {                                                    \
        (void)state;                                     \
        fail_each(call_##name, false, verifies);         \
        fail_each(call_##name, true, verifies);          \
    }

TEST_CALL(hash, false)
TEST_CALL(hasher, false)
TEST_CALL(hmac, false)
TEST_CALL(hmac_ready, false)
TEST_CALL(seal, false)
TEST_CALL(open, false)
TEST_CALL(message, false)
TEST_CALL(sign, false)
TEST_CALL(verify, true)
TEST_CALL(scrypt, false)

/* The failures must have happened, or all of the above shows nothing. */
static void test_crypto_memory__allocations_are_seen(void **state)
{
    (void)state;
    sherd_evp_lane_drop();
    until_failure = 1;
    assert_int_equal(call_seal(), SHERD_ERR_NO_MEMORY);
    assert_int_equal(until_failure, 0);
    assert_non_null(strstr(sherd_err_detail(), "memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_memory__allocations_are_seen),
        cmocka_unit_test(test_crypto_memory__hash),
        cmocka_unit_test(test_crypto_memory__hasher),
        cmocka_unit_test(test_crypto_memory__hmac),
        cmocka_unit_test(test_crypto_memory__hmac_ready),
        cmocka_unit_test(test_crypto_memory__seal),
        cmocka_unit_test(test_crypto_memory__open),
        cmocka_unit_test(test_crypto_memory__message),
        cmocka_unit_test(test_crypto_memory__sign),
        cmocka_unit_test(test_crypto_memory__verify),
        cmocka_unit_test(test_crypto_memory__scrypt),
    };

    if (CRYPTO_set_mem_functions(failing_malloc, failing_realloc, counted_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
