/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/epoch.h
 * Erase epochs: every wrapped key lies under the key of the epoch in which it was wrapped. When an epoch has ended,
 * survivors are wrapped anew and its key is destroyed; what was erased before then is gone, also for one who has every
 * file, every older backup and the live keys.
 *
 * The keys of at most two epochs exist at once, in two slots of one file that are overwritten in place: a copy under
 * another name would outlive them. docs/format/vault.md, anchor/epoch
 */
#ifndef SHERD_ANCHOR_KEYS_EPOCH_H
#define SHERD_ANCHOR_KEYS_EPOCH_H

#include "anchor/ring/home.h"

/** Lies in secret memory. */
struct sherd_epoch_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** The epochs that have a key. */
struct sherd_epoch_set {
    size_t count;        /**< 1, or 2 while one is ending */
    uint64_t numbers[2]; /**< ascending; the last is the one to wrap under */
    struct sherd_epoch_key keys[2];
};

/** Make the file of a fresh vault, with epoch 1. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_epoch_make(const struct sherd_home *home);

/**
 * Read the epochs that there are.
 * @param[in]  serving  the one that serves, as the keyring says
 * @param[out] out_set  in secret memory
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the one that serves is not there; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_epoch_read(const struct sherd_home *home, uint64_t serving,
                                               struct sherd_epoch_set *out_set);

/**
 * Make the key of the epoch after the one that serves. It serves when the keyring says so. The caller holds the home's
 * lock. @return SHERD_OK; SHERD_ERR_CONFLICT: the one before has not ended yet; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_epoch_begin(const struct sherd_home *home, uint64_t serving);

/**
 * Destroy the key of the epoch before the one that serves: overwritten with random bytes, durably. Nothing may refer to
 * it any more. The caller holds the home's lock. @return SHERD_OK, also where there is none; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_epoch_end(const struct sherd_home *home, uint64_t serving);

/* Copies, for backups and their restoring: docs/format/backup.md. Sets lie in secret memory. */

/** The numbers in the slots of the vault in a directory, not verified; 0 for none. */
SHERD_MUST_USE enum sherd_err sherd_epoch_look(const char *dir, uint64_t out_numbers[2]);

/** The epochs of the vault in another directory that has the same root key; none is no error. */
SHERD_MUST_USE enum sherd_err sherd_epoch_read_other(const struct sherd_home *home, const char *dir,
                                                     struct sherd_epoch_set *out_set);

/** Make the file of the vault in a directory that is being made, with the epochs of a set. */
SHERD_MUST_USE enum sherd_err sherd_epoch_write_new(const struct sherd_home *home, const char *dir,
                                                    const struct sherd_epoch_set *set);

/**
 * Overwrite the file below a directory with random bytes, before it is removed: a copy of a key must not outlive its
 * epoch. As good as can be: a failure is passed over.
 */
void sherd_epoch_blot(const char *dir);

/** Those that a backup needs. @param[in] older  0 for none. @return SHERD_OK; SHERD_ERR_DENIED: one is not there */
SHERD_MUST_USE enum sherd_err sherd_epoch_pick(const struct sherd_epoch_set *have, uint64_t epoch, uint64_t older,
                                               struct sherd_epoch_set *out_set);

/** The key of a backup under these epochs. @param[out] out_key  in secret memory */
SHERD_MUST_USE enum sherd_err sherd_epoch_backup_key(const struct sherd_home *home, const struct sherd_epoch_set *set,
                                                     struct sherd_span salt, uint8_t out_key[SHERD_KEY_SIZE]);

/**
 * Put the key of a later epoch beside that of the one that serves; older ones are gone then. It serves when the keyring
 * says so. The caller holds the home's lock. @return SHERD_OK; SHERD_ERR_CONFLICT: both would lie in one slot;
 * SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_epoch_adopt(const struct sherd_home *home, uint64_t serving, uint64_t number,
                                                const struct sherd_epoch_key *key);

/** A file with the keys of a set, sealed under the root key. */
SHERD_MUST_USE enum sherd_err sherd_epoch_export_file(const struct sherd_home *home, const struct sherd_epoch_set *set,
                                                      struct sherd_buf *out_file);
/** What such a file says of itself, not verified. @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_UNSUPPORTED;
 * SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_epoch_export_look(struct sherd_span file, struct sherd_uuid *out_deployment,
                                                      uint64_t out_numbers[2]);
/** The keys in such a file. @return as sherd_epoch_export_look(); SHERD_ERR_DENIED: another vault's */
SHERD_MUST_USE enum sherd_err sherd_epoch_import_file(const struct sherd_home *home, struct sherd_span file,
                                                      struct sherd_epoch_set *out_set);

#endif
