/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the readers of tiles' paths and of entry bundles: what is read is written as it was. */
#include "ledger.h"
#include "ledger/tile.h"

static void as_path(struct sherd_span input)
{
    char path[SHERD_TILE_PATH_SIZE];
    struct sherd_tile tile;

    if (!sherd_tile_parse(input, &tile))
        return;
    sherd_tile_path(&tile, path);
    if (!sherd_span_equal(sherd_span_str(path), input))
        abort();
}

static void as_bundle(struct sherd_span input)
{
    struct sherd_buf again = {0};
    struct sherd_span rest = input;
    struct sherd_span entry;
    unsigned count = 0;

    while (count < SHERD_TILE_WIDTH && sherd_bundle_next(&rest, &entry)) {
        if (sherd_bundle_append(&again, entry) != SHERD_OK)
            abort();
        count++;
    }
    if ((sherd_bundle_check(input, count) == SHERD_OK) != (rest.len == 0))
        abort();
    fuzz_same(SHERD_OK, &again, sherd_span_of(input.data, input.len - rest.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_path(sherd_span_of(data, size));
    as_bundle(sherd_span_of(data, size));
    return 0;
}
