/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast are contents of 50 MB and of 1 GB put and got, and how much memory does that take?
 *
 * Limit of a put: encrypt (AES-256-GCM, chunks of 16 KiB), SHA-256, write and fdatasync on two threads, with nothing
 * around them; the faster of flushing once and of starting the disk early. Limit of a get: AES-256-GCM decryption
 * alone, of data that lies in memory, on one thread; the same on two threads is printed beside it. Blocks are touched
 * before they are used.
 */
#include "bare.h"
#include "common.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BENCH "stream"
#define THREADS 2U
#define STEP_BYTES ((size_t)1 << 20)
#define SMALL_BYTES ((size_t)50000000)
#define LARGE_BYTES ((size_t)1000000000)

struct bench {
    const char *folder;
    struct sherd_vault *vault;
    uint8_t *plain;
    uint8_t *sealed;
    uint8_t *block;
};

/* --- memory ------------------------------------------------------------------------------------------------------ */

/* A line of /proc/self/status, in bytes. */
static double status_bytes(const char *field)
{
    char line[256];
    double bytes = -1;
    FILE *file = fopen("/proc/self/status", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            bytes = strtod(line + strlen(field) + 1, NULL) * 1024;
    if (file == NULL || bytes < 0)
        bench_die("/proc/self/status has no %s", field);
    (void)fclose(file);
    return bytes;
}

static double peak_begin(void)
{
    const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "5", 1) != 1)
        bench_die("/proc/self/clear_refs cannot be written");
    (void)close(fd);
    return status_bytes("VmHWM:");
}

static double peak_mib(double before)
{
    return (status_bytes("VmHWM:") - before) / (1 << 20);
}

/* --- put and get ------------------------------------------------------------------------------------------------- */

static double put_whole(struct bench *bench, size_t bytes, struct sherd_uuid *out_id)
{
    const double start = bench_now_s();

    bench_check(sherd_record_put(bench->vault, NULL, sherd_span_of(bench->plain, bytes), out_id), "put");
    return bench_now_s() - start;
}

static double put_stream(struct bench *bench, size_t bytes, struct sherd_uuid *out_id)
{
    const double start = bench_now_s();
    struct sherd_writer *writer = NULL;

    bench_check(sherd_writer_begin(bench->vault, NULL, &writer), "begin");
    for (size_t done = 0; done < bytes;) {
        const size_t step = bytes - done < STEP_BYTES ? bytes - done : STEP_BYTES;

        bench_check(sherd_writer_append(writer, sherd_span_of(bench->plain + done, step)), "append");
        done += step;
    }
    bench_check(sherd_writer_commit(writer, out_id, NULL), "commit");
    return bench_now_s() - start;
}

static double get_whole(struct bench *bench, struct sherd_uuid id, size_t bytes)
{
    struct sherd_buf content = sherd_buf_borrow(bench->block, bytes);
    const double start = bench_now_s();

    bench_check(sherd_record_get(bench->vault, id, 0, &content), "get");
    const double took = bench_now_s() - start;
    if (content.len != bytes)
        bench_die("the contents came back short");
    return took;
}

/* Through one block of 1 MiB, as a program would copy it out. */
static double get_stream(struct bench *bench, struct sherd_uuid id)
{
    const double start = bench_now_s();
    struct sherd_reader *reader = NULL;
    uint64_t bytes = 0;
    size_t got = 0;

    bench_check(sherd_reader_open(bench->vault, id, 0, &reader, &bytes), "open");
    for (uint64_t done = 0; done < bytes; done += got)
        bench_check(sherd_reader_read(reader, done, bench->block, STEP_BYTES, &got), "read");
    sherd_reader_close(reader);
    return bench_now_s() - start;
}

static void forget(struct bench *bench, struct sherd_uuid id)
{
    bench_check(sherd_record_delete(bench->vault, id), "delete");
}

static double limit_put(struct bench *bench, size_t bytes)
{
    const char *path = bench_path(bench->folder, "bare");
    const double once = bare_put(bench->plain, bytes, THREADS, 0, path);
    const double early = bare_put(bench->plain, bytes, THREADS, 1, path);

    return once < early ? once : early;
}

static void measure(struct bench *bench, size_t bytes, const char *size, unsigned rounds)
{
    struct bench_series put = {0}, stream = {0}, get = {0}, get2 = {0}, out = {0};
    const double mb = (double)bytes / 1e6;
    struct sherd_uuid id;
    char name[96];

    bare_seal(bench->plain, bytes, bench->sealed);
    for (unsigned i = 0; i < rounds; i++) {
        const double limit = mb / limit_put(bench, bytes);

        bench_series_add(&stream, mb / put_stream(bench, bytes, &id), limit);
        forget(bench, id);
        bench_series_add(&put, mb / put_whole(bench, bytes, &id), limit);
        (void)get_whole(bench, id, bytes);
        const double ours = mb / get_whole(bench, id, bytes);
        if (memcmp(bench->plain, bench->block, bytes) != 0)
            bench_die("the contents came back changed");
        bench_series_add(&get, ours, mb / bare_open(bench->sealed, bytes, 1, bench->block));
        bench_series_add(&get2, ours, mb / bare_open(bench->sealed, bytes, THREADS, bench->block));
        bench_series_add(&out, mb / get_stream(bench, id), get.limit[i]);
        forget(bench, id);
    }
    (void)snprintf(name, sizeof(name), "put of %s, in one call", size);
    bench_series_report(&put,
                        (struct bench_figure){BENCH, name, .unit = "MB/s", .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.8,
                                              .limit = "encrypt, SHA-256, write, fdatasync on two threads"});
    (void)snprintf(name, sizeof(name), "put of %s, as a stream", size);
    bench_series_report(&stream,
                        (struct bench_figure){BENCH, name, .unit = "MB/s", .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.8,
                                              .limit = "encrypt, SHA-256, write, fdatasync on two threads"});
    (void)snprintf(name, sizeof(name), "get of %s, warm", size);
    bench_series_report(&get, (struct bench_figure){BENCH, name, .unit = "MB/s", .wanted = BENCH_RATIO_AT_LEAST,
                                                    .bound = 0.7, .limit = "AES-256-GCM decryption alone"});
    bench_series_report(&get2, (struct bench_figure){BENCH, name, .unit = "MB/s",
                                                     .limit = "AES-256-GCM decryption alone, on two threads"});
    (void)snprintf(name, sizeof(name), "get of %s, warm, in steps of 1 MiB", size);
    bench_series_report(&out,
                        (struct bench_figure){BENCH, name, .unit = "MB/s", .limit = "AES-256-GCM decryption alone"});
}

/* --- peaks ------------------------------------------------------------------------------------------------------- */

static void report_peak(const char *name, double mib)
{
    bench_report(&(struct bench_figure){
        .bench = BENCH, .name = name, .value = mib, .unit = "MiB", .wanted = BENCH_VALUE_AT_MOST, .bound = 32});
}

static void measure_peaks(struct bench *bench, size_t bytes)
{
    struct sherd_uuid id;
    double before = peak_begin();

    (void)put_stream(bench, bytes, &id);
    report_peak("peak memory of a put as a stream", peak_mib(before));
    before = peak_begin();
    (void)get_stream(bench, id);
    report_peak("peak memory of a get in steps", peak_mib(before));
    before = peak_begin();
    (void)get_whole(bench, id, bytes);
    report_peak("peak memory of a get into a block", peak_mib(before));
    forget(bench, id);
    before = peak_begin();
    (void)put_whole(bench, bytes, &id);
    report_peak("peak memory of a put in one call", peak_mib(before));
    forget(bench, id);
    before = peak_begin();
    (void)put_whole(bench, 1024, &id);
    report_peak("peak memory of a put of 1 KiB", peak_mib(before));
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 5};
    struct bench bench = {0};

    bench_options(argc, argv, &options);
    bench.folder = bench_folder(&options, BENCH);
    bench.vault = bench_vault(bench_path(bench.folder, "vault"), THREADS);
    bench.plain = bench_map(LARGE_BYTES);
    bench.block = bench_map(LARGE_BYTES);
    bench_fill(bench.plain, LARGE_BYTES, 1);
    measure_peaks(&bench, LARGE_BYTES); /* first, in a vault that has just been opened */
    bench.sealed = bench_map(bare_sealed_bytes(LARGE_BYTES));
    measure(&bench, SMALL_BYTES, "50 MB", options.rounds * 2);
    measure(&bench, LARGE_BYTES, "1 GB", options.rounds);
    sherd_vault_close(bench.vault);
    bench_unmap(bench.plain, LARGE_BYTES);
    bench_unmap(bench.block, LARGE_BYTES);
    bench_unmap(bench.sealed, bare_sealed_bytes(LARGE_BYTES));
    return 0;
}
