/* SPDX-License-Identifier: Apache-2.0 */
/* See bare.h. */
#include "bare.h"
#include "common.h"
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAG_BYTES ((size_t)16)
#define SEALED_BYTES (BARE_CHUNK_BYTES + TAG_BYTES)
#define SLOT_CHUNKS ((size_t)16)
#define EARLY_BYTES ((size_t)8 << 20) /* as much is written before the disk is told */
#define CHECK_S 0.2

static const uint8_t key[32] = {1, 2, 3};

struct bare {
    const uint8_t *in;
    uint8_t *out; /* NULL: slots go to fd */
    size_t bytes; /* of plaintext */
    size_t chunks;
    int fd;
    int early;
    atomic_size_t next;
    double until;
    atomic_size_t done;
};

static EVP_CIPHER_CTX *begin(int sealing)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (ctx == NULL || EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, NULL, sealing) != 1)
        bench_die("AES-256-GCM");
    return ctx;
}

static void nonce_of(size_t index, uint8_t nonce[static 12])
{
    const uint64_t number = index;

    memset(nonce, 0, 12);
    memcpy(nonce, &number, sizeof(number));
}

static void seal_chunk(EVP_CIPHER_CTX *ctx, size_t index, const uint8_t *in, size_t bytes, uint8_t *out)
{
    uint8_t nonce[12];
    int len = 0;

    nonce_of(index, nonce);
    if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1 ||
        EVP_EncryptUpdate(ctx, out, &len, in, (int)bytes) != 1 || EVP_EncryptFinal_ex(ctx, out + bytes, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)TAG_BYTES, out + bytes) != 1)
        bench_die("AES-256-GCM: encryption failed");
}

static void open_chunk(EVP_CIPHER_CTX *ctx, size_t index, const uint8_t *in, size_t bytes, uint8_t *out)
{
    uint8_t nonce[12];
    uint8_t tag[TAG_BYTES];
    int len = 0;

    nonce_of(index, nonce);
    memcpy(tag, in + bytes, sizeof(tag));
    if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)TAG_BYTES, tag) != 1 ||
        EVP_DecryptUpdate(ctx, out, &len, in, (int)bytes) != 1 || EVP_DecryptFinal_ex(ctx, out + bytes, &len) != 1)
        bench_die("AES-256-GCM: decryption failed");
}

static void hash_chunk(EVP_MD_CTX *ctx, const uint8_t *in, size_t bytes)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(ctx, in, bytes) != 1 ||
        EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        bench_die("SHA-256 failed");
}

static size_t chunk_bytes(const struct bare *bare, size_t index)
{
    const size_t left = bare->bytes - index * BARE_CHUNK_BYTES;

    return left < BARE_CHUNK_BYTES ? left : BARE_CHUNK_BYTES;
}

size_t bare_sealed_bytes(size_t bytes)
{
    return bytes + (bytes + BARE_CHUNK_BYTES - 1) / BARE_CHUNK_BYTES * TAG_BYTES;
}

static struct bare bare_of(const uint8_t *in, size_t bytes)
{
    return (struct bare){
        .in = in, .bytes = bytes, .chunks = (bytes + BARE_CHUNK_BYTES - 1) / BARE_CHUNK_BYTES, .fd = -1};
}

/* --- put --------------------------------------------------------------------------------------------------------- */

static void write_slot(struct bare *bare, size_t first, const uint8_t *block, size_t bytes)
{
    const size_t offset = first * SEALED_BYTES;

    for (size_t done = 0; done < bytes;) {
        const ssize_t n = pwrite(bare->fd, block + done, bytes - done, (off_t)(offset + done));

        if (n <= 0)
            bench_die("a write failed");
        done += (size_t)n;
    }
    if (bare->early != 0 && offset / EARLY_BYTES != (offset + bytes) / EARLY_BYTES)
        (void)sync_file_range(bare->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void put_slots(void *arg, unsigned thread)
{
    struct bare *bare = arg;
    EVP_CIPHER_CTX *cipher = begin(1);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t *block = malloc(SLOT_CHUNKS * SEALED_BYTES);
    size_t first;

    (void)thread;
    if (block == NULL || hash == NULL)
        bench_die("out of memory");
    while ((first = atomic_fetch_add(&bare->next, SLOT_CHUNKS)) < bare->chunks) {
        size_t filled = 0;

        for (size_t i = first; i < first + SLOT_CHUNKS && i < bare->chunks; i++) {
            const size_t bytes = chunk_bytes(bare, i);

            seal_chunk(cipher, i, bare->in + i * BARE_CHUNK_BYTES, bytes, block + filled);
            hash_chunk(hash, block + filled, bytes + TAG_BYTES);
            filled += bytes + TAG_BYTES;
        }
        write_slot(bare, first, block, filled);
    }
    free(block);
    EVP_MD_CTX_free(hash);
    EVP_CIPHER_CTX_free(cipher);
}

double bare_put(const uint8_t *plain, size_t bytes, unsigned threads, int early, const char *path)
{
    struct bare bare = bare_of(plain, bytes);
    const double start = bench_now_s();

    bare.early = early;
    bare.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (bare.fd < 0)
        bench_die("%s cannot be made", path);
    bench_threads(threads, put_slots, &bare);
    if (fdatasync(bare.fd) != 0)
        bench_die("a flush failed");
    const double took = bench_now_s() - start;
    (void)close(bare.fd);
    (void)unlink(path);
    return took;
}

/* --- get --------------------------------------------------------------------------------------------------------- */

void bare_seal(const uint8_t *plain, size_t bytes, uint8_t *sealed)
{
    const struct bare bare = bare_of(plain, bytes);
    EVP_CIPHER_CTX *cipher = begin(1);

    for (size_t i = 0; i < bare.chunks; i++)
        seal_chunk(cipher, i, plain + i * BARE_CHUNK_BYTES, chunk_bytes(&bare, i), sealed + i * SEALED_BYTES);
    EVP_CIPHER_CTX_free(cipher);
}

static void open_slots(void *arg, unsigned thread)
{
    struct bare *bare = arg;
    EVP_CIPHER_CTX *cipher = begin(0);
    size_t first;

    (void)thread;
    while ((first = atomic_fetch_add(&bare->next, SLOT_CHUNKS)) < bare->chunks)
        for (size_t i = first; i < first + SLOT_CHUNKS && i < bare->chunks; i++)
            open_chunk(cipher, i, bare->in + i * SEALED_BYTES, chunk_bytes(bare, i), bare->out + i * BARE_CHUNK_BYTES);
    EVP_CIPHER_CTX_free(cipher);
}

double bare_open(const uint8_t *sealed, size_t bytes, unsigned threads, uint8_t *plain)
{
    struct bare bare = bare_of(sealed, bytes);
    const double start = bench_now_s();

    bare.out = plain;
    if (threads == 1)
        open_slots(&bare, 0);
    else
        bench_threads(threads, open_slots, &bare);
    return bench_now_s() - start;
}

/* --- check ------------------------------------------------------------------------------------------------------- */

static void check_chunks(void *arg, unsigned thread)
{
    struct bare *bare = arg;
    EVP_CIPHER_CTX *sealing = begin(1);
    EVP_CIPHER_CTX *opening = begin(0);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    static _Thread_local uint8_t plain[BARE_CHUNK_BYTES + TAG_BYTES];
    static _Thread_local uint8_t sealed[SEALED_BYTES];

    (void)thread;
    if (hash == NULL)
        bench_die("out of memory");
    seal_chunk(sealing, 0, plain, BARE_CHUNK_BYTES, sealed);
    while (bench_now_s() < bare->until) {
        hash_chunk(hash, sealed, sizeof(sealed));
        open_chunk(opening, 0, sealed, BARE_CHUNK_BYTES, plain);
        atomic_fetch_add(&bare->done, BARE_CHUNK_BYTES);
    }
    EVP_MD_CTX_free(hash);
    EVP_CIPHER_CTX_free(opening);
    EVP_CIPHER_CTX_free(sealing);
}

double bare_check_rate(unsigned threads)
{
    struct bare bare = {0};
    const double start = bench_now_s();

    bare.until = start + CHECK_S;
    bench_threads(threads, check_chunks, &bare);
    return (double)atomic_load(&bare.done) / (bench_now_s() - start);
}
