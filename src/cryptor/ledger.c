/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs and history, for callers: <sherd/ledger.h>. The anchor finds; what it gives is verified here once more. */
#include "anchor/ledger/join_find.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/init.h"
#include "cryptor/joins_walk.h"
#include "cryptor/vault.h"
#include "ledger/evidence.h"
#include <inttypes.h>
#include <sherd/ledger.h>
#include <stdio.h>
#include <string.h>

/* The newest checkpoint, verified. */
struct view {
    struct sherd_vault *vault;
    struct sherd_buf note;
    struct sherd_buf key;
    struct sherd_policy *policy;        /* that checkpoints of other days satisfy as well */
    struct sherd_checkpoint checkpoint; /* borrows from note */
};

static void view_done(struct view *view)
{
    sherd_buf_done(&view->note);
    sherd_buf_done(&view->key);
    sherd_policy_free(view->policy);
}

/* What is handed out must verify by all keys that are handed out. */
static enum sherd_err view_open(struct sherd_vault *vault, struct view *view)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;

    SHERD_TRY(sherd_vault_check(vault));
    view->vault = vault;
    view->note.max = SHERD_CHECKPOINT_BYTES_MAX;
    SHERD_TRY(vault->anchor->ops->ledger_note(vault->anchor, true, &view->note, &view->key));
    SHERD_TRY(sherd_policy_of_log(sherd_buf_span(&view->key), &policy));
    SHERD_TRY(sherd_policy_of_own_log(sherd_buf_span(&view->key), &view->policy));
    return sherd_checkpoint_verify(sherd_buf_span(&view->note), policy, &view->checkpoint, NULL);
}

static void tell_head(const struct sherd_checkpoint *checkpoint, struct sherd_ledger_head *out_head)
{
    if (out_head == NULL)
        return;
    *out_head = (struct sherd_ledger_head){.size = checkpoint->head.size};
    memcpy(out_head->root, checkpoint->head.root.bytes, sizeof(out_head->root));
    memcpy(out_head->origin, checkpoint->origin.data, /* a name has at most 255 bytes */
           checkpoint->origin.len < sizeof(out_head->origin) ? checkpoint->origin.len : sizeof(out_head->origin) - 1);
}

enum sherd_err sherd_ledger_checkpoint(struct sherd_vault *vault, struct sherd_buf *out_note, struct sherd_buf *out_key,
                                       struct sherd_ledger_head *out_head)
{
    SHERD_CLEANUP(view_done) struct view view = {0};

    SHERD_TRY(view_open(vault, &view));
    if (out_note != NULL)
        SHERD_TRY(sherd_buf_append(out_note, sherd_buf_span(&view.note)));
    if (out_key != NULL)
        SHERD_TRY(sherd_buf_append(out_key, sherd_buf_span(&view.key)));
    tell_head(&view.checkpoint, out_head);
    return SHERD_OK;
}

static enum sherd_err too_few(enum sherd_err err, uint64_t size)
{
    return sherd_fail(err, "the ledger has only %" PRIu64 " leaves", size);
}

/* --- what was found ----------------------------------------------------------------------------------------------- */

static bool is_none(const struct sherd_ref *ref)
{
    static const struct sherd_ref none = {{0}};

    return sherd_same(ref->bytes, none.bytes, sizeof(none.bytes));
}

static struct sherd_opening opening_of(const struct sherd_leaf_found *found)
{
    const struct sherd_event *event = &found->event;
    struct sherd_opening opening = {.leaf = found->leaf,
                                    .subject_shown = !is_none(&event->subject),
                                    .subject = event->subject,
                                    .subject_blind = found->blinds[SHERD_LEAF_SUBJECT],
                                    .actor = event->actor,
                                    .entity = event->entity,
                                    .collection = event->collection,
                                    .actor_blind = found->blinds[SHERD_LEAF_ACTOR]};

    if (event->fragment.there)
        opening.digest = event->fragment.digest;
    opening.actor_shown = !is_none(&event->actor) || !is_none(&event->entity) || !is_none(&event->collection);
    return opening;
}

/* That the leaf is in the tree of the checkpoint, and that it is what the event says. */
static enum sherd_err check(const struct view *view, const struct sherd_leaf_found *found,
                            const struct sherd_opening *opening)
{
    const struct sherd_proof proof = {.index = found->index, .path = found->path};
    const struct sherd_event *event = &found->event;
    struct sherd_leaf leaf;

    SHERD_TRY(sherd_proof_verify_in(&proof, found->leaf, &view->checkpoint.head));
    SHERD_TRY(sherd_opening_verify(opening, &leaf));
    SHERD_ENSURE(leaf.kind == event->kind && leaf.version == event->version && leaf.count == event->count &&
                     leaf.time_s == event->time_ns / 1000000000U,
                 SHERD_ERR_TAMPERED, "a leaf of the ledger is not what is said of it");
    return SHERD_OK;
}

/* What was found, once it is verified: a leaf with its event, a join, or that so many joins are lost. */
struct told {
    uint64_t index;
    const struct sherd_path *path;
    const struct sherd_opening *opening;
    const struct sherd_event *event; /* NULL: of a leaf that stands for joins */
    uint64_t lost;
    uint64_t time_ns;
};

typedef enum sherd_err told_fn(void *arg, const struct told *told);

struct walk {
    const struct view *view;
    told_fn *tell;
    void *arg;
    struct sherd_joins_walk *joins; /* NULL: not wanted */
    uint64_t count;
};

static enum sherd_err visit(void *arg, const struct sherd_leaf_found *found)
{
    struct walk *walk = arg;
    const struct sherd_opening opening = opening_of(found);
    const struct told told = {.index = found->index, .path = &found->path, .opening = &opening, .event = &found->event};

    SHERD_TRY(check(walk->view, found, &opening));
    walk->count++;
    return walk->tell(walk->arg, &told);
}

static enum sherd_err visit_join(void *arg, const struct sherd_leaf_join *found)
{
    struct walk *walk = arg;
    struct sherd_opening opening = {.leaf = found->leaf, .join_shown = found->lost == 0};
    struct told told = {.index = found->index, .path = &found->path, .opening = &opening, .lost = found->lost};
    struct sherd_leaf leaf;

    if (opening.join_shown)
        opening.join = found->shown;
    SHERD_TRY(sherd_joins_walk_check(walk->joins, found, &walk->view->checkpoint.head));
    SHERD_TRY(sherd_opening_verify(&opening, &leaf));
    SHERD_ENSURE(leaf.kind == SHERD_EVENT_JOIN && (found->lost == 0 || found->lost == leaf.count), SHERD_ERR_TAMPERED,
                 "a leaf of the ledger is not what is said of it");
    told.time_ns = found->lost != 0 ? leaf.time_s * 1000000000U : found->shown.join.time_ns;
    walk->count += found->lost == 0 ? 1 : 0;
    return walk->tell(walk->arg, &told);
}

/* All of a range, page by page; backwards until something was found. */
static enum sherd_err walk_range(struct walk *walk, struct sherd_leaf_query *query)
{
    struct sherd_anchor *anchor = walk->view->vault->anchor;
    uint64_t next = 0;

    query->size = walk->view->checkpoint.head.size;
    if (query->count_max == 0)
        query->count_max = SHERD_LEAVES_MAX;
    while (query->from < query->to && !(query->backwards && walk->count > 0)) {
        if (walk->joins != NULL)
            SHERD_TRY(sherd_joins_walk_page(walk->joins, query, visit, visit_join, walk, &next));
        else
            SHERD_TRY(anchor->ops->ledger_scan(anchor, query, visit, walk, &next));
        SHERD_ENSURE(query->backwards ? next < query->to && next >= query->from
                                      : next > query->from && next <= query->to,
                     SHERD_ERR_IO, "the ledger is not read on");
        *(query->backwards ? &query->to : &query->from) = next;
    }
    return SHERD_OK;
}

/* --- receipts and proofs ------------------------------------------------------------------------------------------ */

/* A proof of inclusion that is being written. */
struct writing {
    const struct view *view;
    struct sherd_buf *text;
    bool bare; /* the leaf alone; nothing of it is opened */
};

static enum sherd_err write_proof(void *arg, const struct told *told)
{
    const struct writing *writing = arg;
    const struct sherd_opening bare = {.leaf = told->opening->leaf};
    /* A receipt says what the leaf is about; who did it, and whose it is, is told by evidence. */
    struct sherd_opening receipt = *told->opening;
    const struct sherd_proof proof = {
        .index = told->index, .path = *told->path, .checkpoint = sherd_buf_span(&writing->view->note)};
    uint8_t block[SHERD_OPENING_BYTES_MAX];
    size_t len;

    receipt.actor_shown = false;
    SHERD_TRY(sherd_opening_encode(writing->bare ? &bare : &receipt, block, &len));
    return sherd_proof_encode(&proof, sherd_span_of(block, len), writing->text);
}

static enum sherd_err prove(struct sherd_vault *vault, struct sherd_leaf_query *query, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(view_done) struct view view = {0};
    struct writing writing = {.view = &view, .text = out_text, .bare = query->about == SHERD_LEAVES_ALL};
    struct walk walk = {.view = &view, .tell = write_proof, .arg = &writing};

    SHERD_ENSURE(out_text != NULL, SHERD_ERR_INVALID, "a place for the proof is needed");
    SHERD_TRY(view_open(vault, &view));
    if (query->to == 0)
        query->to = view.checkpoint.head.size;
    if (query->to > view.checkpoint.head.size)
        return too_few(SHERD_ERR_NOT_FOUND, view.checkpoint.head.size);
    query->count_max = 1;
    SHERD_TRY(walk_range(&walk, query));
    SHERD_ENSURE(walk.count > 0, SHERD_ERR_NOT_FOUND, "the ledger says nothing of that");
    return SHERD_OK;
}

enum sherd_err sherd_ledger_receipt(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                                    struct sherd_buf *out_receipt)
{
    struct sherd_leaf_query query = {.backwards = true, .about = SHERD_LEAVES_RECORD, .version = version};

    memcpy(query.id.bytes, id.bytes, sizeof(query.id.bytes));
    return prove(vault, &query, out_receipt);
}

enum sherd_err sherd_ledger_prove_inclusion(struct sherd_vault *vault, uint64_t index, struct sherd_buf *out_proof)
{
    struct sherd_leaf_query query = {.about = SHERD_LEAVES_ALL, .from = index, .to = index + 1};

    SHERD_ENSURE(index < SHERD_TREE_LEAVES_MAX, SHERD_ERR_NOT_FOUND, "no ledger has so many leaves");
    return prove(vault, &query, out_proof);
}

enum sherd_err sherd_ledger_receipt_verify(struct sherd_span receipt, struct sherd_span log_key,
                                           struct sherd_ledger_receipt *out_receipt)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_shown shown;

    SHERD_ENSURE(out_receipt != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(sherd_crypto_init());
    SHERD_TRY(sherd_policy_of_log(log_key, &policy));
    SHERD_TRY(sherd_shown_verify(receipt, policy, room, &shown));
    SHERD_ENSURE(shown.opening.subject_shown, SHERD_ERR_TAMPERED, "it does not say what its leaf is about");
    *out_receipt = (struct sherd_ledger_receipt){.kind = sherd_event_name(shown.leaf.kind),
                                                 .version = shown.leaf.version,
                                                 .time_s = (int64_t)shown.leaf.time_s,
                                                 .index = shown.index};
    memcpy(out_receipt->record.bytes, shown.opening.subject.bytes, sizeof(out_receipt->record.bytes));
    tell_head(&shown.checkpoint, &out_receipt->head);
    return SHERD_OK;
}

/* --- that it only grew -------------------------------------------------------------------------------------------- */

enum sherd_err sherd_ledger_prove_consistency(struct sherd_vault *vault, uint64_t old_size, uint64_t size,
                                              struct sherd_buf *out_proof)
{
    SHERD_CLEANUP(view_done) struct view view = {0};
    struct sherd_growth growth = {.old_size = old_size};

    SHERD_ENSURE(out_proof != NULL, SHERD_ERR_INVALID, "a place for the proof is needed");
    SHERD_TRY(view_open(vault, &view));
    if (size == 0 || size == view.checkpoint.head.size) {
        size = view.checkpoint.head.size;
        growth.checkpoint = sherd_buf_span(&view.note);
    }
    SHERD_TRY(vault->anchor->ops->ledger_growth(vault->anchor, old_size, size, &growth.path));
    return sherd_growth_encode(&growth, out_proof);
}

enum sherd_err sherd_ledger_compare(struct sherd_vault *vault, struct sherd_span note,
                                    struct sherd_ledger_head *out_head)
{
    SHERD_CLEANUP(view_done) struct view view = {0};
    struct sherd_checkpoint kept;
    struct sherd_path path;

    SHERD_ENSURE(out_head != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(view_open(vault, &view));
    SHERD_TRY(sherd_checkpoint_verify(note, view.policy, &kept, NULL));
    const struct sherd_tree_head *head = &view.checkpoint.head;
    if (kept.head.size > head->size)
        return sherd_fail(SHERD_ERR_CONFLICT,
                          "the ledger is %" PRIu64 " leaves behind the checkpoint: they were cut off, or all was "
                          "rolled back",
                          kept.head.size - head->size);
    SHERD_TRY(vault->anchor->ops->ledger_growth(vault->anchor, kept.head.size, head->size, &path));
    SHERD_ENSURE(sherd_consistency_verify(&path, &kept.head, head) == SHERD_OK, SHERD_ERR_CONFLICT,
                 "the ledger is not what it was when it signed the checkpoint: it was forked");
    tell_head(&kept, out_head);
    return SHERD_OK;
}

/* --- history ------------------------------------------------------------------------------------------------------ */

struct user_search {
    const char *name;
    struct sherd_uuid id;
    bool found;
};

static enum sherd_err is_user(void *arg, const struct sherd_user_info *info)
{
    struct user_search *search = arg;

    if (strcmp(info->name, search->name) == 0) {
        search->id = info->id;
        search->found = true;
    }
    return SHERD_OK;
}

static enum sherd_err find_user(struct sherd_vault *vault, const char *name, struct sherd_ref *out_id)
{
    struct user_search search = {.name = name};

    const enum sherd_err err = vault->anchor->ops->user_each(vault->anchor, is_user, &search);
    if (err != SHERD_ERR_TAMPERED || !search.found) /* some other user's entry may be damaged */
        SHERD_TRY(err);
    SHERD_ENSURE(search.found, SHERD_ERR_NOT_FOUND, "there is no such user");
    memcpy(out_id->bytes, search.id.bytes, sizeof(out_id->bytes));
    return SHERD_OK;
}

static enum sherd_err find_entity(struct sherd_vault *vault, const struct sherd_ledger_query *query,
                                  struct sherd_ref *out_id)
{
    struct sherd_collection_entry collection;

    SHERD_TRY(sherd_vault_collection(vault, query->collection, &collection));
    return vault->anchor->ops->entity_find(vault->anchor, &collection.id, query->name, out_id);
}

static enum sherd_err resolve(struct sherd_vault *vault, const struct sherd_ledger_query *query,
                              struct sherd_leaf_query *out_query)
{
    const bool named = query->about == SHERD_LEDGER_ENTITY || query->about == SHERD_LEDGER_USER;

    SHERD_ENSURE(!named || query->name != NULL, SHERD_ERR_INVALID, "an entity or a user needs a name");
    *out_query = (struct sherd_leaf_query){.from = query->from, .to = query->to, .about = SHERD_LEAVES_ID};
    memcpy(out_query->id.bytes, query->id.bytes, sizeof(out_query->id.bytes));
    switch (query->about) {
    case SHERD_LEDGER_ENTITY: return find_entity(vault, query, &out_query->id);
    case SHERD_LEDGER_USER: return find_user(vault, query->name, &out_query->id);
    case SHERD_LEDGER_RECORD: out_query->about = SHERD_LEAVES_RECORD; return SHERD_OK;
    case SHERD_LEDGER_ALL: out_query->about = SHERD_LEAVES_ALL; return SHERD_OK;
    case SHERD_LEDGER_ID: return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_INVALID, "that cannot be asked of the ledger");
}

/* @param[in] of_records  joins are wanted also of the records of an entity or a collection */
static enum sherd_err walk_query(struct walk *walk, struct view *view, const struct sherd_ledger_query *query,
                                 bool of_records, struct sherd_leaf_query *found)
{
    const uint64_t size = view->checkpoint.head.size;

    walk->view = view;
    if (query->to == 0)
        found->to = size;
    if (found->from > found->to || found->to > size)
        return too_few(SHERD_ERR_INVALID, size);
    if (!query->joins)
        return walk_range(walk, found);
    found->size = size;
    SHERD_TRY(sherd_joins_walk_begin(view->vault->anchor, found, of_records, &walk->joins));
    const enum sherd_err err = walk_range(walk, found);
    sherd_joins_walk_free(walk->joins);
    return err;
}

/* What is lost concerns everybody: it is told, but only with something that was found. */
struct telling {
    sherd_ledger_visit_fn *visit;
    void *arg;
    bool found;
    struct sherd_ledger_event *lost; /* until then */
    size_t lost_count;
    size_t lost_room;
};

static void telling_done(struct telling *telling)
{
    sherd_free(telling->lost);
}

static struct sherd_uuid uuid_of(const struct sherd_ref *ref)
{
    struct sherd_uuid id;

    memcpy(id.bytes, ref->bytes, sizeof(id.bytes));
    return id;
}

static struct sherd_ledger_event event_of(const struct told *told)
{
    const struct sherd_event *event = told->event;

    return (struct sherd_ledger_event){.index = told->index,
                                       .kind = sherd_event_name(event->kind),
                                       .time_ns = event->time_ns,
                                       .version = event->version,
                                       .count = event->count,
                                       .subject = uuid_of(&event->subject),
                                       .collection = uuid_of(&event->collection),
                                       .entity = uuid_of(&event->entity),
                                       .actor = uuid_of(&event->actor)};
}

static struct sherd_ledger_event join_of(const struct told *told)
{
    const struct sherd_join *join = &told->opening->join.join;

    return (struct sherd_ledger_event){.index = told->index,
                                       .kind = "join",
                                       .time_ns = told->time_ns,
                                       .version = join->version,
                                       .subject = uuid_of(&join->record),
                                       .actor = uuid_of(&join->actor)};
}

static enum sherd_err keep_lost(struct telling *telling, const struct sherd_ledger_event *lost)
{
    if (telling->lost_count == telling->lost_room) {
        const size_t room = telling->lost_room * 2 + 16;
        struct sherd_ledger_event *more = sherd_realloc(telling->lost, room * sizeof(*more));

        if (more == NULL)
            return SHERD_ERR_NO_MEMORY;
        telling->lost = more;
        telling->lost_room = room;
    }
    telling->lost[telling->lost_count++] = *lost;
    return SHERD_OK;
}

static enum sherd_err tell_kept(struct telling *telling)
{
    telling->found = true;
    for (size_t i = 0; i < telling->lost_count; i++)
        SHERD_TRY(telling->visit(telling->arg, &telling->lost[i]));
    telling->lost_count = 0;
    return SHERD_OK;
}

static enum sherd_err tell_event(void *arg, const struct told *told)
{
    struct telling *telling = arg;
    struct sherd_ledger_event event = {
        .index = told->index, .kind = "lost", .time_ns = told->time_ns, .count = told->lost};

    if (told->lost != 0 && !telling->found)
        return keep_lost(telling, &event);
    if (!telling->found)
        SHERD_TRY(tell_kept(telling));
    if (told->lost == 0)
        event = told->event != NULL ? event_of(told) : join_of(told);
    return telling->visit(telling->arg, &event);
}

enum sherd_err sherd_ledger_history(struct sherd_vault *vault, const struct sherd_ledger_query *query,
                                    sherd_ledger_visit_fn *visit_event, void *arg, struct sherd_ledger_head *out_head)
{
    SHERD_CLEANUP(view_done) struct view view = {0};
    SHERD_CLEANUP(telling_done) struct telling telling = {.visit = visit_event, .arg = arg};
    struct walk walk = {.tell = tell_event, .arg = &telling};
    struct sherd_leaf_query found;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(query != NULL && visit_event != NULL && !(query->joins && query->about == SHERD_LEDGER_ALL),
                 SHERD_ERR_INVALID, "something must be asked, and told");
    SHERD_TRY(resolve(vault, query, &found));
    SHERD_TRY(view_open(vault, &view));
    SHERD_TRY(walk_query(&walk, &view, query, query->about != SHERD_LEDGER_USER, &found));
    tell_head(&view.checkpoint, out_head);
    return SHERD_OK;
}

/* Of what is lost nobody can say whether it is about the same. */
static enum sherd_err add_evidence(void *arg, const struct told *told)
{
    return told->lost != 0 ? SHERD_OK : sherd_evidence_add(arg, told->index, told->path, told->opening);
}

enum sherd_err sherd_ledger_evidence(struct sherd_vault *vault, const struct sherd_ledger_query *query,
                                     struct sherd_buf *out_text, uint64_t *out_count)
{
    SHERD_CLEANUP(view_done) struct view view = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_EVIDENCE_BYTES_MAX};
    struct walk walk = {.tell = add_evidence, .arg = &text};
    struct sherd_leaf_query found;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(query != NULL && out_text != NULL && query->about != SHERD_LEDGER_ALL, SHERD_ERR_INVALID,
                 "evidence is about something");
    SHERD_TRY(resolve(vault, query, &found));
    SHERD_TRY(view_open(vault, &view));
    SHERD_TRY(sherd_evidence_begin(&text, &found.id));
    SHERD_TRY(walk_query(&walk, &view, query, false, &found));
    SHERD_TRY(sherd_evidence_end(&text, sherd_buf_span(&view.note)));
    SHERD_TRY(sherd_buf_append(out_text, sherd_buf_span(&text)));
    if (out_count != NULL)
        *out_count = walk.count;
    return SHERD_OK;
}
