/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger.h
 * The ledger: a transparency log (RFC 6962, C2SP tlog-tiles) in which each change of the vault is a leaf. What is
 * proved from it is checked without the vault, with the log's public key alone: by the program sherd-verify, or by
 * whoever reads these formats (docs/format/ledger.md).
 *
 * A client keeps a receipt of what it put:
 * @code
 * struct sherd_buf receipt = {0};
 *
 * if (sherd_record_put(vault, NULL, content, &id) == SHERD_OK &&
 *     sherd_ledger_receipt(vault, id, 1, &receipt) == SHERD_OK)
 *     fwrite(receipt.data, 1, receipt.len, file);
 * sherd_buf_done(&receipt);
 * @endcode
 *
 * A leaf names nothing in clear. A receipt says of one leaf which record and version it is about; who has none cannot
 * tell. A ledger from which the leaf was cut, or in which another stands, is convicted by the receipt: both bear the
 * log's signature.
 *
 * @par Freshness  Whatever is asked makes leaves first of all that was written before, unless the vault is open for
 * reading only.
 * @par Restored   A vault that was restored begins a ledger of its own, with another name, and a leaf for each version
 * of a record that it has: "restore".
 */
#ifndef SHERD_LEDGER_H
#define SHERD_LEDGER_H

#include <sherd/err.h>
#include <sherd/span.h>
#include <stdbool.h>
#include <sherd/uuid.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sherd_vault;

/** Room for a ledger's name, with its final zero byte. */
#define SHERD_LEDGER_ORIGIN_SIZE 256U

/** What a checkpoint says. */
struct sherd_ledger_head {
    char origin[SHERD_LEDGER_ORIGIN_SIZE]; /**< the ledger's name: sherd.DEPLOYMENT/NUMBER */
    uint64_t size;                         /**< leaves */
    uint8_t root[32];                      /**< of the tree of them */
};

/**
 * The newest checkpoint, signed (C2SP tlog-checkpoint).
 * @param[in,out] out_note  the signed note is appended; NULL if not wanted
 * @param[in,out] out_key   the log's public keys that signed it are appended, as text (C2SP signed-note): one of
 *                          Ed25519, and in a second line one of ML-DSA-44 where OpenSSL has it; NULL if not wanted
 * @param[out]    out_head  NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_DENIED (a restored vault that was not written yet); SHERD_ERR_TAMPERED; SHERD_ERR_IO; ...
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_ledger_checkpoint(struct sherd_vault *vault, struct sherd_buf *out_note,
                                                                struct sherd_buf *out_key,
                                                                struct sherd_ledger_head *out_head);

/**
 * Prove what is in the ledger about a record: a receipt (C2SP tlog-proof with the leaf and what opens it as extra
 * data). A user gets those of records that he may read or write, the owner all.
 * @param[in]     version      what made this version; 0 for what happened to the record last, its deletion included
 * @param[in,out] out_receipt  appended
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: the ledger has no such leaf, or the user no right; SHERD_ERR_TAMPERED; ...
 *
 * @par Cost  What was done last is found at once; what is long ago takes a look at every leaf since.
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_ledger_receipt(struct sherd_vault *vault, struct sherd_uuid id,
                                                             uint64_t version, struct sherd_buf *out_receipt);

/** What a receipt says. */
struct sherd_ledger_receipt {
    const char *kind;         /**< "put", "update", "delete" ... */
    struct sherd_uuid record; /**< of a receipt about something else: its id */
    uint64_t version;         /**< 0: none */
    int64_t time_s;           /**< when it happened, in seconds since 1970 UTC */
    uint64_t index;           /**< of the leaf */
    struct sherd_ledger_head head;
};

/**
 * Check a receipt. Needs no vault.
 * @param[in] log_key  text, from a place that those who run the vault could not change since; of two keys, in lines,
 *                     both must have signed
 * @return SHERD_OK; SHERD_ERR_INVALID (the key); SHERD_ERR_UNSUPPORTED (a key of ML-DSA-44 needs OpenSSL 3.5);
 *         SHERD_ERR_TAMPERED (it does not verify, or opens no leaf); SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_ledger_receipt_verify(struct sherd_span receipt,
                                                                    struct sherd_span log_key,
                                                                    struct sherd_ledger_receipt *out_receipt);

/**
 * Prove that a leaf is in the ledger, whatever it is about, and bring it along. The vault's owner may.
 * @param[in,out] out_proof  C2SP tlog-proof, appended
 * @return as sherd_ledger_receipt()
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_ledger_prove_inclusion(struct sherd_vault *vault, uint64_t index,
                                                                     struct sherd_buf *out_proof);

/**
 * Prove that the ledger only grew between two sizes (the body of C2SP tlog-witness).
 * @param[in]     size       0: now, and the newest checkpoint is brought along
 * @param[in,out] out_proof  appended
 * @return SHERD_OK; SHERD_ERR_INVALID (it never had that size); SHERD_ERR_TAMPERED; ...
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_ledger_prove_consistency(struct sherd_vault *vault, uint64_t old_size,
                                                                       uint64_t size, struct sherd_buf *out_proof);

/**
 * Hold a checkpoint that was kept elsewhere against the ledger.
 * @param[out] out_head  what it says
 * @return SHERD_OK: the ledger only grew since; SHERD_ERR_CONFLICT: the ledger is behind it, or is not what it was: it
 *         was cut, rolled back or forked; SHERD_ERR_TAMPERED: this ledger never signed it; SHERD_ERR_IO; ...
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_ledger_compare(struct sherd_vault *vault, struct sherd_span note,
                                                             struct sherd_ledger_head *out_head);

enum sherd_ledger_about {
    SHERD_LEDGER_ALL = 1, /**< everything; the owner may ask */
    SHERD_LEDGER_RECORD,  /**< a record; also a user who may read it may ask */
    SHERD_LEDGER_ID,      /**< whatever has that id; the owner may ask */
    SHERD_LEDGER_ENTITY,  /**< an entity, and what was done to its records; the owner may ask */
    SHERD_LEDGER_USER,    /**< a user, and what it did; the owner may ask */
};

/** What is asked of the ledger. Borrowed until the call returns. */
struct sherd_ledger_query {
    enum sherd_ledger_about about;
    struct sherd_uuid id;   /**< of RECORD and ID */
    const char *collection; /**< of ENTITY; NULL for "default" */
    const char *name;       /**< of ENTITY its id, of USER its name */
    uint64_t from;          /**< index of the first leaf that is looked at */
    uint64_t to;            /**< one more than the last; 0 for all that there are */
    bool joins;             /**< tell also of keys that were given out: who read what; not of ALL */
};

/** What happened. Ids that are all zero: none. */
struct sherd_ledger_event {
    uint64_t index;   /**< of the leaf */
    const char *kind; /**< "put", "update", "delete", "erase" ...; with joins, "join" and "lost": see below */
    uint64_t time_ns; /**< since 1970 UTC, by the anchor's clock */
    uint64_t version; /**< of the subject; 0: none */
    uint64_t count;   /**< how many things it stands for; of a grant its rights */
    struct sherd_uuid subject;
    struct sherd_uuid collection;
    struct sherd_uuid entity; /**< of a grant the user who got it */
    struct sherd_uuid actor;  /**< the user who did it */
};

/** Gets each event in the order of the ledger. Any code but SHERD_OK ends the walk with it. */
typedef enum sherd_err sherd_ledger_visit_fn(void *arg, const struct sherd_ledger_event *event);

/**
 * What happened to something, by whom, and when. Each event is visited after it was verified that its leaf is in the
 * tree of one checkpoint, and that leaf and event agree.
 * @param[out] out_head  that checkpoint; NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: no such record, entity or user; SHERD_ERR_INVALID; SHERD_ERR_DENIED;
 *         SHERD_ERR_TAMPERED; what visit says; ...
 *
 * @par Joins  Where they are asked for, each is an event "join" of the record version whose key was given out, with the
 * leaf that stands for it and for others; it is verified that the leaf does. An event "lost" says of how many nothing
 * is known: whose they were, nobody can say, so they are told whatever was asked for. What is missing and was not
 * acknowledged (`sherd scrub acknowledge`) is SHERD_ERR_TAMPERED.
 *
 * @par Cost  A look at every leaf of the range and, with joins, at every join; in little memory, but for an entity 16
 * bytes for each of its records.
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_ledger_history(struct sherd_vault *vault,
                                                             const struct sherd_ledger_query *query,
                                                             sherd_ledger_visit_fn *visit, void *arg,
                                                             struct sherd_ledger_head *out_head);

/**
 * The same as one text that is checked offline: the leaves, opened, with their proofs under one checkpoint.
 * @param[in]     query      not of SHERD_LEDGER_ALL; joins are those of a record or a user, but not of an entity's
 *                           records
 * @param[in,out] out_text   appended; at most 64 MiB
 * @param[out]    out_count  how many leaves and joins it holds; NULL if not wanted
 * @return as sherd_ledger_history(); SHERD_ERR_LIMIT: it would be too long, ask of a shorter range
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_ledger_evidence(struct sherd_vault *vault,
                                                              const struct sherd_ledger_query *query,
                                                              struct sherd_buf *out_text, uint64_t *out_count);

#ifdef __cplusplus
}
#endif

#endif
