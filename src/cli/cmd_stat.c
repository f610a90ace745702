/* SPDX-License-Identifier: Apache-2.0 */
/* sherd stat: what is known of a record. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/meta.h"
#include "cli/text.h"

#include <inttypes.h>

enum { OPT_VERSION };

static const struct cli_option options[] = {
    [OPT_VERSION] = {"version", 0, "N", "this version instead of the current one"},
    {0},
};

static void print_text(const char *label, const char *value)
{
    cli_print("%-12s", label);
    cli_print_escaped(sherd_span_str(*value != '\0' ? value : "-"));
    cli_print("\n");
}

static void print_links(const struct sherd_record_info *info)
{
    char digest[2 * sizeof(info->first_digest) + 1];

    cli_format_hex(sherd_span_of(info->first_digest, sizeof(info->first_digest)), digest);
    print_text("began as", digest);
    for (size_t i = 0; i < info->link_count; i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = 1024};

        cli_print("link        ");
        if (cli_link_text(&info->links[i], &text) == SHERD_OK)
            cli_print_escaped(sherd_buf_span(&text));
        cli_print("\n");
    }
}

static void print_info(const struct sherd_record_info *info)
{
    char id[SHERD_UUID_TEXT_SIZE];
    char created[CLI_TIME_TEXT_SIZE];

    sherd_uuid_format(info->id, id);
    cli_format_time(info->created_s, created);
    cli_print("id          %s\n", id);
    cli_print("version     %" PRIu64 " (kept: %" PRIu64 " to %" PRIu64 ")\n", info->version, info->version_oldest,
              info->version_current);
    cli_print("bytes       %" PRIu64 " (%" PRIu64 " stored)\n", info->content_bytes, info->stored_bytes);
    cli_print("created     %s\n", created);
    print_text("collection", info->collection);
    print_text("entity", info->entity);
    print_text("type", info->content_type);
    print_text("sealed to", info->recipient);
    cli_format_time(info->verified_s, created);
    cli_print("scrubbed    %s%s\n", info->verified_s != 0 ? created : "not yet",
              info->asynchronous && info->verified_s == 0 ? ", and its collection is verified asynchronously" : "");
    print_links(info);
    for (size_t i = 0; i < info->attribute_count; i++) {
        cli_print("attribute   ");
        cli_print_escaped(sherd_span_str(info->attributes[i].name));
        cli_print("=");
        cli_print_escaped(info->attributes[i].value);
        cli_print("\n");
    }
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_info_freep) struct sherd_record_info *info = NULL;
    struct sherd_uuid id;
    uint64_t version = 0;

    SHERD_TRY(cli_operand_uuid(cli, 0, &id));
    SHERD_TRY(cli_value_number(cli, OPT_VERSION, 1, INT64_MAX, 0, &version));
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    SHERD_TRY(sherd_record_stat(vault, id, version, &info));
    if (cli->json)
        return cli_json_print("", cli_json_record(info), "\n");
    print_info(info);
    return SHERD_OK;
}

const struct cli_command cmd_stat = {
    .name = "stat",
    .operands = "UUID",
    .summary = "show what is known of a record: versions, size, attributes",
    .options = options,
    .operand_min = 1,
    .operand_max = 1,
    .run = run,
};
