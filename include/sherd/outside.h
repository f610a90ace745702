/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file outside.h
 * What is known of a vault's ledger outside of the vault: whom it asks to witness its checkpoints, and files elsewhere
 * in which it keeps them. A vault whose anchor's disk was put back to an earlier day is behind them, and does not open.
 *
 * @code
 * const char *const files[] = {"/mnt/elsewhere/vault.checkpoint"};
 * const struct sherd_outside outside = {.files = files, .file_count = 1};
 *
 * if (sherd_outside_set(vault, &outside) != SHERD_OK)
 *     fprintf(stderr, "%s\n", sherd_err_detail());
 * @endcode
 *
 * All of it is kept with the ledger's state, sealed: it cannot be taken away from an anchor whose ledger goes on. One
 * that was put back to a day before it was set knows nothing of it; who unseals may compare by hand: `sherd policy`.
 */
#ifndef SHERD_OUTSIDE_H
#define SHERD_OUTSIDE_H

#include <sherd/vault.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most files, longest path of one. */
#define SHERD_OUTSIDE_FILES_MAX 8U
#define SHERD_OUTSIDE_PATH_BYTES_MAX 1023U
/** Longest name of a counter of a TPM. */
#define SHERD_OUTSIDE_TPM_BYTES_MAX 255U
/** Longest policy, in bytes. */
#define SHERD_OUTSIDE_POLICY_BYTES_MAX ((size_t)16 << 10)
/** Longest checkpoint with cosignatures that is kept. */
#define SHERD_OUTSIDE_NOTE_BYTES_MAX ((size_t)16 << 10)

/** What is outside. Everything is borrowed. */
struct sherd_outside {
    /**
     * C2SP tlog-policy: witnesses with their addresses, and the quorum. The ledger's own key is among its logs; where
     * it names no log, that is added. Empty: no witnesses.
     */
    struct sherd_span policy;
    const char *const *files; /**< absolute paths, on other disks than the vault's */
    size_t file_count;
    /**
     * A counter of a TPM 2.0, INDEX[@TCTI], such as "0x1800100": an NV index, which is made if it is missing, and how
     * the TPM is reached, as tpm2-tss has it. NULL: none.
     */
    const char *tpm;
    struct sherd_span
        vkey; /**< told, not set: the ledger's public key, for witnesses; its name is the ledger's origin */
    struct sherd_span note; /**< told, not set: the last checkpoint that a quorum cosigned; empty: none */
    uint64_t size;          /**< told, not set: leaves of the ledger */
    uint64_t counter;       /**< told, not set: what the TPM's counter must say */
};

/**
 * Set it, in place of what was set before; all zero for nothing. Each file is written at once.
 * @return SHERD_OK; SHERD_ERR_INVALID: a path or the policy; SHERD_ERR_CONFLICT: a file holds another ledger's
 *         checkpoint; SHERD_ERR_TAMPERED: a file holds a checkpoint that the ledger does not reach; SHERD_ERR_LIMIT;
 *         SHERD_ERR_DENIED: read-only, or not the owner; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_outside_set(struct sherd_vault *vault,
                                                          const struct sherd_outside *outside);

typedef enum sherd_err sherd_outside_visit_fn(void *arg, const struct sherd_outside *outside);

/** Tell it. @return SHERD_OK; what visit says; SHERD_ERR_DENIED: not the owner; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_outside_get(struct sherd_vault *vault, sherd_outside_visit_fn *visit,
                                                          void *arg);

/**
 * Keep a checkpoint that witnesses cosigned, here and in the files.
 * @param[in] note  signed by the ledger, cosigned by a quorum of the policy
 * @return SHERD_OK, also where a later one is kept; SHERD_ERR_TAMPERED: it does not verify, or is not of this ledger;
 *         SHERD_ERR_NOT_FOUND: there is no policy; SHERD_ERR_DENIED; SHERD_ERR_IO: a file could not be written
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_outside_take(struct sherd_vault *vault, struct sherd_span note);

/**
 * Make leaves of what was written, so that the ledger's checkpoint covers it, and write the files.
 * @param[out] out_size  leaves of the ledger; NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_DENIED: read-only; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_outside_run(struct sherd_vault *vault, uint64_t *out_size);

#ifdef __cplusplus
}
#endif

#endif
