/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seal of the root key. The first byte of an input says what the rest is:
 *
 *     0  a seal file as it might lie there
 *     1  a header of 76 bytes, under which a root key is sealed by a known key file, so that all of its fields are met
 *        by a seal whose tag is right
 *     2  the text of a key file: there is one form of it, and it unseals what it sealed
 *     3  the text of a share that is sealed by a passphrase
 *     4  a seal by shares or parts without its root key, behind its length, and the text of shares: the root key is
 *        sealed under what the right shares of fuzz/seeds.py give, so that they open it
 *     5  such a seal, another one behind its length, and what stands behind that in a file of new shares; an odd first
 *        byte stands for the right digest
 *
 * A seal is always opened by a key file, and a share by no passphrase: one costs a third of a second.
 */
#include "anchor/ring/seals_inside.h"
#include "anchor/seal/share_seal.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include <stdlib.h>

#define HEADER_SIZE 76U

static const char key_text[] = "sherd-key-1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
static const struct sherd_root_key root = {{0x70}};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static enum sherd_err open_by(struct sherd_span key_file, struct sherd_span file, struct sherd_root_key *out_root,
                              struct sherd_uuid *out_deployment)
{
    const struct sherd_unseal unseal = {.key_file = key_file};

    return sherd_seal_open(file, &unseal, out_root, out_deployment);
}

static void fuzz_file(struct sherd_span file)
{
    struct sherd_root_key opened;
    struct sherd_uuid deployment;
    char text[32];
    const enum sherd_err err = open_by(sherd_span_str(key_text), file, &opened, &deployment);

    must(err == SHERD_ERR_DENIED || err == SHERD_ERR_UNSUPPORTED); /* nobody without the key makes one that opens */
    sherd_seal_describe(file, text);
    must(memchr(text, 0, sizeof(text)) != NULL);
}

/* The key of the known key file, or of the known shares, as docs/format/vault.md says. */
static void derive(const uint8_t *salt, const char *info, uint8_t key[static 32])
{
    uint8_t bytes[32];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    must(sherd_hkdf(SHERD_SHA512, sherd_span_of(bytes, 32), sherd_span_of(salt, 32), sherd_span_str(info), key, 32) ==
         SHERD_OK);
}

/* Whether a header is one of a key file, byte for byte. */
static bool is_canonical(const uint8_t *header)
{
    static const uint8_t front[28] = {'S', 'H', 'R', 'D', 'S', 'E', 'A', 'L', 0, 1, 0, 1, 2};

    return memcmp(header, front, 14) == 0 && header[14] <= 1 && memcmp(header + 15, front + 15, 13) == 0;
}

static void fuzz_header(struct sherd_span input)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    static const uint8_t aead_salt[SHERD_AEAD_SALT_SIZE] = {1};
    struct sherd_root_key opened;
    struct sherd_uuid deployment;
    struct sherd_span header;
    uint8_t key[32];

    if (!sherd_span_take(&input, HEADER_SIZE, &header))
        return;
    derive(header.data + 44, "sherd key file 1", key);
    must(sherd_buf_append(&file, header) == SHERD_OK);
    must(sherd_aead_seal_salted(key, header, aead_salt, sherd_span_of(root.bytes, 32), &file) == SHERD_OK);
    must(file.len == SHERD_SEAL_BYTES);
    const enum sherd_err err = open_by(sherd_span_str(key_text), sherd_buf_span(&file), &opened, &deployment);
    must((err == SHERD_OK) == is_canonical(header.data));
    if (err == SHERD_OK)
        must(sherd_same(&opened, &root, sizeof(root)) && sherd_same(deployment.bytes, header.data + 28, 16));
    else
        must(err == SHERD_ERR_DENIED || err == SHERD_ERR_UNSUPPORTED);
}

static bool is_key_file(struct sherd_span text)
{
    if (text.len != SHERD_KEY_FILE_TEXT_BYTES || memcmp(text.data, "sherd-key-1:", 12) != 0 || text.data[76] != '\n')
        return false;
    for (size_t i = 12; i < 76; i++)
        if (text.data[i] == 0 || strchr("0123456789abcdef", text.data[i]) == NULL)
            return false;
    return true;
}

static void fuzz_key_file(struct sherd_span text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    const struct sherd_unseal unseal = {.key_file = text};
    const struct sherd_uuid made_for = {{0xde}};
    struct sherd_root_key opened;
    struct sherd_uuid deployment;
    uint8_t other[SHERD_KEY_FILE_TEXT_BYTES];
    const enum sherd_err err = sherd_seal_make(&root, &made_for, text.len > 75 && text.data[75] % 2 == 0, &unseal,
                                               &file);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID);
    must((err == SHERD_OK) == is_key_file(text));
    if (err != SHERD_OK) {
        must(file.len == 0);
        return;
    }
    must(open_by(text, sherd_buf_span(&file), &opened, &deployment) == SHERD_OK);
    must(sherd_same(&opened, &root, sizeof(root)) && sherd_same(&deployment, &made_for, sizeof(deployment)));
    memcpy(other, text.data, sizeof(other));
    other[12 + text.data[75] % 64] ^= '0' ^ '1'; /* another digit, or none at all */
    must(open_by(sherd_span_of(other, sizeof(other)), sherd_buf_span(&file), &opened, &deployment) != SHERD_OK);
}

static void fuzz_share(struct sherd_span text)
{
    static const char prefix[] = "sherd-sealed-share-1:";
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {.max = SHERD_SHARE_SEALED_BYTES_MAX};
    const enum sherd_err err = sherd_share_open(sherd_span_of(NULL, 0), text, &plain);

    must(err == SHERD_ERR_INVALID || err == SHERD_ERR_UNSUPPORTED);
    must(plain.len == 0);
    must(sherd_share_is_sealed(text) == (text.len >= 21 && memcmp(text.data, prefix, 21) == 0));
}

/* The front of a seal by shares, behind its length; and that seal, of the known root key. False: there is none. */
static bool take_front(struct sherd_span *input, struct sherd_buf *out_file)
{
    static const uint8_t aead_salt[SHERD_AEAD_SALT_SIZE] = {2};
    struct sherd_span length;
    struct sherd_span front;
    uint8_t key[32];

    if (!sherd_span_take(input, 2, &length) || !sherd_span_take(input, sherd_get_u16(length.data), &front) ||
        front.len < HEADER_SIZE)
        return false;
    derive(front.data + 44, "sherd seal shares 1", key);
    must(sherd_buf_append(out_file, front) == SHERD_OK);
    must(sherd_aead_seal_salted(key, front, aead_salt, sherd_span_of(root.bytes, 32), out_file) == SHERD_OK);
    return true;
}

/* What was read of a seal by shares, written again. */
static void check_shares_seal(struct sherd_span file, const struct sherd_shares_seal *seal)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};

    must(seal->bytes <= file.len && seal->set.count >= 1 && seal->set.threshold >= 1);
    must(sherd_share_set_encode(&seal->set, &again) == SHERD_OK);
    for (unsigned i = 0; i < seal->set.count; i++) {
        const uint8_t length = (uint8_t)strnlen(seal->holders[i], sizeof(seal->holders[i]));

        must(length < sizeof(seal->holders[i]));
        must(sherd_buf_append(&again, sherd_span_of(&length, 1)) == SHERD_OK);
        must(sherd_buf_append(&again, sherd_span_str(seal->holders[i])) == SHERD_OK);
    }
    must(seal->bytes == HEADER_SIZE + again.len + SHERD_SEAL_BYTES - HEADER_SIZE);
    must(sherd_same(file.data + HEADER_SIZE, again.data, again.len));
}

static void fuzz_shares(struct sherd_span input)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *seal = sherd_secret_alloc(sizeof(*seal));
    struct sherd_root_key opened;
    struct sherd_uuid deployment;
    char text[32];

    if (!take_front(&input, &file))
        return;
    const struct sherd_unseal unseal = {.shares = input};
    const enum sherd_err read = sherd_shares_seal_read(sherd_buf_span(&file), seal);
    const enum sherd_err err = sherd_seal_open(sherd_buf_span(&file), &unseal, &opened, &deployment);
    must(read == SHERD_OK || read == SHERD_ERR_DENIED || read == SHERD_ERR_UNSUPPORTED);
    must(err == SHERD_OK || err == SHERD_ERR_DENIED || err == SHERD_ERR_UNSUPPORTED || err == SHERD_ERR_INVALID ||
         err == SHERD_ERR_SEALED || err == SHERD_ERR_TAMPERED);
    if (read == SHERD_OK)
        check_shares_seal(sherd_buf_span(&file), seal);
    if (err == SHERD_OK)
        must(read == SHERD_OK && seal->bytes == file.len && sherd_same(&opened, &root, sizeof(root)) &&
             sherd_same(deployment.bytes, file.data + 28, 16));
    sherd_seal_describe(sherd_buf_span(&file), text);
    must(memchr(text, 0, sizeof(text)) != NULL);
}

static void fuzz_new_shares(struct sherd_span input)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf old_file = {0};
    SHERD_CLEANUP(sherd_new_shares_done) struct sherd_new_shares new_shares = {0};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *old = sherd_secret_alloc(sizeof(*old));
    struct sherd_span flag;
    struct sherd_digest digest;

    if (!take_front(&input, &old_file) || !take_front(&input, &new_shares.file) || !sherd_span_take(&input, 1, &flag) ||
        sherd_shares_seal_read(sherd_buf_span(&old_file), old) != SHERD_OK)
        return;
    must(sherd_new_shares_digest(sherd_buf_span(&new_shares.file), &digest) == SHERD_OK);
    if (flag.data[0] % 2 == 1)
        must(sherd_buf_append(&new_shares.file, sherd_span_of(digest.bytes, sizeof(digest.bytes))) == SHERD_OK);
    must(sherd_buf_append(&new_shares.file, input) == SHERD_OK);
    const enum sherd_err err = sherd_new_shares_parse(old, 1, &new_shares);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED || err == SHERD_ERR_UNSUPPORTED || err == SHERD_ERR_NOT_FOUND);
    if (err != SHERD_OK)
        return;
    check_shares_seal(sherd_buf_span(&new_shares.file), new_shares.seal);
    must(new_shares.seal->set.generation > old->set.generation);
    for (unsigned index = 1; index <= new_shares.seal->set.count; index++)
        must(*sherd_new_shares_mark(&new_shares, index) <= 1);
    must(sherd_new_shares_mark(&new_shares, new_shares.seal->set.count) + SHERD_SEAL_CONFIRM_SIZE ==
         new_shares.file.data + new_shares.file.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span kind;

    must(sherd_crypto_init() == SHERD_OK);
    if (!sherd_span_take(&input, 1, &kind))
        return 0;
    switch (kind.data[0] % 6) {
    case 0: fuzz_file(input); break;
    case 1: fuzz_header(input); break;
    case 2: fuzz_key_file(input); break;
    case 3: fuzz_share(input); break;
    case 4: fuzz_shares(input); break;
    default: fuzz_new_shares(input); break;
    }
    return 0;
}
