/* SPDX-License-Identifier: Apache-2.0 */
/* The detail text of each thread, and the end of a process whose invariants are broken. Nothing here allocates. */
#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local char detail[SHERD_FAIL_TEXT_SIZE];

/*
 * Details quote names that others chose: a file name must not reach a terminal as a second line or an escape sequence.
 */
static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Where text, which was cut after len bytes, may be cut without leaving part of a UTF-8 character. */
static size_t utf8_cut(const char *text, size_t len)
{
    size_t lead = len;
    size_t want = 0;

    while (lead > 0 && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0 || (unsigned char)text[lead - 1] < 0xc0)
        return len;
    lead--;
    want = (unsigned char)text[lead] >= 0xf0 ? 4 : (unsigned char)text[lead] >= 0xe0 ? 3 : 2;
    return len - lead < want ? lead : len;
}

/* text may be, or hold parts of, the detail that is being replaced: callers build it elsewhere first. */
static void detail_set(const char *text)
{
    size_t len = strnlen(text, SHERD_FAIL_TEXT_SIZE);

    if (len == SHERD_FAIL_TEXT_SIZE)
        len = utf8_cut(text, SHERD_FAIL_TEXT_SIZE - 1);
    memmove(detail, text, len);
    memset(detail + len, 0, sizeof(detail) - len);
    for (size_t i = 0; i < len; i++)
        if (is_control(detail[i]))
            detail[i] = '?';
}

const char *sherd_err_detail(void)
{
    return detail;
}

enum sherd_err sherd_fail(enum sherd_err err, const char *format, ...)
{
    const int saved_errno = errno;
    char text[SHERD_FAIL_TEXT_SIZE + 1]; /* one more than fits, to see that it was cut */
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    detail_set(text);
    errno = saved_errno;
    return err;
}

/* What a person can do about an errno; "" where its own words say it. */
static const char *errno_advice(int number)
{
    switch (number) {
    case ENOSPC: return "; free space on this file system, then try again";
    case EDQUOT: return "; free space within your quota, then try again";
    default: return "";
    }
}

enum sherd_err sherd_fail_errno(enum sherd_err err, const char *format, ...)
{
    const int number = errno;
    char room[96];
    char tail[160];
    char text[SHERD_FAIL_TEXT_SIZE];
    va_list args;
    size_t tail_len = 0;
    int len = 0;

    (void)snprintf(tail, sizeof(tail), ": %s%s", strerror_r(number, room, sizeof(room)), errno_advice(number));
    tail_len = strlen(tail);
    va_start(args, format);
    len = vsnprintf(text, sizeof(text) - tail_len, format, args);
    va_end(args);
    if (len < 0)
        len = 0;
    if ((size_t)len >= sizeof(text) - tail_len) /* the system's words help most, so it is the caller's that are cut */
        len = (int)utf8_cut(text, sizeof(text) - tail_len - 1);
    memcpy(text + len, tail, tail_len + 1);
    detail_set(text);
    errno = number;
    return number == ENOMEM ? SHERD_ERR_NO_MEMORY : err;
}

void sherd_fail_restore(const char *text)
{
    detail_set(text);
}

static void stderr_write(const char *text, size_t len)
{
    while (len > 0) {
        const ssize_t done = write(STDERR_FILENO, text, len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody listens; the process ends all the same */
        text += done;
        len -= (size_t)done;
    }
}

void sherd_bug(const char *format, ...)
{
    static const char head[] = "sherd: bug: ";
    char text[512];
    va_list args;
    int len = 0;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    stderr_write(head, sizeof(head) - 1);
    if (len > 0)
        stderr_write(text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
    stderr_write("\n", 1);
    abort();
}
