/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads: a kind (1 byte), then its TLV. What decodes must encode to the same bytes. */
#include "base/bytes.h"
#include "payloads.h"
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    uint8_t block[SHERD_TLV_BYTES_MAX];
    struct sherd_span kind;
    size_t bytes = 0;

    if (!sherd_span_take(&input, 1, &kind) || input.len > sizeof(block))
        return 0;
    const enum sherd_err err = payload_again((enum sherd_kind)kind.data[0], input, block, &bytes);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    must(err != SHERD_OK || sherd_span_equal(sherd_span_of(block, bytes), input));
    return 0;
}
