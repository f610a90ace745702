/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing and opening files of age:
 *
 *     header || nonce (16) || chunks of 64 KiB, each with a tag of 16 bytes
 *
 * A file key of 16 random bytes goes into the header once for each recipient. From it, by HKDF-SHA-256, come the key of
 * the header's MAC and, with the nonce, that of the payload. Chunk i is sealed by ChaCha20-Poly1305 under the nonce
 * i (11 bytes) || 1 for the last chunk, 0 for others.
 */
#include "envelope/age.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/chacha.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/scrypt.h"
#include "envelope/age_header.h"
#include "envelope/base64.h"
#include <stdio.h>

#define FILE_KEY_SIZE 16
#define WRAPPED_SIZE (FILE_KEY_SIZE + SHERD_CHACHA_TAG_SIZE)
#define PAYLOAD_NONCE_SIZE 16
#define SCRYPT_SALT_SIZE 16
#define CHUNK_SIZE ((size_t)65536)
#define SEALED_CHUNK_SIZE (CHUNK_SIZE + SHERD_CHACHA_TAG_SIZE)
/* Any kind, its arguments and a final zero byte. */
#define ARGS_SIZE 80

static const char x25519_label[] = "age-encryption.org/v1/X25519";
static const char scrypt_label[] = "age-encryption.org/v1/scrypt";

static const struct sherd_span none = {NULL, 0};
static const uint8_t zero_nonce[SHERD_CHACHA_NONCE_SIZE];

/* The secrets of one file. In secret memory. */
struct secrets {
    uint8_t file_key[FILE_KEY_SIZE];
    uint8_t key[SHERD_CHACHA_KEY_SIZE]; /* that wraps the file key, of the MAC, or of the payload */
    uint8_t shared[SHERD_X25519_SIZE];
    struct sherd_x25519_private ephemeral;
};

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "this is no file of age, or it was changed");
}

/* --- the file key, wrapped ---------------------------------------------------------------------------------------- */

/* HKDF-SHA-256(shared, ephemeral || recipient, label) */
static enum sherd_err x25519_key(struct secrets *secrets, const struct sherd_x25519_public *ephemeral,
                                 const struct sherd_x25519_public *recipient)
{
    uint8_t salt[2 * SHERD_X25519_SIZE];

    memcpy(salt, ephemeral->bytes, SHERD_X25519_SIZE);
    memcpy(salt + SHERD_X25519_SIZE, recipient->bytes, SHERD_X25519_SIZE);
    return sherd_hkdf(SHERD_SHA256, sherd_span_of(secrets->shared, sizeof(secrets->shared)),
                      sherd_span_of(salt, sizeof(salt)), sherd_span_str(x25519_label), secrets->key,
                      sizeof(secrets->key));
}

static enum sherd_err scrypt_key(struct secrets *secrets, struct sherd_span passphrase, unsigned work,
                                 const uint8_t *salt)
{
    const size_t label_chars = sizeof(scrypt_label) - 1;
    uint8_t labelled[sizeof(scrypt_label) - 1 + SCRYPT_SALT_SIZE];

    memcpy(labelled, scrypt_label, label_chars);
    memcpy(labelled + label_chars, salt, SCRYPT_SALT_SIZE);
    return sherd_scrypt_key(work, passphrase, sherd_span_of(labelled, sizeof(labelled)), secrets->key);
}

/* Appends a recipient: kind and arguments, and the file key under secrets->key. */
static enum sherd_err wrap(const struct secrets *secrets, const char *args, struct sherd_buf *out_header)
{
    uint8_t wrapped[WRAPPED_SIZE];

    SHERD_TRY(sherd_chacha_seal(secrets->key, zero_nonce, none, sherd_span_of(secrets->file_key, FILE_KEY_SIZE),
                                wrapped));
    return sherd_age_stanza_write(args, sherd_span_of(wrapped, sizeof(wrapped)), out_header);
}

/* Writes "front BASE64 back" as a text. */
static enum sherd_err args_write(const char *front, struct sherd_span bytes, const char *back, char out[ARGS_SIZE])
{
    uint8_t block[ARGS_SIZE];
    struct sherd_buf text = sherd_buf_borrow(block, sizeof(block));
    int length;

    SHERD_TRY(sherd_base64_encode(SHERD_BASE64_BARE, bytes, &text));
    length = snprintf(out, ARGS_SIZE, "%s %.*s%s", front, (int)text.len, (const char *)block, back);
    if (length < 0 || length >= ARGS_SIZE)
        sherd_bug("age: arguments of %d characters", length);
    return SHERD_OK;
}

static enum sherd_err x25519_wrap(struct secrets *secrets, const struct sherd_age_recipient *recipient,
                                  struct sherd_buf *out_header)
{
    struct sherd_x25519_public ephemeral;
    char args[ARGS_SIZE];

    SHERD_TRY(sherd_x25519_keygen(&secrets->ephemeral, &ephemeral));
    SHERD_TRY(sherd_x25519(&secrets->ephemeral, &recipient->key, secrets->shared));
    SHERD_TRY(x25519_key(secrets, &ephemeral, &recipient->key));
    SHERD_TRY(args_write("X25519", sherd_span_of(ephemeral.bytes, sizeof(ephemeral.bytes)), "", args));
    return wrap(secrets, args, out_header);
}

static enum sherd_err scrypt_wrap(struct secrets *secrets, struct sherd_span passphrase, unsigned work,
                                  struct sherd_buf *out_header)
{
    uint8_t salt[SCRYPT_SALT_SIZE];
    char work_text[16];
    char args[ARGS_SIZE];

    SHERD_TRY(sherd_random(salt, sizeof(salt)));
    SHERD_TRY(scrypt_key(secrets, passphrase, work, salt));
    (void)snprintf(work_text, sizeof(work_text), " %u", work);
    SHERD_TRY(args_write("scrypt", sherd_span_of(salt, sizeof(salt)), work_text, args));
    return wrap(secrets, args, out_header);
}

/* Decodes an argument that must be size bytes. */
static bool arg_decode(struct sherd_span arg, uint8_t *out, size_t size)
{
    struct sherd_buf bytes = sherd_buf_borrow(out, size);

    return sherd_base64_decode(SHERD_BASE64_BARE, arg, &bytes) == SHERD_OK && bytes.len == size;
}

/* The file key, if the key in secrets->key wraps it. SHERD_ERR_DENIED if not. */
static enum sherd_err unwrap(struct secrets *secrets, const struct sherd_age_stanza *stanza)
{
    const enum sherd_err err = sherd_chacha_open(secrets->key, zero_nonce, none,
                                                 sherd_span_of(stanza->body, WRAPPED_SIZE), secrets->file_key);

    return err == SHERD_ERR_TAMPERED ? SHERD_ERR_DENIED : err;
}

static enum sherd_err x25519_unwrap(struct secrets *secrets, const struct sherd_age_stanza *stanza,
                                    const struct sherd_age_identity *identities, size_t count)
{
    struct sherd_x25519_public ephemeral;
    struct sherd_age_recipient own;

    if (stanza->arg_count != 2 || !arg_decode(stanza->args[1], ephemeral.bytes, sizeof(ephemeral.bytes)) ||
        stanza->body_bytes != WRAPPED_SIZE)
        return tampered();
    for (size_t i = 0; i < count; i++) {
        SHERD_TRY(sherd_x25519(&identities[i].key, &ephemeral, secrets->shared));
        SHERD_TRY(sherd_age_recipient_of(&identities[i], &own));
        SHERD_TRY(x25519_key(secrets, &ephemeral, &own.key));
        const enum sherd_err err = unwrap(secrets, stanza);

        if (err != SHERD_ERR_DENIED)
            return err;
    }
    return SHERD_ERR_DENIED;
}

/* A decimal number of digits, the first of which is not 0. */
static enum sherd_err work_read(struct sherd_span text, unsigned *out_work)
{
    unsigned work = 0;

    if (text.data[0] == '0')
        return tampered();
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return tampered();
        if (work <= SHERD_AGE_WORK_MAX)
            work = work * 10 + (unsigned)(text.data[i] - '0');
    }
    SHERD_ENSURE(work <= SHERD_AGE_WORK_MAX, SHERD_ERR_LIMIT, "this age file asks for more than 2^22 rounds of scrypt");
    *out_work = work;
    return SHERD_OK;
}

static enum sherd_err scrypt_unwrap(struct secrets *secrets, const struct sherd_age_stanza *stanza,
                                    struct sherd_span passphrase)
{
    uint8_t salt[SCRYPT_SALT_SIZE];
    unsigned work = 0;

    if (stanza->arg_count != 3 || !arg_decode(stanza->args[1], salt, sizeof(salt)) ||
        stanza->body_bytes != WRAPPED_SIZE)
        return tampered();
    SHERD_TRY(work_read(stanza->args[2], &work));
    SHERD_TRY(scrypt_key(secrets, passphrase, work, salt));
    return unwrap(secrets, stanza);
}

/* --- header and payload ------------------------------------------------------------------------------------------- */

static enum sherd_err header_mac(struct secrets *secrets, struct sherd_span covered,
                                 uint8_t out_mac[static SHERD_AGE_MAC_SIZE])
{
    SHERD_TRY(sherd_hkdf(SHERD_SHA256, sherd_span_of(secrets->file_key, FILE_KEY_SIZE), none, sherd_span_str("header"),
                         secrets->key, sizeof(secrets->key)));
    return sherd_hmac(SHERD_SHA256, sherd_span_of(secrets->key, sizeof(secrets->key)), &covered, 1, out_mac);
}

static enum sherd_err payload_key(struct secrets *secrets, struct sherd_span nonce)
{
    return sherd_hkdf(SHERD_SHA256, sherd_span_of(secrets->file_key, FILE_KEY_SIZE), nonce, sherd_span_str("payload"),
                      secrets->key, sizeof(secrets->key));
}

static void chunk_nonce(uint64_t index, bool last, uint8_t out_nonce[static SHERD_CHACHA_NONCE_SIZE])
{
    memset(out_nonce, 0, SHERD_CHACHA_NONCE_SIZE);
    sherd_put_u64(out_nonce + 3, index);
    out_nonce[SHERD_CHACHA_NONCE_SIZE - 1] = last ? 1 : 0;
}

/* There is always a last chunk, which is empty only where the whole payload is. */
static enum sherd_err chunks_seal(const struct secrets *secrets, struct sherd_span plain, struct sherd_buf *out_file)
{
    uint8_t nonce[SHERD_CHACHA_NONCE_SIZE];
    bool last = false;

    for (uint64_t index = 0; !last; index++) {
        const size_t take = plain.len < CHUNK_SIZE ? plain.len : CHUNK_SIZE;
        const size_t left = plain.len - take;

        last = left == 0;
        chunk_nonce(index, last, nonce);
        SHERD_TRY(sherd_buf_reserve(out_file, take + SHERD_CHACHA_TAG_SIZE));
        SHERD_TRY(sherd_chacha_seal(secrets->key, nonce, none, sherd_span_of(plain.data, take),
                                    out_file->data + out_file->len));
        out_file->len += take + SHERD_CHACHA_TAG_SIZE;
        if (!last)
            plain = sherd_span_of(plain.data + take, left);
    }
    return SHERD_OK;
}

/* Writes plaintext behind the buffer's length, which stays: the caller keeps it or wipes it. */
static enum sherd_err chunks_open(const struct secrets *secrets, struct sherd_span chunks, uint8_t *out,
                                  size_t *out_bytes)
{
    uint8_t nonce[SHERD_CHACHA_NONCE_SIZE];
    size_t done = 0;
    bool last = false;

    for (uint64_t index = 0; !last; index++) {
        const size_t take = chunks.len < SEALED_CHUNK_SIZE ? chunks.len : SEALED_CHUNK_SIZE;

        last = take == chunks.len;
        if (take < SHERD_CHACHA_TAG_SIZE || (index > 0 && take == SHERD_CHACHA_TAG_SIZE))
            return tampered();
        chunk_nonce(index, last, nonce);
        SHERD_TRY(sherd_chacha_open(secrets->key, nonce, none, sherd_span_of(chunks.data, take), out + done));
        done += take - SHERD_CHACHA_TAG_SIZE;
        chunks = sherd_span_of(chunks.data + take, chunks.len - take);
    }
    *out_bytes = done;
    return SHERD_OK;
}

static enum sherd_err payload_open(struct secrets *secrets, struct sherd_span payload, struct sherd_buf *out_plain)
{
    struct sherd_span nonce;
    size_t plain_bytes = 0;
    enum sherd_err err;

    if (!sherd_span_take(&payload, PAYLOAD_NONCE_SIZE, &nonce) || payload.len < SHERD_CHACHA_TAG_SIZE)
        return tampered();
    SHERD_TRY(payload_key(secrets, nonce));
    SHERD_TRY(sherd_buf_reserve(out_plain, payload.len));
    err = chunks_open(secrets, payload, out_plain->data + out_plain->len, &plain_bytes);
    if (err == SHERD_OK)
        out_plain->len += plain_bytes;
    else
        sherd_wipe(out_plain->data + out_plain->len, payload.len);
    return err;
}

/* --- sealing ------------------------------------------------------------------------------------------------------ */

/* Ends the header whose recipients are written, and appends the payload. */
static enum sherd_err seal_rest(struct secrets *secrets, struct sherd_span plain, struct sherd_buf *file)
{
    uint8_t mac[SHERD_AGE_MAC_SIZE];
    uint8_t nonce[PAYLOAD_NONCE_SIZE];

    SHERD_TRY(sherd_buf_append(file, sherd_span_str("---")));
    SHERD_TRY(header_mac(secrets, sherd_buf_span(file), mac));
    SHERD_TRY(sherd_buf_append(file, sherd_span_str(" ")));
    SHERD_TRY(sherd_base64_encode(SHERD_BASE64_BARE, sherd_span_of(mac, sizeof(mac)), file));
    SHERD_TRY(sherd_buf_append(file, sherd_span_str("\n")));

    SHERD_TRY(sherd_random(nonce, sizeof(nonce)));
    SHERD_TRY(payload_key(secrets, sherd_span_of(nonce, sizeof(nonce))));
    SHERD_TRY(sherd_buf_append(file, sherd_span_of(nonce, sizeof(nonce))));
    return chunks_seal(secrets, plain, file);
}

static enum sherd_err seal_begin(struct secrets **out_secrets, struct sherd_buf *file)
{
    *out_secrets = sherd_secret_alloc(sizeof(**out_secrets));
    if (*out_secrets == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_random((*out_secrets)->file_key, FILE_KEY_SIZE));
    return sherd_age_version_write(file);
}

enum sherd_err sherd_age_seal(const struct sherd_age_recipient *recipients, size_t count, struct sherd_span plain,
                              struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = out_file->max};
    SHERD_CLEANUP(sherd_secret_freep) struct secrets *secrets = NULL;

    SHERD_ENSURE(count >= 1 && count <= SHERD_AGE_RECIPIENTS_MAX, SHERD_ERR_INVALID,
                 "an age file has 1 to 256 recipients");
    SHERD_TRY(seal_begin(&secrets, &file));
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(x25519_wrap(secrets, &recipients[i], &file));
    SHERD_TRY(seal_rest(secrets, plain, &file));
    return sherd_buf_append(out_file, sherd_buf_span(&file));
}

enum sherd_err sherd_age_seal_passphrase(struct sherd_span passphrase, unsigned work, struct sherd_span plain,
                                         struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = out_file->max};
    SHERD_CLEANUP(sherd_secret_freep) struct secrets *secrets = NULL;

    SHERD_ENSURE(passphrase.len > 0, SHERD_ERR_INVALID, "an empty passphrase");
    SHERD_TRY(seal_begin(&secrets, &file));
    SHERD_TRY(scrypt_wrap(secrets, passphrase, work == 0 ? SHERD_AGE_WORK_DEFAULT : work, &file));
    SHERD_TRY(seal_rest(secrets, plain, &file));
    return sherd_buf_append(out_file, sherd_buf_span(&file));
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* What opens a file: identities, or else a passphrase. */
struct opener {
    const struct sherd_age_identity *identities;
    size_t count;
    struct sherd_span passphrase;
};

/* Every recipient of a known kind is looked at, even after one fitted: a file with a malformed one is refused. */
static enum sherd_err file_key_find(struct secrets *secrets, struct sherd_span stanzas, const struct opener *opener)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *found = NULL;
    struct sherd_age_stanza stanza;

    while (stanzas.len > 0) {
        enum sherd_err err = SHERD_ERR_DENIED;

        SHERD_TRY(sherd_age_stanza_take(&stanzas, &stanza));
        if (opener->count > 0 && sherd_age_stanza_is(&stanza, "X25519"))
            err = x25519_unwrap(secrets, &stanza, opener->identities, opener->count);
        else if (opener->count == 0 && sherd_age_stanza_is(&stanza, "scrypt"))
            err = scrypt_unwrap(secrets, &stanza, opener->passphrase);
        if (err != SHERD_OK && err != SHERD_ERR_DENIED)
            return err;
        if (err == SHERD_OK && found == NULL) {
            found = sherd_secret_alloc(FILE_KEY_SIZE);
            if (found == NULL)
                return SHERD_ERR_NO_MEMORY;
            memcpy(found, secrets->file_key, FILE_KEY_SIZE);
        }
    }
    if (found == NULL)
        return sherd_fail(SHERD_ERR_DENIED, opener->count > 0 ? "the file is sealed to none of these identities"
                                                              : "the file is not sealed to this passphrase");
    memcpy(secrets->file_key, found, FILE_KEY_SIZE);
    return SHERD_OK;
}

static enum sherd_err open_bare(const struct opener *opener, struct sherd_span file, struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_secret_freep) struct secrets *secrets = sherd_secret_alloc(sizeof(*secrets));
    struct sherd_age_header header;
    uint8_t mac[SHERD_AGE_MAC_SIZE];

    if (secrets == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_age_header_parse(file, &header));
    SHERD_TRY(file_key_find(secrets, header.stanzas, opener));
    SHERD_TRY(header_mac(secrets, header.covered, mac));
    if (!sherd_ct_equal(mac, header.mac, sizeof(mac)))
        return tampered();
    return payload_open(secrets, header.payload, out_plain);
}

/* The file without armor: itself, or held by out_held. */
static enum sherd_err bare(struct sherd_span file, struct sherd_buf *out_held, struct sherd_span *out_bare)
{
    *out_bare = file;
    if (sherd_age_is_armored(file)) {
        out_held->max = file.len;
        SHERD_TRY(sherd_age_unarmor(file, out_held));
        *out_bare = sherd_buf_span(out_held);
    }
    return SHERD_OK;
}

static enum sherd_err open_any(const struct opener *opener, struct sherd_span file, struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf held = {.max = 0};
    struct sherd_span inner;

    SHERD_TRY(bare(file, &held, &inner));
    return open_bare(opener, inner, out_plain);
}

enum sherd_err sherd_age_open(const struct sherd_age_identity *identities, size_t count, struct sherd_span file,
                              struct sherd_buf *out_plain)
{
    const struct opener opener = {.identities = identities, .count = count};

    SHERD_ENSURE(count > 0, SHERD_ERR_INVALID, "no identity to open an age file with");
    return open_any(&opener, file, out_plain);
}

enum sherd_err sherd_age_open_passphrase(struct sherd_span passphrase, struct sherd_span file,
                                         struct sherd_buf *out_plain)
{
    const struct opener opener = {.passphrase = passphrase};

    return open_any(&opener, file, out_plain);
}

bool sherd_age_is_file(struct sherd_span file)
{
    static const char front[] = "age-encryption.org/";

    return sherd_age_is_armored(file) ||
           (file.len >= sizeof(front) - 1 && sherd_same(file.data, front, sizeof(front) - 1));
}

enum sherd_err sherd_age_wants_passphrase(struct sherd_span file, bool *out_wants)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf held = {.max = 0};
    struct sherd_age_header header;
    struct sherd_age_stanza stanza;
    struct sherd_span inner;

    SHERD_TRY(bare(file, &held, &inner));
    SHERD_TRY(sherd_age_header_parse(inner, &header));
    SHERD_TRY(sherd_age_stanza_take(&header.stanzas, &stanza));
    *out_wants = sherd_age_stanza_is(&stanza, "scrypt");
    return SHERD_OK;
}
