/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the window: many writers together, or one alone, over threads and processes; and that nobody waits for ever.
 *
 * Each party enters and leaves for as long as a test runs. What they do inside lies in memory that all processes share.
 */
#include "base/macros.h"
#include "cryptor/window.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PARTIES_MAX 16U

/* Shared by all processes. */
struct scene {
    atomic_bool stop;
    atomic_uint writers;
    atomic_uint alone;
    atomic_uint violations;
    atomic_uint together; /* times that a writer met another */
    atomic_ulong entries[PARTIES_MAX];
};

static struct scene *scene;
static char lock_dir[40];
static char lock_path[48];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(lock_dir, sizeof(lock_dir), "/tmp/sherd-test-window-XXXXXX");
    if (mkdtemp(lock_dir) == NULL)
        return -1;
    (void)snprintf(lock_path, sizeof(lock_path), "%s/lock", lock_dir);
    const int fd = open(lock_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return fd < 0 || close(fd) != 0 || scene == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(scene, sizeof(*scene)) != 0 || unlink(lock_path) != 0 || rmdir(lock_dir) != 0 ? -1 : 0;
}

static void sleep_us(long us)
{
    const struct timespec time = {us / 1000000, us % 1000000 * 1000};

    (void)nanosleep(&time, NULL);
}

struct party {
    struct sherd_window *window;
    pthread_t thread;
    unsigned number;
    bool alone;
    long inside_us; /* how long it stays */
};

static void enter_and_leave(const struct party *party)
{
    if (sherd_window_enter(party->window, party->alone) != SHERD_OK) {
        atomic_fetch_add(&scene->violations, 1);
        return;
    }
    if (party->alone) {
        if (atomic_fetch_add(&scene->alone, 1) != 0 || atomic_load(&scene->writers) != 0)
            atomic_fetch_add(&scene->violations, 1);
    } else {
        if (atomic_fetch_add(&scene->writers, 1) != 0)
            atomic_fetch_add(&scene->together, 1);
        if (atomic_load(&scene->alone) != 0)
            atomic_fetch_add(&scene->violations, 1);
    }
    if (party->inside_us > 0)
        sleep_us(party->inside_us);
    if (!atomic_load(&scene->stop))
        atomic_fetch_add(&scene->entries[party->number], 1);
    atomic_fetch_sub(party->alone ? &scene->alone : &scene->writers, 1);
    sherd_window_leave(party->window, party->alone);
}

static void *take_part(void *arg)
{
    while (!atomic_load(&scene->stop))
        enter_and_leave(arg);
    return NULL;
}

/* Let parties of one process act until the scene stops. @return whether all of them could be started */
static bool play(struct party *parties, size_t count)
{
    struct sherd_window *window = NULL;
    bool started = sherd_window_open(lock_path, &window) == SHERD_OK;
    size_t running = 0;

    for (size_t i = 0; i < count && started; i++) {
        parties[i].window = window;
        started = pthread_create(&parties[i].thread, NULL, take_part, &parties[i]) == 0;
        running += started ? 1 : 0;
    }
    if (!started)
        atomic_store(&scene->stop, true);
    for (size_t i = 0; i < running; i++)
        (void)pthread_join(parties[i].thread, NULL);
    sherd_window_close(window);
    return started;
}

static pid_t play_in_child(struct party *parties, size_t count)
{
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(play(parties, count) ? 0 : 1);
    return child;
}

/* Run parties in so many processes for a while, then look that nobody was hindered and nobody forgotten. */
static void run(struct party parties[][4], const size_t *counts, size_t processes, long run_us, unsigned long least)
{
    pid_t children[4];
    unsigned number = 0;

    for (size_t p = 0; p < processes; p++)
        for (size_t i = 0; i < counts[p]; i++)
            parties[p][i].number = number++;
    for (size_t p = 0; p < processes; p++)
        children[p] = play_in_child(parties[p], counts[p]);
    sleep_us(run_us);
    atomic_store(&scene->stop, true);
    for (size_t p = 0; p < processes; p++) {
        int status = 1;

        assert_int_equal(waitpid(children[p], &status, 0), children[p]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(atomic_load(&scene->violations), 0);
    for (unsigned i = 0; i < number; i++)
        if (atomic_load(&scene->entries[i]) < least)
            fail_msg("party %u entered %lu times", i, atomic_load(&scene->entries[i]));
}

static void test_cryptor_window_enter__keeps_writers_together_and_others_alone(void **state)
{
    struct party parties[1][4] = {
        {{.inside_us = 50}, {.inside_us = 50}, {.inside_us = 50}, {.alone = true, .inside_us = 50}}};

    (void)state;
    run(parties, (const size_t[]){4}, 1, 700000, 5);
    assert_true(atomic_load(&scene->together) > 0);
}

static void test_cryptor_window_enter__holds_between_processes(void **state)
{
    struct party parties[3][4] = {{{.inside_us = 50}, {.inside_us = 50}},
                                  {{.inside_us = 50}, {.alone = true, .inside_us = 50}},
                                  {{.alone = true, .inside_us = 50}}};

    (void)state;
    run(parties, (const size_t[]){2, 2, 1}, 3, 1000000, 5);
    assert_true(atomic_load(&scene->together) > 0);
}

static void test_cryptor_window_enter__lets_one_in_among_writers_that_never_pause(void **state)
{
    /* three writers of one process, so that one of them is always inside; and one who wants to be alone */
    struct party parties[1][4] = {{{.inside_us = 200}, {.inside_us = 300}, {.inside_us = 500}, {.alone = true}}};

    (void)state;
    run(parties, (const size_t[]){4}, 1, 700000, 5);
}

static void test_cryptor_window_enter__lets_one_in_among_the_writers_of_another_process(void **state)
{
    struct party parties[2][4] = {{{.inside_us = 200}, {.inside_us = 300}, {.inside_us = 500}}, {{.alone = true}}};

    (void)state;
    run(parties, (const size_t[]){3, 1}, 2, 1500000, 3);
}

static void test_cryptor_window_enter__lets_one_in_among_the_writers_of_many_processes(void **state)
{
    struct party parties[3][4] = {
        {{.inside_us = 200}, {.inside_us = 300}}, {{.inside_us = 250}, {.inside_us = 500}}, {{.alone = true}}};

    (void)state;
    run(parties, (const size_t[]){2, 2, 1}, 3, 1500000, 3);
}

static void test_cryptor_window_enter__lets_writers_in_among_those_who_come_alone(void **state)
{
    struct party parties[1][4] = {{{.alone = true, .inside_us = 100},
                                   {.alone = true, .inside_us = 100},
                                   {.alone = true, .inside_us = 100},
                                   {.inside_us = 100}}};

    (void)state;
    run(parties, (const size_t[]){4}, 1, 700000, 5);
}

static void test_cryptor_window_enter__lets_writers_in_among_those_who_come_alone_elsewhere(void **state)
{
    struct party parties[2][4] = {{{.alone = true, .inside_us = 100}, {.alone = true, .inside_us = 100}},
                                  {{.inside_us = 100}}};

    (void)state;
    run(parties, (const size_t[]){2, 1}, 2, 1000000, 5);
}

static void test_cryptor_window_enter__ends_with_the_process_that_holds_it(void **state)
{
    int ready[2];
    char byte;

    (void)state;
    for (unsigned i = 0; i < 2; i++) { /* a writer that dies inside, and one who dies alone */
        struct sherd_window *window = NULL;

        assert_int_equal(pipe(ready), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (sherd_window_open(lock_path, &window) != SHERD_OK || sherd_window_enter(window, i == 1) != SHERD_OK ||
                write(ready[1], "x", 1) != 1)
                _exit(1);
            sleep_us(50000);
            _exit(0); /* without leaving */
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(sherd_window_open(lock_path, &window), SHERD_OK);
        assert_int_equal(sherd_window_enter(window, true), SHERD_OK); /* waits for its end, not longer */
        sherd_window_leave(window, true);
        assert_int_equal(sherd_window_enter(window, false), SHERD_OK);
        sherd_window_leave(window, false);
        sherd_window_close(window);
        assert_int_equal(waitpid(child, NULL, 0), child);
        (void)close(ready[0]);
        (void)close(ready[1]);
    }
}

static void test_cryptor_window_open__needs_its_file(void **state)
{
    struct sherd_window *window = NULL;

    (void)state;
    assert_int_equal(sherd_window_open("/tmp/sherd-test-window-that-is-not-there", &window), SHERD_ERR_IO);
    assert_null(window);
    sherd_window_close(NULL);
}

#define window_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        window_test(test_cryptor_window_enter__keeps_writers_together_and_others_alone),
        window_test(test_cryptor_window_enter__holds_between_processes),
        window_test(test_cryptor_window_enter__lets_one_in_among_writers_that_never_pause),
        window_test(test_cryptor_window_enter__lets_one_in_among_the_writers_of_another_process),
        window_test(test_cryptor_window_enter__lets_one_in_among_the_writers_of_many_processes),
        window_test(test_cryptor_window_enter__lets_writers_in_among_those_who_come_alone),
        window_test(test_cryptor_window_enter__lets_writers_in_among_those_who_come_alone_elsewhere),
        window_test(test_cryptor_window_enter__ends_with_the_process_that_holds_it),
        window_test(test_cryptor_window_open__needs_its_file),
    };

    return cmocka_run_group_tests_name("cryptor_window", tests, NULL, NULL);
}
