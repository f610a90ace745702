/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file provider/store.h
 * The interface that a storage engine offers to Sherd. For authors of engines; callers of the vault never need it.
 *
 * A store keeps one compartment: entries (up to SHERD_STORE_VALUE_BYTES_MAX bytes under a 16-byte name) and blobs (long
 * byte strings under such a name). It holds no key, verifies nothing and is trusted with nothing but availability: what
 * it returns is verified by those who ask. It must be atomic, durable and ordered as said here, so that an honest store
 * loses nothing.
 *
 * - All calls may come from any thread at any time, except that a snapshot, a writer or a reader is used by one thread
 *   at a time.
 * - write() gets many write sets at once, of different callers, and makes them durable with as few flushes as it can:
 *   the wrapper in Sherd collects the sets of concurrent writers and calls write() from one thread at a time per store
 *   handle. Other processes may write the same store meanwhile.
 * - A failed flush, or any failure after which the engine cannot say what is durable, stops all later writing of the
 *   handle with SHERD_ERR_IO. Reading may go on.
 * - Members are only ever appended; abi says which an engine has.
 *
 * An engine embeds struct sherd_store as its first member, and likewise struct sherd_snapshot, struct sherd_blob_writer
 * and struct sherd_blob_reader, and sets their ops.
 */
#ifndef SHERD_PROVIDER_STORE_H
#define SHERD_PROVIDER_STORE_H

#include <sherd/err.h>
#include <sherd/span.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHERD_STORE_ABI 1U

/** Longest value of an entry, in bytes. Longer contents are blobs. */
#define SHERD_STORE_VALUE_BYTES_MAX ((size_t)256 << 10)

/** Most operations in one write set. */
#define SHERD_STORE_OPS_MAX 4096U

/** The name of an entry or a blob: random, or a pseudonym. Entries and blobs are two name spaces. */
struct sherd_ref {
    uint8_t bytes[16];
};

struct sherd_store_ops;

/** What every engine's handle starts with. */
struct sherd_store {
    const struct sherd_store_ops *ops;
};

struct sherd_snapshot {
    const struct sherd_store_ops *ops;
};

struct sherd_blob_writer {
    const struct sherd_store_ops *ops;
};

struct sherd_blob_reader {
    const struct sherd_store_ops *ops;
};

/** What must be true of an entry before an operation on it; else the whole set fails with SHERD_ERR_CONFLICT. */
enum sherd_store_expect {
    SHERD_EXPECT_ANY,    /**< nothing */
    SHERD_EXPECT_ABSENT, /**< there is no entry of that name */
    SHERD_EXPECT_EQUALS, /**< the entry's value is equal, byte by byte, to expected */
};

enum sherd_store_op_kind {
    SHERD_STORE_PUT,    /**< set the value, whether or not the entry exists */
    SHERD_STORE_DELETE, /**< remove the entry; one that does not exist is no error */
    SHERD_STORE_CHECK,  /**< change nothing: the set is carried out only if what is expected holds */
};

/** One change of one entry. All spans are borrowed until write() returns. */
struct sherd_store_op {
    enum sherd_store_op_kind kind;
    enum sherd_store_expect expect;
    struct sherd_ref name;
    struct sherd_span value;    /**< SHERD_STORE_PUT only; 1..SHERD_STORE_VALUE_BYTES_MAX bytes */
    struct sherd_span expected; /**< SHERD_EXPECT_EQUALS only */
};

/** A write set: all of its operations happen, in order, or none. */
struct sherd_store_set {
    const struct sherd_store_op *ops;
    size_t count;          /**< 1..SHERD_STORE_OPS_MAX */
    enum sherd_err result; /**< set by write(): SHERD_OK, SHERD_ERR_CONFLICT, or why it failed */
};

/** How a store is opened. */
struct sherd_store_config {
    const char *path; /**< the compartment's directory, or what the engine takes for it; borrowed until open returns */
    bool create;      /**< make it, it must not exist yet; otherwise it must exist */
    bool read_only;   /**< never write, not even a lock where the medium is read-only */
};

/** Figures of a store, for people. */
struct sherd_store_stat {
    uint64_t entry_count;
    uint64_t entry_bytes; /**< disk space of the entries, free pages and journals included */
    uint64_t blob_count;
    uint64_t blob_bytes;
};

/**
 * Visit one entry (value borrowed until return) or one blob (value.data is NULL, value.len its bytes).
 * @return SHERD_OK to go on; any other code ends the scan, which then returns that code
 */
typedef enum sherd_err sherd_store_visit_fn(void *arg, struct sherd_ref name, struct sherd_span value);

/** The functions of an engine. All are required. */
struct sherd_store_ops {
    uint32_t abi;     /**< SHERD_STORE_ABI */
    const char *name; /**< "lmdb": also the folder and the URL scheme */

    /**
     * Open or create a store.
     * SHERD_ERR_NOT_FOUND: nothing there; SHERD_ERR_CONFLICT: create, and something is there;
     * SHERD_ERR_BUSY: this process has it open already; SHERD_ERR_UNSUPPORTED: a format of the future;
     * SHERD_ERR_IO; SHERD_ERR_NO_MEMORY.
     */
    enum sherd_err (*open)(const struct sherd_store_config *config, struct sherd_store **out_store);
    /** Close: no snapshot, reader or writer may be open. NULL is accepted. Cannot fail: what was durable stays so. */
    void (*close)(struct sherd_store *store);

    /** Begin to read one unchanging state, which holds at least every set whose write() returned before the call. */
    enum sherd_err (*snapshot_begin)(struct sherd_store *store, struct sherd_snapshot **out_snapshot);
    /** End reading. NULL is accepted. */
    void (*snapshot_end)(struct sherd_snapshot *snapshot);
    /** Append the value of an entry to out_value. SHERD_ERR_NOT_FOUND; SHERD_ERR_LIMIT if it does not fit. */
    enum sherd_err (*get)(struct sherd_snapshot *snapshot, struct sherd_ref name, struct sherd_buf *out_value);
    /** Visit entries in the order of their names, from the first greater than *after (from the first if NULL). */
    enum sherd_err (*scan)(struct sherd_snapshot *snapshot, const struct sherd_ref *after, sherd_store_visit_fn *visit,
                           void *arg);

    /**
     * Carry out write sets; each set is atomic by itself and they take effect in order. On return every set has its
     * result, and those with SHERD_OK are durable. Returns SHERD_OK if each set was carried out or refused with
     * SHERD_ERR_CONFLICT; otherwise the code that all other sets got. SHERD_ERR_BUSY says that nothing of those sets
     * was changed and that they may be tried again; SHERD_ERR_INVALID that the store is read-only.
     */
    enum sherd_err (*write)(struct sherd_store *store, struct sherd_store_set *const *sets, size_t set_count);

    /** Begin a blob; nothing is visible before blob_commit. What a crash leaves of it is removed by tidy. */
    enum sherd_err (*blob_create)(struct sherd_store *store, struct sherd_blob_writer **out_writer);
    /** Append bytes. After a failure only blob_abort may follow. */
    enum sherd_err (*blob_append)(struct sherd_blob_writer *writer, struct sherd_span bytes);
    /** Overwrite bytes already appended, at offset; for a header that is known last. SHERD_ERR_LIMIT past the end. */
    enum sherd_err (*blob_patch)(struct sherd_blob_writer *writer, uint64_t offset, struct sherd_span bytes);
    /** Make the blob durable and visible under name; always consumes the writer. SHERD_ERR_CONFLICT if taken. */
    enum sherd_err (*blob_commit)(struct sherd_blob_writer *writer, struct sherd_ref name);
    /** Drop the blob; consumes the writer. NULL is accepted. */
    void (*blob_abort)(struct sherd_blob_writer *writer);
    /** Open a blob to read. SHERD_ERR_NOT_FOUND. A blob that is deleted meanwhile stays readable through the reader. */
    enum sherd_err (*blob_open)(struct sherd_store *store, struct sherd_ref name, struct sherd_blob_reader **out_reader,
                                uint64_t *out_bytes);
    /** Read exactly bytes bytes at offset into block. SHERD_ERR_LIMIT past the end. May be called by many threads. */
    enum sherd_err (*blob_read)(struct sherd_blob_reader *reader, uint64_t offset, uint8_t *block, size_t bytes);
    /** Close a reader. NULL is accepted. */
    void (*blob_close)(struct sherd_blob_reader *reader);
    /** Remove a blob, durably. SHERD_OK also if there is none. */
    enum sherd_err (*blob_delete)(struct sherd_store *store, struct sherd_ref name);
    /** Visit all blobs, in the order of their names, from the first greater than *after (from the first if NULL). */
    enum sherd_err (*blob_scan)(struct sherd_store *store, const struct sherd_ref *after, sherd_store_visit_fn *visit,
                                void *arg);

    /**
     * Remove what died writers left (unfinished blobs, dead readers); never what a living process is writing. And bring
     * what waits in journals of its own to where other tools that know its format find it.
     */
    enum sherd_err (*tidy)(struct sherd_store *store, uint64_t *out_removed_count);
    /** Figures. */
    enum sherd_err (*stat)(struct sherd_store *store, struct sherd_store_stat *out_stat);
};

#ifdef __cplusplus
}
#endif

#endif
