/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of keys over connections: see remote.h. */
#include "anchor/agent/remote_inside.h"

enum sherd_err sherd_remote_policy_set(struct sherd_anchor *anchor, const char *name,
                                       const struct sherd_key_policy *policy, bool lower_floor)
{
    struct sherd_wire_policy call = {.policy = *policy, .lower_floor = lower_floor};

    SHERD_TRY(sherd_remote_text(name, call.name, sizeof(call.name)));
    return sherd_remote_plain(anchor, SHERD_WIRE_POLICY_SET, &call, NULL);
}

enum sherd_err sherd_remote_policy_each(struct sherd_anchor *anchor, sherd_key_policy_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};
    struct sherd_wire_policy item;

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_POLICY_EACH, NULL, &call));
    SHERD_TRY(sherd_remote_finish(&call, NULL));
    while (sherd_remote_next(&call, &item))
        SHERD_TRY(visit(arg, item.name, &item.policy));
    return sherd_remote_read_all(&call);
}
