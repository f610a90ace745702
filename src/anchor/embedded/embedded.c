/* SPDX-License-Identifier: Apache-2.0 */
/* The anchor in the same process: the keyring, pins and entities behind the anchor's table. */
#include "anchor/embedded/embedded.h"
#include "anchor/embedded/embedded_inside.h"
#include "anchor/embedded/key_parts.h"
#include "anchor/pins/collection_pins.h"
#include "anchor/rekey/epoch_turn.h"
#include "anchor/rekey/rekey_stores.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <stdio.h>
#include <string.h>

/* How often a commit is tried whose keys are changed under it. */
#define COMMITS_MAX 16U

struct sherd_entry_keys sherd_embedded_keys(const struct sherd_embedded *self, enum sherd_role role)
{
    const struct sherd_entry_keys keys = {.deployment = self->fixed->deployment,
                                          .compartment = (enum sherd_purpose)role,
                                          .name = self->name[role - 1],
                                          .versions = sherd_store_ring_keys(self->stores, role)};

    return keys;
}

static void embedded_free(struct sherd_anchor *anchor)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);

    if (self == NULL)
        return;
    sherd_nonces_free(self->nonces);
    sherd_entities_free(self->entities);
    sherd_masters_free(self->masters);
    sherd_embedded_ledger_end(self);
    sherd_ring_free(self->ring);
    sherd_store_ring_free(self->stores);
    for (size_t i = 0; i < SHERD_COUNT_OF(self->name); i++)
        sherd_hmac_key_free(self->name[i]);
    sherd_compartment_close(self->compartment);
    sherd_home_free(self->home);
    sherd_secret_free(self->fixed);
    sherd_free(self);
}

static void embedded_ids(struct sherd_anchor *anchor, struct sherd_uuid *out_deployment, struct sherd_uuid *out_tenant)
{
    *out_deployment = sherd_embedded_of(anchor)->fixed->deployment;
    *out_tenant = sherd_embedded_of(anchor)->fixed->tenant;
}

static const struct sherd_home *embedded_home(struct sherd_anchor *anchor)
{
    return sherd_embedded_of(anchor)->home;
}

static enum sherd_err check_lease(enum sherd_role role)
{
    SHERD_ENSURE(role == SHERD_IDENTITY || role == SHERD_ASSETS, SHERD_ERR_DENIED,
                 "the keys of that compartment never leave the anchor");
    return SHERD_OK;
}

static enum sherd_err embedded_lease(struct sherd_anchor *anchor, enum sherd_role role,
                                     struct sherd_entry_keys *out_keys)
{
    SHERD_TRY(check_lease(role));
    *out_keys = sherd_embedded_keys(sherd_embedded_of(anchor), role);
    return SHERD_OK;
}

static enum sherd_err embedded_lease_raw(struct sherd_anchor *anchor, enum sherd_role role,
                                         struct sherd_raw_lease *out_lease)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_keyring *keyring;

    SHERD_TRY(check_lease(role));
    SHERD_TRY(sherd_ring_hold(self->ring, &keyring));
    memcpy(out_lease->name, keyring->stores[role - 1].name.bytes, sizeof(out_lease->name));
    sherd_keyring_store_versions(&keyring->stores[role - 1], &out_lease->seal);
    sherd_ring_leave(self->ring);
    return SHERD_OK;
}

static enum sherd_err compartment_name(const struct sherd_entry_keys *keys, struct sherd_ref *out_name)
{
    return sherd_entry_name(keys, "compartment", sherd_span_of(NULL, 0), sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err embedded_compartment_entry(struct sherd_anchor *anchor, enum sherd_role role,
                                                 struct sherd_ref *out_name, struct sherd_buf *out_stored)
{
    const struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_entry_keys keys = sherd_embedded_keys(self, role);
    const struct sherd_compartment_entry entry = {.tenant = self->fixed->tenant,
                                                  .compartment = self->fixed->compartments[role - 1]};
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    SHERD_TRY(compartment_name(&keys, out_name));
    SHERD_TRY(sherd_compartment_encode(&entry, tlv, &tlv_bytes));
    return sherd_entry_seal(&keys, SHERD_KIND_COMPARTMENT, out_name, sherd_span_of(tlv, tlv_bytes), out_stored);
}

static enum sherd_err embedded_compartment_check(struct sherd_anchor *anchor, enum sherd_role role,
                                                 struct sherd_span stored)
{
    const struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_entry_keys keys = sherd_embedded_keys(self, role);
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
         !sherd_same(&entry.compartment, &self->fixed->compartments[role - 1], sizeof(entry.compartment))))
        err = SHERD_ERR_TAMPERED;
    if (err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED)
        return sherd_fail(SHERD_ERR_TAMPERED,
                          "compartment %s does not belong to this vault, or was changed: bring back the one that "
                          "does, from a backup",
                          sherd_role_name(role));
    return err;
}

/* A new version lies under the named key that the record lies under; a new record under the one that the rules say. */
static enum sherd_err choose_named_key(struct sherd_embedded *self, const struct sherd_collection_entry *collection,
                                       struct sherd_pin *pin)
{
    struct sherd_pin_view head = {.version_current = 0};

    const enum sherd_err err = pin->version > 1 ? sherd_pins_get(&self->pins, pin->record, 0, &head) : SHERD_OK;
    if (err != SHERD_ERR_NOT_FOUND) /* NOT_FOUND: the commit will say so */
        SHERD_TRY(err);
    pin->has_named_key = head.pin.has_named_key;
    pin->named_key = head.pin.named_key;
    if (pin->has_named_key || pin->version > 1 || collection->rules.key[0] == 0)
        return SHERD_OK;
    pin->has_named_key = true;
    return sherd_rights_find(&self->rights, &sherd_embedded_owner, collection->rules.key, 0, &pin->named_key);
}

/* The deep rekeying that a key made now is up to date for. */
static enum sherd_err round_now(const struct sherd_embedded *self, uint16_t *out_round)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(self->ring, &keyring));
    *out_round = (uint16_t)keyring->round;
    sherd_ring_leave(self->ring);
    return SHERD_OK;
}

static enum sherd_err embedded_key_new(struct sherd_anchor *anchor, const struct sherd_collection_entry *collection,
                                       const char *entity_id, struct sherd_uuid record, uint64_t version,
                                       struct sherd_pin *out_pin, struct sherd_record_key *out_key)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_pin pin = {.collection = collection->id, .record = record, .version = version};

    SHERD_TRY(choose_named_key(self, collection, &pin));
    SHERD_TRY(sherd_entities_ensure(self->entities, collection, entity_id, &pin.entity));
    SHERD_TRY(round_now(self, &pin.round));
    SHERD_TRY(sherd_random(out_key->bytes, sizeof(out_key->bytes)));
    SHERD_TRY(sherd_entities_wrap(self->entities, out_key, &pin));
    *out_pin = pin;
    return SHERD_OK;
}

static enum sherd_err embedded_key_renew(struct sherd_anchor *anchor, const struct sherd_pin *before,
                                         struct sherd_pin *out_pin, struct sherd_record_key *out_key)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_pin pin = *before;

    SHERD_TRY(round_now(self, &pin.round));
    SHERD_TRY(sherd_random(out_key->bytes, sizeof(out_key->bytes)));
    SHERD_TRY(sherd_entities_wrap(self->entities, out_key, &pin));
    *out_pin = pin;
    return SHERD_OK;
}

/*
 * Wrap the key of a change anew that was wrapped before the keys were changed. What wrapped it may be destroyed by now,
 * so the key itself is at hand where it can be.
 */
static enum sherd_err wrap_anew(struct sherd_embedded *self, struct sherd_pin_change *change)
{
    if (change->key != NULL)
        return sherd_entities_wrap(self->entities, change->key, &change->pin);
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_record_key *key = sherd_secret_alloc(sizeof(*key));
    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_entities_unwrap(self->entities, &change->pin, key));
    return sherd_entities_wrap(self->entities, key, &change->pin);
}

/* The changes, with what is not up to date wrapped anew: as they are, or a copy that the caller frees. */
static enum sherd_err bring_up_to_date(struct sherd_embedded *self, const struct sherd_pin_change *changes,
                                       size_t count, struct sherd_pin_change **out_copy)
{
    struct sherd_pin_change *copy = NULL;
    enum sherd_err err = SHERD_OK;

    for (size_t i = 0; i < count && err == SHERD_OK; i++) {
        bool up_to_date = false;

        err = sherd_entities_up_to_date(self->entities, &changes[i].pin, &up_to_date);
        if (err != SHERD_OK || up_to_date)
            continue;
        if (copy == NULL) {
            copy = sherd_alloc_array(count, sizeof(*copy));
            if (copy == NULL)
                return SHERD_ERR_NO_MEMORY;
            memcpy(copy, changes, count * sizeof(*copy));
        }
        err = wrap_anew(self, &copy[i]);
    }
    *out_copy = copy;
    return err == SHERD_ERR_NOT_FOUND ? sherd_fail(SHERD_ERR_CONFLICT, "the entity was erased meanwhile: try again")
                                      : err;
}

typedef enum sherd_err write_pins_fn(const struct sherd_pins *pins, const struct sherd_pin_change *changes,
                                     size_t count, struct sherd_refs *dropped);

static enum sherd_err write_once(struct sherd_embedded *self, const struct sherd_pin_change *changes, size_t count,
                                 write_pins_fn *write, struct sherd_refs *dropped)
{
    struct sherd_pin_change *copy = NULL;

    enum sherd_err err = bring_up_to_date(self, changes, count, &copy);
    if (err == SHERD_OK)
        err = write(&self->pins, copy != NULL ? copy : changes, count, dropped);
    sherd_free(copy);
    return err;
}

/* The keys may be changed between bringing up to date and writing: then both once more. */
static enum sherd_err write_up_to_date(struct sherd_embedded *self, const struct sherd_pin_change *changes,
                                       size_t count, write_pins_fn *write, struct sherd_refs *dropped)
{
    enum sherd_err err = SHERD_ERR_BUSY;

    for (unsigned tries = 0; tries < COMMITS_MAX && err == SHERD_ERR_BUSY; tries++)
        err = write_once(self, changes, count, write, dropped);
    return err == SHERD_ERR_BUSY ? sherd_fail(err, "the keys are changed again and again: try later") : err;
}

static enum sherd_err embedded_pin_commit(struct sherd_anchor *anchor, const struct sherd_pin_change *changes,
                                          size_t count, struct sherd_refs *dropped)
{
    return write_up_to_date(sherd_embedded_of(anchor), changes, count, sherd_pins_commit, dropped);
}

static enum sherd_err embedded_pin_replace(struct sherd_anchor *anchor, const struct sherd_pin_change *changes,
                                           size_t count, struct sherd_refs *dropped)
{
    return write_up_to_date(sherd_embedded_of(anchor), changes, count, sherd_pins_replace, dropped);
}

static enum sherd_err embedded_pin_delete(struct sherd_anchor *anchor, struct sherd_uuid record,
                                          struct sherd_refs *dropped)
{
    return sherd_pins_delete(&sherd_embedded_of(anchor)->pins, record, dropped);
}

/* The compartment's own entry met in a scan: under another name than its own it does not open. */
static enum sherd_err check_own_entry(struct sherd_embedded *self, const struct sherd_ref *name,
                                      struct sherd_span stored)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&self->pins.keys, SHERD_KIND_COMPARTMENT, name, stored, &payload, &tlv));
    return embedded_compartment_check(&self->anchor, SHERD_KEYS, stored);
}

/* What an entry of `keys` says, as far as its kind says it. */
struct said {
    struct sherd_pin pin;
    struct sherd_uuid collection;
    struct sherd_entity_key_entry entity;
    struct sherd_principal_pin principal;
};

/* Check one entry of `keys`, of whatever kind. */
static enum sherd_err check_entry(struct sherd_embedded *self, const struct sherd_ref *name, struct sherd_span stored,
                                  enum sherd_kind kind, struct said *out_said)
{
    struct sherd_digest digest;
    bool live;

    switch (kind) {
    case SHERD_KIND_COMPARTMENT: return check_own_entry(self, name, stored);
    case SHERD_KIND_ENTITY_KEY:
        SHERD_TRY(sherd_entities_open(self->entities, kind, name, stored, &out_said->entity));
        __attribute__((fallthrough));
    case SHERD_KIND_OLD_ENTITY_KEY:
    case SHERD_KIND_ENTITY_LOOKUP: return sherd_entities_check(self->entities, kind, name, stored);
    case SHERD_KIND_KEY_PART: return sherd_embedded_part_check(&self->anchor, SHERD_KEYS, name, stored, &live);
    case SHERD_KIND_PRINCIPAL_PIN:
        return sherd_principals_check_pin(&self->principals, name, stored, &out_said->principal);
    case SHERD_KIND_NAMED_KEY:
    case SHERD_KIND_GRANT: return sherd_rights_check(&self->rights, kind, name, stored);
    case SHERD_KIND_KEYRING_PIN:
        SHERD_TRY(sherd_ring_check(self->ring, name, stored));
        return sherd_masters_check_counted(self->masters);
    case SHERD_KIND_KEY_USES: return sherd_masters_check_uses(self->masters, name, stored);
    case SHERD_KIND_BOOK_PIN: return sherd_book_keep_check(&self->pins, name, stored);
    case SHERD_KIND_PENDING:
    case SHERD_KIND_LONG_PENDING: return sherd_pending_check(&self->pins.keys, name, stored);
    case SHERD_KIND_COLLECTION_PIN:
        return sherd_collection_pins_open(&self->pins, name, stored, &out_said->collection, &digest);
    default: return sherd_pins_check(&self->pins, kind, name, stored, &out_said->pin);
    }
}

struct scan {
    struct sherd_embedded *self;
    size_t count;
    size_t count_max;
    bool full; /* ended by us, not by the visitor, whatever its code */
    struct sherd_ref last;
    sherd_anchor_visit_fn *visit;
    void *arg;
};

/* A pin of an entity that was erased counts for nothing; one whose entity is missing is found out when it is loaded. */
static enum sherd_err fill_pin(const struct scan *scan, const struct said *said, struct sherd_anchor_entry *entry)
{
    const enum sherd_err err = sherd_entities_live(scan->self->entities, &said->pin.entity);

    entry->pin = &said->pin;
    entry->erased = err == SHERD_ERR_NOT_FOUND;
    if (err == SHERD_OK)
        entry->status = sherd_entities_accept(scan->self->entities, &said->pin);
    if (entry->status != SHERD_OK && entry->status != SHERD_ERR_DENIED)
        return entry->status;
    return err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static enum sherd_err fill_entry(const struct scan *scan, const struct said *said, struct sherd_anchor_entry *entry)
{
    switch (entry->kind) {
    case SHERD_KIND_PIN:
    case SHERD_KIND_OLD_PIN: return fill_pin(scan, said, entry);
    case SHERD_KIND_COLLECTION_PIN: entry->collection = &said->collection; break;
    case SHERD_KIND_ENTITY_KEY: entry->entity = &said->entity; break;
    case SHERD_KIND_PRINCIPAL_PIN:
        return sherd_principals_check_pinned(&scan->self->principals, &said->principal, &entry->pinned_damaged);
    default: break;
    }
    return SHERD_OK;
}

/*
 * Why an entry was refused: its store key was destroyed, and it does not belong there; or, of an entity, its master key
 * is refused, and nothing is wrong with the entry. It may have been sealed or wrapped anew since it was met.
 */
static enum sherd_err judge_refused(const struct scan *scan, const struct sherd_ref *name, struct sherd_span stored,
                                    bool *out_still, enum sherd_err *out_status)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_compartment_still(scan->self->compartment, *name, stored, out_still));
    SHERD_TRY(sherd_ring_hold(scan->self->ring, &keyring));
    const bool held = sherd_keyring_store_key(&keyring->stores[SHERD_KEYS - 1], sherd_entry_version(stored)) != NULL;
    sherd_ring_leave(scan->self->ring);
    *out_status = held ? SHERD_ERR_DENIED : SHERD_ERR_TAMPERED;
    return SHERD_OK;
}

static enum sherd_err scan_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct scan *scan = arg;
    struct sherd_anchor_entry entry = {.name = name};
    struct said said;
    bool still;

    /* what waits for the ledger comes and goes, and is nobody's business while it verifies */
    if (sherd_pending_named(&name) && sherd_pending_check(&scan->self->pins.keys, &name, stored) == SHERD_OK)
        return SHERD_OK;
    scan->full = scan->count == scan->count_max;
    if (scan->full)
        return SHERD_ERR_LIMIT; /* taken back in embedded_scan() */
    scan->count++;
    scan->last = name;
    said.entity.version = 0; /* nothing is said of an entity yet */
    entry.status = sherd_entry_kind(&scan->self->pins.keys, stored, &entry.kind);
    if (entry.status == SHERD_OK)
        entry.status = check_entry(scan->self, &name, stored, entry.kind, &said);
    if (entry.status == SHERD_ERR_DENIED) {
        SHERD_TRY(judge_refused(scan, &name, stored, &still, &entry.status));
        if (!still)
            return SHERD_OK;
    }
    enum sherd_err err = entry.status == SHERD_ERR_TAMPERED || entry.status == SHERD_ERR_DENIED ? SHERD_OK
                                                                                                : entry.status;
    if (entry.status == SHERD_OK || (entry.status == SHERD_ERR_DENIED && said.entity.version != 0))
        err = fill_entry(scan, &said, &entry);
    if (err == SHERD_OK)
        err = scan->visit(scan->arg, &entry);
    if (entry.kind == SHERD_KIND_ENTITY_KEY)
        sherd_entity_key_entry_wipe(&said.entity);
    return err;
}

static enum sherd_err embedded_scan(struct sherd_anchor *anchor, const struct sherd_ref *after, size_t count_max,
                                    sherd_anchor_visit_fn *visit, void *arg, struct sherd_ref *out_last,
                                    size_t *out_count)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
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

/* All that can be said of an erase epoch is that there is to be another one. */
static enum sherd_err embedded_epoch_activate(struct sherd_embedded *self, const struct sherd_master_options *options,
                                              uint64_t *out_version)
{
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(self);
    uint64_t epoch;

    SHERD_ENSURE((options->generator == NULL || strcmp(options->generator, "openssl") == 0) &&
                     (options->store == NULL || strcmp(options->store, "anchor") == 0) &&
                     (options->args == NULL || options->args[0] == 0),
                 SHERD_ERR_INVALID, "an erase epoch takes no generator, store or arguments");
    SHERD_TRY(sherd_epoch_turn_begin(&parts, &epoch));
    if (out_version != NULL)
        *out_version = epoch;
    return SHERD_OK;
}

static enum sherd_err embedded_master_activate(struct sherd_anchor *anchor, const struct sherd_master_options *options,
                                               uint64_t *out_version)
{
    unsigned role;

    if (sherd_epoch_named(options->name))
        return embedded_epoch_activate(sherd_embedded_of(anchor), options, out_version);
    if (sherd_store_key_named(options->name, &role))
        return sherd_store_key_activate(sherd_embedded_of(anchor)->ring, options, out_version);
    return sherd_masters_activate(sherd_embedded_of(anchor)->masters, options, out_version);
}

static enum sherd_err embedded_master_each(struct sherd_anchor *anchor, sherd_master_visit_fn *visit, void *arg)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(self);

    SHERD_TRY(sherd_masters_each(self->masters, visit, arg));
    SHERD_TRY(sherd_store_key_each(self->ring, visit, arg));
    return sherd_epoch_turn_each(&parts, visit, arg);
}

static enum sherd_err embedded_master_retire(struct sherd_anchor *anchor, const char *name, uint64_t version)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(self);
    unsigned role;

    if (sherd_epoch_named(name)) /* the next one has retired it */
        return sherd_epoch_turn_retired(&parts, version);
    if (sherd_store_key_named(name, &role))
        return sherd_store_key_retire(self->ring, name, version);
    return sherd_masters_retire(self->masters, name, version);
}

static enum sherd_err embedded_protection_each(struct sherd_anchor *anchor, sherd_protection_visit_fn *visit, void *arg)
{
    return sherd_masters_protection_each(sherd_embedded_of(anchor)->masters, visit, arg);
}

static enum sherd_err embedded_protection_rotate(struct sherd_anchor *anchor,
                                                 const struct sherd_key_store_file *turn_on, uint64_t *out_version)
{
    return sherd_masters_protection_rotate(sherd_embedded_of(anchor)->masters, turn_on, out_version);
}

struct sherd_rekey_parts sherd_embedded_rekey_parts(struct sherd_embedded *self)
{
    const struct sherd_rekey_parts parts = {.home = self->home,
                                            .ring = self->ring,
                                            .entities = self->entities,
                                            .pins = &self->pins,
                                            .masters = self->masters,
                                            .sequencer = self->sequencer,
                                            .others = self->others};

    return parts;
}

/*
 * A version that is retired gets no new reference: whoever wraps something checks, with the write, that it serves. So
 * what is counted after it was retired stays so.
 */
static enum sherd_err embedded_master_destroy(struct sherd_anchor *anchor, const char *name, uint64_t version)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(self);
    struct sherd_rekey_references references = {0};
    unsigned role;

    if (sherd_epoch_named(name))
        return sherd_epoch_turn_destroy(&parts, version);
    if (sherd_store_key_named(name, &role))
        return sherd_rekey_stores_destroy(&parts, name, version);
    SHERD_TRY(sherd_masters_retired(self->masters, name, version, &references.master));
    SHERD_TRY(sherd_rekey_count(&parts, &references));
    SHERD_TRY(sherd_rekey_unreferred(references.master_count));
    return sherd_masters_destroy(self->masters, &references.master);
}

static enum sherd_err embedded_entity_find(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                           const char *entity_id, struct sherd_ref *out_entity)
{
    return sherd_entities_find(sherd_embedded_of(anchor)->entities, collection, entity_id, out_entity);
}

static enum sherd_err embedded_entity_erase(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                            const char *entity_id)
{
    return sherd_entities_erase(sherd_embedded_of(anchor)->entities, collection, entity_id);
}

static enum sherd_err embedded_rekey_begin(struct sherd_anchor *anchor, const struct sherd_rekey_scope *scope,
                                           struct sherd_rekey **out_rekey)
{
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(sherd_embedded_of(anchor));

    return sherd_rekey_begin(&parts, scope, out_rekey);
}

static enum sherd_err embedded_rekey_step(struct sherd_anchor *anchor, struct sherd_rekey *rekey, size_t count_max,
                                          struct sherd_rekey_progress *out_progress)
{
    (void)anchor;
    return sherd_rekey_step(rekey, count_max, out_progress);
}

static void embedded_rekey_end(struct sherd_anchor *anchor, struct sherd_rekey *rekey)
{
    (void)anchor;
    sherd_rekey_free(rekey);
}

static enum sherd_err embedded_entry_reseal(struct sherd_anchor *anchor, enum sherd_role role,
                                            const struct sherd_ref *name, struct sherd_span stored,
                                            struct sherd_buf *out_stored)
{
    SHERD_ENSURE(role == SHERD_SECRETS, SHERD_ERR_DENIED, "the anchor seals entries of secrets alone anew for others");
    SHERD_ENSURE(sherd_entry_is_everywhere(SHERD_FOR_SECRETS, stored), SHERD_ERR_TAMPERED,
                 "an entry of secrets does not verify");
    const struct sherd_entry_keys keys = sherd_embedded_keys(sherd_embedded_of(anchor), role);
    return sherd_entry_reseal(&keys, name, stored, out_stored);
}

static enum sherd_err embedded_round_begin(struct sherd_anchor *anchor, uint16_t *out_round)
{
    return sherd_rekey_round_begin(sherd_embedded_of(anchor)->ring, out_round);
}

static enum sherd_err embedded_round_end(struct sherd_anchor *anchor, uint16_t round)
{
    return sherd_rekey_round_end(sherd_embedded_of(anchor)->ring, round);
}

static enum sherd_err embedded_epoch_begin(struct sherd_anchor *anchor, uint64_t *out_epoch)
{
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(sherd_embedded_of(anchor));

    return sherd_epoch_turn_begin(&parts, out_epoch);
}

static enum sherd_err embedded_epoch_end(struct sherd_anchor *anchor, uint64_t *out_epoch)
{
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(sherd_embedded_of(anchor));

    return sherd_epoch_turn_end(&parts, out_epoch);
}

static enum sherd_err embedded_keys_owner(struct sherd_anchor *anchor, struct sherd_ref *out_name, bool *out_there)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref name;

    SHERD_TRY(compartment_name(&self->pins.keys, &name));
    const enum sherd_err err = sherd_compartment_get(self->compartment, name, &stored);
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_LIMIT)
        return err;
    *out_name = name;
    *out_there = err != SHERD_ERR_NOT_FOUND;
    return embedded_compartment_check(anchor, SHERD_KEYS, sherd_buf_span(&stored));
}

static enum sherd_err add_blob(void *arg, struct sherd_ref name, struct sherd_span bytes)
{
    (void)bytes;
    return sherd_refs_add(arg, &name);
}

static enum sherd_err embedded_keys_blobs(struct sherd_anchor *anchor, struct sherd_refs *blobs)
{
    return sherd_compartment_blob_scan(sherd_embedded_of(anchor)->compartment, NULL, add_blob, blobs);
}

static const struct sherd_anchor_ops embedded_ops = {
    .free = embedded_free,
    .ids = embedded_ids,
    .home = embedded_home,
    .lease = embedded_lease,
    .lease_raw = embedded_lease_raw,
    .compartment_entry = embedded_compartment_entry,
    .compartment_check = embedded_compartment_check,
    .key_new = embedded_key_new,
    .pin_commit = embedded_pin_commit,
    .key_renew = embedded_key_renew,
    .pin_replace = embedded_pin_replace,
    .round_begin = embedded_round_begin,
    .round_end = embedded_round_end,
    .pin_get = sherd_embedded_pin_get,
    .pin_delete = embedded_pin_delete,
    .scan = embedded_scan,
    .idempotency_get = sherd_embedded_idempotency_get,
    .part_check = sherd_embedded_part_check,
    .parts_sweep = sherd_embedded_parts_sweep,
    .collection_pin = sherd_embedded_collection_pin,
    .collection_check = sherd_embedded_collection_check,
    .master_activate = embedded_master_activate,
    .master_each = embedded_master_each,
    .master_retire = embedded_master_retire,
    .master_destroy = embedded_master_destroy,
    .policy_set = sherd_embedded_policy_set,
    .policy_each = sherd_embedded_policy_each,
    .entity_find = embedded_entity_find,
    .entity_erase = embedded_entity_erase,
    .rekey_begin = embedded_rekey_begin,
    .rekey_step = embedded_rekey_step,
    .rekey_end = embedded_rekey_end,
    .entry_reseal = embedded_entry_reseal,
    .user_create = sherd_embedded_user_create,
    .user_each = sherd_embedded_user_each,
    .user_disable = sherd_embedded_user_disable,
    .named_create = sherd_embedded_named_create,
    .named_each = sherd_embedded_named_each,
    .named_grant = sherd_embedded_named_grant,
    .grant_each = sherd_embedded_grant_each,
    .named_find = sherd_embedded_named_find,
    .principal_check = sherd_embedded_principal_check,
    .challenge = sherd_embedded_challenge,
    .login = sherd_embedded_login,
    .epoch_begin = embedded_epoch_begin,
    .epoch_end = embedded_epoch_end,
    .epoch_export = sherd_embedded_epoch_export,
    .epoch_adopt = sherd_embedded_epoch_adopt,
    .state_take = sherd_embedded_state_take,
    .state_scan = sherd_embedded_state_scan,
    .state_done = sherd_embedded_state_done,
    .statement_sign = sherd_embedded_statement_sign,
    .statement_key = sherd_embedded_statement_key,
    .row_sign = sherd_embedded_row_sign,
    .rows_sum = sherd_embedded_rows_sum,
    .ledger_run = sherd_embedded_ledger_run,
    .ledger_check = sherd_embedded_ledger_check,
    .ledger_note = sherd_embedded_ledger_note,
    .ledger_scan = sherd_embedded_ledger_scan,
    .ledger_joins = sherd_embedded_ledger_joins,
    .ledger_growth = sherd_embedded_ledger_growth,
    .entries_resealed = sherd_embedded_entries_resealed,
    .joins_rule = sherd_embedded_joins_rule,
    .book_read = sherd_embedded_book_read,
    .book_position = sherd_embedded_book_position,
    .book_change = sherd_embedded_book_change,
    .outside_get = sherd_embedded_outside_get,
    .outside_set = sherd_embedded_outside_set,
    .outside_take = sherd_embedded_outside_take,
    .keys_stat = sherd_embedded_keys_stat,
    .keys_owner = embedded_keys_owner,
    .keys_blobs = embedded_keys_blobs,
    .protection_each = embedded_protection_each,
    .protection_rotate = embedded_protection_rotate,
};

/* Names and seals, and what of the keyring they come from. */
static enum sherd_err ready_keys(struct sherd_embedded *self, const struct sherd_keyring *ring)
{
    self->fixed = sherd_secret_alloc(sizeof(*self->fixed));
    if (self->fixed == NULL)
        return SHERD_ERR_NO_MEMORY;
    self->fixed->deployment = ring->deployment;
    self->fixed->tenant = ring->tenant;
    memcpy(self->fixed->ledger_seed, ring->ledger_seed, sizeof(self->fixed->ledger_seed));
    for (size_t i = 0; i < SHERD_COUNT_OF(self->name); i++) {
        const struct sherd_keyring_store *store = &ring->stores[i];

        self->fixed->compartments[i] = store->compartment;
        SHERD_TRY(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(store->name.bytes, sizeof(store->name.bytes)),
                                     &self->name[i]));
    }
    SHERD_TRY(sherd_store_ring_new(ring, &self->stores));
    self->pins.keys = sherd_embedded_keys(self, SHERD_KEYS);
    self->pins.compartment = self->compartment;
    return SHERD_OK;
}

static enum sherd_err ready_ring(struct sherd_embedded *self, bool fresh)
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
    SHERD_TRY(sherd_ring_new(self->home, first, &self->pins.keys, self->compartment, fresh, &self->ring));
    sherd_store_ring_follow(self->stores, self->ring);
    self->pins.ring = self->ring;
    return SHERD_OK;
}

static enum sherd_err ready_masters(struct sherd_embedded *self, const struct sherd_anchor_parts *parts)
{
    struct sherd_places places = {.read_only = parts->read_only};

    for (size_t i = 0; i < SHERD_COUNT_OF(places.roles); i++) {
        const enum sherd_role role = (enum sherd_role)(i + 1);

        places.roles[i].compartment = role == SHERD_KEYS ? self->compartment : parts->others[i];
        places.roles[i].keys = sherd_embedded_keys(self, role);
    }
    return sherd_masters_new(self->ring, &places, &self->masters);
}

static enum sherd_err ready_entities(struct sherd_embedded *self)
{
    const struct sherd_entities_parts parts = {.home = self->home,
                                               .ring = self->ring,
                                               .masters = self->masters,
                                               .at = {.deployment = self->fixed->deployment,
                                                      .tenant = self->fixed->tenant,
                                                      .keys = self->pins.keys,
                                                      .compartment = self->compartment}};

    return sherd_entities_new(&parts, &self->entities);
}

static enum sherd_err ready_rights(struct sherd_embedded *self, const struct sherd_anchor_parts *parts)
{
    self->principals = (struct sherd_principals){.tenant = self->fixed->tenant,
                                                 .keys = sherd_embedded_keys(self, SHERD_IDENTITY),
                                                 .compartment = parts->others[SHERD_IDENTITY - 1],
                                                 .pin_keys = self->pins.keys,
                                                 .pins = self->compartment,
                                                 .write_pins = sherd_embedded_write_pin,
                                                 .write_arg = self->ring};
    self->rights = (struct sherd_rights){.entities = self->entities,
                                         .ring = self->ring,
                                         .principals = &self->principals,
                                         .keys = self->pins.keys,
                                         .compartment = self->compartment};
    return sherd_nonces_new(&self->nonces);
}

/* The keys that every vault has are made with it. */
static enum sherd_err make_first(struct sherd_embedded *self)
{
    const struct sherd_master_options wraps = {.name = SHERD_MASTER_DEFAULT};
    const struct sherd_master_options hashes = {.name = SHERD_MASTER_HASH};

    SHERD_TRY(sherd_epoch_make(self->home));
    SHERD_TRY(sherd_masters_activate(self->masters, &wraps, NULL));
    return sherd_masters_activate(self->masters, &hashes, NULL);
}

static enum sherd_err ready(struct sherd_embedded *self, const struct sherd_anchor_parts *parts)
{
    SHERD_TRY(ready_ring(self, parts->fresh));
    SHERD_TRY(sherd_embedded_ledger_begin(self, parts));
    SHERD_TRY(ready_masters(self, parts));
    SHERD_TRY(sherd_masters_key_store(self->masters, parts->key_store));
    SHERD_TRY(ready_entities(self));
    SHERD_TRY(ready_rights(self, parts));
    return parts->fresh ? make_first(self) : SHERD_OK;
}

enum sherd_err sherd_anchor_embedded(const struct sherd_anchor_parts *parts, struct sherd_anchor **out_anchor)
{
    struct sherd_embedded *self = sherd_alloc(sizeof(*self));

    if (self == NULL) {
        sherd_compartment_close(parts->keys);
        sherd_home_free(parts->home);
        return SHERD_ERR_NO_MEMORY;
    }
    self->anchor.ops = &embedded_ops;
    self->home = parts->home;
    self->compartment = parts->keys;
    memcpy(self->others, parts->others, sizeof(self->others));
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
