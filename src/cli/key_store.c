/* SPDX-License-Identifier: Apache-2.0 */
/* The key store of the command line: see key_store.h. */
#include "cli/key_store.h"
#include "base/secret.h"
#include "kms/protection.h"

#include <unistd.h>

static bool is_named(const struct cli *cli)
{
    return cli->key_store != NULL || cli->key_store_password_file != NULL || cli->key_store_password_fd != NULL;
}

static enum sherd_err check(const struct cli *cli, bool path_needed)
{
    SHERD_ENSURE(!path_needed || cli->key_store != NULL, SHERD_ERR_INVALID, "say which file it is: --key-store");
    SHERD_ENSURE(cli->key_store_password_file == NULL || cli->key_store_password_fd == NULL, SHERD_ERR_INVALID,
                 "give one of --key-store-password-file and --key-store-password-fd");
    SHERD_ENSURE(cli->key_store_password_file != NULL || cli->key_store_password_fd != NULL, SHERD_ERR_INVALID,
                 "the key store's password is missing: --key-store-password-file or --key-store-password-fd");
    return SHERD_OK;
}

enum sherd_err cli_key_store_read(const struct cli *cli, bool path_needed, struct cli_key_store *out_key_store)
{
    size_t len = 0;

    if (!path_needed && !is_named(cli))
        return SHERD_OK;
    SHERD_TRY(check(cli, path_needed));
    if (cli->key_store != NULL) { /* the agent has another working directory */
        SHERD_TRY(sherd_key_file_path(cli->key_store, out_key_store->path));
        out_key_store->file.path = out_key_store->path;
    }
    out_key_store->block = sherd_secret_alloc(CLI_SECRET_BYTES);
    if (out_key_store->block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_key_store_password_read(cli, out_key_store->block, &len));
    SHERD_ENSURE(len > 0, SHERD_ERR_INVALID, "the key store's password is empty");
    SHERD_ENSURE(len <= SHERD_KEY_STORE_PASSWORD_BYTES_MAX, SHERD_ERR_INVALID,
                 "the key store's password is longer than 1024 bytes");
    out_key_store->file.password = sherd_span_of(out_key_store->block, len);
    out_key_store->given = &out_key_store->file;
    return SHERD_OK;
}

void cli_key_store_done(struct cli_key_store *key_store)
{
    sherd_secret_free(key_store->block);
    *key_store = (struct cli_key_store){0};
}

void cli_key_store_warn(const struct cli *cli, const struct cli_key_store *key_store)
{
    if (access(key_store->path, F_OK) == 0)
        cli_warn(cli,
                 "note: the key store is there already: a key of this vault is added to it, or the one that it has "
                 "is used");
    if (cli_inside_vault(key_store->path))
        cli_warn(cli, "warning: the key store lies inside a vault: keep it elsewhere, a thief of one should not get "
                      "both");
}
