/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/signed.h
 * What signed notes are made of: public keys as text (verifier keys, "vkeys"), the text of a note, its signature lines.
 * Three kinds of signature are known: plain Ed25519, and cosignatures of checkpoints, by Ed25519 and by ML-DSA-44,
 * which say when. note.h is the short way for a note of one key.
 *
 * @par Source  C2SP signed-note, tlog-cosignature; RFC 8032, FIPS 204
 */
#ifndef SHERD_ENVELOPE_SIGNED_H
#define SHERD_ENVELOPE_SIGNED_H

#include "crypto/mldsa.h"
#include "crypto/sign.h"
#include <stdbool.h>

/** Kinds of signature, as the numbers of C2SP. */
enum sherd_vkey_type {
    SHERD_VKEY_ED25519 = 1,  /**< over the text of the note */
    SHERD_VKEY_COSIGNED = 4, /**< over a time and the text, which is that of a checkpoint */
    SHERD_VKEY_MLDSA = 6,    /**< by ML-DSA-44, over name, time, and a checkpoint's origin, size and root */
};

#define SHERD_VKEY_ID_SIZE 4
/** Longest name of a key, in bytes. */
#define SHERD_VKEY_NAME_BYTES_MAX 255U
/** Most signature lines of one note. */
#define SHERD_SIGNATURES_MAX 64U
/** Most bytes of one signature, the key's id included; longer than those of any kind that C2SP knows. */
#define SHERD_SIGNATURE_BLOB_MAX 6144U
/** The time of a cosignature (8), and the signature. */
#define SHERD_COSIGNATURE_SIZE (8 + SHERD_SIGNATURE_SIZE)
#define SHERD_MLDSA_COSIGNATURE_SIZE (8 + SHERD_MLDSA_SIGNATURE_SIZE)
/** Bytes of the longest public key. */
#define SHERD_VKEY_KEY_MAX SHERD_MLDSA_PUBLIC_SIZE

/** A public key. */
struct sherd_vkey {
    struct sherd_span name; /**< borrowed from what it was made of */
    enum sherd_vkey_type type;
    uint8_t id[SHERD_VKEY_ID_SIZE];
    uint8_t key[SHERD_VKEY_KEY_MAX]; /**< sherd_vkey_key_size() bytes of it, then zeros */
};

/** Bytes of a public key of a kind. */
size_t sherd_vkey_key_size(enum sherd_vkey_type type);

/**
 * Make one of a name and a key.
 * @param[in] key  sherd_vkey_key_size() bytes
 * @return SHERD_OK; SHERD_ERR_INVALID: that is no name
 */
SHERD_MUST_USE enum sherd_err sherd_vkey_make(enum sherd_vkey_type type, struct sherd_span name, const uint8_t *key,
                                              struct sherd_vkey *out_vkey);

/**
 * Read one: exactly what sherd_vkey_append() writes.
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_UNSUPPORTED: a kind of signature that is not known here, or that
 *         OpenSSL does not have: so nobody goes on without one that he asked for
 */
SHERD_MUST_USE enum sherd_err sherd_vkey_parse(struct sherd_span text, struct sherd_vkey *out_vkey);

/** Append it as text: name+id+key, without a newline. */
SHERD_MUST_USE enum sherd_err sherd_vkey_append(const struct sherd_vkey *vkey, struct sherd_buf *out_text);

/** A note in its parts, borrowed. */
struct sherd_signed {
    struct sherd_span text;  /**< lines, each with its newline */
    struct sherd_span lines; /**< signature lines, for sherd_signed_next() */
};

/**
 * Take a note apart. Nothing is verified yet.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: that is no note: not UTF-8, control characters, no signature or too many, a
 *         line of another form
 */
SHERD_MUST_USE enum sherd_err sherd_signed_parse(struct sherd_span note, struct sherd_signed *out_signed);

/** One signature line. */
struct sherd_signature {
    struct sherd_span name; /**< of the key; borrowed */
    uint8_t id[SHERD_VKEY_ID_SIZE];
    size_t len;                                  /**< bytes of the signature, without the id */
    uint8_t bytes[SHERD_MLDSA_COSIGNATURE_SIZE]; /**< the first of them; none of a known kind has more */
};

/** Take the next line of what sherd_signed_parse() gave. @return false if there is none */
bool sherd_signed_next(struct sherd_span *lines, struct sherd_signature *out_signature);

/** Whether a signature says that it is by this key: name and id. */
bool sherd_vkey_signed(const struct sherd_vkey *vkey, const struct sherd_signature *signature);

/**
 * Verify a signature.
 * @param[out] out_time_s  of a cosignature, seconds since 1970; 0 for others. NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_UNSUPPORTED: OpenSSL has no such kind; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_vkey_verify(const struct sherd_vkey *vkey, struct sherd_span text,
                                                const struct sherd_signature *signature, uint64_t *out_time_s);

/**
 * Sign a text, as a plain note.
 * @param[in]     text      lines in UTF-8, each with its newline, no other control characters
 * @param[in,out] out_note  the text, an empty line and the signature line are appended
 * @return SHERD_OK; SHERD_ERR_INVALID: that is no name, or no such text; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_signed_sign(struct sherd_span name, const uint8_t seed[static SHERD_SIGN_SEED_SIZE],
                                                struct sherd_span text, struct sherd_buf *out_note);

/**
 * Sign the text of a checkpoint as a witness does.
 * @param[in]     time_s    seconds since 1970, below 2^63
 * @param[in]     text      of the checkpoint, all of it
 * @param[in,out] out_line  the signature line is appended
 * @return SHERD_OK; SHERD_ERR_INVALID: that is no name, or no such time; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_cosign(struct sherd_span name, const uint8_t seed[static SHERD_SIGN_SEED_SIZE],
                                           uint64_t time_s, struct sherd_span text, struct sherd_buf *out_line);

/**
 * The same by ML-DSA-44, as logs do as well. It is verified before it is given out. Lines of the text that follow the
 * root are not signed.
 * @return as sherd_cosign(); SHERD_ERR_INVALID also: that is no text of a checkpoint; SHERD_ERR_UNSUPPORTED
 */
SHERD_MUST_USE enum sherd_err sherd_cosign_mldsa(struct sherd_span name,
                                                 const uint8_t seed[static SHERD_MLDSA_SEED_SIZE], uint64_t time_s,
                                                 struct sherd_span text, struct sherd_buf *out_line);

#endif
