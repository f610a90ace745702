/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window: an flock() on a file, so that it ends with the process that holds it. See window.h.
 *
 * Within a process the writers share one lock on one file description: the first takes it, the last gives it back.
 *
 * Nobody waits for ever. The kernel gives a shared lock to whoever asks while others share it, however long somebody
 * has waited to be alone, so there is a gate before the window: a lock on the directory that the file lies in, taken
 * for the moment of entering. Who wants to be alone holds the gate while the writers inside drain; writers that come
 * meanwhile wait there, and are in before the next who wants to be alone. A process whose writers never pause looks at
 * the gate now and then, and lets its hold drain when it is closed. Within a process, writers that waited for one who
 * was alone go before the next such one.
 */
#include "cryptor/window.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Every so many writers look whether somebody of another process waits to be alone. */
#define ENTRIES_PER_LOOK 16U

struct sherd_window {
    int fd;
    int gate_fd;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned writers;
    unsigned entries; /* writers that entered under this hold */
    bool draining;    /* somebody of another process waits: no more writers under this hold */
    unsigned waiting_alone;
    unsigned waiting_writers;
    unsigned admitted; /* writers that go before whoever waits to be alone */
    bool alone;
    bool taking; /* a thread is in flock() */
};

/* Open the directory of a file. @return its descriptor, or -1 (errno set) */
static int open_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = sherd_strdup(slash != NULL ? path : ".");

    if (dir == NULL) {
        errno = ENOMEM;
        return -1;
    }
    if (slash != NULL)
        dir[slash == path ? 1 : slash - path] = 0;
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int saved = errno;
    sherd_free(dir);
    errno = saved;
    return fd;
}

static void close_files(const struct sherd_window *window)
{
    if (window->fd >= 0)
        (void)close(window->fd);
    if (window->gate_fd >= 0)
        (void)close(window->gate_fd);
}

static enum sherd_err open_files(const char *path, struct sherd_window *window)
{
    window->gate_fd = -1;
    window->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (window->fd >= 0)
        window->gate_fd = open_directory_of(path);
    if (window->gate_fd >= 0)
        return SHERD_OK;
    const enum sherd_err err = sherd_fail_errno(SHERD_ERR_IO, "%s cannot be opened", path);
    close_files(window);
    return err;
}

enum sherd_err sherd_window_open(const char *path, struct sherd_window **out_window)
{
    struct sherd_window *window = sherd_alloc(sizeof(*window));

    if (window == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = open_files(path, window);
    if (err != SHERD_OK) {
        sherd_free(window);
        return err;
    }
    if (pthread_mutex_init(&window->lock, NULL) != 0 || pthread_cond_init(&window->changed, NULL) != 0) {
        close_files(window);
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
    close_files(window);
    (void)pthread_cond_destroy(&window->changed);
    (void)pthread_mutex_destroy(&window->lock);
    sherd_free(window);
}

static bool take_file_lock(int fd, int how)
{
    int result;

    do
        result = flock(fd, how);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Through the gate into the window. */
static bool pass(const struct sherd_window *window, int how)
{
    if (!take_file_lock(window->gate_fd, how))
        return false;
    const bool taken = take_file_lock(window->fd, how);
    const int saved = errno;
    (void)flock(window->gate_fd, LOCK_UN);
    errno = saved;
    return taken;
}

/* Take the file lock with the mutex released meanwhile. Called, and returns, under the mutex. */
static enum sherd_err take(struct sherd_window *window, int how)
{
    window->taking = true;
    (void)pthread_mutex_unlock(&window->lock);
    const bool taken = pass(window, how);
    const int saved = errno;
    (void)pthread_mutex_lock(&window->lock);
    window->taking = false;
    (void)pthread_cond_broadcast(&window->changed);
    errno = saved;
    return taken ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "window.lock cannot be locked");
}

/* Whether a writer lets others go first. */
static bool must_wait(const struct sherd_window *window)
{
    return window->draining || (window->admitted == 0 && window->waiting_alone > 0);
}

/*
 * Whether somebody of another process holds the gate, which takes but a moment unless it waits for writers like ours.
 */
static bool gate_is_closed(const struct sherd_window *window)
{
    if (flock(window->gate_fd, LOCK_SH | LOCK_NB) != 0)
        return errno == EWOULDBLOCK;
    (void)flock(window->gate_fd, LOCK_UN);
    return false;
}

static enum sherd_err enter_shared(struct sherd_window *window)
{
    enum sherd_err err = SHERD_OK;

    window->waiting_writers++;
    while (window->alone || window->taking || must_wait(window))
        (void)pthread_cond_wait(&window->changed, &window->lock);
    window->waiting_writers--;
    if (window->admitted > 0) {
        window->admitted--;
        (void)pthread_cond_broadcast(&window->changed);
    }
    if (window->writers == 0)
        err = take(window, LOCK_SH);
    if (err == SHERD_OK) {
        window->writers++;
        window->entries++;
        window->draining = window->entries % ENTRIES_PER_LOOK == 0 && gate_is_closed(window);
    }
    return err;
}

static enum sherd_err enter_alone(struct sherd_window *window)
{
    enum sherd_err err;

    window->waiting_alone++;
    while (window->alone || window->taking || window->writers > 0 || window->admitted > 0)
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
    if (alone) {
        window->alone = false;
        window->admitted = window->waiting_writers;
    } else {
        window->writers--;
    }
    if (window->writers == 0) {
        window->entries = 0;
        window->draining = false;
        (void)flock(window->fd, LOCK_UN);
    }
    (void)pthread_cond_broadcast(&window->changed);
    (void)pthread_mutex_unlock(&window->lock);
}
