/* SPDX-License-Identifier: Apache-2.0 */
/* sherd prove: proofs from the ledger, which sherd-verify checks without the vault. */
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/ledger.h"
#include "cli/text.h"

#include <inttypes.h>
#include <string.h>

enum { OPT_OUTPUT, OPT_VERSION, OPT_AS, OPT_COLLECTION, OPT_NO_JOINS };

static const struct cli_option options[] = {
    [OPT_OUTPUT] = {"output", 'o', "FILE", "write to a file that is not there yet"},
    [OPT_VERSION] = {"version", 0, "N", "record: what made version N; else what happened to the record last"},
    [OPT_AS] = {"as", 0, "KIND", "evidence: what it is about: record, entity, user, or id of whatever has it"},
    [OPT_COLLECTION] = {"collection", 'c', "NAME", "evidence: the collection that the entity belongs to (default)"},
    [OPT_NO_JOINS] = {"no-joins", 0, NULL, "evidence: of changes alone, not of who read what"},
    {0},
};

/* A proof that is being made. */
struct proving {
    struct cli *cli;
    struct sherd_vault *vault;
    struct sherd_buf text;
};

static enum sherd_err prove_inclusion(struct proving *proving)
{
    uint64_t index;

    SHERD_ENSURE(cli_parse_number(proving->cli->operands[1], 0, INT64_MAX, &index), SHERD_ERR_INVALID,
                 "a leaf has a number: `prove inclusion INDEX`");
    return sherd_ledger_prove_inclusion(proving->vault, index, &proving->text);
}

static enum sherd_err prove_consistency(struct proving *proving)
{
    const struct cli *cli = proving->cli;
    struct cli_ledger_point old;
    struct cli_ledger_point now = {.size = 0};

    SHERD_TRY(cli_ledger_point_read(cli, proving->vault, cli->operands[1], &old));
    if (cli->operand_count > 2)
        SHERD_TRY(cli_ledger_point_read(cli, proving->vault, cli->operands[2], &now));
    SHERD_ENSURE(cli->operand_count < 3 || now.size >= old.size, SHERD_ERR_INVALID,
                 "a ledger only grows: the older checkpoint comes first");
    return sherd_ledger_prove_consistency(proving->vault, old.size, now.size, &proving->text);
}

static enum sherd_err prove_record(struct proving *proving)
{
    struct sherd_uuid id;
    uint64_t version;

    SHERD_TRY(cli_operand_uuid(proving->cli, 1, &id));
    SHERD_TRY(cli_value_number(proving->cli, OPT_VERSION, 1, INT64_MAX, 0, &version));
    return sherd_ledger_receipt(proving->vault, id, version, &proving->text);
}

/* Each meaning that the word may have, until the ledger says something. */
static enum sherd_err prove_evidence(struct proving *proving)
{
    const struct cli *cli = proving->cli;
    struct cli_ledger_subject subject = {.word = cli->operands[1],
                                         .as = cli_value(cli, OPT_AS),
                                         .collection = cli_value(cli, OPT_COLLECTION),
                                         .user = cli->user};
    uint64_t count = 0;
    enum sherd_err err;

    SHERD_TRY(cli_ledger_subject_first(&subject));
    subject.query.joins = cli_value(cli, OPT_NO_JOINS) == NULL;
    do {
        sherd_buf_clear(&proving->text);
        err = sherd_ledger_evidence(proving->vault, &subject.query, &proving->text, &count);
    } while (count == 0 && (err == SHERD_OK || err == SHERD_ERR_NOT_FOUND) && cli_ledger_subject_next(&subject));
    SHERD_TRY(err);
    SHERD_ENSURE(count > 0, SHERD_ERR_NOT_FOUND, "the ledger says nothing of that");
    return SHERD_OK;
}

static enum sherd_err prove_checkpoint(struct proving *proving)
{
    return sherd_ledger_checkpoint(proving->vault, &proving->text, NULL, NULL);
}

static enum sherd_err prove_key(struct proving *proving)
{
    SHERD_TRY(sherd_ledger_checkpoint(proving->vault, NULL, &proving->text, NULL));
    return sherd_buf_append(&proving->text, sherd_span_str("\n"));
}

static const struct {
    const char *name;
    enum sherd_err (*prove)(struct proving *proving);
    int operand_min; /* with its name */
    int operand_max;
    bool versions; /* takes --version */
    bool subjects; /* takes the options that say what a word means */
} verbs[] = {
    {"inclusion", prove_inclusion, 2, 2, false, false},   {"consistency", prove_consistency, 2, 3, false, false},
    {"record", prove_record, 2, 2, true, false},          {"evidence", prove_evidence, 2, 2, false, true},
    {"checkpoint", prove_checkpoint, 1, 1, false, false}, {"key", prove_key, 1, 1, false, false},
};

static enum sherd_err check_options(const struct cli *cli, bool versions, bool subjects)
{
    SHERD_ENSURE(versions || cli_value(cli, OPT_VERSION) == NULL, SHERD_ERR_INVALID,
                 "--version is an option of `prove record`");
    SHERD_ENSURE(subjects || (cli_value(cli, OPT_AS) == NULL && cli_value(cli, OPT_COLLECTION) == NULL &&
                              cli_value(cli, OPT_NO_JOINS) == NULL),
                 SHERD_ERR_INVALID, "--as, --collection and --no-joins are options of `prove evidence`");
    return SHERD_OK;
}

static enum sherd_err tell(const struct cli *cli, struct sherd_span text)
{
    const char *path = cli_value(cli, OPT_OUTPUT);

    if (path != NULL)
        return cli_write_new(path, text);
    if (cli->json)
        return cli_json_print("", json_pack("{s:o}", "proof", cli_json_bytes(text)), "\n");
    cli_print("%.*s", (int)text.len, (const char *)text.data);
    return SHERD_OK;
}

static void proving_done(struct proving *proving)
{
    sherd_buf_done(&proving->text);
    sherd_vault_close(proving->vault);
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(proving_done) struct proving proving = {.cli = cli};

    for (size_t i = 0; i < SHERD_COUNT_OF(verbs); i++) {
        if (strcmp(cli->operands[0], verbs[i].name) != 0)
            continue;
        SHERD_ENSURE(cli->operand_count >= verbs[i].operand_min && cli->operand_count <= verbs[i].operand_max,
                     SHERD_ERR_INVALID, "an operand is missing, or there are too many");
        SHERD_TRY(check_options(cli, verbs[i].versions, verbs[i].subjects));
        SHERD_TRY(cli_ledger_receipt_check(cli_value(cli, OPT_OUTPUT)));
        SHERD_TRY(cli_vault_open(cli, false, &proving.vault));
        SHERD_TRY(verbs[i].prove(&proving));
        return tell(cli, sherd_buf_span(&proving.text));
    }
    return sherd_fail(SHERD_ERR_INVALID,
                      "say what to prove: inclusion, consistency, record, evidence, checkpoint, key");
}

const struct cli_command cmd_prove = {
    .name = "prove",
    .operands = "inclusion INDEX | consistency OLD [NEW] | record UUID | evidence UUID|ENTITY|USER | checkpoint | key",
    .summary = "write a proof from the ledger, which sherd-verify checks without the vault",
    .notes =
        "`prove key` prints the ledger's public key: keep it where those who run the vault cannot change it, with\n"
        "a checkpoint of now and then. OLD and NEW are files with checkpoints, or numbers of leaves.",
    .options = options,
    .operand_min = 1,
    .operand_max = 3,
    .run = run,
};
