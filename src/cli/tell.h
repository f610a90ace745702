/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/tell.h
 * Telling people what the scrubber found, as the rules in its book say: by syslog, a file, a command. What readers are
 * told is part of the answer to what they read.
 *
 * Nothing that is told is secret: what a finding is about, by its id, and what is wrong with it.
 */
#ifndef SHERD_CLI_TELL_H
#define SHERD_CLI_TELL_H

#include "cli/cli.h"
#include "cli/json.h"
#include <sherd/scrub.h>

/** So many findings at most are told one by one, by syslog or command, in one go; then only how many more there are. */
#define CLI_TELL_EACH_MAX 16U
/** In the middle of a pass, so long after one go no other begins. */
#define CLI_TELL_PAUSE_S 300U
/** A command ends within that time, or is killed. */
#define CLI_TELL_TIMEOUT_MS 10000U

/** Told of a rule by which it failed; the detail says why. May be NULL. */
typedef void cli_tell_failed_fn(void *arg, const struct sherd_scrub_rule *rule);

/** Who tells, again and again. Start all zero but for vault and who hears of failures. */
struct cli_tell {
    struct sherd_vault *vault;
    cli_tell_failed_fn *failed;
    void *arg;
    uint64_t told_ns;
};

/**
 * Tell what was not told yet. A rule by which it failed is tried again the next time.
 * @param[in] at_once  however short ago it was done last
 * @return SHERD_OK; as sherd_scrub_status()
 */
SHERD_MUST_USE enum sherd_err cli_tell(struct cli_tell *tell, bool at_once);

/** A rule as it is written: WHO:HOW[:PATH], or WHO. @param[out] text  room for CLI_RULE_TEXT_SIZE bytes */
#define CLI_RULE_TEXT_SIZE (SHERD_SCRUB_PLACE_SIZE + 32)
void cli_rule_format(const struct sherd_scrub_rule *rule, char *text);
/** @return SHERD_OK; SHERD_ERR_INVALID: it is none, or its path is none to use */
SHERD_MUST_USE enum sherd_err cli_rule_parse(const char *text, struct sherd_scrub_rule *out_rule);

/** The word of a kind of finding. */
const char *cli_finding_kind(enum sherd_finding_kind kind);
/** A finding of the book. @return NULL without memory */
json_t *cli_finding_json(const struct sherd_scrub_finding *finding);

#endif
