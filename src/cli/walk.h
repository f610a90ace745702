/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/walk.h
 * A walk over a directory tree, in the order of names. Symbolic links are not followed.
 */
#ifndef SHERD_CLI_WALK_H
#define SHERD_CLI_WALK_H

#include "cli/cli.h"
#include <sys/stat.h>

/** Deepest nesting of directories. */
#define CLI_WALK_DEPTH_MAX 128U

/** What was met. Borrowed until the visitor returns. */
struct cli_walk_item {
    const char *path;      /**< relative to the directory of the walk, without "./" */
    int dir_fd;            /**< the directory that it lies in */
    const char *name;      /**< in that directory */
    const struct stat *st; /**< of itself, as lstat() */
    bool empty_directory;
};

/**
 * Visit a file, an empty directory, a symbolic link or a special file. @return SHERD_OK to go on; else the walk
 * ends with it
 */
typedef enum sherd_err cli_walk_fn(void *arg, const struct cli_walk_item *item);

/** Told of a directory or file that could not be looked at; the detail says why. @return SHERD_OK to go on */
typedef enum sherd_err cli_walk_failed_fn(void *arg, const char *path, enum sherd_err err);

struct cli_walk {
    cli_walk_fn *visit;
    cli_walk_failed_fn *failed;
    void *arg;
    dev_t skip_dev; /**< a directory that is left out with all that it holds; skip_ino 0 for none */
    ino_t skip_ino;
};

/**
 * Walk.
 * @param[in] dir_fd  the directory; borrowed
 * @return SHERD_OK; the code of a visitor; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_walk(const struct cli_walk *walk, int dir_fd);

#endif
