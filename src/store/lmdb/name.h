/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/name.h
 * The order of names.
 */
#ifndef SHERD_STORE_LMDB_NAME_H
#define SHERD_STORE_LMDB_NAME_H

#include <sherd/provider/store.h>
#include <string.h>

/** As memcmp(): less than, equal to or greater than 0. */
static inline int sherd_lmdb_name_compare(const struct sherd_ref *a, const struct sherd_ref *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes); /* not secret: names are pseudonyms, and the engine sees them */
}

#endif
