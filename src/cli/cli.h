/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/cli.h
 * What the commands of the program share: the parsed command line, how failures are told, how results are printed.
 *
 * A command is an entry of a table (struct cli_command) and one file, cmd_<name>.c. Its run function returns a code of
 * <sherd/err.h> with the detail set where the failure arose; main() tells it in one line and turns it into the exit
 * code.
 * Results go to stdout, everything else to stderr.
 */
#ifndef SHERD_CLI_CLI_H
#define SHERD_CLI_CLI_H

#include "base/macros.h"
#include <sherd/sherd.h>

/** Exit codes, as the manual states them. */
enum cli_exit {
    CLI_EXIT_OK = 0,
    CLI_EXIT_FAILURE = 1,
    CLI_EXIT_USAGE = 2,
    CLI_EXIT_TAMPERED = 3,
    CLI_EXIT_NOT_FOUND = 4,
    CLI_EXIT_DENIED = 5,
    CLI_EXIT_CONFLICT = 6,
    CLI_EXIT_BUSY = 7,
    CLI_EXIT_UNSUPPORTED = 8,
};

/** Blocks that contents pass through: secret memory, and long enough that the library works on several threads. */
#define CLI_BLOCK_BYTES ((size_t)1 << 20)

/** An option; a table of them ends with an entry without a name. */
struct cli_option {
    const char *name; /**< without the dashes */
    char letter;      /**< 0 for none */
    const char *arg;  /**< what help calls the argument; NULL if it takes none */
    const char *help;
};

/** Most options on one command line. */
#define CLI_GIVEN_MAX 160U

/** An option that was given. */
struct cli_given {
    const struct cli_option *option;
    const char *value; /**< "" where it takes no argument */
};

/** Most files of shares on one command line. */
#define CLI_SHARE_FILES_MAX SHERD_SHARES_MAX

/** Most files of PINs. */
#define CLI_PIN_FILES_MAX 16U

struct cli;

struct cli_command {
    const char *name;
    const char *operands; /**< as the usage line shows them */
    const char *summary;  /**< one line, lower case */
    const char *notes;    /**< shown below the options by help; NULL for none */
    const struct cli_option *options;
    int operand_min;
    int operand_max; /**< -1: any number */
    enum sherd_err (*run)(struct cli *cli);
};

/** The command line, parsed. Everything is borrowed from argv and the environment. */
struct cli {
    const char *vault; /**< NULL if none was named */
    const char *passphrase_file;
    const char *passphrase_fd;
    const char *key_file;
    const char *key_store;
    const char *key_store_password_file;
    const char *key_store_password_fd;
    const char *user; /**< NULL for the vault's owner */
    const char *user_key;
    const char *user_passphrase_file;
    const char *share_identity;                   /**< opens files of shares that are sealed to their holders */
    const char *share_files[CLI_SHARE_FILES_MAX]; /**< share_file_count of them; "-" is standard input */
    size_t share_file_count;
    const char *pkcs11_module;                    /**< library of tokens */
    const char *pkcs11_tokens[CLI_PIN_FILES_MAX]; /**< pkcs11_token_count of them: those that may have a PIN unseen */
    size_t pkcs11_token_count;
    const char
        *pin_files[CLI_PIN_FILES_MAX]; /**< pin_file_count of them, for shares sealed to tokens, in their order */
    size_t pin_file_count;
    const char *pin_fd;
    bool json;
    bool quiet;
    bool progress_json;
    bool help;
    const struct cli_command *command;
    struct cli_given given[CLI_GIVEN_MAX]; /**< options of the command, in order */
    size_t given_count;
    char **operands;
    int operand_count;
    bool silent; /**< the failure needs no words: the reader of our output is gone */
};

/* ---- Table and command line: main.c, args.c --------------------------------------------------------------------- */

/** All commands, in the order of help; the last has no name. */
extern const struct cli_command *const cli_commands[];

/** The options that stand before or after every command. */
extern const struct cli_option cli_global_options[];

/** The command of a name, or NULL. */
const struct cli_command *cli_command_find(const char *name);

/**
 * Parse a command line.
 * @return SHERD_OK; SHERD_ERR_INVALID: the detail says what is wrong and never quotes an argument's value
 */
SHERD_MUST_USE enum sherd_err cli_parse(struct cli *cli, int argc, char **argv);

/** Refuse a share where the name of a file should be, without repeating it. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err cli_check_no_share(const char *value);

/** The last value given for an option of the command, by its index in the command's table; NULL if it was not given. */
const char *cli_value(const struct cli *cli, int option);

/** The vault's directory. @return SHERD_OK; SHERD_ERR_INVALID: none was named */
SHERD_MUST_USE enum sherd_err cli_vault_path(const struct cli *cli, const char **out_path);

/** The value of an option as a number; fallback if it was not given. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err cli_value_number(const struct cli *cli, int option, uint64_t min, uint64_t max,
                                               uint64_t fallback, uint64_t *out_number);

/** An operand as a UUID. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err cli_operand_uuid(const struct cli *cli, int index, struct sherd_uuid *out_id);

/* ---- Opening the vault: unseal.c -------------------------------------------------------------------------------- */

/** What unseals, in secret memory. Start it all zero. */
struct cli_unseal {
    struct sherd_unseal unseal; /**< borrows from block */
    uint8_t *block;
};

/**
 * Read the passphrase or key file that the options name, or ask for a passphrase on the terminal.
 * @param[in]  fresh       a new passphrase: asked twice
 * @param[out] out_unseal  end with cli_unseal_done(), also after a failure
 * @return SHERD_OK; SHERD_ERR_INVALID (options, or no terminal to ask on); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_unseal_read(const struct cli *cli, bool fresh, struct cli_unseal *out_unseal);

/** Read a short secret, such as a passphrase, without the newline at its end. @return as cli_unseal_read() */
SHERD_MUST_USE enum sherd_err cli_secret_file_read(const struct cli *cli, const char *path, const char *what,
                                                   uint8_t *block, size_t *out_len);

/** Room for what cli_secret_file_read() and cli_passphrase_read() read. */
#define CLI_SECRET_BYTES ((size_t)SHERD_PASSPHRASE_BYTES_MAX + 2)

/** The passphrase of --passphrase-file or --passphrase-fd, or asked for with a prompt. @return as cli_unseal_read() */
SHERD_MUST_USE enum sherd_err cli_passphrase_read(const struct cli *cli, const char *prompt, uint8_t *block,
                                                  size_t *out_len);

/** The key store's password, of --key-store-password-file or --key-store-password-fd. @return as cli_unseal_read() */
SHERD_MUST_USE enum sherd_err cli_key_store_password_read(const struct cli *cli, uint8_t *block, size_t *out_len);

/**
 * Ask for one line on a terminal, without echo.
 * @param[in]  tty        the terminal, open
 * @param[out] block      CLI_SECRET_BYTES of secret memory
 * @param[out] out_len    without the newline
 */
SHERD_MUST_USE enum sherd_err cli_ask(int tty, const char *prompt, uint8_t *block, size_t *out_len);

/**
 * Read the passphrase of a new user, of a file or as asked twice on the terminal. user.c
 * @param[in]  path            NULL: ask
 * @param[out] block           2 * CLI_SECRET_BYTES of secret memory
 * @param[out] out_passphrase  borrows from block
 * @return as cli_unseal_read()
 */
SHERD_MUST_USE enum sherd_err cli_user_passphrase_read(const struct cli *cli, const char *path, uint8_t *block,
                                                       struct sherd_span *out_passphrase);

/** That no user is named, where that makes no sense. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err cli_user_none(const struct cli *cli);

/**
 * What shows that it is the user of the command line, for opening the vault; nothing for its owner. user.c
 * @param[out] block    CLI_SECRET_BYTES of secret memory; options borrow from it
 * @return as cli_unseal_read()
 */
SHERD_MUST_USE enum sherd_err cli_user_read(const struct cli *cli, uint8_t *block,
                                            struct sherd_vault_open_options *options);

/** Wipe and give back. */
void cli_unseal_done(struct cli_unseal *unseal);

/** Whether an option says what unseals. */
bool cli_unseal_given(const struct cli *cli);

/**
 * Whether there is a vault, whose directory no other user writes: said before anybody is asked for a passphrase.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_DENIED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err cli_vault_check(const char *path);

/**
 * Open the vault of the command line: through its agent, if one runs that has it unsealed and no option says what
 * unseals; else as cli_vault_unseal(). @return as sherd_vault_open() and cli_unseal_read()
 */
SHERD_MUST_USE enum sherd_err cli_vault_open(const struct cli *cli, bool read_only, struct sherd_vault **out_vault);
/**
 * The same, to give contents out: nothing is changed but that the anchor notes each key that it gives out, which needs
 * a vault that can be written where no agent does it.
 */
SHERD_MUST_USE enum sherd_err cli_vault_open_to_give(const struct cli *cli, struct sherd_vault **out_vault);

/** Unseal and open it in this process, whatever agent runs: for what only who can unseal may do, as changing seals. */
SHERD_MUST_USE enum sherd_err cli_vault_unseal(const struct cli *cli, bool read_only, struct sherd_vault **out_vault);

/** The same, where its anchor may be behind what is known outside: a new ledger begins. */
SHERD_MUST_USE enum sherd_err cli_vault_accept(const struct cli *cli, struct sherd_vault **out_vault);

/** Whether a vault is in FIPS mode. @return as sherd_vault_info() */
SHERD_MUST_USE enum sherd_err cli_vault_fips(struct sherd_vault *vault, bool *out_fips);

/** What the seals of the vault of the command line say of that, before it is unsealed; false where none is named. */
bool cli_seals_fips(const struct cli *cli);

/**
 * Read the private keys of a file, "-" for standard input.
 * @param[in]  path          NULL for none, which gives no identity
 * @param[out] out_identity  end with sherd_identity_free()
 * @return as sherd_identity_parse(); SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err cli_identity_read(const struct cli *cli, const char *path,
                                                struct sherd_identity **out_identity);

/** Whether a file, which need not exist, lies in a vault: its directory or one above holds sherd.vault. */
bool cli_inside_vault(const char *path);

/* Cleanups for SHERD_CLEANUP. */
static inline void cli_vault_closep(struct sherd_vault **vault)
{
    sherd_vault_close(*vault);
}

static inline void cli_writer_abortp(struct sherd_writer **writer)
{
    sherd_writer_abort(*writer);
}

static inline void cli_reader_closep(struct sherd_reader **reader)
{
    sherd_reader_close(*reader);
}

static inline void cli_identity_freep(struct sherd_identity **identity)
{
    sherd_identity_free(*identity);
}

static inline void cli_info_freep(struct sherd_record_info **info)
{
    sherd_record_info_free(*info);
}

/* ---- Telling: report.c ------------------------------------------------------------------------------------------ */

/** The exit code of an error code. */
enum cli_exit cli_exit_of(enum sherd_err err);

/** Tell a failure on stderr, in one line or as a JSON object: "sherd: <what>: <detail>". */
void cli_report(const struct cli *cli, enum sherd_err err, const char *what);

/**
 * As cli_report() of the last detail, about a file, record or path in a longer piece of work. Control bytes are
 * escaped.
 */
void cli_report_item(const struct cli *cli, enum sherd_err err, struct sherd_span item);

/** Tell something worth knowing on stderr, unless --quiet. */
void cli_warn(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Print to stdout. A failure is kept and told by cli_flush(). */
void cli_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Print bytes that others chose to stdout, so that they cannot end the line or steer a terminal. */
void cli_print_escaped(struct sherd_span bytes);

/** Bring what was printed to its reader. @return SHERD_OK; SHERD_ERR_IO, cli->silent set where the reader has gone */
SHERD_MUST_USE enum sherd_err cli_flush(struct cli *cli);

/** Print the whole help text, or that of one command. */
void cli_help(const struct cli_command *command);

/* ---- Signals: signals.c ----------------------------------------------------------------------------------------- */

/** First thing in main(): no core dumps, no debuggers of the same user, descriptors 0 to 2 open. */
void cli_harden(void);

/**
 * Handle signals. SIGINT, SIGTERM and SIGHUP remove the temporary file and restore the terminal, then end the program
 * as they
 * would have. A fault in memory that is mapped from a damaged file ends it with one line and CLI_EXIT_TAMPERED.
 */
void cli_signals_install(bool json);

/**
 * From here on the first SIGINT, SIGTERM or SIGHUP is only noted, so that the work can end in order; a second one
 * ends it.
 */
void cli_signals_defer(void);

/** The signal that was noted, or 0. */
int cli_signal_caught(void);

/** End the program by the signal that was noted, if there is one. */
void cli_signal_raise(void);

/** Name the temporary file to remove if the program ends early; NULL for none any more. */
void cli_signals_temp(int dir_fd, const char *name);

/** Whether the terminal's echo is off and must be restored if the program ends early. */
struct termios;
void cli_signals_echo(int tty_fd, const struct termios *restore);

/* ---- Progress: progress.c --------------------------------------------------------------------------------------- */

/** Begin to show progress on stderr, if it is a terminal or --progress-json was given, and --quiet was not. */
void cli_progress_begin(const struct cli *cli, const char *label);

/**
 * What is done of the total so far, in bytes or whatever is counted; total 0 if unknown. Draws at most five times a
 * second; as JSON, a line a second.
 */
void cli_progress_update(uint64_t done, uint64_t total);

/** Remove the line from the terminal, as before other output; the next update draws it again. */
void cli_progress_clear(void);

/** End it. @return seconds since the beginning */
double cli_progress_end(void);

#endif
