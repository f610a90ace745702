/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/links.h
 * A record's links as bytes: what other records and entities it names, which must be there. They lie with the record's
 * description, so that whatever protects that protects them. docs/format/integrity.md section 2.
 */
#ifndef SHERD_ENVELOPE_LINKS_H
#define SHERD_ENVELOPE_LINKS_H

#include "crypto/hash.h"
#include <sherd/provider/store.h>
#include <sherd/record.h>

/** Longest encoding of one link, and of all of a record. */
#define SHERD_LINK_BYTES_MAX (2U + SHERD_LINK_ROLE_BYTES_MAX + 56U)
#define SHERD_LINKS_BYTES_MAX ((size_t)SHERD_LINKS_MAX * SHERD_LINK_BYTES_MAX)

/** One link, as it is kept. */
struct sherd_link_entry {
    enum sherd_link_kind kind;
    char role[SHERD_LINK_ROLE_BYTES_MAX + 1];
    struct sherd_uuid record;     /**< SHERD_LINK_RECORD: whom it names */
    uint64_t version;             /**< the version that it names; 0: whichever is current */
    struct sherd_digest first;    /**< digest of the first fragment that the record ever had: which life of that name */
    struct sherd_uuid collection; /**< SHERD_LINK_ENTITY: whose entity it is */
    struct sherd_ref entity;
};

/** Append one link. @return SHERD_OK; SHERD_ERR_LIMIT (no room); SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_links_append(const struct sherd_link_entry *link, struct sherd_buf *out_bytes);

/** The next link off the front of *rest. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_links_next(struct sherd_span *rest, struct sherd_link_entry *out_link);

/** Check a whole encoding. @param[out] out_count  how many. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_links_check(struct sherd_span bytes, size_t *out_count);

#endif
