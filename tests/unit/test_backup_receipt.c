/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of receipts: only what is so is signed, and only what was signed verifies. */
#include "crypto/sign.h"
#include "envelope/note.h"
#include "vault.h"

static struct sherd_buf key_of(struct vault_test *test)
{
    struct sherd_buf key = {0};

    assert_ok(sherd_receipt_public_key(test->vault, &key));
    return key;
}

static void test_backup_receipt__names_deleted_records(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = key_of(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_uuid ids[3];
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_RECORDS, .records = ids, .record_count = 2};
    struct sherd_receipt receipt;

    for (size_t i = 0; i < 3; i++)
        ids[i] = vault_put(test, NULL, "something");
    assert_ok(sherd_record_delete(test->vault, ids[0]));
    assert_err(SHERD_ERR_CONFLICT, sherd_receipt_make(test->vault, &request, &text));
    assert_int_equal(text.len, 0);
    assert_ok(sherd_record_delete(test->vault, ids[1]));
    assert_ok(sherd_receipt_make(test->vault, &request, &text));
    assert_ok(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
    assert_int_equal(receipt.kind, SHERD_RECEIPT_RECORDS);
    assert_int_equal(receipt.item_count, 2);
    assert_int_equal(receipt.epoch, 1);
    assert_ok(sherd_receipt_names(sherd_buf_span(&text), &ids[0], NULL, NULL));
    assert_ok(sherd_receipt_names(sherd_buf_span(&text), &ids[1], NULL, NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_receipt_names(sherd_buf_span(&text), &ids[2], NULL, NULL));
}

static void test_backup_receipt__names_an_erased_entity_and_not_in_clear(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "customer 17"};
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_ENTITY, .entity = "customer 17"};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = key_of(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    struct sherd_receipt receipt;

    vault_put(test, &meta, "something");
    assert_err(SHERD_ERR_CONFLICT, sherd_receipt_make(test->vault, &request, &text));
    assert_ok(sherd_entity_erase(test->vault, NULL, "customer 17"));
    assert_ok(sherd_receipt_make(test->vault, &request, &text));
    assert_ok(sherd_receipt_make(test->vault, &request, &again));
    assert_ok(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
    assert_int_equal(receipt.kind, SHERD_RECEIPT_ENTITY);
    assert_ok(sherd_receipt_names(sherd_buf_span(&text), NULL, NULL, "customer 17"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_receipt_names(sherd_buf_span(&text), NULL, NULL, "customer 18"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_receipt_names(sherd_buf_span(&text), NULL, "other", "customer 17"));
    assert_null(memmem(text.data, text.len, "customer", 8));
    assert_null(memmem(text.data, text.len, "default", 7));
    assert_memory_not_equal(text.data + 150, again.data + 150, 100); /* the salt is another one */
}

static void test_backup_receipt__states_epochs_and_master_keys_only_when_it_is_so(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_master_options options = {.name = SHERD_MASTER_DEFAULT};
    const struct sherd_rekey_options all = {0};
    const struct sherd_receipt_request rekeyed = {.kind = SHERD_RECEIPT_REKEYED};
    const struct sherd_receipt_request version = {
        .kind = SHERD_RECEIPT_REKEYED, .master_key = SHERD_MASTER_DEFAULT, .master_version = 9};
    const struct sherd_receipt_request epoch = {.kind = SHERD_RECEIPT_EPOCH};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = key_of(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_rekey_stat stat;
    struct sherd_receipt receipt;

    vault_put(test, NULL, "something");
    assert_ok(sherd_master_activate(test->vault, &options, NULL));
    assert_err(SHERD_ERR_CONFLICT, sherd_receipt_make(test->vault, &rekeyed, &text));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_receipt_make(test->vault, &version, &text));
    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &stat));
    assert_ok(sherd_receipt_make(test->vault, &rekeyed, &text));
    assert_ok(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
    assert_int_equal(receipt.item_count, 1);
    sherd_buf_clear(&text);
    assert_ok(sherd_epoch_roll(test->vault, NULL, NULL, &stat, NULL));
    assert_ok(sherd_receipt_make(test->vault, &epoch, &text));
    assert_ok(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
    assert_int_equal(receipt.kind, SHERD_RECEIPT_EPOCH);
    assert_int_equal(receipt.epoch, 2);
}

static void test_backup_receipt__does_not_verify_with_any_byte_changed(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_EPOCH};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = key_of(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_receipt receipt;

    assert_ok(sherd_receipt_make(test->vault, &request, &text));
    for (size_t i = 0; i < text.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            text.data[i] ^= (uint8_t)(1U << bit);
            if (sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt) == SHERD_OK)
                fail_msg("bit %u of byte %zu can be changed", bit, i);
            text.data[i] ^= (uint8_t)(1U << bit);
        }
    for (size_t len = 0; len < text.len; len++)
        assert_int_not_equal(sherd_receipt_verify(sherd_span_of(text.data, len), sherd_buf_span(&key), &receipt),
                             SHERD_OK);
    for (size_t i = 0; i < key.len; i++) {
        key.data[i] ^= 1;
        assert_int_not_equal(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt), SHERD_OK);
        key.data[i] ^= 1;
    }
    assert_ok(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
}

/* The key of the example in C2SP signed-note: PeterNeumann, with its text and signature. */
static void test_backup_receipt__verifies_the_example_of_signed_notes(void **state)
{
    static const char key[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    static const char note[] =
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
        "\n"
        "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSN"
        "XgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    struct sherd_span text;

    (void)state;
    assert_ok(sherd_note_verify(sherd_span_str(note), sherd_span_str(key), &text));
    assert_int_equal(text.len, 99);
    assert_err(SHERD_ERR_TAMPERED,
               sherd_note_verify(sherd_span_of(note, strlen(note) - 1), sherd_span_str(key), &text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_backup_receipt__names_deleted_records, vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_backup_receipt__names_an_erased_entity_and_not_in_clear, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_backup_receipt__states_epochs_and_master_keys_only_when_it_is_so,
                                        vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_backup_receipt__does_not_verify_with_any_byte_changed, vault_setup,
                                        vault_teardown),
        cmocka_unit_test(test_backup_receipt__verifies_the_example_of_signed_notes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
