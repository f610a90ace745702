/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/agent/wire_inside.h
 * The fields that messages are made of, each written or read by one function; and the messages about users, named keys
 * and grants (wire_rights.c), and about the ledger (wire_ledger.c). For these, and nobody else.
 */
#ifndef SHERD_ANCHOR_AGENT_WIRE_INSIDE_H
#define SHERD_ANCHOR_AGENT_WIRE_INSIDE_H

#include "anchor/agent/wire.h"
#include "base/bytes.h"

/* --- fields ------------------------------------------------------------------------------------------------------- */

static inline void fail(struct sherd_wire *wire)
{
    wire->failed = true;
}

/* Bytes of a fixed number. */
static inline void code_fixed(struct sherd_wire *wire, void *bytes, size_t size)
{
    struct sherd_span taken;

    if (wire->failed)
        return;
    if (wire->out != NULL) {
        if (sherd_buf_append(wire->out, sherd_span_of(bytes, size)) != SHERD_OK)
            fail(wire);
    } else if (sherd_span_take(&wire->in, size, &taken)) {
        memcpy(bytes, taken.data, size);
    } else {
        fail(wire);
    }
}

/* An integer of 1, 2, 4 or 8 bytes, at most max. What is read into need not be set before, also below. */
static inline uint64_t code_uint(struct sherd_wire *wire, size_t size, uint64_t value, uint64_t max)
{
    uint8_t bytes[8];

    sherd_put_u64(bytes, value);
    code_fixed(wire, bytes + sizeof(bytes) - size, size);
    if (wire->failed)
        return 0;
    if (wire->out == NULL)
        memset(bytes, 0, sizeof(bytes) - size);
    value = sherd_get_u64(bytes);
    if (value > max)
        fail(wire);
    return wire->failed ? 0 : value;
}

static inline void code_u8(struct sherd_wire *wire, uint8_t *value)
{
    *value = (uint8_t)code_uint(wire, 1, *value, UINT8_MAX);
}

static inline void code_u16(struct sherd_wire *wire, uint16_t *value)
{
    *value = (uint16_t)code_uint(wire, 2, *value, UINT16_MAX);
}

static inline void code_u32(struct sherd_wire *wire, uint32_t *value)
{
    *value = (uint32_t)code_uint(wire, 4, *value, UINT32_MAX);
}

static inline void code_u64(struct sherd_wire *wire, uint64_t *value)
{
    *value = code_uint(wire, 8, *value, UINT64_MAX);
}

static inline void code_bool(struct sherd_wire *wire, bool *value)
{
    *value = code_uint(wire, 1, wire->out != NULL && *value ? 1 : 0, 1) == 1;
}

static inline unsigned code_enum(struct sherd_wire *wire, unsigned value, unsigned min, unsigned max)
{
    value = (unsigned)code_uint(wire, 1, value, max);
    if (value < min)
        fail(wire);
    return wire->failed ? min : value;
}

/* Length in 2 bytes, then the bytes. */
static inline void code_span(struct sherd_wire *wire, struct sherd_span *span, size_t max)
{
    const size_t len = (size_t)code_uint(wire, 2, span->len, max);

    if (wire->failed)
        return;
    if (wire->out != NULL)
        code_fixed(wire, (void *)span->data, len); /* which only reads from it */
    else if (!sherd_span_take(&wire->in, len, span))
        fail(wire);
    else if (len == 0)
        *span = sherd_span_of(NULL, 0);
}

/* Length in 4 bytes, then the bytes. */
static inline void code_block(struct sherd_wire *wire, struct sherd_span *span)
{
    const size_t len = (size_t)code_uint(wire, 4, span->len, SHERD_WIRE_BLOCK_BYTES_MAX);

    if (wire->failed)
        return;
    if (wire->out != NULL)
        code_fixed(wire, (void *)span->data, len); /* which only reads from it */
    else if (!sherd_span_take(&wire->in, len, span))
        fail(wire);
}

/* A text that has room for size bytes with its final zero byte. */
static inline void code_text(struct sherd_wire *wire, char *text, size_t size)
{
    struct sherd_span span = {0};

    if (wire->out != NULL)
        span = sherd_span_of(text, strnlen(text, size));
    code_span(wire, &span, size - 1);
    if (wire->failed || wire->out != NULL)
        return;
    if (span.len > 0 && memchr(span.data, 0, span.len) != NULL) {
        fail(wire);
        return;
    }
    memset(text, 0, size);
    if (span.len > 0)
        memcpy(text, span.data, span.len);
}

static inline void code_role(struct sherd_wire *wire, enum sherd_role *role)
{
    *role = (enum sherd_role)code_enum(wire, (unsigned)*role, SHERD_IDENTITY, SHERD_KEYS);
}

static inline void code_uuid(struct sherd_wire *wire, struct sherd_uuid *id)
{
    code_fixed(wire, id->bytes, sizeof(id->bytes));
}

static inline void code_ref(struct sherd_wire *wire, struct sherd_ref *ref)
{
    code_fixed(wire, ref->bytes, sizeof(ref->bytes));
}

static inline void code_digest(struct sherd_wire *wire, struct sherd_digest *digest)
{
    code_fixed(wire, digest->bytes, sizeof(digest->bytes));
}

/* A text that may be missing. */
static inline void code_option(struct sherd_wire *wire, bool *has, char *text, size_t size)
{
    code_bool(wire, has);
    if (*has)
        code_text(wire, text, size);
}

/* --- messages of wire_rights.c: see there, each by the name of its struct ----------------------------------------- */

void sherd_wire_code_user_new(struct sherd_wire *wire, void *message);
void sherd_wire_code_user(struct sherd_wire *wire, void *message);
void sherd_wire_code_name(struct sherd_wire *wire, void *message);
void sherd_wire_code_named_new(struct sherd_wire *wire, void *message);
void sherd_wire_code_named(struct sherd_wire *wire, void *message);
void sherd_wire_code_grant(struct sherd_wire *wire, void *message);
void sherd_wire_code_granted(struct sherd_wire *wire, void *message);
void sherd_wire_code_named_find(struct sherd_wire *wire, void *message);
void sherd_wire_code_challenge(struct sherd_wire *wire, void *message);
void sherd_wire_code_login(struct sherd_wire *wire, void *message);

/* --- messages of wire_ledger.c ------------------------------------------------------------------------------------ */

void sherd_wire_code_leaf_query(struct sherd_wire *wire, void *message);
void sherd_wire_code_join(struct sherd_wire *wire, void *message);
void sherd_wire_code_leaf(struct sherd_wire *wire, void *message);
void sherd_wire_code_growth(struct sherd_wire *wire, void *message);
void sherd_wire_code_path(struct sherd_wire *wire, void *message);
/* --- messages of wire_book.c -------------------------------------------------------------------------------------- */

void sherd_wire_code_book(struct sherd_wire *wire, void *message);
/* What an agent's status says of scrubbing. */
void sherd_wire_code_scrubbing(struct sherd_wire *wire, struct sherd_wire_status *status);
/* What is told to readers with a pin. */
void sherd_wire_code_told(struct sherd_wire *wire, struct sherd_pin_view *view);

#endif
