/* SPDX-License-Identifier: Apache-2.0 */
/* Listing: a page of map entries at a time, each shown only if its record's pin says that it is the current one. */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/load.h"

/* Records that are gathered before the visitor sees them: while it runs, no snapshot is held. */
#define PAGE_MAX 256U

struct page {
    struct sherd_vault *vault;
    const struct sherd_uuid *collection; /* NULL for all */
    uint8_t *block;                      /* secret memory for one payload */
    size_t count;
    size_t count_max;
    struct sherd_ref names[PAGE_MAX];
    struct sherd_record_info *infos[PAGE_MAX];
};

static enum sherd_err add(struct page *page, struct sherd_ref name, const struct sherd_map *map)
{
    struct sherd_anchor *anchor = page->vault->anchor;
    struct sherd_pin_view view;

    if (page->collection != NULL && !sherd_same(page->collection, &map->collection, sizeof(map->collection)))
        return SHERD_OK;
    const enum sherd_err err = anchor->ops->pin_get(anchor, map->record, 0, &view, NULL);
    if (err == SHERD_ERR_NOT_FOUND || (err == SHERD_OK && !sherd_same(&view.pin.map, &name, sizeof(name))))
        return SHERD_OK; /* what a crash left, or an older version */
    SHERD_TRY(err);
    SHERD_TRY(sherd_record_info_new(page->vault, &view, map, &page->infos[page->count]));
    page->names[page->count++] = name;
    return SHERD_OK;
}

static enum sherd_err visit_entry(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct page *page = arg;
    struct sherd_buf payload = sherd_buf_borrow(page->block, SHERD_PAYLOAD_BYTES_MAX);
    struct sherd_map map;

    if (page->count == page->count_max)
        return SHERD_ERR_LIMIT;                             /* the page is full; taken back in fill() */
    if (!sherd_assets_is_map(&page->vault->assets, stored)) /* or a map entry that was changed to look like none */
        return sherd_assets_entry_check(&page->vault->assets, &name, stored);
    SHERD_TRY(sherd_assets_map_open(&page->vault->assets, &name, stored, &payload, &map));
    return add(page, name, &map);
}

static enum sherd_err fill(struct page *page, const struct sherd_cursor *cursor, bool *out_ended)
{
    struct sherd_snapshot *snapshot;
    struct sherd_ref after;

    memcpy(after.bytes, cursor->bytes, sizeof(after.bytes));
    SHERD_TRY(sherd_compartment_snapshot_begin(page->vault->assets.compartment, &snapshot));
    enum sherd_err err = sherd_snapshot_scan(snapshot, cursor->started ? &after : NULL, visit_entry, page);
    sherd_snapshot_end(snapshot);
    *out_ended = err == SHERD_OK;
    if (err == SHERD_ERR_LIMIT && page->count == page->count_max)
        err = SHERD_OK;
    return err;
}

static enum sherd_err show(struct page *page, struct sherd_cursor *cursor, sherd_record_visit_fn *visit, void *arg)
{
    for (size_t i = 0; i < page->count; i++) {
        SHERD_TRY(visit(arg, page->infos[i]));
        memcpy(cursor->bytes, page->names[i].bytes, sizeof(cursor->bytes));
        cursor->started = true;
    }
    return SHERD_OK;
}

static void page_clear(struct page *page)
{
    for (size_t i = 0; i < page->count; i++)
        sherd_record_info_free(page->infos[i]);
    page->count = 0;
}

static enum sherd_err list_pages(struct page *page, struct sherd_cursor *cursor, size_t count_max,
                                 sherd_record_visit_fn *visit, void *arg)
{
    size_t left = count_max;

    while (!cursor->ended && (count_max == 0 || left > 0)) {
        bool ended = false;

        page->count_max = count_max == 0 || left > PAGE_MAX ? PAGE_MAX : left;
        enum sherd_err err = fill(page, cursor, &ended);
        if (err == SHERD_OK)
            err = show(page, cursor, visit, arg);
        left -= page->count;
        page_clear(page);
        SHERD_TRY(err);
        cursor->ended = ended;
    }
    return SHERD_OK;
}

enum sherd_err sherd_record_list(struct sherd_vault *vault, const char *collection, struct sherd_cursor *cursor,
                                 size_t count_max, sherd_record_visit_fn *visit, void *arg)
{
    struct sherd_collection_entry only;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(cursor != NULL && visit != NULL, SHERD_ERR_INVALID, "a cursor and a visitor are needed");
    if (collection != NULL)
        SHERD_TRY(sherd_vault_collection(vault, collection, &only));
    struct page *page = sherd_alloc(sizeof(*page));
    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    page->vault = vault;
    page->collection = collection != NULL ? &only.id : NULL;
    page->block = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    const enum sherd_err err = page->block != NULL ? list_pages(page, cursor, count_max, visit, arg)
                                                   : SHERD_ERR_NO_MEMORY;
    sherd_secret_free(page->block);
    sherd_free(page);
    return err;
}
