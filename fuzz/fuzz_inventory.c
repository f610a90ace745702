/* SPDX-License-Identifier: Apache-2.0 */
/* Inventories, as an auditor is given them: what is read is written as it was. */
#include "ledger.h"
#include "ledger/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sherd_inventory inventory = {0};
    struct sherd_buf again = {0};

    if (sherd_inventory_decode(sherd_span_of(data, size), &inventory) != SHERD_OK)
        return 0;
    const enum sherd_err err = sherd_inventory_encode(&inventory, &again);
    fuzz_same(err, &again, sherd_span_of(data, size));
    sherd_inventory_done(&inventory);
    return 0;
}
