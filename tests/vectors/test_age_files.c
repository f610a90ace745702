/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the files of age_files.txt, which gen_age.py makes and describes: each must end as it says there.
 *
 * Usage: test_age_files age_files.txt
 */
#include "base/macros.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "envelope/age.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)32 << 20)
/* Fewer are not the file that belongs here. */
#define CASES_MIN 190

struct fields {
    char *name;
    char *expect;
    char *identity;
    char *passphrase;
    char *sha256;
    char *file;
};

static _Noreturn void broken(const char *what, const char *where)
{
    fprintf(stderr, "broken vector file: %s: %.80s\n", what, where);
    exit(1);
}

static unsigned digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    if (at == NULL)
        broken("not hexadecimal", &c);
    return (unsigned)(at - digits);
}

/* Appends hexadecimal text, and HH*N as the byte HH, N times. */
static void unpack(char *text, struct sherd_buf *out_bytes)
{
    for (char *token = strtok_r(text, " ", &text); token != NULL; token = strtok_r(NULL, " ", &text)) {
        const char *star = strchr(token, '*');
        const size_t count = star != NULL ? strtoul(star + 1, NULL, 10) : 1;
        const size_t digits = star != NULL ? (size_t)(star - token) : strlen(token);

        for (size_t i = 0; i < count; i++) {
            for (size_t at = 0; at + 1 < digits; at += 2) {
                const uint8_t byte = (uint8_t)(digit(token[at]) << 4 | digit(token[at + 1]));

                if (sherd_buf_append(out_bytes, sherd_span_of(&byte, 1)) != SHERD_OK)
                    broken("too long", token);
            }
        }
    }
}

static enum sherd_err expected(const char *word)
{
    static const struct {
        const char *word;
        enum sherd_err err;
    } words[] = {
        {"ok", SHERD_OK},           {"denied", SHERD_ERR_DENIED},           {"tampered", SHERD_ERR_TAMPERED},
        {"limit", SHERD_ERR_LIMIT}, {"unsupported", SHERD_ERR_UNSUPPORTED},
    };

    for (size_t i = 0; i < SHERD_COUNT_OF(words); i++) {
        if (strcmp(word, words[i].word) == 0)
            return words[i].err;
    }
    broken("expect", word);
}

static enum sherd_err open_file(const struct fields *fields, struct sherd_span file, struct sherd_buf *out_plain)
{
    struct sherd_age_identity identity;

    if (fields->passphrase != NULL)
        return sherd_age_open_passphrase(sherd_span_str(fields->passphrase), file, out_plain);
    if (sherd_age_identity_parse(sherd_span_str(fields->identity), &identity) != SHERD_OK)
        broken("identity", fields->identity);
    return sherd_age_open(&identity, 1, file, out_plain);
}

static bool contents_right(struct sherd_span plain, const char *sha256)
{
    uint8_t digest[SHERD_SHA256_SIZE];
    char text[2 * SHERD_SHA256_SIZE + 1] = "";

    if (sherd_hash(SHERD_SHA256, &plain, 1, digest) != SHERD_OK)
        return false;
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return sha256 != NULL && strcmp(text, sha256) == 0;
}

/* Opens behind a byte that is there already, and that must be all that is there after a failure. */
static bool run(struct fields *fields)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = FILE_BYTES_MAX};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {.max = FILE_BYTES_MAX};
    const enum sherd_err wanted = expected(fields->expect);
    enum sherd_err err;

    unpack(fields->file, &file);
    if (sherd_buf_append(&plain, sherd_span_str("!")) != SHERD_OK)
        broken("memory", fields->name);
    err = open_file(fields, sherd_buf_span(&file), &plain);
    if (err != wanted || plain.data[0] != '!' || (err != SHERD_OK && plain.len != 1)) {
        fprintf(stderr, "%s: %s, expected %s (%s)\n", fields->name, sherd_err_name(err), sherd_err_name(wanted),
                sherd_err_detail());
        return false;
    }
    if (err == SHERD_OK && !contents_right(sherd_span_of(plain.data + 1, plain.len - 1), fields->sha256)) {
        fprintf(stderr, "%s: other contents\n", fields->name);
        return false;
    }
    return true;
}

static void field_set(struct fields *fields, char *line)
{
    static const char *const names[] = {"name=", "expect=", "identity=", "passphrase=", "sha256=", "file="};
    char **const places[] = {&fields->name,       &fields->expect, &fields->identity,
                             &fields->passphrase, &fields->sha256, &fields->file};

    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++) {
        if (strncmp(line, names[i], strlen(names[i])) == 0) {
            *places[i] = strdup(line + strlen(names[i]));
            return;
        }
    }
    broken("field", line);
}

static void fields_done(struct fields *fields)
{
    free(fields->name);
    free(fields->expect);
    free(fields->identity);
    free(fields->passphrase);
    free(fields->sha256);
    free(fields->file);
    memset(fields, 0, sizeof(*fields));
}

/* A record is complete: runs it. */
static void record_end(struct fields *fields, unsigned *passed, unsigned *failed)
{
    if (fields->name == NULL)
        return;
    if (fields->expect == NULL || fields->file == NULL || (fields->identity == NULL) == (fields->passphrase == NULL))
        broken("incomplete", fields->name);
    if (run(fields))
        (*passed)++;
    else
        (*failed)++;
    fields_done(fields);
}

int main(int argc, char **argv)
{
    FILE *input = argc == 2 ? fopen(argv[1], "r") : NULL;
    struct fields fields = {0};
    unsigned passed = 0;
    unsigned failed = 0;
    char *line = NULL;
    size_t size = 0;

    if (input == NULL || sherd_crypto_init() != SHERD_OK)
        broken("cannot begin", argc == 2 ? argv[1] : "usage: test_age_files FILE");
    while (getline(&line, &size, input) > 0) {
        if (line[0] == '\n')
            record_end(&fields, &passed, &failed);
        else if (line[0] != '#')
            field_set(&fields, line);
    }
    record_end(&fields, &passed, &failed);
    free(line);
    fclose(input);
    printf("%u files as they should be, %u not\n", passed, failed);
    return failed > 0 || passed < CASES_MIN;
}
