/* SPDX-License-Identifier: Apache-2.0 */
/* Shares sealed by a passphrase: see share_seal.h and docs/format/share.md, section 5.4. */
#include "anchor/seal/share_seal.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/approved.h"
#include "envelope/base64.h"
#include "envelope/context.h"
#include <string.h>

#define PREFIX "sherd-sealed-share-1:"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define MAGIC "SHRDHOLD"
#define SALT_SIZE 32U
#define HEADER_SIZE (8U + 2U + 2U + 4U + SALT_SIZE)
#define FILE_BYTES_MAX (HEADER_SIZE + SHERD_SHARE_SEALED_BYTES_MAX + 128U)

struct header {
    struct sherd_pwhash_params hash; /* always PBKDF2 */
    uint8_t bytes[HEADER_SIZE];      /* with the salt at its end */
};

/* The key that a share is encrypted under; lies in secret memory. */
struct holder_key {
    uint8_t bytes[SHERD_AEAD_KEY_SIZE];
};

static struct sherd_span salt_of(const struct header *header)
{
    return sherd_span_of(header->bytes + HEADER_SIZE - SALT_SIZE, SALT_SIZE);
}

static enum sherd_err header_new(struct header *header)
{
    header->hash = sherd_pwhash_approved();
    memcpy(header->bytes, MAGIC, 8);
    sherd_put_u16(header->bytes + 8, SHERD_FORMAT);
    sherd_put_u16(header->bytes + 10, SHERD_SUITE);
    sherd_put_u32(header->bytes + 12, header->hash.cost);
    return sherd_random(header->bytes + HEADER_SIZE - SALT_SIZE, SALT_SIZE);
}

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_INVALID, "this is no sealed share, or only a part of one");
}

static enum sherd_err header_read(struct sherd_span file, struct header *header)
{
    if (file.len < HEADER_SIZE || !sherd_same(file.data, MAGIC, 8))
        return malformed();
    memcpy(header->bytes, file.data, HEADER_SIZE);
    SHERD_ENSURE(sherd_get_u16(file.data + 8) == SHERD_FORMAT && sherd_get_u16(file.data + 10) == SHERD_SUITE,
                 SHERD_ERR_UNSUPPORTED, "the sealed share has a format that this version of sherd does not know");
    header->hash = sherd_pwhash_approved();
    header->hash.cost = sherd_get_u32(file.data + 12);
    SHERD_ENSURE(sherd_pwhash_supported(&header->hash), SHERD_ERR_INVALID,
                 "the sealed share asks for too many iterations, or for too few");
    return sherd_approved_pwhash(true, &header->hash);
}

static enum sherd_err derive(struct sherd_span passphrase, const struct header *header, struct holder_key *out_key)
{
    SHERD_ENSURE(passphrase.len > 0, SHERD_ERR_INVALID, "the passphrase is empty");
    return sherd_pwhash(&header->hash, passphrase, salt_of(header), out_key->bytes, sizeof(out_key->bytes));
}

enum sherd_err sherd_share_seal(struct sherd_span passphrase, struct sherd_span plain, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_secret_freep) struct holder_key *key = sherd_secret_alloc(sizeof(*key));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct header header;

    SHERD_ENSURE(plain.len <= SHERD_SHARE_SEALED_BYTES_MAX, SHERD_ERR_LIMIT, "this is too long for a share");
    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(header_new(&header));
    SHERD_TRY(derive(passphrase, &header, key));
    SHERD_TRY(sherd_buf_append(&file, sherd_span_of(header.bytes, HEADER_SIZE)));
    SHERD_TRY(sherd_aead_seal(key->bytes, sherd_span_of(header.bytes, HEADER_SIZE), plain, &file));
    SHERD_TRY(sherd_buf_append(&text, sherd_span_str(PREFIX)));
    SHERD_TRY(sherd_base64_encode(SHERD_BASE64_BARE, sherd_buf_span(&file), &text));
    SHERD_TRY(sherd_buf_append(&text, sherd_span_str("\n")));
    return sherd_buf_append(out_text, sherd_buf_span(&text));
}

bool sherd_share_is_sealed(struct sherd_span text)
{
    return text.len >= PREFIX_BYTES && sherd_same(text.data, PREFIX, PREFIX_BYTES);
}

/* The bytes of the text. */
static enum sherd_err decode(struct sherd_span text, struct sherd_buf *out_file)
{
    if (!sherd_share_is_sealed(text))
        return malformed();
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL && text.data[text.len - 1] != 0)
        text.len--;
    if (text.len < PREFIX_BYTES)
        return malformed();
    const enum sherd_err err = sherd_base64_decode(SHERD_BASE64_BARE,
                                                   sherd_span_of(text.data + PREFIX_BYTES, text.len - PREFIX_BYTES),
                                                   out_file);
    return err == SHERD_ERR_INVALID || err == SHERD_ERR_LIMIT ? malformed() : err;
}

enum sherd_err sherd_share_open(struct sherd_span passphrase, struct sherd_span text, struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_secret_freep) struct holder_key *key = sherd_secret_alloc(sizeof(*key));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = FILE_BYTES_MAX};
    struct header header;

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(decode(text, &file));
    SHERD_TRY(header_read(sherd_buf_span(&file), &header));
    SHERD_TRY(derive(passphrase, &header, key));
    const enum sherd_err err = sherd_aead_open(key->bytes, sherd_span_of(header.bytes, HEADER_SIZE),
                                               sherd_span_of(file.data + HEADER_SIZE, file.len - HEADER_SIZE),
                                               out_plain);
    return err == SHERD_ERR_TAMPERED
               ? sherd_fail(SHERD_ERR_DENIED,
                            "a sealed share does not open: the passphrase is wrong, or it was changed")
               : err;
}
