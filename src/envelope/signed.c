/* SPDX-License-Identifier: Apache-2.0 */
/* Verifier keys, and notes in their parts: see signed.h. */
#include "envelope/signed.h"
#include "base/bytes.h"
#include "crypto/hash.h"
#include "envelope/base64.h"
#include "envelope/lines.h"
#include <stdio.h>

/* What stands before a signature: an em dash and a space. */
#define MARK "\xe2\x80\x94 "
#define COSIGNED "cosignature/v1\ntime "
#define SUBTREE "subtree/v1\n" /* and its zero byte */

/* --- UTF-8 -------------------------------------------------------------------------------------------------------- */

/* Take a character; 0 if there is none that is well-formed (RFC 3629), or it is a zero byte. */
static uint32_t take_character(struct sherd_span *rest)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const uint8_t first = rest->data[0];
    const size_t more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    uint32_t character = first < 0x80 ? first : first & (0x3fU >> more);

    if ((first >= 0x80 && first < 0xc0) || first >= 0xf8 || rest->len <= more)
        return 0;
    for (size_t i = 1; i <= more; i++) {
        if ((rest->data[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (rest->data[i] & 0x3f);
    }
    if (character < least[more] || character > 0x10ffff || (character >= 0xd800 && character < 0xe000))
        return 0;
    *rest = sherd_span_of(rest->data + more + 1, rest->len - more - 1);
    return character;
}

/* A space of Unicode. */
static bool is_space(uint32_t character)
{
    return character <= ' ' || character == 0x7f || character == 0x85 || character == 0xa0 || character == 0x1680 ||
           (character >= 0x2000 && character <= 0x200a) || character == 0x2028 || character == 0x2029 ||
           character == 0x202f || character == 0x205f || character == 0x3000;
}

static bool is_name(struct sherd_span name)
{
    if (name.len == 0 || name.len > SHERD_VKEY_NAME_BYTES_MAX)
        return false;
    while (name.len > 0) {
        const uint32_t character = take_character(&name);

        if (is_space(character) || character == '+') /* 0 counts as a space */
            return false;
    }
    return true;
}

/* UTF-8 without control characters, but for newlines. */
static bool is_plain(struct sherd_span text)
{
    while (text.len > 0) {
        const uint32_t character = take_character(&text);

        if (character < ' ' && character != '\n')
            return false;
    }
    return true;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

size_t sherd_vkey_key_size(enum sherd_vkey_type type)
{
    return type == SHERD_VKEY_MLDSA ? SHERD_MLDSA_PUBLIC_SIZE : SHERD_SIGN_PUBLIC_SIZE;
}

enum sherd_err sherd_vkey_make(enum sherd_vkey_type type, struct sherd_span name, const uint8_t *key,
                               struct sherd_vkey *out_vkey)
{
    const uint8_t middle[] = {'\n', (uint8_t)type};
    const struct sherd_span parts[] = {name, {middle, sizeof(middle)}, {key, sherd_vkey_key_size(type)}};
    struct sherd_vkey vkey = {.name = name, .type = type};
    uint8_t digest[SHERD_SHA256_SIZE];

    SHERD_ENSURE(is_name(name), SHERD_ERR_INVALID, "that is no name of a key: blanks, a plus, or too long");
    SHERD_TRY(sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), digest));
    memcpy(vkey.id, digest, sizeof(vkey.id));
    memcpy(vkey.key, key, sherd_vkey_key_size(type));
    *out_vkey = vkey;
    return SHERD_OK;
}

static void id_text(const struct sherd_vkey *vkey, char out_text[2 * SHERD_VKEY_ID_SIZE + 1])
{
    (void)snprintf(out_text, 2 * SHERD_VKEY_ID_SIZE + 1, "%08x", sherd_get_u32(vkey->id));
}

enum sherd_err sherd_vkey_parse(struct sherd_span text, struct sherd_vkey *out_vkey)
{
    uint8_t block[SHERD_SIGNATURE_BLOB_MAX];
    struct sherd_buf key = sherd_buf_borrow(block, sizeof(block));
    char expected[2 * SHERD_VKEY_ID_SIZE + 1];
    struct sherd_span name;
    struct sherd_span id;
    struct sherd_vkey vkey;

    if (!sherd_line_until(&text, '+', &name) || !sherd_line_until(&text, '+', &id) ||
        sherd_base64_decode(SHERD_BASE64_PADDED, text, &key) != SHERD_OK || key.len == 0)
        return sherd_fail(SHERD_ERR_INVALID, "that is no public key: NAME+ID+KEY is expected");
    const enum sherd_vkey_type type = (enum sherd_vkey_type)block[0];
    SHERD_ENSURE(type == SHERD_VKEY_ED25519 || type == SHERD_VKEY_COSIGNED || type == SHERD_VKEY_MLDSA,
                 SHERD_ERR_UNSUPPORTED, "the public key is of a kind that this version does not know");
    SHERD_ENSURE(key.len == 1 + sherd_vkey_key_size(type), SHERD_ERR_INVALID, "the public key has another length");
    SHERD_TRY(sherd_vkey_make(type, name, block + 1, &vkey));
    id_text(&vkey, expected);
    SHERD_ENSURE(sherd_span_equal(id, sherd_span_str(expected)), SHERD_ERR_INVALID,
                 "the public key was mistyped: its id is not its own");
    if (type == SHERD_VKEY_MLDSA)
        SHERD_TRY(sherd_mldsa_gate());
    *out_vkey = vkey;
    return SHERD_OK;
}

enum sherd_err sherd_vkey_append(const struct sherd_vkey *vkey, struct sherd_buf *out_text)
{
    uint8_t block[1 + SHERD_VKEY_KEY_MAX] = {(uint8_t)vkey->type};
    const size_t size = sherd_vkey_key_size(vkey->type);
    char id[2 * SHERD_VKEY_ID_SIZE + 1];

    id_text(vkey, id);
    memcpy(block + 1, vkey->key, size);
    SHERD_TRY(sherd_buf_append(out_text, vkey->name));
    SHERD_TRY(sherd_text_append(out_text, "+"));
    SHERD_TRY(sherd_text_append(out_text, id));
    SHERD_TRY(sherd_text_append(out_text, "+"));
    return sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(block, 1 + size), out_text);
}

/* --- notes -------------------------------------------------------------------------------------------------------- */

/* Where the signatures begin: behind the last empty line. */
static bool split(struct sherd_span note, struct sherd_signed *out)
{
    for (size_t i = note.len; i >= 2; i--)
        if (note.data[i - 1] == '\n' && note.data[i - 2] == '\n') {
            *out = (struct sherd_signed){.text = sherd_span_of(note.data, i - 1),
                                         .lines = sherd_span_of(note.data + i, note.len - i)};
            return out->lines.len > 0;
        }
    return false;
}

static bool parse_line(struct sherd_span line, struct sherd_signature *out)
{
    uint8_t block[SHERD_SIGNATURE_BLOB_MAX];
    struct sherd_buf blob = sherd_buf_borrow(block, sizeof(block));

    if (!sherd_line_begins(&line, MARK) || !sherd_line_until(&line, ' ', &out->name) || !is_name(out->name) ||
        sherd_base64_decode(SHERD_BASE64_PADDED, line, &blob) != SHERD_OK || blob.len <= SHERD_VKEY_ID_SIZE)
        return false;
    out->len = blob.len - SHERD_VKEY_ID_SIZE;
    memcpy(out->id, block, sizeof(out->id));
    memset(out->bytes, 0, sizeof(out->bytes));
    memcpy(out->bytes, block + sizeof(out->id), out->len < sizeof(out->bytes) ? out->len : sizeof(out->bytes));
    return true;
}

bool sherd_signed_next(struct sherd_span *lines, struct sherd_signature *out_signature)
{
    struct sherd_span line;

    return sherd_line_take(lines, &line) && parse_line(line, out_signature);
}

enum sherd_err sherd_signed_parse(struct sherd_span note, struct sherd_signed *out_signed)
{
    struct sherd_signed parts;
    struct sherd_signature signature;

    SHERD_ENSURE(is_plain(note) && split(note, &parts), SHERD_ERR_TAMPERED, "that is no signed note");
    struct sherd_span lines = parts.lines;
    for (unsigned i = 0; i < SHERD_SIGNATURES_MAX && lines.len > 0; i++)
        SHERD_ENSURE(sherd_signed_next(&lines, &signature), SHERD_ERR_TAMPERED,
                     "the signed note has a signature line of another form");
    SHERD_ENSURE(lines.len == 0, SHERD_ERR_TAMPERED, "the signed note has more than 64 signatures");
    *out_signed = parts;
    return SHERD_OK;
}

bool sherd_vkey_signed(const struct sherd_vkey *vkey, const struct sherd_signature *signature)
{
    return sherd_span_equal(vkey->name, signature->name) && sherd_same(vkey->id, signature->id, sizeof(vkey->id));
}

/* --- signatures --------------------------------------------------------------------------------------------------- */

/* What a witness signs: two lines, and the text. */
static enum sherd_err cosigned_message(uint64_t time_s, struct sherd_span text, struct sherd_buf *out_message)
{
    SHERD_TRY(sherd_text_append(out_message, COSIGNED));
    SHERD_TRY(sherd_decimal_append(out_message, time_s));
    SHERD_TRY(sherd_text_append(out_message, "\n"));
    return sherd_buf_append(out_message, text);
}

/* A span of at most 255 bytes, behind its length. */
static enum sherd_err put_short(struct sherd_buf *message, struct sherd_span span)
{
    const uint8_t len = (uint8_t)span.len;

    SHERD_TRY(sherd_buf_append(message, sherd_span_of(&len, 1)));
    return sherd_buf_append(message, span);
}

static enum sherd_err put_u64(struct sherd_buf *message, uint64_t number)
{
    uint8_t bytes[8];

    sherd_put_u64(bytes, number);
    return sherd_buf_append(message, sherd_span_of(bytes, sizeof(bytes)));
}

/*
 * What is signed by ML-DSA-44: the cosigned_message of tlog-cosignature, for a tree from its first leaf on.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the text is not that of a checkpoint
 */
static enum sherd_err subtree_message(struct sherd_span name, uint64_t time_s, struct sherd_span text,
                                      struct sherd_buf *out_message)
{
    struct sherd_span origin;
    struct sherd_span size;
    struct sherd_span root;
    struct sherd_digest hash;
    uint64_t end = 0;

    if (!sherd_line_take(&text, &origin) || origin.len == 0 || origin.len > UINT8_MAX ||
        !sherd_line_take(&text, &size) || !sherd_decimal_parse(size, &end) || !sherd_line_take(&text, &root) ||
        !sherd_digest_parse(root, &hash))
        return sherd_fail(SHERD_ERR_TAMPERED, "a signature by ML-DSA-44 is of checkpoints alone");
    SHERD_TRY(sherd_buf_append(out_message, sherd_span_of(SUBTREE, sizeof(SUBTREE))));
    SHERD_TRY(put_short(out_message, name));
    SHERD_TRY(put_u64(out_message, time_s));
    SHERD_TRY(put_short(out_message, origin));
    SHERD_TRY(put_u64(out_message, 0));
    SHERD_TRY(put_u64(out_message, end));
    return sherd_buf_append(out_message, sherd_span_of(hash.bytes, sizeof(hash.bytes)));
}

static enum sherd_err not_by_its_key(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a signature is not by the key that it names");
}

static enum sherd_err verify_cosigned(const struct sherd_vkey *vkey, struct sherd_span text,
                                      const struct sherd_signature *signature, uint64_t *out_time_s)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf message = {0};
    const bool by_mldsa = vkey->type == SHERD_VKEY_MLDSA;
    const size_t size = by_mldsa ? SHERD_MLDSA_COSIGNATURE_SIZE : SHERD_COSIGNATURE_SIZE;
    const uint64_t time_s = sherd_get_u64(signature->bytes);

    if (signature->len != size || time_s > INT64_MAX)
        return not_by_its_key();
    SHERD_TRY(by_mldsa ? subtree_message(vkey->name, time_s, text, &message)
                       : cosigned_message(time_s, text, &message));
    SHERD_TRY(by_mldsa ? sherd_mldsa_verify(vkey->key, sherd_buf_span(&message), signature->bytes + 8)
                       : sherd_sign_verify(vkey->key, sherd_buf_span(&message), signature->bytes + 8));
    *out_time_s = time_s;
    return SHERD_OK;
}

enum sherd_err sherd_vkey_verify(const struct sherd_vkey *vkey, struct sherd_span text,
                                 const struct sherd_signature *signature, uint64_t *out_time_s)
{
    uint64_t time_s = 0;

    if (vkey->type != SHERD_VKEY_ED25519)
        SHERD_TRY(verify_cosigned(vkey, text, signature, &time_s));
    else if (signature->len != SHERD_SIGNATURE_SIZE)
        return not_by_its_key();
    else
        SHERD_TRY(sherd_sign_verify(vkey->key, text, signature->bytes));
    if (out_time_s != NULL)
        *out_time_s = time_s;
    return SHERD_OK;
}

/* A signature line: the key's name, and its id and what it signed, which is the blob. All of it or nothing. */
static enum sherd_err append_line(const struct sherd_vkey *vkey, struct sherd_span blob, struct sherd_buf *out)
{
    SHERD_TRY(sherd_buf_reserve(out, sizeof(MARK) + vkey->name.len + 2 * blob.len)); /* from here all fits */
    SHERD_TRY(sherd_text_append(out, MARK));
    SHERD_TRY(sherd_buf_append(out, vkey->name));
    SHERD_TRY(sherd_text_append(out, " "));
    SHERD_TRY(sherd_base64_encode(SHERD_BASE64_PADDED, blob, out));
    return sherd_text_append(out, "\n");
}

enum sherd_err sherd_cosign(struct sherd_span name, const uint8_t seed[static SHERD_SIGN_SEED_SIZE], uint64_t time_s,
                            struct sherd_span text, struct sherd_buf *out_line)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf message = {0};
    uint8_t block[SHERD_VKEY_ID_SIZE + SHERD_COSIGNATURE_SIZE];
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_vkey vkey;

    SHERD_ENSURE(time_s <= INT64_MAX, SHERD_ERR_INVALID, "that is no time of a cosignature");
    SHERD_TRY(sherd_sign_public(seed, public_key));
    SHERD_TRY(sherd_vkey_make(SHERD_VKEY_COSIGNED, name, public_key, &vkey));
    SHERD_TRY(cosigned_message(time_s, text, &message));
    memcpy(block, vkey.id, sizeof(vkey.id));
    sherd_put_u64(block + SHERD_VKEY_ID_SIZE, time_s);
    SHERD_TRY(sherd_sign(seed, sherd_buf_span(&message), block + SHERD_VKEY_ID_SIZE + 8));
    return append_line(&vkey, sherd_span_of(block, sizeof(block)), out_line);
}

enum sherd_err sherd_cosign_mldsa(struct sherd_span name, const uint8_t seed[static SHERD_MLDSA_SEED_SIZE],
                                  uint64_t time_s, struct sherd_span text, struct sherd_buf *out_line)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf message = {0};
    uint8_t block[SHERD_VKEY_ID_SIZE + SHERD_MLDSA_COSIGNATURE_SIZE];
    uint8_t *signature = block + SHERD_VKEY_ID_SIZE + 8;
    uint8_t public_key[SHERD_MLDSA_PUBLIC_SIZE];
    struct sherd_vkey vkey;

    SHERD_ENSURE(time_s <= INT64_MAX, SHERD_ERR_INVALID, "that is no time of a cosignature");
    SHERD_TRY(sherd_mldsa_public(seed, public_key));
    SHERD_TRY(sherd_vkey_make(SHERD_VKEY_MLDSA, name, public_key, &vkey));
    const enum sherd_err err = subtree_message(name, time_s, text, &message);
    if (err == SHERD_ERR_TAMPERED)
        return sherd_fail(SHERD_ERR_INVALID, "that is no text of a checkpoint");
    SHERD_TRY(err);
    memcpy(block, vkey.id, sizeof(vkey.id));
    sherd_put_u64(block + SHERD_VKEY_ID_SIZE, time_s);
    SHERD_TRY(sherd_mldsa_sign(seed, sherd_buf_span(&message), true, signature));
    SHERD_TRY(sherd_mldsa_verify(public_key, sherd_buf_span(&message), signature));
    return append_line(&vkey, sherd_span_of(block, sizeof(block)), out_line);
}

enum sherd_err sherd_signed_sign(struct sherd_span name, const uint8_t seed[static SHERD_SIGN_SEED_SIZE],
                                 struct sherd_span text, struct sherd_buf *out_note)
{
    uint8_t block[SHERD_VKEY_ID_SIZE + SHERD_SIGNATURE_SIZE];
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_vkey vkey;

    SHERD_ENSURE(text.len > 0 && text.data[text.len - 1] == '\n' && is_plain(text), SHERD_ERR_INVALID,
                 "that is no text of a note");
    SHERD_TRY(sherd_sign_public(seed, public_key));
    SHERD_TRY(sherd_vkey_make(SHERD_VKEY_ED25519, name, public_key, &vkey));
    memcpy(block, vkey.id, sizeof(vkey.id));
    SHERD_TRY(sherd_sign(seed, text, block + SHERD_VKEY_ID_SIZE));
    SHERD_TRY(sherd_buf_reserve(out_note, text.len + 1 + sizeof(MARK) + name.len + 2 * sizeof(block)));
    SHERD_TRY(sherd_buf_append(out_note, text));
    SHERD_TRY(sherd_text_append(out_note, "\n"));
    return append_line(&vkey, sherd_span_of(block, sizeof(block)), out_note);
}
