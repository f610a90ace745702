/* SPDX-License-Identifier: Apache-2.0 */
/* Reading all rows of a collection: see row_scan.h. */
#include "cryptor/row_scan.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "cryptor/filter.h"
#include <stdatomic.h>
#include <string.h>

/* Where the collection's id lies in a row: behind its head, the deployment and the id's own tag and length. */
#define COLLECTION_OFFSET (SHERD_ROW_HEADER_SIZE + 3U + 16U + 3U)

/* Rows that go to a thread together. Room for the longest one. */
#define BLOCK_BYTES ((size_t)256 << 10)
_Static_assert(BLOCK_BYTES >= SHERD_ROW_BYTES_MAX + sizeof(uint32_t), "a row fits a block");
/* Blocks that are read, and not looked at yet. */
#define WAITING_MAX 16U
/* Of blocks with rows that are asked for. */
#define FOUND_BYTES_MAX ((size_t)256 << 20)

struct block {
    struct sherd_job job; /* first */
    struct sherd_row_scan *scan;
    struct block *next;
    uint8_t *bytes; /* length (4) and bytes of each row; NULL once nothing in it is wanted any more */
    size_t len;
    uint32_t *found; /* offsets of rows that are asked for */
    size_t found_count;
    size_t found_room;
    uint64_t row_count;
    struct sherd_digest marks;
    enum sherd_err err;
};

struct sherd_row_scan {
    struct sherd_vault *vault;
    const struct sherd_uuid *collection;
    const struct sherd_query *query;
    const struct sherd_hmac_key *key;
    size_t bytes_kept;
    atomic_uint owners;
    struct block *first;
    struct block **tail;
    struct block *filling;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    size_t waiting;
    size_t kept_bytes;
    bool dropped;   /* some rows that were not asked for */
    uint8_t *spare; /* bytes of a block that is done with */
};

bool sherd_row_scan_is_of(const struct sherd_uuid *collection, struct sherd_span stored)
{
    return sherd_row_is(stored) && stored.len >= COLLECTION_OFFSET + sizeof(*collection) &&
           sherd_same(stored.data + COLLECTION_OFFSET, collection->bytes, sizeof(collection->bytes));
}

/* --- one block, on any thread ------------------------------------------------------------------------------------- */

static enum sherd_err add_mark(struct block *block, struct sherd_span stored)
{
    struct sherd_digest digest = {{0}};
    struct sherd_digest mark;
    const struct sherd_span part = sherd_span_of(digest.bytes, sizeof(digest.bytes));

    SHERD_TRY(sherd_row_digest(stored, &digest));
    SHERD_TRY(sherd_hmac_with(block->scan->key, &part, 1, mark.bytes));
    for (size_t i = 0; i < sizeof(mark.bytes); i++)
        block->marks.bytes[i] ^= mark.bytes[i];
    return SHERD_OK;
}

static enum sherd_err note_found(struct block *block, uint32_t offset)
{
    if (block->found_count == block->found_room) {
        const size_t room = 2 * block->found_room + 16;
        uint32_t *found = sherd_realloc(block->found, room * sizeof(*found));

        if (found == NULL)
            return SHERD_ERR_NO_MEMORY;
        block->found = found;
        block->found_room = room;
    }
    block->found[block->found_count++] = offset;
    return SHERD_OK;
}

/* A row that does not decode is counted: what lies there is not what is pinned. */
static enum sherd_err look_at_row(struct block *block, struct sherd_span stored, uint32_t offset)
{
    struct sherd_query_column columns[SHERD_ATTRIBUTES_MAX];
    struct sherd_row row;

    block->row_count++;
    if (block->scan->key != NULL)
        SHERD_TRY(add_mark(block, stored));
    if (sherd_row_decode(stored, &row) != SHERD_OK)
        return SHERD_OK;
    const size_t count = sherd_filter_columns(row.attributes, columns);
    return sherd_filter_holds(block->scan->query, columns, count) ? note_found(block, offset) : SHERD_OK;
}

static enum sherd_err look_at_block(struct block *block)
{
    for (size_t at = 0; at < block->len;) {
        const uint32_t bytes = sherd_get_u32(block->bytes + at);

        SHERD_TRY(look_at_row(block, sherd_span_of(block->bytes + at + 4, bytes), (uint32_t)at));
        at += 4 + bytes;
    }
    return SHERD_OK;
}

static void run_block(struct sherd_job *job)
{
    struct block *block = (struct block *)job;
    struct sherd_row_scan *scan = block->scan;

    block->err = look_at_block(block);
    (void)pthread_mutex_lock(&scan->lock);
    scan->dropped = scan->dropped || scan->kept_bytes + BLOCK_BYTES > scan->bytes_kept;
    if (block->found_count > 0 || !scan->dropped) {
        scan->kept_bytes += BLOCK_BYTES;
    } else if (scan->spare == NULL) {
        scan->spare = block->bytes;
        block->bytes = NULL;
    } else {
        sherd_free(block->bytes);
        block->bytes = NULL;
    }
    scan->waiting--;
    (void)pthread_cond_signal(&scan->changed);
    (void)pthread_mutex_unlock(&scan->lock);
}

/* --- filling them ------------------------------------------------------------------------------------------------- */

static void wait_until(struct sherd_row_scan *scan, size_t waiting_max)
{
    (void)pthread_mutex_lock(&scan->lock);
    while (scan->waiting > waiting_max)
        (void)pthread_cond_wait(&scan->changed, &scan->lock);
    (void)pthread_mutex_unlock(&scan->lock);
}

static enum sherd_err new_block(struct sherd_row_scan *scan)
{
    struct block *block;

    (void)pthread_mutex_lock(&scan->lock);
    const bool full = scan->kept_bytes > FOUND_BYTES_MAX;
    uint8_t *bytes = scan->spare;
    scan->spare = NULL;
    (void)pthread_mutex_unlock(&scan->lock);
    block = full ? NULL : sherd_alloc(sizeof(*block));
    if (block != NULL && bytes == NULL)
        bytes = sherd_alloc(BLOCK_BYTES);
    if (block == NULL || bytes == NULL) {
        sherd_free(block);
        sherd_free(bytes);
        return full ? sherd_fail(SHERD_ERR_LIMIT, "too many rows are asked for at once") : SHERD_ERR_NO_MEMORY;
    }
    block->job.run = run_block;
    block->scan = scan;
    block->bytes = bytes;
    *scan->tail = block;
    scan->tail = &block->next;
    scan->filling = block;
    return SHERD_OK;
}

static void submit(struct sherd_row_scan *scan)
{
    struct block *block = scan->filling;

    if (block == NULL)
        return;
    scan->filling = NULL;
    (void)pthread_mutex_lock(&scan->lock);
    scan->waiting++;
    (void)pthread_mutex_unlock(&scan->lock);
    sherd_pool_submit(scan->vault->pool, &block->job);
    wait_until(scan, WAITING_MAX);
}

static enum sherd_err visit(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct sherd_row_scan *scan = arg;

    (void)name;
    if (!sherd_row_scan_is_of(scan->collection, stored) || stored.len > SHERD_ROW_BYTES_MAX)
        return SHERD_OK;
    if (scan->filling != NULL && BLOCK_BYTES - scan->filling->len < sizeof(uint32_t) + stored.len)
        submit(scan);
    if (scan->filling == NULL)
        SHERD_TRY(new_block(scan));
    struct block *block = scan->filling;
    sherd_put_u32(block->bytes + block->len, (uint32_t)stored.len);
    memcpy(block->bytes + block->len + 4, stored.data, stored.len);
    block->len += sizeof(uint32_t) + stored.len;
    return SHERD_OK;
}

/* The rows of one instant, as far as they are whole then: who writes one holds the window until it is pinned. */
static enum sherd_err read_all(struct sherd_row_scan *scan, struct sherd_snapshot *snapshot)
{
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, visit, scan);

    submit(scan);
    wait_until(scan, 0);
    SHERD_TRY(err);
    for (const struct block *block = scan->first; block != NULL; block = block->next)
        if (block->err != SHERD_OK)
            return sherd_fail(block->err, "the rows could not be added up");
    return SHERD_OK;
}

static enum sherd_err scan_new(struct sherd_vault *vault, struct sherd_row_scan **out_scan)
{
    struct sherd_row_scan *scan = sherd_alloc(sizeof(*scan));

    if (scan == NULL)
        return SHERD_ERR_NO_MEMORY;
    scan->vault = vault;
    scan->tail = &scan->first;
    atomic_init(&scan->owners, 1);
    if (pthread_mutex_init(&scan->lock, NULL) != 0 || pthread_cond_init(&scan->changed, NULL) != 0) {
        sherd_free(scan);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_scan = scan;
    return SHERD_OK;
}

enum sherd_err sherd_row_scan_new(struct sherd_vault *vault, const struct sherd_uuid *collection,
                                  const struct sherd_query *query, const struct sherd_hmac_key *key, size_t bytes_kept,
                                  struct sherd_row_scan **out_scan)
{
    SHERD_CLEANUP(sherd_row_scan_freep) struct sherd_row_scan *scan = NULL;
    struct sherd_snapshot *snapshot;

    SHERD_TRY(scan_new(vault, &scan));
    scan->collection = collection;
    scan->query = query;
    scan->key = key;
    scan->bytes_kept = bytes_kept;
    SHERD_TRY(sherd_compartment_snapshot_begin(vault->secrets, &snapshot));
    const enum sherd_err err = read_all(scan, snapshot);
    sherd_snapshot_end(snapshot);
    SHERD_TRY(err);
    scan->collection = NULL; /* the caller's; what was read outlives them */
    scan->query = NULL;
    scan->key = NULL;
    *out_scan = sherd_row_scan_take(&scan);
    return SHERD_OK;
}

/* --- what came of it ---------------------------------------------------------------------------------------------- */

uint64_t sherd_row_scan_sum(const struct sherd_row_scan *scan, struct sherd_digest *out_sum)
{
    uint64_t count = 0;

    *out_sum = (struct sherd_digest){{0}};
    for (const struct block *block = scan->first; block != NULL; block = block->next) {
        count += block->row_count;
        for (size_t i = 0; i < sizeof(out_sum->bytes); i++)
            out_sum->bytes[i] ^= block->marks.bytes[i];
    }
    return count;
}

static enum sherd_err tell_block(const struct block *block, sherd_row_scan_fn *fn, void *arg)
{
    for (size_t i = 0; i < block->found_count; i++) {
        const uint8_t *at = block->bytes + block->found[i];
        struct sherd_row row;

        SHERD_TRY(sherd_row_decode(sherd_span_of(at + 4, sherd_get_u32(at)), &row));
        SHERD_TRY(fn(arg, &row));
    }
    return SHERD_OK;
}

enum sherd_err sherd_row_scan_each(const struct sherd_row_scan *scan, sherd_row_scan_fn *fn, void *arg)
{
    for (const struct block *block = scan->first; block != NULL; block = block->next)
        SHERD_TRY(tell_block(block, fn, arg));
    return SHERD_OK;
}

bool sherd_row_scan_is_whole(const struct sherd_row_scan *scan)
{
    return !scan->dropped;
}

static enum sherd_err ask_row(const struct sherd_query *query, struct sherd_span stored, sherd_row_scan_fn *fn,
                              void *arg)
{
    struct sherd_query_column columns[SHERD_ATTRIBUTES_MAX];
    struct sherd_row row;

    if (sherd_row_decode(stored, &row) != SHERD_OK)
        return SHERD_OK;
    return sherd_filter_holds(query, columns, sherd_filter_columns(row.attributes, columns)) ? fn(arg, &row) : SHERD_OK;
}

enum sherd_err sherd_row_scan_again(const struct sherd_row_scan *scan, const struct sherd_query *query,
                                    sherd_row_scan_fn *fn, void *arg)
{
    for (const struct block *block = scan->first; block != NULL; block = block->next)
        for (size_t at = 0; at < block->len;) {
            const uint32_t bytes = sherd_get_u32(block->bytes + at);

            SHERD_TRY(ask_row(query, sherd_span_of(block->bytes + at + 4, bytes), fn, arg));
            at += 4 + bytes;
        }
    return SHERD_OK;
}

void sherd_row_scan_share(struct sherd_row_scan *scan)
{
    (void)atomic_fetch_add(&scan->owners, 1);
}

void sherd_row_scan_free(struct sherd_row_scan *scan)
{
    if (scan == NULL || atomic_fetch_sub(&scan->owners, 1) > 1)
        return;
    for (struct block *block = scan->first; block != NULL;) {
        struct block *next = block->next;

        sherd_free(block->bytes);
        sherd_free(block->found);
        sherd_free(block);
        block = next;
    }
    sherd_free(scan->spare);
    (void)pthread_cond_destroy(&scan->changed);
    (void)pthread_mutex_destroy(&scan->lock);
    sherd_free(scan);
}
