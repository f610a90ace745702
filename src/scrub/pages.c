/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over `keys`: see pages.h. Its threads share the names out by their first byte, in a few ranges a thread:
 * each begins with a scan, which looks through the journals of the engine first.
 */
#include "scrub/pages.h"
#include "base/bytes.h"
#include "base/mem.h"

/* First bytes of a name; and into how many ranges names are split for each thread. */
#define FIRST_BYTES 256U
#define THREAD_RANGES 8U

struct walk {
    struct sherd_vault *vault;
    sherd_page_fn *fn;
    void *arg;
    unsigned ranges; /* a power of two, up to FIRST_BYTES */
    unsigned first;  /* of those that are walked */
};

/* A page that is being gathered. */
struct gather {
    struct sherd_page *page;
    unsigned last_byte; /* of the first bytes of the range's names */
    bool past;          /* the range is done: the scan was ended by us */
};

static enum sherd_err gather(void *arg, const struct sherd_anchor_entry *entry)
{
    struct gather *gather = arg;
    struct sherd_page *page = gather->page;
    struct sherd_page_entry *out = &page->entries[page->count];

    gather->past = entry->name.bytes[0] > gather->last_byte;
    if (gather->past)
        return SHERD_ERR_LIMIT; /* taken back in walk_range() */
    *out = (struct sherd_page_entry){
        .name = entry->name, .kind = entry->kind, .status = entry->status, .pinned_damaged = entry->pinned_damaged};
    if (entry->pin != NULL) {
        out->id = entry->pin->record;
        out->version = entry->pin->version;
        out->version_oldest = entry->pin->version_oldest;
        out->map = entry->pin->map;
        out->erased = entry->erased;
    }
    if (entry->collection != NULL)
        out->id = *entry->collection;
    page->count++;
    return SHERD_OK;
}

/* The name just before another one, to begin a scan there. @return false: there is none before it */
static bool name_before(const struct sherd_ref *name, struct sherd_ref *out_before)
{
    size_t i = sizeof(name->bytes);

    *out_before = *name;
    while (i > 0 && out_before->bytes[i - 1] == 0)
        out_before->bytes[--i] = 0xff;
    if (i == 0)
        return false;
    out_before->bytes[i - 1]--;
    return true;
}

static enum sherd_err walk_pages(const struct walk *walk, unsigned range, struct sherd_page *page)
{
    struct sherd_anchor *anchor = walk->vault->anchor;
    const unsigned bytes = FIRST_BYTES / walk->ranges;
    const struct sherd_ref first = {{(uint8_t)(range * bytes)}};
    struct gather state = {.page = page, .last_byte = range * bytes + bytes - 1};
    struct sherd_ref after;
    const struct sherd_ref *from = name_before(&first, &after) ? &after : NULL;
    size_t seen = SHERD_PAGE_MAX;

    while (seen == SHERD_PAGE_MAX && !state.past) {
        struct sherd_ref last;

        page->count = 0;
        const enum sherd_err err = anchor->ops->scan(anchor, from, SHERD_PAGE_MAX, gather, &state, &last, &seen);
        if (!state.past) {
            SHERD_TRY(err);
            after = last;
            from = &after;
        }
        if (page->count > 0)
            SHERD_TRY(walk->fn(walk->arg, page));
    }
    return SHERD_OK;
}

static enum sherd_err walk_range(void *arg, size_t index)
{
    struct sherd_page *page = sherd_alloc(sizeof(*page));

    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    const struct walk *walk = arg;
    const enum sherd_err err = walk_pages(walk, walk->first + (unsigned)index, page);
    sherd_free(page);
    return err;
}

enum sherd_err sherd_pages_each(struct sherd_vault *vault, sherd_page_fn *fn, void *arg)
{
    struct walk walk = {.vault = vault, .fn = fn, .arg = arg, .ranges = 1};

    while (walk.ranges < FIRST_BYTES && walk.ranges < THREAD_RANGES * sherd_pool_threads(vault->pool))
        walk.ranges *= 2;
    return sherd_pool_each(vault->pool, walk.ranges, walk_range, &walk);
}

enum sherd_err sherd_pages_some(struct sherd_vault *vault, unsigned first, unsigned count, sherd_page_fn *fn, void *arg)
{
    struct walk walk = {.vault = vault, .fn = fn, .arg = arg, .ranges = SHERD_PAGES_RANGES, .first = first};

    SHERD_ENSURE(count > 0 && first < walk.ranges && count <= walk.ranges - first, SHERD_ERR_INVALID,
                 "no such ranges of names");
    return sherd_pool_each(vault->pool, count, walk_range, &walk);
}

/* --- pins and their heads ---------------------------------------------------------------------------------------- */

struct again {
    const struct sherd_page_entry *entry;
    bool there;
};

static enum sherd_err meet_again(void *arg, const struct sherd_anchor_entry *entry)
{
    struct again *again = arg;

    again->there = entry->status == SHERD_OK && entry->kind == again->entry->kind &&
                   sherd_same(&entry->name, &again->entry->name, sizeof(entry->name));
    return SHERD_OK;
}

/* Whether an entry lies in `keys` still. */
static enum sherd_err is_still_there(struct sherd_vault *vault, const struct sherd_page_entry *entry, bool *out_there)
{
    struct again again = {.entry = entry};
    struct sherd_ref before;
    struct sherd_ref last;
    size_t seen;

    const bool any_before = name_before(&entry->name, &before);
    SHERD_TRY(vault->anchor->ops->scan(vault->anchor, any_before ? &before : NULL, 1, meet_again, &again, &last,
                                       &seen));
    *out_there = again.there;
    return SHERD_OK;
}

/*
 * Heads and older pins change together, and versions only grow: a pin that its head did not promise, and that is there
 * after the head was read, was not put there by us.
 */
enum sherd_err sherd_pin_is_stray(struct sherd_vault *vault, const struct sherd_page_entry *entry, bool *out_stray)
{
    struct sherd_pin_view head;

    *out_stray = false;
    const enum sherd_err err = vault->anchor->ops->pin_get(vault->anchor, entry->id, 0, &head, NULL);
    if (err == SHERD_OK && entry->version >= head.version_oldest && entry->version < head.version_current)
        return SHERD_OK;
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
        return err;
    return is_still_there(vault, entry, out_stray);
}

/* A version that has gone since is "not found": the anchor answers out of one state. */
enum sherd_err sherd_pin_find_missing(struct sherd_vault *vault, const struct sherd_page_entry *head, uint64_t version,
                                      uint64_t *out_missing)
{
    *out_missing = 0;
    if (version < head->version_oldest)
        version = head->version_oldest;
    for (; version < head->version; version++) {
        struct sherd_pin_view view;
        const enum sherd_err err = vault->anchor->ops->pin_get(vault->anchor, head->id, version, &view, NULL);

        if (err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED) {
            *out_missing = version;
            return SHERD_OK;
        }
        if (err != SHERD_ERR_NOT_FOUND)
            SHERD_TRY(err);
    }
    return SHERD_OK;
}
