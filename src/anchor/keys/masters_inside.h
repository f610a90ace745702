/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/masters_inside.h
 * What masters.c (master keys) and masters_protection.c (the key that protects them where they are kept) share.
 */
#ifndef SHERD_ANCHOR_KEYS_MASTERS_INSIDE_H
#define SHERD_ANCHOR_KEYS_MASTERS_INSIDE_H

#include "anchor/keys/masters.h"
#include "anchor/keys/uses.h"
#include <pthread.h>

/** A key that was fetched; lies in secret memory. */
struct sherd_held_master {
    bool used;
    struct sherd_ref kid;
    struct sherd_master_key key;
};

/** How the key store is opened, and what was read of it; in secret memory. */
struct sherd_key_store_access {
    bool given;
    bool opened;                          /**< the vault is open: what is missing now was not when it was opened */
    char path[SHERD_KEY_STORE_PATH_SIZE]; /**< "": where the keyring says */
    size_t password_bytes;
    uint8_t password[SHERD_KEY_STORE_PASSWORD_BYTES_MAX];
    struct sherd_protections loaded; /**< versions that lie outside, as they were last needed */
};

struct sherd_masters {
    struct sherd_ring *ring;
    struct sherd_places places;
    struct sherd_uses *uses;
    pthread_rwlock_t lock;                    /**< guards all below */
    uint32_t generation;                      /**< of the keyring by which keys were dropped last */
    struct sherd_held_master *held;           /**< secret memory: SHERD_MASTERS_MAX */
    struct sherd_key_store_access *key_store; /**< secret memory */
};

/** One version with all that a call of its plug-ins needs; in secret memory. */
struct sherd_master_session {
    struct sherd_master master;
    struct sherd_protections protections;
    char key_store[SHERD_KEY_STORE_PATH_SIZE];
    struct sherd_uuid deployment;
    struct sherd_kms kms;
    struct sherd_key_id id;
    struct sherd_key_arg_list args;
    struct sherd_key_call call;
};

/* ---- masters.c --------------------------------------------------------------------------------------------------- */

/** Ready a session over session->master. Reads no file. */
SHERD_MUST_USE enum sherd_err sherd_master_session_ready(const struct sherd_masters *masters,
                                                         const struct sherd_keyring *ring,
                                                         struct sherd_master_session *session);

/** Give the key of the version in session->master, held or fetched. */
SHERD_MUST_USE enum sherd_err sherd_master_session_give(struct sherd_masters *masters,
                                                        struct sherd_master_session *session,
                                                        struct sherd_master_key *out_key);

/** Destroy what the store keeps of session->master. */
SHERD_MUST_USE enum sherd_err sherd_master_session_destroy(struct sherd_masters *masters,
                                                           struct sherd_master_session *session);

/* ---- masters_protection.c ---------------------------------------------------------------------------------------- */

/** Have the protection key of session->call, from the key store if it lies there and was not read yet. */
SHERD_MUST_USE enum sherd_err sherd_master_session_protect(struct sherd_masters *masters,
                                                           struct sherd_master_session *session);

/** Destroy what is left of how session->master was kept before, if there is anything. */
SHERD_MUST_USE enum sherd_err sherd_master_session_destroy_old(struct sherd_masters *masters,
                                                               struct sherd_master_session *session);

/** Forget versions of the protection key that nothing is kept under. */
void sherd_keyring_drop_protections(struct sherd_keyring *ring);

#endif
