/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/hpke.h
 * HPKE, base mode: what anyone can seal to a public key, and only the private key opens. HKDF-SHA256, AES-256-GCM, and
 * one of three ways to agree on a secret:
 *
 *     SHERD_KEM_P256    DHKEM(P-256, HKDF-SHA256): the one that NIST approves, and that tokens can hold the key of
 *     SHERD_KEM_X25519  DHKEM(X25519, HKDF-SHA256)
 *     SHERD_KEM_XWING   ML-KEM-768 and X25519 together: safe while either holds, the first also against a quantum
 *                       computer. Needs OpenSSL 3.5 or later; sherd_kem_supported() tells.
 *
 * The private key of each has 32 bytes. Small messages go through sherd_hpke_seal() and sherd_hpke_open(), in
 * order. Contents of any length, and random access to them, go through crypto/aead.h instead, under a key that HPKE's
 * secret export gives (section 5.3 of the RFC):
 *
 *     enc || Cobblestone-256(key = Export("sherd contents 1", 32), context, contents)
 *
 * sherd_hpke_content_key() is that key. It commits to its recipient: enc and the public key are hashed into it, and the
 * commitment of the sealed message is checked before anything is decrypted. Nobody authenticates the sender: whoever
 * has the public key can seal.
 *
 * @par Source  RFC 9180; draft-connolly-cfrg-xwing-kem (X-Wing, KEM id 0x647a); FIPS 203
 */
#ifndef SHERD_CRYPTO_HPKE_H
#define SHERD_CRYPTO_HPKE_H

#include "crypto/aead.h"
#include <stdbool.h>

/** How sender and recipient agree on a secret: the KEM ids of the IANA registry of HPKE. */
enum sherd_kem {
    SHERD_KEM_NONE = 0, /**< none of them */
    SHERD_KEM_P256 = 0x0010,
    SHERD_KEM_X25519 = 0x0020,
    SHERD_KEM_XWING = 0x647a,
};

#define SHERD_KEM_PRIVATE_SIZE 32
#define SHERD_KEM_SHARED_SIZE 32
/** Largest public key, and largest encapsulation. */
#define SHERD_KEM_PUBLIC_BYTES_MAX 1216
#define SHERD_KEM_ENC_BYTES_MAX 1120

/** A private key. Belongs in secret memory. */
struct sherd_kem_private {
    enum sherd_kem kem;
    uint8_t bytes[SHERD_KEM_PRIVATE_SIZE];
};

/** A public key; sherd_kem_public_bytes() of bytes are in use. */
struct sherd_kem_public {
    enum sherd_kem kem;
    uint8_t bytes[SHERD_KEM_PUBLIC_BYTES_MAX];
};

/** Whether this is a KEM of ours that the OpenSSL that is running can compute. */
bool sherd_kem_supported(enum sherd_kem kem);

/** Bytes of a public key, and of an encapsulation; 0 for a KEM that is none of ours. */
size_t sherd_kem_public_bytes(enum sherd_kem kem);
size_t sherd_kem_enc_bytes(enum sherd_kem kem);

/**
 * Draw a key pair.
 * @param[out] out_private  in secret memory
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED (the KEM); SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_kem_keygen(enum sherd_kem kem, struct sherd_kem_private *out_private,
                                               struct sherd_kem_public *out_public);

/** The public key of a private one. @return SHERD_OK; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_kem_public(const struct sherd_kem_private *own,
                                               struct sherd_kem_public *out_public);

/** What sender and recipient share, in secret memory. Belongs to one thread at a time. */
struct sherd_hpke;

/**
 * Begin as the sender: a fresh secret for this recipient (SetupBaseS).
 * @param[in]  to        the recipient
 * @param[in]  info      any bytes; the recipient must give the same
 * @param[out] out_enc   sherd_kem_enc_bytes() bytes, not secret: the recipient needs them
 * @param[out] out_hpke  ended by sherd_hpke_free()
 * @return SHERD_OK; SHERD_ERR_TAMPERED: that is nobody's public key; SHERD_ERR_UNSUPPORTED (the KEM); SHERD_ERR_IO (no
 *         randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_hpke_send(const struct sherd_kem_public *to, struct sherd_span info,
                                              uint8_t *out_enc, struct sherd_hpke **out_hpke);

/**
 * Begin as the recipient (SetupBaseR). That enc was made for another key shows at the first message: any enc of the
 * right length gives some secret, but for the few that X25519, and the many that P-256 refuses.
 * @param[in]  own   private key
 * @param[in]  enc   as sherd_hpke_send() gave it; another length is SHERD_ERR_TAMPERED
 * @param[in]  info  as the sender gave it
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_hpke_receive(const struct sherd_kem_private *own, struct sherd_span enc,
                                                 struct sherd_span info, struct sherd_hpke **out_hpke);

/**
 * Agree on a raw secret with the private key of a recipient that lies elsewhere: ECDH, x of the point.
 * @param[in]  enc         public key of the sender; a point of the curve
 * @param[out] out_shared  SHERD_KEM_SHARED_SIZE bytes, in secret memory
 * @return SHERD_OK; else passed up unchanged
 */
typedef enum sherd_err sherd_hpke_agree_fn(void *arg, struct sherd_span enc, uint8_t *out_shared);

/**
 * As sherd_hpke_receive(), for a private key that lies in a token, which computes ECDH alone. KEM: SHERD_KEM_P256.
 * @param[in]  own  its public key
 * @return as sherd_hpke_receive(); SHERD_ERR_UNSUPPORTED (another KEM); the code of agree
 */
SHERD_MUST_USE enum sherd_err sherd_hpke_receive_by(const struct sherd_kem_public *own, sherd_hpke_agree_fn *agree,
                                                    void *arg, struct sherd_span enc, struct sherd_span info,
                                                    struct sherd_hpke **out_hpke);

/**
 * Seal the next message, as the sender.
 * @param[in]  data   additional data; the recipient must give the same
 * @param[in]  plain  0 bytes to 1 GiB
 * @param[out] out    plain.len + SHERD_AEAD_TAG_SIZE bytes; may not overlap plain
 * @return SHERD_OK; SHERD_ERR_INVALID (the recipient's side); SHERD_ERR_LIMIT (size); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_hpke_seal(struct sherd_hpke *hpke, struct sherd_span data, struct sherd_span plain,
                                              uint8_t *out);

/**
 * Open the next message, as the recipient. One that does not open is not counted.
 * @param[out] out  sealed.len - SHERD_AEAD_TAG_SIZE bytes, wiped on failure; may not overlap sealed
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_INVALID (the sender's side); SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_hpke_open(struct sherd_hpke *hpke, struct sherd_span data, struct sherd_span sealed,
                                              uint8_t *out);

/**
 * A secret that both sides can compute (Export).
 * @param[in]  context  says what it is for
 * @param[out] out      out_bytes bytes, at most 255 * 32, in secret memory; wiped on failure
 * @return SHERD_OK; SHERD_ERR_INVALID (out_bytes); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_hpke_export(const struct sherd_hpke *hpke, struct sherd_span context, uint8_t *out,
                                                size_t out_bytes);

/** The key under which contents of any length are sealed: Export("sherd contents 1", 32). In secret memory. */
SHERD_MUST_USE enum sherd_err sherd_hpke_content_key(const struct sherd_hpke *hpke,
                                                     uint8_t out_key[SHERD_AEAD_KEY_SIZE]);

/** Wipe and free. NULL is accepted. */
void sherd_hpke_free(struct sherd_hpke *hpke);
SHERD_DEFINE_OWNED(sherd_hpke);

#endif
