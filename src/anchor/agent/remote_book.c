/* SPDX-License-Identifier: Apache-2.0 */
/* The scrubber's book over connections: see remote.h. */
#include "anchor/agent/remote_inside.h"
#include "anchor/book/book.h"

/* How often it is read from the beginning that others change meanwhile. */
#define TRIES_MAX 64U

static enum sherd_err no_protocol(void)
{
    return sherd_fail(SHERD_ERR_IO, "the other end of the agent's socket breaks the protocol");
}

/* The next piece. @param[out] out_same  it is of the same book as those before */
static enum sherd_err read_piece(struct sherd_anchor *anchor, struct sherd_wire_book *head, struct sherd_buf *book,
                                 bool *out_same)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_wire_number known = {.number = book->len};
    struct sherd_wire_book piece;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_BOOK_READ, &known, &call));
    SHERD_TRY(sherd_remote_finish(&call, &piece));
    *out_same = known.number == 0 || (piece.generation == head->generation && piece.total_bytes == head->total_bytes);
    if (!*out_same)
        return SHERD_OK;
    if (piece.total_bytes > SHERD_BOOK_BYTES_MAX || piece.bytes.len > piece.total_bytes - book->len ||
        (piece.bytes.len == 0 && piece.total_bytes > book->len))
        return no_protocol();
    *head = piece;
    return sherd_buf_append(book, piece.bytes);
}

static enum sherd_err read_once(struct sherd_anchor *anchor, struct sherd_wire_book *head, struct sherd_buf *book,
                                bool *out_same)
{
    sherd_buf_clear(book);
    do
        SHERD_TRY(read_piece(anchor, head, book, out_same));
    while (*out_same && book->len < head->total_bytes);
    return SHERD_OK;
}

enum sherd_err sherd_remote_book_read(struct sherd_anchor *anchor, struct sherd_buf *out_book, bool *out_lost)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf book = {.max = SHERD_BOOK_BYTES_MAX};
    struct sherd_wire_book head = {.total_bytes = 0};
    bool same = false;

    for (unsigned tries = 0; tries < TRIES_MAX && !same; tries++)
        SHERD_TRY(read_once(anchor, &head, &book, &same));
    SHERD_ENSURE(same, SHERD_ERR_BUSY, "the scrubber's book changes all the time: try again");
    *out_lost = head.lost;
    return sherd_buf_append(out_book, sherd_buf_span(&book));
}

enum sherd_err sherd_remote_book_position(struct sherd_anchor *anchor, struct sherd_book_position *out_position)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_wire_file file;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_BOOK_POSITION, NULL, &call));
    SHERD_TRY(sherd_remote_finish(&call, &file));
    return sherd_book_position_decode(file.bytes, out_position);
}

enum sherd_err sherd_remote_book_change(struct sherd_anchor *anchor, struct sherd_span change)
{
    struct sherd_wire_piece piece = {.bytes = change};

    return sherd_remote_plain(anchor, SHERD_WIRE_BOOK_CHANGE, &piece, NULL);
}
