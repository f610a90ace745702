/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical TLV: see tlv.h and docs/format/envelope.md section 1. */
#include "envelope/tlv.h"
#include "base/bytes.h"

struct sherd_tlv_writer sherd_tlv_writer(uint8_t *block, size_t cap)
{
    const struct sherd_tlv_writer writer = {.block = block, .cap = cap};

    return writer;
}

void sherd_tlv_put(struct sherd_tlv_writer *writer, unsigned tag, struct sherd_span value)
{
    if (tag <= writer->last_tag || tag > SHERD_TLV_TAG_MAX)
        sherd_bug("TLV tag %u after %u", tag, writer->last_tag);
    writer->last_tag = tag;
    if (value.len == 0)
        return;
    if (value.len > UINT16_MAX || writer->cap - writer->len < SHERD_TLV_ITEM_OVERHEAD + value.len) {
        writer->overflow = true;
        return;
    }
    writer->block[writer->len] = (uint8_t)tag;
    sherd_put_u16(writer->block + writer->len + 1, (uint16_t)value.len);
    memcpy(writer->block + writer->len + SHERD_TLV_ITEM_OVERHEAD, value.data, value.len);
    writer->len += SHERD_TLV_ITEM_OVERHEAD + value.len;
}

void sherd_tlv_put_u64(struct sherd_tlv_writer *writer, unsigned tag, uint64_t value)
{
    uint8_t bytes[8];

    sherd_put_u64(bytes, value);
    sherd_tlv_put(writer, tag, sherd_span_of(bytes, sizeof(bytes)));
}

enum sherd_err sherd_tlv_end(const struct sherd_tlv_writer *writer, size_t *out_bytes)
{
    SHERD_ENSURE(!writer->overflow, SHERD_ERR_LIMIT, "a record's description is too long");
    *out_bytes = writer->len;
    return SHERD_OK;
}

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a stored entry does not verify");
}

enum sherd_err sherd_tlv_parse(struct sherd_span bytes, uint64_t required, uint64_t optional, struct sherd_tlv *out_tlv)
{
    struct sherd_tlv tlv = {0};
    uint64_t seen = 0;
    unsigned last_tag = 0;

    while (bytes.len > 0) {
        struct sherd_span head;

        if (!sherd_span_take(&bytes, SHERD_TLV_ITEM_OVERHEAD, &head))
            return malformed();
        const unsigned tag = head.data[0];
        const size_t len = sherd_get_u16(head.data + 1);
        if (tag <= last_tag || tag > SHERD_TLV_TAG_MAX || len == 0 ||
            ((required | optional) & SHERD_TLV_BIT(tag)) == 0 || !sherd_span_take(&bytes, len, &tlv.value[tag]))
            return malformed();
        last_tag = tag;
        seen |= SHERD_TLV_BIT(tag);
    }
    if ((seen & required) != required)
        return malformed();
    *out_tlv = tlv;
    return SHERD_OK;
}

enum sherd_err sherd_tlv_get(const struct sherd_tlv *tlv, unsigned tag, void *out, size_t size)
{
    if (tlv->value[tag].len != size)
        return malformed();
    memcpy(out, tlv->value[tag].data, size);
    return SHERD_OK;
}

enum sherd_err sherd_tlv_get_u64(const struct sherd_tlv *tlv, unsigned tag, uint64_t max, uint64_t *out_value)
{
    if (tlv->value[tag].len != 8)
        return malformed();
    const uint64_t value = sherd_get_u64(tlv->value[tag].data);
    if (value > max)
        return malformed();
    *out_value = value;
    return SHERD_OK;
}

enum sherd_err sherd_tlv_get_text(const struct sherd_tlv *tlv, unsigned tag, char *out, size_t size)
{
    const struct sherd_span text = tlv->value[tag];

    if (text.len >= size || (text.len > 0 && memchr(text.data, 0, text.len) != NULL))
        return malformed();
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    out[text.len] = 0;
    return SHERD_OK;
}
