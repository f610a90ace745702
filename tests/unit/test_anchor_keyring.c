/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the keyring: its golden contents, what it is bound to, and that every key in it is fresh. */
#include "anchor/ring/keyring.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "hex.h"
#include "vault.h"

static const struct sherd_root_key root = {"YELLOW SUBMARINE YELLOW SUBMARI"};

/* A keyring whose keys are patterns; in secret memory, as all are. The caller frees it. */
static struct sherd_keyring *example(void)
{
    struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));

    assert_non_null(ring);
    ring->generation = 0x01020304;
    ring->created_s = 1700000001;
    ring->epoch = 6;
    ring->epoch_s = 1700000008;
    ring->epoch_before_s = 1700000007;
    memset(ring->deployment.bytes, 0xde, 16);
    memset(ring->tenant.bytes, 0x7e, 16);
    for (size_t i = 0; i < 4; i++) {
        memset(ring->stores[i].compartment.bytes, 0xc0 + (int)i, 16);
        memset(ring->stores[i].name.bytes, 0x40 + (int)i, 32);
        memset(ring->stores[i].key.bytes, 0x60 + (int)i, 32);
        ring->stores[i].version = i + 1;
    }
    ring->protections.count = 2;
    ring->protections.list[0] = (struct sherd_protection_version){
        .version = 1, .created_s = 1700000002, .loaded = true};
    memset(ring->protections.list[0].key, 0x99, sizeof(ring->protections.list[0].key));
    ring->protections.list[1] = (struct sherd_protection_version){
        .version = 3, .created_s = 1700000003, .outside = true};
    memset(ring->protections.list[1].check, 0xcc, sizeof(ring->protections.list[1].check));
    (void)snprintf(ring->key_store, sizeof(ring->key_store), "/p/k.p12");
    ring->master_count = 2;
    ring->masters[0] = (struct sherd_master){
        .name = "default",
        .version = 5,
        .state = SHERD_MASTER_ACTIVE,
        .generator = "openssl",
        .store = "anchor",
        .created_s = 1700000004,
        .protection = 3,
        .kept_bytes = 2,
        .kept = {0xab, 0xcd},
        .old = {.protection = 1, .outside_id = "x", .kept_bytes = 1, .kept = {0xef}}};
    memset(ring->masters[0].kid.bytes, 0x1d, 16);
    ring->masters[1] = (struct sherd_master){.name = "hash",
                                             .version = 1,
                                             .state = SHERD_MASTER_RETIRED,
                                             .generator = "openssl",
                                             .store = "stripe",
                                             .args = "a=b",
                                             .outside_id = "arn:x",
                                             .created_s = 1700000005,
                                             .protection = 1};
    memset(ring->masters[1].kid.bytes, 0x2d, 16);
    ring->policy_count = 1;
    ring->policies[0] = (struct sherd_named_policy){
        .name = "default",
        .policy = {
            .age_s_max = 86400, .schedule = SHERD_SCHEDULE_WEEKLY, .weekday = 3, .minute = 123, .destroy = true}};
    ring->destroyed_count = 1;
    ring->destroyed[0] = (struct sherd_destroyed){.name = "default", .version = 4, .destroyed_s = 1700000006};
    memset(ring->destroyed[0].kid.bytes, 0x3d, 16);
    memset(ring->ledger_seed, 0x44, 32);
    ring->round = 7;
    ring->round_ended = 6;
    return ring;
}

#define STORE(id, name_tag, version_tag, key_tag, digit, n)                                                           \
    " " id " 0010" HEX_X16(" c" digit) " " name_tag " 0020" HEX_X32(" 4" digit) " " version_tag                       \
                                                                                " 0008 000000000000000" n " " key_tag \
                                                                                " 0020" HEX_X32(" 6" digit)

/* Two protection keys: 68 bytes with a key, 52 with what checks one that lies outside. */
#define PROTECTIONS                                                                               \
    " 32 007c 0044 01 0008 0000000000000001 02 0008 0000000000000000 03 0020" HEX_X32(            \
        " 99") " 04 0008 000000006553f102"                                                        \
               " 0034 01 0008 0000000000000003 02 0008 0000000000000001 04 0008 000000006553f103" \
               " 05 0010" HEX_X16(" cc")

/*
 * "default" version 5, active, by "openssl" in "anchor", which keeps two bytes, and kept one before; "hash" version 1,
 * retired, in "stripe".
 */
#define MASTERS                                                                                                       \
    " 33 00df 0074 01 0010" HEX_X16(                                                                                  \
        " 1d") " 02 0007 64656661756c74 03 0008 0000000000000005"                                                     \
               " 04 0008 0000000000000001 05 0007 6f70656e73736c 06 0006 616e63686f72"                                \
               " 09 0008 000000006553f104 0a 0008 0000000000000003 0b 0002 abcd"                                      \
               " 0c 0008 0000000000000001 0d 0001 78 0e 0001 ef"                                                      \
               " 0067 01 0010" HEX_X16(" 2d") " 02 0004 68617368 03 0008 0000000000000001"                            \
                                              " 04 0008 0000000000000002 05 0007 6f70656e73736c 06 0006 737472697065" \
                                              " 07 0003 613d62 08 0005 61726e3a78"                                    \
                                              " 09 0008 000000006553f105 0a 0008 0000000000000001"

/* "default" is renewed every day, and on Wednesdays at 02:03; its version 4 is no more. */
#define RULES                                                                                 \
    " 35 0043 0041 01 0007 64656661756c74 02 0008 0000000000015180 05 0008 0000000000000002"  \
    " 06 0008 0000000000000003 07 0008 000000000000007b 0a 0008 0000000000000001"             \
    " 36 0035 0033 01 0010" HEX_X16(" 3d") " 02 0007 64656661756c74 03 0008 0000000000000004" \
                                           " 04 0008 000000006553f106"

/* docs/format/vault.md, anchor/keyring, by hand */
static const char golden[] =
    "01 0010" HEX_X16(" de") " 02 0010" HEX_X16(" 7e") " 03 0008 000000006553f101 04 0008 0000000000000000"
                                                       " 05 0008 0000000000000006" STORE("0a", "0b", "0c", "0d", "0",
                                                                                         "1")
                                                           STORE("14", "15", "16", "17", "1", "2")
                                                               STORE("1e", "1f", "20", "21", "2", "3")
                                                                   STORE("28", "29", "2a", "2b", "3", "4")
                                                                       PROTECTIONS MASTERS
    " 34 0008 2f702f6b2e703132" RULES " 37 0008 000000006553f108 38 0008 000000006553f107 3c 0020" HEX_X32(
        " 44") " 3d 0008 0000000000000007 3e 0008 0000000000000006";

/* The file of a keyring: the header, and what is sealed of 4096 bytes, salt, commitment and tag with it. */
#define FILE_BYTES (16 + 24 + 32 + 4096 + 16)

static int setup(void **state)
{
    struct sherd_buf *file = test_calloc(1, sizeof(*file));

    *state = file;
    if (sherd_crypto_init() != SHERD_OK)
        return -1;
    struct sherd_keyring *ring = example();
    const enum sherd_err err = sherd_keyring_seal(ring, &root, file);
    sherd_secret_free(ring);
    return err == SHERD_OK ? 0 : -1;
}

static int teardown(void **state)
{
    sherd_buf_done(*state);
    test_free(*state);
    return 0;
}

static void assert_same_protection(const struct sherd_protection_version *a, const struct sherd_protection_version *b)
{
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->created_s, b->created_s);
    assert_int_equal(a->outside, b->outside);
    assert_int_equal(a->loaded, b->loaded);
    assert_memory_equal(a->key, b->key, sizeof(a->key));
    assert_memory_equal(a->check, b->check, sizeof(a->check));
}

static void assert_same_master(const struct sherd_master *a, const struct sherd_master *b)
{
    assert_memory_equal(&a->kid, &b->kid, sizeof(a->kid));
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->state, b->state);
    assert_string_equal(a->generator, b->generator);
    assert_string_equal(a->store, b->store);
    assert_string_equal(a->args, b->args);
    assert_string_equal(a->outside_id, b->outside_id);
    assert_int_equal(a->created_s, b->created_s);
    assert_int_equal(a->protection, b->protection);
    assert_int_equal(a->kept_bytes, b->kept_bytes);
    assert_memory_equal(a->kept, b->kept, sizeof(a->kept));
    assert_int_equal(a->old.protection, b->old.protection);
    assert_string_equal(a->old.outside_id, b->old.outside_id);
    assert_int_equal(a->old.kept_bytes, b->old.kept_bytes);
    assert_memory_equal(a->old.kept, b->old.kept, sizeof(a->old.kept));
}

static void assert_same_policy(const struct sherd_named_policy *a, const struct sherd_named_policy *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->policy.age_s_max, b->policy.age_s_max);
    assert_int_equal(a->policy.wraps_max, b->policy.wraps_max);
    assert_int_equal(a->policy.entities_max, b->policy.entities_max);
    assert_int_equal(a->policy.schedule, b->policy.schedule);
    assert_int_equal(a->policy.weekday, b->policy.weekday);
    assert_int_equal(a->policy.minute, b->policy.minute);
    assert_int_equal(a->policy.limit, b->policy.limit);
    assert_int_equal(a->policy.floor, b->policy.floor);
    assert_int_equal(a->policy.destroy, b->policy.destroy);
}

static void assert_same_rules(const struct sherd_keyring *a, const struct sherd_keyring *b)
{
    assert_int_equal(a->policy_count, b->policy_count);
    for (size_t i = 0; i < a->policy_count; i++)
        assert_same_policy(&a->policies[i], &b->policies[i]);
    assert_int_equal(a->destroyed_count, b->destroyed_count);
    for (size_t i = 0; i < a->destroyed_count; i++) {
        assert_memory_equal(&a->destroyed[i].kid, &b->destroyed[i].kid, sizeof(a->destroyed[i].kid));
        assert_string_equal(a->destroyed[i].name, b->destroyed[i].name);
        assert_int_equal(a->destroyed[i].version, b->destroyed[i].version);
        assert_int_equal(a->destroyed[i].destroyed_s, b->destroyed[i].destroyed_s);
    }
}

static void assert_same_ring(const struct sherd_keyring *a, const struct sherd_keyring *b)
{
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->created_s, b->created_s);
    assert_int_equal(a->fips, b->fips);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->epoch_s, b->epoch_s);
    assert_int_equal(a->epoch_before_s, b->epoch_before_s);
    assert_memory_equal(&a->deployment, &b->deployment, 16);
    assert_memory_equal(&a->tenant, &b->tenant, 16);
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(&a->stores[i].compartment, &b->stores[i].compartment, 16);
        assert_memory_equal(a->stores[i].name.bytes, b->stores[i].name.bytes, 32);
        assert_memory_equal(a->stores[i].key.bytes, b->stores[i].key.bytes, 32);
        assert_int_equal(a->stores[i].version, b->stores[i].version);
        assert_int_equal(a->stores[i].created_s, b->stores[i].created_s);
        assert_int_equal(a->stores[i].older_count, b->stores[i].older_count);
        assert_memory_equal(a->stores[i].older, b->stores[i].older, sizeof(a->stores[i].older));
    }
    assert_int_equal(a->protections.count, b->protections.count);
    for (size_t i = 0; i < a->protections.count; i++)
        assert_same_protection(&a->protections.list[i], &b->protections.list[i]);
    assert_string_equal(a->key_store, b->key_store);
    assert_int_equal(a->master_count, b->master_count);
    for (size_t i = 0; i < a->master_count; i++)
        assert_same_master(&a->masters[i], &b->masters[i]);
    assert_same_rules(a, b);
    assert_memory_equal(a->ledger_seed, b->ledger_seed, 32);
    assert_int_equal(a->round, b->round);
    assert_int_equal(a->round_ended, b->round_ended);
}

/* Open a file as the example's; it must be the example. */
static enum sherd_err open_file(struct sherd_span file)
{
    struct sherd_keyring *expected = example();
    struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));

    assert_non_null(ring);
    const enum sherd_err err = sherd_keyring_open(file, &root, &expected->deployment, ring);
    if (err == SHERD_OK)
        assert_same_ring(ring, expected);
    sherd_secret_free(ring);
    sherd_secret_free(expected);
    return err;
}

/* Seal contents of any bytes, as somebody who has the root key could, and open them. */
static enum sherd_err open_contents(const uint8_t *plain, size_t plain_bytes)
{
    struct sherd_buf file = {0};
    uint8_t context[32];

    assert_ok(sherd_buf_append(&file, hex_read("53485244 52494e47 0001 0001 01020304", context, sizeof(context))));
    memset(context, 0xde, 16);
    memcpy(context + 16, file.data, 16);
    assert_ok(sherd_aead_seal(root.bytes, sherd_span_of(context, 32), sherd_span_of(plain, plain_bytes), &file));
    const enum sherd_err err = open_file(sherd_buf_span(&file));
    sherd_buf_done(&file);
    return err;
}

/* The example's contents, as they are sealed: 4096 bytes. */
static size_t contents(uint8_t plain[static 8192])
{
    const struct sherd_span tlv = hex_read(golden, plain + 4, 8192 - 4);

    sherd_put_u32(plain, (uint32_t)tlv.len);
    memset(plain + 4 + tlv.len, 0, 8192 - 4 - tlv.len);
    return tlv.len;
}

static void test_anchor_keyring_seal__writes_the_documented_bytes(void **state)
{
    const struct sherd_buf *file = *state;
    struct sherd_buf plain = {0};
    uint8_t context[32];
    uint8_t expected[8192];

    assert_int_equal(file->len, FILE_BYTES);
    assert_memory_equal(file->data, hex_read("53485244 52494e47 0001 0001 01020304", expected, 16).data, 16);
    memset(context, 0xde, 16);
    memcpy(context + 16, file->data, 16);
    assert_ok(sherd_aead_open(root.bytes, sherd_span_of(context, 32), sherd_span_of(file->data + 16, file->len - 16),
                              &plain));
    assert_int_equal(plain.len, 4096);
    (void)contents(expected);
    assert_memory_equal(plain.data, expected, 4096);
    sherd_buf_done(&plain);
}

static void test_anchor_keyring_seal__grows_by_whole_pages(void **state)
{
    struct sherd_keyring *ring = example();
    struct sherd_keyring *again = sherd_secret_alloc(sizeof(*again));
    size_t last = 0;

    (void)state;
    for (ring->master_count = 0; ring->master_count < SHERD_MASTERS_MAX; ring->master_count++) {
        struct sherd_buf file = {0};
        struct sherd_master *master = &ring->masters[ring->master_count];

        assert_ok(sherd_keyring_seal(ring, &root, &file));
        assert_int_equal((file.len - 16 - 24 - 32 - 16) % 4096 % 16, 0); /* less a tag for each 16 KiB */
        assert_true(file.len >= last && file.len <= SHERD_KEYRING_BYTES_MAX);
        last = file.len;
        assert_ok(sherd_keyring_open(sherd_buf_span(&file), &root, &ring->deployment, again));
        assert_same_ring(again, ring);
        sherd_buf_done(&file);
        *master = (struct sherd_master){.version = ring->master_count + 1,
                                        .state = SHERD_MASTER_ACTIVE,
                                        .name = "many",
                                        .generator = "openssl",
                                        .store = "anchor",
                                        .created_s = 1,
                                        .protection = 1,
                                        .kept_bytes = 200};
        memset(master->kept, (int)ring->master_count, master->kept_bytes);
        assert_ok(sherd_random(master->kid.bytes, sizeof(master->kid.bytes)));
    }
    sherd_secret_free(ring);
    sherd_secret_free(again);
}

/* Store keys that were rotated: `keys`, version 4 of which the example has, with three older ones. */
static struct sherd_keyring *rotated(void)
{
    struct sherd_keyring *ring = example();
    struct sherd_keyring_store *store = &ring->stores[3];

    store->created_s = 1700000009;
    store->older_count = 3;
    for (size_t i = 0; i < store->older_count; i++) {
        store->older[i].created_s = i == 2 ? 0 : 1700000008 - i; /* the first one was made with the vault */
        memset(store->older[i].key.bytes, 0x70 + (int)i, 32);
    }
    return ring;
}

static void test_anchor_keyring_seal__keeps_the_versions_of_store_keys(void **state)
{
    struct sherd_keyring *ring = rotated();
    struct sherd_keyring *again = sherd_secret_alloc(sizeof(*again));
    struct sherd_store_versions *versions = sherd_secret_alloc(sizeof(*versions));
    struct sherd_buf file = {0};

    (void)state;
    assert_ok(sherd_keyring_seal(ring, &root, &file));
    assert_ok(sherd_keyring_open(sherd_buf_span(&file), &root, &ring->deployment, again));
    assert_same_ring(again, ring);
    assert_int_equal(sherd_keyring_floor(&again->stores[3]), 1);
    assert_null(sherd_keyring_store_key(&again->stores[3], 0));
    assert_null(sherd_keyring_store_key(&again->stores[3], 5));
    assert_null(sherd_keyring_store_key(&again->stores[2], 2)); /* version 3 alone */
    sherd_keyring_store_versions(&again->stores[3], versions);
    assert_int_equal(versions->newest, 4);
    assert_int_equal(versions->count, 4);
    for (uint64_t v = 1; v <= 4; v++) {
        const struct sherd_store_key *key = sherd_keyring_store_key(&again->stores[3], v);

        assert_non_null(key);
        assert_int_equal(key->bytes[0], v == 4 ? 0x63 : 0x70 + 3 - v);
        assert_memory_equal(key->bytes, versions->keys[4 - v], 32);
    }
    sherd_buf_done(&file);
    sherd_secret_free(versions);
    sherd_secret_free(again);
    sherd_secret_free(ring);
}

/* There are no more older versions than there were before the newest. */
static void test_anchor_keyring_open__refuses_versions_that_cannot_be(void **state)
{
    struct sherd_keyring *ring = rotated();
    struct sherd_keyring *again = sherd_secret_alloc(sizeof(*again));
    struct sherd_buf file = {0};

    (void)state;
    ring->stores[3].version = 3;
    assert_ok(sherd_keyring_seal(ring, &root, &file));
    assert_err(SHERD_ERR_TAMPERED, sherd_keyring_open(sherd_buf_span(&file), &root, &ring->deployment, again));
    sherd_buf_clear(&file);
    ring->stores[3].version = 4;
    ring->stores[3].older[1].created_s = UINT64_MAX;
    assert_ok(sherd_keyring_seal(ring, &root, &file));
    assert_err(SHERD_ERR_TAMPERED, sherd_keyring_open(sherd_buf_span(&file), &root, &ring->deployment, again));
    sherd_buf_done(&file);
    sherd_secret_free(again);
    sherd_secret_free(ring);
}

static void test_anchor_keyring_seal__says_when_it_is_full(void **state)
{
    struct sherd_keyring *ring = example();
    struct sherd_buf file = {0};

    (void)state;
    ring->master_count = SHERD_MASTERS_MAX;
    for (size_t i = 0; i < ring->master_count; i++) {
        ring->masters[i] = ring->masters[0];
        ring->masters[i].version = i + 1;
        ring->masters[i].kept_bytes = sizeof(ring->masters[i].kept);
        memset(ring->masters[i].args, 'a', sizeof(ring->masters[i].args) - 1);
    }
    assert_err(SHERD_ERR_LIMIT, sherd_keyring_seal(ring, &root, &file));
    sherd_buf_done(&file);
    sherd_secret_free(ring);
}

static void test_anchor_keyring_open__gives_all_of_it_back(void **state)
{
    uint8_t plain[8192];

    assert_ok(open_file(sherd_buf_span(*state)));
    (void)contents(plain);
    assert_ok(open_contents(plain, 4096));
}

static void test_anchor_keyring_open__refuses_every_changed_byte(void **state)
{
    const struct sherd_buf *file = *state;

    for (size_t i = 0; i < file->len; i++) {
        file->data[i] ^= 0x10;
        assert_err(i >= 8 && i < 12 ? SHERD_ERR_UNSUPPORTED : SHERD_ERR_TAMPERED, open_file(sherd_buf_span(file)));
        file->data[i] ^= 0x10;
    }
}

static void test_anchor_keyring_open__refuses_every_other_length(void **state)
{
    struct sherd_buf *file = *state;

    for (size_t len = 0; len < file->len; len++) {
        uint8_t *cut = test_malloc(len > 0 ? len : 1);

        memcpy(cut, file->data, len);
        assert_err(SHERD_ERR_TAMPERED, open_file(sherd_span_of(cut, len)));
        test_free(cut);
    }
    assert_ok(sherd_buf_append(file, sherd_span_str("x")));
    assert_err(SHERD_ERR_TAMPERED, open_file(sherd_buf_span(file)));
}

/* Who has the root key but not this format, or an older one: what is not canonical is refused behind the tag too. */
static void test_anchor_keyring_open__has_one_encoding(void **state)
{
    uint8_t plain[8192];
    const size_t len = contents(plain);

    (void)state;
    assert_err(SHERD_ERR_TAMPERED, open_contents(plain, 8192)); /* padded further than it must be */
    assert_err(SHERD_ERR_TAMPERED, open_contents(plain, 4095));
    assert_err(SHERD_ERR_TAMPERED, open_contents(plain, 0));
    plain[4 + len] = 1;
    assert_err(SHERD_ERR_TAMPERED, open_contents(plain, 4096));
    plain[4 + len] = 0;
    plain[4095] = 1;
    assert_err(SHERD_ERR_TAMPERED, open_contents(plain, 4096));
    plain[4095] = 0;
    for (size_t other = 0; other < 6000; other += other == len - 1 ? 2 : 1) {
        sherd_put_u32(plain, (uint32_t)other);
        assert_err(SHERD_ERR_TAMPERED, open_contents(plain, 4096));
    }
}

/* The first place of a byte sequence in the example's contents. */
static uint8_t *place_of(uint8_t plain[static 8192], const char *hex)
{
    uint8_t block[64];
    const struct sherd_span sought = hex_read(hex, block, sizeof(block));
    uint8_t *found = memmem(plain, 4096, sought.data, sought.len);

    assert_non_null(found);
    return found;
}

static void test_anchor_keyring_open__refuses_what_makes_no_sense(void **state)
{
    static const struct {
        const char *what;
        const char *at;
        size_t offset;
        uint8_t value;
    } changes[] = {
        {"fips is no flag", "04 0008 0000000000000000 05", 10, 2},
        {"epoch 0", "05 0008 0000000000000006", 10, 0},
        {"store key version 0", "0c 0008 0000000000000001", 10, 0},
        {"protection keys do not ascend", "0034 01 0008 0000000000000003", 12, 1},
        {"a key in the keyring that lies outside", "02 0008 0000000000000000 03", 10, 1},
        {"none that lies here", "02 0008 0000000000000001 04", 10, 0},
        {"master key version 0", "03 0008 0000000000000005", 10, 0},
        {"no state", "04 0008 0000000000000001 05 0007", 10, 0},
        {"a state too many", "04 0008 0000000000000001 05 0007", 10, 4},
        {"no name", "02 0007 64656661756c74", 3, 'D'},
        {"names do not ascend", "02 0007 64656661756c74", 3, 'i'},
        {"protection 0", "0a 0008 0000000000000003", 10, 0},
        {"an old keeping that is not older", "0c 0008 0000000000000001 0d 0001", 10, 3},
        {"an old keeping under nothing", "0c 0008 0000000000000001 0d 0001", 10, 0},
        {"a list that is too short", "33 00df", 2, 0xde},
        {"an item that is too long", "0067 01 0010", 1, 0x68},
        {"a round that ended and never began", "3e 0008 0000000000000006", 10, 8},
        {"too many rounds", "3d 0008 0000000000000007", 8, 1},
        {"another deployment", "01 0010 dede", 3, 0xdf},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(changes); i++) {
        uint8_t plain[8192];

        (void)contents(plain);
        place_of(plain, changes[i].at)[changes[i].offset] = changes[i].value;
        if (open_contents(plain, 4096) != SHERD_ERR_TAMPERED)
            fail_msg("%s", changes[i].what);
    }
}

static void test_anchor_keyring_open__needs_its_root_key_and_deployment(void **state)
{
    const struct sherd_buf *file = *state;
    struct sherd_keyring *ring = example();
    const struct sherd_uuid deployment = ring->deployment;
    struct sherd_root_key other_root = root;
    struct sherd_uuid other = deployment;

    other_root.bytes[31] ^= 1;
    other.bytes[0] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, sherd_keyring_open(sherd_buf_span(file), &other_root, &deployment, ring));
    assert_err(SHERD_ERR_TAMPERED, sherd_keyring_open(sherd_buf_span(file), &root, &other, ring));
    sherd_secret_free(ring);
}

/* The mode is kept; a key store, whose MAC is made with a derivation that is not approved, is refused in it. */
static void test_anchor_keyring_seal__keeps_fips_mode_without_key_stores(void **state)
{
    struct sherd_buf file = {.max = SHERD_KEYRING_BYTES_MAX};
    struct sherd_keyring *ring = example();
    struct sherd_keyring *again = sherd_secret_alloc(sizeof(*again));

    (void)state;
    assert_non_null(again);
    ring->fips = true;
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_keyring_seal(ring, &root, &file));
    assert_non_null(strstr(sherd_err_detail(), "PKCS#12"));
    assert_int_equal(file.len, 0);
    ring->protections.count = 1;
    ring->key_store[0] = 0;
    assert_ok(sherd_keyring_seal(ring, &root, &file));
    assert_ok(sherd_keyring_open(sherd_buf_span(&file), &root, &ring->deployment, again));
    assert_true(again->fips);
    sherd_buf_done(&file);
    sherd_secret_free(again);
    sherd_secret_free(ring);
}

/* Where protection keys lie outside is named, and nowhere else. */
static void test_anchor_keyring_open__refuses_a_key_store_that_is_off(void **state)
{
    struct sherd_keyring *ring = example();
    struct sherd_buf file = {0};

    (void)state;
    ring->key_store[0] = 0;
    assert_ok(sherd_keyring_seal(ring, &root, &file));
    assert_err(SHERD_ERR_TAMPERED, open_file(sherd_buf_span(&file)));
    sherd_buf_done(&file);
    ring->key_store[0] = '/';
    ring->protections.list[1].outside = false;
    assert_ok(sherd_keyring_seal(ring, &root, &file));
    assert_err(SHERD_ERR_TAMPERED, open_file(sherd_buf_span(&file)));
    sherd_buf_done(&file);
    sherd_secret_free(ring);
}

static void test_anchor_keyring__knows_the_parts_of_a_master_key(void **state)
{
    struct sherd_master master = {.kept_bytes = 19, .old = {.protection = 1, .kept_bytes = 20}};
    struct sherd_ref set;

    (void)state;
    memset(set.bytes, 0x77, sizeof(set.bytes));
    assert_false(sherd_master_names_set(&master, &set));
    memset(master.kept + 3, 0x77, 16);
    assert_true(sherd_master_names_set(&master, &set));
    memset(master.kept, 0, sizeof(master.kept));
    memset(master.old.kept + 4, 0x77, 16);
    assert_true(sherd_master_names_set(&master, &set));
    master.old.kept_bytes = 19;
    assert_false(sherd_master_names_set(&master, &set));
}

static void test_anchor_keyring_generate__draws_each_key_anew(void **state)
{
    struct sherd_keyring *rings[2];
    const uint8_t *keys[2 * 10];
    size_t count = 0;

    (void)state;
    for (size_t r = 0; r < 2; r++) {
        rings[r] = sherd_secret_alloc(sizeof(*rings[r]));
        assert_non_null(rings[r]);
        assert_ok(sherd_keyring_generate(rings[r]));
        assert_int_equal(rings[r]->generation, 1);
        assert_int_equal(rings[r]->epoch, 1);
        assert_int_equal(rings[r]->master_count, 0);
        assert_int_equal(rings[r]->protections.count, 1);
        assert_true(rings[r]->created_s > 1700000000);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(rings[r]->stores[i].version, 1);
            keys[count++] = rings[r]->stores[i].name.bytes;
            keys[count++] = rings[r]->stores[i].key.bytes;
        }
        keys[count++] = rings[r]->protections.list[0].key;
        keys[count++] = rings[r]->ledger_seed;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(keys[i], keys[k], 32);
    assert_memory_not_equal(&rings[0]->deployment, &rings[1]->deployment, 16);
    assert_memory_not_equal(&rings[0]->deployment, &rings[0]->tenant, 16);
    for (size_t r = 0; r < 2; r++)
        sherd_secret_free(rings[r]);
}

static void test_anchor_keyring_active__is_the_highest_that_wraps(void **state)
{
    struct sherd_keyring *ring = example();

    (void)state;
    assert_ptr_equal(sherd_keyring_active(ring, "default"), &ring->masters[0]);
    assert_null(sherd_keyring_active(ring, "hash"));
    assert_null(sherd_keyring_active(ring, "defaul"));
    assert_ptr_equal(sherd_keyring_master(ring, &ring->masters[1].kid), &ring->masters[1]);
    ring->masters[1] = ring->masters[0];
    ring->masters[1].version = 6;
    assert_ptr_equal(sherd_keyring_active(ring, "default"), &ring->masters[1]);
    ring->masters[1].state = SHERD_MASTER_RETIRED;
    assert_ptr_equal(sherd_keyring_active(ring, "default"), &ring->masters[0]);
    sherd_secret_free(ring);
}

/* Seal and open again. */
static enum sherd_err reopen(const struct sherd_keyring *ring, struct sherd_keyring *again)
{
    struct sherd_buf file = {0};

    assert_ok(sherd_keyring_seal(ring, &root, &file));
    const enum sherd_err err = sherd_keyring_open(sherd_buf_span(&file), &root, &ring->deployment, again);
    sherd_buf_done(&file);
    return err;
}

static void test_anchor_keyring_rule__orders_replaces_and_forgets(void **state)
{
    static const char *const names[] = {"zeta", "store:keys", "alpha", "hash"};
    struct sherd_keyring *ring = example();
    struct sherd_keyring *again = sherd_secret_alloc(sizeof(*again));
    const struct sherd_key_policy nothing = {0};
    (void)state;

    assert_non_null(again);
    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++)
        assert_ok(sherd_keyring_rule(ring, names[i], &(struct sherd_key_policy){.limit = 100 + i, .floor = i}));
    assert_ok(sherd_keyring_rule(ring, "alpha", &(struct sherd_key_policy){.wraps_max = 5, .entities_max = 6}));
    assert_ok(sherd_keyring_rule(ring, "default", &nothing));
    assert_ok(sherd_keyring_rule(ring, "nobody", &nothing));
    assert_ok(reopen(ring, again));
    assert_same_ring(ring, again);
    assert_int_equal(again->policy_count, 4);
    assert_null(sherd_keyring_policy(again, "default"));
    assert_int_equal(sherd_keyring_policy(again, "alpha")->limit, 0);
    assert_int_equal(sherd_keyring_policy(again, "alpha")->entities_max, 6);
    assert_int_equal(sherd_keyring_policy(again, "hash")->limit, 103);
    assert_int_equal(sherd_keyring_policy(again, "zeta")->limit, 100);
    sherd_secret_free(again);
    sherd_secret_free(ring);
}

static void test_anchor_keyring_rule__keeps_to_its_bounds(void **state)
{
    static const struct sherd_key_policy bad[] = {
        {.limit = SHERD_KEY_LIMIT + 1},
        {.wraps_max = SHERD_KEY_LIMIT + 1},
        {.entities_max = SHERD_KEY_LIMIT + 1},
        {.floor = (uint64_t)UINT32_MAX + 1},
        {.age_s_max = (uint64_t)INT64_MAX + 1},
        {.schedule = SHERD_SCHEDULE_WEEKLY, .weekday = 7},
        {.schedule = SHERD_SCHEDULE_DAILY, .weekday = 1},
        {.schedule = SHERD_SCHEDULE_DAILY, .minute = 1440},
        {.age_s_max = 1, .minute = 1},
    };
    const struct sherd_key_policy good = {.age_s_max = 1};
    struct sherd_keyring *ring = example();
    char name[16];
    (void)state;

    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_err(SHERD_ERR_INVALID, sherd_keyring_rule(ring, "default", &bad[i]));
    assert_err(SHERD_ERR_INVALID, sherd_keyring_rule(ring, "store:nothing", &good));
    assert_err(SHERD_ERR_INVALID, sherd_keyring_rule(ring, "", &good));
    for (size_t i = ring->policy_count; i < SHERD_POLICIES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "k%zu", i);
        assert_ok(sherd_keyring_rule(ring, name, &good));
    }
    assert_err(SHERD_ERR_LIMIT, sherd_keyring_rule(ring, "one-more", &good));
    assert_ok(sherd_keyring_rule(ring, "default", &good)); /* which is there */
    sherd_secret_free(ring);
}

static void test_anchor_keyring_remember__forgets_the_oldest(void **state)
{
    struct sherd_keyring *ring = example();
    struct sherd_keyring *again = sherd_secret_alloc(sizeof(*again));
    struct sherd_master master = ring->masters[0];
    (void)state;

    assert_non_null(again);
    for (size_t i = 0; i < SHERD_DESTROYED_MAX + 1; i++) {
        master.kid.bytes[0] = (uint8_t)i;
        master.version = i + 1;
        sherd_keyring_remember(ring, &master, 1700000000 + i);
    }
    assert_ok(reopen(ring, again));
    assert_same_ring(ring, again);
    assert_int_equal(again->destroyed_count, SHERD_DESTROYED_MAX);
    assert_int_equal(sherd_keyring_destroyed(again, &master.kid)->version, SHERD_DESTROYED_MAX + 1);
    master.kid.bytes[0] = 0;
    assert_null(sherd_keyring_destroyed(again, &master.kid));
    sherd_secret_free(again);
    sherd_secret_free(ring);
}

#define ring_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ring_test(test_anchor_keyring_seal__writes_the_documented_bytes),
        ring_test(test_anchor_keyring_seal__grows_by_whole_pages),
        ring_test(test_anchor_keyring_seal__keeps_the_versions_of_store_keys),
        ring_test(test_anchor_keyring_open__refuses_versions_that_cannot_be),
        ring_test(test_anchor_keyring_seal__says_when_it_is_full),
        ring_test(test_anchor_keyring_seal__keeps_fips_mode_without_key_stores),
        ring_test(test_anchor_keyring_open__gives_all_of_it_back),
        ring_test(test_anchor_keyring_open__refuses_every_changed_byte),
        ring_test(test_anchor_keyring_open__refuses_every_other_length),
        ring_test(test_anchor_keyring_open__has_one_encoding),
        ring_test(test_anchor_keyring_open__refuses_what_makes_no_sense),
        ring_test(test_anchor_keyring_open__needs_its_root_key_and_deployment),
        ring_test(test_anchor_keyring_open__refuses_a_key_store_that_is_off),
        ring_test(test_anchor_keyring__knows_the_parts_of_a_master_key),
        cmocka_unit_test(test_anchor_keyring_rule__orders_replaces_and_forgets),
        cmocka_unit_test(test_anchor_keyring_rule__keeps_to_its_bounds),
        cmocka_unit_test(test_anchor_keyring_remember__forgets_the_oldest),
        ring_test(test_anchor_keyring_generate__draws_each_key_anew),
        ring_test(test_anchor_keyring_active__is_the_highest_that_wraps),
    };

    return cmocka_run_group_tests_name("anchor_keyring", tests, NULL, NULL);
}
