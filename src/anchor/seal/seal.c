/* SPDX-License-Identifier: Apache-2.0 */
/* Seals by a passphrase and by a key file, and what all seals have: see seal.h and docs/format/vault.md. */
#include "anchor/seal/seal.h"
#include "anchor/seal/seal_inside.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/approved.h"
#include <stdio.h>

#define MAGIC "SHRDSEAL"
#define KEY_FILE_PREFIX "sherd-key-1:"
#define KEY_FILE_PREFIX_BYTES (sizeof(KEY_FILE_PREFIX) - 1)

/* --- the header --------------------------------------------------------------------------------------------------- */

void sherd_seal_header_encode(const struct sherd_seal_header *header, uint8_t out[static SHERD_SEAL_HEADER_SIZE])
{
    memset(out, 0, SHERD_SEAL_HEADER_SIZE);
    memcpy(out, MAGIC, 8);
    sherd_put_u16(out + 8, SHERD_FORMAT);
    sherd_put_u16(out + 10, SHERD_SUITE);
    out[12] = (uint8_t)header->kind;
    out[13] = (uint8_t)header->hash.alg;
    out[14] = header->fips;
    sherd_put_u32(out + 16, header->hash.cost);
    sherd_put_u32(out + 20, header->hash.block);
    sherd_put_u32(out + 24, header->hash.parallel);
    memcpy(out + 28, header->deployment.bytes, 16);
    memcpy(out + 44, header->salt, SHERD_SEAL_SALT_SIZE);
}

enum sherd_err sherd_seal_denied(void)
{
    return sherd_fail(SHERD_ERR_DENIED, "the vault does not unseal: the passphrase or key file is wrong, or "
                                        "anchor/seals was changed");
}

/* A passphrase has a hash, nothing else has. */
static bool hash_fits_kind(const struct sherd_seal_header *header)
{
    const struct sherd_pwhash_params *hash = &header->hash;

    if (header->kind == SHERD_SEAL_PASSPHRASE)
        return true;
    return hash->alg == 0 && hash->cost == 0 && hash->block == 0 && hash->parallel == 0;
}

enum sherd_err sherd_seal_header_decode(struct sherd_span file, struct sherd_seal_header *out_header)
{
    struct sherd_seal_header header = {0};
    uint8_t again[SHERD_SEAL_HEADER_SIZE];

    if (file.len < SHERD_SEAL_HEADER_SIZE || !sherd_same(file.data, MAGIC, 8))
        return sherd_seal_denied();
    if (sherd_get_u16(file.data + 8) != SHERD_FORMAT || sherd_get_u16(file.data + 10) != SHERD_SUITE)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "the seal has a format that this version of sherd does not know: "
                                                 "use a newer sherd");
    header.kind = (enum sherd_seal_kind)file.data[12];
    header.hash.alg = (enum sherd_pwhash_alg)file.data[13];
    header.fips = file.data[14] == 1;
    header.hash.cost = sherd_get_u32(file.data + 16);
    header.hash.block = sherd_get_u32(file.data + 20);
    header.hash.parallel = sherd_get_u32(file.data + 24);
    memcpy(header.deployment.bytes, file.data + 28, 16);
    memcpy(header.salt, file.data + 44, SHERD_SEAL_SALT_SIZE);
    sherd_seal_header_encode(&header, again);
    if (!sherd_same(again, file.data, SHERD_SEAL_HEADER_SIZE) || !hash_fits_kind(&header))
        return sherd_seal_denied();
    *out_header = header;
    return SHERD_OK;
}

static bool by_shares(enum sherd_seal_kind kind)
{
    return kind == SHERD_SEAL_SHARES || kind == SHERD_SEAL_PARTS;
}

/* The header of a seal by a passphrase or a key file. */
static enum sherd_err decode_header(struct sherd_span file, struct sherd_seal_header *out_header)
{
    SHERD_TRY(sherd_seal_header_decode(file, out_header));
    if (file.len != SHERD_SEAL_BYTES ||
        (out_header->kind != SHERD_SEAL_PASSPHRASE && out_header->kind != SHERD_SEAL_KEY_FILE))
        return sherd_seal_denied();
    return SHERD_OK;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

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

static enum sherd_err key_of_file(struct sherd_span text, const struct sherd_seal_header *header,
                                  struct sherd_seal_key *out_key)
{
    uint8_t *ikm = sherd_secret_alloc(SHERD_KEY_SIZE);

    if (ikm == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = decode_key_file(text, ikm);
    if (err == SHERD_OK)
        err = sherd_hkdf(SHERD_SHA512, sherd_span_of(ikm, SHERD_KEY_SIZE),
                         sherd_span_of(header->salt, SHERD_SEAL_SALT_SIZE), sherd_span_str("sherd key file 1"),
                         out_key->bytes, sizeof(out_key->bytes));
    sherd_secret_free(ikm);
    return err;
}

static enum sherd_err derive_key(const struct sherd_unseal *unseal, const struct sherd_seal_header *header,
                                 struct sherd_seal_key *out_key)
{
    if (header->kind == SHERD_SEAL_KEY_FILE)
        return key_of_file(unseal->key_file, header, out_key);
    return sherd_pwhash(&header->hash, unseal->passphrase, sherd_span_of(header->salt, SHERD_SEAL_SALT_SIZE),
                        out_key->bytes, sizeof(out_key->bytes));
}

enum sherd_err sherd_unseal_check(const struct sherd_unseal *unseal)
{
    SHERD_ENSURE(unseal != NULL &&
                     (unseal->passphrase.len > 0) + (unseal->key_file.len > 0) + (unseal->shares.len > 0) == 1,
                 SHERD_ERR_INVALID, "give a passphrase, a key file or shares, and only one of these");
    SHERD_ENSURE(unseal->passphrase.len <= SHERD_PASSPHRASE_BYTES_MAX, SHERD_ERR_INVALID,
                 "a passphrase has at most 1024 bytes");
    return SHERD_OK;
}

bool sherd_unseal_fits(const struct sherd_unseal *unseal, enum sherd_seal_kind kind)
{
    if (kind == SHERD_SEAL_PASSPHRASE)
        return unseal->passphrase.len > 0;
    return kind == SHERD_SEAL_KEY_FILE ? unseal->key_file.len > 0 : by_shares(kind) && unseal->shares.len > 0;
}

/* --- sealing and opening ------------------------------------------------------------------------------------------ */

enum sherd_err sherd_seal_make(const struct sherd_root_key *root, const struct sherd_uuid *deployment, bool fips,
                               const struct sherd_unseal *unseal, struct sherd_buf *out_file)
{
    struct sherd_seal_header header = {.fips = fips, .deployment = *deployment};
    uint8_t bytes[SHERD_SEAL_HEADER_SIZE];

    SHERD_TRY(sherd_unseal_check(unseal));
    SHERD_ENSURE(unseal->shares.len == 0, SHERD_ERR_INVALID, "a seal by shares makes its own: give options for them");
    header.kind = unseal->passphrase.len > 0 ? SHERD_SEAL_PASSPHRASE : SHERD_SEAL_KEY_FILE;
    if (header.kind == SHERD_SEAL_PASSPHRASE)
        header.hash = sherd_pwhash_for(fips);
    SHERD_TRY(sherd_random(header.salt, sizeof(header.salt)));
    sherd_seal_header_encode(&header, bytes);

    struct sherd_seal_key *key = sherd_secret_alloc(sizeof(*key));
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

enum sherd_err sherd_seal_open_root(struct sherd_span file, const struct sherd_seal_key *key,
                                    struct sherd_root_key *out_root)
{
    struct sherd_buf root = sherd_buf_borrow(out_root->bytes, sizeof(out_root->bytes));
    const size_t context_bytes = file.len - SHERD_SEAL_ROOT_SIZE;
    const struct sherd_span sealed = {file.data + context_bytes, SHERD_SEAL_ROOT_SIZE};
    const enum sherd_err err = sherd_aead_open(key->bytes, sherd_span_of(file.data, context_bytes), sealed, &root);

    return err == SHERD_ERR_TAMPERED ? sherd_seal_denied() : err;
}

static enum sherd_err open_by_shares(struct sherd_span file, struct sherd_span text, struct sherd_root_key *out_root,
                                     struct sherd_uuid *out_deployment)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *shares = sherd_secret_alloc(sizeof(*shares));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *seal = sherd_secret_alloc(sizeof(*seal));

    if (shares == NULL || seal == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shares_seal_read(file, seal));
    if (seal->bytes != file.len)
        return sherd_seal_denied();
    SHERD_TRY(sherd_shares_parse(text, shares));
    SHERD_TRY(sherd_shares_seal_open(file, seal, shares, out_root));
    *out_deployment = seal->deployment;
    return SHERD_OK;
}

static enum sherd_err wants(const struct sherd_seal_header *header)
{
    const char *text = by_shares(header->kind)               ? "shares"
                       : header->kind == SHERD_SEAL_KEY_FILE ? "a key file"
                                                             : "a passphrase";

    return sherd_fail(SHERD_ERR_DENIED, "this vault is sealed by %s: give %s", text,
                      by_shares(header->kind) ? "them" : "it");
}

static enum sherd_err open_by_key(struct sherd_span file, const struct sherd_unseal *unseal,
                                  const struct sherd_seal_header *header, struct sherd_root_key *out_root)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_seal_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(header->kind != SHERD_SEAL_PASSPHRASE || sherd_pwhash_supported(&header->hash), SHERD_ERR_UNSUPPORTED,
                 "the seal's passphrase hash is not one that this sherd can compute");
    if (header->kind == SHERD_SEAL_PASSPHRASE)
        SHERD_TRY(sherd_approved_pwhash(header->fips, &header->hash));
    SHERD_TRY(derive_key(unseal, header, key));
    return sherd_seal_open_root(file, key, out_root);
}

enum sherd_err sherd_seal_open(struct sherd_span file, const struct sherd_unseal *unseal,
                               struct sherd_root_key *out_root, struct sherd_uuid *out_deployment)
{
    struct sherd_seal_header header;

    SHERD_TRY(sherd_unseal_check(unseal));
    SHERD_TRY(sherd_seal_header_decode(file, &header));
    if (!by_shares(header.kind))
        SHERD_TRY(decode_header(file, &header));
    if (!sherd_unseal_fits(unseal, header.kind))
        return wants(&header);
    if (by_shares(header.kind))
        return open_by_shares(file, unseal->shares, out_root, out_deployment);
    SHERD_TRY(open_by_key(file, unseal, &header, out_root));
    *out_deployment = header.deployment;
    return SHERD_OK;
}

bool sherd_seal_fips(struct sherd_span file)
{
    struct sherd_seal_header header;

    return sherd_seal_header_decode(file, &header) == SHERD_OK && header.fips;
}

enum sherd_seal_kind sherd_seal_kind_of(struct sherd_span file)
{
    struct sherd_seal_header header;

    if (sherd_seal_header_decode(file, &header) != SHERD_OK ||
        (!by_shares(header.kind) && decode_header(file, &header) != SHERD_OK))
        return SHERD_SEAL_UNKNOWN;
    return header.kind;
}

static void describe_shares(struct sherd_span file, char out_text[32])
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *seal = sherd_secret_alloc(sizeof(*seal));

    (void)snprintf(out_text, 32, "unknown");
    if (seal == NULL || sherd_shares_seal_read(file, seal) != SHERD_OK)
        return;
    if (seal->set.kind == SHERD_SHARE_XOR)
        (void)snprintf(out_text, 32, "%u parts", seal->set.count);
    else
        (void)snprintf(out_text, 32, "%u of %u shares", seal->set.threshold, seal->set.count);
}

static const char *passphrase_text(enum sherd_pwhash_alg alg)
{
    switch (alg) {
    case SHERD_PWHASH_ARGON2ID: return "passphrase (Argon2id)";
    case SHERD_PWHASH_PBKDF2: return "passphrase (PBKDF2)";
    case SHERD_PWHASH_SCRYPT: break;
    }
    return "passphrase (scrypt)";
}

void sherd_seal_describe(struct sherd_span file, char out_text[32])
{
    const enum sherd_seal_kind kind = sherd_seal_kind_of(file);
    const char *text = "unknown";

    if (by_shares(kind)) {
        describe_shares(file, out_text);
        return;
    }
    if (kind == SHERD_SEAL_KEY_FILE)
        text = "key file";
    else if (kind == SHERD_SEAL_PASSPHRASE)
        text = passphrase_text((enum sherd_pwhash_alg)file.data[13]);
    (void)snprintf(out_text, 32, "%s", text);
}

/* --- key files ---------------------------------------------------------------------------------------------------- */

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
