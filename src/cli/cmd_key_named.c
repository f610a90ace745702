/* SPDX-License-Identifier: Apache-2.0 */
/* sherd key, named keys: make them, rotate them, and say who may do what under them. */
#include "cli/json.h"
#include "cli/key_named.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned right;
} rights_by_name[] = {{"read", SHERD_RIGHT_READ}, {"write", SHERD_RIGHT_WRITE}, {"manage", SHERD_RIGHT_MANAGE}};

/* Room for all of them with commas between. */
#define RIGHTS_TEXT_SIZE 32U

static void rights_text(unsigned rights, char out[static RIGHTS_TEXT_SIZE])
{
    size_t len = 0;

    out[0] = 0;
    for (size_t i = 0; i < SHERD_COUNT_OF(rights_by_name); i++)
        if ((rights & rights_by_name[i].right) != 0)
            len += (size_t)snprintf(out + len, RIGHTS_TEXT_SIZE - len, "%s%s", len > 0 ? "," : "",
                                    rights_by_name[i].name);
}

static unsigned right_of(const char *text, size_t len)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(rights_by_name); i++)
        if (strlen(rights_by_name[i].name) == len && strncmp(rights_by_name[i].name, text, len) == 0)
            return rights_by_name[i].right;
    return 0;
}

/* read, write, manage, with commas between. */
static enum sherd_err parse_rights(const char *text, unsigned *out_rights)
{
    unsigned rights = 0;

    for (;;) {
        const size_t len = strcspn(text, ",");
        const unsigned right = right_of(text, len);

        SHERD_ENSURE(right != 0, SHERD_ERR_INVALID, "rights are read, write and manage, with commas between them");
        rights |= right;
        if (text[len] == 0)
            break;
        text += len + 1;
    }
    *out_rights = rights;
    return SHERD_OK;
}

static enum sherd_err create(struct cli *cli, struct sherd_vault *vault, const char *owner)
{
    SHERD_TRY(sherd_key_create(vault, cli->operands[1], owner));
    if (cli->json)
        return cli_json_print("", json_pack("{s:s}", "key", cli->operands[1]), "\n");
    if (!cli->quiet)
        cli_print("made key %s\n", cli->operands[1]);
    return SHERD_OK;
}

static enum sherd_err grant(struct cli *cli, struct sherd_vault *vault)
{
    const bool revokes = strcmp(cli->operands[0], "revoke") == 0;
    char text[RIGHTS_TEXT_SIZE];
    unsigned rights = 0;

    if (!revokes)
        SHERD_TRY(parse_rights(cli->operands[3], &rights));
    SHERD_TRY(sherd_key_grant(vault, cli->operands[1], cli->operands[2], rights));
    rights_text(rights, text);
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:s, s:s, s:s}", "key", cli->operands[1], "user", cli->operands[2], "rights",
                                        text),
                              "\n");
    if (!cli->quiet)
        cli_print(revokes ? "%s has no right under %s any more\n" : "%s may, under %s: %s\n", cli->operands[2],
                  cli->operands[1], text);
    return SHERD_OK;
}

struct listing {
    const struct cli *cli;
    uint64_t count;
};

static enum sherd_err visit_key(void *arg, const struct sherd_key_info *info)
{
    struct listing *listing = arg;
    char text[RIGHTS_TEXT_SIZE];
    char time[CLI_TIME_TEXT_SIZE];

    rights_text(info->rights, text);
    cli_format_time((int64_t)info->created_s, time);
    listing->count++;
    if (listing->cli->json)
        return cli_json_print(listing->count > 1 ? ",\n " : "\n ",
                              json_pack("{s:s, s:s, s:I, s:s, s:I}", "key", info->name, "owner", info->owner, "version",
                                        (json_int_t)info->version, "rights", text, "created",
                                        (json_int_t)info->created_s),
                              "");
    cli_print("%-24s version %" PRIu64 "  %s  owner %s  you: %s\n", info->name, info->version, time, info->owner, text);
    return SHERD_OK;
}

static enum sherd_err visit_grant(void *arg, const char *user, unsigned rights)
{
    struct listing *listing = arg;
    char text[RIGHTS_TEXT_SIZE];

    rights_text(rights, text);
    listing->count++;
    if (listing->cli->json)
        return cli_json_print(listing->count > 1 ? ",\n " : "\n ",
                              json_pack("{s:s, s:s}", "user", user, "rights", text), "");
    cli_print("%-24s %s\n", user, text);
    return SHERD_OK;
}

static enum sherd_err show(const struct cli *cli, struct sherd_vault *vault)
{
    const bool grants = strcmp(cli->operands[0], "grants") == 0;
    struct listing listing = {.cli = cli};

    if (cli->json)
        cli_print(grants ? "{\"grants\": [" : "{\"named_keys\": [");
    SHERD_TRY(grants ? sherd_grant_each(vault, cli->operands[1], visit_grant, &listing)
                     : sherd_key_each(vault, visit_key, &listing));
    if (cli->json)
        cli_print("\n]}\n");
    return SHERD_OK;
}

static bool on_progress(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    (void)arg;
    cli_progress_update(stat->seen, total);
    return cli_signal_caught() == 0;
}

static enum sherd_err rotate(struct cli *cli, struct sherd_vault *vault)
{
    struct sherd_rekey_stat stat = {0};

    cli_signals_defer();
    cli_progress_begin(cli, "rotate");
    const enum sherd_err err = sherd_key_rotate(vault, cli->operands[1], on_progress, NULL, &stat);
    const double seconds = cli_progress_end();
    if (err == SHERD_ERR_BUSY && cli_signal_caught() != 0)
        return sherd_fail(err, "interrupted: the same command rotates it once more");
    SHERD_TRY(err);
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:s, s:I, s:f}", "key", cli->operands[1], "records",
                                        (json_int_t)stat.record_count, "seconds", seconds),
                              "\n");
    if (!cli->quiet)
        cli_print("%s has a fresh version; the keys of %" PRIu64 " record versions lie under it\n", cli->operands[1],
                  stat.record_count);
    return SHERD_OK;
}

static const struct verb {
    const char *name;
    int operand_count; /* with the verb itself */
    const char *usage;
} verbs[] = {
    {"create", 2, "write `key create NAME`"},
    {"grant", 4, "write `key grant NAME USER RIGHTS`, rights being read, write, manage with commas between them"},
    {"revoke", 3, "write `key revoke NAME USER`"},
    {"rotate", 2, "write `key rotate NAME`"},
    {"grants", 2, "write `key grants NAME`"},
    {"named", 1, "write `key named`"},
};

static const struct verb *verb_of(const struct cli *cli)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(verbs); i++)
        if (strcmp(cli->operands[0], verbs[i].name) == 0)
            return &verbs[i];
    return NULL;
}

bool cli_key_is_named(const struct cli *cli)
{
    return verb_of(cli) != NULL;
}

enum sherd_err cli_key_named(struct cli *cli, const char *owner)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const struct verb *verb = verb_of(cli);
    const bool makes = strcmp(verb->name, "create") == 0;
    const bool reads = strcmp(verb->name, "grants") == 0 || strcmp(verb->name, "named") == 0;

    if (cli->operand_count != verb->operand_count)
        return sherd_fail(SHERD_ERR_INVALID, "%s", verb->usage);
    SHERD_ENSURE(cli->given_count == (owner != NULL ? 1U : 0U) && (makes || owner == NULL), SHERD_ERR_INVALID,
                 "of named keys, only `key create` takes an option: --owner");
    SHERD_TRY(cli_vault_open(cli, reads, &vault));
    if (makes)
        return create(cli, vault, owner);
    if (reads)
        return show(cli, vault);
    return strcmp(verb->name, "rotate") == 0 ? rotate(cli, vault) : grant(cli, vault);
}
