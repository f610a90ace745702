/* SPDX-License-Identifier: Apache-2.0 */
/* Actors: see actor.h. */
#include "anchor/ring/actor.h"
#include <string.h>

static _Thread_local struct sherd_ref actor;

struct sherd_actor_scope sherd_actor_enter(const struct sherd_uuid *principal)
{
    const struct sherd_actor_scope scope = {.before = actor};

    memcpy(actor.bytes, principal->bytes, sizeof(actor.bytes));
    return scope;
}

void sherd_actor_leave(const struct sherd_actor_scope *scope)
{
    actor = scope->before;
}

struct sherd_ref sherd_actor_now(void)
{
    return actor;
}
