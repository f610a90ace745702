/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of each kind of entry: see payload.h and docs/format/envelope.md section 2. */
#include "envelope/payload.h"
#include "base/bytes.h"
#include "envelope/attributes.h"
#include "envelope/links.h"
#include "envelope/payload_inside.h"
#include "envelope/recipient.h"
#include <string.h>

/* What a fragment in `secrets` is: sealed in an entry, sealed in a blob, in clear in an entry. */
enum { PLACED_ENTRY, PLACED_BLOB, PLACED_ROW };

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a stored entry does not verify");
}

/* Versions of anything count from 1. */
static enum sherd_err get_version(const struct sherd_tlv *tlv, unsigned tag, uint64_t max, uint64_t *out_version)
{
    uint64_t version;

    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, max, &version));
    if (version == 0)
        return malformed();
    *out_version = version;
    return SHERD_OK;
}

/* Times are kept to the minute, so that they join nothing. */
static enum sherd_err get_time(const struct sherd_tlv *tlv, unsigned tag, uint64_t *out_time_s)
{
    uint64_t time_s;

    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, INT64_MAX, &time_s));
    if (time_s % 60 != 0)
        return malformed();
    *out_time_s = time_s;
    return SHERD_OK;
}

enum sherd_kind sherd_map_kind(size_t tlv_bytes)
{
    return tlv_bytes + 2 <= sherd_kind_payload_bytes(SHERD_KIND_MAP, SHERD_FOR_ASSETS) ? SHERD_KIND_MAP
                                                                                       : SHERD_KIND_LONG_MAP;
}

enum sherd_err sherd_map_encode(const struct sherd_map *map, uint8_t *block, size_t *out_bytes,
                                enum sherd_kind *out_kind)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_COLLECTION, SPAN(map->collection));
    sherd_tlv_put(&writer, FIELD_ENTITY, SPAN(map->entity));
    sherd_tlv_put(&writer, FIELD_RECORD, SPAN(map->record));
    sherd_tlv_put_u64(&writer, FIELD_VERSION, map->version);
    sherd_tlv_put(&writer, FIELD_DATA, SPAN(map->data));
    sherd_tlv_put(&writer, FIELD_SHARE, SPAN(map->share));
    sherd_tlv_put_u64(&writer, FIELD_CONTENT_BYTES, map->content_bytes);
    sherd_tlv_put_u64(&writer, FIELD_FRAGMENT_BYTES, map->fragment_bytes);
    sherd_tlv_put_u64(&writer, FIELD_CREATED, map->created_s);
    sherd_tlv_put(&writer, FIELD_ENTITY_ID, sherd_span_str(map->entity_id));
    sherd_tlv_put(&writer, FIELD_CONTENT_TYPE, sherd_span_str(map->content_type));
    sherd_tlv_put(&writer, FIELD_ATTRIBUTES, map->attributes);
    sherd_tlv_put_u64(&writer, FIELD_PLACEMENT, map->readable ? PLACED_ROW : map->blob ? PLACED_BLOB : PLACED_ENTRY);
    sherd_tlv_put(&writer, FIELD_LINKS, map->links);
    sherd_tlv_put(&writer, FIELD_RECIPIENT, map->recipient);
    if (map->has_first)
        sherd_tlv_put(&writer, FIELD_FIRST, SPAN(map->first));
    SHERD_TRY(sherd_tlv_end(&writer, out_bytes));
    *out_kind = sherd_map_kind(*out_bytes);
    return SHERD_OK;
}

/* Whom the contents are sealed to, if to anybody: then they have a length that such a stream can have. */
static enum sherd_err get_recipient(const struct sherd_tlv *tlv, struct sherd_map *map)
{
    struct sherd_kem_public recipient;
    uint64_t plain_bytes;

    if (tlv->value[FIELD_RECIPIENT].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_recipient_decode(tlv->value[FIELD_RECIPIENT], &recipient));
    SHERD_TRY(sherd_recipient_plain_bytes(recipient.kem, map->content_bytes, &plain_bytes));
    map->recipient = tlv->value[FIELD_RECIPIENT];
    return SHERD_OK;
}

/* A row is never sealed to anybody, and never a blob. */
static enum sherd_err get_placement(const struct sherd_tlv *tlv, struct sherd_map *map)
{
    uint64_t placement;

    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_PLACEMENT, PLACED_ROW, &placement));
    map->blob = placement == PLACED_BLOB;
    map->readable = placement == PLACED_ROW;
    return map->readable && tlv->value[FIELD_RECIPIENT].data != NULL ? malformed() : SHERD_OK;
}

/* What other records and entities it names, and with which fragment it began. */
static enum sherd_err get_links(const struct sherd_tlv *tlv, struct sherd_map *map)
{
    size_t count;

    map->links = tlv->value[FIELD_LINKS];
    SHERD_TRY(sherd_links_check(map->links, &count));
    map->has_first = tlv->value[FIELD_FIRST].data != NULL;
    if (map->has_first)
        GET(tlv, FIELD_FIRST, map->first);
    return SHERD_OK;
}

enum sherd_err sherd_map_decode(struct sherd_span bytes, struct sherd_map *out_map)
{
    const uint64_t required = BIT(FIELD_COLLECTION) | BIT(FIELD_ENTITY) | BIT(FIELD_RECORD) | BIT(FIELD_VERSION) |
                              BIT(FIELD_DATA) | BIT(FIELD_SHARE) | BIT(FIELD_CONTENT_BYTES) |
                              BIT(FIELD_FRAGMENT_BYTES) | BIT(FIELD_CREATED) | BIT(FIELD_PLACEMENT);
    const uint64_t optional = BIT(FIELD_ENTITY_ID) | BIT(FIELD_CONTENT_TYPE) | BIT(FIELD_ATTRIBUTES) |
                              BIT(FIELD_LINKS) | BIT(FIELD_RECIPIENT) | BIT(FIELD_FIRST);
    struct sherd_tlv tlv;
    SHERD_CLEANUP(sherd_map_wipe) struct sherd_map map = {0};
    size_t attribute_count;

    SHERD_TRY(sherd_tlv_parse(bytes, required, optional, &tlv));
    GET(&tlv, FIELD_COLLECTION, map.collection);
    GET(&tlv, FIELD_ENTITY, map.entity);
    GET(&tlv, FIELD_RECORD, map.record);
    SHERD_TRY(get_version(&tlv, FIELD_VERSION, UINT64_MAX, &map.version));
    GET(&tlv, FIELD_DATA, map.data);
    GET(&tlv, FIELD_SHARE, map.share);
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_CONTENT_BYTES, SHERD_CONTENT_BYTES_MAX, &map.content_bytes));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_FRAGMENT_BYTES, UINT64_MAX, &map.fragment_bytes));
    SHERD_TRY(get_time(&tlv, FIELD_CREATED, &map.created_s));
    SHERD_TRY(sherd_tlv_get_text(&tlv, FIELD_ENTITY_ID, map.entity_id, sizeof(map.entity_id)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, FIELD_CONTENT_TYPE, map.content_type, sizeof(map.content_type)));
    map.attributes = tlv.value[FIELD_ATTRIBUTES];
    SHERD_TRY(sherd_attributes_check(map.attributes, &attribute_count));
    SHERD_TRY(get_placement(&tlv, &map));
    SHERD_TRY(get_recipient(&tlv, &map));
    SHERD_TRY(get_links(&tlv, &map));
    *out_map = map;
    return SHERD_OK;
}

/* Two bytes, and none for round 0: a pin has little room. */
static void put_round(struct sherd_tlv_writer *writer, uint16_t round)
{
    uint8_t bytes[2];

    sherd_put_u16(bytes, round);
    if (round != 0)
        sherd_tlv_put(writer, FIELD_ROUND, sherd_span_of(bytes, sizeof(bytes)));
}

enum sherd_err sherd_pin_encode(const struct sherd_pin *pin, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_COLLECTION, SPAN(pin->collection));
    sherd_tlv_put(&writer, FIELD_ENTITY, SPAN(pin->entity));
    sherd_tlv_put(&writer, FIELD_RECORD, SPAN(pin->record));
    sherd_tlv_put_u64(&writer, FIELD_VERSION, pin->version);
    sherd_tlv_put_u64(&writer, FIELD_VERSION_OLDEST, pin->version_oldest);
    sherd_tlv_put_u64(&writer, FIELD_FRAGMENT_BYTES, pin->fragment_bytes);
    sherd_tlv_put_u64(&writer, FIELD_CREATED, pin->created_s);
    sherd_tlv_put(&writer, FIELD_DIGEST, SPAN(pin->digest));
    sherd_tlv_put(&writer, FIELD_WRAPPED_KEY, SPAN(pin->key));
    sherd_tlv_put_u64(&writer, FIELD_OUTER_KEY_VERSION, pin->entity_key_version);
    sherd_tlv_put_u64(&writer, FIELD_SECRETS_KEY_VERSION, pin->secrets_key_version);
    if (pin->has_idempotency)
        sherd_tlv_put(&writer, FIELD_IDEMPOTENCY, SPAN(pin->idempotency));
    sherd_tlv_put(&writer, FIELD_MAP, SPAN(pin->map));
    sherd_tlv_put_u64(&writer, FIELD_EPOCH, pin->epoch);
    if (pin->has_named_key) {
        sherd_tlv_put(&writer, FIELD_NAMED_KEY, SPAN(pin->named_key));
        sherd_tlv_put_u64(&writer, FIELD_NAMED_KEY_VERSION, pin->named_key_version);
    }
    put_round(&writer, pin->round);
    return sherd_tlv_end(&writer, out_bytes);
}

/* The named key that a record lies under: its id and version, or neither. */
static enum sherd_err get_named_key(const struct sherd_tlv *tlv, struct sherd_pin *pin)
{
    pin->has_named_key = tlv->value[FIELD_NAMED_KEY].data != NULL;
    if (pin->has_named_key != (tlv->value[FIELD_NAMED_KEY_VERSION].data != NULL))
        return malformed();
    if (!pin->has_named_key)
        return SHERD_OK;
    GET(tlv, FIELD_NAMED_KEY, pin->named_key);
    return get_version(tlv, FIELD_NAMED_KEY_VERSION, UINT32_MAX, &pin->named_key_version);
}

static enum sherd_err get_round(const struct sherd_tlv *tlv, uint16_t *out_round)
{
    uint8_t bytes[2];

    *out_round = 0;
    if (tlv->value[FIELD_ROUND].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get(tlv, FIELD_ROUND, bytes, sizeof(bytes)));
    *out_round = sherd_get_u16(bytes);
    return *out_round != 0 ? SHERD_OK : malformed();
}

enum sherd_err sherd_pin_decode(struct sherd_span bytes, struct sherd_pin *out_pin)
{
    const uint64_t required = BIT(FIELD_COLLECTION) | BIT(FIELD_ENTITY) | BIT(FIELD_RECORD) | BIT(FIELD_VERSION) |
                              BIT(FIELD_VERSION_OLDEST) | BIT(FIELD_FRAGMENT_BYTES) | BIT(FIELD_CREATED) |
                              BIT(FIELD_DIGEST) | BIT(FIELD_WRAPPED_KEY) | BIT(FIELD_OUTER_KEY_VERSION) |
                              BIT(FIELD_SECRETS_KEY_VERSION) | BIT(FIELD_MAP) | BIT(FIELD_EPOCH);
    const uint64_t optional = BIT(FIELD_IDEMPOTENCY) | BIT(FIELD_NAMED_KEY) | BIT(FIELD_NAMED_KEY_VERSION) |
                              BIT(FIELD_ROUND);
    struct sherd_tlv tlv;
    struct sherd_pin pin = {0};

    SHERD_TRY(sherd_tlv_parse(bytes, required, optional, &tlv));
    GET(&tlv, FIELD_COLLECTION, pin.collection);
    GET(&tlv, FIELD_ENTITY, pin.entity);
    GET(&tlv, FIELD_RECORD, pin.record);
    SHERD_TRY(get_version(&tlv, FIELD_VERSION, UINT64_MAX, &pin.version));
    SHERD_TRY(get_version(&tlv, FIELD_VERSION_OLDEST, pin.version, &pin.version_oldest));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_FRAGMENT_BYTES, UINT64_MAX, &pin.fragment_bytes));
    SHERD_TRY(get_time(&tlv, FIELD_CREATED, &pin.created_s));
    GET(&tlv, FIELD_DIGEST, pin.digest);
    GET(&tlv, FIELD_MAP, pin.map);
    GET(&tlv, FIELD_WRAPPED_KEY, pin.key);
    SHERD_TRY(get_version(&tlv, FIELD_OUTER_KEY_VERSION, UINT32_MAX, &pin.entity_key_version));
    SHERD_TRY(get_version(&tlv, FIELD_SECRETS_KEY_VERSION, UINT32_MAX, &pin.secrets_key_version));
    if (tlv.value[FIELD_IDEMPOTENCY].data != NULL) {
        pin.has_idempotency = true;
        GET(&tlv, FIELD_IDEMPOTENCY, pin.idempotency);
    }
    SHERD_TRY(get_version(&tlv, FIELD_EPOCH, UINT32_MAX, &pin.epoch));
    SHERD_TRY(get_named_key(&tlv, &pin));
    SHERD_TRY(get_round(&tlv, &pin.round));
    *out_pin = pin;
    return SHERD_OK;
}

/* A derived key is kept nowhere, and that of an erased entity is destroyed. */
static bool has_wrapped_key(const struct sherd_entity_key_entry *entry)
{
    return entry->state == SHERD_ENTITY_LIVE && !entry->derived;
}

enum sherd_err sherd_entity_key_encode(const struct sherd_entity_key_entry *entry, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_COLLECTION, SPAN(entry->collection));
    sherd_tlv_put(&writer, FIELD_ENTITY, SPAN(entry->entity));
    sherd_tlv_put_u64(&writer, FIELD_VERSION, entry->version);
    sherd_tlv_put_u64(&writer, FIELD_VERSION_OLDEST, entry->version_oldest);
    if (has_wrapped_key(entry))
        sherd_tlv_put(&writer, FIELD_WRAPPED_KEY, SPAN(entry->key));
    sherd_tlv_put(&writer, FIELD_ENTITY_ID, sherd_span_str(entry->entity_id));
    sherd_tlv_put(&writer, FIELD_MASTER, SPAN(entry->master));
    sherd_tlv_put_u64(&writer, FIELD_EPOCH, entry->epoch);
    sherd_tlv_put_u64(&writer, FIELD_ENTITY_STATE, entry->state);
    sherd_tlv_put_u64(&writer, FIELD_DERIVED, entry->derived ? 1 : 0);
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_entity_key_decode(struct sherd_span bytes, struct sherd_entity_key_entry *out_entry)
{
    const uint64_t required = BIT(FIELD_COLLECTION) | BIT(FIELD_ENTITY) | BIT(FIELD_VERSION) |
                              BIT(FIELD_VERSION_OLDEST) | BIT(FIELD_MASTER) | BIT(FIELD_EPOCH) |
                              BIT(FIELD_ENTITY_STATE) | BIT(FIELD_DERIVED);
    const uint64_t optional = BIT(FIELD_WRAPPED_KEY) | BIT(FIELD_ENTITY_ID);
    struct sherd_tlv tlv;
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {0};
    uint64_t state;
    uint64_t derived;

    SHERD_TRY(sherd_tlv_parse(bytes, required, optional, &tlv));
    GET(&tlv, FIELD_COLLECTION, entry.collection);
    GET(&tlv, FIELD_ENTITY, entry.entity);
    SHERD_TRY(get_version(&tlv, FIELD_VERSION, UINT32_MAX, &entry.version));
    SHERD_TRY(get_version(&tlv, FIELD_VERSION_OLDEST, entry.version, &entry.version_oldest));
    GET(&tlv, FIELD_MASTER, entry.master);
    SHERD_TRY(get_version(&tlv, FIELD_EPOCH, UINT32_MAX, &entry.epoch));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_ENTITY_STATE, SHERD_ENTITY_ERASED, &state));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_DERIVED, 1, &derived));
    entry.state = (enum sherd_entity_state)state;
    entry.derived = derived == 1;
    if (has_wrapped_key(&entry) != (tlv.value[FIELD_WRAPPED_KEY].data != NULL))
        return malformed();
    if (has_wrapped_key(&entry))
        GET(&tlv, FIELD_WRAPPED_KEY, entry.key);
    if (entry.state == SHERD_ENTITY_ERASED && tlv.value[FIELD_ENTITY_ID].data != NULL)
        return malformed();
    SHERD_TRY(sherd_tlv_get_text(&tlv, FIELD_ENTITY_ID, entry.entity_id, sizeof(entry.entity_id)));
    *out_entry = entry;
    return SHERD_OK;
}

enum sherd_err sherd_entity_lookup_encode(const struct sherd_entity_lookup *lookup, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_COLLECTION, SPAN(lookup->collection));
    sherd_tlv_put(&writer, FIELD_ENTITY, SPAN(lookup->entity));
    sherd_tlv_put(&writer, FIELD_MASTER, SPAN(lookup->hash));
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_entity_lookup_decode(struct sherd_span bytes, struct sherd_entity_lookup *out_lookup)
{
    struct sherd_tlv tlv;
    struct sherd_entity_lookup lookup;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(FIELD_COLLECTION) | BIT(FIELD_ENTITY) | BIT(FIELD_MASTER), 0, &tlv));
    GET(&tlv, FIELD_COLLECTION, lookup.collection);
    GET(&tlv, FIELD_ENTITY, lookup.entity);
    GET(&tlv, FIELD_MASTER, lookup.hash);
    *out_lookup = lookup;
    return SHERD_OK;
}

bool sherd_collection_name_valid(const char *name)
{
    const size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

    return len >= 1 && len <= SHERD_COLLECTION_NAME_BYTES_MAX && name[len] == 0 && strchr("._-", name[0]) == NULL;
}

enum sherd_err sherd_collection_encode(const struct sherd_collection_entry *entry, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_COLLECTION, SPAN(entry->id));
    sherd_tlv_put(&writer, FIELD_COLLECTION_NAME, sherd_span_str(entry->rules.name));
    sherd_tlv_put_u64(&writer, FIELD_VERSIONS_KEPT, entry->rules.versions_kept);
    sherd_tlv_put_u64(&writer, FIELD_EXACT_SIZES, entry->rules.exact_sizes ? 1 : 0);
    sherd_tlv_put_u64(&writer, FIELD_DERIVED, entry->rules.derived_entity_keys ? 1 : 0);
    sherd_tlv_put(&writer, FIELD_MASTER_NAME, sherd_span_str(entry->rules.master_key));
    sherd_tlv_put(&writer, FIELD_KEY_NAME, sherd_span_str(entry->rules.key));
    if (entry->rules.readable)
        sherd_tlv_put_u64(&writer, FIELD_READABLE, 1);
    if (entry->rules.asynchronous) /* left out where it is not: those made before it was known say nothing */
        sherd_tlv_put_u64(&writer, FIELD_ASYNCHRONOUS, 1);
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_collection_decode(struct sherd_span bytes, struct sherd_collection_entry *out_entry)
{
    const uint64_t required = BIT(FIELD_COLLECTION) | BIT(FIELD_COLLECTION_NAME) | BIT(FIELD_VERSIONS_KEPT) |
                              BIT(FIELD_EXACT_SIZES) | BIT(FIELD_DERIVED);
    struct sherd_tlv tlv;
    struct sherd_collection_entry entry = {0};
    uint64_t versions_kept;
    uint64_t exact_sizes;
    uint64_t derived;
    uint64_t asynchronous = 0;
    uint64_t readable = 0;

    SHERD_TRY(sherd_tlv_parse(bytes, required,
                              BIT(FIELD_MASTER_NAME) | BIT(FIELD_KEY_NAME) | BIT(FIELD_ASYNCHRONOUS) |
                                  BIT(FIELD_READABLE),
                              &tlv));
    GET(&tlv, FIELD_COLLECTION, entry.id);
    SHERD_TRY(sherd_tlv_get_text(&tlv, FIELD_COLLECTION_NAME, entry.rules.name, sizeof(entry.rules.name)));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_VERSIONS_KEPT, UINT32_MAX, &versions_kept));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_EXACT_SIZES, 1, &exact_sizes));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_DERIVED, 1, &derived));
    entry.rules.asynchronous = tlv.value[FIELD_ASYNCHRONOUS].data != NULL;
    if (entry.rules.asynchronous)
        SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_ASYNCHRONOUS, 1, &asynchronous));
    if (entry.rules.asynchronous && asynchronous == 0)
        return malformed(); /* one encoding of each */
    SHERD_TRY(sherd_tlv_get_text(&tlv, FIELD_MASTER_NAME, entry.rules.master_key, sizeof(entry.rules.master_key)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, FIELD_KEY_NAME, entry.rules.key, sizeof(entry.rules.key)));
    if (tlv.value[FIELD_READABLE].data != NULL)
        SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_READABLE, 1, &readable));
    if (!sherd_collection_name_valid(entry.rules.name) || readable != (tlv.value[FIELD_READABLE].data != NULL))
        return malformed();
    entry.rules.readable = readable == 1;
    entry.rules.versions_kept = (uint32_t)versions_kept;
    entry.rules.exact_sizes = exact_sizes == 1;
    entry.rules.derived_entity_keys = derived == 1;
    *out_entry = entry;
    return SHERD_OK;
}

enum sherd_err sherd_collection_pin_encode(const struct sherd_uuid *collection, const struct sherd_digest *digest,
                                           uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_COLLECTION, SPAN(*collection));
    sherd_tlv_put(&writer, FIELD_DIGEST, SPAN(*digest));
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_collection_pin_decode(struct sherd_span bytes, struct sherd_uuid *out_collection,
                                           struct sherd_digest *out_digest)
{
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(FIELD_COLLECTION) | BIT(FIELD_DIGEST), 0, &tlv));
    GET(&tlv, FIELD_COLLECTION, *out_collection);
    GET(&tlv, FIELD_DIGEST, *out_digest);
    return SHERD_OK;
}

enum sherd_err sherd_keyring_pin_encode(const struct sherd_digest *digest, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_DIGEST, SPAN(*digest));
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_keyring_pin_decode(struct sherd_span bytes, struct sherd_digest *out_digest)
{
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(FIELD_DIGEST), 0, &tlv));
    GET(&tlv, FIELD_DIGEST, *out_digest);
    return SHERD_OK;
}

enum sherd_err sherd_key_uses_encode(const struct sherd_key_uses *uses, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_MASTER, SPAN(uses->master));
    sherd_tlv_put_u64(&writer, FIELD_WRAPS, uses->wraps);
    sherd_tlv_put_u64(&writer, FIELD_ENTITIES, uses->entities);
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_key_uses_decode(struct sherd_span bytes, struct sherd_key_uses *out_uses)
{
    struct sherd_tlv tlv;
    struct sherd_key_uses uses;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(FIELD_MASTER) | BIT(FIELD_WRAPS) | BIT(FIELD_ENTITIES), 0, &tlv));
    GET(&tlv, FIELD_MASTER, uses.master);
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_WRAPS, SHERD_KEY_LIMIT, &uses.wraps));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_ENTITIES, uses.wraps, &uses.entities));
    *out_uses = uses;
    return SHERD_OK;
}

enum sherd_err sherd_idempotency_encode(const struct sherd_idempotency_entry *entry, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_COLLECTION, SPAN(entry->collection));
    sherd_tlv_put(&writer, FIELD_RECORD, SPAN(entry->record));
    sherd_tlv_put(&writer, FIELD_CONTENT_MAC, SPAN(entry->content_mac));
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_idempotency_decode(struct sherd_span bytes, struct sherd_idempotency_entry *out_entry)
{
    struct sherd_tlv tlv;
    struct sherd_idempotency_entry entry;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(FIELD_COLLECTION) | BIT(FIELD_RECORD) | BIT(FIELD_CONTENT_MAC), 0, &tlv));
    GET(&tlv, FIELD_COLLECTION, entry.collection);
    GET(&tlv, FIELD_RECORD, entry.record);
    GET(&tlv, FIELD_CONTENT_MAC, entry.content_mac);
    *out_entry = entry;
    return SHERD_OK;
}

enum sherd_err sherd_compartment_encode(const struct sherd_compartment_entry *entry, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_TENANT, SPAN(entry->tenant));
    sherd_tlv_put(&writer, FIELD_COMPARTMENT, SPAN(entry->compartment));
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_compartment_decode(struct sherd_span bytes, struct sherd_compartment_entry *out_entry)
{
    struct sherd_tlv tlv;
    struct sherd_compartment_entry entry;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(FIELD_TENANT) | BIT(FIELD_COMPARTMENT), 0, &tlv));
    GET(&tlv, FIELD_TENANT, entry.tenant);
    GET(&tlv, FIELD_COMPARTMENT, entry.compartment);
    *out_entry = entry;
    return SHERD_OK;
}

enum sherd_err sherd_row_sum_encode(const struct sherd_row_sum_entry *entry, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_COLLECTION, SPAN(entry->collection));
    sherd_tlv_put_u64(&writer, FIELD_ROWS, entry->count);
    sherd_tlv_put(&writer, FIELD_ROWS_SUM, SPAN(entry->sum));
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_row_sum_decode(struct sherd_span bytes, struct sherd_row_sum_entry *out_entry)
{
    struct sherd_tlv tlv;
    struct sherd_row_sum_entry entry;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(FIELD_COLLECTION) | BIT(FIELD_ROWS) | BIT(FIELD_ROWS_SUM), 0, &tlv));
    GET(&tlv, FIELD_COLLECTION, entry.collection);
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_ROWS, INT64_MAX, &entry.count));
    GET(&tlv, FIELD_ROWS_SUM, entry.sum);
    *out_entry = entry;
    return SHERD_OK;
}
