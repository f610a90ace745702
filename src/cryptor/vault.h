/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/vault.h
 * What an open vault is inside, for the files of this folder and of src/scrub.
 */
#ifndef SHERD_CRYPTOR_VAULT_H
#define SHERD_CRYPTOR_VAULT_H

#include "anchor/anchor.h"
#include "assets/assets.h"
#include "cryptor/pool.h"
#include "cryptor/queue.h"
#include "cryptor/window.h"
#include "base/fork.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sherd/sherd.h>

/** Collections whose rules an open vault remembers. Rules never change, so what is remembered stays true. */
#define SHERD_COLLECTIONS_CACHED_MAX 64U

/** Rows of a readable collection that added up, and what they added up to: query.c. */
struct sherd_rows_kept {
    struct sherd_row_scan *scan; /* NULL: none */
    struct sherd_uuid collection;
    uint64_t count;
    struct sherd_digest sum;
};

struct sherd_vault {
    char *path;
    unsigned fork_count; /* sherd_fork_count() when it was opened */
    bool read_only;
    bool restored; /* it is opened for the first time since it was brought back */
    bool fips;     /* approved algorithms only */
    const struct sherd_store_ops *engine;
    char seal[32]; /* what seals the root key, for people */
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    struct sherd_compartment *identity;
    struct sherd_compartment *secrets;
    struct sherd_compartment *keys;    /* the anchor's, which closes it; NULL where it runs elsewhere: for tests */
    struct sherd_anchor *anchor;       /* as who asks may use it */
    struct sherd_anchor *whole_anchor; /* what it stands on in this process, where a user asks; else NULL */
    atomic_bool wrote;                 /* this handle, a record */
    bool of_user;                      /* a user asks, and not the owner */
    struct sherd_vault_agent *agent;   /* where that runs, if not here: vault.c */
    bool agent_memory_locked;          /* what it says of its secret memory */
    bool agent_memory_secret;
    struct sherd_assets assets;
    struct sherd_entry_keys identity_keys;
    struct sherd_window *window;
    struct sherd_pool *pool;
    struct sherd_queue *queue;
    pthread_mutex_t collections_lock;
    struct sherd_collection_entry collections[SHERD_COLLECTIONS_CACHED_MAX];
    size_t collection_count;
    struct sherd_rows_kept rows; /* under collections_lock */
};

/**
 * As sherd_vault_open(), for one that was just brought back from a backup, by who did it: where it is open for writing,
 * its ledger begins anew.
 */
SHERD_MUST_USE enum sherd_err sherd_vault_open_restored(const char *path, const struct sherd_unseal *unseal_by,
                                                        const struct sherd_vault_open_options *options,
                                                        struct sherd_vault **out_vault);

/** A collection by name; NULL for "default". @return as sherd_assets_collection_get() */
SHERD_MUST_USE enum sherd_err sherd_vault_collection(struct sherd_vault *vault, const char *name,
                                                     struct sherd_collection_entry *out_collection);

/** Make a collection, of whatever name. @return as sherd_collection_create() */
SHERD_MUST_USE enum sherd_err sherd_vault_collection_create(struct sherd_vault *vault,
                                                            const struct sherd_collection *collection);

/** A collection by id. @return as sherd_assets_collection_by_id() */
SHERD_MUST_USE enum sherd_err sherd_vault_collection_by_id(struct sherd_vault *vault, const struct sherd_uuid *id,
                                                           struct sherd_collection_entry *out_collection);

/** Refuse a handle that is NULL, or that a fork has copied from its process. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err sherd_vault_check(const struct sherd_vault *vault);

/**
 * Check the entry by which a compartment says whose it is, and which only this vault's anchor can make.
 * @param[out] out_name  the entry's name
 * @return SHERD_OK; SHERD_ERR_TAMPERED: it is missing, changed or another vault's; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_vault_check_owner(const struct sherd_vault *vault, enum sherd_role role,
                                                      struct sherd_compartment *compartment,
                                                      struct sherd_ref *out_name);

/** Refuse what only the vault's owner may do: what looks at all records, also those that a user does not find. */
SHERD_MUST_USE enum sherd_err sherd_vault_check_maintains(const struct sherd_vault *vault);

/** Refuse a change where the vault is open for reading. @return SHERD_OK; SHERD_ERR_DENIED */
SHERD_MUST_USE enum sherd_err sherd_vault_check_writable(const struct sherd_vault *vault);

#endif
