/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keyring.h
 * The keyring: the keys that the root key seals, and what is known of each master key. Bytes: docs/format/vault.md,
 * anchor/keyring.
 */
#ifndef SHERD_ANCHOR_KEYRING_H
#define SHERD_ANCHOR_KEYRING_H

#include "anchor/seal.h"
#include "crypto/sign.h"
#include "kms/protection.h"
#include "store/compartment.h"
#include <sherd/keys.h>
#include <sherd/provider/key.h>

/** Most versions of all master keys together that are not destroyed. */
#define SHERD_MASTERS_MAX 48U
/** Most bytes of a sealed keyring. */
#define SHERD_KEYRING_BYTES_MAX ((size_t)80 << 10)

/** Kinds of key are kinds of type. */
struct sherd_name_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};
struct sherd_store_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** The keys of one compartment. */
struct sherd_keyring_store {
    struct sherd_uuid compartment; /**< its id */
    struct sherd_name_key name;
    uint64_t version;
    struct sherd_store_key key;
};

/** One version of one master key: what is known of it, and where it is. */
struct sherd_master {
    struct sherd_ref kid; /**< random; names it wherever it wraps something */
    char name[SHERD_MASTER_NAME_SIZE];
    uint64_t version;
    enum sherd_master_state state;
    char generator[SHERD_PLUGIN_NAME_SIZE];
    char store[SHERD_PLUGIN_NAME_SIZE];
    char args[SHERD_MASTER_ARGS_SIZE];          /**< name=value lines */
    char outside_id[SHERD_MASTER_OUTSIDE_SIZE]; /**< the outside service's name of the key that it is tied to */
    uint64_t created_s;
    uint64_t protection; /**< version of the protection key */
    uint16_t kept_bytes;
    uint8_t kept[SHERD_KEY_KEPT_BYTES_MAX]; /**< what its store keeps here */
};

/** All of it. Lies in secret memory. */
struct sherd_keyring {
    uint32_t generation; /**< raised with each change */
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    uint64_t created_s;
    bool fips;
    uint64_t epoch;                       /**< the erase epoch that serves: anchor/epoch.h */
    uint64_t round;                       /**< deep rekeyings that were begun */
    uint64_t round_ended;                 /**< the last one that came to its end */
    struct sherd_keyring_store stores[4]; /**< by role, less one */
    struct sherd_protections protections; /**< what encrypts master keys where they are kept */
    size_t master_count;                  /**< ascending by name and version */
    struct sherd_master masters[SHERD_MASTERS_MAX];
    uint8_t ledger_seed[SHERD_SIGN_SEED_SIZE];
};

/**
 * Fill a keyring with fresh keys: stores, one protection key, the ledger's seed. Master keys are made by
 * anchor/masters.h. @return SHERD_OK; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_keyring_generate(struct sherd_keyring *out_keyring);

/** Seal. @param[out] out_file  up to SHERD_KEYRING_BYTES_MAX are appended. @return SHERD_OK; SHERD_ERR_LIMIT; ... */
SHERD_MUST_USE enum sherd_err sherd_keyring_seal(const struct sherd_keyring *keyring, const struct sherd_root_key *root,
                                                 struct sherd_buf *out_file);

/** Open. @param[out] out_keyring  in secret memory. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_UNSUPPORTED */
SHERD_MUST_USE enum sherd_err sherd_keyring_open(struct sherd_span file, const struct sherd_root_key *root,
                                                 const struct sherd_uuid *deployment,
                                                 struct sherd_keyring *out_keyring);

/** The version of a master key by its kid. NULL: there is none, or it was destroyed. */
const struct sherd_master *sherd_keyring_master(const struct sherd_keyring *keyring, const struct sherd_ref *kid);

/** The active version of a master key by name, the highest one. NULL: there is none. */
const struct sherd_master *sherd_keyring_active(const struct sherd_keyring *keyring, const char *name);

/** Whether a text may name a master key: 1..63 of a-z 0-9 . _ - */
bool sherd_master_name_valid(const char *name);

#endif
