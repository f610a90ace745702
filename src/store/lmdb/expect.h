/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/expect.h
 * Whether what an operation expects of its entry is so.
 */
#ifndef SHERD_STORE_LMDB_EXPECT_H
#define SHERD_STORE_LMDB_EXPECT_H

#include "store/lmdb/write.h"

/**
 * Ask the frame being built, the journals, then LMDB. @return SHERD_OK; SHERD_ERR_CONFLICT (no detail); IO; BUSY;
 * NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_expect(struct sherd_lmdb_writer *writer, const struct sherd_store_op *op);

/** Ask a write transaction of LMDB alone. @return as above */
SHERD_MUST_USE enum sherd_err sherd_lmdb_expect_in(struct sherd_lmdb_writer *writer, MDB_txn *txn,
                                                   const struct sherd_store_op *op);

#endif
