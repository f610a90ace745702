/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the table about idempotency keys, and about pins of collections. */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/pins/collection_pins.h"

enum sherd_err sherd_embedded_idempotency_get(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                              struct sherd_span key, const struct sherd_digest *content_hash,
                                              struct sherd_uuid *out_record)
{
    return sherd_pins_idempotency_get(&sherd_embedded_of(anchor)->pins, collection, key, content_hash, out_record);
}

enum sherd_err sherd_embedded_collection_pin(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                             const struct sherd_digest *digest)
{
    return sherd_collection_pins_add(&sherd_embedded_of(anchor)->pins, collection, digest);
}

enum sherd_err sherd_embedded_collection_check(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                               const struct sherd_digest *digest)
{
    return sherd_collection_pins_check(&sherd_embedded_of(anchor)->pins, collection, digest);
}
