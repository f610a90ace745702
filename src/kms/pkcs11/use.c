/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN, and what the token computes with the private key. See token.h. */
#define CRYPTOKI_GNU 1
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "kms/pkcs11/inside.h"

#include <p11-kit/pkcs11.h>
#include <string.h>

/* ---- The PIN ----------------------------------------------------------------------------------------------------- */

static enum sherd_p11_tries tries_of(unsigned long flags)
{
    if ((flags & CKF_USER_PIN_LOCKED) != 0)
        return SHERD_P11_TRIES_NONE;
    if ((flags & CKF_USER_PIN_FINAL_TRY) != 0)
        return SHERD_P11_TRIES_LAST;
    return (flags & CKF_USER_PIN_COUNT_LOW) != 0 ? SHERD_P11_TRIES_LOW : SHERD_P11_TRIES_ALL;
}

static enum sherd_p11_pin pin_of(unsigned long flags)
{
    if ((flags & CKF_LOGIN_REQUIRED) == 0)
        return SHERD_P11_PIN_NONE;
    return (flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0 ? SHERD_P11_PIN_PAD : SHERD_P11_PIN_ASKED;
}

enum sherd_err sherd_p11_look(const struct sherd_p11_token *token, struct sherd_p11_look *out_look)
{
    struct ck_token_info info = {0};
    struct sherd_p11_look look = {0};
    size_t bytes = sizeof(info.label);
    const ck_rv_t rv = token->calls->C_GetTokenInfo(token->slot, &info);

    if (rv != CKR_OK)
        return sherd_p11_fail(rv, "the token");
    while (bytes > 0 && info.label[bytes - 1] == ' ')
        bytes--;
    memcpy(look.label, info.label, bytes);
    look.pin = pin_of(info.flags);
    look.tries = tries_of(info.flags);
    *out_look = look;
    return SHERD_OK;
}

static enum sherd_err locked(void)
{
    return sherd_fail(SHERD_ERR_DENIED, "the token is locked after too many wrong PINs: no try is left; unlock it with "
                                        "its PUK or its security officer's PIN");
}

/* What a wrong PIN has left. */
static enum sherd_err wrong_pin(const struct sherd_p11_token *token)
{
    struct sherd_p11_look look = {0};

    if (sherd_p11_look(token, &look) != SHERD_OK)
        return sherd_fail(SHERD_ERR_DENIED, "the PIN is wrong; too many wrong ones lock the token");
    switch (look.tries) {
    case SHERD_P11_TRIES_NONE:
        return sherd_fail(SHERD_ERR_DENIED, "the PIN is wrong, and the token is locked now: no try is left; unlock it "
                                            "with its PUK or its security officer's PIN");
    case SHERD_P11_TRIES_LAST:
        return sherd_fail(SHERD_ERR_DENIED, "the PIN is wrong: one try is left, another wrong one locks the token");
    case SHERD_P11_TRIES_LOW:
        return sherd_fail(SHERD_ERR_DENIED,
                          "the PIN is wrong: the token has counted that, and locks after too many; it does not "
                          "say how many tries are left");
    case SHERD_P11_TRIES_ALL: break;
    }
    return sherd_fail(SHERD_ERR_DENIED, "the PIN is wrong; the token does not say how many tries are left before it "
                                        "locks");
}

static enum sherd_err log_in(const struct sherd_p11_token *token, struct sherd_span pin)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *copy = NULL;
    struct sherd_p11_look look = {0};
    ck_rv_t rv;

    SHERD_TRY(sherd_p11_look(token, &look));
    if (look.pin == SHERD_P11_PIN_NONE)
        return SHERD_OK;
    if (look.tries == SHERD_P11_TRIES_NONE)
        return locked();
    if (look.pin == SHERD_P11_PIN_ASKED) {
        copy = sherd_secret_alloc(pin.len + 1); /* the table of PKCS#11 takes no const */
        if (copy == NULL)
            return SHERD_ERR_NO_MEMORY;
        if (pin.len > 0)
            memcpy(copy, pin.data, pin.len);
    }
    rv = token->calls->C_Login(token->session, CKU_USER, copy, copy != NULL ? pin.len : 0);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return SHERD_OK;
    if (rv == CKR_PIN_INCORRECT)
        return wrong_pin(token);
    return rv == CKR_PIN_LOCKED ? locked() : sherd_p11_fail(rv, "the PIN");
}

/* ---- The private key --------------------------------------------------------------------------------------------- */

static bool is_of_kind(const struct sherd_p11_token *token, unsigned long object)
{
    const unsigned long wanted = token->key.kind == SHERD_PUBKEY_P256 ? CKK_EC : CKK_RSA;
    unsigned long type = 0;
    size_t bytes = 0;

    return sherd_p11_attribute(token, object, CKA_KEY_TYPE, &type, sizeof(type), &bytes) && bytes == sizeof(type) &&
           type == wanted;
}

/* Of a pair both halves have one CKA_ID. A token that gives none must have one private key of the kind. */
static enum sherd_err private_find(struct sherd_p11_token *token)
{
    const struct sherd_p11_search search = {
        .class = CKO_PRIVATE_KEY, .label = "", .id = token->id, .id_bytes = token->id_bytes};
    unsigned long objects[SHERD_P11_OBJECTS_MAX];
    size_t count = 0;
    size_t matches = 0;

    SHERD_TRY(sherd_p11_objects(token, &search, objects, &count));
    for (size_t i = 0; i < count; i++) {
        if (!is_of_kind(token, objects[i]))
            continue;
        token->private_key = objects[i];
        matches++;
    }
    SHERD_ENSURE(matches > 0, SHERD_ERR_NOT_FOUND,
                 "the token has the public key, and no private one that goes with it");
    SHERD_ENSURE(matches == 1, SHERD_ERR_NOT_FOUND,
                 "the token has several private keys that could be the one: give the pair an id of its own");
    return SHERD_OK;
}

enum sherd_err sherd_p11_login(struct sherd_p11_token *token, struct sherd_span pin)
{
    SHERD_TRY(log_in(token, pin));
    if (!token->known)
        SHERD_TRY(sherd_p11_look_for_key(token, NULL));
    SHERD_ENSURE(token->known, SHERD_ERR_NOT_FOUND,
                 "the token that is here does not have this key: take the other one");
    return private_find(token);
}

const struct sherd_pubkey *sherd_p11_key(const struct sherd_p11_token *token)
{
    return &token->key;
}

/* ---- ECDH -------------------------------------------------------------------------------------------------------- */

/* A secret of the session, which is read once and goes with it. */
static ck_rv_t derive(const struct sherd_p11_token *token, uint8_t *point, size_t bytes, unsigned long *out_secret)
{
    unsigned long class = CKO_SECRET_KEY;
    unsigned long type = CKK_GENERIC_SECRET;
    unsigned long size = SHERD_P256_SHARED_SIZE;
    unsigned char yes = 1;
    unsigned char no = 0;
    struct ck_attribute wanted[] = {
        {CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},  {CKA_TOKEN, &no, sizeof(no)},
        {CKA_SENSITIVE, &no, sizeof(no)},   {CKA_EXTRACTABLE, &yes, sizeof(yes)}, {CKA_VALUE_LEN, &size, sizeof(size)},
    };
    struct ck_ecdh1_derive_params params = {.kdf = CKD_NULL};
    struct ck_mechanism mechanism = {CKM_ECDH1_DERIVE, &params, sizeof(params)};

    params.public_data = point;
    params.public_data_len = bytes;
    return token->calls->C_DeriveKey(token->session, &mechanism, token->private_key, wanted, SHERD_COUNT_OF(wanted),
                                     out_secret);
}

enum sherd_err sherd_p11_agree(void *arg, struct sherd_span point, uint8_t *out_shared)
{
    const struct sherd_p11_token *token = arg;
    uint8_t coded[2 + SHERD_P256_PUBLIC_SIZE] = {0x04, SHERD_P256_PUBLIC_SIZE}; /* an octet string in DER */
    unsigned long secret = 0;
    size_t bytes = 0;
    ck_rv_t rv;

    SHERD_ENSURE(token->key.kind == SHERD_PUBKEY_P256 && point.len == SHERD_P256_PUBLIC_SIZE, SHERD_ERR_INVALID,
                 "this is no point of P-256, or no key of it");
    memcpy(coded + 2, point.data, SHERD_P256_PUBLIC_SIZE);
    rv = derive(token, coded + 2, SHERD_P256_PUBLIC_SIZE, &secret);
    if (rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_ARGUMENTS_BAD || rv == CKR_GENERAL_ERROR)
        rv = derive(token, coded, sizeof(coded), &secret); /* older modules want it so */
    if (rv != CKR_OK)
        return sherd_p11_fail(rv, "the key agreement of the token");
    const bool read = sherd_p11_attribute(token, secret, CKA_VALUE, out_shared, SHERD_P256_SHARED_SIZE, &bytes);
    (void)token->calls->C_DestroyObject(token->session, secret);
    if (!read || bytes != SHERD_P256_SHARED_SIZE) {
        sherd_wipe(out_shared, SHERD_P256_SHARED_SIZE);
        return sherd_fail(SHERD_ERR_DENIED, "the token does not give out what two keys agree on");
    }
    return SHERD_OK;
}

/* ---- RSA --------------------------------------------------------------------------------------------------------- */

static ck_rv_t decrypt(const struct sherd_p11_token *token, struct ck_mechanism *mechanism, struct sherd_span sealed,
                       uint8_t out[static SHERD_PUBKEY_RSA_BYTES_MAX], size_t *out_bytes)
{
    uint8_t copy[SHERD_PUBKEY_RSA_BYTES_MAX];
    unsigned long bytes = SHERD_PUBKEY_RSA_BYTES_MAX;
    ck_rv_t rv = token->calls->C_DecryptInit(token->session, mechanism, token->private_key);

    if (rv != CKR_OK)
        return rv;
    memcpy(copy, sealed.data, sealed.len);
    rv = token->calls->C_Decrypt(token->session, copy, sealed.len, out, &bytes);
    if (rv == CKR_OK && bytes > SHERD_PUBKEY_RSA_BYTES_MAX)
        return CKR_GENERAL_ERROR;
    *out_bytes = bytes;
    return rv;
}

static ck_rv_t by_oaep(const struct sherd_p11_token *token, struct sherd_span sealed, uint8_t *out, size_t *out_bytes)
{
    struct ck_rsa_pkcs_oaep_params params = {
        .hash_alg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .source = CKZ_DATA_SPECIFIED};
    struct ck_mechanism mechanism = {CKM_RSA_PKCS_OAEP, &params, sizeof(params)};

    return decrypt(token, &mechanism, sealed, out, out_bytes);
}

/* RSA alone. What the token leaves away of leading zeros is put back. */
static ck_rv_t by_rsa(const struct sherd_p11_token *token, struct sherd_span sealed, uint8_t *out)
{
    struct ck_mechanism mechanism = {CKM_RSA_X_509, NULL, 0};
    size_t bytes = 0;
    const ck_rv_t rv = decrypt(token, &mechanism, sealed, out, &bytes);

    if (rv == CKR_OK && bytes <= sealed.len) {
        memmove(out + sealed.len - bytes, out, bytes);
        memset(out, 0, sealed.len - bytes);
    }
    return rv == CKR_OK && bytes > sealed.len ? CKR_GENERAL_ERROR : rv;
}

enum sherd_err sherd_p11_decrypt(void *arg, struct sherd_span sealed, uint8_t *out_secret)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *plain = sherd_secret_alloc(SHERD_PUBKEY_RSA_BYTES_MAX);
    const struct sherd_p11_token *token = arg;
    size_t bytes = 0;
    ck_rv_t rv;

    if (plain == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(token->key.kind == SHERD_PUBKEY_RSA && sealed.len == token->key.modulus_bytes, SHERD_ERR_INVALID,
                 "this is nothing that is sealed to the token's key");
    rv = by_oaep(token, sealed, plain, &bytes);
    if (rv == CKR_OK && bytes == SHERD_PUBKEY_SECRET_SIZE) {
        memcpy(out_secret, plain, SHERD_PUBKEY_SECRET_SIZE);
        return SHERD_OK;
    }
    if (rv == CKR_OK)
        rv = CKR_ENCRYPTED_DATA_INVALID;
    if (rv != CKR_ENCRYPTED_DATA_INVALID && rv != CKR_ENCRYPTED_DATA_LEN_RANGE)
        rv = by_rsa(token, sealed, plain);
    else
        return sherd_p11_fail(rv, "what is sealed to the token");
    return rv == CKR_OK ? sherd_pubkey_oaep_open(sherd_span_of(plain, sealed.len), out_secret)
                        : sherd_p11_fail(rv, "the decryption of the token");
}
