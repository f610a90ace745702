/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file maintain.h
 * Looking after a vault: verify everything, sweep what crashes left, see what a thief of one compartment sees.
 */
#ifndef SHERD_MAINTAIN_H
#define SHERD_MAINTAIN_H

#include <sherd/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What kind of thing a finding is about. */
enum sherd_finding_kind {
    SHERD_FINDING_PIN = 1,  /**< an entry of `keys` does not verify */
    SHERD_FINDING_MAP,      /**< a map entry in `assets` is missing or does not verify */
    SHERD_FINDING_FRAGMENT, /**< a fragment in `secrets` is missing or does not verify */
    SHERD_FINDING_ENTRY,    /**< an entry of another kind does not verify */
    SHERD_FINDING_LEDGER,   /**< `keys` is not what the ledger says it is, or the ledger does not verify */
    SHERD_FINDING_LINK,     /**< what a record links to is not there, or is another thing of that name */
    SHERD_FINDING_REFUSED,  /**< its master key is refused by policy; no violation: struct sherd_key_policy, floor */
};

/** One violation of integrity, or one thing that is refused. Borrowed by the visitor until it returns. */
struct sherd_finding {
    enum sherd_finding_kind kind;
    const char *compartment; /**< "identity", "assets", "secrets", "keys" */
    bool has_record;         /**< id and version are known */
    struct sherd_uuid id;
    uint64_t version; /**< 0 if unknown */
    const char *text; /**< one line for a person */
};

/** What verify saw. */
struct sherd_verify_stat {
    uint64_t record_count;  /**< records that are pinned */
    uint64_t version_count; /**< versions that were checked */
    uint64_t content_bytes; /**< that were decrypted and hashed */
    uint64_t finding_count; /**< violations */
    uint64_t refused_count; /**< things that are refused by policy: not counted as violations */
    uint64_t orphan_count;  /**< map entries and fragments without a record: sweep removes them */
};

typedef void sherd_finding_fn(void *arg, const struct sherd_finding *finding);

/** Progress: done and total, in bytes; total 0 if unknown. @return false to stop */
typedef bool sherd_progress_fn(void *arg, uint64_t done, uint64_t total);

/** Functions that a long call reports to; each may be NULL. They are called by one thread at a time. */
struct sherd_observer {
    sherd_finding_fn *finding;
    sherd_progress_fn *progress;
    void *arg;
};

/**
 * Read and check everything of one record (all its versions), or of the whole vault: every entry of every compartment,
 * every pin both ways, every fragment's digest and every tag; of the whole vault also the ledger, and whether `keys` is
 * what it says: an entry that was rolled back or removed verifies by itself, and is found so.
 * @param[in]  id        NULL for the whole vault
 * @param[in]  observer  NULL for none
 * @param[out] out_stat  filled in also when violations were found
 * @return SHERD_OK: no violation, though something may be refused; SHERD_ERR_TAMPERED: at least one violation;
 *         SHERD_ERR_NOT_FOUND (the record); SHERD_ERR_BUSY (stopped by the observer); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_vault_verify(struct sherd_vault *vault, const struct sherd_uuid *id,
                                                           const struct sherd_observer *observer,
                                                           struct sherd_verify_stat *out_stat);

struct sherd_sweep_stat {
    uint64_t map_count;        /**< map entries without a record that were removed from `assets` */
    uint64_t pin_count;        /**< records of erased entities whose pins were removed from `keys` */
    uint64_t fragment_count;   /**< fragments without a map entry that were removed from `secrets` */
    uint64_t unfinished_count; /**< unfinished blobs of dead processes */
    uint64_t key_part_count;   /**< parts of master keys that nothing names, in all compartments */
};

/**
 * Remove what unfinished puts, updates and deletes left, and master keys that were being made or kept anew, and nothing
 * else: nothing in flight, in this process or another, is touched.
 * @param[in]  dry_run  count only
 * @return SHERD_OK; SHERD_ERR_TAMPERED, SHERD_ERR_DENIED (an entry does not verify, or is refused by policy: nothing is
 *         removed, run verify); SHERD_ERR_IO; ...
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_vault_sweep(struct sherd_vault *vault, bool dry_run,
                                                          struct sherd_sweep_stat *out_stat);

/** One stored thing, as whoever holds the compartment sees it. Borrowed until return. */
struct sherd_inspect_entry {
    uint8_t name[16];
    bool blob;
    uint64_t bytes;
    struct sherd_span head; /**< its first bytes, up to 64 */
};

typedef enum sherd_err sherd_inspect_fn(void *arg, const struct sherd_inspect_entry *entry);

/**
 * Show what one compartment alone gives to a thief. Needs no passphrase and no key, and uses none.
 * @param[in] path         the vault's directory
 * @param[in] compartment  "identity", "assets", "secrets" or "keys"
 * @return SHERD_OK; SHERD_ERR_INVALID (no such compartment); SHERD_ERR_NOT_FOUND; SHERD_ERR_BUSY (this process has the
 *         vault open); the visitor's code; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_compartment_inspect(const char *path, const char *compartment,
                                                                  sherd_inspect_fn *visit, void *arg);

#ifdef __cplusplus
}
#endif

#endif
