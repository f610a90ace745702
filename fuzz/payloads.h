/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz/payloads.h
 * Decoding and encoding again, for each kind of payload.
 */
#ifndef SHERD_FUZZ_PAYLOADS_H
#define SHERD_FUZZ_PAYLOADS_H

#include "anchor/book/book.h"
#include "envelope/rights.h"
#include "ledger/event.h"

/**
 * Decode a payload's TLV as one kind, and encode what was decoded.
 * @param[out] block  SHERD_TLV_BYTES_MAX bytes
 * @return as the decoder; SHERD_ERR_TAMPERED for a kind that does not exist
 */
static enum sherd_err payload_again(enum sherd_kind kind, struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    union {
        struct sherd_map map;
        struct sherd_pin pin;
        struct sherd_entity_key_entry entity_key;
        struct sherd_entity_lookup entity_lookup;
        struct sherd_collection_entry collection;
        struct sherd_idempotency_entry idempotency;
        struct sherd_compartment_entry compartment;
        struct sherd_principal principal;
        struct sherd_principal_pin principal_pin;
        struct sherd_named_key named_key;
        struct sherd_grant grant;
        struct sherd_pending pending;
        struct sherd_key_uses key_uses;
        struct sherd_row_sum_entry row_sum;
    } entry;
    enum sherd_kind map_kind;
    struct sherd_uuid id;
    struct sherd_digest digest;
    uint64_t generation;

    switch (kind) {
    case SHERD_KIND_UNKNOWN: return SHERD_ERR_TAMPERED;
    case SHERD_KIND_MAP:
    case SHERD_KIND_LONG_MAP:
        SHERD_TRY(sherd_map_decode(tlv, &entry.map));
        return sherd_map_encode(&entry.map, block, out_bytes, &map_kind);
    case SHERD_KIND_PIN:
    case SHERD_KIND_OLD_PIN:
        SHERD_TRY(sherd_pin_decode(tlv, &entry.pin));
        return sherd_pin_encode(&entry.pin, block, out_bytes);
    case SHERD_KIND_ENTITY_KEY:
    case SHERD_KIND_OLD_ENTITY_KEY:
        SHERD_TRY(sherd_entity_key_decode(tlv, &entry.entity_key));
        return sherd_entity_key_encode(&entry.entity_key, block, out_bytes);
    case SHERD_KIND_ENTITY_LOOKUP:
        SHERD_TRY(sherd_entity_lookup_decode(tlv, &entry.entity_lookup));
        return sherd_entity_lookup_encode(&entry.entity_lookup, block, out_bytes);
    case SHERD_KIND_KEYRING_PIN:
        SHERD_TRY(sherd_keyring_pin_decode(tlv, &digest));
        return sherd_keyring_pin_encode(&digest, block, out_bytes);
    case SHERD_KIND_COLLECTION:
        SHERD_TRY(sherd_collection_decode(tlv, &entry.collection));
        return sherd_collection_encode(&entry.collection, block, out_bytes);
    case SHERD_KIND_COLLECTION_PIN:
        SHERD_TRY(sherd_collection_pin_decode(tlv, &id, &digest));
        return sherd_collection_pin_encode(&id, &digest, block, out_bytes);
    case SHERD_KIND_IDEMPOTENCY:
        SHERD_TRY(sherd_idempotency_decode(tlv, &entry.idempotency));
        return sherd_idempotency_encode(&entry.idempotency, block, out_bytes);
    case SHERD_KIND_COMPARTMENT:
        SHERD_TRY(sherd_compartment_decode(tlv, &entry.compartment));
        return sherd_compartment_encode(&entry.compartment, block, out_bytes);
    case SHERD_KIND_PRINCIPAL:
        SHERD_TRY(sherd_principal_decode(tlv, &entry.principal));
        return sherd_principal_encode(&entry.principal, block, out_bytes);
    case SHERD_KIND_PRINCIPAL_PIN:
        SHERD_TRY(sherd_principal_pin_decode(tlv, &entry.principal_pin));
        return sherd_principal_pin_encode(&entry.principal_pin, block, out_bytes);
    case SHERD_KIND_NAMED_KEY:
        SHERD_TRY(sherd_named_key_decode(tlv, &entry.named_key));
        return sherd_named_key_encode(&entry.named_key, block, out_bytes);
    case SHERD_KIND_GRANT:
        SHERD_TRY(sherd_grant_decode(tlv, &entry.grant));
        return sherd_grant_encode(&entry.grant, block, out_bytes);
    case SHERD_KIND_PENDING:
    case SHERD_KIND_LONG_PENDING:
        SHERD_TRY(sherd_pending_decode(tlv, &entry.pending));
        return sherd_pending_encode(&entry.pending, block, out_bytes);
    case SHERD_KIND_KEY_USES:
        SHERD_TRY(sherd_key_uses_decode(tlv, &entry.key_uses));
        return sherd_key_uses_encode(&entry.key_uses, block, out_bytes);
    case SHERD_KIND_BOOK_PIN:
        SHERD_TRY(sherd_book_pin_decode(tlv, &generation, &digest));
        return sherd_book_pin_encode(generation, &digest, block, out_bytes);
    case SHERD_KIND_ROW_SUM:
        SHERD_TRY(sherd_row_sum_decode(tlv, &entry.row_sum));
        return sherd_row_sum_encode(&entry.row_sum, block, out_bytes);
    case SHERD_KIND_KEY_PART: break; /* kms/places.h knows it */
    }
    return SHERD_ERR_TAMPERED;
}

#endif
