/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a version, for callers. */
#include "base/mem.h"
#include "cryptor/links.h"
#include "cryptor/load.h"
#include "envelope/attributes.h"
#include "envelope/recipient.h"
#include <string.h>

static void free_text(char *text)
{
    if (text != NULL)
        sherd_wipe(text, strlen(text));
    sherd_free(text);
}

void sherd_record_info_free(struct sherd_record_info *info)
{
    if (info == NULL)
        return;
    for (size_t i = 0; i < info->attribute_count; i++) {
        free_text((char *)info->attributes[i].name);
        sherd_wipe((void *)info->attributes[i].value.data, info->attributes[i].value.len);
        sherd_free((void *)info->attributes[i].value.data);
    }
    sherd_free(info->attributes);
    free_text(info->collection);
    free_text(info->entity);
    free_text(info->content_type);
    free_text(info->recipient);
    sherd_links_forget(info);
    sherd_wipe(info, sizeof(*info));
    sherd_free(info);
}

/* A copy of bytes with a zero byte behind them, as text or as a value. */
static void *copy_bytes(struct sherd_span bytes)
{
    uint8_t *copy = sherd_alloc(bytes.len + 1);

    if (copy != NULL && bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    return copy;
}

static enum sherd_err copy_attribute(struct sherd_span name, struct sherd_span value, struct sherd_record_info *info)
{
    struct sherd_attribute *attribute = &info->attributes[info->attribute_count];

    attribute->name = copy_bytes(name);
    attribute->value = sherd_span_of(copy_bytes(value), value.len);
    if (attribute->name == NULL || attribute->value.data == NULL) {
        sherd_free((void *)attribute->name);
        sherd_free((void *)attribute->value.data);
        return SHERD_ERR_NO_MEMORY;
    }
    info->attribute_count++;
    return SHERD_OK;
}

static enum sherd_err copy_attributes(struct sherd_span encoded, struct sherd_record_info *info)
{
    struct sherd_span previous = {0};
    size_t count;

    SHERD_TRY(sherd_attributes_check(encoded, &count));
    info->attributes = sherd_alloc_array(count + 1, sizeof(*info->attributes));
    if (info->attributes == NULL)
        return SHERD_ERR_NO_MEMORY;
    while (encoded.len > 0) {
        struct sherd_span name;
        struct sherd_span value;

        SHERD_TRY(sherd_attributes_next(&encoded, &previous, &name, &value));
        SHERD_TRY(copy_attribute(name, value, info));
    }
    return SHERD_OK;
}

/* Whom it is sealed to, and how long what was sealed is. */
static enum sherd_err fill_recipient(const struct sherd_map *map, struct sherd_record_info *info)
{
    char text[SHERD_RECIPIENT_CHARS_MAX + 1] = "";
    struct sherd_buf written = sherd_buf_borrow(text, SHERD_RECIPIENT_CHARS_MAX);
    struct sherd_kem_public recipient;

    info->content_bytes = map->content_bytes;
    if (map->recipient.len > 0) {
        SHERD_TRY(sherd_recipient_decode(map->recipient, &recipient));
        SHERD_TRY(sherd_recipient_plain_bytes(recipient.kem, map->content_bytes, &info->content_bytes));
        SHERD_TRY(sherd_recipient_text(&recipient, &written));
        text[written.len] = '\0';
    }
    info->recipient = sherd_strdup(text);
    return info->recipient != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
}

static enum sherd_err fill(struct sherd_vault *vault, const struct sherd_pin_view *view, const struct sherd_map *map,
                           struct sherd_record_info *info)
{
    struct sherd_collection_entry collection;

    SHERD_TRY(sherd_vault_collection_by_id(vault, &map->collection, &collection));
    info->id = map->record;
    info->version = map->version;
    info->version_current = view->version_current;
    info->version_oldest = view->version_oldest;
    info->stored_bytes = map->fragment_bytes;
    info->created_s = (int64_t)map->created_s;
    info->asynchronous = collection.rules.asynchronous;
    info->verified_s = view->verified_s;
    info->collection = sherd_strdup(collection.rules.name);
    info->entity = sherd_strdup(map->entity_id);
    info->content_type = sherd_strdup(map->content_type);
    if (info->collection == NULL || info->entity == NULL || info->content_type == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(fill_recipient(map, info));
    SHERD_TRY(sherd_links_tell(vault, map->links, info));
    memcpy(info->first_digest, map->has_first ? map->first.bytes : view->pin.digest.bytes, sizeof(info->first_digest));
    return copy_attributes(map->attributes, info);
}

enum sherd_err sherd_record_info_new(struct sherd_vault *vault, const struct sherd_pin_view *view,
                                     const struct sherd_map *map, struct sherd_record_info **out_info)
{
    struct sherd_record_info *info = sherd_alloc(sizeof(*info));

    if (info == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = fill(vault, view, map, info);
    if (err != SHERD_OK) {
        sherd_record_info_free(info);
        return err;
    }
    *out_info = info;
    return SHERD_OK;
}

enum sherd_err sherd_record_stat(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                                 struct sherd_record_info **out_info)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_info != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(sherd_locate(vault, id, version, &loaded));
    return sherd_record_info_new(vault, &loaded.view, &loaded.map, out_info);
}
