/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/verify.h
 * Verify, with a say in how much it remembers.
 */
#ifndef SHERD_SCRUB_VERIFY_H
#define SHERD_SCRUB_VERIFY_H

#include "cryptor/vault.h"

/**
 * As sherd_vault_verify().
 * @param[in] names_max  names of map entries, and of fragments, that are held at once; where there are more, what they
 *                       name is looked at a second time
 */
SHERD_MUST_USE enum sherd_err sherd_verify_holding(struct sherd_vault *vault, const struct sherd_uuid *id,
                                                   const struct sherd_observer *observer, size_t names_max,
                                                   struct sherd_verify_stat *out_stat);

#endif
