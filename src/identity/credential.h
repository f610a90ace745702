/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file identity/credential.h
 * How a principal shows who it is: an Ed25519 signature over a challenge of the anchor's. The private key is derived
 * from a passphrase on the side of the principal, or kept in a file there; it never goes to the anchor.
 */
#ifndef SHERD_IDENTITY_CREDENTIAL_H
#define SHERD_IDENTITY_CREDENTIAL_H

#include "envelope/rights.h"

#define SHERD_NONCE_SIZE 32U

/** What the anchor asks to be signed, and what is needed to derive the key that signs it. Plain data. */
struct sherd_challenge {
    struct sherd_uuid deployment;
    uint8_t nonce[SHERD_NONCE_SIZE];
    enum sherd_credential credential; /**< SHERD_CREDENTIAL_PASSPHRASE: hash and salt are for it */
    struct sherd_pwhash_params hash;
    uint8_t salt[SHERD_PRINCIPAL_SALT_SIZE];
};

/** What a principal has: exactly one of the two. Borrowed. */
struct sherd_credentials {
    struct sherd_span passphrase;
    struct sherd_span key; /**< text of a private key */
};

/** A private key. Lies in secret memory. */
struct sherd_credential_seed {
    uint8_t bytes[SHERD_SIGN_SEED_SIZE];
};

/** The seed that a passphrase gives. @return as sherd_pwhash(); SHERD_ERR_INVALID: its length */
SHERD_MUST_USE enum sherd_err sherd_credential_derive(struct sherd_span passphrase,
                                                      const struct sherd_pwhash_params *hash,
                                                      const uint8_t salt[static SHERD_PRINCIPAL_SALT_SIZE],
                                                      struct sherd_credential_seed *out_seed);

/** Parse the text of a private or public key. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err sherd_credential_parse_private(struct sherd_span text,
                                                             struct sherd_credential_seed *out_seed);
SHERD_MUST_USE enum sherd_err sherd_credential_parse_public(struct sherd_span text,
                                                            uint8_t out_public[SHERD_SIGN_PUBLIC_SIZE]);

/**
 * Answer a challenge. @param[in] user  who says it is
 * @return SHERD_OK; SHERD_ERR_DENIED: the challenge is not for a credential of that sort; SHERD_ERR_INVALID; ...
 */
SHERD_MUST_USE enum sherd_err sherd_credential_sign(const struct sherd_challenge *challenge, const char *user,
                                                    const struct sherd_credentials *credentials,
                                                    uint8_t out_signature[SHERD_SIGNATURE_SIZE]);

/** Check an answer. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_credential_verify(const struct sherd_challenge *challenge, const char *user,
                                                      const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE],
                                                      const uint8_t signature[static SHERD_SIGNATURE_SIZE]);

/** SHERD_ERR_DENIED, in the same words for whatever is wrong with who asks. */
SHERD_MUST_USE enum sherd_err sherd_credential_denied(void);

#endif
