/* SPDX-License-Identifier: Apache-2.0 */
/* What shows that it is a user who asks: a passphrase or a private key, always in secret memory. */
#include "cli/cli.h"
#include "cli/io.h"
#include "crypto/ct.h"

#include <fcntl.h>
#include <string.h>

static enum sherd_err check_length(const uint8_t *block, size_t len, struct sherd_span *out_passphrase)
{
    SHERD_ENSURE(len > 0, SHERD_ERR_INVALID, "the passphrase is empty");
    SHERD_ENSURE(len <= SHERD_PASSPHRASE_BYTES_MAX, SHERD_ERR_INVALID, "the passphrase is longer than 1024 bytes");
    *out_passphrase = sherd_span_of(block, len);
    return SHERD_OK;
}

static int open_terminal(void)
{
    return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

enum sherd_err cli_user_passphrase_read(const struct cli *cli, const char *path, uint8_t *block,
                                        struct sherd_span *out_passphrase)
{
    SHERD_CLEANUP(cli_fd_closep) int tty = path == NULL ? open_terminal() : -1;
    uint8_t *again = block + CLI_SECRET_BYTES;
    size_t len = 0;
    size_t again_len = 0;

    if (path != NULL) {
        SHERD_TRY(cli_secret_file_read(cli, path, "user's passphrase file", block, &len));
        return check_length(block, len, out_passphrase);
    }
    SHERD_ENSURE(tty >= 0, SHERD_ERR_INVALID,
                 "no passphrase: there is no terminal to ask on; give --new-passphrase-file or --public-key");
    SHERD_TRY(cli_ask(tty, "New user's passphrase: ", block, &len));
    SHERD_TRY(cli_ask(tty, "Once more: ", again, &again_len));
    SHERD_ENSURE(len == again_len && sherd_ct_equal(block, again, len), SHERD_ERR_INVALID,
                 "the two passphrases differ: nothing was done");
    return check_length(block, len, out_passphrase);
}

static enum sherd_err check_user(const struct cli *cli)
{
    const bool by_key = cli->user_key != NULL;
    const bool by_passphrase = cli->user_passphrase_file != NULL;

    SHERD_ENSURE(cli->user != NULL || (!by_key && !by_passphrase), SHERD_ERR_INVALID,
                 "--user-key and --user-passphrase-file need --user");
    SHERD_ENSURE(!by_key || !by_passphrase, SHERD_ERR_INVALID, "give one of --user-key and --user-passphrase-file");
    SHERD_ENSURE(cli->user == NULL || strcmp(cli->user, SHERD_USER_OWNER) != 0 || (!by_key && !by_passphrase),
                 SHERD_ERR_INVALID, "the vault's owner needs no key or passphrase but the vault's");
    return SHERD_OK;
}

enum sherd_err cli_user_none(const struct cli *cli)
{
    SHERD_ENSURE(cli->user == NULL && cli->user_key == NULL && cli->user_passphrase_file == NULL, SHERD_ERR_INVALID,
                 "the vault is unsealed and sealed by its owner: --user does not go with that");
    return SHERD_OK;
}

enum sherd_err cli_user_read(const struct cli *cli, uint8_t *block, struct sherd_vault_open_options *options)
{
    SHERD_CLEANUP(cli_fd_closep) int tty = -1;
    size_t len = 0;

    SHERD_TRY(check_user(cli));
    if (cli->user == NULL || strcmp(cli->user, SHERD_USER_OWNER) == 0)
        return SHERD_OK;
    options->user = cli->user;
    if (cli->user_key != NULL) {
        SHERD_TRY(cli_secret_file_read(cli, cli->user_key, "user's key file", block, &len));
        options->user_key = sherd_span_of(block, len);
        return SHERD_OK;
    }
    if (cli->user_passphrase_file != NULL) {
        SHERD_TRY(cli_secret_file_read(cli, cli->user_passphrase_file, "user's passphrase file", block, &len));
        return check_length(block, len, &options->user_passphrase);
    }
    tty = open_terminal();
    SHERD_ENSURE(tty >= 0, SHERD_ERR_INVALID,
                 "no passphrase: there is no terminal to ask on; give --user-key or --user-passphrase-file");
    SHERD_TRY(cli_ask(tty, "User's passphrase: ", block, &len));
    return check_length(block, len, &options->user_passphrase);
}
