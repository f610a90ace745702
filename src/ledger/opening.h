/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/opening.h
 * Leaves that are shown to people: a leaf, and what opens some of its commitments, as the extra data of a proof of
 * inclusion. Such a proof is a receipt: who holds it shows, to anyone and without any key, that the log has a leaf
 * about this very record and version. Who does not have it learns nothing from the leaf.
 *
 * Bytes: docs/format/ledger.md. No I/O.
 */
#ifndef SHERD_LEDGER_OPENING_H
#define SHERD_LEDGER_OPENING_H

#include "ledger/join.h"
#include "ledger/leaf.h"
#include "ledger/proof.h"

/** A leaf and its openings. */
struct sherd_opening {
    struct sherd_span leaf; /**< its bytes; borrowed */
    bool subject_shown;     /**< then these open SHERD_LEAF_SUBJECT */
    struct sherd_ref subject;
    struct sherd_digest digest; /**< of the fragment; zero: the event made none */
    struct sherd_digest subject_blind;
    bool actor_shown; /**< then these open SHERD_LEAF_ACTOR */
    struct sherd_ref actor;
    struct sherd_ref entity;
    struct sherd_ref collection;
    struct sherd_digest actor_blind;
    bool join_shown; /**< then one of the joins that the leaf stands for is */
    struct sherd_join_shown join;
};

/** Most bytes of an encoded opening. */
#define SHERD_OPENING_BYTES_MAX                                                                                      \
    (SHERD_LEAF_BYTES_MAX + 256U + SHERD_JOIN_KEPT_SIZE + SHERD_JOIN_PLAIN_SIZE + SHERD_JOIN_PATH_HASHES_MAX * 32U + \
     64U)

/** @param[out] block  room for SHERD_OPENING_BYTES_MAX. @return SHERD_OK; SHERD_ERR_LIMIT: the leaf is too long */
SHERD_MUST_USE enum sherd_err sherd_opening_encode(const struct sherd_opening *opening, uint8_t *block,
                                                   size_t *out_bytes);

/** Read one: exactly what encode writes. Nothing is verified. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_opening_decode(struct sherd_span bytes, struct sherd_opening *out_opening);

/**
 * Verify that the leaf is one, and that all that is shown opens it.
 * @param[out] out_leaf  borrows from opening->leaf
 * @return SHERD_OK; SHERD_ERR_TAMPERED
 */
SHERD_MUST_USE enum sherd_err sherd_opening_verify(const struct sherd_opening *opening, struct sherd_leaf *out_leaf);

/** A proof of inclusion that brings its leaf along, verified. Spans are borrowed from text and room. */
struct sherd_shown {
    uint64_t index;
    struct sherd_opening opening;
    struct sherd_leaf leaf;
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;
};

/**
 * Verify a proof as text whose extra data is an opening: its checkpoint against a policy, the leaf that it brings along
 * against the checkpoint, what is shown of the leaf against the leaf.
 * @param[out] room       SHERD_OPENING_BYTES_MAX bytes, from which the leaf is borrowed
 * @param[out] out_shown  borrows from text also
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_shown_verify(struct sherd_span text, const struct sherd_policy *policy,
                                                 uint8_t room[static SHERD_OPENING_BYTES_MAX],
                                                 struct sherd_shown *out_shown);

#endif
