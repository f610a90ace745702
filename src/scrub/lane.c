/* SPDX-License-Identifier: Apache-2.0 */
/* The short way: see lane.h. */
#include "scrub/lane.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/rows.h"
#include "scrub/contents.h"

/* Room for whatever lies in an entry. */
#define FRAGMENT_BYTES_MAX ((size_t)sherd_fragment_bytes(SHERD_INLINE_BYTES_MAX) + SHERD_ROW_TLV_BYTES_MAX)

struct sherd_lane {
    struct sherd_vault *vault;
    struct sherd_snapshot *assets;
    struct sherd_snapshot *secrets;
    uint8_t *payload;  /* in secret memory, as all that follows */
    uint8_t *fragment; /* FRAGMENT_BYTES_MAX */
    uint8_t *plain;
    struct sherd_version_keys *keys;
    struct sherd_loaded loaded; /* borrows all that */
    uint8_t map_block[SHERD_ENTRY_BYTES_MAX];
};

static enum sherd_err ready(struct sherd_lane *lane)
{
    lane->payload = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    lane->fragment = sherd_secret_alloc(FRAGMENT_BYTES_MAX);
    lane->plain = sherd_secret_alloc(SHERD_INLINE_BYTES_MAX);
    lane->keys = sherd_secret_alloc(sizeof(*lane->keys));
    if (lane->payload == NULL || lane->fragment == NULL || lane->plain == NULL || lane->keys == NULL)
        return SHERD_ERR_NO_MEMORY;
    lane->loaded.keys = lane->keys;
    return SHERD_OK;
}

enum sherd_err sherd_lane_new(struct sherd_vault *vault, struct sherd_lane **out_lane)
{
    SHERD_CLEANUP(sherd_lane_freep) struct sherd_lane *lane = sherd_alloc(sizeof(*lane));

    if (lane == NULL)
        return SHERD_ERR_NO_MEMORY;
    lane->vault = vault;
    SHERD_TRY(ready(lane));
    *out_lane = sherd_lane_take(&lane);
    return SHERD_OK;
}

void sherd_lane_rest(struct sherd_lane *lane)
{
    sherd_snapshot_end(lane->secrets);
    sherd_snapshot_end(lane->assets);
    lane->secrets = NULL;
    lane->assets = NULL;
}

void sherd_lane_free(struct sherd_lane *lane)
{
    if (lane == NULL)
        return;
    sherd_lane_rest(lane);
    sherd_secret_free(lane->keys);
    sherd_secret_free(lane->plain);
    sherd_secret_free(lane->fragment);
    sherd_secret_free(lane->payload);
    sherd_wipe(lane, sizeof(*lane));
    sherd_free(lane);
}

static enum sherd_err read_map(struct sherd_lane *lane)
{
    struct sherd_loaded *loaded = &lane->loaded;
    struct sherd_buf stored = sherd_buf_borrow(lane->map_block, sizeof(lane->map_block));
    struct sherd_buf payload = sherd_buf_borrow(lane->payload, SHERD_PAYLOAD_BYTES_MAX);

    SHERD_TRY(sherd_snapshot_get(lane->assets, loaded->view.pin.map, &stored));
    SHERD_TRY(sherd_assets_map_open(&lane->vault->assets, &loaded->view.pin.map, sherd_buf_span(&stored), &payload,
                                    &loaded->map));
    return sherd_map_agrees(&loaded->map, &loaded->view.pin) ? SHERD_OK : SHERD_ERR_TAMPERED;
}

static enum sherd_err read_fragment(struct sherd_lane *lane)
{
    struct sherd_loaded *loaded = &lane->loaded;

    loaded->fragment = sherd_buf_borrow(lane->fragment, FRAGMENT_BYTES_MAX);
    SHERD_TRY(sherd_snapshot_get(lane->secrets, loaded->map.data, &loaded->fragment));
    if (loaded->fragment.len != loaded->map.fragment_bytes)
        return SHERD_ERR_TAMPERED;
    if (loaded->map.readable)
        return sherd_row_read(lane->vault, loaded);
    SHERD_TRY(sherd_fragment_prefix_decode(sherd_buf_span(&loaded->fragment), &loaded->keys->in_secrets));
    loaded->keys->in_assets = loaded->map.share;
    sherd_content_context(lane->vault, &loaded->view.pin, &loaded->context);
    return sherd_content_key_derive(loaded->keys, &loaded->context);
}

static enum sherd_err look(struct sherd_lane *lane)
{
    if (lane->assets == NULL)
        SHERD_TRY(sherd_compartment_snapshot_begin(lane->vault->assets.compartment, &lane->assets));
    if (lane->secrets == NULL)
        SHERD_TRY(sherd_compartment_snapshot_begin(lane->vault->secrets, &lane->secrets));
    return SHERD_OK;
}

static enum sherd_err check(struct sherd_lane *lane, struct sherd_uuid record, uint64_t version)
{
    struct sherd_loaded *loaded = &lane->loaded;
    struct sherd_buf plain = sherd_buf_borrow(lane->plain, SHERD_INLINE_BYTES_MAX);
    struct sherd_anchor *anchor = lane->vault->anchor;

    SHERD_TRY(look(lane));
    SHERD_TRY(anchor->ops->pin_get(anchor, record, version, &loaded->view, &loaded->keys->record));
    SHERD_TRY(read_map(lane));
    if (loaded->map.blob)
        return SHERD_ERR_LIMIT;
    SHERD_TRY(read_fragment(lane));
    return sherd_contents_check_inline(loaded, &plain);
}

bool sherd_lane_check(struct sherd_lane *lane, struct sherd_uuid record, uint64_t version,
                      const struct sherd_loaded **out_loaded)
{
    if (check(lane, record, version) != SHERD_OK)
        return false;
    *out_loaded = &lane->loaded;
    return true;
}
