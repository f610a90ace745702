/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/macros.h
 * The macros that every file of Sherd may use: early return, scope-bound cleanup, sizes.
 *
 * SHERD_TRY and SHERD_ENSURE are the only macros that return.
 */
#ifndef SHERD_BASE_MACROS_H
#define SHERD_BASE_MACROS_H

#include "base/fail.h"

/*
 * A failure is never SHERD_OK. Seen by the compiler, so that it does not suppose that outputs may be unset after a
 * failure was passed up; and kept even where a caller hands in the wrong code.
 */
SHERD_MUST_USE static inline enum sherd_err sherd_fail_code(enum sherd_err err)
{
    return err != SHERD_OK ? err : SHERD_ERR_INVALID;
}
#define sherd_fail(...) sherd_fail_code(sherd_fail(__VA_ARGS__))
#define sherd_fail_errno(...) sherd_fail_code(sherd_fail_errno(__VA_ARGS__))

/** Return the code of a call that did not succeed. */
#define SHERD_TRY(call)                               \
    do {                                              \
        const enum sherd_err sherd_try_err_ = (call); \
        if (sherd_try_err_ != SHERD_OK)               \
            return sherd_try_err_;                    \
    } while (0)

/** Return err, with text as its detail, unless cond holds. */
#define SHERD_ENSURE(cond, err, text)               \
    do {                                            \
        if (!(cond))                                \
            return sherd_fail((err), "%s", (text)); \
    } while (0)

/** Run fn on the address of the variable when its scope ends. */
#define SHERD_CLEANUP(fn) __attribute__((cleanup(fn)))

/** Cleanup and hand-over of an owned pointer; needs T_free(). */
#define SHERD_DEFINE_OWNED(T)                                              \
    __attribute__((unused)) static inline void T##_freep(struct T **p)     \
    {                                                                      \
        T##_free(*p);                                                      \
        *p = NULL;                                                         \
    }                                                                      \
    __attribute__((unused)) static inline struct T *T##_take(struct T **p) \
    {                                                                      \
        struct T *t = *p;                                                  \
        *p = NULL;                                                         \
        return t;                                                          \
    }                                                                      \
    struct T

#define SHERD_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
