/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For test_tamper_agent.py: looks for secrets in the memory of a process. Nothing of Sherd is in it, so that it is fast
 * also where all else runs under a sanitizer.
 *
 *     search PID          read lines "KIND HEX" from standard input; one line for each place where one of them, the
 *                         first or the last half of it, stands in the memory of a process, as it is or in hexadecimal
 *                         digits: "KIND MAPPING FLAGS", then "seen BYTES"
 *     search-at-exit PID  the same; "ready" is written when the process is watched, and the search is made when it
 *                         ends, while its memory is still there
 *     without-memfd-secret PROGRAM ARGUMENT...  run a program as on a kernel that has no memfd_secret()
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HALF 16U
#define NEEDLE_BYTES_MAX (2 * HALF)
#define NEEDLES_MAX 8192U
#define WINDOW ((size_t)1 << 20)

/* Half of a secret, or its digits. */
struct needle {
    char kind[16];
    size_t len;
    uint8_t bytes[NEEDLE_BYTES_MAX];
    const struct needle *next; /* of those with the same two first bytes */
};

static struct needle needles[NEEDLES_MAX];
static size_t needle_count;
static const struct needle *by_front[1 << 16];
static uint8_t window[WINDOW + NEEDLE_BYTES_MAX];

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void add_needle(const char *kind, const void *bytes, size_t len)
{
    struct needle *needle = &needles[needle_count++];

    must(needle_count < NEEDLES_MAX && len >= 8 && len <= NEEDLE_BYTES_MAX, "too many secrets, or a short one");
    (void)snprintf(needle->kind, sizeof(needle->kind), "%s", kind);
    memcpy(needle->bytes, bytes, len);
    needle->len = len;
    const unsigned front = needle->bytes[0] | (unsigned)needle->bytes[1] << 8;
    needle->next = by_front[front];
    by_front[front] = needle;
}

static void read_secrets(void)
{
    char line[1024];
    char kind[16];
    char hex[512];
    uint8_t bytes[256];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        must(sscanf(line, "%15s %511s", kind, hex) == 2, "a line of a secret");
        const size_t len = strlen(hex) / 2;
        const size_t part = len < HALF ? len : HALF;

        for (size_t i = 0; i < len; i++) {
            unsigned byte;

            must(sscanf(hex + 2 * i, "%2x", &byte) == 1, "a digit");
            bytes[i] = (uint8_t)byte;
        }
        add_needle(kind, bytes, part);
        add_needle(kind, hex, 2 * part);
        if (len > part) {
            add_needle(kind, bytes + len - part, part);
            add_needle(kind, hex + 2 * (len - part), 2 * part);
        }
    }
    must(needle_count > 0, "no secret");
}

/* Needles that begin in the first `count` bytes of the window. */
static void search_window(size_t count, size_t len, const char *name, const char *flags)
{
    for (size_t at = 0; at < count && at + 1 < len; at++)
        for (const struct needle *needle = by_front[window[at] | (unsigned)window[at + 1] << 8]; needle != NULL;
             needle = needle->next)
            if (at + needle->len <= len && memcmp(window + at, needle->bytes, needle->len) == 0)
                printf("%s %s %s\n", needle->kind, name, flags);
}

/* @return how many bytes could be read */
static size_t search_mapping(int memory, uint64_t from, uint64_t to, const char *name, const char *flags)
{
    size_t seen = 0;

    for (uint64_t at = from; at < to; at += WINDOW) {
        const size_t wanted = to - at < sizeof(window) ? (size_t)(to - at) : sizeof(window);
        const ssize_t len = pread(memory, window, wanted, (off_t)at);

        if (len <= 0)
            continue; /* memory of memfd_secret(), or a guard page */
        seen += (size_t)len;
        search_window(WINDOW, (size_t)len, name, flags);
    }
    return seen;
}

struct mapping {
    uint64_t from, to;
    char name[256];
    char flags[256];
};

/* The next mapping that can be read, and that is not merely reserved by a sanitizer. */
static bool next_mapping(FILE *smaps, struct mapping *mapping)
{
    struct mapping head;
    char line[512];
    char access[8];
    bool any = false;

    while (fgets(line, sizeof(line), smaps) != NULL) {
        (void)snprintf(head.name, sizeof(head.name), "anonymous");
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %255s", &head.from, &head.to, access, head.name) >=
            3) {
            any = access[0] == 'r' && head.to - head.from <= (uint64_t)1 << 30;
            *mapping = head;
        } else if (any && sscanf(line, "VmFlags: %255[^\n]", mapping->flags) == 1) {
            for (char *space = strchr(mapping->flags, ' '); space != NULL; space = strchr(space, ' '))
                *space = ',';
            return true;
        }
    }
    return false;
}

static void search(const char *pid)
{
    char path[64];
    struct mapping mapping;
    size_t seen = 0;

    (void)snprintf(path, sizeof(path), "/proc/%s/mem", pid);
    const int memory = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
    FILE *smaps = fopen(path, "re");
    must(memory >= 0 && smaps != NULL, "the memory of the process");
    while (next_mapping(smaps, &mapping))
        seen += search_mapping(memory, mapping.from, mapping.to, mapping.name, mapping.flags);
    printf("seen %zu\n", seen);
    (void)fclose(smaps);
    (void)close(memory);
}

static int search_at_exit(const char *text)
{
    const pid_t pid = (pid_t)strtol(text, NULL, 10);
    int status = 0;

    must(ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT) == 0, "watching the process");
    printf("ready\n");
    (void)fflush(stdout);
    for (;;) {
        must(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "the end of the process");
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
            break;
        must(ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)WSTOPSIG(status)) == 0, "going on");
    }
    search(text);
    (void)fflush(stdout);
    must(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0, "letting it go");
    return 0;
}

/* --- a kernel without memfd_secret() ------------------------------------------------------------------------------ */

static int run_without_memfd_secret(char **command)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_secret, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
         "a filter of system calls");
    (void)execv(command[0], command);
    must(false, command[0]);
    return 1;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";

    if (strcmp(verb, "without-memfd-secret") == 0 && argc > 2)
        return run_without_memfd_secret(argv + 2);
    must(argc == 3, "usage");
    read_secrets();
    if (strcmp(verb, "search-at-exit") == 0)
        return search_at_exit(argv[2]);
    must(strcmp(verb, "search") == 0, "usage");
    search(argv[2]);
    return 0;
}
