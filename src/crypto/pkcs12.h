/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/pkcs12.h
 * A PKCS#12 file as a key store of secret keys, each under an alias: what `keytool -genseckey -storetype PKCS12` makes
 * and reads too.
 *
 * A secret key is a secretBag that holds a PKCS#8 shrouded key: PBES2 with PBKDF2 and AES-256-CBC; over the file lies a
 * MAC. Both are of HMAC with SHA-256, and from us of SHERD_PKCS12_ITERATIONS rounds. Of others' files SHA-384 and
 * SHA-512 are read too, and 1,000 to SHERD_PKCS12_ITERATIONS_MAX rounds; older ciphers (RC2, 3DES, SHA-1) are refused.
 * Everything else in a file (certificates, private keys, encrypted parts) is not looked at, and is written back as it
 * was.
 *
 * What is decrypted passes through OpenSSL's heap, which clears it, and ends in memory of the caller's. One handle
 * belongs to one thread at a time.
 *
 * @par Source  RFC 7292 (PKCS #12), RFC 8018 (PBES2), RFC 5208 (PKCS #8)
 */
#ifndef SHERD_CRYPTO_PKCS12_H
#define SHERD_CRYPTO_PKCS12_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

/** Rounds of what we write: about 0.1 s for the MAC, and for each key that is fetched. */
#define SHERD_PKCS12_ITERATIONS 300000U
/** Fewest and most rounds that are read: the number is read before anything is authenticated, and must be no weapon. */
#define SHERD_PKCS12_ITERATIONS_MIN 1000U
#define SHERD_PKCS12_ITERATIONS_MAX 5000000U
/** Longest file, in bytes. */
#define SHERD_PKCS12_BYTES_MAX ((size_t)256 << 10)
/** Longest password, alias and key, in bytes. */
#define SHERD_PKCS12_PASSWORD_BYTES_MAX 1024U
#define SHERD_PKCS12_ALIAS_BYTES_MAX 64U
#define SHERD_PKCS12_KEY_BYTES_MAX 64U

struct sherd_pkcs12;

/**
 * An empty key store.
 * @param[in] password  1..SHERD_PKCS12_PASSWORD_BYTES_MAX bytes without a zero byte, UTF-8; copied into secret memory
 * @return SHERD_OK; SHERD_ERR_INVALID (the password); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pkcs12_new(struct sherd_span password, struct sherd_pkcs12 **out_store);

/**
 * Read a key store and check its MAC.
 * @param[in] file      any bytes, borrowed until return
 * @param[in] password  as sherd_pkcs12_new()
 * @return SHERD_OK; SHERD_ERR_DENIED: not this password (or a change that cannot be told from it); SHERD_ERR_TAMPERED:
 *         no PKCS#12 file, or one that was changed; SHERD_ERR_UNSUPPORTED: a cipher or a number of rounds that is
 *         refused; SHERD_ERR_LIMIT; SHERD_ERR_INVALID; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pkcs12_open(struct sherd_span file, struct sherd_span password,
                                                struct sherd_pkcs12 **out_store);

/** Wipe and free. NULL is accepted. */
void sherd_pkcs12_free(struct sherd_pkcs12 *store);
SHERD_DEFINE_OWNED(sherd_pkcs12);

/** Whether there is a secret key of that alias. Case does not count, as for Java. */
bool sherd_pkcs12_has(const struct sherd_pkcs12 *store, const char *alias);

/**
 * Fetch a key.
 * @param[out] out_key  key_bytes bytes, in secret memory; written only on SHERD_OK
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: no secret key of that alias; SHERD_ERR_LIMIT: it has another length;
 *         SHERD_ERR_TAMPERED: it does not open; SHERD_ERR_UNSUPPORTED: a cipher that is refused; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pkcs12_get(const struct sherd_pkcs12 *store, const char *alias, uint8_t *out_key,
                                               size_t key_bytes);

/**
 * Add a key, of the algorithm AES as others see it.
 * @param[in] alias  1..SHERD_PKCS12_ALIAS_BYTES_MAX of a-z 0-9 . _ -
 * @param[in] key    1..SHERD_PKCS12_KEY_BYTES_MAX bytes
 * @return SHERD_OK; SHERD_ERR_CONFLICT: the alias is taken; SHERD_ERR_INVALID; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pkcs12_add(struct sherd_pkcs12 *store, const char *alias, struct sherd_span key);

/** Write the file, under a new MAC. @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_pkcs12_write(const struct sherd_pkcs12 *store, struct sherd_buf *out_file);

#endif
