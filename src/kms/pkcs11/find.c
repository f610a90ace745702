/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and the public keys in them: found by a URI or by a fingerprint, without a PIN. See token.h. */
#define CRYPTOKI_GNU 1
#include "base/bytes.h"
#include "base/mem.h"
#include "kms/pkcs11/inside.h"

#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <string.h>

/* ---- Objects ----------------------------------------------------------------------------------------------------- */

bool sherd_p11_attribute(const struct sherd_p11_token *token, unsigned long object, unsigned long type, void *out,
                         size_t size, size_t *out_bytes)
{
    struct ck_attribute attribute = {.type = type, .value = out, .value_len = size};

    if (token->calls->C_GetAttributeValue(token->session, object, &attribute, 1) != CKR_OK ||
        attribute.value_len > size)
        return false;
    *out_bytes = attribute.value_len;
    return true;
}

static unsigned long number_of(const struct sherd_p11_token *token, unsigned long object, unsigned long type)
{
    unsigned long number = 0;
    size_t bytes = 0;

    return sherd_p11_attribute(token, object, type, &number, sizeof(number), &bytes) && bytes == sizeof(number)
               ? number
               : CK_UNAVAILABLE_INFORMATION;
}

enum sherd_err sherd_p11_objects(const struct sherd_p11_token *token, const struct sherd_p11_search *search,
                                 unsigned long out_objects[static SHERD_P11_OBJECTS_MAX], size_t *out_count)
{
    unsigned long class = search->class;
    char label[SHERD_P11_LABEL_BYTES_MAX + 1];
    uint8_t id[SHERD_P11_ID_BYTES_MAX];
    struct ck_attribute wanted[3] = {{.type = CKA_CLASS, .value = &class, .value_len = sizeof(class)}};
    unsigned long count = 1;
    ck_rv_t rv;

    if (search->label[0] != '\0') { /* copies: the table of PKCS#11 takes no const */
        wanted[count++] = (struct ck_attribute){.type = CKA_LABEL, .value = label, .value_len = strlen(search->label)};
        (void)snprintf(label, sizeof(label), "%s", search->label);
    }
    if (search->id_bytes > 0) {
        wanted[count++] = (struct ck_attribute){.type = CKA_ID, .value = id, .value_len = search->id_bytes};
        memcpy(id, search->id, search->id_bytes);
    }
    rv = token->calls->C_FindObjectsInit(token->session, wanted, count);
    if (rv != CKR_OK)
        return sherd_p11_fail(rv, "the objects of the token");
    *out_count = 0;
    do { /* the module says how many it gave, and is not believed beyond what it was asked for */
        count = 0;
        rv = token->calls->C_FindObjects(token->session, out_objects + *out_count, SHERD_P11_OBJECTS_MAX - *out_count,
                                         &count);
        if (count > SHERD_P11_OBJECTS_MAX - *out_count)
            rv = CKR_GENERAL_ERROR;
        else
            *out_count += count;
    } while (rv == CKR_OK && count > 0 && *out_count < SHERD_P11_OBJECTS_MAX);
    (void)token->calls->C_FindObjectsFinal(token->session);
    return rv == CKR_OK ? SHERD_OK : sherd_p11_fail(rv, "the objects of the token");
}

/* ---- Public keys ------------------------------------------------------------------------------------------------- */

static enum sherd_err unsupported(void)
{
    return sherd_fail(SHERD_ERR_UNSUPPORTED,
                      "this kind of public key is not taken: it must be of P-256, or of RSA with 2048 to 4096 bits");
}

/* CKA_EC_POINT is an octet string in DER; some modules give the bytes alone. */
static enum sherd_err of_ec(const struct sherd_p11_token *token, unsigned long object, struct sherd_pubkey *out_key)
{
    static const uint8_t prime256v1[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    uint8_t params[64];
    uint8_t point[2 + SHERD_P256_PUBLIC_SIZE];
    size_t params_bytes = 0;
    size_t bytes = 0;

    if (!sherd_p11_attribute(token, object, CKA_EC_PARAMS, params, sizeof(params), &params_bytes) ||
        !sherd_span_equal(sherd_span_of(params, params_bytes), sherd_span_of(prime256v1, sizeof(prime256v1))) ||
        !sherd_p11_attribute(token, object, CKA_EC_POINT, point, sizeof(point), &bytes))
        return unsupported();
    if (bytes == SHERD_P256_PUBLIC_SIZE)
        return sherd_pubkey_of_point(point, out_key);
    if (bytes != sizeof(point) || point[0] != 0x04 || point[1] != SHERD_P256_PUBLIC_SIZE)
        return unsupported();
    return sherd_pubkey_of_point(point + 2, out_key);
}

static enum sherd_err of_rsa(const struct sherd_p11_token *token, unsigned long object, struct sherd_pubkey *out_key)
{
    uint8_t modulus[SHERD_PUBKEY_RSA_BYTES_MAX + 1];
    uint8_t exponent[SHERD_PUBKEY_EXPONENT_BYTES_MAX];
    size_t modulus_bytes = 0;
    size_t exponent_bytes = 0;

    if (!sherd_p11_attribute(token, object, CKA_MODULUS, modulus, sizeof(modulus), &modulus_bytes) ||
        !sherd_p11_attribute(token, object, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent), &exponent_bytes))
        return unsupported();
    return sherd_pubkey_of_rsa(sherd_span_of(modulus, modulus_bytes), sherd_span_of(exponent, exponent_bytes), out_key);
}

static enum sherd_err of_certificate(const struct sherd_p11_token *token, unsigned long object,
                                     struct sherd_pubkey *out_key)
{
    uint8_t der[SHERD_P11_CERTIFICATE_BYTES_MAX];
    size_t bytes = 0;

    if (!sherd_p11_attribute(token, object, CKA_VALUE, der, sizeof(der), &bytes))
        return unsupported();
    return sherd_pubkey_of_certificate(sherd_span_of(der, bytes), out_key);
}

static enum sherd_err of_object(const struct sherd_p11_token *token, unsigned long class, unsigned long object,
                                struct sherd_pubkey *out_key)
{
    if (class == CKO_CERTIFICATE)
        return of_certificate(token, object, out_key);
    switch (number_of(token, object, CKA_KEY_TYPE)) {
    case CKK_EC: return of_ec(token, object, out_key);
    case CKK_RSA: return of_rsa(token, object, out_key);
    default: return unsupported();
    }
}

/* Sees one public key; err is what became of it. */
typedef enum sherd_err see_fn(void *arg, struct sherd_p11_token *token, unsigned long object, enum sherd_err err,
                              const struct sherd_pubkey *key);

static enum sherd_err each_of_class(struct sherd_p11_token *token, const struct sherd_p11_search *search, see_fn *see,
                                    void *arg)
{
    unsigned long objects[SHERD_P11_OBJECTS_MAX];
    size_t count = 0;

    SHERD_TRY(sherd_p11_objects(token, search, objects, &count));
    for (size_t i = 0; i < count; i++) {
        struct sherd_pubkey key = {0};
        const enum sherd_err err = of_object(token, search->class, objects[i], &key);

        if (err == SHERD_ERR_NO_MEMORY)
            return err;
        SHERD_TRY(see(arg, token, objects[i], err, &key));
    }
    return SHERD_OK;
}

/* Public keys and certificates of a token that have this name. */
static enum sherd_err each_key(struct sherd_p11_token *token, const struct sherd_p11_uri *uri, see_fn *see, void *arg)
{
    struct sherd_p11_search search = {
        .class = CKO_PUBLIC_KEY, .label = uri->object, .id = uri->id, .id_bytes = uri->id_bytes};

    SHERD_TRY(each_of_class(token, &search, see, arg));
    search.class = CKO_CERTIFICATE;
    return each_of_class(token, &search, see, arg);
}

static enum sherd_err note_wanted(void *arg, struct sherd_p11_token *token, unsigned long object, enum sherd_err err,
                                  const struct sherd_pubkey *key)
{
    size_t *shown = arg;

    (*shown)++;
    if (err != SHERD_OK || token->known ||
        !sherd_same(key->fingerprint.bytes, token->wanted.bytes, sizeof(token->wanted.bytes)))
        return SHERD_OK;
    token->known = true;
    token->key = *key;
    if (!sherd_p11_attribute(token, object, CKA_ID, token->id, sizeof(token->id), &token->id_bytes))
        token->id_bytes = 0;
    return SHERD_OK;
}

enum sherd_err sherd_p11_look_for_key(struct sherd_p11_token *token, size_t *out_shown)
{
    static const struct sherd_p11_uri any;
    size_t shown = 0;

    SHERD_TRY(each_key(token, &any, note_wanted, &shown));
    if (out_shown != NULL)
        *out_shown = shown;
    return SHERD_OK;
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

/* Whether a field, which ends in spaces, is what the URI says; "" is any. */
static bool field_is(const unsigned char *field, size_t size, const char *wanted)
{
    while (size > 0 && field[size - 1] == ' ')
        size--;
    return wanted[0] == '\0' || sherd_span_equal(sherd_span_of(field, size), sherd_span_str(wanted));
}

static bool token_is(const struct ck_token_info *info, const struct sherd_p11_uri *uri)
{
    return (info->flags & CKF_TOKEN_INITIALIZED) != 0 && field_is(info->label, sizeof(info->label), uri->token) &&
           field_is(info->manufacturer_id, sizeof(info->manufacturer_id), uri->manufacturer) &&
           field_is(info->serial_number, sizeof(info->serial_number), uri->serial) &&
           field_is(info->model, sizeof(info->model), uri->model);
}

/* Slots with a token in them that the URI names. One that fails meanwhile is not there. */
static enum sherd_err slots_find(const struct sherd_p11 *p11, const struct sherd_p11_uri *uri,
                                 unsigned long slots[static SHERD_P11_SLOTS_MAX], size_t *out_count)
{
    unsigned long there[SHERD_P11_SLOTS_MAX];
    unsigned long count = SHERD_COUNT_OF(there);
    const ck_rv_t rv = p11->calls->C_GetSlotList(1, there, &count);

    *out_count = 0;
    SHERD_ENSURE(rv != CKR_BUFFER_TOO_SMALL && count <= SHERD_COUNT_OF(there), SHERD_ERR_LIMIT,
                 "the module has too many tokens");
    if (rv != CKR_OK)
        return sherd_p11_fail(rv, "the tokens of the module");
    for (unsigned long i = 0; i < count; i++) {
        struct ck_token_info info = {0};

        if (p11->calls->C_GetTokenInfo(there[i], &info) == CKR_OK && token_is(&info, uri))
            slots[(*out_count)++] = there[i];
    }
    return SHERD_OK;
}

static enum sherd_err token_open(const struct sherd_p11 *p11, unsigned long slot, struct sherd_p11_token **out_token)
{
    SHERD_CLEANUP(sherd_p11_token_freep) struct sherd_p11_token *token = sherd_alloc(sizeof(*token));
    ck_rv_t rv;

    if (token == NULL)
        return SHERD_ERR_NO_MEMORY;
    *token = (struct sherd_p11_token){.calls = p11->calls, .slot = slot};
    rv = p11->calls->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &token->session);
    if (rv != CKR_OK)
        return sherd_p11_fail(rv, "the token");
    token->open = true;
    *out_token = sherd_p11_token_take(&token);
    return SHERD_OK;
}

void sherd_p11_token_free(struct sherd_p11_token *token)
{
    if (token != NULL && token->open)
        (void)token->calls->C_CloseSession(token->session); /* the last one of the token logs out */
    sherd_free(token);
}

static enum sherd_err no_token(const struct sherd_p11_uri *uri)
{
    char text[SHERD_P11_URI_BYTES_MAX + 1];

    sherd_p11_uri_print(uri, text);
    return sherd_fail(SHERD_ERR_NOT_FOUND, "no token is here that is %.160s: is it plugged in?",
                      strcmp(text, "pkcs11:") == 0 ? "set up" : text);
}

/* ---- By its name ------------------------------------------------------------------------------------------------- */

struct named {
    struct sherd_pubkey *key;
    size_t count;         /* of different ones */
    enum sherd_err other; /* of what is no key for us */
};

static enum sherd_err note_named(void *arg, struct sherd_p11_token *token, unsigned long object, enum sherd_err err,
                                 const struct sherd_pubkey *key)
{
    struct named *named = arg;

    (void)token;
    (void)object;
    if (err != SHERD_OK)
        named->other = err;
    else if (named->count == 0 ||
             !sherd_same(named->key->fingerprint.bytes, key->fingerprint.bytes, sizeof(key->fingerprint.bytes)))
        named->count++;
    if (err == SHERD_OK)
        *named->key = *key;
    return SHERD_OK;
}

enum sherd_err sherd_p11_public_key(struct sherd_p11 *p11, const struct sherd_p11_uri *uri,
                                    struct sherd_pubkey *out_key)
{
    unsigned long slots[SHERD_P11_SLOTS_MAX];
    struct sherd_pubkey key = {0};
    struct named named = {.key = &key};
    size_t count = 0;

    SHERD_TRY(slots_find(p11, uri, slots, &count));
    if (count == 0)
        return no_token(uri);
    for (size_t i = 0; i < count; i++) {
        SHERD_CLEANUP(sherd_p11_token_freep) struct sherd_p11_token *token = NULL;

        SHERD_TRY(token_open(p11, slots[i], &token));
        SHERD_TRY(each_key(token, uri, note_named, &named));
    }
    SHERD_ENSURE(named.count <= 1, SHERD_ERR_INVALID, "the URI names several keys: say which by object= or id=");
    if (named.count == 0 && named.other != SHERD_OK)
        return unsupported();
    SHERD_ENSURE(named.count == 1, SHERD_ERR_NOT_FOUND,
                 "the token shows no public key and no certificate of that name without its PIN: give a file of it");
    *out_key = key;
    return SHERD_OK;
}

/* ---- By its fingerprint ------------------------------------------------------------------------------------------ */

/* Whether the token in a slot is one of those that are named. */
static bool slot_is_named(const struct sherd_p11 *p11, unsigned long slot, const struct sherd_p11_names *names)
{
    struct ck_token_info info = {0};

    if (p11->calls->C_GetTokenInfo(slot, &info) != CKR_OK)
        return false;
    for (size_t i = 0; i < names->count; i++)
        if (sherd_p11_uri_names_token(&names->uris[i]) && token_is(&info, &names->uris[i]))
            return true;
    return false;
}

static void copy_field(const unsigned char *field, size_t size, char *out)
{
    while (size > 0 && field[size - 1] == ' ')
        size--;
    memcpy(out, field, size);
    out[size] = '\0';
}

/* What to name it by. */
static enum sherd_err name_it(const struct sherd_p11 *p11, unsigned long slot)
{
    char text[SHERD_P11_URI_BYTES_MAX + 1] = "pkcs11:token=LABEL";
    struct ck_token_info info = {0};
    struct sherd_p11_uri uri = {0};

    if (p11->calls->C_GetTokenInfo(slot, &info) == CKR_OK) {
        copy_field(info.label, sizeof(info.label), uri.token);
        copy_field(info.serial_number, sizeof(info.serial_number), uri.serial);
        sherd_p11_uri_print(&uri, text);
    }
    return sherd_fail(SHERD_ERR_INVALID,
                      "a token shows no key before it has its PIN, which is given to none unseen: if it is yours, name "
                      "it, --pkcs11-token '%.110s'",
                      text);
}

/* Tokens that show no key at all. */
struct hiding {
    struct sherd_p11_token *named; /* the first that was named */
    size_t named_count;
    size_t count;
    unsigned long slot; /* of the first that was not named */
};

/* Take the token, or note that it hides what it has. @param[in,out] token  emptied where it is taken */
static enum sherd_err look_at(const struct sherd_p11 *p11, const struct sherd_p11_names *names,
                              struct sherd_p11_token **token, struct hiding *hiding, struct sherd_p11_token **out_token)
{
    size_t shown = 0;

    SHERD_TRY(sherd_p11_look_for_key(*token, &shown));
    if ((*token)->known) {
        *out_token = sherd_p11_token_take(token);
    } else if (shown == 0 && slot_is_named(p11, (*token)->slot, names)) {
        if (hiding->named_count++ == 0)
            hiding->named = sherd_p11_token_take(token);
    } else if (shown == 0 && hiding->count++ == 0) {
        hiding->slot = (*token)->slot;
    }
    return SHERD_OK;
}

static enum sherd_err take_hiding(const struct sherd_p11 *p11, struct hiding *hiding,
                                  struct sherd_p11_token **out_token)
{
    SHERD_ENSURE(hiding->named_count <= 1, SHERD_ERR_INVALID,
                 "several of the tokens that --pkcs11-token names show no key before they have a PIN: name the one");
    if (hiding->named_count == 0 && hiding->count > 0)
        return name_it(p11, hiding->slot);
    SHERD_ENSURE(hiding->named_count == 1, SHERD_ERR_NOT_FOUND,
                 "the token that is here does not have this key: take the other one");
    *out_token = sherd_p11_token_take(&hiding->named);
    return SHERD_OK;
}

enum sherd_err sherd_p11_find(struct sherd_p11 *p11, const struct sherd_p11_uri *uri,
                              const struct sherd_digest *fingerprint, const struct sherd_p11_names *names,
                              struct sherd_p11_token **out_token)
{
    unsigned long slots[SHERD_P11_SLOTS_MAX];
    struct sherd_p11_token *found = NULL;
    struct hiding hiding = {0};
    enum sherd_err err = SHERD_OK;
    size_t count = 0;

    SHERD_TRY(slots_find(p11, uri, slots, &count));
    if (count == 0)
        return no_token(uri);
    for (size_t i = 0; i < count && err == SHERD_OK && found == NULL; i++) {
        SHERD_CLEANUP(sherd_p11_token_freep) struct sherd_p11_token *token = NULL;

        err = token_open(p11, slots[i], &token);
        if (err == SHERD_OK) {
            token->wanted = *fingerprint;
            err = look_at(p11, names, &token, &hiding, &found);
        }
    }
    if (err == SHERD_OK && found == NULL)
        err = take_hiding(p11, &hiding, &found);
    sherd_p11_token_free(hiding.named);
    if (err == SHERD_OK)
        *out_token = found;
    return err;
}
