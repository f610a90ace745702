/* SPDX-License-Identifier: Apache-2.0 */
/* sherd import: store a directory tree, small files many to a commit. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/text.h"
#include "cli/tree.h"
#include "cli/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

enum { OPT_COLLECTION, OPT_ENTITY, OPT_RESUME, OPT_TO };

static const struct cli_option options[] = {
    [OPT_COLLECTION] = {"collection", 'c', "NAME", "the collection that the records belong to (default)"},
    [OPT_ENTITY] = {"entity", 'e', "NAME", "whose data it is"},
    [OPT_RESUME] = {"resume", 0, NULL, "leave out files stored already with the same path, size and time"},
    [OPT_TO] = {"to", 0, "RECIPIENT", "seal the contents to this public key (age1...): no one else opens them"},
    {0},
};

#define BATCH_MAX 512U

/* A small file that waits for the commit that it shares. */
struct waiting {
    struct cli_tree_meta tree;
    char *path;
};

struct import {
    struct cli *cli;
    struct sherd_vault *vault;
    uint8_t *block; /* contents of those who wait, one behind the other */
    size_t used;
    uint8_t *stream_block;
    struct waiting *waiting;
    struct sherd_batch_item *items;
    size_t count;
    void *known; /* tsearch tree of strings: what is stored already */
    uint64_t file_count;
    uint64_t bytes;
    uint64_t skipped_count;
    uint64_t known_count;
    uint64_t failed_count;
};

static void free_node(void *node)
{
    sherd_free(node);
}

static void import_done(struct import *import)
{
    for (size_t i = 0; i < import->count; i++)
        sherd_free(import->waiting[i].path);
    sherd_free(import->waiting);
    sherd_free(import->items);
    sherd_secret_free(import->block);
    sherd_secret_free(import->stream_block);
    tdestroy(import->known, free_node);
    sherd_vault_close(import->vault);
}

/* ---- What is stored already ------------------------------------------------------------------------------------- */

#define KNOWN_KEY_SIZE (PATH_MAX + 64)

static int compare_strings(const void *a, const void *b)
{
    return strcmp(a, b);
}

static enum sherd_err remember(void *arg, const struct sherd_record_info *info)
{
    struct import *import = arg;
    const struct sherd_attribute *path = cli_tree_attribute(info, "path");
    const struct sherd_attribute *mtime = cli_tree_attribute(info, "mtime");
    char key[KNOWN_KEY_SIZE];
    char *copy = NULL;
    void *node = NULL;

    if (path == NULL || mtime == NULL || path->value.len >= PATH_MAX || mtime->value.len >= CLI_TREE_MTIME_SIZE)
        return SHERD_OK;
    (void)snprintf(key, sizeof(key), "%" PRIu64 " %.*s %.*s", info->content_bytes, (int)mtime->value.len,
                   (const char *)mtime->value.data, (int)path->value.len, (const char *)path->value.data);
    copy = sherd_strdup(key);
    if (copy == NULL)
        return SHERD_ERR_NO_MEMORY;
    node = tsearch(copy, &import->known, compare_strings);
    if (node == NULL || *(char **)node != copy)
        sherd_free(copy); /* no memory, or known twice */
    SHERD_ENSURE(node != NULL, SHERD_ERR_NO_MEMORY, "no memory for the list of what is stored");
    return SHERD_OK;
}

static bool is_known(const struct import *import, const struct cli_walk_item *item)
{
    char mtime[CLI_TREE_MTIME_SIZE];
    char key[KNOWN_KEY_SIZE];

    if (import->known == NULL)
        return false;
    cli_tree_format_mtime(&item->st->st_mtim, mtime);
    (void)snprintf(key, sizeof(key), "%" PRIu64 " %s %s", item->empty_directory ? 0 : (uint64_t)item->st->st_size,
                   mtime, item->path);
    return tfind(key, &import->known, compare_strings) != NULL;
}

/* ---- Storing ---------------------------------------------------------------------------------------------------- */

static enum sherd_err tell(struct import *import, struct sherd_uuid id, const char *path, uint64_t bytes)
{
    char text[SHERD_UUID_TEXT_SIZE];

    import->file_count++;
    import->bytes += bytes;
    if (import->cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:o, s:I}", "id", cli_json_uuid(id), "path",
                                        cli_json_bytes(sherd_span_str(path)), "bytes", (json_int_t)bytes),
                              "\n");
    sherd_uuid_format(id, text);
    cli_print("%s  ", text);
    cli_print_escaped(sherd_span_str(path));
    cli_print("\n");
    return SHERD_OK;
}

/* Stores those who wait in one go. What is printed is durable. */
static enum sherd_err flush(struct import *import)
{
    cli_progress_clear();
    if (import->count > 0)
        SHERD_TRY(sherd_record_put_batch(import->vault, import->items, import->count));
    for (size_t i = 0; i < import->count; i++) {
        SHERD_TRY(tell(import, import->items[i].id, import->waiting[i].path, import->items[i].content.len));
        sherd_free(import->waiting[i].path);
        import->waiting[i].path = NULL;
    }
    import->count = 0;
    import->used = 0;
    cli_progress_update(import->bytes, 0);
    return cli_flush(import->cli);
}

static void describe(struct import *import, const char *path, const struct stat *st, struct cli_tree_meta *tree)
{
    cli_tree_describe(path, st, tree);
    tree->meta.collection = cli_value(import->cli, OPT_COLLECTION);
    tree->meta.entity = cli_value(import->cli, OPT_ENTITY);
    tree->meta.recipient = cli_value(import->cli, OPT_TO);
}

static enum sherd_err wait_for_commit(struct import *import, const struct cli_walk_item *item, size_t bytes)
{
    struct waiting *waiting = &import->waiting[import->count];

    waiting->path = sherd_strdup(item->path);
    if (waiting->path == NULL)
        return SHERD_ERR_NO_MEMORY;
    describe(import, waiting->path, item->st, &waiting->tree);
    import->items[import->count] = (struct sherd_batch_item){
        .meta = &waiting->tree.meta,
        .content = sherd_span_of(import->block + import->used, bytes),
    };
    import->used += bytes;
    import->count++;
    return SHERD_OK;
}

static enum sherd_err store_large(struct import *import, const struct cli_walk_item *item, int fd)
{
    struct cli_tree_meta tree = {0};
    struct cli_store store = {.vault = import->vault, .meta = &tree.meta};
    uint64_t bytes = 0;

    describe(import, item->path, item->st, &tree);
    SHERD_TRY(cli_store_fd(&store, fd, item->path, import->stream_block, NULL, &bytes));
    cli_progress_clear();
    SHERD_TRY(tell(import, store.id, item->path, bytes));
    return cli_flush(import->cli);
}

/* A failure of one file, which leaves the others their chance. */
static enum sherd_err file_failed(void *arg, const char *path, enum sherd_err err)
{
    struct import *import = arg;

    import->failed_count++;
    cli_report_item(import->cli, err, sherd_span_str(*path != '\0' ? path : "."));
    return SHERD_OK;
}

/* A file that grew since it was looked at may turn out not to be small: it is read again from its beginning. */
static enum sherd_err store_file(struct import *import, const struct cli_walk_item *item)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = openat(item->dir_fd, item->name,
                                                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    const size_t small_bytes = cli_value(import->cli, OPT_TO) != NULL ? SHERD_BATCH_SEALED_BYTES_MAX
                                                                      : SHERD_BATCH_CONTENT_BYTES_MAX;
    size_t bytes = 0;
    enum sherd_err err = SHERD_OK;

    if (fd < 0)
        return file_failed(import, item->path, sherd_fail_errno(SHERD_ERR_IO, "cannot be opened"));
    if (item->st->st_size <= (off_t)small_bytes) {
        if (import->count == BATCH_MAX || CLI_BLOCK_BYTES - import->used <= small_bytes)
            SHERD_TRY(flush(import));
        err = cli_read_full(fd, item->path, import->block + import->used, small_bytes + 1, &bytes);
        if (err == SHERD_ERR_BUSY)
            return err;
        if (err != SHERD_OK)
            return file_failed(import, item->path, err);
        if (bytes <= small_bytes)
            return wait_for_commit(import, item, bytes);
        if (lseek(fd, 0, SEEK_SET) != 0)
            return file_failed(import, item->path, sherd_fail_errno(SHERD_ERR_IO, "cannot be read again"));
    }
    return store_large(import, item, fd);
}

static enum sherd_err visit(void *arg, const struct cli_walk_item *item)
{
    struct import *import = arg;

    if (cli_signal_caught() != 0)
        return sherd_fail(SHERD_ERR_BUSY, "interrupted");
    if (!S_ISREG(item->st->st_mode) && !item->empty_directory) {
        import->skipped_count++;
        cli_warn(import->cli, "%s: skipped: %s", item->path,
                 S_ISLNK(item->st->st_mode) ? "a symbolic link" : "neither a file nor a directory");
        return SHERD_OK;
    }
    if (strlen(item->path) > SHERD_ATTRIBUTES_BYTES_MAX - 64)
        return file_failed(import, item->path, sherd_fail(SHERD_ERR_LIMIT, "the path is too long"));
    if (is_known(import, item)) {
        import->known_count++;
        return SHERD_OK;
    }
    if (item->empty_directory) {
        if (import->count == BATCH_MAX)
            SHERD_TRY(flush(import));
        return wait_for_commit(import, item, 0);
    }
    return store_file(import, item);
}

static enum sherd_err import_init(struct import *import)
{
    import->block = sherd_secret_alloc(CLI_BLOCK_BYTES);
    import->stream_block = sherd_secret_alloc(CLI_BLOCK_BYTES);
    import->waiting = sherd_alloc_array(BATCH_MAX, sizeof(*import->waiting));
    import->items = sherd_alloc_array(BATCH_MAX, sizeof(*import->items));
    if (import->block == NULL || import->stream_block == NULL || import->waiting == NULL || import->items == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_vault_open(import->cli, false, &import->vault));
    if (cli_value(import->cli, OPT_RESUME) != NULL) {
        struct sherd_cursor cursor = {0};
        SHERD_TRY(sherd_record_list(import->vault, cli_value(import->cli, OPT_COLLECTION), &cursor, 0, remember,
                                    import));
    }
    return SHERD_OK;
}

static enum sherd_err conclude(struct import *import, enum sherd_err err, double seconds)
{
    char bytes[CLI_SIZE_TEXT_SIZE];

    cli_format_size((double)import->bytes, bytes);
    if (err != SHERD_OK) {
        if (!import->cli->silent)
            cli_warn(import->cli, "%" PRIu64 " files were stored and listed; go on with --resume", import->file_count);
        return err;
    }
    if (!import->cli->json)
        cli_warn(import->cli, "stored %" PRIu64 " files, %s in %.1f s; %" PRIu64 " skipped, %" PRIu64 " known already",
                 import->file_count, bytes, seconds, import->skipped_count, import->known_count);
    if (import->failed_count > 0)
        return sherd_fail(SHERD_ERR_IO, "%" PRIu64 " files could not be stored: mend that, then go on with --resume",
                          import->failed_count);
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(import_done) struct import import = {.cli = cli};
    SHERD_CLEANUP(cli_fd_closep) int dir_fd = open(cli->operands[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct cli_walk walk = {.visit = visit, .failed = file_failed, .arg = &import};
    struct stat st;
    enum sherd_err err = SHERD_OK;

    if (dir_fd < 0)
        return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "%.160s", cli->operands[0]);
    SHERD_TRY(import_init(&import));
    if (stat(cli->vault, &st) == 0) { /* a vault inside the tree would import itself without end */
        walk.skip_dev = st.st_dev;
        walk.skip_ino = st.st_ino;
        if (fstat(dir_fd, &st) == 0 && st.st_dev == walk.skip_dev && st.st_ino == walk.skip_ino)
            return sherd_fail(SHERD_ERR_INVALID, "the directory is the vault itself");
    }
    cli_signals_defer();
    cli_progress_begin(cli, "import");
    err = cli_walk(&walk, dir_fd);
    if (err == SHERD_OK)
        err = flush(&import);
    return conclude(&import, err, cli_progress_end());
}

const struct cli_command cmd_import = {
    .name = "import",
    .operands = "DIR",
    .summary = "store all files of a directory tree, and print UUID and path of each",
    .notes =
        "Each record gets the attributes path (relative to DIR), mode and mtime, from which `sherd export` makes the\n"
        "tree again; empty directories are kept too. Symbolic links and special files are named and left out,\n"
        "and so is the vault itself. What was printed is on the disk.",
    .options = options,
    .operand_min = 1,
    .operand_max = 1,
    .run = run,
};
