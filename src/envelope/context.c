/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: see context.h and docs/format/envelope.md section 4. */
#include "envelope/context.h"

enum {
    CONTEXT_DEPLOYMENT = 1,
    CONTEXT_TENANT = 2,
    CONTEXT_COLLECTION = 3,
    CONTEXT_ENTITY = 4,
    CONTEXT_RECORD = 5,
    CONTEXT_SUITE = 6,
    CONTEXT_VERSION = 7,
    CONTEXT_PURPOSE = 8,
    CONTEXT_OUTER = 9,
    CONTEXT_MASTER = 10,
    CONTEXT_NAME = 11,
    CONTEXT_BYTES = 12,
    CONTEXT_EPOCH = 13,
};

static uint64_t format_suite_key(uint32_t key_version)
{
    return (uint64_t)SHERD_FORMAT << 48 | (uint64_t)SHERD_SUITE << 32 | key_version;
}

static void context_end(const struct sherd_tlv_writer *writer, struct sherd_context *out_context)
{
    if (sherd_tlv_end(writer, &out_context->len) != SHERD_OK)
        sherd_bug("a context does not fit its block");
}

static struct sherd_tlv_writer scope_begin(const struct sherd_scope *scope, enum sherd_purpose purpose,
                                           uint32_t key_version, uint64_t outer_version,
                                           struct sherd_context *out_context)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(out_context->bytes, sizeof(out_context->bytes));

    sherd_tlv_put(&writer, CONTEXT_DEPLOYMENT, sherd_span_of(scope->deployment.bytes, 16));
    sherd_tlv_put(&writer, CONTEXT_TENANT, sherd_span_of(scope->tenant.bytes, 16));
    sherd_tlv_put(&writer, CONTEXT_COLLECTION, sherd_span_of(scope->collection.bytes, 16));
    sherd_tlv_put(&writer, CONTEXT_ENTITY, sherd_span_of(scope->entity.bytes, 16));
    sherd_tlv_put(&writer, CONTEXT_RECORD, sherd_span_of(scope->record.bytes, 16));
    sherd_tlv_put_u64(&writer, CONTEXT_SUITE, format_suite_key(key_version));
    sherd_tlv_put_u64(&writer, CONTEXT_VERSION, scope->version);
    sherd_tlv_put_u64(&writer, CONTEXT_PURPOSE, purpose);
    sherd_tlv_put_u64(&writer, CONTEXT_OUTER, outer_version);
    return writer;
}

void sherd_context_of_scope(const struct sherd_scope *scope, enum sherd_purpose purpose, uint32_t key_version,
                            uint64_t outer_version, struct sherd_context *out_context)
{
    const struct sherd_tlv_writer writer = scope_begin(scope, purpose, key_version, outer_version, out_context);

    context_end(&writer, out_context);
}

void sherd_context_of_wrap(const struct sherd_scope *scope, enum sherd_purpose purpose, uint32_t key_version,
                           uint64_t outer_version, const struct sherd_ref *master, uint64_t epoch,
                           struct sherd_context *out_context)
{
    struct sherd_tlv_writer writer = scope_begin(scope, purpose, key_version, outer_version, out_context);

    if (master != NULL)
        sherd_tlv_put(&writer, CONTEXT_MASTER, sherd_span_of(master->bytes, 16));
    sherd_tlv_put_u64(&writer, CONTEXT_EPOCH, epoch);
    context_end(&writer, out_context);
}

void sherd_context_of_entry(const struct sherd_uuid *deployment, enum sherd_purpose compartment, uint8_t kind,
                            uint32_t key_version, const struct sherd_ref *name, size_t payload_bytes,
                            struct sherd_context *out_context)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(out_context->bytes, sizeof(out_context->bytes));

    sherd_tlv_put(&writer, CONTEXT_DEPLOYMENT, sherd_span_of(deployment->bytes, 16));
    sherd_tlv_put_u64(&writer, CONTEXT_SUITE, format_suite_key(key_version));
    sherd_tlv_put_u64(&writer, CONTEXT_PURPOSE, compartment);
    sherd_tlv_put_u64(&writer, CONTEXT_OUTER, kind);
    sherd_tlv_put(&writer, CONTEXT_NAME, sherd_span_of(name->bytes, 16));
    sherd_tlv_put_u64(&writer, CONTEXT_BYTES, payload_bytes);
    context_end(&writer, out_context);
}
