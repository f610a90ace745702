/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves of the ledger, as an auditor reads them without a key: what is given out lies within what was given in. */
#include "base/bytes.h"
#include "ledger/leaf.h"
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sherd_leaf leaf;
    const enum sherd_err err = sherd_leaf_decode(sherd_span_of(data, size), &leaf);

    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err != SHERD_OK)
        return 0;
    must(leaf.kind >= SHERD_EVENT_GENESIS && leaf.kind < SHERD_EVENT_KINDS);
    must(leaf.sealed.data >= data && leaf.sealed.data + leaf.sealed.len == data + size);
    return 0;
}
