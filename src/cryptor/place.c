/* SPDX-License-Identifier: Apache-2.0 */
/* A directory that is there whole or not at all: see place.h. */
#include "cryptor/place.h"
#include "base/file.h"
#include "base/mem.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* The directory that holds path, as a new string. */
static char *parent_of(const char *path)
{
    char *parent = sherd_strdup(path);

    if (parent == NULL)
        return NULL;
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        (void)snprintf(parent, 2, ".");
    else if (slash == parent)
        parent[1] = 0;
    else
        *slash = 0;
    return parent;
}

static enum sherd_err rename_into_place(const char *temporary, const char *path)
{
    if (rename(temporary, path) != 0) { /* replaces an empty directory, nothing else */
        if (errno == ENOTEMPTY || errno == EEXIST)
            return sherd_fail(SHERD_ERR_CONFLICT, "%s is there already, and not empty: name another directory", path);
        return sherd_fail_errno(errno == ENOTDIR ? SHERD_ERR_CONFLICT : SHERD_ERR_IO, "a vault cannot be made at %s",
                                path);
    }
    char *parent = parent_of(path);
    if (parent == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_dir_sync(parent, "");
    sherd_free(parent);
    return err;
}

/* A directory beside path, under a name of its own. Free with sherd_free(). */
static enum sherd_err make_temporary(const char *path, char **out_temporary)
{
    const size_t size = strlen(path) + sizeof(".new-XXXXXX");
    char *temporary = sherd_alloc(size);

    if (temporary == NULL)
        return SHERD_ERR_NO_MEMORY;
    (void)snprintf(temporary, size, "%s.new-XXXXXX", path);
    if (mkdtemp(temporary) == NULL) {
        const enum sherd_err err =
            errno == ENOENT
                ? sherd_fail(SHERD_ERR_IO, "the directory in which %s is to lie is missing: make it first", path)
                : sherd_fail_errno(SHERD_ERR_IO, "a directory cannot be made beside %s", path);

        sherd_free(temporary);
        return err;
    }
    *out_temporary = temporary;
    return SHERD_OK;
}

/* Remove a directory with all that is in it; the detail of an error stays. */
static void remove_all(const char *path)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    sherd_fail_restore(detail);
}

static enum sherd_err make_at(const char *path, sherd_place_fn *fill, void *arg)
{
    char *temporary;

    SHERD_TRY(make_temporary(path, &temporary));
    enum sherd_err err = fill(arg, temporary);
    if (err == SHERD_OK)
        err = rename_into_place(temporary, path);
    if (err != SHERD_OK)
        remove_all(temporary);
    sherd_free(temporary);
    return err;
}

static enum sherd_err check_free(const char *path)
{
    struct stat stat_of_path;

    if (lstat(path, &stat_of_path) != 0)
        return errno == ENOENT ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "%s cannot be looked at", path);
    if (!S_ISDIR(stat_of_path.st_mode))
        return sherd_fail(SHERD_ERR_CONFLICT, "%s is there already, and no directory: name another one", path);
    return SHERD_OK; /* whether it is empty shows when it is replaced */
}

enum sherd_err sherd_place_make(const char *path, sherd_place_fn *fill, void *arg)
{
    char *clean = sherd_strdup(path);

    if (clean == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t len = strlen(clean); len > 1 && clean[len - 1] == '/'; len--)
        clean[len - 1] = 0;
    enum sherd_err err = check_free(clean);
    if (err == SHERD_OK)
        err = make_at(clean, fill, arg);
    sherd_free(clean);
    return err;
}

enum sherd_err sherd_place_try(const char *path, sherd_place_fn *fill, void *arg)
{
    char *temporary;

    SHERD_TRY(make_temporary(path, &temporary));
    const enum sherd_err err = fill(arg, temporary);
    remove_all(temporary);
    sherd_free(temporary);
    return err;
}
