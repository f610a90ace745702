/* SPDX-License-Identifier: Apache-2.0 */
/* sherd keygen: write a new key file, or the key pair of a recipient. */
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

enum { OPT_PAIR, OPT_RECIPIENT, OPT_PQ, OPT_OUTPUT, OPT_P256 };

static const struct cli_option options[] = {
    [OPT_PAIR] = {"pair", 0, NULL, "write the key pair of a user: FILE and FILE.pub"},
    [OPT_RECIPIENT] = {"recipient", 0, NULL,
                       "a key pair for `put --to`: the private key to FILE, the public one is shown"},
    [OPT_PQ] = {"pq", 0, NULL, "with --recipient: safe against quantum computers too (OpenSSL 3.5 or later)"},
    [OPT_OUTPUT] = {"output", 'o', "FILE", "the same as FILE"},
    [OPT_P256] = {"p256", 0, NULL, "with --recipient: of P-256, the kind for a vault in FIPS mode"},
    {0},
};

/* Room for either kind of file. */
#define TEXT_BYTES ((size_t)SHERD_IDENTITY_TEXT_BYTES_MAX)
_Static_assert(SHERD_KEY_FILE_TEXT_BYTES <= TEXT_BYTES, "a key file is the shorter one");

static enum sherd_err create_file(const char *path, struct sherd_span text)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                                          0600);
    enum sherd_err err = SHERD_OK;

    if (fd < 0 && errno == EEXIST)
        return sherd_fail(SHERD_ERR_CONFLICT, "%.160s is there already: a key file is never overwritten", path);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%.160s", path);
    err = cli_write_full(fd, path, text.data, text.len);
    if (err == SHERD_OK && fsync(fd) != 0)
        err = sherd_fail_errno(SHERD_ERR_IO, "%.160s", path);
    if (err != SHERD_OK)
        (void)unlink(path); /* ours: O_EXCL made it */
    return err;
}

static enum sherd_err choose_path(const struct cli *cli, const char **out_path)
{
    const char *output = cli_value(cli, OPT_OUTPUT);

    SHERD_ENSURE((output != NULL) != (cli->operand_count > 0), SHERD_ERR_INVALID,
                 "name one file for the key: FILE or --output FILE");
    SHERD_ENSURE(cli_value(cli, OPT_PAIR) == NULL ||
                     (cli_value(cli, OPT_RECIPIENT) == NULL && cli_value(cli, OPT_PQ) == NULL),
                 SHERD_ERR_INVALID, "--pair makes the key of a user: it does not go with --recipient and --pq");
    *out_path = output != NULL ? output : cli->operands[0];
    return SHERD_OK;
}

static enum sherd_err make_text(const struct cli *cli, struct sherd_buf *own, struct sherd_buf *recipient)
{
    const bool pq = cli_value(cli, OPT_PQ) != NULL;
    const bool p256 = cli_value(cli, OPT_P256) != NULL;

    SHERD_ENSURE(!pq || !p256, SHERD_ERR_INVALID, "--pq and --p256 are two kinds of keys: give one of them");
    if (cli_value(cli, OPT_RECIPIENT) != NULL)
        return sherd_identity_new(pq     ? SHERD_IDENTITY_XWING
                                  : p256 ? SHERD_IDENTITY_P256
                                         : SHERD_IDENTITY_X25519,
                                  own, recipient);
    SHERD_ENSURE(!pq && !p256, SHERD_ERR_INVALID, "--pq and --p256 go with --recipient");
    return sherd_key_file_new(own);
}

static void done_text(struct cli *cli, const char *path)
{
    if (cli->quiet)
        return;
    cli_print("wrote a new key to ");
    cli_print_escaped(sherd_span_str(path));
    cli_print(": keep it outside the vault, and a copy in a safe place\n");
}

/* A user's key pair: the private half in the file, the public one beside it. */
static enum sherd_err run_pair(struct cli *cli, const char *path)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_USER_KEY_TEXT_BYTES);
    uint8_t public_block[SHERD_USER_PUBLIC_TEXT_BYTES];
    struct sherd_buf text = {0};
    struct sherd_buf public_text = sherd_buf_borrow(public_block, sizeof(public_block));
    char public_path[PATH_MAX];

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(snprintf(public_path, sizeof(public_path), "%s.pub", path) < (int)sizeof(public_path),
                 SHERD_ERR_INVALID, "the name of the file is too long");
    text = sherd_buf_borrow(block, SHERD_USER_KEY_TEXT_BYTES);
    SHERD_TRY(sherd_user_key_new(&text, &public_text));
    SHERD_TRY(create_file(path, sherd_buf_span(&text)));
    const enum sherd_err err = create_file(public_path, sherd_buf_span(&public_text));
    if (err != SHERD_OK) {
        (void)unlink(path); /* ours: O_EXCL made it */
        return err;
    }
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:o}", "user_key", cli_json_bytes(sherd_span_str(path)), "public_key",
                                        cli_json_bytes(sherd_span_str(public_path))),
                              "\n");
    if (!cli->quiet)
        cli_print("%.*s", (int)public_text.len, (const char *)public_text.data);
    return SHERD_OK;
}

/* The public key is a result, for `put --to`: it goes to stdout alone. */
static enum sherd_err done_recipient(struct cli *cli, const char *path, struct sherd_span recipient)
{
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:o}", "identity_file", cli_json_bytes(sherd_span_str(path)),
                                        "recipient", cli_json_bytes(recipient)),
                              "\n");
    cli_print_escaped(recipient);
    cli_print("\n");
    cli_warn(cli,
             "wrote the private key to %.160s: keep it outside the vault, and a copy in a safe place; whoever loses "
             "it has lost what is sealed to it",
             path);
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(TEXT_BYTES);
    char recipient_block[SHERD_RECIPIENT_TEXT_BYTES_MAX];
    struct sherd_buf recipient = sherd_buf_borrow(recipient_block, sizeof(recipient_block));
    struct sherd_buf text = {0};
    const char *path = NULL;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(choose_path(cli, &path));
    if (cli_value(cli, OPT_PAIR) != NULL)
        return run_pair(cli, path);
    text = sherd_buf_borrow(block, TEXT_BYTES);
    SHERD_TRY(make_text(cli, &text, &recipient));
    SHERD_TRY(create_file(path, sherd_buf_span(&text)));
    if (cli_inside_vault(path))
        cli_warn(cli,
                 "warning: the key file lies inside a vault: keep it elsewhere, a thief of one should not get both");
    if (recipient.len > 0)
        return done_recipient(cli, path, sherd_buf_span(&recipient));
    if (cli->json)
        return cli_json_print("", json_pack("{s:o}", "key_file", cli_json_bytes(sherd_span_str(path))), "\n");
    done_text(cli, path);
    return SHERD_OK;
}

const struct cli_command cmd_keygen = {
    .name = "keygen",
    .operands = "[FILE]",
    .summary = "write a new key file, or the key pair of a recipient or user, which its owner alone can read",
    .notes = "A vault made with `sherd init --key-file FILE` opens with that file and nothing else.\n"
             "With --recipient the file holds a private key, for `sherd get --identity FILE`; what is printed is the\n"
             "public key that goes with it, for `sherd put --to`. With --pair, FILE is a user's private key, and\n"
             "FILE.pub, which is printed, what `sherd user create --public-key` takes. A file is never overwritten.",
    .options = options,
    .operand_max = 1,
    .run = run,
};
