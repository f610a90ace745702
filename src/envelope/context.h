/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/context.h
 * The context that binds whatever is encrypted to its place: docs/format/envelope.md section 4.
 */
#ifndef SHERD_ENVELOPE_CONTEXT_H
#define SHERD_ENVELOPE_CONTEXT_H

#include "envelope/tlv.h"
#include <sherd/provider/store.h>
#include <sherd/uuid.h>

/** Format and suite that this code writes, and the only ones that it reads. */
#define SHERD_FORMAT 1U
#define SHERD_SUITE 1U

/** What a key or a sealed text is for. The first four are the compartments: enum sherd_role. */
enum sherd_purpose {
    SHERD_FOR_IDENTITY = 1,
    SHERD_FOR_ASSETS = 2,
    SHERD_FOR_SECRETS = 3,
    SHERD_FOR_KEYS = 4,
    SHERD_FOR_CONTENT = 16,
    SHERD_FOR_RECORD_KEY = 17,
    SHERD_FOR_ENTITY_KEY = 18,
    SHERD_FOR_WRAPPING_KEY = 19,
    SHERD_FOR_DERIVED_KEY = 22,
    SHERD_FOR_NAMED_WRAPPING_KEY = 23,
    SHERD_FOR_RECIPIENT = 32,
};

/** Which record, whose, in what collection: what contents and their keys are bound to. */
struct sherd_scope {
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    struct sherd_uuid collection;
    struct sherd_ref entity;
    struct sherd_uuid record;
    uint64_t version;
};

/** Room for any context. */
#define SHERD_CONTEXT_BYTES_MAX 192U

/** A context, encoded. */
struct sherd_context {
    uint8_t bytes[SHERD_CONTEXT_BYTES_MAX];
    size_t len;
};

/**
 * The context of contents or of a key.
 * @param[in] key_version    of the store key that takes part, 1 or more
 * @param[in] outer_version  of the key that wraps (entity key or master key); 0 for none
 */
void sherd_context_of_scope(const struct sherd_scope *scope, enum sherd_purpose purpose, uint32_t key_version,
                            uint64_t outer_version, struct sherd_context *out_context);

/**
 * The context of an entity key, or of the key that wraps record keys: as sherd_context_of_scope(), and which keys take
 * part beside it.
 * @param[in] master  kid of the master key; NULL for none
 * @param[in] epoch   the erase epoch
 */
void sherd_context_of_wrap(const struct sherd_scope *scope, enum sherd_purpose purpose, uint32_t key_version,
                           uint64_t outer_version, const struct sherd_ref *master, uint64_t epoch,
                           struct sherd_context *out_context);

/** The context of an entry: its compartment, kind, store key version, name and the length of its payload. */
void sherd_context_of_entry(const struct sherd_uuid *deployment, enum sherd_purpose compartment, uint8_t kind,
                            uint32_t key_version, const struct sherd_ref *name, size_t payload_bytes,
                            struct sherd_context *out_context);

static inline struct sherd_span sherd_context_span(const struct sherd_context *context)
{
    return sherd_span_of(context->bytes, context->len);
}

#endif
