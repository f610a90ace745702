/* SPDX-License-Identifier: Apache-2.0 */
/* Collections, as callers see them, and what an open vault remembers of them. */
#include "cryptor/vault.h"
#include "base/bytes.h"
#include <sherd/secret.h>
#include <string.h>

#define DEFAULT_COLLECTION "default"

static bool recall(struct sherd_vault *vault, const char *name, struct sherd_collection_entry *out_collection)
{
    bool found = false;

    (void)pthread_mutex_lock(&vault->collections_lock);
    for (size_t i = 0; i < vault->collection_count && !found; i++) {
        found = strcmp(vault->collections[i].rules.name, name) == 0;
        if (found)
            *out_collection = vault->collections[i];
    }
    (void)pthread_mutex_unlock(&vault->collections_lock);
    return found;
}

static void remember(struct sherd_vault *vault, const struct sherd_collection_entry *collection)
{
    (void)pthread_mutex_lock(&vault->collections_lock);
    if (vault->collection_count < SHERD_COLLECTIONS_CACHED_MAX)
        vault->collections[vault->collection_count++] = *collection;
    (void)pthread_mutex_unlock(&vault->collections_lock);
}

enum sherd_err sherd_vault_collection(struct sherd_vault *vault, const char *name,
                                      struct sherd_collection_entry *out_collection)
{
    const char *wanted = name != NULL ? name : DEFAULT_COLLECTION;

    if (recall(vault, wanted, out_collection))
        return SHERD_OK;
    SHERD_TRY(sherd_assets_collection_get(&vault->assets, wanted, out_collection));
    remember(vault, out_collection);
    return SHERD_OK;
}

static bool recall_id(struct sherd_vault *vault, const struct sherd_uuid *id,
                      struct sherd_collection_entry *out_collection)
{
    bool found = false;

    (void)pthread_mutex_lock(&vault->collections_lock);
    for (size_t i = 0; i < vault->collection_count && !found; i++) {
        found = sherd_same(vault->collections[i].id.bytes, id->bytes, sizeof(id->bytes));
        if (found)
            *out_collection = vault->collections[i];
    }
    (void)pthread_mutex_unlock(&vault->collections_lock);
    return found;
}

enum sherd_err sherd_vault_collection_by_id(struct sherd_vault *vault, const struct sherd_uuid *id,
                                            struct sherd_collection_entry *out_collection)
{
    if (recall_id(vault, id, out_collection))
        return SHERD_OK;
    SHERD_TRY(sherd_assets_collection_by_id(&vault->assets, id, out_collection));
    remember(vault, out_collection);
    return SHERD_OK;
}

enum sherd_err sherd_vault_collection_create(struct sherd_vault *vault, const struct sherd_collection *collection)
{
    struct sherd_ref key;

    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_ENSURE(!collection->readable || collection->versions_kept == 1, SHERD_ERR_INVALID,
                 "a readable collection keeps one version: who reads the store could not tell which is current");
    if (collection->key[0] != 0)
        SHERD_TRY(vault->anchor->ops->named_find(vault->anchor, collection->key, 0, &key));
    SHERD_TRY(sherd_window_enter(vault->window, true));
    const enum sherd_err err = sherd_assets_collection_create(&vault->assets, collection);
    sherd_window_leave(vault->window, true);
    return err;
}

enum sherd_err sherd_collection_create(struct sherd_vault *vault, const struct sherd_collection *collection)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(collection != NULL, SHERD_ERR_INVALID, "a collection needs its rules");
    SHERD_ENSURE(memchr(collection->name, 0, sizeof(collection->name)) != NULL, SHERD_ERR_INVALID,
                 "a collection's name has at most 63 bytes");
    SHERD_ENSURE(memchr(collection->key, 0, sizeof(collection->key)) != NULL, SHERD_ERR_INVALID,
                 "a key's name has at most 63 bytes");
    SHERD_ENSURE(strncmp(collection->name, SHERD_COLLECTION_OWN_PREFIX, strlen(SHERD_COLLECTION_OWN_PREFIX)) != 0,
                 SHERD_ERR_INVALID,
                 "collections whose names begin with \"" SHERD_COLLECTION_OWN_PREFIX "\" are Sherd's own");
    return sherd_vault_collection_create(vault, collection);
}

enum sherd_err sherd_collection_get(struct sherd_vault *vault, const char *name,
                                    struct sherd_collection *out_collection)
{
    struct sherd_collection_entry entry;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_collection != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(sherd_vault_collection(vault, name, &entry));
    *out_collection = entry.rules;
    return SHERD_OK;
}
