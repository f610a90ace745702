/* SPDX-License-Identifier: Apache-2.0 */
/* sherd version. */
#include "cli/commands.h"
#include "cli/json.h"

static enum sherd_err run(struct cli *cli)
{
    if (cli->json)
        return cli_json_print("", json_pack("{s:s}", "version", sherd_version()), "\n");
    cli_print("sherd %s\n", sherd_version());
    return SHERD_OK;
}

const struct cli_command cmd_version = {
    .name = "version",
    .operands = "",
    .summary = "print the version",
    .run = run,
};
