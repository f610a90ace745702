/* SPDX-License-Identifier: Apache-2.0 */
/* The text of sherd.vault. There is one for each engine: what parses must be what would be written. */
#include "base/bytes.h"
#include "cryptor/files.h"
#include <stdio.h>
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct sherd_span input = sherd_span_of(data, len);
    char engine[SHERD_ENGINE_NAME_SIZE] = "?";
    char again[64];
    const enum sherd_err err = sherd_marker_parse(input, engine);

    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED || err == SHERD_ERR_UNSUPPORTED);
    if (err == SHERD_OK) {
        must(snprintf(again, sizeof(again), "sherd vault\nformat 1\nengine %s\n", engine) > 0);
        must(sherd_span_equal(input, sherd_span_str(again)));
    } else {
        must(engine[0] == '?');
    }
    return 0;
}
