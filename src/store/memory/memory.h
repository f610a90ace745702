/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/memory/memory.h
 * "memory": a store in the memory of the process, for tests and for trying things out.
 *
 * A store lives under the name that stands for its path, from its creation until the process ends or it is forgotten,
 * so that closing and opening again finds what was written. Other processes never see it. Durable means: until the
 * process ends.
 */
#ifndef SHERD_STORE_MEMORY_H
#define SHERD_STORE_MEMORY_H

#include "base/macros.h"
#include <sherd/provider/store.h>

/** Longest blob: it has to fit into memory. */
#define SHERD_STORE_MEMORY_BLOB_BYTES_MAX ((uint64_t)2 << 30)

extern const struct sherd_store_ops sherd_store_memory;

/** Free a store that is closed. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_BUSY: it is open */
SHERD_MUST_USE enum sherd_err sherd_store_memory_forget(const char *path);

#endif
