/* SPDX-License-Identifier: Apache-2.0 */
/* See peer_sqlcipher.h. Names come from the same generator as the vault's: OpenSSL's. */
#include "peer_sqlcipher.h"
#include "common.h"
#include <openssl/rand.h>
#include <sqlcipher/sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer_sqlcipher {
    sqlite3 *db;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *put;
    sqlite3_stmt *get;
};

static void check(const struct peer_sqlcipher *peer, int rc, int wanted)
{
    if (rc != wanted)
        bench_die("SQLCipher: %s", sqlite3_errmsg(peer->db));
}

static void run(const struct peer_sqlcipher *peer, const char *sql)
{
    check(peer, sqlite3_exec(peer->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static sqlite3_stmt *prepare(const struct peer_sqlcipher *peer, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    check(peer, sqlite3_prepare_v2(peer->db, sql, -1, &stmt, NULL), SQLITE_OK);
    return stmt;
}

static void step(const struct peer_sqlcipher *peer, sqlite3_stmt *stmt)
{
    check(peer, sqlite3_step(stmt), SQLITE_DONE);
    check(peer, sqlite3_reset(stmt), SQLITE_OK);
}

struct peer_sqlcipher *peer_sqlcipher_new(const char *path)
{
    struct peer_sqlcipher *peer = calloc(1, sizeof(*peer));

    if (peer == NULL || sqlite3_open(path, &peer->db) != SQLITE_OK)
        bench_die("SQLCipher: %s cannot be made", path);
    run(peer, "PRAGMA key = \"x'2DD29CA851E7B56E4697B0E1F08507293D761A05CE4D1B628663F411A8086D99'\"");
    run(peer, "PRAGMA journal_mode = WAL");
    run(peer, "PRAGMA synchronous = FULL");
    run(peer, "CREATE TABLE record (name BLOB PRIMARY KEY, content BLOB)");
    peer->begin = prepare(peer, "BEGIN IMMEDIATE");
    peer->commit = prepare(peer, "COMMIT");
    peer->put = prepare(peer, "INSERT INTO record VALUES (?1, ?2)");
    peer->get = prepare(peer, "SELECT content FROM record WHERE name = ?1");
    return peer;
}

void peer_sqlcipher_cache(struct peer_sqlcipher *peer, unsigned mib)
{
    char sql[64];

    (void)snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%u", mib * 1024);
    run(peer, sql);
}

void peer_sqlcipher_close(struct peer_sqlcipher *peer)
{
    (void)sqlite3_finalize(peer->begin);
    (void)sqlite3_finalize(peer->commit);
    (void)sqlite3_finalize(peer->put);
    (void)sqlite3_finalize(peer->get);
    check(peer, sqlite3_close(peer->db), SQLITE_OK);
    free(peer);
}

void peer_sqlcipher_put(struct peer_sqlcipher *peer, const void *content, size_t bytes, size_t count,
                        uint8_t (*out_names)[PEER_NAME_SIZE])
{
    uint8_t name[PEER_NAME_SIZE];

    step(peer, peer->begin);
    for (size_t i = 0; i < count; i++) {
        if (RAND_bytes(name, sizeof(name)) != 1)
            bench_die("no randomness");
        check(peer, sqlite3_bind_blob(peer->put, 1, name, sizeof(name), SQLITE_STATIC), SQLITE_OK);
        check(peer, sqlite3_bind_blob(peer->put, 2, content, (int)bytes, SQLITE_STATIC), SQLITE_OK);
        step(peer, peer->put);
        if (out_names != NULL)
            memcpy(out_names[i], name, sizeof(name));
    }
    step(peer, peer->commit);
}

size_t peer_sqlcipher_get(struct peer_sqlcipher *peer, const uint8_t name[PEER_NAME_SIZE], void *block, size_t room)
{
    check(peer, sqlite3_bind_blob(peer->get, 1, name, PEER_NAME_SIZE, SQLITE_STATIC), SQLITE_OK);
    check(peer, sqlite3_step(peer->get), SQLITE_ROW);
    const size_t bytes = (size_t)sqlite3_column_bytes(peer->get, 0);
    if (bytes > room)
        bench_die("SQLCipher: a row is too long");
    memcpy(block, sqlite3_column_blob(peer->get, 0), bytes);
    check(peer, sqlite3_reset(peer->get), SQLITE_OK);
    return bytes;
}
