/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/mask.h
 * Choices by secret bits without branches: masks of all ones or all zeros. tests/ct runs what is built of them under
 * valgrind.
 *
 * Each mask passes through an empty piece of assembly, so that the compiler takes it for any value at all and cannot
 * turn the arithmetic back into the branch that it stands for.
 */
#ifndef SHERD_CRYPTO_MASK_H
#define SHERD_CRYPTO_MASK_H

#include <stdint.h>

/** The value, which the compiler must take for unknown. */
static inline uint32_t sherd_mask_opaque(uint32_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

/** All ones where the lowest bit is set, else 0. */
static inline uint32_t sherd_mask_bit(uint32_t bit)
{
    return (uint32_t)0 - (sherd_mask_opaque(bit) & 1U);
}

/** All ones where value is 0, else 0. value is below 2^31. */
static inline uint32_t sherd_mask_zero(uint32_t value)
{
    return sherd_mask_bit((value - 1) >> 31);
}

/** All ones where value lies between low and high, both included, else 0. All are below 2^31. */
static inline uint32_t sherd_mask_between(uint32_t value, uint32_t low, uint32_t high)
{
    return ~sherd_mask_bit(((value - low) | (high - value)) >> 31);
}

#endif
