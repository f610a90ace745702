/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/pins/pins.h
 * Pins in the `keys` compartment: one head a record, which is its current version, and one entry for each older version
 * that is kept. Reading, committing, deleting, walking.
 */
#ifndef SHERD_ANCHOR_PINS_PINS_H
#define SHERD_ANCHOR_PINS_PINS_H

#include "anchor/anchor.h"
#include "anchor/ring/ring.h"

/** Where pins lie. Borrowed by all calls. */
struct sherd_pins {
    struct sherd_entry_keys keys;
    struct sherd_compartment *compartment;
    struct sherd_ring *ring; /**< whose guard goes with what is written; NULL: nothing is */
};

/** As sherd_anchor_ops.pin_get, without the key. */
SHERD_MUST_USE enum sherd_err sherd_pins_get(const struct sherd_pins *pins, struct sherd_uuid record, uint64_t version,
                                             struct sherd_pin_view *out_view);

/**
 * As sherd_anchor_ops.pin_commit. @return also SHERD_ERR_BUSY: a record's key is not wrapped under the epoch and the
 * store key of `secrets` that serve, and nothing was written: bring it up to date, and commit again
 */
SHERD_MUST_USE enum sherd_err sherd_pins_commit(const struct sherd_pins *pins, const struct sherd_pin_change *changes,
                                                size_t count, struct sherd_refs *dropped);

/** As sherd_anchor_ops.pin_replace. */
SHERD_MUST_USE enum sherd_err sherd_pins_replace(const struct sherd_pins *pins, const struct sherd_pin_change *changes,
                                                 size_t count, struct sherd_refs *dropped);

/** As sherd_anchor_ops.pin_delete. */
SHERD_MUST_USE enum sherd_err sherd_pins_delete(const struct sherd_pins *pins, struct sherd_uuid record,
                                                struct sherd_refs *dropped);

/**
 * Check an entry of the kinds that this file writes.
 * @param[out] out_pin  the pin, for SHERD_KIND_PIN and SHERD_KIND_OLD_PIN
 * @return SHERD_OK; SHERD_ERR_TAMPERED
 */
SHERD_MUST_USE enum sherd_err sherd_pins_check(const struct sherd_pins *pins, enum sherd_kind kind,
                                               const struct sherd_ref *name, struct sherd_span stored,
                                               struct sherd_pin *out_pin);

/** Seal a pin again, of a kind and name as it was found under. @param[in,out] out_stored  its bytes are appended */
SHERD_MUST_USE enum sherd_err sherd_pins_store(const struct sherd_pins *pins, enum sherd_kind kind,
                                               const struct sherd_ref *name, const struct sherd_pin *pin,
                                               struct sherd_buf *out_stored);

/** What a version that is pinned is to the ledger: the event of a kind, but for its id, time and actor. */
struct sherd_event sherd_pins_event(enum sherd_event_kind kind, const struct sherd_pin_change *change);

/** As sherd_anchor_ops.idempotency_get. */
SHERD_MUST_USE enum sherd_err sherd_pins_idempotency_get(const struct sherd_pins *pins,
                                                         const struct sherd_uuid *collection, struct sherd_span key,
                                                         const struct sherd_digest *content_hash,
                                                         struct sherd_uuid *out_record);

#endif
