/* SPDX-License-Identifier: Apache-2.0 */
/* The seal of the root key: see seal.h and docs/format/vault.md. */
#include "anchor/seal.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/pwhash.h"
#include <stdio.h>

#define MAGIC "SHRDSEAL"
#define KEY_FILE_PREFIX "sherd-key-1:"
#define KEY_FILE_PREFIX_BYTES (sizeof(KEY_FILE_PREFIX) - 1)
#define SALT_SIZE 32U
#define HEADER_SIZE 76U

enum seal_kind {
    SEAL_NONE = 0,
    SEAL_PASSPHRASE = 1,
    SEAL_KEY_FILE = 2,
};

struct seal_header {
    enum seal_kind kind;
    struct sherd_pwhash_params hash; /* all zero for a key file */
    struct sherd_uuid deployment;
    uint8_t salt[SALT_SIZE];
};

/* A key that comes from a passphrase or a key file; lies in secret memory. */
struct seal_key {
    uint8_t bytes[SHERD_AEAD_KEY_SIZE];
};

static void encode_header(const struct seal_header *header, uint8_t out[static HEADER_SIZE])
{
    memset(out, 0, HEADER_SIZE);
    memcpy(out, MAGIC, 8);
    sherd_put_u16(out + 8, SHERD_FORMAT);
    sherd_put_u16(out + 10, SHERD_SUITE);
    out[12] = (uint8_t)header->kind;
    out[13] = (uint8_t)header->hash.alg;
    sherd_put_u32(out + 16, header->hash.cost);
    sherd_put_u32(out + 20, header->hash.block);
    sherd_put_u32(out + 24, header->hash.parallel);
    memcpy(out + 28, header->deployment.bytes, 16);
    memcpy(out + 44, header->salt, SALT_SIZE);
}

static enum sherd_err denied(void)
{
    return sherd_fail(SHERD_ERR_DENIED, "the vault does not unseal: the passphrase or key file is wrong, or "
                                        "anchor/seals was changed");
}

/* A passphrase has a hash, a key file none. */
static bool hash_fits_kind(const struct seal_header *header)
{
    const struct sherd_pwhash_params *hash = &header->hash;

    if (header->kind == SEAL_KEY_FILE)
        return hash->alg == 0 && hash->cost == 0 && hash->block == 0 && hash->parallel == 0;
    return header->kind == SEAL_PASSPHRASE;
}

static enum sherd_err decode_header(struct sherd_span file, struct seal_header *out_header)
{
    struct seal_header header = {0};
    uint8_t again[HEADER_SIZE];

    if (file.len < HEADER_SIZE || !sherd_same(file.data, MAGIC, 8))
        return denied();
    if (sherd_get_u16(file.data + 8) != SHERD_FORMAT || sherd_get_u16(file.data + 10) != SHERD_SUITE)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "the seal has a format that this version of sherd does not know: "
                                                 "use a newer sherd");
    header.kind = (enum seal_kind)file.data[12];
    header.hash.alg = (enum sherd_pwhash_alg)file.data[13];
    header.hash.cost = sherd_get_u32(file.data + 16);
    header.hash.block = sherd_get_u32(file.data + 20);
    header.hash.parallel = sherd_get_u32(file.data + 24);
    memcpy(header.deployment.bytes, file.data + 28, 16);
    memcpy(header.salt, file.data + 44, SALT_SIZE);
    encode_header(&header, again);
    if (!sherd_same(again, file.data, HEADER_SIZE) || file.len != SHERD_SEAL_BYTES || !hash_fits_kind(&header))
        return denied();
    *out_header = header;
    return SHERD_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum sherd_err decode_key_file(struct sherd_span text, uint8_t out[static SHERD_KEY_SIZE])
{
    int wrong = 0;

    if (text.len != SHERD_KEY_FILE_TEXT_BYTES || !sherd_same(text.data, KEY_FILE_PREFIX, KEY_FILE_PREFIX_BYTES) ||
        text.data[text.len - 1] != '\n')
        return sherd_fail(SHERD_ERR_INVALID, "the key file is not one that `sherd keygen` made");
    const uint8_t *digits = text.data + KEY_FILE_PREFIX_BYTES;
    for (size_t i = 0; i < SHERD_KEY_SIZE; i++) {
        const int high = hex_digit(digits[2 * i]);
        const int low = hex_digit(digits[2 * i + 1]);

        wrong |= high | low;
        out[i] = (uint8_t)(((unsigned)high << 4 | ((unsigned)low & 15U)) & 0xffU);
    }
    if (wrong < 0)
        return sherd_fail(SHERD_ERR_INVALID, "the key file is not one that `sherd keygen` made");
    return SHERD_OK;
}

static enum sherd_err key_of_file(struct sherd_span text, const struct seal_header *header, struct seal_key *out_key)
{
    uint8_t *ikm = sherd_secret_alloc(SHERD_KEY_SIZE);

    if (ikm == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = decode_key_file(text, ikm);
    if (err == SHERD_OK)
        err = sherd_hkdf(SHERD_SHA512, sherd_span_of(ikm, SHERD_KEY_SIZE), sherd_span_of(header->salt, SALT_SIZE),
                         sherd_span_str("sherd key file 1"), out_key->bytes, sizeof(out_key->bytes));
    sherd_secret_free(ikm);
    return err;
}

static enum sherd_err derive_key(const struct sherd_unseal *unseal, const struct seal_header *header,
                                 struct seal_key *out_key)
{
    if (header->kind == SEAL_KEY_FILE)
        return key_of_file(unseal->key_file, header, out_key);
    return sherd_pwhash(&header->hash, unseal->passphrase, sherd_span_of(header->salt, SALT_SIZE), out_key->bytes,
                        sizeof(out_key->bytes));
}

/* Exactly one way to unseal, within its bounds. */
static enum sherd_err check_unseal(const struct sherd_unseal *unseal)
{
    SHERD_ENSURE(unseal != NULL && (unseal->passphrase.len > 0) != (unseal->key_file.len > 0), SHERD_ERR_INVALID,
                 "give a passphrase or a key file, and not both");
    SHERD_ENSURE(unseal->passphrase.len <= SHERD_PASSPHRASE_BYTES_MAX, SHERD_ERR_INVALID,
                 "a passphrase has at most 1024 bytes");
    return SHERD_OK;
}

enum sherd_err sherd_seal_make(const struct sherd_root_key *root, const struct sherd_uuid *deployment,
                               const struct sherd_unseal *unseal, struct sherd_buf *out_file)
{
    struct seal_header header = {.deployment = *deployment};
    uint8_t bytes[HEADER_SIZE];

    SHERD_TRY(check_unseal(unseal));
    header.kind = unseal->passphrase.len > 0 ? SEAL_PASSPHRASE : SEAL_KEY_FILE;
    if (header.kind == SEAL_PASSPHRASE)
        header.hash = sherd_pwhash_default();
    SHERD_TRY(sherd_random(header.salt, sizeof(header.salt)));
    encode_header(&header, bytes);

    struct seal_key *key = sherd_secret_alloc(sizeof(*key));
    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = derive_key(unseal, &header, key);
    if (err == SHERD_OK)
        err = sherd_buf_append(out_file, sherd_span_of(bytes, sizeof(bytes)));
    if (err == SHERD_OK)
        err = sherd_aead_seal(key->bytes, sherd_span_of(bytes, sizeof(bytes)),
                              sherd_span_of(root->bytes, sizeof(root->bytes)), out_file);
    sherd_secret_free(key);
    return err;
}

static enum sherd_err open_root(struct sherd_span file, const struct seal_key *key, struct sherd_root_key *out_root)
{
    struct sherd_buf root = sherd_buf_borrow(out_root->bytes, sizeof(out_root->bytes));
    const struct sherd_span sealed = {file.data + HEADER_SIZE, file.len - HEADER_SIZE};
    const enum sherd_err err = sherd_aead_open(key->bytes, sherd_span_of(file.data, HEADER_SIZE), sealed, &root);

    return err == SHERD_ERR_TAMPERED ? denied() : err;
}

enum sherd_err sherd_seal_open(struct sherd_span file, const struct sherd_unseal *unseal,
                               struct sherd_root_key *out_root, struct sherd_uuid *out_deployment)
{
    struct seal_header header;

    SHERD_TRY(check_unseal(unseal));
    SHERD_TRY(decode_header(file, &header));
    if (header.kind == SEAL_PASSPHRASE) {
        SHERD_ENSURE(unseal->passphrase.len > 0, SHERD_ERR_DENIED, "this vault is sealed by a passphrase: give it");
        SHERD_ENSURE(sherd_pwhash_supported(&header.hash), SHERD_ERR_UNSUPPORTED,
                     "the seal's passphrase hash is not one that this sherd can compute");
    } else {
        SHERD_ENSURE(unseal->key_file.len > 0, SHERD_ERR_DENIED, "this vault is sealed by a key file: give it");
    }

    struct seal_key *key = sherd_secret_alloc(sizeof(*key));
    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = derive_key(unseal, &header, key);
    if (err == SHERD_OK)
        err = open_root(file, key, out_root);
    if (err == SHERD_OK)
        *out_deployment = header.deployment;
    sherd_secret_free(key);
    return err;
}

void sherd_seal_describe(struct sherd_span file, char out_text[32])
{
    struct seal_header header;
    const char *text = "unknown";

    if (decode_header(file, &header) == SHERD_OK) {
        if (header.kind == SEAL_KEY_FILE)
            text = "key file";
        else
            text = header.hash.alg == SHERD_PWHASH_ARGON2ID ? "passphrase (Argon2id)" : "passphrase (scrypt)";
    }
    (void)snprintf(out_text, 32, "%s", text);
}

enum sherd_err sherd_key_file_new(struct sherd_buf *out_text)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *block = sherd_secret_alloc(SHERD_KEY_SIZE + SHERD_KEY_FILE_TEXT_BYTES);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    uint8_t *text = block + SHERD_KEY_SIZE;
    enum sherd_err err = sherd_random(block, SHERD_KEY_SIZE);
    if (err == SHERD_OK) {
        memcpy(text, KEY_FILE_PREFIX, KEY_FILE_PREFIX_BYTES);
        for (size_t i = 0; i < SHERD_KEY_SIZE; i++) {
            text[KEY_FILE_PREFIX_BYTES + 2 * i] = (uint8_t)digits[block[i] >> 4];
            text[KEY_FILE_PREFIX_BYTES + 2 * i + 1] = (uint8_t)digits[block[i] & 15];
        }
        text[SHERD_KEY_FILE_TEXT_BYTES - 1] = '\n';
        err = sherd_buf_append(out_text, sherd_span_of(text, SHERD_KEY_FILE_TEXT_BYTES));
    }
    sherd_secret_free(block);
    return err;
}
