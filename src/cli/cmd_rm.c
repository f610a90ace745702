/* SPDX-License-Identifier: Apache-2.0 */
/* sherd rm: delete records, keys first. */
#include "base/mem.h"
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"

#include <stdio.h>

enum { OPT_RECEIPT };

static const struct cli_option options[] = {
    [OPT_RECEIPT] = {"receipt", 0, "FILE", "write a signed statement that the records are gone"},
    {0},
};

static void free_ids(struct sherd_uuid **ids)
{
    sherd_free(*ids);
}

/* All operands are read before anything is deleted: a typing error in the last one deletes nothing. */
static enum sherd_err read_ids(struct cli *cli, struct sherd_uuid **out_ids)
{
    SHERD_CLEANUP(free_ids) struct sherd_uuid *ids = sherd_alloc_array((size_t)cli->operand_count,
                                                                                  sizeof(*ids));

    if (ids == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (int i = 0; i < cli->operand_count; i++)
        SHERD_TRY(cli_operand_uuid(cli, i, &ids[i]));
    *out_ids = ids;
    ids = NULL;
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(free_ids) struct sherd_uuid *ids = NULL;
    enum sherd_err worst = SHERD_OK;
    int failed_count = 0;

    SHERD_TRY(read_ids(cli, &ids));
    SHERD_TRY(cli_receipt_check(cli_value(cli, OPT_RECEIPT)));
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    for (int i = 0; i < cli->operand_count; i++) {
        const enum sherd_err err = sherd_record_delete(vault, ids[i]);
        if (err == SHERD_OK) {
            if (cli->json)
                SHERD_TRY(cli_json_print("", json_pack("{s:o}", "deleted", cli_json_uuid(ids[i])), "\n"));
            continue;
        }
        if (cli->operand_count == 1)
            return err;
        cli_report_item(cli, err, sherd_span_str(cli->operands[i]));
        failed_count++;
        if (worst == SHERD_OK)
            worst = err;
    }
    if (failed_count > 0)
        return sherd_fail(worst, "%d of %d records were not deleted", failed_count, cli->operand_count);
    const struct sherd_receipt_request request = {
        .kind = SHERD_RECEIPT_RECORDS, .records = ids, .record_count = (size_t)cli->operand_count};
    return cli_receipt_write(vault, &request, cli_value(cli, OPT_RECEIPT));
}

const struct cli_command cmd_rm = {
    .name = "rm",
    .operands = "UUID...",
    .summary = "delete records with all their versions: their keys first",
    .options = options,
    .operand_min = 1,
    .operand_max = -1,
    .run = run,
};
