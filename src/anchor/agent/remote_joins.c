/* SPDX-License-Identifier: Apache-2.0 */
/* What is noted in the ledger, over connections: see remote.h. */
#include "anchor/agent/remote_inside.h"

enum sherd_err sherd_remote_entries_resealed(struct sherd_anchor *anchor, enum sherd_role role,
                                             const struct sherd_event_entry *entries, size_t count)
{
    sherd_wire_code_fn *code = sherd_wire_call_of(SHERD_WIRE_ENTRIES_RESEALED)->call.item;
    SHERD_CLEANUP(sherd_remote_done) struct sherd_remote_call call = {0};

    SHERD_TRY(sherd_remote_begin(anchor, SHERD_WIRE_ENTRIES_RESEALED, NULL, &call));
    struct sherd_wire *wire = sherd_link_write(call.link, true);
    for (size_t i = 0; i < count; i++) {
        struct sherd_wire_resealed item = {.role = role, .name = entries[i].name, .digest = entries[i].digest};

        sherd_wire_code(wire, code, &item);
    }
    return sherd_remote_finish(&call, NULL);
}

enum sherd_err sherd_remote_joins_rule(struct sherd_anchor *anchor, const bool *strict, bool *out_strict)
{
    struct sherd_wire_joins call = {.set = strict != NULL, .strict = strict != NULL && *strict};
    struct sherd_wire_joins rule;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_JOINS_RULE, &call, &rule));
    *out_strict = rule.strict;
    return SHERD_OK;
}
