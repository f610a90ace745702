/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a compartment. See dir.h. */
#include "store/lmdb/dir.h"
#include "base/mem.h"
#include "base/fork.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_NAME "format"
#define FORMAT_START "sherd lmdb "
#define FORMAT_NUMBER 1L
#define FORMAT_TEXT "sherd lmdb 1\n"
#define FORMAT_BYTES_MAX 64

/* Every file and folder that can lie in a new store; for undo. */
static const char *const new_files[] = {"data.mdb",  "lock.mdb",  "lock",        "state",
                                        "journal-0", "journal-1", "journal-new", FORMAT_NAME};
static const char *const new_folders[] = {"blobs", "tmp"};

/* --- one opening a process ------------------------------------------------------------------------------------- */

struct opened {
    dev_t device;
    ino_t inode;
    unsigned fork_count; /* a child may open what its parent has open */
    struct opened *next;
};

static pthread_mutex_t opened_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct opened *opened_first;

static bool is_opened(const struct opened *asked)
{
    for (const struct opened *o = opened_first; o != NULL; o = o->next)
        if (o->device == asked->device && o->inode == asked->inode && o->fork_count == asked->fork_count)
            return true;
    return false;
}

static enum sherd_err add_opened(struct opened *fresh)
{
    enum sherd_err err = SHERD_OK;

    (void)pthread_mutex_lock(&opened_mutex);
    if (is_opened(fresh)) {
        err = SHERD_ERR_BUSY;
    } else {
        fresh->next = opened_first;
        opened_first = fresh;
    }
    (void)pthread_mutex_unlock(&opened_mutex);
    return err;
}

static enum sherd_err register_dir(struct sherd_lmdb_dir *dir)
{
    struct opened *fresh = sherd_alloc(sizeof *fresh);

    if (fresh == NULL)
        return SHERD_ERR_NO_MEMORY;
    fresh->device = dir->device;
    fresh->inode = dir->inode;
    fresh->fork_count = sherd_fork_count();
    if (add_opened(fresh) != SHERD_OK) {
        sherd_free(fresh);
        return sherd_fail(SHERD_ERR_BUSY, "store %s is open in this process already: share the open one", dir->path);
    }
    dir->registered = true;
    return SHERD_OK;
}

static void unregister_dir(const struct sherd_lmdb_dir *dir)
{
    const unsigned fork_count = sherd_fork_count();
    struct opened *gone = NULL;

    (void)pthread_mutex_lock(&opened_mutex);
    for (struct opened **o = &opened_first; *o != NULL; o = &(*o)->next) {
        if ((*o)->device == dir->device && (*o)->inode == dir->inode && (*o)->fork_count == fork_count) {
            gone = *o;
            *o = gone->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&opened_mutex);
    sherd_free(gone);
}

/* --- format ---------------------------------------------------------------------------------------------------- */

static enum sherd_err parse_format(const char *path, const char *text)
{
    const size_t start = sizeof FORMAT_START - 1;
    char *end = NULL;
    long number;

    if (strncmp(text, FORMAT_START, start) != 0)
        return sherd_fail(SHERD_ERR_IO, "store %s: its format file is damaged: restore it from a backup", path);
    number = strtol(text + start, &end, 10);
    if (number < 1 || strcmp(end, "\n") != 0)
        return sherd_fail(SHERD_ERR_IO, "store %s: its format file is damaged: restore it from a backup", path);
    if (number != FORMAT_NUMBER)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "store %s has format %ld, this program knows %ld: use a newer one",
                          path, number, FORMAT_NUMBER);
    return SHERD_OK;
}

static enum sherd_err check_format(const struct sherd_lmdb_dir *dir)
{
    char text[FORMAT_BYTES_MAX + 1] = {0};
    const int fd = openat(dir->fd, FORMAT_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got;

    if (fd < 0 && errno == ENOENT)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "no store in %s", dir->path);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store %s: open its format file", dir->path);
    do
        got = read(fd, text, FORMAT_BYTES_MAX);
    while (got < 0 && errno == EINTR);
    (void)close(fd);
    if (got < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store %s: read its format file", dir->path);
    return parse_format(dir->path, text);
}

/* A store that was finished has its entries: LMDB would make a file that is missing, or empty, anew. */
static enum sherd_err check_entries(const struct sherd_lmdb_dir *dir)
{
    struct stat st = {0};

    if (fstatat(dir->fd, "data.mdb", &st, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
        return sherd_fail_errno(SHERD_ERR_IO, "store %s: look at its data.mdb", dir->path);
    if (st.st_size == 0)
        return sherd_fail(SHERD_ERR_IO,
                          "store %s is not whole: its data.mdb is missing or empty: restore it from a backup",
                          dir->path);
    return SHERD_OK;
}

static enum sherd_err write_format(const struct sherd_lmdb_dir *dir)
{
    const int fd = openat(dir->fd, FORMAT_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const ssize_t want = (ssize_t)sizeof FORMAT_TEXT - 1;
    bool done;

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store %s: make its format file", dir->path);
    done = write(fd, FORMAT_TEXT, (size_t)want) == want && fsync(fd) == 0;
    if (!done) {
        const enum sherd_err err = sherd_fail_errno(SHERD_ERR_IO, "store %s: write its format file", dir->path);

        (void)close(fd);
        return err;
    }
    (void)close(fd);
    return SHERD_OK;
}

/* --- the directory --------------------------------------------------------------------------------------------- */

enum sherd_err sherd_lmdb_dir_sync(int fd, const char *what)
{
    if (fsync(fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "flush of the folder %s", what);
    return SHERD_OK;
}

static enum sherd_err sync_parent(const char *path)
{
    char *parent = sherd_strdup(path);
    enum sherd_err err = SHERD_OK;
    size_t len;
    char *slash;
    int fd;

    if (parent == NULL)
        return SHERD_ERR_NO_MEMORY;
    len = strlen(parent);
    while (len > 1 && parent[len - 1] == '/')
        parent[--len] = '\0';
    slash = strrchr(parent, '/');
    if (slash != NULL)
        slash[slash == parent ? 1 : 0] = '\0';
    fd = open(slash != NULL ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        err = sherd_fail_errno(SHERD_ERR_IO, "open the folder that holds %s", path);
    else
        err = sherd_lmdb_dir_sync(fd, "that holds the store");
    if (fd >= 0)
        (void)close(fd);
    sherd_free(parent);
    return err;
}

static enum sherd_err make_dir(const char *path)
{
    if (mkdir(path, 0700) == 0)
        return SHERD_OK;
    if (errno == EEXIST)
        return sherd_fail(SHERD_ERR_CONFLICT, "%s is there already", path);
    return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "make the folder %s", path);
}

static enum sherd_err open_dir_fd(struct sherd_lmdb_dir *dir)
{
    struct stat st;

    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0)
        return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "open the store %s", dir->path);
    if (fstat(dir->fd, &st) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "look at the store %s", dir->path);
    dir->device = st.st_dev;
    dir->inode = st.st_ino;
    return register_dir(dir);
}

static enum sherd_err open_folder(const struct sherd_lmdb_dir *dir, const char *name, bool create, int *out_fd)
{
    int fd;

    if (create && mkdirat(dir->fd, name, 0700) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store %s: make its folder %s", dir->path, name);
    fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store %s is not whole: open its folder %s", dir->path, name);
    *out_fd = fd;
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_dir_open(const struct sherd_store_config *config, struct sherd_lmdb_dir *out_dir)
{
    out_dir->read_only = config->read_only;
    out_dir->path = sherd_strdup(config->path);
    if (out_dir->path == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (config->create)
        SHERD_TRY(make_dir(config->path));
    SHERD_TRY(open_dir_fd(out_dir));
    if (!config->create) {
        SHERD_TRY(check_format(out_dir));
        SHERD_TRY(check_entries(out_dir));
    }
    SHERD_TRY(open_folder(out_dir, "blobs", config->create, &out_dir->blobs_fd));
    return open_folder(out_dir, "tmp", config->create, &out_dir->tmp_fd);
}

enum sherd_err sherd_lmdb_dir_finish(const struct sherd_lmdb_dir *dir)
{
    SHERD_TRY(write_format(dir));
    SHERD_TRY(sherd_lmdb_dir_sync(dir->fd, "of the store"));
    return sync_parent(dir->path);
}

void sherd_lmdb_dir_undo(const struct sherd_lmdb_dir *dir)
{
    if (dir->fd < 0)
        return;
    for (size_t i = 0; i < SHERD_COUNT_OF(new_files); i++)
        (void)unlinkat(dir->fd, new_files[i], 0);
    for (size_t i = 0; i < SHERD_COUNT_OF(new_folders); i++)
        (void)unlinkat(dir->fd, new_folders[i], AT_REMOVEDIR);
    (void)rmdir(dir->path);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

void sherd_lmdb_dir_close(struct sherd_lmdb_dir *dir)
{
    close_fd(dir->tmp_fd);
    close_fd(dir->blobs_fd);
    if (dir->registered)
        unregister_dir(dir);
    close_fd(dir->fd);
    sherd_free(dir->path);
    *dir = SHERD_LMDB_DIR_NONE;
}
