/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/query.h
 * Queries, as the benchmark asks them as well: what verifying costs is measured against a query that does not.
 */
#ifndef SHERD_CRYPTOR_QUERY_H
#define SHERD_CRYPTOR_QUERY_H

#include "cryptor/vault.h"
#include <sherd/query.h>

/**
 * As sherd_query_run() over a readable collection, but believe the store.
 * @return as sherd_query_run(); SHERD_ERR_INVALID: the collection is not readable
 */
SHERD_MUST_USE enum sherd_err sherd_query_unverified(struct sherd_vault *vault, const struct sherd_query *query,
                                                     sherd_query_visit_fn *visit, void *arg,
                                                     struct sherd_query_stat *out_stat);

#endif
