/* SPDX-License-Identifier: Apache-2.0 */
/* sherd share: whose a share is. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/shares.h"
#include "cli/text.h"

#include <string.h>

static json_t *share_json(const struct sherd_share_info *info)
{
    char set[2 * sizeof(info->set_id) + 1];

    cli_format_hex(sherd_span_of(info->set_id, sizeof(info->set_id)), set);
    return json_pack("{s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:s, s:s}", "index", (json_int_t)info->index, "count",
                     (json_int_t)info->count, "threshold", (json_int_t)info->threshold, "kind",
                     info->parts ? "parts" : "shares", "set", set, "generation", (json_int_t)info->generation, "seal",
                     (json_int_t)info->number, "holder", info->holder, "state", info->state);
}

static enum sherd_err show_one(void *arg, const struct sherd_share_info *info)
{
    const struct cli *cli = arg;
    char set[2 * sizeof(info->set_id) + 1];

    if (cli->json)
        return cli_json_print("", share_json(info), "\n");
    cli_format_hex(sherd_span_of(info->set_id, sizeof(info->set_id)), set);
    cli_print("%s %u of %u, of which %u open", info->parts ? "part" : "share", info->index, info->count,
              info->threshold);
    if (info->holder[0] != 0)
        cli_print("; holder %s", info->holder);
    cli_print("; set %s, generation %u", set, info->generation);
    if (info->number != 0)
        cli_print("; seal %u", info->number);
    if (info->state[0] != 0)
        cli_print("; %s", info->state);
    cli_print("\n");
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_shares_done) struct cli_shares shares = {0};
    const char *file = cli->operands[1];

    SHERD_ENSURE(strcmp(cli->operands[0], "show") == 0, SHERD_ERR_INVALID, "write `share show FILE`");
    SHERD_TRY(cli_shares_read(cli, &file, 1, &shares));
    return sherd_share_each(cli->vault, sherd_buf_span(&shares.text), show_one, cli);
}

const struct cli_command cmd_share = {
    .name = "share",
    .operands = "show FILE",
    .summary = "show whose a share is, without what it holds",
    .notes = "Its holder and its state are those that the vault knows, if one is named. FILE - is standard input.",
    .operand_min = 2,
    .operand_max = 2,
    .run = run,
};
