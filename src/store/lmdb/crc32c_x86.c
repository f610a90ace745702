/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C by the instruction of SSE4.2. See crc32c.h. */
#include "store/lmdb/crc32c.h"
#include <string.h>

bool sherd_crc32c_has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) uint32_t sherd_crc32c_by_instruction(uint32_t reg, struct sherd_span bytes)
{
    const uint8_t *p = bytes.data;
    size_t left = bytes.len;
    uint64_t wide = reg;

    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    reg = (uint32_t)wide;
    for (; left > 0; left--, p++)
        reg = __builtin_ia32_crc32qi(reg, *p);
    return reg;
}
