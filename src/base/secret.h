/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/secret.h
 * Secret memory: locked, guarded, undumpable, absent in children, wiped on free.
 *
 * Blocks come from arenas. An arena is memfd_secret memory where the kernel offers it (not even the kernel's own map
 * shows it), otherwise anonymous memory that is locked (mlock). It is left out of core dumps (MADV_DONTDUMP) and lies
 * between two pages without access. Blocks are of size classes (powers of two from 64 bytes); a block larger than half
 * an arena gets an arena of its own, which costs about a millisecond a mebibyte to make and fill: keep such a block.
 * Where the limit on locked memory is reached, memory is still undumpable and wiped, but may be swapped:
 * sherd_secret_stat() says so, and `sherd info` prints it.
 *
 * A child of fork() has none of it: the pages are not inherited (MADV_DONTFORK), and using a block of the parent's
 * stops the child. (Pages that read as zeros, MADV_WIPEONFORK, would let it go on under a key that everyone knows.) A
 * child may allocate blocks of its own, and may free the parent's, which does nothing.
 *
 * memfd_secret memory can be passed to read() and write() on cached files and on sockets, but not to O_DIRECT, since
 * the kernel cannot pin it.
 */
#ifndef SHERD_BASE_SECRET_H
#define SHERD_BASE_SECRET_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/**
 * Zeroed secret memory of size bytes, 0 to 1 GiB, aligned to 64; NULL (detail set) if there is none. Any thread. Cost
 * of alloc and free together, up to 2 KiB: tens of nanoseconds.
 */
void *sherd_secret_alloc(size_t size) __attribute__((malloc, warn_unused_result));

/** Wipe and give back a block of sherd_secret_alloc(). NULL is accepted; any other pointer stops the process. */
void sherd_secret_free(void *block);

/** For SHERD_CLEANUP: frees the block that a pointer variable points to. */
static inline void sherd_secret_freep(void *pointer_to_block)
{
    void *block = NULL;

    memcpy(&block, pointer_to_block, sizeof(block)); /* the variable is of any pointer type, not a void pointer */
    sherd_secret_free(block);
}

/** What the process's secret memory is made of. */
struct sherd_secret_stat {
    bool memfd_secret;  /**< the arenas are memfd_secret memory */
    bool locked;        /**< all arenas so far are locked into RAM */
    size_t arena_bytes; /**< of all arenas */
    size_t used_bytes;  /**< in blocks that are handed out */
};

/** Fill in the figures. If no arena exists yet, one is made first, so that the answer is true. */
void sherd_secret_stat(struct sherd_secret_stat *out_stat);

#endif
