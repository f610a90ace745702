/* SPDX-License-Identifier: Apache-2.0 */
/* Master keys and entities, for callers: <sherd/keys.h>. The anchor does the work. */
#include "base/bytes.h"
#include "base/mem.h"
#include "cryptor/vault.h"
#include <stdio.h>

/* Entries of `keys` that are looked at in one go. */
#define PAGE_MAX 512U

enum sherd_err sherd_master_activate(struct sherd_vault *vault, const struct sherd_master_options *options,
                                     uint64_t *out_version)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(options != NULL, SHERD_ERR_INVALID, "a master key needs a name");
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_window_enter(vault->window, false)); /* a backup has its parts and the keyring, or neither */
    const enum sherd_err err = vault->anchor->ops->master_activate(vault->anchor, options, out_version);
    sherd_window_leave(vault->window, false);
    return err;
}

enum sherd_err sherd_master_each(struct sherd_vault *vault, sherd_master_visit_fn *visit, void *arg)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the master keys");
    return vault->anchor->ops->master_each(vault->anchor, visit, arg);
}

enum sherd_err sherd_master_retire(struct sherd_vault *vault, const char *name, uint64_t version)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(name != NULL, SHERD_ERR_INVALID, "a master key needs a name");
    SHERD_TRY(sherd_vault_check_writable(vault));
    return vault->anchor->ops->master_retire(vault->anchor, name, version);
}

enum sherd_err sherd_master_destroy(struct sherd_vault *vault, const char *name, uint64_t version)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(name != NULL, SHERD_ERR_INVALID, "a master key needs a name");
    SHERD_TRY(sherd_vault_check_writable(vault));
    return vault->anchor->ops->master_destroy(vault->anchor, name, version);
}

/* --- entities ----------------------------------------------------------------------------------------------------- */

/* A page of entities: gathered in a scan, told of after it. */
struct page {
    const struct sherd_uuid *collection; /* NULL for all */
    size_t count;
    struct sherd_entity_key_entry entities[PAGE_MAX];
};

static enum sherd_err gather(void *arg, const struct sherd_anchor_entry *entry)
{
    struct page *page = arg;

    if (entry->status != SHERD_OK)
        return sherd_fail(entry->status, "an entry of keys does not verify");
    if (entry->entity == NULL || entry->entity->state == SHERD_ENTITY_ERASED ||
        (page->collection != NULL && !sherd_same(page->collection, &entry->entity->collection, 16)))
        return SHERD_OK;
    page->entities[page->count++] = *entry->entity;
    return SHERD_OK;
}

struct master_of {
    const struct sherd_ref *kid;
    struct sherd_entity_info *info;
};

static enum sherd_err name_master(void *arg, const struct sherd_master_info *master)
{
    const struct master_of *of = arg;

    if (sherd_same(of->kid->bytes, master->kid, sizeof(of->kid->bytes))) {
        memcpy(of->info->master_key, master->name, sizeof(of->info->master_key));
        of->info->master_version = master->version;
    }
    return SHERD_OK;
}

static enum sherd_err tell(struct sherd_vault *vault, const struct sherd_entity_key_entry *entity,
                           sherd_entity_visit_fn *visit, void *arg)
{
    struct sherd_collection_entry collection;
    struct sherd_entity_info info = {
        .key_version = entity->version, .derived = entity->derived, .epoch = entity->epoch};
    struct master_of of = {.kid = &entity->master, .info = &info};

    SHERD_TRY(sherd_vault_collection_by_id(vault, &entity->collection, &collection));
    SHERD_TRY(vault->anchor->ops->master_each(vault->anchor, name_master, &of));
    memcpy(info.collection, collection.rules.name, sizeof(info.collection));
    memcpy(info.id, entity->entity_id, sizeof(info.id));
    const enum sherd_err err = visit(arg, &info);
    sherd_wipe(&info, sizeof(info));
    return err;
}

static enum sherd_err each_page(struct sherd_vault *vault, struct page *page, sherd_entity_visit_fn *visit, void *arg)
{
    struct sherd_anchor *anchor = vault->anchor;
    struct sherd_ref after;
    size_t seen = PAGE_MAX;
    bool first = true;

    while (seen == PAGE_MAX) {
        struct sherd_ref last;

        page->count = 0;
        SHERD_TRY(anchor->ops->scan(anchor, first ? NULL : &after, PAGE_MAX, gather, page, &last, &seen));
        for (size_t i = 0; i < page->count; i++)
            SHERD_TRY(tell(vault, &page->entities[i], visit, arg));
        after = last;
        first = false;
    }
    return SHERD_OK;
}

enum sherd_err sherd_entity_each(struct sherd_vault *vault, const char *collection, sherd_entity_visit_fn *visit,
                                 void *arg)
{
    struct sherd_collection_entry only;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the entities");
    if (collection != NULL)
        SHERD_TRY(sherd_vault_collection(vault, collection, &only));
    struct page *page = sherd_alloc(sizeof(*page));
    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    page->collection = collection != NULL ? &only.id : NULL;
    const enum sherd_err err = each_page(vault, page, visit, arg);
    sherd_wipe(page, sizeof(*page));
    sherd_free(page);
    return err;
}

enum sherd_err sherd_entity_erase(struct sherd_vault *vault, const char *collection, const char *id)
{
    struct sherd_collection_entry found;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(id != NULL, SHERD_ERR_INVALID, "an entity needs an id");
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_vault_collection(vault, collection, &found));
    return vault->anchor->ops->entity_erase(vault->anchor, &found.id, id);
}
