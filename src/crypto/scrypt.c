/* SPDX-License-Identifier: Apache-2.0 */
/* scrypt within the bounds that age needs, which are wider than ours: others choose them. */
#include "crypto/scrypt.h"

#include "crypto/known.h"

enum sherd_err sherd_scrypt_key(unsigned log, struct sherd_span passphrase, struct sherd_span salt, uint8_t out_key[32])
{
    const struct sherd_pwhash_params params = {SHERD_PWHASH_SCRYPT, log, 8, 1};

    SHERD_ENSURE(log >= 1 && log <= SHERD_SCRYPT_LOG_MAX, SHERD_ERR_LIMIT,
                 "a passphrase hash that costs that much is not computed");
    return sherd_scrypt(&params, passphrase, salt, out_key, 32);
}
