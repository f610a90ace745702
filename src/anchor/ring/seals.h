/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ring/seals.h
 * The seals of a vault as files, anchor/seals/1 to 99: opening by any of them, adding, removing, and new shares that
 * take the place of old ones. What each call does is in <sherd/seal.h>; bytes: docs/format/vault.md.
 *
 * A seal appears, is replaced and goes by one rename or removal, under the lock of those who change the anchor, and is
 * durable on return.
 */
#ifndef SHERD_ANCHOR_RING_SEALS_H
#define SHERD_ANCHOR_RING_SEALS_H

#include "anchor/seal/seal.h"

struct sherd_home;

#define SHERD_ANCHOR_FOLDER "anchor"
#define SHERD_ANCHOR_LOCK_FILE "anchor/lock"

/** The seal that is wanted: by what unseals, or by shares, which are given out. */
struct sherd_seal_wish {
    const struct sherd_unseal *unseal;         /**< NULL for shares */
    const struct sherd_shares_options *shares; /**< NULL for the other kinds */
    sherd_share_give_fn *give;
    void *give_arg;
    const struct sherd_key_store_file *key_store; /**< of a vault that is made: where its protection key shall lie */
};

/** Make the folder of seals with the first one, in the directory of a vault that is being made. */
SHERD_MUST_USE enum sherd_err sherd_seals_begin(const char *dir, const struct sherd_root_key *root,
                                                const struct sherd_uuid *deployment, bool fips,
                                                const struct sherd_seal_wish *wish);

/**
 * Bring the root key back by any seal of the kind that is given.
 * @param[out] out_text  what opened it, as sherd_seal_describe() says
 * @param[out] out_fips  it is of a vault in FIPS mode
 * @return as sherd_seal_open(); SHERD_ERR_IO: there is no seal at all
 */
SHERD_MUST_USE enum sherd_err sherd_seals_open(const char *dir, const struct sherd_unseal *unseal,
                                               struct sherd_root_key *out_root, struct sherd_uuid *out_deployment,
                                               char out_text[32], bool *out_fips);

/** As the calls of <sherd/seal.h>, on a vault's directory or an unsealed home. */
SHERD_MUST_USE enum sherd_err sherd_seals_each(const char *dir, sherd_seal_visit_fn *visit, void *arg);
SHERD_MUST_USE enum sherd_err sherd_seals_add(const struct sherd_home *home, const struct sherd_seal_wish *wish,
                                              unsigned *out_number);
SHERD_MUST_USE enum sherd_err sherd_seals_remove(const struct sherd_home *home, unsigned number);
SHERD_MUST_USE enum sherd_err sherd_seals_check(const char *dir, struct sherd_span shares,
                                                struct sherd_shares_progress *out_progress);
SHERD_MUST_USE enum sherd_err sherd_seals_share_each(const char *dir, struct sherd_span shares,
                                                     sherd_share_visit_fn *visit, void *arg);

/** In seals_rekey.c. */
SHERD_MUST_USE enum sherd_err sherd_seals_rekey(const struct sherd_home *home, unsigned number,
                                                const struct sherd_shares_options *options, sherd_share_give_fn *give,
                                                void *arg);
SHERD_MUST_USE enum sherd_err sherd_seals_abandon(const struct sherd_home *home, unsigned number);
SHERD_MUST_USE enum sherd_err sherd_seals_confirm(const char *dir, unsigned number, struct sherd_span shares,
                                                  struct sherd_shares_progress *out_progress);

#endif
