/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of HPKE as text: there and back, the examples of the age specification, every wrong character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "envelope/recipient.h"
#include "hex.h"
#include <string.h>

static const char x25519_own[] = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
static const char x25519_public[] = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
static const char p256_own[] = "SHERDP-SECRET-KEY-17088LKH90CDRZRV8784MMEHN9ZLQ4XWDHJKLF4JCNNEFME9CLLFQDU2QZY";
static const char p256_public[] = "sherdp1qnlgcxwwpyz3j84u9x9fy3tey5clymcvan3yvp3eaz7rnjmlwp4gy6nhndx0j6d"
                                  "c5rjnn3lk97eaxzkk428cpcc0r5fg4t7k3gkwwt4qttrg9p";
static const char xwing_own[] = "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR";
/* Its public key has 1959 characters; this is their SHA-256. */
static const char xwing_public_sha256[] = "a091dd7e0ee9d62b75173dcc98441a0424baa941e66a8776e570a4ae60ff61ea";

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static void assert_text(const struct sherd_buf *text, const char *expected)
{
    assert_int_equal(text->len, strlen(expected));
    assert_memory_equal(text->data, expected, text->len);
}

static void test_envelope_recipient__the_x25519_pair_of_the_specification(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf own_text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf public_text = {0};
    struct sherd_kem_private own;
    struct sherd_kem_public made;
    struct sherd_kem_public parsed;

    (void)state;
    assert_int_equal(sherd_recipient_own_parse(sherd_span_str(x25519_own), &own), SHERD_OK);
    assert_int_equal(own.kem, SHERD_KEM_X25519);
    assert_int_equal(sherd_kem_public(&own, &made), SHERD_OK);
    assert_int_equal(sherd_recipient_text(&made, &public_text), SHERD_OK);
    assert_text(&public_text, x25519_public);
    assert_int_equal(sherd_recipient_parse(sherd_span_str(x25519_public), &parsed), SHERD_OK);
    assert_int_equal(parsed.kem, SHERD_KEM_X25519);
    assert_memory_equal(parsed.bytes, made.bytes, sizeof(made.bytes));
    assert_int_equal(sherd_recipient_own_text(&own, &own_text), SHERD_OK);
    assert_text(&own_text, x25519_own);
}

static void test_envelope_recipient__the_xwing_pair_of_the_specification(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_kem_private own;
    struct sherd_kem_public made;
    struct sherd_span part;
    uint8_t expected[32];
    uint8_t digest[32];

    (void)state;
    if (!sherd_kem_supported(SHERD_KEM_XWING)) { /* OpenSSL before 3.5 */
        assert_int_equal(sherd_recipient_own_parse(sherd_span_str(xwing_own), &own), SHERD_OK);
        assert_int_equal(sherd_kem_public(&own, &made), SHERD_ERR_UNSUPPORTED);
        return;
    }
    assert_int_equal(sherd_recipient_own_parse(sherd_span_str(xwing_own), &own), SHERD_OK);
    assert_int_equal(sherd_kem_public(&own, &made), SHERD_OK);
    assert_int_equal(sherd_recipient_text(&made, &text), SHERD_OK);
    part = sherd_buf_span(&text);
    assert_int_equal(sherd_hash(SHERD_SHA256, &part, 1, digest), SHERD_OK);
    hex_read(xwing_public_sha256, expected, sizeof(expected));
    assert_memory_equal(digest, expected, sizeof(expected));
}

/* Text needs no OpenSSL that has ML-KEM. */
static void test_envelope_recipient__xwing_keys_there_and_back(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_kem_public made = {.kem = SHERD_KEM_XWING};
    struct sherd_kem_public parsed;
    struct sherd_kem_private own;

    (void)state;
    for (size_t i = 0; i < sizeof(made.bytes); i++)
        made.bytes[i] = (uint8_t)(i * 7 + 1);
    assert_int_equal(sherd_recipient_text(&made, &text), SHERD_OK);
    assert_int_equal(text.len, SHERD_RECIPIENT_CHARS_MAX);
    assert_memory_equal(text.data, "age1pq1", 7);
    assert_int_equal(sherd_recipient_parse(sherd_buf_span(&text), &parsed), SHERD_OK);
    assert_int_equal(parsed.kem, SHERD_KEM_XWING);
    assert_memory_equal(parsed.bytes, made.bytes, sizeof(made.bytes));
    sherd_buf_clear(&text);
    assert_int_equal(sherd_recipient_own_parse(sherd_span_str(xwing_own), &own), SHERD_OK);
    assert_int_equal(own.kem, SHERD_KEM_XWING);
    assert_int_equal(sherd_recipient_own_text(&own, &text), SHERD_OK);
    assert_text(&text, xwing_own);
}

/* The pair of RFC 9180, appendix A.3.1, as Bech32 of another implementation writes it. */
static void test_envelope_recipient__p256_keys_there_and_back(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_kem_public made;
    struct sherd_kem_public parsed;
    struct sherd_kem_private own;

    (void)state;
    assert_int_equal(sherd_recipient_own_parse(sherd_span_str(p256_own), &own), SHERD_OK);
    assert_int_equal(own.kem, SHERD_KEM_P256);
    assert_int_equal(sherd_recipient_own_text(&own, &text), SHERD_OK);
    assert_text(&text, p256_own);
    sherd_buf_clear(&text);
    assert_int_equal(sherd_kem_public(&own, &made), SHERD_OK);
    assert_int_equal(sherd_recipient_text(&made, &text), SHERD_OK);
    assert_text(&text, p256_public);
    assert_int_equal(sherd_recipient_parse(sherd_buf_span(&text), &parsed), SHERD_OK);
    assert_int_equal(parsed.kem, SHERD_KEM_P256);
    assert_memory_equal(parsed.bytes, made.bytes, sizeof(made.bytes));
}

static void test_envelope_recipient__any_wrong_character_is_seen(void **state)
{
    char text[SHERD_IDENTITY_CHARS_MAX + 1];
    struct sherd_kem_private own;
    struct sherd_kem_public to;

    (void)state;
    memcpy(text, xwing_own, sizeof(xwing_own));
    for (size_t at = 0; at < SHERD_IDENTITY_CHARS_MAX; at++) {
        text[at] = text[at] == 'Q' ? 'P' : 'Q';
        assert_int_equal(sherd_recipient_own_parse(sherd_span_str(text), &own), SHERD_ERR_INVALID);
        text[at] = xwing_own[at];
    }
    memcpy(text, x25519_public, sizeof(x25519_public));
    for (size_t at = 0; at < sizeof(x25519_public) - 1; at++) {
        text[at] = text[at] == 'q' ? 'p' : 'q';
        assert_int_equal(sherd_recipient_parse(sherd_span_str(text), &to), SHERD_ERR_INVALID);
        text[at] = x25519_public[at];
    }
}

static void test_envelope_recipient__halves_and_cases_are_not_mixed_up(void **state)
{
    static const char upper[] = "AGE1ZVKYG2LQZRAA2LNJVQEJ32NKUU0UES2S82HZRYE869XEEXVN73EQUNUJWJ";
    static const char lower[] = "age-secret-key-1gfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpq4egaex";
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_kem_private own = {.kem = (enum sherd_kem)7};
    struct sherd_kem_public to = {.kem = (enum sherd_kem)7};

    (void)state;
    assert_int_equal(sherd_recipient_text(&to, &text), SHERD_ERR_UNSUPPORTED);
    assert_int_equal(sherd_recipient_own_text(&own, &text), SHERD_ERR_UNSUPPORTED);
    assert_int_equal(sherd_recipient_parse(sherd_span_str(x25519_own), &to), SHERD_ERR_INVALID);
    assert_int_equal(sherd_recipient_parse(sherd_span_str(upper), &to), SHERD_ERR_INVALID);
    assert_int_equal(sherd_recipient_parse(sherd_span_str(""), &to), SHERD_ERR_INVALID);
    assert_int_equal(sherd_recipient_own_parse(sherd_span_str(x25519_public), &own), SHERD_ERR_INVALID);
    assert_int_equal(sherd_recipient_own_parse(sherd_span_str(lower), &own), SHERD_ERR_INVALID);
    assert_int_equal(sherd_recipient_own_parse(sherd_span_str("1"), &own), SHERD_ERR_INVALID);
    assert_int_equal(text.len, 0);
}

static void test_envelope_recipient__keys_as_bytes(void **state)
{
    static const enum sherd_kem kems[] = {SHERD_KEM_P256, SHERD_KEM_X25519, SHERD_KEM_XWING};
    uint8_t bytes[SHERD_RECIPIENT_BYTES_MAX + 1] = {0};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(kems); i++) {
        struct sherd_kem_public to = {.kem = kems[i]};
        struct sherd_kem_public back;

        memset(to.bytes, 0x5a, sherd_kem_public_bytes(kems[i]));
        const size_t len = sherd_recipient_encode(&to, bytes);
        assert_int_equal(len, 2 + sherd_kem_public_bytes(kems[i]));
        assert_int_equal(sherd_recipient_decode(sherd_span_of(bytes, len), &back), SHERD_OK);
        assert_int_equal(back.kem, kems[i]);
        assert_memory_equal(back.bytes, to.bytes, sizeof(to.bytes));
        assert_int_equal(sherd_recipient_decode(sherd_span_of(bytes, len - 1), &back), SHERD_ERR_TAMPERED);
        assert_int_equal(sherd_recipient_decode(sherd_span_of(bytes, len + 1), &back), SHERD_ERR_TAMPERED);
        bytes[0] ^= 1;
        assert_int_equal(sherd_recipient_decode(sherd_span_of(bytes, len), &back), SHERD_ERR_TAMPERED);
    }
    assert_int_equal(sherd_recipient_decode(sherd_span_of(bytes, 1), &(struct sherd_kem_public){0}),
                     SHERD_ERR_TAMPERED);
}

static void test_envelope_recipient__lengths_of_streams(void **state)
{
    uint64_t plain;

    (void)state;
    assert_int_equal(sherd_recipient_sealed_bytes(SHERD_KEM_X25519, 0), 32 + 56 + 16);
    assert_int_equal(sherd_recipient_sealed_bytes(SHERD_KEM_XWING, 16384), 1120 + 56 + 16384 + 32);
    assert_int_equal(sherd_recipient_plain_bytes(SHERD_KEM_X25519, 104, &plain), SHERD_OK);
    assert_int_equal(plain, 0);
    assert_int_equal(sherd_recipient_plain_bytes(SHERD_KEM_XWING, 1120 + 56 + 16384 + 32, &plain), SHERD_OK);
    assert_int_equal(plain, 16384);
    assert_int_equal(sherd_recipient_plain_bytes(SHERD_KEM_X25519, 103, &plain), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_recipient_plain_bytes(SHERD_KEM_X25519, 31, &plain), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_recipient_plain_bytes((enum sherd_kem)7, 1000, &plain), SHERD_ERR_TAMPERED);
}

static void test_envelope_recipient__files_of_private_keys(void **state)
{
    struct sherd_kem_private own[2];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    size_t count = 0;

    (void)state;
    assert_int_equal(sherd_buf_append(&text, sherd_span_str("# mine\n\n")), SHERD_OK);
    assert_int_equal(sherd_buf_append(&text, sherd_span_str(x25519_own)), SHERD_OK);
    assert_int_equal(sherd_buf_append(&text, sherd_span_str("\r\n")), SHERD_OK);
    assert_int_equal(sherd_buf_append(&text, sherd_span_str(xwing_own)), SHERD_OK);
    assert_int_equal(sherd_recipient_own_file_parse(sherd_buf_span(&text), 2, own, &count), SHERD_OK);
    assert_int_equal(count, 2);
    assert_int_equal(own[0].kem, SHERD_KEM_X25519);
    assert_int_equal(own[1].kem, SHERD_KEM_XWING);

    count = 7;
    assert_int_equal(sherd_recipient_own_file_parse(sherd_buf_span(&text), 1, own, &count), SHERD_ERR_LIMIT);
    assert_int_equal(own[0].bytes[0], 0); /* wiped */
    assert_int_equal(sherd_buf_append(&text, sherd_span_str("\nno key")), SHERD_OK);
    assert_int_equal(sherd_recipient_own_file_parse(sherd_buf_span(&text), 2, own, &count), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_recipient_own_file_parse(sherd_span_str("# none\n"), 2, own, &count), SHERD_ERR_INVALID);
    assert_int_equal(sherd_recipient_own_file_parse(sherd_span_str("#\nno key"), 2, own, &count), SHERD_ERR_INVALID);
    assert_non_null(strstr(sherd_err_detail(), "line 2"));
    assert_int_equal(count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_recipient__the_x25519_pair_of_the_specification),
        cmocka_unit_test(test_envelope_recipient__the_xwing_pair_of_the_specification),
        cmocka_unit_test(test_envelope_recipient__xwing_keys_there_and_back),
        cmocka_unit_test(test_envelope_recipient__p256_keys_there_and_back),
        cmocka_unit_test(test_envelope_recipient__any_wrong_character_is_seen),
        cmocka_unit_test(test_envelope_recipient__halves_and_cases_are_not_mixed_up),
        cmocka_unit_test(test_envelope_recipient__keys_as_bytes),
        cmocka_unit_test(test_envelope_recipient__lengths_of_streams),
        cmocka_unit_test(test_envelope_recipient__files_of_private_keys),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
