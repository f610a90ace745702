/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of erase epochs: two slots, written in place; torn, begun in vain, ended, rolled back. */
#include "anchor.h"
#include "anchor/keys/epoch.h"
#include "base/file.h"

#define EPOCH_FILE "anchor/epoch"
#define SLOT 4096U

static struct sherd_epoch_set *set_new(void)
{
    struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));

    assert_non_null(set);
    return set;
}

static struct sherd_home *make(struct anchor_test *test)
{
    struct sherd_home *home = anchor_home_make(test);

    assert_ok(sherd_epoch_make(home));
    return home;
}

static void copy_file(const struct anchor_test *test, struct sherd_buf *out)
{
    *out = (struct sherd_buf){.max = 1 << 16};
    assert_ok(sherd_file_read(test->dir, EPOCH_FILE, out));
    assert_int_equal(out->len, 2 * SLOT);
}

static void put_file(const struct anchor_test *test, struct sherd_span bytes)
{
    assert_ok(sherd_file_write(test->dir, EPOCH_FILE, bytes));
}

static void test_anchor_epoch__go_on_from_slot_to_slot(void **state)
{
    struct sherd_home *home = make(*state);
    struct sherd_epoch_set *set = set_new();
    struct sherd_epoch_key last;

    assert_ok(sherd_epoch_read(home, 1, set));
    assert_int_equal(set->count, 1);
    assert_int_equal(set->numbers[0], 1);
    last = set->keys[0];
    for (uint64_t serving = 1; serving < 9; serving++) {
        assert_ok(sherd_epoch_begin(home, serving));
        assert_ok(sherd_epoch_read(home, serving, set)); /* the next one does not serve before the keyring says so */
        assert_int_equal(set->count, 1);
        assert_ok(sherd_epoch_read(home, serving + 1, set));
        assert_int_equal(set->count, 2);
        assert_int_equal(set->numbers[0], serving);
        assert_int_equal(set->numbers[1], serving + 1);
        assert_memory_equal(&set->keys[0], &last, sizeof(last));
        assert_memory_not_equal(&set->keys[1], &last, sizeof(last));
        last = set->keys[1];
        assert_err(SHERD_ERR_CONFLICT, sherd_epoch_begin(home, serving + 1)); /* two at once, and no more */
        assert_ok(sherd_epoch_end(home, serving + 1));
        assert_ok(sherd_epoch_end(home, serving + 1));
        assert_ok(sherd_epoch_read(home, serving + 1, set));
        assert_int_equal(set->count, 1);
        assert_memory_equal(&set->keys[0], &last, sizeof(last));
        assert_err(SHERD_ERR_TAMPERED, sherd_epoch_read(home, serving, set));
    }
    sherd_secret_free(set);
    sherd_home_free(home);
}

/* Begun, and the keyring never said so: beginning again makes another key, and the one that serves is not touched. */
static void test_anchor_epoch_begin__may_be_begun_in_vain(void **state)
{
    struct sherd_home *home = make(*state);
    struct sherd_epoch_set *first = set_new();
    struct sherd_epoch_set *second = set_new();

    assert_ok(sherd_epoch_begin(home, 1));
    assert_ok(sherd_epoch_read(home, 2, first));
    assert_ok(sherd_epoch_begin(home, 1));
    assert_ok(sherd_epoch_read(home, 2, second));
    assert_memory_equal(&first->keys[0], &second->keys[0], 32);
    assert_memory_not_equal(&first->keys[1], &second->keys[1], 32);
    sherd_secret_free(first);
    sherd_secret_free(second);
    sherd_home_free(home);
}

/* The slot that is being written may hold anything after a crash: the one that serves is not in its block. */
static void test_anchor_epoch_read__passes_over_a_torn_slot(void **state)
{
    static const size_t torn[] = {0, 1, 8, 15, 16, 40, 80, 119, 120, 512, 4095};
    struct sherd_home *home = make(*state);
    struct sherd_epoch_set *set = set_new();
    struct sherd_buf before;
    struct sherd_buf after;

    copy_file(*state, &before);
    assert_ok(sherd_epoch_begin(home, 1));
    copy_file(*state, &after);
    assert_memory_equal(before.data + SLOT, after.data + SLOT, SLOT); /* epoch 1 lies in slot 1 */
    for (size_t i = 0; i < SHERD_COUNT_OF(torn); i++) {
        struct sherd_buf mixed = {.max = 1 << 16};

        assert_ok(sherd_buf_append(&mixed, sherd_span_of(after.data, torn[i])));
        assert_ok(sherd_buf_append(&mixed, sherd_span_of(before.data + torn[i], 2 * SLOT - torn[i])));
        put_file(*state, sherd_buf_span(&mixed));
        assert_ok(sherd_epoch_read(home, 1, set));
        assert_int_equal(set->count, 1);
        assert_int_equal(set->numbers[0], 1);
        assert_ok(sherd_epoch_begin(home, 1));
        assert_ok(sherd_epoch_read(home, 2, set));
        assert_int_equal(set->count, 2);
        sherd_buf_done(&mixed);
    }
    sherd_buf_done(&before);
    sherd_buf_done(&after);
    sherd_secret_free(set);
    sherd_home_free(home);
}

static void test_anchor_epoch_end__leaves_nothing_of_the_key(void **state)
{
    struct sherd_home *home = make(*state);
    struct sherd_buf before;
    struct sherd_buf after;

    copy_file(*state, &before);
    assert_ok(sherd_epoch_begin(home, 1));
    assert_ok(sherd_epoch_end(home, 2));
    copy_file(*state, &after);
    for (size_t i = 0; i + 16 <= 2 * SLOT; i++)
        assert_null(memmem(after.data, after.len, before.data + i, 16));
    sherd_buf_done(&before);
    sherd_buf_done(&after);
    sherd_home_free(home);
}

static void test_anchor_epoch_read__refuses_what_is_not_the_newest_file(void **state)
{
    const struct anchor_test *test = *state;
    struct sherd_home *home = make(*state);
    struct sherd_epoch_set *set = set_new();
    struct sherd_buf old;
    struct sherd_buf newest;

    copy_file(test, &old);
    assert_ok(sherd_epoch_begin(home, 1));
    assert_ok(sherd_epoch_end(home, 2));
    copy_file(test, &newest);
    put_file(test, sherd_buf_span(&old)); /* rolled back: the epoch that serves is not in it */
    assert_err(SHERD_ERR_TAMPERED, sherd_epoch_read(home, 2, set));
    put_file(test, sherd_span_of(newest.data, 2 * SLOT - 1));
    assert_err(SHERD_ERR_TAMPERED, sherd_epoch_read(home, 2, set));
    put_file(test, sherd_span_of(NULL, 0));
    assert_err(SHERD_ERR_TAMPERED, sherd_epoch_read(home, 2, set));
    assert_ok(sherd_buf_append(&newest, sherd_span_str("more")));
    put_file(test, sherd_buf_span(&newest));
    assert_err(SHERD_ERR_TAMPERED, sherd_epoch_read(home, 2, set));
    newest.len = 2 * SLOT;
    for (size_t i = 0; i < 16 + 104; i++) { /* epoch 2 lies in slot 0 */
        newest.data[i] ^= 2;
        put_file(test, sherd_buf_span(&newest));
        assert_err(SHERD_ERR_TAMPERED, sherd_epoch_read(home, 2, set));
        newest.data[i] ^= 2;
    }
    put_file(test, sherd_buf_span(&newest));
    assert_ok(sherd_epoch_read(home, 2, set));
    assert_ok(sherd_file_remove(test->dir, EPOCH_FILE));
    assert_err(SHERD_ERR_IO, sherd_epoch_read(home, 2, set));
    sherd_buf_done(&old);
    sherd_buf_done(&newest);
    sherd_secret_free(set);
    sherd_home_free(home);
}

/* The same slot twice, or in the other's place: one epoch, not two. */
static void test_anchor_epoch_read__takes_no_slot_twice(void **state)
{
    const struct anchor_test *test = *state;
    struct sherd_home *home = make(*state);
    struct sherd_epoch_set *set = set_new();
    struct sherd_buf file;

    copy_file(test, &file);
    memcpy(file.data, file.data + SLOT, SLOT);
    put_file(test, sherd_buf_span(&file));
    assert_ok(sherd_epoch_read(home, 1, set));
    assert_int_equal(set->count, 1);
    sherd_buf_done(&file);
    sherd_secret_free(set);
    sherd_home_free(home);
}

/* What is sealed under the root key of one vault is nothing in another. */
static void test_anchor_epoch_read__refuses_another_vaults_file(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_home *home = make(test);
    struct sherd_epoch_set *set = set_new();
    struct sherd_buf file;
    void *other_state;

    assert_int_equal(anchor_setup_nothing(&other_state), 0);
    struct sherd_home *other = make(other_state);
    copy_file(other_state, &file);
    put_file(test, sherd_buf_span(&file));
    assert_err(SHERD_ERR_TAMPERED, sherd_epoch_read(home, 1, set));
    sherd_buf_done(&file);
    sherd_secret_free(set);
    sherd_home_free(other);
    assert_int_equal(anchor_teardown_nothing(&other_state), 0);
    sherd_home_free(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_without(test_anchor_epoch__go_on_from_slot_to_slot),
        anchor_test_without(test_anchor_epoch_begin__may_be_begun_in_vain),
        anchor_test_without(test_anchor_epoch_read__passes_over_a_torn_slot),
        anchor_test_without(test_anchor_epoch_end__leaves_nothing_of_the_key),
        anchor_test_without(test_anchor_epoch_read__refuses_what_is_not_the_newest_file),
        anchor_test_without(test_anchor_epoch_read__takes_no_slot_twice),
        anchor_test_without(test_anchor_epoch_read__refuses_another_vaults_file),
    };

    return cmocka_run_group_tests_name("anchor_epoch", tests, NULL, NULL);
}
