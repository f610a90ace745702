/* SPDX-License-Identifier: Apache-2.0 */
/* sherd joins: when the entry of a key that is given out is on the disk. */
#include "cli/commands.h"
#include "cli/json.h"

#include <string.h>

static enum sherd_err show(const struct cli *cli, bool strict)
{
    if (cli->json)
        return cli_json_print("", json_pack("{s:b}", "strict", strict), "\n");
    cli_print("%s\n", strict ? "strict: on the disk before a key is given out"
                             : "grouped: on the disk within a second of it, or when the process ends");
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *rule = cli->operand_count > 0 ? cli->operands[0] : NULL;
    bool strict = rule != NULL && strcmp(rule, "strict") == 0;

    SHERD_ENSURE(cli->operand_count <= 1 && (rule == NULL || strict || strcmp(rule, "grouped") == 0), SHERD_ERR_INVALID,
                 "write `joins`, `joins strict` or `joins grouped`");
    SHERD_TRY(cli_vault_open(cli, rule == NULL, &vault));
    if (rule != NULL)
        SHERD_TRY(sherd_joins_set_strict(vault, strict));
    else
        SHERD_TRY(sherd_joins_strict(vault, &strict));
    return rule == NULL || cli->json ? show(cli, strict) : SHERD_OK;
}

const struct cli_command cmd_joins = {
    .name = "joins",
    .operands = "[strict | grouped]",
    .summary = "show or say when the entry of a key that is given out is on the disk",
    .notes =
        "Each key of a record that the anchor gives out has an entry in the ledger, which is noted first and survives\n"
        "the end of the process. With `strict` it survives a power failure, too: each get waits for the disk.\n",
    .operand_max = 1,
    .run = run,
};
