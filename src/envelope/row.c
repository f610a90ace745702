/* SPDX-License-Identifier: Apache-2.0 */
/* Rows: see row.h. */
#include "envelope/row.h"
#include "base/bytes.h"
#include "crypto/merkle.h"
#include "envelope/attributes.h"
#include "envelope/tlv.h"
#include <string.h>

#define FORMAT 1U
/* SHA-256 and Ed25519. Suite 1, of all that is sealed, protects what nobody reads. */
#define SUITE_ROW 2U

#define CLAIM_LABEL "sherd row 1"

/* Tags of the description; those of envelope.md where they mean the same. */
enum {
    ROW_DEPLOYMENT = 1,
    ROW_COLLECTION = 3,
    ROW_RECORD = 5,
    ROW_VERSION = 6,
    ROW_CONTENT_BYTES = 10,
    ROW_CREATED = 12,
    ROW_COLLECTION_NAME = 18,
    ROW_CONTENT_TYPE = 22,
    ROW_ATTRIBUTES = 23,
    ROW_LINKS = 47,
    ROW_FIRST = 49,
};

#define BIT(tag) SHERD_TLV_BIT(tag)
#define SPAN(object) sherd_span_of((object).bytes, sizeof((object).bytes))
#define GET(tlv, tag, object) SHERD_TRY(sherd_tlv_get((tlv), (tag), (object).bytes, sizeof((object).bytes)))

static const uint8_t head[] = {FORMAT, SHERD_KIND_ROW, 0, SUITE_ROW};

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a row does not verify");
}

bool sherd_row_is(struct sherd_span stored)
{
    return stored.len >= SHERD_ROW_HEADER_SIZE && sherd_same(stored.data, head, sizeof(head));
}

enum sherd_err sherd_row_digest(struct sherd_span bytes, struct sherd_digest *out_digest)
{
    return sherd_merkle_leaf(bytes, out_digest);
}

enum sherd_err sherd_row_encode(const struct sherd_row *row, struct sherd_buf *out_body)
{
    uint8_t tlv[SHERD_ROW_TLV_BYTES_MAX];
    uint8_t header[SHERD_ROW_HEADER_SIZE] = {0};
    struct sherd_tlv_writer writer = sherd_tlv_writer(tlv, sizeof(tlv));
    size_t tlv_bytes;

    SHERD_ENSURE(row->content.len <= SHERD_ROW_CONTENT_BYTES_MAX, SHERD_ERR_LIMIT, SHERD_ROW_TOO_LONG);
    sherd_tlv_put(&writer, ROW_DEPLOYMENT, SPAN(row->deployment));
    sherd_tlv_put(&writer, ROW_COLLECTION, SPAN(row->collection));
    sherd_tlv_put(&writer, ROW_RECORD, SPAN(row->record));
    sherd_tlv_put_u64(&writer, ROW_VERSION, row->version);
    sherd_tlv_put_u64(&writer, ROW_CONTENT_BYTES, row->content.len);
    sherd_tlv_put_u64(&writer, ROW_CREATED, row->created_s);
    sherd_tlv_put(&writer, ROW_COLLECTION_NAME, sherd_span_str(row->collection_name));
    sherd_tlv_put(&writer, ROW_CONTENT_TYPE, sherd_span_str(row->content_type));
    sherd_tlv_put(&writer, ROW_ATTRIBUTES, row->attributes);
    sherd_tlv_put(&writer, ROW_LINKS, row->links);
    if (row->has_first)
        sherd_tlv_put(&writer, ROW_FIRST, SPAN(row->first));
    SHERD_TRY(sherd_tlv_end(&writer, &tlv_bytes));
    memcpy(header, head, sizeof(head));
    sherd_put_u16(header + 4, (uint16_t)tlv_bytes);
    SHERD_TRY(sherd_buf_append(out_body, sherd_span_of(header, sizeof(header))));
    SHERD_TRY(sherd_buf_append(out_body, sherd_span_of(tlv, tlv_bytes)));
    return sherd_buf_append(out_body, row->content);
}

static enum sherd_err get_description(const struct sherd_tlv *tlv, struct sherd_row *row)
{
    size_t count;

    GET(tlv, ROW_DEPLOYMENT, row->deployment);
    GET(tlv, ROW_COLLECTION, row->collection);
    GET(tlv, ROW_RECORD, row->record);
    SHERD_TRY(sherd_tlv_get_u64(tlv, ROW_VERSION, UINT64_MAX, &row->version));
    SHERD_TRY(sherd_tlv_get_u64(tlv, ROW_CREATED, INT64_MAX, &row->created_s));
    SHERD_TRY(sherd_tlv_get_text(tlv, ROW_COLLECTION_NAME, row->collection_name, sizeof(row->collection_name)));
    SHERD_TRY(sherd_tlv_get_text(tlv, ROW_CONTENT_TYPE, row->content_type, sizeof(row->content_type)));
    row->attributes = tlv->value[ROW_ATTRIBUTES];
    row->links = tlv->value[ROW_LINKS];
    row->has_first = tlv->value[ROW_FIRST].data != NULL;
    if (row->has_first)
        GET(tlv, ROW_FIRST, row->first);
    if (row->version == 0 || row->created_s % 60 != 0)
        return tampered();
    SHERD_TRY(sherd_attributes_check(row->attributes, &count));
    return sherd_links_check(row->links, &count);
}

enum sherd_err sherd_row_decode(struct sherd_span stored, struct sherd_row *out_row)
{
    const uint64_t required = BIT(ROW_DEPLOYMENT) | BIT(ROW_COLLECTION) | BIT(ROW_RECORD) | BIT(ROW_VERSION) |
                              BIT(ROW_CONTENT_BYTES) | BIT(ROW_CREATED) | BIT(ROW_COLLECTION_NAME);
    const uint64_t optional = BIT(ROW_CONTENT_TYPE) | BIT(ROW_ATTRIBUTES) | BIT(ROW_LINKS) | BIT(ROW_FIRST);
    struct sherd_span rest = stored;
    struct sherd_row row = {0};
    struct sherd_span header;
    struct sherd_span description;
    struct sherd_span signature;
    struct sherd_tlv tlv;
    uint64_t content_bytes;

    if (!sherd_row_is(stored) || !sherd_span_take(&rest, SHERD_ROW_HEADER_SIZE, &header) || header.data[6] != 0 ||
        header.data[7] != 0 || !sherd_span_take(&rest, sherd_get_u16(header.data + 4), &description) ||
        description.len > SHERD_ROW_TLV_BYTES_MAX)
        return tampered();
    SHERD_TRY(sherd_tlv_parse(description, required, optional, &tlv));
    SHERD_TRY(get_description(&tlv, &row));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, ROW_CONTENT_BYTES, SHERD_ROW_CONTENT_BYTES_MAX, &content_bytes));
    if (!sherd_span_take(&rest, (size_t)content_bytes, &row.content) ||
        !sherd_span_take(&rest, SHERD_SIGNATURE_SIZE, &signature) || rest.len != 0)
        return tampered();
    row.body = sherd_span_of(stored.data, stored.len - SHERD_SIGNATURE_SIZE);
    row.signature = signature.data;
    *out_row = row;
    return SHERD_OK;
}

enum sherd_err sherd_row_claim_of(const struct sherd_row *row, struct sherd_row_claim *out_claim)
{
    struct sherd_row_claim claim = {.deployment = row->deployment,
                                    .collection = row->collection,
                                    .record = row->record,
                                    .version = row->version,
                                    .created_s = row->created_s};

    SHERD_TRY(sherd_row_digest(row->body, &claim.body));
    *out_claim = claim;
    return SHERD_OK;
}

size_t sherd_row_claim_encode(const struct sherd_row_claim *claim, uint8_t block[static SHERD_ROW_CLAIM_BYTES_MAX])
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_ROW_CLAIM_BYTES_MAX);
    size_t bytes;

    sherd_tlv_put(&writer, 1, sherd_span_str(CLAIM_LABEL));
    sherd_tlv_put(&writer, 2, SPAN(claim->deployment));
    sherd_tlv_put(&writer, 3, SPAN(claim->collection));
    sherd_tlv_put(&writer, 4, SPAN(claim->record));
    sherd_tlv_put_u64(&writer, 5, claim->version);
    sherd_tlv_put_u64(&writer, 6, claim->created_s);
    sherd_tlv_put(&writer, 7, SPAN(claim->body));
    if (sherd_tlv_end(&writer, &bytes) != SHERD_OK)
        sherd_bug("a row's claim does not fit its block");
    return bytes;
}

enum sherd_err sherd_row_verify(const struct sherd_row *row, const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE])
{
    uint8_t block[SHERD_ROW_CLAIM_BYTES_MAX];
    struct sherd_row_claim claim;

    SHERD_TRY(sherd_row_claim_of(row, &claim));
    const size_t bytes = sherd_row_claim_encode(&claim, block);
    const enum sherd_err err = sherd_sign_verify(public_key, sherd_span_of(block, bytes), row->signature);
    return err == SHERD_ERR_TAMPERED ? tampered() : err;
}
