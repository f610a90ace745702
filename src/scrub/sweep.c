/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweeper: removes map entries that no pin names, and fragments that no live map entry names.
 *
 * What is in flight is never touched, without clocks or grace periods: blobs are listed first; then, for an instant, no
 * put is between its first fragment and its pin (cryptor/window.h), and at that instant the snapshots of `assets` and
 * `secrets` are taken. Whatever they hold was pinned by then or never will be: names are random and never used twice.
 *
 * Names are looked at in parts, by their first byte, so that memory stays bounded however many records there are.
 */
#include "base/mem.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "cryptor/vault.h"
#include "store/refs.h"

/* Live fragments whose names are held at once. */
#define PART_REFS_MAX ((uint64_t)4 << 20)
#define DELETES_MAX 1024U

struct sweep {
    struct sherd_vault *vault;
    bool dry_run;
    struct sherd_snapshot *assets;
    struct sherd_snapshot *secrets;
    struct sherd_refs blobs; /* all blobs there were before the instant */
    uint8_t *block;          /* secret memory for one payload */
    struct sherd_ref owner;  /* name of the entry by which `secrets` says whose it is */
    unsigned first_byte;     /* the part of the names that is looked at: first_byte..last_byte */
    unsigned last_byte;
    struct sherd_refs live;   /* fragments of live map entries, in this part */
    struct sherd_refs doomed; /* to be deleted, in the compartment that is being scanned */
    struct sherd_sweep_stat stat;
};

/* Whether a map entry is the one that its record's pin names. */
static enum sherd_err map_is_live(struct sweep *sweep, const struct sherd_ref *name, const struct sherd_map *map,
                                  bool *out_live)
{
    struct sherd_anchor *anchor = sweep->vault->anchor;
    struct sherd_pin_view view;

    const enum sherd_err err = anchor->ops->pin_get(anchor, map->record, map->version, &view, NULL);
    *out_live = err == SHERD_OK && sherd_same(&view.pin.map, name, sizeof(*name));
    return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}

static enum sherd_err visit_map(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct sweep *sweep = arg;
    struct sherd_buf payload = sherd_buf_borrow(sweep->block, SHERD_PAYLOAD_BYTES_MAX);
    struct sherd_map map;
    bool live;

    if (!sherd_assets_is_map(&sweep->vault->assets, stored))
        return sherd_assets_entry_check(&sweep->vault->assets, &name, stored);
    SHERD_TRY(sherd_assets_map_open(&sweep->vault->assets, &name, stored, &payload, &map));
    SHERD_TRY(map_is_live(sweep, &name, &map, &live));
    if (live && map.data.bytes[0] >= sweep->first_byte && map.data.bytes[0] <= sweep->last_byte)
        return sherd_refs_add(&sweep->live, &map.data);
    if (!live && name.bytes[0] >= sweep->first_byte && name.bytes[0] <= sweep->last_byte)
        return sherd_refs_add(&sweep->doomed, &name);
    return SHERD_OK;
}

static enum sherd_err visit_fragment(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct sweep *sweep = arg;

    (void)stored;
    if (name.bytes[0] < sweep->first_byte)
        return SHERD_OK;
    if (name.bytes[0] > sweep->last_byte)
        return SHERD_ERR_LIMIT; /* the part is done; taken back in sweep_part() */
    if (sherd_same(&name, &sweep->owner, sizeof(name)))
        return SHERD_OK; /* says whose the compartment is: no fragment, whether or not it verifies */
    return sherd_refs_have(&sweep->live, &name) ? SHERD_OK : sherd_refs_add(&sweep->doomed, &name);
}

static enum sherd_err delete_entries(struct sweep *sweep, struct sherd_compartment *compartment)
{
    struct sherd_store_op *ops = sherd_alloc_array(DELETES_MAX, sizeof(*ops));
    enum sherd_err err = SHERD_OK;

    if (ops == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t done = 0; done < sweep->doomed.count && err == SHERD_OK && !sweep->dry_run;) {
        size_t count = 0;

        while (count < DELETES_MAX && done < sweep->doomed.count)
            ops[count++] = (struct sherd_store_op){.kind = SHERD_STORE_DELETE, .name = sweep->doomed.refs[done++]};
        err = sherd_compartment_write(compartment, ops, count);
    }
    sherd_free(ops);
    return err;
}

static enum sherd_err sweep_blobs(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->blobs.count; i++) {
        const struct sherd_ref *name = &sweep->blobs.refs[i];

        if (name->bytes[0] < sweep->first_byte || name->bytes[0] > sweep->last_byte ||
            sherd_refs_have(&sweep->live, name))
            continue;
        sweep->stat.fragment_count++;
        if (!sweep->dry_run)
            SHERD_TRY(sherd_compartment_blob_delete(sweep->vault->secrets, *name));
    }
    return SHERD_OK;
}

static enum sherd_err sweep_part(struct sweep *sweep)
{
    sweep->live.count = 0;
    sweep->doomed.count = 0;
    SHERD_TRY(sherd_snapshot_scan(sweep->assets, NULL, visit_map, sweep));
    sherd_refs_order(&sweep->live);
    sweep->stat.map_count += sweep->doomed.count;
    SHERD_TRY(delete_entries(sweep, sweep->vault->assets.compartment));

    sweep->doomed.count = 0;
    const enum sherd_err err = sherd_snapshot_scan(sweep->secrets, NULL, visit_fragment, sweep);
    if (err != SHERD_ERR_LIMIT)
        SHERD_TRY(err);
    sweep->stat.fragment_count += sweep->doomed.count;
    SHERD_TRY(delete_entries(sweep, sweep->vault->secrets));
    return sweep_blobs(sweep);
}

/* Into how many parts names are split so that the live ones of a part fit. */
static enum sherd_err part_count(struct sweep *sweep, unsigned *out_parts)
{
    struct sherd_store_stat stat;
    unsigned parts = 1;

    SHERD_TRY(sherd_compartment_stat(sweep->vault->assets.compartment, &stat));
    while (parts < 256 && stat.entry_count / parts > PART_REFS_MAX)
        parts *= 2;
    *out_parts = parts;
    return SHERD_OK;
}

static enum sherd_err sweep_parts(struct sweep *sweep)
{
    unsigned parts;

    SHERD_TRY(part_count(sweep, &parts));
    for (unsigned i = 0; i < parts; i++) {
        sweep->first_byte = i * (256 / parts);
        sweep->last_byte = sweep->first_byte + 256 / parts - 1;
        SHERD_TRY(sweep_part(sweep));
    }
    return SHERD_OK;
}

static enum sherd_err note_blob(void *arg, struct sherd_ref name, struct sherd_span bytes)
{
    (void)bytes;
    return sherd_refs_add(arg, &name);
}

/* The instant at which nothing is in flight. */
static enum sherd_err take_snapshots(struct sweep *sweep)
{
    struct sherd_vault *vault = sweep->vault;

    SHERD_TRY(sherd_window_enter(vault->window, true));
    enum sherd_err err = sherd_compartment_snapshot_begin(vault->assets.compartment, &sweep->assets);
    if (err == SHERD_OK)
        err = sherd_compartment_snapshot_begin(vault->secrets, &sweep->secrets);
    sherd_window_leave(vault->window, true);
    return err;
}

static enum sherd_err find_owner(struct sweep *sweep)
{
    struct sherd_anchor *anchor = sweep->vault->anchor;
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));

    return anchor->ops->compartment_entry(anchor, SHERD_SECRETS, &sweep->owner, &stored);
}

static enum sherd_err sweep_all(struct sweep *sweep)
{
    SHERD_TRY(find_owner(sweep));
    SHERD_TRY(sherd_compartment_blob_scan(sweep->vault->secrets, NULL, note_blob, &sweep->blobs));
    SHERD_TRY(take_snapshots(sweep));
    SHERD_TRY(sweep_parts(sweep));
    return sweep->dry_run ? SHERD_OK : sherd_compartment_tidy(sweep->vault->secrets, &sweep->stat.unfinished_count);
}

enum sherd_err sherd_vault_sweep(struct sherd_vault *vault, bool dry_run, struct sherd_sweep_stat *out_stat)
{
    struct sweep sweep = {.vault = vault, .dry_run = dry_run};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_stat != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    if (!dry_run)
        SHERD_TRY(sherd_vault_check_writable(vault));
    sweep.block = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    const enum sherd_err err = sweep.block != NULL ? sweep_all(&sweep) : SHERD_ERR_NO_MEMORY;
    sherd_snapshot_end(sweep.secrets);
    sherd_snapshot_end(sweep.assets);
    sherd_refs_done(&sweep.blobs);
    sherd_refs_done(&sweep.live);
    sherd_refs_done(&sweep.doomed);
    sherd_secret_free(sweep.block);
    if (err == SHERD_OK)
        *out_stat = sweep.stat;
    return err;
}
