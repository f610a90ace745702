/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/ct.h
 * Constant time: what compares or selects by secret bits.
 */
#ifndef SHERD_CRYPTO_CT_H
#define SHERD_CRYPTO_CT_H

#include <stdbool.h>
#include <stddef.h>

/** Whether two blocks are equal, in a time that depends on size alone. */
bool sherd_ct_equal(const void *a, const void *b, size_t size) __attribute__((warn_unused_result));

#endif
