/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/bundle.h
 * Backups as files: what `backup`, `restore` and `recover` share; and receipts that commands write.
 */
#ifndef SHERD_CLI_BUNDLE_H
#define SHERD_CLI_BUNDLE_H

#include "cli/io.h"
#include "cli/key_store.h"

/** A backup that is being read. Start all zero with fd -1; end with cli_bundle_done(). */
struct cli_bundle {
    int fd;
    const char *name;
    struct sherd_backup_in in;
    struct cli_unseal unseal;
    struct cli_key_store key_store;
    uint8_t epoch_block[4096]; /* sealed: no secret */
    struct sherd_backup_keys keys;
};

/**
 * Open a backup, and read what it is to be read with.
 * @param[in] path       NULL or "-" for stdin
 * @param[in] epoch_key  path of an exported epoch key; NULL: the vault that the command line names has it, if it names
 *                       one
 * @param[in] vault      directory of that vault; NULL for none
 * @param[in] unseals    a passphrase or key file is read too
 */
SHERD_MUST_USE enum sherd_err cli_bundle_open(const struct cli *cli, const char *path, const char *epoch_key,
                                              const char *vault, bool unseals, struct cli_bundle *bundle);
void cli_bundle_done(struct cli_bundle *bundle);

/** A backup that is being written: to a file that appears when it is complete, or to stdout. */
struct cli_bundle_out {
    struct cli_output output; /**< start with fd -1 and dir_fd -1; end with cli_output_done() */
    int fd;
    const char *name;
    struct sherd_backup_out out;
};

SHERD_MUST_USE enum sherd_err cli_bundle_create(const char *path, struct cli_bundle_out *out);
/** Give it its name. */
SHERD_MUST_USE enum sherd_err cli_bundle_commit(struct cli_bundle_out *out);

/** Write a small file that nobody else may read, which must not exist yet. */
SHERD_MUST_USE enum sherd_err cli_write_new(const char *path, struct sherd_span bytes);

/**
 * Before the work, which cannot be taken back: whether a receipt can be made, and written there. NULL is accepted.
 * @return SHERD_OK; SHERD_ERR_CONFLICT; SHERD_ERR_DENIED; as cli_output_begin_path()
 */
SHERD_MUST_USE enum sherd_err cli_receipt_check(const struct cli *cli, const char *path);

/** Make a receipt and write it to a file; nothing where path is NULL. */
SHERD_MUST_USE enum sherd_err cli_receipt_write(struct sherd_vault *vault, const struct sherd_receipt_request *request,
                                                const char *path);

#endif
