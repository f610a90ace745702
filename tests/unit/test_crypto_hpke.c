/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HPKE: the CFRG's vector for this suite, X-Wing's three vectors, OpenSSL's own HPKE where it has one (3.2 and later),
 * and what must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "crypto/init.h"
#include "crypto/kem.h"
#include "hex.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <string.h>
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
#include <openssl/hpke.h>
#endif

static const struct sherd_span none = {NULL, 0};
static const struct sherd_span info = {(const uint8_t *)"what it is for", 14};
static const struct sherd_span data = {(const uint8_t *)"beside it", 9};
static const enum sherd_kem kems[] = {SHERD_KEM_P256, SHERD_KEM_X25519, SHERD_KEM_XWING};

struct pair {
    struct sherd_kem_private own;
    struct sherd_kem_public to;
};

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static void draw(enum sherd_kem kem, struct pair *out_pair)
{
    assert_int_equal(sherd_kem_keygen(kem, &out_pair->own, &out_pair->to), SHERD_OK);
}

/* Both sides of a fresh agreement. */
static void agree(const struct pair *pair, struct sherd_hpke **out_sender, struct sherd_hpke **out_recipient)
{
    uint8_t enc[SHERD_KEM_ENC_BYTES_MAX];

    assert_int_equal(sherd_hpke_send(&pair->to, info, enc, out_sender), SHERD_OK);
    assert_int_equal(sherd_hpke_receive(&pair->own, sherd_span_of(enc, sherd_kem_enc_bytes(pair->own.kem)), info,
                                        out_recipient),
                     SHERD_OK);
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *text)
{
    uint8_t expected[64];

    assert_int_equal(hex_read(text, expected, sizeof(expected)).len, size);
    assert_memory_equal(bytes, expected, size);
}

/* --- vectors ---------------------------------------------------------------------------------------------------- */

/* DeriveKeyPair of RFC 9180, section 7.1.3, for X25519. */
static void derive_key(const char *ikm_text, uint8_t out_key[static 32])
{
    static const uint8_t suite_bytes[] = {'K', 'E', 'M', 0, 0x20};
    const struct sherd_span suite = {suite_bytes, sizeof(suite_bytes)};
    const struct sherd_span nothing[2] = {{NULL, 0}};
    uint8_t ikm[32];
    uint8_t prk[32];

    assert_int_equal(sherd_hpke_extract(suite, none, "dkp_prk", hex_read(ikm_text, ikm, sizeof(ikm)), prk), SHERD_OK);
    assert_int_equal(sherd_hpke_expand(suite, prk, "sk", nothing, out_key, 32), SHERD_OK);
}

/* Bytes that SHAKE128 gives for nothing: where the inputs of the accumulated vectors come from. */
static struct sherd_span source_new(uint8_t *block, size_t size)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert_int_equal(EVP_DigestInit_ex(ctx, EVP_shake128(), NULL), 1);
    assert_int_equal(EVP_DigestFinalXOF(ctx, block, size), 1);
    EVP_MD_CTX_free(ctx);
    return sherd_span_of(block, size);
}

/* A length byte, and as many bytes. */
static struct sherd_span source_draw(struct sherd_span *source)
{
    const size_t take = source->data[0];
    const struct sherd_span drawn = sherd_span_of(source->data + 1, take);

    assert_true(source->len > take);
    *source = sherd_span_of(source->data + 1 + take, source->len - 1 - take);
    return drawn;
}

/* The vector as its two sides, with the encapsulation compared. */
static void published(struct sherd_hpke **out_sender, struct sherd_hpke **out_recipient)
{
    struct pair pair = {{SHERD_KEM_X25519, {0}}, {SHERD_KEM_X25519, {0}}};
    const struct sherd_span ode = sherd_span_str("Ode on a Grecian Urn");
    uint8_t coins[32];
    uint8_t enc[32];

    derive_key("dac33b0e9db1b59dbbea58d59a14e7b5896e9bdf98fad6891e99d1686492b9ee", pair.own.bytes);
    assert_hex(pair.own.bytes, 32, "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d");
    assert_int_equal(sherd_kem_public(&pair.own, &pair.to), SHERD_OK);
    assert_hex(pair.to.bytes, 32, "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c");
    derive_key("2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9", coins);
    assert_int_equal(sherd_hpke_send_known(&pair.to, ode, coins, enc, out_sender), SHERD_OK);
    assert_hex(enc, 32, "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256");
    assert_int_equal(sherd_hpke_receive(&pair.own, sherd_span_of(enc, 32), ode, out_recipient), SHERD_OK);
}

/*
 * The vector of the CFRG for mode 0, KEM 0x0020, KDF 1, AEAD 2, which belongs to RFC 9180 but is not printed there. A
 * thousand messages, and as many exported secrets of 0 to 999 bytes, are hashed with SHAKE128 as Go's crypto/hpke does
 * it, whose two values these are.
 */
static void test_crypto_hpke__messages_of_the_cfrg_vector(void **state)
{
    static uint8_t block[1 << 19];
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    struct sherd_span source = source_new(block, sizeof(block));
    EVP_MD_CTX *sink = EVP_MD_CTX_new();
    uint8_t accumulated[16];

    (void)state;
    published(&sender, &recipient);
    assert_int_equal(EVP_DigestInit_ex(sink, EVP_shake128(), NULL), 1);
    for (int i = 0; i < 1000; i++) {
        const struct sherd_span beside = source_draw(&source);
        const struct sherd_span plain = source_draw(&source);
        uint8_t sealed[255 + 16];
        uint8_t opened[255];

        assert_int_equal(sherd_hpke_seal(sender, beside, plain, sealed), SHERD_OK);
        assert_int_equal(EVP_DigestUpdate(sink, sealed, plain.len + 16), 1);
        assert_int_equal(sherd_hpke_open(recipient, beside, sherd_span_of(sealed, plain.len + 16), opened), SHERD_OK);
        assert_memory_equal(opened, plain.data, plain.len);
    }
    assert_int_equal(EVP_DigestFinalXOF(sink, accumulated, sizeof(accumulated)), 1);
    EVP_MD_CTX_free(sink);
    assert_hex(accumulated, 16, "1702e73e1e71705faa8241022af1deea");
}

static void test_crypto_hpke__exports_of_the_cfrg_vector(void **state)
{
    static uint8_t block[1 << 19];
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    struct sherd_span source = source_new(block, sizeof(block));
    EVP_MD_CTX *sink = EVP_MD_CTX_new();
    uint8_t accumulated[16];

    (void)state;
    published(&sender, &recipient);
    assert_int_equal(EVP_DigestInit_ex(sink, EVP_shake128(), NULL), 1);
    for (size_t i = 0; i < 1000; i++) {
        const struct sherd_span context = source_draw(&source);
        uint8_t sent[1000];
        uint8_t received[1000];

        assert_int_equal(sherd_hpke_export(sender, context, sent, i), SHERD_OK);
        assert_int_equal(sherd_hpke_export(recipient, context, received, i), SHERD_OK);
        assert_memory_equal(sent, received, i);
        assert_int_equal(EVP_DigestUpdate(sink, sent, i), 1);
    }
    assert_int_equal(EVP_DigestFinalXOF(sink, accumulated, sizeof(accumulated)), 1);
    EVP_MD_CTX_free(sink);
    assert_hex(accumulated, 16, "5cb678bf1c52afbd9afb58b8f7c1ced3");
}

/* draft-connolly-cfrg-xwing-kem, appendix C; of the long values, their SHA-256. */
static const struct {
    const char *own;
    const char *coins;
    const char *to_sha256;
    const char *enc_sha256;
    const char *shared;
} xwing[] = {
    {"7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
     "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2"
     "35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2",
     "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb",
     "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33",
     "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384"},
    {"badfd6dfaac359a5efbb7bcc4b59d538df9a04302e10c8bc1cbf1a0b3a5120ea",
     "17cda7cfad765f5623474d368ccca8af0007cd9f5e4c849f167a580b14aabdef"
     "aee7eef47cb0fca9767be1fda69419dfb927e9df07348b196691abaeb580b32d",
     "c42ba5f8430d7d2c83739338203819f090e8303ce9c8b02107c272bfa5376916",
     "1661ea86d608a1924ba30840cb0a65f13ae051e3aec9cf0f064efc0bc92f2154",
     "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150"},
    {"ef58538b8d23f87732ea63b02b4fa0f4873360e2841928cd60dd4cee8cc0d4c9",
     "22a96188d032675c8ac850933c7aff1533b94c834adbb69c6115bad4692d8619"
     "f90b0cdf8a7b9c264029ac185b70b83f2801f2f4b3f70c593ea3aeeb613a7f1b",
     "6b080d6b84f095342092fa7a22423e58bd681397ad0ef00eac92bd254db4fa95",
     "d3ca5578500344b5896cffc4fd740c9311946b82951df155e6fd86a7966b43c6",
     "953f7f4e8c5b5049bdc771d1dffada0dd961477d1a2ae0988baa7ea6898d893f"},
};

static void assert_sha256(const uint8_t *bytes, size_t size, const char *text)
{
    const struct sherd_span part = sherd_span_of(bytes, size);
    uint8_t digest[32];

    assert_int_equal(sherd_hash(SHERD_SHA256, &part, 1, digest), SHERD_OK);
    assert_hex(digest, 32, text);
}

/* Where OpenSSL has no ML-KEM. */
static void assert_xwing_is_refused(void)
{
    struct pair pair;

    assert_int_equal(sherd_kem_keygen(SHERD_KEM_XWING, &pair.own, &pair.to), SHERD_ERR_UNSUPPORTED);
    assert_non_null(strstr(sherd_err_detail(), "OpenSSL 3.5"));
}

static void test_crypto_hpke__xwing_vectors(void **state)
{
    (void)state;
    if (!sherd_kem_supported(SHERD_KEM_XWING)) {
        assert_xwing_is_refused();
        return;
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(xwing); i++) {
        struct pair pair = {{SHERD_KEM_XWING, {0}}, {SHERD_KEM_XWING, {0}}};
        uint8_t coins[64];
        uint8_t enc[SHERD_KEM_ENC_BYTES_MAX];
        uint8_t shared[32];

        hex_read(xwing[i].own, pair.own.bytes, 32);
        hex_read(xwing[i].coins, coins, 64);
        assert_int_equal(sherd_kem_public(&pair.own, &pair.to), SHERD_OK);
        assert_sha256(pair.to.bytes, 1216, xwing[i].to_sha256);
        assert_int_equal(sherd_kem_encap(&pair.to, coins, enc, shared), SHERD_OK);
        assert_sha256(enc, 1120, xwing[i].enc_sha256);
        assert_hex(shared, 32, xwing[i].shared);
        memset(shared, 0, sizeof(shared));
        assert_int_equal(sherd_kem_decap(&pair.own, enc, shared), SHERD_OK);
        assert_hex(shared, 32, xwing[i].shared);
    }
}

/* A coefficient of 3329, where 3328 is the largest: FIPS 203, section 7.2, modulus check. */
static void test_crypto_hpke__a_public_key_of_xwing_that_is_none_is_refused(void **state)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    uint8_t enc[SHERD_KEM_ENC_BYTES_MAX];
    struct pair pair;

    (void)state;
    if (!sherd_kem_supported(SHERD_KEM_XWING)) {
        assert_xwing_is_refused();
        return;
    }
    draw(SHERD_KEM_XWING, &pair);
    for (size_t at = 0; at < 1152; at += 3) {
        uint8_t kept[3];

        memcpy(kept, pair.to.bytes + at, sizeof(kept));
        pair.to.bytes[at] = 0x01; /* 3329 is 0xd01 */
        pair.to.bytes[at + 1] = 0x0d;
        assert_int_equal(sherd_hpke_send(&pair.to, info, enc, &sender), SHERD_ERR_TAMPERED);
        pair.to.bytes[at] = 0;
        pair.to.bytes[at + 1] = 0x10;
        pair.to.bytes[at + 2] = 0xd0;
        assert_int_equal(sherd_hpke_send(&pair.to, info, enc, &sender), SHERD_ERR_TAMPERED);
        memcpy(pair.to.bytes + at, kept, sizeof(kept));
    }
    assert_null(sender);
    assert_int_equal(sherd_hpke_send(&pair.to, info, enc, &sender), SHERD_OK);
}

/* --- OpenSSL's own ---------------------------------------------------------------------------------------------- */

#if OPENSSL_VERSION_NUMBER >= 0x30200000L
static void test_crypto_hpke__agrees_with_openssl(void **state)
{
    OSSL_HPKE_SUITE suite = {OSSL_HPKE_KEM_ID_X25519, OSSL_HPKE_KDF_ID_HKDF_SHA256, OSSL_HPKE_AEAD_ID_AES_GCM_256};
    OSSL_HPKE_CTX *theirs = OSSL_HPKE_CTX_new(OSSL_HPKE_MODE_BASE, suite, OSSL_HPKE_ROLE_SENDER, NULL, NULL);
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    struct pair pair;
    uint8_t enc[32];
    uint8_t sealed[100];
    uint8_t opened[100];
    uint8_t exported[2][40];
    size_t enc_bytes = sizeof(enc);

    (void)state;
    draw(SHERD_KEM_X25519, &pair);
    assert_int_equal(OSSL_HPKE_encap(theirs, enc, &enc_bytes, pair.to.bytes, 32, info.data, info.len), 1);
    assert_int_equal(sherd_hpke_receive(&pair.own, sherd_span_of(enc, enc_bytes), info, &recipient), SHERD_OK);
    for (size_t length = 1; length < 84; length++) {
        size_t sealed_bytes = sizeof(sealed);

        memset(opened, 0, sizeof(opened));
        assert_int_equal(OSSL_HPKE_seal(theirs, sealed, &sealed_bytes, data.data, data.len, pair.to.bytes, length), 1);
        assert_int_equal(sherd_hpke_open(recipient, data, sherd_span_of(sealed, sealed_bytes), opened), SHERD_OK);
        assert_memory_equal(opened, pair.to.bytes, length);
    }
    assert_int_equal(OSSL_HPKE_export(theirs, exported[0], 40, data.data, data.len), 1);
    assert_int_equal(sherd_hpke_export(recipient, data, exported[1], 40), SHERD_OK);
    assert_memory_equal(exported[0], exported[1], 40);
    OSSL_HPKE_CTX_free(theirs);
}
#endif

/* --- behaviour, for each KEM ------------------------------------------------------------------------------------- */

static void test_crypto_hpke__messages_in_order_and_only_so(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(kems) && sherd_kem_supported(kems[i]); i++) {
        SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
        SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
        uint8_t sealed[2][3 + 16];
        uint8_t opened[3];
        struct pair pair;

        draw(kems[i], &pair);
        agree(&pair, &sender, &recipient);
        assert_int_equal(sherd_hpke_seal(sender, data, sherd_span_str("one"), sealed[0]), SHERD_OK);
        assert_int_equal(sherd_hpke_seal(sender, data, sherd_span_str("two"), sealed[1]), SHERD_OK);
        assert_int_equal(sherd_hpke_open(recipient, data, sherd_span_of(sealed[1], 19), opened), SHERD_ERR_TAMPERED);
        assert_int_equal(sherd_hpke_open(recipient, none, sherd_span_of(sealed[0], 19), opened), SHERD_ERR_TAMPERED);
        assert_int_equal(sherd_hpke_open(recipient, data, sherd_span_of(sealed[0], 19), opened), SHERD_OK);
        assert_memory_equal(opened, "one", 3);
        assert_int_equal(sherd_hpke_open(recipient, data, sherd_span_of(sealed[0], 19), opened), SHERD_ERR_TAMPERED);
        assert_int_equal(sherd_hpke_open(recipient, data, sherd_span_of(sealed[1], 19), opened), SHERD_OK);
        assert_memory_equal(opened, "two", 3);
    }
}

static void test_crypto_hpke__each_side_does_its_own(void **state)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    uint8_t block[32] = {0};
    struct pair pair;

    (void)state;
    draw(SHERD_KEM_X25519, &pair);
    agree(&pair, &sender, &recipient);
    assert_int_equal(sherd_hpke_seal(recipient, none, none, block), SHERD_ERR_INVALID);
    assert_int_equal(sherd_hpke_open(sender, none, sherd_span_of(block, 16), block), SHERD_ERR_INVALID);
    sherd_hpke_free(NULL);
}

/* The key of contents of another recipient, of other info, of an enc with any bit changed. */
static void test_crypto_hpke__content_keys_are_one_agreements_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(kems) && sherd_kem_supported(kems[i]); i++) {
        SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
        SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *stranger = NULL;
        SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
        uint8_t enc[SHERD_KEM_ENC_BYTES_MAX];
        const struct sherd_span enc_span = sherd_span_of(enc, sherd_kem_enc_bytes(kems[i]));
        uint8_t keys[3][32];
        struct pair pair;
        struct pair other;

        draw(kems[i], &pair);
        draw(kems[i], &other);
        assert_int_equal(sherd_hpke_send(&pair.to, info, enc, &sender), SHERD_OK);
        assert_int_equal(sherd_hpke_receive(&other.own, enc_span, info, &stranger), SHERD_OK);
        assert_int_equal(sherd_hpke_receive(&pair.own, enc_span, data, &recipient), SHERD_OK);
        assert_int_equal(sherd_hpke_content_key(sender, keys[0]), SHERD_OK);
        assert_int_equal(sherd_hpke_content_key(stranger, keys[1]), SHERD_OK);
        assert_int_equal(sherd_hpke_content_key(recipient, keys[2]), SHERD_OK);
        assert_memory_not_equal(keys[0], keys[1], 32);
        assert_memory_not_equal(keys[0], keys[2], 32);
        for (size_t bit = 0; bit < 8 * enc_span.len; bit += 8 * enc_span.len / 16 - 1) {
            SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *misled = NULL;

            enc[bit / 8] ^= (uint8_t)(1U << bit % 8);
            if (kems[i] == SHERD_KEM_P256) { /* no point of the curve */
                assert_int_equal(sherd_hpke_receive(&pair.own, enc_span, info, &misled), SHERD_ERR_TAMPERED);
            } else {
                assert_int_equal(sherd_hpke_receive(&pair.own, enc_span, info, &misled), SHERD_OK);
                assert_int_equal(sherd_hpke_content_key(misled, keys[1]), SHERD_OK);
                assert_memory_not_equal(keys[0], keys[1], 32);
            }
            enc[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    }
}

static void test_crypto_hpke__contents_of_any_length_under_the_content_key(void **state)
{
    static uint8_t plain[40000];
    static uint8_t again[40000];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(kems) && sherd_kem_supported(kems[i]); i++) {
        SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
        SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
        struct sherd_buf opened = sherd_buf_borrow(again, sizeof(again));
        uint8_t keys[2][32];
        struct pair pair;

        memset(plain, (int)i + 1, sizeof(plain));
        draw(kems[i], &pair);
        agree(&pair, &sender, &recipient);
        assert_int_equal(sherd_hpke_content_key(sender, keys[0]), SHERD_OK);
        assert_int_equal(sherd_hpke_content_key(recipient, keys[1]), SHERD_OK);
        assert_int_equal(sherd_aead_seal(keys[0], data, sherd_span_of(plain, sizeof(plain)), &sealed), SHERD_OK);
        assert_int_equal(sherd_aead_open(keys[1], data, sherd_buf_span(&sealed), &opened), SHERD_OK);
        assert_int_equal(opened.len, sizeof(plain));
        assert_memory_equal(again, plain, sizeof(plain));
    }
}

/* Of the CFRG's vector; computed with another implementation of HPKE. */
static void test_crypto_hpke__the_content_key_is_as_the_format_says(void **state)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    uint8_t key[32];

    (void)state;
    published(&sender, &recipient);
    assert_int_equal(sherd_hpke_content_key(sender, key), SHERD_OK);
    assert_hex(key, 32, "44797c3602a783176c41c4aa428874b4d1fb2e159ed307f959461b04969bd6e2");
    memset(key, 0, sizeof(key));
    assert_int_equal(sherd_hpke_content_key(recipient, key), SHERD_OK);
    assert_hex(key, 32, "44797c3602a783176c41c4aa428874b4d1fb2e159ed307f959461b04969bd6e2");
}

static void test_crypto_hpke__wrong_lengths_and_kinds_are_refused(void **state)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    static uint8_t out[255 * 32 + 1];
    uint8_t enc[SHERD_KEM_ENC_BYTES_MAX] = {9};
    struct pair pair;

    (void)state;
    draw(SHERD_KEM_X25519, &pair);
    assert_int_equal(sherd_hpke_receive(&pair.own, sherd_span_of(enc, 31), info, &hpke), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_hpke_receive(&pair.own, sherd_span_of(enc, 33), info, &hpke), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_hpke_receive(&pair.own, none, info, &hpke), SHERD_ERR_TAMPERED);
    enc[0] = 0; /* a point of low order */
    assert_int_equal(sherd_hpke_receive(&pair.own, sherd_span_of(enc, 32), info, &hpke), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_hpke_send(&pair.to, info, enc, &sender), SHERD_OK);
    assert_int_equal(sherd_hpke_export(sender, info, out, 255 * 32), SHERD_OK);
    assert_int_equal(sherd_hpke_export(sender, info, out, 255 * 32 + 1), SHERD_ERR_INVALID);

    memset(pair.to.bytes, 0, 32);
    assert_int_equal(sherd_hpke_send(&pair.to, info, enc, &hpke), SHERD_ERR_TAMPERED);
    pair.own.kem = pair.to.kem = (enum sherd_kem)0x21;
    assert_int_equal(sherd_hpke_send(&pair.to, info, enc, &hpke), SHERD_ERR_UNSUPPORTED);
    assert_int_equal(sherd_hpke_receive(&pair.own, sherd_span_of(enc, 32), info, &hpke), SHERD_ERR_UNSUPPORTED);
    assert_int_equal(sherd_kem_public(&pair.own, &pair.to), SHERD_ERR_UNSUPPORTED);
    assert_false(sherd_kem_supported((enum sherd_kem)0x21));
    assert_int_equal(sherd_kem_public_bytes((enum sherd_kem)0x21), 0);
    assert_null(hpke);
}

static void test_crypto_hpke__has_xwing_or_says_what_is_needed(void **state)
{
    const bool supported = OpenSSL_version_num() >= 0x30500000UL;

    (void)state;
    assert_int_equal(sherd_kem_supported(SHERD_KEM_XWING), supported);
    if (!supported)
        assert_xwing_is_refused();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_hpke__messages_of_the_cfrg_vector),
        cmocka_unit_test(test_crypto_hpke__exports_of_the_cfrg_vector),
        cmocka_unit_test(test_crypto_hpke__xwing_vectors),
        cmocka_unit_test(test_crypto_hpke__a_public_key_of_xwing_that_is_none_is_refused),
#if OPENSSL_VERSION_NUMBER >= 0x30200000L /* before, there is nothing to compare with */
        cmocka_unit_test(test_crypto_hpke__agrees_with_openssl),
#endif
        cmocka_unit_test(test_crypto_hpke__messages_in_order_and_only_so),
        cmocka_unit_test(test_crypto_hpke__each_side_does_its_own),
        cmocka_unit_test(test_crypto_hpke__content_keys_are_one_agreements_own),
        cmocka_unit_test(test_crypto_hpke__contents_of_any_length_under_the_content_key),
        cmocka_unit_test(test_crypto_hpke__the_content_key_is_as_the_format_says),
        cmocka_unit_test(test_crypto_hpke__wrong_lengths_and_kinds_are_refused),
        cmocka_unit_test(test_crypto_hpke__has_xwing_or_says_what_is_needed),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
