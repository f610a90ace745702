/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/text.h
 * Text for people and back: numbers, sizes, times, ranges, bytes that may be anything.
 */
#ifndef SHERD_CLI_TEXT_H
#define SHERD_CLI_TEXT_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>
#include <stdint.h>

/** Read a decimal number, digits only. @return false if it is none or lies outside min..max */
bool cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out_number);

/** A part of contents: first..last, both included, as HTTP and curl count. */
struct cli_range {
    bool from_end; /**< "-N": the last `last` bytes */
    bool to_end;   /**< "A-": from first to the end */
    uint64_t first;
    uint64_t last;
};

/** Read "A-B", "A-" or "-N". @return false if it is none of them, or B < A */
bool cli_range_parse(const char *text, struct cli_range *out_range);

/**
 * The bytes of a range within contents.
 * @param[out] out_begin  0..bytes
 * @param[out] out_end    out_begin..bytes; what lies behind the end is cut off
 * @return false if the range begins behind the end
 */
bool cli_range_resolve(const struct cli_range *range, uint64_t bytes, uint64_t *out_begin, uint64_t *out_end);

#define CLI_SIZE_TEXT_SIZE 24
/** Write a number of bytes for people: "0 B", "999 B", "1.0 kB", "52.4 MB". */
void cli_format_size(double bytes, char out_text[static CLI_SIZE_TEXT_SIZE]);

#define CLI_TIME_TEXT_SIZE 32
/** Write a time as "2026-01-31T12:34Z". */
void cli_format_time(int64_t time_s, char out_text[static CLI_TIME_TEXT_SIZE]);

/** Write bytes as lower-case hexadecimal digits. @param[out] out_text  room for 2 * bytes.len + 1 characters */
void cli_format_hex(struct sherd_span bytes, char *out_text);

/** Read exactly len bytes of hexadecimal digits. @return false if the text is anything else */
bool cli_parse_hex(const char *text, uint8_t *out_bytes, size_t len);

/** Bytes of the UTF-8 character at the front, 1..4; 0 if there is none that is valid. */
size_t cli_utf8_len(struct sherd_span bytes);

/** Whether all of it is valid UTF-8 without zero bytes. */
bool cli_utf8_valid(struct sherd_span bytes);

/**
 * Whether the character at the front, of len bytes as cli_utf8_len() says, may be shown as it is: no control
 * character (which could
 * end a line or steer a terminal) and no backslash (which marks what was escaped).
 */
bool cli_shown_plain(struct sherd_span bytes, size_t len);

/**
 * Where a path of an import is safe to make below a directory: relative, no empty part, no "." or "..", no zero
 * byte.
 */
bool cli_path_safe(struct sherd_span path);

/** The longest run of printable ASCII characters. */
size_t cli_printable_run(struct sherd_span bytes);

/**
 * The length from which on a run of printable ASCII characters in so many bytes is no chance: uniformly random bytes
 * hold one so
 * long less than once in a thousand times. At least 8.
 */
size_t cli_printable_run_limit(uint64_t bytes);

#endif
