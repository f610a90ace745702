/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/dir.h
 * The directory of a compartment: its files, its format number, and the rule that a process opens it once.
 */
#ifndef SHERD_STORE_LMDB_DIR_H
#define SHERD_STORE_LMDB_DIR_H

#include "base/macros.h"
#include <sherd/provider/store.h>
#include <sys/types.h>

/** An open directory. Start it as SHERD_LMDB_DIR_NONE. */
struct sherd_lmdb_dir {
    char *path;
    int fd;       /**< the directory itself; -1 if not open */
    int blobs_fd; /**< "blobs" */
    int tmp_fd;   /**< "tmp" */
    bool read_only;
    bool registered;
    dev_t device;
    ino_t inode;
};

#define SHERD_LMDB_DIR_NONE ((struct sherd_lmdb_dir){.fd = -1, .blobs_fd = -1, .tmp_fd = -1})

/**
 * Make the directory with its folders (config->create) or open it and check its format.
 * @param[out] out_dir  SHERD_LMDB_DIR_NONE before; end it with sherd_lmdb_dir_close() also after a failure
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: create, and something is there; SHERD_ERR_BUSY: open in
 *         this process; SHERD_ERR_UNSUPPORTED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_dir_open(const struct sherd_store_config *config,
                                                  struct sherd_lmdb_dir *out_dir);

/** The last step of making a store: write the format file, and make all names durable. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_dir_finish(const struct sherd_lmdb_dir *dir);

/** Remove what sherd_lmdb_dir_open() and the parts of the engine made of a store that could not be made whole. */
void sherd_lmdb_dir_undo(const struct sherd_lmdb_dir *dir);

/** Close it; another open in this process works again. */
void sherd_lmdb_dir_close(struct sherd_lmdb_dir *dir);

/** fsync() of a directory. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_dir_sync(int fd, const char *what);

#endif
