/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the ledger's rounds: every event becomes one leaf, in order, whoever writes and wherever a round ends; and
 * of log, state and `keys` none can be put back without the others.
 */
#include "anchor.h"
#include "anchor/ledger/sequencer.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "envelope/lines.h"
#include <openssl/crypto.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4U
#define ROUNDS 60U
#define LEAVES_MAX 2000U

struct fixture {
    char root[40];
    struct sherd_compartment *keys;
    struct sherd_hmac_key *name;
    struct sherd_hmac_key *seal;
    struct sherd_leaf_keys *leaves;
    struct sherd_changes *changes;
    struct sherd_sequencer_parts parts;
    struct sherd_sequencer *sequencer;
};

static int setup(void **state)
{
    static struct fixture fixture;
    static const uint8_t key[32] = {3};
    static const uint8_t deployment[16] = {4};

    fixture = (struct fixture){.root = "/tmp/sherd-test-ledger-XXXXXX"};
    if (sherd_crypto_init() != SHERD_OK || mkdtemp(fixture.root) == NULL)
        return -1;
    fixture.keys = anchor_compartment(SHERD_KEYS, true);
    assert_ok(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(key, 32), &fixture.name));
    assert_ok(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key, 32), &fixture.seal));
    fixture.parts.keys = (struct sherd_entry_keys){
        .compartment = SHERD_FOR_KEYS, .version = 1, .name = fixture.name, .seal = fixture.seal};
    assert_ok(sherd_leaf_keys_new(sherd_span_of(key, 32), deployment, &fixture.leaves));
    assert_ok(sherd_changes_new(fixture.keys, &fixture.parts.keys, fixture.leaves, &fixture.changes));
    fixture.parts.dir = fixture.root;
    fixture.parts.seed = key;
    fixture.parts.changes = fixture.changes;
    fixture.parts.leaves = fixture.leaves;
    memcpy(fixture.parts.deployment.bytes, deployment, sizeof(deployment));
    assert_ok(sherd_sequencer_make(&fixture.parts, SHERD_EVENT_GENESIS));
    assert_ok(sherd_sequencer_new(&fixture.parts, &fixture.sequencer));
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    sherd_sequencer_free(fixture->sequencer);
    sherd_changes_free(fixture->changes);
    sherd_leaf_keys_free(fixture->leaves);
    sherd_hmac_key_free(fixture->name);
    sherd_hmac_key_free(fixture->seal);
    sherd_compartment_close(fixture->keys);
    vault_remove(fixture->root);
    return sherd_store_memory_forget("keys") == SHERD_OK ? 0 : -1;
}

/* --- what is in the log ------------------------------------------------------------------------------------------- */

struct leaves {
    const struct fixture *fixture;
    size_t count;
    struct sherd_event events[LEAVES_MAX];
};

static enum sherd_err take_leaf(void *arg, uint64_t index, struct sherd_span entry)
{
    struct leaves *leaves = arg;

    assert_int_equal(index, leaves->count);
    assert_true(leaves->count < LEAVES_MAX);
    return sherd_leaf_open(leaves->fixture->leaves, entry, &leaves->events[leaves->count++]);
}

static enum sherd_err take_leaves(void *arg, struct sherd_log *log, const struct sherd_join_state *joins)
{
    (void)joins;
    return sherd_log_verify(log, take_leaf, arg);
}

/* All leaves, verified against the checkpoint. */
static const struct leaves *leaves_of(const struct fixture *fixture)
{
    static struct leaves leaves;

    leaves.fixture = fixture;
    leaves.count = 0;
    assert_ok(sherd_sequencer_log(fixture->sequencer, take_leaves, &leaves));
    return &leaves;
}

static struct sherd_keys_check check(const struct fixture *fixture)
{
    struct sherd_keys_check found;

    assert_ok(sherd_sequencer_check(fixture->sequencer, NULL, &found, NULL));
    return found;
}

/* Write an entry, as event number n of a kind. */
static enum sherd_err write_as(const struct fixture *fixture, uint8_t name, const char *value, uint64_t n)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .name = {{0xff, name}}, .value = sherd_span_str(value)};
    struct sherd_event event = {.kind = SHERD_EVENT_PUT, .version = n};

    return sherd_changes_write(fixture->changes, &op, 1, &event, 1);
}

static void test_anchor_sequencer__events_become_leaves_in_order(void **state)
{
    const struct fixture *fixture = *state;
    uint64_t size = 0;

    assert_int_equal(check(fixture).log_size, 1);
    assert_true(check(fixture).agrees);
    for (uint64_t n = 1; n <= 5; n++)
        assert_ok(write_as(fixture, (uint8_t)n, "value", n));
    assert_int_equal(check(fixture).pending_count, 5);
    assert_true(check(fixture).agrees);
    assert_ok(sherd_sequencer_run(fixture->sequencer, &size));
    assert_int_equal(size, 6);
    assert_int_equal(check(fixture).pending_count, 0);
    assert_int_equal(check(fixture).entry_count, 5);
    assert_true(check(fixture).agrees);

    const struct leaves *leaves = leaves_of(fixture);
    assert_int_equal(leaves->count, 6);
    assert_int_equal(leaves->events[0].kind, SHERD_EVENT_GENESIS);
    for (uint64_t n = 1; n <= 5; n++)
        assert_int_equal(leaves->events[n].version, n);
    assert_ok(sherd_sequencer_run(fixture->sequencer, &size)); /* nothing is left to do */
    assert_int_equal(size, 6);
}

/* --- more than fits into a round ---------------------------------------------------------------------------------- */

/* The versions of the leaves behind the first must be 1, 2, 3... */
static enum sherd_err expect_next_version(void *arg, uint64_t index, struct sherd_span entry)
{
    const struct fixture *fixture = arg;
    struct sherd_event event;

    assert_ok(sherd_leaf_open(fixture->leaves, entry, &event));
    assert_int_equal(event.version, index);
    return SHERD_OK;
}

static enum sherd_err expect_in_order(void *arg, struct sherd_log *log, const struct sherd_join_state *joins)
{
    (void)joins;
    return sherd_log_verify(log, expect_next_version, arg);
}

/* Names of blocks are random: what is left for the next round must not be what was written first. */
static void test_anchor_sequencer__a_backlog_keeps_its_order(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t count = 2 * SHERD_SEQUENCER_ROUND_EVENTS_MAX + 100;
    uint64_t size = 0;

    for (uint64_t n = 1; n <= count; n++)
        assert_ok(write_as(fixture, (uint8_t)n, "value", n));
    assert_int_equal(check(fixture).pending_count, count);
    assert_ok(sherd_sequencer_run(fixture->sequencer, &size));
    assert_int_equal(size, count + 1);
    assert_ok(sherd_sequencer_log(fixture->sequencer, expect_in_order, fixture));
    assert_int_equal(check(fixture).pending_count, 0);
    assert_true(check(fixture).agrees);
}

/* --- where it ends ------------------------------------------------------------------------------------------------ */

#if SHERD_FAILPOINTS

static enum sherd_err fail_at(void *arg, const char *name)
{
    return strcmp(arg, name) == 0 ? sherd_fail(SHERD_ERR_IO, "failed on purpose") : SHERD_OK;
}

static enum sherd_err fail_once(void *arg, const char *name)
{
    unsigned *hits = arg;

    return strcmp(name, "sequencer.before_commit") == 0 && (*hits)++ == 1
               ? sherd_fail(SHERD_ERR_IO, "failed on purpose")
               : SHERD_OK;
}

/* What a round took that then failed is first in the next one. */
static void test_anchor_sequencer__a_backlog_keeps_its_order_when_a_round_fails(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t count = 2 * SHERD_SEQUENCER_ROUND_EVENTS_MAX + 100;
    unsigned hits = 0;
    uint64_t size = 0;

    for (uint64_t n = 1; n <= count; n++)
        assert_ok(write_as(fixture, (uint8_t)n, "value", n));
    sherd_failpoint_set(fail_once, &hits);
    assert_err(SHERD_ERR_IO, sherd_sequencer_run(fixture->sequencer, &size));
    sherd_failpoint_set(NULL, NULL);
    assert_ok(sherd_sequencer_run(fixture->sequencer, &size));
    assert_int_equal(size, count + 1);
    assert_ok(sherd_sequencer_log(fixture->sequencer, expect_in_order, fixture));
    assert_true(check(fixture).agrees);
}

/* Whatever place a round ends at, another handle finishes it: each event is one leaf, and the blocks go. */
static void test_anchor_sequencer__finishes_what_ended(void **state)
{
    static const char *const places[] = {"sequencer.before_commit", "ledger.committed", "sequencer.before_remove"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        assert_ok(write_as(fixture, (uint8_t)i, "value", i + 1));
        sherd_failpoint_set(fail_at, (void *)(uintptr_t)places[i]);
        assert_int_equal(sherd_sequencer_run(fixture->sequencer, NULL), SHERD_ERR_IO);
        sherd_failpoint_set(NULL, NULL);
        assert_true(check(fixture).agrees);

        sherd_sequencer_free(fixture->sequencer);
        fixture->sequencer = NULL;
        assert_ok(sherd_sequencer_new(&fixture->parts, &fixture->sequencer));
        assert_true(check(fixture).agrees);
        assert_ok(sherd_sequencer_run(fixture->sequencer, NULL));
        assert_int_equal(check(fixture).pending_count, 0);
        assert_true(check(fixture).agrees);

        const struct leaves *leaves = leaves_of(fixture);
        assert_int_equal(leaves->count, i + 2);
        assert_int_equal(leaves->events[i + 1].version, i + 1);
    }
}

#endif

/* --- what was put back -------------------------------------------------------------------------------------------- */

/* Run cp or rm, which both end with 0. */
static void run(const char *program, const char *option, const char *first, const char *second)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        execlp(program, program, option, first, second, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Put a copy of a file or folder of the anchor's in the place of another. */
static void copy_ledger(const struct fixture *fixture, const char *from, const char *to)
{
    char from_path[80];
    char to_path[80];

    (void)snprintf(from_path, sizeof(from_path), "%s/%s", fixture->root, from);
    (void)snprintf(to_path, sizeof(to_path), "%s/%s", fixture->root, to);
    run("rm", "-rf", to_path, NULL);
    run("cp", "-a", from_path, to_path);
}

static enum sherd_err reopen(struct fixture *fixture)
{
    sherd_sequencer_free(fixture->sequencer);
    fixture->sequencer = NULL;
    return sherd_sequencer_new(&fixture->parts, &fixture->sequencer);
}

static void test_anchor_sequencer__log_put_back_is_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_ok(write_as(fixture, 1, "old", 1));
    assert_ok(sherd_sequencer_run(fixture->sequencer, NULL));
    copy_ledger(fixture, "ledger", "then");
    assert_ok(write_as(fixture, 1, "new", 2));
    assert_ok(sherd_sequencer_run(fixture->sequencer, NULL));
    copy_ledger(fixture, "ledger", "now");

    copy_ledger(fixture, "then/state", "ledger/state");
    assert_int_equal(reopen(fixture), SHERD_ERR_TAMPERED);
    copy_ledger(fixture, "then", "ledger");
    copy_ledger(fixture, "now/state", "ledger/state");
    assert_int_equal(reopen(fixture), SHERD_ERR_TAMPERED);
    copy_ledger(fixture, "now", "ledger");
    assert_ok(sherd_file_remove(fixture->root, "ledger/state"));
    assert_int_equal(reopen(fixture), SHERD_ERR_TAMPERED);

    copy_ledger(fixture, "then", "ledger"); /* all of the ledger, but not `keys` */
    assert_ok(reopen(fixture));
    assert_false(check(fixture).agrees);
    copy_ledger(fixture, "now", "ledger");
    assert_ok(reopen(fixture));
    assert_true(check(fixture).agrees);
}

/* `keys` alone: an entry of before, with and without the block that goes with it. */
static void test_anchor_sequencer__entry_put_back_is_seen(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .name = {{0xff, 1}}, .value = sherd_span_str("old")};

    assert_ok(write_as(fixture, 1, "old", 1));
    assert_ok(write_as(fixture, 1, "new", 2));
    assert_ok(sherd_compartment_write(fixture->keys, &op, 1));
    assert_false(check(fixture).agrees);
    assert_ok(sherd_sequencer_run(fixture->sequencer, NULL));
    assert_false(check(fixture).agrees);
    op.value = sherd_span_str("new");
    assert_ok(sherd_compartment_write(fixture->keys, &op, 1));
    assert_true(check(fixture).agrees);
    op.kind = SHERD_STORE_DELETE;
    op.value = sherd_span_of(NULL, 0);
    assert_ok(sherd_compartment_write(fixture->keys, &op, 1));
    assert_false(check(fixture).agrees);
}

struct found_block {
    struct sherd_ref name;
    uint8_t bytes[SHERD_ENTRY_BYTES_MAX];
    size_t len;
};

static enum sherd_err find_block(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct found_block *block = arg;

    if (!sherd_pending_named(&name) || block->len != 0)
        return SHERD_OK;
    block->name = name;
    block->len = value.len;
    memcpy(block->bytes, value.data, value.len);
    return SHERD_OK;
}

/* A pending block removed, or put back after its round. */
static void test_anchor_sequencer__block_put_back_is_seen(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_snapshot *snapshot;
    struct found_block block = {.len = 0};

    assert_ok(write_as(fixture, 1, "value", 1));
    assert_ok(sherd_compartment_snapshot_begin(fixture->keys, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, find_block, &block));
    sherd_snapshot_end(snapshot);
    assert_int_not_equal(block.len, 0);
    struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .name = block.name};
    assert_ok(sherd_compartment_write(fixture->keys, &op, 1));
    assert_false(check(fixture).agrees);
    op = (struct sherd_store_op){
        .kind = SHERD_STORE_PUT, .name = block.name, .value = sherd_span_of(block.bytes, block.len)};
    assert_ok(sherd_compartment_write(fixture->keys, &op, 1));
    assert_true(check(fixture).agrees);
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(sherd_sequencer_run(fixture->sequencer, NULL));
        assert_ok(write_as(fixture, 2, "value", 2));
    }
    assert_ok(sherd_sequencer_run(fixture->sequencer, NULL));
    assert_true(check(fixture).agrees);
    assert_ok(sherd_compartment_write(fixture->keys, &op, 1)); /* two rounds later */
    assert_false(check(fixture).agrees);
}

/* --- many at once ------------------------------------------------------------------------------------------------- */

struct worker {
    const struct fixture *fixture;
    pthread_t thread;
    unsigned number;
    struct sherd_sequencer *sequencer; /* a handle of its own, as another process has */
    enum sherd_err err;
};

static void *work(void *arg)
{
    struct worker *worker = arg;

    for (unsigned i = 0; i < ROUNDS && worker->err == SHERD_OK; i++) {
        worker->err = write_as(worker->fixture, (uint8_t)(i % 3), "value", worker->number * ROUNDS + i + 1);
        if (worker->err == SHERD_OK && i % 10 == worker->number)
            worker->err = sherd_sequencer_run(worker->sequencer, NULL);
    }
    return NULL;
}

static void test_anchor_sequencer__handles_take_turns(void **state)
{
    const struct fixture *fixture = *state;
    struct worker workers[THREADS];
    bool seen[THREADS * ROUNDS + 1] = {false};

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = fixture, .number = i};
        assert_ok(sherd_sequencer_new(&fixture->parts, &workers[i].sequencer));
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_ok(workers[i].err);
        sherd_sequencer_free(workers[i].sequencer);
    }
    assert_ok(sherd_sequencer_run(fixture->sequencer, NULL));
    assert_true(check(fixture).agrees);

    const struct leaves *leaves = leaves_of(fixture);
    assert_int_equal(leaves->count, 1 + THREADS * ROUNDS);
    for (size_t i = 1; i < leaves->count; i++) {
        assert_in_range(leaves->events[i].version, 1, THREADS * ROUNDS);
        assert_false(seen[leaves->events[i].version]);
        seen[leaves->events[i].version] = true;
    }
}

/* The thread makes a round by itself when enough was written, and one more is asked for at the end. */
static void test_anchor_sequencer__thread_makes_rounds(void **state)
{
    const struct fixture *fixture = *state;
    uint64_t size = 0;

    for (uint64_t n = 1; n <= 1000; n++) {
        assert_ok(write_as(fixture, (uint8_t)n, "value", n));
        sherd_sequencer_wake(fixture->sequencer);
    }
    for (unsigned tries = 0; tries < 600 && check(fixture).log_size < 1001; tries++)
        (void)usleep(50000);
    assert_int_equal(check(fixture).log_size, 1001);
    assert_ok(sherd_sequencer_run(fixture->sequencer, &size));
    assert_int_equal(size, 1001);
}

/* --- by which keys ------------------------------------------------------------------------------------------------ */

struct signed_by {
    const struct fixture *fixture;
    struct sherd_buf note;
    struct sherd_buf keys;
};

static enum sherd_err take_signers(void *arg, struct sherd_log *log, const struct sherd_join_state *joins)
{
    struct signed_by *by = arg;

    (void)joins;
    assert_ok(sherd_buf_append(&by->note, sherd_log_note(log)));
    return sherd_sequencer_vkeys(by->fixture->sequencer, sherd_log_note(log), &by->keys);
}

static void signed_by_done(struct signed_by *by)
{
    sherd_buf_done(&by->note);
    sherd_buf_done(&by->keys);
}

/* Reads the newest checkpoint, which must verify by all keys that it names. @return how many there are */
static size_t signers_of(const struct fixture *fixture, struct signed_by *by)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    *by = (struct signed_by){.fixture = fixture};
    assert_ok(sherd_sequencer_log(fixture->sequencer, take_signers, by));
    assert_ok(sherd_policy_of_log(sherd_buf_span(&by->keys), &policy));
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&by->note), policy, &checkpoint, &vouched));
    assert_int_equal(vouched.logs, policy->log_count);
    return vouched.logs;
}

/* The checkpoint of a machine without ML-DSA-44: the first signature alone. */
static void cut_to_one(const struct fixture *fixture, const struct signed_by *by)
{
    struct sherd_signed parts;
    struct sherd_span line;

    assert_ok(sherd_signed_parse(sherd_buf_span(&by->note), &parts));
    struct sherd_span rest = parts.lines;
    assert_true(sherd_line_take(&rest, &line));
    assert_ok(sherd_file_write(fixture->root, "ledger/checkpoint",
                               sherd_span_of(by->note.data, by->note.len - rest.len)));
}

static void test_anchor_sequencer__signs_with_all_that_there_is(void **state)
{
    const struct fixture *fixture = *state;
    const size_t expected = OpenSSL_version_num() >= 0x30500000UL ? 2 : 1;
    SHERD_CLEANUP(signed_by_done) struct signed_by made = {0};
    SHERD_CLEANUP(signed_by_done) struct signed_by cut = {0};
    SHERD_CLEANUP(signed_by_done) struct signed_by again = {0};
    uint64_t size = 0;

    assert_int_equal(signers_of(fixture, &made), expected);
    cut_to_one(fixture, &made);
    assert_int_equal(signers_of(fixture, &cut), 1); /* nobody is told of a key that did not sign */
    assert_ok(sherd_sequencer_run(fixture->sequencer, &size));
    assert_int_equal(size, 1);
    assert_int_equal(signers_of(fixture, &again), expected); /* signed anew, and else the same */
    assert_true(sherd_span_equal(sherd_buf_span(&again.keys), sherd_buf_span(&made.keys)));
    assert_true(check(fixture).agrees);
    assert_int_equal(leaves_of(fixture)->count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__events_become_leaves_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__a_backlog_keeps_its_order, setup, teardown),
#if SHERD_FAILPOINTS
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__a_backlog_keeps_its_order_when_a_round_fails, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__finishes_what_ended, setup, teardown),
#endif
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__log_put_back_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__entry_put_back_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__block_put_back_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__handles_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__thread_makes_rounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor_sequencer__signs_with_all_that_there_is, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
