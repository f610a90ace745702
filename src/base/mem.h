/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/mem.h
 * The only way to heap memory, and the one wipe. Builds with failpoints ask "alloc" before each block, secret ones too.
 */
#ifndef SHERD_BASE_MEM_H
#define SHERD_BASE_MEM_H

#include "base/macros.h"
#include <stddef.h>
#include <string.h>
#include <sherd/span.h>

/** Zeroed heap memory; size 0 gives a block of one byte. NULL (detail set) if there is none. Free with sherd_free(). */
void *sherd_alloc(size_t size) __attribute__((malloc, warn_unused_result));

/** Zeroed memory for count objects of size bytes each; NULL (detail set) also where the product overflows. */
void *sherd_alloc_array(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/**
 * Grow or make a block of plain (not secret) data: as realloc; the new part is not zeroed. NULL: the old block stays.
 */
void *sherd_realloc(void *block, size_t size) __attribute__((warn_unused_result));

/** Free without wiping; for what was never secret. NULL is accepted. */
void sherd_free(void *block);

/** For SHERD_CLEANUP, of a pointer to any object. */
static inline void sherd_freep(void *pointer_to_block)
{
    void *block = NULL;

    memcpy(&block, pointer_to_block, sizeof(block)); /* the variable is of any pointer type, not a void pointer */
    sherd_free(block);
}

/** Wipe, in a way no compiler removes. */
void sherd_wipe(void *block, size_t size);

/** A copy of a string, or NULL (detail set). Free with sherd_free(). */
char *sherd_strdup(const char *text) __attribute__((malloc, warn_unused_result));

#endif
