/* SPDX-License-Identifier: Apache-2.0 */
/* The protection key and its versions: see protection.h. */
#include "kms/protection.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/pkcs12.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ALIAS_SIZE 64

static void alias_of(uint64_t version, char out_alias[ALIAS_SIZE])
{
    (void)snprintf(out_alias, ALIAS_SIZE, SHERD_PROTECTION_ALIAS "%" PRIu64, version);
}

static enum sherd_err no_store(void)
{
    return sherd_fail(SHERD_ERR_DENIED, "the protection key of this vault lies in a PKCS#12 key store, and cannot be "
                                        "taken out of it again: give the key store and its password");
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

static enum sherd_err store_open(const struct sherd_key_file_store *store, struct sherd_pkcs12 **out_pkcs12)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_PKCS12_BYTES_MAX};

    SHERD_TRY(sherd_file_read(store->dir, store->name, &file));
    return sherd_pkcs12_open(sherd_buf_span(&file), store->password, out_pkcs12);
}

static enum sherd_err store_open_or_new(const struct sherd_key_file_store *store, struct sherd_pkcs12 **out_pkcs12)
{
    const enum sherd_err err = store_open(store, out_pkcs12);

    return err == SHERD_ERR_NOT_FOUND ? sherd_pkcs12_new(store->password, out_pkcs12) : err;
}

/* Replace the file, so that at each instant the old one or the new one is there, whole. */
static enum sherd_err store_replace(const struct sherd_key_file_store *store, const struct sherd_pkcs12 *pkcs12)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_PKCS12_BYTES_MAX};
    char next[256];

    const int len = snprintf(next, sizeof(next), "%s.new", store->name);
    SHERD_ENSURE(len > 0 && (size_t)len < sizeof(next), SHERD_ERR_INVALID, "the key store's name is too long");
    SHERD_TRY(sherd_pkcs12_write(pkcs12, &file));
    SHERD_TRY(sherd_file_write(store->dir, next, sherd_buf_span(&file)));
    SHERD_TRY(sherd_file_rename(store->dir, next, store->name));
    return sherd_dir_sync(store->dir, "");
}

/* The key under an alias, made and written if it is not there. */
static enum sherd_err ensure_alias(const struct sherd_key_file_store *store, const char *alias,
                                   uint8_t out_key[static SHERD_AEAD_KEY_SIZE])
{
    SHERD_CLEANUP(sherd_pkcs12_freep) struct sherd_pkcs12 *pkcs12 = NULL;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_AEAD_KEY_SIZE);

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(store_open_or_new(store, &pkcs12));
    if (sherd_pkcs12_has(pkcs12, alias))
        return sherd_pkcs12_get(pkcs12, alias, out_key, SHERD_AEAD_KEY_SIZE);
    SHERD_TRY(sherd_random(key, SHERD_AEAD_KEY_SIZE));
    SHERD_TRY(sherd_pkcs12_add(pkcs12, alias, sherd_span_of(key, SHERD_AEAD_KEY_SIZE)));
    SHERD_TRY(store_replace(store, pkcs12));
    memcpy(out_key, key, SHERD_AEAD_KEY_SIZE);
    return SHERD_OK;
}

static enum sherd_err ensure_alias_locked(const struct sherd_key_file_store *store, const char *alias,
                                          uint8_t out_key[static SHERD_AEAD_KEY_SIZE])
{
    struct sherd_file_lock lock;
    char name[256];

    const int len = snprintf(name, sizeof(name), "%s.lock", store->name);
    SHERD_ENSURE(len > 0 && (size_t)len < sizeof(name), SHERD_ERR_INVALID, "the key store's name is too long");
    SHERD_TRY(sherd_file_lock_take(store->dir, name, &lock));
    const enum sherd_err err = ensure_alias(store, alias, out_key);
    sherd_file_lock_leave(&lock);
    return err;
}

/* --- versions ---------------------------------------------------------------------------------------------------- */

bool sherd_protections_outside(const struct sherd_protections *set)
{
    return set->count > 0 && set->list[set->count - 1].outside;
}

uint64_t sherd_protections_current(const struct sherd_protections *set)
{
    return set->count > 0 ? set->list[set->count - 1].version : 0;
}

enum sherd_err sherd_protections_rotate(struct sherd_protections *set, const struct sherd_key_file_store *store,
                                        uint64_t now_s)
{
    const uint64_t version = sherd_protections_current(set) + 1;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_protection_version *next =
        sherd_secret_alloc(sizeof(*next));
    char alias[ALIAS_SIZE];

    if (next == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (store == NULL && sherd_protections_outside(set))
        return no_store();
    SHERD_ENSURE(set->count < SHERD_PROTECTION_VERSIONS_MAX, SHERD_ERR_LIMIT,
                 "there are 16 versions of the protection key: keep the master keys of old ones anew first");
    alias_of(version, alias);
    if (store != NULL)
        SHERD_TRY(ensure_alias_locked(store, alias, next->key));
    else
        SHERD_TRY(sherd_random(next->key, sizeof(next->key)));
    next->version = version;
    next->created_s = now_s;
    next->outside = store != NULL;
    next->loaded = true;
    set->list[set->count++] = *next;
    return SHERD_OK;
}

static enum sherd_err load_one(const struct sherd_pkcs12 *pkcs12, struct sherd_protection_version *version)
{
    char alias[ALIAS_SIZE];

    alias_of(version->version, alias);
    SHERD_TRY(sherd_pkcs12_get(pkcs12, alias, version->key, sizeof(version->key)));
    version->loaded = true;
    return SHERD_OK;
}

enum sherd_err sherd_protections_load(struct sherd_protections *set, const struct sherd_key_file_store *store)
{
    SHERD_CLEANUP(sherd_pkcs12_freep) struct sherd_pkcs12 *pkcs12 = NULL;

    for (size_t i = 0; i < set->count; i++) {
        if (!set->list[i].outside || set->list[i].loaded)
            continue;
        if (store == NULL)
            return no_store();
        if (pkcs12 == NULL)
            SHERD_TRY(store_open(store, &pkcs12));
        SHERD_TRY(load_one(pkcs12, &set->list[i]));
    }
    return SHERD_OK;
}

enum sherd_err sherd_protections_key(const struct sherd_protections *set, uint64_t version, const uint8_t **out_key)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->list[i].version != version)
            continue;
        SHERD_ENSURE(set->list[i].loaded, SHERD_ERR_SEALED,
                     "the protection key lies in a PKCS#12 key store: give the key store and its password");
        *out_key = set->list[i].key;
        return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_TAMPERED, "there is no version %" PRIu64 " of the protection key", version);
}

enum sherd_err sherd_protections_drop(struct sherd_protections *set, uint64_t version)
{
    size_t at = 0;

    SHERD_ENSURE(version != sherd_protections_current(set), SHERD_ERR_CONFLICT,
                 "the current version of the protection key cannot be dropped");
    while (at < set->count && set->list[at].version != version)
        at++;
    SHERD_ENSURE(at < set->count, SHERD_ERR_NOT_FOUND, "there is no such version of the protection key");
    set->count--;
    memmove(&set->list[at], &set->list[at + 1], (set->count - at) * sizeof(set->list[0]));
    sherd_wipe(&set->list[set->count], sizeof(set->list[0]));
    return SHERD_OK;
}
