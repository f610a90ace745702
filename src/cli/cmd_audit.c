/* SPDX-License-Identifier: Apache-2.0 */
/* sherd audit: stored bytes against the ledger, without decrypting; with the vault, or with what an auditor has. */
#include "base/mem.h"
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>

enum { OPT_SAMPLE, OPT_MAKE_INVENTORY, OPT_OUTPUT, OPT_INVENTORY, OPT_STORE, OPT_LOG, OPT_LOG_KEY };

static const struct cli_option options[] = {
    [OPT_SAMPLE] = {"sample", 'n', "N", "look at N entries of each compartment, chosen by chance"},
    [OPT_MAKE_INVENTORY] = {"make-inventory", 0, "assets|secrets", "write what the auditor of that compartment needs"},
    [OPT_OUTPUT] = {"output", 'o', "FILE", "where the inventory goes"},
    [OPT_INVENTORY] = {"inventory", 0, "FILE", "audit with it, without the vault's keys"},
    [OPT_STORE] = {"store", 0, "DIR", "the compartment, or the vault's directory; with --inventory"},
    [OPT_LOG] = {"log", 0, "DIR", "the log: a copy of anchor/ledger; with --inventory"},
    [OPT_LOG_KEY] = {"log-key", 0, "KEY", "the log's public key; with --inventory"},
    {0},
};

struct auditing {
    struct cli *cli;
    uint64_t finding_count;
    enum sherd_err print_err;
};

static void on_finding(void *arg, const struct sherd_finding *finding)
{
    struct auditing *auditing = arg;

    auditing->finding_count++;
    cli_progress_clear();
    if (!auditing->cli->json) {
        cli_print("%s: ", finding->compartment);
        cli_print_escaped(sherd_span_str(finding->text));
        cli_print("\n");
    } else if (auditing->print_err == SHERD_OK) {
        auditing->print_err =
            cli_json_print(auditing->finding_count > 1 ? ",\n " : "\n ",
                           json_pack("{s:s, s:s}", "compartment", finding->compartment, "text", finding->text), "");
    }
}

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    cli_progress_update(done, total);
    return cli_signal_caught() == 0;
}

static void summary_text(const struct sherd_audit_stat *stat, double seconds)
{
    char bytes[CLI_SIZE_TEXT_SIZE];
    char rate[CLI_SIZE_TEXT_SIZE];

    cli_format_size((double)stat->checked_bytes, bytes);
    cli_format_size((double)stat->checked_bytes / seconds, rate);
    cli_print("audited %" PRIu64 " of %" PRIu64 " entries against %" PRIu64 " leaves, %s in %.1f s (%s/s): ",
              stat->checked_count, stat->entry_count, stat->leaf_count, bytes, seconds, rate);
    if (stat->finding_count > 0)
        cli_print("%" PRIu64 " violation%s\n", stat->finding_count, stat->finding_count == 1 ? "" : "s");
    else if (stat->damaged_below > 1)
        cli_print("clean; with 95 %% confidence fewer than %" PRIu64 " entries are damaged\n", stat->damaged_below);
    else
        cli_print("clean\n");
    if (stat->stray_count > 0)
        cli_print("%" PRIu64 " that need not be there: replaced, deleted, unfinished or newer\n", stat->stray_count);
    if (stat->later_count > 0)
        cli_print("%" PRIu64 " newer than the inventory: not looked at\n", stat->later_count);
}

static enum sherd_err summary_json(const struct sherd_audit_stat *stat, enum sherd_err err, double seconds)
{
    return cli_json_print("\n], \"summary\": ",
                          json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "clean", err == SHERD_OK,
                                    "leaves", (json_int_t)stat->leaf_count, "entries", (json_int_t)stat->entry_count,
                                    "checked", (json_int_t)stat->checked_count, "bytes",
                                    (json_int_t)stat->checked_bytes, "later", (json_int_t)stat->later_count, "strays",
                                    (json_int_t)stat->stray_count, "violations", (json_int_t)stat->finding_count,
                                    "damaged_below", (json_int_t)stat->damaged_below, "seconds", seconds),
                          "}\n");
}

static enum sherd_err conclude(const struct auditing *auditing, const struct sherd_audit_stat *stat, enum sherd_err err,
                               double seconds)
{
    SHERD_TRY(auditing->print_err);
    if (auditing->cli->json)
        SHERD_TRY(summary_json(stat, err, seconds));
    else if (err == SHERD_OK ? !auditing->cli->quiet : stat->finding_count > 0)
        summary_text(stat, seconds);
    if (err == SHERD_ERR_TAMPERED && stat->finding_count > 0)
        return sherd_fail(err, "%" PRIu64 " violation%s: keep the stores as they are and ask who holds the vault",
                          stat->finding_count, stat->finding_count == 1 ? "" : "s");
    if (err == SHERD_ERR_BUSY && cli_signal_caught() != 0)
        return sherd_fail(err, "interrupted: not everything was audited");
    return err;
}

/* --- what an auditor gets ----------------------------------------------------------------------------------------- */

static enum sherd_err make_inventory(struct cli *cli, const char *compartment)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct cli_bundle_out out = {.output = {.dir_fd = -1, .fd = -1}};

    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(cli_bundle_create(cli_value(cli, OPT_OUTPUT), &out));
    enum sherd_err err = sherd_vault_inventory(vault, compartment, &out.out);
    if (err == SHERD_OK)
        err = cli_bundle_commit(&out);
    cli_output_done(&out.output);
    return err;
}

static enum sherd_err read_inventory(const struct cli *cli, struct sherd_buf *out_bytes)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    SHERD_CLEANUP(sherd_freep) uint8_t *block = sherd_alloc(CLI_BLOCK_BYTES);
    const char *path = cli_value(cli, OPT_INVENTORY);
    size_t len = CLI_BLOCK_BYTES;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_input_open(cli, path, &fd));
    while (len == CLI_BLOCK_BYTES) {
        SHERD_TRY(cli_read_full(fd, cli_input_name(path), block, CLI_BLOCK_BYTES, &len));
        SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(block, len)));
    }
    return SHERD_OK;
}

/* --- auditing ----------------------------------------------------------------------------------------------------- */

static void begin(struct cli *cli)
{
    cli_signals_defer();
    cli_progress_begin(cli, "audit");
    if (cli->json)
        cli_print("{\"findings\": [");
}

static enum sherd_err audit_vault(struct cli *cli, uint64_t sample, const struct sherd_observer *observer,
                                  struct sherd_audit_stat *stat)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;

    SHERD_TRY(cli_vault_open(cli, false, &vault));
    begin(cli);
    return sherd_vault_audit(vault, sample, observer, stat);
}

static enum sherd_err audit_given(struct cli *cli, uint64_t sample, const struct sherd_observer *observer,
                                  struct sherd_audit_stat *stat)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_BUF_BYTES_MAX};
    struct sherd_audit_input input = {
        .path = cli_value(cli, OPT_STORE), .log = cli_value(cli, OPT_LOG), .log_key = cli_value(cli, OPT_LOG_KEY)};

    SHERD_ENSURE(input.path != NULL && input.log != NULL && input.log_key != NULL, SHERD_ERR_INVALID,
                 "with --inventory go --store, --log and --log-key");
    SHERD_TRY(read_inventory(cli, &bytes));
    input.inventory = sherd_buf_span(&bytes);
    begin(cli);
    return sherd_compartment_audit(&input, sample, observer, stat);
}

static bool is_given(const struct cli *cli, int from, int to)
{
    for (int option = from; option <= to; option++)
        if (cli_value(cli, option) != NULL)
            return true;
    return false;
}

static enum sherd_err run(struct cli *cli)
{
    struct auditing auditing = {.cli = cli};
    const struct sherd_observer observer = {.finding = on_finding, .progress = on_progress, .arg = &auditing};
    struct sherd_audit_stat stat = {0};
    uint64_t sample;

    SHERD_TRY(cli_value_number(cli, OPT_SAMPLE, 1, UINT64_MAX, 0, &sample));
    if (cli_value(cli, OPT_MAKE_INVENTORY) != NULL) {
        SHERD_ENSURE(cli_value(cli, OPT_OUTPUT) != NULL && !is_given(cli, OPT_INVENTORY, OPT_LOG_KEY) && sample == 0,
                     SHERD_ERR_INVALID, "write `audit --make-inventory COMPARTMENT --output FILE`");
        return make_inventory(cli, cli_value(cli, OPT_MAKE_INVENTORY));
    }
    SHERD_ENSURE(cli_value(cli, OPT_INVENTORY) != NULL || !is_given(cli, OPT_OUTPUT, OPT_LOG_KEY), SHERD_ERR_INVALID,
                 "--store, --log and --log-key go with --inventory, --output with --make-inventory");
    const enum sherd_err err = cli_value(cli, OPT_INVENTORY) != NULL ? audit_given(cli, sample, &observer, &stat)
                                                                     : audit_vault(cli, sample, &observer, &stat);
    return conclude(&auditing, &stat, err, cli_progress_end());
}

const struct cli_command cmd_audit = {
    .name = "audit",
    .operands = "",
    .summary = "check stored bytes against the ledger without decrypting them",
    .notes = "Of the vault: all that assets and secrets must hold. With --inventory: one compartment, by who has the\n"
             "inventory of it and the log, and no key of the vault. Exit code 0: clean; 3: at least one violation.",
    .options = options,
    .run = run,
};
