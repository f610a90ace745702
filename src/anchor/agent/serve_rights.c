/* SPDX-License-Identifier: Apache-2.0 */
/* Users, named keys, grants and logins over an anchor: see serve.h. */
#include "anchor/agent/serve_inside.h"
#include <string.h>

enum sherd_err sherd_serve_user_create(struct sherd_serve *serve)
{
    struct sherd_principal call = {.disabled = false};

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->user_create(serve->anchor, &call);
}

static enum sherd_err tell_user(void *arg, const struct sherd_user_info *info)
{
    struct sherd_serve *serve = arg;
    struct sherd_user_info item = *info;

    sherd_serve_add(serve, &item);
    return sherd_wire_written(serve->reply);
}

enum sherd_err sherd_serve_user_each(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    return serve->anchor->ops->user_each(serve->anchor, tell_user, serve);
}

enum sherd_err sherd_serve_user_disable(struct sherd_serve *serve)
{
    struct sherd_wire_name call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->user_disable(serve->anchor, call.name);
}

enum sherd_err sherd_serve_principal_check(struct sherd_serve *serve)
{
    struct sherd_wire_stored call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->principal_check(serve->anchor, &call.name, call.stored);
}

enum sherd_err sherd_serve_named_create(struct sherd_serve *serve)
{
    struct sherd_wire_named_new call = {.has_owner = false};

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->named_create(serve->anchor, call.name, call.has_owner ? call.owner : NULL);
}

static enum sherd_err tell_named(void *arg, const struct sherd_key_info *info)
{
    struct sherd_serve *serve = arg;
    struct sherd_key_info item = *info;

    sherd_serve_add(serve, &item);
    return sherd_wire_written(serve->reply);
}

enum sherd_err sherd_serve_named_each(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    return serve->anchor->ops->named_each(serve->anchor, tell_named, serve);
}

enum sherd_err sherd_serve_named_grant(struct sherd_serve *serve)
{
    struct sherd_wire_grant call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->named_grant(serve->anchor, call.key, call.user, call.rights);
}

static enum sherd_err tell_grant(void *arg, const char *user, unsigned rights)
{
    struct sherd_serve *serve = arg;
    struct sherd_wire_granted item = {.rights = rights};

    memcpy(item.user, user, strnlen(user, sizeof(item.user) - 1));
    sherd_serve_add(serve, &item);
    return sherd_wire_written(serve->reply);
}

enum sherd_err sherd_serve_grant_each(struct sherd_serve *serve)
{
    struct sherd_wire_name call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->grant_each(serve->anchor, call.name, tell_grant, serve);
}

enum sherd_err sherd_serve_named_find(struct sherd_serve *serve)
{
    struct sherd_wire_named_find call;
    struct sherd_wire_ref key;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->named_find(serve->anchor, call.name, call.wanted, &key.ref));
    return sherd_serve_answer(serve, &key);
}

enum sherd_err sherd_serve_challenge(struct sherd_serve *serve)
{
    struct sherd_challenge challenge = {.credential = SHERD_CREDENTIAL_PASSPHRASE};
    struct sherd_wire_name call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->challenge(serve->anchor, call.name, &challenge));
    return sherd_serve_answer(serve, &challenge);
}

/*
 * From here on the connection is that user's: there is no way back to being the owner. A rekeying or backup under way
 * would go on with the rights of who began it, so there must be none; and what waits for the owner is forgotten.
 */
enum sherd_err sherd_serve_login(struct sherd_serve *serve)
{
    struct sherd_anchor *session = NULL;
    struct sherd_wire_login call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_ENSURE(serve->rekey == NULL && !serve->state_taken, SHERD_ERR_BUSY,
                 "this connection rekeys, or makes a backup");
    SHERD_TRY(serve->anchor->ops->login(serve->anchor, call.user, call.nonce, call.signature, &session));
    if (serve->session != NULL)
        serve->session->ops->free(serve->session);
    serve->session = session;
    sherd_buf_done(&serve->records);
    sherd_serve_forget_rest(serve);
    return SHERD_OK;
}
