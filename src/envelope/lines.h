/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/lines.h
 * The pieces of strict text formats: lines that end with a newline, words, decimals and digests that have one spelling.
 * Not for what people type.
 */
#ifndef SHERD_ENVELOPE_LINES_H
#define SHERD_ENVELOPE_LINES_H

#include "crypto/hash.h"
#include <stdbool.h>

/** Take a line off the front of *rest, with its newline. @return false, and *rest unchanged, if none ends there */
bool sherd_line_take(struct sherd_span *rest, struct sherd_span *out_line);

/** Take what stands before the first such byte, and the byte. @return false, and *rest unchanged, if there is none */
bool sherd_line_until(struct sherd_span *rest, uint8_t end, struct sherd_span *out_part);

/** Take a text off the front of a line. @return false, and the line unchanged, if it does not begin so */
bool sherd_line_begins(struct sherd_span *line, const char *text);

/** The whole of a text as a decimal: digits, no zero before others, at most UINT64_MAX. */
bool sherd_decimal_parse(struct sherd_span text, uint64_t *out_number);

/** Append a decimal. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_decimal_append(struct sherd_buf *buf, uint64_t number);

/** The whole of a text as a digest in base 64. */
bool sherd_digest_parse(struct sherd_span text, struct sherd_digest *out_digest);

/** Append a digest in base 64. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_digest_append(struct sherd_buf *buf, const struct sherd_digest *digest);

/** Append a string. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_text_append(struct sherd_buf *buf, const char *text);

#endif
