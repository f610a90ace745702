/* SPDX-License-Identifier: Apache-2.0 */
/* Deep rekeying: see deep.h. Short contents are sealed in batches, long ones one by one, as streams. */
#include "scrub/deep.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/load.h"
#include "cryptor/writer.h"

/* Entries of `keys` that are looked at in one go. */
#define PAGE_MAX ((size_t)256)
/* Versions that are committed together, and how much of their sealed contents there may be. */
#define BATCH_MAX ((size_t)64)
#define BATCH_BYTES_MAX ((size_t)2 << 20)
/* Of long contents, what is in memory in clear. */
#define BLOCK_BYTES ((size_t)1 << 20)
/* A record that is changed by others whenever it is looked at is looked at again, in that many passes. */
#define PASSES_MAX 100U

struct item {
    struct sherd_uuid record;
    uint64_t version;
};

struct deep {
    struct sherd_vault *vault;
    const struct sherd_rekey_scope *scope;
    uint16_t round;
    uint64_t sealed; /* since the last step */
    uint64_t found;  /* in this pass: to be sealed anew */
    size_t item_count;
    struct item items[PAGE_MAX];
    size_t batch_count;
    size_t batch_bytes;
    struct item batch_items[BATCH_MAX];
    struct sherd_version batch[BATCH_MAX];
};

/* --- one version -------------------------------------------------------------------------------------------------- */

static enum sherd_err copy_contents(struct sherd_reader *reader, struct sherd_writer *writer)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(BLOCK_BYTES);
    uint64_t offset = 0;
    size_t got = BLOCK_BYTES;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    while (got == BLOCK_BYTES) {
        SHERD_TRY(sherd_reader_read(reader, offset, block, BLOCK_BYTES, &got));
        SHERD_TRY(sherd_writer_append(writer, sherd_span_of(block, got)));
        offset += got;
    }
    return SHERD_OK;
}

static enum sherd_err seal_from(struct deep *deep, struct sherd_reader *reader)
{
    const struct sherd_loaded *loaded = sherd_reader_loaded(reader);
    struct sherd_writer *writer;

    if (loaded->view.pin.round >= deep->round) /* it was written meanwhile */
        return SHERD_OK;
    SHERD_TRY(sherd_writer_begin_anew(deep->vault, loaded, &writer));
    const enum sherd_err err = copy_contents(reader, writer);
    if (err != SHERD_OK) {
        sherd_writer_abort(writer);
        return err;
    }
    SHERD_TRY(sherd_writer_commit(writer, NULL, NULL));
    deep->sealed++;
    return SHERD_OK;
}

static enum sherd_err seal_stream(struct deep *deep, const struct item *item)
{
    const struct sherd_read_options options = {.version = item->version, .raw = true}; /* a recipient's stays sealed */
    struct sherd_reader *reader;

    SHERD_TRY(sherd_reader_open_with(deep->vault, item->record, &options, &reader, NULL));
    const enum sherd_err err = seal_from(deep, reader);
    sherd_reader_close(reader);
    return err;
}

static enum sherd_err seal_short(struct deep *deep, const struct sherd_loaded *loaded, struct sherd_version *version)
{
    const size_t room = loaded->fragment.len;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(room);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf padded = sherd_buf_borrow(block, room);
    SHERD_TRY(sherd_loaded_open_inline(loaded, &padded));
    SHERD_TRY(sherd_version_begin_anew(deep->vault, loaded, version));
    return sherd_version_seal_inline(deep->vault, version,
                                     sherd_span_of(padded.data, (size_t)loaded->map.content_bytes));
}

/* --- batches ------------------------------------------------------------------------------------------------------ */

/* A version that an update, a delete or an erasure has overtaken is looked at in the next pass, if it is there then. */
static enum sherd_err pass_over(enum sherd_err err)
{
    return err == SHERD_ERR_CONFLICT || err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}

static enum sherd_err add_version(struct deep *deep, const struct item *item)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};
    struct sherd_version *version = &deep->batch[deep->batch_count];

    SHERD_TRY(sherd_load(deep->vault, item->record, item->version, &loaded));
    if (loaded.view.pin.round >= deep->round)
        return SHERD_OK;
    if (loaded.map.blob)
        return seal_stream(deep, item);
    deep->batch_items[deep->batch_count++] = *item;
    SHERD_TRY(seal_short(deep, &loaded, version));
    deep->batch_bytes += version->fragment.len;
    return SHERD_OK;
}

static void batch_done(struct deep *deep)
{
    for (size_t i = 0; i < deep->batch_count; i++)
        sherd_version_done(&deep->batch[i]);
    deep->batch_count = 0;
    deep->batch_bytes = 0;
}

/* Seal one version anew and commit it alone: somebody has changed one of its batch. */
static enum sherd_err seal_alone(struct deep *deep, const struct item *item)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};
    SHERD_CLEANUP(sherd_version_done) struct sherd_version version = {0};

    SHERD_TRY(sherd_load(deep->vault, item->record, item->version, &loaded));
    if (loaded.view.pin.round >= deep->round)
        return SHERD_OK;
    SHERD_TRY(seal_short(deep, &loaded, &version));
    SHERD_TRY(sherd_version_commit(deep->vault, &version, 1));
    deep->sealed++;
    return SHERD_OK;
}

static enum sherd_err commit_batch(struct deep *deep)
{
    const size_t count = deep->batch_count;

    if (count == 0)
        return SHERD_OK;
    enum sherd_err err = sherd_version_commit(deep->vault, deep->batch, count);
    batch_done(deep);
    if (err == SHERD_OK)
        deep->sealed += count;
    if (err != SHERD_ERR_CONFLICT && err != SHERD_ERR_NOT_FOUND)
        return err;
    err = SHERD_OK;
    for (size_t i = 0; i < count && err == SHERD_OK; i++)
        err = pass_over(seal_alone(deep, &deep->batch_items[i]));
    return err;
}

static enum sherd_err seal_item(struct deep *deep, const struct item *item)
{
    const size_t before = deep->batch_count;
    const enum sherd_err err = add_version(deep, item);

    if (err != SHERD_OK && deep->batch_count > before) {
        deep->batch_count = before;
        sherd_version_done(&deep->batch[before]);
    }
    SHERD_TRY(pass_over(err));
    return deep->batch_count == BATCH_MAX || deep->batch_bytes >= BATCH_BYTES_MAX ? commit_batch(deep) : SHERD_OK;
}

/* --- the walk ----------------------------------------------------------------------------------------------------- */

static bool in_scope(const struct sherd_rekey_scope *scope, const struct sherd_pin *pin)
{
    if (scope->one_entity)
        return sherd_same(&scope->entity, &pin->entity, sizeof(pin->entity));
    return !scope->one_collection || sherd_same(&scope->collection, &pin->collection, sizeof(pin->collection));
}

static enum sherd_err gather(void *arg, const struct sherd_anchor_entry *entry)
{
    struct deep *deep = arg;

    if (entry->status != SHERD_OK)
        return sherd_fail(entry->status, "an entry of keys does not verify: run `sherd verify`");
    if (entry->pin == NULL || entry->erased || entry->pin->round >= deep->round || !in_scope(deep->scope, entry->pin))
        return SHERD_OK;
    deep->items[deep->item_count++] = (struct item){.record = entry->pin->record, .version = entry->pin->version};
    return SHERD_OK;
}

static enum sherd_err seal_page(struct deep *deep)
{
    enum sherd_err err = SHERD_OK;

    for (size_t i = 0; i < deep->item_count && err == SHERD_OK; i++)
        err = seal_item(deep, &deep->items[i]);
    if (err == SHERD_OK)
        err = commit_batch(deep);
    batch_done(deep);
    return err;
}

static enum sherd_err pass(struct deep *deep, sherd_deep_fn *step, void *arg)
{
    struct sherd_anchor *anchor = deep->vault->anchor;
    struct sherd_ref after;
    size_t seen = PAGE_MAX;
    bool begun = false;

    deep->found = 0;
    while (seen == PAGE_MAX) {
        struct sherd_ref last;

        deep->item_count = 0;
        deep->sealed = 0;
        SHERD_TRY(anchor->ops->scan(anchor, begun ? &after : NULL, PAGE_MAX, gather, deep, &last, &seen));
        deep->found += deep->item_count;
        SHERD_TRY(seal_page(deep));
        SHERD_TRY(step(arg, seen, deep->sealed));
        after = last;
        begun = true;
    }
    return SHERD_OK;
}

/* An update may move a pin to a name that the pass was past: the last pass is one that found nothing. */
static enum sherd_err passes(struct deep *deep, sherd_deep_fn *step, void *arg)
{
    for (unsigned i = 0; i < PASSES_MAX; i++) {
        SHERD_TRY(pass(deep, step, arg));
        if (deep->found == 0)
            return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_BUSY, "some records are changed again and again: rekey again later");
}

enum sherd_err sherd_deep_rekey(struct sherd_vault *vault, const struct sherd_rekey_scope *scope, sherd_deep_fn *step,
                                void *arg)
{
    struct deep *deep = sherd_alloc(sizeof(*deep));

    if (deep == NULL)
        return SHERD_ERR_NO_MEMORY;
    deep->vault = vault;
    deep->scope = scope;
    /* Of what waits for the ledger, later events may become leaves first: none waits of an earlier rekeying. */
    enum sherd_err err = vault->anchor->ops->ledger_run(vault->anchor, NULL);
    if (err == SHERD_OK)
        err = vault->anchor->ops->round_begin(vault->anchor, &deep->round);
    if (err == SHERD_OK) /* whoever was given a key before that is done, or is found */
        err = sherd_window_enter(vault->window, true);
    if (err == SHERD_OK) {
        sherd_window_leave(vault->window, true);
        err = passes(deep, step, arg);
    }
    if (err == SHERD_OK)
        err = vault->anchor->ops->round_end(vault->anchor, deep->round);
    sherd_free(deep);
    return err;
}
