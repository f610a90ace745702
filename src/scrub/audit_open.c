/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an audit gets what it needs: of an open vault, whose anchor opens the leaves; or of what an auditor was given.
 */
#include "anchor/ledger/leaves.h"
#include "base/file.h"
#include "base/mem.h"
#include "cryptor/files.h"
#include "cryptor/vault.h"
#include "scrub/audit.h"
#include <string.h>

#define LOG_FOLDER "anchor/ledger"
/* How often an audit begins anew since store keys are rotated under it. */
#define TRIES_MAX 4U

static const struct sherd_observer nobody;

static enum sherd_err compartment_named(const char *name, enum sherd_leaf_commitment *out_which)
{
    SHERD_ENSURE(name != NULL && (strcmp(name, "assets") == 0 || strcmp(name, "secrets") == 0), SHERD_ERR_INVALID,
                 "the ledger commits to what lies in assets and in secrets");
    *out_which = strcmp(name, "assets") == 0 ? SHERD_LEAF_ASSETS : SHERD_LEAF_SECRETS;
    return SHERD_OK;
}

/* Verified when the audit is done, whatever it found until then. */
static enum sherd_err conclude(enum sherd_err err, const struct sherd_audit_stat *stat)
{
    SHERD_TRY(err);
    SHERD_ENSURE(stat->finding_count == 0, SHERD_ERR_TAMPERED, "the compartment is not what the ledger says");
    return SHERD_OK;
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

/* A log in a directory, under a key. */
struct log_place {
    const char *dir;
    struct sherd_policy *policy;
};

static enum sherd_err open_log(void *arg, struct sherd_log **out_log)
{
    const struct log_place *place = arg;

    return sherd_log_open(place->dir, place->policy, NULL, out_log);
}

/* --- an open vault ------------------------------------------------------------------------------------------------ */

/* Leaves become rows of those inventories that are wanted. */
struct collecting {
    struct sherd_inventory *inventories; /* one a compartment */
    size_t count;
};

static enum sherd_err collect(void *arg, const struct sherd_leaf_found *found)
{
    const struct collecting *collecting = arg;

    for (size_t i = 0; i < collecting->count; i++) {
        struct sherd_inventory *inventory = &collecting->inventories[i];
        const struct sherd_committed entry = sherd_leaf_committed(&found->event, inventory->compartment);
        const struct sherd_inventory_row row = {.index = found->index,
                                                .blind = found->blinds[inventory->compartment],
                                                .name = entry.name,
                                                .digest = entry.digest};

        if (entry.there)
            SHERD_TRY(sherd_inventory_add(inventory, &row));
    }
    return SHERD_OK;
}

/*
 * All rows, as of the newest checkpoint. They are not verified here: whoever uses them holds them against the log.
 * @param[out] out_policy  to believe the log's key
 */
static enum sherd_err collect_all(struct sherd_vault *vault, struct collecting *collecting,
                                  struct sherd_policy **out_policy)
{
    struct sherd_anchor *anchor = vault->anchor;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    struct sherd_leaf_query query = {
        .told = SHERD_LEAF_OPENED, .count_max = SHERD_LEAVES_MAX, .about = SHERD_LEAVES_ALL};
    struct sherd_checkpoint checkpoint;
    uint64_t next = 0;

    SHERD_TRY(anchor->ops->ledger_note(anchor, true, &note, &key));
    SHERD_TRY(sherd_policy_of_own_log(sherd_buf_span(&key), out_policy));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&note), *out_policy, &checkpoint, NULL));
    query.size = query.to = checkpoint.head.size;
    for (size_t i = 0; i < collecting->count; i++)
        collecting->inventories[i].size = query.size;
    while (query.from < query.to) {
        SHERD_TRY(anchor->ops->ledger_scan(anchor, &query, collect, collecting, &next));
        SHERD_ENSURE(next > query.from && next <= query.to, SHERD_ERR_IO, "the ledger is not read on");
        query.from = next;
    }
    return SHERD_OK;
}

enum sherd_err sherd_vault_inventory(struct sherd_vault *vault, const char *compartment,
                                     const struct sherd_backup_out *out)
{
    struct sherd_inventory inventory = {0};
    struct collecting collecting = {.inventories = &inventory, .count = 1};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_ENSURE(out != NULL && out->write != NULL, SHERD_ERR_INVALID, "a place for the inventory is needed");
    SHERD_TRY(compartment_named(compartment, &inventory.compartment));
    enum sherd_err err = collect_all(vault, &collecting, &policy);
    if (err == SHERD_OK)
        err = sherd_inventory_encode(&inventory, &bytes);
    sherd_inventory_done(&inventory);
    SHERD_TRY(err);
    return out->write(out->arg, sherd_buf_span(&bytes));
}

/* The log as it is now: what was written until now is in it. */
struct vault_log {
    struct sherd_vault *vault;
    struct log_place place;
};

static enum sherd_err open_newest(void *arg, struct sherd_log **out_log)
{
    const struct vault_log *log = arg;
    struct sherd_anchor *anchor = log->vault->anchor;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};

    SHERD_TRY(anchor->ops->ledger_note(anchor, true, &note, &key));
    return sherd_log_open(log->place.dir, log->place.policy, NULL, out_log);
}

static enum sherd_err audit_both(struct vault_log *log, struct sherd_inventory inventories[static 2], uint64_t sample,
                                 const struct sherd_observer *observer, struct sherd_audit_stat *stat)
{
    struct sherd_compartment *const compartments[] = {log->vault->assets.compartment, log->vault->secrets};

    for (size_t i = 0; i < SHERD_COUNT_OF(compartments); i++) {
        const struct sherd_audit_parts parts = {.compartment = compartments[i],
                                                .inventory = &inventories[i],
                                                .log = open_newest,
                                                .log_arg = log,
                                                .sample = sample,
                                                .observer = observer};

        SHERD_TRY(sherd_audit_compartment(&parts, stat));
    }
    return SHERD_OK;
}

static enum sherd_err audit_with(struct vault_log *log, uint64_t sample, const struct sherd_observer *observer,
                                 struct sherd_audit_stat *stat)
{
    struct sherd_inventory inventories[] = {{.compartment = SHERD_LEAF_ASSETS}, {.compartment = SHERD_LEAF_SECRETS}};
    struct collecting collecting = {.inventories = inventories, .count = SHERD_COUNT_OF(inventories)};

    enum sherd_err err = collect_all(log->vault, &collecting, &log->place.policy);
    if (err == SHERD_OK)
        err = audit_both(log, inventories, sample, observer, stat);
    for (size_t i = 0; i < SHERD_COUNT_OF(inventories); i++)
        sherd_inventory_done(&inventories[i]);
    return err;
}

enum sherd_err sherd_vault_audit(struct sherd_vault *vault, uint64_t sample, const struct sherd_observer *observer,
                                 struct sherd_audit_stat *out_stat)
{
    struct vault_log log = {.vault = vault};
    struct sherd_audit_stat stat = {0};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    char *dir = sherd_path_join(vault->path, LOG_FOLDER);
    if (dir == NULL)
        return SHERD_ERR_NO_MEMORY;
    log.place.dir = dir;
    enum sherd_err err = SHERD_ERR_CONFLICT;
    for (unsigned tries = 0; tries < TRIES_MAX && err == SHERD_ERR_CONFLICT; tries++) {
        stat = (struct sherd_audit_stat){0};
        err = audit_with(&log, sample, observer != NULL ? observer : &nobody, &stat);
        sherd_policy_free(log.place.policy);
        log.place.policy = NULL;
    }
    sherd_free(dir);
    if (err == SHERD_ERR_CONFLICT)
        err = sherd_fail(SHERD_ERR_BUSY, "entries are sealed anew all the time: audit when the rekeying has ended");
    if (out_stat != NULL)
        *out_stat = stat;
    return conclude(err, &stat);
}

/* --- what an auditor was given ------------------------------------------------------------------------------------ */

static enum sherd_err open_compartment(const char *path, enum sherd_leaf_commitment which,
                                       struct sherd_compartment **out_compartment)
{
    const enum sherd_role role = which == SHERD_LEAF_ASSETS ? SHERD_ASSETS : SHERD_SECRETS;
    char engine[SHERD_ENGINE_NAME_SIZE];
    const struct sherd_store_ops *ops;
    char *dir = NULL;

    /* the vault's directory, or that of the compartment alone, which the first engine made */
    enum sherd_err err = sherd_marker_read(path, engine);
    if (err == SHERD_OK) {
        dir = sherd_path_join(path, sherd_role_name(role));
        if (dir == NULL)
            return SHERD_ERR_NO_MEMORY;
        err = sherd_store_engine(engine, &ops);
    } else if (err == SHERD_ERR_NOT_FOUND) {
        ops = *sherd_store_engines();
        err = SHERD_OK;
    }
    if (err == SHERD_OK) {
        const struct sherd_store_config config = {.path = dir != NULL ? dir : path, .read_only = true};

        err = sherd_compartment_open(role, ops, &config, out_compartment);
    }
    sherd_free(dir);
    return err;
}

static enum sherd_err audit_input(const struct sherd_audit_input *input, struct log_place *place,
                                  struct sherd_inventory *inventory, uint64_t sample,
                                  const struct sherd_observer *observer, struct sherd_audit_stat *stat)
{
    struct sherd_audit_parts parts = {
        .inventory = inventory, .log = open_log, .log_arg = place, .sample = sample, .observer = observer};

    SHERD_TRY(sherd_policy_of_log(sherd_span_str(input->log_key), &place->policy));
    SHERD_TRY(sherd_inventory_decode(input->inventory, inventory));
    SHERD_TRY(open_compartment(input->path, inventory->compartment, &parts.compartment));
    const enum sherd_err err = sherd_audit_compartment(&parts, stat);
    sherd_compartment_close(parts.compartment);
    return err;
}

enum sherd_err sherd_compartment_audit(const struct sherd_audit_input *input, uint64_t sample,
                                       const struct sherd_observer *observer, struct sherd_audit_stat *out_stat)
{
    struct sherd_inventory inventory = {0};
    struct sherd_audit_stat stat = {0};
    struct log_place place = {0};

    SHERD_ENSURE(input != NULL && input->path != NULL && input->log != NULL && input->log_key != NULL,
                 SHERD_ERR_INVALID, "a compartment, an inventory, a log and its key are needed");
    place.dir = input->log;
    const enum sherd_err err = audit_input(input, &place, &inventory, sample, observer != NULL ? observer : &nobody,
                                           &stat);
    sherd_inventory_done(&inventory);
    sherd_policy_free(place.policy);
    if (out_stat != NULL)
        *out_stat = stat;
    return conclude(err, &stat);
}
