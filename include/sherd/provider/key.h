/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file provider/key.h
 * The interfaces of what makes master keys and of what keeps them. For authors of plug-ins; callers of a vault never
 * need it.
 *
 * A master key has a name and versions; each version is 32 bytes, made by a generator and kept by a key store, which
 * are chosen one by one: a generator of an outside service can go with a key store of Sherd's own, and the other way
 * round. What is known of each version (who it is, which generator and key store, their arguments, the outside key that
 * it is tied to, and the few bytes that its store keeps there) lies in the anchor's keyring, sealed under the root key.
 *
 * A key store never has to invent cryptography or a place: Sherd offers it struct sherd_key_host. What a store keeps,
 * in the keyring or anywhere else, must have gone through protect() first, which encrypts it under the protection key
 * and binds it to deployment, master key, version and store; so whoever reads all that a store kept, reads nothing.
 *
 * @code
 * // A store over an outside service that wraps keys: what comes back from it is protected and kept in the keyring.
 * static enum sherd_err keep(const struct sherd_key_call *call, const struct sherd_master_key *key,
 *                            struct sherd_span wrapped, struct sherd_key_kept *out_kept)
 * {
 *     struct sherd_buf blob = {.max = SHERD_KEY_WRAPPED_BYTES_MAX};
 *     enum sherd_err err = service_wrap(call, key, wrapped, &blob);   // within call->timeout_ms
 *
 *     if (err == SHERD_OK)
 *         err = call->host->protect(call, sherd_buf_span(&blob), &out_kept->bytes);
 *     sherd_buf_done(&blob);
 *     return err;
 * }
 * @endcode
 *
 * @par Arguments  Pairs of a name and a value, given once, when a version is made, and kept in the keyring with it.
 * They are no place for secrets: the keyring is shown by `sherd key show`, and it is backed up. A credential comes from
 * where the argument *points*: a file, a descriptor, the name of an environment variable that names one. No plug-in may
 * have an argument whose value is a password, token, PIN or key.
 *
 * @par Secrets  Keys are handed over by address and lie in secret memory of the caller's; a plug-in copies them to no
 * other memory, and no text of an error holds any byte of them, of a credential or of an answer that may hold one.
 *
 * @par Errors  All functions return one of: SHERD_OK; SHERD_ERR_INVALID (an argument: the detail names it);
 * SHERD_ERR_DENIED (the service or the place refuses: credentials, a disabled key, a read-only vault); SHERD_ERR_BUSY
 * (passing: no answer within timeout_ms, throttled, or the service says to come back); SHERD_ERR_IO (it cannot be
 * reached, answers what cannot be understood, or a place fails); SHERD_ERR_TAMPERED (what was kept does not verify, or
 * part of it is gone: the detail names it); SHERD_ERR_LIMIT; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY. Outputs change
 * only on SHERD_OK.
 *
 * @par Time  timeout_ms bounds the whole call, retries included, not each packet. A plug-in retries what is safe to
 * repeat and never sleeps past it. Nothing else of the anchor waits for the call.
 *
 * @par Threads  Any thread may call any function at any time, for the same master key too.
 */
#ifndef SHERD_PROVIDER_KEY_H
#define SHERD_PROVIDER_KEY_H

#include <sherd/err.h>
#include <sherd/provider/store.h>
#include <sherd/span.h>
#include <sherd/uuid.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The number of these interfaces. Members are only ever appended; abi says which a plug-in has. */
#define SHERD_KEY_ABI 1U

#define SHERD_MASTER_KEY_SIZE 32

/** Room for the name of a master key, with its final zero byte: 1..63 of a-z 0-9 . _ - */
#define SHERD_KEY_NAME_SIZE 64U
/** Room for the name of a generator or key store, with its final zero byte. */
#define SHERD_KEY_PLUGIN_NAME_SIZE 16U
/** Most arguments, and most bytes of all, written as name=value with a newline after each. */
#define SHERD_KEY_ARGS_MAX 16U
#define SHERD_KEY_ARGS_BYTES_MAX 512U
/** Room for the outside service's name of the key that a version is tied to, with its final zero byte. */
#define SHERD_KEY_OUTSIDE_SIZE 256U
/** Most bytes that a key store keeps in the keyring. */
#define SHERD_KEY_KEPT_BYTES_MAX 1024U
/** Bytes that protect() adds. */
#define SHERD_KEY_PROTECT_BYTES 72U
/** Most bytes of a key that an outside service wrapped: protected, and with a few bytes beside it, it can be kept. */
#define SHERD_KEY_WRAPPED_BYTES_MAX 928U
/** Most bytes of a part, and most parts in one call. */
#define SHERD_KEY_PART_BYTES_MAX 128U
#define SHERD_KEY_PARTS_MAX 1024U
/** Most bytes of a place, with its final zero byte, and most places of one version. */
#define SHERD_KEY_PLACE_SIZE 256U
#define SHERD_KEY_PLACES_MAX 16U
/** What timeout_ms is where nothing else is configured. */
#define SHERD_KEY_TIMEOUT_MS 10000U

/** One version of a master key. A kind of key of its own; lies in secret memory, whoever has one wipes it. */
struct sherd_master_key {
    uint8_t bytes[SHERD_MASTER_KEY_SIZE];
};

/** Which version of which master key, for good. */
struct sherd_key_id {
    struct sherd_uuid deployment;
    struct sherd_ref kid; /**< random; names this version and no other */
    char name[SHERD_KEY_NAME_SIZE];
    uint64_t version; /**< 1 or more */
};

/** One argument. No credentials: see above. */
struct sherd_key_arg {
    const char *name;  /**< 1..32 of a-z 0-9 - */
    const char *value; /**< printable text, which may be empty */
};

/** Arguments, each name once. Borrowed. */
struct sherd_key_args {
    const struct sherd_key_arg *list;
    size_t count; /**< 0..SHERD_KEY_ARGS_MAX */
};

struct sherd_key_host;

/** What every function gets. Borrowed until it returns. */
struct sherd_key_call {
    const struct sherd_key_host *host;
    const struct sherd_key_id *id;
    struct sherd_key_args args;
    const char *store;   /**< name of the key store; protect() binds to it */
    uint64_t protection; /**< version of the protection key: when keeping the current one, later the one kept under */
    const char *outside_id; /**< what keep() or generate() said it is tied to; "" for nothing */
    uint32_t timeout_ms;    /**< 1 or more */
};

/** What a generator gives. */
struct sherd_key_made {
    struct sherd_master_key *key;            /**< the caller's, in secret memory: to be filled */
    struct sherd_buf wrapped;                /**< the same key as an outside service wrapped it; else left empty */
    char outside_id[SHERD_KEY_OUTSIDE_SIZE]; /**< the outside key that wrapped it; "" for none */
};

/** Makes master keys. */
struct sherd_key_generator {
    uint32_t abi;                 /**< SHERD_KEY_ABI */
    const char *name;             /**< "openssl" */
    const char *const *arg_names; /**< arguments that it takes, ending with NULL; NULL for none */

    /**
     * Make one. Required. Uniformly random: at least 256 bits of entropy, from a source that is fit for keys.
     * @param[in]  call      store says where it will be kept; host may be used
     * @param[out] out_made  wrapped is empty before, with SHERD_KEY_WRAPPED_BYTES_MAX as its ceiling
     */
    enum sherd_err (*generate)(const struct sherd_key_call *call, struct sherd_key_made *out_made);
};

/** What a key store keeps in the keyring. */
struct sherd_key_kept {
    struct sherd_buf bytes;                  /**< 1..SHERD_KEY_KEPT_BYTES_MAX bytes, protected or saying nothing */
    char outside_id[SHERD_KEY_OUTSIDE_SIZE]; /**< the outside key it is tied to now; begins as the generator's */
};

/** What is wrong with a part. */
enum sherd_key_fault {
    SHERD_KEY_PART_LOST = 1,    /**< it is not there */
    SHERD_KEY_PART_DAMAGED,     /**< it does not verify */
    SHERD_KEY_PART_UNREACHABLE, /**< its place or service does not answer */
};

/** A fault that check() found. Texts are borrowed until the visitor returns. */
struct sherd_key_finding {
    enum sherd_key_fault fault;
    uint64_t index;    /**< of the part, from 0 */
    const char *place; /**< where it should be; "" for the keyring itself */
};

/** Gets each fault; return any code but SHERD_OK to end the check with that code. */
typedef enum sherd_err sherd_key_finding_fn(void *arg, const struct sherd_key_finding *finding);

/** Keeps master keys. All functions are required. */
struct sherd_key_store {
    uint32_t abi;                 /**< SHERD_KEY_ABI */
    const char *name;             /**< "anchor" */
    const char *const *arg_names; /**< arguments that it takes, ending with NULL; NULL for none */

    /**
     * Keep a version, durably on return. It may be kept before: then this is a second keeping beside the first (under
     * another version of the protection key), and the first stays whole until destroy() is called with its kept bytes.
     * What fails half-way removes what it wrote, as far as it can.
     * @param[in]  wrapped   as the generator gave it; a store of another service ignores it
     * @param[out] out_kept  bytes is empty before, with SHERD_KEY_KEPT_BYTES_MAX as its ceiling
     */
    enum sherd_err (*keep)(const struct sherd_key_call *call, const struct sherd_master_key *key,
                           struct sherd_span wrapped, struct sherd_key_kept *out_kept);

    /** Fetch a version. Whatever is not exactly as it was kept is SHERD_ERR_TAMPERED, and named. */
    enum sherd_err (*fetch)(const struct sherd_key_call *call, struct sherd_span kept,
                            struct sherd_master_key *out_key);

    /**
     * Destroy what keep() made outside the keyring; the caller then drops kept. What is gone already is no error, so
     * that it may be repeated until it succeeds.
     */
    enum sherd_err (*destroy)(const struct sherd_key_call *call, struct sherd_span kept);

    /**
     * Look whether a version could be fetched, without giving it; visit each part that is at fault, also where enough
     * others are left.
     * @return SHERD_OK: it can be fetched; SHERD_ERR_TAMPERED, SHERD_ERR_IO, ...: it cannot; the visitor's code
     */
    enum sherd_err (*check)(const struct sherd_key_call *call, struct sherd_span kept, sherd_key_finding_fn *visit,
                            void *arg);
};

/** A small piece of what a store keeps, at a place. Lies in secret memory where it is secret. */
struct sherd_key_part {
    struct sherd_ref set;  /**< random, drawn by each keep(): parts of two keepings never meet */
    uint64_t index;        /**< from 0 */
    enum sherd_err status; /**< parts_get() only: SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED */
    size_t bytes;          /**< 1..SHERD_KEY_PART_BYTES_MAX */
    uint8_t block[SHERD_KEY_PART_BYTES_MAX];
};

/**
 * What Sherd offers to a plug-in. Functions find the rest through call->host.
 *
 * A place is a compartment of the vault by its role ("identity", "assets", "secrets", "keys"), or a store of its own
 * ("lmdb:/absolute/directory", made at the first part). A part is sealed there, alone, under a name that is a
 * pseudonym: the place sees entries that are all alike and learns neither the master key nor the index. A part that is
 * changed, moved to another name or taken from another set does not verify.
 */
struct sherd_key_host {
    uint32_t abi; /**< SHERD_KEY_ABI */

    /**
     * Encrypt under the version call->protection of the protection key, bound to deployment, kid, name, version, store
     * and that version.
     * @param[in]     plain     1..SHERD_KEY_KEPT_BYTES_MAX - SHERD_KEY_PROTECT_BYTES bytes
     * @param[in,out] out_text  plain.len + SHERD_KEY_PROTECT_BYTES bytes are appended
     */
    enum sherd_err (*protect)(const struct sherd_key_call *call, struct sherd_span plain, struct sherd_buf *out_text);
    /** The other way; out_plain should lie in secret memory. SHERD_ERR_TAMPERED: not of this version, or changed. */
    enum sherd_err (*unprotect)(const struct sherd_key_call *call, struct sherd_span text, struct sherd_buf *out_plain);

    /** Write 1..SHERD_KEY_PARTS_MAX parts at a place, all or none, durably. One that is there is SHERD_ERR_CONFLICT. */
    enum sherd_err (*parts_put)(const struct sherd_key_call *call, const char *place,
                                const struct sherd_key_part *parts, size_t count);
    /** Read parts: set and index are given, the rest is filled in. A code is returned only where the place fails. */
    enum sherd_err (*parts_get)(const struct sherd_key_call *call, const char *place, struct sherd_key_part *parts,
                                size_t count);
    /** Remove parts, by set and index, durably. What is not there is no error. */
    enum sherd_err (*parts_delete)(const struct sherd_key_call *call, const char *place,
                                   const struct sherd_key_part *parts, size_t count);
};

#ifdef __cplusplus
}
#endif

#endif
