/* SPDX-License-Identifier: Apache-2.0 */
/* From one erase epoch to the next: see epoch_turn.h. */
#include "anchor/epoch_turn.h"
#include "anchor/epoch.h"

struct epoch_change {
    const struct sherd_home *home;
    uint64_t epoch;
};

/* The home's lock is held: sherd_ring_change(). */
static enum sherd_err begin_epoch(void *arg, struct sherd_keyring *keyring)
{
    struct epoch_change *change = arg;

    SHERD_ENSURE(keyring->epoch < UINT32_MAX, SHERD_ERR_LIMIT, "there are no more erase epochs");
    SHERD_TRY(sherd_epoch_begin(change->home, keyring->epoch));
    change->epoch = ++keyring->epoch;
    return SHERD_OK;
}

enum sherd_err sherd_epoch_turn_begin(const struct sherd_rekey_parts *parts, uint64_t *out_epoch)
{
    struct epoch_change change = {.home = parts->home};

    SHERD_TRY(sherd_ring_change(parts->ring, begin_epoch, &change));
    *out_epoch = change.epoch;
    return SHERD_OK;
}

/* As begin_epoch(): and nobody has begun another one since what refers to the old ones was counted. */
static enum sherd_err end_epoch(void *arg, const struct sherd_keyring *keyring)
{
    const struct epoch_change *change = arg;

    SHERD_ENSURE(keyring->epoch == change->epoch, SHERD_ERR_CONFLICT, "somebody else has begun another erase epoch");
    SHERD_TRY(sherd_epoch_end(change->home, change->epoch));
    return sherd_notice_raise(sherd_home_notice(change->home));
}

enum sherd_err sherd_epoch_turn_end(const struct sherd_rekey_parts *parts, uint64_t *out_epoch)
{
    struct sherd_rekey_references references = {0};
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(parts->ring, &keyring));
    references.epoch = keyring->epoch;
    sherd_ring_leave(parts->ring);
    SHERD_TRY(sherd_rekey_count(parts, &references));
    if (references.epoch_count > 0)
        return sherd_fail(SHERD_ERR_CONFLICT,
                          "%llu entries still lie under an older erase epoch: rekey everything first",
                          (unsigned long long)references.epoch_count);
    struct epoch_change change = {.home = parts->home, .epoch = references.epoch};
    SHERD_TRY(sherd_ring_look(parts->ring, end_epoch, &change));
    *out_epoch = change.epoch;
    return SHERD_OK;
}
