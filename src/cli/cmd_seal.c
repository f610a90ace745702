/* SPDX-License-Identifier: Apache-2.0 */
/* sherd seal: end the vault's agent, and with it all keys in memory. */
#include "cli/agent.h"
#include "cli/commands.h"
#include "cli/json.h"

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(sherd_link_freep) struct sherd_link *link = NULL;
    struct cli_agent_place place;
    const char *path = NULL;

    SHERD_TRY(cli_user_none(cli));
    SHERD_TRY(cli_vault_path(cli, &path));
    const enum sherd_err err = cli_agent_connect(path, &place, &link);
    if (err == SHERD_OK)
        SHERD_TRY(cli_agent_seal(link));
    else if (err != SHERD_ERR_NOT_FOUND)
        return err;
    if (cli->json)
        return cli_json_print("", json_pack("{s:b, s:b}", "sealed", true, "ended", err == SHERD_OK), "\n");
    if (!cli->quiet)
        cli_print(err == SHERD_OK ? "sealed\n" : "sealed already: no agent runs\n");
    return SHERD_OK;
}

const struct cli_command cmd_seal = {
    .name = "seal",
    .operands = "",
    .summary = "end the vault's agent: nothing of its keys stays in memory",
    .notes = "Commands that use it end with an error; a change that they made is there whole or not at all.",
    .run = run,
};
