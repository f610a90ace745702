/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large contents: as pieces in LMDB, or as files beside it? Writing (durably) and reading, at 1 MB, 50 MB and 1 GB; one
 * JSON line a figure, as a ratio to a plain file that is written in the same pieces and flushed.
 *
 *     bench_large DIR [MEGABYTES_MAX]      DIR: an empty folder on the disk to measure
 */
#include "store/lmdb/lmdb.h"
#include "tools.h"
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)256 << 10)
#define MEGABYTE ((uint64_t)1000000)
#define ROUNDS_MAX 9U

static uint8_t piece[PIECE_BYTES];

/* Fill the piece anew, so that nothing that is stored repeats. */
static size_t next_piece(uint64_t at, uint64_t bytes)
{
    const uint64_t left = bytes - at;

    for (size_t i = 0; i < PIECE_BYTES; i += 4096) {
        const uint64_t word = mix(at + i);

        memcpy(piece + i, &word, sizeof word);
    }
    return left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
}

static struct sherd_ref name_of(uint64_t n)
{
    const uint64_t words[2] = {mix(2 * n), mix(2 * n + 1)};
    struct sherd_ref name;

    memcpy(name.bytes, words, sizeof words);
    return name;
}

/* --- a plain file ------------------------------------------------------------------------------------------------ */

static const char *plain_dir;

static int plain_open(uint64_t number, int flags)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof path, "%s/plain-%llu", plain_dir, (unsigned long long)number);
    fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        die("open %s", path);
    return fd;
}

static void plain_write(uint64_t number, uint64_t bytes)
{
    const int fd = plain_open(number, O_WRONLY | O_CREAT | O_EXCL);

    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES)
        if (write(fd, piece, next_piece(at, bytes)) < 0)
            die("write a plain file");
    if (fdatasync(fd) != 0)
        die("flush a plain file");
    (void)close(fd);
}

static void plain_read(uint64_t number, uint64_t bytes)
{
    const int fd = plain_open(number, O_RDONLY);
    uint64_t at = 0;
    ssize_t got;

    while ((got = read(fd, piece, PIECE_BYTES)) > 0)
        at += (uint64_t)got;
    if (at != bytes)
        die("a plain file has %llu bytes", (unsigned long long)at);
    (void)close(fd);
}

/* --- a blob of the engine ---------------------------------------------------------------------------------------- */

static struct sherd_store *store;

static void check(enum sherd_err err)
{
    if (err != SHERD_OK)
        die("%s", sherd_err_detail());
}

static void blob_write(uint64_t number, uint64_t bytes)
{
    struct sherd_blob_writer *writer = NULL;

    check(sherd_store_lmdb.blob_create(store, &writer));
    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
        const size_t len = next_piece(at, bytes);

        check(sherd_store_lmdb.blob_append(writer, sherd_span_of(piece, len)));
    }
    check(sherd_store_lmdb.blob_commit(writer, name_of(number)));
}

static void blob_read(uint64_t number, uint64_t bytes)
{
    struct sherd_blob_reader *reader = NULL;
    uint64_t found = 0;

    check(sherd_store_lmdb.blob_open(store, name_of(number), &reader, &found));
    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES)
        check(sherd_store_lmdb.blob_read(reader, at, piece, bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES));
    sherd_store_lmdb.blob_close(reader);
}

/* --- pieces in LMDB, in one transaction -------------------------------------------------------------------------- */

static MDB_env *env;
static MDB_dbi dbi;

static void lmdb_check(int rc)
{
    if (rc != MDB_SUCCESS)
        die("lmdb: %s", mdb_strerror(rc));
}

static void lmdb_open(const char *path)
{
    MDB_txn *txn = NULL;

    if (mkdir(path, 0700) != 0)
        die("make %s", path);
    lmdb_check(mdb_env_create(&env));
    lmdb_check(mdb_env_set_mapsize(env, (size_t)1 << 40));
    lmdb_check(mdb_env_open(env, path, MDB_NOTLS, 0600));
    lmdb_check(mdb_txn_begin(env, NULL, 0, &txn));
    lmdb_check(mdb_dbi_open(txn, NULL, 0, &dbi));
    lmdb_check(mdb_txn_commit(txn));
}

static void pieces_write(uint64_t number, uint64_t bytes)
{
    MDB_txn *txn = NULL;

    lmdb_check(mdb_txn_begin(env, NULL, 0, &txn));
    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
        struct sherd_ref name = name_of(number * 100000 + at / PIECE_BYTES);
        MDB_val key = {.mv_size = sizeof name.bytes, .mv_data = name.bytes};
        MDB_val value = {.mv_size = next_piece(at, bytes), .mv_data = piece};

        lmdb_check(mdb_put(txn, dbi, &key, &value, 0));
    }
    lmdb_check(mdb_txn_commit(txn));
}

static void pieces_read(uint64_t number, uint64_t bytes)
{
    MDB_txn *txn = NULL;

    lmdb_check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
        struct sherd_ref name = name_of(number * 100000 + at / PIECE_BYTES);
        MDB_val key = {.mv_size = sizeof name.bytes, .mv_data = name.bytes};
        MDB_val value = {0};

        lmdb_check(mdb_get(txn, dbi, &key, &value));
        memcpy(piece, value.mv_data, value.mv_size);
    }
    mdb_txn_abort(txn);
}

/* --- measured ---------------------------------------------------------------------------------------------------- */

struct way {
    const char *name;
    void (*write)(uint64_t number, uint64_t bytes);
    void (*read)(uint64_t number, uint64_t bytes);
};

static const struct way ways[] = {
    {"plain file", plain_write, plain_read},
    {"blob", blob_write, blob_read},
    {"pieces in LMDB", pieces_write, pieces_read},
};

static void measure(uint64_t megabytes, unsigned rounds)
{
    const size_t count = sizeof ways / sizeof *ways;
    double times[2][3][ROUNDS_MAX];
    double base[2] = {1, 1};

    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) { /* turn by turn, so that all meet the same disk */
            const uint64_t number = megabytes * 100 + round;
            double start = now_s();

            ways[i].write(number, megabytes * MEGABYTE);
            times[0][i][round] = now_s() - start;
            start = now_s();
            ways[i].read(number, megabytes * MEGABYTE);
            times[1][i][round] = now_s() - start;
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (int k = 0; k < 2; k++) {
            const double time = median(times[k][i], rounds);

            if (i == 0)
                base[k] = time;
            printf("{\"bench\":\"large\",\"way\":\"%s\",\"figure\":\"%s\",\"megabytes\":%llu,\"mb_per_s\":%.0f,"
                   "\"to_plain_file\":%.3f}\n",
                   ways[i].name, k == 0 ? "write" : "read", (unsigned long long)megabytes, (double)megabytes / time,
                   base[k] / time);
        }
    }
}

int main(int argc, char **argv)
{
    const uint64_t most = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
    char path[512];
    struct sherd_store_config config = {.path = path, .create = true};

    if (argc < 2)
        die("usage: bench_large DIR [MEGABYTES_MAX]");
    plain_dir = argv[1];
    (void)snprintf(path, sizeof path, "%s/lmdb", argv[1]);
    lmdb_open(path);
    (void)snprintf(path, sizeof path, "%s/sherd", argv[1]);
    check(sherd_store_lmdb.open(&config, &store));
    for (uint64_t megabytes = 1; megabytes <= most; megabytes *= megabytes == 1 ? 50 : 20)
        measure(megabytes, megabytes == 1 ? 9 : megabytes == 50 ? 5 : 3);
    sherd_store_lmdb.close(store);
    mdb_env_close(env);
    return 0;
}
