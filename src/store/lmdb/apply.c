/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing the frozen journal into LMDB. See apply.h. */
#include "store/lmdb/apply.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fork.h"
#include "base/mem.h"
#include "store/lmdb/name.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/*
 * What one transaction brings in at most, times a factor. Each item dirties a page or two of its own; a part dirties
 * those above them once. Many small flushes stand before more flushes of those who write meanwhile than few large ones
 * do. What bounds a part is memory: LMDB keeps its dirty pages.
 */
#define PART_ITEMS 1024U
#define PART_BYTES ((size_t)2 << 20)
#define FACTOR_EARLY 1U
#define FACTOR_LATE 4U

/* A disk with less room than a transaction writes is full. */
#define DISK_FULL_BYTES ((uint64_t)16 << 20)

#define DUE_FROM_PERCENT 25U
#define DUE_UNTIL_PERCENT 75U
#define PAUSE_NS 1000000L
#define IDLE_NS UINT64_C(20000000) /* nothing was written for so long: nobody writes */
#define NICENESS 5                 /* on a busy machine those who write go first */

/* Journals are as long as this part of what LMDB holds, so that their items share its pages; and the disk has room. */
#define JOURNAL_SHARE 4U
#define JOURNAL_ROOM 8U
#define WAIT_NS 200000L
#define WAIT_MOST_NS (UINT64_C(120) * 1000000000)
#define THREAD_STACK_BYTES ((size_t)256 << 10)

static void nap(long ns)
{
    const struct timespec t = {.tv_nsec = ns};

    (void)nanosleep(&t, NULL);
}

/* --- the newest item of each name, in the order of names --------------------------------------------------------- */

struct sorted {
    const struct sherd_lmdb_journal *journal;
    uint32_t *numbers;
    uint32_t count;
};

static int compare_items(const void *a, const void *b, void *arg)
{
    const struct sherd_lmdb_index *index = arg;
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    const int order = sherd_lmdb_name_compare(&sherd_lmdb_index_item(index, x)->name,
                                              &sherd_lmdb_index_item(index, y)->name);

    if (order != 0)
        return order;
    return x > y ? -1 : x < y; /* newer first */
}

static const struct sherd_lmdb_item *sorted_item(const struct sorted *sorted, uint32_t at)
{
    return sherd_lmdb_index_item(&sorted->journal->index, sorted->numbers[at]);
}

static void drop_older(struct sorted *sorted)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < sorted->count; i++) {
        const uint32_t number = sorted->numbers[i];

        if (kept > 0 &&
            sherd_lmdb_name_compare(&sorted_item(sorted, kept - 1)->name, &sorted_item(sorted, i)->name) == 0)
            continue;
        sorted->numbers[kept++] = number;
    }
    sorted->count = kept;
}

static enum sherd_err sort_items(struct sherd_lmdb_journal *journal, uint32_t count, struct sorted *out_sorted)
{
    out_sorted->journal = journal;
    out_sorted->count = count;
    out_sorted->numbers = sherd_alloc_array(count > 0 ? count : 1, sizeof *out_sorted->numbers);
    if (out_sorted->numbers == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        out_sorted->numbers[i] = i;
    qsort_r(out_sorted->numbers, count, sizeof *out_sorted->numbers, compare_items, &journal->index);
    drop_older(out_sorted);
    return SHERD_OK;
}

/* --- transactions ------------------------------------------------------------------------------------------------ */

/* Read the value from the journal right into the page. */
static int put_item(const struct sorted *sorted, const struct sherd_lmdb_item *item, MDB_txn *txn, MDB_dbi dbi)
{
    MDB_val key = {.mv_size = sizeof item->name.bytes, .mv_data = (void *)(uintptr_t)item->name.bytes};
    MDB_val value = {.mv_size = item->bytes};
    int rc;

    if (item->bytes == SHERD_LMDB_ITEM_DELETED) {
        rc = mdb_del(txn, dbi, &key, NULL);
        return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
    }
    rc = mdb_put(txn, dbi, &key, &value, MDB_RESERVE);
    if (rc == MDB_SUCCESS && sherd_lmdb_journal_read(sorted->journal, item, value.mv_data) != SHERD_OK)
        rc = EIO;
    return rc;
}

static int put_applied(MDB_txn *txn, MDB_dbi dbi, uint64_t generation)
{
    static const char name[] = SHERD_LMDB_APPLIED_KEY;
    uint8_t block[8];
    MDB_val key = {.mv_size = SHERD_LMDB_APPLIED_KEY_BYTES, .mv_data = (void *)(uintptr_t)name};
    MDB_val value = {.mv_size = sizeof block, .mv_data = block};

    sherd_put_u64(block, generation);
    return mdb_put(txn, dbi, &key, &value, 0);
}

/* Fill a transaction with items from *at on; *at moves behind the last. With the last of all goes the word of that. */
static int fill_txn(const struct sorted *sorted, MDB_txn *txn, MDB_dbi dbi, uint32_t factor, uint32_t *at)
{
    const uint32_t items = PART_ITEMS * factor;
    const uint32_t end = sorted->count - *at < items ? sorted->count : *at + items;
    size_t bytes = 0;

    while (*at < end && bytes < PART_BYTES * factor) {
        const struct sherd_lmdb_item *item = sorted_item(sorted, *at);
        const int rc = put_item(sorted, item, txn, dbi);

        if (rc != MDB_SUCCESS)
            return rc;
        bytes += item->bytes == SHERD_LMDB_ITEM_DELETED ? 0 : item->bytes;
        (*at)++;
    }
    return *at == sorted->count ? put_applied(txn, dbi, sorted->journal->header.generation) : MDB_SUCCESS;
}

/* A full disk or too little memory leaves LMDB as it was; any other failure may not. */
static bool is_passing(int rc)
{
    return rc == ENOSPC || rc == EDQUOT || rc == ENOMEM || rc == MDB_MAP_FULL || rc == MDB_MAP_RESIZED;
}

/* LMDB says EIO where a write came out short, which is how a disk becomes full. */
static int true_cause(const struct sherd_lmdb_applier *applier, int rc)
{
    struct statvfs fs;

    if (rc != EIO || fstatvfs(applier->log->dir->fd, &fs) != 0)
        return rc;
    return (uint64_t)fs.f_bavail * fs.f_frsize < DISK_FULL_BYTES ? ENOSPC : rc;
}

static enum sherd_err fail_part(const struct sherd_lmdb_applier *applier, int rc)
{
    const int cause = true_cause(applier, rc);
    const enum sherd_err err = sherd_lmdb_fail(cause, "apply the journal");

    if (!is_passing(cause))
        sherd_lmdb_failure_keep(applier->failure);
    return err;
}

static enum sherd_err apply_part(struct sherd_lmdb_applier *applier, const struct sorted *sorted, uint32_t factor,
                                 uint32_t *at)
{
    uint32_t next = *at;
    MDB_txn *txn = NULL;
    int rc;

    SHERD_TRY(sherd_lmdb_failure_check(applier->failure));
    SHERD_TRY(sherd_lmdb_env_begin_write(applier->env, &txn));
    rc = fill_txn(sorted, txn, applier->env->dbi, factor, &next);
    if (rc != MDB_SUCCESS)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    sherd_lmdb_env_end_write(applier->env);
    if (rc == MDB_MAP_FULL)
        return sherd_lmdb_env_grow(applier->env); /* and the same part once more */
    if (rc != MDB_SUCCESS)
        return fail_part(applier, rc);
    *at = next;
    return SHERD_OK;
}

/* --- when -------------------------------------------------------------------------------------------------------- */

/* Where the active journal was when it was last seen to move. */
struct pace {
    uint64_t capacity; /* of it */
    uint64_t bytes;
    uint64_t since_ns;
};

/* The stores of a process take turns, as their flushes meet on one disk: 0, or 1 + the forks before who has it. */
static atomic_uint turn;

/* What a parent held at the fork is nobody's in its child. */
static bool take_turn(void)
{
    const unsigned mine = sherd_fork_count() + 1;
    unsigned other = atomic_load(&turn);

    return other != mine && atomic_compare_exchange_strong(&turn, &other, mine);
}

static void end_turn(void)
{
    atomic_store(&turn, 0);
}

/*
 * How many items should be in by now: the first when the active journal is a quarter full, the last when it is three
 * quarters full. So a burst of writes is not disturbed at all, and a steady stream evenly.
 */
static uint32_t count_due(const struct pace *pace, uint32_t count)
{
    const uint64_t percent = pace->bytes * 100 / pace->capacity;

    if (percent <= DUE_FROM_PERCENT)
        return 0;
    if (percent >= DUE_UNTIL_PERCENT)
        return count;
    return (uint32_t)(count * (percent - DUE_FROM_PERCENT) / (DUE_UNTIL_PERCENT - DUE_FROM_PERCENT));
}

/* @return whether nobody writes */
static bool look(const struct sherd_lmdb_applier *applier, struct pace *pace)
{
    const uint64_t bytes = sherd_lmdb_log_active_bytes(applier->log);
    const uint64_t now = sherd_clock()->monotonic_ns();

    if (bytes == pace->bytes)
        return now - pace->since_ns > IDLE_NS;
    pace->bytes = bytes;
    pace->since_ns = now;
    return false;
}

/* Wait until items are due, nobody writes, or somebody waits. @return whether it is this store's turn; else hurry */
static bool wait_for_turn(const struct sherd_lmdb_applier *applier, const struct sorted *sorted, uint32_t done,
                          struct pace *pace)
{
    while (!atomic_load(&applier->hurry)) {
        const bool idle = look(applier, pace);

        if ((idle || done < count_due(pace, sorted->count)) && take_turn())
            return true;
        nap(PAUSE_NS);
    }
    return false;
}

static enum sherd_err apply_gently(struct sherd_lmdb_applier *applier, const struct sorted *sorted, struct pace *pace,
                                   uint32_t *at)
{
    const bool ours = wait_for_turn(applier, sorted, *at, pace);
    const bool late = count_due(pace, sorted->count) > *at + PART_ITEMS * FACTOR_LATE;
    const enum sherd_err err = apply_part(applier, sorted, ours && !late ? FACTOR_EARLY : FACTOR_LATE, at);

    if (ours)
        end_turn();
    return err;
}

static enum sherd_err apply_sorted(struct sherd_lmdb_applier *applier, const struct sorted *sorted, uint64_t capacity,
                                   bool gently)
{
    struct pace pace = {.capacity = capacity};
    uint32_t at = 0;

    do {
        SHERD_FAILPOINT("lmdb.apply");
        if (gently)
            SHERD_TRY(apply_gently(applier, sorted, &pace, &at));
        else
            SHERD_TRY(apply_part(applier, sorted, FACTOR_LATE, &at));
    } while (at < sorted->count);
    return SHERD_OK;
}

/* --- a journal --------------------------------------------------------------------------------------------------- */

/*
 * The file of an applied journal is that of the next generation but one. Here, before anyone may begin that, it is made
 * as long as the store has become large: at most twice as long as it is, so that nobody waits for long.
 */
static enum sherd_err enlarge(const struct sherd_lmdb_applier *applier, const struct sherd_lmdb_journal *journal)
{
    const uint64_t want = sherd_lmdb_env_bytes(applier->env) / JOURNAL_SHARE;
    const uint64_t most = journal->capacity * 2;
    const uint64_t bytes = want < most ? want : most;
    struct statvfs fs;

    if (bytes <= SHERD_LMDB_JOURNAL_BYTES_GROWN || fstatvfs(journal->fd, &fs) != 0 ||
        (uint64_t)fs.f_bavail * fs.f_frsize < bytes * JOURNAL_ROOM)
        return SHERD_OK;
    return sherd_lmdb_journal_enlarge(journal, bytes);
}

/* All is in LMDB: durably, before the journal may be overwritten. */
static enum sherd_err finish(struct sherd_lmdb_applier *applier, const struct sherd_lmdb_journal *journal)
{
    enum sherd_err err = sherd_lmdb_env_flush(applier->env);

    if (err == SHERD_OK)
        err = enlarge(applier, journal);
    if (err == SHERD_ERR_IO)
        sherd_lmdb_failure_keep(applier->failure);
    SHERD_TRY(err);
    sherd_lmdb_log_set_applied(applier->log, journal->header.generation);
    return SHERD_OK;
}

static enum sherd_err apply_view(struct sherd_lmdb_applier *applier, const struct sherd_lmdb_view *view, bool gently)
{
    const uint64_t generation = view->frozen->header.generation;
    struct sorted sorted = {0};
    uint64_t applied = 0;
    enum sherd_err err;
    int dead = 0;

    (void)mdb_reader_check(applier->env->mdb, &dead); /* readers that died would keep LMDB from using pages again */
    SHERD_TRY(sherd_lmdb_log_read_applied(applier->env, &applied));
    if (applied < generation) { /* else the one who did it died before it could say so */
        SHERD_TRY(sort_items(view->frozen, view->frozen_count, &sorted));
        err = apply_sorted(applier, &sorted, view->active->capacity, gently);
        sherd_free(sorted.numbers);
        SHERD_TRY(err);
    }
    return finish(applier, view->frozen);
}

static enum sherd_err apply_locked(struct sherd_lmdb_applier *applier, bool gently)
{
    struct sherd_lmdb_view view = {0};
    enum sherd_err err;

    err = sherd_lmdb_log_view(applier->log, &view);
    if (err == SHERD_OK && view.frozen != NULL)
        err = apply_view(applier, &view, gently);
    sherd_lmdb_view_done(&view);
    return err;
}

/* SHERD_ERR_BUSY: another thread or process does it. */
static enum sherd_err apply_frozen(struct sherd_lmdb_applier *applier, bool gently)
{
    enum sherd_err err;

    if (pthread_mutex_trylock(&applier->busy) != 0)
        return SHERD_ERR_BUSY;
    err = sherd_lmdb_lock_try(applier->log->lock.fd, SHERD_LMDB_LOCK_APPLY, SHERD_LMDB_EXCLUSIVE);
    if (err == SHERD_OK) {
        err = apply_locked(applier, gently);
        sherd_lmdb_unlock(applier->log->lock.fd, SHERD_LMDB_LOCK_APPLY);
    }
    (void)pthread_mutex_unlock(&applier->busy);
    return err;
}

enum sherd_err sherd_lmdb_applier_wait(struct sherd_lmdb_applier *applier, uint64_t generation)
{
    const uint64_t until = sherd_clock()->monotonic_ns() + WAIT_MOST_NS;
    enum sherd_err err = SHERD_OK;

    while (sherd_lmdb_log_applied(applier->log) < generation) {
        err = apply_frozen(applier, false);
        if (err != SHERD_OK && err != SHERD_ERR_BUSY)
            break;
        if (err == SHERD_ERR_BUSY) {
            if (sherd_clock()->monotonic_ns() > until)
                return sherd_fail(err, "journal: another process does not get done with applying it: try again");
            atomic_store(&applier->hurry, true);
            nap(WAIT_NS);
        }
        err = SHERD_OK;
    }
    atomic_store(&applier->hurry, false);
    return err;
}

/* --- the thread -------------------------------------------------------------------------------------------------- */

/* @return false: end */
static bool wait_for_work(struct sherd_lmdb_applier *applier)
{
    bool go_on;

    (void)pthread_mutex_lock(&applier->mutex);
    while (!applier->wanted && !applier->stop)
        (void)pthread_cond_wait(&applier->changed, &applier->mutex);
    applier->wanted = false;
    go_on = !applier->stop;
    (void)pthread_mutex_unlock(&applier->mutex);
    return go_on;
}

/* What fails here fails once more, and is reported, when a writer needs the room. */
static void *run(void *arg)
{
    struct sherd_lmdb_applier *applier = arg;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + NICENESS); /* of this thread */
    while (wait_for_work(applier))
        if (apply_frozen(applier, true) != SHERD_OK)
            nap(PAUSE_NS);
    return NULL;
}

static void start(struct sherd_lmdb_applier *applier)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;

    if (pthread_attr_init(&attr) != 0)
        return;
    (void)pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's signals are for its own threads */
    applier->started = pthread_create(&applier->thread, &attr, run, applier) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
}

enum sherd_err sherd_lmdb_applier_init(struct sherd_lmdb_env *env, struct sherd_lmdb_log *log,
                                       struct sherd_lmdb_failure *failure, struct sherd_lmdb_applier *applier)
{
    if (pthread_mutex_init(&applier->busy, NULL) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "store: no memory for a lock");
    if (pthread_mutex_init(&applier->mutex, NULL) != 0) {
        (void)pthread_mutex_destroy(&applier->busy);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "store: no memory for a lock");
    }
    if (pthread_cond_init(&applier->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&applier->mutex);
        (void)pthread_mutex_destroy(&applier->busy);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "store: no memory for a lock");
    }
    applier->env = env;
    applier->log = log;
    applier->failure = failure;
    return SHERD_OK;
}

void sherd_lmdb_applier_kick(struct sherd_lmdb_applier *applier)
{
    (void)pthread_mutex_lock(&applier->mutex);
    if (!applier->started)
        start(applier);
    applier->wanted = true;
    (void)pthread_cond_signal(&applier->changed);
    (void)pthread_mutex_unlock(&applier->mutex);
}

void sherd_lmdb_applier_done(struct sherd_lmdb_applier *applier)
{
    bool started;

    if (applier->env == NULL)
        return;
    (void)pthread_mutex_lock(&applier->mutex);
    applier->stop = true;
    started = applier->started;
    (void)pthread_cond_signal(&applier->changed);
    (void)pthread_mutex_unlock(&applier->mutex);
    atomic_store(&applier->hurry, true);
    if (started)
        (void)pthread_join(applier->thread, NULL);
    (void)pthread_cond_destroy(&applier->changed);
    (void)pthread_mutex_destroy(&applier->mutex);
    (void)pthread_mutex_destroy(&applier->busy);
    memset(applier, 0, sizeof *applier);
}
