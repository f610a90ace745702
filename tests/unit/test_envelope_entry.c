/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of entries: one length for each kind, bound to everything around them, no other padding than zeros. */
#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/init.h"
#include "envelope/entry.h"
#include "hex.h"
#include <stdlib.h>
#include <string.h>

static const enum sherd_purpose compartments[] = {SHERD_FOR_IDENTITY, SHERD_FOR_ASSETS, SHERD_FOR_SECRETS,
                                                  SHERD_FOR_KEYS};

/* What docs/format/envelope.md section 2 says. */
static const struct {
    enum sherd_kind kind;
    unsigned compartment; /* 0 for each */
    size_t payload_bytes;
    size_t stored_bytes;
} table[] = {
    {SHERD_KIND_COMPARTMENT, 0, 192, 272},
    {SHERD_KIND_MAP, SHERD_FOR_ASSETS, 384, 464},
    {SHERD_KIND_LONG_MAP, SHERD_FOR_ASSETS, 5120, 5200},
    {SHERD_KIND_COLLECTION, SHERD_FOR_ASSETS, 256, 336},
    {SHERD_KIND_PIN, SHERD_FOR_KEYS, 352, 432},
    {SHERD_KIND_OLD_PIN, SHERD_FOR_KEYS, 352, 432},
    {SHERD_KIND_ENTITY_KEY, SHERD_FOR_KEYS, 384, 464},
    {SHERD_KIND_COLLECTION_PIN, SHERD_FOR_KEYS, 192, 272},
    {SHERD_KIND_IDEMPOTENCY, SHERD_FOR_KEYS, 192, 272},
    {SHERD_KIND_PRINCIPAL, SHERD_FOR_IDENTITY, 320, 400},
    {SHERD_KIND_KEYRING_PIN, SHERD_FOR_KEYS, 192, 272},
    {SHERD_KIND_ENTITY_LOOKUP, SHERD_FOR_KEYS, 192, 272},
    {SHERD_KIND_OLD_ENTITY_KEY, SHERD_FOR_KEYS, 384, 464},
    {SHERD_KIND_NAMED_KEY, SHERD_FOR_KEYS, 192, 272},
    {SHERD_KIND_KEY_PART, 0, 192, 272},
    {SHERD_KIND_PRINCIPAL_PIN, SHERD_FOR_KEYS, 192, 272},
    {SHERD_KIND_GRANT, SHERD_FOR_KEYS, 192, 272},
    {SHERD_KIND_PENDING, SHERD_FOR_KEYS, 320, 400},
    {SHERD_KIND_LONG_PENDING, SHERD_FOR_KEYS, 5120, 5200},
    {SHERD_KIND_KEY_USES, SHERD_FOR_KEYS, 192, 272},
    {SHERD_KIND_ROW_SUM, SHERD_FOR_KEYS, 192, 272},
};

struct keys {
    struct sherd_entry_keys entry;
    struct sherd_hmac_key *name;
    struct sherd_hmac_key *seal;
};

static struct keys keys_of(uint8_t seed, enum sherd_purpose compartment)
{
    struct keys keys;
    uint8_t bytes[32];

    assert_int_equal(sherd_crypto_init(), SHERD_OK);
    memset(bytes, seed, sizeof(bytes));
    assert_int_equal(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(bytes, 32), &keys.name), SHERD_OK);
    assert_int_equal(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(bytes, 32), &keys.seal), SHERD_OK);
    keys.entry = (struct sherd_entry_keys){
        .deployment = {{seed}}, .compartment = compartment, .version = 1, .name = keys.name, .seal = keys.seal};
    return keys;
}

static void keys_done(struct keys *keys)
{
    sherd_hmac_key_free(keys->name);
    sherd_hmac_key_free(keys->seal);
}

static const struct sherd_ref name = {{1, 2, 3}};

static enum sherd_err open_as(const struct sherd_entry_keys *keys, enum sherd_kind kind, const struct sherd_ref *under,
                              struct sherd_span stored)
{
    struct sherd_buf payload = {0};
    struct sherd_span tlv = {0};
    const enum sherd_err err = sherd_entry_open(keys, kind, under, stored, &payload, &tlv);

    if (err == SHERD_OK) {
        assert_int_equal(tlv.len, 5);
        assert_memory_equal(tlv.data, "hello", 5);
    }
    sherd_buf_done(&payload);
    return err;
}

static void test_envelope_entry_kinds__have_the_documented_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(table); i++)
        for (size_t c = 0; c < SHERD_COUNT_OF(compartments); c++) {
            const bool here = table[i].compartment == 0 || table[i].compartment == compartments[c];

            assert_int_equal(sherd_kind_payload_bytes(table[i].kind, compartments[c]),
                             here ? table[i].payload_bytes : 0);
            assert_int_equal(sherd_entry_bytes(table[i].payload_bytes), table[i].stored_bytes);
        }
    for (size_t c = 0; c < SHERD_COUNT_OF(compartments); c++) {
        assert_int_equal(sherd_kind_payload_bytes(0, compartments[c]), 0);
        assert_int_equal(sherd_kind_payload_bytes(21, compartments[c]), 0);
        assert_int_equal(sherd_kind_payload_bytes(128, compartments[c]), 0);
        assert_int_equal(sherd_kind_payload_bytes(255, compartments[c]), 0);
    }
}

static void test_envelope_entry_seal__opens_again_for_each_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(table); i++)
        for (size_t c = 0; c < SHERD_COUNT_OF(compartments); c++) {
            struct keys keys = keys_of(7, compartments[c]);
            struct sherd_buf stored = {0};
            enum sherd_kind kind;

            if (sherd_kind_payload_bytes(table[i].kind, compartments[c]) == 0) {
                assert_int_equal(sherd_entry_seal(&keys.entry, table[i].kind, &name, sherd_span_str("hello"), &stored),
                                 SHERD_ERR_LIMIT);
            } else {
                assert_int_equal(sherd_entry_seal(&keys.entry, table[i].kind, &name, sherd_span_str("hello"), &stored),
                                 SHERD_OK);
                assert_int_equal(stored.len, table[i].stored_bytes);
                assert_int_equal(sherd_entry_kind(&keys.entry, sherd_buf_span(&stored), &kind), SHERD_OK);
                assert_int_equal(kind, table[i].kind);
                assert_int_equal(open_as(&keys.entry, kind, &name, sherd_buf_span(&stored)), SHERD_OK);
            }
            sherd_buf_done(&stored);
            keys_done(&keys);
        }
}

static void test_envelope_entry_seal__has_the_documented_header(void **state)
{
    struct keys keys = keys_of(7, SHERD_FOR_KEYS);
    struct sherd_buf stored = {0};
    uint8_t block[8];

    (void)state;
    keys.entry.version = 0x01020304;
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_PIN, &name, sherd_span_str("hello"), &stored), SHERD_OK);
    assert_memory_equal(stored.data, hex_read("01 05 0001 01020304", block, sizeof(block)).data, 8);
    sherd_buf_done(&stored);
    keys_done(&keys);
}

static void test_envelope_entry_seal__takes_what_fits_to_the_byte(void **state)
{
    struct keys keys = keys_of(7, SHERD_FOR_KEYS);
    struct sherd_buf stored = {0};
    struct sherd_buf payload = {0};
    struct sherd_span tlv;
    uint8_t full[191];

    (void)state;
    memset(full, 0xff, sizeof(full));
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_IDEMPOTENCY, &name, sherd_span_of(full, 191), &stored),
                     SHERD_ERR_LIMIT);
    assert_int_equal(stored.len, 0);
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_IDEMPOTENCY, &name, sherd_span_of(full, 190), &stored),
                     SHERD_OK);
    assert_int_equal(sherd_entry_open(&keys.entry, SHERD_KIND_IDEMPOTENCY, &name, sherd_buf_span(&stored), &payload,
                                      &tlv),
                     SHERD_OK);
    assert_int_equal(tlv.len, 190);
    assert_memory_equal(tlv.data, full, 190);
    sherd_buf_clear(&stored);
    sherd_buf_clear(&payload);
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_IDEMPOTENCY, &name, sherd_span_of(NULL, 0), &stored),
                     SHERD_OK);
    assert_int_equal(sherd_entry_open(&keys.entry, SHERD_KIND_IDEMPOTENCY, &name, sherd_buf_span(&stored), &payload,
                                      &tlv),
                     SHERD_OK);
    assert_int_equal(tlv.len, 0);
    sherd_buf_done(&stored);
    sherd_buf_done(&payload);
    keys_done(&keys);
}

static void test_envelope_entry_seal__leaves_the_buffer_where_it_has_no_room(void **state)
{
    struct keys keys = keys_of(7, SHERD_FOR_KEYS);
    uint8_t block[432 + 5];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block) - 1);

    (void)state;
    assert_int_equal(sherd_buf_append(&stored, sherd_span_str("five5")), SHERD_OK);
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_PIN, &name, sherd_span_str("hello"), &stored),
                     SHERD_ERR_LIMIT);
    assert_int_equal(stored.len, 5);
    stored.cap = sizeof(block);
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_PIN, &name, sherd_span_str("hello"), &stored), SHERD_OK);
    assert_int_equal(stored.len, 437);
    assert_memory_equal(stored.data, "five5", 5);
    keys_done(&keys);
}

static void test_envelope_entry_open__is_bound_to_all_around_it(void **state)
{
    struct keys keys = keys_of(7, SHERD_FOR_KEYS);
    struct keys other = keys_of(8, SHERD_FOR_KEYS);
    struct sherd_ref elsewhere = name;
    struct sherd_buf stored = {0};
    struct sherd_entry_keys changed;

    (void)state;
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_PIN, &name, sherd_span_str("hello"), &stored), SHERD_OK);
    const struct sherd_span bytes = sherd_buf_span(&stored);
    assert_int_equal(open_as(&keys.entry, SHERD_KIND_PIN, &name, bytes), SHERD_OK);
    assert_int_equal(open_as(&keys.entry, SHERD_KIND_OLD_PIN, &name, bytes), SHERD_ERR_TAMPERED);
    stored.data[1] = SHERD_KIND_OLD_PIN; /* of the same length: only the context tells them apart */
    assert_int_equal(open_as(&keys.entry, SHERD_KIND_OLD_PIN, &name, bytes), SHERD_ERR_TAMPERED);
    stored.data[1] = SHERD_KIND_PIN;
    for (size_t i = 0; i < sizeof(elsewhere.bytes); i++) {
        elsewhere.bytes[i] ^= 1;
        assert_int_equal(open_as(&keys.entry, SHERD_KIND_PIN, &elsewhere, bytes), SHERD_ERR_TAMPERED);
        elsewhere.bytes[i] ^= 1;
    }
    changed = keys.entry;
    changed.deployment.bytes[15] ^= 1;
    assert_int_equal(open_as(&changed, SHERD_KIND_PIN, &name, bytes), SHERD_ERR_TAMPERED);
    changed = keys.entry;
    changed.version = 2;
    assert_int_equal(open_as(&changed, SHERD_KIND_PIN, &name, bytes), SHERD_ERR_TAMPERED);
    stored.data[7] = 2; /* the header says so, too */
    assert_int_equal(open_as(&changed, SHERD_KIND_PIN, &name, bytes), SHERD_ERR_TAMPERED);
    stored.data[7] = 1;
    changed = keys.entry;
    changed.seal = other.seal;
    assert_int_equal(open_as(&changed, SHERD_KIND_PIN, &name, bytes), SHERD_ERR_TAMPERED);
    changed = keys.entry;
    changed.name = other.name; /* takes no part */
    assert_int_equal(open_as(&changed, SHERD_KIND_PIN, &name, bytes), SHERD_OK);
    sherd_buf_done(&stored);
    keys_done(&keys);
    keys_done(&other);
}

static void test_envelope_entry_open__is_bound_to_its_compartment(void **state)
{
    struct sherd_buf stored = {0};
    struct keys keys = keys_of(7, SHERD_FOR_ASSETS);

    (void)state; /* kind 1 has its place in each compartment, so that nothing but the context differs */
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_COMPARTMENT, &name, sherd_span_str("hello"), &stored),
                     SHERD_OK);
    assert_int_equal(open_as(&keys.entry, SHERD_KIND_COMPARTMENT, &name, sherd_buf_span(&stored)), SHERD_OK);
    keys.entry.compartment = SHERD_FOR_KEYS;
    assert_int_equal(open_as(&keys.entry, SHERD_KIND_COMPARTMENT, &name, sherd_buf_span(&stored)), SHERD_ERR_TAMPERED);
    sherd_buf_done(&stored);
    keys_done(&keys);
}

static void test_envelope_entry_open__sees_every_changed_byte_and_every_length(void **state)
{
    struct keys keys = keys_of(7, SHERD_FOR_KEYS);
    struct sherd_buf stored = {0};
    struct sherd_buf longer = {0};

    (void)state;
    assert_int_equal(sherd_entry_seal(&keys.entry, SHERD_KIND_PIN, &name, sherd_span_str("hello"), &stored), SHERD_OK);
    for (size_t i = 0; i < stored.len; i++) {
        static const uint8_t changes[] = {0x01, 0x80, 0xff};

        for (size_t k = 0; k < SHERD_COUNT_OF(changes); k++) {
            stored.data[i] ^= changes[k];
            assert_int_equal(open_as(&keys.entry, SHERD_KIND_PIN, &name, sherd_buf_span(&stored)), SHERD_ERR_TAMPERED);
            stored.data[i] ^= changes[k];
        }
    }
    for (size_t len = 0; len < stored.len; len++) {
        uint8_t *cut = test_malloc(len > 0 ? len : 1);

        memcpy(cut, stored.data, len);
        assert_int_equal(open_as(&keys.entry, SHERD_KIND_PIN, &name, sherd_span_of(cut, len)), SHERD_ERR_TAMPERED);
        test_free(cut);
    }
    assert_int_equal(sherd_buf_append(&longer, sherd_buf_span(&stored)), SHERD_OK);
    assert_int_equal(sherd_buf_append(&longer, sherd_span_str("x")), SHERD_OK);
    assert_int_equal(open_as(&keys.entry, SHERD_KIND_PIN, &name, sherd_buf_span(&longer)), SHERD_ERR_TAMPERED);
    sherd_buf_done(&longer);
    sherd_buf_done(&stored);
    keys_done(&keys);
}

/* Seal a payload as it is, which sherd_entry_seal() would not make. */
static void seal_raw(const struct keys *keys, enum sherd_kind kind, struct sherd_span payload, struct sherd_buf *stored)
{
    const uint8_t header[8] = {1, (uint8_t)kind, 0, 1, 0, 0, 0, 1};
    struct sherd_context context;

    sherd_buf_clear(stored);
    sherd_context_of_entry(&keys->entry.deployment, keys->entry.compartment, (uint8_t)kind, 1, &name, payload.len,
                           &context);
    assert_int_equal(sherd_buf_append(stored, sherd_span_of(header, sizeof(header))), SHERD_OK);
    assert_int_equal(sherd_aead_seal_with(keys->seal, sherd_context_span(&context), payload, stored), SHERD_OK);
}

static void test_envelope_entry_open__refuses_padding_and_lengths_of_others(void **state)
{
    struct keys keys = keys_of(7, SHERD_FOR_KEYS);
    struct sherd_buf stored = {0};
    uint8_t payload[352] = {0, 5, 'h', 'e', 'l', 'l', 'o'};

    (void)state;
    seal_raw(&keys, SHERD_KIND_PIN, sherd_span_of(payload, 352), &stored);
    assert_int_equal(open_as(&keys.entry, SHERD_KIND_PIN, &name, sherd_buf_span(&stored)), SHERD_OK);
    for (size_t i = 7; i < sizeof(payload); i++) {
        payload[i] = 1;
        seal_raw(&keys, SHERD_KIND_PIN, sherd_span_of(payload, 352), &stored);
        assert_int_equal(open_as(&keys.entry, SHERD_KIND_PIN, &name, sherd_buf_span(&stored)), SHERD_ERR_TAMPERED);
        payload[i] = 0;
    }
    for (unsigned len = 351; len < 65536; len += 251) {
        sherd_put_u16(payload, (uint16_t)len);
        seal_raw(&keys, SHERD_KIND_PIN, sherd_span_of(payload, 352), &stored);
        assert_int_equal(open_as(&keys.entry, SHERD_KIND_PIN, &name, sherd_buf_span(&stored)), SHERD_ERR_TAMPERED);
    }
    sherd_buf_done(&stored);
    keys_done(&keys);
}

static void test_envelope_entry_name__is_the_documented_pseudonym(void **state)
{
    struct keys keys = keys_of(7, SHERD_FOR_KEYS);
    uint8_t block[64];
    uint8_t mac[32];
    uint8_t key[32];
    const struct sherd_span named = hex_read("01 0006 7265636f7264 02 0003 616263", block, sizeof(block));
    struct sherd_ref ref;

    (void)state;
    memset(key, 7, sizeof(key));
    assert_int_equal(sherd_hmac(SHERD_SHA256, sherd_span_of(key, 32), &named, 1, mac), SHERD_OK);
    assert_int_equal(sherd_entry_name(&keys.entry, "record", sherd_span_str("abc"), sherd_span_of(NULL, 0), &ref),
                     SHERD_OK);
    assert_memory_equal(ref.bytes, mac, 16);
    keys_done(&keys);
}

static void test_envelope_entry_name__tells_labels_and_parts_apart(void **state)
{
    static const struct {
        const char *label;
        const char *first;
        const char *second;
    } named[] = {{"a", "bc", ""}, {"ab", "c", ""}, {"a", "b", "c"}, {"a", "", "bc"}, {"abc", "", ""}, {"a", "bc", "c"}};
    struct keys keys = keys_of(7, SHERD_FOR_KEYS);
    struct sherd_ref refs[SHERD_COUNT_OF(named)];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(named); i++) {
        assert_int_equal(sherd_entry_name(&keys.entry, named[i].label, sherd_span_str(named[i].first),
                                          sherd_span_str(named[i].second), &refs[i]),
                         SHERD_OK);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(refs[i].bytes, refs[k].bytes, 16);
    }
    keys_done(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_entry_kinds__have_the_documented_lengths),
        cmocka_unit_test(test_envelope_entry_seal__opens_again_for_each_kind),
        cmocka_unit_test(test_envelope_entry_seal__has_the_documented_header),
        cmocka_unit_test(test_envelope_entry_seal__takes_what_fits_to_the_byte),
        cmocka_unit_test(test_envelope_entry_seal__leaves_the_buffer_where_it_has_no_room),
        cmocka_unit_test(test_envelope_entry_open__is_bound_to_all_around_it),
        cmocka_unit_test(test_envelope_entry_open__is_bound_to_its_compartment),
        cmocka_unit_test(test_envelope_entry_open__sees_every_changed_byte_and_every_length),
        cmocka_unit_test(test_envelope_entry_open__refuses_padding_and_lengths_of_others),
        cmocka_unit_test(test_envelope_entry_name__is_the_documented_pseudonym),
        cmocka_unit_test(test_envelope_entry_name__tells_labels_and_parts_apart),
    };

    return cmocka_run_group_tests_name("envelope_entry", tests, NULL, NULL);
}
