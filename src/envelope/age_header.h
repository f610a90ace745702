/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/age_header.h
 * For age.c: the lines of an age header, and the armor around a file.
 */
#ifndef SHERD_ENVELOPE_AGE_HEADER_H
#define SHERD_ENVELOPE_AGE_HEADER_H

#include "envelope/age.h"

#define SHERD_AGE_MAC_SIZE 32
/** Bytes of a body that are kept: one more than any kind that we know has, so that a longer one shows. */
#define SHERD_AGE_BODY_KEPT 33
#define SHERD_AGE_ARGS_KEPT 4

/** One recipient of a file. */
struct sherd_age_stanza {
    struct sherd_span args[SHERD_AGE_ARGS_KEPT]; /**< the first of them, borrowed from the file; args[0] is the kind */
    size_t arg_count;                            /**< all of them */
    uint8_t body[SHERD_AGE_BODY_KEPT];           /**< the front of it */
    size_t body_bytes;                           /**< all of it */
};

/** A header whose shape is right. Borrows from the file. */
struct sherd_age_header {
    struct sherd_span stanzas; /**< the lines of all recipients */
    struct sherd_span covered; /**< what the MAC is over */
    uint8_t mac[SHERD_AGE_MAC_SIZE];
    struct sherd_span payload; /**< what follows */
};

/** Check the whole header. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_UNSUPPORTED (version); SHERD_ERR_LIMIT */
SHERD_MUST_USE enum sherd_err sherd_age_header_parse(struct sherd_span file, struct sherd_age_header *out_header);

/** Take the next recipient off the front of lines that hold one at least. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_age_stanza_take(struct sherd_span *lines, struct sherd_age_stanza *out_stanza);

/** Whether a recipient is of a kind: the first argument is that name. */
bool sherd_age_stanza_is(const struct sherd_age_stanza *stanza, const char *kind);

/** Write the version line. */
SHERD_MUST_USE enum sherd_err sherd_age_version_write(struct sherd_buf *out_header);

/**
 * Write one recipient. @param[in] args  a text: the arguments with a blank between each two. @param[in] body  32 bytes
 */
SHERD_MUST_USE enum sherd_err sherd_age_stanza_write(const char *args, struct sherd_span body,
                                                     struct sherd_buf *out_header);

/** Whether a text, after white space, begins as the armor does. */
bool sherd_age_is_armored(struct sherd_span text);

#endif
