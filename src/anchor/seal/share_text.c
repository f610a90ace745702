/* SPDX-License-Identifier: Apache-2.0 */
/* A share as three lines of text: see share.h and docs/format/share.md, section 3. */
#include "anchor/seal/share.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/mask.h"
#include "envelope/bech32.h"

#define PREFIX "sherd"
#define LINES 3U
#define PART_BYTES 27U /* of the share, in each line */
#define LINE_HEAD_BYTES 4U
#define LINE_BYTES (LINE_HEAD_BYTES + PART_BYTES)
#define LINE_CHARS 62U
#define LEAD_CHARS 6U /* the prefix and "1" */
#define GROUP_CHARS 4U
#define GROUPS ((LINE_CHARS - LEAD_CHARS) / GROUP_CHARS)
#define PRINTED_CHARS (LEAD_CHARS + GROUPS * (1 + GROUP_CHARS) + 1)

_Static_assert(LINES *PART_BYTES == SHERD_SHARE_BYTES, "the lines hold a share");
_Static_assert(LINE_CHARS <= SHERD_BECH32_TEXT_MAX, "the checksum sees four wrong characters");
_Static_assert(LINES *PRINTED_CHARS + 1 == SHERD_SHARE_TEXT_SIZE, "the text has the size that is promised");

/* In secret memory. */
struct work {
    uint8_t share[SHERD_SHARE_BYTES];
    uint8_t line[LINE_CHARS]; /* decoded in place of its data, so of this size and not LINE_BYTES */
    uint8_t chars[LINE_CHARS];
};

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* line: 1 to LINES. */
static void line_head(unsigned line, const uint8_t share[static SHERD_SHARE_BYTES], uint8_t out[static LINE_HEAD_BYTES])
{
    out[0] = (uint8_t)(LINES << 4 | line);
    out[1] = share[14]; /* its index */
    memcpy(out + 2, share + 2, 2);
}

static void print_line(const uint8_t chars[static LINE_CHARS], char *out)
{
    memcpy(out, chars, LEAD_CHARS);
    out += LEAD_CHARS;
    for (unsigned i = 0; i < GROUPS; i++) {
        *out++ = ' ';
        memcpy(out, chars + LEAD_CHARS + (size_t)i * GROUP_CHARS, GROUP_CHARS);
        out += GROUP_CHARS;
    }
    *out = '\n';
}

static enum sherd_err write_lines(struct work *work, const struct sherd_share *share, char *out_text)
{
    sherd_share_encode(share, work->share);
    for (unsigned line = 1; line <= LINES; line++) {
        struct sherd_buf chars = sherd_buf_borrow(work->chars, sizeof(work->chars));

        line_head(line, work->share, work->line);
        memcpy(work->line + LINE_HEAD_BYTES, work->share + (size_t)(line - 1) * PART_BYTES, PART_BYTES);
        SHERD_TRY(sherd_bech32_encode(SHERD_BECH32M, PREFIX, sherd_span_of(work->line, LINE_BYTES), LINE_CHARS,
                                      &chars));
        print_line(work->chars, out_text + (size_t)(line - 1) * PRINTED_CHARS);
    }
    out_text[SHERD_SHARE_TEXT_SIZE - 1] = '\0';
    return SHERD_OK;
}

enum sherd_err sherd_share_text(const struct sherd_share *share, char out_text[static SHERD_SHARE_TEXT_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep) struct work *work = sherd_secret_alloc(sizeof(*work));

    if (work == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = write_lines(work, share, out_text);
    if (err != SHERD_OK)
        sherd_wipe(out_text, SHERD_SHARE_TEXT_SIZE);
    return err;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool separates(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '-' || c == '\r';
}

/*
 * Take the next line in which there is something, without its separators and in lower case. *out_count is how many
 * characters it has, of which the first LINE_CHARS are in chars; 0 at the end of the text.
 */
static void take_line(struct sherd_span *rest, uint8_t chars[static LINE_CHARS], size_t *out_count)
{
    struct sherd_span c;
    size_t count = 0;

    while (sherd_span_take(rest, 1, &c)) {
        if (c.data[0] == '\n' && count > 0)
            break;
        if (c.data[0] == '\n' || separates(c.data[0]))
            continue;
        if (count < LINE_CHARS)
            chars[count] = (uint8_t)(c.data[0] | (sherd_mask_between(c.data[0], 'A', 'Z') & 0x20U));
        count++;
    }
    *out_count = count;
}

/* Whether a line that decoded is the one that must stand here. */
static enum sherd_err check_line(const struct work *work, unsigned line)
{
    const unsigned number = work->line[0] & 0xfU;

    SHERD_ENSURE(work->line[0] >> 4 == LINES && number >= 1 && number <= LINES, SHERD_ERR_INVALID,
                 "it is none of the three lines of a share");
    if (number > line)
        return sherd_fail(SHERD_ERR_INVALID, "here stands line %u: line %u is missing, or comes later", number, line);
    if (number < line)
        return sherd_fail(SHERD_ERR_INVALID, "here stands line %u, once more or too late", number);
    if (line > 1 && !sherd_same(work->line + 1, (const uint8_t[]){work->share[14], work->share[2], work->share[3]}, 3))
        return sherd_fail(SHERD_ERR_INVALID, "it is of another share than line 1 (of share %u there, of %u here)",
                          work->share[14], work->line[1]);
    return SHERD_OK;
}

static enum sherd_err read_line(struct work *work, struct sherd_span *rest, unsigned line)
{
    struct sherd_buf bytes = sherd_buf_borrow(work->line, sizeof(work->line));
    size_t count;

    take_line(rest, work->chars, &count);
    SHERD_ENSURE(count > 0, SHERD_ERR_INVALID, "it is missing");
    if (count != LINE_CHARS)
        return sherd_fail(SHERD_ERR_INVALID, "it has %zu characters, and not %u", count, LINE_CHARS);
    SHERD_TRY(sherd_bech32_decode(SHERD_BECH32M, PREFIX, sherd_span_of(work->chars, LINE_CHARS), LINE_CHARS, &bytes));
    SHERD_TRY(check_line(work, line));
    memcpy(work->share + (size_t)(line - 1) * PART_BYTES, work->line + LINE_HEAD_BYTES, PART_BYTES);
    if (line == 1)
        SHERD_ENSURE(sherd_same(work->line + 1, (const uint8_t[]){work->share[14], work->share[2], work->share[3]}, 3),
                     SHERD_ERR_INVALID, "it contradicts itself");
    return SHERD_OK;
}

static enum sherd_err read_lines(struct work *work, struct sherd_span text, unsigned *out_line)
{
    size_t more;

    for (unsigned line = 1; line <= LINES; line++) {
        const enum sherd_err err = read_line(work, &text, line);

        if (err != SHERD_OK) {
            *out_line = line;
            return sherd_fail(err, "line %u of the share: %s", line, sherd_err_detail());
        }
    }
    take_line(&text, work->chars, &more);
    SHERD_ENSURE(more == 0, SHERD_ERR_INVALID, "something stands behind the three lines of the share");
    return SHERD_OK;
}

enum sherd_err sherd_share_parse(struct sherd_span text, struct sherd_share *out_share, unsigned *out_line)
{
    unsigned unwanted;
    unsigned *line = out_line != NULL ? out_line : &unwanted;

    *line = 0;
    SHERD_ENSURE(text.len <= SHERD_SHARE_TEXT_BYTES_MAX, SHERD_ERR_INVALID, "this is no share: it is too long");
    SHERD_CLEANUP(sherd_secret_freep) struct work *work = sherd_secret_alloc(sizeof(*work));
    if (work == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(read_lines(work, text, line));
    return sherd_share_decode(sherd_span_of(work->share, SHERD_SHARE_BYTES), out_share);
}
