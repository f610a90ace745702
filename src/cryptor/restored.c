/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves for what a vault was brought back with: see restored.h. In batches, each of which is in the log when it ends.
 */
#include "cryptor/restored.h"
#include "anchor/embedded/embedded.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "cryptor/load.h"

/* Entries of `keys` that are walked over before what they pin is written. */
#define BATCH_ENTRIES ((size_t)2048)

/* A walk over the pins. */
struct noting {
    struct sherd_vault *vault;
    struct sherd_anchor *anchor;
    struct sherd_pin_change *changes; /* versions of this batch: pinned, and not looked at yet */
    size_t count;
    uint8_t *payload; /* in secret memory */
};

static enum sherd_err take_pin(void *arg, const struct sherd_anchor_entry *entry)
{
    struct noting *noting = arg;

    if (entry->pin != NULL && !entry->erased && (entry->status == SHERD_OK || entry->status == SHERD_ERR_DENIED))
        noting->changes[noting->count++] = (struct sherd_pin_change){.pin = *entry->pin};
    return SHERD_OK;
}

/* What the stores have of a version that is pinned. */
static enum sherd_err describe(const struct noting *noting, struct sherd_pin_change *change)
{
    const struct sherd_assets *assets = &noting->vault->assets;
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_buf payload = sherd_buf_borrow(noting->payload, SHERD_PAYLOAD_BYTES_MAX);
    struct sherd_map map;

    SHERD_TRY(sherd_compartment_get(assets->compartment, change->pin.map, &stored));
    const struct sherd_span entry = sherd_buf_span(&stored);
    SHERD_TRY(sherd_assets_map_open(assets, &change->pin.map, entry, &payload, &map));
    if (!sherd_map_agrees(&map, &change->pin))
        return SHERD_ERR_TAMPERED;
    change->fragment = map.data;
    return sherd_hash(SHERD_SHA256, &entry, 1, change->map_digest.bytes);
}

/* Versions whose map entry does not verify are left out. */
static enum sherd_err describe_all(struct noting *noting)
{
    const size_t count = noting->count;

    noting->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct sherd_pin_change change = noting->changes[i];
        const enum sherd_err err = describe(noting, &change);

        if (err == SHERD_OK)
            noting->changes[noting->count++] = change;
        else if (err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_TAMPERED && err != SHERD_ERR_LIMIT &&
                 err != SHERD_ERR_DENIED)
            return err;
    }
    return SHERD_OK;
}

static enum sherd_err note_all(struct noting *noting)
{
    struct sherd_ref last;
    size_t seen = BATCH_ENTRIES;

    for (const struct sherd_ref *after = NULL; seen == BATCH_ENTRIES; after = &last) {
        noting->count = 0;
        SHERD_TRY(noting->anchor->ops->scan(noting->anchor, after, BATCH_ENTRIES, take_pin, noting, &last, &seen));
        SHERD_TRY(describe_all(noting));
        SHERD_FAILPOINT("restored.before_write");
        if (noting->count != 0)
            SHERD_TRY(sherd_anchor_restored(noting->anchor, noting->changes, noting->count));
        SHERD_FAILPOINT("restored.written");
    }
    return SHERD_OK;
}

static enum sherd_err note(void *arg)
{
    struct noting *noting = arg;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *payload = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    SHERD_CLEANUP(sherd_freep) struct sherd_pin_change *changes = sherd_alloc_array(BATCH_ENTRIES,
                                                                                               sizeof(*changes));

    if (payload == NULL || changes == NULL)
        return SHERD_ERR_NO_MEMORY;
    noting->payload = payload;
    noting->changes = changes;
    return note_all(noting);
}

enum sherd_err sherd_restored_note(struct sherd_vault *vault, struct sherd_anchor *anchor)
{
    struct noting noting = {.vault = vault, .anchor = anchor};

    return vault->read_only ? SHERD_OK : sherd_anchor_restoring(anchor, note, &noting);
}
