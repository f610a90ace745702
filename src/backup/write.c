/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a backup. One instant: nothing is between its first fragment and its pin; the snapshot of `keys` comes last,
 * so that whatever a pin in it names is in the others, where only what has no pin any more is removed. Blobs are held
 * meanwhile: cryptor/hold.h.
 */
#include "backup/bundle.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/hold.h"
#include "cryptor/vault.h"
#include <stdio.h>

#define BLOCK_SIZE ((size_t)256 << 10)
#define ROLES 4U
/* Entries between two looks at the observer. */
#define REPORT_EVERY 256U

struct making {
    struct sherd_vault *vault;
    const struct sherd_backup_out *out;
    const struct sherd_observer *observer;
    struct sherd_bundle_head head;
    struct sherd_anchor_state state;
    struct sherd_hold hold;
    struct sherd_snapshot *snapshots[3]; /* identity, assets, secrets */
    struct sherd_bundle_writer *writer;
    uint64_t total;
    uint64_t count;
    uint8_t *block;
};

static struct sherd_compartment *compartment_of(const struct making *making, enum sherd_role role)
{
    const struct sherd_vault *vault = making->vault;
    struct sherd_compartment *const all[] = {vault->identity, vault->assets.compartment, vault->secrets};

    return all[role - 1]; /* `keys` is the anchor's */
}

static enum sherd_err take_snapshots(struct making *making)
{
    static const enum sherd_role order[] = {SHERD_SECRETS, SHERD_ASSETS, SHERD_IDENTITY};
    struct sherd_anchor *anchor = making->vault->anchor;

    for (size_t i = 0; i < SHERD_COUNT_OF(order); i++)
        SHERD_TRY(sherd_compartment_snapshot_begin(compartment_of(making, order[i]), &making->snapshots[order[i] - 1]));
    return anchor->ops->state_take(anchor, &making->head.id, &making->state);
}

static enum sherd_err take_instant(struct making *making)
{
    struct sherd_vault *vault = making->vault;

    SHERD_TRY(sherd_window_enter(vault->window, true));
    const enum sherd_err err = take_snapshots(making);
    sherd_window_leave(vault->window, true);
    return err;
}

static enum sherd_err begin(struct making *making)
{
    struct sherd_bundle_head *head = &making->head;

    head->deployment = making->vault->deployment;
    head->time_s = (uint64_t)sherd_clock()->wall_s();
    SHERD_TRY(sherd_uuid_new(&head->id));
    SHERD_TRY(sherd_hold_take(making->vault, &making->hold));
    SHERD_TRY(take_instant(making));
    head->epoch = making->state.epoch;
    head->epoch_older = making->state.epoch_older;
    head->generation = making->state.generation;
    head->seals = sherd_buf_span(&making->state.seals);
    (void)snprintf(head->engine, sizeof(head->engine), "%s", making->vault->engine->name);
    SHERD_TRY(sherd_bundle_head_encode(head));
    return sherd_bundle_writer_new(making->out, head, making->state.key, &making->writer);
}

static enum sherd_err report(const struct making *making)
{
    const struct sherd_observer *observer = making->observer;

    if (observer == NULL || observer->progress == NULL)
        return SHERD_OK;
    const uint64_t done = sherd_bundle_written(making->writer);
    if (observer->progress(observer->arg, done, making->total > done ? making->total : done))
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_BUSY, "making the backup was stopped");
}

static enum sherd_err put_entry(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct making *making = arg;

    if (++making->count % REPORT_EVERY == 0)
        SHERD_TRY(report(making));
    return sherd_bundle_put(making->writer, SHERD_BUNDLE_ENTRY, sherd_span_of(name.bytes, sizeof(name.bytes)), value);
}

static enum sherd_err put_blob_bytes(struct making *making, struct sherd_blob_reader *reader, uint64_t bytes)
{
    for (uint64_t offset = 0; offset < bytes;) {
        const size_t take = bytes - offset < BLOCK_SIZE ? (size_t)(bytes - offset) : BLOCK_SIZE;

        SHERD_TRY(sherd_blob_read(reader, offset, making->block, take));
        SHERD_TRY(sherd_bundle_more(making->writer, sherd_span_of(making->block, take)));
        SHERD_TRY(report(making));
        offset += take;
    }
    return SHERD_OK;
}

static enum sherd_err put_blob(struct making *making, enum sherd_role role, const struct sherd_ref *name)
{
    struct sherd_blob_reader *reader;
    uint64_t bytes;

    SHERD_TRY(sherd_compartment_blob_open(compartment_of(making, role), *name, &reader, &bytes));
    enum sherd_err err = sherd_bundle_begin(making->writer, SHERD_BUNDLE_BLOB,
                                            sherd_span_of(name->bytes, sizeof(name->bytes)), bytes);
    if (err == SHERD_OK)
        err = put_blob_bytes(making, reader, bytes);
    sherd_blob_close(reader);
    return err;
}

static enum sherd_err note_blob(void *arg, struct sherd_ref name, struct sherd_span bytes)
{
    (void)bytes;
    return sherd_refs_add(arg, &name);
}

static enum sherd_err put_blobs(struct making *making, enum sherd_role role)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs blobs = {0};

    SHERD_TRY(sherd_compartment_blob_scan(compartment_of(making, role), NULL, note_blob, &blobs));
    for (size_t i = 0; i < blobs.count; i++)
        SHERD_TRY(put_blob(making, role, &blobs.refs[i]));
    return SHERD_OK;
}

static enum sherd_err put_compartment(struct making *making, enum sherd_role role)
{
    const uint8_t byte = (uint8_t)role;
    struct sherd_anchor *anchor = making->vault->anchor;

    SHERD_TRY(sherd_bundle_put(making->writer, SHERD_BUNDLE_COMPARTMENT, sherd_span_of(&byte, 1),
                               sherd_span_of(NULL, 0)));
    if (role == SHERD_KEYS) /* no blob belongs there */
        return anchor->ops->state_scan(anchor, &making->state, NULL, put_entry, making);
    struct sherd_snapshot **snapshot = &making->snapshots[role - 1];
    SHERD_TRY(sherd_snapshot_scan(*snapshot, NULL, put_entry, making));
    sherd_snapshot_end(*snapshot); /* the engine may use its pages again */
    *snapshot = NULL;
    return put_blobs(making, role);
}

static enum sherd_err estimate(struct making *making)
{
    struct sherd_anchor *anchor = making->vault->anchor;

    for (unsigned role = 1; role <= ROLES; role++) {
        struct sherd_store_stat stat;

        SHERD_TRY(role == SHERD_KEYS ? anchor->ops->keys_stat(anchor, &stat)
                                     : sherd_compartment_stat(compartment_of(making, (enum sherd_role)role), &stat));
        making->total += stat.entry_bytes + stat.blob_bytes;
    }
    return SHERD_OK;
}

static enum sherd_err make(struct making *making, struct sherd_backup_info *out_info)
{
    struct sherd_backup_info info;

    making->block = sherd_alloc(BLOCK_SIZE);
    if (making->block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(estimate(making));
    SHERD_TRY(begin(making));
    SHERD_TRY(sherd_bundle_put(making->writer, SHERD_BUNDLE_KEYRING, sherd_buf_span(&making->state.keyring),
                               sherd_span_of(NULL, 0)));
    for (unsigned role = 1; role <= ROLES; role++)
        SHERD_TRY(put_compartment(making, (enum sherd_role)role));
    sherd_bundle_describe(&making->head, &info);
    SHERD_TRY(sherd_bundle_end(making->writer, &info));
    *out_info = info;
    return SHERD_OK;
}

enum sherd_err sherd_backup_write(struct sherd_vault *vault, const struct sherd_backup_out *out,
                                  const struct sherd_observer *observer, struct sherd_backup_info *out_info)
{
    struct making making = {.vault = vault, .out = out, .observer = observer, .hold = {-1}};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out != NULL && out->write != NULL && out_info != NULL, SHERD_ERR_INVALID,
                 "a place for the backup and one for the answer are needed");
    const enum sherd_err err = make(&making, out_info);
    sherd_bundle_writer_free(making.writer);
    for (size_t i = 0; i < SHERD_COUNT_OF(making.snapshots); i++)
        sherd_snapshot_end(making.snapshots[i]);
    vault->anchor->ops->state_done(vault->anchor, &making.state);
    sherd_bundle_head_done(&making.head);
    sherd_hold_leave(&making.hold);
    sherd_free(making.block);
    return err;
}
