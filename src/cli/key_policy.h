/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/key_policy.h
 * The verbs of `sherd key` that are about policies, and what the others show of them.
 */
#ifndef SHERD_CLI_KEY_POLICY_H
#define SHERD_CLI_KEY_POLICY_H

#include "cli/cli.h"

/** Names that policies may be for, and more. */
#define CLI_POLICIES_MAX 64U

struct cli_policies {
    size_t count;
    struct {
        char name[SHERD_MASTER_NAME_SIZE];
        struct sherd_key_policy policy;
    } list[CLI_POLICIES_MAX];
};

/** All of them. @return as sherd_key_policy_each() */
SHERD_MUST_USE enum sherd_err cli_policies_read(struct sherd_vault *vault, struct cli_policies *out_policies);

/** The policy of a name; NULL: nothing is ruled. */
const struct sherd_key_policy *cli_policy_of(const struct cli_policies *policies, const char *name);

/** What the options say; NULL or false where they say nothing. */
struct cli_policy_wish {
    const char *max_age;
    const char *max_wraps;
    const char *max_entities;
    const char *schedule;
    const char *limit;
    const char *destroy_old;
    bool none;
    bool lower;
};

/** `key policy [NAME]` and `key floor NAME [VERSION]`. */
SHERD_MUST_USE enum sherd_err cli_key_policy(struct cli *cli, const struct cli_policy_wish *wish);

#endif
