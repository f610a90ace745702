/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of stores: blobs. */
#include "subject.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct sherd_blob_writer *begin(struct sherd_store *store)
{
    struct sherd_blob_writer *writer = NULL;

    assert_int_equal(store->ops->blob_create(store, &writer), SHERD_OK);
    assert_non_null(writer);
    return writer;
}

static void append(struct sherd_blob_writer *writer, const void *bytes, size_t len)
{
    assert_int_equal(writer->ops->blob_append(writer, sherd_span_of(bytes, len)), SHERD_OK);
}

static void store_blob(struct sherd_store *store, uint64_t n, const char *text)
{
    struct sherd_blob_writer *writer = begin(store);

    append(writer, text, strlen(text));
    assert_int_equal(writer->ops->blob_commit(writer, name_of(n)), SHERD_OK);
}

static struct sherd_blob_reader *open_blob(struct sherd_store *store, uint64_t n, uint64_t wanted_bytes)
{
    struct sherd_blob_reader *reader = NULL;
    uint64_t bytes = 0;

    assert_int_equal(store->ops->blob_open(store, name_of(n), &reader, &bytes), SHERD_OK);
    assert_int_equal(bytes, wanted_bytes);
    return reader;
}

static void assert_no_blob(struct sherd_store *store, uint64_t n)
{
    struct sherd_blob_reader *reader = NULL;
    uint64_t bytes = 77;

    assert_int_equal(store->ops->blob_open(store, name_of(n), &reader, &bytes), SHERD_ERR_NOT_FOUND);
    assert_null(reader);
    assert_int_equal(bytes, 77);
}

static void assert_blob(struct sherd_store *store, uint64_t n, const char *text)
{
    struct sherd_blob_reader *reader = open_blob(store, n, strlen(text));
    uint8_t block[256];

    assert_in_range(strlen(text), 0, sizeof(block));
    assert_int_equal(reader->ops->blob_read(reader, 0, block, strlen(text)), SHERD_OK);
    assert_memory_equal(block, text, strlen(text));
    reader->ops->blob_close(reader);
}

static void test_store_blob__joins_its_pieces(void **state)
{
    static const size_t pieces[] = {1, 4095, 4096, 65537, 1 << 20, 3, 700000};
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);
    struct sherd_blob_reader *reader;
    size_t whole = 0;

    for (size_t i = 0; i < SHERD_COUNT_OF(pieces); i++)
        whole += pieces[i];
    uint8_t *block = malloc(whole);
    uint8_t *found = malloc(whole);
    assert_non_null(block);
    assert_non_null(found);
    fill(block, whole, 1);
    for (size_t i = 0, at = 0; i < SHERD_COUNT_OF(pieces); at += pieces[i], i++)
        append(writer, block + at, pieces[i]);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);

    for (int i = 0; i < 2; i++) {
        reader = open_blob(fixture->store, 1, whole);
        assert_int_equal(reader->ops->blob_read(reader, 0, found, whole), SHERD_OK);
        assert_memory_equal(found, block, whole);
        reader->ops->blob_close(reader);
        fixture_close(fixture);
        fixture_reopen(fixture, i == 0);
    }
    free(found);
    free(block);
}

static void test_store_blob__reads_ranges_and_nothing_past_the_end(void **state)
{
    enum { WHOLE = 100000 };
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);
    uint8_t *block = malloc(WHOLE);
    uint8_t found[8192];
    uint64_t random = 7;

    assert_non_null(block);
    fill(block, WHOLE, 3);
    append(writer, block, WHOLE);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);
    struct sherd_blob_reader *reader = open_blob(fixture->store, 1, WHOLE);
    for (int i = 0; i < 300; i++) {
        const size_t bytes = (size_t)(draw(&random) >> 32) % (sizeof(found) + 1);
        const uint64_t offset = (draw(&random) >> 32) % (WHOLE - bytes + 1);

        assert_int_equal(reader->ops->blob_read(reader, offset, found, bytes), SHERD_OK);
        assert_memory_equal(found, block + offset, bytes);
    }
    assert_int_equal(reader->ops->blob_read(reader, WHOLE - 10, found, 10), SHERD_OK);
    assert_int_equal(reader->ops->blob_read(reader, WHOLE - 10, found, 11), SHERD_ERR_LIMIT);
    assert_int_equal(reader->ops->blob_read(reader, WHOLE, found, 1), SHERD_ERR_LIMIT);
    assert_int_equal(reader->ops->blob_read(reader, WHOLE + 1, found, 1), SHERD_ERR_LIMIT);
    assert_int_equal(reader->ops->blob_read(reader, UINT64_MAX, found, 2), SHERD_ERR_LIMIT);
    assert_int_equal(reader->ops->blob_read(reader, UINT64_MAX - 1, found, 8), SHERD_ERR_LIMIT);
    assert_int_equal(reader->ops->blob_read(reader, (uint64_t)INT64_MAX, found, 8), SHERD_ERR_LIMIT);
    reader->ops->blob_close(reader);
    free(block);
}

static void test_store_blob__may_be_empty(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);
    struct sherd_blob_reader *reader;
    uint8_t byte;

    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);
    writer = begin(fixture->store);
    append(writer, "", 0);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(2)), SHERD_OK);
    for (uint64_t n = 1; n <= 2; n++) {
        reader = open_blob(fixture->store, n, 0);
        assert_int_equal(reader->ops->blob_read(reader, 0, &byte, 0), SHERD_OK);
        assert_int_equal(reader->ops->blob_read(reader, 0, &byte, 1), SHERD_ERR_LIMIT);
        reader->ops->blob_close(reader);
    }
}

static void test_store_blob__appears_with_its_commit(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);
    struct sherd_store_stat stat;
    struct visits visits = {.count = 0};

    append(writer, "unfinished", 10);
    assert_no_blob(fixture->store, 1);
    assert_int_equal(fixture->store->ops->blob_scan(fixture->store, NULL, note_visit, &visits), SHERD_OK);
    assert_int_equal(visits.count, 0);
    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.blob_count, 0);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);
    assert_blob(fixture->store, 1, "unfinished");
    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.blob_count, 1);
    assert_true(stat.blob_bytes >= 10);
}

static void test_store_blob__leaves_nothing_when_aborted(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);
    struct sherd_store_stat stat;
    uint64_t removed = 77;

    append(writer, "dropped", 7);
    writer->ops->blob_abort(writer);
    writer = begin(fixture->store);
    writer->ops->blob_abort(writer);
    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.blob_count, 0);
    assert_int_equal(stat.blob_bytes, 0);
    assert_int_equal(fixture->store->ops->tidy(fixture->store, &removed), SHERD_OK);
    assert_int_equal(removed, 0);
}

static void test_store_blob__patches_what_was_appended(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);

    append(writer, "........", 8);
    append(writer, "body", 4);
    assert_int_equal(writer->ops->blob_patch(writer, 0, sherd_span_str("head")), SHERD_OK);
    assert_int_equal(writer->ops->blob_patch(writer, 7, sherd_span_str("-B")), SHERD_OK);
    assert_int_equal(writer->ops->blob_patch(writer, 11, sherd_span_str("Y")), SHERD_OK);
    append(writer, "+tail", 5);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);
    assert_blob(fixture->store, 1, "head...-BodY+tail");
}

static void test_store_blob__refuses_a_patch_past_its_end(void **state)
{
    static const struct {
        uint64_t offset;
        const char *bytes;
    } cases[] = {{4, "x"}, {3, "xy"}, {0, "12345"}, {UINT64_MAX, "x"}, {UINT64_MAX - 1, "xyz"}};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        struct sherd_blob_writer *writer = begin(fixture->store);

        append(writer, "four", 4);
        assert_int_equal(writer->ops->blob_patch(writer, cases[i].offset, sherd_span_str(cases[i].bytes)),
                         SHERD_ERR_LIMIT);
        writer->ops->blob_abort(writer);
    }
}

static void test_store_blob__never_replaces_another(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);
    struct sherd_store_stat stat;

    store_blob(fixture->store, 1, "first");
    append(writer, "second", 6);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_ERR_CONFLICT);
    assert_blob(fixture->store, 1, "first");
    assert_int_equal(fixture->store->ops->stat(fixture->store, &stat), SHERD_OK);
    assert_int_equal(stat.blob_count, 1);
    store_blob(fixture->store, 2, "second");
    assert_blob(fixture->store, 2, "second");
}

static void test_store_blob__stays_readable_while_deleted(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_reader *reader;
    uint8_t block[5];

    store_blob(fixture->store, 1, "older");
    reader = open_blob(fixture->store, 1, 5);
    assert_int_equal(fixture->store->ops->blob_delete(fixture->store, name_of(1)), SHERD_OK);
    assert_no_blob(fixture->store, 1);
    store_blob(fixture->store, 1, "newer");
    assert_int_equal(reader->ops->blob_read(reader, 0, block, 5), SHERD_OK);
    assert_memory_equal(block, "older", 5);
    reader->ops->blob_close(reader);
    assert_blob(fixture->store, 1, "newer");
}

static void test_store_blob__delete_of_nothing_is_fine(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture->store->ops->blob_delete(fixture->store, name_of(1)), SHERD_OK);
    store_blob(fixture->store, 2, "other");
    assert_int_equal(fixture->store->ops->blob_delete(fixture->store, name_of(1)), SHERD_OK);
    assert_blob(fixture->store, 2, "other");
    assert_int_equal(fixture->store->ops->blob_delete(fixture->store, name_of(2)), SHERD_OK);
    assert_int_equal(fixture->store->ops->blob_delete(fixture->store, name_of(2)), SHERD_OK);
    fixture_close(fixture);
    fixture_reopen(fixture, false);
    assert_no_blob(fixture->store, 2);
}

static void test_store_blob__names_are_not_those_of_entries(void **state)
{
    struct fixture *fixture = *state;
    const struct sherd_store_op gone = op_delete(1);
    struct visits visits = {.count = 0};

    put(fixture->store, 1, "entry");
    store_blob(fixture->store, 1, "blob");
    assert_value(fixture->store, 1, "entry");
    assert_int_equal(write_ops(fixture->store, &gone, 1), SHERD_OK);
    assert_blob(fixture->store, 1, "blob");
    put(fixture->store, 1, "entry");
    assert_int_equal(fixture->store->ops->blob_delete(fixture->store, name_of(1)), SHERD_OK);
    assert_value(fixture->store, 1, "entry");
    assert_int_equal(fixture->store->ops->blob_scan(fixture->store, NULL, note_visit, &visits), SHERD_OK);
    assert_int_equal(visits.count, 0);
}

static enum sherd_err note_blob(void *arg, struct sherd_ref name, struct sherd_span value)
{
    return value.data == NULL ? note_visit(arg, name, value) : SHERD_ERR_INVALID;
}

/* Numbers whose names begin with different bytes, so that a store that spreads blobs over folders has to sort those. */
static uint64_t spread(uint64_t i)
{
    return i << 59 | i;
}

static void test_store_blob_scan__visits_in_order(void **state)
{
    struct fixture *fixture = *state;
    char text[] = "0123456789012345678901";
    struct visits visits = {.count = 0};
    struct sherd_ref after;

    for (uint64_t i = 0; i < 20; i++) {
        const uint64_t n = i * 7 % 20;

        text[n] = '\0';
        store_blob(fixture->store, spread(n), text);
        text[n] = 'x';
    }
    assert_int_equal(fixture->store->ops->blob_scan(fixture->store, NULL, note_blob, &visits), SHERD_OK);
    assert_int_equal(visits.count, 20);
    for (uint64_t n = 0; n < 20; n++) {
        assert_int_equal(visits.numbers[n], spread(n));
        assert_int_equal(visits.lengths[n], n);
    }
    for (uint64_t n = 0; n < 20; n++) {
        visits = (struct visits){.count = 0};
        after = name_of(spread(n));
        assert_int_equal(fixture->store->ops->blob_scan(fixture->store, &after, note_blob, &visits), SHERD_OK);
        assert_int_equal(visits.count, 19 - n);
        assert_true(n == 19 || visits.numbers[0] == spread(n + 1));
    }
    after = name_of(spread(4) + 1); /* a name that is not there */
    visits = (struct visits){.count = 0};
    assert_int_equal(fixture->store->ops->blob_scan(fixture->store, &after, note_blob, &visits), SHERD_OK);
    assert_int_equal(visits.count, 15);
    for (size_t stop = 1; stop <= 20; stop += 6) {
        visits = (struct visits){.stop_after = stop};
        assert_int_equal(fixture->store->ops->blob_scan(fixture->store, NULL, note_blob, &visits), SHERD_ERR_DENIED);
        assert_int_equal(visits.count, stop);
    }
}

static void test_store_blob__writers_do_not_mix(void **state)
{
    enum { WRITERS = 8, PIECES = 10 };
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writers[WRITERS];
    char text[PIECES + 1];

    for (size_t i = 0; i < WRITERS; i++)
        writers[i] = begin(fixture->store);
    for (size_t piece = 0; piece < PIECES; piece++) {
        for (size_t i = 0; i < WRITERS; i++) {
            const char letter = (char)('a' + (int)i);

            append(writers[i], &letter, 1);
        }
    }
    for (size_t i = WRITERS; i-- > 0;)
        assert_int_equal(writers[i]->ops->blob_commit(writers[i], name_of(i)), SHERD_OK);
    text[PIECES] = '\0';
    for (size_t i = 0; i < WRITERS; i++) {
        memset(text, 'a' + (int)i, PIECES);
        assert_blob(fixture->store, i, text);
    }
}

static void test_store_tidy__spares_living_writers(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);
    uint64_t removed = 77;

    append(writer, "half ", 5);
    assert_int_equal(fixture->store->ops->tidy(fixture->store, &removed), SHERD_OK);
    assert_int_equal(removed, 0);
    append(writer, "and half", 8);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);
    assert_int_equal(fixture->store->ops->tidy(fixture->store, &removed), SHERD_OK);
    assert_int_equal(removed, 0);
    assert_blob(fixture->store, 1, "half and half");
}

/* --- many threads on one reader ---------------------------------------------------------------------------------- */

enum { SHARED_BYTES = 1 << 18 };

struct reading {
    struct sherd_blob_reader *reader;
    const uint8_t *block;
    uint64_t random;
    unsigned wrong_count;
};

static void *read_at_random(void *arg)
{
    struct reading *reading = arg;
    uint8_t found[4096];

    for (int i = 0; i < 400; i++) {
        const size_t bytes = 1 + (size_t)(draw(&reading->random) >> 32) % sizeof(found);
        const uint64_t offset = (draw(&reading->random) >> 32) % (SHARED_BYTES - bytes);

        if (reading->reader->ops->blob_read(reading->reader, offset, found, bytes) != SHERD_OK ||
            memcmp(found, reading->block + offset, bytes) != 0)
            reading->wrong_count++;
    }
    return NULL;
}

static void test_store_blob__one_reader_serves_many_threads(void **state)
{
    enum { THREADS = 8 };
    struct fixture *fixture = *state;
    struct sherd_blob_writer *writer = begin(fixture->store);
    struct reading readings[THREADS];
    pthread_t threads[THREADS];
    uint8_t *block = malloc(SHARED_BYTES);

    assert_non_null(block);
    fill(block, SHARED_BYTES, 5);
    append(writer, block, SHARED_BYTES);
    assert_int_equal(writer->ops->blob_commit(writer, name_of(1)), SHERD_OK);
    struct sherd_blob_reader *reader = open_blob(fixture->store, 1, SHARED_BYTES);
    for (uint64_t i = 0; i < THREADS; i++) {
        readings[i] = (struct reading){reader, block, i + 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, &readings[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readings[i].wrong_count, 0);
    }
    reader->ops->blob_close(reader);
    free(block);
}

const struct CMUnitTest blob_tests[] = {
    STORE_TEST(test_store_blob__joins_its_pieces),
    STORE_TEST(test_store_blob__reads_ranges_and_nothing_past_the_end),
    STORE_TEST(test_store_blob__may_be_empty),
    STORE_TEST(test_store_blob__appears_with_its_commit),
    STORE_TEST(test_store_blob__leaves_nothing_when_aborted),
    STORE_TEST(test_store_blob__patches_what_was_appended),
    STORE_TEST(test_store_blob__refuses_a_patch_past_its_end),
    STORE_TEST(test_store_blob__never_replaces_another),
    STORE_TEST(test_store_blob__stays_readable_while_deleted),
    STORE_TEST(test_store_blob__delete_of_nothing_is_fine),
    STORE_TEST(test_store_blob__names_are_not_those_of_entries),
    STORE_TEST(test_store_blob_scan__visits_in_order),
    STORE_TEST(test_store_blob__writers_do_not_mix),
    STORE_TEST(test_store_blob__one_reader_serves_many_threads),
    STORE_TEST(test_store_tidy__spares_living_writers),
};
const size_t blob_test_count = SHERD_COUNT_OF(blob_tests);
