/* SPDX-License-Identifier: Apache-2.0 */
/* Owned bytes with a ceiling, wiped whenever their block changes hands. */
#include "base/macros.h"
#include "base/mem.h"
#include <sherd/span.h>
#include <stdbool.h>
#include <string.h>

/* Small enough to waste nothing, large enough that a few fields never grow twice. */
#define BUF_BYTES_MIN ((size_t)64)

/* Input cannot break these; only code that writes the members wrongly can. */
static void buf_check(const struct sherd_buf *buf)
{
    if (buf->len > buf->cap || (buf->data == NULL && buf->cap != 0))
        sherd_bug("buffer: %zu bytes used of %zu", buf->len, buf->cap);
}

static size_t buf_ceiling(const struct sherd_buf *buf)
{
    if (buf->borrowed)
        return buf->cap;
    return buf->max != 0 ? buf->max : SHERD_BUF_BYTES_MAX;
}

/* Doubles, so that n appends copy at most 2n bytes, but never past the ceiling. */
static size_t buf_next_cap(const struct sherd_buf *buf, size_t need, size_t ceiling)
{
    size_t cap = buf->cap < ceiling / 2 ? buf->cap * 2 : ceiling;

    if (cap < BUF_BYTES_MIN)
        cap = BUF_BYTES_MIN < ceiling ? BUF_BYTES_MIN : ceiling;
    return cap > need ? cap : need;
}

struct sherd_buf sherd_buf_borrow(void *block, size_t cap)
{
    const struct sherd_buf buf = {.data = block, .cap = cap, .max = cap, .borrowed = 1};

    return buf;
}

/* Not realloc: that may copy the contents and leave the old block behind unwiped. */
static enum sherd_err buf_move(struct sherd_buf *buf, size_t cap)
{
    uint8_t *data = sherd_alloc(cap);

    if (data == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (buf->data != NULL) {
        memcpy(data, buf->data, buf->len);
        sherd_wipe(buf->data, buf->cap);
        sherd_free(buf->data);
    }
    buf->data = data;
    buf->cap = cap;
    return SHERD_OK;
}

enum sherd_err sherd_buf_reserve(struct sherd_buf *buf, size_t more)
{
    const size_t ceiling = buf_ceiling(buf);

    buf_check(buf);
    if (more <= buf->cap - buf->len)
        return SHERD_OK;
    if (buf->len > ceiling || more > ceiling - buf->len)
        return sherd_fail(SHERD_ERR_LIMIT, "buffer: %zu bytes more would pass its ceiling of %zu bytes", more, ceiling);
    return buf_move(buf, buf_next_cap(buf, buf->len + more, ceiling));
}

/* Whether the spans share a byte; as numbers, since C compares only pointers into one object. */
static bool overlaps(struct sherd_span a, struct sherd_span b)
{
    const uintptr_t a_start = (uintptr_t)a.data;
    const uintptr_t b_start = (uintptr_t)b.data;

    return a.len > 0 && b.len > 0 && (a_start < b_start ? b_start - a_start < a.len : a_start - b_start < b.len);
}

enum sherd_err sherd_buf_append(struct sherd_buf *buf, struct sherd_span bytes)
{
    if (bytes.len == 0)
        return SHERD_OK;
    if (bytes.data == NULL || overlaps(bytes, sherd_span_of(buf->data, buf->cap)))
        return sherd_fail(SHERD_ERR_INVALID, "buffer: bytes to append are missing, or its own");
    SHERD_TRY(sherd_buf_reserve(buf, bytes.len));
    memcpy(buf->data + buf->len, bytes.data, bytes.len);
    buf->len += bytes.len;
    return SHERD_OK;
}

void sherd_buf_clear(struct sherd_buf *buf)
{
    buf_check(buf);
    sherd_wipe(buf->data, buf->len);
    buf->len = 0;
}

void sherd_buf_done(struct sherd_buf *buf)
{
    if (buf == NULL)
        return;
    buf_check(buf);
    if (!buf->borrowed) {
        sherd_wipe(buf->data, buf->cap);
        sherd_free(buf->data);
    }
    *buf = (struct sherd_buf){0};
}

struct sherd_buf sherd_buf_take(struct sherd_buf *buf)
{
    const struct sherd_buf taken = *buf;

    *buf = (struct sherd_buf){0};
    return taken;
}

struct sherd_span sherd_span_str(const char *text)
{
    return sherd_span_of(text, strlen(text));
}
