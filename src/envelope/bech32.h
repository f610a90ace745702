/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/bech32.h
 * Bech32 (BIP-173) and Bech32m (BIP-350): bytes as text that a person can copy, with a checksum that is a BCH code.
 *
 * A text is `prefix 1 data checksum`. The prefix is 1 to 83 characters of ASCII 33 to 126; data and checksum are of 32
 * letters and digits, 5 bits each. Up to 90 characters the checksum detects any 4 wrong ones; longer texts, which age
 * has, keep a chance of 1 in 2^30 to be wrong unseen. So the longest text allowed is an argument.
 *
 * The texts may be secret. Time and addresses depend on the lengths, the prefix and the outcome alone: the letters are
 * compared with all 32, none is looked up. Give buffers over secret memory (sherd_buf_borrow()). Texts of length n need
 * room for n bytes on either side; what was written there beyond the result is wiped.
 */
#ifndef SHERD_ENVELOPE_BECH32_H
#define SHERD_ENVELOPE_BECH32_H

#include "base/macros.h"
#include <sherd/span.h>

/** Which checksum: the constant that its polynomial must leave. */
enum sherd_bech32 {
    SHERD_BECH32 = 1,
    SHERD_BECH32M = 0x2bc830a3,
};

#define SHERD_BECH32_PREFIX_MAX 83U
#define SHERD_BECH32_CHECKSUM_CHARS 6U
/** Up to this length any 4 wrong characters are seen. */
#define SHERD_BECH32_TEXT_MAX 90U

/** Characters of the text of some bytes: prefix, "1", data, checksum. For lengths below 2^28. */
static inline size_t sherd_bech32_text_chars(size_t prefix_chars, size_t bytes)
{
    return prefix_chars + 1 + (bytes * 8 + 4) / 5 + SHERD_BECH32_CHECKSUM_CHARS;
}

/**
 * Encode bytes.
 * @param[in]  kind      which checksum
 * @param[in]  prefix    ended by a zero byte; without letters or in lower case for a text in lower case; in upper case
 *                       for a text in upper case; mixed: SHERD_ERR_INVALID
 * @param[in]  bytes     must not lie within out_text
 * @param[in]  text_max  most characters of the text
 * @param[out] out_text  the text is appended, without a zero byte
 * @return SHERD_OK; SHERD_ERR_INVALID (the prefix); SHERD_ERR_LIMIT (text_max, or the buffer); SHERD_ERR_NO_MEMORY
 *
 * @par Source  BIP-173, "Specification"; BIP-350
 */
SHERD_MUST_USE enum sherd_err sherd_bech32_encode(enum sherd_bech32 kind, const char *prefix, struct sherd_span bytes,
                                                  size_t text_max, struct sherd_buf *out_text);

/**
 * Decode a text. Accepts exactly what sherd_bech32_encode() writes, in lower or in upper case.
 * @param[in]  kind       the checksum that it must have
 * @param[in]  prefix     that it must have, whatever the case of either
 * @param[in]  text       must not lie within out_bytes
 * @param[in]  text_max   most characters
 * @param[out] out_bytes  the bytes are appended; needs room for one byte a character of data, before the last are cut
 * @return SHERD_OK; SHERD_ERR_INVALID (too long or short, another prefix, mixed case, a character that is none of the
 *         32, the checksum, or bits left over that are more than 4 or not zero); SHERD_ERR_LIMIT (the buffer);
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_bech32_decode(enum sherd_bech32 kind, const char *prefix, struct sherd_span text,
                                                  size_t text_max, struct sherd_buf *out_bytes);

/** As sherd_bech32_encode(), of values of 5 bits, one a byte. A larger one is SHERD_ERR_INVALID. */
SHERD_MUST_USE enum sherd_err sherd_bech32_encode_words(enum sherd_bech32 kind, const char *prefix,
                                                        struct sherd_span words, size_t text_max,
                                                        struct sherd_buf *out_text);

/** As sherd_bech32_decode(), to values of 5 bits, one a byte, which need not be a whole number of bytes. */
SHERD_MUST_USE enum sherd_err sherd_bech32_decode_words(enum sherd_bech32 kind, const char *prefix,
                                                        struct sherd_span text, size_t text_max,
                                                        struct sherd_buf *out_words);

/**
 * Join values of 5 bits, one a byte, to bytes: the strict rule of BIP-173 that at most 4 bits stay over, all zero.
 * @param[in]  words      must not lie within out_bytes
 * @param[out] out_bytes  the bytes are appended; needs room for as many bytes as there are words
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_bech32_regroup(struct sherd_span words, struct sherd_buf *out_bytes);

/** How long the prefix of a text is: what stands before its last "1"; 0 if there is none. The text is no secret. */
size_t sherd_bech32_prefix_chars(struct sherd_span text);

#endif
