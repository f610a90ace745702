/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory: the only file that calls malloc's family, so that every allocation can be made to fail in a test. */
#include "base/mem.h"

#include "base/failpoint.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Whether a test wants this allocation to fail. */
static bool alloc_denied(void)
{
#if SHERD_FAILPOINTS
    return sherd_failpoint_hit("alloc") != SHERD_OK;
#else
    return false;
#endif
}

/* Sets the detail; the code is fixed, since callers of a function that returns a pointer know it. */
static void *alloc_failed(size_t count, size_t size)
{
    const enum sherd_err err = count == 1 ? sherd_fail(SHERD_ERR_NO_MEMORY, "out of memory: %zu bytes wanted", size)
                                          : sherd_fail(SHERD_ERR_NO_MEMORY, "out of memory: %zu times %zu bytes wanted",
                                                       count, size);

    (void)err;
    return NULL;
}

void *sherd_alloc_array(size_t count, size_t size)
{
    void *block = NULL;
    size_t product = 0;

    if (count == 0 || size == 0) {
        count = 1;
        size = 1;
    }
    if (!__builtin_mul_overflow(count, size, &product) && !alloc_denied())
        block = calloc(1, product);
    return block != NULL ? block : alloc_failed(count, size);
}

void *sherd_alloc(size_t size)
{
    return sherd_alloc_array(1, size);
}

void *sherd_realloc(void *block, size_t size)
{
    void *grown = NULL;

    if (size == 0)
        size = 1; /* realloc(block, 0) may free the block */
    if (!alloc_denied())
        grown = realloc(block, size);
    return grown != NULL ? grown : alloc_failed(1, size);
}

void sherd_free(void *block)
{
    free(block);
}

void sherd_wipe(void *block, size_t size)
{
    if (size > 0)
        explicit_bzero(block, size);
}

char *sherd_strdup(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = sherd_alloc(size);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}
