/* SPDX-License-Identifier: Apache-2.0 */
/* The engines that are built in, and the roles of compartments. */
#include "store/compartment.h"
#include "store/lmdb/lmdb.h"
#include "store/memory/memory.h"
#include <string.h>

static const struct sherd_store_ops *const engines[] = {
    &sherd_store_lmdb, /* the default: docs/decisions says why */
    &sherd_store_memory,
    NULL,
};

const struct sherd_store_ops *const *sherd_store_engines(void)
{
    return engines;
}

enum sherd_err sherd_store_engine(const char *name, const struct sherd_store_ops **out_ops)
{
    for (const struct sherd_store_ops *const *engine = engines; *engine != NULL; engine++) {
        if (strcmp((*engine)->name, name) == 0) {
            *out_ops = *engine;
            return SHERD_OK;
        }
    }
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "store: this build has no engine \"%.32s\"", name);
}
