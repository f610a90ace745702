/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the payloads: each kind against its golden encoding, written down by hand from docs/format/envelope.md, so
 * that the format cannot drift unseen; and what may be changed in such an encoding: nothing.
 */
#include "base/bytes.h"
#include "envelope/recipient.h"
#include "envelope/rights.h"
#include "hex.h"
#include <stdlib.h>
#include <string.h>

#define COLLECTION "03 0010" HEX_X16(" c0")
#define ENTITY " 04 0010" HEX_X16(" e0")
#define RECORD " 05 0010" HEX_X16(" 4d")
#define VERSION " 06 0008 0000000000000007"
#define CREATED " 0c 0008 000000006553f0ec" /* 2023-11-14 22:13:00 UTC */
#define ENTITY_ID " 15 0003 706174"         /* "pat" */

#define CREATED_S 1699999980U

static const char golden_map[] = COLLECTION ENTITY RECORD VERSION " 08 0010" HEX_X16(" d0") " 09 0020" HEX_X32(
    " 51") " 0a 0008 00000000000186a0"                   /* 100,000 bytes of contents */
           " 0b 0008 0000000000019060" CREATED ENTITY_ID /* 102,496 bytes of fragment */
           " 16 000a 746578742f706c61696e"               /* "text/plain" */
           " 17 000a 01 61 0001 78 02 6262 0000"         /* a=x, bb= */
           " 1a 0008 0000000000000001";                  /* a blob */

/* Of a readable collection, in its second version, with a link to a record and one to an entity. */
static const char golden_row_map[] = COLLECTION ENTITY RECORD VERSION " 08 0010" HEX_X16(" d0") " 09 0020" HEX_X32(
    " 51") " 0a 0008 0000000000000003 0b 0008 00000000000000a0" CREATED
           " 1a 0008 0000000000000002 2f 0062 01 06 706172656e74" HEX_X16(" 4e") " 0000000000000002" HEX_X32(
               " d2") " 02 00" HEX_X16(" c0") HEX_X16(" e1") " 31 0020" HEX_X32(" d3");

static const char golden_pin[] = COLLECTION ENTITY RECORD VERSION
    " 07 0008 0000000000000005"
    " 0b 0008 0000000000019060" CREATED " 0d 0020" HEX_X32(" d1") " 0e 0068" HEX_X32(" 33") HEX_X32(" 33")
        HEX_X32(" 33") HEX_X4(" 33")
            HEX_X4(" 33") " 0f 0008 0000000000000001 10 0008 0000000000000002"
                          " 11 0010" HEX_X16(" 1d") " 1b 0010" HEX_X16(" a1") " 1d 0008 0000000000000009";

#define WRAPPED_KEY " 0e 0068" HEX_X32(" 33") HEX_X32(" 33") HEX_X32(" 33") HEX_X4(" 33") HEX_X4(" 33")
#define MASTER " 1c 0010" HEX_X16(" 5a")

static const char golden_entity_key[] = COLLECTION ENTITY
    " 06 0008 0000000000000004 07 0008 0000000000000002" WRAPPED_KEY ENTITY_ID MASTER
    " 1d 0008 0000000000000009 1e 0008 0000000000000000 1f 0008 0000000000000000";

static const char golden_derived_entity[] = COLLECTION ENTITY
    " 06 0008 0000000000000004 07 0008 0000000000000004" ENTITY_ID MASTER
    " 1d 0008 0000000000000009 1e 0008 0000000000000000 1f 0008 0000000000000001";

static const char golden_erased_entity[] = COLLECTION ENTITY
    " 06 0008 0000000000000004 07 0008 0000000000000004" MASTER
    " 1d 0008 0000000000000009 1e 0008 0000000000000001 1f 0008 0000000000000000";

static const char golden_entity_lookup[] = COLLECTION ENTITY MASTER;

static const char golden_collection[] = COLLECTION " 12 0007 6c6f67732e7631" /* "logs.v1" */
                                                   " 13 0008 0000000000000003 14 0008 0000000000000001"
                                                   " 1f 0008 0000000000000001 20 0006 65752d322e61"; /* "eu-2.a" */

static const char golden_keyring_pin[] = "0d 0020" HEX_X32(" d1");

static const char golden_row_sum[] = COLLECTION " 33 0008 000000000000000c 34 0020" HEX_X32(" d1");

static const char golden_key_uses[] = MASTER " 3a 0008 00000000000003e8 3b 0008 0000000000000102";

static const char golden_collection_pin[] = COLLECTION " 0d 0020" HEX_X32(" d1");

static const char golden_idempotency[] = COLLECTION RECORD " 18 0020" HEX_X32(" 3a");

static const char golden_compartment[] = "01 0010" HEX_X16(" 7e") " 02 0010" HEX_X16(" cc");

#define PRINCIPAL_ID " 24 0010" HEX_X16(" 9a")

static const char golden_owner[] = "01 0010" HEX_X16(" 7e") CREATED " 19 0005 6f776e6572" /* "owner" */
    PRINCIPAL_ID " 25 0008 0000000000000001 2c 0008 0000000000000000";

static const char golden_user[] = "01 0010" HEX_X16(" 7e") CREATED " 19 0005 616c696365" /* "alice" */
    PRINCIPAL_ID " 25 0008 0000000000000002 26 0020" HEX_X32(
        " bc") " 27 0008 0000000000000001 28 0008 0000000000000011 29 0008 0000000000000008 2a 0008 0000000000000001"
               " 2b 0010" HEX_X16(" 5a") " 2c 0008 0000000000000001";

static const char golden_pair[] = "01 0010" HEX_X16(" 7e") CREATED " 19 0003 626f62" /* "bob" */
    PRINCIPAL_ID " 25 0008 0000000000000003 26 0020" HEX_X32(" bc") " 2c 0008 0000000000000000";

static const char golden_principal_pin[] = "0d 0020" HEX_X32(" d1") " 19 0005 616c696365" PRINCIPAL_ID
                                                                    " 2c 0008 0000000000000001";

#define NAMED_KEY " 21 0010" HEX_X16(" 4e")

static const char golden_named_key[] = "0c 0008 000000006553f0ec" NAMED_KEY " 23 0003 706179" /* "pay" */
    PRINCIPAL_ID " 2d 0008 0000000000000003";

static const char golden_grant[] = "21 0010" HEX_X16(" 4e") PRINCIPAL_ID
    " 2d 0008 0000000000000003 2e 0008 0000000000000005";

static const char golden_pin_under_key[] = COLLECTION ENTITY RECORD VERSION
    " 07 0008 0000000000000005 0b 0008 0000000000019060" CREATED " 0d 0020" HEX_X32(" d1") WRAPPED_KEY
    " 0f 0008 0000000000000001 10 0008 0000000000000002 11 0010" HEX_X16(" 1d") " 1b 0010" HEX_X16(
        " a1") " 1d 0008 0000000000000009" NAMED_KEY " 22 0008 0000000000000006";

static const char golden_collection_with_key[] = COLLECTION
    " 12 0007 6c6f67732e7631"
    " 13 0008 0000000000000003 14 0008 0000000000000001 1f 0008 0000000000000001 23 0003 706179";

static const char golden_readable_collection[] = COLLECTION
    " 12 0007 6c6f67732e7631"
    " 13 0008 0000000000000003 14 0008 0000000000000001 1f 0008 0000000000000001 32 0008 0000000000000001";

/* --- decode, then encode what was decoded ------------------------------------------------------------------------- */

typedef enum sherd_err again_fn(struct sherd_span tlv, uint8_t *block, size_t *out_bytes);

static enum sherd_err map_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    enum sherd_kind kind;
    struct sherd_map map;

    SHERD_TRY(sherd_map_decode(tlv, &map));
    return sherd_map_encode(&map, block, out_bytes, &kind);
}

static enum sherd_err pin_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_pin pin;

    SHERD_TRY(sherd_pin_decode(tlv, &pin));
    return sherd_pin_encode(&pin, block, out_bytes);
}

static enum sherd_err entity_key_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_entity_key_entry entry;

    SHERD_TRY(sherd_entity_key_decode(tlv, &entry));
    return sherd_entity_key_encode(&entry, block, out_bytes);
}

static enum sherd_err entity_lookup_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_entity_lookup lookup;

    SHERD_TRY(sherd_entity_lookup_decode(tlv, &lookup));
    return sherd_entity_lookup_encode(&lookup, block, out_bytes);
}

static enum sherd_err keyring_pin_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_digest digest;

    SHERD_TRY(sherd_keyring_pin_decode(tlv, &digest));
    return sherd_keyring_pin_encode(&digest, block, out_bytes);
}

static enum sherd_err collection_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_collection_entry entry;

    SHERD_TRY(sherd_collection_decode(tlv, &entry));
    return sherd_collection_encode(&entry, block, out_bytes);
}

static enum sherd_err collection_pin_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_uuid collection;
    struct sherd_digest digest;

    SHERD_TRY(sherd_collection_pin_decode(tlv, &collection, &digest));
    return sherd_collection_pin_encode(&collection, &digest, block, out_bytes);
}

static enum sherd_err idempotency_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_idempotency_entry entry;

    SHERD_TRY(sherd_idempotency_decode(tlv, &entry));
    return sherd_idempotency_encode(&entry, block, out_bytes);
}

static enum sherd_err compartment_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_compartment_entry entry;

    SHERD_TRY(sherd_compartment_decode(tlv, &entry));
    return sherd_compartment_encode(&entry, block, out_bytes);
}

static enum sherd_err principal_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_principal principal;

    SHERD_TRY(sherd_principal_decode(tlv, &principal));
    return sherd_principal_encode(&principal, block, out_bytes);
}

static enum sherd_err principal_pin_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_principal_pin pin;

    SHERD_TRY(sherd_principal_pin_decode(tlv, &pin));
    return sherd_principal_pin_encode(&pin, block, out_bytes);
}

static enum sherd_err named_key_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_named_key key;

    SHERD_TRY(sherd_named_key_decode(tlv, &key));
    return sherd_named_key_encode(&key, block, out_bytes);
}

static enum sherd_err grant_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_grant grant;

    SHERD_TRY(sherd_grant_decode(tlv, &grant));
    return sherd_grant_encode(&grant, block, out_bytes);
}

static enum sherd_err row_sum_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_row_sum_entry entry;

    SHERD_TRY(sherd_row_sum_decode(tlv, &entry));
    return sherd_row_sum_encode(&entry, block, out_bytes);
}

static enum sherd_err key_uses_again(struct sherd_span tlv, uint8_t *block, size_t *out_bytes)
{
    struct sherd_key_uses uses;

    SHERD_TRY(sherd_key_uses_decode(tlv, &uses));
    return sherd_key_uses_encode(&uses, block, out_bytes);
}

static const struct kind {
    const char *name;
    const char *golden;
    again_fn *again;
    uint64_t optional; /* tags that may be left out */
    size_t payload_bytes;
    size_t cuts; /* places to cut at where what is left is whole: before what stands last and may be left out */
} kinds[] = {
    {"map", golden_map, map_again, SHERD_TLV_BIT(21) | SHERD_TLV_BIT(22) | SHERD_TLV_BIT(23), 384, 0},
    {"pin", golden_pin, pin_again, SHERD_TLV_BIT(17), 352, 0},
    {"entity key", golden_entity_key, entity_key_again, SHERD_TLV_BIT(21), 384, 0},
    {"collection", golden_collection, collection_again, SHERD_TLV_BIT(32), 256, 1},
    {"collection pin", golden_collection_pin, collection_pin_again, 0, 192, 0},
    {"idempotency", golden_idempotency, idempotency_again, 0, 192, 0},
    {"compartment", golden_compartment, compartment_again, 0, 192, 0},
    {"owner", golden_owner, principal_again, 0, 320, 0},
    {"derived entity", golden_derived_entity, entity_key_again, SHERD_TLV_BIT(21), 384, 0},
    {"erased entity", golden_erased_entity, entity_key_again, 0, 384, 0},
    {"entity lookup", golden_entity_lookup, entity_lookup_again, 0, 192, 0},
    {"keyring pin", golden_keyring_pin, keyring_pin_again, 0, 192, 0},
    {"user with a passphrase", golden_user, principal_again, 0, 320, 0},
    {"user with a key pair", golden_pair, principal_again, 0, 320, 0},
    {"principal pin", golden_principal_pin, principal_pin_again, 0, 192, 0},
    {"named key", golden_named_key, named_key_again, 0, 192, 0},
    {"grant", golden_grant, grant_again, 0, 192, 0},
    {"pin under a key", golden_pin_under_key, pin_again, SHERD_TLV_BIT(17), 352, 1},
    {"collection with a key", golden_collection_with_key, collection_again, SHERD_TLV_BIT(35), 256, 1},
    {"key uses", golden_key_uses, key_uses_again, 0, 192, 0},
    {"map of a row", golden_row_map, map_again, SHERD_TLV_BIT(47) | SHERD_TLV_BIT(49), 384, 2},
    {"readable collection", golden_readable_collection, collection_again, SHERD_TLV_BIT(50), 256, 1},
    {"row sum", golden_row_sum, row_sum_again, 0, 192, 0},
};

/* One golden encoding, read, and one to be changed. */
struct sample {
    uint8_t golden[512];
    size_t len;
    uint8_t changed[1024];
    size_t changed_len;
};

static struct sample sample_of(const struct kind *kind)
{
    struct sample sample = {.changed_len = 0};

    sample.len = hex_read(kind->golden, sample.golden, sizeof(sample.golden)).len;
    memcpy(sample.changed, sample.golden, sample.len);
    sample.changed_len = sample.len;
    return sample;
}

/* Whatever is decoded must encode to the same bytes; all else is SHERD_ERR_TAMPERED. @return whether it was decoded */
static bool decodes(const struct kind *kind, const uint8_t *bytes, size_t len)
{
    uint8_t *exact = test_malloc(len > 0 ? len : 1); /* of exactly this length: reading past its end is seen */
    uint8_t again[SHERD_TLV_BYTES_MAX];
    size_t again_bytes = 0;

    memcpy(exact, bytes, len);
    const enum sherd_err err = kind->again(sherd_span_of(exact, len), again, &again_bytes);
    if (err == SHERD_OK && (again_bytes != len || memcmp(again, exact, len) != 0))
        fail_msg("%s: two encodings of one thing", kind->name);
    if (err != SHERD_OK && err != SHERD_ERR_TAMPERED)
        fail_msg("%s: %s", kind->name, sherd_err_name(err));
    test_free(exact);
    return err == SHERD_OK;
}

static void expect(bool accepted, const struct kind *kind, const struct sample *sample, const char *what, size_t where)
{
    if (decodes(kind, sample->changed, sample->changed_len) != accepted)
        fail_msg("%s: %s at %zu: %s", kind->name, what, where, accepted ? "refused" : "accepted");
}

static size_t item_bytes(const uint8_t *item)
{
    return 3 + (size_t)sherd_get_u16(item + 1);
}

/* --- the tests ---------------------------------------------------------------------------------------------------- */

static void test_envelope_payload_decode__takes_the_golden_bytes_of_each_kind(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHERD_COUNT_OF(kinds); k++) {
        const struct sample sample = sample_of(&kinds[k]);

        assert_true(sample.len + 2 <= kinds[k].payload_bytes);
        expect(true, &kinds[k], &sample, "golden bytes", 0);
    }
}

static void test_envelope_payload_decode__reads_each_field_of_a_map(void **state)
{
    const struct sample sample = sample_of(&kinds[0]);
    struct sherd_map map;

    (void)state;
    assert_int_equal(sherd_map_decode(sherd_span_of(sample.golden, sample.len), &map), SHERD_OK);
    assert_int_equal(map.collection.bytes[0], 0xc0);
    assert_int_equal(map.entity.bytes[15], 0xe0);
    assert_int_equal(map.record.bytes[7], 0x4d);
    assert_int_equal(map.version, 7);
    assert_int_equal(map.data.bytes[0], 0xd0);
    assert_int_equal(map.share.bytes[31], 0x51);
    assert_int_equal(map.content_bytes, 100000);
    assert_int_equal(map.fragment_bytes, 102496);
    assert_int_equal(map.created_s, CREATED_S);
    assert_true(map.blob);
    assert_string_equal(map.entity_id, "pat");
    assert_string_equal(map.content_type, "text/plain");
    assert_int_equal(map.attributes.len, 10);
}

static void test_envelope_payload_decode__reads_what_a_row_and_links_add_to_a_map(void **state)
{
    const struct sample sample = sample_of(&kinds[20]);
    struct sherd_map map;

    (void)state;
    assert_int_equal(sherd_map_decode(sherd_span_of(sample.golden, sample.len), &map), SHERD_OK);
    assert_true(map.readable);
    assert_false(map.blob);
    assert_int_equal(map.links.len, 98);
    assert_true(map.has_first);
    assert_int_equal(map.first.bytes[31], 0xd3);
}

static void test_envelope_payload_decode__reads_each_field_of_a_pin(void **state)
{
    const struct sample sample = sample_of(&kinds[1]);
    struct sherd_pin pin;

    (void)state;
    assert_int_equal(sherd_pin_decode(sherd_span_of(sample.golden, sample.len), &pin), SHERD_OK);
    assert_int_equal(pin.collection.bytes[0], 0xc0);
    assert_int_equal(pin.entity.bytes[0], 0xe0);
    assert_int_equal(pin.record.bytes[0], 0x4d);
    assert_int_equal(pin.version, 7);
    assert_int_equal(pin.version_oldest, 5);
    assert_int_equal(pin.fragment_bytes, 102496);
    assert_int_equal(pin.created_s, CREATED_S);
    assert_int_equal(pin.digest.bytes[31], 0xd1);
    assert_int_equal(pin.key.bytes[103], 0x33);
    assert_int_equal(pin.entity_key_version, 1);
    assert_int_equal(pin.secrets_key_version, 2);
    assert_true(pin.has_idempotency);
    assert_int_equal(pin.idempotency.bytes[0], 0x1d);
    assert_int_equal(pin.map.bytes[0], 0xa1);
    assert_int_equal(pin.epoch, 9);
}

static void test_envelope_payload_decode__reads_each_field_of_rights(void **state)
{
    struct sherd_principal user;
    struct sherd_principal_pin user_pin;
    struct sherd_named_key key;
    struct sherd_grant grant;
    struct sherd_pin pin;
    struct sherd_collection_entry collection;
    struct sample sample = sample_of(&kinds[12]);

    (void)state;
    assert_int_equal(sherd_principal_decode(sherd_span_of(sample.golden, sample.len), &user), SHERD_OK);
    assert_string_equal(user.name, "alice");
    assert_int_equal(user.id.bytes[0], 0x9a);
    assert_int_equal(user.created_s, CREATED_S);
    assert_int_equal(user.credential, SHERD_CREDENTIAL_PASSPHRASE);
    assert_int_equal(user.public_key[31], 0xbc);
    assert_int_equal(user.hash.alg, SHERD_PWHASH_SCRYPT);
    assert_int_equal(user.hash.cost, 17);
    assert_int_equal(user.hash.block, 8);
    assert_int_equal(user.hash.parallel, 1);
    assert_int_equal(user.salt[15], 0x5a);
    assert_true(user.disabled);
    sample = sample_of(&kinds[13]);
    assert_int_equal(sherd_principal_decode(sherd_span_of(sample.golden, sample.len), &user), SHERD_OK);
    assert_int_equal(user.credential, SHERD_CREDENTIAL_KEY);
    sample = sample_of(&kinds[14]);
    assert_int_equal(sherd_principal_pin_decode(sherd_span_of(sample.golden, sample.len), &user_pin), SHERD_OK);
    assert_string_equal(user_pin.name, "alice");
    assert_int_equal(user_pin.digest.bytes[0], 0xd1);
    assert_true(user_pin.disabled);
    sample = sample_of(&kinds[15]);
    assert_int_equal(sherd_named_key_decode(sherd_span_of(sample.golden, sample.len), &key), SHERD_OK);
    assert_string_equal(key.name, "pay");
    assert_int_equal(key.id.bytes[0], 0x4e);
    assert_int_equal(key.owner.bytes[0], 0x9a);
    assert_int_equal(key.generation, 3);
    sample = sample_of(&kinds[16]);
    assert_int_equal(sherd_grant_decode(sherd_span_of(sample.golden, sample.len), &grant), SHERD_OK);
    assert_int_equal(grant.key.bytes[0], 0x4e);
    assert_int_equal(grant.principal.bytes[0], 0x9a);
    assert_int_equal(grant.generation, 3);
    assert_int_equal(grant.rights, 5);
    sample = sample_of(&kinds[17]);
    assert_int_equal(sherd_pin_decode(sherd_span_of(sample.golden, sample.len), &pin), SHERD_OK);
    assert_true(pin.has_named_key);
    assert_int_equal(pin.named_key.bytes[0], 0x4e);
    assert_int_equal(pin.named_key_version, 6);
    sample = sample_of(&kinds[18]);
    assert_int_equal(sherd_collection_decode(sherd_span_of(sample.golden, sample.len), &collection), SHERD_OK);
    assert_string_equal(collection.rules.key, "pay");
}

static void test_envelope_payload_decode__reads_counted_uses(void **state)
{
    struct sample sample = sample_of(&kinds[19]);
    struct sherd_key_uses uses;
    uint8_t block[SHERD_TLV_BYTES_MAX];
    size_t bytes;

    (void)state;
    assert_int_equal(sherd_key_uses_decode(sherd_span_of(sample.golden, sample.len), &uses), SHERD_OK);
    assert_int_equal(uses.master.bytes[0], 0x5a);
    assert_int_equal(uses.wraps, 1000);
    assert_int_equal(uses.entities, 258);
    for (unsigned i = 0; i < 4; i++) {
        uses.wraps = i == 1 ? SHERD_KEY_LIMIT : i == 3 ? SHERD_KEY_LIMIT + 1 : 7;
        uses.entities = i == 0 ? 7 : i == 2 ? 8 : 0; /* no more entities than wraps, no more wraps than there may be */
        assert_int_equal(sherd_key_uses_encode(&uses, block, &bytes), SHERD_OK);
        assert_int_equal(sherd_key_uses_decode(sherd_span_of(block, bytes), &uses),
                         i < 2 ? SHERD_OK : SHERD_ERR_TAMPERED);
    }
}

static void test_envelope_payload_decode__reads_the_round_of_a_pin(void **state)
{
    const struct sample sample = sample_of(&kinds[1]);
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    struct sherd_pin pin;
    struct sherd_pin again;
    size_t len;

    (void)state;
    assert_int_equal(sherd_pin_decode(sherd_span_of(sample.golden, sample.len), &pin), SHERD_OK);
    assert_int_equal(pin.round, 0);
    pin.round = 0x0102;
    assert_int_equal(sherd_pin_encode(&pin, tlv, &len), SHERD_OK);
    assert_int_equal(len, sample.len + 5);
    assert_memory_equal(tlv + len - 5, "\x39\x00\x02\x01\x02", 5);
    assert_int_equal(sherd_pin_decode(sherd_span_of(tlv, len), &again), SHERD_OK);
    assert_int_equal(again.round, 0x0102);
    tlv[len - 2] = 0;
    tlv[len - 1] = 0; /* 0 is written as nothing */
    assert_int_equal(sherd_pin_decode(sherd_span_of(tlv, len), &again), SHERD_ERR_TAMPERED);
}

/* With all that a pin can say, it fits what pins are padded to. */
static void test_envelope_payload_pin__that_says_everything_fits(void **state)
{
    const struct sample sample = sample_of(&kinds[17]);
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    struct sherd_pin pin;
    size_t len;

    (void)state;
    assert_int_equal(sherd_pin_decode(sherd_span_of(sample.golden, sample.len), &pin), SHERD_OK);
    pin.has_idempotency = true;
    pin.round = UINT16_MAX;
    assert_true(pin.has_named_key);
    assert_int_equal(sherd_pin_encode(&pin, tlv, &len), SHERD_OK);
    assert_true(len + 2 <= sherd_kind_payload_bytes(SHERD_KIND_PIN, SHERD_FOR_KEYS));
}

static void test_envelope_payload_decode__reads_each_field_of_the_others(void **state)
{
    struct sherd_entity_key_entry entity_key;
    struct sherd_entity_lookup lookup;
    struct sherd_collection_entry collection;
    struct sherd_idempotency_entry idempotency;
    struct sherd_compartment_entry compartment;
    struct sherd_uuid id;
    struct sherd_digest digest;
    struct sherd_principal principal;
    struct sample sample = sample_of(&kinds[2]);

    (void)state;
    assert_int_equal(sherd_entity_key_decode(sherd_span_of(sample.golden, sample.len), &entity_key), SHERD_OK);
    assert_int_equal(entity_key.version, 4);
    assert_int_equal(entity_key.version_oldest, 2);
    assert_int_equal(entity_key.key.bytes[103], 0x33);
    assert_int_equal(entity_key.master.bytes[15], 0x5a);
    assert_int_equal(entity_key.epoch, 9);
    assert_int_equal(entity_key.state, SHERD_ENTITY_LIVE);
    assert_false(entity_key.derived);
    assert_string_equal(entity_key.entity_id, "pat");
    sample = sample_of(&kinds[3]);
    assert_int_equal(sherd_collection_decode(sherd_span_of(sample.golden, sample.len), &collection), SHERD_OK);
    assert_int_equal(collection.id.bytes[0], 0xc0);
    assert_string_equal(collection.rules.name, "logs.v1");
    assert_int_equal(collection.rules.versions_kept, 3);
    assert_true(collection.rules.exact_sizes);
    assert_true(collection.rules.derived_entity_keys);
    assert_string_equal(collection.rules.master_key, "eu-2.a");
    sample = sample_of(&kinds[4]);
    assert_int_equal(sherd_collection_pin_decode(sherd_span_of(sample.golden, sample.len), &id, &digest), SHERD_OK);
    assert_int_equal(id.bytes[0], 0xc0);
    assert_int_equal(digest.bytes[0], 0xd1);
    sample = sample_of(&kinds[5]);
    assert_int_equal(sherd_idempotency_decode(sherd_span_of(sample.golden, sample.len), &idempotency), SHERD_OK);
    assert_int_equal(idempotency.record.bytes[0], 0x4d);
    assert_int_equal(idempotency.content_mac.bytes[31], 0x3a);
    sample = sample_of(&kinds[6]);
    assert_int_equal(sherd_compartment_decode(sherd_span_of(sample.golden, sample.len), &compartment), SHERD_OK);
    assert_int_equal(compartment.tenant.bytes[0], 0x7e);
    assert_int_equal(compartment.compartment.bytes[0], 0xcc);
    sample = sample_of(&kinds[7]);
    assert_int_equal(sherd_principal_decode(sherd_span_of(sample.golden, sample.len), &principal), SHERD_OK);
    assert_int_equal(principal.tenant.bytes[0], 0x7e);
    assert_int_equal(principal.credential, SHERD_CREDENTIAL_SEAL);
    assert_string_equal(principal.name, "owner");
    sample = sample_of(&kinds[8]);
    assert_int_equal(sherd_entity_key_decode(sherd_span_of(sample.golden, sample.len), &entity_key), SHERD_OK);
    assert_true(entity_key.derived);
    assert_int_equal(entity_key.key.bytes[0], 0);
    sample = sample_of(&kinds[9]);
    assert_int_equal(sherd_entity_key_decode(sherd_span_of(sample.golden, sample.len), &entity_key), SHERD_OK);
    assert_int_equal(entity_key.state, SHERD_ENTITY_ERASED);
    assert_string_equal(entity_key.entity_id, "");
    sample = sample_of(&kinds[10]);
    assert_int_equal(sherd_entity_lookup_decode(sherd_span_of(sample.golden, sample.len), &lookup), SHERD_OK);
    assert_int_equal(lookup.collection.bytes[0], 0xc0);
    assert_int_equal(lookup.entity.bytes[15], 0xe0);
    assert_int_equal(lookup.hash.bytes[0], 0x5a);
    sample = sample_of(&kinds[11]);
    assert_int_equal(sherd_keyring_pin_decode(sherd_span_of(sample.golden, sample.len), &digest), SHERD_OK);
    assert_int_equal(digest.bytes[31], 0xd1);
}

/* What a live entity has and another has not: a wrapped key, an id. */
static void test_envelope_payload_decode__takes_keys_and_ids_only_where_they_belong(void **state)
{
    static const char *const wrong[] = {
        COLLECTION ENTITY " 06 0008 0000000000000004 07 0008 0000000000000004" WRAPPED_KEY MASTER
                          " 1d 0008 0000000000000009 1e 0008 0000000000000001 1f 0008 0000000000000000",
        COLLECTION ENTITY " 06 0008 0000000000000004 07 0008 0000000000000004" WRAPPED_KEY MASTER
                          " 1d 0008 0000000000000009 1e 0008 0000000000000000 1f 0008 0000000000000001",
        COLLECTION ENTITY " 06 0008 0000000000000004 07 0008 0000000000000004" MASTER
                          " 1d 0008 0000000000000009 1e 0008 0000000000000000 1f 0008 0000000000000000",
        COLLECTION ENTITY " 06 0008 0000000000000004 07 0008 0000000000000004" ENTITY_ID MASTER
                          " 1d 0008 0000000000000009 1e 0008 0000000000000001 1f 0008 0000000000000000",
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(wrong); i++) {
        uint8_t block[512];
        struct sherd_entity_key_entry entry;

        assert_int_equal(sherd_entity_key_decode(hex_read(wrong[i], block, sizeof(block)), &entry), SHERD_ERR_TAMPERED);
    }
}

static void test_envelope_payload_decode__refuses_every_cut_and_extension(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHERD_COUNT_OF(kinds); k++) {
        struct sample sample = sample_of(&kinds[k]);
        size_t accepted = 0;

        for (size_t len = 0; len < sample.len; len++)
            accepted += decodes(&kinds[k], sample.golden, len) ? 1 : 0;
        assert_int_equal(accepted, kinds[k].cuts);
        for (unsigned byte = 0; byte < 256; byte++) {
            sample.changed[sample.len] = (uint8_t)byte;
            sample.changed_len = sample.len + 1;
            expect(false, &kinds[k], &sample, "a byte more", byte);
        }
    }
}

static void test_envelope_payload_decode__has_one_encoding_for_each_changed_byte(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHERD_COUNT_OF(kinds); k++) {
        struct sample sample = sample_of(&kinds[k]);

        for (size_t i = 0; i < sample.len; i++) {
            for (unsigned change = 1; change < 256; change++) {
                sample.changed[i] = (uint8_t)(sample.golden[i] ^ change);
                (void)decodes(&kinds[k], sample.changed, sample.len);
            }
            sample.changed[i] = sample.golden[i];
        }
    }
}

static void test_envelope_payload_decode__needs_each_required_item_once_and_in_order(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHERD_COUNT_OF(kinds); k++) {
        struct sample sample = sample_of(&kinds[k]);

        for (size_t i = 0; i < sample.len; i += item_bytes(sample.golden + i)) {
            const size_t bytes = item_bytes(sample.golden + i);
            const size_t rest = sample.len - i - bytes;

            /* without it */
            memcpy(sample.changed, sample.golden, i);
            memcpy(sample.changed + i, sample.golden + i + bytes, rest);
            sample.changed_len = sample.len - bytes;
            expect((kinds[k].optional & SHERD_TLV_BIT(sample.golden[i])) != 0, &kinds[k], &sample, "item missing", i);
            /* twice */
            memcpy(sample.changed, sample.golden, sample.len);
            memcpy(sample.changed + i + bytes, sample.golden + i, sample.len - i);
            sample.changed_len = sample.len + bytes;
            expect(false, &kinds[k], &sample, "item twice", i);
            /* behind all others */
            memcpy(sample.changed + i, sample.golden + i + bytes, rest);
            memcpy(sample.changed + i + rest, sample.golden + i, bytes);
            sample.changed_len = sample.len;
            expect(rest == 0, &kinds[k], &sample, "item moved", i);
        }
    }
}

static bool is_text(unsigned tag)
{
    return tag == 18 || tag == 21 || tag == 22 || tag == 25 || tag == 32 || tag == 35;
}

static void test_envelope_payload_decode__needs_each_item_at_its_length(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHERD_COUNT_OF(kinds); k++) {
        struct sample sample = sample_of(&kinds[k]);

        for (size_t i = 0; i < sample.len; i += item_bytes(sample.golden + i)) {
            const size_t bytes = item_bytes(sample.golden + i);
            const uint16_t value_bytes = (uint16_t)(bytes - 3);

            memcpy(sample.changed, sample.golden, i + bytes);
            sherd_put_u16(sample.changed + i + 1, (uint16_t)(value_bytes - 1));
            memcpy(sample.changed + i + bytes - 1, sample.golden + i + bytes, sample.len - i - bytes);
            sample.changed_len = sample.len - 1;
            expect(is_text(sample.golden[i]), &kinds[k], &sample, "item shorter", i);

            sherd_put_u16(sample.changed + i + 1, (uint16_t)(value_bytes + 1));
            sample.changed[i + bytes - 1] = sample.golden[i + bytes - 1];
            sample.changed[i + bytes] = 'x';
            memcpy(sample.changed + i + bytes + 1, sample.golden + i + bytes, sample.len - i - bytes);
            sample.changed_len = sample.len + 1;
            expect(is_text(sample.golden[i]), &kinds[k], &sample, "item longer", i);
        }
    }
}

/* Replace the value of an item by another text. */
static void set_text(struct sample *sample, unsigned tag, const char *text, size_t len)
{
    size_t i = 0;

    while (sample->golden[i] != tag)
        i += item_bytes(sample->golden + i);
    const size_t bytes = item_bytes(sample->golden + i);
    memcpy(sample->changed, sample->golden, i + 1);
    sherd_put_u16(sample->changed + i + 1, (uint16_t)len);
    memcpy(sample->changed + i + 3, text, len);
    memcpy(sample->changed + i + 3 + len, sample->golden + i + bytes, sample->len - i - bytes);
    sample->changed_len = sample->len - bytes + 3 + len;
}

static void test_envelope_payload_decode__holds_the_lengths_of_texts(void **state)
{
    static const struct {
        size_t kind;
        unsigned tag;
        size_t longest;
    } texts[] = {{0, 21, 128}, {0, 22, 127}, {2, 21, 128}, {3, 18, 63}, {3, 32, 63}, {7, 25, 63}};
    char text[200];

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++) {
        const struct kind *kind = &kinds[texts[i].kind];
        struct sample sample = sample_of(kind);

        set_text(&sample, texts[i].tag, text, texts[i].longest);
        expect(true, kind, &sample, "longest text", texts[i].tag);
        set_text(&sample, texts[i].tag, text, texts[i].longest + 1);
        expect(false, kind, &sample, "text too long", texts[i].tag);
        set_text(&sample, texts[i].tag, "a\0b", 3);
        expect(false, kind, &sample, "zero byte in a text", texts[i].tag);
    }
}

static void set_number(struct sample *sample, unsigned tag, uint64_t value)
{
    size_t i = 0;

    while (sample->golden[i] != tag)
        i += item_bytes(sample->golden + i);
    memcpy(sample->changed, sample->golden, sample->len);
    sherd_put_u64(sample->changed + i + 3, value);
    sample->changed_len = sample->len;
}

static void test_envelope_payload_decode__holds_the_bounds_of_numbers(void **state)
{
    static const struct {
        size_t kind;
        unsigned tag;
        uint64_t value;
        bool accepted;
    } numbers[] = {
        {0, 10, SHERD_CONTENT_BYTES_MAX, true},
        {0, 10, SHERD_CONTENT_BYTES_MAX + 1, false},
        {0, 10, 0, true},
        {0, 12, UINT64_MAX, false},
        {0, 26, 0, true},
        {0, 26, 2, true},
        {0, 26, 3, false},
        {21, 50, 0, false},
        {22, 51, INT64_MAX, true},
        {22, 51, (uint64_t)INT64_MAX + 1, false},
        {21, 50, 2, false},
        {1, 7, 7, true},
        {1, 7, 8, false},
        {1, 12, UINT64_MAX, false},
        {1, 15, UINT32_MAX, true},
        {1, 15, UINT64_C(1) << 32, false},
        {1, 16, UINT64_C(1) << 32, false},
        {2, 6, UINT64_C(1) << 32, false},
        {1, 29, UINT32_MAX, true},
        {1, 29, UINT64_C(1) << 32, false},
        {2, 7, 4, true},
        {2, 7, 5, false},
        {2, 29, UINT64_C(1) << 32, false},
        {2, 30, 2, false},
        {2, 31, 2, false},
        {3, 31, 0, true},
        {3, 31, 2, false},
        {3, 19, 0, true},
        {3, 19, UINT32_MAX, true},
        {3, 19, UINT64_C(1) << 32, false},
        {3, 20, 0, true},
        {3, 20, 2, false},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(numbers); i++) {
        const struct kind *kind = &kinds[numbers[i].kind];
        struct sample sample = sample_of(kind);

        set_number(&sample, numbers[i].tag, numbers[i].value);
        expect(numbers[i].accepted, kind, &sample, "number", numbers[i].tag);
    }
}

static void test_envelope_payload_decode__refuses_versions_that_count_from_nothing(void **state)
{
    static const struct {
        size_t kind;
        unsigned tag;
    } versions[] = {{0, 6}, {1, 6}, {1, 7}, {1, 15}, {1, 16}, {1, 29}, {2, 6}, {2, 7}, {2, 29}};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(versions); i++) {
        const struct kind *kind = &kinds[versions[i].kind];
        struct sample sample = sample_of(kind);

        set_number(&sample, versions[i].tag, 0);
        expect(false, kind, &sample, "version 0", versions[i].tag);
    }
}

static void test_envelope_payload_decode__refuses_times_that_are_no_whole_minute(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) { /* map, pin */
        struct sample sample = sample_of(&kinds[k]);

        set_number(&sample, 12, CREATED_S + 1);
        expect(false, &kinds[k], &sample, "a second past the minute", 12);
        set_number(&sample, 12, CREATED_S + 60);
        expect(true, &kinds[k], &sample, "the next minute", 12);
        set_number(&sample, 12, (UINT64_C(1) << 63) + 52); /* a multiple of 60, and more than a signed time holds */
        expect(false, &kinds[k], &sample, "a time past all times", 12);
    }
}

static void test_envelope_payload_encode__makes_a_long_map_only_where_it_must(void **state)
{
    const struct sample sample = sample_of(&kinds[0]);
    uint8_t attributes[256];
    uint8_t block[SHERD_TLV_BYTES_MAX];
    enum sherd_kind kind;
    struct sherd_map map;
    size_t bytes;

    (void)state;
    assert_int_equal(sherd_map_decode(sherd_span_of(sample.golden, sample.len), &map), SHERD_OK);
    assert_int_equal(sherd_map_encode(&map, block, &bytes, &kind), SHERD_OK);
    assert_int_equal(kind, SHERD_KIND_MAP);
    /* one attribute, as long as the short kind has room: 384 bytes less the length of 2 */
    const size_t room = 382 - (bytes - map.attributes.len);
    memset(attributes, 'v', sizeof(attributes));
    memcpy(attributes, "\x01n", 2);
    sherd_put_u16(attributes + 2, (uint16_t)(room - 4));
    map.attributes = sherd_span_of(attributes, room);
    assert_int_equal(sherd_map_encode(&map, block, &bytes, &kind), SHERD_OK);
    assert_int_equal(bytes, 382);
    assert_int_equal(kind, SHERD_KIND_MAP);
    sherd_put_u16(attributes + 2, (uint16_t)(room - 3));
    map.attributes = sherd_span_of(attributes, room + 1);
    assert_int_equal(sherd_map_encode(&map, block, &bytes, &kind), SHERD_OK);
    assert_int_equal(bytes, 383);
    assert_int_equal(kind, SHERD_KIND_LONG_MAP);
}

/* A map of contents that are sealed to a recipient: a length that no such contents have, or another key, is refused. */
static void test_envelope_payload_decode__reads_the_recipient_of_a_map(void **state)
{
    static const uint64_t lengths[] = {103, 104, 104 + 16383, 104 + 16384, 104 + 16400};
    static const bool possible[] = {false, true, true, false, true};
    uint8_t block[SHERD_TLV_BYTES_MAX];
    uint8_t key[2 + 33] = {0x00, 0x20, 7};
    struct sherd_map map = {.version = 1, .recipient = sherd_span_of(key, 34)};
    struct sherd_map back;
    enum sherd_kind kind;
    size_t bytes;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        map.content_bytes = lengths[i];
        assert_int_equal(sherd_map_encode(&map, block, &bytes, &kind), SHERD_OK);
        assert_int_equal(kind, SHERD_KIND_MAP);
        const enum sherd_err err = sherd_map_decode(sherd_span_of(block, bytes), &back);
        assert_int_equal(err, possible[i] ? SHERD_OK : SHERD_ERR_TAMPERED);
        if (possible[i])
            assert_true(sherd_span_equal(back.recipient, map.recipient));
    }
    for (size_t len = 1; len <= 35; len += len == 33 ? 2 : 1) { /* of every length but the right one */
        map.recipient.len = len;
        assert_int_equal(sherd_map_encode(&map, block, &bytes, &kind), SHERD_OK);
        assert_int_equal(sherd_map_decode(sherd_span_of(block, bytes), &back), SHERD_ERR_TAMPERED);
    }
    map.recipient.len = 34;
    key[1] = 0x21;
    assert_int_equal(sherd_map_encode(&map, block, &bytes, &kind), SHERD_OK);
    assert_int_equal(sherd_map_decode(sherd_span_of(block, bytes), &back), SHERD_ERR_TAMPERED);
}

static void test_envelope_payload_encode__has_room_for_the_longest_of_each_kind(void **state)
{
    uint8_t block[SHERD_TLV_BYTES_MAX];
    uint8_t attributes[4096 + 3 * 64] = {0};
    uint8_t recipient[SHERD_RECIPIENT_BYTES_MAX] = {0};
    struct sherd_map map = {.version = 1, .attributes = sherd_span_of(attributes, sizeof(attributes))};
    struct sherd_entity_key_entry entity_key = {.version = 1};
    struct sherd_collection_entry collection = {.rules = {.versions_kept = UINT32_MAX}};
    const struct sherd_pin pin = {.version = 1, .has_idempotency = true};
    enum sherd_kind kind;
    size_t bytes = 0;

    (void)state;
    memset(map.entity_id, 'e', SHERD_ENTITY_BYTES_MAX);
    memset(map.content_type, 't', SHERD_CONTENT_TYPE_BYTES_MAX);
    assert_int_equal(sherd_map_encode(&map, block, &bytes, &kind), SHERD_OK);
    assert_int_equal(kind, SHERD_KIND_LONG_MAP);
    assert_true(bytes + 2 <= SHERD_PAYLOAD_BYTES_MAX);
    map.attributes.len = SHERD_ATTRIBUTES_PQ_BYTES_MAX + 3 * SHERD_ATTRIBUTES_MAX;
    map.recipient = sherd_span_of(recipient, sizeof(recipient));
    assert_int_equal(sherd_map_encode(&map, block, &bytes, &kind), SHERD_OK);
    assert_int_equal(kind, SHERD_KIND_LONG_MAP);
    memset(entity_key.entity_id, 'e', SHERD_ENTITY_BYTES_MAX);
    assert_int_equal(sherd_entity_key_encode(&entity_key, block, &bytes), SHERD_OK);
    assert_true(bytes + 2 <= 384);
    memset(collection.rules.name, 'n', SHERD_COLLECTION_NAME_BYTES_MAX);
    memset(collection.rules.master_key, 'm', sizeof(collection.rules.master_key) - 1);
    assert_int_equal(sherd_collection_encode(&collection, block, &bytes), SHERD_OK);
    assert_true(bytes + 2 <= 256);
    assert_int_equal(sherd_pin_encode(&pin, block, &bytes), SHERD_OK);
    assert_true(bytes + 2 <= 352);
}

static void test_envelope_payload_collection_name__takes_only_plain_names(void **state)
{
    static const char *const valid[] = {"a", "0", "default", "a.b_c-d", "0.", "9-_."};
    static const char *const invalid[] = {"", ".a", "_a", "-a", "A", "a b", "a/b", "a\n", "\xc3\xa9", "a\x7f"};
    char name[66];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(valid); i++)
        assert_true(sherd_collection_name_valid(valid[i]));
    for (size_t i = 0; i < SHERD_COUNT_OF(invalid); i++)
        assert_false(sherd_collection_name_valid(invalid[i]));
    memset(name, 'a', sizeof(name));
    name[63] = 0;
    assert_true(sherd_collection_name_valid(name));
    name[63] = 'a';
    name[64] = 0;
    assert_false(sherd_collection_name_valid(name));
}

static void test_envelope_payload_decode__refuses_a_collection_without_a_valid_name(void **state)
{
    struct sample sample = sample_of(&kinds[3]);

    (void)state;
    set_text(&sample, 18, "Logs", 4);
    expect(false, &kinds[3], &sample, "invalid name", 18);
    set_text(&sample, 18, "../x", 4);
    expect(false, &kinds[3], &sample, "invalid name", 18);
    set_text(&sample, 18, "x", 1);
    expect(true, &kinds[3], &sample, "valid name", 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_payload_decode__takes_the_golden_bytes_of_each_kind),
        cmocka_unit_test(test_envelope_payload_decode__reads_each_field_of_a_map),
        cmocka_unit_test(test_envelope_payload_decode__reads_what_a_row_and_links_add_to_a_map),
        cmocka_unit_test(test_envelope_payload_decode__reads_each_field_of_a_pin),
        cmocka_unit_test(test_envelope_payload_decode__reads_each_field_of_rights),
        cmocka_unit_test(test_envelope_payload_decode__reads_the_round_of_a_pin),
        cmocka_unit_test(test_envelope_payload_decode__reads_counted_uses),
        cmocka_unit_test(test_envelope_payload_pin__that_says_everything_fits),
        cmocka_unit_test(test_envelope_payload_decode__reads_each_field_of_the_others),
        cmocka_unit_test(test_envelope_payload_decode__takes_keys_and_ids_only_where_they_belong),
        cmocka_unit_test(test_envelope_payload_decode__refuses_every_cut_and_extension),
        cmocka_unit_test(test_envelope_payload_decode__has_one_encoding_for_each_changed_byte),
        cmocka_unit_test(test_envelope_payload_decode__needs_each_required_item_once_and_in_order),
        cmocka_unit_test(test_envelope_payload_decode__needs_each_item_at_its_length),
        cmocka_unit_test(test_envelope_payload_decode__holds_the_lengths_of_texts),
        cmocka_unit_test(test_envelope_payload_decode__holds_the_bounds_of_numbers),
        cmocka_unit_test(test_envelope_payload_decode__refuses_versions_that_count_from_nothing),
        cmocka_unit_test(test_envelope_payload_decode__refuses_times_that_are_no_whole_minute),
        cmocka_unit_test(test_envelope_payload_decode__reads_the_recipient_of_a_map),
        cmocka_unit_test(test_envelope_payload_encode__makes_a_long_map_only_where_it_must),
        cmocka_unit_test(test_envelope_payload_encode__has_room_for_the_longest_of_each_kind),
        cmocka_unit_test(test_envelope_payload_collection_name__takes_only_plain_names),
        cmocka_unit_test(test_envelope_payload_decode__refuses_a_collection_without_a_valid_name),
    };

    return cmocka_run_group_tests_name("envelope_payload", tests, NULL, NULL);
}
