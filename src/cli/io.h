/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/io.h
 * Files of the outside world: read whole blocks, write whole blocks, and outputs that appear complete or not at all.
 */
#ifndef SHERD_CLI_IO_H
#define SHERD_CLI_IO_H

#include "base/secret.h"
#include "cli/cli.h"
#include <unistd.h>

/** For SHERD_CLEANUP. */
static inline void cli_fd_closep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/** Hand a descriptor over: the cleanup closes it no more. */
static inline int cli_fd_take(int *fd)
{
    const int taken = *fd;

    *fd = -1;
    return taken;
}

/**
 * Read until the block is full or the input ends.
 * @param[in]  what       names the input in the detail of an error
 * @param[out] out_bytes  fewer than size only at the end
 * @return SHERD_OK; SHERD_ERR_BUSY: a signal was noted meanwhile (see cli_signals_defer()); SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err cli_read_full(int fd, const char *what, void *block, size_t size, size_t *out_bytes);

/** Write all of it. @return SHERD_OK; SHERD_ERR_IO, with errno as it was: EPIPE where the reader has gone */
SHERD_MUST_USE enum sherd_err cli_write_full(int fd, const char *what, const void *block, size_t size);

/**
 * A file that is being written under a temporary name. It gets its name when it is complete and on the disk;
 * otherwise nothing
 * is left of it, also after SIGINT, SIGTERM and SIGHUP. One at a time in a process.
 */
struct cli_output {
    int dir_fd; /**< borrowed, or own_dir */
    bool own_dir;
    bool direct; /**< a device or pipe: written as it is */
    int fd;
    char temp[40]; /**< "" if there is no such file (any more) */
    char *name;    /**< final name in dir_fd; owned */
};

/** Begin to write name, in the directory dir_fd, which is borrowed. Its owner alone may read it. End with _done. */
SHERD_MUST_USE enum sherd_err cli_output_begin(int dir_fd, const char *name, struct cli_output *out_output);

/**
 * Nothing is written into a vault but by the vault itself: a file or directory, which need not exist, lies in none.
 * @return SHERD_OK; SHERD_ERR_INVALID
 */
SHERD_MUST_USE enum sherd_err cli_check_outside(const char *path);

/**
 * Begin to write a path. A symbolic link is followed; a device or pipe is written as it is; a directory is refused.
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_output_begin_path(const char *path, struct cli_output *out_output);

/**
 * Give a file its name.
 * @param[in] replace  a file that has the name already is replaced; otherwise it stays: SHERD_ERR_CONFLICT
 * @param[in] durable  return after it is on the disk
 * @return SHERD_OK; SHERD_ERR_CONFLICT; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err cli_output_commit(struct cli_output *output, bool replace, bool durable);

/** Close, and remove what was not committed. */
void cli_output_done(struct cli_output *output);

/** What to store, from where. */
struct cli_store {
    struct sherd_vault *vault;
    const struct sherd_record_meta *meta; /**< NULL for defaults */
    bool update;                          /**< a new version of id, if version_expected (0: any) is current */
    struct sherd_uuid id;
    uint64_t version_expected;
};

/**
 * Store what can be read from fd. Shows progress.
 * @param[in]     block        CLI_BLOCK_BYTES of secret memory to work with
 * @param[in,out] store        id is set for a new record
 * @param[out]    out_version  of an update; NULL if not wanted
 * @param[out]    out_bytes    length of the contents
 * @return as sherd_record_put() and sherd_record_update(); SHERD_ERR_BUSY if a signal was noted: nothing was stored
 */
SHERD_MUST_USE enum sherd_err cli_store_fd(struct cli_store *store, int fd, const char *what, uint8_t *block,
                                           uint64_t *out_version, uint64_t *out_bytes);

/**
 * Open an operand to read: NULL or "-" is stdin. @return SHERD_OK; SHERD_ERR_INVALID (a directory);
 * SHERD_ERR_NOT_FOUND; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err cli_input_open(const struct cli *cli, const char *path, int *out_fd);

/** What errors call that operand: the path, or "standard input". */
const char *cli_input_name(const char *path);

/** Copy the bytes begin..end of a record to fd. Shows progress. @param[in] block  CLI_BLOCK_BYTES of secret memory */
SHERD_MUST_USE enum sherd_err cli_load_fd(struct sherd_reader *reader, uint64_t begin, uint64_t end, int fd,
                                          const char *what, uint8_t *block);

/** For SHERD_CLEANUP. */
static inline void cli_secret_freep(uint8_t **block)
{
    sherd_secret_free(*block);
}

#endif
