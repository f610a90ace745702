/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#12 files as key stores: see pkcs12.h. */
#include "crypto/pkcs12.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/evp.h"
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <strings.h>

/* Ceilings of what a file holds. */
#define SAFES_MAX 64
#define BAGS_MAX 256

#define SALT_SIZE 16

/* The group of AES in NIST's arc, by which Java names an AES key in PKCS#8. OpenSSL has no number for it. */
#define AES_OID "2.16.840.1.101.3.4.1"

struct sherd_pkcs12 {
    STACK_OF(PKCS7) * safes; /* what the MAC covers: kept as it came, so that it goes back as it was */
    char *password;          /* secret memory, with a final zero byte */
    int password_bytes;
};

static void safes_free(STACK_OF(PKCS7) * safes)
{
    sk_PKCS7_pop_free(safes, PKCS7_free);
}

static void bags_free(STACK_OF(PKCS12_SAFEBAG) * bags)
{
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

/* For SHERD_CLEANUP. */
static void p12_freep(PKCS12 **p)
{
    PKCS12_free(*p);
}

static void bags_freep(STACK_OF(PKCS12_SAFEBAG) * *p)
{
    bags_free(*p);
}

static void sig_freep(X509_SIG **p)
{
    X509_SIG_free(*p);
}

static void p8_freep(PKCS8_PRIV_KEY_INFO **p)
{
    PKCS8_PRIV_KEY_INFO_free(*p); /* clears the key */
}

static void errors_clear(const int *unused)
{
    (void)unused;
    ERR_clear_error();
}

/* Nobody finds our errors in theirs: the queue is empty when a call ends, however it ends. */
#define ERRORS_CLEARED __attribute__((unused)) SHERD_CLEANUP(errors_clear) const int errors_cleared_ = 0

static enum sherd_err damaged(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the key store is damaged, or is no PKCS#12 file");
}

/* --- what a file may ask of us ----------------------------------------------------------------------------------- */

static enum sherd_err check_rounds(const ASN1_INTEGER *number)
{
    uint64_t rounds = 0;

    if (number == NULL || ASN1_INTEGER_get_uint64(&rounds, number) != 1 || rounds < SHERD_PKCS12_ITERATIONS_MIN ||
        rounds > SHERD_PKCS12_ITERATIONS_MAX)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "the key store asks for fewer than %u or more than %u rounds",
                          SHERD_PKCS12_ITERATIONS_MIN, SHERD_PKCS12_ITERATIONS_MAX);
    return SHERD_OK;
}

static enum sherd_err unsupported(void)
{
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "the key store uses a cipher that is not read: make it anew, with PBES2, "
                                             "AES-256 and HMAC-SHA-256 (the defaults of OpenSSL 3 and Java 17)");
}

static enum sherd_err check_mac(const PKCS12 *p12)
{
    const ASN1_OCTET_STRING *mac = NULL;
    const ASN1_OCTET_STRING *salt = NULL;
    const X509_ALGOR *alg = NULL;
    const ASN1_INTEGER *rounds = NULL;

    if (!PKCS12_mac_present(p12))
        return damaged();
    PKCS12_get0_mac(&mac, &alg, &salt, &rounds, p12);
    const int nid = OBJ_obj2nid(alg->algorithm);
    if (nid != NID_sha256 && nid != NID_sha384 && nid != NID_sha512)
        return unsupported();
    return check_rounds(rounds);
}

static enum sherd_err check_kdf(const PBE2PARAM *params)
{
    PBKDF2PARAM *kdf = NULL;
    enum sherd_err err = SHERD_OK;

    if (OBJ_obj2nid(params->keyfunc->algorithm) != NID_id_pbkdf2 ||
        OBJ_obj2nid(params->encryption->algorithm) != NID_aes_256_cbc)
        return unsupported();
    if (params->keyfunc->parameter != NULL)
        kdf = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), params->keyfunc->parameter);
    if (kdf == NULL)
        return damaged();
    const int prf = kdf->prf != NULL ? OBJ_obj2nid(kdf->prf->algorithm) : NID_hmacWithSHA1; /* the standard's default */
    if (prf != NID_hmacWithSHA256 && prf != NID_hmacWithSHA384 && prf != NID_hmacWithSHA512)
        err = unsupported();
    if (err == SHERD_OK)
        err = check_rounds(kdf->iter);
    PBKDF2PARAM_free(kdf);
    return err;
}

/* Whether an encrypted key is of PBES2 within bounds: looked at before any work is done on its word. */
static enum sherd_err check_cipher(const X509_SIG *sealed)
{
    const X509_ALGOR *alg = NULL;
    const ASN1_OCTET_STRING *bytes = NULL;

    X509_SIG_get0(sealed, &alg, &bytes);
    if (OBJ_obj2nid(alg->algorithm) != NID_pbes2)
        return unsupported();
    PBE2PARAM *params = alg->parameter != NULL ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), alg->parameter)
                                               : NULL;
    if (params == NULL)
        return damaged();
    const enum sherd_err err = check_kdf(params);
    PBE2PARAM_free(params);
    return err;
}

/* --- secret keys in it ------------------------------------------------------------------------------------------- */

/* The encrypted key of a bag; NULL if it is no secret key, or none that can be read. */
static X509_SIG *bag_key(const PKCS12_SAFEBAG *bag)
{
    /* The type is asked for first: of other types the value is no ASN1_TYPE. */
    if (PKCS12_SAFEBAG_get_nid(bag) != NID_secretBag || PKCS12_SAFEBAG_get_bag_nid(bag) != NID_pkcs8ShroudedKeyBag)
        return NULL;
    const ASN1_TYPE *value = PKCS12_SAFEBAG_get0_bag_obj(bag);
    if (value == NULL || value->type != V_ASN1_OCTET_STRING)
        return NULL;
    const unsigned char *bytes = ASN1_STRING_get0_data(value->value.octet_string);
    const unsigned char *end = bytes + ASN1_STRING_length(value->value.octet_string);
    X509_SIG *sealed = d2i_X509_SIG(NULL, &bytes, (long)(end - bytes));
    if (sealed != NULL && bytes != end) {
        X509_SIG_free(sealed);
        return NULL;
    }
    return sealed;
}

/* alias NULL: any. */
static bool bag_is(PKCS12_SAFEBAG *bag, const char *alias)
{
    char *name = PKCS12_get_friendlyname(bag);
    const bool is = alias == NULL || (name != NULL && strcasecmp(name, alias) == 0);

    OPENSSL_free(name);
    return is;
}

static X509_SIG *bags_find(const STACK_OF(PKCS12_SAFEBAG) * bags, const char *alias)
{
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);

        if (PKCS12_SAFEBAG_get_nid(bag) != NID_secretBag || !bag_is(bag, alias))
            continue;
        X509_SIG *sealed = bag_key(bag);
        if (sealed != NULL)
            return sealed;
    }
    return NULL;
}

/* The first secret key of an alias, or of any; NULL if there is none. Encrypted parts are not looked into. */
static X509_SIG *safes_find(const STACK_OF(PKCS7) * safes, const char *alias)
{
    X509_SIG *sealed = NULL;

    for (int i = 0; i < sk_PKCS7_num(safes) && sealed == NULL; i++) {
        PKCS7 *safe = sk_PKCS7_value(safes, i);

        if (!PKCS7_type_is_data(safe))
            continue;
        STACK_OF(PKCS12_SAFEBAG) *bags = PKCS12_unpack_p7data(safe);
        if (bags != NULL)
            sealed = bags_find(bags, alias);
        bags_free(bags);
    }
    return sealed;
}

/* Whether all parts that can be looked into have the structure that they must have. */
static bool safes_whole(const STACK_OF(PKCS7) * safes)
{
    for (int i = 0; i < sk_PKCS7_num(safes); i++) {
        PKCS7 *safe = sk_PKCS7_value(safes, i);

        if (!PKCS7_type_is_data(safe))
            continue;
        STACK_OF(PKCS12_SAFEBAG) *bags = PKCS12_unpack_p7data(safe);
        const bool whole = bags != NULL && sk_PKCS12_SAFEBAG_num(bags) <= BAGS_MAX;
        bags_free(bags);
        if (!whole)
            return false;
    }
    return true;
}

/* Decrypt. NULL: the password is not the one, or the bytes were changed. */
static PKCS8_PRIV_KEY_INFO *decrypt(const struct sherd_pkcs12 *store, const X509_SIG *sealed)
{
    return PKCS8_decrypt(sealed, store->password, store->password_bytes);
}

/* --- open -------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_pkcs12_new(struct sherd_span password, struct sherd_pkcs12 **out_store)
{
    ERRORS_CLEARED;

    SHERD_ENSURE(password.len >= 1 && password.len <= SHERD_PKCS12_PASSWORD_BYTES_MAX &&
                     memchr(password.data, 0, password.len) == NULL,
                 SHERD_ERR_INVALID, "a key store's password has 1 to 1024 bytes, none of them zero");
    SHERD_TRY(sherd_crypto_gate());
    SHERD_CLEANUP(sherd_pkcs12_freep) struct sherd_pkcs12 *store = sherd_alloc(sizeof(*store));
    if (store == NULL)
        return SHERD_ERR_NO_MEMORY;
    store->password = sherd_secret_alloc(password.len + 1);
    if (store->password == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(store->password, password.data, password.len);
    store->password_bytes = (int)password.len;
    store->safes = sk_PKCS7_new_null();
    if (store->safes == NULL)
        return sherd_evp_fail("a key store");
    *out_store = sherd_pkcs12_take(&store);
    return SHERD_OK;
}

void sherd_pkcs12_free(struct sherd_pkcs12 *store)
{
    if (store == NULL)
        return;
    safes_free(store->safes);
    sherd_secret_free(store->password);
    sherd_free(store);
}

/*
 * Why the MAC does not fit. Where one key of the file opens with the password, it is the right one, and the file was
 * changed; one that opens by chance, with its padding and its structure, is as likely as a guessed key.
 */
static enum sherd_err mac_failed(const struct sherd_pkcs12 *store)
{
    SHERD_CLEANUP(sig_freep) X509_SIG *sealed = safes_find(store->safes, NULL);

    if (sealed != NULL && check_cipher(sealed) == SHERD_OK) {
        SHERD_CLEANUP(p8_freep) PKCS8_PRIV_KEY_INFO *opened = decrypt(store, sealed);

        if (opened != NULL)
            return damaged();
    }
    return sherd_fail(SHERD_ERR_DENIED, "the password does not open the key store");
}

static enum sherd_err parse(struct sherd_span file, PKCS12 **out_p12, STACK_OF(PKCS7) * *out_safes)
{
    const unsigned char *bytes = file.data;
    SHERD_CLEANUP(p12_freep) PKCS12 *p12 = d2i_PKCS12(NULL, &bytes, (long)file.len);

    if (p12 == NULL || bytes != file.data + file.len)
        return damaged();
    SHERD_TRY(check_mac(p12));
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    if (safes == NULL || sk_PKCS7_num(safes) > SAFES_MAX || !safes_whole(safes)) {
        safes_free(safes);
        return damaged();
    }
    *out_p12 = p12;
    *out_safes = safes;
    p12 = NULL;
    return SHERD_OK;
}

enum sherd_err sherd_pkcs12_open(struct sherd_span file, struct sherd_span password, struct sherd_pkcs12 **out_store)
{
    ERRORS_CLEARED;
    SHERD_CLEANUP(sherd_pkcs12_freep) struct sherd_pkcs12 *store = NULL;
    SHERD_CLEANUP(p12_freep) PKCS12 *p12 = NULL;
    STACK_OF(PKCS7) *safes = NULL;

    SHERD_ENSURE(file.len <= SHERD_PKCS12_BYTES_MAX, SHERD_ERR_LIMIT, "a key store has at most 256 KiB");
    if (file.len == 0)
        return damaged();
    SHERD_TRY(sherd_pkcs12_new(password, &store));
    SHERD_TRY(parse(file, &p12, &safes));
    safes_free(store->safes);
    store->safes = safes;
    if (PKCS12_verify_mac(p12, store->password, store->password_bytes) != 1)
        return mac_failed(store);
    *out_store = sherd_pkcs12_take(&store);
    return SHERD_OK;
}

/* --- keys -------------------------------------------------------------------------------------------------------- */

bool sherd_pkcs12_has(const struct sherd_pkcs12 *store, const char *alias)
{
    ERRORS_CLEARED;
    SHERD_CLEANUP(sig_freep) X509_SIG *sealed = safes_find(store->safes, alias);

    return sealed != NULL;
}

enum sherd_err sherd_pkcs12_get(const struct sherd_pkcs12 *store, const char *alias, uint8_t *out_key, size_t key_bytes)
{
    ERRORS_CLEARED;
    SHERD_CLEANUP(sig_freep) X509_SIG *sealed = safes_find(store->safes, alias);
    const unsigned char *key = NULL;
    int bytes = 0;

    if (sealed == NULL)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "the key store has no secret key \"%.64s\"", alias);
    SHERD_TRY(check_cipher(sealed));
    SHERD_CLEANUP(p8_freep) PKCS8_PRIV_KEY_INFO *opened = decrypt(store, sealed);
    if (opened == NULL || PKCS8_pkey_get0(NULL, &key, &bytes, NULL, opened) != 1)
        return sherd_fail(SHERD_ERR_TAMPERED, "the secret key \"%.64s\" of the key store does not open", alias);
    if (bytes < 0 || (size_t)bytes != key_bytes)
        return sherd_fail(SHERD_ERR_LIMIT, "the secret key \"%.64s\" of the key store has not %zu bits", alias,
                          8 * key_bytes);
    memcpy(out_key, key, key_bytes);
    return SHERD_OK;
}

static bool alias_valid(const char *alias)
{
    const size_t len = strlen(alias);

    return len >= 1 && len <= SHERD_PKCS12_ALIAS_BYTES_MAX &&
           strspn(alias, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* A key as PKCS#8 has it. NULL: no memory. */
static PKCS8_PRIV_KEY_INFO *pkcs8_of(struct sherd_span key)
{
    SHERD_CLEANUP(p8_freep) PKCS8_PRIV_KEY_INFO *pkcs8 = PKCS8_PRIV_KEY_INFO_new();
    ASN1_OBJECT *aes = OBJ_txt2obj(AES_OID, 1);
    unsigned char *copy = OPENSSL_memdup(key.data, key.len); /* which it owns and clears */

    if (pkcs8 == NULL || aes == NULL || copy == NULL ||
        PKCS8_pkey_set0(pkcs8, aes, 0, V_ASN1_NULL, NULL, copy, (int)key.len) != 1) {
        ASN1_OBJECT_free(aes);
        OPENSSL_clear_free(copy, copy != NULL ? key.len : 0);
        return NULL;
    }
    PKCS8_PRIV_KEY_INFO *made = pkcs8;
    pkcs8 = NULL;
    return made;
}

static enum sherd_err encrypt(const struct sherd_pkcs12 *store, struct sherd_span key, X509_SIG **out_sealed)
{
    uint8_t salt[SALT_SIZE];

    SHERD_TRY(sherd_random(salt, sizeof(salt)));
    SHERD_CLEANUP(p8_freep) PKCS8_PRIV_KEY_INFO *pkcs8 = pkcs8_of(key);
    if (pkcs8 == NULL)
        return sherd_evp_fail("a key store");
    X509_SIG *sealed = PKCS8_encrypt(NID_hmacWithSHA256, EVP_aes_256_cbc(), store->password, store->password_bytes,
                                     salt, sizeof(salt), (int)SHERD_PKCS12_ITERATIONS, pkcs8);
    if (sealed == NULL)
        return sherd_evp_fail("a key store");
    *out_sealed = sealed;
    return SHERD_OK;
}

/* The bag of an encrypted key. NULL: no memory. */
static PKCS12_SAFEBAG *bag_of(const X509_SIG *sealed, const char *alias)
{
    unsigned char *bytes = NULL;
    const int len = i2d_X509_SIG(sealed, &bytes);
    PKCS12_SAFEBAG *bag = NULL;

    if (len > 0)
        bag = PKCS12_SAFEBAG_create_secret(NID_pkcs8ShroudedKeyBag, V_ASN1_OCTET_STRING, bytes, len);
    OPENSSL_free(bytes);
    if (bag != NULL && PKCS12_add_friendlyname_utf8(bag, alias, -1) != 1) {
        PKCS12_SAFEBAG_free(bag);
        bag = NULL;
    }
    return bag;
}

static enum sherd_err push_bag(struct sherd_pkcs12 *store, PKCS12_SAFEBAG *bag)
{
    SHERD_CLEANUP(bags_freep) STACK_OF(PKCS12_SAFEBAG) *bags = sk_PKCS12_SAFEBAG_new_null();

    if (bags == NULL || sk_PKCS12_SAFEBAG_push(bags, bag) <= 0) {
        PKCS12_SAFEBAG_free(bag);
        return sherd_evp_fail("a key store");
    }
    PKCS7 *safe = PKCS12_pack_p7data(bags);
    if (safe == NULL || sk_PKCS7_push(store->safes, safe) <= 0) {
        PKCS7_free(safe);
        return sherd_evp_fail("a key store");
    }
    return SHERD_OK;
}

enum sherd_err sherd_pkcs12_add(struct sherd_pkcs12 *store, const char *alias, struct sherd_span key)
{
    ERRORS_CLEARED;
    SHERD_CLEANUP(sig_freep) X509_SIG *sealed = NULL;

    SHERD_ENSURE(alias_valid(alias), SHERD_ERR_INVALID, "an alias has 1 to 64 of a-z 0-9 . _ -");
    SHERD_ENSURE(key.len >= 1 && key.len <= SHERD_PKCS12_KEY_BYTES_MAX, SHERD_ERR_INVALID,
                 "a secret key in a key store has 1 to 64 bytes");
    SHERD_ENSURE(sk_PKCS7_num(store->safes) < SAFES_MAX, SHERD_ERR_LIMIT, "the key store is full");
    if (sherd_pkcs12_has(store, alias))
        return sherd_fail(SHERD_ERR_CONFLICT, "the key store has a secret key \"%s\" already", alias);
    SHERD_TRY(encrypt(store, key, &sealed));
    PKCS12_SAFEBAG *bag = bag_of(sealed, alias);
    if (bag == NULL)
        return sherd_evp_fail("a key store");
    return push_bag(store, bag);
}

/* --- write ------------------------------------------------------------------------------------------------------- */

static enum sherd_err append_file(const PKCS12 *p12, struct sherd_buf *out_file)
{
    const int len = i2d_PKCS12(p12, NULL);

    if (len <= 0)
        return sherd_evp_fail("a key store");
    SHERD_ENSURE((size_t)len <= SHERD_PKCS12_BYTES_MAX, SHERD_ERR_LIMIT, "a key store has at most 256 KiB");
    SHERD_TRY(sherd_buf_reserve(out_file, (size_t)len));
    unsigned char *end = out_file->data + out_file->len;
    if (i2d_PKCS12(p12, &end) != len)
        return sherd_evp_fail("a key store");
    out_file->len += (size_t)len;
    return SHERD_OK;
}

enum sherd_err sherd_pkcs12_write(const struct sherd_pkcs12 *store, struct sherd_buf *out_file)
{
    ERRORS_CLEARED;
    uint8_t salt[SALT_SIZE];
    SHERD_CLEANUP(p12_freep) PKCS12 *p12 = PKCS12_init(NID_pkcs7_data);

    SHERD_TRY(sherd_random(salt, sizeof(salt)));
    if (p12 == NULL || PKCS12_pack_authsafes(p12, store->safes) != 1 ||
        PKCS12_set_mac(p12, store->password, store->password_bytes, salt, sizeof(salt), (int)SHERD_PKCS12_ITERATIONS,
                       EVP_sha256()) != 1)
        return sherd_evp_fail("a key store");
    return append_file(p12, out_file);
}
