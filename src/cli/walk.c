/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over a directory tree, by descriptors: a directory that is replaced by a link meanwhile leads nowhere. */
#include "cli/walk.h"
#include "base/mem.h"
#include "cli/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct names {
    char **items;
    size_t count;
    size_t cap;
};

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        sherd_free(names->items[i]);
    sherd_free(names->items);
}

static enum sherd_err names_add(struct names *names, const char *name)
{
    if (names->count == names->cap) {
        const size_t cap = names->cap > 0 ? 2 * names->cap : 64;
        char **items = sherd_realloc(names->items, cap * sizeof(*items));
        if (items == NULL)
            return SHERD_ERR_NO_MEMORY;
        names->items = items;
        names->cap = cap;
    }
    names->items[names->count] = sherd_strdup(name);
    if (names->items[names->count] == NULL)
        return SHERD_ERR_NO_MEMORY;
    names->count++;
    return SHERD_OK;
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void closedirp(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

/* Reads all names first: what is created meanwhile, by ourselves perhaps, is not met. */
static enum sherd_err names_read(int dir_fd, struct names *out_names)
{
    SHERD_CLEANUP(closedirp) DIR *dir = NULL;
    const int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct dirent *entry = NULL;

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "cannot be read");
    dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return sherd_fail_errno(SHERD_ERR_IO, "cannot be read");
    }
    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            SHERD_TRY(names_add(out_names, entry->d_name));
    if (errno != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "cannot be read");
    if (out_names->count > 0)
        qsort(out_names->items, out_names->count, sizeof(*out_names->items), names_compare);
    return SHERD_OK;
}

static enum sherd_err walk_directory(const struct cli_walk *walk, const struct cli_walk_item *self, int dir_fd,
                                     unsigned depth);

static enum sherd_err enter(const struct cli_walk *walk, const struct cli_walk_item *item, unsigned depth)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;

    if (item->st->st_dev == walk->skip_dev && item->st->st_ino == walk->skip_ino)
        return SHERD_OK;
    if (depth >= CLI_WALK_DEPTH_MAX)
        return walk->failed(walk->arg, item->path, sherd_fail(SHERD_ERR_LIMIT, "directories are nested too deep"));
    fd = openat(item->dir_fd, item->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return walk->failed(walk->arg, item->path, sherd_fail_errno(SHERD_ERR_IO, "cannot be opened"));
    return walk_directory(walk, item, fd, depth + 1);
}

static enum sherd_err walk_entry(const struct cli_walk *walk, const char *folder, int dir_fd, const char *name,
                                 unsigned depth)
{
    char path[PATH_MAX];
    struct stat st;
    const struct cli_walk_item item = {.path = path, .dir_fd = dir_fd, .name = name, .st = &st};
    const int len = snprintf(path, sizeof(path), "%s%s%s", folder, *folder != '\0' ? "/" : "", name);

    if (len < 0 || (size_t)len >= sizeof(path))
        return walk->failed(walk->arg, folder, sherd_fail(SHERD_ERR_LIMIT, "holds a path that is too long"));
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return walk->failed(walk->arg, path, sherd_fail_errno(SHERD_ERR_IO, "cannot be looked at"));
    if (S_ISDIR(st.st_mode))
        return enter(walk, &item, depth);
    return walk->visit(walk->arg, &item);
}

/* self is NULL for the directory that the walk began with: that one is never visited itself. */
static enum sherd_err walk_directory(const struct cli_walk *walk, const struct cli_walk_item *self, int dir_fd,
                                     unsigned depth)
{
    SHERD_CLEANUP(names_done) struct names names = {0};
    const char *folder = self != NULL ? self->path : "";
    const enum sherd_err err = names_read(dir_fd, &names);

    if (err == SHERD_ERR_NO_MEMORY)
        return err;
    if (err != SHERD_OK)
        return walk->failed(walk->arg, folder, err);
    if (names.count == 0 && self != NULL) {
        struct cli_walk_item empty = *self;
        empty.empty_directory = true;
        return walk->visit(walk->arg, &empty);
    }
    for (size_t i = 0; i < names.count; i++)
        SHERD_TRY(walk_entry(walk, folder, dir_fd, names.items[i], depth));
    return SHERD_OK;
}

enum sherd_err cli_walk(const struct cli_walk *walk, int dir_fd)
{
    return walk_directory(walk, NULL, dir_fd, 0);
}
