/* SPDX-License-Identifier: Apache-2.0 */
/* The puppet: see p11_puppet.h. Handles of sessions are slots + 1; objects are 1 public, 2 and 3 private, 4 derived. */
#define CRYPTOKI_GNU 1
#include "p11_puppet.h"

#include <p11-kit/pkcs11.h>
#include <string.h>

/* The two names that it exports. */
#define EXPORTED __attribute__((visibility("default")))
EXPORTED struct p11_puppet *p11_puppet(void);

static struct p11_puppet puppet;
static bool logged_in[P11_PUPPET_SLOTS];
static unsigned long found[4];
static unsigned long found_count;
static bool decrypting_oaep;

struct p11_puppet *p11_puppet(void)
{
    return &puppet;
}

static struct p11_puppet_slot *slot_of(ck_session_handle_t session)
{
    return &puppet.slots[session - 1];
}

static ck_rv_t puppet_initialize(void *args)
{
    const ck_rv_t rv = args != NULL ? puppet.initialize_rv : CKR_OK;

    puppet.initialized += rv == CKR_OK;
    return rv;
}

static ck_rv_t puppet_finalize(void *reserved)
{
    (void)reserved;
    puppet.initialized--;
    return CKR_OK;
}

static ck_rv_t puppet_slots(unsigned char present, ck_slot_id_t *slots, unsigned long *count)
{
    unsigned long there = 0;

    (void)present;
    for (unsigned long i = 0; i < P11_PUPPET_SLOTS && i < *count; i++)
        if (!puppet.slots[i].absent)
            slots[there++] = i;
    *count = puppet.slot_count > 0 ? puppet.slot_count : there;
    return CKR_OK;
}

static void field_put(unsigned char *field, size_t size, const char *text)
{
    memset(field, ' ', size);
    memcpy(field, text, strlen(text) < size ? strlen(text) : size);
}

static ck_rv_t puppet_token(ck_slot_id_t id, struct ck_token_info *info)
{
    const struct p11_puppet_slot *slot = &puppet.slots[id];

    if (slot->absent)
        return CKR_TOKEN_NOT_PRESENT;
    memset(info, 0, sizeof(*info));
    field_put(info->label, sizeof(info->label), slot->label);
    field_put(info->manufacturer_id, sizeof(info->manufacturer_id), "puppets");
    field_put(info->model, sizeof(info->model), "one");
    field_put(info->serial_number, sizeof(info->serial_number), id == 0 ? "0" : "1");
    info->flags = slot->flags;
    return CKR_OK;
}

static ck_rv_t puppet_open(ck_slot_id_t id, ck_flags_t flags, void *application, ck_notify_t notify,
                           ck_session_handle_t *session)
{
    (void)application;
    (void)notify;
    if ((flags & CKF_SERIAL_SESSION) == 0 || (flags & CKF_RW_SESSION) != 0)
        return CKR_ARGUMENTS_BAD;
    puppet.sessions++;
    *session = id + 1;
    return CKR_OK;
}

static ck_rv_t puppet_close(ck_session_handle_t session)
{
    puppet.sessions--;
    logged_in[session - 1] = false;
    return CKR_OK;
}

static ck_rv_t puppet_login(ck_session_handle_t session, ck_user_type_t user, unsigned char *pin, unsigned long len)
{
    struct p11_puppet_slot *slot = slot_of(session);

    slot->login_count++;
    if (user != CKU_USER || slot->login_rv != CKR_OK)
        return user != CKU_USER ? CKR_USER_TYPE_INVALID : slot->login_rv;
    if (slot->pin == NULL ? pin != NULL : pin == NULL || len != strlen(slot->pin) || memcmp(pin, slot->pin, len) != 0) {
        if (slot->flags_after != 0)
            slot->flags = slot->flags_after;
        return CKR_PIN_INCORRECT;
    }
    logged_in[session - 1] = true;
    return CKR_OK;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

static ck_rv_t puppet_find_init(ck_session_handle_t session, struct ck_attribute *wanted, unsigned long count)
{
    const struct p11_puppet_slot *slot = slot_of(session);
    unsigned long class = 0;

    found_count = 0;
    for (unsigned long i = 0; i < count; i++) {
        if (wanted[i].type == CKA_CLASS)
            memcpy(&class, wanted[i].value, sizeof(class));
        if (wanted[i].type == CKA_LABEL && (wanted[i].value_len != 5 || memcmp(wanted[i].value, "share", 5) != 0))
            return CKR_OK;
        if (wanted[i].type == CKA_ID && (wanted[i].value_len != 1 || *(const uint8_t *)wanted[i].value != slot->id))
            return CKR_OK;
    }
    if (class == CKO_PUBLIC_KEY && (!slot->hidden || logged_in[session - 1]))
        found[found_count++] = 1;
    if (class == CKO_PRIVATE_KEY && logged_in[session - 1] && !slot->private_missing)
        found[found_count++] = 2;
    if (class == CKO_PRIVATE_KEY && logged_in[session - 1] && slot->twice)
        found[found_count++] = 3;
    return CKR_OK;
}

static ck_rv_t puppet_find(ck_session_handle_t session, ck_object_handle_t *objects, unsigned long max,
                           unsigned long *count)
{
    (void)session;
    if (puppet.object_count > 0) {
        *count = puppet.object_count;
        return CKR_OK;
    }
    for (*count = 0; *count < max && *count < found_count; (*count)++)
        objects[*count] = found[*count];
    found_count = 0;
    return CKR_OK;
}

static ck_rv_t puppet_find_final(ck_session_handle_t session)
{
    (void)session;
    return CKR_OK;
}

static ck_rv_t give(struct ck_attribute *attribute, const void *bytes, size_t size)
{
    if (puppet.attribute_bytes > 0) {
        attribute->value_len = puppet.attribute_bytes;
        return CKR_OK;
    }
    if (bytes == NULL || attribute->value_len < size) {
        attribute->value_len = CK_UNAVAILABLE_INFORMATION;
        return bytes == NULL ? CKR_ATTRIBUTE_TYPE_INVALID : CKR_BUFFER_TOO_SMALL;
    }
    memcpy(attribute->value, bytes, size);
    attribute->value_len = size;
    return CKR_OK;
}

static ck_rv_t puppet_attribute(ck_session_handle_t session, ck_object_handle_t object, struct ck_attribute *attribute,
                                unsigned long count)
{
    static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    static const uint8_t exponent[] = {1, 0, 1};
    const struct p11_puppet_slot *slot = slot_of(session);
    const unsigned long type = slot->rsa ? CKK_RSA : CKK_EC;

    if (count != 1)
        return CKR_ARGUMENTS_BAD;
    if (object == 4)
        return attribute->type == CKA_VALUE ? give(attribute, puppet.derived, puppet.derived_bytes)
                                            : CKR_ATTRIBUTE_TYPE_INVALID;
    switch (attribute->type) {
    case CKA_KEY_TYPE: return give(attribute, &type, sizeof(type));
    case CKA_ID: return give(attribute, &slot->id, slot->id != 0 ? 1 : 0);
    case CKA_EC_PARAMS:
        return slot->params != NULL ? give(attribute, slot->params, slot->params_bytes)
                                    : give(attribute, p256, sizeof(p256));
    case CKA_EC_POINT: return give(attribute, slot->point, slot->point_bytes);
    case CKA_MODULUS: return give(attribute, slot->modulus, 256);
    case CKA_PUBLIC_EXPONENT: return give(attribute, exponent, sizeof(exponent));
    default: return CKR_ATTRIBUTE_TYPE_INVALID;
    }
}

/* --- what it computes --------------------------------------------------------------------------------------------- */

static ck_rv_t puppet_derive(ck_session_handle_t session, struct ck_mechanism *mechanism, ck_object_handle_t key,
                             struct ck_attribute *wanted, unsigned long count, ck_object_handle_t *out)
{
    const struct ck_ecdh1_derive_params *params = mechanism->parameter;

    (void)wanted;
    (void)count;
    puppet.derive_count++;
    if (!logged_in[session - 1] || key != 2 || mechanism->mechanism != CKM_ECDH1_DERIVE || params->kdf != CKD_NULL)
        return CKR_ARGUMENTS_BAD;
    puppet.derive_public_bytes = params->public_data_len;
    if (params->public_data_len == 65 && puppet.derive_rv != CKR_OK)
        return puppet.derive_rv;
    *out = 4;
    return CKR_OK;
}

static ck_rv_t puppet_destroy(ck_session_handle_t session, ck_object_handle_t object)
{
    (void)session;
    puppet.destroy_count += object == 4;
    return CKR_OK;
}

static ck_rv_t puppet_decrypt_init(ck_session_handle_t session, struct ck_mechanism *mechanism, ck_object_handle_t key)
{
    const struct ck_rsa_pkcs_oaep_params *oaep = mechanism->parameter;

    if (!logged_in[session - 1] || key != 2)
        return CKR_USER_NOT_LOGGED_IN;
    decrypting_oaep = mechanism->mechanism == CKM_RSA_PKCS_OAEP;
    if (!decrypting_oaep)
        return mechanism->mechanism == CKM_RSA_X_509 ? puppet.raw_rv : CKR_MECHANISM_INVALID;
    if (oaep->hash_alg != CKM_SHA256 || oaep->mgf != CKG_MGF1_SHA256 || oaep->source_data_len != 0)
        return CKR_ARGUMENTS_BAD;
    return puppet.oaep_rv;
}

static ck_rv_t puppet_decrypt(ck_session_handle_t session, unsigned char *sealed, unsigned long sealed_bytes,
                              unsigned char *out, unsigned long *out_bytes)
{
    (void)session;
    (void)sealed;
    if (sealed_bytes != 256)
        return CKR_ENCRYPTED_DATA_LEN_RANGE;
    if (decrypting_oaep && puppet.oaep_run_rv != CKR_OK)
        return puppet.oaep_run_rv;
    if (*out_bytes < puppet.plain_bytes) {
        *out_bytes = puppet.plain_bytes; /* and yet it says that all is well */
        return CKR_OK;
    }
    memcpy(out, puppet.plain, puppet.plain_bytes);
    *out_bytes = puppet.plain_bytes;
    return CKR_OK;
}

EXPORTED ck_rv_t C_GetFunctionList(struct ck_function_list **out_list)
{
    static struct ck_function_list list = {
        .C_Initialize = puppet_initialize,
        .C_Finalize = puppet_finalize,
        .C_GetSlotList = puppet_slots,
        .C_GetTokenInfo = puppet_token,
        .C_OpenSession = puppet_open,
        .C_CloseSession = puppet_close,
        .C_Login = puppet_login,
        .C_FindObjectsInit = puppet_find_init,
        .C_FindObjects = puppet_find,
        .C_FindObjectsFinal = puppet_find_final,
        .C_GetAttributeValue = puppet_attribute,
        .C_DeriveKey = puppet_derive,
        .C_DestroyObject = puppet_destroy,
        .C_DecryptInit = puppet_decrypt_init,
        .C_Decrypt = puppet_decrypt,
    };

    list.version.major = puppet.version == 0 ? 2 : puppet.version;
    list.version.minor = 40;
    *out_list = &list;
    return CKR_OK;
}
