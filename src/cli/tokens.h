/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/tokens.h
 * Shares sealed to tokens: files of them opened with the token and its PIN, and new ones sealed to the token's public
 * key.
 */
#ifndef SHERD_CLI_TOKENS_H
#define SHERD_CLI_TOKENS_H

#include "cli/cli.h"
#include "envelope/token_box.h"

/**
 * Open a share that is sealed to a token. The PIN goes to the token that has the key, and to no other, once.
 * @param[in]     nth       how many such files were opened before: which PIN is meant
 * @param[in]     path      names the file in messages
 * @param[in]     file      its text
 * @param[in,out] out_text  the text of the share is appended; in secret memory
 * @return SHERD_OK; SHERD_ERR_INVALID: no such text, or options; SHERD_ERR_DENIED: the PIN, or not this token's;
 *         SHERD_ERR_NOT_FOUND: the token or its module; SHERD_ERR_UNSUPPORTED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_token_open(const struct cli *cli, size_t nth, const char *path,
                                             struct sherd_span file, struct sherd_buf *out_text);

/** To whom a share is sealed. */
struct cli_token_to {
    struct sherd_pubkey key;
    char uri[SHERD_TOKEN_URI_BYTES_MAX + 1]; /**< where the token is found; "" where only its key is known */
};

/**
 * Look a public key up.
 * @param[in] value  a URI of PKCS#11, whose token is asked; else a file in PEM: a public key or a certificate
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_NOT_FOUND; SHERD_ERR_UNSUPPORTED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_token_find(const struct cli *cli, const char *value, struct cli_token_to *out_to);

/** Seal a share, as the text of its file. @param[in,out] out_text  appended */
SHERD_MUST_USE enum sherd_err cli_token_seal(const struct cli_token_to *to, const struct sherd_share_given *share,
                                             struct sherd_buf *out_text);

#endif
