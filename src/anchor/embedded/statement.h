/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/embedded/statement.h
 * What the anchor puts its name to: that something is gone. It signs only what it has looked up itself, with a key of
 * the deployment's own, as a note (envelope/note.h). Names of collections, entities and records stand in it as salted
 * hashes. docs/format/receipt.md
 */
#ifndef SHERD_ANCHOR_EMBEDDED_STATEMENT_H
#define SHERD_ANCHOR_EMBEDDED_STATEMENT_H

#include "anchor/keys/entities.h"
#include "anchor/pins/pins.h"
#include "anchor/rekey/rekey.h"
#include <sherd/receipt.h>

#define SHERD_STATEMENT_SALT_SIZE 16U
/** What stands for a name: hexadecimal digits, and a zero byte. */
#define SHERD_STATEMENT_HASH_TEXT_SIZE (2U * SHERD_SHA256_SIZE + 1U)

/** What is to be stated. */
struct sherd_statement {
    enum sherd_receipt_kind kind;
    const char *collection; /**< its name, with an entity; NULL for none. Its id follows from it */
    const char *entity;     /**< NULL for none */
    const struct sherd_uuid *records;
    size_t record_count;
    const char *master_key; /**< NULL: every version that is not active. Or a store key that is destroyed */
    uint64_t master_version;
};

/** What it is looked up in. All borrowed. */
struct sherd_statement_parts {
    struct sherd_rekey_parts rekey;
    struct sherd_masters *masters;
    struct sherd_entry_keys assets; /**< for ids of collections */
    struct sherd_uuid deployment;
};

/**
 * Look it up, and sign it.
 * @param[in,out] out_note  the note is appended
 * @return SHERD_OK; SHERD_ERR_CONFLICT: it is not so; SHERD_ERR_NOT_FOUND: no such version of a master key;
 *         SHERD_ERR_INVALID: something that its kind needs is missing; ...
 */
SHERD_MUST_USE enum sherd_err sherd_statement_sign(const struct sherd_statement_parts *parts,
                                                   const struct sherd_statement *statement, struct sherd_buf *out_note);

/** The public key, as text. @param[in,out] out_text  appended */
SHERD_MUST_USE enum sherd_err sherd_statement_key(const struct sherd_statement_parts *parts,
                                                  struct sherd_buf *out_text);

/**
 * What stands for a name in a statement: salted, and told apart by what is named. owner: the collection of an entity
 */
SHERD_MUST_USE enum sherd_err sherd_statement_hash(const uint8_t salt[static SHERD_STATEMENT_SALT_SIZE],
                                                   const char *what, struct sherd_span owner, struct sherd_span name,
                                                   char out_text[SHERD_STATEMENT_HASH_TEXT_SIZE]);

#endif
