/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing entries anew: see reseal.h. */
#include "anchor/keys/reseal.h"
#include "base/failpoint.h"
#include "base/mem.h"

/* Entries that are gathered in one scan and written in one set. */
#define PAGE_MAX SHERD_RESEAL_PAGE_MAX
/* Passes over a compartment whose keys are changed each time. */
#define PASSES_MAX 100U

struct item {
    struct sherd_ref name;
    struct sherd_buf stored; /* as it was read */
    struct sherd_buf fresh;
    uint8_t blocks[2][SHERD_ENTRY_BYTES_MAX];
};

struct sherd_reseal {
    struct sherd_reseal_over over;
    struct sherd_reseal_progress progress;
    unsigned passes;
    uint64_t left; /* in this pass: written by nobody, since the keys were changed */
    bool begun;    /* after says where the next page begins */
    struct sherd_ref after;
    struct sherd_ring_guard_room guard;
    struct sherd_store_op ops[PAGE_MAX + 1];
    struct item items[PAGE_MAX];
};

enum sherd_err sherd_reseal_begin(const struct sherd_reseal_over *over, struct sherd_reseal **out_reseal)
{
    struct sherd_reseal *reseal = sherd_alloc(sizeof(*reseal));

    if (reseal == NULL)
        return SHERD_ERR_NO_MEMORY;
    reseal->over = *over;
    *out_reseal = reseal;
    return SHERD_OK;
}

void sherd_reseal_free(struct sherd_reseal *reseal)
{
    sherd_free(reseal);
}

/* --- gathering ---------------------------------------------------------------------------------------------------- */

struct gather {
    struct sherd_reseal *reseal;
    size_t count;
    size_t seen;
    size_t seen_max;
    bool full; /* ended by us */
    struct sherd_ref last;
};

static enum sherd_err gather_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct gather *gather = arg;
    const struct sherd_reseal_over *over = &gather->reseal->over;

    gather->full = gather->seen == gather->seen_max || gather->count == PAGE_MAX;
    if (gather->full)
        return SHERD_ERR_LIMIT; /* taken back in gather_page() */
    gather->seen++;
    gather->last = name;
    if (stored.len > SHERD_ENTRY_BYTES_MAX || !over->wanted(over->arg, stored))
        return SHERD_OK;
    struct item *item = &gather->reseal->items[gather->count++];
    item->name = name;
    item->stored = sherd_buf_borrow(item->blocks[0], sizeof(item->blocks[0]));
    item->fresh = sherd_buf_borrow(item->blocks[1], sizeof(item->blocks[1]));
    return sherd_buf_append(&item->stored, stored);
}

static enum sherd_err gather_page(struct gather *gather)
{
    struct sherd_reseal *reseal = gather->reseal;
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(reseal->over.compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, reseal->begun ? &reseal->after : NULL, gather_one, gather);
    sherd_snapshot_end(snapshot);
    return gather->full ? SHERD_OK : err;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* One set, with its guard where there is one. @param[out] out_lost  refused by the guard: the keys were changed */
static enum sherd_err write_set(struct sherd_reseal *reseal, struct sherd_store_op *ops, size_t count, bool *out_lost)
{
    struct sherd_event event = {.kind = SHERD_EVENT_REWRAP, .count = count};

    *out_lost = false;
    if (reseal->over.ring == NULL)
        return sherd_compartment_write(reseal->over.compartment, ops, count);
    return sherd_ring_write(reseal->over.ring, ops, count, &event, 1, out_lost);
}

static struct sherd_store_op op_of(const struct item *item)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT,
                                      .expect = SHERD_EXPECT_EQUALS,
                                      .name = item->name,
                                      .value = sherd_buf_span(&item->fresh),
                                      .expected = sherd_buf_span(&item->stored)};

    return op;
}

/* One by one: what somebody else has changed or deleted meanwhile is up to date, or gone. */
static enum sherd_err write_singly(struct sherd_reseal *reseal, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sherd_store_op ops[2] = {{.kind = SHERD_STORE_PUT}};
        bool lost;

        if (reseal->items[i].fresh.len == 0)
            continue;
        ops[0] = op_of(&reseal->items[i]);
        const enum sherd_err err = write_set(reseal, ops, 1, &lost);
        if (err == SHERD_OK)
            reseal->progress.count++;
        else if (err == SHERD_ERR_CONFLICT)
            reseal->left += lost ? 1 : 0;
        else
            return err;
    }
    return SHERD_OK;
}

static enum sherd_err write_page(struct sherd_reseal *reseal, size_t count)
{
    size_t op_count = 0;
    bool lost;

    for (size_t i = 0; i < count; i++)
        if (reseal->items[i].fresh.len > 0)
            reseal->ops[op_count++] = op_of(&reseal->items[i]);
    if (op_count == 0)
        return SHERD_OK;
    if (reseal->over.before != NULL)
        SHERD_TRY(reseal->over.before(reseal->over.arg, reseal->ops, op_count));
    SHERD_FAILPOINT("reseal.before_write");
    const enum sherd_err err = write_set(reseal, reseal->ops, op_count, &lost);
    if (err == SHERD_OK)
        reseal->progress.count += op_count;
    return err == SHERD_ERR_CONFLICT ? write_singly(reseal, count) : err;
}

/* --- the walk ----------------------------------------------------------------------------------------------------- */

static enum sherd_err seal_page(struct sherd_reseal *reseal, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct item *item = &reseal->items[i];

        SHERD_TRY(reseal->over.one(reseal->over.arg, &item->name, sherd_buf_span(&item->stored), &item->fresh));
    }
    return SHERD_OK;
}

static enum sherd_err next_pass(struct sherd_reseal *reseal)
{
    reseal->progress.done = reseal->left == 0;
    reseal->left = 0;
    reseal->begun = false;
    if (!reseal->progress.done && ++reseal->passes == PASSES_MAX)
        return sherd_fail(SHERD_ERR_BUSY, "the keys are changed again and again: rekey again later");
    return SHERD_OK;
}

enum sherd_err sherd_reseal_step(struct sherd_reseal *reseal, size_t count_max,
                                 struct sherd_reseal_progress *out_progress)
{
    struct gather gather = {.reseal = reseal, .seen_max = count_max};

    if (!reseal->progress.done) {
        SHERD_TRY(gather_page(&gather));
        SHERD_TRY(seal_page(reseal, gather.count));
        SHERD_TRY(write_page(reseal, gather.count));
        reseal->progress.seen += gather.seen;
        reseal->after = gather.last;
        reseal->begun = true;
        if (!gather.full)
            SHERD_TRY(next_pass(reseal));
    }
    *out_progress = reseal->progress;
    return SHERD_OK;
}
