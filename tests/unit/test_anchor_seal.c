/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the seal: golden bytes of its header, what opens it, and that every other byte of it is refused. */
#include "anchor/seal/seal.h"
#include "base/bytes.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include "crypto/pwhash.h"
#include "hex.h"
#include "vault.h"

static const struct sherd_root_key root = {"YELLOW SUBMARINE YELLOW SUBMARI"};
static const struct sherd_uuid deployment = {{0xde, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

struct sealed {
    struct sherd_buf key_text;
    struct sherd_buf file;
    struct sherd_unseal unseal;
};

static int setup(void **state)
{
    struct sealed *sealed = test_calloc(1, sizeof(*sealed));

    if (sherd_crypto_init() != SHERD_OK || sherd_key_file_new(&sealed->key_text) != SHERD_OK)
        return -1;
    sealed->unseal.key_file = sherd_buf_span(&sealed->key_text);
    *state = sealed;
    return sherd_seal_make(&root, &deployment, false, &sealed->unseal, &sealed->file) == SHERD_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct sealed *sealed = *state;

    sherd_buf_done(&sealed->file);
    sherd_buf_done(&sealed->key_text);
    test_free(sealed);
    return 0;
}

static enum sherd_err open_file(struct sherd_span file, const struct sherd_unseal *unseal)
{
    struct sherd_root_key found = {{0}};
    struct sherd_uuid whose = {{0}};
    const enum sherd_err err = sherd_seal_open(file, unseal, &found, &whose);

    if (err == SHERD_OK) {
        assert_memory_equal(found.bytes, root.bytes, sizeof(root.bytes));
        assert_memory_equal(whose.bytes, deployment.bytes, sizeof(deployment.bytes));
    } else {
        assert_int_equal(whose.bytes[0], 0);
    }
    return err;
}

static void test_anchor_seal_make__writes_the_documented_header(void **state)
{
    struct sealed *sealed = *state;
    uint8_t block[44];

    assert_int_equal(sealed->file.len, 180);
    assert_memory_equal(sealed->file.data,
                        hex_read("53485244 5345414c 0001 0001 02 00 0000 00000000 00000000 00000000"
                                 " de0102030405060708090a0b0c0d0e0f",
                                 block, sizeof(block))
                            .data,
                        44);
    assert_ok(open_file(sherd_buf_span(&sealed->file), &sealed->unseal));
}

static void test_anchor_seal_make__never_makes_the_same_twice(void **state)
{
    struct sealed *sealed = *state;
    struct sherd_buf again = {0};

    assert_ok(sherd_seal_make(&root, &deployment, false, &sealed->unseal, &again));
    assert_memory_not_equal(again.data + 44, sealed->file.data + 44, 32);
    assert_memory_not_equal(again.data + 76, sealed->file.data + 76, 104);
    sherd_buf_done(&again);
}

/* The key of a key file as docs/format/vault.md says it, so that what was sealed by it can be opened in 20 years. */
static void test_anchor_seal_open__derives_the_key_as_documented(void **state)
{
    static const char text[] = "sherd-key-1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    static const uint8_t salt[SHERD_AEAD_SALT_SIZE] = {9};
    const struct sherd_unseal unseal = {.key_file = sherd_span_str(text)};
    struct sherd_buf file = {0};
    uint8_t ikm[32];
    uint8_t key[32];
    uint8_t header[76];

    (void)state;
    for (size_t i = 0; i < sizeof(ikm); i++)
        ikm[i] = (uint8_t)i;
    memset(header, 0x5a, sizeof(header));
    (void)hex_read("53485244 5345414c 0001 0001 02 00 0000 00000000 00000000 00000000"
                   " de0102030405060708090a0b0c0d0e0f",
                   header, 44);
    assert_ok(sherd_hkdf(SHERD_SHA512, sherd_span_of(ikm, 32), sherd_span_of(header + 44, 32),
                         sherd_span_str("sherd key file 1"), key, 32));
    assert_ok(sherd_buf_append(&file, sherd_span_of(header, sizeof(header))));
    assert_ok(sherd_aead_seal_salted(key, sherd_span_of(header, sizeof(header)), salt, sherd_span_of(root.bytes, 32),
                                     &file));
    assert_ok(open_file(sherd_buf_span(&file), &unseal));
    sherd_buf_done(&file);
}

static void test_anchor_seal_open__refuses_every_changed_byte(void **state)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    struct sealed *sealed = *state;

    for (size_t i = 0; i < sealed->file.len; i++)
        for (size_t c = 0; c < SHERD_COUNT_OF(changes); c++) {
            sealed->file.data[i] ^= changes[c];
            const enum sherd_err err = open_file(sherd_buf_span(&sealed->file), &sealed->unseal);
            const bool names_format = i >= 8 && i < 12; /* format and suite: of the future, as far as can be told */

            assert_int_equal(err, names_format ? SHERD_ERR_UNSUPPORTED : SHERD_ERR_DENIED);
            sealed->file.data[i] ^= changes[c];
        }
    assert_ok(open_file(sherd_buf_span(&sealed->file), &sealed->unseal));
}

static void test_anchor_seal_open__refuses_every_other_length(void **state)
{
    struct sealed *sealed = *state;
    struct sherd_buf longer = {0};

    for (size_t len = 0; len < sealed->file.len; len++) {
        uint8_t *cut = test_malloc(len > 0 ? len : 1);

        memcpy(cut, sealed->file.data, len);
        assert_err(SHERD_ERR_DENIED, open_file(sherd_span_of(cut, len), &sealed->unseal));
        test_free(cut);
    }
    assert_ok(sherd_buf_append(&longer, sherd_buf_span(&sealed->file)));
    assert_ok(sherd_buf_append(&longer, sherd_span_str("x")));
    assert_err(SHERD_ERR_DENIED, open_file(sherd_buf_span(&longer), &sealed->unseal));
    sherd_buf_done(&longer);
}

static void test_anchor_seal_open__needs_exactly_one_way(void **state)
{
    struct sealed *sealed = *state;
    const struct sherd_span file = sherd_buf_span(&sealed->file);
    struct sherd_unseal both = sealed->unseal;
    const struct sherd_unseal none = {.passphrase = sherd_span_of(NULL, 0)};
    const struct sherd_unseal other = {.passphrase = sherd_span_str("correct horse")};
    struct sherd_buf made = {0};

    both.passphrase = sherd_span_str("correct horse");
    assert_err(SHERD_ERR_INVALID, open_file(file, &both));
    assert_err(SHERD_ERR_INVALID, open_file(file, &none));
    assert_err(SHERD_ERR_INVALID, open_file(file, NULL));
    assert_err(SHERD_ERR_DENIED, open_file(file, &other)); /* a key file is wanted */
    assert_err(SHERD_ERR_INVALID, sherd_seal_make(&root, &deployment, false, &both, &made));
    assert_err(SHERD_ERR_INVALID, sherd_seal_make(&root, &deployment, false, &none, &made));
    assert_err(SHERD_ERR_INVALID, sherd_seal_make(&root, &deployment, false, NULL, &made));
    assert_int_equal(made.len, 0);
    sherd_buf_done(&made);
}

static void test_anchor_seal_open__takes_one_form_of_a_key_file(void **state)
{
    struct sealed *sealed = *state;
    char text[SHERD_KEY_FILE_TEXT_BYTES + 1] = "";
    const struct sherd_unseal cut = {.key_file = sherd_span_of(text, SHERD_KEY_FILE_TEXT_BYTES - 1)};
    const struct sherd_unseal whole = {.key_file = sherd_span_of(text, SHERD_KEY_FILE_TEXT_BYTES)};
    const struct sherd_unseal longer = {.key_file = sherd_span_of(text, SHERD_KEY_FILE_TEXT_BYTES + 1)};
    static const char strange[] = {'A', 'F', 'g', ' ', '\n', '\0', '/', ':', '`', (char)0xb0};

    memcpy(text, sealed->key_text.data, SHERD_KEY_FILE_TEXT_BYTES);
    text[SHERD_KEY_FILE_TEXT_BYTES] = '\n';
    assert_ok(open_file(sherd_buf_span(&sealed->file), &whole));
    assert_err(SHERD_ERR_INVALID, open_file(sherd_buf_span(&sealed->file), &cut));
    assert_err(SHERD_ERR_INVALID, open_file(sherd_buf_span(&sealed->file), &longer));
    for (size_t i = 0; i < SHERD_KEY_FILE_TEXT_BYTES; i++)
        for (size_t s = 0; s < sizeof(strange); s++) {
            const char before = text[i];

            text[i] = strange[s];
            if (text[i] != before)
                assert_err(SHERD_ERR_INVALID, open_file(sherd_buf_span(&sealed->file), &whole));
            text[i] = before;
        }
}

static void test_anchor_seal_open__takes_the_passphrase_byte_by_byte(void **state)
{
    char longest[SHERD_PASSPHRASE_BYTES_MAX] = "";
    struct sherd_buf file = {0};
    const struct sherd_unseal right = {.passphrase = sherd_span_of(longest, sizeof(longest))};
    const struct sherd_unseal shorter = {.passphrase = sherd_span_of(longest, sizeof(longest) - 1)};
    char text[32];

    (void)state;
    memset(longest, 0, sizeof(longest)); /* zero bytes are bytes like others */
    longest[0] = 'a';
    assert_ok(sherd_seal_make(&root, &deployment, false, &right, &file));
    assert_int_equal(file.len, SHERD_SEAL_BYTES);
    assert_int_equal(file.data[12], 1);
    assert_ok(open_file(sherd_buf_span(&file), &right));
    assert_err(SHERD_ERR_DENIED, open_file(sherd_buf_span(&file), &shorter));
    sherd_seal_describe(sherd_buf_span(&file), text);
    assert_string_equal(text, sherd_pwhash_default().alg == SHERD_PWHASH_ARGON2ID ? "passphrase (Argon2id)"
                                                                                  : "passphrase (scrypt)");
    sherd_buf_done(&file);
}

static void test_anchor_seal_open__computes_no_hash_out_of_bounds(void **state)
{
    /* algorithm, cost, block, parallel; each beyond what crypto/pwhash.h allows */
    static const uint32_t params[][4] = {{1, 13, 8, 1},    {1, 25, 8, 1},     {1, 17, 7, 1},    {1, 17, 33, 1},
                                         {1, 17, 8, 0},    {1, 17, 8, 17},    {2, 65535, 3, 4}, {2, 4194305, 3, 4},
                                         {2, 65536, 0, 4}, {2, 65536, 3, 17}, {0, 17, 8, 1},    {3, 17, 8, 1}};
    struct sealed *sealed = *state;
    const struct sherd_unseal passphrase = {.passphrase = sherd_span_str("x")};

    sealed->file.data[12] = 1;
    for (size_t i = 0; i < SHERD_COUNT_OF(params); i++) {
        sealed->file.data[13] = (uint8_t)params[i][0];
        sherd_put_u32(sealed->file.data + 16, params[i][1]);
        sherd_put_u32(sealed->file.data + 20, params[i][2]);
        sherd_put_u32(sealed->file.data + 24, params[i][3]);
        assert_err(SHERD_ERR_UNSUPPORTED, open_file(sherd_buf_span(&sealed->file), &passphrase));
    }
}

/* A seal as whoever has the root key could make it, by any hash, of either mode. */
static void craft(const struct sherd_pwhash_params *hash, bool fips, struct sherd_buf *out_file)
{
    uint8_t header[76];
    uint8_t key[32];

    memset(header, 0x5a, sizeof(header));
    (void)hex_read("53485244 5345414c 0001 0001 01 00 0000", header, 16);
    header[13] = (uint8_t)hash->alg;
    header[14] = fips;
    sherd_put_u32(header + 16, hash->cost);
    sherd_put_u32(header + 20, hash->block);
    sherd_put_u32(header + 24, hash->parallel);
    memcpy(header + 28, deployment.bytes, 16);
    assert_ok(sherd_pwhash(hash, sherd_span_str("correct horse"), sherd_span_of(header + 44, 32), key, sizeof(key)));
    sherd_buf_clear(out_file);
    assert_ok(sherd_buf_append(out_file, sherd_span_of(header, sizeof(header))));
    assert_ok(sherd_aead_seal(key, sherd_span_of(header, sizeof(header)), sherd_span_of(root.bytes, 32), out_file));
}

static void test_anchor_seal_fips__is_pbkdf2_and_says_so(void **state)
{
    const struct sherd_unseal unseal = {.passphrase = sherd_span_str("correct horse")};
    struct sherd_buf file = {0};
    uint8_t block[44];
    char text[32];

    (void)state;
    assert_ok(sherd_seal_make(&root, &deployment, true, &unseal, &file));
    (void)hex_read("53485244 5345414c 0001 0001 01 03 0100 000927c0 00000001 00000001"
                   " de0102030405060708090a0b0c0d0e0f",
                   block, sizeof(block));
    assert_memory_equal(file.data, block, 44);
    assert_true(sherd_seal_fips(sherd_buf_span(&file)));
    assert_ok(open_file(sherd_buf_span(&file), &unseal));
    sherd_seal_describe(sherd_buf_span(&file), text);
    assert_string_equal(text, "passphrase (PBKDF2)");
    file.data[14] = 0; /* the mode is part of what is authenticated */
    assert_false(sherd_seal_fips(sherd_buf_span(&file)));
    assert_err(SHERD_ERR_DENIED, open_file(sherd_buf_span(&file), &unseal));
    file.data[14] = 2;
    assert_false(sherd_seal_fips(sherd_buf_span(&file)));
    assert_err(SHERD_ERR_DENIED, open_file(sherd_buf_span(&file), &unseal));
    sherd_buf_done(&file);
}

static void test_anchor_seal_fips__refuses_every_other_hash(void **state)
{
    const struct sherd_unseal unseal = {.passphrase = sherd_span_str("correct horse")};
    const struct sherd_pwhash_params refused[] = {{SHERD_PWHASH_SCRYPT, 14, 8, 1},
                                                  {SHERD_PWHASH_PBKDF2, SHERD_PWHASH_APPROVED_COST_MIN - 1, 1, 1}};
    const struct sherd_pwhash_params approved = {SHERD_PWHASH_PBKDF2, SHERD_PWHASH_APPROVED_COST_MIN, 1, 1};
    struct sherd_buf file = {0};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(refused); i++) {
        craft(&refused[i], false, &file);
        assert_ok(open_file(sherd_buf_span(&file), &unseal));
        craft(&refused[i], true, &file);
        assert_err(SHERD_ERR_UNSUPPORTED, open_file(sherd_buf_span(&file), &unseal));
        assert_non_null(strstr(sherd_err_detail(), "FIPS"));
    }
    craft(&approved, true, &file);
    assert_ok(open_file(sherd_buf_span(&file), &unseal));
    sherd_buf_done(&file);
}

static void test_anchor_seal_describe__says_what_seals(void **state)
{
    struct sealed *sealed = *state;
    char text[32];

    sherd_seal_describe(sherd_buf_span(&sealed->file), text);
    assert_string_equal(text, "key file");
    sherd_seal_describe(sherd_span_of(NULL, 0), text);
    assert_string_equal(text, "unknown");
    sealed->file.data[0] ^= 1;
    sherd_seal_describe(sherd_buf_span(&sealed->file), text);
    assert_string_equal(text, "unknown");
}

static void test_anchor_seal_key_file__is_the_documented_text(void **state)
{
    struct sealed *sealed = *state;
    struct sherd_buf other = {.max = 100};

    assert_int_equal(sealed->key_text.len, 77);
    assert_memory_equal(sealed->key_text.data, "sherd-key-1:", 12);
    assert_int_equal(sealed->key_text.data[76], '\n');
    for (size_t i = 12; i < 76; i++)
        assert_non_null(strchr("0123456789abcdef", sealed->key_text.data[i]));
    assert_ok(sherd_buf_append(&other, sherd_span_str("before")));
    assert_ok(sherd_key_file_new(&other));
    assert_int_equal(other.len, 6 + 77);
    assert_memory_not_equal(other.data + 6 + 12, sealed->key_text.data + 12, 64);
    assert_err(SHERD_ERR_LIMIT, sherd_key_file_new(&other));
    assert_int_equal(other.len, 6 + 77);
    sherd_buf_done(&other);
}

#define seal_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        seal_test(test_anchor_seal_make__writes_the_documented_header),
        seal_test(test_anchor_seal_make__never_makes_the_same_twice),
        seal_test(test_anchor_seal_open__derives_the_key_as_documented),
        seal_test(test_anchor_seal_open__refuses_every_changed_byte),
        seal_test(test_anchor_seal_open__refuses_every_other_length),
        seal_test(test_anchor_seal_open__needs_exactly_one_way),
        seal_test(test_anchor_seal_open__takes_one_form_of_a_key_file),
        seal_test(test_anchor_seal_open__takes_the_passphrase_byte_by_byte),
        seal_test(test_anchor_seal_open__computes_no_hash_out_of_bounds),
        seal_test(test_anchor_seal_fips__is_pbkdf2_and_says_so),
        seal_test(test_anchor_seal_fips__refuses_every_other_hash),
        seal_test(test_anchor_seal_describe__says_what_seals),
        seal_test(test_anchor_seal_key_file__is_the_documented_text),
    };

    return cmocka_run_group_tests_name("anchor_seal", tests, NULL, NULL);
}
