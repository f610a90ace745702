/* SPDX-License-Identifier: Apache-2.0 */
/* How results, failures and help are told. */
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum cli_exit cli_exit_of(enum sherd_err err)
{
    switch (err) {
    case SHERD_OK: return CLI_EXIT_OK;
    case SHERD_ERR_INVALID: return CLI_EXIT_USAGE;
    case SHERD_ERR_TAMPERED: return CLI_EXIT_TAMPERED;
    case SHERD_ERR_NOT_FOUND: return CLI_EXIT_NOT_FOUND;
    case SHERD_ERR_DENIED:
    case SHERD_ERR_SEALED: return CLI_EXIT_DENIED;
    case SHERD_ERR_CONFLICT: return CLI_EXIT_CONFLICT;
    case SHERD_ERR_BUSY:
    case SHERD_ERR_LIMIT: return CLI_EXIT_BUSY;
    case SHERD_ERR_UNSUPPORTED: return CLI_EXIT_UNSUPPORTED;
    case SHERD_ERR_IO:
    case SHERD_ERR_NO_MEMORY: break;
    }
    return CLI_EXIT_FAILURE;
}

/* Bytes that others chose, so that they neither end the line nor steer a terminal. */
static void put_escaped(FILE *file, struct sherd_span bytes)
{
    while (bytes.len > 0) {
        size_t len = cli_utf8_len(bytes);
        if (cli_shown_plain(bytes, len)) {
            (void)fwrite(bytes.data, 1, len, file);
        } else if (bytes.data[0] == '\\') {
            (void)fputs("\\\\", file);
        } else {
            (void)fprintf(file, "\\x%02x", bytes.data[0]);
            len = 1;
        }
        bytes = sherd_span_of(bytes.data + len, bytes.len - len);
    }
}

static void report_json(enum sherd_err err, struct sherd_span what, const char *detail)
{
    json_t *object = json_pack("{s:{s:s, s:i, s:o, s:o}}", "error", "code", sherd_err_name(err), "exit",
                               (int)cli_exit_of(err), "what", cli_json_bytes(what), "detail",
                               cli_json_bytes(sherd_span_str(detail)));

    if (object == NULL || json_dumpf(object, stderr, 0) != 0)
        (void)fputs("{\"error\": {\"code\": \"SHERD_ERR_NO_MEMORY\", \"exit\": 1}}", stderr);
    (void)fputc('\n', stderr);
    json_decref(object);
}

/* What a person can do, where the detail does not say it. */
static const char *advice(const struct cli *cli, enum sherd_err err, const char *detail)
{
    if (err != SHERD_ERR_TAMPERED || strstr(detail, "backup") != NULL)
        return "";
    if (cli->command != NULL && strcmp(cli->command->name, "verify") == 0)
        return "; restore from a backup";
    return "; run `sherd verify`, restore from a backup";
}

static void report(const struct cli *cli, enum sherd_err err, struct sherd_span what)
{
    char detail[SHERD_FAIL_TEXT_SIZE + 80];
    const char *text = *sherd_err_detail() != '\0' ? sherd_err_detail() : sherd_err_name(err);

    (void)snprintf(detail, sizeof(detail), "%s%s", text, advice(cli, err, text));
    cli_progress_clear();
    (void)fflush(stdout); /* lines that are printed already come first where both go to one place */
    if (cli->json) {
        report_json(err, what, detail);
        return;
    }
    (void)fputs("sherd: ", stderr);
    put_escaped(stderr, what);
    (void)fputs(": ", stderr);
    (void)fputs(detail, stderr); /* holds no control bytes: sherd_fail() sees to that */
    (void)fputc('\n', stderr);
}

void cli_report(const struct cli *cli, enum sherd_err err, const char *what)
{
    report(cli, err, sherd_span_str(what));
    if (err == SHERD_ERR_INVALID && !cli->json)
        (void)fprintf(stderr, "Try `sherd help%s%s`.\n", cli->command != NULL ? " " : "",
                      cli->command != NULL ? cli->command->name : "");
}

void cli_report_item(const struct cli *cli, enum sherd_err err, struct sherd_span item)
{
    report(cli, err, item);
}

void cli_warn(const struct cli *cli, const char *format, ...)
{
    char text[512];
    va_list args;

    if (cli->quiet)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cli_progress_clear();
    if (cli->json) {
        json_t *object = json_pack("{s:o}", "warning", cli_json_bytes(sherd_span_str(text)));
        if (object != NULL)
            (void)json_dumpf(object, stderr, 0);
        (void)fputc('\n', stderr);
        json_decref(object);
        return;
    }
    (void)fputs("sherd: ", stderr);
    put_escaped(stderr, sherd_span_str(text));
    (void)fputc('\n', stderr);
}

static int output_errno; /* why the first failing write to stdout failed; 0 while none has */

static void note_failure(void)
{
    if (output_errno == 0 && ferror(stdout))
        output_errno = errno != 0 ? errno : EIO;
}

void cli_print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    note_failure();
}

void cli_print_escaped(struct sherd_span bytes)
{
    put_escaped(stdout, bytes);
    note_failure();
}

enum sherd_err cli_flush(struct cli *cli)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        note_failure();
    if (output_errno == 0)
        return SHERD_OK;
    cli->silent = output_errno == EPIPE;
    errno = output_errno;
    return sherd_fail_errno(SHERD_ERR_IO, "standard output");
}

static void help_options(const struct cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s%c%s--%s%s%s", options->letter != 0 ? "-" : " ",
                       options->letter != 0 ? options->letter : ' ', options->letter != 0 ? ", " : "  ", options->name,
                       options->arg != NULL ? " " : "", options->arg != NULL ? options->arg : "");
        cli_print("  %-31s %s\n", text, options->help);
    }
}

static void help_exit_codes(void)
{
    cli_print("\nExit codes:\n"
              "  0  done                       5  denied: wrong passphrase, key or identity\n"
              "  1  failed: disk, memory, ...  6  conflict: changed meanwhile, or taken\n"
              "  2  wrong usage                7  busy, or a limit was reached\n"
              "  3  integrity violation        8  not supported by this version\n"
              "  4  not found\n");
}

static void help_all(void)
{
    cli_print("usage: sherd [OPTION...] COMMAND [OPTION...] [OPERAND...]\n\n"
              "Keeps each record in fragments, in compartments that say nothing alone.\n\nCommands:\n");
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        cli_print("  %-11s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    cli_print("\nOptions, before or after the command:\n");
    help_options(cli_global_options);
    help_exit_codes();
    cli_print("\n`sherd help COMMAND` tells more, and so does `man sherd`.\n");
}

void cli_help(const struct cli_command *command)
{
    if (command == NULL) {
        help_all();
        return;
    }
    cli_print("usage: sherd %s [OPTION...]%s%s\n\n%s\n", command->name, *command->operands != '\0' ? " " : "",
              command->operands, command->summary);
    if (command->options != NULL) {
        cli_print("\nOptions:\n");
        help_options(command->options);
    }
    if (command->notes != NULL)
        cli_print("\n%s\n", command->notes);
    cli_print("\nOptions of every command:\n");
    help_options(cli_global_options);
    help_exit_codes();
}
