/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/key_store.h
 * The key store of the command line: --key-store, --key-store-password-file, --key-store-password-fd.
 */
#ifndef SHERD_CLI_KEY_STORE_H
#define SHERD_CLI_KEY_STORE_H

#include "cli/cli.h"

/** What the options say; the password lies in secret memory. Start it all zero. */
struct cli_key_store {
    const struct sherd_key_store_file *given; /**< NULL if they say nothing */
    struct sherd_key_store_file file;
    char path[SHERD_KEY_STORE_PATH_SIZE]; /**< absolute, without links; "" if it was not named */
    uint8_t *block;
};

/**
 * Read what the options say.
 * @param[in]  path_needed    for a key store that the vault does not know yet; if false, there need be no options
 * @param[out] out_key_store  end with cli_key_store_done(), also after a failure; stays where it is
 * @return SHERD_OK; SHERD_ERR_INVALID (a part is missing); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_key_store_read(const struct cli *cli, bool path_needed,
                                                 struct cli_key_store *out_key_store);

/** Wipe and give back. */
void cli_key_store_done(struct cli_key_store *key_store);

/** Tell what is worth knowing of a file that is about to become a key store. */
void cli_key_store_warn(const struct cli *cli, const struct cli_key_store *key_store);

/** `sherd key protection`: cmd_key_protection.c */
SHERD_MUST_USE enum sherd_err cli_key_protection(struct cli *cli);

#endif
