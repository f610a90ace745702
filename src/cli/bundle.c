/* SPDX-License-Identifier: Apache-2.0 */
/* Backups as files, and receipts. See bundle.h. */
#include "cli/bundle.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static enum sherd_err read_more(void *arg, uint8_t *block, size_t size, size_t *out_bytes)
{
    const struct cli_bundle *bundle = arg;

    return cli_read_full(bundle->fd, bundle->name, block, size, out_bytes);
}

static enum sherd_err read_epoch_key(const char *path, struct cli_bundle *bundle)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t len = 0;

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%.160s", path);
    SHERD_TRY(cli_read_full(fd, path, bundle->epoch_block, sizeof(bundle->epoch_block), &len));
    SHERD_ENSURE(len > 0 && len < sizeof(bundle->epoch_block), SHERD_ERR_INVALID,
                 "that is no file with an epoch's key: `sherd backup --epoch-key FILE` makes one");
    bundle->keys.epoch_key = sherd_span_of(bundle->epoch_block, len);
    return SHERD_OK;
}

enum sherd_err cli_bundle_open(const struct cli *cli, const char *path, const char *epoch_key, const char *vault,
                               bool unseals, struct cli_bundle *bundle)
{
    struct stat st;

    SHERD_TRY(cli_input_open(cli, path, &bundle->fd));
    bundle->name = cli_input_name(path);
    bundle->in = (struct sherd_backup_in){.read = read_more, .arg = bundle};
    if (fstat(bundle->fd, &st) == 0 && S_ISREG(st.st_mode))
        bundle->in.total_bytes = (uint64_t)st.st_size;
    if (epoch_key != NULL)
        SHERD_TRY(read_epoch_key(epoch_key, bundle));
    bundle->keys.vault = vault;
    if (!unseals)
        return SHERD_OK;
    SHERD_TRY(cli_unseal_read(cli, false, &bundle->unseal));
    bundle->keys.unseal = &bundle->unseal.unseal;
    SHERD_TRY(cli_key_store_read(cli, false, &bundle->key_store));
    bundle->keys.key_store = bundle->key_store.given;
    return SHERD_OK;
}

void cli_bundle_done(struct cli_bundle *bundle)
{
    cli_unseal_done(&bundle->unseal);
    cli_key_store_done(&bundle->key_store);
    cli_fd_closep(&bundle->fd);
    bundle->fd = -1;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static enum sherd_err write_more(void *arg, struct sherd_span bytes)
{
    const struct cli_bundle_out *out = arg;

    return cli_write_full(out->fd, out->name, bytes.data, bytes.len);
}

enum sherd_err cli_bundle_create(const char *path, struct cli_bundle_out *out)
{
    out->out = (struct sherd_backup_out){.write = write_more, .arg = out};
    if (strcmp(path, "-") == 0) {
        SHERD_ENSURE(!isatty(STDOUT_FILENO), SHERD_ERR_INVALID, "a backup is nothing for a terminal: name a file");
        out->fd = STDOUT_FILENO;
        out->name = "standard output";
        return SHERD_OK;
    }
    if (access(path, F_OK) == 0) {
        struct stat st;

        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return sherd_fail(SHERD_ERR_CONFLICT, "%.160s is there already: a backup replaces nothing", path);
    }
    SHERD_TRY(cli_output_begin_path(path, &out->output));
    out->fd = out->output.fd;
    out->name = path;
    return SHERD_OK;
}

enum sherd_err cli_bundle_commit(struct cli_bundle_out *out)
{
    return out->output.fd >= 0 ? cli_output_commit(&out->output, false, true) : SHERD_OK;
}

enum sherd_err cli_write_new(const char *path, struct sherd_span bytes)
{
    SHERD_CLEANUP(cli_output_done) struct cli_output output = {.dir_fd = -1, .fd = -1};

    SHERD_TRY(cli_output_begin_path(path, &output));
    SHERD_TRY(cli_write_full(output.fd, path, bytes.data, bytes.len));
    return cli_output_commit(&output, false, true);
}

enum sherd_err cli_receipt_check(const struct cli *cli, const char *path)
{
    SHERD_CLEANUP(cli_output_done) struct cli_output output = {.dir_fd = -1, .fd = -1};

    SHERD_ENSURE(path == NULL || cli->user == NULL || strcmp(cli->user, SHERD_USER_OWNER) == 0, SHERD_ERR_DENIED,
                 "only the vault's owner makes receipts");
    if (path != NULL && access(path, F_OK) == 0)
        return sherd_fail(SHERD_ERR_CONFLICT, "%.160s is there already: a receipt replaces nothing", path);
    return path != NULL ? cli_output_begin_path(path, &output) : SHERD_OK; /* it can be written; and is removed again */
}

enum sherd_err cli_receipt_write(struct sherd_vault *vault, const struct sherd_receipt_request *request,
                                 const char *path)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf receipt = {.max = SHERD_RECEIPT_BYTES_MAX};

    if (path == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_receipt_make(vault, request, &receipt));
    return cli_write_new(path, sherd_buf_span(&receipt));
}
