/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading one blob. See blob.h. */
#include "store/lmdb/blob.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/random.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Space is reserved, and finished ranges are handed to the disk, in steps of this size. */
#define STEP_BYTES ((uint64_t)4 << 20)
#define RESERVE_BYTES ((uint64_t)32 << 20)
#define CREATE_TRIES 8

void sherd_lmdb_blob_name(struct sherd_ref name, char out_text[static SHERD_LMDB_BLOB_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof name.bytes; i++) {
        out_text[2 * i] = digits[name.bytes[i] >> 4];
        out_text[2 * i + 1] = digits[name.bytes[i] & 15];
    }
    out_text[SHERD_LMDB_BLOB_NAME_SIZE - 1] = '\0';
}

/* --- writer ------------------------------------------------------------------------------------------------------ */

static void writer_free(struct sherd_lmdb_blob_writer *writer)
{
    if (writer->fd >= 0)
        (void)close(writer->fd); /* and with it the lock */
    sherd_free(writer);
}

/*
 * Make a file in tmp/ and lock it. Between the two, tidy of another process may take it for a dead writer's: then it
 * has no name any more, and the next try makes another.
 */
static enum sherd_err make_tmp(struct sherd_lmdb_blob_writer *writer)
{
    struct sherd_ref random = {{0}};
    struct stat st;

    SHERD_TRY(sherd_random(random.bytes, sizeof random.bytes));
    sherd_lmdb_blob_name(random, writer->tmp_name);
    writer->fd = openat(writer->dir->tmp_fd, writer->tmp_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                        0600);
    if (writer->fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "blob: make a file");
    if (flock(writer->fd, LOCK_EX | LOCK_NB) == 0 && fstat(writer->fd, &st) == 0 && st.st_nlink == 1)
        return SHERD_OK;
    (void)unlinkat(writer->dir->tmp_fd, writer->tmp_name, 0);
    (void)close(writer->fd);
    writer->fd = -1;
    return SHERD_ERR_BUSY;
}

enum sherd_err sherd_lmdb_blob_create(const struct sherd_lmdb_dir *dir, struct sherd_lmdb_blob_writer **out_writer)
{
    struct sherd_lmdb_blob_writer *writer = sherd_alloc(sizeof *writer);
    enum sherd_err err = SHERD_ERR_BUSY;

    if (writer == NULL)
        return SHERD_ERR_NO_MEMORY;
    writer->dir = dir;
    writer->fd = -1;
    for (int i = 0; i < CREATE_TRIES && err == SHERD_ERR_BUSY; i++)
        err = make_tmp(writer);
    if (err != SHERD_OK) {
        writer_free(writer);
        return err == SHERD_ERR_BUSY ? sherd_fail(err, "blob: another process takes new files away: try again") : err;
    }
    *out_writer = writer;
    return SHERD_OK;
}

static enum sherd_err write_all(int fd, struct sherd_span bytes, uint64_t offset)
{
    while (bytes.len > 0) {
        const ssize_t done = pwrite(fd, bytes.data, bytes.len, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "blob: write");
        bytes.data += done;
        bytes.len -= (size_t)done;
        offset += (uint64_t)done;
    }
    return SHERD_OK;
}

/* Space ahead of a long blob, so that it lies in one piece. A file system that cannot is no error. */
static enum sherd_err reserve(struct sherd_lmdb_blob_writer *writer, size_t more)
{
    const uint64_t end = writer->bytes + more;

    if (end < STEP_BYTES || end <= writer->reserved_bytes)
        return SHERD_OK;
    if (fallocate(writer->fd, FALLOC_FL_KEEP_SIZE, (off_t)writer->bytes, (off_t)(more + RESERVE_BYTES)) == 0)
        writer->reserved_bytes = end + RESERVE_BYTES;
    return SHERD_OK;
}

/* Hand finished ranges to the disk while the caller makes the next, so that the last flush is short. */
static void start_write_back(struct sherd_lmdb_blob_writer *writer)
{
    const uint64_t ready = writer->bytes - writer->bytes % STEP_BYTES;

    if (ready <= writer->started_bytes)
        return;
    (void)sync_file_range(writer->fd, (off_t)writer->started_bytes, (off_t)(ready - writer->started_bytes),
                          SYNC_FILE_RANGE_WRITE);
    writer->started_bytes = ready;
}

enum sherd_err sherd_lmdb_blob_append(struct sherd_lmdb_blob_writer *writer, struct sherd_span bytes)
{
    SHERD_TRY(reserve(writer, bytes.len));
    SHERD_TRY(write_all(writer->fd, bytes, writer->bytes));
    writer->bytes += bytes.len;
    start_write_back(writer);
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_blob_patch(struct sherd_lmdb_blob_writer *writer, uint64_t offset, struct sherd_span bytes)
{
    if (offset > writer->bytes || bytes.len > writer->bytes - offset)
        return sherd_fail(SHERD_ERR_LIMIT, "blob: a patch may not pass the end");
    return write_all(writer->fd, bytes, offset);
}

static enum sherd_err flush(const struct sherd_lmdb_blob_writer *writer)
{
    SHERD_FAILPOINT("lmdb.blob_flush");
    if (writer->reserved_bytes > writer->bytes && ftruncate(writer->fd, (off_t)writer->bytes) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "blob: give back reserved space");
    if (fdatasync(writer->fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "blob: flush");
    return SHERD_OK;
}

/* link() rather than rename(): it never replaces, on every file system. */
static enum sherd_err link_name(const struct sherd_lmdb_blob_writer *writer, int folder_fd, struct sherd_ref name)
{
    char text[SHERD_LMDB_BLOB_NAME_SIZE];

    SHERD_FAILPOINT("lmdb.blob_name");
    sherd_lmdb_blob_name(name, text);
    if (linkat(writer->dir->tmp_fd, writer->tmp_name, folder_fd, text, 0) != 0) {
        if (errno == EEXIST)
            return sherd_fail(SHERD_ERR_CONFLICT, "blob: there is one of that name");
        return sherd_fail_errno(SHERD_ERR_IO, "blob: name it");
    }
    SHERD_FAILPOINT("lmdb.blob_named");
    return sherd_lmdb_dir_sync(folder_fd, "of blobs");
}

static enum sherd_err commit(const struct sherd_lmdb_blob_writer *writer, struct sherd_ref name)
{
    enum sherd_err err;
    int folder_fd = -1;

    SHERD_TRY(flush(writer));
    SHERD_TRY(sherd_lmdb_blob_folder(writer->dir, name.bytes[0], true, &folder_fd));
    err = link_name(writer, folder_fd, name);
    (void)close(folder_fd);
    return err;
}

enum sherd_err sherd_lmdb_blob_commit(struct sherd_lmdb_blob_writer *writer, struct sherd_ref name)
{
    const enum sherd_err err = commit(writer, name);

    sherd_lmdb_blob_abort(writer); /* its name in tmp/ goes in either case */
    return err;
}

void sherd_lmdb_blob_abort(struct sherd_lmdb_blob_writer *writer)
{
    (void)unlinkat(writer->dir->tmp_fd, writer->tmp_name, 0);
    writer_free(writer);
}

/* --- reader ------------------------------------------------------------------------------------------------------ */

static enum sherd_err open_file(const struct sherd_lmdb_dir *dir, struct sherd_ref name, int *out_fd)
{
    char path[3 + SHERD_LMDB_BLOB_NAME_SIZE];
    char text[SHERD_LMDB_BLOB_NAME_SIZE];
    int fd;

    sherd_lmdb_blob_name(name, text);
    (void)snprintf(path, sizeof path, "%.2s/%s", text, text);
    fd = openat(dir->blobs_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return SHERD_ERR_NOT_FOUND;
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "blob: open");
    *out_fd = fd;
    return SHERD_OK;
}

static enum sherd_err reader_new(int fd, struct sherd_lmdb_blob_reader **out_reader, uint64_t *out_bytes)
{
    struct sherd_lmdb_blob_reader *reader;
    struct stat st;

    if (fstat(fd, &st) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "blob: look at its size");
    SHERD_ENSURE(S_ISREG(st.st_mode), SHERD_ERR_IO, "blob: not a file: restore it from a backup");
    reader = sherd_alloc(sizeof *reader);
    if (reader == NULL)
        return SHERD_ERR_NO_MEMORY;
    reader->fd = fd;
    *out_bytes = (uint64_t)st.st_size;
    *out_reader = reader;
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_blob_open(const struct sherd_lmdb_dir *dir, struct sherd_ref name,
                                    struct sherd_lmdb_blob_reader **out_reader, uint64_t *out_bytes)
{
    enum sherd_err err;
    int fd = -1;

    SHERD_TRY(open_file(dir, name, &fd));
    err = reader_new(fd, out_reader, out_bytes);
    if (err != SHERD_OK)
        (void)close(fd);
    return err;
}

enum sherd_err sherd_lmdb_blob_read(const struct sherd_lmdb_blob_reader *reader, uint64_t offset, uint8_t *block,
                                    size_t bytes)
{
    if (offset > INT64_MAX - bytes)
        return sherd_fail(SHERD_ERR_LIMIT, "blob: read past its end");
    while (bytes > 0) {
        const ssize_t got = pread(reader->fd, block, bytes, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "blob: read");
        if (got == 0)
            return sherd_fail(SHERD_ERR_LIMIT, "blob: read past its end");
        block += got;
        bytes -= (size_t)got;
        offset += (uint64_t)got;
    }
    return SHERD_OK;
}

void sherd_lmdb_blob_close(struct sherd_lmdb_blob_reader *reader)
{
    (void)close(reader->fd);
    sherd_free(reader);
}
