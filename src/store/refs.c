/* SPDX-License-Identifier: Apache-2.0 */
/* A list of names: see refs.h. */
#include "store/refs.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

enum sherd_err sherd_refs_add(struct sherd_refs *refs, const struct sherd_ref *ref)
{
    if (refs->count == refs->cap) {
        const size_t cap = refs->cap == 0 ? 8 : 2 * refs->cap;
        struct sherd_ref *grown = sherd_realloc(refs->refs, cap * sizeof(*grown));

        if (grown == NULL)
            return SHERD_ERR_NO_MEMORY;
        refs->refs = grown;
        refs->cap = cap;
    }
    refs->refs[refs->count++] = *ref;
    return SHERD_OK;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct sherd_ref)); /* not secret: names lie open in a store */
}

void sherd_refs_order(struct sherd_refs *refs)
{
    if (refs->count > 1)
        qsort(refs->refs, refs->count, sizeof(*refs->refs), compare);
}

bool sherd_refs_have(const struct sherd_refs *refs, const struct sherd_ref *ref)
{
    return refs->count > 0 && bsearch(ref, refs->refs, refs->count, sizeof(*ref), compare) != NULL;
}

void sherd_refs_done(struct sherd_refs *refs)
{
    sherd_free(refs->refs);
    *refs = (struct sherd_refs){0};
}
