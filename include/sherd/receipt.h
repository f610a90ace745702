/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file receipt.h
 * Receipts: signed statements that something is gone. The trust anchor looks up what it states before it signs it with
 * a key of the vault's own; anyone who has the public key checks it, without the vault.
 *
 * @code
 * struct sherd_buf receipt = {.max = SHERD_RECEIPT_BYTES_MAX};
 * const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_ENTITY, .entity = "customer 17"};
 *
 * if (sherd_entity_erase(vault, NULL, "customer 17") == SHERD_OK &&
 *     sherd_receipt_make(vault, &request, &receipt) == SHERD_OK)
 *     fwrite(receipt.data, 1, receipt.len, file);
 * sherd_buf_done(&receipt);
 * @endcode
 *
 * No name stands in a receipt in clear, but who has a receipt can try names that are easily guessed: each is hashed
 * with a salt that stands beside it. The time is that of the hour.
 *
 * @par Limits  What is deleted or erased stays in older backups until its erase epoch has ended (sherd_epoch_roll()).
 */
#ifndef SHERD_RECEIPT_H
#define SHERD_RECEIPT_H

#include <sherd/err.h>
#include <sherd/span.h>
#include <sherd/uuid.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sherd_vault;

/** Longest receipt. */
#define SHERD_RECEIPT_BYTES_MAX ((size_t)8 << 20)
/** Most records in one receipt. */
#define SHERD_RECEIPT_RECORDS_MAX 65536U

enum sherd_receipt_kind {
    SHERD_RECEIPT_RECORDS = 1, /**< records are deleted */
    SHERD_RECEIPT_ENTITY,      /**< an entity is erased */
    SHERD_RECEIPT_EPOCH,       /**< the keys of older erase epochs are destroyed, and nothing refers to them */
    SHERD_RECEIPT_REKEYED,     /**< nothing refers to older versions of master keys */
    SHERD_RECEIPT_DESTROYED,   /**< a version of a master key or store key is destroyed, and nothing referred to it */
};

/** What is to be stated. All zero but for what its kind needs. */
struct sherd_receipt_request {
    enum sherd_receipt_kind kind;
    const char *collection; /**< whose entity it is; NULL for "default" */
    const char *entity;     /**< that is erased; "" for the collection's default entity */
    const struct sherd_uuid *records;
    size_t record_count; /**< 1..SHERD_RECEIPT_RECORDS_MAX */
    /**
     * REKEYED: NULL for all versions of all master keys that are not active. DESTROYED: whose version; the vault
     * remembers the last 64 versions of master keys that were destroyed, so it states them at any time.
     */
    const char *master_key;
    uint64_t master_version; /**< of master_key */
};

/** What a receipt says. */
struct sherd_receipt {
    enum sherd_receipt_kind kind;
    struct sherd_uuid deployment; /**< the vault */
    char time[20];                /**< the hour, as "2026-01-31T12Z" */
    uint64_t epoch;               /**< erase epoch that served then */
    size_t item_count;            /**< records, or versions of master keys, that it names */
};

/**
 * State that something is gone: it is looked up first.
 * @param[in,out] out_receipt  the text is appended
 * @return SHERD_OK; SHERD_ERR_CONFLICT (it is not gone); SHERD_ERR_INVALID; SHERD_ERR_NOT_FOUND (collection or master
 *         key); SHERD_ERR_LIMIT; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_receipt_make(struct sherd_vault *vault,
                                                           const struct sherd_receipt_request *request,
                                                           struct sherd_buf *out_receipt);

/** The public key that receipts of a vault are checked with, as text. @param[in,out] out_text  appended */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_receipt_public_key(struct sherd_vault *vault, struct sherd_buf *out_text);

/**
 * Check a receipt. Needs no vault.
 * @param[in] public_key  text, from a place that the receipt's author could not change
 * @return SHERD_OK; SHERD_ERR_INVALID (the public key); SHERD_ERR_TAMPERED (the receipt does not verify)
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_receipt_verify(struct sherd_span receipt, struct sherd_span public_key,
                                                             struct sherd_receipt *out_receipt);

/**
 * Whether a receipt, which was verified, names this record, or this entity of a collection.
 * @param[in] record      NULL: an entity is sought
 * @param[in] collection  NULL for "default"
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_receipt_names(struct sherd_span receipt, const struct sherd_uuid *record,
                                                            const char *collection, const char *entity);

#ifdef __cplusplus
}
#endif

#endif
