/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing: a page of pins at a time, each then looked up as for a stat.
 *
 * Pins and not map entries, since the head of a record keeps its name for the record's whole life: a record that is
 * updated meanwhile is neither passed over nor met twice, and one whose map entry was removed is a violation, not a
 * gap.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "cryptor/load.h"

/* Records that are gathered before the visitor sees them: while it runs, no snapshot is held. */
#define PAGE_MAX 256U
/* Entries of `keys` that are looked at for a page. */
#define SCAN_MAX 512U

struct listed {
    struct sherd_ref name; /* of the record's head */
    struct sherd_uuid id;
};

struct page {
    struct sherd_vault *vault;
    const struct sherd_uuid *collection; /* NULL for all */
    const struct sherd_ref *entity;      /* NULL for all */
    size_t count;
    size_t count_max;
    struct listed records[PAGE_MAX];
};

static enum sherd_err gather(void *arg, const struct sherd_anchor_entry *entry)
{
    struct page *page = arg;

    if (entry->status != SHERD_OK && entry->status != SHERD_ERR_DENIED) /* what is refused is there, and listed */
        return sherd_fail(entry->status, "an entry of keys does not verify");
    if (entry->kind != SHERD_KIND_PIN || entry->erased)
        return SHERD_OK;
    if (page->collection != NULL && !sherd_same(page->collection, &entry->pin->collection, sizeof(*page->collection)))
        return SHERD_OK;
    if (page->entity != NULL && !sherd_same(page->entity, &entry->pin->entity, sizeof(*page->entity)))
        return SHERD_OK;
    if (page->count == page->count_max)
        return SHERD_ERR_LIMIT; /* the page is full; taken back in fill() */
    page->records[page->count++] = (struct listed){.name = entry->name, .id = entry->pin->record};
    return SHERD_OK;
}

/* @param[in,out] after  where to begin, and where the next page begins; started says whether it is set */
static enum sherd_err fill(struct page *page, struct sherd_ref *after, bool started, bool *out_ended)
{
    struct sherd_anchor *anchor = page->vault->anchor;
    struct sherd_ref last = *after;
    size_t seen = 0;

    const enum sherd_err err = anchor->ops->scan(anchor, started ? after : NULL, SCAN_MAX, gather, page, &last, &seen);
    *out_ended = false;
    if (err == SHERD_ERR_LIMIT && page->count == page->count_max) {
        *after = page->records[page->count - 1].name;
        return SHERD_OK;
    }
    SHERD_TRY(err);
    *out_ended = seen < SCAN_MAX;
    *after = last;
    return SHERD_OK;
}

static void cursor_set(struct sherd_cursor *cursor, const struct sherd_ref *name)
{
    memcpy(cursor->bytes, name->bytes, sizeof(cursor->bytes));
    cursor->started = true;
}

/* Show one record as it is now. @param[out] out_shown  false if it was deleted meanwhile */
static enum sherd_err show_one(struct sherd_vault *vault, const struct sherd_uuid *id, sherd_record_visit_fn *visit,
                               void *arg, bool *out_shown)
{
    struct sherd_record_info *info = NULL;
    enum sherd_err err = sherd_record_stat(vault, *id, 0, &info);

    *out_shown = err == SHERD_OK;
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    err = visit(arg, info);
    sherd_record_info_free(info);
    return err;
}

static enum sherd_err show(struct page *page, struct sherd_cursor *cursor, sherd_record_visit_fn *visit, void *arg,
                           size_t *shown)
{
    for (size_t i = 0; i < page->count; i++) {
        bool one;

        SHERD_TRY(show_one(page->vault, &page->records[i].id, visit, arg, &one));
        cursor_set(cursor, &page->records[i].name);
        *shown += one;
    }
    return SHERD_OK;
}

static enum sherd_err list_pages(struct page *page, struct sherd_cursor *cursor, size_t count_max,
                                 sherd_record_visit_fn *visit, void *arg)
{
    size_t shown = 0;

    while (!cursor->ended && (count_max == 0 || shown < count_max)) {
        const size_t left = count_max - shown;
        struct sherd_ref after;
        bool ended;

        page->count = 0;
        page->count_max = count_max == 0 || left > PAGE_MAX ? PAGE_MAX : left;
        memcpy(after.bytes, cursor->bytes, sizeof(after.bytes));
        SHERD_TRY(fill(page, &after, cursor->started, &ended));
        SHERD_TRY(show(page, cursor, visit, arg, &shown));
        cursor_set(cursor, &after);
        cursor->ended = ended;
    }
    return SHERD_OK;
}

/* collection and entity: NULL for all */
static enum sherd_err list(struct sherd_vault *vault, const struct sherd_uuid *collection,
                           const struct sherd_ref *entity, struct sherd_cursor *cursor, size_t count_max,
                           sherd_record_visit_fn *visit, void *arg)
{
    struct page *page = sherd_alloc(sizeof(*page));

    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    page->vault = vault;
    page->collection = collection;
    page->entity = entity;
    const enum sherd_err err = list_pages(page, cursor, count_max, visit, arg);
    sherd_free(page);
    return err;
}

enum sherd_err sherd_record_list(struct sherd_vault *vault, const char *collection, struct sherd_cursor *cursor,
                                 size_t count_max, sherd_record_visit_fn *visit, void *arg)
{
    struct sherd_collection_entry only;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(cursor != NULL && visit != NULL, SHERD_ERR_INVALID, "a cursor and a visitor are needed");
    if (collection != NULL)
        SHERD_TRY(sherd_vault_collection(vault, collection, &only));
    return list(vault, collection != NULL ? &only.id : NULL, NULL, cursor, count_max, visit, arg);
}

enum sherd_err sherd_record_list_of(struct sherd_vault *vault, const char *collection, const char *entity,
                                    struct sherd_cursor *cursor, size_t count_max, sherd_record_visit_fn *visit,
                                    void *arg)
{
    struct sherd_collection_entry only;
    struct sherd_ref ref;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(entity != NULL && cursor != NULL && visit != NULL, SHERD_ERR_INVALID,
                 "an entity, a cursor and a visitor are needed");
    SHERD_TRY(sherd_vault_collection(vault, collection, &only));
    SHERD_TRY(vault->anchor->ops->entity_find(vault->anchor, &only.id, entity, &ref));
    return list(vault, &only.id, &ref, cursor, count_max, visit, arg);
}
