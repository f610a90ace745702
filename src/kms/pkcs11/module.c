/* SPDX-License-Identifier: Apache-2.0 */
/* Modules of PKCS#11: loaded, started, ended; and what their codes mean. See token.h. */
#define CRYPTOKI_GNU 1
#include "base/mem.h"
#include "kms/pkcs11/inside.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <string.h>

/* ---- Codes ------------------------------------------------------------------------------------------------------- */

static const struct code {
    unsigned long rv;
    enum sherd_err err;
    const char *text;
} codes[] = {
    {CKR_HOST_MEMORY, SHERD_ERR_NO_MEMORY, "no memory"},
    {CKR_DEVICE_MEMORY, SHERD_ERR_IO, "the token has no memory left"},
    {CKR_DEVICE_REMOVED, SHERD_ERR_NOT_FOUND, "the token was taken away"},
    {CKR_TOKEN_NOT_PRESENT, SHERD_ERR_NOT_FOUND, "the token was taken away"},
    {CKR_SESSION_HANDLE_INVALID, SHERD_ERR_NOT_FOUND, "the token was taken away"},
    {CKR_TOKEN_NOT_RECOGNIZED, SHERD_ERR_UNSUPPORTED, "the module does not know this token"},
    {CKR_PIN_INCORRECT, SHERD_ERR_DENIED, "the PIN is wrong"},
    {CKR_PIN_INVALID, SHERD_ERR_DENIED, "this is no PIN: it has letters that the token does not take"},
    {CKR_PIN_LEN_RANGE, SHERD_ERR_DENIED, "this is no PIN: it is too long or too short for the token"},
    {CKR_PIN_EXPIRED, SHERD_ERR_DENIED, "the PIN must be changed first"},
    {CKR_PIN_LOCKED, SHERD_ERR_DENIED, "the token is locked after too many wrong PINs"},
    {CKR_USER_PIN_NOT_INITIALIZED, SHERD_ERR_DENIED, "the token has no PIN yet"},
    {CKR_USER_NOT_LOGGED_IN, SHERD_ERR_DENIED,
     "the token wants the PIN again for each use of this key: take another key"},
    {CKR_FUNCTION_CANCELED, SHERD_ERR_DENIED, "it was cancelled"},
    {CKR_FUNCTION_REJECTED, SHERD_ERR_DENIED, "it was refused"},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, SHERD_ERR_DENIED, "the key is not allowed to do this"},
    {CKR_KEY_TYPE_INCONSISTENT, SHERD_ERR_UNSUPPORTED, "the key cannot do this"},
    {CKR_MECHANISM_INVALID, SHERD_ERR_UNSUPPORTED, "the token cannot do this"},
    {CKR_MECHANISM_PARAM_INVALID, SHERD_ERR_UNSUPPORTED, "the token cannot do this"},
    {CKR_FUNCTION_NOT_SUPPORTED, SHERD_ERR_UNSUPPORTED, "the token cannot do this"},
    {CKR_ENCRYPTED_DATA_INVALID, SHERD_ERR_TAMPERED, "it does not verify"},
    {CKR_ENCRYPTED_DATA_LEN_RANGE, SHERD_ERR_TAMPERED, "it does not verify"},
    {CKR_DEVICE_ERROR, SHERD_ERR_IO, "the token has a fault"},
    {CKR_GENERAL_ERROR, SHERD_ERR_IO, "the module has failed, and does not say why"},
};

enum sherd_err sherd_p11_fail(unsigned long rv, const char *what)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(codes); i++)
        if (codes[i].rv == rv)
            return sherd_fail(codes[i].err, "%s: %s", what, codes[i].text);
    return sherd_fail(SHERD_ERR_IO, "%s: the token fails with the code 0x%lx of PKCS#11", what, rv);
}

/* ---- Modules ----------------------------------------------------------------------------------------------------- */

/* The table of a module's functions, by the one name that it exports. */
static enum sherd_err calls_of(void *handle, const char *module, struct ck_function_list **out_calls)
{
    CK_C_GetFunctionList get = NULL;
    void *symbol = dlsym(handle, "C_GetFunctionList");
    struct ck_function_list *calls = NULL;

    memcpy(&get, &symbol, sizeof(get)); /* ISO C does not convert an object's pointer to a function's */
    if (get == NULL || get(&calls) != CKR_OK || calls == NULL || calls->version.major < 2 || calls->version.major > 3)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "%.160s is no module of PKCS#11, version 2 or 3", module);
    *out_calls = calls;
    return SHERD_OK;
}

static enum sherd_err start(struct sherd_p11 *p11)
{
    struct ck_c_initialize_args args = {.flags = CKF_OS_LOCKING_OK};
    ck_rv_t rv = p11->calls->C_Initialize(&args);

    if (rv == CKR_CANT_LOCK || rv == CKR_ARGUMENTS_BAD)
        rv = p11->calls->C_Initialize(NULL);
    p11->ours = rv == CKR_OK;
    return p11->ours || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? SHERD_OK : sherd_p11_fail(rv, "the module of tokens");
}

enum sherd_err sherd_p11_open(const char *module, struct sherd_p11 **out_p11)
{
    SHERD_CLEANUP(sherd_p11_freep) struct sherd_p11 *p11 = NULL;
    void *handle;

    SHERD_ENSURE(*module != '\0', SHERD_ERR_INVALID, "the name of a module of PKCS#11 is empty");
    handle = dlopen(module, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "the module of tokens cannot be loaded: %.200s", dlerror());
    p11 = sherd_alloc(sizeof(*p11));
    if (p11 == NULL)
        return SHERD_ERR_NO_MEMORY;
    *p11 = (struct sherd_p11){0};
    SHERD_TRY(calls_of(handle, module, &p11->calls));
    SHERD_TRY(start(p11));
    *out_p11 = sherd_p11_take(&p11);
    return SHERD_OK;
}

void sherd_p11_free(struct sherd_p11 *p11)
{
    if (p11 != NULL && p11->ours)
        (void)p11->calls->C_Finalize(NULL);
    sherd_free(p11);
}
