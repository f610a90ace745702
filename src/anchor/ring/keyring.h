/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ring/keyring.h
 * The keyring: the keys that the root key seals, and what is known of each master key. Bytes: docs/format/vault.md,
 * anchor/keyring.
 */
#ifndef SHERD_ANCHOR_RING_KEYRING_H
#define SHERD_ANCHOR_RING_KEYRING_H

#include "anchor/seal/seal.h"
#include "crypto/sign.h"
#include "envelope/store_keys.h"
#include "kms/protection.h"
#include "store/compartment.h"
#include <sherd/keys.h>
#include <sherd/provider/key.h>

/** Most versions of all master keys together that are not destroyed. */
#define SHERD_MASTERS_MAX 48U
/** Most names that policies are kept for. */
#define SHERD_POLICIES_MAX 24U
/** How many destroyed versions are remembered, the last ones. */
#define SHERD_DESTROYED_MAX 64U
/** Most bytes of a sealed keyring. */
#define SHERD_KEYRING_BYTES_MAX ((size_t)80 << 10)

/** Kinds of key are kinds of type. */
struct sherd_name_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};
struct sherd_store_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** A version of a store key that was followed by another: it opens what it has sealed. */
struct sherd_keyring_older {
    uint64_t created_s; /**< 0: with the vault */
    struct sherd_store_key key;
};

/** The keys of one compartment. */
struct sherd_keyring_store {
    struct sherd_uuid compartment; /**< its id */
    struct sherd_name_key name;
    uint64_t version; /**< of the store key: the newest, which seals */
    struct sherd_store_key key;
    uint64_t created_s; /**< as in struct sherd_keyring_older */
    size_t older_count;
    struct sherd_keyring_older older[SHERD_STORE_VERSIONS_MAX - 1]; /**< version - 1 first, without gaps */
};

/** How a master key was kept under an older protection key. */
struct sherd_old_keeping {
    uint64_t protection; /**< 0: there is none */
    char outside_id[SHERD_MASTER_OUTSIDE_SIZE];
    uint16_t kept_bytes;
    uint8_t kept[SHERD_KEY_KEPT_BYTES_MAX];
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
    struct sherd_old_keeping old;           /**< what is to be destroyed yet, after it was kept anew */
};

/** What is ruled of a key: of a master key, or of a store key as "store:ROLE". */
struct sherd_named_policy {
    char name[SHERD_MASTER_NAME_SIZE];
    struct sherd_key_policy policy;
};

/** A version of a master key that is no more: what still names it was refused by that, and is not damaged. */
struct sherd_destroyed {
    struct sherd_ref kid;
    char name[SHERD_MASTER_NAME_SIZE];
    uint64_t version;
    uint64_t destroyed_s;
};

/** All of it. Lies in secret memory. */
struct sherd_keyring {
    uint32_t generation; /**< raised with each change */
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    uint64_t created_s;
    bool fips;                                 /**< approved algorithms only; chosen when the vault is made */
    uint64_t epoch;                            /**< the erase epoch that serves: anchor/keys/epoch.h */
    uint64_t epoch_s;                          /**< when it began; 0: with the vault */
    uint64_t epoch_before_s;                   /**< when the one before it began */
    uint64_t round;                            /**< deep rekeyings that were begun */
    uint64_t round_ended;                      /**< the last one that came to its end */
    struct sherd_keyring_store stores[4];      /**< by role, less one */
    struct sherd_protections protections;      /**< what encrypts master keys where they are kept */
    char key_store[SHERD_KEY_STORE_PATH_SIZE]; /**< where protection keys lie that are outside; "" if none are */
    size_t master_count;                       /**< ascending by name and version */
    struct sherd_master masters[SHERD_MASTERS_MAX];
    size_t policy_count; /**< ascending by name */
    struct sherd_named_policy policies[SHERD_POLICIES_MAX];
    size_t destroyed_count; /**< the oldest first */
    struct sherd_destroyed destroyed[SHERD_DESTROYED_MAX];
    uint8_t ledger_seed[SHERD_SIGN_SEED_SIZE];
    bool joins_strict; /**< a join is on the disk before its key is given out: anchor/ledger/joins.h */
};

/**
 * Fill a keyring with fresh keys: stores, one protection key, the ledger's seed. Master keys are made by
 * anchor/keys/masters.h. @return SHERD_OK; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_keyring_generate(struct sherd_keyring *out_keyring);

/**
 * The same, with the protection key in a key store.
 * @param[in] path      as of sherd_key_file_path()
 * @return also as sherd_protections_rotate()
 */
SHERD_MUST_USE enum sherd_err sherd_keyring_generate_outside(const char *path, struct sherd_span password,
                                                             struct sherd_keyring *out_keyring);

/**
 * Seal.
 * @param[out] out_file  up to SHERD_KEYRING_BYTES_MAX are appended
 * @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_UNSUPPORTED: in FIPS mode, a protection key in a PKCS#12 file; ...
 */
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

/** What is ruled of a key by its name. NULL: nothing. */
const struct sherd_key_policy *sherd_keyring_policy(const struct sherd_keyring *keyring, const char *name);

/**
 * Rule something of a key by its name, in place of what was ruled; a policy that is all zero is forgotten.
 * @return SHERD_OK; SHERD_ERR_LIMIT: of too many names; SHERD_ERR_INVALID: a field is out of its bounds
 */
SHERD_MUST_USE enum sherd_err sherd_keyring_rule(struct sherd_keyring *keyring, const char *name,
                                                 const struct sherd_key_policy *policy);

/** A destroyed version that is remembered. NULL: it is not. */
const struct sherd_destroyed *sherd_keyring_destroyed(const struct sherd_keyring *keyring, const struct sherd_ref *kid);

/** Remember, once, that a version was destroyed; the oldest that is remembered makes room. */
void sherd_keyring_remember(struct sherd_keyring *keyring, const struct sherd_master *master, uint64_t now_s);

/** Whether a keeping of a version, current or old, names a set of parts: only such parts belong to it. */
bool sherd_master_names_set(const struct sherd_master *master, const struct sherd_ref *set);

/** The oldest version of a store key that there is: the floor below which nothing is accepted. */
static inline uint64_t sherd_keyring_floor(const struct sherd_keyring_store *store)
{
    return store->version - store->older_count;
}

/** A version of a store key. NULL: it was destroyed, or never made. */
const struct sherd_store_key *sherd_keyring_store_key(const struct sherd_keyring_store *store, uint64_t version);

/** All versions of a store key. @param[out] out_versions  in secret memory */
void sherd_keyring_store_versions(const struct sherd_keyring_store *store, struct sherd_store_versions *out_versions);

/** Whether a text may name a master key: 1..63 of a-z 0-9 . _ - */
bool sherd_master_name_valid(const char *name);
/** Whether a policy may be for it: a master key's name, "store:" and that of a compartment, or SHERD_ERASE_EPOCH. */
bool sherd_policy_name_valid(const char *name);

#endif
