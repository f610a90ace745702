/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sherd-witness: a witness's directory and its server, and the asking of witnesses. It holds a witness's key and no
 * other, and is linked with nothing of the vault; `sherd witness` runs it.
 */
#include "base/file.h"
#include "base/mem.h"
#include "crypto/init.h"
#include "net/server.h"
#include "witness/ask.h"
#include "witness/witness.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Exit codes, the same as those of sherd. */
enum {
    EXIT_OK,
    EXIT_OTHER,
    EXIT_USAGE,
    EXIT_TAMPERED,
    EXIT_NOT_FOUND,
    EXIT_DENIED,
    EXIT_CONFLICT,
    EXIT_BUSY,
    EXIT_UNSUPPORTED
};

#define RUN_LOCK "lock"
#define DEFAULT_PORT 7380U
#define THREADS 4U
#define CONNECTIONS_MAX 256U
#define PEER_MAX 128U
#define REQUEST_S 20U
#define CONNECT_MS 4000U
#define TOTAL_MS 8000U

/* What the command line says; borrowed from it. */
struct args {
    const char *name;
    const char *address;
    const char *port;
    const char *policy;
    const char *ca_file;
    const char *timeout;
    bool anywhere;
    char **operands;
};

/* Which options a command takes, by their letters. */
struct command {
    const char *name;
    const char *operands;
    int operand_count;
    const char *takes;
    enum sherd_err (*run)(const struct args *args);
};

#define HELP                                                                                                       \
    "usage: sherd witness COMMAND [OPTION...] OPERAND...\n"                                                        \
    "\n"                                                                                                           \
    "Remembers the largest checkpoint of each log that it was told of, and cosigns what continues it (C2SP\n"      \
    "tlog-witness). It needs no vault and knows nothing of one.\n"                                                 \
    "\n"                                                                                                           \
    "  init DIR           make a witness, with a fresh key\n"                                                      \
    "  key DIR            print its public key\n"                                                                  \
    "  add DIR VKEY       tell it of a log, by the log's public key\n"                                             \
    "  logs DIR           list the logs that it knows, and how many leaves of each it has seen\n"                  \
    "  run DIR            serve, in the foreground, until SIGTERM\n"                                               \
    "  ask DIR            ask the witnesses of a policy to cosign the log in DIR; print what they say, and the\n"  \
    "                     checkpoint with their cosignatures\n"                                                    \
    "\n"                                                                                                           \
    "      --name NAME      of init: the name of its key, such as witness.example.com/w1\n"                        \
    "      --address ADDR   of run: listen on this address (127.0.0.1)\n"                                          \
    "      --port N         of run: and port (7380); 0 for one that is free\n"                                     \
    "      --anywhere       of run: the address may be reached by other machines; of ask: plain http goes there\n" \
    "      --policy FILE    of ask: logs, witnesses and quorum (C2SP tlog-policy)\n"                               \
    "      --ca-file FILE   of ask: trust these certificates, and not the system's\n"                              \
    "      --timeout MS     of ask: wait no longer for a witness (8000)\n"                                         \
    "  -h, --help           this text\n"                                                                           \
    "  -V, --version        the version\n"

/* --- a witness ---------------------------------------------------------------------------------------------------- */

static enum sherd_err print_key(const struct sherd_witness *witness)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf vkey = {0};

    SHERD_TRY(sherd_witness_vkey(witness, &vkey));
    (void)printf("%.*s\n", (int)vkey.len, (const char *)vkey.data);
    return SHERD_OK;
}

static enum sherd_err run_key(const struct args *args)
{
    SHERD_CLEANUP(sherd_witness_closep) struct sherd_witness *witness = NULL;

    SHERD_TRY(sherd_witness_open(args->operands[0], &witness));
    return print_key(witness);
}

static enum sherd_err run_init(const struct args *args)
{
    SHERD_ENSURE(args->name != NULL, SHERD_ERR_INVALID, "--name must say whose witness it is");
    SHERD_TRY(sherd_witness_make(args->operands[0], args->name));
    return run_key(args);
}

static enum sherd_err run_add(const struct args *args)
{
    SHERD_CLEANUP(sherd_witness_closep) struct sherd_witness *witness = NULL;

    SHERD_TRY(sherd_witness_open(args->operands[0], &witness));
    return sherd_witness_log_add(witness, args->operands[1]);
}

/* What others wrote, so that it cannot steer a terminal. */
static void print_plain(struct sherd_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= ' ' && text.data[i] < 0x7f && text.data[i] != '\\')
            (void)putchar(text.data[i]);
        else
            (void)printf("\\x%02x", text.data[i]);
}

static enum sherd_err print_log(void *arg, const struct sherd_witness_log *log)
{
    (void)arg;
    (void)printf("%" PRIu64 " ", log->size);
    print_plain(log->vkey);
    (void)putchar('\n');
    return SHERD_OK;
}

static enum sherd_err run_logs(const struct args *args)
{
    SHERD_CLEANUP(sherd_witness_closep) struct sherd_witness *witness = NULL;

    SHERD_TRY(sherd_witness_open(args->operands[0], &witness));
    return sherd_witness_log_each(witness, print_log, NULL);
}

/* --- the server --------------------------------------------------------------------------------------------------- */

#define CHECKPOINT_TAIL "/checkpoint"

static enum sherd_err answer_get(struct sherd_witness *witness, const char *path, struct sherd_witness_answer *answer)
{
    const size_t len = strlen(path);
    const size_t tail = strlen(CHECKPOINT_TAIL);

    if (len <= tail + 1 || strcmp(path + len - tail, CHECKPOINT_TAIL) != 0)
        return sherd_witness_checkpoint(witness, sherd_span_str(""), answer);
    return sherd_witness_checkpoint(witness, sherd_span_of(path + 1, len - tail - 1), answer);
}

static void answer(void *arg, const struct sherd_server_request *request, struct sherd_server_reply *reply)
{
    struct sherd_witness_answer said = {0};
    enum sherd_err err = SHERD_OK;

    if (!request->post)
        err = answer_get(arg, request->path, &said);
    else if (strcmp(request->path, "/add-checkpoint") == 0)
        err = sherd_witness_add_checkpoint(arg, request->body, &said);
    else
        said.status = 404;
    if (err != SHERD_OK) { /* nothing of it goes out */
        (void)fprintf(stderr, "sherd-witness: %s\n", sherd_err_detail());
        sherd_buf_done(&said.body);
        said = (struct sherd_witness_answer){.status = 500};
    }
    reply->status = said.status;
    reply->type = said.type;
    reply->body = said.body;
}

static enum sherd_err parse_number(const char *text, unsigned max, unsigned fallback, unsigned *out)
{
    char *end = NULL;

    *out = fallback;
    if (text == NULL)
        return SHERD_OK;
    errno = 0;
    const unsigned long number = strtoul(text, &end, 10);
    SHERD_ENSURE(*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && number <= max, SHERD_ERR_INVALID,
                 "a number is out of range");
    *out = (unsigned)number;
    return SHERD_OK;
}

static enum sherd_err serve(struct sherd_witness *witness, const struct args *args, const sigset_t *ends)
{
    struct sherd_server_options options = {.address = args->address != NULL ? args->address : "127.0.0.1",
                                           .thread_count = THREADS,
                                           .connections_max = CONNECTIONS_MAX,
                                           .peer_max = PEER_MAX,
                                           .body_bytes_max = SHERD_WITNESS_REQUEST_BYTES_MAX,
                                           .request_s = REQUEST_S};
    const bool six = strchr(options.address, ':') != NULL;
    struct sherd_server *server = NULL;
    unsigned port = 0;
    int signal = 0;

    SHERD_ENSURE(args->anywhere || sherd_server_is_loopback(options.address), SHERD_ERR_INVALID,
                 "that address may be reached by other machines, without TLS: --anywhere, if that is meant");
    SHERD_TRY(parse_number(args->port, UINT16_MAX, DEFAULT_PORT, &port));
    options.port = (uint16_t)port;
    SHERD_TRY(sherd_server_start(&options, answer, witness, &server));
    (void)printf("http://%s%s%s:%u\n", six ? "[" : "", options.address, six ? "]" : "", sherd_server_port(server));
    (void)fflush(stdout);
    (void)sigwait(ends, &signal);
    sherd_server_stop(server);
    return SHERD_OK;
}

static enum sherd_err run_run(const struct args *args)
{
    SHERD_CLEANUP(sherd_witness_closep) struct sherd_witness *witness = NULL;
    struct sherd_file_lock lock;
    sigset_t ends;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL); /* before threads start */
    SHERD_TRY(sherd_witness_open(args->operands[0], &witness));
    const enum sherd_err taken = sherd_file_lock_try(args->operands[0], RUN_LOCK, &lock);
    if (taken == SHERD_ERR_BUSY)
        return sherd_fail(taken, "a witness runs in %.150s", args->operands[0]);
    SHERD_TRY(taken);
    const enum sherd_err err = serve(witness, args, &ends);
    sherd_file_lock_leave(&lock);
    return err;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static void print_answer(const struct sherd_policy_witness *witness, const struct sherd_ask_answer *said)
{
    (void)printf("witness ");
    print_plain(witness->name);
    (void)printf(" %s %" PRIu64 " %" PRIu64 " ", sherd_asked_word(said->asked), said->size, said->time_s);
    print_plain(sherd_span_str(said->why));
    (void)putchar('\n');
}

static enum sherd_err tell(const struct sherd_policy *policy, const struct sherd_ask_answer *said, bool met)
{
    for (size_t i = 0; i < policy->witness_count; i++)
        SHERD_ENSURE(said[i].asked != SHERD_ASKED_AHEAD, SHERD_ERR_TAMPERED,
                     "a witness has seen more of the log than there is: it was rolled back");
    for (size_t i = 0; i < policy->witness_count; i++)
        SHERD_ENSURE(said[i].asked != SHERD_ASKED_FORKED, SHERD_ERR_TAMPERED,
                     "a witness has seen another history of the log");
    SHERD_ENSURE(met, SHERD_ERR_BUSY, "too few witnesses cosigned");
    return SHERD_OK;
}

static enum sherd_err ask(const struct sherd_ask_parts *parts)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ask_answer *said =
        sherd_alloc_array(parts->policy->witness_count, sizeof(*said));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    bool met = false;

    if (said == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ask(parts, said, &note, &met));
    for (size_t i = 0; i < parts->policy->witness_count; i++)
        print_answer(&parts->policy->witnesses[i], &said[i]);
    (void)printf("quorum %s\n\n%.*s", met ? "met" : "missed", (int)note.len, (const char *)note.data);
    return tell(parts->policy, said, met);
}

static enum sherd_err run_ask(const struct args *args)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_POLICY_BYTES_MAX};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    struct sherd_ask_parts parts = {.dir = args->operands[0],
                                    .limits = {.plain_anywhere = args->anywhere, .ca_file = args->ca_file}};

    SHERD_ENSURE(args->policy != NULL, SHERD_ERR_INVALID, "--policy must say whom to ask");
    SHERD_TRY(parse_number(args->timeout, 600000, TOTAL_MS, &parts.limits.total_ms));
    parts.limits.connect_ms = parts.limits.total_ms < CONNECT_MS ? parts.limits.total_ms : CONNECT_MS;
    SHERD_TRY(sherd_file_read(strcmp(args->policy, "-") == 0 ? "/dev/stdin" : args->policy, "", &text));
    SHERD_TRY(sherd_policy_parse(sherd_buf_span(&text), &policy));
    parts.policy = policy;
    return ask(&parts);
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static const struct command commands[] = {
    {"init", "DIR", 1, "n", run_init}, {"key", "DIR", 1, "", run_key},    {"add", "DIR VKEY", 2, "", run_add},
    {"logs", "DIR", 1, "", run_logs},  {"run", "DIR", 1, "apw", run_run}, {"ask", "DIR", 1, "owct", run_ask},
};

static int exit_of(enum sherd_err err)
{
    switch (err) {
    case SHERD_OK: return EXIT_OK;
    case SHERD_ERR_INVALID: return EXIT_USAGE;
    case SHERD_ERR_TAMPERED: return EXIT_TAMPERED;
    case SHERD_ERR_NOT_FOUND: return EXIT_NOT_FOUND;
    case SHERD_ERR_DENIED: return EXIT_DENIED;
    case SHERD_ERR_CONFLICT: return EXIT_CONFLICT;
    case SHERD_ERR_BUSY: return EXIT_BUSY;
    case SHERD_ERR_UNSUPPORTED: return EXIT_UNSUPPORTED;
    default: return EXIT_OTHER;
    }
}

static int say(enum sherd_err err, const char *what)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "sherd: witness%s%s: %s\n", *what != '\0' ? " " : "", what, sherd_err_detail());
    if (err == SHERD_ERR_INVALID)
        (void)fputs("Try `sherd help witness`.\n", stderr);
    return exit_of(err);
}

static int usage(const char *what)
{
    return say(sherd_fail(SHERD_ERR_INVALID, "%s", what), "");
}

/* @return -1: go on; otherwise the exit code */
static int parse(int argc, char **argv, struct args *out_args, char out_given[static 16])
{
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'},    {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},    {"anywhere", no_argument, NULL, 'w'},
        {"policy", required_argument, NULL, 'o'},  {"ca-file", required_argument, NULL, 'c'},
        {"timeout", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0},
    };
    size_t given = 0;

    opterr = 0;
    for (int option = 0; (option = getopt_long(argc, argv, ":hV", options, NULL)) != -1;) {
        switch (option) {
        case 'n': out_args->name = optarg; break;
        case 'a': out_args->address = optarg; break;
        case 'p': out_args->port = optarg; break;
        case 'w': out_args->anywhere = true; break;
        case 'o': out_args->policy = optarg; break;
        case 'c': out_args->ca_file = optarg; break;
        case 't': out_args->timeout = optarg; break;
        case 'h': return fputs(HELP, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_OTHER;
        case 'V': return printf("sherd-witness %s\n", SHERD_VERSION) > 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_OTHER;
        case ':': return usage("an option needs an argument");
        default: return usage("there is no such option");
        }
        if (given < 15 && strchr(out_given, option) == NULL)
            out_given[given++] = (char)option;
    }
    return -1;
}

static int run(const struct command *command, const struct args *args)
{
    enum sherd_err err = sherd_crypto_init();

    if (err == SHERD_OK)
        err = command->run(args);
    if (err == SHERD_OK && (fflush(stdout) != 0 || ferror(stdout)))
        err = sherd_fail_errno(SHERD_ERR_IO, "standard output cannot be written");
    return err == SHERD_OK ? EXIT_OK : say(err, command->name);
}

int main(int argc, char **argv)
{
    struct args args = {0};
    char given[16] = "";
    const int done = parse(argc, argv, &args, given);

    (void)prctl(PR_SET_DUMPABLE, 0); /* there may be a key in memory */
    (void)signal(SIGPIPE, SIG_IGN);
    if (done >= 0)
        return done;
    if (optind >= argc)
        return usage("a command is needed");
    for (size_t i = 0; i < SHERD_COUNT_OF(commands); i++) {
        if (strcmp(argv[optind], commands[i].name) != 0)
            continue;
        if (argc - optind - 1 != commands[i].operand_count)
            return say(sherd_fail(SHERD_ERR_INVALID, "%s is expected", commands[i].operands), commands[i].name);
        if (strspn(given, commands[i].takes) != strlen(given))
            return say(sherd_fail(SHERD_ERR_INVALID, "it does not take that option"), commands[i].name);
        args.operands = argv + optind + 1;
        return run(&commands[i], &args);
    }
    return usage("there is no such command");
}
