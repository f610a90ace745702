/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the reader of policies. One more witness never breaks a quorum. */
#include "ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool witnesses[SHERD_POLICY_WITNESSES_MAX] = {false};
    struct sherd_policy *policy = NULL;

    if (sherd_policy_parse(sherd_span_of(data, size), &policy) != SHERD_OK)
        return 0;
    bool met = sherd_policy_met(policy, witnesses);
    for (size_t i = 0; i < policy->witness_count; i++) {
        witnesses[i] = true;
        if (met && !sherd_policy_met(policy, witnesses))
            abort();
        met = sherd_policy_met(policy, witnesses);
    }
    if (!met) /* all of them are always enough */
        abort();
    sherd_policy_free(policy);
    return 0;
}
