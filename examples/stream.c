/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents that do not fit memory, and many small ones: stream a file in and out with a progress line, read a range,
 * store a batch, list it page by page, and put again after a lost answer without storing twice.
 *
 *     cc stream.c $(pkg-config --cflags --libs sherd) -o stream && ./stream /tmp/my-vault
 *
 * The vault is sealed by a key file here, VAULT.key: it lies outside the vault, so that a copy of the vault alone
 * opens for nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <sherd/sherd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pieces in which a file goes through memory. Reading goes fastest in pieces of 1 MiB or more. */
#define PIECE_BYTES ((size_t)1 << 20)
#define FILE_BYTES ((size_t)5 * 1000 * 1000 + 7)
#define RECORDS 100U
#define PAGE 16U

static int failed(const char *doing, enum sherd_err err)
{
    fprintf(stderr, "%s: %s: %s\n", doing, sherd_err_name(err), sherd_err_detail());
    return EXIT_FAILURE;
}

static int failed_errno(const char *doing)
{
    fprintf(stderr, "%s: %s\n", doing, strerror(errno));
    return EXIT_FAILURE;
}

/* ---- a key file ---------------------------------------------------------------------------------------------------*/

/* Read the key file into a block of its size, or make it where there is none. */
static int load_key(const char *path, char text[SHERD_KEY_FILE_TEXT_BYTES])
{
    struct sherd_buf made = sherd_buf_borrow(text, SHERD_KEY_FILE_TEXT_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        const ssize_t got = read(fd, text, SHERD_KEY_FILE_TEXT_BYTES);

        (void)close(fd);
        return got == (ssize_t)SHERD_KEY_FILE_TEXT_BYTES ? EXIT_SUCCESS : failed_errno(path);
    }
    const enum sherd_err err = sherd_key_file_new(&made);
    if (err != SHERD_OK)
        return failed("make a key", err);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* for its owner alone */
    if (fd < 0)
        return failed_errno(path);
    const bool stored = write(fd, text, SHERD_KEY_FILE_TEXT_BYTES) == (ssize_t)SHERD_KEY_FILE_TEXT_BYTES &&
                        fsync(fd) == 0; /* before anything is sealed by it */
    if (close(fd) != 0 || !stored)
        return failed_errno(path);
    return EXIT_SUCCESS;
}

static int open_vault(const char *path, struct sherd_vault **out_vault)
{
    char text[SHERD_KEY_FILE_TEXT_BYTES];
    char key_path[4096];
    const int len = snprintf(key_path, sizeof(key_path), "%s.key", path);

    if (len < 0 || (size_t)len >= sizeof(key_path)) {
        fprintf(stderr, "%s: too long\n", path);
        return EXIT_FAILURE;
    }
    if (load_key(key_path, text) != EXIT_SUCCESS)
        return EXIT_FAILURE;
    const struct sherd_unseal unseal = {.key_file = sherd_span_of(text, sizeof(text))};
    enum sherd_err err = sherd_vault_open(path, &unseal, NULL, out_vault);
    if (err == SHERD_ERR_NOT_FOUND && (err = sherd_vault_init(path, &unseal, NULL)) == SHERD_OK)
        err = sherd_vault_open(path, &unseal, NULL, out_vault);
    explicit_bzero(text, sizeof(text)); /* the vault is open: the key has done its work */
    return err == SHERD_OK ? EXIT_SUCCESS : failed(path, err);
}

/* ---- a long file in and out ---------------------------------------------------------------------------------------*/

/* The bytes of our file: something that shows if a piece comes from the wrong place. */
static void fill(unsigned char *block, size_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        block[i] = (unsigned char)((offset + i) * 2654435761U >> 13);
}

static void show_progress(const char *doing, uint64_t done, uint64_t total)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s: %3u %%%s", doing, (unsigned)(done * 100 / total), done == total ? "\n" : "");
}

/* What is written does not exist before the commit; a writer that is aborted leaves nothing. */
static enum sherd_err write_long(struct sherd_vault *vault, unsigned char *block, struct sherd_uuid *out_id)
{
    const struct sherd_record_meta meta = {.content_type = "application/octet-stream"};
    struct sherd_writer *writer = NULL;
    enum sherd_err err = sherd_writer_begin(vault, &meta, &writer);

    if (err != SHERD_OK)
        return err;
    for (size_t at = 0; at < FILE_BYTES && err == SHERD_OK; at += PIECE_BYTES) {
        const size_t len = FILE_BYTES - at < PIECE_BYTES ? FILE_BYTES - at : PIECE_BYTES;

        fill(block, at, len); /* in place of a read() from a file */
        err = sherd_writer_append(writer, sherd_span_of(block, len));
        show_progress("in", at + len, FILE_BYTES);
    }
    if (err != SHERD_OK) {
        sherd_writer_abort(writer); /* after a failure nothing else may follow */
        return err;
    }
    return sherd_writer_commit(writer, out_id, NULL); /* ends the writer, whatever comes of it */
}

/* Every byte that a reader gives out was verified. */
static enum sherd_err read_long(struct sherd_vault *vault, struct sherd_uuid id, unsigned char *block, bool *out_same)
{
    static unsigned char expected[PIECE_BYTES];
    struct sherd_reader *reader = NULL;
    uint64_t total = 0;
    enum sherd_err err = sherd_reader_open(vault, id, 0, &reader, &total);

    if (err != SHERD_OK)
        return err;
    *out_same = total == FILE_BYTES;
    for (uint64_t at = 0; at < total && err == SHERD_OK;) {
        size_t got = 0;

        err = sherd_reader_read(reader, at, block, PIECE_BYTES, &got);
        if (err != SHERD_OK)
            break;
        fill(expected, (size_t)at, got);
        *out_same = *out_same && memcmp(block, expected, got) == 0;
        at += got;
        show_progress("out", at, total);
    }
    sherd_reader_close(reader);
    return err;
}

/* A range costs no more than the 16 KiB chunks that it touches, wherever it lies. */
static enum sherd_err read_range(struct sherd_vault *vault, struct sherd_uuid id, bool *out_same)
{
    unsigned char range[10];
    unsigned char expected[10];
    struct sherd_reader *reader = NULL;
    size_t got = 0;
    enum sherd_err err = sherd_reader_open(vault, id, 0, &reader, NULL);

    if (err != SHERD_OK)
        return err;
    err = sherd_reader_read(reader, 4000000, range, sizeof(range), &got);
    sherd_reader_close(reader);
    fill(expected, 4000000, sizeof(expected));
    *out_same = err == SHERD_OK && got == sizeof(range) && memcmp(range, expected, sizeof(range)) == 0;
    return err;
}

static int stream_file(struct sherd_vault *vault)
{
    unsigned char *block = malloc(PIECE_BYTES);
    struct sherd_uuid id;
    bool same = false;
    bool range_same = false;
    enum sherd_err err;

    if (block == NULL)
        return failed_errno("memory");
    if ((err = write_long(vault, block, &id)) == SHERD_OK && (err = read_long(vault, id, block, &same)) == SHERD_OK)
        err = read_range(vault, id, &range_same);
    free(block);
    if (err != SHERD_OK)
        return failed("stream", err);
    if (!same || !range_same)
        return failed("other bytes came back", SHERD_ERR_INVALID);
    printf("%zu bytes in, out, and a range of them\n", FILE_BYTES);
    err = sherd_record_delete(vault, id);
    return err == SHERD_OK ? EXIT_SUCCESS : failed("delete", err);
}

/* ---- a put whose answer got lost ----------------------------------------------------------------------------------*/

/*
 * Whoever puts over a network, or is stopped in the middle, may not learn whether a put went through. With an
 * idempotency key, the same put can simply be repeated: it gives the same id, and stores nothing twice.
 */
static int put_twice(struct sherd_vault *vault)
{
    const struct sherd_record_meta meta = {.idempotency_key = sherd_span_str("order 4711, receipt")};
    struct sherd_uuid first;
    struct sherd_uuid again;
    struct sherd_uuid other;
    enum sherd_err err;

    if ((err = sherd_record_put(vault, &meta, sherd_span_str("paid"), &first)) != SHERD_OK)
        return failed("put", err);
    /* Suppose that the answer never arrived. */
    if ((err = sherd_record_put(vault, &meta, sherd_span_str("paid"), &again)) != SHERD_OK)
        return failed("put again", err);
    if (memcmp(first.bytes, again.bytes, sizeof(first.bytes)) != 0)
        return failed("it was stored twice", SHERD_ERR_INVALID);
    /* A key stands for one put. With other contents it is a mistake, and is told. */
    if (sherd_record_put(vault, &meta, sherd_span_str("not paid"), &other) != SHERD_ERR_CONFLICT)
        return failed("one key, two contents", SHERD_ERR_INVALID);
    printf("put twice, stored once\n");
    err = sherd_record_delete(vault, first); /* frees the key, too */
    return err == SHERD_OK ? EXIT_SUCCESS : failed("delete", err);
}

/* ---- many small records -------------------------------------------------------------------------------------------*/

/* A batch shares the flushes to the disk, and is stored as a whole or not at all. */
static enum sherd_err put_many(struct sherd_vault *vault)
{
    static const struct sherd_record_meta meta = {.collection = "readings", .content_type = "text/plain"};
    struct sherd_batch_item items[RECORDS];
    char texts[RECORDS][32];

    for (unsigned i = 0; i < RECORDS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "sensor %u: %u degrees", i, 15 + i % 10);
        items[i] = (struct sherd_batch_item){.meta = &meta, .content = sherd_span_str(texts[i])};
    }
    return sherd_record_put_batch(vault, items, RECORDS); /* items[i].id is the name of each */
}

/* Ids to be deleted, gathered while listing. */
struct ids {
    struct sherd_uuid id[PAGE];
    size_t count;
};

/* Called for each record of a page. info is borrowed: what is to be kept must be copied. */
static enum sherd_err note(void *arg, const struct sherd_record_info *info)
{
    struct ids *ids = arg;

    ids->id[ids->count++] = info->id;
    return SHERD_OK; /* any other code would end the listing, and be its answer */
}

/*
 * The cursor says where a listing stands, so that it can go on page by page, while records come and go: one that is
 * there all the time is visited exactly once.
 */
static int delete_all(struct sherd_vault *vault)
{
    struct sherd_cursor cursor = {0};
    size_t total = 0;

    while (!cursor.ended) {
        struct ids ids = {0};
        enum sherd_err err = sherd_record_list(vault, "readings", &cursor, PAGE, note, &ids);

        for (size_t i = 0; i < ids.count && err == SHERD_OK; i++)
            err = sherd_record_delete(vault, ids.id[i]);
        if (err != SHERD_OK)
            return failed("list", err);
        total += ids.count;
    }
    if (total != RECORDS)
        return failed("not as many as were put", SHERD_ERR_INVALID);
    printf("%zu records listed and deleted\n", total);
    return EXIT_SUCCESS;
}

static int store_many(struct sherd_vault *vault)
{
    const struct sherd_collection readings = {.name = "readings", .versions_kept = 1};
    enum sherd_err err = sherd_collection_create(vault, &readings);

    if (err != SHERD_OK && err != SHERD_ERR_CONFLICT) /* a conflict: it is there already */
        return failed("make a collection", err);
    if ((err = put_many(vault)) != SHERD_OK)
        return failed("put a batch", err);
    return delete_all(vault);
}

int main(int argc, char **argv)
{
    struct sherd_vault *vault = NULL;
    int code;

    if (argc != 2) {
        fprintf(stderr, "usage: %s VAULT\n", argv[0]);
        return 2;
    }
    if (open_vault(argv[1], &vault) != EXIT_SUCCESS)
        return EXIT_FAILURE;
    code = stream_file(vault);
    if (code == EXIT_SUCCESS)
        code = put_twice(vault);
    if (code == EXIT_SUCCESS)
        code = store_many(vault);
    sherd_vault_close(vault);
    return code;
}
