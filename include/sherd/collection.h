/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file collection.h
 * Collections: records that are kept by the same rules. Every vault has one, named "default": one version a record,
 * sizes padded. The rules of a collection do not change after it was made.
 */
#ifndef SHERD_COLLECTION_H
#define SHERD_COLLECTION_H

#include <sherd/keys.h>
#include <sherd/vault.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Longest name of a collection, in bytes: 1..63 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit. */
#define SHERD_COLLECTION_NAME_BYTES_MAX 63U

/** Rules of a collection. */
struct sherd_collection {
    char name[SHERD_COLLECTION_NAME_BYTES_MAX + 1];
    uint32_t versions_kept; /**< versions of a record that are kept, the current one included; 0 for all */
    bool exact_sizes;       /**< contents are stored in their own length: the store learns it. Default: size classes */
    /**
     * The keys of its entities are derived from the master key and not random. Such an entity has no key of its own to
     * destroy before the erase epoch ends.
     */
    bool derived_entity_keys;
    char master_key[SHERD_MASTER_NAME_SIZE]; /**< name of the master key of its entities; "" for "default" */
    char key[64]; /**< the named key that all of its records must lie under (<sherd/rights.h>); "" for none */
    /**
     * What a read does not verify is left to the scrubber, and until that has, each answer says so: <sherd/record.h>,
     * struct sherd_read_notice. Default: synchronous
     */
    bool asynchronous;
    /**
     * Contents and attributes lie in clear in `secrets`, for anyone who can read that store; they are changed only
     * through the vault, and are signed, pinned and in the ledger. One version a record, at most 64 KiB each, no
     * entities, no recipients. <sherd/query.h>
     */
    bool readable;
};

/**
 * Make a collection.
 * @return SHERD_OK; SHERD_ERR_CONFLICT (the name is taken); SHERD_ERR_INVALID (name or rules); SHERD_ERR_IO; ...
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_collection_create(struct sherd_vault *vault,
                                                                const struct sherd_collection *collection);

/**
 * The rules of a collection.
 * @return SHERD_OK; SHERD_ERR_INVALID (no name of a collection); SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_collection_get(struct sherd_vault *vault, const char *name,
                                                             struct sherd_collection *out_collection);

#ifdef __cplusplus
}
#endif

#endif
