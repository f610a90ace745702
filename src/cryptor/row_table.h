/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/row_table.h
 * The records that a collection has, on the anchor's word: what a query checks each row against, and that none is
 * missing.
 */
#ifndef SHERD_CRYPTOR_ROW_TABLE_H
#define SHERD_CRYPTOR_ROW_TABLE_H

#include "cryptor/vault.h"

/** A record as it is pinned. */
struct sherd_row_slot {
    struct sherd_uuid record;
    uint64_t version; /**< 0: the slot is empty */
    struct sherd_digest digest;
    bool seen; /**< its row was met */
};

/** Open addressing, at most half full; ids are random, and so their own hash. Start all zero. */
struct sherd_row_table {
    struct sherd_row_slot *slots;
    size_t size; /**< a power of two; 0 before the first */
    size_t count;
};

/** Read what is pinned of a collection. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_row_table_fill(struct sherd_vault *vault, const struct sherd_uuid *collection,
                                                   struct sherd_row_table *table);

/** The slot of a record; NULL: it has none. */
struct sherd_row_slot *sherd_row_table_find(const struct sherd_row_table *table, const struct sherd_uuid *record);

void sherd_row_table_done(struct sherd_row_table *table);

#endif
