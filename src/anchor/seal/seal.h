/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/seal/seal.h
 * A seal: the root key, encrypted under a passphrase, a key file, or a key that people hold in shares. Bytes:
 * docs/format/vault.md, anchor/seals/N. The seals of a vault, as files: anchor/ring/seals.h.
 */
#ifndef SHERD_ANCHOR_SEAL_SEAL_H
#define SHERD_ANCHOR_SEAL_SEAL_H

#include "anchor/seal/share.h"
#include "envelope/payload.h"
#include <sherd/vault.h>

/** The key above all others. Lies in secret memory. */
struct sherd_root_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** Bytes of a seal by a passphrase or a key file. */
#define SHERD_SEAL_BYTES 180U
/** Most bytes of a file that could be a seal, or new shares of one: more is not read. */
#define SHERD_SEAL_FILE_BYTES_MAX 32768U

/** Exactly one way to unseal, within its bounds. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err sherd_unseal_check(const struct sherd_unseal *unseal);

/** Whether what was given is of the kind that a seal wants. */
bool sherd_unseal_fits(const struct sherd_unseal *unseal, enum sherd_seal_kind kind);

/**
 * Seal a root key by a passphrase or a key file.
 * @param[in]  fips      by approved algorithms only; the seal says so, and no vault in another mode takes it
 * @param[out] out_file  SHERD_SEAL_BYTES are appended
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_seal_make(const struct sherd_root_key *root, const struct sherd_uuid *deployment,
                                              bool fips, const struct sherd_unseal *unseal, struct sherd_buf *out_file);

/**
 * Bring the root key back.
 * @param[out] out_root        in secret memory
 * @param[out] out_deployment  the deployment that the seal belongs to
 * @return SHERD_OK; SHERD_ERR_DENIED (wrong passphrase, key file or share, or a changed seal); SHERD_ERR_SEALED (more
 *         shares are needed); SHERD_ERR_UNSUPPORTED; SHERD_ERR_INVALID
 */
SHERD_MUST_USE enum sherd_err sherd_seal_open(struct sherd_span file, const struct sherd_unseal *unseal,
                                              struct sherd_root_key *out_root, struct sherd_uuid *out_deployment);

/** Whether a file says that it is a seal of a vault in FIPS mode: authenticated once the seal was opened. */
bool sherd_seal_fips(struct sherd_span file);

/** What opens it; SHERD_SEAL_UNKNOWN if the file is no seal. */
enum sherd_seal_kind sherd_seal_kind_of(struct sherd_span file);

/** What seals: "passphrase (scrypt)", "key file", "3 of 5 shares" ... into 32 bytes; "unknown" if it is no seal. */
void sherd_seal_describe(struct sherd_span file, char out_text[32]);

/* --- by shares: seal_shares.c ------------------------------------------------------------------------------------- */

/** Shares that were given; in secret memory. */
struct sherd_shares {
    size_t count;
    struct sherd_share shares[SHERD_SHARES_MAX];
};

/** What a seal by shares says in clear. */
struct sherd_shares_seal {
    struct sherd_uuid deployment;
    bool fips;
    struct sherd_share_set set;
    size_t bytes; /**< of the seal; something may stand behind it */
    char holders[SHERD_SHARES_MAX][SHERD_HOLDER_BYTES_MAX + 1];
};

/**
 * Read shares from text: each of three lines; empty lines and those that begin with # are passed over.
 * @param[out] out_shares  in secret memory; 1 or more
 * @return SHERD_OK; SHERD_ERR_INVALID (the detail counts shares and lines); SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_shares_parse(struct sherd_span text, struct sherd_shares *out_shares);

/**
 * Seal a root key by shares.
 * @param[in]  fips        as sherd_seal_make()
 * @param[in]  replaced    the set that the shares replace; NULL for none
 * @param[out] out_shares  in secret memory; wiped on failure
 * @param[out] out_file    the seal is appended
 * @return SHERD_OK; SHERD_ERR_INVALID (options); SHERD_ERR_LIMIT (generations); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_shares_seal_make(const struct sherd_root_key *root,
                                                     const struct sherd_uuid *deployment, bool fips,
                                                     const struct sherd_shares_options *options,
                                                     const struct sherd_share_set *replaced,
                                                     struct sherd_shares *out_shares, struct sherd_buf *out_file);

/** Read what the seal at the front of a file says. @return SHERD_OK; SHERD_ERR_DENIED: no such seal;
 * SHERD_ERR_UNSUPPORTED */
SHERD_MUST_USE enum sherd_err sherd_shares_seal_read(struct sherd_span file, struct sherd_shares_seal *out_seal);

/** Whether one of the shares says that it is of this seal's set, of whatever generation. */
bool sherd_shares_seal_meant(const struct sherd_shares_seal *seal, const struct sherd_shares *shares);

/**
 * Check each share against the seal. The detail names the one that is wrong by its number and holder.
 * @param[out] out_have  by index, from 1 on: it is there
 * @return SHERD_OK; SHERD_ERR_DENIED; SHERD_ERR_INVALID (given twice); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_shares_seal_check(const struct sherd_shares_seal *seal,
                                                      const struct sherd_shares *shares,
                                                      bool out_have[static SHERD_SHARES_MAX + 1]);

/** Say who is there and who is not, of as many as are needed. */
void sherd_shares_seal_progress(const struct sherd_shares_seal *seal, unsigned needed,
                                const bool have[static SHERD_SHARES_MAX + 1], struct sherd_shares_progress *out);

/** Bring the root key back. @return as sherd_seal_open() */
SHERD_MUST_USE enum sherd_err sherd_shares_seal_open(struct sherd_span file, const struct sherd_shares_seal *seal,
                                                     const struct sherd_shares *shares,
                                                     struct sherd_root_key *out_root);

#endif
