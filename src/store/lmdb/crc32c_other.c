/* SPDX-License-Identifier: Apache-2.0 */
/* No instruction for CRC-32C that this build knows. See crc32c.h. */
#include "store/lmdb/crc32c.h"

bool sherd_crc32c_has_instruction(void)
{
    return false;
}

uint32_t sherd_crc32c_by_instruction(uint32_t reg, struct sherd_span bytes)
{
    return ~sherd_crc32c_portable(~reg, bytes);
}
