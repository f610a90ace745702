/* SPDX-License-Identifier: Apache-2.0 */
/* A counter of a TPM as what is outside: see outside_counter.h. */
#include "anchor/ledger/outside_counter.h"
#include "kms/tpm2/counter.h"
#include <inttypes.h>

static enum sherd_err compare(const struct sherd_outside *outside, uint64_t value)
{
    if (value > outside->counter)
        return sherd_fail(SHERD_ERR_TAMPERED,
                          "the anchor is %" PRIu64
                          " step%s behind the TPM's counter: it was rolled back; bring back the "
                          "newer one, or `sherd policy accept`",
                          value - outside->counter, value - outside->counter == 1 ? "" : "s");
    SHERD_ENSURE(outside->counter - value <= 1, SHERD_ERR_CONFLICT,
                 "the TPM's counter is behind the anchor: it is another TPM, or was cleared; `sherd policy accept`");
    return SHERD_OK;
}

enum sherd_err sherd_outside_counter_check(const struct sherd_outside *outside)
{
    SHERD_CLEANUP(sherd_tpm_counter_closep) struct sherd_tpm_counter *counter = NULL;
    uint64_t value = 0;

    if (outside->tpm == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tpm_counter_open(outside->tpm, false, &counter, &value));
    return compare(outside, value);
}

enum sherd_err sherd_outside_counter_next(struct sherd_outside *outside, bool may_make)
{
    SHERD_CLEANUP(sherd_tpm_counter_closep) struct sherd_tpm_counter *counter = NULL;
    uint64_t value = 0;

    if (outside->tpm == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tpm_counter_open(outside->tpm, may_make, &counter, &value));
    if (!may_make)
        SHERD_TRY(compare(outside, value));
    if (!may_make && value < outside->counter) /* a crash left it behind */
        SHERD_TRY(sherd_tpm_counter_add(counter, &value));
    outside->counter = value + 1;
    return SHERD_OK;
}

enum sherd_err sherd_outside_counter_reach(const struct sherd_outside *outside)
{
    SHERD_CLEANUP(sherd_tpm_counter_closep) struct sherd_tpm_counter *counter = NULL;
    uint64_t value = 0;

    if (outside->tpm == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tpm_counter_open(outside->tpm, false, &counter, &value));
    SHERD_TRY(compare(outside, value));
    return value < outside->counter ? sherd_tpm_counter_add(counter, &value) : SHERD_OK;
}
