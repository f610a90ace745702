/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/inventory.h
 * What one compartment must hold, as its ledger says: the openings of all commitments to that compartment's entries,
 * made by who has the ledger's keys for an auditor who has none. With the log, which anyone may have, they tell which
 * entries must be there, with which bytes, and which are over; without it nothing. They say nothing about another
 * compartment. No I/O.
 *
 * Nothing of an inventory is believed: a row that is not what its leaf commits to is found out, and so is one that is
 * left away of an entry that must be there.
 *
 * Bytes: docs/format/ledger.md
 */
#ifndef SHERD_LEDGER_INVENTORY_H
#define SHERD_LEDGER_INVENTORY_H

#include "ledger/leaf.h"
#include "ledger/log.h"

/** What becomes of a row once it was held against the log. */
enum sherd_row_state {
    SHERD_ROW_UNKNOWN = 0,
    SHERD_ROW_STANDS, /**< the entry must be there, with that digest */
    SHERD_ROW_OVER,   /**< it was replaced or deleted since: it may be there still, until it is swept */
    SHERD_ROW_RENEWS, /**< an entry was sealed anew under its name: where it must be there, it may have this digest */
};

/** An entry of the compartment, and what opens the commitment to it. */
struct sherd_inventory_row {
    uint64_t index; /**< of the leaf */
    struct sherd_digest blind;
    struct sherd_ref name;
    struct sherd_digest digest;
    enum sherd_row_state state; /**< not part of the bytes */
};

/** Bytes of the head of an inventory, and of each row. */
#define SHERD_INVENTORY_HEAD_SIZE 32U
#define SHERD_INVENTORY_ROW_SIZE 88U

struct sherd_inventory {
    enum sherd_leaf_commitment compartment; /**< SHERD_LEAF_ASSETS or SHERD_LEAF_SECRETS */
    uint64_t size;                          /**< leaves of the log when it was made: of later ones it has no rows */
    struct sherd_inventory_row *rows;
    size_t count;
    size_t capacity;
};

/** End. What was all zero is accepted. */
void sherd_inventory_done(struct sherd_inventory *inventory);

/** Append a row. @return SHERD_OK; SHERD_ERR_INVALID: its leaf is not after that of the row before */
SHERD_MUST_USE enum sherd_err sherd_inventory_add(struct sherd_inventory *inventory,
                                                  const struct sherd_inventory_row *row);

/** @param[in,out] out_bytes  appended */
SHERD_MUST_USE enum sherd_err sherd_inventory_encode(const struct sherd_inventory *inventory,
                                                     struct sherd_buf *out_bytes);
/** @return SHERD_OK; SHERD_ERR_TAMPERED: it is not what encode gives; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_inventory_decode(struct sherd_span bytes, struct sherd_inventory *out_inventory);

/** Told of what does not agree. @param[in] index  of the leaf. @param[in] text  one line for a person */
typedef void sherd_inventory_finding_fn(void *arg, uint64_t index, const char *text);

/** What an inventory and a log say together. */
struct sherd_inventory_stat {
    uint64_t leaf_count;
    uint64_t stands_count;  /**< rows of entries that must be there */
    uint64_t over_count;    /**< rows of entries that were replaced or deleted */
    uint64_t unshown_count; /**< entries that must be there, and of which there is no row: each is a finding */
    uint64_t later_count;   /**< the same, of leaves after the inventory was made, which is no finding */
    uint64_t renewed_count; /**< leaves after it was made that say of an entry, nobody sees of which, that it was sealed
                                 anew: so many digests may be others than the rows say */
    uint64_t finding_count;
};

/**
 * Hold an inventory against all of a log, every leaf of which is verified: each row gets its state. The log may be
 * older or newer than the inventory; rows of leaves that it does not have are findings.
 * @param[in] finding  NULL: nobody wants to hear
 * @return SHERD_OK, also with findings; SHERD_ERR_TAMPERED: the log does not verify; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_inventory_check(struct sherd_inventory *inventory, struct sherd_log *log,
                                                    sherd_inventory_finding_fn *finding, void *arg,
                                                    struct sherd_inventory_stat *out_stat);

#endif
