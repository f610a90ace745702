/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the outside world. See io.h. */
#include "cli/io.h"
#include "base/mem.h"
#include "base/random.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Blocks ----------------------------------------------------------------------------------------------------- */

/* Signals may be taken by any thread, so a read that waits would not be woken: wait in short turns instead. */
static enum sherd_err wait_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    while (cli_signal_caught() == 0) {
        const int ready = poll(&wait, 1, 200);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return SHERD_OK; /* what is wrong with it, read() will say */
    }
    return sherd_fail(SHERD_ERR_BUSY, "interrupted: nothing of this file was stored");
}

enum sherd_err cli_read_full(int fd, const char *what, void *block, size_t size, size_t *out_bytes)
{
    uint8_t *at = block;
    size_t len = 0;

    while (len < size) {
        ssize_t n = 0;
        SHERD_TRY(wait_readable(fd));
        n = read(fd, at + len, size - len);
        if (n == 0)
            break;
        if (n > 0)
            len += (size_t)n;
        else if (errno != EINTR && errno != EAGAIN)
            return sherd_fail_errno(SHERD_ERR_IO, "%.120s", what);
    }
    *out_bytes = len;
    return SHERD_OK;
}

enum sherd_err cli_write_full(int fd, const char *what, const void *block, size_t size)
{
    const uint8_t *at = block;

    while (size > 0) {
        const ssize_t n = write(fd, at, size);
        if (n >= 0) {
            at += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            (void)poll(&wait, 1, 200);
        } else if (errno != EINTR) {
            return sherd_fail_errno(SHERD_ERR_IO, "%.120s", what);
        }
    }
    return SHERD_OK;
}

/* ---- Outputs ---------------------------------------------------------------------------------------------------- */

/* The name is known to the signal handler before the file exists, so there is no moment in which it could be left. */
static enum sherd_err temp_create(struct cli_output *output)
{
    uint8_t random[8];
    char hex[2 * sizeof(random) + 1];

    for (int attempt = 0; attempt < 100; attempt++) {
        SHERD_TRY(sherd_random(random, sizeof(random)));
        cli_format_hex(sherd_span_of(random, sizeof(random)), hex);
        (void)snprintf(output->temp, sizeof(output->temp), ".sherd-%s.part", hex);
        cli_signals_temp(output->dir_fd, output->temp);
        output->fd = openat(output->dir_fd, output->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (output->fd >= 0)
            return SHERD_OK;
        cli_signals_temp(-1, NULL);
        output->temp[0] = '\0';
        if (errno != EEXIST)
            break;
    }
    return sherd_fail_errno(SHERD_ERR_IO, "cannot write beside %.120s", output->name);
}

enum sherd_err cli_output_begin(int dir_fd, const char *name, struct cli_output *out_output)
{
    SHERD_CLEANUP(cli_output_done) struct cli_output output = {.dir_fd = dir_fd, .fd = -1};

    output.name = sherd_strdup(name);
    if (output.name == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(temp_create(&output));
    *out_output = output;
    output = (struct cli_output){.dir_fd = -1, .fd = -1};
    return SHERD_OK;
}

/* A device, a pipe or a socket cannot be replaced by a file: what is written goes into it. */
static enum sherd_err begin_direct(const char *path, struct cli_output *out_output)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%.120s", path);
    *out_output = (struct cli_output){.dir_fd = -1, .fd = fd, .direct = true};
    return SHERD_OK;
}

static enum sherd_err begin_beside(const char *path, struct cli_output *out_output)
{
    SHERD_CLEANUP(cli_fd_closep) int dir_fd = -1;
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
                   slash == NULL ? "." : path);
    SHERD_ENSURE(*name != '\0', SHERD_ERR_INVALID, "the output's name is that of a directory");
    dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%.120s", folder);
    SHERD_TRY(cli_output_begin(dir_fd, name, out_output));
    out_output->own_dir = true;
    out_output->dir_fd = cli_fd_take(&dir_fd);
    return SHERD_OK;
}

enum sherd_err cli_check_outside(const char *path)
{
    char below[PATH_MAX];

    SHERD_ENSURE(snprintf(below, sizeof(below), "%s/x", path) < (int)sizeof(below), SHERD_ERR_INVALID,
                 "the output's name is too long");
    if (cli_inside_vault(path) || cli_inside_vault(below))
        return sherd_fail(SHERD_ERR_INVALID, "%.120s lies inside a vault: write it elsewhere", path);
    return SHERD_OK;
}

enum sherd_err cli_output_begin_path(const char *path, struct cli_output *out_output)
{
    char real[PATH_MAX];
    struct stat st;

    SHERD_ENSURE(strlen(path) < PATH_MAX, SHERD_ERR_INVALID, "the output's name is too long");
    SHERD_TRY(cli_check_outside(path));
    if (stat(path, &st) != 0)
        return begin_beside(path, out_output);
    if (S_ISDIR(st.st_mode))
        return sherd_fail(SHERD_ERR_INVALID, "%.120s is a directory", path);
    if (!S_ISREG(st.st_mode))
        return begin_direct(path, out_output);
    if (realpath(path, real) == NULL) /* the file behind a symbolic link is replaced, not the link */
        return sherd_fail_errno(SHERD_ERR_IO, "%.120s", path);
    return begin_beside(real, out_output);
}

/* link() refuses a name that is taken, rename() replaces it. */
static enum sherd_err give_name(struct cli_output *output, bool replace)
{
    if (replace) {
        if (renameat(output->dir_fd, output->temp, output->dir_fd, output->name) != 0)
            return sherd_fail_errno(SHERD_ERR_IO, "%.120s", output->name);
    } else {
        if (linkat(output->dir_fd, output->temp, output->dir_fd, output->name, 0) != 0) {
            if (errno == EEXIST)
                return sherd_fail(SHERD_ERR_CONFLICT, "a file of that name is there already");
            return sherd_fail_errno(SHERD_ERR_IO, "%.120s", output->name);
        }
        (void)unlinkat(output->dir_fd, output->temp, 0);
    }
    cli_signals_temp(-1, NULL);
    output->temp[0] = '\0';
    return SHERD_OK;
}

enum sherd_err cli_output_commit(struct cli_output *output, bool replace, bool durable)
{
    const int fd = output->fd;

    if (output->direct) {
        output->fd = -1;
        if (close(fd) != 0)
            return sherd_fail_errno(SHERD_ERR_IO, "the output");
        return SHERD_OK;
    }
    if (durable && fsync(fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%.120s", output->name);
    output->fd = -1;
    if (close(fd) != 0) /* a full disk may be told only here */
        return sherd_fail_errno(SHERD_ERR_IO, "%.120s", output->name);
    SHERD_TRY(give_name(output, replace));
    if (durable && fsync(output->dir_fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "the directory of %.120s", output->name);
    return SHERD_OK;
}

void cli_output_done(struct cli_output *output)
{
    if (output->fd >= 0)
        (void)close(output->fd);
    if (output->temp[0] != '\0') {
        (void)unlinkat(output->dir_fd, output->temp, 0);
        cli_signals_temp(-1, NULL);
    }
    if (output->own_dir && output->dir_fd >= 0)
        (void)close(output->dir_fd);
    sherd_free(output->name);
    *output = (struct cli_output){.dir_fd = -1, .fd = -1};
}

/* ---- Contents --------------------------------------------------------------------------------------------------- */

static bool is_stdin(const char *path)
{
    return path == NULL || strcmp(path, "-") == 0;
}

const char *cli_input_name(const char *path)
{
    return is_stdin(path) ? "standard input" : path;
}

enum sherd_err cli_input_open(const struct cli *cli, const char *path, int *out_fd)
{
    struct stat st;
    int fd = -1;

    if (is_stdin(path)) {
        uint64_t number = 0;
        SHERD_ENSURE(cli->passphrase_fd == NULL || !cli_parse_number(cli->passphrase_fd, 0, INT_MAX, &number) ||
                         number != STDIN_FILENO,
                     SHERD_ERR_INVALID, "standard input cannot be both the passphrase and the contents");
        SHERD_ENSURE(cli->pin_fd == NULL || !cli_parse_number(cli->pin_fd, 0, INT_MAX, &number) ||
                         number != STDIN_FILENO,
                     SHERD_ERR_INVALID, "standard input cannot be both a PIN and the contents");
        for (size_t i = 0; i < cli->share_file_count; i++)
            SHERD_ENSURE(strcmp(cli->share_files[i], "-") != 0, SHERD_ERR_INVALID,
                         "standard input cannot be both a share and the contents");
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    } else {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    }
    if (fd < 0)
        return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "%.160s", cli_input_name(path));
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        (void)close(fd);
        return sherd_fail(SHERD_ERR_INVALID, "%.160s is a directory: `sherd import` stores all files below it", path);
    }
    *out_fd = fd;
    return SHERD_OK;
}

static uint64_t bytes_ahead(int fd)
{
    struct stat st;
    const off_t at = lseek(fd, 0, SEEK_CUR);

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || at < 0 || st.st_size < at)
        return 0;
    return (uint64_t)(st.st_size - at);
}

/* Contents that fit the block: one call, which shares its commit with those of others. */
static enum sherd_err store_whole(struct cli_store *store, struct sherd_span content, uint64_t *out_version)
{
    if (store->update)
        return sherd_record_update(store->vault, store->id, store->version_expected, store->meta, content, out_version);
    return sherd_record_put(store->vault, store->meta, content, &store->id);
}

static enum sherd_err store_stream(struct cli_store *store, int fd, const char *what, uint8_t *block,
                                   uint64_t *out_version, uint64_t *out_bytes)
{
    SHERD_CLEANUP(cli_writer_abortp) struct sherd_writer *writer = NULL;
    struct sherd_writer *whole = NULL;
    const uint64_t total = CLI_BLOCK_BYTES + bytes_ahead(fd);
    const uint64_t shown = total > CLI_BLOCK_BYTES ? total : 0;
    uint64_t done = 0;
    size_t len = CLI_BLOCK_BYTES;

    if (store->update)
        SHERD_TRY(sherd_writer_begin_update(store->vault, store->id, store->version_expected, store->meta, &writer));
    else
        SHERD_TRY(sherd_writer_begin(store->vault, store->meta, &writer));
    while (len > 0) {
        SHERD_TRY(sherd_writer_append(writer, sherd_span_of(block, len)));
        done += len;
        cli_progress_update(done, shown);
        SHERD_TRY(cli_read_full(fd, what, block, CLI_BLOCK_BYTES, &len));
    }
    whole = writer;
    writer = NULL; /* the commit consumes it */
    SHERD_TRY(sherd_writer_commit(whole, &store->id, out_version));
    *out_bytes = done;
    return SHERD_OK;
}

enum sherd_err cli_store_fd(struct cli_store *store, int fd, const char *what, uint8_t *block, uint64_t *out_version,
                            uint64_t *out_bytes)
{
    size_t len = 0;

    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    SHERD_TRY(cli_read_full(fd, what, block, CLI_BLOCK_BYTES, &len));
    if (len == CLI_BLOCK_BYTES)
        return store_stream(store, fd, what, block, out_version, out_bytes);
    SHERD_TRY(store_whole(store, sherd_span_of(block, len), out_version));
    *out_bytes = len;
    return SHERD_OK;
}

#define EARLY_BYTES (8 * CLI_BLOCK_BYTES)

/* Lets the disk begin while the next blocks are decrypted, so that the flush at the end of a long file is short. */
static void write_early(int fd, uint64_t done)
{
    if (done % EARLY_BYTES == 0)
        (void)sync_file_range(fd, (off64_t)(done - EARLY_BYTES), EARLY_BYTES, SYNC_FILE_RANGE_WRITE);
}

enum sherd_err cli_load_fd(struct sherd_reader *reader, uint64_t begin, uint64_t end, int fd, const char *what,
                           uint8_t *block)
{
    uint64_t offset = begin;

    while (offset < end) {
        const size_t want = end - offset < CLI_BLOCK_BYTES ? (size_t)(end - offset) : CLI_BLOCK_BYTES;
        size_t len = 0;
        SHERD_TRY(sherd_reader_read(reader, offset, block, want, &len));
        SHERD_ENSURE(len > 0, SHERD_ERR_IO, "the contents end early");
        SHERD_TRY(cli_write_full(fd, what, block, len));
        offset += len;
        write_early(fd, offset - begin);
        cli_progress_update(offset - begin, end - begin);
    }
    return SHERD_OK;
}
