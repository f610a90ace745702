/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/join.h
 * Joins: that the anchor gave the key of a record version out, to whom, and when. Each is a sealed slot of 64 bytes in
 * a file of joins before the key is given out (anchor/ledger/joins.h); a leaf of the ledger then stands for up to 256
 * of them, by the root of a Merkle tree over the slots, which are kept as they are. So who has no key can check that
 * none was changed, cut or moved, and who has the ledger's can read them. No I/O.
 *
 * @par Shown  Beside each slot stands a blinded commitment to what it seals. What opens one, and a path to the leaf's
 * root, shows one join to anyone, and nothing of the others of that leaf.
 *
 * Bytes: docs/format/ledger.md, section 15
 */
#ifndef SHERD_LEDGER_JOIN_H
#define SHERD_LEDGER_JOIN_H

#include "crypto/aead.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"

/** Bytes of a slot, and of what it seals. */
#define SHERD_JOIN_SLOT_SIZE 64U
#define SHERD_JOIN_PLAIN_SIZE (SHERD_JOIN_SLOT_SIZE - SHERD_AEAD_TAG_SIZE)
/** Most joins that one leaf stands for. */
#define SHERD_JOIN_BATCH_MAX 256U
/** Most slots of a file of joins. */
#define SHERD_JOIN_SLOTS_MAX 65536U

/** A key that was given out. */
struct sherd_join {
    struct sherd_ref record;
    uint64_t version;       /**< at least 1 */
    uint64_t time_ns;       /**< since 1970 UTC, by the anchor's clock */
    struct sherd_ref actor; /**< the principal; all zero: the vault's owner */
};

/** Of a file of joins, what is sealed in its slot 0. */
struct sherd_join_birth {
    uint64_t round;   /**< rounds of the ledger that had been made when the file was */
    uint64_t time_ns; /**< when */
};

/** A slot as it is kept: which file, which number, its bytes as they were, and a commitment to what they seal. */
struct sherd_join_slot {
    struct sherd_ref file;
    uint64_t number; /**< 1 for the first join of the file; 0 is its birth */
    uint8_t bytes[SHERD_JOIN_SLOT_SIZE];
    struct sherd_digest commitment;
};

/* --- files -------------------------------------------------------------------------------------------------------- */

/** Bytes before slot 0: magic, format, the file's id. */
#define SHERD_JOIN_HEAD_SIZE SHERD_JOIN_SLOT_SIZE

/** @param[out] head  SHERD_JOIN_HEAD_SIZE bytes */
void sherd_join_head(const struct sherd_ref *file, uint8_t head[static SHERD_JOIN_HEAD_SIZE]);
/** Whether a file begins as that of an id does. */
bool sherd_join_head_is(const struct sherd_ref *file, struct sherd_span bytes);

/** Where a slot lies in a file. */
static inline size_t sherd_join_offset(uint64_t number)
{
    return SHERD_JOIN_HEAD_SIZE + (size_t)number * SHERD_JOIN_SLOT_SIZE;
}

/**
 * The slots of one file, to be sealed by the one who made it, or opened. One thread at a time; ended with
 * sherd_aead_message_free().
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_join_series(const struct sherd_leaf_keys *keys, const struct sherd_ref *file,
                                                bool sealing, struct sherd_aead_message **out_series);

/** Seal a join. @param[out] slot  SHERD_JOIN_SLOT_SIZE bytes. @return SHERD_OK; as sherd_aead_slot_seal() */
SHERD_MUST_USE enum sherd_err sherd_join_seal(struct sherd_aead_message *series, uint64_t number,
                                              const struct sherd_join *join, uint8_t *slot);
/** Open one. @param[in] slot  SHERD_JOIN_SLOT_SIZE bytes. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_join_open(struct sherd_aead_message *series, uint64_t number, const uint8_t *slot,
                                              struct sherd_join *out_join);
/** The same for slot 0. */
SHERD_MUST_USE enum sherd_err sherd_join_birth_seal(struct sherd_aead_message *series,
                                                    const struct sherd_join_birth *birth, uint8_t *slot);
SHERD_MUST_USE enum sherd_err sherd_join_birth_open(struct sherd_aead_message *series, const uint8_t *slot,
                                                    struct sherd_join_birth *out_birth);

/* --- commitments -------------------------------------------------------------------------------------------------- */

/** From what the blinds of all slots of a file are derived. It opens all of them, and is shown to nobody. */
SHERD_MUST_USE enum sherd_err sherd_join_file_blind(const struct sherd_leaf_keys *keys, const struct sherd_ref *file,
                                                    struct sherd_digest *out_blind);
/** The blind of one slot, which opens its commitment and no other. */
SHERD_MUST_USE enum sherd_err sherd_join_blind(const struct sherd_digest *file_blind, uint64_t number,
                                               struct sherd_digest *out_blind);
/** What stands beside a slot: SHA-256( 0x03 || blind || join ). */
SHERD_MUST_USE enum sherd_err sherd_join_commitment(const struct sherd_digest *blind, const struct sherd_join *join,
                                                    struct sherd_digest *out_commitment);

/** The bytes of a join, as a slot seals them. */
void sherd_join_encode(const struct sherd_join *join, uint8_t plain[static SHERD_JOIN_PLAIN_SIZE]);
/** @return SHERD_OK; SHERD_ERR_TAMPERED: of no version */
SHERD_MUST_USE enum sherd_err sherd_join_decode(const uint8_t plain[static SHERD_JOIN_PLAIN_SIZE],
                                                struct sherd_join *out_join);

/* --- what a leaf stands for --------------------------------------------------------------------------------------- */

/** Bytes of a kept slot, and of what stands before those of one leaf. */
#define SHERD_JOIN_KEPT_SIZE (16U + 8U + SHERD_JOIN_SLOT_SIZE + 32U)
#define SHERD_JOIN_BATCH_HEAD_SIZE 16U
#define SHERD_JOIN_BATCH_MAGIC "SHJB" /**< how the latter begins */
#define SHERD_JOIN_BATCH_BYTES_MAX (SHERD_JOIN_BATCH_HEAD_SIZE + SHERD_JOIN_BATCH_MAX * SHERD_JOIN_KEPT_SIZE)

/** Kept slots of one leaf. The list is borrowed. */
struct sherd_join_batch {
    uint64_t leaf; /**< its index in the log */
    size_t count;  /**< 1..SHERD_JOIN_BATCH_MAX */
    const struct sherd_join_slot *slots;
};

/** The root that the leaf has: of the Merkle tree of RFC 6962 over the slots as they are kept. */
SHERD_MUST_USE enum sherd_err sherd_join_root(const struct sherd_join_slot *slots, size_t count,
                                              struct sherd_digest *out_root);

/** A kept slot as the tree has it. @param[out] kept  SHERD_JOIN_KEPT_SIZE bytes */
void sherd_join_kept_encode(const struct sherd_join_slot *slot, uint8_t kept[static SHERD_JOIN_KEPT_SIZE]);
void sherd_join_kept_decode(const uint8_t kept[static SHERD_JOIN_KEPT_SIZE], struct sherd_join_slot *out_slot);

/** That tree, to prove of. */
struct sherd_join_tree {
    size_t count;
    struct sherd_digest levels[9][SHERD_JOIN_BATCH_MAX]; /**< hashes of complete subtrees, from the slots upwards */
};

SHERD_MUST_USE enum sherd_err sherd_join_tree_build(const struct sherd_join_slot *slots, size_t count,
                                                    struct sherd_join_tree *out_tree);
/** That a slot is one of them. */
SHERD_MUST_USE enum sherd_err sherd_join_tree_prove(struct sherd_join_tree *tree, size_t position,
                                                    struct sherd_path *out_path);

/** Most hashes of such a path. */
#define SHERD_JOIN_PATH_HASHES_MAX 8U

/** A join that is shown to somebody who has no key. */
struct sherd_join_shown {
    uint64_t position; /**< among those of its leaf */
    struct sherd_join_slot slot;
    struct sherd_join join;
    struct sherd_digest blind; /**< of the commitment */
    struct sherd_path path;    /**< to the leaf's root */
};

/** Verify that a leaf stands for it. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_join_shown_verify(const struct sherd_join_shown *shown,
                                                      const struct sherd_leaf *leaf);

/** Append a batch. @return SHERD_OK; SHERD_ERR_INVALID: of no slot, or too many; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_join_batch_encode(const struct sherd_join_batch *batch,
                                                      struct sherd_buf *out_bytes);
/**
 * Take the first batch of what was kept.
 * @param[in,out] rest       what follows it
 * @param[in]     room       SHERD_JOIN_BATCH_MAX slots: gets those of the batch, which points there
 * @return SHERD_OK; SHERD_ERR_TAMPERED: it is none
 */
SHERD_MUST_USE enum sherd_err sherd_join_batch_next(struct sherd_span *rest, struct sherd_join_slot *room,
                                                    struct sherd_join_batch *out_batch);

#endif
