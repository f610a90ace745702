/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/meta.h
 * What the options of put, update and import say about a record.
 */
#ifndef SHERD_CLI_META_H
#define SHERD_CLI_META_H

#include "cli/cli.h"

/* The options themselves, in tables of put and update in this order. */
#define CLI_META_OPTIONS                                                                                  \
    {"type", 't', "TYPE", "content type, such as text/plain"},                                            \
        {"attr", 'a', "NAME=VALUE", "an attribute; may be repeated"},                                     \
        {"idempotency-key", 0, "KEY", "a repeat with the same key and contents stores nothing twice"},    \
        {"to", 0, "RECIPIENT", "seal the contents to this public key (age1...): no one else opens them"}, \
        {"link", 0, "LINK", "UUID[@VERSION][=ROLE] or entity:[COLLECTION/]ID[=ROLE]; may be repeated"}

enum cli_meta_option { CLI_OPT_TYPE, CLI_OPT_ATTR, CLI_OPT_KEY, CLI_OPT_TO, CLI_OPT_LINK, CLI_OPT_META_COUNT };

/** A record's meta with what it points to. Start it all zero. */
struct cli_meta {
    struct sherd_record_meta meta;
    struct sherd_attribute attributes[SHERD_ATTRIBUTES_MAX];
    char names[SHERD_ATTRIBUTES_MAX][SHERD_ATTRIBUTE_NAME_BYTES_MAX + 1];
    struct sherd_record_link links[SHERD_LINKS_MAX];
    char *link_texts[SHERD_LINKS_MAX]; /**< what links point to */
    struct sherd_record_info *old;     /**< what was taken over from the version before */
};

/**
 * Read the options of put. @param[out] out_meta  borrows from cli; end with cli_meta_done(). @return SHERD_OK;
 * SHERD_ERR_INVALID
 */
SHERD_MUST_USE enum sherd_err cli_meta_read(const struct cli *cli, struct cli_meta *out_meta);

/**
 * Read the options of update: what they do not say stays as it is. "NAME" without "=" removes an attribute.
 * @param[in,out] version_expected  set to the version that was taken over from, if it was 0 and anything was
 * @param[out]    out_given         whether any option says anything; otherwise the meta is not to be used
 * @return SHERD_OK; SHERD_ERR_INVALID; as sherd_record_stat()
 */
SHERD_MUST_USE enum sherd_err cli_meta_read_update(const struct cli *cli, struct sherd_vault *vault,
                                                   struct sherd_uuid id, uint64_t *version_expected,
                                                   struct cli_meta *out_meta, bool *out_given);

/**
 * Read one --link. @param[in,out] text  the option's own copy, which is cut and pointed into
 * @return SHERD_OK; SHERD_ERR_INVALID
 */
SHERD_MUST_USE enum sherd_err cli_link_parse(char *text, struct sherd_record_link *out_link);

/** A link as --link takes it. @param[in,out] out_text  appended */
SHERD_MUST_USE enum sherd_err cli_link_text(const struct sherd_record_link *link, struct sherd_buf *out_text);

void cli_meta_done(struct cli_meta *meta);

#endif
