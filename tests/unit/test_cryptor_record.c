/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of records that come whole through memory: put, get, delete, buffers, lengths at their edges. */
#include "cryptor/load.h"
#include "vault.h"

static void test_cryptor_record_put__gives_the_same_bytes_back(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid first = vault_put(test, NULL, "attack at dawn");
    const struct sherd_uuid second = vault_put(test, NULL, "attack at dawn");

    assert_false(vault_same_id(first, second));
    vault_assert_text(test, first, 0, "attack at dawn");
    vault_assert_text(test, second, 1, "attack at dawn");
    vault_reopen(test);
    vault_assert_text(test, first, 0, "attack at dawn");
    vault_assert_text(test, second, 0, "attack at dawn");
    vault_assert_clean(test, 0);
}

/* Where something changes: chunks of 16 KiB, entries up to 64 KiB, slots of 256 KiB, powers of two. */
static const size_t edges[] = {
    0,      1,      2,      9,       63,      64,      65,      1023,    1024,    1025,    16367,   16368,
    16369,  16383,  16384,  16385,   32767,   32768,   32769,   49151,   49152,   49153,   65534,   65535,
    65536,  65537,  65552,  81919,   81920,   81921,   131071,  131072,  131073,  245759,  245760,  245761,
    262127, 262128, 262143, 262144,  262145,  278527,  278528,  278529,  524287,  524288,  524289,  540672,
    786431, 786432, 786433, 1048575, 1048576, 1048577, 2097151, 2097152, 2097153, 3145728, 5000000,
};

static void check_length(struct vault_test *test, const struct sherd_record_meta *meta, const uint8_t *block,
                         size_t len)
{
    struct sherd_uuid id;
    struct sherd_record_info *info = NULL;

    assert_ok(sherd_record_put(test->vault, meta, sherd_span_of(block, len), &id));
    vault_assert_bytes(test, id, 0, sherd_span_of(block, len));
    assert_ok(sherd_record_stat(test->vault, id, 0, &info));
    assert_int_equal(info->content_bytes, len);
    assert_int_equal(info->stored_bytes, sherd_fragment_bytes(sherd_fragment_padded_bytes(len, meta != NULL)));
    sherd_record_info_free(info);
}

static void test_cryptor_record_put__takes_every_length_at_its_edges(void **state)
{
    struct vault_test *test = *state;
    const size_t longest = edges[SHERD_COUNT_OF(edges) - 1];
    uint8_t *block = test_malloc(longest);

    vault_fill(block, longest, 1);
    for (size_t i = 0; i < SHERD_COUNT_OF(edges); i++)
        check_length(test, NULL, block + longest - edges[i], edges[i]);
    vault_assert_clean(test, 0);
    test_free(block);
}

static void test_cryptor_record_put__takes_every_length_in_exact_sizes(void **state)
{
    struct vault_test *test = *state;
    const size_t longest = edges[SHERD_COUNT_OF(edges) - 1];
    const struct sherd_record_meta meta = {.collection = "exact"};
    uint8_t *block = test_malloc(longest);

    vault_collection(test, "exact", 1, true);
    vault_fill(block, longest, 2);
    for (size_t i = 0; i < SHERD_COUNT_OF(edges); i++)
        check_length(test, &meta, block + longest - edges[i], edges[i]);
    vault_assert_clean(test, 0);
    test_free(block);
}

static void test_cryptor_record_put__works_with_one_thread_and_with_many(void **state)
{
    static const unsigned threads[] = {1, 3, 16};
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(3000000);

    vault_fill(block, 3000000, 3);
    for (size_t i = 0; i < SHERD_COUNT_OF(threads); i++) {
        sherd_vault_close(test->vault);
        test->vault = vault_open_as(test, false, threads[i]);
        check_length(test, NULL, block, 3000000);
        check_length(test, NULL, block, 65537);
        check_length(test, NULL, block, 100);
    }
    test_free(block);
}

static void test_cryptor_record_put__refuses_calls_without_their_arguments(void **state)
{
    struct vault_test *test = *state;
    struct sherd_uuid id = {{7}};

    assert_err(SHERD_ERR_INVALID, sherd_record_put(NULL, NULL, sherd_span_str("x"), &id));
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, NULL, sherd_span_str("x"), NULL));
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, NULL, sherd_span_of(NULL, 1), &id));
    assert_int_equal(id.bytes[0], 7);
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(NULL, 0), &id));
    vault_assert_bytes(test, id, 0, sherd_span_of(NULL, 0));
}

static void test_cryptor_record_put__says_which_collection_there_is_not(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.collection = "nobody-made-it"};
    struct sherd_uuid id = {{7}};

    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    assert_non_null(strstr(sherd_err_detail(), "nobody-made-it"));
    assert_int_equal(id.bytes[0], 7);
    vault_assert_clean(test, 0);
}

static void test_cryptor_record_get__appends_behind_what_is_there(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid small = vault_put(test, NULL, " world");
    uint8_t *block = test_malloc(70000);
    struct sherd_buf found = {0};
    struct sherd_uuid large;

    vault_fill(block, 70000, 4);
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, 70000), &large));
    assert_ok(sherd_buf_append(&found, sherd_span_str("hello")));
    assert_ok(sherd_record_get(test->vault, small, 0, &found));
    assert_ok(sherd_record_get(test->vault, large, 0, &found));
    assert_int_equal(found.len, 11 + 70000);
    assert_memory_equal(found.data, "hello world", 11);
    assert_memory_equal(found.data + 11, block, 70000);
    sherd_buf_done(&found);
    test_free(block);
}

/* A borrowed block that is just long enough, one that is a byte too short, and one of no bytes at all. */
static void check_borrowed(struct vault_test *test, const uint8_t *contents, size_t len)
{
    uint8_t *block = test_malloc(len + 3);
    struct sherd_buf found = sherd_buf_borrow(block, len + 3);
    struct sherd_uuid id;

    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(contents, len), &id));
    assert_ok(sherd_buf_append(&found, sherd_span_str("abc")));
    assert_ok(sherd_record_get(test->vault, id, 0, &found));
    assert_int_equal(found.len, len + 3);
    assert_ptr_equal(found.data, block);
    assert_memory_equal(block, "abc", 3);
    if (len > 0)
        assert_memory_equal(block + 3, contents, len);
    test_free(block);
    if (len == 0)
        return;

    block = test_malloc(len + 2);
    found = sherd_buf_borrow(block, len + 2);
    assert_ok(sherd_buf_append(&found, sherd_span_str("abc")));
    assert_err(SHERD_ERR_LIMIT, sherd_record_get(test->vault, id, 0, &found));
    assert_int_equal(found.len, 3);
    assert_memory_equal(block, "abc", 3);
    test_free(block);
    found = (struct sherd_buf){.max = len - 1};
    if (len > 1) {
        assert_err(SHERD_ERR_LIMIT, sherd_record_get(test->vault, id, 0, &found));
        assert_int_equal(found.len, 0);
    }
    sherd_buf_done(&found);
}

static void test_cryptor_record_get__fits_a_block_to_the_byte(void **state)
{
    static const size_t lengths[] = {0, 1, 9, 1000, 16384, 65535, 65536, 65537, 70000, 262144, 262145, 1000003};
    struct vault_test *test = *state;
    uint8_t *contents = test_malloc(1000003);

    vault_fill(contents, 1000003, 5);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++)
        check_borrowed(test, contents, lengths[i]);
    test_free(contents);
}

static void test_cryptor_record_get__does_not_know_what_was_never_put(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "x");
    struct sherd_uuid other;
    struct sherd_buf found = {0};

    assert_ok(sherd_uuid_new(&other));
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, other, 0));
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, other, 1));
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, id, 2));
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, id, UINT64_MAX));
    assert_err(SHERD_ERR_INVALID, sherd_record_get(test->vault, id, 0, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_record_get(NULL, id, 0, &found));
    memset(&other, 0, sizeof(other));
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, other, 0));
}

static void test_cryptor_record_delete__removes_all_of_it(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(100000);
    struct sherd_record_info *info = NULL;
    struct sherd_vault_info before;
    struct sherd_vault_info after;
    struct sherd_uuid large;

    vault_fill(block, 100000, 6);
    assert_ok(sherd_vault_info(test->vault, &before));
    const struct sherd_uuid small = vault_put(test, NULL, "x");
    const struct sherd_uuid stays = vault_put(test, NULL, "stays");
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, 100000), &large));
    assert_ok(sherd_record_delete(test->vault, small));
    assert_ok(sherd_record_delete(test->vault, large));
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, small, 0));
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, large, 1));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_stat(test->vault, small, 0, &info));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_delete(test->vault, small));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_update(test->vault, small, 0, NULL, sherd_span_str("y"), NULL));
    vault_assert_text(test, stays, 0, "stays");
    vault_assert_clean(test, 0);

    assert_ok(sherd_record_delete(test->vault, stays));
    assert_ok(sherd_vault_info(test->vault, &after));
    assert_int_equal(after.entry_count[1], before.entry_count[1]);
    assert_int_equal(after.entry_count[2], before.entry_count[2]);
    assert_int_equal(after.blob_count[2], before.blob_count[2]);
    /* the default entity and the entry of its id stay */
    assert_int_equal(after.entry_count[3], before.entry_count[3] + 2);
    assert_err(SHERD_ERR_INVALID, sherd_record_delete(NULL, small));
    test_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_record_put__gives_the_same_bytes_back),
        vault_test_of(test_cryptor_record_put__takes_every_length_at_its_edges),
        vault_test_of(test_cryptor_record_put__takes_every_length_in_exact_sizes),
        vault_test_of(test_cryptor_record_put__works_with_one_thread_and_with_many),
        vault_test_of(test_cryptor_record_put__refuses_calls_without_their_arguments),
        vault_test_of(test_cryptor_record_put__says_which_collection_there_is_not),
        vault_test_of(test_cryptor_record_get__appends_behind_what_is_there),
        vault_test_of(test_cryptor_record_get__fits_a_block_to_the_byte),
        vault_test_of(test_cryptor_record_get__does_not_know_what_was_never_put),
        vault_test_of(test_cryptor_record_delete__removes_all_of_it),
    };

    return cmocka_run_group_tests_name("cryptor_record", tests, NULL, NULL);
}
