/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries. The first byte of an input says what the rest is, the second names the compartment:
 *
 *     0  a stored entry as a store might give it: its header and length decide whether it is opened at all
 *     1  a kind (1 byte) and a payload, which is sealed as an entry under a known key, so that what is behind the tag
 *     is
 *        reached: framing, padding, and the kind's own decoder; what opens and decodes must be canonical to the byte
 */
#include "base/bytes.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include "envelope/entry.h"
#include "payloads.h"
#include <stdlib.h>

static const uint8_t key[SHERD_AEAD_KEY_SIZE] = "YELLOW SUBMARINE YELLOW SUBMARI";
static const uint8_t salt[SHERD_AEAD_SALT_SIZE] = {1};
static const struct sherd_ref name = {{0xa1}};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct sherd_entry_keys keys_of(enum sherd_purpose compartment)
{
    static struct sherd_hmac_key *seal;
    const struct sherd_span bytes = {key, sizeof(key)};

    if (seal == NULL)
        must(sherd_crypto_init() == SHERD_OK && sherd_hmac_key_new(SHERD_SHA512, bytes, &seal) == SHERD_OK);
    return (struct sherd_entry_keys){.compartment = compartment, .version = 1, .seal = seal};
}

/* What the second byte of an entry says of its kind: docs/format/envelope.md, section 2. */
static uint8_t number_of(enum sherd_kind kind, enum sherd_purpose compartment)
{
    if (kind == SHERD_KIND_COMPARTMENT)
        return (uint8_t)(32 + (unsigned)compartment);
    return (uint8_t)(kind == SHERD_KIND_KEY_PART ? 48 + (unsigned)compartment : (unsigned)kind);
}

static void fuzz_stored(const struct sherd_entry_keys *keys, struct sherd_span stored)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf payload = {0};
    struct sherd_span tlv;
    enum sherd_kind kind;
    enum sherd_err err = sherd_entry_kind(keys, stored, &kind);

    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err != SHERD_OK)
        return;
    must(stored.len == sherd_entry_bytes(sherd_kind_payload_bytes(kind, keys->compartment)));
    must(number_of(kind, keys->compartment) == stored.data[1]);
    err = sherd_entry_open(keys, kind, &name, stored, &payload, &tlv);
    must(err == SHERD_ERR_TAMPERED); /* nobody without the key makes one that opens */
    must(payload.len == 0);
}

/* A stored entry of exactly this payload, canonical or not. */
static void seal_as_it_is(const struct sherd_entry_keys *keys, enum sherd_kind kind, struct sherd_span payload,
                          struct sherd_buf *out_stored)
{
    const uint8_t header[SHERD_ENTRY_HEADER_SIZE] = {1, number_of(kind, keys->compartment), 0, 1, 0, 0, 0, 1};
    struct sherd_context context;

    sherd_context_of_entry(&keys->deployment, keys->compartment, (uint8_t)kind, keys->version, &name, payload.len,
                           &context);
    must(sherd_buf_append(out_stored, sherd_span_of(header, sizeof(header))) == SHERD_OK);
    must(sherd_aead_seal_salted(key, sherd_context_span(&context), salt, payload, out_stored) == SHERD_OK);
}

/* What was opened must be the payload: its length, the TLV, and nothing but zeros. */
static void check_framing(struct sherd_span payload, struct sherd_span tlv)
{
    must(tlv.len + 2 <= payload.len && sherd_get_u16(payload.data) == tlv.len);
    must(tlv.len == 0 || memcmp(payload.data + 2, tlv.data, tlv.len) == 0);
    for (size_t i = 2 + tlv.len; i < payload.len; i++)
        must(payload.data[i] == 0);
}

static void fuzz_payload(const struct sherd_entry_keys *keys, struct sherd_span input)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf stored = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf opened = {0};
    static uint8_t payload[SHERD_PAYLOAD_BYTES_MAX];
    static uint8_t again[SHERD_TLV_BYTES_MAX];
    struct sherd_span head;
    struct sherd_span tlv;
    size_t again_bytes = 0;

    if (!sherd_span_take(&input, 1, &head))
        return;
    const enum sherd_kind kind = (enum sherd_kind)head.data[0];
    const size_t bytes = sherd_kind_payload_bytes(kind, keys->compartment);
    if (bytes == 0)
        return;
    memset(payload, 0, sizeof(payload));
    if (input.len > 0)
        memcpy(payload, input.data, input.len < bytes ? input.len : bytes);
    seal_as_it_is(keys, kind, sherd_span_of(payload, bytes), &stored);
    enum sherd_err err = sherd_entry_open(keys, kind, &name, sherd_buf_span(&stored), &opened, &tlv);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err != SHERD_OK)
        return;
    check_framing(sherd_span_of(payload, bytes), tlv);
    err = payload_again(kind, tlv, again, &again_bytes);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    must(err != SHERD_OK || sherd_span_equal(sherd_span_of(again, again_bytes), tlv));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span head;

    if (!sherd_span_take(&input, 2, &head))
        return 0;
    const struct sherd_entry_keys keys = keys_of((enum sherd_purpose)(1 + head.data[1] % 4));
    if (head.data[0] % 2 == 0)
        fuzz_stored(&keys, input);
    else
        fuzz_payload(&keys, input);
    return 0;
}
