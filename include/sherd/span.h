/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file span.h
 * Bytes, borrowed (struct sherd_span) and owned (struct sherd_buf).
 *
 * Pointer and length travel as one value. A span is passed by value and never outlives what it points to. A buffer owns
 * its block, has a stated ceiling, and is wiped, over its whole capacity, when it grows and when it ends.
 *
 * @code
 * struct sherd_buf plain = {.max = 1 << 20};
 * if (sherd_record_get(vault, id, 0, &plain) == SHERD_OK)
 *     fwrite(plain.data, 1, plain.len, stdout);
 * sherd_buf_done(&plain);
 * @endcode
 */
#ifndef SHERD_SPAN_H
#define SHERD_SPAN_H

#include <sherd/err.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Borrowed bytes. data may be NULL only where len is 0. */
struct sherd_span {
    const uint8_t *data;
    size_t len; /**< bytes */
};

/**
 * Owned bytes: len of cap are in use, and cap never passes max. Start it as {.max = N} or {0}; a max of 0 stands for
 * SHERD_BUF_BYTES_MAX. A caller may bring a block of its own with sherd_buf_borrow().
 */
struct sherd_buf {
    uint8_t *data;
    size_t len;   /**< bytes in use */
    size_t cap;   /**< bytes that data has room for */
    size_t max;   /**< ceiling of cap, in bytes; 0 for SHERD_BUF_BYTES_MAX */
    int borrowed; /**< the block is the caller's: it never grows and is not freed */
};

/** The ceiling of a buffer that states none: 64 MiB. */
#define SHERD_BUF_BYTES_MAX ((size_t)64 << 20)

/**
 * A buffer over a block of the caller's. It refuses to grow past the block, and sherd_buf_done() does not free or wipe
 * it.
 * @param[in] block  room for cap bytes; must outlive the buffer
 * @param[in] cap    bytes
 * @return the buffer, empty
 */
SHERD_API struct sherd_buf sherd_buf_borrow(void *block, size_t cap);

/**
 * Make room for more bytes. The old block is wiped if the contents had to move.
 * @param[in,out] buf   buffer
 * @param[in]     more  bytes wanted after buf->len
 * @return SHERD_OK; SHERD_ERR_LIMIT if that passes the ceiling; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_buf_reserve(struct sherd_buf *buf, size_t more);

/**
 * Append bytes.
 * @param[in,out] buf    buffer; unchanged on failure
 * @param[in]     bytes  must not lie within buf
 * @return as sherd_buf_reserve(); SHERD_ERR_INVALID if they do, or are missing
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_buf_append(struct sherd_buf *buf, struct sherd_span bytes);

/** Wipe the contents and set the length to 0; the block and its capacity stay. */
SHERD_API void sherd_buf_clear(struct sherd_buf *buf);

/** Wipe and free. The buffer is all zero afterwards, its ceiling included. NULL is accepted. */
SHERD_API void sherd_buf_done(struct sherd_buf *buf);

/** Hand the block over: the result owns it and buf is all zero. */
SHERD_API struct sherd_buf sherd_buf_take(struct sherd_buf *buf);

/** The used bytes of a buffer, borrowed from it. */
static inline struct sherd_span sherd_buf_span(const struct sherd_buf *buf)
{
    const struct sherd_span span = {buf->data, buf->len};

    return span;
}

/** A span over len bytes at data. */
static inline struct sherd_span sherd_span_of(const void *data, size_t len)
{
    const struct sherd_span span = {(const uint8_t *)data, len};

    return span;
}

/** A span over the characters of a string, without its final zero byte. */
SHERD_API struct sherd_span sherd_span_str(const char *text);

#ifdef __cplusplus
}
#endif

#endif
