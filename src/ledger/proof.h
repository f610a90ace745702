/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/proof.h
 * Proofs as text, for people to keep and to check offline: that a leaf is in a log (C2SP tlog-proof), and that one
 * checkpoint of a log is the beginning of another (the form of C2SP tlog-witness).
 *
 * @par Source  C2SP tlog-proof, tlog-witness (add-checkpoint)
 */
#ifndef SHERD_LEDGER_PROOF_H
#define SHERD_LEDGER_PROOF_H

#include "ledger/checkpoint.h"

/** Longest proof, and most bytes of its extra data. */
#define SHERD_PROOF_BYTES_MAX (SHERD_CHECKPOINT_BYTES_MAX + ((size_t)1 << 20))
#define SHERD_PROOF_EXTRA_BYTES_MAX ((size_t)512 << 10)

/** Proof that a leaf is in a log. Spans are borrowed. */
struct sherd_proof {
    struct sherd_span extra_text; /**< base 64; empty: none. What it says is vouched for by nobody */
    uint64_t index;
    struct sherd_path path;
    struct sherd_span checkpoint; /**< the signed note */
};

/**
 * Append a proof as text.
 * @param[in] extra  what extra_text is made of; proof->extra_text does not matter
 * @return SHERD_OK; SHERD_ERR_INVALID: the checkpoint is no signed one; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_proof_encode(const struct sherd_proof *proof, struct sherd_span extra,
                                                 struct sherd_buf *out_text);

/**
 * The lines of a proof between its first and its empty line, and that: extra data, index, hashes. For texts that hold
 * several under one checkpoint (ledger/evidence.h).
 * @param[in,out] text  appended
 */
SHERD_MUST_USE enum sherd_err sherd_proof_body_append(struct sherd_buf *text, const struct sherd_proof *proof,
                                                      struct sherd_span extra);
/** Take such lines off the front. @return false, and rest is of no use: it does not begin so */
bool sherd_proof_body_take(struct sherd_span *rest, struct sherd_proof *out_proof);

/** Read a proof: exactly what sherd_proof_encode() writes. Nothing is verified. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_proof_decode(struct sherd_span text, struct sherd_proof *out_proof);

/** The extra data of a proof. @param[in,out] out_extra  appended */
SHERD_MUST_USE enum sherd_err sherd_proof_extra(const struct sherd_proof *proof, struct sherd_buf *out_extra);

/**
 * Verify a proof: its checkpoint against a policy, and that the leaf is where it says.
 * @param[in]  leaf            the bytes of the entry
 * @param[out] out_checkpoint  borrows from the proof. NULL if not wanted
 * @param[out] out_vouched     NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_proof_verify(const struct sherd_proof *proof, struct sherd_span leaf,
                                                 const struct sherd_policy *policy,
                                                 struct sherd_checkpoint *out_checkpoint,
                                                 struct sherd_vouched *out_vouched);

/** The same against a tree head that was verified before: for many proofs under one checkpoint. */
SHERD_MUST_USE enum sherd_err sherd_proof_verify_in(const struct sherd_proof *proof, struct sherd_span leaf,
                                                    const struct sherd_tree_head *head);

/** Proof that one tree is the beginning of another. Spans are borrowed. */
struct sherd_growth {
    uint64_t old_size;
    struct sherd_path path;
    struct sherd_span checkpoint; /**< of the larger tree, a signed note; empty: it is kept elsewhere */
};

/** Append it as text. @return SHERD_OK; SHERD_ERR_INVALID: the checkpoint is no signed one; SHERD_ERR_LIMIT; ... */
SHERD_MUST_USE enum sherd_err sherd_growth_encode(const struct sherd_growth *growth, struct sherd_buf *out_text);

/** Read it: exactly what sherd_growth_encode() writes. Nothing is verified. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_growth_decode(struct sherd_span text, struct sherd_growth *out_growth);

/**
 * Verify that one checkpoint is the beginning of another of the same log. Both were verified before.
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_growth_verify(const struct sherd_growth *growth, const struct sherd_checkpoint *old,
                                                  const struct sherd_checkpoint *checkpoint);

#endif
