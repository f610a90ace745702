/* SPDX-License-Identifier: Apache-2.0 */
/* Master keys and entities, for callers: <sherd/keys.h>. The anchor does the work. */
#include "anchor/keys/entities.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "cryptor/vault.h"
#include "kms/protection.h"
#include <stdio.h>
#include <string.h>

/* Names of store keys begin so. */
#define STORE_KEY_PREFIX "store:"

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

/*
 * See to it that nobody writes anything more under an older version of a store key: the anchor tells all that there is
 * a newer one, and then there is an instant at which no put is under way.
 */
static enum sherd_err settle(struct sherd_vault *vault, const char *name, uint64_t version)
{
    SHERD_TRY(vault->anchor->ops->master_retire(vault->anchor, name, version));
    SHERD_TRY(sherd_window_enter(vault->window, true));
    sherd_window_leave(vault->window, true);
    return SHERD_OK;
}

enum sherd_err sherd_master_destroy(struct sherd_vault *vault, const char *name, uint64_t version)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(name != NULL, SHERD_ERR_INVALID, "a master key needs a name");
    SHERD_TRY(sherd_vault_check_writable(vault));
    if (strncmp(name, STORE_KEY_PREFIX, sizeof(STORE_KEY_PREFIX) - 1) == 0)
        SHERD_TRY(settle(vault, name, version));
    return vault->anchor->ops->master_destroy(vault->anchor, name, version);
}

/* --- the protection key ------------------------------------------------------------------------------------------- */

enum sherd_err sherd_protection_each(struct sherd_vault *vault, sherd_protection_visit_fn *visit, void *arg)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the protection key");
    return vault->anchor->ops->protection_each(vault->anchor, visit, arg);
}

enum sherd_err sherd_protection_rotate(struct sherd_vault *vault, uint64_t *out_version)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_writable(vault));
    return vault->anchor->ops->protection_rotate(vault->anchor, NULL, out_version);
}

enum sherd_err sherd_protection_use_key_store(struct sherd_vault *vault, const struct sherd_key_store_file *store,
                                              uint64_t *out_version)
{
    char path[SHERD_KEY_STORE_PATH_SIZE];

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(store != NULL && store->path != NULL, SHERD_ERR_INVALID,
                 "say which file the key store is, with --key-store");
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_key_file_path(store->path, path)); /* an agent has another working directory */
    const struct sherd_key_store_file turn_on = {.path = path, .password = store->password};
    return vault->anchor->ops->protection_rotate(vault->anchor, &turn_on, out_version);
}

static enum sherd_err refuse_outside(void *arg, const struct sherd_protection_info *info)
{
    (void)arg;
    SHERD_ENSURE(!info->serves || !info->outside, SHERD_ERR_DENIED,
                 "the key store is never turned off: who could take the protection key out of it could take the "
                 "protection away; for another protection, make a new vault and import into it");
    return SHERD_OK;
}

enum sherd_err sherd_protection_use_keyring(struct sherd_vault *vault)
{
    return sherd_protection_each(vault, refuse_outside, NULL);
}

/* --- entities ----------------------------------------------------------------------------------------------------- */

/* The versions of master keys that there are, asked for once a page. */
struct masters {
    size_t count;
    struct sherd_master_info at[SHERD_MASTERS_MAX];
};

/* A page of entities: gathered in a scan, told of after it. */
struct page {
    const struct sherd_uuid *collection; /* NULL for all */
    size_t count;
    struct sherd_entity_key_entry entities[PAGE_MAX];
    struct masters masters;
};

static enum sherd_err gather(void *arg, const struct sherd_anchor_entry *entry)
{
    struct page *page = arg;

    if (entry->status != SHERD_OK && entry->status != SHERD_ERR_DENIED) /* what is refused is there, and listed */
        return sherd_fail(entry->status, "an entry of keys does not verify");
    if (entry->entity == NULL || entry->entity->state == SHERD_ENTITY_ERASED ||
        sherd_same(&entry->entity->collection, &sherd_named_keys, sizeof(sherd_named_keys)) ||
        (page->collection != NULL && !sherd_same(page->collection, &entry->entity->collection, 16)))
        return SHERD_OK;
    page->entities[page->count++] = *entry->entity;
    return SHERD_OK;
}

static enum sherd_err note_master(void *arg, const struct sherd_master_info *master)
{
    struct masters *masters = arg;

    if (master->limit != 0 && masters->count < SHERD_COUNT_OF(masters->at)) /* the others wrap nothing */
        masters->at[masters->count++] = *master;
    return SHERD_OK;
}

static void name_master(const struct masters *masters, const struct sherd_ref *kid, struct sherd_entity_info *info)
{
    for (size_t i = 0; i < masters->count; i++) {
        const struct sherd_master_info *master = &masters->at[i];

        if (!sherd_same(kid->bytes, master->kid, sizeof(kid->bytes)))
            continue;
        memcpy(info->master_key, master->name, sizeof(info->master_key));
        info->master_version = master->version;
    }
}

static enum sherd_err tell(struct sherd_vault *vault, const struct masters *masters,
                           const struct sherd_entity_key_entry *entity, sherd_entity_visit_fn *visit, void *arg)
{
    struct sherd_collection_entry collection;
    struct sherd_entity_info info = {
        .key_version = entity->version, .derived = entity->derived, .epoch = entity->epoch};

    SHERD_TRY(sherd_vault_collection_by_id(vault, &entity->collection, &collection));
    name_master(masters, &entity->master, &info);
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
        page->masters.count = 0;
        if (page->count > 0)
            SHERD_TRY(anchor->ops->master_each(anchor, note_master, &page->masters));
        for (size_t i = 0; i < page->count; i++)
            SHERD_TRY(tell(vault, &page->masters, &page->entities[i], visit, arg));
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
    SHERD_TRY(sherd_vault_check_maintains(vault));
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
    SHERD_ENSURE(!found.rules.readable, SHERD_ERR_INVALID,
                 "what lies in clear is not erased by destroying a key: delete the records of that collection");
    return vault->anchor->ops->entity_erase(vault->anchor, &found.id, id);
}
