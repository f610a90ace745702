/* SPDX-License-Identifier: Apache-2.0 */
/* The anchor's state at one instant: see state.h. */
#include "anchor/embedded/state.h"
#include "base/clock.h"
#include "base/secret.h"

/* How often a state that changes while it is looked at is looked at anew. */
#define TRIES_MAX 100

/* The epoch that serves, as the keyring of this moment says. */
static enum sherd_err serving_epoch(struct sherd_ring *ring, uint64_t *out_epoch)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(ring, &keyring));
    *out_epoch = keyring->epoch;
    sherd_ring_leave(ring);
    return SHERD_OK;
}

/* The keyring that is pinned in the snapshot. @return SHERD_ERR_NOT_FOUND: another one took its place since */
static enum sherd_err copy_keyring(const struct sherd_home *home, struct sherd_ring *ring,
                                   struct sherd_anchor_state *state)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *keyring = sherd_secret_alloc(sizeof(*keyring));
    struct sherd_digest pinned;

    if (keyring == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ring_pinned(ring, state->keys, &pinned));
    state->keyring = (struct sherd_buf){.max = SHERD_KEYRING_BYTES_MAX};
    SHERD_TRY(sherd_home_keyring_copy(home, &pinned, &state->keyring));
    SHERD_TRY(sherd_home_check_keyring(home, sherd_buf_span(&state->keyring), keyring));
    state->generation = keyring->generation;
    state->epoch = keyring->epoch;
    return SHERD_OK;
}

/*
 * The epochs that the snapshot may refer to: those that had a key before it was taken, and the one that served then. If
 * one of them is gone by now, the snapshot may hold what nothing opens any more.
 */
static enum sherd_err find_epochs(const struct sherd_home *home, uint64_t oldest, struct sherd_anchor_state *state,
                                  struct sherd_span salt)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_epoch_read(home, state->epoch, set));
    if (set->numbers[0] > oldest)
        return SHERD_ERR_NOT_FOUND;
    state->epoch_older = set->count == 2 ? set->numbers[0] : 0;
    state->key = sherd_secret_alloc(sizeof(*state->key));
    if (state->key == NULL)
        return SHERD_ERR_NO_MEMORY;
    return sherd_epoch_backup_key(home, set, salt, state->key->bytes);
}

static enum sherd_err oldest_epoch(const struct sherd_home *home, struct sherd_ring *ring, uint64_t *out_oldest)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));
    uint64_t serving;

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(serving_epoch(ring, &serving));
    SHERD_TRY(sherd_epoch_read(home, serving, set));
    *out_oldest = set->numbers[0];
    return SHERD_OK;
}

static enum sherd_err take_once(const struct sherd_home *home, struct sherd_ring *ring, struct sherd_compartment *keys,
                                struct sherd_span salt, struct sherd_anchor_state *state)
{
    uint64_t oldest;

    SHERD_TRY(oldest_epoch(home, ring, &oldest));
    state->seals = (struct sherd_buf){.max = SHERD_SEAL_COPIES_BYTES_MAX};
    SHERD_TRY(sherd_home_seals_copy(home, &state->seals));
    SHERD_TRY(sherd_compartment_snapshot_begin(keys, &state->keys));
    SHERD_TRY(copy_keyring(home, ring, state));
    return find_epochs(home, oldest, state, salt);
}

enum sherd_err sherd_anchor_state_take(const struct sherd_home *home, struct sherd_ring *ring,
                                       struct sherd_compartment *keys, struct sherd_span salt,
                                       struct sherd_anchor_state *state)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        const enum sherd_err err = take_once(home, ring, keys, salt, state);

        if (err != SHERD_ERR_NOT_FOUND)
            return err;
        sherd_anchor_state_done(state);
    }
    return sherd_fail(SHERD_ERR_BUSY, "the keyring changes all the time: try again");
}

void sherd_anchor_state_done(struct sherd_anchor_state *state)
{
    sherd_snapshot_end(state->keys);
    sherd_secret_free(state->key);
    sherd_buf_done(&state->keyring);
    sherd_buf_done(&state->seals);
    *state = (struct sherd_anchor_state){0};
}

/* --- keys of epochs, exported ------------------------------------------------------------------------------------- */

enum sherd_err sherd_anchor_epoch_export(const struct sherd_home *home, struct sherd_ring *ring,
                                         struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));
    uint64_t serving;

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(serving_epoch(ring, &serving));
    SHERD_TRY(sherd_epoch_read(home, serving, set));
    return sherd_epoch_export_file(home, set, out_file);
}

struct adoption {
    const struct sherd_home *home;
    const struct sherd_epoch_set *set;
};

/* The home's lock is held: sherd_ring_change(). */
static enum sherd_err adopt(void *arg, struct sherd_keyring *keyring)
{
    const struct adoption *adoption = arg;
    const size_t last = adoption->set->count - 1;

    SHERD_ENSURE(adoption->set->numbers[last] > keyring->epoch, SHERD_ERR_CONFLICT, "that is no later erase epoch");
    SHERD_TRY(sherd_epoch_adopt(adoption->home, keyring->epoch, adoption->set->numbers[last],
                                &adoption->set->keys[last]));
    keyring->epoch = adoption->set->numbers[last];
    keyring->epoch_before_s = keyring->epoch_s;
    keyring->epoch_s = (uint64_t)sherd_clock()->wall_s();
    return SHERD_OK;
}

enum sherd_err sherd_anchor_epoch_adopt(const struct sherd_home *home, struct sherd_ring *ring, struct sherd_span file)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));
    struct adoption adoption = {.home = home, .set = set};

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_epoch_import_file(home, file, set));
    return sherd_ring_change(ring, adopt, &adoption);
}
