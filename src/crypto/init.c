/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start of the cryptography. The state goes from untried to ready or to failed, and never back; only a want of memory
 * leaves it untried.
 */
#include "crypto/init.h"

#include "base/failpoint.h"
#include "base/fork.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/evp.h"
#include "crypto/selftest.h"
#include <openssl/err.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum state {
    STATE_UNTRIED,
    STATE_READY,
    STATE_FAILED,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int state = STATE_UNTRIED;
static char failure[SHERD_FAIL_TEXT_SIZE]; /* written before the state becomes STATE_FAILED, then constant */

/* Set while this thread runs the self-test, which must use what nobody else may use yet. */
static _Thread_local bool testing;

#define DRBG_BYTES_MAX ((size_t)1 << 20)
/*
 * Bytes that a thread draws ahead: a call of the generator takes 0.4 us for 16 bytes as for 512, and a put makes nine.
 */
#define AHEAD_BYTES ((size_t)512)

/* OpenSSL's DRBG of this thread: seeded by the kernel, reseeded by itself, also in a child after fork(). */
static enum sherd_err draw(uint8_t *block, size_t size)
{
    for (size_t done = 0; done < size;) {
        const size_t take = size - done < DRBG_BYTES_MAX ? size - done : DRBG_BYTES_MAX;

        if (RAND_priv_bytes(block + done, (int)take) != 1) {
            sherd_wipe(block, size);
            ERR_clear_error();
            return sherd_fail(SHERD_ERR_IO, "OpenSSL gives no randomness");
        }
        done += take;
    }
    return SHERD_OK;
}

/* Bytes for this thread alone. What was drawn before a fork belongs to the parent: its memory is not even there. */
static enum sherd_err draw_ahead(struct sherd_evp_lane *lane)
{
    if (lane->random == NULL || sherd_fork_passed(lane->fork_count)) {
        lane->random_left = 0;
        lane->fork_count = sherd_fork_count();
        lane->random = sherd_secret_alloc(AHEAD_BYTES);
    }
    if (lane->random == NULL)
        return SHERD_ERR_NO_MEMORY;
    lane->random_left = 0;
    SHERD_TRY(draw(lane->random, AHEAD_BYTES));
    lane->random_left = AHEAD_BYTES;
    return SHERD_OK;
}

static enum sherd_err drbg_fill(uint8_t *block, size_t size)
{
    struct sherd_evp_lane *lane;

    if (size > AHEAD_BYTES / 2)
        return draw(block, size);
    SHERD_TRY(sherd_evp_lane(&lane));
    if (lane->random_left < size || sherd_fork_passed(lane->fork_count))
        SHERD_TRY(draw_ahead(lane));
    lane->random_left -= size;
    memcpy(block, lane->random + lane->random_left, size);
    sherd_wipe(lane->random + lane->random_left, size);
    return SHERD_OK;
}

static const struct sherd_random_source drbg = {.fill = drbg_fill};

/* The caller holds the lock. */
static enum sherd_err selftest_locked(const char *broken)
{
    enum sherd_err err = sherd_evp_fetch();

    if (err != SHERD_OK)
        return err;
    testing = true;
    err = sherd_selftest_run(broken);
    testing = false;
    sherd_evp_lane_drop(); /* so that this thread, too, comes by the gate before it does anything */
    if (err == SHERD_OK)
        sherd_fail_restore(""); /* its tests of wrong tags and signatures are nobody's failure */
    return err;
}

static enum sherd_err init_checks(void)
{
    SHERD_FAILPOINT("crypto.selftest");
    SHERD_TRY(sherd_fork_watch());
    return selftest_locked(NULL);
}

static enum sherd_err init_locked(void)
{
    const enum sherd_err err = init_checks();

    if (err == SHERD_ERR_NO_MEMORY)
        return err;
    if (err != SHERD_OK) {
        (void)snprintf(failure, sizeof(failure), "%s", sherd_err_detail());
        atomic_store_explicit(&state, STATE_FAILED, memory_order_release);
        return SHERD_ERR_UNSUPPORTED;
    }
    sherd_random_set(&drbg);
    atomic_store_explicit(&state, STATE_READY, memory_order_release);
    return SHERD_OK;
}

enum sherd_err sherd_crypto_init(void)
{
    enum sherd_err err = SHERD_OK;
    int now = atomic_load_explicit(&state, memory_order_acquire);

    if (now == STATE_UNTRIED) {
        pthread_mutex_lock(&lock);
        if (atomic_load_explicit(&state, memory_order_relaxed) == STATE_UNTRIED)
            err = init_locked();
        now = atomic_load_explicit(&state, memory_order_relaxed);
        pthread_mutex_unlock(&lock);
    }
    if (now == STATE_FAILED)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "%s", failure);
    return err;
}

enum sherd_err sherd_crypto_gate(void)
{
    if (atomic_load_explicit(&state, memory_order_acquire) == STATE_READY || testing)
        return SHERD_OK;
    return sherd_crypto_init();
}

enum sherd_err sherd_crypto_selftest(const char *broken)
{
    enum sherd_err err;

    pthread_mutex_lock(&lock);
    err = selftest_locked(broken);
    pthread_mutex_unlock(&lock);
    return err;
}
