/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/verify.h
 * Verify, with a say in how much it remembers; and the same walk piece by piece, for the scrubber.
 */
#ifndef SHERD_SCRUB_VERIFY_H
#define SHERD_SCRUB_VERIFY_H

#include "cryptor/vault.h"

/**
 * As sherd_vault_verify().
 * @param[in] names_max  names of map entries, and of fragments, that are held at once; where there are more, what they
 *                       name is looked at a second time
 */
SHERD_MUST_USE enum sherd_err sherd_verify_holding(struct sherd_vault *vault, const struct sherd_uuid *id,
                                                   const struct sherd_observer *observer, size_t names_max,
                                                   struct sherd_verify_stat *out_stat);

/** The pieces of a walk over the whole vault, in their order. The numbers are stored in positions. */
enum sherd_walk_phase {
    SHERD_WALK_PINS = 0,       /**< `keys`, and what its pins lead to; in SHERD_PAGES_RANGES ranges */
    SHERD_WALK_STRAYS = 1,     /**< what no pin led to */
    SHERD_WALK_IDENTITIES = 2, /**< the entries of `identity` */
    SHERD_WALK_BLOBS = 3,      /**< blobs where none belong */
    SHERD_WALK_OWNERS = 4,     /**< by which compartments say whose they are */
    SHERD_WALK_LEDGER = 6,     /**< log, tiles, and whether `keys` is what they say */
    SHERD_WALK_PHASES,         /**< one more than the last */
};

struct sherd_walk;

struct sherd_walk_options {
    const struct sherd_observer *observer;
    uint64_t rate;                 /**< most bytes of contents a second; 0 for no limit */
    bool partial;                  /**< what pins led to is not all known: it began in the middle */
    struct sherd_verify_stat done; /**< by pieces that were done before */
};

/** @param[in] options  copied; the observer is borrowed until the walk ends. @return SHERD_OK; SHERD_ERR_IO; ... */
SHERD_MUST_USE enum sherd_err sherd_walk_new(struct sherd_vault *vault, const struct sherd_walk_options *options,
                                             struct sherd_walk **out_walk);
/** NULL is accepted. */
void sherd_walk_free(struct sherd_walk *walk);
SHERD_DEFINE_OWNED(sherd_walk);

/** Walk over some ranges of the pins. @return SHERD_OK, whatever was found; SHERD_ERR_BUSY: stopped by the observer */
SHERD_MUST_USE enum sherd_err sherd_walk_pins(struct sherd_walk *walk, unsigned first, unsigned count);
/** Do a piece that is not the pins; a number that is none is done at once. @return as sherd_walk_pins() */
SHERD_MUST_USE enum sherd_err sherd_walk_phase(struct sherd_walk *walk, unsigned phase);

/** What was seen so far, in the pieces before included. */
void sherd_walk_stat(struct sherd_walk *walk, struct sherd_verify_stat *out_stat);

#endif
