/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/event.h
 * What happened, as the anchor notes it beside the change itself: an event names records, entities and entries, so it
 * is never outside a sealed entry of `keys` or the sealed part of a leaf (ledger/leaf.h). No I/O.
 *
 * Bytes: docs/format/ledger.md
 */
#ifndef SHERD_LEDGER_EVENT_H
#define SHERD_LEDGER_EVENT_H

#include "base/macros.h"
#include "crypto/hash.h"
#include <sherd/provider/store.h>
#include <stdbool.h>

/** What happened. The numbers are stored, and public: a leaf says them in clear. */
enum sherd_event_kind {
    SHERD_EVENT_GENESIS = 1, /**< the ledger began */
    SHERD_EVENT_PUT = 2,     /**< a record was made */
    SHERD_EVENT_UPDATE = 3,  /**< a version of a record was added */
    SHERD_EVENT_DELETE = 4,  /**< a record was deleted */
    SHERD_EVENT_RESEAL = 5,  /**< a version was sealed anew, under other names and keys */
    SHERD_EVENT_REWRAP = 6,  /**< keys of records or entities were wrapped anew; one event a batch, with their number */
    SHERD_EVENT_ENTITY = 7,  /**< an entity was made, or its key renewed or trimmed */
    SHERD_EVENT_ERASE = 8,   /**< an entity was erased */
    SHERD_EVENT_COLLECTION = 9, /**< a collection was made */
    SHERD_EVENT_KEYRING = 10,   /**< the keyring was changed: master keys, protection, epochs, policies */
    SHERD_EVENT_PRINCIPAL = 11, /**< a user was made or disabled */
    SHERD_EVENT_NAMED_KEY = 12, /**< a named key was made or renewed */
    SHERD_EVENT_GRANT = 13,     /**< a grant was given or revoked */
    SHERD_EVENT_JOIN = 14,      /**< record keys were given out; one event a batch, with their number */
    SHERD_EVENT_UNSEAL = 15,    /**< the anchor was unsealed */
    SHERD_EVENT_SEAL = 16,      /**< the anchor was sealed */
    SHERD_EVENT_RESTORE = 17,   /**< the vault was brought back from a backup, or its state recovered; and one event for
                                     each version of a record that came with it */
    SHERD_EVENT_ACCEPT = 18,    /**< findings of the scrubber were acknowledged; with their number */
    SHERD_EVENT_KINDS,          /**< one more than the last */
};

/** "put", "update" ...; "unknown" for a number that is none. */
const char *sherd_event_name(enum sherd_event_kind kind);

#define SHERD_EVENT_ID_SIZE 16

/** An entry of a compartment that an event made. */
struct sherd_event_entry {
    bool there;
    struct sherd_ref name;
    struct sherd_digest digest; /**< of the stored bytes, as that compartment's auditor computes it */
};

/** One event. What is all zero is left out. */
struct sherd_event {
    uint64_t time_ns; /**< since 1970 UTC, by the anchor's clock */
    uint64_t version; /**< of the subject */
    uint64_t count; /**< how many things one event stands for; of a grant its rights; of an update the versions kept */
    enum sherd_event_kind kind;
    bool has_root;
    uint8_t id[SHERD_EVENT_ID_SIZE]; /**< random: two leaves of one id are a finding */
    struct sherd_ref subject;        /**< record, entity, collection, user or key */
    struct sherd_ref collection;
    struct sherd_ref entity;
    struct sherd_ref actor;   /**< the principal */
    struct sherd_digest root; /**< of a join: over the slots that it stands for (ledger/join.h) */
    struct sherd_event_entry map;
    struct sherd_event_entry fragment;
};

/** Most bytes of an encoded event. */
#define SHERD_EVENT_BYTES_MAX 288U

/** @param[out] block  room for SHERD_EVENT_BYTES_MAX bytes. @return SHERD_OK; SHERD_ERR_INVALID: no such kind */
SHERD_MUST_USE enum sherd_err sherd_event_encode(const struct sherd_event *event, uint8_t *block, size_t *out_bytes);
/** @return SHERD_OK; SHERD_ERR_TAMPERED: it is not what encode gives */
SHERD_MUST_USE enum sherd_err sherd_event_decode(struct sherd_span bytes, struct sherd_event *out_event);

/**
 * Events of one write set, and what the set did to the digest of `keys`, in one entry there: a *pending block*. It is
 * written with the change, and taken out once its events are leaves of the ledger.
 */
struct sherd_pending {
    struct sherd_digest delta; /**< exclusive or of the marks of what was written or removed: anchor/ring/changes.h */
    struct sherd_span events;  /**< as sherd_pending_add() laid them; sherd_pending_next() reads them */
};

/** Most bytes of events in a pending block. */
#define SHERD_PENDING_EVENTS_BYTES_MAX 4608U

/** Append an event to the events of a block. @return SHERD_OK; SHERD_ERR_LIMIT: the block is full */
SHERD_MUST_USE enum sherd_err sherd_pending_add(struct sherd_buf *events, const struct sherd_event *event);
/** Take the first event. @param[in,out] rest  what follows it. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_pending_next(struct sherd_span *rest, struct sherd_event *out_event);

/** @param[out] block  room for SHERD_PENDING_EVENTS_BYTES_MAX + 64 bytes */
SHERD_MUST_USE enum sherd_err sherd_pending_encode(const struct sherd_pending *pending, uint8_t *block,
                                                   size_t *out_bytes);
/** @return SHERD_OK: every event of it can be read; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_pending_decode(struct sherd_span bytes, struct sherd_pending *out_pending);

#endif
