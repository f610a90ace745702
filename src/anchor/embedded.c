/* SPDX-License-Identifier: Apache-2.0 */
/* The anchor in the same process: the keyring, pins and entities behind the anchor's table. */
#include "anchor/embedded.h"
#include "base/bytes.h"
#include "anchor/entities.h"
#include "anchor/pins.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <stdio.h>
#include <string.h>

/* What of the keyring stays as it is for as long as the vault is open; in secret memory. */
struct fixed {
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    struct sherd_keyring_store stores[4];
};

struct embedded {
    struct sherd_anchor anchor; /* first: the table's view of it */
    struct fixed *fixed;
    struct sherd_home *home;
    struct sherd_ring *ring;
    struct sherd_masters *masters;
    struct sherd_compartment *compartment;
    struct sherd_hmac_key *name[4];
    struct sherd_hmac_key *seal[4];
    struct sherd_pins pins;
    struct sherd_entities *entities;
};

static struct embedded *embedded_of(struct sherd_anchor *anchor)
{
    return (struct embedded *)anchor;
}

static struct sherd_entry_keys keys_of(const struct embedded *self, enum sherd_role role)
{
    const struct sherd_entry_keys keys = {.deployment = self->fixed->deployment,
                                          .compartment = (enum sherd_purpose)role,
                                          .version = (uint32_t)self->fixed->stores[role - 1].version,
                                          .name = self->name[role - 1],
                                          .seal = self->seal[role - 1]};

    return keys;
}

static void embedded_free(struct sherd_anchor *anchor)
{
    struct embedded *self = embedded_of(anchor);

    if (self == NULL)
        return;
    sherd_entities_free(self->entities);
    sherd_masters_free(self->masters);
    sherd_ring_free(self->ring);
    for (size_t i = 0; i < SHERD_COUNT_OF(self->name); i++) {
        sherd_hmac_key_free(self->name[i]);
        sherd_hmac_key_free(self->seal[i]);
    }
    sherd_compartment_close(self->compartment);
    sherd_home_free(self->home);
    sherd_secret_free(self->fixed);
    sherd_free(self);
}

static void embedded_ids(struct sherd_anchor *anchor, struct sherd_uuid *out_deployment, struct sherd_uuid *out_tenant)
{
    *out_deployment = embedded_of(anchor)->fixed->deployment;
    *out_tenant = embedded_of(anchor)->fixed->tenant;
}

static enum sherd_err embedded_lease(struct sherd_anchor *anchor, enum sherd_role role,
                                     struct sherd_entry_keys *out_keys)
{
    SHERD_ENSURE(role == SHERD_IDENTITY || role == SHERD_ASSETS, SHERD_ERR_DENIED,
                 "the keys of that compartment never leave the anchor");
    *out_keys = keys_of(embedded_of(anchor), role);
    return SHERD_OK;
}

static enum sherd_err compartment_name(const struct sherd_entry_keys *keys, struct sherd_ref *out_name)
{
    return sherd_entry_name(keys, "compartment", sherd_span_of(NULL, 0), sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err embedded_compartment_entry(struct sherd_anchor *anchor, enum sherd_role role,
                                                 struct sherd_ref *out_name, struct sherd_buf *out_stored)
{
    const struct embedded *self = embedded_of(anchor);
    const struct sherd_entry_keys keys = keys_of(self, role);
    const struct sherd_compartment_entry entry = {.tenant = self->fixed->tenant,
                                                  .compartment = self->fixed->stores[role - 1].compartment};
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    SHERD_TRY(compartment_name(&keys, out_name));
    SHERD_TRY(sherd_compartment_encode(&entry, tlv, &tlv_bytes));
    return sherd_entry_seal(&keys, SHERD_KIND_COMPARTMENT, out_name, sherd_span_of(tlv, tlv_bytes), out_stored);
}

static enum sherd_err embedded_compartment_check(struct sherd_anchor *anchor, enum sherd_role role,
                                                 struct sherd_span stored)
{
    const struct embedded *self = embedded_of(anchor);
    const struct sherd_entry_keys keys = keys_of(self, role);
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_compartment_entry entry;
    struct sherd_ref name;
    struct sherd_span tlv;

    SHERD_TRY(compartment_name(&keys, &name));
    enum sherd_err err = sherd_entry_open(&keys, SHERD_KIND_COMPARTMENT, &name, stored, &payload, &tlv);
    if (err == SHERD_OK)
        err = sherd_compartment_decode(tlv, &entry);
    if (err == SHERD_OK &&
        (!sherd_same(&entry.tenant, &self->fixed->tenant, sizeof(entry.tenant)) ||
         !sherd_same(&entry.compartment, &self->fixed->stores[role - 1].compartment, sizeof(entry.compartment))))
        err = SHERD_ERR_TAMPERED;
    if (err == SHERD_ERR_TAMPERED)
        return sherd_fail(err,
                          "compartment %s does not belong to this vault, or was changed: bring back the one that "
                          "does, from a backup",
                          sherd_role_name(role));
    return err;
}

static enum sherd_err embedded_key_new(struct sherd_anchor *anchor, const struct sherd_collection_entry *collection,
                                       const char *entity_id, struct sherd_uuid record, uint64_t version,
                                       struct sherd_pin *out_pin, struct sherd_record_key *out_key)
{
    struct embedded *self = embedded_of(anchor);
    struct sherd_pin pin = {.collection = collection->id, .record = record, .version = version};

    SHERD_TRY(sherd_entities_ensure(self->entities, collection, entity_id, &pin.entity));
    SHERD_TRY(sherd_random(out_key->bytes, sizeof(out_key->bytes)));
    SHERD_TRY(sherd_entities_wrap(self->entities, out_key, &pin));
    *out_pin = pin;
    return SHERD_OK;
}

static enum sherd_err embedded_pin_commit(struct sherd_anchor *anchor, const struct sherd_pin_change *changes,
                                          size_t count, struct sherd_refs *dropped)
{
    return sherd_pins_commit(&embedded_of(anchor)->pins, changes, count, dropped);
}

static enum sherd_err embedded_pin_get(struct sherd_anchor *anchor, struct sherd_uuid record, uint64_t version,
                                       struct sherd_pin_view *out_view, struct sherd_record_key *out_key)
{
    struct embedded *self = embedded_of(anchor);
    struct sherd_pin_view view;

    SHERD_TRY(sherd_pins_get(&self->pins, record, version, &view));
    SHERD_TRY(out_key != NULL ? sherd_entities_unwrap(self->entities, &view.pin, out_key)
                              : sherd_entities_live(self->entities, &view.pin.entity));
    *out_view = view;
    return SHERD_OK;
}

static enum sherd_err embedded_pin_delete(struct sherd_anchor *anchor, struct sherd_uuid record,
                                          struct sherd_refs *dropped)
{
    return sherd_pins_delete(&embedded_of(anchor)->pins, record, dropped);
}

static enum sherd_err check_collection_pin(const struct embedded *self, const struct sherd_ref *name,
                                           struct sherd_span stored, struct sherd_uuid *out_collection,
                                           struct sherd_digest *out_digest)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&self->pins.keys, SHERD_KIND_COLLECTION_PIN, name, stored, &payload, &tlv));
    return sherd_collection_pin_decode(tlv, out_collection, out_digest);
}

/* The compartment's own entry met in a scan: under another name than its own it does not open. */
static enum sherd_err check_own_entry(struct embedded *self, const struct sherd_ref *name, struct sherd_span stored)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&self->pins.keys, SHERD_KIND_COMPARTMENT, name, stored, &payload, &tlv));
    return embedded_compartment_check(&self->anchor, SHERD_KEYS, stored);
}

/* Check one entry of `keys`, of whatever kind. */
static enum sherd_err check_entry(struct embedded *self, const struct sherd_ref *name, struct sherd_span stored,
                                  enum sherd_kind kind, struct sherd_pin *out_pin, struct sherd_uuid *out_collection)
{
    struct sherd_digest digest;

    switch (kind) {
    case SHERD_KIND_COMPARTMENT: return check_own_entry(self, name, stored);
    case SHERD_KIND_ENTITY_KEY:
    case SHERD_KIND_OLD_ENTITY_KEY:
    case SHERD_KIND_ENTITY_LOOKUP: return sherd_entities_check(self->entities, kind, name, stored);
    case SHERD_KIND_KEYRING_PIN: return sherd_ring_check(self->ring, name, stored);
    case SHERD_KIND_COLLECTION_PIN: return check_collection_pin(self, name, stored, out_collection, &digest);
    default: return sherd_pins_check(&self->pins, kind, name, stored, out_pin);
    }
}

struct scan {
    struct embedded *self;
    size_t count;
    size_t count_max;
    bool full; /* ended by us, not by the visitor, whatever its code */
    struct sherd_ref last;
    sherd_anchor_visit_fn *visit;
    void *arg;
};

static enum sherd_err scan_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct scan *scan = arg;
    struct sherd_anchor_entry entry = {.name = name};
    struct sherd_pin pin;
    struct sherd_uuid collection;

    scan->full = scan->count == scan->count_max;
    if (scan->full)
        return SHERD_ERR_LIMIT; /* taken back in embedded_scan() */
    scan->count++;
    scan->last = name;
    entry.status = sherd_entry_kind(&scan->self->pins.keys, stored, &entry.kind);
    if (entry.status == SHERD_OK)
        entry.status = check_entry(scan->self, &name, stored, entry.kind, &pin, &collection);
    if (entry.status != SHERD_OK && entry.status != SHERD_ERR_TAMPERED)
        return entry.status;
    if (entry.status == SHERD_OK && (entry.kind == SHERD_KIND_PIN || entry.kind == SHERD_KIND_OLD_PIN))
        entry.pin = &pin;
    if (entry.status == SHERD_OK && entry.kind == SHERD_KIND_COLLECTION_PIN)
        entry.collection = &collection;
    return scan->visit(scan->arg, &entry);
}

static enum sherd_err embedded_scan(struct sherd_anchor *anchor, const struct sherd_ref *after, size_t count_max,
                                    sherd_anchor_visit_fn *visit, void *arg, struct sherd_ref *out_last,
                                    size_t *out_count)
{
    struct embedded *self = embedded_of(anchor);
    struct scan scan = {.self = self, .count_max = count_max, .visit = visit, .arg = arg};
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(self->compartment, &snapshot));
    enum sherd_err err = sherd_snapshot_scan(snapshot, after, scan_one, &scan);
    sherd_snapshot_end(snapshot);
    if (scan.full)
        err = SHERD_OK;
    SHERD_TRY(err);
    *out_last = scan.last;
    *out_count = scan.count;
    return SHERD_OK;
}

static enum sherd_err embedded_idempotency_get(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                               struct sherd_span key, const struct sherd_digest *content_hash,
                                               struct sherd_uuid *out_record)
{
    return sherd_pins_idempotency_get(&embedded_of(anchor)->pins, collection, key, content_hash, out_record);
}

static enum sherd_err collection_name(const struct embedded *self, const struct sherd_uuid *collection,
                                      struct sherd_ref *out_name)
{
    return sherd_entry_name(&self->pins.keys, "collection", sherd_span_of(collection->bytes, 16),
                            sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err embedded_collection_pin(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                              const struct sherd_digest *digest)
{
    struct embedded *self = embedded_of(anchor);
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT};
    size_t tlv_bytes;

    SHERD_TRY(collection_name(self, collection, &op.name));
    SHERD_TRY(sherd_collection_pin_encode(collection, digest, tlv, &tlv_bytes));
    SHERD_TRY(sherd_entry_seal(&self->pins.keys, SHERD_KIND_COLLECTION_PIN, &op.name, sherd_span_of(tlv, tlv_bytes),
                               &stored));
    op.value = sherd_buf_span(&stored);
    return sherd_compartment_write(self->compartment, &op, 1);
}

static enum sherd_err embedded_collection_check(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                                const struct sherd_digest *digest)
{
    struct embedded *self = embedded_of(anchor);
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_uuid pinned_collection;
    struct sherd_digest pinned;
    struct sherd_ref name;

    SHERD_TRY(collection_name(self, collection, &name));
    const enum sherd_err err = sherd_compartment_get(self->compartment, name, &stored);
    SHERD_ENSURE(err != SHERD_ERR_LIMIT, SHERD_ERR_TAMPERED, "a collection's rules do not verify");
    SHERD_TRY(err);
    SHERD_TRY(check_collection_pin(self, &name, sherd_buf_span(&stored), &pinned_collection, &pinned));
    if (!sherd_same(&pinned_collection, collection, sizeof(*collection)) ||
        !sherd_same(&pinned, digest, sizeof(*digest)))
        return sherd_fail(SHERD_ERR_TAMPERED, "a collection's rules do not verify");
    return SHERD_OK;
}

static const struct sherd_anchor_ops embedded_ops = {
    .free = embedded_free,
    .ids = embedded_ids,
    .lease = embedded_lease,
    .compartment_entry = embedded_compartment_entry,
    .compartment_check = embedded_compartment_check,
    .key_new = embedded_key_new,
    .pin_commit = embedded_pin_commit,
    .pin_get = embedded_pin_get,
    .pin_delete = embedded_pin_delete,
    .scan = embedded_scan,
    .idempotency_get = embedded_idempotency_get,
    .collection_pin = embedded_collection_pin,
    .collection_check = embedded_collection_check,
};

/* Names and seals, and what of the keyring they come from. */
static enum sherd_err ready_keys(struct embedded *self, const struct sherd_keyring *ring)
{
    self->fixed = sherd_secret_alloc(sizeof(*self->fixed));
    if (self->fixed == NULL)
        return SHERD_ERR_NO_MEMORY;
    self->fixed->deployment = ring->deployment;
    self->fixed->tenant = ring->tenant;
    for (size_t i = 0; i < SHERD_COUNT_OF(self->name); i++) {
        struct sherd_keyring_store *store = &self->fixed->stores[i];

        *store = ring->stores[i];
        SHERD_TRY(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(store->name.bytes, sizeof(store->name.bytes)),
                                     &self->name[i]));
        SHERD_TRY(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(store->key.bytes, sizeof(store->key.bytes)),
                                     &self->seal[i]));
    }
    self->pins.keys = keys_of(self, SHERD_KEYS);
    self->pins.compartment = self->compartment;
    return SHERD_OK;
}

static enum sherd_err ready_ring(struct embedded *self, bool fresh)
{
    struct sherd_keyring *first = sherd_secret_alloc(sizeof(*first));

    if (first == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = sherd_home_read(self->home, NULL, false, first, NULL);
    if (err == SHERD_OK)
        err = ready_keys(self, first);
    if (err != SHERD_OK) {
        sherd_secret_free(first);
        return err;
    }
    return sherd_ring_new(self->home, first, &self->pins.keys, self->compartment, fresh, &self->ring);
}

static enum sherd_err ready_masters(struct embedded *self, const struct sherd_anchor_parts *parts)
{
    struct sherd_places places = {.read_only = parts->read_only};

    for (size_t i = 0; i < SHERD_COUNT_OF(places.roles); i++) {
        const enum sherd_role role = (enum sherd_role)(i + 1);

        places.roles[i].compartment = role == SHERD_KEYS ? self->compartment : parts->others[i];
        places.roles[i].keys = keys_of(self, role);
    }
    return sherd_masters_new(self->ring, &places, &self->masters);
}

static enum sherd_err ready_entities(struct embedded *self)
{
    const struct sherd_entities_parts parts = {.home = self->home,
                                               .ring = self->ring,
                                               .masters = self->masters,
                                               .at = {.deployment = self->fixed->deployment,
                                                      .tenant = self->fixed->tenant,
                                                      .secrets = &self->fixed->stores[SHERD_SECRETS - 1],
                                                      .keys = self->pins.keys,
                                                      .compartment = self->compartment}};

    return sherd_entities_new(&parts, &self->entities);
}

/* The keys that every vault has are made with it. */
static enum sherd_err make_first(struct embedded *self)
{
    const struct sherd_master_options wraps = {.name = SHERD_MASTER_DEFAULT};
    const struct sherd_master_options hashes = {.name = SHERD_MASTER_HASH};

    SHERD_TRY(sherd_epoch_make(self->home));
    SHERD_TRY(sherd_masters_activate(self->masters, &wraps, NULL));
    return sherd_masters_activate(self->masters, &hashes, NULL);
}

static enum sherd_err ready(struct embedded *self, const struct sherd_anchor_parts *parts)
{
    SHERD_TRY(ready_ring(self, parts->fresh));
    SHERD_TRY(ready_masters(self, parts));
    SHERD_TRY(ready_entities(self));
    return parts->fresh ? make_first(self) : SHERD_OK;
}

enum sherd_err sherd_anchor_embedded(const struct sherd_anchor_parts *parts, struct sherd_anchor **out_anchor)
{
    struct embedded *self = sherd_alloc(sizeof(*self));

    if (self == NULL) {
        sherd_compartment_close(parts->keys);
        sherd_home_free(parts->home);
        return SHERD_ERR_NO_MEMORY;
    }
    self->anchor.ops = &embedded_ops;
    self->home = parts->home;
    self->compartment = parts->keys;
    const enum sherd_err err = ready(self, parts);
    if (err != SHERD_OK) {
        char detail[SHERD_FAIL_TEXT_SIZE];

        (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
        embedded_free(&self->anchor);
        sherd_fail_restore(detail);
        return err;
    }
    *out_anchor = &self->anchor;
    return SHERD_OK;
}
