/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of idempotency keys: a put that is repeated stores nothing twice, and one key never stands for two contents. */
#include "base/failpoint.h"
#include "vault.h"
#include <pthread.h>

static enum sherd_err put_keyed(struct vault_test *test, const char *collection, const char *key,
                                struct sherd_span contents, struct sherd_uuid *out_id)
{
    const struct sherd_record_meta meta = {.collection = collection, .idempotency_key = sherd_span_str(key)};

    return sherd_record_put(test->vault, &meta, contents, out_id);
}

static uint64_t records(struct vault_test *test)
{
    struct sherd_verify_stat stat = {0};

    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.orphan_count, 0);
    return stat.record_count;
}

static void test_cryptor_idempotency_put__gives_the_first_id_again(void **state)
{
    static const size_t lengths[] = {0, 1, 1000, 65536, 65537, 600000};
    struct vault_test *test = *state;
    uint8_t *contents = test_malloc(600000);
    char key[16];

    vault_fill(contents, 600000, 1);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        const struct sherd_span bytes = sherd_span_of(contents, lengths[i]);
        struct sherd_uuid first;
        struct sherd_uuid again;

        (void)snprintf(key, sizeof(key), "key %zu", i);
        assert_ok(put_keyed(test, NULL, key, bytes, &first));
        assert_ok(put_keyed(test, NULL, key, bytes, &again));
        assert_true(vault_same_id(first, again));
        vault_reopen(test);
        assert_ok(put_keyed(test, NULL, key, bytes, &again));
        assert_true(vault_same_id(first, again));
        vault_assert_bytes(test, first, 0, bytes);
        assert_int_equal(records(test), i + 1);
    }
    test_free(contents);
}

static void test_cryptor_idempotency_put__conflicts_on_other_contents(void **state)
{
    struct vault_test *test = *state;
    struct sherd_uuid id;
    struct sherd_uuid other = {{7}};

    assert_ok(put_keyed(test, NULL, "k", sherd_span_str("one"), &id));
    assert_err(SHERD_ERR_CONFLICT, put_keyed(test, NULL, "k", sherd_span_str("two"), &other));
    assert_err(SHERD_ERR_CONFLICT, put_keyed(test, NULL, "k", sherd_span_of(NULL, 0), &other));
    assert_err(SHERD_ERR_CONFLICT, put_keyed(test, NULL, "k", sherd_span_of("one", 4), &other));
    assert_int_equal(other.bytes[0], 7);
    vault_assert_text(test, id, 0, "one");
    assert_int_equal(records(test), 1);
}

static void test_cryptor_idempotency_put__keeps_keys_and_collections_apart(void **state)
{
    static const char *const keys[] = {"k", "K", "k ", "kk"};
    struct vault_test *test = *state;
    struct sherd_uuid ids[8];
    size_t count = 0;

    vault_collection(test, "other", 1, false);
    for (size_t i = 0; i < SHERD_COUNT_OF(keys); i++) {
        assert_ok(put_keyed(test, NULL, keys[i], sherd_span_str("x"), &ids[count++]));
        assert_ok(put_keyed(test, "other", keys[i], sherd_span_str("x"), &ids[count++]));
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            assert_false(vault_same_id(ids[i], ids[k]));
    assert_int_equal(records(test), count);
}

static void test_cryptor_idempotency_put__takes_keys_of_any_bytes_up_to_the_bound(void **state)
{
    struct vault_test *test = *state;
    uint8_t key[129] = {0, 0xff, 0, 1};
    struct sherd_record_meta meta = {.idempotency_key = sherd_span_of(key, 128)};
    struct sherd_uuid id;
    struct sherd_uuid again;

    assert_ok(sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    key[127] = 1; /* differs in its last byte */
    assert_ok(sherd_record_put(test->vault, &meta, sherd_span_str("x"), &again));
    assert_false(vault_same_id(id, again));
    key[127] = 0;
    assert_ok(sherd_record_put(test->vault, &meta, sherd_span_str("x"), &again));
    assert_true(vault_same_id(id, again));
    meta.idempotency_key.len = 129;
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &again));
    assert_int_equal(records(test), 2);
}

static void test_cryptor_idempotency_put__outlives_updates_and_ends_with_the_record(void **state)
{
    struct vault_test *test = *state;
    struct sherd_uuid id;
    struct sherd_uuid again;

    assert_ok(put_keyed(test, NULL, "k", sherd_span_str("one"), &id));
    assert_ok(sherd_record_update(test->vault, id, 1, NULL, sherd_span_str("two"), NULL));
    assert_ok(put_keyed(test, NULL, "k", sherd_span_str("one"), &again));
    assert_true(vault_same_id(id, again));
    vault_assert_text(test, id, 0, "two"); /* and nothing was put back */
    assert_err(SHERD_ERR_CONFLICT, put_keyed(test, NULL, "k", sherd_span_str("two"), &again));

    assert_ok(sherd_record_delete(test->vault, id));
    assert_ok(put_keyed(test, NULL, "k", sherd_span_str("other"), &again));
    assert_false(vault_same_id(id, again));
    vault_assert_text(test, again, 0, "other");
    assert_int_equal(records(test), 1);
}

static void test_cryptor_idempotency_writer__works_for_streams(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.idempotency_key = sherd_span_str("k")};
    struct sherd_uuid ids[2];

    for (size_t i = 0; i < 2; i++) {
        struct sherd_writer *writer = NULL;
        uint64_t version = 0;

        assert_ok(sherd_writer_begin(test->vault, &meta, &writer));
        for (size_t k = 0; k < 40; k++) /* in other pieces the second time */
            assert_ok(sherd_writer_append(writer, sherd_span_str(i == 0 ? "abcabc" : (k < 20 ? "abcabcabcabc" : ""))));
        assert_ok(sherd_writer_commit(writer, &ids[i], &version));
        assert_int_equal(version, 1);
    }
    assert_true(vault_same_id(ids[0], ids[1]));
    assert_int_equal(records(test), 1);
}

/* --- at once ------------------------------------------------------------------------------------------------------ */

struct putter {
    struct vault_test *test;
    pthread_t thread;
    pthread_barrier_t *barrier;
    const char *key;
    struct sherd_span contents;
    enum sherd_err err;
    struct sherd_uuid id;
};

static void *put_in_thread(void *arg)
{
    struct putter *putter = arg;

    (void)pthread_barrier_wait(putter->barrier);
    putter->err = put_keyed(putter->test, NULL, putter->key, putter->contents, &putter->id);
    if (putter->err != SHERD_OK && putter->err != SHERD_ERR_CONFLICT)
        print_error("put: %s: %s\n", sherd_err_name(putter->err), sherd_err_detail());
    return NULL;
}

#define PUTTERS 8U

static void put_at_once(struct vault_test *test, struct putter putters[PUTTERS], const char *key,
                        const struct sherd_span contents[2])
{
    pthread_barrier_t barrier;

    assert_int_equal(pthread_barrier_init(&barrier, NULL, PUTTERS), 0);
    for (size_t i = 0; i < PUTTERS; i++) {
        putters[i] = (struct putter){.test = test, .barrier = &barrier, .key = key, .contents = contents[i % 2]};
        assert_int_equal(pthread_create(&putters[i].thread, NULL, put_in_thread, &putters[i]), 0);
    }
    for (size_t i = 0; i < PUTTERS; i++)
        assert_int_equal(pthread_join(putters[i].thread, NULL), 0);
    (void)pthread_barrier_destroy(&barrier);
}

static void test_cryptor_idempotency_put__stores_once_when_eight_put_at_once(void **state)
{
    struct vault_test *test = *state;
    uint8_t *large = test_calloc(1, 300000);
    struct putter putters[PUTTERS];
    char key[16];

    for (unsigned round = 0; round < 20; round++) {
        const struct sherd_span bytes = round % 4 == 3 ? sherd_span_of(large, 300000) : sherd_span_str("same");

        (void)snprintf(key, sizeof(key), "key %u", round);
        put_at_once(test, putters, key, (const struct sherd_span[2]){bytes, bytes});
        for (size_t i = 0; i < PUTTERS; i++) {
            assert_int_equal(putters[i].err, SHERD_OK);
            assert_true(vault_same_id(putters[i].id, putters[0].id));
        }
    }
    assert_int_equal(records(test), 20);
    test_free(large);
}

static void test_cryptor_idempotency_put__takes_one_of_two_contents_when_eight_put_at_once(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_span contents[2] = {sherd_span_str("one"), sherd_span_str("two")};
    struct putter putters[PUTTERS];
    char key[16];

    for (unsigned round = 0; round < 20; round++) {
        (void)snprintf(key, sizeof(key), "key %u", round);
        put_at_once(test, putters, key, contents);
        const size_t winner = putters[0].err == SHERD_OK ? 0 : 1;

        for (size_t i = 0; i < PUTTERS; i++) {
            assert_int_equal(putters[i].err, i % 2 == winner ? SHERD_OK : SHERD_ERR_CONFLICT);
            if (i % 2 == winner)
                assert_true(vault_same_id(putters[i].id, putters[winner].id));
        }
        vault_assert_text(test, putters[winner].id, 0, winner == 0 ? "one" : "two");
    }
    assert_int_equal(records(test), 20);
}

/* Puts with one key, each followed by a deletion, in several threads: an entry whose record goes is no violation. */
static void *put_and_delete(void *arg)
{
    struct putter *putter = arg;

    (void)pthread_barrier_wait(putter->barrier);
    for (unsigned i = 0; i < 60 && putter->err == SHERD_OK; i++) {
        putter->err = put_keyed(putter->test, NULL, putter->key, putter->contents, &putter->id);
        if (putter->err == SHERD_OK)
            putter->err = sherd_record_delete(putter->test->vault, putter->id);
        if (putter->err == SHERD_ERR_CONFLICT || putter->err == SHERD_ERR_NOT_FOUND)
            putter->err = SHERD_OK; /* it came and went meanwhile; another one deleted it */
    }
    if (putter->err != SHERD_OK)
        print_error("%s: %s\n", sherd_err_name(putter->err), sherd_err_detail());
    return NULL;
}

static void test_cryptor_idempotency_put__takes_no_deletion_for_a_violation(void **state)
{
    struct vault_test *test = *state;
    struct putter putters[4];
    pthread_barrier_t barrier;

    assert_int_equal(pthread_barrier_init(&barrier, NULL, SHERD_COUNT_OF(putters)), 0);
    for (size_t i = 0; i < SHERD_COUNT_OF(putters); i++) {
        putters[i] = (struct putter){
            .test = test, .barrier = &barrier, .key = "k", .contents = sherd_span_str("same"), .err = SHERD_OK};
        assert_int_equal(pthread_create(&putters[i].thread, NULL, put_and_delete, &putters[i]), 0);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(putters); i++)
        assert_int_equal(pthread_join(putters[i].thread, NULL), 0);
    (void)pthread_barrier_destroy(&barrier);
    for (size_t i = 0; i < SHERD_COUNT_OF(putters); i++)
        assert_int_equal(putters[i].err, SHERD_OK);
    assert_int_equal(records(test), 0);
}

/* --- a lost answer ------------------------------------------------------------------------------------------------ */

#if SHERD_FAILPOINTS

static enum sherd_err lose_the_answer(void *arg, const char *name)
{
    return strcmp(name, arg) == 0 ? sherd_fail(SHERD_ERR_IO, "the answer got lost") : SHERD_OK;
}

static void test_cryptor_idempotency_put__finds_what_a_lost_answer_stored(void **state)
{
    static char after_pin[] = "put.after_pin";
    struct vault_test *test = *state;
    struct sherd_uuid id = {{7}};

    sherd_failpoint_set(lose_the_answer, after_pin);
    assert_err(SHERD_ERR_IO, put_keyed(test, NULL, "k", sherd_span_str("x"), &id));
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(id.bytes[0], 7);
    assert_int_equal(records(test), 1);
    assert_ok(put_keyed(test, NULL, "k", sherd_span_str("x"), &id));
    vault_assert_text(test, id, 0, "x");
    assert_int_equal(records(test), 1);
}

/* While one put is about to pin, another with the same key comes, and its record goes again before the first looks. */
struct passer_by {
    struct vault_test *test;
    unsigned calls;
    bool there;
    struct sherd_uuid id;
};

static enum sherd_err come_and_go(void *arg, const char *name)
{
    struct passer_by *passer = arg;

    if (passer->calls == 0 && strcmp(name, "pin.before_commit") == 0) {
        passer->calls++;
        SHERD_TRY(put_keyed(passer->test, NULL, "k", sherd_span_str("x"), &passer->id));
        passer->there = true;
    } else if (passer->there && strcmp(name, "drop.after_secrets") == 0) {
        passer->there = false;
        SHERD_TRY(sherd_record_delete(passer->test->vault, passer->id));
    }
    return SHERD_OK;
}

static void test_cryptor_idempotency_put__conflicts_with_a_record_that_came_and_went(void **state)
{
    struct passer_by passer = {.test = *state};
    struct sherd_uuid id;

    sherd_failpoint_set(come_and_go, &passer);
    assert_err(SHERD_ERR_CONFLICT, put_keyed(passer.test, NULL, "k", sherd_span_str("x"), &id));
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(passer.calls, 1);
    assert_false(passer.there);
    assert_int_equal(records(passer.test), 0);
    assert_ok(put_keyed(passer.test, NULL, "k", sherd_span_str("x"), &id));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_idempotency_put__gives_the_first_id_again),
        vault_test_of(test_cryptor_idempotency_put__conflicts_on_other_contents),
        vault_test_of(test_cryptor_idempotency_put__keeps_keys_and_collections_apart),
        vault_test_of(test_cryptor_idempotency_put__takes_keys_of_any_bytes_up_to_the_bound),
        vault_test_of(test_cryptor_idempotency_put__outlives_updates_and_ends_with_the_record),
        vault_test_of(test_cryptor_idempotency_writer__works_for_streams),
        vault_test_of(test_cryptor_idempotency_put__stores_once_when_eight_put_at_once),
        vault_test_of(test_cryptor_idempotency_put__takes_one_of_two_contents_when_eight_put_at_once),
        vault_test_of(test_cryptor_idempotency_put__takes_no_deletion_for_a_violation),
#if SHERD_FAILPOINTS
        vault_test_of(test_cryptor_idempotency_put__finds_what_a_lost_answer_stored),
        vault_test_of(test_cryptor_idempotency_put__conflicts_with_a_record_that_came_and_went),
#endif
    };

    return cmocka_run_group_tests_name("cryptor_idempotency", tests, NULL, NULL);
}
