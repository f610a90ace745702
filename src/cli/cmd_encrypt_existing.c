/* SPDX-License-Identifier: Apache-2.0 */
/* sherd encrypt-existing: bring the records of a collection under a named key. */
#include "cli/commands.h"
#include "cli/json.h"

#include <inttypes.h>

enum { OPT_COLLECTION, OPT_KEY, OPT_RATE };

static const struct cli_option options[] = {
    [OPT_COLLECTION] = {"collection", 'c', "NAME", "whose records (default)"},
    [OPT_KEY] = {"key", 'k', "NAME", "the named key"},
    [OPT_RATE] = {"rate", 0, "N", "look at no more than N entries a second"},
    {0},
};

static bool on_progress(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    (void)arg;
    cli_progress_update(stat->seen, total);
    return cli_signal_caught() == 0;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *key = cli_value(cli, OPT_KEY);
    struct sherd_rekey_stat stat = {0};
    uint64_t rate = 0;

    SHERD_ENSURE(key != NULL, SHERD_ERR_INVALID, "say which key: --key NAME");
    SHERD_TRY(cli_value_number(cli, OPT_RATE, 1, UINT32_MAX, 0, &rate));
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    cli_signals_defer();
    cli_progress_begin(cli, "encrypt-existing");
    const enum sherd_err err = sherd_encrypt_existing(vault, cli_value(cli, OPT_COLLECTION), key, rate, on_progress,
                                                      NULL, &stat);
    const double seconds = cli_progress_end();
    if (err == SHERD_ERR_BUSY && cli_signal_caught() != 0)
        return sherd_fail(err, "interrupted: the same command goes on from here");
    SHERD_TRY(err);
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:s, s:I, s:f}", "key", key, "records", (json_int_t)stat.record_count,
                                        "seconds", seconds),
                              "\n");
    if (!cli->quiet)
        cli_print("brought %" PRIu64 " record versions under %s in %.1f s\n", stat.record_count, key, seconds);
    return SHERD_OK;
}

const struct cli_command cmd_encrypt_existing = {
    .name = "encrypt-existing",
    .operands = "",
    .summary = "bring the records of a collection under a named key",
    .notes = "Contents are not touched, and reading and writing go on meanwhile. Records under another named key stay\n"
             "there. What is done is left alone, so a command that was interrupted or killed is simply given again.",
    .options = options,
    .run = run,
};
