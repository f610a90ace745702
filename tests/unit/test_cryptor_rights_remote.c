/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of users at the far end of connections, as an agent has them: all tests of users, through sockets, and what a
 * connection that let one in does and does not do.
 */
#include "served.h"

/* In place of sherd_vault_open(): the same, and the owner's anchor behind connections. */
static enum sherd_err open_and_serve(const char *path, const struct sherd_unseal *unseal,
                                     const struct sherd_vault_open_options *options, struct sherd_vault **out_vault);
static void reopen_served(struct vault_test *test);
static int setup_served(void **state);

int rights_tests(void);
#define sherd_vault_open open_and_serve
#define vault_reopen reopen_served
#define vault_setup setup_served
#define main rights_tests
#include "test_cryptor_rights.c"
#undef main
#undef vault_setup
#undef vault_reopen
#undef sherd_vault_open

static void serve_anchor_of(struct sherd_vault *vault)
{
    vault->anchor = served_begin(vault->anchor);
    vault->assets.anchor = vault->anchor;
}

static enum sherd_err open_and_serve(const char *path, const struct sherd_unseal *unseal,
                                     const struct sherd_vault_open_options *options, struct sherd_vault **out_vault)
{
    SHERD_TRY(sherd_vault_open(path, unseal, options, out_vault));
    if (options->user == NULL) /* a session stands on the anchor that let it in */
        serve_anchor_of(*out_vault);
    return SHERD_OK;
}

static void reopen_served(struct vault_test *test)
{
    vault_reopen(test);
    serve_anchor_of(test->vault);
}

static int setup_served(void **state)
{
    if (vault_setup(state) != 0)
        return -1;
    serve_anchor_of(((struct vault_test *)*state)->vault);
    return 0;
}

/* --- connections by hand ------------------------------------------------------------------------------------------ */

/* One call over a connection, whose answer holds nothing that is looked at. */
static enum sherd_err call(struct sherd_link *link, enum sherd_wire_verb verb, void *head)
{
    struct sherd_wire reply;
    bool broken = true;

    sherd_wire_code(sherd_link_write(link, false), sherd_wire_call_of(verb)->call.head, head);
    const enum sherd_err err = sherd_link_call(link, verb, &reply, &broken);
    assert_false(broken);
    return err;
}

/* A connection of its own to what serves the vault's anchor. */
static struct sherd_link *connect_to(struct vault_test *test)
{
    struct sherd_link *link = NULL;

    assert_ok(connect_one(served_find(test->vault->anchor), &link));
    return link;
}

/* Log in on a connection. The challenge comes over others. */
static enum sherd_err log_in_on(struct vault_test *test, struct sherd_link *link, const struct user *user)
{
    struct sherd_anchor *anchor = test->vault->anchor;
    const struct sherd_credentials credentials = {.key = {user->key_block, sizeof(user->key_block)}};
    struct sherd_wire_login login = {.user = ""};
    struct sherd_challenge challenge;

    assert_ok(anchor->ops->challenge(anchor, user->name, &challenge));
    assert_ok(sherd_credential_sign(&challenge, user->name, &credentials, login.signature));
    memcpy(login.nonce, challenge.nonce, sizeof(login.nonce));
    (void)snprintf(login.user, sizeof(login.user), "%s", user->name);
    return call(link, SHERD_WIRE_LOGIN, &login);
}

static void test_cryptor_rights_remote_login__is_of_its_connection_alone(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    const struct user eve = user_new(test, "eve");
    struct sherd_wire_role identity = {SHERD_IDENTITY};
    struct sherd_wire_role assets = {SHERD_ASSETS};
    struct sherd_wire_unseal unseal = {.kind = SHERD_WIRE_PASSPHRASE, .secret = sherd_span_str("open")};

    assert_ok(sherd_key_create(test->vault, "his", "bob"));
    struct sherd_wire_pin_get of_bob = {.record = put_under(test, "his", "one")};
    struct sherd_wire_pin_get of_owner = {.record = vault_put(test, NULL, "of the owner")};
    struct sherd_link *his = connect_to(test);
    struct sherd_link *hers = connect_to(test);
    struct sherd_link *owners = connect_to(test);

    assert_ok(call(his, SHERD_WIRE_PIN_GET, &of_owner)); /* the owner's until somebody logs in */
    assert_ok(log_in_on(test, his, &bob));
    assert_ok(log_in_on(test, hers, &eve));
    for (unsigned i = 0; i < 3; i++) {
        assert_ok(call(his, SHERD_WIRE_PIN_GET, &of_bob));
        assert_err(SHERD_ERR_NOT_FOUND, call(his, SHERD_WIRE_PIN_GET, &of_owner));
        assert_err(SHERD_ERR_NOT_FOUND, call(hers, SHERD_WIRE_PIN_GET, &of_bob));
        assert_ok(call(owners, SHERD_WIRE_PIN_GET, &of_owner));
    }
    assert_err(SHERD_ERR_DENIED, call(his, SHERD_WIRE_USER_EACH, NULL));
    assert_err(SHERD_ERR_DENIED, call(his, SHERD_WIRE_EPOCH_BEGIN, NULL));
    assert_err(SHERD_ERR_DENIED, call(his, SHERD_WIRE_KEYS_BLOBS, NULL));
    assert_err(SHERD_ERR_DENIED, call(his, SHERD_WIRE_LEASE, &identity));
    assert_ok(call(his, SHERD_WIRE_LEASE, &assets));
    assert_err(SHERD_ERR_DENIED, call(his, SHERD_WIRE_SEAL, NULL));
    assert_err(SHERD_ERR_DENIED, call(his, SHERD_WIRE_UNSEAL, &unseal));
    assert_ok(call(his, SHERD_WIRE_STATUS, NULL));
    assert_ok(log_in_on(test, his, &eve)); /* another user's, but never the owner's again */
    assert_err(SHERD_ERR_NOT_FOUND, call(his, SHERD_WIRE_PIN_GET, &of_bob));
    assert_err(SHERD_ERR_NOT_FOUND, call(his, SHERD_WIRE_PIN_GET, &of_owner));
    sherd_link_free(his);
    sherd_link_free(hers);
    sherd_link_free(owners);
}

static void test_cryptor_rights_remote_login__does_not_take_over_a_rekeying(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    struct sherd_rekey_scope scope = {.one_collection = false};
    struct sherd_wire_number step = {16};
    struct sherd_link *link = connect_to(test);

    assert_ok(call(link, SHERD_WIRE_REKEY_BEGIN, &scope));
    assert_err(SHERD_ERR_BUSY, log_in_on(test, link, &bob));
    assert_ok(call(link, SHERD_WIRE_REKEY_STEP, &step)); /* the owner's still */
    assert_ok(call(link, SHERD_WIRE_REKEY_END, NULL));
    assert_ok(log_in_on(test, link, &bob));
    assert_err(SHERD_ERR_DENIED, call(link, SHERD_WIRE_REKEY_BEGIN, &scope));
    sherd_link_free(link);
}

/* Neither the state of a backup under way nor what waits to be asked for goes over to who logs in. */
static void test_cryptor_rights_remote_login__does_not_take_over_what_waits(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    struct sherd_wire_uuid id = {.id = vault_put(test, NULL, "of the owner")};
    struct sherd_wire_after after = {.from_first = true};
    struct sherd_wire_statement statement = {.kind = SHERD_RECEIPT_RECORDS};
    struct sherd_link *link = connect_to(test);
    struct sherd_wire reply;
    bool broken = true;

    assert_ok(call(link, SHERD_WIRE_STATE_TAKE, &id));
    assert_err(SHERD_ERR_BUSY, log_in_on(test, link, &bob));
    assert_ok(call(link, SHERD_WIRE_STATE_END, NULL));
    assert_ok(sherd_record_delete(test->vault, id.id));
    sherd_wire_code(sherd_link_write(link, true), sherd_wire_call_of(SHERD_WIRE_STATEMENT_RECORDS)->call.item, &id);
    assert_ok(sherd_link_call(link, SHERD_WIRE_STATEMENT_RECORDS, &reply, &broken));
    assert_ok(call(link, SHERD_WIRE_STATEMENT_SIGN, &statement));
    assert_ok(log_in_on(test, link, &bob));
    assert_err(SHERD_ERR_NOT_FOUND, call(link, SHERD_WIRE_MORE, NULL));
    assert_err(SHERD_ERR_DENIED, call(link, SHERD_WIRE_STATE_TAKE, &id));
    assert_err(SHERD_ERR_INVALID, call(link, SHERD_WIRE_STATE_SCAN, &after));
    assert_err(SHERD_ERR_DENIED, call(link, SHERD_WIRE_STATEMENT_SIGN, &statement));
    assert_err(SHERD_ERR_DENIED, call(link, SHERD_WIRE_EPOCH_EXPORT, NULL));
    sherd_link_free(link);
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static void test_cryptor_rights_remote_session__ends_with_its_connection(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");

    assert_ok(sherd_key_create(test->vault, "his", "bob"));
    const struct sherd_uuid id = put_under(test, "his", "one");
    const struct sherd_uuid bare = vault_put(test, NULL, "of the owner");
    struct sherd_anchor *session = session_of(test, &bob);
    struct sherd_anchor *another = NULL;
    const uint8_t none[SHERD_SIGNATURE_SIZE] = {0};
    const struct served *served = served_find(test->vault->anchor);

    ask_as(test, session);
    expect_content(test, id, "one");
    assert_err(SHERD_ERR_UNSUPPORTED, session->ops->login(session, "bob", none, none, &another));
    ask_as(test, NULL);
    for (size_t i = 0; i < served->count; i++)
        (void)shutdown(sherd_link_fd(served->links[i]), SHUT_RDWR);
    ask_as(test, session);
    for (unsigned i = 0; i < 3; i++) { /* it does not go on as somebody else */
        assert_err(SHERD_ERR_IO, get(test, id, 0));
        assert_err(SHERD_ERR_IO, get(test, bare, 0));
    }
    ask_as(test, NULL);
    end(session);
}

/* A scan goes on over what it may not tell of, however long that is. */
static void test_cryptor_rights_remote_session__finds_one_among_many(void **state)
{
    static struct sherd_pin_change changes[1100];
    struct vault_test *test = *state;
    struct sherd_anchor *anchor = test->vault->anchor;
    const struct user bob = user_new(test, "bob");
    struct sherd_collection_entry collection;
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;

    assert_ok(sherd_vault_collection(test->vault, NULL, &collection));
    for (size_t i = 0; i < SHERD_COUNT_OF(changes); i++) {
        struct sherd_uuid record;

        assert_ok(sherd_uuid_new(&record));
        changes[i] = (struct sherd_pin_change){.versions_kept = 1};
        assert_ok(anchor->ops->key_new(anchor, &collection, "", record, 1, &changes[i].pin, &key));
    }
    assert_ok(anchor->ops->pin_commit(anchor, changes, SHERD_COUNT_OF(changes), &dropped));
    assert_ok(sherd_key_create(test->vault, "his", "bob"));
    const struct sherd_uuid id = put_under(test, "his", "one");
    struct sherd_anchor *session = session_of(test, &bob);
    ask_as(test, session);
    assert_int_equal(listed(test), 1);
    expect_content(test, id, "one");
    ask_as(test, NULL);
    end(session);
    sherd_refs_done(&dropped);
}

#define THREADS 6U

static void *read_on(void *arg)
{
    struct vault_test *test = arg;

    for (unsigned i = 0; i < 20; i++) {
        const struct sherd_uuid id = put_under(test, "his", "one");

        expect_content(test, id, "one");
    }
    return NULL;
}

static void test_cryptor_rights_remote_session__serves_many_threads_in_turn(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    struct sherd_rekey_stat stat;
    pthread_t threads[THREADS];

    assert_ok(sherd_key_create(test->vault, "his", "bob"));
    struct sherd_anchor *session = session_of(test, &bob);
    ask_as(test, session);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, test), 0);
    assert_ok(sherd_key_rotate(test->vault, "his", NULL, NULL,
                               &stat)); /* between their calls, on the same connection */
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(listed(test), THREADS * 20);
    ask_as(test, NULL);
    end(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cryptor_rights_remote_login__is_of_its_connection_alone, setup_served,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_rights_remote_login__does_not_take_over_a_rekeying, setup_served,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_rights_remote_login__does_not_take_over_what_waits, setup_served,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_rights_remote_session__ends_with_its_connection, setup_served,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_rights_remote_session__finds_one_among_many, setup_served,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_rights_remote_session__serves_many_threads_in_turn, setup_served,
                                        vault_teardown),
    };
    const int failed = rights_tests();

    return failed + cmocka_run_group_tests_name("cryptor_rights_remote", tests, NULL, NULL);
}
