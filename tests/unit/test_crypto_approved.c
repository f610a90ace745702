/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of approved algorithms: what FIPS mode says to each id that a format can name, and that docs/fips.md tells
 * people the same.
 */
#include "anchor/seal/share.h"
#include "base/macros.h"
#include "crypto/approved.h"
#include "crypto/init.h"
#include "envelope/context.h"
#include "envelope/recipient.h"
#include "vault.h"

static int setup(void **state)
{
    (void)state;
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

/* What FIPS mode says to each algorithm, a second time: nobody changes the table without changing this. */
static const struct {
    enum sherd_algorithm algorithm;
    enum sherd_standing standing;
} expected[] = {
    {SHERD_ALGORITHM_AES_256_GCM, SHERD_APPROVED},
    {SHERD_ALGORITHM_SHA2, SHERD_APPROVED},
    {SHERD_ALGORITHM_HMAC_SHA2, SHERD_APPROVED},
    {SHERD_ALGORITHM_HKDF_SHA2, SHERD_APPROVED},
    {SHERD_ALGORITHM_DRBG, SHERD_APPROVED},
    {SHERD_ALGORITHM_ED25519, SHERD_APPROVED},
    {SHERD_ALGORITHM_MLDSA_44, SHERD_APPROVED},
    {SHERD_ALGORITHM_DHKEM_P256, SHERD_APPROVED},
    {SHERD_ALGORITHM_RSA_OAEP, SHERD_APPROVED},
    {SHERD_ALGORITHM_PBKDF2, SHERD_APPROVED},
    {SHERD_ALGORITHM_KEY_SPLIT, SHERD_NO_SECURITY_CLAIMED},
    {SHERD_ALGORITHM_SCRYPT, SHERD_NOT_APPROVED},
    {SHERD_ALGORITHM_ARGON2ID, SHERD_NOT_APPROVED},
    {SHERD_ALGORITHM_DHKEM_X25519, SHERD_NOT_APPROVED},
    {SHERD_ALGORITHM_XWING, SHERD_NOT_APPROVED},
    {SHERD_ALGORITHM_AGE, SHERD_NOT_APPROVED},
    {SHERD_ALGORITHM_PKCS12_MAC, SHERD_NOT_APPROVED},
};

static void test_crypto_approved__says_of_each_what_stands_here(void **state)
{
    (void)state;
    assert_int_equal(SHERD_COUNT_OF(expected), SHERD_ALGORITHM_COUNT - 1);
    for (size_t i = 0; i < SHERD_COUNT_OF(expected); i++) {
        const enum sherd_algorithm algorithm = expected[i].algorithm;
        const struct sherd_approval *row = sherd_approval_of(algorithm);

        assert_int_equal(algorithm, i + 1);
        assert_int_equal(row->standing, expected[i].standing);
        assert_int_equal(row->source != NULL, row->standing == SHERD_APPROVED);
        assert_int_equal(row->instead != NULL, row->standing == SHERD_NOT_APPROVED);
        assert_ok(sherd_approved_check(false, algorithm));
        if (row->standing == SHERD_NOT_APPROVED) {
            assert_err(SHERD_ERR_UNSUPPORTED, sherd_approved_check(true, algorithm));
            assert_non_null(strstr(sherd_err_detail(), row->name));
            assert_non_null(strstr(sherd_err_detail(), row->instead));
        } else {
            assert_ok(sherd_approved_check(true, algorithm));
        }
    }
}

static void test_crypto_approved__refuses_what_it_does_not_know(void **state)
{
    static const unsigned strange[] = {SHERD_ALGORITHM_UNKNOWN, SHERD_ALGORITHM_COUNT, SHERD_ALGORITHM_COUNT + 1, 1000};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(strange); i++) {
        assert_err(SHERD_ERR_UNSUPPORTED, sherd_approved_check(true, (enum sherd_algorithm)strange[i]));
        assert_err(SHERD_ERR_UNSUPPORTED, sherd_approved_check(false, (enum sherd_algorithm)strange[i]));
        assert_int_equal(sherd_approval_of((enum sherd_algorithm)strange[i])->standing, SHERD_NOT_APPROVED);
    }
}

/* Each id of a KEM that two bytes can name: docs/format/recipient.md. */
static void test_crypto_approved__takes_one_of_all_kems(void **state)
{
    unsigned taken = 0;
    unsigned known = 0;

    (void)state;
    for (unsigned id = 0; id <= UINT16_MAX; id++) {
        const enum sherd_algorithm algorithm = sherd_algorithm_of_kem((enum sherd_kem)id);
        const bool approved = sherd_approved_check(true, algorithm) == SHERD_OK;

        assert_int_equal(approved, id == SHERD_KEM_P256);
        assert_int_equal(algorithm != SHERD_ALGORITHM_UNKNOWN, sherd_kem_enc_bytes((enum sherd_kem)id) > 0);
        taken += approved;
        known += algorithm != SHERD_ALGORITHM_UNKNOWN;
    }
    assert_int_equal(taken, 1);
    assert_int_equal(known, 3);
}

/*
 * Each kind of key that a share can be sealed to, of those that one byte can name: docs/format/share.md, section 5.1.
 */
static void test_crypto_approved__takes_both_kinds_of_keys_in_tokens(void **state)
{
    (void)state;
    for (unsigned id = 0; id <= UINT8_MAX; id++) {
        const enum sherd_algorithm algorithm = sherd_algorithm_of_pubkey((enum sherd_pubkey_kind)id);

        assert_int_equal(sherd_approved_check(true, algorithm) == SHERD_OK, id == 1 || id == 2);
    }
    assert_int_equal(sherd_algorithm_of_pubkey(SHERD_PUBKEY_P256), SHERD_ALGORITHM_DHKEM_P256);
    assert_int_equal(sherd_algorithm_of_pubkey(SHERD_PUBKEY_RSA), SHERD_ALGORITHM_RSA_OAEP);
}

/* Each id of a passphrase hash that one byte can name, within its bounds: docs/format/vault.md, anchor/seals/N. */
static void test_crypto_approved__takes_one_of_all_passphrase_hashes(void **state)
{
    static const struct sherd_pwhash_params good[] = {{SHERD_PWHASH_SCRYPT, 20, 8, 1},
                                                      {SHERD_PWHASH_ARGON2ID, 1 << 20, 64, 4},
                                                      {SHERD_PWHASH_PBKDF2, 10000000, 1, 1}};

    (void)state;
    for (unsigned id = 0; id <= UINT8_MAX; id++) {
        const struct sherd_pwhash_params params = {(enum sherd_pwhash_alg)id, 10000000, 1, 1};

        assert_int_equal(sherd_approved_pwhash(true, &params) == SHERD_OK, id == SHERD_PWHASH_PBKDF2);
        assert_int_equal(sherd_algorithm_of_pwhash(params.alg) != SHERD_ALGORITHM_UNKNOWN, id >= 1 && id <= 3);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(good); i++) {
        assert_ok(sherd_approved_pwhash(false, &good[i]));
        assert_int_equal(sherd_approved_pwhash(true, &good[i]) == SHERD_OK, good[i].alg == SHERD_PWHASH_PBKDF2);
    }
}

static void test_crypto_approved__takes_no_fewer_iterations(void **state)
{
    struct sherd_pwhash_params params = sherd_pwhash_for(true);

    (void)state;
    assert_int_equal(params.alg, SHERD_PWHASH_PBKDF2);
    assert_int_equal(params.cost, 600000);
    assert_true(sherd_pwhash_supported(&params));
    assert_ok(sherd_approved_pwhash(true, &params));
    params.cost--;
    assert_true(sherd_pwhash_supported(&params));
    assert_ok(sherd_approved_pwhash(false, &params));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_approved_pwhash(true, &params));
    assert_int_not_equal(sherd_pwhash_for(false).alg, SHERD_PWHASH_PBKDF2);
}

/* One suite encrypts everything, and shares are of two kinds: whoever adds one comes by here. */
static void test_crypto_approved__knows_the_suite_and_the_kinds_of_shares(void **state)
{
    static const enum sherd_algorithm of_suite_1[] = {SHERD_ALGORITHM_AES_256_GCM, SHERD_ALGORITHM_SHA2,
                                                      SHERD_ALGORITHM_HMAC_SHA2, SHERD_ALGORITHM_HKDF_SHA2,
                                                      SHERD_ALGORITHM_DRBG};

    (void)state;
    assert_int_equal(SHERD_SUITE, 1);
    for (size_t i = 0; i < SHERD_COUNT_OF(of_suite_1); i++)
        assert_int_equal(sherd_approval_of(of_suite_1[i])->standing, SHERD_APPROVED);
    assert_int_equal(SHERD_SHARE_SHAMIR, 1);
    assert_int_equal(SHERD_SHARE_XOR, 2);
    assert_int_equal(SHERD_SEAL_PARTS, 4); /* the last kind of seal: a passphrase hash, HKDF, and two of shares */
    assert_ok(sherd_approved_check(true, SHERD_ALGORITHM_KEY_SPLIT));
}

/* --- docs/fips.md ------------------------------------------------------------------------------------------------- */

static char *read_page(void)
{
    FILE *file = fopen(SHERD_TEST_DOCS "/fips.md", "r");
    char *text = test_calloc(1, 1 << 16);

    assert_non_null(file);
    assert_true(fread(text, 1, (1 << 16) - 1, file) > 1000);
    (void)fclose(file);
    return text;
}

/* "| NAME | yes | SOURCE |" for each row, and no other row with a yes or a no. */
static void test_crypto_approved__is_what_the_documentation_shows(void **state)
{
    static const char *const words[] = {"no", "yes", "outside"};
    char *text = read_page();
    unsigned rows = 0;

    (void)state;
    for (unsigned i = 1; i < SHERD_ALGORITHM_COUNT; i++) {
        const struct sherd_approval *row = sherd_approval_of((enum sherd_algorithm)i);
        char line[256];

        (void)snprintf(line, sizeof(line), "\n| %s | %s | %s", row->name, words[row->standing],
                       row->source != NULL ? row->source : "");
        if (strstr(text, line) == NULL)
            fail_msg("docs/fips.md has no row%s", line);
    }
    for (size_t w = 0; w < SHERD_COUNT_OF(words); w++) {
        char cell[16];

        (void)snprintf(cell, sizeof(cell), " | %s |", words[w]);
        for (const char *at = text; (at = strstr(at, cell)) != NULL; at++)
            rows++;
    }
    assert_int_equal(rows, SHERD_ALGORITHM_COUNT - 1);
    assert_non_null(strstr(text, "no validated module is claimed"));
    test_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_approved__says_of_each_what_stands_here),
        cmocka_unit_test(test_crypto_approved__refuses_what_it_does_not_know),
        cmocka_unit_test(test_crypto_approved__takes_one_of_all_kems),
        cmocka_unit_test(test_crypto_approved__takes_both_kinds_of_keys_in_tokens),
        cmocka_unit_test(test_crypto_approved__takes_one_of_all_passphrase_hashes),
        cmocka_unit_test(test_crypto_approved__takes_no_fewer_iterations),
        cmocka_unit_test(test_crypto_approved__knows_the_suite_and_the_kinds_of_shares),
        cmocka_unit_test(test_crypto_approved__is_what_the_documentation_shows),
    };

    return cmocka_run_group_tests_name("crypto_approved", tests, setup, NULL);
}
