/* SPDX-License-Identifier: Apache-2.0 */
/* The two journals while the store is open. See log.h; how they are found at opening is in log_open.c. */
#include "store/lmdb/log.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "store/lmdb/guard.h"
#include <sched.h>
#include <string.h>

#define CATCH_UP_TRIES 1000

static uint64_t generation_of(uint64_t published)
{
    return published >> 32;
}

static uint64_t end_of(uint64_t published)
{
    return (published & UINT32_MAX) * 8;
}

static uint64_t load_published(const struct sherd_lmdb_log *log)
{
    return atomic_load_explicit(&log->shared->published, memory_order_acquire);
}

uint64_t sherd_lmdb_log_applied(const struct sherd_lmdb_log *log)
{
    return atomic_load_explicit(&log->shared->applied, memory_order_acquire);
}

void sherd_lmdb_log_set_applied(struct sherd_lmdb_log *log, uint64_t generation)
{
    atomic_store_explicit(&log->shared->applied, generation, memory_order_release);
}

enum sherd_err sherd_lmdb_log_read_applied(struct sherd_lmdb_env *env, uint64_t *out_generation)
{
    const struct sherd_span key = sherd_span_of(SHERD_LMDB_APPLIED_KEY, SHERD_LMDB_APPLIED_KEY_BYTES);
    uint8_t block[8];
    struct sherd_buf value = sherd_buf_borrow(block, sizeof block);
    struct sherd_lmdb_reader *reader = NULL;
    enum sherd_err err = SHERD_OK;
    int rc;

    SHERD_TRY(sherd_lmdb_reader_begin(env, &reader));
    rc = sherd_lmdb_guard_get(reader->txn, env->dbi, key, &value, &err);
    sherd_lmdb_reader_end(env, reader);
    if (rc == MDB_NOTFOUND) {
        *out_generation = 0;
        return SHERD_OK;
    }
    SHERD_TRY(sherd_lmdb_fail(rc, "read what was applied"));
    SHERD_ENSURE(err == SHERD_OK && value.len == sizeof block, SHERD_ERR_IO,
                 "lmdb: the store is damaged: restore it from a backup");
    *out_generation = sherd_get_u64(block);
    return SHERD_OK;
}

/* --- catching up with other processes ---------------------------------------------------------------------------- */

/* Open a generation that was published. SHERD_ERR_BUSY: its file has gone on to another meanwhile. */
static enum sherd_err open_generation(const struct sherd_lmdb_log *log, uint64_t generation,
                                      struct sherd_lmdb_journal **out_journal)
{
    struct sherd_lmdb_journal *journal = NULL;

    SHERD_TRY(sherd_lmdb_journal_open(log->dir->fd, generation, log->dir->read_only, &journal));
    if (journal == NULL)
        return SHERD_ERR_BUSY;
    if (journal->header.generation != generation) {
        sherd_lmdb_journal_unref(journal);
        return SHERD_ERR_BUSY;
    }
    *out_journal = journal;
    return SHERD_OK;
}

static void replace(struct sherd_lmdb_journal **journal, struct sherd_lmdb_journal *other)
{
    sherd_lmdb_journal_unref(*journal);
    *journal = other;
}

/* The journal of a process that lags behind has been frozen by another: read the rest of it. */
static enum sherd_err finish_frozen(struct sherd_lmdb_log *log, const struct sherd_lmdb_journal *next)
{
    SHERD_TRY(sherd_lmdb_journal_scan_frozen(log->active, next->header.first_sequence));
    replace(&log->frozen, log->active);
    log->active = NULL;
    return SHERD_OK;
}

static enum sherd_err load_frozen(struct sherd_lmdb_log *log, uint64_t generation,
                                  const struct sherd_lmdb_journal *next)
{
    struct sherd_lmdb_journal *journal = NULL;
    enum sherd_err err;

    replace(&log->frozen, NULL);
    if (sherd_lmdb_log_applied(log) >= generation)
        return SHERD_OK;
    SHERD_TRY(open_generation(log, generation, &journal));
    err = sherd_lmdb_journal_scan_frozen(journal, next->header.first_sequence);
    if (err != SHERD_OK) {
        sherd_lmdb_journal_unref(journal);
        return err;
    }
    log->frozen = journal;
    return SHERD_OK;
}

static enum sherd_err follow(struct sherd_lmdb_log *log, struct sherd_lmdb_journal *next)
{
    const uint64_t generation = next->header.generation;

    if (log->active != NULL && log->active->header.generation + 1 == generation)
        return finish_frozen(log, next);
    return load_frozen(log, generation - 1, next);
}

/* Another process has gone on to a journal that this one does not know. */
static enum sherd_err change_journal(struct sherd_lmdb_log *log, uint64_t generation)
{
    struct sherd_lmdb_journal *next = NULL;
    enum sherd_err err;

    SHERD_TRY(open_generation(log, generation, &next));
    err = follow(log, next);
    if (err != SHERD_OK) {
        sherd_lmdb_journal_unref(next);
        return err;
    }
    replace(&log->active, next);
    return SHERD_OK;
}

static enum sherd_err catch_up_to(struct sherd_lmdb_log *log, uint64_t published)
{
    const uint64_t generation = generation_of(published);

    if (log->active == NULL || log->active->header.generation != generation)
        SHERD_TRY(change_journal(log, generation));
    SHERD_TRY(sherd_lmdb_journal_extend(log->active, end_of(published)));
    log->seen = published;
    return SHERD_OK;
}

static enum sherd_err catch_up(struct sherd_lmdb_log *log)
{
    for (int i = 0; i < CATCH_UP_TRIES; i++) {
        const uint64_t published = load_published(log);
        enum sherd_err err;

        if (published == log->seen)
            return SHERD_OK;
        err = catch_up_to(log, published);
        if (err != SHERD_ERR_BUSY)
            return err;
        (void)sched_yield();
    }
    return sherd_fail(SHERD_ERR_BUSY, "journal: other processes write too fast to follow: try again");
}

/* --- views ------------------------------------------------------------------------------------------------------- */

static void fill_view(struct sherd_lmdb_log *log, struct sherd_lmdb_view *view)
{
    if (log->frozen != NULL && sherd_lmdb_log_applied(log) >= log->frozen->header.generation)
        replace(&log->frozen, NULL);
    view->active = sherd_lmdb_journal_ref(log->active);
    view->active_count = log->active->index.count;
    view->frozen = NULL;
    view->frozen_count = 0;
    if (log->frozen != NULL) {
        view->frozen = sherd_lmdb_journal_ref(log->frozen);
        view->frozen_count = log->frozen->index.count;
    }
}

enum sherd_err sherd_lmdb_log_view(struct sherd_lmdb_log *log, struct sherd_lmdb_view *out_view)
{
    enum sherd_err err;

    (void)pthread_mutex_lock(&log->mutex);
    err = catch_up(log);
    if (err == SHERD_OK)
        fill_view(log, out_view);
    (void)pthread_mutex_unlock(&log->mutex);
    return err;
}

void sherd_lmdb_view_done(struct sherd_lmdb_view *view)
{
    sherd_lmdb_journal_unref(view->active);
    sherd_lmdb_journal_unref(view->frozen);
    *view = (struct sherd_lmdb_view){0};
}

bool sherd_lmdb_view_holds(const struct sherd_lmdb_log *log, const struct sherd_lmdb_view *view)
{
    return generation_of(load_published(log)) == view->active->header.generation;
}

const struct sherd_lmdb_item *sherd_lmdb_view_find(const struct sherd_lmdb_view *view, const struct sherd_ref *name,
                                                   const struct sherd_lmdb_journal **out_journal)
{
    const struct sherd_lmdb_item *item = sherd_lmdb_index_find(&view->active->index, name, view->active_count);

    *out_journal = view->active;
    if (item != NULL || view->frozen == NULL)
        return item;
    *out_journal = view->frozen;
    return sherd_lmdb_index_find(&view->frozen->index, name, view->frozen_count);
}

uint64_t sherd_lmdb_log_active_bytes(const struct sherd_lmdb_log *log)
{
    return end_of(load_published(log));
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static void publish_end(struct sherd_lmdb_log *log)
{
    const struct sherd_lmdb_journal *active = log->active;

    log->seen = active->header.generation << 32 | active->end / 8;
    atomic_store_explicit(&log->shared->published, log->seen, memory_order_release);
}

void sherd_lmdb_log_publish(struct sherd_lmdb_log *log, struct sherd_span frame)
{
    (void)pthread_mutex_lock(&log->mutex);
    sherd_lmdb_journal_add(log->active, frame);
    publish_end(log);
    (void)pthread_mutex_unlock(&log->mutex);
}

static enum sherd_err after_begin(void)
{
    SHERD_FAILPOINT("lmdb.rotate");
    return SHERD_OK;
}

static enum sherd_err begin_next(const struct sherd_lmdb_log *log, const struct sherd_lmdb_journal *active,
                                 struct sherd_lmdb_journal **out_next)
{
    struct sherd_lmdb_journal *next = NULL;
    enum sherd_err err;

    SHERD_TRY(sherd_lmdb_journal_begin(log->dir->fd, active->header.generation + 1, active->next_sequence, &next));
    err = after_begin();
    if (err != SHERD_OK) {
        sherd_lmdb_journal_unref(next);
        return err;
    }
    *out_next = next;
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_log_rotate(struct sherd_lmdb_log *log)
{
    const struct sherd_lmdb_journal *active = log->active;
    struct sherd_lmdb_journal *next = NULL;

    (void)pthread_mutex_lock(&log->mutex);
    replace(&log->frozen, NULL); /* gives its file back, if no snapshot holds it */
    (void)pthread_mutex_unlock(&log->mutex);
    SHERD_TRY(sherd_lmdb_env_flush(log->env)); /* whoever applied what is overwritten now may have died before it */
    SHERD_TRY(begin_next(log, active, &next));
    (void)pthread_mutex_lock(&log->mutex);
    log->frozen = log->active;
    log->active = next;
    publish_end(log);
    (void)pthread_mutex_unlock(&log->mutex);
    return SHERD_OK;
}
