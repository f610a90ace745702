/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file record.h
 * Records: bytes under a random UUID, with versions.
 *
 * Whole contents in memory:
 * @code
 * struct sherd_uuid id;
 * struct sherd_buf back = {0};
 *
 * if (sherd_record_put(vault, NULL, sherd_span_str("attack at dawn"), &id) == SHERD_OK &&
 *     sherd_record_get(vault, id, 0, &back) == SHERD_OK)
 *     fwrite(back.data, 1, back.len, stdout);
 * sherd_buf_done(&back);
 * @endcode
 *
 * Contents of any length, as a stream:
 * @code
 * struct sherd_writer *writer = NULL;
 *
 * if (sherd_writer_begin(vault, NULL, &writer) != SHERD_OK)
 *     return;
 * while ((n = fread(block, 1, sizeof(block), stdin)) > 0)
 *     if (sherd_writer_append(writer, sherd_span_of(block, n)) != SHERD_OK)
 *         break;                         // only sherd_writer_abort() may follow
 * if (ferror(stdin) || n > 0)
 *     sherd_writer_abort(writer);
 * else if (sherd_writer_commit(writer, &id, NULL) != SHERD_OK)
 *     fprintf(stderr, "%s\n", sherd_err_detail());
 * @endcode
 *
 * No byte is given out that was not verified. A load that meets anything changed, swapped, removed or rolled back gives
 * SHERD_ERR_TAMPERED, also where the whole record was removed from a store: SHERD_ERR_NOT_FOUND is said only by the
 * anchor.
 */
#ifndef SHERD_RECORD_H
#define SHERD_RECORD_H

#include <sherd/collection.h>
#include <sherd/identity.h>
#include <sherd/vault.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Longest contents: 1 PiB. Contents that come whole through memory: SHERD_BUF_BYTES_MAX, or the ceiling of the buffer.
 */
#define SHERD_CONTENT_BYTES_MAX ((uint64_t)1 << 50)
#define SHERD_ENTITY_BYTES_MAX 128U
#define SHERD_CONTENT_TYPE_BYTES_MAX 127U
#define SHERD_IDEMPOTENCY_KEY_BYTES_MAX 128U
#define SHERD_ATTRIBUTES_MAX 64U
#define SHERD_ATTRIBUTE_NAME_BYTES_MAX 63U
/** All names and values of a record's attributes together. */
#define SHERD_ATTRIBUTES_BYTES_MAX 4096U

/**
 * A small fact about a record, encrypted with its map entry. Names are unique within a record: 1..63 bytes, no zero
 * byte.
 */
struct sherd_attribute {
    const char *name;
    struct sherd_span value;
};

/** What a link names. */
enum sherd_link_kind {
    SHERD_LINK_RECORD = 1,
    SHERD_LINK_ENTITY = 2,
};

/** Most links of a record, and longest role of one. */
#define SHERD_LINKS_MAX 16U
#define SHERD_LINK_ROLE_BYTES_MAX 31U

/**
 * A link: another record, or an entity, that must be there. It is kept and authenticated with the record that has it;
 * whether what it names is there still, sherd_vault_verify() says.
 */
struct sherd_record_link {
    enum sherd_link_kind kind;
    const char *role;         /**< what it is to the record, such as "parent"; up to 31 bytes; NULL or "" for nothing */
    struct sherd_uuid record; /**< SHERD_LINK_RECORD */
    uint64_t version;         /**< SHERD_LINK_RECORD: that version must be kept; 0: any */
    const char *collection;   /**< SHERD_LINK_ENTITY: its collection; NULL for "default" */
    const char *entity;       /**< SHERD_LINK_ENTITY: its id */
};

/** What a record is, beside its contents. All zero is a good default. Borrowed until the call returns. */
struct sherd_record_meta {
    const char *collection; /**< NULL for "default"; it must exist */
    const char *entity;     /**< whose data it is, up to 128 bytes; NULL for the collection's default entity */
    const char *key; /**< the named key that it lies under (<sherd/rights.h>); NULL for what the collection says */
    const char *content_type; /**< such as "text/plain", up to 127 bytes; NULL for none */
    const struct sherd_attribute *attributes;
    size_t attribute_count; /**< up to SHERD_ATTRIBUTES_MAX */
    struct sherd_span
        idempotency_key;   /**< up to 128 bytes of the caller's own: a repeated put with the same key and the
                                            same contents gives the first record's id again and stores nothing */
    const char *recipient; /**< seal the contents to this public key, "age1..." ...: see <sherd/identity.h>.
                                NULL for nobody; on update, for whom they were sealed to before. SHERD_RECIPIENT_NONE
                                for nobody, also on update. Not with an idempotency key: the vault would keep what
                                guesses at the contents can be tested with. With "age1pq1..." attributes have at most
                                SHERD_ATTRIBUTES_PQ_BYTES_MAX */
    const struct sherd_record_link *links; /**< NULL with link_count 0: none; on update, those that it has */
    size_t link_count;                     /**< up to SHERD_LINKS_MAX */
    bool drop_links;                       /**< on update: without links it has none from now on */
};

/** Most bytes of all names and values of a record's attributes, where it is sealed to an "age1pq1..." recipient. */
#define SHERD_ATTRIBUTES_PQ_BYTES_MAX 3072U

/** One version of a record. Free with sherd_record_info_free(). */
struct sherd_record_info {
    struct sherd_uuid id;
    uint64_t version; /**< 1 for the first */
    uint64_t version_current;
    uint64_t version_oldest; /**< oldest that is kept */
    uint64_t content_bytes;  /**< of what was given, also where that was sealed to a recipient */
    uint64_t stored_bytes;   /**< of the fragment in `secrets`, padding and tags included */
    int64_t created_s;       /**< when this version was stored, seconds since 1970 UTC, rounded down to a minute */
    char *collection;
    char *entity;                       /**< "" for the default entity */
    char *content_type;                 /**< "" for none */
    char *recipient;                    /**< whom the contents are sealed to; "" for nobody */
    struct sherd_attribute *attributes; /**< ordered by name */
    size_t attribute_count;
    bool asynchronous;  /**< its collection is verified by the scrubber, and not at each read */
    int64_t verified_s; /**< when a pass of the scrubber ended that looked at this version; 0: none did yet */
    struct sherd_record_link *links; /**< in the order in which they were given; an erased entity has the id "" */
    size_t link_count;
    uint8_t first_digest[32]; /**< of the first fragment that the record ever had, as it was pinned */
};

/** Free an info and all that it points to. NULL is accepted. */
SHERD_API void sherd_record_info_free(struct sherd_record_info *info);

/**
 * Store contents as a new record (dump).
 * @param[in]  vault    open vault
 * @param[in]  meta     NULL for defaults
 * @param[in]  content  0 bytes or more; for what does not fit memory see sherd_writer_begin()
 * @param[out] out_id   the record's name
 * @return SHERD_OK: durable; SHERD_ERR_INVALID (meta breaks a bound); SHERD_ERR_NOT_FOUND (no such collection);
 *         SHERD_ERR_UNSUPPORTED (this OpenSSL cannot seal to the recipient);
 *         SHERD_ERR_DENIED (the vault is open for reading only);
 *         SHERD_ERR_CONFLICT (the idempotency key was used with other contents); SHERD_ERR_IO (whether it was stored is
 *         not known: retry with an idempotency key); SHERD_ERR_NO_MEMORY (as SHERD_ERR_IO, where memory ended while it
 *         was stored: the vault then writes no more until it is opened anew)
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_put(struct sherd_vault *vault,
                                                         const struct sherd_record_meta *meta,
                                                         struct sherd_span content, struct sherd_uuid *out_id);

/** One record of a batch. */
struct sherd_batch_item {
    const struct sherd_record_meta *meta; /**< NULL for defaults; idempotency keys are not for batches */
    struct sherd_span content;            /**< up to SHERD_BATCH_CONTENT_BYTES_MAX (_SEALED_ with a recipient) */
    struct sherd_uuid id;                 /**< out */
};

#define SHERD_BATCH_ITEMS_MAX 1024U
#define SHERD_BATCH_CONTENT_BYTES_MAX ((size_t)64 << 10)
/** The same for a record that is sealed to a recipient, which makes it longer. */
#define SHERD_BATCH_SEALED_BYTES_MAX ((size_t)62 << 10)

/**
 * Store many small records with shared commits: all or none.
 * @param[in,out] items  1..SHERD_BATCH_ITEMS_MAX; their ids are written on SHERD_OK
 * @return as sherd_record_put(); SHERD_ERR_LIMIT (contents longer than a batch takes)
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_put_batch(struct sherd_vault *vault,
                                                               struct sherd_batch_item *items, size_t count);

/**
 * Read the contents of a record (load).
 * @param[in]     version      0 for the current one, else one that is kept
 * @param[in,out] out_content  the contents are appended; bring a block of your own with sherd_buf_borrow() to save a
 *                             copy and page faults; unchanged on failure
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; SHERD_ERR_LIMIT (does not fit the buffer);
 *         SHERD_ERR_DENIED (sealed to a recipient: see sherd_record_get_with()); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_get(struct sherd_vault *vault, struct sherd_uuid id,
                                                         uint64_t version, struct sherd_buf *out_content);

/**
 * What goes with what is read. A read verifies, before it gives out a byte, that pin, map entry and fragment belong
 * together and that the byte is as it was sealed; that the fragment is bit by bit the one that was pinned, that the
 * ledger says the same, and that nothing is missing elsewhere, the scrubber looks at (<sherd/scrub.h>).
 */
struct sherd_read_notice {
    bool deferred;      /**< the record's collection is asynchronous, and no pass has looked at this version yet */
    bool found;         /**< the scrubber found something of this record that nobody acknowledged */
    bool first;         /**< it found something somewhere, and this is the first read after that: pass it on */
    bool book_lost;     /**< what it found is not known: its book was removed or changed */
    int64_t verified_s; /**< when a pass ended that looked at this version; 0: none did yet */
};

/** How a version is read. All zero is a good default. */
struct sherd_read_options {
    uint64_t version;                      /**< 0 for the current one */
    const struct sherd_identity *identity; /**< opens what is sealed to one of its keys; not needed for other records */
    bool raw; /**< what is sealed to a recipient as it is, unopened: enc and the sealed contents of
                   docs/format/recipient.md. Other records as ever */
    struct sherd_read_notice *notice; /**< written where the call succeeds; NULL if not wanted */
};

/**
 * As sherd_record_get(), also of records that are sealed to a recipient.
 * @param[in] options  NULL for defaults; borrowed until return
 * @return as sherd_record_get(); SHERD_ERR_DENIED: sealed to a recipient, and no identity or another's was given;
 *         SHERD_ERR_TAMPERED also where what is sealed to the identity does not verify; SHERD_ERR_UNSUPPORTED (this
 *         OpenSSL cannot open it)
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_get_with(struct sherd_vault *vault, struct sherd_uuid id,
                                                              const struct sherd_read_options *options,
                                                              struct sherd_buf *out_content);

/**
 * Store a new version of a record.
 * @param[in]  version_expected  the current version that the caller knows; 0 for whichever it is
 * @param[in]  meta              NULL: content type, attributes and recipient as they are. Otherwise the first two are
 *                               replaced, and the recipient is where one is given; older versions stay sealed as they
 *                               were. Collection and entity must be NULL, they cannot change
 * @param[out] out_version       the new version; NULL if not wanted
 * @return as sherd_record_put(); SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT (another version is current; with
 *         version_expected 0: others kept writing first)
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_update(struct sherd_vault *vault, struct sherd_uuid id,
                                                            uint64_t version_expected,
                                                            const struct sherd_record_meta *meta,
                                                            struct sherd_span content, uint64_t *out_version);

/**
 * Delete a record with all its versions: the keys first, so that what is left elsewhere is noise.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_DENIED (the vault is open for reading only); SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_delete(struct sherd_vault *vault, struct sherd_uuid id);

/** What is known of a version. @param[in] version  0 for the current one. @return as sherd_record_get() */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_stat(struct sherd_vault *vault, struct sherd_uuid id,
                                                          uint64_t version, struct sherd_record_info **out_info);

/** Where a listing stands. Start it all zero; it means nothing outside the vault. */
struct sherd_cursor {
    uint8_t bytes[16];
    bool started;
    bool ended;
};

/**
 * Visit one record's current version; info is borrowed until return. @return SHERD_OK to go on; else the listing ends
 * with it
 */
typedef enum sherd_err sherd_record_visit_fn(void *arg, const struct sherd_record_info *info);

/**
 * Visit a page of records, in an order that says nothing about them.
 * @param[in]     collection  only this one; NULL for all
 * @param[in,out] cursor      moved behind what was visited; cursor->ended says that all was seen
 * @param[in]     count_max   most records to visit; 0 for all that are left
 * @return SHERD_OK; SHERD_ERR_TAMPERED (an entry does not verify); the visitor's code; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_list(struct sherd_vault *vault, const char *collection,
                                                          struct sherd_cursor *cursor, size_t count_max,
                                                          sherd_record_visit_fn *visit, void *arg);

/**
 * As sherd_record_list(), but of the records of one entity.
 * @param[in] collection  NULL for "default"
 * @param[in] entity      "" for the collection's default entity
 * @return as sherd_record_list(); SHERD_ERR_NOT_FOUND: no such collection or entity
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_record_list_of(struct sherd_vault *vault, const char *collection,
                                                             const char *entity, struct sherd_cursor *cursor,
                                                             size_t count_max, sherd_record_visit_fn *visit, void *arg);

/* ---- Streams ----------------------------------------------------------------------------------------------------- */

/** A record, or a version, that is being written. One thread at a time. */
struct sherd_writer;

/** Begin a new record of any length. Memory does not grow with it. @return as sherd_record_put() */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_writer_begin(struct sherd_vault *vault,
                                                           const struct sherd_record_meta *meta,
                                                           struct sherd_writer **out_writer);

/** Begin a new version. @return as sherd_record_update() */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_writer_begin_update(struct sherd_vault *vault, struct sherd_uuid id,
                                                                  uint64_t version_expected,
                                                                  const struct sherd_record_meta *meta,
                                                                  struct sherd_writer **out_writer);

/**
 * Append bytes. After a failure only sherd_writer_abort() may follow. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_IO;
 * ...
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_writer_append(struct sherd_writer *writer, struct sherd_span bytes);

/**
 * Store what was written. Consumes the writer, also on failure.
 * @param[out] out_id       the record; NULL if not wanted
 * @param[out] out_version  NULL if not wanted
 * @return as sherd_record_put() or sherd_record_update()
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_writer_commit(struct sherd_writer *writer, struct sherd_uuid *out_id,
                                                            uint64_t *out_version);

/** Drop what was written. Consumes the writer. NULL is accepted. */
SHERD_API void sherd_writer_abort(struct sherd_writer *writer);

/** One version of a record, opened to be read from front to back or in ranges. One thread at a time. */
struct sherd_reader;

/**
 * Open a version to read. It stays readable if the record is updated or deleted meanwhile.
 * @param[in]  version            0 for the current one
 * @param[out] out_reader         close with sherd_reader_close()
 * @param[out] out_content_bytes  length of the contents; NULL if not wanted
 * @return as sherd_record_get()
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_reader_open(struct sherd_vault *vault, struct sherd_uuid id,
                                                          uint64_t version, struct sherd_reader **out_reader,
                                                          uint64_t *out_content_bytes);

/**
 * As sherd_reader_open(), also of records that are sealed to a recipient.
 * @param[in]  options            NULL for defaults; borrowed until return
 * @param[out] out_content_bytes  of what will be read: with raw, of the sealed contents
 * @return as sherd_record_get_with()
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_reader_open_with(struct sherd_vault *vault, struct sherd_uuid id,
                                                               const struct sherd_read_options *options,
                                                               struct sherd_reader **out_reader,
                                                               uint64_t *out_content_bytes);

/**
 * What goes with what is read. Who is told that he is the first, is; the next one is not.
 * @return SHERD_OK; as sherd_collection_get()
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_reader_notice(struct sherd_reader *reader,
                                                            struct sherd_read_notice *out_notice);

/**
 * Read verified bytes.
 * @param[in]  offset          where, in bytes; reading goes fastest from front to back in pieces of 1 MiB or more
 * @param[out] block           room for bytes_max bytes; what lies behind *out_bytes is unspecified
 * @param[out] out_bytes       how many were read: bytes_max unless the contents end before
 * @return SHERD_OK (with 0 bytes at or behind the end); SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_reader_read(struct sherd_reader *reader, uint64_t offset, void *block,
                                                          size_t bytes_max, size_t *out_bytes);

/** Wipe and close. NULL is accepted. */
SHERD_API void sherd_reader_close(struct sherd_reader *reader);

#ifdef __cplusplus
}
#endif

#endif
