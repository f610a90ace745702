/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs of version 4 (RFC 9562 section 5.4) and their text (section 4). */
#include <sherd/uuid.h>

#include "base/macros.h"
#include "base/random.h"
#include <stdbool.h>
#include <string.h>

static bool hyphen_follows(size_t byte_index)
{
    return byte_index == 3 || byte_index == 5 || byte_index == 7 || byte_index == 9;
}

/* 0 to 15, or -1. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static char hex_digit(unsigned int value)
{
    return (char)(value < 10 ? '0' + value : 'a' + (value - 10));
}

static bool is_version_4(const struct sherd_uuid *uuid)
{
    return uuid->bytes[6] >> 4 == 4 && uuid->bytes[8] >> 6 == 2;
}

enum sherd_err sherd_uuid_new(struct sherd_uuid *out_uuid)
{
    struct sherd_uuid uuid;

    SHERD_TRY(sherd_random(uuid.bytes, sizeof(uuid.bytes)));
    uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x40);
    uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
    *out_uuid = uuid;
    return SHERD_OK;
}

/* Stops at the first character that does not fit, the final zero byte included: never reads past it. */
static bool text_parse(const char *text, struct sherd_uuid *out_uuid)
{
    for (size_t i = 0; i < sizeof(out_uuid->bytes); i++) {
        const int high = hex_value(text[0]);
        const int low = high < 0 ? -1 : hex_value(text[1]);

        if (low < 0)
            return false;
        out_uuid->bytes[i] = (uint8_t)(high << 4 | low);
        text += 2;
        if (hyphen_follows(i) && *text++ != '-')
            return false;
    }
    return *text == '\0';
}

enum sherd_err sherd_uuid_parse(const char *text, struct sherd_uuid *out_uuid)
{
    struct sherd_uuid uuid;

    if (text == NULL || !text_parse(text, &uuid) || !is_version_4(&uuid))
        return sherd_fail(SHERD_ERR_INVALID, "not a UUID of version 4, such as "
                                             "9d8c2f3a-51b7-4e06-8f1d-2a6b0c9e7d54");
    *out_uuid = uuid;
    return SHERD_OK;
}

void sherd_uuid_format(struct sherd_uuid uuid, char out_text[SHERD_UUID_TEXT_SIZE])
{
    for (size_t i = 0; i < sizeof(uuid.bytes); i++) {
        *out_text++ = hex_digit(uuid.bytes[i] >> 4);
        *out_text++ = hex_digit(uuid.bytes[i] & 0x0f);
        if (hyphen_follows(i))
            *out_text++ = '-';
    }
    *out_text = '\0';
}
