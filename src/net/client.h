/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file net/client.h
 * HTTP requests to several servers at once, each short, each within a time. No redirects are followed; plain HTTP goes
 * to this machine alone, unless the caller says otherwise.
 */
#ifndef SHERD_NET_CLIENT_H
#define SHERD_NET_CLIENT_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

/** One request, and its answer. */
struct sherd_call {
    const char *url;        /**< http:// or https://; NULL: there is none, nothing is done */
    bool post;              /**< else GET */
    struct sherd_span body; /**< of a POST */
    unsigned status;        /**< out: of HTTP; 0: there was no answer */
    struct sherd_buf reply; /**< out: the body; its max is a ceiling that the caller sets. The caller ends it */
    char error[160];        /**< out: why there was none; "" otherwise */
};

/** Within what. */
struct sherd_call_limits {
    unsigned connect_ms;
    unsigned total_ms;
    bool plain_anywhere; /**< http:// goes to other machines too */
    const char *ca_file; /**< certificates to trust; NULL: those of the system */
};

/** Make them all, at the same time, and wait. @return SHERD_OK, also where none was answered; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_calls_make(struct sherd_call *calls, size_t count,
                                               const struct sherd_call_limits *limits);

#endif
