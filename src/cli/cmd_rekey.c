/* SPDX-License-Identifier: Apache-2.0 */
/* sherd rekey and sherd epoch: wrapped keys under the keys that serve now. */
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_ALL, OPT_COLLECTION, OPT_ENTITY, OPT_FRESH, OPT_DEEP, OPT_RATE, OPT_RECEIPT, OPT_DUE, OPT_DRY_RUN };

static const struct cli_option options[] = {
    [OPT_ALL] = {"all", 0, NULL, "everything, which is what happens without other options"},
    [OPT_COLLECTION] = {"collection", 0, "NAME", "only this collection"},
    [OPT_ENTITY] = {"entity", 0, "ID", "only this entity, of the collection (default)"},
    [OPT_FRESH] = {"fresh-keys", 0, NULL, "give entities a fresh key, and do not just wrap the one they have anew"},
    [OPT_DEEP] = {"deep", 0, NULL, "encrypt contents anew, too, with fresh keys"},
    [OPT_RATE] = {"rate", 0, "N", "look at no more than N entries a second"},
    [OPT_RECEIPT] = {"receipt", 0, "FILE", "write a signed statement that nothing refers to older versions"},
    [OPT_DUE] = {"due", 0, NULL, "do what the policies of keys ask for, and nothing where nothing is due"},
    [OPT_DRY_RUN] = {"dry-run", 'n', NULL, "with --due: say what would be done"},
    {0},
};

static bool on_progress(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    (void)arg;
    cli_progress_update(stat->seen, total);
    return cli_signal_caught() == 0;
}

static enum sherd_err tell(struct cli *cli, const struct sherd_rekey_stat *stat, double seconds, uint64_t epoch)
{
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "entries", (json_int_t)stat->seen,
                                        "entities", (json_int_t)stat->entity_count, "records",
                                        (json_int_t)stat->record_count, "contents", (json_int_t)stat->sealed_count,
                                        "resealed", (json_int_t)stat->resealed_count, "seconds", seconds, "epoch",
                                        epoch != 0 ? json_integer((json_int_t)epoch) : json_null()),
                              "\n");
    if (cli->quiet)
        return SHERD_OK;
    cli_print("wrapped the keys of %" PRIu64 " entities and %" PRIu64 " record versions anew in %.1f s\n",
              stat->entity_count, stat->record_count, seconds);
    if (stat->sealed_count != 0)
        cli_print("encrypted the contents of %" PRIu64 " record versions anew\n", stat->sealed_count);
    if (stat->resealed_count != 0)
        cli_print("sealed %" PRIu64 " entries anew under the newest store keys\n", stat->resealed_count);
    if (epoch != 0)
        cli_print("erase epoch %" PRIu64 " serves; the keys of older ones are destroyed\n", epoch);
    return SHERD_OK;
}

static enum sherd_err interrupted(enum sherd_err err)
{
    if (err == SHERD_ERR_BUSY && cli_signal_caught() != 0)
        return sherd_fail(err, "interrupted: the same command goes on from here");
    return err;
}

enum sherd_err cli_rekey(struct cli *cli, const struct sherd_rekey_options *rekey, const char *receipt)
{
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_REKEYED};
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_rekey_stat stat = {0};

    SHERD_TRY(cli_receipt_check(cli, receipt));
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    cli_signals_defer();
    cli_progress_begin(cli, "rekey");
    const enum sherd_err err = sherd_rekey(vault, rekey, on_progress, NULL, &stat);
    const double seconds = cli_progress_end();
    SHERD_TRY(interrupted(err));
    SHERD_TRY(cli_receipt_write(vault, &request, receipt));
    return tell(cli, &stat, seconds, 0);
}

static enum sherd_err run_rekey(struct cli *cli)
{
    struct sherd_rekey_options rekey = {.collection = cli_value(cli, OPT_COLLECTION),
                                        .entity = cli_value(cli, OPT_ENTITY),
                                        .fresh_keys = cli_value(cli, OPT_FRESH) != NULL,
                                        .deep = cli_value(cli, OPT_DEEP) != NULL};

    SHERD_ENSURE(cli_value(cli, OPT_ALL) == NULL || (rekey.collection == NULL && rekey.entity == NULL),
                 SHERD_ERR_INVALID, "--all goes with neither --collection nor --entity");
    SHERD_TRY(cli_value_number(cli, OPT_RATE, 1, UINT32_MAX, 0, &rekey.rate));
    const bool dry_run = cli_value(cli, OPT_DRY_RUN) != NULL;
    SHERD_ENSURE(!dry_run || (cli_value(cli, OPT_DUE) != NULL && cli_value(cli, OPT_RECEIPT) == NULL),
                 SHERD_ERR_INVALID, "--dry-run goes with --due, and without --receipt");
    if (cli_value(cli, OPT_DUE) != NULL) {
        SHERD_ENSURE(rekey.collection == NULL && rekey.entity == NULL && !rekey.fresh_keys && !rekey.deep,
                     SHERD_ERR_INVALID,
                     "--due is about everything: it goes with --rate, --receipt and --dry-run alone");
        return cli_rekey_due(cli, rekey.rate, dry_run, cli_value(cli, OPT_RECEIPT));
    }
    return cli_rekey(cli, &rekey, cli_value(cli, OPT_RECEIPT));
}

const struct cli_command cmd_rekey = {
    .name = "rekey",
    .operands = "",
    .summary = "bring wrapped keys and entries under the keys that serve now",
    .notes =
        "Contents are not touched but with --deep, and reading and writing go on meanwhile. What is up to date is\n"
        "left alone, so a command that was interrupted or killed is simply given again. Of everything, entries are\n"
        "sealed under the newest store keys, and older versions of these and of \"hash\" are destroyed when nothing\n"
        "refers to them. --due activates the next version of each key that is due by its policy (`sherd key policy`),\n"
        "rekeys everything, retires older versions and destroys them where the policy says so.",
    .options = options,
    .run = run_rekey,
};

enum { OPT_EPOCH_RECEIPT };

static const struct cli_option epoch_options[] = {
    [OPT_EPOCH_RECEIPT] = {"receipt", 0, "FILE",
                           "write a signed statement that the keys of older epochs are destroyed"},
    {0},
};

static enum sherd_err run_epoch(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_rekey_stat stat = {0};
    uint64_t epoch = 0;

    SHERD_ENSURE(strcmp(cli->operands[0], "roll") == 0, SHERD_ERR_INVALID, "write `epoch roll`");
    SHERD_TRY(cli_receipt_check(cli, cli_value(cli, OPT_EPOCH_RECEIPT)));
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    cli_signals_defer();
    cli_progress_begin(cli, "epoch");
    const enum sherd_err err = sherd_epoch_roll(vault, on_progress, NULL, &stat, &epoch);
    const double seconds = cli_progress_end();
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_EPOCH};
    SHERD_TRY(interrupted(err));
    SHERD_TRY(cli_receipt_write(vault, &request, cli_value(cli, OPT_EPOCH_RECEIPT)));
    return tell(cli, &stat, seconds, epoch);
}

const struct cli_command cmd_epoch = {
    .name = "epoch",
    .operands = "roll",
    .summary = "make what was deleted and erased unrecoverable",
    .notes =
        "Every key that is still needed is wrapped under the key of a new erase epoch; then the old epoch's key is\n"
        "destroyed. What was deleted or erased before is gone from then on, also for one who has every file, every\n"
        "older backup and the live keys. Backups of the old epoch cannot be read any more.",
    .options = epoch_options,
    .operand_min = 1,
    .operand_max = 1,
    .run = run_epoch,
};
