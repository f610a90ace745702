/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file verify/verify.h
 * The program sherd-verify: what an outsider checks with public keys alone. It links base, crypto, signed notes, rows
 * and the ledger, and nothing of the vault.
 *
 * Each check prints one line on stdout and returns SHERD_OK, or sets one line of reason and returns another code.
 */
#ifndef SHERD_VERIFY_VERIFY_H
#define SHERD_VERIFY_VERIFY_H

#include "ledger/policy.h"

/** What the command line says; borrowed from it. */
struct verify_args {
    const char *log_key; /**< NULL: not given */
    const char *policy_file;
    const char *key;
    char **operands;
};

/** Check that a leaf is in a log: PROOF LEAF. */
SHERD_MUST_USE enum sherd_err verify_proof(const struct verify_args *args);
/** Check a checkpoint: FILE. */
SHERD_MUST_USE enum sherd_err verify_checkpoint(const struct verify_args *args);
/** Check that a log only grew: OLD NEW PROOF. */
SHERD_MUST_USE enum sherd_err verify_consistency(const struct verify_args *args);
/** Check all tiles and bundles of a log: DIR. */
SHERD_MUST_USE enum sherd_err verify_log(const struct verify_args *args);
/** Check a receipt: FILE. */
SHERD_MUST_USE enum sherd_err verify_receipt(const struct verify_args *args);

/** Check one row of a readable collection: FILE. */
SHERD_MUST_USE enum sherd_err verify_row(const struct verify_args *args);
/** Check all rows of a dump, and print them: DUMP. */
SHERD_MUST_USE enum sherd_err verify_rows(const struct verify_args *args);

/** Read a file of at most so many bytes; "-" is standard input. @param[in,out] out_bytes  empty */
SHERD_MUST_USE enum sherd_err verify_read(const char *path, size_t bytes_max, struct sherd_buf *out_bytes);

/** Print what others wrote: whatever is not plain ASCII as \\xNN. */
void verify_print(struct sherd_span text);

#endif
