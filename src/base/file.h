/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/file.h
 * Small files that are read and written whole, durably: what a vault has beside its stores.
 */
#ifndef SHERD_BASE_FILE_H
#define SHERD_BASE_FILE_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

/** dir/name as one path. @return NULL (detail set) if there is no memory; free with sherd_free() */
char *sherd_path_join(const char *dir, const char *name) __attribute__((malloc, warn_unused_result));

/** Read a whole file of at most buf->max bytes. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_LIMIT; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_file_read(const char *dir, const char *name, struct sherd_buf *out_bytes);

/** Write a new file, for its owner alone, and make it durable; its directory entry is not yet. */
SHERD_MUST_USE enum sherd_err sherd_file_write_new(const char *dir, const char *name, struct sherd_span bytes);

/**
 * How long ago a file was written, by the clock on the wall: negative where that was set back.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_file_age(const char *dir, const char *name, int64_t *out_age_s);

/** As sherd_file_write_new(), over a file of that name if there is one. */
SHERD_MUST_USE enum sherd_err sherd_file_write(const char *dir, const char *name, struct sherd_span bytes);

/**
 * As sherd_file_write(), in two steps, so that the disk is at work on several files at a time.
 * @param[out] out_file  which has the bytes and is not durable; to be given to one of the calls below
 */
SHERD_MUST_USE enum sherd_err sherd_file_write_begin(const char *dir, const char *name, struct sherd_span bytes,
                                                     int *out_file);
/** Wait until it is durable. @return SHERD_OK; SHERD_ERR_IO; the file is closed in either case */
SHERD_MUST_USE enum sherd_err sherd_file_write_end(int file);
/** Close it, durable or not. */
void sherd_file_write_abort(int file);

/** Write over a part of a file in place, durably. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_file_overwrite(const char *dir, const char *name, size_t offset,
                                                   struct sherd_span bytes);

/**
 * Give a file another name, over the one that has it; its directory must be made durable after. @return SHERD_OK;
 * SHERD_ERR_NOT_FOUND; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_file_rename(const char *dir, const char *from, const char *to);

/** Remove a file. One that does not exist is no error. */
SHERD_MUST_USE enum sherd_err sherd_file_remove(const char *dir, const char *name);

/** Make a directory's entries durable. name may be "" for dir itself. */
SHERD_MUST_USE enum sherd_err sherd_dir_sync(const char *dir, const char *name);

/** Make a directory for its owner alone. @return SHERD_OK; SHERD_ERR_CONFLICT: it exists; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_dir_make(const char *dir, const char *name);

/** Remove a directory and the files in it. One that does not exist is no error. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_dir_remove(const char *dir, const char *name);

/** A lock that processes, and handles within one, take in turn: an empty file. */
struct sherd_file_lock {
    int fd;
};

/** Wait for the lock. The file is made if it is missing. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_file_lock_take(const char *dir, const char *name, struct sherd_file_lock *out_lock);
/** Take the lock if it is free. @return SHERD_OK; SHERD_ERR_BUSY; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_file_lock_try(const char *dir, const char *name, struct sherd_file_lock *out_lock);
/** Give it back. */
void sherd_file_lock_leave(struct sherd_file_lock *lock);

/**
 * A number that all processes which have one vault open share: whoever changes something that others hold in memory
 * raises it. Reading costs a look at memory; until the number was raised for the first time, one system call. It is a
 * hint and protects nothing: what is held for its sake needs a lifetime of its own. Nobody may shorten the file.
 */
struct sherd_notice {
    int fd; /**< below 0: there is none, and the number is always 0 */
    bool read_only;
    const _Atomic uint64_t *mapped; /**< the file's bytes, big-endian; NULL: they are read */
};

/** Open; the file is made if it is missing and may be written. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_notice_open(const char *dir, const char *name, bool read_only,
                                                struct sherd_notice *out_notice);
void sherd_notice_close(struct sherd_notice *notice);
/** The number now. What is missing of a file that is shorter counts as zeros, and so does one that cannot be read. */
uint64_t sherd_notice_number(const struct sherd_notice *notice);
/** Raise it. The caller holds the lock that guards what it changed. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_notice_raise(const struct sherd_notice *notice);

#endif
