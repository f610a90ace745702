/* SPDX-License-Identifier: Apache-2.0 */
/* sherd export: write all records into a directory tree. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/text.h"
#include "cli/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { OPT_COLLECTION, OPT_FORCE, OPT_IDENTITY };

static const struct cli_option options[] = {
    [OPT_COLLECTION] = {"collection", 'c', "NAME", "only this collection"},
    [OPT_FORCE] = {"force", 'f', NULL, "replace files that are there already"},
    [OPT_IDENTITY] = {"identity", 'i', "FILE", "private keys, to open what is sealed to a recipient"},
    {0},
};

#define PAGE_RECORDS 256U

/* What is needed of a record once its page was listed. */
struct planned {
    struct sherd_uuid id;
    uint64_t version;
    char *path;
    size_t path_len;
    bool directory;
    bool has_mode;
    bool has_mtime;
    mode_t mode;
    struct timespec mtime;
};

struct export
{
    struct cli *cli;
    struct sherd_vault *vault;
    struct sherd_identity *identity;
    int root_fd;
    uint8_t *block;
    struct planned *page;
    size_t count;
    uint64_t file_count;
    uint64_t bytes;
    uint64_t failed_count;
    enum sherd_err worst;
};

static void page_clear(struct export *export)
{
    for (size_t i = 0; i < export->count; i++)
        sherd_free(export->page[i].path);
    export->count = 0;
}

static void export_done(struct export *export)
{
    page_clear(export);
    sherd_free(export->page);
    sherd_secret_free(export->block);
    cli_fd_closep(&export->root_fd);
    sherd_identity_free(export->identity);
    sherd_vault_close(export->vault);
}

/* ---- From a record to a file ------------------------------------------------------------------------------------ */

static enum sherd_err plan(void *arg, const struct sherd_record_info *info)
{
    struct export *export = arg;
    struct planned *planned = &export->page[export->count];
    const struct sherd_attribute *path = cli_tree_attribute(info, "path");
    const struct sherd_attribute *mode = cli_tree_attribute(info, "mode");
    const struct sherd_attribute *mtime = cli_tree_attribute(info, "mtime");
    char id[SHERD_UUID_TEXT_SIZE];
    struct sherd_span name;

    sherd_uuid_format(info->id, id);
    name = path != NULL ? path->value : sherd_span_str(id);
    *planned = (struct planned){.id = info->id, .version = info->version, .path_len = name.len};
    planned->path = sherd_alloc(name.len + 1);
    if (planned->path == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (name.len > 0)
        memcpy(planned->path, name.data, name.len);
    planned->directory = strcmp(info->content_type, CLI_TREE_DIRECTORY_TYPE) == 0 && info->content_bytes == 0;
    planned->has_mode = mode != NULL && cli_tree_parse_mode(mode->value, &planned->mode);
    planned->has_mtime = mtime != NULL && cli_tree_parse_mtime(mtime->value, &planned->mtime);
    export->count++;
    return SHERD_OK;
}

/* Opens a directory below another, which it makes if it is not there. Neither step follows a link. */
static enum sherd_err descend(int dir_fd, const char *name, int *out_fd)
{
    int fd = -1;

    if (mkdirat(dir_fd, name, 0777) != 0 && errno != EEXIST)
        return sherd_fail_errno(SHERD_ERR_IO, "cannot make directory %.80s", name);
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return sherd_fail(SHERD_ERR_CONFLICT, "%.80s is there and no directory", name);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "directory %.80s", name);
    *out_fd = fd;
    return SHERD_OK;
}

/* Walks down to the directory of a path that is known to be safe. The path is cut at its slashes for the time. */
static enum sherd_err open_parent(int root_fd, char *path, int *out_fd, const char **out_name)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
    char *name = path;
    char *slash = NULL;

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "directory");
    while ((slash = strchr(name, '/')) != NULL) {
        int below = -1;
        enum sherd_err err = SHERD_OK;
        *slash = '\0';
        err = descend(fd, name, &below);
        *slash = '/';
        SHERD_TRY(err);
        (void)close(fd);
        fd = below;
        name = slash + 1;
    }
    *out_fd = cli_fd_take(&fd);
    *out_name = name;
    return SHERD_OK;
}

static enum sherd_err restore(int fd, const struct planned *planned)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, planned->mtime};

    if (planned->has_mode && fchmod(fd, planned->mode) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "cannot set the mode");
    if (planned->has_mtime && futimens(fd, times) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "cannot set the time");
    return SHERD_OK;
}

static enum sherd_err write_directory(struct export *export, const struct planned *planned, int parent_fd,
                                      const char *name)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;

    if (cli_value(export->cli, OPT_FORCE) == NULL && faccessat(parent_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return sherd_fail(SHERD_ERR_CONFLICT, "something of that name is there already");
    SHERD_TRY(descend(parent_fd, name, &fd));
    return restore(fd, planned);
}

static enum sherd_err write_file(struct export *export, const struct planned *planned, int parent_fd, const char *name,
                                 uint64_t *out_bytes)
{
    SHERD_CLEANUP(cli_output_done) struct cli_output output = {.dir_fd = -1, .fd = -1};
    SHERD_CLEANUP(cli_reader_closep) struct sherd_reader *reader = NULL;
    const struct sherd_read_options how = {.version = planned->version, .identity = export->identity};

    SHERD_TRY(sherd_reader_open_with(export->vault, planned->id, &how, &reader, out_bytes));
    SHERD_TRY(cli_output_begin(parent_fd, name, &output));
    SHERD_TRY(cli_load_fd(reader, 0, *out_bytes, output.fd, name, export->block));
    SHERD_TRY(restore(output.fd, planned));
    return cli_output_commit(&output, cli_value(export->cli, OPT_FORCE) != NULL, false);
}

static enum sherd_err write_record(struct export *export, const struct planned *planned, uint64_t *out_bytes)
{
    SHERD_CLEANUP(cli_fd_closep) int parent_fd = -1;
    const char *name = NULL;

    SHERD_ENSURE(cli_path_safe(sherd_span_of(planned->path, planned->path_len)), SHERD_ERR_INVALID,
                 "refused: the path leads out of the directory, or is none");
    SHERD_TRY(open_parent(export->root_fd, planned->path, &parent_fd, &name));
    if (planned->directory)
        return write_directory(export, planned, parent_fd, name);
    return write_file(export, planned, parent_fd, name, out_bytes);
}

/* ---- The whole -------------------------------------------------------------------------------------------------- */

static enum sherd_err tell(struct export *export, const struct planned *planned, uint64_t bytes)
{
    const struct sherd_span path = sherd_span_of(planned->path, planned->path_len);
    char id[SHERD_UUID_TEXT_SIZE];

    export->file_count++;
    export->bytes += bytes;
    cli_progress_clear();
    if (export->cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:o, s:I}", "id", cli_json_uuid(planned->id), "path",
                                        cli_json_bytes(path), "bytes", (json_int_t)bytes),
                              "\n");
    sherd_uuid_format(planned->id, id);
    cli_print("%s  ", id);
    cli_print_escaped(path);
    cli_print("\n");
    return SHERD_OK;
}

/* One record that fails leaves the others their chance; what matters most decides the exit code. */
static void note_failure(struct export *export, const struct planned *planned, enum sherd_err err)
{
    export->failed_count++;
    if (export->worst == SHERD_OK || err == SHERD_ERR_TAMPERED)
        export->worst = err;
    cli_report_item(export->cli, err, sherd_span_of(planned->path, planned->path_len));
}

static enum sherd_err write_page(struct export *export)
{
    for (size_t i = 0; i < export->count; i++) {
        uint64_t bytes = 0;
        const enum sherd_err err = write_record(export, &export->page[i], &bytes);
        if (err == SHERD_OK)
            SHERD_TRY(tell(export, &export->page[i], bytes));
        else
            note_failure(export, &export->page[i], err);
    }
    page_clear(export);
    return cli_flush(export->cli);
}

static enum sherd_err write_all(struct export *export)
{
    struct sherd_cursor cursor = {0};

    while (!cursor.ended) {
        SHERD_TRY(sherd_record_list(export->vault, cli_value(export->cli, OPT_COLLECTION), &cursor, PAGE_RECORDS, plan,
                                    export));
        SHERD_TRY(write_page(export));
    }
    if (syncfs(export->root_fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "cannot flush what was written");
    return SHERD_OK;
}

static enum sherd_err conclude(struct export *export, double seconds)
{
    char bytes[CLI_SIZE_TEXT_SIZE];

    cli_format_size((double)export->bytes, bytes);
    if (!export->cli->json)
        cli_warn(export->cli, "wrote %" PRIu64 " files, %s in %.1f s", export->file_count, bytes, seconds);
    if (export->failed_count > 0)
        return sherd_fail(export->worst, "%" PRIu64 " records were not written%s", export->failed_count,
                          export->worst == SHERD_ERR_CONFLICT ? ": --force replaces files that are there" : "");
    return SHERD_OK;
}

static enum sherd_err open_root(const char *path, int *out_fd)
{
    int fd = -1;

    SHERD_TRY(cli_check_outside(path));
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return sherd_fail_errno(SHERD_ERR_IO, "%.160s", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%.160s", path);
    *out_fd = fd;
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(export_done) struct export export = {.cli = cli, .root_fd = -1};

    export.block = sherd_secret_alloc(CLI_BLOCK_BYTES);
    export.page = sherd_alloc_array(PAGE_RECORDS, sizeof(*export.page));
    if (export.block == NULL || export.page == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_identity_read(cli, cli_value(cli, OPT_IDENTITY), &export.identity));
    SHERD_TRY(cli_vault_open_to_give(cli, &export.vault));
    SHERD_TRY(open_root(cli->operands[0], &export.root_fd));
    cli_progress_begin(cli, "export");
    SHERD_TRY(write_all(&export));
    return conclude(&export, cli_progress_end());
}

const struct cli_command cmd_export = {
    .name = "export",
    .operands = "DIR",
    .summary = "write all records below a directory, under their path or else their UUID",
    .notes = "Mode and time come from the attributes that `sherd import` sets. A path that is absolute, has \"..\" or\n"
             "empty parts, or goes through a symbolic link is refused, and so is a file that is there already,\n"
             "unless --force is given.",
    .options = options,
    .operand_min = 1,
    .operand_max = 1,
    .run = run,
};
