/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/spread.h
 * Parts of one keeping, spread over places: part i goes to place i modulo their number.
 */
#ifndef SHERD_KMS_SPREAD_H
#define SHERD_KMS_SPREAD_H

#include "kms/args.h"

/** The argument that lists the places, with commas, and what it is if it is not given. */
#define SHERD_SPREAD_ARG "places"
#define SHERD_SPREAD_DEFAULT "identity,assets,secrets,keys"

/** Parts and where they go. Begin it all zero. */
struct sherd_spread {
    size_t place_count;
    char places[SHERD_KEY_PLACES_MAX][SHERD_KEY_PLACE_SIZE];
    size_t count;
    struct sherd_key_part *parts;           /**< in secret memory; those of one place lie side by side */
    char trouble[SHERD_KEY_PLACES_MAX][96]; /**< why a place did not answer, cut; "" where it did */
};

/**
 * Read the places from the arguments: 2 to SHERD_KEY_PLACES_MAX, all different.
 * @return SHERD_OK; SHERD_ERR_INVALID: the detail names what is wrong
 */
SHERD_MUST_USE enum sherd_err sherd_spread_places(const struct sherd_key_args *args, struct sherd_spread *spread);

/** Make room for count parts of a set, numbered. Places are read before. */
SHERD_MUST_USE enum sherd_err sherd_spread_parts(struct sherd_spread *spread, size_t count,
                                                 const struct sherd_ref *set);

/** Wipe and free what it holds. */
void sherd_spread_done(struct sherd_spread *spread);

/** The place of a part. */
const char *sherd_spread_place(const struct sherd_spread *spread, uint64_t index);

/** Write all parts; what fails at one place is removed from the others. */
SHERD_MUST_USE enum sherd_err sherd_spread_put(const struct sherd_key_call *call, const struct sherd_spread *spread);

/**
 * Read all parts. What is wrong with each, a place that does not answer too, is in its status; only want of memory
 * fails.
 */
SHERD_MUST_USE enum sherd_err sherd_spread_get(const struct sherd_key_call *call, struct sherd_spread *spread);

/** Remove all parts, at each place that can be reached. @return SHERD_OK; the first failure */
SHERD_MUST_USE enum sherd_err sherd_spread_delete(const struct sherd_key_call *call, const struct sherd_spread *spread);

/** Fail for a part that is at fault, and name it: what is "stripe" or "share". Its status is not SHERD_OK. */
SHERD_MUST_USE enum sherd_err sherd_spread_fail(const struct sherd_key_call *call, const struct sherd_spread *spread,
                                                const struct sherd_key_part *part, const char *what);

/** Visit each part that is at fault. @return SHERD_OK; the visitor's code */
SHERD_MUST_USE enum sherd_err sherd_spread_visit(const struct sherd_spread *spread, sherd_key_finding_fn *visit,
                                                 void *arg);

#endif
