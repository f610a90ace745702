/* SPDX-License-Identifier: Apache-2.0 */
/* Shares on their way out, to their holders: see shares.h. */
#include "anchor/seal/share_seal.h"
#include "base/mem.h"
#include "cli/io.h"
#include "cli/shares.h"
#include "cli/text.h"
#include "cli/tokens.h"
#include "crypto/approved.h"
#include "envelope/age.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_NAME_SIZE 96

/* Whose share is sealed to a token, and to which. */
struct cli_shares_token {
    const struct cli_given *given;
    struct cli_token_to to;
};

/* ---- What is asked for ------------------------------------------------------------------------------------------- */

static enum sherd_err parse_count(const struct cli *cli, int option, unsigned min, unsigned *out_count)
{
    uint64_t number = 0;

    SHERD_TRY(cli_value_number(cli, option, min, SHERD_SHARES_MAX, 0, &number));
    *out_count = (unsigned)number;
    return SHERD_OK;
}

static enum sherd_err parse_numbers(const struct cli *cli, struct cli_shares_out *out)
{
    const bool shares = cli_value(cli, CLI_OPT_SHARES) != NULL;
    const bool parts = cli_value(cli, CLI_OPT_PARTS) != NULL;
    const bool threshold = cli_value(cli, CLI_OPT_THRESHOLD) != NULL;
    struct sherd_shares_options *options = &out->options;

    SHERD_ENSURE(!shares || !parts, SHERD_ERR_INVALID, "--shares and --parts are two ways: give one of them");
    out->wanted = shares || parts;
    options->parts = parts;
    options->copies = cli_value(cli, CLI_OPT_COPIES) != NULL;
    SHERD_ENSURE(shares || (!options->copies && !threshold), SHERD_ERR_INVALID,
                 "--threshold and --copies go with --shares N");
    SHERD_ENSURE(!shares || threshold != options->copies, SHERD_ERR_INVALID,
                 "--shares: how many open? Give --threshold K, or --copies where each shall open alone");
    SHERD_TRY(parse_count(cli, parts ? CLI_OPT_PARTS : CLI_OPT_SHARES, parts ? 2 : 1, &options->count));
    return parse_count(cli, CLI_OPT_THRESHOLD, 0, &options->threshold);
}

/* "anna,bert" in place. */
static enum sherd_err parse_holders(const struct cli *cli, struct cli_shares_out *out)
{
    const char *list = cli_value(cli, CLI_OPT_HOLDERS);
    unsigned count = 0;

    if (list == NULL)
        return SHERD_OK;
    SHERD_ENSURE(out->wanted, SHERD_ERR_INVALID, "--holders goes with --shares or --parts");
    out->names = sherd_strdup(list);
    if (out->names == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (char *name = out->names; name != NULL; count++) {
        char *comma = strchr(name, ',');

        if (comma != NULL)
            *comma = 0;
        SHERD_ENSURE(name[0] != 0, SHERD_ERR_INVALID, "--holders: a name is empty");
        if (count < SHERD_SHARES_MAX)
            out->holders[count] = name;
        name = comma != NULL ? comma + 1 : NULL;
    }
    if (count != out->options.count)
        return sherd_fail(SHERD_ERR_INVALID, "--holders names %u, and there are %u shares", count, out->options.count);
    out->options.holders = out->holders;
    return SHERD_OK;
}

enum sherd_err cli_shares_out_parse(const struct cli *cli, bool again, struct cli_shares_out *out)
{
    out->cli = cli;
    out->dir_fd = -1;
    SHERD_TRY(parse_numbers(cli, out));
    SHERD_TRY(parse_holders(cli, out));
    SHERD_ENSURE(again || out->wanted ||
                     (cli_value(cli, CLI_OPT_SHARES_OUT) == NULL && cli_value(cli, CLI_OPT_SHARE_RECIPIENT) == NULL &&
                      cli_value(cli, CLI_OPT_SHARE_PASSPHRASE) == NULL && cli_value(cli, CLI_OPT_SHARE_TOKEN) == NULL),
                 SHERD_ERR_INVALID, "options of shares go with --shares or --parts");
    return out->wanted ? sherd_shares_options_check(&out->options) : SHERD_OK;
}

enum sherd_err cli_shares_out_same(const struct sherd_seal_info *seal, struct cli_shares_out *out)
{
    const size_t size = seal->count * (size_t)(SHERD_HOLDER_BYTES_MAX + 1);

    sherd_free(out->names);
    out->names = sherd_alloc(size);
    if (out->names == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (unsigned i = 0; i < seal->count; i++) {
        char *name = out->names + i * (size_t)(SHERD_HOLDER_BYTES_MAX + 1);

        (void)snprintf(name, SHERD_HOLDER_BYTES_MAX + 1, "%s", seal->holders[i]);
        out->holders[i] = name;
    }
    out->options = (struct sherd_shares_options){.count = seal->count,
                                                 .threshold = seal->threshold,
                                                 .parts = seal->kind == SHERD_SEAL_PARTS,
                                                 .copies = seal->kind == SHERD_SEAL_SHARES && seal->threshold == 1,
                                                 .holders = out->holders};
    return SHERD_OK;
}

/* ---- To whom it is sealed ---------------------------------------------------------------------------------------- */

/* The value of HOLDER=VALUE if it is about this holder. */
static const char *value_for(const struct cli_given *given, const char *holder)
{
    const size_t len = strlen(holder);

    if (len == 0 || strncmp(given->value, holder, len) != 0 || given->value[len] != '=')
        return NULL;
    return given->value + len + 1;
}

static bool is_option(const struct cli *cli, const struct cli_given *given, int option)
{
    return given->option == &cli->command->options[option];
}

/* Whether an option says how a holder's share is sealed. */
static bool seals(const struct cli *cli, const struct cli_given *given)
{
    return is_option(cli, given, CLI_OPT_SHARE_RECIPIENT) || is_option(cli, given, CLI_OPT_SHARE_PASSPHRASE) ||
           is_option(cli, given, CLI_OPT_SHARE_TOKEN);
}

static bool is_known(const struct cli_shares_out *out, const struct cli_given *given)
{
    for (unsigned i = 0; out->options.holders != NULL && i < out->options.count; i++)
        if (value_for(given, out->options.holders[i]) != NULL)
            return true;
    return false;
}

static enum sherd_err check_recipient(const struct cli_shares_out *out, const struct cli_given *given)
{
    const char *equals = strchr(given->value, '=');
    struct sherd_age_recipient recipient;

    if (equals == NULL || !is_known(out, given))
        return sherd_fail(SHERD_ERR_INVALID, "--%s: write HOLDER=..., with a name of --holders", given->option->name);
    for (size_t i = 0; &out->cli->given[i] < given; i++) {
        const struct cli_given *before = &out->cli->given[i];

        SHERD_ENSURE(!seals(out->cli, before) ||
                         strncmp(before->value, given->value, (size_t)(equals - given->value) + 1) != 0,
                     SHERD_ERR_INVALID, "a holder's share is sealed in one way: a holder is named twice");
    }
    if (!is_option(out->cli, given, CLI_OPT_SHARE_RECIPIENT))
        return SHERD_OK;
    SHERD_TRY(sherd_approved_check(out->fips, SHERD_ALGORITHM_AGE));
    SHERD_ENSURE(sherd_age_recipient_parse(sherd_span_str(equals + 1), &recipient) == SHERD_OK, SHERD_ERR_INVALID,
                 "--share-recipient: this is no public key of age (age1...)");
    return SHERD_OK;
}

/* As a text of our own in FIPS mode, and else as a file of age, in its armor. */
static enum sherd_err seal_by_passphrase(bool fips, struct sherd_span passphrase, struct sherd_span plain,
                                         struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};

    if (fips)
        return sherd_share_seal(passphrase, plain, out_text);
    SHERD_TRY(sherd_age_seal_passphrase(passphrase, 0, plain, &file));
    return sherd_age_armor(sherd_buf_span(&file), out_text);
}

static enum sherd_err seal_to(const struct cli_shares_out *out, const struct cli_given *given, const char *value,
                              struct sherd_span plain, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(cli_secret_freep) uint8_t *passphrase = sherd_secret_alloc(CLI_SECRET_BYTES);
    struct sherd_age_recipient recipient;
    size_t len = 0;

    if (passphrase == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (is_option(out->cli, given, CLI_OPT_SHARE_RECIPIENT)) {
        SHERD_TRY(sherd_age_recipient_parse(sherd_span_str(value), &recipient));
        SHERD_TRY(sherd_age_seal(&recipient, 1, plain, &file));
        return sherd_age_armor(sherd_buf_span(&file), out_text);
    }
    SHERD_TRY(cli_secret_file_read(out->cli, value, "passphrase file", passphrase, &len));
    return seal_by_passphrase(out->fips, sherd_span_of(passphrase, len), plain, out_text);
}

/* Look the keys of tokens up, once, and before any share is made. */
static enum sherd_err find_tokens(struct cli_shares_out *out)
{
    size_t count = 0;

    for (size_t i = 0; i < out->cli->given_count; i++)
        count += is_option(out->cli, &out->cli->given[i], CLI_OPT_SHARE_TOKEN) ? 1 : 0;
    if (count == 0)
        return SHERD_OK;
    out->tokens = sherd_alloc_array(count, sizeof(*out->tokens));
    if (out->tokens == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < out->cli->given_count; i++) {
        const struct cli_given *given = &out->cli->given[i];

        if (!is_option(out->cli, given, CLI_OPT_SHARE_TOKEN))
            continue;
        struct cli_shares_token *token = &out->tokens[out->token_count];
        SHERD_TRY(cli_token_find(out->cli, strchr(given->value, '=') + 1, &token->to));
        SHERD_TRY(sherd_approved_check(out->fips, sherd_algorithm_of_pubkey(token->to.key.kind)));
        token->given = given;
        out->token_count++;
    }
    return SHERD_OK;
}

static enum sherd_err seal_to_token(const struct cli_shares_out *out, const struct cli_given *given,
                                    const struct sherd_share_given *share, struct sherd_buf *out_text)
{
    for (size_t i = 0; i < out->token_count; i++)
        if (out->tokens[i].given == given)
            return cli_token_seal(&out->tokens[i].to, share, out_text);
    sherd_bug("the token of a share was not looked up");
}

/* How the name of a sealed file ends. */
static const char *ending_of(const struct cli_shares_out *out, const struct cli_given *given)
{
    if (is_option(out->cli, given, CLI_OPT_SHARE_TOKEN))
        return "token";
    return out->fips ? "sealed" : "age";
}

/*
 * The text as it goes out: sealed, if that was asked for its holder, and the ending of its file's name. Else out_text
 * stays empty.
 */
static enum sherd_err seal_for(const struct cli_shares_out *out, const struct sherd_share_given *share,
                               struct sherd_span plain, struct sherd_buf *out_text, const char **out_ending)
{
    *out_ending = "txt";
    for (size_t i = 0; i < out->cli->given_count; i++) {
        const struct cli_given *given = &out->cli->given[i];
        const char *value = value_for(given, share->holder);

        if (value == NULL || !seals(out->cli, given))
            continue;
        *out_ending = ending_of(out, given);
        return is_option(out->cli, given, CLI_OPT_SHARE_TOKEN) ? seal_to_token(out, given, share, out_text)
                                                               : seal_to(out, given, value, plain, out_text);
    }
    return SHERD_OK;
}

/* ---- Where it goes ----------------------------------------------------------------------------------------------- */

static enum sherd_err begin_dir(struct cli_shares_out *out)
{
    char inside[PATH_MAX];

    SHERD_ENSURE(snprintf(inside, sizeof(inside), "%s/x", out->dir) < (int)sizeof(inside), SHERD_ERR_INVALID,
                 "--shares-out: the name is too long");
    out->dir_made = mkdir(out->dir, 0700) == 0;
    if (!out->dir_made && errno != EEXIST)
        return sherd_fail_errno(SHERD_ERR_IO, "--shares-out: %.120s cannot be made", out->dir);
    SHERD_ENSURE(!cli_inside_vault(inside), SHERD_ERR_INVALID,
                 "--shares-out lies inside a vault: keep shares elsewhere, a thief of one should not get both");
    out->dir_fd = open(out->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->dir_fd < 0)
        return sherd_fail_errno(errno == ENOTDIR ? SHERD_ERR_INVALID : SHERD_ERR_IO, "--shares-out: %.120s", out->dir);
    out->files = sherd_alloc_array(SHERD_SHARES_MAX, FILE_NAME_SIZE);
    return out->files != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
}

enum sherd_err cli_shares_out_begin(struct cli_shares_out *out)
{
    const char *dir = cli_value(out->cli, CLI_OPT_SHARES_OUT);

    for (size_t i = 0; i < out->cli->given_count; i++)
        if (seals(out->cli, &out->cli->given[i]))
            SHERD_TRY(check_recipient(out, &out->cli->given[i]));
    out->print = dir != NULL ? strcmp(dir, "-") == 0 : isatty(STDOUT_FILENO);
    SHERD_ENSURE(dir != NULL || out->print, SHERD_ERR_INVALID,
                 "where do the shares go? Give --shares-out DIR, or - to print them");
    SHERD_ENSURE(!out->print || !out->cli->json, SHERD_ERR_INVALID,
                 "shares are not printed as JSON: give --shares-out DIR");
    SHERD_TRY(find_tokens(out));
    if (out->print)
        return SHERD_OK;
    SHERD_ENSURE(dir != NULL && *dir != 0, SHERD_ERR_INVALID, "--shares-out: the name of a directory is missing");
    out->dir = dir;
    return begin_dir(out);
}

static enum sherd_err write_share(int dir_fd, const char *dir, const char *name, struct sherd_span text)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = openat(dir_fd, name,
                                                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    enum sherd_err err = SHERD_OK;

    if (fd < 0 && errno == EEXIST)
        return sherd_fail(SHERD_ERR_CONFLICT, "%.120s/%s is there already: a share is never overwritten", dir, name);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%.120s/%s", dir, name);
    err = cli_write_full(fd, name, text.data, text.len);
    if (err == SHERD_OK && fsync(fd) != 0)
        err = sherd_fail_errno(SHERD_ERR_IO, "%.120s/%s", dir, name);
    if (err != SHERD_OK)
        (void)unlinkat(dir_fd, name, 0); /* ours: O_EXCL made it */
    return err;
}

/* The file of one share. The directory is made durable after the last one. */
static enum sherd_err put_file(struct cli_shares_out *out, const struct sherd_share_given *share,
                               struct sherd_span text, const char *ending)
{
    char *name = out->files[out->written];

    (void)snprintf(name, FILE_NAME_SIZE, "share-%u%s%s.%s", share->index, share->holder[0] != 0 ? "-" : "",
                   share->holder, ending);
    SHERD_TRY(write_share(out->dir_fd, out->dir, name, text));
    out->written++;
    if (share->index == share->count && fsync(out->dir_fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%.120s", out->dir);
    return SHERD_OK;
}

/* What a person reads above the three lines. */
static enum sherd_err begin_text(const struct sherd_share_given *share, struct sherd_buf *out_text)
{
    char set[2 * sizeof(share->set_id) + 1];
    char line[256];

    cli_format_hex(sherd_span_of(share->set_id, sizeof(share->set_id)), set);
    (void)snprintf(line, sizeof(line),
                   "# share %u of %u%s%s; %u open the vault; set %s, generation %u. A secret: keep it to yourself.\n",
                   share->index, share->count, share->holder[0] != 0 ? ", for " : "", share->holder, share->threshold,
                   set, share->generation);
    SHERD_TRY(sherd_buf_append(out_text, sherd_span_str(line)));
    return sherd_buf_append(out_text, share->text);
}

enum sherd_err cli_shares_give(void *arg, const struct sherd_share_given *share)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(1024);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    struct cli_shares_out *out = arg;
    const char *ending = NULL;
    struct sherd_buf plain;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    plain = sherd_buf_borrow(block, 1024);
    SHERD_TRY(begin_text(share, &plain));
    SHERD_TRY(seal_for(out, share, sherd_buf_span(&plain), &sealed, &ending));
    const struct sherd_span text = sherd_buf_span(sealed.len > 0 ? &sealed : &plain);
    if (!out->print)
        return put_file(out, share, text, ending);
    SHERD_TRY(cli_write_full(STDOUT_FILENO, "standard output", text.data, text.len));
    return cli_write_full(STDOUT_FILENO, "standard output", "\n", 1);
}

void cli_shares_out_undo(struct cli_shares_out *out)
{
    for (size_t i = 0; i < out->written; i++)
        (void)unlinkat(out->dir_fd, out->files[i], 0);
    out->written = 0;
    if (out->dir_made)
        (void)rmdir(out->dir);
}

void cli_shares_out_tell(const struct cli_shares_out *out)
{
    if (out->cli->quiet || out->print)
        return;
    for (size_t i = 0; i < out->written; i++) {
        cli_print("wrote ");
        cli_print_escaped(sherd_span_str(out->dir));
        cli_print("/%s\n", out->files[i]);
    }
    cli_print("bring each share to its holder, and remove the file here\n");
}

void cli_shares_out_done(struct cli_shares_out *out)
{
    if (out->cli != NULL && out->dir_fd >= 0)
        (void)close(out->dir_fd);
    sherd_free(out->files);
    sherd_free(out->tokens);
    sherd_free(out->names);
    *out = (struct cli_shares_out){.dir_fd = -1};
}
