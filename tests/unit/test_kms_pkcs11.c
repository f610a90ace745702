/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, by a module that says what it is told: which token gets the PIN, how often, and what a module may not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define CRYPTOKI_GNU 1
#include "base/macros.h"
#include "crypto/init.h"
#include "kms/pkcs11/token.h"
#include "p11_puppet.h"
#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <p11-kit/pkcs11.h>
#include <string.h>

#define FLAGS (CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED)

static const char *module;
static struct p11_puppet *puppet;
static uint8_t points[2][67] = {{0x04, 65}, {0x04, 65}}; /* octet strings in DER */
static struct sherd_pubkey keys[2];
static const struct sherd_p11_uri any;

static int setup_group(void **state)
{
    const uint8_t own[2][32] = {{[31] = 7}, {[31] = 9}};
    void *handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle != NULL ? dlsym(handle, "p11_puppet") : NULL;
    p11_puppet_fn *get = NULL;

    (void)state;
    memcpy(&get, &symbol, sizeof(get));
    if (get == NULL || sherd_crypto_init() != SHERD_OK)
        return -1;
    puppet = get();
    for (size_t i = 0; i < 2; i++)
        if (sherd_p256_public(own[i], points[i] + 2) != SHERD_OK ||
            sherd_pubkey_of_point(points[i] + 2, &keys[i]) != SHERD_OK)
            return -1;
    return 0;
}

/* Two tokens, each with a key pair and a PIN. */
static int setup(void **state)
{
    (void)state;
    *puppet = (struct p11_puppet){.derived_bytes = 32};
    memset(puppet->derived, 0x5c, sizeof(puppet->derived));
    puppet->slots[0] = (struct p11_puppet_slot){
        .label = "anna", .flags = FLAGS, .pin = "1111", .point = points[0], .point_bytes = 67, .id = 1};
    puppet->slots[1] = (struct p11_puppet_slot){
        .label = "bert", .flags = FLAGS, .pin = "2222", .point = points[1], .point_bytes = 67, .id = 2};
    return 0;
}

/* Nothing stays open, and no PIN was given that was not asked for. */
static int teardown(void **state)
{
    (void)state;
    return puppet->sessions == 0 && puppet->initialized == 0 ? 0 : -1;
}

/* A module, the token with keys[i], and the login. */
struct session {
    struct sherd_p11 *p11;
    struct sherd_p11_token *token;
};

static void session_done(struct session *session)
{
    sherd_p11_token_free(session->token);
    sherd_p11_free(session->p11);
}

static enum sherd_err session_open_named(const struct sherd_pubkey *key, const char *pin,
                                         const struct sherd_p11_names *names, struct session *out)
{
    SHERD_TRY(sherd_p11_open(module, &out->p11));
    SHERD_TRY(sherd_p11_find(out->p11, &any, &key->fingerprint, names, &out->token));
    return sherd_p11_login(out->token, sherd_span_str(pin));
}

static const struct sherd_p11_names nobody = {NULL, 0};

static enum sherd_err session_open(const struct sherd_pubkey *key, const char *pin, struct session *out)
{
    return session_open_named(key, pin, &nobody, out);
}

static void assert_detail(const char *words)
{
    if (strstr(sherd_err_detail(), words) == NULL)
        fail_msg("'%s' does not say '%s'", sherd_err_detail(), words);
}

/* --- modules and tokens ------------------------------------------------------------------------------------------- */

static void test_kms_pkcs11__what_is_no_module_is_refused(void **state)
{
    struct sherd_p11 *p11 = NULL;

    (void)state;
    assert_int_equal(sherd_p11_open("/nowhere/at-all.so", &p11), SHERD_ERR_NOT_FOUND);
    assert_int_equal(sherd_p11_open("", &p11), SHERD_ERR_INVALID);
    assert_int_equal(sherd_p11_open("libm.so.6", &p11), SHERD_ERR_UNSUPPORTED);
    puppet->version = 1;
    assert_int_equal(sherd_p11_open(module, &p11), SHERD_ERR_UNSUPPORTED);
    puppet->version = 4;
    assert_int_equal(sherd_p11_open(module, &p11), SHERD_ERR_UNSUPPORTED);
    puppet->version = 3;
    puppet->initialize_rv = CKR_GENERAL_ERROR;
    assert_int_equal(sherd_p11_open(module, &p11), SHERD_ERR_IO);
    assert_null(p11);
    puppet->initialize_rv = CKR_CANT_LOCK; /* then without locks: one thread is all that calls */
    assert_int_equal(sherd_p11_open(module, &p11), SHERD_OK);
    sherd_p11_free(p11);
    puppet->initialize_rv = CKR_CRYPTOKI_ALREADY_INITIALIZED; /* by somebody who ends it */
    assert_int_equal(sherd_p11_open(module, &p11), SHERD_OK);
    sherd_p11_free(p11);
    sherd_p11_free(NULL);
    sherd_p11_token_free(NULL);
}

static void test_kms_pkcs11__a_uri_names_one_key(void **state)
{
    SHERD_CLEANUP(sherd_p11_freep) struct sherd_p11 *p11 = NULL;
    static const struct {
        const char *uri;
        enum sherd_err err;
        int key;
    } cases[] = {
        {"pkcs11:token=anna", SHERD_OK, 0},
        {"pkcs11:token=bert;object=share", SHERD_OK, 1},
        {"pkcs11:serial=1;manufacturer=puppets;model=one;id=%02", SHERD_OK, 1},
        {"pkcs11:id=%01", SHERD_OK, 0},
        {"pkcs11:object=share", SHERD_ERR_INVALID, 0},
        {"pkcs11:token=carl", SHERD_ERR_NOT_FOUND, 0},
        {"pkcs11:token=ann", SHERD_ERR_NOT_FOUND, 0},
        {"pkcs11:token=anna;object=other", SHERD_ERR_NOT_FOUND, 0},
        {"pkcs11:token=anna;id=%02", SHERD_ERR_NOT_FOUND, 0},
    };

    (void)state;
    assert_int_equal(sherd_p11_open(module, &p11), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        struct sherd_pubkey key = {0};
        struct sherd_p11_uri uri;

        assert_int_equal(sherd_p11_uri_parse(cases[i].uri, &uri), SHERD_OK);
        assert_int_equal(sherd_p11_public_key(p11, &uri, &key), cases[i].err);
        if (cases[i].err == SHERD_OK)
            assert_memory_equal(key.fingerprint.bytes, keys[cases[i].key].fingerprint.bytes, 32);
        else
            assert_int_equal(key.info_bytes, 0);
    }
    assert_int_equal(puppet->slots[0].login_count + puppet->slots[1].login_count, 0);
}

static void test_kms_pkcs11__other_kinds_of_keys_are_refused(void **state)
{
    SHERD_CLEANUP(sherd_p11_freep) struct sherd_p11 *p11 = NULL;
    static const uint8_t p384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
    uint8_t bad[67];
    struct sherd_pubkey key;

    (void)state;
    puppet->slots[1].absent = true;
    assert_int_equal(sherd_p11_open(module, &p11), SHERD_OK);
    puppet->slots[0].point = points[0] + 2; /* without DER, as some modules have it */
    puppet->slots[0].point_bytes = 65;
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_OK);
    puppet->slots[0].point_bytes = 64;
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_UNSUPPORTED);
    memcpy(bad, points[0], sizeof(bad));
    bad[1] = 64;
    puppet->slots[0].point = bad;
    puppet->slots[0].point_bytes = 67;
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_UNSUPPORTED);
    bad[1] = 65;
    bad[66] ^= 1; /* off the curve */
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_UNSUPPORTED);
    puppet->slots[0].point = points[0];
    puppet->slots[0].params = p384;
    puppet->slots[0].params_bytes = sizeof(p384);
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_UNSUPPORTED);
    puppet->slots[0].flags = 0; /* a token that is not set up */
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_NOT_FOUND);
}

/* What a module claims beyond what it was given room for is not believed. */
static void test_kms_pkcs11__lengths_that_a_module_claims_are_bounded(void **state)
{
    SHERD_CLEANUP(sherd_p11_freep) struct sherd_p11 *p11 = NULL;
    struct sherd_pubkey key;

    (void)state;
    assert_int_equal(sherd_p11_open(module, &p11), SHERD_OK);
    puppet->slot_count = 65;
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_LIMIT);
    puppet->slot_count = 0;
    puppet->object_count = 257;
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_IO);
    puppet->object_count = 0;
    puppet->attribute_bytes = 100000;
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_UNSUPPORTED);
    puppet->attribute_bytes = CK_UNAVAILABLE_INFORMATION;
    assert_int_equal(sherd_p11_public_key(p11, &any, &key), SHERD_ERR_UNSUPPORTED);
}

/* --- the PIN ------------------------------------------------------------------------------------------------------ */

static void test_kms_pkcs11__the_pin_goes_to_the_token_that_has_the_key(void **state)
{
    SHERD_CLEANUP(session_done) struct session session = {0};

    (void)state;
    assert_int_equal(session_open(&keys[1], "2222", &session), SHERD_OK);
    assert_int_equal(puppet->slots[0].login_count, 0);
    assert_int_equal(puppet->slots[1].login_count, 1);
    assert_memory_equal(sherd_p11_key(session.token)->fingerprint.bytes, keys[1].fingerprint.bytes, 32);
}

static void test_kms_pkcs11__no_pin_goes_to_tokens_without_the_key(void **state)
{
    SHERD_CLEANUP(session_done) struct session session = {0};

    (void)state;
    puppet->slots[1].absent = true;
    assert_int_equal(session_open(&keys[1], "2222", &session), SHERD_ERR_NOT_FOUND);
    assert_detail("does not have this key");
    session_done(&session);
    session = (struct session){0};
    puppet->slots[0].absent = true;
    assert_int_equal(session_open(&keys[1], "2222", &session), SHERD_ERR_NOT_FOUND);
    assert_detail("is it plugged in?");
    assert_int_equal(puppet->slots[0].login_count + puppet->slots[1].login_count, 0);
}

static void try_named(const struct sherd_pubkey *key, const struct sherd_p11_names *names, enum sherd_err expected,
                      const char *words)
{
    SHERD_CLEANUP(session_done) struct session session = {0};

    assert_int_equal(session_open_named(key, "1111", names, &session), expected);
    if (words != NULL)
        assert_detail(words);
}

/* One that shows its keys only after the PIN was given has it only if it was named. */
static void test_kms_pkcs11__tokens_that_hide_their_keys(void **state)
{
    const struct sherd_p11_uri uris[] = {
        {.token = "anna"}, {.token = "bert"}, {.model = "smartcard"}, {.token = "eve"}};
    const struct sherd_p11_names anna = {uris, 1};
    const struct sherd_p11_names both = {uris, 2};
    const struct sherd_p11_names bert = {uris + 1, 1};
    const struct sherd_p11_names neither = {uris + 2, 2}; /* no label and no serial number; and one that is not here */

    (void)state;
    puppet->slots[0].hidden = puppet->slots[1].hidden = true;
    try_named(&keys[0], &nobody, SHERD_ERR_INVALID, "--pkcs11-token 'pkcs11:token=anna");
    try_named(&keys[0], &neither, SHERD_ERR_INVALID, "--pkcs11-token 'pkcs11:token=anna");
    try_named(&keys[0], &both, SHERD_ERR_INVALID, "several of the tokens");
    assert_int_equal(puppet->slots[0].login_count + puppet->slots[1].login_count, 0);
    try_named(&keys[0], &anna, SHERD_OK, NULL);
    puppet->slots[1].absent = true;
    try_named(&keys[0], &nobody, SHERD_ERR_INVALID, "shows no key before it has its PIN"); /* although it is alone */
    try_named(&keys[0], &bert, SHERD_ERR_INVALID, "'pkcs11:token=anna");
    assert_int_equal(puppet->slots[0].login_count, 1);
    try_named(&keys[0], &both, SHERD_OK, NULL);
    try_named(&keys[1], &anna, SHERD_ERR_NOT_FOUND, "does not have this key");
    assert_int_equal(puppet->slots[0].login_count, 3);
    assert_int_equal(puppet->slots[1].login_count, 0);
}

/* Where a token shows the key, one that shows nothing is not asked, named or not; nor is one that shows another. */
static void test_kms_pkcs11__a_token_that_shows_the_key_comes_first(void **state)
{
    const struct sherd_p11_uri uris[] = {{.token = "anna"}, {.token = "bert"}};
    const struct sherd_p11_names both = {uris, 2};
    SHERD_CLEANUP(session_done) struct session session = {0};

    (void)state;
    puppet->slots[0].hidden = true;
    assert_int_equal(session_open_named(&keys[1], "2222", &both, &session), SHERD_OK);
    assert_int_equal(puppet->slots[0].login_count, 0);
    assert_int_equal(puppet->slots[1].login_count, 1);
    session_done(&session);
    session = (struct session){0};
    puppet->slots[0].hidden = false;
    puppet->slots[1].absent = true;
    try_named(&keys[1], &both, SHERD_ERR_NOT_FOUND, "does not have this key");
    assert_int_equal(puppet->slots[0].login_count, 0);
}

static void test_kms_pkcs11__a_wrong_pin_is_given_once(void **state)
{
    static const struct {
        unsigned long after;
        const char *words;
    } cases[] = {
        {0, "does not say how many tries are left"},
        {CKF_USER_PIN_COUNT_LOW, "has counted that"},
        {CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY, "one try is left"},
        {CKF_USER_PIN_LOCKED, "no try is left"},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        SHERD_CLEANUP(session_done) struct session session = {0};

        (void)setup(NULL);
        puppet->slots[0].flags_after = FLAGS | cases[i].after;
        assert_int_equal(session_open(&keys[0], "9999", &session), SHERD_ERR_DENIED);
        assert_detail("the PIN is wrong");
        assert_detail(cases[i].words);
        assert_int_equal(puppet->slots[0].login_count, 1);
    }
}

static void test_kms_pkcs11__a_locked_token_is_not_asked(void **state)
{
    SHERD_CLEANUP(session_done) struct session session = {0};
    struct sherd_p11_look look;

    (void)state;
    puppet->slots[0].flags |= CKF_USER_PIN_LOCKED;
    assert_int_equal(session_open(&keys[0], "1111", &session), SHERD_ERR_DENIED);
    assert_detail("locked");
    assert_int_equal(puppet->slots[0].login_count, 0);
    assert_int_equal(sherd_p11_look(session.token, &look), SHERD_OK);
    assert_int_equal(look.tries, SHERD_P11_TRIES_NONE);
    puppet->slots[0].flags = FLAGS | CKF_USER_PIN_FINAL_TRY;
    assert_int_equal(sherd_p11_look(session.token, &look), SHERD_OK);
    assert_int_equal(look.tries, SHERD_P11_TRIES_LAST);
    assert_int_equal(look.pin, SHERD_P11_PIN_ASKED);
    assert_string_equal(look.label, "anna");
}

static void test_kms_pkcs11__readers_with_keys_of_their_own(void **state)
{
    SHERD_CLEANUP(session_done) struct session pad = {0};
    SHERD_CLEANUP(session_done) struct session none = {0};
    struct sherd_p11_look look;

    (void)state;
    puppet->slots[0].flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
    puppet->slots[0].pin = NULL;
    assert_int_equal(session_open(&keys[0], "", &pad), SHERD_OK);
    assert_int_equal(sherd_p11_look(pad.token, &look), SHERD_OK);
    assert_int_equal(look.pin, SHERD_P11_PIN_PAD);
    session_done(&pad);
    pad = (struct session){0};
    puppet->slots[1].flags = CKF_TOKEN_INITIALIZED; /* wants no PIN */
    assert_int_equal(sherd_p11_open(module, &none.p11), SHERD_OK);
    assert_int_equal(sherd_p11_find(none.p11, &any, &keys[1].fingerprint, &nobody, &none.token), SHERD_OK);
    assert_int_equal(sherd_p11_look(none.token, &look), SHERD_OK);
    assert_int_equal(look.pin, SHERD_P11_PIN_NONE);
    assert_int_equal(puppet->slots[1].login_count, 0);
}

static void test_kms_pkcs11__refusals_of_a_login_are_told(void **state)
{
    static const struct {
        unsigned long rv;
        enum sherd_err err;
    } cases[] = {
        {CKR_PIN_LOCKED, SHERD_ERR_DENIED},        {CKR_PIN_EXPIRED, SHERD_ERR_DENIED},
        {CKR_PIN_LEN_RANGE, SHERD_ERR_DENIED},     {CKR_USER_PIN_NOT_INITIALIZED, SHERD_ERR_DENIED},
        {CKR_DEVICE_REMOVED, SHERD_ERR_NOT_FOUND}, {CKR_DEVICE_ERROR, SHERD_ERR_IO},
        {CKR_HOST_MEMORY, SHERD_ERR_NO_MEMORY},    {0x80001234UL, SHERD_ERR_IO},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        SHERD_CLEANUP(session_done) struct session session = {0};

        (void)setup(NULL);
        puppet->slots[0].login_rv = cases[i].rv;
        assert_int_equal(session_open(&keys[0], "1111", &session), cases[i].err);
        assert_int_equal(puppet->slots[0].login_count, 1);
    }
}

static void test_kms_pkcs11__private_keys_that_are_missing_or_doubtful(void **state)
{
    SHERD_CLEANUP(session_done) struct session missing = {0};
    SHERD_CLEANUP(session_done) struct session twice = {0};

    (void)state;
    puppet->slots[0].private_missing = true;
    assert_int_equal(session_open(&keys[0], "1111", &missing), SHERD_ERR_NOT_FOUND);
    assert_detail("no private one");
    session_done(&missing);
    missing = (struct session){0};
    puppet->slots[0].private_missing = false;
    puppet->slots[0].twice = true;
    assert_int_equal(session_open(&keys[0], "1111", &twice), SHERD_ERR_NOT_FOUND);
    assert_detail("several private keys");
}

/* --- what it computes --------------------------------------------------------------------------------------------- */

static void test_kms_pkcs11__ecdh_by_the_token(void **state)
{
    SHERD_CLEANUP(session_done) struct session session = {0};
    const struct sherd_span point = sherd_span_of(points[1] + 2, 65);
    uint8_t shared[32] = {0};

    (void)state;
    assert_int_equal(session_open(&keys[0], "1111", &session), SHERD_OK);
    assert_int_equal(sherd_p11_agree(session.token, point, shared), SHERD_OK);
    assert_memory_equal(shared, puppet->derived, 32);
    assert_int_equal(puppet->derive_public_bytes, 65);
    assert_int_equal(puppet->destroy_count, 1);
    puppet->derive_rv = CKR_MECHANISM_PARAM_INVALID; /* an older module wants DER */
    assert_int_equal(sherd_p11_agree(session.token, point, shared), SHERD_OK);
    assert_int_equal(puppet->derive_public_bytes, 67);
    puppet->derive_rv = CKR_KEY_FUNCTION_NOT_PERMITTED;
    assert_int_equal(sherd_p11_agree(session.token, point, shared), SHERD_ERR_DENIED);
    puppet->derive_rv = CKR_MECHANISM_INVALID;
    assert_int_equal(sherd_p11_agree(session.token, point, shared), SHERD_ERR_UNSUPPORTED);
    puppet->derive_rv = CKR_USER_NOT_LOGGED_IN;
    assert_int_equal(sherd_p11_agree(session.token, point, shared), SHERD_ERR_DENIED);
    assert_detail("again for each use");
    puppet->derive_rv = CKR_OK;
    for (puppet->derived_bytes = 31; puppet->derived_bytes <= 33; puppet->derived_bytes += 2) {
        memset(shared, 0xee, sizeof(shared));
        assert_int_equal(sherd_p11_agree(session.token, point, shared), SHERD_ERR_DENIED);
        assert_int_equal(shared[0] | shared[31], 0);
    }
    assert_int_equal(puppet->destroy_count, 4); /* each secret that the token made is gone from it */
    assert_int_equal(sherd_p11_agree(session.token, sherd_span_of(point.data, 64), shared), SHERD_ERR_INVALID);
    assert_int_equal(sherd_p11_decrypt(session.token, point, shared), SHERD_ERR_INVALID); /* no RSA */
}

/* A secret, padded by OAEP as the token of an RSA key gives it back. */
static void pad(const uint8_t *secret, uint8_t out[static 256])
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    uint8_t sealed[256];
    size_t bytes = sizeof(sealed);

    assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0);
    assert_true(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) > 0);
    assert_true(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0);
    assert_int_equal(EVP_PKEY_encrypt(ctx, sealed, &bytes, secret, 32), 1);
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new(pkey, NULL);
    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0);
    assert_int_equal(EVP_PKEY_decrypt(ctx, out, &bytes, sealed, sizeof(sealed)), 1);
    assert_int_equal(bytes, 256);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static void test_kms_pkcs11__rsa_by_the_token(void **state)
{
    SHERD_CLEANUP(session_done) struct session session = {0};
    static uint8_t modulus[256];
    static const uint8_t exponent[] = {1, 0, 1};
    uint8_t sealed[256] = {1};
    const struct sherd_span span = sherd_span_of(sealed, sizeof(sealed));
    uint8_t secret[32];
    uint8_t opened[32] = {0};
    struct sherd_pubkey key;

    (void)state;
    memset(modulus, 0xa5, sizeof(modulus));
    memset(secret, 0x77, sizeof(secret));
    assert_int_equal(sherd_pubkey_of_rsa(sherd_span_of(modulus, 256), sherd_span_of(exponent, 3), &key), SHERD_OK);
    puppet->slots[0].rsa = true;
    puppet->slots[0].modulus = modulus;
    assert_int_equal(session_open(&key, "1111", &session), SHERD_OK);

    memcpy(puppet->plain, secret, 32);
    puppet->plain_bytes = 32;
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_OK);
    assert_memory_equal(opened, secret, 32);
    puppet->plain_bytes = 31; /* OAEP held, and yet it is no key */
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_ERR_TAMPERED);
    puppet->oaep_run_rv = CKR_ENCRYPTED_DATA_INVALID; /* then RSA alone is not asked */
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_ERR_TAMPERED);

    puppet->oaep_run_rv = CKR_OK;
    puppet->oaep_rv = CKR_ARGUMENTS_BAD; /* OAEP of SHA-1 alone */
    pad(secret, puppet->plain);
    puppet->plain_bytes = 256;
    memset(opened, 0, sizeof(opened));
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_OK);
    assert_memory_equal(opened, secret, 32);
    memmove(puppet->plain, puppet->plain + 1, 255); /* without the zero that leads */
    puppet->plain_bytes = 255;
    memset(opened, 0, sizeof(opened));
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_OK);
    assert_memory_equal(opened, secret, 32);
    puppet->plain[100] ^= 1;
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_ERR_TAMPERED);
    puppet->plain_bytes = 257;
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_ERR_IO);
    puppet->plain_bytes = 100000;
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_ERR_IO);
    puppet->raw_rv = CKR_MECHANISM_INVALID;
    assert_int_equal(sherd_p11_decrypt(session.token, span, opened), SHERD_ERR_UNSUPPORTED);
    assert_int_equal(sherd_p11_decrypt(session.token, sherd_span_of(sealed, 255), opened), SHERD_ERR_INVALID);
    assert_int_equal(sherd_p11_agree(session.token, sherd_span_of(points[0] + 2, 65), opened), SHERD_ERR_INVALID);
}

int main(int argc, char **argv)
{
#define ONE(name) cmocka_unit_test_setup_teardown(test_kms_pkcs11__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ONE(what_is_no_module_is_refused),
        ONE(a_uri_names_one_key),
        ONE(other_kinds_of_keys_are_refused),
        ONE(lengths_that_a_module_claims_are_bounded),
        ONE(the_pin_goes_to_the_token_that_has_the_key),
        ONE(no_pin_goes_to_tokens_without_the_key),
        ONE(tokens_that_hide_their_keys),
        ONE(a_token_that_shows_the_key_comes_first),
        ONE(a_wrong_pin_is_given_once),
        ONE(a_locked_token_is_not_asked),
        ONE(readers_with_keys_of_their_own),
        ONE(refusals_of_a_login_are_told),
        ONE(private_keys_that_are_missing_or_doubtful),
        ONE(ecdh_by_the_token),
        ONE(rsa_by_the_token),
    };

    if (argc != 2)
        return 2;
    module = argv[1];
    return cmocka_run_group_tests(tests, setup_group, NULL);
}
