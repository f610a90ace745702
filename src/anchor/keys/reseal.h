/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/reseal.h
 * A walk over one compartment that seals entries anew under the newest version of its store key, each under its own
 * name and in place of what was read, by compare-and-swap: whoever changes or deletes an entry meanwhile is right.
 *
 * Who writes meanwhile must seal under that version already. The walk may be ended anywhere and begun again: what lies
 * under the newest version is passed over.
 */
#ifndef SHERD_ANCHOR_KEYS_RESEAL_H
#define SHERD_ANCHOR_KEYS_RESEAL_H

#include "anchor/anchor.h"
#include "anchor/ring/ring.h"
#include "envelope/entry.h"

struct sherd_reseal;

/** Whether an entry is to be looked at more closely: a quick look at what is stored, inside of a scan. */
typedef bool sherd_reseal_wanted_fn(void *arg, struct sherd_span stored);

/**
 * Seal an entry anew: as sherd_entry_reseal().
 * @param[in,out] out_stored  empty, with room for SHERD_ENTRY_BYTES_MAX; it stays empty where nothing is to be done
 */
typedef enum sherd_err sherd_reseal_one_fn(void *arg, const struct sherd_ref *name, struct sherd_span stored,
                                           struct sherd_buf *out_stored);

/**
 * Gets what is about to be written, at most SHERD_RESEAL_PAGE_MAX puts; those that somebody else is faster with are not
 * written. @return any code but SHERD_OK ends the walk
 */
typedef enum sherd_err sherd_reseal_before_fn(void *arg, const struct sherd_store_op *ops, size_t count);
#define SHERD_RESEAL_PAGE_MAX SHERD_RESEALED_MAX

/** What is walked over, and how. All is borrowed. */
struct sherd_reseal_over {
    struct sherd_compartment *compartment;
    struct sherd_ring *ring; /**< write with its guard; NULL where it lies in another compartment */
    sherd_reseal_wanted_fn *wanted;
    sherd_reseal_one_fn *one;
    sherd_reseal_before_fn *before; /**< NULL: nobody is told */
    void *arg;
};

/** How far it is. */
struct sherd_reseal_progress {
    uint64_t seen;
    uint64_t count; /**< sealed anew */
    bool done;
};

SHERD_MUST_USE enum sherd_err sherd_reseal_begin(const struct sherd_reseal_over *over,
                                                 struct sherd_reseal **out_reseal);
/** NULL is accepted. */
void sherd_reseal_free(struct sherd_reseal *reseal);
SHERD_DEFINE_OWNED(sherd_reseal);

/**
 * Go on by up to count_max entries. @return SHERD_OK; what one() gave; SHERD_ERR_BUSY: keys change all the time; ...
 */
SHERD_MUST_USE enum sherd_err sherd_reseal_step(struct sherd_reseal *reseal, size_t count_max,
                                                struct sherd_reseal_progress *out_progress);

#endif
