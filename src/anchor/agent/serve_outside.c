/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about checkpoints outside: see serve.h. */
#include "anchor/agent/serve_inside.h"
#include "anchor/ledger/outside.h"

enum sherd_err sherd_serve_outside_get(struct sherd_serve *serve)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_OUTSIDE_BYTES_MAX};
    struct sherd_wire_piece reply;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->outside_get(serve->anchor, &bytes));
    reply.bytes = sherd_buf_span(&bytes);
    return sherd_serve_answer(serve, &reply);
}

enum sherd_err sherd_serve_outside_set(struct sherd_serve *serve)
{
    struct sherd_wire_piece call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->outside_set(serve->anchor, call.bytes);
}

enum sherd_err sherd_serve_outside_take(struct sherd_serve *serve)
{
    struct sherd_wire_piece call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->outside_take(serve->anchor, call.bytes);
}
