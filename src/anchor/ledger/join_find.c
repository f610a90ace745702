/* SPDX-License-Identifier: Apache-2.0 */
/* Joins that are asked for: see join_find.h. */
#include "anchor/ledger/join_find.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <inttypes.h>

/* A search. */
struct search {
    struct sherd_join_reader reader;
    struct sherd_log *log;
    const struct sherd_join_loss *accepted;
    const struct sherd_leaf_query *query;
    sherd_leaf_join_fn *visit;
    void *arg;
    struct sherd_join_tree *tree; /* over the slots of the leaf that is looked at */
    struct sherd_leaf_join found; /* likewise */
    bool proved;                  /* both are made */
    size_t bytes;                 /* of those that were given */
    uint64_t looked;
    uint64_t next;
};

/* Ends the walk: there are enough. */
#define ENOUGH SHERD_ERR_BUSY

static bool same(const struct sherd_ref *a, const struct sherd_ref *b)
{
    return sherd_same(a->bytes, b->bytes, sizeof(a->bytes));
}

static bool matches(const struct sherd_leaf_query *query, const struct sherd_join *join)
{
    switch (query->about) {
    case SHERD_LEAVES_ALL: return true;
    case SHERD_LEAVES_RECORD:
        return same(&join->record, &query->id) && (query->version == 0 || query->version == join->version);
    case SHERD_LEAVES_ID: return same(&join->record, &query->id) || same(&join->actor, &query->id);
    }
    return false;
}

static enum sherd_err prove_leaf(struct search *search)
{
    struct sherd_leaf_join *found = &search->found;

    if (search->query->told == SHERD_LEAF_PROVED)
        SHERD_TRY(sherd_log_prove_inclusion(search->log, found->index, search->query->size, &found->path));
    search->bytes += SHERD_JOIN_LEAF_BYTES(found->leaf.len, found->path.count);
    return SHERD_OK;
}

static enum sherd_err give_lost(struct search *search, uint64_t count)
{
    search->found.lost = count;
    SHERD_TRY(prove_leaf(search));
    return search->visit(search->arg, &search->found);
}

static enum sherd_err give_slot(struct search *search, const struct sherd_join_batch *batch, size_t i,
                                const struct sherd_join *join, const struct sherd_digest *blind)
{
    struct sherd_join_shown *shown = &search->found.shown;

    if (!search->proved) {
        SHERD_TRY(sherd_join_tree_build(batch->slots, batch->count, search->tree));
        SHERD_TRY(prove_leaf(search));
        search->proved = true;
    }
    *shown = (struct sherd_join_shown){.position = i, .slot = batch->slots[i], .join = *join, .blind = *blind};
    SHERD_TRY(sherd_join_tree_prove(search->tree, i, &shown->path));
    search->bytes += SHERD_JOIN_SHOWN_BYTES(shown->path.count);
    return search->visit(search->arg, &search->found);
}

static enum sherd_err look_at_batch(struct search *search, const struct sherd_join_batch *batch)
{
    search->looked += batch->count;
    for (size_t i = 0; i < batch->count; i++) {
        struct sherd_digest blind;
        struct sherd_join join;

        SHERD_TRY(sherd_join_reader_open(&search->reader, &batch->slots[i], &join, &blind));
        if (matches(search->query, &join))
            SHERD_TRY(give_slot(search, batch, i, &join, &blind));
    }
    return SHERD_OK;
}

static enum sherd_err look_at_leaf(struct search *search, uint64_t index, struct sherd_span bytes)
{
    struct sherd_join_batch batch;
    struct sherd_leaf leaf;

    SHERD_TRY(sherd_leaf_decode(bytes, &leaf));
    if (leaf.kind != SHERD_EVENT_JOIN)
        return SHERD_OK;
    search->found = (struct sherd_leaf_join){.index = index, .leaf = bytes};
    search->proved = false;
    if (!leaf.has_root)
        return give_lost(search, leaf.count);
    const enum sherd_err err = sherd_join_reader_next(&search->reader, index, &leaf, &batch);
    if (err == SHERD_ERR_TAMPERED && sherd_join_loss_has(search->accepted, index))
        return give_lost(search, leaf.count);
    if (err == SHERD_ERR_TAMPERED)
        return sherd_fail(err,
                          "entries of keys that were given out are missing or were changed: those of leaf %" PRIu64,
                          index);
    SHERD_TRY(err);
    return look_at_batch(search, &batch);
}

static enum sherd_err look(void *arg, uint64_t index, struct sherd_span bytes)
{
    struct search *search = arg;

    SHERD_TRY(look_at_leaf(search, index, bytes));
    search->next = index + 1;
    return search->bytes >= SHERD_JOINS_PAGE_BYTES || search->looked >= SHERD_JOINS_LOOKED_MAX ? ENOUGH : SHERD_OK;
}

static enum sherd_err look_in(void *arg, struct sherd_log *log, const struct sherd_join_state *state)
{
    struct search *search = arg;
    const struct sherd_leaf_query *query = search->query;
    const uint64_t left = query->to - query->from;
    const uint64_t end = query->from + (left < SHERD_LEAVES_LOOKED_MAX ? left : SHERD_LEAVES_LOOKED_MAX);

    SHERD_ENSURE(query->size <= sherd_log_checkpoint(log)->head.size, SHERD_ERR_INVALID,
                 "the ledger has no such leaves");
    search->log = log;
    search->reader.state = state;
    search->reader.size = sherd_log_checkpoint(log)->head.size;
    SHERD_TRY(sherd_join_reader_seek(&search->reader, query->from));
    const enum sherd_err err = sherd_log_each(log, query->from, end, look, search);
    if (err == SHERD_OK)
        search->next = end;
    return err == ENOUGH && search->next > query->from ? SHERD_OK : err;
}

enum sherd_err sherd_joins_find(struct sherd_sequencer *sequencer, const struct sherd_join_loss *accepted,
                                const struct sherd_leaf_query *query, sherd_leaf_join_fn *visit, void *arg,
                                uint64_t *out_next)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_join_tree *tree = sherd_alloc(sizeof(*tree));
    const struct sherd_join_place place = sherd_sequencer_joins_place(sequencer);
    struct search search = {
        .accepted = accepted, .query = query, .visit = visit, .arg = arg, .tree = tree, .next = query->from};

    SHERD_ENSURE(!query->backwards && query->from <= query->to && query->to <= query->size, SHERD_ERR_INVALID,
                 "the ledger has no such leaves");
    if (tree == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = sherd_join_reader_begin(&search.reader, &place, NULL, 0);
    if (err == SHERD_OK)
        err = sherd_sequencer_log(sequencer, look_in, &search);
    sherd_join_reader_done(&search.reader);
    if (err == SHERD_OK)
        *out_next = search.next;
    return err;
}
