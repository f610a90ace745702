/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub.h
 * The scrubber: a walk over the whole vault that may be interrupted, and a book of what it found, which is kept until
 * somebody acknowledges it.
 *
 * A pass checks what sherd_vault_verify() checks. Its position is kept as it goes, so that one that was ended, killed
 * included, goes on where it was. What it finds is written to the book before the position moves past it: once each,
 * with the first and the last time, and how often. A finding that a later pass does not meet any more is healed, and
 * says so; one that comes back is open again.
 *
 * The book lies in the anchor's directory, sealed, and its digest in `keys`: one that was removed, changed or put back
 * is a finding itself. docs/format/scrub.md
 */
#ifndef SHERD_SCRUB_H
#define SHERD_SCRUB_H

#include <sherd/maintain.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of a finding's text, and of what is noted when it is acknowledged, with the final zero byte. */
#define SHERD_SCRUB_TEXT_SIZE 160
/** Findings that the book has room for; of what is found beyond that only the number is kept. */
#define SHERD_SCRUB_FINDINGS_MAX 4096U
/** Rules of telling that a vault has at most. */
#define SHERD_SCRUB_RULES_MAX 16U
/** Bytes of the path in a rule, with the final zero byte. */
#define SHERD_SCRUB_PLACE_SIZE 256

/** A finding in the book. */
struct sherd_scrub_finding {
    uint8_t id[16]; /**< of what it is about and what is wrong: the same thing found twice has one */
    enum sherd_finding_kind kind;
    char compartment[16];
    bool has_record;
    struct sherd_uuid record;
    uint64_t version; /**< 0 if unknown */
    char text[SHERD_SCRUB_TEXT_SIZE];
    int64_t first_s; /**< when it was found first, and last: seconds since 1970 UTC */
    int64_t last_s;
    uint64_t count;                   /**< of passes that found it */
    int64_t healed_s;                 /**< since when it is not found any more; 0: it is there, as far as is known */
    int64_t acknowledged_s;           /**< 0: not yet */
    char by[64];                      /**< who acknowledged it, as he said */
    char note[SHERD_SCRUB_TEXT_SIZE]; /**< why; "" for nothing */
    uint64_t serial; /**< rises with each finding that is made or opened again: for who tells of them */
    uint64_t pass;   /**< the last one that found it */
};

/** One walk over the vault. */
struct sherd_scrub_pass {
    uint64_t number; /**< 1 for the first; 0: there was none */
    int64_t began_s; /**< seconds since 1970 UTC */
    int64_t ended_s; /**< 0: it is under way */
    uint32_t round;  /**< of deep rekeying, when it began */
    struct sherd_verify_stat stat;
};

/** Whom a rule tells. */
enum sherd_scrub_audience {
    SHERD_TELL_ADMIN = 1, /**< who looks after the vault */
    SHERD_TELL_AUDITOR,   /**< who is independent of those */
    SHERD_TELL_FIRST,     /**< whoever is the first to read any record after something was found */
    SHERD_TELL_READERS,   /**< all who read a record of which something was found, until that is acknowledged */
};

/** How. For the last two it is the answer to what they read. */
enum sherd_scrub_way {
    SHERD_TELL_ANSWER = 1,
    SHERD_TELL_SYSLOG,
    SHERD_TELL_FILE,    /**< appended to a file, one JSON object a line */
    SHERD_TELL_COMMAND, /**< run with one argument, "finding", and the JSON object on standard input */
};

struct sherd_scrub_rule {
    enum sherd_scrub_audience audience;
    enum sherd_scrub_way way;
    char place[SHERD_SCRUB_PLACE_SIZE]; /**< absolute path of the file or command; "" for the others */
    uint64_t told; /**< serial of the last finding that was told by it; ignored where rules are set */
};

/** What the book says but for the findings themselves. */
struct sherd_scrub_status {
    struct sherd_scrub_pass now;  /**< under way; number 0: none is */
    struct sherd_scrub_pass last; /**< the last one that came to its end */
    uint64_t open_count;          /**< findings that are there and were not acknowledged */
    uint64_t acknowledged_count;  /**< that are there, and were */
    uint64_t healed_count;        /**< that are not found any more, and were not acknowledged */
    uint64_t dropped_count;       /**< that the book had no room for */
    uint64_t serial;              /**< of the last finding that was made or opened again */
    bool lost;                    /**< the book was removed or changed, and nothing of this is known */
    size_t rule_count;
    struct sherd_scrub_rule rules[SHERD_SCRUB_RULES_MAX];
};

/** How a pass is made. All zero is a good default. */
struct sherd_scrub_options {
    uint64_t rate; /**< most bytes of contents a second; 0 for no limit */
    bool anew;     /**< begin a pass also if one is under way, which then is given up */
    /** Told when findings are in the book that were not before, also in the middle of a pass. NULL for nobody. */
    void (*found)(void *arg);
    void *found_arg;
};

/**
 * Make a pass, or go on with the one that is under way, to its end. One at a time in all processes.
 * @param[in]  options   NULL for defaults
 * @param[in]  observer  told of each violation as it is met, also of those that are in the book; NULL for none
 * @param[out] out_stat  of the whole pass, also where violations were found
 * @return as sherd_vault_verify(); SHERD_ERR_TAMPERED: the pass found at least one thing that is not acknowledged;
 *         SHERD_ERR_BUSY: stopped by the observer, or somebody else makes one; SHERD_ERR_DENIED: read-only, or not the
 *         owner
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_vault_scrub(struct sherd_vault *vault,
                                                          const struct sherd_scrub_options *options,
                                                          const struct sherd_observer *observer,
                                                          struct sherd_verify_stat *out_stat);

/** What the book says. @return SHERD_OK; SHERD_ERR_DENIED: not the owner; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_scrub_status(struct sherd_vault *vault,
                                                           struct sherd_scrub_status *out_status);

/** Visit a finding, which is borrowed until return. @return SHERD_OK to go on; else the walk ends with it */
typedef enum sherd_err sherd_scrub_visit_fn(void *arg, const struct sherd_scrub_finding *finding);

/** Visit all findings of the book, in the order in which they were made or opened. @return as sherd_scrub_status() */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_scrub_finding_each(struct sherd_vault *vault, sherd_scrub_visit_fn *visit,
                                                                 void *arg);

/**
 * Acknowledge findings: it is in the ledger, with who did. One that is healed leaves the book. Of a disagreement
 * between `keys` and the ledger, what differs now is accepted: only what changes after that is found again.
 * @param[in]  id         of one finding; NULL for all
 * @param[in]  by         who does, for others: up to 63 bytes; NULL or "" for nothing
 * @param[in]  note       why, likewise: up to SHERD_SCRUB_TEXT_SIZE - 1 bytes
 * @param[out] out_count  how many were
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: no such finding; SHERD_ERR_CONFLICT: what differs is not what was found any
 *         more: scrub again; SHERD_ERR_INVALID: the note; SHERD_ERR_DENIED; SHERD_ERR_TAMPERED: the book was changed
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_scrub_acknowledge(struct sherd_vault *vault, const uint8_t *id,
                                                                const char *by, const char *note, uint64_t *out_count);

/**
 * Set the rules of telling, all of them. A vault starts with one: readers are told.
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_DENIED; SHERD_ERR_TAMPERED: the book was changed
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_scrub_rules_set(struct sherd_vault *vault,
                                                              const struct sherd_scrub_rule *rules, size_t count);

/** Note that a rule has told of all findings up to a serial. @return as sherd_scrub_rules_set(); SHERD_ERR_NOT_FOUND */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_scrub_told(struct sherd_vault *vault, const struct sherd_scrub_rule *rule,
                                                         uint64_t serial);

#ifdef __cplusplus
}
#endif

#endif
