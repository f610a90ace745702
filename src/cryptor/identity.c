/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs of recipients: see <sherd/identity.h>. */
#include "cryptor/identity.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "envelope/recipient.h"

_Static_assert(SHERD_RECIPIENT_TEXT_BYTES_MAX == SHERD_RECIPIENT_CHARS_MAX, "one length in both headers");

/* Lies in secret memory as a whole. */
struct sherd_identity {
    size_t count;
    struct sherd_kem_private keys[SHERD_IDENTITY_KEYS_MAX];
};

static enum sherd_kem kem_of(enum sherd_identity_kind kind)
{
    switch (kind) {
    case SHERD_IDENTITY_X25519: return SHERD_KEM_X25519;
    case SHERD_IDENTITY_XWING: return SHERD_KEM_XWING;
    case SHERD_IDENTITY_P256: return SHERD_KEM_P256;
    }
    return SHERD_KEM_NONE;
}

static enum sherd_err append_text(struct sherd_buf *out, const char *text)
{
    return sherd_buf_append(out, sherd_span_str(text));
}

static enum sherd_err write_file(const struct sherd_kem_private *own, struct sherd_span recipient,
                                 struct sherd_buf *out_own)
{
    SHERD_TRY(append_text(out_own, "# public key: "));
    SHERD_TRY(sherd_buf_append(out_own, recipient));
    SHERD_TRY(append_text(out_own, "\n"));
    SHERD_TRY(sherd_recipient_own_text(own, out_own));
    return append_text(out_own, "\n");
}

/* What is being made of a pair, in secret memory. */
struct pair {
    struct sherd_kem_private own;
    uint8_t text[SHERD_IDENTITY_TEXT_BYTES_MAX];
};

static enum sherd_err pair_draw(enum sherd_kem kem, struct pair *pair, struct sherd_buf *own_text,
                                struct sherd_buf *recipient_text)
{
    struct sherd_kem_public recipient;

    SHERD_TRY(sherd_crypto_init());
    SHERD_TRY(sherd_kem_keygen(kem, &pair->own, &recipient));
    SHERD_TRY(sherd_recipient_text(&recipient, recipient_text));
    return write_file(&pair->own, sherd_buf_span(recipient_text), own_text);
}

enum sherd_err sherd_identity_new(enum sherd_identity_kind kind, struct sherd_buf *out_own,
                                  struct sherd_buf *out_recipient)
{
    uint8_t block[SHERD_RECIPIENT_CHARS_MAX];
    struct sherd_buf recipient_text = sherd_buf_borrow(block, sizeof(block));
    SHERD_CLEANUP(sherd_secret_freep) struct pair *pair = NULL;

    SHERD_ENSURE(out_own != NULL && out_recipient != NULL, SHERD_ERR_INVALID, "places for both keys are needed");
    SHERD_ENSURE(kem_of(kind) != SHERD_KEM_NONE, SHERD_ERR_INVALID, "this kind of identity is not known");
    pair = sherd_secret_alloc(sizeof(*pair));
    if (pair == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf own_text = sherd_buf_borrow(pair->text, sizeof(pair->text));
    SHERD_TRY(pair_draw(kem_of(kind), pair, &own_text, &recipient_text));
    SHERD_TRY(sherd_buf_reserve(out_own, own_text.len));
    SHERD_TRY(sherd_buf_append(out_recipient, sherd_buf_span(&recipient_text)));
    return sherd_buf_append(out_own, sherd_buf_span(&own_text));
}

enum sherd_err sherd_identity_parse(struct sherd_span text, struct sherd_identity **out_identity)
{
    struct sherd_identity *identity;

    SHERD_ENSURE(out_identity != NULL && (text.data != NULL || text.len == 0), SHERD_ERR_INVALID,
                 "a text and a place for the answer are needed");
    identity = sherd_secret_alloc(sizeof(*identity));
    if (identity == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_recipient_own_file_parse(text, SHERD_IDENTITY_KEYS_MAX, identity->keys,
                                                              &identity->count);
    if (err != SHERD_OK) {
        sherd_identity_free(identity);
        return err;
    }
    *out_identity = identity;
    return SHERD_OK;
}

void sherd_identity_free(struct sherd_identity *identity)
{
    sherd_secret_free(identity);
}

enum sherd_err sherd_identity_find(const struct sherd_identity *identity, const struct sherd_kem_public *recipient,
                                   const struct sherd_kem_private **out_own)
{
    for (size_t i = 0; i < identity->count; i++) {
        struct sherd_kem_public its;

        if (identity->keys[i].kem != recipient->kem)
            continue;
        SHERD_TRY(sherd_kem_public(&identity->keys[i], &its));
        if (sherd_same(its.bytes, recipient->bytes, sherd_kem_public_bytes(recipient->kem))) {
            *out_own = &identity->keys[i];
            return SHERD_OK;
        }
    }
    return sherd_fail(SHERD_ERR_DENIED, "sealed to another recipient than the identity given: `sherd stat` says which");
}
