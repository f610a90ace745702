/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/agent/serve_inside.h
 * What serve.c and the other serve_*.c share, and nobody else uses: a connection that is served, and handlers of its
 * verbs.
 */
#ifndef SHERD_ANCHOR_AGENT_SERVE_INSIDE_H
#define SHERD_ANCHOR_AGENT_SERVE_INSIDE_H

#include "anchor/agent/serve.h"
#include "anchor/embedded/state.h"

/* Room for any message that holds a key: in secret memory. */
union sherd_serve_secret {
    struct sherd_wire_unseal unseal;
    struct sherd_raw_lease lease;
    struct sherd_wire_made made;
    struct sherd_wire_got got;
    struct sherd_wire_change change;
    struct sherd_wire_state state;
    struct sherd_wire_key_store key_store;
    struct sherd_rows_sum rows_sum;
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
    struct sherd_anchor_state state; /* of a backup that is being made */
    bool state_taken;
    struct sherd_buf records; /* of the statement that comes next */
    struct sherd_buf rest;    /* what an answer had no room for */
    size_t rest_told;
    union sherd_serve_secret *secret;
    struct sherd_wire call;   /* the message that came */
    struct sherd_wire *reply; /* the message that goes back */
    const struct sherd_wire_call *shapes;
};

/** Read the head of the call; all of it, where it holds no list. */
SHERD_MUST_USE enum sherd_err sherd_serve_take(struct sherd_serve *serve, void *head);
/** Write the head of the answer. */
SHERD_MUST_USE enum sherd_err sherd_serve_answer(struct sherd_serve *serve, void *head);
/** Write an answer's head anew: it comes first, and is known last. @param[in] head_bytes  what it took before */
SHERD_MUST_USE enum sherd_err sherd_serve_answer_over(struct sherd_serve *serve, size_t head_bytes, void *head);
/** Add an item to the answer; sherd_wire_written() says whether it had room. */
void sherd_serve_add(struct sherd_serve *serve, void *item);

/** Nothing of what waited is asked for any more. */
void sherd_serve_forget_rest(struct sherd_serve *serve);
/** End the state of a backup, if there is one; while a call has the anchor. */
void sherd_serve_end_state(struct sherd_serve *serve);

/* Handlers of the verbs of backups and receipts. */
enum sherd_err sherd_serve_epoch_export(struct sherd_serve *serve);
enum sherd_err sherd_serve_state_take(struct sherd_serve *serve);
enum sherd_err sherd_serve_state_scan(struct sherd_serve *serve);
enum sherd_err sherd_serve_state_end(struct sherd_serve *serve);
enum sherd_err sherd_serve_statement_records(struct sherd_serve *serve);
enum sherd_err sherd_serve_statement_sign(struct sherd_serve *serve);
enum sherd_err sherd_serve_statement_key(struct sherd_serve *serve);
enum sherd_err sherd_serve_more(struct sherd_serve *serve);

/* Handlers of the verbs that read the ledger. */
enum sherd_err sherd_serve_ledger_note(struct sherd_serve *serve);
enum sherd_err sherd_serve_ledger_scan(struct sherd_serve *serve);
enum sherd_err sherd_serve_ledger_joins(struct sherd_serve *serve);
enum sherd_err sherd_serve_ledger_growth(struct sherd_serve *serve);
/* Handlers of the verbs about what is noted in the ledger. */
enum sherd_err sherd_serve_entries_resealed(struct sherd_serve *serve);
enum sherd_err sherd_serve_joins_rule(struct sherd_serve *serve);
/* Handlers of the verbs about checkpoints outside: serve_ledger.c */
enum sherd_err sherd_serve_outside_get(struct sherd_serve *serve);
enum sherd_err sherd_serve_outside_set(struct sherd_serve *serve);
enum sherd_err sherd_serve_outside_take(struct sherd_serve *serve);
/* Handlers of the verbs about rows of readable collections. */
enum sherd_err sherd_serve_rows_sum(struct sherd_serve *serve);
enum sherd_err sherd_serve_row_sign(struct sherd_serve *serve);

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

/* Handlers of the verbs about the scrubber's book. */
enum sherd_err sherd_serve_book_read(struct sherd_serve *serve);
enum sherd_err sherd_serve_book_position(struct sherd_serve *serve);
enum sherd_err sherd_serve_book_change(struct sherd_serve *serve);

#endif
