/* SPDX-License-Identifier: Apache-2.0 */
/* sherd-verify: the command line, the exit code, one line of reason. */
#include "crypto/init.h"
#include "verify/verify.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Exit codes, the same as those of sherd. */
enum { EXIT_OK, EXIT_OTHER, EXIT_USAGE, EXIT_TAMPERED, EXIT_NOT_FOUND, EXIT_CONFLICT = 6, EXIT_BUSY, EXIT_UNSUPPORTED };

/* Two keys, of which one is of ML-DSA-44, and more than that. */
#define LOG_KEYS_SIZE 8192U

/* Which options a command takes. */
enum { TAKES_LOG = 1, TAKES_KEY = 2, TAKES_AGAINST = 4, TAKES_RECORD = 8, TAKES_LIST = 16 };

static const struct {
    const char *name;
    const char *operands;
    int operand_min;
    int operand_max;
    unsigned takes;
    enum sherd_err (*run)(const struct verify_args *args);
} commands[] = {
    {"proof", "PROOF [LEAF]", 1, 2, TAKES_LOG, verify_proof},
    {"checkpoint", "FILE", 1, 1, TAKES_LOG, verify_checkpoint},
    {"consistency", "OLD NEW PROOF", 3, 3, TAKES_LOG, verify_consistency},
    {"log", "DIR", 1, 1, TAKES_LOG, verify_log},
    {"receipt", "FILE", 1, 1, TAKES_LOG | TAKES_KEY | TAKES_AGAINST | TAKES_RECORD, verify_receipt},
    {"evidence", "FILE", 1, 1, TAKES_LOG | TAKES_AGAINST | TAKES_LIST, verify_evidence},
    {"row", "FILE", 1, 1, TAKES_KEY, verify_row},
    {"rows", "DUMP", 1, 1, TAKES_KEY, verify_rows},
};

#define HELP                                                                                                    \
    "usage: sherd-verify COMMAND [OPTION...] OPERAND...\n"                                                      \
    "\n"                                                                                                        \
    "Checks with public keys alone what a vault gave out. Needs no vault, no network and no secret.\n"          \
    "\n"                                                                                                        \
    "  receipt FILE                what was done to a record is in the log; or a signed statement that\n"       \
    "                              something is gone\n"                                                         \
    "  evidence FILE               all that it says of a record, an entity or a user is in the log\n"           \
    "  proof PROOF [LEAF]          the bytes in LEAF, or those in the proof, are a leaf of the log\n"           \
    "  checkpoint FILE             the log signed it, and witnesses cosigned it\n"                              \
    "  consistency OLD NEW PROOF   the log only grew from one checkpoint to the other\n"                        \
    "  log DIR                     every tile and every leaf of an exported log, against its checkpoint\n"      \
    "  row FILE                    one row of a readable collection, as it lies in the store\n"                 \
    "  rows DUMP                   all rows in what mdb_dump(1) printed; prints each as JSON\n"                 \
    "\n"                                                                                                        \
    "      --log-key VKEY    the log's public key: no other log is accepted; of two keys both must sign\n"      \
    "      --policy FILE     logs, witnesses and how many of them it takes (C2SP tlog-policy)\n"                \
    "      --key VKEY        of statements and rows: their public key\n"                                        \
    "      --against PATH    of receipts and evidence: what the log shows now, a checkpoint or its directory\n" \
    "      --growth PROOF    a proof of consistency up to that checkpoint\n"                                    \
    "      --record UUID     the receipt must be about this record\n"                                           \
    "      --list            print each leaf of the evidence\n"                                                 \
    "  -h, --help            this text\n"                                                                       \
    "  -V, --version         the version\n"                                                                     \
    "\n"                                                                                                        \
    "A file may be - for standard input. Exit code 0: it holds; 3: it does not; 6: it holds, and what the\n"    \
    "log shows now was cut or forked; see sherd-verify(1).\n"

static int exit_of(enum sherd_err err)
{
    switch (err) {
    case SHERD_OK: return EXIT_OK;
    case SHERD_ERR_INVALID: return EXIT_USAGE;
    case SHERD_ERR_TAMPERED: return EXIT_TAMPERED;
    case SHERD_ERR_NOT_FOUND: return EXIT_NOT_FOUND;
    case SHERD_ERR_CONFLICT: return EXIT_CONFLICT;
    case SHERD_ERR_LIMIT: return EXIT_BUSY;
    case SHERD_ERR_UNSUPPORTED: return EXIT_UNSUPPORTED;
    default: return EXIT_OTHER;
    }
}

static int say(enum sherd_err err, const char *what)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "sherd-verify: %s: %s\n", what, sherd_err_detail());
    if (err == SHERD_ERR_INVALID)
        (void)fputs("Try `sherd-verify --help`.\n", stderr);
    return exit_of(err);
}

static int usage(const char *what)
{
    return say(sherd_fail(SHERD_ERR_INVALID, "%s", what), "usage");
}

static unsigned takes_of(int option)
{
    switch (option) {
    case 'k': return TAKES_KEY;
    case 'a':
    case 'g': return TAKES_AGAINST;
    case 'r': return TAKES_RECORD;
    case 'L': return TAKES_LIST;
    default: return TAKES_LOG;
    }
}

/* One more key of the log, in a line of its own. @return whether there is room for it */
static bool add_log_key(const char *key, struct verify_args *args)
{
    static char keys[LOG_KEYS_SIZE];
    const size_t len = strlen(keys);
    const int more = snprintf(keys + len, sizeof(keys) - len, "%s%s", args->log_key == NULL ? "" : "\n", key);

    args->log_key = keys;
    return more >= 0 && (size_t)more < sizeof(keys) - len;
}

/* @return -1: go on; otherwise the exit code */
static int parse(int argc, char **argv, struct verify_args *out_args, unsigned *out_given)
{
    static const struct option options[] = {
        {"log-key", required_argument, NULL, 'l'}, {"policy", required_argument, NULL, 'p'},
        {"key", required_argument, NULL, 'k'},     {"against", required_argument, NULL, 'a'},
        {"growth", required_argument, NULL, 'g'},  {"record", required_argument, NULL, 'r'},
        {"list", no_argument, NULL, 'L'},          {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0},
    };

    opterr = 0;
    for (int option = 0; (option = getopt_long(argc, argv, ":hV", options, NULL)) != -1;) {
        switch (option) {
        case 'l':
            if (!add_log_key(optarg, out_args))
                return usage("--log-key: too many keys");
            break;
        case 'p': out_args->policy_file = optarg; break;
        case 'k': out_args->key = optarg; break;
        case 'a': out_args->against = optarg; break;
        case 'g': out_args->growth = optarg; break;
        case 'r': out_args->record = optarg; break;
        case 'L': out_args->list = true; break;
        case 'h': return fputs(HELP, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_OTHER;
        case 'V': return printf("sherd-verify %s\n", SHERD_VERSION) > 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_OTHER;
        case ':': return usage("an option needs an argument");
        default: return usage("there is no such option");
        }
        *out_given |= takes_of(option);
    }
    return -1;
}

static int run(size_t command, const struct verify_args *args)
{
    enum sherd_err err = sherd_crypto_init();

    if (err == SHERD_OK)
        err = commands[command].run(args);
    if (err == SHERD_OK && (fflush(stdout) != 0 || ferror(stdout)))
        err = sherd_fail_errno(SHERD_ERR_IO, "standard output cannot be written");
    return err == SHERD_OK ? EXIT_OK : say(err, commands[command].name);
}

int main(int argc, char **argv)
{
    struct verify_args args = {0};
    unsigned given = 0;
    const int done = parse(argc, argv, &args, &given);

    if (done >= 0)
        return done;
    if (optind >= argc)
        return usage("a command is needed");
    for (size_t i = 0; i < SHERD_COUNT_OF(commands); i++) {
        if (strcmp(argv[optind], commands[i].name) != 0)
            continue;
        args.operands = argv + optind + 1;
        args.operand_count = argc - optind - 1;
        if (args.operand_count < commands[i].operand_min || args.operand_count > commands[i].operand_max)
            return say(sherd_fail(SHERD_ERR_INVALID, "%s is expected", commands[i].operands), commands[i].name);
        if ((given & ~commands[i].takes) != 0)
            return say(sherd_fail(SHERD_ERR_INVALID, "it does not take that option"), commands[i].name);
        if (args.growth != NULL && args.against == NULL)
            return say(sherd_fail(SHERD_ERR_INVALID, "--growth leads to the checkpoint of --against"),
                       commands[i].name);
        return run(i, &args);
    }
    return usage("there is no such command");
}
