/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of a store key: see store_keys.h. */
#include "envelope/store_keys.h"
#include "base/mem.h"
#include <pthread.h>
#include <string.h>

struct sherd_store_keys {
    sherd_store_keys_refresh_fn *refresh;
    void *arg;
    pthread_rwlock_t lock; /* guards all below; held for reading while a key is used */
    uint32_t newest;
    uint32_t count;
    struct sherd_hmac_key *keys[SHERD_STORE_VERSIONS_MAX]; /* from the newest down */
};

/* NULL is accepted in it. */
static void free_all(struct sherd_hmac_key **keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sherd_hmac_key_free(keys[i]);
}

enum sherd_err sherd_store_keys_new(const struct sherd_store_versions *versions, sherd_store_keys_refresh_fn *refresh,
                                    void *arg, struct sherd_store_keys **out_keys)
{
    struct sherd_store_keys *keys = sherd_alloc(sizeof(*keys));

    if (keys == NULL)
        return SHERD_ERR_NO_MEMORY;
    keys->refresh = refresh;
    keys->arg = arg;
    if (pthread_rwlock_init(&keys->lock, NULL) != 0) {
        sherd_free(keys);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    const enum sherd_err err = sherd_store_keys_set(keys, versions);
    if (err != SHERD_OK) {
        sherd_store_keys_free(keys);
        return err;
    }
    *out_keys = keys;
    return SHERD_OK;
}

void sherd_store_keys_free(struct sherd_store_keys *keys)
{
    if (keys == NULL)
        return;
    free_all(keys->keys, SHERD_STORE_VERSIONS_MAX);
    (void)pthread_rwlock_destroy(&keys->lock);
    sherd_free(keys);
}

static enum sherd_err make_all(const struct sherd_store_versions *versions,
                               struct sherd_hmac_key *out[static SHERD_STORE_VERSIONS_MAX])
{
    for (uint32_t i = 0; i < versions->count; i++) {
        const enum sherd_err err =
            sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(versions->keys[i], sizeof(versions->keys[i])), &out[i]);

        if (err != SHERD_OK) {
            free_all(out, i);
            return err;
        }
    }
    return SHERD_OK;
}

/*
 * Whether there is something new in versions: a version is one key for good, is made above all others and destroyed
 * below all others. What a slower thread has read before says nothing.
 */
static bool is_later(const struct sherd_store_keys *keys, const struct sherd_store_versions *versions)
{
    const uint32_t floor = versions->newest - versions->count + 1;
    const uint32_t held = keys->newest - keys->count + 1;

    return versions->newest >= keys->newest && floor >= held && (versions->newest > keys->newest || floor > held);
}

enum sherd_err sherd_store_keys_set(struct sherd_store_keys *keys, const struct sherd_store_versions *versions)
{
    struct sherd_hmac_key *fresh[SHERD_STORE_VERSIONS_MAX] = {NULL};
    struct sherd_hmac_key *gone[SHERD_STORE_VERSIONS_MAX] = {NULL};

    if (versions->count < 1 || versions->count > SHERD_STORE_VERSIONS_MAX || versions->count > versions->newest)
        sherd_bug("versions of a store key that cannot be");
    (void)pthread_rwlock_rdlock(&keys->lock);
    const bool later = is_later(keys, versions);
    (void)pthread_rwlock_unlock(&keys->lock);
    if (!later)
        return SHERD_OK;
    SHERD_TRY(make_all(versions, fresh));
    (void)pthread_rwlock_wrlock(&keys->lock);
    if (is_later(keys, versions)) {
        memcpy(gone, keys->keys, sizeof(gone));
        memcpy(keys->keys, fresh, sizeof(fresh));
        keys->newest = versions->newest;
        keys->count = versions->count;
    } else {
        memcpy(gone, fresh, sizeof(gone));
    }
    (void)pthread_rwlock_unlock(&keys->lock);
    free_all(gone, SHERD_STORE_VERSIONS_MAX);
    return SHERD_OK;
}

static enum sherd_err refresh(struct sherd_store_keys *keys, bool urgent)
{
    return keys->refresh != NULL ? keys->refresh(keys->arg, urgent, keys) : SHERD_OK;
}

enum sherd_err sherd_store_keys_newest(struct sherd_store_keys *keys, uint32_t *out_version)
{
    SHERD_TRY(refresh(keys, false));
    (void)pthread_rwlock_rdlock(&keys->lock);
    *out_version = keys->newest;
    (void)pthread_rwlock_unlock(&keys->lock);
    return SHERD_OK;
}

/* @return SHERD_OK: held, the caller leaves; SHERD_ERR_DENIED: below the floor; SHERD_ERR_TAMPERED: not made yet */
static enum sherd_err hold_held(struct sherd_store_keys *keys, uint32_t version, uint32_t *out_version,
                                const struct sherd_hmac_key **out_key)
{
    (void)pthread_rwlock_rdlock(&keys->lock);
    const uint32_t wanted = version != 0 ? version : keys->newest;
    const uint32_t floor = keys->newest - keys->count + 1;
    if (wanted >= floor && wanted <= keys->newest) {
        *out_version = wanted;
        *out_key = keys->keys[keys->newest - wanted];
        return SHERD_OK;
    }
    (void)pthread_rwlock_unlock(&keys->lock);
    if (wanted < floor)
        return sherd_fail(SHERD_ERR_DENIED,
                          "a stored entry lies under version %u of a store key, which was destroyed: the oldest that "
                          "is accepted is %u",
                          (unsigned)wanted, (unsigned)floor);
    return sherd_fail(SHERD_ERR_TAMPERED, "a stored entry does not verify");
}

enum sherd_err sherd_store_keys_hold(struct sherd_store_keys *keys, uint32_t version, uint32_t *out_version,
                                     const struct sherd_hmac_key **out_key)
{
    SHERD_TRY(refresh(keys, false)); /* also to open: what was destroyed is to be held by nobody */
    const enum sherd_err err = hold_held(keys, version, out_version, out_key);
    if (err != SHERD_ERR_TAMPERED)
        return err;
    SHERD_TRY(refresh(keys, true)); /* it may be newer than what was heard of */
    return hold_held(keys, version, out_version, out_key);
}

void sherd_store_keys_leave(struct sherd_store_keys *keys)
{
    (void)pthread_rwlock_unlock(&keys->lock);
}
