/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger over connections: see remote.h. */
#include "anchor/agent/remote_inside.h"
#include "anchor/ledger/join_find.h"

enum sherd_err sherd_remote_ledger_run(struct sherd_anchor *anchor, uint64_t *out_size)
{
    struct sherd_wire_number size;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_LEDGER_RUN, NULL, &size));
    if (out_size != NULL)
        *out_size = size.number;
    return SHERD_OK;
}

enum sherd_err sherd_remote_ledger_check(struct sherd_anchor *anchor, struct sherd_keys_check *out_check)
{
    struct sherd_keys_check check;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_LEDGER_CHECK, NULL, &check));
    *out_check = check;
    return SHERD_OK;
}

enum sherd_err sherd_remote_ledger_note(struct sherd_anchor *anchor, bool fresh, struct sherd_buf *out_note,
                                        struct sherd_buf *out_key)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_wire_number wanted = {.number = fresh ? 1 : 0};
    struct sherd_wire_file key = {0};
    struct sherd_wire_piece piece;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_LEDGER_NOTE, &wanted, &call));
    SHERD_TRY(sherd_remote_finish(&call, &key));
    SHERD_TRY(sherd_buf_append(out_key, key.bytes));
    while (sherd_remote_next(&call, &piece))
        SHERD_TRY(sherd_buf_append(out_note, piece.bytes));
    return sherd_remote_read_all(&call);
}

/* There is none where none was asked for. Where one cannot be read, the other end is no agent of ours. */
static enum sherd_err take_event(struct sherd_remote_call *call, struct sherd_span bytes, struct sherd_event *out_event)
{
    if (bytes.len == 0 || sherd_event_decode(bytes, out_event) == SHERD_OK)
        return SHERD_OK;
    call->broken = true;
    return sherd_fail(SHERD_ERR_IO, "the other end of the agent's socket breaks the protocol");
}

enum sherd_err sherd_remote_ledger_scan(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                        sherd_leaf_visit_fn *visit, void *arg, uint64_t *out_next)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_leaf_query asked = *query;
    struct sherd_wire_number next = {0};
    struct sherd_leaf_found found;
    struct sherd_wire_leaf item;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_LEDGER_SCAN, &asked, &call));
    SHERD_TRY(sherd_remote_finish(&call, &next));
    while (sherd_remote_next(&call, &item)) {
        found = (struct sherd_leaf_found){.index = item.index, .leaf = item.leaf, .path = item.path};
        memcpy(found.blinds, item.blinds, sizeof(found.blinds));
        SHERD_TRY(take_event(&call, item.event, &found.event));
        SHERD_TRY(visit(arg, &found));
    }
    SHERD_TRY(sherd_remote_read_all(&call));
    *out_next = next.number;
    return SHERD_OK;
}

/* The leaf that was told last; items that follow are of it. */
struct told {
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_leaf_join found;
};

static enum sherd_err take_join(struct sherd_remote_call *call, const struct sherd_wire_join *item, struct told *told)
{
    if (item->leaf.len != 0) {
        memcpy(told->bytes, item->leaf.data, item->leaf.len);
        told->found.leaf = sherd_span_of(told->bytes, item->leaf.len);
        told->found.path = item->path;
        told->found.index = item->index;
    }
    if (told->found.leaf.len == 0 || told->found.index != item->index) {
        call->broken = true;
        return sherd_fail(SHERD_ERR_IO, "the other end of the agent's socket breaks the protocol");
    }
    told->found.lost = item->lost;
    told->found.shown = item->shown;
    return SHERD_OK;
}

enum sherd_err sherd_remote_ledger_joins(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                         sherd_leaf_join_fn *visit, void *arg, uint64_t *out_next)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_leaf_query asked = *query;
    struct sherd_wire_number next = {0};
    struct sherd_wire_join item = {.index = 0};
    struct told told = {.found = {.index = 0}};

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_LEDGER_JOINS, &asked, &call));
    SHERD_TRY(sherd_remote_finish(&call, &next));
    while (sherd_remote_next(&call, &item)) {
        SHERD_TRY(take_join(&call, &item, &told));
        SHERD_TRY(visit(arg, &told.found));
    }
    SHERD_TRY(sherd_remote_read_all(&call));
    *out_next = next.number;
    return SHERD_OK;
}

enum sherd_err sherd_remote_ledger_growth(struct sherd_anchor *anchor, uint64_t old_size, uint64_t size,
                                          struct sherd_path *out_path)
{
    struct sherd_wire_growth call = {old_size, size};

    return sherd_remote_plain(anchor, SHERD_WIRE_LEDGER_GROWTH, &call, out_path);
}
