/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/book/book.h
 * The scrubber's book: what was found, when the last pass was, who is told, and which disagreement of `keys` with the
 * ledger was accepted. Its bytes, and all that is ever done to it, as functions over memory: no key, no I/O, no clock.
 *
 * Whoever scrubs asks for changes, which are bytes too; the anchor carries them out. So what leaves the book leaves it
 * by the rules below, whoever asks.
 *
 * docs/format/scrub.md
 */
#ifndef SHERD_ANCHOR_BOOK_BOOK_H
#define SHERD_ANCHOR_BOOK_BOOK_H

#include "anchor/ledger/join_loss.h"
#include "base/macros.h"
#include "crypto/hash.h"
#include <sherd/provider/store.h>
#include <sherd/scrub.h>

#define SHERD_BOOK_NONCE_SIZE 16U

/** A book. Start all zero: nothing was found yet, and the rules are none; end with sherd_book_done(). */
struct sherd_book {
    uint64_t generation; /**< rises with each change; 0: it was never written */
    struct sherd_scrub_status status;
    uint8_t nonce[SHERD_BOOK_NONCE_SIZE]; /**< of the pass under way: positions are sealed to it */
    struct sherd_digest accepted; /**< exclusive or of the disagreements of `keys` with the ledger that were accepted */
    struct sherd_join_loss loss;  /**< of joins, likewise */
    struct sherd_scrub_finding *findings;
    size_t count;
    size_t cap;
};

void sherd_book_done(struct sherd_book *book);

/** Where a pass stands: all before was looked at. */
struct sherd_book_position {
    uint64_t pass;  /**< its number */
    uint32_t phase; /**< 0: the walk over `keys`; then whatever the scrubber does, in its order */
    uint32_t range; /**< of the walk: the next one */
    bool partial;   /**< it was interrupted: what the walk reached is not all known any more */
    struct sherd_verify_stat stat;
};

/** Most bytes of an encoded book, of a position, of a change. */
#define SHERD_BOOK_BYTES_MAX ((size_t)SHERD_SCRUB_FINDINGS_MAX * 704 + 16384)
#define SHERD_BOOK_POSITION_BYTES_MAX 160U
#define SHERD_BOOK_CHANGE_BYTES_MAX ((size_t)48 << 10)

/** Append a book's bytes. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_book_encode(const struct sherd_book *book, struct sherd_buf *out_bytes);
/** @param[in,out] book  must be all zero. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_book_decode(struct sherd_span bytes, struct sherd_book *book);

/** @param[out] block  room for SHERD_BOOK_POSITION_BYTES_MAX bytes */
SHERD_MUST_USE enum sherd_err sherd_book_position_encode(const struct sherd_book_position *position, uint8_t *block,
                                                         size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_book_position_decode(struct sherd_span bytes,
                                                         struct sherd_book_position *out_position);

/** What is done to a book. */
enum sherd_book_action {
    SHERD_BOOK_BEGIN = 1,   /**< begin a pass; `number` 1: also if one is under way */
    SHERD_BOOK_FIND,        /**< what the pass met */
    SHERD_BOOK_MOVE,        /**< the pass moves on; nothing of the book changes */
    SHERD_BOOK_END,         /**< the pass came to its end: what it did not meet is healed */
    SHERD_BOOK_ACKNOWLEDGE, /**< the finding of an id, or all */
    SHERD_BOOK_RULES,       /**< set all rules */
    SHERD_BOOK_TELL,        /**< a rule has told up to a serial, which is `number` */
    SHERD_BOOK_FIRST,       /**< a reader was told, who was the first, of what was found up to that serial */
};

/** A change. What its action has no use for is all zero. Spans are borrowed. */
struct sherd_book_change {
    enum sherd_book_action action;
    uint64_t number;
    struct sherd_book_position position;        /**< FIND, MOVE, END: its pass must be under way */
    const struct sherd_scrub_finding *findings; /**< FIND: what a finding is about; times and so on are the book's */
    size_t finding_count;
    bool one; /**< ACKNOWLEDGE: the finding of that id */
    uint8_t id[16];
    char by[64];
    char note[SHERD_SCRUB_TEXT_SIZE];
    const struct sherd_scrub_rule *rules; /**< RULES, or the one of TELL */
    size_t rule_count;
};

/** Most findings that a change brings: so many fit whatever they say. */
#define SHERD_BOOK_CHANGE_FINDINGS_MAX 128U

/** Room for what a decoded change borrows. */
struct sherd_book_room {
    struct sherd_scrub_finding findings[SHERD_BOOK_CHANGE_FINDINGS_MAX];
    struct sherd_scrub_rule rules[SHERD_SCRUB_RULES_MAX];
};

/** Append a change's bytes. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_book_change_encode(const struct sherd_book_change *change,
                                                       struct sherd_buf *out_bytes);
/** @param[out] room  what out_change borrows. @return SHERD_OK; SHERD_ERR_INVALID: it is none */
SHERD_MUST_USE enum sherd_err sherd_book_change_decode(struct sherd_span bytes, struct sherd_book_room *room,
                                                       struct sherd_book_change *out_change);

/** What a change did, beside the book. */
struct sherd_book_effect {
    uint64_t accepted_count; /**< findings that were acknowledged: an event of the ledger */
    bool accept_difference;  /**< one of them is the disagreement of `keys` with the ledger: look at it first */
    char difference[SHERD_SCRUB_TEXT_SIZE]; /**< the text of that finding */
    char unnoted[SHERD_SCRUB_TEXT_SIZE];    /**< likewise: that keys have no entry; empty: not acknowledged */
    char unkept[SHERD_SCRUB_TEXT_SIZE];     /**< likewise: that entries cannot be read */
    bool changed;                           /**< the book is another one */
};

/**
 * Carry out a change.
 * @param[in]  now_s  seconds since 1970 UTC
 * @return SHERD_OK; SHERD_ERR_CONFLICT: another pass is under way, or none; SHERD_ERR_NOT_FOUND: no such finding or
 *         rule; SHERD_ERR_NO_MEMORY. After a failure the book is of no use
 */
SHERD_MUST_USE enum sherd_err sherd_book_apply(struct sherd_book *book, const struct sherd_book_change *change,
                                               int64_t now_s, struct sherd_book_effect *out_effect);

/** Count anew what the status says of all findings together. */
void sherd_book_count(struct sherd_book *book);

/** Add one finding of the book's own, as a pass would. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_book_find(struct sherd_book *book, const struct sherd_scrub_finding *what,
                                              int64_t now_s);

/**
 * The finding that something is one of, without what only the book knows.
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_book_finding_of(const struct sherd_finding *finding,
                                                    struct sherd_scrub_finding *out_finding);

/** Whether a finding is there, as far as is known, and nobody acknowledged it. */
static inline bool sherd_book_is_open(const struct sherd_scrub_finding *finding)
{
    return finding->healed_s == 0 && finding->acknowledged_s == 0;
}

/** How the text of the finding begins that `keys` is not what the ledger implies; then what differs, as 32 digits. */
#define SHERD_BOOK_DIFFERS "entries were rolled back, removed or added behind the anchor's back: difference "
/** How that of the finding begins that keys were given out which have no entry; then how many they are. */
#define SHERD_BOOK_UNNOTED "keys were given out whose entries are lost: the machine failed, or they were removed: "
/** How that of the finding begins that entries cannot be read; then of which leaves, and 32 digits. */
#define SHERD_BOOK_UNKEPT "entries of keys that were given out are missing or were changed: "
/** Those texts. */
void sherd_book_unnoted_text(uint64_t count, char out[static SHERD_SCRUB_TEXT_SIZE]);
void sherd_book_unkept_text(uint64_t first, uint64_t last, const struct sherd_digest *name,
                            char out[static SHERD_SCRUB_TEXT_SIZE]);
void sherd_book_difference_text(const uint8_t difference[static 16], char out[static SHERD_SCRUB_TEXT_SIZE]);

/** The pin of a book in `keys`. @param[out] block  room for SHERD_TLV_BYTES_MAX bytes */
SHERD_MUST_USE enum sherd_err sherd_book_pin_encode(uint64_t generation, const struct sherd_digest *digest,
                                                    uint8_t *block, size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_book_pin_decode(struct sherd_span tlv, uint64_t *out_generation,
                                                    struct sherd_digest *out_digest);

#endif
