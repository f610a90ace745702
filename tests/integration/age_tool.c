/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of envelope/age.h as a program, so that a test can set them against the program age.
 *
 * Usage: age_tool keygen
 *        age_tool seal RECIPIENT...             plaintext on standard input, file on standard output
 *        age_tool seal-passphrase FILE WORK     FILE holds the passphrase
 *        age_tool open FILE                     of identities
 *        age_tool open-passphrase FILE
 *        age_tool armor | unarmor
 *
 * Ends with the number of the error code, and its name on standard error.
 */
#include "base/macros.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "envelope/age.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX ((size_t)64 << 20)
#define IDENTITIES_MAX 16
#define USAGE 64

static struct sherd_buf in = {.max = BYTES_MAX};
static struct sherd_buf out = {.max = BYTES_MAX};

static enum sherd_err read_all(FILE *file, struct sherd_buf *out_bytes)
{
    uint8_t block[4096];
    size_t got;

    while ((got = fread(block, 1, sizeof(block), file)) > 0)
        SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(block, got)));
    return ferror(file) != 0 ? sherd_fail(SHERD_ERR_IO, "cannot read") : SHERD_OK;
}

static enum sherd_err read_file(const char *path, struct sherd_buf *out_bytes)
{
    FILE *file = fopen(path, "rb");
    enum sherd_err err;

    if (file == NULL)
        return sherd_fail(SHERD_ERR_IO, "cannot open %s", path);
    err = read_all(file, out_bytes);
    fclose(file);
    return err;
}

static enum sherd_err keygen(void)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_age_identity *identity =
        sherd_secret_alloc(sizeof(*identity));
    struct sherd_age_recipient recipient;
    char identity_text[SHERD_AGE_IDENTITY_CHARS + 1];
    char recipient_text[SHERD_AGE_RECIPIENT_CHARS + 1];
    char text[200];

    SHERD_TRY(sherd_age_keygen(identity, &recipient));
    SHERD_TRY(sherd_age_identity_text(identity, identity_text));
    SHERD_TRY(sherd_age_recipient_text(&recipient, recipient_text));
    (void)snprintf(text, sizeof(text), "# public key: %s\n%s\n", recipient_text, identity_text);
    return sherd_buf_append(&out, sherd_span_str(text));
}

static enum sherd_err seal(char **recipients, size_t count)
{
    static struct sherd_age_recipient parsed[SHERD_AGE_RECIPIENTS_MAX];

    SHERD_ENSURE(count <= SHERD_AGE_RECIPIENTS_MAX, SHERD_ERR_INVALID, "too many recipients");
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(sherd_age_recipient_parse(sherd_span_str(recipients[i]), &parsed[i]));
    return sherd_age_seal(parsed, count, sherd_buf_span(&in), &out);
}

static enum sherd_err seal_passphrase(const char *path, const char *work)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf passphrase = {0};

    SHERD_TRY(read_file(path, &passphrase));
    return sherd_age_seal_passphrase(sherd_buf_span(&passphrase), (unsigned)strtoul(work, NULL, 10),
                                     sherd_buf_span(&in), &out);
}

static enum sherd_err open_with(const char *path)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_age_identity *identities =
        sherd_secret_alloc(IDENTITIES_MAX * sizeof(*identities));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    size_t count = 0;

    SHERD_TRY(read_file(path, &text));
    SHERD_TRY(sherd_age_identities_parse(sherd_buf_span(&text), IDENTITIES_MAX, identities, &count));
    return sherd_age_open(identities, count, sherd_buf_span(&in), &out);
}

static enum sherd_err open_passphrase(const char *path)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf passphrase = {0};

    SHERD_TRY(read_file(path, &passphrase));
    return sherd_age_open_passphrase(sherd_buf_span(&passphrase), sherd_buf_span(&in), &out);
}

static bool is(const char *verb, int argc, char **argv, int operands)
{
    return argc == 2 + operands && strcmp(argv[1], verb) == 0;
}

static enum sherd_err run(int argc, char **argv)
{
    SHERD_TRY(sherd_crypto_init());
    if (is("keygen", argc, argv, 0))
        return keygen();
    SHERD_TRY(read_all(stdin, &in));
    if (argc > 2 && strcmp(argv[1], "seal") == 0)
        return seal(argv + 2, (size_t)argc - 2);
    if (is("seal-passphrase", argc, argv, 2))
        return seal_passphrase(argv[2], argv[3]);
    if (is("open", argc, argv, 1))
        return open_with(argv[2]);
    if (is("open-passphrase", argc, argv, 1))
        return open_passphrase(argv[2]);
    if (is("armor", argc, argv, 0))
        return sherd_age_armor(sherd_buf_span(&in), &out);
    if (is("unarmor", argc, argv, 0))
        return sherd_age_unarmor(sherd_buf_span(&in), &out);
    exit(USAGE);
}

int main(int argc, char **argv)
{
    const enum sherd_err err = run(argc, argv);

    if (err != SHERD_OK)
        fprintf(stderr, "%s: %s\n", sherd_err_name(err), sherd_err_detail());
    else if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
        return USAGE;
    sherd_buf_done(&in);
    sherd_buf_done(&out);
    return (int)err;
}
