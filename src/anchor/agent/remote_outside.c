/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints outside, over connections: see remote.h. */
#include "anchor/agent/remote_inside.h"

enum sherd_err sherd_remote_outside_get(struct sherd_anchor *anchor, struct sherd_buf *out_bytes)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_wire_piece piece = {{0}};

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_OUTSIDE_GET, NULL, &call));
    SHERD_TRY(sherd_remote_finish(&call, &piece));
    return sherd_buf_append(out_bytes, piece.bytes);
}

static enum sherd_err tell(struct sherd_anchor *anchor, enum sherd_wire_verb verb, struct sherd_span bytes)
{
    struct sherd_wire_piece call = {.bytes = bytes};

    SHERD_ENSURE(bytes.len <= SHERD_WIRE_BLOCK_BYTES_MAX, SHERD_ERR_LIMIT, "that is too long for the agent");
    return sherd_remote_plain(anchor, verb, &call, NULL);
}

enum sherd_err sherd_remote_outside_set(struct sherd_anchor *anchor, struct sherd_span bytes)
{
    return tell(anchor, SHERD_WIRE_OUTSIDE_SET, bytes);
}

enum sherd_err sherd_remote_outside_take(struct sherd_anchor *anchor, struct sherd_span note)
{
    return tell(anchor, SHERD_WIRE_OUTSIDE_TAKE, note);
}
