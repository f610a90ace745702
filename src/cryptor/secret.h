/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/secret.h
 * The collection of secrets: <sherd/secret.h>.
 */
#ifndef SHERD_CRYPTOR_SECRET_H
#define SHERD_CRYPTOR_SECRET_H

#include "cryptor/vault.h"
#include <sherd/secret.h>

/**
 * The collection that secrets lie in; the owner makes it where it is not there. @return as sherd_collection_create()
 */
SHERD_MUST_USE enum sherd_err sherd_secret_collection(struct sherd_vault *vault,
                                                      struct sherd_collection_entry *out_collection);

#endif
