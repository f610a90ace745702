/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/agent.h
 * The agent: a process of its own that has a vault unsealed, so that commands need not. Where its socket lies, how it
 * is started and reached; and the process itself. docs/format/agent.md
 */
#ifndef SHERD_CLI_AGENT_H
#define SHERD_CLI_AGENT_H

#include "anchor/agent/link.h"
#include <limits.h>

/** What --idle is where nobody says otherwise. */
#define CLI_AGENT_IDLE_S 900U

/** Where the agent of a vault is, or would be. */
struct cli_agent_place {
    char vault[PATH_MAX]; /**< without links */
    uid_t owner;          /**< of the vault's directory: whose process the agent must be */
    char folder[96];
    char socket[108];
    char lock[112]; /**< held for as long as the agent runs */
    bool shared;    /**< other users reach the folder */
};

/** How an agent is started. */
struct cli_agent_options {
    struct cli_agent_place place;
    uint64_t idle_s;        /**< 0 for no limit */
    bool operators;         /**< other users may give shares and ask for the state */
    bool no_rotation;       /**< keys that are due by their policies stay as they are */
    uint64_t rotation_rate; /**< entries a second, while keys are rotated in the background */
    bool no_scrub;          /**< nothing is scrubbed in the background */
    uint64_t scrub_rate;    /**< bytes of contents a second, while it is */
    uint64_t scrub_every_s; /**< from the end of a pass to the next */
};

/**
 * Where the agent of a vault is looked for.
 * @param[in] shared  the place that all users can reach; else the runtime folder of this user, if it has one and owns
 *                    the vault, or else the shared place
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: no such directory; SHERD_ERR_LIMIT: the path is too long; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err cli_agent_place(const char *vault, bool shared, struct cli_agent_place *out_place);

/** Connect to the agent of a vault, wherever it is. @return as sherd_link_connect(); SHERD_ERR_NOT_FOUND: none runs */
SHERD_MUST_USE enum sherd_err cli_agent_connect(const char *vault, struct cli_agent_place *out_place,
                                                struct sherd_link **out_link);

/**
 * Start an agent, sealed, in a process of its own, and wait until it listens. Where another one was first, that one
 * serves. Nothing secret may be in memory yet.
 * @return SHERD_OK; SHERD_ERR_DENIED: not by this user; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err cli_agent_start(const struct cli_agent_options *options);

/** Ask for the state. @param[out] out_progress  up to max seals of which shares were given */
SHERD_MUST_USE enum sherd_err cli_agent_status(struct sherd_link *link, struct sherd_wire_status *out_status,
                                               struct sherd_wire_progress *out_progress, size_t max, size_t *out_count);

/** Ask it to unseal. */
SHERD_MUST_USE enum sherd_err cli_agent_unseal(struct sherd_link *link, const struct sherd_wire_unseal *unseal,
                                               struct sherd_wire_unsealed *out_unsealed);

/** Tell it to end, and wait until its process is gone, and with it all that it had in memory. */
SHERD_MUST_USE enum sherd_err cli_agent_seal(struct sherd_link *link);

/**
 * Be the agent: serve until it is sealed or idle for too long. In agent_serve.c; for the child of cli_agent_start().
 * @param[in] listening  the socket; closed on return
 */
void cli_agent_serve(const struct cli_agent_options *options, int listening);

#endif
