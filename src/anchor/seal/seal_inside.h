/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/seal/seal_inside.h
 * What all kinds of seals begin with, for seal.c and seal_shares.c. docs/format/vault.md, anchor/seals/N
 */
#ifndef SHERD_ANCHOR_SEAL_SEAL_INSIDE_H
#define SHERD_ANCHOR_SEAL_SEAL_INSIDE_H

#include "anchor/seal/seal.h"
#include "crypto/pwhash.h"

#define SHERD_SEAL_SALT_SIZE 32U
#define SHERD_SEAL_HEADER_SIZE 76U
#define SHERD_SEAL_ROOT_SIZE (SHERD_SEAL_BYTES - SHERD_SEAL_HEADER_SIZE)

struct sherd_seal_header {
    enum sherd_seal_kind kind;
    struct sherd_pwhash_params hash; /* all zero but for a passphrase */
    bool fips;                       /* of a vault that uses approved algorithms only */
    struct sherd_uuid deployment;
    uint8_t salt[SHERD_SEAL_SALT_SIZE];
};

/* The key that the root key is encrypted under; lies in secret memory. */
struct sherd_seal_key {
    uint8_t bytes[SHERD_AEAD_KEY_SIZE];
};

void sherd_seal_header_encode(const struct sherd_seal_header *header, uint8_t out[static SHERD_SEAL_HEADER_SIZE]);

/* The header alone; what stands behind it is not looked at. */
SHERD_MUST_USE enum sherd_err sherd_seal_header_decode(struct sherd_span file, struct sherd_seal_header *out_header);

/* The one answer to all that is wrong in what a person gave and what an attacker changed. */
SHERD_MUST_USE enum sherd_err sherd_seal_denied(void);

/* Open the last SHERD_SEAL_ROOT_SIZE bytes of a seal; all before them is the context. */
SHERD_MUST_USE enum sherd_err sherd_seal_open_root(struct sherd_span file, const struct sherd_seal_key *key,
                                                   struct sherd_root_key *out_root);

#endif
