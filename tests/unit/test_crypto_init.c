/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: the self-test catches each algorithm that answers wrongly, and a process in which it failed is served
 * nothing. What can only happen at the start of a process happens in children, which end with 0 if all was well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/failpoint.h"
#include "base/macros.h"
#include "base/mem.h"
#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/pwhash.h"
#include "crypto/sign.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Runs fn in a child that has not started the cryptography yet, since no test before it has. */
static void run_in_child(int (*fn)(void))
{
    int status = -1;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(fn());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- children: each returns 0, or the line that failed ---------------------------------------------------------- */

#define CHILD_ENSURE(cond)             \
    do {                               \
        if (!(cond))                   \
            return __LINE__ % 255 + 1; \
    } while (0)

/* Every call that does any cryptography, in a process whose self-test failed. */
static int nothing_is_served(void)
{
    const uint8_t key[32] = {1};
    const struct sherd_span part = sherd_span_of(key, sizeof(key));
    struct sherd_buf buf = {0};
    struct sherd_hasher *hasher = NULL;
    struct sherd_hmac_key *ready = NULL;
    struct sherd_aead_message *message = NULL;
    uint8_t out[64];

    CHILD_ENSURE(sherd_hash(SHERD_SHA256, &part, 1, out) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_hasher_new(SHERD_SHA256, &hasher) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_hmac(SHERD_SHA512, part, &part, 1, out) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_hmac_key_new(SHERD_SHA512, part, &ready) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_hkdf(SHERD_SHA512, part, part, part, out, 32) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_hkdf_expand(SHERD_SHA512, part, &part, 1, out, 32) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_aead_seal(key, part, part, &buf) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_buf_reserve(&buf, 100) == SHERD_OK);
    memset(buf.data, 0, 100);
    CHILD_ENSURE(sherd_aead_open(key, part, sherd_span_of(buf.data, 80), &buf) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_aead_message_seal_begin(key, part, buf.data, &message) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_aead_message_open_begin(key, part, sherd_span_of(buf.data, 56), &message) ==
                 SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_sign_public(key, out) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_sign(key, part, out) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_sign_verify(key, part, out) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(sherd_pwhash(&(const struct sherd_pwhash_params){SHERD_PWHASH_SCRYPT, 14, 8, 1}, part, part, out,
                              32) == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(hasher == NULL && ready == NULL && message == NULL && buf.len == 0);
    sherd_buf_done(&buf);
    return 0;
}

#if SHERD_FAILPOINTS
static enum sherd_err fail_selftest(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "crypto.selftest") != 0)
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "cryptography: failed by a test");
}

static int failure_is_for_good(void)
{
    sherd_failpoint_set(fail_selftest, NULL);
    CHILD_ENSURE(sherd_crypto_init() == SHERD_ERR_UNSUPPORTED);
    sherd_failpoint_set(NULL, NULL);
    CHILD_ENSURE(sherd_crypto_init() == SHERD_ERR_UNSUPPORTED);
    CHILD_ENSURE(strcmp(sherd_err_detail(), "cryptography: failed by a test") == 0);
    CHILD_ENSURE(sherd_crypto_selftest(NULL) == SHERD_OK);
    return nothing_is_served();
}

static enum sherd_err fail_memory(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return sherd_fail(SHERD_ERR_NO_MEMORY, "no memory in this test");
}

static int want_of_memory_is_not_for_good(void)
{
    sherd_failpoint_set(fail_memory, NULL);
    CHILD_ENSURE(sherd_crypto_init() == SHERD_ERR_NO_MEMORY);
    sherd_failpoint_set(NULL, NULL);
    CHILD_ENSURE(sherd_crypto_init() == SHERD_OK);
    return 0;
}
#endif

/* A configuration that gives OpenSSL no algorithms but the null provider's. */
static int refuses_openssl_without_algorithms(void)
{
    static const char text[] = "openssl_conf = init\n[init]\nproviders = providers\n[providers]\nnull = null_section\n"
                               "[null_section]\nactivate = 1\n";
    char path[] = "/tmp/sherd-openssl-XXXXXX";
    const int file = mkstemp(path);
    enum sherd_err err;

    CHILD_ENSURE(file >= 0 && write(file, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1 && close(file) == 0);
    CHILD_ENSURE(setenv("OPENSSL_CONF", path, 1) == 0);
    err = sherd_crypto_init();
    CHILD_ENSURE(unlink(path) == 0);
    CHILD_ENSURE(err == SHERD_ERR_UNSUPPORTED && strstr(sherd_err_detail(), "AES-256-GCM") != NULL);
    return nothing_is_served();
}

/* The first call of anything opens the gate by itself. */
static int first_use_runs_the_test(void)
{
    const struct sherd_span part = sherd_span_of("abc", 3);
    uint8_t out[32];

    CHILD_ENSURE(sherd_hash(SHERD_SHA256, &part, 1, out) == SHERD_OK);
    CHILD_ENSURE(out[0] == 0xba && out[31] == 0xad);
    return 0;
}

static void *init_in_thread(void *arg)
{
    const struct sherd_span part = sherd_span_of("abc", 3);
    uint8_t out[32];

    (void)arg;
    return sherd_crypto_init() == SHERD_OK && sherd_hash(SHERD_SHA256, &part, 1, out) == SHERD_OK && out[0] == 0xba
               ? NULL
               : (void *)1;
}

static int threads_wait_for_the_first(void)
{
    pthread_t threads[8];

    for (size_t i = 0; i < SHERD_COUNT_OF(threads); i++)
        CHILD_ENSURE(pthread_create(&threads[i], NULL, init_in_thread, NULL) == 0);
    for (size_t i = 0; i < SHERD_COUNT_OF(threads); i++) {
        void *failed = (void *)1;

        CHILD_ENSURE(pthread_join(threads[i], &failed) == 0 && failed == NULL);
    }
    return 0;
}

static enum sherd_err fill_with_zero(uint8_t *block, size_t size)
{
    memset(block, 0, size);
    return SHERD_OK;
}

static int takes_over_randomness(void)
{
    static const struct sherd_random_source zeroes = {.fill = fill_with_zero};
    static const uint8_t zero[64];
    uint8_t block[64] = {0};

    sherd_random_set(&zeroes);
    CHILD_ENSURE(sherd_crypto_init() == SHERD_OK);
    CHILD_ENSURE(sherd_random(block, sizeof(block)) == SHERD_OK && memcmp(block, zero, sizeof(block)) != 0);
    return 0;
}

/* --- before the start --------------------------------------------------------------------------------------------- */

#if SHERD_FAILPOINTS
static void test_crypto_init__a_failed_self_test_is_remembered(void **state)
{
    (void)state;
    run_in_child(failure_is_for_good);
    run_in_child(want_of_memory_is_not_for_good);
}
#endif

static void test_crypto_init__refuses_openssl_without_algorithms(void **state)
{
    (void)state;
    run_in_child(refuses_openssl_without_algorithms);
}

static void test_crypto_init__first_use_runs_the_self_test(void **state)
{
    (void)state;
    run_in_child(first_use_runs_the_test);
}

static void test_crypto_init__threads_wait_for_the_first(void **state)
{
    (void)state;
    run_in_child(threads_wait_for_the_first);
}

static void test_crypto_init__takes_over_randomness(void **state)
{
    (void)state;
    run_in_child(takes_over_randomness);
}

/* --- in this process ---------------------------------------------------------------------------------------------- */

static void test_crypto_init__the_self_test_passes_and_leaves_no_detail(void **state)
{
    (void)state;
    assert_int_equal(sherd_crypto_init(), SHERD_OK);
    assert_int_equal(sherd_crypto_selftest(NULL), SHERD_OK);
    assert_string_equal(sherd_err_detail(), "");
}

static void test_crypto_init__the_self_test_catches_each_wrong_answer(void **state)
{
    static const char *const expected[] = {
        "sha256",  "sha512", "hmac-sha512", "hkdf-sha512", "cobblestone-256-seal", "cobblestone-256-open",
        "ed25519", "scrypt", "pbkdf2",      "shamir"};
    const char *const *names = sherd_crypto_selftest_names();
    size_t count = 0;

    (void)state;
    for (; names[count] != NULL; count++) {
        assert_int_equal(sherd_crypto_selftest(names[count]), SHERD_ERR_UNSUPPORTED);
        assert_non_null(strstr(sherd_err_detail(), names[count]));
    }
    assert_true(count >= SHERD_COUNT_OF(expected));
    for (size_t i = 0; i < SHERD_COUNT_OF(expected); i++)
        assert_string_equal(names[count - SHERD_COUNT_OF(expected) + i], expected[i]);
    /* Breaking it on purpose poisons nothing. */
    assert_int_equal(sherd_crypto_init(), SHERD_OK);
    assert_int_equal(sherd_crypto_selftest(NULL), SHERD_OK);
    assert_int_equal(sherd_crypto_selftest("no such test"), SHERD_OK);
}

/* The bound is 3 ms in an ordinary build; sanitizers and a busy machine are given room. */
static void test_crypto_init__the_self_test_is_quick(void **state)
{
    uint64_t best = UINT64_MAX;

    (void)state;
    for (int i = 0; i < 20; i++) {
        const uint64_t start = now_ns();

        assert_int_equal(sherd_crypto_selftest(NULL), SHERD_OK);
        best = now_ns() - start < best ? now_ns() - start : best;
    }
    assert_true(best < 3000000);
}

static void test_crypto_init__randomness_differs_after_fork(void **state)
{
    uint8_t mine[32] = {0};
    uint8_t theirs[32] = {0};
    int pipe_ends[2];
    pid_t child;

    (void)state;
    assert_int_equal(sherd_crypto_init(), SHERD_OK);
    assert_int_equal(sherd_random(mine, sizeof(mine)), SHERD_OK);
    assert_int_equal(pipe(pipe_ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(sherd_random(theirs, sizeof(theirs)) == SHERD_OK &&
                      write(pipe_ends[1], theirs, sizeof(theirs)) == (ssize_t)sizeof(theirs)
                  ? 0
                  : 1);
    assert_int_equal(sherd_random(mine, sizeof(mine)), SHERD_OK);
    assert_int_equal(read(pipe_ends[0], theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_memory_not_equal(mine, theirs, sizeof(mine));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void test_crypto_init__randomness_fills_blocks_of_any_size(void **state)
{
    static uint8_t block[(1 << 20) + 5];
    size_t zeroes = 0;

    (void)state;
    assert_int_equal(sherd_crypto_init(), SHERD_OK);
    for (size_t size = 0; size < 40; size++)
        assert_int_equal(sherd_random(block, size), SHERD_OK);
    memset(block, 0, sizeof(block));
    assert_int_equal(sherd_random(block, sizeof(block)), SHERD_OK);
    for (size_t i = 0; i < sizeof(block); i++)
        zeroes += block[i] == 0;
    assert_true(zeroes > 3000 && zeroes < 5200); /* 4096 expected, 64 the standard deviation */
    zeroes = 0;
    for (size_t i = sizeof(block) - 5; i < sizeof(block); i++)
        zeroes += block[i] == 0;
    assert_true(zeroes < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if SHERD_FAILPOINTS
        cmocka_unit_test(test_crypto_init__a_failed_self_test_is_remembered),
#endif
        cmocka_unit_test(test_crypto_init__refuses_openssl_without_algorithms),
        cmocka_unit_test(test_crypto_init__first_use_runs_the_self_test),
        cmocka_unit_test(test_crypto_init__threads_wait_for_the_first),
        cmocka_unit_test(test_crypto_init__takes_over_randomness),
        cmocka_unit_test(test_crypto_init__the_self_test_passes_and_leaves_no_detail),
        cmocka_unit_test(test_crypto_init__the_self_test_catches_each_wrong_answer),
        cmocka_unit_test(test_crypto_init__the_self_test_is_quick),
        cmocka_unit_test(test_crypto_init__randomness_differs_after_fork),
        cmocka_unit_test(test_crypto_init__randomness_fills_blocks_of_any_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
