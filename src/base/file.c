/* SPDX-License-Identifier: Apache-2.0 */
/* Small files, read and written whole: see file.h. */
#include "base/file.h"
#include "base/clock.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <endian.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

char *sherd_path_join(const char *dir, const char *name)
{
    const size_t size = strlen(dir) + strlen(name) + 2;
    char *path = sherd_alloc(size);

    if (path != NULL)
        (void)snprintf(path, size, "%s%s%s", dir, name[0] != 0 ? "/" : "", name);
    return path;
}

static void path_freep(char **path)
{
    sherd_free(*path);
}

static int fd_take(int *fd)
{
    const int taken = *fd;

    *fd = -1;
    return taken;
}

static void fd_closep(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static enum sherd_err read_all(int fd, const char *path, struct sherd_buf *out_bytes)
{
    for (;;) {
        uint8_t block[4096];
        const ssize_t got = read(fd, block, sizeof(block));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be read", path);
        if (got == 0)
            return SHERD_OK;
        SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(block, (size_t)got)));
    }
}

enum sherd_err sherd_file_read(const char *dir, const char *name, struct sherd_buf *out_bytes)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return sherd_fail_errno(errno == ENOENT || errno == ENOTDIR ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO,
                                "%s cannot be opened", path);
    return read_all(fd, path, out_bytes);
}

static enum sherd_err write_all(int fd, const char *path, struct sherd_span bytes)
{
    while (bytes.len > 0) {
        const ssize_t put = write(fd, bytes.data, bytes.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be written", path);
        bytes.data += put;
        bytes.len -= (size_t)put;
    }
    return SHERD_OK;
}

/* Write a file that is not durable yet. */
static enum sherd_err begin_file(const char *path, int flags, struct sherd_span bytes, int *out_fd)
{
    SHERD_CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | flags, 0600);

    if (fd < 0)
        return sherd_fail_errno(errno == EEXIST ? SHERD_ERR_CONFLICT : SHERD_ERR_IO, "%s cannot be made", path);
    SHERD_TRY(write_all(fd, path, bytes));
    *out_fd = fd_take(&fd);
    return SHERD_OK;
}

static enum sherd_err write_file(const char *dir, const char *name, int flags, struct sherd_span bytes)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);
    SHERD_CLEANUP(fd_closep) int fd = -1;

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(begin_file(path, flags, bytes, &fd));
    if (fsync(fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be made durable", path);
    return SHERD_OK;
}

enum sherd_err sherd_file_write_new(const char *dir, const char *name, struct sherd_span bytes)
{
    return write_file(dir, name, O_EXCL, bytes);
}

enum sherd_err sherd_file_write(const char *dir, const char *name, struct sherd_span bytes)
{
    return write_file(dir, name, O_TRUNC, bytes);
}

enum sherd_err sherd_file_write_begin(const char *dir, const char *name, struct sherd_span bytes, int *out_file)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(begin_file(path, O_TRUNC, bytes, out_file));
    (void)sync_file_range(*out_file, 0, 0, SYNC_FILE_RANGE_WRITE); /* so that the end comes sooner, if it can */
    return SHERD_OK;
}

enum sherd_err sherd_file_write_end(int file)
{
    const bool durable = fsync(file) == 0;
    const int saved = errno;

    (void)close(file);
    errno = saved;
    return durable ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "a file cannot be made durable");
}

void sherd_file_write_abort(int file)
{
    (void)close(file);
}

enum sherd_err sherd_file_overwrite(const char *dir, const char *name, size_t offset, struct sherd_span bytes)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be written", path);
    SHERD_TRY(write_all(fd, path, bytes));
    if (fsync(fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be made durable", path);
    return SHERD_OK;
}

enum sherd_err sherd_file_rename(const char *dir, const char *from, const char *to)
{
    SHERD_CLEANUP(path_freep) char *old = sherd_path_join(dir, from);
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, to);

    if (old == NULL || path == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (rename(old, path) != 0)
        return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "%s cannot be replaced", path);
    return SHERD_OK;
}

enum sherd_err sherd_file_age(const char *dir, const char *name, int64_t *out_age_s)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);
    struct stat info;

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (stat(path, &info) != 0)
        return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "%s cannot be looked at", path);
    *out_age_s = sherd_clock()->wall_s() - info.st_mtim.tv_sec;
    return SHERD_OK;
}

enum sherd_err sherd_file_remove(const char *dir, const char *name)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (unlink(path) != 0 && errno != ENOENT)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be removed", path);
    return SHERD_OK;
}

enum sherd_err sherd_dir_sync(const char *dir, const char *name)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be made durable", path);
    return SHERD_OK;
}

enum sherd_err sherd_dir_make(const char *dir, const char *name)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (mkdir(path, 0700) != 0)
        return sherd_fail_errno(errno == EEXIST ? SHERD_ERR_CONFLICT : SHERD_ERR_IO, "%s cannot be made", path);
    return SHERD_OK;
}

static void dir_closep(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

enum sherd_err sherd_dir_remove(const char *dir, const char *name)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_CLEANUP(dir_closep) DIR *entries = opendir(path);
    if (entries == NULL)
        return errno == ENOENT ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "%s cannot be opened", path);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(dirfd(entries), entry->d_name, 0) != 0)
            return sherd_fail_errno(SHERD_ERR_IO, "a file in %s cannot be removed", path);
    if (rmdir(path) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be removed", path);
    return SHERD_OK;
}

static enum sherd_err lock_file(const char *dir, const char *name, int how, struct sherd_file_lock *out_lock)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be opened", path);
    int result;
    do
        result = flock(fd, how);
    while (result != 0 && errno == EINTR);
    if (result != 0) {
        const enum sherd_err err = sherd_fail_errno(errno == EWOULDBLOCK ? SHERD_ERR_BUSY : SHERD_ERR_IO,
                                                    "%s cannot be locked", path);

        (void)close(fd);
        return err;
    }
    out_lock->fd = fd;
    return SHERD_OK;
}

enum sherd_err sherd_file_lock_take(const char *dir, const char *name, struct sherd_file_lock *out_lock)
{
    return lock_file(dir, name, LOCK_EX, out_lock);
}

enum sherd_err sherd_file_lock_try(const char *dir, const char *name, struct sherd_file_lock *out_lock)
{
    return lock_file(dir, name, LOCK_EX | LOCK_NB, out_lock);
}

void sherd_file_lock_leave(struct sherd_file_lock *lock)
{
    (void)close(lock->fd);
    lock->fd = -1;
}

/* The number's bytes where all processes see them, if the file has them; a file that is shorter is read instead. */
static void map_number(struct sherd_notice *notice)
{
    struct stat status;

    if (fstat(notice->fd, &status) != 0 || status.st_size < (off_t)sizeof(uint64_t))
        return;
    void *bytes = mmap(NULL, sizeof(uint64_t), PROT_READ, MAP_SHARED, notice->fd, 0);
    if (bytes != MAP_FAILED)
        notice->mapped = bytes;
}

enum sherd_err sherd_notice_open(const char *dir, const char *name, bool read_only, struct sherd_notice *out_notice)
{
    SHERD_CLEANUP(path_freep) char *path = sherd_path_join(dir, name);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    const int fd = open(path, (read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0 && !(read_only && errno == ENOENT))
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be opened", path);
    *out_notice = (struct sherd_notice){.fd = fd, .read_only = read_only};
    if (fd >= 0)
        map_number(out_notice);
    return SHERD_OK;
}

void sherd_notice_close(struct sherd_notice *notice)
{
    if (notice->mapped != NULL)
        (void)munmap((void *)(uintptr_t)notice->mapped, sizeof(uint64_t));
    if (notice->fd >= 0)
        (void)close(notice->fd);
    *notice = (struct sherd_notice){.fd = -1};
}

uint64_t sherd_notice_number(const struct sherd_notice *notice)
{
    uint8_t bytes[8] = {0};

    if (notice->mapped != NULL)
        return be64toh(atomic_load_explicit(notice->mapped, memory_order_acquire));
    if (notice->fd < 0 || pread(notice->fd, bytes, sizeof(bytes), 0) < 0)
        return 0;
    return sherd_get_u64(bytes);
}

enum sherd_err sherd_notice_raise(const struct sherd_notice *notice)
{
    uint8_t bytes[8];

    SHERD_ENSURE(notice->fd >= 0 && !notice->read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    sherd_put_u64(bytes, sherd_notice_number(notice) + 1);
    if (pwrite(notice->fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return sherd_fail_errno(SHERD_ERR_IO, "other processes cannot be told of a change");
    return SHERD_OK;
}
