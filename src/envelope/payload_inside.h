/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/payload_inside.h
 * The tags of all fields of all kinds, for payload.c and rights.c, and nobody else: docs/format/envelope.md section 2.
 */
#ifndef SHERD_ENVELOPE_PAYLOAD_INSIDE_H
#define SHERD_ENVELOPE_PAYLOAD_INSIDE_H

#include "envelope/payload.h"

enum sherd_field {
    FIELD_TENANT = 1,
    FIELD_COMPARTMENT = 2,
    FIELD_COLLECTION = 3,
    FIELD_ENTITY = 4,
    FIELD_RECORD = 5,
    FIELD_VERSION = 6,
    FIELD_VERSION_OLDEST = 7,
    FIELD_DATA = 8,
    FIELD_SHARE = 9,
    FIELD_CONTENT_BYTES = 10,
    FIELD_FRAGMENT_BYTES = 11,
    FIELD_CREATED = 12,
    FIELD_DIGEST = 13,
    FIELD_WRAPPED_KEY = 14,
    FIELD_OUTER_KEY_VERSION = 15,
    FIELD_SECRETS_KEY_VERSION = 16,
    FIELD_IDEMPOTENCY = 17,
    FIELD_COLLECTION_NAME = 18,
    FIELD_VERSIONS_KEPT = 19,
    FIELD_EXACT_SIZES = 20,
    FIELD_ENTITY_ID = 21,
    FIELD_CONTENT_TYPE = 22,
    FIELD_ATTRIBUTES = 23,
    FIELD_CONTENT_MAC = 24,
    FIELD_PRINCIPAL = 25,
    FIELD_PLACEMENT = 26,
    FIELD_MAP = 27,
    FIELD_MASTER = 28,
    FIELD_EPOCH = 29,
    FIELD_ENTITY_STATE = 30,
    FIELD_DERIVED = 31,
    FIELD_MASTER_NAME = 32,
    FIELD_NAMED_KEY = 33,
    FIELD_NAMED_KEY_VERSION = 34,
    FIELD_KEY_NAME = 35,
    FIELD_PRINCIPAL_ID = 36,
    FIELD_CREDENTIAL = 37,
    FIELD_PUBLIC_KEY = 38,
    FIELD_HASH_ALG = 39,
    FIELD_HASH_COST = 40,
    FIELD_HASH_BLOCK = 41,
    FIELD_HASH_PARALLEL = 42,
    FIELD_SALT = 43,
    FIELD_DISABLED = 44,
    FIELD_GENERATION = 45,
    FIELD_RIGHTS = 46,
    FIELD_LINKS = 47,
    FIELD_RECIPIENT = 48,
    FIELD_FIRST = 49,
    FIELD_READABLE = 50,
    FIELD_ROWS = 51,
    FIELD_ROWS_SUM = 52,
    FIELD_ROUND = 57,
    FIELD_WRAPS = 58,
    FIELD_ENTITIES = 59,
    FIELD_ASYNCHRONOUS = 61,
};

#define BIT(field) SHERD_TLV_BIT(field)
#define SPAN(object) sherd_span_of((object).bytes, sizeof((object).bytes))
#define GET(tlv, field, object) SHERD_TRY(sherd_tlv_get((tlv), (field), (object).bytes, sizeof((object).bytes)))

#endif
