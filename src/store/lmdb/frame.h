/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/frame.h
 * The bytes of a journal: its header, its mark, its frames. Encoding and parsing alone; docs/format/engine.md sections
 * 3, 4.
 */
#ifndef SHERD_STORE_LMDB_FRAME_H
#define SHERD_STORE_LMDB_FRAME_H

#include "base/macros.h"
#include <sherd/provider/store.h>

#define SHERD_LMDB_HEADER_BYTES 4096U /**< of a journal; what follows are frames */
#define SHERD_LMDB_MARK_OFFSET 512U
#define SHERD_LMDB_MARK_BYTES 20U
#define SHERD_LMDB_SALT_BYTES 16U
#define SHERD_LMDB_FRAME_HEADER_BYTES 40U
#define SHERD_LMDB_OP_HEADER_BYTES 20U
#define SHERD_LMDB_FRAME_BODY_MAX ((uint32_t)4 << 20)

struct sherd_lmdb_header {
    uint64_t generation;
    uint64_t first_sequence;
    uint8_t salt[SHERD_LMDB_SALT_BYTES];
};

struct sherd_lmdb_frame {
    uint32_t body_bytes;
    uint64_t generation;
    uint64_t sequence;
    uint32_t op_count;
    uint32_t body_check;
};

/** Write the header page of a journal; everything else in it, the mark included, becomes zero. */
void sherd_lmdb_header_encode(const struct sherd_lmdb_header *header, uint8_t out_page[static SHERD_LMDB_HEADER_BYTES]);
/** @return SHERD_OK; SHERD_ERR_IO: it is none (no detail); SHERD_ERR_UNSUPPORTED: a version of the future */
SHERD_MUST_USE enum sherd_err sherd_lmdb_header_parse(const uint8_t page[static SHERD_LMDB_HEADER_BYTES],
                                                      struct sherd_lmdb_header *out_header);

/** The mark of a journal: all frames before sequence are there. */
void sherd_lmdb_mark_encode(const struct sherd_lmdb_header *header, uint64_t sequence,
                            uint8_t out_mark[static SHERD_LMDB_MARK_BYTES]);
/** @return whether the header page has a valid mark of this generation */
bool sherd_lmdb_mark_parse(const uint8_t page[static SHERD_LMDB_HEADER_BYTES], const struct sherd_lmdb_header *header,
                           uint64_t *out_sequence);

/** Bytes that an operation takes in a body. */
static inline size_t sherd_lmdb_op_bytes(const struct sherd_store_op *op)
{
    return SHERD_LMDB_OP_HEADER_BYTES + (op->kind == SHERD_STORE_PUT ? op->value.len : 0);
}

/**
 * Append an operation to a frame being built, which begins with room for its header. @return SHERD_OK; NO_MEMORY; LIMIT
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_op_encode(struct sherd_buf *frame, const struct sherd_store_op *op);
/**
 * Take the next operation off a body.
 * @param[out] out_value  of a put: within body, and never empty
 * @return false: no operation starts here; padding, or damage
 */
bool sherd_lmdb_op_parse(struct sherd_span *body, enum sherd_store_op_kind *out_kind, struct sherd_ref *out_name,
                         struct sherd_span *out_value);

/** Pad the body of a built frame and write its header. @return SHERD_OK; NO_MEMORY; LIMIT */
SHERD_MUST_USE enum sherd_err sherd_lmdb_frame_seal(struct sherd_buf *frame, const struct sherd_lmdb_header *header,
                                                    uint64_t sequence, uint32_t op_count);
/** @return whether these bytes are the header of a frame of the journal */
bool sherd_lmdb_frame_parse(const uint8_t bytes[static SHERD_LMDB_FRAME_HEADER_BYTES],
                            const struct sherd_lmdb_header *header, struct sherd_lmdb_frame *out_frame);
/** Whether the body is the one that the header was written for. */
bool sherd_lmdb_frame_check(const struct sherd_lmdb_frame *frame, const struct sherd_lmdb_header *header,
                            struct sherd_span body);
/** Whether bytes look like the start of a frame of a generation whose salt is not known. */
bool sherd_lmdb_frame_resembles(const uint8_t bytes[static SHERD_LMDB_FRAME_HEADER_BYTES], uint64_t generation);

#endif
