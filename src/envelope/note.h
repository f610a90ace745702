/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/note.h
 * Signed notes of one key: text of lines with an Ed25519 signature below it, which anyone can read and check. What they
 * are made of, and notes of several keys: signed.h.
 *
 *     first line
 *     more lines
 *
 *     — name base64(key id || signature)
 *
 * @par Source  C2SP signed-note
 */
#ifndef SHERD_ENVELOPE_NOTE_H
#define SHERD_ENVELOPE_NOTE_H

#include "crypto/sign.h"

/** Most bytes of a note that are looked at. */
#define SHERD_NOTE_BYTES_MAX ((size_t)8 << 20)

/**
 * Write a public key as text: name+id+key.
 * @param[in,out] out_text  appended, without a final newline
 * @return SHERD_OK; SHERD_ERR_INVALID: that is no name; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_note_key_text(const char *name,
                                                  const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE],
                                                  struct sherd_buf *out_text);

/**
 * Sign a text.
 * @param[in]     text      lines in UTF-8, each with its newline, no other control characters
 * @param[in,out] out_note  text and signature are appended
 * @return SHERD_OK; SHERD_ERR_INVALID: the text has no such form; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_note_sign(const char *name, const uint8_t seed[static SHERD_SIGN_SEED_SIZE],
                                              struct sherd_span text, struct sherd_buf *out_note);

/**
 * Verify a note.
 * @param[in]  note      the whole of it; signatures of others are passed over
 * @param[in]  key_text  as sherd_note_key_text() writes it; white space around it does not matter
 * @param[out] out_text  its lines; borrowed from note
 * @return SHERD_OK; SHERD_ERR_INVALID: the key's text is none; SHERD_ERR_TAMPERED: no note, or not signed by that key
 */
SHERD_MUST_USE enum sherd_err sherd_note_verify(struct sherd_span note, struct sherd_span key_text,
                                                struct sherd_span *out_text);

#endif
