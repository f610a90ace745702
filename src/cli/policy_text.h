/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/policy_text.h
 * Policies of keys as people write and read them: ages, schedules, and why a key is due.
 */
#ifndef SHERD_CLI_POLICY_TEXT_H
#define SHERD_CLI_POLICY_TEXT_H

#include "base/macros.h"
#include <sherd/keys.h>

#define CLI_AGE_TEXT_SIZE 24
#define CLI_SCHEDULE_TEXT_SIZE 24

/** Read an age: a number with s, m, h or d behind it; "none" is 0. @return false if it is none, or 0, or too long */
bool cli_age_parse(const char *text, uint64_t *out_age_s);

/** Write an age in the longest unit that says it exactly: "90d", "36h"; "none". */
void cli_age_format(uint64_t age_s, char out_text[static CLI_AGE_TEXT_SIZE]);

/** Read "daily@HH:MM", "weekly:DAY@HH:MM" (DAY is sun, mon, ... sat) or "none", into those fields of a policy. */
bool cli_schedule_parse(const char *text, struct sherd_key_policy *policy);

/** Write the schedule of a policy, as it is read. */
void cli_schedule_format(const struct sherd_key_policy *policy, char out_text[static CLI_SCHEDULE_TEXT_SIZE]);

/** Why a key is due, in one word: "age", "wraps", "entities", "schedule". NULL if it is not. */
const char *cli_why_word(enum sherd_key_why why);

#endif
