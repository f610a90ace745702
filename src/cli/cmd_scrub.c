/* SPDX-License-Identifier: Apache-2.0 */
/* sherd scrub: read and check everything, again and again; a book of what was found, and who is told. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/tell.h"
#include "cli/text.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OPT_RATE, OPT_ANEW, OPT_ALL, OPT_NOTE, OPT_TELL };

static const struct cli_option options[] = {
    [OPT_RATE] = {"rate", 0, "BYTES", "read no more than so many bytes of contents a second"},
    [OPT_ANEW] = {"anew", 0, NULL, "begin a pass also if one is under way"},
    [OPT_ALL] = {"all", 0, NULL, "acknowledge: all findings; findings: also those that were acknowledged"},
    [OPT_NOTE] = {"note", 0, "TEXT", "acknowledge: why"},
    [OPT_TELL] = {"tell", 0, "RULE", "config: whom to tell, and how; once a rule, and all rules at once"},
    {0},
};

/* --- a pass ------------------------------------------------------------------------------------------------------- */

struct pass {
    struct cli *cli;
    struct cli_tell tell;
    uint64_t finding_count;
};

static void on_finding(void *arg, const struct sherd_finding *finding)
{
    struct pass *pass = arg;
    char id[SHERD_UUID_TEXT_SIZE];

    pass->finding_count += finding->kind != SHERD_FINDING_REFUSED;
    if (pass->cli->json || pass->cli->quiet)
        return;
    cli_progress_clear();
    cli_print("%s: ", finding->compartment);
    if (finding->has_record) {
        sherd_uuid_format(finding->id, id);
        cli_print("record %s version %" PRIu64 ": ", id, finding->version);
    }
    cli_print_escaped(sherd_span_str(finding->text));
    cli_print("\n");
}

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    cli_progress_update(done, total);
    return cli_signal_caught() == 0;
}

static void on_failed(void *arg, const struct sherd_scrub_rule *rule)
{
    const struct pass *pass = arg;
    char text[CLI_RULE_TEXT_SIZE];

    cli_rule_format(rule, text);
    cli_warn(pass->cli, "nobody was told by %s: %s", text, sherd_err_detail());
}

/* What fails is told of by itself; that nothing could be read will show at the end. */
static void tell(struct pass *pass, bool at_once)
{
    if (cli_tell(&pass->tell, at_once) != SHERD_OK)
        cli_warn(pass->cli, "nobody was told: %s", sherd_err_detail());
}

static void on_found(void *arg)
{
    tell(arg, false);
}

static json_t *pass_json(const struct sherd_scrub_pass *pass)
{
    const struct sherd_verify_stat *stat = &pass->stat;

    if (pass->number == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "pass", (json_int_t)pass->number, "began",
                     (json_int_t)pass->began_s, "ended",
                     pass->ended_s != 0 ? json_integer((json_int_t)pass->ended_s) : json_null(), "records",
                     (json_int_t)stat->record_count, "versions", (json_int_t)stat->version_count, "bytes",
                     (json_int_t)stat->content_bytes, "violations", (json_int_t)stat->finding_count, "refused",
                     (json_int_t)stat->refused_count, "orphans", (json_int_t)stat->orphan_count);
}

static json_t *status_json(const struct sherd_scrub_status *status)
{
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:b}", "under_way", pass_json(&status->now), "last",
                     pass_json(&status->last), "open", (json_int_t)status->open_count, "acknowledged",
                     (json_int_t)status->acknowledged_count, "healed", (json_int_t)status->healed_count, "dropped",
                     (json_int_t)status->dropped_count, "lost", status->lost);
}

static void print_counts(const struct sherd_scrub_status *status)
{
    cli_print("%" PRIu64 " open, %" PRIu64 " acknowledged, %" PRIu64 " healed", status->open_count,
              status->acknowledged_count, status->healed_count);
    if (status->dropped_count > 0)
        cli_print(", and %" PRIu64 " more than the book has room for", status->dropped_count);
    cli_print("\n");
}

static void print_pass(const struct sherd_scrub_pass *pass)
{
    const struct sherd_verify_stat *stat = &pass->stat;
    char bytes[CLI_SIZE_TEXT_SIZE];

    cli_format_size((double)stat->content_bytes, bytes);
    cli_print("%" PRIu64 " record%s, %" PRIu64 " version%s, %s; %" PRIu64 " violation%s", stat->record_count,
              stat->record_count == 1 ? "" : "s", stat->version_count, stat->version_count == 1 ? "" : "s", bytes,
              stat->finding_count, stat->finding_count == 1 ? "" : "s");
    if (stat->orphan_count > 0)
        cli_print("; %" PRIu64 " left over from unfinished work, for `sherd sweep`", stat->orphan_count);
    cli_print("\n");
}

static enum sherd_err conclude(const struct pass *pass, struct sherd_vault *vault, enum sherd_err err, double seconds)
{
    struct sherd_scrub_status status;
    char detail[512];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    SHERD_TRY(sherd_scrub_status(vault, &status));
    if (pass->cli->json) {
        json_t *object = status_json(&status);

        if (object == NULL || json_object_set_new(object, "seconds", json_real(seconds)) != 0)
            return SHERD_ERR_NO_MEMORY;
        SHERD_TRY(cli_json_print("", object, "\n"));
    } else if (!pass->cli->quiet && status.now.number == 0) {
        cli_print("scrubbed ");
        print_pass(&status.last);
        cli_print("findings ");
        print_counts(&status);
    }
    return err == SHERD_OK ? SHERD_OK : sherd_fail(err, "%s", detail);
}

static enum sherd_err scrub(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct pass pass = {.cli = cli};
    const struct sherd_observer observer = {.finding = on_finding, .progress = on_progress, .arg = &pass};
    struct sherd_scrub_options wanted = {.anew = cli_value(cli, OPT_ANEW) != NULL, .found = on_found};
    struct sherd_verify_stat stat;

    SHERD_TRY(cli_value_number(cli, OPT_RATE, 1, UINT64_MAX / 2, 0, &wanted.rate));
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    pass.tell = (struct cli_tell){.vault = vault, .failed = on_failed, .arg = &pass};
    wanted.found_arg = &pass;
    cli_signals_defer();
    cli_progress_begin(cli, "scrub");
    const enum sherd_err err = sherd_vault_scrub(vault, &wanted, &observer, &stat);
    const double seconds = cli_progress_end();
    if (err != SHERD_OK && err != SHERD_ERR_TAMPERED)
        return err == SHERD_ERR_BUSY && cli_signal_caught() != 0
                   ? sherd_fail(err, "interrupted: `sherd scrub` goes on where it was")
                   : err;
    char detail[512];
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    tell(&pass, true);
    return conclude(&pass, vault, err == SHERD_OK ? SHERD_OK : sherd_fail(err, "%s", detail), seconds);
}

/* --- the book ----------------------------------------------------------------------------------------------------- */

static enum sherd_err show_status(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_scrub_status status;
    char time[CLI_TIME_TEXT_SIZE];

    SHERD_TRY(cli_vault_open(cli, true, &vault));
    SHERD_TRY(sherd_scrub_status(vault, &status));
    if (cli->json)
        return cli_json_print("", status_json(&status), "\n");
    if (status.lost)
        cli_print("book         removed, changed or put back: `sherd scrub` begins another one\n");
    if (status.now.number != 0) {
        cli_format_time(status.now.began_s, time);
        cli_print("under way    since %s\n", time);
    }
    if (status.last.number == 0) {
        cli_print("last pass    none\n");
    } else {
        cli_format_time(status.last.ended_s, time);
        cli_print("last pass    %s: ", time);
        print_pass(&status.last);
    }
    cli_print("findings     ");
    print_counts(&status);
    return SHERD_OK;
}

struct listing {
    struct cli *cli;
    bool all;
    uint64_t count;
};

static void print_finding(const struct sherd_scrub_finding *finding)
{
    char id[2 * sizeof(finding->id) + 1];
    char uuid[SHERD_UUID_TEXT_SIZE];
    char first[CLI_TIME_TEXT_SIZE];
    char last[CLI_TIME_TEXT_SIZE];

    cli_format_hex(sherd_span_of(finding->id, sizeof(finding->id)), id);
    cli_format_time(finding->first_s, first);
    cli_format_time(finding->last_s, last);
    cli_print("%s  %s  ", id, finding->compartment);
    if (finding->has_record) {
        sherd_uuid_format(finding->record, uuid);
        cli_print("record %s version %" PRIu64 ": ", uuid, finding->version);
    }
    cli_print_escaped(sherd_span_str(finding->text));
    cli_print("\n    found %s", first);
    if (finding->count > 1)
        cli_print(", last %s, %" PRIu64 " times", last, finding->count);
    if (finding->healed_s != 0) {
        cli_format_time(finding->healed_s, last);
        cli_print("; healed: not found any more since %s", last);
    }
    if (finding->acknowledged_s != 0) {
        cli_format_time(finding->acknowledged_s, last);
        cli_print("; acknowledged %s", last);
        if (finding->by[0] != 0) {
            cli_print(" by ");
            cli_print_escaped(sherd_span_str(finding->by));
        }
        if (finding->note[0] != 0) {
            cli_print(": ");
            cli_print_escaped(sherd_span_str(finding->note));
        }
    }
    cli_print("\n");
}

static enum sherd_err visit(void *arg, const struct sherd_scrub_finding *finding)
{
    struct listing *listing = arg;

    if (finding->acknowledged_s != 0 && !listing->all)
        return SHERD_OK;
    listing->count++;
    if (listing->cli->json)
        return cli_json_print(listing->count > 1 ? ",\n " : "\n ", cli_finding_json(finding), "");
    print_finding(finding);
    return SHERD_OK;
}

static enum sherd_err list(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct listing listing = {.cli = cli, .all = cli_value(cli, OPT_ALL) != NULL};

    SHERD_TRY(cli_vault_open(cli, true, &vault));
    if (cli->json)
        cli_print("{\"findings\": [");
    SHERD_TRY(sherd_scrub_finding_each(vault, visit, &listing));
    if (cli->json)
        cli_print("\n]}\n");
    else if (listing.count == 0 && !cli->quiet)
        cli_print("no findings\n");
    return SHERD_OK;
}

/* Who asks, for those who read the book: as the machine knows him, which he himself says. */
static void who_asks(char *out, size_t size)
{
    char block[1024];
    struct passwd entry;
    struct passwd *user = NULL;

    if (getpwuid_r(getuid(), &entry, block, sizeof(block), &user) != 0)
        user = NULL;
    (void)snprintf(out, size, "%.32s (uid %ld)", user != NULL ? user->pw_name : "?", (long)getuid());
}

static enum sherd_err acknowledge(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *id_text = cli->operand_count > 1 ? cli->operands[1] : NULL;
    const bool all = cli_value(cli, OPT_ALL) != NULL;
    uint64_t count = 0;
    uint8_t id[16];
    char by[64];

    SHERD_ENSURE(all != (id_text != NULL), SHERD_ERR_INVALID, "say which finding, or --all");
    SHERD_ENSURE(id_text == NULL || cli_parse_hex(id_text, id, sizeof(id)), SHERD_ERR_INVALID,
                 "that is no finding's id, which has 32 digits: `sherd scrub findings`");
    who_asks(by, sizeof(by));
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(sherd_scrub_acknowledge(vault, all ? NULL : id, by, cli_value(cli, OPT_NOTE), &count));
    if (cli->json)
        return cli_json_print("", json_pack("{s:I}", "acknowledged", (json_int_t)count), "\n");
    if (!cli->quiet)
        cli_print("acknowledged %" PRIu64 " finding%s\n", count, count == 1 ? "" : "s");
    return SHERD_OK;
}

/* --- whom to tell ------------------------------------------------------------------------------------------------- */

static enum sherd_err show_rules(struct cli *cli, struct sherd_vault *vault)
{
    struct sherd_scrub_status status;
    char text[CLI_RULE_TEXT_SIZE];
    json_t *rules = json_array();

    if (rules == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_scrub_status(vault, &status);
    for (size_t i = 0; err == SHERD_OK && i < status.rule_count; i++) {
        cli_rule_format(&status.rules[i], text);
        if (cli->json) {
            (void)json_array_append_new(rules, cli_json_bytes(sherd_span_str(text)));
            continue;
        }
        cli_print("tell ");
        cli_print_escaped(sherd_span_str(text));
        cli_print("\n");
    }
    if (err == SHERD_OK && cli->json)
        return cli_json_print("", json_pack("{s:o}", "tell", rules), "\n");
    json_decref(rules);
    if (err == SHERD_OK && status.rule_count == 0)
        cli_print("nobody is told but who scrubs\n");
    return err;
}

static enum sherd_err take_rules(const struct cli *cli, struct sherd_scrub_rule *rules, size_t *out_count)
{
    size_t count = 0;
    bool none = false;

    for (size_t i = 0; i < cli->given_count; i++) {
        if (cli->given[i].option != &options[OPT_TELL])
            continue;
        none = none || strcmp(cli->given[i].value, "none") == 0;
        if (strcmp(cli->given[i].value, "none") == 0)
            continue;
        SHERD_ENSURE(count < SHERD_SCRUB_RULES_MAX, SHERD_ERR_INVALID, "--tell: at most 16 rules");
        SHERD_TRY(cli_rule_parse(cli->given[i].value, &rules[count++]));
    }
    SHERD_ENSURE(!none || count == 0, SHERD_ERR_INVALID, "--tell: none, or rules");
    *out_count = count;
    return SHERD_OK;
}

static enum sherd_err config(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_scrub_rule rules[SHERD_SCRUB_RULES_MAX];
    const bool sets = cli_value(cli, OPT_TELL) != NULL;
    size_t count = 0;

    SHERD_TRY(take_rules(cli, rules, &count));
    SHERD_TRY(cli_vault_open(cli, !sets, &vault));
    if (sets)
        SHERD_TRY(sherd_scrub_rules_set(vault, rules, count));
    return sets && cli->quiet ? SHERD_OK : show_rules(cli, vault);
}

/* --- the command -------------------------------------------------------------------------------------------------- */

/* What is said, and which options go with it: bit by option. */
static const struct {
    const char *verb;
    int operands;
    unsigned options;
    enum sherd_err (*run)(struct cli *cli);
} verbs[] = {
    {"", 0, 1U << OPT_RATE | 1U << OPT_ANEW, scrub},
    {"status", 1, 0, show_status},
    {"findings", 1, 1U << OPT_ALL, list},
    {"acknowledge", 2, 1U << OPT_ALL | 1U << OPT_NOTE, acknowledge},
    {"config", 1, 1U << OPT_TELL, config},
};

static enum sherd_err run(struct cli *cli)
{
    const char *verb = cli->operand_count > 0 ? cli->operands[0] : "";

    for (size_t i = 0; i < SHERD_COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].verb, verb) != 0 || cli->operand_count > verbs[i].operands)
            continue;
        for (size_t j = 0; j < cli->given_count; j++)
            SHERD_ENSURE((verbs[i].options >> (cli->given[j].option - options) & 1) != 0, SHERD_ERR_INVALID,
                         "an option that does not go with that: `sherd scrub --help`");
        return verbs[i].run(cli);
    }
    return sherd_fail(SHERD_ERR_INVALID,
                      "write `scrub`, `scrub status`, `scrub findings`, `scrub acknowledge ID` or `scrub config`");
}

const struct cli_command cmd_scrub = {
    .name = "scrub",
    .operands = "[status | findings | acknowledge ID | config]",
    .summary = "read and check everything, keep what is found, and tell whom it concerns",
    .notes =
        "Makes a pass over the whole vault, or goes on with one that was interrupted. What is found is kept, each\n"
        "thing once, until it is acknowledged; exit code 3 as long as anything is open. The agent does the same in\n"
        "the background: `sherd unseal --help`.\n"
        "RULE is admin:HOW or auditor:HOW, where HOW is syslog, file:PATH or command:PATH; first (whoever reads\n"
        "first after something was found); readers (of what it was found of); or none.",
    .options = options,
    .operand_max = 2,
    .run = run,
};
