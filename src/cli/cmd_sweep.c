/* SPDX-License-Identifier: Apache-2.0 */
/* sherd sweep: remove what unfinished work left. */
#include "cli/commands.h"
#include "cli/json.h"

#include <inttypes.h>

enum { OPT_DRY_RUN };

static const struct cli_option options[] = {
    [OPT_DRY_RUN] = {"dry-run", 'n', NULL, "only count"},
    {0},
};

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const bool dry_run = cli_value(cli, OPT_DRY_RUN) != NULL;
    struct sherd_sweep_stat stat = {0};

    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(sherd_vault_sweep(vault, dry_run, &stat));
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "dry_run", dry_run, "erased_records",
                                        (json_int_t)stat.pin_count, "map_entries", (json_int_t)stat.map_count,
                                        "fragments", (json_int_t)stat.fragment_count, "unfinished",
                                        (json_int_t)stat.unfinished_count, "key_parts",
                                        (json_int_t)stat.key_part_count),
                              "\n");
    if (!cli->quiet && stat.pin_count > 0)
        cli_print("removed %" PRIu64 " records of erased entities\n", stat.pin_count);
    if (!cli->quiet && stat.key_part_count > 0)
        cli_print("%s %" PRIu64 " parts of master keys that were never finished\n",
                  dry_run ? "would remove" : "removed", stat.key_part_count);
    if (!cli->quiet)
        cli_print("%s %" PRIu64 " map entries, %" PRIu64 " fragments, %" PRIu64 " unfinished files\n",
                  dry_run ? "would remove" : "removed", stat.map_count, stat.fragment_count, stat.unfinished_count);
    return SHERD_OK;
}

const struct cli_command cmd_sweep = {
    .name = "sweep",
    .operands = "",
    .summary = "remove what unfinished puts, updates and deletes left, and nothing else",
    .options = options,
    .run = run,
};
