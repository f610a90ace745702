/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/remote_inside.h
 * What remote.c and remote_backup.c share, and nobody else uses.
 */
#ifndef SHERD_ANCHOR_REMOTE_INSIDE_H
#define SHERD_ANCHOR_REMOTE_INSIDE_H

#include "anchor/remote.h"

/** Have a connection for several calls that belong together. @return SHERD_OK; SHERD_ERR_SEALED; SHERD_ERR_IO; ... */
SHERD_MUST_USE enum sherd_err sherd_remote_borrow(struct sherd_anchor *anchor, struct sherd_link **out_link);
/** @param[in] broken  it is of no more use, or the agent shall forget what it holds for it */
void sherd_remote_give_back(struct sherd_anchor *anchor, struct sherd_link *link, bool broken);

/* Entries of the table: see anchor.h. */
enum sherd_err sherd_remote_epoch_export(struct sherd_anchor *anchor, struct sherd_buf *out_file);
enum sherd_err sherd_remote_epoch_adopt(struct sherd_anchor *anchor, struct sherd_span file);
enum sherd_err sherd_remote_state_take(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                       struct sherd_anchor_state *state);
enum sherd_err sherd_remote_state_scan(struct sherd_anchor *anchor, struct sherd_anchor_state *state,
                                       const struct sherd_ref *after, sherd_store_visit_fn *visit, void *arg);
void sherd_remote_state_done(struct sherd_anchor *anchor, struct sherd_anchor_state *state);
enum sherd_err sherd_remote_statement_sign(struct sherd_anchor *anchor, const struct sherd_statement *statement,
                                           struct sherd_buf *out_note);
enum sherd_err sherd_remote_statement_key(struct sherd_anchor *anchor, struct sherd_buf *out_text);

#endif
