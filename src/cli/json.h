/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/json.h
 * Results as JSON. Values that are not UTF-8 text become {"hex": "..."}; counts and sizes are integers.
 */
#ifndef SHERD_CLI_JSON_H
#define SHERD_CLI_JSON_H

#include "base/macros.h"
#include <jansson.h>
#include <sherd/sherd.h>

/** Bytes as a string, or as {"hex": "..."}; NULL if there is no memory. The caller owns it. */
json_t *cli_json_bytes(struct sherd_span bytes);

/** A UUID as a string; NULL if there is no memory. The caller owns it. */
json_t *cli_json_uuid(struct sherd_uuid id);

/** A record's version, as ls and stat show it; NULL if there is no memory. The caller owns it. */
json_t *cli_json_record(const struct sherd_record_info *info);

/**
 * Print a value on one line of stdout, after `before` and followed by `after`, and give it back.
 * @param[in] value  NULL stands for lack of memory
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY. A failure to write is kept for cli_flush().
 */
SHERD_MUST_USE enum sherd_err cli_json_print(const char *before, json_t *value, const char *after);

#endif
