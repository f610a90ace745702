/* SPDX-License-Identifier: Apache-2.0 */
/* Write sets with their events: see changes.h. */
#include "anchor/ring/changes.h"
#include "anchor/ring/actor.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include <string.h>

/* How often a set is tried that somebody else's change came before. */
#define TRIES_MAX 16U
/* Sets of so many operations need no memory of the heap. */
#define OPS_SMALL 12U
#define PENDING_ZEROS 8U

struct sherd_changes {
    struct sherd_compartment *compartment;
    struct sherd_entry_keys keys;
    const struct sherd_leaf_keys *leaves;
    sherd_changes_written_fn *written; /* NULL: nobody asks */
    void *written_arg;
};

/* A set as it goes to the store: the caller's operations, then the pending blocks. */
struct set {
    struct sherd_store_op *ops;
    size_t count;
    struct sherd_buf read;   /* what was read of entries of which nothing was expected */
    struct sherd_buf last;   /* the same, at the try before */
    struct sherd_buf blocks; /* pending blocks as they are stored */
    struct sherd_digest delta;
    bool any_read;
};

enum sherd_err sherd_changes_new(struct sherd_compartment *compartment, const struct sherd_entry_keys *keys,
                                 const struct sherd_leaf_keys *leaves, struct sherd_changes **out_changes)
{
    struct sherd_changes *changes = sherd_alloc(sizeof(*changes));

    if (changes == NULL)
        return SHERD_ERR_NO_MEMORY;
    *changes = (struct sherd_changes){.compartment = compartment, .keys = *keys, .leaves = leaves};
    *out_changes = changes;
    return SHERD_OK;
}

void sherd_changes_free(struct sherd_changes *changes)
{
    sherd_free(changes);
}

struct sherd_compartment *sherd_changes_compartment(const struct sherd_changes *changes)
{
    return changes->compartment;
}

void sherd_changes_tell(struct sherd_changes *changes, sherd_changes_written_fn *written, void *arg)
{
    changes->written = written;
    changes->written_arg = arg;
}

/* --- the digest --------------------------------------------------------------------------------------------------- */

/*
 * What every compartment has, `keys` too, is written by others: it is checked where it is read, and not in the digest.
 */
static bool is_marked(struct sherd_span stored)
{
    return !sherd_entry_is_everywhere(SHERD_FOR_KEYS, stored);
}

static enum sherd_err mark(const struct sherd_changes *changes, struct set *set, const struct sherd_ref *name,
                           struct sherd_span stored)
{
    return is_marked(stored) ? sherd_leaf_mark(changes->leaves, name, stored, &set->delta) : SHERD_OK;
}

/*
 * Of an entry of which nothing is expected, what is replaced must be known, and still be there when it is replaced: so
 * it is read, and expected.
 */
static enum sherd_err expect_read(struct sherd_changes *changes, struct set *set, struct sherd_store_op *op)
{
    const size_t before = set->read.len;
    const enum sherd_err err = sherd_compartment_get(changes->compartment, op->name, &set->read);

    set->any_read = true;
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
        return err;
    op->expect = err == SHERD_OK ? SHERD_EXPECT_EQUALS : SHERD_EXPECT_ABSENT;
    /* the buffer may move while it grows: an offset for now, which settle() makes a span */
    op->expected = sherd_span_of(NULL, set->read.len - before);
    if (err == SHERD_ERR_NOT_FOUND && op->kind == SHERD_STORE_DELETE)
        op->kind = SHERD_STORE_CHECK;
    return SHERD_OK;
}

static enum sherd_err read_unexpected(struct sherd_changes *changes, struct set *set, const struct sherd_store_op *ops,
                                      size_t count)
{
    size_t offset = 0;

    const struct sherd_buf last = set->last;

    set->last = set->read;
    set->read = last;
    set->read.len = 0;
    set->any_read = false;
    for (size_t i = 0; i < count; i++) {
        set->ops[i] = ops[i];
        if (ops[i].expect == SHERD_EXPECT_ANY && ops[i].kind != SHERD_STORE_CHECK)
            SHERD_TRY(expect_read(changes, set, &set->ops[i]));
    }
    for (size_t i = 0; i < count; i++) {
        if (ops[i].expect != SHERD_EXPECT_ANY || set->ops[i].expect != SHERD_EXPECT_EQUALS)
            continue;
        set->ops[i].expected.data = set->read.data + offset;
        offset += set->ops[i].expected.len;
    }
    set->count = count;
    return SHERD_OK;
}

static enum sherd_err mark_ops(const struct sherd_changes *changes, struct set *set)
{
    memset(&set->delta, 0, sizeof(set->delta));
    for (size_t i = 0; i < set->count; i++) {
        const struct sherd_store_op *op = &set->ops[i];

        if (op->kind == SHERD_STORE_CHECK)
            continue;
        if (op->expect == SHERD_EXPECT_EQUALS)
            SHERD_TRY(mark(changes, set, &op->name, op->expected));
        if (op->kind == SHERD_STORE_PUT)
            SHERD_TRY(mark(changes, set, &op->name, op->value));
    }
    return SHERD_OK;
}

/* --- pending blocks ----------------------------------------------------------------------------------------------- */

bool sherd_pending_named(const struct sherd_ref *name)
{
    static const uint8_t zeros[PENDING_ZEROS] = {0};

    return sherd_same(name->bytes, zeros, sizeof(zeros));
}

bool sherd_pending_stored(struct sherd_span stored)
{
    return stored.len > 1 && (stored.data[1] == SHERD_KIND_PENDING || stored.data[1] == SHERD_KIND_LONG_PENDING);
}

static enum sherd_err add_block(struct sherd_changes *changes, struct set *set, struct sherd_span events,
                                const struct sherd_digest *delta)
{
    const struct sherd_pending pending = {.delta = *delta, .events = events};
    uint8_t tlv[SHERD_PENDING_EVENTS_BYTES_MAX + 64];
    struct sherd_store_op *op = &set->ops[set->count];
    const size_t before = set->blocks.len;
    size_t tlv_bytes;

    *op = (struct sherd_store_op){.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT};
    SHERD_TRY(sherd_random(op->name.bytes + PENDING_ZEROS, sizeof(op->name.bytes) - PENDING_ZEROS));
    SHERD_TRY(sherd_pending_encode(&pending, tlv, &tlv_bytes));
    const enum sherd_kind kind = tlv_bytes + 2 <= sherd_kind_payload_bytes(SHERD_KIND_PENDING, SHERD_FOR_KEYS)
                                     ? SHERD_KIND_PENDING
                                     : SHERD_KIND_LONG_PENDING;
    SHERD_TRY(sherd_entry_seal(&changes->keys, kind, &op->name, sherd_span_of(tlv, tlv_bytes), &set->blocks));
    op->value = sherd_span_of(set->blocks.data + before, set->blocks.len - before);
    set->count++;
    return SHERD_OK;
}

/* The last block of a set has its delta, the others none. */
static enum sherd_err add_blocks(struct sherd_changes *changes, struct set *set, const struct sherd_event *events,
                                 size_t event_count)
{
    static const struct sherd_digest none = {{0}};
    uint8_t room[SHERD_PENDING_EVENTS_BYTES_MAX];
    struct sherd_buf block = sherd_buf_borrow(room, sizeof(room));

    set->blocks.len = 0;
    for (size_t i = 0; i < event_count; i++) {
        enum sherd_err err = sherd_pending_add(&block, &events[i]);

        if (err == SHERD_ERR_LIMIT) {
            SHERD_TRY(add_block(changes, set, sherd_buf_span(&block), &none));
            block.len = 0;
            err = sherd_pending_add(&block, &events[i]);
        }
        SHERD_TRY(err);
    }
    return add_block(changes, set, sherd_buf_span(&block), &set->delta);
}

static size_t blocks_for(size_t event_count)
{
    const size_t fit = SHERD_PENDING_EVENTS_BYTES_MAX / (SHERD_EVENT_BYTES_MAX + 2);

    return 1 + event_count / fit;
}

static enum sherd_err stamp(struct sherd_event *events, size_t event_count)
{
    const uint64_t now = sherd_clock_wall_ns();
    const struct sherd_ref actor = sherd_actor_now();

    for (size_t i = 0; i < event_count; i++) {
        events[i].time_ns = now;
        events[i].actor = actor;
        SHERD_TRY(sherd_random(events[i].id, sizeof(events[i].id)));
    }
    return SHERD_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Events that have their id and time. */
struct stamped {
    const struct sherd_event *list;
    size_t count;
};

static enum sherd_err write_once(struct sherd_changes *changes, struct set *set, const struct stamped *events)
{
    SHERD_TRY(mark_ops(changes, set));
    SHERD_TRY(add_blocks(changes, set, events->list, events->count));
    sherd_store_ops_order(set->ops, set->count);
    return sherd_compartment_write(changes->compartment, set->ops, set->count);
}

/*
 * Where a set was refused, and something that was read for it was changed meanwhile, it is tried again; else it was
 * refused for what the caller expects.
 */
static enum sherd_err write_tries(struct sherd_changes *changes, struct set *set, const struct sherd_store_op *ops,
                                  size_t count, const struct stamped *events)
{
    enum sherd_err err = SHERD_ERR_CONFLICT;

    for (unsigned tries = 0; tries < TRIES_MAX && err == SHERD_ERR_CONFLICT; tries++) {
        SHERD_TRY(read_unexpected(changes, set, ops, count));
        if (tries != 0 && (!set->any_read || sherd_span_equal(sherd_buf_span(&set->read), sherd_buf_span(&set->last))))
            break;
        err = write_once(changes, set, events);
    }
    return err;
}

/* Room for all of a set. @param[in] room  operations */
static enum sherd_err set_begin(struct set *set, size_t room, size_t blocks)
{
    if (room > OPS_SMALL)
        set->ops = sherd_alloc_array(room, sizeof(*set->ops));
    if (blocks > 1)
        set->blocks = (struct sherd_buf){0};
    return set->ops != NULL ? sherd_buf_reserve(&set->blocks, blocks * SHERD_ENTRY_BYTES_MAX) : SHERD_ERR_NO_MEMORY;
}

enum sherd_err sherd_changes_write(struct sherd_changes *changes, const struct sherd_store_op *ops, size_t count,
                                   struct sherd_event *events, size_t event_count)
{
    const struct stamped stamped = {.list = events, .count = event_count};
    struct sherd_store_op small[OPS_SMALL];
    const size_t blocks = blocks_for(event_count);
    uint8_t one_block[SHERD_ENTRY_BYTES_MAX];
    struct set set = {.ops = small, .blocks = sherd_buf_borrow(one_block, sizeof(one_block))};

    SHERD_ENSURE(count <= SHERD_CHANGES_OPS_MAX && count + blocks <= SHERD_STORE_OPS_MAX, SHERD_ERR_LIMIT,
                 "too many changes at once");
    enum sherd_err err = set_begin(&set, count + blocks, blocks);
    if (err == SHERD_OK)
        err = stamp(events, event_count);
    if (err == SHERD_OK)
        err = write_tries(changes, &set, ops, count, &stamped);
    if (err == SHERD_OK && changes->written != NULL)
        changes->written(changes->written_arg);
    if (set.ops != small)
        sherd_free(set.ops);
    sherd_buf_done(&set.read);
    sherd_buf_done(&set.last);
    sherd_buf_done(&set.blocks);
    return err;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_pending_open(const struct sherd_entry_keys *keys, const struct sherd_ref *name,
                                  struct sherd_span stored, struct sherd_buf *payload,
                                  struct sherd_pending *out_pending)
{
    enum sherd_kind kind;
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_kind(keys, stored, &kind));
    if (kind != SHERD_KIND_PENDING && kind != SHERD_KIND_LONG_PENDING)
        return sherd_fail(SHERD_ERR_TAMPERED, "an entry of keys has a name that is none of its kind");
    SHERD_TRY(sherd_entry_open(keys, kind, name, stored, payload, &tlv));
    return sherd_pending_decode(tlv, out_pending);
}

enum sherd_err sherd_pending_check(const struct sherd_entry_keys *keys, const struct sherd_ref *name,
                                   struct sherd_span stored)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf payload = {0};
    struct sherd_pending pending;

    SHERD_ENSURE(sherd_pending_named(name), SHERD_ERR_TAMPERED, "a pending block in keys has another's name");
    return sherd_pending_open(keys, name, stored, &payload, &pending);
}

/* Ends the scan: what follows are no pending blocks. */
#define PENDING_END SHERD_ERR_BUSY

static enum sherd_err count_pending(void *arg, struct sherd_ref name, struct sherd_span value)
{
    uint64_t *count = arg;

    (void)value;
    if (!sherd_pending_named(&name))
        return PENDING_END;
    ++*count;
    return SHERD_OK;
}

enum sherd_err sherd_pending_count(struct sherd_compartment *keys, uint64_t *out_count)
{
    struct sherd_snapshot *snapshot;
    uint64_t count = 0;

    SHERD_TRY(sherd_compartment_snapshot_begin(keys, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, count_pending, &count);
    sherd_snapshot_end(snapshot);
    if (err != SHERD_OK && err != PENDING_END)
        return err;
    *out_count = count;
    return SHERD_OK;
}

struct digest_walk {
    const struct sherd_leaf_keys *leaves;
    struct sherd_keys_digest digest;
};

static enum sherd_err digest_entry(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct digest_walk *walk = arg;

    if (sherd_pending_named(&name) || !is_marked(value))
        return SHERD_OK;
    walk->digest.entry_count++;
    return sherd_leaf_mark(walk->leaves, &name, value, &walk->digest.entries);
}

enum sherd_err sherd_keys_digest(struct sherd_snapshot *snapshot, const struct sherd_leaf_keys *leaves,
                                 struct sherd_keys_digest *out_digest)
{
    struct digest_walk walk = {.leaves = leaves};

    SHERD_TRY(sherd_snapshot_scan(snapshot, NULL, digest_entry, &walk));
    *out_digest = walk.digest;
    return SHERD_OK;
}
