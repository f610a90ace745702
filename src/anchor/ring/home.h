/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ring/home.h
 * The anchor's own directory, unsealed: the seals, the keyring file, the lock of those who change them, the notice by
 * which processes hear of a change. docs/format/vault.md
 *
 * The root key lies shielded (crypto/shield.h) and comes out only while the keyring is opened or sealed.
 */
#ifndef SHERD_ANCHOR_RING_HOME_H
#define SHERD_ANCHOR_RING_HOME_H

#include "anchor/ring/keyring.h"
#include "anchor/ring/seals.h"
#include "base/file.h"

struct sherd_home;

/**
 * Make the directory of a fresh vault, with its first seal and its keyring, unsealed.
 * @param[in] dir  the vault's directory
 * @return SHERD_OK; as sherd_seal_make() and sherd_keyring_seal(); SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_home_make(const char *dir, const struct sherd_keyring *ring,
                                              const struct sherd_unseal *unseal, struct sherd_home **out_home);
/** As sherd_home_make(), with any kind of seal. @return also what the giver of shares gave */
SHERD_MUST_USE enum sherd_err sherd_home_make_by(const char *dir, const struct sherd_keyring *ring,
                                                 const struct sherd_seal_wish *wish, struct sherd_home **out_home);

/**
 * Bring the root key back by any of the seals.
 * @return SHERD_OK; SHERD_ERR_DENIED: none of the seals opens by what was given; SHERD_ERR_NOT_FOUND: parts are
 *         missing; as sherd_seal_open()
 */
SHERD_MUST_USE enum sherd_err sherd_home_open(const char *dir, bool read_only, const struct sherd_unseal *unseal,
                                              struct sherd_home **out_home);
/** NULL is accepted. */
void sherd_home_free(struct sherd_home *home);
SHERD_DEFINE_OWNED(sherd_home);

/** What opened it, such as "passphrase (scrypt)". Borrowed. */
const char *sherd_home_seal_text(const struct sherd_home *home);

/**
 * For seals.h: the vault's directory, its id and whether it is in FIPS mode; borrowed. And the root key, in secret
 * memory, while it is used.
 */
const char *sherd_home_dir(const struct sherd_home *home);
const struct sherd_uuid *sherd_home_deployment(const struct sherd_home *home);
bool sherd_home_fips(const struct sherd_home *home);
SHERD_MUST_USE enum sherd_err sherd_home_root(const struct sherd_home *home, struct sherd_root_key *out_root);

/**
 * Read the keyring.
 * @param[in]  pinned      the digest that its file must have; NULL if that is not known yet
 * @param[in]  alone       the caller holds the lock: finish what a writer that ended has left
 * @param[out] out_ring    in secret memory
 * @param[out] out_digest  SHA-256 of the file; NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_TAMPERED: it was changed or rolled back; SHERD_ERR_DENIED: the vault is in FIPS mode, and
 *         the seal that opened it is not, or the other way; SHERD_ERR_UNSUPPORTED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_home_read(const struct sherd_home *home, const struct sherd_digest *pinned,
                                              bool alone, struct sherd_keyring *out_ring,
                                              struct sherd_digest *out_digest);

/**
 * Write a changed keyring beside the one that is valid, durably. It becomes valid when its digest is pinned, and takes
 * the other's place with sherd_home_adopt(), or with the next sherd_home_read() that is alone. The caller holds the
 * lock.
 */
SHERD_MUST_USE enum sherd_err sherd_home_write(const struct sherd_home *home, const struct sherd_keyring *ring,
                                               struct sherd_digest *out_digest);
SHERD_MUST_USE enum sherd_err sherd_home_adopt(const struct sherd_home *home);

/**
 * Seal something under the root key itself.
 * @param[in]     context  what it is; the deployment is added
 * @param[in,out] out_sealed  as sherd_aead_seal()
 */
SHERD_MUST_USE enum sherd_err sherd_home_seal(const struct sherd_home *home, struct sherd_span context,
                                              struct sherd_span plain, struct sherd_buf *out_sealed);
/** The other way. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_home_unseal(const struct sherd_home *home, struct sherd_span context,
                                                struct sherd_span sealed, struct sherd_buf *out_plain);

/**
 * A file of the anchor's, by its name below the vault's directory: make it, read it, write over part of it in place.
 */
SHERD_MUST_USE enum sherd_err sherd_home_file_new(const struct sherd_home *home, const char *name,
                                                  struct sherd_span bytes);
SHERD_MUST_USE enum sherd_err sherd_home_file_read(const struct sherd_home *home, const char *name,
                                                   struct sherd_buf *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_home_overwrite(const struct sherd_home *home, const char *name, size_t offset,
                                                   struct sherd_span bytes);

/** The lock of those who change anything here. */
SHERD_MUST_USE enum sherd_err sherd_home_lock(const struct sherd_home *home, struct sherd_file_lock *out_lock);

/** A lock of another name, if it is free. @return SHERD_OK; SHERD_ERR_BUSY; SHERD_ERR_DENIED; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_home_try_lock(const struct sherd_home *home, const char *name,
                                                  struct sherd_file_lock *out_lock);

/** Open the notice of a vault whose anchor is elsewhere, to read it. @return as sherd_notice_open() */
SHERD_MUST_USE enum sherd_err sherd_home_notice_open(const char *dir, struct sherd_notice *out_notice);

/*
 * Copies, for backups: all seals behind one another, each its number (1 byte), its length (2 bytes) and its file.
 * docs/format/backup.md
 */

/** Copy all seals. @param[in,out] out_seals  they are appended. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_home_seals_copy(const struct sherd_home *home, struct sherd_buf *out_seals);

/** The same of a vault that is not unsealed. */
SHERD_MUST_USE enum sherd_err sherd_seal_copies_of(const char *dir, struct sherd_buf *out_seals);

/**
 * Copy the keyring's file that has a digest. @return SHERD_OK; SHERD_ERR_NOT_FOUND: there is none (any more);
 * SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_home_keyring_copy(const struct sherd_home *home, const struct sherd_digest *pinned,
                                                      struct sherd_buf *out_file);

/** The next copy off the front of *seals. @param[in,out] number  of the one before; 0 at first. @return SHERD_OK;
 * SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_seal_copies_next(struct sherd_span *seals, unsigned *number,
                                                     struct sherd_span *out_file);

/** Whose seal a copy says it is, not verified. @return SHERD_OK; SHERD_ERR_TAMPERED: it is no seal */
SHERD_MUST_USE enum sherd_err sherd_seal_copy_look(struct sherd_span file, struct sherd_uuid *out_deployment);

/** Make the anchor's directory below dir, with copies of seals and all else but keyring and epochs. */
SHERD_MUST_USE enum sherd_err sherd_home_write_seals(const char *dir, struct sherd_span seals);
/** Put a keyring's file into it. */
SHERD_MUST_USE enum sherd_err sherd_home_write_keyring(const char *dir, struct sherd_span file);

/**
 * Bring the root key back by copies of seals. The home has no directory: only what needs none may be called of it.
 * @return SHERD_OK; SHERD_ERR_DENIED; SHERD_ERR_NOT_FOUND: no copy; SHERD_ERR_TAMPERED; as sherd_seal_open()
 */
SHERD_MUST_USE enum sherd_err sherd_home_of_copies(struct sherd_span seals, const struct sherd_unseal *unseal,
                                                   struct sherd_home **out_home);

/** Open a keyring's file. @param[out] out_ring  in secret memory. @return as sherd_keyring_open() */
SHERD_MUST_USE enum sherd_err sherd_home_check_keyring(const struct sherd_home *home, struct sherd_span file,
                                                       struct sherd_keyring *out_ring);

/** HKDF-SHA-512 over root key || more. @param[out] out_key  in secret memory */
SHERD_MUST_USE enum sherd_err sherd_home_mix(const struct sherd_home *home, struct sherd_span more,
                                             struct sherd_span salt, const char *info, uint8_t out_key[SHERD_KEY_SIZE]);

/** The notice: raised after every change that others hold in memory. Borrowed. */
const struct sherd_notice *sherd_home_notice(const struct sherd_home *home);

#endif
