/* SPDX-License-Identifier: Apache-2.0 */
/* The checked, counted, group-committing face of a storage engine. See compartment.h. */
#include "store/compartment.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/fork.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One call of sherd_compartment_write(), on the stack of its thread. */
struct writer {
    struct sherd_store_set set; /* first, so that a set leads back to its writer */
    struct writer *next;
    pthread_cond_t wake;
    bool done;
    char detail[SHERD_FAIL_TEXT_SIZE]; /* of a failure in the leader's thread */
};

struct sherd_compartment {
    struct sherd_store *store;
    enum sherd_role role;
    unsigned fork_count;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t idle;  /* the writers are gone, while closing */
    struct writer *first; /* those that wait for a leader to take them */
    struct writer *last;
    bool leading; /* some thread is in the engine's write() */
    bool closing;
    bool stopped; /* a write failed: no more */
    struct sherd_compartment_count count;
    char stop_text[SHERD_FAIL_TEXT_SIZE];

    struct sherd_store_set *group[SHERD_COMPARTMENT_GROUP_SETS_MAX]; /* the leader's */
};

const char *sherd_role_name(enum sherd_role role)
{
    switch (role) {
    case SHERD_IDENTITY: return "identity";
    case SHERD_ASSETS: return "assets";
    case SHERD_SECRETS: return "secrets";
    case SHERD_KEYS: return "keys";
    }
    sherd_bug("no such role: %d", (int)role);
}

/* --- opening and closing ----------------------------------------------------------------------------------------- */

static bool has_all_members(const struct sherd_store_ops *ops)
{
    return ops->name != NULL && ops->open != NULL && ops->close != NULL && ops->snapshot_begin != NULL &&
           ops->snapshot_end != NULL && ops->get != NULL && ops->scan != NULL && ops->write != NULL &&
           ops->blob_create != NULL && ops->blob_append != NULL && ops->blob_patch != NULL &&
           ops->blob_commit != NULL && ops->blob_abort != NULL && ops->blob_open != NULL && ops->blob_read != NULL &&
           ops->blob_close != NULL && ops->blob_delete != NULL && ops->blob_scan != NULL && ops->tidy != NULL &&
           ops->stat != NULL;
}

static enum sherd_err check_table(enum sherd_role role, const struct sherd_store_ops *ops)
{
    if (ops == NULL || ops->abi != SHERD_STORE_ABI)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "%s: the storage engine is made for another version of Sherd",
                          sherd_role_name(role));
    if (!has_all_members(ops))
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "%s: the storage engine lacks a function", sherd_role_name(role));
    return SHERD_OK;
}

enum sherd_err sherd_compartment_over(enum sherd_role role, struct sherd_store *store,
                                      struct sherd_compartment **out_compartment)
{
    struct sherd_compartment *compartment;

    SHERD_TRY(check_table(role, store->ops));
    SHERD_TRY(sherd_fork_watch());
    compartment = sherd_alloc(sizeof(*compartment));
    if (compartment == NULL)
        return SHERD_ERR_NO_MEMORY;
    compartment->store = store;
    compartment->role = role;
    compartment->fork_count = sherd_fork_count();
    pthread_mutex_init(&compartment->lock, NULL); /* cannot fail without attributes, on Linux */
    pthread_cond_init(&compartment->idle, NULL);
    *out_compartment = compartment;
    return SHERD_OK;
}

enum sherd_err sherd_compartment_open(enum sherd_role role, const struct sherd_store_ops *ops,
                                      const struct sherd_store_config *config,
                                      struct sherd_compartment **out_compartment)
{
    struct sherd_store *store;
    enum sherd_err err;

    SHERD_TRY(check_table(role, ops));
    SHERD_ENSURE(config->path != NULL && !(config->create && config->read_only), SHERD_ERR_INVALID,
                 "compartment: no path, or one to be created and only read");
    SHERD_TRY(ops->open(config, &store));
    err = sherd_compartment_over(role, store, out_compartment);
    if (err != SHERD_OK)
        ops->close(store);
    return err;
}

void sherd_compartment_close(struct sherd_compartment *compartment)
{
    if (compartment == NULL)
        return;
    if (!sherd_fork_passed(compartment->fork_count)) { /* a child's copy of the lock may be taken for good */
        pthread_mutex_lock(&compartment->lock);
        compartment->closing = true;
        while (compartment->count.writer_count > 0)
            pthread_cond_wait(&compartment->idle, &compartment->lock);
        pthread_mutex_unlock(&compartment->lock);
        pthread_cond_destroy(&compartment->idle);
        pthread_mutex_destroy(&compartment->lock);
    }
    compartment->store->ops->close(compartment->store);
    sherd_free(compartment);
}

enum sherd_role sherd_compartment_role(const struct sherd_compartment *compartment)
{
    return compartment->role;
}

void sherd_compartment_count(struct sherd_compartment *compartment, struct sherd_compartment_count *out_count)
{
    pthread_mutex_lock(&compartment->lock);
    *out_count = compartment->count;
    pthread_mutex_unlock(&compartment->lock);
}

/* --- the stop ---------------------------------------------------------------------------------------------------- */

/* Stop writing for good, for the reason that is this thread's detail text. The lock is held. */
static void stop(struct sherd_compartment *compartment)
{
    if (compartment->stopped)
        return;
    compartment->stopped = true;
    (void)snprintf(compartment->stop_text, sizeof(compartment->stop_text), "%s", sherd_err_detail());
}

/* Begin to write, with the lock held on success alone. */
static enum sherd_err enter(struct sherd_compartment *compartment)
{
    enum sherd_err err = SHERD_OK;

    SHERD_TRY(sherd_fork_check(compartment->fork_count));
    pthread_mutex_lock(&compartment->lock);
    if (compartment->closing)
        err = sherd_fail(SHERD_ERR_INVALID, "%s: a write into a compartment that is being closed",
                         sherd_role_name(compartment->role));
    else if (compartment->stopped)
        err = sherd_fail(SHERD_ERR_IO, "%s: writing stopped after a failure; open again to go on (%.128s)",
                         sherd_role_name(compartment->role), compartment->stop_text);
    if (err != SHERD_OK) {
        pthread_mutex_unlock(&compartment->lock);
        return err;
    }
    compartment->count.writer_count++;
    return SHERD_OK;
}

/* End writing; the lock is held, and free afterwards. Nothing of the compartment may be touched after this. */
static void leave(struct sherd_compartment *compartment)
{
    compartment->count.writer_count--;
    if (compartment->closing && compartment->count.writer_count == 0)
        pthread_cond_signal(&compartment->idle);
    pthread_mutex_unlock(&compartment->lock);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static int name_compare(struct sherd_ref a, struct sherd_ref b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)); /* not secret: names lie open in a store */
}

static int op_compare(const void *a, const void *b)
{
    const struct sherd_store_op *left = a;
    const struct sherd_store_op *right = b;

    return name_compare(left->name, right->name);
}

void sherd_store_ops_order(struct sherd_store_op *ops, size_t count)
{
    if (count > 1)
        qsort(ops, count, sizeof(*ops), op_compare);
}

static bool is_entry_length(size_t bytes)
{
    return bytes >= 1 && bytes <= SHERD_STORE_VALUE_BYTES_MAX;
}

static enum sherd_err broken_answer(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "store: an answer that no sound store gives");
}

enum sherd_err sherd_compartment_still(struct sherd_compartment *compartment, struct sherd_ref name,
                                       struct sherd_span met, bool *out_still)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf now = {.max = met.len};
    const enum sherd_err err = sherd_compartment_get(compartment, name, &now);

    if (err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_LIMIT)
        SHERD_TRY(err);
    *out_still = err == SHERD_OK && sherd_span_equal(sherd_buf_span(&now), met);
    return SHERD_OK;
}

enum sherd_err sherd_compartment_snapshot_begin(struct sherd_compartment *compartment,
                                                struct sherd_snapshot **out_snapshot)
{
    SHERD_TRY(sherd_fork_check(compartment->fork_count));
    return compartment->store->ops->snapshot_begin(compartment->store, out_snapshot);
}

enum sherd_err sherd_snapshot_get(struct sherd_snapshot *snapshot, struct sherd_ref name, struct sherd_buf *out_value)
{
    const size_t before = out_value->len;

    SHERD_TRY(snapshot->ops->get(snapshot, name, out_value));
    if (is_entry_length(out_value->len - before))
        return SHERD_OK;
    out_value->len = before;
    return broken_answer();
}

void sherd_snapshot_end(struct sherd_snapshot *snapshot)
{
    if (snapshot != NULL)
        snapshot->ops->snapshot_end(snapshot);
}

enum sherd_err sherd_compartment_get(struct sherd_compartment *compartment, struct sherd_ref name,
                                     struct sherd_buf *out_value)
{
    struct sherd_snapshot *snapshot;
    enum sherd_err err;

    SHERD_TRY(sherd_compartment_snapshot_begin(compartment, &snapshot));
    err = sherd_snapshot_get(snapshot, name, out_value);
    sherd_snapshot_end(snapshot);
    return err;
}

/* A scan whose answers are checked: names ascend, so that no store keeps a scan going round. */
struct checked_scan {
    sherd_store_visit_fn *visit;
    void *arg;
    const struct sherd_ref *after; /* the greatest name so far; NULL: none yet */
    struct sherd_ref last;         /* what after points to once something was visited */
    bool entries;                  /* or blobs */
};

static enum sherd_err visit_checked(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct checked_scan *scan = arg;

    if (scan->after != NULL && name_compare(name, *scan->after) <= 0)
        return broken_answer();
    if (scan->entries && (value.data == NULL || !is_entry_length(value.len)))
        return broken_answer();
    scan->last = name;
    scan->after = &scan->last;
    return scan->visit(scan->arg, name, value);
}

enum sherd_err sherd_snapshot_scan(struct sherd_snapshot *snapshot, const struct sherd_ref *after,
                                   sherd_store_visit_fn *visit, void *arg)
{
    struct checked_scan scan = {.visit = visit, .arg = arg, .after = after, .entries = true};

    return snapshot->ops->scan(snapshot, after, visit_checked, &scan);
}

/* --- group commit ------------------------------------------------------------------------------------------------ */

static enum sherd_err check_value(struct sherd_span value)
{
    SHERD_ENSURE(value.len >= 1 && value.data != NULL, SHERD_ERR_INVALID, "store: an entry needs a value");
    SHERD_ENSURE(value.len <= SHERD_STORE_VALUE_BYTES_MAX, SHERD_ERR_LIMIT, "store: too long for an entry");
    return SHERD_OK;
}

static enum sherd_err check_op(const struct sherd_store_op *op)
{
    switch (op->kind) {
    case SHERD_STORE_PUT: SHERD_TRY(check_value(op->value)); break;
    case SHERD_STORE_DELETE:
    case SHERD_STORE_CHECK: break;
    default: return sherd_fail(SHERD_ERR_INVALID, "store: no such kind of operation");
    }
    switch (op->expect) {
    case SHERD_EXPECT_ANY:
    case SHERD_EXPECT_ABSENT: return SHERD_OK;
    case SHERD_EXPECT_EQUALS: return check_value(op->expected);
    }
    return sherd_fail(SHERD_ERR_INVALID, "store: no such expectation");
}

static enum sherd_err check_ops(const struct sherd_store_op *ops, size_t count)
{
    SHERD_ENSURE(ops != NULL && count >= 1, SHERD_ERR_INVALID, "store: an empty write set");
    SHERD_ENSURE(count <= SHERD_STORE_OPS_MAX, SHERD_ERR_LIMIT, "store: too many operations in a write set");
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(check_op(&ops[i]));
    return SHERD_OK;
}

static void enqueue(struct sherd_compartment *compartment, struct writer *writer)
{
    if (compartment->first == NULL)
        compartment->first = writer;
    else
        compartment->last->next = writer;
    compartment->last = writer;
}

/* Move the sets that wait longest from the queue to the group, as many as share a commit. At least one waits. */
static size_t take_group(struct sherd_compartment *compartment)
{
    size_t set_count = 0;
    size_t op_count = 0;

    while (compartment->first != NULL && set_count < SHERD_COMPARTMENT_GROUP_SETS_MAX) {
        struct writer *writer = compartment->first;

        op_count += writer->set.count;
        if (set_count > 0 && op_count > SHERD_COMPARTMENT_GROUP_OPS_MAX)
            break;
        compartment->group[set_count++] = &writer->set;
        compartment->first = writer->next;
    }
    return set_count;
}

static int set_compare(const void *a, const void *b)
{
    struct sherd_store_set *const *left = a;
    struct sherd_store_set *const *right = b;

    return name_compare((*left)->ops[0].name, (*right)->ops[0].name);
}

/* Give the group to the engine, without the lock. */
static enum sherd_err write_group(struct sherd_compartment *compartment, size_t set_count)
{
    if (set_count > 1) /* the order of arrival would show in the engine's files what belongs together */
        qsort(compartment->group, set_count, sizeof(compartment->group[0]), set_compare);
    return compartment->store->ops->write(compartment->store, compartment->group, set_count);
}

/* Whether the outcome leaves it open what is durable. A set that is refused changed nothing. */
static bool is_uncertain(enum sherd_err err)
{
    return err != SHERD_OK && err != SHERD_ERR_CONFLICT && err != SHERD_ERR_BUSY && err != SHERD_ERR_INVALID;
}

/* Take in what the engine says about the group. The lock is held; the detail text is that of the engine. */
static void settle_group(struct sherd_compartment *compartment, size_t set_count, enum sherd_err err)
{
    bool uncertain = is_uncertain(err);

    for (size_t i = 0; i < set_count; i++)
        uncertain = uncertain || is_uncertain(compartment->group[i]->result);
    if (uncertain) {
        stop(compartment);
    } else if (err == SHERD_OK) {
        compartment->count.set_count += set_count;
        compartment->count.commit_count++;
    }
}

/* Wake the owners of the group's sets. The lock is held: once it is free, a writer that is done may be gone. */
static void wake_group(struct sherd_compartment *compartment, size_t set_count, const char *detail)
{
    for (size_t i = 0; i < set_count; i++) {
        struct writer *writer = (struct writer *)(void *)compartment->group[i];

        if (writer->set.result != SHERD_OK && writer->set.result != SHERD_ERR_CONFLICT)
            (void)snprintf(writer->detail, sizeof(writer->detail), "%s", detail);
        writer->done = true;
        pthread_cond_signal(&writer->wake);
    }
}

/*
 * Carry out the sets that wait. The lock is held, but not while the engine works. Sets that were queued before writing
 * stopped keep the SHERD_ERR_IO that they came with.
 */
static void lead(struct sherd_compartment *compartment)
{
    const size_t set_count = take_group(compartment);
    enum sherd_err err;

    if (compartment->stopped) {
        wake_group(compartment, set_count, compartment->stop_text);
    } else {
        compartment->leading = true;
        pthread_mutex_unlock(&compartment->lock);
        err = write_group(compartment, set_count);
        pthread_mutex_lock(&compartment->lock);
        compartment->leading = false;
        settle_group(compartment, set_count, err);
        wake_group(compartment, set_count, sherd_err_detail());
    }
    if (compartment->first != NULL)
        pthread_cond_signal(&compartment->first->wake); /* to lead, unless a thread that runs already comes first */
}

enum sherd_err sherd_compartment_write(struct sherd_compartment *compartment, const struct sherd_store_op *ops,
                                       size_t count)
{
    struct writer writer = {.set = {ops, count, SHERD_ERR_IO}, .wake = PTHREAD_COND_INITIALIZER};
    const enum sherd_role role = compartment->role;

    SHERD_TRY(check_ops(ops, count));
    SHERD_TRY(enter(compartment));
    enqueue(compartment, &writer);
    while (!writer.done) {
        if (compartment->leading)
            pthread_cond_wait(&writer.wake, &compartment->lock);
        else
            lead(compartment);
    }
    leave(compartment);
    if (writer.set.result == SHERD_ERR_CONFLICT)
        return sherd_fail(SHERD_ERR_CONFLICT, "%s: an entry is not as expected; read again, then retry",
                          sherd_role_name(role));
    if (writer.set.result != SHERD_OK)
        sherd_fail_restore(writer.detail);
    return writer.set.result;
}

/* --- blobs ------------------------------------------------------------------------------------------------------- */

static enum sherd_err check_span(struct sherd_span bytes)
{
    SHERD_ENSURE(bytes.len == 0 || bytes.data != NULL, SHERD_ERR_INVALID, "store: a length without bytes");
    return SHERD_OK;
}

/* Blobs do not queue: their bytes are flushed by their own threads, side by side. */
static enum sherd_err enter_blob(struct sherd_compartment *compartment)
{
    SHERD_TRY(enter(compartment));
    pthread_mutex_unlock(&compartment->lock);
    return SHERD_OK;
}

static enum sherd_err leave_blob(struct sherd_compartment *compartment, enum sherd_err err)
{
    pthread_mutex_lock(&compartment->lock);
    if (err == SHERD_ERR_IO)
        stop(compartment);
    leave(compartment);
    return err;
}

enum sherd_err sherd_compartment_blob_create(struct sherd_compartment *compartment,
                                             struct sherd_blob_writer **out_writer)
{
    enum sherd_err err;

    SHERD_TRY(enter_blob(compartment));
    err = compartment->store->ops->blob_create(compartment->store, out_writer);
    pthread_mutex_lock(&compartment->lock);
    leave(compartment);
    return err;
}

enum sherd_err sherd_blob_append(struct sherd_blob_writer *writer, struct sherd_span bytes)
{
    SHERD_TRY(check_span(bytes));
    return writer->ops->blob_append(writer, bytes);
}

enum sherd_err sherd_blob_patch(struct sherd_blob_writer *writer, uint64_t offset, struct sherd_span bytes)
{
    SHERD_TRY(check_span(bytes));
    return writer->ops->blob_patch(writer, offset, bytes);
}

enum sherd_err sherd_compartment_blob_commit(struct sherd_compartment *compartment, struct sherd_blob_writer *writer,
                                             struct sherd_ref name)
{
    const enum sherd_err err = enter_blob(compartment);

    if (err != SHERD_OK) {
        writer->ops->blob_abort(writer);
        return err;
    }
    return leave_blob(compartment, writer->ops->blob_commit(writer, name));
}

void sherd_blob_abort(struct sherd_blob_writer *writer)
{
    if (writer != NULL)
        writer->ops->blob_abort(writer);
}

enum sherd_err sherd_compartment_blob_open(struct sherd_compartment *compartment, struct sherd_ref name,
                                           struct sherd_blob_reader **out_reader, uint64_t *out_bytes)
{
    SHERD_TRY(sherd_fork_check(compartment->fork_count));
    return compartment->store->ops->blob_open(compartment->store, name, out_reader, out_bytes);
}

enum sherd_err sherd_blob_read(struct sherd_blob_reader *reader, uint64_t offset, uint8_t *block, size_t bytes)
{
    SHERD_TRY(check_span(sherd_span_of(block, bytes)));
    return reader->ops->blob_read(reader, offset, block, bytes);
}

void sherd_blob_close(struct sherd_blob_reader *reader)
{
    if (reader != NULL)
        reader->ops->blob_close(reader);
}

enum sherd_err sherd_compartment_blob_delete(struct sherd_compartment *compartment, struct sherd_ref name)
{
    SHERD_TRY(enter_blob(compartment));
    return leave_blob(compartment, compartment->store->ops->blob_delete(compartment->store, name));
}

enum sherd_err sherd_compartment_blob_scan(struct sherd_compartment *compartment, const struct sherd_ref *after,
                                           sherd_store_visit_fn *visit, void *arg)
{
    struct checked_scan scan = {.visit = visit, .arg = arg, .after = after};

    SHERD_TRY(sherd_fork_check(compartment->fork_count));
    return compartment->store->ops->blob_scan(compartment->store, after, visit_checked, &scan);
}

/* --- upkeep ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_compartment_tidy(struct sherd_compartment *compartment, uint64_t *out_removed_count)
{
    enum sherd_err err;

    SHERD_TRY(enter_blob(compartment));
    err = compartment->store->ops->tidy(compartment->store, out_removed_count);
    pthread_mutex_lock(&compartment->lock);
    leave(compartment);
    return err;
}

enum sherd_err sherd_compartment_stat(struct sherd_compartment *compartment, struct sherd_store_stat *out_stat)
{
    SHERD_TRY(sherd_fork_check(compartment->fork_count));
    return compartment->store->ops->stat(compartment->store, out_stat);
}
