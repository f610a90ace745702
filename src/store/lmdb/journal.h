/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/journal.h
 * One generation of the journal: its file, what has been read of it, and the index of that. docs/format/engine.md.
 *
 * A journal is counted: the log holds it while it is current, and each snapshot while it reads. Its file stays locked
 * (shared) as long, so that no process recycles it.
 */
#ifndef SHERD_STORE_LMDB_JOURNAL_H
#define SHERD_STORE_LMDB_JOURNAL_H

#include "store/lmdb/frame.h"
#include "store/lmdb/index.h"

/** Most bytes of the file. */
#define SHERD_LMDB_JOURNAL_BYTES_MAX ((uint64_t)64 << 20)
/** It grows up to this while it is written; beyond it only sherd_lmdb_journal_enlarge() makes it longer. */
#define SHERD_LMDB_JOURNAL_BYTES_GROWN ((uint64_t)16 << 20)

struct sherd_lmdb_journal {
    atomic_uint refs;
    int fd;
    struct sherd_lmdb_header header;
    uint64_t next_sequence; /**< of the frame that comes at end */
    uint64_t end;           /**< bytes read and indexed */
    uint64_t file_bytes;    /**< allocated, as far as this process knows */
    uint64_t capacity;      /**< frames end before it; never changes */
    uint64_t marked;        /**< its mark, to be taken away before a frame is written; 0 if there is none */
    struct sherd_lmdb_index index;
};

/** Free it with its last reference. NULL is accepted. */
void sherd_lmdb_journal_unref(struct sherd_lmdb_journal *journal);
struct sherd_lmdb_journal *sherd_lmdb_journal_ref(struct sherd_lmdb_journal *journal);

/**
 * Open the file in which a generation lies, or would lie.
 * @param[in]  generation  its parity chooses the file
 * @param[out] out_journal nothing is read of it yet but the header; NULL, with SHERD_OK, if its header is not valid
 * @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_open(int dir_fd, uint64_t generation, bool read_only,
                                                      struct sherd_lmdb_journal **out_journal);

/**
 * Read and index frames that are known to be whole, up to end. Nothing is added on failure. @return SHERD_OK; IO;
 * NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_extend(struct sherd_lmdb_journal *journal, uint64_t end);

/**
 * Read and index the frames of a journal that another follows: those before last_sequence, the first of the next one.
 * What a writer that died may have left behind them does not count.
 * @return SHERD_OK; SHERD_ERR_IO: damaged; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_scan_frozen(struct sherd_lmdb_journal *journal,
                                                             uint64_t last_sequence);

/** Read and index frames up to the first broken one, which is where a crash ended it. @return as the one above */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_scan(struct sherd_lmdb_journal *journal);

/** Whether a file without a valid header has a frame of a generation all the same: its header was damaged. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_resembles(int dir_fd, uint64_t generation, bool *out_resembles);

/** Make both files of a new store: journal 1, which has generation 1, and an empty journal 0. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_make_first(int dir_fd);

/**
 * Begin a generation, durably: in the file of the one before the last, or in a new one if somebody still reads that.
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_begin(int dir_fd, uint64_t generation, uint64_t first_sequence,
                                                       struct sherd_lmdb_journal **out_journal);

/** Whether a frame of so many bytes, with so many operations, fits. */
bool sherd_lmdb_journal_fits(const struct sherd_lmdb_journal *journal, size_t frame_bytes, uint32_t op_count);

/**
 * Make the file of a journal that is all in LMDB longer, by zeroes, up to bytes, for the generation that comes into it.
 * Nobody may begin that meanwhile. A file that stays shorter, for want of room, is as good.
 * @return SHERD_OK; SHERD_ERR_IO: it could not be flushed
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_enlarge(const struct sherd_lmdb_journal *journal, uint64_t bytes);

/**
 * Write a sealed frame at the end and flush it. It is not indexed: end stays. Room in the index is reserved first.
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY, nothing was written; SHERD_ERR_IO: nobody knows what is on the disk
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_write(struct sherd_lmdb_journal *journal, struct sherd_span frame,
                                                       uint32_t op_count);
/** Index the frame that was written. Cannot fail. */
void sherd_lmdb_journal_add(struct sherd_lmdb_journal *journal, struct sherd_span frame);

/** Write the mark: this is the end. Nothing else may be writing. Best effort. */
void sherd_lmdb_journal_mark(struct sherd_lmdb_journal *journal);

/**
 * Append the value of an item. @return SHERD_OK; SHERD_ERR_NOT_FOUND: it is a deletion (no detail); LIMIT; IO;
 * NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_value(const struct sherd_lmdb_journal *journal,
                                                       const struct sherd_lmdb_item *item, struct sherd_buf *out_value);
/** Read the value of an item that is a put into a block of item->bytes bytes. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_lmdb_journal_read(const struct sherd_lmdb_journal *journal,
                                                      const struct sherd_lmdb_item *item, uint8_t *out_block);

#endif
