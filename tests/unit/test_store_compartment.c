/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the compartment: checks of engines, arguments and answers, group commit, and the stop after a failure. */
#include "store_puppet.h"
#include "store/fault/fault.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those above, which it needs */
#include <cmocka.h>

static const char place[] = "a compartment";

static struct sherd_store_op op_put(uint64_t n, const char *value)
{
    return (struct sherd_store_op){.kind = SHERD_STORE_PUT, .name = name_of(n), .value = sherd_span_str(value)};
}

static enum sherd_err put(struct sherd_compartment *compartment, uint64_t n, const char *value)
{
    const struct sherd_store_op op = op_put(n, value);

    return sherd_compartment_write(compartment, &op, 1);
}

static void assert_holds(struct sherd_compartment *compartment, uint64_t n, const char *value)
{
    struct sherd_buf found = {0};

    assert_int_equal(sherd_compartment_get(compartment, name_of(n), &found),
                     value == NULL ? SHERD_ERR_NOT_FOUND : SHERD_OK);
    if (value != NULL) {
        assert_int_equal(found.len, strlen(value));
        assert_memory_equal(found.data, value, found.len);
    }
    sherd_buf_done(&found);
}

/* --- a compartment over the store in memory, with faults --------------------------------------------------------- */

struct fixture {
    struct sherd_fault_script *script;
    struct sherd_compartment *compartment;
};

static struct sherd_compartment *open_over(struct sherd_fault_script *script, bool create)
{
    const struct sherd_store_config config = {.path = place, .create = create};
    struct sherd_compartment *compartment = NULL;
    struct sherd_store *inner = NULL;
    struct sherd_store *store = NULL;

    assert_int_equal(sherd_store_memory.open(&config, &inner), SHERD_OK);
    assert_int_equal(sherd_store_fault_wrap(inner, script, &store), SHERD_OK);
    assert_int_equal(sherd_compartment_over(SHERD_KEYS, store, &compartment), SHERD_OK);
    return compartment;
}

static int setup(void **state)
{
    static struct fixture fixture;

    fixture.script = sherd_fault_script_new();
    assert_non_null(fixture.script);
    fixture.compartment = open_over(fixture.script, true);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    sherd_compartment_close(fixture->compartment);
    sherd_fault_script_free(fixture->script);
    assert_int_equal(sherd_store_memory_forget(place), SHERD_OK);
    return 0;
}

static void add(struct fixture *fixture, enum sherd_fault_call call, enum sherd_fault_kind kind, uint64_t first,
                enum sherd_err err)
{
    const struct sherd_fault_rule rule = {.call = call, .kind = kind, .first = first, .count = 1, .err = err};

    assert_int_equal(sherd_fault_script_add(fixture->script, &rule), SHERD_OK);
}

static uint64_t write_calls(struct fixture *fixture)
{
    return sherd_fault_script_calls(fixture->script, SHERD_FAULT_WRITE);
}

static void reopen(struct fixture *fixture)
{
    sherd_compartment_close(fixture->compartment);
    fixture->compartment = open_over(fixture->script, false);
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

/* The members that are functions, by their places: all of the table after abi and name. */
enum { FUNCTIONS = (sizeof(struct sherd_store_ops) - offsetof(struct sherd_store_ops, open)) / sizeof(void *) };

static void test_store_compartment_open__checks_the_table(void **state)
{
    const struct sherd_store_config config = {.path = place, .create = true};
    struct sherd_compartment *compartment = NULL;
    struct sherd_store_ops ops = sherd_store_memory;

    (void)state;
    assert_int_equal(sherd_compartment_open(SHERD_ASSETS, NULL, &config, &compartment), SHERD_ERR_UNSUPPORTED);
    ops.abi = SHERD_STORE_ABI + 1;
    assert_int_equal(sherd_compartment_open(SHERD_ASSETS, &ops, &config, &compartment), SHERD_ERR_UNSUPPORTED);
    ops.abi = 0;
    assert_int_equal(sherd_compartment_open(SHERD_ASSETS, &ops, &config, &compartment), SHERD_ERR_UNSUPPORTED);
    assert_int_equal(FUNCTIONS, 19);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        ops = sherd_store_memory;
        memset((uint8_t *)&ops + offsetof(struct sherd_store_ops, open) + i * sizeof(void *), 0, sizeof(void *));
        assert_int_equal(sherd_compartment_open(SHERD_ASSETS, &ops, &config, &compartment), SHERD_ERR_UNSUPPORTED);
        struct sherd_store store = {&ops};
        assert_int_equal(sherd_compartment_over(SHERD_ASSETS, &store, &compartment), SHERD_ERR_UNSUPPORTED);
    }
    assert_null(compartment);
    assert_int_equal(sherd_store_memory_forget(place), SHERD_ERR_NOT_FOUND); /* nothing was opened */
}

static void test_store_compartment_open__passes_on_what_the_engine_says(void **state)
{
    struct sherd_store_config config = {.path = place};
    struct sherd_compartment *compartment = NULL;
    struct sherd_compartment *second = NULL;

    (void)state;
    assert_int_equal(sherd_compartment_open(SHERD_ASSETS, &sherd_store_memory, &config, &compartment),
                     SHERD_ERR_NOT_FOUND);
    config.create = true;
    config.read_only = true;
    assert_int_equal(sherd_compartment_open(SHERD_ASSETS, &sherd_store_memory, &config, &compartment),
                     SHERD_ERR_INVALID);
    config.read_only = false;
    assert_int_equal(sherd_compartment_open(SHERD_ASSETS, &sherd_store_memory, &config, &compartment), SHERD_OK);
    assert_int_equal(sherd_compartment_role(compartment), SHERD_ASSETS);
    config.create = false;
    assert_int_equal(sherd_compartment_open(SHERD_KEYS, &sherd_store_memory, &config, &second), SHERD_ERR_BUSY);
    assert_null(second);
    sherd_compartment_close(compartment);
    sherd_compartment_close(NULL);
    assert_int_equal(sherd_store_memory_forget(place), SHERD_OK); /* it was closed */
}

/* --- arguments --------------------------------------------------------------------------------------------------- */

static void test_store_compartment_write__checks_its_bounds(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_op *ops = calloc(SHERD_STORE_OPS_MAX + 1, sizeof(*ops));
    uint8_t *block = calloc(1, SHERD_STORE_VALUE_BYTES_MAX + 1);
    struct sherd_store_op op;

    assert_non_null(ops);
    assert_non_null(block);
    for (size_t i = 0; i <= SHERD_STORE_OPS_MAX; i++)
        ops[i] = op_put(i, "v");
    assert_int_equal(sherd_compartment_write(fixture->compartment, ops, 0), SHERD_ERR_INVALID);
    assert_int_equal(sherd_compartment_write(fixture->compartment, NULL, 1), SHERD_ERR_INVALID);
    assert_int_equal(sherd_compartment_write(fixture->compartment, ops, SHERD_STORE_OPS_MAX + 1), SHERD_ERR_LIMIT);
    op = op_put(1, "");
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_ERR_INVALID);
    op.value = sherd_span_of(NULL, 1);
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_ERR_INVALID);
    op.value = sherd_span_of(block, SHERD_STORE_VALUE_BYTES_MAX + 1);
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_ERR_LIMIT);
    op = op_put(1, "v");
    op.expect = SHERD_EXPECT_EQUALS;
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_ERR_INVALID);
    op.expected = sherd_span_of(block, SHERD_STORE_VALUE_BYTES_MAX + 1);
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_ERR_LIMIT);
    op.expect = (enum sherd_store_expect)3;
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_ERR_INVALID);
    op = op_put(1, "v");
    op.kind = (enum sherd_store_op_kind)3;
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_ERR_INVALID);
    ops[SHERD_STORE_OPS_MAX - 1].value.len = 0; /* the last of many */
    assert_int_equal(sherd_compartment_write(fixture->compartment, ops, SHERD_STORE_OPS_MAX), SHERD_ERR_INVALID);
    assert_int_equal(write_calls(fixture), 0);

    op.kind = SHERD_STORE_PUT;
    op.value = sherd_span_of(block, SHERD_STORE_VALUE_BYTES_MAX);
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_OK);
    ops[SHERD_STORE_OPS_MAX - 1].value.len = 1;
    assert_int_equal(sherd_compartment_write(fixture->compartment, ops, SHERD_STORE_OPS_MAX), SHERD_OK);
    assert_int_equal(write_calls(fixture), 2);
    free(block);
    free(ops);
}

static void test_store_compartment_blob__checks_its_bounds(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = NULL;
    struct sherd_blob_reader *reader = NULL;
    uint64_t bytes = 0;
    uint8_t block[4];

    assert_int_equal(sherd_compartment_blob_create(fixture->compartment, &writer), SHERD_OK);
    assert_int_equal(sherd_blob_append(writer, sherd_span_of(NULL, 1)), SHERD_ERR_INVALID);
    assert_int_equal(sherd_blob_append(writer, sherd_span_of(NULL, 0)), SHERD_OK);
    assert_int_equal(sherd_blob_append(writer, sherd_span_str("four")), SHERD_OK);
    assert_int_equal(sherd_blob_patch(writer, 0, sherd_span_of(NULL, 1)), SHERD_ERR_INVALID);
    assert_int_equal(sherd_blob_patch(writer, 0, sherd_span_str("F")), SHERD_OK);
    assert_int_equal(sherd_compartment_blob_commit(fixture->compartment, writer, name_of(1)), SHERD_OK);
    assert_int_equal(sherd_compartment_blob_open(fixture->compartment, name_of(1), &reader, &bytes), SHERD_OK);
    assert_int_equal(bytes, 4);
    assert_int_equal(sherd_blob_read(reader, 0, NULL, 1), SHERD_ERR_INVALID);
    assert_int_equal(sherd_blob_read(reader, 1, block, 4), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_blob_read(reader, 0, block, 4), SHERD_OK);
    assert_memory_equal(block, "Four", 4);
    sherd_blob_close(reader);
    sherd_blob_close(NULL);
    sherd_blob_abort(NULL);
    sherd_snapshot_end(NULL);
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static void test_store_compartment_get__refuses_lengths_that_no_entry_has(void **state)
{
    static const struct {
        size_t bytes;
        enum sherd_err wanted;
    } cases[] = {{0, SHERD_ERR_TAMPERED},
                 {1, SHERD_OK},
                 {SHERD_STORE_VALUE_BYTES_MAX, SHERD_OK},
                 {SHERD_STORE_VALUE_BYTES_MAX + 1, SHERD_ERR_TAMPERED}};
    struct sherd_compartment *compartment = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        struct sherd_buf value = {0};

        assert_int_equal(sherd_buf_append(&value, sherd_span_str("before")), SHERD_OK);
        puppet.answer_bytes = cases[i].bytes;
        assert_int_equal(sherd_compartment_get(compartment, name_of(1), &value), cases[i].wanted);
        assert_int_equal(value.len, 6 + (cases[i].wanted == SHERD_OK ? cases[i].bytes : 0));
        assert_memory_equal(value.data, "before", 6);
        sherd_buf_done(&value);
    }
}

static enum sherd_err visit_all(void *arg, struct sherd_ref name, struct sherd_span value)
{
    size_t *count = arg;

    (void)name;
    (void)value;
    ++*count;
    return SHERD_OK;
}

/* @return how many entries were visited */
static size_t scan_puppet(struct sherd_compartment *compartment, bool blobs, const struct sherd_ref *after,
                          enum sherd_err wanted)
{
    struct sherd_snapshot *snapshot = NULL;
    size_t count = 0;

    if (blobs) {
        assert_int_equal(sherd_compartment_blob_scan(compartment, after, visit_all, &count), wanted);
        return count;
    }
    assert_int_equal(sherd_compartment_snapshot_begin(compartment, &snapshot), SHERD_OK);
    assert_int_equal(sherd_snapshot_scan(snapshot, after, visit_all, &count), wanted);
    sherd_snapshot_end(snapshot);
    return count;
}

static void test_store_compartment_scan__refuses_what_does_not_ascend(void **state)
{
    static const struct {
        uint64_t names[4];
        size_t good_count;
    } cases[] = {{{10, 11, 12, 13}, 4}, {{10, 12, 11, 13}, 2}, {{10, 10, 11, 12}, 1},
                 {{10, 11, 12, 10}, 3}, {{9, 10, 11, 12}, 0},  {{5, 10, 11, 12}, 0}};
    struct sherd_compartment *compartment = *state;
    const struct sherd_ref after = name_of(9);

    puppet.scan_bytes = 1;
    puppet.scan_count = 4;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        const enum sherd_err wanted = cases[i].good_count == 4 ? SHERD_OK : SHERD_ERR_TAMPERED;

        memcpy(puppet.scan_names, cases[i].names, sizeof(puppet.scan_names));
        assert_int_equal(scan_puppet(compartment, false, &after, wanted), cases[i].good_count);
        assert_int_equal(scan_puppet(compartment, true, &after, wanted), cases[i].good_count);
    }
    memcpy(puppet.scan_names, cases[5].names, sizeof(puppet.scan_names));
    assert_int_equal(scan_puppet(compartment, false, NULL, SHERD_OK), 4);
}

static void test_store_compartment_scan__refuses_lengths_that_no_entry_has(void **state)
{
    struct sherd_compartment *compartment = *state;

    memcpy(puppet.scan_names, (const uint64_t[4]){1, 2, 3, 4}, sizeof(puppet.scan_names));
    puppet.scan_count = 4;
    puppet.scan_bytes = 0;
    assert_int_equal(scan_puppet(compartment, false, NULL, SHERD_ERR_TAMPERED), 0);
    assert_int_equal(scan_puppet(compartment, true, NULL, SHERD_OK), 4); /* a blob may be empty */
    puppet.scan_bytes = SHERD_STORE_VALUE_BYTES_MAX + 1;
    assert_int_equal(scan_puppet(compartment, false, NULL, SHERD_ERR_TAMPERED), 0);
    assert_int_equal(scan_puppet(compartment, true, NULL, SHERD_OK), 4);
    puppet.scan_bytes = SHERD_STORE_VALUE_BYTES_MAX;
    assert_int_equal(scan_puppet(compartment, false, NULL, SHERD_OK), 4);
}

/* --- group commit ------------------------------------------------------------------------------------------------ */

struct writing {
    struct sherd_compartment *compartment;
    uint64_t first_name;
    size_t op_count;  /* of each set */
    size_t set_count; /* one after the other */
    enum sherd_err err;
    char detail[256];
    pthread_t thread;
};

static void *write_all(void *arg)
{
    struct writing *writing = arg;
    struct sherd_store_op *ops = calloc(writing->op_count, sizeof(*ops));

    writing->err = ops == NULL ? SHERD_ERR_NO_MEMORY : SHERD_OK;
    for (size_t set = 0; set < writing->set_count && writing->err == SHERD_OK; set++) {
        for (size_t i = 0; i < writing->op_count; i++)
            ops[i] = op_put(writing->first_name + set, "shared");
        writing->err = sherd_compartment_write(writing->compartment, ops, writing->op_count);
    }
    if (writing->err != SHERD_OK)
        memcpy(writing->detail, sherd_err_detail(), strlen(sherd_err_detail()) + 1);
    free(ops);
    return NULL;
}

static void begin_writing(struct writing *writing, struct sherd_compartment *compartment, uint64_t first_name,
                          size_t op_count, size_t set_count)
{
    *writing = (struct writing){
        .compartment = compartment, .first_name = first_name, .op_count = op_count, .set_count = set_count};
    assert_int_equal(pthread_create(&writing->thread, NULL, write_all, writing), 0);
}

static void join(struct writing *writings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(writings[i].thread, NULL), 0);
}

/* Wait until so many writers are in the compartment. One that is in it, and not in write(), is in the queue. */
static void await_writers(struct sherd_compartment *compartment, uint64_t writer_count)
{
    struct sherd_compartment_count count = {0};

    while (count.writer_count < writer_count) {
        (void)usleep(1000);
        sherd_compartment_count(compartment, &count);
    }
}

static void test_store_compartment_group__a_lone_writer_shares_with_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_compartment_count count;

    for (uint64_t n = 0; n < 100; n++)
        assert_int_equal(put(fixture->compartment, n, "alone"), SHERD_OK);
    assert_int_equal(write_calls(fixture), 100);
    sherd_compartment_count(fixture->compartment, &count);
    assert_int_equal(count.set_count, 100);
    assert_int_equal(count.commit_count, 100);
}

static void test_store_compartment_group__many_writers_share_commits(void **state)
{
    enum { THREADS = 16, SETS = 20 };
    const struct sherd_fault_rule slow = {
        .call = SHERD_FAULT_WRITE, .kind = SHERD_FAULT_DELAY, .first = 1, .delay_us = 3000};
    struct fixture *fixture = *state;
    struct sherd_compartment_count count;
    struct writing writings[THREADS];

    assert_int_equal(sherd_fault_script_add(fixture->script, &slow), SHERD_OK);
    for (uint64_t i = 0; i < THREADS; i++)
        begin_writing(&writings[i], fixture->compartment, i * SETS, 1, SETS);
    join(writings, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(writings[i].err, SHERD_OK);
    sherd_compartment_count(fixture->compartment, &count);
    assert_int_equal(count.set_count, THREADS * SETS);
    assert_int_equal(count.commit_count, write_calls(fixture));
    assert_in_range(write_calls(fixture), SETS, THREADS * SETS / 4);
    reopen(fixture);
    for (uint64_t n = 0; n < THREADS * SETS; n++)
        assert_holds(fixture->compartment, n, "shared");
}

static void test_store_compartment_group__goes_in_the_order_of_names(void **state)
{
    enum { THREADS = 24 };
    struct sherd_compartment *compartment = *state;
    struct writing writings[THREADS];
    set_gate(true);
    begin_writing(&writings[0], compartment, 500, 1, 1);
    await_write(1);
    for (uint64_t i = 1; i < THREADS; i++)
        begin_writing(&writings[i], compartment, i * 11 % THREADS, 1, 1); /* not in order; 11 is prime to 24 */
    await_writers(compartment, THREADS);
    set_gate(false);
    join(writings, THREADS);
    assert_int_equal(puppet.write_count, 2);
    assert_int_equal(puppet.written_count, THREADS);
    for (size_t i = 1; i < THREADS; i++)
        assert_int_equal(puppet.written_names[i], i);
}

static void test_store_compartment_group__has_a_ceiling(void **state)
{
    enum { THREADS = 7 };
    struct sherd_compartment *compartment = *state;
    struct writing writings[THREADS];

    set_gate(true);
    begin_writing(&writings[0], compartment, 500, 1, 1);
    await_write(1);
    for (uint64_t i = 1; i < THREADS; i++)
        begin_writing(&writings[i], compartment, i, SHERD_STORE_OPS_MAX, 1);
    await_writers(compartment, THREADS);
    set_gate(false);
    join(writings, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(writings[i].err, SHERD_OK);
    assert_int_equal(puppet.write_count, 1 + 3); /* six sets, two of them being as many as share a commit */
    for (size_t call = 1; call < puppet.write_count; call++) {
        assert_int_equal(puppet.write_set_counts[call], 2);
        assert_int_equal(puppet.write_op_counts[call], SHERD_COMPARTMENT_GROUP_OPS_MAX);
    }
}

/* --- the stop ---------------------------------------------------------------------------------------------------- */

static void test_store_compartment_stop__refusals_do_not_stop(void **state)
{
    static const enum sherd_err refusals[] = {SHERD_ERR_CONFLICT, SHERD_ERR_BUSY, SHERD_ERR_INVALID};
    struct fixture *fixture = *state;
    struct sherd_store_op op = op_put(1, "second");

    assert_int_equal(put(fixture->compartment, 1, "first"), SHERD_OK);
    op.expect = SHERD_EXPECT_ABSENT;
    assert_int_equal(sherd_compartment_write(fixture->compartment, &op, 1), SHERD_ERR_CONFLICT);
    assert_non_null(strstr(sherd_err_detail(), "keys"));
    for (size_t i = 0; i < SHERD_COUNT_OF(refusals); i++) {
        add(fixture, SHERD_FAULT_WRITE, SHERD_FAULT_FAIL, 1, refusals[i]);
        assert_int_equal(put(fixture->compartment, 1, "second"), refusals[i]);
        assert_holds(fixture->compartment, 1, "first");
    }
    assert_int_equal(put(fixture->compartment, 1, "third"), SHERD_OK);
    assert_holds(fixture->compartment, 1, "third");
}

static void assert_stopped(struct fixture *fixture)
{
    const uint64_t calls = write_calls(fixture);
    const uint64_t deletes = sherd_fault_script_calls(fixture->script, SHERD_FAULT_BLOB_DELETE);
    struct sherd_blob_writer *writer = NULL;
    struct sherd_store_stat stat;
    uint64_t removed;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(put(fixture->compartment, 5, "never"), SHERD_ERR_IO);
        assert_non_null(strstr(sherd_err_detail(), "stopped"));
        assert_non_null(strstr(sherd_err_detail(), "as the script says")); /* why */
    }
    assert_int_equal(sherd_compartment_blob_create(fixture->compartment, &writer), SHERD_ERR_IO);
    assert_int_equal(sherd_compartment_blob_delete(fixture->compartment, name_of(1)), SHERD_ERR_IO);
    assert_int_equal(sherd_compartment_tidy(fixture->compartment, &removed), SHERD_ERR_IO);
    assert_int_equal(write_calls(fixture), calls); /* the engine is not asked again */
    assert_int_equal(sherd_fault_script_calls(fixture->script, SHERD_FAULT_BLOB_DELETE), deletes);
    assert_holds(fixture->compartment, 5, NULL);
    assert_holds(fixture->compartment, 1, "first"); /* reading goes on */
    assert_int_equal(sherd_compartment_stat(fixture->compartment, &stat), SHERD_OK);
}

static void test_store_compartment_stop__a_failed_write_stops_writing(void **state)
{
    static const enum sherd_err failures[] = {SHERD_ERR_IO, SHERD_ERR_NO_MEMORY, SHERD_ERR_LIMIT, SHERD_ERR_DENIED,
                                              SHERD_ERR_TAMPERED};
    struct fixture *fixture = *state;

    assert_int_equal(put(fixture->compartment, 1, "first"), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(failures); i++) {
        add(fixture, SHERD_FAULT_WRITE, SHERD_FAULT_FAIL, 2, failures[i]);
        assert_int_equal(put(fixture->compartment, 2, "second"), SHERD_OK);
        assert_int_equal(put(fixture->compartment, 3, "never"), failures[i]);
        assert_non_null(strstr(sherd_err_detail(), "as the script says"));
        assert_stopped(fixture);
        reopen(fixture);
        assert_holds(fixture->compartment, 3, NULL);
    }
    assert_int_equal(put(fixture->compartment, 3, "at last"), SHERD_OK);
}

static void test_store_compartment_stop__a_lost_answer_stops_writing(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(put(fixture->compartment, 1, "first"), SHERD_OK);
    add(fixture, SHERD_FAULT_WRITE, SHERD_FAULT_LOSE, 1, SHERD_ERR_IO);
    assert_int_equal(put(fixture->compartment, 2, "second"), SHERD_ERR_IO);
    assert_stopped(fixture);
    reopen(fixture);
    assert_holds(fixture->compartment, 2, "second");
    assert_int_equal(put(fixture->compartment, 2, "again"), SHERD_OK);
}

static enum sherd_err put_blob(struct sherd_compartment *compartment, uint64_t n)
{
    struct sherd_blob_writer *writer = NULL;
    enum sherd_err err;

    SHERD_TRY(sherd_compartment_blob_create(compartment, &writer));
    err = sherd_blob_append(writer, sherd_span_str("blob"));
    if (err == SHERD_OK)
        return sherd_compartment_blob_commit(compartment, writer, name_of(n));
    sherd_blob_abort(writer);
    return err;
}

static void test_store_compartment_stop__a_failed_blob_commit_stops_writing(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_writer *begun = NULL;
    struct sherd_blob_reader *reader = NULL;
    uint64_t bytes;

    assert_int_equal(put(fixture->compartment, 1, "first"), SHERD_OK);
    assert_int_equal(put_blob(fixture->compartment, 1), SHERD_OK);
    assert_int_equal(put_blob(fixture->compartment, 1), SHERD_ERR_CONFLICT); /* which stops nothing */
    add(fixture, SHERD_FAULT_BLOB_APPEND, SHERD_FAULT_FAIL, 1, SHERD_ERR_IO);
    assert_int_equal(put_blob(fixture->compartment, 2), SHERD_ERR_IO); /* nor this: nothing was to be durable yet */
    assert_int_equal(put_blob(fixture->compartment, 2), SHERD_OK);
    assert_int_equal(sherd_compartment_blob_create(fixture->compartment, &begun), SHERD_OK);
    add(fixture, SHERD_FAULT_BLOB_COMMIT, SHERD_FAULT_FAIL, 1, SHERD_ERR_IO);
    assert_int_equal(put_blob(fixture->compartment, 3), SHERD_ERR_IO);
    assert_stopped(fixture);
    assert_int_equal(sherd_compartment_blob_commit(fixture->compartment, begun, name_of(4)), SHERD_ERR_IO);
    assert_int_equal(sherd_compartment_blob_open(fixture->compartment, name_of(4), &reader, &bytes),
                     SHERD_ERR_NOT_FOUND);
    assert_int_equal(sherd_compartment_blob_open(fixture->compartment, name_of(2), &reader, &bytes), SHERD_OK);
    sherd_blob_close(reader);
}

static void test_store_compartment_stop__a_failed_blob_delete_stops_writing(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(put(fixture->compartment, 1, "first"), SHERD_OK);
    assert_int_equal(put_blob(fixture->compartment, 1), SHERD_OK);
    add(fixture, SHERD_FAULT_BLOB_DELETE, SHERD_FAULT_FAIL, 1, SHERD_ERR_IO);
    assert_int_equal(sherd_compartment_blob_delete(fixture->compartment, name_of(1)), SHERD_ERR_IO);
    assert_stopped(fixture);
}

/* Those that share the commit get its code and its text; those that queued behind it get no second try. */
static void test_store_compartment_stop__reaches_all_that_wait(void **state)
{
    enum { THREADS = 10 };
    struct sherd_compartment *compartment = *state;
    struct writing writings[THREADS];

    set_gate(true);
    puppet.write_err = SHERD_ERR_NO_MEMORY;
    begin_writing(&writings[0], compartment, 500, 1, 1);
    await_write(1);
    for (uint64_t i = 1; i < THREADS; i++)
        begin_writing(&writings[i], compartment, i, 1, 1);
    await_writers(compartment, THREADS);
    set_gate(false);
    join(writings, THREADS);
    assert_int_equal(writings[0].err, SHERD_ERR_NO_MEMORY);
    assert_string_equal(writings[0].detail, "the puppet says so");
    for (size_t i = 1; i < THREADS; i++) {
        assert_int_equal(writings[i].err, SHERD_ERR_IO);
        assert_non_null(strstr(writings[i].detail, "the puppet says so"));
    }
    assert_int_equal(puppet.write_count, 1);
    assert_int_equal(put(compartment, 1, "never"), SHERD_ERR_IO);
    assert_int_equal(puppet.write_count, 1);
}

static void test_store_compartment_stop__tells_each_that_shared_the_commit(void **state)
{
    enum { THREADS = 10 };
    struct sherd_compartment *compartment = *state;
    struct writing writings[THREADS];

    set_gate(true);
    begin_writing(&writings[0], compartment, 500, 1, 1);
    await_write(1);
    for (uint64_t i = 1; i < THREADS; i++)
        begin_writing(&writings[i], compartment, i, 1, 1);
    await_writers(compartment, THREADS);
    pthread_mutex_lock(&puppet.lock);
    puppet.write_err = SHERD_ERR_BUSY; /* of the first call, and of the one that the others share */
    pthread_mutex_unlock(&puppet.lock);
    set_gate(false);
    join(writings, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(writings[i].err, SHERD_ERR_BUSY);
        assert_string_equal(writings[i].detail, "the puppet says so");
    }
    assert_int_equal(puppet.write_count, 2);
    puppet.write_err = SHERD_OK;
    assert_int_equal(put(compartment, 1, "then"), SHERD_OK);
}

/* --- close and fork ---------------------------------------------------------------------------------------------- */

static atomic_bool closed;

static void *close_compartment(void *compartment)
{
    sherd_compartment_close(compartment);
    atomic_store(&closed, true);
    return NULL;
}

static void test_store_compartment_close__waits_for_writers(void **state)
{
    enum { THREADS = 4 };
    struct sherd_compartment *compartment = *state;
    struct writing writings[THREADS];
    pthread_t closing;

    atomic_store(&closed, false);
    set_gate(true);
    for (uint64_t i = 0; i < THREADS; i++)
        begin_writing(&writings[i], compartment, i, 1, 1);
    await_write(1);
    await_writers(compartment, THREADS);
    assert_int_equal(pthread_create(&closing, NULL, close_compartment, compartment), 0);
    (void)usleep(50000); /* in which it might close, if it did not wait */
    assert_false(atomic_load(&closed));
    set_gate(false);
    assert_int_equal(pthread_join(closing, NULL), 0);
    assert_true(atomic_load(&closed));
    assert_false(puppet.closed_in_write);
    join(writings, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(writings[i].err, SHERD_OK);
    assert_int_equal(puppet.written_count, THREADS);
    *state = NULL;
}

static bool child_finds_all_refused(struct sherd_compartment *compartment)
{
    struct sherd_buf value = {0};
    struct sherd_snapshot *snapshot;
    struct sherd_blob_writer *writer;
    struct sherd_blob_reader *reader;
    struct sherd_store_stat stat;
    uint64_t number;
    size_t count = 0;

    return put(compartment, 1, "child") == SHERD_ERR_INVALID &&
           sherd_compartment_get(compartment, name_of(1), &value) == SHERD_ERR_INVALID &&
           sherd_compartment_snapshot_begin(compartment, &snapshot) == SHERD_ERR_INVALID &&
           sherd_compartment_blob_create(compartment, &writer) == SHERD_ERR_INVALID &&
           sherd_compartment_blob_open(compartment, name_of(1), &reader, &number) == SHERD_ERR_INVALID &&
           sherd_compartment_blob_delete(compartment, name_of(1)) == SHERD_ERR_INVALID &&
           sherd_compartment_blob_scan(compartment, NULL, visit_all, &count) == SHERD_ERR_INVALID &&
           sherd_compartment_tidy(compartment, &number) == SHERD_ERR_INVALID &&
           sherd_compartment_stat(compartment, &stat) == SHERD_ERR_INVALID;
}

/* The fork comes while another thread leads, so that the child's copy of the lock and the queue is of no use. */
static void test_store_compartment_fork__leaves_the_child_only_to_close(void **state)
{
    struct sherd_compartment *compartment = *state;
    struct writing writing;
    int status = 0;

    set_gate(true);
    begin_writing(&writing, compartment, 1, 1, 1);
    await_write(1);
    const pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        const bool refused = child_finds_all_refused(compartment);

        sherd_compartment_close(compartment); /* would wait for good for the writer that is not there */
        _exit(refused ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    set_gate(false);
    join(&writing, 1);
    assert_int_equal(writing.err, SHERD_OK);
    assert_int_equal(put(compartment, 2, "parent"), SHERD_OK);
}

#define FAULT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define PUPPET_TEST(function) cmocka_unit_test_setup_teardown(function, puppet_setup, puppet_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_compartment_open__checks_the_table),
        cmocka_unit_test(test_store_compartment_open__passes_on_what_the_engine_says),
        FAULT_TEST(test_store_compartment_write__checks_its_bounds),
        FAULT_TEST(test_store_compartment_blob__checks_its_bounds),
        PUPPET_TEST(test_store_compartment_get__refuses_lengths_that_no_entry_has),
        PUPPET_TEST(test_store_compartment_scan__refuses_what_does_not_ascend),
        PUPPET_TEST(test_store_compartment_scan__refuses_lengths_that_no_entry_has),
        FAULT_TEST(test_store_compartment_group__a_lone_writer_shares_with_nobody),
        FAULT_TEST(test_store_compartment_group__many_writers_share_commits),
        PUPPET_TEST(test_store_compartment_group__goes_in_the_order_of_names),
        PUPPET_TEST(test_store_compartment_group__has_a_ceiling),
        FAULT_TEST(test_store_compartment_stop__refusals_do_not_stop),
        FAULT_TEST(test_store_compartment_stop__a_failed_write_stops_writing),
        FAULT_TEST(test_store_compartment_stop__a_lost_answer_stops_writing),
        FAULT_TEST(test_store_compartment_stop__a_failed_blob_commit_stops_writing),
        FAULT_TEST(test_store_compartment_stop__a_failed_blob_delete_stops_writing),
        PUPPET_TEST(test_store_compartment_stop__reaches_all_that_wait),
        PUPPET_TEST(test_store_compartment_stop__tells_each_that_shared_the_commit),
        PUPPET_TEST(test_store_compartment_close__waits_for_writers),
        PUPPET_TEST(test_store_compartment_fork__leaves_the_child_only_to_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
