/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares sealed to tokens. The first byte of an input says what the rest is:
 *
 *     0  lines of text: what is read is written, and read again, as the same bytes
 *     1  a box as bytes: what is read lies within them; a token that gives the same for everything opens none
 *     2  a URI of PKCS#11: what is read is written in one form
 */
#include "base/bytes.h"
#include "crypto/init.h"
#include "envelope/token_box.h"
#include "kms/pkcs11/uri.h"
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static enum sherd_err agree(void *arg, struct sherd_span enc, uint8_t *out_shared)
{
    must(arg == NULL && enc.len == SHERD_P256_PUBLIC_SIZE);
    memset(out_shared, 0x51, SHERD_P256_SHARED_SIZE);
    return SHERD_OK;
}

static enum sherd_err decrypt(void *arg, struct sherd_span enc, uint8_t *out_secret)
{
    must(arg == NULL && enc.len >= SHERD_PUBKEY_RSA_BYTES_MIN && enc.len <= SHERD_PUBKEY_RSA_BYTES_MAX);
    memset(out_secret, 0x51, SHERD_PUBKEY_SECRET_SIZE);
    return SHERD_OK;
}

static bool within(struct sherd_span part, struct sherd_span whole)
{
    return part.data >= whole.data && part.data + part.len <= whole.data + whole.len;
}

/* Nobody who knows no more than the fingerprint writes a box that opens. */
static void open_box(struct sherd_token_box *box)
{
    static const struct sherd_token_opener opener = {agree, decrypt, NULL};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};
    struct sherd_pubkey own = {.kind = box->kind, .modulus_bytes = box->enc.len, .fingerprint = box->key};

    own.point[0] = 4;
    must(sherd_token_box_open(box, &own, &opener, &plain) == SHERD_ERR_TAMPERED && plain.len == 0);
    own.fingerprint.bytes[7] ^= 1;
    must(sherd_token_box_open(box, &own, &opener, &plain) == SHERD_ERR_DENIED);
}

static void fuzz_bytes(struct sherd_span bytes)
{
    struct sherd_token_box box;
    const enum sherd_err err = sherd_token_box_read(bytes, &box);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID || err == SHERD_ERR_UNSUPPORTED);
    if (err != SHERD_OK)
        return;
    must(within(box.head, bytes) && within(box.enc, bytes) && within(box.sealed, bytes));
    must(box.head.len + box.enc.len + box.sealed.len == bytes.len && bytes.len <= SHERD_TOKEN_BOX_BYTES_MAX);
    must(strlen(box.uri) <= SHERD_TOKEN_URI_BYTES_MAX);
    open_box(&box);
}

static void fuzz_text(struct sherd_span text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf box = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf written = {0};
    unsigned line = 9999;
    const enum sherd_err err = sherd_token_box_parse(text, &box, &line);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID);
    must(line < 256 && (err != SHERD_OK || line == 0));
    if (err != SHERD_OK) {
        must(box.len == 0);
        return;
    }
    must(sherd_token_box_is_text(text));
    fuzz_bytes(sherd_buf_span(&box));
    if (box.len > SHERD_TOKEN_BOX_BYTES_MAX) /* the last line may go beyond the longest box */
        return;
    must(sherd_token_box_text(sherd_buf_span(&box), &written) == SHERD_OK);
    must(sherd_token_box_parse(sherd_buf_span(&written), &again, NULL) == SHERD_OK);
    must(sherd_span_equal(sherd_buf_span(&box), sherd_buf_span(&again)));
}

static void fuzz_uri(struct sherd_span text)
{
    char block[2048];
    char written[SHERD_P11_URI_BYTES_MAX + 1];
    char again[SHERD_P11_URI_BYTES_MAX + 1];
    struct sherd_p11_uri uri;

    if (text.len >= sizeof(block))
        return;
    if (text.len > 0)
        memcpy(block, text.data, text.len);
    block[text.len] = '\0';
    const enum sherd_err err = sherd_p11_uri_parse(block, &uri);
    must(err == SHERD_OK || err == SHERD_ERR_INVALID || err == SHERD_ERR_UNSUPPORTED);
    if (err != SHERD_OK)
        return;
    sherd_p11_uri_print(&uri, written);
    must(sherd_p11_uri_parse(written, &uri) == SHERD_OK && uri.module_path[0] == '\0');
    sherd_p11_uri_print(&uri, again);
    must(strcmp(written, again) == 0);
    for (const char *c = written; *c != '\0'; c++)
        must(*c > ' ' && *c <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span kind;

    must(sherd_crypto_init() == SHERD_OK);
    if (!sherd_span_take(&input, 1, &kind))
        return 0;
    switch (kind.data[0] % 3) {
    case 0: fuzz_text(input); break;
    case 1: fuzz_bytes(input); break;
    default: fuzz_uri(input); break;
    }
    return 0;
}
