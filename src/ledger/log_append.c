/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs in a directory, to write: see log.h.
 *
 * Every file is written as "new" and renamed. Tiles and bundles come first; then they are flushed, and the folders that
 * they are in; then the checkpoint is flushed and replaced, which is the commit point unless the caller has one of its
 * own. No file that a published checkpoint implies is ever written over, so that those who read meanwhile are not
 * disturbed; what an append left that did not end, durable or not, has the same names as what the next one writes.
 */
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "ledger/log.h"
#include "ledger/log_state.h"

/* Files that the disk is at work on at a time. */
#define FILES_MAX 16U

/* --- files and folders -------------------------------------------------------------------------------------------- */

/* Folders with new names in them, which are to be flushed. */
struct folders {
    char (*paths)[SHERD_TILE_PATH_SIZE];
    size_t count;
    size_t room;
};

static void folders_done(struct folders *folders)
{
    sherd_free(folders->paths);
}

static bool folders_have(const struct folders *folders, const char *path)
{
    for (size_t i = folders->count; i > 0; i--) /* mostly it was among the last */
        if (strcmp(folders->paths[i - 1], path) == 0)
            return true;
    return false;
}

static enum sherd_err folders_add(struct folders *folders, const char *path)
{
    if (folders_have(folders, path))
        return SHERD_OK;
    if (folders->count == folders->room) {
        const size_t room = folders->room * 2 + 16;
        void *paths = sherd_realloc(folders->paths, room * sizeof(*folders->paths));

        if (paths == NULL)
            return SHERD_ERR_NO_MEMORY;
        folders->paths = paths;
        folders->room = room;
    }
    memcpy(folders->paths[folders->count++], path, strlen(path) + 1);
    return SHERD_OK;
}

static enum sherd_err folders_sync(const struct folders *folders, const char *dir)
{
    for (size_t i = 0; i < folders->count; i++)
        SHERD_TRY(sherd_dir_sync(dir, folders->paths[i]));
    return SHERD_OK;
}

/*
 * Make the folders that lead to a file. All of them are flushed, also one that is there already: whoever made it may
 * have ended before it was durable.
 */
static enum sherd_err make_way(struct folders *folders, const char *dir, const char *path)
{
    char part[SHERD_TILE_PATH_SIZE] = "";

    SHERD_TRY(folders_add(folders, part));
    for (const char *end = strchr(path, '/'); end != NULL; end = strchr(end + 1, '/')) {
        memcpy(part, path, (size_t)(end - path));
        part[end - path] = 0;
        if (folders_have(folders, part)) /* made just now, for another file */
            continue;
        const enum sherd_err err = sherd_dir_make(dir, part);
        if (err != SHERD_OK && err != SHERD_ERR_CONFLICT)
            return err;
        SHERD_TRY(folders_add(folders, part));
    }
    return SHERD_OK;
}

/* Files that are to be flushed. */
struct files {
    int open[FILES_MAX];
    size_t count;
};

static void files_done(struct files *files)
{
    while (files->count > 0)
        sherd_file_write_abort(files->open[--files->count]);
}

static enum sherd_err files_sync(struct files *files)
{
    while (files->count > 0)
        SHERD_TRY(sherd_file_write_end(files->open[--files->count]));
    return SHERD_OK;
}

static enum sherd_err write_file(const char *dir, struct folders *folders, struct files *files,
                                 const struct sherd_tile *tile, struct sherd_span bytes)
{
    char path[SHERD_TILE_PATH_SIZE];

    sherd_tile_path(tile, path);
    if (files->count == FILES_MAX)
        SHERD_TRY(files_sync(files));
    SHERD_TRY(sherd_file_write_begin(dir, SHERD_LOG_NEW, bytes, &files->open[files->count]));
    files->count++;
    SHERD_FAILPOINT("ledger.file_written");
    SHERD_TRY(make_way(folders, dir, path));
    SHERD_TRY(sherd_file_rename(dir, SHERD_LOG_NEW, path));
    SHERD_FAILPOINT("ledger.file_named");
    return SHERD_OK;
}

/* --- the checkpoint ----------------------------------------------------------------------------------------------- */

/* Have a text signed, and look at what came back. */
static enum sherd_err sign(const struct sherd_log_signer *signer, const struct sherd_checkpoint *checkpoint,
                           struct sherd_buf *out_note)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    struct sherd_signed parts;

    SHERD_TRY(sherd_checkpoint_encode(checkpoint, &text));
    SHERD_TRY(signer->sign(signer->arg, sherd_buf_span(&text), out_note));
    SHERD_ENSURE(sherd_signed_parse(sherd_buf_span(out_note), &parts) == SHERD_OK &&
                     sherd_span_equal(parts.text, sherd_buf_span(&text)),
                 SHERD_ERR_INVALID, "the log's signer signed something else");
    return SHERD_OK;
}

enum sherd_err sherd_log_publish(const char *dir, struct sherd_span note, bool *out_begun)
{
    *out_begun = false;
    SHERD_TRY(sherd_file_write(dir, SHERD_LOG_NEW, note));
    SHERD_FAILPOINT("ledger.checkpoint_written");
    *out_begun = true;
    SHERD_TRY(sherd_file_rename(dir, SHERD_LOG_NEW, SHERD_LOG_CHECKPOINT));
    SHERD_FAILPOINT("ledger.checkpoint_named");
    return sherd_dir_sync(dir, "");
}

static enum sherd_err make_in(const char *dir, struct sherd_span origin, const struct sherd_log_signer *signer)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf old = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    struct sherd_checkpoint checkpoint = {.origin = origin};
    const struct sherd_merkle nothing = {0};
    bool begun = false;

    const enum sherd_err err = sherd_file_read(dir, SHERD_LOG_CHECKPOINT, &old);
    if (err == SHERD_OK)
        return sherd_fail(SHERD_ERR_CONFLICT, "there is a log already");
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    SHERD_TRY(sherd_merkle_root(&nothing, &checkpoint.head.root));
    SHERD_TRY(sign(signer, &checkpoint, &note));
    return sherd_log_publish(dir, sherd_buf_span(&note), &begun);
}

enum sherd_err sherd_log_make(const char *dir, struct sherd_span origin, const struct sherd_log_signer *signer)
{
    struct sherd_file_lock lock;
    const enum sherd_err made = sherd_dir_make(dir, "");

    if (made != SHERD_OK && made != SHERD_ERR_CONFLICT)
        return made;
    if (made == SHERD_OK)
        SHERD_TRY(sherd_dir_sync(dir, ".."));
    SHERD_TRY(sherd_file_lock_try(dir, SHERD_LOG_LOCK, &lock));
    const enum sherd_err err = make_in(dir, origin, signer);
    sherd_file_lock_leave(&lock);
    return err;
}

static enum sherd_err check_writable(const struct sherd_log *log)
{
    SHERD_ENSURE(log->signer.sign != NULL, SHERD_ERR_DENIED, "the log is open for reading only");
    SHERD_ENSURE(!log->broken, SHERD_ERR_IO, "the log takes no more: a write failed; open it again");
    return SHERD_OK;
}

enum sherd_err sherd_log_cosigned(struct sherd_log *log, struct sherd_span note)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf copy = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    struct sherd_checkpoint checkpoint;
    struct sherd_signed old;
    struct sherd_signed parts;
    bool begun = false;

    SHERD_TRY(check_writable(log));
    SHERD_TRY(sherd_buf_append(&copy, note));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&copy), log->policy, &checkpoint, NULL));
    SHERD_TRY(sherd_signed_parse(sherd_buf_span(&log->note), &old));
    SHERD_TRY(sherd_signed_parse(sherd_buf_span(&copy), &parts));
    SHERD_ENSURE(sherd_span_equal(old.text, parts.text), SHERD_ERR_CONFLICT, "the log has another checkpoint by now");
    const enum sherd_err err = sherd_log_publish(log->dir, sherd_buf_span(&copy), &begun);
    log->broken = begun && err != SHERD_OK;
    if (err != SHERD_OK)
        return err;
    sherd_buf_done(&log->note);
    log->note = sherd_buf_take(&copy);
    log->checkpoint = checkpoint;
    return SHERD_OK;
}

/* --- appending ---------------------------------------------------------------------------------------------------- */

/* An append under way. */
struct batch {
    struct sherd_log *log;
    struct sherd_edge *edge;
    struct sherd_buf bundle; /* the last one, as far as it is filled */
    struct sherd_buf note;
    struct folders folders;
    struct files files;
    bool wrote; /* something may lie on the disk */
    bool begun; /* and perhaps the new checkpoint */
};

static void batch_done(struct batch *batch)
{
    sherd_free(batch->edge);
    sherd_buf_done(&batch->bundle);
    sherd_buf_done(&batch->note);
    folders_done(&batch->folders);
    files_done(&batch->files);
}

/*
 * The last bundle that the checkpoint implies. It is written again, longer, so its entries must be those of the tree.
 */
static enum sherd_err load_bundle(struct sherd_log *log)
{
    const uint64_t size = log->checkpoint.head.size;
    const struct sherd_tile tile = {
        .entries = true, .index = size / SHERD_TILE_WIDTH, .width = (unsigned)(size % SHERD_TILE_WIDTH)};
    struct sherd_digest hash;
    struct sherd_span entry;

    if (log->bundle_loaded)
        return SHERD_OK;
    sherd_buf_clear(&log->bundle);
    log->bundle.max = SHERD_BUNDLE_BYTES_MAX;
    if (tile.width > 0)
        SHERD_TRY(sherd_log_bundle_read(log, &tile, &log->bundle));
    struct sherd_span rest = sherd_buf_span(&log->bundle);
    for (unsigned i = 0; sherd_bundle_next(&rest, &entry); i++) {
        SHERD_TRY(sherd_merkle_leaf(entry, &hash));
        SHERD_ENSURE(sherd_same(hash.bytes, log->edge->hashes[0][i].bytes, sizeof(hash.bytes)), SHERD_ERR_TAMPERED,
                     "the log's last bundle was changed");
    }
    log->bundle_loaded = true;
    return SHERD_OK;
}

static enum sherd_err batch_begin(struct sherd_log *log, struct batch *batch)
{
    SHERD_TRY(load_bundle(log));
    batch->log = log;
    batch->bundle.max = SHERD_BUNDLE_BYTES_MAX;
    batch->note.max = SHERD_CHECKPOINT_BYTES_MAX;
    batch->edge = sherd_alloc(sizeof(*batch->edge));
    if (batch->edge == NULL)
        return SHERD_ERR_NO_MEMORY;
    *batch->edge = *log->edge;
    return sherd_buf_append(&batch->bundle, sherd_buf_span(&log->bundle));
}

static enum sherd_err write_tile(void *arg, const struct sherd_tile *tile, const struct sherd_digest *hashes)
{
    struct batch *batch = arg;

    return write_file(batch->log->dir, &batch->folders, &batch->files, tile,
                      sherd_span_of(hashes, tile->width * sizeof(*hashes)));
}

/* The bundle that ends with the last leaf. */
static enum sherd_err write_bundle(struct batch *batch)
{
    const uint64_t last = batch->edge->size - 1;
    const struct sherd_tile tile = {
        .entries = true, .index = last / SHERD_TILE_WIDTH, .width = (unsigned)(last % SHERD_TILE_WIDTH) + 1};

    SHERD_TRY(write_file(batch->log->dir, &batch->folders, &batch->files, &tile, sherd_buf_span(&batch->bundle)));
    if (tile.width == SHERD_TILE_WIDTH)
        sherd_buf_clear(&batch->bundle);
    return SHERD_OK;
}

static enum sherd_err write_all(struct batch *batch, sherd_log_next_fn *next, void *arg, uint64_t count)
{
    struct sherd_digest hash;
    struct sherd_span entry;

    batch->wrote = true;
    SHERD_FAILPOINT("ledger.before_write");
    for (uint64_t i = 0; i < count; i++) {
        SHERD_TRY(next(arg, batch->edge->size, &entry));
        SHERD_TRY(sherd_merkle_leaf(entry, &hash));
        SHERD_TRY(sherd_bundle_append(&batch->bundle, entry));
        SHERD_TRY(sherd_edge_add(batch->edge, &hash, write_tile, batch));
        if (i + 1 == count || batch->edge->size % SHERD_TILE_WIDTH == 0)
            SHERD_TRY(write_bundle(batch));
    }
    SHERD_TRY(sherd_edge_partials(batch->edge, batch->log->checkpoint.head.size, write_tile, batch));
    SHERD_FAILPOINT("ledger.before_sync");
    SHERD_TRY(files_sync(&batch->files));
    return folders_sync(&batch->folders, batch->log->dir);
}

/* That the new tree, as the files have it, continues the old one. */
static enum sherd_err check_growth(struct batch *batch, const struct sherd_tree_head *head)
{
    struct sherd_log_nodes nodes = {batch->log, batch->edge};
    const struct sherd_node_reader reader = sherd_log_reader(&nodes);
    struct sherd_path path;

    SHERD_TRY(sherd_consistency_prove(&reader, batch->log->checkpoint.head.size, head->size, &path));
    return sherd_consistency_verify(&path, &batch->log->checkpoint.head, head);
}

/* What was committed elsewhere has happened: begun stays as it is. */
static enum sherd_err publish(struct batch *batch)
{
    bool begun = false;
    const enum sherd_err err = sherd_log_publish(batch->log->dir, sherd_buf_span(&batch->note), &begun);

    batch->begun = batch->begun || begun;
    return err;
}

static enum sherd_err batch_commit(struct batch *batch, struct sherd_checkpoint *out_checkpoint)
{
    struct sherd_checkpoint next = {.origin = batch->log->checkpoint.origin, .head = {.size = batch->edge->size}};

    SHERD_TRY(sherd_edge_root(batch->edge, &next.head.root));
    SHERD_TRY(check_growth(batch, &next.head));
    SHERD_FAILPOINT("ledger.before_sign");
    SHERD_TRY(sign(&batch->log->signer, &next, &batch->note));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&batch->note), batch->log->policy, out_checkpoint, NULL));
    if (batch->log->signer.commit != NULL) {
        batch->begun = true; /* it may have happened, whatever comes back */
        SHERD_TRY(batch->log->signer.commit(batch->log->signer.arg, sherd_buf_span(&batch->note)));
        SHERD_FAILPOINT("ledger.committed");
    }
    return publish(batch);
}

/* Remove the partial forms of what is full now. What stays behind does no harm. */
static enum sherd_err tidy(const struct sherd_log *log, uint64_t old_size)
{
    struct sherd_tile_walk walk;
    struct sherd_tile tile;
    char path[SHERD_TILE_PATH_SIZE];

    sherd_tile_walk_begin(&walk, old_size, log->checkpoint.head.size);
    while (sherd_tile_walk_next(&walk, &tile)) {
        if (tile.width < SHERD_TILE_WIDTH)
            continue;
        SHERD_FAILPOINT("ledger.before_tidy");
        sherd_tile_partial_path(&tile, path);
        SHERD_TRY(sherd_dir_remove(log->dir, path));
    }
    return SHERD_OK;
}

/* The batch is the log now. */
static void batch_take(struct batch *batch, const struct sherd_checkpoint *checkpoint)
{
    struct sherd_log *log = batch->log;

    sherd_buf_done(&log->note);
    sherd_buf_done(&log->bundle);
    log->note = sherd_buf_take(&batch->note);
    log->bundle = sherd_buf_take(&batch->bundle);
    log->checkpoint = *checkpoint;
    *log->edge = *batch->edge;
}

static enum sherd_err append(struct sherd_log *log, struct batch *batch, sherd_log_next_fn *next, void *arg,
                             uint64_t count)
{
    const uint64_t old_size = log->checkpoint.head.size;
    struct sherd_checkpoint checkpoint;

    SHERD_TRY(batch_begin(log, batch));
    SHERD_TRY(write_all(batch, next, arg, count));
    SHERD_TRY(batch_commit(batch, &checkpoint));
    batch_take(batch, &checkpoint);
    (void)tidy(log, old_size);
    return SHERD_OK;
}

static enum sherd_err check_entries(const struct sherd_log *log, const struct sherd_span *entries, size_t count)
{
    SHERD_ENSURE(count > 0, SHERD_ERR_INVALID, "there is nothing to append");
    SHERD_ENSURE(count <= SHERD_TREE_LEAVES_MAX - log->checkpoint.head.size, SHERD_ERR_LIMIT, "the log is full");
    for (size_t i = 0; i < count; i++)
        SHERD_ENSURE(entries[i].len <= SHERD_ENTRY_BYTES_MAX, SHERD_ERR_LIMIT,
                     "an entry of a log has at most 65535 bytes");
    return SHERD_OK;
}

enum sherd_err sherd_log_append_from(struct sherd_log *log, sherd_log_next_fn *next, void *arg, uint64_t count)
{
    SHERD_CLEANUP(batch_done) struct batch batch = {0};

    SHERD_TRY(check_writable(log));
    const enum sherd_err err = append(log, &batch, next, arg, count);
    if (err != SHERD_OK) {
        log->broken = batch.begun || (batch.wrote && err == SHERD_ERR_IO);
        for (size_t i = 0; i < SHERD_LOG_CACHE; i++) /* it may hold tiles that are none */
            log->cache[i].tile.width = 0;
    }
    return err;
}

/* Entries that lie in memory. */
struct listed {
    const struct sherd_span *entries;
    uint64_t first;
};

static enum sherd_err next_listed(void *arg, uint64_t index, struct sherd_span *out_entry)
{
    const struct listed *listed = arg;

    *out_entry = listed->entries[index - listed->first];
    return SHERD_OK;
}

enum sherd_err sherd_log_append(struct sherd_log *log, const struct sherd_span *entries, size_t count,
                                uint64_t *out_first)
{
    struct listed listed = {.entries = entries, .first = log->checkpoint.head.size};

    SHERD_TRY(check_writable(log));
    SHERD_TRY(check_entries(log, entries, count));
    SHERD_TRY(sherd_log_append_from(log, next_listed, &listed, count));
    if (out_first != NULL)
        *out_first = listed.first;
    return SHERD_OK;
}
