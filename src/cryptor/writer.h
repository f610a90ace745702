/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/writer.h
 * Contents as a stream, on their way in: see sherd_writer_begin(). Here what sherd_record_put() needs of it.
 */
#ifndef SHERD_CRYPTOR_WRITER_H
#define SHERD_CRYPTOR_WRITER_H

#include "cryptor/version.h"

/**
 * As sherd_writer_append(), without a copy of the bulk.
 * @param[in] bytes  must stay as they are until sherd_writer_commit() or sherd_writer_abort() returned
 */
SHERD_MUST_USE enum sherd_err sherd_writer_append_lent(struct sherd_writer *writer, struct sherd_span bytes);

/** Begin to seal a version anew: sherd_version_begin_anew(). Its contents are then appended as they were. */
SHERD_MUST_USE enum sherd_err sherd_writer_begin_anew(struct sherd_vault *vault, const struct sherd_loaded *loaded,
                                                      struct sherd_writer **out_writer);

#endif
