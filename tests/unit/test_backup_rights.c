/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of users, named keys and grants in backups: they come back as they were at one instant, and nobody but the
 * vault's owner makes a backup or a receipt.
 */
#include "bundle.h"
#include "cryptor/vault.h"
#include <pthread.h>

/* Back up the vault, and restore it elsewhere, which verifies it. @return the restored one, open */
static struct sherd_vault *back_up_and_restore(struct vault_test *test, const char *name)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    const struct sherd_backup_keys keys = {.unseal = &test->unseal, .vault = test->path};
    struct sherd_backup_info info;
    struct sherd_verify_stat stat;
    struct sherd_vault *restored = NULL;
    char path[96];

    struct source source = {sherd_buf_span(&bundle)};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    (void)snprintf(path, sizeof(path), "%s/%s", test->root, name);
    assert_ok(sherd_backup_restore(&in, &keys, path, NULL, NULL, &info, &stat));
    assert_int_equal(stat.finding_count, 0);
    assert_ok(sherd_vault_open(path, &test->unseal, NULL, &restored));
    return restored;
}

/* --- users -------------------------------------------------------------------------------------------------------- */

static const struct sherd_span passphrase = {(const uint8_t *)"of a user", 9};

static enum sherd_err create_user(struct sherd_vault *vault, const char *name)
{
    const struct sherd_user_new wish = {.name = name, .passphrase = passphrase};

    return sherd_user_create(vault, &wish);
}

static enum sherd_err let_in(struct sherd_vault *vault, const char *user, struct sherd_anchor **out_session)
{
    struct sherd_anchor *anchor = vault->anchor;
    const struct sherd_credentials credentials = {.passphrase = passphrase};
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    struct sherd_challenge challenge;

    SHERD_TRY(anchor->ops->challenge(anchor, user, &challenge));
    SHERD_TRY(sherd_credential_sign(&challenge, user, &credentials, signature));
    return anchor->ops->login(anchor, user, challenge.nonce, signature, out_session);
}

/* Whether a user is let in, and finds a record. */
static enum sherd_err finds(struct sherd_vault *vault, const char *user, struct sherd_uuid id)
{
    struct sherd_anchor *session = NULL;
    struct sherd_pin_view view;

    SHERD_TRY(let_in(vault, user, &session));
    const enum sherd_err err = session->ops->pin_get(session, id, 0, &view, NULL);
    session->ops->free(session);
    return err;
}

static void test_backup_rights__come_back_as_they_were(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta under_pay = {.key = "pay"};
    struct sherd_anchor *session = NULL;

    assert_ok(create_user(test->vault, "bob"));
    assert_ok(create_user(test->vault, "eve"));
    assert_ok(create_user(test->vault, "gone"));
    assert_ok(sherd_user_disable(test->vault, "gone"));
    assert_ok(sherd_key_create(test->vault, "pay", "bob"));
    assert_ok(sherd_key_grant(test->vault, "pay", "eve", SHERD_RIGHT_READ));
    assert_ok(sherd_secret_set(test->vault, "a/b", "pay", sherd_span_str("x"), NULL));
    const struct sherd_uuid id = vault_put(test, &under_pay, "one");
    const struct sherd_uuid bare = vault_put(test, NULL, "of the owner");
    struct sherd_vault *restored = back_up_and_restore(test, "restored");
    assert_ok(sherd_key_grant(test->vault, "pay", "eve", 0));
    assert_ok(finds(restored, "bob", id));
    assert_ok(finds(restored, "eve", id));
    assert_err(SHERD_ERR_NOT_FOUND, finds(restored, "bob", bare));
    assert_err(SHERD_ERR_NOT_FOUND, finds(restored, "eve", bare));
    assert_err(SHERD_ERR_DENIED, let_in(restored, "gone", &session));
    assert_err(SHERD_ERR_DENIED, let_in(restored, "nobody", &session));
    assert_err(SHERD_ERR_NOT_FOUND, finds(test->vault, "eve", id));
    sherd_vault_close(restored);
}

/* --- one instant -------------------------------------------------------------------------------------------------- */

/* Between the snapshots of a backup, another thread writes; or waits until they are taken. */
static struct {
    struct sherd_anchor_ops ops;
    enum sherd_err (*state_take)(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                 struct sherd_anchor_state *state);
    struct sherd_vault *vault;
    enum sherd_err (*work)(struct sherd_vault *vault);
    pthread_t thread;
} between;

static void *work_between(void *arg)
{
    (void)arg;
    assert_ok(between.work(between.vault));
    return NULL;
}

static enum sherd_err state_take_late(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                      struct sherd_anchor_state *state)
{
    assert_int_equal(pthread_create(&between.thread, NULL, work_between, NULL), 0);
    (void)usleep(700000); /* enough for it, if nothing holds it */
    return between.state_take(anchor, backup, state);
}

static struct sherd_vault *back_up_while(struct vault_test *test, enum sherd_err (*work)(struct sherd_vault *vault),
                                         const char *name)
{
    struct sherd_anchor *anchor = test->vault->anchor;
    const struct sherd_anchor_ops *before = anchor->ops;

    between.ops = *before;
    between.state_take = before->state_take;
    between.ops.state_take = state_take_late;
    between.vault = test->vault;
    between.work = work;
    anchor->ops = &between.ops;
    struct sherd_vault *restored = back_up_and_restore(test, name);
    anchor->ops = before;
    assert_int_equal(pthread_join(between.thread, NULL), 0);
    return restored;
}

static enum sherd_err create_late(struct sherd_vault *vault)
{
    char text[SHERD_USER_KEY_TEXT_BYTES];
    char public_text[SHERD_USER_PUBLIC_TEXT_BYTES];
    struct sherd_buf own = sherd_buf_borrow(text, sizeof(text));
    struct sherd_buf public = sherd_buf_borrow(public_text, sizeof(public_text));

    SHERD_TRY(sherd_user_key_new(&own, &public));
    const struct sherd_user_new wish = {.name = "late", .public_key = sherd_buf_span(&public)};
    return sherd_user_create(vault, &wish);
}

static enum sherd_err disable_bob(struct sherd_vault *vault)
{
    return sherd_user_disable(vault, "bob");
}

static enum sherd_err find_user(void *arg, const struct sherd_user_info *info)
{
    struct sherd_user_info *found = arg;

    if (strcmp(info->name, found->name) == 0)
        *found = *info;
    return SHERD_OK;
}

static void test_backup_rights__users_are_there_wholly_or_not_at_all(void **state)
{
    struct vault_test *test = *state;
    struct sherd_user_info late = {.name = "late", .created_s = 0};
    struct sherd_user_info bob = {.name = "bob"};

    assert_ok(create_user(test->vault, "bob"));
    struct sherd_vault *restored = back_up_while(test, create_late, "one");
    assert_ok(sherd_user_each(restored, find_user, &late));
    assert_int_equal(late.created_s, 0); /* it waited until the snapshots were taken */
    sherd_vault_close(restored);
    assert_ok(sherd_user_each(test->vault, find_user, &late));
    assert_int_not_equal(late.created_s, 0);
    restored = back_up_while(test, disable_bob, "two");
    assert_ok(sherd_user_each(restored, find_user, &bob));
    assert_false(bob.disabled);
    sherd_vault_close(restored);
    assert_ok(sherd_user_each(test->vault, find_user, &bob));
    assert_true(bob.disabled);
}

/* --- who may ------------------------------------------------------------------------------------------------------ */

static void test_backup_rights__backups_and_receipts_are_the_owners(void **state)
{
    struct vault_test *test = *state;
    struct sherd_vault *vault = test->vault;
    struct sherd_anchor *owner = vault->anchor;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf kept = {.max = SHERD_RECEIPT_BYTES_MAX};
    const struct sherd_backup_out out = {.write = write_to_buf, .arg = &kept};
    const struct sherd_uuid id = vault_put(test, NULL, "one");
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_RECORDS, .records = &id, .record_count = 1};
    struct sherd_anchor *session = NULL;
    struct sherd_backup_info info;
    uint64_t epoch;

    assert_ok(create_user(vault, "bob"));
    assert_ok(let_in(vault, "bob", &session));
    assert_err(SHERD_ERR_DENIED, session->ops->epoch_export(session, &kept));
    assert_err(SHERD_ERR_DENIED, session->ops->epoch_adopt(session, sherd_span_str("x")));
    assert_err(SHERD_ERR_DENIED, session->ops->state_take(session, &id, NULL));
    assert_err(SHERD_ERR_DENIED, session->ops->state_scan(session, NULL, NULL, NULL, NULL));
    assert_err(SHERD_ERR_DENIED, session->ops->statement_sign(session, NULL, &kept));
    assert_err(SHERD_ERR_DENIED, session->ops->statement_key(session, &kept));
    vault->anchor = session;
    vault->of_user = true;
    assert_err(SHERD_ERR_DENIED, sherd_backup_write(vault, &out, NULL, &info));
    assert_err(SHERD_ERR_DENIED, sherd_epoch_export(vault, &kept, &epoch));
    assert_err(SHERD_ERR_DENIED, sherd_receipt_make(vault, &request, &kept));
    assert_err(SHERD_ERR_DENIED, sherd_receipt_public_key(vault, &kept));
    assert_int_equal(kept.len, 0);
    vault->anchor = owner;
    vault->of_user = false;
    session->ops->free(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_backup_rights__come_back_as_they_were),
        vault_test_of(test_backup_rights__users_are_there_wholly_or_not_at_all),
        vault_test_of(test_backup_rights__backups_and_receipts_are_the_owners),
    };

    return cmocka_run_group_tests_name("backup_rights", tests, NULL, NULL);
}
