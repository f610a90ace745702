/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: growth, ceilings, borrowed blocks, hand-over, wiping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include <sherd/span.h>
#include <string.h>

static void append_text(struct sherd_buf *buf, const char *text)
{
    assert_int_equal(sherd_buf_append(buf, sherd_span_str(text)), SHERD_OK);
}

static void test_base_buf__starts_empty_and_appends(void **state)
{
    struct sherd_buf buf = {0};

    (void)state;
    append_text(&buf, "");
    assert_null(buf.data);
    append_text(&buf, "sherds");
    append_text(&buf, " join");
    assert_int_equal(buf.len, 11);
    assert_memory_equal(buf.data, "sherds join", 11);
    assert_int_equal(sherd_buf_span(&buf).len, 11);
    assert_ptr_equal(sherd_buf_span(&buf).data, buf.data);
    sherd_buf_done(&buf);
    assert_null(buf.data);
    assert_true(buf.len == 0 && buf.cap == 0 && buf.max == 0 && buf.borrowed == 0);
}

static void test_base_buf__keeps_its_contents_as_it_grows(void **state)
{
    struct sherd_buf buf = {.max = 1 << 20};

    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        const uint8_t byte = (uint8_t)(i * 31);

        assert_int_equal(sherd_buf_append(&buf, sherd_span_of(&byte, 1)), SHERD_OK);
    }
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(buf.data[i], (uint8_t)(i * 31));
    sherd_buf_done(&buf);
}

/* Else n appends would cost n * n. */
static void test_base_buf__grows_by_doubling(void **state)
{
    struct sherd_buf buf = {.max = 1 << 20};
    size_t moves = 0;

    (void)state;
    for (size_t i = 0; i < 1 << 20; i++) {
        const size_t cap = buf.cap;

        assert_int_equal(sherd_buf_append(&buf, sherd_span_of("x", 1)), SHERD_OK);
        moves += buf.cap != cap;
    }
    assert_true(moves <= 20);
    assert_int_equal(buf.cap, 1 << 20);
    sherd_buf_done(&buf);
}

static void test_base_buf__reserves_without_using(void **state)
{
    struct sherd_buf buf = {.max = 4096};
    uint8_t *data = NULL;

    (void)state;
    assert_int_equal(sherd_buf_reserve(&buf, 0), SHERD_OK);
    assert_int_equal(buf.cap, 0);
    assert_int_equal(sherd_buf_reserve(&buf, 1000), SHERD_OK);
    assert_int_equal(buf.len, 0);
    assert_true(buf.cap >= 1000);
    data = buf.data;
    buf.len = 500;
    assert_int_equal(sherd_buf_reserve(&buf, 500), SHERD_OK);
    assert_ptr_equal(buf.data, data); /* enough room: nothing moves */
    sherd_buf_done(&buf);
}

static void test_base_buf__reaches_its_ceiling_and_stops_there(void **state)
{
    struct sherd_buf buf = {.max = 100};
    char text[101];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(sherd_buf_append(&buf, sherd_span_of(text, 101)), SHERD_ERR_LIMIT);
    assert_null(buf.data);
    assert_int_equal(sherd_buf_append(&buf, sherd_span_of(text, 70)), SHERD_OK);
    assert_int_equal(sherd_buf_append(&buf, sherd_span_of(text, 30)), SHERD_OK);
    assert_int_equal(buf.cap, 100);
    assert_int_equal(sherd_buf_append(&buf, sherd_span_of(text, 1)), SHERD_ERR_LIMIT);
    assert_non_null(strstr(sherd_err_detail(), "ceiling of 100 bytes"));
    assert_int_equal(buf.len, 100);
    assert_int_equal(sherd_buf_reserve(&buf, SIZE_MAX), SHERD_ERR_LIMIT); /* the sum would overflow */
    assert_int_equal(sherd_buf_reserve(&buf, SIZE_MAX - 99), SHERD_ERR_LIMIT);
    sherd_buf_done(&buf);
}

static void test_base_buf__has_a_ceiling_when_none_is_stated(void **state)
{
    struct sherd_buf buf = {0};

    (void)state;
    assert_int_equal(sherd_buf_reserve(&buf, SHERD_BUF_BYTES_MAX + 1), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_buf_reserve(&buf, SHERD_BUF_BYTES_MAX), SHERD_OK);
    assert_int_equal(buf.cap, SHERD_BUF_BYTES_MAX);
    sherd_buf_done(&buf);
}

static void test_base_buf__cannot_have_a_ceiling_below_its_contents(void **state)
{
    struct sherd_buf buf = {.max = 64};

    (void)state;
    append_text(&buf, "0123456789");
    buf.max = 5;
    assert_int_equal(sherd_buf_reserve(&buf, 100), SHERD_ERR_LIMIT);
    sherd_buf_done(&buf);
}

static void test_base_buf__borrows_a_block(void **state)
{
    uint8_t block[8];
    struct sherd_buf buf = sherd_buf_borrow(block, sizeof(block));

    (void)state;
    append_text(&buf, "12345678");
    assert_ptr_equal(buf.data, block);
    assert_int_equal(sherd_buf_append(&buf, sherd_span_str("9")), SHERD_ERR_LIMIT);
    buf.max = 100; /* even so it does not grow: the block is not ours */
    assert_int_equal(sherd_buf_reserve(&buf, 1), SHERD_ERR_LIMIT);
    sherd_buf_done(&buf);
    assert_null(buf.data);
    assert_memory_equal(block, "12345678", 8);
}

static void test_base_buf__borrows_nothing(void **state)
{
    struct sherd_buf buf = sherd_buf_borrow(NULL, 0);

    (void)state;
    append_text(&buf, "");
    assert_int_equal(sherd_buf_append(&buf, sherd_span_str("x")), SHERD_ERR_LIMIT);
    sherd_buf_done(&buf);
}

static void test_base_buf__clears_and_keeps_the_block(void **state)
{
    static const uint8_t zeros[6];
    struct sherd_buf buf = {0};
    uint8_t *data = NULL;

    (void)state;
    append_text(&buf, "secret");
    data = buf.data;
    sherd_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_ptr_equal(buf.data, data);
    assert_memory_equal(buf.data, zeros, sizeof(zeros));
    sherd_buf_done(&buf);
    sherd_buf_clear(&buf);
}

/*
 * Reads what AddressSanitizer would object to: a block that was freed. It keeps such blocks as they were; others fill.
 */
__attribute__((no_sanitize("address"), noinline)) static size_t count_freed(uintptr_t block, size_t size, uint8_t value)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++)
        count += ((const volatile uint8_t *)block)[i] == value;
    return count;
}

static void test_base_buf__wipes_the_block_that_it_leaves(void **state)
{
    enum { SIZE = 4096 };
    struct sherd_buf buf = {.max = 1 << 20};
    uintptr_t old = 0;

    (void)state;
    assert_int_equal(sherd_buf_reserve(&buf, SIZE), SHERD_OK);
    memset(buf.data, 0xa7, buf.cap); /* the whole capacity: an earlier, longer content counts too */
    buf.len = SIZE / 2;
    old = (uintptr_t)buf.data;
    assert_int_equal(count_freed(old, SIZE, 0xa7), SIZE);
    assert_int_equal(sherd_buf_reserve(&buf, (size_t)SIZE * 4), SHERD_OK);
    assert_true((uintptr_t)buf.data != old);
    assert_int_equal(buf.data[SIZE / 2 - 1], 0xa7);
    assert_true(count_freed(old, SIZE, 0xa7) < 32); /* the heap may write there what it likes */
    memset(buf.data, 0xa7, buf.cap);
    old = (uintptr_t)buf.data;
    sherd_buf_done(&buf);
    assert_true(count_freed(old, SIZE, 0xa7) < 32);
}

static void test_base_buf__refuses_what_is_its_own(void **state)
{
    struct sherd_buf buf = {0};

    (void)state;
    append_text(&buf, "0123456789");
    assert_int_equal(sherd_buf_append(&buf, sherd_span_of(buf.data + 2, 3)), SHERD_ERR_INVALID);
    assert_int_equal(sherd_buf_append(&buf, sherd_span_of(buf.data + 10, 3)), SHERD_ERR_INVALID);
    assert_int_equal(sherd_buf_append(&buf, sherd_span_of(NULL, 3)), SHERD_ERR_INVALID);
    assert_int_equal(buf.len, 10);
    sherd_buf_done(&buf);
}

static void test_base_buf__hands_its_block_over(void **state)
{
    struct sherd_buf from = {.max = 1000};
    struct sherd_buf to;
    uint8_t *data = NULL;

    (void)state;
    append_text(&from, "mine");
    data = from.data;
    to = sherd_buf_take(&from);
    assert_null(from.data);
    assert_true(from.len == 0 && from.cap == 0 && from.max == 0);
    assert_ptr_equal(to.data, data);
    assert_true(to.len == 4 && to.max == 1000);
    sherd_buf_done(&from);
    sherd_buf_done(&to);
}

static void test_base_buf__ends_when_there_is_none(void **state)
{
    struct sherd_buf buf = {0};

    (void)state;
    sherd_buf_done(NULL);
    sherd_buf_done(&buf);
    assert_null(buf.data);
}

static void test_base_buf__spans_a_string(void **state)
{
    static const char text[] = "abc";

    (void)state;
    assert_ptr_equal(sherd_span_str(text).data, text);
    assert_int_equal(sherd_span_str(text).len, 3);
    assert_int_equal(sherd_span_str("").len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_buf__starts_empty_and_appends),
        cmocka_unit_test(test_base_buf__keeps_its_contents_as_it_grows),
        cmocka_unit_test(test_base_buf__grows_by_doubling),
        cmocka_unit_test(test_base_buf__reserves_without_using),
        cmocka_unit_test(test_base_buf__reaches_its_ceiling_and_stops_there),
        cmocka_unit_test(test_base_buf__has_a_ceiling_when_none_is_stated),
        cmocka_unit_test(test_base_buf__cannot_have_a_ceiling_below_its_contents),
        cmocka_unit_test(test_base_buf__borrows_a_block),
        cmocka_unit_test(test_base_buf__borrows_nothing),
        cmocka_unit_test(test_base_buf__clears_and_keeps_the_block),
        cmocka_unit_test(test_base_buf__wipes_the_block_that_it_leaves),
        cmocka_unit_test(test_base_buf__refuses_what_is_its_own),
        cmocka_unit_test(test_base_buf__hands_its_block_over),
        cmocka_unit_test(test_base_buf__ends_when_there_is_none),
        cmocka_unit_test(test_base_buf__spans_a_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
