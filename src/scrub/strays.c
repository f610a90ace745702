/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no pin led to: see strays.h. Scans ascend, and so do the names that were reached: they are passed in step. Both
 * compartments are scanned at once, each by a thread.
 */
#include "scrub/strays.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "scrub/instant.h"
#include "scrub/reseal.h"
#include <string.h>

struct strays {
    struct sherd_vault *vault;
    struct sherd_reached *reached;
    sherd_strays_fn *fn;
    void *arg;
    struct sherd_instant instant;
    uint8_t *block; /* secret memory for one payload */
    size_t maps_at; /* how far the names that were reached are passed */
    size_t fragments_at;
    struct sherd_refs late;  /* fragments of map entries that are live, but were not reached: pinned since */
    uint64_t map_count;      /* map entries that are not live */
    uint64_t fragment_count; /* fragments that were not reached */
    bool unsure;             /* something does not verify */
};

enum sherd_err sherd_reached_add(struct sherd_reached *reached, const struct sherd_ref *map,
                                 const struct sherd_ref *fragment)
{
    if (reached->full)
        return SHERD_OK;
    if (reached->maps.count == reached->max) {
        sherd_reached_done(reached);
        reached->full = true;
        return SHERD_OK;
    }
    SHERD_TRY(sherd_refs_add(&reached->maps, map));
    const enum sherd_err err = sherd_refs_add(&reached->fragments, fragment);
    if (err != SHERD_OK)
        reached->maps.count--; /* both or none */
    return err;
}

enum sherd_err sherd_reached_join(struct sherd_reached *reached, const struct sherd_reached *other)
{
    for (size_t i = 0; i < other->maps.count; i++)
        SHERD_TRY(sherd_reached_add(reached, &other->maps.refs[i], &other->fragments.refs[i]));
    return SHERD_OK;
}

void sherd_reached_done(struct sherd_reached *reached)
{
    sherd_refs_done(&reached->maps);
    sherd_refs_done(&reached->fragments);
}

/* Whether the list has a name; asked for ascending names only. */
static bool is_next(const struct sherd_refs *refs, size_t *at, const struct sherd_ref *name)
{
    int order = -1;

    while (*at < refs->count && (order = memcmp(&refs->refs[*at], name, sizeof(*name))) < 0) /* not secret: names */
        (*at)++;
    return *at < refs->count && order == 0;
}

static enum sherd_err check_map(struct strays *strays, const struct sherd_ref *name, struct sherd_span stored)
{
    struct sherd_buf payload = sherd_buf_borrow(strays->block, SHERD_PAYLOAD_BYTES_MAX);
    SHERD_CLEANUP(sherd_map_wipe) struct sherd_map map = {0};
    bool live;

    SHERD_TRY(sherd_assets_map_open(&strays->vault->assets, name, stored, &payload, &map));
    if (strays->reached->full)
        return SHERD_OK; /* the sweeper looks at its pin */
    const enum sherd_err err = sherd_map_is_live(strays->vault, name, &map, &live);
    if (err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED) { /* found in the walk over the pins */
        strays->unsure = true;
        return SHERD_OK;
    }
    SHERD_TRY(err);
    if (live)
        return sherd_refs_add(&strays->late, &map.data);
    strays->map_count++;
    return SHERD_OK;
}

static enum sherd_err look_at_asset(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct strays *strays = arg;
    const struct sherd_assets *assets = &strays->vault->assets;

    return sherd_assets_is_map(assets, stored) ? check_map(strays, &name, stored)
                                               : sherd_assets_entry_check(assets, &name, stored);
}

static enum sherd_err visit_asset(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct strays *strays = arg;

    if (is_next(&strays->reached->maps, &strays->maps_at, &name))
        return SHERD_OK;
    const enum sherd_err err = sherd_reseal_look(strays->vault->assets.compartment, name, stored, look_at_asset,
                                                 strays);
    if (err != SHERD_ERR_TAMPERED)
        return err;
    strays->unsure = true;
    strays->fn(strays->arg, "assets", &name);
    return SHERD_OK;
}

static enum sherd_err look_at_part(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    const struct strays *strays = arg;
    struct sherd_anchor *anchor = strays->vault->anchor;
    bool live;

    return anchor->ops->part_check(anchor, SHERD_SECRETS, &name, stored, &live);
}

/* A part of a master key: no fragment. */
static enum sherd_err check_part(struct strays *strays, const struct sherd_ref *name, struct sherd_span stored)
{
    const enum sherd_err err = sherd_reseal_look(strays->vault->secrets, *name, stored, look_at_part, strays);

    if (err != SHERD_ERR_TAMPERED)
        return err;
    strays->fn(strays->arg, "secrets", name);
    return SHERD_OK;
}

static enum sherd_err visit_secret(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct strays *strays = arg;

    if (sherd_entry_is_key_part(SHERD_FOR_SECRETS, stored))
        return check_part(strays, &name, stored);
    if (!is_next(&strays->reached->fragments, &strays->fragments_at, &name) &&
        !sherd_same(&name, &strays->instant.owner, sizeof(name)))
        strays->fragment_count++;
    return SHERD_OK;
}

static void count_blobs(struct strays *strays)
{
    for (size_t i = 0; i < strays->instant.blobs.count; i++)
        if (!sherd_refs_have(&strays->reached->fragments, &strays->instant.blobs.refs[i]))
            strays->fragment_count++;
}

/* Whether a fragment was counted, as one that was not reached. */
static enum sherd_err was_counted(struct strays *strays, const struct sherd_ref *name, bool *out_counted)
{
    struct sherd_buf stored = {.max = SHERD_STORE_VALUE_BYTES_MAX};

    *out_counted = false;
    if (sherd_refs_have(&strays->reached->fragments, name))
        return SHERD_OK;
    const enum sherd_err err = sherd_snapshot_get(strays->instant.secrets, *name, &stored);
    sherd_buf_done(&stored);
    *out_counted = err != SHERD_ERR_NOT_FOUND || sherd_refs_have(&strays->instant.blobs, name);
    return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}

/* Fragments that live map entries lead to are no orphans. */
static enum sherd_err take_back_late(struct strays *strays)
{
    for (size_t i = 0; i < strays->late.count; i++) {
        bool counted;

        SHERD_TRY(was_counted(strays, &strays->late.refs[i], &counted));
        strays->fragment_count -= counted ? 1 : 0;
    }
    return SHERD_OK;
}

static enum sherd_err order_list(void *arg, size_t index)
{
    struct sherd_reached *reached = arg;

    sherd_refs_order(index == 0 ? &reached->maps : &reached->fragments);
    return SHERD_OK;
}

static enum sherd_err scan_one(void *arg, size_t index)
{
    struct strays *strays = arg;

    if (index == 0)
        return sherd_snapshot_scan(strays->instant.assets, NULL, visit_asset, strays);
    return strays->reached->full ? SHERD_OK : sherd_snapshot_scan(strays->instant.secrets, NULL, visit_secret, strays);
}

static enum sherd_err count_by_sweeper(struct strays *strays)
{
    struct sherd_sweep_stat sweep;

    const enum sherd_err err = sherd_vault_sweep(strays->vault, true, &sweep);
    if (err == SHERD_OK) {
        strays->map_count = sweep.map_count;
        strays->fragment_count = sweep.fragment_count;
    }
    strays->unsure = strays->unsure || err == SHERD_ERR_TAMPERED;
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static enum sherd_err check(struct strays *strays)
{
    strays->block = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    if (strays->block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_pool_each(strays->vault->pool, 2, order_list, strays->reached));
    SHERD_TRY(sherd_instant_take(strays->vault, &strays->instant));
    SHERD_TRY(sherd_pool_each(strays->vault->pool, 2, scan_one, strays));
    if (strays->reached->full)
        return count_by_sweeper(strays);
    sherd_refs_order(&strays->instant.blobs);
    count_blobs(strays);
    return take_back_late(strays);
}

enum sherd_err sherd_strays_check(struct sherd_vault *vault, struct sherd_reached *reached, sherd_strays_fn *fn,
                                  void *arg, uint64_t *out_orphan_count)
{
    struct strays strays = {.vault = vault, .reached = reached, .fn = fn, .arg = arg};

    const enum sherd_err err = check(&strays);
    sherd_instant_done(&strays.instant);
    sherd_refs_done(&strays.late);
    sherd_secret_free(strays.block);
    SHERD_TRY(err);
    *out_orphan_count = strays.unsure ? 0 : strays.map_count + strays.fragment_count;
    return SHERD_OK;
}
