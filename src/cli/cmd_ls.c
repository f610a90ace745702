/* SPDX-License-Identifier: Apache-2.0 */
/* sherd ls: list records. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/meta.h"
#include "cli/text.h"

#include <inttypes.h>

enum { OPT_COLLECTION, OPT_LIMIT, OPT_AFTER, OPT_LONG };

static const struct cli_option options[] = {
    [OPT_COLLECTION] = {"collection", 'c', "NAME", "only this collection"},
    [OPT_LIMIT] = {"limit", 'n', "N", "at most N records"},
    [OPT_AFTER] = {"after", 0, "CURSOR", "go on behind the page that gave this \"next\""},
    [OPT_LONG] = {"long", 'l', NULL, "version, size, time, collection, type, attributes"},
    {0},
};

struct listing {
    struct cli *cli;
    bool detailed;
    uint64_t count;
};

static void print_long(const struct sherd_record_info *info)
{
    char size[CLI_SIZE_TEXT_SIZE];
    char created[CLI_TIME_TEXT_SIZE];

    cli_format_size((double)info->content_bytes, size);
    cli_format_time(info->created_s, created);
    cli_print("  v%-3" PRIu64 " %9s  %s  ", info->version, size, created);
    cli_print_escaped(sherd_span_str(info->collection));
    cli_print("  ");
    cli_print_escaped(sherd_span_str(*info->content_type != '\0' ? info->content_type : "-"));
    if (*info->recipient != '\0')
        cli_print("  (sealed to a recipient)");
    for (size_t i = 0; i < info->attribute_count; i++) {
        cli_print("  ");
        cli_print_escaped(sherd_span_str(info->attributes[i].name));
        cli_print("=");
        cli_print_escaped(info->attributes[i].value);
    }
}

/* The rest of a long line. */
static void print_links(const struct sherd_record_info *info)
{
    for (size_t i = 0; i < info->link_count; i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = 1024};

        if (cli_link_text(&info->links[i], &text) == SHERD_OK) {
            cli_print("  -> ");
            cli_print_escaped(sherd_buf_span(&text));
        }
    }
}

static enum sherd_err visit(void *arg, const struct sherd_record_info *info)
{
    struct listing *listing = arg;
    char text[SHERD_UUID_TEXT_SIZE];

    listing->count++;
    if (listing->cli->json)
        return cli_json_print(listing->count > 1 ? ",\n " : "\n ", cli_json_record(info), "");
    sherd_uuid_format(info->id, text);
    cli_print("%s", text);
    if (listing->detailed) {
        print_long(info);
        print_links(info);
    }
    cli_print("\n");
    return SHERD_OK;
}

static enum sherd_err read_cursor(struct cli *cli, struct sherd_cursor *cursor)
{
    const char *text = cli_value(cli, OPT_AFTER);

    if (text == NULL)
        return SHERD_OK;
    SHERD_ENSURE(cli_parse_hex(text, cursor->bytes, sizeof(cursor->bytes)), SHERD_ERR_INVALID,
                 "--after: not a cursor, which is the \"next\" of a page of ls --json");
    cursor->started = true;
    return SHERD_OK;
}

/* The object is closed also where the listing failed, so that what was printed can be parsed. */
static enum sherd_err end_json(const struct sherd_cursor *cursor, bool complete)
{
    char next[2 * sizeof(cursor->bytes) + 1];
    json_t *value = NULL;

    cli_format_hex(sherd_span_of(cursor->bytes, sizeof(cursor->bytes)), next);
    value = cursor->ended || !complete ? json_null() : json_string(next);
    SHERD_TRY(cli_json_print("\n], \"next\": ", value, ", \"complete\": "));
    cli_print("%s}\n", complete ? "true" : "false");
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct listing listing = {.cli = cli, .detailed = cli_value(cli, OPT_LONG) != NULL};
    struct sherd_cursor cursor = {0};
    uint64_t limit = 0;
    enum sherd_err err = SHERD_OK;

    SHERD_TRY(cli_value_number(cli, OPT_LIMIT, 1, SIZE_MAX, 0, &limit));
    SHERD_TRY(read_cursor(cli, &cursor));
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    if (cli_value(cli, OPT_COLLECTION) != NULL) {
        struct sherd_collection collection; /* a name that does not exist is an error, not an empty list */
        SHERD_TRY(sherd_collection_get(vault, cli_value(cli, OPT_COLLECTION), &collection));
    }
    if (cli->json)
        cli_print("{\"records\": [");
    err = sherd_record_list(vault, cli_value(cli, OPT_COLLECTION), &cursor, (size_t)limit, visit, &listing);
    if (cli->json)
        SHERD_TRY(end_json(&cursor, err == SHERD_OK));
    return err;
}

const struct cli_command cmd_ls = {
    .name = "ls",
    .operands = "",
    .summary = "list records, in an order that says nothing about them",
    .notes = "With --json, \"next\" is the cursor for --after where --limit cut the list, else null.",
    .options = options,
    .run = run,
};
