/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/tree.h
 * How a file of a tree is described by a record's attributes, for import and export alike: `path`, relative; `mode`,
 * the
 * permission bits in octal; `mtime`, seconds since 1970 with nanoseconds. An empty directory is a record without
 * contents, of the type inode/directory.
 */
#ifndef SHERD_CLI_TREE_H
#define SHERD_CLI_TREE_H

#include "base/macros.h"
#include <sherd/sherd.h>
#include <sys/stat.h>
#include <time.h>

#define CLI_TREE_DIRECTORY_TYPE "inode/directory"
#define CLI_TREE_ATTRIBUTES 3
#define CLI_TREE_MODE_SIZE 8
#define CLI_TREE_MTIME_SIZE 32

/** A record's meta for a file, with what it points to. Do not copy it: it points into itself. */
struct cli_tree_meta {
    struct sherd_record_meta meta;
    struct sherd_attribute attributes[CLI_TREE_ATTRIBUTES];
    char mode[CLI_TREE_MODE_SIZE];
    char mtime[CLI_TREE_MTIME_SIZE];
};

/** Describe a file. @param[out] out_meta  borrows path; collection and entity are left NULL */
void cli_tree_describe(const char *path, const struct stat *st, struct cli_tree_meta *out_meta);

/** Write a modification time as the attribute has it. */
void cli_tree_format_mtime(const struct timespec *mtime, char out_text[static CLI_TREE_MTIME_SIZE]);

/** The attribute of a name, or NULL. */
const struct sherd_attribute *cli_tree_attribute(const struct sherd_record_info *info, const char *name);

/** Read a mode: three or four octal digits. Only permission bits count. @return false if it is none */
bool cli_tree_parse_mode(struct sherd_span text, mode_t *out_mode);

/** Read a time: digits with an optional sign, and nine digits behind a point or none. @return false if it is none */
bool cli_tree_parse_mtime(struct sherd_span text, struct timespec *out_mtime);

#endif
