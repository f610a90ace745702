/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every named failpoint that a change of a vault meets, each of its hits, times kill, EIO, ENOSPC and a lost answer.
 *
 * A change is first traced, which gives the list of its hits: "lmdb.flush" the third time is the flush of `keys` in a
 * put. Then, for each of them and each action, a copy of one prepared vault is opened by a process in which just that
 * happens, and while this process still holds its vault open (unless it was killed) another one opens it, too (the one
 * that was started for the cell), and requires that
 *
 *   - the record is as before or as after, and as after if the call said so; a batch all or nothing;
 *   - no other record is touched;
 *   - it can write at once, so no lock is held;
 *   - the vault verifies, and a sweep leaves exactly the entries that the records account for.
 *
 * Then the first process must still be able to read, and refuse to write if its store failed.
 *
 * docs/failpoints.md lists all names; the last test requires that each of them was struck.
 */
#include "points.h"

#if SHERD_FAILPOINTS

#include "base/failpoint.h"
#include "crypto/init.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define ANYWHERE_HITS 6U
#define NAMES_MAX 64U

static const char *const action_names[ACTION_COUNT] = {"kill", "io", "nospace", "lost"};

static unsigned cells;
static unsigned missed; /* cells whose hit did not come: see require_struck() */

/* Which names were struck, with which actions. */
static struct {
    char name[40];
    bool actions[ACTION_COUNT];
} struck[NAMES_MAX];

static int setup(void **state)
{
    (void)state;
    scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (scene == MAP_FAILED)
        return -1;
    sherd_failpoint_set(no_hook, NULL);
    return in_child(prepare, NULL); /* this process never touches the cryptography, so that each child begins anew */
}

static int teardown(void **state)
{
    (void)state;
    place_remove(&scene->place);
    return munmap(scene, sizeof(*scene));
}

/* --- cells ------------------------------------------------------------------------------------------------------- */

/* Run the process that acts up to the end of the change. @return its id, 0 if it was killed as it should be */
static pid_t start_acting(void)
{
    char word = 'x';
    int status = 0;

    scene->struck = false;
    scene->hits = 0;
    scene->result = SHERD_ERR_IO; /* as good as unknown */
    REQUIRE(pipe(scene->done_pipe) == 0 && pipe(scene->go_pipe) == 0, "no pipe");
    const pid_t child = fork_child();
    if (child == 0) {
        act(NULL);
        if (scene->action == ACTION_NOSPACE) /* it went the way of ACTION_IO, and the search takes long */
            _exit(0);
        exit(0); /* leaks are looked for: this is the process that met a failure */
    }
    (void)close(scene->done_pipe[1]); /* so that the end of a child that dies is seen */
    if (!scene->tracing && scene->action == ACTION_KILL) {
        REQUIRE(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
        REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it ended with %d", status);
        return 0;
    }
    REQUIRE(read(scene->done_pipe[0], &word, 1) == 1, "no word from the process that acts");
    return child;
}

static void finish_acting(pid_t child)
{
    int status = 0;

    if (child == 0)
        return;
    REQUIRE(write(scene->go_pipe[1], "x", 1) == 1, "no pipe");
    REQUIRE(waitpid(child, &status, 0) == child && status == 0, "the process that acts ended with %d", status);
}

/* A name without a place, such as every allocation. */
static bool is_anywhere(const char *name)
{
    return strcmp(name, "alloc") == 0 || strcmp(name, "random") == 0;
}

/*
 * How often a name without a place is hit follows from how many threads of the pool come to take part, since each
 * allocates what the cryptography keeps for a thread: a busy machine has fewer hits than were traced. Such a cell is a
 * change without a failure.
 */
static void require_struck(void)
{
    REQUIRE(scene->struck || is_anywhere(scene->aim.name), "the failpoint was not reached");
    REQUIRE(scene->struck || scene->result == SHERD_OK, "it does not work even without a failure");
}

static void run_cell(void *arg)
{
    (void)arg;
    tree_remove(scene->place.vault); /* of a cell that failed: one that fails must not make the next ones fail */
    tree_copy(scene->prepared, scene->place.vault);
    const pid_t child = start_acting();
    if (!scene->tracing) {
        require_struck();
        look();
    }
    finish_acting(child);
    if (scene->tracing)
        REQUIRE(scene->result == SHERD_OK, "it does not work even without a failure");
    else if (child != 0)
        look_again();
    tree_remove(scene->place.vault);
}

static void note_struck(const char *name, enum action action)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (struck[i].name[0] == '\0')
            (void)snprintf(struck[i].name, sizeof(struck[i].name), "%s", name);
        if (strcmp(struck[i].name, name) != 0)
            continue;
        struck[i].actions[action] = true;
        return;
    }
    fail_msg("more than %u names", NAMES_MAX);
}

/* Whether an action at this place says something that another does not. */
static bool is_worth(const char *name, enum action action)
{
    return action == ACTION_IO || !is_anywhere(name);
}

/* How often a name was hit in the last trace. */
static unsigned traced(const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < scene->trace_count; i++)
        count += strcmp(scene->trace[i].name, name) == 0;
    return count;
}

static void trace(const struct change *change)
{
    scene->change = change;
    scene->trace_count = 0;
    memset(scene->trace, 0, sizeof(scene->trace));
    scene->tracing = true;
    const int status = in_child(run_cell, NULL);
    scene->tracing = false;
    if (status != 0)
        fail_msg("%s ended with %d", change->name, status);
}

/* A name without a place is struck here and there; test_fault_calls strikes each. */
static bool is_picked(const struct point *point)
{
    const unsigned step = 1 + (traced(point->name) - 1) / ANYWHERE_HITS;

    return !is_anywhere(point->name) || point->hit % step == 0;
}

static void run_cell_of(const struct change *change, const struct point *point, enum action action)
{
    scene->aim = *point;
    scene->action = action;
    if (in_child(run_cell, NULL) != 0)
        fail_msg("%s, %s hit %u, %s", change->name, point->name, point->hit, action_names[action]);
    if (scene->struck)
        note_struck(point->name, action);
    else
        missed++;
    cells++;
}

static void run_matrix(const struct change *change)
{
    trace(change);
    for (unsigned i = 0; i < scene->trace_count; i++)
        for (int action = 0; action < ACTION_COUNT && is_picked(&scene->trace[i]); action++)
            if (is_worth(scene->trace[i].name, (enum action)action) &&
                (action != ACTION_NOSPACE || scene->trace[i].hit == 1)) /* on from there it goes the way of EIO */
                run_cell_of(change, &scene->trace[i], (enum action)action);
}

/* What takes the way of sealed records: killed at each place, so that what is of rows alone is looked at. */
static void run_kills_of(const char *name)
{
    const struct change *change = change_named(name);

    assert_non_null(change);
    trace(change);
    for (unsigned i = 0; i < scene->trace_count; i++)
        if (!is_anywhere(scene->trace[i].name))
            run_cell_of(change, &scene->trace[i], ACTION_KILL);
}

static void run_matrix_of(const char *name)
{
    const struct change *change = change_named(name);

    assert_non_null(change);
    run_matrix(change);
}

static void test_fault_points__put_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of("put");
    assert_int_equal(traced("lmdb.flush"), 3); /* secrets, assets, keys */
    run_matrix_of("put_blob");
    assert_int_equal(traced("lmdb.flush"), 2); /* assets, keys */
    run_matrix_of("put_once");
    run_matrix_of("put_entity");
    assert_int_equal(traced("lmdb.flush"), 5); /* keys for the entity and a use of its master key as well */
}

static void test_fault_points__batch_is_all_or_nothing(void **state)
{
    (void)state;
    run_matrix_of("batch");
    assert_int_equal(traced("lmdb.flush"), 3);
    run_matrix_of("batch_large");
    assert_true(traced("lmdb.apply") > 0 && traced("lmdb.rotate") > 0);
}

static void test_fault_points__update_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of("update");
    run_matrix_of("update_blob");
    run_matrix_of("update_kept");
    run_matrix_of("update_kept_blob");
}

static void test_fault_points__delete_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of("delete");
    assert_int_equal(traced("lmdb.flush"), 3);
    run_matrix_of("delete_blob");
    run_matrix_of("delete_kept");
    run_matrix_of("delete_kept_blob");
    run_matrix_of("delete_once");
}

static void test_fault_points__row_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_kills_of("put_row");
    assert_int_equal(traced("lmdb.flush"), 3);
    run_kills_of("update_row");
    run_kills_of("delete_row");
    assert_int_equal(traced("lmdb.flush"), 3);
}

static void test_fault_points__collection_is_there_or_not(void **state)
{
    (void)state;
    run_matrix_of("collection");
}

static void test_fault_points__sweep_harms_nothing(void **state)
{
    (void)state;
    run_matrix_of("sweep");
}

static void test_fault_points__rekey_leaves_every_version_what_it_was(void **state)
{
    (void)state;
    run_matrix_of("rekey");
    assert_true(traced("reseal.after_pin") > 1 && traced("pin.before_replace") > 1); /* in entries and in blobs */
}

/* Comes first: afterwards the cryptography is ready in this process, and so in all that it starts. */
static void test_fault_points__open_and_init_harm_nothing(void **state)
{
    (void)state;
    run_matrix_of("open");
    run_matrix_of("init");
    assert_int_equal(sherd_crypto_init(), SHERD_OK);
}

/* The names in docs/failpoints.md: rows that begin with | `name` |, up to those of keys, which unit tests strike. */
static void test_fault_points__all_that_are_documented_were_struck(void **state)
{
    FILE *doc = fopen(FAILPOINTS_DOC, "re");
    char line[1024];
    unsigned names = 0;

    (void)state;
    assert_non_null(doc);
    while (fgets(line, sizeof(line), doc) != NULL && strcmp(line, "## Of keys and seals\n") != 0) {
        char name[40];
        size_t i = 0;

        if (sscanf(line, "| `%39[a-z_.]` |", name) != 1)
            continue;
        names++;
        while (i < NAMES_MAX && strcmp(struck[i].name, name) != 0)
            i++;
        if (i == NAMES_MAX)
            fail_msg("%s was never struck", name);
        for (int action = 0; action < ACTION_COUNT; action++)
            if (is_worth(name, (enum action)action) && !struck[i].actions[action])
                fail_msg("%s was never struck with %s", name, action_names[action]);
    }
    (void)fclose(doc);
    print_message("%u names, %u cells, in %u of which the hit did not come\n", names, cells, missed);
    assert_true(names >= 27);
    assert_true(missed <= cells / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_points__open_and_init_harm_nothing),
        cmocka_unit_test(test_fault_points__put_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_points__batch_is_all_or_nothing),
        cmocka_unit_test(test_fault_points__update_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_points__delete_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_points__row_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_points__collection_is_there_or_not),
        cmocka_unit_test(test_fault_points__sweep_harms_nothing),
        cmocka_unit_test(test_fault_points__rekey_leaves_every_version_what_it_was),
        cmocka_unit_test(test_fault_points__all_that_are_documented_were_struck),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

#else

int main(void)
{
    fprintf(stderr, "skipped: this build has no failpoints (-Dfailpoints=true)\n");
    return 77;
}

#endif
