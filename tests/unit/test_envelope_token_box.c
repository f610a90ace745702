/* SPDX-License-Identifier: Apache-2.0 */
/* Shares sealed to keys of tokens: there and back, as the format page says, each byte bound, each line checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/init.h"
#include "envelope/token_box.h"
#include <ctype.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

static const char uri[] = "pkcs11:token=anna;object=share";
static const struct sherd_span secret = {(const uint8_t *)"what a holder holds", 19};

/* Two holders, whose tokens are here. */
static uint8_t ec_own[32] = {[31] = 9};
static EVP_PKEY *rsa_own;
static struct sherd_pubkey ec;
static struct sherd_pubkey rsa;

static int setup(void **state)
{
    uint8_t point[65];
    uint8_t n[256];
    uint8_t e[8];
    BIGNUM *numbers[2] = {NULL, NULL};

    (void)state;
    rsa_own = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    if (sherd_crypto_init() != SHERD_OK || rsa_own == NULL || sherd_p256_public(ec_own, point) != SHERD_OK ||
        sherd_pubkey_of_point(point, &ec) != SHERD_OK ||
        EVP_PKEY_get_bn_param(rsa_own, OSSL_PKEY_PARAM_RSA_N, &numbers[0]) != 1 ||
        EVP_PKEY_get_bn_param(rsa_own, OSSL_PKEY_PARAM_RSA_E, &numbers[1]) != 1 ||
        BN_bn2binpad(numbers[0], n, 256) != 256 || BN_bn2binpad(numbers[1], e, 8) != 8)
        return -1;
    BN_free(numbers[0]);
    BN_free(numbers[1]);
    return sherd_pubkey_of_rsa(sherd_span_of(n, 256), sherd_span_of(e, 8), &rsa) == SHERD_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa_own);
    return 0;
}

static enum sherd_err token_agrees(void *arg, struct sherd_span enc, uint8_t *out_shared)
{
    return sherd_p256(arg, enc.data, out_shared);
}

static enum sherd_err token_decrypts(void *arg, struct sherd_span enc, uint8_t *out_secret)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa_own, NULL);
    uint8_t plain[256];
    size_t bytes = sizeof(plain);

    (void)arg;
    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0);
    const int done = EVP_PKEY_decrypt(ctx, plain, &bytes, enc.data, enc.len);
    EVP_PKEY_CTX_free(ctx);
    return done == 1 ? sherd_pubkey_oaep_open(sherd_span_of(plain, bytes), out_secret) : SHERD_ERR_TAMPERED;
}

static const struct sherd_token_opener token = {token_agrees, token_decrypts, ec_own};

static enum sherd_err open_bytes(struct sherd_span bytes, const struct sherd_pubkey *own, struct sherd_buf *out_plain)
{
    struct sherd_token_box box;

    SHERD_TRY(sherd_token_box_read(bytes, &box));
    return sherd_token_box_open(&box, own, &token, out_plain);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static void there_and_back(const struct sherd_pubkey *key)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};
    struct sherd_token_box box;

    assert_int_equal(sherd_token_box_seal(key, uri, secret, &bytes), SHERD_OK);
    assert_int_equal(sherd_token_box_read(sherd_buf_span(&bytes), &box), SHERD_OK);
    assert_int_equal(box.kind, key->kind);
    assert_string_equal(box.uri, uri);
    assert_memory_equal(box.key.bytes, key->fingerprint.bytes, 32);
    assert_int_equal(sherd_token_box_open(&box, key, &token, &plain), SHERD_OK);
    assert_int_equal(plain.len, secret.len);
    assert_memory_equal(plain.data, secret.data, secret.len);
    assert_null(memmem(bytes.data, bytes.len, "holder", 6));
}

static void test_envelope_token_box__there_and_back(void **state)
{
    (void)state;
    there_and_back(&ec);
    there_and_back(&rsa);
}

/* Every byte counts: of the fingerprint, the URI, what is for the key and what is sealed. */
static void each_byte(const struct sherd_pubkey *key)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};

    assert_int_equal(sherd_token_box_seal(key, uri, secret, &bytes), SHERD_OK);
    for (size_t i = 0; i < bytes.len; i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};

        bytes.data[i] ^= 0x04;
        assert_int_not_equal(open_bytes(sherd_buf_span(&bytes), key, &plain), SHERD_OK);
        assert_int_equal(plain.len, 0);
        bytes.data[i] ^= 0x04;
    }
    for (size_t len = 0; len < bytes.len; len++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};

        assert_int_not_equal(open_bytes(sherd_span_of(bytes.data, len), key, &plain), SHERD_OK);
    }
}

static void test_envelope_token_box__each_byte_is_bound(void **state)
{
    (void)state;
    each_byte(&ec);
    each_byte(&rsa);
}

/* The URI of another token, with a length that fits: a hint to everybody, and yet bound. */
static void test_envelope_token_box__the_uri_is_bound(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};

    (void)state;
    assert_int_equal(sherd_token_box_seal(&ec, uri, secret, &bytes), SHERD_OK);
    uint8_t *name = memmem(bytes.data, bytes.len, "anna", 4);
    assert_non_null(name);
    memcpy(name, "bert", 4);
    assert_int_equal(open_bytes(sherd_buf_span(&bytes), &ec, &plain), SHERD_ERR_TAMPERED);
    memcpy(name, "anna", 4);
    assert_int_equal(open_bytes(sherd_buf_span(&bytes), &ec, &plain), SHERD_OK);
}

static void test_envelope_token_box__another_key_opens_nothing(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};
    uint8_t other_own[32] = {[31] = 10};
    const struct sherd_token_opener wrong = {token_agrees, token_decrypts, other_own};
    struct sherd_token_box box;
    struct sherd_pubkey other;
    uint8_t point[65];

    (void)state;
    assert_int_equal(sherd_p256_public(other_own, point), SHERD_OK);
    assert_int_equal(sherd_pubkey_of_point(point, &other), SHERD_OK);
    assert_int_equal(sherd_token_box_seal(&ec, "", secret, &bytes), SHERD_OK);
    assert_int_equal(sherd_token_box_read(sherd_buf_span(&bytes), &box), SHERD_OK);
    assert_int_equal(sherd_token_box_open(&box, &other, &wrong, &plain), SHERD_ERR_DENIED);
    assert_int_equal(sherd_token_box_open(&box, &rsa, &wrong, &plain), SHERD_ERR_DENIED);
    assert_int_equal(sherd_token_box_open(&box, &ec, &wrong, &plain), SHERD_ERR_TAMPERED);
    assert_int_equal(plain.len, 0);
}

/* docs/format/share.md, section 5.1, read a second time, with nothing of token_box.c. */
static void test_envelope_token_box__is_as_the_format_says(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;
    struct sherd_kem_private own = {.kem = SHERD_KEM_P256};
    const size_t head = 37 + sizeof(uri) - 1 + 2;
    uint8_t context[19 + 128] = "sherd share token 1";
    uint8_t key[32];

    (void)state;
    assert_int_equal(sherd_token_box_seal(&ec, uri, secret, &bytes), SHERD_OK);
    assert_int_equal(bytes.len, head + 65 + 24 + 32 + secret.len + 16);
    assert_memory_equal(bytes.data, "\x01\x01\x01", 3);
    assert_memory_equal(bytes.data + 3, ec.fingerprint.bytes, 32);
    assert_memory_equal(bytes.data + 35, "\x00\x1e", 2);
    assert_memory_equal(bytes.data + 37, uri, sizeof(uri) - 1);
    assert_memory_equal(bytes.data + head - 2, "\x00\x41", 2);
    memcpy(context + 19, bytes.data, head);
    memcpy(own.bytes, ec_own, 32);
    assert_int_equal(sherd_hpke_receive(&own, sherd_span_of(bytes.data + head, 65), sherd_span_of(context, 19 + head),
                                        &hpke),
                     SHERD_OK);
    assert_int_equal(sherd_hpke_export(hpke, sherd_span_str("sherd share token 1"), key, 32), SHERD_OK);
    assert_int_equal(sherd_aead_open(key, sherd_span_of(context, 19 + head),
                                     sherd_span_of(bytes.data + head + 65, bytes.len - head - 65), &plain),
                     SHERD_OK);
    assert_int_equal(plain.len, secret.len);
    assert_memory_equal(plain.data, secret.data, secret.len);
}

static void test_envelope_token_box__what_is_wrong_is_refused(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    char long_uri[SHERD_TOKEN_URI_BYTES_MAX + 2] = "pkcs11:";
    uint8_t plain[SHERD_TOKEN_PLAIN_BYTES_MAX + 1] = {0};
    struct sherd_token_box box = {.kind = SHERD_PUBKEY_RSA};

    (void)state;
    memset(long_uri + 7, 'a', sizeof(long_uri) - 8);
    assert_int_equal(sherd_token_box_seal(&ec, long_uri, secret, &bytes), SHERD_ERR_INVALID);
    assert_int_equal(sherd_token_box_seal(&ec, "token=anna", secret, &bytes), SHERD_ERR_INVALID);
    assert_int_equal(sherd_token_box_seal(&ec, "pkcs11:a b", secret, &bytes), SHERD_ERR_INVALID);
    assert_int_equal(sherd_token_box_seal(&ec, "pkcs11:a\n", secret, &bytes), SHERD_ERR_INVALID);
    assert_int_equal(sherd_token_box_seal(&ec, uri, sherd_span_of(plain, 0), &bytes), SHERD_ERR_INVALID);
    assert_int_equal(sherd_token_box_seal(&ec, uri, sherd_span_of(plain, sizeof(plain)), &bytes), SHERD_ERR_INVALID);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(sherd_token_box_seal(&ec, uri, sherd_span_of(plain, 256), &bytes), SHERD_OK);
    bytes.data[0] = 2;
    assert_int_equal(sherd_token_box_read(sherd_buf_span(&bytes), &box), SHERD_ERR_UNSUPPORTED);
    bytes.data[0] = 1;
    bytes.data[1] = 2;
    assert_int_equal(sherd_token_box_read(sherd_buf_span(&bytes), &box), SHERD_ERR_UNSUPPORTED);
    bytes.data[1] = 1;
    bytes.data[2] = 3;
    assert_int_equal(sherd_token_box_read(sherd_buf_span(&bytes), &box), SHERD_ERR_UNSUPPORTED);
    bytes.data[2] = 2; /* for RSA, and of 65 bytes */
    assert_int_equal(sherd_token_box_read(sherd_buf_span(&bytes), &box), SHERD_ERR_INVALID);
    assert_int_equal(box.kind, SHERD_PUBKEY_RSA); /* outputs change on success alone */
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static void text_of(const struct sherd_pubkey *key, struct sherd_buf *out_bytes, struct sherd_buf *out_text)
{
    assert_int_equal(sherd_token_box_seal(key, uri, secret, out_bytes), SHERD_OK);
    assert_int_equal(sherd_token_box_text(sherd_buf_span(out_bytes), out_text), SHERD_OK);
}

/* Reads a text, and compares. */
static void assert_reads(struct sherd_span text, struct sherd_span bytes)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    unsigned line = 99;

    assert_true(sherd_token_box_is_text(text));
    assert_int_equal(sherd_token_box_parse(text, &again, &line), SHERD_OK);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    assert_int_equal(line, 0);
}

static void test_envelope_token_box__lines_can_be_typed(void **state)
{
    const struct sherd_pubkey *const keys[] = {&ec, &rsa};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(keys); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf typed = {0};

        text_of(keys[i], &bytes, &text);
        assert_reads(sherd_buf_span(&text), sherd_buf_span(&bytes));
        assert_int_equal(sherd_buf_append(&typed, sherd_span_str("\n  # what it is: sherdt1\r\n\n")), SHERD_OK);
        for (size_t at = 0; at < text.len; at++) {
            const uint8_t upper = (uint8_t)toupper(text.data[at]);

            assert_int_equal(sherd_buf_append(&typed, sherd_span_of(&upper, 1)), SHERD_OK);
            if (at % 7 == 0)
                assert_int_equal(sherd_buf_append(&typed, sherd_span_str(at % 2 == 0 ? " \t" : "-\r")), SHERD_OK);
            if (text.data[at] == '\n')
                assert_int_equal(sherd_buf_append(&typed, sherd_span_str("#\n")), SHERD_OK);
        }
        assert_reads(sherd_buf_span(&typed), sherd_buf_span(&bytes));
        for (size_t len = 1; len <= 300; len += 13) { /* and of any length */
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf cut = {0};

            assert_int_equal(sherd_token_box_text(sherd_span_of(bytes.data, len < bytes.len ? len : 1), &cut),
                             SHERD_OK);
            assert_reads(sherd_buf_span(&cut), sherd_span_of(bytes.data, len < bytes.len ? len : 1));
        }
    }
}

static void refused(struct sherd_span text, unsigned wanted_line, const char *words)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    unsigned line = 99;

    assert_int_equal(sherd_token_box_parse(text, &bytes, &line), SHERD_ERR_INVALID);
    assert_int_equal(line, wanted_line);
    if (strstr(sherd_err_detail(), words) == NULL)
        fail_msg("'%s' does not say '%s'", sherd_err_detail(), words);
    assert_int_equal(bytes.len, 0);
}

/* The n-th line of a text, from 1 on, with its newline. */
static struct sherd_span line_of(const struct sherd_buf *text, unsigned n)
{
    const uint8_t *at = text->data;
    const uint8_t *end = at;

    for (unsigned i = 0; i < n; i++) {
        at = end;
        end = (const uint8_t *)memchr(at, '\n', (size_t)(text->data + text->len - at)) + 1;
    }
    return sherd_span_of(at, (size_t)(end - at));
}

static void test_envelope_token_box__wrong_lines_are_named(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf first = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf second = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf a = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf b = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf mixed = {0};

    (void)state;
    text_of(&ec, &first, &a);
    text_of(&ec, &second, &b);
    refused(sherd_span_str(""), 1, "missing");
    refused(sherd_span_str("# nothing\n"), 1, "missing");
    refused(sherd_span_str("sherd1 xyp2 pggp qxs2"), 1, "line 1");
    for (size_t at = 0; at < a.len; at++) { /* any one wrong letter */
        const uint8_t before = a.data[at];
        unsigned line = 1;

        if (!isalnum(before))
            continue;
        for (size_t i = 0; i < at; i++)
            line += a.data[i] == '\n';
        a.data[at] = before == 'q' ? 'p' : 'q';
        refused(sherd_buf_span(&a), line, "line");
        a.data[at] = before;
    }
    refused(sherd_span_of(line_of(&a, 2).data, a.len - line_of(&a, 1).len), 1, "here stands line 2");
    refused(sherd_span_of(a.data, line_of(&a, 1).len + line_of(&a, 2).len), 3, "missing");
    assert_int_equal(sherd_buf_append(&mixed, line_of(&a, 1)), SHERD_OK);
    assert_int_equal(sherd_buf_append(&mixed, line_of(&b, 2)), SHERD_OK);
    refused(sherd_buf_span(&mixed), 2, "of another share");
    sherd_buf_clear(&mixed);
    assert_int_equal(sherd_buf_append(&mixed, line_of(&a, 1)), SHERD_OK);
    assert_int_equal(sherd_buf_append(&mixed, line_of(&a, 1)), SHERD_OK);
    refused(sherd_buf_span(&mixed), 2, "here stands line 1");
    sherd_buf_clear(&mixed);
    assert_int_equal(sherd_buf_append(&mixed, sherd_buf_span(&a)), SHERD_OK);
    assert_int_equal(sherd_buf_append(&mixed, line_of(&a, 1)), SHERD_OK);
    refused(sherd_buf_span(&mixed), 0, "behind the lines");
}

static void test_envelope_token_box__other_texts_are_none(void **state)
{
    static char blank[SHERD_TOKEN_TEXT_BYTES_MAX + 1];

    (void)state;
    assert_true(sherd_token_box_is_text(sherd_span_str("# x\n\n SHER-DT1 q")));
    assert_false(sherd_token_box_is_text(sherd_span_str("sherd1 xyp2 pggp")));
    assert_false(sherd_token_box_is_text(sherd_span_str("# sherdt1\n")));
    assert_false(sherd_token_box_is_text(sherd_span_str("")));
    assert_false(sherd_token_box_is_text(sherd_span_str("-----BEGIN AGE ENCRYPTED FILE-----\nsherdt1")));
    memset(blank, ' ', sizeof(blank));
    refused(sherd_span_of(blank, sizeof(blank)), 0, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_token_box__there_and_back),
        cmocka_unit_test(test_envelope_token_box__each_byte_is_bound),
        cmocka_unit_test(test_envelope_token_box__the_uri_is_bound),
        cmocka_unit_test(test_envelope_token_box__another_key_opens_nothing),
        cmocka_unit_test(test_envelope_token_box__is_as_the_format_says),
        cmocka_unit_test(test_envelope_token_box__what_is_wrong_is_refused),
        cmocka_unit_test(test_envelope_token_box__lines_can_be_typed),
        cmocka_unit_test(test_envelope_token_box__wrong_lines_are_named),
        cmocka_unit_test(test_envelope_token_box__other_texts_are_none),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
