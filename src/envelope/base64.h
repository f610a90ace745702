/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/base64.h
 * Base 64 as age writes it: the standard alphabet, one text for the same bytes. Not for secrets: letters are looked up.
 *
 * @par Source  RFC 4648, sections 3.5 and 4
 */
#ifndef SHERD_ENVELOPE_BASE64_H
#define SHERD_ENVELOPE_BASE64_H

#include "base/macros.h"
#include <sherd/span.h>

enum sherd_base64 {
    SHERD_BASE64_BARE,   /**< without padding */
    SHERD_BASE64_PADDED, /**< to a multiple of 4 by "=" */
};

/** Encode. @param[in,out] out_text  the text is appended. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_base64_encode(enum sherd_base64 kind, struct sherd_span bytes,
                                                  struct sherd_buf *out_text);

/**
 * Decode: accepts exactly what sherd_base64_encode() writes.
 * @param[in,out] out_bytes  the bytes are appended; unchanged on failure
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_base64_decode(enum sherd_base64 kind, struct sherd_span text,
                                                  struct sherd_buf *out_bytes);

#endif
