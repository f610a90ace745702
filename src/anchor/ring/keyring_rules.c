/* SPDX-License-Identifier: Apache-2.0 */
/* What is ruled of keys, and which are no more: see keyring_rules.h. */
#include "anchor/ring/keyring_rules.h"
#include "base/bytes.h"
#include "envelope/tlv.h"
#include <stdio.h>

/* A policy says only what it rules: a field that is 0 is left out. */
enum {
    POLICY_NAME = 1,
    POLICY_AGE = 2,
    POLICY_WRAPS = 3,
    POLICY_ENTITIES = 4,
    POLICY_SCHEDULE = 5,
    POLICY_WEEKDAY = 6,
    POLICY_MINUTE = 7,
    POLICY_LIMIT = 8,
    POLICY_FLOOR = 9,
    POLICY_DESTROY = 10,
    POLICY_END = 11,
};

enum {
    DESTROYED_KID = 1,
    DESTROYED_NAME = 2,
    DESTROYED_VERSION = 3,
    DESTROYED_TIME = 4,
};

/* --- policies ----------------------------------------------------------------------------------------------------- */

/* A policy as the numbers of its fields, by tag. */
struct numbers {
    uint64_t of[POLICY_END];
};

static const struct numbers bounds = {.of = {[POLICY_AGE] = INT64_MAX,
                                             [POLICY_WRAPS] = SHERD_KEY_LIMIT,
                                             [POLICY_ENTITIES] = SHERD_KEY_LIMIT,
                                             [POLICY_SCHEDULE] = SHERD_SCHEDULE_WEEKLY,
                                             [POLICY_WEEKDAY] = 6,
                                             [POLICY_MINUTE] = 24 * 60 - 1,
                                             [POLICY_LIMIT] = SHERD_KEY_LIMIT,
                                             [POLICY_FLOOR] = UINT32_MAX,
                                             [POLICY_DESTROY] = 1}};

static struct numbers numbers_of(const struct sherd_key_policy *policy)
{
    return (struct numbers){.of = {[POLICY_AGE] = policy->age_s_max,
                                   [POLICY_WRAPS] = policy->wraps_max,
                                   [POLICY_ENTITIES] = policy->entities_max,
                                   [POLICY_SCHEDULE] = (uint64_t)policy->schedule,
                                   [POLICY_WEEKDAY] = policy->weekday,
                                   [POLICY_MINUTE] = policy->minute,
                                   [POLICY_LIMIT] = policy->limit,
                                   [POLICY_FLOOR] = policy->floor,
                                   [POLICY_DESTROY] = policy->destroy}};
}

static void from_numbers(const struct numbers *numbers, struct sherd_key_policy *out)
{
    *out = (struct sherd_key_policy){.age_s_max = numbers->of[POLICY_AGE],
                                     .wraps_max = numbers->of[POLICY_WRAPS],
                                     .entities_max = numbers->of[POLICY_ENTITIES],
                                     .schedule = (enum sherd_key_schedule)numbers->of[POLICY_SCHEDULE],
                                     .weekday = (unsigned)numbers->of[POLICY_WEEKDAY],
                                     .minute = (unsigned)numbers->of[POLICY_MINUTE],
                                     .limit = numbers->of[POLICY_LIMIT],
                                     .floor = numbers->of[POLICY_FLOOR],
                                     .destroy = numbers->of[POLICY_DESTROY] != 0};
}

/* Within bounds, and no time without a schedule that has it. */
static bool is_valid(const struct numbers *numbers)
{
    for (unsigned tag = POLICY_AGE; tag < POLICY_END; tag++)
        if (numbers->of[tag] > bounds.of[tag])
            return false;
    return (numbers->of[POLICY_WEEKDAY] == 0 || numbers->of[POLICY_SCHEDULE] == SHERD_SCHEDULE_WEEKLY) &&
           (numbers->of[POLICY_MINUTE] == 0 || numbers->of[POLICY_SCHEDULE] != SHERD_SCHEDULE_NONE);
}

static bool is_empty(const struct numbers *numbers)
{
    for (unsigned tag = POLICY_AGE; tag < POLICY_END; tag++)
        if (numbers->of[tag] != 0)
            return false;
    return true;
}

enum sherd_err sherd_keyring_encode_policies(const struct sherd_keyring *ring, uint8_t *block, struct sherd_buf *list)
{
    for (size_t i = 0; i < ring->policy_count; i++) {
        const struct numbers numbers = numbers_of(&ring->policies[i].policy);
        struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_KEYRING_ITEM_MAX);
        size_t len;

        sherd_tlv_put(&writer, POLICY_NAME, sherd_span_str(ring->policies[i].name));
        for (unsigned tag = POLICY_AGE; tag < POLICY_END; tag++)
            if (numbers.of[tag] != 0)
                sherd_tlv_put_u64(&writer, tag, numbers.of[tag]);
        SHERD_TRY(sherd_tlv_end(&writer, &len));
        SHERD_TRY(sherd_keyring_list_add(list, sherd_span_of(block, len)));
    }
    return SHERD_OK;
}

static enum sherd_err decode_policy(struct sherd_span item, struct sherd_named_policy *out)
{
    const uint64_t fields = (SHERD_TLV_BIT(POLICY_END) - 1) & ~(SHERD_TLV_BIT(POLICY_AGE) - 1);
    struct numbers numbers = {0};
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(item, SHERD_TLV_BIT(POLICY_NAME), fields, &tlv));
    SHERD_TRY(sherd_tlv_get_text(&tlv, POLICY_NAME, out->name, sizeof(out->name)));
    for (unsigned tag = POLICY_AGE; tag < POLICY_END; tag++) {
        if (tlv.value[tag].data == NULL)
            continue;
        SHERD_TRY(sherd_tlv_get_u64(&tlv, tag, bounds.of[tag], &numbers.of[tag]));
        if (numbers.of[tag] == 0)
            return sherd_keyring_tampered();
    }
    if (!sherd_policy_name_valid(out->name) || !is_valid(&numbers) || is_empty(&numbers))
        return sherd_keyring_tampered();
    from_numbers(&numbers, &out->policy);
    return SHERD_OK;
}

enum sherd_err sherd_keyring_decode_policies(struct sherd_span list, struct sherd_keyring *ring)
{
    while (list.len > 0) {
        struct sherd_named_policy *policy = &ring->policies[ring->policy_count];
        struct sherd_span item;

        if (ring->policy_count == SHERD_POLICIES_MAX)
            return sherd_keyring_tampered();
        SHERD_TRY(sherd_keyring_list_next(&list, &item));
        SHERD_TRY(decode_policy(item, policy));
        if (ring->policy_count > 0 && strcmp(policy[-1].name, policy->name) >= 0)
            return sherd_keyring_tampered();
        ring->policy_count++;
    }
    return SHERD_OK;
}

/* Where a name's policy is or would be. @return whether it is there */
static bool find_policy(const struct sherd_keyring *keyring, const char *name, size_t *out_place)
{
    size_t i = 0;

    while (i < keyring->policy_count && strcmp(keyring->policies[i].name, name) < 0)
        i++;
    *out_place = i;
    return i < keyring->policy_count && strcmp(keyring->policies[i].name, name) == 0;
}

const struct sherd_key_policy *sherd_keyring_policy(const struct sherd_keyring *keyring, const char *name)
{
    size_t place;

    return find_policy(keyring, name, &place) ? &keyring->policies[place].policy : NULL;
}

static void drop_policy(struct sherd_keyring *keyring, size_t place)
{
    struct sherd_named_policy *at = &keyring->policies[place];

    keyring->policy_count--;
    memmove(at, at + 1, (keyring->policy_count - place) * sizeof(*at));
}

static enum sherd_err insert_policy(struct sherd_keyring *keyring, size_t place, const char *name)
{
    struct sherd_named_policy *at = &keyring->policies[place];

    SHERD_ENSURE(keyring->policy_count < SHERD_POLICIES_MAX, SHERD_ERR_LIMIT,
                 "there are policies for too many names: take some back");
    memmove(at + 1, at, (keyring->policy_count - place) * sizeof(*at));
    (void)snprintf(at->name, sizeof(at->name), "%s", name);
    keyring->policy_count++;
    return SHERD_OK;
}

enum sherd_err sherd_keyring_rule(struct sherd_keyring *keyring, const char *name,
                                  const struct sherd_key_policy *policy)
{
    const struct numbers numbers = numbers_of(policy);
    size_t place;

    SHERD_ENSURE(sherd_policy_name_valid(name), SHERD_ERR_INVALID,
                 "a policy is for a master key, for a store key such as store:assets, or for epoch:erase");
    SHERD_ENSURE(is_valid(&numbers), SHERD_ERR_INVALID, "a field of the policy is out of its bounds");
    const bool there = find_policy(keyring, name, &place);
    if (is_empty(&numbers)) {
        if (there)
            drop_policy(keyring, place);
        return SHERD_OK;
    }
    if (!there)
        SHERD_TRY(insert_policy(keyring, place, name));
    keyring->policies[place].policy = *policy;
    return SHERD_OK;
}

bool sherd_policy_name_valid(const char *name)
{
    static const char *const others[] = {"store:identity", "store:assets", "store:secrets", "store:keys",
                                         SHERD_ERASE_EPOCH};

    for (size_t i = 0; i < SHERD_COUNT_OF(others); i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    return sherd_master_name_valid(name);
}

/* --- versions that are no more ------------------------------------------------------------------------------------ */

enum sherd_err sherd_keyring_encode_destroyed(const struct sherd_keyring *ring, uint8_t *block, struct sherd_buf *list)
{
    for (size_t i = 0; i < ring->destroyed_count; i++) {
        const struct sherd_destroyed *destroyed = &ring->destroyed[i];
        struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_KEYRING_ITEM_MAX);
        size_t len;

        sherd_tlv_put(&writer, DESTROYED_KID, sherd_span_of(destroyed->kid.bytes, sizeof(destroyed->kid.bytes)));
        sherd_tlv_put(&writer, DESTROYED_NAME, sherd_span_str(destroyed->name));
        sherd_tlv_put_u64(&writer, DESTROYED_VERSION, destroyed->version);
        sherd_tlv_put_u64(&writer, DESTROYED_TIME, destroyed->destroyed_s);
        SHERD_TRY(sherd_tlv_end(&writer, &len));
        SHERD_TRY(sherd_keyring_list_add(list, sherd_span_of(block, len)));
    }
    return SHERD_OK;
}

static enum sherd_err decode_destroyed(struct sherd_span item, struct sherd_destroyed *out)
{
    const uint64_t required = SHERD_TLV_BIT(DESTROYED_KID) | SHERD_TLV_BIT(DESTROYED_NAME) |
                              SHERD_TLV_BIT(DESTROYED_VERSION) | SHERD_TLV_BIT(DESTROYED_TIME);
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(item, required, 0, &tlv));
    SHERD_TRY(sherd_tlv_get(&tlv, DESTROYED_KID, out->kid.bytes, sizeof(out->kid.bytes)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, DESTROYED_NAME, out->name, sizeof(out->name)));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, DESTROYED_VERSION, UINT32_MAX, &out->version));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, DESTROYED_TIME, INT64_MAX, &out->destroyed_s));
    return out->version >= 1 && sherd_master_name_valid(out->name) ? SHERD_OK : sherd_keyring_tampered();
}

enum sherd_err sherd_keyring_decode_destroyed(struct sherd_span list, struct sherd_keyring *ring)
{
    while (list.len > 0) {
        struct sherd_span item;

        if (ring->destroyed_count == SHERD_DESTROYED_MAX)
            return sherd_keyring_tampered();
        SHERD_TRY(sherd_keyring_list_next(&list, &item));
        SHERD_TRY(decode_destroyed(item, &ring->destroyed[ring->destroyed_count]));
        ring->destroyed_count++;
    }
    return SHERD_OK;
}

const struct sherd_destroyed *sherd_keyring_destroyed(const struct sherd_keyring *keyring, const struct sherd_ref *kid)
{
    for (size_t i = 0; i < keyring->destroyed_count; i++)
        if (sherd_same(&keyring->destroyed[i].kid, kid, sizeof(*kid)))
            return &keyring->destroyed[i];
    return NULL;
}

void sherd_keyring_remember(struct sherd_keyring *keyring, const struct sherd_master *master, uint64_t now_s)
{
    struct sherd_destroyed *list = keyring->destroyed;

    if (sherd_keyring_destroyed(keyring, &master->kid) != NULL)
        return;
    if (keyring->destroyed_count == SHERD_DESTROYED_MAX) {
        keyring->destroyed_count--;
        memmove(list, list + 1, keyring->destroyed_count * sizeof(*list));
    }
    struct sherd_destroyed *last = &list[keyring->destroyed_count++];
    *last = (struct sherd_destroyed){.kid = master->kid, .version = master->version, .destroyed_s = now_s};
    memcpy(last->name, master->name, sizeof(last->name));
}
