/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file backup/bundle.h
 * The bytes of a backup: writing its stream and reading it, in bounded memory. docs/format/backup.md
 */
#ifndef SHERD_BACKUP_BUNDLE_H
#define SHERD_BACKUP_BUNDLE_H

#include "anchor/embedded/state.h"
#include "crypto/aead.h"
#include <sherd/backup.h>

#define SHERD_BUNDLE_HEAD_SIZE 96U
#define SHERD_BUNDLE_HEAD_BYTES_MAX (SHERD_BUNDLE_HEAD_SIZE + SHERD_SEAL_COPIES_BYTES_MAX)
#define SHERD_BUNDLE_ENGINE_SIZE 16U

/** The head. Start all zero; end with sherd_bundle_head_done(). */
struct sherd_bundle_head {
    struct sherd_uuid deployment;
    struct sherd_uuid id;
    uint64_t time_s;
    uint64_t epoch;
    uint64_t epoch_older;
    uint32_t generation;
    char engine[SHERD_BUNDLE_ENGINE_SIZE];
    struct sherd_span seals;    /**< copies; borrowed from bytes */
    struct sherd_buf bytes;     /**< all of it */
    struct sherd_digest digest; /**< of bytes */
};

/** Encode: fills in bytes and digest, and lets seals point there. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_bundle_head_encode(struct sherd_bundle_head *head);
void sherd_bundle_head_done(struct sherd_bundle_head *head);

enum sherd_bundle_item {
    SHERD_BUNDLE_KEYRING = 1,
    SHERD_BUNDLE_COMPARTMENT = 2,
    SHERD_BUNDLE_ENTRY = 3,
    SHERD_BUNDLE_BLOB = 4,
    SHERD_BUNDLE_END = 5,
};

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct sherd_bundle_writer;

/** Begin: the head goes out. @param[in] out  borrowed */
SHERD_MUST_USE enum sherd_err sherd_bundle_writer_new(const struct sherd_backup_out *out,
                                                      const struct sherd_bundle_head *head,
                                                      const struct sherd_backup_key *key,
                                                      struct sherd_bundle_writer **out_writer);
/** NULL is accepted. */
void sherd_bundle_writer_free(struct sherd_bundle_writer *writer);
SHERD_DEFINE_OWNED(sherd_bundle_writer);

/** An item whose bytes are at hand: first and second, one after another. */
SHERD_MUST_USE enum sherd_err sherd_bundle_put(struct sherd_bundle_writer *writer, enum sherd_bundle_item item,
                                               struct sherd_span first, struct sherd_span second);
/** An item whose bytes come later, in pieces, by sherd_bundle_more(): so many of them. */
SHERD_MUST_USE enum sherd_err sherd_bundle_begin(struct sherd_bundle_writer *writer, enum sherd_bundle_item item,
                                                 struct sherd_span first, uint64_t more_bytes);
SHERD_MUST_USE enum sherd_err sherd_bundle_more(struct sherd_bundle_writer *writer, struct sherd_span bytes);
/** The end. @param[in,out] info  gets bytes, counts and digest */
SHERD_MUST_USE enum sherd_err sherd_bundle_end(struct sherd_bundle_writer *writer, struct sherd_backup_info *info);
/** Bytes that went out so far. */
uint64_t sherd_bundle_written(const struct sherd_bundle_writer *writer);

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct sherd_bundle_reader;

/** Begin: the head is read. @param[in] in  borrowed. @return SHERD_OK; SHERD_ERR_INVALID: no backup; ... */
SHERD_MUST_USE enum sherd_err sherd_bundle_reader_new(const struct sherd_backup_in *in,
                                                      struct sherd_bundle_reader **out_reader);
/** NULL is accepted. */
void sherd_bundle_reader_free(struct sherd_bundle_reader *reader);
SHERD_DEFINE_OWNED(sherd_bundle_reader);

/** The head; borrowed. Not verified before sherd_bundle_unlock(). */
const struct sherd_bundle_head *sherd_bundle_head_of(const struct sherd_bundle_reader *reader);

/** Begin to open what is behind the head. @return SHERD_OK; SHERD_ERR_TAMPERED: another key, or the head was changed */
SHERD_MUST_USE enum sherd_err sherd_bundle_unlock(struct sherd_bundle_reader *reader,
                                                  const struct sherd_backup_key *key);

/** What is told of the items, in their order; spans are borrowed until return. All are required. */
struct sherd_bundle_sink {
    enum sherd_err (*keyring)(void *arg, struct sherd_span file);
    enum sherd_err (*compartment)(void *arg, enum sherd_role role);
    enum sherd_err (*entry)(void *arg, const struct sherd_ref *name, struct sherd_span value);
    enum sherd_err (*blob)(void *arg, const struct sherd_ref *name, uint64_t bytes);
    enum sherd_err (*blob_bytes)(void *arg, struct sherd_span bytes); /**< in pieces, until there are as many */
    void *arg;
};

/**
 * Read all of it, to its verified end.
 * @param[in,out] info  gets everything
 * @return SHERD_OK; SHERD_ERR_TAMPERED: what was told so far is worth nothing; what the sink gave; SHERD_ERR_BUSY
 */
SHERD_MUST_USE enum sherd_err sherd_bundle_read(struct sherd_bundle_reader *reader,
                                                const struct sherd_bundle_sink *sink,
                                                const struct sherd_observer *observer, struct sherd_backup_info *info);

/** What the head says. */
void sherd_bundle_describe(const struct sherd_bundle_head *head, struct sherd_backup_info *out_info);

/* --- keys --------------------------------------------------------------------------------------------------------- */

/** A backup that is unlocked: what restoring needs of it. Start all zero; end with sherd_bundle_opened_done(). */
struct sherd_bundle_opened {
    struct sherd_bundle_reader *reader;
    struct sherd_home *home;        /**< the root key; has no directory */
    struct sherd_epoch_set *epochs; /**< of the backup; secret memory */
};

/** Unseal by the copies of seals in it, find its epochs' keys, unlock. @return as sherd_backup_verify() */
SHERD_MUST_USE enum sherd_err sherd_bundle_open(const struct sherd_backup_in *in, const struct sherd_backup_keys *keys,
                                                struct sherd_bundle_opened *opened);
void sherd_bundle_opened_done(struct sherd_bundle_opened *opened);

#endif
