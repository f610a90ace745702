/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/ledger.h
 * What commands about the ledger share: whom a word of the command line means, events for people and as JSON, and
 * receipts that other commands write.
 */
#ifndef SHERD_CLI_LEDGER_H
#define SHERD_CLI_LEDGER_H

#include "cli/cli.h"

/** Before a record is stored: whether its receipt can be written there. NULL is accepted. @return as cli_write_new() */
SHERD_MUST_USE enum sherd_err cli_ledger_receipt_check(const char *path);

/** Write the receipt of a version to a file; nothing where path is NULL. */
SHERD_MUST_USE enum sherd_err cli_ledger_receipt_write(struct sherd_vault *vault, struct sherd_uuid id,
                                                       uint64_t version, const char *path);

/**
 * Read an id as 8-4-4-4-12 digits, of whatever version. @return false if it is none
 */
bool cli_parse_id(const char *text, struct sherd_uuid *out_id);

/** A checkpoint that the command line names: of a size, or in a file. */
struct cli_ledger_point {
    uint64_t size;
    bool signed_elsewhere; /**< it was in a file, and the ledger only grew since */
};

/**
 * Read one. @param[in] text  a number; or a file's name, "-" for standard input
 * @return as sherd_ledger_compare(); SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err cli_ledger_point_read(const struct cli *cli, struct sherd_vault *vault, const char *text,
                                                    struct cli_ledger_point *out_point);

/** What a word of the command line means. Start all zero but for the first four. */
struct cli_ledger_subject {
    const char *word;
    const char *as;                  /**< "record", "entity", "user" or "id"; NULL: what it looks like */
    const char *collection;          /**< of entities; NULL for "default" */
    const char *user;                /**< who asks; NULL for the owner: others may ask of records alone */
    struct sherd_ledger_query query; /**< out */
};

/** The first meaning that a word may have. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err cli_ledger_subject_first(struct cli_ledger_subject *subject);
/** Another meaning, where the ledger says nothing of the one before. @return false: there is none */
bool cli_ledger_subject_next(struct cli_ledger_subject *subject);

/** Events on their way to stdout. Start all zero but for the first; end with cli_ledger_print_done(). */
struct cli_ledger_print {
    const struct cli *cli;
    struct sherd_user_info *users; /**< who has which id, as far as it is known */
    size_t user_count;
    uint64_t count; /**< of events */
};

/** Learn the names of users, where that is allowed. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err cli_ledger_print_begin(struct cli_ledger_print *print, struct sherd_vault *vault);
/** One line, or one JSON object; a sherd_ledger_visit_fn over a struct cli_ledger_print. */
enum sherd_err cli_ledger_print_event(void *arg, const struct sherd_ledger_event *event);
/** The last line: how many, and what they were verified against. */
SHERD_MUST_USE enum sherd_err cli_ledger_print_end(struct cli_ledger_print *print,
                                                   const struct sherd_ledger_head *head);
void cli_ledger_print_done(struct cli_ledger_print *print);

#endif
