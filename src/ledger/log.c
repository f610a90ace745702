/* SPDX-License-Identifier: Apache-2.0 */
/* Logs in a directory, to read: see log.h. */
#include "ledger/log.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "ledger/log_state.h"
#include <inttypes.h>

static enum sherd_err differs(const char *path)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the log's %s is missing or was changed", path);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* Where a partial form is gone, the full one stands for it: its beginning is the same. */
static enum sherd_err read_file(const struct sherd_log *log, const struct sherd_tile *tile, struct sherd_buf *out_bytes)
{
    struct sherd_tile full = *tile;
    char path[SHERD_TILE_PATH_SIZE];

    sherd_tile_path(tile, path);
    enum sherd_err err = sherd_file_read(log->dir, path, out_bytes);
    if (err == SHERD_ERR_NOT_FOUND && tile->width < SHERD_TILE_WIDTH) {
        full.width = SHERD_TILE_WIDTH;
        sherd_tile_path(&full, path);
        err = sherd_file_read(log->dir, path, out_bytes);
    }
    return err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT ? differs(path) : err;
}

enum sherd_err sherd_log_tile_read(const struct sherd_log *log, const struct sherd_tile *tile,
                                   struct sherd_digest *out_hashes)
{
    uint8_t block[SHERD_TILE_BYTES];
    struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));
    const size_t wanted = tile->width * sizeof(*out_hashes);
    char path[SHERD_TILE_PATH_SIZE];

    sherd_tile_path(tile, path);
    SHERD_TRY(read_file(log, tile, &bytes));
    if (bytes.len != wanted && bytes.len != sizeof(block))
        return differs(path);
    memcpy(out_hashes, block, wanted);
    return SHERD_OK;
}

/* The length of the first so many entries. @return false if there are fewer, or if something else follows them */
static bool cut_bundle(struct sherd_span bundle, unsigned width, size_t *out_bytes)
{
    struct sherd_span rest = bundle;
    struct sherd_span entry;
    unsigned count = 0;

    while (count < width && sherd_bundle_next(&rest, &entry))
        count++;
    *out_bytes = bundle.len - rest.len;
    while (rest.len > 0 && count < SHERD_TILE_WIDTH && sherd_bundle_next(&rest, &entry))
        count++;
    return rest.len == 0 && (count == width || count == SHERD_TILE_WIDTH);
}

enum sherd_err sherd_log_bundle_read(const struct sherd_log *log, const struct sherd_tile *tile,
                                     struct sherd_buf *out_bundle)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_BUNDLE_BYTES_MAX};
    char path[SHERD_TILE_PATH_SIZE];
    size_t wanted = 0;

    sherd_tile_path(tile, path);
    SHERD_TRY(read_file(log, tile, &bytes));
    if (!cut_bundle(sherd_buf_span(&bytes), tile->width, &wanted))
        return differs(path);
    return sherd_buf_append(out_bundle, sherd_span_of(bytes.data, wanted));
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

/* A full tile, held for the next time. */
static enum sherd_err cached_tile(struct sherd_log *log, const struct sherd_tile *tile,
                                  const struct sherd_digest **out_hashes)
{
    struct sherd_log_cached *cached = &log->cache[(tile->index + 5 * (uint64_t)tile->level) % SHERD_LOG_CACHE];

    if (cached->tile.width == 0 || cached->tile.level != tile->level || cached->tile.index != tile->index) {
        cached->tile.width = 0;
        SHERD_TRY(sherd_log_tile_read(log, tile, cached->hashes));
        cached->tile = *tile;
    }
    *out_hashes = cached->hashes;
    return SHERD_OK;
}

static enum sherd_err read_node(void *arg, unsigned level, uint64_t index, struct sherd_digest *out_hash)
{
    const struct sherd_log_nodes *nodes = arg;
    const struct sherd_digest *hashes = NULL;
    struct sherd_tile_place place;

    SHERD_TRY(sherd_tile_find(level, index, nodes->edge->size, &place));
    if (place.tile.width < SHERD_TILE_WIDTH)
        hashes = nodes->edge->hashes[place.tile.level];
    else
        SHERD_TRY(cached_tile(nodes->log, &place.tile, &hashes));
    return sherd_tile_fold(hashes + place.first, place.count, out_hash);
}

struct sherd_node_reader sherd_log_reader(struct sherd_log_nodes *nodes)
{
    const struct sherd_node_reader reader = {.read = read_node, .arg = nodes};

    return reader;
}

/* What was read from files may be wrong: forget it. */
static enum sherd_err forget(struct sherd_log *log, enum sherd_err err)
{
    if (err != SHERD_OK)
        for (size_t i = 0; i < SHERD_LOG_CACHE; i++)
            log->cache[i].tile.width = 0;
    return err;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_log_checkpoint_load(const char *dir, const struct sherd_policy *policy, struct sherd_buf *out_note,
                                         struct sherd_checkpoint *out_checkpoint)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_CHECKPOINT_BYTES_MAX};

    SHERD_TRY(sherd_file_read(dir, SHERD_LOG_CHECKPOINT, &note));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&note), policy, out_checkpoint, NULL));
    *out_note = sherd_buf_take(&note); /* the checkpoint borrows from its block, which stays */
    return SHERD_OK;
}

/* The partial tiles of the checkpoint's size, and the tree that they make: its root must be the checkpoint's. */
static enum sherd_err load_edge(struct sherd_log *log)
{
    const struct sherd_tree_head *head = &log->checkpoint.head;
    struct sherd_digest root;

    log->edge->size = head->size;
    for (unsigned level = 0; level < SHERD_TILE_LEVELS; level++) {
        const uint64_t hashes = sherd_tile_level_hashes(level, head->size);
        const struct sherd_tile tile = {
            .level = level, .index = hashes / SHERD_TILE_WIDTH, .width = (unsigned)(hashes % SHERD_TILE_WIDTH)};

        if (tile.width > 0)
            SHERD_TRY(sherd_log_tile_read(log, &tile, log->edge->hashes[level]));
        log->edge->counts[level] = tile.width;
    }
    SHERD_TRY(sherd_edge_root(log->edge, &root));
    SHERD_ENSURE(sherd_same(root.bytes, head->root.bytes, sizeof(root.bytes)), SHERD_ERR_TAMPERED,
                 "the log's tiles do not lead to the root of its checkpoint");
    return SHERD_OK;
}

enum sherd_err sherd_log_prepare(struct sherd_log *log, const char *dir, const struct sherd_policy *policy)
{
    log->lock.fd = -1;
    log->policy = policy;
    log->dir = sherd_strdup(dir);
    log->edge = sherd_alloc(sizeof(*log->edge));
    log->cache = sherd_alloc_array(SHERD_LOG_CACHE, sizeof(*log->cache));
    return log->dir != NULL && log->edge != NULL && log->cache != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
}

/* What any log needs, and its own checkpoint. */
static enum sherd_err prepare(struct sherd_log *log, const char *dir, const struct sherd_policy *policy,
                              const struct sherd_log_signer *signer)
{
    SHERD_TRY(sherd_log_prepare(log, dir, policy));
    SHERD_TRY(sherd_log_checkpoint_load(dir, policy, &log->note, &log->checkpoint));
    if (signer == NULL)
        return SHERD_OK;
    log->signer = *signer; /* now there is a log, and a lock makes nothing that does not belong there */
    SHERD_TRY(sherd_file_lock_try(dir, SHERD_LOG_LOCK, &log->lock));
    sherd_buf_done(&log->note);
    return sherd_log_checkpoint_load(dir, policy, &log->note, &log->checkpoint);
}

enum sherd_err sherd_log_open(const char *dir, const struct sherd_policy *policy, const struct sherd_log_signer *signer,
                              struct sherd_log **out_log)
{
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = sherd_alloc(sizeof(*log));

    if (log == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(prepare(log, dir, policy, signer));
    SHERD_TRY(load_edge(log));
    *out_log = log;
    log = NULL;
    return SHERD_OK;
}

void sherd_log_close(struct sherd_log *log)
{
    if (log == NULL)
        return;
    if (log->lock.fd >= 0)
        sherd_file_lock_leave(&log->lock);
    sherd_buf_done(&log->note);
    sherd_buf_done(&log->bundle);
    sherd_free(log->cache);
    sherd_free(log->edge);
    sherd_free(log->dir);
    sherd_free(log);
}

/* Whether the log's own checkpoint, which is there, can be older than one that is known, or the same. */
static enum sherd_err compare_heads(const struct sherd_checkpoint *own, const struct sherd_checkpoint *known)
{
    if (!sherd_span_equal(own->origin, known->origin))
        return sherd_fail(SHERD_ERR_TAMPERED, "the log is another one than is known");
    if (own->head.size > known->head.size)
        return sherd_fail(SHERD_ERR_CONFLICT, "what is known of the log is %" PRIu64 " leaves behind it",
                          own->head.size - known->head.size);
    return SHERD_OK;
}

/* Go on from the checkpoint that is known. The tiles must lead to it, and from the log's own to it. */
static enum sherd_err take_known(struct sherd_log *log, struct sherd_buf *note, const struct sherd_checkpoint *known)
{
    const struct sherd_tree_head own = log->checkpoint.head;
    struct sherd_log_nodes nodes = {log, log->edge};
    const struct sherd_node_reader reader = sherd_log_reader(&nodes);
    struct sherd_path path;
    bool begun = false;

    sherd_buf_done(&log->note);
    log->note = sherd_buf_take(note);
    log->checkpoint = *known;
    SHERD_TRY(load_edge(log));
    SHERD_TRY(sherd_consistency_prove(&reader, own.size, known->head.size, &path));
    SHERD_TRY(sherd_consistency_verify(&path, &own, &known->head));
    return log->signer.sign != NULL ? sherd_log_publish(log->dir, sherd_buf_span(&log->note), &begun) : SHERD_OK;
}

static enum sherd_err open_known(struct sherd_log *log, struct sherd_span note)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf copy = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    struct sherd_checkpoint known;

    SHERD_TRY(sherd_buf_append(&copy, note));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&copy), log->policy, &known, NULL));
    SHERD_TRY(compare_heads(&log->checkpoint, &known));
    if (log->checkpoint.head.size == known.head.size &&
        sherd_same(log->checkpoint.head.root.bytes, known.head.root.bytes, sizeof(known.head.root.bytes)))
        return load_edge(log); /* the log's own may have more signatures */
    return take_known(log, &copy, &known);
}

enum sherd_err sherd_log_open_known(const char *dir, const struct sherd_policy *policy,
                                    const struct sherd_log_signer *signer, struct sherd_span note,
                                    struct sherd_log **out_log)
{
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = sherd_alloc(sizeof(*log));

    if (log == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(prepare(log, dir, policy, signer));
    SHERD_TRY(open_known(log, note));
    *out_log = log;
    log = NULL;
    return SHERD_OK;
}

const struct sherd_checkpoint *sherd_log_checkpoint(const struct sherd_log *log)
{
    return &log->checkpoint;
}

struct sherd_span sherd_log_note(const struct sherd_log *log)
{
    return sherd_buf_span(&log->note);
}

/* --- proving ------------------------------------------------------------------------------------------------------ */

/* The tree of the first size leaves, as the files have it, held against the checkpoint. */
static enum sherd_err find_head(struct sherd_log *log, uint64_t size, struct sherd_tree_head *out_head)
{
    struct sherd_log_nodes nodes = {log, log->edge};
    const struct sherd_node_reader reader = sherd_log_reader(&nodes);
    struct sherd_tree_head head = {.size = size};
    struct sherd_path path;

    SHERD_ENSURE(size <= log->checkpoint.head.size, SHERD_ERR_INVALID, "the log never had so many leaves");
    if (size == log->checkpoint.head.size) {
        *out_head = log->checkpoint.head;
        return SHERD_OK;
    }
    SHERD_TRY(sherd_tree_root(&reader, size, &head.root));
    SHERD_TRY(sherd_consistency_prove(&reader, size, log->checkpoint.head.size, &path));
    SHERD_TRY(sherd_consistency_verify(&path, &head, &log->checkpoint.head));
    *out_head = head;
    return SHERD_OK;
}

static enum sherd_err prove_inclusion(struct sherd_log *log, uint64_t index, uint64_t size,
                                      struct sherd_digest *out_leaf_hash, struct sherd_path *out_path)
{
    struct sherd_log_nodes nodes = {log, log->edge};
    const struct sherd_node_reader reader = sherd_log_reader(&nodes);
    struct sherd_digest leaf_hash;
    struct sherd_tree_head head;
    struct sherd_path path;

    SHERD_TRY(find_head(log, size, &head));
    SHERD_TRY(sherd_inclusion_prove(&reader, index, size, &path));
    SHERD_TRY(read_node(&nodes, 0, index, &leaf_hash));
    SHERD_TRY(sherd_inclusion_verify(&path, index, &leaf_hash, &head));
    *out_leaf_hash = leaf_hash;
    *out_path = path;
    return SHERD_OK;
}

static enum sherd_err prove_consistency(struct sherd_log *log, uint64_t old_size, uint64_t size,
                                        struct sherd_path *out_path)
{
    struct sherd_log_nodes nodes = {log, log->edge};
    const struct sherd_node_reader reader = sherd_log_reader(&nodes);
    struct sherd_tree_head old;
    struct sherd_tree_head head;
    struct sherd_path path;

    SHERD_TRY(find_head(log, size, &head));
    SHERD_TRY(find_head(log, old_size, &old));
    SHERD_TRY(sherd_consistency_prove(&reader, old_size, size, &path));
    SHERD_TRY(sherd_consistency_verify(&path, &old, &head));
    *out_path = path;
    return SHERD_OK;
}

enum sherd_err sherd_log_root(struct sherd_log *log, uint64_t size, struct sherd_digest *out_root)
{
    struct sherd_tree_head head;

    SHERD_TRY(forget(log, find_head(log, size, &head)));
    *out_root = head.root;
    return SHERD_OK;
}

enum sherd_err sherd_log_prove_inclusion(struct sherd_log *log, uint64_t index, uint64_t size,
                                         struct sherd_path *out_path)
{
    struct sherd_digest leaf_hash;

    return forget(log, prove_inclusion(log, index, size, &leaf_hash, out_path));
}

enum sherd_err sherd_log_prove_consistency(struct sherd_log *log, uint64_t old_size, uint64_t size,
                                           struct sherd_path *out_path)
{
    return forget(log, prove_consistency(log, old_size, size, out_path));
}

/* --- leaves ------------------------------------------------------------------------------------------------------- */

/* The bundle of the checkpoint's tree that holds a leaf. */
static struct sherd_tile bundle_of(const struct sherd_log *log, uint64_t index)
{
    struct sherd_tile tile = {.entries = true, .index = index / SHERD_TILE_WIDTH};

    tile.width = sherd_tile_width(0, tile.index, log->checkpoint.head.size);
    return tile;
}

enum sherd_err sherd_log_read(struct sherd_log *log, uint64_t index, struct sherd_buf *out_entry)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = {.max = SHERD_BUNDLE_BYTES_MAX};
    struct sherd_span entry = {0};
    struct sherd_digest expected;
    struct sherd_digest hash;
    struct sherd_path path;
    char name[SHERD_TILE_PATH_SIZE];

    SHERD_ENSURE(index < log->checkpoint.head.size, SHERD_ERR_NOT_FOUND, "the log has no leaf of that index");
    const struct sherd_tile tile = bundle_of(log, index);
    SHERD_TRY(forget(log, prove_inclusion(log, index, log->checkpoint.head.size, &expected, &path)));
    SHERD_TRY(sherd_log_bundle_read(log, &tile, &bundle));
    struct sherd_span rest = sherd_buf_span(&bundle);
    for (uint64_t i = 0; i <= index % SHERD_TILE_WIDTH; i++)
        (void)sherd_bundle_next(&rest, &entry); /* as many as the tile is wide are there */
    SHERD_TRY(sherd_merkle_leaf(entry, &hash));
    sherd_tile_path(&tile, name);
    if (!sherd_same(hash.bytes, expected.bytes, sizeof(hash.bytes)))
        return differs(name);
    return sherd_buf_append(out_entry, entry);
}

/* Leaves that are wanted. */
struct range {
    struct sherd_log *log;
    uint64_t from;
    uint64_t to;
    sherd_log_visit_fn *visit;
    void *arg;
};

/*
 * Whether these are the hashes of the leaves of a whole bundle: a path from its first leaf to the root is made of all
 * the others of the bundle, so it leads there only with these. Nothing is read twice, so that nobody can change it
 * between.
 */
static enum sherd_err prove_bundle(struct sherd_log *log, uint64_t first, const struct sherd_digest *hashes,
                                   bool *out_same)
{
    struct sherd_digest expected;
    struct sherd_digest node;
    struct sherd_path path;

    SHERD_TRY(prove_inclusion(log, first, log->checkpoint.head.size, &expected, &path));
    *out_same = path.count >= SHERD_TILE_HEIGHT && sherd_same(hashes, &expected, sizeof(expected));
    for (unsigned level = 0; *out_same && level < SHERD_TILE_HEIGHT; level++) {
        SHERD_TRY(sherd_tile_fold(hashes + ((size_t)1 << level), (size_t)1 << level, &node));
        *out_same = sherd_same(&node, &path.hashes[level], sizeof(node));
    }
    return SHERD_OK;
}

static enum sherd_err check_bundle(struct sherd_log *log, const struct sherd_tile *tile, struct sherd_span bundle)
{
    struct sherd_digest hashes[SHERD_TILE_WIDTH];
    struct sherd_span entry;
    char name[SHERD_TILE_PATH_SIZE];
    bool same = false;

    _Static_assert(SHERD_TILE_WIDTH == SHERD_LOG_BUNDLE_LEAVES, "a bundle is what lies below a tile");
    for (unsigned i = 0; i < tile->width && sherd_bundle_next(&bundle, &entry); i++)
        SHERD_TRY(sherd_merkle_leaf(entry, &hashes[i]));
    if (tile->width == SHERD_TILE_WIDTH)
        SHERD_TRY(prove_bundle(log, tile->index * SHERD_TILE_WIDTH, hashes, &same));
    else /* the last one was held against the checkpoint when the log was opened */
        same = sherd_same(hashes, log->edge->hashes[0], tile->width * sizeof(hashes[0]));
    sherd_tile_path(tile, name);
    return same ? SHERD_OK : differs(name);
}

static enum sherd_err range_bundle(const struct range *range, uint64_t first, struct sherd_buf *bundle)
{
    const struct sherd_tile tile = bundle_of(range->log, first);
    struct sherd_span entry;

    SHERD_TRY(sherd_log_bundle_read(range->log, &tile, bundle));
    SHERD_TRY(check_bundle(range->log, &tile, sherd_buf_span(bundle)));
    struct sherd_span rest = sherd_buf_span(bundle);
    for (uint64_t index = first; index < range->to && sherd_bundle_next(&rest, &entry); index++)
        if (index >= range->from)
            SHERD_TRY(range->visit(range->arg, index, entry));
    return SHERD_OK;
}

enum sherd_err sherd_log_each(struct sherd_log *log, uint64_t from, uint64_t to, sherd_log_visit_fn *visit, void *arg)
{
    const struct range range = {log, from, to, visit, arg};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = {.max = SHERD_BUNDLE_BYTES_MAX};

    SHERD_ENSURE(to <= log->checkpoint.head.size, SHERD_ERR_NOT_FOUND, "the log has no leaf of that index");
    for (uint64_t first = from - from % SHERD_TILE_WIDTH; first < to && from < to; first += SHERD_TILE_WIDTH) {
        sherd_buf_clear(&bundle);
        SHERD_TRY(forget(log, range_bundle(&range, first, &bundle)));
    }
    return SHERD_OK;
}

/* --- everything --------------------------------------------------------------------------------------------------- */

/* Compares a tile that was computed with the one that lies there. */
static enum sherd_err compare_tile(void *arg, const struct sherd_tile *tile, const struct sherd_digest *hashes)
{
    const struct sherd_log *log = arg;
    struct sherd_digest stored[SHERD_TILE_WIDTH];
    char path[SHERD_TILE_PATH_SIZE];

    sherd_tile_path(tile, path);
    SHERD_TRY(sherd_log_tile_read(log, tile, stored));
    return sherd_same(stored, hashes, tile->width * sizeof(*hashes)) ? SHERD_OK : differs(path);
}

/* All leaves of a bundle: what they make of the edge, then to whom it may concern. */
static enum sherd_err verify_bundle(const struct sherd_log *log, struct sherd_edge *edge, struct sherd_span bundle)
{
    struct sherd_digest hash;
    struct sherd_span entry;

    while (sherd_bundle_next(&bundle, &entry)) {
        SHERD_TRY(sherd_merkle_leaf(entry, &hash));
        SHERD_TRY(sherd_edge_add(edge, &hash, compare_tile, (void *)log));
    }
    return SHERD_OK;
}

static enum sherd_err visit_bundle(struct sherd_span bundle, uint64_t index, sherd_log_visit_fn *visit, void *arg)
{
    struct sherd_span entry;

    for (; visit != NULL && sherd_bundle_next(&bundle, &entry); index++)
        SHERD_TRY(visit(arg, index, entry));
    return SHERD_OK;
}

static enum sherd_err verify_all(struct sherd_log *log, struct sherd_edge *edge, sherd_log_visit_fn *visit, void *arg)
{
    const struct sherd_tree_head *head = &log->checkpoint.head;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = {.max = SHERD_BUNDLE_BYTES_MAX};
    struct sherd_digest root;

    for (uint64_t index = 0; index < head->size; index += SHERD_TILE_WIDTH) {
        const struct sherd_tile tile = bundle_of(log, index);

        sherd_buf_clear(&bundle);
        SHERD_TRY(sherd_log_bundle_read(log, &tile, &bundle));
        SHERD_TRY(verify_bundle(log, edge, sherd_buf_span(&bundle)));
        SHERD_TRY(visit_bundle(sherd_buf_span(&bundle), index, visit, arg));
    }
    SHERD_TRY(sherd_edge_partials(edge, 0, compare_tile, log));
    SHERD_TRY(sherd_edge_root(edge, &root));
    SHERD_ENSURE(sherd_same(root.bytes, head->root.bytes, sizeof(root.bytes)), SHERD_ERR_TAMPERED,
                 "the log's leaves do not lead to the root of its checkpoint");
    return SHERD_OK;
}

enum sherd_err sherd_log_verify(struct sherd_log *log, sherd_log_visit_fn *visit, void *arg)
{
    struct sherd_edge *edge = sherd_alloc(sizeof(*edge));

    if (edge == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = verify_all(log, edge, visit, arg);
    sherd_free(edge);
    return err;
}
