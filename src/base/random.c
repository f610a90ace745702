/* SPDX-License-Identifier: Apache-2.0 */
/* The system's randomness, and the source that is set in its place. */
#include "base/random.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>

static enum sherd_err system_fill(uint8_t *block, size_t size)
{
    while (size > 0) {
        const ssize_t got = getrandom(block, size, 0); /* waits at boot until the kernel's pool is seeded */

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "the system gives no randomness");
        block += got;
        size -= (size_t)got;
    }
    return SHERD_OK;
}

static const struct sherd_random_source system_source = {.fill = system_fill};
static const struct sherd_random_source *_Atomic source_in_use = &system_source;

static enum sherd_err source_fill(uint8_t *block, size_t size)
{
    SHERD_FAILPOINT("random");
    return atomic_load_explicit(&source_in_use, memory_order_acquire)->fill(block, size);
}

enum sherd_err sherd_random(void *block, size_t size)
{
    enum sherd_err err = SHERD_OK;

    if (size == 0)
        return SHERD_OK;
    err = source_fill(block, size);
    if (err != SHERD_OK)
        sherd_wipe(block, size); /* half a key is worse than none */
    return err;
}

void sherd_random_set(const struct sherd_random_source *source)
{
    atomic_store_explicit(&source_in_use, source != NULL ? source : &system_source, memory_order_release);
}
