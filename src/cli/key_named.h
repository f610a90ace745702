/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/key_named.h
 * The verbs of `sherd key` that are about named keys.
 */
#ifndef SHERD_CLI_KEY_NAMED_H
#define SHERD_CLI_KEY_NAMED_H

#include "cli/cli.h"

/** Whether the first operand is one of them. */
bool cli_key_is_named(const struct cli *cli);

/** Run it. @param[in] owner  value of --owner; NULL if it was not given */
SHERD_MUST_USE enum sherd_err cli_key_named(struct cli *cli, const char *owner);

#endif
