/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/evidence.h
 * Evidence: what a ledger says of one thing, in one text that can be checked offline. It holds leaves, each opened as
 * far as it may be and proved to be in the log, under one checkpoint.
 *
 *     sherd-evidence@v1 ABOUT
 *
 *     extra BASE64(opening)
 *     index INDEX
 *     BASE64(hash)
 *
 *     (more leaves, in the order of the log)
 *
 *     CHECKPOINT
 *
 * That nothing was left out it does not show: who has the whole log finds all leaves of one pseudonym.
 *
 * Bytes: docs/format/ledger.md. No I/O.
 */
#ifndef SHERD_LEDGER_EVIDENCE_H
#define SHERD_LEDGER_EVIDENCE_H

#include "ledger/opening.h"

/** Longest evidence. */
#define SHERD_EVIDENCE_BYTES_MAX ((size_t)64 << 20)

/** Begin a text. @param[in] about  id of what it is about. @param[in,out] text  appended */
SHERD_MUST_USE enum sherd_err sherd_evidence_begin(struct sherd_buf *text, const struct sherd_ref *about);
/** Add a leaf. @param[in] path  that the leaf is in the tree of the checkpoint. @return SHERD_OK; LIMIT; NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_evidence_add(struct sherd_buf *text, uint64_t index, const struct sherd_path *path,
                                                 const struct sherd_opening *opening);
/** End it. @return SHERD_OK; SHERD_ERR_INVALID: that is no checkpoint; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_evidence_end(struct sherd_buf *text, struct sherd_span checkpoint);

/** A text, read. Spans are borrowed. */
struct sherd_evidence {
    struct sherd_ref about;
    size_t leaf_count;
    struct sherd_span leaves; /**< their lines, and what follows: sherd_proof_body_take(), leaf_count times */
    struct sherd_span checkpoint;
};

/** Read one: exactly what the three functions above write. Nothing is verified. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_evidence_decode(struct sherd_span text, struct sherd_evidence *out_evidence);

/** Gets each leaf, verified; what it gets is borrowed until return. Any code but SHERD_OK ends the walk with it. */
typedef enum sherd_err sherd_evidence_visit_fn(void *arg, uint64_t index, const struct sherd_opening *opening,
                                               const struct sherd_leaf *leaf);

/**
 * Verify a text: its checkpoint against a policy; each leaf against the checkpoint, what is shown of it against the
 * leaf, and that it is about what the text says; and that they stand in the order of the log, each once.
 * @param[in]  visit           NULL: nobody wants the leaves
 * @param[out] out_checkpoint  borrows from the text. Both written only on SHERD_OK, which comes last
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY; what visit says
 */
SHERD_MUST_USE enum sherd_err sherd_evidence_verify(const struct sherd_evidence *evidence,
                                                    const struct sherd_policy *policy, sherd_evidence_visit_fn *visit,
                                                    void *arg, struct sherd_checkpoint *out_checkpoint,
                                                    struct sherd_vouched *out_vouched);

#endif
