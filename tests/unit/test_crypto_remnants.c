/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cryptography leaves in memory: after a message was sealed and opened, neither its input key, nor the two
 * padded forms that HMAC has of it, as such or hashed, nor the derived AES key is found in anything that this process
 * can write: heap, stacks, data. (Registers and what the kernel holds are out of reach.)
 *
 * What is looked for is kept only masked, so that it does not find itself.
 *
 * Builds with a sanitizer leave this test out: its quarantine and its second stack keep copies of everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/sha.h"
#include "base/secret.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEEDLE_BYTES 16

/* Volatile, lest the compiler unmasks what is looked for before the search and keeps it on the stack. */
static const volatile uint8_t mask = 0xa7;

static const struct sherd_span context = {(const uint8_t *)"context", 7};
static uint8_t masked_key[SHERD_AEAD_KEY_SIZE];
static uint8_t window[1 << 20];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(masked_key); i++)
        masked_key[i] = (uint8_t)(i * 37 + 11);
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static size_t count_in_window(size_t len, const uint8_t masked[NEEDLE_BYTES])
{
    size_t count = 0;

    for (size_t at = 0; at + NEEDLE_BYTES <= len; at++) {
        size_t same = 0;

        while (same < NEEDLE_BYTES && (window[at + same] ^ mask) == masked[same])
            same++;
        count += same == NEEDLE_BYTES;
    }
    return count;
}

/* Searches one mapping, but for the window itself. */
static size_t count_in_mapping(int memory, uintptr_t start, uintptr_t end, const uint8_t masked[NEEDLE_BYTES])
{
    size_t count = 0;

    while (start < end) {
        const uintptr_t own = (uintptr_t)window;
        size_t len = end - start < sizeof(window) ? end - start : sizeof(window);
        ssize_t got;

        if (start >= own && start < own + sizeof(window)) {
            start = own + sizeof(window);
            continue;
        }
        if (start < own && start + len > own)
            len = own - start;
        got = pread(memory, window, len, (off_t)start);
        if (got <= 0)
            break;
        count += count_in_window((size_t)got, masked);
        if (len < sizeof(window) || start + len == end)
            start += len;
        else
            start += len - NEEDLE_BYTES + 1;
    }
    return count;
}

/* How often the bytes stand in memory that this process can write. */
static size_t count_in_memory(const uint8_t masked[NEEDLE_BYTES])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char line[512];
    size_t count = 0;

    assert_non_null(maps);
    assert_true(memory >= 0);
    while (fgets(line, sizeof(line), maps) != NULL) {
        char *rest = NULL;
        const uintptr_t start = strtoul(line, &rest, 16);
        const uintptr_t end = strtoul(rest + 1, &rest, 16);

        if (rest[1] == 'r' && rest[2] == 'w')
            count += count_in_mapping(memory, start, end, masked);
    }
    fclose(maps);
    close(memory);
    return count;
}

static void unmask(uint8_t key[SHERD_AEAD_KEY_SIZE])
{
    for (size_t i = 0; i < SHERD_AEAD_KEY_SIZE; i++)
        key[i] = masked_key[i] ^ mask;
}

__attribute__((noinline)) static void seal_one(struct sherd_buf *out_sealed)
{
    uint8_t key[SHERD_AEAD_KEY_SIZE];

    unmask(key);
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_str("a plaintext"), out_sealed), SHERD_OK);
    sherd_wipe(key, sizeof(key));
}

__attribute__((noinline)) static void open_one(bool with_ready, const struct sherd_buf *sealed)
{
    struct sherd_buf plain = {0};
    struct sherd_hmac_key *ready = NULL;
    uint8_t key[SHERD_AEAD_KEY_SIZE];

    unmask(key);
    if (with_ready) {
        assert_int_equal(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key, sizeof(key)), &ready), SHERD_OK);
        assert_int_equal(sherd_aead_open_with(ready, context, sherd_buf_span(sealed), &plain), SHERD_OK);
        sherd_hmac_key_free(ready);
    } else {
        assert_int_equal(sherd_aead_open(key, context, sherd_buf_span(sealed), &plain), SHERD_OK);
    }
    sherd_buf_done(&plain);
    sherd_wipe(key, sizeof(key));
}

/* The AES key of a sealed message, masked. */
__attribute__((noinline)) static void derive_masked(const struct sherd_buf *sealed, uint8_t out[NEEDLE_BYTES])
{
    static const char label[] = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM";
    const struct sherd_span info[] = {
        {(const uint8_t *)label, sizeof(label)}, {sealed->data, SHERD_AEAD_SALT_SIZE}, context};
    uint8_t derived[76];
    uint8_t key[SHERD_AEAD_KEY_SIZE];

    unmask(key);
    assert_int_equal(sherd_hkdf_expand(SHERD_SHA512, sherd_span_of(key, sizeof(key)), info, 3, derived,
                                       sizeof(derived)),
                     SHERD_OK);
    for (size_t i = 0; i < NEEDLE_BYTES; i++)
        out[i] = derived[i] ^ mask;
    sherd_wipe(derived, sizeof(derived));
    sherd_wipe(key, sizeof(key));
}

/* As the last HMAC leaves it in the state of SHA-512: words of eight bytes in the order of this machine. */
static void words_swap(uint8_t bytes[NEEDLE_BYTES])
{
    uint8_t swapped[NEEDLE_BYTES];

    for (size_t i = 0; i < NEEDLE_BYTES; i++)
        swapped[i] = bytes[i / 8 * 8 + 7 - i % 8];
    memcpy(bytes, swapped, NEEDLE_BYTES);
}

/* The two hashed blocks of the key, as they lie in a state, masked. */
__attribute__((noinline)) static void pads_masked(uint8_t out[2][NEEDLE_BYTES])
{
    struct sherd_hmac_key ready;
    uint8_t key[SHERD_AEAD_KEY_SIZE];

    unmask(key);
    assert_int_equal(sherd_hmac_key_load(SHERD_SHA512, sherd_span_of(key, sizeof(key)), &ready), SHERD_OK);
    for (size_t i = 0; i < NEEDLE_BYTES; i++) {
        out[0][i] = ((const uint8_t *)ready.inner.state.sha512.h)[i] ^ mask;
        out[1][i] = ((const uint8_t *)ready.outer.state.sha512.h)[i] ^ mask;
    }
    sherd_hmac_key_wipe(&ready);
    sherd_wipe(key, sizeof(key));
}

/* The call that is looked after comes last, so that nothing else has used its part of the stack again. */
static void assert_nothing_left(bool with_ready)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    uint8_t masked[7][NEEDLE_BYTES];

    seal_one(&sealed);
    derive_masked(&sealed, masked[0]);
    memcpy(masked[1], masked[0], NEEDLE_BYTES);
    words_swap(masked[1]);
    for (size_t i = 0; i < NEEDLE_BYTES; i++) {
        masked[2][i] = masked_key[i];
        masked[3][i] = masked_key[i] ^ 0x36; /* the inner pad of HMAC */
        masked[4][i] = masked_key[i] ^ 0x5c; /* the outer */
    }
    pads_masked(masked + 5);
    open_one(with_ready, &sealed);
    for (size_t i = 0; i < SHERD_COUNT_OF(masked); i++)
        assert_int_equal(count_in_memory(masked[i]), 0);
}

/* The search itself: it must find what is there, on the heap and on the stack. */
static void test_crypto_remnants__the_search_finds_what_is_there(void **state)
{
    uint8_t *on_heap = sherd_alloc(SHERD_AEAD_KEY_SIZE);
    uint8_t on_stack[SHERD_AEAD_KEY_SIZE];

    (void)state;
    unmask(on_heap);
    unmask(on_stack);
    assert_int_equal(count_in_memory(masked_key), 2);
    sherd_wipe(on_stack, sizeof(on_stack));
    assert_int_equal(count_in_memory(masked_key), 1);
    sherd_wipe(on_heap, SHERD_AEAD_KEY_SIZE);
    sherd_free(on_heap);
    assert_int_equal(count_in_memory(masked_key), 0);
}

static void test_crypto_remnants__no_key_is_left_after_a_message(void **state)
{
    (void)state;
    assert_nothing_left(false);
    assert_nothing_left(true);
}

__attribute__((noinline)) static void hold(struct sherd_hmac_key **out_key)
{
    uint8_t key[SHERD_AEAD_KEY_SIZE];

    unmask(key);
    assert_int_equal(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key, sizeof(key)), out_key), SHERD_OK);
    sherd_wipe(key, sizeof(key));
}

/* Seals and opens with the key that is held: what is as good as the key passes over the stack. */
__attribute__((noinline)) static void use(const struct sherd_hmac_key *held)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};

    assert_int_equal(sherd_aead_seal_with(held, context, sherd_span_str("a plaintext"), &sealed), SHERD_OK);
    assert_int_equal(sherd_aead_open_with(held, context, sherd_buf_span(&sealed), &plain), SHERD_OK);
}

/* memfd_secret memory cannot be searched, not even by the process itself: what is found is in ordinary memory. */
static void test_crypto_remnants__a_held_key_is_in_secret_memory_alone(void **state)
{
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *held = NULL;
    struct sherd_secret_stat stat;
    uint8_t masked[2][NEEDLE_BYTES];

    (void)state;
    sherd_secret_stat(&stat);
    pads_masked(masked);
    hold(&held);
    use(held);
    for (size_t i = 0; i < SHERD_COUNT_OF(masked); i++)
        assert_int_equal(count_in_memory(masked[i]), stat.memfd_secret ? 0 : 1);
    assert_int_equal(count_in_memory(masked_key), 0);
    sherd_hmac_key_free(held);
    held = NULL;
    for (size_t i = 0; i < SHERD_COUNT_OF(masked); i++)
        assert_int_equal(count_in_memory(masked[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_remnants__the_search_finds_what_is_there),
        cmocka_unit_test(test_crypto_remnants__no_key_is_left_after_a_message),
        cmocka_unit_test(test_crypto_remnants__a_held_key_is_in_secret_memory_alone),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
