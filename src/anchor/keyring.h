/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keyring.h
 * The keyring: the keys that the root key seals. Bytes: docs/format/vault.md, anchor/keyring.
 */
#ifndef SHERD_ANCHOR_KEYRING_H
#define SHERD_ANCHOR_KEYRING_H

#include "anchor/seal.h"
#include "crypto/sign.h"
#include "store/compartment.h"

/** Bytes of a sealed keyring. */
#define SHERD_KEYRING_BYTES 1112U

/** Kinds of key are kinds of type. */
struct sherd_name_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};
struct sherd_store_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};
struct sherd_master_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** The keys of one compartment. */
struct sherd_keyring_store {
    struct sherd_uuid compartment; /**< its id */
    struct sherd_name_key name;
    uint64_t version;
    struct sherd_store_key key;
};

/** All of it. Lies in secret memory. */
struct sherd_keyring {
    uint32_t generation;
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    uint64_t created_s;
    struct sherd_keyring_store stores[4]; /**< by role, less one */
    char master_name[64];
    uint64_t master_version;
    struct sherd_master_key master;
    uint8_t ledger_seed[SHERD_SIGN_SEED_SIZE];
};

/** Fill a keyring with fresh keys. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_keyring_generate(struct sherd_keyring *out_keyring);

/** Seal. @param[out] out_file  SHERD_KEYRING_BYTES are appended */
SHERD_MUST_USE enum sherd_err sherd_keyring_seal(const struct sherd_keyring *keyring, const struct sherd_root_key *root,
                                                 struct sherd_buf *out_file);

/** Open. @param[out] out_keyring  in secret memory. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_UNSUPPORTED */
SHERD_MUST_USE enum sherd_err sherd_keyring_open(struct sherd_span file, const struct sherd_root_key *root,
                                                 const struct sherd_uuid *deployment,
                                                 struct sherd_keyring *out_keyring);

#endif
