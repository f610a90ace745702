/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of verify: what it counts, what it reports and to whom, how it stops. Attacks of all kinds are in tests/tamper;
 * here one of each kind of finding shows that it is reported as such.
 */
#include "cryptor/vault.h"
#include "scrub/pages.h"
#include "scrub/verify.h"
#include "vault.h"
#include <pthread.h>
#include <stdatomic.h>

#define FINDINGS_MAX 16U

struct report {
    size_t count;
    struct sherd_finding findings[FINDINGS_MAX];
    char compartments[FINDINGS_MAX][16];
    uint64_t done;
    uint64_t total;
    unsigned steps;
    unsigned stop_at; /* step; 0 for never */
    bool backwards;
};

static void note_finding(void *arg, const struct sherd_finding *finding)
{
    struct report *report = arg;

    assert_true(report->count < FINDINGS_MAX);
    assert_non_null(finding->text);
    report->findings[report->count] = *finding;
    (void)snprintf(report->compartments[report->count], 16, "%s", finding->compartment);
    report->count++;
}

static bool note_progress(void *arg, uint64_t done, uint64_t total)
{
    struct report *report = arg;

    report->backwards = report->backwards || done < report->done;
    report->done = done;
    report->total = total;
    report->steps++;
    return report->steps != report->stop_at;
}

static enum sherd_err verify(struct vault_test *test, const struct sherd_uuid *id, struct report *report,
                             struct sherd_verify_stat *out_stat)
{
    const struct sherd_observer observer = {.finding = note_finding, .progress = note_progress, .arg = report};

    memset(out_stat, 0, sizeof(*out_stat));
    return sherd_vault_verify(test->vault, id, &observer, out_stat);
}

static void test_scrub_verify__counts_what_it_checked(void **state)
{
    static const size_t lengths[] = {0, 10, 65536, 65537, 100000, 262144, 5000000};
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(5000000);
    struct sherd_uuid ids[SHERD_COUNT_OF(lengths)];
    struct report report = {0};
    struct sherd_verify_stat stat;
    uint64_t total = 0;

    vault_fill(block, 5000000, 1);
    assert_ok(verify(test, NULL, &report, &stat));
    assert_int_equal(stat.record_count, 0);
    assert_int_equal(stat.content_bytes, 0);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, lengths[i]), &ids[i]));
        total += lengths[i];
    }
    report = (struct report){0};
    assert_ok(verify(test, NULL, &report, &stat));
    assert_int_equal(stat.record_count, SHERD_COUNT_OF(lengths));
    assert_int_equal(stat.version_count, SHERD_COUNT_OF(lengths));
    assert_int_equal(stat.content_bytes, total);
    assert_int_equal(stat.finding_count, 0);
    assert_int_equal(stat.orphan_count, 0);
    assert_false(report.backwards);
    assert_true(report.total >= total);
    assert_true(report.steps >= SHERD_COUNT_OF(lengths));
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        assert_ok(verify(test, &ids[i], &report, &stat));
        assert_int_equal(stat.record_count, 1);
        assert_int_equal(stat.version_count, 1);
        assert_int_equal(stat.content_bytes, lengths[i]);
    }
    test_free(block);
}

static void test_scrub_verify__counts_each_version(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.collection = "all"};
    struct report report = {0};
    struct sherd_verify_stat stat;

    vault_collection(test, "all", 0, false);
    const struct sherd_uuid id = vault_put(test, &meta, "1");
    (void)vault_put(test, &meta, "other");
    for (unsigned i = 0; i < 9; i++)
        assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("22"), NULL));
    assert_ok(verify(test, NULL, &report, &stat));
    assert_int_equal(stat.record_count, 2);
    assert_int_equal(stat.version_count, 11);
    assert_int_equal(stat.content_bytes, 1 + 9 * 2 + 5);
    assert_ok(verify(test, &id, &report, &stat));
    assert_int_equal(stat.record_count, 1);
    assert_int_equal(stat.version_count, 10);
    assert_int_equal(stat.content_bytes, 1 + 9 * 2);
}

static void test_scrub_verify__checks_more_pins_than_a_page_holds(void **state)
{
    struct vault_test *test = *state;
    struct sherd_batch_item *items = test_calloc(1024, sizeof(*items));
    struct report report = {0};
    struct sherd_verify_stat stat;

    assert_ok(sherd_record_put_batch(test->vault, items, 1024));
    assert_ok(sherd_record_put_batch(test->vault, items, 700));
    assert_ok(verify(test, NULL, &report, &stat));
    assert_int_equal(stat.record_count, 1724);
    assert_int_equal(stat.version_count, 1724);
    test_free(items);
}

static void test_scrub_verify__stops_where_the_observer_says(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_calloc(1, 5000000);
    struct report report = {.stop_at = 3};
    struct sherd_verify_stat stat;
    struct sherd_uuid id;

    for (unsigned i = 0; i < 20; i++)
        (void)vault_put(test, NULL, "x");
    assert_err(SHERD_ERR_BUSY, verify(test, NULL, &report, &stat));
    assert_int_equal(report.steps, 3); /* once it was told to stop, it asks no more */
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, 5000000), &id));
    report = (struct report){.stop_at = 2};
    assert_err(SHERD_ERR_BUSY, verify(test, &id, &report, &stat));
    assert_int_equal(report.steps, 2);
    test_free(block);
}

static void test_scrub_verify__refuses_calls_without_their_arguments(void **state)
{
    struct vault_test *test = *state;
    struct report report = {0};
    struct sherd_verify_stat stat;
    struct sherd_uuid other;

    assert_ok(sherd_uuid_new(&other));
    assert_err(SHERD_ERR_INVALID, sherd_vault_verify(NULL, NULL, NULL, &stat));
    assert_err(SHERD_ERR_INVALID, sherd_vault_verify(test->vault, NULL, NULL, NULL));
    assert_err(SHERD_ERR_NOT_FOUND, verify(test, &other, &report, &stat));
    assert_int_equal(report.count, 0);
}

/* --- one finding of each kind ------------------------------------------------------------------------------------- */

static struct sherd_pin_view pin_of(struct vault_test *test, struct sherd_uuid id, uint64_t version)
{
    struct sherd_pin_view view;

    assert_ok(test->vault->anchor->ops->pin_get(test->vault->anchor, id, version, &view, NULL));
    return view;
}

static struct sherd_ref data_of(struct vault_test *test, struct sherd_uuid id, uint64_t version)
{
    const struct sherd_pin_view view = pin_of(test, id, version);
    struct sherd_buf payload = {0};
    struct sherd_map map;

    assert_ok(sherd_assets_map_get(&test->vault->assets, &view.pin.map, &payload, &map));
    sherd_buf_done(&payload);
    return map.data;
}

static void remove_entry(struct sherd_compartment *compartment, struct sherd_ref name)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .name = name};

    assert_ok(sherd_compartment_write(compartment, &op, 1));
}

/* Change the last byte of an entry. */
static void damage_entry(struct sherd_compartment *compartment, struct sherd_ref name)
{
    struct sherd_buf stored = {0};

    assert_ok(sherd_compartment_get(compartment, name, &stored));
    stored.data[stored.len - 1] ^= 1;
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .name = name, .value = sherd_buf_span(&stored)};
    assert_ok(sherd_compartment_write(compartment, &op, 1));
    sherd_buf_done(&stored);
}

static void assert_one_finding(struct vault_test *test, const struct sherd_uuid *id, uint64_t version,
                               enum sherd_finding_kind kind, const char *compartment)
{
    struct report report = {0};
    struct sherd_verify_stat stat;

    for (unsigned i = 0; i < 2; i++) { /* of the whole vault, and of the record */
        report = (struct report){0};
        if (i == 1 && id == NULL)
            break;
        assert_err(SHERD_ERR_TAMPERED, verify(test, i == 0 ? NULL : id, &report, &stat));
        assert_int_equal(stat.finding_count, 1);
        assert_int_equal(report.count, 1);
        assert_int_equal(report.findings[0].kind, kind);
        assert_string_equal(report.compartments[0], compartment);
        assert_int_equal(report.findings[0].has_record, id != NULL);
        if (id != NULL) {
            assert_true(vault_same_id(report.findings[0].id, *id));
            assert_int_equal(report.findings[0].version, version);
        }
    }
}

static void test_scrub_verify__reports_a_map_entry(void **state)
{
    struct vault_test *test = *state;
    struct sherd_verify_stat stat;
    struct report report = {0};
    const struct sherd_uuid damaged = vault_put(test, NULL, "x");
    const struct sherd_uuid stays = vault_put(test, NULL, "y");

    remove_entry(test->vault->assets.compartment, pin_of(test, damaged, 0).pin.map);
    assert_one_finding(test, &damaged, 1, SHERD_FINDING_MAP, "assets");
    assert_err(SHERD_ERR_TAMPERED, vault_get(test, damaged, 0));
    assert_ok(verify(test, &stays, &report, &stat)); /* of another record nothing is said */
}

static void test_scrub_verify__reports_a_fragment_that_is_an_entry(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "x");

    damage_entry(test->vault->secrets, data_of(test, id, 0));
    assert_one_finding(test, &id, 1, SHERD_FINDING_FRAGMENT, "secrets");
    remove_entry(test->vault->secrets, data_of(test, id, 0));
    assert_one_finding(test, &id, 1, SHERD_FINDING_FRAGMENT, "secrets");
}

static void test_scrub_verify__reports_a_fragment_that_is_a_blob(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_calloc(1, 300000);
    struct sherd_uuid id;

    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, 300000), &id));
    assert_ok(sherd_compartment_blob_delete(test->vault->secrets, data_of(test, id, 0)));
    assert_one_finding(test, &id, 1, SHERD_FINDING_FRAGMENT, "secrets");
    test_free(block);
}

static void test_scrub_verify__reports_an_older_version(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.collection = "all"};

    vault_collection(test, "all", 0, false);
    const struct sherd_uuid id = vault_put(test, &meta, "1");
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("3"), NULL));
    damage_entry(test->vault->secrets, data_of(test, id, 2));
    assert_one_finding(test, &id, 2, SHERD_FINDING_FRAGMENT, "secrets");
    vault_assert_text(test, id, 3, "3");
    vault_assert_text(test, id, 1, "1");
    assert_err(SHERD_ERR_TAMPERED, vault_get(test, id, 2));
}

/* Damage the first entry of a kind in a compartment. */
struct wanted {
    enum sherd_kind kind;
    struct sherd_ref name;
    bool found;
};

static enum sherd_err find_kind(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct wanted *wanted = arg;

    if (!wanted->found && stored.data[1] == wanted->kind) {
        wanted->name = name;
        wanted->found = true;
    }
    return SHERD_OK;
}

static void damage_kind(struct sherd_compartment *compartment, enum sherd_kind kind)
{
    struct wanted wanted = {.kind = kind};
    struct sherd_snapshot *snapshot = NULL;

    assert_ok(sherd_compartment_snapshot_begin(compartment, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, find_kind, &wanted));
    sherd_snapshot_end(snapshot);
    assert_true(wanted.found);
    damage_entry(compartment, wanted.name);
}

static void test_scrub_verify__reports_a_pin(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "x");
    struct report report = {0};
    struct sherd_verify_stat stat;

    damage_kind(test->vault->keys, SHERD_KIND_PIN);
    assert_one_finding(test, NULL, 0, SHERD_FINDING_PIN, "keys");
    assert_err(SHERD_ERR_TAMPERED, verify(test, &id, &report, &stat));
    assert_int_equal(stat.finding_count, 1);
    assert_int_equal(report.count, 1); /* what is counted is told */
    assert_int_equal(report.findings[0].kind, SHERD_FINDING_PIN);
}

static void test_scrub_verify__reports_entries_of_other_kinds(void **state)
{
    struct vault_test *test = *state;
    struct report report = {0};
    struct sherd_verify_stat stat;
    bool in_identity = false;

    damage_kind(test->vault->identity, SHERD_KIND_PRINCIPAL);
    assert_err(SHERD_ERR_TAMPERED, verify(test, NULL, &report, &stat));
    assert_int_equal(report.count, 2); /* the entry, and the pin in keys that finds it not */
    for (size_t i = 0; i < report.count; i++)
        in_identity = in_identity || (report.findings[i].kind == SHERD_FINDING_ENTRY &&
                                      strcmp(report.compartments[i], "identity") == 0);
    assert_true(in_identity);
}

static void test_scrub_verify__reports_a_collection(void **state)
{
    struct vault_test *test = *state;
    struct report report = {0};
    struct sherd_verify_stat stat;

    damage_kind(test->vault->assets.compartment, SHERD_KIND_COLLECTION);
    assert_err(SHERD_ERR_TAMPERED, verify(test, NULL, &report, &stat));
    assert_int_equal(report.count, 2); /* the entry, and the collection whose pin finds it not */
    for (size_t i = 0; i < report.count; i++) {
        assert_int_equal(report.findings[i].kind, SHERD_FINDING_ENTRY);
        assert_string_equal(report.compartments[i], "assets");
    }
}

static void test_scrub_verify__reports_a_collection_that_is_gone(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_assets *assets = &test->vault->assets;
    struct sherd_ref name;

    vault_collection(test, "gone", 3, false);
    assert_ok(sherd_entry_name(&assets->keys, "collection", sherd_span_str("gone"), sherd_span_of(NULL, 0), &name));
    remove_entry(assets->compartment, name);
    assert_one_finding(test, NULL, 0, SHERD_FINDING_ENTRY, "assets");
}

static void test_scrub_verify__goes_on_after_a_finding(void **state)
{
    struct vault_test *test = *state;
    struct sherd_uuid ids[10];
    struct report report = {0};
    struct sherd_verify_stat stat;

    for (size_t i = 0; i < 10; i++)
        ids[i] = vault_put(test, NULL, "x");
    for (size_t i = 0; i < 10; i += 2)
        damage_entry(test->vault->secrets, data_of(test, ids[i], 0));
    assert_err(SHERD_ERR_TAMPERED, verify(test, NULL, &report, &stat));
    assert_int_equal(stat.finding_count, 5);
    assert_int_equal(report.count, 5);
    assert_int_equal(stat.record_count, 10);
    assert_int_equal(stat.version_count, 10);
    assert_int_equal(stat.content_bytes, 5);
}

/* --- the walk over keys ------------------------------------------------------------------------------------------- */

/* Entries of nobody's, all in one range of names, and at the ends of all names. */
static void test_scrub_verify__meets_each_entry_of_many_pages_once(void **state)
{
    struct vault_test *test = *state;
    const uint8_t bytes[40] = {1};
    struct sherd_store_op *ops = test_calloc(SHERD_PAGE_MAX, sizeof(*ops));
    struct sherd_verify_stat stat;

    for (unsigned round = 0; round < 3; round++) { /* a page full, two, and some */
        const size_t count = round < 2 ? SHERD_PAGE_MAX : 5;

        for (size_t i = 0; i < count; i++) {
            ops[i] = (struct sherd_store_op){.kind = SHERD_STORE_PUT, .value = sherd_span_of(bytes, sizeof(bytes))};
            ops[i].name = (struct sherd_ref){{0x77, (uint8_t)round, (uint8_t)(i >> 8), (uint8_t)i}};
        }
        assert_ok(sherd_compartment_write(test->vault->keys, ops, count));
        assert_err(SHERD_ERR_TAMPERED, sherd_vault_verify(test->vault, NULL, NULL, &stat));
        assert_int_equal(stat.finding_count, round * SHERD_PAGE_MAX + count);
    }
    memset(&ops[0].name, 0, sizeof(ops[0].name));
    memset(&ops[1].name, 0xff, sizeof(ops[1].name));
    assert_ok(sherd_compartment_write(test->vault->keys, ops, 2));
    assert_err(SHERD_ERR_TAMPERED, sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.finding_count, 2 * SHERD_PAGE_MAX + 7);
    test_free(ops);
}

/* One entry of a kind, as a walk met it. */
struct met {
    enum sherd_kind kind;
    atomic_uint count;
    struct sherd_page_entry entry;
};

static enum sherd_err meet(void *arg, const struct sherd_page *page)
{
    struct met *met = arg;

    for (size_t i = 0; i < page->count; i++)
        if (page->entries[i].status == SHERD_OK && page->entries[i].kind == met->kind) {
            atomic_fetch_add(&met->count, 1);
            met->entry = page->entries[i];
        }
    return SHERD_OK;
}

static struct sherd_page_entry meet_only(struct vault_test *test, enum sherd_kind kind)
{
    struct met met = {.kind = kind};

    assert_ok(sherd_pages_each(test->vault, meet, &met));
    assert_int_equal(atomic_load(&met.count), 1);
    return met.entry;
}

/* What a walk met and what has changed since, rightly, is nothing to tell. */
static void test_scrub_verify__takes_no_change_meanwhile_for_a_finding(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.collection = "two"};
    uint64_t missing;
    bool stray;

    vault_collection(test, "two", 2, false);
    const struct sherd_uuid id = vault_put(test, &meta, "1");
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    const struct sherd_page_entry head = meet_only(test, SHERD_KIND_PIN);
    const struct sherd_page_entry old = meet_only(test, SHERD_KIND_OLD_PIN);
    assert_int_equal(head.version, 2);
    assert_int_equal(head.version_oldest, 1);
    assert_int_equal(old.version, 1);
    assert_true(vault_same_id(head.id, id));
    for (unsigned i = 0; i < 3; i++) { /* as it is; with version 1 dropped; without the record */
        assert_ok(sherd_pin_is_stray(test->vault, &old, &stray));
        assert_false(stray);
        assert_ok(sherd_pin_find_missing(test->vault, &head, 1, &missing));
        assert_int_equal(missing, 0);
        if (i == 0)
            assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("3"), NULL));
        if (i == 1)
            assert_ok(sherd_record_delete(test->vault, id));
    }
}

struct changer {
    struct vault_test *test;
    const char *collection;
    atomic_bool *stop;
    enum sherd_err err;
};

static void *change(void *arg)
{
    struct changer *changer = arg;
    const struct sherd_record_meta meta = {.collection = changer->collection};
    struct sherd_vault *vault = changer->test->vault;

    while (!atomic_load(changer->stop) && changer->err == SHERD_OK) {
        struct sherd_uuid id;

        changer->err = sherd_record_put(vault, &meta, sherd_span_str("1"), &id);
        for (unsigned i = 0; i < 6 && changer->err == SHERD_OK; i++)
            changer->err = sherd_record_update(vault, id, 0, NULL, sherd_span_str("more"), NULL);
        if (changer->err == SHERD_OK)
            changer->err = sherd_record_delete(vault, id);
    }
    return NULL;
}

static void test_scrub_verify__finds_nothing_while_others_work(void **state)
{
    struct vault_test *test = *state;
    atomic_bool stop = false;
    struct changer changers[] = {{test, "all", &stop, SHERD_OK}, {test, "two", &stop, SHERD_OK}};
    pthread_t threads[2];
    struct sherd_verify_stat stat;
    struct sherd_sweep_stat swept;

    vault_collection(test, "all", 0, false);
    vault_collection(test, "two", 2, false);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change, &changers[i]), 0);
    for (unsigned i = 0; i < 15; i++) {
        assert_ok(sherd_verify_holding(test->vault, NULL, NULL, i % 3 == 2 ? 1 : 1000000, &stat));
        assert_ok(sherd_vault_sweep(test->vault, false, &swept));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(changers[i].err, SHERD_OK);
    }
    vault_assert_clean(test, 0);
}

/* --- what no pin leads to ----------------------------------------------------------------------------------------- */

/* Remove the only head that there is. */
static void remove_head(struct vault_test *test)
{
    remove_entry(test->vault->keys, meet_only(test, SHERD_KIND_PIN).name);
}

/* However few names are held, the same is counted and found. */
static void test_scrub_verify__counts_orphans_whatever_it_holds(void **state)
{
    static const size_t holds[] = {0, 1, 5, SIZE_MAX};
    struct vault_test *test = *state;
    uint8_t *block = test_calloc(1, 300000);
    struct sherd_verify_stat stat;
    struct sherd_uuid large;

    (void)vault_put(test, NULL, "gone");
    remove_head(test);
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, 300000), &large));
    remove_head(test);
    for (unsigned i = 0; i < 6; i++)
        (void)vault_put(test, NULL, "stays");
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, 200000), &large));
    for (size_t i = 0; i < SHERD_COUNT_OF(holds); i++) {
        assert_err(SHERD_ERR_TAMPERED, sherd_verify_holding(test->vault, NULL, NULL, holds[i], &stat));
        assert_int_equal(stat.finding_count, 1); /* the ledger misses the two heads */
        assert_int_equal(stat.record_count, 7);
        assert_int_equal(stat.orphan_count, 4); /* a map entry, a fragment; a map entry, a blob */
    }
    damage_kind(test->vault->assets.compartment, SHERD_KIND_MAP);
    for (size_t i = 0; i < SHERD_COUNT_OF(holds); i++) {
        assert_err(SHERD_ERR_TAMPERED, sherd_verify_holding(test->vault, NULL, NULL, holds[i], &stat));
        assert_true(stat.finding_count == 2 || stat.finding_count == 3); /* an orphan's, or a record's too */
        assert_int_equal(stat.orphan_count, 0);                          /* what it led to cannot be told */
    }
    test_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_scrub_verify__counts_what_it_checked),
        vault_test_of(test_scrub_verify__counts_each_version),
        vault_test_of(test_scrub_verify__checks_more_pins_than_a_page_holds),
        vault_test_of(test_scrub_verify__stops_where_the_observer_says),
        vault_test_of(test_scrub_verify__refuses_calls_without_their_arguments),
        vault_test_of(test_scrub_verify__reports_a_map_entry),
        vault_test_of(test_scrub_verify__reports_a_fragment_that_is_an_entry),
        vault_test_of(test_scrub_verify__reports_a_fragment_that_is_a_blob),
        vault_test_of(test_scrub_verify__reports_an_older_version),
        vault_test_of(test_scrub_verify__reports_a_pin),
        vault_test_of(test_scrub_verify__reports_entries_of_other_kinds),
        vault_test_of(test_scrub_verify__reports_a_collection),
        vault_test_of(test_scrub_verify__reports_a_collection_that_is_gone),
        vault_test_of(test_scrub_verify__goes_on_after_a_finding),
        vault_test_of(test_scrub_verify__meets_each_entry_of_many_pages_once),
        vault_test_of(test_scrub_verify__takes_no_change_meanwhile_for_a_finding),
        vault_test_of(test_scrub_verify__finds_nothing_while_others_work),
        vault_test_of(test_scrub_verify__counts_orphans_whatever_it_holds),
    };

    return cmocka_run_group_tests_name("scrub_verify", tests, NULL, NULL);
}
