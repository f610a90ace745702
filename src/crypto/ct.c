/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constant time. tests/ct runs this file under valgrind with the compared bytes marked undefined, as both compilers
 * build it at each level of optimisation.
 */
#include "crypto/ct.h"

#include <stdint.h>

/* The compiler must take the value for unknown, so it can neither leave the loop early nor branch on what it learns. */
static inline uint32_t opaque(uint32_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

bool sherd_ct_equal(const void *a, const void *b, size_t size)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    uint32_t differ = 0;

    for (size_t i = 0; i < size; i++)
        differ |= (uint32_t)(left[i] ^ right[i]);
    /* differ is 0..255: minus one borrows from bit 8 exactly where it is 0 */
    return (opaque(opaque(differ) - 1) >> 8 & 1) != 0;
}
