/* SPDX-License-Identifier: Apache-2.0 */
/* The plain files of a vault: see files.h. */
#include "cryptor/files.h"
#include "base/bytes.h"
#include "envelope/context.h"
#include <stdio.h>

#define MARKER_HEAD "sherd vault\nformat "
#define MARKER_BYTES_MAX 128U

enum sherd_err sherd_marker_write(const char *vault, const char *engine)
{
    char text[MARKER_BYTES_MAX];
    const int len = snprintf(text, sizeof(text), MARKER_HEAD "%u\nengine %s\n", SHERD_FORMAT, engine);

    SHERD_ENSURE(len > 0 && (size_t)len < sizeof(text), SHERD_ERR_INVALID, "the engine's name is too long");
    return sherd_file_write_new(vault, SHERD_MARKER_FILE, sherd_span_of(text, (size_t)len));
}

static enum sherd_err not_a_marker(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "sherd.vault is not as sherd wrote it: it was changed, or this is no vault");
}

/* A decimal number of 1 to 9 digits without leading zeros, off the front of *rest. */
static bool take_number(struct sherd_span *rest, uint32_t *out_number)
{
    uint32_t number = 0;
    size_t digits = 0;

    while (digits < rest->len && digits < 9 && rest->data[digits] >= '0' && rest->data[digits] <= '9')
        number = number * 10 + (uint32_t)(rest->data[digits++] - '0');
    if (digits == 0 || (digits > 1 && rest->data[0] == '0'))
        return false;
    rest->data += digits;
    rest->len -= digits;
    *out_number = number;
    return true;
}

static bool take_text(struct sherd_span *rest, const char *text)
{
    struct sherd_span head;
    struct sherd_span after = *rest;

    if (!sherd_span_take(&after, strlen(text), &head) || !sherd_span_equal(head, sherd_span_str(text)))
        return false;
    *rest = after;
    return true;
}

enum sherd_err sherd_marker_parse(struct sherd_span text, char out_engine[SHERD_ENGINE_NAME_SIZE])
{
    uint32_t format;
    size_t len = 0;

    if (!take_text(&text, MARKER_HEAD) || !take_number(&text, &format) || !take_text(&text, "\n"))
        return not_a_marker();
    if (format != SHERD_FORMAT)
        return sherd_fail(SHERD_ERR_UNSUPPORTED,
                          "the vault has format %u, and this version of sherd knows format %u: use a newer sherd",
                          (unsigned)format, SHERD_FORMAT);
    if (!take_text(&text, "engine "))
        return not_a_marker();
    while (len < text.len && text.data[len] >= 'a' && text.data[len] <= 'z')
        len++;
    if (len == 0 || len >= SHERD_ENGINE_NAME_SIZE || text.len != len + 1 || text.data[len] != '\n')
        return not_a_marker();
    memcpy(out_engine, text.data, len);
    out_engine[len] = 0;
    return SHERD_OK;
}

enum sherd_err sherd_marker_read(const char *vault, char out_engine[SHERD_ENGINE_NAME_SIZE])
{
    char block[MARKER_BYTES_MAX];
    struct sherd_buf text = sherd_buf_borrow(block, sizeof(block));

    const enum sherd_err err = sherd_file_read(vault, SHERD_MARKER_FILE, &text);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "there is no vault at %s: make one with `sherd init`, or name another", vault);
    if (err == SHERD_ERR_LIMIT)
        return not_a_marker();
    SHERD_TRY(err);
    return sherd_marker_parse(sherd_buf_span(&text), out_engine);
}
