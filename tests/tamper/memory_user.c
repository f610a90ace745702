/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that uses the library, for test_tamper_memory.py to look into: makes a vault, works with it, wipes what is
 * its own, says "ready", and waits for a line. On "abort" it ends by SIGABRT with the vault open.
 *
 * Usage: memory_user MODE VAULT; passphrase, contents and entity come by standard input, a line each.
 */
#include "base/mem.h"
#include <fcntl.h>
#include <sherd/sherd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 128
#define LONG_BYTES 300000

/* What comes from outside; read byte by byte, so that no buffer of the C library holds it. */
static struct lines {
    char passphrase[LINE_SIZE];
    char marker[LINE_SIZE];
    char entity[LINE_SIZE];
} lines;

static uint8_t block[LONG_BYTES];

static void read_line(char out[LINE_SIZE])
{
    size_t len = 0;
    char c;

    while (len + 1 < LINE_SIZE && read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
        out[len++] = c;
    out[len] = 0;
}

static void must(enum sherd_err err, enum sherd_err wanted)
{
    if (err == wanted)
        return;
    fprintf(stderr, "%s: %s\n", sherd_err_name(err), sherd_err_detail());
    exit(1);
}

static void fill_block(void)
{
    const size_t len = strlen(lines.marker);

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (uint8_t)lines.marker[i % len];
}

/* Read back into a buffer of the library's, which wipes it. */
static void read_back(struct sherd_vault *vault, struct sherd_uuid id, size_t bytes)
{
    struct sherd_buf back = {0};

    must(sherd_record_get(vault, id, 0, &back), SHERD_OK);
    if (back.len != bytes)
        exit(1);
    sherd_buf_done(&back);
}

static void work(struct sherd_vault *vault)
{
    const struct sherd_attribute attribute = {"title", sherd_span_str(lines.entity)};
    const struct sherd_record_meta meta = {
        .entity = lines.entity, .content_type = lines.entity, .attributes = &attribute, .attribute_count = 1};
    struct sherd_record_info *info;
    struct sherd_uuid id;

    for (size_t bytes = 20; bytes <= LONG_BYTES; bytes *= 10) {
        must(sherd_record_put(vault, &meta, sherd_span_of(block, bytes), &id), SHERD_OK);
        read_back(vault, id, bytes);
        must(sherd_record_update(vault, id, 0, NULL, sherd_span_of(block, bytes / 2), NULL), SHERD_OK);
        must(sherd_record_stat(vault, id, 0, &info), SHERD_OK);
        sherd_record_info_free(info);
    }
}

/* Calls that fail half way. */
static void fail(struct sherd_vault *vault)
{
    uint8_t small[8];
    struct sherd_buf tight = sherd_buf_borrow(small, sizeof(small));
    const struct sherd_record_meta retried = {.idempotency_key = sherd_span_str(lines.entity)};
    struct sherd_uuid id;

    must(sherd_record_put(vault, &retried, sherd_span_of(block, 1000), &id), SHERD_OK);
    must(sherd_record_put(vault, &retried, sherd_span_of(block, 1001), &id), SHERD_ERR_CONFLICT);
    must(sherd_record_get(vault, id, 0, &tight), SHERD_ERR_LIMIT);
    must(sherd_record_update(vault, id, 7, NULL, sherd_span_of(block, 500), NULL), SHERD_ERR_CONFLICT);
}

static void stream(struct sherd_vault *vault)
{
    struct sherd_writer *writer;
    struct sherd_reader *reader;
    struct sherd_uuid id;
    size_t got;

    must(sherd_writer_begin(vault, NULL, &writer), SHERD_OK);
    must(sherd_writer_append(writer, sherd_span_of(block, 200000)), SHERD_OK);
    sherd_writer_abort(writer);
    must(sherd_writer_begin(vault, NULL, &writer), SHERD_OK);
    for (size_t i = 0; i < 30; i++)
        must(sherd_writer_append(writer, sherd_span_of(block, 77777)), SHERD_OK);
    must(sherd_writer_commit(writer, &id, NULL), SHERD_OK);
    must(sherd_reader_open(vault, id, 0, &reader, NULL), SHERD_OK);
    must(sherd_reader_read(reader, 12345, block, sizeof(block), &got), SHERD_OK);
    sherd_reader_close(reader);
}

static struct sherd_vault *open_vault(const char *path, const char *mode, struct sherd_buf *key)
{
    struct sherd_unseal unseal = {.passphrase = sherd_span_str(lines.passphrase)};
    struct sherd_vault *vault;

    if (strcmp(mode, "keyfile") == 0) {
        must(sherd_key_file_new(key), SHERD_OK);
        unseal = (struct sherd_unseal){.key_file = sherd_buf_span(key)};
        const int fd = open("keyfile.key", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, key->data, key->len) != (ssize_t)key->len)
            exit(1);
        close(fd);
    }
    must(sherd_vault_init(path, &unseal, NULL), SHERD_OK);
    must(sherd_vault_open(path, &unseal, NULL, &vault), SHERD_OK);
    return vault;
}

int main(int argc, char **argv)
{
    struct sherd_buf key = {0};
    char line[LINE_SIZE];

    if (argc != 3)
        return 2;
    const char *mode = argv[1];
    read_line(lines.passphrase);
    read_line(lines.marker);
    read_line(lines.entity);
    fill_block();
    struct sherd_vault *vault = open_vault(argv[2], mode, &key);
    if (strcmp(mode, "errors") == 0)
        fail(vault);
    else if (strcmp(mode, "stream") == 0)
        stream(vault);
    else
        work(vault);
    if (strcmp(mode, "hold") != 0) {
        sherd_wipe(&lines, sizeof(lines));
        sherd_wipe(block, sizeof(block));
    }
    sherd_buf_done(&key);
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 1;
    read_line(line);
    if (strcmp(line, "abort") == 0)
        abort();
    sherd_vault_close(vault);
    return 0;
}
