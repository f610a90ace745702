/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rights.h
 * Users, named keys, and who may do what under which key.
 *
 * Who opens a vault by one of its seals and names nobody is its owner, who may do everything. Anybody else is a user
 * with a credential of its own: a passphrase, or a key pair that the user keeps. A user sees the records that lie under
 * a named key which it owns or was granted, and no others: what it may not see is not found, by whatever name.
 * @code
 * struct sherd_user_new alice = {.name = "alice", .passphrase = sherd_span_str("her own passphrase")};
 *
 * if (sherd_user_create(vault, &alice) != SHERD_OK ||
 *     sherd_key_create(vault, "payroll", NULL) != SHERD_OK ||
 *     sherd_key_grant(vault, "payroll", "alice", SHERD_RIGHT_READ) != SHERD_OK)
 *     fprintf(stderr, "%s\n", sherd_err_detail());
 * @endcode
 * A record is put under a named key by sherd_record_meta.key, or by the rules of its collection.
 *
 * @par Limits  In a process that opens the vault itself, the process holds the vault's keys: there, grants keep honest
 * programs apart. They keep out a dishonest one where the anchor is a process of its own.
 */
#ifndef SHERD_RIGHTS_H
#define SHERD_RIGHTS_H

#include <sherd/keys.h>
#include <sherd/vault.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The user that every vault has: who unseals it. */
#define SHERD_USER_OWNER "owner"

/** Room for the name of a user or a named key, with its final zero byte: 1..63 of a-z 0-9 . _ -, a letter or digit
 * first. */
#define SHERD_NAME_SIZE 64U

/** Bytes of the texts of a user's key pair, without a final zero byte: see sherd_user_key_new(). */
#define SHERD_USER_KEY_TEXT_BYTES 82U
#define SHERD_USER_PUBLIC_TEXT_BYTES 78U

/** What a user may do under a named key. */
enum sherd_right {
    SHERD_RIGHT_READ = 1,   /**< read, list and describe the records under it */
    SHERD_RIGHT_WRITE = 2,  /**< put records under it, and delete them; with read: update them */
    SHERD_RIGHT_MANAGE = 4, /**< grant and revoke, and rotate it */
};
#define SHERD_RIGHTS_ALL 7U

/** A user that is to be made: a name, and exactly one of the others. Borrowed until the call returns. */
struct sherd_user_new {
    const char *name;
    struct sherd_span passphrase; /**< 1..SHERD_PASSPHRASE_BYTES_MAX bytes */
    struct sherd_span public_key; /**< text of a public key: sherd_user_key_new() */
};

/** A user, for people. */
struct sherd_user_info {
    char name[SHERD_NAME_SIZE];
    struct sherd_uuid id;
    bool owner;      /**< the vault's owner */
    bool passphrase; /**< shows who it is by a passphrase; else, but for the owner, by a key pair */
    bool disabled;
    bool damaged; /**< its entry in `identity` does not verify or is gone: only name, id and disabled are known */
    uint8_t public_key[32]; /**< Ed25519; zero for the owner */
    uint64_t created_s;     /**< seconds since 1970 UTC, rounded down to a minute */
};

/**
 * Make the key pair of a user (Ed25519, RFC 8032) as two texts, each one line. The first is the user's alone; the
 * second goes to sherd_user_create().
 * @param[out] out_private  SHERD_USER_KEY_TEXT_BYTES bytes are appended; keep it in memory that you wipe
 * @param[out] out_public   SHERD_USER_PUBLIC_TEXT_BYTES bytes are appended
 * @return SHERD_OK; SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_user_key_new(struct sherd_buf *out_private, struct sherd_buf *out_public);

/**
 * Make a user. The vault's owner may.
 * @return SHERD_OK; SHERD_ERR_INVALID (name or credential); SHERD_ERR_CONFLICT (the name is taken);
 *         SHERD_ERR_DENIED (not the owner, or read-only); SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_user_create(struct sherd_vault *vault, const struct sherd_user_new *user);

/** Visit one user; return any code but SHERD_OK to end. */
typedef enum sherd_err sherd_user_visit_fn(void *arg, const struct sherd_user_info *info);

/**
 * Visit all users, the owner too, in no order. The vault's owner may.
 * @return SHERD_OK; the visitor's code; SHERD_ERR_DENIED; SHERD_ERR_TAMPERED: some are damaged, and all were visited;
 *         SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_user_each(struct sherd_vault *vault, sherd_user_visit_fn *visit,
                                                        void *arg);

/**
 * Disable a user for good: it is let in no more, and what it has open finds nothing from now on. The vault's owner may,
 * but cannot be disabled itself.
 * @return SHERD_OK (also if it is disabled already); SHERD_ERR_NOT_FOUND; SHERD_ERR_INVALID (the owner);
 *         SHERD_ERR_DENIED; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_user_disable(struct sherd_vault *vault, const char *name);

/** A named key, for people. */
struct sherd_key_info {
    char name[SHERD_NAME_SIZE];
    uint8_t id[16];
    char owner[SHERD_NAME_SIZE]; /**< who has all rights under it */
    uint64_t created_s;          /**< seconds since 1970 UTC, rounded down to a minute */
    uint64_t version;            /**< raised when it is rotated */
    unsigned rights;             /**< the caller's */
};

/**
 * Make a named key: random, wrapped by the master key "default". Any user may.
 * @param[in] owner  who has all rights under it; NULL for the caller. Only the vault's owner may name another
 * @return SHERD_OK; SHERD_ERR_INVALID (name); SHERD_ERR_CONFLICT (the name is taken); SHERD_ERR_NOT_FOUND (no such
 *         user); SHERD_ERR_DENIED; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_key_create(struct sherd_vault *vault, const char *name,
                                                         const char *owner);

/** Visit one named key; return any code but SHERD_OK to end. */
typedef enum sherd_err sherd_key_visit_fn(void *arg, const struct sherd_key_info *info);

/** Visit the named keys that the caller has a right to, in no order. @return SHERD_OK; the visitor's code; ... */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_key_each(struct sherd_vault *vault, sherd_key_visit_fn *visit, void *arg);

/**
 * Grant a user rights under a named key, in place of those that it had. Who owns the key or may manage it may.
 * @param[in] rights  bits of enum sherd_right; 0 revokes: from the next call on, also for what the user has open
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND (no such key, or no right to manage it; no such user); SHERD_ERR_INVALID
 *         (rights, or the user owns the key); SHERD_ERR_LIMIT (too many users); SHERD_ERR_DENIED (read-only);
 *         SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_key_grant(struct sherd_vault *vault, const char *key, const char *user,
                                                        unsigned rights);

/** Visit one grant; return any code but SHERD_OK to end. */
typedef enum sherd_err sherd_grant_visit_fn(void *arg, const char *user, unsigned rights);

/**
 * Visit the grants of a named key, in no order; its owner and the vault's need none and are not told of. Who may manage
 * the key may. @return SHERD_OK; the visitor's code; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_grant_each(struct sherd_vault *vault, const char *key,
                                                         sherd_grant_visit_fn *visit, void *arg);

/**
 * Give a named key a fresh version, and wrap the keys of all records under it by that. Who may manage it may. As
 * sherd_rekey(): contents are not touched, and a call that was stopped or killed is made again.
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_key_rotate(struct sherd_vault *vault, const char *key,
                                                         sherd_rekey_progress_fn *progress, void *arg,
                                                         struct sherd_rekey_stat *out_stat);

/**
 * Bring the records of a collection under a named key, all versions of them: from then on who has no right under it
 * finds them no more. Records that lie under another named key already stay there. Contents are not touched. The
 * vault's owner may. A call that was stopped or killed is made again, and goes on from there.
 * @param[in] rate  as sherd_rekey_options.rate
 * @return as sherd_rekey(); SHERD_ERR_NOT_FOUND (collection or key)
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_encrypt_existing(struct sherd_vault *vault, const char *collection,
                                                               const char *key, uint64_t rate,
                                                               sherd_rekey_progress_fn *progress, void *arg,
                                                               struct sherd_rekey_stat *out_stat);

#ifdef __cplusplus
}
#endif

#endif
