/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/shares.h
 * "shares": the protected master key is encrypted once more, under a key of its own, which is split by Shamir's
 * sharing: any k of n shares give it back, fewer say nothing. The text lies in the keyring, the shares at the places in
 * turn.
 *
 * Arguments: places, 2 to 16 with commas (places.h), the four compartments if it is not given; shares, their number,
 * from the number of places (the default) to 32; threshold, from 2 to the number of shares, more than half if it is not
 * given.
 */
#ifndef SHERD_KMS_SHARES_H
#define SHERD_KMS_SHARES_H

#include <sherd/provider/key.h>

extern const struct sherd_key_store sherd_key_store_shares;

#endif
