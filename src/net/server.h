/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file net/server.h
 * A small HTTP server: short requests, short answers, every resource of it bounded. What is asked and answered is for
 * the caller; TLS is for a proxy before it.
 */
#ifndef SHERD_NET_SERVER_H
#define SHERD_NET_SERVER_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

/** A request, whole. Borrowed until the call returns. */
struct sherd_server_request {
    bool post;        /**< else GET */
    const char *path; /**< without query */
    struct sherd_span body;
};

/** An answer. All zero at first. */
struct sherd_server_reply {
    unsigned status;  /**< of HTTP; 0 counts as 500 */
    const char *type; /**< of the body: a literal; NULL for plain text */
    struct sherd_buf body;
};

/** Answers a request. Called from several threads. */
typedef void sherd_server_fn(void *arg, const struct sherd_server_request *request, struct sherd_server_reply *reply);

/** How it serves. */
struct sherd_server_options {
    const char *address;      /**< an IPv4 or IPv6 address in numbers */
    uint16_t port;            /**< 0: one that is free */
    unsigned thread_count;    /**< 1..64 */
    unsigned connections_max; /**< 1..4096, of all peers */
    unsigned peer_max;        /**< of one address */
    size_t body_bytes_max;
    unsigned request_s; /**< from its first byte, or the end of the one before, a request is there within that time */
};

struct sherd_server;

/**
 * Begin to serve.
 * @param[out] out_server  end with sherd_server_stop()
 * @return SHERD_OK; SHERD_ERR_INVALID: that is no address; SHERD_ERR_BUSY: the port is taken; SHERD_ERR_DENIED;
 *         SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_server_start(const struct sherd_server_options *options, sherd_server_fn *answer,
                                                 void *arg, struct sherd_server **out_server);

/** The port that it listens on. */
uint16_t sherd_server_port(const struct sherd_server *server);

/** Finish what is being answered, close all connections. NULL is accepted. */
void sherd_server_stop(struct sherd_server *server);

/** Whether an address, in numbers, is of this machine alone. */
bool sherd_server_is_loopback(const char *address);

#endif
