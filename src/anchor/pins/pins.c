/* SPDX-License-Identifier: Apache-2.0 */
/* Pins: see pins.h. A record is there from the moment when its head is durable until its head is gone. */
#include "anchor/pins/pins.h"
#include "anchor/pins/row_sums.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "crypto/ct.h"

/* Old versions that one write set deletes at most. */
#define DELETES_MAX 3700U
/* How often an update is tried whose record is changed, to the same version, while it is written. */
#define TRIES_MAX 16U

#define PIN_STORED_BYTES 432U
#define SMALL_STORED_BYTES 272U

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a pin in keys does not verify");
}

static enum sherd_err head_name(const struct sherd_pins *pins, const struct sherd_uuid *record,
                                struct sherd_ref *out_name)
{
    return sherd_entry_name(&pins->keys, "record", sherd_span_of(record->bytes, 16), sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err old_name(const struct sherd_pins *pins, const struct sherd_uuid *record, uint64_t version,
                               struct sherd_ref *out_name)
{
    uint8_t bytes[8];

    sherd_put_u64(bytes, version);
    return sherd_entry_name(&pins->keys, "version", sherd_span_of(record->bytes, 16), sherd_span_of(bytes, 8),
                            out_name);
}

static enum sherd_err idempotency_name(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                                       struct sherd_span key, struct sherd_ref *out_name)
{
    return sherd_entry_name(&pins->keys, "idempotency", sherd_span_of(collection->bytes, 16), key, out_name);
}

static enum sherd_err open_pin(const struct sherd_pins *pins, enum sherd_kind kind, const struct sherd_ref *name,
                               struct sherd_span stored, struct sherd_pin *out_pin)
{
    uint8_t block[PIN_STORED_BYTES];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&pins->keys, kind, name, stored, &payload, &tlv));
    return sherd_pin_decode(tlv, out_pin);
}

/* Read an entry from a snapshot, or as it is now if that is NULL. */
static enum sherd_err read_entry(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                                 const struct sherd_ref *name, struct sherd_buf *stored)
{
    return snapshot != NULL ? sherd_snapshot_get(snapshot, *name, stored)
                            : sherd_compartment_get(pins->compartment, *name, stored);
}

static enum sherd_err read_head_once(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                                     const struct sherd_uuid *record, struct sherd_buf *stored,
                                     struct sherd_ref *out_name, struct sherd_pin *out_pin)
{
    SHERD_TRY(head_name(pins, record, out_name));
    const enum sherd_err err = read_entry(pins, snapshot, out_name, stored);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "there is no such record");
    if (err == SHERD_ERR_LIMIT)
        return tampered();
    SHERD_TRY(err);
    SHERD_TRY(open_pin(pins, SHERD_KIND_PIN, out_name, sherd_buf_span(stored), out_pin));
    return sherd_same(out_pin->record.bytes, record->bytes, 16) ? SHERD_OK : tampered();
}

/* Read the head of a record; stored gets its bytes as they lie in the store. */
static enum sherd_err read_head(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                                const struct sherd_uuid *record, struct sherd_buf *stored, struct sherd_ref *out_name,
                                struct sherd_pin *out_pin)
{
    const enum sherd_err err = read_head_once(pins, snapshot, record, stored, out_name, out_pin);

    if (err != SHERD_ERR_DENIED || snapshot != NULL)
        return err;
    sherd_buf_clear(stored); /* as in sherd_entry_open() */
    return read_head_once(pins, snapshot, record, stored, out_name, out_pin);
}

static enum sherd_err check_pin(const struct sherd_pins *pins, enum sherd_kind kind, const struct sherd_ref *name,
                                struct sherd_span stored, struct sherd_pin *out_pin)
{
    struct sherd_ref derived;

    SHERD_TRY(open_pin(pins, kind, name, stored, out_pin));
    if (kind == SHERD_KIND_PIN)
        SHERD_TRY(head_name(pins, &out_pin->record, &derived));
    else
        SHERD_TRY(old_name(pins, &out_pin->record, out_pin->version, &derived));
    return sherd_same(derived.bytes, name->bytes, sizeof(derived.bytes)) ? SHERD_OK : tampered();
}

static enum sherd_err read_old(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                               const struct sherd_uuid *record, uint64_t version, struct sherd_pin *out_pin)
{
    uint8_t block[PIN_STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref name;

    SHERD_TRY(old_name(pins, record, version, &name));
    const enum sherd_err err = read_entry(pins, snapshot, &name, &stored);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT)
        return tampered();
    SHERD_TRY(err);
    SHERD_TRY(open_pin(pins, SHERD_KIND_OLD_PIN, &name, sherd_buf_span(&stored), out_pin));
    if (!sherd_same(out_pin->record.bytes, record->bytes, 16) || out_pin->version != version)
        return tampered();
    return SHERD_OK;
}

static enum sherd_err get_in(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                             const struct sherd_uuid *record, uint64_t version, struct sherd_pin_view *out_view)
{
    uint8_t block[PIN_STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_pin_view view;
    struct sherd_ref name;

    SHERD_TRY(read_head(pins, snapshot, record, &stored, &name, &view.pin));
    view.version_current = view.pin.version;
    view.version_oldest = view.pin.version_oldest;
    if (version != 0 && (version > view.version_current || version < view.version_oldest))
        return sherd_fail(SHERD_ERR_NOT_FOUND, "that version of the record is not kept");
    if (version != 0 && version != view.version_current)
        SHERD_TRY(read_old(pins, snapshot, record, version, &view.pin));
    *out_view = view;
    return SHERD_OK;
}

/* Of one snapshot, in which the versions that the head promises are there: an update may drop the oldest meanwhile. */
static enum sherd_err get_once(const struct sherd_pins *pins, struct sherd_uuid record, uint64_t version,
                               struct sherd_pin_view *out_view)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(pins->compartment, &snapshot));
    const enum sherd_err err = get_in(pins, snapshot, &record, version, out_view);
    sherd_snapshot_end(snapshot);
    return err;
}

enum sherd_err sherd_pins_get(const struct sherd_pins *pins, struct sherd_uuid record, uint64_t version,
                              struct sherd_pin_view *out_view)
{
    const enum sherd_err err = get_once(pins, record, version, out_view);

    return err == SHERD_ERR_DENIED ? get_once(pins, record, version, out_view) : err; /* as in sherd_entry_open() */
}

/* What one change writes, as bytes, and the operations that write it. */
struct change_bytes {
    uint8_t current[PIN_STORED_BYTES]; /* the head that is replaced, as it was read */
    uint8_t head[PIN_STORED_BYTES];
    uint8_t old[PIN_STORED_BYTES];
    uint8_t idempotency[SMALL_STORED_BYTES];
};

struct op_list {
    struct sherd_store_op *ops;
    size_t count;
    size_t cap;
    struct sherd_event *events; /* what the set stands for */
    size_t event_count;
    struct sherd_row_sums sums; /* of the readable collections that it touches */
};

/* There is always room for the guard. */
static enum sherd_err add_op(struct op_list *list, const struct sherd_store_op *op)
{
    SHERD_ENSURE(list->count + 1 < list->cap, SHERD_ERR_LIMIT, "too many changes at once");
    list->ops[list->count++] = *op;
    return SHERD_OK;
}

static enum sherd_err seal_pin(const struct sherd_pins *pins, enum sherd_kind kind, const struct sherd_ref *name,
                               const struct sherd_pin *pin, uint8_t out[static PIN_STORED_BYTES])
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(out, PIN_STORED_BYTES);
    size_t tlv_bytes;

    SHERD_TRY(sherd_pin_encode(pin, tlv, &tlv_bytes));
    return sherd_entry_seal(&pins->keys, kind, name, sherd_span_of(tlv, tlv_bytes), &stored);
}

enum sherd_err sherd_pins_store(const struct sherd_pins *pins, enum sherd_kind kind, const struct sherd_ref *name,
                                const struct sherd_pin *pin, struct sherd_buf *out_stored)
{
    uint8_t stored[PIN_STORED_BYTES];

    SHERD_TRY(seal_pin(pins, kind, name, pin, stored));
    return sherd_buf_append(out_stored, sherd_span_of(stored, sizeof(stored)));
}

static enum sherd_err content_mac(const struct sherd_pins *pins, const struct sherd_digest *content_hash,
                                  struct sherd_digest *out_mac)
{
    const struct sherd_span parts[] = {sherd_span_str("idempotent contents"),
                                       sherd_span_of(content_hash->bytes, sizeof(content_hash->bytes))};

    return sherd_hmac_with(pins->keys.name, parts, SHERD_COUNT_OF(parts), out_mac->bytes);
}

static enum sherd_err add_idempotency(const struct sherd_pins *pins, const struct sherd_pin_change *change,
                                      struct change_bytes *bytes, struct sherd_pin *pin, struct op_list *list)
{
    struct sherd_idempotency_entry entry = {.collection = pin->collection, .record = pin->record};
    struct sherd_buf stored = sherd_buf_borrow(bytes->idempotency, sizeof(bytes->idempotency));
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    if (change->idempotency_key.len == 0)
        return SHERD_OK;
    SHERD_TRY(idempotency_name(pins, &pin->collection, change->idempotency_key, &pin->idempotency));
    pin->has_idempotency = true;
    SHERD_TRY(content_mac(pins, &change->content_hash, &entry.content_mac));
    SHERD_TRY(sherd_idempotency_encode(&entry, tlv, &tlv_bytes));
    SHERD_TRY(sherd_entry_seal(&pins->keys, SHERD_KIND_IDEMPOTENCY, &pin->idempotency, sherd_span_of(tlv, tlv_bytes),
                               &stored));
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT,
                                      .expect = SHERD_EXPECT_ABSENT,
                                      .name = pin->idempotency,
                                      .value = sherd_buf_span(&stored)};
    return add_op(list, &op);
}

static enum sherd_err add_new(const struct sherd_pins *pins, const struct sherd_pin_change *change,
                              struct change_bytes *bytes, struct op_list *list)
{
    struct sherd_pin pin = change->pin;
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT};

    SHERD_ENSURE(pin.version == 1, SHERD_ERR_INVALID, "a new record begins with version 1");
    pin.version_oldest = 1;
    SHERD_TRY(add_idempotency(pins, change, bytes, &pin, list));
    SHERD_TRY(head_name(pins, &pin.record, &op.name));
    SHERD_TRY(seal_pin(pins, SHERD_KIND_PIN, &op.name, &pin, bytes->head));
    op.value = sherd_span_of(bytes->head, sizeof(bytes->head));
    if (change->readable)
        SHERD_TRY(sherd_row_sums_note(pins, &list->sums, &pin.collection, NULL, &pin.digest));
    return add_op(list, &op);
}

/* Delete the entries of old versions from..to, and note their map entries. One that does not verify goes as well. */
static enum sherd_err add_deletes(const struct sherd_pins *pins, const struct sherd_uuid *record, uint64_t from,
                                  uint64_t to, struct op_list *list, struct sherd_refs *dropped)
{
    for (uint64_t version = from; version <= to; version++) {
        struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .expect = SHERD_EXPECT_ANY};
        struct sherd_pin old;

        const enum sherd_err err = read_old(pins, NULL, record, version, &old);
        if (err == SHERD_OK)
            SHERD_TRY(sherd_refs_add(dropped, &old.map));
        else if (err != SHERD_ERR_TAMPERED && err != SHERD_ERR_DENIED)
            return err;
        SHERD_TRY(old_name(pins, record, version, &op.name));
        SHERD_TRY(add_op(list, &op));
    }
    return SHERD_OK;
}

/* The oldest version that stays when version is added and kept versions stay; 0 keeps all. */
static uint64_t oldest_after(uint64_t oldest, uint64_t version, uint32_t kept)
{
    return kept == 0 || version - oldest < kept ? oldest : version - kept + 1;
}

/* A version lies under the named key that its record lies under when it is written, and no other. */
static enum sherd_err check_named_key(const struct sherd_pin *before, const struct sherd_pin *pin)
{
    SHERD_ENSURE(before->has_named_key == pin->has_named_key &&
                     sherd_same(&before->named_key, &pin->named_key, sizeof(pin->named_key)),
                 SHERD_ERR_CONFLICT, "the record was brought under another key meanwhile: try again");
    return SHERD_OK;
}

static enum sherd_err add_update(const struct sherd_pins *pins, const struct sherd_pin_change *change,
                                 struct change_bytes *bytes, struct op_list *list, struct sherd_refs *dropped)
{
    struct sherd_buf current = sherd_buf_borrow(bytes->current, sizeof(bytes->current));
    struct sherd_pin pin = change->pin;
    struct sherd_pin before = {0};
    struct sherd_store_op head = {.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_EQUALS};
    struct sherd_store_op old = {.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ANY};

    SHERD_TRY(read_head(pins, NULL, &pin.record, &current, &head.name, &before));
    if (before.version != change->version_expected || pin.version != before.version + 1)
        return sherd_fail(SHERD_ERR_CONFLICT, "the record has a newer version: read it again, then retry");
    SHERD_TRY(check_named_key(&before, &pin));
    pin.version_oldest = oldest_after(before.version_oldest, pin.version, change->versions_kept);
    pin.has_idempotency = before.has_idempotency;
    pin.idempotency = before.idempotency;

    SHERD_TRY(seal_pin(pins, SHERD_KIND_PIN, &head.name, &pin, bytes->head));
    head.value = sherd_span_of(bytes->head, sizeof(bytes->head));
    head.expected = sherd_buf_span(&current);
    SHERD_TRY(add_op(list, &head));
    if (change->readable)
        SHERD_TRY(sherd_row_sums_note(pins, &list->sums, &pin.collection, &before.digest, &pin.digest));
    if (before.version < pin.version_oldest) {
        SHERD_TRY(sherd_refs_add(dropped, &before.map));
        return add_deletes(pins, &pin.record, before.version_oldest, before.version - 1, list, dropped);
    }
    SHERD_TRY(old_name(pins, &pin.record, before.version, &old.name));
    SHERD_TRY(seal_pin(pins, SHERD_KIND_OLD_PIN, &old.name, &before, bytes->old));
    old.value = sherd_span_of(bytes->old, sizeof(bytes->old));
    SHERD_TRY(add_op(list, &old));
    return add_deletes(pins, &pin.record, before.version_oldest, pin.version_oldest - 1, list, dropped);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct sherd_event sherd_pins_event(enum sherd_event_kind kind, const struct sherd_pin_change *change)
{
    const struct sherd_pin *pin = &change->pin;
    struct sherd_event event = {.kind = kind,
                                .version = pin->version,
                                .entity = pin->entity,
                                .map = {.there = true, .name = pin->map, .digest = change->map_digest},
                                .fragment = {.there = true, .name = change->fragment, .digest = pin->digest}};

    memcpy(event.subject.bytes, pin->record.bytes, sizeof(event.subject.bytes));
    memcpy(event.collection.bytes, pin->collection.bytes, sizeof(event.collection.bytes));
    return event;
}

/* A deletion, whole or of the oldest versions. */
static struct sherd_event event_of_delete(const struct sherd_pin *pin, uint64_t version)
{
    struct sherd_event event = {.kind = SHERD_EVENT_DELETE,
                                .version = version,
                                .count = version - pin->version_oldest + 1,
                                .entity = pin->entity};

    memcpy(event.subject.bytes, pin->record.bytes, sizeof(event.subject.bytes));
    memcpy(event.collection.bytes, pin->collection.bytes, sizeof(event.collection.bytes));
    return event;
}

/* Whether what wraps the keys of the changes is what serves: else they are to be wrapped anew. The ring is held. */
static bool wraps_serve(const struct sherd_keyring *keyring, const struct sherd_pin_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (changes[i].pin.secrets_key_version != keyring->stores[SHERD_SECRETS - 1].version ||
            changes[i].pin.epoch != keyring->epoch)
            return false;
    return true;
}

/* Add the guard. @return SHERD_ERR_CONFLICT: something is sealed under another store key than the one that serves */
static enum sherd_err add_guard(const struct sherd_pins *pins, const struct sherd_pin_change *changes, size_t count,
                                struct op_list *list, struct sherd_ring_guard_room *room)
{
    const struct sherd_keyring *keyring;
    enum sherd_err err = SHERD_OK;

    SHERD_TRY(sherd_ring_hold(pins->ring, &keyring));
    if (!wraps_serve(keyring, changes, count))
        err = SHERD_ERR_BUSY;
    else if (!sherd_ring_seals(keyring, list->ops, list->count))
        err = SHERD_ERR_CONFLICT;
    else
        sherd_ring_guard(pins->ring, room, &list->ops[list->count++]);
    sherd_ring_leave(pins->ring);
    return err;
}

/*
 * Write a set, with the guard of the keyring: nothing comes to lie under a key that was followed by another.
 * @param[out] out_lost  it was refused since the keys were changed: make it anew
 */
static enum sherd_err write_list(const struct sherd_pins *pins, const struct sherd_pin_change *changes, size_t count,
                                 struct op_list *list, bool *out_lost)
{
    struct sherd_ring_guard_room room;

    *out_lost = false;
    for (size_t i = 0; i < list->sums.count; i++) {
        struct sherd_store_op op;
        bool wanted;

        SHERD_TRY(sherd_row_sums_op(pins, &list->sums, i, &op, &wanted));
        if (wanted)
            SHERD_TRY(add_op(list, &op));
    }
    if (pins->ring == NULL) {
        sherd_store_ops_order(list->ops, list->count);
        return sherd_compartment_write(pins->compartment, list->ops, list->count);
    }
    enum sherd_err err = add_guard(pins, changes, count, list, &room);
    *out_lost = err == SHERD_ERR_CONFLICT;
    SHERD_TRY(err);
    return sherd_ring_write_guarded(pins->ring, list->ops, list->count, &list->ops[list->count - 1], list->events,
                                    list->event_count, out_lost);
}

/* @param[out] out_raced  what was read to make the set was changed before it was written: nothing is decided yet */
static enum sherd_err commit_with(const struct sherd_pins *pins, const struct sherd_pin_change *changes, size_t count,
                                  struct change_bytes *bytes, struct op_list *list, struct sherd_refs *dropped,
                                  bool *out_raced)
{
    bool any_update = false;
    bool lost;

    *out_raced = false;
    for (size_t i = 0; i < count; i++) {
        list->events[i] = sherd_pins_event(changes[i].version_expected == 0 ? SHERD_EVENT_PUT : SHERD_EVENT_UPDATE,
                                           &changes[i]);
        list->events[i].count = changes[i].version_expected == 0 ? 0 : changes[i].versions_kept;
        any_update = any_update || changes[i].version_expected != 0;
        if (changes[i].version_expected == 0)
            SHERD_TRY(add_new(pins, &changes[i], &bytes[i], list));
        else
            SHERD_TRY(add_update(pins, &changes[i], &bytes[i], list, dropped));
    }
    SHERD_FAILPOINT("pin.before_commit");
    const enum sherd_err err = write_list(pins, changes, count, list, &lost);
    *out_raced = err == SHERD_ERR_CONFLICT && (any_update || lost || list->sums.count > 0);
    if (err == SHERD_ERR_CONFLICT)
        return sherd_fail(err, "someone else wrote first: read the record again, then retry");
    return err;
}

/* A head that rekeying has wrapped anew meanwhile is of the same version still: so it is tried again. */
static enum sherd_err commit_tries(const struct sherd_pins *pins, const struct sherd_pin_change *changes, size_t count,
                                   struct change_bytes *bytes, struct op_list *list, struct sherd_refs *dropped)
{
    const size_t dropped_before = dropped->count;
    enum sherd_err err = SHERD_OK;
    bool raced = true;

    for (unsigned tries = 0; tries < TRIES_MAX && raced; tries++) {
        list->count = 0;
        list->sums.count = 0;
        dropped->count = dropped_before;
        err = commit_with(pins, changes, count, bytes, list, dropped, &raced);
    }
    return err;
}

enum sherd_err sherd_pins_commit(const struct sherd_pins *pins, const struct sherd_pin_change *changes, size_t count,
                                 struct sherd_refs *dropped)
{
    struct op_list list = {
        .cap = SHERD_CHANGES_OPS_MAX, .events = sherd_alloc_array(count, sizeof(*list.events)), .event_count = count};
    struct change_bytes *bytes = sherd_alloc_array(count, sizeof(*bytes));
    enum sherd_err err = SHERD_ERR_NO_MEMORY;

    if (list.cap > 4 * count && changes[0].version_expected == 0)
        list.cap = 4 * count; /* new records need two operations each, and all of them the guard */
    list.ops = sherd_alloc_array(list.cap, sizeof(*list.ops));
    if (bytes != NULL && list.ops != NULL && list.events != NULL)
        err = commit_tries(pins, changes, count, bytes, &list, dropped);
    sherd_row_sums_done(&list.sums);
    sherd_free(list.ops);
    sherd_free(list.events);
    sherd_free(bytes);
    return err;
}

/* --- sealing anew ------------------------------------------------------------------------------------------------- */

/* A version's pin as it lies in the store: under the name of the head, or of an older version. */
struct place {
    struct sherd_ref name;
    enum sherd_kind kind;
    struct sherd_pin pin;
};

static enum sherd_err read_place(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                                 const struct sherd_pin *wanted, struct sherd_buf *stored, struct place *out_place)
{
    struct sherd_pin *pin = &out_place->pin;

    out_place->kind = SHERD_KIND_PIN;
    SHERD_TRY(read_head(pins, snapshot, &wanted->record, stored, &out_place->name, pin));
    if (pin->version == wanted->version)
        return SHERD_OK;
    if (wanted->version > pin->version || wanted->version < pin->version_oldest)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "that version of the record is not kept");
    out_place->kind = SHERD_KIND_OLD_PIN;
    sherd_buf_clear(stored);
    SHERD_TRY(old_name(pins, &wanted->record, wanted->version, &out_place->name));
    const enum sherd_err err = read_entry(pins, snapshot, &out_place->name, stored);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT)
        return tampered();
    SHERD_TRY(err);
    return check_pin(pins, out_place->kind, &out_place->name, sherd_buf_span(stored), pin);
}

static enum sherd_err add_replace(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                                  const struct sherd_pin_change *change, struct change_bytes *bytes,
                                  struct op_list *list, struct sherd_refs *dropped)
{
    struct sherd_buf current = sherd_buf_borrow(bytes->current, sizeof(bytes->current));
    struct sherd_pin pin = change->pin;
    struct place place;

    SHERD_TRY(read_place(pins, snapshot, &pin, &current, &place));
    SHERD_ENSURE(sherd_same(&place.pin.map, &change->map_expected, sizeof(place.pin.map)), SHERD_ERR_CONFLICT,
                 "the version was sealed anew by somebody else");
    SHERD_TRY(check_named_key(&place.pin, &pin));
    pin.version_oldest = place.pin.version_oldest;
    pin.has_idempotency = place.pin.has_idempotency;
    pin.idempotency = place.pin.idempotency;
    SHERD_TRY(sherd_refs_add(dropped, &place.pin.map));
    SHERD_TRY(seal_pin(pins, place.kind, &place.name, &pin, bytes->head));
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT,
                                      .expect = SHERD_EXPECT_EQUALS,
                                      .name = place.name,
                                      .value = sherd_span_of(bytes->head, sizeof(bytes->head)),
                                      .expected = sherd_buf_span(&current)};
    if (change->readable)
        SHERD_TRY(sherd_row_sums_note(pins, &list->sums, &pin.collection, &place.pin.digest, &pin.digest));
    return add_op(list, &op);
}

static enum sherd_err add_replaces(const struct sherd_pins *pins, const struct sherd_pin_change *changes, size_t count,
                                   struct change_bytes *bytes, struct op_list *list, struct sherd_refs *dropped)
{
    struct sherd_snapshot *snapshot;
    enum sherd_err err = SHERD_OK;

    SHERD_TRY(sherd_compartment_snapshot_begin(pins->compartment, &snapshot));
    for (size_t i = 0; i < count && err == SHERD_OK; i++)
        err = add_replace(pins, snapshot, &changes[i], &bytes[i], list, dropped);
    sherd_snapshot_end(snapshot);
    return err;
}

/* An update moves a pin to another name, and leaves what it says: so it is tried again. */
static enum sherd_err replace_tries(const struct sherd_pins *pins, const struct sherd_pin_change *changes, size_t count,
                                    struct change_bytes *bytes, struct op_list *list, struct sherd_refs *dropped)
{
    const size_t dropped_before = dropped->count;
    enum sherd_err err = SHERD_ERR_CONFLICT;
    bool lost;

    for (unsigned tries = 0; tries < TRIES_MAX && err == SHERD_ERR_CONFLICT; tries++) {
        list->count = 0;
        list->sums.count = 0;
        dropped->count = dropped_before;
        for (size_t i = 0; i < count; i++)
            list->events[i] = sherd_pins_event(SHERD_EVENT_RESEAL, &changes[i]);
        SHERD_TRY(add_replaces(pins, changes, count, bytes, list, dropped));
        SHERD_FAILPOINT("pin.before_replace");
        err = write_list(pins, changes, count, list, &lost);
    }
    return err;
}

enum sherd_err sherd_pins_replace(const struct sherd_pins *pins, const struct sherd_pin_change *changes, size_t count,
                                  struct sherd_refs *dropped)
{
    struct op_list list = {.cap = 2 * count + 1, /* with a sum for each, and the guard */
                           .events = sherd_alloc_array(count, sizeof(*list.events)),
                           .event_count = count};
    struct change_bytes *bytes = sherd_alloc_array(count, sizeof(*bytes));
    enum sherd_err err = SHERD_ERR_NO_MEMORY;

    list.ops = sherd_alloc_array(list.cap, sizeof(*list.ops));
    if (bytes != NULL && list.ops != NULL && list.events != NULL)
        err = replace_tries(pins, changes, count, bytes, &list, dropped);
    sherd_row_sums_done(&list.sums);
    sherd_free(list.ops);
    sherd_free(list.events);
    sherd_free(bytes);
    return err;
}

/* Shrink a record with very many versions, oldest first, until the rest fits one write set. */
static enum sherd_err delete_oldest(const struct sherd_pins *pins, struct op_list *list, struct sherd_span stored,
                                    const struct sherd_ref *name, const struct sherd_pin *pin,
                                    struct sherd_refs *dropped)
{
    struct sherd_pin shrunk = *pin;
    uint8_t head[PIN_STORED_BYTES];
    bool lost;
    struct sherd_store_op op = {
        .kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_EQUALS, .name = *name, .expected = stored};

    shrunk.version_oldest = pin->version_oldest + DELETES_MAX;
    SHERD_TRY(seal_pin(pins, SHERD_KIND_PIN, name, &shrunk, head));
    op.value = sherd_span_of(head, sizeof(head));
    SHERD_TRY(add_op(list, &op));
    SHERD_TRY(add_deletes(pins, &pin->record, pin->version_oldest, shrunk.version_oldest - 1, list, dropped));
    list->events[0] = event_of_delete(pin, shrunk.version_oldest - 1);
    return write_list(pins, NULL, 0, list, &lost);
}

static enum sherd_err delete_whole(const struct sherd_pins *pins, struct op_list *list, struct sherd_span stored,
                                   const struct sherd_ref *name, const struct sherd_pin *pin,
                                   struct sherd_refs *dropped)
{
    const struct sherd_store_op head = {
        .kind = SHERD_STORE_DELETE, .expect = SHERD_EXPECT_EQUALS, .name = *name, .expected = stored};
    const struct sherd_store_op idempotency = {
        .kind = SHERD_STORE_DELETE, .expect = SHERD_EXPECT_ANY, .name = pin->idempotency};
    bool lost;

    SHERD_TRY(add_op(list, &head));
    if (pin->has_idempotency)
        SHERD_TRY(add_op(list, &idempotency));
    SHERD_TRY(add_deletes(pins, &pin->record, pin->version_oldest, pin->version - 1, list, dropped));
    SHERD_TRY(sherd_refs_add(dropped, &pin->map));
    SHERD_TRY(sherd_row_sums_note(pins, &list->sums, &pin->collection, &pin->digest, NULL));
    list->events[0] = event_of_delete(pin, pin->version);
    return write_list(pins, NULL, 0, list, &lost);
}

/* One step of a deletion. @return SHERD_ERR_CONFLICT: the record changed meanwhile */
static enum sherd_err delete_step(const struct sherd_pins *pins, const struct sherd_uuid *record, struct op_list *list,
                                  struct sherd_refs *dropped, bool *out_done)
{
    uint8_t block[PIN_STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref name;
    struct sherd_pin pin;

    list->count = 0;
    list->sums.count = 0;
    SHERD_TRY(read_head(pins, NULL, record, &stored, &name, &pin));
    *out_done = pin.version - pin.version_oldest <= DELETES_MAX;
    return *out_done ? delete_whole(pins, list, sherd_buf_span(&stored), &name, &pin, dropped)
                     : delete_oldest(pins, list, sherd_buf_span(&stored), &name, &pin, dropped);
}

enum sherd_err sherd_pins_delete(const struct sherd_pins *pins, struct sherd_uuid record, struct sherd_refs *dropped)
{
    struct sherd_event event;
    struct op_list list = {.cap = SHERD_CHANGES_OPS_MAX, .events = &event, .event_count = 1};
    bool done = false;
    enum sherd_err err = SHERD_OK;

    list.ops = sherd_alloc_array(list.cap, sizeof(*list.ops));
    if (list.ops == NULL)
        return SHERD_ERR_NO_MEMORY;
    while (!done && err == SHERD_OK) {
        const size_t dropped_before = dropped->count;

        err = delete_step(pins, &record, &list, dropped, &done);
        if (err == SHERD_ERR_CONFLICT) { /* an update came between: delete what is there now */
            dropped->count = dropped_before;
            done = false;
            err = SHERD_OK;
        }
    }
    sherd_row_sums_done(&list.sums);
    sherd_free(list.ops);
    return err;
}

static enum sherd_err check_idempotency(const struct sherd_pins *pins, const struct sherd_ref *name,
                                        struct sherd_span stored)
{
    uint8_t block[SMALL_STORED_BYTES];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_idempotency_entry entry;
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&pins->keys, SHERD_KIND_IDEMPOTENCY, name, stored, &payload, &tlv));
    return sherd_idempotency_decode(tlv, &entry);
}

enum sherd_err sherd_pins_check(const struct sherd_pins *pins, enum sherd_kind kind, const struct sherd_ref *name,
                                struct sherd_span stored, struct sherd_pin *out_pin)
{
    if (kind == SHERD_KIND_PIN || kind == SHERD_KIND_OLD_PIN)
        return check_pin(pins, kind, name, stored, out_pin);
    if (kind == SHERD_KIND_ROW_SUM)
        return sherd_row_sum_check(pins, name, stored);
    return kind == SHERD_KIND_IDEMPOTENCY ? check_idempotency(pins, name, stored) : tampered();
}

/* Read the entry of an idempotency key. */
static enum sherd_err read_idempotency(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                                       const struct sherd_ref *name, struct sherd_idempotency_entry *out_entry)
{
    uint8_t stored_block[SMALL_STORED_BYTES];
    uint8_t block[SMALL_STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(stored_block, sizeof(stored_block));
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    const enum sherd_err err = sherd_snapshot_get(snapshot, *name, &stored);
    if (err == SHERD_ERR_LIMIT)
        return tampered();
    SHERD_TRY(err);
    SHERD_TRY(sherd_entry_open(&pins->keys, SHERD_KIND_IDEMPOTENCY, name, sherd_buf_span(&stored), &payload, &tlv));
    return sherd_idempotency_decode(tlv, out_entry);
}

/*
 * An entry counts only while the head of its record names it. The two come and go in one write set, and every version
 * of the head keeps the name, so in one snapshot an entry without its head was put there by hand: it is a deleted
 * record's, or the head was removed.
 */
static enum sherd_err check_made(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                                 const struct sherd_ref *name, const struct sherd_idempotency_entry *entry)
{
    uint8_t block[PIN_STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref head;
    struct sherd_pin pin;

    const enum sherd_err err = read_head(pins, snapshot, &entry->record, &stored, &head, &pin);
    if (err == SHERD_ERR_NOT_FOUND)
        return tampered();
    SHERD_TRY(err);
    return pin.has_idempotency && sherd_same(pin.idempotency.bytes, name->bytes, sizeof(name->bytes)) ? SHERD_OK
                                                                                                      : tampered();
}

static enum sherd_err idempotency_in(const struct sherd_pins *pins, struct sherd_snapshot *snapshot,
                                     const struct sherd_ref *name, struct sherd_idempotency_entry *out_entry)
{
    SHERD_TRY(read_idempotency(pins, snapshot, name, out_entry));
    return check_made(pins, snapshot, name, out_entry);
}

static enum sherd_err idempotency_once(const struct sherd_pins *pins, const struct sherd_ref *name,
                                       struct sherd_idempotency_entry *out_entry)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(pins->compartment, &snapshot));
    const enum sherd_err err = idempotency_in(pins, snapshot, name, out_entry);
    sherd_snapshot_end(snapshot);
    return err;
}

enum sherd_err sherd_pins_idempotency_get(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                                          struct sherd_span key, const struct sherd_digest *content_hash,
                                          struct sherd_uuid *out_record)
{
    struct sherd_idempotency_entry entry;
    struct sherd_digest mac;
    struct sherd_ref name;

    SHERD_TRY(idempotency_name(pins, collection, key, &name));
    enum sherd_err err = idempotency_once(pins, &name, &entry);
    if (err == SHERD_ERR_DENIED) /* as in sherd_entry_open() */
        err = idempotency_once(pins, &name, &entry);
    SHERD_TRY(err);
    SHERD_TRY(content_mac(pins, content_hash, &mac));
    if (!sherd_ct_equal(mac.bytes, entry.content_mac.bytes, sizeof(mac.bytes)))
        return sherd_fail(SHERD_ERR_CONFLICT, "the idempotency key was used before, with other contents");
    *out_record = entry.record;
    return SHERD_OK;
}
