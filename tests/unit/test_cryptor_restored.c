/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of ledgers that begin anew: what a vault had when it was restored, recovered, or accepted as it is, can be
 * proved, shown and audited as what is put later; and a crash meanwhile leaves nothing out.
 */
#include "base/failpoint.h"
#include "bundle.h"
#include "cryptor/vault.h"
#include "rights.h"
#include <sherd/audit.h>
#include <sherd/ledger.h>
#include <signal.h>
#include <sys/wait.h>

/* More than one batch: src/cryptor/restored.c. */
#define MANY 2300U
#define BLOB_BYTES 70000U

/* Records of all kinds: with several versions, in clear, long. */
struct records {
    struct sherd_uuid all;   /* three versions */
    struct sherd_uuid one;   /* the third of three alone */
    struct sherd_uuid clear; /* a row */
    struct sherd_uuid blob;
    uint64_t version_count;
};

static struct records put_records(struct vault_test *test)
{
    static uint8_t block[BLOB_BYTES];
    const struct sherd_collection readable = {.name = "clear", .versions_kept = 1, .readable = true};
    const struct sherd_record_meta clear = {.collection = "clear"};
    const struct sherd_record_meta all = {.collection = "all", .entity = "alice"};
    struct records records = {.version_count = 3 + 1 + 1 + 1};

    vault_collection(test, "all", 0, false);
    assert_ok(sherd_collection_create(test->vault, &readable));
    records.all = vault_put(test, &all, "1");
    records.one = vault_put(test, NULL, "1");
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(sherd_record_update(test->vault, records.all, 0, NULL, sherd_span_str("2"), NULL));
        assert_ok(sherd_record_update(test->vault, records.one, 0, NULL, sherd_span_str("2"), NULL));
    }
    records.clear = vault_put(test, &clear, "a row");
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, sizeof(block)), &records.blob));
    assert_ok(sherd_record_delete(test->vault, vault_put(test, NULL, "gone before")));
    return records;
}

static struct sherd_audit_stat audit(struct vault_test *test)
{
    struct sherd_audit_stat stat;

    assert_ok(sherd_vault_audit(test->vault, 0, NULL, &stat));
    assert_int_equal(stat.finding_count, 0);
    return stat;
}

/* In `assets` and in `secrets` there is what the ledger says, all of it, and nothing else. */
static void expect_audited(struct vault_test *test, uint64_t versions)
{
    const struct sherd_audit_stat stat = audit(test);

    assert_int_equal(stat.entry_count, 2 * versions);
    assert_int_equal(stat.checked_count, 2 * versions);
    assert_int_equal(stat.stray_count, 0);
}

static void expect_receipt(struct vault_test *test, struct sherd_uuid id, uint64_t version, const char *kind)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    struct sherd_ledger_receipt receipt;

    assert_ok(sherd_ledger_checkpoint(test->vault, NULL, &key, NULL));
    assert_ok(sherd_ledger_receipt(test->vault, id, version, &text));
    assert_ok(sherd_ledger_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
    assert_string_equal(receipt.kind, kind);
    assert_memory_equal(receipt.record.bytes, id.bytes, sizeof(id.bytes));
    assert_int_equal(receipt.version, version);
}

static enum sherd_err count_event(void *arg, const struct sherd_ledger_event *event)
{
    assert_string_equal(event->kind, "restore");
    ++*(unsigned *)arg;
    return SHERD_OK;
}

static unsigned count_history(struct vault_test *test, const struct sherd_ledger_query *query)
{
    unsigned count = 0;

    assert_ok(sherd_ledger_history(test->vault, query, count_event, &count, NULL));
    return count;
}

static uint64_t log_size(struct vault_test *test)
{
    struct sherd_ledger_head head;

    assert_ok(sherd_ledger_checkpoint(test->vault, NULL, NULL, &head));
    return head.size;
}

/* What was there when the ledger began anew, as anybody may ask for it. */
static void expect_told(struct vault_test *test, const struct records *records)
{
    const struct sherd_ledger_query record = {.about = SHERD_LEDGER_RECORD, .id = records->all};
    const struct sherd_ledger_query entity = {.about = SHERD_LEDGER_ENTITY, .collection = "all", .name = "alice"};

    expect_audited(test, records->version_count);
    for (uint64_t version = 1; version <= 3; version++)
        expect_receipt(test, records->all, version, "restore");
    expect_receipt(test, records->one, 3, "restore");
    expect_receipt(test, records->clear, 1, "restore");
    expect_receipt(test, records->blob, 1, "restore");
    assert_int_equal(count_history(test, &record), 3);
    assert_int_equal(count_history(test, &entity), 3);
}

static struct sherd_vault *open_accepting(const struct vault_test *test)
{
    const struct sherd_vault_open_options options = {.accept_rollback = true, .threads = 2};
    struct sherd_vault *vault = NULL;

    assert_ok(sherd_vault_open(test->path, &test->unseal, &options, &vault));
    return vault;
}

/* A backup in which all events are leaves already, of a ledger that ends with it. */
static struct sherd_buf backup_settled(struct vault_test *test)
{
    (void)log_size(test);
    return backup_of(test->vault);
}

static void restore_in_place(struct vault_test *test, struct sherd_span bundle, bool accept_damaged)
{
    struct source source = {bundle};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    const struct sherd_restore_options options = {.accept_damaged = accept_damaged};
    char live[96];
    struct sherd_backup_info info;
    struct sherd_verify_stat stat;

    sherd_vault_close(test->vault);
    test->vault = NULL;
    (void)snprintf(live, sizeof(live), "%s/live", test->root);
    assert_int_equal(rename(test->path, live), 0);
    const struct sherd_backup_keys keys = {.unseal = &test->unseal, .vault = live};
    assert_ok(sherd_backup_restore(&in, &keys, test->path, &options, NULL, &info, &stat));
    vault_reopen(test);
}

static void test_cryptor_restored__a_restored_vault_proves_what_it_has(void **state)
{
    struct vault_test *test = *state;
    const struct records records = put_records(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_settled(test);

    restore_in_place(test, sherd_buf_span(&bundle), false);
    expect_told(test, &records);
    const uint64_t size = log_size(test);
    vault_reopen(test);
    assert_int_equal(log_size(test), size); /* once */
    /* And goes on as one that was never away. */
    assert_ok(sherd_record_update(test->vault, records.all, 0, NULL, sherd_span_str("4"), NULL));
    assert_ok(sherd_record_update(test->vault, records.one, 0, NULL, sherd_span_str("4"), NULL));
    assert_ok(sherd_record_delete(test->vault, records.blob));
    expect_receipt(test, records.one, 4, "update");
    expect_audited(test, records.version_count + 1 - 1);
}

/* arg: the kinds of the events to come. */
static enum sherd_err expect_next(void *arg, const struct sherd_ledger_event *event)
{
    const char ***next = arg;

    assert_non_null(**next);
    assert_string_equal(event->kind, *(*next)++);
    return SHERD_OK;
}

/* Events that were in no leaf yet come with the backup, and before what is said of all. */
static void test_cryptor_restored__what_was_pending_is_told_as_well(void **state)
{
    struct vault_test *test = *state;
    const struct records records = put_records(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);

    restore_in_place(test, sherd_buf_span(&bundle), false);
    const struct sherd_ledger_query blob = {.about = SHERD_LEDGER_RECORD, .id = records.blob};
    const char *kinds[3] = {"put", "restore", NULL};
    const char **next = kinds;
    assert_ok(sherd_ledger_history(test->vault, &blob, expect_next, &next, NULL));
    assert_null(*next);
    expect_audited(test, records.version_count);
}

/* Each entry that is brought back is held against its leaf. */
static void test_cryptor_restored__each_version_that_is_changed_is_found(void **state)
{
    struct vault_test *test = *state;
    const struct records records = put_records(test);
    const struct sherd_uuid ids[] = {records.all, records.one, records.clear};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_settled(test);
    struct sherd_audit_stat stat;

    restore_in_place(test, sherd_buf_span(&bundle), false);
    for (size_t i = 0; i < SHERD_COUNT_OF(ids); i++) {
        struct sherd_pin_view view;
        struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .value = sherd_span_str("changed")};

        assert_ok(test->vault->anchor->ops->pin_get(test->vault->anchor, ids[i], 0, &view, NULL));
        op.name = view.pin.map;
        assert_ok(sherd_compartment_write(test->vault->assets.compartment, &op, 1));
        assert_err(SHERD_ERR_TAMPERED, sherd_vault_audit(test->vault, 0, NULL, &stat));
        assert_int_equal(stat.finding_count, i + 1);
    }
}

static void test_cryptor_restored__what_was_damaged_before_has_no_leaf(void **state)
{
    struct vault_test *test = *state;
    const struct records records = put_records(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_pin_view view;
    struct sherd_store_op op = {.kind = SHERD_STORE_DELETE};

    assert_ok(test->vault->anchor->ops->pin_get(test->vault->anchor, records.one, 0, &view, NULL));
    op.name = view.pin.map;
    assert_ok(sherd_compartment_write(test->vault->assets.compartment, &op, 1));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_settled(test);
    restore_in_place(test, sherd_buf_span(&bundle), true);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_receipt(test->vault, records.one, 0, &text));
    expect_receipt(test, records.all, 2, "restore");
    assert_int_equal(audit(test).entry_count, 2 * (records.version_count - 1));
}

static void test_cryptor_restored__a_recovered_vault_proves_what_it_has(void **state)
{
    struct vault_test *test = *state;
    const struct records records = put_records(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_settled(test);
    struct source source = {sherd_buf_span(&bundle)};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    const struct sherd_backup_keys keys = {.unseal = &test->unseal, .vault = test->path};
    struct sherd_recovery told;
    char keyring[96];

    sherd_vault_close(test->vault);
    test->vault = NULL;
    (void)snprintf(keyring, sizeof(keyring), "%s/anchor/keyring", test->path);
    assert_int_equal(remove(keyring), 0);
    assert_ok(sherd_anchor_recover(test->path, &in, &keys, &told));
    vault_reopen(test);
    expect_told(test, &records);
}

static void test_cryptor_restored__a_rollback_that_was_accepted_is_told_from_then_on(void **state)
{
    struct vault_test *test = *state;
    const struct records records = put_records(test);

    sherd_vault_close(test->vault);
    test->vault = open_accepting(test);
    expect_told(test, &records);
    vault_reopen(test);
    expect_told(test, &records);
}

/* --- many, and crashes -------------------------------------------------------------------------------------------- */

static void put_many(struct vault_test *test)
{
    static struct sherd_batch_item items[SHERD_BATCH_ITEMS_MAX];

    for (size_t done = 0, count; done < MANY; done += count) {
        count = MANY - done < SHERD_BATCH_ITEMS_MAX ? MANY - done : SHERD_BATCH_ITEMS_MAX;
        for (size_t i = 0; i < count; i++)
            items[i] = (struct sherd_batch_item){.content = sherd_span_str("one of many")};
        assert_ok(sherd_record_put_batch(test->vault, items, count));
    }
}

/* Dies at a hit of a name. */
struct death {
    const char *name;
    unsigned hit;
};

static enum sherd_err die_there(void *arg, const char *name)
{
    struct death *death = arg;

    if (strcmp(death->name, name) == 0 && --death->hit == 0)
        (void)kill(getpid(), SIGKILL);
    return SHERD_OK;
}

static void die_while_accepting(const struct vault_test *test, struct death death)
{
    const pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        sherd_failpoint_set(die_there, &death);
        (void)open_accepting(test);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Who opens the vault next, in whatever way, ends what was begun; of two leaves of a version the last one counts. */
static void test_cryptor_restored__a_crash_leaves_nothing_out(void **state)
{
    static const struct death deaths[] = {
        {"restored.before_write", 1}, {"restored.before_write", 2}, {"restored.written", 2}};
    struct vault_test *test = *state;

    put_many(test);
    for (size_t i = 0; i < SHERD_COUNT_OF(deaths); i++) {
        sherd_vault_close(test->vault);
        test->vault = NULL;
        die_while_accepting(test, deaths[i]);
        test->vault = vault_open_as(test, true, 1); /* who only reads does not */
        assert_true(log_size(test) < 2 + 2 * MANY);
        vault_reopen(test);
        expect_audited(test, MANY);
        const uint64_t size = log_size(test);
        vault_reopen(test);
        assert_int_equal(log_size(test), size);
    }
    vault_assert_clean(test, 0);
}

/* Of several who open it at once one makes the leaves, once, and the others wait for it. */
static void test_cryptor_restored__those_who_open_it_at_once_make_them_once(void **state)
{
    struct vault_test *test = *state;
    pid_t children[4];

    put_many(test);
    sherd_vault_close(test->vault);
    test->vault = NULL;
    die_while_accepting(test, (struct death){"restored.before_write", 1}); /* before the first of them */
    for (size_t i = 0; i < SHERD_COUNT_OF(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            (void)vault_open_as(test, false, 1);
            _exit(0);
        }
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(children); i++) {
        int status = 1;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    vault_reopen(test);
    assert_int_equal(log_size(test), 1 + MANY);
    expect_audited(test, MANY);
}

/* A user who opens it first makes the leaves of all records, also of those that are not the user's. */
static void test_cryptor_restored__a_user_may_be_the_first(void **state)
{
    struct vault_test *test = *state;
    const struct records records = put_records(test);
    const struct user user = user_new(test, "anna");
    const struct sherd_vault_open_options anna = {.user = "anna",
                                                  .user_key = sherd_span_of(user.key_block, sizeof(user.key_block)),
                                                  .accept_rollback = true,
                                                  .threads = 1};
    struct sherd_vault *vault = NULL;

    sherd_vault_close(test->vault);
    test->vault = NULL;
    assert_ok(sherd_vault_open(test->path, &test->unseal, &anna, &vault));
    sherd_vault_close(vault);
    vault_reopen(test);
    expect_told(test, &records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_restored__a_restored_vault_proves_what_it_has),
        vault_test_of(test_cryptor_restored__what_was_pending_is_told_as_well),
        vault_test_of(test_cryptor_restored__each_version_that_is_changed_is_found),
        vault_test_of(test_cryptor_restored__what_was_damaged_before_has_no_leaf),
        vault_test_of(test_cryptor_restored__a_recovered_vault_proves_what_it_has),
        vault_test_of(test_cryptor_restored__a_rollback_that_was_accepted_is_told_from_then_on),
        vault_test_of(test_cryptor_restored__a_crash_leaves_nothing_out),
        vault_test_of(test_cryptor_restored__those_who_open_it_at_once_make_them_once),
        vault_test_of(test_cryptor_restored__a_user_may_be_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
