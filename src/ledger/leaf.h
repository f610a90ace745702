/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/leaf.h
 * Leaves: what the ledger keeps of an event, for anyone to read. A leaf names nothing in clear: its subject is a
 * pseudonym, the entries that it made are behind commitments, and the event itself is sealed for the anchor. No I/O.
 *
 * A commitment is to the name and the digest of an entry, blinded with a key of its own that the anchor can show to the
 * auditor of that one compartment: who may see `assets` can check it against the ledger, and learns nothing about
 * `secrets`. Two more are opened in receipts and in evidence (ledger/opening.h): what the event is about, and who did
 * it, where.
 *
 * Bytes: docs/format/ledger.md
 */
#ifndef SHERD_LEDGER_LEAF_H
#define SHERD_LEDGER_LEAF_H

#include "ledger/event.h"

/** The ledger's keys, all derived from its seed. Immutable; any number of threads may use them. */
struct sherd_leaf_keys;

/** @param[in] seed  of the ledger. @param[in] deployment  16 bytes */
SHERD_MUST_USE enum sherd_err sherd_leaf_keys_new(struct sherd_span seed, const uint8_t deployment[static 16],
                                                  struct sherd_leaf_keys **out_keys);
/** Wipe and free. NULL is accepted. */
void sherd_leaf_keys_free(struct sherd_leaf_keys *keys);
SHERD_DEFINE_OWNED(sherd_leaf_keys);

/** What a leaf commits to. */
enum sherd_leaf_commitment {
    SHERD_LEAF_ASSETS,  /**< the map entry */
    SHERD_LEAF_SECRETS, /**< the fragment */
    SHERD_LEAF_SUBJECT, /**< the subject, and the fragment's digest if there is one */
    SHERD_LEAF_ACTOR,   /**< the actor, with entity and collection as digest */
    SHERD_LEAF_COMMITMENTS,
};

/** What anyone reads in a leaf. Spans are borrowed from the leaf. */
struct sherd_leaf {
    enum sherd_event_kind kind;
    uint8_t id[SHERD_EVENT_ID_SIZE];
    uint64_t time_s;          /**< since 1970 UTC */
    uint64_t version;         /**< 0: none */
    uint64_t count;           /**< 0: none */
    struct sherd_ref subject; /**< pseudonym, zero: none */
    struct sherd_ref actor;   /**< pseudonym, zero: none */
    bool committed[SHERD_LEAF_COMMITMENTS];
    struct sherd_digest commitments[SHERD_LEAF_COMMITMENTS];
    bool has_root;
    struct sherd_digest root; /**< of a join: over the slots that it stands for (ledger/join.h) */
    struct sherd_span sealed; /**< the event, sealed */
};

/** Most bytes of a leaf. */
#define SHERD_LEAF_BYTES_MAX 640U

/** Make the leaf of an event. @param[out] block  room for SHERD_LEAF_BYTES_MAX bytes */
SHERD_MUST_USE enum sherd_err sherd_leaf_encode(const struct sherd_leaf_keys *keys, const struct sherd_event *event,
                                                uint8_t *block, size_t *out_bytes);
/** Read it, without any key. @return SHERD_OK; SHERD_ERR_TAMPERED: it is no leaf */
SHERD_MUST_USE enum sherd_err sherd_leaf_decode(struct sherd_span bytes, struct sherd_leaf *out_leaf);
/**
 * Read the event of a leaf. @return SHERD_OK; SHERD_ERR_TAMPERED: it is not this deployment's, or what is in clear does
 * not agree with what is sealed
 */
SHERD_MUST_USE enum sherd_err sherd_leaf_open(const struct sherd_leaf_keys *keys, struct sherd_span bytes,
                                              struct sherd_event *out_event);

/** The pseudonym of what an event of a kind is about, so that its leaves can be found. */
SHERD_MUST_USE enum sherd_err sherd_leaf_subject(const struct sherd_leaf_keys *keys, enum sherd_event_kind kind,
                                                 const struct sherd_ref *subject, struct sherd_ref *out_pseudonym);
/** The pseudonym of a principal. */
SHERD_MUST_USE enum sherd_err sherd_leaf_actor(const struct sherd_leaf_keys *keys, const struct sherd_ref *actor,
                                               struct sherd_ref *out_pseudonym);

/**
 * The blinding values of the commitments of one event. Each, shown to an auditor, opens its commitment and no other.
 */
SHERD_MUST_USE enum sherd_err sherd_leaf_blinds(const struct sherd_leaf_keys *keys,
                                                const uint8_t id[static SHERD_EVENT_ID_SIZE],
                                                struct sherd_digest out_blinds[static SHERD_LEAF_COMMITMENTS]);
/** A name, and what stands beside it: what a commitment is to. */
struct sherd_committed {
    bool there;
    struct sherd_ref name;
    struct sherd_digest digest;
};

/** What an event's leaf commits to. */
struct sherd_committed sherd_leaf_committed(const struct sherd_event *event, enum sherd_leaf_commitment which);

/** What stands in a leaf for it: SHA-256( 0x02 || blind || name || digest ). */
SHERD_MUST_USE enum sherd_err sherd_leaf_commitment(const struct sherd_digest *blind, const struct sherd_ref *name,
                                                    const struct sherd_digest *digest,
                                                    struct sherd_digest *out_commitment);

/**
 * The mark of an entry of `keys` in the digest of all of them: HMAC-SHA-256 over its name and stored bytes.
 * @param[in,out] set  the mark is added by exclusive or, and so a second time taken out again
 */
SHERD_MUST_USE enum sherd_err sherd_leaf_mark(const struct sherd_leaf_keys *keys, const struct sherd_ref *name,
                                              struct sherd_span stored, struct sherd_digest *set);

/** The key that seals the ledger's own state: of SHERD_SHA512, borrowed. */
const struct sherd_hmac_key *sherd_leaf_state_key(const struct sherd_leaf_keys *keys);
/** The key that seals the slots of joins (ledger/join.h): of SHERD_SHA512, borrowed. */
const struct sherd_hmac_key *sherd_leaf_join_key(const struct sherd_leaf_keys *keys);
/** The key of which blinding values are made: of SHERD_SHA512, borrowed. */
const struct sherd_hmac_key *sherd_leaf_blind_key(const struct sherd_leaf_keys *keys);
/** The deployment's id, 16 bytes; borrowed. */
const uint8_t *sherd_leaf_deployment(const struct sherd_leaf_keys *keys);

#endif
