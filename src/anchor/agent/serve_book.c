/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the verbs about the scrubber's book: see serve.h. */
#include "anchor/agent/serve_inside.h"
#include "anchor/book/book.h"

enum sherd_err sherd_serve_book_read(struct sherd_serve *serve)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_BOOK_BYTES_MAX};
    SHERD_CLEANUP(sherd_book_done) struct sherd_book book = {0};
    struct sherd_wire_book answer = {.lost = false};
    struct sherd_wire_number call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->book_read(serve->anchor, &bytes, &answer.lost));
    SHERD_TRY(sherd_book_decode(sherd_buf_span(&bytes), &book));
    answer.generation = book.generation;
    answer.total_bytes = bytes.len;
    if (call.number < bytes.len) {
        const size_t left = bytes.len - (size_t)call.number;

        answer.bytes = sherd_span_of(bytes.data + call.number,
                                     left < SHERD_WIRE_BLOCK_BYTES_MAX ? left : SHERD_WIRE_BLOCK_BYTES_MAX);
    }
    return sherd_serve_answer(serve, &answer);
}

enum sherd_err sherd_serve_book_position(struct sherd_serve *serve)
{
    struct sherd_book_position position;
    uint8_t block[SHERD_BOOK_POSITION_BYTES_MAX];
    struct sherd_wire_file file;
    size_t bytes;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->book_position(serve->anchor, &position));
    SHERD_TRY(sherd_book_position_encode(&position, block, &bytes));
    file.bytes = sherd_span_of(block, bytes);
    return sherd_serve_answer(serve, &file);
}

enum sherd_err sherd_serve_book_change(struct sherd_serve *serve)
{
    struct sherd_wire_piece call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->book_change(serve->anchor, call.bytes);
}
