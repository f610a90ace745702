/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ring/actor.h
 * On whose behalf a thread acts: a session says so around each call, and whatever is written meanwhile, however deep
 * below, carries the principal as its actor. It is a thread's and not a call's, so that the parts of the anchor between
 * session and ledger need not know of it. Nobody said: the vault's owner.
 */
#ifndef SHERD_ANCHOR_RING_ACTOR_H
#define SHERD_ANCHOR_RING_ACTOR_H

#include <sherd/provider/store.h>
#include <sherd/uuid.h>

/** What was before; given back at the end. */
struct sherd_actor_scope {
    struct sherd_ref before;
};

/** From now on this thread acts for a principal. End it with sherd_actor_leave(): SHERD_CLEANUP does. */
struct sherd_actor_scope sherd_actor_enter(const struct sherd_uuid *principal);
void sherd_actor_leave(const struct sherd_actor_scope *scope);

/** For whom this thread acts now; all zero: the owner. */
struct sherd_ref sherd_actor_now(void);

#endif
