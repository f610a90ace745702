/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/fail.h
 * Errors where they arise: one line of detail for a person, kept per thread. See <sherd/err.h>.
 */
#ifndef SHERD_BASE_FAIL_H
#define SHERD_BASE_FAIL_H

#include <sherd/err.h>

/**
 * Set this thread's detail text and pass the code on: `return sherd_fail(SHERD_ERR_IO, "journal: %s", ...)`.
 * @param[in] err     the code; returned unchanged
 * @param[in] format  printf format; the text is cut at 255 bytes, between characters of UTF-8, and control characters
 *                    become '?'. Never give it plaintext, keys or tokens. May quote sherd_err_detail().
 * @return err
 */
SHERD_MUST_USE enum sherd_err sherd_fail(enum sherd_err err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * As sherd_fail(), with ": " and the system's words for errno appended. ENOMEM gives SHERD_ERR_NO_MEMORY whatever err
 * says; ENOSPC and EDQUOT add what helps ("free space ..."). Where it all is too long, the caller's part is cut.
 */
SHERD_MUST_USE enum sherd_err sherd_fail_errno(enum sherd_err err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * Put a stored detail text back, for an error that crosses from one thread to another. text may be sherd_err_detail().
 */
void sherd_fail_restore(const char *text);

/** Stop the process with a message: a broken invariant of our own, never bad input. */
__attribute__((noreturn, format(printf, 1, 2))) void sherd_bug(const char *format, ...);

/** Most bytes of a detail text, with the final zero byte. */
#define SHERD_FAIL_TEXT_SIZE 256

#endif
