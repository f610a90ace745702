/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window: an flock() on a file, so that it ends with the process that holds it. See window.h.
 *
 * Within a process the writers share one lock on one file description: the first takes it, the last gives it back.
 * Whoever wants to be alone first closes the gate to newcomers of this process, and in other processes waits for theirs
 * to drain; a process whose writers never pause gives the lock back now and then, so that nobody waits for ever.
 */
#include "cryptor/window.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <unistd.h>

/* Writers that share one hold of the lock before it is given back. */
#define HOLD_ENTRIES_MAX 4096U

struct sherd_window {
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned writers;
    unsigned entries; /* writers that entered under this hold */
    unsigned waiting_alone;
    bool alone;
    bool taking; /* a thread is in flock() */
};

enum sherd_err sherd_window_open(const char *path, struct sherd_window **out_window)
{
    struct sherd_window *window = sherd_alloc(sizeof(*window));

    if (window == NULL)
        return SHERD_ERR_NO_MEMORY;
    window->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (window->fd < 0) {
        sherd_free(window);
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be opened", path);
    }
    if (pthread_mutex_init(&window->lock, NULL) != 0 || pthread_cond_init(&window->changed, NULL) != 0) {
        (void)close(window->fd);
        sherd_free(window);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_window = window;
    return SHERD_OK;
}

void sherd_window_close(struct sherd_window *window)
{
    if (window == NULL)
        return;
    (void)close(window->fd);
    (void)pthread_cond_destroy(&window->changed);
    (void)pthread_mutex_destroy(&window->lock);
    sherd_free(window);
}

static bool take_file_lock(struct sherd_window *window, int how)
{
    int result;

    do
        result = flock(window->fd, how);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Take the file lock with the mutex released meanwhile. Called, and returns, under the mutex. */
static enum sherd_err take(struct sherd_window *window, int how)
{
    window->taking = true;
    (void)pthread_mutex_unlock(&window->lock);
    const bool taken = take_file_lock(window, how);
    const int saved = errno;
    (void)pthread_mutex_lock(&window->lock);
    window->taking = false;
    (void)pthread_cond_broadcast(&window->changed);
    errno = saved;
    return taken ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "window.lock cannot be locked");
}

static enum sherd_err enter_shared(struct sherd_window *window)
{
    enum sherd_err err = SHERD_OK;

    while (window->alone || window->taking || window->waiting_alone > 0 || window->entries >= HOLD_ENTRIES_MAX)
        (void)pthread_cond_wait(&window->changed, &window->lock);
    if (window->writers == 0)
        err = take(window, LOCK_SH);
    if (err == SHERD_OK) {
        window->writers++;
        window->entries++;
    }
    return err;
}

static enum sherd_err enter_alone(struct sherd_window *window)
{
    enum sherd_err err;

    window->waiting_alone++;
    while (window->alone || window->taking || window->writers > 0)
        (void)pthread_cond_wait(&window->changed, &window->lock);
    window->waiting_alone--;
    err = take(window, LOCK_EX);
    window->alone = err == SHERD_OK;
    return err;
}

enum sherd_err sherd_window_enter(struct sherd_window *window, bool alone)
{
    (void)pthread_mutex_lock(&window->lock);
    const enum sherd_err err = alone ? enter_alone(window) : enter_shared(window);
    (void)pthread_mutex_unlock(&window->lock);
    return err;
}

void sherd_window_leave(struct sherd_window *window, bool alone)
{
    (void)pthread_mutex_lock(&window->lock);
    if (alone)
        window->alone = false;
    else
        window->writers--;
    if (window->writers == 0) {
        window->entries = 0;
        (void)flock(window->fd, LOCK_UN);
    }
    (void)pthread_cond_broadcast(&window->changed);
    (void)pthread_mutex_unlock(&window->lock);
}
