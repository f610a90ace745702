/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory: two trees that never change, and a lock that guards which ones are current. See memory.h. */
#include "store/memory/memory.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/fork.h"
#include "store/handle.h"
#include "store/memory/tree.h"
#include <pthread.h>
#include <string.h>

/* What lives on when the store is closed. */
struct place {
    struct place *next;
    char *path;
    bool open;
    uint64_t seed;
    struct sherd_memory_node *entries;
    struct sherd_memory_node *blobs;
};

struct store {
    struct sherd_store base;
    struct place *place;
    bool read_only;
    unsigned fork_count;
    pthread_mutex_t lock; /* of place->entries and place->blobs */
};

struct snapshot {
    struct sherd_snapshot base;
    unsigned fork_count;
    struct sherd_memory_node *entries;
};

struct blob_writer {
    struct sherd_blob_writer base;
    struct store *store;
    struct sherd_memory_value *value;
};

struct blob_reader {
    struct sherd_blob_reader base;
    struct sherd_memory_value *value;
};

static struct place *places;
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t places_once = PTHREAD_ONCE_INIT;

/* --- downcasts --------------------------------------------------------------------------------------------------- */

SHERD_DEFINE_HANDLES(sherd_store_memory);

static enum sherd_err check_writable(const struct store *store)
{
    SHERD_TRY(sherd_fork_check(store->fork_count));
    SHERD_ENSURE(!store->read_only, SHERD_ERR_INVALID, "memory store: opened to read only");
    return SHERD_OK;
}

/* --- places ------------------------------------------------------------------------------------------------------ */

/* A child's copy of the places must not be caught half changed, nor locked for good. */
static void lock_places(void)
{
    pthread_mutex_lock(&places_lock);
}

static void unlock_places(void)
{
    pthread_mutex_unlock(&places_lock);
}

static void guard_places(void)
{
    (void)pthread_atfork(lock_places, unlock_places, unlock_places);
}

static struct place **find_place(const char *path)
{
    struct place **link = &places;

    while (*link != NULL && strcmp((*link)->path, path) != 0)
        link = &(*link)->next;
    return link;
}

static void place_free(struct place *place)
{
    if (place == NULL)
        return;
    sherd_memory_tree_drop(place->entries);
    sherd_memory_tree_drop(place->blobs);
    sherd_free(place->path);
    sherd_free(place);
}

static enum sherd_err place_new(const char *path, struct place **out_place)
{
    struct place *place = sherd_alloc(sizeof(*place));
    enum sherd_err err = SHERD_ERR_NO_MEMORY;

    if (place != NULL)
        place->path = sherd_strdup(path);
    if (place != NULL && place->path != NULL)
        err = sherd_random(&place->seed, sizeof(place->seed));
    if (err != SHERD_OK) {
        place_free(place);
        return err;
    }
    *out_place = place;
    return SHERD_OK;
}

/* places_lock is held. */
static enum sherd_err claim_place(const struct sherd_store_config *config, struct place **out_place)
{
    struct place **link = find_place(config->path);

    if (*link == NULL && !config->create)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "memory store: nothing at %s", config->path);
    if (*link != NULL && config->create)
        return sherd_fail(SHERD_ERR_CONFLICT, "memory store: %s exists already", config->path);
    if (*link != NULL && (*link)->open)
        return sherd_fail(SHERD_ERR_BUSY, "memory store: %s is open already", config->path);
    if (*link == NULL)
        SHERD_TRY(place_new(config->path, link));
    (*link)->open = true;
    *out_place = *link;
    return SHERD_OK;
}

enum sherd_err sherd_store_memory_forget(const char *path)
{
    enum sherd_err err = SHERD_ERR_NOT_FOUND;
    struct place *place = NULL;

    lock_places();
    struct place **link = find_place(path);
    if (*link != NULL && (*link)->open) {
        err = sherd_fail(SHERD_ERR_BUSY, "memory store: %s is open", path);
    } else if (*link != NULL) {
        place = *link;
        *link = place->next;
        err = SHERD_OK;
    }
    unlock_places();
    place_free(place);
    return err;
}

static enum sherd_err memory_open(const struct sherd_store_config *config, struct sherd_store **out_store)
{
    struct store *store;
    enum sherd_err err;

    SHERD_ENSURE(!(config->create && config->read_only), SHERD_ERR_INVALID,
                 "memory store: cannot create what is only read");
    SHERD_TRY(sherd_fork_watch());
    (void)pthread_once(&places_once, guard_places);
    store = sherd_alloc(sizeof(*store));
    if (store == NULL)
        return SHERD_ERR_NO_MEMORY;

    store->base.ops = &sherd_store_memory;
    store->read_only = config->read_only;
    store->fork_count = sherd_fork_count();
    lock_places();
    err = claim_place(config, &store->place);
    unlock_places();
    if (err != SHERD_OK) {
        sherd_free(store);
        return err;
    }
    pthread_mutex_init(&store->lock, NULL);
    *out_store = &store->base;
    return SHERD_OK;
}

static void memory_close(struct sherd_store *base)
{
    if (base == NULL)
        return;
    struct store *store = store_of(base);
    if (!sherd_fork_passed(store->fork_count)) { /* in a child, the place stays taken: its copy may be half changed */
        lock_places();
        store->place->open = false;
        unlock_places();
        pthread_mutex_destroy(&store->lock);
    }
    sherd_free(store);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static enum sherd_err memory_snapshot_begin(struct sherd_store *base, struct sherd_snapshot **out_snapshot)
{
    struct store *store = store_of(base);
    struct snapshot *snapshot;

    SHERD_TRY(sherd_fork_check(store->fork_count));
    snapshot = sherd_alloc(sizeof(*snapshot));
    if (snapshot == NULL)
        return SHERD_ERR_NO_MEMORY;
    snapshot->base.ops = &sherd_store_memory;
    snapshot->fork_count = store->fork_count;
    pthread_mutex_lock(&store->lock);
    snapshot->entries = sherd_memory_tree_hold(store->place->entries);
    pthread_mutex_unlock(&store->lock);
    *out_snapshot = &snapshot->base;
    return SHERD_OK;
}

static void memory_snapshot_end(struct sherd_snapshot *base)
{
    if (base == NULL)
        return;
    struct snapshot *snapshot = snapshot_of(base);
    sherd_memory_tree_drop(snapshot->entries);
    sherd_free(snapshot);
}

static enum sherd_err memory_get(struct sherd_snapshot *base, struct sherd_ref name, struct sherd_buf *out_value)
{
    struct snapshot *snapshot = snapshot_of(base);
    const struct sherd_memory_value *value;

    SHERD_TRY(sherd_fork_check(snapshot->fork_count));
    value = sherd_memory_tree_find(snapshot->entries, name);
    if (value == NULL)
        return SHERD_ERR_NOT_FOUND;
    return sherd_buf_append(out_value, sherd_memory_value_span(value));
}

static enum sherd_err memory_scan(struct sherd_snapshot *base, const struct sherd_ref *after,
                                  sherd_store_visit_fn *visit, void *arg)
{
    struct snapshot *snapshot = snapshot_of(base);

    SHERD_TRY(sherd_fork_check(snapshot->fork_count));
    return sherd_memory_tree_walk(snapshot->entries, after, visit, arg);
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static bool is_expected(const struct sherd_memory_node *entries, const struct sherd_store_op *op)
{
    const struct sherd_memory_value *value = NULL;

    if (op->expect != SHERD_EXPECT_ANY)
        value = sherd_memory_tree_find(entries, op->name);
    switch (op->expect) {
    case SHERD_EXPECT_ANY: return true;
    case SHERD_EXPECT_ABSENT: return value == NULL;
    case SHERD_EXPECT_EQUALS: return value != NULL && sherd_span_equal(sherd_memory_value_span(value), op->expected);
    }
    return false;
}

static enum sherd_err put_copy(const struct place *place, struct sherd_memory_node *entries,
                               const struct sherd_store_op *op, struct sherd_memory_node **out_entries)
{
    struct sherd_memory_value *value = sherd_memory_value_new(op->value.len);
    enum sherd_err err;

    if (value == NULL)
        return SHERD_ERR_NO_MEMORY;
    err = sherd_memory_value_append(&value, op->value);
    if (err == SHERD_OK)
        err = sherd_memory_tree_put(entries, place->seed, op->name, value, out_entries);
    sherd_memory_value_drop(value);
    return err;
}

/* Replace *entries by what op makes of it; unchanged on failure. */
static enum sherd_err apply(const struct place *place, const struct sherd_store_op *op,
                            struct sherd_memory_node **entries)
{
    struct sherd_memory_node *changed = NULL;

    if (!is_expected(*entries, op))
        return SHERD_ERR_CONFLICT;
    if (op->kind == SHERD_STORE_CHECK)
        return SHERD_OK;
    if (op->kind == SHERD_STORE_DELETE)
        SHERD_TRY(sherd_memory_tree_remove(*entries, op->name, &changed));
    else
        SHERD_TRY(put_copy(place, *entries, op, &changed));
    sherd_memory_tree_drop(*entries);
    *entries = changed;
    return SHERD_OK;
}

/* All of a set or none of it. */
static enum sherd_err apply_set(const struct place *place, const struct sherd_store_set *set,
                                struct sherd_memory_node **entries)
{
    struct sherd_memory_node *changed = sherd_memory_tree_hold(*entries);
    enum sherd_err err = SHERD_OK;

    for (size_t i = 0; i < set->count && err == SHERD_OK; i++)
        err = apply(place, &set->ops[i], &changed);
    if (err != SHERD_OK) {
        sherd_memory_tree_drop(changed);
        return err;
    }
    sherd_memory_tree_drop(*entries);
    *entries = changed;
    return SHERD_OK;
}

/* The code of what stops the whole call, or SHERD_OK; *entries is as all sets together make it. */
static enum sherd_err apply_sets(const struct place *place, struct sherd_store_set *const *sets, size_t set_count,
                                 struct sherd_memory_node **entries)
{
    for (size_t i = 0; i < set_count; i++) {
        sets[i]->result = apply_set(place, sets[i], entries);
        if (sets[i]->result != SHERD_OK && sets[i]->result != SHERD_ERR_CONFLICT)
            return sets[i]->result;
    }
    return SHERD_OK;
}

static enum sherd_err refuse_sets(struct sherd_store_set *const *sets, size_t set_count, enum sherd_err err)
{
    for (size_t i = 0; i < set_count; i++)
        sets[i]->result = err;
    return err;
}

static enum sherd_err memory_write(struct sherd_store *base, struct sherd_store_set *const *sets, size_t set_count)
{
    struct store *store = store_of(base);
    struct sherd_memory_node *entries;
    enum sherd_err err = check_writable(store);

    if (err != SHERD_OK)
        return refuse_sets(sets, set_count, err);
    pthread_mutex_lock(&store->lock);
    entries = sherd_memory_tree_hold(store->place->entries);
    err = apply_sets(store->place, sets, set_count, &entries);
    if (err == SHERD_OK) {
        struct sherd_memory_node *before = store->place->entries;
        store->place->entries = entries;
        entries = before;
    }
    pthread_mutex_unlock(&store->lock);
    sherd_memory_tree_drop(entries);
    return err == SHERD_OK ? SHERD_OK : refuse_sets(sets, set_count, err);
}

/* --- blobs ------------------------------------------------------------------------------------------------------- */

static enum sherd_err memory_blob_create(struct sherd_store *base, struct sherd_blob_writer **out_writer)
{
    struct store *store = store_of(base);
    struct blob_writer *writer;

    SHERD_TRY(check_writable(store));
    writer = sherd_alloc(sizeof(*writer));
    if (writer == NULL)
        return SHERD_ERR_NO_MEMORY;
    writer->value = sherd_memory_value_new(0);
    if (writer->value == NULL) {
        sherd_free(writer);
        return SHERD_ERR_NO_MEMORY;
    }
    writer->base.ops = &sherd_store_memory;
    writer->store = store;
    *out_writer = &writer->base;
    return SHERD_OK;
}

static enum sherd_err memory_blob_append(struct sherd_blob_writer *base, struct sherd_span bytes)
{
    struct blob_writer *writer = blob_writer_of(base);

    SHERD_TRY(check_writable(writer->store));
    SHERD_ENSURE(bytes.len <= SHERD_STORE_MEMORY_BLOB_BYTES_MAX - sherd_memory_value_span(writer->value).len,
                 SHERD_ERR_LIMIT, "memory store: the blob is too long to be kept in memory");
    return sherd_memory_value_append(&writer->value, bytes);
}

static bool lies_within(uint64_t offset, size_t bytes, size_t whole)
{
    return offset <= whole && bytes <= whole - offset;
}

static enum sherd_err memory_blob_patch(struct sherd_blob_writer *base, uint64_t offset, struct sherd_span bytes)
{
    struct blob_writer *writer = blob_writer_of(base);

    SHERD_TRY(check_writable(writer->store));
    SHERD_ENSURE(lies_within(offset, bytes.len, sherd_memory_value_span(writer->value).len), SHERD_ERR_LIMIT,
                 "memory store: a patch past the end of the blob");
    if (bytes.len > 0)
        memcpy(sherd_memory_value_data(writer->value) + offset, bytes.data, bytes.len);
    return SHERD_OK;
}

static void memory_blob_abort(struct sherd_blob_writer *base)
{
    if (base == NULL)
        return;
    struct blob_writer *writer = blob_writer_of(base);
    sherd_memory_value_drop(writer->value);
    sherd_free(writer);
}

/* Make changed current; store->lock is held. */
static void replace_blobs(struct store *store, struct sherd_memory_node *changed)
{
    sherd_memory_tree_drop(store->place->blobs);
    store->place->blobs = changed;
}

static enum sherd_err add_blob(struct store *store, struct sherd_ref name, struct sherd_memory_value *value)
{
    struct place *place = store->place;
    struct sherd_memory_node *changed;

    if (sherd_memory_tree_find(place->blobs, name) != NULL)
        return sherd_fail(SHERD_ERR_CONFLICT, "memory store: there is a blob of that name");
    SHERD_TRY(sherd_memory_tree_put(place->blobs, place->seed, name, value, &changed));
    replace_blobs(store, changed);
    return SHERD_OK;
}

static enum sherd_err memory_blob_commit(struct sherd_blob_writer *base, struct sherd_ref name)
{
    struct blob_writer *writer = blob_writer_of(base);
    struct store *store = writer->store;
    enum sherd_err err = check_writable(store);

    if (err == SHERD_OK) {
        pthread_mutex_lock(&store->lock);
        err = add_blob(store, name, writer->value);
        pthread_mutex_unlock(&store->lock);
    }
    memory_blob_abort(base); /* the tree holds the value now, if it was added */
    return err;
}

static enum sherd_err memory_blob_open(struct sherd_store *base, struct sherd_ref name,
                                       struct sherd_blob_reader **out_reader, uint64_t *out_bytes)
{
    struct store *store = store_of(base);
    struct blob_reader *reader;
    struct sherd_memory_value *value;

    SHERD_TRY(sherd_fork_check(store->fork_count));
    reader = sherd_alloc(sizeof(*reader));
    if (reader == NULL)
        return SHERD_ERR_NO_MEMORY;
    pthread_mutex_lock(&store->lock);
    value = sherd_memory_tree_find(store->place->blobs, name);
    if (value != NULL)
        reader->value = sherd_memory_value_hold(value);
    pthread_mutex_unlock(&store->lock);
    if (value == NULL) {
        sherd_free(reader);
        return SHERD_ERR_NOT_FOUND;
    }
    reader->base.ops = &sherd_store_memory;
    *out_reader = &reader->base;
    *out_bytes = sherd_memory_value_span(reader->value).len;
    return SHERD_OK;
}

static enum sherd_err memory_blob_read(struct sherd_blob_reader *base, uint64_t offset, uint8_t *block, size_t bytes)
{
    const struct sherd_span span = sherd_memory_value_span(blob_reader_of(base)->value);

    SHERD_ENSURE(lies_within(offset, bytes, span.len), SHERD_ERR_LIMIT, "memory store: past the end of the blob");
    if (bytes > 0)
        memcpy(block, span.data + offset, bytes);
    return SHERD_OK;
}

static void memory_blob_close(struct sherd_blob_reader *base)
{
    if (base == NULL)
        return;
    struct blob_reader *reader = blob_reader_of(base);
    sherd_memory_value_drop(reader->value);
    sherd_free(reader);
}

static enum sherd_err memory_blob_delete(struct sherd_store *base, struct sherd_ref name)
{
    struct store *store = store_of(base);
    struct sherd_memory_node *changed;
    enum sherd_err err;

    SHERD_TRY(check_writable(store));
    pthread_mutex_lock(&store->lock);
    err = sherd_memory_tree_remove(store->place->blobs, name, &changed);
    if (err == SHERD_OK)
        replace_blobs(store, changed);
    pthread_mutex_unlock(&store->lock);
    return err;
}

struct blob_visit {
    sherd_store_visit_fn *visit;
    void *arg;
};

static enum sherd_err visit_blob(void *arg, struct sherd_ref name, struct sherd_span value)
{
    const struct blob_visit *outer = arg;

    return outer->visit(outer->arg, name, sherd_span_of(NULL, value.len));
}

static enum sherd_err memory_blob_scan(struct sherd_store *base, const struct sherd_ref *after,
                                       sherd_store_visit_fn *visit, void *arg)
{
    struct store *store = store_of(base);
    struct blob_visit outer = {visit, arg};
    struct sherd_memory_node *blobs;
    enum sherd_err err;

    SHERD_TRY(sherd_fork_check(store->fork_count));
    pthread_mutex_lock(&store->lock);
    blobs = sherd_memory_tree_hold(store->place->blobs);
    pthread_mutex_unlock(&store->lock);
    err = sherd_memory_tree_walk(blobs, after, visit_blob, &outer);
    sherd_memory_tree_drop(blobs);
    return err;
}

/* --- upkeep ------------------------------------------------------------------------------------------------------ */

/* What died with its process left nothing in the memory of this one. */
static enum sherd_err memory_tidy(struct sherd_store *base, uint64_t *out_removed_count)
{
    SHERD_TRY(check_writable(store_of(base)));
    *out_removed_count = 0;
    return SHERD_OK;
}

struct sum {
    uint64_t count;
    uint64_t bytes;
};

static enum sherd_err add_to_sum(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct sum *sum = arg;

    (void)name;
    sum->count++;
    sum->bytes += value.len;
    return SHERD_OK;
}

static enum sherd_err memory_stat(struct sherd_store *base, struct sherd_store_stat *out_stat)
{
    struct sum entries = {0};
    struct sum blobs = {0};
    struct sherd_snapshot *snapshot;
    enum sherd_err err;

    SHERD_TRY(memory_snapshot_begin(base, &snapshot));
    err = memory_scan(snapshot, NULL, add_to_sum, &entries);
    memory_snapshot_end(snapshot);
    SHERD_TRY(err);
    SHERD_TRY(memory_blob_scan(base, NULL, add_to_sum, &blobs));
    *out_stat = (struct sherd_store_stat){entries.count, entries.bytes, blobs.count, blobs.bytes};
    return SHERD_OK;
}

const struct sherd_store_ops sherd_store_memory = {
    .abi = SHERD_STORE_ABI,
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .snapshot_begin = memory_snapshot_begin,
    .snapshot_end = memory_snapshot_end,
    .get = memory_get,
    .scan = memory_scan,
    .write = memory_write,
    .blob_create = memory_blob_create,
    .blob_append = memory_blob_append,
    .blob_patch = memory_blob_patch,
    .blob_commit = memory_blob_commit,
    .blob_abort = memory_blob_abort,
    .blob_open = memory_blob_open,
    .blob_read = memory_blob_read,
    .blob_close = memory_blob_close,
    .blob_delete = memory_blob_delete,
    .blob_scan = memory_blob_scan,
    .tidy = memory_tidy,
    .stat = memory_stat,
};
