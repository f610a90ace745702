/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/crc32c.h
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4): tells a broken frame of the journal from a whole one.
 */
#ifndef SHERD_STORE_LMDB_CRC32C_H
#define SHERD_STORE_LMDB_CRC32C_H

#include <sherd/span.h>
#include <stdbool.h>

/** The CRC of bytes that follow others: crc is the CRC of those, 0 if there are none. Any thread. */
uint32_t sherd_crc32c(uint32_t crc, struct sherd_span bytes);

/** The same without the instruction of the processor; for tests. */
uint32_t sherd_crc32c_portable(uint32_t crc, struct sherd_span bytes);

/* crc32c_x86.c or crc32c_other.c, as the build chooses: */

/** Whether this processor has an instruction for it. */
bool sherd_crc32c_has_instruction(void);

/** Bring bytes into the register of a CRC, which is the complement of its value. Only if there is an instruction. */
uint32_t sherd_crc32c_by_instruction(uint32_t reg, struct sherd_span bytes);

#endif
