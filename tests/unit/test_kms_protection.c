/* SPDX-License-Identifier: Apache-2.0 */
/* The protection key: versions, history, and a PKCS#12 key store that is turned on and never off. */
#include "kms.h"

#include "base/file.h"
#include "crypto/pkcs12.h"
#include "pkcs12_java.h"

static const char password[] = "correct horse battery staple";

struct protection_test {
    char root[40];
    struct sherd_protections *set;
    struct sherd_key_file_store store;
};

static int setup(void **state)
{
    struct protection_test *test = test_calloc(1, sizeof(*test));

    (void)snprintf(test->root, sizeof(test->root), "/tmp/sherd-test-prot-XXXXXX");
    if (mkdtemp(test->root) == NULL || sherd_crypto_init() != SHERD_OK)
        return -1;
    test->set = sherd_secret_alloc(sizeof(*test->set));
    assert_non_null(test->set);
    test->store = (struct sherd_key_file_store){test->root, "keys.p12", sherd_span_str(password)};
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct protection_test *test = *state;

    sherd_secret_free(test->set);
    vault_remove(test->root);
    test_free(test);
    return 0;
}

/* What the keyring would hold: a version outside comes without its bytes. */
static struct sherd_protections *as_read_from_keyring(const struct sherd_protections *set)
{
    struct sherd_protections *read = sherd_secret_alloc(sizeof(*read));

    assert_non_null(read);
    *read = *set;
    for (size_t i = 0; i < read->count; i++)
        if (read->list[i].outside) {
            sherd_wipe(read->list[i].key, sizeof(read->list[i].key));
            read->list[i].loaded = false;
        }
    return read;
}

static void assert_same_key(const struct sherd_protections *a, const struct sherd_protections *b, uint64_t version)
{
    const uint8_t *first = NULL;
    const uint8_t *second = NULL;

    assert_ok(sherd_protections_key(a, version, &first));
    assert_ok(sherd_protections_key(b, version, &second));
    assert_memory_equal(first, second, 32);
}

static void test_kms_protection__rotates_with_history(void **state)
{
    struct protection_test *test = *state;
    const uint8_t *first = NULL;
    const uint8_t *second = NULL;

    assert_int_equal(sherd_protections_current(test->set), 0);
    assert_err(SHERD_ERR_TAMPERED, sherd_protections_key(test->set, 0, &first));
    assert_ok(sherd_protections_rotate(test->set, NULL, 1700000000));
    assert_ok(sherd_protections_rotate(test->set, NULL, 1700000001));
    assert_int_equal(sherd_protections_current(test->set), 2);
    assert_false(sherd_protections_outside(test->set));
    assert_ok(sherd_protections_key(test->set, 1, &first));
    assert_ok(sherd_protections_key(test->set, 2, &second));
    assert_memory_not_equal(first, second, 32);
    assert_int_equal(test->set->list[1].created_s, 1700000001);
    assert_err(SHERD_ERR_TAMPERED, sherd_protections_key(test->set, 3, &first));
    assert_ok(sherd_protections_load(test->set, NULL)); /* there is nothing outside */
}

static void test_kms_protection__drops_what_is_not_current(void **state)
{
    static const uint8_t nothing[32];
    struct protection_test *test = *state;
    const uint8_t *key = NULL;

    for (int i = 0; i < 3; i++)
        assert_ok(sherd_protections_rotate(test->set, NULL, 1700000000));
    assert_err(SHERD_ERR_CONFLICT, sherd_protections_drop(test->set, 3));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_protections_drop(test->set, 4));
    assert_ok(sherd_protections_drop(test->set, 1));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_protections_drop(test->set, 1));
    assert_err(SHERD_ERR_TAMPERED, sherd_protections_key(test->set, 1, &key));
    assert_ok(sherd_protections_key(test->set, 2, &key));
    assert_memory_equal(test->set->list[2].key, nothing, 32); /* nothing stays behind the end */
    assert_ok(sherd_protections_rotate(test->set, NULL, 1700000000));
    assert_int_equal(sherd_protections_current(test->set), 4);
}

static void test_kms_protection__has_a_ceiling(void **state)
{
    struct protection_test *test = *state;

    for (unsigned i = 0; i < SHERD_PROTECTION_VERSIONS_MAX; i++)
        assert_ok(sherd_protections_rotate(test->set, NULL, 1700000000));
    assert_err(SHERD_ERR_LIMIT, sherd_protections_rotate(test->set, NULL, 1700000000));
    assert_ok(sherd_protections_drop(test->set, 5));
    assert_ok(sherd_protections_rotate(test->set, NULL, 1700000000));
    assert_int_equal(sherd_protections_current(test->set), SHERD_PROTECTION_VERSIONS_MAX + 1);
}

static void test_kms_protection__moves_into_a_key_store_and_never_out(void **state)
{
    struct protection_test *test = *state;
    const uint8_t *key = NULL;

    assert_ok(sherd_protections_rotate(test->set, NULL, 1700000000));
    assert_ok(sherd_protections_rotate(test->set, &test->store, 1700000001));
    assert_true(sherd_protections_outside(test->set));
    assert_int_equal(sherd_protections_current(test->set), 2);
    assert_false(test->set->list[0].outside);

    assert_err(SHERD_ERR_DENIED, sherd_protections_rotate(test->set, NULL, 1700000002));
    assert_non_null(strstr(sherd_err_detail(), "never taken out"));
    assert_int_equal(sherd_protections_current(test->set), 2);

    struct sherd_protections *read = as_read_from_keyring(test->set);
    assert_err(SHERD_ERR_SEALED, sherd_protections_load(read, NULL));
    assert_non_null(strstr(sherd_err_detail(), "--key-store-password-file"));
    assert_true(sherd_protections_wanting(read, 2));
    assert_false(sherd_protections_wanting(read, 1));
    assert_err(SHERD_ERR_SEALED, sherd_protections_key(read, 2, &key));
    assert_ok(sherd_protections_key(read, 1, &key)); /* what was kept before still opens */
    assert_ok(sherd_protections_load(read, &test->store));
    assert_same_key(read, test->set, 1);
    assert_same_key(read, test->set, 2);
    sherd_secret_free(read);
}

static void test_kms_protection__keeps_the_history_in_the_key_store(void **state)
{
    struct protection_test *test = *state;

    for (int i = 0; i < 3; i++) /* on from the first */
        assert_ok(sherd_protections_rotate(test->set, &test->store, 1700000000));
    struct sherd_protections *read = as_read_from_keyring(test->set);
    assert_ok(sherd_protections_load(read, &test->store));
    for (uint64_t version = 1; version <= 3; version++)
        assert_same_key(read, test->set, version);
    assert_memory_not_equal(read->list[0].key, read->list[1].key, 32);
    sherd_secret_free(read);
}

/* An entry that is there already is taken: an operator's, or one whose keyring was never written. */
static void test_kms_protection__takes_the_entry_that_is_there(void **state)
{
    static const uint8_t first[32] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t second[32] = {0xff, 0xee};
    struct protection_test *test = *state;
    const uint8_t *key = NULL;

    assert_ok(sherd_file_write_new(test->root, "keys.p12", sherd_span_of(pkcs12_java, sizeof(pkcs12_java))));
    assert_ok(sherd_protections_rotate(test->set, &test->store, 1700000000));
    assert_ok(sherd_protections_key(test->set, 1, &key));
    assert_memory_equal(key, first, 32);
    assert_ok(sherd_protections_rotate(test->set, &test->store, 1700000000));
    assert_ok(sherd_protections_key(test->set, 2, &key));
    assert_memory_equal(key, second, 32);
    assert_ok(sherd_protections_rotate(test->set, &test->store, 1700000000)); /* beside Java's */
    struct sherd_protections *read = as_read_from_keyring(test->set);
    assert_ok(sherd_protections_load(read, &test->store));
    assert_same_key(read, test->set, 3);
    assert_memory_equal(read->list[0].key, first, 32);
    sherd_secret_free(read);
}

static void test_kms_protection__tells_wrong_password_damage_and_missing_apart(void **state)
{
    struct protection_test *test = *state;
    struct sherd_key_file_store wrong = test->store;
    struct sherd_key_file_store missing = test->store;
    uint8_t bytes[sizeof(pkcs12_java)];

    memcpy(bytes, pkcs12_java, sizeof(bytes));
    assert_ok(sherd_file_write_new(test->root, "keys.p12", sherd_span_of(bytes, sizeof(bytes))));
    assert_ok(sherd_protections_rotate(test->set, &test->store, 1700000000));
    struct sherd_protections *read = as_read_from_keyring(test->set);

    wrong.password = sherd_span_str("incorrect horse");
    assert_err(SHERD_ERR_DENIED, sherd_protections_load(read, &wrong));
    assert_non_null(strstr(sherd_err_detail(), "password"));
    assert_null(strstr(sherd_err_detail(), "horse"));
    assert_err(SHERD_ERR_DENIED, sherd_protections_rotate(test->set, &wrong, 1700000000));
    assert_int_equal(test->set->count, 1);

    missing.name = "other.p12";
    assert_err(SHERD_ERR_IO, sherd_protections_load(read, &missing));
    assert_non_null(strstr(sherd_err_detail(), "other.p12 is missing"));
    assert_err(SHERD_ERR_IO, sherd_protections_rotate(test->set, &missing, 1700000000)); /* no second one is made */
    assert_int_equal(test->set->count, 1);

    read->list[0].version = 9;
    assert_err(SHERD_ERR_DENIED, sherd_protections_load(read, &test->store));
    assert_non_null(strstr(sherd_err_detail(), "sherd-protection-9"));
    read->list[0].version = 1;

    bytes[sizeof(bytes) - 100] ^= 1; /* in the second key or behind it: the first still opens */
    assert_ok(sherd_file_write(test->root, "keys.p12", sherd_span_of(bytes, sizeof(bytes))));
    assert_err(SHERD_ERR_TAMPERED, sherd_protections_load(read, &test->store));
    assert_non_null(strstr(sherd_err_detail(), "damaged"));
    assert_false(read->list[0].loaded);
    sherd_secret_free(read);
}

/* What the keyring knows a key by: another one of the same name is not taken for it. */
static void test_kms_protection__refuses_another_vaults_key_store(void **state)
{
    struct protection_test *test = *state;
    struct sherd_key_file_store other = test->store;
    struct sherd_protections *others = sherd_secret_alloc(sizeof(*others));

    assert_non_null(others);
    other.name = "other.p12";
    assert_ok(sherd_protections_rotate(test->set, &test->store, 1700000000));
    assert_ok(sherd_protections_rotate(others, &other, 1700000000));
    struct sherd_protections *read = as_read_from_keyring(test->set);
    assert_err(SHERD_ERR_DENIED, sherd_protections_load(read, &other));
    assert_non_null(strstr(sherd_err_detail(), "another vault's"));
    assert_false(read->list[0].loaded);
    assert_err(SHERD_ERR_DENIED, sherd_protections_rotate(test->set, &other, 1700000000));
    sherd_protections_fill(read, others);
    assert_false(read->list[0].loaded);
    sherd_protections_fill(read, test->set);
    assert_same_key(read, test->set, 1);
    sherd_secret_free(read);
    sherd_secret_free(others);
}

static void test_kms_protection__finds_the_file_itself(void **state)
{
    struct protection_test *test = *state;
    char given[80];
    char path[SHERD_KEY_STORE_PATH_SIZE];
    char expected[80];
    char room[SHERD_KEY_STORE_PATH_SIZE];

    (void)snprintf(given, sizeof(given), "%s/../%s/keys.p12", test->root, strrchr(test->root, '/') + 1);
    (void)snprintf(expected, sizeof(expected), "%s/keys.p12", test->root);
    assert_ok(sherd_key_file_path(given, path)); /* it is not there yet */
    assert_string_equal(path, expected);
    assert_ok(sherd_file_write_new(test->root, "keys.p12", sherd_span_str("x")));
    (void)snprintf(given, sizeof(given), "%s/link", test->root);
    assert_int_equal(symlink(expected, given), 0);
    assert_ok(sherd_key_file_path(given, path));
    assert_string_equal(path, expected);
    const struct sherd_key_file_store store = sherd_key_file_store_of(path, sherd_span_str(password), room);
    assert_string_equal(store.dir, test->root);
    assert_string_equal(store.name, "keys.p12");
    const struct sherd_key_file_store top = sherd_key_file_store_of("/k", sherd_span_str(password), room);
    assert_string_equal(top.dir, "");
    assert_string_equal(top.name, "k");

    assert_err(SHERD_ERR_INVALID, sherd_key_file_path("", path));
    assert_err(SHERD_ERR_INVALID, sherd_key_file_path("/tmp/", path));
    (void)snprintf(given, sizeof(given), "%s/none/keys.p12", test->root);
    assert_err(SHERD_ERR_IO, sherd_key_file_path(given, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kms_protection__rotates_with_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kms_protection__drops_what_is_not_current, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kms_protection__has_a_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kms_protection__moves_into_a_key_store_and_never_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kms_protection__keeps_the_history_in_the_key_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kms_protection__takes_the_entry_that_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kms_protection__refuses_another_vaults_key_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kms_protection__finds_the_file_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kms_protection__tells_wrong_password_damage_and_missing_apart, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("kms_protection", tests, NULL, NULL);
}
