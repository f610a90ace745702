/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/bytes.h
 * Big-endian integers, and a cursor that reads a span front to back without ever passing its end.
 */
#ifndef SHERD_BASE_BYTES_H
#define SHERD_BASE_BYTES_H

#include <sherd/span.h>
#include <stdbool.h>
#include <string.h>

static inline void sherd_put_u16(uint8_t out[static 2], uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}

static inline void sherd_put_u32(uint8_t out[static 4], uint32_t v)
{
    sherd_put_u16(out, (uint16_t)(v >> 16));
    sherd_put_u16(out + 2, (uint16_t)v);
}

static inline void sherd_put_u64(uint8_t out[static 8], uint64_t v)
{
    sherd_put_u32(out, (uint32_t)(v >> 32));
    sherd_put_u32(out + 4, (uint32_t)v);
}

static inline uint16_t sherd_get_u16(const uint8_t in[static 2])
{
    return (uint16_t)((uint16_t)(in[0] << 8) | in[1]);
}

static inline uint32_t sherd_get_u32(const uint8_t in[static 4])
{
    return ((uint32_t)sherd_get_u16(in) << 16) | sherd_get_u16(in + 2);
}

static inline uint64_t sherd_get_u64(const uint8_t in[static 8])
{
    return ((uint64_t)sherd_get_u32(in) << 32) | sherd_get_u32(in + 4);
}

/** Take len bytes off the front of *rest. @return false, and *rest unchanged, if there are fewer. */
static inline bool sherd_span_take(struct sherd_span *rest, size_t len, struct sherd_span *out_bytes)
{
    if (rest->len < len)
        return false;
    *out_bytes = sherd_span_of(rest->data, len);
    rest->len -= len;
    if (len > 0)
        rest->data += len;
    return true;
}

/**
 * Take a line off the front of *rest, with the newline that ends it. @return the line, without LF, CR LF, or a CR at
 * the end
 */
static inline struct sherd_span sherd_span_line(struct sherd_span *rest)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    struct sherd_span line = *rest;

    if (end != NULL)
        line.len = (size_t)(end - rest->data);
    const size_t taken = line.len + (end != NULL ? 1 : 0);
    *rest = sherd_span_of(taken > 0 ? rest->data + taken : rest->data, rest->len - taken);
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/** Whether two blocks hold the same bytes, which are no secret: names, headers, ciphertext. */
static inline bool sherd_same(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0; /* not secret: so promised */
}

/** Whether two spans hold the same bytes. Not for secrets: those need sherd_ct_equal(). */
static inline bool sherd_span_equal(struct sherd_span a, struct sherd_span b)
{
    return a.len == b.len && (a.len == 0 || sherd_same(a.data, b.data, a.len));
}

#endif
