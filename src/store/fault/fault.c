/* SPDX-License-Identifier: Apache-2.0 */
/* The store that misbehaves by a script. See fault.h. */
#include "store/fault/fault.h"
#include "base/mem.h"
#include "store/fault/script.h"
#include "store/handle.h"
#include <pthread.h>
#include <string.h>

static const struct sherd_store_ops fault_ops;

struct store {
    struct sherd_store base;
    struct sherd_store *inner;
    struct sherd_fault_script *script;
    pthread_mutex_t marked_lock; /* recursive: a visitor of a stale scan may get what is stale */
    struct sherd_snapshot *marked;
};

struct snapshot {
    struct sherd_snapshot base;
    struct store *store;
    struct sherd_snapshot *inner;
};

struct blob_writer {
    struct sherd_blob_writer base;
    struct store *store;
    struct sherd_blob_writer *inner;
};

struct blob_reader {
    struct sherd_blob_reader base;
    struct store *store;
    struct sherd_blob_reader *inner;
    struct sherd_ref name;
};

/* --- downcasts and plans ----------------------------------------------------------------------------------------- */

SHERD_DEFINE_HANDLES(fault_ops);

static enum sherd_err injected(const struct sherd_fault_plan *plan, enum sherd_fault_kind kind)
{
    if (!plan->strikes[kind])
        return SHERD_OK;
    return sherd_fail(plan->rule[kind].err, "fault store: as the script says");
}

/* Consult the script about a call of one name or none. @return the code with which it fails before its effect */
static enum sherd_err consult(struct store *store, enum sherd_fault_call call, const struct sherd_ref *name,
                              struct sherd_fault_plan *out_plan)
{
    const struct sherd_fault_subject subject = {.call = call, .name = name};

    sherd_fault_script_consult(store->script, &subject, out_plan);
    return injected(out_plan, SHERD_FAULT_FAIL);
}

static void flip(uint8_t *block, size_t bytes, uint64_t bit)
{
    if (bytes > 0)
        block[(bit / 8) % bytes] ^= (uint8_t)(1U << (bit % 8));
}

/* A copy of bytes with one bit flipped, or NULL. Free with sherd_free(). */
static uint8_t *flipped_copy(struct sherd_span bytes, uint64_t bit)
{
    uint8_t *block = sherd_alloc(bytes.len);

    if (block == NULL)
        return NULL;
    if (bytes.len > 0)
        memcpy(block, bytes.data, bytes.len);
    flip(block, bytes.len, bit);
    return block;
}

/* --- opening and closing ----------------------------------------------------------------------------------------- */

static enum sherd_err fault_open(const struct sherd_store_config *config, struct sherd_store **out_store)
{
    (void)config;
    (void)out_store;
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "fault store: it wraps a store, and is none by itself");
}

enum sherd_err sherd_store_fault_wrap(struct sherd_store *inner, struct sherd_fault_script *script,
                                      struct sherd_store **out_store)
{
    struct store *store = sherd_alloc(sizeof(*store));
    pthread_mutexattr_t recursive;

    if (store == NULL)
        return SHERD_ERR_NO_MEMORY;
    store->base.ops = &fault_ops;
    store->inner = inner;
    store->script = script;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&store->marked_lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    *out_store = &store->base;
    return SHERD_OK;
}

static void fault_close(struct sherd_store *base)
{
    if (base == NULL)
        return;
    struct store *store = store_of(base);
    store->inner->ops->snapshot_end(store->marked);
    store->inner->ops->close(store->inner);
    pthread_mutex_destroy(&store->marked_lock);
    sherd_free(store);
}

enum sherd_err sherd_store_fault_mark(struct sherd_store *base)
{
    struct store *store = store_of(base);
    struct sherd_snapshot *snapshot;

    SHERD_TRY(store->inner->ops->snapshot_begin(store->inner, &snapshot));
    pthread_mutex_lock(&store->marked_lock);
    struct sherd_snapshot *before = store->marked;
    store->marked = snapshot;
    store->inner->ops->snapshot_end(before);
    pthread_mutex_unlock(&store->marked_lock);
    return SHERD_OK;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static enum sherd_err fault_snapshot_begin(struct sherd_store *base, struct sherd_snapshot **out_snapshot)
{
    struct store *store = store_of(base);
    struct sherd_fault_plan plan;
    struct snapshot *snapshot;
    enum sherd_err err;

    SHERD_TRY(consult(store, SHERD_FAULT_SNAPSHOT, NULL, &plan));
    snapshot = sherd_alloc(sizeof(*snapshot));
    if (snapshot == NULL)
        return SHERD_ERR_NO_MEMORY;
    err = store->inner->ops->snapshot_begin(store->inner, &snapshot->inner);
    if (err != SHERD_OK) {
        sherd_free(snapshot);
        return err;
    }
    snapshot->base.ops = &fault_ops;
    snapshot->store = store;
    *out_snapshot = &snapshot->base;
    return SHERD_OK;
}

static void fault_snapshot_end(struct sherd_snapshot *base)
{
    if (base == NULL)
        return;
    struct snapshot *snapshot = snapshot_of(base);
    snapshot->inner->ops->snapshot_end(snapshot->inner);
    sherd_free(snapshot);
}

/* The inner snapshot that answers; if it is the marked one, its lock is held until let_go(). */
static struct sherd_snapshot *choose(struct snapshot *snapshot, const struct sherd_fault_plan *plan)
{
    struct store *store = snapshot->store;

    if (!plan->strikes[SHERD_FAULT_STALE])
        return snapshot->inner;
    pthread_mutex_lock(&store->marked_lock);
    return store->marked != NULL ? store->marked : snapshot->inner;
}

static void let_go(struct snapshot *snapshot, const struct sherd_fault_plan *plan)
{
    if (plan->strikes[SHERD_FAULT_STALE])
        pthread_mutex_unlock(&snapshot->store->marked_lock);
}

static enum sherd_err fault_get(struct sherd_snapshot *base, struct sherd_ref name, struct sherd_buf *out_value)
{
    struct snapshot *snapshot = snapshot_of(base);
    const size_t before = out_value->len;
    struct sherd_fault_plan plan;
    enum sherd_err err;

    SHERD_TRY(consult(snapshot->store, SHERD_FAULT_GET, &name, &plan));
    if (plan.strikes[SHERD_FAULT_HIDE])
        return SHERD_ERR_NOT_FOUND;
    struct sherd_snapshot *chosen = choose(snapshot, &plan);
    err = chosen->ops->get(chosen, name, out_value);
    let_go(snapshot, &plan);
    if (err == SHERD_OK && plan.strikes[SHERD_FAULT_FLIP])
        flip(out_value->data + before, out_value->len - before, plan.rule[SHERD_FAULT_FLIP].bit);
    return err;
}

struct scan {
    sherd_store_visit_fn *visit;
    void *arg;
    struct sherd_fault_plan plan;
};

/* Whether a fault strikes this visit; one without a name strikes the first. */
static bool strikes_visit(struct scan *scan, enum sherd_fault_kind kind, struct sherd_ref name)
{
    if (!scan->plan.strikes[kind])
        return false;
    if (scan->plan.rule[kind].named)
        return sherd_fault_same_name(scan->plan.rule[kind].name, name);
    scan->plan.strikes[kind] = false;
    return true;
}

static enum sherd_err visit_faulty(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct scan *scan = arg;
    enum sherd_err err;

    if (strikes_visit(scan, SHERD_FAULT_HIDE, name))
        return SHERD_OK;
    if (!strikes_visit(scan, SHERD_FAULT_FLIP, name))
        return scan->visit(scan->arg, name, value);
    uint8_t *block = flipped_copy(value, scan->plan.rule[SHERD_FAULT_FLIP].bit);
    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    err = scan->visit(scan->arg, name, sherd_span_of(block, value.len));
    sherd_free(block);
    return err;
}

static enum sherd_err fault_scan(struct sherd_snapshot *base, const struct sherd_ref *after,
                                 sherd_store_visit_fn *visit, void *arg)
{
    struct snapshot *snapshot = snapshot_of(base);
    struct scan scan = {.visit = visit, .arg = arg};
    enum sherd_err err;

    SHERD_TRY(consult(snapshot->store, SHERD_FAULT_SCAN, NULL, &scan.plan));
    struct sherd_snapshot *chosen = choose(snapshot, &scan.plan);
    err = chosen->ops->scan(chosen, after, visit_faulty, &scan);
    let_go(snapshot, &scan.plan);
    return err;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

/* All sets, or those that succeeded, get err. As the interface says, a conflict is no failure of the call. */
static enum sherd_err overrule(struct sherd_store_set *const *sets, size_t set_count, enum sherd_err err,
                               bool succeeded_only)
{
    for (size_t i = 0; i < set_count; i++) {
        if (!succeeded_only || sets[i]->result == SHERD_OK)
            sets[i]->result = err;
    }
    return err == SHERD_ERR_CONFLICT ? SHERD_OK : err;
}

/* Where a flip strikes: the first put, or the first of that name. */
static bool find_put(struct sherd_store_set *const *sets, size_t set_count, const struct sherd_fault_rule *rule,
                     size_t *out_set, size_t *out_op)
{
    for (size_t i = 0; i < set_count; i++) {
        for (size_t j = 0; j < sets[i]->count; j++) {
            const struct sherd_store_op *op = &sets[i]->ops[j];

            if (op->kind != SHERD_STORE_PUT || (rule->named && !sherd_fault_same_name(op->name, rule->name)))
                continue;
            *out_set = i;
            *out_op = j;
            return true;
        }
    }
    return false;
}

/* The caller's operations, borrowed as const, are replaced for the time of the call. */
static enum sherd_err write_flipped(struct sherd_store *inner, struct sherd_store_set *const *sets, size_t set_count,
                                    const struct sherd_fault_rule *rule)
{
    size_t set = 0;
    size_t put = 0;
    enum sherd_err err = SHERD_ERR_NO_MEMORY;

    if (!find_put(sets, set_count, rule, &set, &put))
        return inner->ops->write(inner, sets, set_count);
    const struct sherd_store_op *const given = sets[set]->ops;
    struct sherd_store_op *ops = sherd_alloc_array(sets[set]->count, sizeof(*ops));
    uint8_t *value = flipped_copy(given[put].value, rule->bit);
    if (ops != NULL && value != NULL) {
        memcpy(ops, given, sets[set]->count * sizeof(*ops));
        ops[put].value.data = value;
        sets[set]->ops = ops;
        err = inner->ops->write(inner, sets, set_count);
        sets[set]->ops = given;
    } else {
        (void)overrule(sets, set_count, err, false);
    }
    sherd_free(value);
    sherd_free(ops);
    return err;
}

static enum sherd_err write_once(struct sherd_store *inner, struct sherd_store_set *const *sets, size_t set_count,
                                 const struct sherd_fault_plan *plan)
{
    if (plan->strikes[SHERD_FAULT_FLIP])
        return write_flipped(inner, sets, set_count, &plan->rule[SHERD_FAULT_FLIP]);
    return inner->ops->write(inner, sets, set_count);
}

/* As a message that arrives twice: what the second brings about is done, but nobody hears of it. */
static enum sherd_err write_twice(struct sherd_store *inner, struct sherd_store_set *const *sets, size_t set_count,
                                  const struct sherd_fault_plan *plan)
{
    enum sherd_err *results = sherd_alloc_array(set_count, sizeof(*results));
    enum sherd_err err;

    if (results == NULL)
        return overrule(sets, set_count, SHERD_ERR_NO_MEMORY, false);
    err = write_once(inner, sets, set_count, plan);
    for (size_t i = 0; i < set_count; i++)
        results[i] = sets[i]->result;
    (void)write_once(inner, sets, set_count, plan);
    for (size_t i = 0; i < set_count; i++)
        sets[i]->result = results[i];
    sherd_free(results);
    return err;
}

static enum sherd_err fault_write(struct sherd_store *base, struct sherd_store_set *const *sets, size_t set_count)
{
    struct store *store = store_of(base);
    const struct sherd_fault_subject subject = {.call = SHERD_FAULT_WRITE, .sets = sets, .set_count = set_count};
    struct sherd_fault_plan plan;
    enum sherd_err err;

    sherd_fault_script_consult(store->script, &subject, &plan);
    if (plan.strikes[SHERD_FAULT_FAIL])
        return overrule(sets, set_count, injected(&plan, SHERD_FAULT_FAIL), false);
    if (plan.strikes[SHERD_FAULT_REPEAT])
        err = write_twice(store->inner, sets, set_count, &plan);
    else
        err = write_once(store->inner, sets, set_count, &plan);
    if (err == SHERD_OK && plan.strikes[SHERD_FAULT_LOSE])
        return overrule(sets, set_count, injected(&plan, SHERD_FAULT_LOSE), true);
    return err;
}

/* --- blobs ------------------------------------------------------------------------------------------------------- */

static enum sherd_err fault_blob_create(struct sherd_store *base, struct sherd_blob_writer **out_writer)
{
    struct store *store = store_of(base);
    struct sherd_fault_plan plan;
    struct blob_writer *writer;
    enum sherd_err err;

    SHERD_TRY(consult(store, SHERD_FAULT_BLOB_CREATE, NULL, &plan));
    writer = sherd_alloc(sizeof(*writer));
    if (writer == NULL)
        return SHERD_ERR_NO_MEMORY;
    err = store->inner->ops->blob_create(store->inner, &writer->inner);
    if (err != SHERD_OK) {
        sherd_free(writer);
        return err;
    }
    writer->base.ops = &fault_ops;
    writer->store = store;
    *out_writer = &writer->base;
    return SHERD_OK;
}

static enum sherd_err append_or_patch(struct sherd_blob_writer *inner, bool patch, uint64_t offset,
                                      struct sherd_span bytes)
{
    if (patch)
        return inner->ops->blob_patch(inner, offset, bytes);
    return inner->ops->blob_append(inner, bytes);
}

static enum sherd_err change_blob(struct blob_writer *writer, bool patch, uint64_t offset, struct sherd_span bytes)
{
    struct sherd_fault_plan plan;
    uint8_t *block = NULL;
    enum sherd_err err;

    SHERD_TRY(consult(writer->store, patch ? SHERD_FAULT_BLOB_PATCH : SHERD_FAULT_BLOB_APPEND, NULL, &plan));
    if (plan.strikes[SHERD_FAULT_FLIP]) {
        block = flipped_copy(bytes, plan.rule[SHERD_FAULT_FLIP].bit);
        if (block == NULL)
            return SHERD_ERR_NO_MEMORY;
        bytes.data = block;
    }
    err = append_or_patch(writer->inner, patch, offset, bytes);
    if (err == SHERD_OK && plan.strikes[SHERD_FAULT_REPEAT])
        err = append_or_patch(writer->inner, patch, offset, bytes);
    sherd_free(block);
    SHERD_TRY(err);
    return injected(&plan, SHERD_FAULT_LOSE);
}

static enum sherd_err fault_blob_append(struct sherd_blob_writer *base, struct sherd_span bytes)
{
    return change_blob(blob_writer_of(base), false, 0, bytes);
}

static enum sherd_err fault_blob_patch(struct sherd_blob_writer *base, uint64_t offset, struct sherd_span bytes)
{
    return change_blob(blob_writer_of(base), true, offset, bytes);
}

static void fault_blob_abort(struct sherd_blob_writer *base)
{
    if (base == NULL)
        return;
    struct blob_writer *writer = blob_writer_of(base);
    writer->inner->ops->blob_abort(writer->inner);
    sherd_free(writer);
}

static enum sherd_err fault_blob_commit(struct sherd_blob_writer *base, struct sherd_ref name)
{
    struct blob_writer *writer = blob_writer_of(base);
    struct sherd_fault_plan plan;
    enum sherd_err err = consult(writer->store, SHERD_FAULT_BLOB_COMMIT, &name, &plan);

    if (err != SHERD_OK) {
        fault_blob_abort(base);
        return err;
    }
    err = writer->inner->ops->blob_commit(writer->inner, name);
    sherd_free(writer);
    SHERD_TRY(err);
    return injected(&plan, SHERD_FAULT_LOSE);
}

static enum sherd_err fault_blob_open(struct sherd_store *base, struct sherd_ref name,
                                      struct sherd_blob_reader **out_reader, uint64_t *out_bytes)
{
    struct store *store = store_of(base);
    struct sherd_fault_plan plan;
    struct blob_reader *reader;
    enum sherd_err err;

    SHERD_TRY(consult(store, SHERD_FAULT_BLOB_OPEN, &name, &plan));
    if (plan.strikes[SHERD_FAULT_HIDE])
        return SHERD_ERR_NOT_FOUND;
    reader = sherd_alloc(sizeof(*reader));
    if (reader == NULL)
        return SHERD_ERR_NO_MEMORY;
    err = store->inner->ops->blob_open(store->inner, name, &reader->inner, out_bytes);
    if (err != SHERD_OK) {
        sherd_free(reader);
        return err;
    }
    reader->base.ops = &fault_ops;
    reader->store = store;
    reader->name = name;
    *out_reader = &reader->base;
    return SHERD_OK;
}

static enum sherd_err fault_blob_read(struct sherd_blob_reader *base, uint64_t offset, uint8_t *block, size_t bytes)
{
    struct blob_reader *reader = blob_reader_of(base);
    struct sherd_fault_plan plan;

    SHERD_TRY(consult(reader->store, SHERD_FAULT_BLOB_READ, &reader->name, &plan));
    SHERD_TRY(reader->inner->ops->blob_read(reader->inner, offset, block, bytes));
    if (plan.strikes[SHERD_FAULT_FLIP])
        flip(block, bytes, plan.rule[SHERD_FAULT_FLIP].bit);
    return SHERD_OK;
}

static void fault_blob_close(struct sherd_blob_reader *base)
{
    if (base == NULL)
        return;
    struct blob_reader *reader = blob_reader_of(base);
    reader->inner->ops->blob_close(reader->inner);
    sherd_free(reader);
}

static enum sherd_err fault_blob_delete(struct sherd_store *base, struct sherd_ref name)
{
    struct store *store = store_of(base);
    struct sherd_fault_plan plan;

    SHERD_TRY(consult(store, SHERD_FAULT_BLOB_DELETE, &name, &plan));
    SHERD_TRY(store->inner->ops->blob_delete(store->inner, name));
    if (plan.strikes[SHERD_FAULT_REPEAT])
        (void)store->inner->ops->blob_delete(store->inner, name);
    return injected(&plan, SHERD_FAULT_LOSE);
}

static enum sherd_err fault_blob_scan(struct sherd_store *base, const struct sherd_ref *after,
                                      sherd_store_visit_fn *visit, void *arg)
{
    struct store *store = store_of(base);
    struct scan scan = {.visit = visit, .arg = arg};

    SHERD_TRY(consult(store, SHERD_FAULT_BLOB_SCAN, NULL, &scan.plan));
    return store->inner->ops->blob_scan(store->inner, after, visit_faulty, &scan);
}

/* --- upkeep ------------------------------------------------------------------------------------------------------ */

static enum sherd_err fault_tidy(struct sherd_store *base, uint64_t *out_removed_count)
{
    struct store *store = store_of(base);
    struct sherd_fault_plan plan;

    SHERD_TRY(consult(store, SHERD_FAULT_TIDY, NULL, &plan));
    SHERD_TRY(store->inner->ops->tidy(store->inner, out_removed_count));
    return injected(&plan, SHERD_FAULT_LOSE);
}

static enum sherd_err fault_stat(struct sherd_store *base, struct sherd_store_stat *out_stat)
{
    struct store *store = store_of(base);
    struct sherd_fault_plan plan;

    SHERD_TRY(consult(store, SHERD_FAULT_STAT, NULL, &plan));
    return store->inner->ops->stat(store->inner, out_stat);
}

static const struct sherd_store_ops fault_ops = {
    .abi = SHERD_STORE_ABI,
    .name = "fault",
    .open = fault_open,
    .close = fault_close,
    .snapshot_begin = fault_snapshot_begin,
    .snapshot_end = fault_snapshot_end,
    .get = fault_get,
    .scan = fault_scan,
    .write = fault_write,
    .blob_create = fault_blob_create,
    .blob_append = fault_blob_append,
    .blob_patch = fault_blob_patch,
    .blob_commit = fault_blob_commit,
    .blob_abort = fault_blob_abort,
    .blob_open = fault_blob_open,
    .blob_read = fault_blob_read,
    .blob_close = fault_blob_close,
    .blob_delete = fault_blob_delete,
    .blob_scan = fault_blob_scan,
    .tidy = fault_tidy,
    .stat = fault_stat,
};
