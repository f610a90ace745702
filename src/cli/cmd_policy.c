/* SPDX-License-Identifier: Apache-2.0 */
/* sherd policy: who witnesses the vault's ledger, and where its checkpoints are kept outside. */
#include "anchor/agent/link.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/agent.h"
#include "cli/commands.h"
#include "cli/cosign.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/text.h"
#include "ledger/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_CHECKPOINT_FILE, OPT_TPM };

static const struct cli_option options[] = {
    [OPT_CHECKPOINT_FILE] =
        {"checkpoint-file", 0, "FILE",
         "set: keep the newest checkpoint in this file, on another disk; may be given several times"},
    [OPT_TPM] = {"tpm", 0, "INDEX[@TCTI]",
                 "set: bind the ledger to a counter of the TPM, at an NV index such as 0x1800100"},
    {0},
};

static enum sherd_err read_file(const struct cli *cli, const char *path, size_t bytes_max, struct sherd_buf *out_bytes)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    uint8_t block[4096];
    size_t len = sizeof(block);

    out_bytes->max = bytes_max;
    SHERD_TRY(cli_input_open(cli, path, &fd));
    while (len == sizeof(block)) {
        SHERD_TRY(cli_read_full(fd, cli_input_name(path), block, sizeof(block), &len));
        SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(block, len)));
    }
    return SHERD_OK;
}

/* --- set, clear --------------------------------------------------------------------------------------------------- */

/* The path that is meant from wherever it is used. The file need not be there, its folder must. */
static enum sherd_err full_path(const char *path, char *out)
{
    char folder[PATH_MAX];
    char real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    const char *name = slash == NULL ? path : slash + 1;

    SHERD_ENSURE(strlen(path) < sizeof(folder) && *name != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0,
                 SHERD_ERR_INVALID, "--checkpoint-file: that is no name of a file");
    memcpy(folder, slash == NULL ? "." : path, len);
    folder[len] = '\0';
    if (realpath(folder, real) == NULL)
        return sherd_fail_errno(SHERD_ERR_IO, "--checkpoint-file: %.120s", folder);
    const bool root = strcmp(real, "/") == 0;
    if (snprintf(out, SHERD_OUTSIDE_PATH_BYTES_MAX + 1, "%s/%s", root ? "" : real, name) >
        (int)SHERD_OUTSIDE_PATH_BYTES_MAX)
        return sherd_fail(SHERD_ERR_INVALID, "--checkpoint-file: the path is too long");
    SHERD_ENSURE(!cli_inside_vault(out), SHERD_ERR_INVALID,
                 "--checkpoint-file: that is inside a vault: what is rolled back with it says nothing");
    return SHERD_OK;
}

struct paths {
    const char *list[SHERD_OUTSIDE_FILES_MAX];
    char text[SHERD_OUTSIDE_FILES_MAX][SHERD_OUTSIDE_PATH_BYTES_MAX + 1];
    size_t count;
};

static enum sherd_err read_paths(const struct cli *cli, struct paths *paths)
{
    for (size_t i = 0; i < cli->given_count; i++) {
        if (cli->given[i].option != &options[OPT_CHECKPOINT_FILE])
            continue;
        SHERD_ENSURE(paths->count < SHERD_OUTSIDE_FILES_MAX, SHERD_ERR_INVALID, "at most 8 files of checkpoints");
        SHERD_TRY(full_path(cli->given[i].value, paths->text[paths->count]));
        paths->list[paths->count] = paths->text[paths->count];
        paths->count++;
    }
    return SHERD_OK;
}

static enum sherd_err set(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(sherd_freep) struct paths *paths = sherd_alloc(sizeof(*paths));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf policy = {0};

    if (paths == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(cli->operand_count == 2 || cli->given_count > 0, SHERD_ERR_INVALID,
                 "name a policy's file, a --checkpoint-file or a counter by --tpm, or several");
    SHERD_TRY(read_paths(cli, paths));
    if (cli->operand_count == 2)
        SHERD_TRY(read_file(cli, cli->operands[1], SHERD_OUTSIDE_POLICY_BYTES_MAX, &policy));
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    const struct sherd_outside outside = {.policy = sherd_buf_span(&policy),
                                          .files = paths->list,
                                          .file_count = paths->count,
                                          .tpm = cli_value(cli, OPT_TPM)};
    return sherd_outside_set(vault, &outside);
}

static enum sherd_err clear(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const struct sherd_outside none = {.file_count = 0};

    SHERD_TRY(cli_vault_open(cli, false, &vault));
    return sherd_outside_set(vault, &none);
}

/* --- show, key ---------------------------------------------------------------------------------------------------- */

/* Of the last checkpoint that a quorum cosigned. */
static uint64_t cosigned_size(const struct sherd_outside *outside)
{
    struct sherd_checkpoint checkpoint;
    struct sherd_signed parts;

    if (outside->note.len == 0 || sherd_signed_parse(outside->note, &parts) != SHERD_OK ||
        sherd_checkpoint_decode(parts.text, &checkpoint) != SHERD_OK)
        return 0;
    return checkpoint.head.size;
}

static enum sherd_err show_json(const struct sherd_outside *outside)
{
    json_t *files = json_array();

    for (size_t i = 0; i < outside->file_count; i++) {
        uint64_t size = 0;
        const bool there = cli_checkpoint_size(outside->files[i], &size) == SHERD_OK;

        (void)json_array_append_new(files, json_pack("{s:s, s:o}", "file", outside->files[i], "size",
                                                     there ? json_integer((json_int_t)size) : json_null()));
    }
    return cli_json_print("",
                          json_pack("{s:o, s:I, s:o, s:I, s:o, s:s?}", "key", cli_json_bytes(outside->vkey), "size",
                                    (json_int_t)outside->size, "policy", cli_json_bytes(outside->policy),
                                    "cosigned_size", (json_int_t)cosigned_size(outside), "files", files, "tpm",
                                    outside->tpm),
                          "\n");
}

static void show_file(const char *file, uint64_t now)
{
    uint64_t size = 0;
    const enum sherd_err err = cli_checkpoint_size(file, &size);

    cli_print("file         ");
    cli_print_escaped(sherd_span_str(file));
    if (err != SHERD_OK)
        cli_print(": cannot be read\n");
    else if (size == now)
        cli_print(": up to date\n");
    else
        cli_print(": of %" PRIu64 " leaves\n", size);
}

static enum sherd_err show_outside(void *arg, const struct sherd_outside *outside)
{
    const struct cli *cli = arg;
    struct sherd_span policy = outside->policy;

    if (cli->json)
        return show_json(outside);
    cli_print("ledger       ");
    cli_print_escaped(outside->vkey);
    cli_print("\nleaves       %" PRIu64 "\n", outside->size);
    if (policy.len > 0)
        cli_print("cosigned     %" PRIu64 " of them\n", cosigned_size(outside));
    for (size_t i = 0; i < outside->file_count; i++)
        show_file(outside->files[i], outside->size);
    if (outside->tpm != NULL) {
        cli_print("TPM          ");
        cli_print_escaped(sherd_span_str(outside->tpm));
        cli_print(": %" PRIu64 "\n", outside->counter);
    }
    if (policy.len == 0 && outside->file_count == 0 && outside->tpm == NULL)
        cli_print("nothing is kept outside: a roll-back of the anchor's disk would not be noticed\n");
    while (policy.len > 0) {
        const uint8_t *end = memchr(policy.data, '\n', policy.len);
        const size_t len = end != NULL ? (size_t)(end - policy.data) : policy.len;

        cli_print("policy       ");
        cli_print_escaped(sherd_span_of(policy.data, len));
        cli_print("\n");
        policy = sherd_span_of(policy.data + len, policy.len - len);
        if (policy.len > 0)
            policy = sherd_span_of(policy.data + 1, policy.len - 1);
    }
    return SHERD_OK;
}

static enum sherd_err print_key(void *arg, const struct sherd_outside *outside)
{
    const struct cli *cli = arg;

    if (cli->json)
        return cli_json_print("", json_pack("{s:o}", "key", cli_json_bytes(outside->vkey)), "\n");
    cli_print_escaped(outside->vkey);
    cli_print("\n");
    return SHERD_OK;
}

static enum sherd_err tell(struct cli *cli, sherd_outside_visit_fn *visit)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;

    SHERD_TRY(cli_vault_open(cli, true, &vault));
    return sherd_outside_get(vault, visit, cli);
}

/* --- cosign ------------------------------------------------------------------------------------------------------- */

static json_t *witnesses_json(const struct cli_cosign *cosign)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cosign->count; i++) {
        const struct cli_cosign_witness *witness = &cosign->witnesses[i];

        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:s}", "witness", witness->name, "said",
                                                    witness->said, "size", (json_int_t)witness->size, "time",
                                                    (json_int_t)witness->time_s, "why", witness->why));
    }
    return list;
}

static enum sherd_err print_cosign(const struct cli *cli, const struct cli_cosign *cosign)
{
    if (cli->json)
        return cli_json_print("", json_pack("{s:b, s:o}", "quorum", cosign->met, "witnesses", witnesses_json(cosign)),
                              "\n");
    for (size_t i = 0; i < cosign->count; i++) {
        const struct cli_cosign_witness *witness = &cosign->witnesses[i];
        const bool cosigned = strcmp(witness->said, "cosigned") == 0;

        cli_print("%s: %s%s", witness->name, witness->said, cosigned ? "" : ": ");
        if (cosigned)
            cli_print(" %" PRIu64 " leaves", witness->size);
        cli_print_escaped(sherd_span_str(witness->why));
        cli_print("\n");
    }
    return SHERD_OK;
}

static enum sherd_err cosign(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_cosign_done) struct cli_cosign said = {.count = 0};
    const char *path = NULL;

    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    const enum sherd_err err = cli_cosign_now(path, vault, NULL, &said);
    SHERD_TRY(print_cosign(cli, &said));
    return err;
}

/* --- check -------------------------------------------------------------------------------------------------------- */

/* A checkpoint that somebody brings, against the ledger. */
struct brought {
    struct sherd_span note;
    const char *path; /* the vault's */
};

static enum sherd_err compare(const char *ledger, const struct sherd_policy *policy,
                              const struct sherd_checkpoint *seen, uint64_t size)
{
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    struct sherd_digest root;

    if (seen->head.size > size)
        return sherd_fail(SHERD_ERR_TAMPERED,
                          "the anchor is %" PRIu64 " change%s behind that checkpoint: it was rolled back",
                          seen->head.size - size, seen->head.size - size == 1 ? "" : "s");
    SHERD_TRY(sherd_log_open(ledger, policy, NULL, &log));
    SHERD_TRY(sherd_log_root(log, seen->head.size, &root));
    SHERD_ENSURE(sherd_same(root.bytes, seen->head.root.bytes, sizeof(root.bytes)), SHERD_ERR_TAMPERED,
                 "the ledger has another history than that checkpoint, which it signed");
    cli_print("the ledger continues that checkpoint: %" PRIu64 " leaves then, %" PRIu64 " now\n", seen->head.size,
              size);
    return SHERD_OK;
}

static enum sherd_err check_outside(void *arg, const struct sherd_outside *outside)
{
    const struct brought *brought = arg;
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_freep) char *ledger = sherd_path_join(brought->path, "anchor/ledger");
    struct sherd_checkpoint seen;

    if (ledger == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_policy_of_log(outside->vkey, &policy));
    SHERD_TRY(sherd_checkpoint_verify(brought->note, policy, &seen, NULL));
    return compare(ledger, policy, &seen, outside->size);
}

static enum sherd_err check(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct brought brought;

    SHERD_ENSURE(cli->operand_count == 2, SHERD_ERR_INVALID, "name the file of a checkpoint");
    SHERD_TRY(cli_vault_path(cli, &brought.path));
    SHERD_TRY(read_file(cli, cli->operands[1], SHERD_CHECKPOINT_BYTES_MAX, &note));
    brought.note = sherd_buf_span(&note);
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    return sherd_outside_get(vault, check_outside, &brought);
}

/* --- accept ------------------------------------------------------------------------------------------------------- */

/* Nobody else may have the ledger that ends here. */
static enum sherd_err check_no_agent(const char *path)
{
    SHERD_CLEANUP(sherd_link_freep) struct sherd_link *link = NULL;
    struct sherd_wire_progress shares[1];
    struct sherd_wire_status status;
    struct cli_agent_place place;
    size_t count = 0;

    const enum sherd_err err = cli_agent_connect(path, &place, &link);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    SHERD_TRY(cli_agent_status(link, &status, shares, 0, &count));
    SHERD_ENSURE(status.sealed, SHERD_ERR_CONFLICT, "an agent has the vault open: `sherd seal` first");
    return SHERD_OK;
}

static enum sherd_err accept_rollback(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *path = NULL;

    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_user_none(cli));
    SHERD_TRY(check_no_agent(path));
    SHERD_TRY(cli_vault_accept(cli, &vault));
    cli_warn(cli, "a new ledger begins; nothing is kept outside of it until `sherd policy set`, and witnesses must be "
                  "told of its key");
    return sherd_outside_get(vault, print_key, cli);
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static enum sherd_err run_show(struct cli *cli)
{
    return tell(cli, show_outside);
}

static enum sherd_err run_key(struct cli *cli)
{
    return tell(cli, print_key);
}

static enum sherd_err run(struct cli *cli)
{
    static const struct {
        const char *name;
        bool operand; /* takes one */
        enum sherd_err (*run)(struct cli *cli);
    } actions[] = {
        {"set", true, set},     {"show", false, run_show}, {"clear", false, clear},           {"cosign", false, cosign},
        {"check", true, check}, {"key", false, run_key},   {"accept", false, accept_rollback}};

    for (size_t i = 0; i < SHERD_COUNT_OF(actions); i++) {
        if (strcmp(cli->operands[0], actions[i].name) != 0)
            continue;
        SHERD_ENSURE(actions[i].operand || cli->operand_count == 1, SHERD_ERR_INVALID, "too many operands");
        SHERD_ENSURE(actions[i].run == set || cli->given_count == 0, SHERD_ERR_INVALID,
                     "`policy set` alone takes --checkpoint-file and --tpm");
        return actions[i].run(cli);
    }
    return sherd_fail(SHERD_ERR_INVALID, "write `policy set`, `show`, `clear`, `cosign`, `check`, `key` or `accept`");
}

const struct cli_command cmd_policy = {
    .name = "policy",
    .operands = "set [FILE] | show | clear | cosign | check FILE | key | accept",
    .summary = "have the vault's ledger witnessed, so that a roll-back of its anchor is noticed",
    .notes =
        "FILE is a policy as C2SP tlog-policy has it: witnesses with their addresses, and the quorum.\n"
        "`policy cosign` asks them now; an agent does so every minute. `policy check` compares with a checkpoint\n"
        "from elsewhere; `policy key` prints the ledger's key, for witnesses. `policy accept` opens a vault whose\n"
        "anchor is behind what is known outside, or whose files outside are lost: a new ledger begins.",
    .options = options,
    .operand_min = 1,
    .operand_max = 2,
    .run = run,
};
