/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of a TPM, over tpm2-tss: see counter.h. */
#include "kms/tpm2/counter.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <dlfcn.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#define ESYS_LIBRARY "libtss2-esys.so.0"
#define TCTI_LIBRARY "libtss2-tctildr.so.0"
#define COUNTER_BYTES 8U
/* Read, counted up and told by anyone who reaches the TPM; no failure locks it. */
#define ATTRIBUTES                                                   \
    ((TPMA_NV)TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA | \
     ((TPMA_NV)TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT))

/* What is called of the two libraries. */
struct calls {
    __typeof__(&Tss2_TctiLdr_Initialize) tcti_open;
    __typeof__(&Tss2_TctiLdr_Finalize) tcti_close;
    __typeof__(&Esys_Initialize) open;
    __typeof__(&Esys_Finalize) close;
    __typeof__(&Esys_Free) free;
    __typeof__(&Esys_TR_FromTPMPublic) find;
    __typeof__(&Esys_TR_Close) forget;
    __typeof__(&Esys_NV_ReadPublic) look;
    __typeof__(&Esys_NV_DefineSpace) define;
    __typeof__(&Esys_NV_Increment) add;
    __typeof__(&Esys_NV_Read) read;
};

struct sherd_tpm_counter {
    struct calls calls;
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR index;
};

/* --- the libraries ------------------------------------------------------------------------------------------------ */

/* ISO C does not convert an object's pointer to a function's. */
static bool take(void *library, const char *name, void *call, size_t size)
{
    void *symbol = dlsym(library, name);

    memcpy(call, &symbol, size);
    return symbol != NULL;
}

#define TAKE(library, name, member) take((library), (name), &calls->member, sizeof(calls->member))

/* They stay loaded: what they have started is theirs. */
static enum sherd_err load(struct calls *calls)
{
    void *esys = dlopen(ESYS_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *tcti = esys != NULL ? dlopen(TCTI_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;

    if (tcti == NULL)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "tpm2-tss cannot be loaded: %.200s", dlerror());
    SHERD_ENSURE(TAKE(tcti, "Tss2_TctiLdr_Initialize", tcti_open) && TAKE(tcti, "Tss2_TctiLdr_Finalize", tcti_close) &&
                     TAKE(esys, "Esys_Initialize", open) && TAKE(esys, "Esys_Finalize", close) &&
                     TAKE(esys, "Esys_Free", free) && TAKE(esys, "Esys_TR_FromTPMPublic", find) &&
                     TAKE(esys, "Esys_TR_Close", forget) && TAKE(esys, "Esys_NV_ReadPublic", look) &&
                     TAKE(esys, "Esys_NV_DefineSpace", define) && TAKE(esys, "Esys_NV_Increment", add) &&
                     TAKE(esys, "Esys_NV_Read", read),
                 SHERD_ERR_UNSUPPORTED, "tpm2-tss lacks a call");
    return SHERD_OK;
}

static enum sherd_err failed(const char *what, TSS2_RC code)
{
    return sherd_fail(SHERD_ERR_IO, "the TPM: %s (code 0x%" PRIx32 ")", what, code);
}

/* --- one counter -------------------------------------------------------------------------------------------------- */

/* INDEX[@TCTI] */
static enum sherd_err parse_name(const char *name, uint32_t *out_index, const char **out_tcti)
{
    char *end = NULL;

    const unsigned long index = strncmp(name, "0x", 2) == 0 ? strtoul(name, &end, 16) : 0;
    SHERD_ENSURE(end != NULL && (*end == '\0' || (*end == '@' && end[1] != '\0')) && (index >> 24) == TPM2_HT_NV_INDEX,
                 SHERD_ERR_INVALID,
                 "a counter of a TPM is named by its NV index, such as 0x1800100, and @TCTI if that is needed");
    *out_index = (uint32_t)index;
    *out_tcti = *end == '@' ? end + 1 : NULL;
    return SHERD_OK;
}

static enum sherd_err reach(struct sherd_tpm_counter *counter, const char *tcti)
{
    TSS2_RC code = counter->calls.tcti_open(tcti, &counter->tcti);

    if (code != TSS2_RC_SUCCESS)
        return failed("it cannot be reached", code);
    code = counter->calls.open(&counter->esys, counter->tcti, NULL);
    return code == TSS2_RC_SUCCESS ? SHERD_OK : failed("it does not answer", code);
}

static enum sherd_err find(struct sherd_tpm_counter *counter, uint32_t index)
{
    const TSS2_RC code = counter->calls.find(counter->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                             &counter->index);

    if (code == TSS2_RC_SUCCESS)
        return SHERD_OK;
    counter->index = ESYS_TR_NONE;
    /* of the first parameter or handle: it names nothing */
    if ((code & ~(TSS2_RC)TPM2_RC_N_MASK & ~(TSS2_RC)TPM2_RC_P) == TPM2_RC_HANDLE)
        return sherd_fail(SHERD_ERR_NOT_FOUND,
                          "the TPM has no counter 0x%" PRIx32 ": it was cleared, or is another one", index);
    return failed("a counter cannot be found", code);
}

static enum sherd_err define(struct sherd_tpm_counter *counter, uint32_t index)
{
    const TPM2B_AUTH nothing = {.size = 0};
    const TPM2B_NV_PUBLIC wish = {
        .nvPublic = {
            .nvIndex = index, .nameAlg = TPM2_ALG_SHA256, .attributes = ATTRIBUTES, .dataSize = COUNTER_BYTES}};
    const TSS2_RC code = counter->calls.define(counter->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                               ESYS_TR_NONE, &nothing, &wish, &counter->index);

    if (code == TSS2_RC_SUCCESS)
        return SHERD_OK;
    counter->index = ESYS_TR_NONE;
    return failed("the counter cannot be made", code);
}

static enum sherd_err check_kind(struct sherd_tpm_counter *counter)
{
    TPM2B_NV_PUBLIC *public = NULL;
    const TSS2_RC code = counter->calls.look(counter->esys, counter->index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                             &public, NULL);

    if (code != TSS2_RC_SUCCESS)
        return failed("the counter cannot be looked at", code);
    const TPMA_NV attributes = public->nvPublic.attributes;
    const bool good = public->nvPublic.dataSize == COUNTER_BYTES &&
                      (attributes & (TPMA_NV_TPM2_NT_MASK | ATTRIBUTES)) == ATTRIBUTES &&
                      (attributes & TPMA_NV_ORDERLY) == 0;
    counter->calls.free(public);
    SHERD_ENSURE(good, SHERD_ERR_CONFLICT, "that index of the TPM is no counter as sherd makes them");
    return SHERD_OK;
}

static enum sherd_err read_value(struct sherd_tpm_counter *counter, uint64_t *out_value)
{
    TPM2B_MAX_NV_BUFFER *data = NULL;
    const TSS2_RC code = counter->calls.read(counter->esys, counter->index, counter->index, ESYS_TR_PASSWORD,
                                             ESYS_TR_NONE, ESYS_TR_NONE, COUNTER_BYTES, 0, &data);

    if (code != TSS2_RC_SUCCESS)
        return failed("the counter cannot be read", code);
    const bool good = data->size == COUNTER_BYTES;
    *out_value = good ? sherd_get_u64(data->buffer) : 0;
    counter->calls.free(data);
    SHERD_ENSURE(good, SHERD_ERR_IO, "the TPM: a counter of another length");
    return SHERD_OK;
}

enum sherd_err sherd_tpm_counter_add(struct sherd_tpm_counter *counter, uint64_t *out_value)
{
    const TSS2_RC code = counter->calls.add(counter->esys, counter->index, counter->index, ESYS_TR_PASSWORD,
                                            ESYS_TR_NONE, ESYS_TR_NONE);

    if (code != TSS2_RC_SUCCESS)
        return failed("the counter cannot be raised", code);
    return read_value(counter, out_value);
}

static enum sherd_err have(struct sherd_tpm_counter *counter, uint32_t index, bool may_make, uint64_t *out_value)
{
    const enum sherd_err err = find(counter, index);

    if (err == SHERD_ERR_NOT_FOUND && may_make) {
        SHERD_TRY(define(counter, index));
        return sherd_tpm_counter_add(counter, out_value); /* it has no value before */
    }
    SHERD_TRY(err);
    SHERD_TRY(check_kind(counter));
    return read_value(counter, out_value);
}

enum sherd_err sherd_tpm_counter_open(const char *name, bool may_make, struct sherd_tpm_counter **out_counter,
                                      uint64_t *out_value)
{
    SHERD_CLEANUP(sherd_tpm_counter_closep) struct sherd_tpm_counter *counter =
        sherd_alloc(sizeof(*counter));
    const char *tcti = NULL;
    uint32_t index = 0;

    if (counter == NULL)
        return SHERD_ERR_NO_MEMORY;
    counter->index = ESYS_TR_NONE;
    SHERD_TRY(parse_name(name, &index, &tcti));
    SHERD_TRY(load(&counter->calls));
    SHERD_TRY(reach(counter, tcti));
    SHERD_TRY(have(counter, index, may_make, out_value));
    *out_counter = counter;
    counter = NULL;
    return SHERD_OK;
}

void sherd_tpm_counter_close(struct sherd_tpm_counter *counter)
{
    if (counter == NULL)
        return;
    if (counter->index != ESYS_TR_NONE)
        (void)counter->calls.forget(counter->esys, &counter->index);
    if (counter->esys != NULL)
        counter->calls.close(&counter->esys);
    if (counter->tcti != NULL)
        counter->calls.tcti_close(&counter->tcti);
    sherd_free(counter);
}
