/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/embedded/embedded.h
 * The anchor in the same process.
 */
#ifndef SHERD_ANCHOR_EMBEDDED_EMBEDDED_H
#define SHERD_ANCHOR_EMBEDDED_EMBEDDED_H

#include "anchor/anchor.h"
#include "anchor/ledger/restoring.h"
#include "anchor/ring/home.h"

/** What the anchor is made of. */
struct sherd_anchor_parts {
    struct sherd_home *home;             /**< the anchor owns it from now on, also on failure */
    struct sherd_compartment *keys;      /**< likewise */
    struct sherd_compartment *others[3]; /**< identity, assets, secrets: only as places of key stores, and to count
                                              what refers to a store key; borrowed, or NULL */
    bool fresh;                          /**< the vault is being made */
    bool restored;                       /**< it was brought back from a backup: its ledger begins anew */
    bool accepted; /**< it may be behind what is known outside: its ledger begins anew, and the old one is kept aside */
    bool read_only;
    const struct sherd_key_store_file *key_store; /**< where the protection key may lie; NULL: none is given */
};

/**
 * An anchor over an unsealed home and the `keys` compartment.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the keyring is not the one that is pinned, or does not verify; as
 *         sherd_masters_key_store(); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_embedded(const struct sherd_anchor_parts *parts,
                                                    struct sherd_anchor **out_anchor);

/**
 * Say that an anchor is about to serve others: the ledger has a leaf of it, and knows the file of the joins to come,
 * before the call returns. All of `keys` is compared with what the ledger implies first.
 * @param[in] anchor  of sherd_anchor_embedded(), open for writing
 * @return SHERD_OK; SHERD_ERR_DENIED: for reading only; SHERD_ERR_TAMPERED: an entry of `keys` was rolled back, removed
 *         or added by others; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_unsealed(struct sherd_anchor *anchor);
/**
 * Say that it has served: as a leaf, with how many keys it gave out. From then on it gives out none; no call is under
 * way, and it is ended next. @return as sherd_anchor_unsealed()
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_sealed(struct sherd_anchor *anchor);

/**
 * Where the ledger began anew, and the versions of records that were there before have no leaves yet, have them made:
 * as sherd_restoring_run(). An anchor without a ledger, of what is open for reading only, has none to make.
 * @param[in] make  calls sherd_anchor_restored() for all of them
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_restoring(struct sherd_anchor *anchor, sherd_restoring_fn *make, void *arg);
/**
 * Make leaves of versions that are pinned. They are in the log when it returns.
 * @param[in] changes  pin, fragment and map_digest of each
 * @param[in] count    1..2048
 * @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_restored(struct sherd_anchor *anchor, const struct sherd_pin_change *changes,
                                                    size_t count);

#endif
