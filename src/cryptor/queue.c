/* SPDX-License-Identifier: Apache-2.0 */
/* A queue with a leader: see queue.h. */
#include "cryptor/queue.h"
#include "base/mem.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

/* One who waits; on the stack of its thread. */
struct waiter {
    struct waiter *next;
    struct sherd_version *version;
    pthread_cond_t wake; /* done, or first in the queue while nobody leads */
    bool done;
    enum sherd_err err;
    char detail[SHERD_FAIL_TEXT_SIZE];
};

struct sherd_queue {
    pthread_mutex_t lock;
    struct waiter *head;
    struct waiter **tail;
    bool led; /* a group is on its way; a second beside it would only make both smaller */
};

enum sherd_err sherd_queue_new(struct sherd_queue **out_queue)
{
    struct sherd_queue *queue = sherd_alloc(sizeof(*queue));

    if (queue == NULL)
        return SHERD_ERR_NO_MEMORY;
    queue->tail = &queue->head;
    if (pthread_mutex_init(&queue->lock, NULL) != 0) {
        sherd_free(queue);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_queue = queue;
    return SHERD_OK;
}

void sherd_queue_free(struct sherd_queue *queue)
{
    if (queue == NULL)
        return;
    (void)pthread_mutex_destroy(&queue->lock);
    sherd_free(queue);
}

/* Take a group off the head of the queue. Called under the lock. */
static size_t take_group(struct sherd_queue *queue, struct waiter **group)
{
    size_t count = 0;

    while (queue->head != NULL && count < SHERD_QUEUE_GROUP_MAX) {
        group[count++] = queue->head;
        queue->head = queue->head->next;
    }
    if (queue->head == NULL)
        queue->tail = &queue->head;
    return count;
}

static void tell(struct waiter *waiter, enum sherd_err err)
{
    waiter->err = err;
    if (err != SHERD_OK)
        (void)snprintf(waiter->detail, sizeof(waiter->detail), "%s", sherd_err_detail());
    waiter->done = true;
    (void)pthread_cond_signal(&waiter->wake);
}

/* Take all that wait through the commit. Called, and returns, under the lock. */
static void lead(struct sherd_queue *queue, struct sherd_vault *vault, sherd_queue_commit_fn *commit)
{
    struct waiter *group[SHERD_QUEUE_GROUP_MAX];
    struct sherd_version *versions[SHERD_QUEUE_GROUP_MAX];
    const size_t count = take_group(queue, group);

    queue->led = true;
    (void)pthread_mutex_unlock(&queue->lock);
    for (size_t i = 0; i < count; i++)
        versions[i] = group[i]->version;
    const enum sherd_err err = commit(vault, versions, count);
    (void)pthread_mutex_lock(&queue->lock);
    queue->led = false;
    for (size_t i = 0; i < count; i++)
        tell(group[i], err);
    if (queue->head != NULL)
        (void)pthread_cond_signal(&queue->head->wake);
}

static void wait_or_lead(struct sherd_queue *queue, struct sherd_vault *vault, struct waiter *self,
                         sherd_queue_commit_fn *commit)
{
    (void)pthread_mutex_lock(&queue->lock);
    *queue->tail = self;
    queue->tail = &self->next;
    while (!self->done) {
        if (queue->head == self && !queue->led)
            lead(queue, vault, commit);
        else
            (void)pthread_cond_wait(&self->wake, &queue->lock);
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

enum sherd_err sherd_queue_commit(struct sherd_queue *queue, struct sherd_vault *vault, struct sherd_version *version,
                                  sherd_queue_commit_fn *commit)
{
    struct waiter self = {.version = version};

    if (pthread_cond_init(&self.wake, NULL) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    wait_or_lead(queue, vault, &self, commit);
    (void)pthread_cond_destroy(&self.wake);
    if (self.err != SHERD_OK)
        sherd_fail_restore(self.detail);
    return self.err;
}
