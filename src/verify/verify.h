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

#include "ledger/proof.h"

/** What the command line says; borrowed from it. */
struct verify_args {
    const char *log_key; /**< all that are given, in lines; NULL: none */
    const char *policy_file;
    const char *key;
    const char *against;
    const char *growth;
    const char *record;
    bool list;
    char **operands;
    int operand_count;
};

/** Check that a leaf is in a log: PROOF [LEAF]. */
SHERD_MUST_USE enum sherd_err verify_proof(const struct verify_args *args);
/** Check a checkpoint: FILE. */
SHERD_MUST_USE enum sherd_err verify_checkpoint(const struct verify_args *args);
/** Check that a log only grew: OLD NEW PROOF. */
SHERD_MUST_USE enum sherd_err verify_consistency(const struct verify_args *args);
/** Check all tiles and bundles of a log: DIR. */
SHERD_MUST_USE enum sherd_err verify_log(const struct verify_args *args);
/** Check a receipt, of the ledger or a statement: FILE. */
SHERD_MUST_USE enum sherd_err verify_receipt(const struct verify_args *args);
/** Check a statement that something is gone. */
SHERD_MUST_USE enum sherd_err verify_statement(const struct verify_args *args, struct sherd_span note);
/** Check evidence: FILE. */
SHERD_MUST_USE enum sherd_err verify_evidence(const struct verify_args *args);

/** Whom to believe: --policy, of whose logs --log-key leaves that one. */
SHERD_MUST_USE enum sherd_err verify_policy(const struct verify_args *args, struct sherd_policy **out_policy);

/**
 * Hold what a log signed before against what --against shows of it now: its directory, or a checkpoint. Nothing where
 * the option is not given.
 * @return SHERD_OK: the log only grew; SHERD_ERR_CONFLICT: it was cut, or forked, and both bear its signature;
 *         SHERD_ERR_TAMPERED: what is shown does not verify; SHERD_ERR_INVALID: a proof is needed
 */
SHERD_MUST_USE enum sherd_err verify_against(const struct verify_args *args, const struct sherd_policy *policy,
                                             const struct sherd_checkpoint *kept);
/** Whether a newer checkpoint, of the same size or a smaller one, convicts. @return SHERD_OK; SHERD_ERR_CONFLICT */
SHERD_MUST_USE enum sherd_err verify_sizes(const struct sherd_tree_head *kept, const struct sherd_tree_head *now);
/** What a proof brings along as the newer checkpoint must be that one. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err verify_brought(const struct sherd_growth *growth, struct sherd_span note);
/** Whether a path names a directory. */
bool verify_is_dir(const char *path);

/** Check one row of a readable collection: FILE. */
SHERD_MUST_USE enum sherd_err verify_row(const struct verify_args *args);
/** Check all rows of a dump, and print them: DUMP. */
SHERD_MUST_USE enum sherd_err verify_rows(const struct verify_args *args);

/** Read a file of at most so many bytes; "-" is standard input. @param[in,out] out_bytes  empty */
SHERD_MUST_USE enum sherd_err verify_read(const char *path, size_t bytes_max, struct sherd_buf *out_bytes);

/** Print seconds since 1970 as UTC. */
void verify_print_time(uint64_t time_s);
/** Print the name of a log, and how many leaves it has. */
void verify_print_tree(const struct sherd_checkpoint *checkpoint);
/** Print the end of the line: how it is signed, and who cosigned. */
void verify_print_vouched(const struct sherd_vouched *vouched);
/** Print what others wrote: whatever is not plain ASCII as \\xNN. */
void verify_print(struct sherd_span text);

#endif
