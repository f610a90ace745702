/* SPDX-License-Identifier: Apache-2.0 */
/* Links: see links.h. */
#include "envelope/links.h"
#include "base/bytes.h"
#include <string.h>

/* record || version || first; collection || entity */
#define RECORD_BYTES 56U
#define ENTITY_BYTES 32U

enum sherd_err sherd_links_append(const struct sherd_link_entry *link, struct sherd_buf *out_bytes)
{
    uint8_t block[SHERD_LINK_BYTES_MAX] = {(uint8_t)link->kind};
    const size_t role_bytes = strlen(link->role);
    uint8_t *at = block + 2 + role_bytes;
    size_t bytes = 2 + role_bytes;

    block[1] = (uint8_t)role_bytes;
    memcpy(block + 2, link->role, role_bytes);
    if (link->kind == SHERD_LINK_RECORD) {
        memcpy(at, link->record.bytes, 16);
        sherd_put_u64(at + 16, link->version);
        memcpy(at + 24, link->first.bytes, 32);
        bytes += RECORD_BYTES;
    } else {
        memcpy(at, link->collection.bytes, 16);
        memcpy(at + 16, link->entity.bytes, 16);
        bytes += ENTITY_BYTES;
    }
    return sherd_buf_append(out_bytes, sherd_span_of(block, bytes));
}

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a stored link does not verify");
}

static enum sherd_err take_role(struct sherd_span *rest, struct sherd_link_entry *link)
{
    struct sherd_span field;

    if (!sherd_span_take(rest, 1, &field) || field.data[0] > SHERD_LINK_ROLE_BYTES_MAX ||
        !sherd_span_take(rest, field.data[0], &field) || (field.len > 0 && memchr(field.data, 0, field.len) != NULL))
        return malformed();
    if (field.len > 0)
        memcpy(link->role, field.data, field.len);
    return SHERD_OK;
}

enum sherd_err sherd_links_next(struct sherd_span *rest, struct sherd_link_entry *out_link)
{
    struct sherd_link_entry link = {.version = 0};
    struct sherd_span field;

    if (!sherd_span_take(rest, 1, &field) || (field.data[0] != SHERD_LINK_RECORD && field.data[0] != SHERD_LINK_ENTITY))
        return malformed();
    link.kind = (enum sherd_link_kind)field.data[0];
    SHERD_TRY(take_role(rest, &link));
    if (link.kind == SHERD_LINK_RECORD) {
        if (!sherd_span_take(rest, RECORD_BYTES, &field))
            return malformed();
        memcpy(link.record.bytes, field.data, 16);
        link.version = sherd_get_u64(field.data + 16);
        memcpy(link.first.bytes, field.data + 24, 32);
    } else {
        if (!sherd_span_take(rest, ENTITY_BYTES, &field))
            return malformed();
        memcpy(link.collection.bytes, field.data, 16);
        memcpy(link.entity.bytes, field.data + 16, 16);
    }
    *out_link = link;
    return SHERD_OK;
}

enum sherd_err sherd_links_check(struct sherd_span bytes, size_t *out_count)
{
    size_t count = 0;

    while (bytes.len > 0) {
        struct sherd_link_entry link;

        SHERD_TRY(sherd_links_next(&bytes, &link));
        if (++count > SHERD_LINKS_MAX)
            return malformed();
    }
    *out_count = count;
    return SHERD_OK;
}
