/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: one queue, threads that take from its head. See pool.h. */
#include "cryptor/pool.h"
#include "base/mem.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

struct sherd_pool {
    unsigned threads_wanted;
    pthread_mutex_t lock;
    pthread_cond_t work; /* the queue got a job, or the pool ends */
    struct sherd_job *head;
    struct sherd_job **tail;
    bool tried; /* the threads were started, or could not be */
    bool ending;
    unsigned thread_count;
    pthread_t threads[SHERD_POOL_THREADS_MAX];
};

enum sherd_err sherd_pool_new(unsigned threads, struct sherd_pool **out_pool)
{
    struct sherd_pool *pool = sherd_alloc(sizeof(*pool));

    if (pool == NULL)
        return SHERD_ERR_NO_MEMORY;
    pool->threads_wanted = threads > SHERD_POOL_THREADS_MAX ? SHERD_POOL_THREADS_MAX : threads;
    pool->tail = &pool->head;
    if (pthread_mutex_init(&pool->lock, NULL) != 0 || pthread_cond_init(&pool->work, NULL) != 0) {
        sherd_free(pool);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_pool = pool;
    return SHERD_OK;
}

unsigned sherd_pool_threads(const struct sherd_pool *pool)
{
    return pool->threads_wanted;
}

/* The next job, or NULL when the pool ends and the queue is empty. */
static struct sherd_job *take(struct sherd_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    while (pool->head == NULL && !pool->ending)
        (void)pthread_cond_wait(&pool->work, &pool->lock);
    struct sherd_job *job = pool->head;
    if (job != NULL) {
        pool->head = job->next;
        if (pool->head == NULL)
            pool->tail = &pool->head;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *work(void *arg)
{
    struct sherd_job *job;

    while ((job = take(arg)) != NULL)
        job->run(job);
    return NULL;
}

/* Start the threads, with all signals left to the program's own. Called under the lock. */
static void start(struct sherd_pool *pool)
{
    sigset_t all;
    sigset_t before;

    pool->tried = true;
    if (pool->threads_wanted < 2)
        return;
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGBUS); /* raised by what the thread itself does */
    (void)sigdelset(&all, SIGSEGV);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->thread_count < pool->threads_wanted &&
           pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) == 0)
        pool->thread_count++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sherd_pool_submit(struct sherd_pool *pool, struct sherd_job *job)
{
    job->next = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    if (!pool->tried)
        start(pool);
    const bool queued = pool->thread_count > 0;
    if (queued) {
        *pool->tail = job;
        pool->tail = &job->next;
        (void)pthread_cond_signal(&pool->work);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (!queued)
        job->run(job);
}

/* Take a job back that no thread has taken yet. @return false: it runs, or has run */
static bool withdraw(struct sherd_pool *pool, struct sherd_job *job)
{
    bool found = false;

    (void)pthread_mutex_lock(&pool->lock);
    for (struct sherd_job **link = &pool->head; *link != NULL && !found;) {
        found = *link == job;
        if (!found) {
            link = &(*link)->next;
            continue;
        }
        *link = job->next;
        if (*link == NULL)
            pool->tail = link;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return found;
}

void sherd_pool_free(struct sherd_pool *pool)
{
    if (pool == NULL)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    sherd_free(pool);
}

/* One sherd_pool_each(): shared by the threads that take part. */
struct each {
    enum sherd_err (*fn)(void *arg, size_t i);
    void *arg;
    size_t count;
    atomic_size_t next;
    atomic_bool failed;
    pthread_mutex_t lock;
    pthread_cond_t left; /* a helper finished */
    unsigned helpers_running;
    enum sherd_err err;
    char detail[SHERD_FAIL_TEXT_SIZE];
};

struct helper {
    struct sherd_job job; /* first */
    struct each *each;
};

static void note_failure(struct each *each, enum sherd_err err)
{
    (void)pthread_mutex_lock(&each->lock);
    if (each->err == SHERD_OK) {
        each->err = err;
        (void)snprintf(each->detail, sizeof(each->detail), "%s", sherd_err_detail());
    }
    (void)pthread_mutex_unlock(&each->lock);
    atomic_store(&each->failed, true);
}

static void run_each(struct each *each)
{
    size_t i;

    while (!atomic_load(&each->failed) && (i = atomic_fetch_add(&each->next, 1)) < each->count) {
        const enum sherd_err err = each->fn(each->arg, i);

        if (err != SHERD_OK)
            note_failure(each, err);
    }
}

static void run_helper(struct sherd_job *job)
{
    struct each *each = ((struct helper *)job)->each;

    run_each(each);
    (void)pthread_mutex_lock(&each->lock);
    each->helpers_running--;
    (void)pthread_cond_signal(&each->left);
    (void)pthread_mutex_unlock(&each->lock);
}

/*
 * Wait for the helpers that have begun, and for no others: all threads may be busy with work that itself waits like
 * this.
 */
static void wait_for_helpers(struct sherd_pool *pool, struct each *each, struct helper *helpers, size_t count)
{
    unsigned withdrawn = 0;

    for (size_t i = 0; i < count; i++)
        withdrawn += withdraw(pool, &helpers[i].job) ? 1 : 0;
    (void)pthread_mutex_lock(&each->lock);
    each->helpers_running -= withdrawn;
    while (each->helpers_running > 0)
        (void)pthread_cond_wait(&each->left, &each->lock);
    (void)pthread_mutex_unlock(&each->lock);
}

enum sherd_err sherd_pool_each(struct sherd_pool *pool, size_t count, enum sherd_err (*fn)(void *arg, size_t i),
                               void *arg)
{
    struct each each = {.fn = fn, .arg = arg, .count = count};
    struct helper helpers[SHERD_POOL_THREADS_MAX];
    const size_t helper_max = pool->threads_wanted - (pool->threads_wanted > 0 ? 1 : 0);
    const size_t helper_count = count > helper_max ? helper_max : (count > 0 ? count - 1 : 0);

    if (pthread_mutex_init(&each.lock, NULL) != 0 || pthread_cond_init(&each.left, NULL) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    each.helpers_running = (unsigned)helper_count;
    for (size_t i = 0; i < helper_count; i++) {
        helpers[i] = (struct helper){.job = {.run = run_helper}, .each = &each};
        sherd_pool_submit(pool, &helpers[i].job);
    }
    run_each(&each);
    wait_for_helpers(pool, &each, helpers, helper_count);
    (void)pthread_cond_destroy(&each.left);
    (void)pthread_mutex_destroy(&each.lock);
    if (each.err != SHERD_OK)
        sherd_fail_restore(each.detail);
    return each.err;
}
