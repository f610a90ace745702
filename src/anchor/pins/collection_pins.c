/* SPDX-License-Identifier: Apache-2.0 */
/* Pins of collections: see collection_pins.h. */
#include "anchor/pins/collection_pins.h"
#include "base/bytes.h"

/* How often a pin is tried whose keys are changed while it is written. */
#define TRIES_MAX 16U

enum sherd_err sherd_collection_pins_open(const struct sherd_pins *pins, const struct sherd_ref *name,
                                          struct sherd_span stored, struct sherd_uuid *out_collection,
                                          struct sherd_digest *out_digest)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&pins->keys, SHERD_KIND_COLLECTION_PIN, name, stored, &payload, &tlv));
    return sherd_collection_pin_decode(tlv, out_collection, out_digest);
}

static enum sherd_err collection_name(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                                      struct sherd_ref *out_name)
{
    return sherd_entry_name(&pins->keys, "collection", sherd_span_of(collection->bytes, 16), sherd_span_of(NULL, 0),
                            out_name);
}

/* @param[out] out_lost  refused since the keys were changed: try again */
static enum sherd_err write_pin(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                                const struct sherd_digest *digest, bool *out_lost)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_store_op ops[2] = {{.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT}};
    struct sherd_event event = {.kind = SHERD_EVENT_COLLECTION};
    size_t tlv_bytes;

    *out_lost = false;
    memcpy(event.subject.bytes, collection->bytes, sizeof(event.subject.bytes));
    SHERD_TRY(collection_name(pins, collection, &ops[0].name));
    SHERD_TRY(sherd_collection_pin_encode(collection, digest, tlv, &tlv_bytes));
    SHERD_TRY(sherd_entry_seal(&pins->keys, SHERD_KIND_COLLECTION_PIN, &ops[0].name, sherd_span_of(tlv, tlv_bytes),
                               &stored));
    ops[0].value = sherd_buf_span(&stored);
    return sherd_ring_write(pins->ring, ops, 1, &event, 1, out_lost);
}

enum sherd_err sherd_collection_pins_add(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                                         const struct sherd_digest *digest)
{
    enum sherd_err err = SHERD_OK;
    bool lost = true;

    for (unsigned tries = 0; tries < TRIES_MAX && lost; tries++)
        err = write_pin(pins, collection, digest, &lost);
    return err;
}

static enum sherd_err read_pin(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                               struct sherd_uuid *out_collection, struct sherd_digest *out_digest)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref name;

    SHERD_TRY(collection_name(pins, collection, &name));
    const enum sherd_err err = sherd_compartment_get(pins->compartment, name, &stored);
    SHERD_ENSURE(err != SHERD_ERR_LIMIT, SHERD_ERR_TAMPERED, "a collection's rules do not verify");
    SHERD_TRY(err);
    return sherd_collection_pins_open(pins, &name, sherd_buf_span(&stored), out_collection, out_digest);
}

enum sherd_err sherd_collection_pins_check(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                                           const struct sherd_digest *digest)
{
    struct sherd_uuid pinned_collection;
    struct sherd_digest pinned;

    enum sherd_err err = read_pin(pins, collection, &pinned_collection, &pinned);
    if (err == SHERD_ERR_DENIED) /* as in sherd_entry_open() */
        err = read_pin(pins, collection, &pinned_collection, &pinned);
    SHERD_TRY(err);
    if (!sherd_same(&pinned_collection, collection, sizeof(*collection)) ||
        !sherd_same(&pinned, digest, sizeof(*digest)))
        return sherd_fail(SHERD_ERR_TAMPERED, "a collection's rules do not verify");
    return SHERD_OK;
}
