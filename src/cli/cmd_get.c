/* SPDX-License-Identifier: Apache-2.0 */
/* sherd get: give a record's contents back, verified. */
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum { OPT_OUTPUT, OPT_RANGE, OPT_VERSION, OPT_IDENTITY, OPT_RAW };

static const struct cli_option options[] = {
    [OPT_OUTPUT] = {"output", 'o', "FILE", "write to FILE, which appears when it is complete"},
    [OPT_RANGE] = {"range", 'r', "A-B", "only bytes A to B, both included, from 0; A- to the end; -N the last N"},
    [OPT_VERSION] = {"version", 0, "N", "this version instead of the current one"},
    [OPT_IDENTITY] = {"identity", 'i', "FILE", "private keys, to open what is sealed to a recipient"},
    [OPT_RAW] = {"raw", 0, NULL, "what is sealed to a recipient as it is, unopened"},
    {0},
};

/* What is asked for: parsed before the vault is opened, resolved once the length is known. */
struct wanted {
    struct sherd_uuid id;
    struct sherd_read_options options;
    struct cli_range range;
    struct sherd_read_notice notice;
    uint64_t begin;
    uint64_t end;
};

/* What its reader must know of what he gets, before he gets it. */
static void tell(const struct cli *cli, const struct sherd_read_notice *notice)
{
    if (notice->deferred)
        cli_warn(cli, "not yet verified by the scrubber: the record's collection is verified asynchronously");
    if (notice->found)
        cli_warn(cli, "the scrubber found this record damaged, in this version or another: ask who looks after the "
                      "vault (`sherd scrub findings`)");
    if (notice->first)
        cli_warn(cli, "the scrubber found something in this vault, and you are the first to read since: tell who looks "
                      "after it");
    if (notice->book_lost)
        cli_warn(cli, "what the scrubber found is not known: its book was removed or changed (`sherd scrub`)");
}

static enum sherd_err parse_wanted(struct cli *cli, struct wanted *wanted)
{
    const char *range = cli_value(cli, OPT_RANGE);

    SHERD_TRY(cli_operand_uuid(cli, 0, &wanted->id));
    SHERD_TRY(cli_value_number(cli, OPT_VERSION, 1, INT64_MAX, 0, &wanted->options.version));
    wanted->options.raw = cli_value(cli, OPT_RAW) != NULL;
    SHERD_ENSURE(!wanted->options.raw || cli_value(cli, OPT_IDENTITY) == NULL, SHERD_ERR_INVALID,
                 "give --identity to open, or --raw not to");
    if (range == NULL)
        wanted->range.to_end = true;
    else if (!cli_range_parse(range, &wanted->range))
        return sherd_fail(SHERD_ERR_INVALID, "--range: write A-B, A- or -N, in bytes from 0, with A not above B");
    return SHERD_OK;
}

static enum sherd_err open_wanted(struct sherd_vault *vault, struct wanted *wanted, struct sherd_reader **out_reader)
{
    SHERD_CLEANUP(cli_reader_closep) struct sherd_reader *reader = NULL;
    uint64_t bytes = 0;

    SHERD_TRY(sherd_reader_open_with(vault, wanted->id, &wanted->options, &reader, &bytes));
    if (!cli_range_resolve(&wanted->range, bytes, &wanted->begin, &wanted->end))
        return sherd_fail(SHERD_ERR_INVALID, "--range: begins behind the end: the contents have %" PRIu64 " bytes",
                          bytes);
    *out_reader = reader;
    reader = NULL;
    return SHERD_OK;
}

static enum sherd_err to_stdout(struct cli *cli, struct sherd_reader *reader, const struct wanted *wanted,
                                uint8_t *block)
{
    enum sherd_err err = SHERD_OK;

    (void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, (int)CLI_BLOCK_BYTES); /* fewer turns, where it is a pipe */
    errno = 0;
    err = cli_load_fd(reader, wanted->begin, wanted->end, STDOUT_FILENO, "standard output", block);
    cli->silent = err == SHERD_ERR_IO && errno == EPIPE;
    return err;
}

static enum sherd_err to_file(struct cli *cli, struct sherd_reader *reader, const struct wanted *wanted,
                              const char *path, uint8_t *block)
{
    SHERD_CLEANUP(cli_output_done) struct cli_output output = {.dir_fd = -1, .fd = -1};

    SHERD_TRY(cli_output_begin_path(path, &output));
    SHERD_TRY(cli_load_fd(reader, wanted->begin, wanted->end, output.fd, path, block));
    SHERD_TRY(cli_output_commit(&output, true, true));
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:I, s:o, s:b, s:b, s:o}", "id", cli_json_uuid(wanted->id), "bytes",
                                        (json_int_t)(wanted->end - wanted->begin), "file",
                                        cli_json_bytes(sherd_span_str(path)), "deferred", wanted->notice.deferred,
                                        "found", wanted->notice.found, "verified",
                                        wanted->notice.verified_s != 0
                                            ? json_integer((json_int_t)wanted->notice.verified_s)
                                            : json_null()),
                              "\n");
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_reader_closep) struct sherd_reader *reader = NULL;
    SHERD_CLEANUP(cli_identity_freep) struct sherd_identity *identity = NULL;
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(CLI_BLOCK_BYTES);
    const char *path = cli_value(cli, OPT_OUTPUT);
    struct wanted wanted = {0};
    enum sherd_err err = SHERD_OK;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(parse_wanted(cli, &wanted));
    if (path != NULL)
        SHERD_TRY(cli_check_outside(path));
    SHERD_TRY(cli_identity_read(cli, cli_value(cli, OPT_IDENTITY), &identity));
    wanted.options.identity = identity;
    SHERD_TRY(cli_vault_open_to_give(cli, &vault));
    wanted.options.notice = &wanted.notice;
    SHERD_TRY(open_wanted(vault, &wanted, &reader));
    tell(cli, &wanted.notice);
    cli_progress_begin(cli, "get");
    err = path != NULL ? to_file(cli, reader, &wanted, path, block) : to_stdout(cli, reader, &wanted, block);
    (void)cli_progress_end();
    return err;
}

const struct cli_command cmd_get = {
    .name = "get",
    .operands = "UUID",
    .summary = "give a record's contents back, verified",
    .notes =
        "Writes to standard output unless told otherwise. Every byte is verified before it is given out; if a later\n"
        "one is not good, what was given out so far was, and the exit code is 3. A file is written whole or not at\n"
        "all, and its owner alone may read it. A range with --identity is one of what is opened, with --raw of what\n"
        "is sealed.",
    .options = options,
    .operand_min = 1,
    .operand_max = 1,
    .run = run,
};
