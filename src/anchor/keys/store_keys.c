/* SPDX-License-Identifier: Apache-2.0 */
/* Store keys: see store_keys.h. */
#include "anchor/keys/store_keys.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <stdatomic.h>
#include <stdio.h>

#define ROLES 4U
/* What was heard of is looked at anew after that time, whatever the notice says. */
#define LIFETIME_MS ((uint64_t)300000)

bool sherd_store_key_named(const char *name, unsigned *out_role)
{
    const size_t prefix = sizeof(SHERD_STORE_KEY_PREFIX) - 1;

    if (name == NULL || strncmp(name, SHERD_STORE_KEY_PREFIX, prefix) != 0)
        return false;
    *out_role = 0;
    for (unsigned role = SHERD_IDENTITY; role <= SHERD_KEYS; role++)
        if (strcmp(name + prefix, sherd_role_name((enum sherd_role)role)) == 0)
            *out_role = role;
    return true;
}

/* --- in use ------------------------------------------------------------------------------------------------------- */

/* What is followed of one compartment's store key. */
struct followed {
    struct sherd_ring *ring; /* NULL until there is one */
    enum sherd_role role;
    struct sherd_store_keys *keys;
    _Atomic uint64_t number; /* sherd_ring_number() when it was looked at, and when that was */
    _Atomic uint64_t time_ms;
};

struct sherd_store_ring {
    struct followed followed[ROLES];
};

static uint64_t now_ms(void)
{
    return sherd_clock()->monotonic_ns() / 1000000U;
}

static enum sherd_err look(struct followed *followed, struct sherd_store_keys *keys)
{
    const struct sherd_keyring *keyring;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_store_versions *versions =
        sherd_secret_alloc(sizeof(*versions));

    if (versions == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ring_hold(followed->ring, &keyring));
    sherd_keyring_store_versions(&keyring->stores[followed->role - 1], versions);
    sherd_ring_leave(followed->ring);
    return sherd_store_keys_set(keys, versions);
}

static enum sherd_err refresh(void *arg, bool urgent, struct sherd_store_keys *keys)
{
    struct followed *followed = arg;

    if (followed->ring == NULL)
        return SHERD_OK;
    if (urgent)
        sherd_ring_doubt(followed->ring);
    const uint64_t number = sherd_ring_number(followed->ring);
    const uint64_t time_ms = now_ms();
    if (number == atomic_load(&followed->number) && time_ms - atomic_load(&followed->time_ms) < LIFETIME_MS)
        return SHERD_OK;
    SHERD_TRY(look(followed, keys));
    atomic_store(&followed->number, number);
    atomic_store(&followed->time_ms, time_ms);
    return SHERD_OK;
}

static enum sherd_err follow_all(const struct sherd_keyring *first, struct sherd_store_ring *stores)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_store_versions *versions =
        sherd_secret_alloc(sizeof(*versions));

    if (versions == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (unsigned i = 0; i < ROLES; i++) {
        struct followed *followed = &stores->followed[i];

        followed->role = (enum sherd_role)(i + 1);
        atomic_init(&followed->number, UINT64_MAX);
        atomic_init(&followed->time_ms, 0);
        sherd_keyring_store_versions(&first->stores[i], versions);
        SHERD_TRY(sherd_store_keys_new(versions, refresh, followed, &followed->keys));
    }
    return SHERD_OK;
}

enum sherd_err sherd_store_ring_new(const struct sherd_keyring *first, struct sherd_store_ring **out_stores)
{
    struct sherd_store_ring *stores = sherd_alloc(sizeof(*stores));

    if (stores == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = follow_all(first, stores);
    if (err != SHERD_OK) {
        sherd_store_ring_free(stores);
        return err;
    }
    *out_stores = stores;
    return SHERD_OK;
}

void sherd_store_ring_free(struct sherd_store_ring *stores)
{
    if (stores == NULL)
        return;
    for (unsigned i = 0; i < ROLES; i++)
        sherd_store_keys_free(stores->followed[i].keys);
    sherd_free(stores);
}

void sherd_store_ring_follow(struct sherd_store_ring *stores, struct sherd_ring *ring)
{
    for (unsigned i = 0; i < ROLES; i++)
        stores->followed[i].ring = ring;
}

struct sherd_store_keys *sherd_store_ring_keys(struct sherd_store_ring *stores, enum sherd_role role)
{
    return stores->followed[role - 1].keys;
}

/* One look at the keyring as it is held. */
static enum sherd_err get_held(struct sherd_ring *ring, enum sherd_role role, uint64_t version,
                               struct sherd_keyring_store *out_store)
{
    const struct sherd_keyring *keyring;
    enum sherd_err err = SHERD_OK;

    SHERD_TRY(sherd_ring_hold(ring, &keyring));
    const struct sherd_keyring_store *store = &keyring->stores[role - 1];
    const uint64_t wanted = version != 0 ? version : store->version;
    const struct sherd_store_key *key = sherd_keyring_store_key(store, wanted);
    if (key != NULL) {
        out_store->version = wanted;
        out_store->key = *key;
    } else {
        err = wanted > store->version ? SHERD_ERR_TAMPERED : SHERD_ERR_DENIED;
    }
    sherd_ring_leave(ring);
    return err;
}

enum sherd_err sherd_store_key_get(struct sherd_ring *ring, enum sherd_role role, uint64_t version,
                                   struct sherd_keyring_store *out_store)
{
    enum sherd_err err = get_held(ring, role, version, out_store);

    if (err == SHERD_ERR_TAMPERED) { /* it may be newer than what was heard of */
        sherd_ring_doubt(ring);
        err = get_held(ring, role, version, out_store);
    }
    if (err == SHERD_ERR_TAMPERED)
        return sherd_fail(err, "a record's key does not verify");
    if (err == SHERD_ERR_DENIED)
        return sherd_fail(err, "a record's key hangs on a version of the store key of %s that was destroyed",
                          sherd_role_name(role));
    return err;
}

enum sherd_err sherd_store_key_newest(struct sherd_ring *ring, enum sherd_role role, uint64_t *out_version)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(ring, &keyring));
    *out_version = keyring->stores[role - 1].version;
    sherd_ring_leave(ring);
    return SHERD_OK;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static enum sherd_err role_of(const char *name, enum sherd_role *out_role)
{
    unsigned role = 0;

    if (!sherd_store_key_named(name, &role) || role == 0)
        return sherd_fail(SHERD_ERR_NOT_FOUND,
                          "a store key is one of store:identity, store:assets, store:secrets, store:keys");
    *out_role = (enum sherd_role)role;
    return SHERD_OK;
}

struct activation {
    enum sherd_role role;
    uint64_t version;
};

static enum sherd_err activate_in(void *arg, struct sherd_keyring *keyring)
{
    struct activation *activation = arg;
    struct sherd_keyring_store *store = &keyring->stores[activation->role - 1];

    SHERD_ENSURE(store->older_count < SHERD_STORE_VERSIONS_MAX - 1 && store->version < UINT32_MAX, SHERD_ERR_LIMIT,
                 "there are too many versions of that store key: `sherd rekey` destroys those that nothing needs");
    memmove(&store->older[1], &store->older[0], store->older_count * sizeof(store->older[0]));
    store->older_count++;
    store->older[0] = (struct sherd_keyring_older){.created_s = store->created_s, .key = store->key};
    SHERD_TRY(sherd_random(store->key.bytes, sizeof(store->key.bytes)));
    store->created_s = (uint64_t)sherd_clock()->wall_s();
    activation->version = ++store->version;
    return SHERD_OK;
}

enum sherd_err sherd_store_key_activate(struct sherd_ring *ring, const struct sherd_master_options *options,
                                        uint64_t *out_version)
{
    struct activation activation = {.version = 0};

    SHERD_TRY(role_of(options->name, &activation.role));
    SHERD_ENSURE((options->generator == NULL || strcmp(options->generator, "openssl") == 0) &&
                     (options->store == NULL || strcmp(options->store, "anchor") == 0) &&
                     (options->args == NULL || options->args[0] == 0),
                 SHERD_ERR_INVALID, "a store key is made by openssl and kept in the keyring: it takes no options");
    SHERD_TRY(sherd_ring_change(ring, activate_in, &activation));
    if (out_version != NULL)
        *out_version = activation.version;
    return SHERD_OK;
}

/* --- what there is ------------------------------------------------------------------------------------------------ */

static void inform(const struct sherd_keyring *keyring, enum sherd_role role, uint64_t version,
                   struct sherd_master_info *out_info)
{
    const struct sherd_keyring_store *store = &keyring->stores[role - 1];
    const bool newest = version == store->version;
    const uint64_t created_s = newest ? store->created_s : store->older[store->version - version - 1].created_s;
    struct sherd_master_info info = {.version = version,
                                     .state = newest ? SHERD_MASTER_ACTIVE : SHERD_MASTER_RETIRED,
                                     .wraps = newest,
                                     .generator = "openssl",
                                     .store = "anchor",
                                     .created_s = created_s != 0 ? created_s : keyring->created_s};

    (void)snprintf(info.name, sizeof(info.name), SHERD_STORE_KEY_PREFIX "%s", sherd_role_name(role));
    *out_info = info;
}

enum sherd_err sherd_store_key_each(struct sherd_ring *ring, sherd_master_visit_fn *visit, void *arg)
{
    const struct sherd_keyring *keyring;
    struct sherd_master_info *infos = sherd_alloc_array((size_t)ROLES * SHERD_STORE_VERSIONS_MAX, sizeof(*infos));
    size_t count = 0;

    if (infos == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = sherd_ring_hold(ring, &keyring);
    if (err == SHERD_OK) {
        for (unsigned i = 0; i < ROLES; i++)
            for (uint64_t v = sherd_keyring_floor(&keyring->stores[i]); v <= keyring->stores[i].version; v++)
                inform(keyring, (enum sherd_role)(i + 1), v, &infos[count++]);
        sherd_ring_leave(ring);
    }
    for (size_t i = 0; i < count && err == SHERD_OK; i++)
        err = visit(arg, &infos[i]);
    sherd_free(infos);
    return err;
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

/* Find an older version. @param[out] out_floor  the oldest one */
static enum sherd_err find_older(struct sherd_ring *ring, const char *name, uint64_t version, enum sherd_role *out_role,
                                 uint64_t *out_floor)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(role_of(name, out_role));
    SHERD_TRY(sherd_ring_hold(ring, &keyring));
    const struct sherd_keyring_store *store = &keyring->stores[*out_role - 1];
    const uint64_t newest = store->version;
    *out_floor = sherd_keyring_floor(store);
    sherd_ring_leave(ring);
    if (version < *out_floor || version > newest)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no version %llu of %s", (unsigned long long)version, name);
    SHERD_ENSURE(version != newest, SHERD_ERR_CONFLICT,
                 "that is the version that seals: activate another one first, and rekey");
    return SHERD_OK;
}

enum sherd_err sherd_store_key_retire(struct sherd_ring *ring, const char *name, uint64_t version)
{
    enum sherd_role role;
    uint64_t floor;

    SHERD_TRY(find_older(ring, name, version, &role, &floor));
    return sherd_ring_tell(ring);
}

enum sherd_err sherd_store_key_ends(struct sherd_ring *ring, const char *name, uint64_t version,
                                    struct sherd_store_ends *out_ends)
{
    enum sherd_role role;
    uint64_t floor;

    SHERD_TRY(find_older(ring, name, version, &role, &floor));
    SHERD_ENSURE(version == floor, SHERD_ERR_CONFLICT,
                 "there are older versions of that store key: destroy them first");
    *out_ends = (struct sherd_store_ends){.below = {0}};
    out_ends->below[role - 1] = version + 1;
    return SHERD_OK;
}

static enum sherd_err end_in(void *arg, struct sherd_keyring *keyring)
{
    const struct sherd_store_ends *ends = arg;

    for (unsigned i = 0; i < ROLES; i++) {
        struct sherd_keyring_store *store = &keyring->stores[i];

        while (store->older_count > 0 && sherd_keyring_floor(store) < ends->below[i]) {
            store->older_count--;
            sherd_wipe(&store->older[store->older_count], sizeof(store->older[0]));
        }
    }
    return SHERD_OK;
}

enum sherd_err sherd_store_key_end(struct sherd_ring *ring, const struct sherd_store_ends *ends)
{
    struct sherd_store_ends copy = *ends;

    SHERD_FAILPOINT("stores.before_end");
    return sherd_ring_change(ring, end_in, &copy);
}
