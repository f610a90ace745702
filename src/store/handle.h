/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/handle.h
 * For the authors of engines: from the handle that a call is given down to the engine's own.
 */
#ifndef SHERD_STORE_HANDLE_H
#define SHERD_STORE_HANDLE_H

#include "base/fail.h"
#include <sherd/provider/store.h>

/** Stop the process if a handle is not of this engine: the caller has mixed two up. */
static inline void sherd_handle_check(const struct sherd_store_ops *found, const struct sherd_store_ops *engine)
{
    if (found != engine)
        sherd_bug("%s store: a handle of another engine", engine->name);
}

/**
 * Define store_of(), snapshot_of(), blob_writer_of() and blob_reader_of() for a file whose struct store, struct
 * snapshot, struct blob_writer and struct blob_reader each begin with what the interface knows of it.
 * @param table  the engine's table, declared before
 */
#define SHERD_DEFINE_HANDLES(table)                                           \
    static struct store *store_of(struct sherd_store *base)                   \
    {                                                                         \
        sherd_handle_check(base->ops, &(table));                              \
        return (struct store *)base;                                          \
    }                                                                         \
    static struct snapshot *snapshot_of(struct sherd_snapshot *base)          \
    {                                                                         \
        sherd_handle_check(base->ops, &(table));                              \
        return (struct snapshot *)base;                                       \
    }                                                                         \
    static struct blob_writer *blob_writer_of(struct sherd_blob_writer *base) \
    {                                                                         \
        sherd_handle_check(base->ops, &(table));                              \
        return (struct blob_writer *)base;                                    \
    }                                                                         \
    static struct blob_reader *blob_reader_of(struct sherd_blob_reader *base) \
    {                                                                         \
        sherd_handle_check(base->ops, &(table));                              \
        return (struct blob_reader *)base;                                    \
    }                                                                         \
    struct sherd_store_ops /* takes the semicolon */

#endif
