/* SPDX-License-Identifier: Apache-2.0 */
/* The instant at which nothing is in flight: see instant.h. Blobs are not in a snapshot, so they are listed first. */
#include "scrub/instant.h"
#include "base/bytes.h"

static enum sherd_err note_blob(void *arg, struct sherd_ref name, struct sherd_span bytes)
{
    (void)bytes;
    return sherd_refs_add(arg, &name);
}

static enum sherd_err find_owner(struct sherd_vault *vault, struct sherd_ref *out_owner)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));

    return vault->anchor->ops->compartment_entry(vault->anchor, SHERD_SECRETS, out_owner, &stored);
}

enum sherd_err sherd_instant_take(struct sherd_vault *vault, struct sherd_instant *instant)
{
    SHERD_TRY(find_owner(vault, &instant->owner));
    SHERD_TRY(sherd_compartment_blob_scan(vault->secrets, NULL, note_blob, &instant->blobs));
    SHERD_TRY(sherd_window_enter(vault->window, true));
    enum sherd_err err = sherd_compartment_snapshot_begin(vault->assets.compartment, &instant->assets);
    if (err == SHERD_OK)
        err = sherd_compartment_snapshot_begin(vault->secrets, &instant->secrets);
    sherd_window_leave(vault->window, true);
    return err;
}

void sherd_instant_done(struct sherd_instant *instant)
{
    sherd_snapshot_end(instant->secrets);
    sherd_snapshot_end(instant->assets);
    sherd_refs_done(&instant->blobs);
    *instant = (struct sherd_instant){0};
}

enum sherd_err sherd_map_is_live(const struct sherd_vault *vault, const struct sherd_ref *name,
                                 const struct sherd_map *map, bool *out_live)
{
    struct sherd_pin_view view;

    const enum sherd_err err = vault->anchor->ops->pin_get(vault->anchor, map->record, map->version, &view, NULL);
    *out_live = err == SHERD_OK && sherd_same(&view.pin.map, name, sizeof(*name));
    return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}
