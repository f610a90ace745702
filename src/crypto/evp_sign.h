/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/evp_sign.h
 * For this folder: what signatures of all kinds share, once there is a key.
 */
#ifndef SHERD_CRYPTO_EVP_SIGN_H
#define SHERD_CRYPTO_EVP_SIGN_H

#include "base/macros.h"
#include <openssl/evp.h>
#include <sherd/span.h>

/** @param[in] params  NULL: none. @param[in] size  of the signature. @param[in] name  for errors */
SHERD_MUST_USE enum sherd_err sherd_evp_sign(EVP_PKEY *pkey, const OSSL_PARAM *params, const char *name,
                                             struct sherd_span message, uint8_t *out_signature, size_t size);

/** @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_evp_verify(EVP_PKEY *pkey, const char *name, struct sherd_span message,
                                               const uint8_t *signature, size_t size);

/** For SHERD_CLEANUP. */
static inline void sherd_evp_pkey_freep(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
}

#endif
