/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as anybody may lay them into the store. What is read must be what encoding it again gives, and nothing else. */
#include "base/bytes.h"
#include "envelope/attributes.h"
#include "envelope/row.h"
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t no_key[SHERD_SIGN_PUBLIC_SIZE] = {1};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {.max = SHERD_ROW_BYTES_MAX};
    const struct sherd_span input = sherd_span_of(data, len);
    struct sherd_row row;
    size_t count;

    const enum sherd_err err = sherd_row_decode(input, &row);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err != SHERD_OK)
        return 0;
    must(sherd_row_is(input));
    must(sherd_attributes_check(row.attributes, &count) == SHERD_OK);
    must(sherd_links_check(row.links, &count) == SHERD_OK);
    must(row.body.len + SHERD_SIGNATURE_SIZE == len && row.signature == data + row.body.len);
    must(sherd_row_encode(&row, &again) == SHERD_OK);
    must(sherd_span_equal(sherd_buf_span(&again), row.body));
    must(sherd_row_verify(&row, no_key) == SHERD_ERR_TAMPERED);
    return 0;
}
