/* SPDX-License-Identifier: Apache-2.0 */
/* sherd verify: read and check everything. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>

struct verification {
    struct cli *cli;
    uint64_t finding_count;
    enum sherd_err print_err;
};

static const char *kind_name(enum sherd_finding_kind kind)
{
    switch (kind) {
    case SHERD_FINDING_PIN: return "pin";
    case SHERD_FINDING_MAP: return "map";
    case SHERD_FINDING_FRAGMENT: return "fragment";
    case SHERD_FINDING_LEDGER: return "ledger";
    case SHERD_FINDING_LINK: return "link";
    case SHERD_FINDING_REFUSED: return "refused";
    case SHERD_FINDING_ENTRY: break;
    }
    return "entry";
}

static enum sherd_err finding_json(const struct verification *verification, const struct sherd_finding *finding)
{
    return cli_json_print(verification->finding_count > 1 ? ",\n " : "\n ",
                          json_pack("{s:s, s:s, s:o, s:o, s:o}", "kind", kind_name(finding->kind), "compartment",
                                    finding->compartment, "id",
                                    finding->has_record ? cli_json_uuid(finding->id) : json_null(), "version",
                                    finding->has_record ? json_integer((json_int_t)finding->version) : json_null(),
                                    "text", cli_json_bytes(sherd_span_str(finding->text))),
                          "");
}

static void finding_text(const struct sherd_finding *finding)
{
    char id[SHERD_UUID_TEXT_SIZE];

    cli_print("%s: ", finding->compartment);
    if (finding->has_record) {
        sherd_uuid_format(finding->id, id);
        cli_print("record %s version %" PRIu64 ": ", id, finding->version);
    }
    cli_print_escaped(sherd_span_str(finding->text));
    cli_print("\n");
}

static void on_finding(void *arg, const struct sherd_finding *finding)
{
    struct verification *verification = arg;

    verification->finding_count++;
    cli_progress_clear();
    if (!verification->cli->json)
        finding_text(finding);
    else if (verification->print_err == SHERD_OK)
        verification->print_err = finding_json(verification, finding);
}

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    cli_progress_update(done, total);
    return cli_signal_caught() == 0;
}

static void summary_text(const struct sherd_verify_stat *stat, double seconds)
{
    char bytes[CLI_SIZE_TEXT_SIZE];
    char rate[CLI_SIZE_TEXT_SIZE];

    cli_format_size((double)stat->content_bytes, bytes);
    cli_format_size((double)stat->content_bytes / seconds, rate);
    cli_print("verified %" PRIu64 " record%s, %" PRIu64 " version%s, %s in %.1f s (%s/s): ", stat->record_count,
              stat->record_count == 1 ? "" : "s", stat->version_count, stat->version_count == 1 ? "" : "s", bytes,
              seconds, rate);
    if (stat->finding_count == 0)
        cli_print("clean\n");
    else
        cli_print("%" PRIu64 " violation%s\n", stat->finding_count, stat->finding_count == 1 ? "" : "s");
    if (stat->refused_count > 0)
        cli_print("%" PRIu64 " refused by the floor of a master key, or under one that was destroyed, which is no "
                  "violation\n",
                  stat->refused_count);
    if (stat->orphan_count > 0)
        cli_print("%" PRIu64 " left over from unfinished work, which is no violation: `sherd sweep` removes it\n",
                  stat->orphan_count);
}

static enum sherd_err summary_json(const struct sherd_verify_stat *stat, enum sherd_err err, double seconds)
{
    SHERD_TRY(cli_json_print("\n], \"summary\": ",
                             json_pack("{s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "complete",
                                       err == SHERD_OK || (err == SHERD_ERR_TAMPERED && stat->finding_count > 0),
                                       "clean", err == SHERD_OK, "records", (json_int_t)stat->record_count, "versions",
                                       (json_int_t)stat->version_count, "bytes", (json_int_t)stat->content_bytes,
                                       "violations", (json_int_t)stat->finding_count, "refused",
                                       (json_int_t)stat->refused_count, "orphans", (json_int_t)stat->orphan_count,
                                       "seconds", seconds),
                             "}\n"));
    return SHERD_OK;
}

static enum sherd_err conclude(const struct verification *verification, const struct sherd_verify_stat *stat,
                               enum sherd_err err, double seconds)
{
    SHERD_TRY(verification->print_err);
    if (verification->cli->json)
        SHERD_TRY(summary_json(stat, err, seconds));
    else if (err == SHERD_OK ? !verification->cli->quiet : stat->finding_count > 0)
        summary_text(stat, seconds);
    if (err == SHERD_ERR_TAMPERED && stat->finding_count > 0)
        return sherd_fail(err,
                          "%" PRIu64 " violation%s of integrity: keep the vault as it is and restore from a backup",
                          stat->finding_count, stat->finding_count == 1 ? "" : "s");
    if (err == SHERD_ERR_BUSY && cli_signal_caught() != 0)
        return sherd_fail(err, "interrupted: not everything was verified");
    return err;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct verification verification = {.cli = cli};
    const struct sherd_observer observer = {.finding = on_finding, .progress = on_progress, .arg = &verification};
    struct sherd_verify_stat stat = {0};
    struct sherd_uuid id;
    enum sherd_err err = SHERD_OK;

    if (cli->operand_count > 0)
        SHERD_TRY(cli_operand_uuid(cli, 0, &id));
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    cli_signals_defer();
    cli_progress_begin(cli, "verify");
    if (cli->json)
        cli_print("{\"findings\": [");
    err = sherd_vault_verify(vault, cli->operand_count > 0 ? &id : NULL, &observer, &stat);
    return conclude(&verification, &stat, err, cli_progress_end());
}

const struct cli_command cmd_verify = {
    .name = "verify",
    .operands = "[UUID]",
    .summary = "read and check everything of one record, or of the whole vault",
    .notes = "Prints one line a violation. Exit code 0: clean; 3: at least one violation.",
    .operand_max = 1,
    .run = run,
};
