/* SPDX-License-Identifier: Apache-2.0 */
/* Files as attributes, and back. See tree.h. */
#include "cli/tree.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PERMISSION_BITS 0777U

void cli_tree_format_mtime(const struct timespec *mtime, char out_text[static CLI_TREE_MTIME_SIZE])
{
    (void)snprintf(out_text, CLI_TREE_MTIME_SIZE, "%" PRId64 ".%09ld", (int64_t)mtime->tv_sec, mtime->tv_nsec);
}

void cli_tree_describe(const char *path, const struct stat *st, struct cli_tree_meta *out_meta)
{
    (void)snprintf(out_meta->mode, sizeof(out_meta->mode), "%04o", (unsigned)st->st_mode & PERMISSION_BITS);
    cli_tree_format_mtime(&st->st_mtim, out_meta->mtime);
    out_meta->attributes[0] = (struct sherd_attribute){"mode", sherd_span_str(out_meta->mode)};
    out_meta->attributes[1] = (struct sherd_attribute){"mtime", sherd_span_str(out_meta->mtime)};
    out_meta->attributes[2] = (struct sherd_attribute){"path", sherd_span_str(path)};
    out_meta->meta = (struct sherd_record_meta){
        .content_type = S_ISDIR(st->st_mode) ? CLI_TREE_DIRECTORY_TYPE : NULL,
        .attributes = out_meta->attributes,
        .attribute_count = CLI_TREE_ATTRIBUTES,
    };
}

const struct sherd_attribute *cli_tree_attribute(const struct sherd_record_info *info, const char *name)
{
    for (size_t i = 0; i < info->attribute_count; i++)
        if (strcmp(info->attributes[i].name, name) == 0)
            return &info->attributes[i];
    return NULL;
}

bool cli_tree_parse_mode(struct sherd_span text, mode_t *out_mode)
{
    unsigned mode = 0;

    if (text.len < 3 || text.len > 4)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '7')
            return false;
        mode = mode << 3 | (unsigned)(text.data[i] - '0');
    }
    *out_mode = mode & PERMISSION_BITS;
    return true;
}

bool cli_tree_parse_mtime(struct sherd_span text, struct timespec *out_mtime)
{
    char copy[CLI_TREE_MTIME_SIZE];
    const bool negative = text.len > 0 && text.data[0] == '-';
    const char *digits = negative ? copy + 1 : copy;
    char *point = NULL;
    uint64_t seconds = 0;
    uint64_t nanoseconds = 0;

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    point = strchr(copy, '.');
    if (point != NULL) {
        *point = '\0';
        if (strlen(point + 1) != 9 || !cli_parse_number(point + 1, 0, 999999999, &nanoseconds))
            return false;
    }
    if (!cli_parse_number(digits, 0, INT64_MAX / 4, &seconds))
        return false;
    out_mtime->tv_sec = negative ? -(time_t)seconds : (time_t)seconds;
    out_mtime->tv_nsec = (long)nanoseconds;
    return true;
}
