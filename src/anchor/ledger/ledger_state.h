/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/ledger_state.h
 * What the ledger implies, beside its log: a sealed file that is replaced as a whole, and with that a round is
 * committed. docs/format/ledger.md, section 11.
 */
#ifndef SHERD_ANCHOR_LEDGER_LEDGER_STATE_H
#define SHERD_ANCHOR_LEDGER_LEDGER_STATE_H

#include "anchor/ledger/blocks.h"
#include "anchor/ledger/join_files.h"
#include "anchor/ledger/sequencer.h"

#define SHERD_LEDGER_BLOCKS_MAX 4096U
/** A name of 63 bytes in three lines, a signature of Ed25519 and one of ML-DSA-44: 3603. */
#define SHERD_LEDGER_NOTE_BYTES_MAX 4096U
/** Empty, in the anchor's directory: held by who replaces the state. */
#define SHERD_LEDGER_LOCK "ledger/round"

/** 100 KiB: for the heap. */
struct sherd_ledger_state {
    uint64_t size;
    struct sherd_digest digest; /**< of `keys` */
    uint64_t round;
    size_t note_bytes;
    uint8_t note[SHERD_LEDGER_NOTE_BYTES_MAX]; /**< the log's checkpoint, signed */
    size_t outside_bytes;
    uint8_t outside[SHERD_SEQUENCER_OUTSIDE_BYTES_MAX]; /**< for anchor/ledger/outside.h; from round to round */
    size_t block_count;
    /** Those of this round: they may still lie in `keys`. */
    uint8_t blocks[SHERD_LEDGER_BLOCKS_MAX][SHERD_BLOCK_ID_SIZE];
    struct sherd_join_state joins;
    bool restoring; /**< not all that the vault was brought back with has its leaf yet: anchor/ledger/restoring.h */
};

/** Fail with SHERD_ERR_TAMPERED: "the ledger WHAT", and what to do. */
SHERD_MUST_USE enum sherd_err sherd_ledger_tampered(const char *what);

/** @return SHERD_OK; SHERD_ERR_TAMPERED: it is missing or does not verify; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_ledger_state_read(const struct sherd_sequencer_parts *parts,
                                                      struct sherd_ledger_state *out_state);
/** Replace it. Durable when it returns, whole or not at all. @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_ledger_state_write(const struct sherd_sequencer_parts *parts,
                                                       const struct sherd_ledger_state *state);

#endif
