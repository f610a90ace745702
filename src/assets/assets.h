/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file assets/assets.h
 * WHAT and WHERE: map entries and collections in the `assets` compartment, under the keys that the anchor leases.
 *
 * There is one map entry a record version, under a random name that its pin says. What a map entry says never changes:
 * whatever is written has a name of its own, so that writers never meet, and which entry counts only the anchor says.
 * Rekeying alone puts an entry in place of itself, saying the same under the newest store key.
 */
#ifndef SHERD_ASSETS_ASSETS_H
#define SHERD_ASSETS_ASSETS_H

#include "anchor/anchor.h"

/** The compartment and its keys. Borrowed by all calls; any number of threads. */
struct sherd_assets {
    struct sherd_entry_keys keys;
    struct sherd_compartment *compartment;
    struct sherd_anchor *anchor;
};

/** Seal a map entry for the name that it will lie under. @param[out] out_stored  the bytes to store are appended */
SHERD_MUST_USE enum sherd_err sherd_assets_map_seal(const struct sherd_assets *assets, const struct sherd_ref *name,
                                                    const struct sherd_map *map, struct sherd_buf *out_stored);

/**
 * Read a map entry by name.
 * @param[in,out] payload  must be empty; holds what out_map borrows
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND (no such entry; no detail); SHERD_ERR_TAMPERED; SHERD_ERR_DENIED: it lies under
 *         a store key that was destroyed; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_assets_map_get(const struct sherd_assets *assets, const struct sherd_ref *name,
                                                   struct sherd_buf *payload, struct sherd_map *out_map);

/** Open a map entry met in a scan. Whether it counts, only its record's pin says. */
SHERD_MUST_USE enum sherd_err sherd_assets_map_open(const struct sherd_assets *assets, const struct sherd_ref *name,
                                                    struct sherd_span stored, struct sherd_buf *payload,
                                                    struct sherd_map *out_map);

/** Whether a stored entry says that it is a map entry. Not yet verified. */
bool sherd_assets_is_map(const struct sherd_assets *assets, struct sherd_span stored);

/**
 * Make a collection: its entry, then its pin. Nobody else may make one meanwhile.
 * @return SHERD_OK; SHERD_ERR_CONFLICT: the name is taken; SHERD_ERR_INVALID; SHERD_ERR_IO; ...
 */
SHERD_MUST_USE enum sherd_err sherd_assets_collection_create(const struct sherd_assets *assets,
                                                             const struct sherd_collection *rules);

/** A collection by name, checked against its pin. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; ... */
SHERD_MUST_USE enum sherd_err sherd_assets_collection_get(const struct sherd_assets *assets, const char *name,
                                                          struct sherd_collection_entry *out_collection);

/** A collection by its id, which a record's pin or map entry says. @return SHERD_OK; SHERD_ERR_TAMPERED; ... */
SHERD_MUST_USE enum sherd_err sherd_assets_collection_by_id(const struct sherd_assets *assets,
                                                            const struct sherd_uuid *id,
                                                            struct sherd_collection_entry *out_collection);

/** Open a collection's entry met in a scan, and check that it lies under its own name. Its pin is not looked at. */
SHERD_MUST_USE enum sherd_err sherd_assets_collection_open(const struct sherd_assets *assets,
                                                           const struct sherd_ref *name, struct sherd_span stored,
                                                           struct sherd_collection_entry *out_collection);

/** Check a stored entry of any kind but maps. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_assets_entry_check(const struct sherd_assets *assets, const struct sherd_ref *name,
                                                       struct sherd_span stored);

#endif
