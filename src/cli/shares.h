/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/shares.h
 * Shares on their way in, from files, standard input and the terminal, and on their way out, to their holders.
 */
#ifndef SHERD_CLI_SHARES_H
#define SHERD_CLI_SHARES_H

#include "cli/cli.h"

/* ---- In ---------------------------------------------------------------------------------------------------------- */

/** Text of shares, in secret memory. Start it all zero. */
struct cli_shares {
    uint8_t *block;
    struct sherd_buf text; /**< borrows block */
    size_t token_count;    /**< of files that were sealed to tokens */
};

void cli_shares_done(struct cli_shares *shares);

/**
 * Read files of shares, as they are or sealed to a holder: in the format of age, which open by --holder-identity or by
 * a passphrase, or to a token, which open by it and its PIN.
 * @param[in]  files       count names; "-" is standard input
 * @param[out] out_shares  end with cli_shares_done(), also after a failure
 * @return SHERD_OK; SHERD_ERR_INVALID (others may read a file; too long); SHERD_ERR_DENIED (sealed to somebody else);
 *         SHERD_ERR_NOT_FOUND; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_shares_read(const struct cli *cli, const char *const *files, size_t count,
                                              struct cli_shares *out_shares);

/** What the files of --share-file say, to unseal with. */
SHERD_MUST_USE enum sherd_err cli_shares_unseal(const struct cli *cli, struct cli_unseal *out_unseal);

/** Whether shares are to be asked for: nothing was given, and no seal of the vault is by a passphrase. */
bool cli_shares_wanted(const struct cli *cli, const char *vault);

/** Ask for shares on the terminal, one after another, until there are enough; each wrong one is told at once. */
SHERD_MUST_USE enum sherd_err cli_shares_ask(const char *vault, struct cli_unseal *out_unseal);

/** Ask for one share on the terminal, unchecked. */
SHERD_MUST_USE enum sherd_err cli_share_ask(struct cli_unseal *out_unseal);

/* ---- Out --------------------------------------------------------------------------------------------------------- */

/** The options of commands that make shares: first in their tables, in this order. */
enum {
    CLI_OPT_SHARES,
    CLI_OPT_THRESHOLD,
    CLI_OPT_COPIES,
    CLI_OPT_PARTS,
    CLI_OPT_HOLDERS,
    CLI_OPT_SHARES_OUT,
    CLI_OPT_SHARE_RECIPIENT,
    CLI_OPT_SHARE_PASSPHRASE,
    CLI_OPT_SHARE_TOKEN,
    CLI_OPT_SHARES_END
};

#define CLI_SHARES_OPTIONS                                                                               \
    [CLI_OPT_SHARES] = {"shares", 0, "N", "seal by N shares that people hold"},                          \
    [CLI_OPT_THRESHOLD] = {"threshold", 0, "K", "any K of the shares open, 2 or more"},                  \
    [CLI_OPT_COPIES] = {"copies", 0, NULL, "each of the shares opens alone"},                            \
    [CLI_OPT_PARTS] = {"parts", 0, "N", "seal by N parts, all of which are needed"},                     \
    [CLI_OPT_HOLDERS] = {"holders", 0, "A,B,...", "names of those who hold the shares"},                 \
    [CLI_OPT_SHARES_OUT] = {"shares-out", 0, "DIR", "write a file for each share; - prints them"},       \
    [CLI_OPT_SHARE_RECIPIENT] = {"share-recipient", 0, "HOLDER=KEY", "seal a share to a key of age"},    \
    [CLI_OPT_SHARE_PASSPHRASE] = {"share-passphrase-file", 0, "HOLDER=FILE", "seal it by a passphrase"}, \
    [CLI_OPT_SHARE_TOKEN] = {"share-token", 0, "HOLDER=URI", "seal it to a token: pkcs11:..., or its key in a file"}

struct cli_shares_token;

/** Where shares go. Start it all zero. */
struct cli_shares_out {
    const struct cli *cli;
    struct sherd_shares_options options;
    bool wanted; /**< shares were asked for */
    bool fips;   /**< set by the command, before cli_shares_out_begin(): the vault is in FIPS mode */
    char *names; /* the holders' names, one after another */
    const char *holders[SHERD_SHARES_MAX];
    bool print;      /* to stdout */
    const char *dir; /* else */
    int dir_fd;
    bool dir_made;
    size_t written;
    char (*files)[96];               /* names of those that were written */
    struct cli_shares_token *tokens; /* of those who have one; token_count of them */
    size_t token_count;
};

/**
 * What the options of the command ask for, checked.
 * @param[in] again  new shares for a seal: the numbers may be missing, for as many as before, and then so may holders
 * @return SHERD_OK, with wanted set if shares were asked for; SHERD_ERR_INVALID; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_shares_out_parse(const struct cli *cli, bool again, struct cli_shares_out *out);

/** The holders of the shares that are replaced, where again and no numbers were given. */
SHERD_MUST_USE enum sherd_err cli_shares_out_same(const struct sherd_seal_info *seal, struct cli_shares_out *out);

/** Look at where they go, before any is made. */
SHERD_MUST_USE enum sherd_err cli_shares_out_begin(struct cli_shares_out *out);

/** A sherd_share_give_fn; arg is the struct cli_shares_out. */
SHERD_MUST_USE enum sherd_err cli_shares_give(void *arg, const struct sherd_share_given *share);

/** The shares open nothing: remove the files. The detail text stays. */
void cli_shares_out_undo(struct cli_shares_out *out);

/** Tell people where the shares are. */
void cli_shares_out_tell(const struct cli_shares_out *out);

void cli_shares_out_done(struct cli_shares_out *out);

#endif
