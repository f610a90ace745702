/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of store keys with versions: what seals, what opens, what is refused and how, and what is heard of late. */
#include "crypto/init.h"
#include "envelope/entry.h"
#include "hex.h"
#include <string.h>

static const struct sherd_ref name = {{1, 2, 3}};

/* The versions newest, newest - 1, ... of a key of patterns. */
static struct sherd_store_versions versions_of(uint32_t newest, uint32_t count)
{
    struct sherd_store_versions versions = {.newest = newest, .count = count};

    for (uint32_t i = 0; i < count; i++)
        memset(versions.keys[i], (int)(0x40 + newest - i), sizeof(versions.keys[i]));
    return versions;
}

/* Who gives out versions, and is asked for others. */
struct source {
    struct sherd_store_versions versions;
    unsigned asked;
    unsigned urgent;
    bool tells; /* also where it is not urgent */
    enum sherd_err err;
};

static enum sherd_err refresh(void *arg, bool urgent, struct sherd_store_keys *keys)
{
    struct source *source = arg;

    source->asked++;
    source->urgent += urgent ? 1 : 0;
    if (source->err != SHERD_OK)
        return source->err;
    return urgent || source->tells ? sherd_store_keys_set(keys, &source->versions) : SHERD_OK;
}

struct keys {
    struct source source;
    struct sherd_hmac_key *hmac;
    struct sherd_entry_keys entry;
};

static void keys_begin(struct keys *keys, uint32_t newest, uint32_t count)
{
    static const uint8_t bytes[32] = {7};
    const struct sherd_store_versions versions = versions_of(newest, count);

    memset(keys, 0, sizeof(*keys));
    assert_int_equal(sherd_crypto_init(), SHERD_OK);
    keys->source.versions = versions;
    assert_int_equal(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(bytes, 32), &keys->hmac), SHERD_OK);
    keys->entry = (struct sherd_entry_keys){.deployment = {{9}}, .compartment = SHERD_FOR_ASSETS, .name = keys->hmac};
    assert_int_equal(sherd_store_keys_new(&versions, refresh, &keys->source, &keys->entry.versions), SHERD_OK);
}

static void keys_end(struct keys *keys)
{
    sherd_store_keys_free(keys->entry.versions);
    sherd_hmac_key_free(keys->hmac);
}

static void rotate(struct keys *keys, uint32_t newest, uint32_t count)
{
    keys->source.versions = versions_of(newest, count);
    assert_int_equal(sherd_store_keys_set(keys->entry.versions, &keys->source.versions), SHERD_OK);
}

static void seal(const struct keys *keys, struct sherd_buf *out)
{
    sherd_buf_clear(out);
    assert_int_equal(sherd_entry_seal(&keys->entry, SHERD_KIND_COLLECTION, &name, sherd_span_str("hello"), out),
                     SHERD_OK);
}

static enum sherd_err open_it(const struct keys *keys, const struct sherd_buf *stored)
{
    struct sherd_buf payload = {0};
    struct sherd_span tlv = {0};
    const enum sherd_err err = sherd_entry_open(&keys->entry, SHERD_KIND_COLLECTION, &name, sherd_buf_span(stored),
                                                &payload, &tlv);

    if (err == SHERD_OK)
        assert_true(tlv.len == 5 && memcmp(tlv.data, "hello", 5) == 0);
    sherd_buf_done(&payload);
    return err;
}

static void test_envelope_store_keys__seal_with_the_newest_and_open_with_all(void **state)
{
    struct sherd_buf stored[3] = {{0}};
    struct keys keys;

    (void)state;
    keys_begin(&keys, 1, 1);
    for (uint32_t v = 1; v <= 3; v++) {
        rotate(&keys, v, v);
        seal(&keys, &stored[v - 1]);
        assert_int_equal(sherd_entry_version(sherd_buf_span(&stored[v - 1])), v);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(open_it(&keys, &stored[i]), SHERD_OK);
    stored[0].data[7] = 2; /* the version is part of what is sealed */
    assert_int_equal(open_it(&keys, &stored[0]), SHERD_ERR_TAMPERED);
    for (size_t i = 0; i < 3; i++)
        sherd_buf_done(&stored[i]);
    keys_end(&keys);
}

static void test_envelope_store_keys__refuse_what_is_below_the_floor_as_policy(void **state)
{
    struct sherd_buf old = {0};
    struct sherd_buf kept = {0};
    struct keys keys;

    (void)state;
    keys_begin(&keys, 1, 1);
    seal(&keys, &old);
    rotate(&keys, 2, 2);
    seal(&keys, &kept);
    rotate(&keys, 3, 2); /* the first is destroyed */
    assert_int_equal(open_it(&keys, &old), SHERD_ERR_DENIED);
    assert_int_equal(open_it(&keys, &kept), SHERD_OK);
    assert_int_equal(keys.source.urgent, 0);
    old.data[7] = 9; /* one that was never made */
    assert_int_equal(open_it(&keys, &old), SHERD_ERR_TAMPERED);
    assert_int_equal(keys.source.urgent, 1);
    old.data[7] = 0;
    assert_int_equal(open_it(&keys, &old), SHERD_ERR_TAMPERED);
    sherd_buf_done(&old);
    sherd_buf_done(&kept);
    keys_end(&keys);
}

static void test_envelope_store_keys__ask_for_a_version_that_they_have_not_heard_of(void **state)
{
    struct sherd_buf stored = {0};
    struct keys keys;
    struct keys late;

    (void)state;
    keys_begin(&keys, 1, 1);
    keys_begin(&late, 1, 1);
    rotate(&keys, 2, 2);
    late.source.versions = keys.source.versions;
    seal(&keys, &stored);
    late.source.err = SHERD_ERR_IO;
    assert_int_equal(open_it(&late, &stored), SHERD_ERR_IO);
    late.source.err = SHERD_OK;
    assert_int_equal(open_it(&late, &stored), SHERD_OK);
    assert_int_equal(late.source.urgent, 1);
    late.source.versions = versions_of(3, 1);
    late.source.tells = true; /* it is heard of before anything is opened, and what was destroyed is held no more */
    assert_int_equal(open_it(&late, &stored), SHERD_ERR_DENIED);
    late.source.tells = false;
    late.source.versions = versions_of(2, 2);
    keys_end(&late);
    keys_begin(&late, 2, 2);
    seal(&late, &stored);
    assert_int_equal(sherd_entry_version(sherd_buf_span(&stored)), 2);
    sherd_buf_done(&stored);
    keys_end(&late);
    keys_end(&keys);
}

/* What a slower thread has read before does not bring back what was destroyed, or hide what is newer. */
static void test_envelope_store_keys_set__never_goes_back(void **state)
{
    struct keys keys;
    uint32_t version;

    (void)state;
    keys_begin(&keys, 4, 1);
    rotate(&keys, 3, 3);
    assert_int_equal(sherd_store_keys_newest(keys.entry.versions, &version), SHERD_OK);
    assert_int_equal(version, 4);
    rotate(&keys, 4, 2);
    const struct sherd_hmac_key *key;
    assert_int_equal(sherd_store_keys_hold(keys.entry.versions, 3, &version, &key), SHERD_ERR_DENIED);
    keys_end(&keys);
}

static void test_envelope_entry_reseal__says_the_same_under_the_newest(void **state)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf fresh = sherd_buf_borrow(block, sizeof(block));
    struct sherd_buf stored = {0};
    struct keys keys;

    (void)state;
    keys_begin(&keys, 1, 1);
    seal(&keys, &stored);
    assert_int_equal(sherd_entry_reseal(&keys.entry, &name, sherd_buf_span(&stored), &fresh), SHERD_OK);
    assert_int_equal(fresh.len, 0);
    rotate(&keys, 2, 2);
    assert_int_equal(sherd_entry_reseal(&keys.entry, &name, sherd_buf_span(&stored), &fresh), SHERD_OK);
    assert_int_equal(fresh.len, stored.len);
    assert_int_equal(sherd_entry_version(sherd_buf_span(&fresh)), 2);
    rotate(&keys, 2, 1);
    assert_int_equal(open_it(&keys, &fresh), SHERD_OK);
    sherd_buf_clear(&fresh);
    assert_int_equal(sherd_entry_reseal(&keys.entry, &name, sherd_buf_span(&stored), &fresh), SHERD_ERR_DENIED);
    stored.data[40] ^= 1;
    stored.data[7] = 2;
    rotate(&keys, 3, 2);
    assert_int_equal(sherd_entry_reseal(&keys.entry, &name, sherd_buf_span(&stored), &fresh), SHERD_ERR_TAMPERED);
    assert_int_equal(fresh.len, 0);
    sherd_buf_done(&stored);
    keys_end(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_store_keys__seal_with_the_newest_and_open_with_all),
        cmocka_unit_test(test_envelope_store_keys__refuse_what_is_below_the_floor_as_policy),
        cmocka_unit_test(test_envelope_store_keys__ask_for_a_version_that_they_have_not_heard_of),
        cmocka_unit_test(test_envelope_store_keys_set__never_goes_back),
        cmocka_unit_test(test_envelope_entry_reseal__says_the_same_under_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
