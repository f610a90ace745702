/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves of what a vault was brought back with: see restoring.h. */
#include "anchor/ledger/restoring.h"
#include "anchor/ledger/ledger_state.h"
#include "base/file.h"
#include "base/mem.h"

#define LOCK "ledger/restoring"

/* Whether leaves are to be made; with done, that they are no longer. */
static enum sherd_err look(const struct sherd_sequencer_parts *parts, bool done, bool *out_wanted)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ledger_state_read(parts, state));
    *out_wanted = state->restoring;
    if (!done || !state->restoring)
        return SHERD_OK;
    state->restoring = false;
    return sherd_ledger_state_write(parts, state);
}

/* In the turn of all that write the state. */
static enum sherd_err conclude(const struct sherd_sequencer_parts *parts)
{
    struct sherd_file_lock lock;
    bool wanted;

    SHERD_TRY(sherd_file_lock_take(parts->dir, SHERD_LEDGER_LOCK, &lock));
    const enum sherd_err err = look(parts, true, &wanted);
    sherd_file_lock_leave(&lock);
    return err;
}

static enum sherd_err run_alone(const struct sherd_sequencer_parts *parts, sherd_restoring_fn *make, void *arg)
{
    bool wanted;

    SHERD_TRY(look(parts, false, &wanted)); /* somebody else may have made them while this one waited */
    if (!wanted)
        return SHERD_OK;
    SHERD_TRY(make(arg));
    return conclude(parts);
}

enum sherd_err sherd_restoring_run(const struct sherd_sequencer_parts *parts, sherd_restoring_fn *make, void *arg)
{
    struct sherd_file_lock lock;
    bool wanted;

    SHERD_TRY(look(parts, false, &wanted));
    if (!wanted)
        return SHERD_OK;
    SHERD_TRY(sherd_file_lock_take(parts->dir, LOCK, &lock));
    const enum sherd_err err = run_alone(parts, make, arg);
    sherd_file_lock_leave(&lock);
    return err;
}
