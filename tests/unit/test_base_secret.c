/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secret memory: what each block promises, what the system says about its pages, what a child sees, and how it ends
 * when it is misused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENA_BYTES ((size_t)1 << 20)

/* Sizes around every boundary that the allocator knows. */
static const size_t sizes[] = {0,
                               1,
                               63,
                               64,
                               65,
                               128,
                               129,
                               2047,
                               2048,
                               2049,
                               4095,
                               4096,
                               4097,
                               8192,
                               65536,
                               ARENA_BYTES / 2 - 1,
                               ARENA_BYTES / 2,
                               ARENA_BYTES / 2 + 1,
                               ARENA_BYTES,
                               ARENA_BYTES + 1,
                               3000000};

static size_t used_bytes(void)
{
    struct sherd_secret_stat stat;

    sherd_secret_stat(&stat);
    return stat.used_bytes;
}

static size_t arena_bytes(void)
{
    struct sherd_secret_stat stat;

    sherd_secret_stat(&stat);
    return stat.arena_bytes;
}

/* Reads what AddressSanitizer would object to: freed blocks and guards. */
__attribute__((no_sanitize("address"), noinline)) static uint8_t peek(const volatile uint8_t *at)
{
    return *at;
}

static bool is_zero(const uint8_t *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (peek(block + i) != 0)
            return false;
    return true;
}

/* --- blocks ---------------------------------------------------------------------------------------------------- */

static void test_base_secret__gives_zeroed_aligned_blocks_of_every_size(void **state)
{
    const size_t used = used_bytes();

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(sizes); i++) {
        for (int turn = 0; turn < 3; turn++) { /* again, so that a used block comes back */
            uint8_t *block = sherd_secret_alloc(sizes[i]);

            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 64, 0);
            assert_true(is_zero(block, sizes[i]));
            memset(block, 0xff, sizes[i]);
            assert_true(used_bytes() >= used + sizes[i]);
            assert_true(arena_bytes() >= used_bytes());
            sherd_secret_free(block);
            assert_int_equal(used_bytes(), used);
        }
    }
    sherd_secret_free(NULL);
}

static void test_base_secret__never_gives_a_byte_twice(void **state)
{
    enum { COUNT = 2000 };
    static struct {
        uint8_t *block;
        size_t size;
    } held[COUNT];
    const size_t used = used_bytes();

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        held[i].size = 1 + i * i * 7919 % (i % 50 == 0 ? 100000 : 5000);
        held[i].block = sherd_secret_alloc(held[i].size);
        assert_non_null(held[i].block);
        memset(held[i].block, (int)(i % 255 + 1), held[i].size);
    }
    for (size_t i = 0; i < COUNT; i += 2) /* holes, which other classes fill */
        sherd_secret_free(held[i].block);
    for (size_t i = 0; i < COUNT; i += 2) {
        held[i].size = 1 + i * 31 % 9000;
        held[i].block = sherd_secret_alloc(held[i].size);
        assert_non_null(held[i].block);
        assert_true(is_zero(held[i].block, held[i].size));
        memset(held[i].block, (int)(i % 255 + 1), held[i].size);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < held[i].size; at++)
            assert_int_equal(held[i].block[at], i % 255 + 1);
        sherd_secret_free(held[i].block);
    }
    assert_int_equal(used_bytes(), used);
}

static void test_base_secret__wipes_what_is_freed(void **state)
{
    static const size_t shared[] = {1, 64, 100, 2048, 4096, 20000, 100000, ARENA_BYTES / 4};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(shared); i++) {
        uint8_t *neighbour = sherd_secret_alloc(shared[i]); /* keeps the pages mapped */
        uint8_t *block = sherd_secret_alloc(shared[i]);

        assert_non_null(neighbour);
        assert_non_null(block);
        memset(neighbour, 0x77, shared[i]);
        memset(block, 0xff, shared[i]);
        sherd_secret_free(block);
        assert_true(is_zero(block, shared[i]));
        for (size_t at = 0; at < shared[i]; at++) /* and nothing else is */
            assert_int_equal(neighbour[at], 0x77);
        sherd_secret_free(neighbour);
    }
}

/* Whole slots, so that the figures are exact; up to four idle arenas are kept. */
static void test_base_secret__gives_arenas_back(void **state)
{
    enum { COUNT = 3000 };
    static uint8_t *blocks[COUNT];
    const size_t used = used_bytes();
    const size_t before = arena_bytes();

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = sherd_secret_alloc(4096);
        assert_non_null(blocks[i]);
    }
    assert_int_equal(used_bytes(), used + COUNT * 4096u);
    assert_true(arena_bytes() <= before + 12 * ARENA_BYTES); /* 3000 of 3072 slots: nothing is wasted */
    for (size_t i = 0; i < COUNT; i++)
        sherd_secret_free(blocks[i]);
    assert_int_equal(used_bytes(), used);
    assert_true(arena_bytes() <= before + 4 * ARENA_BYTES);
    assert_true(arena_bytes() <= 5 * ARENA_BYTES); /* nor do they add up from burst to burst */
}

static void test_base_secret__unmaps_a_large_block(void **state)
{
    const size_t before = arena_bytes();
    uint8_t *block = sherd_secret_alloc(2 * ARENA_BYTES);
    unsigned char resident = 0;

    (void)state;
    assert_non_null(block);
    assert_int_equal(arena_bytes(), before + 2 * ARENA_BYTES);
    block[0] = 1;
    sherd_secret_free(block);
    assert_int_equal(arena_bytes(), before);
    assert_int_equal(mincore(block, 4096, &resident), -1); /* ENOMEM: nothing is mapped there */
}

static void test_base_secret__refuses_what_no_machine_has(void **state)
{
    const volatile size_t too_much[] = {((size_t)1 << 30) + 1, SIZE_MAX / 2, SIZE_MAX - 4096, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(too_much); i++) {
        sherd_fail_restore("");
        assert_null(sherd_secret_alloc(too_much[i]));
        assert_non_null(strstr(sherd_err_detail(), "secret memory"));
    }
}

static void test_base_secret__is_freed_at_the_end_of_a_scope(void **state)
{
    const size_t used = used_bytes();

    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        SHERD_CLEANUP(sherd_secret_freep) uint32_t *words = sherd_secret_alloc(16);
        SHERD_CLEANUP(sherd_secret_freep) char *none = NULL;

        assert_non_null(words);
        assert_null(none);
        assert_true(used_bytes() > used);
    }
    assert_int_equal(used_bytes(), used);
}

/* --- what the system says about the pages ------------------------------------------------------------------------- */

struct mapping {
    char head[256];  /* the line of /proc/self/maps */
    char flags[256]; /* the VmFlags line of smaps */
};

static struct mapping mapping_of(const void *address)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    struct mapping found = {.head = ""};
    char line[256];
    bool inside = false;

    assert_non_null(smaps);
    while (fgets(line, sizeof(line), smaps) != NULL) {
        unsigned long start = 0;
        unsigned long end = 0;

        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            inside = (uintptr_t)address >= start && (uintptr_t)address < end;
            if (inside)
                memcpy(found.head, line, sizeof(line));
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            memcpy(found.flags, line, sizeof(line));
        }
    }
    (void)fclose(smaps);
    return found;
}

/* Left out of dumps (dd) and of children (dc), locked (lo) if it is said to be, and of the kind that is said. */
static bool pages_are_as_stated(const uint8_t *block)
{
    const struct mapping mapping = mapping_of(block);
    struct sherd_secret_stat stat;

    sherd_secret_stat(&stat);
    return strstr(mapping.head, " rw-") != NULL && strstr(mapping.flags, " dd") != NULL &&
           strstr(mapping.flags, " dc") != NULL && (!stat.locked || strstr(mapping.flags, " lo") != NULL) &&
           (strstr(mapping.head, "secretmem") != NULL) == stat.memfd_secret;
}

static void test_base_secret__keeps_pages_out_of_dumps_and_children(void **state)
{
    (void)state;
    for (size_t size = 1; size < 4 * ARENA_BYTES; size *= 2) {
        uint8_t *block = sherd_secret_alloc(size);

        assert_non_null(block);
        if (size < ARENA_BYTES) /* larger ones may pass the limit on locked memory, which is told of all arenas */
            assert_true(pages_are_as_stated(block));
        else
            assert_non_null(strstr(mapping_of(block).flags, " dd"));
        sherd_secret_free(block);
    }
}

static bool kernel_has_memfd_secret(void)
{
#ifdef SYS_memfd_secret
    const int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

    if (fd >= 0) {
        (void)close(fd);
        return true;
    }
#endif
    return false;
}

/* --- children ----------------------------------------------------------------------------------------------------- */

/* A child's part of a test: 0 if all is as it should be, else which step was not. */
typedef int child_fn(void);

/*
 * The limit on locked memory does not bind root. Whoever changes user loses sight of /proc/self, and gets it back here.
 */
static bool become_nobody(void)
{
    return geteuid() != 0 || (setresuid(65534, 65534, 65534) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
}

static int child_run(child_fn *part, size_t locked_max)
{
    const pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0};
        const struct rlimit locked = {.rlim_cur = locked_max, .rlim_max = locked_max};
        const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

        for (int number = 1; number < 32; number++)
            (void)signal(number, SIG_DFL); /* the test framework and the sanitizers catch some */
        (void)alarm(30);
        (void)dup2(nowhere, STDERR_FILENO);
        (void)setrlimit(RLIMIT_CORE, &no_core);
        if (locked_max != SIZE_MAX && !(setrlimit(RLIMIT_MEMLOCK, &locked) == 0 && become_nobody()))
            _exit(100);
        _exit(part());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_child_passes(child_fn *part, size_t locked_max)
{
    const int status = child_run(part, locked_max);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void assert_child_dies(child_fn *part, int signal_number)
{
    const int status = child_run(part, SIZE_MAX);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signal_number);
}

/* Reading may fault; if it does, whether it was at this address. */
static sigjmp_buf fault_jump;
static const void *volatile fault_address;

static void fault_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    fault_address = info->si_addr;
    siglongjmp(fault_jump, number);
}

static bool faults_at(const uint8_t *address)
{
    const struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};
    struct sigaction before;
    bool faulted = false;

    fault_address = NULL;
    (void)sigaction(SIGSEGV, &action, &before);
    if (sigsetjmp(fault_jump, 1) == 0)
        (void)peek(address);
    else
        faulted = fault_address == address;
    (void)sigaction(SIGSEGV, &before, NULL);
    return faulted;
}

/* The edges of an arena are found by walking to its first byte that faults; a mapping beyond would not. */
static int guards_fault(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *large = sherd_secret_alloc(2 * ARENA_BYTES);
    uint8_t *odd = sherd_secret_alloc(ARENA_BYTES + 1);
    uint8_t *small = sherd_secret_alloc(64);
    const uint8_t *start = small;

    if (large == NULL || odd == NULL || small == NULL)
        return 1;
    if (faults_at(large) || faults_at(large + 2 * ARENA_BYTES - 1))
        return 2;
    if (!faults_at(large - 1) || !faults_at(large - page) || !faults_at(large + 2 * ARENA_BYTES) ||
        !faults_at(large + 2 * ARENA_BYTES + page - 1))
        return 3;
    if (!faults_at(odd + ARENA_BYTES + 64)) /* the end lies at the guard, but for alignment */
        return 4;
    start -= (uintptr_t)small % page;
    while (!faults_at(start - 1) && small - start < (ptrdiff_t)ARENA_BYTES)
        start -= page;
    if (small - start >= (ptrdiff_t)ARENA_BYTES || !faults_at(start - page))
        return 5;
    if (faults_at(start + ARENA_BYTES - 1) || !faults_at(start + ARENA_BYTES) ||
        !faults_at(start + ARENA_BYTES + page - 1))
        return 6;
    return 0;
}

static void test_base_secret__lies_between_guards(void **state)
{
    (void)state;
    assert_child_passes(guards_fault, SIZE_MAX);
}

/* In a child, whose first arena is all there is: the figures are exact. */
static int uses_an_arena_fully(void)
{
    enum { COUNT = 16384 }; /* times 64 bytes is an arena */
    static uint8_t *blocks[COUNT];
    size_t size = ARENA_BYTES / 2;

    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = sherd_secret_alloc(64);
        if (blocks[i] == NULL)
            return 1;
    }
    if (arena_bytes() != ARENA_BYTES || used_bytes() != ARENA_BYTES)
        return 2;
    for (size_t i = COUNT; i > 0; i--) /* the last given is the first given back, so the first slot is the spare one */
        sherd_secret_free(blocks[i - 1]);
    for (; size >= 4096; size /= 2) /* all slots but the spare one were joined again, whichever way they were split */
        if (sherd_secret_alloc(size) == NULL)
            return 3;
    return arena_bytes() == ARENA_BYTES && used_bytes() == ARENA_BYTES - 4096 ? 0 : 4;
}

static void test_base_secret__uses_an_arena_fully(void **state)
{
    (void)state;
    assert_child_passes(uses_an_arena_fully, SIZE_MAX);
}

static uint8_t *parents_small;
static uint8_t *parents_large;

static int child_reads_small(void)
{
    return peek(parents_small);
}

static int child_reads_large(void)
{
    return peek(parents_large);
}

static int child_starts_afresh(void)
{
    uint8_t *block = NULL;

    if (used_bytes() != 0)
        return 1;
    /* The place is taken, so that nothing of the child's own is ever found there. */
    if (strstr(mapping_of(parents_small).head, " ---p") == NULL ||
        strstr(mapping_of(parents_large).head, " ---p") == NULL)
        return 4;
    sherd_secret_free(parents_small); /* as cleanup does that runs in a child */
    sherd_secret_free(parents_large);
    block = sherd_secret_alloc(64);
    if (block == NULL || block == parents_small || !is_zero(block, 64))
        return 2;
    memset(block, 1, 64);
    if (!pages_are_as_stated(block))
        return 3;
    sherd_secret_free(block);
    return used_bytes() != 0;
}

/* Before exec, or in a child of a raw clone, no handler has run. */
static int raw_child_reads(void)
{
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    int status = 0;

    if (child == 0) {
        (void)peek(parents_small);
        (void)syscall(SYS_exit_group, 0);
    }
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 0 : 1;
}

static int raw_child_cannot_read(void)
{
    parents_small = sherd_secret_alloc(64);
    return parents_small == NULL ? 2 : raw_child_reads();
}

static void test_base_secret__gives_a_child_nothing(void **state)
{
    (void)state;
    parents_small = sherd_secret_alloc(64);
    parents_large = sherd_secret_alloc(2 * ARENA_BYTES);
    assert_non_null(parents_small);
    assert_non_null(parents_large);
    memset(parents_small, 0x42, 64);
    memset(parents_large, 0x42, 2 * ARENA_BYTES);
    assert_child_dies(child_reads_small, SIGSEGV);
    assert_child_dies(child_reads_large, SIGSEGV);
    assert_child_passes(child_starts_afresh, SIZE_MAX);
    assert_int_equal(parents_small[63], 0x42); /* what children freed was theirs */
    assert_int_equal(parents_large[63], 0x42);
    sherd_secret_free(parents_small);
    sherd_secret_free(parents_large);
    assert_child_passes(raw_child_cannot_read, SIZE_MAX);
}

static int works_without_locked_memory(void)
{
    struct sherd_secret_stat stat;

    for (size_t i = 0; i < SHERD_COUNT_OF(sizes); i++) {
        uint8_t *block = sherd_secret_alloc(sizes[i]);

        if (block == NULL)
            return 1;
        memset(block, 0xff, sizes[i]);
        if (!pages_are_as_stated(block))
            return 2;
        sherd_secret_free(block);
    }
    sherd_secret_stat(&stat);
    return stat.locked || stat.memfd_secret ? 3 : guards_fault();
}

static void test_base_secret__works_and_says_so_when_nothing_can_be_locked(void **state)
{
    (void)state;
    assert_child_passes(works_without_locked_memory, 0);
    assert_child_passes(works_without_locked_memory, 65536);
}

/* Room for one arena, but not for the guards that memfd_secret counts too: so it must be locked anonymous memory. */
static int falls_back_to_mlock(void)
{
    uint8_t *block = sherd_secret_alloc(64);
    uint8_t *neighbour = sherd_secret_alloc(64);
    struct sherd_secret_stat stat;

    sherd_secret_stat(&stat);
    if (block == NULL || neighbour == NULL || !stat.locked || stat.memfd_secret)
        return 1;
    if (!pages_are_as_stated(block))
        return 2;
    memset(block, 0xff, 64);
    sherd_secret_free(block);
    if (!is_zero(block, 64))
        return 3;
    parents_small = neighbour;
    if (raw_child_reads() != 0)
        return 4;
    block = sherd_secret_alloc(2 * ARENA_BYTES); /* for which there is no room any more */
    sherd_secret_stat(&stat);
    if (block == NULL || stat.locked || stat.memfd_secret)
        return 5;
    sherd_secret_free(block);
    sherd_secret_stat(&stat);
    return stat.locked ? 6 : 0; /* it may have been swapped: that is not taken back */
}

static void test_base_secret__falls_back_to_locked_anonymous_memory(void **state)
{
    (void)state;
    assert_child_passes(falls_back_to_mlock, ARENA_BYTES);
}

static int uses_memfd_secret(void)
{
    uint8_t *block = sherd_secret_alloc(64);
    struct sherd_secret_stat stat;
    uint8_t copy[64];
    const int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

    sherd_secret_stat(&stat);
    if (block == NULL || !stat.memfd_secret || !stat.locked || mem < 0)
        return 1;
    memset(block, 0x42, 64);
    /* Not even the process itself is shown it, as a debugger would be. */
    if (pread(mem, copy, sizeof(copy), (off_t)(uintptr_t)block) > 0)
        return 2;
    return close(mem);
}

/* Where the kernel has none: it says so, and takes locked memory. */
static int does_without_memfd_secret(void)
{
    const uint8_t *block = sherd_secret_alloc(64);
    struct sherd_secret_stat stat;

    sherd_secret_stat(&stat);
    if (block == NULL || stat.memfd_secret || !stat.locked)
        return 1;
    return pages_are_as_stated(block) ? 0 : 2;
}

static void test_base_secret__prefers_memfd_secret(void **state)
{
    (void)state;
    assert_child_passes(kernel_has_memfd_secret() ? uses_memfd_secret : does_without_memfd_secret, 4 * ARENA_BYTES);
}

/* Limits the address space, as ulimit -v does, and lifts that again. */
static bool address_space_limit(rlim_t bytes)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_AS, &limit) != 0)
        return false;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_AS, &limit) == 0;
}

static int survives_a_full_address_space(void)
{
    uint8_t *block = sherd_secret_alloc(64);
    const size_t used = used_bytes();
    const size_t arenas = arena_bytes();

    sherd_fail_restore("");
    if (block == NULL || !address_space_limit(1 << 20))
        return 1;
    if (sherd_secret_alloc(2 * ARENA_BYTES) != NULL || strstr(sherd_err_detail(), "mapped") == NULL)
        return 2;
    if (used_bytes() != used || arena_bytes() != arenas || !address_space_limit(RLIM_INFINITY))
        return 3;
    sherd_secret_free(sherd_secret_alloc(2 * ARENA_BYTES));
    sherd_secret_free(block);
    return used_bytes() != 0;
}

static void test_base_secret__survives_a_full_address_space(void **state)
{
    (void)state;
    assert_child_passes(survives_a_full_address_space, SIZE_MAX);
}

/* --- misuse ------------------------------------------------------------------------------------------------------- */

static int frees_the_stack(void)
{
    uint8_t block[64];

    sherd_secret_free(block);
    return 0;
}

static int frees_the_heap_between_arenas(void)
{
    void *block = sherd_alloc(64);

    (void)used_bytes(); /* there is an arena */
    sherd_secret_free(block);
    return 0;
}

static int frees_inside_a_block(void)
{
    uint8_t *block = sherd_secret_alloc(128);

    sherd_secret_free(block + 64);
    return 0;
}

static int frees_inside_a_run(void)
{
    uint8_t *block = sherd_secret_alloc(8192);

    sherd_secret_free(block + 4096);
    return 0;
}

static int frees_inside_a_large_block(void)
{
    uint8_t *block = sherd_secret_alloc(2 * ARENA_BYTES);

    sherd_secret_free(block + 64);
    return 0;
}

static int frees_twice(void)
{
    uint8_t *neighbour = sherd_secret_alloc(64);
    uint8_t *block = sherd_secret_alloc(64);

    if (neighbour == NULL)
        return 1;
    sherd_secret_free(block);
    sherd_secret_free(block);
    return 0;
}

static int frees_a_run_twice(void)
{
    uint8_t *block = sherd_secret_alloc(16384);

    sherd_secret_free(block);
    sherd_secret_free(block);
    return 0;
}

static int frees_a_large_block_twice(void)
{
    uint8_t *block = sherd_secret_alloc(2 * ARENA_BYTES);

    sherd_secret_free(block);
    sherd_secret_free(block);
    return 0;
}

static void test_base_secret__stops_the_process_that_frees_what_is_no_block(void **state)
{
    (void)state;
    assert_child_dies(frees_the_stack, SIGABRT);
    assert_child_dies(frees_the_heap_between_arenas, SIGABRT);
    assert_child_dies(frees_inside_a_block, SIGABRT);
    assert_child_dies(frees_inside_a_run, SIGABRT);
    assert_child_dies(frees_inside_a_large_block, SIGABRT);
    assert_child_dies(frees_twice, SIGABRT);
    assert_child_dies(frees_a_run_twice, SIGABRT);
    assert_child_dies(frees_a_large_block_twice, SIGABRT);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

enum { THREAD_COUNT = 8, HELD_COUNT = 32, TURN_COUNT = 4000 };

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Mostly small blocks, now and then one of any size. */
static size_t any_size(uint32_t *seed)
{
    const uint32_t draw = next_random(seed);

    return draw % 100 == 0 ? next_random(seed) % (ARENA_BYTES + ARENA_BYTES / 4) : next_random(seed) % 3000;
}

static bool holds_only(const uint8_t *block, size_t size, uint8_t value)
{
    return size == 0 || (block[0] == value && block[size / 2] == value && block[size - 1] == value);
}

/* Takes and gives back at random; what it holds nobody else may write. Returns NULL if so. */
static void *churn(void *arg)
{
    static char wrong[] = "wrong";
    const uint8_t value = *(const uint8_t *)arg;
    uint8_t *held[HELD_COUNT] = {NULL};
    size_t held_sizes[HELD_COUNT] = {0};
    uint32_t seed = value;

    for (int turn = 0; turn < TURN_COUNT + HELD_COUNT; turn++) {
        const size_t at = turn < TURN_COUNT ? next_random(&seed) % HELD_COUNT : (size_t)(turn - TURN_COUNT);

        if (held[at] != NULL && !holds_only(held[at], held_sizes[at], value))
            return wrong;
        sherd_secret_free(held[at]);
        held[at] = NULL;
        if (turn >= TURN_COUNT)
            continue;
        held_sizes[at] = any_size(&seed);
        held[at] = sherd_secret_alloc(held_sizes[at]);
        if (held[at] == NULL || !holds_only(held[at], held_sizes[at], 0))
            return wrong;
        memset(held[at], value, held_sizes[at]);
    }
    return NULL;
}

static void threads_start(pthread_t threads[THREAD_COUNT])
{
    static uint8_t values[THREAD_COUNT];

    for (size_t i = 0; i < THREAD_COUNT; i++) {
        values[i] = (uint8_t)(i + 1);
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &values[i]), 0);
    }
}

static void threads_end(const pthread_t threads[THREAD_COUNT])
{
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        void *result = NULL;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

static void test_base_secret__serves_many_threads(void **state)
{
    const size_t used = used_bytes();
    pthread_t threads[THREAD_COUNT];

    (void)state;
    threads_start(threads);
    threads_end(threads);
    assert_int_equal(used_bytes(), used);
}

/* A lock that another thread holds at the fork would stop the child for good; alarm() would end it. */
static void test_base_secret__serves_a_child_of_a_busy_process(void **state)
{
    pthread_t threads[THREAD_COUNT];

    (void)state;
    parents_small = sherd_secret_alloc(64);
    parents_large = sherd_secret_alloc(2 * ARENA_BYTES);
    threads_start(threads);
    for (int i = 0; i < 30; i++)
        assert_child_passes(child_starts_afresh, SIZE_MAX);
    threads_end(threads);
    sherd_secret_free(parents_small);
    sherd_secret_free(parents_large);
}

/* --- failing memory ----------------------------------------------------------------------------------------------- */

#if SHERD_FAILPOINTS
static enum sherd_err fail_nth(void *arg, const char *name)
{
    unsigned int *left = arg;

    return strcmp(name, "alloc") == 0 && *left > 0 && --*left == 0 ? SHERD_ERR_NO_MEMORY : SHERD_OK;
}

static void test_base_secret__survives_each_failing_allocation(void **state)
{
    (void)state;
    for (size_t size = 64; size <= 2 * ARENA_BYTES; size *= 2 * ARENA_BYTES / 64) {
        const size_t used = used_bytes();
        const size_t arenas = arena_bytes();
        uint8_t *block = NULL;
        unsigned int nth = 0;

        while (block == NULL) {
            unsigned int left = ++nth;

            sherd_failpoint_set(fail_nth, &left);
            block = sherd_secret_alloc(size);
            sherd_failpoint_set(NULL, NULL);
            if (block == NULL) {
                assert_non_null(strstr(sherd_err_detail(), "out of memory"));
                assert_int_equal(used_bytes(), used);
                assert_int_equal(arena_bytes(), arenas);
            }
        }
        assert_true(nth >= 2); /* at least the block itself failed once */
        sherd_secret_free(block);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_secret__gives_zeroed_aligned_blocks_of_every_size),
        cmocka_unit_test(test_base_secret__never_gives_a_byte_twice),
        cmocka_unit_test(test_base_secret__wipes_what_is_freed),
        cmocka_unit_test(test_base_secret__gives_arenas_back),
        cmocka_unit_test(test_base_secret__unmaps_a_large_block),
        cmocka_unit_test(test_base_secret__refuses_what_no_machine_has),
        cmocka_unit_test(test_base_secret__is_freed_at_the_end_of_a_scope),
        cmocka_unit_test(test_base_secret__keeps_pages_out_of_dumps_and_children),
        cmocka_unit_test(test_base_secret__lies_between_guards),
        cmocka_unit_test(test_base_secret__uses_an_arena_fully),
        cmocka_unit_test(test_base_secret__gives_a_child_nothing),
        cmocka_unit_test(test_base_secret__works_and_says_so_when_nothing_can_be_locked),
        cmocka_unit_test(test_base_secret__falls_back_to_locked_anonymous_memory),
        cmocka_unit_test(test_base_secret__prefers_memfd_secret),
        cmocka_unit_test(test_base_secret__survives_a_full_address_space),
        cmocka_unit_test(test_base_secret__stops_the_process_that_frees_what_is_no_block),
        cmocka_unit_test(test_base_secret__serves_many_threads),
        cmocka_unit_test(test_base_secret__serves_a_child_of_a_busy_process),
#if SHERD_FAILPOINTS
        cmocka_unit_test(test_base_secret__survives_each_failing_allocation),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
