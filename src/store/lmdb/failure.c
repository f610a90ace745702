/* SPDX-License-Identifier: Apache-2.0 */
/* The first failure of a store's writing. See failure.h. */
#include "store/lmdb/failure.h"
#include <stdio.h>

enum { NONE, BEING_WRITTEN, THERE };

void sherd_lmdb_failure_keep(struct sherd_lmdb_failure *failure)
{
    int none = NONE;

    if (!atomic_compare_exchange_strong(&failure->state, &none, BEING_WRITTEN))
        return;
    (void)snprintf(failure->detail, sizeof failure->detail, "%s", sherd_err_detail());
    atomic_store_explicit(&failure->state, THERE, memory_order_release);
}

bool sherd_lmdb_failure_is_kept(const struct sherd_lmdb_failure *failure)
{
    return atomic_load_explicit(&failure->state, memory_order_relaxed) != NONE;
}

/* The cause comes last: it is what may be cut. */
enum sherd_err sherd_lmdb_failure_check(const struct sherd_lmdb_failure *failure)
{
    const int state = atomic_load_explicit(&failure->state, memory_order_acquire);

    if (state == NONE)
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_IO,
                      "store: an earlier write failed: close the vault, look at the disk, open it again%s%s",
                      state == THERE ? ": " : "", state == THERE ? failure->detail : "");
}
