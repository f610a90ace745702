/* SPDX-License-Identifier: Apache-2.0 */
/* The names of blobs: their folders, removal, walking, and what died writers left. See blob.h. */
#include "base/failpoint.h"
#include "base/mem.h"
#include "store/lmdb/blob.h"
#include "store/lmdb/name.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_COUNT 256U

enum sherd_err sherd_lmdb_blob_folder(const struct sherd_lmdb_dir *dir, uint8_t first, bool create, int *out_fd)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    char name[3];

    (void)snprintf(name, sizeof name, "%02x", (unsigned)first);
    *out_fd = openat(dir->blobs_fd, name, flags);
    if (*out_fd >= 0)
        return SHERD_OK;
    if (errno == ENOENT && !create)
        return SHERD_ERR_NOT_FOUND;
    if (errno == ENOENT) {
        if (mkdirat(dir->blobs_fd, name, 0700) != 0 && errno != EEXIST)
            return sherd_fail_errno(SHERD_ERR_IO, "blob: make a folder");
        SHERD_TRY(sherd_lmdb_dir_sync(dir->blobs_fd, "of blob folders"));
        *out_fd = openat(dir->blobs_fd, name, flags);
    }
    if (*out_fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "blob: open a folder");
    return SHERD_OK;
}

static enum sherd_err remove_name(int folder_fd, struct sherd_ref name)
{
    char text[SHERD_LMDB_BLOB_NAME_SIZE];

    SHERD_FAILPOINT("lmdb.blob_delete");
    sherd_lmdb_blob_name(name, text);
    if (unlinkat(folder_fd, text, 0) != 0)
        return errno == ENOENT ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "blob: remove");
    SHERD_FAILPOINT("lmdb.blob_deleted");
    return sherd_lmdb_dir_sync(folder_fd, "of blobs");
}

enum sherd_err sherd_lmdb_blob_delete(const struct sherd_lmdb_dir *dir, struct sherd_ref name)
{
    int folder_fd = -1;

    enum sherd_err err = sherd_lmdb_blob_folder(dir, name.bytes[0], false, &folder_fd);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    err = remove_name(folder_fd, name);
    (void)close(folder_fd);
    return err;
}

/* --- scan -------------------------------------------------------------------------------------------------------- */

/* The names of one folder, sorted. */
struct name_list {
    struct sherd_ref *names;
    size_t count;
    size_t room;
};

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Files that are not named as a blob of that folder are none. */
static bool parse_name(const char *text, uint8_t first, struct sherd_ref *out_name)
{
    if (strlen(text) != SHERD_LMDB_BLOB_NAME_SIZE - 1)
        return false;
    for (size_t i = 0; i < sizeof out_name->bytes; i++) {
        const int high = digit(text[2 * i]);
        const int low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out_name->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return out_name->bytes[0] == first;
}

static enum sherd_err add_name(struct name_list *list, struct sherd_ref name)
{
    if (list->count == list->room) {
        const size_t room = list->room == 0 ? 64 : list->room * 2;
        struct sherd_ref *names = sherd_realloc(list->names, room * sizeof *names);

        if (names == NULL)
            return SHERD_ERR_NO_MEMORY;
        list->names = names;
        list->room = room;
    }
    list->names[list->count++] = name;
    return SHERD_OK;
}

static int compare_names(const void *a, const void *b)
{
    return sherd_lmdb_name_compare(a, b);
}

static enum sherd_err read_names(DIR *stream, uint8_t first, const struct sherd_ref *after, struct name_list *list)
{
    const struct dirent *entry;
    struct sherd_ref name;

    errno = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (parse_name(entry->d_name, first, &name) && (after == NULL || compare_names(&name, after) > 0))
            SHERD_TRY(add_name(list, name));
        errno = 0;
    }
    if (errno != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "blob: read a folder");
    return SHERD_OK;
}

/* Visit the listed blobs. One that has gone meanwhile is passed over. */
static enum sherd_err visit_names(int folder_fd, const struct name_list *list, sherd_store_visit_fn *visit, void *arg)
{
    for (size_t i = 0; i < list->count; i++) {
        char text[SHERD_LMDB_BLOB_NAME_SIZE];
        struct stat st;

        sherd_lmdb_blob_name(list->names[i], text);
        if (fstatat(folder_fd, text, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT)
                continue;
            return sherd_fail_errno(SHERD_ERR_IO, "blob: look at its size");
        }
        SHERD_TRY(visit(arg, list->names[i], sherd_span_of(NULL, (size_t)st.st_size)));
    }
    return SHERD_OK;
}

static enum sherd_err scan_stream(DIR *stream, uint8_t first, const struct sherd_ref *after,
                                  sherd_store_visit_fn *visit, void *arg)
{
    struct name_list list = {0};
    enum sherd_err err = read_names(stream, first, after, &list);

    if (err == SHERD_OK && list.count > 0) {
        qsort(list.names, list.count, sizeof *list.names, compare_names);
        err = visit_names(dirfd(stream), &list, visit, arg);
    }
    sherd_free(list.names);
    return err;
}

static enum sherd_err scan_folder(const struct sherd_lmdb_dir *dir, uint8_t first, const struct sherd_ref *after,
                                  sherd_store_visit_fn *visit, void *arg)
{
    enum sherd_err err;
    int folder_fd = -1;
    DIR *stream;

    err = sherd_lmdb_blob_folder(dir, first, false, &folder_fd);
    if (err != SHERD_OK)
        return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
    stream = fdopendir(folder_fd);
    if (stream == NULL) {
        (void)close(folder_fd);
        return sherd_fail_errno(SHERD_ERR_IO, "blob: open a folder");
    }
    err = scan_stream(stream, first, after, visit, arg);
    (void)closedir(stream);
    return err;
}

/* Which folders there are. One that is made from now on holds nothing that was there when the scan began. */
static enum sherd_err read_folders(DIR *stream, bool there[static FOLDER_COUNT])
{
    const struct dirent *entry;

    errno = 0;
    while ((entry = readdir(stream)) != NULL) {
        const int high = digit(entry->d_name[0]);
        const int low = high >= 0 ? digit(entry->d_name[1]) : -1;

        if (low >= 0 && entry->d_name[2] == 0)
            there[high << 4 | low] = true;
        errno = 0;
    }
    return errno == 0 ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "blob: read the folders");
}

static enum sherd_err list_folders(const struct sherd_lmdb_dir *dir, bool there[static FOLDER_COUNT])
{
    const int fd = openat(dir->blobs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

    if (stream == NULL) {
        const enum sherd_err err = sherd_fail_errno(SHERD_ERR_IO, "blob: open the folders");

        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    const enum sherd_err err = read_folders(stream, there);
    (void)closedir(stream);
    return err;
}

enum sherd_err sherd_lmdb_blob_scan(const struct sherd_lmdb_dir *dir, const struct sherd_ref *after,
                                    sherd_store_visit_fn *visit, void *arg)
{
    bool there[FOLDER_COUNT] = {false};

    SHERD_TRY(list_folders(dir, there));
    for (unsigned first = after != NULL ? after->bytes[0] : 0; first < FOLDER_COUNT; first++)
        if (there[first])
            SHERD_TRY(scan_folder(dir, (uint8_t)first, after, visit, arg));
    return SHERD_OK;
}

/* --- tidy -------------------------------------------------------------------------------------------------------- */

/* A living writer holds a lock on its file. */
static bool remove_if_dead(int tmp_fd, const char *name)
{
    const int fd = openat(tmp_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool removed = false;

    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        removed = unlinkat(tmp_fd, name, 0) == 0;
    (void)close(fd);
    return removed;
}

enum sherd_err sherd_lmdb_blob_tidy(const struct sherd_lmdb_dir *dir, uint64_t *out_removed_count)
{
    const int fd = openat(dir->tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    uint64_t count = 0;

    if (stream == NULL) {
        const enum sherd_err err = sherd_fail_errno(SHERD_ERR_IO, "blob: open the folder of unfinished ones");

        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    while ((entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.' && remove_if_dead(dir->tmp_fd, entry->d_name))
            count++;
    (void)closedir(stream);
    *out_removed_count = count;
    return SHERD_OK;
}
