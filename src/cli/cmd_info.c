/* SPDX-License-Identifier: Apache-2.0 */
/* sherd info: figures of the vault. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>

static const char *const names[] = {"identity", "assets", "secrets", "keys"};

static enum sherd_err print_json(const struct sherd_vault_info *info, struct sherd_span public_key)
{
    json_t *compartments = json_object();

    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++)
        (void)json_object_set_new(compartments, names[i],
                                  json_pack("{s:I, s:I, s:I, s:I}", "entries", (json_int_t)info->entry_count[i],
                                            "entry_bytes", (json_int_t)info->entry_bytes[i], "blobs",
                                            (json_int_t)info->blob_count[i], "blob_bytes",
                                            (json_int_t)info->blob_bytes[i]));
    return cli_json_print("",
                          json_pack("{s:s, s:I, s:o, s:s, s:s, s:b, s:b, s:o, s:o}", "program", sherd_version(),
                                    "format", (json_int_t)info->format, "deployment", cli_json_uuid(info->deployment),
                                    "engine", info->engine, "seal", info->seal, "memory_locked", info->memory_locked,
                                    "memory_secret", info->memory_secret, "public_key", cli_json_bytes(public_key),
                                    "compartments", compartments),
                          "\n");
}

static const char *memory_text(const struct sherd_vault_info *info)
{
    if (info->memory_secret)
        return "secret: locked, and hidden from the kernel itself";
    if (info->memory_locked)
        return "locked: cannot be swapped";
    return "NOT locked: keys may be swapped to disk; raise `ulimit -l`";
}

static void print_text(const struct sherd_vault_info *info, struct sherd_span public_key)
{
    char id[SHERD_UUID_TEXT_SIZE];
    char entries[CLI_SIZE_TEXT_SIZE];
    char blobs[CLI_SIZE_TEXT_SIZE];

    sherd_uuid_format(info->deployment, id);
    cli_print("vault        %s\n"
              "format       %" PRIu32 "\n"
              "engine       %s\n"
              "sealed by    %s\n"
              "key memory   %s\n"
              "public key   %.*s\n\n"
              "compartment   entries      bytes   blobs      bytes\n",
              id, info->format, info->engine, info->seal, memory_text(info), (int)public_key.len,
              (const char *)public_key.data);
    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++) {
        cli_format_size((double)info->entry_bytes[i], entries);
        cli_format_size((double)info->blob_bytes[i], blobs);
        cli_print("%-11s %9" PRIu64 " %10s %7" PRIu64 " %10s\n", names[i], info->entry_count[i], entries,
                  info->blob_count[i], blobs);
    }
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf public_key = {.max = 1024};
    struct sherd_vault_info info = {0};

    SHERD_TRY(cli_vault_open(cli, true, &vault));
    SHERD_TRY(sherd_vault_info(vault, &info));
    SHERD_TRY(sherd_receipt_public_key(vault, &public_key));
    if (cli->json)
        return print_json(&info, sherd_buf_span(&public_key));
    print_text(&info, sherd_buf_span(&public_key));
    return SHERD_OK;
}

const struct cli_command cmd_info = {
    .name = "info",
    .operands = "",
    .summary = "show figures of the vault: format, seal, memory, sizes",
    .run = run,
};
