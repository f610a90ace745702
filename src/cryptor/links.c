/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links: see links.h. A link to a record holds the digest of the first fragment that the record ever had: ids of
 * secrets follow from their paths, so one that was deleted and made again bears the same id and is another record.
 */
#include "cryptor/links.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "cryptor/load.h"
#include <string.h>

/* --- making ------------------------------------------------------------------------------------------------------- */

static enum sherd_err resolve_record(struct sherd_vault *vault, const struct sherd_record_link *link,
                                     struct sherd_link_entry *out_entry)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};

    const enum sherd_err err = sherd_locate(vault, link->record, link->version, &loaded);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "a link names a record, or a version of one, that is not there");
    SHERD_TRY(err);
    out_entry->record = link->record;
    out_entry->version = link->version;
    sherd_loaded_first(&loaded, &out_entry->first);
    return SHERD_OK;
}

static enum sherd_err resolve_entity(struct sherd_vault *vault, const struct sherd_record_link *link,
                                     struct sherd_link_entry *out_entry)
{
    struct sherd_collection_entry collection;

    SHERD_ENSURE(link->entity != NULL, SHERD_ERR_INVALID, "a link to an entity needs its id");
    SHERD_TRY(sherd_vault_collection(vault, link->collection, &collection));
    const enum sherd_err err = vault->anchor->ops->entity_find(vault->anchor, &collection.id, link->entity,
                                                               &out_entry->entity);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "a link names an entity that is not there");
    out_entry->collection = collection.id;
    return err;
}

static enum sherd_err resolve(struct sherd_vault *vault, const struct sherd_record_link *link,
                              struct sherd_link_entry *out_entry)
{
    const size_t role_bytes = link->role != NULL ? strlen(link->role) : 0;

    SHERD_ENSURE(role_bytes <= SHERD_LINK_ROLE_BYTES_MAX, SHERD_ERR_INVALID, "a link's role has at most 31 bytes");
    SHERD_ENSURE(link->kind == SHERD_LINK_RECORD || link->kind == SHERD_LINK_ENTITY, SHERD_ERR_INVALID,
                 "a link names a record or an entity");
    out_entry->kind = link->kind;
    if (role_bytes > 0)
        memcpy(out_entry->role, link->role, role_bytes);
    return link->kind == SHERD_LINK_RECORD ? resolve_record(vault, link, out_entry)
                                           : resolve_entity(vault, link, out_entry);
}

enum sherd_err sherd_links_resolve(struct sherd_vault *vault, const struct sherd_record_link *links, size_t count,
                                   struct sherd_buf *out_bytes)
{
    SHERD_ENSURE(count <= SHERD_LINKS_MAX, SHERD_ERR_INVALID, "a record has at most 16 links");
    SHERD_ENSURE(links != NULL || count == 0, SHERD_ERR_INVALID, "links are needed");
    for (size_t i = 0; i < count; i++) {
        struct sherd_link_entry entry = {.version = 0};

        SHERD_TRY(resolve(vault, &links[i], &entry));
        SHERD_TRY(sherd_links_append(&entry, out_bytes));
    }
    return SHERD_OK;
}

/* --- looking for what they name ----------------------------------------------------------------------------------- */

static enum sherd_err check_record(struct sherd_vault *vault, const struct sherd_link_entry *link,
                                   enum sherd_link_state *out_state)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};
    struct sherd_digest first;

    const enum sherd_err err = sherd_locate(vault, link->record, link->version, &loaded);
    if (err == SHERD_ERR_NOT_FOUND) {
        *out_state = SHERD_LINK_DANGLES;
        return SHERD_OK;
    }
    if (err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED) {
        *out_state = SHERD_LINK_UNSURE;
        return SHERD_OK;
    }
    SHERD_TRY(err);
    sherd_loaded_first(&loaded, &first);
    *out_state = sherd_same(&first, &link->first, sizeof(first)) ? SHERD_LINK_HOLDS : SHERD_LINK_CHANGED;
    return SHERD_OK;
}

/* What the anchor says of one entity. */
struct sought {
    const struct sherd_ref *entity;
    bool found;
    bool verifies;
    struct sherd_entity_key_entry entry;
};

static enum sherd_err look_at(void *arg, const struct sherd_anchor_entry *entry)
{
    struct sought *sought = arg;

    if (!sherd_same(&entry->name, sought->entity, sizeof(entry->name)))
        return SHERD_OK;
    sought->found = true;
    sought->verifies = entry->entity != NULL;
    if (sought->verifies)
        sought->entry = *entry->entity;
    return SHERD_OK;
}

/* An entity's entry in `keys` is named by its ref: so it is the first one behind the name before that. */
static enum sherd_err seek_entity(struct sherd_vault *vault, const struct sherd_ref *entity, struct sought *out_sought)
{
    struct sherd_ref before = *entity;
    struct sherd_ref last;
    size_t count;

    *out_sought = (struct sought){.entity = entity};
    for (size_t i = sizeof(before.bytes); i > 0 && before.bytes[i - 1]-- == 0; i--)
        ;
    return vault->anchor->ops->scan(vault->anchor, &before, 1, look_at, out_sought, &last, &count);
}

static void sought_wipe(struct sought *sought)
{
    sherd_wipe(sought, sizeof(*sought));
}

static enum sherd_err check_entity(struct sherd_vault *vault, const struct sherd_link_entry *link,
                                   enum sherd_link_state *out_state)
{
    SHERD_CLEANUP(sought_wipe) struct sought sought = {0};

    SHERD_TRY(seek_entity(vault, &link->entity, &sought));
    if (sought.found && !sought.verifies)
        *out_state = SHERD_LINK_UNSURE;
    else if (!sought.found || sought.entry.state == SHERD_ENTITY_ERASED)
        *out_state = SHERD_LINK_DANGLES;
    else
        *out_state = sherd_same(&sought.entry.collection, &link->collection, sizeof(link->collection))
                         ? SHERD_LINK_HOLDS
                         : SHERD_LINK_CHANGED;
    return SHERD_OK;
}

enum sherd_err sherd_link_check(struct sherd_vault *vault, const struct sherd_link_entry *link,
                                enum sherd_link_state *out_state)
{
    return link->kind == SHERD_LINK_RECORD ? check_record(vault, link, out_state)
                                           : check_entity(vault, link, out_state);
}

/* --- telling of them ---------------------------------------------------------------------------------------------- */

/* Whose data it is, in words; "" where the entity was erased, or the caller may not know. */
static enum sherd_err tell_entity(struct sherd_vault *vault, const struct sherd_link_entry *entry,
                                  struct sherd_record_link *link)
{
    SHERD_CLEANUP(sought_wipe) struct sought sought = {0};
    struct sherd_collection_entry collection;

    SHERD_TRY(sherd_vault_collection_by_id(vault, &entry->collection, &collection));
    link->collection = sherd_strdup(collection.rules.name);
    SHERD_TRY(seek_entity(vault, &entry->entity, &sought));
    link->entity = sherd_strdup(sought.entry.entity_id);
    return link->collection != NULL && link->entity != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
}

static enum sherd_err tell(struct sherd_vault *vault, const struct sherd_link_entry *entry,
                           struct sherd_record_link *link)
{
    link->kind = entry->kind;
    link->record = entry->record;
    link->version = entry->version;
    link->role = sherd_strdup(entry->role);
    if (link->role == NULL)
        return SHERD_ERR_NO_MEMORY;
    return entry->kind == SHERD_LINK_ENTITY ? tell_entity(vault, entry, link) : SHERD_OK;
}

enum sherd_err sherd_links_tell(struct sherd_vault *vault, struct sherd_span bytes, struct sherd_record_info *info)
{
    size_t count;

    SHERD_TRY(sherd_links_check(bytes, &count));
    if (count == 0)
        return SHERD_OK;
    info->links = sherd_alloc_array(count, sizeof(*info->links));
    if (info->links == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct sherd_link_entry entry;

        info->link_count = i + 1;
        SHERD_TRY(sherd_links_next(&bytes, &entry));
        SHERD_TRY(tell(vault, &entry, &info->links[i]));
    }
    return SHERD_OK;
}

static void free_text(const char *text)
{
    if (text != NULL)
        sherd_wipe((void *)text, strlen(text));
    sherd_free((void *)text);
}

void sherd_links_forget(struct sherd_record_info *info)
{
    for (size_t i = 0; i < info->link_count; i++) {
        free_text(info->links[i].role);
        free_text(info->links[i].collection);
        free_text(info->links[i].entity);
    }
    sherd_free(info->links);
}
