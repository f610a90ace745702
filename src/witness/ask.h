/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file witness/ask.h
 * The other side: ask the witnesses of a policy to cosign a log's checkpoint, all at once, and collect what they give.
 * Needs the log's directory, to read, and no key.
 *
 * What a witness says against a log counts only with the log's own signature on it: one that claims to have seen more
 * is asked for that checkpoint.
 *
 * @par Source  C2SP tlog-witness
 */
#ifndef SHERD_WITNESS_ASK_H
#define SHERD_WITNESS_ASK_H

#include "ledger/log.h"
#include "net/client.h"

/** What came of one witness. */
enum sherd_asked {
    SHERD_ASKED_NOBODY,   /**< it has no address */
    SHERD_ASKED_COSIGNED, /**< a cosignature of now */
    SHERD_ASKED_AHEAD,    /**< it showed a larger checkpoint, signed by the log: this one was rolled back */
    SHERD_ASKED_FORKED,   /**< it showed a checkpoint, signed by the log, that this one does not continue */
    SHERD_ASKED_REFUSED,  /**< it refused, and showed nothing */
    SHERD_ASKED_LOST,     /**< no answer, or none that verifies */
};

/** A cosignature is of now if its time is within so many seconds of it. */
#define SHERD_ASK_SKEW_S 600

struct sherd_ask_answer {
    enum sherd_asked asked;
    uint64_t size;   /**< of the checkpoint that it cosigned or showed */
    uint64_t time_s; /**< of that cosignature, since 1970; 0: not known */
    char why[160];   /**< for people; "" where it cosigned */
};

/** Whom, about what. */
struct sherd_ask_parts {
    const char *dir;                   /**< the log's */
    const struct sherd_policy *policy; /**< the log is one of its logs */
    struct sherd_call_limits limits;
};

/** One word for it: "cosigned", ... */
const char *sherd_asked_word(enum sherd_asked asked);

/**
 * Ask all witnesses of the policy.
 * @param[out]    out_answers  policy->witness_count of them
 * @param[in,out] out_note     the log's checkpoint is appended, with its own signature and all cosignatures of now
 * @param[out]    out_met      they are a quorum
 * @return SHERD_OK, whatever they said; SHERD_ERR_NOT_FOUND: no log there, or none of the policy; SHERD_ERR_TAMPERED:
 *         the log does not verify; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_ask(const struct sherd_ask_parts *parts, struct sherd_ask_answer *out_answers,
                                        struct sherd_buf *out_note, bool *out_met);

#endif
