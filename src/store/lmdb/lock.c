/* SPDX-License-Identifier: Apache-2.0 */
/* Locks between processes. See lock.h. */
#include "store/lmdb/lock.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct sherd_lmdb_lock *list_first;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_result;

/* --- forks ------------------------------------------------------------------------------------------------------- */

static void before_fork(void)
{
    (void)pthread_mutex_lock(&list_mutex);
}

static void after_fork(void)
{
    (void)pthread_mutex_unlock(&list_mutex);
}

/* A lock belongs to the open file, which a child shares: it would keep the lock of a parent that died. */
static void after_fork_in_child(void)
{
    for (struct sherd_lmdb_lock *lock = list_first; lock != NULL; lock = lock->next) {
        (void)close(lock->fd);
        lock->fd = -1;
    }
    list_first = NULL;
    (void)pthread_mutex_unlock(&list_mutex);
}

static void watch_forks(void)
{
    once_result = pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_lmdb_lock_open(int dir_fd, bool create, struct sherd_lmdb_lock *lock)
{
    (void)pthread_once(&once, watch_forks);
    SHERD_ENSURE(once_result == 0, SHERD_ERR_NO_MEMORY, "store: no fork handler");
    (void)pthread_mutex_lock(&list_mutex);
    lock->fd = openat(dir_fd, "lock", O_RDWR | (create ? O_CREAT | O_EXCL : 0) | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock->fd >= 0) {
        lock->next = list_first;
        list_first = lock;
    }
    (void)pthread_mutex_unlock(&list_mutex);
    if (lock->fd >= 0)
        return SHERD_OK;
    return sherd_fail_errno(errno == EROFS || errno == EACCES ? SHERD_ERR_DENIED : SHERD_ERR_IO,
                            "store: open its file lock");
}

void sherd_lmdb_lock_close(struct sherd_lmdb_lock *lock)
{
    if (lock->fd < 0)
        return;
    (void)pthread_mutex_lock(&list_mutex);
    for (struct sherd_lmdb_lock **at = &list_first; *at != NULL; at = &(*at)->next) {
        if (*at == lock) {
            *at = lock->next;
            break;
        }
    }
    (void)close(lock->fd);
    (void)pthread_mutex_unlock(&list_mutex);
    *lock = SHERD_LMDB_LOCK_NONE;
}

/* --- ranges ------------------------------------------------------------------------------------------------------ */

static int set_lock(int fd, int command, enum sherd_lmdb_range range, enum sherd_lmdb_lock_kind kind)
{
    static const short types[] = {F_UNLCK, F_RDLCK, F_WRLCK};
    struct flock how = {.l_type = types[kind], .l_whence = SEEK_SET, .l_start = (off_t)range, .l_len = 1};
    int rc;

    do
        rc = fcntl(fd, command, &how);
    while (rc != 0 && errno == EINTR);
    return rc;
}

enum sherd_err sherd_lmdb_lock_wait(int fd, enum sherd_lmdb_range range, enum sherd_lmdb_lock_kind kind)
{
    if (set_lock(fd, F_OFD_SETLKW, range, kind) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store: lock");
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_lock_try(int fd, enum sherd_lmdb_range range, enum sherd_lmdb_lock_kind kind)
{
    if (set_lock(fd, F_OFD_SETLK, range, kind) == 0)
        return SHERD_OK;
    if (errno == EAGAIN || errno == EACCES)
        return SHERD_ERR_BUSY;
    return sherd_fail_errno(SHERD_ERR_IO, "store: lock");
}

void sherd_lmdb_unlock(int fd, enum sherd_lmdb_range range)
{
    (void)set_lock(fd, F_OFD_SETLK, range, SHERD_LMDB_UNLOCK);
}
