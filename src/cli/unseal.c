/* SPDX-License-Identifier: Apache-2.0 */
/* What unseals the vault: read from a file or descriptor, or asked on the terminal; always in secret memory. */
#include "base/mem.h"
#include "base/secret.h"
#include "cli/agent.h"
#include "cli/cli.h"
#include "cli/io.h"
#include "cli/key_store.h"
#include "cli/shares.h"
#include "cli/text.h"
#include "crypto/ct.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* Room for the longest passphrase, its newline, and one byte that shows that there was more. */
#define SECRET_BYTES CLI_SECRET_BYTES
/* Longest file of private keys, with their comments. */
#define IDENTITY_BYTES ((size_t)256 << 10)

static bool others_may_read(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

static void warn_if_readable(const struct cli *cli, int fd, const char *what)
{
    if (others_may_read(fd))
        cli_warn(cli, "warning: other users may read the %s: chmod 600 it", what);
}

/* Reads a short secret to its end. */
static enum sherd_err read_secret(const struct cli *cli, int fd, const char *what, uint8_t *block, size_t *out_len)
{
    size_t len = 0;

    warn_if_readable(cli, fd, what);
    SHERD_TRY(cli_read_full(fd, what, block, SECRET_BYTES, &len));
    SHERD_ENSURE(len < SECRET_BYTES, SHERD_ERR_INVALID, "the file of the passphrase or key is too long to be one");
    *out_len = len;
    return SHERD_OK;
}

static enum sherd_err read_secret_file(const struct cli *cli, const char *path, const char *what, uint8_t *block,
                                       size_t *out_len)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s %.120s", what, path);
    return read_secret(cli, fd, what, block, out_len);
}

/* A key file is written so that its owner alone can read it. Where others can, that was somebody's mistake. */
static enum sherd_err read_key_file(const struct cli *cli, uint8_t *block, size_t *out_len)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = open(cli->key_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "key file %.120s", cli->key_file);
    SHERD_ENSURE(!others_may_read(fd), SHERD_ERR_INVALID, "other users may read the key file: chmod 600 it");
    SHERD_TRY(read_secret(cli, fd, "key file", block, out_len));
    SHERD_ENSURE(*out_len > 0, SHERD_ERR_INVALID, "the key file is empty");
    return SHERD_OK;
}

static enum sherd_err read_passphrase_fd(const struct cli *cli, uint8_t *block, size_t *out_len)
{
    uint64_t number = 0;

    SHERD_ENSURE(cli_parse_number(cli->passphrase_fd, 0, INT_MAX, &number), SHERD_ERR_INVALID,
                 "--passphrase-fd: not a number of a descriptor");
    return read_secret(cli, (int)number, "passphrase", block, out_len);
}

/* Reads one line without echo. Canonical mode: read() gives a whole line. */
static enum sherd_err ask(int tty, const char *prompt, uint8_t *block, size_t *out_len)
{
    struct termios old;
    struct termios mute;
    sigset_t stop;
    sigset_t before;
    ssize_t n = 0;

    if (tcgetattr(tty, &old) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "terminal");
    mute = old;
    mute.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTSTP); /* nobody is left at a shell without echo */
    (void)sigprocmask(SIG_BLOCK, &stop, &before);
    cli_signals_echo(tty, &old);
    if (tcsetattr(tty, TCSAFLUSH, &mute) == 0 && cli_write_full(tty, "terminal", prompt, strlen(prompt)) == SHERD_OK) {
        do
            n = read(tty, block, SECRET_BYTES);
        while (n < 0 && errno == EINTR);
    } else {
        n = -1;
    }
    (void)tcsetattr(tty, TCSAFLUSH, &old);
    cli_signals_echo(-1, NULL);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (n < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "terminal");
    SHERD_TRY(cli_write_full(tty, "terminal", "\n", 1));
    SHERD_ENSURE((size_t)n < SECRET_BYTES, SHERD_ERR_INVALID, "the passphrase is too long");
    *out_len = (size_t)n;
    return SHERD_OK;
}

static size_t without_newline(const uint8_t *block, size_t len)
{
    return len > 0 && block[len - 1] == '\n' ? len - 1 : len;
}

enum sherd_err cli_ask(int tty, const char *prompt, uint8_t *block, size_t *out_len)
{
    SHERD_TRY(ask(tty, prompt, block, out_len));
    *out_len = without_newline(block, *out_len);
    return SHERD_OK;
}

enum sherd_err cli_secret_file_read(const struct cli *cli, const char *path, const char *what, uint8_t *block,
                                    size_t *out_len)
{
    SHERD_TRY(read_secret_file(cli, path, what, block, out_len));
    *out_len = without_newline(block, *out_len);
    return *out_len > 0 ? SHERD_OK : sherd_fail(SHERD_ERR_INVALID, "the %s is empty", what);
}

enum sherd_err cli_passphrase_read(const struct cli *cli, const char *prompt, uint8_t *block, size_t *out_len)
{
    if (cli->passphrase_file != NULL)
        return cli_secret_file_read(cli, cli->passphrase_file, "passphrase file", block, out_len);
    if (cli->passphrase_fd != NULL) {
        SHERD_TRY(read_passphrase_fd(cli, block, out_len));
        *out_len = without_newline(block, *out_len);
        return SHERD_OK;
    }
    SHERD_CLEANUP(cli_fd_closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    SHERD_ENSURE(tty >= 0, SHERD_ERR_INVALID,
                 "a share is sealed by a passphrase, and there is no terminal to ask on: give --passphrase-file");
    return cli_ask(tty, prompt, block, out_len);
}

enum sherd_err cli_key_store_password_read(const struct cli *cli, uint8_t *block, size_t *out_len)
{
    uint64_t number = 0;

    if (cli->key_store_password_file != NULL) {
        SHERD_TRY(read_secret_file(cli, cli->key_store_password_file, "key store's password file", block, out_len));
    } else {
        SHERD_ENSURE(cli_parse_number(cli->key_store_password_fd, 0, INT_MAX, &number), SHERD_ERR_INVALID,
                     "--key-store-password-fd: not a number of a descriptor");
        SHERD_TRY(read_secret(cli, (int)number, "key store's password", block, out_len));
    }
    *out_len = without_newline(block, *out_len);
    return SHERD_OK;
}

static enum sherd_err ask_passphrase(bool fresh, uint8_t *block, size_t *out_len)
{
    SHERD_CLEANUP(cli_fd_closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    uint8_t *again = block + SECRET_BYTES;
    size_t len = 0;
    size_t again_len = 0;

    SHERD_ENSURE(
        tty >= 0, SHERD_ERR_INVALID,
        "no passphrase: there is no terminal to ask on; give --passphrase-file, --passphrase-fd, --key-file or "
        "--share-file, or `sherd unseal` first");
    SHERD_TRY(ask(tty, fresh ? "New passphrase: " : "Passphrase: ", block, &len));
    len = without_newline(block, len);
    if (fresh) {
        SHERD_ENSURE(len > 0, SHERD_ERR_INVALID, "the passphrase is empty");
        SHERD_TRY(ask(tty, "Once more: ", again, &again_len));
        again_len = without_newline(again, again_len);
        SHERD_ENSURE(len == again_len && sherd_ct_equal(block, again, len), SHERD_ERR_INVALID,
                     "the two passphrases differ: nothing was done");
    }
    *out_len = len;
    return SHERD_OK;
}

static enum sherd_err choose_one(const struct cli *cli)
{
    const int passphrases = (cli->passphrase_file != NULL) + (cli->passphrase_fd != NULL);

    /* With shares a passphrase is that of a file of a share. */
    SHERD_ENSURE(passphrases <= 1 && (cli->key_file == NULL || passphrases + (cli->share_file_count > 0) == 0),
                 SHERD_ERR_INVALID, "give one of --passphrase-file, --passphrase-fd, --key-file and --share-file");
    SHERD_ENSURE(cli->share_identity == NULL || cli->share_file_count > 0, SHERD_ERR_INVALID,
                 "--holder-identity opens files of shares: give them by --share-file");
    SHERD_ENSURE((cli->pin_file_count == 0 && cli->pin_fd == NULL) || cli->share_file_count > 0, SHERD_ERR_INVALID,
                 "--pin-file and --pin-fd open files of shares: give them by --share-file");
    return SHERD_OK;
}

enum sherd_err cli_unseal_read(const struct cli *cli, bool fresh, struct cli_unseal *out_unseal)
{
    size_t len = 0;

    SHERD_TRY(choose_one(cli));
    if (cli->share_file_count > 0) {
        SHERD_ENSURE(!fresh, SHERD_ERR_INVALID, "shares are made, and not given: ask for them by --shares");
        return cli_shares_unseal(cli, out_unseal);
    }
    out_unseal->block = sherd_secret_alloc(2 * SECRET_BYTES);
    if (out_unseal->block == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (cli->key_file != NULL) {
        SHERD_TRY(read_key_file(cli, out_unseal->block, &len));
        out_unseal->unseal.key_file = sherd_span_of(out_unseal->block, len);
        return SHERD_OK;
    }
    if (cli->passphrase_file != NULL)
        SHERD_TRY(read_secret_file(cli, cli->passphrase_file, "passphrase file", out_unseal->block, &len));
    else if (cli->passphrase_fd != NULL)
        SHERD_TRY(read_passphrase_fd(cli, out_unseal->block, &len));
    else
        SHERD_TRY(ask_passphrase(fresh, out_unseal->block, &len));
    len = without_newline(out_unseal->block, len);
    SHERD_ENSURE(len > 0, SHERD_ERR_INVALID, "the passphrase is empty");
    SHERD_ENSURE(len <= SHERD_PASSPHRASE_BYTES_MAX, SHERD_ERR_INVALID, "the passphrase is longer than 1024 bytes");
    out_unseal->unseal.passphrase = sherd_span_of(out_unseal->block, len);
    return SHERD_OK;
}

void cli_unseal_done(struct cli_unseal *unseal)
{
    sherd_secret_free(unseal->block);
    *unseal = (struct cli_unseal){0};
}

bool cli_unseal_given(const struct cli *cli)
{
    return cli->passphrase_file != NULL || cli->passphrase_fd != NULL || cli->key_file != NULL ||
           cli->share_file_count > 0;
}

enum sherd_err cli_vault_check(const char *path)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno != ENOENT)
        return sherd_fail_errno(SHERD_ERR_IO, "%.120s", path);
    if (fd < 0 || (faccessat(fd, "sherd.vault", F_OK, 0) != 0 && errno == ENOENT))
        return sherd_fail(SHERD_ERR_NOT_FOUND,
                          "no vault at %.120s: name another with --vault, or make one with `sherd init`", path);
    if (fstat(fd, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return sherd_fail(SHERD_ERR_DENIED, "other users may write to %.120s, the vault's directory: chmod go-w it",
                          path);
    return SHERD_OK;
}

/*
 * Through the agent, if one runs that has the vault unsealed and serves this user. Where it does, and somebody is not
 * let in as who it says, that is the answer.
 * @return SHERD_OK, with *out_vault unset where there is no such agent; as sherd_vault_open()
 */
static enum sherd_err open_by_agent(const char *path, struct sherd_vault_open_options options,
                                    struct sherd_vault **out_vault)
{
    struct cli_agent_place place;
    enum sherd_err err = SHERD_ERR_SEALED;

    for (unsigned shared = 0; shared < 2 && err == SHERD_ERR_SEALED; shared++) {
        if (cli_agent_place(path, shared == 1, &place) != SHERD_OK)
            continue;
        options.agent = place.socket;
        err = sherd_vault_open(path, NULL, &options, out_vault);
        if (err == SHERD_ERR_DENIED && options.user != NULL && place.owner == geteuid())
            return err;
        if (place.shared)
            break;
    }
    return err == SHERD_ERR_SEALED || err == SHERD_ERR_DENIED ? SHERD_OK : err;
}

/* By what the command line says, or a person. */
static enum sherd_err open_here(const struct cli *cli, const char *path, const struct sherd_vault_open_options *options,
                                struct sherd_vault **out_vault)
{
    SHERD_CLEANUP(cli_unseal_done) struct cli_unseal unseal = {0};
    SHERD_CLEANUP(cli_key_store_done) struct cli_key_store key_store = {0};
    struct sherd_vault_open_options with = *options;

    SHERD_TRY(cli_key_store_read(cli, false, &key_store));
    with.key_store = key_store.given;
    if (cli_shares_wanted(cli, path))
        SHERD_TRY(cli_shares_ask(path, &unseal));
    else
        SHERD_TRY(cli_unseal_read(cli, false, &unseal));
    return sherd_vault_open(path, &unseal.unseal, &with, out_vault);
}

/* What a vault is opened for. An agent notes what it gives out itself; without one this process does. */
enum purpose {
    OPEN_TO_READ,
    OPEN_TO_GIVE,
    OPEN_TO_WRITE,
    OPEN_TO_ACCEPT, /* that it was rolled back */
};

static enum sherd_err open_vault(const struct cli *cli, enum purpose purpose, bool by_agent,
                                 struct sherd_vault **out_vault)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *user_block = sherd_secret_alloc(CLI_SECRET_BYTES);
    struct sherd_vault_open_options options = {.read_only = purpose == OPEN_TO_READ || purpose == OPEN_TO_GIVE,
                                               .accept_rollback = purpose == OPEN_TO_ACCEPT};
    struct sherd_vault *vault = NULL;
    const char *path = NULL;

    if (user_block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_vault_check(path));
    SHERD_TRY(cli_user_read(cli, user_block, &options));
    if (by_agent)
        SHERD_TRY(open_by_agent(path, options, &vault));
    options.read_only = purpose == OPEN_TO_READ;
    if (vault == NULL)
        return open_here(cli, path, &options, out_vault);
    *out_vault = vault;
    return SHERD_OK;
}

enum sherd_err cli_vault_open_to_give(const struct cli *cli, struct sherd_vault **out_vault)
{
    return open_vault(cli, OPEN_TO_GIVE, !cli_unseal_given(cli), out_vault);
}

enum sherd_err cli_vault_open(const struct cli *cli, bool read_only, struct sherd_vault **out_vault)
{
    return open_vault(cli, read_only ? OPEN_TO_READ : OPEN_TO_WRITE, !cli_unseal_given(cli), out_vault);
}

enum sherd_err cli_vault_unseal(const struct cli *cli, bool read_only, struct sherd_vault **out_vault)
{
    return open_vault(cli, read_only ? OPEN_TO_READ : OPEN_TO_WRITE, false, out_vault);
}

enum sherd_err cli_vault_accept(const struct cli *cli, struct sherd_vault **out_vault)
{
    return open_vault(cli, OPEN_TO_ACCEPT, false, out_vault);
}

enum sherd_err cli_vault_fips(struct sherd_vault *vault, bool *out_fips)
{
    struct sherd_vault_info info;

    SHERD_TRY(sherd_vault_info(vault, &info));
    *out_fips = info.fips;
    return SHERD_OK;
}

static enum sherd_err see_mode(void *arg, const struct sherd_seal_info *info)
{
    bool *fips = arg;

    *fips |= info->fips;
    return SHERD_OK;
}

bool cli_seals_fips(const struct cli *cli)
{
    bool fips = false;

    return cli->vault != NULL && sherd_seal_each(cli->vault, see_mode, &fips) == SHERD_OK && fips;
}

static enum sherd_err identity_open(const struct cli *cli, const char *path, int *out_fd)
{
    const enum sherd_err err = cli_input_open(cli, path, out_fd);

    return err == SHERD_ERR_NOT_FOUND ? sherd_fail(SHERD_ERR_IO, "--identity: there is no file %.120s", path) : err;
}

enum sherd_err cli_identity_read(const struct cli *cli, const char *path, struct sherd_identity **out_identity)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = NULL;
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    size_t len = 0;

    if (path == NULL)
        return SHERD_OK;
    block = sherd_secret_alloc(IDENTITY_BYTES);
    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(identity_open(cli, path, &fd));
    warn_if_readable(cli, fd, "identity file");
    SHERD_TRY(cli_read_full(fd, cli_input_name(path), block, IDENTITY_BYTES, &len));
    SHERD_ENSURE(len < IDENTITY_BYTES, SHERD_ERR_INVALID, "--identity: the file is too long to be one of private keys");
    return sherd_identity_parse(sherd_span_of(block, len), out_identity);
}

bool cli_inside_vault(const char *path)
{
    char real[PATH_MAX];
    char mark[PATH_MAX + 16];
    char folder[PATH_MAX];
    char *slash = NULL;

    if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
        return false;
    slash = strrchr(folder, '/'); /* the file itself need not exist: look at its directory */
    if (slash == NULL)
        memcpy(folder, ".", sizeof("."));
    else
        slash[slash == folder ? 1 : 0] = '\0';
    if (realpath(folder, real) == NULL)
        return false;
    while (*real != '\0') {
        (void)snprintf(mark, sizeof(mark), "%s/sherd.vault", real);
        if (access(mark, F_OK) == 0)
            return true;
        *strrchr(real, '/') = '\0';
    }
    return false;
}
