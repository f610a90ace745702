/* SPDX-License-Identifier: Apache-2.0 */
/* sherd key: master keys, their versions, and their end. */
#include "base/clock.h"
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/key_named.h"
#include "cli/key_policy.h"
#include "cli/key_store.h"
#include "cli/policy_text.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    OPT_GENERATOR,
    OPT_STORE,
    OPT_ARG,
    OPT_OWNER,
    OPT_MAX_AGE,
    OPT_MAX_WRAPS,
    OPT_MAX_ENTITIES,
    OPT_SCHEDULE,
    OPT_LIMIT,
    OPT_DESTROY_OLD,
    OPT_NONE,
    OPT_LOWER,
    OPT_RECEIPT,
};

static const struct cli_option options[] = {
    [OPT_GENERATOR] = {"generator", 0, "NAME", "what makes the key (openssl)"},
    [OPT_STORE] = {"store", 0, "NAME", "what keeps it: anchor, stripe, shares (anchor)"},
    [OPT_ARG] = {"arg", 0, "NAME=VALUE", "an argument for them; may be repeated; no secrets"},
    [OPT_OWNER] = {"owner", 0, "USER", "create: who has all rights under it (who makes it)"},
    [OPT_MAX_AGE] = {"max-age", 0, "AGE", "policy: due at this age: 90d, 12h, or none"},
    [OPT_MAX_WRAPS] = {"max-wraps", 0, "N", "policy: due after so many keys wrapped, or none"},
    [OPT_MAX_ENTITIES] = {"max-entities", 0, "N", "policy: due after so many entities made, or none"},
    [OPT_SCHEDULE] = {"schedule", 0, "WHEN", "policy: due daily@03:00 or weekly:sun@03:00, in UTC, or none"},
    [OPT_LIMIT] = {"limit", 0, "N", "policy: one version wraps no more keys than that, or none"},
    [OPT_DESTROY_OLD] = {"destroy-old", 0, "yes|no", "policy: `rekey --due` destroys older versions (no)"},
    [OPT_NONE] = {"none", 0, NULL, "policy: take back every rule but the floor"},
    [OPT_LOWER] = {"lower", 0, NULL, "floor: lower it, so that versions serve again that were refused"},
    [OPT_RECEIPT] = {"receipt", 0, "FILE", "destroy: write the signed statement that nothing refers to the version"},
    {0},
};

/* Which verb each option is for. Of named keys: cmd_key_named.c */
static const char *const verbs[] = {
    [OPT_GENERATOR] = "activate",  [OPT_STORE] = "activate",  [OPT_ARG] = "activate",
    [OPT_OWNER] = "create",        [OPT_MAX_AGE] = "policy",  [OPT_MAX_WRAPS] = "policy",
    [OPT_MAX_ENTITIES] = "policy", [OPT_SCHEDULE] = "policy", [OPT_LIMIT] = "policy",
    [OPT_DESTROY_OLD] = "policy",  [OPT_NONE] = "policy",     [OPT_LOWER] = "floor",
    [OPT_RECEIPT] = "destroy",
};

struct listing {
    struct cli *cli;
    struct cli_policies policies;
    const char *name; /* only this one; NULL for all */
    uint64_t version; /* only this one; 0 for all */
    bool whole;       /* show all of it, not one line */
    uint64_t count;
};

static const char *state_of(const struct sherd_master_info *info)
{
    if (info->state == SHERD_MASTER_ENDING)
        return "ending";
    if (info->state == SHERD_MASTER_RETIRED)
        return "retired";
    return info->wraps ? "wraps" : "active";
}

/* A store key or the erase epoch: its versions have no id, and no protection key. */
static bool has_no_id(const struct sherd_master_info *info)
{
    return strchr(info->name, ':') != NULL;
}

static const char *due_of(const struct listing *listing, const struct sherd_master_info *info)
{
    const struct sherd_key_policy *policy = cli_policy_of(&listing->policies, info->name);

    return cli_why_word(sherd_key_due(policy, info, sherd_clock()->wall_s()));
}

/* Null where nothing is counted. */
static json_t *counted(const struct sherd_master_info *info, uint64_t count)
{
    return info->limit != 0 ? json_integer((json_int_t)count) : json_null();
}

static json_t *to_json(const struct sherd_master_info *info, const char *kid, const char *due)
{
    return json_pack("{s:s, s:I, s:s?, s:s, s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:s?}", "name",
                     info->name, "version", (json_int_t)info->version, "kid", has_no_id(info) ? NULL : kid, "state",
                     state_of(info), "wraps", info->wraps, "generator", info->generator, "store", info->store,
                     "arguments", info->args, "outside_id", info->outside_id, "created", (json_int_t)info->created_s,
                     "protection", (json_int_t)info->protection, "wraps_counted", counted(info, info->wraps_counted),
                     "entities_counted", counted(info, info->entities_counted), "limit", counted(info, info->limit),
                     "due", due);
}

static void print_whole(const struct sherd_master_info *info, const char *kid, const char *time, const char *due)
{
    cli_print("key             %s, version %" PRIu64 "\n", info->name, info->version);
    if (!has_no_id(info))
        cli_print("id              %s\n", kid);
    cli_print("state           %s\n", state_of(info));
    cli_print("made            %s\ngenerator       %s\nstore           %s\n", time, info->generator, info->store);
    if (!has_no_id(info))
        cli_print("protected by    version %" PRIu64 " of the protection key\n", info->protection);
    if (due != NULL)
        cli_print("due             by %s: `sherd rekey --due` makes the next version\n", due);
    if (info->limit != 0)
        cli_print("wraps counted   %" PRIu64 " of %" PRIu64 ", for %" PRIu64 " new entities\n", info->wraps_counted,
                  info->limit, info->entities_counted);
    if (info->outside_id[0] != 0)
        cli_print("tied to         %s\n", info->outside_id);
    for (const char *line = info->args; *line != 0;) {
        const size_t len = strcspn(line, "\n");

        cli_print("argument        ");
        cli_print_escaped(sherd_span_of(line, len));
        cli_print("\n");
        line += len + (line[len] == '\n' ? 1 : 0);
    }
}

static void print_line(const struct sherd_master_info *info, const char *time, const char *due)
{
    cli_print("%-24s %6" PRIu64 "  %-8s %s  %s, %s", info->name, info->version, state_of(info), time, info->generator,
              info->store);
    if (info->limit != 0)
        cli_print(", %" PRIu64 " wraps", info->wraps_counted);
    cli_print("%s%s\n", due != NULL ? ", due: " : "", due != NULL ? due : "");
}

static enum sherd_err visit(void *arg, const struct sherd_master_info *info)
{
    struct listing *listing = arg;
    char kid[2 * sizeof(info->kid) + 1];
    char time[CLI_TIME_TEXT_SIZE];

    if ((listing->name != NULL && strcmp(listing->name, info->name) != 0) ||
        (listing->version != 0 && listing->version != info->version))
        return SHERD_OK;
    for (size_t i = 0; i < sizeof(info->kid); i++)
        (void)snprintf(kid + 2 * i, 3, "%02x", info->kid[i]);
    cli_format_time((int64_t)info->created_s, time);
    const char *due = due_of(listing, info);
    listing->count++;
    if (listing->cli->json)
        return cli_json_print(listing->count > 1 ? ",\n " : "\n ", to_json(info, kid, due), "");
    if (listing->whole)
        print_whole(info, kid, time, due);
    else
        print_line(info, time, due);
    return SHERD_OK;
}

static enum sherd_err list(struct cli *cli, struct sherd_vault *vault, struct listing *listing)
{
    SHERD_TRY(cli_policies_read(vault, &listing->policies));
    if (cli->json)
        cli_print("{\"keys\": [");
    SHERD_TRY(sherd_master_each(vault, visit, listing));
    if (cli->json)
        cli_print("\n]}\n");
    if (listing->count == 0 && listing->name != NULL)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no such master key, or no such version");
    return SHERD_OK;
}

/* All --arg, one a line. */
static enum sherd_err gather_args(const struct cli *cli, char out[static SHERD_MASTER_ARGS_SIZE])
{
    size_t len = 0;

    out[0] = 0;
    for (size_t i = 0; i < cli->given_count; i++) {
        if (cli->given[i].option != &options[OPT_ARG])
            continue;
        const int more = snprintf(out + len, SHERD_MASTER_ARGS_SIZE - len, "%s\n", cli->given[i].value);

        SHERD_ENSURE(more > 0 && (size_t)more < SHERD_MASTER_ARGS_SIZE - len, SHERD_ERR_LIMIT,
                     "--arg: all arguments together are too long");
        len += (size_t)more;
    }
    return SHERD_OK;
}

static enum sherd_err activate(struct cli *cli, struct sherd_vault *vault)
{
    char args[SHERD_MASTER_ARGS_SIZE];
    const struct sherd_master_options activation = {.name = cli->operands[1],
                                                    .generator = cli_value(cli, OPT_GENERATOR),
                                                    .store = cli_value(cli, OPT_STORE),
                                                    .args = args};
    struct listing made = {.cli = cli, .name = cli->operands[1], .whole = true};

    SHERD_TRY(gather_args(cli, args));
    SHERD_TRY(sherd_master_activate(vault, &activation, &made.version));
    return cli->quiet ? SHERD_OK : list(cli, vault, &made);
}

static enum sherd_err version_operand(const struct cli *cli, uint64_t *out_version)
{
    SHERD_ENSURE(cli->operand_count == 3 && cli_parse_number(cli->operands[2], 1, UINT32_MAX, out_version),
                 SHERD_ERR_INVALID, "say which version: a number that `sherd key list` shows");
    return SHERD_OK;
}

/*
 * Destroy, and write a receipt: of a master key before, that nothing refers to the version, which is destroyed only
 * when that is on the disk; of a store key afterwards, when it is accepted nowhere any more.
 */
static enum sherd_err destroy_with_receipt(struct sherd_vault *vault, const char *name, uint64_t version,
                                           const char *path)
{
    const bool before = strchr(name, ':') == NULL;
    const enum sherd_receipt_kind after = strcmp(name, SHERD_ERASE_EPOCH) == 0 ? SHERD_RECEIPT_EPOCH
                                                                               : SHERD_RECEIPT_DESTROYED;
    const struct sherd_receipt_request request = {
        .kind = before ? SHERD_RECEIPT_REKEYED : after, .master_key = name, .master_version = version};

    if (before)
        SHERD_TRY(cli_receipt_write(vault, &request, path));
    const enum sherd_err err = sherd_master_destroy(vault, name, version);
    if (err != SHERD_OK && before && path != NULL)
        (void)unlink(path); /* what it says is so, but it is not what was asked for */
    SHERD_TRY(err);
    return before ? SHERD_OK : cli_receipt_write(vault, &request, path);
}

static enum sherd_err end_version(struct cli *cli, struct sherd_vault *vault)
{
    const bool destroy = strcmp(cli->operands[0], "destroy") == 0;
    uint64_t version;

    SHERD_TRY(version_operand(cli, &version));
    SHERD_TRY(destroy ? destroy_with_receipt(vault, cli->operands[1], version, cli_value(cli, OPT_RECEIPT))
                      : sherd_master_retire(vault, cli->operands[1], version));
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:s, s:I, s:s}", "name", cli->operands[1], "version", (json_int_t)version,
                                        "state", destroy ? "destroyed" : "retired"),
                              "\n");
    if (!cli->quiet)
        cli_print("%s version %" PRIu64 " of %s\n", destroy ? "destroyed" : "retired", version, cli->operands[1]);
    return SHERD_OK;
}

static enum sherd_err show(struct cli *cli, struct sherd_vault *vault)
{
    struct listing listing = {.cli = cli, .whole = strcmp(cli->operands[0], "show") == 0};

    if (cli->operand_count > 1)
        listing.name = cli->operands[1];
    if (cli->operand_count > 2)
        SHERD_TRY(version_operand(cli, &listing.version));
    SHERD_ENSURE(!listing.whole || listing.name != NULL, SHERD_ERR_INVALID, "say which key: `key show NAME [VERSION]`");
    return list(cli, vault, &listing);
}

static enum sherd_err check_options(const struct cli *cli)
{
    for (size_t i = 0; i < cli->given_count; i++) {
        const size_t option = (size_t)(cli->given[i].option - options);

        if (strcmp(verbs[option], cli->operands[0]) != 0)
            return sherd_fail(SHERD_ERR_INVALID, "only `key %s` takes --%s", verbs[option], options[option].name);
    }
    return SHERD_OK;
}

static enum sherd_err run_policy(struct cli *cli)
{
    const struct cli_policy_wish wish = {.max_age = cli_value(cli, OPT_MAX_AGE),
                                         .max_wraps = cli_value(cli, OPT_MAX_WRAPS),
                                         .max_entities = cli_value(cli, OPT_MAX_ENTITIES),
                                         .schedule = cli_value(cli, OPT_SCHEDULE),
                                         .limit = cli_value(cli, OPT_LIMIT),
                                         .destroy_old = cli_value(cli, OPT_DESTROY_OLD),
                                         .none = cli_value(cli, OPT_NONE) != NULL,
                                         .lower = cli_value(cli, OPT_LOWER) != NULL};

    return cli_key_policy(cli, &wish);
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *verb = cli->operands[0];

    if (strcmp(verb, "protection") == 0)
        return cli_key_protection(cli);
    SHERD_TRY(check_options(cli));
    if (strcmp(verb, "policy") == 0 || strcmp(verb, "floor") == 0)
        return run_policy(cli);
    if (cli_key_is_named(cli))
        return cli_key_named(cli, cli_value(cli, OPT_OWNER));
    const bool reads = strcmp(verb, "list") == 0 || strcmp(verb, "show") == 0;
    const bool ends = strcmp(verb, "retire") == 0 || strcmp(verb, "destroy") == 0;
    const bool makes = strcmp(verb, "activate") == 0;

    SHERD_ENSURE(reads || ((ends || makes) && cli->operand_count > 1), SHERD_ERR_INVALID,
                 "write `key activate NAME`, `key list [NAME]`, `key show NAME`, `key retire NAME VERSION`, `key "
                 "destroy NAME VERSION`, `key policy [NAME]`, `key floor NAME [VERSION]` or `key protection VERB`; of "
                 "named keys `key create`, `grant`, `revoke`, "
                 "`rotate`, `grants` or `named`");
    SHERD_ENSURE(!makes || cli->operand_count == 2, SHERD_ERR_INVALID, "`key activate` takes one name");
    SHERD_TRY(cli_receipt_check(cli, cli_value(cli, OPT_RECEIPT)));
    SHERD_TRY(cli_vault_open(cli, reads, &vault));
    if (makes)
        return activate(cli, vault);
    return ends ? end_version(cli, vault) : show(cli, vault);
}

const struct cli_command cmd_key = {
    .name = "key",
    .operands = "VERB [NAME] [VERSION | USER [RIGHTS]]",
    .summary = "make, list, rule and end versions of master keys and store keys; make named keys and grant them",
    .notes =
        "The newest active version of a name serves from the moment it is activated; `sherd rekey` brings over what\n"
        "older ones wrap. \"default\" wraps the keys of entities, \"hash\" hashes their ids. A version that nothing\n"
        "refers to any more can be retired and then destroyed: activate, list, show, retire, destroy. What lies in a\n"
        "compartment is sealed under its store key: store:identity, store:assets, store:secrets, store:keys; rekeying\n"
        "everything destroys older versions of these and of \"hash\". The erase epoch is epoch:erase.\n"
        "`key policy` shows what is ruled of keys: when one gives way to the next version, which `sherd rekey --due`\n"
        "and the agent see to. With options it changes those rules of NAME alone. `key floor NAME VERSION` has older\n"
        "versions refused.\n"
        "Named keys are for records (`put --key`): create NAME, grant NAME USER read,write,manage, revoke NAME USER,\n"
        "rotate NAME, grants NAME, named (a list of them).\n"
        "`key protection` is about the key that encrypts master keys where they are kept: list, show [VERSION];\n"
        "rotate, which keeps all master keys anew under a new one; use-key-store, which moves it into the PKCS#12\n"
        "file of --key-store, for good (use-keyring asks for it back, and is refused).",
    .options = options,
    .operand_min = 1,
    .operand_max = 4,
    .run = run,
};
