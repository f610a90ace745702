/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/places.h
 * Where parts of master keys lie: a compartment of the vault, by its role, or a store of its own, "lmdb:/directory".
 * Each part is one entry (kind 15), alike in length to all others. Bytes: docs/format/keys.md, Key stores.
 *
 * A store of its own is opened for each call and closed after it, one at a time in the process; its entries are sealed
 * under keys derived from the protection key that the part was kept under.
 */
#ifndef SHERD_KMS_PLACES_H
#define SHERD_KMS_PLACES_H

#include "envelope/entry.h"
#include "store/compartment.h"
#include <sherd/provider/key.h>

/** A compartment that may serve as a place. All borrowed. */
struct sherd_place_role {
    struct sherd_compartment *compartment; /**< NULL: it is none here */
    struct sherd_entry_keys keys;
};

/** What there is. Immutable while it is used. */
struct sherd_places {
    struct sherd_place_role roles[4]; /**< by role, less one */
    bool read_only;                   /**< parts are neither written nor removed */
};

/** Whether a text names a place: "identity", "assets", "secrets", "keys", or lmdb: and an absolute path. */
bool sherd_place_valid(const char *place);

/**
 * The functions of struct sherd_key_host for parts; there is said what they do.
 * @param[in] protection  key of the version call->protection
 */
SHERD_MUST_USE enum sherd_err sherd_places_put(const struct sherd_places *places, const struct sherd_key_call *call,
                                               const uint8_t *protection, const char *place,
                                               const struct sherd_key_part *parts, size_t count);
SHERD_MUST_USE enum sherd_err sherd_places_get(const struct sherd_places *places, const struct sherd_key_call *call,
                                               const uint8_t *protection, const char *place,
                                               struct sherd_key_part *parts, size_t count);
SHERD_MUST_USE enum sherd_err sherd_places_delete(const struct sherd_places *places, const struct sherd_key_call *call,
                                                  const uint8_t *protection, const char *place,
                                                  const struct sherd_key_part *parts, size_t count);

/**
 * Which version of which master key an entry of kind 15 is of; for walks over a compartment, which know it to be an
 * entry under that name.
 * @param[in] tlv  of the opened entry
 * @return SHERD_OK; SHERD_ERR_TAMPERED
 */
SHERD_MUST_USE enum sherd_err sherd_key_part_owner(struct sherd_span tlv, struct sherd_ref *out_kid,
                                                   struct sherd_ref *out_set);

#endif
