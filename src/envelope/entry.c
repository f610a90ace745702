/* SPDX-License-Identifier: Apache-2.0 */
/* Entries: see entry.h and docs/format/envelope.md section 2. */
#include "envelope/entry.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/aead.h"

/* Numbers of the kinds that every compartment has: this and the compartment. */
#define COMPARTMENT_NUMBERS 32U
#define KEY_PART_NUMBERS 48U

#define BIT(purpose) (1U << (purpose))
#define EVERYWHERE (BIT(SHERD_FOR_IDENTITY) | BIT(SHERD_FOR_ASSETS) | BIT(SHERD_FOR_SECRETS) | BIT(SHERD_FOR_KEYS))

static const struct {
    unsigned compartments;
    size_t payload_bytes;
} kinds[] = {
    [SHERD_KIND_COMPARTMENT] = {EVERYWHERE, 192},
    [SHERD_KIND_MAP] = {BIT(SHERD_FOR_ASSETS), 384},
    [SHERD_KIND_LONG_MAP] = {BIT(SHERD_FOR_ASSETS), SHERD_PAYLOAD_BYTES_MAX},
    [SHERD_KIND_COLLECTION] = {BIT(SHERD_FOR_ASSETS), 256},
    [SHERD_KIND_PIN] = {BIT(SHERD_FOR_KEYS), 352},
    [SHERD_KIND_OLD_PIN] = {BIT(SHERD_FOR_KEYS), 352},
    [SHERD_KIND_ENTITY_KEY] = {BIT(SHERD_FOR_KEYS), 384},
    [SHERD_KIND_COLLECTION_PIN] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_IDEMPOTENCY] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_PRINCIPAL] = {BIT(SHERD_FOR_IDENTITY), 192},
    [SHERD_KIND_KEYRING_PIN] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_ENTITY_LOOKUP] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_OLD_ENTITY_KEY] = {BIT(SHERD_FOR_KEYS), 384},
    [SHERD_KIND_KEY_PART] = {EVERYWHERE, 192},
    [SHERD_KIND_PENDING] = {BIT(SHERD_FOR_KEYS), 320},
    [SHERD_KIND_LONG_PENDING] = {BIT(SHERD_FOR_KEYS), SHERD_PAYLOAD_BYTES_MAX},
};

size_t sherd_kind_payload_bytes(enum sherd_kind kind, enum sherd_purpose compartment)
{
    if ((size_t)kind >= SHERD_COUNT_OF(kinds) || (kinds[kind].compartments & BIT(compartment)) == 0)
        return 0;
    return kinds[kind].payload_bytes;
}

size_t sherd_entry_bytes(size_t payload_bytes)
{
    return SHERD_ENTRY_HEADER_SIZE + (size_t)sherd_aead_sealed_bytes(payload_bytes);
}

enum sherd_err sherd_entry_name(const struct sherd_entry_keys *keys, const char *label, struct sherd_span first,
                                struct sherd_span second, struct sherd_ref *out_name)
{
    uint8_t bytes[256];
    uint8_t mac[SHERD_SHA256_SIZE];
    struct sherd_span named = {bytes, 0};
    struct sherd_tlv_writer writer = sherd_tlv_writer(bytes, sizeof(bytes));

    sherd_tlv_put(&writer, 1, sherd_span_str(label));
    sherd_tlv_put(&writer, 2, first);
    sherd_tlv_put(&writer, 3, second);
    SHERD_TRY(sherd_tlv_end(&writer, &named.len));
    SHERD_TRY(sherd_hmac_with(keys->name, &named, 1, mac));
    memcpy(out_name->bytes, mac, sizeof(out_name->bytes));
    return SHERD_OK;
}

enum sherd_err sherd_entry_collection_id(const struct sherd_entry_keys *assets_keys, const char *name,
                                         struct sherd_uuid *out_id)
{
    struct sherd_ref ref;

    SHERD_TRY(sherd_entry_name(assets_keys, "collection of the name", sherd_span_str(name), sherd_span_of(NULL, 0),
                               &ref));
    memcpy(out_id->bytes, ref.bytes, sizeof(out_id->bytes));
    out_id->bytes[6] = (uint8_t)((out_id->bytes[6] & 0x0f) | 0x80);
    out_id->bytes[8] = (uint8_t)((out_id->bytes[8] & 0x3f) | 0x80);
    return SHERD_OK;
}

/* The kinds that every compartment has differ in their numbers: no two compartments have eight bytes in common. */
static uint8_t kind_number(enum sherd_kind kind, enum sherd_purpose compartment)
{
    if (kind == SHERD_KIND_COMPARTMENT)
        return (uint8_t)(COMPARTMENT_NUMBERS + (unsigned)compartment);
    return (uint8_t)(kind == SHERD_KIND_KEY_PART ? KEY_PART_NUMBERS + (unsigned)compartment : (unsigned)kind);
}

static enum sherd_kind kind_of_number(uint8_t number, enum sherd_purpose compartment)
{
    if (number == kind_number(SHERD_KIND_COMPARTMENT, compartment))
        return SHERD_KIND_COMPARTMENT;
    return number == kind_number(SHERD_KIND_KEY_PART, compartment) ? SHERD_KIND_KEY_PART : (enum sherd_kind)number;
}

static void put_header(const struct sherd_entry_keys *keys, enum sherd_kind kind,
                       uint8_t out[static SHERD_ENTRY_HEADER_SIZE])
{
    out[0] = SHERD_FORMAT;
    out[1] = kind_number(kind, keys->compartment);
    sherd_put_u16(out + 2, SHERD_SUITE);
    sherd_put_u32(out + 4, keys->version);
}

enum sherd_err sherd_entry_seal(const struct sherd_entry_keys *keys, enum sherd_kind kind, const struct sherd_ref *name,
                                struct sherd_span tlv, struct sherd_buf *out_stored)
{
    const size_t payload_bytes = sherd_kind_payload_bytes(kind, keys->compartment);
    struct sherd_context context;
    uint8_t header[SHERD_ENTRY_HEADER_SIZE];
    enum sherd_err err;

    SHERD_ENSURE(tlv.len + 2 <= payload_bytes, SHERD_ERR_LIMIT, "a record's description is too long");
    SHERD_TRY(sherd_buf_reserve(out_stored, sherd_entry_bytes(payload_bytes)));
    uint8_t *payload = sherd_secret_alloc(payload_bytes);
    if (payload == NULL)
        return SHERD_ERR_NO_MEMORY;

    sherd_put_u16(payload, (uint16_t)tlv.len);
    if (tlv.len > 0)
        memcpy(payload + 2, tlv.data, tlv.len);
    put_header(keys, kind, header);
    sherd_context_of_entry(&keys->deployment, keys->compartment, (uint8_t)kind, keys->version, name, payload_bytes,
                           &context);
    const size_t len_before = out_stored->len;
    err = sherd_buf_append(out_stored, sherd_span_of(header, sizeof(header)));
    if (err == SHERD_OK)
        err = sherd_aead_seal_with(keys->seal, sherd_context_span(&context), sherd_span_of(payload, payload_bytes),
                                   out_stored);
    if (err != SHERD_OK)
        out_stored->len = len_before;
    sherd_secret_free(payload);
    return err;
}

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a stored entry does not verify");
}

enum sherd_err sherd_entry_kind(const struct sherd_entry_keys *keys, struct sherd_span stored,
                                enum sherd_kind *out_kind)
{
    uint8_t header[SHERD_ENTRY_HEADER_SIZE];

    if (stored.len < SHERD_ENTRY_HEADER_SIZE)
        return tampered();
    const enum sherd_kind kind = kind_of_number(stored.data[1], keys->compartment);
    const size_t payload_bytes = sherd_kind_payload_bytes(kind, keys->compartment);
    if (payload_bytes == 0 || stored.len != sherd_entry_bytes(payload_bytes))
        return tampered();
    put_header(keys, kind, header);
    if (!sherd_same(stored.data, header, sizeof(header)))
        return tampered();
    *out_kind = kind;
    return SHERD_OK;
}

bool sherd_entry_is_key_part(enum sherd_purpose compartment, struct sherd_span stored)
{
    const uint8_t header[] = {SHERD_FORMAT, kind_number(SHERD_KIND_KEY_PART, compartment), SHERD_SUITE >> 8,
                              SHERD_SUITE & 0xff};

    return stored.len == sherd_entry_bytes(sherd_kind_payload_bytes(SHERD_KIND_KEY_PART, compartment)) &&
           sherd_same(stored.data, header, sizeof(header));
}

bool sherd_padding_valid(struct sherd_span padding)
{
    uint8_t any = 0;

    for (size_t i = 0; i < padding.len; i++)
        any |= padding.data[i];
    return any == 0;
}

enum sherd_err sherd_entry_open(const struct sherd_entry_keys *keys, enum sherd_kind kind, const struct sherd_ref *name,
                                struct sherd_span stored, struct sherd_buf *payload, struct sherd_span *out_tlv)
{
    struct sherd_context context;
    enum sherd_kind found;

    SHERD_TRY(sherd_entry_kind(keys, stored, &found));
    if (found != kind)
        return tampered();
    const size_t payload_bytes = sherd_kind_payload_bytes(kind, keys->compartment);
    sherd_context_of_entry(&keys->deployment, keys->compartment, (uint8_t)kind, keys->version, name, payload_bytes,
                           &context);
    const struct sherd_span sealed = {stored.data + SHERD_ENTRY_HEADER_SIZE, stored.len - SHERD_ENTRY_HEADER_SIZE};
    SHERD_TRY(sherd_aead_open_with(keys->seal, sherd_context_span(&context), sealed, payload));

    const size_t tlv_bytes = sherd_get_u16(payload->data);
    if (tlv_bytes + 2 > payload_bytes ||
        !sherd_padding_valid(sherd_span_of(payload->data + 2 + tlv_bytes, payload_bytes - 2 - tlv_bytes)))
        return tampered();
    *out_tlv = sherd_span_of(payload->data + 2, tlv_bytes);
    return SHERD_OK;
}
