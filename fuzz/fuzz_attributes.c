/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes as they are stored. What passes the check must be what encoding its names and values again gives. */
#include "base/bytes.h"
#include "envelope/attributes.h"
#include <stdbool.h>
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_again(struct sherd_span input, size_t count)
{
    static char names[SHERD_ATTRIBUTES_MAX][SHERD_ATTRIBUTE_NAME_BYTES_MAX + 1];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {.max = SHERD_ATTRIBUTES_ENCODED_MAX};
    struct sherd_attribute attributes[SHERD_ATTRIBUTES_MAX];
    struct sherd_span rest = input;
    struct sherd_span previous = {0};

    must(count <= SHERD_ATTRIBUTES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct sherd_attribute *attribute = &attributes[count - 1 - i]; /* given in the other order */
        struct sherd_span name;

        must(sherd_attributes_next(&rest, &previous, &name, &attribute->value) == SHERD_OK);
        must(name.len >= 1 && name.len <= SHERD_ATTRIBUTE_NAME_BYTES_MAX);
        memcpy(names[i], name.data, name.len);
        names[i][name.len] = 0;
        attribute->name = names[i];
    }
    must(rest.len == 0);
    must(sherd_attributes_encode(attributes, count, &again) == SHERD_OK);
    must(sherd_span_equal(sherd_buf_span(&again), input));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct sherd_span input = sherd_span_of(data, len);
    size_t count = 0;
    const enum sherd_err err = sherd_attributes_check(input, &count);

    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err == SHERD_OK)
        check_again(input, count);
    return 0;
}
