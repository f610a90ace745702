/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/lmdb.h
 * The embedded engine: entries in LMDB, blobs as files beside it. One directory is one compartment.
 */
#ifndef SHERD_STORE_LMDB_LMDB_H
#define SHERD_STORE_LMDB_LMDB_H

#include <sherd/provider/store.h>

/** The table of the engine; its handles are made by its open. The format is docs/format/engine.md. */
extern const struct sherd_store_ops sherd_store_lmdb;

#endif
