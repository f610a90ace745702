/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/pubkey.h
 * Public keys of key pairs that others keep, in smartcards and HSMs: read from files and tokens, named by a
 * fingerprint, and for RSA sealed to. Elliptic curves are sealed to by hpke.h.
 *
 * Two kinds are taken: P-256, and RSA of 2048 to 4096 bits. Public keys are no secret. Any thread may call.
 *
 * @par Source  RFC 5280 and RFC 5480 (SubjectPublicKeyInfo), RFC 7468 (PEM), RFC 8017 (RSAES-OAEP)
 */
#ifndef SHERD_CRYPTO_PUBKEY_H
#define SHERD_CRYPTO_PUBKEY_H

#include "base/macros.h"
#include "crypto/hash.h"
#include "crypto/p256.h"

enum sherd_pubkey_kind {
    SHERD_PUBKEY_NONE = 0, /**< none yet */
    SHERD_PUBKEY_P256 = 1,
    SHERD_PUBKEY_RSA = 2,
};

#define SHERD_PUBKEY_RSA_BYTES_MIN 256U
#define SHERD_PUBKEY_RSA_BYTES_MAX 512U
/** Longest public exponent, in bytes. */
#define SHERD_PUBKEY_EXPONENT_BYTES_MAX 8U
/** Most bytes of a key as SubjectPublicKeyInfo. */
#define SHERD_PUBKEY_INFO_BYTES_MAX 576U
/** Longest file that a key is read from. */
#define SHERD_PUBKEY_FILE_BYTES_MAX ((size_t)64 << 10)
/** What is sealed by RSA: a key. */
#define SHERD_PUBKEY_SECRET_SIZE 32U

struct sherd_pubkey {
    enum sherd_pubkey_kind kind;
    uint8_t point[SHERD_P256_PUBLIC_SIZE];     /**< of P-256 */
    size_t modulus_bytes;                      /**< of RSA: bytes of what is sealed to it */
    uint8_t info[SHERD_PUBKEY_INFO_BYTES_MAX]; /**< SubjectPublicKeyInfo, DER */
    size_t info_bytes;
    struct sherd_digest fingerprint; /**< SHA-256 of that */
};

/** The key of a point of P-256. @return SHERD_OK; SHERD_ERR_TAMPERED: no point of the curve; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_pubkey_of_point(const uint8_t point[static SHERD_P256_PUBLIC_SIZE],
                                                    struct sherd_pubkey *out_key);

/**
 * The key of a modulus and an exponent, big-endian, with or without zeros before.
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED: too short or too long; SHERD_ERR_TAMPERED: no RSA key; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pubkey_of_rsa(struct sherd_span modulus, struct sherd_span exponent,
                                                  struct sherd_pubkey *out_key);

/**
 * Read the first public key or certificate of a PEM file. Of a certificate only the key is looked at: whose it is, is
 * for the caller to know.
 * @return SHERD_OK; SHERD_ERR_INVALID: there is none, or it is damaged; SHERD_ERR_UNSUPPORTED: of another kind or size;
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pubkey_of_pem(struct sherd_span file, struct sherd_pubkey *out_key);

/** The key of a certificate in DER, as tokens keep it. @return as sherd_pubkey_of_pem() */
SHERD_MUST_USE enum sherd_err sherd_pubkey_of_certificate(struct sherd_span der, struct sherd_pubkey *out_key);

/**
 * Seal a key to an RSA key: RSAES-OAEP with SHA-256, MGF1 with SHA-256, no label.
 * @param[in]  secret   SHERD_PUBKEY_SECRET_SIZE bytes
 * @param[out] out      to->modulus_bytes bytes
 * @return SHERD_OK; SHERD_ERR_INVALID: no RSA key; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pubkey_rsa_seal(const struct sherd_pubkey *to, const uint8_t *secret, uint8_t *out);

/**
 * Take the padding of OAEP away, for a token that computes RSA alone. In constant time, but for the outcome.
 * @param[in]  padded      as many bytes as the modulus has, in secret memory
 * @param[out] out_secret  SHERD_PUBKEY_SECRET_SIZE bytes; wiped on failure
 * @return SHERD_OK; SHERD_ERR_TAMPERED: it does not verify, or is of another length; SHERD_ERR_UNSUPPORTED;
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pubkey_oaep_open(struct sherd_span padded, uint8_t *out_secret);

#endif
