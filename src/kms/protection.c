/* SPDX-License-Identifier: Apache-2.0 */
/* The protection key and its versions: see protection.h. */
#include "kms/protection.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/pkcs12.h"
#include "envelope/tlv.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIAS_SIZE 64

static void alias_of(uint64_t version, char out_alias[ALIAS_SIZE])
{
    (void)snprintf(out_alias, ALIAS_SIZE, SHERD_PROTECTION_ALIAS "%" PRIu64, version);
}

/*
 * By what a key that lies outside is known again. It lies in the sealed keyring, and says of the key no more than a
 * master key that is kept under it.
 */
static enum sherd_err check_of(uint64_t version, const uint8_t key[static SHERD_AEAD_KEY_SIZE],
                               uint8_t out_check[static SHERD_PROTECTION_CHECK_SIZE])
{
    uint8_t info[64];
    size_t bytes = 0;
    struct sherd_tlv_writer writer = sherd_tlv_writer(info, sizeof(info));

    sherd_tlv_put(&writer, 1, sherd_span_str("sherd key check 1"));
    sherd_tlv_put_u64(&writer, 3, version);
    SHERD_TRY(sherd_tlv_end(&writer, &bytes));
    return sherd_hkdf(SHERD_SHA512, sherd_span_of(key, SHERD_AEAD_KEY_SIZE), sherd_span_of(NULL, 0),
                      sherd_span_of(info, bytes), out_check, SHERD_PROTECTION_CHECK_SIZE);
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

/* A file that is not there yet: its directory, without links, and its name. */
static bool resolve_new(const char *path, char out[static PATH_MAX])
{
    char folder[PATH_MAX];

    if (snprintf(folder, sizeof(folder), "%s%s", path[0] == '/' ? "" : "./", path) >= (int)sizeof(folder))
        return false;
    char *slash = strrchr(folder, '/');
    slash[slash == folder ? 1 : 0] = 0;
    if (realpath(folder, out) == NULL)
        return false;
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    const size_t len = strlen(out);
    if (len + strlen(name) + 2 > PATH_MAX)
        return false;
    (void)snprintf(out + len, PATH_MAX - len, "%s%s", out[len - 1] == '/' ? "" : "/", name);
    return true;
}

enum sherd_err sherd_key_file_path(const char *path, char out_path[static SHERD_KEY_STORE_PATH_SIZE])
{
    char real[PATH_MAX];
    const size_t len = strlen(path);

    SHERD_ENSURE(len > 0 && len < PATH_MAX && path[len - 1] != '/', SHERD_ERR_INVALID,
                 "a key store is named by the path of a file");
    if (realpath(path, real) == NULL && (errno != ENOENT || !resolve_new(path, real)))
        return sherd_fail_errno(SHERD_ERR_IO, "the key store %.120s", path);
    SHERD_ENSURE(strlen(real) < SHERD_KEY_STORE_PATH_SIZE, SHERD_ERR_INVALID,
                 "the path of a key store has at most 511 bytes");
    memcpy(out_path, real, strlen(real) + 1);
    return SHERD_OK;
}

struct sherd_key_file_store sherd_key_file_store_of(const char *path, struct sherd_span password,
                                                    char room[static SHERD_KEY_STORE_PATH_SIZE])
{
    struct sherd_key_file_store store = {.dir = room, .name = room, .password = password};

    (void)snprintf(room, SHERD_KEY_STORE_PATH_SIZE, "%s", path);
    char *slash = strrchr(room, '/');
    if (slash != NULL) {
        *slash = 0; /* of a file in "/" the directory is "", which joins as well */
        store.name = slash + 1;
    }
    return store;
}

/* What is wrong with the file, in words that name it and say what helps. The detail is of crypto/pkcs12.h. */
static enum sherd_err store_fault(const struct sherd_key_file_store *store, enum sherd_err err)
{
    switch (err) {
    case SHERD_ERR_NOT_FOUND:
        return sherd_fail(SHERD_ERR_IO,
                          "the key store %.64s/%.64s is missing: bring it back from a copy, or name where it is with "
                          "--key-store",
                          store->dir, store->name);
    case SHERD_ERR_DENIED:
        return sherd_fail(err, "the password does not open the key store %.64s/%.64s: give the one that does",
                          store->dir, store->name);
    case SHERD_ERR_TAMPERED:
    case SHERD_ERR_LIMIT:
        return sherd_fail(SHERD_ERR_TAMPERED,
                          "the key store %.64s/%.64s is damaged, or is no PKCS#12 file: bring it back from a backup",
                          store->dir, store->name);
    default: return err;
    }
}

static enum sherd_err not_ours(const struct sherd_key_file_store *store, const char *alias)
{
    return sherd_fail(SHERD_ERR_DENIED,
                      "the key store %.64s/%.64s has not this vault's key %.40s: it is another vault's, or an old copy",
                      store->dir, store->name, alias);
}

static enum sherd_err store_open(const struct sherd_key_file_store *store, struct sherd_pkcs12 **out_pkcs12)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_PKCS12_BYTES_MAX};

    SHERD_TRY(sherd_file_read(store->dir, store->name, &file));
    return sherd_pkcs12_open(sherd_buf_span(&file), store->password, out_pkcs12);
}

/* Replace the file, so that at each instant the old one or the new one is there, whole. */
static enum sherd_err store_replace(const struct sherd_key_file_store *store, const struct sherd_pkcs12 *pkcs12)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_PKCS12_BYTES_MAX};
    char next[256];

    const int len = snprintf(next, sizeof(next), "%s.new", store->name);
    SHERD_ENSURE(len > 0 && (size_t)len < sizeof(next), SHERD_ERR_INVALID, "the key store's name is too long");
    SHERD_TRY(sherd_pkcs12_write(pkcs12, &file));
    SHERD_TRY(sherd_file_remove(store->dir, next)); /* what a crash left; never written through a link */
    SHERD_TRY(sherd_file_write_new(store->dir, next, sherd_buf_span(&file)));
    SHERD_FAILPOINT("keystore.written");
    SHERD_TRY(sherd_file_rename(store->dir, next, store->name));
    SHERD_TRY(sherd_dir_sync(store->dir, ""));
    SHERD_FAILPOINT("keystore.named");
    return SHERD_OK;
}

/* Fetch a version, and make sure that it is the one that the keyring means. */
static enum sherd_err load_one(const struct sherd_key_file_store *store, const struct sherd_pkcs12 *pkcs12,
                               struct sherd_protection_version *version)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_AEAD_KEY_SIZE);
    uint8_t check[SHERD_PROTECTION_CHECK_SIZE];
    char alias[ALIAS_SIZE];

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    alias_of(version->version, alias);
    if (!sherd_pkcs12_has(pkcs12, alias))
        return not_ours(store, alias);
    const enum sherd_err err = sherd_pkcs12_get(pkcs12, alias, key, SHERD_AEAD_KEY_SIZE);
    if (err != SHERD_OK)
        return err == SHERD_ERR_LIMIT ? not_ours(store, alias) : store_fault(store, err);
    SHERD_TRY(check_of(version->version, key, check));
    if (!sherd_ct_equal(check, version->check, sizeof(check)))
        return not_ours(store, alias);
    memcpy(version->key, key, sizeof(version->key));
    version->loaded = true;
    return SHERD_OK;
}

/* The file as it is before a version is added to it: that of this vault; an empty one where none is on yet. */
static enum sherd_err store_before(const struct sherd_protections *set, const struct sherd_key_file_store *store,
                                   struct sherd_pkcs12 **out_pkcs12)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_protection_version *current =
        sherd_secret_alloc(sizeof(*current));

    if (current == NULL)
        return SHERD_ERR_NO_MEMORY;
    const bool on = sherd_protections_outside(set);
    enum sherd_err err = store_open(store, out_pkcs12);
    if (err == SHERD_ERR_NOT_FOUND && !on)
        return sherd_pkcs12_new(store->password, out_pkcs12);
    if (err == SHERD_OK && on) {
        *current = set->list[set->count - 1];
        return load_one(store, *out_pkcs12, current);
    }
    return err == SHERD_OK ? err : store_fault(store, err);
}

/* The key under an alias, made and written if it is not there. */
static enum sherd_err ensure_alias(const struct sherd_protections *set, const struct sherd_key_file_store *store,
                                   const char *alias, uint8_t out_key[static SHERD_AEAD_KEY_SIZE])
{
    SHERD_CLEANUP(sherd_pkcs12_freep) struct sherd_pkcs12 *pkcs12 = NULL;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_AEAD_KEY_SIZE);

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(store_before(set, store, &pkcs12));
    if (sherd_pkcs12_has(pkcs12, alias))
        return sherd_pkcs12_get(pkcs12, alias, out_key, SHERD_AEAD_KEY_SIZE);
    SHERD_TRY(sherd_random(key, SHERD_AEAD_KEY_SIZE));
    SHERD_TRY(sherd_pkcs12_add(pkcs12, alias, sherd_span_of(key, SHERD_AEAD_KEY_SIZE)));
    SHERD_TRY(store_replace(store, pkcs12));
    memcpy(out_key, key, SHERD_AEAD_KEY_SIZE);
    return SHERD_OK;
}

static enum sherd_err ensure_alias_locked(const struct sherd_protections *set, const struct sherd_key_file_store *store,
                                          const char *alias, uint8_t out_key[static SHERD_AEAD_KEY_SIZE])
{
    struct sherd_file_lock lock;
    char name[256];

    const int len = snprintf(name, sizeof(name), "%s.lock", store->name);
    SHERD_ENSURE(len > 0 && (size_t)len < sizeof(name), SHERD_ERR_INVALID, "the key store's name is too long");
    SHERD_TRY(sherd_file_lock_take(store->dir, name, &lock));
    const enum sherd_err err = ensure_alias(set, store, alias, out_key);
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
        return sherd_fail(SHERD_ERR_DENIED,
                          "the protection key of this vault lies in a PKCS#12 key store, and is never "
                          "taken out of it again: give the key store and its password");
    SHERD_ENSURE(set->count < SHERD_PROTECTION_VERSIONS_MAX, SHERD_ERR_LIMIT,
                 "there are 16 versions of the protection key: keep the master keys of old ones anew first");
    alias_of(version, alias);
    if (store != NULL) {
        SHERD_TRY(ensure_alias_locked(set, store, alias, next->key));
        SHERD_TRY(check_of(version, next->key, next->check));
    } else {
        SHERD_TRY(sherd_random(next->key, sizeof(next->key)));
    }
    next->version = version;
    next->created_s = now_s;
    next->outside = store != NULL;
    next->loaded = true;
    set->list[set->count++] = *next;
    return SHERD_OK;
}

enum sherd_err sherd_protections_load(struct sherd_protections *set, const struct sherd_key_file_store *store)
{
    SHERD_CLEANUP(sherd_pkcs12_freep) struct sherd_pkcs12 *pkcs12 = NULL;

    for (size_t i = 0; i < set->count; i++) {
        if (!set->list[i].outside || set->list[i].loaded)
            continue;
        SHERD_ENSURE(store != NULL, SHERD_ERR_SEALED,
                     "the protection key of this vault lies in a PKCS#12 key store: give its password with "
                     "--key-store-password-file, and where it is with --key-store");
        if (pkcs12 == NULL) {
            const enum sherd_err err = store_open(store, &pkcs12);

            if (err != SHERD_OK)
                return store_fault(store, err);
        }
        SHERD_TRY(load_one(store, pkcs12, &set->list[i]));
    }
    return SHERD_OK;
}

static const struct sherd_protection_version *version_in(const struct sherd_protections *set, uint64_t version)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].version == version)
            return &set->list[i];
    return NULL;
}

void sherd_protections_fill(struct sherd_protections *set, const struct sherd_protections *loaded)
{
    for (size_t i = 0; i < set->count; i++) {
        struct sherd_protection_version *version = &set->list[i];
        const struct sherd_protection_version *known = version_in(loaded, version->version);

        if (version->loaded || known == NULL || !known->loaded ||
            !sherd_same(known->check, version->check, sizeof(version->check)))
            continue;
        memcpy(version->key, known->key, sizeof(version->key));
        version->loaded = true;
    }
}

bool sherd_protections_wanting(const struct sherd_protections *set, uint64_t version)
{
    const struct sherd_protection_version *found = version_in(set, version);

    return found != NULL && !found->loaded;
}

enum sherd_err sherd_protections_key(const struct sherd_protections *set, uint64_t version, const uint8_t **out_key)
{
    const struct sherd_protection_version *found = version_in(set, version);

    if (found == NULL)
        return sherd_fail(SHERD_ERR_TAMPERED, "there is no version %" PRIu64 " of the protection key", version);
    SHERD_ENSURE(found->loaded, SHERD_ERR_SEALED,
                 "the protection key lies in a PKCS#12 key store: give the key store and its password");
    *out_key = found->key;
    return SHERD_OK;
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
