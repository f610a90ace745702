/* SPDX-License-Identifier: Apache-2.0 */
/* Challenges: see nonces.h. */
#include "anchor/embedded/nonces.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include <string.h>

static uint64_t now_ms(void)
{
    return sherd_clock()->monotonic_ns() / 1000000U + 1;
}

enum sherd_err sherd_nonces_new(struct sherd_nonces **out_nonces)
{
    struct sherd_nonces *nonces = sherd_alloc(sizeof(*nonces));

    if (nonces == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (pthread_mutex_init(&nonces->lock, NULL) != 0) {
        sherd_free(nonces);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_nonces = nonces;
    return SHERD_OK;
}

void sherd_nonces_free(struct sherd_nonces *nonces)
{
    if (nonces == NULL)
        return;
    (void)pthread_mutex_destroy(&nonces->lock);
    sherd_free(nonces);
}

enum sherd_err sherd_nonces_give(struct sherd_nonces *nonces, uint8_t out_nonce[SHERD_NONCE_SIZE])
{
    SHERD_TRY(sherd_random(out_nonce, SHERD_NONCE_SIZE));
    (void)pthread_mutex_lock(&nonces->lock);
    memcpy(nonces->all[nonces->next].bytes, out_nonce, SHERD_NONCE_SIZE);
    nonces->all[nonces->next].given_ms = now_ms();
    nonces->next = (nonces->next + 1) % SHERD_NONCES_MAX;
    (void)pthread_mutex_unlock(&nonces->lock);
    return SHERD_OK;
}

bool sherd_nonces_take(struct sherd_nonces *nonces, const uint8_t nonce[static SHERD_NONCE_SIZE])
{
    const uint64_t now = now_ms();
    bool taken = false;

    (void)pthread_mutex_lock(&nonces->lock);
    for (size_t i = 0; i < SHERD_NONCES_MAX && !taken; i++) {
        if (nonces->all[i].given_ms == 0 || !sherd_same(nonces->all[i].bytes, nonce, SHERD_NONCE_SIZE))
            continue;
        taken = now - nonces->all[i].given_ms < SHERD_NONCE_LIFETIME_MS;
        nonces->all[i].given_ms = 0;
    }
    (void)pthread_mutex_unlock(&nonces->lock);
    return taken;
}
