/* SPDX-License-Identifier: Apache-2.0 */
/* Users, named keys, grants and logins over connections: see remote.h. */
#include "anchor/agent/remote_inside.h"
#include "base/mem.h"
#include <string.h>

/* --- lists -------------------------------------------------------------------------------------------------------- */

/*
 * The whole list of an answer. Who visits it may make other calls, and a session has but one connection: so that is
 * given back first.
 */
struct list {
    uint8_t *items;
    size_t count;
    size_t room;
};

static void list_done(struct list *list)
{
    sherd_free(list->items);
}

static enum sherd_err make_room(struct list *list, size_t item_bytes)
{
    if (list->count < list->room)
        return SHERD_OK;
    const size_t room = list->room > 0 ? 2 * list->room : 16;
    uint8_t *items = sherd_realloc(list->items, room * item_bytes);
    if (items == NULL)
        return SHERD_ERR_NO_MEMORY;
    list->items = items;
    list->room = room;
    return SHERD_OK;
}

static enum sherd_err read_list(struct sherd_remote_call *call, size_t item_bytes, struct list *list)
{
    do
        SHERD_TRY(make_room(list, item_bytes));
    while (sherd_remote_next(call, list->items + item_bytes * list->count++));
    list->count--; /* the one that was not there */
    return sherd_remote_read_all(call);
}

static enum sherd_err list_all(struct sherd_anchor *anchor, enum sherd_wire_verb verb, void *head, struct list *list)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};

    SHERD_TRY(sherd_remote_begin(anchor, verb, head, &call));
    SHERD_TRY(sherd_remote_finish(&call, NULL));
    return read_list(&call, sherd_wire_call_of(verb)->reply.item_bytes, list);
}

/* --- users -------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_remote_user_create(struct sherd_anchor *anchor, const struct sherd_principal *principal)
{
    struct sherd_principal call = *principal;

    return sherd_remote_plain(anchor, SHERD_WIRE_USER_CREATE, &call, NULL);
}

enum sherd_err sherd_remote_user_each(struct sherd_anchor *anchor, sherd_user_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(list_done) struct list list = {0};

    SHERD_TRY(list_all(anchor, SHERD_WIRE_USER_EACH, NULL, &list));
    const struct sherd_user_info *users = (const void *)list.items;
    for (size_t i = 0; i < list.count; i++)
        SHERD_TRY(visit(arg, &users[i]));
    return SHERD_OK;
}

enum sherd_err sherd_remote_user_disable(struct sherd_anchor *anchor, const char *name)
{
    struct sherd_wire_name call = {0};

    SHERD_TRY(sherd_remote_text(name, call.name, sizeof(call.name)));
    return sherd_remote_plain(anchor, SHERD_WIRE_USER_DISABLE, &call, NULL);
}

enum sherd_err sherd_remote_principal_check(struct sherd_anchor *anchor, const struct sherd_ref *name,
                                            struct sherd_span stored)
{
    struct sherd_wire_stored call = {.name = *name, .stored = stored};

    return sherd_remote_plain(anchor, SHERD_WIRE_PRINCIPAL_CHECK, &call, NULL);
}

/* --- named keys --------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_remote_named_create(struct sherd_anchor *anchor, const char *name, const char *owner)
{
    struct sherd_wire_named_new call = {.has_owner = owner != NULL};

    SHERD_TRY(sherd_remote_text(name, call.name, sizeof(call.name)));
    if (owner != NULL)
        SHERD_TRY(sherd_remote_text(owner, call.owner, sizeof(call.owner)));
    return sherd_remote_plain(anchor, SHERD_WIRE_NAMED_CREATE, &call, NULL);
}

enum sherd_err sherd_remote_named_each(struct sherd_anchor *anchor, sherd_key_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(list_done) struct list list = {0};

    SHERD_TRY(list_all(anchor, SHERD_WIRE_NAMED_EACH, NULL, &list));
    const struct sherd_key_info *keys = (const void *)list.items;
    for (size_t i = 0; i < list.count; i++)
        SHERD_TRY(visit(arg, &keys[i]));
    return SHERD_OK;
}

enum sherd_err sherd_remote_named_find(struct sherd_anchor *anchor, const char *name, unsigned wanted,
                                       struct sherd_ref *out_key)
{
    struct sherd_wire_named_find call = {.wanted = wanted};
    struct sherd_wire_ref key;

    SHERD_TRY(sherd_remote_text(name, call.name, sizeof(call.name)));
    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_NAMED_FIND, &call, &key));
    *out_key = key.ref;
    return SHERD_OK;
}

enum sherd_err sherd_remote_named_grant(struct sherd_anchor *anchor, const char *key, const char *user, unsigned rights)
{
    struct sherd_wire_grant call = {.rights = rights};

    SHERD_TRY(sherd_remote_text(key, call.key, sizeof(call.key)));
    SHERD_TRY(sherd_remote_text(user, call.user, sizeof(call.user)));
    return sherd_remote_plain(anchor, SHERD_WIRE_NAMED_GRANT, &call, NULL);
}

enum sherd_err sherd_remote_grant_each(struct sherd_anchor *anchor, const char *key, sherd_grant_visit_fn *visit,
                                       void *arg)
{
    SHERD_CLEANUP(list_done) struct list list = {0};
    struct sherd_wire_name call = {0};

    SHERD_TRY(sherd_remote_text(key, call.name, sizeof(call.name)));
    SHERD_TRY(list_all(anchor, SHERD_WIRE_GRANT_EACH, &call, &list));
    const struct sherd_wire_granted *grants = (const void *)list.items;
    for (size_t i = 0; i < list.count; i++)
        SHERD_TRY(visit(arg, grants[i].user, grants[i].rights));
    return SHERD_OK;
}

/* --- logins ------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_remote_challenge(struct sherd_anchor *anchor, const char *user,
                                      struct sherd_challenge *out_challenge)
{
    struct sherd_wire_name call = {0};
    struct sherd_challenge challenge = {.credential = SHERD_CREDENTIAL_PASSPHRASE};

    SHERD_TRY(sherd_remote_text(user, call.name, sizeof(call.name)));
    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_CHALLENGE, &call, &challenge));
    *out_challenge = challenge;
    return SHERD_OK;
}

/* A session's connection cannot be made anew: whoever logged in on it does so again. */
static enum sherd_err no_other_link(void *arg, struct sherd_link **out_link)
{
    (void)arg;
    (void)out_link;
    return sherd_fail(SHERD_ERR_IO, "the agent has hung up, and with that the user's session has ended");
}

/* The connection that let the user in is the session's from now on. */
static void hand_over(struct sherd_remote_call *call, struct sherd_remote *session)
{
    struct sherd_remote *remote = call->remote;

    session->deployment = remote->deployment;
    session->tenant = remote->tenant;
    session->idle[0] = call->link;
    session->idle_count = 1;
    session->open_count = 1;
    call->link = NULL;
    (void)pthread_mutex_lock(&remote->lock);
    remote->open_count--;
    (void)pthread_cond_signal(&remote->freed);
    (void)pthread_mutex_unlock(&remote->lock);
}

static enum sherd_err let_in(struct sherd_anchor *anchor, struct sherd_wire_login *login, struct sherd_remote *session)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_LOGIN, login, &call));
    SHERD_TRY(sherd_remote_finish(&call, NULL));
    hand_over(&call, session);
    return SHERD_OK;
}

enum sherd_err sherd_remote_login(struct sherd_anchor *anchor, const char *user,
                                  const uint8_t nonce[static SHERD_NONCE_SIZE],
                                  const uint8_t signature[static SHERD_SIGNATURE_SIZE],
                                  struct sherd_anchor **out_session)
{
    struct sherd_wire_login login = {0};
    struct sherd_remote *session = NULL;

    SHERD_ENSURE(sherd_remote_of(anchor)->links_max > 1, SHERD_ERR_UNSUPPORTED,
                 "a session's connection lets nobody else in: make another");
    SHERD_TRY(sherd_remote_text(user, login.user, sizeof(login.user)));
    memcpy(login.nonce, nonce, sizeof(login.nonce));
    memcpy(login.signature, signature, sizeof(login.signature));
    SHERD_TRY(sherd_remote_new(no_other_link, NULL, 1, &session));
    const enum sherd_err err = let_in(anchor, &login, session);
    if (err != SHERD_OK) {
        session->anchor.ops->free(&session->anchor);
        return err;
    }
    *out_session = &session->anchor;
    return SHERD_OK;
}
