/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a journal. See frame.h. */
#include "store/lmdb/frame.h"
#include "base/bytes.h"
#include "store/lmdb/crc32c.h"
#include <string.h>

#define VERSION 1U
#define FRAME_MAGIC UINT32_C(0x66726d65) /* "frme" */
#define KIND_PUT 1U
#define KIND_DELETE 2U

static const uint8_t header_magic[8] = {'s', 'h', 'e', 'r', 'd', 'j', 'n', 'l'};

static uint32_t salted_crc(const struct sherd_lmdb_header *header, struct sherd_span bytes)
{
    return sherd_crc32c(sherd_crc32c(0, sherd_span_of(header->salt, sizeof header->salt)), bytes);
}

/* --- header and mark --------------------------------------------------------------------------------------------- */

void sherd_lmdb_header_encode(const struct sherd_lmdb_header *header, uint8_t out_page[static SHERD_LMDB_HEADER_BYTES])
{
    memset(out_page, 0, SHERD_LMDB_HEADER_BYTES);
    memcpy(out_page, header_magic, sizeof header_magic);
    sherd_put_u32(out_page + 8, VERSION);
    sherd_put_u64(out_page + 16, header->generation);
    sherd_put_u64(out_page + 24, header->first_sequence);
    memcpy(out_page + 32, header->salt, sizeof header->salt);
    sherd_put_u32(out_page + 48, sherd_crc32c(0, sherd_span_of(out_page, 48)));
}

enum sherd_err sherd_lmdb_header_parse(const uint8_t page[static SHERD_LMDB_HEADER_BYTES],
                                       struct sherd_lmdb_header *out_header)
{
    if (!sherd_span_equal(sherd_span_of(page, sizeof header_magic), sherd_span_of(header_magic, sizeof header_magic)))
        return SHERD_ERR_IO;
    if (sherd_get_u32(page + 48) != sherd_crc32c(0, sherd_span_of(page, 48)))
        return SHERD_ERR_IO;
    if (sherd_get_u32(page + 8) != VERSION)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "journal: version %u, this program knows %u: use a newer one",
                          sherd_get_u32(page + 8), VERSION);
    out_header->generation = sherd_get_u64(page + 16);
    out_header->first_sequence = sherd_get_u64(page + 24);
    memcpy(out_header->salt, page + 32, sizeof out_header->salt);
    return SHERD_OK;
}

void sherd_lmdb_mark_encode(const struct sherd_lmdb_header *header, uint64_t sequence,
                            uint8_t out_mark[static SHERD_LMDB_MARK_BYTES])
{
    sherd_put_u64(out_mark, header->generation);
    sherd_put_u64(out_mark + 8, sequence);
    sherd_put_u32(out_mark + 16, salted_crc(header, sherd_span_of(out_mark, 16)));
}

bool sherd_lmdb_mark_parse(const uint8_t page[static SHERD_LMDB_HEADER_BYTES], const struct sherd_lmdb_header *header,
                           uint64_t *out_sequence)
{
    const uint8_t *mark = page + SHERD_LMDB_MARK_OFFSET;

    if (sherd_get_u64(mark) != header->generation)
        return false;
    if (sherd_get_u32(mark + 16) != salted_crc(header, sherd_span_of(mark, 16)))
        return false;
    *out_sequence = sherd_get_u64(mark + 8);
    return true;
}

/* --- operations -------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_lmdb_op_encode(struct sherd_buf *frame, const struct sherd_store_op *op)
{
    const bool put = op->kind == SHERD_STORE_PUT;
    const uint32_t kind = put ? KIND_PUT : KIND_DELETE;
    const uint32_t bytes = put ? (uint32_t)op->value.len : 0;
    uint8_t head[SHERD_LMDB_OP_HEADER_BYTES];

    sherd_put_u32(head, kind << 24 | bytes);
    memcpy(head + 4, op->name.bytes, sizeof op->name.bytes);
    SHERD_TRY(sherd_buf_reserve(frame, sizeof head + bytes));
    SHERD_TRY(sherd_buf_append(frame, sherd_span_of(head, sizeof head)));
    return put ? sherd_buf_append(frame, op->value) : SHERD_OK;
}

bool sherd_lmdb_op_parse(struct sherd_span *body, enum sherd_store_op_kind *out_kind, struct sherd_ref *out_name,
                         struct sherd_span *out_value)
{
    struct sherd_span head;
    uint32_t word;

    if (!sherd_span_take(body, SHERD_LMDB_OP_HEADER_BYTES, &head))
        return false;
    word = sherd_get_u32(head.data);
    memcpy(out_name->bytes, head.data + 4, sizeof out_name->bytes);
    *out_value = sherd_span_of(NULL, 0);
    if (word == KIND_DELETE << 24) {
        *out_kind = SHERD_STORE_DELETE;
        return true;
    }
    *out_kind = SHERD_STORE_PUT;
    word -= KIND_PUT << 24;
    return word >= 1 && word <= SHERD_STORE_VALUE_BYTES_MAX && sherd_span_take(body, word, out_value);
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static enum sherd_err pad(struct sherd_buf *frame)
{
    static const uint8_t zeroes[8];

    return sherd_buf_append(frame, sherd_span_of(zeroes, (8 - frame->len % 8) % 8));
}

enum sherd_err sherd_lmdb_frame_seal(struct sherd_buf *frame, const struct sherd_lmdb_header *header, uint64_t sequence,
                                     uint32_t op_count)
{
    struct sherd_span body;
    uint8_t *head;

    SHERD_TRY(pad(frame));
    head = frame->data;
    body = sherd_span_of(head + SHERD_LMDB_FRAME_HEADER_BYTES, frame->len - SHERD_LMDB_FRAME_HEADER_BYTES);
    sherd_put_u32(head, FRAME_MAGIC);
    sherd_put_u32(head + 4, (uint32_t)body.len);
    sherd_put_u64(head + 8, header->generation);
    sherd_put_u64(head + 16, sequence);
    sherd_put_u32(head + 24, op_count);
    sherd_put_u32(head + 28, salted_crc(header, body));
    sherd_put_u32(head + 32, salted_crc(header, sherd_span_of(head, 32)));
    sherd_put_u32(head + 36, 0);
    return SHERD_OK;
}

bool sherd_lmdb_frame_parse(const uint8_t bytes[static SHERD_LMDB_FRAME_HEADER_BYTES],
                            const struct sherd_lmdb_header *header, struct sherd_lmdb_frame *out_frame)
{
    if (!sherd_lmdb_frame_resembles(bytes, header->generation))
        return false;
    if (sherd_get_u32(bytes + 32) != salted_crc(header, sherd_span_of(bytes, 32)))
        return false;
    out_frame->body_bytes = sherd_get_u32(bytes + 4);
    out_frame->generation = sherd_get_u64(bytes + 8);
    out_frame->sequence = sherd_get_u64(bytes + 16);
    out_frame->op_count = sherd_get_u32(bytes + 24);
    out_frame->body_check = sherd_get_u32(bytes + 28);
    return out_frame->body_bytes <= SHERD_LMDB_FRAME_BODY_MAX && out_frame->body_bytes % 8 == 0;
}

bool sherd_lmdb_frame_check(const struct sherd_lmdb_frame *frame, const struct sherd_lmdb_header *header,
                            struct sherd_span body)
{
    return body.len == frame->body_bytes && salted_crc(header, body) == frame->body_check;
}

bool sherd_lmdb_frame_resembles(const uint8_t bytes[static SHERD_LMDB_FRAME_HEADER_BYTES], uint64_t generation)
{
    return sherd_get_u32(bytes) == FRAME_MAGIC && sherd_get_u64(bytes + 8) == generation &&
           sherd_get_u32(bytes + 36) == 0;
}
