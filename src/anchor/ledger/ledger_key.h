/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/ledger_key.h
 * The keys by which a ledger signs its checkpoints: Ed25519, and beside it ML-DSA-44 wherever OpenSSL has it, so that a
 * vault may come from a machine that has none, or go to one. docs/format/ledger.md, sections 4 and 7.
 */
#ifndef SHERD_ANCHOR_LEDGER_LEDGER_KEY_H
#define SHERD_ANCHOR_LEDGER_LEDGER_KEY_H

#include "crypto/sign.h"
#include <sherd/uuid.h>
#include <stdbool.h>

/** Whose keys: all borrowed. */
struct sherd_ledger_key {
    const char *origin;  /**< the log's name, and its keys' */
    const uint8_t *seed; /**< of the ledger: SHERD_SIGN_SEED_SIZE bytes in secret memory */
    struct sherd_uuid deployment;
};

/** A log's name with its zero byte, at most. */
#define SHERD_LEDGER_KEY_NAME_SIZE 64U

/** A new name: random, so that a ledger that begins anew, of a vault that was brought back, is no fork of another. */
SHERD_MUST_USE enum sherd_err sherd_ledger_key_origin(const struct sherd_uuid *deployment,
                                                      char out_origin[static SHERD_LEDGER_KEY_NAME_SIZE]);

/** Sign the text of a checkpoint. @param[in,out] out_note  appended */
SHERD_MUST_USE enum sherd_err sherd_ledger_key_sign(const struct sherd_ledger_key *key, struct sherd_span text,
                                                    struct sherd_buf *out_note);

/** Whether a checkpoint bears a signature of ML-DSA-44 by that name. Nothing is verified. */
bool sherd_ledger_key_is_double(const struct sherd_ledger_key *key, struct sherd_span note);

/** The public key of Ed25519, as text, without a newline. @param[in,out] out_text  appended */
SHERD_MUST_USE enum sherd_err sherd_ledger_key_text(const struct sherd_ledger_key *key, struct sherd_buf *out_text);

/**
 * The public keys that signed a checkpoint, in lines, without a newline at the end: that of Ed25519, and that of
 * ML-DSA-44 where the checkpoint has its signature, and OpenSSL knows of it.
 */
SHERD_MUST_USE enum sherd_err sherd_ledger_key_texts(const struct sherd_ledger_key *key, struct sherd_span note,
                                                     struct sherd_buf *out_text);

#endif
