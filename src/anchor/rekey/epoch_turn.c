/* SPDX-License-Identifier: Apache-2.0 */
/* From one erase epoch to the next: see epoch_turn.h. */
#include "anchor/rekey/epoch_turn.h"
#include "anchor/keys/epoch.h"
#include "base/clock.h"
#include "base/secret.h"
#include <stdio.h>
#include <string.h>

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
    keyring->epoch_before_s = keyring->epoch_s;
    keyring->epoch_s = (uint64_t)sherd_clock()->wall_s();
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

/* --- among the keys ----------------------------------------------------------------------------------------------- */

bool sherd_epoch_named(const char *name)
{
    return name != NULL && strcmp(name, SHERD_ERASE_EPOCH) == 0;
}

/* What the keyring says of the epoch that serves, and the one before. */
struct epochs {
    uint64_t serving;
    uint64_t began_s[2]; /* of the one before, and the one that serves */
};

static enum sherd_err read_epochs(struct sherd_ring *ring, struct epochs *out_epochs)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(ring, &keyring));
    *out_epochs = (struct epochs){
        .serving = keyring->epoch,
        .began_s = {keyring->epoch_before_s != 0 ? keyring->epoch_before_s : keyring->created_s,
                    keyring->epoch_s != 0 ? keyring->epoch_s : keyring->created_s}};
    sherd_ring_leave(ring);
    return SHERD_OK;
}

/* The epoch before the one that serves, if it has a key. 0: it has none */
static enum sherd_err read_older(const struct sherd_rekey_parts *parts, const struct epochs *epochs,
                                 uint64_t *out_older)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_epoch_read(parts->home, epochs->serving, set));
    *out_older = set->count == 2 ? set->numbers[0] : 0;
    return SHERD_OK;
}

static struct sherd_master_info inform(uint64_t epoch, bool serves, uint64_t began_s)
{
    struct sherd_master_info info = {.version = epoch,
                                     .state = serves ? SHERD_MASTER_ACTIVE : SHERD_MASTER_RETIRED,
                                     .wraps = serves,
                                     .generator = "openssl",
                                     .store = "anchor",
                                     .created_s = began_s};

    (void)snprintf(info.name, sizeof(info.name), "%s", SHERD_ERASE_EPOCH);
    return info;
}

enum sherd_err sherd_epoch_turn_each(const struct sherd_rekey_parts *parts, sherd_master_visit_fn *visit, void *arg)
{
    struct sherd_master_info info;
    struct epochs epochs;
    uint64_t older;

    SHERD_TRY(read_epochs(parts->ring, &epochs));
    SHERD_TRY(read_older(parts, &epochs, &older));
    if (older != 0) {
        info = inform(older, false, epochs.began_s[0]);
        SHERD_TRY(visit(arg, &info));
    }
    info = inform(epochs.serving, true, epochs.began_s[1]);
    return visit(arg, &info);
}

enum sherd_err sherd_epoch_turn_retired(const struct sherd_rekey_parts *parts, uint64_t epoch)
{
    struct epochs epochs;
    uint64_t older;

    SHERD_TRY(read_epochs(parts->ring, &epochs));
    SHERD_TRY(read_older(parts, &epochs, &older));
    SHERD_ENSURE(epoch != epochs.serving, SHERD_ERR_CONFLICT, "that erase epoch serves: `sherd epoch roll` ends it");
    if (older == 0 || epoch != older)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no erase epoch %llu any more", (unsigned long long)epoch);
    return SHERD_OK;
}

enum sherd_err sherd_epoch_turn_destroy(const struct sherd_rekey_parts *parts, uint64_t epoch)
{
    SHERD_TRY(sherd_epoch_turn_retired(parts, epoch));
    return sherd_epoch_turn_end(parts, &epoch);
}
