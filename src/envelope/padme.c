/* SPDX-License-Identifier: Apache-2.0 */
/* Padmé: a length keeps as many leading bits as its exponent has bits, and is rounded up in the rest. */
#include "envelope/padme.h"

/* Position of the highest bit that is set; v is not 0. */
static unsigned log2_floor(uint64_t v)
{
    return 63U - (unsigned)__builtin_clzll(v);
}

uint64_t sherd_padme(uint64_t bytes)
{
    if (bytes < 2)
        return bytes;
    const unsigned exponent = log2_floor(bytes);
    const unsigned kept = log2_floor(exponent > 0 ? exponent : 1) + 1;
    const unsigned dropped = exponent > kept ? exponent - kept : 0;
    const uint64_t mask = ((uint64_t)1 << dropped) - 1;

    return (bytes + mask) & ~mask;
}
