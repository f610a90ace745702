/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a version: see load.h. The pin is asked first; what it names must be there and agree with it. */
#include "cryptor/load.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/rows.h"

/* Times that a load begins anew because the record was changed under it. */
#define ATTEMPTS_MAX 64U

static enum sherd_err tampered(const char *what)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the record does not verify: %s", what);
}

bool sherd_map_agrees(const struct sherd_map *map, const struct sherd_pin *pin)
{
    return sherd_same(&map->record, &pin->record, sizeof(map->record)) && map->version == pin->version &&
           sherd_same(&map->collection, &pin->collection, sizeof(map->collection)) &&
           sherd_same(&map->entity, &pin->entity, sizeof(map->entity)) && map->fragment_bytes == pin->fragment_bytes &&
           map->created_s == pin->created_s;
}

static enum sherd_err read_map(struct sherd_vault *vault, struct sherd_loaded *loaded)
{
    uint8_t *block = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    loaded->payload = sherd_buf_borrow(block, SHERD_PAYLOAD_BYTES_MAX);
    const enum sherd_err err = sherd_assets_map_get(&vault->assets, &loaded->view.pin.map, &loaded->payload,
                                                    &loaded->map);
    if (err == SHERD_ERR_NOT_FOUND)
        return tampered("its map entry in assets is missing");
    SHERD_TRY(err);
    return sherd_map_agrees(&loaded->map, &loaded->view.pin) ? SHERD_OK
                                                             : tampered("its map entry in assets is another's");
}

static enum sherd_err read_blob_head(struct sherd_vault *vault, struct sherd_loaded *loaded)
{
    uint64_t bytes;

    SHERD_TRY(sherd_compartment_blob_open(vault->secrets, loaded->map.data, &loaded->blob, &bytes));
    if (bytes != loaded->map.fragment_bytes || bytes < SHERD_FRAGMENT_HEAD_SIZE)
        return tampered("its fragment in secrets was cut or extended");
    const enum sherd_err err = sherd_blob_read(loaded->blob, 0, loaded->head, sizeof(loaded->head));
    return err == SHERD_ERR_LIMIT ? tampered("its fragment in secrets was cut") : err;
}

/* The map entry says how long it is. The block is not secret, but a secret one is made faster than one of the heap. */
static enum sherd_err read_entry(struct sherd_vault *vault, struct sherd_loaded *loaded)
{
    const uint64_t bytes = loaded->map.fragment_bytes;

    if (bytes > SHERD_STORE_VALUE_BYTES_MAX)
        return tampered("its fragment in secrets has an impossible length");
    loaded->fragment_block = sherd_secret_alloc((size_t)bytes);
    if (loaded->fragment_block == NULL)
        return SHERD_ERR_NO_MEMORY;
    loaded->fragment = sherd_buf_borrow(loaded->fragment_block, (size_t)bytes);
    const enum sherd_err err = sherd_compartment_get(vault->secrets, loaded->map.data, &loaded->fragment);
    if (err == SHERD_ERR_LIMIT || (err == SHERD_OK && loaded->fragment.len != bytes))
        return tampered("its fragment in secrets was cut or extended");
    return err;
}

static enum sherd_err read_fragment(struct sherd_vault *vault, struct sherd_loaded *loaded)
{
    const enum sherd_err err = loaded->map.blob ? read_blob_head(vault, loaded) : read_entry(vault, loaded);

    return err == SHERD_ERR_NOT_FOUND ? tampered("its fragment in secrets is missing") : err;
}

static enum sherd_err derive(struct sherd_vault *vault, struct sherd_loaded *loaded)
{
    if (loaded->map.readable)
        return sherd_row_read(vault, loaded);
    const struct sherd_span head = loaded->map.blob ? sherd_span_of(loaded->head, sizeof(loaded->head))
                                                    : sherd_buf_span(&loaded->fragment);

    SHERD_TRY(sherd_fragment_prefix_decode(head, &loaded->keys->in_secrets));
    loaded->keys->in_assets = loaded->map.share;
    sherd_content_context(vault, &loaded->view.pin, &loaded->context);
    return sherd_content_key_derive(loaded->keys, &loaded->context);
}

/*
 * One attempt. @param[out] out_pinned  whether the anchor gave a pin: what failed after that may be a change meanwhile
 */
static enum sherd_err attempt(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version, bool whole,
                              struct sherd_loaded *loaded, bool *out_pinned)
{
    struct sherd_record_key *key = NULL;

    *out_pinned = false;
    if (whole) {
        loaded->keys = sherd_secret_alloc(sizeof(*loaded->keys));
        if (loaded->keys == NULL)
            return SHERD_ERR_NO_MEMORY;
        key = &loaded->keys->record;
    }
    SHERD_TRY(vault->anchor->ops->pin_get(vault->anchor, id, version, &loaded->view, key));
    *out_pinned = true;
    SHERD_TRY(read_map(vault, loaded));
    if (!whole)
        return SHERD_OK;
    SHERD_TRY(read_fragment(vault, loaded));
    return derive(vault, loaded);
}

/* Whether the anchor still says of this version what it said before. @return its new answer, if it is a failure */
static enum sherd_err still_pinned(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                                   const struct sherd_pin *before, bool *out_same)
{
    struct sherd_pin_view now;

    SHERD_TRY(vault->anchor->ops->pin_get(vault->anchor, id, version, &now, NULL));
    *out_same = now.pin.version == before->version && sherd_same(&now.pin.map, &before->map, sizeof(before->map));
    return SHERD_OK;
}

static enum sherd_err load(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version, bool whole,
                           struct sherd_loaded *loaded)
{
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        bool pinned;
        bool same;
        const enum sherd_err err = attempt(vault, id, version, whole, loaded, &pinned);

        if (err != SHERD_ERR_TAMPERED || !pinned)
            return err;
        /* An update or a delete may have come between the pin and what it names: then the anchor says so now. */
        SHERD_TRY(still_pinned(vault, id, version, &loaded->view.pin, &same));
        if (same)
            return tampered("something in assets or secrets was changed, moved or removed");
        sherd_loaded_done(loaded);
    }
    return sherd_fail(SHERD_ERR_BUSY, "the record changes faster than it can be read: try again");
}

enum sherd_err sherd_locate(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                            struct sherd_loaded *loaded)
{
    return load(vault, id, version, false, loaded);
}

enum sherd_err sherd_load(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                          struct sherd_loaded *loaded)
{
    return load(vault, id, version, true, loaded);
}

void sherd_loaded_first(const struct sherd_loaded *loaded, struct sherd_digest *out_first)
{
    *out_first = loaded->map.has_first ? loaded->map.first : loaded->view.pin.digest;
}

void sherd_loaded_done(struct sherd_loaded *loaded)
{
    sherd_blob_close(loaded->blob);
    sherd_buf_done(&loaded->fragment);
    sherd_secret_free(loaded->fragment_block);
    sherd_secret_free(loaded->payload.data);
    sherd_secret_free(loaded->keys);
    sherd_wipe(loaded, sizeof(*loaded));
}

enum sherd_err sherd_loaded_open_inline(const struct sherd_loaded *loaded, struct sherd_buf *out_padded)
{
    if (loaded->map.readable)
        return sherd_row_content(loaded, out_padded);
    const struct sherd_span sealed = {loaded->fragment.data + SHERD_FRAGMENT_PREFIX_SIZE,
                                      loaded->fragment.len - SHERD_FRAGMENT_PREFIX_SIZE};

    SHERD_TRY(sherd_aead_open(loaded->keys->content.bytes, sherd_context_span(&loaded->context), sealed, out_padded));
    if (out_padded->len < loaded->map.content_bytes) {
        sherd_buf_clear(out_padded);
        return tampered("its fragment is shorter than its contents");
    }
    return SHERD_OK;
}
