/* SPDX-License-Identifier: Apache-2.0 */
/* sherd unseal: start the vault's agent, and unseal it: by a passphrase, a key file, or one share after another. */
#include "anchor/agent/serve.h"
#include "cli/agent.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/key_store.h"
#include "cli/rotation.h"
#include "cli/scrubbing.h"
#include "cli/shares.h"
#include "cli/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DAY_S UINT64_C(86400)

enum {
    OPT_IDLE,
    OPT_OPERATORS,
    OPT_NO_ROTATION,
    OPT_ROTATION_RATE,
    OPT_NO_SCRUB,
    OPT_SCRUB_RATE,
    OPT_SCRUB_EVERY,
    OPT_WITHOUT_WITNESSES
};

static const struct cli_option options[] = {
    [OPT_IDLE] = {"idle", 0, "TIME", "seal after this long without a command: 15m, 1h, 30s; 0 for never (15m)"},
    [OPT_OPERATORS] = {"operators", 0, NULL, "let other users of this machine give shares, and ask for the state"},
    [OPT_NO_ROTATION] = {"no-rotation", 0, NULL, "leave keys that are due by their policies as they are"},
    [OPT_ROTATION_RATE] = {"rotation-rate", 0, "N", "rotate them at no more than N entries a second (2000)"},
    [OPT_NO_SCRUB] = {"no-scrub", 0, NULL, "do not scrub the vault in the background"},
    [OPT_SCRUB_RATE] = {"scrub-rate", 0, "BYTES", "scrub at no more than so many bytes a second (16777216)"},
    [OPT_SCRUB_EVERY] = {"scrub-every", 0, "DAYS", "begin a pass so long after the last one ended (7)"},
    [OPT_WITHOUT_WITNESSES] = {"without-witnesses", 0, NULL,
                               "unseal it though too few witnesses say that it was not rolled back"},
    {0},
};

/* A number with s, m or h behind it; minutes without. */
static enum sherd_err parse_idle(const struct cli *cli, struct sherd_wire_unseal *unseal)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
    const char *text = cli_value(cli, OPT_IDLE);
    char digits[16] = "";
    uint64_t unit_s = 60;
    uint64_t number = 0;

    unseal->has_idle = text != NULL;
    unseal->idle_s = CLI_AGENT_IDLE_S;
    if (text == NULL)
        return SHERD_OK;
    size_t len = strlen(text);
    for (size_t i = 0; i < SHERD_COUNT_OF(units); i++)
        if (len > 0 && text[len - 1] == units[i].letter) {
            unit_s = units[i].seconds;
            len--;
            break;
        }
    if (len < sizeof(digits))
        memcpy(digits, text, len);
    if (!cli_parse_number(digits, 0, 1000000, &number))
        return sherd_fail(SHERD_ERR_INVALID, "--idle: write a time such as 15m, 1h or 30s, or 0 for no limit");
    unseal->idle_s = number * unit_s;
    return SHERD_OK;
}

static enum sherd_err have_key_store(const struct cli *cli, struct cli_key_store *key_store,
                                     struct sherd_wire_key_store *out)
{
    SHERD_TRY(cli_key_store_read(cli, false, key_store));
    if (key_store->given == NULL)
        return SHERD_OK;
    out->given = true;
    out->password = key_store->file.password;
    memcpy(out->path, key_store->path, sizeof(out->path));
    return SHERD_OK;
}

/* Whether enough shares of a seal wait in the agent: for the key store, which is all that is missing then. */
static bool shares_wait(const struct sherd_wire_progress *shares, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (shares[i].given >= shares[i].threshold)
            return true;
    return false;
}

/* What was given; else a share, if the vault is opened by shares, or by one who cannot look into it. */
static enum sherd_err read_what_unseals(const struct cli *cli, const char *path, bool owner, struct cli_unseal *by,
                                        struct sherd_wire_unseal *unseal)
{
    if (!cli_unseal_given(cli) && (!owner || cli_shares_wanted(cli, path)))
        SHERD_TRY(cli_share_ask(by));
    else
        SHERD_TRY(cli_unseal_read(cli, false, by));
    const struct sherd_unseal *given = &by->unseal;
    unseal->kind = given->shares.len > 0     ? SHERD_WIRE_SHARES
                   : given->key_file.len > 0 ? SHERD_WIRE_KEY_FILE
                                             : SHERD_WIRE_PASSPHRASE;
    unseal->secret = given->shares.len > 0     ? given->shares
                     : given->key_file.len > 0 ? given->key_file
                                               : given->passphrase;
    SHERD_ENSURE(unseal->secret.len <= SHERD_WIRE_UNSEAL_BYTES_MAX, SHERD_ERR_LIMIT,
                 "too much at a time: give a few shares, then the others");
    return SHERD_OK;
}

/* The agent that runs, or a fresh one. */
static enum sherd_err have_agent(const struct cli *cli, const char *path, uint64_t idle_s,
                                 struct cli_agent_place *out_place, struct sherd_link **out_link)
{
    struct cli_agent_options start = {.idle_s = idle_s,
                                      .operators = cli_value(cli, OPT_OPERATORS) != NULL,
                                      .no_rotation = cli_value(cli, OPT_NO_ROTATION) != NULL,
                                      .no_scrub = cli_value(cli, OPT_NO_SCRUB) != NULL};

    SHERD_TRY(cli_value_number(cli, OPT_ROTATION_RATE, 1, UINT32_MAX, CLI_ROTATION_RATE, &start.rotation_rate));
    SHERD_TRY(cli_value_number(cli, OPT_SCRUB_RATE, 1, UINT64_MAX / 2, CLI_SCRUB_RATE, &start.scrub_rate));
    SHERD_TRY(cli_value_number(cli, OPT_SCRUB_EVERY, 0, 36500, CLI_SCRUB_EVERY_S / DAY_S, &start.scrub_every_s));
    start.scrub_every_s *= DAY_S;
    const enum sherd_err err = cli_agent_connect(path, out_place, out_link);
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    SHERD_TRY(cli_agent_place(path, start.operators, &start.place));
    if (geteuid() == start.place.owner)
        SHERD_TRY(cli_vault_check(path));
    SHERD_TRY(cli_agent_start(&start));
    return cli_agent_connect(path, out_place, out_link);
}

/* What is missing: the key store alone, or what opens a seal and perhaps the key store. */
static enum sherd_err read_what_is_missing(const struct cli *cli, const char *path, bool owner, bool only_key_store,
                                           struct cli_unseal *by, struct sherd_wire_unseal *unseal)
{
    if (!only_key_store || cli_unseal_given(cli))
        return read_what_unseals(cli, path, owner, by, unseal);
    SHERD_ENSURE(unseal->key_store.given, SHERD_ERR_SEALED,
                 "there are enough shares, which wait for the key store: give its password with "
                 "--key-store-password-file");
    unseal->kind = SHERD_WIRE_KEY_STORE;
    return SHERD_OK;
}

static enum sherd_err print(const struct cli *cli, const struct sherd_wire_unsealed *unsealed)
{
    const struct sherd_wire_progress *progress = &unsealed->progress;

    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:b, s:i, s:i, s:i, s:s, s:s}", "unsealed", unsealed->unsealed, "given",
                                        (int)progress->given, "needed", (int)progress->threshold, "count",
                                        (int)progress->count, "holders", unsealed->holders, "missing",
                                        unsealed->missing),
                              "\n");
    if (cli->quiet)
        return SHERD_OK;
    if (progress->count > 0) {
        cli_print("%u of %u shares", progress->given, progress->threshold);
        if (unsealed->holders[0] != '\0')
            cli_print(": %s", unsealed->holders);
        cli_print("\n");
    }
    cli_print(unsealed->unsealed ? "unsealed\n" : "still sealed\n");
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(sherd_link_freep) struct sherd_link *link = NULL;
    SHERD_CLEANUP(cli_unseal_done) struct cli_unseal by = {0};
    SHERD_CLEANUP(cli_key_store_done) struct cli_key_store key_store = {0};
    struct sherd_wire_progress shares[SHERD_SERVE_PROGRESS_MAX];
    struct cli_agent_place place;
    struct sherd_wire_unsealed unsealed = {0};
    struct sherd_wire_unseal unseal = {.kind = SHERD_WIRE_PASSPHRASE};
    struct sherd_wire_status status;
    const char *path = NULL;
    size_t count = 0;

    SHERD_TRY(cli_user_none(cli));
    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(parse_idle(cli, &unseal));
    unseal.unwitnessed = cli_value(cli, OPT_WITHOUT_WITNESSES) != NULL;
    SHERD_TRY(have_agent(cli, path, unseal.idle_s, &place, &link)); /* before anything secret is in memory: it forks */
    SHERD_TRY(cli_agent_status(link, &status, shares, SHERD_COUNT_OF(shares), &count));
    unsealed.unsealed = !status.sealed;
    if (status.sealed) {
        sherd_link_free(sherd_link_take(&link)); /* nobody waits while somebody types */
        SHERD_TRY(have_key_store(cli, &key_store, &unseal.key_store));
        SHERD_TRY(read_what_is_missing(cli, path, geteuid() == place.owner, shares_wait(shares, count), &by, &unseal));
        SHERD_TRY(have_agent(cli, path, unseal.idle_s, &place, &link));
        SHERD_TRY(cli_agent_unseal(link, &unseal, &unsealed));
    }
    return print(cli, &unsealed);
}

const struct cli_command cmd_unseal = {
    .name = "unseal",
    .operands = "",
    .summary = "unseal the vault for the commands that follow",
    .notes =
        "Starts a process of its own, the agent, which has the vault's keys until `sherd seal`, or until no command\n"
        "has used it for as long as --idle says. Commands that are given nothing to unseal with then use it.\n"
        "A vault that is sealed by shares is unsealed share by share, from any terminal; what is wrong with a share\n"
        "is said at once. Shares that were given are forgotten after 10 minutes.\n"
        "The agent rotates keys that are due by their policies (`sherd key policy`), in the background, and scrubs\n"
        "the vault (`sherd scrub`): from ten minutes after it was unsealed on, a pass a week, which goes on where it\n"
        "was when the vault is sealed meanwhile. That alone does not keep it from being idle.",
    .options = options,
    .run = run,
};
