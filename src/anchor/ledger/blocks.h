/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/blocks.h
 * Pending blocks as they wait in `keys`: ledger/event.h. Their names are random, so that they say nothing of when they
 * were written; their first events do, once they are opened.
 */
#ifndef SHERD_ANCHOR_LEDGER_BLOCKS_H
#define SHERD_ANCHOR_LEDGER_BLOCKS_H

#include "anchor/ring/changes.h"
#include "envelope/entry.h"
#include "ledger/event.h"
#include "store/compartment.h"

/** What of a block's name tells it from others. */
#define SHERD_BLOCK_ID_SIZE 8U

/** Where they wait. */
struct sherd_blocks {
    struct sherd_compartment *compartment; /**< `keys` */
    const struct sherd_entry_keys *keys;
};

/** A block that is met. Borrowed until the visitor returns. */
struct sherd_block {
    uint8_t id[SHERD_BLOCK_ID_SIZE];
    struct sherd_pending pending;
};

/** @param[out] out_enough  set to true to end the walk. @return SHERD_OK; others end it, too */
typedef enum sherd_err sherd_block_fn(void *arg, const struct sherd_block *block, bool *out_enough);

/** Meet the blocks of a snapshot, in no order. @return SHERD_OK; SHERD_ERR_TAMPERED; what visit() gave; ... */
SHERD_MUST_USE enum sherd_err sherd_blocks_each(const struct sherd_blocks *blocks, struct sherd_snapshot *snapshot,
                                                sherd_block_fn *visit, void *arg);

/** Blocks in the order of their times, to be met one after the other; {0} is an empty one. */
struct sherd_blocks_plan {
    struct sherd_block_due *due;
    size_t count;
    size_t room;
    size_t next;
};

void sherd_blocks_plan_done(struct sherd_blocks_plan *plan);
/** Make a plan of all that wait now. @param[in,out] plan  what it had is dropped */
SHERD_MUST_USE enum sherd_err sherd_blocks_plan(const struct sherd_blocks *blocks, struct sherd_blocks_plan *plan);
/** Meet those of the plan that are next. What somebody else took meanwhile is passed over. @return as each */
SHERD_MUST_USE enum sherd_err sherd_blocks_planned(const struct sherd_blocks *blocks, struct sherd_blocks_plan *plan,
                                                   sherd_block_fn *visit, void *arg);

/** Take blocks out. That one is gone already is no error. @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_blocks_remove(const struct sherd_blocks *blocks,
                                                  const uint8_t (*ids)[SHERD_BLOCK_ID_SIZE], size_t count);

#endif
