/* SPDX-License-Identifier: Apache-2.0 */
/* Events and pending blocks: see event.h and docs/format/ledger.md. */
#include "ledger/event.h"
#include "base/bytes.h"
#include "envelope/tlv.h"
#include <string.h>

enum event_field {
    EVENT_KIND = 1,
    EVENT_ID = 2,
    EVENT_TIME = 3,
    EVENT_VERSION = 4,
    EVENT_COUNT = 5,
    EVENT_SUBJECT = 6,
    EVENT_COLLECTION = 7,
    EVENT_ENTITY = 8,
    EVENT_ACTOR = 9,
    EVENT_MAP = 10,
    EVENT_MAP_DIGEST = 11,
    EVENT_FRAGMENT = 12,
    EVENT_FRAGMENT_DIGEST = 13,
    EVENT_ROOT = 14,
};

enum pending_field {
    PENDING_DELTA = 1,
    PENDING_EVENTS = 2,
};

#define BIT(field) SHERD_TLV_BIT(field)
#define SPAN(object) sherd_span_of((object).bytes, sizeof((object).bytes))

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "an event of the ledger does not verify");
}

const char *sherd_event_name(enum sherd_event_kind kind)
{
    static const char *const names[] = {
        [SHERD_EVENT_GENESIS] = "genesis",       [SHERD_EVENT_PUT] = "put",
        [SHERD_EVENT_UPDATE] = "update",         [SHERD_EVENT_DELETE] = "delete",
        [SHERD_EVENT_RESEAL] = "reseal",         [SHERD_EVENT_REWRAP] = "rewrap",
        [SHERD_EVENT_ENTITY] = "entity",         [SHERD_EVENT_ERASE] = "erase",
        [SHERD_EVENT_COLLECTION] = "collection", [SHERD_EVENT_KEYRING] = "keyring",
        [SHERD_EVENT_PRINCIPAL] = "principal",   [SHERD_EVENT_NAMED_KEY] = "named-key",
        [SHERD_EVENT_GRANT] = "grant",           [SHERD_EVENT_JOIN] = "join",
        [SHERD_EVENT_UNSEAL] = "unseal",         [SHERD_EVENT_SEAL] = "seal",
        [SHERD_EVENT_RESTORE] = "restore",       [SHERD_EVENT_ACCEPT] = "accept",
    };

    return (size_t)kind < SHERD_COUNT_OF(names) && names[kind] != NULL ? names[kind] : "unknown";
}

/* What is all zero says nothing, and is left out. */
static void put_ref(struct sherd_tlv_writer *writer, unsigned tag, const struct sherd_ref *ref)
{
    static const struct sherd_ref none = {{0}};

    if (!sherd_same(ref->bytes, none.bytes, sizeof(none.bytes)))
        sherd_tlv_put(writer, tag, SPAN(*ref));
}

static void put_u64(struct sherd_tlv_writer *writer, unsigned tag, uint64_t value)
{
    if (value != 0)
        sherd_tlv_put_u64(writer, tag, value);
}

static void put_entry(struct sherd_tlv_writer *writer, unsigned tag, const struct sherd_event_entry *entry)
{
    if (!entry->there)
        return;
    sherd_tlv_put(writer, tag, SPAN(entry->name));
    sherd_tlv_put(writer, tag + 1, SPAN(entry->digest));
}

enum sherd_err sherd_event_encode(const struct sherd_event *event, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_EVENT_BYTES_MAX);

    SHERD_ENSURE(event->kind >= SHERD_EVENT_GENESIS && event->kind < SHERD_EVENT_KINDS, SHERD_ERR_INVALID,
                 "no such event");
    sherd_tlv_put_u64(&writer, EVENT_KIND, event->kind);
    sherd_tlv_put(&writer, EVENT_ID, sherd_span_of(event->id, sizeof(event->id)));
    sherd_tlv_put_u64(&writer, EVENT_TIME, event->time_ns);
    put_u64(&writer, EVENT_VERSION, event->version);
    put_u64(&writer, EVENT_COUNT, event->count);
    put_ref(&writer, EVENT_SUBJECT, &event->subject);
    put_ref(&writer, EVENT_COLLECTION, &event->collection);
    put_ref(&writer, EVENT_ENTITY, &event->entity);
    put_ref(&writer, EVENT_ACTOR, &event->actor);
    put_entry(&writer, EVENT_MAP, &event->map);
    put_entry(&writer, EVENT_FRAGMENT, &event->fragment);
    if (event->has_root)
        sherd_tlv_put(&writer, EVENT_ROOT, SPAN(event->root));
    return sherd_tlv_end(&writer, out_bytes);
}

/* A field that may be missing, but is not there for nothing. */
static enum sherd_err get_ref(const struct sherd_tlv *tlv, unsigned tag, struct sherd_ref *out_ref)
{
    static const struct sherd_ref none = {{0}};

    if (tlv->value[tag].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get(tlv, tag, out_ref->bytes, sizeof(out_ref->bytes)));
    return sherd_same(out_ref->bytes, none.bytes, sizeof(none.bytes)) ? malformed() : SHERD_OK;
}

static enum sherd_err get_u64(const struct sherd_tlv *tlv, unsigned tag, uint64_t *out_value)
{
    if (tlv->value[tag].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, UINT64_MAX, out_value));
    return *out_value == 0 ? malformed() : SHERD_OK;
}

static enum sherd_err get_entry(const struct sherd_tlv *tlv, unsigned tag, struct sherd_event_entry *out_entry)
{
    out_entry->there = tlv->value[tag].data != NULL;
    if (out_entry->there != (tlv->value[tag + 1].data != NULL))
        return malformed();
    if (!out_entry->there)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get(tlv, tag, out_entry->name.bytes, sizeof(out_entry->name.bytes)));
    return sherd_tlv_get(tlv, tag + 1, out_entry->digest.bytes, sizeof(out_entry->digest.bytes));
}

enum sherd_err sherd_event_decode(struct sherd_span bytes, struct sherd_event *out_event)
{
    const uint64_t required = BIT(EVENT_KIND) | BIT(EVENT_ID) | BIT(EVENT_TIME);
    const uint64_t optional = BIT(EVENT_VERSION) | BIT(EVENT_COUNT) | BIT(EVENT_SUBJECT) | BIT(EVENT_COLLECTION) |
                              BIT(EVENT_ENTITY) | BIT(EVENT_ACTOR) | BIT(EVENT_MAP) | BIT(EVENT_MAP_DIGEST) |
                              BIT(EVENT_FRAGMENT) | BIT(EVENT_FRAGMENT_DIGEST) | BIT(EVENT_ROOT);
    struct sherd_event event = {.kind = SHERD_EVENT_GENESIS}; /* for now */
    struct sherd_tlv tlv;
    uint64_t kind;

    SHERD_TRY(sherd_tlv_parse(bytes, required, optional, &tlv));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, EVENT_KIND, SHERD_EVENT_KINDS - 1, &kind));
    if (kind == 0)
        return malformed();
    event.kind = (enum sherd_event_kind)kind;
    SHERD_TRY(sherd_tlv_get(&tlv, EVENT_ID, event.id, sizeof(event.id)));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, EVENT_TIME, UINT64_MAX, &event.time_ns));
    SHERD_TRY(get_u64(&tlv, EVENT_VERSION, &event.version));
    SHERD_TRY(get_u64(&tlv, EVENT_COUNT, &event.count));
    SHERD_TRY(get_ref(&tlv, EVENT_SUBJECT, &event.subject));
    SHERD_TRY(get_ref(&tlv, EVENT_COLLECTION, &event.collection));
    SHERD_TRY(get_ref(&tlv, EVENT_ENTITY, &event.entity));
    SHERD_TRY(get_ref(&tlv, EVENT_ACTOR, &event.actor));
    SHERD_TRY(get_entry(&tlv, EVENT_MAP, &event.map));
    SHERD_TRY(get_entry(&tlv, EVENT_FRAGMENT, &event.fragment));
    event.has_root = tlv.value[EVENT_ROOT].data != NULL;
    if (event.has_root)
        SHERD_TRY(sherd_tlv_get(&tlv, EVENT_ROOT, event.root.bytes, sizeof(event.root.bytes)));
    *out_event = event;
    return SHERD_OK;
}

/* --- pending blocks ----------------------------------------------------------------------------------------------- */

enum sherd_err sherd_pending_add(struct sherd_buf *events, const struct sherd_event *event)
{
    uint8_t item[2 + SHERD_EVENT_BYTES_MAX];
    size_t bytes;

    SHERD_TRY(sherd_event_encode(event, item + 2, &bytes));
    if (events->len + 2 + bytes > SHERD_PENDING_EVENTS_BYTES_MAX)
        return SHERD_ERR_LIMIT;
    sherd_put_u16(item, (uint16_t)bytes);
    return sherd_buf_append(events, sherd_span_of(item, 2 + bytes));
}

enum sherd_err sherd_pending_next(struct sherd_span *rest, struct sherd_event *out_event)
{
    if (rest->len < 2)
        return malformed();
    const size_t bytes = sherd_get_u16(rest->data);
    if (bytes > rest->len - 2)
        return malformed();
    SHERD_TRY(sherd_event_decode(sherd_span_of(rest->data + 2, bytes), out_event));
    *rest = sherd_span_of(rest->data + 2 + bytes, rest->len - 2 - bytes);
    return SHERD_OK;
}

enum sherd_err sherd_pending_encode(const struct sherd_pending *pending, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_PENDING_EVENTS_BYTES_MAX + 64);

    sherd_tlv_put(&writer, PENDING_DELTA, SPAN(pending->delta));
    sherd_tlv_put(&writer, PENDING_EVENTS, pending->events);
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_pending_decode(struct sherd_span bytes, struct sherd_pending *out_pending)
{
    struct sherd_pending pending = {.events = {NULL, 0}};
    struct sherd_event event;
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(PENDING_DELTA), BIT(PENDING_EVENTS), &tlv));
    SHERD_TRY(sherd_tlv_get(&tlv, PENDING_DELTA, pending.delta.bytes, sizeof(pending.delta.bytes)));
    pending.events = tlv.value[PENDING_EVENTS];
    SHERD_ENSURE(pending.events.len <= SHERD_PENDING_EVENTS_BYTES_MAX, SHERD_ERR_TAMPERED,
                 "a pending block does not verify");
    for (struct sherd_span rest = pending.events; rest.len != 0;)
        SHERD_TRY(sherd_pending_next(&rest, &event));
    *out_pending = pending;
    return SHERD_OK;
}
