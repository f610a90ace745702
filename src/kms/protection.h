/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/protection.h
 * The protection key: it encrypts master keys where they are kept. It has versions: the highest protects what is kept
 * from now on, older ones open what was kept before.
 *
 * A version lies in the keyring, or outside of it in a PKCS#12 key store, under the alias "sherd-protection-VERSION".
 * There is no way without one. The key store may be turned on at any rotation; it is never turned off again, since who
 * could do that could take the protection away: every version after one in a key store lies in a key store.
 *
 * Not thread-safe: a set is changed under the lock of whoever owns it, and read-only while others use it.
 */
#ifndef SHERD_KMS_PROTECTION_H
#define SHERD_KMS_PROTECTION_H

#include "crypto/aead.h"
#include <sherd/vault.h>
#include <stdbool.h>

/** Most versions that are held at once; drop those that nothing was kept under. */
#define SHERD_PROTECTION_VERSIONS_MAX 16U
/** Before the version's number in the alias of a key store. */
#define SHERD_PROTECTION_ALIAS "sherd-protection-"
/** Bytes by which a key that lies outside is known again. */
#define SHERD_PROTECTION_CHECK_SIZE 16U

/** One version. A kind of key of its own. */
struct sherd_protection_version {
    uint64_t version; /**< 1 or more */
    uint64_t created_s;
    bool outside;                               /**< it lies in a key store: the keyring must not hold its bytes */
    bool loaded;                                /**< its bytes are there; always so unless outside */
    uint8_t check[SHERD_PROTECTION_CHECK_SIZE]; /**< outside: derived from it, so that another vault's is not taken */
    uint8_t key[SHERD_AEAD_KEY_SIZE];
};

/** All versions, ascending; the last is current. Must lie in secret memory. */
struct sherd_protections {
    size_t count;
    struct sherd_protection_version list[SHERD_PROTECTION_VERSIONS_MAX];
};

/** A PKCS#12 key store: its file, and how it is opened. Borrowed. */
struct sherd_key_file_store {
    const char *dir;
    const char *name;
    struct sherd_span password; /**< from a file or a descriptor, in secret memory */
};

/**
 * The path of a key store as it is remembered: absolute, and without links, so that the file itself is replaced. Its
 * directory must be there; the file need not.
 * @return SHERD_OK; SHERD_ERR_INVALID (no name of a file, or too long); SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_key_file_path(const char *path, char out_path[static SHERD_KEY_STORE_PATH_SIZE]);

/** A key store by such a path. @param[out] room  what the names in it are borrowed from */
struct sherd_key_file_store sherd_key_file_store_of(const char *path, struct sherd_span password,
                                                    char room[static SHERD_KEY_STORE_PATH_SIZE]);

/**
 * Add the next version: the first one where there is none. In a key store, an entry of that alias is taken if there is
 * one (an operator's, or one that a crash left); else one is made, and the file is replaced durably. A file that is
 * missing is made where no key store is on. The set is changed last: the caller then makes the keyring durable, and
 * until then the old version serves.
 * @param[in] store  NULL: in the keyring
 * @return SHERD_OK; SHERD_ERR_DENIED: no key store is given though one is on, or another vault's, or the password is
 *         wrong; SHERD_ERR_LIMIT (versions); others as sherd_pkcs12_open(); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_protections_rotate(struct sherd_protections *set,
                                                       const struct sherd_key_file_store *store, uint64_t now_s);

/**
 * Load the versions that lie outside and are not loaded, after the keyring was read.
 * @param[in] store  NULL: none is given, which is right only if none is on
 * @return SHERD_OK; SHERD_ERR_SEALED: a key store is on and none is given; SHERD_ERR_DENIED: the password is wrong, or
 *         the file is another vault's, or an old copy; SHERD_ERR_IO: the file is missing, or cannot be read; others as
 *         sherd_pkcs12_open(); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_protections_load(struct sherd_protections *set,
                                                     const struct sherd_key_file_store *store);

/** Load what another set has loaded of the same versions, without any file. */
void sherd_protections_fill(struct sherd_protections *set, const struct sherd_protections *loaded);

/** Whether the bytes of a version are wanting that lies outside. */
bool sherd_protections_wanting(const struct sherd_protections *set, uint64_t version);

/** Whether a key store is on. */
bool sherd_protections_outside(const struct sherd_protections *set);

/** The number of the version that protects now; 0 if there is none. */
uint64_t sherd_protections_current(const struct sherd_protections *set);

/**
 * The key of a version, borrowed from the set.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: there is no such version; SHERD_ERR_SEALED: it lies in a key store that is not
 *         open
 */
SHERD_MUST_USE enum sherd_err sherd_protections_key(const struct sherd_protections *set, uint64_t version,
                                                    const uint8_t **out_key);

/**
 * Forget an old version, under which nothing is kept any more. Its entry in a key store stays: history belongs to the
 * operator. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: it is the current one
 */
SHERD_MUST_USE enum sherd_err sherd_protections_drop(struct sherd_protections *set, uint64_t version);

#endif
