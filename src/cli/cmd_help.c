/* SPDX-License-Identifier: Apache-2.0 */
/* sherd help: the table of commands, or one of them. */
#include "cli/commands.h"

static enum sherd_err run(struct cli *cli)
{
    const struct cli_command *command = NULL;

    if (cli->operand_count > 0) {
        command = cli_command_find(cli->operands[0]);
        if (command == NULL)
            return sherd_fail(SHERD_ERR_INVALID, "no command '%.40s'", cli->operands[0]);
    }
    cli_help(command);
    return SHERD_OK;
}

const struct cli_command cmd_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .summary = "show help",
    .operand_max = 1,
    .run = run,
};
