/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs src/crypto/ct.c on bytes that valgrind takes for undefined: a branch or an address that depends on them is then
 * an error. run.sh builds this with each compiler at each level of optimisation.
 *
 * Usage: ct_equal           must pass
 *        ct_equal --leaky   compares with a loop that leaves early: must be caught, else the check is worth nothing
 */
#include "crypto/ct.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define SIZE_MAX_OF_TEST 80

/* What ct.c must not be. Out of line, so that the compiler cannot know what is compared. */
__attribute__((noinline)) static bool leaky_equal(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;

    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i])
            return false;
    }
    return true;
}

/* The answer is no secret once it is given: whoever asked acts on it. */
static bool ask(bool (*equal)(const void *, const void *, size_t), uint8_t *a, uint8_t *b, size_t size)
{
    bool answer;

    VALGRIND_MAKE_MEM_UNDEFINED(a, SIZE_MAX_OF_TEST);
    VALGRIND_MAKE_MEM_UNDEFINED(b, SIZE_MAX_OF_TEST);
    answer = equal(a, b, size);
    VALGRIND_MAKE_MEM_DEFINED(&answer, sizeof(answer));
    VALGRIND_MAKE_MEM_DEFINED(a, SIZE_MAX_OF_TEST);
    VALGRIND_MAKE_MEM_DEFINED(b, SIZE_MAX_OF_TEST);
    return answer;
}

int main(int argc, char **argv)
{
    bool (*const equal)(const void *, const void *,
                        size_t) = argc > 1 && strcmp(argv[1], "--leaky") == 0 ? leaky_equal : sherd_ct_equal;
    uint8_t a[SIZE_MAX_OF_TEST] = {0};
    uint8_t b[SIZE_MAX_OF_TEST] = {0};
    unsigned wrong = 0;

    if (!RUNNING_ON_VALGRIND) {
        fprintf(stderr, "ct_equal: only tells something under valgrind\n");
        return 2;
    }
    for (size_t size = 0; size <= SIZE_MAX_OF_TEST; size++) {
        memset(a, 0x5a, sizeof(a));
        memset(b, 0x5a, sizeof(b));
        wrong += !ask(equal, a, b, size);
        for (size_t at = 0; at < size; at += 7) {
            b[at] ^= 0x80;
            wrong += ask(equal, a, b, size);
            b[at] ^= 0x80;
        }
    }
    return wrong == 0 ? 0 : 1;
}
