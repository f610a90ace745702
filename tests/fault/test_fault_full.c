/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that is full: a put says so, nothing that was acknowledged is lost, reading goes on, and once there is space
 * again a vault that is opened anew writes again.
 *
 * The disk is a small tmpfs in a mount namespace of the test's own. Where none may be mounted, a limit on the size of
 * files stands in for it, and the test says so.
 */
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#define DISK_OPTIONS "size=160m,mode=700"
#define FILE_BYTES_MAX ((rlim_t)1 << 20)
#define ROUNDS 3U
#define RECORDS_MAX 20000U
#define LONG_BYTES 300000U

struct record {
    struct sherd_uuid id;
    uint64_t seed;
    size_t bytes;
};

static struct place place;
static struct record records[RECORDS_MAX];
static size_t record_count;
static uint8_t block[LONG_BYTES];

/* --- the disk ---------------------------------------------------------------------------------------------------- */

static bool file_write(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    return fd >= 0 && close(fd) == 0 && written;
}

/* Mounts of the process's own. Who is not root has them in a user namespace, as the user that it is. */
static bool unshare_mounts(void)
{
    char users[64];
    char groups[64];

    (void)snprintf(users, sizeof(users), "%u %u 1", geteuid(), geteuid());
    (void)snprintf(groups, sizeof(groups), "%u %u 1", getegid(), getegid());
    if (unshare(CLONE_NEWNS) == 0)
        return true;
    return unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0 && file_write("/proc/self/uid_map", users) &&
           file_write("/proc/self/setgroups", "deny") && file_write("/proc/self/gid_map", groups);
}

static bool mount_disk(void)
{
    if (!unshare_mounts())
        return false;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", place.root, "tmpfs", MS_NOSUID | MS_NODEV, DISK_OPTIONS) == 0;
}

static void limit_files(rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

    REQUIRE(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0,
            "neither a tmpfs nor a limit on files can be had: %s", strerror(errno));
}

/* --- filling it -------------------------------------------------------------------------------------------------- */

static enum sherd_err put(struct sherd_vault *vault, size_t bytes)
{
    struct record *record = &records[record_count];

    REQUIRE(record_count < RECORDS_MAX, "the disk does not get full");
    *record = (struct record){.seed = 1000 + record_count, .bytes = bytes};
    content_fill(record->seed, block, bytes);
    const enum sherd_err err = sherd_record_put(vault, NULL, sherd_span_of(block, bytes), &record->id);
    record_count += err == SHERD_OK;
    return err;
}

/* By turns many small records, records of all lengths, and long ones. */
static size_t bytes_in_round(unsigned round, uint64_t *random)
{
    if (round % 3 == 0)
        return 8000 + mix_below(random, 16000);
    return round % 3 == 1 ? CONTENT_BYTES_MIN + mix_below(random, 64000) : LONG_BYTES - mix_below(random, 100000);
}

static void require_no_space(enum sherd_err err, bool limited)
{
    REQUIRE(err == SHERD_ERR_IO, "%s (%s)", sherd_err_name(err), sherd_err_detail());
    REQUIRE(limited ? sherd_err_detail()[0] != '\0' : strstr(sherd_err_detail(), "space") != NULL,
            "a full disk is not named: %s", sherd_err_detail());
}

static void require_all(struct sherd_vault *vault)
{
    for (size_t i = 0; i < record_count; i++)
        require_content(vault, records[i].id, 0, records[i].seed, records[i].bytes);
}

static size_t fill(struct sherd_vault *vault, unsigned round, bool limited)
{
    uint64_t random = round;
    const size_t before = record_count;
    enum sherd_err err = SHERD_OK;

    while (err == SHERD_OK)
        err = put(vault, bytes_in_round(round, &random));
    require_no_space(err, limited);
    err = put(vault, bytes_in_round(round, &random));
    if (err != SHERD_OK) /* a long content that did not fit stops nothing: a shorter one may */
        require_no_space(err, limited);
    require_all(vault);
    return record_count - before;
}

static void ballast_path(char out[static 128])
{
    (void)snprintf(out, 128, "%s/ballast", place.root);
}

/*
 * Two thirds of what is free, to be given back when the disk is full. A vault that was full needs as much again as its
 * journals hold, to bring them into its entries.
 */
static void ballast_load(void)
{
    char path[128];
    struct statvfs disk;

    ballast_path(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && fstatvfs(fd, &disk) == 0, "ballast: %s", strerror(errno));
    const off_t bytes = (off_t)(disk.f_bavail / 3 * 2 * disk.f_frsize);
    REQUIRE(bytes > 0 && posix_fallocate(fd, 0, bytes) == 0, "ballast of %lld bytes", (long long)bytes);
    (void)close(fd);
}

static void ballast_drop(void)
{
    char path[128];

    ballast_path(path);
    REQUIRE(unlink(path) == 0, "ballast: %s", strerror(errno));
}

/* The disk is full: the vault opens, reads and verifies; it may be that a small thing still fits. */
static void require_full(bool limited)
{
    struct sherd_vault *vault = place_open(&place);

    require_all(vault);
    (void)require_clean(vault);
    const enum sherd_err err = put(vault, 50000);
    if (err != SHERD_OK)
        require_no_space(err, limited);
    require_all(vault);
    sherd_vault_close(vault);
}

/* There is space again: it writes, and sweeps what the failures left. */
static void require_roomy(void)
{
    struct sherd_vault *vault = place_open(&place);

    require_all(vault);
    (void)require_swept(vault);
    REQUIRE_OK(put(vault, 500));
    REQUIRE_OK(put(vault, 50000));
    REQUIRE_OK(sherd_record_delete(vault, records[--record_count].id));
    require_all(vault);
    sherd_vault_close(vault);
}

/* Make room for the next round. */
static void delete_half(void)
{
    struct sherd_vault *vault = place_open(&place);

    for (size_t keep = record_count / 2; record_count > keep;)
        REQUIRE_OK(sherd_record_delete(vault, records[--record_count].id));
    (void)require_swept(vault);
    sherd_vault_close(vault);
}

static void run_rounds(bool limited)
{
    const struct sherd_unseal unseal = place_unseal(&place);

    REQUIRE_OK(sherd_vault_init(place.vault, &unseal, NULL));
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (limited)
            limit_files(FILE_BYTES_MAX);
        else
            ballast_load();
        struct sherd_vault *vault = place_open(&place);
        const size_t fitted = fill(vault, round, limited);
        printf("# round %u: %zu records were acknowledged, then: %s\n", round, fitted, sherd_err_detail());
        sherd_vault_close(vault);
        require_full(limited);
        if (limited)
            limit_files(RLIM_INFINITY);
        else
            ballast_drop();
        require_roomy();
        delete_half();
    }
}

static void run(void *arg)
{
    const bool limited = !mount_disk();

    (void)arg;
    if (limited)
        printf("# no tmpfs may be mounted here (%s): a limit on the size of files stands in for it\n", strerror(errno));
    run_rounds(limited);
}

static void run_limited(void *arg)
{
    (void)arg;
    run_rounds(true);
}

static void test_fault_full__loses_nothing_and_recovers(void **state)
{
    (void)state;
    assert_int_equal(in_child(run, NULL), 0);
}

/* Files that may not grow: the same, of one file and not of the disk. */
static void test_fault_full__survives_a_limit_on_files(void **state)
{
    (void)state;
    assert_int_equal(in_child(run_limited, NULL), 0);
}

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    place_remove(&place);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fault_full__loses_nothing_and_recovers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fault_full__survives_a_limit_on_files, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
