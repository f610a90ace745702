/* SPDX-License-Identifier: Apache-2.0 */
/* sherd entity export: all that is kept about an entity, as files, with a manifest that says what they are. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/text.h"
#include "crypto/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MANIFEST "manifest.json"
#define FORMAT "sherd-entity-export-1"
#define PAGE_RECORDS 256U
/* A UUID, "-v" and a version: letters, digits and dashes, whatever a record is called. */
#define FILE_NAME_SIZE 64

struct export
{
    struct cli *cli;
    const struct cli_entity_export *wish;
    struct sherd_vault *vault;
    struct sherd_identity *identity;
    uint8_t *block;
    int dir_fd;
    struct sherd_uuid *page; /* PAGE_RECORDS: the vault is not worked with while it is listed */
    size_t count;
    json_t *records;
    uint64_t bytes;
    uint64_t failed_count;
    enum sherd_err worst;
};

static void export_done(struct export *export)
{
    json_decref(export->records);
    sherd_free(export->page);
    sherd_secret_free(export->block);
    cli_fd_closep(&export->dir_fd);
    sherd_identity_free(export->identity);
    sherd_vault_close(export->vault);
}

/* ---- One version ------------------------------------------------------------------------------------------------- */

/* What is sealed to somebody whose key was not given goes out as it is sealed. */
static enum sherd_err open_version(const struct export *export, const struct sherd_record_info *info,
                                   struct sherd_reader **out_reader, uint64_t *out_bytes, bool *out_sealed)
{
    struct sherd_read_options how = {.version = info->version, .identity = export->identity};

    *out_sealed = false;
    const enum sherd_err err = sherd_reader_open_with(export->vault, info->id, &how, out_reader, out_bytes);
    if (err != SHERD_ERR_DENIED || info->recipient[0] == 0)
        return err;
    *out_sealed = true;
    how.raw = true;
    return sherd_reader_open_with(export->vault, info->id, &how, out_reader, out_bytes);
}

/* @param[out] out_sha256  hexadecimal digits */
static enum sherd_err copy(struct export *export, struct sherd_reader *reader, uint64_t bytes, int fd, const char *name,
                           char out_sha256[static 2 * SHERD_SHA256_SIZE + 1])
{
    SHERD_CLEANUP(sherd_hasher_freep) struct sherd_hasher *hasher = NULL;
    uint8_t digest[SHERD_SHA256_SIZE];
    uint64_t offset = 0;

    SHERD_TRY(sherd_hasher_new(SHERD_SHA256, &hasher));
    while (offset < bytes) {
        size_t len = 0;

        SHERD_TRY(sherd_reader_read(reader, offset, export->block, CLI_BLOCK_BYTES, &len));
        SHERD_ENSURE(len > 0, SHERD_ERR_IO, "the contents end early");
        SHERD_TRY(sherd_hasher_update(hasher, sherd_span_of(export->block, len)));
        SHERD_TRY(cli_write_full(fd, name, export->block, len));
        offset += len;
        cli_progress_update(offset, bytes);
    }
    SHERD_TRY(sherd_hasher_final(hasher, digest));
    cli_format_hex(sherd_span_of(digest, sizeof(digest)), out_sha256);
    return SHERD_OK;
}

/* What ls says of a version, and what only its file shows. */
static enum sherd_err note(struct export *export, const struct sherd_record_info *info, const char *name,
                           uint64_t bytes, bool sealed, const char *sha256)
{
    json_t *record = cli_json_record(info);

    if (record == NULL || json_object_set_new(record, "file", json_string(name)) != 0 ||
        json_object_set_new(record, "file_bytes", json_integer((json_int_t)bytes)) != 0 ||
        json_object_set_new(record, "sha256", json_string(sha256)) != 0 ||
        json_object_set_new(record, "sealed", json_boolean(sealed)) != 0 ||
        json_array_append(export->records, record) != 0) {
        json_decref(record);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "no memory for the manifest");
    }
    json_decref(record);
    export->bytes += bytes;
    return SHERD_OK;
}

static enum sherd_err write_version(struct export *export, const struct sherd_record_info *info)
{
    SHERD_CLEANUP(cli_output_done) struct cli_output output = {.dir_fd = -1, .fd = -1};
    SHERD_CLEANUP(cli_reader_closep) struct sherd_reader *reader = NULL;
    char id[SHERD_UUID_TEXT_SIZE];
    char name[FILE_NAME_SIZE];
    char sha256[2 * SHERD_SHA256_SIZE + 1];
    uint64_t bytes = 0;
    bool sealed = false;

    sherd_uuid_format(info->id, id);
    (void)snprintf(name, sizeof(name), "%s-v%" PRIu64, id, info->version);
    SHERD_TRY(open_version(export, info, &reader, &bytes, &sealed));
    SHERD_TRY(cli_output_begin(export->dir_fd, name, &output));
    SHERD_TRY(copy(export, reader, bytes, output.fd, name, sha256));
    SHERD_TRY(cli_output_commit(&output, false, false));
    return note(export, info, name, bytes, sealed, sha256);
}

/* ---- One record -------------------------------------------------------------------------------------------------- */

/* One that fails leaves the others their chance; what matters most decides the exit code. */
static void note_failure(struct export *export, struct sherd_uuid record, enum sherd_err err)
{
    char id[SHERD_UUID_TEXT_SIZE];

    export->failed_count++;
    if (export->worst == SHERD_OK || err == SHERD_ERR_TAMPERED)
        export->worst = err;
    sherd_uuid_format(record, id);
    cli_report_item(export->cli, err, sherd_span_str(id));
}

/* @param[out] out_range  what the newest version says of which there are; unset if the record is gone */
static enum sherd_err write_one(struct export *export, struct sherd_uuid record, uint64_t version,
                                uint64_t out_range[static 2])
{
    SHERD_CLEANUP(cli_info_freep) struct sherd_record_info *info = NULL;
    enum sherd_err err = sherd_record_stat(export->vault, record, version, &info);

    if (err == SHERD_OK) {
        out_range[0] = info->version_oldest;
        out_range[1] = info->version_current;
        err = write_version(export, info);
    }
    if (err == SHERD_ERR_NOT_FOUND) /* deleted, or no longer kept, since it was listed */
        return SHERD_OK;
    if (err != SHERD_OK)
        note_failure(export, record, err);
    return err == SHERD_ERR_NO_MEMORY ? err : SHERD_OK;
}

static enum sherd_err write_record(struct export *export, struct sherd_uuid record)
{
    uint64_t range[2] = {1, 0};
    uint64_t unused[2];

    SHERD_TRY(write_one(export, record, 0, range));
    for (uint64_t version = range[0]; version < range[1]; version++)
        SHERD_TRY(write_one(export, record, version, unused));
    return SHERD_OK;
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

static enum sherd_err plan(void *arg, const struct sherd_record_info *info)
{
    struct export *export = arg;

    export->page[export->count++] = info->id;
    return SHERD_OK;
}

static enum sherd_err write_all(struct export *export)
{
    struct sherd_cursor cursor = {0};

    while (!cursor.ended) {
        export->count = 0;
        SHERD_TRY(sherd_record_list_of(export->vault, export->wish->collection, export->wish->entity, &cursor,
                                       PAGE_RECORDS, plan, export));
        for (size_t i = 0; i < export->count; i++)
            SHERD_TRY(write_record(export, export->page[i]));
    }
    return SHERD_OK;
}

static json_t *manifest_of(struct export *export, const struct sherd_vault_info *vault)
{
    const char *collection = export->wish->collection != NULL ? export->wish->collection : "default";
    char now[CLI_TIME_TEXT_SIZE];

    cli_format_time((int64_t)time(NULL), now);
    return json_pack("{s:s, s:o, s:o, s:o, s:s, s:b, s:O}", "format", FORMAT, "deployment",
                     cli_json_uuid(vault->deployment), "collection", cli_json_bytes(sherd_span_str(collection)),
                     "entity", cli_json_bytes(sherd_span_str(export->wish->entity)), "exported", now, "complete",
                     export->failed_count == 0, "records", export->records);
}

static int write_text(const char *text, size_t len, void *arg)
{
    return cli_write_full(*(const int *)arg, MANIFEST, text, len) == SHERD_OK ? 0 : -1;
}

/* Last of all: a folder without it was not finished. */
static enum sherd_err write_manifest(struct export *export)
{
    SHERD_CLEANUP(cli_output_done) struct cli_output output = {.dir_fd = -1, .fd = -1};
    struct sherd_vault_info vault;

    SHERD_TRY(sherd_vault_info(export->vault, &vault));
    SHERD_TRY(cli_output_begin(export->dir_fd, MANIFEST, &output));
    json_t *manifest = manifest_of(export, &vault);
    SHERD_ENSURE(manifest != NULL, SHERD_ERR_NO_MEMORY, "no memory for the manifest");
    const int dumped = json_dump_callback(manifest, write_text, &output.fd, JSON_INDENT(1));
    json_decref(manifest);
    if (dumped != 0)
        return sherd_fail_errno(SHERD_ERR_IO, MANIFEST);
    SHERD_TRY(cli_write_full(output.fd, MANIFEST, "\n", 1));
    if (syncfs(export->dir_fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "cannot flush what was written");
    return cli_output_commit(&output, false, true);
}

/* ---- Where it goes ----------------------------------------------------------------------------------------------- */

static enum sherd_err check_empty(int dir_fd, const char *path)
{
    const int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry = NULL;

    if (dir == NULL)
        return sherd_fail_errno(SHERD_ERR_IO, "%.160s", path);
    do
        entry = readdir(dir);
    while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    (void)closedir(dir);
    if (entry != NULL)
        return sherd_fail(SHERD_ERR_CONFLICT, "%.160s is not empty: an export goes into a directory of its own", path);
    return SHERD_OK;
}

static enum sherd_err open_dir(const char *path, int *out_fd)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;

    SHERD_TRY(cli_check_outside(path));
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return sherd_fail_errno(SHERD_ERR_IO, "%.160s", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return sherd_fail_errno(errno == ENOTDIR ? SHERD_ERR_CONFLICT : SHERD_ERR_IO, "%.160s", path);
    SHERD_TRY(check_empty(fd, path));
    *out_fd = cli_fd_take(&fd);
    return SHERD_OK;
}

static enum sherd_err conclude(struct export *export)
{
    const size_t count = json_array_size(export->records);
    char bytes[CLI_SIZE_TEXT_SIZE];

    cli_format_size((double)export->bytes, bytes);
    if (export->cli->json)
        SHERD_TRY(cli_json_print("",
                                 json_pack("{s:I, s:I, s:I}", "files", (json_int_t)count, "bytes",
                                           (json_int_t) export->bytes, "failed", (json_int_t) export->failed_count),
                                 "\n"));
    else if (!export->cli->quiet)
        cli_print("wrote %zu files, %s, and " MANIFEST "\n", count, bytes);
    if (export->failed_count > 0)
        return sherd_fail(export->worst, "%" PRIu64 " versions were not written", export->failed_count);
    return SHERD_OK;
}

/* That there is such an entity is asked before a directory is made for it. */
static enum sherd_err check_entity(struct export *export)
{
    struct sherd_cursor cursor = {0};

    SHERD_TRY(sherd_record_list_of(export->vault, export->wish->collection, export->wish->entity, &cursor, 1, plan,
                                   export));
    export->count = 0;
    return SHERD_OK;
}

enum sherd_err cli_entity_export(struct cli *cli, const struct cli_entity_export *wish)
{
    SHERD_CLEANUP(export_done) struct export export = {.cli = cli, .wish = wish, .dir_fd = -1};

    export.block = sherd_secret_alloc(CLI_BLOCK_BYTES);
    export.page = sherd_alloc_array(PAGE_RECORDS, sizeof(*export.page));
    export.records = json_array();
    if (export.block == NULL || export.page == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(export.records != NULL, SHERD_ERR_NO_MEMORY, "no memory for the manifest");
    SHERD_TRY(cli_identity_read(cli, wish->identity, &export.identity));
    SHERD_TRY(cli_vault_open_to_give(cli, &export.vault));
    SHERD_TRY(check_entity(&export));
    SHERD_TRY(open_dir(wish->dir, &export.dir_fd));
    cli_progress_begin(cli, "export");
    const enum sherd_err err = write_all(&export);
    (void)cli_progress_end();
    SHERD_TRY(err);
    SHERD_TRY(write_manifest(&export));
    return conclude(&export);
}
