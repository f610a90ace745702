/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys of others: see pubkey.h. RSA_padding_check_PKCS1_OAEP_mgf1() is deprecated since OpenSSL 3.0, and there
 * in 3.5: EVP has nothing that takes a padding away which a token has decrypted, and this one is in constant time.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/pubkey.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/evp.h"
#include "crypto/once.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static void pkey_freep(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
}

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static void number_freep(BIGNUM **number)
{
    BN_free(*number);
}

static void bio_freep(BIO **bio)
{
    BIO_free(*bio);
}

static void x509_freep(X509 **certificate)
{
    X509_free(*certificate);
}

static enum sherd_err unsupported(void)
{
    ERR_clear_error();
    return sherd_fail(SHERD_ERR_UNSUPPORTED,
                      "this kind of public key is not taken: it must be of P-256, or of RSA with 2048 to 4096 bits");
}

static enum sherd_err refused(enum sherd_err err, const char *text)
{
    return sherd_openssl_wants_memory() ? sherd_evp_fail("public key") : sherd_fail(err, "%s", text);
}

/* --- the key as it is kept ---------------------------------------------------------------------------------------- */

static enum sherd_err finish(struct sherd_pubkey *key)
{
    const struct sherd_span info = sherd_span_of(key->info, key->info_bytes);

    return sherd_hash(SHERD_SHA256, &info, 1, key->fingerprint.bytes);
}

enum sherd_err sherd_pubkey_of_point(const uint8_t point[static SHERD_P256_PUBLIC_SIZE], struct sherd_pubkey *out_key)
{
    /* SubjectPublicKeyInfo of id-ecPublicKey and prime256v1, up to the point: RFC 5480, section 2. */
    static const uint8_t before[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                     0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
    struct sherd_pubkey key = {.kind = SHERD_PUBKEY_P256};

    SHERD_TRY(sherd_p256_check(point));
    memcpy(key.point, point, sizeof(key.point));
    memcpy(key.info, before, sizeof(before));
    memcpy(key.info + sizeof(before), point, sizeof(key.point));
    key.info_bytes = sizeof(before) + sizeof(key.point);
    SHERD_TRY(finish(&key));
    *out_key = key;
    return SHERD_OK;
}

static enum sherd_err rsa_finish(const EVP_PKEY *pkey, size_t modulus_bytes, struct sherd_pubkey *out_key)
{
    struct sherd_pubkey key = {.kind = SHERD_PUBKEY_RSA, .modulus_bytes = modulus_bytes};
    const int bytes = i2d_PUBKEY(pkey, NULL);
    uint8_t *at = key.info;

    if (bytes > (int)sizeof(key.info))
        return unsupported();
    if (bytes <= 0 || i2d_PUBKEY(pkey, &at) != bytes)
        return sherd_evp_fail("public key");
    key.info_bytes = (size_t)bytes;
    SHERD_TRY(finish(&key));
    *out_key = key;
    return SHERD_OK;
}

/* A number for EVP, in the byte order of this machine. */
static enum sherd_err native(struct sherd_span bytes, uint8_t *out, size_t size)
{
    SHERD_CLEANUP(number_freep) BIGNUM *number = BN_bin2bn(bytes.data, (int)bytes.len, NULL);

    return number != NULL && BN_bn2nativepad(number, out, (int)size) >= 0 ? SHERD_OK : sherd_evp_fail("public key");
}

static enum sherd_err rsa_make(struct sherd_span modulus, struct sherd_span exponent, EVP_PKEY **out_pkey)
{
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    uint8_t n[SHERD_PUBKEY_RSA_BYTES_MAX];
    uint8_t e[SHERD_PUBKEY_EXPONENT_BYTES_MAX];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, sizeof(n)),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, sizeof(e)),
        OSSL_PARAM_construct_end(),
    };

    SHERD_TRY(native(modulus, n, sizeof(n)));
    SHERD_TRY(native(exponent, e, sizeof(e)));
    if (ctx == NULL)
        return sherd_evp_fail("public key");
    ERR_clear_error();
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, out_pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return refused(SHERD_ERR_TAMPERED, "this is no RSA key");
    return SHERD_OK;
}

static struct sherd_span without_zeros(struct sherd_span number)
{
    while (number.len > 0 && number.data[0] == 0)
        number = sherd_span_of(number.data + 1, number.len - 1);
    return number;
}

enum sherd_err sherd_pubkey_of_rsa(struct sherd_span modulus, struct sherd_span exponent, struct sherd_pubkey *out_key)
{
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;

    SHERD_TRY(sherd_crypto_gate());
    modulus = without_zeros(modulus);
    exponent = without_zeros(exponent);
    if (modulus.len < SHERD_PUBKEY_RSA_BYTES_MIN || modulus.len > SHERD_PUBKEY_RSA_BYTES_MAX ||
        (modulus.len == SHERD_PUBKEY_RSA_BYTES_MIN && modulus.data[0] < 0x80) || /* 2047 bits or fewer */
        exponent.len > SHERD_PUBKEY_EXPONENT_BYTES_MAX)
        return unsupported();
    /* An even modulus, or an exponent that is even or 1, is of no key. */
    if ((modulus.data[modulus.len - 1] & 1) == 0 || exponent.len == 0 || (exponent.data[exponent.len - 1] & 1) == 0 ||
        (exponent.len == 1 && exponent.data[0] == 1))
        return sherd_fail(SHERD_ERR_TAMPERED, "this is no RSA key");
    SHERD_TRY(rsa_make(modulus, exponent, &pkey));
    return rsa_finish(pkey, modulus.len, out_key);
}

/* --- keys of OpenSSL ---------------------------------------------------------------------------------------------- */

static enum sherd_err of_ec(const EVP_PKEY *pkey, struct sherd_pubkey *out_key)
{
    SHERD_CLEANUP(number_freep) BIGNUM *x = NULL;
    SHERD_CLEANUP(number_freep) BIGNUM *y = NULL;
    uint8_t point[SHERD_P256_PUBLIC_SIZE] = {POINT_CONVERSION_UNCOMPRESSED};
    char group[32] = "";

    if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1 || strcmp(group, "prime256v1") != 0)
        return unsupported();
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) != 1 ||
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) != 1 || BN_bn2binpad(x, point + 1, 32) != 32 ||
        BN_bn2binpad(y, point + 33, 32) != 32)
        return sherd_evp_fail("public key");
    return sherd_pubkey_of_point(point, out_key);
}

static enum sherd_err of_rsa(const EVP_PKEY *pkey, struct sherd_pubkey *out_key)
{
    SHERD_CLEANUP(number_freep) BIGNUM *n = NULL;
    SHERD_CLEANUP(number_freep) BIGNUM *e = NULL;
    uint8_t modulus[SHERD_PUBKEY_RSA_BYTES_MAX];
    uint8_t exponent[SHERD_PUBKEY_EXPONENT_BYTES_MAX];

    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
        return sherd_evp_fail("public key");
    if (BN_bn2binpad(n, modulus, sizeof(modulus)) < 0 || BN_bn2binpad(e, exponent, sizeof(exponent)) < 0)
        return unsupported();
    return sherd_pubkey_of_rsa(sherd_span_of(modulus, sizeof(modulus)), sherd_span_of(exponent, sizeof(exponent)),
                               out_key);
}

static enum sherd_err of_pkey(const EVP_PKEY *pkey, struct sherd_pubkey *out_key)
{
    if (EVP_PKEY_is_a(pkey, "EC"))
        return of_ec(pkey, out_key);
    return EVP_PKEY_is_a(pkey, "RSA") ? of_rsa(pkey, out_key) : unsupported();
}

static enum sherd_err of_x509(const X509 *certificate, struct sherd_pubkey *out_key)
{
    const EVP_PKEY *pkey = X509_get0_pubkey(certificate);

    return pkey != NULL ? of_pkey(pkey, out_key) : unsupported();
}

/* OpenSSL would ask for a passphrase on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

enum sherd_err sherd_pubkey_of_pem(struct sherd_span file, struct sherd_pubkey *out_key)
{
    SHERD_CLEANUP(bio_freep) BIO *bio = NULL;
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    SHERD_CLEANUP(x509_freep) X509 *certificate = NULL;
    enum sherd_err err;

    SHERD_TRY(sherd_crypto_gate());
    SHERD_ENSURE(file.len > 0 && file.len <= SHERD_PUBKEY_FILE_BYTES_MAX, SHERD_ERR_INVALID,
                 "this is no file of a public key");
    bio = BIO_new_mem_buf(file.data, (int)file.len);
    if (bio == NULL)
        return sherd_evp_fail("public key");
    ERR_clear_error();
    pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    if (pkey == NULL && BIO_reset(bio) == 1)
        certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (pkey == NULL && certificate == NULL)
        return refused(SHERD_ERR_INVALID, "this is no public key and no certificate in PEM");
    err = pkey != NULL ? of_pkey(pkey, out_key) : of_x509(certificate, out_key);
    ERR_clear_error();
    return err == SHERD_ERR_TAMPERED ? sherd_fail(SHERD_ERR_INVALID, "%s", sherd_err_detail()) : err;
}

enum sherd_err sherd_pubkey_of_certificate(struct sherd_span der, struct sherd_pubkey *out_key)
{
    SHERD_CLEANUP(x509_freep) X509 *certificate = NULL;
    const uint8_t *at = der.data;
    enum sherd_err err;

    SHERD_TRY(sherd_crypto_gate());
    SHERD_ENSURE(der.len > 0 && der.len <= SHERD_PUBKEY_FILE_BYTES_MAX, SHERD_ERR_INVALID, "this is no certificate");
    ERR_clear_error();
    certificate = d2i_X509(NULL, &at, (long)der.len);
    if (certificate == NULL)
        return refused(SHERD_ERR_INVALID, "this is no certificate");
    err = of_x509(certificate, out_key);
    ERR_clear_error();
    return err == SHERD_ERR_TAMPERED ? sherd_fail(SHERD_ERR_INVALID, "%s", sherd_err_detail()) : err;
}

/* --- RSAES-OAEP --------------------------------------------------------------------------------------------------- */

static enum sherd_err oaep_open(struct sherd_span padded, uint8_t *out_secret)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *plain = sherd_secret_alloc(SHERD_PUBKEY_RSA_BYTES_MAX);
    int bytes;

    if (plain == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(padded.len > 0 && padded.len <= SHERD_PUBKEY_RSA_BYTES_MAX, SHERD_ERR_TAMPERED,
                 "what is sealed to an RSA key does not verify");
    ERR_clear_error();
    bytes = RSA_padding_check_PKCS1_OAEP_mgf1(plain, SHERD_PUBKEY_RSA_BYTES_MAX, padded.data, (int)padded.len,
                                              (int)padded.len, NULL, 0, EVP_sha256(), EVP_sha256());
    if (bytes != (int)SHERD_PUBKEY_SECRET_SIZE) {
        sherd_wipe(out_secret, SHERD_PUBKEY_SECRET_SIZE);
        return refused(SHERD_ERR_TAMPERED, "what is sealed to an RSA key does not verify");
    }
    memcpy(out_secret, plain, SHERD_PUBKEY_SECRET_SIZE);
    return SHERD_OK;
}

/*
 * EME-OAEP with SHA-256 of 00 01 ... 1f, by the seed 40 41 ... 5f, for a modulus of 98 bytes; and of it with a wrong
 * bit.
 */
static const uint8_t oaep_known[] = {
    0x00, 0x83, 0xf3, 0x30, 0xcc, 0x87, 0xe2, 0x37, 0x45, 0x71, 0xa5, 0xcd, 0x56, 0x32, 0xde, 0x13, 0x5d,
    0x58, 0xcd, 0x8b, 0x44, 0x0d, 0xdf, 0xe4, 0x65, 0x34, 0x2c, 0x06, 0x64, 0x81, 0x0a, 0x9e, 0x02, 0xed,
    0xf5, 0xc1, 0x1e, 0x43, 0xd6, 0x40, 0xd1, 0x72, 0x13, 0xbd, 0x23, 0x7b, 0xa4, 0xa4, 0x74, 0x4d, 0xc0,
    0x96, 0x8d, 0xff, 0x24, 0x0f, 0xf6, 0x69, 0x5c, 0x62, 0x94, 0x5e, 0x5b, 0x95, 0x76, 0x18, 0xac, 0x9a,
    0xff, 0xc3, 0x79, 0xfe, 0xf2, 0xfe, 0x66, 0x7d, 0x0f, 0x10, 0x46, 0x81, 0x5e, 0x75, 0x60, 0xf0, 0x49,
    0xb9, 0x1e, 0xcf, 0xd4, 0x63, 0x5b, 0x35, 0x47, 0x61, 0xac, 0xcb, 0x97, 0x53};

static enum sherd_err prepare(void)
{
    uint8_t secret[SHERD_PUBKEY_SECRET_SIZE] = {0};
    uint8_t changed[sizeof(oaep_known)];
    enum sherd_err err;

    err = oaep_open(sherd_span_of(oaep_known, sizeof(oaep_known)), secret);
    if (err == SHERD_ERR_TAMPERED) /* a want of memory can look like it: that is not remembered */
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "cryptography: OpenSSL does not compute OAEP");
    SHERD_TRY(err);
    for (size_t i = 0; i < sizeof(secret); i++)
        if (secret[i] != i)
            return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: OAEP fails its known-answer test");
    memcpy(changed, oaep_known, sizeof(changed));
    changed[40] ^= 1;
    err = oaep_open(sherd_span_of(changed, sizeof(changed)), secret);
    if (err == SHERD_OK)
        return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: OAEP takes what was changed");
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static struct sherd_once once = SHERD_ONCE(prepare);

enum sherd_err sherd_pubkey_oaep_open(struct sherd_span padded, uint8_t *out_secret)
{
    SHERD_TRY(sherd_once_pass(&once));
    return oaep_open(padded, out_secret);
}

enum sherd_err sherd_pubkey_rsa_seal(const struct sherd_pubkey *to, const uint8_t *secret, uint8_t *out)
{
    SHERD_CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    SHERD_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
    const uint8_t *at = to->info;
    size_t size = to->modulus_bytes;

    SHERD_TRY(sherd_once_pass(&once));
    SHERD_ENSURE(to->kind == SHERD_PUBKEY_RSA, SHERD_ERR_INVALID, "this is no RSA key");
    pkey = d2i_PUBKEY(NULL, &at, (long)to->info_bytes);
    ctx = pkey != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    if (ctx == NULL || EVP_PKEY_encrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) != 1 ||
        EVP_PKEY_encrypt(ctx, out, &size, secret, SHERD_PUBKEY_SECRET_SIZE) != 1 || size != to->modulus_bytes)
        return sherd_evp_fail("RSA");
    return SHERD_OK;
}
