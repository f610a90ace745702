/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of a TPM where Sherd is built without the headers of tpm2-tss. */
#include "kms/tpm2/counter.h"

static enum sherd_err absent(void)
{
    return sherd_fail(SHERD_ERR_UNSUPPORTED,
                      "this build of sherd knows no TPM: build it with -Dtpm2=enabled, which needs libtss2-dev");
}

enum sherd_err sherd_tpm_counter_open(const char *name, bool may_make, struct sherd_tpm_counter **out_counter,
                                      uint64_t *out_value)
{
    (void)name;
    (void)may_make;
    (void)out_counter;
    (void)out_value;
    return absent();
}

enum sherd_err sherd_tpm_counter_add(struct sherd_tpm_counter *counter, uint64_t *out_value)
{
    (void)counter;
    (void)out_value;
    return absent();
}

void sherd_tpm_counter_close(struct sherd_tpm_counter *counter)
{
    (void)counter;
}
