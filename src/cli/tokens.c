/* SPDX-License-Identifier: Apache-2.0 */
/* Shares sealed to tokens: see tokens.h. */
#include "cli/tokens.h"
#include "anchor/seal/share.h"
#include "base/mem.h"
#include "cli/io.h"
#include "cli/text.h"
#include "crypto/approved.h"
#include "kms/pkcs11/token.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

_Static_assert(SHERD_P11_URI_BYTES_MAX <= SHERD_TOKEN_URI_BYTES_MAX, "every URI goes into a box");
_Static_assert(SHERD_SHARE_BYTES <= SHERD_TOKEN_PLAIN_BYTES_MAX, "a share goes into a box");

/* The module is named by who runs the program, never by what is read from a file: it is code. */
static enum sherd_err open_module(const struct cli *cli, const char *path, struct sherd_p11 **out_p11)
{
    const char *module = cli->pkcs11_module != NULL ? cli->pkcs11_module : path;

    SHERD_ENSURE(*module != '\0', SHERD_ERR_INVALID,
                 "which library drives the token? Give --pkcs11-module PATH, such as opensc-pkcs11.so");
    return sherd_p11_open(module, out_p11);
}

/* ---- The PIN ----------------------------------------------------------------------------------------------------- */

/* One line, byte by byte: the next one is for the next token. */
static enum sherd_err read_line(const char *number, uint8_t *block, size_t *out_len)
{
    uint64_t fd = 0;
    size_t len = 0;

    SHERD_ENSURE(cli_parse_number(number, 0, INT_MAX, &fd), SHERD_ERR_INVALID,
                 "--pin-fd: not a number of a descriptor");
    for (;;) {
        size_t got = 0;

        SHERD_ENSURE(len < CLI_SECRET_BYTES, SHERD_ERR_INVALID, "the PIN is too long to be one");
        SHERD_TRY(cli_read_full((int)fd, "PIN", block + len, 1, &got));
        if (got == 0 || block[len] == '\n')
            break;
        len++;
    }
    SHERD_ENSURE(len > 0, SHERD_ERR_INVALID, "--pin-fd has no line for this share, or it is empty");
    *out_len = len;
    return SHERD_OK;
}

static enum sherd_err ask_pin(const struct sherd_p11_look *look, uint8_t *block, size_t *out_len)
{
    static const char *const left[] = {"", " (a wrong one was given before)", " (the last try before the token locks)",
                                       ""};
    SHERD_CLEANUP(cli_fd_closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    char label[sizeof(look->label)];
    char prompt[128];

    SHERD_ENSURE(tty >= 0, SHERD_ERR_INVALID,
                 "the token wants its PIN, and there is no terminal to ask on: give --pin-file or --pin-fd");
    memcpy(label, look->label, sizeof(label));
    for (size_t i = 0; label[i] != '\0'; i++) /* a token's name steers no terminal */
        if (label[i] < ' ' || label[i] > '~')
            label[i] = '?';
    (void)snprintf(prompt, sizeof(prompt), "PIN of the token %s%s: ", label, left[look->tries]);
    SHERD_TRY(cli_ask(tty, prompt, block, out_len));
    SHERD_ENSURE(*out_len > 0, SHERD_ERR_INVALID, "the PIN is empty: the token was not asked");
    return SHERD_OK;
}

/* A PIN that waits in a file may be an old one, and must not be what locks a token. */
static enum sherd_err check_tries(const struct sherd_p11_look *look)
{
    SHERD_ENSURE(look->tries != SHERD_P11_TRIES_LAST, SHERD_ERR_DENIED,
                 "one try is left before the token locks: type the PIN on a terminal, without --pin-file and --pin-fd");
    return SHERD_OK;
}

static enum sherd_err read_pin(const struct cli *cli, size_t nth, const struct sherd_p11_look *look, uint8_t *block,
                               size_t *out_len)
{
    *out_len = 0;
    if (look->pin == SHERD_P11_PIN_PAD)
        cli_warn(cli, "type the PIN on the reader of the token");
    if (look->pin != SHERD_P11_PIN_ASKED || look->tries == SHERD_P11_TRIES_NONE) /* it is locked: nobody types */
        return SHERD_OK;
    if (cli->pin_file_count == 0 && cli->pin_fd == NULL)
        return ask_pin(look, block, out_len);
    SHERD_ENSURE(cli->pin_file_count == 0 || cli->pin_fd == NULL, SHERD_ERR_INVALID,
                 "give --pin-file or --pin-fd, and not both");
    SHERD_TRY(check_tries(look));
    if (cli->pin_fd != NULL)
        return read_line(cli->pin_fd, block, out_len);
    SHERD_ENSURE(nth < cli->pin_file_count, SHERD_ERR_INVALID,
                 "a --pin-file for each share that is sealed to a token, in their order: one is missing");
    return cli_secret_file_read(cli, cli->pin_files[nth], "PIN file", block, out_len);
}

/* ---- In ---------------------------------------------------------------------------------------------------------- */

static enum sherd_err log_in(const struct cli *cli, size_t nth, struct sherd_p11_token *token)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *pin = sherd_secret_alloc(CLI_SECRET_BYTES);
    struct sherd_p11_look look;
    size_t len = 0;

    if (pin == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_p11_look(token, &look));
    SHERD_TRY(read_pin(cli, nth, &look, pin, &len));
    return sherd_p11_login(token, sherd_span_of(pin, len));
}

/* The tokens that whoever runs the program named; what is read from a file names none. */
static enum sherd_err parse_names(const struct cli *cli, struct sherd_p11_uri uris[static CLI_PIN_FILES_MAX])
{
    for (size_t i = 0; i < cli->pkcs11_token_count; i++) {
        const enum sherd_err err = sherd_p11_uri_parse(cli->pkcs11_tokens[i], &uris[i]);

        if (err != SHERD_OK)
            return sherd_fail(err, "--pkcs11-token: %s", sherd_err_detail());
        SHERD_ENSURE(sherd_p11_uri_names_token(&uris[i]), SHERD_ERR_INVALID,
                     "--pkcs11-token names a token by its label or serial number: pkcs11:token=LABEL;serial=NUMBER");
    }
    return SHERD_OK;
}

static enum sherd_err open_box(const struct cli *cli, size_t nth, const struct sherd_token_box *box,
                               struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_p11_freep) struct sherd_p11 *p11 = NULL;
    SHERD_CLEANUP(sherd_p11_token_freep) struct sherd_p11_token *token = NULL;
    struct sherd_p11_uri uris[CLI_PIN_FILES_MAX];
    const struct sherd_p11_names names = {uris, cli->pkcs11_token_count};
    struct sherd_p11_uri uri = {0};
    struct sherd_token_opener opener = {sherd_p11_agree, sherd_p11_decrypt, NULL};

    if (box->uri[0] != '\0')
        SHERD_TRY(sherd_p11_uri_parse(box->uri, &uri));
    SHERD_TRY(parse_names(cli, uris));
    SHERD_TRY(open_module(cli, "", &p11));
    SHERD_TRY(sherd_p11_find(p11, &uri, &box->key, &names, &token));
    SHERD_TRY(log_in(cli, nth, token));
    opener.arg = token;
    return sherd_token_box_open(box, sherd_p11_key(token), &opener, out_plain);
}

/* What was in it, as the text that shares have. */
static enum sherd_err append_share(struct sherd_span bytes, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_share *share = sherd_secret_alloc(sizeof(*share));
    SHERD_CLEANUP(sherd_secret_freep) char *text = sherd_secret_alloc(SHERD_SHARE_TEXT_SIZE);

    if (share == NULL || text == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_share_decode(bytes, share));
    SHERD_TRY(sherd_share_text(share, text));
    return sherd_buf_append(out_text, sherd_span_of(text, SHERD_SHARE_TEXT_SIZE - 1));
}

static enum sherd_err open_text(const struct cli *cli, size_t nth, struct sherd_span file, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_TOKEN_PLAIN_BYTES_MAX);
    uint8_t bytes[SHERD_TOKEN_BOX_BYTES_MAX];
    struct sherd_buf box_bytes = sherd_buf_borrow(bytes, sizeof(bytes));
    struct sherd_token_box box;
    struct sherd_buf plain;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    plain = sherd_buf_borrow(block, SHERD_TOKEN_PLAIN_BYTES_MAX);
    SHERD_TRY(sherd_token_box_parse(file, &box_bytes, NULL));
    SHERD_TRY(sherd_token_box_read(sherd_buf_span(&box_bytes), &box));
    SHERD_TRY(sherd_approved_check(cli_seals_fips(cli), sherd_algorithm_of_pubkey(box.kind)));
    SHERD_TRY(open_box(cli, nth, &box, &plain));
    return append_share(sherd_buf_span(&plain), out_text);
}

enum sherd_err cli_token_open(const struct cli *cli, size_t nth, const char *path, struct sherd_span file,
                              struct sherd_buf *out_text)
{
    const enum sherd_err err = open_text(cli, nth, file, out_text);

    if (err == SHERD_ERR_TAMPERED) /* not something of the vault */
        return sherd_fail(SHERD_ERR_DENIED,
                          "%.100s: the share does not open: it was changed, or is not sealed to the "
                          "key that it names",
                          path);
    return err == SHERD_OK || err == SHERD_ERR_NO_MEMORY ? err
                                                         : sherd_fail(err, "%.100s: %s", path, sherd_err_detail());
}

/* ---- Out --------------------------------------------------------------------------------------------------------- */

static enum sherd_err of_file(const char *path, struct cli_token_to *to)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(cli_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t len = 0;

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "--share-token: public key %.120s", path);
    SHERD_TRY(sherd_buf_reserve(&file, SHERD_PUBKEY_FILE_BYTES_MAX));
    SHERD_TRY(cli_read_full(fd, path, file.data, SHERD_PUBKEY_FILE_BYTES_MAX, &len));
    const enum sherd_err err = sherd_pubkey_of_pem(sherd_span_of(file.data, len), &to->key);
    return err == SHERD_OK || err == SHERD_ERR_NO_MEMORY
               ? err
               : sherd_fail(err, "--share-token: %.100s: %s", path, sherd_err_detail());
}

enum sherd_err cli_token_find(const struct cli *cli, const char *value, struct cli_token_to *out_to)
{
    SHERD_CLEANUP(sherd_p11_freep) struct sherd_p11 *p11 = NULL;
    struct cli_token_to to = {0};
    struct sherd_p11_uri uri;

    if (sherd_p11_is_uri(value)) {
        SHERD_TRY(sherd_p11_uri_parse(value, &uri));
        sherd_p11_uri_print(&uri, to.uri);
        SHERD_TRY(open_module(cli, uri.module_path, &p11));
        SHERD_TRY(sherd_p11_public_key(p11, &uri, &to.key));
    } else {
        SHERD_TRY(of_file(value, &to));
    }
    *out_to = to;
    return SHERD_OK;
}

/* What a person reads above the lines: all of it is no secret, and none of it counts. */
static enum sherd_err begin_text(const struct cli_token_to *to, const struct sherd_share_given *share,
                                 struct sherd_buf *out_text)
{
    char set[2 * sizeof(share->set_id) + 1];
    char key[2 * sizeof(to->key.fingerprint.bytes) + 1];
    char text[SHERD_TOKEN_URI_BYTES_MAX + 512];

    cli_format_hex(sherd_span_of(share->set_id, sizeof(share->set_id)), set);
    cli_format_hex(sherd_span_of(to->key.fingerprint.bytes, sizeof(to->key.fingerprint.bytes)), key);
    (void)snprintf(text, sizeof(text),
                   "# share %u of %u%s%s; %u open the vault; set %s, generation %u\n"
                   "# sealed to a token: %s\n"
                   "# which has the key %s\n",
                   share->index, share->count, share->holder[0] != 0 ? ", for " : "", share->holder, share->threshold,
                   set, share->generation, to->uri[0] != '\0' ? to->uri : "whichever it is", key);
    return sherd_buf_append(out_text, sherd_span_str(text));
}

enum sherd_err cli_token_seal(const struct cli_token_to *to, const struct sherd_share_given *share,
                              struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_share *parsed = sherd_secret_alloc(sizeof(*parsed));
    SHERD_CLEANUP(cli_secret_freep) uint8_t *bytes = sherd_secret_alloc(SHERD_SHARE_BYTES);
    uint8_t block[SHERD_TOKEN_BOX_BYTES_MAX];
    struct sherd_buf box = sherd_buf_borrow(block, sizeof(block));

    if (parsed == NULL || bytes == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_share_parse(share->text, parsed, NULL));
    sherd_share_encode(parsed, bytes);
    SHERD_TRY(sherd_token_box_seal(&to->key, to->uri, sherd_span_of(bytes, SHERD_SHARE_BYTES), &box));
    SHERD_TRY(begin_text(to, share, out_text));
    return sherd_token_box_text(sherd_buf_span(&box), out_text);
}
