/* SPDX-License-Identifier: Apache-2.0 */
/* Shares on their way in: see shares.h. */
#include "cli/shares.h"
#include "anchor/seal/share_seal.h"
#include "base/mem.h"
#include "cli/io.h"
#include "cli/tokens.h"
#include "crypto/approved.h"
#include "envelope/age.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_BYTES ((size_t)128 << 10)
#define FILE_BYTES ((size_t)64 << 10)
#define IDENTITIES_MAX 16U
/* Room for one share. */
#define SHARE_TEXT_BYTES ((size_t)1024)

void cli_shares_done(struct cli_shares *shares)
{
    sherd_secret_free(shares->block);
    *shares = (struct cli_shares){0};
}

static enum sherd_err shares_begin(struct cli_shares *shares)
{
    shares->block = sherd_secret_alloc(TEXT_BYTES);
    if (shares->block == NULL)
        return SHERD_ERR_NO_MEMORY;
    shares->text = sherd_buf_borrow(shares->block, TEXT_BYTES);
    return SHERD_OK;
}

static enum sherd_err append_text(struct cli_shares *shares, struct sherd_span text)
{
    enum sherd_err err = sherd_buf_append(&shares->text, text);

    if (err == SHERD_OK)
        err = sherd_buf_append(&shares->text, sherd_span_str("\n"));
    return err == SHERD_ERR_LIMIT ? sherd_fail(SHERD_ERR_INVALID, "the files of shares are too long") : err;
}

static enum sherd_err see_nothing(void *arg, const struct sherd_share_info *info)
{
    (void)arg;
    (void)info;
    return SHERD_OK;
}

/* What a file holds, if it is shares: else the file is named. */
static enum sherd_err append_file(struct cli_shares *shares, const char *path, struct sherd_span text)
{
    const enum sherd_err err = sherd_share_each(NULL, text, see_nothing, NULL);

    if (err != SHERD_OK)
        return sherd_fail(err, "%.100s: %s", cli_input_name(path), sherd_err_detail());
    return append_text(shares, text);
}

/* ---- Files sealed to their holders ------------------------------------------------------------------------------- */

/* In secret memory. */
struct identities {
    uint8_t text[8192];
    struct sherd_age_identity keys[IDENTITIES_MAX];
};

static enum sherd_err open_by_identity(const struct cli *cli, struct sherd_span file, struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_secret_freep) struct identities *identities =
        sherd_secret_alloc(sizeof(*identities));
    size_t len = 0;
    size_t count = 0;

    if (identities == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(cli->share_identity != NULL, SHERD_ERR_DENIED,
                 "a share is sealed to its holder's key: give the private one by --holder-identity");
    SHERD_CLEANUP(cli_fd_closep) int fd = open(cli->share_identity, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "identity %.120s", cli->share_identity);
    SHERD_TRY(cli_read_full(fd, "identity", identities->text, sizeof(identities->text), &len));
    SHERD_ENSURE(len < sizeof(identities->text), SHERD_ERR_INVALID,
                 "the file of --holder-identity is too long to be one");
    SHERD_TRY(sherd_age_identities_parse(sherd_span_of(identities->text, len), IDENTITIES_MAX, identities->keys,
                                         &count));
    return sherd_age_open(identities->keys, count, file, out_plain);
}

static enum sherd_err open_by_passphrase(const struct cli *cli, const char *path, struct sherd_span file,
                                         struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *passphrase = sherd_secret_alloc(CLI_SECRET_BYTES);
    char prompt[192];
    size_t len = 0;

    if (passphrase == NULL)
        return SHERD_ERR_NO_MEMORY;
    (void)snprintf(prompt, sizeof(prompt), "Passphrase of %.160s: ", path);
    SHERD_TRY(cli_passphrase_read(cli, prompt, passphrase, &len));
    SHERD_ENSURE(len > 0, SHERD_ERR_INVALID, "the passphrase is empty");
    if (sherd_share_is_sealed(file))
        return sherd_share_open(sherd_span_of(passphrase, len), file, out_plain);
    return sherd_age_open_passphrase(sherd_span_of(passphrase, len), file, out_plain);
}

/* What a sealed share wants, if the vault takes it at all. */
static enum sherd_err open_kind(const struct cli *cli, struct sherd_span file, bool *out_wants_passphrase)
{
    if (sherd_share_is_sealed(file)) {
        *out_wants_passphrase = true;
        return SHERD_OK;
    }
    SHERD_TRY(sherd_approved_check(cli_seals_fips(cli), SHERD_ALGORITHM_AGE));
    return sherd_age_wants_passphrase(file, out_wants_passphrase);
}

static enum sherd_err open_sealed(const struct cli *cli, const char *path, struct sherd_span file,
                                  struct cli_shares *shares)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(FILE_BYTES);
    struct sherd_buf plain;
    bool wants = false;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    plain = sherd_buf_borrow(block, FILE_BYTES);
    enum sherd_err err = open_kind(cli, file, &wants);
    if (err == SHERD_OK)
        err = wants ? open_by_passphrase(cli, path, file, &plain) : open_by_identity(cli, file, &plain);
    if (err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED) /* not something of the vault */
        return sherd_fail(SHERD_ERR_DENIED, "%.120s: %s", path, sherd_err_detail());
    SHERD_TRY(err);
    return append_file(shares, path, sherd_buf_span(&plain));
}

static enum sherd_err open_by_token(const struct cli *cli, const char *path, struct sherd_span file,
                                    struct cli_shares *shares)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(SHARE_TEXT_BYTES);
    struct sherd_buf text;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    text = sherd_buf_borrow(block, SHARE_TEXT_BYTES);
    SHERD_TRY(cli_token_open(cli, shares->token_count, cli_input_name(path), file, &text));
    shares->token_count++;
    return append_file(shares, path, sherd_buf_span(&text));
}

/* ---- Files ------------------------------------------------------------------------------------------------------- */

static enum sherd_err open_file(const char *path, int *out_fd)
{
    SHERD_TRY(cli_check_no_share(path));
    *out_fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                     : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*out_fd < 0)
        return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "share file %.120s",
                                cli_input_name(path));
    return SHERD_OK;
}

/* A share that others may read is none that one person holds. */
static enum sherd_err check_private(int fd, const char *path)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return sherd_fail(SHERD_ERR_INVALID, "other users may read the share in %.120s: chmod 600 it", path);
    return SHERD_OK;
}

static enum sherd_err read_file(const struct cli *cli, const char *path, struct cli_shares *shares)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(FILE_BYTES);
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    size_t len = 0;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(open_file(path, &fd));
    SHERD_TRY(cli_read_full(fd, cli_input_name(path), block, FILE_BYTES, &len));
    if (len == FILE_BYTES)
        return sherd_fail(SHERD_ERR_INVALID, "%.120s is too long for shares", cli_input_name(path));
    const struct sherd_span file = sherd_span_of(block, len);
    if (sherd_age_is_file(file) || sherd_share_is_sealed(file))
        return open_sealed(cli, path, file, shares);
    if (sherd_token_box_is_text(file))
        return open_by_token(cli, path, file, shares);
    SHERD_TRY(check_private(fd, path));
    return append_file(shares, path, file);
}

enum sherd_err cli_shares_read(const struct cli *cli, const char *const *files, size_t count,
                               struct cli_shares *out_shares)
{
    unsigned stdin_count = 0;

    for (size_t i = 0; i < count; i++)
        stdin_count += strcmp(files[i], "-") == 0;
    SHERD_ENSURE(stdin_count <= 1, SHERD_ERR_INVALID, "standard input is named twice");
    SHERD_TRY(shares_begin(out_shares));
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(read_file(cli, files[i], out_shares));
    return SHERD_OK;
}

enum sherd_err cli_shares_unseal(const struct cli *cli, struct cli_unseal *out_unseal)
{
    struct cli_shares shares = {0};
    const enum sherd_err err = cli_shares_read(cli, cli->share_files, cli->share_file_count, &shares);

    out_unseal->block = shares.block;
    out_unseal->unseal.shares = sherd_buf_span(&shares.text);
    return err;
}

/* ---- The terminal ------------------------------------------------------------------------------------------------ */

struct kinds {
    bool passphrase;
    bool shares;
};

static enum sherd_err see_kind(void *arg, const struct sherd_seal_info *info)
{
    struct kinds *kinds = arg;

    kinds->passphrase |= info->kind == SHERD_SEAL_PASSPHRASE;
    kinds->shares |= info->kind == SHERD_SEAL_SHARES || info->kind == SHERD_SEAL_PARTS;
    return SHERD_OK;
}

bool cli_shares_wanted(const struct cli *cli, const char *vault)
{
    struct kinds kinds = {0};

    if (cli->passphrase_file != NULL || cli->passphrase_fd != NULL || cli->key_file != NULL ||
        cli->share_file_count > 0)
        return false;
    return sherd_seal_each(vault, see_kind, &kinds) == SHERD_OK && kinds.shares && !kinds.passphrase;
}

/* The three lines of one share. */
static enum sherd_err ask_share(int tty, struct cli_shares *shares)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *line = sherd_secret_alloc(CLI_SECRET_BYTES);
    char prompt[32];
    size_t len = 0;

    if (line == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (unsigned number = 1; number <= 3; number++) {
        (void)snprintf(prompt, sizeof(prompt), "Share, line %u: ", number);
        SHERD_TRY(cli_ask(tty, prompt, line, &len));
        SHERD_ENSURE(len > 0, SHERD_ERR_SEALED, "no more shares were given");
        SHERD_ENSURE(!sherd_token_box_is_text(sherd_span_of(line, len)), SHERD_ERR_INVALID,
                     "this share is sealed to a token: give its file by --share-file, and --pkcs11-module");
        SHERD_TRY(append_text(shares, sherd_span_of(line, len)));
    }
    return SHERD_OK;
}

/* What the terminal is told, outside of the result. */
static enum sherd_err say(int tty, const char *text)
{
    SHERD_TRY(cli_write_full(tty, "terminal", text, strlen(text)));
    return cli_write_full(tty, "terminal", "\n", 1);
}

/* One share more, if it is a good one. */
static enum sherd_err ask_next(int tty, const char *vault, struct cli_shares *shares,
                               struct sherd_shares_progress *progress)
{
    const size_t before = shares->text.len;
    char text[SHERD_FAIL_TEXT_SIZE + 64];

    SHERD_TRY(ask_share(tty, shares));
    const enum sherd_err err = sherd_shares_check(vault, sherd_buf_span(&shares->text), progress);
    if (err == SHERD_ERR_INVALID || err == SHERD_ERR_DENIED) {
        sherd_wipe(shares->text.data + before, shares->text.len - before);
        shares->text.len = before;
        return say(tty, sherd_err_detail());
    }
    SHERD_TRY(err);
    (void)snprintf(text, sizeof(text), "%u of %u shares: %s", progress->given, progress->needed, progress->holders);
    return say(tty, text);
}

enum sherd_err cli_share_ask(struct cli_unseal *out_unseal)
{
    SHERD_CLEANUP(cli_fd_closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    SHERD_CLEANUP(cli_shares_done) struct cli_shares shares = {0};

    SHERD_ENSURE(tty >= 0, SHERD_ERR_INVALID, "no share: there is no terminal to ask on; give it by --share-file");
    SHERD_TRY(shares_begin(&shares));
    SHERD_TRY(ask_share(tty, &shares));
    out_unseal->block = shares.block;
    out_unseal->unseal.shares = sherd_buf_span(&shares.text);
    shares.block = NULL; /* handed over */
    return SHERD_OK;
}

enum sherd_err cli_shares_ask(const char *vault, struct cli_unseal *out_unseal)
{
    SHERD_CLEANUP(cli_fd_closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    SHERD_CLEANUP(cli_shares_done) struct cli_shares shares = {0};
    struct sherd_shares_progress progress = {0};

    SHERD_ENSURE(tty >= 0, SHERD_ERR_INVALID, "no shares: there is no terminal to ask on; give them by --share-file");
    SHERD_TRY(shares_begin(&shares));
    while (!progress.done)
        SHERD_TRY(ask_next(tty, vault, &shares, &progress));
    out_unseal->block = shares.block;
    out_unseal->unseal.shares = sherd_buf_span(&shares.text);
    shares.block = NULL; /* handed over */
    return SHERD_OK;
}
