/* SPDX-License-Identifier: Apache-2.0 */
/* Having the ledger witnessed: see cosign.h. */
#include "cli/cosign.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/io.h"
#include "cli/text.h"
#include "envelope/lines.h"
#include "ledger/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PROGRAM "sherd-witness"
#define ANSWER_BYTES_MAX ((size_t)256 << 10)
#define REASON_BYTES_MAX ((size_t)4096)

void cli_cosign_done(struct cli_cosign *cosign)
{
    sherd_buf_done(&cosign->note);
    *cosign = (struct cli_cosign){.count = 0};
}

/* --- the other program -------------------------------------------------------------------------------------------- */

enum sherd_err cli_witness_program(char out_path[static PATH_MAX])
{
    const ssize_t len = readlink("/proc/self/exe", out_path, PATH_MAX - 1);

    if (len <= 0)
        return sherd_fail_errno(SHERD_ERR_IO, "/proc/self/exe");
    out_path[len] = '\0';
    char *slash = strrchr(out_path, '/');
    if (slash == NULL || (size_t)(slash - out_path) + sizeof(PROGRAM) + 1 > PATH_MAX)
        return sherd_fail(SHERD_ERR_IO, "the path of this program is too long");
    memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
    if (access(out_path, X_OK) != 0)
        return sherd_fail(SHERD_ERR_NOT_FOUND, PROGRAM " is not installed beside sherd: witnesses cannot be asked");
    return SHERD_OK;
}

/* Pipes to it; the first of each is ours. */
struct pipes {
    int in[2];
    int out[2];
    int err[2];
};

static void close_one(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void pipes_done(struct pipes *pipes)
{
    for (unsigned i = 0; i < 2; i++) {
        close_one(&pipes->in[i]);
        close_one(&pipes->out[i]);
        close_one(&pipes->err[i]);
    }
}

static enum sherd_err open_pipes(struct pipes *pipes)
{
    int in[2];

    if (pipe2(pipes->out, O_CLOEXEC) != 0 || pipe2(pipes->err, O_CLOEXEC) != 0 || pipe2(in, O_CLOEXEC) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "no pipe");
    pipes->in[0] = in[1];
    pipes->in[1] = in[0];
    return SHERD_OK;
}

/* It starts with no signal blocked, and none ignored. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;

    (void)sigemptyset(&none);
    (void)sigemptyset(&all);
    (void)sigaddset(&all, SIGPIPE);
    (void)sigaddset(&all, SIGTERM);
    (void)sigaddset(&all, SIGINT);
    (void)sigaddset(&all, SIGHUP);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    if (failed == 0)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    if (failed == 0)
        failed = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return failed;
}

static int set_files(posix_spawn_file_actions_t *actions, const struct pipes *pipes)
{
    int failed = posix_spawn_file_actions_adddup2(actions, pipes->in[1], 0);

    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(actions, pipes->out[1], 1);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(actions, pipes->err[1], 2);
    if (failed == 0)
        failed = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    return failed;
}

static int spawn(const char *program, const char *ledger, const struct pipes *pipes, pid_t *out_process)
{
    char *const args[] = {(char[]){PROGRAM}, (char[]){"ask"}, (char[]){"--policy"},
                          (char[]){"-"},     (char *)ledger,  NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    int failed = set_signals(&attributes);
    if (failed == 0)
        failed = set_files(&actions, pipes);
    if (failed == 0)
        failed = posix_spawn(out_process, program, &actions, &attributes, args, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* To its end. */
static enum sherd_err read_all(int fd, size_t bytes_max, struct sherd_buf *out_bytes)
{
    uint8_t block[4096];

    out_bytes->max = bytes_max;
    for (;;) {
        const ssize_t got = read(fd, block, sizeof(block));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "the answer of " PROGRAM);
        if (got == 0)
            return SHERD_OK;
        SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(block, (size_t)got)));
    }
}

/* What it is told fits into a pipe: a policy of at most 16 KiB. */
static enum sherd_err talk(struct pipes *pipes, struct sherd_span policy, struct sherd_buf *out_answer,
                           struct sherd_buf *out_reason)
{
    close_one(&pipes->in[1]); /* its ends are not ours any more */
    close_one(&pipes->out[1]);
    close_one(&pipes->err[1]);
    if (cli_write_full(pipes->in[0], PROGRAM, policy.data, policy.len) != SHERD_OK && errno != EPIPE)
        return SHERD_ERR_IO;
    close_one(&pipes->in[0]);
    SHERD_TRY(read_all(pipes->out[0], ANSWER_BYTES_MAX, out_answer));
    return read_all(pipes->err[0], REASON_BYTES_MAX, out_reason);
}

static enum sherd_err wait_for(pid_t process, int *out_code)
{
    int status = 0;

    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            return sherd_fail_errno(SHERD_ERR_IO, PROGRAM);
    *out_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return SHERD_OK;
}

/* The first line of what it complained of. */
static enum sherd_err complain(struct sherd_span reason, int code)
{
    static const char head[] = "sherd: witness ask: ";
    struct sherd_span line = sherd_span_line(&reason);

    (void)sherd_line_begins(&line, head);
    if (line.len == 0)
        return sherd_fail(SHERD_ERR_IO, PROGRAM " ended with code %d", code);
    return sherd_fail(code == CLI_EXIT_TAMPERED ? SHERD_ERR_TAMPERED : SHERD_ERR_IO, "%.*s",
                      (int)(line.len < 220 ? line.len : 220), (const char *)line.data);
}

static enum sherd_err run_program(const char *ledger, struct sherd_span policy,
                                  const struct cli_cosign_process *process, struct sherd_buf *out_answer)
{
    SHERD_CLEANUP(pipes_done) struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf reason = {0};
    char program[PATH_MAX];
    pid_t child = 0;
    int code = 0;

    SHERD_TRY(cli_witness_program(program));
    SHERD_TRY(open_pipes(&pipes));
    errno = spawn(program, ledger, &pipes, &child);
    if (errno != 0)
        return sherd_fail_errno(SHERD_ERR_IO, PROGRAM " did not start");
    if (process != NULL)
        process->started(process->arg, child);
    const enum sherd_err err = talk(&pipes, policy, out_answer, &reason);
    if (err != SHERD_OK)
        (void)kill(child, SIGKILL);
    if (process != NULL)
        process->started(process->arg, 0);
    SHERD_TRY(wait_for(child, &code));
    SHERD_TRY(err);
    if (code == CLI_EXIT_OK || out_answer->len > 0)
        return SHERD_OK; /* what the witnesses said is in the answer */
    return complain(sherd_buf_span(&reason), code);
}

/* --- its answer --------------------------------------------------------------------------------------------------- */

static void take_text(struct sherd_span text, char *out, size_t size)
{
    const size_t len = text.len < size ? text.len : size - 1;

    if (len > 0)
        memcpy(out, text.data, len);
    out[len] = '\0';
}

/* witness NAME SAID SIZE TIME WHY */
static bool take_witness(struct sherd_span line, struct cli_cosign *cosign)
{
    struct cli_cosign_witness *witness = &cosign->witnesses[cosign->count];
    struct sherd_span name;
    struct sherd_span said;
    struct sherd_span size;
    struct sherd_span time;

    if (cosign->count == SHERD_COUNT_OF(cosign->witnesses) || !sherd_line_until(&line, ' ', &name) ||
        !sherd_line_until(&line, ' ', &said) || !sherd_line_until(&line, ' ', &size) ||
        !sherd_line_until(&line, ' ', &time) || !sherd_decimal_parse(size, &witness->size) ||
        !sherd_decimal_parse(time, &witness->time_s))
        return false;
    take_text(name, witness->name, sizeof(witness->name));
    take_text(said, witness->said, sizeof(witness->said));
    take_text(line, witness->why, sizeof(witness->why));
    cosign->cosigner_count += strcmp(witness->said, "cosigned") == 0;
    cosign->count++;
    return true;
}

static enum sherd_err parse_answer(struct sherd_span answer, struct cli_cosign *cosign)
{
    struct sherd_span line = {0};
    bool good = true;

    while (good && (good = sherd_line_take(&answer, &line)) && line.len > 0) {
        if (sherd_line_begins(&line, "witness "))
            good = take_witness(line, cosign);
        else if (sherd_line_begins(&line, "quorum "))
            cosign->met = sherd_span_equal(line, sherd_span_str("met"));
        else
            good = false;
    }
    SHERD_ENSURE(good, SHERD_ERR_IO, PROGRAM " gave an answer that is none");
    return sherd_buf_append(&cosign->note, answer);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* What the vault says of outside. */
struct told {
    struct sherd_buf policy;
    size_t witness_count;
    uint64_t size;
};

static enum sherd_err take_told(void *arg, const struct sherd_outside *outside)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    struct told *told = arg;

    told->size = outside->size;
    if (outside->policy.len == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_policy_parse(outside->policy, &policy));
    told->witness_count = policy->witness_count;
    return sherd_buf_append(&told->policy, outside->policy);
}

static void told_done(struct told *told)
{
    sherd_buf_done(&told->policy);
}

enum sherd_err cli_cosign_ask(const char *path, struct sherd_vault *vault, const struct cli_cosign_process *process,
                              struct cli_cosign *cosign)
{
    SHERD_CLEANUP(told_done) struct told told = {.size = 0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf answer = {0};
    SHERD_CLEANUP(sherd_freep) char *ledger = sherd_path_join(path, "anchor/ledger");

    if (ledger == NULL)
        return SHERD_ERR_NO_MEMORY;
    cli_cosign_done(cosign);
    SHERD_TRY(sherd_outside_get(vault, take_told, &told));
    if (told.witness_count == 0)
        return SHERD_OK;
    SHERD_TRY(run_program(ledger, sherd_buf_span(&told.policy), process, &answer));
    return parse_answer(sherd_buf_span(&answer), cosign);
}

static const struct cli_cosign_witness *who_said(const struct cli_cosign *cosign, const char *said)
{
    for (size_t i = 0; i < cosign->count; i++)
        if (strcmp(cosign->witnesses[i].said, said) == 0)
            return &cosign->witnesses[i];
    return NULL;
}

/* @param[in] size  leaves of the ledger */
static enum sherd_err judge(const struct cli_cosign *cosign, uint64_t size)
{
    const struct cli_cosign_witness *ahead = who_said(cosign, "ahead");
    const struct cli_cosign_witness *forked = who_said(cosign, "forked");
    char when[CLI_TIME_TEXT_SIZE];

    if (ahead != NULL && ahead->size > size) {
        cli_format_time((int64_t)ahead->time_s, when);
        return sherd_fail(SHERD_ERR_TAMPERED,
                          "the anchor is %" PRIu64 " change%s behind what the witness %s cosigned at %s: it was rolled "
                          "back; bring back the newer one, or `sherd policy accept`",
                          ahead->size - size, ahead->size - size == 1 ? "" : "s", ahead->name, when);
    }
    if (forked != NULL)
        return sherd_fail(
            SHERD_ERR_TAMPERED,
            "the witness %s cosigned another history of this ledger: the anchor was rolled back, and went "
            "on from there",
            forked->name);
    return SHERD_OK;
}

/* Who did not, and why. */
static enum sherd_err too_few(const struct cli_cosign *cosign, const char *what)
{
    for (size_t i = 0; i < cosign->count; i++)
        if (strcmp(cosign->witnesses[i].said, "cosigned") != 0)
            return sherd_fail(SHERD_ERR_BUSY, "%zu of %zu witnesses cosigned, which is no quorum%s; %s: %.100s",
                              cosign->cosigner_count, cosign->count, what, cosign->witnesses[i].name,
                              cosign->witnesses[i].why);
    return sherd_fail(SHERD_ERR_BUSY, "the policy has no quorum%s", what);
}

enum sherd_err cli_cosign_now(const char *path, struct sherd_vault *vault, const struct cli_cosign_process *process,
                              struct cli_cosign *cosign)
{
    uint64_t size = 0;

    cli_cosign_done(cosign);
    SHERD_TRY(sherd_outside_run(vault, &size));
    SHERD_TRY(cli_cosign_ask(path, vault, process, cosign));
    if (cosign->count == 0)
        return SHERD_OK;
    SHERD_TRY(judge(cosign, size));
    if (!cosign->met)
        return too_few(cosign, "");
    return sherd_outside_take(vault, sherd_buf_span(&cosign->note));
}

/*
 * The log's own checkpoint may be one behind the state's, after a crash, and another process may have gone on: what is
 * ahead of the one asked about need not be ahead of the anchor.
 */
static enum sherd_err check_ahead(const char *path, struct sherd_vault *vault, struct cli_cosign *cosign)
{
    SHERD_CLEANUP(told_done) struct told told = {.size = 0};

    SHERD_TRY(sherd_outside_get(vault, take_told, &told));
    SHERD_TRY(judge(cosign, told.size));
    if (who_said(cosign, "ahead") == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_outside_run(vault, &told.size));
    SHERD_TRY(cli_cosign_ask(path, vault, NULL, cosign));
    return judge(cosign, told.size);
}

enum sherd_err cli_cosign_check(const char *path, struct sherd_vault *vault, bool unwitnessed)
{
    SHERD_CLEANUP(cli_cosign_done) struct cli_cosign cosign = {.count = 0};
    const enum sherd_err err = cli_cosign_ask(path, vault, NULL, &cosign);

    if (err != SHERD_OK)
        return unwitnessed ? SHERD_OK : err;
    if (cosign.count == 0)
        return SHERD_OK;
    SHERD_TRY(check_ahead(path, vault, &cosign));
    if (!cosign.met)
        return unwitnessed ? SHERD_OK
                           : too_few(&cosign, ", so nobody can say whether the anchor was rolled back "
                                              "(--without-witnesses unseals it as it is)");
    return sherd_outside_take(vault, sherd_buf_span(&cosign.note));
}

enum sherd_err cli_checkpoint_size(const char *file, uint64_t *out_size)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    struct sherd_checkpoint checkpoint;
    struct sherd_signed parts;

    SHERD_TRY(sherd_file_read(file, "", &note));
    SHERD_TRY(sherd_signed_parse(sherd_buf_span(&note), &parts));
    SHERD_TRY(sherd_checkpoint_decode(parts.text, &checkpoint));
    *out_size = checkpoint.head.size;
    return SHERD_OK;
}
