/* SPDX-License-Identifier: Apache-2.0 */
/* Named keys and grants: see rights.h. */
#include "anchor/rights/rights.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include <stdio.h>
#include <string.h>

#define SMALL_STORED_BYTES 272U
/* How often a change is tried that another change was faster than. */
#define TRIES_MAX 16U
/* Named keys that are gathered before the visitor sees them. */
#define PAGE_MAX 64U

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "what keys says of a named key does not verify");
}

static enum sherd_err no_such_key(void)
{
    return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no such key");
}

/* An entry of one of the two kinds, and where it lies. */
struct stored {
    struct sherd_ref name;
    uint8_t block[SMALL_STORED_BYTES];
    struct sherd_buf bytes;
};

static enum sherd_err key_name(const struct sherd_rights *rights, const struct sherd_ref *key,
                               struct sherd_ref *out_name)
{
    return sherd_entry_name(&rights->keys, "named key", sherd_span_of(key->bytes, sizeof(key->bytes)),
                            sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err grant_name(const struct sherd_rights *rights, const struct sherd_ref *key,
                                 const struct sherd_uuid *principal, struct sherd_ref *out_name)
{
    return sherd_entry_name(&rights->keys, "grant", sherd_span_of(key->bytes, sizeof(key->bytes)),
                            sherd_span_of(principal->bytes, sizeof(principal->bytes)), out_name);
}

static enum sherd_err read_stored(const struct sherd_rights *rights, struct stored *stored)
{
    stored->bytes = sherd_buf_borrow(stored->block, sizeof(stored->block));
    const enum sherd_err err = sherd_compartment_get(rights->compartment, stored->name, &stored->bytes);
    return err == SHERD_ERR_LIMIT ? tampered() : err;
}

static enum sherd_err open_key(const struct sherd_rights *rights, const struct sherd_ref *name,
                               struct sherd_span stored, struct sherd_named_key *out_key)
{
    uint8_t block[SMALL_STORED_BYTES];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref expected;
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&rights->keys, SHERD_KIND_NAMED_KEY, name, stored, &payload, &tlv));
    SHERD_TRY(sherd_named_key_decode(tlv, out_key));
    SHERD_TRY(key_name(rights, &out_key->id, &expected));
    return sherd_same(&expected, name, sizeof(expected)) ? SHERD_OK : tampered();
}

static enum sherd_err open_grant(const struct sherd_rights *rights, const struct sherd_ref *name,
                                 struct sherd_span stored, struct sherd_grant *out_grant)
{
    uint8_t block[SMALL_STORED_BYTES];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref expected;
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&rights->keys, SHERD_KIND_GRANT, name, stored, &payload, &tlv));
    SHERD_TRY(sherd_grant_decode(tlv, out_grant));
    SHERD_TRY(grant_name(rights, &out_grant->key, &out_grant->principal, &expected));
    return sherd_same(&expected, name, sizeof(expected)) ? SHERD_OK : tampered();
}

/* @return SHERD_ERR_NOT_FOUND, without words: nothing is there */
static enum sherd_err read_key_once(const struct sherd_rights *rights, const struct sherd_ref *key,
                                    struct stored *stored, struct sherd_named_key *out_key)
{
    SHERD_TRY(key_name(rights, key, &stored->name));
    SHERD_TRY(read_stored(rights, stored));
    return open_key(rights, &stored->name, sherd_buf_span(&stored->bytes), out_key);
}

static enum sherd_err read_key(const struct sherd_rights *rights, const struct sherd_ref *key, struct stored *stored,
                               struct sherd_named_key *out_key)
{
    const enum sherd_err err = read_key_once(rights, key, stored, out_key);

    return err == SHERD_ERR_DENIED ? read_key_once(rights, key, stored, out_key) : err; /* as in sherd_entry_open() */
}

static enum sherd_err read_grant_once(const struct sherd_rights *rights, const struct sherd_ref *name,
                                      struct sherd_grant *out_grant)
{
    struct stored stored = {.name = *name};

    SHERD_TRY(read_stored(rights, &stored));
    return open_grant(rights, name, sherd_buf_span(&stored.bytes), out_grant);
}

/* The grant of a principal as it lies there. @return as read_key() */
static enum sherd_err get_grant(const struct sherd_rights *rights, const struct sherd_ref *key,
                                const struct sherd_uuid *principal, struct sherd_grant *out_grant)
{
    struct sherd_ref name;

    SHERD_TRY(grant_name(rights, key, principal, &name));
    const enum sherd_err err = read_grant_once(rights, &name, out_grant);
    return err == SHERD_ERR_DENIED ? read_grant_once(rights, &name, out_grant) : err; /* as in sherd_entry_open() */
}

/* The rights that a grant gives now: none where there is no grant, or one of another generation. */
static enum sherd_err read_grant(const struct sherd_rights *rights, const struct sherd_named_key *key,
                                 const struct sherd_uuid *principal, unsigned *out_rights)
{
    struct sherd_grant grant;

    *out_rights = 0;
    const enum sherd_err err = get_grant(rights, &key->id, principal, &grant);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    if (grant.generation == key->generation)
        *out_rights = grant.rights;
    return SHERD_OK;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static enum sherd_err rights_under(const struct sherd_rights *rights, const struct sherd_caller *caller,
                                   const struct sherd_named_key *key, unsigned *out_rights)
{
    *out_rights = SHERD_RIGHTS_ALL;
    if (caller->owner || sherd_same(&caller->id, &key->owner, sizeof(caller->id)))
        return SHERD_OK;
    return read_grant(rights, key, &caller->id, out_rights);
}

enum sherd_err sherd_rights_of(const struct sherd_rights *rights, const struct sherd_caller *caller,
                               const struct sherd_ref *key, unsigned *out_rights)
{
    struct sherd_named_key named;
    struct stored stored;

    const enum sherd_err err = read_key(rights, key, &stored, &named);
    if (err == SHERD_ERR_NOT_FOUND)
        return tampered();
    SHERD_TRY(err);
    return rights_under(rights, caller, &named, out_rights);
}

enum sherd_err sherd_rights_pin(const struct sherd_rights *rights, const struct sherd_caller *caller,
                                const struct sherd_pin *pin, unsigned wanted, bool *out_may)
{
    unsigned has = 0;

    *out_may = caller->owner;
    if (caller->owner || !pin->has_named_key)
        return SHERD_OK;
    SHERD_TRY(sherd_rights_of(rights, caller, &pin->named_key, &has));
    *out_may = (has & wanted) == wanted;
    return SHERD_OK;
}

/* A key by its name, and how it is stored. */
static enum sherd_err find_key(const struct sherd_rights *rights, const char *name, struct stored *stored,
                               struct sherd_named_key *out_key)
{
    struct sherd_ref id;

    enum sherd_err err = sherd_rights_name_valid(name)
                             ? sherd_entities_find(rights->entities, &sherd_named_keys, name, &id)
                             : SHERD_ERR_NOT_FOUND;
    if (err == SHERD_OK)
        err = read_key(rights, &id, stored, out_key);
    if (err == SHERD_ERR_NOT_FOUND)
        return no_such_key();
    SHERD_TRY(err);
    return strcmp(out_key->name, name) == 0 ? SHERD_OK : tampered();
}

enum sherd_err sherd_rights_find(const struct sherd_rights *rights, const struct sherd_caller *caller, const char *name,
                                 unsigned wanted, struct sherd_ref *out_key)
{
    struct sherd_named_key key;
    struct stored stored;
    unsigned has;

    SHERD_TRY(find_key(rights, name, &stored, &key));
    SHERD_TRY(rights_under(rights, caller, &key, &has));
    if (has == 0 || (has & wanted) != wanted)
        return no_such_key();
    *out_key = key.id;
    return SHERD_OK;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static enum sherd_err seal_key(const struct sherd_rights *rights, const struct sherd_named_key *key,
                               struct stored *out_stored)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    SHERD_TRY(key_name(rights, &key->id, &out_stored->name));
    out_stored->bytes = sherd_buf_borrow(out_stored->block, sizeof(out_stored->block));
    SHERD_TRY(sherd_named_key_encode(key, tlv, &tlv_bytes));
    return sherd_entry_seal(&rights->keys, SHERD_KIND_NAMED_KEY, &out_stored->name, sherd_span_of(tlv, tlv_bytes),
                            &out_stored->bytes);
}

static enum sherd_err seal_grant(const struct sherd_rights *rights, const struct sherd_grant *grant,
                                 struct stored *out_stored)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    out_stored->bytes = sherd_buf_borrow(out_stored->block, sizeof(out_stored->block));
    SHERD_TRY(sherd_grant_encode(grant, tlv, &tlv_bytes));
    return sherd_entry_seal(&rights->keys, SHERD_KIND_GRANT, &out_stored->name, sherd_span_of(tlv, tlv_bytes),
                            &out_stored->bytes);
}

/* @param[out] out_lost  refused since the keys were changed: try again */
static enum sherd_err write_new_key(const struct sherd_rights *rights, const struct sherd_named_key *key,
                                    bool *out_lost)
{
    struct sherd_store_op ops[2] = {{.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT}};
    struct sherd_event event = {.kind = SHERD_EVENT_NAMED_KEY, .subject = key->id, .version = key->generation};
    struct stored stored;

    *out_lost = false;
    SHERD_TRY(seal_key(rights, key, &stored));
    ops[0].name = stored.name;
    ops[0].value = sherd_buf_span(&stored.bytes);
    return sherd_ring_write(rights->ring, ops, 1, &event, 1, out_lost);
}

/* The key as an entity's, then what it is, with which it is there. One that a crash left without is taken up. */
enum sherd_err sherd_rights_create(const struct sherd_rights *rights, const char *name, const struct sherd_uuid *owner)
{
    const struct sherd_collection_entry collection = {.id = sherd_named_keys};
    struct sherd_named_key key = {.owner = *owner, .generation = 1};
    enum sherd_err err = SHERD_OK;
    bool lost = true;

    SHERD_ENSURE(sherd_rights_name_valid(name), SHERD_ERR_INVALID,
                 "a key's name has 1 to 63 of a-z, 0-9, '.', '_', '-' and begins with a letter or digit");
    (void)snprintf(key.name, sizeof(key.name), "%s", name);
    key.created_s = (uint64_t)sherd_clock()->wall_s() / 60 * 60;
    SHERD_TRY(sherd_entities_ensure(rights->entities, &collection, name, &key.id));
    SHERD_FAILPOINT("key.after_entity");
    for (unsigned tries = 0; tries < TRIES_MAX && lost; tries++)
        err = write_new_key(rights, &key, &lost);
    return err == SHERD_ERR_CONFLICT && !lost ? sherd_fail(err, "there is a key of that name") : err;
}

/* A write set that changes the grants of a key: the key's own entry first, then one entry for each who has a grant. */
struct change {
    const struct sherd_rights *rights;
    struct sherd_named_key before;
    struct sherd_named_key after;
    struct sherd_uuid principal; /* whose grant changes */
    unsigned granted;
    size_t count;
    size_t cap;
    struct stored *rooms;
    struct sherd_store_op *ops;
};

static enum sherd_err grow(struct change *change)
{
    const size_t cap = change->cap == 0 ? 64 : 2 * change->cap;

    if (change->count < change->cap)
        return SHERD_OK;
    SHERD_ENSURE(change->count + 2 < SHERD_CHANGES_OPS_MAX, SHERD_ERR_LIMIT, "too many users have a grant of that key");
    struct stored *rooms = sherd_alloc_array(cap, sizeof(*rooms));
    if (rooms == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (change->count > 0)
        memcpy(rooms, change->rooms, change->count * sizeof(*rooms));
    sherd_free(change->rooms);
    change->rooms = rooms;
    change->cap = cap;
    return SHERD_OK;
}

/* The grant of one principal as it is to be; its room stays empty where there is none to be. */
static enum sherd_err add_principal(void *arg, const struct sherd_principal *principal, bool damaged)
{
    struct change *change = arg;
    struct sherd_grant grant = {
        .key = change->after.id, .principal = principal->id, .generation = change->after.generation};
    const bool changes = sherd_same(&principal->id, &change->principal, sizeof(principal->id));
    unsigned had;

    (void)damaged; /* it keeps what it has: id and name are the pin's */
    SHERD_TRY(read_grant(change->rights, &change->before, &principal->id, &had));
    grant.rights = changes ? change->granted : had;
    if (grant.rights == 0 && had == 0)
        return SHERD_OK;
    SHERD_TRY(grow(change));
    struct stored *room = &change->rooms[change->count];
    SHERD_TRY(grant_name(change->rights, &grant.key, &grant.principal, &room->name));
    if (grant.rights != 0)
        SHERD_TRY(seal_grant(change->rights, &grant, room));
    else
        room->bytes = (struct sherd_buf){0};
    change->count++;
    return SHERD_OK;
}

/* All at once, and only if the key's entry is as it was read. */
static enum sherd_err write_change(struct change *change, const struct stored *before)
{
    struct stored after;
    struct sherd_event event = {.kind = SHERD_EVENT_GRANT,
                                .subject = change->after.id,
                                .version = change->after.generation,
                                .count = change->granted};
    bool lost; /* or the key's entry is another one: either way all is read anew */

    memcpy(event.entity.bytes, change->principal.bytes, sizeof(event.entity.bytes));
    SHERD_TRY(seal_key(change->rights, &change->after, &after));
    change->ops = sherd_alloc_array(change->count + 2, sizeof(*change->ops)); /* the key's, and the guard */
    if (change->ops == NULL)
        return SHERD_ERR_NO_MEMORY;
    change->ops[0] = (struct sherd_store_op){.kind = SHERD_STORE_PUT,
                                             .expect = SHERD_EXPECT_EQUALS,
                                             .name = after.name,
                                             .value = sherd_buf_span(&after.bytes),
                                             .expected = sherd_buf_span(&before->bytes)};
    for (size_t i = 0; i < change->count; i++) {
        const struct stored *room = &change->rooms[i];
        const bool stays = room->bytes.len > 0;

        change->ops[i + 1] = (struct sherd_store_op){.kind = stays ? SHERD_STORE_PUT : SHERD_STORE_DELETE,
                                                     .expect = SHERD_EXPECT_ANY,
                                                     .name = room->name,
                                                     .value = sherd_span_of(room->block, room->bytes.len)};
    }
    SHERD_FAILPOINT("grant.before_write");
    return sherd_ring_write(change->rights->ring, change->ops, change->count + 1, &event, 1, &lost);
}

static enum sherd_err grant_once(const struct sherd_rights *rights, const struct sherd_ref *key,
                                 const struct sherd_principal *principal, unsigned granted)
{
    struct change change = {.rights = rights, .principal = principal->id, .granted = granted};
    struct stored before;

    enum sherd_err err = read_key(rights, key, &before, &change.before);
    if (err == SHERD_ERR_NOT_FOUND)
        return tampered();
    SHERD_TRY(err);
    SHERD_ENSURE(!sherd_same(&principal->id, &change.before.owner, sizeof(principal->id)), SHERD_ERR_INVALID,
                 "that user owns the key, and has all rights");
    SHERD_ENSURE(change.before.generation < UINT32_MAX, SHERD_ERR_LIMIT, "the grants were changed too often");
    change.after = change.before;
    change.after.generation++;
    err = sherd_principals_each(rights->principals, true, add_principal, &change);
    if (err == SHERD_OK)
        err = write_change(&change, &before);
    sherd_free(change.rooms);
    sherd_free(change.ops);
    return err;
}

enum sherd_err sherd_rights_grant(const struct sherd_rights *rights, const struct sherd_ref *key, const char *principal,
                                  unsigned granted)
{
    struct sherd_principal to;
    enum sherd_err err = SHERD_ERR_CONFLICT;

    SHERD_ENSURE(granted <= SHERD_RIGHTS_ALL, SHERD_ERR_INVALID, "there are no such rights");
    SHERD_TRY(sherd_principals_get(rights->principals, principal, &to));
    SHERD_ENSURE(to.credential != SHERD_CREDENTIAL_SEAL, SHERD_ERR_INVALID, "the vault's owner has all rights");
    SHERD_ENSURE(granted == 0 || !to.disabled, SHERD_ERR_INVALID, "that user is disabled");
    for (unsigned tries = 0; tries < TRIES_MAX && err == SHERD_ERR_CONFLICT; tries++)
        err = grant_once(rights, key, &to, granted);
    return err;
}

/* --- walks -------------------------------------------------------------------------------------------------------- */

struct page {
    const struct sherd_rights *rights;
    size_t count;
    bool full;
    struct sherd_ref last;
    struct sherd_named_key keys[PAGE_MAX];
};

static enum sherd_err gather(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct page *page = arg;
    enum sherd_kind kind;

    page->full = page->count == PAGE_MAX;
    if (page->full)
        return SHERD_ERR_LIMIT; /* taken back in fill() */
    page->last = name;
    SHERD_TRY(sherd_entry_kind(&page->rights->keys, stored, &kind));
    if (kind != SHERD_KIND_NAMED_KEY)
        return SHERD_OK;
    enum sherd_err err = open_key(page->rights, &name, stored, &page->keys[page->count]);
    if (err == SHERD_ERR_DENIED) { /* sealed anew since: what lies there now */
        struct stored now = {.name = name};

        err = read_stored(page->rights, &now);
        if (err == SHERD_OK)
            err = open_key(page->rights, &name, sherd_buf_span(&now.bytes), &page->keys[page->count]);
        if (err == SHERD_ERR_NOT_FOUND)
            return SHERD_OK;
    }
    SHERD_TRY(err);
    page->count++;
    return SHERD_OK;
}

static enum sherd_err fill(struct page *page, const struct sherd_ref *after)
{
    struct sherd_snapshot *snapshot;

    page->count = 0;
    page->full = false;
    SHERD_TRY(sherd_compartment_snapshot_begin(page->rights->compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, after, gather, page);
    sherd_snapshot_end(snapshot);
    return page->full ? SHERD_OK : err;
}

/* Looks for the name of a principal by its id. */
struct sought {
    const struct sherd_uuid *id;
    char *name;
};

static enum sherd_err seek(void *arg, const struct sherd_principal *principal, bool damaged)
{
    const struct sought *sought = arg;

    (void)damaged;
    if (sherd_same(&principal->id, sought->id, sizeof(principal->id)))
        (void)snprintf(sought->name, SHERD_NAME_SIZE, "%s", principal->name);
    return SHERD_OK;
}

static enum sherd_err describe(const struct sherd_rights *rights, const struct sherd_named_key *key,
                               struct sherd_key_info *info)
{
    const struct sought sought = {.id = &key->owner, .name = info->owner};

    memcpy(info->name, key->name, sizeof(info->name));
    memcpy(info->id, key->id.bytes, sizeof(info->id));
    info->created_s = key->created_s;
    const enum sherd_err err = sherd_entities_newest(rights->entities, &key->id, &info->version);
    if (err == SHERD_ERR_NOT_FOUND)
        return tampered();
    SHERD_TRY(err);
    SHERD_TRY(sherd_principals_each(rights->principals, false, seek, (void *)&sought));
    if (info->owner[0] != 0)
        return SHERD_OK;
    return sherd_principals_each(rights->principals, true, seek, (void *)&sought); /* its entry is gone */
}

static enum sherd_err tell(const struct page *page, const struct sherd_caller *caller, sherd_key_visit_fn *visit,
                           void *arg)
{
    for (size_t i = 0; i < page->count; i++) {
        struct sherd_key_info info = {.rights = 0};

        SHERD_TRY(rights_under(page->rights, caller, &page->keys[i], &info.rights));
        if (info.rights == 0)
            continue;
        SHERD_TRY(describe(page->rights, &page->keys[i], &info));
        SHERD_TRY(visit(arg, &info));
    }
    return SHERD_OK;
}

enum sherd_err sherd_rights_each_key(const struct sherd_rights *rights, const struct sherd_caller *caller,
                                     sherd_key_visit_fn *visit, void *arg)
{
    struct page *page = sherd_alloc(sizeof(*page));
    struct sherd_ref after;
    bool first = true;
    enum sherd_err err = SHERD_OK;

    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    page->rights = rights;
    do {
        err = fill(page, first ? NULL : &after);
        if (err == SHERD_OK)
            err = tell(page, caller, visit, arg);
        after = page->last;
        first = false;
    } while (err == SHERD_OK && page->full);
    sherd_free(page);
    return err;
}

struct telling {
    const struct sherd_rights *rights;
    struct sherd_named_key key;
    sherd_grant_visit_fn *visit;
    void *arg;
};

static enum sherd_err tell_grant(void *arg, const struct sherd_principal *principal, bool damaged)
{
    const struct telling *telling = arg;
    unsigned granted;

    (void)damaged;
    SHERD_TRY(read_grant(telling->rights, &telling->key, &principal->id, &granted));
    return granted == 0 ? SHERD_OK : telling->visit(telling->arg, principal->name, granted);
}

enum sherd_err sherd_rights_each_grant(const struct sherd_rights *rights, const struct sherd_ref *key,
                                       sherd_grant_visit_fn *visit, void *arg)
{
    struct telling telling = {.rights = rights, .visit = visit, .arg = arg};
    struct stored stored;

    const enum sherd_err err = read_key(rights, key, &stored, &telling.key);
    if (err == SHERD_ERR_NOT_FOUND)
        return tampered();
    SHERD_TRY(err);
    return sherd_principals_each(rights->principals, true, tell_grant, &telling);
}

/* --- checking ----------------------------------------------------------------------------------------------------- */

/* A key must be found by its name, and be there as an entity. */
static enum sherd_err check_key(const struct sherd_rights *rights, const struct sherd_named_key *key)
{
    struct sherd_ref found;

    const enum sherd_err err = sherd_entities_find(rights->entities, &sherd_named_keys, key->name, &found);
    if (err == SHERD_ERR_NOT_FOUND || (err == SHERD_OK && !sherd_same(&found, &key->id, sizeof(found))))
        return tampered();
    return err;
}

/*
 * A grant must be of a key that is there, and of its generation: another one was brought back. A change that comes
 * between the walk's snapshot and now raises both, so the grant is looked at again as it is now.
 */
static enum sherd_err check_grant(const struct sherd_rights *rights, const struct sherd_grant *met)
{
    struct sherd_named_key key;
    struct sherd_grant grant;
    struct stored stored;

    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        enum sherd_err err = read_key(rights, &met->key, &stored, &key);
        if (err == SHERD_ERR_NOT_FOUND)
            return tampered();
        SHERD_TRY(err);
        err = get_grant(rights, &met->key, &met->principal, &grant);
        if (err == SHERD_ERR_NOT_FOUND)
            return SHERD_OK;
        SHERD_TRY(err);
        if (grant.generation == key.generation)
            return SHERD_OK;
    }
    return tampered();
}

enum sherd_err sherd_rights_check(const struct sherd_rights *rights, enum sherd_kind kind, const struct sherd_ref *name,
                                  struct sherd_span stored)
{
    struct sherd_named_key key;
    struct sherd_grant grant;

    if (kind == SHERD_KIND_NAMED_KEY) {
        SHERD_TRY(open_key(rights, name, stored, &key));
        return check_key(rights, &key);
    }
    SHERD_TRY(open_grant(rights, name, stored, &grant));
    return check_grant(rights, &grant);
}
