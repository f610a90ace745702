/* SPDX-License-Identifier: Apache-2.0 */
/* Rekeying: see rekey.h. */
#include "anchor/rekey.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"

#define LOCK_FILE "anchor/rekey"
/* Entries that are gathered before they are worked on. */
#define PAGE_MAX ((size_t)256)
/* A record that is changed by others whenever it is looked at is looked at again, in that many passes. */
#define PASSES_MAX 100U
/* The longest entry of the kinds that are rekeyed. */
#define STORED_MAX ((size_t)512)

enum phase {
    PHASE_ENTITIES,
    PHASE_PINS,
    PHASE_TRIM,
    PHASE_DONE,
};

struct item {
    struct sherd_ref name;
    enum sherd_kind kind;
    size_t len;
    uint8_t stored[STORED_MAX];
};

struct sherd_rekey {
    struct sherd_rekey_parts parts;
    struct sherd_rekey_scope scope;
    struct sherd_file_lock lock;
    struct sherd_rekey_progress progress;
    enum phase phase;
    unsigned passes;
    uint64_t wrapped; /* in this pass */
    uint64_t left;    /* in this pass, what others were changing */
    bool begun;       /* after says where the next page begins */
    struct sherd_ref after;
    size_t count;
    struct item *page;
};

static enum sherd_err begin(struct sherd_rekey *rekey)
{
    rekey->page = sherd_alloc_array(PAGE_MAX, sizeof(*rekey->page));
    if (rekey->page == NULL)
        return SHERD_ERR_NO_MEMORY;
    return sherd_home_try_lock(rekey->parts.home, LOCK_FILE, &rekey->lock);
}

enum sherd_err sherd_rekey_begin(const struct sherd_rekey_parts *parts, const struct sherd_rekey_scope *scope,
                                 struct sherd_rekey **out_rekey)
{
    struct sherd_rekey *rekey = sherd_alloc(sizeof(*rekey));

    if (rekey == NULL)
        return SHERD_ERR_NO_MEMORY;
    rekey->parts = *parts;
    rekey->scope = *scope;
    rekey->lock.fd = -1;
    const enum sherd_err err = begin(rekey);
    if (err != SHERD_OK) {
        sherd_rekey_free(rekey);
        return err;
    }
    *out_rekey = rekey;
    return SHERD_OK;
}

void sherd_rekey_free(struct sherd_rekey *rekey)
{
    if (rekey == NULL)
        return;
    if (rekey->lock.fd >= 0)
        sherd_file_lock_leave(&rekey->lock);
    sherd_free(rekey->page);
    sherd_free(rekey);
}

/* --- pages -------------------------------------------------------------------------------------------------------- */

struct gather {
    const struct sherd_entry_keys *keys;
    struct item *page;
    size_t room;
    size_t count; /* gathered */
    size_t seen;
    size_t seen_max;
    bool full;
    struct sherd_ref last;
};

static bool is_rekeyed(enum sherd_kind kind)
{
    return kind == SHERD_KIND_ENTITY_KEY || kind == SHERD_KIND_OLD_ENTITY_KEY || kind == SHERD_KIND_ENTITY_LOOKUP ||
           kind == SHERD_KIND_PIN || kind == SHERD_KIND_OLD_PIN;
}

static enum sherd_err gather_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct gather *gather = arg;
    struct item *item = &gather->page[gather->count];

    gather->full = gather->seen == gather->seen_max || gather->count == gather->room;
    if (gather->full)
        return SHERD_ERR_LIMIT; /* taken back in gather_page() */
    gather->seen++;
    gather->last = name;
    SHERD_TRY(sherd_entry_kind(gather->keys, stored, &item->kind));
    if (!is_rekeyed(item->kind) || stored.len > sizeof(item->stored))
        return SHERD_OK;
    item->name = name;
    item->len = stored.len;
    memcpy(item->stored, stored.data, stored.len);
    gather->count++;
    return SHERD_OK;
}

/* The next entries behind *after (from the first if NULL). */
static enum sherd_err gather_page(const struct sherd_pins *pins, const struct sherd_ref *after, struct gather *gather)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(pins->compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, after, gather_one, gather);
    sherd_snapshot_end(snapshot);
    return gather->full ? SHERD_OK : err;
}

/* --- entities ----------------------------------------------------------------------------------------------------- */

static bool in_scope(const struct sherd_rekey *rekey, const struct sherd_uuid *collection,
                     const struct sherd_ref *entity)
{
    if (rekey->scope.one_entity)
        return sherd_same(&rekey->scope.entity, entity, sizeof(*entity));
    return !rekey->scope.one_collection || sherd_same(&rekey->scope.collection, collection, sizeof(*collection));
}

static enum sherd_err open_entity(const struct sherd_rekey *rekey, const struct item *item,
                                  struct sherd_entity_key_entry *out_entry)
{
    return sherd_entities_open(rekey->parts.entities, item->kind, &item->name, sherd_span_of(item->stored, item->len),
                               out_entry);
}

static enum sherd_err renew_entity(struct sherd_rekey *rekey, const struct item *item)
{
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {0};
    const struct sherd_entities_renewal renewal = {.fresh_key = rekey->scope.fresh_keys};
    enum sherd_err err = SHERD_ERR_CONFLICT;
    bool changed = false;

    SHERD_TRY(open_entity(rekey, item, &entry));
    if (item->kind != SHERD_KIND_ENTITY_KEY || !in_scope(rekey, &entry.collection, &entry.entity))
        return SHERD_OK;
    for (unsigned tries = 0; tries < PASSES_MAX && err == SHERD_ERR_CONFLICT; tries++)
        err = sherd_entities_renew(rekey->parts.entities, &entry.entity, &renewal, &changed);
    rekey->progress.entity_count += changed ? 1 : 0;
    return err;
}

static enum sherd_err trim_entity(struct sherd_rekey *rekey, const struct item *item)
{
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {0};
    enum sherd_err err = SHERD_ERR_CONFLICT;

    SHERD_TRY(open_entity(rekey, item, &entry));
    if (item->kind != SHERD_KIND_ENTITY_KEY || !in_scope(rekey, &entry.collection, &entry.entity))
        return SHERD_OK;
    for (unsigned tries = 0; tries < PASSES_MAX && err == SHERD_ERR_CONFLICT; tries++)
        err = sherd_entities_trim(rekey->parts.entities, &entry.entity);
    return err;
}

static bool is_entity(enum sherd_kind kind)
{
    return kind == SHERD_KIND_ENTITY_KEY || kind == SHERD_KIND_OLD_ENTITY_KEY;
}

/* --- pins --------------------------------------------------------------------------------------------------------- */

/* A write set of pins that were wrapped anew. */
struct batch {
    size_t count;
    struct sherd_store_op ops[PAGE_MAX];
    struct sherd_buf stored[PAGE_MAX];
    uint8_t blocks[PAGE_MAX][STORED_MAX];
};

/* Wrap a pin's key anew and add it to the batch, if it is in scope and not up to date. */
static enum sherd_err wrap_pin(struct sherd_rekey *rekey, const struct item *item, struct sherd_record_key *key,
                               struct batch *batch)
{
    struct sherd_buf *stored = &batch->stored[batch->count];
    struct sherd_pin pin;
    bool up_to_date = true;

    SHERD_TRY(sherd_pins_check(rekey->parts.pins, item->kind, &item->name, sherd_span_of(item->stored, item->len),
                               &pin));
    if (!in_scope(rekey, &pin.collection, &pin.entity))
        return SHERD_OK;
    enum sherd_err err = sherd_entities_up_to_date(rekey->parts.entities, &pin, &up_to_date);
    if (err == SHERD_ERR_NOT_FOUND) /* its entity was erased: the sweeper's */
        return SHERD_OK;
    SHERD_TRY(err);
    if (up_to_date)
        return SHERD_OK;
    err = sherd_entities_unwrap(rekey->parts.entities, &pin, key);
    if (err == SHERD_OK)
        err = sherd_entities_wrap(rekey->parts.entities, key, &pin);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    *stored = sherd_buf_borrow(batch->blocks[batch->count], STORED_MAX);
    SHERD_TRY(sherd_pins_store(rekey->parts.pins, item->kind, &item->name, &pin, stored));
    batch->ops[batch->count++] = (struct sherd_store_op){.kind = SHERD_STORE_PUT,
                                                         .expect = SHERD_EXPECT_EQUALS,
                                                         .name = item->name,
                                                         .value = sherd_buf_span(stored),
                                                         .expected = sherd_span_of(item->stored, item->len)};
    return SHERD_OK;
}

/* All at once; where one of them was changed meanwhile, one by one, and that one is left for the next pass. */
static enum sherd_err write_batch(struct sherd_rekey *rekey, const struct batch *batch)
{
    struct sherd_compartment *keys = rekey->parts.pins->compartment;

    if (batch->count == 0)
        return SHERD_OK;
    SHERD_FAILPOINT("rekey.before_write");
    enum sherd_err err = sherd_compartment_write(keys, batch->ops, batch->count);
    if (err == SHERD_OK)
        rekey->wrapped += batch->count;
    for (size_t i = 0; i < batch->count && err == SHERD_ERR_CONFLICT; i++) {
        const enum sherd_err one = sherd_compartment_write(keys, &batch->ops[i], 1);

        if (one == SHERD_OK)
            rekey->wrapped++;
        else if (one == SHERD_ERR_CONFLICT)
            rekey->left++;
        else
            err = one;
    }
    return err == SHERD_ERR_CONFLICT ? SHERD_OK : err;
}

static enum sherd_err wrap_pins(struct sherd_rekey *rekey, struct batch *batch)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_record_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < rekey->count; i++)
        if (rekey->page[i].kind == SHERD_KIND_PIN || rekey->page[i].kind == SHERD_KIND_OLD_PIN)
            SHERD_TRY(wrap_pin(rekey, &rekey->page[i], key, batch));
    return write_batch(rekey, batch);
}

/* --- the walk ----------------------------------------------------------------------------------------------------- */

static enum sherd_err work_on_page(struct sherd_rekey *rekey)
{
    if (rekey->phase == PHASE_PINS) {
        struct batch *batch = sherd_alloc(sizeof(*batch));

        if (batch == NULL)
            return SHERD_ERR_NO_MEMORY;
        const enum sherd_err err = wrap_pins(rekey, batch);
        sherd_free(batch);
        return err;
    }
    for (size_t i = 0; i < rekey->count; i++)
        if (is_entity(rekey->page[i].kind))
            SHERD_TRY(rekey->phase == PHASE_ENTITIES ? renew_entity(rekey, &rekey->page[i])
                                                     : trim_entity(rekey, &rekey->page[i]));
    return SHERD_OK;
}

/*
 * Whether the pins must be gone through again. After a pass every head is up to date and stays so; but an update may
 * have moved one that was not yet to the name of an older version that the pass was past. So the last pass is one that
 * found nothing to do.
 */
static bool is_pass_over(struct sherd_rekey *rekey)
{
    const bool over = rekey->wrapped == 0 && rekey->left == 0;

    rekey->progress.record_count += rekey->wrapped;
    rekey->wrapped = 0;
    rekey->left = 0;
    return over;
}

/* A pass has come to the end of `keys`. */
static enum sherd_err next_phase(struct sherd_rekey *rekey)
{
    rekey->begun = false;
    if (rekey->phase == PHASE_ENTITIES) {
        SHERD_FAILPOINT("rekey.before_tell");
        SHERD_TRY(sherd_ring_tell(rekey->parts.ring));
        rekey->progress.instant_wanted = true;
    } else if (rekey->phase == PHASE_PINS && !is_pass_over(rekey)) {
        if (++rekey->passes == PASSES_MAX)
            return sherd_fail(SHERD_ERR_BUSY, "some records are changed again and again: rekey again later");
        return SHERD_OK;
    }
    rekey->phase++;
    rekey->progress.done = rekey->phase == PHASE_DONE;
    return SHERD_OK;
}

enum sherd_err sherd_rekey_step(struct sherd_rekey *rekey, size_t count_max, struct sherd_rekey_progress *out_progress)
{
    struct gather gather = {
        .keys = &rekey->parts.pins->keys, .page = rekey->page, .room = PAGE_MAX, .seen_max = count_max};

    rekey->progress.instant_wanted = false;
    if (rekey->phase != PHASE_DONE) {
        SHERD_TRY(gather_page(rekey->parts.pins, rekey->begun ? &rekey->after : NULL, &gather));
        rekey->count = gather.count;
        SHERD_TRY(work_on_page(rekey));
        rekey->progress.seen += gather.seen;
        rekey->after = gather.last;
        rekey->begun = true;
        if (!gather.full)
            SHERD_TRY(next_phase(rekey));
    }
    *out_progress = rekey->progress;
    out_progress->record_count += rekey->wrapped;
    return SHERD_OK;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

static enum sherd_err count_item(const struct sherd_rekey_parts *parts, const struct item *item,
                                 struct sherd_rekey_references *references)
{
    const struct sherd_span stored = sherd_span_of(item->stored, item->len);
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {0};
    struct sherd_entity_lookup lookup;
    struct sherd_pin pin;

    if (item->kind == SHERD_KIND_ENTITY_LOOKUP) {
        SHERD_TRY(sherd_entities_open_lookup(parts->entities, &item->name, stored, &lookup));
        references->master_count += sherd_same(&lookup.hash, &references->master, sizeof(lookup.hash)) ? 1 : 0;
        return SHERD_OK;
    }
    if (is_entity(item->kind)) {
        SHERD_TRY(sherd_entities_open(parts->entities, item->kind, &item->name, stored, &entry));
        if (entry.state == SHERD_ENTITY_ERASED)
            return SHERD_OK;
        references->master_count += sherd_same(&entry.master, &references->master, sizeof(entry.master)) ? 1 : 0;
        references->epoch_count += !entry.derived && entry.epoch < references->epoch ? 1 : 0;
        return SHERD_OK;
    }
    SHERD_TRY(sherd_pins_check(parts->pins, item->kind, &item->name, stored, &pin));
    if (pin.epoch < references->epoch) {
        const enum sherd_err err = sherd_entities_live(parts->entities, &pin.entity);

        if (err != SHERD_ERR_NOT_FOUND)
            SHERD_TRY(err);
        references->epoch_count += err == SHERD_OK ? 1 : 0;
    }
    return SHERD_OK;
}

static enum sherd_err count_pages(const struct sherd_rekey_parts *parts, struct item *page,
                                  struct sherd_rekey_references *references)
{
    struct gather gather;
    struct sherd_ref after;
    bool begun = false;

    do {
        gather = (struct gather){.keys = &parts->pins->keys, .page = page, .room = PAGE_MAX, .seen_max = SIZE_MAX};
        SHERD_TRY(gather_page(parts->pins, begun ? &after : NULL, &gather));
        for (size_t i = 0; i < gather.count; i++)
            SHERD_TRY(count_item(parts, &page[i], references));
        after = gather.last;
        begun = true;
    } while (gather.full);
    return SHERD_OK;
}

enum sherd_err sherd_rekey_count(const struct sherd_rekey_parts *parts, struct sherd_rekey_references *references)
{
    struct item *page = sherd_alloc_array(PAGE_MAX, sizeof(*page));

    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    references->master_count = 0;
    references->epoch_count = 0;
    const enum sherd_err err = count_pages(parts, page, references);
    sherd_free(page);
    return err;
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

static enum sherd_err begin_round(void *arg, struct sherd_keyring *keyring)
{
    uint16_t *round = arg;

    SHERD_ENSURE(keyring->round < UINT16_MAX, SHERD_ERR_LIMIT, "there were too many deep rekeyings");
    if (keyring->round == keyring->round_ended)
        keyring->round++;
    *round = (uint16_t)keyring->round;
    return SHERD_OK;
}

enum sherd_err sherd_rekey_round_begin(struct sherd_ring *ring, uint16_t *out_round)
{
    return sherd_ring_change(ring, begin_round, out_round);
}

static enum sherd_err end_round(void *arg, struct sherd_keyring *keyring)
{
    const uint16_t *round = arg;

    SHERD_ENSURE(keyring->round == *round, SHERD_ERR_CONFLICT, "somebody else has begun another deep rekeying");
    keyring->round_ended = *round;
    return SHERD_OK;
}

enum sherd_err sherd_rekey_round_end(struct sherd_ring *ring, uint16_t round)
{
    return sherd_ring_change(ring, end_round, &round);
}
