/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ring/seals_inside.h
 * What seals.c and seals_rekey.c share: names and files of seals, and new shares while they are being confirmed.
 */
#ifndef SHERD_ANCHOR_RING_SEALS_INSIDE_H
#define SHERD_ANCHOR_RING_SEALS_INSIDE_H

#include "anchor/ring/seals.h"

#define SHERD_SEALS_FOLDER "anchor/seals"
/* Written before it gets the name of a seal; of no meaning where it was left behind. */
#define SHERD_SEALS_TEMPORARY "anchor/seals/new"
#define SHERD_SEAL_NAME_SIZE 32
/* For each new share: whether it was confirmed, and a digest of it. */
#define SHERD_SEAL_CONFIRM_SIZE (1U + SHERD_SHA256_SIZE)

/* New shares of a seal, anchor/seals/N.new: the seal, its digest, and a mark for each share. Start it all zero. */
struct sherd_new_shares {
    struct sherd_buf file;
    struct sherd_shares_seal *seal; /* in a block of secret memory, though it is no secret: for its cleanup */
};

void sherd_new_shares_done(struct sherd_new_shares *new_shares);

/* The digest of the seal in it. */
SHERD_MUST_USE enum sherd_err sherd_new_shares_digest(struct sherd_span seal, struct sherd_digest *out_digest);

/* Where in the file it stands whether a share was confirmed; a digest of it follows. */
uint8_t *sherd_new_shares_mark(const struct sherd_new_shares *new_shares, unsigned index);

void sherd_seal_name(unsigned number, const char *suffix, char out[static SHERD_SEAL_NAME_SIZE]);

/* Read a seal. Start out_file all zero. SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED: it is too long to be one */
SHERD_MUST_USE enum sherd_err sherd_seal_file_read(const char *dir, unsigned number, struct sherd_buf *out_file);

/* The seal by shares of that number. SHERD_ERR_NOT_FOUND: there is none. out_seal in secret memory, as above */
SHERD_MUST_USE enum sherd_err sherd_seal_file_shares(const char *dir, unsigned number,
                                                     struct sherd_shares_seal *out_seal);

/*
 * Read new shares. SHERD_ERR_NOT_FOUND: there are none, or what is there has replaced the seal already;
 * SHERD_ERR_TAMPERED: they are not what a rekeying of this seal has written
 */
SHERD_MUST_USE enum sherd_err sherd_new_shares_read(const char *dir, unsigned number,
                                                    struct sherd_new_shares *out_new_shares);

/* The same of a file that was read: fills in the rest. The caller ends it, whatever comes of it. */
SHERD_MUST_USE enum sherd_err sherd_new_shares_parse(const struct sherd_shares_seal *old, unsigned number,
                                                     struct sherd_new_shares *new_shares);

/* Give a file that is durable its name, durably, over the one that has it. */
SHERD_MUST_USE enum sherd_err sherd_seal_file_name(const char *dir, const char *name);

/* The same for a name that nothing has: where that fails, nothing has it again, for the caller gives its shares up. */
SHERD_MUST_USE enum sherd_err sherd_seal_file_name_new(const char *dir, const char *name);

/* Remove a file durably; one that does not exist is no error. */
SHERD_MUST_USE enum sherd_err sherd_seal_file_remove(const char *dir, const char *name);

/* Make the seal that is wanted, and give its shares out. */
SHERD_MUST_USE enum sherd_err sherd_seals_make(const struct sherd_root_key *root, const struct sherd_uuid *deployment,
                                               bool fips, const struct sherd_seal_wish *wish,
                                               const struct sherd_share_set *replaced, struct sherd_shares *shares,
                                               struct sherd_buf *out_file);

#endif
