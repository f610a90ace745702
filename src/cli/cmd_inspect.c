/* SPDX-License-Identifier: Apache-2.0 */
/* sherd inspect: what one compartment alone shows to a thief. Needs no key and uses none. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>
#include <string.h>

enum { OPT_LIMIT };

static const struct cli_option options[] = {
    [OPT_LIMIT] = {"limit", 'n', "N", "rows to show; 0 for all (10)"},
    {0},
};

#define HEAD_SHOWN 16

struct inspection {
    bool json;
    uint64_t limit;
    uint64_t shown;
    uint64_t entry_count;
    uint64_t blob_count;
    uint64_t bytes;
    uint64_t seen_bytes;
    size_t run_longest; /* printable characters in a row */
};

static void head_text(struct sherd_span head, char out_text[static HEAD_SHOWN + 1])
{
    const size_t len = head.len < HEAD_SHOWN ? head.len : HEAD_SHOWN;

    for (size_t i = 0; i < len; i++)
        out_text[i] = head.data[i] >= 0x20 && head.data[i] < 0x7f ? (char)head.data[i] : '.';
    out_text[len] = '\0';
}

static enum sherd_err show(const struct inspection *inspection, const struct sherd_inspect_entry *entry)
{
    char name[2 * sizeof(entry->name) + 1];
    char hex[2 * 64 + 1];
    char text[HEAD_SHOWN + 1];
    const struct sherd_span head = sherd_span_of(entry->head.data, entry->head.len < 64 ? entry->head.len : 64);

    cli_format_hex(sherd_span_of(entry->name, sizeof(entry->name)), name);
    cli_format_hex(head, hex);
    if (inspection->json)
        return cli_json_print(inspection->shown > 1 ? ",\n " : "\n ",
                              json_pack("{s:s, s:b, s:I, s:s}", "name", name, "blob", entry->blob, "bytes",
                                        (json_int_t)entry->bytes, "head", hex),
                              "");
    head_text(head, text);
    if (inspection->shown == 1)
        cli_print("%-32s %5s %10s  %-32s  %s\n", "name", "kind", "bytes", "first bytes", "as text");
    cli_print("%s %5s %10" PRIu64 "  %-32.32s  %s\n", name, entry->blob ? "blob" : "entry", entry->bytes, hex, text);
    return SHERD_OK;
}

static enum sherd_err visit(void *arg, const struct sherd_inspect_entry *entry)
{
    struct inspection *inspection = arg;
    const size_t run = cli_printable_run(entry->head);

    if (inspection->json && inspection->entry_count + inspection->blob_count == 0)
        cli_print("{\"entries\": [");
    inspection->entry_count += entry->blob ? 0 : 1;
    inspection->blob_count += entry->blob ? 1 : 0;
    inspection->bytes += entry->bytes;
    inspection->seen_bytes += entry->head.len;
    if (run > inspection->run_longest)
        inspection->run_longest = run;
    if (inspection->limit > 0 && inspection->shown >= inspection->limit)
        return SHERD_OK;
    inspection->shown++;
    return show(inspection, entry);
}

static void summary_text(const struct inspection *inspection, const char *compartment)
{
    const uint64_t hidden = inspection->entry_count + inspection->blob_count - inspection->shown;
    const size_t limit = cli_printable_run_limit(inspection->seen_bytes);
    char bytes[CLI_SIZE_TEXT_SIZE];

    if (hidden > 0)
        cli_print("... and %" PRIu64 " more\n", hidden);
    cli_format_size((double)inspection->bytes, bytes);
    cli_print("%s: %" PRIu64 " %s, %" PRIu64 " %s, %s; readable text found: ", compartment, inspection->entry_count,
              inspection->entry_count == 1 ? "entry" : "entries", inspection->blob_count,
              inspection->blob_count == 1 ? "blob" : "blobs", bytes);
    if (inspection->run_longest >= limit)
        cli_print("%zu characters in a row\n", inspection->run_longest);
    else
        cli_print("none\n");
}

static enum sherd_err summary_json(const struct inspection *inspection, const char *compartment)
{
    const size_t limit = cli_printable_run_limit(inspection->seen_bytes);

    return cli_json_print(inspection->entry_count + inspection->blob_count > 0 ? "\n], \"summary\": "
                                                                               : "{\"entries\": [], \"summary\": ",
                          json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "compartment", compartment, "entries",
                                    (json_int_t)inspection->entry_count, "blobs", (json_int_t)inspection->blob_count,
                                    "bytes", (json_int_t)inspection->bytes, "printable_run",
                                    (json_int_t)inspection->run_longest, "printable_run_by_chance",
                                    (json_int_t)limit - 1, "readable_text", inspection->run_longest >= limit),
                          "}\n");
}

static enum sherd_err run(struct cli *cli)
{
    struct inspection inspection = {.json = cli->json};
    const char *path = NULL;

    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_value_number(cli, OPT_LIMIT, 0, UINT64_MAX, 10, &inspection.limit));
    SHERD_TRY(sherd_compartment_inspect(path, cli->operands[0], visit, &inspection));
    if (cli->json)
        return summary_json(&inspection, cli->operands[0]);
    summary_text(&inspection, cli->operands[0]);
    return SHERD_OK;
}

const struct cli_command cmd_inspect = {
    .name = "inspect",
    .operands = "identity|assets|secrets|keys",
    .summary = "show what a thief of one compartment sees; needs no passphrase",
    .notes =
        "The summary looks for readable text in the first 64 bytes of each entry: printable characters in a row, 8 or\n"
        "more, and more than so many random bytes hold by chance.",
    .options = options,
    .operand_min = 1,
    .operand_max = 1,
    .run = run,
};
