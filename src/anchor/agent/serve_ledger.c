/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the ledger over an anchor: see serve.h. */
#include "anchor/agent/serve_inside.h"
#include "base/bytes.h"

/* A note that fits a frame: one that has more signatures than that is nobody's. */
#define NOTE_BYTES_MAX (SHERD_WIRE_FRAME_BYTES_MAX / 2)

enum sherd_err sherd_serve_ledger_note(struct sherd_serve *serve)
{
    uint8_t block[SHERD_WIRE_FILE_BYTES_MAX];
    struct sherd_buf key = sherd_buf_borrow(block, sizeof(block));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = NOTE_BYTES_MAX};
    struct sherd_wire_number wanted = {0};
    struct sherd_wire_file reply;
    struct sherd_wire_piece piece;

    SHERD_TRY(sherd_serve_take(serve, &wanted));
    SHERD_TRY(serve->anchor->ops->ledger_note(serve->anchor, wanted.number != 0, &note, &key));
    reply.bytes = sherd_buf_span(&key);
    SHERD_TRY(sherd_serve_answer(serve, &reply));
    for (struct sherd_span rest = sherd_buf_span(&note); rest.len > 0;) {
        (void)sherd_span_take(&rest, rest.len < SHERD_WIRE_BLOCK_BYTES_MAX ? rest.len : SHERD_WIRE_BLOCK_BYTES_MAX,
                              &piece.bytes);
        sherd_serve_add(serve, &piece);
    }
    return sherd_wire_written(serve->reply);
}

static enum sherd_err tell_leaf(void *arg, const struct sherd_leaf_found *found)
{
    struct sherd_serve *serve = arg;
    uint8_t event[SHERD_EVENT_BYTES_MAX];
    struct sherd_wire_leaf item = {.index = found->index, .leaf = found->leaf, .path = found->path};
    size_t len = 0;

    memcpy(item.blinds, found->blinds, sizeof(item.blinds));
    if ((unsigned)found->event.kind != 0) /* none is told where the leaf alone was asked for */
        SHERD_TRY(sherd_event_encode(&found->event, event, &len));
    item.event = sherd_span_of(event, len);
    sherd_serve_add(serve, &item);
    return sherd_wire_written(serve->reply);
}

/* As many as one call gives fit a frame: each is at most 3 KiB. */
enum sherd_err sherd_serve_ledger_scan(struct sherd_serve *serve)
{
    struct sherd_wire_number next = {0};
    struct sherd_leaf_query query = {.version = 0};

    _Static_assert((SHERD_LEAVES_MAX + 1) * (size_t)3072 < SHERD_WIRE_FRAME_BYTES_MAX, "they fit");
    _Static_assert(SHERD_LEAF_BYTES_MAX + SHERD_EVENT_BYTES_MAX + (SHERD_PATH_HASHES_MAX + 2) * 32 + 16 <= 3072,
                   "so long is one");
    SHERD_TRY(sherd_serve_take(serve, &query));
    SHERD_TRY(sherd_serve_answer(serve, &next));
    const size_t head_bytes = sherd_link_written(serve->link);
    SHERD_TRY(serve->anchor->ops->ledger_scan(serve->anchor, &query, tell_leaf, serve, &next.number));
    return sherd_serve_answer_over(serve, head_bytes, &next);
}

/* Joins on their way: a leaf goes with the first that it stands for. */
struct joins {
    struct sherd_serve *serve;
    uint64_t last; /* leaf that was told; of a join, none is the first of the log */
};

static enum sherd_err tell_join(void *arg, const struct sherd_leaf_join *found)
{
    struct joins *joins = arg;
    struct sherd_wire_join item = {.index = found->index, .lost = found->lost, .shown = found->shown};

    if (joins->last != found->index) {
        item.leaf = found->leaf;
        item.path = found->path;
        joins->last = found->index;
    }
    sherd_serve_add(joins->serve, &item);
    return sherd_wire_written(joins->serve->reply);
}

/* A page ends with the leaf with which it has enough. */
enum sherd_err sherd_serve_ledger_joins(struct sherd_serve *serve)
{
    struct sherd_wire_number next = {0};
    struct sherd_leaf_query query = {.version = 0};
    struct joins joins = {.serve = serve};

    _Static_assert(SHERD_JOINS_PAGE_BYTES + SHERD_JOIN_LEAF_BYTES(SHERD_LEAF_BYTES_MAX, SHERD_PATH_HASHES_MAX) +
                           (size_t)SHERD_JOIN_BATCH_MAX * SHERD_JOIN_SHOWN_BYTES(SHERD_JOIN_PATH_HASHES_MAX) + 4096 <
                       SHERD_WIRE_FRAME_BYTES_MAX,
                   "they fit");
    SHERD_TRY(sherd_serve_take(serve, &query));
    SHERD_TRY(sherd_serve_answer(serve, &next));
    const size_t head_bytes = sherd_link_written(serve->link);
    SHERD_TRY(serve->anchor->ops->ledger_joins(serve->anchor, &query, tell_join, &joins, &next.number));
    return sherd_serve_answer_over(serve, head_bytes, &next);
}

enum sherd_err sherd_serve_ledger_growth(struct sherd_serve *serve)
{
    struct sherd_wire_growth call;
    struct sherd_path path;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->ledger_growth(serve->anchor, call.old_size, call.size, &path));
    return sherd_serve_answer(serve, &path);
}
