/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of queries: see filter.h. */
#include "cryptor/filter.h"
#include "base/bytes.h"
#include "base/fail.h"
#include <string.h>

#define DIGITS_MAX 18U

enum sherd_err sherd_filter_check(const struct sherd_query *query)
{
    SHERD_ENSURE(query->term_count <= SHERD_QUERY_TERMS_MAX && (query->terms != NULL || query->term_count == 0),
                 SHERD_ERR_INVALID, "a query has at most 32 conditions");
    for (size_t i = 0; i < query->term_count; i++) {
        const struct sherd_query_term *term = &query->terms[i];
        const size_t name_bytes = term->name != NULL ? strlen(term->name) : 0;

        SHERD_ENSURE(name_bytes >= 1 && name_bytes <= SHERD_ATTRIBUTE_NAME_BYTES_MAX, SHERD_ERR_INVALID,
                     "a condition names an attribute, of 1 to 63 bytes");
        SHERD_ENSURE(term->op >= SHERD_QUERY_IS && term->op <= SHERD_QUERY_BEGINS, SHERD_ERR_INVALID,
                     "there is no such comparison");
        SHERD_ENSURE(term->value.data != NULL || term->value.len == 0, SHERD_ERR_INVALID, "a condition needs a value");
    }
    return SHERD_OK;
}

size_t sherd_filter_columns(struct sherd_span attributes, struct sherd_query_column *columns)
{
    struct sherd_span previous = {0};
    size_t count = 0;

    while (attributes.len > 0 && count < SHERD_ATTRIBUTES_MAX &&
           sherd_attributes_next(&attributes, &previous, &columns[count].name, &columns[count].value) == SHERD_OK)
        count++;
    return count;
}

static bool parse_integer(struct sherd_span text, int64_t *out_number)
{
    const bool negative = text.len > 0 && text.data[0] == '-';
    const size_t begin = negative ? 1 : 0;
    int64_t number = 0;

    if (text.len == begin || text.len - begin > DIGITS_MAX)
        return false;
    for (size_t i = begin; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (text.data[i] - '0');
    }
    *out_number = negative ? -number : number;
    return true;
}

/* Below, equal or above 0, as a is to b. */
static int compare(struct sherd_span a, struct sherd_span b)
{
    const size_t common = a.len < b.len ? a.len : b.len;
    int64_t x;
    int64_t y;

    if (parse_integer(a, &x) && parse_integer(b, &y))
        return (x > y) - (x < y);
    const int order = common == 0 ? 0 : memcmp(a.data, b.data, common); /* not secret: to order attributes */
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool begins(struct sherd_span value, struct sherd_span with)
{
    return value.len >= with.len && (with.len == 0 || sherd_same(value.data, with.data, with.len));
}

static bool term_holds(const struct sherd_query_term *term, struct sherd_span value)
{
    switch (term->op) {
    case SHERD_QUERY_IS: return compare(value, term->value) == 0;
    case SHERD_QUERY_IS_NOT: return compare(value, term->value) != 0;
    case SHERD_QUERY_BELOW: return compare(value, term->value) < 0;
    case SHERD_QUERY_AT_MOST: return compare(value, term->value) <= 0;
    case SHERD_QUERY_ABOVE: return compare(value, term->value) > 0;
    case SHERD_QUERY_AT_LEAST: return compare(value, term->value) >= 0;
    case SHERD_QUERY_BEGINS: return begins(value, term->value);
    }
    return false;
}

static const struct sherd_query_column *find(const struct sherd_query_column *columns, size_t count, const char *name)
{
    const struct sherd_span wanted = sherd_span_str(name);

    for (size_t i = 0; i < count; i++)
        if (sherd_span_equal(columns[i].name, wanted))
            return &columns[i];
    return NULL;
}

bool sherd_filter_holds(const struct sherd_query *query, const struct sherd_query_column *columns, size_t count)
{
    for (size_t i = 0; i < query->term_count; i++) {
        const struct sherd_query_column *column = find(columns, count, query->terms[i].name);

        if (column == NULL || !term_holds(&query->terms[i], column->value))
            return false;
    }
    return true;
}
