/* SPDX-License-Identifier: Apache-2.0 */
/* sherd key policy, sherd key floor: what is ruled of keys. */
#include "base/clock.h"
#include "cli/json.h"
#include "cli/key_policy.h"
#include "cli/policy_text.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum sherd_err note(void *arg, const char *name, const struct sherd_key_policy *policy)
{
    struct cli_policies *policies = arg;

    SHERD_ENSURE(policies->count < CLI_POLICIES_MAX, SHERD_ERR_LIMIT, "there are too many policies");
    (void)snprintf(policies->list[policies->count].name, SHERD_MASTER_NAME_SIZE, "%s", name);
    policies->list[policies->count++].policy = *policy;
    return SHERD_OK;
}

enum sherd_err cli_policies_read(struct sherd_vault *vault, struct cli_policies *out_policies)
{
    out_policies->count = 0;
    return sherd_key_policy_each(vault, note, out_policies);
}

const struct sherd_key_policy *cli_policy_of(const struct cli_policies *policies, const char *name)
{
    for (size_t i = 0; i < policies->count; i++)
        if (strcmp(policies->list[i].name, name) == 0)
            return &policies->list[i].policy;
    return NULL;
}

/* --- showing ------------------------------------------------------------------------------------------------------ */

/* The version that wraps, and whether it is due. */
struct now {
    const char *name;
    const struct sherd_key_policy *policy;
    uint64_t version; /* 0: there is none */
    enum sherd_key_why why;
};

static enum sherd_err look(void *arg, const struct sherd_master_info *info)
{
    struct now *now = arg;

    if (!info->wraps || strcmp(info->name, now->name) != 0)
        return SHERD_OK;
    now->version = info->version;
    now->why = sherd_key_due(now->policy, info, sherd_clock()->wall_s());
    return SHERD_OK;
}

/* 0 is no rule. */
static json_t *number(uint64_t value)
{
    return value != 0 ? json_integer((json_int_t)value) : json_null();
}

static json_t *to_json(const struct now *now)
{
    const struct sherd_key_policy *policy = now->policy;
    char schedule[CLI_SCHEDULE_TEXT_SIZE];

    cli_schedule_format(policy, schedule);
    return json_pack("{s:s, s:o, s:o, s:o, s:s?, s:o, s:o, s:b, s:o, s:s?}", "name", now->name, "max_age_s",
                     number(policy->age_s_max), "max_wraps", number(policy->wraps_max), "max_entities",
                     number(policy->entities_max), "schedule",
                     policy->schedule != SHERD_SCHEDULE_NONE ? schedule : NULL, "limit", number(policy->limit), "floor",
                     number(policy->floor), "destroy_old", policy->destroy, "version", number(now->version), "due",
                     cli_why_word(now->why));
}

static void print_rules(const struct sherd_key_policy *policy)
{
    char age[CLI_AGE_TEXT_SIZE];
    char schedule[CLI_SCHEDULE_TEXT_SIZE];

    cli_age_format(policy->age_s_max, age);
    cli_schedule_format(policy, schedule);
    if (policy->age_s_max != 0)
        cli_print("due             at an age of %s\n", age);
    if (policy->wraps_max != 0)
        cli_print("due             after %" PRIu64 " keys wrapped\n", policy->wraps_max);
    if (policy->entities_max != 0)
        cli_print("due             after %" PRIu64 " entities made\n", policy->entities_max);
    if (policy->schedule != SHERD_SCHEDULE_NONE)
        cli_print("due             %s, UTC\n", schedule);
    if (policy->limit != 0)
        cli_print("limit           %" PRIu64 " keys wrapped by one version\n", policy->limit);
    if (policy->floor != 0)
        cli_print("floor           version %" PRIu64 ": what lies under older ones is refused\n", policy->floor);
}

/* Rekeying everything destroys older versions of some keys by itself. */
static bool ends_by_itself(const char *name)
{
    return strchr(name, ':') != NULL || strcmp(name, SHERD_MASTER_HASH) == 0;
}

static void print_policy(const struct now *now)
{
    const bool destroys = now->policy->destroy || ends_by_itself(now->name);

    cli_print("policy          %s\n", now->name);
    print_rules(now->policy);
    cli_print("older versions  %s\n", destroys ? "destroyed when nothing refers to them" : "kept, retired");
    if (now->why != SHERD_KEY_NOT_DUE)
        cli_print("due now         version %" PRIu64 ", by %s: `sherd rekey --due`\n", now->version,
                  cli_why_word(now->why));
}

static enum sherd_err show_one(struct sherd_vault *vault, const char *name, const struct sherd_key_policy *policy,
                               struct now *out_now)
{
    *out_now = (struct now){.name = name, .policy = policy};
    return sherd_master_each(vault, look, out_now);
}

/* All, or that of one name, which has one or has none. */
static enum sherd_err show(const struct cli *cli, struct sherd_vault *vault, const char *name)
{
    static const struct sherd_key_policy nothing = {.age_s_max = 0};
    struct cli_policies policies;
    struct now now;
    unsigned count = 0;

    SHERD_TRY(cli_policies_read(vault, &policies));
    if (name != NULL && cli_policy_of(&policies, name) == NULL) {
        SHERD_TRY(show_one(vault, name, &nothing, &now));
        SHERD_ENSURE(now.version != 0, SHERD_ERR_NOT_FOUND, "there is no such key");
        SHERD_TRY(note(&policies, name, &nothing));
    }
    if (cli->json)
        cli_print("{\"policies\": [");
    for (size_t i = 0; i < policies.count; i++) {
        if (name != NULL && strcmp(name, policies.list[i].name) != 0)
            continue;
        SHERD_TRY(show_one(vault, policies.list[i].name, &policies.list[i].policy, &now));
        count++;
        if (cli->json)
            SHERD_TRY(cli_json_print(count > 1 ? ",\n " : "\n ", to_json(&now), ""));
        else
            print_policy(&now);
    }
    if (cli->json)
        cli_print("\n]}\n");
    else if (count == 0)
        cli_print("nothing is ruled of any key\n");
    return SHERD_OK;
}

/* --- setting ------------------------------------------------------------------------------------------------------ */

static enum sherd_err parse_count(const char *text, const char *option, uint64_t *count)
{
    if (text == NULL)
        return SHERD_OK;
    if (strcmp(text, "none") == 0) {
        *count = 0;
        return SHERD_OK;
    }
    if (!cli_parse_number(text, 1, SHERD_KEY_LIMIT, count))
        return sherd_fail(SHERD_ERR_INVALID, "--%s: a number of 1 to %" PRIu64 ", or none", option, SHERD_KEY_LIMIT);
    return SHERD_OK;
}

static enum sherd_err parse_yes(const char *text, bool *yes)
{
    if (text == NULL)
        return SHERD_OK;
    SHERD_ENSURE(strcmp(text, "yes") == 0 || strcmp(text, "no") == 0, SHERD_ERR_INVALID,
                 "--destroy-old: write yes or no");
    *yes = strcmp(text, "yes") == 0;
    return SHERD_OK;
}

static bool wishes(const struct cli_policy_wish *wish)
{
    return wish->max_age != NULL || wish->max_wraps != NULL || wish->max_entities != NULL || wish->schedule != NULL ||
           wish->limit != NULL || wish->destroy_old != NULL;
}

/* Only the fields that were named; of nothing, all of them but the floor, which is a decision of its own. */
static enum sherd_err apply(const struct cli_policy_wish *wish, struct sherd_key_policy *policy)
{
    if (wish->none)
        *policy = (struct sherd_key_policy){.floor = policy->floor};
    SHERD_ENSURE(wish->max_age == NULL || cli_age_parse(wish->max_age, &policy->age_s_max), SHERD_ERR_INVALID,
                 "--max-age: write an age such as 90d, 12h, 30m or 45s, or none");
    SHERD_ENSURE(
        wish->schedule == NULL || cli_schedule_parse(wish->schedule, policy), SHERD_ERR_INVALID,
        "--schedule: write daily@HH:MM, or weekly:DAY@HH:MM with sun, mon, tue, wed, thu, fri or sat, or none");
    SHERD_TRY(parse_count(wish->max_wraps, "max-wraps", &policy->wraps_max));
    SHERD_TRY(parse_count(wish->max_entities, "max-entities", &policy->entities_max));
    SHERD_TRY(parse_count(wish->limit, "limit", &policy->limit));
    return parse_yes(wish->destroy_old, &policy->destroy);
}

static enum sherd_err now_ruled(struct sherd_vault *vault, const char *name, struct sherd_key_policy *out_policy)
{
    struct cli_policies policies;

    SHERD_TRY(cli_policies_read(vault, &policies));
    const struct sherd_key_policy *policy = cli_policy_of(&policies, name);
    *out_policy = policy != NULL ? *policy : (struct sherd_key_policy){.age_s_max = 0};
    return SHERD_OK;
}

static enum sherd_err set(const struct cli *cli, const char *name, const struct cli_policy_wish *wish)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_key_policy policy = {.age_s_max = 0};

    SHERD_ENSURE(name != NULL, SHERD_ERR_INVALID, "say which key: `key policy NAME`");
    SHERD_ENSURE(!wish->none || !wishes(wish), SHERD_ERR_INVALID, "--none stands alone: it takes every rule back");
    SHERD_TRY(apply(wish, &policy)); /* what is wrong is said before anything is unsealed */
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(now_ruled(vault, name, &policy));
    SHERD_TRY(apply(wish, &policy));
    SHERD_TRY(sherd_key_policy_set(vault, name, &policy, false));
    return cli->quiet ? SHERD_OK : show(cli, vault, name);
}

/* --- the floor ---------------------------------------------------------------------------------------------------- */

static enum sherd_err tell_floor(const struct cli *cli, const char *name, uint64_t floor)
{
    if (cli->json)
        return cli_json_print("", json_pack("{s:s, s:I}", "name", name, "floor", (json_int_t)floor), "\n");
    if (floor == 0)
        cli_print("%s has no floor\n", name);
    else
        cli_print("%s: what lies under versions below %" PRIu64 " is refused\n", name, floor);
    return SHERD_OK;
}

static enum sherd_err floor_of(struct cli *cli, bool lower)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const bool sets = cli->operand_count > 2;
    struct sherd_key_policy policy;
    uint64_t floor = 0;

    SHERD_ENSURE(cli->operand_count > 1, SHERD_ERR_INVALID, "say which key: `key floor NAME [VERSION]`");
    SHERD_ENSURE(!sets || cli_parse_number(cli->operands[2], 0, UINT32_MAX, &floor), SHERD_ERR_INVALID,
                 "say which version: a number that `sherd key list` shows, or 0 for no floor");
    SHERD_ENSURE(sets || !lower, SHERD_ERR_INVALID, "--lower needs the version to lower the floor to");
    SHERD_TRY(cli_vault_open(cli, !sets, &vault));
    SHERD_TRY(now_ruled(vault, cli->operands[1], &policy));
    if (sets) {
        policy.floor = floor;
        SHERD_TRY(sherd_key_policy_set(vault, cli->operands[1], &policy, lower));
        if (cli->quiet)
            return SHERD_OK;
    }
    return tell_floor(cli, cli->operands[1], policy.floor);
}

enum sherd_err cli_key_policy(struct cli *cli, const struct cli_policy_wish *wish)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *name = cli->operand_count > 1 ? cli->operands[1] : NULL;

    if (strcmp(cli->operands[0], "floor") == 0)
        return floor_of(cli, wish->lower);
    SHERD_ENSURE(cli->operand_count <= 2, SHERD_ERR_INVALID, "`key policy` takes one name");
    if (wishes(wish) || wish->none)
        return set(cli, name, wish);
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    return show(cli, vault, name);
}
