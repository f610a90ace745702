/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of users, named keys, grants and secrets: what a user has no right to looks as if it were not there, whatever
 * is asked and however the entries of rights are changed, moved or brought back.
 */
#include "rights.h"

static void expect_content(struct vault_test *test, struct sherd_uuid id, const char *text)
{
    struct sherd_buf back = {.max = 1000};

    assert_ok(sherd_record_get(test->vault, id, 0, &back));
    assert_int_equal(back.len, strlen(text));
    assert_memory_equal(back.data, text, back.len);
    sherd_buf_done(&back);
}

static enum sherd_err get(struct vault_test *test, struct sherd_uuid id, uint64_t version)
{
    struct sherd_buf back = {.max = 1000};
    const enum sherd_err err = sherd_record_get(test->vault, id, version, &back);

    sherd_buf_done(&back);
    return err;
}

static enum sherd_err describe(struct vault_test *test, struct sherd_uuid id)
{
    struct sherd_record_info *info = NULL;
    const enum sherd_err err = sherd_record_stat(test->vault, id, 0, &info);

    sherd_record_info_free(info);
    return err;
}

static enum sherd_err update(struct vault_test *test, struct sherd_uuid id)
{
    return sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("new"), NULL);
}

static enum sherd_err count(void *arg, const struct sherd_record_info *info)
{
    (void)info;
    ++*(size_t *)arg;
    return SHERD_OK;
}

static size_t listed(struct vault_test *test)
{
    struct sherd_cursor cursor = {.started = false};
    size_t seen = 0;

    assert_ok(sherd_record_list(test->vault, NULL, &cursor, 0, count, &seen));
    return seen;
}

/* --- what looks like nothing -------------------------------------------------------------------------------------- */

enum ask { ASK_GET, ASK_GET_FIRST, ASK_GET_OTHER, ASK_STAT, ASK_UPDATE, ASK_DELETE, ASK_COUNT };

static enum sherd_err ask(struct vault_test *test, enum ask what, struct sherd_uuid id)
{
    switch (what) {
    case ASK_GET: return get(test, id, 0);
    case ASK_GET_FIRST: return get(test, id, 1);
    case ASK_GET_OTHER: return get(test, id, 99);
    case ASK_STAT: return describe(test, id);
    case ASK_UPDATE: return update(test, id);
    default: return sherd_record_delete(test->vault, id);
    }
}

/* A record that the user may not see against one that is not there: the same code and the same words. */
static void expect_like_nothing(struct vault_test *test, enum ask what, struct sherd_uuid id)
{
    char words[256];
    struct sherd_uuid nothing;

    assert_ok(sherd_uuid_new(&nothing));
    assert_err(SHERD_ERR_NOT_FOUND, ask(test, what, nothing));
    (void)snprintf(words, sizeof(words), "%s", sherd_err_detail());
    assert_err(SHERD_ERR_NOT_FOUND, ask(test, what, id));
    assert_string_equal(sherd_err_detail(), words);
}

static void test_cryptor_rights__nothing_is_found_without_a_grant(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    const struct sherd_uuid under = put_under(test, "pay", "secret");
    const struct sherd_uuid bare = vault_put(test, NULL, "of the owner");
    struct sherd_anchor *session = session_of(test, &bob);
    ask_as(test, session);
    for (enum ask what = 0; what < ASK_COUNT; what++) {
        expect_like_nothing(test, what, under);
        expect_like_nothing(test, what, bare); /* nobody reads by knowing a UUID */
    }
    assert_int_equal(listed(test), 0);
    ask_as(test, NULL);
    expect_content(test, under, "secret");
    expect_content(test, bare, "of the owner");
    end(session);
}

static void test_cryptor_rights__each_right_gives_what_it_says(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    const struct sherd_record_meta meta = {.key = "pay"};
    struct sherd_uuid mine;

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    const struct sherd_uuid id = put_under(test, "pay", "one");
    struct sherd_anchor *session = session_of(test, &bob);

    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_READ));
    ask_as(test, session);
    expect_content(test, id, "one");
    assert_int_equal(listed(test), 1);
    expect_like_nothing(test, ASK_UPDATE, id);
    expect_like_nothing(test, ASK_DELETE, id);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &mine));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHTS_ALL));
    ask_as(test, NULL);

    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_WRITE));
    ask_as(test, session);
    assert_ok(sherd_record_put(test->vault, &meta, sherd_span_str("mine"), &mine));
    expect_like_nothing(test, ASK_GET, id);
    expect_like_nothing(test, ASK_GET, mine);
    expect_like_nothing(test, ASK_UPDATE, mine);
    assert_ok(sherd_record_delete(test->vault, mine));
    ask_as(test, NULL);

    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_MANAGE));
    ask_as(test, session);
    expect_like_nothing(test, ASK_GET, id);
    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_READ | SHERD_RIGHT_WRITE));
    expect_content(test, id, "one");
    assert_ok(update(test, id));
    expect_content(test, id, "new");
    ask_as(test, NULL);
    end(session);
}

static void test_cryptor_rights__revoking_holds_for_what_is_open(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    const struct user eve = user_new(test, "eve");

    assert_ok(sherd_key_create(test->vault, "pay", "eve"));
    const struct sherd_uuid id = put_under(test, "pay", "one");
    struct sherd_anchor *of_bob = session_of(test, &bob);
    struct sherd_anchor *of_eve = session_of(test, &eve);

    for (unsigned i = 0; i < 3; i++) {
        ask_as(test, of_eve); /* who owns the key grants and revokes */
        assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_READ));
        ask_as(test, of_bob);
        expect_content(test, id, "one");
        ask_as(test, of_eve);
        assert_ok(sherd_key_grant(test->vault, "pay", "bob", 0));
        expect_content(test, id, "one");
        ask_as(test, of_bob);
        expect_like_nothing(test, ASK_GET, id);
    }
    ask_as(test, NULL);
    end(of_bob);
    end(of_eve);
}

static void test_cryptor_rights__who_was_disabled_finds_nothing(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    struct sherd_anchor *again = NULL;

    assert_ok(sherd_key_create(test->vault, "his", "bob"));
    const struct sherd_uuid id = put_under(test, "his", "one");
    struct sherd_anchor *session = session_of(test, &bob);
    ask_as(test, session);
    expect_content(test, id, "one");
    ask_as(test, NULL);
    assert_ok(sherd_user_disable(test->vault, "bob"));
    assert_ok(sherd_user_disable(test->vault, "bob"));
    ask_as(test, session);
    expect_like_nothing(test, ASK_GET, id);
    assert_int_equal(listed(test), 0);
    assert_err(SHERD_ERR_DENIED, sherd_key_create(test->vault, "another", NULL));
    ask_as(test, NULL);
    assert_err(SHERD_ERR_DENIED, login(test, &bob, &again));
    assert_err(SHERD_ERR_INVALID, sherd_user_disable(test->vault, SHERD_USER_OWNER));
    expect_content(test, id, "one");
    end(session);
}

static void test_cryptor_rights__a_user_does_not_do_what_is_the_owners(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    const struct sherd_master_options master = {.name = "m"};
    const struct sherd_collection rules = {.name = "c", .versions_kept = 1};
    const struct sherd_user_new wish = {.name = "eve", .passphrase = sherd_span_str("x")};
    struct sherd_rekey_stat rekey_stat;
    struct sherd_sweep_stat sweep_stat;
    struct sherd_verify_stat verify_stat;
    struct sherd_anchor *session = session_of(test, &bob);

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    ask_as(test, session);
    assert_err(SHERD_ERR_DENIED, sherd_master_activate(test->vault, &master, NULL));
    assert_err(SHERD_ERR_DENIED, sherd_collection_create(test->vault, &rules));
    assert_err(SHERD_ERR_DENIED, sherd_user_create(test->vault, &wish));
    assert_err(SHERD_ERR_DENIED, sherd_user_disable(test->vault, "bob"));
    assert_err(SHERD_ERR_DENIED, sherd_entity_erase(test->vault, NULL, ""));
    assert_err(SHERD_ERR_DENIED, sherd_vault_sweep(test->vault, false, &sweep_stat));
    assert_err(SHERD_ERR_DENIED, sherd_vault_verify(test->vault, NULL, NULL, &verify_stat));
    assert_err(SHERD_ERR_DENIED, sherd_epoch_roll(test->vault, NULL, NULL, &rekey_stat, NULL));
    assert_err(SHERD_ERR_DENIED, sherd_encrypt_existing(test->vault, NULL, "pay", 0, NULL, NULL, &rekey_stat));
    assert_err(SHERD_ERR_DENIED, sherd_key_create(test->vault, "for-eve", "eve"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_key_rotate(test->vault, "pay", NULL, NULL, &rekey_stat));
    ask_as(test, NULL);
    end(session);
}

/* --- logging in --------------------------------------------------------------------------------------------------- */

static void test_cryptor_rights_login__takes_each_challenge_once_and_from_the_right_user(void **state)
{
    struct vault_test *test = *state;
    struct sherd_anchor *anchor = test->vault->anchor;
    const struct user bob = user_new(test, "bob");
    const struct user eve = user_new(test, "eve");
    const struct sherd_credentials of_bob = {.key = {bob.key_block, sizeof(bob.key_block)}};
    const struct sherd_credentials of_eve = {.key = {eve.key_block, sizeof(eve.key_block)}};
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    struct sherd_challenge challenge;
    struct sherd_anchor *session = NULL;

    assert_ok(anchor->ops->challenge(anchor, "bob", &challenge));
    assert_ok(sherd_credential_sign(&challenge, "bob", &of_eve, signature)); /* another's key */
    assert_err(SHERD_ERR_DENIED, anchor->ops->login(anchor, "bob", challenge.nonce, signature, &session));
    assert_ok(anchor->ops->challenge(anchor, "bob", &challenge));
    assert_ok(sherd_credential_sign(&challenge, "eve", &of_bob, signature)); /* signed for another name */
    assert_err(SHERD_ERR_DENIED, anchor->ops->login(anchor, "bob", challenge.nonce, signature, &session));
    assert_ok(anchor->ops->challenge(anchor, "bob", &challenge));
    challenge.deployment.bytes[0] ^= 1; /* of another vault */
    assert_ok(sherd_credential_sign(&challenge, "bob", &of_bob, signature));
    assert_err(SHERD_ERR_DENIED, anchor->ops->login(anchor, "bob", challenge.nonce, signature, &session));
    assert_ok(anchor->ops->challenge(anchor, "bob", &challenge));
    challenge.nonce[0] ^= 1; /* never given */
    assert_ok(sherd_credential_sign(&challenge, "bob", &of_bob, signature));
    assert_err(SHERD_ERR_DENIED, anchor->ops->login(anchor, "bob", challenge.nonce, signature, &session));
    assert_ok(anchor->ops->challenge(anchor, "bob", &challenge));
    assert_ok(sherd_credential_sign(&challenge, "bob", &of_bob, signature));
    assert_ok(anchor->ops->login(anchor, "bob", challenge.nonce, signature, &session));
    end(session);
    assert_err(SHERD_ERR_DENIED, anchor->ops->login(anchor, "bob", challenge.nonce, signature, &session)); /* again */
}

static void test_cryptor_rights_login__says_nothing_of_who_is_there(void **state)
{
    struct vault_test *test = *state;
    struct sherd_anchor *anchor = test->vault->anchor;
    const struct sherd_user_new alice = {.name = "alice", .passphrase = sherd_span_str("her own")};
    struct sherd_challenge of_alice;
    struct sherd_challenge of_nobody;
    struct sherd_challenge again;

    assert_ok(sherd_user_create(test->vault, &alice));
    (void)user_new(test, "bob");
    assert_ok(anchor->ops->challenge(anchor, "alice", &of_alice));
    assert_ok(anchor->ops->challenge(anchor, "nobody", &of_nobody));
    assert_ok(anchor->ops->challenge(anchor, "nobody", &again));
    assert_int_equal(of_alice.credential, of_nobody.credential);
    assert_memory_equal(&of_alice.hash, &of_nobody.hash, sizeof(of_alice.hash));
    assert_memory_equal(of_nobody.salt, again.salt, sizeof(again.salt)); /* as a stored one would be */
    assert_memory_not_equal(of_nobody.nonce, again.nonce, sizeof(again.nonce));
    assert_ok(anchor->ops->challenge(anchor, "bob", &of_nobody));
    assert_int_equal(of_nobody.credential, SHERD_CREDENTIAL_PASSPHRASE);
}

/* The vault opened anew by a user, as programs do. */
static void test_cryptor_rights_login__opens_a_vault_as_a_user(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_user_new alice = {.name = "alice", .passphrase = sherd_span_str("her own")};
    struct sherd_vault_open_options options = {
        .threads = 1, .user = "alice", .user_passphrase = sherd_span_str("her own")};
    struct sherd_vault *vault = NULL;

    assert_ok(sherd_user_create(test->vault, &alice));
    assert_ok(sherd_key_create(test->vault, "hers", "alice"));
    const struct sherd_uuid id = put_under(test, "hers", "for alice");
    sherd_vault_close(test->vault);
    test->vault = NULL;
    assert_ok(sherd_vault_open(test->path, &test->unseal, &options, &test->vault));
    expect_content(test, id, "for alice");
    sherd_vault_close(test->vault);
    test->vault = NULL;
    options.user_passphrase = sherd_span_str("her owN");
    assert_err(SHERD_ERR_DENIED, sherd_vault_open(test->path, &test->unseal, &options, &vault));
    options.user = "nobody";
    assert_err(SHERD_ERR_DENIED, sherd_vault_open(test->path, &test->unseal, &options, &vault));
    options.user = NULL;
    assert_err(SHERD_ERR_INVALID, sherd_vault_open(test->path, &test->unseal, &options, &vault));
    options.user = "alice";
    options.user_passphrase = (struct sherd_span){0};
    assert_err(SHERD_ERR_INVALID, sherd_vault_open(test->path, &test->unseal, &options, &vault));
}

/* --- who can write the stores ------------------------------------------------------------------------------------- */

static void test_cryptor_rights_tamper__a_grant_that_was_brought_back_counts_for_nothing(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    const struct sherd_uuid id = put_under(test, "pay", "one");
    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHTS_ALL));
    const struct taken all = take(test->vault->keys, SHERD_KIND_GRANT, 0);
    struct sherd_anchor *session = session_of(test, &bob);
    assert_int_equal(violations(test), 0);

    assert_ok(sherd_key_grant(test->vault, "pay", "bob", 0));
    lay(test->vault->keys, &all, &all.name);
    ask_as(test, session);
    expect_like_nothing(test, ASK_GET, id);
    ask_as(test, NULL);
    assert_int_equal(violations(test), 1);

    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_WRITE)); /* less than before */
    lay(test->vault->keys, &all, &all.name);
    ask_as(test, session);
    expect_like_nothing(test, ASK_GET, id);
    expect_like_nothing(test, ASK_DELETE, id);
    ask_as(test, NULL);
    end(session);
}

static void test_cryptor_rights_tamper__a_grant_does_not_open_in_the_place_of_another(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    const struct user eve = user_new(test, "eve");

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    const struct sherd_uuid id = put_under(test, "pay", "one");
    assert_ok(sherd_key_grant(test->vault, "pay", "eve", SHERD_RIGHT_WRITE));
    const struct taken of_eve = take(test->vault->keys, SHERD_KIND_GRANT, 0);
    assert_ok(sherd_key_grant(test->vault, "pay", "eve", 0));
    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHTS_ALL));
    const struct taken of_bob = take(test->vault->keys, SHERD_KIND_GRANT, 0);
    lay(test->vault->keys, &of_bob, &of_eve.name);
    struct sherd_anchor *session = session_of(test, &eve);
    ask_as(test, session);
    assert_err(SHERD_ERR_TAMPERED, get(test, id, 0));
    ask_as(test, NULL);
    assert_true(violations(test) > 0);
    end(session);
    session = session_of(test, &bob);
    ask_as(test, session);
    expect_content(test, id, "one");
    ask_as(test, NULL);
    end(session);
}

static void test_cryptor_rights_tamper__a_key_that_is_removed_lets_nobody_in(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");

    assert_ok(sherd_key_create(test->vault, "his", "bob"));
    const struct sherd_uuid id = put_under(test, "his", "one");
    const struct taken key = take(test->vault->keys, SHERD_KIND_NAMED_KEY, 0);
    struct sherd_anchor *session = session_of(test, &bob);
    remove_entry(test->vault->keys, &key.name);
    ask_as(test, session);
    assert_err(SHERD_ERR_TAMPERED, get(test, id, 0));
    ask_as(test, NULL);
    end(session);
}

static void test_cryptor_rights_tamper__users_that_are_changed_are_seen(void **state)
{
    struct vault_test *test = *state;
    struct sherd_compartment *identity = test->vault->identity;
    struct sherd_compartment *keys = test->vault->keys;
    struct sherd_anchor *session = NULL;
    const struct user bob = user_new(test, "bob");
    const struct taken first = take(identity, SHERD_KIND_PRINCIPAL, 0);
    const struct taken second = take(identity, SHERD_KIND_PRINCIPAL, 1);

    lay(identity, &first, &second.name); /* exchanged */
    lay(identity, &second, &first.name);
    assert_err(SHERD_ERR_TAMPERED, login(test, &bob, &session));
    assert_true(violations(test) > 0);
    lay(identity, &first, &first.name);
    lay(identity, &second, &second.name);
    assert_int_equal(violations(test), 0);
    session = session_of(test, &bob);
    end(session);
    remove_entry(identity, &first.name); /* removed, whichever it is */
    remove_entry(identity, &second.name);
    assert_err(SHERD_ERR_TAMPERED, login(test, &bob, &session));
    assert_true(violations(test) > 0);
    lay(identity, &first, &first.name);
    lay(identity, &second, &second.name);

    const struct taken pins[] = {take(keys, SHERD_KIND_PRINCIPAL_PIN, 0), take(keys, SHERD_KIND_PRINCIPAL_PIN, 1)};
    assert_ok(sherd_user_disable(test->vault, "bob"));
    lay(identity, &first, &first.name); /* brought back, here alone */
    lay(identity, &second, &second.name);
    assert_err(SHERD_ERR_DENIED, login(test, &bob, &session));
    assert_ok(sherd_user_disable(test->vault, "bob"));
    lay(keys, &pins[0], &pins[0].name); /* and there alone */
    lay(keys, &pins[1], &pins[1].name);
    assert_err(SHERD_ERR_TAMPERED, login(test, &bob, &session));
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static void test_cryptor_rights_keys__names_are_given_once_and_by_rules(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_user_new again = {.name = "bob", .passphrase = sherd_span_str("x")};
    const struct sherd_user_new neither = {.name = "eve"};
    const struct sherd_user_new no_name = {.name = "Eve", .passphrase = sherd_span_str("x")};
    const struct sherd_user_new no_key = {.name = "eve", .public_key = sherd_span_str("sherd-user-1:00")};
    const struct sherd_record_meta meta = {.key = "nokey"};
    const struct sherd_record_meta of_update = {.key = "pay"};
    struct sherd_uuid id;

    (void)user_new(test, "bob");
    assert_err(SHERD_ERR_CONFLICT, sherd_user_create(test->vault, &again));
    assert_err(SHERD_ERR_INVALID, sherd_user_create(test->vault, &neither));
    assert_err(SHERD_ERR_INVALID, sherd_user_create(test->vault, &no_name));
    assert_err(SHERD_ERR_INVALID, sherd_user_create(test->vault, &no_key));
    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    assert_err(SHERD_ERR_CONFLICT, sherd_key_create(test->vault, "pay", "bob"));
    assert_err(SHERD_ERR_INVALID, sherd_key_create(test->vault, "", NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_key_create(test->vault, "k", "nobody"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_key_grant(test->vault, "pay", "nobody", SHERD_RIGHT_READ));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_key_grant(test->vault, "nokey", "bob", SHERD_RIGHT_READ));
    assert_err(SHERD_ERR_INVALID, sherd_key_grant(test->vault, "pay", "bob", 8));
    assert_err(SHERD_ERR_INVALID, sherd_key_grant(test->vault, "pay", SHERD_USER_OWNER, SHERD_RIGHT_READ));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    id = put_under(test, "pay", "one");
    assert_err(SHERD_ERR_INVALID, sherd_record_update(test->vault, id, 0, &of_update, sherd_span_str("x"), NULL));
}

static void test_cryptor_rights_keys__records_stay_readable_whatever_is_rotated(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_collection rules = {.name = "all", .versions_kept = 0, .key = "pay"};
    const struct sherd_record_meta meta = {.collection = "all", .entity = "pat"};
    const struct sherd_rekey_options fresh = {.fresh_keys = true};
    const struct sherd_rekey_options one = {.collection = "all", .entity = "pat", .fresh_keys = true};
    const struct sherd_master_options master = {.name = SHERD_MASTER_DEFAULT};
    struct sherd_rekey_stat rekeyed;

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    assert_ok(sherd_collection_create(test->vault, &rules));
    const struct sherd_uuid id = vault_put(test, &meta, "one");
    assert_ok(update(test, id));
    for (unsigned round = 0; round < 3; round++) {
        assert_ok(sherd_key_rotate(test->vault, "pay", NULL, NULL, &rekeyed));
        assert_int_equal(rekeyed.record_count, 2);
        assert_ok(sherd_rekey(test->vault, &one, NULL, NULL, &rekeyed));
        assert_ok(sherd_master_activate(test->vault, &master, NULL));
        assert_ok(sherd_rekey(test->vault, &fresh, NULL, NULL, &rekeyed));
        assert_ok(sherd_epoch_roll(test->vault, NULL, NULL, &rekeyed, NULL));
        vault_reopen(test);
        expect_content(test, id, "new");
        assert_ok(get(test, id, 1));
        assert_int_equal(violations(test), 0);
    }
    assert_ok(sherd_entity_erase(test->vault, "all", "pat"));
    assert_err(SHERD_ERR_NOT_FOUND, get(test, id, 0));
}

static void test_cryptor_rights_keys__old_records_come_under_a_key(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    struct sherd_rekey_stat moved;
    struct sherd_uuid ids[40];

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    assert_ok(sherd_key_create(test->vault, "other", NULL));
    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_READ));
    const struct sherd_uuid elsewhere = put_under(test, "other", "stays");
    for (size_t i = 0; i < SHERD_COUNT_OF(ids); i++)
        ids[i] = vault_put(test, NULL, "one");
    struct sherd_anchor *session = session_of(test, &bob);
    ask_as(test, session);
    assert_int_equal(listed(test), 0);
    ask_as(test, NULL);
    assert_ok(sherd_encrypt_existing(test->vault, NULL, "pay", 0, NULL, NULL, &moved));
    assert_int_equal(moved.record_count, SHERD_COUNT_OF(ids));
    assert_ok(sherd_encrypt_existing(test->vault, NULL, "pay", 0, NULL, NULL, &moved));
    assert_int_equal(moved.record_count, 0);
    ask_as(test, session);
    assert_int_equal(listed(test), SHERD_COUNT_OF(ids));
    for (size_t i = 0; i < SHERD_COUNT_OF(ids); i++)
        expect_content(test, ids[i], "one");
    expect_like_nothing(test, ASK_GET, elsewhere);
    ask_as(test, NULL);
    assert_ok(update(test, ids[0])); /* a new version stays under it */
    ask_as(test, session);
    expect_content(test, ids[0], "new");
    ask_as(test, NULL);
    assert_int_equal(violations(test), 0);
    end(session);
}

/* Sealed anew with keys and names of their own, records lie under the named key that they lay under. */
static void test_cryptor_rights_keys__deep_rekeying_leaves_records_under_their_keys(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    const struct sherd_collection rules = {.name = "all", .versions_kept = 0, .key = "pay"};
    const struct sherd_record_meta meta = {.collection = "all"};
    const struct sherd_rekey_options deep = {.deep = true, .fresh_keys = true};
    uint8_t long_text[100001];
    struct sherd_rekey_stat rekeyed;

    memset(long_text, 'l', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    assert_ok(sherd_key_create(test->vault, "his", "bob"));
    assert_ok(sherd_collection_create(test->vault, &rules));
    const struct sherd_uuid id = vault_put(test, &meta, "one");
    const struct sherd_uuid stream = put_under(test, "his", (const char *)long_text);
    const struct sherd_uuid bare = vault_put(test, NULL, "of the owner");
    assert_ok(update(test, id));
    struct sherd_anchor *session = session_of(test, &bob);
    for (unsigned round = 0; round < 2; round++) {
        assert_ok(sherd_rekey(test->vault, &deep, NULL, NULL, &rekeyed));
        assert_ok(sherd_key_rotate(test->vault, "pay", NULL, NULL, &rekeyed));
        assert_int_equal(rekeyed.record_count, 2);
        expect_content(test, id, "new");
        assert_ok(get(test, id, 1));
        assert_ok(get(test, bare, 0));
        ask_as(test, session);
        vault_assert_bytes(test, stream, 0, sherd_span_of(long_text, sizeof(long_text) - 1));
        expect_like_nothing(test, ASK_GET, id);
        expect_like_nothing(test, ASK_GET, bare);
        assert_err(SHERD_ERR_DENIED, sherd_rekey(test->vault, &deep, NULL, NULL, &rekeyed));
        ask_as(test, NULL);
        assert_int_equal(violations(test), 0);
    }
    end(session);
}

/* What is sealed anew without a named key does not take the place of what came under one meanwhile. */
static void test_cryptor_rights_keys__sealing_anew_does_not_take_a_key_away(void **state)
{
    struct vault_test *test = *state;
    struct sherd_anchor *anchor = test->vault->anchor;
    const struct sherd_uuid id = vault_put(test, NULL, "one");
    struct sherd_refs dropped = {0};
    struct sherd_rekey_stat moved;
    struct sherd_pin_change change = {.reseals = true, .version_expected = 1};
    struct sherd_record_key key;
    struct sherd_pin_view view;

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    assert_ok(anchor->ops->pin_get(anchor, id, 0, &view, NULL));
    assert_false(view.pin.has_named_key);
    assert_ok(anchor->ops->key_renew(anchor, &view.pin, &change.pin, &key));
    change.map_expected = view.pin.map;
    change.key = &key;
    assert_ok(sherd_encrypt_existing(test->vault, NULL, "pay", 0, NULL, NULL, &moved));
    assert_int_equal(moved.record_count, 1);
    assert_err(SHERD_ERR_CONFLICT, anchor->ops->pin_replace(anchor, &change, 1, &dropped));
    assert_ok(anchor->ops->pin_get(anchor, id, 0, &view, NULL));
    assert_true(view.pin.has_named_key);
    expect_content(test, id, "one");
    sherd_refs_done(&dropped);
}

/* What the table has for maintenance, and no function of a vault of its own. */
static void test_cryptor_rights_session__is_refused_what_maintains(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    struct sherd_pin_change change = {.reseals = true, .version_expected = 1};
    struct sherd_refs refs = {0};
    struct sherd_record_key key;
    struct sherd_pin_view view;
    uint16_t round = 0;

    assert_ok(sherd_key_create(test->vault, "his", "bob"));
    const struct sherd_uuid id = put_under(test, "his", "one");
    struct sherd_anchor *session = session_of(test, &bob);
    assert_ok(session->ops->pin_get(session, id, 0, &view, NULL));
    change.pin = view.pin;
    change.map_expected = view.pin.map;
    assert_err(SHERD_ERR_DENIED, session->ops->key_renew(session, &view.pin, &change.pin, &key));
    assert_err(SHERD_ERR_DENIED, session->ops->pin_replace(session, &change, 1, &refs));
    assert_err(SHERD_ERR_DENIED, session->ops->round_begin(session, &round));
    assert_err(SHERD_ERR_DENIED, session->ops->round_end(session, round));
    assert_err(SHERD_ERR_DENIED, session->ops->keys_blobs(session, &refs));
    end(session);
}

/* --- secrets ------------------------------------------------------------------------------------------------------ */

static void expect_secret(struct vault_test *test, const char *path, uint64_t version, const char *value)
{
    struct sherd_buf back = {.max = 1000};

    assert_ok(sherd_secret_get(test->vault, path, version, &back));
    assert_int_equal(back.len, strlen(value));
    assert_memory_equal(back.data, value, back.len);
    sherd_buf_done(&back);
}

static enum sherd_err count_secret(void *arg, const struct sherd_secret_info *info)
{
    (void)info;
    ++*(size_t *)arg;
    return SHERD_OK;
}

static size_t secrets(struct vault_test *test, const char *prefix)
{
    size_t seen = 0;

    assert_ok(sherd_secret_each(test->vault, prefix, count_secret, &seen));
    return seen;
}

static void test_cryptor_rights_secrets__keep_versions_under_a_path(void **state)
{
    static const char *const wrong[] = {"", "/", "a/", "/a", "a//b", ".", "a/../b", "a b", "a\n"};
    struct vault_test *test = *state;
    struct sherd_buf back = {.max = 1000};
    uint64_t version = 0;

    assert_int_equal(secrets(test, NULL), 0);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_secret_get(test->vault, "db/password", 0, &back));
    assert_ok(sherd_secret_set(test->vault, "db/password", NULL, sherd_span_str("one"), &version));
    assert_int_equal(version, 1);
    assert_ok(sherd_secret_set(test->vault, "db/password", NULL, sherd_span_str("two"), &version));
    assert_int_equal(version, 2);
    assert_ok(sherd_secret_set(test->vault, "db/user", NULL, sherd_span_str(""), NULL));
    expect_secret(test, "db/password", 0, "two");
    expect_secret(test, "db/password", 1, "one");
    expect_secret(test, "db/user", 0, "");
    assert_int_equal(secrets(test, NULL), 2);
    assert_int_equal(secrets(test, "db/p"), 1);
    for (size_t i = 0; i < SHERD_COUNT_OF(wrong); i++)
        assert_err(SHERD_ERR_INVALID, sherd_secret_set(test->vault, wrong[i], NULL, sherd_span_str("x"), NULL));
    assert_ok(sherd_secret_delete(test->vault, "db/password"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_secret_get(test->vault, "db/password", 0, &back));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_secret_delete(test->vault, "db/password"));
    assert_ok(sherd_secret_set(test->vault, "db/password", NULL, sherd_span_str("three"), &version));
    assert_int_equal(version, 1);
    expect_secret(test, "db/password", 0, "three");
    sherd_buf_done(&back);
}

static void test_cryptor_rights_secrets__are_their_keys(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    const struct user eve = user_new(test, "eve");
    struct sherd_buf back = {.max = 1000};

    assert_ok(sherd_key_create(test->vault, "pay", "bob"));
    assert_ok(sherd_key_create(test->vault, "hers", "eve"));
    struct sherd_anchor *of_bob = session_of(test, &bob);
    struct sherd_anchor *of_eve = session_of(test, &eve);
    ask_as(test, of_bob);
    assert_err(SHERD_ERR_DENIED, sherd_secret_set(test->vault, "a", NULL, sherd_span_str("x"), NULL));
    assert_ok(sherd_secret_set(test->vault, "a", "pay", sherd_span_str("x"), NULL));
    assert_ok(sherd_secret_set(test->vault, "a", NULL, sherd_span_str("y"), NULL));
    expect_secret(test, "a", 0, "y");
    ask_as(test, of_eve);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_secret_get(test->vault, "a", 0, &back));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_secret_delete(test->vault, "a"));
    assert_err(SHERD_ERR_CONFLICT, sherd_secret_set(test->vault, "a", "hers", sherd_span_str("z"), NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_secret_set(test->vault, "b", "pay", sherd_span_str("z"), NULL));
    assert_int_equal(secrets(test, NULL), 0);
    ask_as(test, NULL);
    assert_err(SHERD_ERR_CONFLICT, sherd_secret_set(test->vault, "a", "hers", sherd_span_str("z"), NULL));
    expect_secret(test, "a", 0, "y");
    end(of_bob);
    end(of_eve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_rights__nothing_is_found_without_a_grant),
        vault_test_of(test_cryptor_rights__each_right_gives_what_it_says),
        vault_test_of(test_cryptor_rights__revoking_holds_for_what_is_open),
        vault_test_of(test_cryptor_rights__who_was_disabled_finds_nothing),
        vault_test_of(test_cryptor_rights__a_user_does_not_do_what_is_the_owners),
        vault_test_of(test_cryptor_rights_login__takes_each_challenge_once_and_from_the_right_user),
        vault_test_of(test_cryptor_rights_login__says_nothing_of_who_is_there),
        vault_test_of(test_cryptor_rights_login__opens_a_vault_as_a_user),
        vault_test_of(test_cryptor_rights_tamper__a_grant_that_was_brought_back_counts_for_nothing),
        vault_test_of(test_cryptor_rights_tamper__a_grant_does_not_open_in_the_place_of_another),
        vault_test_of(test_cryptor_rights_tamper__a_key_that_is_removed_lets_nobody_in),
        vault_test_of(test_cryptor_rights_tamper__users_that_are_changed_are_seen),
        vault_test_of(test_cryptor_rights_keys__names_are_given_once_and_by_rules),
        vault_test_of(test_cryptor_rights_keys__records_stay_readable_whatever_is_rotated),
        vault_test_of(test_cryptor_rights_keys__old_records_come_under_a_key),
        vault_test_of(test_cryptor_rights_keys__deep_rekeying_leaves_records_under_their_keys),
        vault_test_of(test_cryptor_rights_keys__sealing_anew_does_not_take_a_key_away),
        vault_test_of(test_cryptor_rights_session__is_refused_what_maintains),
        vault_test_of(test_cryptor_rights_secrets__keep_versions_under_a_path),
        vault_test_of(test_cryptor_rights_secrets__are_their_keys),
    };

    return cmocka_run_group_tests_name("cryptor_rights", tests, NULL, NULL);
}
