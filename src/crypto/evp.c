/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's algorithms, fetched once, and what each thread keeps: a cipher context, and randomness drawn ahead. */
#include "crypto/evp.h"

#include "base/mem.h"
#include "base/secret.h"
#include <openssl/err.h>
#include <pthread.h>
#include <stdbool.h>

static struct sherd_evp algorithms;
static bool fetched;
static pthread_key_t lane_key;

static _Thread_local struct sherd_evp_lane *lane_of_thread;

static void lane_free(struct sherd_evp_lane *lane)
{
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

static void algorithms_free(struct sherd_evp *evp)
{
    EVP_CIPHER_free(evp->gcm);
    EVP_KDF_free(evp->scrypt);
    EVP_KDF_free(evp->pbkdf2);
    EVP_KDF_free(evp->argon2id);
}

static const char *missing_of(const struct sherd_evp *evp)
{
    if (evp->gcm == NULL)
        return "AES-256-GCM";
    if (evp->scrypt == NULL)
        return "scrypt";
    return evp->pbkdf2 == NULL ? "PBKDF2" : NULL;
}

enum sherd_err sherd_evp_fetch(void)
{
    struct sherd_evp evp = {0};
    const char *missing;

    if (fetched)
        return SHERD_OK;
    for (size_t i = 0; i < SHERD_HASHES; i++)
        SHERD_TRY(sherd_hmac_key_load((enum sherd_hash_alg)i, sherd_span_of(NULL, 0), &evp.unsalted[i]));
    evp.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    evp.scrypt = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    evp.pbkdf2 = EVP_KDF_fetch(NULL, "PBKDF2", NULL);
    evp.argon2id = EVP_KDF_fetch(NULL, "ARGON2ID", NULL);
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

static enum sherd_err lane_make(void)
{
    struct sherd_evp_lane *lane;

    SHERD_TRY(sherd_crypto_gate());
    lane = sherd_alloc(sizeof(*lane));
    if (lane == NULL)
        return SHERD_ERR_NO_MEMORY;
    lane->cipher = EVP_CIPHER_CTX_new();
    if (lane->cipher == NULL || pthread_setspecific(lane_key, lane) != 0) {
        lane_free(lane);
        ERR_clear_error();
        return sherd_fail(SHERD_ERR_NO_MEMORY, "cryptography: no memory for the context of a thread");
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
