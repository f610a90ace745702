/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the store that misbehaves by a script: that each fault happens, where the script says, and nowhere else. */
#include "store/fault/fault.h"
#include "base/clock.h"
#include "store/memory/memory.h"
#include <pthread.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those above, which it needs */
#include <cmocka.h>

static const char place[] = "under faults";

struct fixture {
    struct sherd_fault_script *script;
    struct sherd_store *inner; /* owned by store */
    struct sherd_store *store;
};

static int setup(void **state)
{
    static struct fixture fixture;
    const struct sherd_store_config config = {.path = place, .create = true};

    fixture.script = sherd_fault_script_new();
    assert_non_null(fixture.script);
    assert_int_equal(sherd_store_memory.open(&config, &fixture.inner), SHERD_OK);
    assert_int_equal(sherd_store_fault_wrap(fixture.inner, fixture.script, &fixture.store), SHERD_OK);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture->store->ops->close(fixture->store);
    sherd_fault_script_free(fixture->script);
    assert_int_equal(sherd_store_memory_forget(place), SHERD_OK);
    return 0;
}

static void add(struct fixture *fixture, struct sherd_fault_rule rule)
{
    assert_int_equal(sherd_fault_script_add(fixture->script, &rule), SHERD_OK);
}

static struct sherd_ref name_of(uint8_t n)
{
    struct sherd_ref name = {{0}};

    name.bytes[0] = n;
    return name;
}

static struct sherd_store_op op_put(uint8_t n, const char *value)
{
    return (struct sherd_store_op){.kind = SHERD_STORE_PUT, .name = name_of(n), .value = sherd_span_str(value)};
}

static enum sherd_err put(struct sherd_store *store, uint8_t n, const char *value)
{
    const struct sherd_store_op op = op_put(n, value);
    struct sherd_store_set set = {&op, 1, SHERD_ERR_UNSUPPORTED};
    struct sherd_store_set *sets[] = {&set};
    const enum sherd_err err = store->ops->write(store, sets, 1);

    assert_int_equal(err, set.result);
    return err;
}

static enum sherd_err get(struct sherd_store *store, uint8_t n, struct sherd_buf *out_value)
{
    struct sherd_snapshot *snapshot = NULL;
    enum sherd_err err = store->ops->snapshot_begin(store, &snapshot);

    assert_int_equal(err, SHERD_OK);
    err = snapshot->ops->get(snapshot, name_of(n), out_value);
    snapshot->ops->snapshot_end(snapshot);
    return err;
}

/* NULL: there is none. */
static void assert_holds(struct sherd_store *store, uint8_t n, const char *value)
{
    struct sherd_buf found = {0};

    assert_int_equal(get(store, n, &found), value == NULL ? SHERD_ERR_NOT_FOUND : SHERD_OK);
    if (value != NULL) {
        assert_int_equal(found.len, strlen(value));
        assert_memory_equal(found.data, value, found.len);
    }
    sherd_buf_done(&found);
}

static enum sherd_err put_blob(struct sherd_store *store, uint8_t n, const char *value)
{
    struct sherd_blob_writer *writer = NULL;
    enum sherd_err err;

    SHERD_TRY(store->ops->blob_create(store, &writer));
    err = writer->ops->blob_append(writer, sherd_span_str(value));
    if (err == SHERD_OK)
        return writer->ops->blob_commit(writer, name_of(n));
    writer->ops->blob_abort(writer);
    return err;
}

static enum sherd_err get_blob(struct sherd_store *store, uint8_t n, char out_text[32])
{
    struct sherd_blob_reader *reader = NULL;
    uint64_t bytes = 0;
    enum sherd_err err;

    SHERD_TRY(store->ops->blob_open(store, name_of(n), &reader, &bytes));
    assert_in_range(bytes, 0, 31);
    memset(out_text, 0, 32);
    err = reader->ops->blob_read(reader, 0, (uint8_t *)out_text, (size_t)bytes);
    reader->ops->blob_close(reader);
    return err;
}

/* --- scripts ----------------------------------------------------------------------------------------------------- */

static void test_store_fault_script__refuses_what_makes_no_sense(void **state)
{
    static const struct sherd_fault_rule rules[] = {
        {.call = SHERD_FAULT_CALL_COUNT, .kind = SHERD_FAULT_FAIL, .first = 1, .err = SHERD_ERR_IO},
        {.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_KIND_COUNT, .first = 1, .err = SHERD_ERR_IO},
        {.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_FAIL, .first = 0, .err = SHERD_ERR_IO},
        {.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_FAIL, .first = 1},
        {.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_DELAY, .first = 1, .err = SHERD_ERR_IO},
        {.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_LOSE, .first = 1, .err = SHERD_ERR_IO},
        {.call = SHERD_FAULT_BLOB_COMMIT, .kind = SHERD_FAULT_REPEAT, .first = 1},
        {.call = SHERD_FAULT_BLOB_SCAN, .kind = SHERD_FAULT_FLIP, .first = 1},
        {.call = SHERD_FAULT_WRITE, .kind = SHERD_FAULT_STALE, .first = 1},
        {.call = SHERD_FAULT_STAT, .kind = SHERD_FAULT_HIDE, .first = 1},
        {.call = SHERD_FAULT_TIDY, .kind = SHERD_FAULT_FAIL, .first = 1, .err = SHERD_ERR_IO, .named = true},
        {.call = SHERD_FAULT_SCAN, .kind = SHERD_FAULT_FAIL, .first = 1, .err = SHERD_ERR_IO, .named = true},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(rules); i++)
        assert_int_equal(sherd_fault_script_add(fixture->script, &rules[i]), SHERD_ERR_INVALID);
    for (size_t i = 0; i < SHERD_FAULT_RULES_MAX; i++)
        add(fixture, (struct sherd_fault_rule){.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_HIDE, .first = 1000});
    const struct sherd_fault_rule one_more = {.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_HIDE, .first = 1};
    assert_int_equal(sherd_fault_script_add(fixture->script, &one_more), SHERD_ERR_LIMIT);
    sherd_fault_script_clear(fixture->script);
    assert_int_equal(sherd_fault_script_add(fixture->script, &one_more), SHERD_OK);
}

static void test_store_fault_script__counts(void **state)
{
    struct fixture *fixture = *state;
    char text[32];

    assert_int_equal(put(fixture->store, 1, "one"), SHERD_OK);
    assert_int_equal(put(fixture->store, 2, "two"), SHERD_OK);
    for (int i = 0; i < 5; i++)
        assert_holds(fixture->store, 1, "one");
    assert_int_equal(put_blob(fixture->store, 1, "blob"), SHERD_OK);
    assert_int_equal(get_blob(fixture->store, 1, text), SHERD_OK);
    assert_string_equal(text, "blob");
    assert_int_equal(sherd_fault_script_calls(fixture->script, SHERD_FAULT_WRITE), 2);
    assert_int_equal(sherd_fault_script_calls(fixture->script, SHERD_FAULT_GET), 5);
    assert_int_equal(sherd_fault_script_calls(fixture->script, SHERD_FAULT_SNAPSHOT), 5);
    assert_int_equal(sherd_fault_script_calls(fixture->script, SHERD_FAULT_BLOB_APPEND), 1);
    assert_int_equal(sherd_fault_script_calls(fixture->script, SHERD_FAULT_BLOB_READ), 1);
    assert_int_equal(sherd_fault_script_calls(fixture->script, SHERD_FAULT_SCAN), 0);
    for (int kind = 0; kind < SHERD_FAULT_KIND_COUNT; kind++)
        assert_int_equal(sherd_fault_script_hits(fixture->script, (enum sherd_fault_kind)kind), 0);
}

static void test_store_fault_script__strikes_when_it_says(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(put(fixture->store, 1, "one"), SHERD_OK);
    assert_holds(fixture->store, 1, "one"); /* before the rule, so not counted by it */
    add(fixture, (struct sherd_fault_rule){.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_HIDE, .first = 3, .count = 2});
    for (int n = 1; n <= 6; n++)
        assert_holds(fixture->store, 1, n == 3 || n == 4 ? NULL : "one");
    assert_int_equal(sherd_fault_script_hits(fixture->script, SHERD_FAULT_HIDE), 2);
    add(fixture, (struct sherd_fault_rule){.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_HIDE, .first = 2});
    for (int n = 1; n <= 5; n++)
        assert_holds(fixture->store, 1, n == 1 ? "one" : NULL);
    sherd_fault_script_clear(fixture->script);
    assert_holds(fixture->store, 1, "one");
    assert_int_equal(sherd_fault_script_hits(fixture->script, SHERD_FAULT_HIDE), 6);
}

static void test_store_fault_script__strikes_only_the_name(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, (struct sherd_fault_rule){.call = SHERD_FAULT_WRITE,
                                           .kind = SHERD_FAULT_FAIL,
                                           .first = 2,
                                           .err = SHERD_ERR_NO_MEMORY,
                                           .named = true,
                                           .name = name_of(7)});
    assert_int_equal(put(fixture->store, 1, "one"), SHERD_OK);
    assert_int_equal(put(fixture->store, 7, "seven"), SHERD_OK);
    assert_int_equal(put(fixture->store, 1, "one"), SHERD_OK);
    assert_int_equal(put(fixture->store, 7, "never"), SHERD_ERR_NO_MEMORY);
    assert_int_equal(put(fixture->store, 1, "one"), SHERD_OK);
    assert_holds(fixture->store, 7, "seven");
}

/* --- kinds ------------------------------------------------------------------------------------------------------- */

static void test_store_fault_fail__happens_before_the_effect(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_stat stat;

    assert_int_equal(put(fixture->store, 1, "old"), SHERD_OK);
    assert_int_equal(put_blob(fixture->store, 1, "old"), SHERD_OK);
    for (int call = 0; call < SHERD_FAULT_CALL_COUNT; call++)
        add(fixture, (struct sherd_fault_rule){.call = (enum sherd_fault_call)call,
                                               .kind = SHERD_FAULT_FAIL,
                                               .first = 1,
                                               .count = 1,
                                               .err = SHERD_ERR_IO});
    const struct sherd_store_ops *ops = fixture->store->ops;
    struct sherd_snapshot *snapshot = NULL;
    struct sherd_blob_writer *writer = NULL;
    struct sherd_buf value = {0};
    uint64_t removed = 77;
    char text[32] = "untouched";

    assert_int_equal(put(fixture->store, 1, "new"), SHERD_ERR_IO);
    assert_int_equal(ops->snapshot_begin(fixture->store, &snapshot), SHERD_ERR_IO);
    assert_null(snapshot);
    assert_int_equal(get(fixture->store, 1, &value), SHERD_ERR_IO);
    assert_int_equal(value.len, 0);
    assert_int_equal(put_blob(fixture->store, 2, "new"), SHERD_ERR_IO); /* create */
    assert_int_equal(put_blob(fixture->store, 2, "new"), SHERD_ERR_IO); /* append */
    assert_int_equal(put_blob(fixture->store, 2, "new"), SHERD_ERR_IO); /* commit */
    assert_int_equal(ops->blob_create(fixture->store, &writer), SHERD_OK);
    assert_int_equal(writer->ops->blob_append(writer, sherd_span_str("new")), SHERD_OK);
    assert_int_equal(writer->ops->blob_patch(writer, 0, sherd_span_str("N")), SHERD_ERR_IO);
    writer->ops->blob_abort(writer);
    assert_int_equal(get_blob(fixture->store, 1, text), SHERD_ERR_IO); /* open */
    assert_string_equal(text, "untouched");
    assert_int_equal(get_blob(fixture->store, 1, text), SHERD_ERR_IO); /* read */
    assert_int_equal(ops->blob_delete(fixture->store, name_of(1)), SHERD_ERR_IO);
    assert_int_equal(ops->tidy(fixture->store, &removed), SHERD_ERR_IO);
    assert_int_equal(removed, 77);
    assert_int_equal(ops->stat(fixture->store, &stat), SHERD_ERR_IO);

    assert_holds(fixture->store, 1, "old");
    assert_int_equal(get_blob(fixture->store, 1, text), SHERD_OK);
    assert_string_equal(text, "old");
    assert_int_equal(get_blob(fixture->store, 2, text), SHERD_ERR_NOT_FOUND);
}

static void test_store_fault_fail__may_be_a_conflict(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op op = op_put(1, "never");
    struct sherd_store_set set = {&op, 1, SHERD_ERR_UNSUPPORTED};
    struct sherd_store_set *sets[] = {&set};

    add(fixture,
        (struct sherd_fault_rule){
            .call = SHERD_FAULT_WRITE, .kind = SHERD_FAULT_FAIL, .first = 1, .count = 1, .err = SHERD_ERR_CONFLICT});
    assert_int_equal(fixture->store->ops->write(fixture->store, sets, 1), SHERD_OK);
    assert_int_equal(set.result, SHERD_ERR_CONFLICT);
    assert_holds(fixture->store, 1, NULL);
}

static void test_store_fault_lose__happens_after_the_effect(void **state)
{
    static const enum sherd_fault_call calls[] = {SHERD_FAULT_WRITE, SHERD_FAULT_BLOB_COMMIT, SHERD_FAULT_BLOB_DELETE};
    struct fixture *fixture = *state;
    char text[32];

    assert_int_equal(put_blob(fixture->store, 1, "doomed"), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(calls); i++)
        add(fixture, (struct sherd_fault_rule){
                         .call = calls[i], .kind = SHERD_FAULT_LOSE, .first = 1, .count = 1, .err = SHERD_ERR_IO});
    assert_int_equal(put(fixture->store, 1, "new"), SHERD_ERR_IO);
    assert_holds(fixture->store, 1, "new");
    assert_int_equal(put_blob(fixture->store, 2, "there"), SHERD_ERR_IO);
    assert_int_equal(get_blob(fixture->store, 2, text), SHERD_OK);
    assert_string_equal(text, "there");
    assert_int_equal(fixture->store->ops->blob_delete(fixture->store, name_of(1)), SHERD_ERR_IO);
    assert_int_equal(get_blob(fixture->store, 1, text), SHERD_ERR_NOT_FOUND);
}

/* What was refused stays refused: the answer that is lost is that of the sets that happened. */
static void test_store_fault_lose__leaves_conflicts(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_store_op ops[] = {op_put(1, "a"), op_put(1, "b")};
    struct sherd_store_set sets[] = {{&ops[0], 1, SHERD_OK}, {&ops[1], 1, SHERD_OK}};
    struct sherd_store_set *pointers[] = {&sets[0], &sets[1]};

    ops[1].expect = SHERD_EXPECT_ABSENT;
    add(fixture, (struct sherd_fault_rule){
                     .call = SHERD_FAULT_WRITE, .kind = SHERD_FAULT_LOSE, .first = 1, .count = 1, .err = SHERD_ERR_IO});
    assert_int_equal(fixture->store->ops->write(fixture->store, pointers, 2), SHERD_ERR_IO);
    assert_int_equal(sets[0].result, SHERD_ERR_IO);
    assert_int_equal(sets[1].result, SHERD_ERR_CONFLICT);
    assert_holds(fixture->store, 1, "a");
}

static void test_store_fault_delay__takes_its_time(void **state)
{
    struct fixture *fixture = *state;
    uint64_t begin_ns;

    add(fixture, (struct sherd_fault_rule){
                     .call = SHERD_FAULT_WRITE, .kind = SHERD_FAULT_DELAY, .first = 2, .count = 1, .delay_us = 30000});
    assert_int_equal(put(fixture->store, 1, "one"), SHERD_OK);
    begin_ns = sherd_clock()->monotonic_ns();
    assert_int_equal(put(fixture->store, 1, "two"), SHERD_OK);
    assert_true(sherd_clock()->monotonic_ns() - begin_ns >= 30000000);
    assert_holds(fixture->store, 1, "two");
}

static void test_store_fault_repeat__happens_twice(void **state)
{
    static const enum sherd_fault_call calls[] = {SHERD_FAULT_WRITE, SHERD_FAULT_BLOB_APPEND, SHERD_FAULT_BLOB_PATCH,
                                                  SHERD_FAULT_BLOB_DELETE};
    struct fixture *fixture = *state;
    struct sherd_fault_script *outer_script = sherd_fault_script_new();
    struct sherd_store *outer = NULL;
    struct sherd_blob_writer *writer = NULL;
    char text[32];

    assert_non_null(outer_script);
    assert_int_equal(sherd_store_fault_wrap(fixture->store, outer_script, &outer), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(calls); i++) {
        const struct sherd_fault_rule rule = {.call = calls[i], .kind = SHERD_FAULT_REPEAT, .first = 1, .count = 1};

        assert_int_equal(sherd_fault_script_add(outer_script, &rule), SHERD_OK);
    }
    struct sherd_store_op op = op_put(1, "once");
    struct sherd_store_set set = {&op, 1, SHERD_ERR_UNSUPPORTED};
    struct sherd_store_set *sets[] = {&set};
    op.expect = SHERD_EXPECT_ABSENT; /* the second time it is refused, but the first answer counts */
    assert_int_equal(outer->ops->write(outer, sets, 1), SHERD_OK);
    assert_int_equal(set.result, SHERD_OK);
    assert_holds(outer, 1, "once");
    assert_int_equal(outer->ops->blob_create(outer, &writer), SHERD_OK);
    assert_int_equal(writer->ops->blob_append(writer, sherd_span_str("ab")), SHERD_OK);
    assert_int_equal(writer->ops->blob_patch(writer, 1, sherd_span_str("-")), SHERD_OK);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);
    assert_int_equal(get_blob(outer, 1, text), SHERD_OK);
    assert_string_equal(text, "a-ab");
    assert_int_equal(outer->ops->blob_delete(outer, name_of(1)), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(calls); i++) {
        assert_int_equal(sherd_fault_script_calls(outer_script, calls[i]), 1);
        assert_int_equal(sherd_fault_script_calls(fixture->script, calls[i]), 2);
    }
    fixture->store = outer; /* which owns the one within */
    outer->ops->close(outer);
    sherd_fault_script_free(outer_script);
    const struct sherd_store_config config = {.path = place};
    assert_int_equal(sherd_store_memory.open(&config, &fixture->inner), SHERD_OK);
    assert_int_equal(sherd_store_fault_wrap(fixture->inner, fixture->script, &fixture->store), SHERD_OK);
    assert_holds(fixture->store, 1, "once");
}

/* Collects what a scan visits as text: the first byte of each name as a letter, then the value. */
static enum sherd_err note(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct sherd_buf *notes = arg;
    const uint8_t letter = (uint8_t)('a' + name.bytes[0]);

    SHERD_TRY(sherd_buf_append(notes, sherd_span_of(&letter, 1)));
    if (value.data == NULL)
        return SHERD_OK;
    return sherd_buf_append(notes, value);
}

static void assert_scan(struct sherd_store *store, const char *wanted)
{
    struct sherd_snapshot *snapshot = NULL;
    struct sherd_buf notes = {0};

    assert_int_equal(store->ops->snapshot_begin(store, &snapshot), SHERD_OK);
    assert_int_equal(snapshot->ops->scan(snapshot, NULL, note, &notes), SHERD_OK);
    snapshot->ops->snapshot_end(snapshot);
    assert_int_equal(notes.len, strlen(wanted));
    assert_memory_equal(notes.data, wanted, notes.len);
    sherd_buf_done(&notes);
}

static void assert_blob_scan(struct sherd_store *store, const char *wanted)
{
    struct sherd_buf notes = {0};

    assert_int_equal(store->ops->blob_scan(store, NULL, note, &notes), SHERD_OK);
    assert_int_equal(notes.len, strlen(wanted));
    assert_true(notes.len == 0 || memcmp(notes.data, wanted, notes.len) == 0);
    sherd_buf_done(&notes);
}

static struct sherd_fault_rule flip_of(enum sherd_fault_call call, uint64_t bit)
{
    return (struct sherd_fault_rule){.call = call, .kind = SHERD_FAULT_FLIP, .first = 1, .count = 1, .bit = bit};
}

static void test_store_fault_flip__changes_one_bit_of_an_answer(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_buf value = {0};
    char text[32];

    assert_int_equal(put(fixture->store, 1, "AAAA"), SHERD_OK);
    assert_int_equal(put(fixture->store, 2, "AAAA"), SHERD_OK);
    assert_int_equal(put_blob(fixture->store, 1, "AAAA"), SHERD_OK);
    for (uint64_t bit = 0; bit < 64; bit++) { /* twice round */
        char wanted[5] = "AAAA";

        wanted[bit / 8 % 4] = (char)(wanted[bit / 8 % 4] ^ (1 << bit % 8));
        add(fixture, flip_of(SHERD_FAULT_GET, bit));
        value.len = 0;
        assert_int_equal(sherd_buf_append(&value, sherd_span_str("before ")), SHERD_OK);
        assert_int_equal(get(fixture->store, 1, &value), SHERD_OK);
        assert_int_equal(value.len, 11);
        assert_memory_equal(value.data, "before ", 7);
        assert_memory_equal(value.data + 7, wanted, 4);
        assert_holds(fixture->store, 1, "AAAA");
        add(fixture, flip_of(SHERD_FAULT_BLOB_READ, bit));
        assert_int_equal(get_blob(fixture->store, 1, text), SHERD_OK);
        assert_memory_equal(text, wanted, 4);
        assert_int_equal(get_blob(fixture->store, 1, text), SHERD_OK);
        assert_string_equal(text, "AAAA");
        sherd_fault_script_clear(fixture->script);
    }
    sherd_buf_done(&value);
    add(fixture, flip_of(SHERD_FAULT_SCAN, 1));
    assert_scan(fixture->store, "bCAAAcAAAA");
    struct sherd_fault_rule rule = flip_of(SHERD_FAULT_SCAN, 9);
    rule.named = true;
    rule.name = name_of(2);
    add(fixture, rule);
    assert_scan(fixture->store, "bAAAAcACAA");
    assert_scan(fixture->store, "bAAAAcAAAA");
}

static void test_store_fault_flip__changes_one_bit_of_what_is_stored(void **state)
{
    struct fixture *fixture = *state;
    const char value[] = "AAAA";
    const struct sherd_store_op ops[] = {
        {.kind = SHERD_STORE_DELETE, .name = name_of(9)}, op_put(1, value), op_put(2, value)};
    struct sherd_store_set set = {ops, 3, SHERD_ERR_UNSUPPORTED};
    struct sherd_store_set *sets[] = {&set};
    struct sherd_blob_writer *writer = NULL;
    char text[32];

    add(fixture, flip_of(SHERD_FAULT_WRITE, 17));
    assert_int_equal(fixture->store->ops->write(fixture->store, sets, 1), SHERD_OK);
    assert_int_equal(set.result, SHERD_OK);
    assert_ptr_equal(set.ops, ops);
    assert_string_equal(value, "AAAA"); /* the caller's stays */
    assert_holds(fixture->store, 1, "AACA");
    assert_holds(fixture->store, 2, "AAAA");
    struct sherd_fault_rule rule = flip_of(SHERD_FAULT_WRITE, 1);
    rule.named = true;
    rule.name = name_of(2);
    add(fixture, rule);
    assert_int_equal(fixture->store->ops->write(fixture->store, sets, 1), SHERD_OK);
    assert_holds(fixture->store, 1, "AAAA");
    assert_holds(fixture->store, 2, "CAAA");

    add(fixture, flip_of(SHERD_FAULT_BLOB_APPEND, 1));
    add(fixture, flip_of(SHERD_FAULT_BLOB_PATCH, 1));
    assert_int_equal(fixture->store->ops->blob_create(fixture->store, &writer), SHERD_OK);
    assert_int_equal(writer->ops->blob_append(writer, sherd_span_str(value)), SHERD_OK);
    assert_int_equal(writer->ops->blob_append(writer, sherd_span_str(value)), SHERD_OK);
    assert_int_equal(writer->ops->blob_patch(writer, 6, sherd_span_str("A")), SHERD_OK);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);
    assert_int_equal(get_blob(fixture->store, 1, text), SHERD_OK);
    assert_string_equal(text, "CAAAAACA");
}

static void test_store_fault_stale__answers_with_the_past(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op gone = {.kind = SHERD_STORE_DELETE, .name = name_of(2)};
    struct sherd_store_set set = {&gone, 1, SHERD_ERR_UNSUPPORTED};
    struct sherd_store_set *sets[] = {&set};
    const struct sherd_fault_rule rule = {.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_STALE, .first = 1};
    const struct sherd_fault_rule scan = {.call = SHERD_FAULT_SCAN, .kind = SHERD_FAULT_STALE, .first = 1};

    assert_int_equal(put(fixture->store, 1, "old"), SHERD_OK);
    assert_int_equal(put(fixture->store, 2, "two"), SHERD_OK);
    add(fixture, rule);
    assert_holds(fixture->store, 1, "old"); /* nothing is remembered yet: as it is */
    assert_int_equal(sherd_store_fault_mark(fixture->store), SHERD_OK);
    assert_int_equal(put(fixture->store, 1, "new"), SHERD_OK);
    assert_int_equal(put(fixture->store, 3, "three"), SHERD_OK);
    assert_int_equal(fixture->store->ops->write(fixture->store, sets, 1), SHERD_OK);
    assert_holds(fixture->store, 1, "old");
    assert_holds(fixture->store, 2, "two");
    assert_holds(fixture->store, 3, NULL);
    add(fixture, scan);
    assert_scan(fixture->store, "boldctwo");
    assert_int_equal(sherd_store_fault_mark(fixture->store), SHERD_OK);
    assert_holds(fixture->store, 1, "new");
    assert_int_equal(put(fixture->store, 1, "newest"), SHERD_OK);
    assert_scan(fixture->store, "bnewdthree");
    sherd_fault_script_clear(fixture->script);
    assert_scan(fixture->store, "bnewestdthree");
}

static void test_store_fault_hide__leaves_one_out(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_fault_rule rule = {.call = SHERD_FAULT_SCAN, .kind = SHERD_FAULT_HIDE, .first = 1};
    char text[32];

    for (uint8_t n = 0; n < 3; n++) {
        assert_int_equal(put(fixture->store, n, "-"), SHERD_OK);
        assert_int_equal(put_blob(fixture->store, n, "blob"), SHERD_OK);
    }
    add(fixture, rule);
    assert_scan(fixture->store, "b-c-");
    rule.call = SHERD_FAULT_BLOB_SCAN;
    add(fixture, rule);
    assert_blob_scan(fixture->store, "bc");
    sherd_fault_script_clear(fixture->script);
    rule.named = true;
    rule.name = name_of(1);
    add(fixture, rule);
    assert_blob_scan(fixture->store, "ac");
    rule.call = SHERD_FAULT_SCAN;
    add(fixture, rule);
    assert_scan(fixture->store, "a-c-");
    rule.call = SHERD_FAULT_GET;
    add(fixture, rule);
    assert_holds(fixture->store, 1, NULL);
    assert_holds(fixture->store, 2, "-");
    rule.call = SHERD_FAULT_BLOB_OPEN;
    add(fixture, rule);
    assert_int_equal(get_blob(fixture->store, 1, text), SHERD_ERR_NOT_FOUND);
    assert_int_equal(get_blob(fixture->store, 2, text), SHERD_OK);
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

static void test_store_fault__is_no_store_by_itself(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_config config = {.path = "anywhere", .create = true};
    struct sherd_store *store = NULL;

    assert_int_equal(fixture->store->ops->open(&config, &store), SHERD_ERR_UNSUPPORTED);
    assert_null(store);
}

enum { THREADS = 6, GETS = 500 };

static void *get_often(void *arg)
{
    struct fixture *fixture = arg;
    struct sherd_snapshot *snapshot = NULL;
    uintptr_t hidden = 0;

    if (fixture->store->ops->snapshot_begin(fixture->store, &snapshot) != SHERD_OK)
        return NULL;
    for (int i = 0; i < GETS; i++) {
        struct sherd_buf value = {0};

        hidden += snapshot->ops->get(snapshot, name_of(1), &value) == SHERD_ERR_NOT_FOUND;
        sherd_buf_done(&value);
    }
    snapshot->ops->snapshot_end(snapshot);
    return (void *)hidden;
}

static void test_store_fault__counts_across_threads(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    uintptr_t hidden = 0;

    assert_int_equal(put(fixture->store, 1, "one"), SHERD_OK);
    add(fixture,
        (struct sherd_fault_rule){.call = SHERD_FAULT_GET, .kind = SHERD_FAULT_HIDE, .first = 100, .count = 1234});
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_often, fixture), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        hidden += (uintptr_t)result;
    }
    assert_int_equal(hidden, 1234);
    assert_int_equal(sherd_fault_script_calls(fixture->script, SHERD_FAULT_GET), THREADS * GETS);
    assert_int_equal(sherd_fault_script_hits(fixture->script, SHERD_FAULT_HIDE), 1234);
}

#define FAULT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_store_fault_script__refuses_what_makes_no_sense),
        FAULT_TEST(test_store_fault_script__counts),
        FAULT_TEST(test_store_fault_script__strikes_when_it_says),
        FAULT_TEST(test_store_fault_script__strikes_only_the_name),
        FAULT_TEST(test_store_fault_fail__happens_before_the_effect),
        FAULT_TEST(test_store_fault_fail__may_be_a_conflict),
        FAULT_TEST(test_store_fault_lose__happens_after_the_effect),
        FAULT_TEST(test_store_fault_lose__leaves_conflicts),
        FAULT_TEST(test_store_fault_delay__takes_its_time),
        FAULT_TEST(test_store_fault_repeat__happens_twice),
        FAULT_TEST(test_store_fault_flip__changes_one_bit_of_an_answer),
        FAULT_TEST(test_store_fault_flip__changes_one_bit_of_what_is_stored),
        FAULT_TEST(test_store_fault_stale__answers_with_the_past),
        FAULT_TEST(test_store_fault_hide__leaves_one_out),
        FAULT_TEST(test_store_fault__is_no_store_by_itself),
        FAULT_TEST(test_store_fault__counts_across_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
