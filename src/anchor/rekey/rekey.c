/* SPDX-License-Identifier: Apache-2.0 */
/* Rekeying: see rekey.h. */
#include "anchor/rekey/rekey.h"
#include "anchor/rekey/rekey_stores.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"

#define LOCK_FILE "anchor/rekey"
/*
 * Entries that are gathered before they are worked on: the beginning of a scan costs as much as some hundred of them.
 */
#define PAGE_MAX ((size_t)4096)
/* Pins that are written together. */
#define BATCH_MAX ((size_t)512)
/* A record that is changed by others whenever it is looked at is looked at again, in that many passes. */
#define PASSES_MAX 100U
/* The longest entry of the kinds that are rekeyed. */
#define STORED_MAX ((size_t)512)

enum phase {
    PHASE_ENTITIES,
    PHASE_PINS,
    PHASE_TRIM,
    PHASE_STORES,
    PHASE_DONE,
};

struct item {
    struct sherd_ref name;
    enum sherd_kind kind;
    size_t len;
    uint8_t stored[STORED_MAX];
};

/* Pins whose stored bytes are known to be up to date, one in each slot, by the tags that they end with. */
#define KNOWN_MIN ((size_t)1 << 8)
#define KNOWN_MAX ((size_t)1 << 20)
#define TAG_BYTES SHERD_AEAD_TAG_SIZE

struct known {
    uint64_t number; /* the notice when they were */
    size_t count;    /* slots, about as many as there are entries */
    uint8_t (*tags)[TAG_BYTES];
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
    struct known known;
    struct sherd_rekey_stores stores;
};

static enum sherd_err begin_known(const struct sherd_rekey_parts *parts, struct known *known)
{
    struct sherd_store_stat stat;

    SHERD_TRY(sherd_compartment_stat(parts->pins->compartment, &stat));
    known->count = KNOWN_MIN;
    while (known->count < stat.entry_count && known->count < KNOWN_MAX)
        known->count *= 2;
    known->number = sherd_ring_number(parts->ring);
    known->tags = sherd_alloc_array(known->count, TAG_BYTES);
    return known->tags != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
}

static enum sherd_err begin(struct sherd_rekey *rekey)
{
    rekey->page = sherd_alloc_array(PAGE_MAX, sizeof(*rekey->page));
    if (rekey->page == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(begin_known(&rekey->parts, &rekey->known));
    SHERD_TRY(sherd_home_try_lock(rekey->parts.home, LOCK_FILE, &rekey->lock));
    return sherd_rekey_stores_begin(&rekey->parts, &rekey->stores);
}

enum sherd_err sherd_rekey_begin(const struct sherd_rekey_parts *parts, const struct sherd_rekey_scope *scope,
                                 struct sherd_rekey **out_rekey)
{
    struct sherd_rekey *rekey = sherd_alloc(sizeof(*rekey));

    if (rekey == NULL)
        return SHERD_ERR_NO_MEMORY;
    rekey->parts = *parts;
    rekey->scope = *scope;
    rekey->phase = scope->under_key ? PHASE_PINS : PHASE_ENTITIES;
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
    sherd_rekey_stores_done(&rekey->stores);
    if (rekey->lock.fd >= 0)
        sherd_file_lock_leave(&rekey->lock);
    sherd_free(rekey->page);
    sherd_free(rekey->known.tags);
    sherd_free(rekey);
}

/* --- pages -------------------------------------------------------------------------------------------------------- */

typedef bool wanted_fn(enum sherd_kind kind);

struct gather {
    const struct sherd_entry_keys *keys;
    wanted_fn *wanted;
    struct item *page;
    size_t room;
    size_t count; /* gathered */
    size_t seen;
    size_t seen_max;
    bool full;
    struct sherd_ref last;
};

static bool is_entity(enum sherd_kind kind)
{
    return kind == SHERD_KIND_ENTITY_KEY || kind == SHERD_KIND_OLD_ENTITY_KEY;
}

static bool is_pin(enum sherd_kind kind)
{
    return kind == SHERD_KIND_PIN || kind == SHERD_KIND_OLD_PIN;
}

static bool is_rekeyed(enum sherd_kind kind)
{
    return is_entity(kind) || kind == SHERD_KIND_ENTITY_LOOKUP || is_pin(kind);
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
    if (!gather->wanted(item->kind) || stored.len > sizeof(item->stored))
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
    if (rekey->scope.one_key)
        return sherd_same(&rekey->scope.key, entity, sizeof(*entity));
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

/* How many keys of a page lie under a version of a master key in an epoch, and would be wrapped anew. */
struct pile {
    struct sherd_ref master;
    uint64_t epoch;
    uint64_t wraps;
};

struct piles {
    size_t count;
    struct pile at[2 * SHERD_MASTERS_MAX]; /* what has no room is reserved as it comes */
};

/* Uses that an entry's renewal takes where it is not up to date; a fresh key's takes them in any case. */
static uint64_t wraps_of(const struct sherd_rekey *rekey, const struct item *item,
                         const struct sherd_entity_key_entry *entry)
{
    if (entry->state == SHERD_ENTITY_ERASED || !in_scope(rekey, &entry->collection, &entry->entity))
        return 0;
    if (item->kind == SHERD_KIND_OLD_ENTITY_KEY)
        return entry->derived ? 0 : 1;
    return rekey->scope.fresh_keys && !entry->derived ? 2 : 1;
}

static void pile_up(struct piles *piles, const struct sherd_entity_key_entry *entry, uint64_t wraps)
{
    size_t i = 0;

    while (i < piles->count && (piles->at[i].epoch != entry->epoch ||
                                !sherd_same(&piles->at[i].master, &entry->master, sizeof(entry->master))))
        i++;
    if (i == SHERD_COUNT_OF(piles->at))
        return;
    if (i == piles->count)
        piles->at[piles->count++] = (struct pile){.master = entry->master, .epoch = entry->epoch};
    piles->at[i].wraps += wraps;
}

/* Turn piles into what is wanted of the versions that wrap now; what is up to date wants nothing. */
static enum sherd_err aim_piles(const struct sherd_rekey *rekey, struct piles *piles)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(rekey->parts.ring, &keyring));
    for (size_t i = 0; i < piles->count; i++) {
        struct pile *pile = &piles->at[i];
        const struct sherd_master *master = sherd_keyring_master(keyring, &pile->master);
        const struct sherd_master *active = master != NULL ? sherd_keyring_active(keyring, master->name) : NULL;

        if (active == NULL || (active == master && pile->epoch == keyring->epoch && !rekey->scope.fresh_keys))
            pile->wraps = 0;
        else
            pile->master = active->kid;
    }
    sherd_ring_leave(rekey->parts.ring);
    return SHERD_OK;
}

/* What is wanted of one version, whatever it lies under now. */
static uint64_t wanted_of(struct piles *piles, const struct sherd_ref *master)
{
    uint64_t wraps = 0;

    for (size_t i = 0; i < piles->count; i++)
        if (sherd_same(&piles->at[i].master, master, sizeof(*master))) {
            wraps += piles->at[i].wraps;
            piles->at[i].wraps = 0;
        }
    return wraps;
}

/* Uses of master keys are reserved for a page at once. */
static enum sherd_err expect_page(const struct sherd_rekey *rekey)
{
    struct piles piles = {.count = 0};

    for (size_t i = 0; i < rekey->count; i++) {
        SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {0};

        SHERD_TRY(open_entity(rekey, &rekey->page[i], &entry));
        const uint64_t wraps = wraps_of(rekey, &rekey->page[i], &entry);
        if (wraps > 0)
            pile_up(&piles, &entry, wraps);
    }
    SHERD_TRY(aim_piles(rekey, &piles));
    for (size_t i = 0; i < piles.count; i++) {
        const uint64_t wraps = wanted_of(&piles, &piles.at[i].master);

        if (wraps > 0)
            SHERD_TRY(sherd_masters_expect(rekey->parts.masters, &piles.at[i].master, wraps));
    }
    return SHERD_OK;
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

/* --- pins --------------------------------------------------------------------------------------------------------- */

/*
 * The last pass is over pins that one before it has written or found up to date, and nearly all lie there still, byte
 * for byte: those it need not open again. What a tag does not tell apart does not verify, and is for verify to find.
 */
static uint8_t *known_slot(const struct sherd_rekey *rekey, const struct sherd_ref *name)
{
    return rekey->known.tags[sherd_get_u32(name->bytes) % rekey->known.count];
}

static const uint8_t *tag_of(struct sherd_span stored)
{
    return stored.data + stored.len - TAG_BYTES;
}

static bool is_known(const struct sherd_rekey *rekey, const struct item *item)
{
    return sherd_same(known_slot(rekey, &item->name), tag_of(sherd_span_of(item->stored, item->len)), TAG_BYTES);
}

static void note_known(const struct sherd_rekey *rekey, const struct sherd_ref *name, struct sherd_span stored)
{
    memcpy(known_slot(rekey, name), tag_of(stored), TAG_BYTES);
}

/* When somebody has changed keys, nothing is known any more. */
static void forget_known(struct sherd_rekey *rekey)
{
    const uint64_t number = sherd_ring_number(rekey->parts.ring);

    if (number != rekey->known.number)
        memset(rekey->known.tags, 0, rekey->known.count * TAG_BYTES);
    rekey->known.number = number;
}

/* A write set of pins that were wrapped anew. */
struct batch {
    size_t count;
    struct sherd_store_op ops[BATCH_MAX];
    struct sherd_store_op set[BATCH_MAX + 1]; /* some of them, and the guard */
    struct sherd_buf stored[BATCH_MAX];
    uint8_t blocks[BATCH_MAX][STORED_MAX];
};

static bool is_pin_in_scope(const struct sherd_rekey *rekey, const struct sherd_pin *pin)
{
    if (rekey->scope.one_key)
        return pin->has_named_key && sherd_same(&rekey->scope.key, &pin->named_key, sizeof(pin->named_key));
    return in_scope(rekey, &pin->collection, &pin->entity);
}

/* Bring a pin under the named key of the scope, too. */
static enum sherd_err move_pin(struct sherd_rekey *rekey, struct sherd_record_key *room, struct sherd_pin *pin,
                               bool *out_changed)
{
    SHERD_TRY(sherd_entities_unwrap(rekey->parts.entities, pin, room));
    pin->has_named_key = true;
    pin->named_key = rekey->scope.key;
    SHERD_TRY(sherd_entities_wrap(rekey->parts.entities, room, pin));
    *out_changed = true;
    return SHERD_OK;
}

/* Wrap a pin's key anew and add it to the batch, if it is in scope and not up to date. */
static enum sherd_err wrap_pin(struct sherd_rekey *rekey, const struct item *item, struct sherd_record_key *key,
                               struct batch *batch)
{
    struct sherd_buf *stored = &batch->stored[batch->count];
    struct sherd_pin pin;
    bool changed = false;

    if (is_known(rekey, item))
        return SHERD_OK;
    SHERD_TRY(sherd_pins_check(rekey->parts.pins, item->kind, &item->name, sherd_span_of(item->stored, item->len),
                               &pin));
    const bool move = rekey->scope.under_key && !pin.has_named_key;
    if (!is_pin_in_scope(rekey, &pin) || (rekey->scope.under_key && !move))
        return SHERD_OK;
    const enum sherd_err err = move ? move_pin(rekey, key, &pin, &changed)
                                    : sherd_entities_rewrap(rekey->parts.entities, key, &pin, &changed);
    if (err == SHERD_ERR_NOT_FOUND) /* its entity was erased: the sweeper's */
        return SHERD_OK;
    SHERD_TRY(err);
    if (!changed) {
        note_known(rekey, &item->name, sherd_span_of(item->stored, item->len));
        return SHERD_OK;
    }
    *stored = sherd_buf_borrow(batch->blocks[batch->count], STORED_MAX);
    SHERD_TRY(sherd_pins_store(rekey->parts.pins, item->kind, &item->name, &pin, stored));
    batch->ops[batch->count++] = (struct sherd_store_op){.kind = SHERD_STORE_PUT,
                                                         .expect = SHERD_EXPECT_EQUALS,
                                                         .name = item->name,
                                                         .value = sherd_buf_span(stored),
                                                         .expected = sherd_span_of(item->stored, item->len)};
    return SHERD_OK;
}

/*
 * Some of a batch, with the guard of the keyring.
 * @param[out] out_lost  refused since the keys were changed
 */
static enum sherd_err write_guarded(struct sherd_rekey *rekey, struct batch *batch, size_t first, size_t count,
                                    bool *out_lost)
{
    struct sherd_event event = {.kind = SHERD_EVENT_REWRAP, .count = count};

    memcpy(batch->set, &batch->ops[first], count * sizeof(*batch->set));
    return sherd_ring_write(rekey->parts.ring, batch->set, count, &event, 1, out_lost);
}

/*
 * All at once; where one of them was changed meanwhile, by halves, down to that one, which the next pass does. Where
 * the keys were changed, the next pass looks at all of them anew.
 */
static enum sherd_err write_some(struct sherd_rekey *rekey, struct batch *batch, size_t first, size_t count)
{
    const struct sherd_store_op *ops = &batch->ops[first];
    bool lost;

    const enum sherd_err err = write_guarded(rekey, batch, first, count, &lost);
    for (size_t i = 0; i < count && err == SHERD_OK; i++)
        note_known(rekey, &ops[i].name, ops[i].value);
    if (err == SHERD_OK)
        rekey->wrapped += count;
    if (err != SHERD_ERR_CONFLICT)
        return err;
    if (count == 1 || lost) {
        rekey->left += count;
        return SHERD_OK;
    }
    SHERD_TRY(write_some(rekey, batch, first, count / 2));
    return write_some(rekey, batch, first + count / 2, count - count / 2);
}

static enum sherd_err write_batch(struct sherd_rekey *rekey, struct batch *batch)
{
    const size_t count = batch->count;

    if (count == 0)
        return SHERD_OK;
    SHERD_FAILPOINT("rekey.before_write");
    batch->count = 0;
    return write_some(rekey, batch, 0, count);
}

static enum sherd_err wrap_pins(struct sherd_rekey *rekey, struct batch *batch)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_record_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    forget_known(rekey);
    for (size_t i = 0; i < rekey->count; i++) {
        SHERD_TRY(wrap_pin(rekey, &rekey->page[i], key, batch));
        if (batch->count == BATCH_MAX)
            SHERD_TRY(write_batch(rekey, batch));
    }
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
    if (rekey->phase == PHASE_ENTITIES)
        SHERD_TRY(expect_page(rekey));
    for (size_t i = 0; i < rekey->count; i++)
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

static bool is_everything(const struct sherd_rekey_scope *scope)
{
    return !scope->one_collection && !scope->one_entity && !scope->one_key && !scope->under_key;
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
    rekey->phase = rekey->scope.under_key ? PHASE_DONE : rekey->phase + 1;
    if (rekey->phase == PHASE_STORES && (!is_everything(&rekey->scope) || sherd_rekey_stores_idle(&rekey->stores)))
        rekey->phase++;
    rekey->progress.done = rekey->phase == PHASE_DONE;
    return SHERD_OK;
}

/* Store keys are walked over in other ways. */
static enum sherd_err step_stores(struct sherd_rekey *rekey, size_t count_max)
{
    SHERD_TRY(sherd_rekey_stores_step(&rekey->parts, &rekey->stores, count_max, &rekey->progress));
    if (rekey->progress.done)
        rekey->phase = PHASE_DONE;
    return SHERD_OK;
}

enum sherd_err sherd_rekey_step(struct sherd_rekey *rekey, size_t count_max, struct sherd_rekey_progress *out_progress)
{
    struct gather gather = {.keys = &rekey->parts.pins->keys,
                            .wanted = rekey->phase == PHASE_PINS ? is_pin : is_entity,
                            .page = rekey->page,
                            .room = PAGE_MAX,
                            .seen_max = count_max};

    rekey->progress.instant_wanted = false;
    rekey->progress.reseal_wanted = 0;
    if (rekey->phase == PHASE_STORES) {
        SHERD_TRY(step_stores(rekey, count_max));
    } else if (rekey->phase != PHASE_DONE) {
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
    const bool of_epoch = pin.epoch < references->epoch;
    const bool of_secrets = pin.secrets_key_version < references->secrets_below;
    if (of_epoch || of_secrets) {
        const enum sherd_err err = sherd_entities_live(parts->entities, &pin.entity);

        if (err != SHERD_ERR_NOT_FOUND)
            SHERD_TRY(err);
        references->epoch_count += err == SHERD_OK && of_epoch ? 1 : 0;
        references->secrets_count += err == SHERD_OK && of_secrets ? 1 : 0;
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
        gather = (struct gather){
            .keys = &parts->pins->keys, .wanted = is_rekeyed, .page = page, .room = PAGE_MAX, .seen_max = SIZE_MAX};
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
    references->secrets_count = 0;
    const enum sherd_err err = count_pages(parts, page, references);
    sherd_free(page);
    return err;
}

/* The versions of a name below a floor. @param[out] out_kids  room for SHERD_MASTERS_MAX */
static enum sherd_err versions_below(const struct sherd_rekey_parts *parts, const char *name, uint64_t floor,
                                     struct sherd_ref *out_kids, size_t *out_count)
{
    const struct sherd_keyring *keyring;
    enum sherd_err err = SHERD_OK;

    *out_count = 0;
    SHERD_TRY(sherd_ring_hold(parts->ring, &keyring));
    const struct sherd_master *active = sherd_keyring_active(keyring, name);
    if (active == NULL)
        err = sherd_fail(SHERD_ERR_NOT_FOUND, "there is no master key %.63s", name);
    else if (floor > active->version)
        err = sherd_fail(SHERD_ERR_INVALID, "the version that wraps, %llu, would lie below that floor",
                         (unsigned long long)active->version);
    for (size_t i = 0; i < keyring->master_count && err == SHERD_OK; i++)
        if (strcmp(keyring->masters[i].name, name) == 0 && keyring->masters[i].version < floor)
            out_kids[(*out_count)++] = keyring->masters[i].kid;
    sherd_ring_leave(parts->ring);
    return err;
}

enum sherd_err sherd_rekey_floor_check(const struct sherd_rekey_parts *parts, const char *name, uint64_t floor)
{
    struct sherd_ref kids[SHERD_MASTERS_MAX];
    size_t count;

    SHERD_TRY(versions_below(parts, name, floor, kids, &count));
    for (size_t i = 0; i < count; i++) {
        struct sherd_rekey_references references = {.master = kids[i]};

        SHERD_TRY(sherd_rekey_count(parts, &references));
        if (references.master_count > 0)
            return sherd_fail(SHERD_ERR_CONFLICT,
                              "%llu entries still refer to a version below that floor: run `sherd rekey` first",
                              (unsigned long long)references.master_count);
    }
    return SHERD_OK;
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
