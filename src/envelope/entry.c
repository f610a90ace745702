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
    [SHERD_KIND_PRINCIPAL] = {BIT(SHERD_FOR_IDENTITY), 320},
    [SHERD_KIND_KEYRING_PIN] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_ENTITY_LOOKUP] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_OLD_ENTITY_KEY] = {BIT(SHERD_FOR_KEYS), 384},
    [SHERD_KIND_NAMED_KEY] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_KEY_PART] = {EVERYWHERE, 192},
    [SHERD_KIND_PRINCIPAL_PIN] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_GRANT] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_PENDING] = {BIT(SHERD_FOR_KEYS), 320},
    [SHERD_KIND_LONG_PENDING] = {BIT(SHERD_FOR_KEYS), SHERD_PAYLOAD_BYTES_MAX},
    [SHERD_KIND_KEY_USES] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_BOOK_PIN] = {BIT(SHERD_FOR_KEYS), 192},
    [SHERD_KIND_ROW_SUM] = {BIT(SHERD_FOR_KEYS), 192},
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

/* --- the store key ------------------------------------------------------------------------------------------------ */

/* One version of the store key in use, until let_go(). */
struct held {
    struct sherd_store_keys *versions; /* NULL: it is the only one */
    uint32_t version;
    const struct sherd_hmac_key *seal;
};

/* @param[in] version  0 for the newest */
static enum sherd_err take_hold(const struct sherd_entry_keys *keys, uint32_t version, struct held *out_held)
{
    *out_held = (struct held){.version = keys->version, .seal = keys->seal};
    if (keys->versions != NULL) {
        SHERD_TRY(sherd_store_keys_hold(keys->versions, version, &out_held->version, &out_held->seal));
        out_held->versions = keys->versions;
    } else if (version != 0 && version != keys->version) {
        return sherd_fail(SHERD_ERR_TAMPERED, "a stored entry does not verify");
    }
    return SHERD_OK;
}

static void let_go(const struct held *held)
{
    if (held->versions != NULL)
        sherd_store_keys_leave(held->versions);
}

uint32_t sherd_entry_version(struct sherd_span stored)
{
    return stored.len < SHERD_ENTRY_HEADER_SIZE ? 0 : sherd_get_u32(stored.data + 4);
}

enum sherd_err sherd_entry_newest(const struct sherd_entry_keys *keys, uint32_t *out_version)
{
    if (keys->versions != NULL)
        return sherd_store_keys_newest(keys->versions, out_version);
    *out_version = keys->version;
    return SHERD_OK;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static void put_header(const struct sherd_entry_keys *keys, uint32_t version, enum sherd_kind kind,
                       uint8_t out[static SHERD_ENTRY_HEADER_SIZE])
{
    out[0] = SHERD_FORMAT;
    out[1] = kind_number(kind, keys->compartment);
    sherd_put_u16(out + 2, SHERD_SUITE);
    sherd_put_u32(out + 4, version);
}

static enum sherd_err seal_payload(const struct sherd_entry_keys *keys, const struct held *held, enum sherd_kind kind,
                                   const struct sherd_ref *name, struct sherd_span payload,
                                   struct sherd_buf *out_stored)
{
    const size_t len_before = out_stored->len;
    struct sherd_context context;
    uint8_t header[SHERD_ENTRY_HEADER_SIZE];

    put_header(keys, held->version, kind, header);
    sherd_context_of_entry(&keys->deployment, keys->compartment, (uint8_t)kind, held->version, name, payload.len,
                           &context);
    enum sherd_err err = sherd_buf_append(out_stored, sherd_span_of(header, sizeof(header)));
    if (err == SHERD_OK)
        err = sherd_aead_seal_with(held->seal, sherd_context_span(&context), payload, out_stored);
    if (err != SHERD_OK)
        out_stored->len = len_before;
    return err;
}

enum sherd_err sherd_entry_seal(const struct sherd_entry_keys *keys, enum sherd_kind kind, const struct sherd_ref *name,
                                struct sherd_span tlv, struct sherd_buf *out_stored)
{
    const size_t payload_bytes = sherd_kind_payload_bytes(kind, keys->compartment);
    struct held held;

    SHERD_ENSURE(tlv.len + 2 <= payload_bytes, SHERD_ERR_LIMIT, "a record's description is too long");
    SHERD_TRY(sherd_buf_reserve(out_stored, sherd_entry_bytes(payload_bytes)));
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *payload = sherd_secret_alloc(payload_bytes);
    if (payload == NULL)
        return SHERD_ERR_NO_MEMORY;

    sherd_put_u16(payload, (uint16_t)tlv.len);
    if (tlv.len > 0)
        memcpy(payload + 2, tlv.data, tlv.len);
    SHERD_TRY(take_hold(keys, 0, &held));
    const enum sherd_err err = seal_payload(keys, &held, kind, name, sherd_span_of(payload, payload_bytes), out_stored);
    let_go(&held);
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
    const uint32_t version = sherd_entry_version(stored);
    put_header(keys, keys->versions != NULL ? version : keys->version, kind, header);
    if (version == 0 || !sherd_same(stored.data, header, sizeof(header)))
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

bool sherd_entry_is_everywhere(enum sherd_purpose compartment, struct sherd_span stored)
{
    const uint8_t header[] = {SHERD_FORMAT, kind_number(SHERD_KIND_COMPARTMENT, compartment), SHERD_SUITE >> 8,
                              SHERD_SUITE & 0xff};

    return sherd_entry_is_key_part(compartment, stored) ||
           (stored.len == sherd_entry_bytes(sherd_kind_payload_bytes(SHERD_KIND_COMPARTMENT, compartment)) &&
            sherd_same(stored.data, header, sizeof(header)));
}

bool sherd_padding_valid(struct sherd_span padding)
{
    uint8_t any = 0;

    for (size_t i = 0; i < padding.len; i++)
        any |= padding.data[i];
    return any == 0;
}

/* Open a stored entry whose kind was looked at, down to its payload. */
static enum sherd_err open_payload(const struct sherd_entry_keys *keys, enum sherd_kind kind,
                                   const struct sherd_ref *name, struct sherd_span stored, struct sherd_buf *payload)
{
    const struct sherd_span sealed = {stored.data + SHERD_ENTRY_HEADER_SIZE, stored.len - SHERD_ENTRY_HEADER_SIZE};
    struct sherd_context context;
    struct held held;

    SHERD_TRY(take_hold(keys, sherd_entry_version(stored), &held));
    sherd_context_of_entry(&keys->deployment, keys->compartment, (uint8_t)kind, held.version, name,
                           sherd_kind_payload_bytes(kind, keys->compartment), &context);
    const enum sherd_err err = sherd_aead_open_with(held.seal, sherd_context_span(&context), sealed, payload);
    let_go(&held);
    return err;
}

enum sherd_err sherd_entry_open(const struct sherd_entry_keys *keys, enum sherd_kind kind, const struct sherd_ref *name,
                                struct sherd_span stored, struct sherd_buf *payload, struct sherd_span *out_tlv)
{
    enum sherd_kind found;

    SHERD_TRY(sherd_entry_kind(keys, stored, &found));
    if (found != kind)
        return tampered();
    SHERD_TRY(open_payload(keys, kind, name, stored, payload));

    const size_t payload_bytes = sherd_kind_payload_bytes(kind, keys->compartment);
    const size_t tlv_bytes = sherd_get_u16(payload->data);
    if (tlv_bytes + 2 > payload_bytes ||
        !sherd_padding_valid(sherd_span_of(payload->data + 2 + tlv_bytes, payload_bytes - 2 - tlv_bytes)))
        return tampered();
    *out_tlv = sherd_span_of(payload->data + 2, tlv_bytes);
    return SHERD_OK;
}

/* The payload is taken over as it is: what it says is for others to check. */
enum sherd_err sherd_entry_reseal(const struct sherd_entry_keys *keys, const struct sherd_ref *name,
                                  struct sherd_span stored, struct sherd_buf *out_stored)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    enum sherd_kind kind;
    uint32_t newest;
    struct held held;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf payload = sherd_buf_borrow(block, SHERD_PAYLOAD_BYTES_MAX);
    SHERD_TRY(sherd_entry_kind(keys, stored, &kind));
    SHERD_TRY(sherd_entry_newest(keys, &newest));
    if (sherd_entry_version(stored) == newest)
        return SHERD_OK;
    SHERD_TRY(open_payload(keys, kind, name, stored, &payload));
    SHERD_TRY(sherd_buf_reserve(out_stored, stored.len));
    SHERD_TRY(take_hold(keys, 0, &held));
    const enum sherd_err err = seal_payload(keys, &held, kind, name, sherd_buf_span(&payload), out_stored);
    let_go(&held);
    return err;
}
