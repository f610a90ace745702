/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one file of published test vectors; gen.py tells what such a file looks like.
 *
 * Usage: test_vectors FILE.txt
 *
 * Prints how many vectors it ran. Ends with 1 if one failed or none was run. Argon2id, which OpenSSL has from 3.2, and
 * ML-DSA, which it has from 3.5, must be refused as unsupported where OpenSSL is older.
 */
#include "base/macros.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include "crypto/merkle.h"
#include "crypto/mldsa.h"
#include "crypto/sign.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 16

/* --- records --------------------------------------------------------------------------------------------------- */

struct field {
    char *name;
    char *text;
    struct sherd_buf bytes; /* text, decoded when it was first asked for */
};

struct record {
    struct field fields[FIELDS_MAX];
    size_t count;
};

static _Noreturn void broken(const char *what, const char *where)
{
    fprintf(stderr, "broken vector file: %s: %s\n", what, where);
    exit(1);
}

static void record_clear(struct record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        free(record->fields[i].name);
        sherd_buf_done(&record->fields[i].bytes);
    }
    memset(record, 0, sizeof(*record));
}

static struct field *field_find(struct record *record, const char *name)
{
    for (size_t i = 0; i < record->count; i++) {
        if (strcmp(record->fields[i].name, name) == 0)
            return &record->fields[i];
    }
    return NULL;
}

static const char *text_of(struct record *record, const char *name)
{
    const struct field *field = field_find(record, name);

    if (field == NULL)
        broken("no such field", name);
    return field->text;
}

static uint32_t number_of(struct record *record, const char *name)
{
    const char *text = text_of(record, name);
    char *end = NULL;
    const unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value > UINT32_MAX)
        broken("no number", text);
    return (uint32_t)value;
}

static bool valid_of(struct record *record)
{
    return strcmp(text_of(record, "result"), "valid") == 0;
}

static uint8_t digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    if (at == NULL)
        broken("no hexadecimal digit", (const char[]){c, '\0'});
    return (uint8_t)(at - digits);
}

static void append(struct sherd_buf *buf, uint8_t byte)
{
    if (sherd_buf_append(buf, sherd_span_of(&byte, 1)) != SHERD_OK)
        broken("too long", sherd_err_detail());
}

/* Decodes one word: hexadecimal digits, or HH*N. Returns what stands after it. */
static const char *word_decode(const char *text, struct sherd_buf *buf)
{
    while (*text != '\0' && *text != ' ' && *text != '*') {
        append(buf, (uint8_t)(digit(text[0]) << 4 | digit(text[1])));
        text += 2;
    }
    if (*text == '*') {
        char *end = NULL;
        unsigned long more = strtoul(text + 1, &end, 10);

        for (text = end; more > 1; more--)
            append(buf, buf->data[buf->len - 1]);
    }
    return *text == ' ' ? text + 1 : text;
}

static struct sherd_span bytes_of(struct record *record, const char *name)
{
    struct field *field = field_find(record, name);

    if (field == NULL)
        broken("no such field", name);
    if (field->bytes.data == NULL) {
        for (const char *text = field->text; *text != '\0';)
            text = word_decode(text, &field->bytes);
    }
    return sherd_buf_span(&field->bytes);
}

static struct sherd_span sized_of(struct record *record, const char *name, size_t size)
{
    const struct sherd_span bytes = bytes_of(record, name);

    if (bytes.len != size)
        broken("of a wrong size", name);
    return bytes;
}

/* --- one runner a type: whether the vector passed --------------------------------------------------------------- */

/* Equality of answers; constant time is no matter here. */
static bool same(struct sherd_span expected, const void *computed, size_t size)
{
    return expected.len == size && (size == 0 || memcmp(expected.data, computed, size) == 0);
}

static bool run_hash(struct record *record, enum sherd_hash_alg alg, size_t size)
{
    const struct sherd_span message = bytes_of(record, "msg");
    const struct sherd_span digest = sized_of(record, "digest", size);
    SHERD_CLEANUP(sherd_hasher_freep) struct sherd_hasher *hasher = NULL;
    uint8_t out[SHERD_SHA512_SIZE];

    if (sherd_hash(alg, &message, 1, out) != SHERD_OK || !same(digest, out, size))
        return false;
    if (sherd_hasher_new(alg, &hasher) != SHERD_OK)
        return false;
    for (size_t at = 0, step = 1; at < message.len; at += step, step = step % 977 + 1) {
        step = step < message.len - at ? step : message.len - at;
        if (sherd_hasher_update(hasher, sherd_span_of(message.data + at, step)) != SHERD_OK)
            return false;
    }
    return sherd_hasher_final(hasher, out) == SHERD_OK && same(digest, out, size);
}

static bool run_sha256(struct record *record)
{
    return run_hash(record, SHERD_SHA256, SHERD_SHA256_SIZE);
}

static bool run_sha512(struct record *record)
{
    return run_hash(record, SHERD_SHA512, SHERD_SHA512_SIZE);
}

static bool run_sha512_256(struct record *record)
{
    return run_hash(record, SHERD_SHA512_256, SHERD_SHA256_SIZE);
}

/* A tag may be cut: what there is of it must match. */
static bool run_hmac(struct record *record, enum sherd_hash_alg alg)
{
    const struct sherd_span key = bytes_of(record, "key");
    const struct sherd_span message = bytes_of(record, "msg");
    const struct sherd_span tag = bytes_of(record, "tag");
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *ready = NULL;
    uint8_t out[SHERD_SHA512_SIZE];
    uint8_t out_ready[SHERD_SHA512_SIZE];

    return sherd_hmac(alg, key, &message, 1, out) == SHERD_OK && sherd_hmac_key_new(alg, key, &ready) == SHERD_OK &&
           sherd_hmac_with(ready, &message, 1, out_ready) == SHERD_OK && tag.len <= sizeof(out) &&
           same(tag, out, tag.len) == valid_of(record) && same(tag, out_ready, tag.len) == valid_of(record);
}

static bool run_hmac_sha256(struct record *record)
{
    return run_hmac(record, SHERD_SHA256);
}

static bool run_hmac_sha512(struct record *record)
{
    return run_hmac(record, SHERD_SHA512);
}

static bool run_hkdf(struct record *record, enum sherd_hash_alg alg)
{
    const size_t size = number_of(record, "size");
    uint8_t *out = sherd_alloc(size);
    const enum sherd_err err = sherd_hkdf(alg, bytes_of(record, "ikm"), bytes_of(record, "salt"),
                                          bytes_of(record, "info"), out, size);
    const bool passed = valid_of(record) ? err == SHERD_OK && same(bytes_of(record, "okm"), out, size)
                                         : err == SHERD_ERR_INVALID;

    sherd_free(out);
    return passed;
}

static bool run_hkdf_sha256(struct record *record)
{
    return run_hkdf(record, SHERD_SHA256);
}

static bool run_hkdf_sha512(struct record *record)
{
    return run_hkdf(record, SHERD_SHA512);
}

/* AES-256-GCM as OpenSSL gives it, with additional data, which no format of ours has. */
static bool gcm_opens(struct record *record, struct sherd_span sealed, uint8_t *out)
{
    const struct sherd_span aad = bytes_of(record, "aad");
    const int message_bytes = (int)(sealed.len - SHERD_AEAD_TAG_SIZE);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t tag[SHERD_AEAD_TAG_SIZE];
    uint8_t none[SHERD_AEAD_TAG_SIZE];
    int done = 0;
    bool good;

    memcpy(tag, sealed.data + message_bytes, sizeof(tag));
    good = EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), bytes_of(record, "key").data, bytes_of(record, "iv").data,
                               NULL) == 1 &&
           (aad.len == 0 || EVP_DecryptUpdate(ctx, NULL, &done, aad.data, (int)aad.len) == 1) &&
           (message_bytes == 0 || EVP_DecryptUpdate(ctx, out, &done, sealed.data, message_bytes) == 1) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, none, &done) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return good;
}

/* The same by the calls of ours, where there is no additional data: as chunk 0 of a message with that key and nonce. */
static bool chunk_passes(struct record *record, struct sherd_span message, struct sherd_span sealed, uint8_t *out)
{
    const uint8_t *key = sized_of(record, "key", SHERD_AEAD_KEY_SIZE).data;
    const uint8_t *iv = sized_of(record, "iv", SHERD_AEAD_NONCE_SIZE).data;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *opener = NULL;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *sealer = NULL;
    enum sherd_err err;

    if (sherd_aead_message_raw(key, iv, false, &opener) != SHERD_OK ||
        sherd_aead_message_raw(key, iv, true, &sealer) != SHERD_OK)
        return false;
    err = sherd_aead_chunk_open(opener, 0, sealed, out);
    if (!valid_of(record))
        return err == SHERD_ERR_TAMPERED;
    return err == SHERD_OK && same(message, out, message.len) &&
           sherd_aead_chunk_seal(sealer, 0, message, out) == SHERD_OK && same(sealed, out, sealed.len);
}

static bool run_gcm(struct record *record)
{
    const struct sherd_span message = bytes_of(record, "msg");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    if (sherd_buf_append(&sealed, bytes_of(record, "ct")) != SHERD_OK ||
        sherd_buf_append(&sealed, sized_of(record, "tag", SHERD_AEAD_TAG_SIZE)) != SHERD_OK ||
        sherd_buf_reserve(&out, sealed.len) != SHERD_OK)
        return false;
    if (gcm_opens(record, sherd_buf_span(&sealed), out.data) != valid_of(record))
        return false;
    if (valid_of(record) && !same(message, out.data, message.len))
        return false;
    return bytes_of(record, "aad").len > 0 || chunk_passes(record, message, sherd_buf_span(&sealed), out.data);
}

static bool run_ed25519_verify(struct record *record)
{
    const struct sherd_span public_key = sized_of(record, "public", SHERD_SIGN_PUBLIC_SIZE);
    const struct sherd_span signature = bytes_of(record, "sig");
    enum sherd_err err;

    if (signature.len != SHERD_SIGNATURE_SIZE) /* the prototype keeps these out */
        return !valid_of(record);
    err = sherd_sign_verify(public_key.data, bytes_of(record, "msg"), signature.data);
    return err == (valid_of(record) ? SHERD_OK : SHERD_ERR_TAMPERED);
}

static bool run_ed25519_sign(struct record *record)
{
    const struct sherd_span message = bytes_of(record, "msg");
    const struct sherd_span public_key = sized_of(record, "public", SHERD_SIGN_PUBLIC_SIZE);
    const uint8_t *seed = sized_of(record, "seed", SHERD_SIGN_SEED_SIZE).data;
    uint8_t out_public[SHERD_SIGN_PUBLIC_SIZE];
    uint8_t out_signature[SHERD_SIGNATURE_SIZE];

    return sherd_sign_public(seed, out_public) == SHERD_OK && same(public_key, out_public, sizeof(out_public)) &&
           sherd_sign(seed, message, out_signature) == SHERD_OK &&
           same(bytes_of(record, "sig"), out_signature, sizeof(out_signature)) &&
           sherd_sign_verify(out_public, message, out_signature) == SHERD_OK;
}

static bool is_digest_of(struct sherd_span expected, const void *bytes, size_t size)
{
    const struct sherd_span span = sherd_span_of(bytes, size);
    uint8_t digest[SHERD_SHA256_SIZE];

    return sherd_hash(SHERD_SHA256, &span, 1, digest) == SHERD_OK && same(expected, digest, sizeof(digest));
}

/* Where OpenSSL has none, each call must say so. */
static bool run_mldsa_44_sign(struct record *record)
{
    const struct sherd_span message = bytes_of(record, "msg");
    const uint8_t *seed = sized_of(record, "seed", SHERD_MLDSA_SEED_SIZE).data;
    const enum sherd_err there = OpenSSL_version_num() >= 0x30500000UL ? SHERD_OK : SHERD_ERR_UNSUPPORTED;
    static uint8_t out_public[SHERD_MLDSA_PUBLIC_SIZE];
    static uint8_t out_signature[SHERD_MLDSA_SIGNATURE_SIZE];

    return sherd_mldsa_public(seed, out_public) == there &&
           sherd_mldsa_sign(seed, message, false, out_signature) == there &&
           sherd_mldsa_verify(out_public, message, out_signature) == there &&
           (there != SHERD_OK || (is_digest_of(bytes_of(record, "publicSha256"), out_public, sizeof(out_public)) &&
                                  is_digest_of(bytes_of(record, "sigSha256"), out_signature, sizeof(out_signature)) &&
                                  sherd_mldsa_sign(seed, message, true, out_signature) == SHERD_OK &&
                                  !is_digest_of(bytes_of(record, "sigSha256"), out_signature, sizeof(out_signature)) &&
                                  sherd_mldsa_verify(out_public, message, out_signature) == SHERD_OK));
}

static bool run_scrypt(struct record *record)
{
    const struct sherd_pwhash_params params = {SHERD_PWHASH_SCRYPT, number_of(record, "log2n"), number_of(record, "r"),
                                               number_of(record, "p")};
    const struct sherd_span expected = bytes_of(record, "out");
    uint8_t out[64];

    return expected.len <= sizeof(out) &&
           sherd_scrypt(&params, bytes_of(record, "passphrase"), bytes_of(record, "salt"), out, expected.len) ==
               SHERD_OK &&
           same(expected, out, expected.len);
}

static bool run_pbkdf2_sha256(struct record *record)
{
    const struct sherd_pwhash_params params = {SHERD_PWHASH_PBKDF2, number_of(record, "iterations"), 1, 1};
    const struct sherd_span expected = bytes_of(record, "out");
    uint8_t out[64];

    return expected.len <= sizeof(out) &&
           sherd_pbkdf2(&params, bytes_of(record, "passphrase"), bytes_of(record, "salt"), out, expected.len) ==
               SHERD_OK &&
           same(expected, out, expected.len);
}

static bool run_argon2id(struct record *record)
{
    const struct sherd_pwhash_params params = {SHERD_PWHASH_ARGON2ID, number_of(record, "memory_kib"),
                                               number_of(record, "passes"), number_of(record, "lanes")};
    const struct sherd_span expected = bytes_of(record, "out");
    const struct sherd_pwhash_params least = {SHERD_PWHASH_ARGON2ID, 65536, 1, 1};
    const bool supported = OpenSSL_version_num() >= 0x30200000UL;
    uint8_t out[64];
    enum sherd_err err;

    if (expected.len > sizeof(out) || sherd_pwhash_supported(&least) != supported)
        return false;
    err = sherd_argon2id(&params, bytes_of(record, "passphrase"), bytes_of(record, "salt"), bytes_of(record, "secret"),
                         bytes_of(record, "data"), out, expected.len);
    if (!supported)
        return err == SHERD_ERR_UNSUPPORTED && strstr(sherd_err_detail(), "Argon2id") != NULL;
    return err == SHERD_OK && same(expected, out, expected.len);
}

/* The records of this file are one tree that grows. */
static bool run_merkle(struct record *record)
{
    static struct sherd_merkle tree;
    struct sherd_digest hash;

    if (field_find(record, "leaf") != NULL &&
        (sherd_merkle_leaf(bytes_of(record, "leaf"), &hash) != SHERD_OK || sherd_merkle_add(&tree, &hash) != SHERD_OK))
        return false;
    return number_of(record, "id") == tree.leaf_count && sherd_merkle_root(&tree, &hash) == SHERD_OK &&
           same(bytes_of(record, "root"), hash.bytes, sizeof(hash.bytes));
}

/* --- Cobblestone-256 -------------------------------------------------------------------------------------------- */

/* Whether bytes are the message that the vector describes. */
static bool message_matches(struct record *record, struct sherd_span bytes)
{
    uint8_t digest[SHERD_SHA512_SIZE];

    return bytes.len == number_of(record, "msgLength") && sherd_hash(SHERD_SHA512, &bytes, 1, digest) == SHERD_OK &&
           same(bytes_of(record, "msgSha512"), digest, sizeof(digest));
}

/* Opens chunk after chunk, as a stream would. Returns whether the stream ended as it must; keeps what came before. */
static bool stream_opens(struct sherd_aead_message *message, struct sherd_span chunks, struct sherd_buf *out)
{
    for (uint64_t index = 0;; index++) {
        const size_t take = chunks.len < SHERD_AEAD_SEALED_CHUNK_SIZE ? chunks.len : SHERD_AEAD_SEALED_CHUNK_SIZE;

        if (take < SHERD_AEAD_TAG_SIZE || sherd_buf_reserve(out, take) != SHERD_OK ||
            sherd_aead_chunk_open(message, index, sherd_span_of(chunks.data, take), out->data + out->len) != SHERD_OK)
            return false;
        out->len += take - SHERD_AEAD_TAG_SIZE;
        chunks = sherd_span_of(chunks.data + take, chunks.len - take);
        if (take < SHERD_AEAD_SEALED_CHUNK_SIZE)
            return chunks.len == 0;
    }
}

static bool stream_passes(struct record *record, struct sherd_aead_message *message)
{
    const struct sherd_span sealed = bytes_of(record, "ct");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    if (stream_opens(message, sherd_span_of(sealed.data + SHERD_AEAD_HEADER_SIZE, sealed.len - SHERD_AEAD_HEADER_SIZE),
                     &out) != valid_of(record))
        return false;
    if (field_find(record, "msgLength") != NULL)
        return message_matches(record, sherd_buf_span(&out));
    return out.len == 0;
}

/* Both by the derived key (that is, by the header) and by the key and nonce that the vector states. */
static bool streams_pass(struct record *record)
{
    const struct sherd_span sealed = bytes_of(record, "ct");
    const struct sherd_span header =
        sherd_span_of(sealed.data, sealed.len < SHERD_AEAD_HEADER_SIZE ? sealed.len : SHERD_AEAD_HEADER_SIZE);
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *derived = NULL;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *stated = NULL;
    const enum sherd_err err = sherd_aead_message_open_begin(bytes_of(record, "key").data, bytes_of(record, "ctx"),
                                                             header, &derived);

    if (strstr(text_of(record, "flags"), "HeaderFailure") != NULL)
        return err == SHERD_ERR_TAMPERED && derived == NULL;
    return err == SHERD_OK && stream_passes(record, derived) &&
           sherd_aead_message_raw(sized_of(record, "aeadKey", SHERD_AEAD_KEY_SIZE).data,
                                  sized_of(record, "baseNonce", SHERD_AEAD_NONCE_SIZE).data, false,
                                  &stated) == SHERD_OK &&
           stream_passes(record, stated);
}

static bool seals_the_same(struct record *record, struct sherd_span message)
{
    const struct sherd_span sealed = bytes_of(record, "ct");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};

    return sherd_aead_seal_salted(bytes_of(record, "key").data, bytes_of(record, "ctx"), sealed.data, message,
                                  &again) == SHERD_OK &&
           same(sealed, again.data, again.len) && sherd_aead_sealed_bytes(message.len) == sealed.len;
}

static bool run_cobblestone(struct record *record)
{
    const struct sherd_span key = bytes_of(record, "key");
    const struct sherd_span context = bytes_of(record, "ctx");
    const struct sherd_span sealed = bytes_of(record, "ct");
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *ready = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out_ready = {0};
    enum sherd_err err;

    if (key.len != SHERD_AEAD_KEY_SIZE) /* the prototype keeps these out */
        return strstr(text_of(record, "flags"), "InvalidKeySize") != NULL && !valid_of(record);
    if (sherd_hmac_key_new(SHERD_SHA512, key, &ready) != SHERD_OK || !streams_pass(record))
        return false;
    err = sherd_aead_open(key.data, context, sealed, &out);
    if (sherd_aead_open_with(ready, context, sealed, &out_ready) != err || out.len != out_ready.len)
        return false;
    if (!valid_of(record))
        return err == SHERD_ERR_TAMPERED && out.len == 0;
    return err == SHERD_OK && message_matches(record, sherd_buf_span(&out)) &&
           message_matches(record, sherd_buf_span(&out_ready)) && seals_the_same(record, sherd_buf_span(&out));
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *type;
    bool (*run)(struct record *record);
} runners[] = {
    {"sha256", run_sha256},
    {"sha512", run_sha512},
    {"sha512-256", run_sha512_256},
    {"hmac-sha256", run_hmac_sha256},
    {"hmac-sha512", run_hmac_sha512},
    {"hkdf-sha256", run_hkdf_sha256},
    {"hkdf-sha512", run_hkdf_sha512},
    {"aes-256-gcm", run_gcm},
    {"cobblestone-256", run_cobblestone},
    {"ed25519-verify", run_ed25519_verify},
    {"ed25519-sign", run_ed25519_sign},
    {"ml-dsa-44-sign", run_mldsa_44_sign},
    {"scrypt", run_scrypt},
    {"pbkdf2-sha256", run_pbkdf2_sha256},
    {"argon2id", run_argon2id},
    {"merkle", run_merkle},
};

static bool (*runner_find(const char *type))(struct record *)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(runners); i++) {
        if (strcmp(runners[i].type, type) == 0)
            return runners[i].run;
    }
    broken("unknown type", type);
}

static void field_add(struct record *record, const char *line)
{
    char *copy = strdup(line);
    char *equals = copy != NULL ? strchr(copy, '=') : NULL;

    if (equals == NULL || record->count == FIELDS_MAX)
        broken("no field, or one too many", line);
    *equals = '\0';
    record->fields[record->count++] = (struct field){.name = copy, .text = equals + 1};
}

/* Reads lines up to an empty one or the end of the file. Returns whether there were any. */
static bool record_read(FILE *file, struct record *record)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    record_clear(record);
    while ((length = getline(&line, &size, file)) > 0) {
        if (line[length - 1] == '\n')
            line[--length] = '\0';
        if (length == 0 && record->count > 0)
            break;
        if (length > 0 && line[0] != '#')
            field_add(record, line);
    }
    free(line);
    return record->count > 0;
}

static int run_file(FILE *file, const char *name)
{
    struct record record = {0};
    bool (*run)(struct record *);
    unsigned count = 0;
    unsigned failed = 0;

    if (!record_read(file, &record))
        broken("empty", name);
    run = runner_find(text_of(&record, "type"));
    while (record_read(file, &record)) {
        count++;
        if (!run(&record)) {
            failed++;
            printf("%s: vector %s failed (%s)\n", name, text_of(&record, "id"), sherd_err_detail());
        }
    }
    record_clear(&record);
    printf("%s: %u vectors run, %u failed\n", name, count, failed);
    return count > 0 && failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    int status;

    if (file == NULL) {
        fprintf(stderr, "usage: test_vectors FILE.txt, which can be read\n");
        return 2;
    }
    if (sherd_crypto_init() != SHERD_OK) {
        fprintf(stderr, "%s\n", sherd_err_detail());
        fclose(file);
        return 1;
    }
    status = run_file(file, strrchr(argv[1], '/') != NULL ? strrchr(argv[1], '/') + 1 : argv[1]);
    fclose(file);
    return status;
}
