/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/store_keys.h
 * The versions of one compartment's store key, as its entries need them: the newest one seals, each opens what it
 * sealed. Whoever gave them out says when there are others: a key that rotates does so under those who use it.
 *
 * Versions are without gaps. The oldest one that there is is the floor: what lies under a lower one is refused.
 */
#ifndef SHERD_ENVELOPE_STORE_KEYS_H
#define SHERD_ENVELOPE_STORE_KEYS_H

#include "crypto/aead.h"
#include "crypto/hash.h"
#include <stdbool.h>

/** Most versions of one store key that are not destroyed. */
#define SHERD_STORE_VERSIONS_MAX 16U

/** The versions of a store key, as bytes. Lies in secret memory. */
struct sherd_store_versions {
    uint32_t newest;                                             /**< 1 or more */
    uint32_t count;                                              /**< 1..SHERD_STORE_VERSIONS_MAX, and at most newest */
    uint8_t keys[SHERD_STORE_VERSIONS_MAX][SHERD_AEAD_KEY_SIZE]; /**< from the newest down */
};

struct sherd_store_keys;

/**
 * Call sherd_store_keys_set() if there may be other versions than those that were set last. Called before each use, so
 * it must be quick where there are none; from any thread, several at once.
 * @param[in] urgent  a version is missing that somebody has sealed under: look, whatever was said before
 */
typedef enum sherd_err sherd_store_keys_refresh_fn(void *arg, bool urgent, struct sherd_store_keys *keys);

/** @param[in] refresh  NULL: the versions never change. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_store_keys_new(const struct sherd_store_versions *versions,
                                                   sherd_store_keys_refresh_fn *refresh, void *arg,
                                                   struct sherd_store_keys **out_keys);
/** Wipe and free. NULL is accepted. */
void sherd_store_keys_free(struct sherd_store_keys *keys);
SHERD_DEFINE_OWNED(sherd_store_keys);

/**
 * Put other versions in place of those that are held, which are wiped. Any thread. @return as sherd_store_keys_new()
 */
SHERD_MUST_USE enum sherd_err sherd_store_keys_set(struct sherd_store_keys *keys,
                                                   const struct sherd_store_versions *versions);

/** The version that seals now. @return SHERD_OK; what refresh gave */
SHERD_MUST_USE enum sherd_err sherd_store_keys_newest(struct sherd_store_keys *keys, uint32_t *out_version);

/**
 * Have a version's key, until sherd_store_keys_leave(), which must come soon.
 * @param[in]  version      0 for the newest
 * @param[out] out_version  which it is
 * @param[out] out_key      of SHERD_SHA512
 * @return SHERD_OK; SHERD_ERR_TAMPERED: no such version was ever made; SHERD_ERR_DENIED: it is below the floor;
 *         what refresh gave
 */
SHERD_MUST_USE enum sherd_err sherd_store_keys_hold(struct sherd_store_keys *keys, uint32_t version,
                                                    uint32_t *out_version, const struct sherd_hmac_key **out_key);
void sherd_store_keys_leave(struct sherd_store_keys *keys);

#endif
