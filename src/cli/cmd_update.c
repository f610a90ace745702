/* SPDX-License-Identifier: Apache-2.0 */
/* sherd update: store a new version of a record. */
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/ledger.h"
#include "cli/meta.h"

#include <inttypes.h>

enum { OPT_EXPECT = CLI_OPT_META_COUNT, OPT_RECEIPT };

static const struct cli_option options[] = {
    CLI_META_OPTIONS,
    [OPT_EXPECT] = {"expect-version", 0, "N", "only if version N is the current one"},
    [OPT_RECEIPT] = {"receipt", 0, "FILE", "write a signed proof that the ledger has it: `sherd-verify receipt`"},
    {0},
};

static enum sherd_err tell(struct cli *cli, const struct cli_store *store, uint64_t version, uint64_t bytes)
{
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:I, s:I}", "id", cli_json_uuid(store->id), "version",
                                        (json_int_t)version, "bytes", (json_int_t)bytes),
                              "\n");
    if (!cli->quiet)
        cli_print("version %" PRIu64 "\n", version);
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_meta_done) struct cli_meta meta = {0};
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = NULL;
    const char *path = cli->operand_count > 1 ? cli->operands[1] : NULL;
    struct cli_store store = {.update = true};
    uint64_t version = 0;
    uint64_t bytes = 0;
    bool meta_given = false;

    SHERD_TRY(cli_operand_uuid(cli, 0, &store.id));
    SHERD_TRY(cli_value_number(cli, OPT_EXPECT, 1, INT64_MAX, 0, &store.version_expected));
    SHERD_TRY(cli_ledger_receipt_check(cli_value(cli, OPT_RECEIPT)));
    SHERD_TRY(cli_input_open(cli, path, &fd));
    block = sherd_secret_alloc(CLI_BLOCK_BYTES);
    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(cli_meta_read_update(cli, vault, store.id, &store.version_expected, &meta, &meta_given));
    store.vault = vault;
    store.meta = meta_given ? &meta.meta : NULL;
    cli_signals_defer();
    cli_progress_begin(cli, "update");
    SHERD_TRY(cli_store_fd(&store, fd, cli_input_name(path), block, &version, &bytes));
    (void)cli_progress_end();
    SHERD_TRY(tell(cli, &store, version, bytes));
    SHERD_TRY(cli_flush(cli)); /* it is stored, whatever becomes of the receipt */
    return cli_ledger_receipt_write(vault, store.id, version, cli_value(cli, OPT_RECEIPT));
}

const struct cli_command cmd_update = {
    .name = "update",
    .operands = "UUID [FILE|-]",
    .summary = "store a new version of a record",
    .notes =
        "Type, attributes and recipient that are not given stay as they are; --attr NAME, without a value, removes\n"
        "one, and `--to none` seals to nobody any more. Versions before stay sealed as they were.\n"
        "How many versions are kept is a rule of the record's collection.",
    .options = options,
    .operand_min = 1,
    .operand_max = 2,
    .run = run,
};
