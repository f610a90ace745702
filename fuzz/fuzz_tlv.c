/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical TLV: two masks of 8 bytes, required and optional tags, then the bytes to parse. What parses must be what
 * writing its items again gives.
 */
#include "base/bytes.h"
#include "envelope/tlv.h"
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Each value lies within the input, behind the one before it, and only tags that were asked for are there. */
static void check_values(struct sherd_span input, uint64_t required, uint64_t optional, const struct sherd_tlv *tlv)
{
    const uint8_t *end = input.data;

    for (unsigned tag = 0; tag <= SHERD_TLV_TAG_MAX; tag++) {
        const struct sherd_span value = tlv->value[tag];

        must((value.data == NULL) == (value.len == 0));
        must(value.data != NULL || (required & SHERD_TLV_BIT(tag)) == 0);
        if (value.data == NULL)
            continue;
        must(tag > 0 && ((required | optional) & SHERD_TLV_BIT(tag)) != 0);
        must(value.data == end + SHERD_TLV_ITEM_OVERHEAD);
        end = value.data + value.len;
    }
    must(end == input.data + input.len);
}

static void check_again(struct sherd_span input, const struct sherd_tlv *tlv)
{
    uint8_t *block = malloc(input.len + 1);
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, input.len);
    size_t bytes = 0;

    must(block != NULL);
    for (unsigned tag = 1; tag <= SHERD_TLV_TAG_MAX; tag++)
        sherd_tlv_put(&writer, tag, tlv->value[tag]);
    must(sherd_tlv_end(&writer, &bytes) == SHERD_OK);
    must(sherd_span_equal(sherd_span_of(block, bytes), input));
    free(block);
}

static void check_getters(const struct sherd_tlv *tlv)
{
    for (unsigned tag = 1; tag <= SHERD_TLV_TAG_MAX; tag++) {
        const struct sherd_span value = tlv->value[tag];
        uint8_t bytes[16];
        char text[32];
        uint64_t number = 0;

        must((sherd_tlv_get(tlv, tag, bytes, sizeof(bytes)) == SHERD_OK) == (value.len == sizeof(bytes)));
        must((sherd_tlv_get_u64(tlv, tag, UINT64_MAX, &number) == SHERD_OK) == (value.len == 8));
        if (sherd_tlv_get_text(tlv, tag, text, sizeof(text)) == SHERD_OK)
            must(strlen(text) == value.len && (value.len == 0 || memcmp(text, value.data, value.len) == 0));
        else
            must(value.len >= sizeof(text) || memchr(value.data, 0, value.len) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span masks;
    struct sherd_tlv tlv;

    if (!sherd_span_take(&input, 16, &masks))
        return 0;
    const uint64_t required = sherd_get_u64(masks.data);
    const uint64_t optional = sherd_get_u64(masks.data + 8);
    const enum sherd_err err = sherd_tlv_parse(input, required, optional, &tlv);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err != SHERD_OK)
        return 0;
    check_values(input, required, optional, &tlv);
    check_again(input, &tlv);
    check_getters(&tlv);
    return 0;
}
