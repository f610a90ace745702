/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/stripe.h
 * "stripe": the protected master key byte by byte, one entry a byte, spread over places in turn. Whoever has not all
 * places has not even the protected text. Every byte is needed: one place lost, and the master key is.
 *
 * Argument: places, 2 to 16 with commas (places.h); the four compartments if it is not given.
 */
#ifndef SHERD_KMS_STRIPE_H
#define SHERD_KMS_STRIPE_H

#include <sherd/provider/key.h>

extern const struct sherd_key_store sherd_key_store_stripe;

#endif
