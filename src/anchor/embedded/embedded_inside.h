/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/embedded/embedded_inside.h
 * What embedded.c, embedded_backup.c, embedded_policy.c and embedded_rights.c share, and nobody else uses.
 */
#ifndef SHERD_ANCHOR_EMBEDDED_EMBEDDED_INSIDE_H
#define SHERD_ANCHOR_EMBEDDED_EMBEDDED_INSIDE_H

#include "anchor/book/book_keep.h"
#include "anchor/embedded/embedded.h"
#include "anchor/embedded/nonces.h"
#include "anchor/keys/entities.h"
#include "anchor/keys/store_keys.h"
#include "anchor/ledger/joins.h"
#include "anchor/ledger/sequencer.h"
#include "anchor/pins/pins.h"
#include "anchor/pins/row_sums.h"
#include "anchor/rekey/rekey.h"
#include "anchor/rights/rights.h"

/* What of the keyring stays as it is for as long as the vault is open; in secret memory. */
struct sherd_embedded_fixed {
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    struct sherd_uuid compartments[4]; /* their ids */
    uint8_t ledger_seed[SHERD_SIGN_SEED_SIZE];
};

struct sherd_embedded {
    struct sherd_anchor anchor; /* first: the table's view of it */
    struct sherd_embedded_fixed *fixed;
    struct sherd_home *home;
    struct sherd_ring *ring;
    struct sherd_masters *masters;
    struct sherd_compartment *compartment;
    struct sherd_compartment *others[3]; /* identity, assets, secrets; NULL where they are not at hand */
    struct sherd_hmac_key *name[4];
    struct sherd_store_ring *stores; /* store keys, as they rotate */
    char *dir;                       /* the anchor's */
    struct sherd_leaf_keys *leaves;
    struct sherd_changes *changes;
    struct sherd_sequencer *sequencer;
    bool ledger_reads;         /* no leaves are made: the vault is open for reading only */
    struct sherd_joins *joins; /* NULL: nothing can be written */
    bool sealed;               /* nothing is given out any more */
    struct sherd_book_keep *book;
    bool ledger_ends;    /* the last round is being made */
    uint64_t counted_ns; /* when a TPM's counter was raised last, by this handle */
    struct sherd_pins pins;
    struct sherd_entities *entities;
    struct sherd_principals principals;
    struct sherd_rights rights;
    struct sherd_nonces *nonces;
};

/** Who has this anchor itself: the vault's owner. */
extern const struct sherd_caller sherd_embedded_owner;

static inline struct sherd_embedded *sherd_embedded_of(struct sherd_anchor *anchor)
{
    return (struct sherd_embedded *)anchor;
}

/** Keys of a compartment; borrowed for as long as the anchor is there. */
struct sherd_entry_keys sherd_embedded_keys(const struct sherd_embedded *self, enum sherd_role role);
/** What rekeying stands on. */
struct sherd_rekey_parts sherd_embedded_rekey_parts(struct sherd_embedded *self);

/** Open the ledger, or make it with the vault: from now on all that is written to `keys` goes through it. */
enum sherd_err sherd_embedded_ledger_begin(struct sherd_embedded *self, const struct sherd_anchor_parts *parts);
/** Nobody writes any more. */
void sherd_embedded_ledger_end(struct sherd_embedded *self);

/** Begin to note what is given out; the ledger is open for writing. */
enum sherd_err sherd_embedded_joins_open(struct sherd_embedded *self);
/** The call of the table that gives keys of record versions out. */
enum sherd_err sherd_embedded_pin_get(struct sherd_anchor *anchor, struct sherd_uuid record, uint64_t version,
                                      struct sherd_pin_view *out_view, struct sherd_record_key *out_key);

/* The calls of the table that are about the ledger. */
enum sherd_err sherd_embedded_ledger_run(struct sherd_anchor *anchor, uint64_t *out_size);
enum sherd_err sherd_embedded_ledger_check(struct sherd_anchor *anchor, struct sherd_keys_check *out_check);
enum sherd_err sherd_embedded_keys_stat(struct sherd_anchor *anchor, struct sherd_store_stat *out_stat);
enum sherd_err sherd_embedded_ledger_note(struct sherd_anchor *anchor, bool fresh, struct sherd_buf *out_note,
                                          struct sherd_buf *out_key);
enum sherd_err sherd_embedded_ledger_joins(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                           sherd_leaf_join_fn *visit, void *arg, uint64_t *out_next);
enum sherd_err sherd_embedded_ledger_scan(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                          sherd_leaf_visit_fn *visit, void *arg, uint64_t *out_next);
enum sherd_err sherd_embedded_ledger_growth(struct sherd_anchor *anchor, uint64_t old_size, uint64_t size,
                                            struct sherd_path *out_path);
enum sherd_err sherd_embedded_entries_resealed(struct sherd_anchor *anchor, enum sherd_role role,
                                               const struct sherd_event_entry *entries, size_t count);
enum sherd_err sherd_embedded_joins_rule(struct sherd_anchor *anchor, const bool *strict, bool *out_strict);
/**
 * Compare `keys` with the ledger, and if whole is true the log with itself, but for what was accepted: with the
 * disagreement itself, which is for nobody else.
 */
enum sherd_err sherd_embedded_compare(struct sherd_embedded *self, bool whole, struct sherd_keys_check *out_check,
                                      struct sherd_join_loss *out_loss);

/* The scrubber's book: opened with the ledger, and the calls of the table about it. */
enum sherd_err sherd_embedded_book_begin(struct sherd_embedded *self, bool read_only);
enum sherd_err sherd_embedded_book_read(struct sherd_anchor *anchor, struct sherd_buf *out_book, bool *out_lost);
enum sherd_err sherd_embedded_book_position(struct sherd_anchor *anchor, struct sherd_book_position *out_position);
enum sherd_err sherd_embedded_book_change(struct sherd_anchor *anchor, struct sherd_span change);

/* The calls of the table about idempotency keys and pins of collections. */
enum sherd_err sherd_embedded_idempotency_get(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                              struct sherd_span key, const struct sherd_digest *content_hash,
                                              struct sherd_uuid *out_record);
enum sherd_err sherd_embedded_collection_pin(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                             const struct sherd_digest *digest);
enum sherd_err sherd_embedded_collection_check(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                               const struct sherd_digest *digest);
enum sherd_err sherd_embedded_outside_get(struct sherd_anchor *anchor, struct sherd_buf *out_bytes);
enum sherd_err sherd_embedded_outside_set(struct sherd_anchor *anchor, struct sherd_span bytes);
enum sherd_err sherd_embedded_outside_take(struct sherd_anchor *anchor, struct sherd_span note);

/* The calls of the table that backups and receipts make. */
enum sherd_err sherd_embedded_epoch_export(struct sherd_anchor *anchor, struct sherd_buf *out_file);
enum sherd_err sherd_embedded_epoch_adopt(struct sherd_anchor *anchor, struct sherd_span file);
enum sherd_err sherd_embedded_state_take(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                         struct sherd_anchor_state *state);
enum sherd_err sherd_embedded_state_scan(struct sherd_anchor *anchor, struct sherd_anchor_state *state,
                                         const struct sherd_ref *after, sherd_store_visit_fn *visit, void *arg);
void sherd_embedded_state_done(struct sherd_anchor *anchor, struct sherd_anchor_state *state);
enum sherd_err sherd_embedded_statement_sign(struct sherd_anchor *anchor, const struct sherd_statement *statement,
                                             struct sherd_buf *out_note);
enum sherd_err sherd_embedded_statement_key(struct sherd_anchor *anchor, struct sherd_buf *out_text);
enum sherd_err sherd_embedded_rows_sum(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                       struct sherd_rows_sum *out_sum);
enum sherd_err sherd_embedded_row_sign(struct sherd_anchor *anchor, const struct sherd_pin *pin,
                                       const struct sherd_digest *body, uint8_t out_signature[SHERD_SIGNATURE_SIZE]);

/* The calls of the table about policies of keys. */
enum sherd_err sherd_embedded_policy_set(struct sherd_anchor *anchor, const char *name,
                                         const struct sherd_key_policy *policy, bool lower_floor);
enum sherd_err sherd_embedded_policy_each(struct sherd_anchor *anchor, sherd_key_policy_visit_fn *visit, void *arg);

/** How a principal's pin is written: a sherd_principals_write_fn over a ring. */
enum sherd_err sherd_embedded_write_pin(void *arg, const struct sherd_uuid *principal, const struct sherd_store_op *op,
                                        bool *out_lost);

/* The calls of the table that ask who may what. */
enum sherd_err sherd_embedded_user_create(struct sherd_anchor *anchor, const struct sherd_principal *principal);
enum sherd_err sherd_embedded_user_each(struct sherd_anchor *anchor, sherd_user_visit_fn *visit, void *arg);
enum sherd_err sherd_embedded_user_disable(struct sherd_anchor *anchor, const char *name);
enum sherd_err sherd_embedded_named_create(struct sherd_anchor *anchor, const char *name, const char *owned_by);
enum sherd_err sherd_embedded_named_each(struct sherd_anchor *anchor, sherd_key_visit_fn *visit, void *arg);
enum sherd_err sherd_embedded_named_find(struct sherd_anchor *anchor, const char *name, unsigned wanted,
                                         struct sherd_ref *out_key);
enum sherd_err sherd_embedded_named_grant(struct sherd_anchor *anchor, const char *key, const char *user,
                                          unsigned rights);
enum sherd_err sherd_embedded_grant_each(struct sherd_anchor *anchor, const char *key, sherd_grant_visit_fn *visit,
                                         void *arg);
enum sherd_err sherd_embedded_principal_check(struct sherd_anchor *anchor, const struct sherd_ref *name,
                                              struct sherd_span stored);
enum sherd_err sherd_embedded_challenge(struct sherd_anchor *anchor, const char *user,
                                        struct sherd_challenge *out_challenge);
enum sherd_err sherd_embedded_login(struct sherd_anchor *anchor, const char *user,
                                    const uint8_t nonce[static SHERD_NONCE_SIZE],
                                    const uint8_t signature[static SHERD_SIGNATURE_SIZE],
                                    struct sherd_anchor **out_session);

#endif
