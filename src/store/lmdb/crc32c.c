/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C by the instruction of the processor where it has one, else by tables, eight bytes a step. See crc32c.h. */
#include "store/lmdb/crc32c.h"
#include <pthread.h>

#define POLYNOMIAL UINT32_C(0x82f63b78)

/* tables[k][b]: what byte b does to the CRC k bytes later. */
static uint32_t tables[8][256];
static bool has_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (POLYNOMIAL & (0U - (crc & 1U)));
        tables[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t b = 0; b < 256; b++)
            tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
    has_instruction = sherd_crc32c_has_instruction();
}

static uint32_t step8(uint32_t crc, const uint8_t p[static 8])
{
    return tables[7][(crc ^ p[0]) & 0xff] ^ tables[6][((crc >> 8) ^ p[1]) & 0xff] ^
           tables[5][((crc >> 16) ^ p[2]) & 0xff] ^ tables[4][(crc >> 24) ^ p[3]] ^ tables[3][p[4]] ^ tables[2][p[5]] ^
           tables[1][p[6]] ^ tables[0][p[7]];
}

static uint32_t by_tables(uint32_t crc, struct sherd_span bytes)
{
    const uint8_t *p = bytes.data;
    size_t left = bytes.len;

    for (; left >= 8; left -= 8, p += 8)
        crc = step8(crc, p);
    for (; left > 0; left--, p++)
        crc = (crc >> 8) ^ tables[0][(crc ^ *p) & 0xff];
    return crc;
}

uint32_t sherd_crc32c(uint32_t crc, struct sherd_span bytes)
{
    (void)pthread_once(&once, prepare);
    return ~(has_instruction ? sherd_crc32c_by_instruction(~crc, bytes) : by_tables(~crc, bytes));
}

uint32_t sherd_crc32c_portable(uint32_t crc, struct sherd_span bytes)
{
    (void)pthread_once(&once, prepare);
    return ~by_tables(~crc, bytes);
}
