/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of users whose entry in `identity` is damaged or gone: they are named, all others are listed, and what does not
 * need them goes on.
 */
#include "rights.h"

#define USERS 3U /* the owner among them */

struct seen {
    size_t count;
    size_t damaged_count;
    char damaged[USERS][SHERD_NAME_SIZE];
};

static enum sherd_err see_user(void *arg, const struct sherd_user_info *info)
{
    struct seen *seen = arg;

    assert_true(seen->count++ < USERS);
    if (info->damaged)
        (void)snprintf(seen->damaged[seen->damaged_count++], SHERD_NAME_SIZE, "%s", info->name);
    else
        assert_true(info->created_s > 0);
    assert_int_equal(info->owner, strcmp(info->name, SHERD_USER_OWNER) == 0);
    return SHERD_OK;
}

static struct seen list_users(struct vault_test *test, enum sherd_err expected)
{
    struct seen seen = {0};

    const enum sherd_err err = sherd_user_each(test->vault, see_user, &seen);
    if (err != expected)
        fail_msg("%s: %s", sherd_err_name(err), sherd_err_detail());
    if (seen.damaged_count > 0)
        assert_non_null(strstr(sherd_err_detail(), seen.damaged[0]));
    return seen;
}

static enum sherd_err count_record(void *arg, const struct sherd_record_info *info)
{
    assert_non_null(info);
    ++*(size_t *)arg;
    return SHERD_OK;
}

static size_t list_records(struct vault_test *test)
{
    struct sherd_cursor cursor = {0};
    size_t count = 0;

    assert_ok(sherd_record_list(test->vault, NULL, &cursor, 0, count_record, &count));
    return count;
}

static enum sherd_err count_key(void *arg, const struct sherd_key_info *info)
{
    assert_int_not_equal(info->owner[0], 0); /* known by its pin, damaged or not */
    ++*(size_t *)arg;
    return SHERD_OK;
}

static enum sherd_err count_grant(void *arg, const char *user, unsigned rights)
{
    assert_true(user[0] != 0 && rights != 0);
    ++*(size_t *)arg;
    return SHERD_OK;
}

enum damage { CHANGED, OF_ANOTHER_KIND, GONE };

static void damage(struct sherd_compartment *identity, const struct taken *entry, enum damage how)
{
    struct taken spoilt = *entry;

    if (how == GONE) {
        remove_entry(identity, &entry->name);
        return;
    }
    spoilt.bytes[how == CHANGED ? spoilt.len - 1 : 1] ^= 0x01;
    lay(identity, &spoilt, &entry->name);
}

static void damage_each(struct vault_test *test, enum damage how)
{
    struct sherd_compartment *identity = test->vault->identity;
    char named[USERS][SHERD_NAME_SIZE];

    for (size_t i = 0; i < USERS; i++) {
        const struct taken entry = take(identity, SHERD_KIND_PRINCIPAL, i);
        size_t keys = 0;

        damage(identity, &entry, how);
        const struct seen seen = list_users(test, SHERD_ERR_TAMPERED);
        assert_int_equal(seen.count, USERS);
        assert_int_equal(seen.damaged_count, 1);
        memcpy(named[i], seen.damaged[0], SHERD_NAME_SIZE);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(named[i], named[k]);
        assert_int_equal(list_records(test), 2);
        assert_ok(sherd_key_each(test->vault, count_key, &keys));
        assert_int_equal(keys, 2);
        assert_int_equal(violations(test), how == GONE ? 1 : 2); /* the pin's, and the entry's where there is one */
        lay(identity, &entry, &entry.name);
        assert_int_equal(list_users(test, SHERD_OK).damaged_count, 0);
    }
    assert_int_equal(violations(test), 0);
}

static void test_cryptor_rights_damaged_users__are_named_and_the_others_listed(void **state)
{
    struct vault_test *test = *state;

    (void)user_new(test, "bob");
    (void)user_new(test, "eve");
    assert_ok(sherd_key_create(test->vault, "hers", "eve"));
    assert_ok(sherd_key_create(test->vault, "pay", "bob"));
    (void)put_under(test, "hers", "one");
    (void)vault_put(test, NULL, "two");
    damage_each(test, CHANGED);
    damage_each(test, OF_ANOTHER_KIND);
    damage_each(test, GONE);
}

/* Whose entry is damaged keeps what was granted, and the grants of others change beside it. */
static void test_cryptor_rights_damaged_users__keep_their_grants_and_hinder_nobody(void **state)
{
    struct vault_test *test = *state;
    struct sherd_compartment *identity = test->vault->identity;
    struct sherd_anchor *session = NULL;
    const struct user bob = user_new(test, "bob");
    size_t grants = 0;

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_READ));
    const struct sherd_uuid id = put_under(test, "pay", "one");
    struct taken his = take(identity, SHERD_KIND_PRINCIPAL, 0);
    damage(identity, &his, CHANGED);
    if (strcmp(list_users(test, SHERD_ERR_TAMPERED).damaged[0], "bob") != 0) {
        lay(identity, &his, &his.name);
        his = take(identity, SHERD_KIND_PRINCIPAL, 1);
        damage(identity, &his, CHANGED);
    }
    const struct user eve = user_new(test, "eve");
    assert_ok(sherd_key_grant(test->vault, "pay", "eve", SHERD_RIGHT_READ));
    assert_ok(sherd_grant_each(test->vault, "pay", count_grant, &grants));
    assert_int_equal(grants, 2);
    session = session_of(test, &eve);
    ask_as(test, session);
    vault_assert_text(test, id, 0, "one");
    ask_as(test, NULL);
    end(session);
    assert_err(SHERD_ERR_TAMPERED, login(test, &bob, &session));
    assert_int_equal(violations(test), 2); /* his entry and his pin: no grant */

    lay(identity, &his, &his.name);
    assert_int_equal(violations(test), 0);
    session = session_of(test, &bob);
    ask_as(test, session);
    vault_assert_text(test, id, 0, "one");
    ask_as(test, NULL);
    end(session);
}

/* Where the pin itself does not verify nobody knows whose it is; the others are listed all the same. */
static void test_cryptor_rights_damaged_users__with_a_damaged_pin_are_not_passed_over(void **state)
{
    struct vault_test *test = *state;
    struct sherd_compartment *keys = test->vault->keys;

    (void)user_new(test, "bob");
    (void)user_new(test, "eve");
    const struct taken pin = take(keys, SHERD_KIND_PRINCIPAL_PIN, 0);
    damage(keys, &pin, CHANGED);
    const struct seen seen = list_users(test, SHERD_ERR_TAMPERED);
    assert_int_equal(seen.count, USERS - 1);
    assert_int_equal(seen.damaged_count, 0);
    assert_true(violations(test) > 0);
    lay(keys, &pin, &pin.name);
    assert_int_equal(list_users(test, SHERD_OK).count, USERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_rights_damaged_users__are_named_and_the_others_listed),
        vault_test_of(test_cryptor_rights_damaged_users__keep_their_grants_and_hinder_nobody),
        vault_test_of(test_cryptor_rights_damaged_users__with_a_damaged_pin_are_not_passed_over),
    };

    return cmocka_run_group_tests_name("cryptor_rights_damaged", tests, NULL, NULL);
}
