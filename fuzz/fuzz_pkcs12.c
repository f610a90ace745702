/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#12 key stores. The first byte of an input says what the rest is:
 *
 *     0  a file as it might lie there
 *     1  what the MAC covers, in a file that is given a MAC that fits: so that all that is behind it is met
 *
 * Inputs that ask for more rounds than two bytes count are left out: the bounds on rounds have a test of their own.
 */
#include "crypto/init.h"
#include "crypto/pkcs12.h"
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD "correct horse battery staple"
#define INPUT_BYTES_MAX 8192U

static void must(bool holds)
{
    if (!holds)
        abort();
}

/*
 * Whether an INTEGER of three to eight bytes may be in it, its length in short form or long; longer ones are refused.
 */
static bool may_ask_much(struct sherd_span input)
{
    for (size_t i = 0; i + 2 < input.len; i++) {
        const uint8_t *at = input.data + i;
        const uint8_t length = at[1] == 0x81 ? at[2] : at[1];

        if (at[0] == 0x02 && length >= 3 && length <= 8)
            return true;
    }
    return false;
}

static void fuzz_file(struct sherd_span file)
{
    struct sherd_pkcs12 *store = NULL;
    uint8_t key[32];

    const enum sherd_err err = sherd_pkcs12_open(file, sherd_span_str(PASSWORD), &store);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED || err == SHERD_ERR_UNSUPPORTED);
    must((err == SHERD_OK) == (store != NULL));
    if (err != SHERD_OK)
        return;
    const bool has = sherd_pkcs12_has(store, "sherd-protection-1");
    const enum sherd_err got = sherd_pkcs12_get(store, "sherd-protection-1", key, sizeof(key));
    must(has == (got != SHERD_ERR_NOT_FOUND));
    must(!sherd_pkcs12_has(store, "an alias that cannot be"));
    sherd_pkcs12_free(store);
}

static void append(struct sherd_buf *out, unsigned tag, struct sherd_span contents)
{
    const uint8_t head[] = {(uint8_t)tag, 0x82, (uint8_t)(contents.len >> 8), (uint8_t)contents.len};

    must(sherd_buf_append(out, sherd_span_of(head, sizeof(head))) == SHERD_OK);
    must(sherd_buf_append(out, contents) == SHERD_OK);
}

/* PFX { 3, { data, [0] { OCTET STRING contents } } }, with no MAC yet. */
static void wrap(struct sherd_span contents, struct sherd_buf *out)
{
    static const uint8_t data_oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
    static const uint8_t version[] = {0x02, 0x01, 0x03};
    struct sherd_buf octets = {0};
    struct sherd_buf info = {0};
    struct sherd_buf pfx = {0};

    append(&octets, 0x04, contents);
    must(sherd_buf_append(&info, sherd_span_of(data_oid, sizeof(data_oid))) == SHERD_OK);
    append(&info, 0xa0, sherd_buf_span(&octets));
    must(sherd_buf_append(&pfx, sherd_span_of(version, sizeof(version))) == SHERD_OK);
    append(&pfx, 0x30, sherd_buf_span(&info));
    append(out, 0x30, sherd_buf_span(&pfx));
    sherd_buf_done(&octets);
    sherd_buf_done(&info);
    sherd_buf_done(&pfx);
}

static void fuzz_contents(struct sherd_span contents)
{
    static unsigned char salt[8] = {1};
    struct sherd_buf bare = {0};
    unsigned char *file = NULL;

    wrap(contents, &bare);
    const unsigned char *at = bare.data;
    PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)bare.len);
    must(p12 != NULL);
    must(PKCS12_set_mac(p12, PASSWORD, -1, salt, sizeof(salt), 1000, EVP_sha256()) == 1);
    const int len = i2d_PKCS12(p12, &file);
    must(len > 0);
    fuzz_file(sherd_span_of(file, (size_t)len));
    OPENSSL_free(file);
    PKCS12_free(p12);
    sherd_buf_done(&bare);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    must(sherd_crypto_init() == SHERD_OK);
    if (size < 2 || size > INPUT_BYTES_MAX)
        return 0;
    const struct sherd_span input = {data + 1, size - 1};
    if (may_ask_much(input))
        return 0;
    if (data[0] == 0)
        fuzz_file(input);
    if (data[0] == 1)
        fuzz_contents(input);
    return 0;
}
