/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of events and leaves: one encoding and no other, nothing in clear that is not meant to be, what is in clear
 * agrees with what is sealed, and commitments that open with their own blinding value alone.
 */
#include "base/bytes.h"
#include "crypto/init.h"
#include "ledger/leaf.h"
#include "vault.h"
#include <stdio.h>

static const uint8_t deployment[16] = {0xd1};
static const uint8_t seed[32] = {0x5e, 0xed};

static struct sherd_event example(void)
{
    struct sherd_event event = {.kind = SHERD_EVENT_UPDATE, .time_ns = 1700000000123456789U, .version = 7};

    memset(event.id, 0x11, sizeof(event.id));
    memset(event.subject.bytes, 0x22, 16);
    memset(event.collection.bytes, 0x33, 16);
    memset(event.entity.bytes, 0x44, 16);
    memset(event.actor.bytes, 0x55, 16);
    event.map.there = event.fragment.there = true;
    memset(event.map.name.bytes, 0x66, 16);
    memset(event.map.digest.bytes, 0x77, 32);
    memset(event.fragment.name.bytes, 0x88, 16);
    memset(event.fragment.digest.bytes, 0x99, 32);
    return event;
}

static struct sherd_leaf_keys *keys_of(const uint8_t whose[static 16])
{
    struct sherd_leaf_keys *keys = NULL;

    assert_ok(sherd_leaf_keys_new(sherd_span_of(seed, sizeof(seed)), whose, &keys));
    return keys;
}

static void assert_same_event(const struct sherd_event *a, const struct sherd_event *b)
{
    uint8_t a_bytes[SHERD_EVENT_BYTES_MAX];
    uint8_t b_bytes[SHERD_EVENT_BYTES_MAX];
    size_t a_len;
    size_t b_len;

    assert_ok(sherd_event_encode(a, a_bytes, &a_len));
    assert_ok(sherd_event_encode(b, b_bytes, &b_len));
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a_bytes, b_bytes, a_len);
}

static bool holds(struct sherd_span bytes, uint8_t byte, size_t run)
{
    size_t found = 0;

    for (size_t i = 0; i < bytes.len && found < run; i++)
        found = bytes.data[i] == byte ? found + 1 : 0;
    return found >= run;
}

static void test_ledger_event__comes_back(void **state)
{
    const struct sherd_event least = {.kind = SHERD_EVENT_SEAL};
    const struct sherd_event most = example();
    uint8_t bytes[SHERD_EVENT_BYTES_MAX];
    struct sherd_event back;
    size_t len;

    (void)state;
    assert_ok(sherd_event_encode(&most, bytes, &len));
    assert_ok(sherd_event_decode(sherd_span_of(bytes, len), &back));
    assert_same_event(&most, &back);
    assert_ok(sherd_event_encode(&least, bytes, &len));
    assert_ok(sherd_event_decode(sherd_span_of(bytes, len), &back));
    assert_same_event(&least, &back);
}

/* Each kind has a name, and what is none has none. */
static void test_ledger_event__kinds_have_names(void **state)
{
    struct sherd_event none = {.kind = SHERD_EVENT_KINDS};
    uint8_t bytes[SHERD_EVENT_BYTES_MAX];
    size_t len;

    (void)state;
    for (unsigned kind = SHERD_EVENT_GENESIS; kind < SHERD_EVENT_KINDS; kind++)
        assert_string_not_equal(sherd_event_name((enum sherd_event_kind)kind), "unknown");
    assert_string_equal(sherd_event_name(SHERD_EVENT_KINDS), "unknown");
    assert_int_equal(sherd_event_encode(&none, bytes, &len), SHERD_ERR_INVALID);
}

/* Cut anywhere, or any byte another one: it does not decode, or decodes to another event with that very encoding. */
static void test_ledger_event__has_one_encoding(void **state)
{
    const struct sherd_event event = example();
    uint8_t bytes[SHERD_EVENT_BYTES_MAX];
    uint8_t again[SHERD_EVENT_BYTES_MAX];
    struct sherd_event back;
    size_t again_len;
    size_t len;

    (void)state;
    assert_ok(sherd_event_encode(&event, bytes, &len));
    for (size_t cut = 0; cut < len; cut++)
        if (sherd_event_decode(sherd_span_of(bytes, cut), &back) == SHERD_OK) {
            assert_ok(sherd_event_encode(&back, again, &again_len));
            assert_int_equal(again_len, cut);
        }
    for (size_t i = 0; i < len * 255; i++) {
        const uint8_t flip = (uint8_t)(i % 255 + 1);

        bytes[i / 255] ^= flip;
        if (sherd_event_decode(sherd_span_of(bytes, len), &back) == SHERD_OK) {
            assert_ok(sherd_event_encode(&back, again, &again_len));
            assert_int_equal(again_len, len);
            assert_memory_equal(bytes, again, len);
        }
        bytes[i / 255] ^= flip;
    }
}

static void test_ledger_pending__holds_until_it_is_full(void **state)
{
    const struct sherd_event event = example();
    uint8_t block[SHERD_PENDING_EVENTS_BYTES_MAX + 64];
    struct sherd_pending pending = {.delta = {{7}}};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf events = {0};
    struct sherd_pending back;
    struct sherd_event one;
    size_t count = 0;
    size_t len;

    (void)state;
    while (sherd_pending_add(&events, &event) == SHERD_OK)
        count++;
    assert_true(count >= SHERD_PENDING_EVENTS_BYTES_MAX / (SHERD_EVENT_BYTES_MAX + 2));
    pending.events = sherd_buf_span(&events);
    assert_ok(sherd_pending_encode(&pending, block, &len));
    assert_ok(sherd_pending_decode(sherd_span_of(block, len), &back));
    assert_memory_equal(back.delta.bytes, pending.delta.bytes, 32);
    for (struct sherd_span rest = back.events; rest.len != 0; count--) {
        assert_ok(sherd_pending_next(&rest, &one));
        assert_same_event(&one, &event);
    }
    assert_int_equal(count, 0);
    assert_int_equal(sherd_pending_decode(sherd_span_of(block, len - 1), &back), SHERD_ERR_TAMPERED);
    block[len - 1] ^= 0x80; /* the last byte of the last event's digest: still an event */
    assert_ok(sherd_pending_decode(sherd_span_of(block, len), &back));
    block[35 + 3] ^= 0x01; /* length of the first event */
    assert_int_equal(sherd_pending_decode(sherd_span_of(block, len), &back), SHERD_ERR_TAMPERED);
}

static void test_ledger_leaf__says_what_it_may(void **state)
{
    const struct sherd_event event = example();
    struct sherd_leaf_keys *keys = keys_of(deployment);
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_event back;
    struct sherd_ref subject;
    struct sherd_ref actor;
    struct sherd_leaf leaf;
    size_t len;

    (void)state;
    assert_ok(sherd_leaf_encode(keys, &event, bytes, &len));
    assert_ok(sherd_leaf_decode(sherd_span_of(bytes, len), &leaf));
    assert_int_equal(leaf.kind, SHERD_EVENT_UPDATE);
    assert_int_equal(leaf.version, 7);
    assert_int_equal(leaf.time_s, 1700000000);
    assert_memory_equal(leaf.id, event.id, sizeof(leaf.id));
    assert_ok(sherd_leaf_subject(keys, SHERD_EVENT_PUT, &event.subject, &subject));
    assert_memory_equal(leaf.subject.bytes, subject.bytes, 16);
    assert_ok(sherd_leaf_actor(keys, &event.actor, &actor));
    assert_memory_equal(leaf.actor.bytes, actor.bytes, 16);
    for (unsigned byte = 0x22; byte <= 0x99; byte += 0x11)
        assert_false(holds(sherd_span_of(bytes, len), (uint8_t)byte, 8));
    assert_ok(sherd_leaf_open(keys, sherd_span_of(bytes, len), &back));
    assert_same_event(&event, &back);
    sherd_leaf_keys_free(keys);
}

/* Ids of different things have different pseudonyms, also if they are the same number. */
static void test_ledger_leaf__pseudonyms_are_apart(void **state)
{
    struct sherd_leaf_keys *keys = keys_of(deployment);
    const struct sherd_ref id = {{1, 2, 3}};
    const struct sherd_ref none = {{0}};
    struct sherd_ref record;
    struct sherd_ref entity;

    (void)state;
    assert_ok(sherd_leaf_subject(keys, SHERD_EVENT_PUT, &id, &record));
    assert_ok(sherd_leaf_subject(keys, SHERD_EVENT_ERASE, &id, &entity));
    assert_memory_not_equal(record.bytes, entity.bytes, 16);
    assert_ok(sherd_leaf_subject(keys, SHERD_EVENT_KEYRING, &none, &record));
    assert_memory_equal(record.bytes, none.bytes, 16);
    sherd_leaf_keys_free(keys);
}

static void test_ledger_leaf__commitments_open_one_by_one(void **state)
{
    const struct sherd_event event = example();
    struct sherd_leaf_keys *keys = keys_of(deployment);
    struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS];
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_digest commitment;
    struct sherd_leaf leaf;
    size_t len;

    (void)state;
    assert_ok(sherd_leaf_encode(keys, &event, bytes, &len));
    assert_ok(sherd_leaf_decode(sherd_span_of(bytes, len), &leaf));
    assert_ok(sherd_leaf_blinds(keys, event.id, blinds));
    assert_true(leaf.committed[SHERD_LEAF_ASSETS] && leaf.committed[SHERD_LEAF_SECRETS]);
    assert_ok(sherd_leaf_commitment(&blinds[SHERD_LEAF_ASSETS], &event.map.name, &event.map.digest, &commitment));
    assert_memory_equal(commitment.bytes, leaf.commitments[SHERD_LEAF_ASSETS].bytes, 32);
    assert_ok(sherd_leaf_commitment(&blinds[SHERD_LEAF_SECRETS], &event.fragment.name, &event.fragment.digest,
                                    &commitment));
    assert_memory_equal(commitment.bytes, leaf.commitments[SHERD_LEAF_SECRETS].bytes, 32);
    assert_ok(sherd_leaf_commitment(&blinds[SHERD_LEAF_ASSETS], &event.fragment.name, &event.fragment.digest,
                                    &commitment));
    assert_memory_not_equal(commitment.bytes, leaf.commitments[SHERD_LEAF_SECRETS].bytes, 32);
    assert_ok(sherd_leaf_commitment(&blinds[SHERD_LEAF_SUBJECT], &event.subject, &event.fragment.digest, &commitment));
    assert_memory_equal(commitment.bytes, leaf.commitments[SHERD_LEAF_SUBJECT].bytes, 32);
    struct sherd_digest beside;
    memcpy(beside.bytes, event.entity.bytes, 16);
    memcpy(beside.bytes + 16, event.collection.bytes, 16);
    assert_ok(sherd_leaf_commitment(&blinds[SHERD_LEAF_ACTOR], &event.actor, &beside, &commitment));
    assert_memory_equal(commitment.bytes, leaf.commitments[SHERD_LEAF_ACTOR].bytes, 32);
    for (size_t i = 0; i < SHERD_LEAF_COMMITMENTS; i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(blinds[i].bytes, blinds[k].bytes, 32);
    sherd_leaf_keys_free(keys);
}

/* Nothing is committed to where there is nothing; and no event is too long for its leaf. */
static void test_ledger_leaf__commits_to_what_there_is(void **state)
{
    const struct sherd_event bare = {.kind = SHERD_EVENT_SEAL};
    struct sherd_event erased = {.kind = SHERD_EVENT_ERASE, .subject = {{1}}};
    struct sherd_event owned = {.kind = SHERD_EVENT_KEYRING, .collection = {{1}}};
    struct sherd_event longest = example();
    struct sherd_leaf_keys *keys = keys_of(deployment);
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_leaf leaf;
    size_t len;

    (void)state;
    assert_ok(sherd_leaf_encode(keys, &bare, bytes, &len));
    assert_ok(sherd_leaf_decode(sherd_span_of(bytes, len), &leaf));
    for (size_t i = 0; i < SHERD_LEAF_COMMITMENTS; i++)
        assert_false(leaf.committed[i]);
    assert_ok(sherd_leaf_encode(keys, &erased, bytes, &len));
    assert_ok(sherd_leaf_decode(sherd_span_of(bytes, len), &leaf));
    assert_true(leaf.committed[SHERD_LEAF_SUBJECT] && !leaf.committed[SHERD_LEAF_ACTOR]);
    assert_ok(sherd_leaf_encode(keys, &owned, bytes, &len));
    assert_ok(sherd_leaf_decode(sherd_span_of(bytes, len), &leaf));
    assert_true(!leaf.committed[SHERD_LEAF_SUBJECT] && leaf.committed[SHERD_LEAF_ACTOR]);
    longest.count = UINT64_MAX;
    assert_ok(sherd_leaf_encode(keys, &longest, bytes, &len));
    assert_true(len <= SHERD_LEAF_BYTES_MAX);
    sherd_leaf_keys_free(keys);
}

static void assert_hex(struct sherd_span bytes, const char *expected)
{
    char text[2 * SHERD_LEAF_BYTES_MAX + 1];

    for (size_t i = 0; i < bytes.len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    assert_string_equal(text, expected);
}

#define GOLDEN                                                                                         \
    "010008000000000000000102000800000000000000030300101111111111111111111111111111111104000800000000" \
    "6553f1000500080000000000000007070010c0c33a0daea19e6f56b4fc88f435acba080010bebd5e7a3610dcea506cca" \
    "e638625f01090020a0c3a857021df45d9e47eaf4e2c9d2115557df37e83324b638e662eee1a6518c0a0020349c6d0267" \
    "f6138c650ec16fc2cd1596b7c05606f6c1b1366bac6c1a8ca8f5dd0b0020261d5e603a545850baef4807e325e80ca3f8" \
    "8fa252071bc43d0fc1bd183cea940c0020c08bd44fe8dce93ef8a6205b3cf532f6c2f1721a13db11f8f360bb422126bb" \
    "f1"

/* What is in clear, to the byte: made once by other means from docs/format/ledger.md. */
static void test_ledger_leaf__golden_bytes(void **state)
{
    const struct sherd_event event = example();
    struct sherd_leaf_keys *keys = keys_of(deployment);
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_leaf leaf;
    size_t len;

    (void)state;
    assert_ok(sherd_leaf_encode(keys, &event, bytes, &len));
    assert_ok(sherd_leaf_decode(sherd_span_of(bytes, len), &leaf));
    assert_hex(sherd_span_of(bytes, len - leaf.sealed.len - 3), GOLDEN);
    sherd_leaf_keys_free(keys);
}

/* Whatever byte is changed or cut off, and in another deployment: it does not open. */
static void test_ledger_leaf__is_bound(void **state)
{
    static const uint8_t other[16] = {0xd2};
    const struct sherd_event event = example();
    struct sherd_leaf_keys *keys = keys_of(deployment);
    struct sherd_leaf_keys *stranger = keys_of(other);
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_event back;
    size_t len;

    (void)state;
    assert_ok(sherd_leaf_encode(keys, &event, bytes, &len));
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x01;
        assert_int_equal(sherd_leaf_open(keys, sherd_span_of(bytes, len), &back), SHERD_ERR_TAMPERED);
        bytes[i] ^= 0x01;
        assert_int_equal(sherd_leaf_open(keys, sherd_span_of(bytes, i), &back), SHERD_ERR_TAMPERED);
    }
    assert_int_equal(sherd_leaf_open(stranger, sherd_span_of(bytes, len), &back), SHERD_ERR_TAMPERED);
    assert_ok(sherd_leaf_open(keys, sherd_span_of(bytes, len), &back));
    sherd_leaf_keys_free(stranger);
    sherd_leaf_keys_free(keys);
}

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_event__comes_back),
        cmocka_unit_test(test_ledger_event__kinds_have_names),
        cmocka_unit_test(test_ledger_event__has_one_encoding),
        cmocka_unit_test(test_ledger_pending__holds_until_it_is_full),
        cmocka_unit_test(test_ledger_leaf__says_what_it_may),
        cmocka_unit_test(test_ledger_leaf__pseudonyms_are_apart),
        cmocka_unit_test(test_ledger_leaf__commitments_open_one_by_one),
        cmocka_unit_test(test_ledger_leaf__commits_to_what_there_is),
        cmocka_unit_test(test_ledger_leaf__golden_bytes),
        cmocka_unit_test(test_ledger_leaf__is_bound),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
