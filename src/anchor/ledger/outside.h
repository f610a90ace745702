/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/outside.h
 * What is known of the ledger outside of the anchor (<sherd/outside.h>): kept in the ledger's state, written into files
 * elsewhere after each round, and compared with the ledger when the anchor is opened.
 *
 * A file is never written over that holds a larger checkpoint, or another ledger's.
 */
#ifndef SHERD_ANCHOR_LEDGER_OUTSIDE_H
#define SHERD_ANCHOR_LEDGER_OUTSIDE_H

#include "anchor/ledger/sequencer.h"
#include <sherd/outside.h>

/** It with room of its own. */
struct sherd_outside_text {
    struct sherd_outside outside; /**< borrows from files, and from what it was decoded from */
    const char *paths[SHERD_OUTSIDE_FILES_MAX];
    char files[SHERD_OUTSIDE_FILES_MAX][SHERD_OUTSIDE_PATH_BYTES_MAX + 1];
    char tpm[SHERD_OUTSIDE_TPM_BYTES_MAX + 1];
    uint64_t counted_size; /**< leaves of the ledger when the counter was raised last */
};

/** Most bytes of it, encoded: docs/format/ledger.md section 16. */
#define SHERD_OUTSIDE_BYTES_MAX ((size_t)44 << 10)

/** Encode. @param[in,out] out_bytes  appended. @return SHERD_OK; SHERD_ERR_INVALID: a path; SHERD_ERR_LIMIT */
SHERD_MUST_USE enum sherd_err sherd_outside_encode(const struct sherd_outside *outside, struct sherd_buf *out_bytes);

/** Decode: exactly what sherd_outside_encode() writes. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_outside_decode(struct sherd_span bytes, struct sherd_outside_text *out);

/**
 * Compare the ledger with all files that its state names.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: it is behind one, or is no continuation of it; SHERD_ERR_CONFLICT: a file is of
 *         another ledger; SHERD_ERR_IO: one cannot be read
 */
SHERD_MUST_USE enum sherd_err sherd_outside_check(struct sherd_sequencer *sequencer);

/** Bring the files up to the ledger. @return SHERD_OK; the first failure, after all were tried */
SHERD_MUST_USE enum sherd_err sherd_outside_publish(struct sherd_sequencer *sequencer);

/**
 * Raise the TPM's counter, if there is one and the ledger has grown since. @return SHERD_OK; as
 * sherd_outside_counter_check()
 */
SHERD_MUST_USE enum sherd_err sherd_outside_count(struct sherd_sequencer *sequencer);

/** As the functions of <sherd/outside.h>, encoded. */
SHERD_MUST_USE enum sherd_err sherd_outside_put(struct sherd_sequencer *sequencer, struct sherd_span bytes);
SHERD_MUST_USE enum sherd_err sherd_outside_tell(struct sherd_sequencer *sequencer, struct sherd_buf *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_outside_keep(struct sherd_sequencer *sequencer, struct sherd_span note);

#endif
