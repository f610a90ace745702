/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/served.h
 * An anchor of this process behind socket pairs, as an agent has it: every call goes over the wire.
 */
#ifndef SHERD_TESTS_UNIT_SERVED_H
#define SHERD_TESTS_UNIT_SERVED_H

#include "anchor/agent/remote.h"
#include "anchor/agent/serve.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "vault.h"
#include <pthread.h>
#include <sys/socket.h>

/* An embedded anchor that is served: a thread a connection, over socket pairs. */
struct served {
    struct sherd_anchor *embedded;
    struct sherd_anchor *remote;
    enum sherd_err refusal; /* SHERD_OK, or what every call of the anchor gets */
    pthread_mutex_t lock;
    pthread_t threads[64];
    struct sherd_link *links[64];
    size_t count;
    unsigned inside; /* calls that have the anchor */
    struct served *next;
};

static struct served *all_served;
static struct sherd_anchor_ops served_ops; /* those of the remote anchor, but for free() */
static void (*remote_free)(struct sherd_anchor *anchor);

static enum sherd_err host_enter(void *arg, uid_t uid, struct sherd_anchor **out_anchor)
{
    struct served *served = arg;

    assert_int_equal(uid, 77);
    if (served->refusal != SHERD_OK)
        return sherd_fail(served->refusal, "refused by the test");
    (void)pthread_mutex_lock(&served->lock);
    served->inside++;
    (void)pthread_mutex_unlock(&served->lock);
    *out_anchor = served->embedded;
    return SHERD_OK;
}

static void host_leave(void *arg)
{
    struct served *served = arg;

    (void)pthread_mutex_lock(&served->lock);
    served->inside--;
    (void)pthread_mutex_unlock(&served->lock);
}

static void host_hello(void *arg, struct sherd_wire_hello *out_hello)
{
    (void)arg;
    memcpy(out_hello->seal, "a test", sizeof("a test"));
}

static void host_status(void *arg, uid_t uid, struct sherd_wire_status *out_status,
                        struct sherd_wire_progress *out_progress, size_t max, size_t *out_count)
{
    (void)arg;
    (void)uid;
    out_status->peers = 3;
    assert_true(max >= 2);
    out_progress[0] = (struct sherd_wire_progress){1, 2, 3, 4};
    out_progress[1] = (struct sherd_wire_progress){5, 6, 7, 8};
    *out_count = 2;
}

static enum sherd_err host_unseal(void *arg, uid_t uid, const struct sherd_wire_unseal *unseal,
                                  struct sherd_wire_unsealed *out_unsealed)
{
    (void)arg;
    (void)uid;
    out_unsealed->unsealed = unseal->secret.len == 4 && sherd_same(unseal->secret.data, "open", 4);
    return out_unsealed->unsealed ? SHERD_OK : sherd_fail(SHERD_ERR_DENIED, "not what unseals");
}

static enum sherd_err host_seal(void *arg, uid_t uid)
{
    (void)arg;
    (void)uid;
    return SHERD_OK;
}

static const struct sherd_serve_host host = {.enter = host_enter,
                                             .leave = host_leave,
                                             .hello = host_hello,
                                             .status = host_status,
                                             .unseal = host_unseal,
                                             .seal = host_seal};

struct serving {
    struct served *served;
    struct sherd_link *link;
};

static void *serve(void *arg)
{
    struct serving serving = *(struct serving *)arg;

    sherd_free(arg);
    sherd_serve(serving.link, 77, &host, serving.served);
    (void)shutdown(sherd_link_fd(serving.link), SHUT_RDWR); /* which the caller sees; it is freed after the thread */
    return NULL;
}

/* A connection whose other end is served. */
static int connect_fd(struct served *served)
{
    struct serving *serving = sherd_alloc(sizeof(*serving));
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    (void)pthread_mutex_lock(&served->lock);
    assert_true(served->count < SHERD_COUNT_OF(served->threads));
    assert_ok(sherd_link_new(fds[1], &served->links[served->count]));
    *serving = (struct serving){served, served->links[served->count]};
    assert_int_equal(pthread_create(&served->threads[served->count], NULL, serve, serving), 0);
    served->count++;
    (void)pthread_mutex_unlock(&served->lock);
    return fds[0];
}

static enum sherd_err connect_one(void *arg, struct sherd_link **out_link)
{
    return sherd_link_new(connect_fd(arg), out_link);
}

static void free_served(struct sherd_anchor *anchor)
{
    struct served **at = &all_served;

    while (*at != NULL && (*at)->remote != anchor)
        at = &(*at)->next;
    assert_non_null(*at);
    struct served *served = *at;
    *at = served->next;
    remote_free(anchor);
    for (size_t i = 0; i < served->count; i++) {
        (void)shutdown(sherd_link_fd(served->links[i]), SHUT_RDWR);
        assert_int_equal(pthread_join(served->threads[i], NULL), 0);
        sherd_link_free(served->links[i]);
    }
    assert_int_equal(served->inside, 0);
    served->embedded->ops->free(served->embedded);
    (void)pthread_mutex_destroy(&served->lock);
    sherd_free(served);
}

/* Serve an embedded anchor, which ends with what is given in its place. */
static struct sherd_anchor *served_begin(struct sherd_anchor *embedded)
{
    struct served *served = sherd_alloc(sizeof(*served));
    struct sherd_wire_hello hello;

    assert_non_null(served);
    served->embedded = embedded;
    assert_int_equal(pthread_mutex_init(&served->lock, NULL), 0);
    assert_ok(sherd_anchor_remote(connect_one, served, &hello, &served->remote));
    assert_string_equal(hello.seal, "a test");
    if (remote_free == NULL) {
        served_ops = *served->remote->ops;
        remote_free = served_ops.free;
        served_ops.free = free_served;
    }
    served->remote->ops = &served_ops;
    served->next = all_served;
    all_served = served;
    return served->remote;
}

/* Who serves it. */
__attribute__((unused)) static struct served *served_find(const struct sherd_anchor *remote)
{
    for (struct served *served = all_served; served != NULL; served = served->next)
        if (served->remote == remote)
            return served;
    fail_msg("not served");
    return NULL;
}

#endif
