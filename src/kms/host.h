/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/host.h
 * What Sherd offers to generators and key stores: struct sherd_key_host over protection keys and places.
 */
#ifndef SHERD_KMS_HOST_H
#define SHERD_KMS_HOST_H

#include "kms/places.h"
#include "kms/protection.h"

/** A host. All borrowed; immutable while calls are in flight, so that any number of threads may use it. */
struct sherd_kms {
    struct sherd_key_host host; /**< first: what call->host points to */
    const struct sherd_protections *protections;
    struct sherd_places places;
};

/**
 * Fill a host in.
 * @param[in] protections  borrowed, and looked at in each call: whoever changes the set keeps calls out meanwhile
 * @param[in] places       copied; what it points to is borrowed
 */
void sherd_kms_init(const struct sherd_protections *protections, const struct sherd_places *places,
                    struct sherd_kms *out_kms);

#endif
