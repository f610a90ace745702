/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/embedded/nonces.h
 * Challenges that were given and not yet answered: each is good once, for SHERD_NONCE_LIFETIME_MS. Of very many at a
 * time the oldest are forgotten.
 */
#ifndef SHERD_ANCHOR_EMBEDDED_NONCES_H
#define SHERD_ANCHOR_EMBEDDED_NONCES_H

#include "identity/credential.h"
#include <pthread.h>

#define SHERD_NONCES_MAX 256U
#define SHERD_NONCE_LIFETIME_MS ((uint64_t)60000)

struct sherd_nonces {
    pthread_mutex_t lock;
    size_t next;
    struct {
        uint64_t given_ms; /* 0: none */
        uint8_t bytes[SHERD_NONCE_SIZE];
    } all[SHERD_NONCES_MAX];
};

SHERD_MUST_USE enum sherd_err sherd_nonces_new(struct sherd_nonces **out_nonces);
/** NULL is accepted. */
void sherd_nonces_free(struct sherd_nonces *nonces);

/** Give one. @return SHERD_OK; SHERD_ERR_IO: no randomness */
SHERD_MUST_USE enum sherd_err sherd_nonces_give(struct sherd_nonces *nonces, uint8_t out_nonce[SHERD_NONCE_SIZE]);

/** Take one back: whether it was given, not long ago, and not taken since. */
bool sherd_nonces_take(struct sherd_nonces *nonces, const uint8_t nonce[static SHERD_NONCE_SIZE]);

#endif
