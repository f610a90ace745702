/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/tlv.h
 * The canonical TLV of docs/format/envelope.md section 1: one encoding for each value, and no other is accepted.
 */
#ifndef SHERD_ENVELOPE_TLV_H
#define SHERD_ENVELOPE_TLV_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

/** Tags are 1..SHERD_TLV_TAG_MAX, so that a set of tags is one 64-bit mask. */
#define SHERD_TLV_TAG_MAX 63U
#define SHERD_TLV_BIT(tag) ((uint64_t)1 << (tag))
/** Bytes before an item's value. */
#define SHERD_TLV_ITEM_OVERHEAD 3U

/** Writes items into a block of the caller's. Errors stick and show at the end, so that writing reads as a list. */
struct sherd_tlv_writer {
    uint8_t *block;
    size_t cap;
    size_t len;
    unsigned last_tag;
    bool overflow;
};

/** A writer over cap bytes at block. */
struct sherd_tlv_writer sherd_tlv_writer(uint8_t *block, size_t cap);

/** Write an item. Tags must ascend (else the process stops: it is a bug); empty values are left out. */
void sherd_tlv_put(struct sherd_tlv_writer *writer, unsigned tag, struct sherd_span value);

/** Write an integer: 8 bytes, big-endian, 0 included. */
void sherd_tlv_put_u64(struct sherd_tlv_writer *writer, unsigned tag, uint64_t value);

/** End. @return SHERD_OK; SHERD_ERR_LIMIT if the block was too small */
SHERD_MUST_USE enum sherd_err sherd_tlv_end(const struct sherd_tlv_writer *writer, size_t *out_bytes);

/** The items of a parsed TLV: value[tag] is borrowed from what was parsed; data is NULL where the tag is absent. */
struct sherd_tlv {
    struct sherd_span value[SHERD_TLV_TAG_MAX + 1];
};

/**
 * Parse all of a span.
 * @param[in] required  mask of tags that must be there
 * @param[in] optional  mask of tags that may be there; any other is refused
 * @return SHERD_OK; SHERD_ERR_TAMPERED
 */
SHERD_MUST_USE enum sherd_err sherd_tlv_parse(struct sherd_span bytes, uint64_t required, uint64_t optional,
                                              struct sherd_tlv *out_tlv);

/** Copy a value of exactly size bytes. @return SHERD_OK; SHERD_ERR_TAMPERED if it has another length */
SHERD_MUST_USE enum sherd_err sherd_tlv_get(const struct sherd_tlv *tlv, unsigned tag, void *out, size_t size);

/** Read an integer of at most max. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_tlv_get_u64(const struct sherd_tlv *tlv, unsigned tag, uint64_t max,
                                                uint64_t *out_value);

/** Copy a text of at most size - 1 bytes without zero bytes, and end it with one; "" if absent. */
SHERD_MUST_USE enum sherd_err sherd_tlv_get_text(const struct sherd_tlv *tlv, unsigned tag, char *out, size_t size);

#endif
