/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/row_scan.h
 * All rows of a collection as they lie in `secrets`, read once: this thread reads them off the store, those of the pool
 * add them up and look for those that are asked for. What was found is told only when the sum was compared.
 */
#ifndef SHERD_CRYPTOR_ROW_SCAN_H
#define SHERD_CRYPTOR_ROW_SCAN_H

#include "cryptor/vault.h"
#include "envelope/row.h"
#include <sherd/query.h>

/** What was read. May be kept, and asked again by any number of threads, where it is whole. */
struct sherd_row_scan;

/**
 * Read all rows.
 * @param[in] key         of the marks that are added up; NULL: nothing is
 * @param[in] bytes_kept  rows that are not asked for are kept as well while all take no more memory than that
 * @return SHERD_OK; SHERD_ERR_LIMIT: more was found than is held in memory; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_row_scan_new(struct sherd_vault *vault, const struct sherd_uuid *collection,
                                                 const struct sherd_query *query, const struct sherd_hmac_key *key,
                                                 size_t bytes_kept, struct sherd_row_scan **out_scan);

/** How many rows there were, and the exclusive or of their marks. */
uint64_t sherd_row_scan_sum(const struct sherd_row_scan *scan, struct sherd_digest *out_sum);

/** @return SHERD_OK to go on */
typedef enum sherd_err sherd_row_scan_fn(void *arg, const struct sherd_row *row);

/** Tell of the rows that were found. @return what fn returned last */
SHERD_MUST_USE enum sherd_err sherd_row_scan_each(const struct sherd_row_scan *scan, sherd_row_scan_fn *fn, void *arg);

/** Whether all rows are still in memory. */
bool sherd_row_scan_is_whole(const struct sherd_row_scan *scan);

/** Look for other rows in one that is whole, and tell of them. @return what fn returned last */
SHERD_MUST_USE enum sherd_err sherd_row_scan_again(const struct sherd_row_scan *scan, const struct sherd_query *query,
                                                   sherd_row_scan_fn *fn, void *arg);

/** One more who frees it. */
void sherd_row_scan_share(struct sherd_row_scan *scan);

/** The last who does so frees it. NULL is accepted. */
void sherd_row_scan_free(struct sherd_row_scan *scan);
SHERD_DEFINE_OWNED(sherd_row_scan);

/** Whether a stored value says that it is a row of that collection. */
bool sherd_row_scan_is_of(const struct sherd_uuid *collection, struct sherd_span stored);

#endif
