/* SPDX-License-Identifier: Apache-2.0 */
/* The host of generators and key stores: see host.h and docs/format/keys.md. */
#include "kms/host.h"
#include <string.h>

_Static_assert(SHERD_KEY_PROTECT_BYTES == SHERD_AEAD_HEADER_SIZE + SHERD_AEAD_TAG_SIZE, "what sealing adds");

/* What a protected text is bound to: docs/format/keys.md. */
enum {
    BOUND_LABEL = 1,
    BOUND_DEPLOYMENT = 2,
    BOUND_KID = 3,
    BOUND_NAME = 4,
    BOUND_VERSION = 5,
    BOUND_STORE = 6,
    BOUND_PROTECTION = 7,
};
#define BOUND_BYTES_MAX 256U

static const struct sherd_kms *kms_of(const struct sherd_key_call *call)
{
    return (const struct sherd_kms *)(const void *)call->host;
}

static enum sherd_err context_of(const struct sherd_key_call *call, uint8_t block[static BOUND_BYTES_MAX],
                                 struct sherd_span *out_context)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, BOUND_BYTES_MAX);
    size_t bytes = 0;

    sherd_tlv_put(&writer, BOUND_LABEL, sherd_span_str("sherd master key 1"));
    sherd_tlv_put(&writer, BOUND_DEPLOYMENT, sherd_span_of(call->id->deployment.bytes, 16));
    sherd_tlv_put(&writer, BOUND_KID, sherd_span_of(call->id->kid.bytes, 16));
    sherd_tlv_put(&writer, BOUND_NAME, sherd_span_str(call->id->name));
    sherd_tlv_put_u64(&writer, BOUND_VERSION, call->id->version);
    sherd_tlv_put(&writer, BOUND_STORE, sherd_span_str(call->store));
    sherd_tlv_put_u64(&writer, BOUND_PROTECTION, call->protection);
    SHERD_TRY(sherd_tlv_end(&writer, &bytes));
    *out_context = sherd_span_of(block, bytes);
    return SHERD_OK;
}

static enum sherd_err host_protect(const struct sherd_key_call *call, struct sherd_span plain,
                                   struct sherd_buf *out_text)
{
    uint8_t block[BOUND_BYTES_MAX];
    const uint8_t *key = NULL;
    struct sherd_span context;

    SHERD_ENSURE(plain.len >= 1 && plain.len <= SHERD_KEY_KEPT_BYTES_MAX - SHERD_KEY_PROTECT_BYTES, SHERD_ERR_LIMIT,
                 "1 to 952 bytes are protected");
    SHERD_TRY(sherd_protections_key(kms_of(call)->protections, call->protection, &key));
    SHERD_TRY(context_of(call, block, &context));
    return sherd_aead_seal(key, context, plain, out_text);
}

static enum sherd_err host_unprotect(const struct sherd_key_call *call, struct sherd_span text,
                                     struct sherd_buf *out_plain)
{
    uint8_t block[BOUND_BYTES_MAX];
    const uint8_t *key = NULL;
    struct sherd_span context;

    SHERD_TRY(sherd_protections_key(kms_of(call)->protections, call->protection, &key));
    SHERD_TRY(context_of(call, block, &context));
    const enum sherd_err err = sherd_aead_open(key, context, text, out_plain);
    if (err != SHERD_ERR_TAMPERED)
        return err;
    return sherd_fail(err, "what key store %s kept of master key \"%s\" does not verify", call->store, call->id->name);
}

static enum sherd_err host_parts_put(const struct sherd_key_call *call, const char *place,
                                     const struct sherd_key_part *parts, size_t count)
{
    const uint8_t *key = NULL;

    SHERD_TRY(sherd_protections_key(kms_of(call)->protections, call->protection, &key));
    return sherd_places_put(&kms_of(call)->places, call, key, place, parts, count);
}

static enum sherd_err host_parts_get(const struct sherd_key_call *call, const char *place, struct sherd_key_part *parts,
                                     size_t count)
{
    const uint8_t *key = NULL;

    SHERD_TRY(sherd_protections_key(kms_of(call)->protections, call->protection, &key));
    return sherd_places_get(&kms_of(call)->places, call, key, place, parts, count);
}

static enum sherd_err host_parts_delete(const struct sherd_key_call *call, const char *place,
                                        const struct sherd_key_part *parts, size_t count)
{
    const uint8_t *key = NULL;

    SHERD_TRY(sherd_protections_key(kms_of(call)->protections, call->protection, &key));
    return sherd_places_delete(&kms_of(call)->places, call, key, place, parts, count);
}

void sherd_kms_init(const struct sherd_protections *protections, const struct sherd_places *places,
                    struct sherd_kms *out_kms)
{
    *out_kms = (struct sherd_kms){.host = {.abi = SHERD_KEY_ABI,
                                           .protect = host_protect,
                                           .unprotect = host_unprotect,
                                           .parts_put = host_parts_put,
                                           .parts_get = host_parts_get,
                                           .parts_delete = host_parts_delete},
                                  .protections = protections,
                                  .places = *places};
}
