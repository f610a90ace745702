/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves of the ledger that are asked for: see leaves.h. */
#include "anchor/ledger/leaves.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <string.h>

/* What a leaf may have as pseudonym of what it is about: one for each kind of thing. */
static const enum sherd_event_kind kinds[] = {SHERD_EVENT_PUT, SHERD_EVENT_ENTITY, SHERD_EVENT_COLLECTION,
                                              SHERD_EVENT_PRINCIPAL, SHERD_EVENT_NAMED_KEY};

/* A search. */
struct search {
    struct sherd_log *log;
    const struct sherd_leaf_keys *keys;
    const struct sherd_leaf_query *query;
    struct sherd_ref pseudonyms[SHERD_COUNT_OF(kinds)]; /* of the id */
    sherd_leaf_visit_fn *visit;
    void *arg;
    uint64_t count; /* of those that were given */
    uint64_t next;  /* where to go on */
};

static bool same(const struct sherd_ref *a, const struct sherd_ref *b)
{
    return sherd_same(a->bytes, b->bytes, sizeof(a->bytes));
}

static enum sherd_err name_id(struct search *search)
{
    if (search->query->about == SHERD_LEAVES_ALL)
        return SHERD_OK;
    for (size_t i = 0; i < SHERD_COUNT_OF(kinds); i++)
        SHERD_TRY(sherd_leaf_subject(search->keys, kinds[i], &search->query->id, &search->pseudonyms[i]));
    return SHERD_OK;
}

static bool makes_version(const struct sherd_leaf *leaf, uint64_t version)
{
    return (leaf->kind == SHERD_EVENT_PUT || leaf->kind == SHERD_EVENT_UPDATE || leaf->kind == SHERD_EVENT_RESTORE) &&
           leaf->version == version;
}

/* What can be told of a leaf without opening it. */
static bool may_match(const struct search *search, const struct sherd_leaf *leaf)
{
    const struct sherd_leaf_query *query = search->query;

    if (query->about != SHERD_LEAVES_RECORD)
        return true;
    return same(&leaf->subject, &search->pseudonyms[0]) && (query->version == 0 || makes_version(leaf, query->version));
}

static bool matches(const struct search *search, const struct sherd_leaf *leaf, const struct sherd_event *event)
{
    const struct sherd_ref *id = &search->query->id;

    if (search->query->about != SHERD_LEAVES_ID)
        return true;
    for (size_t i = 0; i < SHERD_COUNT_OF(kinds); i++)
        if (same(&leaf->subject, &search->pseudonyms[i]))
            return true;
    return same(&event->actor, id) || same(&event->entity, id) || same(&event->collection, id);
}

/* A leaf as it is met, and as it is given. */
static enum sherd_err look(struct search *search, uint64_t index, struct sherd_span bytes)
{
    struct sherd_leaf_found found = {.index = index, .leaf = bytes};
    struct sherd_leaf leaf;

    SHERD_TRY(sherd_leaf_decode(bytes, &leaf));
    if (!may_match(search, &leaf))
        return SHERD_OK;
    if (search->query->told != SHERD_LEAF_STORED || search->query->about == SHERD_LEAVES_ID)
        SHERD_TRY(sherd_leaf_open(search->keys, bytes, &found.event));
    if (!matches(search, &leaf, &found.event))
        return SHERD_OK;
    if (search->query->told != SHERD_LEAF_STORED)
        SHERD_TRY(sherd_leaf_blinds(search->keys, leaf.id, found.blinds));
    if (search->query->told == SHERD_LEAF_PROVED)
        SHERD_TRY(sherd_log_prove_inclusion(search->log, index, search->query->size, &found.path));
    search->count++;
    return search->visit(search->arg, &found);
}

static bool is_enough(const struct search *search)
{
    return search->count >= search->query->count_max || search->count >= SHERD_LEAVES_MAX;
}

/* --- forwards ----------------------------------------------------------------------------------------------------- */

/* Ends the walk: there are enough. */
#define ENOUGH SHERD_ERR_BUSY

static enum sherd_err look_forwards(void *arg, uint64_t index, struct sherd_span bytes)
{
    struct search *search = arg;

    SHERD_TRY(look(search, index, bytes));
    search->next = index + 1;
    return is_enough(search) ? ENOUGH : SHERD_OK;
}

static enum sherd_err forwards(struct search *search)
{
    const struct sherd_leaf_query *query = search->query;
    const uint64_t left = query->to - query->from;
    const uint64_t end = query->from + (left < SHERD_LEAVES_LOOKED_MAX ? left : SHERD_LEAVES_LOOKED_MAX);

    const enum sherd_err err = sherd_log_each(search->log, query->from, end, look_forwards, search);
    return err == ENOUGH && is_enough(search) ? SHERD_OK : err;
}

/* --- backwards ---------------------------------------------------------------------------------------------------- */

/* The leaves of a bundle, copied, so that they can be looked at from the end. */
struct copies {
    struct sherd_buf bytes;
    uint64_t first;
    size_t count;
    struct {
        size_t begin;
        size_t len;
    } leaves[SHERD_LOG_BUNDLE_LEAVES];
};

static enum sherd_err copy(void *arg, uint64_t index, struct sherd_span bytes)
{
    struct copies *copies = arg;

    (void)index;
    copies->leaves[copies->count].begin = copies->bytes.len;
    copies->leaves[copies->count++].len = bytes.len;
    return sherd_buf_append(&copies->bytes, bytes);
}

static enum sherd_err look_at_copies(struct search *search, const struct copies *copies)
{
    for (size_t i = copies->count; i > 0 && !is_enough(search); i--) {
        const struct sherd_span leaf = sherd_span_of(copies->bytes.data + copies->leaves[i - 1].begin,
                                                     copies->leaves[i - 1].len);

        SHERD_TRY(look(search, copies->first + i - 1, leaf));
        search->next = copies->first + i - 1;
    }
    return SHERD_OK;
}

static enum sherd_err bundle_backwards(struct search *search, struct copies *copies)
{
    const uint64_t to = search->next;
    const uint64_t begin = (to - 1) - (to - 1) % SHERD_LOG_BUNDLE_LEAVES;

    copies->first = begin > search->query->from ? begin : search->query->from;
    copies->count = 0;
    sherd_buf_clear(&copies->bytes);
    SHERD_TRY(sherd_log_each(search->log, copies->first, to, copy, copies));
    return look_at_copies(search, copies);
}

static void copies_free(struct copies **copies)
{
    if (*copies != NULL)
        sherd_buf_done(&(*copies)->bytes);
    sherd_free(*copies);
}

static enum sherd_err backwards(struct search *search)
{
    const struct sherd_leaf_query *query = search->query;
    SHERD_CLEANUP(copies_free) struct copies *copies = sherd_alloc(sizeof(*copies));

    if (copies == NULL)
        return SHERD_ERR_NO_MEMORY;
    copies->bytes = (struct sherd_buf){.max = (size_t)SHERD_LOG_BUNDLE_LEAVES * SHERD_LEAF_BYTES_MAX};
    while (search->next > query->from && !is_enough(search) && query->to - search->next < SHERD_LEAVES_LOOKED_MAX)
        SHERD_TRY(bundle_backwards(search, copies));
    return SHERD_OK;
}

enum sherd_err sherd_leaves_find(struct sherd_log *log, const struct sherd_leaf_keys *keys,
                                 const struct sherd_leaf_query *query, sherd_leaf_visit_fn *visit, void *arg,
                                 uint64_t *out_next)
{
    struct search search = {.log = log,
                            .keys = keys,
                            .query = query,
                            .visit = visit,
                            .arg = arg,
                            .next = query->backwards ? query->to : query->from};

    SHERD_ENSURE(query->from <= query->to && query->to <= query->size &&
                     query->size <= sherd_log_checkpoint(log)->head.size && query->count_max > 0,
                 SHERD_ERR_INVALID, "the ledger has no such leaves");
    SHERD_TRY(name_id(&search));
    SHERD_TRY(query->backwards ? backwards(&search) : forwards(&search));
    *out_next = search.next;
    return SHERD_OK;
}
