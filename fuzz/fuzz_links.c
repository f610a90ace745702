/* SPDX-License-Identifier: Apache-2.0 */
/* Links as they are stored. What passes the check must be what encoding them again gives. */
#include "base/bytes.h"
#include "envelope/links.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {.max = SHERD_LINKS_BYTES_MAX};
    const struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span rest = input;
    size_t count = 0;

    const enum sherd_err err = sherd_links_check(input, &count);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err != SHERD_OK)
        return 0;
    must(count <= SHERD_LINKS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct sherd_link_entry link;

        must(sherd_links_next(&rest, &link) == SHERD_OK);
        must(strlen(link.role) <= SHERD_LINK_ROLE_BYTES_MAX);
        must(sherd_links_append(&link, &again) == SHERD_OK);
    }
    must(rest.len == 0 && sherd_span_equal(sherd_buf_span(&again), input));
    return 0;
}
