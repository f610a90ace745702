/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that fail when they are told to: see shim.h. */
#undef _FILE_OFFSET_BITS /* which gives one name to two functions, both of which are needed here */
#include "shim.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct shim_plan plan;
static atomic_bool armed;
static atomic_ulong calls;
static atomic_long blocks;

EXPORT void shim_arm(const struct shim_plan *wanted)
{
    plan = *wanted;
    atomic_store(&calls, 0);
    atomic_store(&armed, true);
}

EXPORT unsigned long shim_disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&calls);
}

EXPORT long shim_blocks(void)
{
    return atomic_load(&blocks);
}

/* Whether this call is one that goes wrong. */
static bool is_struck(enum shim_kind kind)
{
    if (!atomic_load(&armed) || plan.kind != kind)
        return false;
    const unsigned long number = atomic_fetch_add(&calls, 1) + 1;
    return number == plan.first || (plan.for_good && number > plan.first);
}

/* Whether it fails; errno is set if so. Calls that cannot be short go through where that is the plan. */
static bool fails(enum shim_kind kind)
{
    if (!is_struck(kind) || plan.error == SHIM_SHORT)
        return false;
    errno = plan.error;
    return true;
}

/* As fails(), for calls of which a part can be done. */
static bool fails_or_shortens(enum shim_kind kind, size_t *bytes)
{
    if (!is_struck(kind))
        return false;
    if (plan.error == SHIM_SHORT) {
        *bytes = *bytes > 1 ? *bytes / 2 : *bytes;
        return false;
    }
    errno = plan.error;
    return true;
}

/* The next definition of a function: that of the C library. */
#define NEXT(name)                 \
    static __typeof__(name) *next; \
    if (next == NULL)              \
    *(void **)(void *)&next = dlsym(RTLD_NEXT, #name)

/* --- memory ------------------------------------------------------------------------------------------------------ */

/* dlsym() itself allocates, so these come from the C library by their other names. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static void *counted(void *block)
{
    if (block != NULL)
        atomic_fetch_add(&blocks, 1);
    return block;
}

EXPORT void *malloc(size_t size)
{
    return fails(SHIM_ALLOC) ? NULL : counted(__libc_malloc(size));
}

EXPORT void *calloc(size_t count, size_t size)
{
    return fails(SHIM_ALLOC) ? NULL : counted(__libc_calloc(count, size));
}

EXPORT void *realloc(void *block, size_t size)
{
    if (fails(SHIM_ALLOC))
        return NULL;
    void *grown = __libc_realloc(block, size);
    if (block == NULL)
        return counted(grown);
    if (grown == NULL && size == 0)
        atomic_fetch_sub(&blocks, 1);
    return grown;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(SHIM_ALLOC) ? NULL : counted(__libc_memalign(alignment, size));
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *block = aligned_alloc(alignment, size);

    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

EXPORT void free(void *block)
{
    if (block != NULL)
        atomic_fetch_sub(&blocks, 1);
    __libc_free(block);
}

EXPORT void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    NEXT(mmap);
    return fails(SHIM_MAP) ? MAP_FAILED : next(address, bytes, protection, flags, fd, offset);
}

EXPORT void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t offset)
{
    return mmap(address, bytes, protection, flags, fd, offset);
}

/* --- bytes ------------------------------------------------------------------------------------------------------- */

EXPORT ssize_t read(int fd, void *block, size_t bytes)
{
    NEXT(read);
    return fails_or_shortens(SHIM_READ, &bytes) ? -1 : next(fd, block, bytes);
}

EXPORT ssize_t pread(int fd, void *block, size_t bytes, off_t offset)
{
    NEXT(pread);
    return fails_or_shortens(SHIM_READ, &bytes) ? -1 : next(fd, block, bytes, offset);
}

EXPORT ssize_t pread64(int fd, void *block, size_t bytes, off64_t offset)
{
    return pread(fd, block, bytes, offset);
}

EXPORT ssize_t write(int fd, const void *block, size_t bytes)
{
    NEXT(write);
    return fails_or_shortens(SHIM_WRITE, &bytes) ? -1 : next(fd, block, bytes);
}

EXPORT ssize_t pwrite(int fd, const void *block, size_t bytes, off_t offset)
{
    NEXT(pwrite);
    return fails_or_shortens(SHIM_WRITE, &bytes) ? -1 : next(fd, block, bytes, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *block, size_t bytes, off64_t offset)
{
    return pwrite(fd, block, bytes, offset);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    NEXT(writev);
    return fails(SHIM_WRITE) ? -1 : next(fd, parts, count);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    NEXT(pwritev);
    return fails(SHIM_WRITE) ? -1 : next(fd, parts, count, offset);
}

EXPORT ssize_t getrandom(void *block, size_t bytes, unsigned flags)
{
    NEXT(getrandom);
    return fails_or_shortens(SHIM_RANDOM, &bytes) ? -1 : next(block, bytes, flags);
}

EXPORT int getentropy(void *block, size_t bytes)
{
    NEXT(getentropy);
    return fails(SHIM_RANDOM) ? -1 : next(block, bytes);
}

extern int RAND_priv_bytes(unsigned char *block, int bytes);

/* Of OpenSSL, which asks the system once and then draws from a generator of its own. It knows no interruptions. */
EXPORT int RAND_priv_bytes(unsigned char *block, int bytes)
{
    NEXT(RAND_priv_bytes);
    return plan.error != EINTR && fails(SHIM_RANDOM) ? 0 : next(block, bytes);
}

/* --- the disk ---------------------------------------------------------------------------------------------------- */

EXPORT int fsync(int fd)
{
    NEXT(fsync);
    return fails(SHIM_SYNC) ? -1 : next(fd);
}

EXPORT int fdatasync(int fd)
{
    NEXT(fdatasync);
    return fails(SHIM_SYNC) ? -1 : next(fd);
}

EXPORT int msync(void *address, size_t bytes, int flags)
{
    NEXT(msync);
    return fails(SHIM_SYNC) ? -1 : next(address, bytes, flags);
}

EXPORT int ftruncate(int fd, off_t bytes)
{
    NEXT(ftruncate);
    return fails(SHIM_TRUNCATE) ? -1 : next(fd, bytes);
}

EXPORT int ftruncate64(int fd, off64_t bytes)
{
    return ftruncate(fd, bytes);
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    NEXT(fallocate);
    return fails(SHIM_TRUNCATE) ? -1 : next(fd, mode, offset, bytes);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t bytes)
{
    return fallocate(fd, mode, offset, bytes);
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static mode_t mode_in(int flags, va_list rest)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? (mode_t)va_arg(rest, int) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
    NEXT(open);
    va_list rest;

    va_start(rest, flags);
    const mode_t mode = mode_in(flags, rest);
    va_end(rest);
    return fails(SHIM_OPEN) ? -1 : next(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    const mode_t mode = mode_in(flags, rest);
    va_end(rest);
    return open(path, flags, mode);
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
    NEXT(openat);
    va_list rest;

    va_start(rest, flags);
    const mode_t mode = mode_in(flags, rest);
    va_end(rest);
    return fails(SHIM_OPEN) ? -1 : next(dir, path, flags, mode);
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    const mode_t mode = mode_in(flags, rest);
    va_end(rest);
    return openat(dir, path, flags, mode);
}

EXPORT int rename(const char *from, const char *to)
{
    NEXT(rename);
    return fails(SHIM_NAME) ? -1 : next(from, to);
}

EXPORT int link(const char *from, const char *to)
{
    NEXT(link);
    return fails(SHIM_NAME) ? -1 : next(from, to);
}

EXPORT int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    NEXT(linkat);
    return fails(SHIM_NAME) ? -1 : next(from_dir, from, to_dir, to, flags);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    return fails(SHIM_NAME) ? -1 : next(path, mode);
}

EXPORT int mkdirat(int dir, const char *path, mode_t mode)
{
    NEXT(mkdirat);
    return fails(SHIM_NAME) ? -1 : next(dir, path, mode);
}

/* --- what a build with _FORTIFY_SOURCE calls in their place ------------------------------------------------------ */

extern ssize_t __read_chk(int fd, void *block, size_t bytes, size_t room);
extern ssize_t __pread_chk(int fd, void *block, size_t bytes, off_t offset, size_t room);
extern ssize_t __pread64_chk(int fd, void *block, size_t bytes, off64_t offset, size_t room);
extern int __open_2(const char *path, int flags);
extern int __open64_2(const char *path, int flags);
extern int __openat_2(int dir, const char *path, int flags);
extern int __openat64_2(int dir, const char *path, int flags);

EXPORT ssize_t __read_chk(int fd, void *block, size_t bytes, size_t room)
{
    if (bytes > room)
        abort();
    return read(fd, block, bytes);
}

EXPORT ssize_t __pread_chk(int fd, void *block, size_t bytes, off_t offset, size_t room)
{
    if (bytes > room)
        abort();
    return pread(fd, block, bytes, offset);
}

EXPORT ssize_t __pread64_chk(int fd, void *block, size_t bytes, off64_t offset, size_t room)
{
    return __pread_chk(fd, block, bytes, offset, room);
}

EXPORT int __open_2(const char *path, int flags)
{
    return open(path, flags, 0);
}

EXPORT int __open64_2(const char *path, int flags)
{
    return open(path, flags, 0);
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
    return openat(dir, path, flags, 0);
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
    return openat(dir, path, flags, 0);
}
