/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: see attributes.h. */
#include "envelope/attributes.h"
#include "base/bytes.h"
#include <stdlib.h>

static int compare_names(const void *a, const void *b)
{
    const struct sherd_attribute *const *x = a;
    const struct sherd_attribute *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static enum sherd_err check_given(const struct sherd_attribute *attributes, size_t count)
{
    size_t total = 0;

    SHERD_ENSURE(count <= SHERD_ATTRIBUTES_MAX, SHERD_ERR_INVALID, "a record has at most 64 attributes");
    for (size_t i = 0; i < count; i++) {
        const size_t name_bytes = attributes[i].name != NULL ? strlen(attributes[i].name) : 0;

        SHERD_ENSURE(name_bytes >= 1 && name_bytes <= SHERD_ATTRIBUTE_NAME_BYTES_MAX, SHERD_ERR_INVALID,
                     "an attribute's name has 1 to 63 bytes");
        SHERD_ENSURE(attributes[i].value.len <= SHERD_ATTRIBUTES_BYTES_MAX, SHERD_ERR_INVALID,
                     "a record's attributes have at most 4096 bytes together");
        total += name_bytes + attributes[i].value.len;
    }
    SHERD_ENSURE(total <= SHERD_ATTRIBUTES_BYTES_MAX, SHERD_ERR_INVALID,
                 "a record's attributes have at most 4096 bytes together");
    return SHERD_OK;
}

static enum sherd_err append_one(const struct sherd_attribute *attribute, struct sherd_buf *out_bytes)
{
    const struct sherd_span name = sherd_span_str(attribute->name);
    const uint8_t name_bytes = (uint8_t)name.len;
    uint8_t value_bytes[2];

    sherd_put_u16(value_bytes, (uint16_t)attribute->value.len);
    SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(&name_bytes, 1)));
    SHERD_TRY(sherd_buf_append(out_bytes, name));
    SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(value_bytes, sizeof(value_bytes))));
    return sherd_buf_append(out_bytes, attribute->value);
}

enum sherd_err sherd_attributes_encode(const struct sherd_attribute *attributes, size_t count,
                                       struct sherd_buf *out_bytes)
{
    const struct sherd_attribute *ordered[SHERD_ATTRIBUTES_MAX];

    SHERD_TRY(check_given(attributes, count));
    for (size_t i = 0; i < count; i++)
        ordered[i] = &attributes[i];
    if (count > 1)
        qsort(ordered, count, sizeof(ordered[0]), compare_names);
    for (size_t i = 1; i < count; i++)
        SHERD_ENSURE(strcmp(ordered[i - 1]->name, ordered[i]->name) != 0, SHERD_ERR_INVALID,
                     "an attribute is given twice");
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(append_one(ordered[i], out_bytes));
    return SHERD_OK;
}

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a stored entry does not verify");
}

static bool follows(struct sherd_span name, struct sherd_span previous)
{
    const size_t common = name.len < previous.len ? name.len : previous.len;
    const int order = previous.data == NULL ? 1 : memcmp(name.data, previous.data, common); /* not secret: order */

    return order > 0 || (order == 0 && name.len > previous.len);
}

enum sherd_err sherd_attributes_next(struct sherd_span *rest, struct sherd_span *previous, struct sherd_span *out_name,
                                     struct sherd_span *out_value)
{
    struct sherd_span field;

    if (!sherd_span_take(rest, 1, &field) || field.data[0] == 0 || field.data[0] > SHERD_ATTRIBUTE_NAME_BYTES_MAX ||
        !sherd_span_take(rest, field.data[0], out_name) || memchr(out_name->data, 0, out_name->len) != NULL ||
        !follows(*out_name, *previous))
        return malformed();
    if (!sherd_span_take(rest, 2, &field) || !sherd_span_take(rest, sherd_get_u16(field.data), out_value))
        return malformed();
    *previous = *out_name;
    return SHERD_OK;
}

enum sherd_err sherd_attributes_check(struct sherd_span bytes, size_t *out_count)
{
    struct sherd_span previous = {0};
    size_t count = 0;
    size_t total = 0;

    while (bytes.len > 0) {
        struct sherd_span name;
        struct sherd_span value;

        SHERD_TRY(sherd_attributes_next(&bytes, &previous, &name, &value));
        total += name.len + value.len;
        if (++count > SHERD_ATTRIBUTES_MAX || total > SHERD_ATTRIBUTES_BYTES_MAX)
            return malformed();
    }
    *out_count = count;
    return SHERD_OK;
}
