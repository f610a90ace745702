/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file witness/witness.h
 * A witness of transparency logs: it remembers the largest checkpoint of each log that it was told of, cosigns one only
 * if it continues that, and so never signs two histories of one log. It knows nothing of vaults.
 *
 * What it remembers is durable before a cosignature is given. Several threads, and processes, may use one directory:
 * they take turns.
 *
 * @par Source  C2SP tlog-witness, tlog-cosignature; docs/format/witness.md
 */
#ifndef SHERD_WITNESS_WITNESS_H
#define SHERD_WITNESS_WITNESS_H

#include "base/macros.h"
#include <sherd/span.h>

/** Longest request: as many hashes as a proof may have, and a checkpoint with its signatures. */
#define SHERD_WITNESS_REQUEST_BYTES_MAX ((size_t)256 << 10)
/** Most hashes of a request's proof: C2SP tlog-witness. */
#define SHERD_WITNESS_HASHES_MAX 63U

struct sherd_witness;

/**
 * Make a witness's directory, with a fresh key.
 * @param[in] name  of its key: a URL without scheme that names who runs it, such as "witness.example.com/w1"
 * @return SHERD_OK; SHERD_ERR_CONFLICT: there is one; SHERD_ERR_INVALID: that is no name; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_witness_make(const char *dir, const char *name);

/**
 * Open it.
 * @param[out] out_witness  end with sherd_witness_close()
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED: that is no key of a witness; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_witness_open(const char *dir, struct sherd_witness **out_witness);
/** Wipe the key. NULL is accepted. */
void sherd_witness_close(struct sherd_witness *witness);
/** For SHERD_CLEANUP. */
static inline void sherd_witness_closep(struct sherd_witness **witness)
{
    sherd_witness_close(*witness);
}

/** Its public key as text, of cosignatures. @param[in,out] out_text  appended */
SHERD_MUST_USE enum sherd_err sherd_witness_vkey(const struct sherd_witness *witness, struct sherd_buf *out_text);

/**
 * Tell it of a log. It begins at size 0: what it sees first is believed, and from then on only what continues that.
 * @param[in] vkey  the log's public key; its name is the log's origin
 * @return SHERD_OK; SHERD_ERR_CONFLICT: it knows one of that origin; SHERD_ERR_INVALID; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_witness_log_add(struct sherd_witness *witness, const char *vkey);

/** One log that it knows. Borrowed during the visit. */
struct sherd_witness_log {
    struct sherd_span vkey;
    struct sherd_span origin;
    struct sherd_span note; /**< the checkpoint that was cosigned last, with its signatures; empty: none was */
    uint64_t size;
};

typedef enum sherd_err sherd_witness_log_fn(void *arg, const struct sherd_witness_log *log);

/** Visit all logs. @return SHERD_OK; SHERD_ERR_TAMPERED: what is kept of one does not verify; what visit says; ... */
SHERD_MUST_USE enum sherd_err sherd_witness_log_each(struct sherd_witness *witness, sherd_witness_log_fn *visit,
                                                     void *arg);

/** What it answers. Start it all zero; end the body. */
struct sherd_witness_answer {
    unsigned status; /**< of HTTP, as C2SP tlog-witness says */
    const char *type;
    struct sherd_buf body;
};

/**
 * The call add-checkpoint.
 * @param[in]  request  old size, proof, checkpoint
 * @param[out] answer   200 and a cosignature; 400 malformed, or old is above the checkpoint's size; 403 not signed by
 *                      the log; 404 it knows no such log; 409 and the size that it knows, where old is another; 422 not
 *                      consistent with what it knows
 * @return SHERD_OK: answer is filled in; else it could not decide, and nothing was given out: an answer of status 500
 */
SHERD_MUST_USE enum sherd_err sherd_witness_add_checkpoint(struct sherd_witness *witness, struct sherd_span request,
                                                           struct sherd_witness_answer *answer);

/**
 * The checkpoint that was cosigned last, with the log's signature and the cosignature.
 * @param[in] origin_hash  SHA-256 of the origin in lower-case hexadecimal, 64 characters
 * @param[out] answer      200; 404: it knows no such log, or never cosigned it
 */
SHERD_MUST_USE enum sherd_err sherd_witness_checkpoint(struct sherd_witness *witness, struct sherd_span origin_hash,
                                                       struct sherd_witness_answer *answer);

#endif
