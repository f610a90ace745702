/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes: see note.h. */
#include "envelope/note.h"
#include "base/bytes.h"
#include "crypto/hash.h"
#include "envelope/base64.h"
#include <stdbool.h>
#include <stdio.h>

#define KEY_ID_SIZE 4U
#define ALGORITHM_ED25519 1U
/* What stands before a signature: an em dash and a space. */
#define MARK "\xe2\x80\x94 "
#define MARK_BYTES 4U
/* Key id and signature in base64. */
#define BLOB_TEXT_BYTES 92U
#define LINE_BYTES_MAX (MARK_BYTES + SHERD_NOTE_NAME_BYTES_MAX + 1 + BLOB_TEXT_BYTES + 1)
/* Signature lines that are looked at. */
#define SIGNATURES_MAX 64U

/* A public key that was read from its text. */
struct note_key {
    struct sherd_span name;
    uint8_t id[KEY_ID_SIZE];
    uint8_t key[SHERD_SIGN_PUBLIC_SIZE];
};

static bool is_name(struct sherd_span name)
{
    if (name.len == 0 || name.len > SHERD_NOTE_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] == '+' || name.data[i] >= 0x7f)
            return false;
    return true;
}

/* SHA-256(name, newline, algorithm, key), its first four bytes. */
static enum sherd_err key_id(struct sherd_span name, const uint8_t *key, uint8_t out_id[KEY_ID_SIZE])
{
    static const uint8_t middle[] = {'\n', ALGORITHM_ED25519};
    const struct sherd_span parts[] = {name, {middle, sizeof(middle)}, {key, SHERD_SIGN_PUBLIC_SIZE}};
    uint8_t digest[SHERD_SHA256_SIZE];

    SHERD_TRY(sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), digest));
    memcpy(out_id, digest, KEY_ID_SIZE);
    return SHERD_OK;
}

enum sherd_err sherd_note_key_text(const char *name, const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE],
                                   struct sherd_buf *out_text)
{
    uint8_t block[1 + SHERD_SIGN_PUBLIC_SIZE] = {ALGORITHM_ED25519};
    uint8_t id[KEY_ID_SIZE];
    char head[SHERD_NOTE_NAME_BYTES_MAX + 12];

    SHERD_ENSURE(is_name(sherd_span_str(name)), SHERD_ERR_INVALID, "that is no name of a note's key");
    SHERD_TRY(key_id(sherd_span_str(name), public_key, id));
    memcpy(block + 1, public_key, SHERD_SIGN_PUBLIC_SIZE);
    (void)snprintf(head, sizeof(head), "%s+%08x+", name, sherd_get_u32(id));
    SHERD_TRY(sherd_buf_append(out_text, sherd_span_str(head)));
    return sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(block, sizeof(block)), out_text);
}

/* Lines, each with its newline, no other control characters, and no empty line at the end. */
static bool is_text(struct sherd_span text)
{
    if (text.len == 0 || text.data[text.len - 1] != '\n')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((text.data[i] < ' ' && text.data[i] != '\n') || text.data[i] == 0x7f)
            return false;
    return true;
}

enum sherd_err sherd_note_sign(const char *name, const uint8_t seed[static SHERD_SIGN_SEED_SIZE],
                               struct sherd_span text, struct sherd_buf *out_note)
{
    uint8_t block[KEY_ID_SIZE + SHERD_SIGNATURE_SIZE];
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    uint8_t line_block[LINE_BYTES_MAX + 1];
    struct sherd_buf line = sherd_buf_borrow(line_block, sizeof(line_block));

    SHERD_ENSURE(is_name(sherd_span_str(name)) && is_text(text), SHERD_ERR_INVALID, "that is no text of a note");
    SHERD_TRY(sherd_sign_public(seed, public_key));
    SHERD_TRY(key_id(sherd_span_str(name), public_key, block));
    SHERD_TRY(sherd_sign(seed, text, block + KEY_ID_SIZE));
    SHERD_TRY(sherd_buf_append(&line, sherd_span_str("\n" MARK)));
    SHERD_TRY(sherd_buf_append(&line, sherd_span_str(name)));
    SHERD_TRY(sherd_buf_append(&line, sherd_span_str(" ")));
    SHERD_TRY(sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(block, sizeof(block)), &line));
    SHERD_TRY(sherd_buf_append(&line, sherd_span_str("\n")));
    SHERD_TRY(sherd_buf_reserve(out_note, text.len + line.len));
    SHERD_TRY(sherd_buf_append(out_note, text));
    return sherd_buf_append(out_note, sherd_buf_span(&line));
}

/* --- verifying ---------------------------------------------------------------------------------------------------- */

static struct sherd_span trim(struct sherd_span text)
{
    while (text.len > 0 && text.data[0] <= ' ')
        text = sherd_span_of(text.data + 1, text.len - 1);
    while (text.len > 0 && text.data[text.len - 1] <= ' ')
        text.len--;
    return text;
}

static bool take_until(struct sherd_span *rest, uint8_t end, struct sherd_span *out)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;

    if (at == NULL)
        return false;
    *out = sherd_span_of(rest->data, (size_t)(at - rest->data));
    *rest = sherd_span_of(at + 1, rest->len - out->len - 1);
    return true;
}

static enum sherd_err parse_key(struct sherd_span text, struct note_key *out_key)
{
    uint8_t block[1 + SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_buf key = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span rest = trim(text);
    struct sherd_span id;
    char expected[2 * KEY_ID_SIZE + 1];

    if (!take_until(&rest, '+', &out_key->name) || !is_name(out_key->name) || !take_until(&rest, '+', &id) ||
        sherd_base64_decode(SHERD_BASE64_PADDED, rest, &key) != SHERD_OK || key.len != sizeof(block) ||
        block[0] != ALGORITHM_ED25519)
        return sherd_fail(SHERD_ERR_INVALID, "that is no public key of statements: `sherd info` prints it");
    memcpy(out_key->key, block + 1, sizeof(out_key->key));
    SHERD_TRY(key_id(out_key->name, out_key->key, out_key->id));
    (void)snprintf(expected, sizeof(expected), "%08x", sherd_get_u32(out_key->id));
    SHERD_ENSURE(sherd_span_equal(id, sherd_span_str(expected)), SHERD_ERR_INVALID,
                 "the public key was mistyped: its id is not its own");
    return SHERD_OK;
}

/* Where the signatures begin: behind the last empty line. */
static bool split(struct sherd_span note, struct sherd_span *out_text, struct sherd_span *out_signatures)
{
    for (size_t i = note.len; i >= 2; i--)
        if (note.data[i - 1] == '\n' && note.data[i - 2] == '\n') {
            *out_text = sherd_span_of(note.data, i - 1);
            *out_signatures = sherd_span_of(note.data + i, note.len - i);
            return is_text(*out_text) && out_signatures->len > 0;
        }
    return false;
}

/* A line of signatures: its name, and key id and signature. */
static bool parse_line(struct sherd_span line, struct sherd_span *out_name, struct sherd_buf *out_blob)
{
    struct sherd_span mark;

    return sherd_span_take(&line, MARK_BYTES, &mark) && sherd_same(mark.data, MARK, MARK_BYTES) &&
           take_until(&line, ' ', out_name) && is_name(*out_name) &&
           sherd_base64_decode(SHERD_BASE64_PADDED, line, out_blob) == SHERD_OK && out_blob->len > KEY_ID_SIZE;
}

static enum sherd_err not_signed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the statement does not verify: it was changed, or another key signed it");
}

enum sherd_err sherd_note_verify(struct sherd_span note, struct sherd_span key_text, struct sherd_span *out_text)
{
    struct note_key key;
    struct sherd_span text;
    struct sherd_span lines;
    struct sherd_span line;
    bool verified = false;

    SHERD_TRY(parse_key(key_text, &key));
    if (note.len > SHERD_NOTE_BYTES_MAX || !split(note, &text, &lines))
        return not_signed();
    for (unsigned i = 0; i < SIGNATURES_MAX && take_until(&lines, '\n', &line); i++) {
        uint8_t block[512];
        struct sherd_buf blob = sherd_buf_borrow(block, sizeof(block));
        struct sherd_span name;

        if (!parse_line(line, &name, &blob))
            return not_signed();
        if (!sherd_span_equal(name, key.name) || !sherd_same(block, key.id, KEY_ID_SIZE))
            continue;
        if (blob.len != KEY_ID_SIZE + SHERD_SIGNATURE_SIZE)
            return not_signed();
        SHERD_TRY(sherd_sign_verify(key.key, text, block + KEY_ID_SIZE));
        verified = true;
    }
    if (!verified || lines.len > 0)
        return not_signed();
    *out_text = text;
    return SHERD_OK;
}
