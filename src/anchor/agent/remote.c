/* SPDX-License-Identifier: Apache-2.0 */
/* The anchor's table over connections to its agent: see remote.h. */
#include "anchor/agent/remote_inside.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Entries of a scan in one answer. */
#define SCAN_MAX 1024U

/* What was leased is leased anew after that time, whatever the notice says. */
#define LEASE_MS ((uint64_t)300000)

/* --- connections -------------------------------------------------------------------------------------------------- */

static void give_back(struct sherd_remote *remote, struct sherd_link *link, bool broken)
{
    (void)pthread_mutex_lock(&remote->lock);
    if (!broken && link != NULL)
        remote->idle[remote->idle_count++] = link;
    else
        remote->open_count--;
    (void)pthread_cond_signal(&remote->freed);
    (void)pthread_mutex_unlock(&remote->lock);
    if (broken)
        sherd_link_free(link);
}

static enum sherd_err borrow(struct sherd_remote *remote, struct sherd_link **out_link)
{
    struct sherd_link *link = NULL;

    (void)pthread_mutex_lock(&remote->lock);
    while (remote->idle_count == 0 && remote->open_count == remote->links_max)
        (void)pthread_cond_wait(&remote->freed, &remote->lock);
    if (remote->idle_count > 0)
        link = remote->idle[--remote->idle_count];
    else
        remote->open_count++;
    (void)pthread_mutex_unlock(&remote->lock);
    if (link == NULL) {
        const enum sherd_err err = remote->connect(remote->arg, &link);

        if (err != SHERD_OK) {
            give_back(remote, NULL, false);
            return err == SHERD_ERR_NOT_FOUND
                       ? sherd_fail(SHERD_ERR_SEALED, "the agent of this vault has ended: `sherd unseal` starts one")
                       : err;
        }
    }
    *out_link = link;
    return SHERD_OK;
}

enum sherd_err sherd_remote_borrow(struct sherd_anchor *anchor, struct sherd_link **out_link)
{
    return borrow(sherd_remote_of(anchor), out_link);
}

void sherd_remote_give_back(struct sherd_anchor *anchor, struct sherd_link *link, bool broken)
{
    give_back(sherd_remote_of(anchor), link, broken);
}

void sherd_remote_done(struct sherd_remote_call *call)
{
    if (call->link != NULL)
        give_back(call->remote, call->link, call->broken);
    call->link = NULL;
}

enum sherd_err sherd_remote_begin(struct sherd_anchor *anchor, enum sherd_wire_verb verb, void *head,
                                  struct sherd_remote_call *call)
{
    const struct sherd_wire_shape *shape = &sherd_wire_call_of(verb)->call;

    call->remote = sherd_remote_of(anchor);
    call->verb = verb;
    SHERD_TRY(borrow(call->remote, &call->link));
    sherd_wire_code(sherd_link_write(call->link, shape->item != NULL), shape->head, head);
    return SHERD_OK;
}

enum sherd_err sherd_remote_finish(struct sherd_remote_call *call, void *head)
{
    const struct sherd_wire_shape *shape = &sherd_wire_call_of(call->verb)->reply;

    SHERD_TRY(sherd_link_call(call->link, call->verb, &call->reply, &call->broken));
    sherd_wire_code(&call->reply, shape->head, head);
    if (shape->item == NULL || call->reply.failed) {
        const enum sherd_err err = sherd_wire_read(&call->reply);

        call->broken = err != SHERD_OK;
        return err;
    }
    return SHERD_OK;
}

bool sherd_remote_next(struct sherd_remote_call *call, void *item)
{
    if (!sherd_wire_more(&call->reply))
        return false;
    sherd_wire_code(&call->reply, sherd_wire_call_of(call->verb)->reply.item, item);
    return !call->reply.failed;
}

enum sherd_err sherd_remote_read_all(struct sherd_remote_call *call)
{
    const enum sherd_err err = sherd_wire_read(&call->reply);

    call->broken = err != SHERD_OK;
    return err;
}

enum sherd_err sherd_remote_plain(struct sherd_anchor *anchor, enum sherd_wire_verb verb, void *head, void *out_head)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};

    SHERD_TRY(sherd_remote_begin(anchor, verb, head, &call));
    return sherd_remote_finish(&call, out_head);
}

static enum sherd_err read_refs(struct sherd_remote_call *call, struct sherd_refs *refs)
{
    struct sherd_wire_ref item;

    while (sherd_remote_next(call, &item))
        SHERD_TRY(sherd_refs_add(refs, &item.ref));
    return sherd_remote_read_all(call);
}

enum sherd_err sherd_remote_text(const char *text, char *out, size_t size)
{
    const size_t len = strlen(text);

    SHERD_ENSURE(len < size, SHERD_ERR_INVALID, "a name is too long");
    memcpy(out, text, len + 1);
    return SHERD_OK;
}

/* --- ids and leases ----------------------------------------------------------------------------------------------- */

static void remote_free(struct sherd_anchor *anchor)
{
    struct sherd_remote *remote = sherd_remote_of(anchor);

    if (remote == NULL)
        return;
    for (size_t i = 0; i < remote->idle_count; i++)
        sherd_link_free(remote->idle[i]);
    for (size_t i = 0; i < SHERD_COUNT_OF(remote->leased); i++) {
        sherd_hmac_key_free(remote->leased[i].name);
        sherd_store_keys_free(remote->leased[i].seal);
    }
    sherd_notice_close(&remote->notice);
    (void)pthread_mutex_destroy(&remote->lock);
    (void)pthread_cond_destroy(&remote->freed);
    sherd_free(remote);
}

static void remote_ids(struct sherd_anchor *anchor, struct sherd_uuid *out_deployment, struct sherd_uuid *out_tenant)
{
    *out_deployment = sherd_remote_of(anchor)->deployment;
    *out_tenant = sherd_remote_of(anchor)->tenant;
}

static const struct sherd_home *remote_home(struct sherd_anchor *anchor)
{
    (void)anchor;
    return NULL;
}

static enum sherd_err lease_call(struct sherd_remote *remote, enum sherd_role role, struct sherd_raw_lease *out_lease)
{
    struct sherd_wire_role call = {.role = role};

    return sherd_remote_plain(&remote->anchor, SHERD_WIRE_LEASE, &call, out_lease);
}

/* Lease a store key anew if it may have rotated. */
static enum sherd_err refresh_leased(void *arg, bool urgent, struct sherd_store_keys *keys)
{
    struct sherd_leased *leased = arg;
    const struct sherd_notice *notice = &leased->remote->notice;
    const uint64_t number = sherd_notice_number(notice);
    const uint64_t time_ms = sherd_clock()->monotonic_ns() / 1000000U;

    if (!urgent && notice->fd >= 0 && number == atomic_load(&leased->number) &&
        time_ms - atomic_load(&leased->time_ms) < LEASE_MS)
        return SHERD_OK;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_raw_lease *lease = sherd_secret_alloc(sizeof(*lease));
    if (lease == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(lease_call(leased->remote, leased->role, lease));
    SHERD_TRY(sherd_store_keys_set(keys, &lease->seal));
    atomic_store(&leased->number, number);
    atomic_store(&leased->time_ms, time_ms);
    return SHERD_OK;
}

/* Leases once, and keep what was leased until the anchor ends. */
static enum sherd_err keep_leased(struct sherd_remote *remote, enum sherd_role role,
                                  const struct sherd_raw_lease *lease)
{
    struct sherd_leased *kept = &remote->leased[role - 1];
    struct sherd_hmac_key *name = NULL;
    struct sherd_store_keys *seal = NULL;

    enum sherd_err err = sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(lease->name, sizeof(lease->name)), &name);
    if (err == SHERD_OK)
        err = sherd_store_keys_new(&lease->seal, refresh_leased, kept, &seal);
    (void)pthread_mutex_lock(&remote->lock);
    if (err == SHERD_OK && kept->name == NULL) {
        kept->remote = remote;
        kept->role = role;
        atomic_init(&kept->number, UINT64_MAX); /* looked at anew when it is first used */
        atomic_init(&kept->time_ms, 0);
        kept->name = name;
        kept->seal = seal;
        name = NULL;
        seal = NULL;
    }
    (void)pthread_mutex_unlock(&remote->lock);
    sherd_hmac_key_free(name);
    sherd_store_keys_free(seal);
    return err;
}

static enum sherd_err remote_lease(struct sherd_anchor *anchor, enum sherd_role role, struct sherd_entry_keys *out_keys)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_raw_lease *lease = sherd_secret_alloc(sizeof(*lease));
    struct sherd_remote *remote = sherd_remote_of(anchor);

    if (lease == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(lease_call(remote, role, lease));
    SHERD_TRY(keep_leased(remote, role, lease));
    const struct sherd_leased *leased = &remote->leased[role - 1];
    const struct sherd_entry_keys keys = {.deployment = remote->deployment,
                                          .compartment = (enum sherd_purpose)role,
                                          .name = leased->name,
                                          .versions = leased->seal};
    *out_keys = keys;
    return SHERD_OK;
}

static enum sherd_err remote_lease_raw(struct sherd_anchor *anchor, enum sherd_role role,
                                       struct sherd_raw_lease *out_lease)
{
    (void)anchor;
    (void)role;
    (void)out_lease;
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "keys that were leased are not lent on");
}

static enum sherd_err remote_compartment_entry(struct sherd_anchor *anchor, enum sherd_role role,
                                               struct sherd_ref *out_name, struct sherd_buf *out_stored)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_wire_role of = {.role = role};
    struct sherd_wire_stored entry;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_COMPARTMENT_ENTRY, &of, &call));
    SHERD_TRY(sherd_remote_finish(&call, &entry));
    SHERD_TRY(sherd_buf_append(out_stored, entry.stored));
    *out_name = entry.name;
    return SHERD_OK;
}

static enum sherd_err remote_compartment_check(struct sherd_anchor *anchor, enum sherd_role role,
                                               struct sherd_span stored)
{
    struct sherd_wire_stored call = {.role = role, .stored = stored};

    return sherd_remote_plain(anchor, SHERD_WIRE_COMPARTMENT_CHECK, &call, NULL);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static enum sherd_err remote_key_new(struct sherd_anchor *anchor, const struct sherd_collection_entry *collection,
                                     const char *entity_id, struct sherd_uuid record, uint64_t version,
                                     struct sherd_pin *out_pin, struct sherd_record_key *out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_wire_made *made = sherd_secret_alloc(sizeof(*made));
    struct sherd_wire_key_new call = {.collection = *collection, .record = record, .version = version};

    if (made == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_remote_text(entity_id, call.entity_id, sizeof(call.entity_id)));
    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_KEY_NEW, &call, made));
    *out_pin = made->pin;
    *out_key = made->key;
    return SHERD_OK;
}

/* SHERD_WIRE_PIN_COMMIT or SHERD_WIRE_PIN_REPLACE, whose items differ in what of a change they take. */
static enum sherd_err change_pins(struct sherd_anchor *anchor, enum sherd_wire_verb verb,
                                  const struct sherd_pin_change *changes, size_t count, struct sherd_refs *dropped)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_wire_change *item = sherd_secret_alloc(sizeof(*item));
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};

    if (item == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_remote_begin(anchor, verb, NULL, &call));
    struct sherd_wire *wire = sherd_link_write_keys(call.link, count * SHERD_WIRE_CHANGE_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        item->change = changes[i];
        item->with_key = changes[i].key != NULL;
        if (item->with_key)
            item->key = *changes[i].key;
        sherd_wire_code(wire, sherd_wire_call_of(verb)->call.item, item);
    }
    SHERD_TRY(sherd_remote_finish(&call, NULL));
    return read_refs(&call, dropped);
}

static enum sherd_err remote_pin_commit(struct sherd_anchor *anchor, const struct sherd_pin_change *changes,
                                        size_t count, struct sherd_refs *dropped)
{
    return change_pins(anchor, SHERD_WIRE_PIN_COMMIT, changes, count, dropped);
}

static enum sherd_err remote_key_renew(struct sherd_anchor *anchor, const struct sherd_pin *before,
                                       struct sherd_pin *out_pin, struct sherd_record_key *out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_wire_made *made = sherd_secret_alloc(sizeof(*made));
    struct sherd_wire_pin call = {.pin = *before};

    if (made == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_KEY_RENEW, &call, made));
    *out_pin = made->pin;
    *out_key = made->key;
    return SHERD_OK;
}

static enum sherd_err remote_pin_replace(struct sherd_anchor *anchor, const struct sherd_pin_change *changes,
                                         size_t count, struct sherd_refs *dropped)
{
    return change_pins(anchor, SHERD_WIRE_PIN_REPLACE, changes, count, dropped);
}

static enum sherd_err remote_pin_get(struct sherd_anchor *anchor, struct sherd_uuid record, uint64_t version,
                                     struct sherd_pin_view *out_view, struct sherd_record_key *out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_wire_got *got = sherd_secret_alloc(sizeof(*got));
    struct sherd_wire_pin_get call = {.record = record, .version = version, .with_key = out_key != NULL};

    if (got == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_PIN_GET, &call, got));
    SHERD_ENSURE(got->with_key == call.with_key, SHERD_ERR_IO,
                 "the other end of the agent's socket breaks the protocol");
    *out_view = got->view;
    if (out_key != NULL)
        *out_key = got->key;
    return SHERD_OK;
}

static enum sherd_err remote_pin_delete(struct sherd_anchor *anchor, struct sherd_uuid record,
                                        struct sherd_refs *dropped)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_wire_uuid of = {.id = record};

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_PIN_DELETE, &of, &call));
    SHERD_TRY(sherd_remote_finish(&call, NULL));
    return read_refs(&call, dropped);
}

/* --- scans -------------------------------------------------------------------------------------------------------- */

struct scan {
    sherd_anchor_visit_fn *visit;
    void *arg;
    size_t count;
    size_t count_max;
    bool end;
    struct sherd_ref last;
};

static enum sherd_err too_much(void)
{
    return sherd_fail(SHERD_ERR_IO, "the agent tells more than it was asked for");
}

/* At most count of them. */
static enum sherd_err visit_entries(struct sherd_remote_call *call, struct scan *scan, uint32_t count)
{
    struct sherd_wire_entry item = {0};

    while (sherd_remote_next(call, &item)) {
        if (count-- == 0)
            return too_much();
        const enum sherd_err err = scan->visit(scan->arg, &item.entry);
        sherd_entity_key_entry_wipe(&item.entity);
        SHERD_TRY(err);
        item = (struct sherd_wire_entry){0};
    }
    return sherd_remote_read_all(call);
}

static enum sherd_err scan_some(struct sherd_anchor *anchor, const struct sherd_ref *after, struct scan *scan)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    const size_t left = scan->count_max - scan->count;
    struct sherd_wire_scan of = {.from_first = after == NULL,
                                 .count_max = (uint32_t)(left < SCAN_MAX ? left : SCAN_MAX)};
    struct sherd_wire_scanned scanned;

    if (after != NULL)
        of.after = *after;
    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_SCAN, &of, &call));
    SHERD_TRY(sherd_remote_finish(&call, &scanned));
    if (scanned.count > of.count_max)
        return too_much();
    SHERD_ENSURE(scanned.end || scanned.count > 0, SHERD_ERR_IO, "the agent's scan does not go on");
    SHERD_TRY(visit_entries(&call, scan, scanned.count));
    if (scanned.count > 0)
        scan->last = scanned.last;
    scan->count += scanned.count;
    scan->end = scanned.end;
    return SHERD_OK;
}

static enum sherd_err remote_scan(struct sherd_anchor *anchor, const struct sherd_ref *after, size_t count_max,
                                  sherd_anchor_visit_fn *visit, void *arg, struct sherd_ref *out_last,
                                  size_t *out_count)
{
    struct scan scan = {.visit = visit, .arg = arg, .count_max = count_max};

    while (!scan.end && scan.count < count_max) {
        const struct sherd_ref last = scan.last;

        SHERD_TRY(scan_some(anchor, scan.count > 0 ? &last : after, &scan));
    }
    *out_last = scan.last;
    *out_count = scan.count;
    return SHERD_OK;
}

static enum sherd_err remote_idempotency_get(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                             struct sherd_span key, const struct sherd_digest *content_hash,
                                             struct sherd_uuid *out_record)
{
    struct sherd_wire_idempotency call = {.collection = *collection, .key = key, .content_hash = *content_hash};
    struct sherd_wire_uuid record;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_IDEMPOTENCY_GET, &call, &record));
    *out_record = record.id;
    return SHERD_OK;
}

static enum sherd_err remote_part_check(struct sherd_anchor *anchor, enum sherd_role role, const struct sherd_ref *name,
                                        struct sherd_span stored, bool *out_live)
{
    struct sherd_wire_stored call = {.role = role, .name = *name, .stored = stored};
    struct sherd_wire_live live;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_PART_CHECK, &call, &live));
    *out_live = live.live;
    return SHERD_OK;
}

static enum sherd_err remote_parts_sweep(struct sherd_anchor *anchor, bool dry_run, uint64_t *out_count)
{
    struct sherd_wire_parts_sweep call = {.dry_run = dry_run};
    struct sherd_wire_number count;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_PARTS_SWEEP, &call, &count));
    *out_count = count.number;
    return SHERD_OK;
}

static enum sherd_err remote_entry_reseal(struct sherd_anchor *anchor, enum sherd_role role,
                                          const struct sherd_ref *name, struct sherd_span stored,
                                          struct sherd_buf *out_stored)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_wire_stored of = {.role = role, .name = *name, .stored = stored};
    struct sherd_wire_stored entry;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_ENTRY_RESEAL, &of, &call));
    SHERD_TRY(sherd_remote_finish(&call, &entry));
    return sherd_buf_append(out_stored, entry.stored);
}

static enum sherd_err remote_collection_pin(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                            const struct sherd_digest *digest)
{
    struct sherd_wire_collection call = {.collection = *collection, .digest = *digest};

    return sherd_remote_plain(anchor, SHERD_WIRE_COLLECTION_PIN, &call, NULL);
}

static enum sherd_err remote_collection_check(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                              const struct sherd_digest *digest)
{
    struct sherd_wire_collection call = {.collection = *collection, .digest = *digest};

    return sherd_remote_plain(anchor, SHERD_WIRE_COLLECTION_CHECK, &call, NULL);
}

/* --- master keys and entities ------------------------------------------------------------------------------------- */

static enum sherd_err copy_option(const char *text, bool *has, char *out, size_t size)
{
    *has = text != NULL;
    return text != NULL ? sherd_remote_text(text, out, size) : SHERD_OK;
}

static enum sherd_err remote_master_activate(struct sherd_anchor *anchor, const struct sherd_master_options *options,
                                             uint64_t *out_version)
{
    struct sherd_wire_master_options call = {0};
    struct sherd_wire_number version;

    SHERD_ENSURE(options->name != NULL, SHERD_ERR_INVALID, "a master key needs a name");
    SHERD_TRY(sherd_remote_text(options->name, call.name, sizeof(call.name)));
    SHERD_TRY(copy_option(options->generator, &call.has_generator, call.generator, sizeof(call.generator)));
    SHERD_TRY(copy_option(options->store, &call.has_store, call.store, sizeof(call.store)));
    SHERD_TRY(copy_option(options->args, &call.has_args, call.args, sizeof(call.args)));
    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_MASTER_ACTIVATE, &call, &version));
    if (out_version != NULL)
        *out_version = version.number;
    return SHERD_OK;
}

static enum sherd_err remote_master_each(struct sherd_anchor *anchor, sherd_master_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_master_info info;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_MASTER_EACH, NULL, &call));
    SHERD_TRY(sherd_remote_finish(&call, NULL));
    while (sherd_remote_next(&call, &info))
        SHERD_TRY(visit(arg, &info));
    return sherd_remote_read_all(&call);
}

static enum sherd_err remote_protection_each(struct sherd_anchor *anchor, sherd_protection_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_protection_info info;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_PROTECTION_EACH, NULL, &call));
    SHERD_TRY(sherd_remote_finish(&call, NULL));
    while (sherd_remote_next(&call, &info))
        SHERD_TRY(visit(arg, &info));
    return sherd_remote_read_all(&call);
}

static enum sherd_err remote_protection_rotate(struct sherd_anchor *anchor, const struct sherd_key_store_file *turn_on,
                                               uint64_t *out_version)
{
    struct sherd_wire_key_store call = {.given = turn_on != NULL};
    struct sherd_wire_number version;

    if (turn_on != NULL) {
        SHERD_ENSURE(turn_on->path != NULL && turn_on->password.len >= 1 &&
                         turn_on->password.len <= SHERD_KEY_STORE_PASSWORD_BYTES_MAX,
                     SHERD_ERR_INVALID, "a key store needs a path and a password of 1 to 1024 bytes");
        SHERD_TRY(sherd_remote_text(turn_on->path, call.path, sizeof(call.path)));
        call.password = turn_on->password;
    }
    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_PROTECTION_ROTATE, &call, &version));
    if (out_version != NULL)
        *out_version = version.number;
    return SHERD_OK;
}

static enum sherd_err master_call(struct sherd_anchor *anchor, enum sherd_wire_verb verb, const char *name,
                                  uint64_t version)
{
    struct sherd_wire_master call = {.version = version};

    SHERD_TRY(sherd_remote_text(name, call.name, sizeof(call.name)));
    return sherd_remote_plain(anchor, verb, &call, NULL);
}

static enum sherd_err remote_master_retire(struct sherd_anchor *anchor, const char *name, uint64_t version)
{
    return master_call(anchor, SHERD_WIRE_MASTER_RETIRE, name, version);
}

static enum sherd_err remote_master_destroy(struct sherd_anchor *anchor, const char *name, uint64_t version)
{
    return master_call(anchor, SHERD_WIRE_MASTER_DESTROY, name, version);
}

static enum sherd_err remote_entity_find(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                         const char *entity_id, struct sherd_ref *out_entity)
{
    struct sherd_wire_entity call = {.collection = *collection};
    struct sherd_wire_ref entity;

    SHERD_TRY(sherd_remote_text(entity_id, call.entity_id, sizeof(call.entity_id)));
    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_ENTITY_FIND, &call, &entity));
    *out_entity = entity.ref;
    return SHERD_OK;
}

static enum sherd_err remote_entity_erase(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                          const char *entity_id)
{
    struct sherd_wire_entity call = {.collection = *collection};

    SHERD_TRY(sherd_remote_text(entity_id, call.entity_id, sizeof(call.entity_id)));
    return sherd_remote_plain(anchor, SHERD_WIRE_ENTITY_ERASE, &call, NULL);
}

/* --- rekeying and epochs ------------------------------------------------------------------------------------------ */

/*
 * A rekeying lives at the other end of one connection, which it has for itself: a call that has not ended. That of a
 * session goes over the session's one connection, between other calls.
 */
struct sherd_rekey_lent {
    struct sherd_remote_call call; /* without a connection in a session */
};

static enum sherd_err rekey_call(struct sherd_anchor *anchor, struct sherd_rekey_lent *rekey, enum sherd_wire_verb verb,
                                 void *head, void *out_head)
{
    if (rekey->call.link == NULL)
        return sherd_remote_plain(anchor, verb, head, out_head);
    const struct sherd_wire_call *shapes = sherd_wire_call_of(verb);

    rekey->call.verb = verb;
    SHERD_ENSURE(!rekey->call.broken, SHERD_ERR_IO, "the agent has hung up");
    sherd_wire_code(sherd_link_write(rekey->call.link, false), shapes->call.head, head);
    return sherd_remote_finish(&rekey->call, out_head);
}

static enum sherd_err remote_rekey_begin(struct sherd_anchor *anchor, const struct sherd_rekey_scope *scope,
                                         struct sherd_rekey **out_rekey)
{
    struct sherd_rekey_lent *rekey = sherd_alloc(sizeof(*rekey));
    struct sherd_rekey_scope copy = *scope;

    if (rekey == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = sherd_remote_begin(anchor, SHERD_WIRE_REKEY_BEGIN, &copy, &rekey->call);
    if (err == SHERD_OK)
        err = sherd_remote_finish(&rekey->call, NULL);
    if (err != SHERD_OK) {
        sherd_remote_done(&rekey->call);
        sherd_free(rekey);
        return err;
    }
    if (sherd_remote_of(anchor)->links_max == 1)
        sherd_remote_done(&rekey->call);
    *out_rekey = (struct sherd_rekey *)rekey; /* known to this file alone */
    return SHERD_OK;
}

static enum sherd_err remote_rekey_step(struct sherd_anchor *anchor, struct sherd_rekey *rekey, size_t count_max,
                                        struct sherd_rekey_progress *out_progress)
{
    struct sherd_wire_number call = {.number = count_max};
    struct sherd_rekey_progress progress;

    SHERD_TRY(rekey_call(anchor, (struct sherd_rekey_lent *)rekey, SHERD_WIRE_REKEY_STEP, &call, &progress));
    *out_progress = progress;
    return SHERD_OK;
}

static void remote_rekey_end(struct sherd_anchor *anchor, struct sherd_rekey *rekey)
{
    struct sherd_rekey_lent *lent = (struct sherd_rekey_lent *)rekey;

    if (lent == NULL)
        return;
    if (rekey_call(anchor, lent, SHERD_WIRE_REKEY_END, NULL, NULL) != SHERD_OK)
        lent->call.broken = true; /* which ends it at the other end, too */
    sherd_remote_done(&lent->call);
    sherd_free(lent);
}

static enum sherd_err remote_round_begin(struct sherd_anchor *anchor, uint16_t *out_round)
{
    struct sherd_wire_number round;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_ROUND_BEGIN, NULL, &round));
    *out_round = (uint16_t)round.number;
    return SHERD_OK;
}

static enum sherd_err remote_round_end(struct sherd_anchor *anchor, uint16_t round)
{
    struct sherd_wire_number call = {.number = round};

    return sherd_remote_plain(anchor, SHERD_WIRE_ROUND_END, &call, NULL);
}

static enum sherd_err epoch_call(struct sherd_anchor *anchor, enum sherd_wire_verb verb, uint64_t *out_epoch)
{
    struct sherd_wire_number epoch;

    SHERD_TRY(sherd_remote_plain(anchor, verb, NULL, &epoch));
    *out_epoch = epoch.number;
    return SHERD_OK;
}

static enum sherd_err remote_epoch_begin(struct sherd_anchor *anchor, uint64_t *out_epoch)
{
    return epoch_call(anchor, SHERD_WIRE_EPOCH_BEGIN, out_epoch);
}

static enum sherd_err remote_epoch_end(struct sherd_anchor *anchor, uint64_t *out_epoch)
{
    return epoch_call(anchor, SHERD_WIRE_EPOCH_END, out_epoch);
}

/* --- `keys` ------------------------------------------------------------------------------------------------------- */

static enum sherd_err remote_keys_stat(struct sherd_anchor *anchor, struct sherd_store_stat *out_stat)
{
    struct sherd_store_stat stat;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_KEYS_STAT, NULL, &stat));
    *out_stat = stat;
    return SHERD_OK;
}

static enum sherd_err remote_keys_owner(struct sherd_anchor *anchor, struct sherd_ref *out_name, bool *out_there)
{
    struct sherd_wire_owner owner;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_KEYS_OWNER, NULL, &owner));
    *out_name = owner.name;
    *out_there = owner.there;
    SHERD_ENSURE(owner.valid, SHERD_ERR_TAMPERED,
                 "compartment keys does not belong to this vault, or was changed: bring back the one that does, from a "
                 "backup");
    return SHERD_OK;
}

static enum sherd_err remote_keys_blobs(struct sherd_anchor *anchor, struct sherd_refs *blobs)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_KEYS_BLOBS, NULL, &call));
    SHERD_TRY(sherd_remote_finish(&call, NULL));
    return read_refs(&call, blobs);
}

static const struct sherd_anchor_ops remote_ops = {
    .free = remote_free,
    .ids = remote_ids,
    .home = remote_home,
    .lease = remote_lease,
    .lease_raw = remote_lease_raw,
    .compartment_entry = remote_compartment_entry,
    .compartment_check = remote_compartment_check,
    .key_new = remote_key_new,
    .pin_commit = remote_pin_commit,
    .key_renew = remote_key_renew,
    .pin_replace = remote_pin_replace,
    .round_begin = remote_round_begin,
    .round_end = remote_round_end,
    .pin_get = remote_pin_get,
    .pin_delete = remote_pin_delete,
    .scan = remote_scan,
    .idempotency_get = remote_idempotency_get,
    .part_check = remote_part_check,
    .parts_sweep = remote_parts_sweep,
    .collection_pin = remote_collection_pin,
    .collection_check = remote_collection_check,
    .master_activate = remote_master_activate,
    .master_each = remote_master_each,
    .master_retire = remote_master_retire,
    .master_destroy = remote_master_destroy,
    .policy_set = sherd_remote_policy_set,
    .policy_each = sherd_remote_policy_each,
    .entity_find = remote_entity_find,
    .entity_erase = remote_entity_erase,
    .rekey_begin = remote_rekey_begin,
    .rekey_step = remote_rekey_step,
    .rekey_end = remote_rekey_end,
    .user_create = sherd_remote_user_create,
    .user_each = sherd_remote_user_each,
    .user_disable = sherd_remote_user_disable,
    .named_create = sherd_remote_named_create,
    .named_each = sherd_remote_named_each,
    .named_grant = sherd_remote_named_grant,
    .grant_each = sherd_remote_grant_each,
    .named_find = sherd_remote_named_find,
    .principal_check = sherd_remote_principal_check,
    .challenge = sherd_remote_challenge,
    .login = sherd_remote_login,
    .entry_reseal = remote_entry_reseal,
    .epoch_begin = remote_epoch_begin,
    .epoch_end = remote_epoch_end,
    .epoch_export = sherd_remote_epoch_export,
    .epoch_adopt = sherd_remote_epoch_adopt,
    .state_take = sherd_remote_state_take,
    .state_scan = sherd_remote_state_scan,
    .state_done = sherd_remote_state_done,
    .statement_sign = sherd_remote_statement_sign,
    .statement_key = sherd_remote_statement_key,
    .ledger_run = sherd_remote_ledger_run,
    .ledger_check = sherd_remote_ledger_check,
    .ledger_note = sherd_remote_ledger_note,
    .ledger_scan = sherd_remote_ledger_scan,
    .ledger_joins = sherd_remote_ledger_joins,
    .ledger_growth = sherd_remote_ledger_growth,
    .entries_resealed = sherd_remote_entries_resealed,
    .joins_rule = sherd_remote_joins_rule,
    .book_read = sherd_remote_book_read,
    .book_position = sherd_remote_book_position,
    .book_change = sherd_remote_book_change,
    .outside_get = sherd_remote_outside_get,
    .outside_set = sherd_remote_outside_set,
    .outside_take = sherd_remote_outside_take,
    .row_sign = sherd_remote_row_sign,
    .rows_sum = sherd_remote_rows_sum,
    .keys_stat = remote_keys_stat,
    .keys_owner = remote_keys_owner,
    .keys_blobs = remote_keys_blobs,
    .protection_each = remote_protection_each,
    .protection_rotate = remote_protection_rotate,
};

/* --- beginning ---------------------------------------------------------------------------------------------------- */

static enum sherd_err hello(struct sherd_remote *remote, struct sherd_wire_hello *out_hello)
{
    struct sherd_wire_number call = {.number = SHERD_WIRE_PROTOCOL};

    SHERD_TRY(sherd_remote_plain(&remote->anchor, SHERD_WIRE_HELLO, &call, out_hello));
    SHERD_ENSURE(out_hello->protocol == SHERD_WIRE_PROTOCOL, SHERD_ERR_UNSUPPORTED,
                 "the agent is of another version: `sherd seal`, then `sherd unseal`");
    remote->deployment = out_hello->deployment;
    remote->tenant = out_hello->tenant;
    return SHERD_OK;
}

enum sherd_err sherd_remote_new(sherd_remote_connect_fn *connect, void *arg, size_t links_max,
                                struct sherd_remote **out_remote)
{
    struct sherd_remote *remote = sherd_alloc(sizeof(*remote));

    if (remote == NULL)
        return SHERD_ERR_NO_MEMORY;
    remote->anchor.ops = &remote_ops;
    remote->connect = connect;
    remote->arg = arg;
    remote->links_max = links_max;
    remote->notice.fd = -1;
    if (pthread_mutex_init(&remote->lock, NULL) != 0 || pthread_cond_init(&remote->freed, NULL) != 0) {
        sherd_free(remote);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_remote = remote;
    return SHERD_OK;
}

enum sherd_err sherd_anchor_remote(sherd_remote_connect_fn *connect, void *arg, struct sherd_wire_hello *out_hello,
                                   struct sherd_anchor **out_anchor)
{
    struct sherd_remote *remote = NULL;

    SHERD_TRY(sherd_remote_new(connect, arg, SHERD_REMOTE_LINKS_MAX, &remote));
    const enum sherd_err err = hello(remote, out_hello);
    if (err != SHERD_OK) {
        char detail[SHERD_FAIL_TEXT_SIZE];

        (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
        remote_free(&remote->anchor);
        sherd_fail_restore(detail);
        return err;
    }
    *out_anchor = &remote->anchor;
    return SHERD_OK;
}

void sherd_anchor_remote_watch(struct sherd_anchor *anchor, const struct sherd_notice *notice)
{
    sherd_remote_of(anchor)->notice = *notice;
}
