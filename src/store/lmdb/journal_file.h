/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/journal_file.h
 * Reading of journal files, shared by journal.c and journal_scan.c.
 */
#ifndef SHERD_STORE_LMDB_JOURNAL_FILE_H
#define SHERD_STORE_LMDB_JOURNAL_FILE_H

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

/** Read up to bytes bytes; fewer only at the end of the file. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_lmdb_file_read(int fd, uint64_t offset, uint8_t *block, size_t bytes,
                                                   size_t *out_got);

/** How long the file is. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_lmdb_file_bytes(int fd, uint64_t *out_bytes);

#endif
