/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file backup.h
 * Backups: one stream of bytes that holds all of a vault at one instant, encrypted and authenticated; and the way back.
 *
 * A backup is read with what unseals the vault (its own copies of the seals are in it) and the key of its erase epoch,
 * which is not in it: the vault has that key until the epoch ends (sherd_epoch_roll()), and it can be exported to a
 * file that is kept apart. When the key is gone everywhere, so is the backup: that is what makes erasure real.
 *
 * @code
 * static enum sherd_err write_to(void *arg, struct sherd_span bytes)
 * {
 *     return fwrite(bytes.data, 1, bytes.len, arg) == bytes.len ? SHERD_OK : SHERD_ERR_IO;
 * }
 *
 * const struct sherd_backup_out out = {.write = write_to, .arg = file};
 * struct sherd_backup_info info;
 * if (sherd_backup_write(vault, &out, NULL, &info) != SHERD_OK)
 *     fprintf(stderr, "%s\n", sherd_err_detail());
 * @endcode
 *
 * @par Bytes  docs/format/backup.md
 * @par Limits  Parts of master keys that key stores keep outside the vault ("lmdb:/DIR") are not in a backup: restoring
 *              needs them at the same paths.
 */
#ifndef SHERD_BACKUP_H
#define SHERD_BACKUP_H

#include <sherd/maintain.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where a backup goes. write gets pieces in order and keeps nothing of them; what it returns ends the call. */
struct sherd_backup_out {
    enum sherd_err (*write)(void *arg, struct sherd_span bytes);
    void *arg;
};

/** Where a backup comes from. read fills the block; fewer bytes only at the end. */
struct sherd_backup_in {
    enum sherd_err (*read)(void *arg, uint8_t *block, size_t size, size_t *out_bytes);
    void *arg;
    uint64_t total_bytes; /**< for progress; 0 if unknown */
};

/** What a backup says of itself. From sherd_backup_look() it is not verified. */
struct sherd_backup_info {
    struct sherd_uuid deployment;
    struct sherd_uuid id;
    uint64_t time_s;      /**< seconds since 1970 UTC */
    uint64_t epoch;       /**< erase epoch that served */
    uint64_t epoch_older; /**< the one before it, if its key is needed too; else 0 */
    uint64_t bytes;       /**< of the backup; 0 from sherd_backup_look(), as all that follows */
    uint64_t entry_count;
    uint64_t blob_count;
    uint8_t sha256[32]; /**< of the backup's bytes */
};

/** What a backup is read with. */
struct sherd_backup_keys {
    const struct sherd_unseal *unseal; /**< any way that unsealed the vault when the backup was made */
    struct sherd_span epoch_key;       /**< the file of sherd_epoch_export(); empty for none */
    const char *vault;                 /**< else: directory of the vault that has the epoch's key; NULL for none */
};

/** How a backup is restored. All zero is a good default. */
struct sherd_restore_options {
    bool accept_damaged; /**< restore also what was damaged in the vault when the backup was made; told in out_verify */
};

/** Whether a backup can still be read. */
enum sherd_backup_state {
    SHERD_BACKUP_READABLE = 1, /**< the keys of its epochs are there */
    SHERD_BACKUP_EXPIRED,      /**< ... are gone from that vault */
    SHERD_BACKUP_UNKNOWN,      /**< of another vault, or none was named */
};

/**
 * Make a backup, while others go on to read and write. Records that are deleted meanwhile leave blobs to the sweeper,
 * and the sweeper has to wait.
 * @param[in]  observer  only its progress; NULL for none
 * @param[out] out_info  what was written
 * @return SHERD_OK; what write gave; SHERD_ERR_BUSY (stopped by the observer); SHERD_ERR_TAMPERED; SHERD_ERR_IO;
 *         SHERD_ERR_NO_MEMORY. After a failure what was written is no backup.
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_backup_write(struct sherd_vault *vault,
                                                           const struct sherd_backup_out *out,
                                                           const struct sherd_observer *observer,
                                                           struct sherd_backup_info *out_info);

/** Read the head of a backup, which needs no key and proves nothing. @return SHERD_OK; SHERD_ERR_INVALID: it is no
 * backup; SHERD_ERR_UNSUPPORTED; SHERD_ERR_TAMPERED; what read gave */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_backup_look(const struct sherd_backup_in *in,
                                                          struct sherd_backup_info *out_info);

/**
 * Whether the keys that a backup needs are there, as far as can be told without unsealing.
 * @param[in] epoch_key  the file of sherd_epoch_export(); empty for none
 * @param[in] vault      a vault's directory; NULL for none
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_backup_state(const struct sherd_backup_info *info,
                                                           struct sherd_span epoch_key, const char *vault,
                                                           enum sherd_backup_state *out_state);

/**
 * Check all of a backup: every byte, its order and its end.
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_DENIED (what unseals is wrong, or the epoch's key is not there);
 *         SHERD_ERR_INVALID (no backup); SHERD_ERR_BUSY (stopped); what read gave
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_backup_verify(const struct sherd_backup_in *in,
                                                            const struct sherd_backup_keys *keys,
                                                            const struct sherd_observer *observer,
                                                            struct sherd_backup_info *out_info);

/**
 * Make a vault of a backup. The vault is complete under its name, with everything in it verified, or not there at all.
 * @param[in]  path        directory to make; may exist if it is empty
 * @param[in]  options     NULL for defaults
 * @param[out] out_verify  what sherd_vault_verify() saw of it
 * @return as sherd_backup_verify(); SHERD_ERR_CONFLICT (something is at path); SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_backup_restore(const struct sherd_backup_in *in,
                                                             const struct sherd_backup_keys *keys, const char *path,
                                                             const struct sherd_restore_options *options,
                                                             const struct sherd_observer *observer,
                                                             struct sherd_backup_info *out_info,
                                                             struct sherd_verify_stat *out_verify);

/** What a refresh did. */
struct sherd_refresh_stat {
    uint64_t record_count;  /**< records that the new backup holds */
    uint64_t dropped_count; /**< records that the old one held and that were deleted or erased since */
};

/**
 * Make a backup of an epoch that serves out of an older one, while its key still is somewhere: what was deleted or
 * erased since is left out, all other keys are wrapped under the epoch that serves. Contents are as they were then,
 * also of records that were updated since.
 * @param[in] vault    the vault that it is a backup of, open
 * @param[in] keys     of the older backup; its epoch's key, or its vault, as for sherd_backup_verify()
 * @param[in] scratch  a path beside which a directory is made, with room for the whole vault; it is removed
 * @return as sherd_backup_restore() and sherd_backup_write(); SHERD_ERR_CONFLICT: it is of the epoch that serves, or
 *         another vault's, or the erase epoch is being rolled: finish that first
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_backup_refresh(struct sherd_vault *vault,
                                                             const struct sherd_backup_in *in,
                                                             const struct sherd_backup_keys *keys, const char *scratch,
                                                             const struct sherd_backup_out *out,
                                                             struct sherd_backup_info *out_info,
                                                             struct sherd_refresh_stat *out_stat);

/**
 * Export the keys of the erase epochs that there are, sealed under the root key: what a backup is read with where the
 * vault is lost. Keep the file apart from backups, and destroy it when its epoch ends: while it exists, what was erased
 * can be brought back from a backup of that epoch.
 * @param[in,out] out_file   appended; some 200 bytes
 * @param[out]    out_epoch  the epoch that serves
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_epoch_export(struct sherd_vault *vault, struct sherd_buf *out_file,
                                                           uint64_t *out_epoch);

/** What was brought back: see sherd_anchor_recover(). */
struct sherd_recovery {
    bool seals;            /**< from the backup */
    bool keyring;          /**< from the backup */
    bool epochs;           /**< from the exported file */
    uint64_t record_count; /**< records whose contents were read to prove it */
};

/**
 * Bring back the anchor's files of a vault whose compartments are there: seals that were lost, from a backup of any
 * age; a keyring that was lost or changed, from a backup that was made after its last change; keys of epochs, from an
 * exported file. Nothing of the vault is touched until the whole was opened beside it and records were read; then
 * its anchor/ is exchanged for the new one in one step, and the old one stays as anchor.old. Nobody may have the
 * vault open.
 * @param[in]  path      the vault's directory
 * @param[in]  in        the backup
 * @param[out] out_told  what was brought back
 * @return SHERD_OK; SHERD_ERR_CONFLICT: nothing is missing, or anchor.old is there already; SHERD_ERR_DENIED:
 *         what unseals is wrong, or an epoch's key is not there; SHERD_ERR_TAMPERED: the parts do not belong together
 *         (as a keyring that is older than the one that `keys` pins: restore the backup instead); SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_anchor_recover(const char *path, const struct sherd_backup_in *in,
                                                             const struct sherd_backup_keys *keys,
                                                             struct sherd_recovery *out_told);

#ifdef __cplusplus
}
#endif

#endif
