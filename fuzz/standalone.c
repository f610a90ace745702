/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays inputs through a fuzz target without a fuzzer, so that a corpus is also a plain test.
 *
 * Usage: replay_<target> FILE|FOLDER...     every regular file of a folder, not of the folders below it
 *
 * Ends with 1 when an argument cannot be read or holds no input at all: an empty corpus must not pass.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Reads a whole file into a block of exactly its length: a read past the end is then seen by AddressSanitizer. */
static uint8_t *file_read(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(bytes > 0 ? bytes : 1);

    if (file == NULL || data == NULL || fread(data, 1, bytes, file) != bytes) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        free(data);
        data = NULL;
    }
    if (file != NULL)
        fclose(file);
    return data;
}

static int replay_file(const char *path, size_t bytes)
{
    uint8_t *data = NULL;

    if (bytes > INPUT_BYTES_MAX) {
        fprintf(stderr, "%s: larger than %zu bytes\n", path, INPUT_BYTES_MAX);
        return -1;
    }
    data = file_read(path, bytes);
    if (data == NULL)
        return -1;
    LLVMFuzzerTestOneInput(data, bytes);
    free(data);
    return 1;
}

static int replay_path(const char *path, int depth);

static int replay_folder(const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    int replayed = 0;

    if (count < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        int length = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        int result = length > 0 && (size_t)length < sizeof(name) ? replay_path(name, 1) : -1;

        free(entries[i]);
        if (replayed >= 0)
            replayed = result < 0 ? -1 : replayed + result;
    }
    free(entries);
    return replayed;
}

/* Returns how many inputs were replayed, or -1. */
static int replay_path(const char *path, int depth)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    if (S_ISDIR(info.st_mode))
        return depth == 0 ? replay_folder(path) : 0;
    return S_ISREG(info.st_mode) ? replay_file(path, (size_t)info.st_size) : 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
        return 2;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0); /* the one input that every parser must bear */
    for (int i = 1; i < argc; i++) {
        int replayed = replay_path(argv[i], 0);

        if (replayed <= 0) {
            fprintf(stderr, "%s: %s\n", argv[i], replayed == 0 ? "no input in it" : "not replayed");
            return 1;
        }
        printf("%s: %d inputs\n", argv[i], replayed);
    }
    return 0;
}
