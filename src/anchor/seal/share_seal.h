/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/seal/share_seal.h
 * A share sealed by its holder's passphrase, by approved algorithms only: what stands in for a file of age where the
 * vault is in FIPS mode. Bytes: docs/format/share.md, section 5.4.
 */
#ifndef SHERD_ANCHOR_SEAL_SHARE_SEAL_H
#define SHERD_ANCHOR_SEAL_SHARE_SEAL_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

/** Longest text that is sealed. */
#define SHERD_SHARE_SEALED_BYTES_MAX 4096U

/**
 * Seal.
 * @param[in]     passphrase  1 byte or more
 * @param[in]     plain       the text of a share; at most SHERD_SHARE_SEALED_BYTES_MAX
 * @param[in,out] out_text    one line, with its end, is appended
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_LIMIT; SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_share_seal(struct sherd_span passphrase, struct sherd_span plain,
                                               struct sherd_buf *out_text);

/** Whether a text is a sealed share: how it begins says so. */
bool sherd_share_is_sealed(struct sherd_span text);

/**
 * Open.
 * @param[in]     text       with or without white space at its end
 * @param[in,out] out_plain  over secret memory; the text of the share is appended, nothing on failure
 * @return SHERD_OK; SHERD_ERR_DENIED: another passphrase, or it was changed; SHERD_ERR_INVALID: no sealed share;
 *         SHERD_ERR_UNSUPPORTED: of a later format; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_share_open(struct sherd_span passphrase, struct sherd_span text,
                                               struct sherd_buf *out_plain);

#endif
