/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a backup of the epoch that serves out of an older one. It is restored beside, under a name of its own; what
 * the vault says was deleted or erased since is removed there; the rest is wrapped under the epoch that serves in the
 * vault, and a backup is made of that. Nothing of it lasts.
 */
#include "backup/restore.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/place.h"
#include "cryptor/vault.h"
#include "store/refs.h"

#define PAGE_MAX 512U

struct refreshing {
    struct sherd_vault *vault; /* the one that lives */
    const struct sherd_backup_keys *keys;
    const struct sherd_backup_out *out;
    struct sherd_bundle_opened opened;
    struct sherd_buf epoch; /* exported from the vault */
    uint64_t serving;
    struct sherd_backup_info info;
    struct sherd_refresh_stat stat;
};

/* Records of the old backup, as they are met. */
struct gathered {
    struct refreshing *refreshing;
    size_t count;
    struct sherd_uuid ids[PAGE_MAX];
};

static enum sherd_err gather(void *arg, const struct sherd_anchor_entry *entry)
{
    struct gathered *gathered = arg;

    SHERD_TRY(entry->status);
    if (entry->kind == SHERD_KIND_PIN && entry->pin != NULL && !entry->erased)
        gathered->ids[gathered->count++] = entry->pin->record;
    return SHERD_OK;
}

/* Remove what the vault has no more. */
static enum sherd_err drop_gone(struct refreshing *refreshing, struct sherd_vault *old, const struct gathered *gathered)
{
    struct sherd_anchor *anchor = refreshing->vault->anchor;

    for (size_t i = 0; i < gathered->count; i++) {
        struct sherd_pin_view view;
        const enum sherd_err err = anchor->ops->pin_get(anchor, gathered->ids[i], 0, &view, NULL);

        if (err == SHERD_OK) {
            refreshing->stat.record_count++;
            continue;
        }
        if (err != SHERD_ERR_NOT_FOUND)
            return err;
        SHERD_TRY(sherd_record_delete(old, gathered->ids[i]));
        refreshing->stat.dropped_count++;
    }
    return SHERD_OK;
}

static enum sherd_err drop_all_gone(struct refreshing *refreshing, struct sherd_vault *old)
{
    struct gathered *gathered = sherd_alloc(sizeof(*gathered));
    struct sherd_ref after;
    size_t seen = PAGE_MAX;
    enum sherd_err err = gathered != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;

    for (bool first = true; err == SHERD_OK && seen == PAGE_MAX; first = false) {
        struct sherd_ref last;

        gathered->count = 0;
        err = old->anchor->ops->scan(old->anchor, first ? NULL : &after, PAGE_MAX, gather, gathered, &last, &seen);
        if (err == SHERD_OK)
            err = drop_gone(refreshing, old, gathered);
        after = last;
    }
    sherd_free(gathered);
    return err;
}

struct entities_gone {
    struct refreshing *refreshing;
    struct sherd_vault *old;
};

/*
 * An entity of the old backup that the vault has no more is erased there too: an entity of the same id that was made
 * since is another one, and its records are not in the backup.
 */
static enum sherd_err erase_gone(void *arg, const struct sherd_entity_info *info)
{
    const struct entities_gone *gone = arg;
    struct sherd_anchor *live = gone->refreshing->vault->anchor;
    struct sherd_collection_entry collection;
    struct sherd_ref now;
    struct sherd_ref then;

    SHERD_TRY(sherd_vault_collection(gone->old, info->collection, &collection));
    SHERD_TRY(gone->old->anchor->ops->entity_find(gone->old->anchor, &collection.id, info->id, &then));
    const enum sherd_err err = live->ops->entity_find(live, &collection.id, info->id, &now);
    if (err == SHERD_OK && sherd_same(&now, &then, sizeof(now)))
        return SHERD_OK;
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
        return err;
    return sherd_entity_erase(gone->old, info->collection, info->id);
}

/* All under a new epoch, and the older one ended. */
static enum sherd_err rekey_and_end(struct sherd_vault *old)
{
    const struct sherd_rekey_options all = {0};
    struct sherd_rekey_stat stat;
    uint64_t epoch;

    SHERD_TRY(sherd_rekey(old, &all, NULL, NULL, &stat));
    return old->anchor->ops->epoch_end(old->anchor, &epoch);
}

/*
 * Over to the epoch that serves in the vault. Its key takes the slot that the old one's does not have; where both are
 * of one slot, an epoch that nobody else knows comes between.
 */
static enum sherd_err go_over(const struct refreshing *refreshing, struct sherd_vault *old)
{
    const struct sherd_span file = sherd_buf_span(&refreshing->epoch);
    uint64_t epoch;

    SHERD_TRY(rekey_and_end(old)); /* a roll may have been under way when the old backup was made */
    if ((refreshing->serving - refreshing->opened.epochs->numbers[refreshing->opened.epochs->count - 1]) % 2 == 0) {
        SHERD_TRY(old->anchor->ops->epoch_begin(old->anchor, &epoch));
        SHERD_TRY(rekey_and_end(old));
    }
    SHERD_TRY(old->anchor->ops->epoch_adopt(old->anchor, file));
    return rekey_and_end(old);
}

static enum sherd_err refresh_vault(struct refreshing *refreshing, struct sherd_vault *old)
{
    struct entities_gone gone = {.refreshing = refreshing, .old = old};
    struct sherd_sweep_stat swept;
    struct sherd_verify_stat verified;

    SHERD_TRY(drop_all_gone(refreshing, old));
    SHERD_TRY(sherd_entity_each(old, NULL, erase_gone, &gone));
    SHERD_TRY(sherd_vault_sweep(old, false, &swept));
    SHERD_TRY(go_over(refreshing, old));
    SHERD_TRY(sherd_vault_verify(old, NULL, NULL, &verified));
    return sherd_backup_write(old, refreshing->out, NULL, &refreshing->info);
}

static enum sherd_err refresh_beside(struct refreshing *refreshing, const char *dir)
{
    const struct sherd_vault_open_options options = {.key_store = refreshing->keys->key_store};
    struct sherd_vault *old = NULL;
    struct sherd_backup_info info;

    SHERD_TRY(sherd_restore_into(&refreshing->opened, dir, NULL, &info));
    SHERD_TRY(sherd_vault_open_restored(dir, refreshing->keys->unseal, &options, &old));
    const enum sherd_err err = refresh_vault(refreshing, old);
    sherd_vault_close(old);
    return err;
}

static enum sherd_err refresh_in(void *arg, const char *dir)
{
    const enum sherd_err err = refresh_beside(arg, dir);

    sherd_epoch_blot(dir);
    return err;
}

static enum sherd_err check_epochs(struct refreshing *refreshing)
{
    const struct sherd_bundle_head *head = sherd_bundle_head_of(refreshing->opened.reader);
    struct sherd_uuid deployment;
    uint64_t numbers[2];

    refreshing->epoch = (struct sherd_buf){.max = 4096};
    SHERD_TRY(sherd_epoch_export(refreshing->vault, &refreshing->epoch, &refreshing->serving));
    SHERD_TRY(sherd_epoch_export_look(sherd_buf_span(&refreshing->epoch), &deployment, numbers));
    SHERD_ENSURE(sherd_same(&deployment, &head->deployment, sizeof(deployment)), SHERD_ERR_CONFLICT,
                 "the backup is another vault's");
    SHERD_ENSURE(head->epoch < refreshing->serving, SHERD_ERR_CONFLICT,
                 "the backup is of the erase epoch that serves: there is nothing to refresh");
    return SHERD_OK;
}

enum sherd_err sherd_backup_refresh(struct sherd_vault *vault, const struct sherd_backup_in *in,
                                    const struct sherd_backup_keys *keys, const char *scratch,
                                    const struct sherd_backup_out *out, struct sherd_backup_info *out_info,
                                    struct sherd_refresh_stat *out_stat)
{
    struct refreshing refreshing = {.vault = vault, .keys = keys, .out = out};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_ENSURE(out != NULL && out->write != NULL && scratch != NULL && scratch[0] != 0 && out_info != NULL &&
                     out_stat != NULL,
                 SHERD_ERR_INVALID, "places for the backup, for the work and for the answers are needed");
    enum sherd_err err = sherd_bundle_open(in, keys, &refreshing.opened);
    if (err == SHERD_OK)
        err = check_epochs(&refreshing);
    if (err == SHERD_OK)
        err = sherd_place_try(scratch, refresh_in, &refreshing);
    sherd_buf_done(&refreshing.epoch);
    sherd_bundle_opened_done(&refreshing.opened);
    if (err == SHERD_OK) {
        *out_info = refreshing.info;
        *out_stat = refreshing.stat;
    }
    return err;
}
