/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of algorithms that are made ready at their first use: the states are those of init.c. */
#include "crypto/once.h"

#include "crypto/evp.h"
#include <openssl/err.h>
#include <stdatomic.h>
#include <stdio.h>

enum state {
    STATE_UNTRIED,
    STATE_READY,
    STATE_FAILED,
};

/* The caller holds the lock. */
static enum sherd_err prepare_locked(struct sherd_once *once)
{
    const enum sherd_err err = once->prepare();

    if (err == SHERD_OK) {
        sherd_fail_restore(""); /* what its tests saw refused is nobody's failure */
        atomic_store_explicit(&once->state, STATE_READY, memory_order_release);
    } else if (err == SHERD_ERR_TAMPERED) {
        (void)snprintf(once->failure, sizeof(once->failure), "%s", sherd_err_detail());
        atomic_store_explicit(&once->state, STATE_FAILED, memory_order_release);
    }
    return err;
}

enum sherd_err sherd_once_pass(struct sherd_once *once)
{
    enum sherd_err err = SHERD_OK;
    int now = atomic_load_explicit(&once->state, memory_order_acquire);

    SHERD_TRY(sherd_crypto_gate());
    if (now == STATE_UNTRIED) {
        pthread_mutex_lock(&once->lock);
        if (atomic_load_explicit(&once->state, memory_order_relaxed) == STATE_UNTRIED)
            err = prepare_locked(once);
        now = atomic_load_explicit(&once->state, memory_order_relaxed);
        pthread_mutex_unlock(&once->lock);
    }
    if (now == STATE_FAILED)
        return sherd_fail(SHERD_ERR_TAMPERED, "%s", once->failure); /* as the first time */
    return err;
}

bool sherd_openssl_wants_memory(void)
{
    const unsigned long last = ERR_peek_last_error();
    const bool wants = ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE;

    ERR_clear_error();
    return wants;
}
