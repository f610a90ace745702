/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/fault/shim.h
 * A library that is loaded before all others (LD_PRELOAD) and makes the n-th call of a kind fail, from the moment when
 * it is armed. It also counts blocks of memory that are in use. Found by dlsym(), since nothing is linked with it.
 */
#ifndef SHERD_TESTS_FAULT_SHIM_H
#define SHERD_TESTS_FAULT_SHIM_H

#include <stdbool.h>

enum shim_kind {
    SHIM_ALLOC,    /* malloc, calloc, realloc, aligned_alloc, posix_memalign */
    SHIM_READ,     /* read, pread */
    SHIM_WRITE,    /* write, pwrite, writev, pwritev */
    SHIM_SYNC,     /* fsync, fdatasync, msync */
    SHIM_OPEN,     /* open, openat */
    SHIM_NAME,     /* rename, link, linkat, mkdir, mkdirat */
    SHIM_TRUNCATE, /* ftruncate, fallocate */
    SHIM_MAP,      /* mmap */
    SHIM_RANDOM,   /* getrandom, getentropy; RAND_priv_bytes of OpenSSL */
    SHIM_KIND_COUNT,
};

/** What happens in place of a failure. */
#define SHIM_SHORT (-1) /* SHIM_READ, SHIM_WRITE: half of the bytes, if there are more than one */

struct shim_plan {
    enum shim_kind kind;
    unsigned long first; /* the call that fails, from 1 */
    bool for_good;       /* and all after it */
    int error;           /* errno, or SHIM_SHORT */
};

/** Count from now on, and fail as planned. */
typedef void shim_arm_fn(const struct shim_plan *plan);
/** Stop. @return how many calls of the kind there were */
typedef unsigned long shim_disarm_fn(void);
/** Blocks of memory that are in use. */
typedef long shim_blocks_fn(void);

shim_arm_fn shim_arm;
shim_disarm_fn shim_disarm;
shim_blocks_fn shim_blocks;

#endif
