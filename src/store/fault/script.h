/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/fault/script.h
 * What the script says to one call. For fault.c alone.
 */
#ifndef SHERD_STORE_FAULT_SCRIPT_H
#define SHERD_STORE_FAULT_SCRIPT_H

#include "store/fault/fault.h"

/** One call, as rules match it: at most one of name and sets is there. */
struct sherd_fault_subject {
    enum sherd_fault_call call;
    const struct sherd_ref *name;
    struct sherd_store_set *const *sets;
    size_t set_count;
};

/** What is to happen to the call; delays have happened. The last rule of a kind wins. */
struct sherd_fault_plan {
    bool strikes[SHERD_FAULT_KIND_COUNT];
    struct sherd_fault_rule rule[SHERD_FAULT_KIND_COUNT]; /**< of those that strike */
};

/** Count the call, find the rules that it meets, and sleep as they say. */
void sherd_fault_script_consult(struct sherd_fault_script *script, const struct sherd_fault_subject *subject,
                                struct sherd_fault_plan *out_plan);

/** Whether a write set has an operation on name. */
bool sherd_fault_set_has(const struct sherd_store_set *set, struct sherd_ref name);

bool sherd_fault_same_name(struct sherd_ref a, struct sherd_ref b);

#endif
