/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/checkpoint.h
 * Checkpoints: what a log says of itself, a signed note of its name, size and root, which witnesses cosign.
 *
 *     origin
 *     123456
 *     root hash in base 64
 *     (extension lines)
 *
 *     — origin base64(key id || signature)
 *     — origin base64(key id || time || signature by ML-DSA-44)
 *     — witness base64(key id || time || signature)
 *
 * @par Source  C2SP tlog-checkpoint, tlog-cosignature
 */
#ifndef SHERD_LEDGER_CHECKPOINT_H
#define SHERD_LEDGER_CHECKPOINT_H

#include "envelope/signed.h"
#include "ledger/merkle.h"
#include "ledger/policy.h"

/** Longest checkpoint, with all its signatures. */
#define SHERD_CHECKPOINT_BYTES_MAX ((size_t)1 << 20)

/** What a checkpoint says. Spans are borrowed from the text that it was read from. */
struct sherd_checkpoint {
    struct sherd_span origin;
    struct sherd_tree_head head;
    struct sherd_span extension; /**< lines, each with its newline; mostly none */
};

/**
 * Append the text. @return SHERD_OK; SHERD_ERR_INVALID: a line would not be one; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_checkpoint_encode(const struct sherd_checkpoint *checkpoint,
                                                      struct sherd_buf *out_text);

/** Read a text: exactly what sherd_checkpoint_encode() writes. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_checkpoint_decode(struct sherd_span text, struct sherd_checkpoint *out_checkpoint);

/** Whether a note has the form of a checkpoint; nothing is verified. */
bool sherd_checkpoint_formed(struct sherd_span note);

/** Who vouches for a checkpoint. */
struct sherd_vouched {
    size_t logs;            /**< keys of logs that signed it */
    bool by_mldsa;          /**< one of them of ML-DSA-44 */
    size_t witnesses;       /**< witnesses that cosigned it */
    uint64_t time_oldest_s; /**< when the first and the last of them did, in seconds since 1970; 0: none did */
    uint64_t time_newest_s;
};

/**
 * Verify a checkpoint against a policy: signed by one of its logs, whose key has the origin as its name, and cosigned
 * by a quorum of its witnesses. Where the policy has keys of that name both of ML-DSA-44 and of another kind, one of
 * each must have signed. A signature that says it is by a key of the policy and is not spoils the whole. What a key of
 * ML-DSA-44 signs is not the extension.
 * @param[in]  note            the signed note
 * @param[out] out_checkpoint  borrows from note
 * @param[out] out_vouched     NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_TAMPERED, with the reason as detail; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_checkpoint_verify(struct sherd_span note, const struct sherd_policy *policy,
                                                      struct sherd_checkpoint *out_checkpoint,
                                                      struct sherd_vouched *out_vouched);

#endif
