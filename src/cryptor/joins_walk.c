/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves and joins of the ledger in one order: see joins_walk.h. */
#include "cryptor/joins_walk.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "ledger/proof.h"
#include <stdlib.h>
#include <string.h>

/* A leaf of the page, until the joins before it were told. */
struct held {
    struct sherd_leaf_found found;
    uint8_t leaf[SHERD_LEAF_BYTES_MAX];
};

struct sherd_joins_walk {
    struct sherd_anchor *anchor;
    struct sherd_leaf_query query; /* of joins */
    struct sherd_ref id;
    struct sherd_ref *records; /* of the entity or the collection, in order */
    size_t record_count;
    size_t record_room;
    /* the page */
    struct held *held;
    size_t held_count;
    size_t told; /* of them */
    sherd_leaf_visit_fn *visit;
    sherd_leaf_join_fn *visit_join;
    void *arg;
    /* the leaf that was verified last */
    uint64_t proved_index;
    size_t proved_len;
    uint8_t proved[SHERD_LEAF_BYTES_MAX];
};

static bool same(const struct sherd_ref *a, const struct sherd_ref *b)
{
    return sherd_same(a->bytes, b->bytes, sizeof(a->bytes));
}

/* --- records of an entity or a collection ------------------------------------------------------------------------- */

static enum sherd_err learn_record(void *arg, const struct sherd_leaf_found *found)
{
    struct sherd_joins_walk *walk = arg;
    const struct sherd_event *event = &found->event;

    if ((event->kind != SHERD_EVENT_PUT && event->kind != SHERD_EVENT_UPDATE && event->kind != SHERD_EVENT_RESTORE) ||
        !(same(&event->entity, &walk->id) || same(&event->collection, &walk->id)))
        return SHERD_OK;
    if (walk->record_count == walk->record_room) {
        const size_t room = walk->record_room * 2 + 64;
        struct sherd_ref *more = sherd_realloc(walk->records, room * sizeof(*more));

        if (more == NULL)
            return SHERD_ERR_NO_MEMORY;
        walk->records = more;
        walk->record_room = room;
    }
    walk->records[walk->record_count++] = event->subject;
    return SHERD_OK;
}

static int in_order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct sherd_ref)); /* not secret: ids of records, to be found among others */
}

/* All leaves from the first on: a record may be older than what is told. */
static enum sherd_err learn_records(struct sherd_joins_walk *walk, const struct sherd_leaf_query *query)
{
    struct sherd_leaf_query leaves = *query;
    uint64_t next;

    leaves.from = 0;
    leaves.told = SHERD_LEAF_OPENED;
    leaves.count_max = SHERD_LEAVES_MAX;
    while (leaves.from < leaves.to) {
        SHERD_TRY(walk->anchor->ops->ledger_scan(walk->anchor, &leaves, learn_record, walk, &next));
        SHERD_ENSURE(next > leaves.from && next <= leaves.to, SHERD_ERR_IO, "the ledger is not read on");
        leaves.from = next;
    }
    if (walk->record_count > 1)
        qsort(walk->records, walk->record_count, sizeof(*walk->records), in_order);
    return SHERD_OK;
}

/* What is lost concerns everybody. */
static bool is_wanted(const struct sherd_joins_walk *walk, const struct sherd_leaf_join *found)
{
    const struct sherd_join *join = &found->shown.join;

    if (found->lost != 0 || same(&join->record, &walk->id))
        return true;
    if (walk->query.about == SHERD_LEAVES_RECORD)
        return false;
    return same(&join->actor, &walk->id) ||
           (walk->record_count > 0 &&
            bsearch(&join->record, walk->records, walk->record_count, sizeof(*walk->records), in_order) != NULL);
}

/* --- the walk ----------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_joins_walk_begin(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                      bool of_records, struct sherd_joins_walk **out_walk)
{
    SHERD_CLEANUP(sherd_joins_walk_freep) struct sherd_joins_walk *walk = sherd_alloc(sizeof(*walk));

    if (walk == NULL)
        return SHERD_ERR_NO_MEMORY;
    *walk = (struct sherd_joins_walk){.anchor = anchor, .query = *query, .id = query->id};
    walk->held = sherd_alloc_array(SHERD_LEAVES_MAX, sizeof(*walk->held));
    if (walk->held == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (of_records && query->about == SHERD_LEAVES_ID)
        SHERD_TRY(learn_records(walk, query));
    if (walk->record_count > 0)
        walk->query.about = SHERD_LEAVES_ALL;
    *out_walk = walk;
    walk = NULL;
    return SHERD_OK;
}

void sherd_joins_walk_free(struct sherd_joins_walk *walk)
{
    if (walk == NULL)
        return;
    sherd_free(walk->records);
    sherd_free(walk->held);
    sherd_free(walk);
}

static enum sherd_err hold(void *arg, const struct sherd_leaf_found *found)
{
    struct sherd_joins_walk *walk = arg;
    struct held *held = &walk->held[walk->held_count];

    SHERD_ENSURE(walk->held_count < SHERD_LEAVES_MAX && found->leaf.len <= sizeof(held->leaf), SHERD_ERR_IO,
                 "the ledger gives more than was asked for");
    held->found = *found;
    memcpy(held->leaf, found->leaf.data, found->leaf.len);
    held->found.leaf.data = held->leaf;
    walk->held_count++;
    return SHERD_OK;
}

/* Leaves of the page that lie before another. */
static enum sherd_err tell_before(struct sherd_joins_walk *walk, uint64_t index)
{
    while (walk->told < walk->held_count && walk->held[walk->told].found.index < index)
        SHERD_TRY(walk->visit(walk->arg, &walk->held[walk->told++].found));
    return SHERD_OK;
}

static enum sherd_err met_join(void *arg, const struct sherd_leaf_join *found)
{
    struct sherd_joins_walk *walk = arg;

    if (!is_wanted(walk, found))
        return SHERD_OK;
    SHERD_TRY(tell_before(walk, found->index));
    return walk->visit_join(walk->arg, found);
}

enum sherd_err sherd_joins_walk_page(struct sherd_joins_walk *walk, const struct sherd_leaf_query *query,
                                     sherd_leaf_visit_fn *visit, sherd_leaf_join_fn *visit_join, void *arg,
                                     uint64_t *out_next)
{
    uint64_t end;
    uint64_t next;

    walk->visit = visit;
    walk->visit_join = visit_join;
    walk->arg = arg;
    walk->held_count = 0;
    walk->told = 0;
    SHERD_TRY(walk->anchor->ops->ledger_scan(walk->anchor, query, hold, walk, &end));
    SHERD_ENSURE(end > query->from && end <= query->to, SHERD_ERR_IO, "the ledger is not read on");
    walk->query.from = query->from;
    walk->query.to = end;
    while (walk->query.from < end) {
        SHERD_TRY(walk->anchor->ops->ledger_joins(walk->anchor, &walk->query, met_join, walk, &next));
        SHERD_ENSURE(next > walk->query.from && next <= end, SHERD_ERR_IO, "the ledger is not read on");
        walk->query.from = next;
    }
    SHERD_TRY(tell_before(walk, end));
    *out_next = end;
    return SHERD_OK;
}

enum sherd_err sherd_joins_walk_check(struct sherd_joins_walk *walk, const struct sherd_leaf_join *found,
                                      const struct sherd_tree_head *head)
{
    const struct sherd_proof proof = {.index = found->index, .path = found->path};

    SHERD_ENSURE(found->leaf.len <= sizeof(walk->proved), SHERD_ERR_TAMPERED, "a leaf of the ledger is too long");
    if (walk->proved_len != 0 && walk->proved_index == found->index &&
        sherd_span_equal(found->leaf, sherd_span_of(walk->proved, walk->proved_len)))
        return SHERD_OK;
    SHERD_TRY(sherd_proof_verify_in(&proof, found->leaf, head));
    walk->proved_index = found->index;
    walk->proved_len = found->leaf.len;
    memcpy(walk->proved, found->leaf.data, found->leaf.len);
    return SHERD_OK;
}
