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
extern const struct cli_command cmd_backup;
extern const struct cli_command cmd_restore;
extern const struct cli_command cmd_recover;
extern const struct cli_command cmd_receipt;
extern const struct cli_command cmd_help;
extern const struct cli_command cmd_version;

#endif
