/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file err.h
 * Error codes: what the caller can do next.
 *
 * Every fallible function of Sherd returns an enum sherd_err and changes its outputs only on SHERD_OK. The code says
 * what to do; sherd_err_detail() says, in one line for a person, what happened and what would help. Neither ever holds
 * plaintext, keys, passphrases or tokens.
 *
 * All failures of verification (a tag, a seal, a pin, a proof, a share) are the one code SHERD_ERR_TAMPERED, so that no
 * caller of Sherd becomes an oracle for the one who feeds it.
 */
#ifndef SHERD_ERR_H
#define SHERD_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#define SHERD_API __attribute__((visibility("default")))
#define SHERD_MUST_USE __attribute__((warn_unused_result))

enum sherd_err {
    SHERD_OK = 0,
    SHERD_ERR_INVALID,     /**< the caller broke a documented precondition: fix the call      */
    SHERD_ERR_NOT_FOUND,   /**< nothing under that name                                       */
    SHERD_ERR_CONFLICT,    /**< someone else wrote first: read again, then retry              */
    SHERD_ERR_DENIED,      /**< policy, passphrase, key or token says no                      */
    SHERD_ERR_SEALED,      /**< the anchor holds no key yet: unseal it                        */
    SHERD_ERR_TAMPERED,    /**< a tag, seal, pin, proof or share did not verify: never which  */
    SHERD_ERR_LIMIT,       /**< a stated bound was reached                                    */
    SHERD_ERR_BUSY,        /**< passing condition: retry after a pause                        */
    SHERD_ERR_IO,          /**< store, disk or network failed                                 */
    SHERD_ERR_NO_MEMORY,   /**< memory could not be had                                       */
    SHERD_ERR_UNSUPPORTED, /**< this build, back-end or format version cannot do it           */
};

/**
 * The name of a code, as the documentation spells it.
 * @param[in] err  any code
 * @return a static string such as "SHERD_ERR_TAMPERED"; "SHERD_ERR_UNKNOWN" for a value that is none of them
 */
SHERD_API const char *sherd_err_name(enum sherd_err err);

/**
 * What the last failing call of this thread has to say, in one line, without a final full stop or newline.
 * @return text that is valid until the next call of Sherd on this thread; "" if nothing failed yet. Never NULL.
 *
 * @par Threads  The text belongs to the calling thread.
 */
SHERD_API const char *sherd_err_detail(void);

#ifdef __cplusplus
}
#endif

#endif
