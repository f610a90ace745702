/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/links.h
 * Links of records: what they name is looked up when they are made, and looked for again by who verifies.
 */
#ifndef SHERD_CRYPTOR_LINKS_H
#define SHERD_CRYPTOR_LINKS_H

#include "cryptor/vault.h"
#include "envelope/links.h"

/**
 * Look up what links name, and encode them.
 * @param[in,out] out_bytes  appended
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: what one names is not there; SHERD_ERR_INVALID; SHERD_ERR_TAMPERED: what one
 *         names does not verify; ...
 */
SHERD_MUST_USE enum sherd_err sherd_links_resolve(struct sherd_vault *vault, const struct sherd_record_link *links,
                                                  size_t count, struct sherd_buf *out_bytes);

/** What became of what a link names. */
enum sherd_link_state {
    SHERD_LINK_HOLDS,
    SHERD_LINK_DANGLES, /**< it is not there any more */
    SHERD_LINK_CHANGED, /**< something else has its name */
    SHERD_LINK_UNSURE,  /**< it is there, and does not verify: which is a finding of its own */
};

/** Look for what a link names. @return SHERD_OK, whatever came of it; SHERD_ERR_IO; ... */
SHERD_MUST_USE enum sherd_err sherd_link_check(struct sherd_vault *vault, const struct sherd_link_entry *link,
                                               enum sherd_link_state *out_state);

/** Tell of links as callers see them. @param[out] info  its links and link_count are set, also on failure */
SHERD_MUST_USE enum sherd_err sherd_links_tell(struct sherd_vault *vault, struct sherd_span bytes,
                                               struct sherd_record_info *info);

/** Free what sherd_links_tell() made. */
void sherd_links_forget(struct sherd_record_info *info);

#endif
