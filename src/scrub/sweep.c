/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweeper: removes map entries that no pin names, fragments that no live map entry names, and parts of master keys
 * that no keyring names (anchor/embedded/key_parts.h).
 *
 * What is in flight is never touched, without clocks or grace periods: blobs are listed first; then, for an instant, no
 * put is between its first fragment and its pin (cryptor/window.h), and at that instant the snapshots of `assets` and
 * `secrets` are taken. Whatever they hold was pinned by then or never will be: names are random and never used twice.
 *
 * What a map entry that somebody removed has led to must not be taken for an orphan: before anything is removed, every
 * pin must find its map entry, and what is pinned since the instant is left alone.
 *
 * Names are looked at in parts, by their first byte, so that memory stays bounded however many records there are.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/hold.h"
#include "cryptor/load.h"
#include "scrub/instant.h"
#include "scrub/pages.h"
#include "scrub/reseal.h"
#include "store/refs.h"

/* Live fragments whose names are held at once. */
#define PART_REFS_MAX ((uint64_t)4 << 20)
#define DELETES_MAX 1024U

struct sweep {
    struct sherd_vault *vault;
    bool dry_run;
    struct sherd_instant instant;
    uint8_t *block;      /* secret memory for one payload */
    unsigned first_byte; /* the part of the names that is looked at: first_byte..last_byte */
    unsigned last_byte;
    pthread_mutex_t lock;     /* while pins are looked up: guards block, instant and late */
    struct sherd_refs late;   /* fragments whose pins and map entries are newer than the instant */
    struct sherd_refs live;   /* fragments of live map entries, in this part */
    struct sherd_refs doomed; /* to be deleted, in the compartment that is being scanned */
    struct sherd_sweep_stat stat;
};

static enum sherd_err look_at_map(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct sweep *sweep = arg;
    struct sherd_buf payload = sherd_buf_borrow(sweep->block, SHERD_PAYLOAD_BYTES_MAX);
    SHERD_CLEANUP(sherd_map_wipe) struct sherd_map map = {0};
    bool live;

    if (!sherd_assets_is_map(&sweep->vault->assets, stored))
        return sherd_assets_entry_check(&sweep->vault->assets, &name, stored);
    SHERD_TRY(sherd_assets_map_open(&sweep->vault->assets, &name, stored, &payload, &map));
    SHERD_TRY(sherd_map_is_live(sweep->vault, &name, &map, &live));
    if (live && map.data.bytes[0] >= sweep->first_byte && map.data.bytes[0] <= sweep->last_byte)
        return sherd_refs_add(&sweep->live, &map.data);
    if (!live && name.bytes[0] >= sweep->first_byte && name.bytes[0] <= sweep->last_byte)
        return sherd_refs_add(&sweep->doomed, &name);
    return SHERD_OK;
}

static enum sherd_err visit_map(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct sweep *sweep = arg;

    return sherd_reseal_look(sweep->vault->assets.compartment, name, stored, look_at_map, sweep);
}

static enum sherd_err visit_fragment(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct sweep *sweep = arg;

    if (name.bytes[0] < sweep->first_byte)
        return SHERD_OK;
    if (name.bytes[0] > sweep->last_byte)
        return SHERD_ERR_LIMIT; /* the part is done; taken back in sweep_part() */
    if (sherd_same(&name, &sweep->instant.owner, sizeof(name)))
        return SHERD_OK; /* says whose the compartment is: no fragment, whether or not it verifies */
    if (sherd_entry_is_key_part(SHERD_FOR_SECRETS, stored))
        return SHERD_OK; /* a part of a master key: the anchor's to sweep */
    if (sherd_refs_have(&sweep->live, &name) || sherd_refs_have(&sweep->late, &name))
        return SHERD_OK;
    return sherd_refs_add(&sweep->doomed, &name);
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
    for (size_t i = 0; i < sweep->instant.blobs.count; i++) {
        const struct sherd_ref *name = &sweep->instant.blobs.refs[i];

        if (name->bytes[0] < sweep->first_byte || name->bytes[0] > sweep->last_byte ||
            sherd_refs_have(&sweep->live, name) || sherd_refs_have(&sweep->late, name))
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
    SHERD_TRY(sherd_snapshot_scan(sweep->instant.assets, NULL, visit_map, sweep));
    sherd_refs_order(&sweep->live);
    sweep->stat.map_count += sweep->doomed.count;
    SHERD_TRY(delete_entries(sweep, sweep->vault->assets.compartment));

    sweep->doomed.count = 0;
    const enum sherd_err err = sherd_snapshot_scan(sweep->instant.secrets, NULL, visit_fragment, sweep);
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

/* A pin whose map entry is not in the snapshot: it is newer, or it is gone by now, or the map entry was removed. */
static enum sherd_err look_up(struct sweep *sweep, struct sherd_uuid record, uint64_t version)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};

    const enum sherd_err err = sherd_locate(sweep->vault, record, version, &loaded);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    return sherd_refs_add(&sweep->late, &loaded.map.data);
}

/* Whether a pin finds its map entry. The lock is held: a snapshot serves one thread at a time. */
static enum sherd_err check_map(struct sweep *sweep, const struct sherd_page_entry *entry)
{
    struct sherd_buf stored = sherd_buf_borrow(sweep->block, SHERD_PAYLOAD_BYTES_MAX);

    const enum sherd_err err = sherd_snapshot_get(sweep->instant.assets, entry->map, &stored);
    if (err == SHERD_ERR_NOT_FOUND)
        return look_up(sweep, entry->id, entry->version);
    return err == SHERD_ERR_LIMIT ? SHERD_OK : err; /* what does not fit does not verify, and ends the sweep later */
}

/* Whether the pins of a record agree: where an older head was put back, a newer version would look like an orphan. */
static enum sherd_err check_agrees(struct sweep *sweep, const struct sherd_page_entry *entry)
{
    uint64_t missing = 0;
    bool stray = false;

    if (entry->kind == SHERD_KIND_PIN)
        SHERD_TRY(sherd_pin_find_missing(sweep->vault, entry, 1, &missing));
    else
        SHERD_TRY(sherd_pin_is_stray(sweep->vault, entry, &stray));
    if (stray || missing != 0)
        return sherd_fail(SHERD_ERR_TAMPERED, "the pins of a record do not agree");
    return SHERD_OK;
}

static enum sherd_err check_page(void *arg, const struct sherd_page *page)
{
    struct sweep *sweep = arg;

    for (size_t i = 0; i < page->count; i++) {
        const struct sherd_page_entry *entry = &page->entries[i];

        if (entry->status == SHERD_ERR_DENIED)
            return sherd_fail(entry->status,
                              "something is refused by the floor of a master key, or lies under one that "
                              "was destroyed, so nothing is swept: `sherd verify` says what");
        if (entry->status != SHERD_OK)
            return sherd_fail(entry->status, "an entry of keys does not verify");
        if (!sherd_page_entry_is_pin(entry))
            continue;
        SHERD_TRY(check_agrees(sweep, entry));
        (void)pthread_mutex_lock(&sweep->lock);
        const enum sherd_err err = check_map(sweep, entry);
        (void)pthread_mutex_unlock(&sweep->lock);
        SHERD_TRY(err);
    }
    return SHERD_OK;
}

/*
 * Whether each pin finds its map entry, and agrees with the others of its record; otherwise what it led to would look
 * like an orphan.
 */
static enum sherd_err check_pins(struct sweep *sweep)
{
    const enum sherd_err err = sherd_pages_each(sweep->vault, check_page, sweep);

    if (err == SHERD_ERR_TAMPERED)
        return sherd_fail(err, "something does not verify or was removed, so nothing is swept: run `sherd verify`");
    sherd_refs_order(&sweep->late);
    return err;
}

/* The pins of records whose entity was erased; what they led to is then left to the sweep. */
static enum sherd_err drop_page(void *arg, const struct sherd_page *page)
{
    struct sweep *sweep = arg;
    struct sherd_anchor *anchor = sweep->vault->anchor;

    for (size_t i = 0; i < page->count; i++) {
        struct sherd_refs maps = {0};

        if (!page->entries[i].erased || page->entries[i].kind != SHERD_KIND_PIN)
            continue;
        const enum sherd_err err = anchor->ops->pin_delete(anchor, page->entries[i].id, &maps);
        sherd_refs_done(&maps);
        if (err != SHERD_ERR_NOT_FOUND)
            SHERD_TRY(err);
        (void)pthread_mutex_lock(&sweep->lock);
        sweep->stat.pin_count++;
        (void)pthread_mutex_unlock(&sweep->lock);
    }
    return SHERD_OK;
}

static enum sherd_err sweep_all(struct sweep *sweep)
{
    struct sherd_anchor *anchor = sweep->vault->anchor;

    if (!sweep->dry_run)
        SHERD_TRY(sherd_pages_each(sweep->vault, drop_page, sweep));
    SHERD_TRY(sherd_instant_take(sweep->vault, &sweep->instant));
    if (!sweep->dry_run)
        SHERD_TRY(check_pins(sweep));
    SHERD_TRY(sweep_parts(sweep));
    SHERD_TRY(anchor->ops->parts_sweep(anchor, sweep->dry_run, &sweep->stat.key_part_count));
    return sweep->dry_run ? SHERD_OK : sherd_compartment_tidy(sweep->vault->secrets, &sweep->stat.unfinished_count);
}

enum sherd_err sherd_vault_sweep(struct sherd_vault *vault, bool dry_run, struct sherd_sweep_stat *out_stat)
{
    struct sweep sweep = {.vault = vault, .dry_run = dry_run};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_stat != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(sherd_vault_check_maintains(vault));
    if (!dry_run)
        SHERD_TRY(sherd_vault_check_writable(vault));
    if (pthread_mutex_init(&sweep.lock, NULL) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    sweep.block = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    struct sherd_hold hold = {-1};
    enum sherd_err err = sweep.block == NULL ? SHERD_ERR_NO_MEMORY : dry_run ? SHERD_OK : sherd_hold_pass(vault, &hold);
    if (err == SHERD_OK)
        err = sweep_all(&sweep);
    sherd_hold_leave(&hold);
    sherd_instant_done(&sweep.instant);
    (void)pthread_mutex_destroy(&sweep.lock);
    sherd_refs_done(&sweep.late);
    sherd_refs_done(&sweep.live);
    sherd_refs_done(&sweep.doomed);
    sherd_secret_free(sweep.block);
    if (err == SHERD_OK)
        *out_stat = sweep.stat;
    return err;
}
