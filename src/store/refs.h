/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/refs.h
 * A list of names that grows; ordered once, it can be asked whether it has one.
 */
#ifndef SHERD_STORE_REFS_H
#define SHERD_STORE_REFS_H

#include "base/macros.h"
#include <sherd/provider/store.h>
#include <stdbool.h>

/** Start all zero; end with sherd_refs_done(). */
struct sherd_refs {
    struct sherd_ref *refs;
    size_t count;
    size_t cap;
};

/** Add a name, in any order. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_refs_add(struct sherd_refs *refs, const struct sherd_ref *ref);
/** Order the list, to ask it. Nothing is added after that. */
void sherd_refs_order(struct sherd_refs *refs);
/** Whether the ordered list has a name. */
bool sherd_refs_have(const struct sherd_refs *refs, const struct sherd_ref *ref);
void sherd_refs_done(struct sherd_refs *refs);

#endif
