/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/attributes.h
 * A record's attributes as bytes: ordered by name, each name once. docs/format/envelope.md section 2.
 */
#ifndef SHERD_ENVELOPE_ATTRIBUTES_H
#define SHERD_ENVELOPE_ATTRIBUTES_H

#include "base/macros.h"
#include <sherd/record.h>

/** Longest encoding: all names and values and three bytes for each. */
#define SHERD_ATTRIBUTES_ENCODED_MAX (SHERD_ATTRIBUTES_BYTES_MAX + 3U * SHERD_ATTRIBUTES_MAX)

/**
 * Encode attributes given in any order.
 * @return SHERD_OK; SHERD_ERR_INVALID (a name is empty, too long or there twice, or a bound is passed);
 *         SHERD_ERR_NO_MEMORY; SHERD_ERR_LIMIT (out_bytes has no room)
 */
SHERD_MUST_USE enum sherd_err sherd_attributes_encode(const struct sherd_attribute *attributes, size_t count,
                                                      struct sherd_buf *out_bytes);

/** The next attribute off the front of *rest. Checks bounds and the order against *previous (NULL data at first). */
SHERD_MUST_USE enum sherd_err sherd_attributes_next(struct sherd_span *rest, struct sherd_span *previous,
                                                    struct sherd_span *out_name, struct sherd_span *out_value);

/** Check a whole encoding. @param[out] out_count  how many. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_attributes_check(struct sherd_span bytes, size_t *out_count);

#endif
