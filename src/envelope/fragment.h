/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/fragment.h
 * Fragments: what `secrets` keeps of a record. docs/format/envelope.md section 3.
 *
 *     header 8 || share 32 || salt and commitment 56 || sealed chunks
 */
#ifndef SHERD_ENVELOPE_FRAGMENT_H
#define SHERD_ENVELOPE_FRAGMENT_H

#include "crypto/aead.h"
#include "envelope/payload.h"

/** The second byte of a fragment, where other entries of `secrets` have their kind. */
#define SHERD_KIND_FRAGMENT 128U
#define SHERD_FRAGMENT_HEADER_SIZE 8U
/** Bytes before the sealed message. */
#define SHERD_FRAGMENT_PREFIX_SIZE (SHERD_FRAGMENT_HEADER_SIZE + SHERD_KEY_SIZE)
/** Bytes before the first chunk: leaf 0 of the digest. */
#define SHERD_FRAGMENT_HEAD_SIZE (SHERD_FRAGMENT_PREFIX_SIZE + SHERD_AEAD_HEADER_SIZE)
/**
 * Padded contents of up to this many bytes are an entry; longer ones are a blob. docs/decisions/0003-large-contents.md
 */
#define SHERD_INLINE_BYTES_MAX ((uint64_t)64 << 10)

/** Bytes of a fragment whose padded contents have padded_bytes. */
static inline uint64_t sherd_fragment_bytes(uint64_t padded_bytes)
{
    return SHERD_FRAGMENT_PREFIX_SIZE + sherd_aead_sealed_bytes(padded_bytes);
}

/** Where chunk index begins. */
static inline uint64_t sherd_fragment_chunk_offset(uint64_t index)
{
    return SHERD_FRAGMENT_HEAD_SIZE + index * SHERD_AEAD_SEALED_CHUNK_SIZE;
}

/** Write the header and the share. */
void sherd_fragment_prefix_encode(const struct sherd_content_share *share, uint8_t out[SHERD_FRAGMENT_PREFIX_SIZE]);

/** Read header and share off the front of a fragment. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_fragment_prefix_decode(struct sherd_span bytes,
                                                           struct sherd_content_share *out_share);

/**
 * The length that contents are padded to.
 * @param[in] exact  as they are, unpadded
 */
uint64_t sherd_fragment_padded_bytes(uint64_t content_bytes, bool exact);

/**
 * Digest of a fragment that lies in memory as a whole. @return SHERD_OK; SHERD_ERR_TAMPERED: no fragment has that
 * length
 */
SHERD_MUST_USE enum sherd_err sherd_fragment_digest(struct sherd_span bytes, struct sherd_digest *out_digest);

#endif
