/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/anchor.h
 * The trust anchor, as the cryptor sees it: a table of calls, behind which it is in the same process
 * (anchor/embedded/embedded.h) or, for a vault whose anchor runs elsewhere, at the end of a connection
 * (anchor/agent/remote.h).
 *
 * The anchor holds the keys and the `keys` compartment, and never sees contents. It makes record keys and unwraps them
 * one record version at a time; it pins the one current version and digest of every record, and a record exists from
 * the moment when its pin is durable until its pin is gone. See docs/decisions/0004-commit-order.md.
 *
 * All calls may come from any thread.
 */
#ifndef SHERD_ANCHOR_ANCHOR_H
#define SHERD_ANCHOR_ANCHOR_H

#include "envelope/payload.h"
#include "identity/credential.h"
#include "ledger/event.h"
#include "store/compartment.h"
#include "store/refs.h"
#include <sherd/keys.h>
#include <sherd/rights.h>

/** The key of one version of one record. It opens nothing without the shares in `assets` and `secrets`. */
struct sherd_record_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** A pin with what the record's head says. */
struct sherd_pin_view {
    struct sherd_pin pin;
    uint64_t version_current;
    uint64_t version_oldest;
    int64_t verified_s; /**< when a pass of the scrubber ended that looked at it and found nothing; 0: none did yet */
    bool found;         /**< its readers are to be told: something of the record is open in the scrubber's book */
    bool book_lost;     /**< ... as all are: that book was removed or changed */
    uint64_t first_serial; /**< whoever reads first is to be told, which then is noted with that number; 0: nobody */
};

/** One version that is to be pinned: a new record, or a new version of one. */
struct sherd_pin_change {
    struct sherd_pin pin;               /**< as key_new() filled it in, with map, digest, length and time added */
    const struct sherd_record_key *key; /**< as key_new() gave it, so that it can be wrapped anew; or NULL */
    uint64_t version_expected;          /**< 0: the record is new; else the version that must be current */
    uint32_t versions_kept;             /**< 0 for all */
    struct sherd_span idempotency_key;  /**< empty for none; new records only */
    struct sherd_digest content_hash;   /**< SHA-256 of the contents; only with an idempotency key */
    bool readable;                      /**< its fragment is a row: it is counted with its collection's */
    bool reseals;                       /**< for pin_replace(): the same version, sealed anew */
    struct sherd_ref map_expected;      /**< for pin_replace(): the map entry that its pin must name */
    struct sherd_ref fragment;          /**< for the ledger: where the fragment whose digest the pin has lies */
    struct sherd_digest map_digest;     /**< for the ledger: SHA-256 of the map entry as it is stored */
};

/**
 * All rows of a readable collection, on the anchor's word. The mark of a row is HMAC-SHA-256 over its digest under key;
 * the sum is the exclusive or of all marks (anchor/ring/changes.h says of what make this is).
 */
struct sherd_rows_sum {
    uint64_t count;
    struct sherd_digest sum;
    uint8_t key[SHERD_KEY_SIZE]; /**< of that collection alone: who has it and the store can hide rows from who asks */
};

/** What a comparison of `keys` with the ledger found. */
struct sherd_keys_check {
    uint64_t entry_count;   /**< of `keys`, but for what is pending */
    uint64_t log_size;      /**< leaves of the ledger */
    uint64_t pending_count; /**< blocks that are not leaves yet */
    bool agrees;            /**< false: an entry was rolled back, removed or added by others */
    bool log_verifies;      /**< false: a leaf or tile of the ledger is missing or was changed */
    uint64_t join_count;    /**< keys that were given out, and are in no leaf yet */
    uint64_t joins_lost;    /**< at least so many releases of keys have lost their entry; 0: it was acknowledged */
    bool joins_verify;      /**< false: what is kept of joins was changed, cut or put back; only where log_verifies */
    uint64_t joins_first;   /**< then, if that is so: the first and the last leaf of those that it was kept of */
    uint64_t joins_last;
    struct sherd_digest joins_name; /**< of all that is so, acknowledged or not */
    struct sherd_digest difference; /**< which disagreement it is; all zero where there is none that was not accepted */
};

/** One entry of `keys` in a scan. Pointers are NULL for other kinds, and where the entry did not verify. */
struct sherd_anchor_entry {
    struct sherd_ref name;
    enum sherd_kind kind;
    enum sherd_err status;                       /**< SHERD_OK; SHERD_ERR_TAMPERED: the entry does not verify;
                                                      SHERD_ERR_DENIED: its master key is refused, by its floor or since
                                                      it was destroyed, and there is nothing else wrong with it */
    const struct sherd_pin *pin;                 /**< its wrapped key may be left out */
    const struct sherd_uuid *collection;         /**< whose collection pin it is */
    const struct sherd_entity_key_entry *entity; /**< newest version of an entity's key; what it says, not the key */
    bool erased;                                 /**< the pin's entity was erased: the record is gone */
    bool pinned_damaged; /**< it verifies, and the user's entry that it pins does not, or is gone */
};

/** The keys of a compartment that are leased, as bytes: to be sent to a process of the same user. In secret memory. */
struct sherd_raw_lease {
    uint8_t name[SHERD_KEY_SIZE];     /**< of names: HMAC-SHA-256 */
    struct sherd_store_versions seal; /**< the store key: HMAC-SHA-512 */
};

/** What is rekeyed: everything, one collection, one entity, or one named key and what lies under it. */
struct sherd_rekey_scope {
    bool one_collection;
    struct sherd_uuid collection;
    bool one_entity;
    struct sherd_ref entity;
    bool one_key;
    struct sherd_ref key; /**< a named key */
    /**
     * Nothing is renewed, but the records in scope that lie under no named key are brought under that one, which with
     * this is not what is rekeyed.
     */
    bool under_key;
    bool fresh_keys; /**< entities get a fresh version of their key, not just the same one wrapped anew */
};

/** How far a rekeying is. */
struct sherd_rekey_progress {
    uint64_t seen;         /**< entries of `keys` that were looked at, in all passes */
    uint64_t entity_count; /**< entities that were brought up to date */
    uint64_t record_count; /**< record versions whose keys were wrapped anew */
    bool instant_wanted;   /**< before the next step, see to an instant at which nothing is in flight */
    bool done;
    uint64_t resealed_count; /**< entries of `keys` that were sealed anew under its newest store key */
    uint8_t reseal_wanted;   /**< bit by role: before the next step, seal anew what lies in those compartments */
};

/** The state of an anchor at one instant: anchor/embedded/state.h */
struct sherd_anchor_state;
/** What the anchor is to sign: anchor/embedded/statement.h */
struct sherd_statement;
/** The epochs that have a key: anchor/keys/epoch.h */
struct sherd_epoch_set;

/** What is asked of the ledger: anchor/ledger/leaves.h. What was found: borrowed until the visitor returns. */
struct sherd_leaf_query;
struct sherd_leaf_found;
typedef enum sherd_err sherd_leaf_visit_fn(void *arg, const struct sherd_leaf_found *found);
/** A join that was found, likewise: anchor/ledger/join_find.h */
struct sherd_leaf_join;
typedef enum sherd_err sherd_leaf_join_fn(void *arg, const struct sherd_leaf_join *found);
/** A proof in its tree: ledger/merkle.h */
struct sherd_path;
/** Where a pass of the scrubber stands: anchor/book/book.h */
struct sherd_book_position;

/** A rekeying under way: anchor/rekey/rekey.h */
struct sherd_rekey;

typedef enum sherd_err sherd_anchor_visit_fn(void *arg, const struct sherd_anchor_entry *entry);

struct sherd_anchor;
struct sherd_home;

/** Most entries that entries_resealed() takes. */
#define SHERD_RESEALED_MAX ((size_t)64)

/** The calls of an anchor. All are required. */
struct sherd_anchor_ops {
    /** End; wipes the keys. NULL is accepted. */
    void (*free)(struct sherd_anchor *anchor);

    /** Ids that are part of every context. */
    void (*ids)(struct sherd_anchor *anchor, struct sherd_uuid *out_deployment, struct sherd_uuid *out_tenant);

    /**
     * The anchor's own directory, for what is done with its seals (anchor/ring/seals.h); borrowed until the anchor
     * ends. NULL where it runs elsewhere: seals are changed only by who unseals.
     */
    const struct sherd_home *(*home)(struct sherd_anchor *anchor);

    /**
     * The keys of `identity` or `assets`, which the cryptor reads for every request; borrowed until the anchor ends,
     * and following their store key as it rotates.
     * SHERD_ERR_DENIED for the others: those keys never leave.
     */
    enum sherd_err (*lease)(struct sherd_anchor *anchor, enum sherd_role role, struct sherd_entry_keys *out_keys);

    /** The same keys as bytes. SHERD_ERR_UNSUPPORTED: this anchor has them from another one itself. */
    enum sherd_err (*lease_raw)(struct sherd_anchor *anchor, enum sherd_role role, struct sherd_raw_lease *out_lease);

    /** The entry by which a compartment says whose it is: its name and stored bytes, to be written once. */
    enum sherd_err (*compartment_entry)(struct sherd_anchor *anchor, enum sherd_role role, struct sherd_ref *out_name,
                                        struct sherd_buf *out_stored);
    /** Check that entry as it was read. SHERD_ERR_TAMPERED: another vault's, or changed. */
    enum sherd_err (*compartment_check)(struct sherd_anchor *anchor, enum sherd_role role, struct sherd_span stored);

    /**
     * Make the key of a new record version, wrapped under its entity's key; the entity is made where it is new. A new
     * record lies under the named key that the collection's rules say, if any; a new version under the one that the
     * record lies under, else as a new record.
     * SHERD_ERR_NOT_FOUND: no such named key, or no right to write under it; no such record
     * @param[out] out_pin  collection, entity, record, version and the wrapped key are filled in, the rest is zero
     * @param[out] out_key  in secret memory of the caller's
     */
    enum sherd_err (*key_new)(struct sherd_anchor *anchor, const struct sherd_collection_entry *collection,
                              const char *entity_id, struct sherd_uuid record, uint64_t version,
                              struct sherd_pin *out_pin, struct sherd_record_key *out_key);

    /**
     * Pin versions, all or none, durably: the commit point of put and update.
     * SHERD_ERR_CONFLICT: another version is current, or an idempotency key is taken.
     * @param[in,out] dropped  gets the map entries of the versions that are no longer kept
     */
    enum sherd_err (*pin_commit)(struct sherd_anchor *anchor, const struct sherd_pin_change *changes, size_t count,
                                 struct sherd_refs *dropped);

    /**
     * Make a fresh key for a version that is pinned, to seal its contents anew.
     * @param[out] out_pin  as before, but for the wrapped key and what it hangs on; map and digest are the caller's
     * SHERD_ERR_NOT_FOUND: its entity was erased
     */
    enum sherd_err (*key_renew)(struct sherd_anchor *anchor, const struct sherd_pin *before, struct sherd_pin *out_pin,
                                struct sherd_record_key *out_key);

    /**
     * Put pins in the place of those of the same versions, all or none, durably: the commit point of sealing anew.
     * SHERD_ERR_CONFLICT: one was replaced or brought under another named key meanwhile, or its entity erased;
     * SHERD_ERR_NOT_FOUND: one is gone
     * @param[in,out] dropped  gets the map entries of those that were replaced
     */
    enum sherd_err (*pin_replace)(struct sherd_anchor *anchor, const struct sherd_pin_change *changes, size_t count,
                                  struct sherd_refs *dropped);

    /**
     * Begin a deep rekeying, or go on with the one that did not come to its end.
     * @param[out] out_round  its number: what bears a lower one is still to be sealed anew
     */
    enum sherd_err (*round_begin)(struct sherd_anchor *anchor, uint16_t *out_round);
    /** It came to its end: the next one begins anew. */
    enum sherd_err (*round_end)(struct sherd_anchor *anchor, uint16_t round);

    /**
     * The pin of a version (0 for the current one), and its key unless out_key is NULL.
     * SHERD_ERR_NOT_FOUND: no such record or version, on the anchor's word, or its entity was erased;
     * SHERD_ERR_TAMPERED.
     */
    enum sherd_err (*pin_get)(struct sherd_anchor *anchor, struct sherd_uuid record, uint64_t version,
                              struct sherd_pin_view *out_view, struct sherd_record_key *out_key);

    /**
     * Destroy the keys and pins of all versions of a record. @param[in,out] dropped  gets the map entries that it had
     */
    enum sherd_err (*pin_delete)(struct sherd_anchor *anchor, struct sherd_uuid record, struct sherd_refs *dropped);

    /**
     * Visit up to count_max entries of `keys`, of all kinds, in the order of their names, behind *after (from the first
     * if NULL).
     * @param[out] out_last   name of the last one visited
     * @param[out] out_count  how many were visited; fewer than count_max at the end
     */
    enum sherd_err (*scan)(struct sherd_anchor *anchor, const struct sherd_ref *after, size_t count_max,
                           sherd_anchor_visit_fn *visit, void *arg, struct sherd_ref *out_last, size_t *out_count);

    /** Which record an idempotency key made. SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: of other contents. */
    enum sherd_err (*idempotency_get)(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                      struct sherd_span key, const struct sherd_digest *content_hash,
                                      struct sherd_uuid *out_record);

    /**
     * Check a part of a master key (an entry of SHERD_KIND_KEY_PART) as it lies in a compartment.
     * @param[out] out_live  the master key is there; else the part is left over from one that was destroyed
     * SHERD_ERR_TAMPERED: it does not verify
     */
    enum sherd_err (*part_check)(struct sherd_anchor *anchor, enum sherd_role role, const struct sherd_ref *name,
                                 struct sherd_span stored, bool *out_live);
    /**
     * Remove the parts of master keys, in all compartments, that an activation, a rotation or a destruction left which
     * was killed: those that the keyring does not name, and will not (anchor/embedded/key_parts.h). Those in stores of
     * their own are not met. What does not verify is left alone.
     * @param[in] dry_run  count only
     */
    enum sherd_err (*parts_sweep)(struct sherd_anchor *anchor, bool dry_run, uint64_t *out_count);

    /** Pin the entry of a collection. */
    enum sherd_err (*collection_pin)(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                     const struct sherd_digest *digest);
    /** Check a collection's entry against its pin. SHERD_ERR_NOT_FOUND: it was never pinned; SHERD_ERR_TAMPERED. */
    enum sherd_err (*collection_check)(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                       const struct sherd_digest *digest);

    /** As the functions of <sherd/keys.h>; destroying asks whether anything refers to the version. */
    enum sherd_err (*master_activate)(struct sherd_anchor *anchor, const struct sherd_master_options *options,
                                      uint64_t *out_version);
    enum sherd_err (*master_each)(struct sherd_anchor *anchor, sherd_master_visit_fn *visit, void *arg);
    enum sherd_err (*master_retire)(struct sherd_anchor *anchor, const char *name, uint64_t version);
    enum sherd_err (*master_destroy)(struct sherd_anchor *anchor, const char *name, uint64_t version);

    /** What is ruled of keys: as sherd_key_policy_set() and sherd_key_policy_each(). */
    enum sherd_err (*policy_set)(struct sherd_anchor *anchor, const char *name, const struct sherd_key_policy *policy,
                                 bool lower_floor);
    enum sherd_err (*policy_each)(struct sherd_anchor *anchor, sherd_key_policy_visit_fn *visit, void *arg);

    /** The ref of an entity by its id. SHERD_ERR_NOT_FOUND */
    enum sherd_err (*entity_find)(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                  const char *entity_id, struct sherd_ref *out_entity);
    /** Destroy an entity's keys. SHERD_ERR_NOT_FOUND */
    enum sherd_err (*entity_erase)(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                   const char *entity_id);

    /** Rekey, step by step: anchor/rekey/rekey.h. SHERD_ERR_BUSY: somebody else does */
    enum sherd_err (*rekey_begin)(struct sherd_anchor *anchor, const struct sherd_rekey_scope *scope,
                                  struct sherd_rekey **out_rekey);
    enum sherd_err (*rekey_step)(struct sherd_anchor *anchor, struct sherd_rekey *rekey, size_t count_max,
                                 struct sherd_rekey_progress *out_progress);
    /** End it, finished or not. NULL is accepted. */
    void (*rekey_end)(struct sherd_anchor *anchor, struct sherd_rekey *rekey);

    /**
     * Seal an entry of `secrets` anew under its newest store key, which never leaves the anchor: one that every
     * compartment has. The keys of `identity` and `assets` are leased.
     * @param[in,out] out_stored  its bytes are appended; none where it lies under that version already
     * SHERD_ERR_DENIED: of another compartment; SHERD_ERR_TAMPERED: it does not verify, or is of another kind
     */
    enum sherd_err (*entry_reseal)(struct sherd_anchor *anchor, enum sherd_role role, const struct sherd_ref *name,
                                   struct sherd_span stored, struct sherd_buf *out_stored);

    /** As the functions of <sherd/rights.h>. Of the new principal, all but name and credential is filled in. */
    enum sherd_err (*user_create)(struct sherd_anchor *anchor, const struct sherd_principal *principal);
    enum sherd_err (*user_each)(struct sherd_anchor *anchor, sherd_user_visit_fn *visit, void *arg);
    enum sherd_err (*user_disable)(struct sherd_anchor *anchor, const char *name);
    enum sherd_err (*named_create)(struct sherd_anchor *anchor, const char *name, const char *owner);
    enum sherd_err (*named_each)(struct sherd_anchor *anchor, sherd_key_visit_fn *visit, void *arg);
    enum sherd_err (*named_grant)(struct sherd_anchor *anchor, const char *key, const char *user, unsigned rights);
    enum sherd_err (*grant_each)(struct sherd_anchor *anchor, const char *key, sherd_grant_visit_fn *visit, void *arg);

    /**
     * A named key by its name. SHERD_ERR_NOT_FOUND: there is none, or the caller lacks one of the rights wanted; it has
     * none at all where none is wanted
     */
    enum sherd_err (*named_find)(struct sherd_anchor *anchor, const char *name, unsigned wanted,
                                 struct sherd_ref *out_key);

    /** Check an entry of `identity` met in a walk. SHERD_ERR_TAMPERED: it does not agree with its pin */
    enum sherd_err (*principal_check)(struct sherd_anchor *anchor, const struct sherd_ref *name,
                                      struct sherd_span stored);

    /**
     * What a user must sign to be let in. It is good for one login, soon. Says nothing of whether there is such a user.
     */
    enum sherd_err (*challenge)(struct sherd_anchor *anchor, const char *user, struct sherd_challenge *out_challenge);
    /**
     * Let a user in.
     * @param[in]  nonce        of the challenge
     * @param[in]  signature    sherd_credential_sign()
     * @param[out] out_session  the anchor as that user may use it: the same calls, each of which finds and does what
     *                          the user may, and no more. End it, with free(), before the anchor that it stands on
     * SHERD_ERR_DENIED, in the same words: there is no such user, it is disabled, the challenge is none or was used,
     * the signature is another's
     */
    enum sherd_err (*login)(struct sherd_anchor *anchor, const char *user, const uint8_t nonce[static SHERD_NONCE_SIZE],
                            const uint8_t signature[static SHERD_SIGNATURE_SIZE], struct sherd_anchor **out_session);

    /** Begin the next erase epoch. SHERD_ERR_CONFLICT: the last one has not ended. @param[out] out_epoch  its number */
    enum sherd_err (*epoch_begin)(struct sherd_anchor *anchor, uint64_t *out_epoch);
    /**
     * Destroy the keys of older epochs. @param[out] out_epoch  the one that serves
     * SHERD_ERR_CONFLICT: something still refers to them: rekey everything first
     */
    enum sherd_err (*epoch_end)(struct sherd_anchor *anchor, uint64_t *out_epoch);

    /** The keys of the epochs that there are, as a file that is sealed under the root key. */
    enum sherd_err (*epoch_export)(struct sherd_anchor *anchor, struct sherd_buf *out_file);
    /**
     * Go over from an epoch that a restored vault is in to the one that another vault of the same deployment is in:
     * its key serves from now on. The caller rekeys, and ends the older one. SHERD_ERR_CONFLICT: it is no later one.
     */
    enum sherd_err (*epoch_adopt)(struct sherd_anchor *anchor, struct sherd_span file);

    /**
     * Take the state for the backup of that id; ended with state_done(), also after a failure. SHERD_ERR_BUSY: somebody
     * takes one over the same connection, or the state changes all the time
     * @param[in,out] state  all zero
     */
    enum sherd_err (*state_take)(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                 struct sherd_anchor_state *state);
    /** Visit all entries of `keys` as they were then: as they are stored, in the order of their names. */
    enum sherd_err (*state_scan)(struct sherd_anchor *anchor, struct sherd_anchor_state *state,
                                 const struct sherd_ref *after, sherd_store_visit_fn *visit, void *arg);
    /** End it, and wipe it. One that is all zero is accepted. Cannot fail. */
    void (*state_done)(struct sherd_anchor *anchor, struct sherd_anchor_state *state);

    /** Look a statement up, and sign it. SHERD_ERR_CONFLICT: it is not so. */
    enum sherd_err (*statement_sign)(struct sherd_anchor *anchor, const struct sherd_statement *statement,
                                     struct sherd_buf *out_note);
    /** The public key of statements, as text. */
    enum sherd_err (*statement_key)(struct sherd_anchor *anchor, struct sherd_buf *out_text);
    /**
     * Make leaves of the ledger of all that was written before. @param[out] out_size  how many leaves it has then; NULL
     * if not wanted. SHERD_ERR_DENIED: read-only
     */
    enum sherd_err (*ledger_run)(struct sherd_anchor *anchor, uint64_t *out_size);

    /** Compare all of `keys` with what the ledger says of it: see struct sherd_keys_check. It is a walk over all. */
    enum sherd_err (*ledger_check)(struct sherd_anchor *anchor, struct sherd_keys_check *out_check);

    /**
     * The newest checkpoint of the ledger, and the log's public keys that signed it as text: one of Ed25519, and in a
     * second line one of ML-DSA-44 where there is one.
     * @param[in]     fresh              make leaves first of all that was written before, but where the vault is open
     *                                   for reading only
     * @param[in,out] out_note, out_key  appended
     */
    enum sherd_err (*ledger_note)(struct sherd_anchor *anchor, bool fresh, struct sherd_buf *out_note,
                                  struct sherd_buf *out_key);
    /** Leaves of the ledger: as sherd_leaves_find(). */
    enum sherd_err (*ledger_scan)(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                  sherd_leaf_visit_fn *visit, void *arg, uint64_t *out_next);
    /** Joins that leaves of the ledger stand for: as sherd_joins_find(). */
    enum sherd_err (*ledger_joins)(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                   sherd_leaf_join_fn *visit, void *arg, uint64_t *out_next);
    /** Prove that the ledger only grew between two sizes. SHERD_ERR_INVALID: it never had one of them */
    enum sherd_err (*ledger_growth)(struct sherd_anchor *anchor, uint64_t old_size, uint64_t size,
                                    struct sherd_path *out_path);
    /**
     * Note in the ledger that entries are sealed anew under their names, by a new version of a store key, before they
     * are: from then on their new bytes are right, and those before until they are written over.
     * @param[in] entries  with the digests of what will be stored; 1..SHERD_RESEALED_MAX
     */
    enum sherd_err (*entries_resealed)(struct sherd_anchor *anchor, enum sherd_role role,
                                       const struct sherd_event_entry *entries, size_t count);
    /**
     * Whether a join is flushed to the disk before its key is given out; set that first unless NULL is given.
     */
    enum sherd_err (*joins_rule)(struct sherd_anchor *anchor, const bool *strict, bool *out_strict);
    /** What is outside, as anchor/ledger/outside.h encodes it: tell, set, and keep a checkpoint that was cosigned. */
    enum sherd_err (*outside_get)(struct sherd_anchor *anchor, struct sherd_buf *out_bytes);
    enum sherd_err (*outside_set)(struct sherd_anchor *anchor, struct sherd_span bytes);
    enum sherd_err (*outside_take)(struct sherd_anchor *anchor, struct sherd_span note);

    /** Figures of `keys`, which nobody but the anchor opens. */
    enum sherd_err (*keys_stat)(struct sherd_anchor *anchor, struct sherd_store_stat *out_stat);
    /**
     * Check the entry by which `keys` says whose it is, as compartment_check() does.
     * SHERD_ERR_TAMPERED, and the outputs are written also then.
     * @param[out] out_name   the name that it has
     * @param[out] out_there  there is an entry of that name
     */
    enum sherd_err (*keys_owner)(struct sherd_anchor *anchor, struct sherd_ref *out_name, bool *out_there);
    /** Names of the blobs in `keys`, where none belongs. @param[in,out] blobs  gets them */
    enum sherd_err (*keys_blobs)(struct sherd_anchor *anchor, struct sherd_refs *blobs);

    /**
     * Sign a row of a readable collection for those who read the store directly (envelope/row.h): which record and
     * version it is, as the pin that it is to have says, and the digest of its body; the anchor sees no contents.
     * @param[in] body  sherd_row_digest() of all before the signature
     */
    enum sherd_err (*row_sign)(struct sherd_anchor *anchor, const struct sherd_pin *pin,
                               const struct sherd_digest *body, uint8_t out_signature[SHERD_SIGNATURE_SIZE]);

    /**
     * What the rows of a collection must add up to now. SHERD_ERR_NOT_FOUND: there never was one;
     * SHERD_ERR_UNSUPPORTED: this anchor shows a part of the rows only, and does not add those up
     */
    enum sherd_err (*rows_sum)(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                               struct sherd_rows_sum *out_sum);

    /** Versions of the protection key, and a new one: as the functions of <sherd/keys.h>. */
    enum sherd_err (*protection_each)(struct sherd_anchor *anchor, sherd_protection_visit_fn *visit, void *arg);
    /** @param[in] turn_on  a key store to turn on, with its path; NULL: the key stays where it lies */
    enum sherd_err (*protection_rotate)(struct sherd_anchor *anchor, const struct sherd_key_store_file *turn_on,
                                        uint64_t *out_version);

    /**
     * The scrubber's book, as sherd_book_encode() lays it (anchor/book/book.h). @param[out] out_lost  it was removed or
     * changed, and what is given is an empty one
     */
    enum sherd_err (*book_read)(struct sherd_anchor *anchor, struct sherd_buf *out_book, bool *out_lost);
    /** Where its pass stands. SHERD_ERR_NOT_FOUND: none is under way */
    enum sherd_err (*book_position)(struct sherd_anchor *anchor, struct sherd_book_position *out_position);
    /** Change it, durably: sherd_book_change_encode(). SHERD_ERR_CONFLICT, SHERD_ERR_NOT_FOUND as sherd_book_apply() */
    enum sherd_err (*book_change)(struct sherd_anchor *anchor, struct sherd_span change);
};

/** What every anchor starts with. */
struct sherd_anchor {
    const struct sherd_anchor_ops *ops;
};

#endif
