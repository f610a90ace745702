/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/name.h
 * The order of names.
 */
#ifndef SHERD_STORE_LMDB_NAME_H
#define SHERD_STORE_LMDB_NAME_H

#include "base/bytes.h"
#include <sherd/provider/store.h>

/** As memcmp(): less than, equal to or greater than 0. */
static inline int sherd_lmdb_name_compare(const struct sherd_ref *a, const struct sherd_ref *b)
{
    const uint64_t a_first =
        sherd_get_u64(a->bytes); /* which almost always decides; and no call, in the merge's heap */
    const uint64_t b_first = sherd_get_u64(b->bytes);

    if (a_first != b_first)
        return a_first < b_first ? -1 : 1;
    const uint64_t a_last = sherd_get_u64(a->bytes + 8);
    const uint64_t b_last = sherd_get_u64(b->bytes + 8);
    return (a_last > b_last) - (a_last < b_last);
}

#endif
