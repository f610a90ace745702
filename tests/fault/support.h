/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/fault/support.h
 * What the crash and fault tests share: a folder for each test, a vault in it, contents that say what they are, and
 * checks that also work in the children that these tests start.
 */
#ifndef SHERD_TESTS_FAULT_SUPPORT_H
#define SHERD_TESTS_FAULT_SUPPORT_H

#include <sherd/sherd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

/** What a process ends with that found something wrong; not a code of the sanitizers. */
#define FAULT_FOUND 3

/**
 * Checks: each ends the process with a line that says where and why, since most of these run in a child, where a test
 * framework would go on with the next test. The parent finds FAULT_FOUND in the status.
 */
#define REQUIRE(cond, ...)                                                     \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s; ", __FILE__, __LINE__, #cond); \
            fprintf(stderr, __VA_ARGS__);                                      \
            fprintf(stderr, "\n");                                             \
            (void)fflush(stdout);                                              \
            _exit(FAULT_FOUND);                                                \
        }                                                                      \
    } while (0)

/** A call of the library that must succeed. */
#define REQUIRE_OK(call)                                                                                           \
    do {                                                                                                           \
        const enum sherd_err require_err_ = (call);                                                                \
        REQUIRE(require_err_ == SHERD_OK, "%s: %s (%s)", #call, sherd_err_name(require_err_), sherd_err_detail()); \
    } while (0)

/** A call that must fail with one code, and say why. */
#define REQUIRE_ERR(call, code)                                                                                  \
    do {                                                                                                         \
        const enum sherd_err require_err_ = (call);                                                              \
        REQUIRE(require_err_ == (code), "%s: %s (%s)", #call, sherd_err_name(require_err_), sherd_err_detail()); \
        REQUIRE(sherd_err_detail()[0] != '\0', "%s gives no detail", #call);                                     \
    } while (0)

/** A folder below /tmp, with room for a vault and its key, and the text of the key. */
struct place {
    char root[64];
    char vault[96];
    uint8_t key[128];
    size_t key_bytes;
};

/** Make the folder; no vault yet. */
void place_make(struct place *place);
/** Make the folder, and a vault in it. */
void place_make_vault(struct place *place);
/** Remove all of it. */
void place_remove(const struct place *place);
/** Remove a file or a tree; nothing there is no error. */
void tree_remove(const char *path);
/** Copy a tree of files and folders. */
void tree_copy(const char *from, const char *to);

struct sherd_unseal place_unseal(const struct place *place);
/** Open the vault of a place; it must succeed. */
struct sherd_vault *place_open(const struct place *place);

/** As fork(), but it cannot fail, and the child ends with the thread that started it. */
pid_t fork_child(void);

/**
 * Run a function in a child, as a process that never had a vault open.
 * @return the status that the child ended with, below 256; or 256 + the number of the signal that ended it
 */
int in_child(void (*run)(void *arg), void *arg);

/** A small random generator with a seed, so that what a test did can be told again. */
uint64_t mix_next(uint64_t *state);
/** A number below limit. */
uint64_t mix_below(uint64_t *state, uint64_t limit);

#define CONTENT_BYTES_MIN 16U

/** Contents that hold their seed and length in their first 16 bytes, and follow from them in all others. */
void content_fill(uint64_t seed, uint8_t *block, size_t bytes);
/** Whether a block is such contents; outputs the seed. */
bool content_is(struct sherd_span content, uint64_t *out_seed);

/** Read a version and require that it is the contents of seed, bytes long. */
void require_content(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version, uint64_t seed, size_t bytes);

/** Require that a verify of everything is clean. @return what it saw */
struct sherd_verify_stat require_clean(struct sherd_vault *vault);

/**
 * Require that the sweeper removes as much as a dry run and verify have announced, that a second sweep finds nothing,
 * and that the vault verifies before and after. @return what the first sweep removed
 */
struct sherd_sweep_stat require_swept(struct sherd_vault *vault);

bool same_uuid(struct sherd_uuid a, struct sherd_uuid b);

/** A number from the environment, for longer runs; fallback if it is not there. */
unsigned long number_from_env(const char *name, unsigned long fallback);

#endif
