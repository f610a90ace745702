/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Want of memory, OpenSSL's and ours, in what seals to keys: the first, second, n-th allocation fails in each call
 * until the call passes. It must say so, release nothing, and do its work when it is called again. (LeakSanitizer
 * looks.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/failpoint.h"
#include "base/macros.h"
#include "crypto/chacha.h"
#include "crypto/evp.h"
#include "crypto/hpke.h"
#include "crypto/init.h"
#include "crypto/pubkey.h"
#include "envelope/age.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define ALLOCATIONS_MAX 3000

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

#if SHERD_FAILPOINTS
static enum sherd_err failing_alloc(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "alloc") == 0 && fails_now() ? sherd_fail(SHERD_ERR_NO_MEMORY, "none left") : SHERD_OK;
}
#endif

static const struct sherd_span some = {(const uint8_t *)"a share", 7};
static struct sherd_age_identity identity;
static struct sherd_age_recipient recipient;
static struct sherd_kem_private own[3];
static struct sherd_kem_public to[3];
static struct sherd_buf file;
static struct sherd_buf locked;

static int setup(void **state)
{
    (void)state;
    if (sherd_crypto_init() != SHERD_OK || sherd_age_keygen(&identity, &recipient) != SHERD_OK ||
        sherd_age_seal(&recipient, 1, some, &file) != SHERD_OK ||
        sherd_age_seal_passphrase(some, 4, some, &locked) != SHERD_OK ||
        sherd_kem_keygen(SHERD_KEM_X25519, &own[0], &to[0]) != SHERD_OK ||
        sherd_kem_keygen(SHERD_KEM_P256, &own[2], &to[2]) != SHERD_OK)
        return -1;
    if (sherd_kem_supported(SHERD_KEM_XWING) && sherd_kem_keygen(SHERD_KEM_XWING, &own[1], &to[1]) != SHERD_OK)
        return -1;
#if SHERD_FAILPOINTS
    sherd_failpoint_set(failing_alloc, NULL);
#endif
    return 0;
}

static int teardown(void **state)
{
    (void)state;
#if SHERD_FAILPOINTS
    sherd_failpoint_set(NULL, NULL);
#endif
    sherd_buf_done(&file);
    sherd_buf_done(&locked);
    return 0;
}

/* --- the calls -------------------------------------------------------------------------------------------------- */

static enum sherd_err call_chacha(void)
{
    static const uint8_t zero[32];
    uint8_t sealed[7 + 16];
    uint8_t opened[7];

    SHERD_TRY(sherd_chacha_seal(zero, zero, some, some, sealed));
    return sherd_chacha_open(zero, zero, some, sherd_span_of(sealed, sizeof(sealed)), opened);
}

static enum sherd_err agree(size_t i)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *receiver = NULL;
    uint8_t enc[SHERD_KEM_ENC_BYTES_MAX];
    uint8_t sealed[7 + 16];
    uint8_t opened[7];

    SHERD_TRY(sherd_hpke_send(&to[i], some, enc, &sender));
    SHERD_TRY(sherd_hpke_receive(&own[i], sherd_span_of(enc, sherd_kem_enc_bytes(own[i].kem)), some, &receiver));
    SHERD_TRY(sherd_hpke_seal(sender, some, some, sealed));
    return sherd_hpke_open(receiver, some, sherd_span_of(sealed, sizeof(sealed)), opened);
}

static enum sherd_err call_x25519(void)
{
    return agree(0);
}

static enum sherd_err call_pubkey(void)
{
    static const uint8_t modulus[256] = {[0] = 0x80, [255] = 1};
    static const uint8_t exponent[] = {1, 0, 1};
    uint8_t sealed[256];
    struct sherd_pubkey key;

    SHERD_TRY(sherd_pubkey_of_point(to[2].bytes, &key));
    SHERD_TRY(sherd_pubkey_of_rsa(sherd_span_of(modulus, 256), sherd_span_of(exponent, 3), &key));
    return sherd_pubkey_rsa_seal(&key, modulus, sealed);
}

static enum sherd_err call_xwing(void)
{
    return agree(1);
}

static enum sherd_err call_p256(void)
{
    return agree(2);
}

static enum sherd_err call_seal(void)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    const enum sherd_err err = sherd_age_seal(&recipient, 1, some, &out);

    assert_true(err == SHERD_OK || out.len == 0);
    return err;
}

static enum sherd_err call_open(void)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    const enum sherd_err err = sherd_age_open(&identity, 1, sherd_buf_span(&file), &out);

    assert_int_equal(out.len, err == SHERD_OK ? some.len : 0);
    return err;
}

static enum sherd_err call_open_passphrase(void)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    const enum sherd_err err = sherd_age_open_passphrase(some, sherd_buf_span(&locked), &out);

    assert_int_equal(out.len, err == SHERD_OK ? some.len : 0);
    return err;
}

/* other: what a call may end with beside success and no memory. */
static void sweep(enum sherd_err (*call)(void), enum sherd_err other)
{
    unsigned failed = 0;

    for (unsigned n = 1; n < ALLOCATIONS_MAX; n++) {
        enum sherd_err err;
        unsigned left;

        sherd_evp_lane_drop(); /* so that the thread's contexts, too, are made under want */
        until_failure = n;
        err = call();
        left = until_failure;
        until_failure = 0;
        if (left > 0) { /* fewer than n were asked for */
            assert_int_equal(err, SHERD_OK);
            assert_true(failed > 1);
            return;
        }
        assert_true(err == SHERD_OK || err == SHERD_ERR_NO_MEMORY || err == other);
        failed += err != SHERD_OK;
        assert_int_equal(call(), SHERD_OK);
    }
    fail();
}

static void test_crypto_memory_keys__chacha(void **state)
{
    (void)state;
    sweep(call_chacha, SHERD_OK);
}

static void test_crypto_memory_keys__hpke_by_x25519(void **state)
{
    (void)state;
    sweep(call_x25519, SHERD_OK);
}

static void test_crypto_memory_keys__hpke_by_p256(void **state)
{
    (void)state;
    sweep(call_p256, SHERD_OK);
}

static void test_crypto_memory_keys__public_keys(void **state)
{
    (void)state;
    assert_int_equal(call_pubkey(), SHERD_OK); /* the self-test has passed */
    sweep(call_pubkey, SHERD_ERR_TAMPERED);
}

static void test_crypto_memory_keys__hpke_by_xwing(void **state)
{
    (void)state;
    if (!sherd_kem_supported(SHERD_KEM_XWING)) { /* OpenSSL before 3.5 */
        assert_int_equal(call_xwing(), SHERD_ERR_UNSUPPORTED);
        return;
    }
    /* OpenSSL's decapsulation goes on without memory, with the secret that FIPS 203 gives for a wrong ciphertext. */
    sweep(call_xwing, SHERD_ERR_TAMPERED);
}

static void test_crypto_memory_keys__age_sealed(void **state)
{
    (void)state;
    sweep(call_seal, SHERD_OK);
}

static void test_crypto_memory_keys__age_opened(void **state)
{
    (void)state;
    sweep(call_open, SHERD_OK);
}

static void test_crypto_memory_keys__age_opened_by_passphrase(void **state)
{
    (void)state;
    sweep(call_open_passphrase, SHERD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_memory_keys__chacha),
        cmocka_unit_test(test_crypto_memory_keys__hpke_by_x25519),
        cmocka_unit_test(test_crypto_memory_keys__hpke_by_p256),
        cmocka_unit_test(test_crypto_memory_keys__public_keys),
        cmocka_unit_test(test_crypto_memory_keys__hpke_by_xwing),
        cmocka_unit_test(test_crypto_memory_keys__age_sealed),
        cmocka_unit_test(test_crypto_memory_keys__age_opened),
        cmocka_unit_test(test_crypto_memory_keys__age_opened_by_passphrase),
    };

    if (CRYPTO_set_mem_functions(failing_malloc, failing_realloc, counted_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
