/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the shared keyring: two handles stand for two processes. A change is all or nothing wherever it ends, others
 * have it at once, none is lost, and a file that was rolled back, changed or planted is refused.
 */
#include "anchor.h"
#include "anchor/ring/ring.h"
#include "base/failpoint.h"
#include "base/file.h"
#include <pthread.h>

#define KEYRING "anchor/keyring"
#define KEYRING_NEW "anchor/keyring.new"

/* One who has the vault open. */
struct handle {
    struct sherd_home *home;
    struct sherd_compartment *keys;
    struct sherd_hmac_key *name;
    struct sherd_hmac_key *seal;
    struct sherd_ring *ring;
};

static enum sherd_err handle_over(struct handle *handle, bool fresh)
{
    struct sherd_keyring *first = sherd_secret_alloc(sizeof(*first));
    struct sherd_entry_keys keys = {.compartment = SHERD_FOR_KEYS};

    assert_non_null(first);
    const enum sherd_err err = sherd_home_read(handle->home, NULL, false, first, NULL);
    if (err != SHERD_OK) {
        sherd_secret_free(first);
        return err;
    }
    const struct sherd_keyring_store *store = &first->stores[SHERD_KEYS - 1];
    assert_ok(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(store->name.bytes, 32), &handle->name));
    assert_ok(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(store->key.bytes, 32), &handle->seal));
    keys.deployment = first->deployment;
    keys.version = (uint32_t)store->version;
    keys.name = handle->name;
    keys.seal = handle->seal;
    return sherd_ring_new(handle->home, first, &keys, handle->keys, fresh, &handle->ring);
}

static void handle_done(struct handle *handle)
{
    sherd_ring_free(handle->ring);
    sherd_hmac_key_free(handle->name);
    sherd_hmac_key_free(handle->seal);
    sherd_compartment_close(handle->keys);
    sherd_home_free(handle->home);
    *handle = (struct handle){.ring = NULL};
}

static enum sherd_err handle_try(const struct anchor_test *test, struct handle *handle)
{
    *handle = (struct handle){.home = anchor_home_open(test), .keys = anchor_keys_open(false)};
    return handle_over(handle, false);
}

static void handle_open(const struct anchor_test *test, struct handle *handle)
{
    assert_ok(handle_try(test, handle));
}

static void make(struct anchor_test *test, struct handle *handle)
{
    *handle = (struct handle){.home = anchor_home_make(test), .keys = anchor_keys_open(true)};
    assert_ok(handle_over(handle, true));
}

static void done(struct handle *handle)
{
    handle_done(handle);
    assert_ok(sherd_store_memory_forget("keys"));
}

/* A change that can be counted: the epoch goes up by one. */
static enum sherd_err add_one(void *arg, struct sherd_keyring *keyring)
{
    (void)arg;
    keyring->epoch++;
    return SHERD_OK;
}

static enum sherd_err refuse(void *arg, struct sherd_keyring *keyring)
{
    (void)arg;
    keyring->epoch += 100;
    return sherd_fail(SHERD_ERR_CONFLICT, "no");
}

static uint64_t epoch_of(struct handle *handle)
{
    const struct sherd_keyring *keyring;

    assert_ok(sherd_ring_hold(handle->ring, &keyring));
    const uint64_t epoch = keyring->epoch;
    sherd_ring_leave(handle->ring);
    return epoch;
}

static void test_anchor_ring_change__is_seen_by_others_at_once(void **state)
{
    struct handle one;
    struct handle two;

    make(*state, &one);
    handle_open(*state, &two);
    for (uint64_t i = 2; i < 12; i++) {
        struct handle *changes = i % 2 == 0 ? &one : &two;
        const uint64_t number = sherd_ring_number(two.ring);

        assert_ok(sherd_ring_change(changes->ring, add_one, NULL));
        assert_int_equal(epoch_of(&one), i);
        assert_int_equal(epoch_of(&two), i);
        assert_int_not_equal(sherd_ring_number(two.ring), number);
    }
    assert_err(SHERD_ERR_CONFLICT, sherd_ring_change(one.ring, refuse, NULL));
    assert_int_equal(epoch_of(&one), 11);
    handle_done(&two);
    handle_open(*state, &two);
    assert_int_equal(epoch_of(&two), 11);
    handle_done(&two);
    done(&one);
}

struct look {
    uint64_t epoch;
};

static enum sherd_err look_at(void *arg, const struct sherd_keyring *keyring)
{
    struct look *look = arg;

    look->epoch = keyring->epoch;
    return SHERD_OK;
}

static void test_anchor_ring_look__has_the_keyring_as_it_is(void **state)
{
    struct look look = {0};
    struct sherd_digest before;
    struct sherd_digest after;
    struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));
    struct handle one;
    struct handle two;

    make(*state, &one);
    handle_open(*state, &two);
    assert_ok(sherd_ring_change(one.ring, add_one, NULL));
    assert_ok(sherd_home_read(two.home, NULL, false, ring, &before));
    assert_ok(sherd_ring_look(two.ring, look_at, &look));
    assert_int_equal(look.epoch, 2);
    assert_ok(sherd_home_read(two.home, NULL, false, ring, &after));
    assert_memory_equal(&before, &after, sizeof(before));
    sherd_secret_free(ring);
    handle_done(&two);
    done(&one);
}

/* --- ends in the middle ------------------------------------------------------------------------------------------- */

static enum sherd_err fail_at(void *arg, const char *name)
{
    return strcmp(arg, name) == 0 ? sherd_fail(SHERD_ERR_IO, "as it was asked to") : SHERD_OK;
}

/* A change that ends at a place, as if the process had: nothing after that is done by it. */
static void change_until(struct handle *handle, char *place)
{
    sherd_failpoint_set(fail_at, place);
    assert_err(SHERD_ERR_IO, sherd_ring_change(handle->ring, add_one, NULL));
    sherd_failpoint_set(NULL, NULL);
}

static bool is_there(const struct anchor_test *test, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", test->dir, name);
    return access(path, F_OK) == 0;
}

static void test_anchor_ring_change__that_ended_before_its_pin_was_none(void **state)
{
    char place[] = "ring.written";
    struct handle one;
    struct handle two;

    make(*state, &one);
    handle_open(*state, &two);
    change_until(&one, place);
    assert_true(is_there(*state, KEYRING_NEW));
    assert_int_equal(epoch_of(&one), 1);
    assert_int_equal(epoch_of(&two), 1);
    handle_done(&one);
    handle_open(*state, &one);
    assert_int_equal(epoch_of(&one), 1);
    assert_ok(sherd_ring_change(two.ring, add_one, NULL)); /* over what is left of the other one */
    assert_int_equal(epoch_of(&one), 2);
    assert_false(is_there(*state, KEYRING_NEW));
    handle_done(&two);
    done(&one);
}

static void test_anchor_ring_change__that_ended_after_its_pin_was_one(void **state)
{
    char place[] = "ring.pinned";
    struct handle one;
    struct handle two;
    struct handle three;

    make(*state, &one);
    handle_open(*state, &two);
    change_until(&one, place);
    assert_int_equal(epoch_of(&one), 2); /* it knows, though the caller was told of a failure */
    assert_int_equal(epoch_of(&two), 1); /* nobody could tell this one */
    sherd_ring_doubt(two.ring);
    assert_int_equal(epoch_of(&two), 2); /* but it finds out when its writes are refused */
    handle_open(*state, &three);
    assert_int_equal(epoch_of(&three), 2);
    assert_true(is_there(*state, KEYRING_NEW)); /* a reader finishes nothing */
    assert_ok(sherd_ring_change(three.ring, add_one, NULL));
    assert_false(is_there(*state, KEYRING_NEW));
    assert_int_equal(epoch_of(&one), 3);
    assert_int_equal(epoch_of(&two), 3);
    handle_done(&three);
    handle_done(&two);
    done(&one);
}

/* --- guards ------------------------------------------------------------------------------------------------------- */

static void test_anchor_ring_guard__refuses_a_write_under_a_keyring_that_is_no_more(void **state)
{
    const struct sherd_keyring *keyring;
    struct sherd_ring_guard_room room;
    struct sherd_store_op ops[2] = {{.kind = SHERD_STORE_PUT, .name = {{1}}, .value = sherd_span_str("wrapped")}};
    struct handle one;
    struct handle two;

    make(*state, &one);
    handle_open(*state, &two);
    assert_ok(sherd_ring_hold(one.ring, &keyring));
    sherd_ring_guard(one.ring, &room, &ops[1]);
    sherd_ring_leave(one.ring);
    assert_ok(sherd_compartment_write(one.keys, ops, 2));
    assert_ok(sherd_ring_change(two.ring, add_one, NULL));
    assert_int_equal(sherd_compartment_write(one.keys, ops, 2), SHERD_ERR_CONFLICT);
    assert_ok(sherd_ring_hold(one.ring, &keyring));
    sherd_ring_guard(one.ring, &room, &ops[1]);
    sherd_ring_leave(one.ring);
    assert_ok(sherd_compartment_write(one.keys, ops, 2));
    handle_done(&two);
    done(&one);
}

/* --- many at once ------------------------------------------------------------------------------------------------- */

#define THREADS 4
#define CHANGES 12

static void *change_often(void *arg)
{
    struct handle *handle = arg;

    for (unsigned i = 0; i < CHANGES; i++) {
        const struct sherd_keyring *keyring;

        if (sherd_ring_change(handle->ring, add_one, NULL) != SHERD_OK)
            return handle;
        if (sherd_ring_hold(handle->ring, &keyring) != SHERD_OK)
            return handle;
        sherd_ring_leave(handle->ring);
    }
    return NULL;
}

static void test_anchor_ring_change__loses_none_of_many_at_once(void **state)
{
    pthread_t threads[2][THREADS];
    struct handle handles[2];

    make(*state, &handles[0]);
    handle_open(*state, &handles[1]);
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[h][i], NULL, change_often, &handles[h]), 0);
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < THREADS; i++) {
            void *failed;

            assert_int_equal(pthread_join(threads[h][i], &failed), 0);
            assert_null(failed);
        }
    for (size_t h = 0; h < 2; h++)
        assert_int_equal(epoch_of(&handles[h]), 1 + 2 * THREADS * CHANGES);
    handle_done(&handles[1]);
    done(&handles[0]);
}

/* --- files that are not the newest -------------------------------------------------------------------------------- */

static void read_file(const struct anchor_test *test, const char *name, struct sherd_buf *out)
{
    assert_ok(sherd_file_read(test->dir, name, out));
}

static void test_anchor_ring_new__refuses_a_keyring_that_was_rolled_back(void **state)
{
    const struct anchor_test *test = *state;
    struct sherd_buf old = {.max = SHERD_KEYRING_BYTES_MAX};
    struct sherd_buf newest = {.max = SHERD_KEYRING_BYTES_MAX};
    struct handle one;
    struct handle two;

    make(*state, &one);
    read_file(test, KEYRING, &old);
    assert_ok(sherd_ring_change(one.ring, add_one, NULL));
    read_file(test, KEYRING, &newest);
    assert_ok(sherd_file_write(test->dir, KEYRING, sherd_buf_span(&old)));
    assert_err(SHERD_ERR_TAMPERED, handle_try(test, &two));
    handle_done(&two);
    assert_err(SHERD_ERR_TAMPERED, sherd_ring_change(one.ring, add_one, NULL));
    /* under the other name it counts for nothing, however often it is planted there */
    assert_ok(sherd_file_write(test->dir, KEYRING_NEW, sherd_buf_span(&old)));
    assert_err(SHERD_ERR_TAMPERED, handle_try(test, &two));
    handle_done(&two);
    assert_ok(sherd_file_write(test->dir, KEYRING, sherd_buf_span(&newest)));
    handle_open(test, &two);
    assert_int_equal(epoch_of(&two), 2);
    assert_ok(sherd_ring_change(two.ring, add_one, NULL));
    assert_int_equal(epoch_of(&one), 3);
    sherd_buf_done(&old);
    sherd_buf_done(&newest);
    handle_done(&two);
    done(&one);
}

static void test_anchor_ring_new__passes_over_garbage_beside_the_keyring(void **state)
{
    static uint8_t garbage[SHERD_KEYRING_BYTES_MAX + 1000];
    static const size_t sizes[] = {0, 1, 16, 4184, SHERD_KEYRING_BYTES_MAX, sizeof(garbage)};
    const struct anchor_test *test = *state;
    struct handle one;
    struct handle two;

    make(*state, &one);
    for (size_t i = 0; i < SHERD_COUNT_OF(sizes); i++) {
        assert_ok(sherd_file_write(test->dir, KEYRING_NEW, sherd_span_of(garbage, sizes[i])));
        assert_ok(sherd_file_write(test->dir, "anchor/notice", sherd_span_of(garbage, i)));
        handle_open(test, &two);
        assert_ok(sherd_ring_change(two.ring, add_one, NULL));
        assert_int_equal(epoch_of(&two), i + 2);
        sherd_ring_doubt(one.ring); /* whoever writes over the notice may hide a change from it for a time */
        assert_int_equal(epoch_of(&one), i + 2);
        handle_done(&two);
    }
    done(&one);
}

static void test_anchor_ring_new__refuses_a_pin_that_is_missing_or_changed(void **state)
{
    const struct anchor_test *test = *state;
    struct sherd_ring_guard_room room;
    const struct sherd_keyring *keyring;
    struct sherd_store_op op;
    struct handle one;
    struct handle two;

    make(*state, &one);
    assert_ok(sherd_ring_hold(one.ring, &keyring));
    sherd_ring_guard(one.ring, &room, &op);
    sherd_ring_leave(one.ring);
    const struct sherd_store_op back = {.kind = SHERD_STORE_PUT, .name = op.name, .value = op.expected};
    const struct sherd_store_op gone = {.kind = SHERD_STORE_DELETE, .name = op.name};
    assert_ok(sherd_ring_check(one.ring, &op.name, op.expected));
    assert_err(SHERD_ERR_TAMPERED, sherd_ring_check(one.ring, &(struct sherd_ref){{9}}, op.expected));
    assert_ok(sherd_compartment_write(one.keys, &gone, 1));
    assert_err(SHERD_ERR_TAMPERED, handle_try(test, &two));
    handle_done(&two);
    for (size_t i = 0; i < op.expected.len; i += 7) {
        struct sherd_ring_guard_room changed = room;
        struct sherd_store_op bad = back;

        changed.block[i] ^= 4;
        bad.value = sherd_span_of(changed.block, back.value.len);
        assert_ok(sherd_compartment_write(one.keys, &bad, 1));
        assert_err(SHERD_ERR_TAMPERED, handle_try(test, &two));
        handle_done(&two);
        assert_err(SHERD_ERR_TAMPERED, sherd_ring_check(one.ring, &op.name, bad.value));
    }
    assert_ok(sherd_compartment_write(one.keys, &back, 1));
    handle_open(test, &two);
    /* a pin of an older keyring, put back: the file does not agree with it any more */
    assert_ok(sherd_ring_change(two.ring, add_one, NULL));
    handle_done(&two);
    assert_ok(sherd_compartment_write(one.keys, &back, 1));
    assert_err(SHERD_ERR_TAMPERED, handle_try(test, &two));
    handle_done(&two);
    done(&one);
}

#define ring_test(name) cmocka_unit_test_setup_teardown(name, anchor_setup_nothing, anchor_teardown_nothing)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ring_test(test_anchor_ring_change__is_seen_by_others_at_once),
        ring_test(test_anchor_ring_look__has_the_keyring_as_it_is),
        ring_test(test_anchor_ring_change__that_ended_before_its_pin_was_none),
        ring_test(test_anchor_ring_change__that_ended_after_its_pin_was_one),
        ring_test(test_anchor_ring_guard__refuses_a_write_under_a_keyring_that_is_no_more),
        ring_test(test_anchor_ring_change__loses_none_of_many_at_once),
        ring_test(test_anchor_ring_new__refuses_a_keyring_that_was_rolled_back),
        ring_test(test_anchor_ring_new__passes_over_garbage_beside_the_keyring),
        ring_test(test_anchor_ring_new__refuses_a_pin_that_is_missing_or_changed),
    };

    return cmocka_run_group_tests_name("anchor_ring", tests, NULL, NULL);
}
