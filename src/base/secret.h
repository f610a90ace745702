/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/secret.h
 * Secret memory: locked, guarded, undumpable, wiped on fork and on free.
 *
 * Blocks come from arenas. An arena is memfd_secret memory where the kernel offers it (not even the kernel's own map
 * shows it), otherwise anonymous memory that is locked (mlock), left out of core dumps (MADV_DONTDUMP) and wiped in
 * children (MADV_WIPEONFORK). Each arena lies between two pages without access. Blocks are of size classes (powers of
 * two from 64 bytes); a block larger than half an arena gets an arena of its own. Where the limit on locked memory is
 * reached, memory is still undumpable and wiped, but may be swapped: sherd_secret_stat() says so, and `sherd info` prints it.
 */
#ifndef SHERD_BASE_SECRET_H
#define SHERD_BASE_SECRET_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>

/** Zeroed secret memory of at least size bytes, aligned to 64; NULL (detail set) if there is none. Any thread. */
void *sherd_secret_alloc(size_t size) __attribute__((malloc, warn_unused_result));

/** Wipe and give back a block of sherd_secret_alloc(). NULL is accepted; any other pointer stops the process. */
void sherd_secret_free(void *block);

/** For SHERD_CLEANUP: frees the block that a pointer variable points to. */
static inline void sherd_secret_freep(void *pointer_to_block)
{
    sherd_secret_free(*(void **)pointer_to_block);
}

/** What the process's secret memory is made of. */
struct sherd_secret_stat {
    bool memfd_secret;      /**< the arenas are memfd_secret memory */
    bool locked;            /**< all arenas so far are locked into RAM */
    size_t arena_bytes;     /**< of all arenas */
    size_t used_bytes;      /**< in blocks that are handed out */
};

/** Fill in the figures. If no arena exists yet, one is made first, so that the answer is true. */
void sherd_secret_stat(struct sherd_secret_stat *out_stat);

#endif
