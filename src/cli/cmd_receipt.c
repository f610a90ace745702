/* SPDX-License-Identifier: Apache-2.0 */
/* sherd receipt: check a signed statement that something is gone. */
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>
#include <string.h>

enum { OPT_PUBLIC_KEY, OPT_RECORD, OPT_ENTITY, OPT_COLLECTION, OPT_OUTPUT };

static const struct cli_option options[] = {
    [OPT_PUBLIC_KEY] = {"public-key", 0, "FILE",
                        "a file with the public key that `sherd info` prints; else the vault's"},
    [OPT_RECORD] = {"record", 0, "UUID", "the receipt must name this record"},
    [OPT_ENTITY] = {"entity", 0, "ID", "the receipt must name this entity"},
    [OPT_COLLECTION] = {"collection", 0, "NAME", "... of this collection (default)"},
    [OPT_OUTPUT] = {"output", 'o', "FILE", "destroyed: write the receipt to a file that is not there yet"},
    {0},
};

static enum sherd_err read_whole(const struct cli *cli, const char *path, struct sherd_buf *out_bytes)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    uint8_t block[16384];
    size_t len = sizeof(block);

    SHERD_TRY(cli_input_open(cli, path, &fd));
    while (len == sizeof(block)) {
        SHERD_TRY(cli_read_full(fd, cli_input_name(path), block, sizeof(block), &len));
        SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(block, len)));
    }
    return SHERD_OK;
}

static enum sherd_err read_key(const struct cli *cli, struct sherd_buf *out_key)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;

    if (cli_value(cli, OPT_PUBLIC_KEY) != NULL)
        return read_whole(cli, cli_value(cli, OPT_PUBLIC_KEY), out_key);
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    return sherd_receipt_public_key(vault, out_key);
}

static enum sherd_err check_names(const struct cli *cli, struct sherd_span receipt)
{
    struct sherd_uuid record;

    if (cli_value(cli, OPT_RECORD) != NULL) {
        SHERD_ENSURE(sherd_uuid_parse(cli_value(cli, OPT_RECORD), &record) == SHERD_OK, SHERD_ERR_INVALID,
                     "--record: that is no record's UUID");
        SHERD_TRY(sherd_receipt_names(receipt, &record, NULL, NULL));
    }
    if (cli_value(cli, OPT_ENTITY) != NULL)
        SHERD_TRY(sherd_receipt_names(receipt, NULL, cli_value(cli, OPT_COLLECTION), cli_value(cli, OPT_ENTITY)));
    return SHERD_OK;
}

static const char *kind_text(enum sherd_receipt_kind kind)
{
    switch (kind) {
    case SHERD_RECEIPT_RECORDS: return "records deleted";
    case SHERD_RECEIPT_ENTITY: return "entity erased";
    case SHERD_RECEIPT_EPOCH: return "older erase epochs ended";
    case SHERD_RECEIPT_REKEYED: return "nothing refers to older master keys";
    case SHERD_RECEIPT_DESTROYED: return "version of a key destroyed";
    }
    return "unknown";
}

static enum sherd_err tell(const struct cli *cli, const struct sherd_receipt *receipt)
{
    char id[SHERD_UUID_TEXT_SIZE];

    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:s, s:o, s:s, s:I, s:I}", "statement", kind_text(receipt->kind),
                                        "deployment", cli_json_uuid(receipt->deployment), "time", receipt->time,
                                        "epoch", (json_int_t)receipt->epoch, "items", (json_int_t)receipt->item_count),
                              "\n");
    sherd_uuid_format(receipt->deployment, id);
    if (!cli->quiet)
        cli_print("valid: %s (%zu named), vault %s, %s, erase epoch %" PRIu64 "\n", kind_text(receipt->kind),
                  receipt->item_count, id, receipt->time, receipt->epoch);
    return SHERD_OK;
}

/* A receipt of what was destroyed at any time before. */
static enum sherd_err destroyed(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_RECEIPT_BYTES_MAX};
    struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_DESTROYED, .master_key = cli->operands[1]};
    const char *path = cli_value(cli, OPT_OUTPUT);

    SHERD_ENSURE(cli->operand_count == 3 && cli_parse_number(cli->operands[2], 1, UINT32_MAX, &request.master_version),
                 SHERD_ERR_INVALID, "say which key and version: `receipt destroyed NAME VERSION`");
    SHERD_ENSURE(cli->given_count == 0 || path != NULL, SHERD_ERR_INVALID, "`receipt destroyed` takes --output alone");
    SHERD_TRY(cli_receipt_check(cli, path));
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    SHERD_TRY(sherd_receipt_make(vault, &request, &text));
    if (path != NULL)
        return cli_write_new(path, sherd_buf_span(&text));
    if (cli->json)
        return cli_json_print("", json_pack("{s:o}", "receipt", cli_json_bytes(sherd_buf_span(&text))), "\n");
    cli_print("%.*s", (int)text.len, (const char *)text.data);
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_RECEIPT_BYTES_MAX + 16384};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {.max = 4096};
    struct sherd_receipt receipt;

    if (strcmp(cli->operands[0], "destroyed") == 0)
        return destroyed(cli);
    SHERD_ENSURE(strcmp(cli->operands[0], "verify") == 0 && cli->operand_count == 2 &&
                     cli_value(cli, OPT_OUTPUT) == NULL,
                 SHERD_ERR_INVALID, "write `receipt verify FILE` or `receipt destroyed NAME VERSION`");
    SHERD_TRY(read_whole(cli, cli->operands[1], &text));
    SHERD_TRY(read_key(cli, &key));
    SHERD_TRY(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
    SHERD_TRY(check_names(cli, sherd_buf_span(&text)));
    return tell(cli, &receipt);
}

const struct cli_command cmd_receipt = {
    .name = "receipt",
    .operands = "verify FILE | destroyed NAME VERSION",
    .summary = "check a signed statement that something is gone, or make one of a key that was destroyed",
    .notes = "With --public-key no vault is needed. Exit code 3: it does not verify; 4: it names something else.\n"
             "`receipt destroyed` states that a version of a key was destroyed, whenever that was.",
    .options = options,
    .operand_min = 2,
    .operand_max = 3,
    .run = run,
};
