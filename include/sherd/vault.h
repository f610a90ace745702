/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file vault.h
 * A vault: four compartments and their trust anchor in one directory, opened by one process or several.
 *
 * A vault is made once with sherd_vault_init(), opened with sherd_vault_open(), shared by any number of threads, and
 * closed with sherd_vault_close(). Records go in and out through <sherd/record.h>.
 *
 * @code
 * struct sherd_unseal unseal = {.passphrase = sherd_span_str("correct horse battery staple")};
 * struct sherd_vault *vault = NULL;
 *
 * if (sherd_vault_init("/srv/vault", &unseal, NULL) != SHERD_OK ||
 *     sherd_vault_open("/srv/vault", &unseal, NULL, &vault) != SHERD_OK)
 *     fprintf(stderr, "%s\n", sherd_err_detail());
 * sherd_vault_close(vault);
 * @endcode
 *
 * @par Directory  sherd.vault (format and engine, for people), anchor/ (the sealed root key and keyring), and one
 * folder a compartment: identity/, assets/, secrets/, keys/. See docs/format/vault.md.
 *
 * @par Durability  A call that changes something returns SHERD_OK only after the change is on the disk of every
 * compartment that it needs. After a failed write the handle writes no more and says so; close and open again to go on.
 */
#ifndef SHERD_VAULT_H
#define SHERD_VAULT_H

#include <sherd/err.h>
#include <sherd/seal.h>
#include <sherd/span.h>
#include <sherd/uuid.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sherd_vault;

/** Longest passphrase, in bytes. */
#define SHERD_PASSPHRASE_BYTES_MAX 1024U

/** Bytes of the text of a key file, without a final zero byte: see sherd_key_file_new(). */
#define SHERD_KEY_FILE_TEXT_BYTES 77U

/**
 * What unseals the anchor's root key: exactly one of the three. Borrowed until the call returns; keep it in memory that
 * you wipe.
 */
struct sherd_unseal {
    struct sherd_span passphrase; /**< 1..SHERD_PASSPHRASE_BYTES_MAX bytes, compared byte by byte */
    struct sherd_span key_file;   /**< the whole text of a key file */
    struct sherd_span shares;     /**< the text of shares, in any order; empty lines and those that begin with # are
                                       passed over; at most SHERD_SHARES_TEXT_BYTES_MAX */
};

/** Room for the path of a key store, with its final zero byte; longest password of one. */
#define SHERD_KEY_STORE_PATH_SIZE 512U
#define SHERD_KEY_STORE_PASSWORD_BYTES_MAX 1024U

/**
 * A PKCS#12 file in which the vault's protection key lies, or shall lie: the key that encrypts master keys where they
 * are kept (<sherd/keys.h>). Borrowed until the call returns; what is needed later is copied into secret memory.
 */
struct sherd_key_store_file {
    const char *path;           /**< NULL: where the vault remembers it */
    struct sherd_span password; /**< 1..SHERD_KEY_STORE_PASSWORD_BYTES_MAX bytes of UTF-8, none of them zero */
};

/** How a vault is made. All zero is a good default. */
struct sherd_vault_init_options {
    const char *engine;                        /**< "lmdb" if NULL */
    const struct sherd_shares_options *shares; /**< sealed by shares: see <sherd/seal.h>; then unseal is NULL */
    sherd_share_give_fn *share_give;           /**< brings each share to its holder, before the vault is there */
    void *share_arg;                           /**< for share_give */
    bool fips; /**< FIPS mode, for ever: algorithms that NIST approves, and no other. See sherd_vault_info.fips */
    /**
     * The protection key lies in this key store, and whoever opens the vault needs it. The file is made if it is
     * missing; where it is there, a key "sherd-protection-1" in it is taken, or else one is added. NULL: in the
     * keyring.
     */
    const struct sherd_key_store_file *key_store;
};

/** How a vault is opened. All zero is a good default. */
struct sherd_vault_open_options {
    bool read_only;   /**< never write; the way to read from a medium that cannot be written */
    unsigned threads; /**< threads that work for one call on long contents: 1..16; 0 for one per processor, 4 at most */
    const char *user; /**< who asks (<sherd/rights.h>); NULL for the vault's owner. Borrowed until the call returns */
    struct sherd_span user_passphrase; /**< what shows that it is that user: exactly one of the two */
    struct sherd_span user_key;        /**< the private text of sherd_user_key_new() */
    /**
     * The socket of an agent that has the vault unsealed, and has its keys: this process never opens `keys`, and needs
     * nothing to unseal with. NULL: the anchor lives in this process. Borrowed until the call returns.
     */
    const char *agent;
    /** Needed if the protection key lies in a key store and no agent is named; ignored otherwise. */
    const struct sherd_key_store_file *key_store;
    /**
     * The anchor may be behind the checkpoints outside (<sherd/outside.h>), or they are lost: its ledger begins anew,
     * under another name, and knows of nothing outside. Nobody else has the vault open. Not for one that is in order.
     */
    bool accept_rollback;
};

/** Figures of an open vault, for people. */
struct sherd_vault_info {
    uint32_t format;              /**< format version of the vault */
    struct sherd_uuid deployment; /**< the vault's own id */
    char engine[16];              /**< with a final zero byte */
    char seal[32];                /**< what unsealed the root key: "passphrase (scrypt)", "3 of 5 shares" ... */
    bool read_only;
    bool memory_locked;      /**< keys lie in memory that cannot be swapped */
    bool memory_secret;      /**< ... and that the kernel itself has no map of (memfd_secret) */
    uint64_t entry_count[4]; /**< identity, assets, secrets, keys */
    uint64_t entry_bytes[4]; /**< disk space of entries */
    uint64_t blob_count[4];
    uint64_t blob_bytes[4];
    /**
     * The vault is in FIPS mode: it uses algorithms that NIST approves, and refuses others. That is said of algorithms
     * alone: no validated module is claimed.
     */
    bool fips;
};

/**
 * Make the text of a new key file: 256 random bits in a form that names itself. Write it to a file outside the vault
 * that its owner alone can read.
 * @param[out] out_text  SHERD_KEY_FILE_TEXT_BYTES bytes are appended; ends with a newline
 * @return SHERD_OK; SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_key_file_new(struct sherd_buf *out_text);

/**
 * Make a vault. It is complete under its name or not there at all, also after a crash.
 * @param[in] path     directory to make; may exist if it is empty
 * @param[in] unseal   what will open it: a passphrase or a key file; NULL where options ask for shares
 * @param[in] options  NULL for defaults
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_CONFLICT (something is there); SHERD_ERR_UNSUPPORTED; what share_give
 *         gave; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_vault_init(const char *path, const struct sherd_unseal *unseal,
                                                         const struct sherd_vault_init_options *options);

/**
 * Unseal and open a vault.
 * @param[in]  path       directory
 * @param[in]  unseal     what opens it; NULL where options name an agent
 * @param[in]  options    NULL for defaults
 * @param[out] out_vault  close with sherd_vault_close()
 * @return SHERD_OK; SHERD_ERR_INVALID (not exactly one way to unseal, a malformed key file or share, or a share
 *         twice); SHERD_ERR_NOT_FOUND (no vault there); SHERD_ERR_DENIED (wrong passphrase, key or share, or a changed
 *         seal: the detail names a wrong share by its holder; wrong password of the key store, or another vault's);
 *         SHERD_ERR_SEALED (more shares are needed, or the key store; the agent is sealed, or there is none);
 *         SHERD_ERR_TAMPERED (keyring, key store or a compartment does not verify, or is another vault's);
 *         SHERD_ERR_UNSUPPORTED
 *         (a format of the future); SHERD_ERR_BUSY (this process has it open already); SHERD_ERR_IO;
 *         SHERD_ERR_NO_MEMORY
 *
 * @par Threads  Any number of threads may use one open vault. Not after fork(): open it anew in the child.
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_vault_open(const char *path, const struct sherd_unseal *unseal,
                                                         const struct sherd_vault_open_options *options,
                                                         struct sherd_vault **out_vault);

/**
 * Wipe the keys and close. All calls on it must have returned; all readers and writers must be ended. NULL is accepted.
 */
SHERD_API void sherd_vault_close(struct sherd_vault *vault);

/** Figures. @return SHERD_OK; SHERD_ERR_IO */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_vault_info(struct sherd_vault *vault, struct sherd_vault_info *out_info);

/**
 * When the entry of a key that is given out is on the disk: strict, before the key is given out; else within a second
 * of it, or when the process ends. Either way it is noted before, and survives the end of the process, however it ends.
 * @return SHERD_OK; SHERD_ERR_DENIED: only the vault's owner asks; SHERD_ERR_IO; SHERD_ERR_TAMPERED
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_joins_strict(struct sherd_vault *vault, bool *out_strict);
/** Say so for all who open the vault, from now on. @return as sherd_joins_strict(); SHERD_ERR_DENIED: read-only */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_joins_set_strict(struct sherd_vault *vault, bool strict);

/** The version of this library, such as "0.1.0". */
SHERD_API const char *sherd_version(void);

#ifdef __cplusplus
}
#endif

#endif
