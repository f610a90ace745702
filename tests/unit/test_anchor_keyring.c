/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the keyring: its golden contents, what it is bound to, and that every key in it is fresh. */
#include "anchor/keyring.h"
#include "base/bytes.h"
#include "crypto/init.h"
#include "hex.h"
#include "vault.h"

static const struct sherd_root_key root = {"YELLOW SUBMARINE YELLOW SUBMARI"};

/* A keyring whose keys are patterns. */
static struct sherd_keyring example(void)
{
    struct sherd_keyring ring;

    memset(&ring, 0, sizeof(ring));
    ring.generation = 0x01020304;
    ring.created_s = 1700000001;
    ring.master_version = 5;
    memset(ring.deployment.bytes, 0xde, 16);
    memset(ring.tenant.bytes, 0x7e, 16);
    for (size_t i = 0; i < 4; i++) {
        memset(ring.stores[i].compartment.bytes, 0xc0 + (int)i, 16);
        memset(ring.stores[i].name.bytes, 0x40 + (int)i, 32);
        memset(ring.stores[i].key.bytes, 0x60 + (int)i, 32);
        ring.stores[i].version = i + 1;
    }
    (void)snprintf(ring.master_name, sizeof(ring.master_name), "default");
    memset(ring.master.bytes, 0x33, 32);
    memset(ring.ledger_seed, 0x44, 32);
    return ring;
}

#define STORE(id, name_tag, version_tag, key_tag, digit, n)                                                           \
    " " id " 0010" HEX_X16(" c" digit) " " name_tag " 0020" HEX_X32(" 4" digit) " " version_tag                       \
                                                                                " 0008 000000000000000" n " " key_tag \
                                                                                " 0020" HEX_X32(" 6" digit)

/* docs/format/vault.md, anchor/keyring, by hand */
static const char golden[] =
    "01 0010" HEX_X16(" de") " 02 0010" HEX_X16(" 7e") " 03 0008 000000006553f101" STORE("0a", "0b", "0c", "0d", "0",
                                                                                         "1")
        STORE("14", "15", "16", "17", "1", "2") STORE("1e", "1f", "20", "21", "2", "3")
            STORE("28", "29", "2a", "2b", "3", "4") " 32 0007 64656661756c74 33 0008 0000000000000005"
                                                    " 34 0020" HEX_X32(" 33") " 3c 0020" HEX_X32(" 44");

static int setup(void **state)
{
    struct sherd_buf *file = test_calloc(1, sizeof(*file));
    const struct sherd_keyring ring = example();

    *state = file;
    return sherd_crypto_init() == SHERD_OK && sherd_keyring_seal(&ring, &root, file) == SHERD_OK ? 0 : -1;
}

static int teardown(void **state)
{
    sherd_buf_done(*state);
    test_free(*state);
    return 0;
}

static enum sherd_err open_file(struct sherd_span file)
{
    const struct sherd_keyring expected = example();
    struct sherd_keyring ring;
    const enum sherd_err err = sherd_keyring_open(file, &root, &expected.deployment, &ring);

    if (err == SHERD_OK) {
        assert_int_equal(ring.generation, expected.generation);
        assert_int_equal(ring.created_s, expected.created_s);
        assert_memory_equal(ring.deployment.bytes, expected.deployment.bytes, 16);
        assert_memory_equal(ring.tenant.bytes, expected.tenant.bytes, 16);
        for (size_t i = 0; i < 4; i++) {
            assert_memory_equal(ring.stores[i].compartment.bytes, expected.stores[i].compartment.bytes, 16);
            assert_memory_equal(ring.stores[i].name.bytes, expected.stores[i].name.bytes, 32);
            assert_memory_equal(ring.stores[i].key.bytes, expected.stores[i].key.bytes, 32);
            assert_int_equal(ring.stores[i].version, expected.stores[i].version);
        }
        assert_string_equal(ring.master_name, expected.master_name);
        assert_int_equal(ring.master_version, expected.master_version);
        assert_memory_equal(ring.master.bytes, expected.master.bytes, 32);
        assert_memory_equal(ring.ledger_seed, expected.ledger_seed, 32);
    }
    return err;
}

static void test_anchor_keyring_seal__writes_the_documented_bytes(void **state)
{
    const struct sherd_buf *file = *state;
    struct sherd_buf plain = {0};
    uint8_t context[32];
    uint8_t block[1024];

    assert_int_equal(file->len, SHERD_KEYRING_BYTES);
    assert_int_equal(file->len, 16 + 24 + 32 + 1024 + 16);
    assert_memory_equal(file->data, hex_read("53485244 52494e47 0001 0001 01020304", block, sizeof(block)).data, 16);
    memset(context, 0xde, 16);
    memcpy(context + 16, file->data, 16);
    assert_ok(sherd_aead_open(root.bytes, sherd_span_of(context, 32), sherd_span_of(file->data + 16, file->len - 16),
                              &plain));
    assert_int_equal(plain.len, 1024);
    const struct sherd_span expected = hex_read(golden, block, sizeof(block));
    assert_int_equal(sherd_get_u16(plain.data), expected.len);
    assert_memory_equal(plain.data + 2, expected.data, expected.len);
    for (size_t i = 2 + expected.len; i < plain.len; i++)
        assert_int_equal(plain.data[i], 0);
    sherd_buf_done(&plain);
}

static void test_anchor_keyring_open__gives_all_of_it_back(void **state)
{
    assert_ok(open_file(sherd_buf_span(*state)));
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

static void test_anchor_keyring_open__needs_its_root_key_and_deployment(void **state)
{
    const struct sherd_buf *file = *state;
    const struct sherd_uuid deployment = example().deployment;
    struct sherd_root_key other_root = root;
    struct sherd_uuid other = deployment;
    struct sherd_keyring ring;

    other_root.bytes[31] ^= 1;
    other.bytes[0] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, sherd_keyring_open(sherd_buf_span(file), &other_root, &deployment, &ring));
    assert_err(SHERD_ERR_TAMPERED, sherd_keyring_open(sherd_buf_span(file), &root, &other, &ring));
}

static void test_anchor_keyring_generate__draws_each_key_anew(void **state)
{
    struct sherd_keyring rings[2];
    const uint8_t *keys[2 * 10];
    size_t count = 0;

    (void)state;
    for (size_t r = 0; r < 2; r++) {
        assert_ok(sherd_keyring_generate(&rings[r]));
        assert_int_equal(rings[r].generation, 1);
        assert_int_equal(rings[r].master_version, 1);
        assert_string_equal(rings[r].master_name, "default");
        assert_true(rings[r].created_s > 1700000000);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(rings[r].stores[i].version, 1);
            keys[count++] = rings[r].stores[i].name.bytes;
            keys[count++] = rings[r].stores[i].key.bytes;
        }
        keys[count++] = rings[r].master.bytes;
        keys[count++] = rings[r].ledger_seed;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(keys[i], keys[k], 32);
    assert_memory_not_equal(rings[0].deployment.bytes, rings[1].deployment.bytes, 16);
    assert_memory_not_equal(rings[0].deployment.bytes, rings[0].tenant.bytes, 16);
}

#define ring_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ring_test(test_anchor_keyring_seal__writes_the_documented_bytes),
        ring_test(test_anchor_keyring_open__gives_all_of_it_back),
        ring_test(test_anchor_keyring_open__refuses_every_changed_byte),
        ring_test(test_anchor_keyring_open__refuses_every_other_length),
        ring_test(test_anchor_keyring_open__needs_its_root_key_and_deployment),
        cmocka_unit_test(test_anchor_keyring_generate__draws_each_key_anew),
    };

    return cmocka_run_group_tests_name("anchor_keyring", tests, NULL, NULL);
}
