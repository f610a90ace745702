/* SPDX-License-Identifier: Apache-2.0 */
/* How a store's log is opened: joined, where others have it open, or found again from its journals. See log.h. */
#include "base/mem.h"
#include "store/lmdb/log.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHARED_BYTES 4096U
#define SHARED_MAGIC UINT64_C(0x7368657264537431) /* "sherdSt1" */

/* --- the shared state -------------------------------------------------------------------------------------------- */

static enum sherd_err map_state(struct sherd_lmdb_log *log, int fd)
{
    const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *map = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);

    if (map == MAP_FAILED)
        return sherd_fail_errno(SHERD_ERR_IO, "store: map its file state");
    log->shared = map;
    return SHERD_OK;
}

static enum sherd_err open_state(struct sherd_lmdb_log *log)
{
    const int fd = openat(log->dir->fd, "state", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum sherd_err err;

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store: open its file state");
    errno = posix_fallocate(fd, 0, SHARED_BYTES); /* a hole on a full disk would be a fault later */
    if (errno != 0)
        err = sherd_fail_errno(SHERD_ERR_IO, "store: make room for its file state");
    else
        err = map_state(log, fd);
    (void)close(fd);
    return err;
}

/* --- recovery ---------------------------------------------------------------------------------------------------- */

static enum sherd_err fail_damaged(void)
{
    return sherd_fail(SHERD_ERR_IO, "journal: its files do not fit together: restore the store from a backup");
}

/* The two files, the newer first. NULL for one that has no valid header. */
static enum sherd_err open_both(const struct sherd_lmdb_log *log, struct sherd_lmdb_journal *journals[static 2])
{
    for (uint64_t i = 0; i < 2; i++) {
        SHERD_TRY(sherd_lmdb_journal_open(log->dir->fd, i, log->dir->read_only, &journals[i]));
        if (journals[i] != NULL && (journals[i]->header.generation & 1) != i)
            return fail_damaged();
    }
    if (journals[0] == NULL ||
        (journals[1] != NULL && journals[1]->header.generation > journals[0]->header.generation)) {
        struct sherd_lmdb_journal *newer = journals[1];

        journals[1] = journals[0];
        journals[0] = newer;
    }
    return journals[0] != NULL ? SHERD_OK : fail_damaged();
}

/* A header that is not valid is harmless only if nothing was ever written behind it. */
static enum sherd_err check_lone(const struct sherd_lmdb_log *log, uint64_t generation)
{
    bool resembles = false;

    SHERD_TRY(sherd_lmdb_journal_resembles(log->dir->fd, generation + 1, &resembles));
    return resembles ? fail_damaged() : SHERD_OK;
}

static enum sherd_err check_fit(const struct sherd_lmdb_log *log, struct sherd_lmdb_journal *const *journals,
                                uint64_t applied)
{
    const uint64_t newest = journals[0]->header.generation;

    if (journals[1] != NULL && journals[1]->header.generation + 1 != newest)
        return fail_damaged();
    if (applied + 1 == newest)
        return journals[1] != NULL ? SHERD_OK : check_lone(log, newest);
    return applied + 2 == newest && journals[1] != NULL ? SHERD_OK : fail_damaged();
}

/* Read what counts of the journals, which are given in; those that are kept are taken out. */
static enum sherd_err recover_from(struct sherd_lmdb_log *log, struct sherd_lmdb_journal **journals)
{
    const uint64_t newest = journals[0]->header.generation;
    uint64_t applied = 0;

    SHERD_TRY(sherd_lmdb_log_read_applied(log->env, &applied));
    SHERD_TRY(check_fit(log, journals, applied));
    SHERD_TRY(sherd_lmdb_journal_scan(journals[0]));
    if (applied + 1 < newest) {
        SHERD_TRY(sherd_lmdb_journal_scan_frozen(journals[1], journals[0]->header.first_sequence));
        log->frozen = journals[1];
        journals[1] = NULL;
    }
    log->active = journals[0];
    journals[0] = NULL;
    log->seen = newest << 32 | log->active->end / 8;
    atomic_store(&log->shared->applied, applied);
    atomic_store(&log->shared->published, log->seen);
    log->shared->magic = SHARED_MAGIC;
    return SHERD_OK;
}

static enum sherd_err recover(struct sherd_lmdb_log *log)
{
    struct sherd_lmdb_journal *journals[2] = {NULL, NULL};
    enum sherd_err err = open_both(log, journals);

    if (err == SHERD_OK)
        err = recover_from(log, journals);
    sherd_lmdb_journal_unref(journals[0]);
    sherd_lmdb_journal_unref(journals[1]);
    return err;
}

/* --- open -------------------------------------------------------------------------------------------------------- */

static enum sherd_err join(const struct sherd_lmdb_log *log)
{
    SHERD_TRY(sherd_lmdb_lock_wait(log->lock.fd, SHERD_LMDB_LOCK_ALIVE, SHERD_LMDB_SHARED));
    SHERD_ENSURE(log->shared->magic == SHARED_MAGIC, SHERD_ERR_UNSUPPORTED,
                 "store: a program of another version has it open: close that first");
    return SHERD_OK; /* the journals are read by the first view */
}

/* With SHERD_LMDB_LOCK_OPEN held: nobody else comes or recovers meanwhile. */
static enum sherd_err recover_or_join(struct sherd_lmdb_log *log)
{
    const enum sherd_err err = sherd_lmdb_lock_try(log->lock.fd, SHERD_LMDB_LOCK_ALIVE, SHERD_LMDB_EXCLUSIVE);

    if (err == SHERD_ERR_BUSY)
        return join(log);
    SHERD_TRY(err);
    SHERD_TRY(recover(log));
    return sherd_lmdb_lock_wait(log->lock.fd, SHERD_LMDB_LOCK_ALIVE, SHERD_LMDB_SHARED);
}

static enum sherd_err open_locked(struct sherd_lmdb_log *log, bool create)
{
    enum sherd_err err;

    SHERD_TRY(sherd_lmdb_lock_wait(log->lock.fd, SHERD_LMDB_LOCK_OPEN, SHERD_LMDB_EXCLUSIVE));
    err = open_state(log);
    if (err == SHERD_OK && create)
        err = sherd_lmdb_journal_make_first(log->dir->fd);
    if (err == SHERD_OK)
        err = recover_or_join(log);
    sherd_lmdb_unlock(log->lock.fd, SHERD_LMDB_LOCK_OPEN);
    return err;
}

enum sherd_err sherd_lmdb_log_open(const struct sherd_lmdb_dir *dir, struct sherd_lmdb_env *env, bool create,
                                   struct sherd_lmdb_log *log)
{
    enum sherd_err err;

    log->lock = SHERD_LMDB_LOCK_NONE;
    log->dir = dir;
    log->env = env;
    SHERD_ENSURE(pthread_mutex_init(&log->mutex, NULL) == 0, SHERD_ERR_NO_MEMORY, "store: no memory for a lock");
    err = sherd_lmdb_lock_open(dir->fd, create, &log->lock);
    if (err == SHERD_OK) {
        err = open_locked(log, create);
    } else if (err == SHERD_ERR_DENIED && dir->read_only) {
        log->alone = true;
        err = map_state(log, -1);
        if (err == SHERD_OK)
            err = recover(log);
    }
    if (err != SHERD_OK)
        sherd_lmdb_log_close(log);
    return err;
}

/* The last one to leave says where the journal ends. */
static void mark_end(struct sherd_lmdb_log *log)
{
    if (sherd_lmdb_lock_try(log->lock.fd, SHERD_LMDB_LOCK_OPEN, SHERD_LMDB_EXCLUSIVE) != SHERD_OK)
        return;
    if (sherd_lmdb_lock_try(log->lock.fd, SHERD_LMDB_LOCK_ALIVE, SHERD_LMDB_EXCLUSIVE) == SHERD_OK &&
        log->seen == atomic_load(&log->shared->published))
        sherd_lmdb_journal_mark(log->active);
}

void sherd_lmdb_log_close(struct sherd_lmdb_log *log)
{
    if (log->dir == NULL)
        return;
    if (log->active != NULL && log->lock.fd >= 0 && !log->dir->read_only)
        mark_end(log);
    sherd_lmdb_journal_unref(log->active);
    sherd_lmdb_journal_unref(log->frozen);
    if (log->shared != NULL)
        (void)munmap(log->shared, SHARED_BYTES);
    sherd_lmdb_lock_close(&log->lock);
    (void)pthread_mutex_destroy(&log->mutex);
    memset(log, 0, sizeof *log);
    log->lock = SHERD_LMDB_LOCK_NONE;
}
