/* SPDX-License-Identifier: Apache-2.0 */
/* Telling people what the scrubber found: see tell.h. */
#include "cli/tell.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)
/* An object fits a pipe, and so is written before there is anybody to read it. */
#define LINE_BYTES_MAX 4000U

/* --- rules as text ------------------------------------------------------------------------------------------------ */

static const char *const audiences[] = {[SHERD_TELL_ADMIN] = "admin",
                                        [SHERD_TELL_AUDITOR] = "auditor",
                                        [SHERD_TELL_FIRST] = "first",
                                        [SHERD_TELL_READERS] = "readers"};
static const char *const ways[] = {[SHERD_TELL_ANSWER] = "answer",
                                   [SHERD_TELL_SYSLOG] = "syslog",
                                   [SHERD_TELL_FILE] = "file",
                                   [SHERD_TELL_COMMAND] = "command"};

void cli_rule_format(const struct sherd_scrub_rule *rule, char *text)
{
    if (rule->way == SHERD_TELL_ANSWER)
        (void)snprintf(text, CLI_RULE_TEXT_SIZE, "%s", audiences[rule->audience]);
    else
        (void)snprintf(text, CLI_RULE_TEXT_SIZE, "%s:%s%s%s", audiences[rule->audience], ways[rule->way],
                       rule->place[0] != 0 ? ":" : "", rule->place);
}

static unsigned find_word(const char *const *words, size_t count, const char *text, size_t len)
{
    for (unsigned i = 1; i < count; i++)
        if (strlen(words[i]) == len && strncmp(words[i], text, len) == 0)
            return i;
    return 0;
}

static enum sherd_err no_rule(void)
{
    return sherd_fail(SHERD_ERR_INVALID, "--tell: write admin:HOW or auditor:HOW, where HOW is syslog, file:PATH or "
                                         "command:PATH with an absolute path; or first; or readers; or none");
}

enum sherd_err cli_rule_parse(const char *text, struct sherd_scrub_rule *out_rule)
{
    const char *how = strchrnul(text, ':');
    const char *place = how[0] != 0 ? strchrnul(how + 1, ':') : how;
    struct sherd_scrub_rule rule = {.told = 0};

    rule.audience = (enum sherd_scrub_audience)find_word(audiences, SHERD_COUNT_OF(audiences), text,
                                                         (size_t)(how - text));
    if (how[0] == 0)
        rule.way = SHERD_TELL_ANSWER;
    else
        rule.way = (enum sherd_scrub_way)find_word(ways, SHERD_COUNT_OF(ways), how + 1, (size_t)(place - how - 1));
    const bool reads = rule.audience == SHERD_TELL_FIRST || rule.audience == SHERD_TELL_READERS;
    const bool placed = rule.way == SHERD_TELL_FILE || rule.way == SHERD_TELL_COMMAND;
    if (rule.audience == 0 || rule.way == 0 || reads != (how[0] == 0) || reads != (rule.way == SHERD_TELL_ANSWER) ||
        placed != (place[0] == ':'))
        return no_rule();
    if (placed && (place[1] != '/' || strlen(place + 1) >= sizeof(rule.place)))
        return no_rule();
    if (placed)
        (void)snprintf(rule.place, sizeof(rule.place), "%s", place + 1);
    SHERD_ENSURE(!placed || !cli_inside_vault(rule.place), SHERD_ERR_INVALID,
                 "--tell: what is told does not go into a vault, nor is a command run from there");
    *out_rule = rule;
    return SHERD_OK;
}

/* --- findings as JSON --------------------------------------------------------------------------------------------- */

const char *cli_finding_kind(enum sherd_finding_kind kind)
{
    switch (kind) {
    case SHERD_FINDING_PIN: return "pin";
    case SHERD_FINDING_MAP: return "map";
    case SHERD_FINDING_FRAGMENT: return "fragment";
    case SHERD_FINDING_LEDGER: return "ledger";
    case SHERD_FINDING_LINK: return "link";
    case SHERD_FINDING_REFUSED: return "refused";
    case SHERD_FINDING_ENTRY: break;
    }
    return "entry";
}

static json_t *time_or_null(int64_t time_s)
{
    return time_s != 0 ? json_integer((json_int_t)time_s) : json_null();
}

json_t *cli_finding_json(const struct sherd_scrub_finding *finding)
{
    char id[2 * sizeof(finding->id) + 1];

    cli_format_hex(sherd_span_of(finding->id, sizeof(finding->id)), id);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "finding", id, "kind",
                     cli_finding_kind(finding->kind), "compartment", finding->compartment, "record",
                     finding->has_record ? cli_json_uuid(finding->record) : json_null(), "version",
                     finding->has_record ? json_integer((json_int_t)finding->version) : json_null(), "text",
                     cli_json_bytes(sherd_span_str(finding->text)), "first", (json_int_t)finding->first_s, "last",
                     (json_int_t)finding->last_s, "count", (json_int_t)finding->count, "healed",
                     time_or_null(finding->healed_s), "acknowledged", time_or_null(finding->acknowledged_s), "by",
                     finding->by[0] != 0 ? cli_json_bytes(sherd_span_str(finding->by)) : json_null(), "note",
                     finding->note[0] != 0 ? cli_json_bytes(sherd_span_str(finding->note)) : json_null());
}

/* --- ways of telling ---------------------------------------------------------------------------------------------- */

/* What is told in one go, to one audience. */
struct news {
    const struct sherd_scrub_rule *rule;
    struct sherd_scrub_finding *findings; /* all of the book */
    size_t count;
    size_t told;
    size_t more; /* that are not told one by one */
};

typedef enum sherd_err deliver_fn(const struct sherd_scrub_rule *rule, struct sherd_span line);

static enum sherd_err object_line(json_t *object, const char *audience, char out[static LINE_BYTES_MAX + 1],
                                  size_t *out_len)
{
    if (object == NULL || json_object_set_new(object, "told", json_string(audience)) != 0) {
        json_decref(object);
        return SHERD_ERR_NO_MEMORY;
    }
    const size_t len = json_dumpb(object, out, LINE_BYTES_MAX - 1, JSON_COMPACT);
    json_decref(object);
    SHERD_ENSURE(len > 0 && len < LINE_BYTES_MAX, SHERD_ERR_LIMIT, "a finding is too long to be told");
    out[len] = '\n';
    out[len + 1] = 0;
    *out_len = len + 1;
    return SHERD_OK;
}

static enum sherd_err by_syslog(const struct sherd_scrub_rule *rule, struct sherd_span line)
{
    openlog("sherd", LOG_PID, LOG_AUTHPRIV);
    syslog((rule->audience == SHERD_TELL_AUDITOR ? LOG_ALERT : LOG_ERR) | LOG_AUTHPRIV, "%.*s", (int)(line.len - 1),
           (const char *)line.data);
    closelog();
    return SHERD_OK;
}

static enum sherd_err write_all(int fd, const char *path, struct sherd_span bytes)
{
    while (bytes.len > 0) {
        const ssize_t done = write(fd, bytes.data, bytes.len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return sherd_fail_errno(SHERD_ERR_IO, "cannot write to %.120s", path);
        bytes = sherd_span_of(bytes.data + done, bytes.len - (size_t)done);
    }
    return SHERD_OK;
}

static enum sherd_err by_file(const struct sherd_scrub_rule *rule, struct sherd_span line)
{
    const int fd = open(rule->place, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
                        0600);

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "cannot open %.120s", rule->place);
    enum sherd_err err = write_all(fd, rule->place, line);
    if (err == SHERD_OK && fsync(fd) != 0 && errno != EINVAL && errno != EROFS) /* a pipe has no disk */
        err = sherd_fail_errno(SHERD_ERR_IO, "cannot flush %.120s", rule->place);
    (void)close(fd);
    return err;
}

/* What anybody but root and this user could have put there is not run. */
static enum sherd_err check_command(const char *path)
{
    struct stat stat;

    if (lstat(path, &stat) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "no command %.120s", path);
    if (!S_ISREG(stat.st_mode) || (stat.st_mode & 0111) == 0 || (stat.st_mode & 0022) != 0 ||
        (stat.st_uid != 0 && stat.st_uid != geteuid()))
        return sherd_fail(SHERD_ERR_DENIED, "%.120s is no program that only its owner can change, who is root or you",
                          path);
    return SHERD_OK;
}

/* What a child is born with: nothing of ours but the object on its standard input. */
static bool prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int in)
{
    sigset_t none;
    sigset_t all;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    return posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO) == 0 &&
           posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
           posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
           posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1) == 0 &&
           posix_spawnattr_setpgroup(attributes, 0) == 0 && posix_spawnattr_setsigmask(attributes, &none) == 0 &&
           posix_spawnattr_setsigdefault(attributes, &all) == 0 &&
           posix_spawnattr_setflags(attributes,
                                    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0;
}

static enum sherd_err spawn(const char *path, int in, pid_t *out_child)
{
    static char *const environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL};
    char *const arguments[] = {(char *)path, (char *)"finding", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int failed = ENOMEM;

    if (posix_spawn_file_actions_init(&files) != 0)
        return SHERD_ERR_NO_MEMORY;
    if (posix_spawnattr_init(&attributes) == 0) {
        if (prepare(&files, &attributes, in))
            failed = posix_spawn(out_child, path, &files, &attributes, arguments, environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    if (failed == 0)
        return SHERD_OK;
    errno = failed;
    return sherd_fail_errno(SHERD_ERR_IO, "cannot run %.120s", path);
}

/* Wait for a child, no longer than it may take; then it is killed, with all that it started. */
static enum sherd_err await(pid_t child, const char *path)
{
    const struct timespec pause = {.tv_nsec = 5 * (long)MS_NS};
    const uint64_t until_ns = sherd_clock()->monotonic_ns() + CLI_TELL_TIMEOUT_MS * MS_NS;
    int status = 0;
    pid_t ended = 0;

    while ((ended = waitpid(child, &status, WNOHANG)) == 0 && sherd_clock()->monotonic_ns() < until_ns)
        (void)nanosleep(&pause, NULL);
    if (ended == 0) {
        (void)kill(-child, SIGKILL);
        (void)waitpid(child, &status, 0);
        return sherd_fail(SHERD_ERR_IO, "%.120s took too long, and was killed", path);
    }
    if (ended < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return sherd_fail(SHERD_ERR_IO, "%.120s failed", path);
    return SHERD_OK;
}

static enum sherd_err by_command(const struct sherd_scrub_rule *rule, struct sherd_span line)
{
    int pipes[2];
    pid_t child = 0;

    SHERD_TRY(check_command(rule->place));
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "a pipe cannot be made");
    enum sherd_err err = write_all(pipes[1], "a pipe", line); /* it has room for that */
    (void)close(pipes[1]);
    if (err == SHERD_OK)
        err = spawn(rule->place, pipes[0], &child);
    (void)close(pipes[0]);
    return err == SHERD_OK ? await(child, rule->place) : err;
}

/* --- one rule ----------------------------------------------------------------------------------------------------- */

static bool is_news(const struct sherd_scrub_rule *rule, const struct sherd_scrub_finding *finding)
{
    return finding->serial > rule->told && finding->healed_s == 0 && finding->acknowledged_s == 0;
}

static enum sherd_err tell_one(const struct news *news, deliver_fn *deliver, const struct sherd_scrub_finding *finding)
{
    char line[LINE_BYTES_MAX + 1] = "";
    size_t len = 0;

    SHERD_TRY(object_line(cli_finding_json(finding), audiences[news->rule->audience], line, &len));
    return deliver(news->rule, sherd_span_of(line, len));
}

static enum sherd_err tell_rest(const struct news *news, deliver_fn *deliver)
{
    char line[LINE_BYTES_MAX + 1];
    size_t len;

    if (news->more == 0)
        return SHERD_OK;
    SHERD_TRY(object_line(json_pack("{s:I, s:s}", "more", (json_int_t)news->more, "text",
                                    "that many other findings are open: `sherd scrub findings`"),
                          audiences[news->rule->audience], line, &len));
    return deliver(news->rule, sherd_span_of(line, len));
}

static enum sherd_err tell_by(struct news *news)
{
    static deliver_fn *const deliveries[] = {
        [SHERD_TELL_SYSLOG] = by_syslog, [SHERD_TELL_FILE] = by_file, [SHERD_TELL_COMMAND] = by_command};
    deliver_fn *deliver = deliveries[news->rule->way];
    const size_t max = news->rule->way == SHERD_TELL_FILE ? SHERD_SCRUB_FINDINGS_MAX : CLI_TELL_EACH_MAX;

    for (size_t i = 0; i < news->count; i++) {
        if (!is_news(news->rule, &news->findings[i]))
            continue;
        if (news->told == max) {
            news->more++;
            continue;
        }
        SHERD_TRY(tell_one(news, deliver, &news->findings[i]));
        news->told++;
    }
    return tell_rest(news, deliver);
}

/* --- all rules ---------------------------------------------------------------------------------------------------- */

/* The book's findings, as they are now. */
struct gathering {
    struct sherd_scrub_finding *findings; /* SHERD_SCRUB_FINDINGS_MAX */
    size_t count;
};

static enum sherd_err gather(void *arg, const struct sherd_scrub_finding *finding)
{
    struct gathering *gathering = arg;

    if (gathering->count < SHERD_SCRUB_FINDINGS_MAX)
        gathering->findings[gathering->count++] = *finding;
    return SHERD_OK;
}

static bool tells_people(const struct sherd_scrub_rule *rule)
{
    return rule->way != SHERD_TELL_ANSWER;
}

static bool has_news(const struct sherd_scrub_status *status)
{
    for (size_t i = 0; i < status->rule_count; i++)
        if (tells_people(&status->rules[i]) && status->rules[i].told < status->serial)
            return true;
    return false;
}

static void tell_all(const struct cli_tell *tell, const struct sherd_scrub_status *status,
                     const struct gathering *gathering)
{
    for (size_t i = 0; i < status->rule_count; i++) {
        const struct sherd_scrub_rule *rule = &status->rules[i];
        struct news news = {.rule = rule, .findings = gathering->findings, .count = gathering->count};

        if (!tells_people(rule) || rule->told >= status->serial)
            continue;
        enum sherd_err err = tell_by(&news);
        if (err == SHERD_OK)
            err = sherd_scrub_told(tell->vault, rule, status->serial);
        if (err != SHERD_OK && tell->failed != NULL)
            tell->failed(tell->arg, rule);
    }
}

enum sherd_err cli_tell(struct cli_tell *tell, bool at_once)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();
    SHERD_CLEANUP(sherd_freep) struct sherd_scrub_status *status = NULL;
    struct gathering gathering = {.count = 0};

    if (!at_once && tell->told_ns != 0 && now_ns - tell->told_ns < CLI_TELL_PAUSE_S * SECOND_NS)
        return SHERD_OK;
    status = sherd_alloc(sizeof(*status));
    if (status == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_scrub_status(tell->vault, status));
    if (!has_news(status))
        return SHERD_OK;
    gathering.findings = sherd_alloc_array(SHERD_SCRUB_FINDINGS_MAX, sizeof(*gathering.findings));
    if (gathering.findings == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_scrub_finding_each(tell->vault, gather, &gathering);
    if (err == SHERD_OK)
        tell_all(tell, status, &gathering);
    sherd_free(gathering.findings);
    tell->told_ns = sherd_clock()->monotonic_ns();
    return err;
}
