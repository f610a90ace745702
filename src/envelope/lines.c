/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, decimals and digests of strict text formats: see lines.h. */
#include "envelope/lines.h"
#include "base/bytes.h"
#include "envelope/base64.h"
#include <inttypes.h>
#include <stdio.h>

bool sherd_line_until(struct sherd_span *rest, uint8_t end, struct sherd_span *out_part)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;

    if (at == NULL)
        return false;
    *out_part = sherd_span_of(rest->data, (size_t)(at - rest->data));
    *rest = sherd_span_of(at + 1, rest->len - out_part->len - 1);
    return true;
}

bool sherd_line_take(struct sherd_span *rest, struct sherd_span *out_line)
{
    return sherd_line_until(rest, '\n', out_line);
}

bool sherd_line_begins(struct sherd_span *line, const char *text)
{
    const size_t len = strlen(text);

    if (line->len < len || !sherd_same(line->data, text, len))
        return false;
    *line = sherd_span_of(line->data + len, line->len - len);
    return true;
}

bool sherd_decimal_parse(struct sherd_span text, uint64_t *out_number)
{
    uint64_t number = 0;

    if (text.len == 0 || (text.data[0] == '0' && text.len > 1))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const uint64_t digit = (uint64_t)text.data[i] - '0'; /* what is less wraps */

        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out_number = number;
    return true;
}

enum sherd_err sherd_decimal_append(struct sherd_buf *buf, uint64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    return sherd_text_append(buf, text);
}

bool sherd_digest_parse(struct sherd_span text, struct sherd_digest *out_digest)
{
    uint8_t block[SHERD_SHA256_SIZE];
    struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));

    if (sherd_base64_decode(SHERD_BASE64_PADDED, text, &bytes) != SHERD_OK || bytes.len != sizeof(block))
        return false;
    memcpy(out_digest->bytes, block, sizeof(block));
    return true;
}

enum sherd_err sherd_digest_append(struct sherd_buf *buf, const struct sherd_digest *digest)
{
    return sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(digest->bytes, sizeof(digest->bytes)), buf);
}

enum sherd_err sherd_text_append(struct sherd_buf *buf, const char *text)
{
    return sherd_buf_append(buf, sherd_span_str(text));
}
