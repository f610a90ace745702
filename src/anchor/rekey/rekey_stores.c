/* SPDX-License-Identifier: Apache-2.0 */
/* Store keys and the hash key at the end of a rekeying: see rekey_stores.h. */
#include "anchor/rekey/rekey_stores.h"
#include <string.h>

#define ROLES 4U

enum {
    PHASE_KEYS,
    PHASE_OTHERS,
    PHASE_END,
};

/* --- what is to end ----------------------------------------------------------------------------------------------- */

enum sherd_err sherd_rekey_stores_begin(const struct sherd_rekey_parts *parts, struct sherd_rekey_stores *stores)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(parts->ring, &keyring));
    for (unsigned i = 0; i < ROLES; i++)
        if (keyring->stores[i].older_count > 0)
            stores->ends.below[i] = keyring->stores[i].version;
    const struct sherd_master *hash = sherd_keyring_active(keyring, SHERD_MASTER_HASH);
    for (size_t i = 0; i < keyring->master_count; i++)
        if (&keyring->masters[i] != hash && strcmp(keyring->masters[i].name, SHERD_MASTER_HASH) == 0)
            stores->hash_versions[stores->hash_count++] = keyring->masters[i].version;
    sherd_ring_leave(parts->ring);
    return SHERD_OK;
}

bool sherd_rekey_stores_idle(const struct sherd_rekey_stores *stores)
{
    bool any = stores->hash_count > 0;

    for (unsigned i = 0; i < ROLES; i++)
        any = any || stores->ends.below[i] != 0;
    return !any;
}

void sherd_rekey_stores_done(struct sherd_rekey_stores *stores)
{
    sherd_reseal_free(stores->walk);
    stores->walk = NULL;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

struct count {
    enum sherd_role role;
    uint64_t below;
    uint64_t count;
};

/*
 * Whether an entry of a compartment lies under a version below one. `secrets` keeps fragments beside its entries; the
 * keyring's pin goes along with the keyring, and is sealed anew with each change of it.
 */
static bool is_below(enum sherd_role role, uint64_t below, struct sherd_span stored)
{
    if (role == SHERD_SECRETS && !sherd_entry_is_everywhere(SHERD_FOR_SECRETS, stored))
        return false;
    if (role == SHERD_KEYS && stored.len > 1 && stored.data[1] == SHERD_KIND_KEYRING_PIN)
        return false;
    return sherd_entry_version(stored) < below;
}

static enum sherd_err count_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct count *count = arg;

    (void)name;
    count->count += is_below(count->role, count->below, stored) ? 1 : 0;
    return SHERD_OK;
}

static enum sherd_err count_in(struct sherd_compartment *compartment, struct count *count)
{
    struct sherd_snapshot *snapshot;

    if (compartment == NULL)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "what refers to the store key of %s cannot be counted here",
                          sherd_role_name(count->role));
    SHERD_TRY(sherd_compartment_snapshot_begin(compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, count_one, count);
    sherd_snapshot_end(snapshot);
    return err;
}

enum sherd_err sherd_rekey_stores_count(const struct sherd_rekey_parts *parts, const struct sherd_store_ends *ends,
                                        uint64_t out_counts[4])
{
    struct sherd_rekey_references references = {.secrets_below = ends->below[SHERD_SECRETS - 1]};

    if (ends->below[SHERD_KEYS - 1] != 0) /* what waits for the ledger goes when it is there, and is not sealed anew */
        SHERD_TRY(sherd_sequencer_run(parts->sequencer, NULL));
    for (unsigned i = 0; i < ROLES; i++) {
        struct count count = {.role = (enum sherd_role)(i + 1), .below = ends->below[i]};

        out_counts[i] = 0;
        if (count.below == 0)
            continue;
        SHERD_TRY(count_in(count.role == SHERD_KEYS ? parts->pins->compartment : parts->others[i], &count));
        out_counts[i] = count.count;
    }
    if (references.secrets_below != 0)
        SHERD_TRY(sherd_rekey_count(parts, &references));
    out_counts[SHERD_SECRETS - 1] += references.secrets_count;
    return SHERD_OK;
}

/* --- sealing `keys` anew ------------------------------------------------------------------------------------------ */

static bool wanted(void *arg, struct sherd_span stored)
{
    const struct sherd_rekey_stores *stores = arg;

    return is_below(SHERD_KEYS, stores->ends.below[SHERD_KEYS - 1], stored) && !sherd_pending_stored(stored);
}

static enum sherd_err reseal_one(void *arg, const struct sherd_ref *name, struct sherd_span stored,
                                 struct sherd_buf *out_stored)
{
    const struct sherd_rekey_stores *stores = arg;

    return sherd_entry_reseal(stores->keys, name, stored, out_stored);
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

static enum sherd_err end_stores(const struct sherd_rekey_parts *parts, const struct sherd_rekey_stores *stores)
{
    struct sherd_store_ends ends = stores->ends;
    uint64_t counts[ROLES];
    bool any = false;

    for (unsigned i = 0; i < ROLES - 1; i++)
        if (parts->others[i] == NULL) /* nobody can count there, so nothing is ended */
            ends.below[i] = 0;
    SHERD_TRY(sherd_rekey_stores_count(parts, &ends, counts));
    for (unsigned i = 0; i < ROLES; i++) {
        if (counts[i] > 0)
            ends.below[i] = 0;
        any = any || ends.below[i] != 0;
    }
    return any ? sherd_store_key_end(parts->ring, &ends) : SHERD_OK;
}

/* Once it is retired nothing new refers to a version: sherd_entities_guard(). So what is counted then stays so. */
static enum sherd_err end_hash(const struct sherd_rekey_parts *parts, uint64_t version)
{
    struct sherd_rekey_references references = {.epoch = 0};

    enum sherd_err err = sherd_masters_retired(parts->masters, SHERD_MASTER_HASH, version, &references.master);
    if (err == SHERD_ERR_CONFLICT) {
        SHERD_TRY(sherd_masters_retire(parts->masters, SHERD_MASTER_HASH, version));
        err = sherd_masters_retired(parts->masters, SHERD_MASTER_HASH, version, &references.master);
    }
    if (err == SHERD_ERR_NOT_FOUND) /* destroyed by hand meanwhile */
        return SHERD_OK;
    SHERD_TRY(err);
    SHERD_TRY(sherd_rekey_count(parts, &references));
    return references.master_count == 0 ? sherd_masters_destroy(parts->masters, &references.master) : SHERD_OK;
}

static enum sherd_err end_all(const struct sherd_rekey_parts *parts, const struct sherd_rekey_stores *stores)
{
    SHERD_TRY(end_stores(parts, stores));
    for (size_t i = 0; i < stores->hash_count; i++)
        SHERD_TRY(end_hash(parts, stores->hash_versions[i]));
    return SHERD_OK;
}

/* --- the walk ----------------------------------------------------------------------------------------------------- */

static enum sherd_err step_keys(const struct sherd_rekey_parts *parts, struct sherd_rekey_stores *stores,
                                size_t count_max, struct sherd_rekey_progress *progress)
{
    const struct sherd_reseal_over over = {.compartment = parts->pins->compartment,
                                           .ring = parts->ring,
                                           .wanted = wanted,
                                           .one = reseal_one,
                                           .arg = stores};
    struct sherd_reseal_progress at;

    stores->keys = &parts->pins->keys;
    if (stores->walk == NULL)
        SHERD_TRY(sherd_reseal_begin(&over, &stores->walk));
    SHERD_TRY(sherd_reseal_step(stores->walk, count_max, &at));
    progress->seen += at.seen - stores->walk_seen;
    progress->resealed_count = at.count;
    stores->walk_seen = at.seen;
    if (at.done)
        stores->phase = PHASE_OTHERS;
    return SHERD_OK;
}

/* The other compartments are for whoever rekeys to walk over. */
static void want_others(struct sherd_rekey_stores *stores, struct sherd_rekey_progress *progress)
{
    for (unsigned role = SHERD_IDENTITY; role < SHERD_KEYS; role++)
        if (stores->ends.below[role - 1] != 0)
            progress->reseal_wanted |= (uint8_t)(1U << role);
    stores->phase = PHASE_END;
}

enum sherd_err sherd_rekey_stores_step(const struct sherd_rekey_parts *parts, struct sherd_rekey_stores *stores,
                                       size_t count_max, struct sherd_rekey_progress *progress)
{
    if (stores->phase == PHASE_KEYS && stores->ends.below[SHERD_KEYS - 1] == 0)
        stores->phase = PHASE_OTHERS;
    switch (stores->phase) {
    case PHASE_KEYS: return step_keys(parts, stores, count_max, progress);
    case PHASE_OTHERS: want_others(stores, progress); return SHERD_OK;
    default: break;
    }
    SHERD_TRY(end_all(parts, stores));
    progress->done = true;
    return SHERD_OK;
}

/* --- by hand ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_rekey_unreferred(uint64_t count)
{
    if (count == 0)
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_CONFLICT, "%llu entries still refer to that version: run `sherd rekey` first",
                      (unsigned long long)count);
}

enum sherd_err sherd_rekey_stores_destroy(const struct sherd_rekey_parts *parts, const char *name, uint64_t version)
{
    struct sherd_store_ends ends;
    uint64_t counts[ROLES];
    uint64_t count = 0;

    SHERD_TRY(sherd_store_key_ends(parts->ring, name, version, &ends));
    SHERD_TRY(sherd_rekey_stores_count(parts, &ends, counts));
    for (unsigned i = 0; i < ROLES; i++)
        count += counts[i];
    SHERD_TRY(sherd_rekey_unreferred(count));
    return sherd_store_key_end(parts->ring, &ends);
}
