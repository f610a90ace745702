/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/pkcs11/token.h
 * Tokens of PKCS#11: a module is loaded, a token and a key in it are found, the PIN is given, and the token computes
 * with the private key, which never leaves it.
 *
 * @code
 * SHERD_TRY(sherd_p11_open("/usr/lib/softhsm/libsofthsm2.so", &p11));
 * SHERD_TRY(sherd_p11_find(p11, &uri, &fingerprint, &names, &token));      // nothing secret so far
 * sherd_p11_look(token, &look);                                     // does it want a PIN, are tries left?
 * SHERD_TRY(sherd_p11_login(token, pin));                           // once: a wrong one brings the token nearer its
 * lock SHERD_TRY(sherd_p11_agree(token, point, shared));
 * @endcode
 *
 * A module is code of others that runs in this process, and is stopped by nothing here: who names it, trusts it.
 * Everything it says is bounded. Calls take as long as the token takes. A module is initialised once in a process, so
 * one struct sherd_p11 at a time; it and its tokens belong to one thread.
 *
 * Where Sherd was built without the header of PKCS#11, sherd_p11_open() says so.
 *
 * @par Source  PKCS #11 2.40 (OASIS): sections 5.4 to 5.14, and 2.3.8 (CKM_ECDH1_DERIVE), 2.1.8 (CKM_RSA_PKCS_OAEP) of
 *              its mechanisms
 */
#ifndef SHERD_KMS_PKCS11_TOKEN_H
#define SHERD_KMS_PKCS11_TOKEN_H

#include "crypto/pubkey.h"
#include "kms/pkcs11/uri.h"

/** A module, loaded. */
struct sherd_p11;

/** A session with one token, about one key. Ends before its module does. */
struct sherd_p11_token;

/**
 * Load a module and initialise it.
 * @param[in]  module  path, or a name that the system's loader finds
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: it cannot be loaded; SHERD_ERR_UNSUPPORTED: it is no module of PKCS#11 2 or 3,
 *         or this build knows none; SHERD_ERR_IO: it does not start; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p11_open(const char *module, struct sherd_p11 **out_p11);

/** End it. The code stays loaded, since modules leave threads and handlers behind. NULL is accepted. */
void sherd_p11_free(struct sherd_p11 *p11);
SHERD_DEFINE_OWNED(sherd_p11);

/**
 * The one public key, or certificate, that a URI names, without a PIN.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: no such token, or it shows no such key; SHERD_ERR_INVALID: several keys;
 *         SHERD_ERR_UNSUPPORTED: a key of another kind; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p11_public_key(struct sherd_p11 *p11, const struct sherd_p11_uri *uri,
                                                   struct sherd_pubkey *out_key);

/** Tokens that somebody named. */
struct sherd_p11_names {
    const struct sherd_p11_uri *uris;
    size_t count;
};

/**
 * Find the token that has a key, before any PIN is given, so that none goes to another token. Of the URI only what it
 * says of tokens counts: a key is known by its fingerprint. A token that shows no keys at all before the PIN is given
 * is taken only if whoever has the PIN named it, and it is the only such one: the URI may have been written by anybody.
 * @param[in] names  tokens that were named; their URIs say a label or a serial number, or name none
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: no token, or none with that key; SHERD_ERR_INVALID: one that shows no keys was
 *         not named, or several were; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p11_find(struct sherd_p11 *p11, const struct sherd_p11_uri *uri,
                                             const struct sherd_digest *fingerprint,
                                             const struct sherd_p11_names *names, struct sherd_p11_token **out_token);

/** End the session, which logs out. NULL is accepted. */
void sherd_p11_token_free(struct sherd_p11_token *token);
SHERD_DEFINE_OWNED(sherd_p11_token);

enum sherd_p11_pin {
    SHERD_P11_PIN_NONE,  /**< the token wants none */
    SHERD_P11_PIN_ASKED, /**< give it to sherd_p11_login() */
    SHERD_P11_PIN_PAD,   /**< typed on the reader itself: give none */
};

/** What a token says of wrong PINs; how many tries there are, PKCS#11 cannot say. */
enum sherd_p11_tries {
    SHERD_P11_TRIES_ALL,  /**< the last PIN was right */
    SHERD_P11_TRIES_LOW,  /**< a wrong one was given since */
    SHERD_P11_TRIES_LAST, /**< one more wrong one locks it */
    SHERD_P11_TRIES_NONE, /**< it is locked */
};

struct sherd_p11_look {
    char label[33];
    enum sherd_p11_pin pin;
    enum sherd_p11_tries tries;
};

/** What the token says of itself now. @return SHERD_OK; SHERD_ERR_NOT_FOUND: it was taken away; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_p11_look(const struct sherd_p11_token *token, struct sherd_p11_look *out_look);

/**
 * Give the PIN, which the token checks, and find the private key. Called once: after a wrong PIN nothing is tried
 * again, and the detail says what the token says of the tries that are left. A token that is locked is not asked.
 * @param[in] pin  any bytes; of no length where it is not SHERD_P11_PIN_ASKED
 * @return SHERD_OK; SHERD_ERR_DENIED: the wrong PIN, or locked; SHERD_ERR_NOT_FOUND: no such private key, or the token
 *         was taken away; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p11_login(struct sherd_p11_token *token, struct sherd_span pin);

/** The public key; after sherd_p11_login(). */
const struct sherd_pubkey *sherd_p11_key(const struct sherd_p11_token *token);

/**
 * ECDH by the token: x of the point. A sherd_hpke_agree_fn, with the token as arg.
 * @param[in]  point       SHERD_P256_PUBLIC_SIZE bytes that sherd_p256_check() took
 * @param[out] out_shared  SHERD_P256_SHARED_SIZE bytes, in secret memory
 * @return SHERD_OK; SHERD_ERR_DENIED: the token does not let this key do it; SHERD_ERR_UNSUPPORTED: it cannot;
 *         SHERD_ERR_NOT_FOUND: it was taken away; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p11_agree(void *token, struct sherd_span point, uint8_t *out_shared);

/**
 * RSAES-OAEP with SHA-256 by the token; where it has no OAEP of that hash, RSA by the token and the padding taken away
 * here.
 * @param[in]  sealed      as many bytes as the modulus has
 * @param[out] out_secret  SHERD_PUBKEY_SECRET_SIZE bytes, in secret memory
 * @return as sherd_p11_agree(); SHERD_ERR_TAMPERED: it does not verify
 */
SHERD_MUST_USE enum sherd_err sherd_p11_decrypt(void *token, struct sherd_span sealed, uint8_t *out_secret);

#endif
