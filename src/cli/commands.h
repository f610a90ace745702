/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/commands.h
 * The commands: one cmd_<name>.c each.
 */
#ifndef SHERD_CLI_COMMANDS_H
#define SHERD_CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command cmd_init;
extern const struct cli_command cmd_put;
extern const struct cli_command cmd_get;
extern const struct cli_command cmd_update;
extern const struct cli_command cmd_rm;
extern const struct cli_command cmd_ls;
extern const struct cli_command cmd_stat;
extern const struct cli_command cmd_verify;
extern const struct cli_command cmd_sweep;
extern const struct cli_command cmd_info;
extern const struct cli_command cmd_import;
extern const struct cli_command cmd_export;
extern const struct cli_command cmd_inspect;
extern const struct cli_command cmd_collection;
extern const struct cli_command cmd_seals;
extern const struct cli_command cmd_share;
extern const struct cli_command cmd_rekey_shares;
extern const struct cli_command cmd_keygen;
extern const struct cli_command cmd_key;
extern const struct cli_command cmd_entity;
extern const struct cli_command cmd_rekey;
extern const struct cli_command cmd_epoch;
extern const struct cli_command cmd_unseal;
extern const struct cli_command cmd_seal;
extern const struct cli_command cmd_status;
extern const struct cli_command cmd_encrypt_existing;
extern const struct cli_command cmd_user;
extern const struct cli_command cmd_secret;
extern const struct cli_command cmd_backup;
extern const struct cli_command cmd_restore;
extern const struct cli_command cmd_recover;
extern const struct cli_command cmd_receipt;
extern const struct cli_command cmd_prove;
extern const struct cli_command cmd_history;
extern const struct cli_command cmd_diff;
extern const struct cli_command cmd_audit;
extern const struct cli_command cmd_joins;
extern const struct cli_command cmd_scrub;
extern const struct cli_command cmd_policy;
extern const struct cli_command cmd_witness;
extern const struct cli_command cmd_help;
extern const struct cli_command cmd_version;
extern const struct cli_command cmd_query;

/* ---- What one command has of another ----------------------------------------------------------------------------- */

/** Rekey, with progress, tell what was done, and write a receipt of it unless that is NULL: cmd_rekey.c. */
SHERD_MUST_USE enum sherd_err cli_rekey(struct cli *cli, const struct sherd_rekey_options *rekey, const char *receipt);

/**
 * Do what is due by policy, and tell it: rekey_due.c.
 * @param[in] receipt  file for the statement that nothing refers to older versions; NULL for none
 */
SHERD_MUST_USE enum sherd_err cli_rekey_due(struct cli *cli, uint64_t rate, bool dry_run, const char *receipt);

/** What `entity export` is to write, and where. */
struct cli_entity_export {
    const char *collection; /**< NULL for "default" */
    const char *entity;
    const char *dir;      /**< made if it is not there; else it must be empty */
    const char *identity; /**< file of private keys; NULL for none */
};

/**
 * Write all that is kept about an entity into a directory: entity_export.c. @return SHERD_OK; SHERD_ERR_CONFLICT; ...
 */
SHERD_MUST_USE enum sherd_err cli_entity_export(struct cli *cli, const struct cli_entity_export *wish);

#endif
