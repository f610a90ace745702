/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between an anchor's agent and its callers: the verb, 0 for a call or 1 for its answer, then the message;
 * with verb 0, the head of a frame. What is read must be what writing it again gives.
 */
#include "anchor/agent/wire.h"
#include "base/bytes.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void *room(size_t bytes)
{
    void *block = calloc(1, bytes + 1);

    must(block != NULL);
    return block;
}

static void check_message(const struct sherd_wire_shape *shape, struct sherd_span bytes)
{
    struct sherd_buf again = {.max = SHERD_WIRE_FRAME_BYTES_MAX};
    struct sherd_wire reader = sherd_wire_reader(bytes);
    struct sherd_wire writer = sherd_wire_writer(&again);
    void *head = room(shape->head_bytes);
    void *item = room(shape->item_bytes);

    sherd_wire_code(&reader, shape->head, head);
    if (!reader.failed)
        sherd_wire_code(&writer, shape->head, head);
    while (shape->item != NULL && sherd_wire_more(&reader)) {
        memset(item, 0, shape->item_bytes);
        sherd_wire_code(&reader, shape->item, item);
        if (!reader.failed)
            sherd_wire_code(&writer, shape->item, item);
    }
    if (sherd_wire_read(&reader) == SHERD_OK) {
        must(sherd_wire_written(&writer) == SHERD_OK);
        must(sherd_span_equal(sherd_buf_span(&again), bytes));
    }
    sherd_buf_done(&again);
    free(head);
    free(item);
}

static void check_head(struct sherd_span bytes)
{
    uint8_t again[SHERD_WIRE_HEAD_SIZE];
    struct sherd_wire_head head;

    if (bytes.len != SHERD_WIRE_HEAD_SIZE || sherd_wire_head_decode(bytes.data, &head) != SHERD_OK)
        return;
    must(head.frame_bytes >= SHERD_WIRE_HEAD_SIZE && head.frame_bytes <= SHERD_WIRE_FRAME_BYTES_MAX);
    sherd_wire_head_encode(&head, again);
    must(sherd_same(again, bytes.data, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2 || len > SHERD_WIRE_FRAME_BYTES_MAX)
        return 0;
    const struct sherd_wire_call *call = sherd_wire_call_of(data[0]);
    const struct sherd_span bytes = sherd_span_of(data + 2, len - 2);
    if (data[0] == 0)
        check_head(bytes);
    else if (call != NULL)
        check_message(data[1] % 2 == 0 ? &call->call : &call->reply, bytes);
    return 0;
}
