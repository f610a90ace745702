/* SPDX-License-Identifier: Apache-2.0 */
/* sherd put: store a file as a new record. */
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/ledger.h"
#include "cli/meta.h"

enum { OPT_COLLECTION = CLI_OPT_META_COUNT, OPT_ENTITY, OPT_KEY, OPT_RECEIPT };

static const struct cli_option options[] = {
    CLI_META_OPTIONS,
    [OPT_COLLECTION] = {"collection", 'c', "NAME", "the collection that the record belongs to (default)"},
    [OPT_ENTITY] = {"entity", 'e', "NAME", "whose data it is"},
    [OPT_KEY] = {"key", 'k', "NAME", "the named key that it lies under (what the collection says)"},
    [OPT_RECEIPT] = {"receipt", 0, "FILE", "write a signed proof that the ledger has it: `sherd-verify receipt`"},
    {0},
};

static enum sherd_err tell(struct cli *cli, const struct cli_store *store, uint64_t bytes)
{
    char text[SHERD_UUID_TEXT_SIZE];

    if (cli->json)
        return cli_json_print("", json_pack("{s:o, s:I}", "id", cli_json_uuid(store->id), "bytes", (json_int_t)bytes),
                              "\n");
    sherd_uuid_format(store->id, text);
    cli_print("%s\n", text);
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_meta_done) struct cli_meta meta = {0};
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = NULL;
    const char *path = cli->operand_count > 0 ? cli->operands[0] : NULL;
    struct cli_store store = {.meta = &meta.meta};
    uint64_t bytes = 0;

    SHERD_TRY(cli_meta_read(cli, &meta));
    SHERD_TRY(cli_ledger_receipt_check(cli_value(cli, OPT_RECEIPT)));
    meta.meta.collection = cli_value(cli, OPT_COLLECTION);
    meta.meta.entity = cli_value(cli, OPT_ENTITY);
    meta.meta.key = cli_value(cli, OPT_KEY);
    SHERD_TRY(cli_input_open(cli, path, &fd));
    block = sherd_secret_alloc(CLI_BLOCK_BYTES);
    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    store.vault = vault;
    cli_signals_defer();
    cli_progress_begin(cli, "put");
    SHERD_TRY(cli_store_fd(&store, fd, cli_input_name(path), block, NULL, &bytes));
    (void)cli_progress_end();
    SHERD_TRY(tell(cli, &store, bytes));
    SHERD_TRY(cli_flush(cli)); /* it is stored, whatever becomes of the receipt */
    return cli_ledger_receipt_write(vault, store.id, 1, cli_value(cli, OPT_RECEIPT));
}

const struct cli_command cmd_put = {
    .name = "put",
    .operands = "[FILE|-]",
    .summary = "store a file as a new record and print its UUID",
    .notes = "Without FILE, or with -, reads standard input. The UUID is printed once the record is on the disk.\n"
             "With --to, not even the vault's owner opens the contents: `sherd get --identity FILE` does, with the\n"
             "private key that `sherd keygen --recipient` wrote. Type, attributes and length are not sealed so.",
    .options = options,
    .operand_max = 1,
    .run = run,
};
