/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about the ledger: see wire.h and docs/format/agent.md. */
#include "anchor/agent/wire_inside.h"

void sherd_wire_code_leaf_query(struct sherd_wire *wire, void *message)
{
    struct sherd_leaf_query *query = message;

    code_u64(wire, &query->size);
    code_u64(wire, &query->from);
    code_u64(wire, &query->to);
    code_bool(wire, &query->backwards);
    query->told = (enum sherd_leaf_told)code_enum(wire, (unsigned)query->told, SHERD_LEAF_PROVED, SHERD_LEAF_STORED);
    code_u32(wire, &query->count_max);
    query->about = (enum sherd_leaf_about)code_enum(wire, (unsigned)query->about, SHERD_LEAVES_ALL, SHERD_LEAVES_ID);
    if (query->about != SHERD_LEAVES_ALL)
        code_ref(wire, &query->id);
    if (query->about == SHERD_LEAVES_RECORD)
        code_u64(wire, &query->version);
}

void sherd_wire_code_path(struct sherd_wire *wire, void *message)
{
    struct sherd_path *path = message;

    path->count = (size_t)code_uint(wire, 1, path->count, SHERD_PATH_HASHES_MAX);
    for (size_t i = 0; i < path->count; i++)
        code_digest(wire, &path->hashes[i]);
}

void sherd_wire_code_leaf(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_leaf *leaf = message;

    code_u64(wire, &leaf->index);
    code_span(wire, &leaf->leaf, SHERD_LEAF_BYTES_MAX);
    sherd_wire_code_path(wire, &leaf->path);
    code_span(wire, &leaf->event, SHERD_EVENT_BYTES_MAX);
    for (size_t i = 0; i < SHERD_LEAF_COMMITMENTS; i++)
        code_digest(wire, &leaf->blinds[i]);
}

static void code_shown(struct sherd_wire *wire, struct sherd_join_shown *shown)
{
    uint8_t kept[SHERD_JOIN_KEPT_SIZE] = {0};
    uint8_t plain[SHERD_JOIN_PLAIN_SIZE] = {0};

    if (wire->out != NULL) {
        sherd_join_kept_encode(&shown->slot, kept);
        sherd_join_encode(&shown->join, plain);
    }
    code_u64(wire, &shown->position);
    code_fixed(wire, kept, sizeof(kept));
    code_fixed(wire, plain, sizeof(plain));
    code_digest(wire, &shown->blind);
    sherd_wire_code_path(wire, &shown->path);
    if (shown->path.count > SHERD_JOIN_PATH_HASHES_MAX)
        fail(wire);
    if (wire->failed || wire->out != NULL)
        return;
    sherd_join_kept_decode(kept, &shown->slot);
    if (sherd_join_decode(plain, &shown->join) != SHERD_OK)
        fail(wire);
}

void sherd_wire_code_join(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_join *join = message;

    code_u64(wire, &join->index);
    code_span(wire, &join->leaf, SHERD_LEAF_BYTES_MAX);
    if (join->leaf.len != 0)
        sherd_wire_code_path(wire, &join->path);
    code_u64(wire, &join->lost);
    if (join->lost == 0)
        code_shown(wire, &join->shown);
}

void sherd_wire_code_growth(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_growth *growth = message;

    code_u64(wire, &growth->old_size);
    code_u64(wire, &growth->size);
}
