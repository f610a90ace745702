/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of inspect: it shows every stored thing of one compartment, without any key. */
#include "anchor/ring/changes.h"
#include "vault.h"

#define SHOWN_MAX 64U

struct shown {
    size_t count;
    struct sherd_inspect_entry entries[SHOWN_MAX];
    uint8_t heads[SHOWN_MAX][64];
    size_t stop_at;
};

static enum sherd_err note(void *arg, const struct sherd_inspect_entry *entry)
{
    struct shown *shown = arg;

    assert_true(shown->count < SHOWN_MAX);
    assert_true(entry->head.len <= 64 && entry->head.len <= entry->bytes);
    shown->entries[shown->count] = *entry;
    memcpy(shown->heads[shown->count], entry->head.data, entry->head.len);
    shown->count++;
    return shown->count == shown->stop_at ? sherd_fail(SHERD_ERR_BUSY, "enough") : SHERD_OK;
}

static void test_scrub_inspect__shows_each_compartment_without_a_key(void **state)
{
    static const char *const compartments[] = {"identity", "assets", "secrets", "keys"};
    struct vault_test *test = *state;
    uint8_t *block = test_calloc(1, 100000);
    struct sherd_vault_info info;
    struct sherd_uuid id;

    (void)vault_put(test, NULL, "attack at dawn");
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, 100000), &id));
    assert_ok(sherd_vault_info(test->vault, &info));
    sherd_vault_close(test->vault);
    test->vault = NULL;
    for (size_t c = 0; c < SHERD_COUNT_OF(compartments); c++) {
        struct shown shown = {.count = 0};
        uint64_t blobs = 0;
        uint64_t pending = 0; /* what waits for the ledger is not among what `keys` is said to hold */

        assert_ok(sherd_compartment_inspect(test->path, compartments[c], note, &shown));
        for (size_t i = 0; i < shown.count; i++) {
            const struct sherd_inspect_entry *entry = &shown.entries[i];

            struct sherd_ref name;

            memcpy(name.bytes, entry->name, sizeof(name.bytes));
            blobs += entry->blob ? 1 : 0;
            pending += sherd_pending_named(&name) ? 1 : 0;
            assert_int_equal(shown.heads[i][0], 1); /* format */
            assert_int_equal(entry->head.len, 64);
            if (entry->blob)
                assert_true(entry->bytes > 100000);
            if (i > 0 && entry->blob == shown.entries[i - 1].blob)
                assert_true(memcmp(entry->name, shown.entries[i - 1].name, 16) > 0);
        }
        assert_int_equal(shown.count - blobs - pending, info.entry_count[c]);
        assert_int_equal(blobs, info.blob_count[c]);
    }
    test_free(block);
}

static void test_scrub_inspect__ends_with_the_visitor_s_code(void **state)
{
    struct vault_test *test = *state;
    struct shown shown = {.stop_at = 2};

    sherd_vault_close(test->vault);
    test->vault = NULL;
    assert_err(SHERD_ERR_BUSY, sherd_compartment_inspect(test->path, "assets", note, &shown));
    assert_int_equal(shown.count, 2);
    test->vault = vault_open_as(test, false, 0); /* nothing is left open */
}

static void test_scrub_inspect__refuses_what_is_no_compartment(void **state)
{
    static const char *const others[] = {"", "anchor", "Assets", "assets/", "../vault/assets"};
    struct vault_test *test = *state;
    struct shown shown = {.count = 0};

    sherd_vault_close(test->vault);
    test->vault = NULL;
    for (size_t i = 0; i < SHERD_COUNT_OF(others); i++)
        assert_err(SHERD_ERR_INVALID, sherd_compartment_inspect(test->path, others[i], note, &shown));
    assert_err(SHERD_ERR_INVALID, sherd_compartment_inspect(test->path, NULL, note, &shown));
    assert_err(SHERD_ERR_INVALID, sherd_compartment_inspect(NULL, "assets", note, &shown));
    assert_err(SHERD_ERR_INVALID, sherd_compartment_inspect(test->path, "assets", NULL, &shown));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_compartment_inspect(test->root, "assets", note, &shown));
    assert_int_equal(shown.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_scrub_inspect__shows_each_compartment_without_a_key),
        vault_test_of(test_scrub_inspect__ends_with_the_visitor_s_code),
        vault_test_of(test_scrub_inspect__refuses_what_is_no_compartment),
    };

    return cmocka_run_group_tests_name("scrub_inspect", tests, NULL, NULL);
}
