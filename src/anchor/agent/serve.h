/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/agent/serve.h
 * The other end of anchor/agent/remote.h: one connection served over any anchor, until the peer hangs up or breaks the
 * protocol. Whoever accepts connections says, through a table, who the peer is and what it may do.
 *
 * A peer that lets itself be let in as a user (SHERD_WIRE_LOGIN) is from then on that user alone: every call of the
 * connection goes to that user's session, which no other connection reaches, and which ends with it.
 */
#ifndef SHERD_ANCHOR_AGENT_SERVE_H
#define SHERD_ANCHOR_AGENT_SERVE_H

#include "anchor/agent/link.h"

/** What stands behind a connection. All are required; all may be called from any thread. */
struct sherd_serve_host {
    /**
     * Have the anchor for one call: the same one for as long as a connection lasts. SHERD_ERR_SEALED: it is sealed;
     * SHERD_ERR_DENIED: not for that user.
     * @param[in] uid  the peer's, as the kernel says
     */
    enum sherd_err (*enter)(void *arg, uid_t uid, struct sherd_anchor **out_anchor);
    /** Give it back; it may end after that. */
    void (*leave)(void *arg);
    /** What it says of itself, where enter() succeeded. */
    void (*hello)(void *arg, struct sherd_wire_hello *out_hello);
    /** State, and up to max shares' progress. */
    void (*status)(void *arg, uid_t uid, struct sherd_wire_status *out_status, struct sherd_wire_progress *out_progress,
                   size_t max, size_t *out_count);
    /** Unseal, or take a share. */
    enum sherd_err (*unseal)(void *arg, uid_t uid, const struct sherd_wire_unseal *unseal,
                             struct sherd_wire_unsealed *out_unsealed);
    /** Be sealed. */
    enum sherd_err (*seal)(void *arg, uid_t uid);
};

/** Most seals of shares whose progress is told. */
#define SHERD_SERVE_PROGRESS_MAX 16U

/**
 * Serve a connection to its end.
 * @param[in] link  borrowed; its peer was checked by the caller
 * @param[in] uid   the peer's user
 */
void sherd_serve(struct sherd_link *link, uid_t uid, const struct sherd_serve_host *host, void *arg);

/** Turn a peer away: tell it why, in place of an answer. */
void sherd_serve_refuse(struct sherd_link *link, enum sherd_err err);

#endif
