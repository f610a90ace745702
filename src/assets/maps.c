/* SPDX-License-Identifier: Apache-2.0 */
/* Map entries: see assets.h. */
#include "assets/assets.h"

enum sherd_err sherd_assets_map_seal(const struct sherd_assets *assets, const struct sherd_ref *name,
                                     const struct sherd_map *map, struct sherd_buf *out_stored)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;
    enum sherd_kind kind;

    enum sherd_err err = sherd_map_encode(map, tlv, &tlv_bytes, &kind);
    if (err == SHERD_OK)
        err = sherd_entry_seal(&assets->keys, kind, name, sherd_span_of(tlv, tlv_bytes), out_stored);
    sherd_wipe(tlv, sizeof(tlv));
    return err;
}

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a map entry in assets does not verify");
}

enum sherd_err sherd_assets_map_open(const struct sherd_assets *assets, const struct sherd_ref *name,
                                     struct sherd_span stored, struct sherd_buf *payload, struct sherd_map *out_map)
{
    struct sherd_span tlv;
    enum sherd_kind kind;

    SHERD_TRY(sherd_entry_kind(&assets->keys, stored, &kind));
    if (kind != SHERD_KIND_MAP && kind != SHERD_KIND_LONG_MAP)
        return tampered();
    SHERD_TRY(sherd_entry_open(&assets->keys, kind, name, stored, payload, &tlv));
    if (kind != sherd_map_kind(tlv.len))
        return tampered();
    return sherd_map_decode(tlv, out_map);
}

static enum sherd_err map_get(const struct sherd_assets *assets, const struct sherd_ref *name,
                              struct sherd_buf *payload, struct sherd_map *out_map)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));

    const enum sherd_err err = sherd_compartment_get(assets->compartment, *name, &stored);
    if (err == SHERD_ERR_LIMIT)
        return tampered();
    SHERD_TRY(err);
    return sherd_assets_map_open(assets, name, sherd_buf_span(&stored), payload, out_map);
}

enum sherd_err sherd_assets_map_get(const struct sherd_assets *assets, const struct sherd_ref *name,
                                    struct sherd_buf *payload, struct sherd_map *out_map)
{
    const enum sherd_err err = map_get(assets, name, payload, out_map);

    return err == SHERD_ERR_DENIED ? map_get(assets, name, payload, out_map) : err; /* as in sherd_entry_open() */
}

bool sherd_assets_is_map(const struct sherd_assets *assets, struct sherd_span stored)
{
    enum sherd_kind kind;

    return sherd_entry_kind(&assets->keys, stored, &kind) == SHERD_OK &&
           (kind == SHERD_KIND_MAP || kind == SHERD_KIND_LONG_MAP);
}
