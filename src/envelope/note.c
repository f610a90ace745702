/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes of one key: see note.h. */
#include "envelope/note.h"
#include "envelope/signed.h"

enum sherd_err sherd_note_key_text(const char *name, const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE],
                                   struct sherd_buf *out_text)
{
    struct sherd_vkey vkey;

    SHERD_TRY(sherd_vkey_make(SHERD_VKEY_ED25519, sherd_span_str(name), public_key, &vkey));
    return sherd_vkey_append(&vkey, out_text);
}

enum sherd_err sherd_note_sign(const char *name, const uint8_t seed[static SHERD_SIGN_SEED_SIZE],
                               struct sherd_span text, struct sherd_buf *out_note)
{
    return sherd_signed_sign(sherd_span_str(name), seed, text, out_note);
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

static enum sherd_err parse_key(struct sherd_span text, struct sherd_vkey *out_key)
{
    struct sherd_vkey key = {.type = SHERD_VKEY_ED25519};
    const enum sherd_err err = sherd_vkey_parse(trim(text), &key);

    if (err == SHERD_ERR_INVALID || err == SHERD_ERR_UNSUPPORTED || key.type != SHERD_VKEY_ED25519)
        return sherd_fail(SHERD_ERR_INVALID,
                          "that is no public key of statements, or it was mistyped: `sherd info` prints it");
    SHERD_TRY(err);
    *out_key = key;
    return SHERD_OK;
}

static enum sherd_err not_signed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the statement does not verify: it was changed, or another key signed it");
}

enum sherd_err sherd_note_verify(struct sherd_span note, struct sherd_span key_text, struct sherd_span *out_text)
{
    struct sherd_signature signature;
    struct sherd_signed parts;
    struct sherd_vkey key;
    bool verified = false;

    SHERD_TRY(parse_key(key_text, &key));
    if (note.len > SHERD_NOTE_BYTES_MAX || sherd_signed_parse(note, &parts) != SHERD_OK)
        return not_signed();
    while (sherd_signed_next(&parts.lines, &signature)) {
        if (!sherd_vkey_signed(&key, &signature))
            continue;
        const enum sherd_err err = sherd_vkey_verify(&key, parts.text, &signature, NULL);
        if (err != SHERD_OK)
            return err == SHERD_ERR_TAMPERED ? not_signed() : err;
        verified = true;
    }
    if (!verified)
        return not_signed();
    *out_text = parts.text;
    return SHERD_OK;
}
