/* SPDX-License-Identifier: Apache-2.0 */
/* Pending blocks in `keys`: see blocks.h. */
#include "anchor/ledger/blocks.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

/* A block of a plan: 16 bytes. */
struct sherd_block_due {
    uint64_t time_ns;
    uint8_t id[SHERD_BLOCK_ID_SIZE];
};

#define ID_OFFSET (sizeof(struct sherd_ref) - SHERD_BLOCK_ID_SIZE)

static void name_of(const uint8_t id[static SHERD_BLOCK_ID_SIZE], struct sherd_ref *out_name)
{
    *out_name = (struct sherd_ref){{0}};
    memcpy(out_name->bytes + ID_OFFSET, id, SHERD_BLOCK_ID_SIZE);
}

/* Ends a scan: what follows are no blocks, or the visitor has enough. */
#define ENOUGH SHERD_ERR_BUSY

struct visiting {
    const struct sherd_blocks *blocks;
    sherd_block_fn *visit;
    void *arg;
};

static enum sherd_err meet(void *arg, struct sherd_ref name, struct sherd_span value)
{
    const struct visiting *visiting = arg;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf payload = {0};
    struct sherd_block block;
    bool enough = false;

    if (!sherd_pending_named(&name))
        return ENOUGH;
    memcpy(block.id, name.bytes + ID_OFFSET, sizeof(block.id));
    SHERD_TRY(sherd_pending_open(visiting->blocks->keys, &name, value, &payload, &block.pending));
    SHERD_TRY(visiting->visit(visiting->arg, &block, &enough));
    return enough ? ENOUGH : SHERD_OK;
}

enum sherd_err sherd_blocks_each(const struct sherd_blocks *blocks, struct sherd_snapshot *snapshot,
                                 sherd_block_fn *visit, void *arg)
{
    struct visiting visiting = {blocks, visit, arg};
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, meet, &visiting);

    return err == ENOUGH ? SHERD_OK : err;
}

/* --- in the order of their times ---------------------------------------------------------------------------------- */

void sherd_blocks_plan_done(struct sherd_blocks_plan *plan)
{
    sherd_free(plan->due);
    *plan = (struct sherd_blocks_plan){.count = 0};
}

/* A block without events may come at any time: what it is of the digest is the same. */
static enum sherd_err note_due(void *arg, const struct sherd_block *block, bool *out_enough)
{
    struct sherd_blocks_plan *plan = arg;
    struct sherd_span rest = block->pending.events;
    struct sherd_event event = {.time_ns = 0};

    (void)out_enough;
    if (rest.len > 0)
        SHERD_TRY(sherd_pending_next(&rest, &event));
    if (plan->count == plan->room) {
        const size_t room = 2 * plan->room + 4096;
        struct sherd_block_due *due = sherd_realloc(plan->due, room * sizeof(*due));

        if (due == NULL)
            return SHERD_ERR_NO_MEMORY;
        plan->due = due;
        plan->room = room;
    }
    struct sherd_block_due *last = &plan->due[plan->count++];
    last->time_ns = event.time_ns;
    memcpy(last->id, block->id, sizeof(last->id));
    return SHERD_OK;
}

static int in_time(const void *a, const void *b)
{
    const struct sherd_block_due *first = a;
    const struct sherd_block_due *second = b;

    if (first->time_ns != second->time_ns)
        return first->time_ns < second->time_ns ? -1 : 1;
    return memcmp(first->id, second->id, sizeof(first->id)); /* not secret: names */
}

enum sherd_err sherd_blocks_plan(const struct sherd_blocks *blocks, struct sherd_blocks_plan *plan)
{
    struct sherd_snapshot *snapshot;

    plan->count = plan->next = 0;
    SHERD_TRY(sherd_compartment_snapshot_begin(blocks->compartment, &snapshot));
    const enum sherd_err err = sherd_blocks_each(blocks, snapshot, note_due, plan);
    sherd_snapshot_end(snapshot);
    if (err != SHERD_OK)
        sherd_blocks_plan_done(plan);
    else if (plan->count > 1)
        qsort(plan->due, plan->count, sizeof(*plan->due), in_time);
    return err;
}

/* @return as meet(); SHERD_OK too if it is gone */
static enum sherd_err meet_due(struct visiting *visiting, struct sherd_snapshot *snapshot,
                               const struct sherd_block_due *due)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf value = {.max = SHERD_ENTRY_BYTES_MAX};
    struct sherd_ref name;

    name_of(due->id, &name);
    const enum sherd_err err = sherd_snapshot_get(snapshot, name, &value);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    return meet(visiting, name, sherd_buf_span(&value));
}

enum sherd_err sherd_blocks_planned(const struct sherd_blocks *blocks, struct sherd_blocks_plan *plan,
                                    sherd_block_fn *visit, void *arg)
{
    struct visiting visiting = {blocks, visit, arg};
    enum sherd_err err = SHERD_OK;
    struct sherd_snapshot *snapshot;

    if (plan->count == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_compartment_snapshot_begin(blocks->compartment, &snapshot));
    while (plan->next < plan->count && err == SHERD_OK)
        err = meet_due(&visiting, snapshot, &plan->due[plan->next++]);
    sherd_snapshot_end(snapshot);
    if (plan->next == plan->count || (err != SHERD_OK && err != ENOUGH))
        sherd_blocks_plan_done(plan);
    return err == ENOUGH ? SHERD_OK : err;
}

/* --- taking them out ---------------------------------------------------------------------------------------------- */

enum sherd_err sherd_blocks_remove(const struct sherd_blocks *blocks, const uint8_t (*ids)[SHERD_BLOCK_ID_SIZE],
                                   size_t count)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_store_op *ops = NULL;

    if (count == 0)
        return SHERD_OK;
    ops = sherd_alloc_array(count, sizeof(*ops));
    if (ops == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct sherd_store_op){.kind = SHERD_STORE_DELETE};
        name_of(ids[i], &ops[i].name);
    }
    sherd_store_ops_order(ops, count);
    for (size_t done = 0; done < count; done += SHERD_STORE_OPS_MAX) {
        const size_t left = count - done;

        SHERD_TRY(sherd_compartment_write(blocks->compartment, ops + done,
                                          left < SHERD_STORE_OPS_MAX ? left : SHERD_STORE_OPS_MAX));
    }
    return SHERD_OK;
}
