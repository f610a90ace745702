/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/hex.h
 * Bytes written down as hexadecimal text in a test, with blanks wherever they help to read it.
 */
#ifndef SHERD_TESTS_UNIT_HEX_H
#define SHERD_TESTS_UNIT_HEX_H

#include <sherd/span.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/** A text repeated: one byte as the hexadecimal digits of a field that is full of it. */
#define HEX_X4(text) text text text text
#define HEX_X16(text) HEX_X4(text) HEX_X4(text) HEX_X4(text) HEX_X4(text)
#define HEX_X32(text) HEX_X16(text) HEX_X16(text)

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** Read hexadecimal text into a block of size bytes. @return the bytes that it holds */
__attribute__((unused)) static struct sherd_span hex_read(const char *text, uint8_t *block, size_t size)
{
    size_t digits = 0;

    for (; *text != '\0'; text++) {
        if (*text == ' ')
            continue;
        const int value = hex_value(*text);
        assert_true(value >= 0 && digits / 2 < size);
        if (digits % 2 == 0)
            block[digits / 2] = (uint8_t)(value << 4);
        else
            block[digits / 2] = (uint8_t)(block[digits / 2] | value);
        digits++;
    }
    assert_int_equal(digits % 2, 0);
    return sherd_span_of(block, digits / 2);
}

#endif
