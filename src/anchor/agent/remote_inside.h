/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/agent/remote_inside.h
 * What remote.c and the other remote_*.c share, and nobody else uses: calls over connections.
 */
#ifndef SHERD_ANCHOR_AGENT_REMOTE_INSIDE_H
#define SHERD_ANCHOR_AGENT_REMOTE_INSIDE_H

#include "anchor/agent/remote.h"
#include <pthread.h>

struct sherd_remote;

/* Keys that were leased, as the cryptor uses them. */
struct sherd_leased {
    struct sherd_remote *remote;
    enum sherd_role role;
    struct sherd_hmac_key *name;
    struct sherd_store_keys *seal;
    _Atomic uint64_t number; /* of the notice when they were leased, and when that was */
    _Atomic uint64_t time_ms;
};

/* One end of an agent. */
struct sherd_remote {
    struct sherd_anchor anchor; /* first: the table's view of it */
    sherd_remote_connect_fn *connect;
    void *arg;
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t freed;
    size_t links_max; /* 1 for a session, else SHERD_REMOTE_LINKS_MAX */
    struct sherd_link *idle[SHERD_REMOTE_LINKS_MAX];
    size_t idle_count;
    size_t open_count; /* idle and lent */
    struct sherd_leased leased[4];
    struct sherd_notice notice;
};

static inline struct sherd_remote *sherd_remote_of(struct sherd_anchor *anchor)
{
    return (struct sherd_remote *)anchor;
}

/* One call: its connection, and the answer. Ends with sherd_remote_done(). */
struct sherd_remote_call {
    struct sherd_remote *remote;
    struct sherd_link *link;
    enum sherd_wire_verb verb;
    struct sherd_wire reply;
    bool broken;
};

/** An anchor without a connection yet. @param[in] links_max  1..SHERD_REMOTE_LINKS_MAX */
SHERD_MUST_USE enum sherd_err sherd_remote_new(sherd_remote_connect_fn *connect, void *arg, size_t links_max,
                                               struct sherd_remote **out_remote);

/** Have a connection for several calls that belong together. @return SHERD_OK; SHERD_ERR_SEALED; SHERD_ERR_IO; ... */
SHERD_MUST_USE enum sherd_err sherd_remote_borrow(struct sherd_anchor *anchor, struct sherd_link **out_link);
/** @param[in] broken  it is of no more use, or the agent shall forget what it holds for it */
void sherd_remote_give_back(struct sherd_anchor *anchor, struct sherd_link *link, bool broken);

/** Begin a call, with the head of its message. */
SHERD_MUST_USE enum sherd_err sherd_remote_begin(struct sherd_anchor *anchor, enum sherd_wire_verb verb, void *head,
                                                 struct sherd_remote_call *call);
/** Make the call, and read the head of its answer; and that there is no more, where it holds no list. */
SHERD_MUST_USE enum sherd_err sherd_remote_finish(struct sherd_remote_call *call, void *head);
/** The next item of an answer's list. @return false: there is none, or it is broken; sherd_remote_read_all() says. */
bool sherd_remote_next(struct sherd_remote_call *call, void *item);
SHERD_MUST_USE enum sherd_err sherd_remote_read_all(struct sherd_remote_call *call);
/** Give the connection back. */
void sherd_remote_done(struct sherd_remote_call *call);

/** A call whose messages hold no lists. */
SHERD_MUST_USE enum sherd_err sherd_remote_plain(struct sherd_anchor *anchor, enum sherd_wire_verb verb, void *head,
                                                 void *out_head);

/** A text into room of a message's. @return SHERD_OK; SHERD_ERR_INVALID: it is too long */
SHERD_MUST_USE enum sherd_err sherd_remote_text(const char *text, char *out, size_t size);

/* The calls of the table that backups and receipts make. */
enum sherd_err sherd_remote_epoch_export(struct sherd_anchor *anchor, struct sherd_buf *out_file);
enum sherd_err sherd_remote_epoch_adopt(struct sherd_anchor *anchor, struct sherd_span file);
enum sherd_err sherd_remote_state_take(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                       struct sherd_anchor_state *state);
enum sherd_err sherd_remote_state_scan(struct sherd_anchor *anchor, struct sherd_anchor_state *state,
                                       const struct sherd_ref *after, sherd_store_visit_fn *visit, void *arg);
void sherd_remote_state_done(struct sherd_anchor *anchor, struct sherd_anchor_state *state);
enum sherd_err sherd_remote_statement_sign(struct sherd_anchor *anchor, const struct sherd_statement *statement,
                                           struct sherd_buf *out_note);
enum sherd_err sherd_remote_statement_key(struct sherd_anchor *anchor, struct sherd_buf *out_text);
enum sherd_err sherd_remote_rows_sum(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                     struct sherd_rows_sum *out_sum);
enum sherd_err sherd_remote_row_sign(struct sherd_anchor *anchor, const struct sherd_pin *pin,
                                     const struct sherd_digest *body, uint8_t out_signature[SHERD_SIGNATURE_SIZE]);

/* The calls of the table about the ledger. */
enum sherd_err sherd_remote_ledger_run(struct sherd_anchor *anchor, uint64_t *out_size);
enum sherd_err sherd_remote_ledger_check(struct sherd_anchor *anchor, struct sherd_keys_check *out_check);
enum sherd_err sherd_remote_ledger_note(struct sherd_anchor *anchor, bool fresh, struct sherd_buf *out_note,
                                        struct sherd_buf *out_key);
enum sherd_err sherd_remote_ledger_joins(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                         sherd_leaf_join_fn *visit, void *arg, uint64_t *out_next);
enum sherd_err sherd_remote_ledger_scan(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                        sherd_leaf_visit_fn *visit, void *arg, uint64_t *out_next);
enum sherd_err sherd_remote_ledger_growth(struct sherd_anchor *anchor, uint64_t old_size, uint64_t size,
                                          struct sherd_path *out_path);

/* The calls of the table about policies of keys. */
enum sherd_err sherd_remote_policy_set(struct sherd_anchor *anchor, const char *name,
                                       const struct sherd_key_policy *policy, bool lower_floor);
enum sherd_err sherd_remote_policy_each(struct sherd_anchor *anchor, sherd_key_policy_visit_fn *visit, void *arg);

/* The calls of the table about what is noted in the ledger. */
enum sherd_err sherd_remote_entries_resealed(struct sherd_anchor *anchor, enum sherd_role role,
                                             const struct sherd_event_entry *entries, size_t count);
enum sherd_err sherd_remote_joins_rule(struct sherd_anchor *anchor, const bool *strict, bool *out_strict);
/* The calls of the table about checkpoints outside: remote_ledger.c */
enum sherd_err sherd_remote_outside_get(struct sherd_anchor *anchor, struct sherd_buf *out_bytes);
enum sherd_err sherd_remote_outside_set(struct sherd_anchor *anchor, struct sherd_span bytes);
enum sherd_err sherd_remote_outside_take(struct sherd_anchor *anchor, struct sherd_span note);

/* The calls of the table about users, named keys and grants. */
enum sherd_err sherd_remote_user_create(struct sherd_anchor *anchor, const struct sherd_principal *principal);
enum sherd_err sherd_remote_user_each(struct sherd_anchor *anchor, sherd_user_visit_fn *visit, void *arg);
enum sherd_err sherd_remote_user_disable(struct sherd_anchor *anchor, const char *name);
enum sherd_err sherd_remote_named_create(struct sherd_anchor *anchor, const char *name, const char *owner);
enum sherd_err sherd_remote_named_each(struct sherd_anchor *anchor, sherd_key_visit_fn *visit, void *arg);
enum sherd_err sherd_remote_named_grant(struct sherd_anchor *anchor, const char *key, const char *user,
                                        unsigned rights);
enum sherd_err sherd_remote_grant_each(struct sherd_anchor *anchor, const char *key, sherd_grant_visit_fn *visit,
                                       void *arg);
enum sherd_err sherd_remote_named_find(struct sherd_anchor *anchor, const char *name, unsigned wanted,
                                       struct sherd_ref *out_key);
enum sherd_err sherd_remote_principal_check(struct sherd_anchor *anchor, const struct sherd_ref *name,
                                            struct sherd_span stored);
enum sherd_err sherd_remote_challenge(struct sherd_anchor *anchor, const char *user,
                                      struct sherd_challenge *out_challenge);
enum sherd_err sherd_remote_login(struct sherd_anchor *anchor, const char *user,
                                  const uint8_t nonce[static SHERD_NONCE_SIZE],
                                  const uint8_t signature[static SHERD_SIGNATURE_SIZE],
                                  struct sherd_anchor **out_session);

/* The calls of the table about the scrubber's book. */
enum sherd_err sherd_remote_book_read(struct sherd_anchor *anchor, struct sherd_buf *out_book, bool *out_lost);
enum sherd_err sherd_remote_book_position(struct sherd_anchor *anchor, struct sherd_book_position *out_position);
enum sherd_err sherd_remote_book_change(struct sherd_anchor *anchor, struct sherd_span change);

#endif
