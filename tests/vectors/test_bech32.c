/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the vectors of BIP-173 and BIP-350: bip350_bech32.txt tells what its lines mean.
 *
 * Usage: test_vectors_bech32 FILE.txt; ends with 1 if one fails or none was run.
 */
#include "base/bytes.h"
#include "envelope/bech32.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX SHERD_BECH32_TEXT_MAX
#define BYTES_MAX 128

struct vector {
    char class[16];
    char checksum[16];
    char escaped[512];
    char version[8];
    char program[512];
    enum sherd_bech32 kind;
    enum sherd_bech32 other;
    struct sherd_span text;
    char prefix[BYTES_MAX]; /* what stands before the last "1" */
    uint8_t text_bytes[BYTES_MAX];
    uint8_t words[BYTES_MAX];
};

static size_t unhex(const char *hex, uint8_t out[static BYTES_MAX])
{
    size_t count = 0;
    unsigned value;

    for (; count < BYTES_MAX && sscanf(hex + 2 * count, "%2x", &value) == 1; count++)
        out[count] = (uint8_t)value;
    return count;
}

static bool vector_read(const char *line, struct vector *out)
{
    size_t len = 0;

    memset(out, 0, sizeof(*out));
    if (sscanf(line, "%15s %15s %511s %7s %511s", out->class, out->checksum, out->escaped, out->version, out->program) <
        3)
        return false;
    for (const char *at = out->escaped; *at != '\0' && len < BYTES_MAX; len++) {
        uint8_t byte[BYTES_MAX];

        if (strncmp(at, "\\x", 2) == 0 && unhex((const char[]){at[2], at[3], '\0'}, byte) == 1) {
            out->text_bytes[len] = byte[0];
            at += 4;
        } else {
            out->text_bytes[len] = (uint8_t)*at++;
        }
    }
    out->text = sherd_span_of(out->text_bytes, len);
    memcpy(out->prefix, out->text_bytes, sherd_bech32_prefix_chars(out->text));
    out->kind = strcmp(out->checksum, "bech32m") == 0 ? SHERD_BECH32M : SHERD_BECH32;
    out->other = out->kind == SHERD_BECH32M ? SHERD_BECH32 : SHERD_BECH32M;
    return true;
}

static enum sherd_err words_of(struct vector *vector, enum sherd_bech32 kind, struct sherd_span *out_words)
{
    struct sherd_buf words = sherd_buf_borrow(vector->words, sizeof(vector->words));
    const enum sherd_err err = sherd_bech32_decode_words(kind, vector->prefix, vector->text, TEXT_MAX, &words);

    if (err == SHERD_OK)
        *out_words = sherd_buf_span(&words);
    return err;
}

/* Has its checksum and not the other, and is what its own words encode to. */
static bool runs_valid(struct vector *vector)
{
    uint8_t block[BYTES_MAX];
    struct sherd_buf again = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span words;

    if (words_of(vector, vector->other, &words) != SHERD_ERR_INVALID ||
        words_of(vector, vector->kind, &words) != SHERD_OK)
        return false;
    /* a prefix without letters leaves the case open: these vectors are then in lower case */
    return sherd_bech32_encode_words(vector->kind, vector->prefix, words, TEXT_MAX, &again) == SHERD_OK &&
           sherd_span_equal(sherd_buf_span(&again), vector->text);
}

static bool runs_invalid(struct vector *vector)
{
    struct sherd_span words;

    return words_of(vector, vector->kind, &words) == SHERD_ERR_INVALID;
}

/* The bytes behind the first value, which is the version of a witness program. */
static enum sherd_err program_of(struct vector *vector, struct sherd_buf *out_program)
{
    struct sherd_span words;

    SHERD_TRY(words_of(vector, vector->kind, &words));
    return sherd_bech32_regroup(sherd_span_of(words.data + 1, words.len - 1), out_program);
}

static bool runs_address(struct vector *vector)
{
    uint8_t got_block[BYTES_MAX];
    uint8_t expected[BYTES_MAX];
    uint8_t version[BYTES_MAX];
    struct sherd_buf got = sherd_buf_borrow(got_block, sizeof(got_block));

    return runs_valid(vector) && program_of(vector, &got) == SHERD_OK && unhex(vector->version, version) == 1 &&
           vector->words[0] == version[0] &&
           sherd_span_equal(sherd_buf_span(&got), sherd_span_of(expected, unhex(vector->program, expected)));
}

static bool runs_ragged(struct vector *vector)
{
    uint8_t block[BYTES_MAX];
    struct sherd_buf got = sherd_buf_borrow(block, sizeof(block));

    return runs_valid(vector) && program_of(vector, &got) == SHERD_ERR_INVALID && got.len == 0;
}

static bool run(struct vector *vector)
{
    static const struct {
        const char *class;
        bool (*run)(struct vector *vector);
    } classes[] = {
        {"valid", runs_valid}, {"invalid", runs_invalid}, {"address", runs_address}, {"ragged", runs_ragged}};

    for (size_t i = 0; i < SHERD_COUNT_OF(classes); i++) {
        if (strcmp(vector->class, classes[i].class) == 0)
            return classes[i].run(vector);
    }
    return false;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    struct vector vector;
    char line[1024];
    unsigned count = 0;
    unsigned failed = 0;

    if (file == NULL) {
        fprintf(stderr, "usage: test_vectors_bech32 FILE.txt, which can be read\n");
        return 2;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#' || isspace((unsigned char)line[0]))
            continue;
        count++;
        if (!vector_read(line, &vector) || !run(&vector)) {
            failed++;
            printf("failed: %s", line);
        }
    }
    fclose(file);
    printf("bip350_bech32.txt: %u vectors run, %u failed\n", count, failed);
    return count > 0 && failed == 0 ? 0 : 1;
}
