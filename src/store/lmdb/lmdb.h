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

/**
 * For a program's own handler of SIGSEGV and SIGBUS, which a library may not take: if the fault arose while this thread
 * read a store, it does not return, and the read ends with SHERD_ERR_IO. Otherwise it returns. Set the handler with
 * SA_NODEFER. Async-signal-safe.
 */
void sherd_lmdb_guard_fault(void);

#endif
