/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/cosign.h
 * Having the ledger witnessed: witnesses are asked by a process of its own, sherd-witness, which needs nothing but the
 * ledger's public files and the policy. What it brings is verified by the anchor before it is kept. On demand; before a
 * vault is taken for unsealed; and from a thread of the agent, every minute.
 */
#ifndef SHERD_CLI_COSIGN_H
#define SHERD_CLI_COSIGN_H

#include "ledger/policy.h"
#include <sherd/sherd.h>
#include <limits.h>
#include <sys/types.h>

/**
 * How often they are asked, also where nothing has changed; sooner after a failure, and after so many leaves: those of
 * a round that the anchor made since 1,000 sets were written, some of which have no event.
 */
#define CLI_COSIGN_EVERY_S 60U
#define CLI_COSIGN_CHANGES 900U
#define CLI_COSIGN_RETRY_S 5U

/** What one witness said. */
struct cli_cosign_witness {
    char name[64];
    char said[16]; /**< "cosigned", "ahead", "forked", "refused", "lost", "unasked" */
    uint64_t size;
    uint64_t time_s;
    char why[160];
};

/** What all of them said. Start it all zero; end with cli_cosign_done(). */
struct cli_cosign {
    size_t count; /**< 0: no witnesses are asked */
    struct cli_cosign_witness witnesses[SHERD_POLICY_WITNESSES_MAX];
    size_t cosigner_count;
    bool met;              /**< the quorum */
    struct sherd_buf note; /**< the checkpoint with their cosignatures */
};

void cli_cosign_done(struct cli_cosign *cosign);

/** Where a process can be stopped from. */
struct cli_cosign_process {
    void (*started)(void *arg, pid_t process); /**< called with 0 before it is waited for */
    void *arg;
};

/**
 * Ask the witnesses of the vault's policy about the ledger as it is. Nothing is changed.
 * @param[in] path     the vault's directory
 * @param[in] process  NULL: nobody stops it
 * @return SHERD_OK, whatever they said; SHERD_ERR_NOT_FOUND: sherd-witness is not installed; SHERD_ERR_IO; as
 *         sherd_outside_get()
 */
SHERD_MUST_USE enum sherd_err cli_cosign_ask(const char *path, struct sherd_vault *vault,
                                             const struct cli_cosign_process *process, struct cli_cosign *cosign);

/**
 * Make leaves of what was written, have the ledger witnessed, keep what was brought.
 * @return SHERD_OK: a quorum did, or there are no witnesses; SHERD_ERR_TAMPERED: one has seen more, or another history;
 *         SHERD_ERR_BUSY: too few did; as cli_cosign_ask()
 */
SHERD_MUST_USE enum sherd_err cli_cosign_now(const char *path, struct sherd_vault *vault,
                                             const struct cli_cosign_process *process, struct cli_cosign *cosign);

/**
 * Whether the ledger is behind what witnesses have seen: before anything is written to it.
 * @param[in] unwitnessed  it is enough that none says so
 * @return SHERD_OK; SHERD_ERR_TAMPERED: it was rolled back, the detail says how far; SHERD_ERR_BUSY: too few answered
 */
SHERD_MUST_USE enum sherd_err cli_cosign_check(const char *path, struct sherd_vault *vault, bool unwitnessed);

/** The program sherd-witness: beside this one. @return SHERD_OK; SHERD_ERR_NOT_FOUND: it is not installed */
SHERD_MUST_USE enum sherd_err cli_witness_program(char out_path[static PATH_MAX]);

/** How large the checkpoint in a file is. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err cli_checkpoint_size(const char *file, uint64_t *out_size);

/* --- in the background: cosigner.c ------------------------------------------------------------------------------- */

/** What came of it. */
struct cli_cosigner_status {
    uint32_t witness_count; /**< 0: there are none */
    uint32_t cosigner_count;
    uint64_t cosigned_s; /**< when a quorum did last; 0: not yet */
    uint64_t cosigned_size;
    char error[192]; /**< "" if all is well */
};

struct cli_cosigner;

/**
 * Begin, for an agent.
 * @param[in] path   of the vault; borrowed until cli_cosigner_free(), as vault is
 * @param[in] vault  open for writing
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_cosigner_new(const char *path, struct sherd_vault *vault,
                                               struct cli_cosigner **out_cosigner);
/** Have it stop at once, and do not wait. NULL is accepted. */
void cli_cosigner_stop(struct cli_cosigner *cosigner);
/** Stop, and wait for that. NULL is accepted. */
void cli_cosigner_free(struct cli_cosigner *cosigner);
/** What came of it. NULL is accepted: nothing. */
void cli_cosigner_look(struct cli_cosigner *cosigner, struct cli_cosigner_status *out_status);

#endif
