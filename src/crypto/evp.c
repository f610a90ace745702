/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's algorithms, fetched once, and each thread's contexts.
 *
 * Why contexts are kept: making one costs 50 ns (hash) to 90 ns (cipher), copying a fresh one over a used one 23 ns.
 * The copy is also the wipe: OpenSSL either clears and frees the old state or overwrites all of it.
 */
#include "crypto/evp.h"

#include "base/mem.h"
#include "base/secret.h"
#include <openssl/err.h>
#include <pthread.h>

static struct sherd_evp algorithms;
static bool fetched;
static pthread_key_t lane_key;

static _Thread_local struct sherd_evp_lane *lane_of_thread;

static void lane_free(struct sherd_evp_lane *lane)
{
    for (size_t i = 0; i < SHERD_EVP_HASHES; i++) {
        EVP_MD_CTX_free(lane->hash[i].work);
        EVP_MD_CTX_free(lane->hash[i].inner);
        EVP_MD_CTX_free(lane->hash[i].outer);
    }
    EVP_CIPHER_CTX_free(lane->cipher);
    sherd_secret_free(lane->random);
    sherd_free(lane);
}

/* Destructor of lane_key: runs when a thread ends. */
static void lane_end(void *lane)
{
    lane_of_thread = NULL;
    lane_free(lane);
}

static EVP_MD_CTX *fresh_new(const EVP_MD *md)
{
    EVP_MD_CTX *ctx = md != NULL ? EVP_MD_CTX_new() : NULL;

    if (ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static void algorithms_free(struct sherd_evp *evp)
{
    for (size_t i = 0; i < SHERD_EVP_HASHES; i++) {
        EVP_MD_CTX_free(evp->fresh[i]);
        EVP_MD_free(evp->md[i]);
    }
    EVP_CIPHER_free(evp->gcm);
    EVP_KDF_free(evp->scrypt);
    EVP_KDF_free(evp->argon2id);
}

static const char *missing_of(const struct sherd_evp *evp)
{
    if (evp->fresh[SHERD_SHA256] == NULL)
        return "SHA-256";
    if (evp->fresh[SHERD_SHA512] == NULL)
        return "SHA-512";
    if (evp->gcm == NULL)
        return "AES-256-GCM";
    return evp->scrypt == NULL ? "scrypt" : NULL;
}

enum sherd_err sherd_evp_fetch(void)
{
    struct sherd_evp evp = {0};
    const char *missing;

    if (fetched)
        return SHERD_OK;
    evp.md[SHERD_SHA256] = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    evp.md[SHERD_SHA512] = EVP_MD_fetch(NULL, "SHA2-512", NULL);
    evp.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    evp.scrypt = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    evp.argon2id = EVP_KDF_fetch(NULL, "ARGON2ID", NULL);
    for (size_t i = 0; i < SHERD_EVP_HASHES; i++)
        evp.fresh[i] = fresh_new(evp.md[i]);
    ERR_clear_error(); /* that Argon2id is missing is no error */

    missing = missing_of(&evp);
    if (missing == NULL && pthread_key_create(&lane_key, lane_end) != 0)
        missing = "room for one more thread key";
    if (missing != NULL) {
        algorithms_free(&evp);
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "cryptography: OpenSSL has no %s; see its configuration file",
                          missing);
    }
    algorithms = evp;
    fetched = true;
    return SHERD_OK;
}

const struct sherd_evp *sherd_evp(void)
{
    return &algorithms;
}

bool sherd_evp_refresh(EVP_MD_CTX *ctx, enum sherd_hash_alg alg)
{
    return EVP_MD_CTX_copy_ex(ctx, algorithms.fresh[alg]) == 1;
}

static EVP_MD_CTX *fresh_copy(enum sherd_hash_alg alg)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx != NULL && !sherd_evp_refresh(ctx, alg)) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static bool lane_fill(struct sherd_evp_lane *lane)
{
    bool whole = true;

    for (size_t i = 0; i < SHERD_EVP_HASHES; i++) {
        struct sherd_evp_hash *hash = &lane->hash[i];

        hash->work = fresh_copy((enum sherd_hash_alg)i);
        hash->inner = fresh_copy((enum sherd_hash_alg)i);
        hash->outer = fresh_copy((enum sherd_hash_alg)i);
        whole = whole && hash->work != NULL && hash->inner != NULL && hash->outer != NULL;
    }
    lane->cipher = EVP_CIPHER_CTX_new();
    return whole && lane->cipher != NULL;
}

static enum sherd_err lane_make(void)
{
    struct sherd_evp_lane *lane;

    SHERD_TRY(sherd_crypto_gate());
    lane = sherd_alloc(sizeof(*lane));
    if (lane == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (!lane_fill(lane) || pthread_setspecific(lane_key, lane) != 0) {
        lane_free(lane);
        ERR_clear_error();
        return sherd_fail(SHERD_ERR_NO_MEMORY, "cryptography: no memory for the contexts of a thread");
    }
    lane_of_thread = lane;
    return SHERD_OK;
}

enum sherd_err sherd_evp_lane(struct sherd_evp_lane **out_lane)
{
    if (lane_of_thread == NULL)
        SHERD_TRY(lane_make());
    *out_lane = lane_of_thread;
    return SHERD_OK;
}

void sherd_evp_lane_drop(void)
{
    struct sherd_evp_lane *lane = lane_of_thread;

    if (lane == NULL)
        return;
    (void)pthread_setspecific(lane_key, NULL); /* clearing a value that was set needs no memory */
    lane_end(lane);
}

enum sherd_err sherd_evp_fail(const char *what)
{
    ERR_clear_error();
    return sherd_fail(SHERD_ERR_NO_MEMORY, "cryptography: %s failed, most likely for want of memory", what);
}
