/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: global options before the command, then the command's own and the global ones in any order. */
#include "cli/cli.h"
#include "cli/text.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Places in the table of global options: texts, which are kept as they are, then these, then flags. */
enum { SHARE_FILE = 13, PIN_FILE, PKCS11_TOKEN, FLAGS };

const struct cli_option cli_global_options[] = {
    {"vault", 0, "DIR", "the vault's directory; else $SHERD_VAULT"},
    {"passphrase-file", 0, "FILE", "read the passphrase from a file; a newline at its end is no part of it"},
    {"passphrase-fd", 0, "N", "read the passphrase from an open descriptor, likewise"},
    {"key-file", 0, "FILE", "unseal with a key file of `sherd keygen`"},
    {"key-store", 0, "FILE", "the PKCS#12 file of the protection key, if it lies in one: `sherd key protection`"},
    {"key-store-password-file", 0, "FILE", "read the key store's password from a file"},
    {"key-store-password-fd", 0, "N", "or from an open descriptor"},
    {"holder-identity", 0, "FILE", "open files of shares with a private key of age"},
    {"pkcs11-module", 0, "PATH", "library of the token to which shares are sealed"},
    {"pin-fd", 0, "N", "read PINs of tokens from an open descriptor, a line for each share"},
    {"user", 0, "NAME", "act as this user, who sees what was granted to it; else as the vault's owner"},
    {"user-key", 0, "FILE", "show that it is that user by a key of `sherd keygen --pair`"},
    {"user-passphrase-file", 0, "FILE", "or by its passphrase, read from a file"},
    [SHARE_FILE] = {"share-file", 0, "FILE", "unseal with shares, one file or more; - is standard input"},
    [PIN_FILE] = {"pin-file", 0, "FILE",
                  "read the PIN of a token from a file, one for each share that is sealed to one"},
    [PKCS11_TOKEN] = {"pkcs11-token", 0, "URI", "a token that may have its PIN though it shows no key before"},
    [FLAGS] = {"json", 0, NULL, "print results, and errors, as JSON"},
    {"quiet", 'q', NULL, "no progress, notes or warnings"},
    {"progress-json", 0, NULL, "show progress as JSON on standard error, a line a second"},
    {"help", 'h', NULL, "show this help"},
    {0},
};

#define OPTIONS_MAX 40

/* One table for getopt_long() made of two of ours. The value of each is its place in `from`, above all letters. */
struct option_set {
    const struct cli_option *from[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 3];
    int count;
};

#define VALUE_BASE 0x100

static void set_add(struct option_set *set, const struct cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (set->count == OPTIONS_MAX)
            sherd_bug("more than %d options", OPTIONS_MAX);
        set->from[set->count] = options;
        set->longs[set->count] = (struct option){
            .name = options->name,
            .has_arg = options->arg != NULL ? required_argument : no_argument,
            .val = VALUE_BASE + set->count,
        };
        set->count++;
        if (options->letter != 0) {
            const size_t len = strlen(set->letters);
            set->letters[len] = options->letter;
            set->letters[len + 1] = options->arg != NULL ? ':' : '\0';
        }
    }
}

static const struct cli_option *set_find(const struct option_set *set, int value)
{
    if (value >= VALUE_BASE)
        return set->from[value - VALUE_BASE];
    for (int i = 0; i < set->count; i++)
        if (set->from[i]->letter == value)
            return set->from[i];
    return NULL;
}

/* What stands behind a "=" may be a secret that someone hoped to pass that way: it is never repeated. */
static enum sherd_err refuse(const char *argument, int value)
{
    const size_t len = strcspn(argument, "=");

    if (strncmp(argument, "--passphrase", len) == 0 && len == strlen("--passphrase"))
        return sherd_fail(SHERD_ERR_INVALID,
                          "a passphrase is never taken from the command line, where others can see it: "
                          "use --passphrase-file, --passphrase-fd or the prompt");
    if (strncmp(argument, "--key-store-password", len) == 0 && len == strlen("--key-store-password"))
        return sherd_fail(SHERD_ERR_INVALID,
                          "a password is never taken from the command line, where others can see it: use "
                          "--key-store-password-file or --key-store-password-fd");
    if (len == strlen("--pin") && strncmp(argument, "--pin", len) == 0)
        return sherd_fail(SHERD_ERR_INVALID, "a PIN is never taken from the command line, where others can see it: use "
                                             "--pin-file, --pin-fd or the prompt");
    if (value == ':')
        return sherd_fail(SHERD_ERR_INVALID, "option %.*s needs an argument", (int)len, argument);
    return sherd_fail(SHERD_ERR_INVALID, "option %.*s is unknown, ambiguous or takes no argument", (int)len, argument);
}

enum sherd_err cli_check_no_share(const char *value)
{
    SHERD_ENSURE(strncasecmp(value, "sherd1", 6) != 0, SHERD_ERR_INVALID,
                 "a share is never taken from the command line, where others can see it: name a file, or -");
    return SHERD_OK;
}

static enum sherd_err take_share_file(struct cli *cli, const char *value)
{
    SHERD_TRY(cli_check_no_share(value));
    SHERD_ENSURE(cli->share_file_count < CLI_SHARE_FILES_MAX, SHERD_ERR_INVALID, "too many files of shares");
    cli->share_files[cli->share_file_count++] = value;
    return SHERD_OK;
}

static enum sherd_err take_pin_file(struct cli *cli, const char *value)
{
    SHERD_ENSURE(cli->pin_file_count < CLI_PIN_FILES_MAX, SHERD_ERR_INVALID, "too many files of PINs");
    cli->pin_files[cli->pin_file_count++] = value;
    return SHERD_OK;
}

static enum sherd_err take_token(struct cli *cli, const char *value)
{
    SHERD_ENSURE(cli->pkcs11_token_count < SHERD_COUNT_OF(cli->pkcs11_tokens), SHERD_ERR_INVALID,
                 "too many tokens are named");
    cli->pkcs11_tokens[cli->pkcs11_token_count++] = value;
    return SHERD_OK;
}

static bool take_global(struct cli *cli, const struct cli_option *option, const char *value)
{
    const char **const texts[] = {&cli->vault,
                                  &cli->passphrase_file,
                                  &cli->passphrase_fd,
                                  &cli->key_file,
                                  &cli->key_store,
                                  &cli->key_store_password_file,
                                  &cli->key_store_password_fd,
                                  &cli->share_identity,
                                  &cli->pkcs11_module,
                                  &cli->pin_fd,
                                  &cli->user,
                                  &cli->user_key,
                                  &cli->user_passphrase_file};
    bool *const flags[] = {&cli->json, &cli->quiet, &cli->progress_json, &cli->help};

    _Static_assert(SHERD_COUNT_OF(texts) == SHARE_FILE, "each text has its place in the table");
    _Static_assert(FLAGS + SHERD_COUNT_OF(flags) + 1 == SHERD_COUNT_OF(cli_global_options), "and so has each flag");
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++)
        if (option == &cli_global_options[i])
            *texts[i] = value;
    for (size_t i = 0; i < SHERD_COUNT_OF(flags); i++)
        if (option == &cli_global_options[FLAGS + i])
            *flags[i] = true;
    return option >= cli_global_options && option < cli_global_options + SHERD_COUNT_OF(cli_global_options);
}

static enum sherd_err take(struct cli *cli, const struct cli_option *option, const char *value)
{
    if (option == &cli_global_options[SHARE_FILE])
        return take_share_file(cli, value);
    if (option == &cli_global_options[PIN_FILE])
        return take_pin_file(cli, value);
    if (option == &cli_global_options[PKCS11_TOKEN])
        return take_token(cli, value);
    if (take_global(cli, option, value))
        return SHERD_OK;
    SHERD_ENSURE(cli->given_count < CLI_GIVEN_MAX, SHERD_ERR_INVALID, "too many options");
    cli->given[cli->given_count++] = (struct cli_given){option, value};
    return SHERD_OK;
}

/* Parses options up to the end, or to the first operand where in_order; *out_rest is the index of the first operand. */
static enum sherd_err parse_options(struct cli *cli, const struct cli_option *own, bool in_order, int argc, char **argv,
                                    int *out_rest)
{
    struct option_set set = {.letters = ":"};
    int value = 0;

    if (in_order)
        memcpy(set.letters, "+:", sizeof("+:"));
    set_add(&set, own);
    set_add(&set, cli_global_options);
    opterr = 0;
    optind = 0; /* glibc: start over */
    while ((value = getopt_long(argc, argv, set.letters, set.longs, NULL)) != -1) {
        const struct cli_option *option = NULL;
        if (value == '?' || value == ':') {
            const char letter[] = {'-', (char)optopt, '\0'};
            return refuse(optopt > 0 && optopt < VALUE_BASE ? letter : argv[optind - 1], value);
        }
        option = set_find(&set, value);
        if (option->arg != NULL && optarg[0] == '\0') /* mostly a variable that is not set, and never meant */
            return sherd_fail(SHERD_ERR_INVALID, "option --%s: its value is empty", option->name);
        SHERD_TRY(take(cli, option, optarg != NULL ? optarg : ""));
    }
    *out_rest = optind;
    return SHERD_OK;
}

/* `sherd --version` is what people try first; behind a command, --version is an option of the command's own. */
static const struct cli_option before_command[] = {
    {"version", 0, NULL, "print the version"},
    {0},
};

static enum sherd_err parse_command(struct cli *cli, int argc, char **argv)
{
    int rest = 0;

    cli->command = cli_command_find(argv[0]);
    if (cli->command == NULL)
        return sherd_fail(SHERD_ERR_INVALID, "no command '%.40s'", argv[0]);
    SHERD_TRY(parse_options(cli, cli->command->options, false, argc, argv, &rest));
    cli->operands = argv + rest;
    cli->operand_count = argc - rest;
    if (cli->help)
        return SHERD_OK;
    if (cli->operand_count < cli->command->operand_min)
        return sherd_fail(SHERD_ERR_INVALID, "an operand is missing: sherd %s %s", cli->command->name,
                          cli->command->operands);
    if (cli->command->operand_max >= 0 && cli->operand_count > cli->command->operand_max)
        return sherd_fail(SHERD_ERR_INVALID, "too many operands: sherd %s %s", cli->command->name,
                          cli->command->operands);
    return SHERD_OK;
}

enum sherd_err cli_parse(struct cli *cli, int argc, char **argv)
{
    int rest = 0;

    cli->vault = getenv("SHERD_VAULT");
    if (cli->vault != NULL && *cli->vault == '\0')
        cli->vault = NULL;
    SHERD_TRY(parse_options(cli, before_command, true, argc, argv, &rest));
    if (cli->given_count > 0)
        cli->command = cli_command_find("version");
    else if (rest < argc)
        SHERD_TRY(parse_command(cli, argc - rest, argv + rest));
    else if (!cli->help)
        return sherd_fail(SHERD_ERR_INVALID, "no command");
    return SHERD_OK;
}

const char *cli_value(const struct cli *cli, int option)
{
    for (size_t i = cli->given_count; i > 0; i--)
        if (cli->given[i - 1].option == &cli->command->options[option])
            return cli->given[i - 1].value;
    return NULL;
}

enum sherd_err cli_vault_path(const struct cli *cli, const char **out_path)
{
    SHERD_ENSURE(cli->vault != NULL && *cli->vault != '\0', SHERD_ERR_INVALID,
                 "no vault named: give --vault DIR or set SHERD_VAULT");
    *out_path = cli->vault;
    return SHERD_OK;
}

enum sherd_err cli_value_number(const struct cli *cli, int option, uint64_t min, uint64_t max, uint64_t fallback,
                                uint64_t *out_number)
{
    const char *text = cli_value(cli, option);

    if (text == NULL)
        *out_number = fallback;
    else if (!cli_parse_number(text, min, max, out_number))
        return sherd_fail(SHERD_ERR_INVALID, "--%s: not a number of %" PRIu64 " to %" PRIu64,
                          cli->command->options[option].name, min, max);
    return SHERD_OK;
}

enum sherd_err cli_operand_uuid(const struct cli *cli, int index, struct sherd_uuid *out_id)
{
    if (sherd_uuid_parse(cli->operands[index], out_id) != SHERD_OK)
        return sherd_fail(SHERD_ERR_INVALID, "'%.40s' is no record's UUID", cli->operands[index]);
    return SHERD_OK;
}
