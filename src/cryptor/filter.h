/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/filter.h
 * Whether a record's attributes are as a query asks.
 */
#ifndef SHERD_CRYPTOR_FILTER_H
#define SHERD_CRYPTOR_FILTER_H

#include "envelope/attributes.h"
#include <sherd/query.h>

/** Check what is asked before anything is read. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err sherd_filter_check(const struct sherd_query *query);

/** Split encoded attributes that were checked before. @param[out] columns  SHERD_ATTRIBUTES_MAX. @return how many */
size_t sherd_filter_columns(struct sherd_span attributes, struct sherd_query_column *columns);

/** Whether all conditions hold. */
bool sherd_filter_holds(const struct sherd_query *query, const struct sherd_query_column *columns, size_t count);

#endif
