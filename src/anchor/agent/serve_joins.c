/* SPDX-License-Identifier: Apache-2.0 */
/* What is noted in the ledger, over an anchor: see serve.h. */
#include "anchor/agent/serve_inside.h"

enum sherd_err sherd_serve_entries_resealed(struct sherd_serve *serve)
{
    struct sherd_event_entry entries[SHERD_RESEALED_MAX];
    struct sherd_wire_resealed item = {.role = SHERD_ASSETS};
    enum sherd_role role = SHERD_ASSETS;
    size_t count = 0;

    while (sherd_wire_more(&serve->call)) {
        sherd_wire_code(&serve->call, serve->shapes->call.item, &item);
        role = count == 0 ? item.role : role;
        SHERD_ENSURE(count < SHERD_COUNT_OF(entries) && item.role == role, SHERD_ERR_INVALID,
                     "too many entries that are sealed anew, or of several compartments");
        entries[count++] = (struct sherd_event_entry){.there = true, .name = item.name, .digest = item.digest};
    }
    SHERD_TRY(sherd_wire_read(&serve->call));
    SHERD_ENSURE(count != 0, SHERD_ERR_INVALID, "no entry that is sealed anew");
    return serve->anchor->ops->entries_resealed(serve->anchor, role, entries, count);
}

enum sherd_err sherd_serve_joins_rule(struct sherd_serve *serve)
{
    struct sherd_wire_joins call;
    struct sherd_wire_joins rule = {.set = true};

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->joins_rule(serve->anchor, call.set ? &call.strict : NULL, &rule.strict));
    return sherd_serve_answer(serve, &rule);
}
