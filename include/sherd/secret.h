/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file secret.h
 * Secrets: small values under a path, such as "db/prod/password", with versions; for programs that need one at a time.
 *
 * A secret is a record of the collection "sherd-secrets", with all that holds for records; its id follows from its
 * path, so there is no directory between the two that could be swapped. Named keys say who may read and write it.
 */
#ifndef SHERD_SECRET_H
#define SHERD_SECRET_H

#include <sherd/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Longest value, and longest path: parts of a-z A-Z 0-9 . _ - with '/' between them. */
#define SHERD_SECRET_BYTES_MAX ((size_t)64 << 10)
#define SHERD_SECRET_PATH_BYTES_MAX 200U
/** Versions of a secret that are kept. */
#define SHERD_SECRET_VERSIONS 10U
/** Collections whose names begin with this are Sherd's own. */
#define SHERD_COLLECTION_OWN_PREFIX "sherd-"
#define SHERD_SECRET_COLLECTION SHERD_COLLECTION_OWN_PREFIX "secrets"

/**
 * Set a secret, or a new version of it.
 * @param[in]  key          the named key that it lies under, for the first version; NULL for none, or as it is
 * @param[in]  value        0..SHERD_SECRET_BYTES_MAX bytes
 * @param[out] out_version  NULL if not wanted
 * @return SHERD_OK: durable; SHERD_ERR_INVALID (path); SHERD_ERR_LIMIT (value); SHERD_ERR_NOT_FOUND (no such key);
 *         SHERD_ERR_CONFLICT (it lies under another key, which may be one that the caller has no right to);
 *         SHERD_ERR_DENIED; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_secret_set(struct sherd_vault *vault, const char *path, const char *key,
                                                         struct sherd_span value, uint64_t *out_version);

/**
 * Read a secret.
 * @param[in]     version    0 for the current one, else one that is kept
 * @param[in,out] out_value  it is appended; unchanged on failure
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_INVALID; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_secret_get(struct sherd_vault *vault, const char *path, uint64_t version,
                                                         struct sherd_buf *out_value);

/** Destroy a secret with all its versions. @return as sherd_record_delete(); SHERD_ERR_INVALID */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_secret_delete(struct sherd_vault *vault, const char *path);

/** A secret, but for its value. */
struct sherd_secret_info {
    char path[SHERD_SECRET_PATH_BYTES_MAX + 1];
    uint64_t version_current;
    uint64_t version_oldest; /**< oldest that is kept */
    uint64_t value_bytes;
    int64_t created_s; /**< of the current version */
};

/** Visit one secret; return any code but SHERD_OK to end. */
typedef enum sherd_err sherd_secret_visit_fn(void *arg, const struct sherd_secret_info *info);

/**
 * Visit the secrets that the caller may read, in no order.
 * @param[in] prefix  only paths that begin with this; NULL for all
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_secret_each(struct sherd_vault *vault, const char *prefix,
                                                          sherd_secret_visit_fn *visit, void *arg);

#ifdef __cplusplus
}
#endif

#endif
