/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A box as lines of text: see token_box.h and docs/format/share.md, section 5.2. It is no secret: letters are looked at
 * one by one here, and a line that is wrong is named with what is wrong in it.
 */
#include "envelope/token_box.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/bech32.h"
#include <string.h>

#define PREFIX "sherdt"
#define LEAD_CHARS 7U /* the prefix and "1" */
#define GROUP_CHARS 5U
#define HEAD_BYTES 4U /* number, count, and two bytes of the box's hash */
#define PART_BYTES 36U
#define LINE_BYTES (HEAD_BYTES + PART_BYTES)
#define LINE_CHARS 77U
#define LINES_MAX ((SHERD_TOKEN_BOX_BYTES_MAX + PART_BYTES - 1) / PART_BYTES)

_Static_assert(LINE_CHARS <= SHERD_BECH32_TEXT_MAX, "the checksum sees four wrong characters");
_Static_assert(LINE_CHARS == LEAD_CHARS + (LINE_BYTES * 8 + 4) / 5 + SHERD_BECH32_CHECKSUM_CHARS,
               "a line has its size");
_Static_assert(LINES_MAX < 256, "a number of a line is one byte");

static enum sherd_err tag_of(struct sherd_span box, uint8_t out_tag[static 2])
{
    struct sherd_digest digest;

    SHERD_TRY(sherd_hash(SHERD_SHA256, &box, 1, digest.bytes));
    memcpy(out_tag, digest.bytes, 2);
    return SHERD_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static enum sherd_err print_line(struct sherd_span chars, struct sherd_buf *out_text)
{
    SHERD_TRY(sherd_buf_append(out_text, sherd_span_of(chars.data, LEAD_CHARS)));
    for (size_t at = LEAD_CHARS; at < chars.len; at += GROUP_CHARS) {
        const size_t left = chars.len - at;

        SHERD_TRY(sherd_buf_append(out_text, sherd_span_str(" ")));
        SHERD_TRY(sherd_buf_append(out_text, sherd_span_of(chars.data + at, left < GROUP_CHARS ? left : GROUP_CHARS)));
    }
    return sherd_buf_append(out_text, sherd_span_str("\n"));
}

static enum sherd_err write_lines(struct sherd_span box, struct sherd_buf *out_text)
{
    const size_t count = (box.len + PART_BYTES - 1) / PART_BYTES;
    uint8_t tag[2];

    SHERD_TRY(tag_of(box, tag));
    for (size_t number = 1; number <= count; number++) {
        uint8_t line[LINE_BYTES] = {(uint8_t)number, (uint8_t)count, tag[0], tag[1]};
        uint8_t block[LINE_CHARS];
        struct sherd_buf chars = sherd_buf_borrow(block, sizeof(block));
        const size_t take = box.len < PART_BYTES ? box.len : PART_BYTES;

        memcpy(line + HEAD_BYTES, box.data, take);
        box = sherd_span_of(box.data + take, box.len - take);
        SHERD_TRY(sherd_bech32_encode(SHERD_BECH32M, PREFIX, sherd_span_of(line, HEAD_BYTES + take), LINE_CHARS,
                                      &chars));
        SHERD_TRY(print_line(sherd_buf_span(&chars), out_text));
    }
    return SHERD_OK;
}

enum sherd_err sherd_token_box_text(struct sherd_span box, struct sherd_buf *out_text)
{
    const size_t before = out_text->len;

    SHERD_ENSURE(box.len > 0 && box.len <= SHERD_TOKEN_BOX_BYTES_MAX, SHERD_ERR_LIMIT, "this is too long for a share");
    const enum sherd_err err = write_lines(box, out_text);
    if (err != SHERD_OK)
        out_text->len = before;
    return err;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool separates(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '-' || c == '\r';
}

/*
 * Take the next line in which there is something and which is no comment, without its separators and in lower case.
 * @return how many characters it has, of which the first LINE_CHARS are in chars; 0 at the end of the text
 */
static size_t take_line(struct sherd_span *rest, uint8_t chars[static LINE_CHARS])
{
    size_t count = 0;

    while (rest->len > 0 && count == 0) {
        const struct sherd_span line = sherd_span_line(rest);

        for (size_t i = 0; i < line.len; i++) {
            uint8_t c = line.data[i];

            if (separates(c))
                continue;
            if (c == '#' && count == 0)
                break;
            if (c >= 'A' && c <= 'Z')
                c = (uint8_t)(c | 0x20U);
            if (count < LINE_CHARS)
                chars[count] = c;
            count++;
        }
    }
    return count;
}

bool sherd_token_box_is_text(struct sherd_span text)
{
    uint8_t chars[LINE_CHARS];

    return take_line(&text, chars) >= LEAD_CHARS && sherd_same(chars, PREFIX "1", LEAD_CHARS);
}

struct reading {
    unsigned line;
    unsigned count;
    uint8_t tag[2];
};

/* Whether the head of a line is what must stand here; the first one says what the others must say. */
static enum sherd_err check_head(struct reading *reading, struct sherd_span bytes)
{
    SHERD_ENSURE(bytes.len > HEAD_BYTES, SHERD_ERR_INVALID, "it is none of a sealed share");
    if (reading->line == 1) {
        reading->count = bytes.data[1];
        memcpy(reading->tag, bytes.data + 2, 2);
    }
    SHERD_ENSURE(sherd_same(reading->tag, bytes.data + 2, 2) && reading->count == bytes.data[1], SHERD_ERR_INVALID,
                 "it is of another share than line 1");
    if (bytes.data[0] != reading->line)
        return sherd_fail(SHERD_ERR_INVALID, "here stands line %u of %u", bytes.data[0], reading->count);
    SHERD_ENSURE(reading->count <= LINES_MAX && reading->line <= reading->count, SHERD_ERR_INVALID,
                 "it is none of a sealed share");
    SHERD_ENSURE(bytes.len == LINE_BYTES || reading->line == reading->count, SHERD_ERR_INVALID,
                 "it is too short, and not the last one");
    return SHERD_OK;
}

static enum sherd_err read_line(struct reading *reading, struct sherd_span *rest, struct sherd_buf *out_box)
{
    uint8_t block[LINE_CHARS];
    uint8_t chars[LINE_CHARS];
    struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));
    const size_t count = take_line(rest, chars);

    SHERD_ENSURE(count > 0, SHERD_ERR_INVALID, "it is missing");
    if (count > LINE_CHARS)
        return sherd_fail(SHERD_ERR_INVALID, "it has %zu characters, and not at most %u", count, LINE_CHARS);
    SHERD_TRY(sherd_bech32_decode(SHERD_BECH32M, PREFIX, sherd_span_of(chars, count), LINE_CHARS, &bytes));
    SHERD_TRY(check_head(reading, sherd_buf_span(&bytes)));
    return sherd_buf_append(out_box, sherd_span_of(block + HEAD_BYTES, bytes.len - HEAD_BYTES));
}

static enum sherd_err read_lines(struct reading *reading, struct sherd_span text, struct sherd_buf *out_box)
{
    const size_t before = out_box->len;
    uint8_t chars[LINE_CHARS];
    uint8_t tag[2];

    do {
        reading->line++;
        const enum sherd_err err = read_line(reading, &text, out_box);
        if (err != SHERD_OK)
            return sherd_fail(err, "line %u of the sealed share: %s", reading->line, sherd_err_detail());
    } while (reading->line < reading->count);
    reading->line = 0;
    SHERD_ENSURE(take_line(&text, chars) == 0, SHERD_ERR_INVALID,
                 "something stands behind the lines of the sealed share");
    SHERD_TRY(tag_of(sherd_span_of(out_box->data + before, out_box->len - before), tag));
    SHERD_ENSURE(sherd_same(tag, reading->tag, sizeof(tag)), SHERD_ERR_INVALID,
                 "the lines of the sealed share do not belong together");
    return SHERD_OK;
}

enum sherd_err sherd_token_box_parse(struct sherd_span text, struct sherd_buf *out_box, unsigned *out_line)
{
    struct reading reading = {0};
    const size_t before = out_box->len;
    enum sherd_err err;

    if (text.len > SHERD_TOKEN_TEXT_BYTES_MAX)
        err = sherd_fail(SHERD_ERR_INVALID, "this is no sealed share: it is too long");
    else
        err = read_lines(&reading, text, out_box);
    if (out_line != NULL)
        *out_line = reading.line;
    if (err != SHERD_OK)
        out_box->len = before;
    return err;
}
