/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file query.h
 * Queries: the records of a collection whose attributes are as asked.
 *
 * Every row that is told of was verified, and no row is left out: a row that was changed, moved, rolled back, removed
 * or made up by whoever holds the store ends the query with SHERD_ERR_TAMPERED. The answer is of the records that were
 * there when the query began; what others change meanwhile may be in it or not.
 */
#ifndef SHERD_QUERY_H
#define SHERD_QUERY_H

#include <sherd/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How an attribute's value is compared. */
enum sherd_query_op {
    SHERD_QUERY_IS = 1,
    SHERD_QUERY_IS_NOT,
    SHERD_QUERY_BELOW,
    SHERD_QUERY_AT_MOST,
    SHERD_QUERY_ABOVE,
    SHERD_QUERY_AT_LEAST,
    SHERD_QUERY_BEGINS, /**< with those bytes */
};

/**
 * One condition. A record without the attribute meets none. Where both values are decimal integers (of at most 18
 * digits, a minus before them or not) they are compared as numbers, except by SHERD_QUERY_BEGINS; else as bytes.
 */
struct sherd_query_term {
    const char *name; /**< 1..63 bytes */
    enum sherd_query_op op;
    struct sherd_span value;
};

#define SHERD_QUERY_TERMS_MAX 32U

/** What is asked. Borrowed until the call returns. */
struct sherd_query {
    const char *collection; /**< NULL for "default" */
    const struct sherd_query_term *terms;
    size_t term_count;  /**< 0..SHERD_QUERY_TERMS_MAX; all of them must hold */
    bool with_contents; /**< also of collections that are not readable; those of readable ones are there anyway */
    uint64_t count_max; /**< stop after as many rows, whose order says nothing; 0: all */
};

/** One attribute of a row. */
struct sherd_query_column {
    struct sherd_span name;
    struct sherd_span value;
};

/** One row of an answer; all of it is borrowed until the visitor returns. */
struct sherd_query_row {
    struct sherd_uuid id;
    uint64_t version;
    int64_t created_s;
    const char *content_type; /**< "" for none */
    const struct sherd_query_column *columns;
    size_t column_count;
    struct sherd_span content; /**< NULL data: not asked for */
};

/** @return SHERD_OK to go on; else the query ends with it */
typedef enum sherd_err sherd_query_visit_fn(void *arg, const struct sherd_query_row *row);

/** What a query looked at. */
struct sherd_query_stat {
    uint64_t seen_count;    /**< records of the collection */
    uint64_t matched_count; /**< rows that were told of */
    bool readable;          /**< they lie in clear, and were read without keys */
};

/**
 * Ask. Where it ends with SHERD_ERR_TAMPERED, what the visitor was told before holds, and may not be all.
 * @param[out] out_stat  NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_NOT_FOUND (no such collection); SHERD_ERR_TAMPERED; the visitor's
 *         code; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_query_run(struct sherd_vault *vault, const struct sherd_query *query,
                                                        sherd_query_visit_fn *visit, void *arg,
                                                        struct sherd_query_stat *out_stat);

#ifdef __cplusplus
}
#endif

#endif
