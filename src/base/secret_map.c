/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guarded secret pages: memfd_secret memory where it can be had, locked anonymous memory otherwise, unlocked memory as
 * the last resort. See memfd_secret(2), mlock(2), madvise(2).
 */
#include "base/secret_map.h"

#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * A file of secret pages, or -1: an old kernel, one built or booted without them, or a sandbox that forbids the call.
 */
static int secret_file(size_t bytes)
{
    int fd = -1;

#if defined(SYS_memfd_secret)
    fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0) {
        (void)close(fd);
        fd = -1;
    }
#else
    (void)bytes;
#endif
    return fd;
}

/*
 * The guards are part of the mapping, so that there is no moment in which they belong to nobody. memfd_secret pages
 * count against RLIMIT_MEMLOCK and are locked by nature; where the limit is reached, mmap refuses them.
 */
static uint8_t *pages_map(size_t bytes, bool *out_memfd_secret)
{
    void *pages = MAP_FAILED;
    const int fd = secret_file(bytes);

    if (fd >= 0) {
        pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void)close(fd);
    }
    *out_memfd_secret = pages != MAP_FAILED;
    if (pages == MAP_FAILED)
        pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

/*
 * Children get none of it (MADV_DONTFORK). MADV_WIPEONFORK, where it is possible at all, would give them zeros: a child
 * that goes on to encrypt would do so under a key that everyone knows.
 */
static bool pages_protect(uint8_t *pages, size_t bytes, size_t guard)
{
    return mprotect(pages, guard, PROT_NONE) == 0 && mprotect(pages + bytes - guard, guard, PROT_NONE) == 0 &&
           madvise(pages, bytes, MADV_DONTDUMP) == 0 && madvise(pages, bytes, MADV_DONTFORK) == 0;
}

enum sherd_err sherd_secret_map_init(size_t bytes, struct sherd_secret_map *out_map)
{
    const size_t guard = page_bytes();
    struct sherd_secret_map map = {0};
    uint8_t *pages = NULL;

    SHERD_ENSURE(bytes <= SIZE_MAX / 2, SHERD_ERR_NO_MEMORY, "secret memory: larger than any memory");
    map.bytes = (bytes + guard - 1) / guard * guard;
    pages = pages_map(map.bytes + 2 * guard, &map.memfd_secret);
    if (pages == NULL)
        return sherd_fail_errno(SHERD_ERR_NO_MEMORY, "secret memory: %zu bytes cannot be mapped", bytes);
    if (!pages_protect(pages, map.bytes + 2 * guard, guard)) {
        const enum sherd_err err = sherd_fail_errno(SHERD_ERR_NO_MEMORY, "secret memory: %zu bytes cannot be protected",
                                                    bytes);

        (void)munmap(pages, map.bytes + 2 * guard);
        return err;
    }
    map.data = pages + guard;
    /* Not mlock(), which the sanitizers replace by nothing at all. */
    map.locked = map.memfd_secret || mlock2(map.data, map.bytes, 0) == 0;
    *out_map = map;
    return SHERD_OK;
}

void sherd_secret_map_done(struct sherd_secret_map *map)
{
    const size_t guard = page_bytes();

    sherd_wipe(map->data, map->bytes);
    if (munmap(map->data - guard, map->bytes + 2 * guard) != 0)
        sherd_bug("secret memory: cannot be unmapped");
    *map = (struct sherd_secret_map){0};
}

void sherd_secret_map_bar(const struct sherd_secret_map *map)
{
    const size_t guard = page_bytes();

    /* If there is no room for it, MADV_DONTFORK still holds. */
    (void)mmap(map->data - guard, map->bytes + 2 * guard, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}
