/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing entries anew under the newest store keys: see reseal.h. */
#include "scrub/reseal.h"
#include "anchor/keys/reseal.h"
#include "base/macros.h"

/* Entries between two looks at the clock. */
#define STEP_MAX ((size_t)256)

struct over {
    struct sherd_vault *vault;
    const struct sherd_entry_keys *keys; /* NULL: the anchor keeps them */
    uint32_t newest;
    enum sherd_role role;
};

/*
 * The ledger knows what the entries will be before they are: so an audit never meets bytes of which it knows nothing.
 */
static enum sherd_err tell_ledger(void *arg, const struct sherd_store_op *ops, size_t count)
{
    const struct over *over = arg;
    struct sherd_anchor *anchor = over->vault->anchor;
    struct sherd_event_entry entries[SHERD_RESEAL_PAGE_MAX];

    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct sherd_event_entry){.there = true, .name = ops[i].name};
        SHERD_TRY(sherd_hash(SHERD_SHA256, &ops[i].value, 1, entries[i].digest.bytes));
    }
    return anchor->ops->entries_resealed(anchor, over->role, entries, count);
}

static bool wanted_leased(void *arg, struct sherd_span stored)
{
    const struct over *over = arg;

    return sherd_entry_version(stored) != over->newest;
}

static enum sherd_err reseal_leased(void *arg, const struct sherd_ref *name, struct sherd_span stored,
                                    struct sherd_buf *out_stored)
{
    const struct over *over = arg;

    return sherd_entry_reseal(over->keys, name, stored, out_stored);
}

/* Beside the compartment's own entries there are fragments, which no store key seals. */
static bool wanted_secret(void *arg, struct sherd_span stored)
{
    (void)arg;
    return sherd_entry_is_everywhere(SHERD_FOR_SECRETS, stored);
}

static enum sherd_err reseal_secret(void *arg, const struct sherd_ref *name, struct sherd_span stored,
                                    struct sherd_buf *out_stored)
{
    const struct over *over = arg;
    struct sherd_anchor *anchor = over->vault->anchor;

    return anchor->ops->entry_reseal(anchor, SHERD_SECRETS, name, stored, out_stored);
}

/* As a put does: at the instant that a backup begins with, nobody writes under a key that its keyring may not have. */
static enum sherd_err step_in_window(struct sherd_vault *vault, struct sherd_reseal *reseal,
                                     struct sherd_reseal_progress *out_progress)
{
    SHERD_TRY(sherd_window_enter(vault->window, false));
    const enum sherd_err err = sherd_reseal_step(reseal, STEP_MAX, out_progress);
    sherd_window_leave(vault->window, false);
    return err;
}

static enum sherd_err go_through(struct sherd_vault *vault, struct sherd_reseal *reseal, sherd_reseal_told_fn *told,
                                 void *arg)
{
    struct sherd_reseal_progress before = {0};
    struct sherd_reseal_progress at = {0};

    while (!at.done) {
        SHERD_TRY(step_in_window(vault, reseal, &at));
        SHERD_TRY(told(arg, at.seen - before.seen, at.count - before.count));
        before = at;
    }
    return SHERD_OK;
}

static enum sherd_err reseal_one(struct sherd_vault *vault, enum sherd_role role, sherd_reseal_told_fn *told, void *arg)
{
    SHERD_CLEANUP(sherd_reseal_freep) struct sherd_reseal *reseal = NULL;
    struct over over = {.vault = vault, .role = role};
    struct sherd_reseal_over walk = {
        .wanted = wanted_secret, .one = reseal_secret, .before = tell_ledger, .arg = &over};

    walk.compartment = role == SHERD_IDENTITY ? vault->identity
                       : role == SHERD_ASSETS ? vault->assets.compartment
                                              : vault->secrets;
    if (role != SHERD_SECRETS) {
        over.keys = role == SHERD_IDENTITY ? &vault->identity_keys : &vault->assets.keys;
        SHERD_TRY(sherd_entry_newest(over.keys, &over.newest));
        walk.wanted = wanted_leased;
        walk.one = reseal_leased;
    }
    SHERD_TRY(sherd_reseal_begin(&walk, &reseal));
    return go_through(vault, reseal, told, arg);
}

enum sherd_err sherd_vault_reseal(struct sherd_vault *vault, unsigned roles, sherd_reseal_told_fn *told, void *arg)
{
    for (unsigned role = SHERD_IDENTITY; role < SHERD_KEYS; role++)
        if ((roles >> role & 1U) != 0)
            SHERD_TRY(reseal_one(vault, (enum sherd_role)role, told, arg));
    return SHERD_OK;
}

enum sherd_err sherd_reseal_look(struct sherd_compartment *compartment, struct sherd_ref name, struct sherd_span stored,
                                 sherd_store_visit_fn *fn, void *arg)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf now = sherd_buf_borrow(block, sizeof(block));

    enum sherd_err err = fn(arg, name, stored);
    if (err != SHERD_ERR_DENIED)
        return err;
    err = sherd_compartment_get(compartment, name, &now);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    if (err == SHERD_OK)
        err = fn(arg, name, sherd_buf_span(&now));
    if (err == SHERD_ERR_DENIED || err == SHERD_ERR_LIMIT)
        return sherd_fail(SHERD_ERR_TAMPERED, "an entry lies under a store key that was destroyed");
    return err;
}
