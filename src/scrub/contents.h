/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/contents.h
 * Checking all contents of one version: the digest of its fragment, and its tags.
 */
#ifndef SHERD_SCRUB_CONTENTS_H
#define SHERD_SCRUB_CONTENTS_H

#include "cryptor/load.h"

/** Told what was checked, by any thread, in bytes of contents without their padding. @return SHERD_OK to go on */
typedef enum sherd_err sherd_contents_progress_fn(void *arg, uint64_t content_bytes);

/**
 * Check the contents of a version that was found by sherd_load(). Long ones are shared by the threads of the pool. All
 * bytes are held against the digest in the pin: contents that agree with it are those that were stored.
 * @param[in] every_chunk  open each chunk, which besides finds what was sealed wrongly when it was stored; otherwise
 *                         one in 16 of long contents
 * @return SHERD_OK; SHERD_ERR_TAMPERED; as progress; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_contents_check(struct sherd_pool *pool, const struct sherd_loaded *loaded,
                                                   bool every_chunk, sherd_contents_progress_fn *progress, void *arg);

/**
 * Check contents that lie in an entry. @param[in,out] plain  must be empty, with room in secret memory; gets the
 * contents
 */
SHERD_MUST_USE enum sherd_err sherd_contents_check_inline(const struct sherd_loaded *loaded, struct sherd_buf *plain);

#endif
