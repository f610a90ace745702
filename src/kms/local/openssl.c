/* SPDX-License-Identifier: Apache-2.0 */
/* The generator "openssl": see local.h. */
#include "base/random.h"
#include "crypto/init.h"
#include "kms/local/local.h"

static enum sherd_err openssl_generate(const struct sherd_key_call *call, struct sherd_key_made *out_made)
{
    (void)call;
    SHERD_TRY(sherd_crypto_init()); /* from then on randomness is OpenSSL's */
    return sherd_random(out_made->key->bytes, sizeof(out_made->key->bytes));
}

const struct sherd_key_generator sherd_key_generator_openssl = {
    .abi = SHERD_KEY_ABI,
    .name = "openssl",
    .generate = openssl_generate,
};
