/* SPDX-License-Identifier: Apache-2.0 */
/* What is ruled of keys, for the anchor in the same process: <sherd/keys.h>, struct sherd_key_policy. */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/rekey/epoch_turn.h"
#include <string.h>

struct ruling {
    const char *name;
    const struct sherd_key_policy *policy;
    bool lower_floor;
};

static bool is_built_in(const char *name)
{
    return strcmp(name, SHERD_MASTER_DEFAULT) == 0 || strcmp(name, SHERD_MASTER_HASH) == 0;
}

static bool has_version(const struct sherd_keyring *keyring, const char *name)
{
    for (size_t i = 0; i < keyring->master_count; i++)
        if (strcmp(keyring->masters[i].name, name) == 0)
            return true;
    return false;
}

/* A policy for a name that is mistyped would rule nothing, and nobody would see it. */
static enum sherd_err check_name(const struct sherd_keyring *keyring, const struct ruling *ruling)
{
    const struct sherd_key_policy *policy = ruling->policy;
    const bool counts = policy->wraps_max != 0 || policy->entities_max != 0 || policy->limit != 0;
    unsigned role;

    SHERD_ENSURE(sherd_policy_name_valid(ruling->name), SHERD_ERR_INVALID,
                 "a policy is for a master key, for a store key such as store:assets, or for epoch:erase");
    SHERD_ENSURE(
        !counts || strcmp(ruling->name, SHERD_MASTER_HASH) != 0, SHERD_ERR_INVALID,
        "the hash key wraps nothing, so there is nothing to count: age, schedule, floor and destroying are for it");
    if (sherd_epoch_named(ruling->name))
        return !counts && policy->floor == 0
                   ? SHERD_OK
                   : sherd_fail(SHERD_ERR_INVALID,
                                "an erase epoch has neither counts nor a floor: age and schedule are for it");
    if (!sherd_store_key_named(ruling->name, &role))
        return is_built_in(ruling->name) || has_version(keyring, ruling->name)
                   ? SHERD_OK
                   : sherd_fail(SHERD_ERR_NOT_FOUND, "there is no master key %.63s: make it with `sherd key activate`",
                                ruling->name);
    SHERD_ENSURE(!counts && policy->floor == 0, SHERD_ERR_INVALID,
                 "a store key has neither counts nor a floor: age, schedule and destroying are for it");
    return SHERD_OK;
}

static uint64_t floor_of(const struct sherd_keyring *keyring, const char *name)
{
    const struct sherd_key_policy *policy = sherd_keyring_policy(keyring, name);

    return policy != NULL ? policy->floor : 0;
}

static enum sherd_err check_floor(const struct sherd_keyring *keyring, const struct ruling *ruling)
{
    const struct sherd_master *active = sherd_keyring_active(keyring, ruling->name);
    const uint64_t newest = active != NULL ? active->version : 1; /* a built-in name that has none yet */
    const uint64_t before = floor_of(keyring, ruling->name);

    if (ruling->policy->floor > newest)
        return sherd_fail(SHERD_ERR_INVALID, "the floor cannot be above version %llu of %.63s, which wraps",
                          (unsigned long long)newest, ruling->name);
    if (ruling->policy->floor < before && !ruling->lower_floor)
        return sherd_fail(SHERD_ERR_DENIED,
                          "the floor is %llu, and a lower one lets versions serve again that are refused: say so "
                          "with --lower",
                          (unsigned long long)before);
    return SHERD_OK;
}

static enum sherd_err check(const struct sherd_keyring *keyring, const struct ruling *ruling)
{
    SHERD_TRY(check_name(keyring, ruling));
    return check_floor(keyring, ruling);
}

static enum sherd_err rule_in(void *arg, struct sherd_keyring *keyring)
{
    const struct ruling *ruling = arg;

    SHERD_TRY(check(keyring, ruling));
    return sherd_keyring_rule(keyring, ruling->name, ruling->policy);
}

/* What is refused is refused before anything is counted; and once more with the change, by the keyring of then. */
enum sherd_err sherd_embedded_policy_set(struct sherd_anchor *anchor, const char *name,
                                         const struct sherd_key_policy *policy, bool lower_floor)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_rekey_parts parts = sherd_embedded_rekey_parts(self);
    struct ruling ruling = {.name = name, .policy = policy, .lower_floor = lower_floor};
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(self->ring, &keyring));
    const enum sherd_err err = check(keyring, &ruling);
    const bool raises = err == SHERD_OK && policy->floor > floor_of(keyring, name);
    sherd_ring_leave(self->ring);
    SHERD_TRY(err);
    if (raises)
        SHERD_TRY(sherd_rekey_floor_check(&parts, name, policy->floor));
    return sherd_ring_change(self->ring, rule_in, &ruling);
}

enum sherd_err sherd_embedded_policy_each(struct sherd_anchor *anchor, sherd_key_policy_visit_fn *visit, void *arg)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_named_policy policies[SHERD_POLICIES_MAX];
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(self->ring, &keyring));
    const size_t count = keyring->policy_count;
    memcpy(policies, keyring->policies, count * sizeof(policies[0]));
    sherd_ring_leave(self->ring);
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(visit(arg, policies[i].name, &policies[i].policy));
    return SHERD_OK;
}
