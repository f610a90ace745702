/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people and back. Pure functions: no I/O, no state. */
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Digits at the front of *text; moves it behind them. Refuses none at all and what does not fit. */
static bool take_number(const char **text, uint64_t *out_number)
{
    uint64_t number = 0;
    const char *p = *text;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        const uint64_t digit = (uint64_t)(*p - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *text = p;
    *out_number = number;
    return true;
}

bool cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out_number)
{
    uint64_t number = 0;

    if (!take_number(&text, &number) || *text != '\0' || number < min || number > max)
        return false;
    *out_number = number;
    return true;
}

bool cli_range_parse(const char *text, struct cli_range *out_range)
{
    struct cli_range range = {0};

    if (*text == '-') {
        text++;
        range.from_end = true;
        if (!take_number(&text, &range.last))
            return false;
    } else {
        if (!take_number(&text, &range.first) || *text != '-')
            return false;
        text++;
        if (*text == '\0')
            range.to_end = true;
        else if (!take_number(&text, &range.last) || range.last < range.first)
            return false;
    }
    if (*text != '\0')
        return false;
    *out_range = range;
    return true;
}

bool cli_range_resolve(const struct cli_range *range, uint64_t bytes, uint64_t *out_begin, uint64_t *out_end)
{
    if (range->from_end) {
        *out_begin = range->last < bytes ? bytes - range->last : 0;
        *out_end = bytes;
        return true;
    }
    if (range->first > bytes)
        return false;
    *out_begin = range->first;
    *out_end = range->to_end || range->last >= bytes ? bytes : range->last + 1;
    return true;
}

void cli_format_size(double bytes, char out_text[static CLI_SIZE_TEXT_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;

    /* 999.95 would be shown as 1000.0 */
    while (bytes >= (unit == 0 ? 1000.0 : 999.95) && unit + 1 < SHERD_COUNT_OF(units)) {
        bytes /= 1000.0;
        unit++;
    }
    (void)snprintf(out_text, CLI_SIZE_TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

void cli_format_time(int64_t time_s, char out_text[static CLI_TIME_TEXT_SIZE])
{
    const time_t t = (time_t)time_s;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(out_text, CLI_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%MZ", &tm) == 0)
        (void)snprintf(out_text, CLI_TIME_TEXT_SIZE, "%" PRId64, time_s);
}

void cli_format_hex(struct sherd_span bytes, char *out_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.len; i++) {
        out_text[2 * i] = digits[bytes.data[i] >> 4];
        out_text[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    out_text[2 * bytes.len] = '\0';
}

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

bool cli_parse_hex(const char *text, uint8_t *out_bytes, size_t len)
{
    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        const int high = hex_value(text[2 * i]);
        const int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

size_t cli_utf8_len(struct sherd_span bytes)
{
    const uint8_t *p = bytes.data;
    uint32_t value = 0;
    size_t len = 0;

    if (bytes.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (bytes.len < len)
        return 0;
    value = p[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3fU);
    }
    if ((len == 3 && value < 0x800) || (len == 4 && (value < 0x10000 || value > 0x10ffff)))
        return 0;
    return value >= 0xd800 && value <= 0xdfff ? 0 : len;
}

bool cli_utf8_valid(struct sherd_span bytes)
{
    while (bytes.len > 0) {
        const size_t len = cli_utf8_len(bytes);
        if (len == 0 || bytes.data[0] == 0)
            return false;
        bytes = sherd_span_of(bytes.data + len, bytes.len - len);
    }
    return true;
}

bool cli_shown_plain(struct sherd_span bytes, size_t len)
{
    if (len == 1)
        return bytes.data[0] >= 0x20 && bytes.data[0] < 0x7f && bytes.data[0] != '\\';
    /* U+0080..U+009F are control characters too */
    return len > 1 && !(bytes.data[0] == 0xc2 && bytes.data[1] < 0xa0);
}

bool cli_path_safe(struct sherd_span path)
{
    size_t begin = 0;

    if (path.len == 0)
        return false;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.data[i] == '\0')
            return false;
        if (i < path.len && path.data[i] != '/')
            continue;
        const size_t len = i - begin;
        if (len == 0 || len > 255)
            return false;
        if (path.data[begin] == '.' && (len == 1 || (len == 2 && path.data[begin + 1] == '.')))
            return false;
        begin = i + 1;
    }
    return true;
}

size_t cli_printable_run(struct sherd_span bytes)
{
    size_t longest = 0;
    size_t run = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        run = bytes.data[i] >= 0x20 && bytes.data[i] < 0x7f ? run + 1 : 0;
        if (run > longest)
            longest = run;
    }
    return longest;
}

size_t cli_printable_run_limit(uint64_t bytes)
{
    double expected = (double)bytes * (161.0 / 256.0); /* a run starts behind a byte that is not printable */
    size_t limit = 0;

    while (limit < 8 || expected > 0.001) {
        expected *= 95.0 / 256.0;
        limit++;
    }
    return limit;
}
