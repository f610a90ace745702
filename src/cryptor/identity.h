/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/identity.h
 * The private keys that open what is sealed to a recipient: <sherd/identity.h>. Here what opening needs of them.
 */
#ifndef SHERD_CRYPTOR_IDENTITY_H
#define SHERD_CRYPTOR_IDENTITY_H

#include "crypto/hpke.h"
#include <sherd/identity.h>

/**
 * The private key of a public one. HPKE itself cannot tell a wrong key from changed contents; comparing can.
 * @param[out] out_own  borrowed from identity
 * @return SHERD_OK; SHERD_ERR_DENIED: none of the keys is the recipient's; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_identity_find(const struct sherd_identity *identity,
                                                  const struct sherd_kem_public *recipient,
                                                  const struct sherd_kem_private **out_own);

#endif
