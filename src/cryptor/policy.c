/* SPDX-License-Identifier: Apache-2.0 */
/* What is ruled of keys and of joins, for callers, and whether a key is due: <sherd/keys.h>, <sherd/vault.h>. */
#include "cryptor/vault.h"

#define MINUTE_S 60
#define DAY_S ((int64_t)24 * 60 * 60)
#define WEEK_DAYS 7
/* The first of January 1970 was a Thursday; 0 is Sunday. */
#define FIRST_WEEKDAY 4

enum sherd_err sherd_key_policy_set(struct sherd_vault *vault, const char *name, const struct sherd_key_policy *policy,
                                    bool lower_floor)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(name != NULL && policy != NULL, SHERD_ERR_INVALID, "a policy is for a name");
    SHERD_TRY(sherd_vault_check_writable(vault));
    return vault->anchor->ops->policy_set(vault->anchor, name, policy, lower_floor);
}

enum sherd_err sherd_key_policy_each(struct sherd_vault *vault, sherd_key_policy_visit_fn *visit, void *arg)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the policies");
    return vault->anchor->ops->policy_each(vault->anchor, visit, arg);
}

/* --- what is due -------------------------------------------------------------------------------------------------- */

/*
 * The last moment of a schedule that is not after now. Seconds of 1970 have no leap seconds, so each day of UTC has as
 * many, and leap days are days.
 */
static int64_t last_moment(const struct sherd_key_policy *policy, int64_t now_s)
{
    const bool weekly = policy->schedule == SHERD_SCHEDULE_WEEKLY;
    const int64_t period_s = weekly ? (int64_t)WEEK_DAYS * DAY_S : DAY_S;
    int64_t day = now_s / DAY_S;

    if (weekly)
        day -= (day + FIRST_WEEKDAY + WEEK_DAYS - (int64_t)policy->weekday) % WEEK_DAYS;
    const int64_t moment_s = day * DAY_S + (int64_t)policy->minute * MINUTE_S;
    return moment_s <= now_s ? moment_s : moment_s - period_s;
}

enum sherd_key_why sherd_key_due(const struct sherd_key_policy *policy, const struct sherd_master_info *info,
                                 int64_t now_s)
{
    if (policy == NULL || !info->wraps)
        return SHERD_KEY_NOT_DUE;
    const bool clock_is_right = now_s >= 0 && info->created_s <= (uint64_t)now_s;
    if (policy->age_s_max != 0 && clock_is_right && (uint64_t)now_s - info->created_s >= policy->age_s_max)
        return SHERD_KEY_DUE_AGE;
    if (policy->wraps_max != 0 && info->wraps_counted >= policy->wraps_max)
        return SHERD_KEY_DUE_WRAPS;
    if (policy->entities_max != 0 && info->entities_counted >= policy->entities_max)
        return SHERD_KEY_DUE_ENTITIES;
    if (policy->schedule != SHERD_SCHEDULE_NONE && clock_is_right &&
        last_moment(policy, now_s) > (int64_t)info->created_s)
        return SHERD_KEY_DUE_SCHEDULE;
    return SHERD_KEY_NOT_DUE;
}

/* --- joins -------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_joins_strict(struct sherd_vault *vault, bool *out_strict)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_strict != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    return vault->anchor->ops->joins_rule(vault->anchor, NULL, out_strict);
}

enum sherd_err sherd_joins_set_strict(struct sherd_vault *vault, bool strict)
{
    bool is_strict;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_writable(vault));
    return vault->anchor->ops->joins_rule(vault->anchor, &strict, &is_strict);
}
