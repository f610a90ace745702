/* SPDX-License-Identifier: Apache-2.0 */
/* sherd history and sherd diff: what happened, by the ledger. */
#include "cli/commands.h"
#include "cli/ledger.h"

#include <inttypes.h>

enum { OPT_AS, OPT_COLLECTION, OPT_NO_JOINS };

static const struct cli_option options[] = {
    [OPT_AS] = {"as", 0, "KIND", "what it is: record, entity, user, or id of whatever has it"},
    [OPT_COLLECTION] = {"collection", 'c', "NAME", "the collection that the entity belongs to (default)"},
    [OPT_NO_JOINS] = {"no-joins", 0, NULL, "tell changes alone, not who read what"},
    {0},
};

/* Each meaning that the word may have, until the ledger says something. */
static enum sherd_err print_history(struct cli *cli, struct sherd_vault *vault, struct cli_ledger_subject *subject)
{
    SHERD_CLEANUP(cli_ledger_print_done) struct cli_ledger_print print = {.cli = cli};
    struct sherd_ledger_head head;
    enum sherd_err err;

    SHERD_TRY(cli_ledger_subject_first(subject));
    subject->query.joins = cli_value(cli, OPT_NO_JOINS) == NULL;
    SHERD_TRY(cli_ledger_print_begin(&print, vault));
    do
        err = sherd_ledger_history(vault, &subject->query, cli_ledger_print_event, &print, &head);
    while (print.count == 0 && (err == SHERD_OK || err == SHERD_ERR_NOT_FOUND) && cli_ledger_subject_next(subject));
    SHERD_TRY(err);
    SHERD_ENSURE(print.count > 0, SHERD_ERR_NOT_FOUND, "the ledger says nothing of that");
    return cli_ledger_print_end(&print, &head);
}

static enum sherd_err run_history(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct cli_ledger_subject subject = {.word = cli->operands[0],
                                         .as = cli_value(cli, OPT_AS),
                                         .collection = cli_value(cli, OPT_COLLECTION),
                                         .user = cli->user};

    SHERD_TRY(cli_vault_open(cli, false, &vault));
    return print_history(cli, vault, &subject);
}

const struct cli_command cmd_history = {
    .name = "history",
    .operands = "UUID|ENTITY|USER",
    .summary = "tell what was done to a record, an entity or by a user, when and by whom, and who read it",
    .notes = "Each line is a leaf of the ledger: its number, the time, what happened to what, and who did it. It is\n"
             "proved, before it is printed, that the leaf is in the ledger as its newest checkpoint says. A join is\n"
             "a key that was given out, to read that version: a leaf stands for up to 256 of them.\n"
             "A name is that of an entity; where there is none, of a user.",
    .options = options,
    .operand_min = 1,
    .operand_max = 1,
    .run = run_history,
};

static enum sherd_err print_between(struct cli *cli, struct sherd_vault *vault, uint64_t from, uint64_t to)
{
    SHERD_CLEANUP(cli_ledger_print_done) struct cli_ledger_print print = {.cli = cli};
    const struct sherd_ledger_query query = {.about = SHERD_LEDGER_ALL, .from = from, .to = to};
    struct sherd_ledger_head head;

    SHERD_TRY(cli_ledger_print_begin(&print, vault));
    if (from < to)
        SHERD_TRY(sherd_ledger_history(vault, &query, cli_ledger_print_event, &print, &head));
    else
        SHERD_TRY(sherd_ledger_checkpoint(vault, NULL, NULL, &head));
    return cli_ledger_print_end(&print, &head);
}

static enum sherd_err run_diff(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf proof = {0};
    struct sherd_ledger_head now;
    struct cli_ledger_point from;
    struct cli_ledger_point to;

    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(sherd_ledger_checkpoint(vault, NULL, NULL, &now));
    to.size = now.size;
    SHERD_TRY(cli_ledger_point_read(cli, vault, cli->operands[0], &from));
    if (cli->operand_count > 1)
        SHERD_TRY(cli_ledger_point_read(cli, vault, cli->operands[1], &to));
    SHERD_ENSURE(from.size <= to.size, SHERD_ERR_INVALID, "a ledger only grows: the older checkpoint comes first");
    if (to.size > now.size)
        return sherd_fail(SHERD_ERR_INVALID, "the ledger has only %" PRIu64 " leaves", now.size);
    SHERD_TRY(sherd_ledger_prove_consistency(vault, from.size, to.size == 0 ? 0 : to.size, &proof));
    if (!cli->json && !cli->quiet)
        cli_print("from %" PRIu64 " to %" PRIu64 " leaves the ledger only grew\n", from.size, to.size);
    return print_between(cli, vault, from.size, to.size);
}

const struct cli_command cmd_diff = {
    .name = "diff",
    .operands = "CHECKPOINT [CHECKPOINT]",
    .summary = "prove that the ledger only grew between two checkpoints, and tell what happened between them",
    .notes = "A checkpoint is a file, as `sherd prove checkpoint` writes it, or a number of leaves; the second one is\n"
             "the newest unless given. Exit code 6: the ledger is behind a checkpoint, or is not what it was.",
    .operand_min = 1,
    .operand_max = 2,
    .run = run_diff,
};
