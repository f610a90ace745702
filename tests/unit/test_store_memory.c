/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what the contract suite does not see of the store in memory: its places and its trees. */
#include "store/memory/memory.h"
#include "base/bytes.h"
#include "store/memory/tree.h"
#include <pthread.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those above, which it needs */
#include <cmocka.h>

static struct sherd_store *open_place(const char *path, bool create)
{
    const struct sherd_store_config config = {.path = path, .create = create};
    struct sherd_store *store = NULL;

    assert_int_equal(sherd_store_memory.open(&config, &store), SHERD_OK);
    return store;
}

static uint64_t entry_count(struct sherd_store *store)
{
    struct sherd_store_stat stat;

    assert_int_equal(store->ops->stat(store, &stat), SHERD_OK);
    return stat.entry_count;
}

static void put_one(struct sherd_store *store)
{
    const struct sherd_store_op op = {.name = {{1}}, .value = {(const uint8_t *)"v", 1}};
    struct sherd_store_set set = {&op, 1, SHERD_ERR_IO};
    struct sherd_store_set *sets[] = {&set};

    assert_int_equal(store->ops->write(store, sets, 1), SHERD_OK);
}

static void test_store_memory__forgets_only_what_is_closed(void **state)
{
    const struct sherd_store_config config = {.path = "place a"};
    struct sherd_store *store = open_place("place a", true);
    struct sherd_store *missing = NULL;

    (void)state;
    put_one(store);
    assert_int_equal(sherd_store_memory_forget("place a"), SHERD_ERR_BUSY);
    assert_int_equal(entry_count(store), 1);
    store->ops->close(store);
    assert_int_equal(sherd_store_memory_forget("place a"), SHERD_OK);
    assert_int_equal(sherd_store_memory_forget("place a"), SHERD_ERR_NOT_FOUND);
    assert_int_equal(sherd_store_memory.open(&config, &missing), SHERD_ERR_NOT_FOUND);
    store = open_place("place a", true);
    assert_int_equal(entry_count(store), 0);
    store->ops->close(store);
    assert_int_equal(sherd_store_memory_forget("place a"), SHERD_OK);
}

static void test_store_memory__places_are_apart(void **state)
{
    struct sherd_store *a = open_place("place a", true);
    struct sherd_store *b = open_place("place b", true);
    struct sherd_store *c = open_place("place c", true);

    (void)state;
    put_one(b);
    assert_int_equal(entry_count(a), 0);
    assert_int_equal(entry_count(b), 1);
    b->ops->close(b);
    assert_int_equal(sherd_store_memory_forget("place b"), SHERD_OK); /* the one in between */
    assert_int_equal(entry_count(c), 0);
    a->ops->close(a);
    c->ops->close(c);
    a = open_place("place a", false);
    a->ops->close(a);
    assert_int_equal(sherd_store_memory_forget("place a"), SHERD_OK);
    assert_int_equal(sherd_store_memory_forget("place c"), SHERD_OK);
}

static void test_store_memory__refuses_to_create_what_is_only_read(void **state)
{
    const struct sherd_store_config config = {.path = "place a", .create = true, .read_only = true};
    struct sherd_store *store = NULL;

    (void)state;
    assert_int_equal(sherd_store_memory.open(&config, &store), SHERD_ERR_INVALID);
    assert_null(store);
    assert_int_equal(sherd_store_memory_forget("place a"), SHERD_ERR_NOT_FOUND);
}

/* --- trees ------------------------------------------------------------------------------------------------------- */

static struct sherd_ref name_of(uint64_t n)
{
    struct sherd_ref name = {{0}};

    sherd_put_u64(name.bytes + 8, n);
    return name;
}

/* NULL if it fails, which the names that are then missing show. */
static struct sherd_memory_node *with_name(struct sherd_memory_node *tree, uint64_t n)
{
    struct sherd_memory_value *value = sherd_memory_value_new(8);
    struct sherd_memory_node *changed = NULL;
    uint8_t number[8];

    if (value == NULL)
        return NULL;
    sherd_put_u64(number, n);
    if (sherd_memory_value_append(&value, sherd_span_of(number, 8)) != SHERD_OK ||
        sherd_memory_tree_put(tree, 42, name_of(n), value, &changed) != SHERD_OK)
        changed = NULL;
    sherd_memory_value_drop(value);
    return changed;
}

static enum sherd_err expect_next(void *arg, struct sherd_ref name, struct sherd_span value)
{
    uint64_t *next = arg;

    if (sherd_get_u64(name.bytes + 8) != *next || value.len != 8 || sherd_get_u64(value.data) != *next)
        return SHERD_ERR_INVALID;
    ++*next;
    return SHERD_OK;
}

enum { ASCENDING = 50000 };

/* Counts in *arg the names that came back in order. @return arg if all could be removed again */
static void *grow_and_shrink(void *arg)
{
    struct sherd_memory_node *tree = NULL;
    uint64_t *next = arg;

    for (uint64_t n = 0; n < ASCENDING; n++) {
        struct sherd_memory_node *before = tree;

        tree = with_name(before, n);
        sherd_memory_tree_drop(before);
    }
    if (sherd_memory_tree_walk(tree, NULL, expect_next, next) != SHERD_OK)
        *next = 0;
    for (uint64_t n = 0; n < ASCENDING; n++) {
        struct sherd_memory_node *before = tree;

        if (sherd_memory_tree_remove(before, name_of(n), &tree) != SHERD_OK)
            return NULL;
        sherd_memory_tree_drop(before);
    }
    return tree == NULL ? next : NULL;
}

/* Ascending names are the worst case of a tree that is not balanced: its depth would not fit on this small a stack. */
static void test_store_memory_tree__is_balanced(void **state)
{
    pthread_attr_t small;
    pthread_t thread;
    uint64_t next = 0;
    void *result = NULL;

    (void)state;
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, (size_t)256 << 10), 0);
    assert_int_equal(pthread_create(&thread, &small, grow_and_shrink, &next), 0);
    assert_int_equal(pthread_attr_destroy(&small), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &next);
    assert_int_equal(next, ASCENDING);
}

static void test_store_memory_tree__old_trees_stay_as_they_were(void **state)
{
    enum { COUNT = 200 };
    struct sherd_memory_node *trees[2 * COUNT + 1] = {NULL};

    (void)state;
    for (uint64_t i = 0; i < COUNT; i++)
        trees[i + 1] = with_name(trees[i], i * 77 % COUNT); /* odd and prime to COUNT: each name once */
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(sherd_memory_tree_remove(trees[COUNT + i], name_of(i * 33 % COUNT), &trees[COUNT + i + 1]),
                         SHERD_OK);
    for (uint64_t i = 0; i <= COUNT; i++) {
        for (uint64_t j = 0; j < COUNT; j++) {
            const bool grown = sherd_memory_tree_find(trees[i], name_of(j * 77 % COUNT)) != NULL;
            const bool shrunk = sherd_memory_tree_find(trees[COUNT + i], name_of(j * 33 % COUNT)) != NULL;

            assert_int_equal(grown, j < i);
            assert_int_equal(shrunk, j >= i);
        }
    }
    for (size_t i = 0; i <= (size_t)2 * COUNT; i++)
        sherd_memory_tree_drop(trees[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_memory__forgets_only_what_is_closed),
        cmocka_unit_test(test_store_memory__places_are_apart),
        cmocka_unit_test(test_store_memory__refuses_to_create_what_is_only_read),
        cmocka_unit_test(test_store_memory_tree__is_balanced),
        cmocka_unit_test(test_store_memory_tree__old_trees_stay_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
