/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/place.h
 * Directories that appear complete under their name or not at all, also after a crash: filled under a temporary name
 * beside it, then renamed.
 */
#ifndef SHERD_CRYPTOR_PLACE_H
#define SHERD_CRYPTOR_PLACE_H

#include "base/macros.h"

/** Fill a directory, and make what it holds durable. */
typedef enum sherd_err sherd_place_fn(void *arg, const char *dir);

/**
 * Make a directory.
 * @param[in] path  may exist if it is an empty directory
 * @return SHERD_OK; SHERD_ERR_CONFLICT: something is there; what fill gave; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY. After a
 *         failure nothing is left.
 */
SHERD_MUST_USE enum sherd_err sherd_place_make(const char *path, sherd_place_fn *fill, void *arg);

/** Make a directory beside path, fill it and remove it, whatever fill gave. @return as fill; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_place_try(const char *path, sherd_place_fn *fill, void *arg);

#endif
