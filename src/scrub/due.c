/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the policies of keys ask for: <sherd/keys.h>, sherd_rekey_due().
 *
 * Each step leaves what tells the next call that it is not finished. A version that was activated leaves an older one
 * that is active, and is retired only after everything was rekeyed; one that is retired and is to be destroyed is there
 * until it is. So nothing is noted elsewhere, and who is killed anywhere is followed by whoever looks next.
 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "cryptor/vault.h"
#include <sherd/receipt.h>
#include <stdio.h>
#include <string.h>

/* Versions and policies are few: the keyring holds no more. */
#define VERSIONS_MAX 128U
#define POLICIES_MAX 32U

struct ruled {
    char name[SHERD_MASTER_NAME_SIZE];
    struct sherd_key_policy policy;
};

struct due {
    struct sherd_vault *vault;
    const struct sherd_due_options *options;
    sherd_rekey_progress_fn *progress;
    void *arg;
    struct sherd_rekey_stat *stat;
    size_t version_count;
    struct sherd_master_info versions[VERSIONS_MAX];
    size_t policy_count;
    struct ruled policies[POLICIES_MAX];
};

/* --- what there is ------------------------------------------------------------------------------------------------ */

static enum sherd_err note_version(void *arg, const struct sherd_master_info *info)
{
    struct due *due = arg;

    SHERD_ENSURE(due->version_count < VERSIONS_MAX, SHERD_ERR_LIMIT, "there are too many versions of keys");
    due->versions[due->version_count++] = *info;
    return SHERD_OK;
}

static enum sherd_err note_policy(void *arg, const char *name, const struct sherd_key_policy *policy)
{
    struct due *due = arg;

    SHERD_ENSURE(due->policy_count < POLICIES_MAX, SHERD_ERR_LIMIT, "there are too many policies");
    struct ruled *ruled = &due->policies[due->policy_count++];
    (void)snprintf(ruled->name, sizeof(ruled->name), "%s", name);
    ruled->policy = *policy;
    return SHERD_OK;
}

static enum sherd_err look(struct due *due)
{
    due->version_count = 0;
    due->policy_count = 0;
    SHERD_TRY(sherd_key_policy_each(due->vault, note_policy, due));
    return due->policy_count > 0 ? sherd_master_each(due->vault, note_version, due) : SHERD_OK;
}

static const struct sherd_key_policy *policy_of(const struct due *due, const struct sherd_master_info *info)
{
    for (size_t i = 0; i < due->policy_count; i++)
        if (strcmp(due->policies[i].name, info->name) == 0)
            return &due->policies[i].policy;
    return NULL;
}

static enum sherd_key_why why(const struct due *due, const struct sherd_master_info *info)
{
    return sherd_key_due(policy_of(due, info), info, sherd_clock()->wall_s());
}

static bool is_store_key(const struct sherd_master_info *info)
{
    return strncmp(info->name, "store:", 6) == 0;
}

static bool is_epoch(const struct sherd_master_info *info)
{
    return strcmp(info->name, SHERD_ERASE_EPOCH) == 0;
}

/* What rekeying everything destroys by itself (anchor/rekey/rekey_stores.h), or what ends with it. */
static bool ends_by_itself(const struct sherd_master_info *info)
{
    return is_store_key(info) || is_epoch(info) || strcmp(info->name, SHERD_MASTER_HASH) == 0;
}

static bool to_be_retired(const struct due *due, const struct sherd_master_info *info)
{
    return !info->wraps && info->state == SHERD_MASTER_ACTIVE && policy_of(due, info) != NULL && !ends_by_itself(info);
}

static bool to_be_destroyed(const struct due *due, const struct sherd_master_info *info)
{
    const struct sherd_key_policy *policy = policy_of(due, info);

    return !info->wraps && policy != NULL && policy->destroy && !ends_by_itself(info);
}

/* Whether a version waits for a rekeying, and its end. */
static bool is_pending(const struct due *due, const struct sherd_master_info *info)
{
    const bool of_itself = ends_by_itself(info) && !info->wraps && policy_of(due, info) != NULL;

    return of_itself || to_be_retired(due, info) || to_be_destroyed(due, info);
}

static bool any_due(const struct due *due)
{
    for (size_t i = 0; i < due->version_count; i++)
        if (why(due, &due->versions[i]) != SHERD_KEY_NOT_DUE)
            return true;
    return false;
}

static bool any_pending(const struct due *due)
{
    for (size_t i = 0; i < due->version_count; i++)
        if (is_pending(due, &due->versions[i]))
            return true;
    return false;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static enum sherd_err tell(const struct due *due, const struct sherd_due_step *step)
{
    return due->options->tell != NULL ? due->options->tell(due->options->tell_arg, step) : SHERD_OK;
}

static enum sherd_err tell_of(const struct due *due, enum sherd_due_action action, const struct sherd_master_info *info)
{
    const struct sherd_due_step step = {.action = action, .name = info->name, .version = info->version};

    return tell(due, &step);
}

/* Between steps, as in the midst of the rekeying. */
static enum sherd_err go_on(const struct due *due)
{
    if (due->progress != NULL && !due->progress(due->arg, due->stat, due->stat->seen))
        return sherd_fail(SHERD_ERR_BUSY, "rekeying was stopped: the same command goes on from here");
    return SHERD_OK;
}

/* The next version, made and kept as this one. */
static enum sherd_err activate(const struct due *due, const struct sherd_master_info *info)
{
    struct sherd_due_step step = {
        .action = SHERD_DUE_ACTIVATE, .name = info->name, .version = info->version + 1, .why = why(due, info)};
    const struct sherd_master_options options = {
        .name = info->name, .generator = info->generator, .store = info->store, .args = info->args};

    if (step.why == SHERD_KEY_NOT_DUE)
        return SHERD_OK;
    if (!due->options->dry_run) {
        SHERD_FAILPOINT("due.before_activate");
        SHERD_TRY(sherd_master_activate(due->vault, &options, &step.version));
        SHERD_FAILPOINT("due.activated");
    }
    SHERD_TRY(tell(due, &step));
    return go_on(due);
}

static enum sherd_err activate_all(const struct due *due)
{
    for (size_t i = 0; i < due->version_count; i++)
        SHERD_TRY(activate(due, &due->versions[i]));
    return SHERD_OK;
}

/*
 * Activate what is due, while nobody else does, or rekeys: two who find the same version due must not each make another
 * one. A rekeying that is begun and not gone on with is the lock that all of them know.
 */
static enum sherd_err activate_alone(struct due *due)
{
    const struct sherd_rekey_scope scope = {.one_key = false};
    struct sherd_anchor *anchor = due->vault->anchor;
    struct sherd_rekey *lock = NULL;

    SHERD_TRY(anchor->ops->rekey_begin(anchor, &scope, &lock));
    enum sherd_err err = look(due); /* once more: somebody may have been faster */
    if (err == SHERD_OK)
        err = activate_all(due);
    anchor->ops->rekey_end(anchor, lock);
    return err;
}

static enum sherd_err rekey(const struct due *due)
{
    const struct sherd_rekey_options options = {.rate = due->options->rate};
    const struct sherd_due_step step = {.action = SHERD_DUE_REKEY};

    SHERD_TRY(sherd_rekey(due->vault, &options, due->progress, due->arg, due->stat));
    SHERD_FAILPOINT("due.rekeyed");
    return tell(due, &step);
}

/* Whether the epoch before the one that serves has a key still. */
static bool any_epoch_ending(const struct due *due)
{
    for (size_t i = 0; i < due->version_count; i++)
        if (is_epoch(&due->versions[i]) && is_pending(due, &due->versions[i]))
            return true;
    return false;
}

/* Somebody may have ended a version by hand meanwhile. */
static enum sherd_err accept_gone(enum sherd_err err)
{
    return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}

/* Nothing lies under the epoch before any more. */
static enum sherd_err end_epoch(const struct due *due)
{
    for (size_t i = 0; i < due->version_count; i++) {
        const struct sherd_master_info *info = &due->versions[i];

        if (!is_epoch(info) || !is_pending(due, info))
            continue;
        SHERD_FAILPOINT("due.before_epoch_end");
        SHERD_TRY(accept_gone(sherd_master_destroy(due->vault, info->name, info->version)));
        SHERD_TRY(tell_of(due, SHERD_DUE_DESTROY, info));
        SHERD_TRY(go_on(due));
    }
    return SHERD_OK;
}

static enum sherd_err retire_all(const struct due *due)
{
    for (size_t i = 0; i < due->version_count; i++) {
        const struct sherd_master_info *info = &due->versions[i];

        if (!to_be_retired(due, info))
            continue;
        SHERD_FAILPOINT("due.before_retire");
        SHERD_TRY(accept_gone(sherd_master_retire(due->vault, info->name, info->version)));
        SHERD_TRY(tell_of(due, SHERD_DUE_RETIRE, info));
        SHERD_TRY(go_on(due));
    }
    return SHERD_OK;
}

/* No version is destroyed before the anchor has put its name to that nothing refers to it. */
static enum sherd_err state(const struct due *due)
{
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_REKEYED};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf statement = {.max = SHERD_RECEIPT_BYTES_MAX};

    SHERD_TRY(sherd_receipt_make(due->vault, &request, &statement));
    const struct sherd_due_step step = {.action = SHERD_DUE_STATE, .statement = sherd_buf_span(&statement)};
    SHERD_TRY(tell(due, &step));
    return go_on(due);
}

static enum sherd_err destroy_all(const struct due *due)
{
    bool stated = false;

    for (size_t i = 0; i < due->version_count; i++) {
        const struct sherd_master_info *info = &due->versions[i];

        if (!to_be_destroyed(due, info))
            continue;
        if (!stated)
            SHERD_TRY(state(due));
        stated = true;
        SHERD_FAILPOINT("due.before_destroy");
        SHERD_TRY(accept_gone(sherd_master_destroy(due->vault, info->name, info->version)));
        SHERD_FAILPOINT("due.destroyed");
        SHERD_TRY(tell_of(due, SHERD_DUE_DESTROY, info));
        SHERD_TRY(go_on(due));
    }
    return SHERD_OK;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/* One epoch ends before another begins. */
static enum sherd_err finish_epoch(struct due *due)
{
    if (!any_epoch_ending(due))
        return SHERD_OK;
    SHERD_TRY(rekey(due));
    return end_epoch(due);
}

static enum sherd_err carry_out(struct due *due)
{
    SHERD_TRY(finish_epoch(due));
    SHERD_TRY(activate_alone(due));
    SHERD_TRY(look(due));
    if (!any_pending(due)) /* somebody else was faster */
        return SHERD_OK;
    /* What is listed here was followed by another version before everything is rekeyed, so that may end it. */
    SHERD_TRY(rekey(due));
    SHERD_TRY(end_epoch(due));
    SHERD_TRY(retire_all(due));
    return destroy_all(due);
}

/* The versions that wrap now, and are due, are older ones then. */
static enum sherd_err pretend(struct due *due)
{
    const struct sherd_due_step step = {.action = SHERD_DUE_REKEY};

    SHERD_TRY(activate_all(due));
    for (size_t i = 0; i < due->version_count; i++)
        if (why(due, &due->versions[i]) != SHERD_KEY_NOT_DUE)
            due->versions[i].wraps = false;
    SHERD_TRY(tell(due, &step));
    for (size_t i = 0; i < due->version_count; i++)
        if (to_be_retired(due, &due->versions[i]))
            SHERD_TRY(tell_of(due, SHERD_DUE_RETIRE, &due->versions[i]));
    for (size_t i = 0; i < due->version_count; i++)
        if (to_be_destroyed(due, &due->versions[i]) ||
            (ends_by_itself(&due->versions[i]) && is_pending(due, &due->versions[i])))
            SHERD_TRY(tell_of(due, SHERD_DUE_DESTROY, &due->versions[i]));
    return SHERD_OK;
}

enum sherd_err sherd_rekey_due(struct sherd_vault *vault, const struct sherd_due_options *options,
                               sherd_rekey_progress_fn *progress, void *arg, struct sherd_rekey_stat *out_stat)
{
    static const struct sherd_due_options none = {.rate = 0};
    const struct sherd_due_options *given = options != NULL ? options : &none;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_stat != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(sherd_vault_check_maintains(vault));
    if (!given->dry_run)
        SHERD_TRY(sherd_vault_check_writable(vault));
    *out_stat = (struct sherd_rekey_stat){0};
    struct due *due = sherd_alloc(sizeof(*due));
    if (due == NULL)
        return SHERD_ERR_NO_MEMORY;
    due->vault = vault;
    due->options = given;
    due->progress = progress;
    due->arg = arg;
    due->stat = out_stat;
    enum sherd_err err = look(due);
    if (err == SHERD_OK && (any_due(due) || any_pending(due)))
        err = given->dry_run ? pretend(due) : carry_out(due);
    sherd_free(due);
    return err;
}
