/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-2, HMAC and HKDF.
 *
 * HMAC is composed here from the hash, by FIPS 198-1. OpenSSL's own (EVP_MAC) keeps one key per context: changing it
 * costs more than all the hashing of a short message, and a copy of a context allocates four times. The tests compare
 * it with EVP_MAC, EVP_KDF and published vectors.
 *
 * Running hashes lie on the stack for one call, and are wiped before it returns.
 */
#include "crypto/hash.h"

#include "base/mem.h"
#include "base/secret.h"
#include "crypto/evp.h"
#include "crypto/sha.h"
#include <string.h>

#define BLOCK_MAX 128
#define SIZE_MAX_OF_HASH SHERD_SHA512_SIZE
#define HKDF_BLOCKS_MAX 255

static const struct {
    size_t size;
    size_t block;
} shapes[SHERD_HASHES] = {
    [SHERD_SHA256] = {SHERD_SHA256_SIZE, 64},
    [SHERD_SHA512] = {SHERD_SHA512_SIZE, 128},
    [SHERD_SHA512_256] = {SHERD_SHA256_SIZE, 128},
};

static enum sherd_err answer(bool done)
{
    return done ? SHERD_OK : sherd_evp_fail("hashing");
}

static bool hash(enum sherd_hash_alg alg, const struct sherd_span *parts, size_t count, uint8_t *out)
{
    struct sherd_sha sha;
    const bool done = sherd_sha_begin(&sha, alg) && sherd_sha_update(&sha, parts, count) && sherd_sha_final(&sha, out);

    sherd_wipe(&sha, sizeof(sha));
    return done;
}

enum sherd_err sherd_hash(enum sherd_hash_alg alg, const struct sherd_span *parts, size_t count, uint8_t *out)
{
    SHERD_TRY(sherd_crypto_gate());
    return answer(hash(alg, parts, count, out));
}

/* --- running hash ------------------------------------------------------------------------------------------------- */

struct sherd_hasher {
    struct sherd_sha sha;
};

void sherd_hasher_free(struct sherd_hasher *hasher)
{
    if (hasher == NULL)
        return;
    sherd_wipe(hasher, sizeof(*hasher));
    sherd_free(hasher);
}

enum sherd_err sherd_hasher_new(enum sherd_hash_alg alg, struct sherd_hasher **out_hasher)
{
    SHERD_CLEANUP(sherd_hasher_freep) struct sherd_hasher *hasher = NULL;

    SHERD_TRY(sherd_crypto_gate());
    hasher = sherd_alloc(sizeof(*hasher));
    if (hasher == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(answer(sherd_sha_begin(&hasher->sha, alg)));
    *out_hasher = sherd_hasher_take(&hasher);
    return SHERD_OK;
}

enum sherd_err sherd_hasher_update(struct sherd_hasher *hasher, struct sherd_span bytes)
{
    return answer(sherd_sha_update(&hasher->sha, &bytes, 1));
}

enum sherd_err sherd_hasher_final(struct sherd_hasher *hasher, uint8_t *out)
{
    return answer(sherd_sha_final(&hasher->sha, out) && sherd_sha_begin(&hasher->sha, hasher->sha.alg));
}

/* --- HMAC --------------------------------------------------------------------------------------------------------- */

/* Hash one of the key's two padded blocks. */
static bool pad_load(enum sherd_hash_alg alg, uint8_t pad, const uint8_t key[static BLOCK_MAX], struct sherd_sha *out)
{
    const size_t block = shapes[alg].block;
    uint8_t padded[BLOCK_MAX];
    const struct sherd_span bytes = {padded, block};

    for (size_t i = 0; i < block; i++)
        padded[i] = key[i] ^ pad;
    const bool done = sherd_sha_begin(out, alg) && sherd_sha_update(out, &bytes, 1);
    sherd_wipe(padded, sizeof(padded));
    return done;
}

/* FIPS 198-1, steps 1 to 5 and 7. */
enum sherd_err sherd_hmac_key_load(enum sherd_hash_alg alg, struct sherd_span key, struct sherd_hmac_key *out_key)
{
    uint8_t whole[BLOCK_MAX] = {0};
    bool done = true;

    if (key.len > shapes[alg].block)
        done = hash(alg, &key, 1, whole);
    else if (key.len > 0)
        memcpy(whole, key.data, key.len);
    out_key->key_bytes = key.len;
    done = done && pad_load(alg, 0x36, whole, &out_key->inner) && pad_load(alg, 0x5c, whole, &out_key->outer);
    sherd_wipe(whole, sizeof(whole));
    return answer(done);
}

void sherd_hmac_key_wipe(struct sherd_hmac_key *key)
{
    sherd_wipe(key, sizeof(*key));
}

/* What HMACs under way take of the stack; wiped by who laid it there. */
struct work {
    struct sherd_sha sha;
    uint8_t digest[SIZE_MAX_OF_HASH];
};

static void work_wipe(struct work *work)
{
    sherd_wipe(work, sizeof(*work));
}

static bool hmac_run(const struct sherd_hmac_key *key, const struct sherd_span *parts, size_t count, struct work *work,
                     uint8_t *out)
{
    const struct sherd_span digest = {work->digest, shapes[key->inner.alg].size};

    work->sha = key->inner;
    if (!sherd_sha_update(&work->sha, parts, count) || !sherd_sha_final(&work->sha, work->digest))
        return false;
    work->sha = key->outer;
    return sherd_sha_update(&work->sha, &digest, 1) && sherd_sha_final(&work->sha, out);
}

enum sherd_err sherd_hmac_with(const struct sherd_hmac_key *key, const struct sherd_span *parts, size_t count,
                               uint8_t *out)
{
    SHERD_CLEANUP(work_wipe) struct work work;

    return answer(hmac_run(key, parts, count, &work, out));
}

enum sherd_err sherd_hmac(enum sherd_hash_alg alg, struct sherd_span key, const struct sherd_span *parts, size_t count,
                          uint8_t *out)
{
    SHERD_CLEANUP(sherd_hmac_key_wipe) struct sherd_hmac_key ready = {.inner = {.alg = alg}};

    SHERD_TRY(sherd_crypto_gate());
    SHERD_TRY(sherd_hmac_key_load(alg, key, &ready));
    return sherd_hmac_with(&ready, parts, count, out);
}

void sherd_hmac_key_free(struct sherd_hmac_key *key)
{
    sherd_secret_free(key);
}

enum sherd_err sherd_hmac_key_new(enum sherd_hash_alg alg, struct sherd_span key, struct sherd_hmac_key **out_key)
{
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *made = NULL;

    SHERD_TRY(sherd_crypto_gate());
    made = sherd_secret_alloc(sizeof(*made));
    if (made == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_hmac_key_load(alg, key, made));
    *out_key = sherd_hmac_key_take(&made);
    return SHERD_OK;
}

/* --- HKDF --------------------------------------------------------------------------------------------------------- */

/* Up to here info is joined, since each block hashes it again, and many short parts cost more than one. */
#define INFO_JOINED_MAX 320

/* Joins the parts of info in block if they fit there, else passes them on. Returns how many parts there are now. */
static size_t info_join(const struct sherd_span *info, size_t count, uint8_t block[static INFO_JOINED_MAX],
                        struct sherd_span *out_parts)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        if (info[i].len > INFO_JOINED_MAX - len) {
            memcpy(out_parts, info, count * sizeof(*info));
            return count;
        }
        if (info[i].len > 0)
            memcpy(block + len, info[i].data, info[i].len);
        len += info[i].len;
    }
    out_parts[0] = sherd_span_of(block, len);
    return 1;
}

/* T(i) = HMAC(prk, T(i-1) || info || i), RFC 5869 section 2.3. */
static bool expand_run(const struct sherd_hmac_key *prk, const struct sherd_span *info, size_t count, uint8_t *out,
                       size_t out_bytes)
{
    const size_t size = shapes[prk->inner.alg].size;
    SHERD_CLEANUP(work_wipe) struct work work;
    struct sherd_span parts[SHERD_HKDF_PARTS_MAX + 2] = {{NULL, 0}};
    uint8_t joined[INFO_JOINED_MAX];
    uint8_t block[SIZE_MAX_OF_HASH];
    uint8_t number = 0;
    bool done = true;

    count = info_join(info, count, joined, parts + 1);
    parts[count + 1] = sherd_span_of(&number, 1);
    while (done && out_bytes > 0) {
        const size_t take = out_bytes < size ? out_bytes : size;

        number++;
        done = hmac_run(prk, parts, count + 2, &work, block);
        if (done)
            memcpy(out, block, take);
        parts[0] = sherd_span_of(block, size);
        out += take;
        out_bytes -= take;
    }
    sherd_wipe(block, sizeof(block));
    return done;
}

enum sherd_err sherd_hkdf_expand_with(const struct sherd_hmac_key *prk, const struct sherd_span *info, size_t count,
                                      uint8_t *out, size_t out_bytes)
{
    SHERD_ENSURE(count <= SHERD_HKDF_PARTS_MAX, SHERD_ERR_INVALID, "hkdf: too many parts");
    SHERD_ENSURE(out_bytes <= HKDF_BLOCKS_MAX * shapes[prk->inner.alg].size, SHERD_ERR_INVALID,
                 "hkdf: more than 255 hash lengths asked for");
    const enum sherd_err err = answer(expand_run(prk, info, count, out, out_bytes));
    if (err != SHERD_OK)
        sherd_wipe(out, out_bytes);
    return err;
}

enum sherd_err sherd_hkdf_expand(enum sherd_hash_alg alg, struct sherd_span prk, const struct sherd_span *info,
                                 size_t count, uint8_t *out, size_t out_bytes)
{
    SHERD_CLEANUP(sherd_hmac_key_wipe) struct sherd_hmac_key ready = {.inner = {.alg = alg}};

    SHERD_TRY(sherd_crypto_gate());
    SHERD_TRY(sherd_hmac_key_load(alg, prk, &ready));
    return sherd_hkdf_expand_with(&ready, info, count, out, out_bytes);
}

static enum sherd_err extract(enum sherd_hash_alg alg, struct sherd_span ikm, struct sherd_span salt, uint8_t *out)
{
    SHERD_TRY(sherd_crypto_gate());
    return salt.len == 0 ? sherd_hmac_with(&sherd_evp()->unsalted[alg], &ikm, 1, out)
                         : sherd_hmac(alg, salt, &ikm, 1, out);
}

enum sherd_err sherd_hkdf(enum sherd_hash_alg alg, struct sherd_span ikm, struct sherd_span salt,
                          struct sherd_span info, uint8_t *out, size_t out_bytes)
{
    uint8_t prk[SIZE_MAX_OF_HASH];
    enum sherd_err err = extract(alg, ikm, salt, prk);

    if (err == SHERD_OK)
        err = sherd_hkdf_expand(alg, sherd_span_of(prk, shapes[alg].size), &info, 1, out, out_bytes);
    sherd_wipe(prk, sizeof(prk));
    return err;
}
