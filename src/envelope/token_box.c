/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret sealed to a key in a token: see token_box.h and docs/format/share.md, section 5.1.
 *
 * P-256: the key of the message is exported by HPKE. RSA: it is random, and sealed by OAEP. Both bind the head, as the
 * message does.
 */
#include "envelope/token_box.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <string.h>

#define FORMAT 1
#define HOLDER_TOKEN 1
#define FIXED_BYTES 37U /* before the URI */
#define LABEL "sherd share token 1"
#define CONTEXT_BYTES_MAX (sizeof(LABEL) - 1 + FIXED_BYTES + SHERD_TOKEN_URI_BYTES_MAX + 2)

/* What the message is bound to: the label and the head. */
struct context {
    uint8_t bytes[CONTEXT_BYTES_MAX];
    size_t len;
};

static struct sherd_span context_make(struct sherd_span head, struct context *out)
{
    memcpy(out->bytes, LABEL, sizeof(LABEL) - 1);
    memcpy(out->bytes + sizeof(LABEL) - 1, head.data, head.len);
    out->len = sizeof(LABEL) - 1 + head.len;
    return sherd_span_of(out->bytes, out->len);
}

static bool uri_holds(struct sherd_span uri)
{
    const struct sherd_span scheme = sherd_span_str("pkcs11:");

    if (uri.len == 0)
        return true;
    for (size_t i = 0; i < uri.len; i++)
        if (uri.data[i] <= ' ' || uri.data[i] > '~')
            return false;
    return uri.len <= SHERD_TOKEN_URI_BYTES_MAX && uri.len >= scheme.len &&
           sherd_same(uri.data, scheme.data, scheme.len);
}

static size_t enc_bytes_of(const struct sherd_pubkey *key)
{
    return key->kind == SHERD_PUBKEY_P256 ? SHERD_P256_PUBLIC_SIZE : key->modulus_bytes;
}

static struct sherd_kem_public kem_of(const struct sherd_pubkey *key)
{
    struct sherd_kem_public kem = {.kem = SHERD_KEM_P256};

    memcpy(kem.bytes, key->point, sizeof(key->point));
    return kem;
}

/* --- sealing ------------------------------------------------------------------------------------------------------ */

static enum sherd_err write_head(const struct sherd_pubkey *to, const char *uri, struct sherd_buf *out_box)
{
    uint8_t fixed[FIXED_BYTES] = {FORMAT, HOLDER_TOKEN, (uint8_t)to->kind};
    uint8_t enc_bytes[2];

    memcpy(fixed + 3, to->fingerprint.bytes, SHERD_SHA256_SIZE);
    sherd_put_u16(fixed + 3 + SHERD_SHA256_SIZE, (uint16_t)strlen(uri));
    sherd_put_u16(enc_bytes, (uint16_t)enc_bytes_of(to));
    SHERD_TRY(sherd_buf_append(out_box, sherd_span_of(fixed, sizeof(fixed))));
    SHERD_TRY(sherd_buf_append(out_box, sherd_span_str(uri)));
    return sherd_buf_append(out_box, sherd_span_of(enc_bytes, sizeof(enc_bytes)));
}

/* A fresh key for the message, and what the private key makes it of again. */
static enum sherd_err key_make(const struct sherd_pubkey *to, struct sherd_span context, uint8_t *out_enc,
                               uint8_t *out_key)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;

    if (to->kind == SHERD_PUBKEY_RSA) {
        SHERD_TRY(sherd_random(out_key, SHERD_AEAD_KEY_SIZE));
        return sherd_pubkey_rsa_seal(to, out_key, out_enc);
    }
    const struct sherd_kem_public kem = kem_of(to);
    SHERD_TRY(sherd_hpke_send(&kem, context, out_enc, &hpke));
    return sherd_hpke_export(hpke, sherd_span_str(LABEL), out_key, SHERD_AEAD_KEY_SIZE);
}

static enum sherd_err seal(const struct sherd_pubkey *to, const char *uri, struct sherd_span plain,
                           struct sherd_buf *out_box)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_AEAD_KEY_SIZE);
    uint8_t enc[SHERD_PUBKEY_RSA_BYTES_MAX];
    const size_t before = out_box->len;
    struct context bound;

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(write_head(to, uri, out_box));
    const struct sherd_span context = context_make(sherd_span_of(out_box->data + before, out_box->len - before),
                                                   &bound);
    SHERD_TRY(key_make(to, context, enc, key));
    SHERD_TRY(sherd_buf_append(out_box, sherd_span_of(enc, enc_bytes_of(to))));
    return sherd_aead_seal(key, context, plain, out_box);
}

enum sherd_err sherd_token_box_seal(const struct sherd_pubkey *to, const char *uri, struct sherd_span plain,
                                    struct sherd_buf *out_box)
{
    const size_t before = out_box->len;

    SHERD_ENSURE(uri_holds(sherd_span_str(uri)), SHERD_ERR_INVALID, "the URI of a token is too long, or is none");
    SHERD_ENSURE(plain.len > 0 && plain.len <= SHERD_TOKEN_PLAIN_BYTES_MAX, SHERD_ERR_INVALID,
                 "what is sealed to a token has 1 to 256 bytes");
    const enum sherd_err err = seal(to, uri, plain, out_box);
    if (err != SHERD_OK)
        out_box->len = before;
    return err;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_INVALID, "this is nothing that was sealed to a token");
}

static enum sherd_err read_fixed(struct sherd_span fixed, struct sherd_token_box *box)
{
    SHERD_ENSURE(fixed.data[0] == FORMAT && fixed.data[1] == HOLDER_TOKEN, SHERD_ERR_UNSUPPORTED,
                 "what is sealed here is of another format: a newer version may read it");
    SHERD_ENSURE(fixed.data[2] == SHERD_PUBKEY_P256 || fixed.data[2] == SHERD_PUBKEY_RSA, SHERD_ERR_UNSUPPORTED,
                 "what is sealed here is for a kind of key that is not known");
    box->kind = (enum sherd_pubkey_kind)fixed.data[2];
    memcpy(box->key.bytes, fixed.data + 3, SHERD_SHA256_SIZE);
    return SHERD_OK;
}

static bool enc_holds(const struct sherd_token_box *box, size_t bytes)
{
    if (box->kind == SHERD_PUBKEY_P256)
        return bytes == SHERD_P256_PUBLIC_SIZE;
    return bytes >= SHERD_PUBKEY_RSA_BYTES_MIN && bytes <= SHERD_PUBKEY_RSA_BYTES_MAX;
}

enum sherd_err sherd_token_box_read(struct sherd_span bytes, struct sherd_token_box *out_box)
{
    struct sherd_token_box box = {0};
    struct sherd_span rest = bytes;
    struct sherd_span part;

    if (!sherd_span_take(&rest, FIXED_BYTES, &part))
        return malformed();
    SHERD_TRY(read_fixed(part, &box));
    const size_t uri_bytes = sherd_get_u16(part.data + FIXED_BYTES - 2);
    if (!sherd_span_take(&rest, uri_bytes, &part) || uri_bytes > SHERD_TOKEN_URI_BYTES_MAX || !uri_holds(part))
        return malformed();
    if (uri_bytes > 0)
        memcpy(box.uri, part.data, uri_bytes);
    if (!sherd_span_take(&rest, 2, &part))
        return malformed();
    const size_t enc_bytes = sherd_get_u16(part.data);
    box.head = sherd_span_of(bytes.data, bytes.len - rest.len);
    if (!enc_holds(&box, enc_bytes) || !sherd_span_take(&rest, enc_bytes, &box.enc) ||
        rest.len <= SHERD_AEAD_HEADER_SIZE + SHERD_AEAD_TAG_SIZE ||
        rest.len > SHERD_AEAD_HEADER_SIZE + SHERD_TOKEN_PLAIN_BYTES_MAX + SHERD_AEAD_TAG_SIZE)
        return malformed();
    box.sealed = rest;
    *out_box = box;
    return SHERD_OK;
}

static enum sherd_err key_find(const struct sherd_token_box *box, const struct sherd_pubkey *own,
                               const struct sherd_token_opener *opener, struct sherd_span context, uint8_t *out_key)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;

    if (box->kind == SHERD_PUBKEY_RSA)
        return opener->decrypt(opener->arg, box->enc, out_key);
    const struct sherd_kem_public kem = kem_of(own);
    SHERD_TRY(sherd_hpke_receive_by(&kem, opener->agree, opener->arg, box->enc, context, &hpke));
    return sherd_hpke_export(hpke, sherd_span_str(LABEL), out_key, SHERD_AEAD_KEY_SIZE);
}

enum sherd_err sherd_token_box_open(const struct sherd_token_box *box, const struct sherd_pubkey *own,
                                    const struct sherd_token_opener *opener, struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_AEAD_KEY_SIZE);
    struct context bound;

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(box->kind == own->kind && box->enc.len == enc_bytes_of(own) &&
                     sherd_same(box->key.bytes, own->fingerprint.bytes, sizeof(box->key.bytes)),
                 SHERD_ERR_DENIED, "it is sealed to another key");
    const struct sherd_span context = context_make(box->head, &bound);
    SHERD_TRY(key_find(box, own, opener, context, key));
    return sherd_aead_open(key, context, box->sealed, out_plain);
}
