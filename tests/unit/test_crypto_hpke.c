/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HPKE: the CFRG's vectors for these suites, X-Wing's three vectors, OpenSSL's own HPKE where it has one (3.2 and
 * later), and what must be refused.
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
#include "hpke_keys.h"
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
    uint8_t expected[65];

    assert_int_equal(hex_read(text, expected, sizeof(expected)).len, size);
    assert_memory_equal(bytes, expected, size);
}

/* --- vectors ---------------------------------------------------------------------------------------------------- */

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

/*
 * The vectors of the CFRG for mode 0, KDF 1, AEAD 2, which belong to RFC 9180 but are not printed there. A thousand
 * messages, and as many exported secrets of 0 to 999 bytes, are hashed with SHAKE128 as Go's crypto/hpke does it, whose
 * last two values these are.
 */
static const struct vector {
    enum sherd_kem kem;
    const char *ikm_to;
    const char *ikm_ephemeral;
    const char *own;
    const char *to;
    const char *enc;
    const char *messages;
    const char *exports;
} vectors[] = {
    {SHERD_KEM_X25519, "dac33b0e9db1b59dbbea58d59a14e7b5896e9bdf98fad6891e99d1686492b9ee",
     "2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9",
     "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d",
     "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
     "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256", "1702e73e1e71705faa8241022af1deea",
     "5cb678bf1c52afbd9afb58b8f7c1ced3"},
    {SHERD_KEM_P256, "a0ce15d49e28bd47a18a97e147582d814b08cbe00109fed5ec27d1b4e9f6f5e3",
     "a90d3417c3da9cb6c6ae19b4b5dd6cc9529a4cc24efb7ae0ace1f31887a8cd6c",
     "317f915db7bc629c48fe765587897e01e282d3e8445f79f27f65d031a88082b2",
     "04abc7e49a4c6b3566d77d0304addc6ed0e98512ffccf505e6a8e3eb25c685136f"
     "853148544876de76c0f2ef99cdc3a05ccf5ded7860c7c021238f9e2073d2356c",
     "04c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e"
     "0b21bd31a86c6048af3cb2d98e0d3bf01da5cc4c39ff5370d331a4f1f7d5a4e0",
     "8d3263541fc1695b6e88ff3a1208577c", "038af0baa5ce3c4c5f371c3823b15217"},
};

/* A vector as its two sides, with the encapsulation compared. */
static void published(const struct vector *vector, struct sherd_hpke **out_sender, struct sherd_hpke **out_recipient)
{
    struct pair pair = {{vector->kem, {0}}, {vector->kem, {0}}};
    const struct sherd_span ode = sherd_span_str("Ode on a Grecian Urn");
    const size_t bytes = sherd_kem_enc_bytes(vector->kem);
    uint8_t coins[32];
    uint8_t enc[65];

    hpke_derive_key(vector->kem, vector->ikm_to, pair.own.bytes);
    assert_hex(pair.own.bytes, 32, vector->own);
    assert_int_equal(sherd_kem_public(&pair.own, &pair.to), SHERD_OK);
    assert_hex(pair.to.bytes, bytes, vector->to);
    hpke_derive_key(vector->kem, vector->ikm_ephemeral, coins);
    assert_int_equal(sherd_hpke_send_known(&pair.to, ode, coins, enc, out_sender), SHERD_OK);
    assert_hex(enc, bytes, vector->enc);
    assert_int_equal(sherd_hpke_receive(&pair.own, sherd_span_of(enc, bytes), ode, out_recipient), SHERD_OK);
}

static void messages_of(const struct vector *vector)
{
    static uint8_t block[1 << 19];
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    struct sherd_span source = source_new(block, sizeof(block));
    EVP_MD_CTX *sink = EVP_MD_CTX_new();
    uint8_t accumulated[16];

    published(vector, &sender, &recipient);
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
    assert_hex(accumulated, 16, vector->messages);
}

static void test_crypto_hpke__messages_of_the_cfrg_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(vectors); i++)
        messages_of(&vectors[i]);
}

static void exports_of(const struct vector *vector)
{
    static uint8_t block[1 << 19];
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    struct sherd_span source = source_new(block, sizeof(block));
    EVP_MD_CTX *sink = EVP_MD_CTX_new();
    uint8_t accumulated[16];

    published(vector, &sender, &recipient);
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
    assert_hex(accumulated, 16, vector->exports);
}

static void test_crypto_hpke__exports_of_the_cfrg_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(vectors); i++)
        exports_of(&vectors[i]);
}

/* RFC 9180, appendix A.3.1: what DHKEM(P-256, HKDF-SHA256) gives does not depend on the AEAD. */
static void test_crypto_hpke__p256_secret_of_the_rfc(void **state)
{
    struct sherd_kem_private own = {.kem = SHERD_KEM_P256};
    struct sherd_kem_public to;
    uint8_t coins[32];
    uint8_t enc[65];
    uint8_t shared[32];

    (void)state;
    (void)hex_read("f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2", own.bytes, sizeof(own.bytes));
    (void)hex_read("4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb", coins, sizeof(coins));
    assert_int_equal(sherd_kem_public(&own, &to), SHERD_OK);
    assert_int_equal(sherd_kem_encap(&to, coins, enc, shared), SHERD_OK);
    assert_hex(shared, 32, "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8");
    memset(shared, 0, sizeof(shared));
    assert_int_equal(sherd_kem_decap(&own, enc, shared), SHERD_OK);
    assert_hex(shared, 32, "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8");
}

/* Points beside the curve, at infinity, in other forms; private keys of 0 and of the group's order. */
static void test_crypto_hpke__p256_refuses_what_is_no_key(void **state)
{
    struct sherd_kem_private own = {.kem = SHERD_KEM_P256};
    uint8_t shared[32];
    uint8_t enc[65];
    struct pair pair;

    (void)state;
    draw(SHERD_KEM_P256, &pair);
    for (size_t i = 0; i < 65; i++) { /* the first byte is the form */
        struct sherd_kem_public other = pair.to;

        other.bytes[i] ^= i == 0 ? 2 : 1; /* 6: the hybrid form, which OpenSSL would take */
        memset(shared, 0xaa, sizeof(shared));
        assert_int_equal(sherd_kem_decap(&pair.own, other.bytes, shared), SHERD_ERR_TAMPERED);
    }
    memset(enc, 0, sizeof(enc));
    assert_int_equal(sherd_kem_decap(&pair.own, enc, shared), SHERD_ERR_TAMPERED);
    enc[0] = 4;
    assert_int_equal(sherd_kem_decap(&pair.own, enc, shared), SHERD_ERR_TAMPERED);
    memset(enc + 1, 0xff, 64); /* no coordinates: above the field's prime */
    assert_int_equal(sherd_kem_decap(&pair.own, enc, shared), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_kem_public(&own, &pair.to), SHERD_ERR_INVALID);
    (void)hex_read("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", own.bytes, sizeof(own.bytes));
    assert_int_equal(sherd_kem_public(&own, &pair.to), SHERD_ERR_INVALID);
    own.bytes[31]--; /* the largest there is */
    assert_int_equal(sherd_kem_public(&own, &pair.to), SHERD_OK);
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
static void agree_with_openssl(enum sherd_kem kem)
{
    OSSL_HPKE_SUITE suite = {(uint16_t)kem, OSSL_HPKE_KDF_ID_HKDF_SHA256, OSSL_HPKE_AEAD_ID_AES_GCM_256};
    OSSL_HPKE_CTX *theirs = OSSL_HPKE_CTX_new(OSSL_HPKE_MODE_BASE, suite, OSSL_HPKE_ROLE_SENDER, NULL, NULL);
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    struct pair pair;
    uint8_t enc[65];
    uint8_t sealed[100];
    uint8_t opened[100];
    uint8_t exported[2][40];
    size_t enc_bytes = sherd_kem_enc_bytes(kem);

    draw(kem, &pair);
    assert_int_equal(OSSL_HPKE_encap(theirs, enc, &enc_bytes, pair.to.bytes, enc_bytes, info.data, info.len), 1);
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

static void test_crypto_hpke__agrees_with_openssl(void **state)
{
    (void)state;
    agree_with_openssl(SHERD_KEM_X25519);
    agree_with_openssl(SHERD_KEM_P256);
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
            if (kems[i] == SHERD_KEM_P256) { /* beside the curve: found at once */
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

/* Of the CFRG's vector for X25519; computed with another implementation of HPKE. */
static void test_crypto_hpke__the_content_key_is_as_the_format_says(void **state)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *sender = NULL;
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *recipient = NULL;
    uint8_t key[32];

    (void)state;
    published(&vectors[0], &sender, &recipient);
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
        cmocka_unit_test(test_crypto_hpke__messages_of_the_cfrg_vectors),
        cmocka_unit_test(test_crypto_hpke__exports_of_the_cfrg_vectors),
        cmocka_unit_test(test_crypto_hpke__p256_secret_of_the_rfc),
        cmocka_unit_test(test_crypto_hpke__p256_refuses_what_is_no_key),
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
