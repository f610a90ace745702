/* SPDX-License-Identifier: Apache-2.0 */
/* Records of readable collections, one at a time: see rows.h. Many at once: query.c. */
#include "cryptor/rows.h"
#include "base/bytes.h"
#include <string.h>

enum sherd_err sherd_row_check(const struct sherd_version *version)
{
    if (!version->collection.rules.readable)
        return SHERD_OK;
    SHERD_ENSURE(version->map.entity_id[0] == 0, SHERD_ERR_INVALID,
                 "no entities in a readable collection: erasing one could not take back what lies in clear; use an "
                 "attribute");
    SHERD_ENSURE(version->map.recipient.len == 0, SHERD_ERR_INVALID,
                 "contents of a readable collection are not sealed to anybody");
    return SHERD_OK;
}

static struct sherd_row row_of(const struct sherd_vault *vault, const struct sherd_version *version,
                               struct sherd_span content)
{
    struct sherd_row row = {.deployment = vault->deployment,
                            .collection = version->map.collection,
                            .record = version->map.record,
                            .version = version->map.version,
                            .created_s = version->map.created_s,
                            .attributes = version->map.attributes,
                            .links = version->map.links,
                            .has_first = version->map.has_first,
                            .first = version->map.first,
                            .content = content};

    memcpy(row.collection_name, version->collection.rules.name, sizeof(row.collection_name));
    memcpy(row.content_type, version->map.content_type, sizeof(row.content_type));
    return row;
}

enum sherd_err sherd_row_write(struct sherd_vault *vault, struct sherd_version *version, struct sherd_span content)
{
    const struct sherd_row row = row_of(vault, version, content);
    struct sherd_anchor *anchor = vault->anchor;
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    struct sherd_digest digest;

    version->fragment.max = SHERD_ROW_BYTES_MAX;
    SHERD_TRY(sherd_row_encode(&row, &version->fragment));
    SHERD_TRY(sherd_row_digest(sherd_buf_span(&version->fragment), &digest));
    SHERD_TRY(anchor->ops->row_sign(anchor, &version->change.pin, &digest, signature));
    SHERD_TRY(sherd_buf_append(&version->fragment, sherd_span_of(signature, sizeof(signature))));
    SHERD_TRY(sherd_row_digest(sherd_buf_span(&version->fragment), &digest));
    return sherd_version_sealed(vault, version, content.len, version->fragment.len, &digest);
}

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the record does not verify: its row in secrets was changed");
}

bool sherd_row_agrees(const struct sherd_vault *vault, const struct sherd_row *row, const struct sherd_pin *pin)
{
    return sherd_same(&row->deployment, &vault->deployment, sizeof(row->deployment)) &&
           sherd_same(&row->collection, &pin->collection, sizeof(row->collection)) &&
           sherd_same(&row->record, &pin->record, sizeof(row->record)) && row->version == pin->version &&
           row->created_s == pin->created_s;
}

static enum sherd_err decode(const struct sherd_loaded *loaded, struct sherd_row *out_row)
{
    return sherd_row_decode(sherd_buf_span(&loaded->fragment), out_row) == SHERD_OK ? SHERD_OK : tampered();
}

/* The pin's digest vouches for all of it; that the parts agree is asked of who wrote it. */
enum sherd_err sherd_row_read(const struct sherd_vault *vault, const struct sherd_loaded *loaded)
{
    const struct sherd_map *map = &loaded->map;
    struct sherd_digest digest;
    struct sherd_row row;

    SHERD_TRY(sherd_row_digest(sherd_buf_span(&loaded->fragment), &digest));
    if (!sherd_same(&digest, &loaded->view.pin.digest, sizeof(digest)))
        return tampered();
    SHERD_TRY(decode(loaded, &row));
    if (!sherd_row_agrees(vault, &row, &loaded->view.pin) || row.content.len != map->content_bytes ||
        !sherd_span_equal(row.attributes, map->attributes) || !sherd_span_equal(row.links, map->links))
        return tampered();
    return SHERD_OK;
}

enum sherd_err sherd_row_content(const struct sherd_loaded *loaded, struct sherd_buf *out_content)
{
    struct sherd_row row;

    SHERD_TRY(decode(loaded, &row));
    return sherd_buf_append(out_content, row.content);
}
