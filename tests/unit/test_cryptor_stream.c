/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of streams: writers against a model, readers in ranges against a model, and how each of them ends. */
#include "vault.h"
#include <pthread.h>

#define CHUNK ((size_t)16384)
#define SLOT ((size_t)262144)

/* Write contents in pieces of the given length. */
static struct sherd_uuid write_in_pieces(struct vault_test *test, const struct sherd_record_meta *meta,
                                         const uint8_t *contents, size_t len, size_t piece)
{
    struct sherd_writer *writer = NULL;
    struct sherd_uuid id = {{0}};
    uint64_t version = 0;

    assert_ok(sherd_writer_begin(test->vault, meta, &writer));
    for (size_t at = 0; at < len; at += piece)
        assert_ok(sherd_writer_append(writer, sherd_span_of(contents + at, len - at < piece ? len - at : piece)));
    assert_ok(sherd_writer_commit(writer, &id, &version));
    assert_int_equal(version, 1);
    return id;
}

static void test_cryptor_stream_write__takes_any_pieces(void **state)
{
    static const size_t lengths[] = {
        0, 1, 65535, 65536, 65537, SLOT - 1, SLOT, SLOT + 1, 2 * SLOT, 3 * SLOT + CHUNK, 1500007};
    static const size_t pieces[] = {777, 4096, CHUNK, CHUNK + 1, SLOT - 1, SLOT, SLOT + 1, 3000000};
    struct vault_test *test = *state;
    uint8_t *contents = test_malloc(1500007);

    vault_fill(contents, 1500007, 1);
    for (size_t l = 0; l < SHERD_COUNT_OF(lengths); l++)
        for (size_t p = 0; p < SHERD_COUNT_OF(pieces); p++) {
            const struct sherd_uuid id = write_in_pieces(test, NULL, contents, lengths[l], pieces[p]);

            vault_assert_bytes(test, id, 0, sherd_span_of(contents, lengths[l]));
        }
    vault_assert_clean(test, 0);
    test_free(contents);
}

static void test_cryptor_stream_write__takes_single_bytes_and_empty_ones(void **state)
{
    struct vault_test *test = *state;
    uint8_t contents[3000];
    struct sherd_writer *writer = NULL;
    struct sherd_uuid id;

    vault_fill(contents, sizeof(contents), 2);
    assert_ok(sherd_writer_begin(test->vault, NULL, &writer));
    for (size_t i = 0; i < sizeof(contents); i++) {
        assert_ok(sherd_writer_append(writer, sherd_span_of(contents + i, 1)));
        assert_ok(sherd_writer_append(writer, sherd_span_of(NULL, 0)));
    }
    assert_ok(sherd_writer_commit(writer, &id, NULL));
    vault_assert_bytes(test, id, 0, sherd_span_of(contents, sizeof(contents)));
}

static void test_cryptor_stream_write__copies_what_it_is_given(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(SLOT);
    uint8_t *expected = test_malloc(4 * SLOT);
    struct sherd_writer *writer = NULL;
    struct sherd_uuid id;

    assert_ok(sherd_writer_begin(test->vault, NULL, &writer));
    for (size_t i = 0; i < 4; i++) {
        vault_fill(block, SLOT, i);
        memcpy(expected + i * SLOT, block, SLOT);
        assert_ok(sherd_writer_append(writer, sherd_span_of(block, SLOT)));
        memset(block, 0xee, SLOT); /* the caller's again as soon as the call is back */
    }
    assert_ok(sherd_writer_commit(writer, &id, NULL));
    vault_assert_bytes(test, id, 0, sherd_span_of(expected, 4 * SLOT));
    test_free(expected);
    test_free(block);
}

static void test_cryptor_stream_abort__leaves_nothing(void **state)
{
    static const size_t lengths[] = {0, 100, SLOT, 5 * SLOT + 1};
    struct vault_test *test = *state;
    uint8_t *contents = test_calloc(1, 5 * SLOT + 1);
    struct sherd_vault_info before;
    struct sherd_vault_info after;

    (void)vault_put(test, NULL, "so that the default entity has its key");
    assert_ok(sherd_vault_info(test->vault, &before));
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        struct sherd_writer *writer = NULL;

        assert_ok(sherd_writer_begin(test->vault, NULL, &writer));
        assert_ok(sherd_writer_append(writer, sherd_span_of(contents, lengths[i])));
        sherd_writer_abort(writer);
    }
    sherd_writer_abort(NULL);
    assert_ok(sherd_vault_info(test->vault, &after));
    assert_memory_equal(after.entry_count, before.entry_count, sizeof(after.entry_count));
    assert_memory_equal(after.blob_count, before.blob_count, sizeof(after.blob_count));
    vault_assert_clean(test, 0);
    test_free(contents);
}

static void test_cryptor_stream_update__makes_a_version(void **state)
{
    struct vault_test *test = *state;
    uint8_t *contents = test_malloc(2 * SLOT);
    const struct sherd_record_meta meta = {.content_type = "text/plain"};
    const struct sherd_record_meta idle = {.entity = "pat"};
    const struct sherd_uuid id = vault_put(test, &meta, "1");
    struct sherd_writer *writer = NULL;
    struct sherd_record_info *info = NULL;
    struct sherd_uuid found = {{0}};
    uint64_t version = 0;

    vault_fill(contents, 2 * SLOT, 3);
    assert_ok(sherd_writer_begin_update(test->vault, id, 1, NULL, &writer));
    assert_ok(sherd_writer_append(writer, sherd_span_of(contents, 2 * SLOT)));
    vault_assert_text(test, id, 0, "1"); /* until the commit */
    assert_ok(sherd_writer_commit(writer, &found, &version));
    assert_true(vault_same_id(found, id));
    assert_int_equal(version, 2);
    vault_assert_bytes(test, id, 0, sherd_span_of(contents, 2 * SLOT));
    assert_ok(sherd_record_stat(test->vault, id, 0, &info));
    assert_string_equal(info->content_type, "text/plain");
    sherd_record_info_free(info);

    writer = NULL;
    assert_err(SHERD_ERR_CONFLICT, sherd_writer_begin_update(test->vault, id, 1, NULL, &writer));
    assert_err(SHERD_ERR_INVALID, sherd_writer_begin_update(test->vault, id, 2, &idle, &writer));
    assert_ok(sherd_record_delete(test->vault, id));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_writer_begin_update(test->vault, id, 0, NULL, &writer));
    assert_null(writer);
    test_free(contents);
}

static void test_cryptor_stream_update__conflicts_at_the_commit(void **state)
{
    static const size_t lengths[] = {10, 3 * SLOT};
    struct vault_test *test = *state;
    uint8_t *contents = test_calloc(1, 3 * SLOT);

    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        const struct sherd_uuid id = vault_put(test, NULL, "1");
        struct sherd_writer *writer = NULL;
        struct sherd_uuid out_id = {{7}};
        uint64_t version = 77;

        assert_ok(sherd_writer_begin_update(test->vault, id, 0, NULL, &writer));
        assert_ok(sherd_writer_append(writer, sherd_span_of(contents, lengths[i])));
        assert_ok(sherd_record_update(test->vault, id, 1, NULL, sherd_span_str("2"), NULL));
        assert_err(SHERD_ERR_CONFLICT, sherd_writer_commit(writer, &out_id, &version));
        assert_int_equal(out_id.bytes[0], 7);
        assert_int_equal(version, 77);
        vault_assert_text(test, id, 0, "2");

        assert_ok(sherd_writer_begin_update(test->vault, id, 0, NULL, &writer));
        assert_ok(sherd_writer_append(writer, sherd_span_of(contents, lengths[i])));
        assert_ok(sherd_record_delete(test->vault, id));
        assert_int_not_equal(sherd_writer_commit(writer, NULL, NULL), SHERD_OK);
        assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, id, 0));
    }
    vault_assert_clean(test, 0); /* what was refused was taken back */
    test_free(contents);
}

static void test_cryptor_stream_append__refuses_more_than_a_pebibyte(void **state)
{
    struct vault_test *test = *state;
    struct sherd_writer *writer = NULL;
    const uint8_t byte = 1;

    assert_ok(sherd_writer_begin(test->vault, NULL, &writer));
    assert_ok(sherd_writer_append(writer, sherd_span_of(&byte, 1)));
    /* the length is looked at before any byte is */
    assert_err(SHERD_ERR_LIMIT, sherd_writer_append(writer, sherd_span_of(&byte, (size_t)SHERD_CONTENT_BYTES_MAX)));
    assert_int_equal(sherd_writer_append(writer, sherd_span_of(&byte, 1)), SHERD_ERR_LIMIT); /* it stays failed */
    assert_int_equal(sherd_writer_commit(writer, NULL, NULL), SHERD_ERR_LIMIT);
    vault_assert_clean(test, 0);
}

static void test_cryptor_stream_begin__refuses_calls_without_their_arguments(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta unknown = {.collection = "nothing"};
    const struct sherd_uuid id = vault_put(test, NULL, "x");
    struct sherd_writer *writer = NULL;
    struct sherd_reader *reader = NULL;
    struct sherd_uuid other;
    size_t bytes = 0;

    assert_err(SHERD_ERR_INVALID, sherd_writer_begin(NULL, NULL, &writer));
    assert_err(SHERD_ERR_INVALID, sherd_writer_begin(test->vault, NULL, NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_writer_begin(test->vault, &unknown, &writer));
    assert_err(SHERD_ERR_INVALID, sherd_writer_begin_update(NULL, id, 0, NULL, &writer));
    assert_err(SHERD_ERR_INVALID, sherd_writer_append(NULL, sherd_span_str("x")));
    assert_err(SHERD_ERR_INVALID, sherd_writer_commit(NULL, NULL, NULL));
    assert_null(writer);
    assert_ok(sherd_writer_begin(test->vault, NULL, &writer));
    assert_err(SHERD_ERR_INVALID, sherd_writer_append(writer, sherd_span_of(NULL, 1)));
    sherd_writer_abort(writer);

    assert_ok(sherd_uuid_new(&other));
    assert_err(SHERD_ERR_INVALID, sherd_reader_open(NULL, id, 0, &reader, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_reader_open(test->vault, id, 0, NULL, NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_reader_open(test->vault, other, 0, &reader, NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_reader_open(test->vault, id, 2, &reader, NULL));
    assert_null(reader);
    assert_ok(sherd_reader_open(test->vault, id, 1, &reader, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_reader_read(reader, 0, NULL, 1, &bytes));
    assert_err(SHERD_ERR_INVALID, sherd_reader_read(reader, 0, &bytes, 1, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_reader_read(NULL, 0, &other, 1, &bytes));
    assert_ok(sherd_reader_read(reader, 0, NULL, 0, &bytes));
    assert_int_equal(bytes, 0);
    sherd_reader_close(reader);
    sherd_reader_close(NULL);
}

/* --- ranges ------------------------------------------------------------------------------------------------------- */

/* Read a range into a block of exactly its length, and compare with the model. */
static void check_range(struct sherd_reader *reader, const uint8_t *contents, size_t len, uint64_t offset, size_t want)
{
    const size_t there = offset < len ? len - (size_t)offset : 0;
    const size_t expected = want < there ? want : there;
    uint8_t *block = test_malloc(want > 0 ? want : 1);
    size_t bytes = 77;

    assert_ok(sherd_reader_read(reader, offset, block, want, &bytes));
    if (bytes != expected || (bytes > 0 && memcmp(block, contents + offset, bytes) != 0))
        fail_msg("contents of %zu bytes: %zu bytes at %llu", len, want, (unsigned long long)offset);
    test_free(block);
}

/* All pairs of places where something begins or ends. */
static void check_edges(struct sherd_reader *reader, const uint8_t *contents, size_t len)
{
    const size_t at[] = {0,           1,        CHUNK - 1, CHUNK,   CHUNK + 1, 2 * CHUNK,    5 * CHUNK + 7, SLOT - 1,
                         SLOT,        SLOT + 1, len / 2,   len - 1, len,       SLOT + CHUNK, 2 * SLOT - 1,  2 * SLOT,
                         2 * SLOT + 1};

    for (size_t i = 0; i < SHERD_COUNT_OF(at); i++)
        for (size_t k = 0; k < SHERD_COUNT_OF(at); k++)
            if (at[i] <= at[k] && at[i] <= len)
                check_range(reader, contents, len, at[i], at[k] - at[i]);
    check_range(reader, contents, len, len + 1, 10);
    check_range(reader, contents, len, UINT64_MAX, 10);
    check_range(reader, contents, len, UINT64_MAX - 5, 10);
    check_range(reader, contents, len, 0, len + 100000);
}

static void check_random(struct sherd_reader *reader, const uint8_t *contents, size_t len, unsigned count)
{
    uint64_t x = 88172645463325252ULL;

    for (unsigned i = 0; i < count; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        check_range(reader, contents, len, x % (len + 2), (size_t)(x >> 20) % (i % 2 == 0 ? 3 * CHUNK : len + 2));
    }
}

static void test_cryptor_stream_read__agrees_with_the_contents_in_every_range(void **state)
{
    static const size_t lengths[] = {1, 1000, 65535, 65536, 65537, 98304, SLOT, SLOT + 1, 3 * SLOT + 5};
    struct vault_test *test = *state;
    const struct sherd_record_meta exact = {.collection = "exact"};
    uint8_t *contents = test_malloc(3 * SLOT + 5);

    vault_collection(test, "exact", 1, true);
    vault_fill(contents, 3 * SLOT + 5, 4);
    for (size_t i = 0; i < 2 * SHERD_COUNT_OF(lengths); i++) {
        const size_t len = lengths[i / 2];
        struct sherd_reader *reader = NULL;
        uint64_t content_bytes = 0;
        struct sherd_uuid id;

        assert_ok(sherd_record_put(test->vault, i % 2 == 0 ? NULL : &exact, sherd_span_of(contents, len), &id));
        assert_ok(sherd_reader_open(test->vault, id, 0, &reader, &content_bytes));
        assert_int_equal(content_bytes, len);
        check_edges(reader, contents, len);
        check_random(reader, contents, len, 60);
        sherd_reader_close(reader);
    }
    test_free(contents);
}

static void test_cryptor_stream_read__goes_through_in_small_steps(void **state)
{
    struct vault_test *test = *state;
    const size_t len = 5 * CHUNK + 100;
    uint8_t *contents = test_malloc(len);
    struct sherd_reader *reader = NULL;
    struct sherd_uuid id;

    vault_fill(contents, len, 5);
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(contents, len), &id));
    assert_ok(sherd_reader_open(test->vault, id, 0, &reader, NULL));
    for (size_t at = 0; at < len; at += 97)
        check_range(reader, contents, len, at, 97);
    for (size_t at = len; at > 97; at -= 97) /* and back */
        check_range(reader, contents, len, at - 97, 97);
    sherd_reader_close(reader);
    test_free(contents);
}

static void test_cryptor_stream_read__outlives_update_and_delete(void **state)
{
    struct vault_test *test = *state;
    const size_t len = 3 * SLOT;
    uint8_t *contents = test_malloc(len);
    struct sherd_reader *large = NULL;
    struct sherd_reader *small = NULL;
    struct sherd_uuid large_id;
    const struct sherd_uuid small_id = vault_put(test, NULL, "small");

    vault_fill(contents, len, 6);
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(contents, len), &large_id));
    assert_ok(sherd_reader_open(test->vault, large_id, 0, &large, NULL));
    assert_ok(sherd_reader_open(test->vault, small_id, 0, &small, NULL));
    check_range(large, contents, len, 0, 1000);
    assert_ok(sherd_record_update(test->vault, large_id, 0, NULL, sherd_span_str("other"), NULL));
    assert_ok(sherd_record_delete(test->vault, large_id));
    assert_ok(sherd_record_delete(test->vault, small_id));
    check_range(large, contents, len, 0, len);
    check_range(large, contents, len, len - 5, 5);
    check_range(small, (const uint8_t *)"small", 5, 0, 5);
    sherd_reader_close(large);
    sherd_reader_close(small);
    vault_assert_clean(test, 0);
    test_free(contents);
}

/* --- at once ------------------------------------------------------------------------------------------------------ */

struct worker {
    struct vault_test *test;
    pthread_t thread;
    unsigned number;
    const char *failed;
};

/* Write a record of its own, read it back in steps, and remove it. */
static const char *work_once(struct worker *worker, uint8_t *contents, uint8_t *block, size_t len)
{
    struct sherd_writer *writer = NULL;
    struct sherd_reader *reader = NULL;
    struct sherd_uuid id;
    size_t bytes = 0;

    vault_fill(contents, len, worker->number);
    if (sherd_writer_begin(worker->test->vault, NULL, &writer) != SHERD_OK)
        return "begin";
    for (size_t at = 0; at < len; at += 100000)
        if (sherd_writer_append(writer, sherd_span_of(contents + at, len - at < 100000 ? len - at : 100000)) !=
            SHERD_OK) {
            sherd_writer_abort(writer);
            return "append";
        }
    if (sherd_writer_commit(writer, &id, NULL) != SHERD_OK)
        return "commit";
    if (sherd_reader_open(worker->test->vault, id, 0, &reader, NULL) != SHERD_OK)
        return "open";
    const enum sherd_err err = sherd_reader_read(reader, 0, block, len + 1, &bytes);
    sherd_reader_close(reader);
    if (err != SHERD_OK || bytes != len || memcmp(block, contents, len) != 0)
        return "read";
    return sherd_record_delete(worker->test->vault, id) == SHERD_OK ? NULL : "delete";
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    const size_t len = (size_t)worker->number * 150000 + 1;
    uint8_t *contents = malloc(len);
    uint8_t *block = malloc(len + 1);

    for (unsigned i = 0; i < 3 && worker->failed == NULL; i++)
        worker->failed = contents != NULL && block != NULL ? work_once(worker, contents, block, len) : "malloc";
    free(contents);
    free(block);
    return NULL;
}

static void test_cryptor_stream_all__works_for_many_threads_at_once(void **state)
{
    struct vault_test *test = *state;
    struct worker workers[8];

    for (unsigned i = 0; i < SHERD_COUNT_OF(workers); i++) {
        workers[i] = (struct worker){.test = test, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < SHERD_COUNT_OF(workers); i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        if (workers[i].failed != NULL)
            fail_msg("thread %u: %s", i, workers[i].failed);
    }
    vault_assert_clean(test, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_stream_write__takes_any_pieces),
        vault_test_of(test_cryptor_stream_write__takes_single_bytes_and_empty_ones),
        vault_test_of(test_cryptor_stream_write__copies_what_it_is_given),
        vault_test_of(test_cryptor_stream_abort__leaves_nothing),
        vault_test_of(test_cryptor_stream_update__makes_a_version),
        vault_test_of(test_cryptor_stream_update__conflicts_at_the_commit),
        vault_test_of(test_cryptor_stream_append__refuses_more_than_a_pebibyte),
        vault_test_of(test_cryptor_stream_begin__refuses_calls_without_their_arguments),
        vault_test_of(test_cryptor_stream_read__agrees_with_the_contents_in_every_range),
        vault_test_of(test_cryptor_stream_read__goes_through_in_small_steps),
        vault_test_of(test_cryptor_stream_read__outlives_update_and_delete),
        vault_test_of(test_cryptor_stream_all__works_for_many_threads_at_once),
    };

    return cmocka_run_group_tests_name("cryptor_stream", tests, NULL, NULL);
}
