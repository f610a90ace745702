/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/agent/remote.h
 * An anchor in a process of its own, as its callers have it: the table of anchor.h over connections.
 *
 * Each call has a connection for itself while it lasts; connections are kept for the next call, up to
 * SHERD_REMOTE_LINKS_MAX of them. A rekeying keeps one until it ends. A call that is cut off is not repeated: whether
 * it was carried out is not known, and the caller is told so.
 *
 * A session is one connection, the one that let the user in: it serves nobody else from then on, and nobody else is
 * served as that user. Its calls take turns. It stands on its own: the anchor that let the user in may end before it.
 */
#ifndef SHERD_ANCHOR_AGENT_REMOTE_H
#define SHERD_ANCHOR_AGENT_REMOTE_H

#include "anchor/agent/link.h"
#include "base/file.h"

/** Most connections of one anchor; callers beyond them wait. */
#define SHERD_REMOTE_LINKS_MAX 8U

/** Make one more connection to the agent. */
typedef enum sherd_err sherd_remote_connect_fn(void *arg, struct sherd_link **out_link);

/**
 * @param[in]  connect    called from any thread
 * @param[in]  arg        for it; must outlive the anchor
 * @param[out] out_hello  what the agent says of itself
 * @return SHERD_OK; as connect; SHERD_ERR_SEALED: the agent is sealed; SHERD_ERR_UNSUPPORTED: the agent is of another
 *         version; SHERD_ERR_DENIED: it serves another user; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_remote(sherd_remote_connect_fn *connect, void *arg,
                                                  struct sherd_wire_hello *out_hello, struct sherd_anchor **out_anchor);

/**
 * Look at the notice of the vault to know when store keys that were leased may have rotated; without one they are
 * leased anew before each use. Before the first lease.
 * @param[in] notice  the anchor closes it, also where it is none (fd below 0)
 */
void sherd_anchor_remote_watch(struct sherd_anchor *anchor, const struct sherd_notice *notice);

#endif
