/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/blob.h
 * Blobs: one file each, blobs/xx/NAME in hexadecimal, xx being the first byte of the name.
 *
 * A blob is written in tmp/ under a lock that tells a living writer from a dead one, flushed, and then linked to its
 * name, which never replaces anything. So under a name there is a whole blob or none.
 */
#ifndef SHERD_STORE_LMDB_BLOB_H
#define SHERD_STORE_LMDB_BLOB_H

#include "store/lmdb/dir.h"

/** A file name of a blob, with the final zero byte. */
#define SHERD_LMDB_BLOB_NAME_SIZE 33

struct sherd_lmdb_blob_writer {
    struct sherd_blob_writer base;
    const struct sherd_lmdb_dir *dir;
    unsigned fork_count;
    int fd;
    char tmp_name[SHERD_LMDB_BLOB_NAME_SIZE];
    uint64_t bytes;         /**< appended */
    uint64_t started_bytes; /**< of them, handed to the disk already, without waiting */
    uint64_t reserved_bytes;
};

struct sherd_lmdb_blob_reader {
    struct sherd_blob_reader base;
    int fd;
};

/* As the members of struct sherd_store_ops, without the check for forks. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_create(const struct sherd_lmdb_dir *dir,
                                                     struct sherd_lmdb_blob_writer **out_writer);
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_append(struct sherd_lmdb_blob_writer *writer, struct sherd_span bytes);
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_patch(struct sherd_lmdb_blob_writer *writer, uint64_t offset,
                                                    struct sherd_span bytes);
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_commit(struct sherd_lmdb_blob_writer *writer, struct sherd_ref name);
void sherd_lmdb_blob_abort(struct sherd_lmdb_blob_writer *writer);
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_open(const struct sherd_lmdb_dir *dir, struct sherd_ref name,
                                                   struct sherd_lmdb_blob_reader **out_reader, uint64_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_read(const struct sherd_lmdb_blob_reader *reader, uint64_t offset,
                                                   uint8_t *block, size_t bytes);
void sherd_lmdb_blob_close(struct sherd_lmdb_blob_reader *reader);

/* blob_names.c: what concerns names and no contents. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_delete(const struct sherd_lmdb_dir *dir, struct sherd_ref name);
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_scan(const struct sherd_lmdb_dir *dir, const struct sherd_ref *after,
                                                   sherd_store_visit_fn *visit, void *arg);
/** Remove files of tmp/ whose writers are gone. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_tidy(const struct sherd_lmdb_dir *dir, uint64_t *out_removed_count);

/** Write the file name of a blob. */
void sherd_lmdb_blob_name(struct sherd_ref name, char out_text[static SHERD_LMDB_BLOB_NAME_SIZE]);

/**
 * Open the folder of blobs that begin with a byte; create: make it, durably. @return SHERD_OK; SHERD_ERR_NOT_FOUND (no
 * detail); SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_blob_folder(const struct sherd_lmdb_dir *dir, uint8_t first, bool create,
                                                     int *out_fd);

#endif
