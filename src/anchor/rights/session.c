/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: see session.h. */
#include "anchor/rights/session.h"
#include "anchor/book/book.h"
#include "anchor/ledger/leaves.h"
#include "anchor/ring/actor.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include <string.h>

struct session {
    struct sherd_anchor anchor; /* first: the table's view of it */
    struct sherd_session_parts parts;
};

static struct session *session_of(struct sherd_anchor *anchor)
{
    return (struct session *)anchor;
}

static struct sherd_anchor *below(struct sherd_anchor *anchor)
{
    return session_of(anchor)->parts.anchor;
}

/* What this thread writes from here to the end of the block, it writes for the session's user. */
#define ACT_FOR(session)             \
    SHERD_CLEANUP(sherd_actor_leave) \
    const struct sherd_actor_scope acts_ = sherd_actor_enter(&(session)->parts.caller.id)

static enum sherd_err no_such_record(void)
{
    return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no such record"); /* as anchor/pins/pins.c says it */
}

static enum sherd_err owner_only(void)
{
    return sherd_fail(SHERD_ERR_DENIED, "only the vault's owner may do that");
}

/* Whether the user is there still. One that was disabled finds nothing. */
static enum sherd_err is_live(const struct session *session, bool *out_live)
{
    const struct sherd_caller *caller = &session->parts.caller;
    const enum sherd_err err = sherd_principals_live(session->parts.rights->principals, caller->name, &caller->id);

    *out_live = err == SHERD_OK;
    return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}

static enum sherd_err check_live(const struct session *session)
{
    bool live;

    SHERD_TRY(is_live(session, &live));
    return live ? SHERD_OK : sherd_credential_denied();
}

static enum sherd_err may(const struct session *session, const struct sherd_pin *pin, unsigned wanted, bool *out_may)
{
    *out_may = false;
    SHERD_TRY(is_live(session, out_may));
    return *out_may ? sherd_rights_pin(session->parts.rights, &session->parts.caller, pin, wanted, out_may) : SHERD_OK;
}

/*
 * Whether the user may do something to a record, by its head alone: what is asked of versions or entities after that
 * says nothing to one who may not know of the record.
 */
static enum sherd_err check_record(const struct session *session, struct sherd_uuid record, unsigned wanted)
{
    struct sherd_pin_view head;
    bool allowed;

    SHERD_TRY(sherd_pins_get(session->parts.pins, record, 0, &head));
    SHERD_TRY(may(session, &head.pin, wanted, &allowed));
    return allowed ? SHERD_OK : no_such_record();
}

static void session_free(struct sherd_anchor *anchor)
{
    sherd_free(anchor);
}

static void session_ids(struct sherd_anchor *anchor, struct sherd_uuid *out_deployment, struct sherd_uuid *out_tenant)
{
    below(anchor)->ops->ids(below(anchor), out_deployment, out_tenant);
}

/* Seals are the owner's. */
static const struct sherd_home *session_home(struct sherd_anchor *anchor)
{
    (void)anchor;
    return NULL;
}

static enum sherd_err check_lease(const struct session *session, enum sherd_role role)
{
    SHERD_ENSURE(role == SHERD_ASSETS, SHERD_ERR_DENIED, "the keys of that compartment are not for users");
    return check_live(session);
}

static enum sherd_err session_lease(struct sherd_anchor *anchor, enum sherd_role role,
                                    struct sherd_entry_keys *out_keys)
{
    SHERD_TRY(check_lease(session_of(anchor), role));
    return below(anchor)->ops->lease(below(anchor), role, out_keys);
}

static enum sherd_err session_lease_raw(struct sherd_anchor *anchor, enum sherd_role role,
                                        struct sherd_raw_lease *out_lease)
{
    SHERD_TRY(check_lease(session_of(anchor), role));
    return below(anchor)->ops->lease_raw(below(anchor), role, out_lease);
}

static enum sherd_err session_compartment_entry(struct sherd_anchor *anchor, enum sherd_role role,
                                                struct sherd_ref *out_name, struct sherd_buf *out_stored)
{
    return below(anchor)->ops->compartment_entry(below(anchor), role, out_name, out_stored);
}

static enum sherd_err session_compartment_check(struct sherd_anchor *anchor, enum sherd_role role,
                                                struct sherd_span stored)
{
    return below(anchor)->ops->compartment_check(below(anchor), role, stored);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static enum sherd_err session_key_new(struct sherd_anchor *anchor, const struct sherd_collection_entry *collection,
                                      const char *entity_id, struct sherd_uuid record, uint64_t version,
                                      struct sherd_pin *out_pin, struct sherd_record_key *out_key)
{
    ACT_FOR(session_of(anchor));
    struct session *session = session_of(anchor);
    struct sherd_ref key;

    SHERD_TRY(check_live(session));
    if (version > 1) {
        SHERD_TRY(check_record(session, record, SHERD_RIGHT_WRITE));
    } else {
        SHERD_ENSURE(collection->rules.key[0] != 0, SHERD_ERR_DENIED,
                     "records of users lie under a named key: say which");
        SHERD_TRY(sherd_rights_find(session->parts.rights, &session->parts.caller, collection->rules.key,
                                    SHERD_RIGHT_WRITE, &key));
    }
    return below(anchor)->ops->key_new(below(anchor), collection, entity_id, record, version, out_pin, out_key);
}

static enum sherd_err check_change(const struct session *session, const struct sherd_pin_change *change)
{
    bool allowed;

    if (change->version_expected != 0)
        SHERD_TRY(check_record(session, change->pin.record, SHERD_RIGHT_WRITE));
    SHERD_TRY(may(session, &change->pin, SHERD_RIGHT_WRITE, &allowed));
    return allowed ? SHERD_OK : no_such_record();
}

static enum sherd_err session_row_sign(struct sherd_anchor *anchor, const struct sherd_pin *pin,
                                       const struct sherd_digest *body, uint8_t out_signature[SHERD_SIGNATURE_SIZE])
{
    const struct sherd_pin_change change = {.pin = *pin, .version_expected = pin->version - 1};

    SHERD_TRY(check_live(session_of(anchor)));
    SHERD_TRY(check_change(session_of(anchor), &change));
    return below(anchor)->ops->row_sign(below(anchor), pin, body, out_signature);
}

/* A user sees a part of the rows; what all of them add up to says nothing about those. */
static enum sherd_err session_rows_sum(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                       struct sherd_rows_sum *out_sum)
{
    (void)collection;
    (void)out_sum;
    SHERD_TRY(check_live(session_of(anchor)));
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "the rows of users are not added up");
}

static enum sherd_err session_pin_commit(struct sherd_anchor *anchor, const struct sherd_pin_change *changes,
                                         size_t count, struct sherd_refs *dropped)
{
    ACT_FOR(session_of(anchor));
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(check_change(session_of(anchor), &changes[i]));
    return below(anchor)->ops->pin_commit(below(anchor), changes, count, dropped);
}

/* The head is asked first, then what was found: it may have come under another key between the two. */
static enum sherd_err session_pin_get(struct sherd_anchor *anchor, struct sherd_uuid record, uint64_t version,
                                      struct sherd_pin_view *out_view, struct sherd_record_key *out_key)
{
    ACT_FOR(session_of(anchor));
    struct session *session = session_of(anchor);
    struct sherd_pin_view view;
    bool allowed = false;

    SHERD_TRY(check_record(session, record, SHERD_RIGHT_READ));
    enum sherd_err err = below(anchor)->ops->pin_get(below(anchor), record, version, &view, out_key);
    if (err == SHERD_OK)
        err = may(session, &view.pin, SHERD_RIGHT_READ, &allowed);
    if (err == SHERD_OK && !allowed)
        err = no_such_record();
    if (err != SHERD_OK && out_key != NULL)
        sherd_wipe(out_key, sizeof(*out_key));
    SHERD_TRY(err);
    *out_view = view;
    return SHERD_OK;
}

static enum sherd_err session_pin_delete(struct sherd_anchor *anchor, struct sherd_uuid record,
                                         struct sherd_refs *dropped)
{
    ACT_FOR(session_of(anchor));
    SHERD_TRY(check_record(session_of(anchor), record, SHERD_RIGHT_WRITE));
    return below(anchor)->ops->pin_delete(below(anchor), record, dropped);
}

struct filter {
    const struct session *session;
    sherd_anchor_visit_fn *visit;
    void *arg;
};

/* Pins of what the user may read, and nothing else. */
static enum sherd_err pass_on(void *arg, const struct sherd_anchor_entry *entry)
{
    const struct filter *filter = arg;
    bool allowed;

    if (entry->pin == NULL)
        return SHERD_OK;
    SHERD_TRY(may(filter->session, entry->pin, SHERD_RIGHT_READ, &allowed));
    return allowed ? filter->visit(filter->arg, entry) : SHERD_OK;
}

static enum sherd_err session_scan(struct sherd_anchor *anchor, const struct sherd_ref *after, size_t count_max,
                                   sherd_anchor_visit_fn *visit, void *arg, struct sherd_ref *out_last,
                                   size_t *out_count)
{
    struct filter filter = {.session = session_of(anchor), .visit = visit, .arg = arg};

    return below(anchor)->ops->scan(below(anchor), after, count_max, pass_on, &filter, out_last, out_count);
}

/* A key of a record that the user may not write is taken, and that is all that is said of it. */
static enum sherd_err session_idempotency_get(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                              struct sherd_span key, const struct sherd_digest *content_hash,
                                              struct sherd_uuid *out_record)
{
    struct sherd_uuid record;

    SHERD_TRY(below(anchor)->ops->idempotency_get(below(anchor), collection, key, content_hash, &record));
    const enum sherd_err err = check_record(session_of(anchor), record, SHERD_RIGHT_WRITE);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(SHERD_ERR_CONFLICT, "the idempotency key was used before, with other contents");
    SHERD_TRY(err);
    *out_record = record;
    return SHERD_OK;
}

static enum sherd_err session_collection_check(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                               const struct sherd_digest *digest)
{
    return below(anchor)->ops->collection_check(below(anchor), collection, digest);
}

/* --- named keys --------------------------------------------------------------------------------------------------- */

static enum sherd_err session_named_find(struct sherd_anchor *anchor, const char *name, unsigned wanted,
                                         struct sherd_ref *out_key)
{
    struct session *session = session_of(anchor);

    SHERD_TRY(check_live(session));
    return sherd_rights_find(session->parts.rights, &session->parts.caller, name, wanted, out_key);
}

static enum sherd_err session_named_create(struct sherd_anchor *anchor, const char *name, const char *owner)
{
    ACT_FOR(session_of(anchor));
    struct session *session = session_of(anchor);

    SHERD_TRY(check_live(session));
    SHERD_ENSURE(owner == NULL || strcmp(owner, session->parts.caller.name) == 0, SHERD_ERR_DENIED,
                 "only the vault's owner makes keys for others");
    return sherd_rights_create(session->parts.rights, name, &session->parts.caller.id);
}

static enum sherd_err session_named_each(struct sherd_anchor *anchor, sherd_key_visit_fn *visit, void *arg)
{
    struct session *session = session_of(anchor);

    SHERD_TRY(check_live(session));
    return sherd_rights_each_key(session->parts.rights, &session->parts.caller, visit, arg);
}

static enum sherd_err session_named_grant(struct sherd_anchor *anchor, const char *key, const char *user,
                                          unsigned rights)
{
    ACT_FOR(session_of(anchor));
    struct sherd_ref ref;

    SHERD_TRY(session_named_find(anchor, key, SHERD_RIGHT_MANAGE, &ref));
    return sherd_rights_grant(session_of(anchor)->parts.rights, &ref, user, rights);
}

static enum sherd_err session_grant_each(struct sherd_anchor *anchor, const char *key, sherd_grant_visit_fn *visit,
                                         void *arg)
{
    struct sherd_ref ref;

    SHERD_TRY(session_named_find(anchor, key, SHERD_RIGHT_MANAGE, &ref));
    return sherd_rights_each_grant(session_of(anchor)->parts.rights, &ref, visit, arg);
}

/* A user rekeys what lies under a key that it may manage, and nothing else. */
static enum sherd_err session_rekey_begin(struct sherd_anchor *anchor, const struct sherd_rekey_scope *scope,
                                          struct sherd_rekey **out_rekey)
{
    ACT_FOR(session_of(anchor));
    struct session *session = session_of(anchor);
    unsigned rights = 0;

    SHERD_TRY(check_live(session));
    if (!scope->one_key || scope->under_key)
        return owner_only();
    SHERD_TRY(sherd_rights_of(session->parts.rights, &session->parts.caller, &scope->key, &rights));
    SHERD_ENSURE((rights & SHERD_RIGHT_MANAGE) != 0, SHERD_ERR_NOT_FOUND, "there is no such key");
    return below(anchor)->ops->rekey_begin(below(anchor), scope, out_rekey);
}

static enum sherd_err session_rekey_step(struct sherd_anchor *anchor, struct sherd_rekey *rekey, size_t count_max,
                                         struct sherd_rekey_progress *out_progress)
{
    ACT_FOR(session_of(anchor));
    SHERD_TRY(check_live(session_of(anchor)));
    return below(anchor)->ops->rekey_step(below(anchor), rekey, count_max, out_progress);
}

static void session_rekey_end(struct sherd_anchor *anchor, struct sherd_rekey *rekey)
{
    below(anchor)->ops->rekey_end(below(anchor), rekey);
}

/* Who it is that asks may be asked anew: one connection, several users. */
static enum sherd_err session_challenge(struct sherd_anchor *anchor, const char *user,
                                        struct sherd_challenge *out_challenge)
{
    return below(anchor)->ops->challenge(below(anchor), user, out_challenge);
}

static enum sherd_err session_login(struct sherd_anchor *anchor, const char *user,
                                    const uint8_t nonce[static SHERD_NONCE_SIZE],
                                    const uint8_t signature[static SHERD_SIGNATURE_SIZE],
                                    struct sherd_anchor **out_session)
{
    return below(anchor)->ops->login(below(anchor), user, nonce, signature, out_session);
}

/* How full `keys` is, and whether it is this vault's. */
static enum sherd_err session_keys_stat(struct sherd_anchor *anchor, struct sherd_store_stat *out_stat)
{
    SHERD_TRY(check_live(session_of(anchor)));
    return below(anchor)->ops->keys_stat(below(anchor), out_stat);
}

/* Whose events become leaves is no secret, and changes nothing. */
static enum sherd_err session_ledger_run(struct sherd_anchor *anchor, uint64_t *out_size)
{
    SHERD_TRY(check_live(session_of(anchor)));
    return below(anchor)->ops->ledger_run(below(anchor), out_size);
}

static enum sherd_err session_ledger_check(struct sherd_anchor *anchor, struct sherd_keys_check *out_check)
{
    SHERD_TRY(check_live(session_of(anchor)));
    return below(anchor)->ops->ledger_check(below(anchor), out_check);
}

/* What the ledger says of itself is for all. */
static enum sherd_err session_ledger_note(struct sherd_anchor *anchor, bool fresh, struct sherd_buf *out_note,
                                          struct sherd_buf *out_key)
{
    SHERD_TRY(check_live(session_of(anchor)));
    return below(anchor)->ops->ledger_note(below(anchor), fresh, out_note, out_key);
}

static enum sherd_err session_ledger_growth(struct sherd_anchor *anchor, uint64_t old_size, uint64_t size,
                                            struct sherd_path *out_path)
{
    SHERD_TRY(check_live(session_of(anchor)));
    return below(anchor)->ops->ledger_growth(below(anchor), old_size, size, out_path);
}

/* Leaves on their way to a user. */
struct leaf_filter {
    sherd_leaf_visit_fn *visit;
    void *arg;
    bool reads; /* may read the record; else the user only may have put it */
};

static enum sherd_err pass_leaf_on(void *arg, const struct sherd_leaf_found *found)
{
    const struct leaf_filter *filter = arg;
    struct sherd_leaf_found told = *found;

    told.event.map = (struct sherd_event_entry){.there = false};
    told.blinds[SHERD_LEAF_ASSETS] = told.blinds[SHERD_LEAF_SECRETS] = (struct sherd_digest){{0}};
    if (!filter->reads) {
        told.event.actor = told.event.entity = told.event.collection = (struct sherd_ref){{0}};
        told.blinds[SHERD_LEAF_ACTOR] = (struct sherd_digest){{0}};
    }
    return filter->visit(filter->arg, &told);
}

/* The leaf of a version for who may read or write the record, who may have put it; its history for who may read it. */
static enum sherd_err session_ledger_scan(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                          sherd_leaf_visit_fn *visit, void *arg, uint64_t *out_next)
{
    const struct session *session = session_of(anchor);
    struct leaf_filter filter = {.visit = visit, .arg = arg, .reads = true};
    struct sherd_uuid record;

    if (query->about != SHERD_LEAVES_RECORD)
        return owner_only();
    memcpy(record.bytes, query->id.bytes, sizeof(record.bytes));
    enum sherd_err err = check_record(session, record, SHERD_RIGHT_READ);
    if (err == SHERD_ERR_NOT_FOUND && query->version != 0) {
        filter.reads = false;
        err = check_record(session, record, SHERD_RIGHT_WRITE);
    }
    SHERD_TRY(err);
    return below(anchor)->ops->ledger_scan(below(anchor), query, pass_leaf_on, &filter, out_next);
}

/* Who read a record is part of its history: for who may read it. That others are lost is for all, as the leaf is. */
static enum sherd_err session_ledger_joins(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                           sherd_leaf_join_fn *visit, void *arg, uint64_t *out_next)
{
    struct sherd_uuid record;

    if (query->about != SHERD_LEAVES_RECORD)
        return owner_only();
    memcpy(record.bytes, query->id.bytes, sizeof(record.bytes));
    SHERD_TRY(check_record(session_of(anchor), record, SHERD_RIGHT_READ));
    return below(anchor)->ops->ledger_joins(below(anchor), query, visit, arg, out_next);
}

static enum sherd_err session_keys_owner(struct sherd_anchor *anchor, struct sherd_ref *out_name, bool *out_there)
{
    return below(anchor)->ops->keys_owner(below(anchor), out_name, out_there);
}

/* --- what is the owner's ------------------------------------------------------------------------------------------ */

static enum sherd_err owner_part_check(struct sherd_anchor *anchor, enum sherd_role role, const struct sherd_ref *name,
                                       struct sherd_span stored, bool *out_live)
{
    (void)anchor;
    (void)role;
    (void)name;
    (void)stored;
    (void)out_live;
    return owner_only();
}

static enum sherd_err owner_parts_sweep(struct sherd_anchor *anchor, bool dry_run, uint64_t *out_count)
{
    (void)anchor;
    (void)dry_run;
    (void)out_count;
    return owner_only();
}

static enum sherd_err owner_entry_reseal(struct sherd_anchor *anchor, enum sherd_role role,
                                         const struct sherd_ref *name, struct sherd_span stored,
                                         struct sherd_buf *out_stored)
{
    (void)anchor;
    (void)role;
    (void)name;
    (void)stored;
    (void)out_stored;
    return owner_only();
}

static enum sherd_err owner_collection_pin(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                           const struct sherd_digest *digest)
{
    (void)anchor;
    (void)collection;
    (void)digest;
    return owner_only();
}

static enum sherd_err owner_master_activate(struct sherd_anchor *anchor, const struct sherd_master_options *options,
                                            uint64_t *out_version)
{
    (void)anchor;
    (void)options;
    (void)out_version;
    return owner_only();
}

static enum sherd_err owner_master_each(struct sherd_anchor *anchor, sherd_master_visit_fn *visit, void *arg)
{
    (void)anchor;
    (void)visit;
    (void)arg;
    return owner_only();
}

static enum sherd_err owner_master_end(struct sherd_anchor *anchor, const char *name, uint64_t version)
{
    (void)anchor;
    (void)name;
    (void)version;
    return owner_only();
}

static enum sherd_err owner_entity_find(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                        const char *entity_id, struct sherd_ref *out_entity)
{
    (void)anchor;
    (void)collection;
    (void)entity_id;
    (void)out_entity;
    return owner_only();
}

static enum sherd_err owner_entity_erase(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                         const char *entity_id)
{
    (void)anchor;
    (void)collection;
    (void)entity_id;
    return owner_only();
}

static enum sherd_err owner_user_create(struct sherd_anchor *anchor, const struct sherd_principal *principal)
{
    (void)anchor;
    (void)principal;
    return owner_only();
}

static enum sherd_err owner_user_each(struct sherd_anchor *anchor, sherd_user_visit_fn *visit, void *arg)
{
    (void)anchor;
    (void)visit;
    (void)arg;
    return owner_only();
}

static enum sherd_err owner_user_disable(struct sherd_anchor *anchor, const char *name)
{
    (void)anchor;
    (void)name;
    return owner_only();
}

static enum sherd_err owner_principal_check(struct sherd_anchor *anchor, const struct sherd_ref *name,
                                            struct sherd_span stored)
{
    (void)anchor;
    (void)name;
    (void)stored;
    return owner_only();
}

static enum sherd_err owner_epoch(struct sherd_anchor *anchor, uint64_t *out_epoch)
{
    (void)anchor;
    (void)out_epoch;
    return owner_only();
}

static enum sherd_err owner_key_renew(struct sherd_anchor *anchor, const struct sherd_pin *before,
                                      struct sherd_pin *out_pin, struct sherd_record_key *out_key)
{
    (void)anchor;
    (void)before;
    (void)out_pin;
    (void)out_key;
    return owner_only();
}

static enum sherd_err owner_pin_replace(struct sherd_anchor *anchor, const struct sherd_pin_change *changes,
                                        size_t count, struct sherd_refs *dropped)
{
    (void)anchor;
    (void)changes;
    (void)count;
    (void)dropped;
    return owner_only();
}

static enum sherd_err owner_round_begin(struct sherd_anchor *anchor, uint16_t *out_round)
{
    (void)anchor;
    (void)out_round;
    return owner_only();
}

static enum sherd_err owner_round_end(struct sherd_anchor *anchor, uint16_t round)
{
    (void)anchor;
    (void)round;
    return owner_only();
}

static enum sherd_err owner_protection_each(struct sherd_anchor *anchor, sherd_protection_visit_fn *visit, void *arg)
{
    (void)anchor;
    (void)visit;
    (void)arg;
    return owner_only();
}

static enum sherd_err owner_protection_rotate(struct sherd_anchor *anchor, const struct sherd_key_store_file *turn_on,
                                              uint64_t *out_version)
{
    (void)anchor;
    (void)turn_on;
    (void)out_version;
    return owner_only();
}

static enum sherd_err owner_policy_set(struct sherd_anchor *anchor, const char *name,
                                       const struct sherd_key_policy *policy, bool lower_floor)
{
    (void)anchor;
    (void)name;
    (void)policy;
    (void)lower_floor;
    return owner_only();
}

static enum sherd_err owner_policy_each(struct sherd_anchor *anchor, sherd_key_policy_visit_fn *visit, void *arg)
{
    (void)anchor;
    (void)visit;
    (void)arg;
    return owner_only();
}

static enum sherd_err owner_outside_get(struct sherd_anchor *anchor, struct sherd_buf *out_bytes)
{
    (void)anchor;
    (void)out_bytes;
    return owner_only();
}

static enum sherd_err owner_outside_bytes(struct sherd_anchor *anchor, struct sherd_span bytes)
{
    (void)anchor;
    (void)bytes;
    return owner_only();
}

static enum sherd_err owner_epoch_export(struct sherd_anchor *anchor, struct sherd_buf *out_file)
{
    (void)anchor;
    (void)out_file;
    return owner_only();
}

static enum sherd_err owner_epoch_adopt(struct sherd_anchor *anchor, struct sherd_span file)
{
    (void)anchor;
    (void)file;
    return owner_only();
}

static enum sherd_err owner_state_take(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                       struct sherd_anchor_state *state)
{
    (void)anchor;
    (void)backup;
    (void)state;
    return owner_only();
}

static enum sherd_err owner_state_scan(struct sherd_anchor *anchor, struct sherd_anchor_state *state,
                                       const struct sherd_ref *after, sherd_store_visit_fn *visit, void *arg)
{
    (void)anchor;
    (void)state;
    (void)after;
    (void)visit;
    (void)arg;
    return owner_only();
}

/* None was taken. */
static void owner_state_done(struct sherd_anchor *anchor, struct sherd_anchor_state *state)
{
    (void)anchor;
    (void)state;
}

static enum sherd_err owner_statement_sign(struct sherd_anchor *anchor, const struct sherd_statement *statement,
                                           struct sherd_buf *out_note)
{
    (void)anchor;
    (void)statement;
    (void)out_note;
    return owner_only();
}

static enum sherd_err owner_statement_key(struct sherd_anchor *anchor, struct sherd_buf *out_text)
{
    (void)anchor;
    (void)out_text;
    return owner_only();
}

static enum sherd_err owner_entries_resealed(struct sherd_anchor *anchor, enum sherd_role role,
                                             const struct sherd_event_entry *entries, size_t count)
{
    (void)anchor;
    (void)role;
    (void)entries;
    (void)count;
    return owner_only();
}

static enum sherd_err owner_joins_rule(struct sherd_anchor *anchor, const bool *strict, bool *out_strict)
{
    (void)anchor;
    (void)strict;
    (void)out_strict;
    return owner_only();
}

static enum sherd_err owner_keys_blobs(struct sherd_anchor *anchor, struct sherd_refs *blobs)
{
    (void)anchor;
    (void)blobs;
    return owner_only();
}

static enum sherd_err owner_book_read(struct sherd_anchor *anchor, struct sherd_buf *out_book, bool *out_lost)
{
    (void)anchor;
    (void)out_book;
    (void)out_lost;
    return owner_only();
}

static enum sherd_err owner_book_position(struct sherd_anchor *anchor, struct sherd_book_position *out_position)
{
    (void)anchor;
    (void)out_position;
    return owner_only();
}

/* That a user was the first to be told is all that a user changes. */
static enum sherd_err session_book_change(struct sherd_anchor *anchor, struct sherd_span change)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_book_room *room = sherd_alloc(sizeof(*room));
    struct sherd_book_change decoded;

    if (room == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(check_live(session_of(anchor)));
    SHERD_TRY(sherd_book_change_decode(change, room, &decoded));
    return decoded.action == SHERD_BOOK_FIRST ? below(anchor)->ops->book_change(below(anchor), change) : owner_only();
}

static const struct sherd_anchor_ops session_ops = {
    .free = session_free,
    .ids = session_ids,
    .home = session_home,
    .lease = session_lease,
    .lease_raw = session_lease_raw,
    .compartment_entry = session_compartment_entry,
    .compartment_check = session_compartment_check,
    .key_new = session_key_new,
    .pin_commit = session_pin_commit,
    .pin_get = session_pin_get,
    .pin_delete = session_pin_delete,
    .scan = session_scan,
    .idempotency_get = session_idempotency_get,
    .part_check = owner_part_check,
    .parts_sweep = owner_parts_sweep,
    .collection_pin = owner_collection_pin,
    .collection_check = session_collection_check,
    .master_activate = owner_master_activate,
    .master_each = owner_master_each,
    .master_retire = owner_master_end,
    .master_destroy = owner_master_end,
    .entity_find = owner_entity_find,
    .entity_erase = owner_entity_erase,
    .rekey_begin = session_rekey_begin,
    .rekey_step = session_rekey_step,
    .rekey_end = session_rekey_end,
    .entry_reseal = owner_entry_reseal,
    .user_create = owner_user_create,
    .user_each = owner_user_each,
    .user_disable = owner_user_disable,
    .named_create = session_named_create,
    .named_each = session_named_each,
    .named_grant = session_named_grant,
    .grant_each = session_grant_each,
    .named_find = session_named_find,
    .principal_check = owner_principal_check,
    .challenge = session_challenge,
    .login = session_login,
    .epoch_begin = owner_epoch,
    .epoch_end = owner_epoch,
    .ledger_run = session_ledger_run,
    .ledger_check = session_ledger_check,
    .entries_resealed = owner_entries_resealed,
    .joins_rule = owner_joins_rule,
    .book_read = owner_book_read,
    .book_position = owner_book_position,
    .book_change = session_book_change,
    .keys_stat = session_keys_stat,
    .keys_owner = session_keys_owner,
    .keys_blobs = owner_keys_blobs,
    .epoch_export = owner_epoch_export,
    .epoch_adopt = owner_epoch_adopt,
    .state_take = owner_state_take,
    .state_scan = owner_state_scan,
    .state_done = owner_state_done,
    .statement_sign = owner_statement_sign,
    .statement_key = owner_statement_key,
    .row_sign = session_row_sign,
    .rows_sum = session_rows_sum,
    .key_renew = owner_key_renew,
    .pin_replace = owner_pin_replace,
    .round_begin = owner_round_begin,
    .round_end = owner_round_end,
    .outside_get = owner_outside_get,
    .outside_set = owner_outside_bytes,
    .outside_take = owner_outside_bytes,
    .policy_set = owner_policy_set,
    .policy_each = owner_policy_each,
    .protection_each = owner_protection_each,
    .protection_rotate = owner_protection_rotate,
    .ledger_note = session_ledger_note,
    .ledger_scan = session_ledger_scan,
    .ledger_joins = session_ledger_joins,
    .ledger_growth = session_ledger_growth,
};

enum sherd_err sherd_session_new(const struct sherd_session_parts *parts, struct sherd_anchor **out_session)
{
    struct session *session = sherd_alloc(sizeof(*session));

    if (session == NULL)
        return SHERD_ERR_NO_MEMORY;
    session->anchor.ops = &session_ops;
    session->parts = *parts;
    *out_session = &session->anchor;
    return SHERD_OK;
}
