/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/once.h
 * For this folder: algorithms that only some programs need are fetched, and must give their known answers, when they
 * are first asked for.
 */
#ifndef SHERD_CRYPTO_ONCE_H
#define SHERD_CRYPTO_ONCE_H

#include "base/macros.h"
#include <pthread.h>
#include <stdbool.h>

/** One group of algorithms; static, made by SHERD_ONCE(). */
struct sherd_once {
    /** Fetches and tests; keeps nothing where it fails; sets the detail. SHERD_ERR_TAMPERED: a wrong answer. */
    enum sherd_err (*prepare)(void);
    pthread_mutex_t lock;
    _Atomic int state;
    char failure[SHERD_FAIL_TEXT_SIZE]; /**< constant once the state says that it failed */
};

#define SHERD_ONCE(prepare_function) {.prepare = (prepare_function), .lock = PTHREAD_MUTEX_INITIALIZER}

/**
 * Pass the gate of the folder, and prepare the group unless that is done. A wrong answer is remembered for good: this
 * process never uses the group. That an algorithm is missing is not, since a want of memory can look like it.
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED: an algorithm is missing; SHERD_ERR_TAMPERED: one gave a wrong answer, now or
 *         before, so that nobody who can do without a missing one goes on; SHERD_ERR_NO_MEMORY
 *
 * @par Threads  Any; the others wait for the first.
 */
SHERD_MUST_USE enum sherd_err sherd_once_pass(struct sherd_once *once);

/** Whether OpenSSL's last failure was for want of memory. Empties its error queue. */
SHERD_MUST_USE bool sherd_openssl_wants_memory(void);

#endif
