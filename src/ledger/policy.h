/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/policy.h
 * Whom to believe: logs and witnesses by their public keys, and how many witnesses it takes.
 *
 *     log VKEY [URL]
 *     witness NAME VKEY [URL]
 *     group NAME all|any|K MEMBER...
 *     quorum NAME|none
 *
 * @par Source  C2SP tlog-policy
 */
#ifndef SHERD_LEDGER_POLICY_H
#define SHERD_LEDGER_POLICY_H

#include "envelope/signed.h"

#define SHERD_POLICY_LOGS_MAX 32U
#define SHERD_POLICY_WITNESSES_MAX 64U
#define SHERD_POLICY_GROUPS_MAX 64U
#define SHERD_POLICY_BYTES_MAX ((size_t)128 << 10)

/** A log that is trusted. Spans are borrowed from the policy. */
struct sherd_policy_log {
    struct sherd_vkey key; /**< its name is the log's origin */
    struct sherd_span url; /**< empty: none was given */
};

/** A witness. */
struct sherd_policy_witness {
    struct sherd_span name; /**< within the policy */
    struct sherd_vkey key;
    struct sherd_span url;
};

/** A group of witnesses and of groups that stand before it. */
struct sherd_policy_group {
    struct sherd_span name;
    unsigned threshold;
    unsigned member_count;
    bool witnesses[SHERD_POLICY_WITNESSES_MAX]; /**< which are members */
    bool groups[SHERD_POLICY_GROUPS_MAX];
};

/** What the quorum is. */
enum sherd_quorum {
    SHERD_QUORUM_NONE, /**< no witness is needed */
    SHERD_QUORUM_WITNESS,
    SHERD_QUORUM_GROUP,
};

/** A policy. Made by sherd_policy_parse() alone. */
struct sherd_policy {
    struct sherd_buf text; /**< a copy of its own */
    size_t log_count;
    size_t witness_count;
    size_t group_count;
    enum sherd_quorum quorum;
    size_t quorum_index; /**< of the witness or the group */
    bool own;            /**< a key of ML-DSA-44 need not have signed: sherd_policy_of_own_log() */
    struct sherd_policy_log logs[SHERD_POLICY_LOGS_MAX];
    struct sherd_policy_witness witnesses[SHERD_POLICY_WITNESSES_MAX];
    struct sherd_policy_group groups[SHERD_POLICY_GROUPS_MAX];
};

/**
 * Read a policy.
 * @param[out] out_policy  free with sherd_policy_free()
 * @return SHERD_OK; SHERD_ERR_INVALID, with the line as detail; SHERD_ERR_LIMIT: more than is provided for;
 *         SHERD_ERR_UNSUPPORTED: a kind of key that is not known; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_policy_parse(struct sherd_span text, struct sherd_policy **out_policy);

/**
 * A policy of one log, and no witness.
 * @param[in] vkey_text  its public key; or two, of one name, in lines without a newline at the end: one is of
 *                       ML-DSA-44, the other is not, and both must sign
 * @return as sherd_policy_parse()
 */
SHERD_MUST_USE enum sherd_err sherd_policy_of_log(struct sherd_span vkey_text, struct sherd_policy **out_policy);

/**
 * The same for those who run the log, and meet checkpoints of days when it had no second key: that need not have
 * signed, but if it did, it must hold.
 */
SHERD_MUST_USE enum sherd_err sherd_policy_of_own_log(struct sherd_span vkey_text, struct sherd_policy **out_policy);

/** Free. NULL is accepted. */
void sherd_policy_free(struct sherd_policy *policy);
SHERD_DEFINE_OWNED(sherd_policy);

/** Whether these witnesses, of SHERD_POLICY_WITNESSES_MAX by their number in the policy, are a quorum. */
bool sherd_policy_met(const struct sherd_policy *policy, const bool *witnesses);

#endif
