/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/serve_inside.h
 * What serve.c and serve_rights.c share, and nobody else uses: a connection that is served, and handlers of its verbs.
 */
#ifndef SHERD_ANCHOR_SERVE_INSIDE_H
#define SHERD_ANCHOR_SERVE_INSIDE_H

#include "anchor/serve.h"

/* Room for any message that holds a key: in secret memory. */
union sherd_serve_secret {
    struct sherd_wire_unseal unseal;
    struct sherd_raw_lease lease;
    struct sherd_wire_made made;
    struct sherd_wire_got got;
    struct sherd_wire_change change;
};

/* One connection. */
struct sherd_serve {
    struct sherd_link *link;
    uid_t uid;
    const struct sherd_serve_host *host;
    void *arg;
    struct sherd_anchor *anchor;  /* while a call has it: as who asks may use it */
    struct sherd_anchor *session; /* of the user that was let in; NULL: the owner asks */
    struct sherd_rekey *rekey;
    union sherd_serve_secret *secret;
    struct sherd_wire call;   /* the message that came */
    struct sherd_wire *reply; /* the message that goes back */
    const struct sherd_wire_call *shapes;
};

/** Read the head of the call; all of it, where it holds no list. */
SHERD_MUST_USE enum sherd_err sherd_serve_take(struct sherd_serve *serve, void *head);
/** Write the head of the answer. */
SHERD_MUST_USE enum sherd_err sherd_serve_answer(struct sherd_serve *serve, void *head);
/** Add an item to the answer; sherd_wire_written() says whether it had room. */
void sherd_serve_add(struct sherd_serve *serve, void *item);

/* Handlers of the verbs about users, named keys and grants. */
enum sherd_err sherd_serve_user_create(struct sherd_serve *serve);
enum sherd_err sherd_serve_user_each(struct sherd_serve *serve);
enum sherd_err sherd_serve_user_disable(struct sherd_serve *serve);
enum sherd_err sherd_serve_named_create(struct sherd_serve *serve);
enum sherd_err sherd_serve_named_each(struct sherd_serve *serve);
enum sherd_err sherd_serve_named_grant(struct sherd_serve *serve);
enum sherd_err sherd_serve_grant_each(struct sherd_serve *serve);
enum sherd_err sherd_serve_named_find(struct sherd_serve *serve);
enum sherd_err sherd_serve_principal_check(struct sherd_serve *serve);
enum sherd_err sherd_serve_challenge(struct sherd_serve *serve);
enum sherd_err sherd_serve_login(struct sherd_serve *serve);

#endif
