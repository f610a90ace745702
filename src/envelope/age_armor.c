/* SPDX-License-Identifier: Apache-2.0 */
/* The armor of an age file: the strict form of RFC 7468, section 3, figure 3, with one label. */
#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/age_header.h"
#include "envelope/base64.h"

#define LINE_CHARS 64
#define LINE_BYTES 48

static const char front[] = "-----BEGIN AGE ENCRYPTED FILE-----";
static const char back[] = "-----END AGE ENCRYPTED FILE-----";

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the armor of an age file is damaged");
}

static bool is_white(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct sherd_span trim(struct sherd_span text)
{
    while (text.len > 0 && is_white(text.data[0]))
        text = sherd_span_of(text.data + 1, text.len - 1);
    while (text.len > 0 && is_white(text.data[text.len - 1]))
        text.len--;
    return text;
}

bool sherd_age_is_armored(struct sherd_span text)
{
    const struct sherd_span wanted = sherd_span_str(front);

    text = trim(text);
    return text.len >= wanted.len && sherd_same(text.data, wanted.data, wanted.len);
}

/* The next line without its end; the last has none, for it was trimmed. */
static struct sherd_span line_take(struct sherd_span *rest)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    struct sherd_span line = *rest;

    if (end == NULL) {
        *rest = sherd_span_of(rest->data + rest->len, 0);
        return line;
    }
    line.len = (size_t)(end - rest->data);
    *rest = sherd_span_of(end + 1, rest->len - line.len - 1);
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Lines of 64 letters, of which the last may be shorter, up to the closing one. */
static enum sherd_err body_read(struct sherd_span rest, struct sherd_buf *out_file)
{
    bool last = false;

    for (;;) {
        const struct sherd_span line = line_take(&rest);

        if (sherd_span_equal(line, sherd_span_str(back)))
            return rest.len == 0 ? SHERD_OK : malformed();
        if (last || line.len == 0 || line.len > LINE_CHARS)
            return malformed();
        const size_t before = out_file->len;
        const enum sherd_err err = sherd_base64_decode(SHERD_BASE64_PADDED, line, out_file);

        if (err != SHERD_OK)
            return err == SHERD_ERR_INVALID ? malformed() : err;
        last = out_file->len - before < LINE_BYTES;
    }
}

enum sherd_err sherd_age_unarmor(struct sherd_span text, struct sherd_buf *out_file)
{
    const size_t before = out_file->len;
    enum sherd_err err = SHERD_ERR_TAMPERED;

    text = trim(text);
    if (sherd_span_equal(line_take(&text), sherd_span_str(front)))
        err = body_read(text, out_file);
    else
        err = malformed();
    if (err != SHERD_OK)
        out_file->len = before;
    return err;
}

static enum sherd_err armor_write(struct sherd_span file, struct sherd_buf *out_text)
{
    SHERD_TRY(sherd_buf_append(out_text, sherd_span_str(front)));
    SHERD_TRY(sherd_buf_append(out_text, sherd_span_str("\n")));
    while (file.len > 0) {
        const size_t take = file.len < LINE_BYTES ? file.len : LINE_BYTES;

        SHERD_TRY(sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(file.data, take), out_text));
        SHERD_TRY(sherd_buf_append(out_text, sherd_span_str("\n")));
        file = sherd_span_of(file.data + take, file.len - take);
    }
    SHERD_TRY(sherd_buf_append(out_text, sherd_span_str(back)));
    return sherd_buf_append(out_text, sherd_span_str("\n"));
}

enum sherd_err sherd_age_armor(struct sherd_span file, struct sherd_buf *out_text)
{
    const size_t before = out_text->len;
    const enum sherd_err err = armor_write(file, out_text);

    if (err != SHERD_OK)
        out_text->len = before;
    return err;
}
