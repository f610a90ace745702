/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of an age header:
 *
 *     age-encryption.org/v1
 *     -> KIND ARGUMENT...
 *     BODY in lines of 64 letters of base 64, the last of which is shorter, and may be empty
 *     --- MAC
 */
#include "envelope/age_header.h"

#include "base/bytes.h"
#include "envelope/base64.h"

#define LINE_CHARS 64
#define LINE_BYTES 48
#define MAC_CHARS 43

static const char version_front[] = "age-encryption.org/";
static const char version_ours[] = "age-encryption.org/v1";

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "this is no file of age, or it was changed");
}

static bool begins(struct sherd_span text, const char *front)
{
    const struct sherd_span wanted = sherd_span_str(front);

    return text.len >= wanted.len && sherd_same(text.data, wanted.data, wanted.len);
}

/* Takes a line off the front, without its line feed. */
static bool line_take(struct sherd_span *rest, struct sherd_span *out_line)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    struct sherd_span feed;

    return end != NULL && sherd_span_take(rest, (size_t)(end - rest->data), out_line) &&
           sherd_span_take(rest, 1, &feed);
}

/* --- one recipient ------------------------------------------------------------------------------------------------ */

/* Takes an argument off a line: characters that print, none of them a blank. */
static bool arg_take(struct sherd_span *line, struct sherd_span *out_arg)
{
    size_t chars = 0;

    while (chars < line->len && line->data[chars] > 0x20 && line->data[chars] < 0x7f)
        chars++;
    return chars > 0 && sherd_span_take(line, chars, out_arg);
}

/* What follows "->": a blank before each argument. */
static bool args_read(struct sherd_span line, struct sherd_age_stanza *out_stanza)
{
    struct sherd_span blank;
    struct sherd_span arg;

    while (line.len > 0) {
        if (!sherd_span_take(&line, 1, &blank) || blank.data[0] != ' ' || !arg_take(&line, &arg))
            return false;
        if (out_stanza->arg_count < SHERD_AGE_ARGS_KEPT)
            out_stanza->args[out_stanza->arg_count] = arg;
        out_stanza->arg_count++;
    }
    return out_stanza->arg_count > 0;
}

static enum sherd_err body_line_read(struct sherd_span line, struct sherd_age_stanza *out_stanza)
{
    uint8_t block[LINE_BYTES];
    struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));
    size_t take;

    if (line.len > LINE_CHARS || sherd_base64_decode(SHERD_BASE64_BARE, line, &bytes) != SHERD_OK)
        return malformed();
    if (out_stanza->body_bytes < SHERD_AGE_BODY_KEPT) {
        take = SHERD_AGE_BODY_KEPT - out_stanza->body_bytes;
        memcpy(out_stanza->body + out_stanza->body_bytes, block, bytes.len < take ? bytes.len : take);
    }
    out_stanza->body_bytes += bytes.len;
    return SHERD_OK;
}

enum sherd_err sherd_age_stanza_take(struct sherd_span *lines, struct sherd_age_stanza *out_stanza)
{
    struct sherd_age_stanza stanza = {.arg_count = 0};
    struct sherd_span rest = *lines;
    struct sherd_span line;

    if (!begins(rest, "-> ") || !line_take(&rest, &line) ||
        !args_read(sherd_span_of(line.data + 2, line.len - 2), &stanza))
        return malformed();
    do {
        if (!line_take(&rest, &line))
            return malformed();
        SHERD_TRY(body_line_read(line, &stanza));
    } while (line.len == LINE_CHARS);
    *lines = rest;
    *out_stanza = stanza;
    return SHERD_OK;
}

bool sherd_age_stanza_is(const struct sherd_age_stanza *stanza, const char *kind)
{
    return sherd_span_equal(stanza->args[0], sherd_span_str(kind));
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static enum sherd_err version_read(struct sherd_span *rest)
{
    struct sherd_span line;
    struct sherd_span word;
    struct sherd_span after;

    if (!line_take(rest, &line) || !begins(line, version_front))
        return malformed();
    after = sherd_span_of(line.data + sizeof(version_front) - 1, line.len - (sizeof(version_front) - 1));
    if (!arg_take(&after, &word) || after.len > 0)
        return malformed();
    if (!sherd_span_equal(line, sherd_span_str(version_ours)))
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "this file is of another version of age than version 1");
    return SHERD_OK;
}

/* One recipient or more. A passphrase stands alone: else someone who does not know it could have written the file. */
static enum sherd_err stanzas_read(struct sherd_span *rest)
{
    struct sherd_age_stanza stanza;
    size_t count = 0;
    bool passphrase = false;

    do {
        SHERD_ENSURE(count < SHERD_AGE_RECIPIENTS_MAX, SHERD_ERR_LIMIT, "an age file with too many recipients");
        SHERD_TRY(sherd_age_stanza_take(rest, &stanza));
        passphrase = passphrase || sherd_age_stanza_is(&stanza, "scrypt");
        count++;
    } while (!begins(*rest, "---"));
    return passphrase && count > 1 ? malformed() : SHERD_OK;
}

static enum sherd_err mac_read(struct sherd_span *rest, uint8_t *out_mac)
{
    struct sherd_buf mac = sherd_buf_borrow(out_mac, SHERD_AGE_MAC_SIZE);
    struct sherd_span line;

    if (!line_take(rest, &line) || !begins(line, "--- ") || line.len != 4 + MAC_CHARS ||
        sherd_base64_decode(SHERD_BASE64_BARE, sherd_span_of(line.data + 4, MAC_CHARS), &mac) != SHERD_OK)
        return malformed();
    return SHERD_OK;
}

enum sherd_err sherd_age_header_parse(struct sherd_span file, struct sherd_age_header *out_header)
{
    struct sherd_age_header header = {{NULL, 0}, {NULL, 0}, {0}, {NULL, 0}};
    struct sherd_span rest = file;

    SHERD_TRY(version_read(&rest));
    header.stanzas = rest;
    SHERD_TRY(stanzas_read(&rest));
    header.stanzas.len = (size_t)(rest.data - header.stanzas.data);
    header.covered = sherd_span_of(file.data, (size_t)(rest.data - file.data) + 3);
    SHERD_TRY(mac_read(&rest, header.mac));
    header.payload = rest;
    *out_header = header;
    return SHERD_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static enum sherd_err text_add(struct sherd_buf *out, const char *text)
{
    return sherd_buf_append(out, sherd_span_str(text));
}

enum sherd_err sherd_age_version_write(struct sherd_buf *out_header)
{
    SHERD_TRY(text_add(out_header, version_ours));
    return text_add(out_header, "\n");
}

enum sherd_err sherd_age_stanza_write(const char *args, struct sherd_span body, struct sherd_buf *out_header)
{
    if (body.len >= LINE_BYTES)
        sherd_bug("age: a body of %zu bytes takes more than one line", body.len);
    SHERD_TRY(text_add(out_header, "-> "));
    SHERD_TRY(text_add(out_header, args));
    SHERD_TRY(text_add(out_header, "\n"));
    SHERD_TRY(sherd_base64_encode(SHERD_BASE64_BARE, body, out_header));
    return text_add(out_header, "\n");
}
