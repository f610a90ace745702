/* SPDX-License-Identifier: Apache-2.0 */
/* Base 64, strictly: no line breaks, no spaces, no bits left over that are not zero. */
#include "envelope/base64.h"

#include <stdbool.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint8_t letter_of(uint32_t group, unsigned shift)
{
    return (uint8_t)letters[(group >> shift) & 63];
}

static size_t text_chars(enum sherd_base64 kind, size_t bytes)
{
    const size_t over = bytes % 3;

    return bytes / 3 * 4 + (over == 0 ? 0 : kind == SHERD_BASE64_PADDED ? 4 : over + 1);
}

/* The last 1 or 2 bytes. */
static void encode_rest(struct sherd_span rest, uint8_t *out, size_t chars)
{
    const uint32_t group = (uint32_t)(rest.data[0] << 16) | (rest.len == 2 ? (uint32_t)(rest.data[1] << 8) : 0);

    for (size_t i = 0; i < chars; i++)
        out[i] = i <= rest.len ? letter_of(group, 18 - 6 * (unsigned)i) : (uint8_t)'=';
}

enum sherd_err sherd_base64_encode(enum sherd_base64 kind, struct sherd_span bytes, struct sherd_buf *out_text)
{
    const size_t chars = text_chars(kind, bytes.len);
    const size_t whole = bytes.len / 3;
    uint8_t *out;

    SHERD_TRY(sherd_buf_reserve(out_text, chars));
    if (chars == 0)
        return SHERD_OK;
    out = out_text->data + out_text->len;
    for (size_t i = 0; i < whole; i++) {
        const uint8_t *in = bytes.data + 3 * i;
        const uint32_t group = (uint32_t)(in[0] << 16) | (uint32_t)(in[1] << 8) | in[2];

        for (unsigned k = 0; k < 4; k++)
            out[4 * i + k] = letter_of(group, 18 - 6 * k);
    }
    if (bytes.len % 3 != 0)
        encode_rest(sherd_span_of(bytes.data + 3 * whole, bytes.len % 3), out + 4 * whole, chars - 4 * whole);
    out_text->len += chars;
    return SHERD_OK;
}

static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* 2 to 4 letters to 1 to 3 bytes. */
static bool decode_group(const uint8_t *text, size_t chars, uint8_t *out)
{
    uint32_t group = 0;

    for (size_t i = 0; i < chars; i++) {
        const int value = value_of(text[i]);

        if (value < 0)
            return false;
        group |= (uint32_t)value << (18 - 6 * i);
    }
    for (size_t i = 0; i + 1 < chars; i++)
        out[i] = (uint8_t)(group >> (16 - 8 * i));
    return (group & (0xffffffU >> (8 * (chars - 1)))) == 0; /* what is left over */
}

/* Cuts the padding off. */
static bool unpad(struct sherd_span *text)
{
    if (text->len % 4 != 0)
        return false;
    for (size_t i = 0; i < 2 && text->len > 0 && text->data[text->len - 1] == '='; i++)
        text->len--;
    return true;
}

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_INVALID, "base 64: a character, a length or a last bit that no encoder writes");
}

enum sherd_err sherd_base64_decode(enum sherd_base64 kind, struct sherd_span text, struct sherd_buf *out_bytes)
{
    size_t bytes;
    uint8_t *out;

    if ((kind == SHERD_BASE64_PADDED && !unpad(&text)) || text.len % 4 == 1)
        return malformed();
    bytes = text.len / 4 * 3 + (text.len % 4 == 0 ? 0 : text.len % 4 - 1);
    SHERD_TRY(sherd_buf_reserve(out_bytes, bytes));
    if (bytes == 0)
        return SHERD_OK;
    out = out_bytes->data + out_bytes->len;
    for (size_t at = 0; at < text.len; at += 4) {
        if (!decode_group(text.data + at, text.len - at < 4 ? text.len - at : 4, out + at / 4 * 3))
            return malformed();
    }
    out_bytes->len += bytes;
    return SHERD_OK;
}
