/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/pins/collection_pins.h
 * Pins of collections in `keys`: each holds the digest of what the collection's entry in `assets` says.
 */
#ifndef SHERD_ANCHOR_PINS_COLLECTION_PINS_H
#define SHERD_ANCHOR_PINS_COLLECTION_PINS_H

#include "anchor/pins/pins.h"

/** As sherd_anchor_ops.collection_pin. */
SHERD_MUST_USE enum sherd_err sherd_collection_pins_add(const struct sherd_pins *pins,
                                                        const struct sherd_uuid *collection,
                                                        const struct sherd_digest *digest);

/** As sherd_anchor_ops.collection_check. */
SHERD_MUST_USE enum sherd_err sherd_collection_pins_check(const struct sherd_pins *pins,
                                                          const struct sherd_uuid *collection,
                                                          const struct sherd_digest *digest);

/** Open an entry of SHERD_KIND_COLLECTION_PIN met in a walk. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_DENIED */
SHERD_MUST_USE enum sherd_err sherd_collection_pins_open(const struct sherd_pins *pins, const struct sherd_ref *name,
                                                         struct sherd_span stored, struct sherd_uuid *out_collection,
                                                         struct sherd_digest *out_digest);

#endif
