/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/local/local.h
 * What needs no service and no place: the generator "openssl", 32 bytes of OpenSSL's random generator (SP 800-90A), and
 * the key store "anchor", which keeps the protected master key in the keyring. Both take no arguments.
 */
#ifndef SHERD_KMS_LOCAL_LOCAL_H
#define SHERD_KMS_LOCAL_LOCAL_H

#include <sherd/provider/key.h>

extern const struct sherd_key_generator sherd_key_generator_openssl;
extern const struct sherd_key_store sherd_key_store_anchor;

#endif
