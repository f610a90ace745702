/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file seal.h
 * What unseals a vault: passphrases, key files and shares that people hold, several side by side.
 *
 * Each seal of a vault opens it alone. A seal by shares is opened by any k of n shares (Shamir), or by all of n parts
 * (XOR): what is shared is a key of that seal and of nothing else, so that new shares never mean new keys elsewhere.
 *
 * @code
 * static enum sherd_err give(void *arg, const struct sherd_share_given *share)
 * {
 *     return write_to_holder(arg, share->holder, share->text);    // a secret: to this holder, and to nobody else
 * }
 *
 * const char *const holders[] = {"anna", "bert", "carl"};
 * const struct sherd_shares_options shares = {.count = 3, .threshold = 2, .holders = holders};
 * const struct sherd_vault_init_options init = {.shares = &shares, .share_give = give};
 *
 * if (sherd_vault_init("/srv/vault", NULL, &init) != SHERD_OK)
 *     fprintf(stderr, "%s\n", sherd_err_detail());
 * @endcode
 *
 * @par Old media  A seal that was removed or replaced still opens older copies of the vault, and what a disk keeps of
 * files that are gone: it holds the same root key.
 */
#ifndef SHERD_SEAL_H
#define SHERD_SEAL_H

#include <sherd/err.h>
#include <sherd/span.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sherd_vault;
struct sherd_unseal;

/** Most seals of one vault. Their numbers are 1 to this. */
#define SHERD_SEALS_MAX 99U
/** Most shares of one seal. */
#define SHERD_SHARES_MAX 255U
/** Longest name of a holder: letters, digits and any of ._@+- but no '.' or '-' at its front. */
#define SHERD_HOLDER_BYTES_MAX 47U
/** Most bytes of text that shares are looked for in. */
#define SHERD_SHARES_TEXT_BYTES_MAX ((size_t)1 << 18)

/** What opens a seal. */
enum sherd_seal_kind {
    SHERD_SEAL_UNKNOWN = 0, /**< none that this version knows */
    SHERD_SEAL_PASSPHRASE = 1,
    SHERD_SEAL_KEY_FILE = 2,
    SHERD_SEAL_SHARES = 3, /**< any threshold of the shares */
    SHERD_SEAL_PARTS = 4,  /**< all of the shares */
};

/** How shares are made. */
struct sherd_shares_options {
    unsigned count;             /**< 1..SHERD_SHARES_MAX; parts: from 2 on */
    unsigned threshold;         /**< how many open: 2..count; ignored for parts and copies */
    bool parts;                 /**< all are needed */
    bool copies;                /**< each one opens alone */
    const char *const *holders; /**< count names, no two the same; NULL, or "" for one, if a share has none */
};

/** Check how shares are to be made, before anything is. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_shares_options_check(const struct sherd_shares_options *options);

/** A share as it is given out. All of it is borrowed until the call that is told of it returns. */
struct sherd_share_given {
    unsigned index;     /**< 1..count */
    unsigned count;     /**< how many there are */
    unsigned threshold; /**< how many open */
    uint32_t generation;
    uint8_t set_id[8];
    const char *holder;     /**< "" if it has none */
    struct sherd_span text; /**< the share: three lines; secret, in secret memory */
};

/**
 * Bring a share to its holder, durably. Called once for each, in their order, before the seal is written.
 * @return any code but SHERD_OK ends the work, and none of these shares will open anything
 */
typedef enum sherd_err sherd_share_give_fn(void *arg, const struct sherd_share_given *share);

/** A seal, as anybody sees it who can read the vault's directory: nothing of it is verified. */
struct sherd_seal_info {
    unsigned number;
    enum sherd_seal_kind kind; /**< SHERD_SEAL_UNKNOWN if the file is no seal */
    char text[32];             /**< "passphrase (scrypt)", "key file", "3 of 5 shares", "2 parts", "unknown" */
    unsigned count;            /**< of shares; 0 for other kinds, and so on */
    unsigned threshold;
    uint32_t generation;
    uint8_t set_id[8];
    const char *const *holders; /**< count names; borrowed until the call returns */
    bool rekeying;              /**< new shares of it are being confirmed: the rest says which */
    unsigned new_count;
    unsigned new_threshold;
    uint32_t new_generation;
    const char *const *new_holders;
    const bool *new_confirmed; /**< new_count of them */
    bool fips;                 /**< made in FIPS mode, by approved algorithms only */
};

/** @return any code but SHERD_OK ends the walk, and is what it returns */
typedef enum sherd_err sherd_seal_visit_fn(void *arg, const struct sherd_seal_info *info);

/**
 * Visit all seals of a vault, in the order of their numbers. It need not be unsealed.
 * @param[in] path  the vault's directory
 * @return SHERD_OK; what visit gave; SHERD_ERR_NOT_FOUND (no vault there); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_seal_each(const char *path, sherd_seal_visit_fn *visit, void *arg);

/**
 * Add a seal by a passphrase or a key file.
 * @param[in]  unseal      what will open it; not by shares
 * @param[out] out_number  NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_LIMIT (SHERD_SEALS_MAX are there); SHERD_ERR_DENIED (open for reading
 *         only); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_seal_add(struct sherd_vault *vault, const struct sherd_unseal *unseal,
                                                       unsigned *out_number);

/** Add a seal by shares. @return as sherd_seal_add(), and what give gave */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_seal_add_shares(struct sherd_vault *vault,
                                                              const struct sherd_shares_options *options,
                                                              sherd_share_give_fn *give, void *arg,
                                                              unsigned *out_number);

/**
 * Remove a seal, with the new shares of it that are being confirmed.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_DENIED: it is the last one, or the vault is open for reading only;
 *         SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_seal_remove(struct sherd_vault *vault, unsigned number);

/**
 * Make new shares for a seal. They replace the old ones when each of them was confirmed: sherd_shares_confirm(). Until
 * then the old ones open the vault and the new ones do not. All in one step: whenever the process ends, either the old
 * ones open or the new ones.
 * @param[in] number   the seal; 0 if only one is by shares
 * @param[in] options  NULL for as many as before, with the same holders
 * @return SHERD_OK; SHERD_ERR_CONFLICT: new shares are being confirmed already; SHERD_ERR_NOT_FOUND: no such seal by
 *         shares; SHERD_ERR_INVALID; SHERD_ERR_DENIED; what give gave; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_shares_rekey(struct sherd_vault *vault, unsigned number,
                                                           const struct sherd_shares_options *options,
                                                           sherd_share_give_fn *give, void *arg);

/** Give new shares up: the old ones stay. @return SHERD_OK; SHERD_ERR_NOT_FOUND: there are none; as above */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_shares_abandon(struct sherd_vault *vault, unsigned number);

/** How far something is that wants shares. */
struct sherd_shares_progress {
    unsigned number;   /**< the seal */
    unsigned given;    /**< shares that are there */
    unsigned needed;   /**< shares that are needed */
    unsigned count;    /**< shares that exist */
    bool done;         /**< enough are there; new shares: they have replaced the old ones */
    char holders[192]; /**< whose they are, such as "anna, carl", cut at a name where it is too long */
    char missing[192]; /**< whose are not there */
};

/**
 * Confirm new shares: each shows, by being given back, that its holder has it. With the last one they take the place of
 * the old ones. What was confirmed stays so, also after a crash. The vault need not be unsealed.
 * @param[in]  path          the vault's directory
 * @param[in]  number        the seal; 0 if new shares are being confirmed of only one
 * @param[in]  shares        any number of shares as text; none only asks, or ends what was nearly done
 * @param[out] out_progress  written only on SHERD_OK
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: there are no new shares; SHERD_ERR_INVALID: no share; SHERD_ERR_DENIED: one
 *         is not of the new shares: none of those given is confirmed; SHERD_ERR_TAMPERED: the file of the new shares
 *         was changed; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_shares_confirm(const char *path, unsigned number,
                                                             struct sherd_span shares,
                                                             struct sherd_shares_progress *out_progress);

/**
 * Check shares without unsealing, as they come in one by one. The detail names the one that is wrong by its holder.
 * @param[in]  path          the vault's directory
 * @param[in]  shares        one share or more, as text
 * @param[out] out_progress  written only on SHERD_OK
 * @return SHERD_OK; SHERD_ERR_INVALID: no share, or one twice; SHERD_ERR_DENIED: one is stale, forged, or of no seal of
 *         this vault; SHERD_ERR_NOT_FOUND: no vault, or no seal by shares; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_shares_check(const char *path, struct sherd_span shares,
                                                           struct sherd_shares_progress *out_progress);

/** What a share says of itself, and what a vault says of it. Nothing secret. */
struct sherd_share_info {
    unsigned index;
    unsigned count;
    unsigned threshold;
    bool parts;
    uint32_t generation;
    uint8_t set_id[8];
    unsigned number;                         /**< the seal that it is of; 0 if no vault was named, or it is of none */
    char holder[SHERD_HOLDER_BYTES_MAX + 1]; /**< as that seal says; "" if it does not */
    char state[160]; /**< "current", "new, not confirmed" ..., or why it opens nothing; "" if no vault was named */
};

typedef enum sherd_err sherd_share_visit_fn(void *arg, const struct sherd_share_info *info);

/**
 * Say whose shares are, without a word of what they hold.
 * @param[in] path    a vault's directory, to look up who holds them; NULL for none
 * @param[in] shares  one share or more, as text
 * @return SHERD_OK; what visit gave; SHERD_ERR_INVALID: no share; SHERD_ERR_NOT_FOUND: no vault there; SHERD_ERR_IO;
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_share_each(const char *path, struct sherd_span shares,
                                                         sherd_share_visit_fn *visit, void *arg);

#ifdef __cplusplus
}
#endif

#endif
