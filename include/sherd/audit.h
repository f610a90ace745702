/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file audit.h
 * Audits: all stored bytes against the ledger, without a key that decrypts anything.
 *
 * The ledger commits to every map entry and every fragment, but in a form that tells nobody which. An *inventory* is
 * what opens the commitments to one compartment; who holds the vault makes it, for the auditor of that compartment.
 * With the log and its public key the auditor then finds what is missing, what was changed, and what the inventory
 * tried to leave away.
 *
 * @code
 * struct sherd_audit_stat stat;
 * if (sherd_vault_audit(vault, 0, NULL, &stat) != SHERD_OK)
 *     fprintf(stderr, "%s\n", sherd_err_detail());
 * @endcode
 */
#ifndef SHERD_AUDIT_H
#define SHERD_AUDIT_H

#include <sherd/backup.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What an audit saw. */
struct sherd_audit_stat {
    uint64_t leaf_count;    /**< of the ledger, all verified */
    uint64_t entry_count;   /**< entries and blobs that must be there */
    uint64_t checked_count; /**< of them, whose bytes were read and hashed */
    uint64_t checked_bytes;
    uint64_t later_count;   /**< that are newer than the inventory: not looked at */
    uint64_t stray_count;   /**< that are there and need not be: replaced, deleted, unfinished or newer */
    uint64_t finding_count; /**< violations */
    /**
     * Of a sample without a violation: with 95 % confidence, fewer than so many of entry_count are damaged. 1 where all
     * were checked.
     */
    uint64_t damaged_below;
};

/**
 * Make the inventory of one compartment: what its auditor needs beside the log. The ledger is brought up to date first.
 * @param[in] compartment  "assets" or "secrets"
 * @param[in] out          gets its bytes
 * @return SHERD_OK; SHERD_ERR_INVALID: no such compartment; SHERD_ERR_DENIED: for its owner only; what out says;
 *         SHERD_ERR_IO; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_vault_inventory(struct sherd_vault *vault, const char *compartment,
                                                              const struct sherd_backup_out *out);

/**
 * Audit `assets` and `secrets` of an open vault. Other handles and processes may write meanwhile.
 * @param[in]  sample    how many entries of each are looked at, chosen by chance; 0: all
 * @param[in]  observer  NULL for none; progress is in bytes
 * @param[out] out_stat  of both; filled in also when violations were found
 * @return SHERD_OK; SHERD_ERR_TAMPERED: at least one violation; SHERD_ERR_DENIED: for its owner only; SHERD_ERR_BUSY:
 *         stopped by the observer, or entries are sealed anew all the time; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_vault_audit(struct sherd_vault *vault, uint64_t sample,
                                                          const struct sherd_observer *observer,
                                                          struct sherd_audit_stat *out_stat);

/** What an auditor without any key of the vault has. */
struct sherd_audit_input {
    const char *path;            /**< directory of the compartment, or of the vault that it is in */
    struct sherd_span inventory; /**< as sherd_vault_inventory() made it */
    const char *log;             /**< directory of the log */
    const char *log_key;         /**< its public key, as text; or two, in lines: then both must have signed */
};

/**
 * Audit one compartment by what its auditor has. It must not change meanwhile: what was deleted since the log was
 * copied is missing. The rest as sherd_vault_audit().
 * @return also SHERD_ERR_CONFLICT: entries were sealed anew since the inventory was made, by a newer store key, and it
 *         cannot tell those from others that are not what it says: a newer one is needed
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_compartment_audit(const struct sherd_audit_input *input, uint64_t sample,
                                                                const struct sherd_observer *observer,
                                                                struct sherd_audit_stat *out_stat);

#ifdef __cplusplus
}
#endif

#endif
