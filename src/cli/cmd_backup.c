/* SPDX-License-Identifier: Apache-2.0 */
/* sherd backup: make, list, check and refresh backups; export the key of the erase epoch. */
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { OPT_EPOCH_KEY };

static const struct cli_option options[] = {
    [OPT_EPOCH_KEY] = {"epoch-key", 0, "FILE", "export the erase epoch's key to a file; list, verify, refresh: use it"},
    {0},
};

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    cli_progress_update(done, total);
    return cli_signal_caught() == 0;
}

static const struct sherd_observer observer = {.progress = on_progress};

static enum sherd_err interrupted(enum sherd_err err)
{
    if (err == SHERD_ERR_BUSY && cli_signal_caught() != 0)
        return sherd_fail(err, "interrupted");
    return err;
}

static const char *epoch_text(const struct sherd_backup_info *info, char out_text[48])
{
    if (info->epoch_older != 0)
        (void)snprintf(out_text, 48, "%" PRIu64 "+%" PRIu64, info->epoch_older, info->epoch);
    else
        (void)snprintf(out_text, 48, "%" PRIu64, info->epoch);
    return out_text;
}

static json_t *info_json(const struct sherd_backup_info *info)
{
    return json_pack("{s:o, s:o, s:I, s:I, s:o}", "deployment", cli_json_uuid(info->deployment), "id",
                     cli_json_uuid(info->id), "time", (json_int_t)info->time_s, "epoch", (json_int_t)info->epoch,
                     "epoch_older", info->epoch_older != 0 ? json_integer((json_int_t)info->epoch_older) : json_null());
}

static json_t *full_json(const struct sherd_backup_info *info)
{
    char hex[2 * sizeof(info->sha256) + 1];
    json_t *object = info_json(info);

    cli_format_hex(sherd_span_of(info->sha256, sizeof(info->sha256)), hex);
    (void)json_object_set_new(object, "bytes", json_integer((json_int_t)info->bytes));
    (void)json_object_set_new(object, "entries", json_integer((json_int_t)info->entry_count));
    (void)json_object_set_new(object, "blobs", json_integer((json_int_t)info->blob_count));
    (void)json_object_set_new(object, "sha256", json_string(hex));
    return object;
}

/* What came of it; on stderr where the backup itself went to stdout. */
static enum sherd_err tell(const struct cli *cli, const char *word, const struct sherd_backup_info *info,
                           bool to_stdout)
{
    char hex[2 * sizeof(info->sha256) + 1];
    char size[CLI_SIZE_TEXT_SIZE];
    char epoch[48];

    if (cli->json && !to_stdout)
        return cli_json_print("", full_json(info), "\n");
    cli_format_hex(sherd_span_of(info->sha256, sizeof(info->sha256)), hex);
    cli_format_size((double)info->bytes, size);
    if (to_stdout)
        cli_warn(cli, "%s %s, erase epoch %s, sha256 %s", word, size, epoch_text(info, epoch), hex);
    else if (!cli->quiet)
        cli_print("%s %s, erase epoch %s\nsha256 %s\n", word, size, epoch_text(info, epoch), hex);
    return SHERD_OK;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static enum sherd_err export_epoch_key(const struct cli *cli, struct sherd_vault *vault, const char *path)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = 4096};
    uint64_t epoch;

    SHERD_TRY(sherd_epoch_export(vault, &file, &epoch));
    SHERD_TRY(cli_write_new(path, sherd_buf_span(&file)));
    cli_warn(cli,
             "the file holds the key of erase epoch %" PRIu64 ": keep it apart from all backups, and destroy it when "
             "the epoch ends, or what is erased can be brought back",
             epoch);
    return SHERD_OK;
}

static void out_done(struct cli_bundle_out *out)
{
    cli_output_done(&out->output);
}

static enum sherd_err write_backup(struct cli *cli, struct sherd_vault *vault, const char *path)
{
    SHERD_CLEANUP(out_done) struct cli_bundle_out out = {.output = {.dir_fd = -1, .fd = -1}, .fd = -1};
    struct sherd_backup_info info;

    SHERD_TRY(cli_bundle_create(path, &out));
    cli_signals_defer();
    cli_progress_begin(cli, "backup");
    const enum sherd_err err = sherd_backup_write(vault, &out.out, &observer, &info);
    (void)cli_progress_end();
    SHERD_TRY(interrupted(err));
    SHERD_TRY(cli_bundle_commit(&out));
    return tell(cli, "wrote", &info, strcmp(path, "-") == 0);
}

static enum sherd_err make(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *epoch_key = cli_value(cli, OPT_EPOCH_KEY);

    SHERD_ENSURE(cli->operand_count == 1 || (cli->operand_count == 0 && epoch_key != NULL), SHERD_ERR_INVALID,
                 "name the file that the backup goes to, or - for standard output");
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    if (epoch_key != NULL)
        SHERD_TRY(export_epoch_key(cli, vault, epoch_key));
    return cli->operand_count == 1 ? write_backup(cli, vault, cli->operands[0]) : SHERD_OK;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static const char *state_text(enum sherd_backup_state state)
{
    switch (state) {
    case SHERD_BACKUP_READABLE: return "readable";
    case SHERD_BACKUP_EXPIRED: return "expired";
    case SHERD_BACKUP_UNKNOWN: break;
    }
    return "unknown";
}

static enum sherd_err list_one(const struct cli *cli, const char *path, bool first)
{
    SHERD_CLEANUP(cli_bundle_done) struct cli_bundle bundle = {.fd = -1};
    struct sherd_backup_info info;
    enum sherd_backup_state state;
    char id[SHERD_UUID_TEXT_SIZE];
    char time[CLI_TIME_TEXT_SIZE];
    char size[CLI_SIZE_TEXT_SIZE];
    char epoch[48];

    SHERD_TRY(cli_bundle_open(cli, path, cli_value(cli, OPT_EPOCH_KEY), cli->vault, false, &bundle));
    SHERD_TRY(sherd_backup_look(&bundle.in, &info));
    SHERD_TRY(sherd_backup_state(&info, bundle.keys.epoch_key, cli->vault, &state));
    if (cli->json) {
        json_t *object = info_json(&info);

        (void)json_object_set_new(object, "file", cli_json_bytes(sherd_span_str(path)));
        (void)json_object_set_new(object, "bytes", json_integer((json_int_t)bundle.in.total_bytes));
        (void)json_object_set_new(object, "state", json_string(state_text(state)));
        return cli_json_print(first ? "\n " : ",\n ", object, "");
    }
    sherd_uuid_format(info.deployment, id);
    cli_format_time((int64_t)info.time_s, time);
    cli_format_size((double)bundle.in.total_bytes, size);
    cli_print("%s  %s  epoch %-4s %9s  %-8s  ", id, time, epoch_text(&info, epoch), size, state_text(state));
    cli_print_escaped(sherd_span_str(path));
    cli_print("\n");
    return SHERD_OK;
}

static enum sherd_err list(struct cli *cli)
{
    enum sherd_err worst = SHERD_OK;
    bool first = true;

    SHERD_ENSURE(cli->operand_count >= 2, SHERD_ERR_INVALID, "name the backups to list");
    if (cli->json)
        cli_print("{\"backups\": [");
    for (int i = 1; i < cli->operand_count; i++) {
        const enum sherd_err err = list_one(cli, cli->operands[i], first);

        first = first && err != SHERD_OK;
        if (err != SHERD_OK)
            cli_report_item(cli, err, sherd_span_str(cli->operands[i]));
        if (worst == SHERD_OK)
            worst = err;
    }
    if (cli->json)
        cli_print("\n]}\n");
    return worst == SHERD_OK ? worst : sherd_fail(worst, "not all of them are backups");
}

static enum sherd_err verify(struct cli *cli)
{
    SHERD_CLEANUP(cli_bundle_done) struct cli_bundle bundle = {.fd = -1};
    struct sherd_backup_info info;

    SHERD_ENSURE(cli->operand_count == 2, SHERD_ERR_INVALID, "name one backup to verify");
    SHERD_TRY(cli_bundle_open(cli, cli->operands[1], cli_value(cli, OPT_EPOCH_KEY), cli->vault, true, &bundle));
    cli_signals_defer();
    cli_progress_begin(cli, "verify");
    const enum sherd_err err = sherd_backup_verify(&bundle.in, &bundle.keys, &observer, &info);
    (void)cli_progress_end();
    SHERD_TRY(interrupted(err));
    return tell(cli, "verified", &info, false);
}

/* --- refreshing --------------------------------------------------------------------------------------------------- */

static enum sherd_err refresh_to(struct cli *cli, struct cli_bundle *bundle, struct sherd_vault *vault,
                                 const char *path)
{
    SHERD_CLEANUP(out_done) struct cli_bundle_out out = {.output = {.dir_fd = -1, .fd = -1}, .fd = -1};
    struct sherd_backup_info info;
    struct sherd_refresh_stat stat;

    SHERD_TRY(cli_bundle_create(path, &out));
    SHERD_TRY(sherd_backup_refresh(vault, &bundle->in, &bundle->keys, path, &out.out, &info, &stat));
    SHERD_TRY(cli_bundle_commit(&out));
    if (!cli->quiet && !cli->json)
        cli_print("kept %" PRIu64 " records, left out %" PRIu64 " that were deleted or erased since\n",
                  stat.record_count, stat.dropped_count);
    return tell(cli, "wrote", &info, false);
}

static enum sherd_err refresh(struct cli *cli)
{
    SHERD_CLEANUP(cli_bundle_done) struct cli_bundle bundle = {.fd = -1};
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_vault_open_options read_only = {.read_only = true};
    const char *path = NULL;

    SHERD_ENSURE(cli->operand_count == 3 && strcmp(cli->operands[1], "-") != 0 && strcmp(cli->operands[2], "-") != 0,
                 SHERD_ERR_INVALID, "write `backup refresh FILE NEWFILE`");
    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_bundle_open(cli, cli->operands[1], cli_value(cli, OPT_EPOCH_KEY), path, true, &bundle));
    read_only.key_store = bundle.keys.key_store;
    SHERD_TRY(sherd_vault_open(path, bundle.keys.unseal, &read_only, &vault));
    return refresh_to(cli, &bundle, vault, cli->operands[2]);
}

static enum sherd_err run(struct cli *cli)
{
    const char *verb = cli->operand_count > 0 ? cli->operands[0] : "";

    if (strcmp(verb, "list") == 0)
        return list(cli);
    if (strcmp(verb, "verify") == 0)
        return verify(cli);
    if (strcmp(verb, "refresh") == 0)
        return refresh(cli);
    return make(cli);
}

const struct cli_command cmd_backup = {
    .name = "backup",
    .operands = "FILE | list FILE... | verify FILE | refresh FILE NEWFILE",
    .summary = "make a backup while work goes on; list, verify and refresh backups",
    .notes =
        "FILE may be - for standard output. A backup holds all of the vault, encrypted, but not the key of its erase\n"
        "epoch: it is read with what unseals the vault, and that key, which the vault has until `sherd epoch roll`.\n"
        "Where the vault is lost, only a key that was exported before (--epoch-key) reads its backups: keep that file\n"
        "apart from them, and destroy it when its epoch ends.",
    .options = options,
    .operand_max = -1,
    .run = run,
};
