/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/pins/row_sums.h
 * What the rows of each readable collection add up to: an entry of `keys` that is written with the pins it counts, in
 * the same write set. A query that has read all rows of the store knows by it, with one call of the anchor, whether
 * they are the rows that are pinned, and all of them: docs/format/row.md section 4. Where they do not add up, the pins
 * say why; so this makes queries fast, and no more.
 */
#ifndef SHERD_ANCHOR_PINS_ROW_SUMS_H
#define SHERD_ANCHOR_PINS_ROW_SUMS_H

#include "anchor/pins/pins.h"

#define SHERD_ROW_SUM_STORED_BYTES 272U

/** What a write set does to the sum of one collection. */
struct sherd_row_sum_change {
    struct sherd_uuid collection;
    int64_t count;
    struct sherd_digest marks; /**< exclusive or of those that come and those that go */
    bool makes;                /**< a row comes: the entry is made where it is not there */
    uint8_t before[SHERD_ROW_SUM_STORED_BYTES];
    uint8_t after[SHERD_ROW_SUM_STORED_BYTES];
};

/** Those of a write set. Start all zero; set count to 0 to begin anew. */
struct sherd_row_sums {
    struct sherd_row_sum_change *at;
    size_t count;
    size_t room;
};

/** Note that a row goes and another comes; NULL for none. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_row_sums_note(const struct sherd_pins *pins, struct sherd_row_sums *sums,
                                                  const struct sherd_uuid *collection, const struct sherd_digest *goes,
                                                  const struct sherd_digest *comes);

/**
 * What is to be written for one of them; its bytes are borrowed from sums.
 * @param[out] out_wanted  false: the collection is not readable, or its entry does not verify, which others report
 */
SHERD_MUST_USE enum sherd_err sherd_row_sums_op(const struct sherd_pins *pins, struct sherd_row_sums *sums,
                                                size_t index, struct sherd_store_op *out_op, bool *out_wanted);

void sherd_row_sums_done(struct sherd_row_sums *sums);

/** As sherd_anchor_ops.rows_sum. */
SHERD_MUST_USE enum sherd_err sherd_row_sum_get(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                                                struct sherd_rows_sum *out_sum);

/** Check an entry that a walk meets. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_row_sum_check(const struct sherd_pins *pins, const struct sherd_ref *name,
                                                  struct sherd_span stored);

#endif
