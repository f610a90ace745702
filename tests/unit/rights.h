/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/rights.h
 * Users of a vault in this process, and one who can write its stores, for the tests of rights.
 */
#ifndef SHERD_TESTS_UNIT_RIGHTS_H
#define SHERD_TESTS_UNIT_RIGHTS_H

#include "anchor/rights/rights.h"
#include "cryptor/vault.h"
#include "vault.h"

#define STORED_MAX ((size_t)512)

/* --- users of a vault, all in one process ------------------------------------------------------------------------- */

struct user {
    const char *name;
    uint8_t key_block[SHERD_USER_KEY_TEXT_BYTES];
    struct sherd_buf key;
};

/* Make a user with a key pair. */
__attribute__((unused)) static struct user user_new(struct vault_test *test, const char *name)
{
    struct user user = {.name = name};
    uint8_t block[SHERD_USER_PUBLIC_TEXT_BYTES];
    struct sherd_buf text = sherd_buf_borrow(block, sizeof(block));
    struct sherd_buf key = sherd_buf_borrow(user.key_block, sizeof(user.key_block));
    const struct sherd_user_new wish = {.name = name, .public_key = {block, sizeof(block)}};

    assert_ok(sherd_user_key_new(&key, &text));
    assert_ok(sherd_user_create(test->vault, &wish));
    return user;
}

__attribute__((unused)) static enum sherd_err login(struct vault_test *test, const struct user *user,
                                                    struct sherd_anchor **out_session)
{
    struct sherd_anchor *anchor = test->vault->anchor;
    const struct sherd_credentials credentials = {.key = {user->key_block, sizeof(user->key_block)}};
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    struct sherd_challenge challenge;

    SHERD_TRY(anchor->ops->challenge(anchor, user->name, &challenge));
    SHERD_TRY(sherd_credential_sign(&challenge, user->name, &credentials, signature));
    return anchor->ops->login(anchor, user->name, challenge.nonce, signature, out_session);
}

__attribute__((unused)) static struct sherd_anchor *session_of(struct vault_test *test, const struct user *user)
{
    struct sherd_anchor *session = NULL;

    assert_ok(login(test, user, &session));
    return session;
}

/* Let what follows be asked by a session; by the owner again with NULL. */
__attribute__((unused)) static void ask_as(struct vault_test *test, struct sherd_anchor *session)
{
    struct sherd_vault *vault = test->vault;

    if (vault->whole_anchor != NULL)
        vault->anchor = vault->whole_anchor;
    vault->whole_anchor = session != NULL ? vault->anchor : NULL;
    vault->of_user = session != NULL;
    vault->anchor = session != NULL ? session : vault->anchor;
    vault->assets.anchor = vault->anchor;
}

__attribute__((unused)) static void end(struct sherd_anchor *session)
{
    session->ops->free(session);
}

__attribute__((unused)) static struct sherd_uuid put_under(struct vault_test *test, const char *key, const char *text)
{
    const struct sherd_record_meta meta = {.key = key};

    return vault_put(test, &meta, text);
}

/* --- who can write the stores ------------------------------------------------------------------------------------- */

struct taken {
    uint8_t kind;
    size_t skip; /* how many of that kind are passed over */
    bool found;
    struct sherd_ref name;
    size_t len;
    uint8_t bytes[STORED_MAX];
};

__attribute__((unused)) static enum sherd_err take_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct taken *taken = arg;

    if (stored.len > STORED_MAX || stored.data[1] != taken->kind || taken->found)
        return SHERD_OK;
    if (taken->skip > 0) {
        taken->skip--;
        return SHERD_OK;
    }
    taken->found = true;
    taken->name = name;
    taken->len = stored.len;
    memcpy(taken->bytes, stored.data, stored.len);
    return SHERD_OK;
}

/* An entry of a kind as it lies there now. */
__attribute__((unused)) static struct taken take(struct sherd_compartment *compartment, enum sherd_kind kind,
                                                 size_t skip)
{
    struct taken taken = {.kind = (uint8_t)kind, .skip = skip};
    struct sherd_snapshot *snapshot;

    assert_ok(sherd_compartment_snapshot_begin(compartment, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, take_one, &taken));
    sherd_snapshot_end(snapshot);
    assert_true(taken.found);
    return taken;
}

/* Write what was taken, under a name of its own or another's. */
__attribute__((unused)) static void lay(struct sherd_compartment *compartment, const struct taken *taken,
                                        const struct sherd_ref *name)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT,
                                      .expect = SHERD_EXPECT_ANY,
                                      .name = *name,
                                      .value = sherd_span_of(taken->bytes, taken->len)};

    assert_ok(sherd_compartment_write(compartment, &op, 1));
}

__attribute__((unused)) static void remove_entry(struct sherd_compartment *compartment, const struct sherd_ref *name)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .expect = SHERD_EXPECT_ANY, .name = *name};

    assert_ok(sherd_compartment_write(compartment, &op, 1));
}

__attribute__((unused)) static uint64_t violations(struct vault_test *test)
{
    struct sherd_verify_stat verified;

    const enum sherd_err err = sherd_vault_verify(test->vault, NULL, NULL, &verified);
    assert_true(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    return verified.finding_count;
}

#endif
