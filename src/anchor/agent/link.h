/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/agent/link.h
 * One end of a connection between an anchor in a process of its own and a caller: frames of wire.h over a socket, one
 * call at a time.
 *
 * Frames that may hold keys are read and written through secret memory only; longer ones, that hold none, through
 * memory that is wiped. A peer that stops within a frame is given up after SHERD_LINK_STALL_MS.
 *
 * One thread at a time may use a link.
 */
#ifndef SHERD_ANCHOR_AGENT_LINK_H
#define SHERD_ANCHOR_AGENT_LINK_H

#include "anchor/agent/wire.h"
#include <sys/types.h>

#define SHERD_LINK_STALL_MS 10000U

struct sherd_link;

/**
 * A link over a connected stream socket. @param[in] fd  the link owns it from now on, also on failure
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_link_new(int fd, struct sherd_link **out_link);
/** Wipe, close. NULL is accepted. */
void sherd_link_free(struct sherd_link *link);
SHERD_DEFINE_OWNED(sherd_link);

/**
 * Connect to a socket in the file system whose other end is of one user: keys and what unseals go to nobody else.
 * @param[in] uid  whose process must listen there
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: nobody listens; SHERD_ERR_DENIED: somebody else does, or the socket is not for
 *         this user; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_link_connect(const char *path, uid_t uid, struct sherd_link **out_link);

/** The descriptor. Borrowed. */
int sherd_link_fd(const struct sherd_link *link);

/** How long to wait for the first byte of a frame; 0 for ever, as a fresh link does. */
void sherd_link_patience(struct sherd_link *link, unsigned first_ms);

/**
 * Begin to write a frame. @param[in] list  the message holds a list: it may be long, and holds no key
 * @return a writer for the message; the same until the frame is sent
 */
struct sherd_wire *sherd_link_write(struct sherd_link *link, bool list);

/**
 * Begin to write a frame that holds a list with keys: in secret memory. @param[in] bytes_max  most bytes of the message
 * @return as sherd_link_write()
 */
struct sherd_wire *sherd_link_write_keys(struct sherd_link *link, size_t bytes_max);

/** How many bytes the message that is being written has so far. */
size_t sherd_link_written(const struct sherd_link *link);

/** The message that is being written, so far: to write over what was said before. Until the next byte is added. */
uint8_t *sherd_link_message(struct sherd_link *link);

/**
 * Send what was written. @param[in] head  frame_bytes is filled in here
 * @return SHERD_OK; SHERD_ERR_LIMIT: the message is too long, and nothing was sent; SHERD_ERR_IO: the peer is gone, or
 *         takes nothing
 */
SHERD_MUST_USE enum sherd_err sherd_link_send(struct sherd_link *link, struct sherd_wire_head head);

/**
 * Wait for a frame.
 * @param[out] out_message  a reader of its message; what it gives is borrowed until the next call on the link
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: the peer has hung up, between frames; SHERD_ERR_BUSY: nothing came in time;
 *         SHERD_ERR_IO: it stopped within one, or breaks the protocol; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_link_receive(struct sherd_link *link, struct sherd_wire_head *out_head,
                                                 struct sherd_wire *out_message);

/**
 * One call and its answer: send what was written for it, wait, and pass on the failure that the answer tells.
 * @return SHERD_OK; the answer's code, with its text; SHERD_ERR_IO: the agent is gone
 * @param[out] out_broken  the link is of no more use; whether the call was carried out is not known. On any code
 */
SHERD_MUST_USE enum sherd_err sherd_link_call(struct sherd_link *link, enum sherd_wire_verb verb,
                                              struct sherd_wire *out_reply, bool *out_broken);

#endif
