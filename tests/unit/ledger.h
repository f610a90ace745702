/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/ledger.h
 * What the tests of the ledger share: a tree of known leaves by the letter of RFC 6962, keys, a log in a directory.
 */
#ifndef SHERD_TESTS_UNIT_LEDGER_H
#define SHERD_TESTS_UNIT_LEDGER_H

#include "base/bytes.h"
#include "base/macros.h"
#include "crypto/init.h"
#include "envelope/base64.h"
#include "envelope/lines.h"
#include "envelope/note.h"
#include "ledger/log.h"
#include "ledger/proof.h"
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

/** Fails the test, with what the library has to say, unless the call succeeds. */
#define assert_ok(call)                                                                        \
    do {                                                                                       \
        const enum sherd_err assert_ok_err_ = (call);                                          \
        if (assert_ok_err_ != SHERD_OK)                                                        \
            fail_msg("%s: %s: %s", #call, sherd_err_name(assert_ok_err_), sherd_err_detail()); \
    } while (0)

/** Fails the test unless the call fails with that code. */
#define assert_err(expected, call)                                                                           \
    do {                                                                                                     \
        const enum sherd_err assert_err_err_ = (call);                                                       \
        if (assert_err_err_ != (expected))                                                                   \
            fail_msg("%s: %s, not %s: %s", #call, sherd_err_name(assert_err_err_), sherd_err_name(expected), \
                     sherd_err_detail());                                                                    \
    } while (0)

/* --- trees -------------------------------------------------------------------------------------------------------- */

#define TREE_MAX 1200U

/** Hashes of leaves 0..TREE_MAX: leaf i is "leaf i". */
static struct sherd_digest tree_leaves[TREE_MAX];

__attribute__((unused)) static struct sherd_span tree_leaf(uint64_t i, char text[32])
{
    (void)snprintf(text, 32, "leaf %llu", (unsigned long long)i);
    return sherd_span_str(text);
}

__attribute__((unused)) static int tree_setup(void **state)
{
    char text[32];

    (void)state;
    if (sherd_crypto_init() != SHERD_OK)
        return -1;
    for (uint64_t i = 0; i < TREE_MAX; i++)
        if (sherd_merkle_leaf(tree_leaf(i, text), &tree_leaves[i]) != SHERD_OK)
            return -1;
    return 0;
}

/** MTH(D[first:first + count]) of RFC 6962 section 2.1, taken literally. */
__attribute__((unused)) static struct sherd_digest tree_mth(uint64_t first, uint64_t count)
{
    struct sherd_digest out;
    uint64_t split = 1;

    if (count == 0) {
        assert_ok(sherd_hash(SHERD_SHA256, NULL, 0, out.bytes));
        return out;
    }
    if (count == 1)
        return tree_leaves[first];
    while (split * 2 < count)
        split *= 2;
    const struct sherd_digest left = tree_mth(first, split);
    const struct sherd_digest right = tree_mth(first + split, count - split);
    const struct sherd_span parts[] = {{(const uint8_t *)"\x01", 1}, {left.bytes, 32}, {right.bytes, 32}};

    assert_ok(sherd_hash(SHERD_SHA256, parts, 3, out.bytes));
    return out;
}

__attribute__((unused)) static struct sherd_tree_head tree_head(uint64_t size)
{
    const struct sherd_tree_head head = {.size = size, .root = tree_mth(0, size)};

    return head;
}

/** A reader of nodes over the leaves. arg: how many reads succeed, or NULL. */
__attribute__((unused)) static enum sherd_err tree_read(void *arg, unsigned level, uint64_t index,
                                                        struct sherd_digest *out_hash)
{
    int *left = arg;

    if (left != NULL && (*left)-- == 0)
        return sherd_fail(SHERD_ERR_IO, "no more");
    assert_true(((index + 1) << level) <= TREE_MAX);
    *out_hash = tree_mth(index << level, UINT64_C(1) << level);
    return SHERD_OK;
}

__attribute__((unused)) static const struct sherd_node_reader tree_reader = {.read = tree_read};

/* --- keys and notes ----------------------------------------------------------------------------------------------- */

#define LOG_ORIGIN "sherd.example/log"

/** Keys by number: seed bytes are all that number. */
__attribute__((unused)) static void key_seed(uint8_t number, uint8_t out_seed[SHERD_SIGN_SEED_SIZE])
{
    memset(out_seed, number, SHERD_SIGN_SEED_SIZE);
}

__attribute__((unused)) static struct sherd_vkey key_of(uint8_t number, enum sherd_vkey_type type, const char *name)
{
    uint8_t seed[SHERD_SIGN_SEED_SIZE];
    uint8_t key[SHERD_VKEY_KEY_MAX];
    struct sherd_vkey vkey;

    key_seed(number, seed);
    assert_ok(type == SHERD_VKEY_MLDSA ? sherd_mldsa_public(seed, key) : sherd_sign_public(seed, key));
    assert_ok(sherd_vkey_make(type, sherd_span_str(name), key, &vkey));
    return vkey;
}

/** "log KEY" and the like: words, and keys where the format says %K, NUMBER TYPE NAME being the arguments. */
__attribute__((unused)) static void key_append(struct sherd_buf *text, uint8_t number, enum sherd_vkey_type type,
                                               const char *name)
{
    const struct sherd_vkey vkey = key_of(number, type, name);

    assert_ok(sherd_vkey_append(&vkey, text));
}

/** Sign as the key of a number, 1 unless arg points to another. */
__attribute__((unused)) static enum sherd_err log_sign(void *arg, struct sherd_span text, struct sherd_buf *out_note)
{
    uint8_t seed[SHERD_SIGN_SEED_SIZE];

    key_seed(arg != NULL ? *(uint8_t *)arg : 1, seed);
    return sherd_note_sign(LOG_ORIGIN, seed, text, out_note);
}

__attribute__((unused)) static const struct sherd_log_signer log_signer = {.sign = log_sign};

/** The policy of a log of key 1 without witnesses. */
__attribute__((unused)) static struct sherd_policy *log_policy(void)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_policy *policy = NULL;

    key_append(&text, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    assert_ok(sherd_policy_of_log(sherd_buf_span(&text), &policy));
    return policy;
}

/** A checkpoint of the known leaves, signed by key 1. */
__attribute__((unused)) static void checkpoint_make(uint64_t size, struct sherd_buf *out_note)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    const struct sherd_checkpoint checkpoint = {.origin = sherd_span_str(LOG_ORIGIN), .head = tree_head(size)};

    assert_ok(sherd_checkpoint_encode(&checkpoint, &text));
    assert_ok(log_sign(NULL, sherd_buf_span(&text), out_note));
}

/** Add a witness's line to a note. */
__attribute__((unused)) static void checkpoint_cosign(struct sherd_buf *note, uint8_t number, const char *name,
                                                      uint64_t time_s)
{
    struct sherd_signed parts;
    uint8_t seed[SHERD_SIGN_SEED_SIZE];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf line = {0};

    key_seed(number, seed);
    assert_ok(sherd_signed_parse(sherd_buf_span(note), &parts));
    assert_ok(sherd_cosign(sherd_span_str(name), seed, time_s, parts.text, &line));
    assert_ok(sherd_buf_append(note, sherd_buf_span(&line)));
}

/** Add a line by ML-DSA-44 to a note, where there is ML-DSA-44. */
__attribute__((unused)) static void checkpoint_cosign_mldsa(struct sherd_buf *note, uint8_t number, const char *name,
                                                            uint64_t time_s)
{
    struct sherd_signed parts;
    uint8_t seed[SHERD_MLDSA_SEED_SIZE];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf line = {0};

    key_seed(number, seed);
    assert_ok(sherd_signed_parse(sherd_buf_span(note), &parts));
    assert_ok(sherd_cosign_mldsa(sherd_span_str(name), seed, time_s, parts.text, &line));
    assert_ok(sherd_buf_append(note, sherd_buf_span(&line)));
}

/** A public key of ML-DSA-44, as C2SP writes one, for where there is none: whoever is given it must say so. */
__attribute__((unused)) static void key_of_elsewhere(struct sherd_buf *text, const char *name)
{
    static const uint8_t key[SHERD_MLDSA_PUBLIC_SIZE] = {5};
    struct sherd_vkey vkey;

    assert_ok(sherd_vkey_make(SHERD_VKEY_MLDSA, sherd_span_str(name), key, &vkey));
    assert_ok(sherd_vkey_append(&vkey, text));
}

/** Whether this machine has ML-DSA-44, by OpenSSL's own word. */
__attribute__((unused)) static bool has_mldsa(void)
{
    return OpenSSL_version_num() >= 0x30500000UL;
}

/* --- directories -------------------------------------------------------------------------------------------------- */

__attribute__((unused)) static int folder_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/** Remove a directory with all that is in it. */
__attribute__((unused)) static void folder_remove(const char *path)
{
    (void)nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/** A new folder, in memory where that can be had: a crash of a process leaves the same there. */
__attribute__((unused)) static bool folder_make(char *out_path, size_t room)
{
    const bool memory = access("/dev/shm", W_OK) == 0;

    (void)snprintf(out_path, room, "%s/sherd-test-log-XXXXXX", memory ? "/dev/shm" : "/tmp");
    return mkdtemp(out_path) != NULL;
}

/** Pseudo-random numbers, the same in each run. */
__attribute__((unused)) static uint32_t dice(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

#endif
